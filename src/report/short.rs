//! JSON of what is short, put together right where it goes, in steps of fixed size; and how bytes
//! stand in a string of JSON, whatever their number.
//!
//! Most elements are a few bytes. What is made of them is written with too much behind each part,
//! which the next one writes over ([`Room`]). What does not fit ends in `None`, and then nothing has
//! been appended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json::{Double, is_plain_8, is_plain_16, special};
use super::wide::Wide;
use crate::bytes::room::{self, Room, Slots, Written};
use crate::value::{Elem, StreamId};

/// Texts that are no longer are taken: that much pays.
pub(super) const LONGEST: usize = 64;
/// Two texts of which each byte takes six, and what is around them.
const SIZE: usize = 2 * 6 * LONGEST + 256;
/// What a step may write too much.
const STEP: usize = 64;

/// How each byte stands in a string, those that are not ASCII as they are: the bytes, and in the
/// highest of the word how many they are.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
static ESCAPES: [u64; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let short = match byte as u8 {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => 0,
        };
        table[byte] = u64::from_le_bytes(if short != 0 {
            [b'\\', short, 0, 0, 0, 0, 0, 2]
        } else if byte < 0x20 {
            [b'\\', b'u', b'0', b'0', HEX[byte >> 4], HEX[byte & 15], 0, 6]
        } else {
            [byte as u8, 0, 0, 0, 0, 0, 0, 1]
        });
        byte += 1;
    }
    table
};

#[inline(always)]
fn escape(byte: u8, room: &mut Room<'_>) -> Option<()> {
    let escape = ESCAPES.get(usize::from(byte)).copied().unwrap_or_default();
    room.put(&escape.to_le_bytes(), (escape >> 56) as usize)
}

/// Bytes with zeros behind them, and how many they are.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
pub(crate) const fn padded<const N: usize>(bytes: &[u8]) -> ([u8; N], usize) {
    let mut room = [0; N];
    let mut at = 0;
    while at < bytes.len() {
        room[at] = bytes[at];
        at += 1;
    }
    (room, bytes.len())
}

/// An object that is being put together.
pub(crate) struct Short<'o> {
    room: Room<'o>,
    wide: Option<Wide>,
}

/// Appends what `write` puts together; nothing where it says `None`.
#[inline(always)]
pub(crate) fn append(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Short<'_>) -> Option<()>,
) -> Option<()> {
    room::append(out, SIZE, |slots| {
        let mut short = Short { room: slots.open(), wide: Wide::get() };
        write(&mut short)?;
        Some(short.room.close())
    })
}

impl Short<'_> {
    /// Appends all of some bytes.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        self.room.put(bytes, N)
    }

    /// Appends the first `len` bytes.
    #[inline(always)]
    pub(crate) fn put_some<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> Option<()> {
        self.room.put(bytes, len)
    }

    /// Appends a text or the text of an integer, as JSON.
    #[inline(always)]
    pub(crate) fn elem(&mut self, elem: Elem<'_>) -> Option<()> {
        match elem {
            Elem::Bytes(bytes) => self.bytes(bytes),
            Elem::Int(n) => {
                self.put(b"\"")?;
                self.int(n)?;
                self.put(b"\"")
            }
        }
    }

    /// Appends bytes as JSON.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        match self.wide {
            Some(wide) => self.room.lend(|to| wide.string(bytes, to)),
            None => self.room.lend(|to| string_narrow(bytes, to)),
        }
    }

    /// Appends text without quotes, if it is short and stands in a string of JSON as it is.
    #[inline(always)]
    pub(crate) fn plain(&mut self, text: &[u8]) -> Option<()> {
        plain(text, &mut self.room)
    }

    /// Appends an id of a stream, as JSON.
    #[inline(always)]
    pub(crate) fn id(&mut self, id: StreamId) -> Option<()> {
        self.put(b"\"")?;
        self.number(id.ms)?;
        self.put(b"-")?;
        self.number(id.seq)?;
        self.put(b"\"")
    }

    /// Appends the digits of a whole number.
    #[inline(always)]
    pub(crate) fn int(&mut self, n: i64) -> Option<()> {
        self.put_some(b"-", usize::from(n < 0))?;
        self.number(n.unsigned_abs())
    }

    /// The same of one without sign.
    #[inline(always)]
    pub(crate) fn number(&mut self, n: u64) -> Option<()> {
        const EIGHT: u64 = 100_000_000;
        if n < EIGHT {
            return self.leading(n);
        }
        let (high, low) = (n / EIGHT, n % EIGHT);
        if high < EIGHT {
            self.leading(high)?;
        } else {
            self.leading(high / EIGHT)?;
            self.put(&(eight_digits(high % EIGHT) | ZEROS).to_le_bytes())?;
        }
        self.put(&(eight_digits(low) | ZEROS).to_le_bytes())
    }

    /// Appends a number of no more than eight digits, without zeros in front.
    #[inline(always)]
    fn leading(&mut self, n: u64) -> Option<()> {
        let digits = eight_digits(n);
        // The last one stands there even if it is a zero.
        let zeros = (digits | 1 << 56).trailing_zeros() / 8;
        self.put_some(&(digits >> (8 * zeros) | ZEROS).to_le_bytes(), 8 - zeros as usize)
    }

    /// Appends a number that JSON may not have, as it stands in JSON.
    #[inline(always)]
    pub(crate) fn double(&mut self, number: f64) -> Option<()> {
        match Double::of(number) {
            Double::Whole(n) => {
                self.int(n)?;
                self.put(b".0")
            }
            Double::Finite(n) => self.known(zmij::Buffer::new().format_finite(n).as_bytes()),
            Double::None(word) => self.room.put_all(word.as_bytes()),
        }
    }

    /// Appends text that needs no look at it.
    #[inline(always)]
    fn known(&mut self, text: &[u8]) -> Option<()> {
        match (text.first_chunk::<16>(), text.last_chunk::<16>()) {
            // Nearly every one: these are the digits of a double.
            (Some(first), Some(last)) => self.room.put_ends(first, last, text.len()),
            _ => self.room.put_all(text),
        }
    }
}

