//! The engine: the single-threaded world in which commands run, one by one.
//!
//! It is a plain value. It is handed bytes and the time, and leaves answers; it never reads a
//! clock, a socket or a file, and it does not know which commands exist: it is handed the table.

pub mod acl;
pub mod blocking;
pub mod call;
mod certificate;
pub mod command;
pub mod commandlog;
pub mod cron;
#[cfg(debug_assertions)]
mod declared;
pub mod describe;
pub mod doing;
pub mod effects;
pub mod events;
pub mod eviction;
pub mod fieldsets;
pub mod functions;
pub mod gate;
pub mod health;
pub mod heavies;
pub mod hot_keys;
pub mod keys;
pub mod latency;
pub mod ledger;
pub mod limits;
pub mod loading;
pub mod locks;
pub mod memory;
pub mod monitor;
pub mod outbox;
pub mod partial;
pub mod pause;
pub mod persistence;
pub mod pubsub;
pub mod reconfigure;
pub mod redact;
pub mod scripting;
pub mod session;
pub mod stats;
pub mod strangers;
pub mod tasks;
pub mod tracking;
pub mod transaction;
pub mod watch;

pub use crate::resp::Out;
pub use command::{Command, Ctx, Family, InMulti, Limits, Run, Table};
pub use outbox::Outbox;
pub use session::{Closing, Peer, Replies, Session, SessionKey, Sessions};

use crate::base::map::Map;
use crate::config::Config;
use crate::error::Error;
use crate::keyspace::Keyspace;
use crate::resp::args::Span;
use crate::resp::parse::{Bounds, FRAME_START_MAX, Parsed, Parser};
use crate::resp::{Args, ArgsBuf};
use crate::spec::{Begin, Find};
use crate::world::Host;
use crate::world::host::Level;
use crate::world::time::Now;
use blocking::Waiters;
pub use effects::Effects;
use pause::Pause;
use stats::Stats;
use watch::Watchers;

/// The version of Redis whose commands and replies this server has.
pub const REDIS_VERSION: &str = "8.4.0";

pub struct Engine {
    /// The instant of the unit that runs.
    pub now: Now,
    pub config: Config,
    pub keyspace: Keyspace,
    /// What the configuration says of values, as handlers are handed it.
    pub limits: Limits,
    pub sessions: Sessions,
    pub effects: Effects,
    pub stats: Stats,
    pub command_logs: commandlog::CommandLogs,
    pub latency_monitor: latency::LatencyMonitor,
    pub host: Box<dyn Host>,
    pub table: Table,
    /// Names that `rename-command` gave, or took away.
    pub renamed: Map<Vec<u8>, Option<&'static Command>>,
    pub acl: acl::Acl,
    pub watchers: Watchers,
    pub waiters: Waiters,
    pub monitors: Vec<monitor::Monitor>,
    /// The session of HOTKEYS, also when it is over.
    pub hot_keys: Option<Box<hot_keys::HotKeys>>,
    pub scripting: scripting::Scripting,
    pub functions: functions::Functions,
    pub pubsub: pubsub::PubSub,
    pub trackers: tracking::Trackers,
    pub tasks: tasks::Tasks,
    pub persistence: persistence::Persistence,
    /// Somebody asked the server to stop.
    pub exit: Option<Exit>,
    /// What was removed as a whole, for the shell to free where it holds nobody up.
    pub trash: Vec<Trash>,
    pub started: Now,
    /// What was allocated before the first client came.
    pub startup_memory: u64,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
    pub reply_peaks: ReplyPeaks,
    pub recent_peaks: memory::RecentPeaks,
    /// What lies in the outputs of clients, as far as other threads change it.
    pub ledger: ledger::Ledger,
    weights: memory::Weight,
    heavies: heavies::Heavies,
    client_bounds: limits::ClientBounds,
    strangers: strangers::Strangers,
    /// DEBUG CLIENT-ENFORCE-REPLY-LIST: every answer counts as a whole block.
    pub answers_fill_blocks: bool,
    pub room: eviction::Room,
    paused: Option<Pause>,
    /// What a command that is refused leaves for the log.
    note: Option<String>,
    /// EXEC is running: one unit.
    in_exec: bool,
    /// Whose requests are running.
    running: Option<SessionKey>,
    /// Messages to that client, who gets them behind the answer to the request that runs.
    own_pushes: Vec<u8>,
    /// Whose requests go on when those of the client that is running are over.
    outer: Vec<pubsub::Outer>,
    now_of_last_tick: u64,
    /// Nothing has happened for a while, and the ticks have become rare.
    resting: bool,
    /// What ages of keys began at, in seconds: the wall clock's time when the engine was first told it.
    ages_from: Option<u32>,
    /// Something happened while the engine rested.
    roused: bool,
    batch: Batch,
}

