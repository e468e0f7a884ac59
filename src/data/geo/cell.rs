//! Cells of the grid. Longitude has the odd bits of a cell's number and latitude the even ones, so a
//! cell's number is the beginning of the numbers of all cells and points in it.

use super::Point;
use std::ops::Range;

/// Bits for each of longitude and latitude, at most.
pub const STEPS_MAX: u32 = 26;
const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;
const LONGITUDE_BITS: u64 = !LATITUDE_BITS;

/// Degrees from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub min: f64,
    pub max: f64,
}

pub const LONGITUDE: Span = Span { min: -180.0, max: 180.0 };
/// The square map of the web ends there (EPSG:3857).
pub const LATITUDE: Span = Span { min: -85.05112878, max: 85.05112878 };

/// What public geohashes have, which know the poles.
const WHOLE_LATITUDE: Span = Span { min: -90.0, max: 90.0 };
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A cell, by so many bits for each of longitude and latitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    bits: u64,
    steps: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub longitude: Span,
    pub latitude: Span,
}

impl Cell {
    /// The cell of a point that is on the map.
    pub fn of(point: Point, steps: u32) -> Cell {
        let bits = interleave(
            LATITUDE.fraction_of(point.latitude, steps),
            LONGITUDE.fraction_of(point.longitude, steps),
        );
        Cell { bits, steps }
    }

    /// The scores of the points in it.
    pub fn scores(self) -> Range<u64> {
        let shift = 2 * (STEPS_MAX - self.steps);
        self.bits << shift..(self.bits + 1) << shift
    }

    pub fn area(self) -> Area {
        let [latitude, longitude] = [self.bits, self.bits >> 1].map(every_other);
        Area {
            longitude: LONGITUDE.part(longitude, self.steps),
            latitude: LATITUDE.part(latitude, self.steps),
        }
    }

    /// Its four parts, in the order of their scores; none of the smallest cells.
    pub fn parts(self) -> Option<[Cell; 4]> {
        let part = |at| Cell { bits: self.bits << 2 | at, steps: self.steps + 1 };
        (self.steps < STEPS_MAX).then(|| [0, 1, 2, 3].map(part))
    }

    /// The neighbour so many cells to the east and to the north. The map has no ends.
    pub fn neighbour(self, east: i64, north: i64) -> Cell {
        let mask = (1 << (2 * self.steps)) - 1;
        let moved = |own: u64, by: i64| {
            let lowest = own & own.wrapping_neg();
            match by {
                0 => self.bits & own,
                // What is carried goes past the bits between, which are all set, or all clear.
                1.. => ((self.bits | !own) & mask).wrapping_add(lowest) & own & mask,
                _ => (self.bits & own).wrapping_sub(lowest) & own & mask,
            }
        };
        let bits = moved(LONGITUDE_BITS, east) | moved(LATITUDE_BITS, north);
        Cell { bits, steps: self.steps }
    }
}

/// A point as a score.
pub fn score_of(point: Point) -> f64 {
    Cell::of(point, STEPS_MAX).scores().start as f64
}

/// The point in the middle of the smallest cell. Every score has one, whoever made it: what lies
/// outside of the map is moved to its edge.
pub fn point_of(score: f64) -> Point {
    let area = Cell { bits: bits_of(score), steps: STEPS_MAX }.area();
    let middle =
        |part: Span, whole: Span| ((part.min + part.max) / 2.0).min(whole.max).max(whole.min);
    Point {
        longitude: middle(area.longitude, LONGITUDE),
        latitude: middle(area.latitude, LATITUDE),
    }
}

/// A point as a public geohash. Its last letter would need three bits more than there are.
pub fn text_of(point: Point) -> [u8; 11] {
    let bits = interleave(
        WHOLE_LATITUDE.fraction_of(point.latitude, STEPS_MAX),
        LONGITUDE.fraction_of(point.longitude, STEPS_MAX),
    );
    let mut text = [ALPHABET[0]; 11];
    for (at, letter) in text[..10].iter_mut().enumerate() {
        *letter = ALPHABET[(bits >> (47 - 5 * at) & 0x1f) as usize];
    }
    text
}

impl Span {
    pub fn contains(&self, value: f64) -> bool {
        self.min <= value && value <= self.max
    }

    /// How far along the span a value is, in parts of 2^steps. The end of the span is a part of its own.
    fn fraction_of(&self, value: f64, steps: u32) -> u32 {
        let fraction = (value - self.min) / (self.max - self.min);
        (fraction * (1u64 << steps) as f64) as u32
    }

    fn part(&self, at: u32, steps: u32) -> Span {
        let width = self.max - self.min;
        let end = |at: u32| self.min + f64::from(at) / (1u64 << steps) as f64 * width;
        Span { min: end(at), max: end(at.wrapping_add(1)) }
    }
}

/// The whole part of a score, as processors convert it: a negative one counts from the other end.
fn bits_of(score: f64) -> u64 {
    if score < 0.0 {
        score as i64 as u64
    } else if score < 18_446_744_073_709_551_616.0 {
        score as u64
    } else {
        0
    }
}

fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

/// Puts a zero before each bit.
fn spread(bits: u32) -> u64 {
    let mut bits = u64::from(bits);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & LATITUDE_BITS
}

/// … and takes every other bit away.
fn every_other(bits: u64) -> u32 {
    let mut bits = bits & LATITUDE_BITS;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
}
