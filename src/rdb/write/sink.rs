//! Where the body of a value is written: lengths, strings and numbers as snapshots store them.
//!
//! ```text
//! text   C0 i8, C1 i16, C2 i32   up to 11 bytes that are the canonical decimal of an i32
//!        C3 …                    more than 20 bytes that LZF makes at least 4 shorter
//!        length, bytes           all else
//! ```

use super::Loss;
use crate::bytes::lzf::Compressor;
use crate::bytes::number::{ScoreText, integer};
use crate::rdb::packed::{ListpackBuf, ZiplistBuf};
use crate::value::{Elem, StreamId};

/// Longer texts are not looked at for an integer.
const LONGEST_NUMBER: usize = 11;
/// Texts up to this length are not packed.
const SHORT: usize = 20;

/// Where the body of a value is written, and room that values share.
#[derive(Debug, Clone, Default)]
pub struct Sink {
    /// What has been written.
    pub out: Vec<u8>,
    /// What was written without something that it had, where that is allowed.
    pub losses: Vec<Loss>,
    compress: bool,
    lossy: bool,
    packer: Compressor,
    packed: Vec<u8>,
    pub(super) listpack: ListpackBuf,
    pub(super) ziplist: ZiplistBuf,
    pub(super) nodes: Vec<u8>,
    pub(super) numbers: Vec<i64>,
}

impl Sink {
    /// An empty one; `compress` says whether long texts are packed where that makes them shorter.
    pub fn new(compress: bool) -> Self {
        Sink { compress, ..Sink::default() }
    }

    /// The same, writing values without what the target cannot hold and listing it in `losses`.
    /// Otherwise such a loss is the error of the function that meets it.
    #[must_use]
    pub fn lossy(self) -> Self {
        Sink { lossy: true, ..self }
    }

    /// Throws away what was written; the room stays.
    pub fn clear(&mut self) {
        self.out.clear();
        self.losses.clear();
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// Switches losses on or off; returns how that was before.
    pub(super) fn allow_losses(&mut self, lossy: bool) -> bool {
        std::mem::replace(&mut self.lossy, lossy)
    }

    /// Accepts a loss, or hands it back.
    pub(super) fn lose(&mut self, loss: Loss) -> Result<(), Loss> {
        if !self.lossy && loss.is_grave() {
            return Err(loss);
        }
        self.losses.push(loss);
        Ok(())
    }

    /// A byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// A length, or any other unsigned number, in the fewest bytes.
    #[inline]
    pub fn length(&mut self, n: u64) {
        match n {
            0..=0x3f => self.out.push(n as u8),
            0x40..=0x3fff => self.out.extend_from_slice(&[0x40 | (n >> 8) as u8, n as u8]),
            _ => match u32::try_from(n) {
                Ok(n) => {
                    self.out.push(0x80);
                    self.out.extend_from_slice(&n.to_be_bytes());
                }
                Err(_) => {
                    self.out.push(0x81);
                    self.out.extend_from_slice(&n.to_be_bytes());
                }
            },
        }
    }

    /// A string.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        if text.len() <= LONGEST_NUMBER
            && let Some(n) = integer(text).and_then(|n| i32::try_from(n).ok())
        {
            return self.int(n);
        }
        self.blob(text);
    }

    /// A string that spells no number, as packed blobs.
    #[inline]
    pub fn blob(&mut self, text: &[u8]) {
        if self.compress && text.len() > SHORT && self.pack(text) {
            return;
        }
        self.length(text.len() as u64);
        self.out.extend_from_slice(text);
    }

    fn pack(&mut self, text: &[u8]) -> bool {
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        let worth_it = self.packer.compress(text, &mut packed);
        if worth_it {
            self.out.push(crate::rdb::LZF_STRING);
            self.length(packed.len() as u64);
            self.length(text.len() as u64);
            self.out.extend_from_slice(&packed);
        }
        self.packed = packed;
        worth_it
    }

    fn int(&mut self, n: i32) {
        if let Ok(n) = i8::try_from(n) {
            self.out.extend_from_slice(&[0xc0, n as u8]);
        } else if let Ok(n) = i16::try_from(n) {
            self.out.push(0xc1);
            self.out.extend_from_slice(&n.to_le_bytes());
        } else {
            self.out.push(0xc2);
            self.out.extend_from_slice(&n.to_le_bytes());
        }
    }

    /// An element as a string.
    #[inline]
    pub fn elem(&mut self, elem: Elem<'_>) {
        match elem {
            Elem::Bytes(bytes) => self.text(bytes),
            Elem::Int(n) => match i32::try_from(n) {
                Ok(n) => self.int(n),
                Err(_) => self.blob(itoa::Buffer::new().format(n).as_bytes()),
            },
        }
    }

