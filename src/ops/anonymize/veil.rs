//! Text that looks like another text: a permutation, keyed by a seed, of all texts of one shape.
//!
//! ```text
//! lower case letter ► lower case letter      canonical integer ► canonical integer
//! upper case letter ► upper case letter        of the same sign and number of digits
//! digit             ► digit                  zeros in front, punctuation, spaces stay
//! character of n bytes ► character of n bytes          (n > 1)
//! byte that is no text ► another such byte, and the whole stays no text
//! ```
//!
//! As it is a permutation, what is equal stays equal and what differs stays different: no set
//! loses a member. It is a Feistel network over the characters that change, whose rounds add to
//! one half what the other half, the shape and the seed decide. The shape can be told from the
//! output, so texts of different shapes cannot meet either. The danger is a short text: of a shape
//! with ten texts, each is one of ten.

use crate::digest::Keyed;

/// Rounds of the network; four make it look random.
const ROUNDS: u8 = 6;
/// Of so many digits some are an integer of 64 bits and some are not.
const LONGEST_INTEGER: usize = 19;

/// What replaces texts.
#[derive(Debug)]
pub(super) struct Veil {
    keyed: Keyed,
}

/// Room that texts share.
#[derive(Debug, Default)]
pub(super) struct VeilRoom {
    /// The text with what changes taken out of it.
    shape: Vec<u8>,
    symbols: Vec<Symbol>,
    about: Vec<u8>,
    stream: Vec<u8>,
}

/// A character that changes: its number among those that it may become.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    value: u32,
    class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    /// Not zero.
    FirstDigit,
    Two,
    Three,
    Four,
    High,
}

impl Class {
    fn size(self) -> u32 {
        match self {
            Class::Lower | Class::Upper => 26,
            Class::Digit => 10,
            Class::FirstDigit => 9,
            Class::Two => 0x800 - 0x80,
            // Without the surrogates.
            Class::Three => 0x1_0000 - 0x800 - 0x800,
            Class::Four => 0x10_0000,
            Class::High => 128,
        }
    }

    /// Whether the number of a character may take more than a byte.
    fn is_wide(self) -> bool {
        matches!(self, Class::Two | Class::Three | Class::Four)
    }

    /// Bytes of chance that move a character: enough for every place to be as likely as the others,
    /// but for one in a thousand.
    fn chance_bytes(self) -> usize {
        if self.is_wide() { 4 } else { 2 }
    }

    fn mark(self) -> u8 {
        match self {
            Class::Lower => b'a',
            Class::Upper => b'A',
            Class::Digit => b'0',
            Class::FirstDigit => b'1',
            Class::Two => 0xc2,
            Class::Three => 0xe0,
            Class::Four => 0xf0,
            Class::High => 0x80,
        }
    }
}

