use super::cell::Cell;
use super::*;
use crate::data::limits::PackedLimits;
use crate::data::zset::ZSet;
use proptest::prelude::*;

const METRES: f64 = 1.0;

fn set_of(points: &[Point]) -> ZSet {
    let mut set = ZSet::default();
    for (at, point) in points.iter().enumerate() {
        set.set(format!("{at}").as_bytes(), score_of(*point), PackedLimits::default());
    }
    set
}

fn found(set: &ZSet, request: &Request) -> Vec<usize> {
    let number = |hit: Hit| String::from_utf8(hit.member.to_vec()).unwrap().parse().unwrap();
    search(set, request).into_iter().map(number).collect()
}

fn unordered<'a>(shape: &'a Shape, centre: Point) -> Request<'a> {
    let (order, count, any, distances) = (None, None, false, false);
    Request { shape, centre, unit: METRES, order, count, any, distances }
}

/// Whether a point is in a shape, without any shortcut.
fn is_in(shape: &Shape, centre: Point, point: Point) -> bool {
    match shape {
        Shape::Circle { radius } => distance(centre, point) <= *radius,
        Shape::Box { width, height } => {
            let beside = Point { longitude: centre.longitude, ..point };
            distance_of_latitudes(point.latitude, centre.latitude) <= height / 2.0
                && distance(point, beside) <= width / 2.0
        }
        Shape::Polygon(corners) => {
            let edges = corners.iter().zip(corners.iter().cycle().skip(1));
            let crossed = edges.filter(|(from, to)| {
                let (low, high) = match from.latitude < to.latitude {
                    true => (from, to),
                    false => (to, from),
                };
                let part = (point.latitude - low.latitude) / (high.latitude - low.latitude);
                low.latitude <= point.latitude
                    && point.latitude < high.latitude
                    && point.longitude < low.longitude + part * (high.longitude - low.longitude)
            });
            crossed.count() % 2 == 1
        }
    }
}

fn coordinate() -> impl Strategy<Value = Point> {
    let longitude =
        prop_oneof![-180.0f64..=180.0, 170.0f64..=180.0, -180.0f64..-170.0, -1.0f64..1.0];
    let latitude = prop_oneof![4 => -60.0f64..60.0, 1 => -85.05112878f64..=85.05112878];
    (longitude, latitude).prop_map(|(longitude, latitude)| Point { longitude, latitude })
}

/// Points around one point, and some anywhere.
fn points(count: usize) -> impl Strategy<Value = (Point, Vec<Point>)> {
    let near = (-1.0f64..1.0, -1.0f64..1.0, -4i32..2);
    let offsets = proptest::collection::vec((near, any::<prop::sample::Index>()), 1..count);
    (coordinate(), offsets, proptest::collection::vec(coordinate(), 1..20)).prop_map(
        |(centre, offsets, anywhere)| {
            let near = offsets.into_iter().map(|((east, north, power), _)| {
                let scale = 10f64.powi(power);
                let longitude = centre.longitude + east * scale;
                let wrapped = longitude - 360.0 * (longitude / 360.0).round();
                let latitude = (centre.latitude + north * scale).clamp(LATITUDE.min, LATITUDE.max);
                Point { longitude: wrapped, latitude }
            });
            let mut all: Vec<Point> = near.collect();
            all.extend(anywhere);
            (centre, all)
        },
    )
}

