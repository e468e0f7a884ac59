//! Data as the commands that make it: what a log's base is made of when it is to be no dump
//! (`aof-use-rdb-preamble no`).
//!
//! Large values are told in several commands, so that who reads them need not hold much at once. Every command is
//! one that Redis has too, except for what only Russet keeps.

use crate::base::numbers;
use crate::data::stream::{Entry, Group, Id, Stream};
use crate::data::string::{Digits, Text};
use crate::data::{Collection, View};
use crate::world::Millis;
use std::collections::BTreeSet;
use std::io;

/// Writes commands into a buffer, which is given away when it is large.
pub struct Writer {
    buffer: Vec<u8>,
    db: Option<usize>,
}

/// What takes the buffer's content.
pub type Flush<'a> = &'a mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>;

/// Elements in one command.
const ELEMENTS: usize = 64;
const LARGE: usize = 256 << 10;

impl Writer {
    /// With a time, it begins with it: seconds since 1970.
    pub fn new(stamp: Option<i64>) -> Writer {
        let stamp = stamp.map(|stamp| format!("#TS:{stamp}\r\n")).unwrap_or_default();
        Writer { buffer: stamp.into_bytes(), db: None }
    }

    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    pub fn function(&mut self, code: &[u8]) {
        self.line(&[b"FUNCTION", b"LOAD", code]);
    }

    pub fn select(&mut self, db: usize) {
        if self.db.replace(db) != Some(db) {
            self.line(&[b"SELECT", itoa::Buffer::new().format(db).as_bytes()]);
        }
    }

    pub fn entry(
        &mut self,
        key: &[u8],
        deadline: Option<Millis>,
        value: View,
        flush: Flush,
    ) -> io::Result<()> {
        match value {
            View::Text(text) => self.line(&[b"SET", key, text.bytes(&mut Digits::new())]),
            View::List(list) => {
                self.elements(&[b"RPUSH", key], list.iter().map(|item| [item]), flush)?;
            }
            View::Set(set) => {
                self.elements(&[b"SADD", key], set.iter().map(|member| [member]), flush)?;
                let mortal = set.iter_with_deadlines();
                self.deadlines(&[b"SPEXPIREAT", key], b"MEMBERS", mortal, flush)?;
            }
            View::ZSet(set) => {
                self.scores(key, set.iter(), flush)?;
                let mortal = set.iter_with_deadlines().map(|(member, _, at)| (member, at));
                self.deadlines(&[b"ZPEXPIREAT", key], b"MEMBERS", mortal, flush)?;
            }
            View::Scores(set) => {
                let all = || set.iter_with_deadlines();
                self.scores(key, all().map(|(member, score, _)| (member, score)), flush)?;
                let mortal = all().map(|(member, _, at)| (member, at));
                self.deadlines(&[b"ZPEXPIREAT", key], b"MEMBERS", mortal, flush)?;
            }
            View::Hash(hash) => {
                let fields = hash.iter().map(|(field, value)| [field, value]);
                self.elements(&[b"HSET", key], fields, flush)?;
                let mortal = hash.iter_with_deadlines().map(|(field, _, at)| (field, at));
                self.deadlines(&[b"HPEXPIREAT", key], b"FIELDS", mortal, flush)?;
            }
            View::Stream(stream) => self.stream(key, stream, flush)?,
        }
        self.expire(key, deadline);
        self.spill(flush)
    }

    /// A string of so many bytes; its parts follow.
    pub fn begin_text(&mut self, key: &[u8], len: usize) {
        self.begin(3);
        self.word(b"SET");
        self.word(key);
        self.buffer.extend_from_slice(format!("${len}\r\n").as_bytes());
    }

    pub fn text_part(&mut self, part: &[u8]) {
        self.buffer.extend_from_slice(part);
    }

