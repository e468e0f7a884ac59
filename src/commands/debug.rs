//! DEBUG: what test suites and developers ask of a server and applications must not.

use crate::base::bytes::hex;
use crate::data::Type;
use crate::engine::command::{admin, container};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::keyspace::{Event, Record};
use crate::persist::load::Source;
use crate::persist::manifest::Manifest;
use crate::resp::{Args, Done, Proto, Reply};
use crate::spec::{ADMIN, Group, LOADING, NOSCRIPT, PROTECTED, STALE};
use crate::world::Millis;
use crate::world::host::Level;
use sha2::{Digest, Sha256};

/// All of DEBUG may do harm, so all of it needs `enable-debug-command`.
const FLAGS: u32 = ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED;

macro_rules! debug {
    ($name:literal, $run:ident, $arity:literal, $summary:literal) => {
        admin(concat!("DEBUG|", $name), $run)
            .arity($arity)
            .flags(FLAGS)
            .since("1.0.0")
            .complexity("Depends on subcommand.")
            .summary($summary)
    };
}

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        container("DEBUG")
            .flags(FLAGS)
            .since("1.0.0")
            .complexity("Depends on subcommand.")
            .summary("A container for debugging commands."),
        debug!("SLEEP", sleep, 3, "Stops the server for some seconds."),
        debug!("SET-ACTIVE-EXPIRE", set_active_expire, 3, "Switches the sweep of due keys."),
        debug!("OBJECT", object, -3, "Shows how a value is kept."),
        debug!("SDSLEN", sdslen, 3, "Shows the lengths of a key and of its string."),
        debug!("POPULATE", populate, -3, "Makes many keys."),
        debug!("PROTOCOL", protocol, 3, "Answers with a sample of a type."),
        debug!("DIGEST", digest, 2, "Returns a digest of all data."),
        debug!("DIGEST-VALUE", digest_value, -2, "Returns digests of values."),
        debug!("STRINGMATCH-LEN", stringmatch, 4, "Matches a pattern."),
        debug!("LOG", log, 3, "Writes a line to the log."),
        debug!("ERROR", error, 3, "Answers with an error."),
        debug!("HTSTATS", htstats, -3, "Shows how full the tables are."),
        debug!("HTSTATS-KEY", htstats_key, -3, "Shows how full the table of a value is."),
        debug!("LISTPACK", listpack, 3, "Writes the elements of a packed value to the log."),
        debug!("CONFIG-REWRITE-FORCE-ALL", rewrite_all, 2, "CONFIG REWRITE with every directive."),
        debug!("REPLYBUFFER", replybuffer, 4, "Controls what CLIENT LIST calls rbs and rbp."),
        debug!(
            "CLIENT-ENFORCE-REPLY-LIST",
            fill_blocks, 3, "Counts every answer as a whole block."
        ),
        debug!(
            "SET-SKIP-CHECKSUM-VALIDATION",
            any_checksum, 3, "Switches the check of what RESTORE takes."
        ),
        debug!("PAUSE-CRON", pause_cron, 3, "Switches the server's background work."),
        debug!(
            "SET-DISABLE-DENY-SCRIPTS",
            call_all, 3, "Lets scripts call commands that they may not call."
        ),
        debug!("RELOAD", reload, -2, "Saves the data, forgets it, and loads it again."),
        debug!("LOADAOF", loadaof, 2, "Forgets the data, and loads it from the log."),
        debug!("AOF-FLUSH-SLEEP", flush_sleep, 3, "Waits before anything is written to the log."),
        debug!(
            "FORCE-TLS-WRITE-ERROR",
            force_tls_write_errors, 3, "Has no socket with TLS take anything."
        ),
        debug!("JMAP", accept, -2, "Accepted, without effect."),
        debug!("DICT-RESIZING", accept, 3, "Accepted: tables resize in steps that hold nobody up."),
        debug!(
            "HASHTABLE-CAN-ABORT-SHRINK",
            accept, 3, "Accepted: tables shrink in steps that need not be aborted."
        ),
        debug!(
            "QUICKLIST-PACKED-THRESHOLD",
            packed_threshold,
            3,
            "Gives elements of lists a block to themselves from so many bytes on."
        ),
        debug!("CHANGE-REPL-ID", accept, 2, "Accepted, without effect."),
        debug!("PANIC", panic, -2, "Crashes the server by a panic."),
        debug!("ASSERT", assert, -2, "Crashes the server by an assertion."),
        debug!("SEGFAULT", segfault, -2, "Crashes the server by touching what it may not."),
        debug!("OOM", oom, -2, "Crashes the server by asking for too much memory."),
        debug!("HELP", help, 2, "Lists the subcommands."),
    ],
};

