//! What a source is, told by its first bytes and never by its name.
//!
//! ```text
//! REDIS0011 VALKEY080             snapshot (a log may follow behind its end)
//! *3\r\n$3\r\nSET…  #TS:17…\r\n   log
//! file x.1.incr.aof seq 1 …       manifest; comment lines may stand before it
//! {"schema":"rdbkit.export/1",…   keys as JSON lines
//! 1f 8b  28 b5 2f fd  04 22 4d 18  BZh9   gzip, zstd, lz4, bzip2
//! (nothing)                       empty: sound as a log, broken as a snapshot
//! ```
//!
//! A DUMP payload has no magic: it begins with any type byte, so it is never guessed, only forced.

use std::fmt;
use std::str::FromStr;

use super::compressed::{Compression, is_skippable};
use crate::bytes::quoted;
use crate::error::Error;

/// How many first bytes are looked at. More comments than this before a manifest hide it.
pub(super) const HEAD: usize = 16 << 10;

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// A file that begins with the magic of a snapshot. It may be a snapshot alone or the
    /// preamble of a log: only its reader knows, when it stands behind the end of the snapshot
    /// and finds commands there.
    Rdb,
    /// A log of commands, without a preamble.
    Aof,
    /// A directory with a manifest and the parts it names.
    AofDir,
    /// A manifest; its parts lie beside it.
    Manifest,
    /// Keys as JSON lines, as `export` writes them.
    Ndjson,
    /// The payload of one DUMP. Only where it was asked for.
    Dump,
    /// A file of no bytes. A server takes it for a log without commands, and refuses it as a
    /// snapshot; which of them it was meant to be is not in it.
    Empty,
}

