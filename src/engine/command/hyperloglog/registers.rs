//! The bytes of a HyperLogLog.
//!
//! ```text
//! "HYLL"  encoding u8 (0 dense, 1 sparse)  3 zeros  cardinality u64 LE (top bit: stale)  registers
//! dense   16384 × 6 bits, from the lowest bit of each byte on
//! sparse  00xxxxxx            1–64 registers of zero
//!         01xxxxxx yyyyyyyy   1–16384 registers of zero
//!         1vvvvvxx            1–4 registers of the same value, 1–32
//! ```
//!
//! The servers' own steps are followed to the letter, because the bytes are what is saved: how
//! runs are split and joined, and when a sparse one becomes dense.

use crate::engine::{Answer, Failure};

/// How many registers there are.
pub(super) const REGISTERS: usize = 1 << 14;
/// The bits of a hash that are looked at for its value.
const VALUE_BITS: u32 = 50;
const HEADER: usize = 16;
const DENSE_BYTES: usize = HEADER + REGISTERS * 6 / 8;
const SEED: u64 = 0xadc8_3b19;
/// The longest runs and the largest value of a sparse one.
const ZERO_RUN: usize = 64;
const VALUE_RUN: usize = 4;
const SPARSE_VALUE: u8 = 32;

pub(super) const CORRUPTED: Failure = Failure::text("INVALIDOBJ Corrupted HLL object detected");

/// One without elements.
pub(super) fn fresh() -> Vec<u8> {
    [&b"HYLL\x01\0\0\0"[..], &[0; 8], &[0x7f, 0xff]].concat()
}

/// Whether a string is one, by its header.
pub(super) fn is_valid(bytes: &[u8]) -> bool {
    match bytes {
        [b'H', b'Y', b'L', b'L', 0, ..] => bytes.len() == DENSE_BYTES,
        [b'H', b'Y', b'L', b'L', 1, ..] => bytes.len() >= HEADER,
        _ => false,
    }
}

pub(super) fn is_dense(bytes: &[u8]) -> bool {
    bytes.get(4) == Some(&0)
}

/// The cardinality that was counted last, unless it is stale.
pub(super) fn cached(bytes: &[u8]) -> Option<u64> {
    let card = u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    (card >> 63 == 0).then_some(card)
}

pub(super) fn set_cached(bytes: &mut [u8], card: u64) {
    if let Some(place) = bytes.get_mut(8..).and_then(|rest| rest.first_chunk_mut()) {
        *place = card.to_le_bytes();
    }
}

/// Makes the cardinality stale.
pub(super) fn spoil(bytes: &mut [u8]) {
    if let Some(top) = bytes.get_mut(15) {
        *top |= 0x80;
    }
}

/// The register of an element, and the value that it asks for.
pub(super) fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let value = (hash >> 14 | 1 << VALUE_BITS).trailing_zeros() + 1;
    (hash as usize & (REGISTERS - 1), value as u8)
}

/// MurmurHash64A, little-endian.
fn murmur(bytes: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |word: u64| {
        let word = word.wrapping_mul(M);
        (word ^ word >> 47).wrapping_mul(M)
    };
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ mix(u64::from_le_bytes(*word))).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, &byte| tail << 8 | u64::from(byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(M);
    hash ^ hash >> 47
}

/// A run of the sparse form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// 0 for a run of zeros.
    pub(super) value: u8,
    pub(super) len: usize,
    /// How many bytes it takes.
    pub(super) bytes: usize,
}

impl Run {
    fn read(at: &[u8]) -> Option<Self> {
        Some(match *at {
            [] => return None,
            [byte @ 0x80..=0xff, ..] => {
                Run { value: (byte >> 2 & 0x1f) + 1, len: usize::from(byte & 3) + 1, bytes: 1 }
            }
            [byte @ 0x40..0x80, low, ..] => Run {
                value: 0,
                len: (usize::from(byte & 0x3f) << 8 | usize::from(low)) + 1,
                bytes: 2,
            },
            [0x40..0x80] => return None,
            [byte, ..] => Run { value: 0, len: usize::from(byte) + 1, bytes: 1 },
        })
    }
}

/// The runs of the sparse form; `None` at the end where they do not cover all registers.
fn runs(bytes: &[u8]) -> impl Iterator<Item = Option<Run>> {
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    let mut left = REGISTERS;
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        if rest.is_empty() {
            ended = true;
            return (left > 0).then_some(None);
        }
        let run = Run::read(rest).filter(|run| run.len <= left);
        match run {
            Some(run) => {
                left -= run.len;
                rest = rest.get(run.bytes..).unwrap_or_default();
            }
            None => ended = true,
        }
        Some(run)
    })
}

/// The runs of a sparse one, for showing.
pub(super) fn shown(bytes: &[u8]) -> Vec<Run> {
    runs(bytes).flatten().collect()
}

/// Calls `give` with each register in turn.
pub(super) fn each(bytes: &[u8], mut give: impl FnMut(usize, u8)) -> Answer<()> {
    if is_dense(bytes) {
        let packed = bytes.get(HEADER..).unwrap_or_default();
        // Four registers are three bytes.
        for (group, three) in packed.as_chunks::<3>().0.iter().enumerate() {
            let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
            for index in 0..4 {
                give(group * 4 + index, (word >> (6 * index) & 0x3f) as u8);
            }
        }
        return Ok(());
    }
    let mut index = 0;
    for run in runs(bytes) {
        let run = run.ok_or(CORRUPTED)?;
        for _ in 0..run.len {
            give(index, run.value);
            index += 1;
        }
    }
    Ok(())
}

