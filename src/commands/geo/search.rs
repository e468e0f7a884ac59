//! What lies near: GEOSEARCH and GEORADIUS with their relatives, as an answer or stored.
//!
//! The older commands say the place and the radius at fixed places, the newer ones in words; what may
//! follow is read alike.

use super::{coordinates, distance_text, place, point, unit};
use crate::data::geo::{self, Hit, Order, Point, Shape};
use crate::data::zset::ZSet;
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::{Event, Lent};
use crate::resp::{Args, Cursor, Done, Reply};

pub fn georadius(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    radius(cx, args, out, Start::Place, Dialect::Radius)
}

pub fn georadius_ro(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    radius(cx, args, out, Start::Place, Dialect::RadiusReadOnly)
}

pub fn georadiusbymember(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    radius(cx, args, out, Start::Member, Dialect::Radius)
}

pub fn georadiusbymember_ro(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    radius(cx, args, out, Start::Member, Dialect::RadiusReadOnly)
}

pub fn geosearch(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<ZSet>(args.get(1))?;
    let mut query = Query::default();
    query.read(&mut args.after(1), set.as_ref(), Dialect::Search)?;
    query.check(args, Dialect::Search)?;
    answer(set, &query, out)
}

pub fn geosearchstore(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let set = cx.read::<ZSet>(args.get(2))?;
    let mut query = Query { store: Some(args.get(1)), ..Query::default() };
    query.read(&mut args.after(2), set.as_ref(), Dialect::SearchStore)?;
    query.check(args, Dialect::SearchStore)?;
    store(cx, args.get(2), args.get(1), &query, Event::zset("geosearchstore"), out)
}

/// What the older commands begin with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Place,
    Member,
}

fn radius(cx: &mut Ctx, args: Args, out: Reply, start: Start, dialect: Dialect) -> Done {
    let set = cx.read::<ZSet>(args.get(1))?;
    let mut query = Query::default();
    let mut words = args.after(1);
    match (start, &set) {
        (Start::Place, _) => {
            query.centre = Some(point(&mut words)?);
            query.read_radius(&mut words)?;
        }
        // Nothing will be found, but what is wrong behind this is said.
        (Start::Member, None) => (0..3).for_each(|_| words.skip()),
        (Start::Member, Some(set)) => {
            query.centre = Some(place(set, words.bytes()?).ok_or(NO_MEMBER)?);
            query.read_radius(&mut words)?;
        }
    }
    query.read(&mut words, set.as_ref(), dialect)?;
    query.check(args, dialect)?;
    match query.store {
        None => answer(set, &query, out),
        Some(target) => store(cx, args.get(1), target, &query, Event::zset("georadiusstore"), out),
    }
}

/// Which words a command knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Radius,
    RadiusReadOnly,
    Search,
    SearchStore,
}

impl Dialect {
    fn is_search(self) -> bool {
        matches!(self, Dialect::Search | Dialect::SearchStore)
    }
}

const NO_MEMBER: Error = Error::Say("ERR could not decode requested zset member");

#[derive(Default)]
struct Query<'a> {
    centre: Option<Point>,
    shape: Option<Shape>,
    /// Metres.
    unit: f64,
    from_member: bool,
    from_place: bool,
    with_distance: bool,
    with_hash: bool,
    with_coordinates: bool,
    order: Option<Order>,
    count: Option<u64>,
    any: bool,
    store: Option<&'a [u8]>,
    /// The distance is stored as the score.
    store_distance: bool,
}

impl<'a> Query<'a> {
    /// Reads all that is left. A member is looked up as soon as it is named, since that is when it is
    /// missed.
    fn read(
        &mut self,
        words: &mut Cursor<'a>,
        set: Option<&Lent<ZSet>>,
        dialect: Dialect,
    ) -> Result<(), Error> {
        let is_search = dialect.is_search();
        while let Some(word) = words.word() {
            words.skip();
            let left = words.left();
            let is_polygon = matches!(self.shape, Some(Shape::Polygon(_)));
            match &*word {
                b"WITHDIST" => self.with_distance = true,
                b"WITHHASH" => self.with_hash = true,
                b"WITHCOORD" => self.with_coordinates = true,
                b"ANY" => self.any = true,
                b"ASC" => self.order = Some(Order::NearestFirst),
                b"DESC" => self.order = Some(Order::FarthestFirst),
                b"COUNT" if left > 0 => {
                    self.count = match words.int()? {
                        count @ 1.. => Some(count as u64),
                        _ => return Err(Error::Say("ERR COUNT must be > 0")),
                    }
                }
                b"STORE" if left > 0 && dialect == Dialect::Radius => {
                    self.store = Some(words.bytes()?);
                    self.store_distance = false;
                }
                b"STOREDIST" if left > 0 && dialect == Dialect::Radius => {
                    self.store = Some(words.bytes()?);
                    self.store_distance = true;
                }
                b"STOREDIST" if dialect == Dialect::SearchStore => self.store_distance = true,
                b"FROMMEMBER" if left > 0 && is_search && !self.from_place && !is_polygon => {
                    let member = words.bytes()?;
                    if let Some(set) = set {
                        self.centre = Some(place(set, member).ok_or(NO_MEMBER)?);
                    }
                    self.from_member = true;
                }
                b"FROMLONLAT" if left > 1 && is_search && !self.from_member && !is_polygon => {
                    self.centre = Some(point(words)?);
                    self.from_place = true;
                }
                b"BYRADIUS"
                    if left > 1
                        && is_search
                        && matches!(self.shape, None | Some(Shape::Circle { .. })) =>
                {
                    self.read_radius(words)?;
                }
                b"BYBOX"
                    if left > 2
                        && is_search
                        && matches!(self.shape, None | Some(Shape::Box { .. })) =>
                {
                    self.read_box(words)?;
                }
                b"BYPOLYGON"
                    if left > 1
                        && is_search
                        && !self.from_member
                        && !self.from_place
                        && (self.shape.is_none() || is_polygon) =>
                {
                    self.read_polygon(words)?;
                }
                _ => return Err(Error::Syntax),
            }
        }
        Ok(())
    }