impl Form {
    /// The name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Form::Rdb => "rdb",
            Form::Aof => "aof",
            Form::AofDir => "aof-dir",
            Form::Manifest => "manifest",
            Form::Ndjson => "ndjson",
            Form::Dump => "dump",
            Form::Empty => "empty",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Form {
    type Err = String;

    /// The forms that can be forced.
    fn from_str(name: &str) -> Result<Self, String> {
        [Form::Rdb, Form::Aof, Form::AofDir, Form::Manifest, Form::Ndjson, Form::Dump]
            .into_iter()
            .find(|form| form.name() == name)
            .ok_or_else(|| format!("{name:?} is none of rdb, aof, aof-dir, manifest, ndjson, dump"))
    }
}

/// How the data is compressed, if it is.
pub(super) fn compression(head: &[u8]) -> Option<Compression> {
    match behind_skippable(head) {
        [0x1f, 0x8b, ..] => Some(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Compression::Lz4),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
        // Both zstd and lz4 have skippable frames; what stands behind a long one is not at hand.
        _ if skippable(head).is_some() => Some(Compression::Zstd),
        _ => None,
    }
}

/// The size of the skippable frame that `head` begins with.
fn skippable(head: &[u8]) -> Option<usize> {
    let (magic, rest) = head.split_first_chunk()?;
    let (len, _) = rest.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    is_skippable(u32::from_le_bytes(*magic)).then(|| len.saturating_add(8))
}

fn behind_skippable(mut head: &[u8]) -> &[u8] {
    while let Some(rest) = skippable(head).and_then(|len| head.get(len..)) {
        head = rest;
    }
    head
}

/// What data is that begins with `head` and isn't compressed. `name` is for the sentence.
pub(super) fn form(head: &[u8], name: &str) -> Result<Form, Error> {
    match head {
        [] => Ok(Form::Empty),
        [b'V', b'K', b'C', b'S', ..] => Err(Error::Source(format!(
            "{name} is in Valkey's compressed envelope (VKCS), which this version does not read: \
             have the server save it without"
        ))),
        _ if is_snapshot(head) || is_damaged_snapshot(head) => Ok(Form::Rdb),
        // The strictness about what follows is the log reader's business.
        [b'*', ..] => Ok(Form::Aof),
        // No other form that is read here begins so; what the lines are its reader looks at.
        [b'{', ..] => Ok(Form::Ndjson),
        _ => match behind_comments(head) {
            [b'f', b'i', b'l', b'e', b' ' | b'\t', ..] => Ok(Form::Manifest),
            _ if head.starts_with(b"#") => Ok(Form::Aof),
            _ => Err(unknown(head, name)),
        },
    }
}

/// What one part of a log directory is: the servers look for the magic and nothing else.
pub(super) fn part_form(head: &[u8]) -> Form {
    if is_snapshot(head) { Form::Rdb } else { Form::Aof }
}

/// Versions are the header's business: REDIS without digits is a broken snapshot. So is a file
/// that ends inside the magic.
fn is_snapshot(head: &[u8]) -> bool {
    let magics: [&[u8]; 2] = [b"REDIS", b"VALKEY"];
    magics
        .iter()
        .any(|magic| head.starts_with(magic) || (!head.is_empty() && magic.starts_with(head)))
}

/// Whether one byte is all that is wrong with the magic and the version of a snapshot. Its reader
/// says so, and a repair puts it right.
fn is_damaged_snapshot(head: &[u8]) -> bool {
    let Some(head) = head.first_chunk::<9>() else { return false };
    let like = |magic: &[u8]| {
        let (letters, digits) = head.split_at_checked(magic.len()).unwrap_or_default();
        let wrong = letters.iter().zip(magic).filter(|(one, other)| one != other).count();
        wrong == 1 && digits.starts_with(b"0") && digits.iter().all(u8::is_ascii_digit)
    };
    like(b"REDIS") || like(b"VALKEY")
}

fn behind_comments(mut head: &[u8]) -> &[u8] {
    while head.starts_with(b"#") {
        let Some(end) = head.iter().position(|&byte| byte == b'\n') else { return &[] };
        head = head.get(end + 1..).unwrap_or_default();
    }
    head
}

fn unknown(head: &[u8], name: &str) -> Error {
    // What people hand over by mistake.
    let others: [(&[u8], usize, &str); 7] = [
        (b"PK\x03\x04", 0, "a zip archive"),
        (b"\xfd7zXZ\0", 0, "compressed with xz"),
        (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive"),
        (b"\x02\x21\x4c\x18", 0, "in the legacy format of lz4"),
        (b"ustar", 257, "a tar archive"),
        (b"SQLite format 3\0", 0, "an SQLite database"),
        (b"\x7fELF", 0, "a program"),
    ];
    let other = others
        .iter()
        .find(|(magic, at, _)| head.get(*at..).is_some_and(|head| head.starts_with(magic)));
    if let Some((_, _, what)) = other {
        return Error::Source(format!("{name} is {what}: unpack it first"));
    }
    let first = head.get(..head.len().min(16)).unwrap_or_default();
    Error::Source(format!(
        "{name} is no RDB, AOF or manifest: it begins with {}; if you know what it is, say so \
         with --from rdb, aof, manifest, ndjson or dump",
        quoted(first)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_told_by_their_magic() {
        check(b"REDIS0011\xfa", "rdb");
        check(b"VALKEY080\xfa", "rdb");
        check(b"REDISxxxx", "rdb");
        check(b"REDIS", "rdb");
        check(b"VAL", "rdb");
        check(b"R", "rdb");
        // A damaged byte makes nothing else of it.
        check(b"rEDIS0011\xfa", "rdb");
        check(b"VALKUY080\xfa", "rdb");
    }

    #[test]
    fn logs_are_told_by_their_first_line() {
        check(b"*3\r\n$3\r\nSET\r\n", "aof");
        check(b"*", "aof");
        check(b"#TS:1700000000\r\n*1\r\n", "aof");
        check(b"# anything\r\n#TS:1\r\n", "aof");
        check(b"#TS:17", "aof");
    }

    #[test]
    fn manifests_are_told_by_their_first_line_that_is_no_comment() {
        check(b"file appendonly.aof.1.incr.aof seq 1 type i\n", "manifest");
        check(b"# by hand\n#\nfile x seq 1 type i\n", "manifest");
        check(b"# a command of that name\n*1\r\n", "aof");
    }

    #[test]
    fn json_lines_begin_with_an_object() {
        check(b"{\"schema\":\"rdbkit.export/1\"}\n", "ndjson");
    }

    #[test]
    fn nothing_is_empty() {
        check(b"", "empty");
    }

    #[test]
    fn the_compressions_are_told_by_their_magic() {
        check(b"\x1f\x8b\x08", "gzip");
        check(b"\x28\xb5\x2f\xfd\x00", "zstd");
        check(b"\x04\x22\x4d\x18\x40", "lz4");
        check(b"BZh91AY&SY", "bzip2");
        check(b"\x5a\x2a\x4d\x18\x02\0\0\0ab\x04\x22\x4d\x18", "lz4");
        check(b"\x50\x2a\x4d\x18\0\0\0\0\x5f\x2a\x4d\x18\x01\0\0\0a\x28\xb5\x2f\xfd", "zstd");
        check(b"\x50\x2a\x4d\x18\xff\xff\xff\xff", "zstd");
    }

    #[test]
    fn other_things_are_refused_with_a_sentence() {
        check(
            b"VKCS\x01\x01\0\0",
            "x is in Valkey's compressed envelope (VKCS), which this version does not read: have the server save it without",
        );
        check(b"PK\x03\x04", "x is a zip archive: unpack it first");
        let mut tar = vec![b'a'; 300];
        tar.splice(257..262, *b"ustar");
        check(&tar, "x is a tar archive: unpack it first");
        check(
            b"SET a b\n",
            "x is no RDB, AOF or manifest: it begins with \"SET a b\\n\"; if you know what it is, say so with --from rdb, aof, manifest, ndjson or dump",
        );
        check(
            b"\0\x03abc\x0b\0",
            "x is no RDB, AOF or manifest: it begins with \"\\x00\\x03abc\\x0b\\x00\"; if you know what it is, say so with --from rdb, aof, manifest, ndjson or dump",
        );
    }

    #[test]
    fn every_name_that_can_be_forced_is_read_back() {
        for form in [Form::Rdb, Form::Aof, Form::AofDir, Form::Manifest, Form::Ndjson, Form::Dump] {
            assert_eq!(form.name().parse(), Ok(form));
        }
        assert!("empty".parse::<Form>().is_err());
        assert!("RDB".parse::<Form>().is_err());
    }

    #[track_caller]
    fn check(head: &[u8], want: &str) {
        let got = match compression(head) {
            Some(compression) => compression.name().to_owned(),
            None => form(head, "x").map_or_else(|error| error.to_string(), |form| form.to_string()),
        };
        assert_eq!(got, want);
    }
}
