//! What a load into live servers came to: what arrived where, how fast, what was refused, and
//! whether it is there.

use std::io::Write;

use serde::Serialize;

use super::convert::Ran;
use super::json::{self, failed};
use super::text::{Style, count, key, plural, size, span};
use crate::error::Result;

/// The report of a load; as JSON it is `rdbkit.replay-to/1`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// `rdbkit.replay-to/1`.
    pub schema: &'static str,
    /// The source as it was named.
    pub source: String,
    /// The target's URL, without its password.
    pub target: String,
    /// How the log ran, if the keys are those of a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Ran>,
    /// The checksum of the source, stored and computed, where they differ: what was sent may be wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum_mismatch: Option<[String; 2]>,
    /// Who answers there.
    pub server: String,
    /// Nothing was sent; the numbers say what would be.
    pub dry_run: bool,
    /// Keys that have arrived.
    pub keys: u64,
    /// How often a key had to be sent again because the target had lost it.
    pub keys_again: u64,
    /// Keys that had arrived before this run, which went on from there.
    pub arrived_before: u64,
    /// The offset at which it went on; of a log whose keys are sent, how many of them came before.
    pub resumed_from: Option<u64>,
    /// Keys that were packed as payloads.
    pub by_restore: u64,
    /// Keys that were packed as commands.
    pub by_commands: u64,
    /// Commands of a log that were sent, in `--as log`.
    pub log_commands: u64,
    /// Whether it was a log that was sent, rather than keys.
    pub is_log: bool,
    /// Function libraries.
    pub functions: u64,
    /// Keys that the filters left out.
    pub filtered: u64,
    /// Keys left out because they have expired.
    pub expired: u64,
    /// Keys that were there and were left alone.
    pub existing: u64,
    /// Keys that were refused.
    pub refused: u64,
    /// Keys that the target has thrown out meanwhile, because it was full: of the replay, or others;
    /// since its first run where a state was kept.
    pub evicted: u64,
    /// The first of those that were refused.
    pub errors: Vec<RefusedKey>,
    /// What the target has no notion of.
    pub lost: Vec<LostKind>,
    /// Keys by server.
    pub nodes: Vec<LaneRow>,
    /// Bytes of commands.
    pub bytes: u64,
    /// Commands that were answered.
    pub commands: u64,
    /// Commands that had to be sent again.
    pub sent_again: u64,
    /// How often a connection had to be opened anew.
    pub reopened: u64,
    /// How long the target was waited for.
    pub waited_ms: u64,
    /// How long it was sent, the wait for what the replicas confirm included.
    pub sent_ms: u64,
    /// How long all of it took.
    pub took_ms: u64,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// Why it stopped before the end, and how it goes on.
    pub stopped: Option<String>,
    /// Whether it stopped because the source is broken.
    pub is_broken: bool,
    /// How source and target compare.
    pub verify: Option<VerifyReport>,
}

/// A key that was refused.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedKey {
    /// Its database.
    pub db: u32,
    /// The key.
    #[serde(serialize_with = "json::bytes")]
    pub key: Vec<u8>,
    /// The command.
    pub command: String,
    /// The server's words.
    pub error: String,
    /// Of a command of a log that is sent as it is: where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<LogPlace>,
}

/// Where a command of a log stands.
#[derive(Debug, Clone, Serialize)]
pub struct LogPlace {
    /// The file.
    pub file: String,
    /// Where it begins there.
    pub offset: u64,
}

/// Something that the target has no notion of.
#[derive(Debug, Clone, Serialize)]
pub struct LostKind {
    /// A word for machines.
    pub code: &'static str,
    /// What becomes of it.
    pub what: String,
    /// Whether somebody who asks the target could tell.
    pub grave: bool,
    /// Keys that it was part of.
    pub keys: u64,
}

/// A server and the keys it got.
#[derive(Debug, Clone, Serialize)]
pub struct LaneRow {
    /// Its address.
    pub node: String,
    /// Keys.
    pub keys: u64,
}

