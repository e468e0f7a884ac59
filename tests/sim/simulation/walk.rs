//! SCAN's promise: a key that is there from the beginning of a walk to its end is returned, and
//! returned once, whatever else happens meanwhile.

use super::World;
use crate::support::dice::Dice;
use crate::support::value::Value;
use std::collections::{HashMap, HashSet};

pub struct Walk {
    db: usize,
    cursor: Vec<u8>,
    /// The keys that have been there all the while.
    steady: HashSet<Vec<u8>>,
    seen: HashMap<Vec<u8>, usize>,
}

impl World {
    /// One step of a walk, or the first of a new one.
    pub(super) fn go_on_walking(&mut self, dice: &mut Dice) -> Result<(), String> {
        if self.engine.pause_state().is_some() {
            return Ok(());
        }
        let mut walk = self.walk.take().unwrap_or_else(|| {
            let db = dice.below(2);
            self.engine.sweep(self.clock.now());
            let steady =
                self.engine.keyspace.live_records(db).map(|it| it.key().to_vec()).collect();
            Walk { db, cursor: b"0".to_vec(), steady, seen: HashMap::new() }
        });
        let count = 1 + dice.below(30);
        let line =
            [b"SCAN".to_vec(), walk.cursor.clone(), b"COUNT".into(), count.to_string().into()];
        let (cursor, keys) = match self.ask(walk.db, &line)? {
            Value::Array(mut parts) if parts.len() == 2 => {
                let keys = parts.pop().and_then(|keys| keys.items().map(<[Value]>::to_vec));
                (parts.pop(), keys.unwrap_or_default())
            }
            other => return Err(format!("SCAN answers {other}")),
        };
        for key in keys {
            *walk.seen.entry(key.text().unwrap_or_default().to_vec()).or_default() += 1;
        }
        walk.cursor = cursor.and_then(|it| it.text().map(<[u8]>::to_vec)).unwrap_or_default();
        let is_over = walk.cursor == b"0";
        self.walk = Some(walk);
        self.follow_walk()?;
        if is_over && let Some(walk) = self.walk.take() {
            for key in &walk.steady {
                let times = walk.seen.get(key).copied().unwrap_or(0);
                if times != 1 {
                    let key = String::from_utf8_lossy(key);
                    return Err(format!("SCAN returned {key:?}, always there, {times} times"));
                }
            }
        }
        Ok(())
    }

    /// Keys that are gone by now need not be returned.
    pub(super) fn follow_walk(&mut self) -> Result<(), String> {
        if let Some(walk) = &mut self.walk {
            let (keyspace, db) = (&self.engine.keyspace, walk.db);
            walk.steady.retain(|key| keyspace.record(db, key).is_some());
        }
        Ok(())
    }
}
