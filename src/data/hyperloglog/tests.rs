use super::*;
use proptest::prelude::*;

/// What Redis 8.0.6 and Valkey 9.1.2 answer when `element:0`, `element:1` and so on were added.
const COUNTED: [(u64, u64); 6] = [
    (10, 10),
    (100, 99),
    (1000, 997),
    (10_000, 10_017),
    (100_000, 100_039),
    (1_000_000, 1_010_357),
];

fn sketch_of(range: std::ops::Range<u64>, sparse_max: u64) -> Vec<u8> {
    let mut sketch = empty();
    for number in range {
        add(&mut sketch, format!("element:{number}").as_bytes(), sparse_max).unwrap();
    }
    sketch
}

#[test]
fn counts_are_those_of_redis() {
    assert_eq!(count(&empty()), Ok(0));
    let mut sketch = empty();
    let mut registers = Registers::new();
    let mut number = 0;
    for (added, counted) in COUNTED {
        while number < added {
            let element = format!("element:{number}");
            add(&mut sketch, element.as_bytes(), 3000).unwrap();
            registers.add(element.as_bytes());
            number += 1;
        }
        assert_eq!(count(&sketch), Ok(counted), "of {added}");
        assert_eq!(registers.estimate(), counted, "of {added}");
    }
}

/// What is plain to see of a dense sketch is what adding would have said.
#[test]
fn what_is_covered_changes_nothing() {
    let mut sketch = sketch_of(0..2000, 0);
    assert_eq!(form(&sketch), Some(Form::Dense));
    let mut seen = [0, 0];
    for number in 0..4000 {
        let element = format!("element:{number}");
        let covered = covers(&sketch, [element.as_bytes()].into_iter());
        assert_eq!(add(&mut sketch, element.as_bytes(), 0), Ok(!covered), "{element}");
        seen[covered as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
    let one = || [&b"element:1"[..]].into_iter();
    assert!(covers(&sketch, one()) && covers(&sketch, std::iter::empty()));
    assert!(!covers(&sketch_of(0..5, 3000), one()), "a sparse sketch is not looked through");
    assert!(!covers(b"no sketch", one()) && !covers(b"no sketch", std::iter::empty()));
}

/// Written down from Redis 8.0.6: `PFADD s element:0 … element:5`, then GET.
#[test]
fn the_bytes_are_those_of_redis() {
    let bytes = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80D\x8e\x80E;\x84F\x88\x90E\x01\x80K'\x80]-\x84BM";
    assert_eq!(sketch_of(0..6, 3000), bytes);
}

#[test]
fn a_sketch_that_would_grow_beyond_the_limit_becomes_dense() {
    let sparse = sketch_of(0..100, 3000);
    assert_eq!(form(&sparse), Some(Form::Sparse));
    let len = sparse.len() as u64;
    assert_eq!(form(&sketch_of(0..100, len)), Some(Form::Sparse));
    let mut dense = sparse.clone();
    assert_eq!(make_dense(&mut dense), Ok(true));
    assert_eq!(make_dense(&mut dense), Ok(false));
    // The same registers, and nothing else.
    assert_eq!(sketch_of(0..100, len - 1), dense);
}

/// A run that leads beyond the last register, in any opcode: nothing is written there.
#[test]
fn cve_2025_32023_runs_are_not_longer_than_what_is_left() {
    let overlong: [&[u8]; 6] = [
        b"\x7f\xff\x00",
        b"\x7f\xff\x7f\xff",
        b"\x7f\xff\x83",
        b"\x7f\xfd\x82",
        b"\x7f\xfe\x3f",
        &[0x7f; 300_001],
    ];
    for opcodes in overlong {
        let mut sketch = [&empty()[..HEADER], opcodes].concat();
        assert_eq!(form(&sketch), Some(Form::Sparse));
        assert_eq!(count(&sketch), Err(Corrupt));
        assert_eq!(Registers::new().merge(&sketch), Err(Corrupt));
        assert_eq!(make_dense(&mut sketch), Err(Corrupt));
        assert_eq!(decode(&sketch).is_err(), opcodes.len() > 2 * REGISTERS);
    }
    // The last register is in the opcode that is too long.
    let mut sketch = [&empty()[..HEADER], b"\x7f\xfd\x83"].concat();
    let last = REGISTERS - 1;
    assert_eq!(raise(&mut sketch, last, 5, 3000, &mut sparse::Cursor::default()), Err(Corrupt));
}

#[test]
fn strings_that_end_early_are_no_sketches_or_corrupt() {
    let whole = sketch_of(0..3, 3000);
    for len in 0..whole.len() {
        let part = &whole[..len];
        match form(part) {
            None => assert!(len < HEADER),
            Some(_) => assert_eq!(count(part), Err(Corrupt), "{len} bytes"),
        }
    }
    let mut dense = whole;
    make_dense(&mut dense).unwrap();
    assert_eq!(form(&dense), Some(Form::Dense));
    assert_eq!(form(&dense[..dense.len() - 1]), None);
    dense.push(0);
    assert_eq!(form(&dense), None);
}

/// Six bits hold more than a hash can lead to.
#[test]
fn registers_beyond_any_hash_count_for_nothing() {
    let mut sketch = sketch_of(0..100, 0);
    assert_eq!(form(&sketch), Some(Form::Dense));
    sketch[HEADER..].fill(0xff);
    let all = count(&sketch).unwrap();
    let mut registers = Registers::new();
    registers.merge(&sketch).unwrap();
    assert_eq!(registers.estimate(), all);
}

/// The registers of a sketch, read one by one.
fn plainly(sketch: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut dense = sketch.to_vec();
    make_dense(&mut dense)?;
    Ok((0..REGISTERS).map(|index| dense::get(&dense[HEADER..], index)).collect())
}

/// Opcodes of all kinds, sometimes too many, sometimes too few.
fn opcodes() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        4 => (0x80u8..=0xff).prop_map(|byte| vec![byte]),
        4 => (0u8..0x40).prop_map(|byte| vec![byte]),
        1 => (0x40u8..0x48, any::<u8>()).prop_map(|(high, low)| vec![high, low]),
    ];
    (proptest::collection::vec(one, 0..400), any::<bool>()).prop_map(|(ops, fill)| {
        let mut bytes = ops.concat();
        if fill {
            let mut covered = 0;
            let mut at = 0;
            while at < bytes.len() {
                let (run, len) = match bytes[at] {
                    byte @ 0x80.. => ((byte & 3) as usize + 1, 1),
                    byte @ 0x40.. => (((byte & 0x3f) as usize) << 8 | bytes[at + 1] as usize, 2),
                    byte => (byte as usize + 1, 1),
                };
                let run = if len == 2 { run + 1 } else { run };
                if covered + run > REGISTERS {
                    bytes.truncate(at);
                    break;
                }
                (covered, at) = (covered + run, at + len);
            }
            if covered < REGISTERS {
                let rest = REGISTERS - covered - 1;
                bytes.extend([0x40 | (rest >> 8) as u8, rest as u8]);
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What is done many at a time comes to what is done one by one.
    #[test]
    fn dense_registers_are_merged_and_packed_as_one_by_one(
        first in proptest::collection::vec(any::<u8>(), dense::BYTES),
        second in proptest::collection::vec(any::<u8>(), dense::BYTES),
    ) {
        type Merge = fn(&[u8], &mut [u8; REGISTERS]);
        type Pack = fn(&[u8; REGISTERS], &mut [u8]);
        let get = dense::get;
        let larger = |index| get(&first, index).max(get(&second, index));
        let model: Vec<u8> = (0..REGISTERS).map(larger).collect();
        let mut packed = vec![0; dense::BYTES];
        model.iter().enumerate().for_each(|(index, value)| dense::set(&mut packed, index, *value));
        // Those that choose, and those that they choose from.
        let ways: [(Merge, Pack); 2] =
            [(dense::merge, dense::pack), (dense::merge_plainly, dense::pack_plainly)];
        for (merge, pack) in ways {
            let mut bytes = [0; REGISTERS];
            merge(&first, &mut bytes);
            merge(&second, &mut bytes);
            prop_assert_eq!(&bytes[..], &model);
            let mut again = vec![0xff; dense::BYTES];
            pack(&bytes, &mut again);
            prop_assert_eq!(&again, &packed);
        }
    }
}

proptest! {
    // Each case reads all registers many times.
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the opcodes are, raising a register raises that one alone.
    #[test]
    fn raising_a_register_changes_no_other(
        opcodes in opcodes(),
        raises in proptest::collection::vec((0..REGISTERS, 1u8..52), 1..60),
        sparse_max in prop_oneof![Just(3000u64), Just(0), 16u64..600],
    ) {
        let mut sketch = [&empty()[..HEADER], &opcodes].concat();
        let model = plainly(&sketch);
        prop_assert_eq!(check(&sketch), model.clone().map(|_| ()));
        for (index, run) in raises {
            let before = plainly(&sketch);
            let raised = raise(&mut sketch, index, run, sparse_max, &mut Default::default());
            if let Ok(mut before) = before {
                let expected = run > before[index];
                prop_assert_eq!(raised, Ok(expected));
                before[index] = before[index].max(run);
                prop_assert_eq!(plainly(&sketch), Ok(before));
            }
        }
    }

    /// A cursor saves steps and changes nothing else.
    #[test]
    fn registers_in_ascending_order_may_be_raised_with_a_cursor(
        opcodes in opcodes(),
        raises in proptest::collection::btree_map(0..REGISTERS, 1u8..34, 1..300),
        together in 0..REGISTERS,
        sparse_max in prop_oneof![Just(3000u64), Just(100_000)],
    ) {
        let mut sketch = [&empty()[..HEADER], &opcodes].concat();
        let mut twin = sketch.clone();
        let mut cursor = sparse::Cursor::default();
        let dense_stretch = (together..REGISTERS.min(together + 50)).map(|index| (index, 3));
        let mut raises = raises;
        raises.extend(dense_stretch);
        for (index, run) in raises {
            let result = raise(&mut sketch, index, run, sparse_max, &mut cursor);
            let plain = raise(&mut twin, index, run, sparse_max, &mut Default::default());
            if plain.is_err() {
                break;
            }
            prop_assert_eq!(result, plain);
            prop_assert!(sketch == twin);
        }
    }

    /// Registers come back from six bits as they went there, and pairs are counted as one by one.
    #[test]
    fn packed_registers_are_the_same(seed: u64, spread in 1u32..7) {
        let mut registers = Registers::new();
        let mut state = seed | 1;
        for register in registers.0.iter_mut() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *register = (state >> (64 - spread)) as u8;
        }
        let mut sketch = empty();
        registers.store(&mut sketch, true, 3000).unwrap();
        for (index, register) in registers.iter().enumerate() {
            prop_assert_eq!(dense::get(&sketch[HEADER..], index), register);
        }
        let mut back = Registers::new();
        back.merge(&sketch).unwrap();
        prop_assert!(back.0 == registers.0);
        let mut plain = [0u32; 64];
        registers.iter().for_each(|register| plain[register as usize] += 1);
        prop_assert_eq!(dense::histogram(&sketch[HEADER..]), plain);
        prop_assert_eq!(dense::histogram_of_bytes(&registers.0), plain);
    }
}

#[test]
fn the_self_test_passes() {
    assert_eq!(self_test(), Ok(()));
}
