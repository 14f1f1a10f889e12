//! Small files cut at every byte and with every byte changed: an answer, in bounded time and
//! memory, never a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unsafe_code,
    missing_docs,
    reason = "tests"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rdbkit::finding::Severity;
use rdbkit::ops::check::{CheckOptions, SourceReport, check_source};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::{Record, Scratch, Snapshot};
use rdbkit::source::{Form, OpenOptions, open_bytes};

/// Counts what is allocated, to hold the peak against the size of the input.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// Each call goes on to the system's allocator unchanged; only sizes are added up beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// LZF can make 88 bytes out of one, and tables for duplicates hold a few more for each.
const MULTIPLE: usize = 400;
/// Buffers and threads that are there whatever the input.
const BASE: usize = 16 << 20;
const LARGEST: u64 = 1500;

fn fixtures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("rdb" | "aof" | "dump") if path.metadata().unwrap().len() <= LARGEST => {
                    found.push(path)
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn look(name: &str, bytes: Vec<u8>, from: Option<Form>) -> Option<SourceReport> {
    let options = CheckOptions { threads: 1, ignore_checksum: true, ..CheckOptions::default() };
    let (before, size, started) = (NOW.load(Relaxed), bytes.len(), Instant::now());
    PEAK.store(before, Relaxed);
    let open = OpenOptions { from, ..OpenOptions::default() };
    let copy = bytes.clone();
    let report = open_bytes(name, bytes, &open)
        .and_then(|source| check_source(source, &options, &Silent))
        .ok();
    let decoded = from != Some(Form::Rdb) || decode(&copy);
    let (peak, took) = (PEAK.load(Relaxed).saturating_sub(before), started.elapsed());
    assert!(peak < BASE + size * MULTIPLE, "{name}: {peak} bytes of memory for {size}");
    assert!(took < Duration::from_secs(5), "{name}: {took:?} for {size} bytes");
    let sound = report.as_ref().is_some_and(SourceReport::is_sound);
    assert!(decoded || !sound, "{name}: passes the check, but cannot be decoded");
    report
}

/// Looks at every value by every way there is; whether all of it could be read.
fn decode(bytes: &[u8]) -> bool {
    let Ok(snapshot) = Snapshot::new(bytes) else { return false };
    let (mut scratch, mut whole) = (Scratch::default(), true);
    let mut digest = rdbkit::digest::Accumulator::new(&rdbkit::digest::Options {
        max_array_holes: 1000,
        ..Default::default()
    });
    for record in snapshot.records() {
        let Ok(record) = record else { return false };
        let Record::Entry(entry) = record else { continue };
        whole &= entry.shape().is_ok();
        whole &= entry.visit(&mut scratch, |_| ControlFlow::Continue(())).is_ok();
        let _ = digest.add(&entry, &mut scratch);
        let _ = rdbkit::digest::full::value_digest(&entry, &mut scratch);
    }
    whole
}

// One test: the allocator's count is that of the whole process.
#[test]
fn cut_and_changed_files_get_an_answer() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 20, "only {} fixtures", fixtures.len());
    let mut looked = 0;
    for path in &fixtures {
        let bytes = std::fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let form = match path.extension().and_then(|ending| ending.to_str()) {
            Some("dump") => Form::Dump,
            _ if bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY") => Form::Rdb,
            _ => Form::Aof,
        };
        // A file with bytes behind its end stays sound when some of those are cut off.
        let whole = look(&name, bytes.clone(), Some(form));
        let sound = whole.is_some_and(|report| report.files[0].findings.is_empty());
        for cut in 0..bytes.len() {
            let report = look(&format!("{name} cut at {cut}"), bytes[..cut].to_vec(), Some(form));
            if form == Form::Rdb && sound {
                let report = report.expect("a snapshot that is cut is looked at");
                // Where only the log behind a preamble is cut, its whole commands are sound.
                let log = report.files[0].good_up_to.is_some() || bytes.last() == Some(&b'\n');
                assert!(log || !report.is_sound(), "{name} cut at {cut} passes");
                let finding =
                    report.files[0].findings.iter().find(|f| f.severity == Severity::Error);
                assert!(finding.is_none_or(|f| f.offset.is_none_or(|offset| offset <= cut as u64)));
            }
            looked += 1;
        }
        for at in 0..bytes.len() {
            for change in [0xff, 0x80, 0x01] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                look(&format!("{name} with byte {at} xor {change:#x}"), changed, Some(form));
                looked += 1;
            }
        }
    }
    assert!(looked > 10_000, "only {looked} files looked at");
}
