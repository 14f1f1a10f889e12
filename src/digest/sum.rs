//! The twenty bytes that a digest works on, and its two moves.
//!
//! ```text
//! xor(D, x):  D ← D ⊕ SHA-1(x)              order does not matter
//! mix(D, x):  D ← SHA-1(D ⊕ SHA-1(x))       order matters
//! ```
//!
//! Nearly everything hashed is short: up to 55 bytes are one block, and a sum itself is 20. So
//! blocks are built here and go to the compression function as they are.

use sha1::Digest as _;

/// The state of SHA-1 before the first block.
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
/// From here on the hasher that takes many blocks at a time is faster.
const LONG: usize = 512;

/// Twenty bytes, as the five big-endian words that SHA-1 makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum([u32; 5]);

impl Sum {
    /// SHA-1 of some bytes.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Sum {
        if bytes.len() > LONG {
            return Sum::long(bytes);
        }
        let mut state = START;
        let mut blocks = bytes.chunks_exact(64);
        for block in &mut blocks {
            if let Ok(block) = <&[u8; 64]>::try_from(block) {
                sha1::compress(&mut state, std::slice::from_ref(block.into()));
            }
        }
        let rest = blocks.remainder();
        let mut last = [0; 64];
        if let Some(room) = last.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        if let Some(end) = last.get_mut(rest.len()) {
            *end = 0x80;
        }
        // The length in bits stands at the end of the block that has room for it.
        if rest.len() >= 56 {
            sha1::compress(&mut state, &[last.into()]);
            last = [0; 64];
        }
        if let Some(room) = last.last_chunk_mut::<8>() {
            *room = (bytes.len() as u64 * 8).to_be_bytes();
        }
        sha1::compress(&mut state, &[last.into()]);
        Sum(state)
    }

    #[cold]
    fn long(bytes: &[u8]) -> Sum {
        let hash: [u8; 20] = sha1::Sha1::digest(bytes).into();
        Sum::from_bytes(hash)
    }

    /// SHA-1 of this sum's own twenty bytes.
    #[inline]
    pub(super) fn hashed(self) -> Sum {
        let mut block = [0_u8; 64];
        let (words, _) = block.as_chunks_mut::<4>();
        for (room, word) in words.iter_mut().zip(self.0) {
            *room = word.to_be_bytes();
        }
        let [.., high, low] = &mut block;
        (*high, *low) = (0, 160);
        if let Some(end) = block.get_mut(20) {
            *end = 0x80;
        }
        let mut state = START;
        sha1::compress(&mut state, &[block.into()]);
        Sum(state)
    }

    /// `D ⊕ other`, where `other` is a hash already.
    #[inline]
    pub(super) fn xor_sum(&mut self, other: Sum) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word ^= other;
        }
    }

    /// `mix` of what is hashed already.
    #[inline]
    pub(super) fn mix_sum(&mut self, other: Sum) {
        self.xor_sum(other);
        *self = self.hashed();
    }

    /// `mix`.
    #[inline]
    pub(super) fn mix(&mut self, bytes: &[u8]) {
        self.mix_sum(Sum::of(bytes));
    }

    fn from_bytes(bytes: [u8; 20]) -> Sum {
        let (words, _) = bytes.as_chunks::<4>();
        let mut sum = Sum::default();
        for (word, bytes) in sum.0.iter_mut().zip(words) {
            *word = u32::from_be_bytes(*bytes);
        }
        sum
    }

    /// The twenty bytes.
    pub(super) fn bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        let (words, _) = bytes.as_chunks_mut::<4>();
        for (room, word) in words.iter_mut().zip(self.0) {
            *room = word.to_be_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use sha1::Digest as _;

    use super::Sum;

    #[test]
    fn every_length_hashes_as_sha1() {
        let bytes: Vec<u8> = (0..700_u32).map(|n| (n * 7) as u8).collect();
        for len in 0..bytes.len() {
            let want: [u8; 20] = sha1::Sha1::digest(&bytes[..len]).into();
            assert_eq!(Sum::of(&bytes[..len]).bytes(), want, "{len}");
            let twice: [u8; 20] = sha1::Sha1::digest(want).into();
            assert_eq!(Sum::of(&bytes[..len]).hashed().bytes(), twice, "{len}");
        }
    }
}
