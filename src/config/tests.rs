//! Ideas about the whole: every directive goes through every door and comes out the same.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use proptest::prelude::*;

/// Files by path; a pattern is a glob over the paths.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Includes for Files {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or("No such file or directory".to_string())
    }
    fn expand(&mut self, pattern: &str) -> Vec<String> {
        let fits =
            |path: &&String| crate::base::glob::matches(pattern.as_bytes(), path.as_bytes(), true);
        self.0.keys().filter(fits).cloned().collect()
    }
}

fn read(text: &str) -> Result<(Config, Loaded), String> {
    read_with(text, Files::default())
}

fn read_with(text: &str, mut files: Files) -> Result<(Config, Loaded), String> {
    let mut config = Config::default();
    let loaded =
        load(&mut config, text.as_bytes(), &mut files).map_err(|fatal| fatal.to_string())?;
    Ok((config, loaded))
}

fn get(config: &Config, name: &str) -> String {
    String::from_utf8(config.get(name.as_bytes()).expect("a known directive")).expect("UTF-8")
}

const LOCAL: Source = Source { local: true, loading: false };

fn set(config: &mut Config, name: &str, value: &[u8]) -> Result<Vec<Applied>, String> {
    config.set(&[(name.as_bytes(), value)], LOCAL).map_err(|error| error.to_string())
}

/// A configuration in which everything that can be is other than by default.
fn changed() -> Config {
    let mut config = Config::default();
    // A server of a cluster may not be given a primary, so it is one or the other.
    for directive in DIRECTIVES.iter().filter(|row| row.name != "cluster-enabled") {
        let default = directive.default_value();
        let spellings: [&[&[u8]]; 17] = [
            &[b"yes"],
            &[b"no"],
            &[b"7"],
            &[b"70000"],
            &[b"3mb"],
            &[b"64kb"],
            &[b"always"],
            &[b"a b\"\n"],
            &[b"ab-c"],
            &[b"1.2.3.4"],
            &[b"::1"],
            &[b"10.0.0.1", b"20"],
            &[b"normal", b"1mb", b"10", b"3"],
            &[b"1", b"2", b"3"],
            &[b"Kg"],
            &[b"3", b"4"],
            &[b"ab:*", b"allkeys-lru", b"1048576"],
        ];
        let mut candidates: Vec<Value> =
            spellings.iter().filter_map(|words| directive.parse(words, &default).ok()).collect();
        if let Kind::Choice(names) | Kind::ChoiceOr(names, _) | Kind::Flags(names) = directive.kind
        {
            let all =
                names.iter().filter_map(|name| directive.parse(&[name.as_bytes()], &default).ok());
            candidates.extend(all);
        }
        let other = candidates.into_iter().find(|value| *value != default);
        // Active defragmentation is the one thing that cannot be switched.
        assert!(other.is_some() || directive.name == "activedefrag", "{}", directive.name);
        if let Some(value) = other {
            config.put(directive, value);
        }
    }
    config
}

#[test]
fn names_are_unique_and_lower_case() {
    let mut seen = BTreeSet::new();
    for name in DIRECTIVES.iter().flat_map(Directive::names) {
        assert!(seen.insert(name), "{name} is there twice");
        assert_eq!(name, name.to_ascii_lowercase());
        assert_eq!(
            find(name.to_ascii_uppercase().as_bytes())
                .map(|row| row.names().any(|known| known == name)),
            Some(true)
        );
    }
    for directive in DIRECTIVES {
        assert!(directive.summary.ends_with('.'), "{}", directive.name);
    }
}

#[test]
fn defaults_are_canonical_and_pass_their_own_checks() {
    let config = Config::default();
    for directive in DIRECTIVES {
        assert_eq!(get(&config, directive.name), directive.default, "{}", directive.name);
        if directive.name != "replicaof" {
            let shown = directive.default.as_bytes();
            let words: Vec<&[u8]> = match directive.kind.takes_many() && !shown.is_empty() {
                true => shown.split(|byte| *byte == b' ').collect(),
                false => vec![shown],
            };
            let value = directive.parse(&words, &directive.default_value());
            assert_eq!(value, Ok(directive.default_value()), "{}", directive.name);
        }
    }
}

