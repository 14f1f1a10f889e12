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
//! loses a member. The shape can be told from the output, so texts of different shapes cannot meet
//! either. The danger is a short text: of a shape with ten texts, each is one of ten.

use super::memo::Memo;
use super::shape::Apart;
use crate::digest::Keyed;

/// Of so many digits some are an integer of 64 bits and some are not.
const LONGEST_INTEGER: usize = 19;

/// What replaces texts.
#[derive(Debug)]
pub(super) struct Veil {
    keyed: Keyed,
}

/// Room that the texts of one veil share.
#[derive(Debug, Default)]
pub(super) struct VeilRoom {
    apart: Apart,
    memo: Memo,
}

/// Whether a text is digits of which it takes a look to say whether they are an integer.
fn is_near_the_limit(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.len() == LONGEST_INTEGER && digits.iter().all(u8::is_ascii_digit)
}

/// Whether digits are an integer of 64 bits.
fn is_integer(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok())
}

impl Veil {
    pub(super) fn new(seed: &[u8]) -> Self {
        Veil { keyed: Keyed::new(seed) }
    }

    /// Appends what stands for a text, as long as it is.
    pub(super) fn text(&self, out: &mut Vec<u8>, text: &[u8], room: &mut VeilRoom) {
        let VeilRoom { apart, memo } = room;
        memo.or_make(out, text, |out| self.make(out, text, apart));
    }

    fn make(&self, out: &mut Vec<u8>, text: &[u8], apart: &mut Apart) {
        if text.is_ascii() {
            if is_near_the_limit(text) {
                // An integer becomes an integer, and what is too large for one something too large.
                return self.until(out, text, apart, |now| is_integer(now) == is_integer(text));
            }
            apart.read_ascii(text);
            self.shuffle(apart);
            return apart.write(out);
        }
        match std::str::from_utf8(text) {
            Ok(text) => {
                apart.read_text(text);
                self.shuffle(apart);
                apart.write(out);
            }
            // What is no text becomes no text.
            Err(_) => self.until(out, text, apart, |now| std::str::from_utf8(now).is_err()),
        }
    }

    /// Shuffles, again and again, until what comes is as it is wanted, as that was which it began
    /// with. That keeps apart what is different; in the end it comes around to the beginning.
    fn until(
        &self,
        out: &mut Vec<u8>,
        bytes: &[u8],
        apart: &mut Apart,
        wanted: impl Fn(&[u8]) -> bool,
    ) {
        let mut now = bytes.to_vec();
        loop {
            if now.is_ascii() {
                apart.read_ascii(&now)
            } else {
                apart.read_bytes(&now)
            }
            self.shuffle(apart);
            now.clear();
            apart.write(&mut now);
            if wanted(&now) {
                return out.extend_from_slice(&now);
            }
        }
    }

    /// Fills `out` with chance that depends on the seed and on what it is about, which is no text.
    pub(super) fn stream(&self, about: &[u8], out: &mut [u8]) {
        self.keyed.subject(about).fill(u8::MAX, &[], out);
    }

    fn shuffle(&self, apart: &mut Apart) {
        let subject = self.keyed.subject(&apart.shape);
        apart.shuffle(&subject);
    }

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
            let begins = separator.first();
            let end = rest.iter().enumerate().position(|(at, byte)| {
                matches!(byte, b'{' | b'}')
                    || begins == Some(byte)
                        && rest.get(at..).is_some_and(|here| here.starts_with(separator))
            });
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
