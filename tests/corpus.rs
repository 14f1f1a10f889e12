//! Every real file with known facts: the check's verdict, and the counts, are what is known of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use rdbkit::finding::{Finding, Severity};
use rdbkit::ops::check::{CheckOptions, SourceReport, check};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::{Record, Snapshot};
use rdbkit::source::{Form, Locator};
use support::corpus::{Corpus, Scan, corpus};

fn checked(path: &Path, options: &CheckOptions) -> SourceReport {
    let report = check(&[Locator::Path(path.to_path_buf())], options, &Silent);
    let source = report.sources.into_iter().next().unwrap();
    assert_eq!(source.could_not_look, None, "{}", path.display());
    source
}

fn errors(report: &SourceReport) -> Vec<&Finding> {
    let files = report.files.iter().flat_map(|file| &file.findings);
    let all = files.chain(&report.findings);
    all.filter(|finding| finding.severity == Severity::Error).collect()
}

/// Keys and expiries by database, keys by type, function libraries.
type Counts = (BTreeMap<String, (u64, u64)>, BTreeMap<String, u64>, u64);

/// What the file holds by our own reading, in the words of the scan.
fn count(bytes: &[u8]) -> Counts {
    let (mut dbs, mut types, mut functions) = (BTreeMap::new(), BTreeMap::new(), 0);
    for record in Snapshot::new(bytes).unwrap().records() {
        match record.unwrap() {
            Record::Entry(entry) => {
                let db: &mut (u64, u64) = dbs.entry(entry.db.to_string()).or_default();
                db.0 += 1;
                db.1 += u64::from(entry.expires_at_ms.is_some());
                *types.entry(entry.value_type.label().to_owned()).or_default() += 1;
            }
            Record::Function(_) => functions += 1,
            _ => {}
        }
    }
    (dbs, types, functions)
}

fn counts_agree(corpus: &Corpus, file: &str, scan: &Scan) {
    let (dbs, types, functions) = count(&corpus.read(file));
    let want: BTreeMap<_, _> =
        scan.dbs.iter().map(|(db, n)| (db.clone(), (n.keys, n.expires))).collect();
    let keys = |dbs: &BTreeMap<String, (u64, u64)>| -> Vec<_> {
        dbs.iter().filter(|(_, n)| n.0 > 0).map(|(db, n)| (db.clone(), n.0)).collect()
    };
    assert_eq!(keys(&dbs), keys(&want), "{file}: keys by database");
    let expires: u64 = dbs.values().map(|n| n.1).sum();
    assert_eq!(expires, scan.with_expiry, "{file}: keys with expiry");
    assert_eq!(types, scan.types, "{file}: types");
    assert_eq!(functions, scan.functions, "{file}: functions");
}

#[test]
fn third_party_files_get_their_verdict() {
    let Some(corpus) = corpus() else { return };
    let mut seen = 0;
    for file in corpus.third_party() {
        let path = corpus.path(&file.file);
        let report = checked(&path, &CheckOptions::default());
        let errors = errors(&report);
        let codes: Vec<_> = errors.iter().map(|finding| finding.code).collect();
        match file.validity.as_str() {
            "valid" | "valid-needs-module" | "wellformed-pre-release" => {
                assert!(report.is_sound(), "{}: {errors:#?}", file.file);
            }
            "wellformed-duplicate-keys" => {
                assert!(!codes.is_empty(), "{}", file.file);
                assert!(
                    codes.iter().all(|&code| code == "duplicate-key"),
                    "{}: {codes:?}",
                    file.file
                );
                let scan = file.in_file.as_ref().unwrap();
                assert_eq!(codes.len() as u64, scan.duplicate_keys, "{}", file.file);
            }
            "corrupt" if file.crc.as_deref() == Some("bad") => {
                assert_eq!(codes, ["checksum"], "{}", file.file);
                let size = std::fs::metadata(&path).unwrap().len();
                assert_eq!(errors[0].offset, Some(size - 8));
                let options = CheckOptions { ignore_checksum: true, ..CheckOptions::default() };
                assert!(checked(&path, &options).is_sound(), "{}", file.file);
            }
            "corrupt" => {
                assert!(
                    codes.iter().any(|code| code.starts_with("ziplist")),
                    "{}: {codes:?}",
                    file.file
                );
            }
            other => panic!("{}: unknown validity {other}", file.file),
        }
        if let Some(scan) = file.in_file.as_ref().filter(|_| file.kind == "rdb") {
            counts_agree(&corpus, &file.file, scan);
        }
        seen += 1;
    }
    assert!(seen > 60, "only {seen} files");
}

