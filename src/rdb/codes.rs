//! The numbers of the format: what stands on disk and is never renumbered.
//!
//! ```text
//!   dump:   "REDIS" version, four digits    or    "VALKEY" version, three digits
//!           { opcode … | type key value }  EOF  CRC-64 of all before, little-endian (from version 5 on; zero: none)
//!
//!   length: 00xxxxxx                        6 bits
//!           01xxxxxx + 1 byte               14 bits
//!           10000000 + 4 bytes              32 bits, big-endian
//!           10000001 + 8 bytes              64 bits, big-endian
//!           11xxxxxx                        no length: a string in a form of its own, see `string`
//!
//!   payload of DUMP: type value { AUX … }  version, two bytes, little-endian  CRC-64
//! ```
//!
//! # What only Russet writes
//! No version of the format has a place for some of what Russet knows. It stands in AUX fields, which every
//! reader skips that does not know them: in a dump before the key that they belong to (and before its expiry),
//! in a payload of DUMP behind the value, where no peer looks. See `aux`.

/// The families of the format, which have counted apart since 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Redis,
    Valkey,
}

impl Family {
    /// The AUX field in which its servers say their version.
    pub fn version_field(self) -> &'static str {
        match self {
            Family::Redis => "redis-ver",
            Family::Valkey => "valkey-ver",
        }
    }

    /// Whose field that is, if it is one.
    pub fn of_version_field(name: &[u8]) -> Option<Family> {
        [Family::Redis, Family::Valkey].into_iter().find(|it| it.version_field().as_bytes() == name)
    }
}

/// Which versions there are.
pub mod version {
    /// Redis 7.0: listpacks in place of ziplists, functions, `SET_LISTPACK` and `STREAM_LISTPACKS_3` not yet.
    pub const REDIS_7_0: u32 = 10;
    /// Redis 7.2 and Valkey 7.2 and 8: the last that both families read.
    pub const COMMON: u32 = 11;
    /// Redis 7.4 and 8.0: hashes whose fields have deadlines.
    pub const REDIS_8: u32 = 12;
    /// From here on the numbers are Valkey's; from 12 up to here they are Redis'. (13 is that of Redis 8.6, 14 and
    /// 15 of those that came after.)
    pub const FIRST_VALKEY: u32 = 80;
    /// Valkey 9.0 and 9.1: hashes whose fields have deadlines, in a form that is not Redis'.
    pub const VALKEY_9: u32 = 80;
    /// From here on EXPIRETIME_MS and other times are little-endian on every machine; before, they are as the machine
    /// had them, which nearly always is the same.
    pub const TIMES_LITTLE_ENDIAN: u32 = 9;
    /// From here on a dump ends with a checksum.
    pub const CHECKSUM: u32 = 5;
}

/// What may stand in place of a type.
pub mod opcode {
    /// Redis 8.10: fields that hashes share: the number of this template, and how many fields as lengths, and those as
    /// strings.
    pub const HASH_TEMPLATE: u8 = 242;
    /// Valkey 9: slots that are being imported: a name of 40 characters as string, a number of ranges as length, and
    /// for each the first and the last slot as lengths.
    pub const SLOT_IMPORT: u8 = 243;
    /// Redis from version 13 on, with the same number: metadata that modules have put on the next key. A number of
    /// classes as length, for each four bytes of its name and the value of a module.
    pub const KEY_META: u8 = 243;
    /// Redis 7.4: a slot, its keys, those that expire; three lengths.
    pub const SLOT_INFO: u8 = 244;
    /// A library of functions: its code as string.
    pub const FUNCTION2: u8 = 245;
    /// A library of functions of candidates of Redis 7.0, which nobody reads any more.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Something that a module keeps beside the keys: its id as length, UINT, when as length, then what `module` says.
    pub const MODULE_AUX: u8 = 247;
    /// Seconds since the next key was used, as length.
    pub const IDLE: u8 = 248;
    /// How often the next key was used, as one byte.
    pub const FREQ: u8 = 249;
    /// A name and a value, both strings.
    pub const AUX: u8 = 250;
    /// How many keys the database has, and how many of them expire; two lengths.
    pub const RESIZEDB: u8 = 251;
    /// The deadline of the next key in milliseconds, eight bytes.
    pub const EXPIRETIME_MS: u8 = 252;
    /// The deadline of the next key in seconds, four bytes.
    pub const EXPIRETIME: u8 = 253;
    /// The database of the keys that follow, as length.
    pub const SELECTDB: u8 = 254;
    pub const EOF: u8 = 255;
}

