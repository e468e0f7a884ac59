//! What is left in the log when the server crashes.

use std::os::unix::process::ExitStatusExt;

use crate::process::{Process, free_port, tcp, until};
use crate::support::client::Client;

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

fn start(more: &[&str]) -> (Process, Client) {
    let port = free_port();
    let port_text = port.to_string();
    let mut args = vec!["--port", &port_text, "--enable-debug-command", "yes"];
    args.extend(more);
    let mut server = Process::start(&[], &args, "");
    let client = server.connect(&tcp(port));
    (server, client)
}

#[test]
fn a_fault_is_reported_with_its_stack_and_without_data() {
    let (mut server, mut client) = start(&["--debug-context", "tuesday"]);
    assert!(client.try_call(&["DEBUG", "SEGFAULT", "a-customer's-name"]).is_err());
    assert_eq!(server.end().signal(), Some(SIGSEGV));
    let log = server.output();
    for text in [
        "BUG REPORT START: Cut & paste starting from here",
        &format!("crashed by signal: {SIGSEGV}"),
        "Accessing address: 0x",
        "STACK TRACE -",
        "debug::segfault",
        "STACK TRACE DONE",
        "redis_version:",
        "cmd=DEBUG|SEGFAULT",
        "argv[0]: 'DEBUG'",
        "argv[2]: '*redacted*'",
        "debug-context: tuesday",
        "BUG REPORT END. Make sure to include from START to END.",
    ] {
        assert_eq!(log.matches(text).count(), 1, "{text} in:\n{log}");
    }
    assert!(!log.contains("customer"), "{log}");
}

#[test]
fn data_is_shown_where_that_is_allowed() {
    let (mut server, mut client) = start(&["--hide-user-data-from-log", "no"]);
    assert!(client.try_call(&["DEBUG", "SEGFAULT", "visible\r\n"]).is_err());
    server.end();
    assert!(server.output().contains("argv[2]: 'visible\\r\\n'"), "{}", server.output());
}

#[test]
fn a_signal_from_outside_is_reported_and_ends_the_server_by_it() {
    let (mut server, _client) = start(&[]);
    server.signal("-ABRT");
    assert_eq!(server.end().signal(), Some(SIGABRT));
    let log = server.output();
    assert!(log.contains("crashed by signal: 6") && log.contains("Killed by PID: "), "{log}");
}

#[test]
fn an_assertion_and_a_panic_are_told_apart() {
    for (word, says) in
        [("ASSERT", "=== ASSERTION FAILED ==="), ("PANIC", "crashed by a panic at ")]
    {
        let (mut server, mut client) = start(&["--use-exit-on-panic", "yes"]);
        assert!(client.try_call(&["DEBUG", word]).is_err());
        assert_eq!(server.end().code(), Some(1), "{word}");
        let log = server.output();
        for text in [says, "BUG REPORT START", "STACK TRACE -", "redis_version:", "BUG REPORT END"]
        {
            assert_eq!(log.matches(text).count(), 1, "{text} in:\n{log}");
        }
        assert!(log.contains("*redacted*"), "{log}");
    }
}

#[test]
fn nothing_is_reported_where_nobody_wants_it() {
    let (mut server, mut client) = start(&["--crash-log-enabled", "no"]);
    assert!(client.try_call(&["DEBUG", "SEGFAULT"]).is_err());
    assert_eq!(server.end().signal(), Some(SIGSEGV));
    assert!(!server.output().contains("BUG REPORT"), "{}", server.output());
}

#[test]
fn a_server_that_does_not_answer_says_where_it_is_and_goes_on() {
    let (server, mut client) = start(&[]);
    client.send(&["DEBUG", "SLEEP", "5"]).expect("it listens");
    // The first may come before it sleeps.
    let mut told = 0;
    until("a stack of the sleep", || {
        server.signal("-ALRM");
        told += 1;
        until("a stack", || server.output().matches("STACK TRACE DONE").count() == told);
        server.output().contains("debug::sleep")
    });
    assert!(server.output().contains("Received SIGALRM"), "{}", server.output());
    assert!(client.read_reply().is_ok());
    client.call(&["CONFIG", "SET", "watchdog-period", "200"]);
    client.call(&["DEBUG", "SLEEP", "0.5"]);
    until("the watchdog", || server.output().contains("--- WATCHDOG TIMER EXPIRED ---"));
    client.call(&["CONFIG", "SET", "watchdog-period", "0"]);
    client.call(&["PING"]);
}
