//! LMOVEM, and BLMOVEM where it need not wait, on lists as plain as can be.

use crate::lines::{cased, text};
use crate::support::dice::Dice;
use crate::support::value::Value;
use crate::{Server, Subject, Words};
use std::collections::{BTreeMap, VecDeque};

type List = VecDeque<Vec<u8>>;

pub struct Lists {
    lists: BTreeMap<Vec<u8>, List>,
    resp3: bool,
}

const KEYS: [&str; 3] = ["a", "b", "c"];
/// Holds a string.
const WRONG: &str = "text";

const SYNTAX: &str = "ERR syntax error";
const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

impl Subject for Lists {
    fn new(server: &mut Server, resp3: bool) -> Lists {
        server.ask(&["SET", WRONG, "hello"]);
        Lists { lists: BTreeMap::new(), resp3 }
    }

    fn line(&self, dice: &mut Dice) -> Words {
        if dice.percent(30) {
            let mut line = vec![text("RPUSH"), text(dice.pick::<&str>(&KEYS))];
            line.extend((0..1 + dice.below(5)).map(|_| format!("e{}", dice.below(100)).into()));
            return line;
        }
        let line = moved(dice);
        // Who would have to wait says it without the B.
        let is_blocking = line[0].len() > 6;
        if is_blocking && self.plan(&line).is_ok_and(|plan| self.popped(&plan).is_none()) {
            let mut line = line;
            line.remove(5);
            line[0] = text("LMOVEM");
            return line;
        }
        line
    }

    fn answer(&mut self, line: &Words) -> Vec<Value> {
        if line[0].eq_ignore_ascii_case(b"RPUSH") {
            let list = self.lists.entry(line[1].clone()).or_default();
            list.extend(line[2..].iter().cloned());
            return vec![Value::Int(list.len() as i64)];
        }
        let null = if self.resp3 { Value::Null } else { Value::NullArray };
        let plan = match self.plan(line) {
            Ok(plan) => plan,
            Err(mistakes) => return mistakes.into_iter().map(Value::error).collect(),
        };
        if plan.source == WRONG.as_bytes() {
            return vec![Value::error(WRONG_TYPE)];
        }
        let Some(mut popped) = self.popped(&plan) else {
            // Nobody says whether the target is looked at when nothing can be moved there.
            let wrong = plan.target == WRONG.as_bytes();
            return [null].into_iter().chain(wrong.then(|| Value::error(WRONG_TYPE))).collect();
        };
        if plan.target == WRONG.as_bytes() {
            return vec![Value::error(WRONG_TYPE)];
        }
        let source = self.lists.get_mut(&plan.source).expect("it has what was popped");
        for _ in &popped {
            if plan.from_left {
                source.pop_front()
            } else {
                source.pop_back()
            };
        }
        // As they stood in the source, if they move as one piece; else as they were popped.
        if !plan.one_by_one && !plan.from_left {
            popped.reverse();
        }
        let target = self.lists.entry(plan.target).or_default();
        let moved: Vec<Vec<u8>> = match (plan.one_by_one, plan.to_left) {
            (true, true) => popped.into_iter().rev().collect(),
            _ => popped,
        };
        match plan.to_left {
            true => moved.iter().rev().for_each(|item| target.push_front(item.clone())),
            false => target.extend(moved.iter().cloned()),
        }
        self.lists.retain(|_, list| !list.is_empty());
        vec![Value::Array(moved.into_iter().map(Value::Bulk).collect())]
    }

    /// Nothing here has a deadline.
    fn pass(&mut self, _: i64) {}

    fn check(&mut self, server: &mut Server) -> Result<(), String> {
        for key in KEYS {
            let answer = server.ask(&["LRANGE", key, "0", "-1"]);
            let list = self.lists.get(key.as_bytes()).cloned().unwrap_or_default();
            let should = Value::Array(list.into_iter().map(Value::Bulk).collect());
            if answer != should {
                return Err(format!("{key} is {answer}, and should be {should}"));
            }
        }
        Ok(())
    }
}

