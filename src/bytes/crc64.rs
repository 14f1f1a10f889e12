//! CRC-64 as the servers use it: polynomial 0xad93d23594c935a9, reflected, from zero, no final xor.
//!
//! Two implementations with one state: `crc64` (tables, no `unsafe`), and `crc-fast` for blocks
//! that are long enough to pay for its start. A mismatch is only reported after the plain one
//! has confirmed it ([`plain`]).

/// Blocks shorter than this go through the tables.
#[cfg(feature = "simd-crc")]
const SIMD_FROM: usize = 256;

/// Continues the checksum `crc` over `bytes`.
#[inline]
pub fn update(crc: u64, bytes: &[u8]) -> u64 {
    #[cfg(feature = "simd-crc")]
    if bytes.len() >= SIMD_FROM {
        use crc_fast::{CrcAlgorithm, Digest};
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, crc);
        digest.update(bytes);
        return digest.finalize();
    }
    plain(crc, bytes)
}

/// The same by tables only.
pub fn plain(crc: u64, bytes: &[u8]) -> u64 {
    ::crc64::crc64(crc, bytes)
}

/// What becomes of a checksum when a fixed number of bytes follow, as far as it does not depend on
/// them. The rest is their own checksum: `update(crc, bytes) = shift.apply(crc) ^ update(0, bytes)`,
/// so stretches may be computed apart and joined.
#[derive(Debug, Clone)]
pub struct Shift {
    /// What becomes of each bit; the checksum is linear.
    bits: [u64; 64],
}

impl Shift {
    /// For `len` bytes.
    pub fn over(mut len: usize) -> Shift {
        let each = |of: &dyn Fn(u64) -> u64| Shift { bits: std::array::from_fn(|n| of(1 << n)) };
        let mut shift = each(&|bit| bit);
        let mut power = each(&|bit| plain(bit, &[0]));
        while len > 0 {
            if len & 1 == 1 {
                shift = each(&|bit| power.apply(shift.apply(bit)));
            }
            power = each(&|bit| power.apply(power.apply(bit)));
            len >>= 1;
        }
        shift
    }

    /// The checksum behind that many zeros.
    pub fn apply(&self, crc: u64) -> u64 {
        let shifted = |(n, bits): (usize, &u64)| (crc >> n & 1).wrapping_neg() & bits;
        self.bits.iter().enumerate().map(shifted).fold(0, |sum, bits| sum ^ bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_servers() {
        assert_eq!(update(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn both_ways_agree_however_the_bytes_are_cut() {
        let bytes: Vec<u8> =
            (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let want = plain(0, &bytes);
        for cut in [0, 1, 15, 255, 256, 257, 1024, 4999, 5000] {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(update(update(0, head), tail), want, "cut at {cut}");
            let joined = Shift::over(tail.len()).apply(update(0, head)) ^ update(0, tail);
            assert_eq!(joined, want, "joined at {cut}");
        }
    }
}
