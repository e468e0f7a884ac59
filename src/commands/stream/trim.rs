//! XTRIM, and the words for trimming, which XADD has too.

use super::id;
use super::refs::{name_of, take_refs};
use crate::data::Collection;
use crate::data::stream::{Cut, Id, Refs, Stream, Trim};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Cursor, Done, Reply};

pub const TRIMMED: Event = Event::stream("xtrim");

const BOTH: Error =
    Error::Say("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const ROUGH_ONLY: Error =
    Error::Say("ERR syntax error, LIMIT cannot be used without the special ~ option");
const NO_CUT: Error =
    Error::Say("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const MUST_CUT: Error =
    Error::Say("ERR syntax error, XTRIM must be called with a trimming strategy");

/// `MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]`, as far as it was read.
#[derive(Default)]
pub struct TrimWords {
    cut: Option<Cut>,
    roughly: bool,
    limit: Option<u64>,
    refs: Option<Refs>,
}

/// How to trim, and how to tell it.
pub struct Trimming {
    pub trim: Trim,
}

pub fn xtrim(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (key, tells) = (args.get(1), cx.effects.wanted);
    let (mut words, mut trim_words) = (args.after(1), TrimWords::default());
    while words.left() > 0 {
        if !trim_words.take(&mut words)? {
            return Err(Error::Syntax.into());
        }
    }
    // A limit of zero is no limit, and says nothing by itself.
    if trim_words.cut.is_none() && trim_words.limit == Some(0) {
        return Err(MUST_CUT.into());
    }
    let trimming = trim_words.trimming(cx.limits.stream.trimmed_max())?.ok_or(MUST_CUT)?;
    let Some(mut stream) = cx.edit::<Stream>(key)? else { return out.int(0) };
    let (trimmed, rest) = stream.trim(trimming.trim);
    stream.leave(rest);
    let told = (tells && trimming.trim.roughly).then(|| trimming.told(&stream));
    stream.counts(trimmed as usize);
    stream.done_if(trimmed > 0, TRIMMED);
    if let (Some((cut, threshold)), 1..) = (told, trimmed) {
        let refs = name_of(trimming.trim.refs);
        let words = [b"XTRIM", key, cut.as_bytes(), b"=", &threshold, refs];
        let tells_refs = trimming.trim.refs != Refs::Keep;
        cx.effects.instead(&words[..words.len() - !tells_refs as usize]);
    }
    out.int(trimmed as i64)
}

impl TrimWords {
    /// Takes the next words if they are about trimming; says whether they are.
    pub fn take(&mut self, words: &mut Cursor) -> Result<bool, Error> {
        if take_refs(words, &mut self.refs)? {
            return Ok(true);
        }
        // A word that should be followed by another one, and is not, is none of these.
        if words.left() < 2 {
            return Ok(false);
        }
        if words.take_word(b"LIMIT") {
            const NEGATIVE: Error = Error::Say("ERR The LIMIT argument must be >= 0.");
            self.limit = Some(u64::try_from(words.int()?).map_err(|_| NEGATIVE)?);
            return Ok(true);
        }
        let by_length = words.take_word(b"MAXLEN");
        if !by_length && !words.take_word(b"MINID") {
            return Ok(false);
        }
        if self.cut.is_some() {
            return Err(BOTH);
        }
        self.roughly = false;
        if words.left() >= 2 {
            self.roughly = words.peek() == Some(b"~");
            if self.roughly || words.peek() == Some(b"=") {
                words.skip();
            }
        }
        self.cut = Some(if by_length {
            const NEGATIVE: Error = Error::Say("ERR The MAXLEN argument must be >= 0.");
            Cut::Length(u64::try_from(words.int()?).map_err(|_| NEGATIVE)?)
        } else {
            Cut::Below(id(words.bytes()?, 0)?)
        });
        Ok(true)
    }

    /// What the words amount to, if they say anything. Trimming that need not be exact is limited, so
    /// that it holds nobody up.
    pub fn trimming(self, rough_limit: u64) -> Result<Option<Trimming>, Error> {
        let Some(cut) = self.cut else {
            return match self.limit {
                Some(0) => Err(ROUGH_ONLY),
                Some(_) => Err(NO_CUT),
                None => Ok(None),
            };
        };
        let limit = match (self.limit, self.roughly) {
            (Some(_), false) => return Err(ROUGH_ONLY),
            (Some(0), true) | (None, false) => None,
            (Some(limit), true) => Some(limit),
            (None, true) => Some(rough_limit),
        };
        let refs = self.refs.unwrap_or(Refs::Keep);
        Ok(Some(Trimming { trim: Trim { cut, roughly: self.roughly, limit, refs } }))
    }
}

impl Trimming {
    /// Words that trim another copy of a stream exactly as this one was.
    pub fn told(&self, stream: &Stream) -> (&'static str, Vec<u8>) {
        let length = |length: u64| ("MAXLEN", length.to_string().into_bytes());
        match (self.trim.cut, self.trim.roughly, stream.first_id()) {
            (Cut::Length(most), false, _) => length(most),
            (Cut::Below(id), false, _) => ("MINID", text(id)),
            // Where groups had a say, the first entry may be one that should have gone.
            (Cut::Below(_), true, Some(id)) if self.trim.refs == Refs::Keep => ("MINID", text(id)),
            (_, true, _) => length(stream.len() as u64),
        }
    }
}

fn text(id: Id) -> Vec<u8> {
    id.text().to_vec()
}
