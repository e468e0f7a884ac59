//! Users of a real server: where they come from and go to, and what of a refused request is kept.

use crate::hostile::{ALONE, MIB};
use crate::process::{Process, free_port, resident, tcp};
use crate::support::client::Client;
use crate::support::server::{Program, Server};
use crate::support::value::Value;

fn ok() -> Value {
    Value::simple("OK")
}

fn start(files: &[(&str, &str)], args: &[&str]) -> (Process, Client) {
    let port = free_port();
    let number = port.to_string();
    let args = [args, &["--bind", "127.0.0.1", "--port", &number]].concat();
    let mut server = Process::start(files, &args, "");
    let client = server.connect(&tcp(port));
    (server, client)
}

fn texts(answer: &Value) -> Vec<String> {
    let items = answer.items().unwrap_or_else(|| panic!("no list: {answer}"));
    let text = |item: &Value| String::from_utf8_lossy(item.text().unwrap_or_default()).into_owned();
    items.iter().map(text).collect()
}

/// What CVE-2025-46686 is about: a client of few rights who has the server keep what it may not use.
#[test]
fn arguments_of_who_may_not_run_the_command_take_no_memory() {
    let _alone = ALONE.lock();
    let server = Server::start(Program::Russet, &[]).unwrap_or_else(|why| panic!("{why}"));
    let mut admin = server.connect();
    assert_eq!(admin.call(&["ACL", "SETUSER", "ann", "on", "nopass", "+ping"]), ok());
    let mut ann = server.connect();
    assert_eq!(ann.call(&["AUTH", "ann", "x"]), ok());
    let refusal = Value::error("NOPERM User ann has no permissions to run the 'set' command");
    let before = resident(server.pid());
    let piece = vec![b'x'; MIB as usize];

    // It is told before it has sent what it announced.
    let length = 64 * MIB;
    let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${length}\r\n");
    ann.write_raw(head.as_bytes()).expect("it takes bytes");
    assert_eq!(ann.read_reply().expect("an answer"), refusal);
    for _ in 0..length / MIB {
        ann.write_raw(&piece).expect("it takes bytes");
    }
    // Whoever is answered was read to the end.
    ann.write_raw(b"\r\nPING\r\n").expect("it takes bytes");
    assert_eq!(ann.read_reply().expect("an answer"), Value::simple("PONG"));
    // Many small ones are no better.
    let count = 500_000;
    ann.write_raw(format!("*{}\r\n$4\r\nSADD\r\n$1\r\nk\r\n", count + 2).as_bytes())
        .expect("it takes bytes");
    let refusal = Value::error("NOPERM User ann has no permissions to run the 'sadd' command");
    assert_eq!(ann.read_reply().expect("an answer"), refusal);
    let words = b"$8\r\nabcdefgh\r\n".repeat(1000);
    for _ in 0..count / 1000 {
        ann.write_raw(&words).expect("it takes bytes");
    }
    ann.write_raw(b"PING\r\n").expect("it takes bytes");
    assert_eq!(ann.read_reply().expect("an answer"), Value::simple("PONG"));
    let grown = resident(server.pid()).saturating_sub(before);
    assert!(grown < 24 * MIB, "{} MiB more", grown / MIB);

    // Each was refused once, and logged.
    let log = admin.call(&["ACL", "LOG"]);
    assert_eq!(log.items().map(<[Value]>::len), Some(2), "{log}");
    // Whoever may run a command is heard to the end.
    let value = "y".repeat(MIB as usize);
    assert_eq!(admin.call(&["SET", "k", &value]), ok());
    assert_eq!(ann.call(&["PING"]), Value::simple("PONG"));
}

