//! A server that is asked nothing sleeps: hardly anything wakes it.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::hostile::russet;
use crate::support::client::Client;
use crate::support::value::Value;

/// How long the rates of INFO remember, and then some.
const TO_CALM_DOWN: Duration = Duration::from_millis(2_500);

#[test]
fn an_idle_server_sleeps() {
    for extra in [&[][..], &["--busy-poll-us", "50"], &["--io-threads", "3"]] {
        let server = russet(extra);
        let mut client = server.connect();
        for _ in 0..500 {
            client.call(&["SET", "a", "b"]);
        }
        drop(client);
        sleep(TO_CALM_DOWN);
        let before = wake_ups(server.pid());
        sleep(Duration::from_secs(3));
        let woken = wake_ups(server.pid()) - before;
        // Ten times a second would be thirty.
        assert!(woken <= 6, "woken {woken} times in three seconds, with {extra:?}");
    }
}

/// The ticks that a sleeping server leaves out are not missed: a client that is silent for too long goes,
/// and rates are those of the last moments.
#[test]
fn a_server_that_slept_does_what_is_due() {
    let server = russet(&["--timeout", "1"]);
    let mut silent = server.connect();
    assert_eq!(silent.call(&["PING"]), Value::simple("PONG"));
    assert_eq!(silent.read_to_close().expect("it is let go"), b"");
    sleep(TO_CALM_DOWN);
    let mut client = server.connect();
    let rate = |client: &mut Client| {
        let info = client.call(&["INFO", "stats"]);
        let text = String::from_utf8_lossy(info.text().unwrap_or_default()).into_owned();
        let line = text.lines().find_map(|it| it.strip_prefix("instantaneous_ops_per_sec:"));
        line.and_then(|it| it.parse::<u64>().ok()).expect("a rate")
    };
    assert_eq!(rate(&mut client), 0, "nothing was asked for a while");
    for _ in 0..400 {
        client.call(&["PING"]);
        sleep(Duration::from_millis(1));
    }
    let busy = rate(&mut client);
    // A few hundred a second for a quarter of the time that is remembered.
    assert!((20..=1_000).contains(&busy), "{busy} operations per second");
}

/// A client that goes on reading is not silent, whether it reads one long answer or what it is told.
#[test]
fn who_reads_is_not_idle() {
    const STEP: usize = 1 << 20;
    const STEPS: usize = 50;
    // Sockets take some megabytes beyond what is read.
    let long = vec![b'.'; (STEPS + 14) * STEP];
    let server = russet(&["--timeout", "1"]);
    let mut control = server.connect();
    assert_eq!(control.call(&[&b"SET"[..], b"long", &long]), Value::simple("OK"));
    let mut told = server.connect();
    told.call(&["HELLO", "3"]);
    told.call(&["CLIENT", "TRACKING", "ON", "BCAST"]);
    let mut reader = server.connect();
    reader.send(&["GET", "long"]).expect("it takes bytes");
    for step in 0..STEPS {
        reader.read_raw(STEP).unwrap_or_else(|why| panic!("{why} after {step} MiB"));
        if step % 10 == 0 {
            control.call(&["SET", "short", "value"]);
        }
        sleep(Duration::from_millis(50));
    }
    let list = control.call(&["CLIENT", "LIST"]).to_string();
    assert_eq!(list.matches(" idle=0 ").count(), 3, "{list}");
    let head = format!("${}\r\n", long.len()).len();
    reader.read_raw(head + long.len() + 2 - STEPS * STEP).expect("the rest");
    assert_eq!(reader.call(&["PING"]), Value::simple("PONG"));
    told.send(&["PING"]).expect("it is there still");
    while told.read_reply().expect("it is there still") != Value::simple("PONG") {}
}

/// How often a process has gone to sleep, all threads together.
fn wake_ups(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let slept = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|it| it.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    tasks.flatten().map(slept).sum()
}
