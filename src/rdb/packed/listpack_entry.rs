//! One entry of a listpack: as it is written, stepped over, looked for.
//!
//! ```text
//! encoding  data  back length      the encoding says how long the data is; the back length says how
//! └─ form ──────┘                  long both are, and is read from behind
//! ```
//!
//! An entry is written in one form only, the one that servers write: an integer in the fewest bytes
//! where the text is the canonical decimal of one, a string otherwise.

use super::listpack::back_length;
use crate::bytes::number::integer;
use crate::value::Elem;

/// One entry, encoded: its form without the back length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    head: [u8; 9],
    len: usize,
}

/// An element as it is written.
pub(super) struct Encoded<'a> {
    form: Form,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline(always)]
    pub(super) fn of(elem: Elem<'a>) -> Self {
        match elem {
            Elem::Int(n) => Encoded { form: Form::int(n), data: &[] },
            Elem::Bytes(text) => match Form::of(text) {
                form if form.is_int() => Encoded { form, data: &[] },
                form => Encoded { form, data: text },
            },
        }
    }

    #[inline]
    fn size(&self) -> usize {
        self.form.len + self.data.len()
    }

    /// All its bytes, the back length included.
    #[inline]
    pub(super) fn step(&self) -> usize {
        self.size() + back_bytes(self.size())
    }

    /// Writes it, and gives back what is left of the place.
    #[inline]
    pub(super) fn write<'p>(&self, place: &'p mut [u8]) -> &'p mut [u8] {
        let head = self.form.head.get(..self.form.len).unwrap_or_default();
        let (back, back_len) = back_length(self.size());
        let back = back.get(back.len() - back_len..).unwrap_or_default();
        let mut place = place;
        for part in [head, self.data, back] {
            // There is room for all of it: it was made before.
            let place_now = std::mem::take(&mut place);
            let Some((room, rest)) = place_now.split_at_mut_checked(part.len()) else { break };
            room.copy_from_slice(part);
            place = rest;
        }
        place
    }
}

/// An entry that is looked for: its encoding and data, the first bytes as a number.
pub(super) struct Needle<'a> {
    form: Form,
    data: &'a [u8],
    word: u128,
    mask: u128,
}

impl<'a> Needle<'a> {
    const WORD: usize = size_of::<u128>();

    #[inline(always)]
    pub(super) fn new(form: Form, data: &'a [u8]) -> Self {
        let mut word = [0; Self::WORD];
        let head = form.head.get(..form.len).unwrap_or_default();
        for (slot, byte) in word.iter_mut().zip(head.iter().chain(data)) {
            *slot = *byte;
        }
        let mask = match (Self::WORD).checked_sub(form.len + data.len()) {
            Some(spare) if spare > 0 => u128::MAX >> (8 * spare),
            _ => u128::MAX,
        };
        Needle { form, data, word: u128::from_le_bytes(word), mask }
    }

    /// Whether this is the entry at the start of `rest`: one with the same encoding has the same
    /// size.
    #[inline(always)]
    pub(super) fn is_at(&self, rest: &[u8]) -> bool {
        match rest.first_chunk() {
            Some(word) => {
                (u128::from_le_bytes(*word) ^ self.word) & self.mask == 0
                    && (self.form.len + self.data.len() <= Self::WORD || self.is_all(rest))
            }
            None => self.is_all(rest),
        }
    }

    fn is_all(&self, rest: &[u8]) -> bool {
        let head = self.form.head.get(..self.form.len).unwrap_or_default();
        rest.strip_prefix(head).is_some_and(|rest| rest.starts_with(self.data))
    }
}

impl Form {
    pub(super) fn is_int(&self) -> bool {
        matches!(self.head.first(), Some(0..=0x7f | 0xc0..=0xdf | 0xf1..=0xf4))
    }

    #[inline(always)]
    pub(super) fn of(text: &[u8]) -> Form {
        match integer(text) {
            Some(n) => Form::int(n),
            None => Form::string(text.len()),
        }
    }

    fn int(n: i64) -> Form {
        let wide = |mark: u8, size: usize| {
            let mut head = [0; 9];
            for (slot, byte) in head.iter_mut().zip([mark].into_iter().chain(n.to_le_bytes())) {
                *slot = byte;
            }
            Form { head, len: 1 + size }
        };
        let short = |a: u8, b: u8, len| Form { head: [a, b, 0, 0, 0, 0, 0, 0, 0], len };
        match n {
            0..=127 => short(n as u8, 0, 1),
            -4096..=4095 => short(0xc0 | (n >> 8 & 0x1f) as u8, n as u8, 2),
            -0x8000..=0x7fff => wide(0xf1, 2),
            -0x80_0000..=0x7f_ffff => wide(0xf2, 3),
            -0x8000_0000..=0x7fff_ffff => wide(0xf3, 4),
            _ => wide(0xf4, 8),
        }
    }

    pub(super) fn string(len: usize) -> Form {
        match len {
            0..=63 => Form { head: [0x80 | len as u8, 0, 0, 0, 0, 0, 0, 0, 0], len: 1 },
            64..=4095 => {
                Form { head: [0xe0 | (len >> 8) as u8, len as u8, 0, 0, 0, 0, 0, 0, 0], len: 2 }
            }
            _ => {
                let [a, b, c, d] = (len as u32).to_le_bytes();
                Form { head: [0xf0, a, b, c, d, 0, 0, 0, 0], len: 5 }
            }
        }
    }
}

/// The bytes of an entry, back length included, by its first byte; 0 where that alone does not tell.
#[expect(clippy::indexing_slicing, reason = "in bounds, or it would not compile")]
const STEPS: [u8; 256] = {
    let mut steps = [0; 256];
    let mut head = 0;
    while head < 256 {
        steps[head] = match head {
            0..=0x7f => 2,
            0x80..=0xbf => 2 + (head & 0x3f) as u8,
            0xc0..=0xdf => 3,
            0xf1 => 4,
            0xf2 => 5,
            0xf3 => 6,
            0xf4 => 10,
            _ => 0,
        };
        head += 1;
    }
    steps
};

/// How far the entry at the start of `rest` is from the one behind it.
#[inline(always)]
pub(super) fn step(rest: &[u8]) -> Option<usize> {
    match STEPS.get(usize::from(*rest.first()?)) {
        Some(&step) if step > 0 => Some(step.into()),
        _ => {
            let size = entry_size(rest)?;
            Some(size + back_bytes(size))
        }
    }
}

/// The size of encoding and data of the entry at the start of `rest`.
fn entry_size(rest: &[u8]) -> Option<usize> {
    Some(match rest {
        [0..=0x7f, ..] => 1,
        [n @ 0x80..=0xbf, ..] => 1 + usize::from(n & 0x3f),
        [0xc0..=0xdf, ..] => 2,
        [a @ 0xe0..=0xef, b, ..] => 2 + (usize::from(a & 0xf) << 8 | usize::from(*b)),
        [0xf0, a, b, c, d, ..] => 5 + u32::from_le_bytes([*a, *b, *c, *d]) as usize,
        [0xf1, ..] => 3,
        [0xf2, ..] => 4,
        [0xf3, ..] => 5,
        [0xf4, ..] => 9,
        _ => return None,
    })
}

/// How many bytes the back length of such an entry has.
#[inline(always)]
fn back_bytes(size: usize) -> usize {
    if size < 0x80 { 1 } else { back_length(size).1 }
}

/// The bytes that an element takes in a listpack as servers write it.
pub fn entry_bytes(elem: Elem<'_>) -> u64 {
    Encoded::of(elem).step() as u64
}
