//! All that the verbs say of one source, as text: what must not depend on how its bytes arrive;
//! and ways for bytes to arrive.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of this")]

use std::io::{self, Read};

use rdbkit::Result;
use rdbkit::ops::check::{CheckOptions, CheckReport, check_source};
use rdbkit::ops::digest::{DigestOptions, digest};
use rdbkit::ops::filter::Filter;
use rdbkit::ops::inspect::{InspectOptions, inspect};
use rdbkit::ops::keys::{KeysOptions, keys};
use rdbkit::ops::walk::{Silent, WalkOptions};
use rdbkit::report::check::write_json;
use rdbkit::report::keys::RowFormat;
use rdbkit::source::{Feed, OpenOptions, Progress, Source, Window, WindowOptions};

/// A moment behind some expiry times of the fixtures and before others.
const NOW_MS: i64 = 1_800_000_000_000;

/// What each verb says, in a fixed order; an error says its sentence.
///
/// `open` is for the parts of a directory. What a source takes on disk and how it is compressed
/// are left out: they are facts of the arrival.
pub fn looks(
    threads: usize,
    open: &OpenOptions,
    source: &dyn Fn() -> Result<Source>,
) -> Vec<(&'static str, String)> {
    let walk = WalkOptions { threads, now_ms: Some(1_700_000_000_000), ..WalkOptions::default() };
    let plain = DigestOptions { walk, open: open.clone(), ..DigestOptions::default() };
    let full = DigestOptions { full: true, ..plain.clone() };
    let mut said = looks_at_frames(threads, open, source);
    said.push(("digest", digested(source, &plain)));
    said.push(("digest --full", digested(source, &full)));
    said
}

/// The same without digests, which an array with a huge index makes slow.
pub fn looks_at_frames(
    threads: usize,
    open: &OpenOptions,
    source: &dyn Fn() -> Result<Source>,
) -> Vec<(&'static str, String)> {
    let check = CheckOptions { threads, open: open.clone(), ..CheckOptions::default() };
    let quick = CheckOptions { quick: true, ..check.clone() };
    let few = CheckOptions { max_findings: 1, ignore_checksum: true, ..check.clone() };
    let walk = WalkOptions { threads, now_ms: Some(1_700_000_000_000), ..WalkOptions::default() };
    vec![
        ("check", checked(source, &check)),
        ("check --quick", checked(source, &quick)),
        ("check --max-findings 1", checked(source, &few)),
        ("inspect", inspected(source, threads, open)),
        ("keys", listed(source, walk, open)),
    ]
}

fn checked(source: &dyn Fn() -> Result<Source>, options: &CheckOptions) -> String {
    let report = source().and_then(|source| check_source(source, options, &Silent));
    text(report.and_then(|report| {
        let mut out = Vec::new();
        write_json(&mut out, &CheckReport { sources: vec![report] })?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }))
}

fn inspected(source: &dyn Fn() -> Result<Source>, threads: usize, open: &OpenOptions) -> String {
    let options = InspectOptions {
        filter: Filter::default(),
        top: 5,
        now_ms: NOW_MS,
        look: None,
        skip_unknown: false,
        threads,
        open: open.clone(),
    };
    let report = source().and_then(|source| {
        let of_one_file = source.feed.is_some();
        let mut report = inspect(source, &options, &Silent)?;
        report.compression = None;
        if of_one_file {
            report.size_bytes = None;
        }
        Ok(report)
    });
    text(report.map(|report| serde_json::to_string_pretty(&report).unwrap_or_default()))
}

fn listed(source: &dyn Fn() -> Result<Source>, walk: WalkOptions, open: &OpenOptions) -> String {
    let options = KeysOptions {
        format: RowFormat::JsonLines,
        now_ms: NOW_MS,
        walk,
        open: open.clone(),
        ..KeysOptions::default()
    };
    let mut rows = Vec::new();
    let ended = source().and_then(|source| keys(source, &options, &mut rows, &Silent));
    let ended = text(ended.map(|ended| format!("{ended:?}")));
    String::from_utf8_lossy(&rows).into_owned() + &ended
}

fn digested(source: &dyn Fn() -> Result<Source>, options: &DigestOptions) -> String {
    let report = source().and_then(|source| digest(source, options, &Silent));
    text(report.map(|report| format!("{report:?}")))
}

fn text(said: Result<String>) -> String {
    let sentence = match said {
        Ok(said) => return said,
        Err(error) => error.to_string(),
    };
    // The sentence about a stream says what it came under.
    ["gzip", "zstd", "lz4", "bzip2"]
        .iter()
        .fold(sentence, |sentence, name| sentence.replace(&format!(" (under {name})"), ""))
}

/// A source whose bytes come through a window that widens by as much as each read happens to
/// bring, and moves to a temporary file beyond `spill_bytes`.
pub fn in_pieces(source: Source, bytes: Vec<u8>, seed: u64, spill_bytes: usize) -> Result<Source> {
    let start_bytes = if spill_bytes > 8 << 10 { 1 << 20 } else { spill_bytes.min(16) };
    let options =
        WindowOptions { start_bytes, spill_bytes, doubling: false, spill_directory: None };
    let pieces = Pieces { bytes, at: 0, random: Some(Random(seed)) };
    let window = Window::new(Box::new(pieces), &source.name, options);
    let feed = Feed::of_window(window, Progress::of(None));
    Ok(Source { feed: Some(feed), size_bytes: None, ..source })
}

/// A reader that brings single bytes, or as many as chance wants.
pub struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    random: Option<Random>,
}

impl Pieces {
    pub fn single(bytes: Vec<u8>) -> Self {
        Pieces { bytes, at: 0, random: None }
    }
}

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let most = self.random.as_mut().map_or(1, Random::size);
        let n = most.min(rest.len()).min(room.len());
        room.iter_mut().zip(rest).take(n).for_each(|(to, from)| *to = *from);
        self.at += n;
        Ok(n)
    }
}

/// A linear congruential generator; the same seed, the same pieces.
struct Random(u64);

impl Random {
    /// Mostly a few bytes, now and then thousands.
    fn size(&mut self) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bits = self.0 >> 33;
        1 + (bits >> 4) as usize % (4 << (bits % 12))
    }
}
