//! A stream of bytes that only somebody with the seed can compute: SHA-256 in counter mode.

use sha2::{Digest as _, Sha256};

/// What streams are made from.
#[derive(Debug, Clone)]
pub struct Keyed {
    seeded: Sha256,
}

impl Keyed {
    /// From a seed of any length.
    pub fn new(seed: &[u8]) -> Self {
        let mut seeded = Sha256::new();
        // Behind a digest of fixed length nothing of the seed can be taken for what follows.
        seeded.update(Sha256::digest(seed));
        Keyed { seeded }
    }

    /// Fills `out` with the stream that belongs to `about` and `round`.
    pub fn fill(&self, round: u8, about: &[u8], out: &mut [u8]) {
        let mut head = self.seeded.clone();
        head.update([round]);
        head.update(about);
        let head = head.finalize();
        for (block, counter) in out.chunks_mut(32).zip(0_u64..) {
            let mut one = Sha256::new();
            one.update(head);
            one.update(counter.to_le_bytes());
            let bytes = one.finalize();
            block.copy_from_slice(bytes.get(..block.len()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Keyed;

    #[test]
    fn streams_depend_on_all_that_is_given() {
        let stream = |seed: &str, round, about: &str| {
            let mut out = [0; 40];
            Keyed::new(seed.as_bytes()).fill(round, about.as_bytes(), &mut out);
            out
        };
        let one = stream("seed", 1, "about");
        assert_eq!(one, stream("seed", 1, "about"));
        for other in
            [stream("seeds", 1, "about"), stream("seed", 2, "about"), stream("seed", 1, "x")]
        {
            assert_ne!(one, other);
        }
        // A longer stream begins as a shorter one.
        let mut short = [0; 7];
        Keyed::new(b"seed").fill(1, b"about", &mut short);
        assert_eq!(one[..7], short);
    }
}
