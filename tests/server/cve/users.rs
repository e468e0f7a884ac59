//! Rules of users: malformed ones, and commands that touch more keys than they show.

use super::{answers, fine, is_well, refuses, scene, text};
use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::value::Value;

/// What readers of selectors have been taken in by: nothing inside, no end, one inside of another, and flags without
/// what they are for. Redis 8 refuses each, too.
const REFUSED: &[&str] = &[
    "(",
    "( ",
    "(+@all",
    "(~a",
    "(%R~a",
    "(~* +get",
    "((",
    "(()",
    "()()",
    "((~a))",
    "()x",
    ")(",
    "(&a (~b))",
    "(%R~ %W~)x",
    "%",
    "%~",
    "%~a",
    "%RR",
    "%RR~a",
    "%X~a",
    "(%)",
    "(%~)",
    "(%~a)",
    "(%\0~)",
    "(on)",
    "(reset)",
    "(nopass)",
    "(>secret)",
    "(clearselectors)",
    "(nosuch)",
    "(+nosuch)",
    "(+@nosuch)",
    "(+config|nosuch)",
    "(+get|x|y)",
    "+get|x|y",
    "+",
    "-",
    "+@",
    "-@",
    "+|",
    "(+)",
    "(+@)",
    "(+|)",
    "(-@all +)",
    "#abc",
    "!abc",
    "~a b",
    "%R~a b",
];

/// Odd, and taken all the same: as a pattern that is empty, or a selector that allows nothing.
const TAKEN: &[&str] = &[
    "()", "( )", "~", "&", "%R", "%RW", "%W~", "%rw~a", "(~)", "(&)", "(%R)", "(%R~)", "(~a)(~b)",
];

/// Whatever has become of a user: everything that looks at it has an answer, and what is told of it makes it again.
#[track_caller]
fn can_be_looked_at(client: &mut Client, name: &str) {
    let listed = |client: &mut Client, name: &str| {
        let list = client.call(&["ACL", "LIST"]);
        let lines = list.items().expect("a list").iter().map(text);
        let prefix = format!("user {name} ");
        lines.filter_map(|line| line.strip_prefix(&prefix).map(str::to_string)).next()
    };
    let Some(line) = listed(client, name) else { return };
    fine(client, &["ACL", "GETUSER", name]);
    for command in [&["GET", "a"][..], &["SORT", "a", "BY", "b*"], &["PUBLISH", "a", "b"]] {
        let told = client.call(&[&["ACL", "DRYRUN", name], command].concat());
        let told = text(&told);
        assert!(told == "OK" || told.contains("permissions"), "{line}: {command:?}: {told}");
    }
    let rules: Vec<&str> = line.split(' ').collect();
    fine(client, &[&["ACL", "SETUSER", "again", "reset"][..], &rules].concat());
    assert_eq!(listed(client, "again"), Some(line));
}

/// Alone, and amid rules that are right: it is taken whole or leaves everything as it was.
#[track_caller]
fn is_all_or_nothing(client: &mut Client, rule: &str) -> bool {
    fine(client, &["ACL", "SETUSER", "old", "reset", "on", "nopass", "~a", "+get"]);
    fine(client, &["ACL", "DELUSER", "new", "again"]);
    let before = client.call(&["ACL", "LIST"]);
    let taken = client.call(&["ACL", "SETUSER", "new", rule]) == Value::simple("OK");
    if !taken {
        assert_eq!(client.call(&["ACL", "LIST"]), before, "{rule:?}");
    }
    can_be_looked_at(client, "new");
    fine(client, &["ACL", "DELUSER", "new", "again"]);
    let amid = client.call(&["ACL", "SETUSER", "old", "~more", rule, "+set"]);
    if amid.is_error() {
        assert_eq!(client.call(&["ACL", "LIST"]), before, "{rule:?} amid others");
    }
    can_be_looked_at(client, "old");
    taken
}

#[test]
fn cve_2024_31227_malformed_selectors_are_refused() {
    let (mut server, mut client) = scene(&[]);
    for rule in REFUSED {
        assert!(!is_all_or_nothing(&mut client, rule), "{rule:?} was taken");
        refuses(&mut client, &["ACL", "SETUSER", "old", rule, "~b"], "ERR ");
    }
    for rule in TAKEN {
        assert!(is_all_or_nothing(&mut client, rule), "{rule:?} was refused");
    }
    is_well(&mut server);
}

/// One that is right, cut off anywhere, begun anywhere, and with each byte changed.
#[test]
fn cve_2024_51741_selectors_may_be_cut_anywhere() {
    let (mut server, mut client) = scene(&[]);
    let whole = "(+@read -get +config|get %R~a* %W~b* %RW~c* &news ~d)";
    assert!(is_all_or_nothing(&mut client, whole));
    let mut taken = 0;
    for at in 0..whole.len() {
        is_all_or_nothing(&mut client, &whole[at..]);
        assert!(!is_all_or_nothing(&mut client, &whole[..at]) || at == 0, "{}", &whole[..at]);
        for byte in ["(", ")", "%", "~", " ", "|", "+", "\0"] {
            let hurt = format!("{}{byte}{}", &whole[..at], &whole[at + 1..]);
            taken += is_all_or_nothing(&mut client, &hurt) as usize;
        }
    }
    assert!(taken > 50, "of so many some are still rules, and {taken} were taken");
    is_well(&mut server);
}

