//! Whether a table's keys are indices, which decides whether it is written as an array.

use mlua::{Error, Result, Table, Value};

/// The largest index and how many there are, if all keys are whole numbers from one on that C's `int` holds.
pub fn indices(table: &Table) -> Result<Option<(u32, u32)>> {
    if table.raw_len() == 0 {
        // Most likely something else, which the first key tells.
        let Some(first) = table.pairs::<Value, bool>().next() else { return Ok(Some((0, 0))) };
        if index(&first?.0).is_none() {
            return Ok(None);
        }
    }
    let (mut max, mut count, mut is_array) = (0, 0, true);
    let walked = table.for_each(|key: Value, _: bool| {
        let Some(index) = index(&key) else {
            is_array = false;
            // Any error ends the walk.
            return Err(Error::BindError);
        };
        max = index.max(max);
        count += 1;
        Ok(())
    });
    if is_array { walked.map(|()| Some((max, count))) } else { Ok(None) }
}

fn index(key: &Value) -> Option<u32> {
    match key {
        Value::Integer(index) => {
            i32::try_from(*index).ok().filter(|index| *index > 0).map(|index| index as u32)
        }
        _ => None,
    }
}
