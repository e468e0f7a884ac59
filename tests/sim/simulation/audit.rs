//! What must be true of an engine at any moment, and what it must answer when it is asked.

use super::{EVE, World, peer};
use crate::support::client::{Client, encode};
use crate::support::recount::recount;
use crate::support::value::Value;
use russet::commands::debug::digest_of_all;
use russet::engine::pubsub::Space;
use russet::world::time::Now;
use std::collections::BTreeSet;

/// Keys that are due and are asked for, in each database.
const ASKED_MAX: usize = 3;

impl World {
    /// Looks without leaving a trace.
    pub(super) fn audit(&mut self) -> Result<(), String> {
        self.compare_with_twin()?;
        recount(&self.engine)?;
        self.roll_call()
    }

    /// The twin has heard only the log, and must hold the same data.
    fn compare_with_twin(&mut self) -> Result<(), String> {
        let ours = digest_of_all(&self.engine);
        // It looks once with our eyes, to see which keys are due.
        self.twin.keyspace.begin(self.engine.keyspace.now());
        let twins = digest_of_all(&self.twin);
        let other = (ours != twins).then(|| self.first_difference());
        self.twin.keyspace.begin(EVE.wall());
        match other {
            Some(other) => Err(format!("the twin, which hears only the log, differs: {other}")),
            None => Ok(()),
        }
    }

    fn first_difference(&self) -> String {
        let all = |engine: &russet::engine::Engine| -> BTreeSet<String> {
            let records = (0..engine.keyspace.databases()).flat_map(|db| {
                engine.keyspace.live_records(db).map(move |it| {
                    let (key, kind) = (it.key().escape_ascii(), it.kind().name());
                    let value = it.parts().join(&b' ');
                    let value = value[..value.len().min(80)].escape_ascii().to_string();
                    format!("{db} {key} {kind} {value:?} until {:?}", it.deadline())
                })
            });
            records.collect()
        };
        let (ours, twins) = (all(&self.engine), all(&self.twin));
        let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| {
            left.difference(right).next().cloned().unwrap_or_else(|| "nothing".into())
        };
        format!("we have {}; the twin has {}", only(&ours, &twins), only(&twins, &ours))
    }

    /// Who is here, who watches keys, and who watches the server.
    fn roll_call(&self) -> Result<(), String> {
        let sessions = &self.engine.sessions;
        if sessions.len() != self.clients.len() {
            return Err(format!("{} sessions of {} clients", sessions.len(), self.clients.len()));
        }
        if !self.engine.weights_are_right() {
            return Err("a client has changed and was not weighed".into());
        }
        let waiting = sessions.iter().filter(|it| it.blocked.is_some()).count();
        if waiting != self.engine.waiters.len() {
            return Err(format!("{waiting} wait, of {} known to", self.engine.waiters.len()));
        }
        let watched: BTreeSet<_> = sessions.iter().flat_map(|it| it.watched.iter()).collect();
        if watched.len() != self.engine.watchers.len() {
            return Err(format!(
                "{} keys are watched and {} are known to be",
                watched.len(),
                self.engine.watchers.len()
            ));
        }
        let flagged: BTreeSet<_> =
            sessions.iter().filter(|it| it.monitor).map(|it| it.key).collect();
        let tracking: Vec<_> = sessions.iter().filter_map(|it| it.tracking.as_ref()).collect();
        let prefixes: BTreeSet<_> = tracking.iter().flat_map(|it| it.prefixes.iter()).collect();
        let trackers = &self.engine.trackers;
        if (tracking.len(), prefixes.len()) != (trackers.clients(), trackers.prefixes()) {
            return Err("those who track are not those who are known to".into());
        }
        match self.engine.monitors.iter().map(|it| it.who).collect::<BTreeSet<_>>() == flagged {
            true => self.check_subscriptions(),
            false => Err("the list of monitors is not that of the sessions".into()),
        }
    }

