//! Queues under stress: a hundred workers wait, ten producers push, and connections of both are
//! killed all the while. Nothing may be lost, nothing may come twice, and everybody sees the jobs
//! that one producer put into one queue in their order. The real servers are put through the same,
//! where they are installed: a rule which they break would be our invention.
//!
//! How a loss can be told from a reply that was on its way: movers take jobs by BLMOVE into a list
//! of their own, which the server keeps whatever happens to the connection. Poppers keep what they
//! hear, and are killed only while nothing is on its way to them: the killer sees that one of them
//! is blocked, and kills it in a transaction that fails when its queues were touched meanwhile. A
//! producer whose connection is killed before the reply learns from a counter, set in the same
//! transaction, whether its jobs are in; or it does not know, and then they may be in or not.

use std::collections::{HashMap, HashSet};
use std::env;
use std::io::{self, ErrorKind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::clients;
use crate::process::until;
use crate::support::client::{Client, encode};
use crate::support::dice::Dice;
use crate::support::server::{Program, Server};
use crate::support::value::Value;

const PROGRAMS: [Program; 3] = [Program::Russet, Program::Redis, Program::Valkey];

const QUEUES: usize = 10;
const PRODUCERS: usize = 10;
const MOVERS: usize = 50;
const POPPERS: usize = 50;

/// How many pushes there are in all, unless QUEUE_PUSHES says otherwise.
const PUSHES: usize = 10_000;

/// Fewer kills of the others, and of poppers, are no stress. Where the machine is busy with other things
/// producers push on until there were more, but no more than so many times their share.
const KILLS: [usize; 2] = [20, 5];
const PATIENCE: usize = 20;

/// A pause between two kills: short enough for hundreds of them, long enough to get work done.
const BETWEEN_KILLS: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Job {
    producer: usize,
    queue: usize,
    /// The how-manyeth of its producer it is.
    index: usize,
}

#[test]
fn no_job_is_lost_or_done_twice_while_workers_and_producers_die() {
    let pushes = env::var("QUEUE_PUSHES").map_or(PUSHES, |it| it.parse().expect("a number"));
    for program in PROGRAMS {
        if let Some(server) = start(program) {
            stress(&server, pushes);
        }
    }
}

pub fn stress(server: &Server, pushes: usize) {
    let scene = &Scene::new(server);
    let mut control = server.connect();
    let mut outcome = thread::scope(|scope| {
        let movers: Vec<_> =
            (0..MOVERS).map(|number| scope.spawn(move || mover(scene, number))).collect();
        let poppers: Vec<_> =
            (0..POPPERS).map(|number| scope.spawn(move || popper(scene, number))).collect();
        let share = pushes / PRODUCERS;
        let producers: Vec<_> =
            (0..PRODUCERS).map(|it| scope.spawn(move || producer(scene, it, share))).collect();
        let killer = scope.spawn(|| killer(scene));

        // Whoever panics, all must come to their ends before it is told.
        let sent: Vec<_> = producers.into_iter().map(|it| it.join()).collect();
        scene.pushed.store(true, SeqCst);
        let killed = killer.join();
        // What is on its way arrives now. What does not is lost, and is found to be so below.
        let certain = sent.iter().flatten().flatten().filter(|(_, certain)| *certain).count();
        (0..1000).any(|_| {
            #[expect(clippy::disallowed_methods, reason = "others are at work meanwhile")]
            thread::sleep(Duration::from_millis(10));
            scene.heard.load(SeqCst) + moved(&mut control) >= certain
        });
        scene.over.store(true, SeqCst);
        until("nobody waits any more", || {
            control.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            movers.iter().chain(&poppers).all(|it| it.is_finished())
        });
        killed.expect("the killer");
        Outcome {
            sent: sent.into_iter().flat_map(|it| it.expect("a producer")).collect(),
            heard_by_movers: movers.into_iter().map(|it| it.join().expect("a mover")).collect(),
            taken: poppers.into_iter().map(|it| it.join().expect("a popper")).collect(),
        }
    });
    for (number, heard) in outcome.heard_by_movers.iter().enumerate() {
        let list = jobs(&control.call(&["LRANGE", &format!("taken:{number}"), "0", "-1"]));
        let mut rest = list.iter();
        assert!(
            heard.iter().all(|job| rest.any(|it| it == job)),
            "mover {number} heard {heard:?}, its list has {list:?}"
        );
        outcome.taken.push(list);
    }
    outcome.check(scene);
    assert_eq!(blocked(&mut control), 0, "clients are still blocked");
}

/// What all threads share.
struct Scene<'a> {
    server: &'a Server,
    /// Whom the killer may choose from.
    connections: Mutex<Vec<Connection>>,
    pushed: AtomicBool,
    over: AtomicBool,
    /// How many jobs poppers have heard of.
    heard: AtomicUsize,
    /// How many of the others, and how many poppers, were killed.
    kills: [AtomicUsize; 2],
}

