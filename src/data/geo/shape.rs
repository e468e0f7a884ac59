//! What is searched: a circle, a box or a polygon, and whether a point is in it.
//!
//! Most points that a search meets are not in the shape, and sines are slow. So each search first works
//! out an `Extent`, a span of latitudes and one of longitudes around the centre, which is sure to hold
//! the shape; what is outside of it is outside of the shape, and costs two comparisons. And whether a
//! point is in a circle can mostly be told before the last step to its distance.

use super::cell::{LATITUDE, LONGITUDE, Span};
use super::{EARTH_RADIUS, Point, degrees, distance, distance_of_latitudes, metres_of, radians};
use std::f64::consts::FRAC_PI_2;

/// Lengths are in the client's unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
    Polygon(Vec<Point>),
}

/// Where the shape is at most. All of it, and perhaps more.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    latitude: Span,
    /// Degrees to either side of a meridian.
    middle: f64,
    aside: f64,
}

/// Rounding never matters beyond this, in radians (some micrometres) and as a part of a number.
const SLACK: f64 = 1e-12;
const SLACK_PART: f64 = 1e-9;
/// For larger shapes the shortcuts do not hold, or are not worth it.
const RADIANS_MAX: f64 = 1.5;

impl Shape {
    /// The middle of a polygon; of the others the client says it.
    pub fn centre(&self) -> Option<Point> {
        let Shape::Polygon(corners) = self else { return None };
        // As if each corner weighed the same, on the sphere. The sum shows in the right direction.
        let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
        for corner in corners {
            let (longitude, latitude) = (radians(corner.longitude), radians(corner.latitude));
            x += latitude.cos() * longitude.cos();
            y += latitude.cos() * longitude.sin();
            z += latitude.sin();
        }
        let longitude = degrees(y.atan2(x));
        let latitude = degrees(z.atan2((x * x + y * y).sqrt()));
        Some(Point { longitude, latitude })
    }

    /// Corners of a box around it, as seen from the centre, by which the grid is chosen. Not exact: lines
    /// of latitude are shorter towards the poles.
    pub(super) fn corners(&self, centre: Point, unit: f64) -> (Point, Point) {
        let (width, height) = match self {
            Shape::Circle { radius } => (unit * radius, unit * radius),
            Shape::Box { width, height } => (unit * (width / 2.0), unit * (height / 2.0)),
            Shape::Polygon(corners) => return around(corners),
        };
        let up = degrees(height / EARTH_RADIUS);
        // The shorter of the two lines of latitude is the one nearer to the pole.
        let shorter =
            if centre.latitude < 0.0 { centre.latitude - up } else { centre.latitude + up };
        let across = degrees(width / EARTH_RADIUS / radians(shorter).cos());
        let corner = |side: f64| Point {
            longitude: centre.longitude + side * across,
            latitude: centre.latitude + side * up,
        };
        (corner(-1.0), corner(1.0))
    }

    /// Metres from the centre to the farthest corner, or to the edge of a circle.
    pub(super) fn reach(&self, centre: Point, unit: f64) -> f64 {
        match self {
            Shape::Circle { radius } => radius * unit,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt() * unit
            }
            Shape::Polygon(corners) => {
                let (low, high) = around(corners);
                let reach = |longitude, latitude| distance(centre, Point { longitude, latitude });
                reach(low.longitude, high.latitude)
                    .max(reach(high.longitude, high.latitude))
                    .max(reach(low.longitude, low.latitude))
                    .max(reach(high.longitude, low.latitude))
                    * unit
            }
        }
    }

    fn extent(&self, centre: Point, unit: f64) -> Extent {
        let (up, across) = match self {
            Shape::Circle { radius } => (radius * unit, radius * unit),
            Shape::Box { width, height } => (height * unit / 2.0, width * unit / 2.0),
            Shape::Polygon(corners) => {
                let (low, high) = around(corners);
                let slack = degrees(SLACK_PART);
                return Extent {
                    latitude: Span { min: low.latitude - slack, max: high.latitude + slack },
                    middle: (low.longitude + high.longitude) / 2.0,
                    aside: (high.longitude - low.longitude) / 2.0 + slack,
                };
            }
        };
        let (up, across) = (up / EARTH_RADIUS, across / EARTH_RADIUS);
        let mut extent = Extent { latitude: LATITUDE, middle: centre.longitude, aside: 360.0 };
        let loose = |angle: f64| angle * (1.0 + SLACK_PART) + SLACK;
        if up < RADIANS_MAX {
            let up = degrees(loose(up));
            extent.latitude = Span { min: centre.latitude - up, max: centre.latitude + up };
        }
        if across < RADIANS_MAX {
            // The shortest line of latitude is where a distance is most degrees.
            let highest =
                extent.latitude.max.abs().max(extent.latitude.min.abs()).min(LATITUDE.max);
            let narrowest = radians(highest).cos();
            let sine = (across / 2.0).sin()
                / match self {
                    Shape::Circle { .. } => (narrowest * radians(centre.latitude).cos()).sqrt(),
                    _ => narrowest,
                };
            // Near one the angle is not known so well.
            if sine < 0.999 {
                extent.aside = degrees(loose(2.0 * sine.asin()));
            }
        }
        extent
    }
}