/// How the server is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub code: i32,
}

/// Values that are of no use any more.
pub struct Trash {
    /// How many, for INFO.
    pub values: u64,
    /// How much memory they take, if that is known.
    pub bytes: Option<u64>,
    _held: Box<dyn std::any::Any + Send>,
}

/// How long CLIENT LIST remembers the largest reply of a client (DEBUG REPLYBUFFER).
#[derive(Clone, Copy, Debug)]
pub struct ReplyPeaks {
    pub reset_after_us: Option<u64>,
    pub resizes: bool,
}

impl ReplyPeaks {
    /// Forgets the largest reply of a client when it was too long ago.
    fn age(&self, session: &mut Session, now_us: u64) {
        let Some(reset_after_us) = self.reset_after_us.filter(|_| self.resizes) else { return };
        if now_us.saturating_sub(session.reply_peak_since_us) > reset_after_us {
            session.reply_peak = 0;
            session.reply_peak_since_us = now_us;
        }
    }
}

impl Default for ReplyPeaks {
    fn default() -> ReplyPeaks {
        ReplyPeaks { reset_after_us: Some(5_000_000), resizes: true }
    }
}

/// What becomes of the rest of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// It waits, and this request with it.
    Postponed,
    /// It waits until this request is answered.
    Blocked,
    Close,
}

/// The requests of one read that are run together.
#[derive(Default)]
struct Batch {
    spans: Vec<Span>,
    requests: Vec<Request>,
}

struct Request {
    found: Result<&'static Command, Error>,
    spans: std::ops::Range<usize>,
    /// Where it begins in the input, and where the next one does.
    start: usize,
    end: usize,
    /// The hash of its first key, once that has been computed.
    hash: Option<u64>,
}

/// So many requests are parsed, and their keys fetched, before the first of them runs: enough to
/// hide the memory's latency, few enough to stay in the nearest cache.
const BATCH_MAX: usize = 32;
/// Room for the words of a batch that is kept for the next one.
const SPANS_KEPT: usize = 1024;

impl Engine {
    pub fn new(config: Config, table: Table, host: Box<dyn Host>, seed: u64) -> Engine {
        let now = host.now();
        let startup_memory = host.allocated();
        let mut engine = Engine {
            now,
            keyspace: Keyspace::new(config.databases as usize, seed),
            limits: Limits::of(&config, 0),
            sessions: Sessions::default(),
            effects: Effects::default(),
            stats: Stats::new(&table, config.io_threads as usize),
            command_logs: Default::default(),
            latency_monitor: Default::default(),
            host,
            table,
            renamed: Map::default(),
            acl: Default::default(),
            watchers: Watchers::default(),
            waiters: Waiters::default(),
            monitors: Vec::new(),
            hot_keys: None,
            scripting: Default::default(),
            functions: Default::default(),
            pubsub: Default::default(),
            trackers: tracking::Trackers::new(seed),
            tasks: Default::default(),
            persistence: Default::default(),
            exit: None,
            trash: Vec::new(),
            started: now,
            startup_memory,
            cron_paused: false,
            reply_peaks: ReplyPeaks::default(),
            recent_peaks: Default::default(),
            ledger: Default::default(),
            weights: Default::default(),
            heavies: Default::default(),
            client_bounds: Default::default(),
            strangers: Default::default(),
            answers_fill_blocks: false,
            room: Default::default(),
            paused: None,
            note: None,
            in_exec: false,
            running: None,
            own_pushes: Vec::new(),
            outer: Vec::new(),
            now_of_last_tick: now.mono_us,
            ages_from: None,
            resting: false,
            roused: false,
            batch: Batch::default(),
            config,
        };
        engine.set_now(now);
        engine.persistence.rdb.last_save = engine.now_seconds();
        engine.persistence.rdb.last_save_us = now.mono_us;
        engine.note_memory();
        engine.apply_config();
        engine.begin_acl();
        engine.keyspace.count_memory(engine.config.key_memory_histograms);
        engine.hold_expired();
        engine
    }

