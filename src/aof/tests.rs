//! The whole room: every way a log can arrive or be damaged, and what real servers said.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::check::{LogCheck, Place, check_input, check_slice, whole};
use super::directory::{Part, survey};
use super::scan::{ScanOptions, scan};
use super::stats::LogStats;
use super::walk::{HELD_BYTES, LogOutcome, Walk};
use crate::Result;
use crate::bytes::{Input, SliceInput};
use crate::finding::Severity;
use crate::resp::encode;

/// Commands in the wire form, from lines of words.
fn log(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        encode::command(&mut out, line.split(' ').collect::<Vec<_>>());
    }
    out
}

const HEAD: &str = "SELECT 0\nSET a 1\n";
const TAIL: &str = "SET z 1\n";

/// Bytes that arrive in pieces.
struct Pieces<'a> {
    bytes: &'a [u8],
    from: usize,
    to: usize,
    /// The size of the next piece, out of the last one.
    next: Next,
    size: usize,
}

type Next = fn(usize) -> usize;

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8], size: usize, next: Next) -> Self {
        Pieces { bytes, from: 0, to: 0, next, size }
    }
}

impl Input for Pieces<'_> {
    fn buffer(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    fn consume(&mut self, n: usize) {
        self.from += n.min(self.to - self.from);
    }

    fn more(&mut self) -> Result<bool> {
        if self.to == self.bytes.len() {
            return Ok(false);
        }
        self.to = (self.to + self.size).min(self.bytes.len());
        self.size = (self.next)(self.size);
        Ok(true)
    }

    fn position(&self) -> u64 {
        self.from as u64
    }
}

fn sequential(bytes: &[u8]) -> LogCheck {
    check_slice(bytes, 0, Place::Last, &ScanOptions::default(), &|_| {}).unwrap()
}

/// Every way to look at the same bytes gives the same answer.
#[track_caller]
fn check_arrival(bytes: &[u8]) -> LogCheck {
    let want = sequential(bytes);
    let pieces: [(usize, Next); 3] =
        [(1, |_| 1), (3, |last| (last * 7 + 5) % 31 + 1), (64, |_| 64)];
    for (size, next) in pieces {
        let mut input = Pieces::new(bytes, size, next);
        assert_eq!(
            check_input(&mut input, Place::Last, 100, &|_| {}).unwrap(),
            want,
            "pieces of {size}"
        );
    }
    let tallied = scan(bytes, 0, &ScanOptions::default(), LogStats::at_start(), &|_| {}).unwrap();
    // A scan does not know which commands there are.
    let good_up_to = tallied.0.good_up_to.min(want.outcome.good_up_to);
    assert_eq!(LogOutcome { good_up_to, ..tallied.0.clone() }, want.outcome);
    for piece_bytes in [1, 19, 64] {
        let options = ScanOptions { threads: 2, piece_bytes, ..ScanOptions::default() };
        let got = scan(bytes, 0, &options, LogStats::at_start(), &|_| {}).unwrap();
        assert_eq!(got, tallied, "scanned in pieces of {piece_bytes}");
    }
    want
}

/// Checks a log: the findings by severity and code, the offset of each, and where the good ends.
#[track_caller]
fn check(bytes: &[u8], good_up_to: u64, want: &[(Severity, &str, u64)]) {
    let got = check_arrival(bytes);
    let findings: Vec<_> =
        got.findings.iter().map(|f| (f.severity, f.code, f.offset.unwrap())).collect();
    assert_eq!(findings, want);
    assert_eq!(got.outcome.good_up_to, good_up_to, "good up to");
    assert_eq!(got.outcome.ends_at, bytes.len() as u64);
    assert!(got.findings.iter().all(|f| !f.server.is_empty() && !f.expected.is_empty()));
}

use Severity::{Error, Info, Warning};

#[test]
fn sound_logs_have_no_findings() {
    for text in
        ["", HEAD, "set a 1\nmulti\nset b 2\nexec\n", "MULTI\nEXEC\nSET\nGET a\nSELECT 5000\n"]
    {
        let bytes = log(text);
        check(&bytes, bytes.len() as u64, &[]);
    }
    let commented = [b"#TS:5\r\n", &log(HEAD)[..], b"#x\n#TS:5\r\n", &log(TAIL)].concat();
    check(&commented, commented.len() as u64, &[]);
    assert_eq!(sequential(&commented).outcome.counts.annotations, 3);
}

