//! Somebody sets the wall clock, or a machine without one of its own learns the time: an engine on a clock of ours.
//!
//! Keys are over by the wall clock, whichever way it went. All that is a span goes by the clock that nobody sets:
//! how long a client waits, how long ago a key was used, how old the last snapshot is.

use russet::commands::TABLE;
use russet::config::Config;
use russet::engine::{Engine, Peer, SessionKey};

use crate::support::client::{Client, encode};
use crate::support::machine::{Clock, Machine, sent};
use crate::support::value::Value;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

struct Scene {
    clock: Clock,
    engine: Engine,
}

impl Scene {
    fn new() -> Scene {
        let clock = Clock::new();
        let machine = Machine::new(clock.clone());
        let engine = Engine::new(Config::default(), TABLE, Box::new(machine), 7);
        Scene { clock, engine }
    }

    fn come(&mut self) -> SessionKey {
        self.engine.connect(Peer { loopback: true, ..Peer::default() }, self.clock.now())
    }

    /// What is answered at once.
    fn say(&mut self, who: SessionKey, line: &[&str]) -> Option<Value> {
        let (mut frame, mut answers) = (Vec::new(), Vec::new());
        encode(line, &mut frame);
        self.engine.receive(who, &frame, &mut answers, self.clock.now());
        Client::replies(answers).expect("whole replies").pop()
    }

    fn ask(&mut self, line: &[&str]) -> Value {
        let who = self.come();
        let reply = self.say(who, line);
        self.engine.disconnect(who);
        reply.unwrap_or_else(|| panic!("{line:?} is not answered"))
    }

    /// What a server does by the clock: sweeps, ticks, and ends what has waited long enough.
    fn live(&mut self, seconds: u64) {
        for _ in 0..10 {
            self.clock.pass(seconds * SECOND as u64 / 10);
            let now = self.clock.now();
            self.engine.sweep(now);
            self.engine.tick(now);
            self.engine.time_out(now);
        }
    }

    /// What was sent to a client that waited.
    fn heard(&mut self, who: SessionKey) -> Vec<Value> {
        let mut bytes = sent(self.engine.take_outbox(who));
        let mut answers = Vec::new();
        self.engine.resume(who, &mut answers, self.clock.now());
        bytes.append(&mut answers);
        Client::replies(bytes).expect("whole replies")
    }
}

#[test]
fn keys_are_over_by_the_wall_clock_whichever_way_it_is_set() {
    let mut scene = Scene::new();
    scene.ask(&["SET", "minute", "x", "EX", "60"]);
    scene.ask(&["SET", "day", "x", "EX", "86400"]);
    scene.ask(&["HSET", "hash", "f", "v"]);
    scene.ask(&["HEXPIRE", "hash", "60", "FIELDS", "1", "f"]);
    // Back: nothing is over sooner, and what is said of the time left is true.
    scene.clock.set_wall(-HOUR);
    scene.live(1);
    assert_eq!(scene.ask(&["TTL", "minute"]), Value::Int(60 + 3600 - 1));
    // A key of the earlier time is over at its own.
    scene.ask(&["SET", "short", "x", "PX", "1500"]);
    scene.live(1);
    assert_eq!(scene.ask(&["EXISTS", "short"]), Value::Int(1));
    scene.live(1);
    assert_eq!(scene.engine.keyspace.db(0).len(), 3, "the sweep has found it");
    // Forward again, and past it.
    scene.clock.set_wall(HOUR + 61 * SECOND);
    scene.live(1);
    assert_eq!(scene.engine.keyspace.db(0).len(), 1, "the sweep has found what is due now");
    assert_eq!(scene.ask(&["EXISTS", "minute", "hash", "day"]), Value::Int(1));
    // To and fro, with keys of each time.
    for step in [-30 * 24 * HOUR, 40 * 24 * HOUR, -24 * HOUR, -SECOND, 2 * SECOND, -20 * 24 * HOUR]
    {
        scene.clock.set_wall(step);
        scene.ask(&["SET", "here", "x", "PX", "100"]);
        assert_eq!(scene.ask(&["PTTL", "here"]), Value::Int(100), "after {step}");
        scene.live(1);
        let due = scene.engine.keyspace.next_deadline();
        assert!(
            due.is_none_or(|due| due > scene.engine.keyspace.now()),
            "the sweep sleeps past {due:?}"
        );
        assert!(scene.engine.keyspace.record(0, b"here").is_none(), "after {step}");
    }
}

