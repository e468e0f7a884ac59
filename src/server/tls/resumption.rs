//! Sessions that clients may resume: a handshake without the costly signature.
//!
//! A client that takes tickets keeps its session itself, sealed with a key of ours. Keys change twice in
//! `tls-session-cache-timeout`, and only the present one and the one before are known, so that is how long
//! a ticket is good for. The sessions of other clients are kept here, in the order in which they came.

#![expect(clippy::disallowed_methods, reason = "sessions grow old by the machine's clock")]

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ProducesTickets, StoresServerSessions};
use rustls::ticketer::TicketRotator;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What "no limit" means for the number of sessions, since everything needs one: at about 300 bytes each.
const SESSIONS_MAX: usize = 1 << 20;

/// Tickets that are good for at most so many seconds, and for half of that at least.
pub fn tickets(seconds: u32) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    let fresh = || {
        let keys = Ticketer::new().map_err(|_| rustls::crypto::GetRandomFailed)?;
        Ok(Box::new(Keys(keys)) as Box<dyn ProducesTickets>)
    };
    Ok(Arc::new(TicketRotator::new((seconds / 2).max(1), fresh)?))
}

/// A store of so many sessions, each good for so many seconds.
pub fn sessions(count: u32, seconds: u32) -> Arc<dyn StoresServerSessions> {
    let most = match count {
        0 => SESSIONS_MAX,
        count => (count as usize).min(SESSIONS_MAX),
    };
    let age_max = Duration::from_secs(seconds.into());
    Arc::new(Sessions { most, age_max, kept: Mutex::default() })
}

#[derive(Debug)]
struct Keys(Arc<dyn ProducesTickets>);

impl ProducesTickets for Keys {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }
    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }
    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

struct Sessions {
    most: usize,
    age_max: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// Ids by age; of those whose session was taken some stand here still.
    ids: VecDeque<(Instant, Vec<u8>)>,
}

impl Kept {
    /// Forgets the oldest until there is room for one more, and all that are too old.
    fn make_room(&mut self, most: usize, age_max: Duration, now: Instant) {
        while let Some((at, _)) = self.ids.front() {
            if self.ids.len() < most && now.duration_since(*at) <= age_max {
                break;
            }
            let (at, id) = self.ids.pop_front().expect("it was looked at");
            // The same id may have been stored again since.
            if self.by_id.get(&id).is_some_and(|(stored, _)| *stored == at) {
                self.by_id.remove(&id);
            }
        }
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let now = Instant::now();
        let mut kept = self.kept.lock().expect("nothing in here panics");
        kept.make_room(self.most, self.age_max, now);
        kept.ids.push_back((now, id.clone()));
        kept.by_id.insert(id, (now, session));
        true
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        let kept = self.kept.lock().expect("nothing in here panics");
        let (at, session) = kept.by_id.get(id)?;
        (at.elapsed() <= self.age_max).then(|| session.clone())
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        let mut kept = self.kept.lock().expect("nothing in here panics");
        let (at, session) = kept.by_id.remove(id)?;
        (at.elapsed() <= self.age_max).then_some(session)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing of a session belongs into a log.
        out.debug_struct("Sessions").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_sessions_make_room() {
        let store = sessions(3, 60);
        for id in 0..5u8 {
            store.put(vec![id], vec![id; 4]);
        }
        let known: Vec<u8> = (0..5).filter(|id| store.get(&[*id]).is_some()).collect();
        assert_eq!(known, [2, 3, 4]);
        assert_eq!(store.take(&[3]), Some(vec![3; 4]));
        assert_eq!(store.take(&[3]), None);
    }

    #[test]
    fn an_id_stored_again_outlives_its_first_time() {
        let store = sessions(2, 60);
        store.put(vec![1], vec![1]);
        store.put(vec![1], vec![2]);
        store.put(vec![3], vec![3]);
        assert_eq!(store.get(&[1]), Some(vec![2]));
    }

    #[test]
    fn old_sessions_are_not_resumed() {
        let store = sessions(10, 0);
        store.put(vec![1], vec![1]);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(store.get(&[1]), None);
        assert_eq!(store.take(&[1]), None);
    }

    #[test]
    fn a_ticket_is_opened_only_with_the_keys_it_was_sealed_with() {
        let ours = tickets(300).unwrap();
        let ticket = ours.encrypt(b"a session").unwrap();
        assert_eq!(ours.decrypt(&ticket).as_deref(), Some(&b"a session"[..]));
        assert_eq!(tickets(300).unwrap().decrypt(&ticket), None);
    }
}
