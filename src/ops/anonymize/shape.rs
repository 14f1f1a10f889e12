//! A text taken apart: its shape, and the characters that change, which are shuffled.
//!
//! ```text
//! "-0417 Ab"  ►  shape  - Z 1 0 0 ␠ A a      Z a zero in front, 1 the first digit behind those
//!                symbols    3 1 7   0 1      each a number below how many it may become
//! ```
//!
//! A letter or a digit in a shape is a mark, all else that is ASCII stands for itself. The shuffle
//! goes over the symbols alone, and depends on the shape.

use super::network::Network;
use crate::digest::Subject;

/// A text taken apart.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// The text with what changes taken out of it.
    pub(super) shape: Vec<u8>,
    /// Symbols that are bytes.
    narrow: Network<u16>,
    /// Symbols of which at least one is more than a byte.
    wide: Network<u32>,
    is_wide: bool,
}

/// A kind of characters of which each may become each.
#[derive(Debug, Clone, Copy)]
struct Class {
    /// How it stands in a shape.
    mark: u8,
    /// Its first character, where that is a byte; of what does not change, the byte itself.
    first: u8,
    /// How many there are; none where nothing changes.
    size: u32,
}

const LOWER: Class = Class { mark: b'a', first: b'a', size: 26 };
const UPPER: Class = Class { mark: b'A', first: b'A', size: 26 };
const DIGIT: Class = Class { mark: b'0', first: b'0', size: 10 };
const FIRST_DIGIT: Class = Class { mark: b'1', first: b'1', size: 9 };
const ZERO_IN_FRONT: Class = Class { mark: b'Z', first: b'0', size: 0 };
/// A byte of what is no text.
const HIGH: Class = Class { mark: 0x80, first: 0x80, size: 128 };
const TWO: Class = Class { mark: 0xc2, first: 0, size: FIRST_OF_THREE - FIRST_OF_TWO };
/// Without the surrogates.
const THREE: Class =
    Class { mark: 0xe0, first: 0, size: FIRST_OF_FOUR - FIRST_OF_THREE - SURROGATES };
const FOUR: Class = Class { mark: 0xf0, first: 0, size: 0x10_0000 };
const FIRST_OF_TWO: u32 = 0x80;
const FIRST_OF_THREE: u32 = 0x800;
const FIRST_OF_FOUR: u32 = 0x1_0000;
const SURROGATES: u32 = 0x800;
const FIRST_SURROGATE: u32 = 0xd800;

const fn fixed(byte: u8) -> Class {
    Class { mark: byte, first: byte, size: 0 }
}