/// Whether a text is digits of which it takes a look to say whether they are an integer.
fn is_near_the_limit(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() == LONGEST_INTEGER && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl Veil {
    pub(super) fn new(seed: &[u8]) -> Self {
        Veil { keyed: Keyed::new(seed) }
    }

    /// Appends what stands for a text, as long as it is.
    pub(super) fn text(&self, out: &mut Vec<u8>, text: &[u8], room: &mut VeilRoom) {
        match std::str::from_utf8(text) {
            Ok(text) if is_near_the_limit(text) => self.near_the_limit(out, text, room),
            Ok(text) => {
                room.read(text);
                self.shuffle(room);
                room.write(out);
            }
            Err(_) => self.bytes(out, text, room),
        }
    }

    /// An integer becomes an integer, and what is too large for one something too large: digits are
    /// shuffled until it is so, which keeps apart what is different.
    fn near_the_limit(&self, out: &mut Vec<u8>, text: &str, room: &mut VeilRoom) {
        let is_integer = |text: &str| text.parse::<i64>().is_ok();
        let mut now = text.to_owned();
        loop {
            room.read(&now);
            self.shuffle(room);
            let mut next = Vec::new();
            room.write(&mut next);
            now = String::from_utf8_lossy(&next).into_owned();
            if is_integer(&now) == is_integer(text) {
                return out.extend_from_slice(now.as_bytes());
            }
        }
    }

    /// What is no text becomes no text: it is shuffled until it is none, which keeps apart what is
    /// different.
    fn bytes(&self, out: &mut Vec<u8>, bytes: &[u8], room: &mut VeilRoom) {
        let mut now = bytes.to_vec();
        loop {
            room.read_bytes(&now);
            self.shuffle(room);
            now.clear();
            room.write(&mut now);
            // In the end it comes around to where it began, which is no text.
            if std::str::from_utf8(&now).is_err() {
                out.extend_from_slice(&now);
                return;
            }
        }
    }

    /// Fills `out` with chance that depends on the seed and on what it is about, which is no text.
    pub(super) fn stream(&self, about: &[u8], out: &mut [u8]) {
        self.keyed.subject(about).fill(ROUNDS, &[], out);
    }

    fn shuffle(&self, room: &mut VeilRoom) {
        let VeilRoom { shape, symbols, about, stream, .. } = room;
        if symbols.is_empty() {
            return;
        }
        let subject = self.keyed.subject(shape);
        let middle = symbols.len() / 2;
        for round in 0..ROUNDS {
            let (left, right) = symbols.split_at_mut(middle);
            let (from, to) = if round % 2 == 0 { (left, right) } else { (right, left) };
            // The shape says which of them take one byte.
            about.clear();
            for symbol in from.iter() {
                let [low, middle, high, _] = symbol.value.to_le_bytes();
                about.push(low);
                if symbol.class.is_wide() {
                    about.extend_from_slice(&[middle, high]);
                }
            }
            stream.clear();
            stream.resize(to.iter().map(|symbol| symbol.class.chance_bytes()).sum(), 0);
            subject.fill(round, about, stream);
            let mut chance = stream.as_slice();
            for symbol in to {
                let size = symbol.class.size();
                let (bytes, rest) =
                    chance.split_at_checked(symbol.class.chance_bytes()).unwrap_or_default();
                chance = rest;
                let step = bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
                symbol.value = (symbol.value + step % size) % size;
            }
        }
    }
}

impl VeilRoom {
    /// Takes a text apart.
    fn read(&mut self, text: &str) {
        self.shape.clear();
        self.symbols.clear();
        // Zeros in front say what kind of number it is not; they stay.
        let mut leading = true;
        for sign in text.chars() {
            let (class, value) = match sign {
                '-' if self.shape.is_empty() => {
                    self.shape.push(b'-');
                    continue;
                }
                '0' if leading => {
                    self.shape.push(b'Z');
                    continue;
                }
                '1'..='9' if leading => (Class::FirstDigit, sign as u32 - '1' as u32),
                '0'..='9' => (Class::Digit, sign as u32 - '0' as u32),
                'a'..='z' => (Class::Lower, sign as u32 - 'a' as u32),
                'A'..='Z' => (Class::Upper, sign as u32 - 'A' as u32),
                sign if sign.is_ascii() => {
                    leading = false;
                    // A byte in front tells what stays from the marks of what changes.
                    self.shape.extend_from_slice(&[0xff, sign as u8]);
                    continue;
                }
                sign => match (sign.len_utf8(), sign as u32) {
                    (2, code) => (Class::Two, code - 0x80),
                    (3, code) if code < 0xd800 => (Class::Three, code - 0x800),
                    (3, code) => (Class::Three, code - 0x800 - 0x800),
                    (_, code) => (Class::Four, code - 0x1_0000),
                },
            };
            leading = false;
            self.push(class, value);
        }
    }

    /// Takes bytes apart that are no text.
    fn read_bytes(&mut self, bytes: &[u8]) {
        self.shape.clear();
        self.symbols.clear();
        for &byte in bytes {
            match byte {
                b'a'..=b'z' => self.push(Class::Lower, (byte - b'a').into()),
                b'A'..=b'Z' => self.push(Class::Upper, (byte - b'A').into()),
                b'0'..=b'9' => self.push(Class::Digit, (byte - b'0').into()),
                0x80.. => self.push(Class::High, (byte - 0x80).into()),
                byte => self.shape.extend_from_slice(&[0xff, byte]),
            }
        }
    }

    fn push(&mut self, class: Class, value: u32) {
        self.shape.push(class.mark());
        self.symbols.push(Symbol { value, class });
    }

    /// Puts it together again.
    fn write(&mut self, out: &mut Vec<u8>) {
        let mut symbols = self.symbols.iter();
        let mut shape = self.shape.iter();
        while let Some(&mark) = shape.next() {
            match mark {
                0xff => out.extend(shape.next()),
                b'-' => out.push(b'-'),
                b'Z' => out.push(b'0'),
                _ => {
                    if let Some(symbol) = symbols.next() {
                        symbol.write(out);
                    }
                }
            }
        }
    }
}

impl Symbol {
    fn write(self, out: &mut Vec<u8>) {
        let code = match self.class {
            Class::Lower => u32::from(b'a') + self.value,
            Class::Upper => u32::from(b'A') + self.value,
            Class::Digit => u32::from(b'0') + self.value,
            Class::FirstDigit => u32::from(b'1') + self.value,
            Class::High => return out.push(0x80 | self.value as u8),
            Class::Two => 0x80 + self.value,
            Class::Three if self.value + 0x800 < 0xd800 => 0x800 + self.value,
            Class::Three => 0x800 + 0x800 + self.value,
            Class::Four => 0x1_0000 + self.value,
        };
        let sign = char::from_u32(code).unwrap_or('?');
        out.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl Veil {
    /// Appends what stands for a key: part by part between separators and braces, the first
    /// `keep` parts as they are.
    pub(super) fn key(
        &self,
        out: &mut Vec<u8>,
        key: &[u8],
        separator: &[u8],
        keep: usize,
        room: &mut VeilRoom,
    ) {
        let mut rest = key;
        let mut parts = 0;
        loop {
            let ends = |at: &usize| {
                let here = rest.get(*at..).unwrap_or_default();
                here.starts_with(separator) && !separator.is_empty()
                    || matches!(here.first(), Some(b'{' | b'}'))
            };
            let end = (0..rest.len()).find(ends);
            let (part, behind) =
                rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            // What has no separator behind it is no prefix.
            if parts < keep && end.is_some() {
                out.extend_from_slice(part);
            } else {
                self.text(out, part, room);
            }
            let Some(_) = end else { return };
            let is_separator = !separator.is_empty() && behind.starts_with(separator);
            let taken = if is_separator { separator.len() } else { 1 };
            let (between, after) = behind.split_at_checked(taken).unwrap_or((behind, &[]));
            out.extend_from_slice(between);
            parts += usize::from(is_separator);
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::bytes::number::integer;

    fn veiled(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Veil::new(b"seed").text(&mut out, text, &mut VeilRoom::default());
        out
    }

    #[test]
    fn shapes_stay() {
        for text in [
            "",
            "a",
            "Hello, World 42!",
            "caf\u{e9} \u{4e2d}\u{1f600}",
            "007",
            "-0",
            "1.50e3",
            "{}",
        ] {
            let out = String::from_utf8(veiled(text.as_bytes())).unwrap();
            assert_eq!(out.len(), text.len(), "{text} {out}");
            for (one, other) in text.chars().zip(out.chars()) {
                assert_eq!(one.len_utf8(), other.len_utf8());
                assert_eq!(one.is_ascii_lowercase(), other.is_ascii_lowercase(), "{text} {out}");
                assert_eq!(one.is_ascii_uppercase(), other.is_ascii_uppercase());
                assert_eq!(one.is_ascii_digit(), other.is_ascii_digit());
                if one.is_ascii_punctuation() || one == ' ' {
                    assert_eq!(one, other);
                }
            }
        }
        assert_ne!(veiled(b"Hello, World 42!"), b"Hello, World 42!");
        assert!(std::str::from_utf8(&veiled(b"\xff\xfe\x00abc")).is_err());
    }

    #[test]
    fn integers_stay_integers_and_others_become_none() {
        let many = (0..50).map(|n| i64::MAX - n * 1_000_000_007).collect::<Vec<_>>();
        let few = [0, 1, -1, 9, 10, -10, 12345, 1 << 40, i64::MAX, i64::MIN, 10_i64.pow(18)];
        let numbers = [&few[..], &many].concat();
        for n in numbers {
            let text = n.to_string();
            let out = veiled(text.as_bytes());
            let read = integer(&out).unwrap_or_else(|| panic!("{text} {out:?}"));
            assert_eq!((out.len(), read.signum()), (text.len(), n.signum()));
        }
        for text in [
            "007",
            "-0",
            "00",
            "12a",
            "+5",
            " 5",
            "5.0",
            "99999999999999999999",
            "-007",
            "9999999999999999999",
        ] {
            let out = veiled(text.as_bytes());
            assert_eq!(integer(&out), None, "{text} {}", String::from_utf8_lossy(&out));
        }
    }

    /// Every text of a shape becomes another one of it.
    #[test]
    fn what_differs_stays_different() {
        let all = |texts: Vec<Vec<u8>>| {
            let out: HashSet<Vec<u8>> = texts.iter().map(|text| veiled(text)).collect();
            assert_eq!(out.len(), texts.len());
            let came: HashSet<Vec<u8>> = texts.into_iter().collect();
            assert_eq!(out, came, "it is no permutation");
        };
        all((b'1'..=b'9').map(|byte| vec![byte]).collect());
        all((100..1000).map(|n: u32| n.to_string().into_bytes()).collect());
        let pairs = |from: std::ops::RangeInclusive<u8>| {
            let pair = move |a| from.clone().map(move |b| vec![a, b]);
            (b'a'..=b'z').flat_map(pair).collect()
        };
        all(pairs(b'0'..=b'9'));
        all(pairs(0x80..=0xff));
    }

    #[test]
    fn the_seed_decides() {
        let mut other = Vec::new();
        Veil::new(b"another").text(&mut other, b"some longer text", &mut VeilRoom::default());
        assert_ne!(other, veiled(b"some longer text"));
        assert_eq!(veiled(b"some longer text"), veiled(b"some longer text"));
    }

    #[test]
    fn keys_are_veiled_part_by_part() {
        let veil = Veil::new(b"seed");
        let key = |key: &[u8], keep| {
            let mut out = Vec::new();
            veil.key(&mut out, key, b":", keep, &mut VeilRoom::default());
            String::from_utf8(out).unwrap()
        };
        let all = key(b"user:1000:name", 0);
        let parts: Vec<&str> = all.split(':').collect();
        assert_eq!(parts[1].as_bytes(), veiled(b"1000"));
        assert_ne!(parts[0], "user");
        let kept = key(b"user:1000:name", 1);
        assert!(kept.starts_with("user:") && kept.ends_with(&all[4..]), "{kept}");
        assert_eq!(key(b"user", 1).as_bytes(), veiled(b"user"));
        let tagged = key(b"{1000}:x", 0);
        assert!(tagged.starts_with(&format!("{{{}}}:", parts[1])), "{tagged}");
    }
}
