//! LCS: what two strings have in common, in order.

use crate::data::lcs::{self, Run};
use crate::data::string::{Digits, Text};
use crate::engine::command::read;
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Str;
use crate::resp::{Args, Done, Reply};
use crate::spec::{Access, C_STRING, Group, K_ACCESS, integer, key, keys_from, token};

pub const FAMILY: Family = Family {
    group: Group::String,
    commands: &[read("LCS", lcs)
        .arity(-3)
        .categories(C_STRING)
        .keys(&[keys_from(1, 1, 1, Access::ReadOnly, K_ACCESS)])
        .since("7.0.0")
        .complexity("O(N*M), N and M being the lengths of the strings.")
        .summary("Finds the longest common subsequence of two strings.")
        .args(&[
            key("key1"),
            key("key2"),
            token("LEN").optional(),
            token("IDX").optional(),
            integer("min-match-len").after("MINMATCHLEN").optional(),
            token("WITHMATCHLEN").optional(),
        ])],
};

fn lcs(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    for key in args.tail(1).head(2).iter() {
        cx.keyspace.touch(cx.db, key);
    }
    let string = |key| {
        let text = cx.keyspace.peek::<Str>(cx.db, key);
        text.map_err(|_| Error::Say("ERR The specified keys must contain string values"))
    };
    let (left, right) = (string(args.get(1))?, string(args.get(2))?);

    let (mut wants_len, mut wants_runs, mut with_len, mut shortest) = (false, false, false, 0);
    let mut words = args.after(2);
    while words.left() > 0 {
        if words.take_word(b"LEN") {
            wants_len = true;
        } else if words.take_word(b"IDX") {
            wants_runs = true;
        } else if words.take_word(b"WITHMATCHLEN") {
            with_len = true;
        } else if words.take_word(b"MINMATCHLEN") {
            shortest = words.int()?.max(0) as usize;
        } else {
            return Err(Error::Syntax.into());
        }
    }
    if wants_len && wants_runs {
        let text = "ERR If you want both the length and indexes, please just use IDX.";
        return Err(Error::Say(text).into());
    }

    let mut digits = (Digits::new(), Digits::new());
    let left = left.as_ref().map_or(&[][..], |text: &Text| text.bytes(&mut digits.0));
    let right = right.as_ref().map_or(&[][..], |text: &Text| text.bytes(&mut digits.1));
    if lcs::table_bytes(left, right) as u64 > cx.limits.string_bytes_max {
        let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        return Err(Error::Say(text).into());
    }

    if wants_len {
        return out.int(lcs::len(left, right) as i64);
    }
    let runs = lcs::runs(left, right);
    if wants_runs {
        return answer_runs(&runs, shortest, with_len, out);
    }
    let parts: Vec<&[u8]> =
        runs.iter().rev().map(|run| &left[run.left..run.left + run.len]).collect();
    out.bulk(&parts.concat())
}

fn answer_runs(runs: &[Run], shortest: usize, with_len: bool, out: Reply) -> Done {
    let mut answer = out.map(2);
    answer.bulk(b"matches");
    let mut matches = answer.list_of_some();
    for run in runs.iter().filter(|run| run.len >= shortest) {
        let mut found = matches.list(2 + with_len as usize);
        for start in [run.left, run.right] {
            let mut range = found.list(2);
            range.int(start as i64);
            range.int((start + run.len - 1) as i64);
            range.close();
        }
        if with_len {
            found.int(run.len as i64);
        }
        found.close();
    }
    matches.close();
    answer.bulk(b"len");
    answer.int(runs.iter().map(|run| run.len).sum::<usize>() as i64);
    answer.end()
}
