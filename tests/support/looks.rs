//! All that the verbs say of one source, as text: what must not depend on how its bytes arrive.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of this")]

use rdbkit::Result;
use rdbkit::ops::check::{CheckOptions, CheckReport, check_source};
use rdbkit::ops::digest::{DigestOptions, digest};
use rdbkit::ops::inspect::{InspectOptions, inspect};
use rdbkit::ops::keys::{KeysOptions, keys};
use rdbkit::ops::walk::{Silent, WalkOptions};
use rdbkit::report::check::write_json;
use rdbkit::report::keys::RowFormat;
use rdbkit::source::{OpenOptions, Source};

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
    let check = CheckOptions { threads, open: open.clone(), ..CheckOptions::default() };
    let quick = CheckOptions { quick: true, ..check.clone() };
    let few = CheckOptions { max_findings: 1, ignore_checksum: true, ..check.clone() };
    let walk = WalkOptions { threads, ..WalkOptions::default() };
    let plain = DigestOptions { walk, open: open.clone(), ..DigestOptions::default() };
    let full = DigestOptions { full: true, ..plain.clone() };
    vec![
        ("check", checked(source, &check)),
        ("check --quick", checked(source, &quick)),
        ("check --max-findings 1", checked(source, &few)),
        ("inspect", inspected(source, threads, open)),
        ("keys", listed(source, walk, open)),
        ("digest", digested(source, &plain)),
        ("digest --full", digested(source, &full)),
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
    let options = InspectOptions { top: 5, now_ms: NOW_MS, threads, open: open.clone() };
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
