//! HyperLogLog: counts different strings without remembering them.
//!
//! A string's hash chooses one of 2^14 registers; a register keeps the longest run of zeros that
//! it has seen in the rest of a hash. The more there were, the longer the runs. The standard error
//! is 0.81 %, whatever the number.
//!
//! A sketch is a string value, and its bytes are those of Redis, so that it can be taken from one
//! server and given to another, and the same strings are counted as the same number:
//!
//! ```text
//!  "HYLL" | 0 dense, 1 sparse | 0 0 0 | the last count, u64 | registers: 12288 bytes, or opcodes
//! ```
//! The highest bit of the count says that it is out of date. `dense.rs` and `sparse.rs` know the two
//! forms, `avx2.rs` the first of them on processors that can do more at a time, `estimate.rs` how registers become a number. The hash is MurmurHash64A by Austin Appleby.
//!
//! Whoever holds the key may write any bytes there, so nothing in a sketch is believed: a header that
//! does not fit makes it no sketch, and opcodes that do not cover the registers exactly are `Corrupt`.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod dense;
mod estimate;
mod self_test;
mod sparse;
#[cfg(test)]
mod tests;

pub use self_test::self_test;
pub use sparse::decode;

/// Bits of a hash that choose a register.
const P: u32 = 14;
pub const REGISTERS: usize = 1 << P;
/// Bits of a hash that are left to count zeros in.
const Q: usize = 64 - P as usize;
const SEED: u64 = 0xadc8_3b19;

const MAGIC: &[u8] = b"HYLL";
const HEADER: usize = 16;
const FORM: usize = 4;
pub const CARDINALITY: std::ops::Range<usize> = 8..HEADER;
/// The byte of the count with the bit that says whether it is out of date.
const STALE: (usize, u8) = (HEADER - 1, 0x80);
const DENSE_LEN: usize = HEADER + dense::BYTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Dense,
    Sparse,
}

/// The opcodes of a sparse sketch do not cover the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// A sketch of nothing.
pub fn empty() -> Vec<u8> {
    let mut sketch = vec![0; HEADER];
    sketch[..MAGIC.len()].copy_from_slice(MAGIC);
    sketch[FORM] = 1;
    sketch.extend_from_slice(&sparse::ALL_ZERO);
    sketch
}

/// Which form a string has, if it is a sketch at all. Of all others below it is known.
pub fn form(string: &[u8]) -> Option<Form> {
    match string.get(FORM)? {
        0 if string.starts_with(MAGIC) && string.len() == DENSE_LEN => Some(Form::Dense),
        1 if string.starts_with(MAGIC) && string.len() >= HEADER => Some(Form::Sparse),
        _ => None,
    }
}

/// Adds a string; says whether that changed a register. A sparse sketch becomes dense when it would
/// grow beyond so many bytes.
pub fn add(sketch: &mut Vec<u8>, string: &[u8], sparse_max: u64) -> Result<bool, Corrupt> {
    let (index, run) = place(string);
    let changed = raise(sketch, index, run, sparse_max, &mut sparse::Cursor::default())?;
    if changed {
        mark_stale(sketch);
    }
    Ok(changed)
}

/// Is it plain to see that these strings would change nothing? A sparse sketch has to be walked through for that.
pub fn covers<'a>(sketch: &[u8], mut strings: impl Iterator<Item = &'a [u8]>) -> bool {
    let Some(registers) = dense_registers(sketch) else { return false };
    strings.all(|string| {
        let (index, run) = place(string);
        dense::get(registers, index) >= run
    })
}

/// The count that the sketch remembers, unless it is out of date.
pub fn remembered(sketch: &[u8]) -> Option<u64> {
    let count = sketch[CARDINALITY].try_into().map(u64::from_le_bytes).ok()?;
    (sketch[STALE.0] & STALE.1 == 0).then_some(count)
}

/// Takes the bytes `CARDINALITY` of a sketch.
pub fn remember(cardinality: &mut [u8], count: u64) {
    cardinality.copy_from_slice(&count.to_le_bytes());
}

pub fn mark_stale(sketch: &mut [u8]) {
    sketch[STALE.0] |= STALE.1;
}