#[test]
fn a_file_of_users_is_read_and_written() {
    let file = "user ann on >pw ~a* +@all\n\n  user bob off (+get ~b)  \n";
    let (server, mut client) = start(
        &[("users.acl", file)],
        &["--aclfile", "{dir}/users.acl", "--dir", "{dir}", "--requirepass", "secret"],
    );
    // A file that says nothing of the default user leaves him his password.
    assert!(client.call(&["PING"]).is_error());
    assert_eq!(client.call(&["AUTH", "secret"]), ok());
    assert_eq!(texts(&client.call(&["ACL", "USERS"])), ["ann", "bob", "default"]);
    assert_eq!(client.call(&["ACL", "SETUSER", "cid", "on", ">x", "+get", "&c"]), ok());
    assert_eq!(client.call(&["ACL", "SAVE"]), ok());
    let list = texts(&client.call(&["ACL", "LIST"]));
    assert_eq!(server.read("users.acl"), list.join("\n") + "\n");
    assert_eq!(client.call(&["ACL", "DELUSER", "cid", "bob"]), Value::Int(2));
    assert_eq!(client.call(&["ACL", "LOAD"]), ok());
    assert_eq!(texts(&client.call(&["ACL", "LIST"])), list);

    // With a mistake in it, nothing of it is taken.
    let path = server.path("users.acl");
    let text = "user ann on +nosuch ~* ~a\nfoo\nuser bob\nuser bob\nuser c (+get\n";
    std::fs::write(&path, text).expect("it can be written");
    let shown = path.display();
    let expected = format!(
        "ERR {shown}:1: Error in applying operation '+nosuch': Unknown command or category name in \
         ACL. {shown}:1: Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and \
         does not have any effect. Try 'resetkeys' to start with an empty list of patterns. {shown}:2 \
         should start with user keyword followed by the username. WARNING: Duplicate user 'bob' found \
         on line 4. {shown}:5: Unmatched parenthesis in selector definition.WARNING: ACL errors \
         detected, no change to the previously active ACL rules was performed"
    );
    assert_eq!(client.call(&["ACL", "LOAD"]), Value::error(&expected));
    assert_eq!(texts(&client.call(&["ACL", "LIST"])), list);
    std::fs::remove_file(&path).expect("it is there");
    assert!(client.call(&["ACL", "LOAD"]).is_error());
    assert_eq!(texts(&client.call(&["ACL", "LIST"])), list);
}

#[test]
fn users_of_the_configuration_come_back_after_a_rewrite() {
    let file = "requirepass secret\nuser ann on >pw ~a* +@all # no comment\n";
    let mut refused = Process::start(&[("bad.conf", file)], &["{dir}/bad.conf"], "");
    assert_eq!(refused.end().code(), Some(1));
    let output = refused.output();
    assert!(output.contains("at line 2\n>>> 'user ann"), "{output}");
    assert!(output.contains("Error in user declaration '#'"), "{output}");

    let file = "requirepass secret\nuser ann on >pw ~a* +@all\n";
    let (server, mut client) = start(&[("r.conf", file)], &["{dir}/r.conf"]);
    assert_eq!(client.call(&["AUTH", "ann", "pw"]), ok());
    assert!(client.call(&["GET", "b"]).is_error());
    assert_eq!(client.call(&["AUTH", "secret"]), ok());
    assert_eq!(client.call(&["ACL", "SETUSER", "q\"'\\#", "on", "~\"a", "+get"]), ok());
    assert_eq!(client.call(&["CONFIG", "REWRITE"]), ok());
    let list = texts(&client.call(&["ACL", "LIST"]));
    let text = server.read("r.conf");
    assert!(!text.contains("pw") && !text.contains("user default"), "{text}");

    // What was written makes the same users.
    let of_users = |line: &&str| line.starts_with("user") || line.starts_with("requirepass");
    let lines: Vec<&str> = text.lines().filter(of_users).collect();
    let lines = lines.join("\n");
    let (_again, mut client) = start(&[("r.conf", &lines)], &["{dir}/r.conf"]);
    assert_eq!(client.call(&["AUTH", "secret"]), ok());
    assert_eq!(texts(&client.call(&["ACL", "LIST"])), list);
}