struct Connection {
    id: i64,
    /// The queues of a popper. The others may be killed at any time.
    queues: Vec<String>,
}

impl Scene<'_> {
    fn new(server: &Server) -> Scene<'_> {
        Scene {
            server,
            connections: Mutex::default(),
            pushed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            heard: AtomicUsize::new(0),
            kills: Default::default(),
        }
    }

    /// A connection that the killer knows; none when all is over.
    fn enter(&self, queues: &[String]) -> Option<Client> {
        while !self.over.load(SeqCst) {
            let mut client = self.server.connect();
            if let Ok(Value::Int(id)) = client.try_call(&["CLIENT", "ID"]) {
                self.introduce(Connection { id, queues: queues.to_vec() });
                return Some(client);
            }
        }
        None
    }

    fn introduce(&self, connection: Connection) {
        self.connections.lock().expect("no panic").push(connection);
    }

    fn is_stressed(&self) -> bool {
        self.kills.iter().zip(KILLS).all(|(kills, fewest)| kills.load(SeqCst) > fewest)
    }
}

fn queue(number: usize) -> String {
    format!("queue:{}", number % QUEUES)
}

/// Takes jobs into a list of its own, and hands back those it heard of.
fn mover(scene: &Scene, number: usize) -> Vec<Job> {
    let list = format!("taken:{number}");
    let command = ["BLMOVE", &queue(number), &list, "LEFT", "RIGHT", "0"];
    let mut heard = Vec::new();
    while let Some(mut client) = scene.enter(&[]) {
        while let Some(reply) = unless_killed(client.try_call(&command)) {
            heard.extend(jobs(&reply));
        }
    }
    heard
}

/// Takes one job after the other, or some at once, and hands them all back.
fn popper(scene: &Scene, number: usize) -> Vec<Job> {
    let both = [queue(number), queue(number + 1)];
    let [own, next] = &both;
    let (command, queues): (&[&str], &[String]) = match number % 4 {
        0 => (&["BLPOP", own, "0"], &both[..1]),
        1 => (&["BLPOP", "nothing", own, next, "0"], &both),
        2 => (&["BLMPOP", "0", "2", "nothing", own, "LEFT", "COUNT", "2"], &both[..1]),
        _ => (&["BLMPOP", "0", "2", own, next, "LEFT"], &both),
    };
    let mut taken = Vec::new();
    while let Some(mut client) = scene.enter(queues) {
        while let Some(reply) = unless_killed(client.try_call(command)) {
            let jobs = jobs(&reply);
            scene.heard.fetch_add(jobs.len(), SeqCst);
            taken.extend(jobs);
        }
    }
    taken
}

