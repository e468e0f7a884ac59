//! The parser on pipelines of 64 requests, as they lie in the read buffer. What it says per second
//! are requests.

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use russet::resp::args::Span;
use russet::resp::parse::{Bounds, Parsed, Parser};

const REQUESTS: usize = 64;
const BOUNDS: Bounds = Bounds { authenticated: true, bulk_len_max: 512 << 20 };

fn pipeline(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..REQUESTS {
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    bytes
}

fn parse(parser: &mut Parser, buffer: &[u8], spans: &mut Vec<Span>) -> usize {
    let (mut at, mut requests) = (0, 0);
    spans.clear();
    while let Ok(Parsed::Request { end } | Parsed::Inline { end, .. }) =
        parser.next(buffer, at, BOUNDS, spans)
    {
        at = end;
        requests += 1;
    }
    requests
}

fn requests(criterion: &mut Criterion) {
    let value = "x".repeat(1024);
    let mut fields = vec!["HSET", "user:000000000042"];
    fields.extend(["field", "a value"].repeat(20));
    let cases = [
        ("PING", pipeline(&["PING"])),
        ("GET", pipeline(&["GET", "key:000000000042"])),
        ("SET of 3 bytes", pipeline(&["SET", "key:000000000042", "xxx"])),
        ("SET of 1 KiB", pipeline(&["SET", "key:000000000042", &value])),
        ("HSET of 20 fields", pipeline(&fields)),
        ("inline GET", "GET key:000000000042\r\n".repeat(REQUESTS).into_bytes()),
    ];
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for (name, buffer) in &cases {
        let (mut parser, mut spans) = (Parser::default(), Vec::new());
        assert_eq!(parse(&mut parser, buffer, &mut spans), REQUESTS);
        group.bench_function(*name, |it| it.iter(|| parse(&mut parser, buffer, &mut spans)));
    }
}

criterion_group!(name = benches; config = common::criterion(); targets = requests);
criterion_main!(benches);
