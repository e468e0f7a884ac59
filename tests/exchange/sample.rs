//! What is exchanged: values of every type and form, as commands that make them and as we hold them.

use russet::data::hash::Hash;
use russet::data::limits::{ListLimits, PackedLimits, SetLimits, StreamLimits};
use russet::data::list::{End, List};
use russet::data::set::Set;
use russet::data::stream::{Delivery, Id, Stream};
use russet::data::string::Text;
use russet::data::zset::ZSet;
use russet::data::{Mortal, Value};
use russet::world::Millis;

use crate::support::dice::Dice;

pub type Line = Vec<Vec<u8>>;

pub struct Sample {
    pub name: String,
    /// KEY stands for the key.
    lines: Vec<Line>,
    pub value: Value,
    /// Fields have deadlines.
    pub is_mortal: bool,
}

const SMALL: PackedLimits = PackedLimits { entries: 128, value: 64, seed: 7 };
/// As many words as a command has at the most.
const WORDS: usize = 1000;
/// A time that has not come: in the year 2096.
const LATER: i64 = 4_000_000_000_000;

impl Sample {
    fn new(name: &str, lines: Vec<Line>, value: Value) -> Sample {
        Sample { name: name.into(), lines, value, is_mortal: false }
    }

    /// The commands that make the value at a key.
    pub fn lines(&self, key: &str) -> Vec<Line> {
        let word = |word: &Vec<u8>| if word == b"KEY" { key.into() } else { word.clone() };
        self.lines.iter().map(|line| line.iter().map(word).collect()).collect()
    }
}

/// All of them.
pub fn samples() -> Vec<Sample> {
    let mut all = Vec::new();
    texts(&mut all);
    lists(&mut all);
    sets(&mut all);
    zsets(&mut all);
    hashes(&mut all);
    streams(&mut all);
    all
}

fn line(words: &[&str]) -> Line {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A command with many words behind its key, in as many lines as it takes.
fn lines(verb: &str, words: &[Vec<u8>]) -> Vec<Line> {
    let chunks = words.chunks(WORDS);
    chunks.map(|chunk| [&line(&[verb, "KEY"])[..], chunk].concat()).collect()
}

fn numbered(name: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("{name}{number}").into_bytes()).collect()
}

fn random(len: usize) -> Vec<u8> {
    let mut dice = Dice::seeded(len as u64, 0);
    (0..len).map(|_| dice.below(256) as u8).collect()
}

fn texts(all: &mut Vec<Sample>) {
    let numbers = ["0", "-1", "127", "128", "-129", "32768", "-2147483648", "2147483648", "1e3"];
    let mut texts: Vec<Vec<u8>> = numbers.iter().map(|number| number.as_bytes().to_vec()).collect();
    texts.extend([b"".to_vec(), b"9223372036854775807".to_vec(), b"-0".to_vec(), b"007".to_vec()]);
    texts.extend([63, 64, 16_383, 16_384].map(random));
    texts.extend([
        vec![b'x'; 100],
        b"abcdefgh".repeat(10_000),
        vec![b'z'; 5 << 20],
        random(100_000),
    ]);
    for (number, text) in texts.into_iter().enumerate() {
        let set = [line(&["SET", "KEY"]), vec![text.clone()]].concat();
        all.push(Sample::new(&format!("string {number}"), vec![set], Value::Text(text)));
    }
}

fn lists(all: &mut Vec<Sample>) {
    let integers =
        [0, 127, 128, -1, -4096, 4095, 4096, -32_769, 8_388_608, -2_147_483_649, i64::MIN];
    let mut mixed: Vec<Vec<u8>> =
        integers.map(|number: i64| number.to_string().into_bytes()).into();
    mixed.extend([b"".to_vec(), random(63), random(64), random(200)]);
    let large = vec![random(9_000), b"small".to_vec(), vec![b'x'; 100_000], b"8".to_vec()];
    for (name, items) in [
        ("list", mixed),
        ("list of 5000", numbered("item", 5_000)),
        ("list of 4095 and more bytes", vec![random(4_095), random(4_096)]),
        ("list with large items", large),
    ] {
        let mut list = List::default();
        list.push(End::Right, items.iter().map(|item| item.as_slice()), &ListLimits::default());
        all.push(Sample::new(name, lines("RPUSH", &items), Value::List(list)));
    }
}

fn sets(all: &mut Vec<Sample>) {
    let integers = |numbers: &[i64]| numbers.iter().map(|it| it.to_string().into_bytes()).collect();
    let many: Vec<i64> = (-1000..1000).collect();
    let limits = SetLimits { intset_entries: 512, packed: SMALL };
    for (name, members) in [
        ("integers of 16 bits", integers(&[1, -2, 300])),
        ("integers of 32 bits", integers(&[1, -2, 70_000])),
        ("integers of 64 bits", integers(&[1, -2, 1 << 40, i64::MIN])),
        ("many integers", integers(&many)),
        ("set", vec![b"a".to_vec(), b"".to_vec(), b"5".to_vec(), random(60)]),
        ("set with a long member", vec![b"a".to_vec(), random(65)]),
        ("set of 3000", numbered("member", 3_000)),
    ] {
        let mut set = Set::default();
        set.begin_with(Text::Bytes(&members[0]), members.len(), &limits);
        for member in &members {
            set.insert(Text::Bytes(member), &limits);
        }
        all.push(Sample::new(name, lines("SADD", &members), Value::Set(set)));
    }
}

