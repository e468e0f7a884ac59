//! A walk in pieces: ZSCAN.

use crate::base::numbers;
use crate::commands::scan::{self, Filter, Over};
use crate::data::string::Digits;
use crate::data::zset::ZSet;
use crate::engine::Ctx;
use crate::resp::{Args, Done, Reply};

pub fn zscan(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let cursor = scan::cursor(args.get(2))?;
    let Some(set) = cx.read::<ZSet>(args.get(1))? else { return scan::nothing(out) };
    let filter = Filter::read(args, 2, Over::ZSet)?;
    let mut text = Vec::new();
    filter.walk(cursor, out, |cursor, found| {
        set.scan(cursor, |member, score| {
            if found.offer(member.bytes(&mut Digits::new())) && !filter.names_only {
                text.clear();
                // In a large set Redis spells a score here with all the digits it could need.
                match set.is_large() {
                    true => numbers::write_f64_exact(score, &mut text),
                    false => numbers::write_f64(score, &mut text),
                }
                found.with(&text);
            }
        })
    })
}
