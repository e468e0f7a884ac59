//! What PFSELFTEST does: registers are kept apart from their neighbours, and counts are as good as they
//! are said to be, in both forms.

use super::dense;
use super::{Form, HEADER, REGISTERS, Registers, add, count, empty, form, make_dense};

/// Redis' default.
const SPARSE_MAX: u64 = 3000;
const ELEMENTS: u64 = 10_000;
/// Of so many standard errors.
const ERRORS_ALLOWED: f64 = 5.0;
const STANDARD_ERROR: f64 = 0.0081;

/// Says what is wrong, if anything is.
pub fn self_test() -> Result<(), String> {
    registers_are_apart()?;
    counts_are_good()
}

fn registers_are_apart() -> Result<(), String> {
    let mut packed = vec![0; dense::BYTES];
    // A multiplier without structure stands for dice.
    let value = |index: usize| (index.wrapping_mul(0x9e37_79b9) >> 7) as u8 & 0x3f;
    (0..REGISTERS).for_each(|index| dense::set(&mut packed, index, 0x3f));
    (0..REGISTERS).for_each(|index| dense::set(&mut packed, index, value(index)));
    match (0..REGISTERS).find(|&index| dense::get(&packed, index) != value(index)) {
        None => Ok(()),
        Some(index) => Err(format!(
            "Register {index} should be {} but is {}",
            value(index),
            dense::get(&packed, index)
        )),
    }
}

fn counts_are_good() -> Result<(), String> {
    let (mut sketch, mut twin) = (empty(), empty());
    let corrupt = |_| "a sketch became corrupt".to_string();
    make_dense(&mut twin).map_err(corrupt)?;
    let mut look_at = 1;
    for element in 1..=ELEMENTS {
        let bytes = element.to_le_bytes();
        add(&mut sketch, &bytes, SPARSE_MAX).map_err(corrupt)?;
        add(&mut twin, &bytes, SPARSE_MAX).map_err(corrupt)?;
        if element != look_at {
            continue;
        }
        look_at *= 10;
        let estimate = count(&sketch).map_err(corrupt)?;
        // Where the error would be less than one, one is allowed.
        let allowed = (element as f64 * STANDARD_ERROR * ERRORS_ALLOWED).max(1.0);
        if estimate.abs_diff(element) as f64 > allowed {
            return Err(format!("{element} elements are counted as {estimate}"));
        }
        let mut registers = Registers::new();
        registers.merge(&twin).map_err(corrupt)?;
        if estimate != registers.estimate() {
            return Err(format!("{element} elements are not the same number in both forms"));
        }
    }
    match form(&sketch) {
        Some(Form::Dense) if sketch[HEADER..] == twin[HEADER..] => Ok(()),
        _ => Err("the registers of both forms differ".into()),
    }
}