/// Types of values, and the forms they are in.
pub mod kind {
    pub const STRING: u8 = 0;
    /// A number of elements, and those as strings. So is SET.
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    /// A number of members; each as string, then its score as text: a byte of length, and that text, where 253
    /// stands for NaN, 254 for plus and 255 for minus infinity.
    pub const ZSET: u8 = 3;
    /// A number of fields; each as string, and its value as string.
    pub const HASH: u8 = 4;
    /// As ZSET, the scores as eight bytes, little-endian (version 8).
    pub const ZSET_2: u8 = 5;
    /// The value of a module of candidates of Redis 4.0: it cannot even be skipped.
    pub const MODULE_PRE_GA: u8 = 6;
    /// The id of a module's type as length, then what `module` says.
    pub const MODULE_2: u8 = 7;

    // From here on most are one string that holds the whole value.

    /// A zipmap (to version 3).
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    /// See `intset`.
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    /// A number of nodes, and those as strings that are ziplists (version 7).
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream (version 9), see `stream`.
    pub const STREAM_LISTPACKS: u8 = 15;
    /// Fields and values in turn (version 10).
    pub const HASH_LISTPACK: u8 = 16;
    /// Members and scores in turn, in the order of the scores (version 10).
    pub const ZSET_LISTPACK: u8 = 17;
    /// A number of nodes; each as length what it is, see `quicklist`, and as string (version 10).
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// As STREAM_LISTPACKS, and more of the stream's past (version 10).
    pub const STREAM_LISTPACKS_2: u8 = 19;
    /// Version 11.
    pub const SET_LISTPACK: u8 = 20;
    /// As STREAM_LISTPACKS_2, and when consumers last got something (version 11).
    pub const STREAM_LISTPACKS_3: u8 = 21;

    // From here on the families differ, and which one it is, the beginning of the dump says (or the version in
    // the payload of DUMP).

    /// Valkey 9 (version 80): a number of fields; each as string, its value as string, its deadline in milliseconds in
    /// eight bytes, little-endian, where -1 is none.
    pub const VALKEY_HASH_2: u8 = 22;
    /// Redis 7.4's candidates: as HASH_METADATA without the first deadline, and the deadlines are not relative.
    pub const HASH_METADATA_PRE_GA: u8 = 22;
    /// Redis 7.4's candidates: as HASH_LISTPACK_EX without the first deadline.
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    /// The earliest deadline in milliseconds in eight bytes, little-endian (all bits of 2^48 if there is none), a number
    /// of fields; for each its deadline as length (zero: none, else what it is later than the earliest, and
    /// one), itself and its value as strings (version 12).
    pub const HASH_METADATA: u8 = 24;
    /// The earliest deadline as in HASH_METADATA, and a listpack of fields, values and deadlines in turn, where zero is
    /// none. It is sorted by deadline; those without one come last (version 12).
    pub const HASH_LISTPACK_EX: u8 = 25;
    /// As STREAM_LISTPACKS_3, and what of producers is known at the end: seconds, entries; a number of producers, …
    /// (version 13, Redis 8.6).
    pub const STREAM_LISTPACKS_4: u8 = 26;
    /// As STREAM_LISTPACKS_4, and behind the consumers of each group a number of entries that were given back, as ids of
    /// 16 bytes (version 14, Redis 8.8).
    pub const STREAM_LISTPACKS_5: u8 = 27;
    /// Redis 8.8 and later, none of which Russet knows: arrays, hashes with shared fields, limiters of rates.
    pub const ARRAY: u8 = 28;
    pub const HASH_TEMPLATE_LISTPACK: u8 = 29;
    pub const HASH_TEMPLATE_LISTPACK_REF: u8 = 30;
    pub const HASH_TEMPLATE_ARRAY: u8 = 31;
    pub const HASH_TEMPLATE_ARRAY_REF: u8 = 32;
    pub const GCRA: u8 = 33;
}

/// The first byte of a string that is in a form of its own.
pub mod string {
    /// A signed integer of one byte, little-endian as the others are.
    pub const INT8: u8 = 0xc0;
    pub const INT16: u8 = 0xc1;
    pub const INT32: u8 = 0xc2;
    /// Compressed: two lengths, of what follows and of what it will be.
    pub const LZF: u8 = 0xc3;
    /// The first byte of a length of 32 bits.
    pub const LEN_32: u8 = 0x80;
    /// The first byte of a length of 64 bits.
    pub const LEN_64: u8 = 0x81;
}