#[test]
fn quirks_are_read_on() {
    for (middle, want) in [
        ("* 3\r\n$3\r\nSET\r\n$1\r\nq\r\n$1\r\nv\r\n", (Warning, "loose-header", 50)),
        ("*3\r\n$03\r\nSET\r\n$1\r\nq\r\n$1\r\nv\r\n", (Warning, "loose-header", 54)),
        ("*3x\r\n$3\r\nSET\r\n$1\r\nq\r\n$1\r\nv\r\n", (Error, "header-stray-bytes", 50)),
        ("*4294967299\r\n$3\r\nSET\r\n$1\r\nq\r\n$1\r\nv\r\n", (Error, "header-stray-bytes", 50)),
        ("*3\n$3\nSET\r\n$1\nq\r\n$1\nv\r\n", (Error, "header-line-feed", 50)),
        ("*3\r\n$3\r\nSET\r\n$1\r\nqXX$1\r\nv\r\n", (Error, "argument-end", 68)),
    ] {
        let bytes = [&log(HEAD)[..], middle.as_bytes(), &log(TAIL)].concat();
        let good = if want.0 == Error { 50 } else { bytes.len() as u64 };
        check(&bytes, good, &[want]);
        assert_eq!(sequential(&bytes).outcome.counts.commands, 4, "{middle:?}");
    }
}

#[test]
fn damage_is_stepped_over() {
    for (middle, code, at) in [
        ("\0\0\0\0", "command-start", 50),
        ("SET inline 1\r\n", "command-start", 50),
        ("\r\n", "command-start", 50),
        ("*0\r\n", "command-count", 50),
        ("*-1\r\n", "command-count", 50),
        ("*\r\n", "command-count", 50),
        ("*2\r\n$3\r\nGET\r\n$-5\r\na\r\n", "argument-length", 63),
        ("*2\r\n$3\r\nGET\r\nq\r\n", "argument-start", 63),
        ("*2\r\n$3\r\nGET\r\n$x\r\na\r\n", "command-start", 69),
    ] {
        let bytes = [&log(HEAD)[..], middle.as_bytes(), &log(TAIL)].concat();
        let got = check_arrival(&bytes);
        let found = &got.findings.last().unwrap();
        assert_eq!((found.code, found.offset), (code, Some(at)), "{middle:?}");
        assert!(found.found.contains("commands begin again"), "{}", found.found);
        assert_eq!(got.outcome.good_up_to, 50);
        assert!(!got.is_sound());
    }
    let long = [&log(HEAD)[..], b"#", &[b'x'; 1100], b"\r\n", &log(TAIL)].concat();
    check(&long, 50, &[(Error, "annotation-length", 50)]);
}

#[test]
fn zero_bytes_at_the_end_are_told_apart() {
    let bytes = [&log(HEAD)[..], &[0; 300]].concat();
    check(&bytes, 50, &[(Error, "command-start", 50)]);
    assert!(sequential(&bytes).findings[0].found.contains("nothing but zero bytes"));
    let bytes = [&log(HEAD)[..], &[0; 300], b"x"].concat();
    assert!(!sequential(&bytes).findings[0].found.contains("nothing but zero bytes"));
}

#[test]
fn a_log_that_is_cut_ends_with_its_last_command() {
    let bytes = log(&format!("{HEAD}SET tail value\n"));
    for cut in 51..bytes.len() {
        let got = check_arrival(&bytes[..cut]);
        let codes: Vec<_> = got.findings.iter().map(|f| f.code).collect();
        assert_eq!((codes, got.outcome.good_up_to), (vec!["truncated"], 50), "cut at {cut}");
    }
}

