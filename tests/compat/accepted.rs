//! The differences we know and accept, each with its reason. A rule is narrow: it names the command
//! and both answers, so that another difference of the same command is still found.

use crate::compare::is;
use crate::generate::grammar::Args;
use crate::sides::{Accepts, Exchange, Heard};
use crate::support::server::Program;
use crate::support::value::Value;

pub struct Rule {
    pub name: &'static str,
    pub reason: &'static str,
    /// The peer that differs from us and, because Redis is our reference, from Redis.
    peer: Program,
    /// Whether the servers hold different data afterwards.
    parts: bool,
    fits: fn(&Args, ours: &Value, theirs: &Value) -> bool,
}

pub const RULES: &[Rule] = &[];

/// The rule that covers an exchange, by its place in `RULES`, and what follows from it.
pub fn judge(
    (left, right): (Option<Program>, Option<Program>),
    exchange: &Exchange,
) -> Option<(usize, Accepts)> {
    let (Heard::Reply(ours), Heard::Reply(theirs)) = (&exchange.left, &exchange.right) else {
        return None;
    };
    let place = RULES.iter().position(|rule| {
        if right == Some(rule.peer) {
            (rule.fits)(&exchange.args, ours, theirs)
        } else {
            left == Some(rule.peer) && (rule.fits)(&exchange.args, theirs, ours)
        }
    })?;
    Some((place, if RULES[place].parts { Accepts::AsTheEnd } else { Accepts::AsSame }))
}

fn says(reply: &Value, start: &str) -> bool {
    reply.is_error() && reply.text().is_some_and(|text| text.starts_with(start.as_bytes()))
}
