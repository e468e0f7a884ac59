//! LOLWUT: a landscape in letters, never the same twice, and the version below it.

use crate::engine::command::read;
use crate::engine::{Ctx, Family};
use crate::resp::{Args, Done, Reply};
use crate::spec::{FAST, Group, integer};
use rand::Rng;
use rand::rngs::SmallRng;

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[read("LOLWUT", lolwut)
        .arity(-1)
        .flags(FAST)
        .since("5.0.0")
        .complexity("O(N), when N is the size of the picture")
        .summary("Draws a picture, and tells the version.")
        .args(&[
            integer("version").after("VERSION").optional(),
            integer("columns").optional(),
            integer("rows").optional(),
        ])],
};

/// `LOLWUT [VERSION n] [columns] [rows]`; there is one picture, whatever the version asked for.
fn lolwut(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let mut rest = args.after(0);
    if rest.take_word(b"VERSION") {
        rest.int()?;
    }
    // More numbers than a picture has sides are for the pictures of other servers.
    let mut sizes = Vec::new();
    while rest.left() > 0 {
        sizes.push(rest.int()?);
    }
    let side = |index: usize, usual: i64, most: i64| {
        sizes.get(index).map_or(usual, |size| (*size).clamp(1, most)) as usize
    };
    let mut text = landscape(&mut cx.keyspace.dice, side(0, 66, 160), side(1, 14, 60));
    text += &format!("\nRusset ver. {}\n", env!("CARGO_PKG_VERSION"));
    out.verbatim("txt", text.as_bytes())
}

/// Hills behind hills in autumn, leaves in the wind above them.
fn landscape(dice: &mut SmallRng, columns: usize, rows: usize) -> String {
    let mut picture = vec![vec![' '; columns]; rows];
    for row in picture.iter_mut() {
        for place in row.iter_mut() {
            if dice.random_ratio(1, 24) {
                *place = [',', '\'', '`', '*'][dice.random_range(0..4)];
            }
        }
    }
    // From the farthest ridge to the nearest, each a little lower and darker.
    for (depth, ink) in ['.', ':', '+', '#'].into_iter().enumerate() {
        let ceiling = rows * (depth + 2) / 7;
        let mut top = ceiling + dice.random_range(0..=rows / 5);
        for column in 0..columns {
            // A ridge wanders by a step at a time and stays within its part of the picture.
            match dice.random_range(0..5) {
                0 if top > ceiling => top -= 1,
                1 if top < ceiling + rows / 3 => top += 1,
                _ => (),
            }
            for row in picture.iter_mut().skip(top) {
                row[column] = ink;
            }
        }
    }
    let lines = picture.into_iter().map(|row| {
        let line: String = row.into_iter().collect();
        line.trim_end().to_string() + "\n"
    });
    lines.collect()
}
