//! The log, in each of its forms.

use std::fs;

use crate::process::{Process, free_port, tcp, until};

#[test]
fn a_line_of_json_can_be_asked_for_while_the_server_runs() {
    let port = free_port();
    let args =
        ["--port", &port.to_string(), "--logfile", "{dir}/log", "--enable-debug-command", "yes"];
    let mut server = Process::start(&[], &args, "");
    let mut client = server.connect(&tcp(port));
    let said = |server: &Process, text: &str| {
        let log = server.read("log");
        log.lines().find(|line| line.contains(text)).map(str::to_string)
    };
    client.call(&["DEBUG", "LOG", "one\r\n2:M 01 Jan 2030 00:00:00.000 # forged"]);
    let line = said(&server, "DEBUG LOG: one").expect("it is in the log at once");
    assert!(line.starts_with(&format!("{}:M ", server.pid())), "{line}");
    assert!(line.ends_with("# DEBUG LOG: one  2:M 01 Jan 2030 00:00:00.000 # forged"), "{line}");

    client.call(&["CONFIG", "SET", "log-format", "json", "log-timestamp-format", "iso8601"]);
    client.call(&["DEBUG", "LOG", "a \"quoted\"\nline"]);
    let line = said(&server, "quoted").expect("it is in the log at once");
    let start = format!("{{\"pid\":{},\"role\":\"primary\",\"timestamp\":\"20", server.pid());
    assert!(line.starts_with(&start), "{line}");
    let end = "\"level\":\"warning\",\"message\":\"DEBUG LOG: a \\\"quoted\\\"\\nline\"}";
    assert!(line.ends_with(end), "{line}");

    // Whoever moves the file away finds the next event in a new one.
    fs::rename(server.path("log"), server.path("log.1")).expect("it is there");
    client.call(&["CONFIG", "SET", "log-format", "logfmt"]);
    client.call(&["DEBUG", "LOG", "afterwards"]);
    let line = said(&server, "afterwards").expect("it is in the new file");
    assert!(line.ends_with("level=warning message=\"DEBUG LOG: afterwards\""), "{line}");
}

#[test]
fn what_is_no_request_is_logged_without_its_data() {
    let port = free_port();
    let args = ["--port", &port.to_string(), "--loglevel", "verbose"];
    let mut server = Process::start(&[], &args, "");
    for (hides, shown) in [("yes", "*redacted*"), ("no", "$secret")] {
        let mut client = server.connect(&tcp(port));
        client.call(&["CONFIG", "SET", "hide-user-data-from-log", hides]);
        client.write_raw(b"*2\r\n$3\r\nGET\r\n$secret\r\n").expect("it listens");
        let _ = client.read_to_close();
        let line = format!("Query buffer: {shown}");
        until(&line, || {
            let output = server.output().replace("Query buffer: \"", "Query buffer: ");
            let mut lines = output.lines().filter(|line| line.contains("Protocol error"));
            lines.next_back().is_some_and(|last| match hides {
                "yes" => last.contains(&line) && !last.contains("$secret"),
                _ => last.contains("$secret"),
            })
        });
    }
}

#[test]
fn names_that_people_gave_are_hidden_in_the_log() {
    let port = free_port();
    let args = ["--port", &port.to_string(), "--loglevel", "verbose"];
    let mut server = Process::start(&[], &args, "");
    let mut client = server.connect(&tcp(port));
    client.call(&["ACL", "SETUSER", "somebody", "on", ">pw", "~*", "+@all"]);
    for hides in ["yes", "no"] {
        client.call(&["CONFIG", "SET", "hide-user-data-from-log", hides]);
        let mut other = server.connect(&tcp(port));
        other.call(&["AUTH", "somebody", "pw"]);
        other.call(&["CLIENT", "SETNAME", "nickname"]);
        other.write_raw(b"*1\r\n$x\r\n").expect("it listens");
        let _ = other.read_to_close();
        until("it is said", || {
            let output = server.output();
            let last = output.lines().rfind(|line| line.contains("Protocol error"));
            last.is_some_and(|line| match hides {
                "yes" => line.contains("name=*redacted*") && line.contains("user=*redacted*"),
                _ => line.contains("name=nickname") && line.contains("user=somebody"),
            })
        });
        assert_eq!(server.output().contains("nickname"), hides == "no");
    }
}