#[test]
fn a_length_that_swallows_the_rest_does_not_hide_it() {
    let lie = "*3\r\n$3\r\nSET\r\n$1\r\nq\r\n$99999\r\nv\r\n";
    let bytes = [&log(HEAD)[..], lie.as_bytes(), &log(TAIL).repeat(20)].concat();
    check(&bytes, 50, &[(Error, "truncated", 78)]);
    let got = sequential(&bytes);
    assert_eq!(got.outcome.counts.commands, 22);
    assert!(got.findings[0].found.contains("a command seems to begin"));
    assert!(got.findings[0].server.contains("whole commands too"));
}

#[test]
fn transactions_are_held_together() {
    let open = log(&format!("{HEAD}MULTI\nSET b 2\n"));
    check(&open, 50, &[(Error, "open-transaction", 50)]);
    assert!(sequential(&open).findings[0].server.contains("cuts the file at MULTI"));

    let cut = [&open[..], b"*3\r\n$3\r\nSE"].concat();
    let end = open.len() as u64;
    check(&cut, 50, &[(Error, "truncated", end + 8), (Error, "open-transaction", 50)]);
    assert!(sequential(&cut).findings[1].server.contains("leaves MULTI open"));

    let nested = log(&format!("{HEAD}MULTI\nMULTI\nSET z 1\nEXEC\n"));
    check(&nested, 50, &[(Error, "nested-multi", 65)]);
    let lone = log(&format!("{HEAD}EXEC\n{TAIL}"));
    check(&lone, 50, &[(Error, "exec-without-multi", 50)]);
    let lone = log(&format!("{HEAD}DISCARD\n{TAIL}"));
    check(&lone, lone.len() as u64, &[(Warning, "discard-without-multi", 50)]);
    let discard = log(&format!("{HEAD}MULTI\nDISCARD\nEXEC\n"));
    check(&discard, 50, &[(Error, "discard-in-transaction", 65)]);
    let open = log(&format!("{HEAD}MULTI\nDISCARD\n"));
    let want = [(Error, "discard-in-transaction", 65), (Error, "open-transaction", 50)];
    check(&open, 50, &want);
    let words = log(&format!("{HEAD}MULTI x\nSET b 2\nEXEC y\n"));
    let want = [(Error, "transaction-arguments", 50), (Error, "transaction-arguments", 99)];
    check(&words, 50, &want);
}

/// Redis 6.2, 7.0 and 8.10 and Valkey 9.1 answer each of these with an error, and go on.
#[test]
fn a_select_of_no_database_is_found() {
    for select in ["SELECT q", "select 01", "SELECT -1", "SELECT 3000000000"] {
        let bytes = log(&format!("{HEAD}{select}\n{TAIL}"));
        check(&bytes, 50, &[(Error, "select-argument", 50)]);
    }
    let inside = log(&format!("{HEAD}MULTI\nSELECT x\nEXEC\n{TAIL}"));
    check(&inside, 50, &[(Error, "select-argument", 65)]);
}

