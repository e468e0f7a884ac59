//! Geo: places as members of a sorted set, by their distance from one another.
//!
//! A geo index is a sorted set whose scores are places, and nothing else: every command of sorted sets
//! works on it, and these commands take any score for a place.

mod search;

use super::zset::add;
use crate::data::geo::{self, Point};
use crate::data::zset::{Rule, ZSet};
use crate::engine::command::{read, write};
use crate::engine::{Ctx, Family};
use crate::error::Error;
use crate::keyspace::Lent;
use crate::resp::{Args, Cursor, Done, List, Reply};
use crate::spec::{
    Access, Arg, Begin, C_GEO, DENYOOM, Group, K_ACCESS, K_UPDATE, KeySpec, MOVABLEKEYS, block,
    double, integer, key, key_at, one_of, string, token,
};
use smallvec::SmallVec;

const UNIT: Arg = one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]);
const ORDER: Arg = one_of("order", &[token("ASC"), token("DESC")]).optional();
const COUNT: Arg = block(
    "count-block",
    &[integer("count").after("COUNT"), token("ANY").optional().since("6.2.0")],
)
.optional();
const WITH_COORD: Arg = token("WITHCOORD").optional();
const WITH_DIST: Arg = token("WITHDIST").optional();
const WITH_HASH: Arg = token("WITHHASH").optional();
const STORE: Arg = one_of(
    "store",
    &[
        key("storekey").after("STORE").shown("key"),
        key("storedistkey").after("STOREDIST").shown("key"),
    ],
)
.optional();
const FROM: Arg = one_of(
    "from",
    &[
        string("member").after("FROMMEMBER"),
        block("fromlonlat", &[double("longitude"), double("latitude")]).after("FROMLONLAT"),
    ],
)
.optional();
const BY: Arg = one_of(
    "by",
    &[
        block("circle", &[double("radius").after("BYRADIUS"), UNIT]),
        block("box", &[double("width").after("BYBOX"), double("height"), UNIT]),
        block(
            "polygon",
            &[
                integer("num-vertices").after("BYPOLYGON"),
                block("vertices", &[double("longitude"), double("latitude")]).repeats(),
            ],
        ),
    ],
);

const IN_CIRCLE: &str = "O(N + log M), for N members around the circle and M in the index";
const IN_SHAPE: &str = "O(N + log M), for N members around the shape and M in the index";

/// The key behind a word, which is looked for from an index on.
const fn key_behind(word: &'static str, from: i16) -> KeySpec {
    KeySpec { begin: Begin::Keyword(word, from), ..key_at(0, Access::Overwrite, K_UPDATE) }
}

pub const FAMILY: Family = Family {
    group: Group::Geo,
    commands: &[
        write("GEOADD", geoadd)
            .arity(-5)
            .flags(DENYOOM)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::ReadWrite, K_UPDATE)])
            .since("3.2.0")
            .complexity("O(log N) for each member, N being the number of members.")
            .summary("Adds members to a geo index, or moves them.")
            .args(&[
                key("key"),
                one_of("condition", &[token("NX"), token("XX")]).optional().since("6.2.0"),
                token("CH").named("change").optional().since("6.2.0"),
                block("data", &[double("longitude"), double("latitude"), string("member")])
                    .repeats(),
            ]),
        read("GEODIST", geodist)
            .arity(-4)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("3.2.0")
            .complexity("O(1)")
            .summary("Returns the distance between two members of a geo index.")
            .args(&[key("key"), string("member1"), string("member2"), UNIT.optional()]),
        read("GEOHASH", geohash)
            .arity(-2)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("3.2.0")
            .complexity("O(1) for each member.")
            .summary("Returns the places of members as geohashes.")
            .args(&[key("key"), string("member").optional().repeats()]),
        read("GEOPOS", geopos)
            .arity(-2)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("3.2.0")
            .complexity("O(1) for each member.")
            .summary("Returns the longitude and latitude of members.")
            .args(&[key("key"), string("member").optional().repeats()]),
        write("GEORADIUS", search::georadius)
            .arity(-6)
            .flags(DENYOOM | MOVABLEKEYS)
            .categories(C_GEO)
            .keys(&[
                key_at(1, Access::ReadOnly, K_ACCESS),
                key_behind("STORE", 6),
                key_behind("STOREDIST", 6),
            ])
            .since("3.2.0")
            .complexity(IN_CIRCLE)
            .summary("Finds, or stores, the members in a circle around a place.")
            .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")
            .args(&[
                key("key"),
                double("longitude"),
                double("latitude"),
                double("radius"),
                UNIT,
                WITH_COORD,
                WITH_DIST,
                WITH_HASH,
                COUNT,
                ORDER,
                STORE,
            ]),
        write("GEORADIUSBYMEMBER", search::georadiusbymember)
            .arity(-5)
            .flags(DENYOOM | MOVABLEKEYS)
            .categories(C_GEO)
            .keys(&[
                key_at(1, Access::ReadOnly, K_ACCESS),
                key_behind("STORE", 5),
                key_behind("STOREDIST", 5),
            ])
            .since("3.2.0")
            .complexity(IN_CIRCLE)
            .summary("Finds, or stores, the members in a circle around a member.")
            .deprecated(
                "6.2.0",
                "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
            )
            .args(&[
                key("key"),
                string("member"),
                double("radius"),
                UNIT,
                WITH_COORD,
                WITH_DIST,
                WITH_HASH,
                COUNT,
                ORDER,
                STORE,
            ]),
        read("GEORADIUSBYMEMBER_RO", search::georadiusbymember_ro)
            .arity(-5)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("3.2.10")
            .complexity(IN_CIRCLE)
            .summary("Finds the members in a circle around a member.")
            .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")
            .args(&[
                key("key"),
                string("member"),
                double("radius"),
                UNIT,
                WITH_COORD,
                WITH_DIST,
                WITH_HASH,
                COUNT,
                ORDER,
            ]),
        read("GEORADIUS_RO", search::georadius_ro)
            .arity(-6)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("3.2.10")
            .complexity(IN_CIRCLE)
            .summary("Finds the members in a circle around a place.")
            .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")
            .args(&[
                key("key"),
                double("longitude"),
                double("latitude"),
                double("radius"),
                UNIT,
                WITH_COORD,
                WITH_DIST,
                WITH_HASH,
                COUNT,
                ORDER,
            ]),
        read("GEOSEARCH", search::geosearch)
            .arity(-7)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity(IN_SHAPE)
            .summary("Finds the members in a circle, a box or a polygon.")
            .args(&[key("key"), FROM, BY, ORDER, COUNT, WITH_COORD, WITH_DIST, WITH_HASH]),
        write("GEOSEARCHSTORE", search::geosearchstore)
            .arity(-8)
            .flags(DENYOOM)
            .categories(C_GEO)
            .keys(&[key_at(1, Access::Overwrite, K_UPDATE), key_at(2, Access::ReadOnly, K_ACCESS)])
            .since("6.2.0")
            .complexity(IN_SHAPE)
            .summary("Stores the members in a circle, a box or a polygon.")
            .args(&[
                key("destination"),
                key("source"),
                FROM,
                BY,
                ORDER,
                COUNT,
                token("STOREDIST").optional(),
            ]),
    ],
};

