//! `io-threads`: many threads serve clients, and it is one world all the same. The hardest tests of one
//! thread must hold with several, and what several could break is tried on purpose.

use std::thread;
use std::time::Duration;

use crate::hostile::{info, russet};
use crate::process::{Process, free_port, tcp, until};
use crate::support::client::{Client, encode};
use crate::support::server::{Server, with_args};
use crate::support::value::Value;
use crate::{hostile, pubsub, queues, scripts, startup, tls};

macro_rules! hold_with {
    ($module:ident, $threads:literal) => {
        mod $module {
            use super::*;

            hold_with!($threads: hostile, half_frames_of_many_clients_wait_in_peace);
            hold_with!($threads: hostile, one_client_too_many_is_told_so);
            hold_with!($threads: hostile, a_reader_that_does_not_read_is_cut_off);
            hold_with!($threads: hostile, a_large_pipeline_of_a_slow_reader_is_bounded_in_one_read);
            hold_with!($threads: hostile, answers_wait_in_line_behind_what_is_unread);
            hold_with!($threads: hostile, a_silent_end_waits_for_what_is_unread);
            hold_with!($threads: pubsub, a_subscriber_that_does_not_read_holds_up_nobody);
            hold_with!($threads: pubsub, a_message_to_many_is_held_once);
            hold_with!($threads: pubsub, messages_to_oneself_come_right_behind_the_answer);
            hold_with!($threads: queues, who_came_first_is_served_first);
            hold_with!($threads: queues, one_push_serves_all_who_wait);
            hold_with!($threads: scripts, a_script_that_takes_long_can_be_killed);
            hold_with!($threads: scripts, a_busy_script_is_one_unit);
            hold_with!($threads: scripts, exec_goes_on_behind_a_busy_script);
            hold_with!($threads: scripts, a_script_outlives_its_client);
            hold_with!($threads: scripts, time_stands_still_for_a_busy_script);
            hold_with!($threads: startup, a_unix_socket_has_its_mode_and_goes_with_the_server);
            hold_with!($threads: startup, signals_end_the_server_in_order);
            hold_with!($threads: startup, a_port_can_be_changed_while_clients_are_there);
            hold_with!($threads: tls, answers_are_the_same_over_tls);
            hold_with!($threads: tls, messages_arrive_over_tls);
            hold_with!($threads: tls, killing_clients_of_tls_is_safe_at_any_moment);
            hold_with!($threads: tls, a_slow_reader_gets_everything_in_the_end);

            #[test]
            fn no_job_is_lost_or_done_twice_while_workers_and_producers_die() {
                queues::stress(&on_threads($threads), 3_000);
            }
        }
    };
    ($threads:literal: $module:ident, $test:ident) => {
        #[test]
        fn $test() {
            with_args(&["--io-threads", $threads], $module::$test);
        }
    };
}

hold_with!(two, "2");
hold_with!(four, "4");

fn on_threads(threads: &str) -> Server {
    russet(&["--io-threads", threads])
}

/// Pipelines of all clients meet in one order: every increment counts once, nobody's answers change
/// places, and a transaction sees nothing of the others.
#[test]
fn pipelines_of_many_clients_count_to_the_exact_sum() {
    const CLIENTS: usize = 12;
    const ROUNDS: usize = 60;
    const INCREMENTS: usize = 40;
    const LINES: [&[&str]; 4] = [&["MULTI"], &["INCR", "left"], &["INCR", "right"], &["EXEC"]];
    for threads in ["2", "4"] {
        let server = &on_threads(threads);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = server.connect();
                    let mut last = 0;
                    for _ in 0..ROUNDS {
                        let mut frame = Vec::new();
                        (0..INCREMENTS).for_each(|_| encode(&["INCR", "sum"], &mut frame));
                        LINES.iter().for_each(|line| encode(line, &mut frame));
                        client.write_raw(&frame).expect("it takes bytes");
                        for _ in 0..INCREMENTS {
                            let Ok(Value::Int(next)) = client.read_reply() else {
                                panic!("INCR answers a number")
                            };
                            assert!(next > last, "{next} behind {last}");
                            last = next;
                        }
                        for expected in ["OK", "QUEUED", "QUEUED"] {
                            let answer = client.read_reply().expect("it answers");
                            assert_eq!(answer, Value::simple(expected));
                        }
                        let both = client.read_reply().expect("it answers");
                        let both = both.items().expect("EXEC answers with a list");
                        assert_eq!(both[0], both[1], "somebody came between");
                    }
                });
            }
        });
        let mut client = server.connect();
        for (key, each) in [("sum", ROUNDS * INCREMENTS), ("left", ROUNDS), ("right", ROUNDS)] {
            assert_eq!(client.call(&["GET", key]), Value::bulk((CLIENTS * each).to_string()));
        }
    }
}

/// While one command takes its time, everybody else's requests wait at the door; all of them are done
/// afterwards, without anybody having to send more.
#[test]
fn what_is_left_behind_a_long_command_is_done_when_it_ends() {
    let server = on_threads("4");
    let mut clients: Vec<Client> = (0..16).map(|_| server.connect()).collect();
    let mut sleeper = server.connect();
    for round in 1..=5 {
        sleeper.send(&["DEBUG", "SLEEP", "0.1"]).expect("it takes bytes");
        for client in &mut clients {
            let mut frame = Vec::new();
            (0..50).for_each(|_| encode(&["INCR", "sum"], &mut frame));
            client.write_raw(&frame).expect("it takes bytes");
        }
        // More arrives while the first is waiting.
        for client in &mut clients {
            client.send(&["ECHO", "behind"]).expect("it takes bytes");
        }
        for client in &mut clients {
            let answers = (0..50).map(|_| client.read_reply().expect("it answers"));
            let answers: Vec<Value> = answers.collect();
            assert!(answers.iter().all(|it| matches!(it, Value::Int(_))), "{answers:?}");
            assert_eq!(client.read_reply().expect("it answers"), Value::bulk("behind"));
        }
        assert_eq!(sleeper.read_reply().expect("it wakes up"), Value::simple("OK"));
        assert_eq!(sleeper.call(&["GET", "sum"]), Value::bulk((round * 800).to_string()));
    }
}