/// The character of a zero, eight times.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The digits of a number below ten to the eighth, the first one lowest: it is divided into numbers
/// of four digits, of two and of one, all at once in one register.
#[inline(always)]
fn eight_digits(n: u64) -> u64 {
    let fours = (n / 10_000) | ((n % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - tens * 10) << 8)
}

/// Appends UTF-8 with all that must be escaped.
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for piece in text.chunks(1024) {
        let done = room::append(out, 6 * piece.len() + STEP, |to| match Wide::get() {
            Some(wide) => wide.escaped(piece, to),
            None => escaped_narrow(piece, to),
        });
        debug_assert!(done.is_some(), "no byte takes more than six");
    }
}

/// Appends base64, padded.
pub(super) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    // Room for what follows, too: a huge value would be moved for the sake of its last bytes.
    let size = bytes.len().div_ceil(3) * 4 + SIZE;
    let done = room::append(out, size, |to| match Wide::get() {
        Some(wide) => wide.base64(bytes, to),
        None => base64_narrow(bytes, to),
    });
    debug_assert!(done.is_some(), "four for three");
}

fn base64_narrow<'o>(bytes: &[u8], to: Slots<'o>) -> Option<Written<'o>> {
    let mut room = to.open();
    let mut text = [0; 1024];
    // Pieces of three bytes each have no end in the middle.
    for piece in bytes.chunks(text.len() / 4 * 3) {
        let written = STANDARD.encode_slice(piece, &mut text).ok()?;
        room.put_all(text.get(..written)?)?;
    }
    Some(room.close())
}

fn escaped_narrow<'o>(text: &[u8], to: Slots<'o>) -> Option<Written<'o>> {
    let mut room = to.open();
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        if special(u64::from_le_bytes(*word)) == 0 {
            room.put(word, 8)?;
        } else {
            // Where each goes hangs on the lengths of those before it, and on no jump.
            room.lend(|to| escaped_one_by_one(word, to))?;
        }
    }
    room.lend(|to| escaped_one_by_one(rest, to))?;
    Some(room.close())
}

/// The same without a look at whether there is anything to escape.
pub(super) fn escaped_one_by_one<'o>(text: &[u8], to: Slots<'o>) -> Option<Written<'o>> {
    let mut room = to.open();
    text.iter().try_for_each(|&byte| escape(byte, &mut room))?;
    Some(room.close())
}

fn string_narrow<'o>(bytes: &[u8], to: Slots<'o>) -> Option<Written<'o>> {
    let mut room = to.open();
    room.put(b"\"", 1)?;
    if plain(bytes, &mut room).is_none() {
        room.restart();
        string_with_care(bytes, &mut room)?;
    } else {
        room.put(b"\"", 1)?;
    }
    Some(room.close())
}

#[inline(never)]
fn string_with_care(bytes: &[u8], room: &mut Room<'_>) -> Option<()> {
    if bytes.len() > LONGEST {
        return None;
    }
    if !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
        room.put(b"{\"base64\":\"", 11)?;
        room.lend(|to| base64_narrow(bytes, to))?;
        return room.put(b"\"}", 2);
    }
    room.put(b"\"", 1)?;
    room.lend(|to| escaped_narrow(bytes, to))?;
    room.put(b"\"", 1)
}