    /// Takes a name away and gives another, unless that is empty, as a `rename-command` line says.
    pub fn rename_command(&mut self, old: &str, new: &str) -> Result<(), &'static str> {
        let old = old.to_ascii_lowercase().into_bytes();
        let found = match self.renamed.get(&old) {
            Some(found) => *found,
            None => (self.table.find)(&old),
        };
        let Some(command) = found else { return Err("No such command in rename-command") };
        self.renamed.insert(old, None);
        if new.is_empty() {
            return Ok(());
        }
        let new = new.to_ascii_lowercase().into_bytes();
        let taken = match self.renamed.get(&new) {
            Some(found) => found.is_some(),
            None => (self.table.find)(&new).is_some(),
        };
        if taken {
            return Err("Target command name already exists");
        }
        self.renamed.insert(new, Some(command));
        Ok(())
    }

    /// A client has come.
    pub fn connect(&mut self, peer: Peer, now: Now) -> SessionKey {
        self.set_now(now);
        self.stats.connections += 1;
        let who = self.sessions.open(peer, now.mono_us, self.ledger.clone()).key;
        self.welcome(who);
        self.weigh(who);
        self.note_stranger(who);
        who
    }

    /// A client has gone.
    pub fn disconnect(&mut self, who: SessionKey) {
        if self.sessions.get(who).is_some() && !self.orphan_script(who) {
            self.unblock(who);
            self.unwatch(who);
            self.stop_monitor(who);
            self.unsubscribe_from_all(who);
            self.forget_tracker(who);
            self.unfile(who);
            if let Some(gone) = self.sessions.close(who) {
                self.weigh_out(&gone);
            }
        }
    }

    /// Is a client's end decided, or behind it?
    pub fn is_gone(&self, who: SessionKey) -> bool {
        self.sessions.get(who).is_none_or(|session| session.closing == Closing::Now)
    }

    /// Ends a client's connection without another word. It counts as gone from here on.
    pub fn kill(&mut self, who: SessionKey) {
        self.unblock(who);
        self.unwatch(who);
        self.unsubscribe_from_all(who);
        self.forget_tracker(who);
        self.sessions[who].kill();
        self.unfile(who);
        self.weigh(who);
    }

    /// RESET: nothing of what the client asked for is left.
    pub fn reset_session(&mut self, who: SessionKey) {
        self.stop_monitor(who);
        self.sessions[who].multi = None;
        self.unwatch(who);
        self.unsubscribe_from_all(who);
        self.forget_tracker(who);
        self.sessions[who].reset();
        self.welcome(who);
    }

    /// Takes what a client sent and runs what is complete of it. The answers are put behind what is
    /// in `answers`, to be written at once; or in the outbox, behind what the client has not read.
    pub fn receive(&mut self, who: SessionKey, fresh: &[u8], answers: &mut Vec<u8>, now: Now) {
        self.set_now(now);
        let Some(session) = self.sessions.get_mut(who) else { return };
        session.net_in += fresh.len() as u64;
        self.stats.net_in += fresh.len() as u64;
        session.received_us = now.mono_us;
        // Its end is decided; only what it has been told already is still on its way.
        if session.closing != Closing::No {
            return;
        }
        if session.is_waiting() {
            session.input.partial.append(fresh, 0);
            self.weigh(who);
            self.bound_input(who);
            return self.bound_clients();
        }
        let mut needed = fresh.len();
        let begin = answers.len();
        let mut parser = std::mem::take(&mut session.input.parser);
        let most = session.answer_bound(&self.config, &self.client_bounds);
        let mut out = Out::within(most, session.proto, std::mem::take(answers));
        if session.input.partial.is_empty() {
            let done = self.run(who, fresh, &mut parser, &mut out);
            if let Some(session) = self.sessions.get_mut(who)
                && session.closing != Closing::Now
            {
                session.input.parser = parser;
                session.input.partial.append(&fresh[done..], 0);
            }
        } else {
            let mut input = std::mem::take(&mut session.input.partial);
            input.append(fresh, parser.wanted());
            // What is too long stays where it is, and the bound on it ends the connection.
            let too_long = input.len() as u64 > self.config.client_query_buffer_limit;
            let done = match input.len() >= parser.wanted() && !too_long {
                true => self.run(who, input.bytes(), &mut parser, &mut out),
                false => 0,
            };
            needed = input.len();
            if let Some(session) = self.sessions.get_mut(who)
                && session.closing != Closing::Now
            {
                session.input.parser = parser;
                input.pass(done);
                session.input.partial = input;
            }
        }
        let told = out.len();
        *answers = out.bytes;
        self.bound_input(who);
        self.recent_peaks.note(now.mono_us, needed, told);
        if let Some(session) = self.sessions.get(who) {
            let thread = &mut self.stats.threads[session.thread];
            thread.reads += 1;
            thread.writes += (told > 0) as u64;
        }
        self.count_answered(who, told);
        if self.answers_fill_blocks && told > 0 && self.is_beyond_block(who) {
            answers.truncate(begin);
        }
        self.queue_behind_unsent(who, answers, begin);
        self.weigh(who);
        self.bound_clients();
    }

    /// The socket's owner looks in: it was rung for, or holds more unsent bytes than before. Answers
    /// are left as by `receive`, messages in the outbox.
    pub fn mail(&mut self, who: SessionKey, answers: &mut Vec<u8>, now: Now) {
        if self.sessions.get(who).is_some_and(|session| session.mailbox.in_flight() > 0) {
            self.bound_output(who);
        }
        self.resume(who, answers, now);
        self.weigh(who);
        self.bound_clients();
    }

    /// Goes on with what was put off, if it may.
    pub fn resume(&mut self, who: SessionKey, answers: &mut Vec<u8>, now: Now) {
        if let Some(session) = self.sessions.get_mut(who)
            && (session.postponed || session.woken || session.may_go_on())
            && session.closing == Closing::No
        {
            session.postponed = false;
            session.woken = false;
            session.stalled = false;
            self.receive(who, &[], answers, now);
        }
    }

    /// Runs all complete requests of the input; says how many bytes of it are done with.
    fn run(&mut self, who: SessionKey, input: &[u8], parser: &mut Parser, out: &mut Out) -> usize {
        self.sessions[who].input.running = input.len();
        self.begin_request(who);
        let mut batch = std::mem::take(&mut self.batch);
        let done = self.run_requests(who, input, parser, &mut batch, out);
        self.batch = batch;
        self.answers_are_built();
        self.tell_followers();
        self.tell_own_pushes(out);
        self.end_request(who);
        if let Some(session) = self.sessions.get_mut(who) {
            session.input.running = 0;
        }
        done
    }

    fn run_requests(
        &mut self,
        who: SessionKey,
        input: &[u8],
        parser: &mut Parser,
        batch: &mut Batch,
        out: &mut Out,
    ) -> usize {
        // A request of a hundred thousand words must not be paid for for ever.
        batch.spans.clear();
        batch.spans.shrink_to(SPANS_KEPT);
        // What a pipeline is answered must be sent before more of it runs.
        let pause_at = self.ledger.pause_at();
        // A pipeline is mostly one command over and over, which need not be looked up each time.
        let mut last: Option<(&[u8], &'static Command)> = None;
        // Each batch is looked at from where it begins, since spans do not reach further than a frame is long.
        let (whole, mut from) = (input, 0);
        loop {
            let input = &whole[from..];
            let mut at = 0;
            batch.spans.clear();
            batch.requests.clear();
            let bounds = Bounds {
                authenticated: !self.is_stranger(who),
                bulk_len_max: self.config.proto_max_bulk_len,
            };
            // What a stranger may send depends on whether the request before let him in.
            let most = if bounds.authenticated { BATCH_MAX } else { 1 };
            let mut inline = None;
            let mut malformed = None;
            let (mut partial, mut passed) = (false, false);
            while batch.requests.len() < most && at <= FRAME_START_MAX {
                let first = batch.spans.len();
                match parser.next(input, at, bounds, &mut batch.spans) {
                    Ok(Parsed::Request { end }) => {
                        let spans = first..batch.spans.len();
                        let args = Args::new(input, &batch.spans[spans.clone()]);
                        let (from, to) = batch.spans[first];
                        let name = &input[from as usize..to as usize];
                        let found = match last {
                            Some((known, command)) if known == name => Ok(command),
                            _ => self.find(args),
                        };
                        last = match found {
                            Ok(command)
                                if matches!(command.run, Run::Data(_)) && !command.is_sub() =>
                            {
                                Some((name, command))
                            }
                            _ => None,
                        };
                        let hash = None;
                        batch.requests.push(Request { found, spans, start: at, end, hash });
                        at = end;
                    }
                    Ok(Parsed::Nothing { end }) => at = end,
                    // An inline command has its words elsewhere, so it runs by itself.
                    Ok(Parsed::Inline { words, end }) => {
                        if batch.requests.is_empty() {
                            inline = Some((words, at));
                            at = end;
                        }
                        break;
                    }
                    Ok(Parsed::Partial) => {
                        partial = true;
                        break;
                    }
                    Ok(Parsed::Passed { end }) => {
                        at = end;
                        passed = true;
                        break;
                    }
                    Err(error) => {
                        malformed = Some(error);
                        break;
                    }
                }
            }
            if !batch.requests.is_empty() {
                self.stats.parsed += batch.requests.len() as u64;
                self.stats.parse_batches += 1;
            }
            self.fetch_keys(who, input, batch);
            for request in &batch.requests {
                let args = Args::new(input, &batch.spans[request.spans.clone()]);
                let flow = self.request(who, request.found.clone(), args, out);
                let is_full = out.len() >= pause_at && request.end != input.len();
                if is_full || flow != Flow::Continue {
                    *parser = Parser::default();
                    let next = self.hold_up(who, flow, request.start..request.end, input.len());
                    return from + next;
                }
            }
            if let Some((words, start)) = inline {
                let flow = self.inline(who, words, out);
                let is_full = out.len() >= pause_at && at != input.len();
                if is_full || flow != Flow::Continue {
                    return from + self.hold_up(who, flow, start..at, input.len());
                }
            }
            if let Some(error) = malformed {
                self.log_malformed(who, &error.0, &input[at..]);
                let error = Error::text(format!("ERR {}", error.0));
                self.count_error(&error);
                // Who wants no answers hears the end alone.
                if self.sessions[who].replies == Replies::On {
                    out.error(&error);
                }
                self.sessions[who].closing = Closing::AfterReply;
                return whole.len();
            }
            if partial
                && !self.sessions[who].unrestricted
                && let Some(flow) = self.refuse_early(who, &input[at..], parser, out)
            {
                if flow == Flow::Close {
                    return whole.len();
                }
                from += at + parser.give_up();
                continue;
            }
            from += at;
            if partial || passed || from == whole.len() {
                return from;
            }
        }
    }

    /// No more requests run for now: where reading goes on later. A request after which more could run was
    /// answered with so much that this must be sent first.
    fn hold_up(
        &mut self,
        who: SessionKey,
        flow: Flow,
        request: std::ops::Range<usize>,
        len: usize,
    ) -> usize {
        match flow {
            Flow::Postponed => request.start,
            Flow::Blocked => request.end,
            Flow::Continue => {
                self.sessions[who].stalled = true;
                request.end
            }
            Flow::Close => len,
        }
    }

    /// A client does not speak the protocol: the log says what it sent instead.
    #[cold]
    fn log_malformed(&self, who: SessionKey, why: &str, rest: &[u8]) {
        const SHOWN_MAX: usize = 128;
        let sent = match self.config.hide_user_data_from_log {
            true => "*redacted*".to_string(),
            false => describe::quoted(&rest[..rest.len().min(SHOWN_MAX)]),
        };
        let client = self.describe_for_log(who);
        let text = format!("Protocol error ({why}) from client: {client}. Query buffer: {sent}");
        self.host.log(Level::Verbose, &text);
    }

    fn inline(&mut self, who: SessionKey, words: ArgsBuf, out: &mut Out) -> Flow {
        let found = self.find(words.args());
        self.request(who, found, words.args(), out)
    }

    /// Starts loading the buckets, and then the records, of the batch's keys, so that they are
    /// near when the requests run. The rows say where the keys are.
    fn fetch_keys(&mut self, who: SessionKey, input: &[u8], batch: &mut Batch) {
        let db = self.sessions[who].db;
        let table = self.keyspace.db(db).table();
        for request in &mut batch.requests {
            let Ok(command) = request.found else { continue };
            let Some(spec) = command.spec.keys.first() else { continue };
            let Begin::Index(index) = spec.begin else { continue };
            let index = match spec.find {
                Find::Count { first, .. } => index + first,
                _ => index,
            };
            if request.spans.len() <= index as usize {
                continue;
            }
            let args = Args::new(input, &batch.spans[request.spans.clone()]);
            let hash = self.keyspace.hash(args.get(index as usize));
            table.prefetch_bucket(hash);
            request.hash = Some(hash);
        }
        // A single request is about to look at its bucket itself; until then the bucket has a
        // little time to arrive.
        if batch.requests.len() == 1 {
            return;
        }
        for hash in batch.requests.iter().filter_map(|request| request.hash) {
            if let Some(record) = table.candidate(hash) {
                record.prefetch();
            }
        }
    }

    /// The unit before is over and another may begin.
    pub(crate) fn set_now(&mut self, now: Now) {
        if self.resting {
            self.rouse(now);
        }
        self.now = now;
        self.keyspace.begin(now.wall());
        // Ages are spans, so they go on by the clock that nobody sets. They begin at the wall's, so that one of
        // another policy is of long ago, as it is read under this one.
        let seconds = (now.mono_us / 1_000_000) as u32;
        let begun = || ((now.wall_us / 1_000_000) as u32).wrapping_sub(seconds);
        let origin = *self.ages_from.get_or_insert_with(begun);
        self.keyspace.aging.set_clock(origin.wrapping_add(seconds));
    }

    /// Somebody will read what the log is told, from here on: `effects.take_sealed`.
    pub fn tell_log(&mut self) {
        self.effects.wanted = true;
        self.keyspace.changes.interest |= crate::keyspace::change::LOG;
    }

    /// Nobody reads it any more.
    pub fn untell_log(&mut self) {
        self.effects.wanted = false;
        self.keyspace.changes.interest &= !crate::keyspace::change::LOG;
    }

    /// Are we inside EXEC?
    pub fn in_exec(&self) -> bool {
        self.in_exec
    }

    /// Leaves values to the shell, to be freed where it holds nobody up.
    pub fn give_away(&mut self, values: usize, held: impl std::any::Any + Send) {
        self.give_away_known(values, None, held);
    }

    /// As `give_away`, with the bytes that come back when they are freed.
    pub fn give_away_known(
        &mut self,
        values: usize,
        bytes: Option<u64>,
        held: impl std::any::Any + Send,
    ) {
        let values = values as u64;
        self.stats.given_away += values;
        self.trash.push(Trash { values, bytes, _held: Box::new(held) });
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.stats.reset();
        self.scripting.cache.evicted = 0;
        self.keyspace.counters = Default::default();
        self.keyspace.lateness = Default::default();
        self.room.reset();
        self.keyspace.eviction.reset();
        self.persistence.rdb.saves = 0;
        self.persistence.aof.rewrites = 0;
    }

    /// Looks how much memory is in use.
    pub fn note_memory(&mut self) {
        let allocated = self.host.allocated();
        self.stats.note_memory(allocated, self.now_seconds());
    }

    /// Takes over what the configuration says of values and of ageing.
    pub fn apply_config(&mut self) {
        // What DEBUG said is no directive.
        let (alone, any_checksum) = (self.limits.list.alone, self.limits.footer.any_checksum);
        self.limits = Limits::of(&self.config, self.keyspace.seed());
        (self.limits.list.alone, self.limits.footer.any_checksum) = (alone, any_checksum);
        self.apply_events();
        self.configure_room();
        let slow_us = self.config.latency_monitor_threshold.saturating_mul(1000);
        self.persistence.aof.progress.set_slow_from(slow_us);
        self.bound_clients_anew();
        let aging = &mut self.keyspace.aging;
        aging.log_factor = self.config.lfu_log_factor;
        aging.decay_minutes = self.config.lfu_decay_time;
    }
}