/// How source and target compare.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// Whether every key was looked at.
    pub all: bool,
    /// Keys that were looked at.
    pub compared: u64,
    /// Keys that could not be: an array with so high an index has no digest.
    pub not_comparable: u64,
    /// Whether no key was looked at: the source could not be read again.
    pub only_counted: bool,
    /// Keys that should be there in all, where the target was empty before.
    pub keys_expected: Option<u64>,
    /// Keys that are there in all.
    pub keys_found: Option<u64>,
    /// Whether the two cannot be explained by keys that have expired.
    pub counts_differ: bool,
    /// Keys of the source that got the name of another one, whose value is there or was.
    pub same_names: u64,
    /// Keys that differ.
    pub different: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// How long the comparison took.
    pub took_ms: u64,
}

/// A key that differs.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Its database.
    pub db: u32,
    /// The key.
    #[serde(serialize_with = "json::bytes")]
    pub key: Vec<u8>,
    /// What differs.
    pub what: String,
}

impl VerifyReport {
    fn is_fine(&self) -> bool {
        self.different == 0 && !self.counts_differ && self.same_names == 0
    }
}

impl LoadReport {
    /// Whether the target has all that was to be sent.
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none()
            && self.refused == 0
            && self.evicted == 0
            && self.lost.iter().all(|lost| !lost.grave)
            && self.verify.as_ref().is_none_or(VerifyReport::is_fine)
    }
}

/// How many rows of a kind are shown.
const SHOWN: usize = 10;

/// Writes the report as one document.
pub fn write_json(out: &mut dyn Write, report: &LoadReport) -> Result<()> {
    json::document(out, report)
}

