//! HyperLogLog: PFADD, PFCOUNT, PFMERGE, and what lets one look inside.
//!
//! A sketch is a string; it is changed where it lies. PFCOUNT remembers what it found in the string
//! itself, which makes it a reader that writes: WATCH and the log are told, listeners are not.

use super::string::put_bytes;
use crate::data::hyperloglog::{self, Corrupt, Form, Registers};
use crate::data::string::Text;
use crate::engine::command::{admin, read, write};
use crate::engine::{Ctx, Engine, Family, SessionKey};
use crate::error::Error;
use crate::keyspace::{Edit, Event, Str};
use crate::resp::{Args, Done, Reply, Word};
use crate::spec::{
    ADMIN, Access, C_HYPERLOGLOG, DENYOOM, FAST, Group, K_ACCESS, K_INSERT, MAY_REPLICATE, key,
    key_at, keys_from, string,
};

pub const FAMILY: Family = Family {
    group: Group::HyperLogLog,
    commands: &[
        write("PFADD", pfadd)
            .arity(-2)
            .flags(DENYOOM | FAST)
            .categories(C_HYPERLOGLOG)
            .keys(&[key_at(1, Access::ReadWrite, K_INSERT)])
            .since("2.8.9")
            .complexity("O(1) for each element.")
            .summary("Adds elements to a HyperLogLog, which counts different ones.")
            .args(&[key("key"), string("element").optional().repeats()]),
        read("PFCOUNT", pfcount)
            .arity(-2)
            .flags(MAY_REPLICATE)
            .categories(C_HYPERLOGLOG)
            .keys(&[keys_from(1, -1, 1, Access::ReadWrite, K_ACCESS)])
            .since("2.8.9")
            .complexity(
                "O(1) for one key whose count is known, O(N) for N keys, with a large constant.",
            )
            .summary(
                "Estimates how many different elements were added to any of some HyperLogLogs.",
            )
            .args(&[key("key").repeats()]),
        write("PFMERGE", pfmerge)
            .arity(-2)
            .flags(DENYOOM)
            .categories(C_HYPERLOGLOG)
            .keys(&[
                key_at(1, Access::ReadWrite, K_ACCESS | K_INSERT),
                keys_from(2, -1, 1, Access::ReadOnly, K_ACCESS),
            ])
            .since("2.8.9")
            .complexity("O(N), N being the number of HyperLogLogs, with a large constant.")
            .summary("Adds to a HyperLogLog all elements of others.")
            .args(&[key("destkey"), key("sourcekey").optional().repeats()]),
        write("PFDEBUG", pfdebug)
            .arity(3)
            .flags(DENYOOM | ADMIN)
            .categories(C_HYPERLOGLOG)
            .keys(&[key_at(2, Access::ReadWrite, K_ACCESS)])
            .since("2.8.9")
            .complexity("O(1), or O(N) for the N registers of a HyperLogLog.")
            .summary("Shows how a HyperLogLog is made.")
            .args(&[string("subcommand"), key("key")]),
        admin("PFSELFTEST", pfselftest)
            .arity(1)
            .flags(ADMIN)
            .categories(C_HYPERLOGLOG)
            .since("2.8.9")
            .complexity("O(1), some milliseconds.")
            .summary("Tests the implementation of HyperLogLog."),
    ],
};

const NO_SKETCH: Error = Error::Say("WRONGTYPE Key is not a valid HyperLogLog string value.");

impl From<Corrupt> for Error {
    fn from(_: Corrupt) -> Error {
        Error::Say("INVALIDOBJ Corrupted HLL object detected")
    }
}

fn pfadd(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let key = args.get(1);
    let sparse_max = cx.limits.hll_sparse_bytes_max;
    let add = |sketch: &mut Vec<u8>| -> (bool, Result<(), Corrupt>) {
        let mut changed = false;
        for element in args.tail(2).iter() {
            match hyperloglog::add(sketch, element, sparse_max) {
                Ok(more) => changed |= more,
                Err(corrupt) => return (changed, Err(corrupt)),
            }
        }
        (changed, Ok(()))
    };
    // Few elements still change a sketch that is large, and to look is cheaper than to open it.
    let covers = |text: Text| match text {
        Text::Bytes(bytes) => hyperloglog::covers(bytes, args.tail(2).iter()),
        Text::Int(_) => false,
    };
    if cx.stays_as_it_is::<Str>(key, covers) {
        return out.int(0);
    }
    let Some(mut edit) = edit(cx, key)? else {
        let mut sketch = hyperloglog::empty();
        add(&mut sketch).1.map_err(Error::from)?;
        hyperloglog::mark_stale(&mut sketch);
        put_bytes(cx, key, sketch, Event::string("pfadd"));
        return out.int(1);
    };
    let (changed, result) = edit.with_vec(add);
    // What was added before an opcode turned out to be corrupt stays.
    edit.done_if(changed, Event::string("pfadd"));
    result.map_err(Error::from)?;
    out.int(changed as i64)
}

