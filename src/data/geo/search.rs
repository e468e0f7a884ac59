//! The members of a sorted set that lie in a shape.
//!
//! A grid is chosen so coarse that the cell of the centre and its eight neighbours hold the shape. Their
//! members come in the order of the cells, which is Redis', and in each by score. Where many members lie
//! in a cell it is taken apart into its quarters, which have the same order, and those that the shape
//! does not reach are left out: so what is read is about what is found, however coarse the grid is.

use super::Point;
use super::cell::{Cell, STEPS_MAX, point_of};
use super::shape::{Placed, Shape};
use crate::data::string::Text;
use crate::data::zset::{ScoreRange, ZSet};
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    NearestFirst,
    FarthestFirst,
}

#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub shape: &'a Shape,
    pub centre: Point,
    /// Metres in the unit that lengths of the shape are told in.
    pub unit: f64,
    pub order: Option<Order>,
    /// No more than so many.
    pub count: Option<u64>,
    /// Those that are found first will do.
    pub any: bool,
    /// Distances are asked for.
    pub distances: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    pub member: Text<'a>,
    pub score: f64,
    /// Metres, if distances were asked for, or an order.
    pub distance: f64,
    /// How many were found before.
    found: u32,
}

/// Half the way round the Earth on the square map, in metres.
const MAP_HALF: f64 = 20_037_726.37;
/// From so many members on a cell is taken apart: the searches for its parts cost about as much as
/// looking at half as many.
const CROWD: usize = 48;

pub fn search<'a>(set: &'a ZSet, request: &Request) -> Vec<Hit<'a>> {
    let Request { shape, centre, unit, order, .. } = *request;
    let mut walker = Walker {
        set,
        placed: Placed::new(shape, centre, unit),
        distances: request.distances || order.is_some(),
        enough: request.count.filter(|_| request.any).unwrap_or(u64::MAX),
        hits: Vec::new(),
    };
    for cell in visited(shape, centre, unit) {
        if walker.is_full() {
            break;
        }
        walker.visit(cell);
    }
    let mut hits = walker.hits;
    let most = request.count.map_or(hits.len(), |count| hits.len().min(count as usize));
    if let Some(order) = order {
        sort(&mut hits, order, most);
    }
    hits.truncate(most);
    hits
}

/// The cells in the order in which they are visited.
pub(super) fn visited(shape: &Shape, centre: Point, unit: f64) -> impl Iterator<Item = Cell> {
    let mut last = None;
    cells(shape, centre, unit).into_iter().flatten().filter(move |cell| {
        // On a coarse grid neighbours may be the same.
        let is_new = last != Some(*cell);
        last = Some(*cell);
        is_new
    })
}

/// The nearest, or the farthest, so many; of those at the same distance the ones found first.
fn sort(hits: &mut [Hit], order: Order, most: usize) {
    let compare = |left: &Hit, right: &Hit| -> Ordering {
        let by_distance = left.distance.partial_cmp(&right.distance).unwrap_or(Ordering::Equal);
        let by_distance = match order {
            Order::NearestFirst => by_distance,
            Order::FarthestFirst => by_distance.reverse(),
        };
        by_distance.then(left.found.cmp(&right.found))
    };
    if 0 < most && most < hits.len() {
        hits.select_nth_unstable_by(most - 1, compare);
    }
    hits[..most].sort_unstable_by(compare);
}

struct Walker<'a, 'b> {
    set: &'a ZSet,
    placed: Placed<'b>,
    distances: bool,
    enough: u64,
    hits: Vec<Hit<'a>>,
}

impl Walker<'_, '_> {
    fn is_full(&self) -> bool {
        self.hits.len() as u64 >= self.enough
    }

    fn visit(&mut self, cell: Cell) {
        let scores = cell.scores();
        let ranks = self.set.ranks_of_scores(ScoreRange {
            min: scores.start as f64,
            max: scores.end as f64,
            above_min: false,
            below_max: true,
        });
        if ranks.len() >= CROWD
            && let Some(parts) = cell.parts()
        {
            for part in parts {
                let area = part.area();
                if self.placed.extent.meets(area.longitude, area.latitude) && !self.is_full() {
                    self.visit(part);
                }
            }
            return;
        }
        for (member, score) in self.set.walk(ranks, false) {
            if let Some(distance) = self.placed.distance_in(point_of(score), self.distances) {
                self.hits.push(Hit { member, score, distance, found: self.hits.len() as u32 });
                if self.is_full() {
                    return;
                }
            }
        }
    }
}

/// The cell of the centre and its neighbours in the order in which they are looked at, without those
/// that are of no use.
fn cells(shape: &Shape, centre: Point, unit: f64) -> [Option<Cell>; 9] {
    let (low, high) = shape.corners(centre, unit);
    let mut steps = steps(shape.reach(centre, unit), centre.latitude);
    let mut cell = Cell::of(centre, steps);
    // The shape may reach beyond the neighbours where the centre is near the edge of its cell.
    let is_short = cell.neighbour(0, 1).area().latitude.max < high.latitude
        || cell.neighbour(0, -1).area().latitude.min > low.latitude
        || cell.neighbour(1, 0).area().longitude.max < high.longitude
        || cell.neighbour(-1, 0).area().longitude.min > low.longitude;
    if steps > 1 && is_short {
        steps -= 1;
        cell = Cell::of(centre, steps);
    }
    let area = cell.area();
    let is_fine = steps >= 2;
    // A neighbour is of no use if the shape ends within the cell of the centre on that side.
    let no_south = is_fine && area.latitude.min < low.latitude;
    let no_north = is_fine && area.latitude.max > high.latitude;
    let no_west = is_fine && area.longitude.min < low.longitude;
    let no_east = is_fine && area.longitude.max > high.longitude;
    const AROUND: [(i64, i64); 9] =
        [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
    AROUND.map(|(east, north)| {
        let is_useless = (east < 0 && no_west)
            || (east > 0 && no_east)
            || (north < 0 && no_south)
            || (north > 0 && no_north);
        (!is_useless).then(|| cell.neighbour(east, north))
    })
}

/// How fine the grid may be for shapes that reach so far.
fn steps(mut metres: f64, latitude: f64) -> u32 {
    if metres == 0.0 {
        return STEPS_MAX;
    }
    let mut steps = 1i32;
    while metres < MAP_HALF {
        metres *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Cells are narrower towards the poles.
    steps -= (latitude.abs() > 66.0) as i32 + (latitude.abs() > 80.0) as i32;
    steps.clamp(1, STEPS_MAX as i32) as u32
}