    /// A string as it lay in another snapshot.
    pub fn same_text(&mut self, text: &crate::rdb::Text<'_>) {
        match *text {
            crate::rdb::Text::Raw(bytes) => {
                self.length(bytes.len() as u64);
                self.out.extend_from_slice(bytes);
            }
            crate::rdb::Text::Int(n) => self.int(n),
            crate::rdb::Text::Lzf { packed, len } => {
                self.out.push(crate::rdb::LZF_STRING);
                self.length(packed.len() as u64);
                self.length(len);
                self.out.extend_from_slice(packed);
            }
        }
    }

    /// A double in eight bytes.
    #[inline]
    pub fn double(&mut self, n: f64) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    /// A double as text behind its length, as servers up to Redis 3.2 store scores.
    pub fn ascii_double(&mut self, n: f64) {
        if n.is_nan() {
            self.out.push(253);
        } else if n.is_infinite() {
            self.out.push(if n < 0.0 { 255 } else { 254 });
        } else {
            let text = ScoreText::Printf17.digest(n);
            self.out.push(text.len() as u8);
            self.out.extend_from_slice(&text);
        }
    }

    /// A signed integer in eight bytes.
    #[inline]
    pub fn i64_le(&mut self, n: i64) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    /// A stream id as two lengths.
    pub fn id(&mut self, id: StreamId) {
        self.length(id.ms);
        self.length(id.seq);
    }

    /// A stream id in sixteen bytes.
    pub fn raw_id(&mut self, id: StreamId) {
        self.out.extend_from_slice(&id.ms.to_be_bytes());
        self.out.extend_from_slice(&id.seq.to_be_bytes());
    }

    /// Bytes that are in their final form.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// What stands in `self.listpack`, as a string.
    pub(super) fn flush_listpack(&mut self) {
        let pack = std::mem::take(&mut self.listpack);
        self.blob(pack.as_bytes());
        self.listpack = pack;
    }

    /// What stands in `self.ziplist`, as a string.
    pub(super) fn flush_ziplist(&mut self) {
        let zip = std::mem::take(&mut self.ziplist);
        self.blob(zip.as_bytes());
        self.ziplist = zip;
    }
}

#[cfg(test)]
mod tests {
    use super::Sink;
    use crate::rdb::{Text, length};
    use crate::value::Elem;

    #[track_caller]
    fn check(text: &[u8], want: &[u8]) {
        let mut sink = Sink::new(true);
        sink.text(text);
        assert_eq!(sink.out, want);
        let (rest, read) = Text::parse(&sink.out).unwrap();
        assert!(rest.is_empty());
        assert_eq!(read.to_cow().unwrap(), text);
        let mut same = Sink::new(false);
        same.same_text(&read);
        assert_eq!(same.out, want);
        if let Some(n) = crate::bytes::number::integer(text) {
            let mut sink = Sink::new(true);
            sink.elem(Elem::Int(n));
            assert_eq!(sink.out, want);
        }
    }

    #[test]
    fn strings_as_servers_store_them() {
        check(b"hello", b"\x05hello");
        check(b"", b"\x00");
        check(b"-7", b"\xc0\xf9");
        check(b"12345", b"\xc1\x39\x30");
        check(b"-2000000000", b"\xc2\x00\x6c\xca\x88");
        check(b"2147483648", b"\x0a2147483648");
        check(b"12345678901", b"\x0b12345678901");
        check(b"-9223372036854775808", b"\x14-9223372036854775808");
        check(b"007", b"\x03007");
        check(&[b'a'; 20], b"\x14aaaaaaaaaaaaaaaaaaaa");
        check(&[b'a'; 21], b"\xc3\x06\x15\x01aa\xe0\x0a\x00");
    }

    #[test]
    fn nothing_is_packed_where_that_is_not_wanted() {
        let mut sink = Sink::new(false);
        sink.text(&[b'a'; 21]);
        assert_eq!(sink.out, b"\x15aaaaaaaaaaaaaaaaaaaaa");
    }

    #[test]
    fn lengths_in_the_fewest_bytes() {
        for (n, bytes) in
            [(0, 1), (63, 1), (64, 2), (16383, 2), (16384, 5), (u64::from(u32::MAX), 5)]
                .into_iter()
                .chain([(1 << 32, 9), (u64::MAX, 9)])
        {
            let mut sink = Sink::new(true);
            sink.length(n);
            assert_eq!(sink.out.len(), bytes);
            assert_eq!(length(&sink.out).unwrap().1, n);
        }
    }

    #[test]
    fn doubles_as_text() {
        let mut sink = Sink::new(true);
        for n in [1.5, f64::INFINITY, f64::NEG_INFINITY, 0.1, -0.0] {
            sink.ascii_double(n);
        }
        assert_eq!(sink.out, b"\x031.5\xfe\xff\x130.10000000000000001\x02-0");
    }
}
