//! Names for addresses, read from the program's own file as it lies in memory.
//!
//! std could do better, with lines and inlined functions, but not inside of a handler: it allocates, and takes
//! locks. This only reads bytes, and doubts all of them.

/// The symbols of an ELF file.
#[derive(Clone, Copy)]
pub struct Symbols<'a> {
    entries: &'a [u8],
    names: &'a [u8],
    /// Where the file believes its table of segments to be in memory.
    pub headers_at: u64,
}

/// The kinds of sections and of symbols that matter.
const SYMTAB: u32 = 2;
const LOADED: u32 = 1;
const FUNCTION: u8 = 2;

const ENTRY: usize = 24;
const SECTION: usize = 64;
const SEGMENT: usize = 56;

impl<'a> Symbols<'a> {
    /// None if the file is none of ours; without names if it was stripped of them.
    pub fn of(file: &'a [u8]) -> Option<Symbols<'a>> {
        // 64 bits, the least significant byte first.
        if file.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let segments = u64_at(file, 32)?;
        let count = u16_at(file, 56)?;
        let headers_at = (0..count).find_map(|number| {
            let at = usize::try_from(segments).ok()?.checked_add(SEGMENT * usize::from(number))?;
            let begins_file = u32_at(file, at)? == LOADED && u64_at(file, at + 8)? == 0;
            begins_file.then_some(u64_at(file, at + 16)?.checked_add(segments)?)
        })?;
        let (entries, names) = tables(file).unwrap_or_default();
        Some(Symbols { entries, names, headers_at })
    }

    /// The function that an address of the file is in, and how far.
    pub fn find(&self, address: u64) -> Option<(&'a [u8], u64)> {
        let mut best: Option<(u64, u32)> = None;
        // A hundred thousand of them for each frame, so this is written for builds without optimisation too.
        for entry in self.entries.as_chunks::<ENTRY>().0 {
            if entry[4] & 15 != FUNCTION {
                continue;
            }
            let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, size @ ..] = *entry;
            let start = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            if start > address || best.is_some_and(|(best, _)| best >= start) {
                continue;
            }
            if address - start < u64::from_le_bytes(size).max(1) {
                best = Some((start, u32_at(entry, 0)?));
            }
        }
        let (start, name) = best?;
        let name = self.names.get(name as usize..)?;
        let length = name.iter().position(|byte| *byte == 0)?;
        Some((&name[..length], address - start))
    }
}

/// The parts of a name as Rust has mangled it (`_ZN4name5inner17h…E`), without the hash at the end; the name
/// itself if it is no such name.
pub fn parts(mangled: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inner = mangled.strip_prefix(b"_ZN");
    let mut rest = inner.unwrap_or_default();
    let whole = inner.is_none().then_some(mangled);
    whole.into_iter().chain(std::iter::from_fn(move || {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = std::str::from_utf8(&rest[..digits]).ok()?.parse::<usize>().ok()?;
        let part = rest.get(digits..digits.checked_add(length)?)?;
        rest = &rest[digits + length..];
        let is_hash = length == 17 && part[0] == b'h' && rest == b"E";
        (!is_hash).then_some(part)
    }))
}

/// The table of symbols, and the names that it refers to.
fn tables(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let sections = usize::try_from(u64_at(file, 40)?).ok()?;
    let section = |number: u32| sections.checked_add(SECTION.checked_mul(number as usize)?);
    let content = |at: usize| {
        let start = usize::try_from(u64_at(file, at + 24)?).ok()?;
        let size = usize::try_from(u64_at(file, at + 32)?).ok()?;
        file.get(start..start.checked_add(size)?)
    };
    for number in 0..u32::from(u16_at(file, 60)?) {
        let at = section(number)?;
        if u32_at(file, at + 4)? == SYMTAB {
            return Some((content(at)?, content(section(u32_at(file, at + 40)?)?)?));
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn own() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn functions_of_the_program_itself_are_found() {
        let file = own();
        let symbols = Symbols::of(&file).unwrap();
        let (mut seen, mut named) = (0, 0);
        for entry in symbols.entries.chunks_exact(ENTRY).step_by(97) {
            let (start, size) = (u64_at(entry, 8).unwrap(), u64_at(entry, 16).unwrap());
            if entry[4] & 15 == FUNCTION && size > 1 {
                let (name, offset) = symbols.find(start + size - 1).unwrap();
                assert!(offset < size, "{offset} of {size}");
                named += !name.is_empty() as usize;
                seen += 1;
            }
        }
        assert!(seen > 10 && named == seen, "{named} of {seen}");
        assert!(symbols.find(u64::MAX).is_none());
    }

    #[test]
    fn names_are_taken_apart() {
        let of = |name: &str| {
            let parts: Vec<String> =
                parts(name.as_bytes()).map(|part| part.escape_ascii().to_string()).collect();
            parts.join("::")
        };
        assert_eq!(of("_ZN6russet6engine4call17h0123456789abcdefE"), "russet::engine::call");
        assert_eq!(of("main"), "main");
        assert_eq!(of("_ZN99"), "");
        assert_eq!(of("_ZN18446744073709551615a"), "");
    }

    proptest! {
        /// A file that is broken, or is being replaced, is no reason to crash while crashing.
        #[test]
        fn any_file_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0u64..400) {
            let mut file = b"\x7fELF\x02\x01".to_vec();
            file.extend(bytes);
            if let Some(symbols) = Symbols::of(&file) {
                symbols.find(at);
            }
        }
    }
}