/// Raises a register; whether it was lower. A sparse one becomes dense when it has to.
pub(super) fn raise(bytes: &mut Vec<u8>, index: usize, value: u8, most: usize) -> Answer<bool> {
    if is_dense(bytes) {
        return Ok(raise_dense(bytes, index, value));
    }
    match raise_sparse(bytes, index, value, most)? {
        Some(raised) => Ok(raised),
        None => {
            to_dense(bytes)?;
            raise_dense(bytes, index, value);
            Ok(true)
        }
    }
}

fn raise_dense(bytes: &mut [u8], index: usize, value: u8) -> bool {
    let (at, shift) = (HEADER + index * 6 / 8, index * 6 % 8);
    let low = bytes.get(at).copied().unwrap_or_default();
    let high = bytes.get(at + 1).copied().unwrap_or_default();
    let word = u16::from_le_bytes([low, high]);
    if (word >> shift & 0x3f) as u8 >= value {
        return false;
    }
    let word = word & !(0x3f << shift) | u16::from(value) << shift;
    for (at, byte) in (at..).zip(word.to_le_bytes()) {
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
    }
    true
}

/// Makes it dense. What it has counted last stays.
pub(super) fn to_dense(bytes: &mut Vec<u8>) -> Answer<()> {
    if is_dense(bytes) {
        return Ok(());
    }
    let mut dense = bytes.get(..HEADER).unwrap_or_default().to_vec();
    dense.resize(DENSE_BYTES, 0);
    if let Some(encoding) = dense.get_mut(4) {
        *encoding = 0;
    }
    each(bytes, |index, value| {
        if value > 0 {
            raise_dense(&mut dense, index, value);
        }
    })?;
    *bytes = dense;
    Ok(())
}

/// A few runs, as bytes.
#[derive(Default)]
struct Patch {
    bytes: [u8; 5],
    len: usize,
}

impl Patch {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn run(&mut self, value: u8, len: usize) {
        match (value, len) {
            (_, 0) => {}
            (0, 1..=ZERO_RUN) => self.push((len - 1) as u8),
            (0, _) => {
                self.push(0x40 | ((len - 1) >> 8) as u8);
                self.push((len - 1) as u8);
            }
            _ => self.push(value_run(value, len)),
        }
    }
}

fn value_run(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// Raises a register of a sparse one; `None` if it has to become dense for that.
fn raise_sparse(bytes: &mut Vec<u8>, index: usize, value: u8, most: usize) -> Answer<Option<bool>> {
    if value > SPARSE_VALUE {
        return Ok(None);
    }
    let (mut at, mut before, mut first) = (HEADER, HEADER, 0);
    let run = loop {
        let run = bytes.get(at..).and_then(Run::read).ok_or(CORRUPTED)?;
        if index < first + run.len {
            break run;
        }
        before = at;
        at += run.bytes;
        first += run.len;
    };
    if run.value >= value {
        return Ok(Some(false));
    }
    let mut patch = Patch::default();
    patch.run(run.value, index - first);
    patch.run(value, 1);
    patch.run(run.value, first + run.len - 1 - index);
    if patch.len > run.bytes && bytes.len() + patch.len - run.bytes > most {
        return Ok(None);
    }
    let patch_bytes = patch.bytes.get(..patch.len).unwrap_or_default();
    bytes.splice(at..at + run.bytes, patch_bytes.iter().copied());
    join(bytes, before);
    spoil(bytes);
    Ok(Some(true))
}

/// Joins neighbours of the same value, among the five runs from a place on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = bytes.get(at..).and_then(Run::read) else { return };
        if run.value > 0
            && let Some(next) = bytes.get(at + 1..).and_then(Run::read)
            && next.value == run.value
            && run.len + next.len <= VALUE_RUN
        {
            bytes.remove(at);
            if let Some(place) = bytes.get_mut(at) {
                *place = value_run(run.value, run.len + next.len);
            }
            continue;
        }
        at += run.bytes;
    }
}

/// How many elements there are, from how many registers have each value.
pub(super) fn estimate(histogram: &[u32; 64]) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let of = |value: u32| f64::from(histogram.get(value as usize).copied().unwrap_or_default());
    let mut z = m * tau((m - of(VALUE_BITS + 1)) / m);
    for value in (1..=VALUE_BITS).rev() {
        z += of(value);
        z *= 0.5;
    }
    z += m * sigma(of(0) / m);
    (ALPHA * m * m / z).round() as u64
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_and_dense_ones_hold_the_same() {
        let (mut sparse, mut dense) = (fresh(), fresh());
        to_dense(&mut dense).unwrap();
        for n in 0..20_000_u32 {
            let (index, value) = place(&n.to_le_bytes());
            let one = raise(&mut sparse, index, value, 3000).unwrap();
            assert_eq!(one, raise(&mut dense, index, value, 3000).unwrap());
        }
        assert!(is_dense(&sparse));
        assert_eq!(sparse[16..], dense[16..]);
    }

    #[test]
    fn what_is_broken_is_no_panic() {
        for tail in [&[][..], &[0x40], &[0x7f, 0xff, 0x00], &[0x3f], &[0xff; 40]] {
            let mut bytes = [&fresh()[..HEADER], tail].concat();
            assert_eq!(each(&bytes, |_, _| {}), Err(CORRUPTED));
            assert_eq!(to_dense(&mut bytes), Err(CORRUPTED));
            let _ = raise(&mut bytes, 16383, 5, 3000);
        }
    }
}