    fn read_radius(&mut self, words: &mut Cursor) -> Result<(), Error> {
        let radius = words.float().map_err(|_| Error::Say("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(Error::Say("ERR radius cannot be negative"));
        }
        self.unit = unit(words.bytes()?)?;
        self.shape = Some(Shape::Circle { radius });
        Ok(())
    }

    fn read_box(&mut self, words: &mut Cursor) -> Result<(), Error> {
        let width = words.float().map_err(|_| Error::Say("ERR need numeric width"))?;
        let height = words.float().map_err(|_| Error::Say("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::Say("ERR height or width cannot be negative"));
        }
        self.unit = unit(words.bytes()?)?;
        self.shape = Some(Shape::Box { width, height });
        Ok(())
    }

    fn read_polygon(&mut self, words: &mut Cursor) -> Result<(), Error> {
        let count = words.int().ok().and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or(Error::Say("ERR invalid number of vertices"))?;
        if count < 3 || words.left() / 2 < count as usize {
            return Err(Error::Say("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"));
        }
        let corners = (0..count).map(|_| point(words)).collect::<Result<_, _>>()?;
        self.unit = 1.0;
        self.shape = Some(Shape::Polygon(corners));
        Ok(())
    }

    /// What must, and what must not be said together.
    fn check(&mut self, args: Args, dialect: Dialect) -> Result<(), Error> {
        let with = self.with_distance || self.with_hash || self.with_coordinates;
        if self.store.is_some() && with {
            return Err(Error::Say(match dialect {
                Dialect::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
                _ => {
                    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
            }));
        }
        let is_polygon = matches!(self.shape, Some(Shape::Polygon(_)));
        let is_from = self.from_member || self.from_place || is_polygon;
        if dialect.is_search() && !is_from {
            let text = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
            return Err(Error::quote(text, args.get(0), ""));
        }
        if dialect.is_search() && self.shape.is_none() {
            let text = "ERR exactly one of BYRADIUS and BYBOX can be specified for ";
            return Err(Error::quote(text, args.get(0), ""));
        }
        if self.any && self.count.is_none() {
            return Err(Error::Say("ERR the ANY argument requires COUNT argument"));
        }
        // So many of the members are the nearest ones, unless any will do.
        if self.count.is_some() && self.order.is_none() && !self.any {
            self.order = Some(Order::NearestFirst);
        }
        Ok(())
    }

    fn hits<'b>(&self, set: &'b ZSet) -> Vec<Hit<'b>> {
        let Some(shape) = &self.shape else { return Vec::new() };
        let Some(centre) = shape.centre().or(self.centre) else { return Vec::new() };
        let request = geo::Request {
            shape,
            centre,
            unit: self.unit,
            order: self.order,
            count: self.count,
            any: self.any,
            distances: self.with_distance || self.store_distance,
        };
        geo::search(set, &request)
    }
}

fn answer(set: Option<Lent<ZSet>>, query: &Query, out: Reply) -> Done {
    let hits = set.as_ref().map_or(Vec::new(), |set| query.hits(set));
    let parts = [query.with_distance, query.with_hash, query.with_coordinates];
    let parts = parts.into_iter().filter(|part| *part).count();
    let mut list = out.list(hits.len());
    for hit in hits {
        if parts == 0 {
            list.text(hit.member);
            continue;
        }
        let mut item = list.list(1 + parts);
        item.text(hit.member);
        if query.with_distance {
            item.bulk(&distance_text(hit.distance / query.unit));
        }
        if query.with_hash {
            item.int(hit.score as i64);
        }
        if query.with_coordinates {
            coordinates(&mut item, geo::point_of(hit.score));
        }
        item.close();
    }
    list.end()
}

/// Stores what is found; nothing removes the key.
fn store(
    cx: &mut Ctx,
    source: &[u8],
    target: &[u8],
    query: &Query,
    event: Event,
    out: Reply,
) -> Done {
    let limits = cx.limits.zset;
    let mut result = ZSet::default();
    if let Some(set) = cx.peek::<ZSet>(source)? {
        let hits = query.hits(&set);
        let longest = hits.iter().map(|hit| hit.member.len()).max().unwrap_or(0);
        result = ZSet::for_some(hits.len(), longest, limits);
        let mut digits = itoa::Buffer::new();
        for hit in hits {
            let score = if query.store_distance { hit.distance / query.unit } else { hit.score };
            result.set(hit.member.bytes(&mut digits), score, limits);
        }
    }
    let stored = cx.store(target, result, event);
    out.int(stored as i64)
}