/// What a line without mistakes asks for.
struct Plan {
    source: Vec<u8>,
    target: Vec<u8>,
    from_left: bool,
    to_left: bool,
    count: usize,
    exactly: bool,
    one_by_one: bool,
}

impl Lists {
    /// The mistakes, of which the server may name any.
    fn plan(&self, line: &Words) -> Result<Plan, Vec<&'static str>> {
        let upper: Words = line.iter().map(|word| word.to_ascii_uppercase()).collect();
        let blocks = upper[0] == b"BLMOVEM";
        let least = if blocks { 6 } else { 5 };
        if line.len() < least {
            return Err(vec![match blocks {
                true => "ERR wrong number of arguments for 'blmovem' command",
                false => "ERR wrong number of arguments for 'lmovem' command",
            }]);
        }
        let mut mistakes = Vec::new();
        let mut side = |word: &[u8]| match word {
            b"LEFT" => true,
            b"RIGHT" => false,
            _ => {
                mistakes.push(SYNTAX);
                false
            }
        };
        let (from_left, to_left) = (side(&upper[3]), side(&upper[4]));
        let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<f64>().ok();
        if blocks {
            match number(&upper[5]) {
                Some(0.0..) => {}
                Some(_) => mistakes.push("ERR timeout is negative"),
                None => mistakes.push("ERR timeout is not a float or out of range"),
            }
        }
        let (mut count, mut exactly, mut one_by_one) = (1, false, true);
        match &upper[least..] {
            [] => {}
            [selector, number, order]
                if [&b"COUNT"[..], b"EXACTLY"].contains(&selector.as_slice())
                    && [&b"OBO"[..], b"BULK"].contains(&order.as_slice()) =>
            {
                (exactly, one_by_one) = (selector == b"EXACTLY", order == b"OBO");
                match std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()) {
                    Some(number @ 1usize..) => count = number,
                    _ => mistakes.push("ERR count should be greater than 0"),
                }
            }
            _ => mistakes.push(SYNTAX),
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let (source, target) = (line[1].clone(), line[2].clone());
        Ok(Plan { source, target, from_left, to_left, count, exactly, one_by_one })
    }

    /// What would be moved, one after the other from its end; none if nothing can be.
    fn popped(&self, plan: &Plan) -> Option<Vec<Vec<u8>>> {
        let list = self.lists.get(&plan.source)?;
        if plan.exactly && list.len() < plan.count {
            return None;
        }
        let some = list.iter().take(plan.count.min(list.len()));
        Some(match plan.from_left {
            true => some.cloned().collect(),
            false => list.iter().rev().take(plan.count).cloned().collect(),
        })
    }
}

fn moved(dice: &mut Dice) -> Words {
    let blocks = dice.percent(30);
    let key =
        |dice: &mut Dice| text(if dice.percent(4) { WRONG } else { dice.pick::<&str>(&KEYS) });
    let side = |dice: &mut Dice| {
        let side = *dice.pick(&["LEFT", "RIGHT"]);
        cased(dice, side.as_bytes())
    };
    let mut line = vec![cased(dice, if blocks { b"BLMOVEM" } else { b"LMOVEM" })];
    line.extend([key(dice), key(dice), side(dice), side(dice)]);
    if blocks {
        let timeout = if dice.percent(6) { *dice.pick(&["-1", "x", ""]) } else { "0.5" };
        line.push(text(timeout));
    }
    if dice.percent(80) {
        let selector = *dice.pick(&["COUNT", "EXACTLY"]);
        line.push(cased(dice, selector.as_bytes()));
        line.push(match dice.below(20) {
            0 => text(dice.pick::<&str>(&["0", "-1", "x", "", "1.5"])),
            1 => text("9223372036854775807"),
            _ => (1 + dice.below(6)).to_string().into_bytes(),
        });
        let order = *dice.pick(&["OBO", "BULK"]);
        line.push(cased(dice, order.as_bytes()));
    }
    match dice.below(40) {
        0 => drop(line.pop()),
        1 => line.push(text("OBO")),
        2 => line[3] = text("MIDDLE"),
        _ => {}
    }
    line
}