/// Keys go to another server as whom their command says, and nowhere if that is refused.
#[test]
fn nobody_migrates_with_the_login_of_another() {
    let begin = || Server::start(Program::Russet, &[]).expect("it starts");
    let (here, there) = (begin(), begin());
    let (mut client, mut target) = (here.connect(), there.connect());
    assert_eq!(target.call(&["CONFIG", "SET", "requirepass", "secret"]), ok());
    let address = there.address().to_string();
    let port = address.rsplit(':').next().expect("a port");
    let mut migrate = |key: &str, more: &[&str]| {
        assert_eq!(client.call(&["SET", key, "value"]), ok());
        client.call(&[&["MIGRATE", "127.0.0.1", port, key, "0", "5000"][..], more].concat())
    };
    let refusal =
        |why: &str| Value::error(&format!("ERR Target instance replied with error: {why}"));
    let no_auth = refusal("NOAUTH Authentication required.");
    let wrong = refusal("WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(migrate("a", &["AUTH", "secret"]), ok());
    assert_eq!(migrate("b", &[]), no_auth);
    assert_eq!(migrate("c", &["AUTH", "secret2"]), wrong);
    assert_eq!(migrate("d", &["AUTH2", "default", "secret"]), ok());
    // The connection is still logged in, but not its password.
    assert_eq!(target.call(&["CONFIG", "SET", "requirepass", "other"]), ok());
    assert_eq!(migrate("e", &["AUTH", "secret"]), wrong);
    assert_eq!(migrate("f", &["AUTH", "other"]), ok());
    assert_eq!(target.call(&["EXISTS", "a", "d", "f"]), Value::Int(3));
    assert_eq!(target.call(&["DBSIZE"]), Value::Int(3));
    assert_eq!(client.call(&["EXISTS", "b", "c", "e"]), Value::Int(3));
    assert_eq!(client.call(&["DBSIZE"]), Value::Int(3));
}

/// Where the file of users says nothing of the default user, what was given as its password stays, whatever it had
/// in between.
#[test]
fn a_password_that_no_file_has_leaves_the_one_that_was_given() {
    let conf = "requirepass foo\naclfile {dir}/users.acl\n";
    let files = [("users.acl", "user ann on >x ~* +@all\n"), ("r.conf", conf)];
    let (server, mut client) = start(&files, &["{dir}/r.conf"]);
    let shown = |client: &mut Client| texts(&client.call(&["CONFIG", "GET", "requirepass"]));
    assert_eq!(client.call(&["AUTH", "foo"]), ok());
    assert_eq!(client.call(&["ACL", "SETUSER", "default", ">bar", "<foo"]), ok());
    assert_eq!(shown(&mut client), ["requirepass", ""]);
    assert_eq!(client.call(&["CONFIG", "REWRITE"]), ok());
    let text = server.read("r.conf");
    assert!(text.contains("requirepass foo\n") && !text.contains("user default"), "{text}");
    assert_eq!(client.call(&["ACL", "LOAD"]), ok());
    assert_eq!(shown(&mut client), ["requirepass", "foo"]);
    assert!(client.call(&["AUTH", "bar"]).is_error());
    assert!(client.call(&["AUTH", "default", ""]).is_error());
    assert_eq!(client.call(&["AUTH", "foo"]), ok());
    // What is given later counts.
    assert_eq!(client.call(&["CONFIG", "SET", "requirepass", "new"]), ok());
    assert_eq!(client.call(&["ACL", "SETUSER", "default", "nopass"]), ok());
    assert_eq!(client.call(&["ACL", "LOAD"]), ok());
    assert_eq!(shown(&mut client), ["requirepass", "new"]);
}

/// A server starts only if each user is told of once.
#[test]
fn a_rewrite_leaves_users_to_the_file_that_has_them() {
    let files = [
        ("users.conf", "user ann on >pw ~a* +@all\n"),
        ("r.conf", "include {dir}/users.conf\nuser bob on\n"),
    ];
    let (server, mut client) = start(&files, &["{dir}/r.conf"]);
    assert_eq!(client.call(&["ACL", "SETUSER", "cid", "on", "+get"]), ok());
    assert_eq!(client.call(&["CONFIG", "REWRITE"]), ok());
    let text = server.read("r.conf");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("user ")).collect();
    assert!(lines.len() == 2 && !text.contains("user ann"), "{text}");

    // What has changed of them cannot be written, and nothing is.
    let dir = server.path("users.conf").display().to_string();
    let refusal = format!(
        "ERR Rewriting config file: user 'ann' is not any more as the included file '{dir}' says"
    );
    assert_eq!(client.call(&["ACL", "SETUSER", "ann", "+get", "-set"]), ok());
    assert_eq!(client.call(&["CONFIG", "REWRITE"]), Value::error(&refusal));
    assert_eq!(client.call(&["ACL", "DELUSER", "ann"]), Value::Int(1));
    assert_eq!(client.call(&["CONFIG", "REWRITE"]), Value::error(&refusal));
    assert_eq!(server.read("r.conf"), text);
    assert_eq!(client.call(&["ACL", "SETUSER", "ann", "on", ">pw", "~a*", "+@all"]), ok());
    assert_eq!(client.call(&["CONFIG", "REWRITE"]), ok());

    // The file that is included is still where it was.
    let of_users = |line: &&str| line.starts_with("user") || line.starts_with("include");
    let lines: Vec<&str> = text.lines().filter(of_users).collect();
    let (_again, mut client) = start(&[("r.conf", &lines.join("\n"))], &["{dir}/r.conf"]);
    assert_eq!(texts(&client.call(&["ACL", "USERS"])), ["ann", "bob", "cid", "default"]);
}