fn zsets(all: &mut Vec<Sample>) {
    let special = [
        (f64::NEG_INFINITY, "a"),
        (-1.5, "b"),
        (0.0, "c"),
        (0.1, "d"),
        (3.0, "17"),
        (1e300, "e"),
        (9_007_199_254_740_993.0, "f"),
        (f64::INFINITY, "g"),
        (f64::INFINITY, "h"),
    ];
    let special = special.map(|(score, member)| (score, member.as_bytes().to_vec())).to_vec();
    let mut dice = Dice::seeded(1, 1);
    let mut score = || (dice.next() >> 11) as f64 / (1u64 << 40) as f64 - 1000.0;
    let many = numbered("member", 3_000).into_iter().map(|member| (score(), member)).collect();
    let long = vec![(1.0, random(65)), (-0.25, b"x".to_vec())];
    for (name, members) in [
        ("sorted set", special),
        ("sorted set of 3000", many),
        ("sorted set with a long member", long),
    ] {
        let mut set = ZSet::default();
        members.iter().for_each(|(score, member): &(f64, Vec<u8>)| set.set(member, *score, SMALL));
        let words: Vec<Vec<u8>> = members
            .iter()
            .flat_map(|(score, member)| [format!("{score:?}").into_bytes(), member.clone()])
            .collect();
        all.push(Sample::new(name, lines("ZADD", &words), Value::ZSet(set)));
    }
}

fn hashes(all: &mut Vec<Sample>) {
    let pairs = |count: usize| -> Vec<Vec<u8>> {
        let values = (0..count).map(|number| format!("value {number}").repeat(2).into_bytes());
        numbered("field", count)
            .into_iter()
            .zip(values)
            .flat_map(|(field, value)| [field, value])
            .collect()
    };
    let long = vec![b"f".to_vec(), random(65), b"17".to_vec(), b"-3".to_vec()];
    let samples =
        [("hash", pairs(20)), ("hash with a long value", long), ("hash of 3000", pairs(3_000))];
    for (name, words) in samples {
        for is_mortal in [false, true] {
            let mut hash = Hash::default();
            for pair in words.chunks(2) {
                hash.set(&pair[0], &pair[1], SMALL);
            }
            let mut lines = lines("HSET", &words);
            if is_mortal {
                for (number, pair) in
                    words.chunks(2).enumerate().filter(|(number, _)| number % 3 == 0)
                {
                    let at = LATER - number as i64 * 1_000;
                    hash.set_deadline(&pair[0], Some(Millis(at)), 7);
                    let words = ["HPEXPIREAT", "KEY", &at.to_string(), "FIELDS", "1"];
                    lines.push([line(&words), vec![pair[0].clone()]].concat());
                }
            }
            let name = if is_mortal { format!("mortal {name}") } else { name.into() };
            all.push(Sample { is_mortal, ..Sample::new(&name, lines, Value::Hash(hash)) });
        }
    }
}

fn streams(all: &mut Vec<Sample>) {
    let limits = StreamLimits::default();
    for (name, count) in [("stream without entries", 0), ("stream", 3), ("stream of 1000", 1_000)] {
        let (mut lines, mut stream) = (Vec::new(), Stream::default());
        for number in 1..=count {
            let id = Id::new(1_000_000 + number / 3 * 100, number);
            let value = "v".repeat(number as usize % 40);
            let fields = match number % 7 {
                3 => vec!["other".into(), number.to_string()],
                _ => vec!["field".into(), number.to_string(), "text".into(), value],
            };
            let words: Vec<&str> = fields.iter().map(String::as_str).collect();
            lines.push(line(&[&["XADD", "KEY", &id.to_string()], &words[..]].concat()));
            stream.add(id, words.iter().map(|word| word.as_bytes()), &limits).unwrap();
        }
        lines.push(line(&["XGROUP", "CREATE", "KEY", "all", "0", "MKSTREAM"]));
        lines.push(line(&["XGROUP", "CREATE", "KEY", "new", "$"]));
        stream.create_group(b"all", Id::MIN, None);
        stream.create_group(b"new", stream.last_id(), None);
        lines.push(line(&["XGROUP", "CREATECONSUMER", "KEY", "all", "idle"]));
        stream.group_mut(b"all").unwrap().admit(b"idle", 1).unwrap();
        for (consumer, most) in [("alice", 2), ("bob", 200)].into_iter().filter(|_| count > 2) {
            let most_text = most.to_string();
            lines.push(line(&[
                "XREADGROUP",
                "GROUP",
                "all",
                consumer,
                "COUNT",
                &most_text,
                "STREAMS",
                "KEY",
                ">",
            ]));
            let (to, _) = stream.group_mut(b"all").unwrap().admit(consumer.as_bytes(), 1).unwrap();
            let how = Delivery { to, most, now_ms: 1, forgets: false };
            stream.deliver(b"all", how, |_| true, |_, _| ());
        }
        for number in [1, 2, 500].into_iter().filter(|number| *number < count) {
            let id = Id::new(1_000_000 + number / 3 * 100, number);
            lines.push(line(&["XDEL", "KEY", &id.to_string()]));
            assert!(stream.delete(id));
        }
        all.push(Sample::new(name, lines, Value::Stream(Box::new(stream))));
    }
}
