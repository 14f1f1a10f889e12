//! The manifest of a multi-part log: which files belong to it, in which roles.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.1.incr.aof seq 1 type h
//! file "my log.aof.4.incr.aof" seq 4 type i startoffset 123456 endoffset 234567
//! ```
//!
//! One line per file, pairs of key and value in any order, keys in any case, unknown keys ignored;
//! `#` begins a comment. Names are split and quoted as the servers' argument splitter does it. The
//! danger is in what a server refuses: one bad line, and it does not start at all. [`read`] gives
//! the lines that can be understood together with all that a server would refuse.

use std::fmt;

use crate::bytes::split_words;
use crate::error::Doing;
use crate::finding::{Finding, Severity};

/// The longest line that a server reads, with its line end.
pub const LINE_MAX_BYTES: usize = 1024;

/// The role of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartType {
    /// Loaded first: a snapshot or a log.
    Base,
    /// No longer loaded; the server deletes it when it gets to it.
    History,
    /// Loaded behind the base, in the order of the manifest.
    Incr,
}

impl PartType {
    /// The letter that stands for it.
    pub fn letter(self) -> char {
        match self {
            PartType::Base => 'b',
            PartType::History => 'h',
            PartType::Incr => 'i',
        }
    }
}

/// One line of a manifest. Its `Display` is the line as a server writes it, without line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file beside the manifest.
    pub name: Vec<u8>,
    /// The sequence number; bases and increments count apart.
    pub seq: i64,
    /// The role.
    pub part_type: PartType,
    /// The replication offset when an increment was opened (Redis 8.0 and newer).
    pub start_offset: Option<i64>,
    /// The replication offset when it was closed.
    pub end_offset: Option<i64>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { seq, part_type, .. } = self;
        write!(f, "file {} seq {seq} type {}", Name(&self.name), part_type.letter())?;
        if let Some(offset) = self.start_offset {
            write!(f, " startoffset {offset}")?;
        }
        if let Some(offset) = self.end_offset {
            write!(f, " endoffset {offset}")?;
        }
        Ok(())
    }
}

/// A name as it stands in a manifest: quoted where the splitter would not give it back otherwise.
struct Name<'a>(&'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Servers leave single quotes bare, and then cannot read the name: here they are quoted.
        let plain = |b: &u8| b.is_ascii_graphic() && !b"\\\"'".contains(b);
        if !self.0.is_empty() && self.0.iter().all(plain) {
            return self.0.iter().try_for_each(|&b| write!(f, "{}", char::from(b)));
        }
        f.write_str("\"")?;
        for &byte in self.0 {
            match byte {
                b'\\' | b'"' => write!(f, "\\{}", char::from(byte))?,
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                0x07 => f.write_str("\\a")?,
                0x08 => f.write_str("\\b")?,
                b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_str("\"")
    }
}

/// What a server refuses a manifest for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestRule {
    /// Not a single line.
    Empty,
    /// A line of more than 1024 bytes, with a zero byte, or without its end.
    Line,
    /// A line with nothing on it.
    Blank,
    /// Quotes that are not closed, or closed in the middle of a word.
    Quotes,
    /// Fewer than three pairs, or a key without a value.
    Pairs,
    /// No file, or a sequence number or type that is missing, zero or empty.
    Incomplete,
    /// A name with a path in it.
    Path,
    /// A type other than b, h and i.
    Type,
    /// A second base.
    SecondBase,
    /// An increment whose number is not above the one before.
    Order,
}

impl ManifestRule {
    /// What the rule asks for, and the stable name of the rule.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            ManifestRule::Empty => ("manifest-empty", "at least one line"),
            ManifestRule::Line => {
                ("manifest-line", "lines of at most 1024 bytes, each with a line feed")
            }
            ManifestRule::Blank => ("manifest-blank-line", "no blank lines"),
            ManifestRule::Quotes => ("manifest-quotes", "closed quotes with a blank behind them"),
            ManifestRule::Pairs => ("manifest-pairs", "three or more pairs of key and value"),
            ManifestRule::Incomplete => {
                ("manifest-incomplete", "a file, a sequence number other than 0, and a type")
            }
            ManifestRule::Path => ("manifest-path", "a plain file name"),
            ManifestRule::Type => ("manifest-type", "type b, h or i"),
            ManifestRule::SecondBase => ("manifest-second-base", "one base at most"),
            ManifestRule::Order => ("manifest-order", "increments with ascending sequence numbers"),
        }
    }
}

