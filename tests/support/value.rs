//! A reply as a tree, for RESP2 and RESP3 alike, shown the way redis-cli shows it.
//!
//! Every wire type keeps a variant of its own, so that `$-1`, `*-1` and `_` are three different
//! values although a person reads `(nil)` three times: clients tell them apart, and so must tests.

use std::fmt;

#[derive(Clone, Debug)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    BlobError(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    Null,
    /// The text as it was sent, because `1.10` and `1.1` are different replies.
    Double(Vec<u8>),
    Bool(bool),
    BigNumber(Vec<u8>),
    Verbatim {
        format: Vec<u8>,
        text: Vec<u8>,
    },
    Array(Vec<Value>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// What came ahead of a reply, and the reply.
    Attribute(Vec<(Value, Value)>, Box<Value>),
}

impl Value {
    pub fn simple(text: &str) -> Value {
        Value::Simple(text.into())
    }

    pub fn bulk(text: impl AsRef<[u8]>) -> Value {
        Value::Bulk(text.as_ref().to_vec())
    }

    pub fn error(text: &str) -> Value {
        Value::Error(text.into())
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_) | Value::BlobError(_))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::NullBulk | Value::NullArray | Value::Null)
    }

    /// The bytes of any reply that is text.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text)
            | Value::Error(text)
            | Value::BlobError(text)
            | Value::Bulk(text)
            | Value::Double(text)
            | Value::BigNumber(text)
            | Value::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The elements of any reply that is a row of values; not of a map, which has pairs.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a map, or of the flat array that stands for one in RESP2.
    pub fn pairs(&self) -> Option<Vec<(&Value, &Value)>> {
        match self {
            Value::Map(pairs) => Some(pairs.iter().map(|(key, value)| (key, value)).collect()),
            Value::Array(items) if items.len() % 2 == 0 => {
                Some(items.chunks(2).map(|pair| (&pair[0], &pair[1])).collect())
            }
            _ => None,
        }
    }

    /// The wire type in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Simple(_) => "simple string",
            Value::Error(_) => "error",
            Value::BlobError(_) => "blob error",
            Value::Int(_) => "integer",
            Value::Bulk(_) => "bulk string",
            Value::NullBulk => "null bulk string",
            Value::NullArray => "null array",
            Value::Null => "null",
            Value::Double(_) => "double",
            Value::Bool(_) => "boolean",
            Value::BigNumber(_) => "big number",
            Value::Verbatim { .. } => "verbatim string",
            Value::Array(_) => "array",
            Value::Set(_) => "set",
            Value::Push(_) => "push",
            Value::Map(_) => "map",
            Value::Attribute(..) => "attribute",
        }
    }

    /// The same reply with its rows and maps in one order, for replies whose order means nothing.
    pub fn sorted(&self) -> Value {
        let row = |items: &[Value]| {
            let mut items: Vec<Value> = items.iter().map(Value::sorted).collect();
            items.sort_by_cached_key(|item| format!("{} {item}", item.kind()));
            items
        };
        match self {
            Value::Array(items) => Value::Array(row(items)),
            Value::Set(items) => Value::Set(row(items)),
            Value::Push(items) => Value::Push(row(items)),
            Value::Map(pairs) => {
                let mut pairs: Vec<(Value, Value)> =
                    pairs.iter().map(|(key, value)| (key.sorted(), value.sorted())).collect();
                pairs.sort_by_cached_key(|(key, value)| format!("{key} {value}"));
                Value::Map(pairs)
            }
            other => other.clone(),
        }
    }

    fn show(&self, out: &mut fmt::Formatter, indent: usize) -> fmt::Result {
        match self {
            Value::Simple(text) | Value::BigNumber(text) | Value::Verbatim { text, .. } => {
                write!(out, "{}", String::from_utf8_lossy(text))
            }
            Value::Error(text) | Value::BlobError(text) => {
                write!(out, "(error) {}", String::from_utf8_lossy(text))
            }
            Value::Int(number) => write!(out, "(integer) {number}"),
            Value::Bulk(text) => write!(out, "{}", quoted(text)),
            Value::NullBulk | Value::NullArray | Value::Null => write!(out, "(nil)"),
            Value::Double(text) => write!(out, "(double) {}", String::from_utf8_lossy(text)),
            Value::Bool(truth) => write!(out, "({truth})"),
            Value::Array(items) => show_row(out, items, indent, ")", "(empty array)"),
            Value::Set(items) => show_row(out, items, indent, "~", "(empty set)"),
            Value::Push(items) => show_row(out, items, indent, ">", "(empty push)"),
            Value::Map(pairs) => show_map(out, pairs, indent),
            Value::Attribute(pairs, value) => {
                write!(out, "(attribute) ")?;
                show_map(out, pairs, indent + 12)?;
                write!(out, "\n{:indent$}", "")?;
                value.show(out, indent)
            }
        }
    }
}

/// Replies are equal when their bytes are: a double is compared as text, so a NaN equals itself.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        use Value::*;
        match (self, other) {
            (Simple(a), Simple(b))
            | (Error(a), Error(b))
            | (BlobError(a), BlobError(b))
            | (Bulk(a), Bulk(b))
            | (Double(a), Double(b))
            | (BigNumber(a), BigNumber(b)) => a == b,
            (Verbatim { format: f, text: a }, Verbatim { format: g, text: b }) => f == g && a == b,
            (Int(a), Int(b)) => a == b,
            (Bool(a), Bool(b)) => a == b,
            (NullBulk, NullBulk) | (NullArray, NullArray) | (Null, Null) => true,
            (Array(a), Array(b)) | (Set(a), Set(b)) | (Push(a), Push(b)) => a == b,
            (Map(a), Map(b)) => a == b,
            (Attribute(a, v), Attribute(b, w)) => a == b && v == w,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.show(out, 0)
    }
}

/// Bytes between double quotes, with redis-cli's escapes.
pub fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b' '..=b'~' => text.push(*byte as char),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text + "\""
}

/// A command line as a person would type it: words bare where that is unambiguous.
pub fn command_line<A: AsRef<[u8]>>(args: &[A]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
    let word = |arg: &A| match arg.as_ref() {
        bytes if !bytes.is_empty() && bytes.iter().all(plain) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        bytes => quoted(bytes),
    };
    args.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn show_row(
    out: &mut fmt::Formatter,
    items: &[Value],
    indent: usize,
    mark: &str,
    empty: &str,
) -> fmt::Result {
    if items.is_empty() {
        return write!(out, "{empty}");
    }
    let width = items.len().to_string().len();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            write!(out, "\n{:indent$}", "")?;
        }
        write!(out, "{:>width$}{mark} ", index + 1)?;
        item.show(out, indent + width + 2)?;
    }
    Ok(())
}

fn show_map(out: &mut fmt::Formatter, pairs: &[(Value, Value)], indent: usize) -> fmt::Result {
    if pairs.is_empty() {
        return write!(out, "(empty hash)");
    }
    let width = pairs.len().to_string().len();
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            write!(out, "\n{:indent$}", "")?;
        }
        write!(out, "{:>width$}# {key} => ", index + 1)?;
        value.show(out, indent + width + 2)?;
    }
    Ok(())
}