/// A user who may do everything with `mine*`, and logs in.
fn owner(client: &mut Client, server: &Server) -> Client {
    fine(client, &["ACL", "SETUSER", "owner", "on", "nopass", "+@all", "~mine*"]);
    let mut owner = server.connect();
    fine(&mut owner, &["AUTH", "owner", "x"]);
    owner
}

/// SORT_RO did not say which keys BY and GET read.
#[test]
fn cve_2023_41053_keys_that_a_command_reads_are_all_looked_at() {
    let (mut server, mut client) = scene(&[]);
    fine(&mut client, &["RPUSH", "mine", "1", "2"]);
    fine(&mut client, &["MSET", "secret1", "b", "secret2", "a", "mine1", "b", "mine2", "a"]);
    fine(&mut client, &["GEOADD", "mineg", "1", "1", "m"]);
    fine(&mut client, &["XADD", "minex", "1-1", "f", "v"]);
    fine(&mut client, &["XADD", "secretx", "1-1", "f", "v"]);
    let mut owner = owner(&mut client, &server);
    let elements = Value::Array(["1", "2"].map(Value::bulk).to_vec());
    answers(&mut owner, &["SORT_RO", "mine"], elements.clone());
    answers(&mut owner, &["SORT_RO", "mine", "BY", "nosort"], elements);
    // The last one counts, for who may as for what is done.
    answers(&mut owner, &["SORT", "mine", "STORE", "secret", "STORE", "minet"], Value::Int(2));
    answers(&mut client, &["EXISTS", "secret", "minet"], Value::Int(1));
    let before = client.call(&["DBSIZE"]);
    for line in [
        &["SORT_RO", "secret"][..],
        &["SORT_RO", "mine", "BY", "secret*"],
        &["SORT_RO", "mine", "GET", "secret*"],
        &["SORT_RO", "mine", "BY", "nosort", "GET", "secret*"],
        &["SORT_RO", "mine", "GET", "#", "GET", "secret*"],
        // Patterns may lead anywhere, so that they begin with what is one's own helps nobody.
        &["SORT_RO", "mine", "BY", "mine*"],
        &["SORT", "mine", "BY", "secret*"],
        &["SORT", "mine", "GET", "secret*"],
        &["SORT", "mine", "STORE", "secret"],
        &["SORT", "mine", "STORE", "minet", "STORE", "secret"],
        &["GEORADIUS", "mineg", "1", "1", "1", "m", "STORE", "secretg"],
        &["GEORADIUS", "mineg", "1", "1", "1", "m", "STORE", "minet", "STOREDIST", "secretg"],
        &["GEORADIUSBYMEMBER", "mineg", "m", "1", "m", "STORE", "secretg"],
        &["GEORADIUSBYMEMBER", "mineg", "m", "1", "m", "STOREDIST", "minet", "STORE", "secretg"],
        &["GEORADIUS_RO", "secret", "1", "1", "1", "m"],
        &["XREAD", "STREAMS", "minex", "secretx", "0", "0"],
        &["XREAD", "COUNT", "1", "STREAMS", "secretx", "0"],
        &["ZUNIONSTORE", "secret", "1", "mine"],
        &["ZUNION", "2", "mine", "secret"],
        &["LMPOP", "2", "mine", "secret", "LEFT"],
        &["BITOP", "NOT", "mineb", "secret1"],
        &["COPY", "secret1", "minec"],
        &["RENAME", "mine1", "secret1"],
        &["EVAL", "return redis.call('GET', 'secret1')", "0"],
        &["EVAL", "return redis.call('SORT_RO', 'mine', 'GET', 'secret*')", "1", "mine"],
        &["EVAL", "return 1", "1", "secret1"],
        &["MIGRATE", "127.0.0.1", "1", "", "0", "10", "KEYS", "mine", "secret1"],
    ] {
        let reply = owner.call(line);
        let told = text(&reply);
        let refused = reply.is_error() && (told.contains("permission") || told.contains("NOPERM"));
        assert!(refused, "{line:?}: {reply}");
        // The same where only the line is looked at.
        if !told.contains("option of SORT") && line[0] != "EVAL" {
            let dry = client.call(&[&["ACL", "DRYRUN", "owner"], line].concat());
            assert!(text(&dry).contains("permissions"), "{line:?}: {dry}");
        }
    }
    assert_eq!(client.call(&["DBSIZE"]), before, "nothing was made");
    answers(&mut client, &["GET", "secret1"], Value::bulk("b"));
    // Whoever may read everything may use patterns.
    fine(&mut client, &["ACL", "SETUSER", "owner", "%R~*"]);
    let sorted = Value::Array(["2", "1"].map(Value::bulk).to_vec());
    answers(&mut owner, &["SORT_RO", "mine", "BY", "secret*", "ALPHA"], sorted);
    is_well(&mut server);
}
