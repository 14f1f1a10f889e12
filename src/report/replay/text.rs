//! The report of a replay for the eye.

use std::io::Write;

use super::{ReplayReport, Skipped};
use crate::bytes::quoted;
use crate::error::Result;
use crate::report::failures::failure_text;
use crate::report::filtered::left_out_by_filters;
use crate::report::json::failed;
use crate::report::table::Table;
use crate::report::text::{Style, count, plural, size};

/// How many failures are shown.
const SHOWN: usize = 10;

/// Writes the report for the eye.
pub fn write_text(out: &mut dyn Write, report: &ReplayReport, style: Style) -> Result<()> {
    let mut text = String::new();
    let mut line = |line: String| text += &format!("{line}\n");
    line(style.bold(format!("{}, run as {}", report.source, report.server)).to_string());
    let ReplayReport { commands, transactions, base_keys, failed: wrong, .. } = report;
    if report.has_snapshot {
        line(format!("  snapshot   {}", plural(*base_keys, "key")));
    }
    if *commands > 0 {
        let inside = if *transactions > 0 {
            format!(", {} among them", plural(*transactions, "transaction"))
        } else {
            String::new()
        };
        line(format!("  log        {}{inside}", plural(*commands, "command")));
    }
    if *wrong > 0 {
        let failed = format!("{} failed, as in a server", plural(*wrong, "command"));
        line(format!("  {}", style.warn(failed)));
        for failure in report.failures.iter().take(SHOWN) {
            line(format!("    {}", failure_text(failure)));
        }
        if *wrong > SHOWN as u64 {
            line(format!("    and {} more", count(wrong - SHOWN as u64)));
        }
    }
    for Skipped { command, count: times } in &report.skipped {
        let words = format!("{} stepped over: {}", plural(*times, "command"), quoted(command));
        line(format!("  {}", style.warn(words)));
    }
    for part in &report.parts {
        if let Some(at) = part.dropped_from {
            let bytes = part.size_bytes - at;
            let words = format!(
                "{}: {} from offset {at} on were dropped: a command that is cut, or a transaction \
                 without its EXEC",
                part.file,
                plural(bytes, "byte")
            );
            line(format!("  {}", style.warn(words)));
        }
    }
    if report.stopped {
        line("  stopped before the end, as told".to_owned());
    }
    if let Some(all) = &report.filtered_from {
        let left_out = left_out_by_filters(all.keys.saturating_sub(report.keys));
        line(format!("  keys       {}{left_out}", plural(report.keys, "key")));
    }
    let mut table = Table::new(&["database", ">keys", ">expiring", ">expired by now"]);
    for db in &report.databases {
        let cells = [db.db.to_string(), count(db.keys), count(db.expiring), count(db.expired)];
        table.row(cells);
    }
    if table.is_empty() {
        line("\n  no keys".to_owned());
    } else {
        line(format!("\n{}", table.to_string().trim_end()));
    }
    if report.functions > 0 {
        line(format!("  {}", plural(report.functions, "function library")));
    }
    line(format!("\n  digest     {}  ({})", report.digest, report.digest_server));
    line(format!("  took       {}", rate(report)));
    if let Some(saved) = &report.saved {
        line(format!("  saved      {} ({})", saved.path, size(saved.size_bytes)));
        if let Some(backup) = &saved.backup {
            line(format!("             the file that was there is now {backup}"));
        }
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

#[expect(clippy::cast_precision_loss, reason = "for the eye")]
fn rate(report: &ReplayReport) -> String {
    let secs = report.took_ms.max(1) as f64 / 1000.0;
    let bytes: u64 = report.parts.iter().map(|part| part.size_bytes).sum();
    let per_sec = |n: u64| (n as f64 / secs) as u64;
    let what = if report.commands > 0 {
        format!("{} a second", plural(per_sec(report.commands), "command"))
    } else {
        format!("{} a second", plural(per_sec(report.base_keys), "key"))
    };
    format!("{secs:.2} s: {what}, {} a second", size(per_sec(bytes)))
}
