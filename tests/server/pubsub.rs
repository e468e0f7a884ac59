//! Messages to many: who does not read them is nobody else's trouble, and a message for all is held
//! once.

use crate::hostile::{ALONE, MIB, assert_grown_less, connections, info, russet, start};
use crate::process::{resident, until};
use crate::support::client::{Client, encode};
use crate::support::server::{Program, Server};
use crate::support::value::Value;

const AUDIENCE: usize = 1_000;
const MESSAGES: usize = 60;

pub fn subscribe(server: &Server, channels: &[&str]) -> Client {
    let mut client = server.connect();
    client.send(&[&["SUBSCRIBE"], channels].concat()).expect("it takes bytes");
    for (at, channel) in channels.iter().enumerate() {
        let confirmed = client.read_reply().expect("it confirms");
        let words = vec![Value::bulk("subscribe"), Value::bulk(channel), Value::Int(at as i64 + 1)];
        assert_eq!(confirmed, Value::Array(words));
    }
    client
}

/// Every byte there is, and a number to tell it by.
fn payload(number: usize) -> Vec<u8> {
    let mut bytes = format!("{number}\r\n").into_bytes();
    bytes.extend((0..=255u8).chain(0..=(number as u8)));
    bytes
}

#[test]
pub fn a_subscriber_that_does_not_read_holds_up_nobody() {
    let _alone = ALONE.lock();
    let server = russet(&["--client-output-buffer-limit", "pubsub 2mb 0 0"]);
    let count = connections(AUDIENCE);
    let mut audience: Vec<Client> = (0..count).map(|_| subscribe(&server, &["news"])).collect();
    let _stuck = subscribe(&server, &["news", "flood"]);
    let mut publisher = server.connect();
    let before = resident(server.pid());

    let flood = vec![b'f'; 256 * 1024];
    let mut publish = |channel: &str, message: &[u8]| {
        publisher.call(&[&b"PUBLISH"[..], channel.as_bytes(), message])
    };
    let mut listeners = count as i64 + 1;
    for number in 0..MESSAGES {
        assert_eq!(publish("news", &payload(number)), Value::Int(listeners));
        publish("flood", &flood);
        if publish("flood", b"") == Value::Int(0) {
            listeners = count as i64;
        }
    }
    assert_eq!(listeners, count as i64, "the one that does not read is cut off");
    assert!(info(&server, "stats").contains("client_output_buffer_limit_disconnections:1\r\n"));
    assert_grown_less(&server, before, 24 * MIB);

    for client in &mut audience {
        for number in 0..MESSAGES {
            let words = [&b"message"[..], b"news", &payload(number)];
            let words = words.iter().map(|word| Value::Bulk(word.to_vec())).collect();
            assert_eq!(client.read_reply().expect("it is sent"), Value::Array(words));
        }
    }
    drop(audience);
    until("nobody is left", || info(&server, "clients").contains("pubsub_clients:0\r\n"));
    assert!(info(&server, "stats").contains("pubsub_channels:0\r\n"));
}

#[test]
pub fn a_message_to_many_is_held_once() {
    let _alone = ALONE.lock();
    const STUCK: usize = 50;
    let server = russet(&[]);
    let stuck: Vec<Client> = (0..STUCK).map(|_| subscribe(&server, &["big"])).collect();
    let mut publisher = server.connect();
    let before = resident(server.pid());
    let message = vec![b'm'; MIB as usize];
    for _ in 0..20 {
        let answer = publisher.call(&[&b"PUBLISH"[..], b"big", &message]);
        assert_eq!(answer, Value::Int(STUCK as i64));
    }
    // What the system holds for each of them is not ours; all the rest waits in the outboxes.
    let held = |line: &str| {
        let omem = line.split(' ').find_map(|word| word.strip_prefix("omem="));
        omem.and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0)
    };
    let list = publisher.call(&["CLIENT", "LIST", "TYPE", "pubsub"]);
    let list = String::from_utf8_lossy(list.text().unwrap_or_default()).into_owned();
    let total: u64 = list.lines().map(held).sum();
    assert!(total > 200 * MIB, "each is charged what it has not read: {} MiB", total / MIB);
    assert_grown_less(&server, before, 64 * MIB);
    drop(stuck);
}

/// The transcripts cannot see where a push stands among answers.
#[test]
pub fn messages_to_oneself_come_right_behind_the_answer() {
    const SAID: &[&[&str]] = &[
        &["SUBSCRIBE", "a", "b"],
        &["PSUBSCRIBE", "*"],
        &["PUBLISH", "a", "1"],
        &["PING"],
        &["MULTI"],
        &["PUBLISH", "a", "2"],
        &["PING"],
        &["UNSUBSCRIBE", "a"],
        &["PUBLISH", "a", "3"],
        &["EXEC"],
        &["PING", "last"],
    ];
    const HEARD: &str = ">3 $9 subscribe $1 a :1 >3 $9 subscribe $1 b :2 >3 $10 psubscribe $1 * :3 \
        :2 >3 $7 message $1 a $1 1 >4 $8 pmessage $1 * $1 a $1 1 +PONG +OK +QUEUED +QUEUED +QUEUED \
        +QUEUED *4 :2 +PONG >3 $11 unsubscribe $1 a :2 :1 >3 $7 message $1 a $1 2 \
        >4 $8 pmessage $1 * $1 a $1 2 >4 $8 pmessage $1 * $1 a $1 3 $4 last ";
    for program in [Program::Russet, Program::Redis, Program::Valkey] {
        let Some(server) = start(program, &[]) else { continue };
        let mut client = server.connect();
        client.call(&["HELLO", "3"]);
        let mut frame = Vec::new();
        SAID.iter().for_each(|words| encode(words, &mut frame));
        client.write_raw(&frame).expect("it takes bytes");
        let expected = HEARD.replace(' ', "\r\n");
        let heard = client.read_raw(expected.len()).expect("it answers");
        assert_eq!(String::from_utf8_lossy(&heard), expected, "{}", program.name());
    }
}
