//! What the fuzz targets hold of any bytes. Each is a function that panics where it does not hold.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    reason = "a panic is how a target speaks"
)]

#[path = "../../tests/support/looks.rs"]
mod looks;
#[path = "run.rs"]
pub mod run;

use std::ops::ControlFlow;

use looks::{Pieces, in_pieces, looks_at_frames};
use rdbkit::Result;
use rdbkit::aof::{
    LogStats, Manifest, Place, ScanOptions, check_input, check_slice, manifest, scan,
};
use rdbkit::digest::{Accumulator, Options, full};
use rdbkit::ops::check::{CheckOptions, SourceReport, check_source};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::{Dump, Entry, Record, Scratch, Snapshot};
use rdbkit::report::json;
use rdbkit::source::{Form, OpenOptions, Source, Window, WindowOptions, open_bytes, open_reader};

/// Larger inputs say nothing that smaller ones do not, and single bytes cost their square.
const MOST_BYTES: usize = 16 << 10;

/// A snapshot: checked at both depths and by any number of threads, and decoded in every way.
pub fn snapshot(bytes: &[u8]) {
    let deep = check(bytes, Form::Rdb, false, 1);
    let threads = check(bytes, Form::Rdb, false, 3);
    assert_eq!(format!("{deep:?}"), format!("{threads:?}"), "threads");
    let quick = check(bytes, Form::Rdb, true, 1);
    assert!(quick.is_sound() || !deep.is_sound(), "the quick check sees more than the deep one");
    let decoded = decode_snapshot(bytes);
    assert!(decoded || !deep.is_sound(), "passes the check, but cannot be decoded");
}

/// A log: the same outcome, findings and statistics however it is cut.
pub fn log(bytes: &[u8]) {
    let one = ScanOptions::default();
    let (outcome, stats) = scan(bytes, 0, &one, LogStats::at_start(), &|_| {}).unwrap();
    for piece_bytes in [7, 64] {
        let three = ScanOptions { threads: 3, piece_bytes, ..one.clone() };
        let got = scan(bytes, 0, &three, LogStats::at_start(), &|_| {}).unwrap();
        assert!(got.0 == outcome && got.1 == stats, "pieces of {piece_bytes}");
    }
    let want = check_slice(bytes, 0, Place::Last, &one, &|_| {}).unwrap();
    // A scan alone does not know which commands there are.
    let mut known = outcome.clone();
    known.good_up_to = known.good_up_to.min(want.outcome.good_up_to);
    assert_eq!(want.outcome, known, "with the names");
    let three = ScanOptions { threads: 3, piece_bytes: 64, ..one.clone() };
    let got = check_slice(bytes, 0, Place::Last, &three, &|_| {}).unwrap();
    assert_eq!(got, want, "names in pieces");
    let reader = Box::new(Pieces::single(bytes.to_vec()));
    let start_bytes = if bytes.len() <= 1 << 10 { 1 } else { 256 };
    let options = WindowOptions { start_bytes, doubling: false, ..WindowOptions::default() };
    let mut window = Window::new(reader, "log", options);
    let got = check_input(&mut window, Place::Last, one.kept_per_kind, &|_| {}).unwrap();
    assert_eq!(got, want, "through a window");
}

/// Bytes as JSON: the quick way writes what the plain one does, wherever its input begins and ends.
pub fn text(bytes: &[u8]) {
    let mut quick = Vec::new();
    for cut in [0, 1, 7, 16, 31, 32] {
        let ends =
            [bytes.get(cut..), bytes.len().checked_sub(cut).and_then(|len| bytes.get(..len))];
        for part in ends.into_iter().flatten() {
            quick.clear();
            json::push_bytes(&mut quick, part);
            assert_eq!(quick, serde_json::to_vec(&json::Bytes(part)).unwrap());
        }
    }
}

