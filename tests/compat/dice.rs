//! The dice: small, fast and the same on every machine, so that a seed tells the whole story.

pub struct Dice(u64);

impl Dice {
    /// Neighbouring seeds must not give neighbouring sequences, so the seed is mixed first.
    pub fn seeded(seed: u64, episode: u64) -> Dice {
        let mut dice = Dice(mix(mix(seed) ^ episode) | 1);
        dice.next();
        dice
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 11) % bound as u64) as usize
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

fn mix(seed: u64) -> u64 {
    let mut it = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    it ^ (it >> 31)
}