/// About how many different strings were added. O(2^14).
pub fn count(sketch: &[u8]) -> Result<u64, Corrupt> {
    let runs = match dense_registers(sketch) {
        Some(registers) => dense::histogram(registers),
        None => sparse::histogram(&sketch[HEADER..])?,
    };
    Ok(estimate::cardinality(&runs))
}

/// Do the registers of a sketch add up?
pub fn check(sketch: &[u8]) -> Result<(), Corrupt> {
    match form(sketch) {
        Some(Form::Sparse) => sparse::histogram(&sketch[HEADER..]).map(|_| ()),
        _ => Ok(()),
    }
}

/// Gives a sketch the dense form; says whether it had another.
pub fn make_dense(sketch: &mut Vec<u8>) -> Result<bool, Corrupt> {
    if form(sketch) == Some(Form::Dense) {
        return Ok(false);
    }
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER].copy_from_slice(&sketch[..HEADER]);
    dense[FORM] = 0;
    let registers = &mut dense[HEADER..];
    sparse::each_value(&sketch[HEADER..], |index, value| dense::set(registers, index, value))?;
    *sketch = dense;
    Ok(true)
}

/// All registers of a sketch, one byte each: what several sketches are brought together in.
pub struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Registers {
        Registers::new()
    }
}

impl Registers {
    pub fn new() -> Registers {
        let zeros = vec![0; REGISTERS].into_boxed_slice();
        Registers(zeros.try_into().expect("there are so many registers"))
    }

    pub fn add(&mut self, string: &[u8]) {
        let (index, run) = place(string);
        self.0[index] = run.max(self.0[index]);
    }

    /// Every register takes the larger of its own and the sketch's.
    pub fn merge(&mut self, sketch: &[u8]) -> Result<(), Corrupt> {
        match dense_registers(sketch) {
            Some(registers) => dense::merge(registers, &mut self.0),
            None => sparse::each_value(&sketch[HEADER..], |index, value| {
                self.0[index] = value.max(self.0[index]);
            })?,
        }
        Ok(())
    }

    /// Writes the registers to a sketch whose own are among what was merged.
    pub fn store(&self, sketch: &mut Vec<u8>, dense: bool, sparse_max: u64) -> Result<(), Corrupt> {
        if dense {
            make_dense(sketch)?;
            dense::pack(&self.0, &mut sketch[HEADER..]);
        } else {
            let mut cursor = sparse::Cursor::default();
            for (index, &run) in self.0.iter().enumerate().filter(|(_, run)| **run > 0) {
                raise(sketch, index, run, sparse_max, &mut cursor)?;
            }
        }
        mark_stale(sketch);
        Ok(())
    }

    /// About how many different strings there were. O(2^14).
    pub fn estimate(&self) -> u64 {
        estimate::cardinality(&dense::histogram_of_bytes(&self.0))
    }

    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.0.iter().copied()
    }
}

/// Which register a string belongs to, and the run that it has there.
fn place(string: &[u8]) -> (usize, u8) {
    let hash = murmur64a(string, SEED);
    // The run ends at the latest where the hash does.
    let run = ((hash >> P) | 1 << Q).trailing_zeros() as u8 + 1;
    (hash as usize % REGISTERS, run)
}

/// Raises a register to a run, if it is lower; says whether it was.
fn raise(
    sketch: &mut Vec<u8>,
    index: usize,
    run: u8,
    sparse_max: u64,
    cursor: &mut sparse::Cursor,
) -> Result<bool, Corrupt> {
    if form(sketch) == Some(Form::Sparse) {
        match sparse::raise(sketch, HEADER, index, run, sparse_max, cursor)? {
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::No => return Ok(false),
            sparse::Raised::TooLarge => make_dense(sketch)?,
        };
    }
    let registers = &mut sketch[HEADER..];
    let is_lower = dense::get(registers, index) < run;
    if is_lower {
        dense::set(registers, index, run);
    }
    Ok(is_lower)
}

fn dense_registers(sketch: &[u8]) -> Option<&[u8]> {
    (form(sketch) == Some(Form::Dense)).then(|| &sketch[HEADER..])
}

fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut word = u64::from_le_bytes(word.try_into().expect("eight bytes")).wrapping_mul(M);
        word ^= word >> R;
        hash = (hash ^ word.wrapping_mul(M)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> R)).wrapping_mul(M);
    hash ^ (hash >> R)
}
