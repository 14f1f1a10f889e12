//! Streams of bytes that only somebody with the seed can compute, from AES-128.
//!
//! ```text
//! k1 ‖ k2 = SHA-256(seed)                         two keys
//! chain   = E(k1, chain ⊕ block) block by block   CBC-MAC: what goes in begins with its length,
//!                                                 so none is the beginning of another
//! subject = chain over  1 | length u56 | about    computed once for all that has to do with it
//! head    = chain on over  round + 2 | length u56 | more
//! stream  = head                                  where 16 bytes are enough
//!           E(k2, head ⊕ 0), E(k2, head ⊕ 1), …
//! ```
//!
//! Numbers are little-endian, and zeros fill the last block. Without the keys a stream cannot be
//! told from chance, and none says anything of what it was made from.

use aes::Aes128;
use aes::cipher::{BlockEncrypt as _, KeyInit as _};

use super::full::Message;

const BLOCK: usize = 16;
/// Bytes that stand in a block with the length of all.
const FIRST: usize = 8;
/// Blocks of a stream that are made at a time: the processor works on as many at once.
const AT_ONCE: usize = 8;
/// In front of what a stream is about; rounds come behind it.
const ABOUT: u8 = 1;

/// What streams are made from.
#[derive(Clone)]
pub struct Keyed {
    chain: Aes128,
    stream: Aes128,
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed")
    }
}

/// What streams are about, with the seed in it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'k> {
    keyed: &'k Keyed,
    chain: u128,
}

impl Keyed {
    /// From a seed of any length.
    pub fn new(seed: &[u8]) -> Self {
        let mut message = Message::new();
        message.put(seed);
        let hash = message.finish();
        let (chain, stream) = hash.split_at(BLOCK);
        Keyed { chain: Aes128::new(chain.into()), stream: Aes128::new(stream.into()) }
    }

    /// What streams about this begin with.
    pub fn subject(&self, about: &[u8]) -> Subject<'_> {
        Subject { keyed: self, chain: self.absorb(0, ABOUT, about) }
    }

    /// Goes on with a chain over a tag and bytes.
    fn absorb(&self, mut chain: u128, tag: u8, bytes: &[u8]) -> u128 {
        let (first, rest) = bytes.split_at_checked(FIRST).unwrap_or((bytes, &[]));
        chain = self.begin(chain, tag, bytes.len(), padded(first));
        let (blocks, rest) = rest.as_chunks::<BLOCK>();
        for block in blocks {
            chain = self.mix(chain ^ u128::from_le_bytes(*block));
        }
        if rest.is_empty() { chain } else { self.mix(chain ^ padded(rest)) }
    }

    /// Goes on with a tag, a length, and the first bytes of so many.
    #[inline(always)]
    fn begin(&self, chain: u128, tag: u8, len: usize, first: u128) -> u128 {
        let head = u64::from(tag) | (len as u64) << 8;
        self.mix(chain ^ u128::from(head) ^ first << 64)
    }

    #[inline(always)]
    fn mix(&self, block: u128) -> u128 {
        let mut block = block.to_le_bytes();
        self.chain.encrypt_block((&mut block).into());
        u128::from_le_bytes(block)
    }
}

/// Up to a block of bytes, with zeros behind them.
#[inline]
fn padded(bytes: &[u8]) -> u128 {
    let mut block = [0; BLOCK];
    if let Some(room) = block.get_mut(..bytes.len()) {
        room.copy_from_slice(bytes);
    }
    u128::from_le_bytes(block)
}