/// A broken rule of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The line, from 1; of an empty manifest 0.
    pub line: u64,
    /// Where that line begins.
    pub offset: u64,
    /// The rule.
    pub rule: ManifestRule,
    /// The line, or the first of it.
    pub text: Vec<u8>,
}

impl ManifestError {
    /// The stable name of the rule.
    pub fn code(&self) -> &'static str {
        self.rule.words().0
    }

    /// The finding; its file is not set yet.
    pub fn finding(&self) -> Finding {
        let (code, expected) = self.rule.words();
        Finding {
            severity: Severity::Error,
            code,
            file: String::new(),
            offset: Some(self.offset),
            db: None,
            key: None,
            doing: Doing::Manifest.to_string(),
            expected: expected.to_owned(),
            found: match self.line {
                0 => "no bytes at all".to_owned(),
                line => format!("line {line}: {}", crate::bytes::quoted(&self.text)),
            },
            server: "refuses to start (fatal manifest file error)",
            advice: "correct the line on a copy; never delete a manifest: without one a server starts empty and overwrites the base",
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ManifestError { line, offset, .. } = self;
        write!(f, "line {line}, offset {offset}: expected {}", self.rule.words().1)
    }
}

impl std::error::Error for ManifestError {}

/// A manifest that a server accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its lines in their order.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Reads a manifest, or says what a server refuses it for.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let (manifest, errors) = read(bytes);
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(manifest),
        }
    }

    /// The parts that a server loads, in its order: the base wherever it stands, then increments.
    pub fn loaded(&self) -> impl Iterator<Item = &Entry> {
        let of = |wanted| self.entries.iter().filter(move |e| e.part_type == wanted);
        of(PartType::Base).take(1).chain(of(PartType::Incr))
    }

    /// The parts that are no longer loaded.
    pub fn history(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.part_type == PartType::History)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

/// Whether bytes are those of a manifest: behind comments, the first word is `file`.
pub fn looks_like_manifest(bytes: &[u8]) -> bool {
    let first = bytes.split(|&b| b == b'\n').find(|line| !line.starts_with(b"#"));
    first.is_some_and(|line| {
        let line = line.trim_ascii_start();
        line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"file"))
            && line.get(4).is_some_and(u8::is_ascii_whitespace)
    })
}

