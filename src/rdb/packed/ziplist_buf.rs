//! A ziplist that is written from front to end: the writing side of [`Ziplist`](super::Ziplist),
//! for servers up to Redis 6.2.
//!
//! Every entry begins with the size of the one before it, so nothing but appending is simple, and
//! nothing else is needed.

use crate::bytes::number::integer;
use crate::value::Elem;

const HEADER: usize = 10;
/// From this size on the entry behind says it in five bytes.
const BIG: usize = 254;
/// Longer texts are strings, whatever they spell.
const LONGEST_NUMBER: usize = 31;

/// A ziplist in memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZiplistBuf {
    bytes: Vec<u8>,
    /// Where the last entry begins.
    tail: usize,
    count: u16,
}

impl Default for ZiplistBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl ZiplistBuf {
    /// An empty one.
    pub fn new() -> Self {
        let mut zip = ZiplistBuf { bytes: Vec::new(), tail: HEADER, count: 0 };
        zip.clear();
        zip
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[11, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0xff]);
        self.tail = HEADER;
        self.count = 0;
    }

    /// The blob.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The size of the blob in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER + 1
    }

    /// Appends an element; text that is the canonical decimal of a number becomes that number.
    pub fn push_elem(&mut self, elem: Elem<'_>) {
        self.push(elem.bytes(&mut itoa::Buffer::new()));
    }

    /// Appends an element.
    pub fn push(&mut self, text: &[u8]) {
        // The end byte goes and comes again.
        self.bytes.pop();
        let before = if self.count == 0 { 0 } else { self.bytes.len() - self.tail };
        self.tail = self.bytes.len();
        if before < BIG {
            self.bytes.push(before as u8);
        } else {
            self.bytes.push(0xfe);
            self.bytes.extend_from_slice(&(before as u32).to_le_bytes());
        }
        let number = if text.len() <= LONGEST_NUMBER { integer(text) } else { None };
        match number {
            Some(n) => self.number(n),
            None => self.string(text),
        }
        self.bytes.push(0xff);
        // The highest number says that there is none.
        self.count = self.count.saturating_add(1);
        let total = (self.bytes.len() as u32).to_le_bytes();
        let tail = (self.tail as u32).to_le_bytes();
        let head = total.into_iter().chain(tail).chain(self.count.to_le_bytes());
        for (slot, byte) in self.bytes.iter_mut().zip(head) {
            *slot = byte;
        }
    }

    fn number(&mut self, n: i64) {
        let bytes = n.to_le_bytes();
        let (mark, size) = match n {
            0..=12 => (0xf1 + n as u8, 0),
            -0x80..=0x7f => (0xfe, 1),
            -0x8000..=0x7fff => (0xc0, 2),
            -0x80_0000..=0x7f_ffff => (0xf0, 3),
            -0x8000_0000..=0x7fff_ffff => (0xd0, 4),
            _ => (0xe0, 8),
        };
        self.bytes.push(mark);
        self.bytes.extend(bytes.iter().take(size));
    }

    fn string(&mut self, text: &[u8]) {
        match text.len() {
            len @ ..=63 => self.bytes.push(len as u8),
            len @ ..=16383 => {
                self.bytes.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]);
            }
            len => {
                self.bytes.push(0x80);
                self.bytes.extend_from_slice(&(len as u32).to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::ZiplistBuf;
    use crate::rdb::packed::Ziplist;

    #[track_caller]
    fn check(texts: &[&[u8]]) -> Vec<u8> {
        let mut zip = ZiplistBuf::new();
        texts.iter().for_each(|text| zip.push(text));
        let mut walk = Ziplist::new(zip.as_bytes()).unwrap().strict();
        let got: Vec<_> = walk.by_ref().map(|elem| elem.unwrap().to_vec()).collect();
        assert_eq!(got, texts);
        assert_eq!(walk.flaws().next(), None);
        zip.as_bytes().to_vec()
    }

    #[test]
    fn the_example_of_a_server() {
        let blob = check(&[b"a", b"5", b"1000", b"-1", b"100000", b"8589934592", b"bc"]);
        assert_eq!(
            blob,
            b"\x2a\0\0\0\x25\0\0\0\x07\0\0\x01a\x03\xf6\x02\xc0\xe8\x03\x04\xfe\xff\x03\xf0\xa0\x86\
              \x01\x05\xe0\0\0\0\0\x02\0\0\0\x0a\x02bc\xff"
        );
    }

    #[test]
    fn every_width_and_length() {
        let mut texts: Vec<Vec<u8>> =
            [0, 62, 63, 64, 250, 252, 253, 254, 16383, 16384].map(|n| vec![b'x'; n]).to_vec();
        for bits in [0, 3, 7, 15, 23, 31, 62] {
            for near in [-2, -1, 0, 1] {
                let n = (1_i64 << bits) + near;
                texts.extend([n.to_string().into_bytes(), (-n).to_string().into_bytes()]);
            }
        }
        texts.push(b"007".to_vec());
        check(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        check(&[]);
    }

    #[test]
    fn more_than_can_be_counted() {
        check(&vec![&b"7"[..]; 70_000]);
    }
}
