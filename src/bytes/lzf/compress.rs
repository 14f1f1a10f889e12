//! Packing, with the same output as the servers' own packer, so that a snapshot that is written
//! anew can be compared with its model byte for byte.
//!
//! A table maps a hash of three bytes to the last place where they stood. What decides the output
//! besides: the first byte of the input is never copied from, a place further back than 8192 bytes
//! is not looked at, after a copy only its last two places are entered, and a result is wanted
//! only when it saves four bytes. The danger is the length of a copy near the end of the input:
//! the servers' loop compares sixteen bytes before it asks for the limit, so near the end a copy
//! may be longer than the limit says.

/// Places are hashed to so many bits.
const HASH_BITS: u32 = 16;
/// Copies reach no further back.
const MAX_BACK: usize = 1 << 13;
/// Copies are no longer.
const MAX_COPY: usize = 264;
/// Literals of one run.
const MAX_RUN: usize = 32;
/// Packing must save so much to be worth it.
const WORTH: usize = 4;
/// Bytes that are compared before the limit counts.
const UNROLLED: usize = 16;

/// Packs strings, one after the other, in the same room.
#[derive(Debug, Clone)]
pub struct Compressor {
    /// A place of the input at hand plus `base`; what is not above `base` is of an input before.
    table: Vec<u32>,
    base: u32,
    /// The length of the input before, which the next `base` must skip.
    last: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor {
    /// Takes its room (256 KiB) at the first string.
    pub fn new() -> Self {
        Compressor { table: Vec::new(), base: 0, last: 0 }
    }

    /// Appends the packed form of `input` to `out`, where it is at least four bytes shorter;
    /// otherwise `out` is left alone.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(room) = input.len().checked_sub(WORTH).filter(|&room| room > 0) else {
            return false;
        };
        // Servers hold places in 32 bits as well, and nobody waits for two gigabytes.
        let Ok(len) = u32::try_from(input.len()) else { return false };
        if len > u32::MAX / 2 {
            return false;
        }
        self.table.resize(1 << HASH_BITS, 0);
        self.base = match self.base.checked_add(self.last) {
            Some(base) if base < u32::MAX / 2 => base,
            _ => {
                self.table.fill(0);
                0
            }
        };
        self.last = len;
        let start = out.len();
        out.reserve(room + UNROLLED);
        let packed = self.pack(input, out, start, room).is_some();
        if !packed {
            out.truncate(start);
        }
        packed
    }

    /// In the servers' terms `room` is where the output must end, and a run of literals has its
    /// header in the output as soon as the token before it is written.
    fn pack(&mut self, input: &[u8], out: &mut Vec<u8>, start: usize, room: usize) -> Option<()> {
        let base = self.base;
        // As long as the hash has values, said so that no access need be checked.
        let table: &mut [u32; 1 << HASH_BITS] = self.table.first_chunk_mut()?;
        let mut at = 0;
        // Where the literals begin that have not been written yet.
        let mut run = 0;
        // More literals than this would not fit.
        let mut most = room;
        while let Some(&[a, b, c]) = input.get(at..).and_then(|rest| rest.first_chunk()) {
            let slot = table.get_mut(hash(a, b, c))?;
            let seen = std::mem::replace(slot, base + at as u32);
            let place = seen.checked_sub(base).map_or(0, |place| place as usize);
            // A place in another input comes out as 0, which is never copied from.
            if place == 0
                || at - place > MAX_BACK
                || input.get(place..place + 3) != Some(&[a, b, c])
            {
                at += 1;
                if at - run > most {
                    return None;
                }
                continue;
            }
            literals(out, input.get(run..at)?);
            if out.len() - start + 4 >= room {
                return None;
            }
            let count = copy_length(input.get(place..)?, input.get(at..)?);
            let (back, extra) = (at - place - 1, count - 2);
            if extra < 7 {
                out.push((back >> 8 | extra << 5) as u8);
            } else {
                out.extend_from_slice(&[(back >> 8 | 7 << 5) as u8, (extra - 7) as u8]);
            }
            out.push(back as u8);
            at += count;
            run = at;
            most = room.saturating_sub(out.len() - start);
            if at + 2 >= input.len() {
                break;
            }
            for near in at - 2..at {
                if let Some(&[a, b, c]) = input.get(near..).and_then(|rest| rest.first_chunk()) {
                    *table.get_mut(hash(a, b, c))? = base + near as u32;
                }
            }
        }
        let left = at - run;
        if out.len() - start + left / MAX_RUN * (MAX_RUN + 1) + 1 + left % MAX_RUN + 3 > room {
            return None;
        }
        literals(out, input.get(run..)?);
        Some(())
    }
}

