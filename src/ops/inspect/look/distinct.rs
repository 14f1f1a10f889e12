//! About how many different things there are, in a kilobyte however many that is.
//!
//! A HyperLogLog: each thing goes, by its hash, into one of 1024 registers, which keeps the longest
//! run of zeros that it has seen. The error is some three per cent.

use xxhash_rust::xxh3::xxh3_64;

const REGISTERS: usize = 1024;
/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = REGISTERS.ilog2();

/// A count of different things.
#[derive(Debug)]
pub(super) struct Distinct(Box<[u8; REGISTERS]>);

impl Default for Distinct {
    fn default() -> Self {
        Distinct(Box::new([0; REGISTERS]))
    }
}

impl Distinct {
    pub(super) fn add(&mut self, thing: &[u8]) {
        let hash = xxh3_64(thing);
        let index = usize::try_from(hash >> (u64::BITS - INDEX_BITS)).unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, reason = "there are 64 bits")]
        let run = ((hash << INDEX_BITS).leading_zeros().min(u64::BITS - INDEX_BITS) + 1) as u8;
        if let Some(register) = self.0.get_mut(index) {
            *register = run.max(*register);
        }
    }

    pub(super) fn merge(&mut self, other: &Distinct) {
        for (register, more) in self.0.iter_mut().zip(other.0.iter()) {
            *register = (*register).max(*more);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub(super) fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|run| f64::from(*run)).map(|run| (-run).exp2()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let empty = self.0.iter().filter(|run| **run == 0).count();
        // Where registers are empty, how many there are says more.
        if empty > 0 && raw < 2.5 * registers {
            return (registers * (registers / empty as f64).ln()).round() as u64;
        }
        raw.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_about_right() {
        for count in [0_u64, 1, 10, 1000, 3000, 100_000, 1_000_000] {
            let (mut one, mut other) = (Distinct::default(), Distinct::default());
            for n in 0..count {
                let half = if n % 2 == 0 { &mut one } else { &mut other };
                half.add(n.to_string().as_bytes());
                half.add(n.to_string().as_bytes());
            }
            one.merge(&other);
            let error = one.estimate().abs_diff(count);
            assert!(error * 100 <= count * 8, "{} for {count}", one.estimate());
        }
    }
}
