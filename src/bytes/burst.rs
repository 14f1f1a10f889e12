//! Where a few bytes that stand together are damaged, as the CRC-64 behind them tells.
//!
//! ```text
//! bytes           ├────────────?──────────────┤ stored checksum
//! their checksum, less the stored one:        d   zero where nothing is damaged
//!                              ▲──────────────▲   taken back byte by byte: what of it has come
//!                              d'                 from the damage alone is short, and is the damage
//! ```
//!
//! The checksum is linear, so what damage does to it does not depend on the other bytes, and a
//! CRC of 64 bits tells all bursts of up to 64 bits from none. Of two bursts it tells nothing, and
//! some of them look like one that is elsewhere: so a burst is only believed in where hardly any
//! other explains the checksum by chance, which bounds its length by the number of bytes.

use super::crc64::plain;

/// How likely a burst is that is found where there is none: 2^-20, one in a million.
const CHANCE_BITS: u32 = 20;
/// No burst is longer, in bits.
const LONGEST_BITS: u32 = 32;

/// Bytes that stand together and are not what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Where they begin.
    pub offset: usize,
    /// What they were is what they are, xor this.
    masks: [u8; 4],
    /// How many they are.
    len: usize,
}

impl Burst {
    /// The only burst of damage in so many bytes that explains their checksum, if there is one: `is`
    /// is what they have, `was` what they had. Takes about two nanoseconds for each byte.
    pub fn find(len: usize, is: u64, was: u64) -> Option<Self> {
        let longest = longest_bits(len)?;
        let mut state = is ^ was;
        if state == 0 {
            return None;
        }
        let back = Back::new();
        for offset in (0..len).rev() {
            state = back.step(state);
            // The first bytes that follow a state of zero are the state, for what comes then.
            if state < 1 << LONGEST_BITS && state & 0xff != 0 {
                let bits = u64::BITS - state.leading_zeros() - state.trailing_zeros();
                let burst = Burst {
                    offset,
                    masks: u32::try_from(state).ok()?.to_le_bytes(),
                    len: (u64::BITS - state.leading_zeros()).div_ceil(8) as usize,
                };
                let fits = bits <= longest && offset + burst.len <= len;
                return fits.then_some(burst);
            }
        }
        None
    }

    /// How many bytes are damaged, from the first to the last.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a burst has at least one byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where in the bytes they stand.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }

    /// What these bytes were that are damaged now; the other way round it is the same.
    pub fn flip(&self, bytes: &mut [u8]) {
        for (byte, mask) in bytes.iter_mut().zip(self.masks.iter().take(self.len)) {
            *byte ^= mask;
        }
    }
}

/// How many bits a burst in so many bytes may have, so that hardly any is found by chance.
fn longest_bits(len: usize) -> Option<u32> {
    // There are 2^(bits - 1) bursts of so many bits at each bit.
    let places = (len as u64).saturating_mul(8).max(1).ilog2() + 1;
    let bits = (u64::BITS + 1).checked_sub(CHANCE_BITS + places)?;
    (bits > 0).then_some(bits.min(LONGEST_BITS))
}

/// What the state of a checksum was before a byte of zero.
struct Back {
    /// For the highest byte of a state: the lowest of the one before, and what it did to the others.
    steps: [(u8, u64); 256],
}

impl Back {
    fn new() -> Self {
        let mut steps = [(0, 0); 256];
        for byte in 0..=u8::MAX {
            let did = plain(u64::from(byte), &[0]);
            // Each of them has another highest byte.
            if let Some(step) = steps.get_mut((did >> 56) as usize) {
                *step = (byte, did);
            }
        }
        Back { steps }
    }

    #[inline]
    fn step(&self, state: u64) -> u64 {
        let (byte, did) = self.steps.get((state >> 56) as usize).copied().unwrap_or_default();
        (state ^ did) << 8 | u64::from(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::crc64::update;

    fn bytes(len: u32) -> Vec<u8> {
        (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    #[track_caller]
    fn found(sound: &[u8], at: usize, masks: &[u8]) -> Option<Burst> {
        let mut damaged = sound.to_vec();
        for (byte, mask) in damaged.iter_mut().skip(at).zip(masks) {
            *byte ^= mask;
        }
        let burst = Burst::find(sound.len(), update(0, &damaged), update(0, sound))?;
        burst.flip(&mut damaged[burst.range()]);
        assert_eq!(damaged, sound);
        Some(burst)
    }

    #[test]
    fn any_byte_that_is_damaged_is_found() {
        for len in [1, 2, 9, 300, 5000] {
            let sound = bytes(len);
            for at in (0..sound.len()).step_by(1 + sound.len() / 50) {
                for mask in [1, 0x80, 0xff, 0x18] {
                    let burst = found(&sound, at, &[mask]).unwrap();
                    assert_eq!((burst.offset, burst.len()), (at, 1));
                }
            }
        }
    }

    #[test]
    fn several_that_stand_together_are_found() {
        let sound = bytes(3000);
        for at in [0, 1, 777, 2996] {
            for masks in [&[1, 1][..], &[0xff, 0, 0xff], &[0x10, 0xff, 0xff, 0x02]] {
                assert_eq!(found(&sound, at, masks).unwrap().range(), at..at + masks.len());
            }
        }
        // Those at the end may be one byte and nothing behind it.
        assert_eq!(found(&sound, 2999, &[4]).unwrap().range(), 2999..3000);
    }

    #[test]
    fn what_is_apart_is_not_found() {
        let sound = bytes(3000);
        let mut damaged = sound.clone();
        for at in (5..3000).step_by(97) {
            damaged[at] ^= 1;
            damaged[at - 5] ^= 4;
            assert_eq!(Burst::find(3000, update(0, &damaged), update(0, &sound)), None);
        }
        assert_eq!(Burst::find(3000, 7, 7), None);
        assert_eq!(Burst::find(0, 7, 8), None);
    }

    #[test]
    fn the_more_bytes_the_shorter_a_burst_has_to_be() {
        assert_eq!(longest_bits(1_000), Some(32));
        assert_eq!(longest_bits(10_000), Some(28));
        assert_eq!(longest_bits(1 << 20), Some(21));
        assert_eq!(longest_bits(1 << 30), Some(11));
        assert_eq!(longest_bits(1 << 40), Some(1));
        assert_eq!(longest_bits(1 << 50), None);
    }
}
