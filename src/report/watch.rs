//! What a server writes into its log: a JSON line for each interval, or a table that is drawn anew.

use std::io::Write;

use serde::Serialize;

use super::json::{self, failed};
use super::text::{self, Style, count, percent, size, span};
use crate::error::Result;

/// An interval, `rdbkit.watch/1`.
#[derive(Debug, Clone, Serialize)]
pub struct Interval {
    /// `rdbkit.watch/1`.
    pub schema: &'static str,
    /// From 1 on.
    pub number: u64,
    /// When it ended, unix time in milliseconds.
    pub time_ms: u64,
    /// How long it was.
    pub elapsed_ms: u64,
    /// How long the log has been watched.
    pub watched_ms: u64,
    /// The file that is being written.
    pub file: String,
    /// How far it has been read.
    pub offset: u64,
    /// Whether it is not there any more.
    pub gone: bool,
    /// Commands.
    pub commands: u64,
    /// Commands per second.
    pub commands_per_sec: f64,
    /// Bytes of these commands.
    pub bytes: u64,
    /// Bytes per second.
    pub bytes_per_sec: f64,
    /// Transactions, by their EXEC.
    pub transactions: u64,
    /// Bytes that are no command.
    pub skipped_bytes: u64,
    /// Commands since the watching began.
    pub total_commands: u64,
    /// Bytes of these.
    pub total_bytes: u64,
    /// The size of the log with all its parts.
    pub size_bytes: u64,
    /// What it was after its last rewrite, where that is known.
    pub base_bytes: Option<u64>,
    /// When the server will rewrite it.
    pub rewrite: Option<NextRewrite>,
    /// What happened to the files.
    pub events: Vec<String>,
    /// The most frequent commands.
    pub names: Vec<Named>,
    /// The keys that most commands were about.
    pub keys: Vec<HotKey>,
    /// The prefixes that most commands were about.
    pub prefixes: Vec<HotPrefix>,
}

/// When a server rewrites its log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NextRewrite {
    /// At this size.
    pub at_bytes: u64,
    /// After so many seconds at the rate of the last intervals; `None` where nothing is written.
    pub in_secs: Option<f64>,
}

/// Commands of one name.
#[derive(Debug, Clone, Serialize)]
pub struct Named {
    /// The name, in upper case.
    pub name: String,
    /// How many.
    pub commands: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many per second.
    pub per_sec: f64,
    /// How many since the watching began.
    pub total: u64,
}

/// A key that many commands were about.
#[derive(Debug, Clone, Serialize)]
pub struct HotKey {
    /// Its database; `None` until a command says which it is.
    pub db: Option<u64>,
    /// The key.
    #[serde(serialize_with = "json::bytes")]
    pub key: Vec<u8>,
    /// How many commands, or fewer by what stands below.
    pub commands: u64,
    /// By how much that may be too many: counting is bounded.
    pub at_most_over: u64,
    /// How many per second.
    pub per_sec: f64,
}

/// A prefix that many commands were about.
#[derive(Debug, Clone, Serialize)]
pub struct HotPrefix {
    /// The prefix.
    #[serde(serialize_with = "json::bytes")]
    pub prefix: Vec<u8>,
    /// How many keys of commands began with it, or fewer by what stands below.
    pub commands: u64,
    /// By how much that may be too many.
    pub at_most_over: u64,
    /// How many per second.
    pub per_sec: f64,
}

/// Writes an interval as a JSON line.
pub fn write_json(out: &mut dyn Write, interval: &Interval) -> Result<()> {
    json::line(out, interval)
}

/// Has a terminal cut lines at its edge.
const NO_WRAP: &str = "\x1b[?7l";
/// Has it break them again.
const WRAP: &str = "\x1b[?7h";

/// Draws intervals over one another.
#[derive(Debug)]
pub struct WatchTable {
    style: Style,
    /// Whether the terminal can go back to the lines of the last interval.
    redraws: bool,
    width: usize,
    /// How many lines there may be.
    height: usize,
    drawn: usize,
    /// What happened to the files so far, the last of it.
    events: Vec<String>,
}

impl WatchTable {
    /// Before the first interval.
    pub fn new(style: Style, redraws: bool, width: usize, height: usize) -> Self {
        WatchTable { style, redraws, width, height, drawn: 0, events: Vec::new() }
    }

    /// Draws an interval.
    pub fn draw(&mut self, out: &mut dyn Write, interval: &Interval) -> Result<()> {
        self.events.extend(interval.events.iter().cloned());
        let from = self.events.len().saturating_sub(3);
        self.events.drain(..from);
        let mut lines = self.lines(interval);
        if self.redraws {
            lines.truncate(self.height.saturating_sub(1).max(4));
            // A line that goes on in the next one would be counted as one on the way back.
            write!(out, "{NO_WRAP}").map_err(failed)?;
            if self.drawn > 0 {
                // Up to the first line, and away with all below.
                write!(out, "\x1b[{}A\x1b[J", self.drawn).map_err(failed)?;
            }
        } else if self.drawn > 0 {
            lines.insert(0, String::new());
        }
        for line in &lines {
            writeln!(out, "{line}").map_err(failed)?;
        }
        if self.redraws {
            write!(out, "{WRAP}").map_err(failed)?;
        }
        self.drawn = lines.len();
        out.flush().map_err(failed)
    }