    /// The index of channels says what the sessions say.
    fn check_subscriptions(&self) -> Result<(), String> {
        let engine = &self.engine;
        for space in [Space::Channel, Space::Pattern, Space::Shard] {
            let mut theirs = BTreeSet::new();
            for session in engine.sessions.iter() {
                let names = engine.subscriptions(session.key, space);
                theirs.extend(names.iter().map(|name| (name.to_vec(), session.key)));
            }
            let mut listed = Vec::new();
            for name in engine.pubsub.names(space, None) {
                let listeners = engine.pubsub.listeners(space, name);
                listed.extend(listeners.iter().map(|who| (name.to_vec(), *who)));
            }
            listed.sort();
            if !listed.iter().eq(theirs.iter()) {
                return Err(format!("{space:?}: listed are {listed:?}, who listens is {theirs:?}"));
            }
        }
        let listeners = engine.sessions.iter().filter(|it| it.subscriptions.is_some()).count();
        match listeners == engine.pubsub.clients() {
            true => Ok(()),
            false => Err(format!("{listeners} listen, {} are counted", engine.pubsub.clients())),
        }
    }

    /// Asks as a client would: the keys that are due do not show, and all ways to count agree.
    pub(super) fn question(&mut self) -> Result<(), String> {
        // Whoever asks during a pause would have to wait.
        if self.engine.pause_state().is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        for db in 0..3 {
            let due: Vec<Vec<u8>> = self
                .engine
                .keyspace
                .db(db)
                .records()
                .filter(|record| record.is_due(now.wall()))
                .map(|record| record.key().to_vec())
                .take(ASKED_MAX)
                .collect();
            let keys = self.ask(db, &[b"KEYS".to_vec(), b"*".to_vec()])?;
            let keys = texts(&keys);
            for key in due {
                let ttl = self.ask(db, &[b"TTL".to_vec(), key.clone()])?;
                if ttl != Value::Int(-2) || keys.contains(&key) {
                    return Err(format!("db {db}: {:?} is due and shows", key.escape_ascii()));
                }
            }
            let mut scanned = Vec::new();
            let mut cursor = b"0".to_vec();
            loop {
                let reply = self.ask(db, &[b"SCAN".to_vec(), cursor])?;
                let parts = reply.items().unwrap_or_default();
                scanned.extend(parts.get(1).map(texts).unwrap_or_default());
                cursor = parts.first().and_then(Value::text).unwrap_or(b"0").to_vec();
                if cursor == b"0" {
                    break;
                }
            }
            let count = self.ask(db, &[b"DBSIZE".to_vec()])?;
            let distinct: BTreeSet<&Vec<u8>> = scanned.iter().collect();
            if count != Value::Int(scanned.len() as i64)
                || distinct.len() != scanned.len()
                || distinct != keys.iter().collect()
            {
                return Err(format!(
                    "db {db}: DBSIZE is {count}, KEYS has {}, SCAN {} of which {} are different",
                    keys.len(),
                    scanned.len(),
                    distinct.len()
                ));
            }
        }
        self.attend()
    }

    /// One question of a client that is nobody else, and gone afterwards.
    pub(super) fn ask(&mut self, db: usize, line: &[Vec<u8>]) -> Result<Value, String> {
        let now: Now = self.clock.now();
        let who = self.engine.connect(peer(99), now);
        let session = &mut self.engine.sessions[who];
        session.authenticated = true;
        session.db = db;
        let mut frame = Vec::new();
        encode(line, &mut frame);
        let mut answers = Vec::new();
        self.engine.receive(who, &frame, &mut answers, now);
        self.engine.disconnect(who);
        self.tell_twin()?;
        let mut replies = Client::replies(answers).map_err(|why| why.to_string())?;
        match (replies.pop(), replies.is_empty()) {
            (Some(reply), true) => Ok(reply),
            _ => Err(format!("{line:?} has not one reply")),
        }
    }
}

fn texts(reply: &Value) -> Vec<Vec<u8>> {
    let items = reply.items().unwrap_or_default();
    items.iter().filter_map(|item| item.text().map(<[u8]>::to_vec)).collect()
}
