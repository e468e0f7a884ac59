//! The dice: small, fast and the same on every machine, so that a seed tells the whole story.

use std::collections::VecDeque;

pub struct Dice {
    state: u64,
    /// Where a fuzzer rolls: its bytes, until they are spent.
    script: Option<VecDeque<u8>>,
}

impl Dice {
    /// Neighbouring seeds must not give neighbouring sequences, so the seed is mixed first.
    pub fn seeded(seed: u64, episode: u64) -> Dice {
        let mut dice = Dice { state: mix(mix(seed) ^ episode) | 1, script: None };
        dice.next();
        dice
    }

    /// Dice that fall as the bytes say, so that a fuzzer can learn where they should.
    pub fn scripted(bytes: &[u8]) -> Dice {
        Dice { state: 1, script: Some(bytes.iter().copied().collect()) }
    }

    /// Nothing of the script is left; what is rolled now means nothing.
    pub fn is_spent(&self) -> bool {
        self.script.as_ref().is_some_and(VecDeque::is_empty)
    }

    pub fn next(&mut self) -> u64 {
        if let Some(number) = self.scripted_number(8) {
            return number;
        }
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        // A choice takes as few bytes as it needs, so that a change of one byte is a small change.
        let width = if bound <= 256 { 1 } else { 4 };
        let number = self.scripted_number(width).unwrap_or_else(|| self.next() >> 11);
        (number % bound as u64) as usize
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A number of any magnitude from `least` bits to `most` bits: small and huge are as likely.
    pub fn of_bits(&mut self, least: u32, most: u32) -> u64 {
        let bits = least + self.below((most - least + 1) as usize) as u32;
        (self.next() | 1 << 63) >> (64 - bits)
    }
}

impl Dice {
    fn scripted_number(&mut self, width: usize) -> Option<u64> {
        let script = self.script.as_mut()?;
        let bytes = script.drain(..width.min(script.len()));
        Some(bytes.fold(0, |number, byte| number << 8 | byte as u64))
    }
}

fn mix(seed: u64) -> u64 {
    let mut it = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    it ^ (it >> 31)
}