    pub fn end_text(&mut self) {
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// Members of a sorted set, all or some.
    pub fn scores<'a>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = (Text<'a>, f64)>,
        flush: Flush,
    ) -> io::Result<()> {
        let mut members = members.peekable();
        let (mut words, mut ends) = (Vec::new(), Vec::new());
        while members.peek().is_some() {
            words.clear();
            ends.clear();
            for (member, score) in members.by_ref().take(ELEMENTS) {
                numbers::write_f64(score, &mut words);
                ends.push(words.len());
                words.extend_from_slice(member.bytes(&mut Digits::new()));
                ends.push(words.len());
            }
            self.begin(2 + ends.len());
            self.word(b"ZADD");
            self.word(key);
            let mut start = 0;
            for end in &ends {
                self.word(&words[start..*end]);
                start = *end;
            }
            self.spill(flush)?;
        }
        Ok(())
    }

    /// Says when a key that was told in parts is due.
    pub fn expire(&mut self, key: &[u8], deadline: Option<Millis>) {
        if let Some(Millis(deadline)) = deadline {
            self.line(&[b"PEXPIREAT", key, itoa::Buffer::new().format(deadline).as_bytes()]);
        }
    }

    /// Adds elements, each of some words, a few in each command.
    fn elements<'a, const WORDS: usize>(
        &mut self,
        head: &[&[u8]],
        mut elements: impl Iterator<Item = [Text<'a>; WORDS]>,
        flush: Flush,
    ) -> io::Result<()> {
        loop {
            let some: Vec<[Text; WORDS]> = elements.by_ref().take(ELEMENTS).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.begin(head.len() + some.len() * WORDS);
            head.iter().for_each(|word| self.word(word));
            for word in some.as_flattened() {
                self.text(*word);
                self.spill(flush)?;
            }
        }
    }

    /// Elements that stand together and have the same deadline share a command.
    fn deadlines<'a>(
        &mut self,
        head: &[&[u8]],
        noun: &[u8],
        elements: impl Iterator<Item = (Text<'a>, Option<Millis>)>,
        flush: Flush,
    ) -> io::Result<()> {
        let mut run: Vec<Text> = Vec::new();
        let mut common = Millis(0);
        for (element, deadline) in elements {
            let Some(deadline) = deadline else { continue };
            if run.len() == ELEMENTS || !run.is_empty() && deadline != common {
                self.deadline(head, noun, common, &run);
                self.spill(flush)?;
                run.clear();
            }
            common = deadline;
            run.push(element);
        }
        if !run.is_empty() {
            self.deadline(head, noun, common, &run);
        }
        Ok(())
    }

    fn deadline(&mut self, head: &[&[u8]], noun: &[u8], at: Millis, elements: &[Text]) {
        self.begin(head.len() + 3 + elements.len());
        head.iter().for_each(|word| self.word(word));
        self.word(itoa::Buffer::new().format(at.0).as_bytes());
        self.word(noun);
        self.word(itoa::Buffer::new().format(elements.len()).as_bytes());
        elements.iter().for_each(|element| self.text(*element));
    }

    fn stream(&mut self, key: &[u8], stream: &Stream, flush: Flush) -> io::Result<()> {
        // What is pending can only be told of entries that are there, so those that are not come and go.
        let pending = |group: &Group| {
            let ids = group.pending_from(Id::MIN).map(|pending| pending.id());
            ids.filter(|id| !stream.contains(*id)).collect::<Vec<_>>()
        };
        let gone: BTreeSet<Id> = stream.groups().flat_map(|(_, group)| pending(group)).collect();
        let mut missing = gone.iter().copied().peekable();
        for entry in stream.range(Id::MIN, Id::MAX) {
            while let Some(id) = missing.next_if(|id| *id < entry.id) {
                self.line(&[b"XADD", key, &id.text(), b"x", b"y"]);
            }
            self.xadd(key, entry);
            self.spill(flush)?;
        }
        missing.for_each(|id| self.line(&[b"XADD", key, &id.text(), b"x", b"y"]));
        if stream.len() == 0 && gone.is_empty() {
            let id = stream.last_id().max(Id::new(0, 1));
            self.line(&[b"XADD", key, b"MAXLEN", b"0", &id.text(), b"x", b"y"]);
        }
        self.xsetid(key, stream);
        for (name, group) in stream.groups() {
            self.group(key, name, group, flush)?;
        }
        if !gone.is_empty() {
            gone.iter().for_each(|id| self.line(&[b"XDEL", key, &id.text()]));
            self.xsetid(key, stream);
        }
        self.producers(key, stream, flush)
    }

    fn xadd(&mut self, key: &[u8], entry: Entry) {
        self.begin(3 + entry.fields.len());
        self.word(b"XADD");
        self.word(key);
        self.word(&entry.id.text());
        entry.fields.for_each(|word| self.text(word));
    }

    fn xsetid(&mut self, key: &[u8], stream: &Stream) {
        let added = stream.added().to_string();
        let (last, deleted) = (stream.last_id().text(), stream.max_deleted().text());
        let added = added.as_bytes();
        self.line(&[b"XSETID", key, &last, b"ENTRIESADDED", added, b"MAXDELETEDID", &deleted]);
    }

    fn group(&mut self, key: &[u8], name: &[u8], group: &Group, flush: Flush) -> io::Result<()> {
        let read = group.read.map_or("-1".to_string(), |read| read.to_string());
        let (last, read) = (group.last_id.text(), read.as_bytes());
        self.line(&[b"XGROUP", b"CREATE", key, name, &last, b"ENTRIESREAD", read]);
        for (_, consumer) in group.consumers() {
            self.line(&[b"XGROUP", b"CREATECONSUMER", key, name, &consumer.name]);
        }
        for pending in group.pending_from(Id::MIN) {
            let (id, count) = (pending.id().text(), pending.count().to_string());
            let count = count.as_bytes();
            match pending.owner() {
                Some(owner) => {
                    let consumer = &group.consumer(owner).name;
                    let time = pending.time_ms().to_string();
                    let time = time.as_bytes();
                    let how: [&[u8]; 6] =
                        [b"TIME", time, b"RETRYCOUNT", count, b"JUSTID", b"FORCE"];
                    let head: [&[u8]; 6] = [b"XCLAIM", key, name, consumer, b"0", &id];
                    self.line(&[head, how].concat());
                }
                None => {
                    let ids: [&[u8]; 3] = [b"IDS", b"1", &id];
                    let head: [&[u8]; 4] = [b"XNACK", key, name, b"FAIL"];
                    let how: [&[u8]; 3] = [b"RETRYCOUNT", count, b"FORCE"];
                    self.line(&[&head[..], &ids, &how].concat());
                }
            }
            self.spill(flush)?;
        }
        Ok(())
    }

    /// Who has added what; only Russet and Redis 8.6 know these.
    fn producers(&mut self, key: &[u8], stream: &Stream, flush: Flush) -> io::Result<()> {
        let Some(producers) = stream.producers() else { return Ok(()) };
        let [seconds, entries] = producers.own();
        let own: [(&[u8], _); 2] = [(b"IDMP-DURATION", seconds), (b"IDMP-MAXSIZE", entries)];
        for (word, own) in own {
            if let Some(own) = own {
                self.line(&[b"XCFGSET", key, word, own.to_string().as_bytes()]);
            }
        }
        for (producer, entries) in producers.iter() {
            for (name, id) in entries {
                self.line(&[b"XIDMPRECORD", key, producer, name, &id.text()]);
                self.spill(flush)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, words: &[&[u8]]) {
        self.begin(words.len());
        words.iter().for_each(|word| self.word(word));
    }

    fn begin(&mut self, words: usize) {
        self.buffer.push(b'*');
        self.number(words);
    }

    fn text(&mut self, text: Text) {
        self.word(text.bytes(&mut Digits::new()));
    }

    fn word(&mut self, word: &[u8]) {
        self.buffer.push(b'$');
        self.number(word.len());
        self.buffer.extend_from_slice(word);
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn number(&mut self, number: usize) {
        self.buffer.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn spill(&mut self, flush: Flush) -> io::Result<()> {
        if self.buffer.len() < LARGE {
            return Ok(());
        }
        flush(&mut self.buffer)
    }
}