#[test]
fn transactions_are_counted() {
    let bytes = log("MULTI\nSET a 1\nEXEC\nSET b 1\nMULTI\nSET c 1\nSET d 1\nEXEC\nMULTI\nEXEC\n");
    let counts = check_arrival(&bytes).outcome.counts;
    assert_eq!((counts.commands, counts.transactions, counts.in_transactions), (10, 3, 3));
    let largest = counts.largest_transaction.unwrap();
    assert_eq!(largest.commands, 2);
    assert!(
        bytes[largest.offset as usize..]
            .starts_with(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nc")
    );
}

#[test]
fn a_transaction_may_not_span_files() {
    let bytes = log("MULTI\nSET a 1\n");
    let got = check_slice(&bytes, 0, Place::Earlier, &ScanOptions::default(), &|_| {}).unwrap();
    assert_eq!(got.findings[0].code, "open-transaction");
    assert!(got.findings[0].server.contains("may not span files"));
    let cut =
        check_slice(&bytes[..5], 0, Place::Earlier, &ScanOptions::default(), &|_| {}).unwrap();
    assert!(cut.findings[0].server.contains("a second start succeeds"));
}

#[test]
fn annotations_have_rules_too() {
    let with = |text: &str| [&log(HEAD)[..], text.as_bytes()].concat();
    let bad = with("#TS:abc\r\n");
    check(&bad, bad.len() as u64, &[(Warning, "annotation-timestamp", 50)]);
    let back = with("#TS:9\r\n#TS:8\r\n#TS:8\r\n");
    check(&back, back.len() as u64, &[(Info, "annotation-order", 57)]);
    // Loads today; the next write is glued to it (seen with Redis 7.0.15 and 8.10.2).
    check(&with("#TS:12"), 50, &[(Error, "unended-annotation", 50)]);
}

#[test]
fn floods_are_counted_and_not_listed() {
    let bytes = b"* 1\r\n$3\r\nSET\r\n".repeat(500);
    let got = check_arrival(&bytes);
    assert_eq!((got.findings.len(), got.unlisted), (100, 400));
    let bytes = log("EXEC\n").repeat(300);
    let got = check_arrival(&bytes);
    assert_eq!((got.findings.len(), got.unlisted), (100, 200));
}

#[test]
fn parts_add_up() {
    let parts: Vec<_> = [log(HEAD), log("MULTI\nSET a 1\n"), log(TAIL)]
        .iter()
        .map(|b| sequential(b).outcome)
        .collect();
    let sum = whole(&parts);
    assert_eq!(sum.good_up_to, Some((1, 0)));
    assert_eq!((sum.good_bytes, sum.size_bytes, sum.counts.commands), (50, 50 + 42 + 27, 5));
    assert_eq!(whole(&parts[..1]).good_up_to, Some((0, 50)));
}

#[test]
fn a_log_behind_a_preamble_keeps_its_offsets() {
    let bytes = [b"REDIS....", &log(HEAD)[..], b"*"].concat();
    let got = check_slice(&bytes, 9, Place::Last, &ScanOptions::default(), &|_| {}).unwrap();
    assert_eq!((got.outcome.good_up_to, got.findings[0].offset), (59, Some(59)));
    let none = check_slice(b"REDIS....", 9, Place::Last, &ScanOptions::default(), &|_| {}).unwrap();
    assert_eq!((none.outcome.good_up_to, none.is_sound()), (9, true));
}

#[test]
fn every_cut_and_every_flip_gets_an_answer() {
    let mut bytes = log(&format!("{HEAD}MULTI\nHSET h f v\nEXEC\n{TAIL}"));
    bytes.splice(0..0, *b"#TS:1700000000\r\n");
    for cut in 0..bytes.len() {
        check_arrival(&bytes[..cut]);
    }
    for at in 0..bytes.len() {
        for mask in [0x01, 0x08, 0x20, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            let got = check_arrival(&flipped);
            assert!(got.outcome.good_up_to <= bytes.len() as u64);
        }
    }
}

#[test]
fn text_of_a_log_inside_values_fools_nobody() {
    let inner = log("MULTI\nSET evil 1\nEXEC\nEXEC\n");
    let mut bytes = log(HEAD);
    for _ in 0..40 {
        encode::command(&mut bytes, [&b"SET"[..], b"k", &inner]);
    }
    check(&bytes, bytes.len() as u64, &[]);
    assert_eq!(sequential(&bytes).outcome.counts.commands, 42);
}

#[test]
fn a_command_larger_than_the_window_is_walked_all_the_same() {
    let value = vec![b'v'; HELD_BYTES + 100];
    let mut bytes = log(HEAD);
    encode::command(&mut bytes, [&b"SET"[..], b"big", &value]);
    encode::command(&mut bytes, [&b"MSET"[..], &value[..HELD_BYTES - 9], b"1", b"b", b"2"]);
    bytes.extend(log(TAIL));
    let want = scan(&bytes, 0, &ScanOptions::default(), LogStats::at_start(), &|_| {}).unwrap();
    let mut walk = Walk::new(0, 100, LogStats::at_start());
    walk.run(&mut Pieces::new(&bytes, 1 << 20, |n| n), &|_| {}).unwrap();
    let got = walk.finish();
    assert_eq!(got.0, want.0);
    assert!(got.0.incidents.is_empty());
    assert_eq!(got.1.names(), want.1.names());
    assert_eq!(got.1.biggest(), want.1.biggest());

    // Cut inside, and with a broken argument behind the large one.
    let cut = &bytes[..bytes.len() - 60];
    let mut input = Pieces::new(cut, 1 << 20, |n| n);
    let got = check_input(&mut input, Place::Last, 100, &|_| {}).unwrap();
    assert_eq!(got.findings[0].code, "truncated");
    assert_eq!(got.outcome, sequential(cut).outcome);
    let mut broken = bytes.clone();
    let at = 50 + HELD_BYTES + 200;
    broken[at..].iter_mut().filter(|b| **b == b'$').for_each(|b| *b = b'x');
    let mut input = Pieces::new(&broken, 1 << 20, |n| n);
    let got = check_input(&mut input, Place::Last, 100, &|_| {}).unwrap();
    assert_eq!(got.findings[0].code, "argument-start");
    assert_eq!(got.outcome.good_up_to, sequential(&broken).outcome.good_up_to);
}

/// A slice has nothing to widen, which must not look like a command too large to hold.
#[test]
fn a_large_slice_is_cut_where_it_is_cut() {
    let mut bytes = log(HEAD);
    bytes.extend(format!("*2\r\n$3\r\nGET\r\n${}\r\n", HELD_BYTES * 3).bytes());
    bytes.resize(HELD_BYTES * 2, b'v');
    bytes.extend(log(TAIL));
    let got = check_input(&mut SliceInput::new(&bytes), Place::Last, 100, &|_| {}).unwrap();
    assert_eq!(got.outcome.counts.commands, 3);
}

// What real servers and their check tools said about broken logs.

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("RDBKIT_CORPUS");
    if path.is_none() {
        eprintln!("SKIPPED: RDBKIT_CORPUS is not set");
    }
    path.map(|path| Path::new(&path).join("gen"))
}

