//! The screen of check: a verdict per source, then its findings, each in a few lines.
//!
//! ```text
//! dump.rdb: NOT SOUND, 1 error (RDB snapshot, 107 keys, 88.7 KiB, every value)
//!   error  checksum  offset 90864
//!     expected …
//!     found    …
//!     server   …
//!     advice   …
//! ```

use std::io::{self, Write};

use super::{CheckReport, FileReport, SourceReport};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::report::json::failed;
use crate::report::text::{Style, count, key, percent, plural, size};

/// How wide a key may be.
const KEY_WIDTH: usize = 60;

/// Writes the screen; of sources without findings the verdict alone.
pub fn write_text(out: &mut dyn Write, report: &CheckReport, style: Style) -> Result<()> {
    report.sources.iter().try_for_each(|one| source(out, one, style)).map_err(failed)
}

fn source(out: &mut dyn Write, report: &SourceReport, style: Style) -> io::Result<()> {
    if let Some(why) = &report.could_not_look {
        // The sentence may begin with the name, as sentences about files do.
        let why = why.strip_prefix(&format!("{}: ", report.name)).unwrap_or(why);
        return writeln!(out, "{}: {} {why}", report.name, style.bad("COULD NOT LOOK:"));
    }
    let all = || report.findings.iter().chain(report.files.iter().flat_map(|f| &f.findings));
    let listed = |severity| all().filter(|f| f.severity == severity).count() as u64;
    let unlisted = |of: fn(&FileReport) -> u64| report.files.iter().map(of).sum::<u64>();
    let errors = listed(Severity::Error) + unlisted(|file| file.unlisted.errors);
    let warnings = listed(Severity::Warning) + unlisted(|file| file.unlisted.others);
    let mut verdict = vec![if errors > 0 {
        style.bad("NOT SOUND").to_string()
    } else {
        style.good("sound").to_string()
    }];
    if errors > 0 {
        verdict.push(plural(errors, "error"));
    }
    if warnings > 0 {
        verdict.push(style.warn(plural(warnings, "warning")).to_string());
    }
    let name = style.bold(format!("{}:", report.name));
    match report.files.as_slice() {
        [file] if file.name == report.name => {
            writeln!(out, "{name} {} ({})", verdict.join(", "), facts(file))?;
            findings(out, &report.findings, style)?;
            findings(out, &file.findings, style)?;
            rest(out, file, style)?;
        }
        files => {
            writeln!(out, "{name} {} ({})", verdict.join(", "), report.kind)?;
            findings(out, &report.findings, style)?;
            for file in files {
                let state =
                    if file.is_sound() { style.good("sound") } else { style.bad("NOT SOUND") };
                writeln!(out, "  {}: {state} ({})", style.bold(&file.name), facts(file))?;
                findings(out, &file.findings, style)?;
                rest(out, file, style)?;
            }
        }
    }
    Ok(())
}

/// What was looked at.
fn facts(file: &FileReport) -> String {
    let mut facts = vec![file.kind.clone()];
    facts.extend(file.keys.map(|keys| plural(keys, "key")));
    facts.extend(file.commands.map(|commands| plural(commands, "command")));
    facts.extend(file.transactions.filter(|n| *n > 0).map(|n| plural(n, "transaction")));
    facts.push(size(file.size_bytes));
    facts.extend(file.checksum.as_ref().map(|checksum| format!("checksum {checksum}")));
    facts.push(format!("checked: {}", file.depth));
    facts.join(", ")
}

fn findings(out: &mut dyn Write, findings: &[Finding], style: Style) -> io::Result<()> {
    findings.iter().try_for_each(|finding| one(out, finding, style))
}

fn one(out: &mut dyn Write, finding: &Finding, style: Style) -> io::Result<()> {
    let severity = match finding.severity {
        Severity::Error => style.bad("error"),
        Severity::Warning => style.warn("warning"),
        Severity::Info => style.dim("info"),
    };
    write!(out, "  {severity} {}", style.bold(finding.code))?;
    if let Some(offset) = finding.offset {
        write!(out, " at offset {offset}")?;
    }
    let key = finding.key.as_ref().map(|bytes| key(bytes, KEY_WIDTH));
    match (finding.doing.as_str(), key) {
        ("", None) => {}
        ("" | "a key", Some(key)) => write!(out, ", key {key}")?,
        (doing, None) => write!(out, ", reading {doing}")?,
        (doing, Some(key)) => write!(out, ", reading {doing} of key {key}")?,
    }
    if let Some(db) = finding.db {
        write!(out, " in db {db}")?;
    }
    writeln!(out)?;
    let parts = [
        ("expected", finding.expected.as_str()),
        ("found", &finding.found),
        ("server", finding.server),
        ("advice", finding.advice),
    ];
    for (name, text) in parts.iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "    {} {text}", style.dim(format!("{name:<8}")))?;
    }
    Ok(())
}

/// What is not listed, and up to where a log is good.
fn rest(out: &mut dyn Write, file: &FileReport, style: Style) -> io::Result<()> {
    let unlisted = file.unlisted;
    if unlisted.errors + unlisted.others > 0 {
        writeln!(
            out,
            "  … and {} more errors and {} more warnings; --max-findings lists more",
            count(unlisted.errors),
            count(unlisted.others)
        )?;
    }
    match file.good_up_to {
        Some(offset) if !file.is_sound() => writeln!(
            out,
            "  {} offset {offset} ({} of the file): whole commands outside a transaction",
            style.bold("good up to"),
            percent(offset, file.size_bytes)
        ),
        _ => Ok(()),
    }
}