/// Reads what can be understood of a manifest, and everything that a server would refuse, the
/// first of which it names in its log.
pub fn read(bytes: &[u8]) -> (Manifest, Vec<ManifestError>) {
    let (mut manifest, mut errors) = (Manifest::default(), Vec::new());
    let mut rest = bytes;
    let (mut number, mut has_base, mut last_incr) = (0, false, 0);
    while !rest.is_empty() {
        let offset = (bytes.len() - rest.len()) as u64;
        let window = rest.get(..LINE_MAX_BYTES).unwrap_or(rest);
        let length = window.iter().position(|&b| b == b'\n').map_or(window.len(), |at| at + 1);
        let (line, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = behind;
        number += 1;
        if line.starts_with(b"#") {
            continue;
        }
        let judged = self::line(line).and_then(|entry| {
            match entry.part_type {
                PartType::Base if has_base => return Err(ManifestRule::SecondBase),
                PartType::Base => has_base = true,
                PartType::Incr if entry.seq <= last_incr => return Err(ManifestRule::Order),
                PartType::Incr => last_incr = entry.seq,
                PartType::History => {}
            }
            Ok(entry)
        });
        match judged {
            Ok(entry) => manifest.entries.push(entry),
            Err(rule) => {
                let text = line.trim_ascii_end();
                let text = text.get(..200).unwrap_or(text).to_vec();
                errors.push(ManifestError { line: number, offset, rule, text });
            }
        }
    }
    if number == 0 {
        let rule = ManifestRule::Empty;
        errors.push(ManifestError { line: 0, offset: 0, rule, text: Vec::new() });
    }
    (manifest, errors)
}

fn line(line: &[u8]) -> Result<Entry, ManifestRule> {
    let text = line.strip_suffix(b"\n").filter(|t| !t.contains(&0)).ok_or(ManifestRule::Line)?;
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(ManifestRule::Blank);
    }
    let words = split_words(text).ok_or(ManifestRule::Quotes)?;
    if words.len() < 6 || words.len() % 2 != 0 {
        return Err(ManifestRule::Pairs);
    }
    let (mut name, mut seq, mut letter) = (None, 0, None);
    let (mut start_offset, mut end_offset) = (None, None);
    for pair in words.chunks_exact(2) {
        let [key, value] = pair else { continue };
        let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
        if is("file") {
            if value.iter().any(|b| b"/\\".contains(b)) {
                return Err(ManifestRule::Path);
            }
            name = Some(value.clone());
        } else if is("seq") {
            seq = integer(value);
        } else if is("type") {
            letter = value.first().copied();
        } else if is("startoffset") {
            start_offset = Some(integer(value));
        } else if is("endoffset") {
            end_offset = Some(integer(value));
        }
    }
    let (Some(name), Some(letter), true) = (name, letter, seq != 0) else {
        return Err(ManifestRule::Incomplete);
    };
    let part_type = match letter {
        b'b' => PartType::Base,
        b'h' => PartType::History,
        b'i' => PartType::Incr,
        _ => return Err(ManifestRule::Type),
    };
    Ok(Entry { name, seq, part_type, start_offset, end_offset })
}