/// A manifest: what one reader refuses, the other says why.
pub fn manifest(bytes: &[u8]) {
    let (read, errors) = manifest::read(bytes);
    match Manifest::parse(bytes) {
        Ok(parsed) => assert!(errors.is_empty() && parsed == read),
        Err(error) => assert_eq!(errors.first(), Some(&error)),
    }
    for error in &errors {
        assert!(error.offset <= bytes.len() as u64, "{error}");
    }
    let _ = manifest::looks_like_manifest(bytes);
}

/// A DUMP payload: checked and decoded.
pub fn payload(bytes: &[u8]) {
    let report = check(bytes, Form::Dump, false, 1);
    let decoded = Dump::parse(bytes).is_ok_and(|dump| decode(&dump.entry, &mut Decoder::new()));
    assert!(decoded || !report.is_sound(), "passes the check, but cannot be decoded");
}

/// Any file, in pieces: three bytes that say how, then its content.
pub fn arrival(bytes: &[u8]) {
    let Some(([seed, form, window], bytes)) = bytes.split_first_chunk::<3>() else { return };
    if bytes.len() > MOST_BYTES {
        return;
    }
    let forms = [None, Some(Form::Rdb), Some(Form::Aof), Some(Form::Dump)];
    let from = forms.get(usize::from(*form) % forms.len()).copied().flatten();
    let spill_bytes = [1, 24, 300, 32 << 20][usize::from(*window) % 4];
    let options = OpenOptions { from, ..OpenOptions::default() };
    let whole = || open_bytes("x", bytes.to_vec(), &options);
    let pieces = || -> Result<Source> {
        let source = whole()?;
        if source.compression.is_some() {
            return open_reader("x", Box::new(Pieces::single(bytes.to_vec())), &options);
        }
        in_pieces(source, bytes.to_vec(), u64::from(*seed), spill_bytes)
    };
    let want = looks_at_frames(1, &options, &whole);
    for ((verb, got), (_, want)) in looks_at_frames(1, &options, &pieces).iter().zip(&want) {
        assert!(got == want, "{verb}\n--- in pieces\n{got}\n--- whole\n{want}");
    }
}

fn check(bytes: &[u8], from: Form, quick: bool, threads: usize) -> SourceReport {
    let options = CheckOptions { quick, threads, ignore_checksum: true, ..CheckOptions::default() };
    let open = OpenOptions { from: Some(from), ..OpenOptions::default() };
    let report = open_bytes("x", bytes.to_vec(), &open)
        .and_then(|source| check_source(source, &options, &Silent));
    report.unwrap_or_else(|error| {
        let finding = rdbkit::finding::Finding {
            severity: rdbkit::finding::Severity::Error,
            code: "unreadable",
            file: String::new(),
            offset: None,
            db: None,
            key: None,
            doing: String::new(),
            expected: String::new(),
            found: error.to_string(),
            server: "",
            advice: "",
        };
        SourceReport { findings: vec![finding], ..SourceReport::default() }
    })
}

/// Whether all of a snapshot can be read.
fn decode_snapshot(bytes: &[u8]) -> bool {
    let Ok(snapshot) = Snapshot::new(bytes) else { return false };
    let mut decoder = Decoder::new();
    let mut whole = true;
    for record in snapshot.records() {
        match record {
            Ok(Record::Entry(entry)) => whole &= decode(&entry, &mut decoder),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    whole
}

struct Decoder {
    scratch: Scratch,
    digest: Accumulator,
}

impl Decoder {
    fn new() -> Self {
        let options = Options { max_array_holes: 1000, ..Options::default() };
        Decoder { scratch: Scratch::default(), digest: Accumulator::new(&options) }
    }
}

/// Looks at a value in every way; whether all of it could be read.
fn decode(entry: &Entry<'_>, decoder: &mut Decoder) -> bool {
    let Decoder { scratch, digest } = decoder;
    let shaped = entry.shape().is_ok();
    let visited = entry.visit(scratch, |_| ControlFlow::Continue(())).is_ok();
    let _ = digest.add(entry, scratch);
    let _ = full::value_digest(entry, scratch);
    shaped && visited
}