/// What programs and test suites have long read from CONFIG GET.
#[test]
fn well_known_defaults() {
    let config = Config::default();
    for (name, value) in [
        ("save", "3600 1 300 100 60 10000"),
        ("port", "6379"),
        ("bind", "* -::*"),
        ("unixsocketperm", "0"),
        ("maxmemory-policy", "noeviction"),
        ("shutdown-on-sigterm", "default"),
        ("latency-tracking-info-percentiles", "50 99 99.9"),
        ("oom-score-adj-values", "0 200 800"),
        ("lua-time-limit", "5000"),
        ("hash-max-ziplist-entries", "512"),
        ("proto-max-bulk-len", "536870912"),
        (
            "client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
    ] {
        assert_eq!(get(&config, name), value, "{name}");
    }
}

#[test]
fn what_get_shows_can_be_set_and_changes_nothing() {
    for before in [Config::default(), changed()] {
        for directive in DIRECTIVES.iter().filter(|row| row.change == Change::Live) {
            let mut after = before.clone();
            after.enable_protected_configs = Allowed::Yes;
            let shown = after.get(directive.name.as_bytes()).expect("a known directive");
            let applied = set(&mut after, directive.name, &shown);
            let applied = applied.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(applied.is_empty(), !directive.repeatable, "{}", directive.name);
            after.enable_protected_configs = before.enable_protected_configs;
            assert_eq!(after, before, "{}", directive.name);
        }
    }
}

#[test]
fn a_rewritten_file_says_the_same_and_stays_as_it_is() {
    let files = [
        "",
        "# mine\n\nport 1\nport 2 # two\n  MAXMEMORY 1gb\nsave 1 1\nsave 2 2\nsave 3 3\n",
        "slaveof localhost 6379\nclient-output-buffer-limit slave 1mb 1mb 1 pubsub 1 1 1\n",
        // Nothing but an empty line, and what comes to that.
        "\n",
        "slaveof localhost 6379\n\n",
        "search-timeout 5\nloadmodule /x.so a\ninclude x.conf\nuser a on #00 # x\n",
    ];
    for config in [Config::default(), changed()] {
        for (file, all) in files.iter().flat_map(|file| [(file, false), (file, true)]) {
            let options = Rewrite { users: None, all };
            let once = rewrite(file.as_bytes(), &config, &options);
            let twice = rewrite(&once, &config, &options);
            let (once, twice) = (String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
            assert_eq!(once, twice);

            let mut files = Files::default();
            files.0.insert("x.conf".into(), Vec::new());
            let (loaded, _) = read_with(&once, files).unwrap_or_else(|fatal| panic!("{fatal}"));
            assert_eq!(loaded, config, "{once}");
        }
    }
}

/// The reader splits the only word of a list once more, so one with a quote needs quotes of its own.
#[test]
fn a_list_of_one_strange_word_is_written_so_that_it_is_read() {
    for words in [&b"\""[..], b"'", b"a\"b", b"\\", b"#", b"\" '", b"# a", b"\"\""] {
        let mut config = Config::default();
        set(&mut config, "rdma-bind", words).expect("any words");
        let once = rewrite(b"", &config, &Rewrite::default());
        assert_eq!(rewrite(&once, &config, &Rewrite::default()), once);
        let once = String::from_utf8_lossy(&once);
        let (loaded, _) = read(&once).unwrap_or_else(|fatal| panic!("{fatal}"));
        assert_eq!(loaded.get(b"rdma-bind"), config.get(b"rdma-bind"), "{once}");
    }
}

#[test]
fn rewriting_respects_the_file() {
    let old = "\
# The head.
   port 6379   # the usual one

maxmemory 100mb # all we have
maxmemory 200mb
hash-max-ziplist-entries 20
save 900 1
save 300 10 # often
rename-command FLUSHALL \"\"
requirepass 'a b'
Broken \"line
client-output-buffer-limit pubsub 32mb 8mb 60
user alice on #aa
";
    let (mut config, _) = read(&old.replace("Broken \"line\n", "")).expect("a good file");
    set(&mut config, "maxmemory", b"300mb").expect("a size");
    set(&mut config, "save", b"900 1").expect("a save point");
    set(&mut config, "hash-max-listpack-entries", b"100").expect("a number");
    set(&mut config, "timeout", b"7").expect("a number");
    config.dir = "/data".into();
    let users = Some(vec![b"user alice on".to_vec(), b"user bob off".to_vec()]);
    let new = rewrite(old.as_bytes(), &config, &Rewrite { users, all: false });
    assert_eq!(
        String::from_utf8(new).expect("UTF-8"),
        "\
# The head.
   port 6379   # the usual one

maxmemory 300mb # all we have
hash-max-listpack-entries 100
save 900 1
rename-command FLUSHALL \"\"
requirepass 'a b'
# ??? Broken \"line
client-output-buffer-limit pubsub 32mb 8mb 60
user alice on
# Generated by CONFIG REWRITE
timeout 7
dir \"/data\"
user bob off
"
    );
}

#[test]
fn refusals_have_the_words_that_clients_know() {
    let failed = |name: &str, reason: &str| {
        format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    };
    let classes = "buffer limit configuration.";
    for (name, value, reason) in [
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxclients", "x", "argument couldn't be parsed into an integer"),
        ("port", " 7", "argument couldn't be parsed into an integer"),
        ("maxmemory", "1x", "argument must be a memory value"),
        ("maxmemory", "-1", "argument must be a memory value"),
        ("maxmemory", "99999999999999999999gb", "argument must be a memory value"),
        ("maxmemory", "18446744073709551615kb", "argument must be a memory value"),
        ("repl-backlog-size", "0", "argument must be between 1 and 9223372036854775807 inclusive"),
        ("maxmemory-clients", "200%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "abc", "argument must be a memory or percent value"),
        (
            "slot-migration-max-failover-repl-bytes",
            "-2",
            "argument must be between -1 and 9223372036854775807 inclusive",
        ),
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        ("appendfsync", "x", "argument(s) must be one of the following: everysec, always, no"),
        (
            "shutdown-on-sigterm",
            "save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        ),
        ("save", "10", "Invalid save parameters"),
        ("save", "10 x", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"),
        ("save", " ", "Invalid save parameters"),
        (
            "client-output-buffer-limit",
            "normal 0 0",
            &format!("Wrong number of arguments in {classes}"),
        ),
        (
            "client-output-buffer-limit",
            "master 0 0 0",
            &format!("Invalid client class specified in {classes}"),
        ),
        (
            "client-output-buffer-limit",
            "normal a 0 0",
            &format!("Error in hard, soft or soft_seconds setting in {classes}"),
        ),
        ("notify-keyspace-events", "Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        (
            "latency-tracking-info-percentiles",
            "50 101",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ),
        (
            "latency-tracking-info-percentiles",
            "x",
            "Invalid latency-tracking-info-percentiles parameters",
        ),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        (
            "oom-score-adj-values",
            "1 2 3000",
            "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
        ),
        ("dbfilename", "x", "can't set protected config"),
        ("daemonize", "yes", "can't set immutable config"),
        ("bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."),
        (
            "proc-title-template",
            "{title}",
            "template format is invalid or contains unknown variables",
        ),
        (
            "cluster-announce-hostname",
            "a b",
            "Hostnames may only contain alphanumeric characters, hyphens or dots",
        ),
        ("lua-time-limit", "x", "argument couldn't be parsed into an integer"),
        ("cluster-announce-client-ipv4", "::1", "Invalid IPv4 address"),
        ("cluster-announce-client-ipv6", "1.2.3.4", "Invalid IPv6 address"),
        (
            "oom-score-adj",
            "x",
            "argument(s) must be one of the following: no, yes, relative, absolute",
        ),
    ] {
        let mut config = Config::default();
        let error = set(&mut config, name, value.as_bytes()).expect_err(name);
        assert_eq!(error, failed(name, reason));
        assert_eq!(config, Config::default(), "{name}");
    }

    let mut config = Config::default();
    let error =
        config.set(&[(b"maxmemory", b"1"), (b"MAXMEMORY", b"2")], LOCAL).expect_err("twice");
    assert_eq!(error.to_string(), failed("MAXMEMORY", "duplicate parameter"));
    let error = config.set(&[(b"maxmemory", b"1"), (b"foo\n", b"2")], LOCAL).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "ERR Unknown option or number of arguments for CONFIG SET - 'foo\n'"
    );
    let error = config
        .set(&[(b"maxmemory", b"1"), (b"maxmemory-clients", b"200%")], LOCAL)
        .expect_err("too much");
    assert!(error.to_string().ends_with("less or equal to 100"));
    assert_eq!(config.get(b"maxmemory").as_deref(), Some(&b"0"[..]), "all or nothing");
}

#[test]
fn dangerous_directives_ask_who_is_there() {
    let may = |allowed: &str, local: bool| {
        let (mut config, _) = read(&format!("enable-protected-configs {allowed}")).expect("a file");
        config.set(&[(b"dbfilename", b"x")], Source { local, loading: false }).is_ok()
    };
    assert_eq!(
        [may("no", true), may("local", false), may("local", true), may("yes", false)],
        [false, false, true, true]
    );
    let (mut config, _) = read("enable-protected-configs yes").expect("a file");
    let loading = Source { local: true, loading: true };
    assert_eq!(config.set(&[(b"dir", b"x")], loading), Err(SetError::Loading));
    assert!(config.set(&[(b"loglevel", b"debug")], loading).is_ok());
}

#[test]
fn set_says_what_must_follow_and_whom_to_blame() {
    let mut config = Config::default();
    let pairs: [(&[u8], &[u8]); 4] = [
        (b"slowlog-max-len", b"1"),
        (b"commandlog-large-reply-max-len", b"1"),
        (b"maxmemory", b"0"),
        (b"port", b"7"),
    ];
    let applied = config.set(&pairs, LOCAL).expect("good values");
    let follows: Vec<Follow> = applied.iter().map(|one| one.follow).collect();
    assert_eq!(follows, [Follow::Slowlog, Follow::Port], "once each, and only after a change");
    assert_eq!(
        applied[1].refused(Follow::Port.failure().into()).to_string(),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this \
         port. Check server logs."
    );
}

#[test]
fn get_lists_sorted_once_and_answers_as_asked() {
    let config = Config::default();
    let names = |patterns: &[&str]| -> Vec<String> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let found = config.matching(&patterns).into_iter();
        found.map(|(name, _)| String::from_utf8(name).expect("UTF-8")).collect()
    };
    assert_eq!(names(&["*of"]), ["replicaof", "slaveof"]);
    assert_eq!(names(&["MAXmemory", "maxmemory", "nosuch"]), ["MAXmemory"]);
    assert_eq!(names(&["MAXMEMORY-S*", "maxmemory-samples"]), ["maxmemory-samples"]);
    assert_eq!(names(&["key-load-del?y"]), [""; 0], "hidden ones only by name");
    assert_eq!(names(&["key-load-delay"]), ["key-load-delay"]);
    let all = names(&["*"]);
    assert!(all.is_sorted() && all.len() > 240, "{}", all.len());
}

#[test]
fn files_are_read_as_redis_reads_them() {
    for (file, name, value) in [
        ("", "save", "3600 1 300 100 60 10000"),
        ("save 900 1", "save", "900 1"),
        ("save 900 1\nsave 100 100", "save", "900 1 100 100"),
        ("save 900 1\nsave \"\"", "save", ""),
        ("save \"\"\nsave 1 1", "save", "1 1"),
        ("save \"60 1 30 2\"", "save", "60 1 30 2"),
        ("  PORT\t\"1\" \r\n", "port", "1"),
        ("shutdown-on-sigint \"now force\"", "shutdown-on-sigint", "now force"),
        ("shutdown-on-sigint force now", "shutdown-on-sigint", "now force"),
        (
            "hash-max-ziplist-entries 1\nhash-max-listpack-entries 2",
            "hash-max-ziplist-entries",
            "2",
        ),
        ("maxmemory 5GB", "maxmemory", "5368709120"),
        ("maxmemory 5g", "maxmemory", "5000000000"),
        ("maxmemory 9223372036854775808", "maxmemory", "9223372036854775808"),
        ("maxmemory-clients 5%", "maxmemory-clients", "5%"),
        ("unixsocketperm 0700", "unixsocketperm", "700"),
        ("hz 5000", "hz", "500"),
        ("hz 0", "hz", "1"),
        ("repl-backlog-size 1kb", "repl-backlog-size", "16384"),
        ("oom-score-adj relative", "oom-score-adj", "yes"),
        ("notify-keyspace-events mKEA", "notify-keyspace-events", "AKEm"),
        ("notify-keyspace-events xKg", "notify-keyspace-events", "gxK"),
        (
            "latency-tracking-info-percentiles 50.10 100",
            "latency-tracking-info-percentiles",
            "50.1 100",
        ),
        ("bind \"\"", "bind", ""),
        ("replicaof h 1\nreplicaof no one", "slaveof", ""),
        ("slaveof h 1", "replicaof", "h 1"),
        ("port 1 # comment", "port", "1"),
        ("port 1 #it's \"one", "port", "1"),
        ("requirepass #secret", "requirepass", "#secret"),
        ("requirepass \"# a\" #b", "requirepass", "# a"),
        ("requirepass a#b", "requirepass", "a#b"),
        ("logfile 'a # b'", "logfile", "a # b"),
    ] {
        let (config, _) = read(file).unwrap_or_else(|fatal| panic!("{file}: {fatal}"));
        assert_eq!(get(&config, name), value, "{file}");
    }
    let (config, _) = read("client-output-buffer-limit replica 1 2 3 normal 4 5 6\nclient-output-buffer-limit slave 7 8 9").expect("limits");
    assert_eq!(
        config.client_output_buffer_limit.replica,
        OutputLimit { hard: 7, soft: 8, soft_seconds: 9 }
    );
    assert_eq!(config.client_output_buffer_limit.normal.hard, 4);
}

#[test]
fn a_bad_file_names_the_line() {
    let fatal = read("\n\n  foo bar  \n").expect_err("an unknown directive");
    assert_eq!(
        fatal,
        format!(
            "\n*** FATAL CONFIG FILE ERROR ({PRODUCT}) ***\nReading the configuration file, at line \
             3\n>>> 'foo bar'\nBad directive or wrong number of arguments\n"
        )
    );
    for (file, reason) in [
        ("port", "wrong number of arguments"),
        ("port 1 2", "wrong number of arguments"),
        ("port \"1", "Unbalanced quotes in configuration line"),
        ("save 1", "Invalid save parameters"),
        ("replicaof a", "wrong number of arguments"),
        ("slaveof a x", "Invalid master port"),
        ("user", "Bad directive or wrong number of arguments"),
        ("rename-command a b c", "Bad directive or wrong number of arguments"),
        ("sentinel monitor", "this server has no sentinel mode"),
        ("appendfilename a/b", "appendfilename can't be a path, just a filename"),
        ("user x on\nuser x off", "Error in user declaration 'x': Duplicate user found."),
        ("cluster-enabled yes\nreplicaof a 1", "replicaof directive not allowed in cluster mode"),
        (
            "databases 4\nmaxmemory-rule db 4 allkeys-lru 0",
            "there is no db 4, since databases is 4",
        ),
        ("maxmemory-rule db 9 noeviction 0\ndatabases 9", "at line 1"),
        ("include nosuch.conf", "can't open config file 'nosuch.conf': No such file"),
    ] {
        let fatal = read(file).expect_err(file);
        assert!(fatal.contains(reason), "{file}: {fatal}");
    }
}

#[test]
fn what_is_pasted_and_not_ours_is_a_warning() {
    let (config, loaded) = read(
        "search-timeout 5\nredisgears.x y\nloadmodule /x.so a b\nactivedefrag yes\n\
         io-threads-do-reads yes\nlist-max-ziplist-entries 3\n\
         cluster-migration-barrier 2\ncluster-require-full-coverage no\nsave \"\"",
    )
    .expect("a pasted file");
    let texts: Vec<String> = loaded.warnings.iter().map(Warning::to_string).collect();
    assert_eq!(texts.len(), 5, "{texts:#?}");
    assert!(texts[0].starts_with("configuration line 1: 'search-timeout' belongs to a module"));
    let waiting = "cluster-migration-barrier, cluster-require-full-coverage";
    assert_eq!(texts[4], format!("without effect yet, waiting for cluster mode: {waiting}"));
    assert_eq!(get(&config, "activedefrag"), "no");
}

#[test]
fn includes_are_read_in_place() {
    let mut files = Files::default();
    files.0.insert("conf.d/a.conf".into(), b"port 1\nsave 1 1".to_vec());
    files.0.insert("conf.d/b.conf".into(), b"\nport 2".to_vec());
    files.0.insert("loop.conf".into(), b"include loop.conf".to_vec());
    files.0.insert("bad.conf".into(), b"\ntimeout a".to_vec());
    let copy = || Files(files.0.clone());

    let file = "port 3\ntimeout 5\ninclude conf.d/*.conf # all\ninclude none/*.conf\nsave 2 2";
    let (config, _) = read_with(file, copy()).expect("good files");
    assert_eq!((config.port, config.timeout), (2, 5));
    assert_eq!(get(&config, "save"), "1 1 2 2");

    let fatal = read_with("include bad.conf", copy()).expect_err("a bad file");
    assert!(fatal.contains("'bad.conf', at line 2\n>>> 'timeout a'"), "{fatal}");
    let fatal = read_with("include loop.conf", copy()).expect_err("no end");
    assert!(fatal.contains("includes inside each other"), "{fatal}");
}

#[test]
fn statements_are_handed_back_with_their_places() {
    let (_, loaded) =
        read("user a on #aa # b\n\nRename-Command A \"\" # gone").expect("statements");
    assert_eq!(loaded.users[0].words.len(), 6, "a user line has no comment");
    assert_eq!(loaded.renames[0].words[1..], [b"A".to_vec(), Vec::new()]);
    assert_eq!(loaded.renames[0].place.number, 3);
    let (_, loaded) = read("dir a\n\ndir b").expect("a directory");
    assert_eq!(loaded.place_of("dir").map(|place| place.number), Some(3));
    assert!(loaded.place_of("port").is_none());
}

#[test]
fn mistakes_are_shown_without_passwords() {
    for text in ["requirepass hush hush", "tls-key-file-pass \"hush", "user a >hush\nuser a >hush"]
    {
        let fatal = read(text).expect_err("a mistake");
        assert!(fatal.contains("(redacted)") && !fatal.contains("hush"), "{fatal}");
    }
    let (_, loaded) = read("user a on >hush nosuch").expect("rules are read later");
    assert_eq!(loaded.users[0].place.line, "user a on (redacted) nosuch");
}

/// The command line that test suites check, from the arguments to the complaint.
#[test]
fn mistakes_on_the_command_line_are_shown_as_lines() {
    for (args, line, reason) in [
        (&["--port"][..], "'port'", "wrong number of arguments"),
        (&["--port", "6380", "--loglevel"], "'loglevel'", "wrong number of arguments"),
        (&["--port", "--loglevel", "verbose"], "'port \"--loglevel\" \"verbose\"'", "wrong number"),
        (
            &["--logfile", "--x", "--loglevel", "--y"],
            "'loglevel \"--y\"'",
            "argument(s) must be one of",
        ),
        (&["--shutdown-on-sigint"], "'shutdown-on-sigint'", "argument(s) must be one of"),
        (&["--replicaof", "--1", "--abc"], "'replicaof \"--1\"'", "wrong number of arguments"),
        (&["--invalid"], "'invalid'", "Bad directive or wrong number of arguments"),
    ] {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let Invocation::Run(run) = invocation(&args) else { panic!("{args:?}") };
        let parts = run.parts(b"", b"");
        let fatal = load_parts(&mut Config::default(), &parts, &mut Files::default());
        let fatal = fatal.expect_err("a mistake").to_string();
        assert!(fatal.contains(line) && fatal.contains(reason), "{fatal}");
    }
}

#[test]
fn what_gave_a_line_is_named() {
    let part = |giver: &str, text: &str| Part {
        giver: (!giver.is_empty()).then(|| giver.into()),
        text: text.into(),
    };
    let read = |parts: &[Part]| {
        let mut config = Config::default();
        load_parts(&mut config, parts, &mut Files::default()).map_err(|fatal| fatal.to_string())
    };
    let fatal =
        read(&[part("", "port 1\n"), part("variable A", "port many"), part("", "\nport 2")]);
    assert_eq!(
        fatal.expect_err("a mistake"),
        "The variable A: argument couldn't be parsed into an integer\n>>> 'port many'\n"
    );
    // Others are counted as if those with a giver were not there.
    let fatal = read(&[part("", "port 1\n"), part("variable A", "#\n#\n#"), part("", "\nport x")]);
    assert!(fatal.expect_err("a mistake").contains("at line 3\n>>> 'port x'"));

    let loaded = read(&[
        part("", "port 1"),
        part("variable A", "bind 127.0.0.1\nuser a on"),
        part("variable B", "tls-port 2\nloadmodule x"),
    ]);
    let loaded = loaded.expect("good lines");
    let blame = |directives: &[&str]| loaded.blame(directives, "no".into());
    assert_eq!(blame(&["port", "dir"]), "no");
    assert_eq!(blame(&["port", "bind", "tls-port", "user"]), "The variable A, the variable B: no");
    assert_eq!(
        loaded.warnings[0].to_string(),
        "variable B: modules cannot be loaded; x is ignored"
    );
}

/// `UPDATE=1 cargo test example_file` writes the file anew.
#[test]
#[allow(clippy::disallowed_methods, reason = "this test compares with a file of the repository")]
fn the_example_file_is_up_to_date_and_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/redis.conf.example");
    let text = example();
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(path, &text).expect("the repository can be written");
    }
    assert_eq!(text, include_str!("../../redis.conf.example"), "run again with UPDATE=1");

    // With every hash sign in front of a directive taken away, the file says what is so anyway.
    let bare: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.split(' ').next().is_some_and(|name| find(name.as_bytes()).is_some()))
        .filter(|line| !line.ends_with('.'))
        .map(|line| format!("{line}\n"))
        .collect();
    let (config, loaded) = read(&bare).unwrap_or_else(|fatal| panic!("{fatal}"));
    assert_eq!(config, Config::default());
    assert_eq!(loaded.warnings.len(), 0);
}

proptest! {
    #[test]
    fn any_text_is_survived(text: Vec<u8>, value: Vec<u8>, at in 0..DIRECTIVES.len()) {
        let mut config = Config::default();
        let _ = load(&mut config, &text, &mut Files::default());
        let file = [DIRECTIVES[at].name.as_bytes(), b" ", &value].concat();
        let _ = load(&mut config, &file, &mut Files::default());
        let name = DIRECTIVES[at].name.as_bytes();
        if config.set(&[(name, &value)], LOCAL).is_ok() {
            let shown = config.get(name).expect("a known directive");
            prop_assert!(config.set(&[(name, &shown)], LOCAL).is_ok());
        }
        let once = rewrite(&text, &config, &Rewrite::default());
        prop_assert_eq!(rewrite(&once, &config, &Rewrite::default()), once);
    }
}
