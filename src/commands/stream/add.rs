//! XADD.

use super::id;
use super::idmp::Origin;
use super::refs::name_of;
use super::trim::{TRIMMED, TrimWords, Trimming};
use crate::data::stream::{Id, Refs, Refused, Stream};
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
struct Options<'a> {
    must_be_there: bool,
    trimming: Option<Trimming>,
    origin: Option<Origin<'a>>,
    wanted: Wanted,
    id_at: usize,
}

pub fn xadd(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let (limits, directives) = (cx.limits.stream, cx.limits.idmp);
    let tells = cx.effects.wanted;
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
    // Who sends an entry again is told what it was called.
    let origin = options.origin.map(|origin| (origin.producer, origin.name_for(fields)));
    let memory = stream.idmp_memory(directives);
    if let Some((producer, name)) = &origin
        && let Some(known) = stream.find_added(producer, name, now_ms, memory)
    {
        stream.producers_mut().duplicates += 1;
        stream.done_if(false, ADDED);
        return out.bulk(&known.text());
    }
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
    if let Some((producer, name)) = &origin {
        stream.producers_mut().record(producer, name, id, now_ms, memory);
    }
    let (mut trimmed, mut trim_words) = (0, None);
    if let Some(trimming) = &options.trimming {
        let (count, rest) = stream.trim(trimming.trim);
        stream.leave(rest);
        trimmed = count;
        trim_words = tells.then(|| trimming.told(&stream));
    }
    // Who adds an entry that is trimmed at once is known all the same, but only while it is there can that be told.
    let is_cut_off = origin.is_some() && trimmed > 0 && !stream.contains(id);
    stream.done(ADDED);
    if trimmed > 0 {
        cx.keyspace.changes.also(cx.db, key, TRIMMED);
    }
    if tells && options.must_be_rewritten() {
        let id = id.text();
        let mut cut_words: Vec<&[u8]> = Vec::new();
        if let Some((cut, threshold)) = &trim_words {
            cut_words.extend([cut.as_bytes(), b"=", threshold]);
            let refs = options.trimming.as_ref().map(|trimming| trimming.trim.refs);
            cut_words.extend(refs.filter(|refs| *refs != Refs::Keep).map(name_of));
        }
        let mut words: Vec<&[u8]> = vec![b"XADD", key];
        words.extend(cut_words.iter().filter(|_| !is_cut_off));
        words.push(&id);
        words.extend(fields.iter());
        cx.effects.instead(&words);
        if let Some((producer, name)) = &origin {
            cx.effects.instead(&[b"XIDMPRECORD", key, producer, name, &id]);
        }
        if is_cut_off {
            cx.effects.instead(&[&[b"XTRIM", key], &cut_words[..]].concat());
        }
    }
    out.bulk(&id.text())
}

impl<'a> Options<'a> {
    fn read(args: Args<'a>, rough_limit: u64) -> Result<Options<'a>, Error> {
        let mut words = args.after(1);
        const NOT_OWN: Error =
            Error::Say("ERR IDMP/IDMPAUTO can be used only with auto-generated IDs");
        let (mut must_be_there, mut trim_words) = (false, TrimWords::default());
        let mut origin = None;
        while let Some(text) = words.peek() {
            if text == b"*" {
                break;
            }
            if words.take_word(b"NOMKSTREAM") {
                must_be_there = true;
            } else if !trim_words.take(&mut words)? && !Origin::take(&mut words, &mut origin)? {
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
        if origin.is_some() && !matches!(wanted, Wanted::Any) {
            return Err(NOT_OWN);
        }
        let trimming = trim_words.trimming(rough_limit)?;
        Ok(Options { must_be_there, trimming, origin, wanted, id_at })
    }

    /// Would another server make something else of these words?
    fn must_be_rewritten(&self) -> bool {
        let roughly = self.trimming.as_ref().is_some_and(|trimming| trimming.trim.roughly);
        roughly || !matches!(self.wanted, Wanted::Exactly(_))
    }
}