/// The class of each byte.
static CLASSES: [Class; 256] = table(false);
/// The class that each mark stands for.
static MARKED: [Class; 256] = table(true);

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn table(marks: bool) -> [Class; 256] {
    let mut table = [fixed(0); 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = match byte {
            b'a'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'0'..=b'9' => DIGIT,
            0x80.. => HIGH,
            byte => fixed(byte),
        };
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    if marks {
        let other = [FIRST_DIGIT, ZERO_IN_FRONT, TWO, THREE, FOUR];
        let mut n = 0;
        while n < other.len() {
            table[other[n].mark as usize] = other[n];
            n += 1;
        }
    }
    table
}

#[inline(always)]
fn class(table: &[Class; 256], byte: u8) -> Class {
    table.get(usize::from(byte)).copied().unwrap_or(fixed(byte))
}

impl Apart {
    /// Takes text apart that is ASCII.
    pub(super) fn read_ascii(&mut self, text: &[u8]) {
        self.begin(text);
        let front = self.read_front(text);
        self.read_rest(text, front);
    }

    /// Takes bytes apart that are no text.
    pub(super) fn read_bytes(&mut self, bytes: &[u8]) {
        self.begin(bytes);
        self.read_rest(bytes, 0);
    }

    fn begin(&mut self, bytes: &[u8]) {
        self.is_wide = false;
        self.shape.clear();
        self.shape.extend_from_slice(bytes);
        self.narrow.clear(bytes.len());
    }

    /// Zeros in front say what kind of number it is not, and stay; no zero becomes the first digit.
    /// Returns how many bytes that decides.
    fn read_front(&mut self, text: &[u8]) -> usize {
        let mut signs = self.shape.iter_mut().zip(text).enumerate();
        let mut taken = 0;
        for (at, (mark, &byte)) in &mut signs {
            let class = match byte {
                b'-' if at == 0 => fixed(byte),
                b'0' => ZERO_IN_FRONT,
                b'1'..=b'9' => FIRST_DIGIT,
                _ => return taken,
            };
            *mark = class.mark;
            taken += 1;
            if class.size > 0 {
                self.narrow.push((byte - class.first).into(), class.size as u16);
                break;
            }
        }
        taken
    }

    /// All behind the front.
    fn read_rest(&mut self, bytes: &[u8], front: usize) {
        let rest = bytes.get(front..).unwrap_or_default();
        let marks = self.shape.get_mut(front..).unwrap_or_default();
        let symbols = marks.iter_mut().zip(rest).map(|(mark, &byte)| {
            let class = class(&CLASSES, byte);
            *mark = class.mark;
            (u16::from(byte - class.first), class.size as u16)
        });
        self.narrow.fill(symbols);
    }

    /// Takes text apart that is not ASCII.
    pub(super) fn read_text(&mut self, text: &str) {
        self.is_wide = true;
        self.shape.clear();
        self.wide.clear(text.len());
        let mut front = true;
        for sign in text.chars() {
            let code = sign as u32;
            let (class, value) = match sign {
                '-' if self.shape.is_empty() => (fixed(b'-'), 0),
                '0' if front => (ZERO_IN_FRONT, 0),
                '1'..='9' if front => (FIRST_DIGIT, code - u32::from(b'1')),
                sign if sign.is_ascii() => {
                    let class = class(&CLASSES, sign as u8);
                    (class, code - u32::from(class.first))
                }
                sign => match sign.len_utf8() {
                    2 => (TWO, code - FIRST_OF_TWO),
                    3 if code < FIRST_SURROGATE => (THREE, code - FIRST_OF_THREE),
                    3 => (THREE, code - FIRST_OF_THREE - SURROGATES),
                    _ => (FOUR, code - FIRST_OF_FOUR),
                },
            };
            front &= class.mark == ZERO_IN_FRONT.mark || self.shape.is_empty() && sign == '-';
            self.shape.push(class.mark);
            if class.size > 0 {
                self.wide.push(value, class.size);
            }
        }
    }

    /// Makes other symbols of the symbols.
    pub(super) fn shuffle(&mut self, subject: &Subject<'_>) {
        match self.is_wide {
            true => self.wide.shuffle(subject),
            false => self.narrow.shuffle(subject),
        }
    }

    /// Appends what it is when it is put together again.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.is_wide {
            return self.write_text(out);
        }
        let symbols = self.narrow.symbols();
        let mut taken = 0;
        out.extend(self.shape.iter().map(|&mark| {
            let class = class(&MARKED, mark);
            let changes = class.size > 0;
            // What does not change is added nothing to, whatever symbol comes next.
            let symbol = symbols.get(taken).copied().unwrap_or_default() as u8;
            taken += usize::from(changes);
            class.first.wrapping_add(symbol & u8::from(changes).wrapping_neg())
        }));
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let mut symbols = self.wide.symbols().iter();
        for &mark in &self.shape {
            let class = class(&MARKED, mark);
            if class.size == 0 {
                out.push(class.first);
                continue;
            }
            let value = symbols.next().copied().unwrap_or_default();
            let code = match class.mark {
                0xc2 => FIRST_OF_TWO + value,
                0xe0 if FIRST_OF_THREE + value < FIRST_SURROGATE => FIRST_OF_THREE + value,
                0xe0 => FIRST_OF_THREE + SURROGATES + value,
                0xf0 => FIRST_OF_FOUR + value,
                _ => u32::from(class.first) + value,
            };
            let sign = char::from_u32(code).unwrap_or('?');
            out.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}