fn geoadd(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut rule = Rule::default();
    let mut count_updates = false;
    let mut words = args.after(1);
    while let Some(word) = words.word() {
        match &*word {
            b"NX" => rule.new_only = true,
            b"XX" => rule.known_only = true,
            b"CH" => count_updates = true,
            _ => break,
        }
        words.skip();
    }
    let places = args.tail(words.index());
    let has_both = rule.new_only && rule.known_only;
    if has_both || places.is_empty() || !places.len().is_multiple_of(3) {
        return Err(Error::Syntax.into());
    }
    let mut scores = SmallVec::<[f64; 4]>::new();
    while words.left() > 0 {
        scores.push(geo::score_of(point(&mut words)?));
        words.skip();
    }
    let members = places.iter().skip(2).step_by(3);
    add::put(cx, args.get(1), &scores, members, (rule, count_updates), out)
}

fn geodist(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let unit = match args.len() {
        4 => 1.0,
        5 => unit(args.get(4))?,
        _ => return Err(Error::Syntax.into()),
    };
    let Some(set) = cx.read::<ZSet>(args.get(1))? else { return out.null() };
    match (place(&set, args.get(2)), place(&set, args.get(3))) {
        (Some(from), Some(to)) => out.bulk(&distance_text(geo::distance(from, to) / unit)),
        _ => out.null(),
    }
}

fn geohash(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<ZSet>(args.get(1))?;
    let mut list = out.list(args.len() - 2);
    for member in args.tail(2).iter() {
        match set.as_ref().and_then(|set| place(set, member)) {
            Some(point) => list.bulk(&geo::text_of(point)),
            None => list.null(),
        }
    }
    list.end()
}

fn geopos(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<ZSet>(args.get(1))?;
    let mut list = out.list(args.len() - 2);
    for member in args.tail(2).iter() {
        match set.as_ref().and_then(|set| place(set, member)) {
            Some(point) => coordinates(&mut list, point),
            None => list.null_array(),
        }
    }
    list.end()
}

/// Where a member is.
fn place(set: &Lent<ZSet>, member: &[u8]) -> Option<Point> {
    set.score(member).map(geo::point_of)
}

/// Reads longitude and latitude.
fn point(words: &mut Cursor) -> Result<Point, Error> {
    let point = Point { longitude: words.float()?, latitude: words.float()? };
    if !point.is_on_the_map() {
        let Point { longitude, latitude } = point;
        let text = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
        return Err(Error::text(text));
    }
    Ok(point)
}

/// How many metres a unit has.
fn unit(name: &[u8]) -> Result<f64, Error> {
    match &*name.to_ascii_lowercase() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(Error::Say("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

fn coordinates(list: &mut List, point: Point) {
    let mut pair = list.list(2);
    pair.double(point.longitude);
    pair.double(point.latitude);
    pair.close();
}

/// A distance with four decimals.
fn distance_text(distance: f64) -> Vec<u8> {
    let units = (distance * 10_000.0).round_ties_even() as u64;
    let mut text = itoa::Buffer::new().format(units / 10_000).as_bytes().to_vec();
    let decimals = units % 10_000 + 10_000;
    text.push(b'.');
    text.extend_from_slice(&itoa::Buffer::new().format(decimals).as_bytes()[1..]);
    text
}