impl Extent {
    /// Whether a point may be in the shape.
    #[inline]
    pub fn contains(&self, point: Point) -> bool {
        self.latitude.contains(point.latitude) && self.is_aside(point.longitude) <= self.aside
    }

    /// Whether a part of an area may be.
    pub(super) fn meets(&self, longitude: Span, latitude: Span) -> bool {
        let ends = self.is_aside(longitude.min).min(self.is_aside(longitude.max));
        latitude.min <= self.latitude.max
            && latitude.max >= self.latitude.min
            && (longitude.contains(self.middle) || ends <= self.aside)
    }

    /// Degrees from the meridian in the middle, the shorter way round.
    #[inline]
    fn is_aside(&self, longitude: f64) -> f64 {
        let degrees = (longitude - self.middle).abs();
        degrees.min((LONGITUDE.max - LONGITUDE.min - degrees).abs())
    }
}

/// A shape at its place, with what can be worked out ahead.
pub struct Placed<'a> {
    shape: &'a Shape,
    centre: Point,
    pub extent: Extent,
    /// Metres; of a circle both are its radius.
    width: f64,
    height: f64,
    /// The centre in radians.
    longitude: f64,
    latitude: f64,
    cosine: f64,
    /// The square of the sine of half an angle, which surely is that of a point inside, or outside.
    surely_in: f64,
    surely_out: f64,
}

impl<'a> Placed<'a> {
    pub fn new(shape: &'a Shape, centre: Point, unit: f64) -> Placed<'a> {
        let (width, height) = match shape {
            Shape::Circle { radius } => (radius * unit, radius * unit),
            Shape::Box { width, height } => (width * unit, height * unit),
            Shape::Polygon(_) => (0.0, 0.0),
        };
        let half_angle = width / EARTH_RADIUS / 2.0;
        let square = half_angle.min(FRAC_PI_2).sin().powi(2);
        let (surely_in, surely_out) = match half_angle < RADIANS_MAX / 2.0 {
            true => (square * (1.0 - SLACK_PART), square * (1.0 + SLACK_PART) + SLACK * SLACK),
            false => (-1.0, f64::INFINITY),
        };
        let (longitude, latitude) = (radians(centre.longitude), radians(centre.latitude));
        Placed {
            shape,
            centre,
            extent: shape.extent(centre, unit),
            width,
            height,
            longitude,
            latitude,
            cosine: latitude.cos(),
            surely_in,
            surely_out,
        }
    }

    /// Metres from the centre to a point in the shape. If nobody wants to know, any number may be said.
    #[inline]
    pub fn distance_in(&self, point: Point, is_wanted: bool) -> Option<f64> {
        if !self.extent.contains(point) {
            return None;
        }
        let is_in = match self.shape {
            Shape::Circle { .. } => return self.distance_in_circle(point, is_wanted),
            Shape::Box { .. } => {
                let beside = Point { longitude: self.centre.longitude, ..point };
                let up = distance_of_latitudes(point.latitude, self.centre.latitude);
                up <= self.height / 2.0 && distance(point, beside) <= self.width / 2.0
            }
            Shape::Polygon(corners) => is_inside(point, corners),
        };
        match is_in {
            true if is_wanted => Some(distance(self.centre, point)),
            true => Some(0.0),
            false => None,
        }
    }

    /// The same sum as `distance` makes, in the same order.
    fn distance_in_circle(&self, point: Point, is_wanted: bool) -> Option<f64> {
        let across = ((radians(point.longitude) - self.longitude) / 2.0).sin();
        let metres = if across == 0.0 {
            distance_of_latitudes(self.centre.latitude, point.latitude)
        } else {
            let latitude = radians(point.latitude);
            let up = ((latitude - self.latitude) / 2.0).sin();
            let square = up * up + self.cosine * latitude.cos() * across * across;
            if square > self.surely_out {
                return None;
            }
            if !is_wanted && square < self.surely_in {
                return Some(0.0);
            }
            metres_of(square)
        };
        (metres <= self.width).then_some(metres)
    }
}

/// Whether a ray from the point to the east crosses an odd number of edges.
fn is_inside(point: Point, corners: &[Point]) -> bool {
    let Some(mut before) = corners.last() else { return false };
    let mut inside = false;
    for corner in corners {
        let crosses = (corner.latitude > point.latitude) != (before.latitude > point.latitude);
        if crosses {
            let edge = (before.longitude - corner.longitude) * (point.latitude - corner.latitude)
                / (before.latitude - corner.latitude)
                + corner.longitude;
            inside ^= point.longitude < edge;
        }
        before = corner;
    }
    inside
}

/// The lowest and the highest longitude and latitude.
fn around(corners: &[Point]) -> (Point, Point) {
    let low = Point { longitude: LONGITUDE.max, latitude: LATITUDE.max };
    let high = Point { longitude: LONGITUDE.min, latitude: LATITUDE.min };
    corners.iter().fold((low, high), |(low, high), corner| {
        let end = |a: Point, pick: fn(f64, f64) -> f64| Point {
            longitude: pick(a.longitude, corner.longitude),
            latitude: pick(a.latitude, corner.latitude),
        };
        (end(low, f64::min), end(high, f64::max))
    })
}
