//! Pub/sub: who listens to which name, and how a message reaches all of them.
//!
//! The index leads from a name to its listeners; each session keeps its own names, with its place in
//! the list of each, so that leaving costs the same however many listen. A message is built once for
//! each protocol and shared by all who are sent it.

use super::ledger::Ledger;
use super::memory::NAME_BYTES;
use super::{Closing, Engine, Out, SessionKey};
use crate::base::glob;
use crate::base::map::Map;
use crate::resp::Proto;
use bytes::Bytes;
use std::sync::Arc;

/// What a name is; names of different kinds do not know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Channel,
    Pattern,
    /// A channel that belongs to a slot of a cluster; on a single node, a channel like any other.
    Shard,
}

const SPACES: [Space; 3] = [Space::Channel, Space::Pattern, Space::Shard];

pub type Name = Arc<[u8]>;

/// All names that anybody listens to.
#[derive(Default)]
pub struct PubSub {
    /// The lists are shared only while a message goes round.
    listeners: [Map<Name, Arc<Vec<SessionKey>>>; SPACES.len()],
    clients: usize,
}

/// What one client listens to: never nothing, since without subscriptions it has none of these.
#[derive(Default)]
pub struct Subscriptions {
    /// The place of the client in the list of each name.
    places: [Map<Name, u32>; SPACES.len()],
    /// Bytes of the names.
    bytes: usize,
}

impl PubSub {
    /// How many names of a kind are listened to.
    pub fn len(&self, space: Space) -> usize {
        self.listeners[space as usize].len()
    }

    pub fn is_empty(&self) -> bool {
        self.clients == 0
    }

    /// How many clients listen to anything.
    pub fn clients(&self) -> usize {
        self.clients
    }

    pub fn listeners(&self, space: Space, name: &[u8]) -> &[SessionKey] {
        self.listeners[space as usize].get(name).map_or(&[], |listeners| listeners)
    }

    /// The names of a kind that match, in their order.
    pub fn names(&self, space: Space, pattern: Option<&[u8]>) -> Vec<&[u8]> {
        let all = self.listeners[space as usize].keys().map(|name| &**name);
        let wanted = |name: &&[u8]| pattern.is_none_or(|it| glob::matches(it, name, false));
        let mut names: Vec<&[u8]> = all.filter(wanted).collect();
        names.sort_unstable();
        names
    }
}

impl Subscriptions {
    pub fn len(&self, space: Space) -> usize {
        self.places[space as usize].len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.iter().all(Map::is_empty)
    }

    /// Bytes. The names belong to all who listen to them, and count for each: anybody may be the only one.
    pub fn memory(&self) -> usize {
        let names: usize = self.places.iter().map(Map::len).sum();
        size_of::<Subscriptions>() + self.bytes + names * NAME_BYTES
    }
}

impl Engine {
    /// Does anybody listen to anything that `publish` reaches?
    pub fn has_subscribers(&self) -> bool {
        self.pubsub.len(Space::Channel) + self.pubsub.len(Space::Pattern) > 0
    }