/// Pushes its jobs, one to three at once, and hands back which of them are in for certain.
fn producer(scene: &Scene, number: usize, pushes: usize) -> Vec<(Job, bool)> {
    let enter = || scene.enter(&[]).expect("it is not over");
    let counter = format!("pushed:{number}");
    let mut dice = Dice::seeded(number as u64, 0);
    let mut sent = Vec::new();
    let mut client = enter();
    for pushed in 0..pushes * PATIENCE {
        if pushed >= pushes && scene.is_stressed() {
            break;
        }
        let to = dice.below(QUEUES);
        let job = |more| Job { producer: number, queue: to, index: sent.len() + more };
        let batch: Vec<Job> = (0..=dice.below(3)).map(job).collect();
        let mut push = vec!["RPUSH".to_string(), queue(to)];
        push.extend(batch.iter().map(|it| format!("{number}:{to}:{}", it.index)));
        let certain = if dice.percent(50) {
            let reply = unless_killed(client.try_call(&push));
            if reply.is_none() {
                client = enter();
            }
            reply.is_some_and(|it| matches!(it, Value::Int(_)))
        } else {
            // Again and again, until the counter says that they are in.
            let upto = (sent.len() + batch.len()).to_string();
            while !push_with_counter(&mut client, &push, &counter, &upto) {
                client = enter();
                let reply = unless_killed(client.try_call(&["GET", &counter]));
                if reply.is_some_and(|it| it == Value::bulk(&upto)) {
                    break;
                }
            }
            true
        };
        sent.extend(batch.into_iter().map(|job| (job, certain)));
    }
    sent
}

/// False when the connection was killed before the server said that it is done.
fn push_with_counter(client: &mut Client, push: &[String], counter: &str, upto: &str) -> bool {
    let push: Vec<&str> = push.iter().map(String::as_str).collect();
    let lines: [&[&str]; 4] = [&["MULTI"], &push, &["SET", counter, upto], &["EXEC"]];
    let Some(replies) = unless_killed(in_one_write(client, &lines)) else { return false };
    let done = &replies[3];
    assert!(done.items().is_some_and(|it| it.len() == 2), "EXEC: {done}");
    true
}

/// Kills one connection after the other, until there is nothing more to push.
fn killer(scene: &Scene) {
    let mut dice = Dice::seeded(7, 7);
    let mut client = scene.server.connect();
    while !scene.pushed.load(SeqCst) {
        #[expect(clippy::disallowed_methods, reason = "others are at work meanwhile")]
        thread::sleep(BETWEEN_KILLS);
        let victim = {
            let mut connections = scene.connections.lock().expect("no panic");
            // Nobody may have come yet, or all have been killed.
            if connections.is_empty() {
                continue;
            }
            let chosen = dice.below(connections.len());
            connections.swap_remove(chosen)
        };
        let id = victim.id.to_string();
        if victim.queues.is_empty() {
            client.call(&["CLIENT", "KILL", "ID", &id]);
            scene.kills[0].fetch_add(1, SeqCst);
        } else if killed_while_blocked(&mut client, &id, &victim.queues) {
            scene.kills[1].fetch_add(1, SeqCst);
        } else {
            scene.introduce(victim);
        }
    }
}

fn killed_while_blocked(client: &mut Client, id: &str, queues: &[String]) -> bool {
    let mut watch = vec!["WATCH"];
    watch.extend(queues.iter().map(String::as_str));
    let look = ["CLIENT", "LIST", "ID", id];
    let kill = ["CLIENT", "KILL", "ID", id];
    for _ in 0..5 {
        // In as few writes as can be, since everything that is pushed meanwhile spoils it.
        let replies = in_one_write(client, &[&watch, &look]).expect("it is not killed");
        if !is_blocked(&replies[1]) {
            client.call(&["UNWATCH"]);
            return false;
        }
        let replies = in_one_write(client, &[&["MULTI"], &look, &kill, &["EXEC"]]);
        let reply = replies.expect("it is not killed").pop().expect("four replies");
        if let Some([line, killed]) = reply.items() {
            assert!(is_blocked(line), "nothing was pushed, and yet it waits no longer: {line}");
            assert_eq!(*killed, Value::Int(1));
            return true;
        }
        assert!(reply.is_null(), "EXEC: {reply}");
    }
    false
}

struct Outcome {
    /// What the producers have pushed, and whether they know that it is in.
    sent: Vec<(Job, bool)>,
    heard_by_movers: Vec<Vec<Job>>,
    /// What each worker has taken, in its order.
    taken: Vec<Vec<Job>>,
}