/// Appends text, if it is short and stands in a string of JSON as it is.
#[inline(always)]
fn plain(text: &[u8], room: &mut Room<'_>) -> Option<()> {
    let len = text.len();
    // The first bytes and the last ones are all bytes, some of them twice.
    let is_plain = if let (Some(first), Some(last)) =
        (text.first_chunk::<16>(), text.last_chunk::<16>())
    {
        room.put_ends(first, last, len)?;
        is_plain_16(first) & is_plain_16(last)
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        room.put_ends(first, last, len)?;
        is_plain_8(u64::from_le_bytes(*first)) & is_plain_8(u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        room.put_ends(first, last, len)?;
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        is_plain_8(u64::from(first) | u64::from(last) << 32)
    } else {
        let byte = |at: usize| text.get(at).copied().unwrap_or(b' ');
        let all = [byte(0), byte(1), byte(2), b' ', b' ', b' ', b' ', b' '];
        room.put(&all, len)?;
        is_plain_8(u64::from_le_bytes(all))
    };
    is_plain.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::push_bytes;

    /// The quick ways are held against the one of serde, with what needs care at every place.
    #[test]
    fn it_is_the_json_that_all_others_write() {
        for len in 0..=LONGEST + 2 {
            for care in ["", "\"", "\\", "\n", "\u{8}", "\u{1f}", "\u{7f}", "\u{e9}", "\u{0}\u{0}"]
            {
                for at in 0..=len.saturating_sub(care.len()) {
                    let mut text = "abcdefghijklm\"opqrstuvwxyz ".repeat(3);
                    if at % 2 == 0 {
                        text = text.replace('"', "~");
                    }
                    text.truncate(len);
                    if care.len() <= len {
                        text.replace_range(at..at + care.len(), care);
                    }
                    let want = serde_json::to_string(&text).unwrap();
                    check(text.as_bytes(), &want);
                    let mut bytes = text.into_bytes();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = 0xff;
                        let want = format!("{{\"base64\":\"{}\"}}", STANDARD.encode(&bytes));
                        check(&bytes, &want);
                    }
                }
            }
        }
        check(&[1; LONGEST], &format!("\"{}\"", "\\u0001".repeat(LONGEST)));
    }

    #[test]
    fn characters_that_are_cut_anywhere() {
        let text = "a\u{e9}\u{20ac}\u{1f600}\"bc\u{7ff}\u{fffd}d".repeat(6);
        for begin in 0..30 {
            for len in 0..=LONGEST {
                let bytes = &text.as_bytes()[begin..begin + len];
                match std::str::from_utf8(bytes) {
                    Ok(text) => check(bytes, &serde_json::to_string(text).unwrap()),
                    Err(_) => {
                        check(bytes, &format!("{{\"base64\":\"{}\"}}", STANDARD.encode(bytes)));
                    }
                }
            }
        }
    }

    #[track_caller]
    fn check(text: &[u8], want: &str) {
        for wide in [None, Wide::get()] {
            let mut out = b"[".to_vec();
            let done = room::append(&mut out, SIZE, |slots| {
                let mut short = Short { room: slots.open(), wide };
                short.bytes(text)?;
                short.put(b"]")?;
                Some(short.room.close())
            });
            assert_eq!(done.is_some(), text.len() <= LONGEST, "{text:?}");
            let want = if done.is_some() { format!("[{want}]") } else { "[".to_owned() };
            assert_eq!(String::from_utf8_lossy(&out), want, "{wide:?}");
        }
    }

    #[test]
    fn base64_and_escapes_of_every_length() {
        let mut state = 0x9e37_79b9_u32;
        for len in 0..400 {
            let bytes: Vec<u8> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let text: String = bytes.iter().map(|&byte| char::from(byte & 0x7f)).collect();
            let quotes = text.replace(char::is_control, "\"");
            for wide in [None, Wide::get()] {
                let mut out = Vec::new();
                let size = 6 * len + SIZE;
                room::append(&mut out, size, |to| match wide {
                    Some(wide) => wide.base64(&bytes, to),
                    None => base64_narrow(&bytes, to),
                });
                assert_eq!(String::from_utf8_lossy(&out), STANDARD.encode(&bytes), "{wide:?}");
                for text in [&text, &quotes] {
                    let mut out = b"\"".to_vec();
                    room::append(&mut out, size, |to| match wide {
                        Some(wide) => wide.escaped(text.as_bytes(), to),
                        None => escaped_narrow(text.as_bytes(), to),
                    });
                    out.push(b'"');
                    let want = serde_json::to_string(text).unwrap();
                    assert_eq!(String::from_utf8_lossy(&out), want, "{wide:?}");
                }
            }
        }
    }

    #[test]
    fn whole_numbers_of_every_size() {
        let mut numbers: Vec<u64> = (0..20_000).collect();
        for power in (0..20).map(|n| 10_u64.pow(n)) {
            numbers.extend([power - 1, power, power + 1, power.wrapping_mul(7), power / 2 * 3]);
        }
        numbers.extend((0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, u64::MAX >> bit]));
        for number in numbers {
            let signed = number as i64;
            let mut out = Vec::new();
            append(&mut out, |short| {
                short.number(number)?;
                short.put(b" ")?;
                short.int(signed)
            });
            assert_eq!(String::from_utf8_lossy(&out), format!("{number} {signed}"));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut out = b"<".to_vec();
        let done = append(&mut out, |short| {
            loop {
                short.bytes(&[1; LONGEST])?;
            }
        });
        assert_eq!((done, out.as_slice()), (None, &b"<"[..]));
        let numbers = [1.0, -0.5, f64::INFINITY];
        append(&mut out, |short| numbers.into_iter().try_for_each(|number| short.double(number)));
        assert_eq!(out, b"<1.0-0.5\"inf\"");
        push_bytes(&mut out, b"\xff");
        assert_eq!(out, b"<1.0-0.5\"inf\"{\"base64\":\"/w==\"}");
    }
}
