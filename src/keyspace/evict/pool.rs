//! The best candidates for eviction that were met so far.
//!
//! Of a few keys that are looked at for each eviction one goes; the next best are remembered here, so that
//! over time the choice is made among many more keys than are looked at. A candidate is a hash and a
//! number, not a key: whether it is still there, and as stale as it was, is seen when its turn comes.

/// So many are remembered. More would be nearer to the true order and older news.
const CANDIDATES_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The greatest goes first.
    pub staleness: u64,
    pub db: usize,
    pub hash: u64,
}

/// In ascending order.
#[derive(Debug, Default)]
pub struct Pool {
    candidates: Vec<Candidate>,
}

impl Pool {
    /// Remembers a candidate, if it is better than one of those that are known, or there is room.
    #[inline]
    pub fn offer(&mut self, candidate: Candidate) {
        let is_full = self.candidates.len() == CANDIDATES_MAX;
        if is_full && candidate.staleness <= self.candidates[0].staleness {
            return;
        }
        let is_known = |known: &Candidate| known.hash == candidate.hash && known.db == candidate.db;
        if self.candidates.iter().any(is_known) {
            return;
        }
        let at = self.candidates.partition_point(|known| known.staleness < candidate.staleness);
        if is_full {
            // The least makes room: those between move down by one.
            self.candidates[..at].rotate_left(1);
            self.candidates[at - 1] = candidate;
        } else {
            self.candidates.insert(at, candidate);
        }
    }

    /// The best one, which is forgotten with that.
    pub fn take_best(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    /// The best one.
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.last()
    }

    /// What they were chosen for is over: other keys are meant from here on.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// It holds the best of what it was offered since, each once, and gives the best first.
        #[test]
        fn keeps_the_best(steps in prop::collection::vec((0..4u8, 0..50u64, 0..60u64), 0..300)) {
            let (mut pool, mut model) = (Pool::default(), Vec::<(u64, u64)>::new());
            for (what, staleness, hash) in steps {
                if what == 0 {
                    let best = pool.take_best();
                    let most = model.iter().map(|(staleness, _)| *staleness).max();
                    prop_assert_eq!(best.map(|it| it.staleness), most);
                    if let Some(best) = best {
                        model.retain(|(_, hash)| *hash != best.hash);
                    }
                    continue;
                }
                pool.offer(Candidate { staleness, db: 0, hash });
                let least = model.iter().map(|(staleness, _)| *staleness).min().unwrap_or(0);
                if model.iter().any(|(_, known)| *known == hash) {
                    continue;
                }
                if model.len() < CANDIDATES_MAX {
                    model.push((staleness, hash));
                } else if staleness > least {
                    // Which of several equally bad ones goes is the pool's own affair.
                    let kept: Vec<u64> = pool.candidates.iter().map(|it| it.hash).collect();
                    model.retain(|(_, hash)| kept.contains(hash));
                    model.push((staleness, hash));
                }
                let mut sorted = model.clone();
                sorted.sort_unstable();
                let mut held: Vec<_> =
                    pool.candidates.iter().map(|it| (it.staleness, it.hash)).collect();
                prop_assert!(held.is_sorted_by_key(|(staleness, _)| *staleness));
                held.sort_unstable();
                prop_assert_eq!(held, sorted);
            }
        }
    }
}