/// Values of modules are a row of these, as lengths, each with what follows it.
pub mod module {
    pub const EOF: u64 = 0;
    /// A length.
    pub const SINT: u64 = 1;
    /// A length.
    pub const UINT: u64 = 2;
    /// Four bytes.
    pub const FLOAT: u64 = 3;
    /// Eight bytes.
    pub const DOUBLE: u64 = 4;
    /// A string.
    pub const STRING: u64 = 5;
}

/// Nodes of LIST_QUICKLIST_2.
pub mod quicklist {
    /// The string is one element.
    pub const PLAIN: u64 = 1;
    /// The string is a listpack of elements.
    pub const PACKED: u64 = 2;
}

/// A sorted array: the width of an integer in bytes (2, 4 or 8) and the number of integers, each as four bytes, and
/// then the integers; all little-endian.
pub mod intset {
    pub const HEAD_BYTES: usize = 8;
}

/// A row of strings and integers.
///
/// ```text
///   listpack: bytes in all, 4 bytes  elements, 2 bytes (65535: nobody counted)  { element }  255     little-endian
///
///   element:  head (and payload)  its own bytes so far, readable backwards: 7 bits in each byte, the highest ones first,
///             and in all but the first byte the highest bit set
///
///   head 0xxxxxxx            the integer 0 to 127
///        10xxxxxx            a string of 0 to 63 bytes
///        110xxxxx + 1 byte   an integer of 13 bits, big-endian
///        1110xxxx + 1 byte   a string of up to 4095 bytes, big-endian
///        11110000 + 4 bytes  a longer string, its length little-endian
///        11110001 + 2 bytes  an integer of 16 bits, and with 2, 3 and 4 one of 24, 32 and 64 bits, little-endian
/// ```
pub mod listpack {
    pub const HEAD_BYTES: usize = 6;
    pub const STRING_6: u8 = 0x80;
    pub const INT_13: u8 = 0xc0;
    pub const STRING_12: u8 = 0xe0;
    pub const STRING_32: u8 = 0xf0;
    pub const INT_16: u8 = 0xf1;
    pub const INT_24: u8 = 0xf2;
    pub const INT_32: u8 = 0xf3;
    pub const INT_64: u8 = 0xf4;
    pub const END: u8 = 0xff;
    /// What the number of elements is when there are so many or more.
    pub const UNCOUNTED: u16 = 0xffff;
}

/// Streams.
///
/// ```text
///   stream:    nodes  { id of the node, a string of 16 bytes; listpack }  entries  last id
///              ( first id  greatest deleted id  entries ever added ) from STREAM_LISTPACKS_2 on
///              groups { name  last id  ( entries ever read ) from _2 on
///                       pending { id, 16 bytes; delivered, 8 bytes; how often }
///                       consumers { name  seen, 8 bytes  ( active, 8 bytes; -1: never ) from _3 on
///                                   pending { id, 16 bytes } } }
///
///   listpack:  live entries  deleted entries  number of fields  { field }  0        these are the master entry
///              { flags  ms and seq, relative to the node's id  ( number of fields  { field value } | { value } )
///                items of this entry but this one }
/// ```
/// Numbers and ids that have no size here are lengths, an id two of them. Ids of 16 bytes are big-endian, times
/// little-endian. "Entries ever read" has all bits set where it is not known.
pub mod stream {
    pub const DELETED: i64 = 1;
    /// The entry has the fields of the master entry, and only their values stand here.
    pub const SAME_FIELDS: i64 = 2;
}

/// Fields that only Russet writes, see the head of the file. Strings in them are a length and bytes, never compressed
/// and never an integer, numbers are lengths. A name may come again before the same key: then it goes on.
pub mod aux {
    /// Deadlines of elements, of a set, a sorted set or a hash: `{ element  milliseconds, 8 bytes, little-endian }`.
    /// Elements that are not there are passed over.
    pub const ELEMENT_TTLS: &[u8] = b"russet-element-ttls";
    /// What a stream remembers of its producers: `seconds  entries  added  duplicates`. The first two are zero where
    /// the directives decide, else one more than they are.
    pub const STREAM_IDMP: &[u8] = b"russet-stream-idmp";
    /// What is known of one producer, the oldest first: `producer  { name  id as two lengths }`. It comes behind
    /// STREAM_IDMP.
    pub const STREAM_PRODUCER: &[u8] = b"russet-stream-producer";
    /// Entries of a group that were given back, so that they are pending and nobody's: `group  consumer  made up, one byte
    /// { id, 16 bytes, big-endian }`. So that a peer can read them, which knows no such entries, they are pending for that
    /// consumer; and where that byte is one, the consumer is there for them alone.
    pub const STREAM_NACKED: &[u8] = b"russet-stream-nacked";
}
