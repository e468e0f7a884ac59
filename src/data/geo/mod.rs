//! Points on the Earth, as the scores of a sorted set.
//!
//! A point's longitude and latitude are halved twenty-six times each, and the halves it lies in are the
//! bits of a number of fifty-two, one from each in turn (`cell.rs`). So a score is a place, a range of
//! scores is a cell of a grid, and what lies near a point lies in a few ranges (`search.rs`). Whether it
//! lies near enough is for the shape to say (`shape.rs`).
//!
//! Distances are those of the great circle by the haversine formula, on a sphere. The formulas, their
//! order, the grid and the order in which cells are visited are Redis', since its answers are to be
//! given to the last digit and in its order.

mod cell;
mod search;
mod shape;
#[cfg(test)]
mod tests;

pub use cell::{LATITUDE, LONGITUDE, point_of, score_of, text_of};
pub use search::{Hit, Order, Request, search};
pub use shape::{Extent, Shape};

/// Degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

/// Metres.
const EARTH_RADIUS: f64 = 6_372_797.560856;

impl Point {
    /// Can it be told as a score? The poles cannot.
    pub fn is_on_the_map(&self) -> bool {
        LONGITUDE.contains(self.longitude) && LATITUDE.contains(self.latitude)
    }
}

/// Metres from one point to another.
pub fn distance(from: Point, to: Point) -> f64 {
    let [from_longitude, to_longitude] = [from.longitude, to.longitude].map(radians);
    let across = ((to_longitude - from_longitude) / 2.0).sin();
    if across == 0.0 {
        return distance_of_latitudes(from.latitude, to.latitude);
    }
    let [from_latitude, to_latitude] = [from.latitude, to.latitude].map(radians);
    let up = ((to_latitude - from_latitude) / 2.0).sin();
    let square = up * up + from_latitude.cos() * to_latitude.cos() * across * across;
    metres_of(square)
}

/// Metres of an angle, by the square of the sine of its half. From one end of the Earth to the other
/// that may be rounded to more than one.
fn metres_of(square: f64) -> f64 {
    2.0 * EARTH_RADIUS * square.sqrt().min(1.0).asin()
}

/// Metres between two points of one meridian.
fn distance_of_latitudes(from: f64, to: f64) -> f64 {
    EARTH_RADIUS * (radians(to) - radians(from)).abs()
}

fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}
