//! What is kept on disk.

use super::{INT, SIZE};
use crate::config::directive::{Directive, Follow, Home, at, fixed, live};
use crate::config::kind::{Kind, Reason};
use crate::config::value::{AppendFsync, RdbVersion, Value, VersionCheck};

pub(super) const SNAPSHOTS: &[Directive] = &[
    live(
        "save",
        Kind::Save,
        "3600 1 300 100 60 10000",
        at!(save),
        "Write a snapshot after so many seconds if there were so many changes. The first line \
         replaces the defaults, further ones add to it, and save \"\" means never.",
    )
    .then(Follow::Save),
    live(
        "dbfilename",
        Kind::Text,
        "dump.rdb",
        at!(dbfilename),
        "The file of the snapshot, inside dir.",
    )
    .protected()
    .check(snapshot_name),
    live(
        "rdbcompression",
        Kind::Switch,
        "yes",
        at!(rdbcompression),
        "Compress strings in a snapshot.",
    ),
    fixed(
        "rdbchecksum",
        Kind::Switch,
        "yes",
        at!(rdbchecksum),
        "Put a checksum at the end of a snapshot.",
    ),
    live(
        "rdb-version",
        Kind::Choice(RdbVersion::NAMES),
        "11",
        at!(rdb_version),
        "The version of the format that snapshots and DUMP are written in: 10 is read by Redis 7.0, 11 by \
         Redis 7.2 and later and by Valkey, 12 by Redis 7.4 and later, valkey80 by Valkey 9. Hashes whose fields have \
         a TTL need 12 or valkey80; where there are any, 11 gives way to 12, or to valkey80 if the data came \
         from Valkey.",
    ),
    live(
        "rdb-version-check",
        Kind::Choice(VersionCheck::NAMES),
        "strict",
        at!(rdb_version_check),
        "Whether a snapshot of a later version is refused or tried.",
    ),
    live(
        "rdb-del-sync-files",
        Kind::Switch,
        "no",
        Home::Later("replication"),
        "Remove snapshots that were only made for replication.",
    ),
    live(
        "rdb-save-incremental-fsync",
        Kind::Switch,
        "yes",
        at!(rdb_save_incremental_fsync),
        "Flush a snapshot to disk in portions while it is written.",
    ),
    live(
        "stop-writes-on-bgsave-error",
        Kind::Switch,
        "yes",
        at!(stop_writes_on_bgsave_error),
        "Refuse writes while the last snapshot could not be written.",
    ),
    live(
        "sanitize-dump-payload",
        Kind::Choice(&["no", "yes", "clients"]),
        "no",
        Home::Idle("whatever is restored is always checked"),
        "Check the structure of values that are restored.",
    ),
    fixed(
        "backupdirname",
        Kind::Text,
        "backupdir",
        Home::Later("the BACKUP commands"),
        "The folder of backups, inside dir.",
    )
    .hidden(),
    fixed(
        "preload-file",
        Kind::Text,
        "",
        Home::Later("the BACKUP commands"),
        "A file to load before anything else.",
    )
    .hidden(),
    live(
        "hash-rdb-load-min-template-entries",
        Kind::Number(0, INT),
        "0",
        Home::Idle("hashes are loaded one by one"),
        "Hashes of at least so many fields may share their field names while loading.",
    ),
    live(
        "hash-rdb-load-max-template-entries",
        Kind::Number(0, INT),
        "0",
        Home::Idle("hashes are loaded one by one"),
        "Hashes of at most so many fields may share their field names while loading.",
    ),
    live(
        "hash-rdb-load-template-disassembly-threshold",
        Kind::Number(0, INT),
        "0",
        Home::Idle("hashes are loaded one by one"),
        "Changes after which a hash gets its field names for itself.",
    ),
];

pub(super) const AOF: &[Directive] = &[
    live("appendonly", Kind::Switch, "no", at!(appendonly), "Log every write to disk.")
        .then(Follow::Appendonly),
    fixed(
        "appendfilename",
        Kind::Text,
        "appendonly.aof",
        at!(appendfilename),
        "What the names of the log's files begin with.",
    )
    .check(log_name),
    fixed(
        "appenddirname",
        Kind::Text,
        "appendonlydir",
        at!(appenddirname),
        "The folder of the log's files, inside dir.",
    )
    .check(log_dir),
    live(
        "appendfsync",
        Kind::Choice(AppendFsync::NAMES),
        "everysec",
        at!(appendfsync),
        "When to flush the log to disk: every second, before every reply, or when the system \
         likes.",
    ),
    live(
        "no-appendfsync-on-rewrite",
        Kind::Switch,
        "no",
        at!(no_appendfsync_on_rewrite),
        "Do not flush while a snapshot or a rewrite is written.",
    ),
    live(
        "auto-aof-rewrite-percentage",
        Kind::Number(0, INT),
        "100",
        at!(auto_aof_rewrite_percentage),
        "Growth of the log, in percent, after which it is rewritten; 0 means never.",
    ),
    live(
        "auto-aof-rewrite-min-size",
        Kind::Memory(0, SIZE),
        "67108864",
        at!(auto_aof_rewrite_min_size),
        "The size below which the log is not rewritten.",
    ),
    live(
        "aof-load-truncated",
        Kind::Switch,
        "yes",
        at!(aof_load_truncated),
        "Accept a log whose last command is cut off.",
    ),
    live(
        "aof-load-corrupt-tail-max-size",
        Kind::Memory(0, SIZE),
        "0",
        at!(aof_load_corrupt_tail_max_size),
        "Bytes of nonsense at the end of the log that may be dropped.",
    ),
    live(
        "aof-use-rdb-preamble",
        Kind::Switch,
        "yes",
        at!(aof_use_rdb_preamble),
        "Begin a rewritten log with a snapshot.",
    ),
    live(
        "aof-timestamp-enabled",
        Kind::Switch,
        "no",
        at!(aof_timestamp_enabled),
        "Put times into the log.",
    ),
    live(
        "aof-rewrite-incremental-fsync",
        Kind::Switch,
        "yes",
        at!(aof_rewrite_incremental_fsync),
        "Flush a rewritten log in portions while it is written.",
    ),
];

fn snapshot_name(value: &Value) -> Result<(), Reason> {
    match plain_name(value) {
        Name::Path => Err("dbfilename can't be a path, just a filename".into()),
        Name::Empty | Name::Plain => Ok(()),
    }
}

fn log_name(value: &Value) -> Result<(), Reason> {
    match plain_name(value) {
        Name::Path => Err("appendfilename can't be a path, just a filename".into()),
        Name::Empty => Err("appendfilename can't be empty".into()),
        Name::Plain => Ok(()),
    }
}

fn log_dir(value: &Value) -> Result<(), Reason> {
    match plain_name(value) {
        Name::Path => Err("appenddirname can't be a path, just a dirname".into()),
        Name::Empty => Err("appenddirname can't be empty".into()),
        Name::Plain => Ok(()),
    }
}

enum Name {
    Empty,
    Plain,
    Path,
}

fn plain_name(value: &Value) -> Name {
    match value {
        Value::Text(text) if text.is_empty() => Name::Empty,
        Value::Text(text) if text.iter().any(|byte| b"/\\".contains(byte)) => Name::Path,
        _ => Name::Plain,
    }
}
