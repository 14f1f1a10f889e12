//! A few damaged bytes of a snapshot, as its checksum tells: where they are, and what they were.
//!
//! Rot flips a bit or spoils a byte: one short [`Burst`], in what the checksum was computed from or
//! in the checksum itself. The one that explains the difference is the damage, whatever it has hit.

use std::fmt;
use std::ops::Range;

use crate::bytes::burst::Burst;
use crate::bytes::crc64;

/// Of a checksum that differs all over, so few bytes differ once in a billion times.
const LONGEST_IN_CHECKSUM: usize = 4;
/// The stored checksum.
const STORED_BYTES: usize = 8;

/// Bytes that stand together and are not what they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where they begin, from the begin of the snapshot.
    pub offset: usize,
    /// What they were is what they are, xor these.
    pub masks: Vec<u8>,
    /// Whether they belong to the checksum, and all that it was computed from is whole.
    pub is_in_checksum: bool,
}

impl Damage {
    /// The damage in a snapshot from its first byte to the last of its checksum: see
    /// [`explain`](Self::explain).
    pub fn find(snapshot: &[u8]) -> Option<Self> {
        let (summed, stored) = snapshot.split_last_chunk::<STORED_BYTES>()?;
        let computed = crc64::update(0, summed);
        Damage::explain(summed.len(), computed, u64::from_le_bytes(*stored))
    }

    /// The only short stretch of damage in so many bytes, or in the checksum behind them, that
    /// explains how the stored one differs from that which they have, if there is one. Takes about
    /// two nanoseconds for each byte.
    pub fn explain(len: usize, computed: u64, stored: u64) -> Option<Self> {
        let difference = stored ^ computed;
        // A writer that computes none writes a zero.
        if stored == 0 || difference == 0 {
            return None;
        }
        let differs = difference.to_le_bytes();
        if let Some(first) = differs.iter().position(|&byte| byte != 0)
            && let Some(last) = differs.iter().rposition(|&byte| byte != 0)
            && last - first < LONGEST_IN_CHECKSUM
        {
            let masks = differs.get(first..=last)?.to_vec();
            return Some(Damage { offset: len + first, masks, is_in_checksum: true });
        }
        let burst = Burst::find(len, computed, stored)?;
        let mut masks = vec![0; burst.len()];
        burst.flip(&mut masks);
        Some(Damage { offset: burst.offset, masks, is_in_checksum: false })
    }

    /// Where they stand.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.masks.len()
    }

    /// What these bytes were that are damaged now.
    pub fn put_back(&self, damaged: &[u8]) -> Vec<u8> {
        std::iter::zip(damaged, &self.masks).map(|(byte, mask)| byte ^ mask).collect()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits: u32 = self.masks.iter().map(|mask| mask.count_ones()).sum();
        match (bits, self.masks.len()) {
            (1, _) => f.write_str("a flipped bit")?,
            (_, 1) => f.write_str("a damaged byte")?,
            (_, len) => write!(f, "{len} damaged bytes")?,
        }
        f.write_str(if self.is_in_checksum { " of the checksum itself" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Vec<u8> {
        let mut bytes = b"REDIS0011\xfe\x00\x00\x01a\x01b\xff".to_vec();
        let sum = crc64::update(0, &bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    #[test]
    fn each_byte_is_told_what_it_was() {
        let sound = snapshot();
        assert_eq!(Damage::find(&sound), None);
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x21;
            let damage = Damage::find(&damaged).unwrap();
            assert_eq!(damage.range(), at..at + 1);
            assert_eq!(damage.put_back(&damaged[damage.range()]), sound[damage.range()]);
            assert_eq!(damage.is_in_checksum, at >= sound.len() - 8);
        }
    }

    #[test]
    fn it_reads_as_a_sentence() {
        let mut damaged = snapshot();
        damaged[13] ^= 0x20;
        let said = Damage::find(&damaged).unwrap().to_string();
        assert_eq!(said, "a flipped bit");
        *damaged.last_mut().unwrap() ^= 3;
        assert_eq!(Damage::find(&damaged), None);
        damaged[13] ^= 0x20;
        let said = Damage::find(&damaged).unwrap().to_string();
        assert_eq!(said, "a damaged byte of the checksum itself");
    }

    #[test]
    fn without_a_checksum_nothing_is_told() {
        let mut bytes = snapshot();
        bytes.last_chunk_mut::<8>().unwrap().fill(0);
        bytes[13] ^= 1;
        assert_eq!(Damage::find(&bytes), None);
        assert_eq!(Damage::find(b"REDIS"), None);
    }
}
