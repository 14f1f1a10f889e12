//! What is hashed: messages that can be read in one way only, and bags of them.

use crate::value::StreamId;

/// The state of SHA-256 before the first block.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
const BLOCK: usize = 64;
/// The length of the message stands in so many bytes at the end of its last block.
const LENGTH: usize = 8;

/// A message on its way into SHA-256. Nearly all are short and come in small pieces, so the blocks
/// are built here and go to the compression function as they are.
#[derive(Debug, Clone)]
pub(in crate::digest) struct Message {
    state: [u32; 8],
    /// How many bytes have come; what is in the block is the rest that makes no block.
    len: u64,
    block: [u8; BLOCK],
}

impl Default for Message {
    fn default() -> Self {
        Message { state: START, len: 0, block: [0; BLOCK] }
    }
}

impl Message {
    pub(in crate::digest) fn new() -> Self {
        Message::default()
    }

    /// Bytes as they are.
    #[inline]
    pub(in crate::digest) fn put(&mut self, bytes: &[u8]) {
        let at = self.len as usize % BLOCK;
        if at + bytes.len() >= BLOCK {
            return self.fill(at, bytes);
        }
        self.len += bytes.len() as u64;
        if let Some(room) = self.block.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// As [`put`](Self::put), where a block becomes full.
    fn fill(&mut self, at: usize, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        let (head, rest) = bytes.split_at_checked(BLOCK - at).unwrap_or_default();
        if let Some(room) = self.block.get_mut(at..) {
            room.copy_from_slice(head);
        }
        sha2::compress256(&mut self.state, &[self.block.into()]);
        let (blocks, rest) = rest.as_chunks::<BLOCK>();
        for block in blocks {
            sha2::compress256(&mut self.state, std::slice::from_ref(block.into()));
        }
        if let Some(room) = self.block.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
    }

    #[inline]
    pub(super) fn u8(&mut self, n: u8) -> &mut Self {
        self.put(&[n]);
        self
    }

    #[inline]
    pub(super) fn u64(&mut self, n: u64) -> &mut Self {
        self.put(&n.to_le_bytes());
        self
    }

    pub(super) fn i64(&mut self, n: i64) -> &mut Self {
        self.u64(n as u64)
    }

    /// A length and the bytes.
    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64);
        self.put(bytes);
        self
    }

    /// Absent, or present and a number.
    pub(super) fn opt_u64(&mut self, n: Option<u64>) -> &mut Self {
        match n {
            None => self.u8(0),
            Some(n) => self.u8(1).u64(n),
        }
    }

    /// Absent, or present and a number.
    pub(super) fn opt_i64(&mut self, n: Option<i64>) -> &mut Self {
        self.opt_u64(n.map(|n| n as u64))
    }

    /// A score: −0 is 0, as it compares, because some encodings cannot hold it.
    pub(super) fn score(&mut self, score: f64) -> &mut Self {
        self.u64(if score == 0.0 { 0 } else { score.to_bits() })
    }

    pub(super) fn id(&mut self, id: StreamId) -> &mut Self {
        self.u64(id.ms).u64(id.seq)
    }

    pub(super) fn hash(&mut self, hash: &[u8; 32]) -> &mut Self {
        self.put(hash);
        self
    }

    /// How many, and their sum.
    pub(super) fn bag(&mut self, bag: &Bag) -> &mut Self {
        self.u64(bag.count);
        for word in bag.sum {
            self.u64(word);
        }
        self
    }

    pub(in crate::digest) fn finish(mut self) -> [u8; 32] {
        let at = self.len as usize % BLOCK;
        if let Some((end, rest)) = self.block.get_mut(at..).and_then(<[u8]>::split_first_mut) {
            *end = 0x80;
            rest.fill(0);
        }
        if at + 1 + LENGTH > BLOCK {
            sha2::compress256(&mut self.state, &[self.block.into()]);
            self.block = [0; BLOCK];
        }
        if let Some(room) = self.block.last_chunk_mut::<LENGTH>() {
            *room = (self.len * 8).to_be_bytes();
        }
        sha2::compress256(&mut self.state, &[self.block.into()]);
        let mut hash = [0; 32];
        let (words, _) = hash.as_chunks_mut::<4>();
        for (room, word) in words.iter_mut().zip(self.state) {
            *room = word.to_be_bytes();
        }
        hash
    }
}

/// Messages whose order does not matter: how many there are, and the sum of their hashes modulo
/// 2^256. Unlike in an exclusive or, a message that is there twice does not vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bag {
    pub(super) count: u64,
    /// The least significant word first.
    sum: [u64; 4],
}

impl Bag {
    pub(super) fn add(&mut self, message: Message) {
        let hash = message.finish();
        let (words, _) = hash.as_chunks::<8>();
        let mut sum = [0; 4];
        for (word, bytes) in sum.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        self.merge(&Bag { count: 1, sum });
    }

    pub(super) fn add_some(&mut self, message: Option<Message>) {
        if let Some(message) = message {
            self.add(message);
        }
    }

    pub(super) fn merge(&mut self, other: &Bag) {
        self.count += other.count;
        let mut carry = false;
        for (word, other) in self.sum.iter_mut().zip(other.sum) {
            let (sum, first) = word.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::{Bag, Message};

    #[test]
    fn every_length_in_any_pieces_hashes_as_sha256() {
        let bytes: Vec<u8> = (0..400_u32).map(|n| (n * 7) as u8).collect();
        for len in 0..bytes.len() {
            let want: [u8; 32] = sha2::Sha256::digest(&bytes[..len]).into();
            for piece in [1, 8, 63, 64, 65, 400] {
                let mut message = Message::new();
                bytes[..len].chunks(piece).for_each(|piece| message.put(piece));
                assert_eq!(message.finish(), want, "{len} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_sum_carries() {
        let mut bag = Bag { count: 1, sum: [u64::MAX, u64::MAX, 7, 0] };
        bag.merge(&Bag { count: 2, sum: [1, 0, 0, 0] });
        assert_eq!(bag, Bag { count: 3, sum: [0, 0, 8, 0] });
        bag.merge(&Bag { count: 0, sum: [u64::MAX; 4] });
        assert_eq!(bag.sum, [u64::MAX, u64::MAX, 7, 0]);
    }

    #[test]
    fn order_does_not_matter_and_repetition_does() {
        let bag = |numbers: &[u64]| {
            let mut bag = Bag::default();
            for &n in numbers {
                let mut message = Message::new();
                message.u64(n);
                bag.add(message);
            }
            bag
        };
        assert_eq!(bag(&[1, 2, 3]), bag(&[3, 1, 2]));
        assert_ne!(bag(&[1, 2, 2]).sum, bag(&[1]).sum);
        assert_ne!(bag(&[1, 1]).sum, bag(&[2, 2]).sum);
    }
}