impl Outcome {
    fn check(&self, scene: &Scene) {
        let name = scene.server.program.name();
        let mut seen = HashSet::new();
        for taken in &self.taken {
            let mut latest = HashMap::new();
            for job in taken {
                assert!(seen.insert(job), "{name}: {job:?} is there twice");
                let before = latest.insert((job.producer, job.queue), job.index);
                assert!(before.is_none_or(|it| it < job.index), "{name}: {job:?} out of order");
            }
        }
        let lost: Vec<&Job> = self
            .sent
            .iter()
            .filter_map(|(job, certain)| (*certain && !seen.contains(job)).then_some(job))
            .collect();
        assert!(lost.is_empty(), "{name}: lost {lost:?}");
        for (job, _) in &self.sent {
            seen.remove(job);
        }
        assert!(seen.is_empty(), "{name}: nobody pushed {seen:?}");
        let [others, poppers] = scene.kills.each_ref().map(|it| it.load(SeqCst));
        println!("{name}: {} jobs, {others} and {poppers} kills", self.sent.len());
        assert!(scene.is_stressed(), "{name}: {others} and {poppers} kills are no stress");
    }
}

/// All who wait are served in the order in which they came, whatever they wait with; who is killed,
/// unblocked, gone or out of time has no turn any more and takes nothing away.
#[test]
pub fn who_came_first_is_served_first() {
    for program in PROGRAMS {
        let Some(server) = start(program) else { continue };
        let name = program.name();
        let mut control = server.connect();
        let mut waiting = Vec::new();
        for number in 0..100 {
            let mut client = server.connect();
            let Value::Int(id) = client.call(&["CLIENT", "ID"]) else { panic!("CLIENT ID") };
            let command: &[&str] = match number % 5 {
                0 => &["BLPOP", "turns", "0"],
                1 => &["BRPOP", "other", "turns", "0"],
                2 => &["BLMOVE", "turns", "moved", "LEFT", "LEFT", "0"],
                3 => &["BLMPOP", "0", "2", "turns", "other", "RIGHT"],
                _ => &["BRPOPLPUSH", "turns", "moved", "0"],
            };
            client.send(command).expect("it takes bytes");
            until("it waits", || blocked(&mut control) == number + 1);
            waiting.push((number, id.to_string(), client));
        }
        // Every fourth one is not there any more when the jobs come.
        let (gone, mut waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(number, ..)| number % 4 == 3);
        let still_there = waiting.len();
        for (number, id, mut client) in gone {
            match number % 3 {
                0 => {
                    assert_eq!(control.call(&["CLIENT", "KILL", "ID", &id]), Value::Int(1));
                }
                1 => {
                    assert_eq!(control.call(&["CLIENT", "UNBLOCK", &id]), Value::Int(1));
                    let reply = client.read_reply().expect("it is told");
                    assert!(reply.is_null(), "{name}: unblocked with {reply}");
                }
                _ => drop(client),
            }
        }
        until("they are gone", || blocked(&mut control) == still_there);
        // One job for each who waits: many in one push, some in a transaction, the rest one by one.
        let words: Vec<String> = (0..still_there).map(|turn| format!("job:{turn}")).collect();
        let (first, rest) = words.split_at(30);
        let (second, rest) = rest.split_at(10);
        let push = |words: &[String]| {
            ["RPUSH", "turns"].into_iter().map(String::from).chain(words.to_vec()).collect()
        };
        // Those who take from the right end must find the same: one job at a time is in the list.
        for word in first {
            let push: Vec<String> = push(std::slice::from_ref(word));
            assert_eq!(control.call(&push), Value::Int(1));
        }
        for word in second {
            control.call(&["MULTI"]);
            let push: Vec<String> = push(std::slice::from_ref(word));
            control.call(&push);
            control.call(&["EXEC"]);
        }
        for word in rest {
            control.call(&["RPUSH", "source", word]);
            control.call(&["RENAME", "source", "turns"]);
        }
        for (turn, (number, _, client)) in waiting.iter_mut().enumerate() {
            let reply = client.read_reply().unwrap_or_else(|why| panic!("{name}: {number}: {why}"));
            let word = format!("job:{turn}");
            let got = match &reply {
                Value::Array(items) => match items.last() {
                    Some(Value::Array(items)) => items.last(),
                    last => last,
                },
                single => Some(single),
            };
            assert_eq!(got, Some(&Value::bulk(&word)), "{name}: client {number}: {reply}");
        }
        assert_eq!(control.call(&["EXISTS", "turns"]), Value::Int(0), "{name}");
    }
}