/// Whether every server that knows multi-part logs loads it, with and without cutting.
fn loads(case: &Value) -> bool {
    let servers = case["servers"].as_object().unwrap();
    let servers = servers.iter().filter(|(name, _)| !name.starts_with("redis-6"));
    servers
        .flat_map(|(_, by_setting)| by_setting.as_object().unwrap().values())
        .all(|verdict| verdict["loads"] == true)
}

/// What the check tool printed: its exit status, and the last file with its good prefix.
fn tool(case: &Value) -> Option<(i64, Option<(String, u64)>)> {
    let verdict = case.get("check_aof")?.get("redis-8.10.2")?;
    let lines = verdict["last"].as_array().unwrap().iter().filter_map(Value::as_str);
    let mut lines = lines.rev().filter_map(|line| line.strip_prefix("AOF analyzed: filename="));
    let analyzed = lines.next();
    let good = analyzed.and_then(|line| {
        let (name, rest) = line.split_once(',')?;
        let number = rest.split_once("ok_up_to=")?.1.split_once(',')?.0;
        Some((name.to_owned(), number.parse().ok()?))
    });
    Some((verdict["exit"].as_i64()?, good))
}

#[test]
fn broken_logs_are_judged_as_servers_do() {
    let Some(corpus) = corpus() else { return };
    let index = std::fs::read(corpus.join("aof-broken/index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    let (mut files, mut directories) = (0, 0);
    for case in &index {
        if let Some(name) = case["file"].as_str() {
            judge_file(&corpus, name, case);
            files += 1;
        } else {
            judge_directory(&corpus, case["dir"].as_str().unwrap(), case);
            directories += 1;
        }
    }
    assert_eq!((files, directories), (23, 14), "cases");
}

fn judge_file(corpus: &Path, name: &str, case: &Value) {
    let bytes = std::fs::read(corpus.join(name)).unwrap();
    let begins_at = match bytes.starts_with(b"REDIS") {
        false => 0,
        true => match bytes.windows(14).position(|w| w == b"*2\r\n$6\r\nSELECT") {
            Some(at) => at as u64,
            // The snapshot is cut: the reader of snapshots says so.
            None => return,
        },
    };
    let got =
        check_slice(&bytes, begins_at, Place::Last, &ScanOptions::default(), &|_| {}).unwrap();
    let (exit, good) = tool(case).expect("a verdict of the tool");
    let fine = exit == 0 && loads(case);
    assert_eq!(got.is_sound(), fine, "{name}: {:?}", got.findings);
    if let Some((_, good)) = good {
        // The tool lets a command without arguments pass, which no server does.
        let is_zero = name.ends_with("zero-multibulk.aof");
        // Nor does it know which commands there are.
        let is_unknown = name.ends_with("unknown-command.aof");
        let good = if is_zero || is_unknown { 114 } else { good };
        assert_eq!(got.outcome.good_up_to, good, "{name}");
    }
    let text = case["servers"].to_string();
    if let Some((_, offset)) = text.split_once("Truncating the AOF appendonly.aof at offset ") {
        let offset = offset.split_once(' ').unwrap().0;
        assert_eq!(got.outcome.good_up_to.to_string(), offset, "{name}: where a server cuts");
    }
    if begins_at == 0 {
        check_arrival(&bytes);
    }
}

fn judge_directory(corpus: &Path, name: &str, case: &Value) {
    let directory = survey(&corpus.join(name)).unwrap();
    let last = directory.parts.len().saturating_sub(1);
    let check_part = |(index, part): (usize, &Part)| {
        let bytes = std::fs::read(&part.path).ok()?;
        let place = if index == last { Place::Last } else { Place::Earlier };
        let got = check_slice(&bytes, 0, place, &ScanOptions::default(), &|_| {}).unwrap();
        Some((part.name.clone(), got))
    };
    let checks: Vec<_> = directory.parts.iter().enumerate().filter_map(check_part).collect();
    let sound = checks.iter().all(|(_, check)| check.is_sound())
        && directory.findings.iter().all(|finding| finding.severity < Error);
    let fine = match tool(case) {
        Some((exit, good)) => {
            if let Some((file, good)) = good {
                let (_, check) = checks.iter().find(|(n, _)| n == file.as_bytes()).unwrap();
                assert_eq!(check.outcome.good_up_to, good, "{name}: {file}");
            }
            exit == 0 && loads(case)
        }
        // Servers start without a manifest, but empty.
        None => false,
    };
    assert_eq!(sound, fine, "{name}: {:?}", directory.findings);
}

/// The logs that real servers wrote.
#[test]
fn logs_of_real_servers_are_sound() {
    let Some(corpus) = corpus() else { return };
    let mut logs = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".aof") && path.is_file() || name.contains("aofdir") {
            let directory = survey(&path).unwrap();
            assert!(directory.findings.is_empty(), "{name}: {:?}", directory.findings);
            for part in &directory.parts {
                let bytes = std::fs::read(&part.path).unwrap();
                if !bytes.starts_with(b"REDIS") && !bytes.starts_with(b"VALKEY") {
                    let got = check_slice(&bytes, 0, Place::Last, &ScanOptions::default(), &|_| {})
                        .unwrap();
                    assert!(got.findings.is_empty(), "{name}: {:?}", got.findings);
                    logs += 1;
                }
            }
        }
    }
    assert!(logs >= 10, "{logs} logs");
}

/// Not command by command, never backwards, and at the end all of it.
#[test]
fn progress_goes_up_to_the_end() {
    let bytes = log(HEAD).repeat((5 << 20) / log(HEAD).len());
    type Hear<'a> = &'a dyn Fn(&dyn Fn(u64));
    let hear = |run: Hear<'_>| {
        let heard = std::cell::RefCell::new(Vec::new());
        run(&|at| heard.borrow_mut().push(at));
        let heard = heard.into_inner();
        assert!((4..100).contains(&heard.len()), "heard {} times", heard.len());
        assert!(heard.is_sorted(), "{heard:?}");
        assert_eq!(heard.last(), Some(&(bytes.len() as u64)));
    };
    for threads in [1, 3] {
        let options = ScanOptions { threads, piece_bytes: 1 << 20, ..ScanOptions::default() };
        hear(&|progress| drop(check_slice(&bytes, 0, Place::Last, &options, progress).unwrap()));
    }
    hear(&|progress| {
        let mut input = Pieces::new(&bytes, 64 << 10, |n| n);
        drop(check_input(&mut input, Place::Last, 100, progress).unwrap());
    });
}