fn pfcount(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    if args.len() > 2 {
        let mut registers = Registers::new();
        for key in args.tail(1).iter() {
            let Some(text) = cx.read::<Str>(key)? else { continue };
            registers.merge(sketch(text)?).map_err(Error::from)?;
        }
        return out.int(registers.estimate() as i64);
    }
    let key = args.get(1);
    let Some(text) = cx.read::<Str>(key)? else { return out.int(0) };
    let sketch = sketch(text)?;
    if let Some(count) = hyperloglog::remembered(sketch) {
        return out.int(count as i64);
    }
    let count = hyperloglog::count(sketch).map_err(Error::from)?;
    if let Some(mut edit) = cx.edit::<Str>(key)? {
        hyperloglog::remember(edit.bytes_mut(hyperloglog::CARDINALITY), count);
        edit.done(Event::QUIET);
    }
    out.int(count as i64)
}

fn pfmerge(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let target = args.get(1);
    let sparse_max = cx.limits.hll_sparse_bytes_max;
    let mut registers = Registers::new();
    let mut dense = false;
    for key in args.tail(1).iter() {
        let Some(text) = cx.read::<Str>(key)? else { continue };
        let sketch = sketch(text)?;
        dense |= hyperloglog::form(sketch) == Some(Form::Dense);
        registers.merge(sketch).map_err(Error::from)?;
    }
    let event = Event::string("pfadd");
    let Some(mut edit) = edit(cx, target)? else {
        let mut sketch = hyperloglog::empty();
        registers.store(&mut sketch, dense, sparse_max).map_err(Error::from)?;
        put_bytes(cx, target, sketch, event);
        return out.ok();
    };
    // Its opcodes were all read above, so they are not corrupt.
    let result = edit.with_vec(|sketch| registers.store(sketch, dense, sparse_max));
    edit.done(event);
    result.map_err(Error::from)?;
    out.ok()
}

fn pfdebug(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let (word, key) = (Word::new(args.get(1)), args.get(2));
    if &*word == b"SIMD" {
        // Which instructions are used was decided by the compiler: there is nothing to switch.
        return match &*Word::new(key) {
            b"ON" => out.simple("enabled"),
            b"OFF" => out.simple("disabled"),
            _ => Err(Error::Say("ERR Argument must be ON or OFF").into()),
        };
    }
    let Some(mut edit) = edit(cx, key)? else {
        return Err(Error::Say("ERR The specified key does not exist").into());
    };
    match &*word {
        b"GETREG" => {
            let changed = make_dense(&mut edit)?;
            let mut registers = Registers::new();
            registers.merge(sketch(edit.view())?).map_err(Error::from)?;
            edit.done_if(changed, Event::QUIET);
            let mut list = out.list(hyperloglog::REGISTERS);
            registers.iter().for_each(|register| list.int(register.into()));
            list.end()
        }
        b"DECODE" => {
            let sketch = sketch(edit.view())?;
            if hyperloglog::form(sketch) != Some(Form::Sparse) {
                return Err(Error::Say("ERR HLL encoding is not sparse").into());
            }
            out.bulk(hyperloglog::decode(sketch).map_err(Error::from)?.as_bytes())
        }
        b"ENCODING" => out.simple(match hyperloglog::form(sketch(edit.view())?) {
            Some(Form::Dense) => "dense",
            _ => "sparse",
        }),
        b"TODENSE" => {
            let changed = make_dense(&mut edit)?;
            edit.done_if(changed, Event::QUIET);
            out.int(changed as i64)
        }
        _ => Err(Error::quote("ERR Unknown PFDEBUG subcommand '", args.get(1), "'").into()),
    }
}

fn pfselftest(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    match hyperloglog::self_test() {
        Ok(()) => out.ok(),
        Err(what) => Err(Error::text(format!("TESTFAILED {what}")).into()),
    }
}

/// The bytes of a string, if it is a sketch.
fn sketch(text: Text<'_>) -> Result<&[u8], Error> {
    match text {
        Text::Bytes(bytes) if hyperloglog::form(bytes).is_some() => Ok(bytes),
        _ => Err(NO_SKETCH),
    }
}

/// Opens a sketch to be changed.
fn edit<'a>(cx: &'a mut Ctx, key: &[u8]) -> Result<Option<Edit<'a, Str>>, Error> {
    let edit = cx.edit::<Str>(key)?;
    if let Some(edit) = &edit {
        sketch(edit.view())?;
    }
    Ok(edit)
}

/// Gives a sketch the dense form; says whether it had another.
fn make_dense(edit: &mut Edit<Str>) -> Result<bool, Error> {
    if hyperloglog::form(sketch(edit.view())?) == Some(Form::Dense) {
        return Ok(false);
    }
    hyperloglog::check(sketch(edit.view())?)?;
    Ok(edit.with_vec(hyperloglog::make_dense)?)
}