    /// Sends a message to those who listen to the channel, and to those with a pattern that matches
    /// it; says how often it was sent.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let words = [&b"message"[..], channel, message];
        let mut receivers = self.send_to_all(Space::Channel, channel, &words);
        if self.pubsub.len(Space::Pattern) > 0 {
            // In an order that does not depend on how they are kept.
            let patterns = self.pubsub.listeners[Space::Pattern as usize].keys();
            let matches = |pattern: &&Name| glob::matches(pattern, channel, false);
            let mut matching: Vec<Name> = patterns.filter(matches).cloned().collect();
            matching.sort_unstable();
            for pattern in &matching {
                let words = [&b"pmessage"[..], pattern, channel, message];
                receivers += self.send_to_all(Space::Pattern, pattern, &words);
            }
        }
        receivers
    }

    /// Sends a message to those who listen to the shard channel.
    pub fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        self.send_to_all(Space::Shard, channel, &[b"smessage", channel, message])
    }

    /// Listens to one more name; says how many there are then, as confirmations count.
    pub fn subscribe(&mut self, who: SessionKey, space: Space, name: &[u8]) -> usize {
        let session = &mut self.sessions[who];
        self.pubsub.clients += session.subscriptions.is_none() as usize;
        let own = session.subscriptions.get_or_insert_default();
        if !own.places[space as usize].contains_key(name) {
            let index = &mut self.pubsub.listeners[space as usize];
            let known = index.get_key_value(name).map(|(name, _)| name.clone());
            let name = known.unwrap_or_else(|| name.into());
            let listeners = Arc::make_mut(index.entry(name.clone()).or_default());
            own.bytes += name.len();
            own.places[space as usize].insert(name, listeners.len() as u32);
            listeners.push(who);
        }
        self.subscribed(who, space)
    }

    /// Listens to a name no longer; says how many are left, as confirmations count.
    pub fn unsubscribe(&mut self, who: SessionKey, space: Space, name: &[u8]) -> usize {
        if let Some(own) = &mut self.sessions[who].subscriptions
            && let Some(place) = own.places[space as usize].remove(name)
        {
            own.bytes -= name.len();
            if own.is_empty() {
                self.sessions[who].subscriptions = None;
                self.pubsub.clients -= 1;
            }
            self.leave(space, name, place as usize);
        }
        self.subscribed(who, space)
    }

    /// Listens to nothing any more.
    pub fn unsubscribe_from_all(&mut self, who: SessionKey) {
        let Some(own) = self.sessions[who].subscriptions.take() else { return };
        self.pubsub.clients -= 1;
        for space in SPACES {
            for (name, place) in &own.places[space as usize] {
                self.leave(space, name, *place as usize);
            }
        }
    }

    /// Tells a client of its subscription. Not even a client that wants no answers is spared that.
    pub fn confirm(
        &mut self,
        who: SessionKey,
        verb: &str,
        name: Option<&[u8]>,
        count: usize,
        out: &mut Out,
    ) {
        let mut own = Out::within(usize::MAX, out.proto, std::mem::take(&mut self.own_pushes));
        let place = if self.sessions[who].hears() { out } else { &mut own };
        let mut push = place.push(3);
        push.bulk(verb.as_bytes());
        match name {
            Some(name) => push.bulk(name),
            None => push.null(),
        }
        push.int(count as i64);
        push.close();
        self.own_pushes = own.bytes;
    }

    /// Requests of a client run, inside of another's or not: what is sent to it meanwhile waits.
    pub(super) fn begin_request(&mut self, who: SessionKey) {
        if let Some(running) = self.running.replace(who) {
            self.outer.push(Outer { running, pushes: std::mem::take(&mut self.own_pushes) });
        }
    }

    pub(super) fn end_request(&mut self, who: SessionKey) {
        let outer = self.outer.pop();
        self.running = outer.as_ref().map(|outer| outer.running);
        let waiting = outer.map(|outer| outer.pushes).unwrap_or_default();
        let pushes = std::mem::replace(&mut self.own_pushes, waiting);
        if !pushes.is_empty() {
            self.push_to(who, &pushes);
        }
    }

    /// What was sent to the client whose request ran comes right behind the answer to it.
    pub(super) fn tell_own_pushes(&mut self, out: &mut Out) {
        out.bytes.append(&mut self.own_pushes);
    }

    /// What a client listens to, in the order of the names.
    pub fn subscriptions(&self, who: SessionKey, space: Space) -> Vec<Name> {
        let own = self.sessions[who].subscriptions.as_ref();
        let names = own.into_iter().flat_map(|own| own.places[space as usize].keys());
        let mut names: Vec<Name> = names.cloned().collect();
        names.sort_unstable();
        names
    }

    /// What confirmations count: channels and patterns together, shard channels by themselves.
    pub fn subscribed(&self, who: SessionKey, space: Space) -> usize {
        let own = self.sessions[who].subscriptions.as_ref();
        own.map_or(0, |own| match space {
            Space::Shard => own.len(Space::Shard),
            _ => own.len(Space::Channel) + own.len(Space::Pattern),
        })
    }

    /// Takes a listener out of a list. The last one gets its place.
    fn leave(&mut self, space: Space, name: &[u8], place: usize) {
        let index = &mut self.pubsub.listeners[space as usize];
        let shared = index.get_mut(name).expect("a name that is listened to is in the index");
        let listeners = Arc::make_mut(shared);
        listeners.swap_remove(place);
        if let Some(moved) = listeners.get(place) {
            let own = self.sessions[*moved].subscriptions.as_mut();
            let own = own.expect("a listener has subscriptions");
            *own.places[space as usize].get_mut(name).expect("they know each other") = place as u32;
        } else if listeners.is_empty() {
            index.remove(name);
        }
    }

    fn send_to_all(&mut self, space: Space, name: &[u8], words: &[&[u8]]) -> usize {
        let Some(listeners) = self.pubsub.listeners[space as usize].get(name).cloned() else {
            return 0;
        };
        let ledger = self.ledger.clone();
        let mut frame = Frame { words, ledger, resp2: None, resp3: None };
        for listener in &*listeners {
            self.send_frame(*listener, &mut frame);
        }
        listeners.len()
    }

    fn send_frame(&mut self, who: SessionKey, frame: &mut Frame) {
        let session = &self.sessions[who];
        if session.closing == Closing::No {
            self.deliver(who, frame.bytes(session.proto));
        }
    }

    /// Sends a message that others may be sent as well. To whoever's request is running it comes
    /// behind the answer to that.
    pub(super) fn deliver(&mut self, who: SessionKey, message: &Bytes) {
        let session = &mut self.sessions[who];
        if session.closing != Closing::No {
            return;
        }
        let pushes = match self.running == Some(who) {
            true => Some(&mut self.own_pushes),
            false => {
                self.outer.iter_mut().find(|outer| outer.running == who).map(|it| &mut it.pushes)
            }
        };
        if let Some(pushes) = pushes {
            // It is counted with the answers, once it is behind them.
            pushes.extend_from_slice(message);
            let (held, limit) = (pushes.len(), session.output_limit(&self.config).hard);
            if limit > 0 && held as u64 > limit {
                *pushes = Vec::new();
                self.cut_slow_reader(who, held);
            }
            return;
        }
        session.share(message);
        self.count_answered(who, message.len());
        self.weigh(who);
        self.bound_output(who);
    }
}

/// Whose requests ran before others began, and what was sent to it.
pub(super) struct Outer {
    running: SessionKey,
    pushes: Vec<u8>,
}

/// A message as it goes over the wire, built when the first receiver of a protocol is met.
struct Frame<'a> {
    words: &'a [&'a [u8]],
    ledger: Ledger,
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl Frame<'_> {
    fn bytes(&mut self, proto: Proto) -> &Bytes {
        let place = match proto {
            Proto::Resp2 => &mut self.resp2,
            Proto::Resp3 => &mut self.resp3,
        };
        place.get_or_insert_with(|| {
            let mut out = Out::new(proto);
            let mut push = out.push(self.words.len());
            self.words.iter().for_each(|word| push.bulk(word));
            push.close();
            self.ledger.message(out.bytes)
        })
    }
}
