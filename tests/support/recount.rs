//! What an engine's keyspace keeps as a sum or an index, counted again.

use russet::engine::Engine;

/// What is kept as a sum or an index agrees with what it was made from.
pub fn recount(engine: &Engine) -> Result<(), String> {
    let keyspace = &engine.keyspace;
    let now = keyspace.now();
    let mut earliest = None;
    for number in 0..keyspace.databases() {
        let db = keyspace.db(number);
        let (mut keys, mut expires, mut sum) = (0, 0, 0i128);
        for record in db.records() {
            keys += 1;
            if let Some(deadline) = record.deadline() {
                expires += 1;
                sum += deadline.0 as i128;
            }
            let of_elements = record.earliest_of_value();
            earliest = [earliest, record.deadline(), of_elements].into_iter().flatten().min();
            let found = keyspace.record(number, record.key()).is_some();
            let is_gone = record.is_due(now) || record.spent(now).is_some();
            if found == is_gone {
                return Err(format!("db {number}: {:?} cannot be found", record.key()));
            }
        }
        if (keys, expires) != (db.len(), db.expires()) {
            return Err(format!(
                "db {number} counts {} keys and {} deadlines, and has {keys} and {expires}",
                db.len(),
                db.expires()
            ));
        }
        if !db.sizes().agrees_with(db.records()) {
            return Err(format!("db {number} counts other sizes than its values have"));
        }
        let average = sum.checked_div(expires as i128).unwrap_or(now.0 as i128) - now.0 as i128;
        if db.average_ttl(now) as i128 != average.max(0) {
            return Err(format!("db {number}: the average time to live is not {average}"));
        }
    }
    // The sweep must wake in time for the first key; it sleeps only when it is told to. What was due already when it was
    // filed, since a pause kept it, is found at once.
    match (earliest, keyspace.next_deadline()) {
        (Some(first), Some(next)) if next > first.max(now) => {
            Err(format!("something is due at {first:?} and the sweep looks only at {next:?}"))
        }
        _ => Ok(()),
    }
}
