//! JSON of short texts, put together in a room of its own, in steps of fixed size.
//!
//! ```text
//! room   {"field":"na……………………………      eight bytes of the text are written, two of them count
//!        {"field":"name","value":"…      what is too much is written over by the next step
//! ```
//!
//! So there is no call for a few bytes, and the output is looked after once for each object. What
//! does not fit ends in `None`, and then nothing of the room is to be used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json::{Double, is_plain_8, is_plain_16, special};
use crate::value::Elem;

/// Texts that are no longer are taken: that much pays.
const LONGEST: usize = 64;
/// Two texts of which each byte takes six, and what is around them.
const SIZE: usize = 2 * 6 * LONGEST + 256;

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
fn escape(byte: u8) -> ([u8; 8], usize) {
    let escape = ESCAPES.get(usize::from(byte)).copied().unwrap_or_default();
    (escape.to_le_bytes(), (escape >> 56) as usize)
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

/// Room for an object.
#[derive(Debug)]
pub(crate) struct Short {
    bytes: Box<[u8; SIZE]>,
    at: usize,
}

impl Default for Short {
    fn default() -> Self {
        Short { bytes: Box::new([0; SIZE]), at: 0 }
    }
}

impl Short {
    /// Begins anew.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.at = 0;
    }

    /// Appends what has been put together to `out`: in pieces of one size, for which nothing has to
    /// be called, and so a little too much at first.
    #[inline(always)]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let len = out.len() + self.at;
        let (pieces, _) = self.bytes.as_chunks::<64>();
        pieces.iter().take(self.at.div_ceil(64)).for_each(|piece| out.extend_from_slice(piece));
        out.truncate(len);
    }

    /// Appends all of some bytes.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        self.put_some(bytes, N)
    }

    /// Appends the first `len` bytes.
    #[inline(always)]
    pub(crate) fn put_some<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> Option<()> {
        self.put_at(self.at, bytes)?;
        self.at += len;
        Some(())
    }

    #[inline(always)]
    fn put_at<const N: usize>(&mut self, at: usize, bytes: &[u8; N]) -> Option<()> {
        *self.bytes.get_mut(at..at + N)?.first_chunk_mut()? = *bytes;
        Some(())
    }

    /// Appends a text or the text of an integer, as JSON.
    #[inline(always)]
    pub(crate) fn elem(&mut self, elem: Elem<'_>) -> Option<()> {
        match elem {
            Elem::Bytes(bytes) => self.bytes(bytes),
            Elem::Int(n) => {
                self.put(b"\"")?;
                self.plain(itoa::Buffer::new().format(n).as_bytes())?;
                self.put(b"\"")
            }
        }
    }

    /// Appends bytes as JSON.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let begun = self.at;
        self.put(b"\"")?;
        if self.plain(bytes).is_none() {
            self.at = begun;
            return self.with_care(bytes);
        }
        self.put(b"\"")
    }

    #[inline(never)]
    fn with_care(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.len() > LONGEST {
            return None;
        }
        if !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
            self.put_some(&BASE64.0, BASE64.1)?;
            self.at += STANDARD.encode_slice(bytes, self.bytes.get_mut(self.at..)?).ok()?;
            return self.put(b"\"}");
        }
        self.put(b"\"")?;
        let (read, written) = escaped(bytes, self.bytes.get_mut(self.at..)?);
        self.at += written;
        (read == bytes.len()).then_some(())?;
        self.put(b"\"")
    }

    /// Appends a number that JSON may not have, as it stands in JSON.
    #[inline(always)]
    pub(crate) fn double(&mut self, number: f64) -> Option<()> {
        match Double::of(number) {
            Double::Whole(n) => {
                self.plain(itoa::Buffer::new().format(n).as_bytes())?;
                self.put(b".0")
            }
            Double::Finite(n) => self.plain(zmij::Buffer::new().format_finite(n).as_bytes()),
            Double::None(word) => word.bytes().try_for_each(|byte| self.put(&[byte])),
        }
    }

    /// Appends text, if it is short and stands in a string of JSON as it is.
    #[inline(always)]
    pub(crate) fn plain(&mut self, text: &[u8]) -> Option<()> {
        let (at, len) = (self.at, text.len());
        // The first bytes and the last ones are all bytes, some of them twice.
        let is_plain = if let (Some(first), Some(last)) =
            (text.first_chunk::<16>(), text.last_chunk::<16>())
        {
            if len > 32 {
                return None;
            }
            self.put_at(at, first)?;
            self.put_at(at + len - 16, last)?;
            is_plain_16(first) & is_plain_16(last)
        } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>())
        {
            self.put_at(at, first)?;
            self.put_at(at + len - 8, last)?;
            is_plain_8(u64::from_le_bytes(*first)) & is_plain_8(u64::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>())
        {
            self.put_at(at, first)?;
            self.put_at(at + len - 4, last)?;
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            is_plain_8(u64::from(first) | u64::from(last) << 32)
        } else {
            let (Some(&first), Some(&middle), Some(&last)) =
                (text.first(), text.get(len / 2), text.last())
            else {
                return Some(());
            };
            self.put_at(at, &[first])?;
            self.put_at(at + len / 2, &[middle])?;
            self.put_at(at + len - 1, &[last])?;
            is_plain_8(u64::from_le_bytes([first, middle, last, b' ', b' ', b' ', b' ', b' ']))
        };
        self.at = at + len;
        is_plain.then_some(())
    }
}

