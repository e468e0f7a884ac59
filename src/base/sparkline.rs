//! A series of values as a little chart of text, one column for each value, with its label
//! written downwards below.

/// Lines of a chart; each tells three heights apart.
const ROWS: usize = 4;
const HEIGHTS: &[u8] = b"_o#";
/// What stands below the top of a column.
const STEM: u8 = b'|';

/// Draws values with their labels, at most `columns` beside each other; the lowest value of all
/// is at the bottom and the highest at the top.
pub fn draw(samples: &[(u64, String)], columns: usize) -> String {
    let lowest = samples.iter().map(|(value, _)| *value).min().unwrap_or(0);
    let highest = samples.iter().map(|(value, _)| *value).max().unwrap_or(0);
    let steps = HEIGHTS.len() * ROWS;
    let step_of = |value: u64| {
        let share = (value - lowest) as f64 / (highest - lowest).max(1) as f64;
        ((share * steps as f64) as usize).min(steps - 1)
    };
    let mut text = String::new();
    for (number, part) in samples.chunks(columns.max(1)).enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let steps: Vec<usize> = part.iter().map(|(value, _)| step_of(*value)).collect();
        for row in (0..ROWS).rev() {
            let mark = |step: usize| match step.checked_sub(row * HEIGHTS.len()) {
                None => b' ',
                Some(above) => *HEIGHTS.get(above).unwrap_or(&STEM),
            };
            text.extend(steps.iter().map(|step| mark(*step) as char));
            text.push('\n');
        }
        text.extend(std::iter::repeat_n(' ', part.len()));
        text.push('\n');
        let longest = part.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
        for line in 0..longest {
            let letter = |label: &str| label.as_bytes().get(line).map_or(' ', |byte| *byte as char);
            text.extend(part.iter().map(|(_, label)| letter(label)));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(samples: &[(u64, &str)], columns: usize) -> String {
        let samples: Vec<(u64, String)> =
            samples.iter().map(|(value, label)| (*value, label.to_string())).collect();
        draw(&samples, columns)
    }

    #[test]
    fn columns_stand_between_the_lowest_and_the_highest() {
        let samples = [(100, "12s"), (200, "1m"), (150, "0s"), (110, "0s")];
        assert_eq!(chart(&samples, 80), " #  \n |_ \n || \n_||o\n    \n1100\n2mss\ns   \n");
    }

    #[test]
    fn what_does_not_fit_beside_goes_below() {
        assert_eq!(chart(&[(1, "a"), (1, "b")], 1), " \n \n \n_\n \na\n\n \n \n \n_\n \nb\n");
        assert_eq!(chart(&[], 80), "");
    }
}