    fn lines(&self, interval: &Interval) -> Vec<String> {
        let style = self.style;
        let time = i64::try_from(interval.time_ms).unwrap_or(i64::MAX);
        let mut lines = vec![
            format!(
                "{}  {}",
                style.bold(&interval.file),
                style.dim(format_args!(
                    "at {}, {}, watched for {}",
                    count(interval.offset),
                    text::instant(time),
                    span(interval.watched_ms / 1000 * 1000)
                ))
            ),
            format!(
                "{} commands/s   {}/s   {} commands in all, {}",
                style.bold(rate(interval.commands_per_sec)),
                style.bold(size(whole(interval.bytes_per_sec))),
                count(interval.total_commands),
                size(interval.total_bytes)
            ),
            self.growth(interval),
        ];
        if interval.gone {
            lines.push(style.bad("the log is not there any more").to_string());
        }
        for event in &self.events {
            lines.push(style.warn(event).to_string());
        }
        if interval.skipped_bytes > 0 {
            let skipped = size(interval.skipped_bytes);
            lines.push(style.bad(format!("{skipped} that are no command")).to_string());
        }
        // What is left of the screen is shared by the three lists.
        let room =
            if self.redraws { self.height.saturating_sub(lines.len() + 7) / 3 } else { usize::MAX };
        let room = room.max(1);
        lines.push(
            style.dim(format!("{:>10} {:>8} {:>14}  COMMAND", "/s", "SHARE", "TOTAL")).to_string(),
        );
        for named in interval.names.iter().take(room) {
            lines.push(format!(
                "{:>10} {:>8} {:>14}  {}",
                rate(named.per_sec),
                percent(named.commands, interval.commands),
                count(named.total),
                named.name
            ));
        }
        let width = self.width.saturating_sub(24).max(20);
        lines.push(style.dim(format!("{:>10} {:>8}  KEY", "/s", "SHARE")).to_string());
        for key in interval.keys.iter().take(room) {
            let db = key.db.map_or_else(|| "db?".to_owned(), |db| format!("db{db}"));
            lines.push(format!(
                "{:>10} {:>8}  {db} {}",
                rate_over(key.per_sec, key.at_most_over),
                percent(key.commands, interval.commands),
                text::key(&key.key, width)
            ));
        }
        lines.push(style.dim(format!("{:>10} {:>8}  PREFIX", "/s", "SHARE")).to_string());
        for prefix in interval.prefixes.iter().take(room) {
            lines.push(format!(
                "{:>10} {:>8}  {}",
                rate_over(prefix.per_sec, prefix.at_most_over),
                percent(prefix.commands, interval.commands),
                text::key(&prefix.prefix, width)
            ));
        }
        lines
    }

    /// How large the log is, and when it will be rewritten.
    fn growth(&self, interval: &Interval) -> String {
        let style = self.style;
        let mut line = format!("log {}", style.bold(size(interval.size_bytes)));
        if let Some(base) = interval.base_bytes {
            line += &format!(", {} after its last rewrite", size(base));
        }
        match interval.rewrite {
            None => {}
            Some(NextRewrite { in_secs: Some(0.0), .. }) => {
                line += &format!("; {}", style.warn("a rewrite is due"));
            }
            Some(NextRewrite { at_bytes, in_secs }) => {
                line += &format!("; the next at {}", size(at_bytes));
                line += &match in_secs {
                    Some(secs) => format!(", in {} at this rate", span(whole(secs) * 1000)),
                    None => ", which nothing brings nearer".to_owned(),
                };
            }
        }
        line
    }
}

/// A rate that may be too high.
fn rate_over(per_sec: f64, over: u64) -> String {
    if over > 0 { format!("≤ {}", rate(per_sec)) } else { rate(per_sec) }
}

fn rate(per_sec: f64) -> String {
    if per_sec > 0.0 && per_sec < 10.0 { format!("{per_sec:.1}") } else { count(whole(per_sec)) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for the eye")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval() -> Interval {
        Interval {
            schema: "rdbkit.watch/1",
            number: 1,
            time_ms: 0,
            elapsed_ms: 1000,
            watched_ms: 1000,
            file: "appendonly.aof.1.incr.aof".to_owned(),
            offset: 0,
            gone: false,
            commands: 0,
            commands_per_sec: 0.0,
            bytes: 0,
            bytes_per_sec: 0.0,
            transactions: 0,
            skipped_bytes: 0,
            total_commands: 0,
            total_bytes: 0,
            size_bytes: 0,
            base_bytes: None,
            rewrite: None,
            events: Vec::new(),
            names: Vec::new(),
            keys: Vec::new(),
            prefixes: Vec::new(),
        }
    }

    fn drawn_twice(redraws: bool) -> String {
        let mut table = WatchTable::new(Style::default(), redraws, 20, 24);
        let mut out = Vec::new();
        table.draw(&mut out, &interval()).expect("memory takes all");
        table.draw(&mut out, &interval()).expect("memory takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_terminal_cuts_long_lines_while_a_table_is_drawn_and_only_then() {
        let out = drawn_twice(true);
        let tables: Vec<&str> = out.split_inclusive(WRAP).collect();
        assert_eq!(tables.len(), 2, "{out:?}");
        assert!(tables.iter().all(|table| table.starts_with(NO_WRAP)), "{out:?}");
        // As many lines back as there are, however long each is.
        assert!(tables[1].contains("\x1b[6A\x1b[J"), "{out:?}");
    }

    #[test]
    fn what_is_no_terminal_gets_no_escapes() {
        assert!(!drawn_twice(false).contains('\x1b'));
    }
}