fn sleep(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let seconds = args.after(1).float()?;
    let micros = (seconds * 1e6).clamp(0.0, 3600.0 * 1e6) as u64;
    engine.host.sleep(micros);
    out.ok()
}

fn force_tls_write_errors(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let fail = args.get(2) != b"0";
    engine.host.force_tls_write_errors(fail);
    if !fail {
        // No socket wakes who waited for none.
        engine.sessions.iter().for_each(|session| session.mailbox.nudge());
    }
    out.ok()
}

fn set_active_expire(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    engine.keyspace.set_sweeps(args.get(2) != b"0");
    out.ok()
}

fn object(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let db = engine.sessions[who].db;
    let aging = engine.keyspace.aging_for(db, args.get(2));
    let record = engine.keyspace.record(db, args.get(2)).ok_or(Error::NoSuchKey)?;
    let text = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        record.key().as_ptr(),
        record.encoding(),
        record.parts().iter().map(|part| part.len() + 1).sum::<usize>(),
        record.age(),
        aging.idle_seconds(record)
    );
    out.simple(&text)
}

fn sdslen(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let db = engine.sessions[who].db;
    let record = engine.keyspace.record(db, args.get(2)).ok_or(Error::NoSuchKey)?;
    if record.kind() != Type::String {
        return Err(Error::Say("ERR Not an sds encoded string.").into());
    }
    let (key, value) = (record.key().len(), record.text().len());
    let text = format!(
        "key_sds_len:{key}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{value}, \
         val_sds_avail:0, val_zmalloc: {}",
        record.memory() - value.min(record.memory()),
        value,
    );
    out.simple(&text)
}

