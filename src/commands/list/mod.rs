//! Lists: pushed and popped at both ends, read and changed in between.

pub mod blocking;
pub mod ends;
pub mod items;
pub mod moves;

use crate::data::list::End;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::Word;

const fn pushed(end: End) -> Event {
    match end {
        End::Left => Event::list("lpush"),
        End::Right => Event::list("rpush"),
    }
}

const fn popped(end: End) -> Event {
    match end {
        End::Left => Event::list("lpop"),
        End::Right => Event::list("rpop"),
    }
}

/// The command that pops at an end.
const fn pop_name(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPOP",
        End::Right => b"RPOP",
    }
}

fn end_of(word: &[u8]) -> Result<End, Error> {
    match &*Word::new(word) {
        b"LEFT" => Ok(End::Left),
        b"RIGHT" => Ok(End::Right),
        _ => Err(Error::Syntax),
    }
}