fn shape() -> impl Strategy<Value = Shape> {
    let metres = || (0.0f64..1.0, 0i32..8).prop_map(|(part, power)| part * 10f64.powi(power));
    prop_oneof![
        metres().prop_map(|radius| Shape::Circle { radius }),
        (metres(), metres()).prop_map(|(width, height)| Shape::Box { width, height }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Shortcuts and quarters of cells change neither what is found nor its order: by cells, and by
    /// score in each.
    #[test]
    fn a_search_finds_what_a_walk_through_its_cells_finds(
        (centre, points) in points(400),
        shape in shape(),
    ) {
        let set = set_of(&points);
        let mut expected: Vec<usize> = Vec::new();
        for cell in super::search::visited(&shape, centre, METRES) {
            let scores = cell.scores();
            for (member, score) in set.iter() {
                let is_here = scores.start as f64 <= score && score < scores.end as f64;
                if is_here && is_in(&shape, centre, point_of(score)) {
                    expected.push(String::from_utf8(member.to_vec()).unwrap().parse().unwrap());
                }
            }
        }
        prop_assert_eq!(found(&set, &unordered(&shape, centre)), expected);
    }

    /// Away from the poles nothing is missed.
    #[test]
    fn a_search_finds_all_there_is(
        (centre, points) in points(300),
        radius in (0.0f64..1.0, 0i32..7).prop_map(|(part, power)| part * 10f64.powi(power)),
    ) {
        prop_assume!(centre.latitude.abs() < 60.0);
        let shape = Shape::Circle { radius };
        let set = set_of(&points);
        let mut found = found(&set, &unordered(&shape, centre));
        found.sort_unstable();
        let all = (0..points.len()).filter(|&at| is_in(&shape, centre, point_of(score_of(points[at]))));
        prop_assert_eq!(found, all.collect::<Vec<_>>());
    }

    #[test]
    fn a_search_in_a_polygon_finds_all_there_is(
        (centre, points) in points(300),
        corners in proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 3..9),
        power in -3i32..2,
    ) {
        let corner = |&(east, north): &(f64, f64)| Point {
            longitude: (centre.longitude + east * 10f64.powi(power)).clamp(-180.0, 180.0),
            latitude: (centre.latitude + north * 10f64.powi(power)).clamp(-60.0, 60.0),
        };
        let shape = Shape::Polygon(corners.iter().map(corner).collect());
        let set = set_of(&points);
        let mut found = found(&set, &unordered(&shape, shape.centre().unwrap()));
        found.sort_unstable();
        let all = (0..points.len()).filter(|&at| is_in(&shape, centre, point_of(score_of(points[at]))));
        prop_assert_eq!(found, all.collect::<Vec<_>>());
    }

    /// An order and a number take the nearest, or the farthest.
    #[test]
    fn so_many_are_the_nearest_or_the_farthest(
        (centre, points) in points(200),
        shape in shape(),
        count in 1u64..50,
        nearest: bool,
    ) {
        let set = set_of(&points);
        let order = if nearest { Order::NearestFirst } else { Order::FarthestFirst };
        let all = Request { order: Some(order), ..unordered(&shape, centre) };
        let some = Request { count: Some(count), ..all };
        let (all, some) = (search(&set, &all), search(&set, &some));
        prop_assert_eq!(some.len(), all.len().min(count as usize));
        let metres = |hit: &Hit| hit.distance;
        prop_assert!(some.iter().map(metres).eq(all.iter().take(some.len()).map(metres)));
        let is_sorted = all.is_sorted_by(|left, right| match nearest {
            true => left.distance <= right.distance,
            false => left.distance >= right.distance,
        });
        prop_assert!(is_sorted);
        for hit in &all {
            prop_assert_eq!(hit.distance, distance(centre, point_of(hit.score)));
        }
    }

    /// What is enough is the beginning of all.
    #[test]
    fn any_so_many_are_the_first(
        (centre, points) in points(300),
        shape in shape(),
        count in 1u64..50,
    ) {
        let set = set_of(&points);
        let all = found(&set, &unordered(&shape, centre));
        let some = Request { count: Some(count), any: true, ..unordered(&shape, centre) };
        let expected = &all[..all.len().min(count as usize)];
        prop_assert_eq!(found(&set, &some), expected);
    }

    /// The place of a score is in its cell, and has the same score, but at the very edge of the map.
    #[test]
    fn places_come_back(point in coordinate(), steps in 1u32..=26) {
        let score = score_of(point);
        let back = point_of(score);
        prop_assert!((back.longitude - point.longitude).abs() < 6e-6);
        prop_assert!((back.latitude - point.latitude).abs() < 3e-6);
        prop_assert_eq!(score_of(back), score);
        let cell = Cell::of(point, steps);
        let scores = cell.scores();
        prop_assert!(scores.start as f64 <= score && score < scores.end as f64);
        for (east, north) in [(1, 0), (0, 1), (1, 1), (1, -1)] {
            prop_assert_eq!(cell.neighbour(east, north).neighbour(-east, -north), cell);
        }
        if steps > 1 {
            let (east, area) = (cell.neighbour(1, 0).area(), cell.area());
            prop_assert!(east.longitude.min == area.longitude.max || area.longitude.max == 180.0);
            prop_assert_eq!(east.latitude, area.latitude);
        }
        if let Some(parts) = cell.parts() {
            let ends: Vec<_> = parts.iter().map(|part| part.scores()).collect();
            prop_assert_eq!((ends[0].start, ends[3].end), (scores.start, scores.end));
            prop_assert!(ends.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }

    /// Whoever stores any score by ZADD finds it somewhere on the map.
    #[test]
    fn any_score_is_a_place(bits: u64) {
        let score = f64::from_bits(bits);
        prop_assume!(!score.is_nan());
        let point = point_of(score);
        prop_assert!(point.is_on_the_map());
        text_of(point);
        let set = set_of(&[point]);
        search(&set, &unordered(&Shape::Circle { radius: f64::INFINITY }, point));
    }
}

/// What Redis 8.0.6 answers.
#[test]
fn figures_are_those_of_redis() {
    let palermo = Point { longitude: 13.361389, latitude: 38.115556 };
    let catania = Point { longitude: 15.087269, latitude: 37.502669 };
    assert_eq!(score_of(palermo), 3479099956230698.0);
    assert_eq!(score_of(catania), 3479447370796909.0);
    let [palermo, catania] = [palermo, catania].map(|point| point_of(score_of(point)));
    assert_eq!(palermo.longitude, 13.361389338970184);
    assert_eq!(palermo.latitude, 38.1155563954963);
    assert_eq!(&text_of(palermo), b"sqc8b49rny0");
    assert_eq!(&text_of(catania), b"sqdtr74hyu0");
    assert_eq!(format!("{:.4}", distance(palermo, catania)), "166274.1516");
}
