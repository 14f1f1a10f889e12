//! Streams of bytes that only somebody with the seed can compute: SHA-256 in counter mode.
//!
//! ```text
//! subject = SHA-256(SHA-256(seed), about)      hashed once for all that has to do with it
//! head    = SHA-256(subject, round, more)
//! stream  = head                                           where 32 bytes are enough
//!           SHA-256(head, 0), SHA-256(head, 1), …          the counter in 8 bytes, LE
//! ```

use super::full::Message;

/// What streams are made from.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// Of fixed length: behind it nothing of the seed can be taken for what follows.
    seed: [u8; 32],
}

/// What streams are about, with the seed in it.
#[derive(Debug, Clone)]
pub struct Subject([u8; 32]);

impl Keyed {
    /// From a seed of any length.
    pub fn new(seed: &[u8]) -> Self {
        Keyed { seed: hashed(&[seed]) }
    }

    /// What streams about this begin with.
    pub fn subject(&self, about: &[u8]) -> Subject {
        Subject(hashed(&[&self.seed, about]))
    }
}

impl Subject {
    /// Fills `out` with the stream of a round; `more` is what the round depends on besides.
    pub fn fill(&self, round: u8, more: &[u8], out: &mut [u8]) {
        let head = hashed(&[&self.0, &[round], more]);
        if let Some(bytes) = head.get(..out.len()) {
            return out.copy_from_slice(bytes);
        }
        for (block, counter) in out.chunks_mut(32).zip(0_u64..) {
            let bytes = hashed(&[&head, &counter.to_le_bytes()]);
            block.copy_from_slice(bytes.get(..block.len()).unwrap_or_default());
        }
    }
}

#[inline]
fn hashed(parts: &[&[u8]]) -> [u8; 32] {
    let mut message = Message::new();
    parts.iter().for_each(|part| message.put(part));
    message.finish()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn streams_depend_on_all_that_is_given() {
        let stream = |seed: &str, about: &str, round, more: &str| {
            let mut out = vec![0; 40];
            Keyed::new(seed.as_bytes()).subject(about.as_bytes()).fill(
                round,
                more.as_bytes(),
                &mut out,
            );
            out
        };
        let one = stream("seed", "about", 1, "more");
        assert_eq!(one, stream("seed", "about", 1, "more"));
        for other in [
            stream("seeds", "about", 1, "more"),
            stream("seed", "bout", 1, "more"),
            stream("seed", "about", 2, "more"),
            stream("seed", "about", 1, "mor"),
        ] {
            assert_ne!(one, other);
        }
        // All of it is filled, long or short.
        for len in [8, 31, 32, 33, 64, 100] {
            let mut out = vec![0; len];
            Keyed::new(b"seed").subject(b"about").fill(1, b"more", &mut out);
            let zeros = out.rchunks(8).next().unwrap_or_default().iter().filter(|b| **b == 0);
            assert!(zeros.count() < 4, "{out:?}");
        }
    }

    #[test]
    fn it_is_sha_256() {
        for len in [0, 1, 55, 56, 63, 64, 65, 200] {
            let text = vec![b'x'; len];
            assert_eq!(hashed(&[&text])[..], Sha256::digest(&text)[..]);
            let (head, rest) = text.split_at(len / 3);
            assert_eq!(hashed(&[head, rest])[..], Sha256::digest(&text)[..]);
        }
    }
}