#[test]
fn clients_wait_as_long_as_they_said() {
    let mut scene = Scene::new();
    let who = scene.come();
    assert_eq!(scene.say(who, &["BLPOP", "queue", "10"]), None);
    for step in [HOUR, -5 * HOUR, 24 * HOUR] {
        scene.clock.set_wall(step);
        scene.live(2);
        assert!(scene.engine.sessions[who].is_waiting(), "after {step} it does not wait any more");
    }
    scene.live(5);
    assert_eq!(scene.heard(who), [Value::NullArray]);
    // CLIENT PAUSE and the time-out of idle clients are spans as well.
    scene.ask(&["CONFIG", "SET", "timeout", "100"]);
    scene.ask(&["CLIENT", "PAUSE", "4000", "WRITE"]);
    let idle = scene.come();
    scene.clock.set_wall(24 * HOUR);
    scene.live(2);
    assert!(scene.engine.pause_state().is_some(), "the pause is not over");
    assert!(
        scene.engine.sessions.get(idle).is_some_and(|it| it.closing == russet::engine::Closing::No)
    );
    scene.clock.set_wall(-48 * HOUR);
    scene.live(3);
    assert!(scene.engine.pause_state().is_none(), "the pause is over");
}

/// Writes wait for a key that is moved. Who asks for a pause meanwhile gets it, also if it is a shorter one.
#[test]
fn a_pause_of_a_client_outlives_our_own() {
    let mut scene = Scene::new();
    scene.engine.hold_writes(200_000);
    scene.engine.release_writes();
    assert!(scene.engine.pause_state().is_none(), "it was for the key alone");
    scene.engine.hold_writes(200_000);
    scene.ask(&["CLIENT", "PAUSE", "100", "WRITE"]);
    scene.engine.release_writes();
    assert!(scene.engine.pause_state().is_some(), "the client's goes on");
}

#[test]
fn ages_are_spans() {
    let mut scene = Scene::new();
    scene.ask(&["SET", "old", "x"]);
    scene.live(100);
    scene.ask(&["SET", "new", "x"]);
    for step in [-2 * HOUR, 100 * HOUR, -98 * HOUR] {
        scene.clock.set_wall(step);
        scene.live(10);
        let idle = |scene: &mut Scene, key: &str| match scene.ask(&["OBJECT", "IDLETIME", key]) {
            Value::Int(seconds) => seconds,
            other => panic!("{other}"),
        };
        let (old, new) = (idle(&mut scene, "old"), idle(&mut scene, "new"));
        assert!(old > new && old - new == 100, "{old} and {new} seconds after {step}");
        assert!(new <= 31, "{new} seconds after {step}");
    }
    // The counter of LFU decays by minutes that have passed.
    scene.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]);
    scene.ask(&["SET", "used", "x"]);
    let before = scene.ask(&["OBJECT", "FREQ", "used"]);
    scene.clock.set_wall(-HOUR);
    assert_eq!(scene.ask(&["OBJECT", "FREQ", "used"]), before);
    scene.clock.set_wall(30 * HOUR);
    assert_eq!(scene.ask(&["OBJECT", "FREQ", "used"]), before);
    scene.live(120);
    assert!(scene.ask(&["OBJECT", "FREQ", "used"]).to_string() < before.to_string());
}

#[test]
fn ids_of_streams_only_grow() {
    let mut scene = Scene::new();
    let id = |reply: Value| -> (u64, u64) {
        let text = String::from_utf8_lossy(reply.text().expect("an id")).into_owned();
        let (ms, seq) = text.split_once('-').expect("two numbers");
        (ms.parse().expect("a number"), seq.parse().expect("a number"))
    };
    let mut last = id(scene.ask(&["XADD", "s", "*", "f", "v"]));
    for step in [-HOUR, -24 * HOUR, 48 * HOUR, -1000, 1, -30 * 24 * HOUR] {
        scene.clock.set_wall(step);
        for _ in 0..3 {
            let next = id(scene.ask(&["XADD", "s", "*", "f", "v"]));
            assert!(next > last, "{next:?} behind {last:?} after {step}");
            last = next;
            scene.clock.pass(500);
        }
    }
    // How long an entry has been pending is by the wall clock, as in the peers; it is never below zero.
    scene.ask(&["XGROUP", "CREATE", "s", "g", "0"]);
    scene.ask(&["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">"]);
    scene.clock.set_wall(-HOUR);
    let pending = scene.ask(&["XPENDING", "s", "g", "-", "+", "10"]);
    let entry =
        pending.items().and_then(|it| it.first()).and_then(Value::items).expect("one is pending");
    assert!(matches!(entry[2], Value::Int(idle) if idle >= 0), "{pending}");
    let claimed = scene.ask(&["XAUTOCLAIM", "s", "g", "d", "0", "0"]);
    assert!(!claimed.is_error(), "{claimed}");
}

#[test]
fn save_points_go_by_time_that_has_passed() {
    let mut scene = Scene::new();
    scene.ask(&["CONFIG", "SET", "save", "300 1"]);
    scene.ask(&["SET", "k", "x"]);
    let wants = |scene: &Scene| scene.engine.persistence.snapshot.is_some();
    // A clock that jumps ahead is no reason for a snapshot.
    scene.clock.set_wall(24 * HOUR);
    scene.live(100);
    assert!(!wants(&scene), "no time has passed");
    // And one that was set back is none to wait for a day.
    scene.clock.set_wall(-48 * HOUR);
    scene.live(250);
    assert!(wants(&scene), "350 seconds have passed");
}