impl Subject<'_> {
    /// What [`fill`](Self::fill) makes of the first `len` bytes of `more`, up to eight with zeros
    /// behind them: the first sixteen bytes of the stream, where it is no longer.
    #[inline(always)]
    pub fn short(&self, round: u8, len: usize, more: [u8; FIRST]) -> [u8; BLOCK] {
        let first = u64::from_le_bytes(more).into();
        self.keyed.begin(self.chain, round.wrapping_add(ABOUT + 1), len, first).to_le_bytes()
    }

    /// Fills `out` with the stream of a round; `more` is what the round depends on besides.
    #[inline]
    pub fn fill(&self, round: u8, more: &[u8], out: &mut [u8]) {
        let head = self.keyed.absorb(self.chain, round.wrapping_add(ABOUT + 1), more);
        if let Some(bytes) = head.to_le_bytes().get(..out.len()) {
            return out.copy_from_slice(bytes);
        }
        let mut counter = 0;
        for room in out.chunks_mut(BLOCK * AT_ONCE) {
            let mut blocks = [aes::Block::default(); AT_ONCE];
            for block in &mut blocks {
                *block = (head ^ counter).to_le_bytes().into();
                counter += 1;
            }
            self.keyed.stream.encrypt_blocks(&mut blocks);
            for (room, block) in room.chunks_mut(BLOCK).zip(&blocks) {
                room.copy_from_slice(block.get(..room.len()).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: &str, about: &str, round: u8, more: &str, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        Keyed::new(seed.as_bytes()).subject(about.as_bytes()).fill(
            round,
            more.as_bytes(),
            &mut out,
        );
        out
    }

    #[test]
    fn streams_depend_on_all_that_is_given() {
        let long = "what is longer than a block or two of the cipher is";
        for len in [16, 40] {
            let one = stream("seed", long, 1, long, len);
            assert_eq!(one, stream("seed", long, 1, long, len));
            for other in [
                stream("seeds", long, 1, long, len),
                stream("seed", &long[1..], 1, long, len),
                stream("seed", &long[..long.len() - 1], 1, long, len),
                stream("seed", long, 2, long, len),
                stream("seed", long, 1, &long[1..], len),
                stream("seed", long, 1, &long[..long.len() - 1], len),
                stream("seed", &format!("{long}\0"), 1, long, len),
                stream("seed", long, 1, &format!("{long}\0"), len),
            ] {
                assert_ne!(one, other);
            }
        }
    }

    #[test]
    fn all_of_it_is_filled_long_or_short() {
        for len in [8, 15, 16, 17, 31, 32, 33, 64, 100, 127, 128, 129, 300] {
            let out = stream("seed", "about", 1, "more", len);
            let mut words: Vec<&[u8]> = out.chunks(8).collect();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), len.div_ceil(8), "nothing comes again in {out:?}");
            let zeros = out.rchunks(8).next().unwrap_or_default().iter().filter(|b| **b == 0);
            assert!(zeros.count() < 4, "{out:?}");
        }
    }

    #[test]
    fn a_short_one_is_the_same() {
        let keyed = Keyed::new(b"seed");
        let subject = keyed.subject(b"about");
        for len in 0..=8 {
            let more = b"moremore";
            let mut padded = [0; 8];
            padded[..len].copy_from_slice(&more[..len]);
            let mut out = [0; 16];
            subject.fill(4, &more[..len], &mut out);
            assert_eq!(subject.short(4, len, padded), out);
        }
    }

    /// The cipher by itself, put together by the words at the top of this file.
    #[test]
    fn it_is_what_it_says() {
        use sha2::{Digest as _, Sha256};
        let keys = Sha256::digest(b"seed");
        let (first, second) = keys.split_at(16);
        let encrypt = |key: &[u8], block: &[u8]| {
            let mut block = aes::Block::clone_from_slice(block);
            Aes128::new(key.into()).encrypt_block(&mut block);
            block.to_vec()
        };
        let xor = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| a ^ b).collect::<Vec<u8>>();
        let subject = encrypt(first, b"\x01\x05\0\0\0\0\0\0about\0\0\0");
        let begun = encrypt(first, &xor(&subject, b"\x05\x0a\0\0\0\0\0\0more and"));
        let head = encrypt(first, &xor(&begun, b" m\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
        assert_eq!(stream("seed", "about", 3, "more and m", 16), head);
        let next = xor(&head, b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let want = [encrypt(second, &head), encrypt(second, &next)].concat();
        assert_eq!(stream("seed", "about", 3, "more and m", 32), want);
    }
}