const BASE64: ([u8; 16], usize) = padded(b"{\"base64\":\"");

#[inline(always)]
fn put(room: &mut [u8; LONGEST_WORD], at: usize, bytes: [u8; 8]) {
    if let Some(place) = room.get_mut(at..).and_then(|room| room.first_chunk_mut()) {
        *place = bytes;
    }
}

/// What eight bytes become at the most, and what the last of them writes too much.
const LONGEST_WORD: usize = 7 * 6 + 8;

/// Writes text, with all that must be escaped, as long as there is room; returns how many bytes of
/// it were taken, and how many written.
pub(super) fn escaped(text: &[u8], room: &mut [u8]) -> (usize, usize) {
    let (mut read, mut at) = (0, 0);
    while let (Some(word), Some(to)) = (
        text.get(read..).and_then(|rest| rest.first_chunk::<8>()),
        room.get_mut(at..).and_then(|room| room.first_chunk_mut::<LONGEST_WORD>()),
    ) {
        read += 8;
        let mut word = u64::from_le_bytes(*word);
        if special(word) == 0 {
            put(to, 0, word.to_le_bytes());
            at += 8;
            continue;
        }
        // Where each goes hangs on the lengths of those before it, and on no jump.
        let mut written = 0;
        for _ in 0..8 {
            let (bytes, len) = escape(word as u8);
            put(to, written, bytes);
            written += len;
            word >>= 8;
        }
        at += written;
    }
    // What is left of a long text waits for more room.
    if text.len() - read >= 8 && room.len() >= LONGEST_WORD {
        return (read, at);
    }
    while let (Some(&byte), Some(to)) =
        (text.get(read), room.get_mut(at..).and_then(|room| room.first_chunk_mut::<8>()))
    {
        let (bytes, len) = escape(byte);
        *to = bytes;
        (read, at) = (read + 1, at + len);
    }
    (read, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::push_bytes;

    /// The quick way is held against the one of serde, with what needs care at every place.
    #[test]
    fn it_is_the_json_that_all_others_write() {
        let mut short = Short::default();
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
                    check(&mut short, text.as_bytes(), want.as_bytes());
                    let mut bytes = text.into_bytes();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = 0xff;
                    }
                    let mut want = Vec::new();
                    push_bytes(&mut want, &bytes);
                    check(&mut short, &bytes, &want);
                }
            }
        }
        check(&mut short, &[1; LONGEST], format!("\"{}\"", "\\u0001".repeat(LONGEST)).as_bytes());
    }

    fn written(short: &Short) -> Vec<u8> {
        let mut out = Vec::new();
        short.append_to(&mut out);
        out
    }

    #[track_caller]
    fn check(short: &mut Short, text: &[u8], want: &[u8]) {
        short.clear();
        short.put(b"[").unwrap();
        let done = short.bytes(text);
        assert_eq!(done.is_some(), text.len() <= LONGEST, "{text:?}");
        if done.is_some() {
            short.put(b"]").unwrap();
            let got = String::from_utf8_lossy(&written(short)).into_owned();
            assert_eq!(got, format!("[{}]", String::from_utf8_lossy(want)));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut short = Short::default();
        while short.bytes(&[1; LONGEST]).is_some() {}
        assert!(short.at <= SIZE);
        assert!(short.elem(Elem::Int(i64::MIN)).is_none() || short.at <= SIZE);
        short.clear();
        let numbers = [1.0, -0.5, f64::INFINITY];
        numbers.into_iter().for_each(|number| short.double(number).unwrap());
        assert_eq!(written(&short), b"1.0-0.5\"inf\"");
    }
}
