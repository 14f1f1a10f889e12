//! Where a reply ends, and a buffer that hands out whole replies.
//!
//! ```text
//! +OK\r\n   -ERR …\r\n   :1\r\n   _\r\n   #t\r\n   ,1.5\r\n   (123\r\n     a line
//! $5\r\nhello\r\n   $-1\r\n   =…   !…                                  bytes
//! *2\r\n…   ~2\r\n…   >2\r\n…   %1\r\n… (twice as many)   |1\r\n… (and one more)
//! ```
//!
//! Most replies to a loader are `+OK`: those are told by their bytes and never become a value.

use std::io::{self, Read};

/// Replies nest no deeper than this.
const DEPTH: u32 = 64;
/// How much is read at least.
const READ: usize = 64 << 10;

/// The bytes of the first reply, if it is whole; an error, if what stands there is no reply.
pub fn frame_len(bytes: &[u8]) -> io::Result<Option<usize>> {
    behind(bytes, 0, DEPTH)
}

fn behind(bytes: &[u8], at: usize, depth: u32) -> io::Result<Option<usize>> {
    let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what.to_owned()));
    let Some(line) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let next = at + line + 1;
    let text = rest.get(1..line).unwrap_or_default();
    let count = || {
        let text = std::str::from_utf8(text).ok().map(|text| text.trim_end_matches('\r'));
        text.and_then(|text| text.parse::<i64>().ok())
    };
    let items = match rest.first() {
        Some(b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(') => return Ok(Some(next)),
        Some(b'$' | b'=' | b'!') => {
            let Some(count) = count() else { return wrong("a length is no number") };
            let Ok(size) = usize::try_from(count) else { return Ok(Some(next)) };
            let end = next.saturating_add(size).saturating_add(2);
            return Ok((bytes.len() >= end).then_some(end));
        }
        Some(b'*' | b'~' | b'>') => count(),
        Some(b'%') => count().and_then(|count| count.checked_mul(2)),
        Some(b'|') => count().and_then(|count| count.checked_mul(2)?.checked_add(1)),
        _ => {
            let shown = rest.get(..rest.len().min(16)).unwrap_or_default();
            return wrong(&format!("{} where a reply begins", crate::bytes::quoted(shown)));
        }
    };
    let Some(items) = items else { return wrong("a count is no number") };
    let Some(depth) = depth.checked_sub(1) else { return wrong("too many arrays in one another") };
    let mut at = next;
    for _ in 0..items {
        match behind(bytes, at, depth)? {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// Whole replies out of a stream.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// What was handed out lies before this.
    start: usize,
    /// What was read lies before this.
    end: usize,
}

impl Frames {
    /// The next reply if it was read already.
    pub fn ready(&mut self) -> io::Result<Option<&[u8]>> {
        let have = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(len) = frame_len(have)? else { return Ok(None) };
        let at = self.start;
        self.start += len;
        Ok(self.buffer.get(at..self.start))
    }

    /// Reads what is there, at least one byte; `false` at the end of the stream.
    pub fn fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // Twice as much as there is, so that a large reply is looked at a few times only.
        let want = (2 * self.end).max(READ);
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        loop {
            match from.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads unless a whole reply is there already; `false` at the end of the stream.
    pub fn ready_or_fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let have = self.buffer.get(self.start..self.end).unwrap_or_default();
        if frame_len(have)?.is_some() { Ok(true) } else { self.fill(from) }
    }

    /// The next reply, waited for.
    pub fn next(&mut self, from: &mut impl Read) -> io::Result<&[u8]> {
        loop {
            let have = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(len) = frame_len(have)? {
                let at = self.start;
                self.start += len;
                return Ok(self.buffer.get(at..self.start).unwrap_or_default());
            }
            if !self.fill(from)? {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection",
                ));
            }
        }
    }

    /// What was read and not handed out, such as the first bytes of a snapshot.
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer.get(self.start..self.end).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_end_where_they_end() {
        let replies: [&[u8]; 12] = [
            b"+OK\r\n",
            b"-ERR no\r\n",
            b":-5\r\n",
            b"$5\r\nhe\r\no\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*3\r\n:1\r\n*1\r\n$1\r\na\r\n+x\r\n",
            b"%1\r\n+a\r\n:1\r\n",
            b"|1\r\n+a\r\n:1\r\n+b\r\n",
            b"_\r\n",
            b"~1\r\n#t\r\n",
        ];
        let all = replies.concat();
        for reply in replies {
            let longer = [reply, b"+more\r\n"].concat();
            assert_eq!(frame_len(&longer).unwrap(), Some(reply.len()));
            for cut in 0..reply.len() {
                assert_eq!(frame_len(&reply[..cut]).unwrap(), None, "{cut}");
            }
        }
        let mut frames = Frames::default();
        let mut from = all.as_slice();
        for reply in replies {
            assert_eq!(frames.next(&mut from).unwrap(), reply);
        }
        assert!(frames.ready().unwrap().is_none() && frames.next(&mut from).is_err());
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in ["HTTP/1.1 400\r\n", "$x\r\n", "*\r\n"] {
            assert!(frame_len(bytes.as_bytes()).is_err(), "{bytes}");
        }
        assert!(frame_len("*1\r\n".repeat(100).as_bytes()).is_err());
    }
}
