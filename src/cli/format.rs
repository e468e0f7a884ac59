//! How answers are shown: for people, for programs, as CSV and as JSON, each as redis-cli does it.

use super::options::{Options, Output};
use super::reply::Reply;
use crate::base::bytes::{self, quote};

/// An answer as it is printed, with whatever ends it.
pub fn shown(reply: &Reply, options: &Options, as_it_is: bool) -> Vec<u8> {
    let mut out = Vec::new();
    match options.output {
        // What was made to be read is read best without quotes.
        Output::Pretty | Output::Raw if as_it_is => {
            raw(reply, &options.item_delimiter, &mut out);
            return out;
        }
        Output::Pretty => pretty(reply, "", &mut out),
        Output::Raw => {
            raw(reply, &options.item_delimiter, &mut out);
            out.extend_from_slice(&options.answer_delimiter);
        }
        Output::Csv => {
            csv(reply, &mut out);
            out.push(b'\n');
        }
        Output::Json | Output::QuotedJson => {
            json(reply, options.output == Output::QuotedJson, &mut out);
            out.push(b'\n');
        }
    }
    out
}

/// The same of what nobody asked for. Keys of which a copy has become stale are told to people in a line.
pub fn pushed(reply: &Reply, options: &Options) -> Vec<u8> {
    if let (Output::Pretty, Reply::Push(parts)) = (options.output, reply)
        && let [name, Reply::Array(keys)] = parts.as_slice()
        && name.text() == b"invalidate"
    {
        let mut out = b"-> invalidate: ".to_vec();
        joined(keys, b", ", &mut out, |key, out| out.extend([b"'", key.text(), b"'"].concat()));
        out.push(b'\n');
        return out;
    }
    shown(reply, options, false)
}

fn pretty(reply: &Reply, indent: &str, out: &mut Vec<u8>) {
    match reply {
        Reply::Status(text) | Reply::Verbatim(text) => out.extend_from_slice(text),
        Reply::Error(text) => out.extend([b"(error) ", text.as_slice()].concat()),
        Reply::Integer(text) => out.extend([b"(integer) ", text.as_slice()].concat()),
        Reply::Double(text) => out.extend([b"(double) ", text.as_slice()].concat()),
        Reply::Big(text) => out.extend([b"(big number) ", text.as_slice()].concat()),
        Reply::Nil => out.extend(b"(nil)"),
        Reply::Switch(on) => out.extend(if *on { b"(true)".as_slice() } else { b"(false)" }),
        Reply::Text(text) => quote(text, out),
        Reply::Array(items) if items.is_empty() => out.extend(b"(empty array)"),
        Reply::Set(items) if items.is_empty() => out.extend(b"(empty set)"),
        Reply::Map(pairs) if pairs.is_empty() => out.extend(b"(empty hash)"),
        Reply::Push(items) if items.is_empty() => out.extend(b"(empty push)"),
        Reply::Array(items) | Reply::Push(items) => return pretty_list(items, ')', indent, out),
        Reply::Set(items) => return pretty_list(items, '~', indent, out),
        Reply::Map(pairs) => return pretty_map(pairs, indent, out),
    }
    out.push(b'\n');
}

fn pretty_list(items: &[Reply], mark: char, indent: &str, out: &mut Vec<u8>) {
    let (width, inner) = indents(items.len(), indent);
    for (at, item) in items.iter().enumerate() {
        put_number(at, width, mark, indent, out);
        pretty(item, &inner, out);
    }
}

fn pretty_map(pairs: &[(Reply, Reply)], indent: &str, out: &mut Vec<u8>) {
    let (width, inner) = indents(pairs.len(), indent);
    for (at, (key, value)) in pairs.iter().enumerate() {
        put_number(at, width, '#', indent, out);
        pretty(key, &inner, out);
        out.pop();
        out.extend(b" => ");
        let mut shown = Vec::new();
        pretty(value, &inner, &mut shown);
        if shown.iter().filter(|byte| **byte == b'\n').count() > 1 {
            out.push(b'\n');
            out.extend_from_slice(inner.as_bytes());
        }
        out.extend_from_slice(&shown);
    }
}

