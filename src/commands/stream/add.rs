//! XADD.

use super::id;
use super::trim::{TRIMMED, TrimWords, Trimming};
use crate::data::stream::{Id, Refused, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Done, Reply};

const ADDED: Event = Event::stream("xadd");
const ZERO: Error = Error::Say("ERR The ID specified in XADD must be greater than 0-0");
const EXHAUSTED: Error =
    Error::Say("ERR The stream has exhausted the last possible ID, unable to add more items");
const TOO_SMALL: Error =
    Error::Say("ERR The ID specified in XADD is equal or smaller than the target stream top item");
const TOO_LARGE: Error = Error::Say("ERR Elements are too large to be stored");

/// Which id the entry shall have.
enum Wanted {
    Any,
    At(u64),
    Exactly(Id),
}

/// Everything before the fields.
struct Options {
    must_be_there: bool,
    trimming: Option<Trimming>,
    wanted: Wanted,
    id_at: usize,
}

pub fn xadd(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let (limits, tells) = (cx.limits.stream, cx.effects.wanted);
    let now_ms = u64::try_from(cx.now.0).unwrap_or(0);
    let options = Options::read(args, limits.trimmed_max())?;
    let fields = args.tail(options.id_at + 1);
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return Err(Error::Arity("xadd").into());
    }
    if matches!(options.wanted, Wanted::Exactly(Id::MIN)) {
        return Err(ZERO.into());
    }
    let mut stream = match options.must_be_there {
        false => cx.edit_or_new::<Stream>(key)?,
        true => match cx.edit::<Stream>(key)? {
            Some(stream) => stream,
            None => return out.null(),
        },
    };
    if stream.last_id() == Id::MAX {
        return Err(EXHAUSTED.into());
    }
    let id = match options.wanted {
        Wanted::Any => stream.next_id(now_ms).ok_or(EXHAUSTED)?,
        Wanted::At(ms) => stream.next_id_at(ms).ok_or(TOO_SMALL)?,
        Wanted::Exactly(id) => id,
    };
    if let Err(refused) = stream.add(id, fields.iter(), &limits) {
        stream.done_if(false, ADDED);
        let why = match refused {
            Refused::TooSmall => TOO_SMALL,
            Refused::TooLarge => TOO_LARGE,
        };
        return Err(why.into());
    }
    let (mut trimmed, mut trim_words) = (0, None);
    if let Some(trimming) = &options.trimming {
        let (count, rest) = stream.trim(trimming.trim);
        stream.leave(rest);
        trimmed = count;
        trim_words = tells.then(|| trimming.told(&stream));
    }
    stream.done(ADDED);
    if trimmed > 0 {
        cx.keyspace.changes.also(cx.db, key, TRIMMED);
    }
    if tells && options.must_be_rewritten() {
        let id = id.text();
        let mut words: Vec<&[u8]> = vec![b"XADD", key];
        if let Some((cut, threshold)) = &trim_words {
            words.extend([cut.as_bytes(), b"=", threshold]);
        }
        words.push(&id);
        words.extend(fields.iter());
        cx.effects.instead(&words);
    }
    out.bulk(&id.text())
}

impl Options {
    fn read(args: Args, rough_limit: u64) -> Result<Options, Error> {
        let mut words = args.after(1);
        let (mut must_be_there, mut trim_words) = (false, TrimWords::default());
        while let Some(text) = words.peek() {
            if text == b"*" {
                break;
            }
            if words.take_word(b"NOMKSTREAM") {
                must_be_there = true;
            } else if !trim_words.take(&mut words)? {
                break;
            }
        }
        let id_at = words.index();
        // Without an id there is nothing behind it either, and that is what is said.
        let text = if id_at < args.len() { args.get(id_at) } else { b"*" };
        let wanted = match (text, Id::parse_open(text)) {
            (b"*", _) => Wanted::Any,
            (_, Some(ms)) => Wanted::At(ms),
            _ => Wanted::Exactly(id(text, 0)?),
        };
        let trimming = trim_words.trimming(rough_limit)?;
        Ok(Options { must_be_there, trimming, wanted, id_at })
    }

    /// Would another server make something else of these words?
    fn must_be_rewritten(&self) -> bool {
        let roughly = self.trimming.as_ref().is_some_and(|trimming| trimming.trim.roughly);
        roughly || !matches!(self.wanted, Wanted::Exactly(_))
    }
}