#[inline(always)]
fn hash(a: u8, b: u8, c: u8) -> usize {
    let three = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
    ((three >> 8).wrapping_sub(three.wrapping_mul(5)) & ((1 << HASH_BITS) - 1)) as usize
}

/// Runs of literals, each with its length in front.
#[inline]
fn literals(out: &mut Vec<u8>, bytes: &[u8]) {
    for run in bytes.chunks(MAX_RUN) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
}

/// How much of `rest` a copy from `from` makes; the first three bytes are known to be the same.
#[inline]
fn copy_length(from: &[u8], rest: &[u8]) -> usize {
    let limit = (rest.len() - 2).min(MAX_COPY);
    let limit = if limit > UNROLLED { limit.max(3 + UNROLLED) } else { limit.max(3) };
    let limit = limit.min(rest.len());
    let mut len = 3;
    while len + 8 <= limit
        && let (Some(a), Some(b)) = (eight(from, len), eight(rest, len))
    {
        let differ = a ^ b;
        if differ != 0 {
            return len + (differ.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    while len < limit && from.get(len) == rest.get(len) {
        len += 1;
    }
    len
}

#[inline(always)]
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::Compressor;
    use crate::bytes::lzf::decompress;

    /// `None` where servers store the string as it is.
    #[track_caller]
    fn check(input: &[u8], want: Option<&[u8]>) {
        let mut packer = Compressor::new();
        let mut out = b"before".to_vec();
        let packed = packer.compress(input, &mut out);
        assert_eq!(packed.then(|| &out[6..]), want);
        assert_eq!(&out[..6], b"before");
    }

    #[test]
    fn what_servers_write() {
        check(&[b'a'; 30], Some(b"\x01aa\xe0\x11\x00\x01aa"));
        check(&[b'a'; 21], Some(b"\x01aa\xe0\x0a\x00"));
        check(&b"abc".repeat(9), Some(b"\x03abca\xe0\x0c\x02\x01bc"));
        check(b"no three bytes stand here twice", None);
        check(b"aaaa", None);
        check(b"", None);
    }

    #[test]
    fn what_was_packed_before_does_not_show() {
        let mut worn = Compressor::new();
        let mut text = Vec::new();
        let mut seed = 1_u32;
        for round in 0..2000_usize {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = (seed >> 24) as u8 % (2 + (round % 60) as u8);
            text.extend(std::iter::repeat_n(byte, (seed >> 16 & 7) as usize));
            let input = &text[text.len().saturating_sub(round * 7)..];
            let (mut first, mut second) = (Vec::new(), Vec::new());
            let packed = worn.compress(input, &mut first);
            assert_eq!(Compressor::new().compress(input, &mut second), packed);
            assert_eq!(first, second);
            if packed {
                assert!(first.len() + 4 <= input.len());
                let mut back = Vec::new();
                decompress(&first, input.len() as u64, &mut back).unwrap();
                assert_eq!(back, input);
            }
        }
        worn.base = u32::MAX / 2 - 1;
        for _ in 0..3 {
            let mut out = Vec::new();
            assert!(worn.compress(&[b'a'; 30], &mut out));
            assert_eq!(out, b"\x01aa\xe0\x11\x00\x01aa");
        }
    }
}