/// DEBUG POPULATE count [prefix] [size]
fn populate(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let mut rest = args.after(1);
    let count = rest.int().unwrap_or(-1);
    if count < 0 {
        return Err(Error::Say("ERR value is out of range, must be positive").into());
    }
    let prefix = if rest.left() > 0 { rest.bytes()? } else { b"key" };
    let size = if rest.left() > 0 { Some(rest.int()?) } else { None };
    let size = match size {
        None => None,
        Some(size) => Some(
            usize::try_from(size)
                .map_err(|_| Error::Say("ERR value is out of range, must be positive"))?,
        ),
    };
    if size.is_some_and(|size| size as u64 > engine.config.proto_max_bulk_len) {
        return Err(
            Error::Say("ERR string exceeds maximum allowed size (proto-max-bulk-len)").into()
        );
    }
    let db = engine.sessions[who].db;
    for number in 0..count {
        let key = [prefix, b":", number.to_string().as_bytes()].concat();
        if engine.keyspace.record(db, &key).is_some() {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size {
            value.resize(size, 0);
        }
        engine.keyspace.put(db, Record::string(&key, &value), Event::string("set"));
    }
    engine.effects.nothing();
    out.ok()
}

/// What Redis answers, which is not meant to be a circle's.
#[expect(clippy::approx_constant, reason = "the suites compare these digits")]
const SAMPLE_DOUBLE: f64 = 3.141;

fn protocol(_: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    match &*crate::resp::Word::new(args.get(2)) {
        b"STRING" => out.bulk(b"Hello World"),
        b"INTEGER" => out.int(12345),
        b"DOUBLE" => out.double(SAMPLE_DOUBLE),
        b"NULL" => out.null(),
        b"ARRAY" => {
            let mut list = out.list(3);
            (0..3).for_each(|number| list.int(number));
            list.end()
        }
        b"SET" => {
            let mut set = out.set(3);
            (0..3).for_each(|number| set.int(number));
            set.end()
        }
        b"MAP" => {
            let mut map = out.map(3);
            for number in 0..3 {
                map.int(number);
                map.boolean(number == 1);
            }
            map.end()
        }
        b"ATTRIB" => match out.proto() {
            Proto::Resp2 => out.bulk(b"Some real reply following the attribute"),
            Proto::Resp3 => out.in_pieces(|out| {
                let mut attributes = out.attributes(1);
                attributes.bulk(b"key-popularity");
                let mut popularity = attributes.list(2);
                popularity.bulk(b"key:123");
                popularity.int(90);
                popularity.close();
                attributes.close();
                out.bulk(b"Some real reply following the attribute");
            }),
        },
        b"PUSH" => match out.proto() {
            Proto::Resp2 => Err(Error::Say("ERR RESP2 is not supported by this command").into()),
            Proto::Resp3 => out.in_pieces(|out| {
                let mut push = out.push(2);
                push.bulk(b"server-cpu-usage");
                push.int(42);
                push.close();
                // A push is no answer; the answer follows it.
                out.bulk(b"Some real reply following the push reply");
            }),
        },
        b"VERBATIM" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"BIGNUM" => out.big_number(b"1234567999999999999999999999999999999"),
        b"TRUE" => out.boolean(true),
        b"FALSE" => out.boolean(false),
        _ => Err(Error::Say(
            "ERR Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
        )
        .into()),
    }
}

/// The same for the same data, whatever its order, age or form: exclusive or of a digest a key.
fn digest(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.simple(&digest_of_all(engine))
}

/// What DEBUG DIGEST answers, for those who ask the engine itself.
pub fn digest_of_all(engine: &Engine) -> String {
    let mut all = [0u8; 20];
    for db in 0..engine.keyspace.databases() {
        let now = engine.keyspace.now();
        let is_seen = |record: &&Record| !record.is_due(now) && record.spent(now).is_none();
        for record in engine.keyspace.db(db).records().filter(is_seen) {
            let one = digest_of(db as u32, record, now);
            all.iter_mut().zip(one).for_each(|(byte, other)| *byte ^= other);
        }
    }
    hex(&all)
}

fn digest_value(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let db = engine.sessions[who].db;
    let mut list = out.list(args.len() - 2);
    for key in args.tail(2).iter() {
        let digest = match engine.keyspace.record(db, key) {
            None => [0; 20],
            Some(record) => {
                let mut hash = Sha256::new();
                add_value(&mut hash, record, engine.keyspace.now());
                shortened(hash.finalize())
            }
        };
        list.simple(&hex(&digest));
    }
    list.end()
}

fn digest_of(db: u32, record: &Record, now: Millis) -> [u8; 20] {
    let mut hash = Sha256::new();
    hash.update(db.to_le_bytes());
    hash.update((record.key().len() as u64).to_le_bytes());
    hash.update(record.key());
    hash.update(record.kind().name());
    add_value(&mut hash, record, now);
    hash.update(record.deadline().map_or(-1, |deadline| deadline.0).to_le_bytes());
    shortened(hash.finalize())
}

fn add_value(hash: &mut Sha256, record: &Record, now: Millis) {
    for part in record.parts_at(now) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
}

fn shortened(digest: impl AsRef<[u8]>) -> [u8; 20] {
    let mut short = [0; 20];
    short.copy_from_slice(&digest.as_ref()[..20]);
    short
}

fn stringmatch(_: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    out.int(crate::base::glob::matches(args.get(3), args.get(2), false) as i64)
}

fn log(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let text = String::from_utf8_lossy(args.get(2));
    engine.host.log(Level::Warning, &format!("DEBUG LOG: {text}"));
    out.ok()
}

fn error(_: &mut Engine, _: SessionKey, args: Args, _: Reply) -> Done {
    Err(Error::Text(args.get(2).into()).into())
}

fn htstats(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let number = args.after(1).int()?;
    let databases = engine.keyspace.databases() as i64;
    if !(0..databases).contains(&number) {
        return Err(Error::Say("ERR Out of range database").into());
    }
    let db = engine.keyspace.db(number as usize);
    let text = format!(
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: {}\n number of elements: \
         {}\n bytes: {}\n[Expires HT]\n number of elements: {}\n",
        db.table().slots(),
        db.len(),
        db.overhead(),
        db.expires(),
    );
    out.verbatim("txt", text.as_bytes())
}

fn htstats_key(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    const NO_TABLE: &str =
        "ERR The value stored at the specified key is not represented using an hash table";
    let db = engine.sessions[who].db;
    let record = engine.keyspace.record(db, args.get(2)).ok_or(Error::NoSuchKey)?;
    if !matches!(record.encoding(), "hashtable" | "skiplist") {
        return Err(Error::Say(NO_TABLE).into());
    }
    // A table is never copied to another, so there is one and it is all there is to tell.
    let text = format!(
        "Hash table 0 stats (main hash table):\n number of elements: {}\n bytes: {}\n",
        record.size(),
        record.memory()
    );
    out.verbatim("txt", text.as_bytes())
}

fn listpack(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let db = engine.sessions[who].db;
    let record = engine.keyspace.record(db, args.get(2)).ok_or(Error::NoSuchKey)?;
    if !matches!(record.encoding(), "listpack" | "listpackex") {
        return Err(Error::Say("ERR Not a listpack encoded object.").into());
    }
    let mut line = b"DEBUG LISTPACK:".to_vec();
    for part in record.parts() {
        line.push(b' ');
        crate::base::bytes::quote(&part, &mut line);
    }
    engine.host.log(Level::Warning, &String::from_utf8_lossy(&line));
    out.simple("The elements are in the log")
}

/// Zero leaves it to the size of the blocks again.
fn packed_threshold(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    const BAD: Error =
        Error::Say("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    let bytes = crate::base::memory_size::parse_memory(args.get(2)).ok_or(BAD)?;
    let bytes = u32::try_from(bytes).map_err(|_| BAD)?;
    engine.limits.list.alone = (bytes > 0).then_some(bytes as usize);
    out.ok()
}

fn any_checksum(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    engine.limits.footer.any_checksum = args.after(1).int()? != 0;
    out.ok()
}

fn rewrite_all(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    engine.rewrite_config(true)?;
    out.ok()
}

/// The reply buffer is shared by all clients and never resized for one; what CLIENT LIST says of
/// it is a record of how much a client's answers needed.
fn replybuffer(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    match (&*crate::resp::Word::new(args.get(2)), args.get(3)) {
        (b"PEAK-RESET-TIME", value) if value.eq_ignore_ascii_case(b"never") => {
            engine.reply_peaks.reset_after_us = None;
        }
        (b"PEAK-RESET-TIME", value) if value.eq_ignore_ascii_case(b"reset") => {
            engine.reply_peaks = Default::default();
        }
        (b"PEAK-RESET-TIME", _) => {
            let millis = args.after(2).int()?;
            let millis = u64::try_from(millis).map_err(|_| Error::NotInteger)?;
            engine.reply_peaks.reset_after_us = Some(millis.saturating_mul(1000));
        }
        (b"RESIZING", value) => engine.reply_peaks.resizes = value != b"0",
        _ => return Err(Error::Syntax.into()),
    }
    out.ok()
}

fn fill_blocks(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    engine.answers_fill_blocks = args.get(2) != b"0";
    out.ok()
}

fn call_all(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    engine.scripting.call_all = args.get(2) != b"0";
    out.ok()
}

fn pause_cron(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    engine.cron_paused = args.get(2) != b"0";
    out.ok()
}

fn flush_sleep(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let micros = args.after(1).int()?;
    engine.persistence.aof.progress.set_write_delay(micros.clamp(0, 3_600_000_000) as u64);
    out.ok()
}

fn accept(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.ok()
}

fn panic(engine: &mut Engine, who: SessionKey, _: Args, _: Reply) -> Done {
    announce(engine, who);
    panic!("DEBUG PANIC asked for it");
}

fn assert(engine: &mut Engine, who: SessionKey, args: Args, _: Reply) -> Done {
    announce(engine, who);
    assert!(args.is_empty(), "assertion failed: args.is_empty()");
    unreachable!("a command has a name");
}

fn segfault(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    announce(engine, who);
    engine.host.fault();
    // Where there is no memory to be touched.
    out.ok()
}

fn oom(engine: &mut Engine, who: SessionKey, _: Args, _: Reply) -> Done {
    announce(engine, who);
    // More than any machine has: the allocator refuses, which ends the process.
    let bytes = vec![0u8; isize::MAX as usize - 4096];
    unreachable!("{} bytes were there", bytes.len());
}

fn announce(engine: &Engine, who: SessionKey) {
    let line = engine.describe_for_log(who);
    engine.host.log(Level::Warning, &format!("A client asked for a crash: {line}"));
}

fn help(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let mut lines = Vec::new();
    for command in engine.table.all {
        if let Some(name) = command.spec.name.strip_prefix("DEBUG|")
            && name != "HELP"
        {
            lines.push(name.to_string());
            lines.push(format!("    {}", command.spec.summary));
        }
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    out.help("DEBUG", &lines)
}

/// DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]
fn reload(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let (mut merge, mut flush, mut save) = (false, true, true);
    let mut rest = args.after(1);
    while let Some(word) = rest.word() {
        match &*word {
            b"MERGE" => merge = true,
            b"NOFLUSH" => flush = false,
            b"NOSAVE" => save = false,
            _ => {
                return Err(Error::Say(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                )
                .into());
            }
        }
        rest.skip();
    }
    if save && engine.save_now().is_err() {
        return Err(Error::Say("ERR").into());
    }
    engine.keyspace.merges(merge);
    let loaded = engine.load_now(&Source::Snapshot, flush);
    engine.keyspace.merges(false);
    told_of(engine, loaded, "DB reloaded by DEBUG RELOAD", RELOAD_FAILED, out)
}

const RELOAD_FAILED: Error =
    Error::Say("ERR Error trying to load the RDB dump, check server logs.");

/// DEBUG LOADAOF
fn loadaof(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    const FAILED: Error = Error::Say("ERR Error trying to load the AOF files, check server logs.");
    engine.host.flush_log();
    let manifest = match Manifest::read(&*engine.host.disk(), &engine.names()) {
        Ok(Some(Ok(manifest))) => manifest,
        _ => return Err(FAILED.into()),
    };
    let loaded = engine.load_now(&Source::Log(manifest), true);
    told_of(engine, loaded, "Append Only File loaded by DEBUG LOADAOF", FAILED, out)
}

fn told_of(
    engine: &mut Engine,
    loaded: Result<(), String>,
    done: &str,
    failed: Error,
    out: Reply,
) -> Done {
    match loaded {
        Ok(()) => {
            engine.host.log(Level::Warning, done);
            out.ok()
        }
        Err(why) => {
            engine.host.log(Level::Warning, &why);
            Err(failed.into())
        }
    }
}