/// Whoever may do nothing names itself as it likes, and is logged.
#[test]
fn a_long_name_is_not_kept_with_each_refusal() {
    let server = Server::start(Program::Russet, &["--slowlog-log-slower-than", "0"]);
    let server = server.unwrap_or_else(|why| panic!("{why}"));
    let mut admin = server.connect();
    assert_eq!(admin.call(&["ACL", "SETUSER", "ann", "on", "nopass", "+client"]), ok());
    let mut ann = server.connect();
    let name = "n".repeat(100_000);
    ann.call(&["HELLO", "2", "AUTH", "ann", "x", "SETNAME", &name]);
    assert_eq!(ann.call(&["CLIENT", "SETINFO", "LIB-NAME", &name]), ok());
    assert_eq!(ann.call(&["CLIENT", "SETINFO", "LIB-VER", &name]), ok());
    assert!(ann.call(&["GET", "key"]).is_error());
    for command in [&["ACL", "LOG"][..], &["SLOWLOG", "GET", "-1"]] {
        let log = admin.call(command).to_string();
        assert!(log.contains(&name[..256]), "{log}");
        assert!(!log.contains(&name[..257]), "{} bytes", log.len());
    }
    // The name itself is as it was given.
    assert_eq!(ann.call(&["CLIENT", "GETNAME"]), Value::bulk(name.as_bytes()));
}

#[test]
fn users_in_two_places_are_fatal() {
    let port = free_port().to_string();
    let conf = format!("port {port}\naclfile {{dir}}/users.acl\nuser ann on\n");
    let mut server =
        Process::start(&[("users.acl", ""), ("r.conf", conf.as_str())], &["{dir}/r.conf"], "");
    assert_eq!(server.end().code(), Some(1));
    assert!(server.output().contains("but not both"), "{}", server.output());

    let args = ["--port", port.as_str(), "--aclfile", "{dir}/users.acl"];
    for (file, expected) in [("user ann +nosuch", "Unknown command"), ("nonsense", "user keyword")]
    {
        let mut server = Process::start(&[("users.acl", file)], &args, "");
        assert_eq!(server.end().code(), Some(1), "{}", server.output());
        assert!(server.output().contains(expected), "{}", server.output());
    }
    let mut server = Process::start(&[], &args, "");
    assert_eq!(server.end().code(), Some(1));
    assert!(server.output().contains("Error loading ACLs, opening file"), "{}", server.output());
}

/// Nothing that is a password may be seen by who watches.
#[test]
fn passwords_are_seen_by_nobody() {
    let (server, mut client) = start(&[], &["--slowlog-log-slower-than", "0"]);
    let mut monitor = Client::connect(&tcp(port_of(&mut client))).expect("the door is open");
    assert_eq!(monitor.call(&["MONITOR"]), ok());
    for line in [
        &["ACL", "SETUSER", "ann", "on", ">hunter2", "+@all", "~*"][..],
        &["AUTH", "ann", "hunter2"],
        &["HELLO", "2", "AUTH", "ann", "hunter2"],
        &["AUTH", "ann", "hunter2 wrong"],
        &["CONFIG", "SET", "requirepass", "hunter2"],
        &["CONFIG", "SET", "maxclients", "100", "requirepass", "hunter2"],
    ] {
        client.call(line);
    }
    client.call(&["ECHO", "that is all"]);
    let mut seen = String::new();
    while !seen.contains("that is all") {
        let line = monitor.read_reply().expect("it is told");
        seen += &line.to_string();
    }
    let slow = client.call(&["SLOWLOG", "GET", "-1"]).to_string();
    let log = client.call(&["ACL", "LOG"]).to_string();
    let list = client.call(&["ACL", "LIST"]).to_string();
    for text in [&seen, &slow, &log, &list, &server.output()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(slow.contains("(redacted)"), "{slow}");
}

fn port_of(client: &mut Client) -> u16 {
    let answer = client.call(&["CONFIG", "GET", "port"]);
    let port = answer.items().and_then(|items| items.get(1)).and_then(Value::text);
    let port = port.and_then(|text| std::str::from_utf8(text).ok()).and_then(|it| it.parse().ok());
    port.unwrap_or_else(|| panic!("no port: {answer}"))
}