/// atoll: the integer that the text begins with, 0 if it does not.
fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0_i64, |n, b| n.saturating_mul(10).saturating_add(sign * i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::{Entry, Manifest, ManifestRule, PartType, looks_like_manifest, read};

    #[test]
    fn what_servers_write_is_read_and_written_again() {
        for text in [
            "file appendonly.aof.2.base.rdb seq 2 type b\n",
            "file dump.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type h\n",
            "file appendonly.aof.4.incr.aof seq 4 type i startoffset 123456\n",
            "file a seq 2 type i startoffset 2 endoffset 3\n",
            "file \"my aof.aof.1.incr.aof\" seq 1 type i\n",
            "file \"a\\xc3\\xbf \\\"b.aof\" seq 1 type i\n",
            "file \"\\n\\r\\t\\a\\b'\" seq 1 type i\n",
        ] {
            let manifest = Manifest::parse(text.as_bytes()).expect("a manifest");
            assert_eq!(manifest.to_string(), text);
            assert!(looks_like_manifest(text.as_bytes()));
        }
    }

    #[test]
    fn keys_go_in_any_case_and_order() {
        let want = entry("a", 7, PartType::Incr);
        check("type incremental seq 7 file a\n", slice::from_ref(&want));
        check("FILE a Seq 7 TYPE i\n", slice::from_ref(&want));
        check("file a seq 7 type i color red\n", slice::from_ref(&want));
        check("\t file a   seq\t7x type i \r\n", slice::from_ref(&want));
        check("#comment\nfile a seq 7 type i\n#", slice::from_ref(&want));
    }

    #[test]
    fn names_are_split_as_servers_do() {
        for (text, name) in [
            ("'a b'", "a b"),
            ("'a\\'b\\n'", "a'b\\n"),
            ("\"a\\x41\\x4\\q\\n\"", "aAx4q\n"),
            ("a\"b c\"", "ab c"),
        ] {
            let line = format!("file {text} seq 1 type i\n");
            if name.contains('\\') {
                refuse(&line, ManifestRule::Path);
            } else {
                check(&line, &[entry(name, 1, PartType::Incr)]);
            }
        }
    }

    #[test]
    fn what_servers_refuse_is_refused() {
        refuse("", ManifestRule::Empty);
        refuse("file a seq 1 type i", ManifestRule::Line);
        refuse("file a seq 1\0 type i\n", ManifestRule::Line);
        refuse(&format!("file {} seq 1 type i\n", "a".repeat(1010)), ManifestRule::Line);
        refuse("file a seq 1 type i\n\n", ManifestRule::Blank);
        refuse(" \t\r\n", ManifestRule::Blank);
        refuse("file \"a seq 1 type i\n", ManifestRule::Quotes);
        refuse("file 'a seq 1 type i\n", ManifestRule::Quotes);
        refuse("file \"a\"b seq 1 type i\n", ManifestRule::Quotes);
        refuse("file a seq 1\n", ManifestRule::Pairs);
        refuse("file a seq 1 type i x\n", ManifestRule::Pairs);
        refuse("file a seq 0 type i\n", ManifestRule::Incomplete);
        refuse("file a seq x type i\n", ManifestRule::Incomplete);
        refuse("file a seq 1 type \"\"\n", ManifestRule::Incomplete);
        refuse("name a seq 1 type i\n", ManifestRule::Incomplete);
        refuse("file a/b seq 1 type i\n", ManifestRule::Path);
        refuse("file \"a\\\\b\" seq 1 type i\n", ManifestRule::Path);
        refuse("file a seq 1 type x\n", ManifestRule::Type);
        refuse("file a seq 1 type B\n", ManifestRule::Type);
        refuse("file a seq 1 type b\nfile b seq 2 type b\n", ManifestRule::SecondBase);
        refuse("file a seq 2 type i\nfile b seq 2 type i\n", ManifestRule::Order);
        refuse("file a seq -2 type i\n", ManifestRule::Order);
    }

    #[test]
    fn gaps_and_late_bases_are_fine() {
        let text = "file i2 seq 2 type i\nfile h seq 9 type h\nfile i9 seq 9 type i\nfile b seq 4 type b\n";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let loaded: Vec<_> = manifest.loaded().map(|e| e.name.as_slice()).collect();
        assert_eq!(loaded, [&b"b"[..], b"i2", b"i9"]);
        assert_eq!(manifest.history().count(), 1);
    }

    #[test]
    fn lines_of_up_to_1024_bytes_fit() {
        let line = |n: usize| format!("file {} seq 1 type i\n", "a".repeat(n - 19));
        assert_eq!(line(1024).len(), 1024);
        assert!(Manifest::parse(line(1024).as_bytes()).is_ok());
        refuse(&line(1025), ManifestRule::Line);
    }

    #[test]
    fn all_that_is_wrong_is_found_and_the_rest_is_read() {
        let (manifest, errors) = read(b"\nfile a seq 1 type i\nfile b seq 1 type i\nfile c seq 2");
        assert_eq!(manifest.entries, [entry("a", 1, PartType::Incr)]);
        let errors: Vec<_> = errors.iter().map(|e| (e.line, e.offset, e.rule)).collect();
        assert_eq!(
            errors,
            [
                (1, 0, ManifestRule::Blank),
                (3, 21, ManifestRule::Order),
                (4, 41, ManifestRule::Line)
            ]
        );
    }

    #[test]
    fn other_files_do_not_look_like_manifests() {
        for other in ["", "*1\r\n", "REDIS0011", "#TS:1\r\n*1\r\n", "files a", "file"] {
            assert!(!looks_like_manifest(other.as_bytes()), "{other}");
        }
        assert!(looks_like_manifest(b"#x\nFILE a"));
    }

    fn entry(name: &str, seq: i64, part_type: PartType) -> Entry {
        let (start_offset, end_offset) = (None, None);
        Entry { name: name.into(), seq, part_type, start_offset, end_offset }
    }

    #[track_caller]
    fn check(text: &str, want: &[Entry]) {
        assert_eq!(Manifest::parse(text.as_bytes()).expect("a manifest").entries, want);
    }

    #[track_caller]
    fn refuse(text: &str, rule: ManifestRule) {
        let error = Manifest::parse(text.as_bytes()).expect_err("a refusal");
        assert_eq!(error.rule, rule, "{text:?}");
    }
}