/// How wide the numbers are, and what stands before the lines of an item behind its first.
fn indents(items: usize, indent: &str) -> (usize, String) {
    let width = items.to_string().len();
    (width, format!("{indent}{:1$}", "", width + 2))
}

/// The first number stands on the line that was begun already.
fn put_number(at: usize, width: usize, mark: char, indent: &str, out: &mut Vec<u8>) {
    let indent = if at > 0 { indent } else { "" };
    out.extend_from_slice(format!("{indent}{:>width$}{mark} ", at + 1).as_bytes());
}

fn raw(reply: &Reply, delimiter: &[u8], out: &mut Vec<u8>) {
    match reply {
        Reply::Nil => (),
        Reply::Error(text) => {
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        Reply::Switch(on) => out.extend(if *on { b"(true)".as_slice() } else { b"(false)" }),
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => {
            joined(items, delimiter, out, |item, out| raw(item, delimiter, out))
        }
        Reply::Map(pairs) => joined(pairs, delimiter, out, |(key, value), out| {
            raw(key, delimiter, out);
            out.push(b' ');
            raw(value, delimiter, out);
        }),
        text => out.extend_from_slice(text.text()),
    }
}

fn csv(reply: &Reply, out: &mut Vec<u8>) {
    match reply {
        Reply::Nil => out.extend(b"NULL"),
        Reply::Error(text) => {
            out.extend(b"ERROR,");
            quote(text, out);
        }
        Reply::Integer(text) | Reply::Double(text) | Reply::Big(text) => {
            out.extend_from_slice(text)
        }
        Reply::Switch(on) => out.extend_from_slice(on.to_string().as_bytes()),
        Reply::Status(text) | Reply::Text(text) | Reply::Verbatim(text) => quote(text, out),
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => {
            joined(items, b",", out, csv)
        }
        Reply::Map(pairs) => joined(pairs, b",", out, |(key, value), out| {
            csv(key, out);
            out.push(b',');
            csv(value, out);
        }),
    }
}

fn json(reply: &Reply, ascii: bool, out: &mut Vec<u8>) {
    match reply {
        Reply::Nil => out.extend(b"null"),
        Reply::Error(text) => {
            out.extend(b"error:");
            json_text(text, ascii, out);
        }
        Reply::Integer(text) | Reply::Double(text) | Reply::Big(text) => {
            out.extend_from_slice(text)
        }
        Reply::Switch(on) => out.extend_from_slice(on.to_string().as_bytes()),
        Reply::Status(text) | Reply::Text(text) | Reply::Verbatim(text) => {
            json_text(text, ascii, out)
        }
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => {
            out.push(b'[');
            joined(items, b",", out, |item, out| json(item, ascii, out));
            out.push(b']');
        }
        Reply::Map(pairs) => {
            out.push(b'{');
            joined(pairs, b",", out, |(key, value), out| {
                // The names in an object are strings, whatever they were.
                match key {
                    Reply::Status(_) | Reply::Text(_) | Reply::Verbatim(_) => json(key, ascii, out),
                    _ => {
                        out.push(b'"');
                        json(key, ascii, out);
                        out.push(b'"');
                    }
                }
                out.push(b':');
                json(value, ascii, out);
            });
            out.push(b'}');
        }
    }
}

/// Appends all items, with something between them.
fn joined<T>(items: &[T], between: &[u8], out: &mut Vec<u8>, each: impl Fn(&T, &mut Vec<u8>)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(between);
        }
        each(item, out);
    }
}

fn json_text(text: &[u8], ascii: bool, out: &mut Vec<u8>) {
    if ascii {
        let mut quoted = Vec::new();
        quote(text, &mut quoted);
        for byte in quoted {
            if byte == b'\\' {
                out.push(b'\\');
            }
            out.push(byte);
        }
        return;
    }
    out.push(b'"');
    bytes::json_text(text, out);
    out.push(b'"');
}
