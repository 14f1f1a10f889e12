//! The check of a DUMP payload: value, version, checksum.

use super::snapshot::Findings;
use super::{CheckOptions, FileReport, words};
use crate::bytes::Input;
use crate::error::{Doing, Fault, FormatError, Result};
use crate::finding::{Finding, Severity};
use crate::rdb::Dump;
use crate::rdb::object::Checker;
use crate::source::Feed;

/// Checks the payload that is all of the feed.
pub(super) fn check(
    feed: &mut Feed,
    options: &CheckOptions,
    report: &mut FileReport,
) -> Result<()> {
    while feed.more()? {}
    let bytes = feed.buffer();
    report.kind = "DUMP payload".to_owned();
    report.depth = if options.quick { "frames and checksum" } else { "every value" };
    let mut findings = Findings::new(options.max_findings);
    match Dump::parse(bytes) {
        Err(error) => {
            report.broken_at = Some(error.offset);
            let finding = Finding::of(Severity::Error, &error);
            findings.add(finding.explained(
                "RESTORE answers «Bad data format» or «DUMP payload version or checksum are wrong»",
                "make the payload again with DUMP",
            ));
        }
        Ok(dump) => {
            report.keys = Some(1);
            let crc_at = bytes.len() as u64 - 8;
            let fault_at =
                |offset, doing, fault| FormatError { file: None, offset, doing, key: None, fault };
            report.checksum = Some(match dump.is_intact() {
                true => format!("{:016x} matches", dump.checksum),
                false => format!("{:016x} stored, {:016x} computed", dump.checksum, dump.computed),
            });
            if !dump.is_intact() {
                let severity =
                    if options.ignore_checksum { Severity::Warning } else { Severity::Error };
                let fault = Fault::Checksum { stored: dump.checksum, computed: dump.computed };
                findings.add(
                    Finding::of(severity, &fault_at(crc_at, Doing::DumpFooter, fault)).explained(
                        "RESTORE answers «DUMP payload version or checksum are wrong»",
                        "make the payload again with DUMP; --ignore-checksum judges the rest",
                    ),
                );
            }
            let (version, known) = (dump.header.version, dump.header.newest());
            if version > known {
                let fault = Fault::NewerVersion { version, known };
                findings.add(
                    Finding::of(Severity::Warning, &fault_at(crc_at - 2, Doing::DumpFooter, fault))
                        .explained(
                            "servers refuse versions newer than their own",
                            "restore it into a server at least as new as the one that made it",
                        ),
                );
            }
            if dump.slack_bytes > 0 {
                let fault = Fault::DumpSlack { bytes: dump.slack_bytes };
                let at = bytes.len() as u64 - 10 - dump.slack_bytes;
                findings.add(
                    Finding::of(Severity::Warning, &fault_at(at, Doing::DumpFooter, fault))
                        .explained("RESTORE ignores the bytes", "nothing needs to be done"),
                );
            }
            if !options.quick {
                let mut checker = Checker::default();
                checker.check(&dump.entry, &mut |problem| {
                    let (severity, _, advice) = words::of_problem(&problem);
                    let finding = words::finding_of(severity, &dump.entry, &problem);
                    findings.add(finding.explained(words::of_restore(&problem), advice));
                })?;
            }
        }
    }
    findings.hand_over(report);
    let all = feed.buffer().len();
    feed.consume(all);
    Ok(())
}
