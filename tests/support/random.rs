//! Chance that is the same in every run, for tests that try out a lot.

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.word()) * bound as u128) >> 64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of any size, and often an extreme one.
    pub fn integer(&mut self) -> i64 {
        match self.below(8) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => 0,
            _ => (self.word() as i64) >> self.below(64),
        }
    }

    /// A decimal as INCRBYFLOAT takes it.
    pub fn decimal(&mut self) -> String {
        let whole = self.integer() >> self.below(40);
        let part = self.word() >> self.below(64);
        match self.below(4) {
            0 => format!("{whole}"),
            1 => format!("{whole}.{part}"),
            2 => format!("{whole}e{}", self.below(30) as i64 - 15),
            _ => format!("{whole}.{part}e{}", self.below(60) as i64 - 30),
        }
    }

    /// Up to so many bytes, of few letters or of all.
    pub fn text(&mut self, most: usize) -> Vec<u8> {
        let few = self.below(3) > 0;
        let len = self.below(most + 1);
        let byte = |random: &mut Self| match few {
            true => b'a' + random.below(4) as u8,
            false => random.word() as u8,
        };
        (0..len).map(|_| byte(self)).collect()
    }
}
