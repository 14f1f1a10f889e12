//! The object of a key that holds a short string, as most do.

use crate::rdb::{Entry, Text};
use crate::report::short::{self, padded};
use crate::value::Elem;

/// What stands in front of a key: at the most a comma, a line end, and the longest database.
const HEAD: usize = 48;
const BETWEEN: usize = 48;

const INT: ([u8; BETWEEN], usize) = padded(b",\"type\":\"string\",\"encoding\":\"int\",\"value\":");
const RAW: ([u8; BETWEEN], usize) = padded(b",\"type\":\"string\",\"encoding\":\"raw\",\"value\":");

/// Room for a line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// How lines of a database begin.
    head: Option<Head>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    db: u64,
    bytes: [u8; HEAD],
    len: usize,
}

impl Line {
    /// Appends the object of a key that holds a string and nothing besides, between `before` and
    /// `behind`, which are the same each time and up to two bytes; or appends nothing, and says so,
    /// where that is not short.
    #[inline]
    pub(crate) fn push(
        &mut self,
        out: &mut Vec<u8>,
        entry: &Entry<'_>,
        before: &[u8],
        behind: &[u8],
    ) -> bool {
        let head = match self.head {
            Some(head) if head.db == entry.db => head,
            _ => *self.head.insert(Head::new(entry.db, before)),
        };
        let (Text::Raw(key), Ok((_, value))) = (entry.key, Text::parse(entry.body())) else {
            return false;
        };
        let pushed = short::append(out, |short| {
            short.put_some(&head.bytes, head.len)?;
            short.bytes(key)?;
            match value {
                Text::Raw(value) => {
                    short.put_some(&RAW.0, RAW.1)?;
                    short.bytes(value)?;
                }
                Text::Int(n) => {
                    short.put_some(&INT.0, INT.1)?;
                    short.elem(Elem::Int(n.into()))?;
                }
                Text::Lzf { .. } => return None,
            }
            short.put(b"}")?;
            behind.iter().try_for_each(|byte| short.put(&[*byte]))
        });
        pushed.is_some()
    }
}

impl Head {
    #[cold]
    fn new(db: u64, before: &[u8]) -> Head {
        let mut number = itoa::Buffer::new();
        let text = [before, b"{\"db\":", number.format(db).as_bytes(), b",\"key\":"].concat();
        let (bytes, len) = padded(&text);
        Head { db, bytes, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{Framer, Header};
    use crate::report::export::row::{self, RowRoom};

    /// The quick way is held against the plain one.
    #[test]
    fn it_says_what_the_plain_way_says() {
        let mut line = Line::default();
        let mut quick = 0;
        for len in 0..70_usize {
            for text in ["a".repeat(len), "\"".repeat(len), "\u{1}".repeat(len)] {
                let value = [&[0x40, len as u8], text.as_bytes()].concat();
                quick += check(&mut line, text.as_bytes(), &value);
                quick += check(&mut line, b"key", &value);
            }
            let value = [&[0x40, len as u8], &*vec![0xff; len]].concat();
            quick += check(&mut line, &vec![0xfe; len], &value);
        }
        assert!(quick > 400, "{quick}");
        assert_eq!(check(&mut line, b"k", b"\xc2\x00\x00\x00\x80"), 1);
        assert_eq!(check(&mut line, b"k", b"\xc0\x07"), 1);
        assert_eq!(check(&mut line, b"k", b"\xc3\x05\x1e\x00\x61\xe0\x14\x00"), 0);
    }

    #[track_caller]
    fn check(line: &mut Line, key: &[u8], value: &[u8]) -> usize {
        let record = [&[0, 0x40, key.len() as u8], key, value].concat();
        let (_, header) = Header::parse(b"REDIS0012").unwrap();
        let framer = Framer::new(header);
        let Some((entry, _)) = framer.plain_string(&record, 0) else { return 0 };
        let mut out = b"before".to_vec();
        if !line.push(&mut out, &entry, b",\n", b"\n") {
            assert_eq!(out, b"before");
            return 0;
        }
        let mut want = b"before,\n".to_vec();
        let encoding = if value[0] >= 0xc0 { "int" } else { "raw" };
        row::push_key(&mut want, &entry, encoding, &mut RowRoom::default()).unwrap();
        want.push(b'\n');
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&want));
        1
    }
}