/// One push of many jobs is handed out from the end each worker asked for, in the order of arrival.
#[test]
pub fn one_push_serves_all_who_wait() {
    for program in PROGRAMS {
        let Some(server) = start(program) else { continue };
        let name = program.name();
        let mut control = server.connect();
        let mut waiting = Vec::new();
        for number in 0..10 {
            let mut client = server.connect();
            let command = if number % 2 == 0 { "BLPOP" } else { "BRPOP" };
            client.send(&[command, "burst", "0"]).expect("it takes bytes");
            until("it waits", || blocked(&mut control) == number + 1);
            waiting.push(client);
        }
        let mut push = vec!["RPUSH".to_string(), "burst".to_string()];
        push.extend((0..12).map(|job| job.to_string()));
        assert_eq!(control.call(&push), Value::Int(12), "{name}");
        for (number, client) in waiting.iter_mut().enumerate() {
            // From the left 0, 1, 2 and so on; from the right 11, 10, 9.
            let job = if number % 2 == 0 { number / 2 } else { 11 - number / 2 };
            let wanted = Value::Array(vec![Value::bulk("burst"), Value::bulk(job.to_string())]);
            assert_eq!(client.read_reply().ok(), Some(wanted), "{name}: client {number}");
        }
        let rest = Value::Array(vec![Value::bulk("5"), Value::bulk("6")]);
        assert_eq!(control.call(&["LRANGE", "burst", "0", "-1"]), rest, "{name}");
    }
}

fn start(program: Program) -> Option<Server> {
    match Server::start(program, &[]) {
        Ok(server) => Some(server),
        Err(why) if program != Program::Russet && program.path().is_none() => {
            println!("{why}");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

fn in_one_write(client: &mut Client, lines: &[&[&str]]) -> io::Result<Vec<Value>> {
    let mut frame = Vec::new();
    lines.iter().for_each(|line| encode(line, &mut frame));
    client.write_raw(&frame)?;
    lines.iter().map(|_| client.read_reply()).collect()
}

/// None when the connection was killed. A wait without end is a fault.
fn unless_killed<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Ok(it) => Some(it),
        Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("neither served nor killed: {why}")
        }
        Err(_) => None,
    }
}

/// The jobs in any reply of a command that takes some: between keys, in rows, or alone.
fn jobs(reply: &Value) -> Vec<Job> {
    assert!(!reply.is_error(), "{reply}");
    match reply.items() {
        Some(items) => items.iter().flat_map(jobs).collect(),
        None => job(reply).into_iter().collect(),
    }
}

fn job(reply: &Value) -> Option<Job> {
    let mut parts = str::from_utf8(reply.text()?).ok()?.split(':').map(|it| it.parse().ok());
    Some(Job { producer: parts.next()??, queue: parts.next()??, index: parts.next()?? })
}

/// How many jobs are in the lists of all movers.
fn moved(client: &mut Client) -> usize {
    let count = |number| match client.call(&["LLEN", &format!("taken:{number}")]) {
        Value::Int(count) => count as usize,
        other => panic!("LLEN: {other}"),
    };
    (0..MOVERS).map(count).sum()
}

/// How many clients wait in a blocking command.
fn blocked(client: &mut Client) -> usize {
    usize::try_from(clients::stat(client, "blocked_clients")).expect("a count")
}

/// Whether the one line of a CLIENT LIST is that of a blocked client.
fn is_blocked(list: &Value) -> bool {
    let text = String::from_utf8_lossy(list.text().unwrap_or_default()).into_owned();
    let flags = text.split(' ').find_map(|field| field.strip_prefix("flags="));
    flags.is_some_and(|flags| flags.contains('b'))
}
