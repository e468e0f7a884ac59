//! JSON to values.
//!
//! A table is put into the one around it when it begins and filled then, so that nothing waits and depth
//! is a list on the heap, not calls.

use super::settings::Settings;
use super::token::{Reader, Text, Token};
use crate::lua::libraries::args::Args;
use crate::lua::libraries::item::{self, Item};
use crate::lua::libraries::room::Room;
use mlua::{Result, Table, Value};
use std::sync::atomic::Ordering::Relaxed;

/// How deep tables may be nested whatever the setting says: each holds one of the interpreter's references.
const MAX_DEPTH: usize = 4000;

pub fn decode(args: &Args, settings: &Settings, marker: &Table) -> Result<Value> {
    if args.len() != 1 {
        return Err(args.bad(1, "expected 1 argument"));
    }
    let input = args.string(1)?;
    let input = input.as_bytes();
    // Two bytes, one of them zero, are the beginning of another encoding.
    if let [first, second, ..] = &*input
        && (*first == 0 || *second == 0)
    {
        return Err(args.error("JSON parser does not support UTF-16 or UTF-32"));
    }
    let reader = Reader::new(&input, settings.decode_invalid.load(Relaxed) != 0);
    let mark = (settings.mark_arrays.load(Relaxed) != 0).then_some(marker);
    let max_depth = settings.decode_max_depth.load(Relaxed) as usize;
    let room = Room::new(args.lua)?;
    Decoder { args, room, reader, mark, max_depth, open: Vec::new(), root: Value::Nil }.run()
}

struct Decoder<'a> {
    args: &'a Args<'a>,
    room: Room<'a>,
    reader: Reader<'a>,
    mark: Option<&'a Table>,
    max_depth: usize,
    open: Vec<Open>,
    root: Value,
}

/// A table that is being filled.
struct Open {
    table: Table,
    place: Place,
}

/// Where in the table the next value belongs.
enum Place {
    Index(u32),
    Key(Text),
}

impl Decoder<'_> {
    fn run(mut self) -> Result<Value> {
        let mut token = self.reader.next();
        // Each round reads one value, of which `token` is the beginning, and what closes behind it.
        loop {
            match token {
                Token::ObjectBegin => {
                    self.begin(Place::Key(Text::Empty))?;
                    token = self.reader.next();
                    if token != Token::ObjectEnd {
                        token = self.key(token)?;
                        continue;
                    }
                    self.open.pop();
                }
                Token::ArrayBegin => {
                    self.begin(Place::Index(1))?;
                    token = self.reader.next();
                    if token != Token::ArrayEnd {
                        continue;
                    }
                    self.open.pop();
                }
                _ => self.scalar(token)?,
            }
            match self.close()? {
                Some(next) => token = next,
                None => break,
            }
        }
        match self.reader.next() {
            Token::End => Ok(self.root),
            token => Err(self.unexpected("the end", token)),
        }
    }

    /// Closes the tables that end behind a value; the beginning of the next one, if any follows.
    fn close(&mut self) -> Result<Option<Token>> {
        while let Some(innermost) = self.open.last() {
            let is_array = matches!(innermost.place, Place::Index(_));
            match (is_array, self.reader.next()) {
                (true, Token::ArrayEnd) | (false, Token::ObjectEnd) => {
                    self.open.pop();
                }
                (true, Token::Comma) => return Ok(Some(self.reader.next())),
                (false, Token::Comma) => {
                    let token = self.reader.next();
                    return self.key(token).map(Some);
                }
                (true, token) => return Err(self.unexpected("comma or array end", token)),
                (false, token) => return Err(self.unexpected("comma or object end", token)),
            }
        }
        Ok(None)
    }

    /// A key and its colon; the beginning of its value.
    fn key(&mut self, token: Token) -> Result<Token> {
        if token != Token::Text {
            return Err(self.unexpected("object key string", token));
        }
        let key = self.reader.take_text();
        if let Some(innermost) = self.open.last_mut() {
            innermost.place = Place::Key(key);
        }
        match self.reader.next() {
            Token::Colon => Ok(self.reader.next()),
            token => Err(self.unexpected("colon", token)),
        }
    }

    fn begin(&mut self, place: Place) -> Result<()> {
        let depth = self.open.len() + 1;
        if depth > self.max_depth.min(MAX_DEPTH) {
            let at = self.reader.at;
            let text = format!("Found too many nested data structures ({depth}) at character {at}");
            return Err(self.args.error(&text));
        }
        self.room.take(0)?;
        let table = self.args.lua.create_table()?;
        if let (Some(mark), Place::Index(_)) = (self.mark, &place) {
            table.set_metatable(Some(mark.clone()))?;
        }
        match self.open.last_mut() {
            None => self.root = Value::Table(table.clone()),
            Some(outer) => {
                put(self.args, &self.reader, outer, &Item::Table(table.clone()))?;
            }
        }
        self.open.push(Open { table, place });
        Ok(())
    }

    fn scalar(&mut self, token: Token) -> Result<()> {
        let item = match token {
            Token::Text => {
                let text = self.reader.last_text();
                self.room.take(text.len())?;
                Item::Bytes(text)
            }
            Token::Number(number) => {
                self.room.take(0)?;
                Item::Number(number)
            }
            Token::Boolean(value) => Item::Boolean(value),
            Token::Null => Item::Null,
            token => return Err(self.unexpected("value", token)),
        };
        match self.open.last_mut() {
            None => self.root = item.into_value(self.args.lua)?,
            Some(innermost) => put(self.args, &self.reader, innermost, &item)?,
        }
        Ok(())
    }

    fn unexpected(&self, wanted: &str, found: Token) -> mlua::Error {
        let (found, at) = (found.name(), self.reader.start + 1);
        self.args.error(&format!("Expected {wanted} but found {found} at character {at}"))
    }
}

/// Puts a value where the next one belongs.
fn put(args: &Args, reader: &Reader, open: &mut Open, item: &Item) -> Result<()> {
    let key = match &mut open.place {
        Place::Index(index) => {
            *index += 1;
            Item::Number(f64::from(*index - 1))
        }
        Place::Key(text) => Item::Bytes(reader.resolve(text)),
    };
    item::set(args.lua, &open.table, &key, item)
}
