//! What is hashed: messages that can be read in one way only, and bags of them.

use sha2::{Digest as _, Sha256};

use crate::value::StreamId;

/// A message on its way into SHA-256.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Sha256);

impl Message {
    pub(super) fn new() -> Self {
        Message::default()
    }

    pub(super) fn u8(&mut self, n: u8) -> &mut Self {
        self.0.update([n]);
        self
    }

    pub(super) fn u64(&mut self, n: u64) -> &mut Self {
        self.0.update(n.to_le_bytes());
        self
    }

    pub(super) fn i64(&mut self, n: i64) -> &mut Self {
        self.0.update(n.to_le_bytes());
        self
    }

    /// A length and the bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64);
        self.0.update(bytes);
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
        self.0.update(hash);
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

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
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
    use super::{Bag, Message};

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