#[test]
fn files_of_servers_are_sound_and_counted() {
    let Some(corpus) = corpus() else { return };
    let mut seen = 0;
    for file in corpus.generated() {
        let report = checked(&corpus.path(&file.file), &CheckOptions::default());
        assert!(report.is_sound(), "{}: {:#?}", file.file, errors(&report));
        counts_agree(&corpus, &file.file, &file.scan);
        let quick = CheckOptions { quick: true, threads: 1, ..CheckOptions::default() };
        assert!(checked(&corpus.path(&file.file), &quick).is_sound(), "{}", file.file);
        seen += 1;
    }
    assert!(seen > 60, "only {seen} files");
}

#[test]
fn corrupt_payloads_are_seen_through() {
    let Some(corpus) = corpus() else { return };
    let mut open = CheckOptions::default().open;
    open.from = Some(Form::Dump);
    let strict = CheckOptions { open, ..CheckOptions::default() };
    let lenient = CheckOptions { ignore_checksum: true, ..strict.clone() };
    let (mut seen, mut rejected) = (0, 0);
    for dump in corpus.corrupt_dumps() {
        let path = corpus.path(&dump.file);
        assert!(dump.crc_ok || !checked(&path, &strict).is_sound(), "{}: the checksum", dump.file);
        let report = checked(&path, &lenient);
        let sanitized =
            dump.servers.iter().filter(|(setting, _)| setting.ends_with("sanitize=yes"));
        let refused = |verdict: &str| {
            verdict.starts_with("reject") && !verdict.contains("version or checksum")
        };
        let verdicts: Vec<_> = sanitized.map(|(_, verdict)| refused(verdict)).collect();
        if verdicts.iter().any(|&refused| refused) {
            assert!(!report.is_sound(), "{}: {:?}", dump.file, dump.servers);
            rejected += 1;
        } else {
            eprintln!(
                "{} is refused by no sanitizing server; ours: {:?}",
                dump.file,
                errors(&report).iter().map(|f| f.code).collect::<Vec<_>>()
            );
        }
        seen += 1;
    }
    assert!(seen > 40 && rejected > 40, "{rejected} of {seen}");
}

#[test]
fn broken_logs_get_the_verdict_of_server_or_check_tool() {
    let Some(corpus) = corpus() else { return };
    let mut seen = 0;
    for case in corpus.broken_aofs() {
        let report = checked(&corpus.path(&case.path), &CheckOptions::default());
        // Without truncation a server is as strict as it gets; 6.2 does not know annotations.
        let current = case.servers.iter().filter(|(server, _)| !server.starts_with("redis-6"));
        let strict = current.filter_map(|(_, by)| by.get("aof-load-truncated no"));
        let refused = strict.into_iter().any(|verdict| !verdict.loads);
        let invalid = case.check_aof.values().any(|tool| tool.exit != 0);
        let stem = case.path.rsplit('/').next().unwrap();
        let sound = match stem {
            // Servers start with nothing and overwrite the base, without a word.
            "dir-no-manifest" => false,
            _ => !refused && !invalid,
        };
        eprintln!("{stem}: {}", if sound { "sound" } else { "not sound" });
        assert_eq!(report.is_sound(), sound, "{stem}: {:#?}", errors(&report));
        if !sound && stem.ends_with(".aof") {
            // The check tool's offset, where it gives one.
            let line = case.check_aof.values().flat_map(|tool| &tool.last).find_map(|line| {
                line.split("ok_up_to=").nth(1)?.split(',').next()?.parse::<u64>().ok()
            });
            if let (Some(offset), Some(ours)) = (line, report.files[0].good_up_to) {
                // The tool knows neither which commands there are nor that each has a name.
                let lenient = matches!(stem, "zero-multibulk.aof" | "unknown-command.aof");
                assert!(lenient || offset == ours, "{stem}: tool {offset}, ours {ours}");
            }
        }
        seen += 1;
    }
    assert!(seen > 30, "only {seen} cases");
}