/// Writes the report for the eye.
pub fn write_text(out: &mut dyn Write, report: &LoadReport, style: Style) -> Result<()> {
    let mut text = String::new();
    let mut line = |line: String| text += &format!("{line}\n");
    let LoadReport { source, target, server, .. } = report;
    line(style.bold(format!("{source} -> {target} ({server})")).to_string());
    for note in &report.notes {
        line(format!("  note       {note}"));
    }
    let title = if report.dry_run { "dry run" } else { "arrived" };
    // Of a log that is sent as it is, the commands count.
    if report.keys > 0 || !report.is_log {
        line(format!("  {title}    {}, {}", plural(report.keys, "key"), forms(report)));
    }
    if report.keys_again > 0 {
        let words =
            format!("{} again, which the target had lost", plural(report.keys_again, "key"));
        line(format!("             {words}"));
    }
    if report.arrived_before > 0 {
        let words = format!("and {} before this run", plural(report.arrived_before, "key"));
        line(format!("             {words}"));
    }
    if report.is_log {
        let words = match (report.log_commands, &report.stopped) {
            (0, None) => "no command, nothing was left to send".to_owned(),
            (sent, _) => plural(sent, "command"),
        };
        line(format!("  log        {words}"));
    }
    if report.functions > 0 {
        line(format!("  functions  {}", plural(report.functions, "library")));
    }
    if report.nodes.len() > 1 {
        for (row, LaneRow { node, keys }) in report.nodes.iter().enumerate() {
            let title = if row == 0 { "by node" } else { "       " };
            line(format!("  {title}    {} to {node}", plural(*keys, "key")));
        }
    }
    let mut left_out = Vec::new();
    for (n, why) in [(report.filtered, "by the filters"), (report.expired, "expired")] {
        if n > 0 {
            left_out.push(format!("{} {why}", count(n)));
        }
    }
    if report.existing > 0 {
        left_out.push(format!("{} there already", count(report.existing)));
    }
    if !left_out.is_empty() {
        line(format!("  left out   {}", left_out.join(", ")));
    }
    for lost in &report.lost {
        let words = format!("{}: {}", plural(lost.keys, "key"), lost.what);
        let words = if lost.grave { style.warn(words).to_string() } else { words };
        line(format!("  lost       {words}"));
    }
    if report.refused > 0 {
        let what = if report.is_log && report.keys == 0 { "command" } else { "key" };
        line(format!("  refused    {}", style.bad(plural(report.refused, what))));
        for refused in report.errors.iter().take(SHOWN) {
            let of_key = match refused.key.is_empty() && report.is_log {
                true => String::new(),
                false => format!(" {}", key(&refused.key, 40)),
            };
            let place = match &refused.place {
                Some(LogPlace { file, offset }) => format!(" at offset {offset} of {file}"),
                None => format!(" in db {}", refused.db),
            };
            line(format!("             {}{of_key}{place}: {}", refused.command, refused.error));
        }
        if report.errors.len() > SHOWN {
            line("             … and more: --format json has the first hundred".to_owned());
        }
    }
    if report.evicted > 0 {
        let keys = style.bad(plural(report.evicted, "key"));
        line(format!(
            "  evicted    {keys} by the target, which was full: give it room (maxmemory), or let it \
             refuse writes instead (maxmemory-policy noeviction)"
        ));
    }
    let title = if report.dry_run { "to send" } else { "sent   " };
    line(format!("  {title}    {}{}", size(report.bytes), rates(report)));
    if report.reopened > 0 || report.waited_ms > 0 {
        line(format!(
            "  waited     {} for the target; connections opened anew: {}",
            span(report.waited_ms),
            count(report.reopened)
        ));
    }
    if let Some(verify) = &report.verify {
        if let (Some(want), Some(found)) = (verify.keys_expected, verify.keys_found) {
            let words = match verify.counts_differ {
                true => {
                    style.bad(format!("{} instead of {}", count(found), count(want))).to_string()
                }
                false if want == found => format!("{}, as sent", count(found)),
                false => format!("{} of {}, others have expired", count(found), count(want)),
            };
            line(format!("  counted    keys: {words}"));
        }
        if verify.same_names > 0 {
            let words = format!(
                "{} of the source got the name of another one (--map-db, --rename): only one of \
                 each is there",
                plural(verify.same_names, "key")
            );
            line(format!("  joined     {}", style.warn(words)));
        }
        if verify.not_comparable > 0 {
            let words = plural(verify.not_comparable, "key");
            line(format!(
                "  left out   {words} of the comparison: an index is too high for a digest"
            ));
        }
        let of = if verify.all { "all of them" } else { "a sample" };
        let compared = format!("{} compared ({of})", plural(verify.compared, "key"));
        let took = format!("in {}", span(verify.took_ms));
        if verify.different == 0 && !verify.only_counted {
            line(format!("  verified   {compared}: {}, {took}", style.good("no difference")));
        } else if verify.different > 0 {
            let words = format!("{} differ", count(verify.different));
            line(format!("  verified   {compared}: {}, {took}", style.bad(words)));
            for found in verify.differences.iter().take(SHOWN) {
                line(format!(
                    "             {} in db {}: {}",
                    key(&found.key, 40),
                    found.db,
                    found.what
                ));
            }
        }
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

fn forms(report: &LoadReport) -> String {
    match (report.by_restore, report.by_commands) {
        (0, 0) => "nothing to send".to_owned(),
        (_, 0) => "all by RESTORE".to_owned(),
        (0, _) => "all by commands".to_owned(),
        // What was made ready counts, and not all of it has arrived.
        _ if report.stopped.is_some() => "by RESTORE and by commands".to_owned(),
        (restore, commands) => {
            format!("{} by RESTORE and {} by commands", count(restore), count(commands))
        }
    }
}

/// How fast it was.
fn rates(report: &LoadReport) -> String {
    if report.sent_ms == 0 || report.dry_run {
        return String::new();
    }
    let a_second = |n: u64| n.saturating_mul(1000) / report.sent_ms;
    let (what, n) = match report.keys {
        _ if report.is_log => ("commands", report.log_commands),
        keys => ("keys", keys),
    };
    format!(
        " in {}: {} {what}/s, {}/s",
        span(report.sent_ms),
        count(a_second(n)),
        size(a_second(report.bytes))
    )
}