#[test]
fn clients_are_spread_evenly_and_counted_by_thread() {
    let server = on_threads("4");
    // The one that waited for the first PONG may not have been let go yet.
    until("nobody is there", || info(&server, "clients").contains("connected_clients:1\r\n"));
    let mut clients: Vec<Client> = (0..12).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.call(&["PING"]), Value::simple("PONG")));
    let figure = |text: &str, thread: usize, name: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix(&format!("io_thread_{thread}:")));
        let mut fields = line.unwrap_or_else(|| panic!("no thread {thread}: {text}")).split(',');
        let value = fields.find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|it| it.parse::<u64>().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
    };
    let text = text_of(clients[0].call(&["INFO", "threads", "server", "stats"]));
    for thread in 0..4 {
        assert_eq!(figure(&text, thread, "clients"), 3, "{text}");
        assert!(figure(&text, thread, "reads") >= 3, "{text}");
    }
    assert!(text.contains("io_threads_active:1\r\n"), "{text}");
    let sum = |name| (0..4).map(|thread| figure(&text, thread, name)).sum::<u64>();
    assert!(text.contains(&format!("total_reads_processed:{}\r\n", sum("reads"))), "{text}");
    let list = text_of(clients[0].call(&["CLIENT", "LIST"]));
    for thread in 0..4 {
        assert_eq!(list.matches(&format!(" io-thread={thread} ")).count(), 3, "{list}");
    }
    // Whoever comes now goes where there is room.
    clients.drain(4..);
    until("some have gone", || info(&server, "clients").contains("connected_clients:5\r\n"));
    clients.extend((0..8).map(|_| server.connect()));
    clients.iter_mut().for_each(|client| assert_eq!(client.call(&["PING"]), Value::simple("PONG")));
    let text = text_of(clients[0].call(&["INFO", "threads"]));
    (0..4).for_each(|thread| assert_eq!(figure(&text, thread, "clients"), 3, "{text}"));
}

/// What one client does to others reaches those on other threads: it puts them off, lets them go on,
/// watches them and ends them.
#[test]
fn clients_reach_each_other_across_threads() {
    let server = on_threads("4");
    let mut control = server.connect();
    let mut monitor = server.connect();
    assert_eq!(monitor.call(&["MONITOR"]), Value::simple("OK"));
    let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();

    assert_eq!(control.call(&["CLIENT", "PAUSE", "20000", "WRITE"]), Value::simple("OK"));
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&["RPUSH", "list", &number.to_string()]).expect("it takes bytes");
    }
    until("all are put off", || {
        text_of(control.call(&["INFO", "clients"])).contains("blocked_clients:8\r\n")
    });
    assert_eq!(control.call(&["CLIENT", "UNPAUSE"]), Value::simple("OK"));
    for client in &mut clients {
        assert!(matches!(client.read_reply().expect("it goes on"), Value::Int(_)));
    }
    let in_list = control.call(&["LRANGE", "list", "0", "-1"]);
    let in_list: Vec<String> =
        in_list.items().expect("a list").iter().map(|it| text_of(it.clone())).collect();

    // The monitor hears of the pushes in the order in which they were done.
    let mut watched = Vec::new();
    while watched.len() < 8 {
        let line = monitor.read_reply().expect("it watches");
        let line = text_of(line);
        if let Some((_, element)) = line.split_once("\"RPUSH\" \"list\" ") {
            watched.push(element.trim_matches('"').to_string());
        }
    }
    assert_eq!(watched, in_list);

    let killed = control.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert_eq!(killed, Value::Int(9));
    for client in clients.iter_mut().chain([&mut monitor]) {
        assert!(client.read_to_close().is_ok(), "its end comes");
    }
    until("they are forgotten", || {
        text_of(control.call(&["INFO", "clients"])).contains("connected_clients:1\r\n")
    });
}

#[test]
fn a_server_under_load_ends_in_order() {
    for how in ["SIGTERM", "SHUTDOWN"] {
        let port = free_port();
        let args = ["--bind", "127.0.0.1", "--port", &port.to_string(), "--io-threads", "4"];
        let mut server = Process::start(&[], &args, "");
        server.connect(&tcp(port));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut client = Client::connect(&tcp(port)).expect("it is there");
                    let mut frame = Vec::new();
                    (0..100).for_each(|_| encode(&["INCR", "sum"], &mut frame));
                    while client.write_raw(&frame).is_ok()
                        && (0..100).all(|_| client.read_reply().is_ok())
                    {}
                });
            }
            thread::sleep(Duration::from_millis(200));
            match how {
                "SIGTERM" => server.signal("-TERM"),
                _ => drop(Client::connect(&tcp(port)).map(|mut it| it.send(&["SHUTDOWN"]))),
            }
            assert_eq!(server.end().code(), Some(0), "{how}: {}", server.output());
        });
    }
}

fn text_of(value: Value) -> String {
    String::from_utf8_lossy(value.text().unwrap_or_default()).into_owned()
}
