//! `watch`: what a server writes into its log, interval by interval.

mod follow;
mod hot;
mod rewritten;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hashbrown::HashMap;

use self::follow::{Follower, New, Sizes};
use self::hot::{Hot, Slot};
use super::diff::prefix;
use crate::bytes::PathName as _;
use crate::error::Result;
use crate::report::watch::{HotKey, HotPrefix, Interval, Named, NextRewrite};
use crate::resp::{Command, command_keys};

/// How long the log is left alone between two looks.
const POLL: Duration = Duration::from_millis(50);
/// Keys and prefixes that are counted at a time.
const COUNTERS: usize = 4096;
/// Names of commands that are counted at a time: more than there are.
const MOST_NAMES: usize = 1024;

/// How a log is watched.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// How long an interval is.
    pub interval: Duration,
    /// After how many intervals it ends.
    pub count: Option<u64>,
    /// After which time it ends; the last interval may be short.
    pub run_for: Option<Duration>,
    /// How many keys, prefixes and commands each interval names.
    pub top: usize,
    /// What ends the prefix of a key.
    pub separator: Vec<u8>,
    /// The server's `auto-aof-rewrite-percentage`; 0 switches rewrites off.
    pub rewrite_percentage: u64,
    /// The server's `auto-aof-rewrite-min-size`, in bytes.
    pub rewrite_min_bytes: u64,
    /// The size that the log had behind its last rewrite, in bytes, where its files do not tell.
    pub base_bytes: Option<u64>,
}

impl Default for WatchOptions {
    fn default() -> Self {
        WatchOptions {
            interval: Duration::from_secs(1),
            count: None,
            run_for: None,
            top: 10,
            separator: b":".to_vec(),
            rewrite_percentage: 100,
            rewrite_min_bytes: 64 << 20,
            base_bytes: None,
        }
    }
}

/// Follows a log from its end on, and hands out each interval as it ends, until the options or
/// `each` say that it is enough (by `false`).
///
/// A log that is removed meanwhile is waited for.
///
/// Fails with [`Error::Io`](crate::Error::Io) where the log cannot be read, and with
/// [`Error::Source`](crate::Error::Source) where the file is no log but a snapshot, say.
///
/// ```
/// use std::time::Duration;
///
/// use rdbkit::ops::watch::{WatchOptions, watch};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let log = folder.path().join("appendonly.aof");
/// std::fs::write(&log, "")?;
/// let interval = Duration::from_millis(50);
/// let options = WatchOptions { interval, count: Some(2), ..WatchOptions::default() };
/// let mut intervals = Vec::new();
/// watch(&log, &options, &mut |interval| {
///     intervals.push(interval.number);
///     // What a server would do meanwhile.
///     let written = std::fs::write(&log, "*1\r\n$4\r\nPING\r\n");
///     written.map_err(|cause| rdbkit::Error::io("cannot write", cause))?;
///     Ok(true)
/// })?;
/// assert_eq!(intervals, [1, 2]);
/// # Ok(())
/// # }
/// ```
pub fn watch(
    path: &Path,
    options: &WatchOptions,
    each: &mut dyn FnMut(&Interval) -> Result<bool>,
) -> Result<()> {
    let mut follower = Follower::open(path)?;
    let mut counted = Counted::new(options);
    let began = Instant::now();
    let mut from = began;
    let mut rate = None;
    for number in 1_u64.. {
        let until = from + options.interval;
        let until = options.run_for.map_or(until, |time| until.min(began + time));
        loop {
            follower.poll(&mut |new| counted.take(&new))?;
            let now = Instant::now();
            if now >= until {
                break;
            }
            std::thread::sleep(POLL.min(until - now));
        }
        let now = Instant::now();
        let elapsed = now - from;
        let interval = {
            let mut interval = counted.interval(options, elapsed);
            interval.number = number;
            interval.watched_ms = millis(now - began);
            interval.file = follower.current().shown().to_string();
            interval.offset = follower.offset();
            interval.gone = follower.is_gone();
            let sizes = follower.sizes();
            interval.size_bytes = sizes.total_bytes;
            interval.base_bytes = options.base_bytes.or(sizes.base_bytes);
            rate = Some(smoothed(rate, interval.bytes_per_sec));
            interval.rewrite = next_rewrite(options, &sizes, rate.unwrap_or_default());
            interval
        };
        let goes_on = each(&interval)?;
        let enough = options.count.is_some_and(|count| number >= count)
            || options.run_for.is_some_and(|time| now - began >= time);
        if !goes_on || enough {
            break;
        }
        from = now;
    }
    Ok(())
}

/// A rate that does not jump: each interval counts for a third.
fn smoothed(before: Option<f64>, now: f64) -> f64 {
    before.map_or(now, |before| before + (now - before) / 3.0)
}

/// When the server will rewrite its log by itself.
fn next_rewrite(options: &WatchOptions, sizes: &Sizes, bytes_per_sec: f64) -> Option<NextRewrite> {
    let base = options.base_bytes.or(sizes.base_bytes)?;
    if options.rewrite_percentage == 0 {
        return None;
    }
    // A server takes an empty base for one byte.
    let grown = u128::from(base.max(1)) * u128::from(100 + options.rewrite_percentage) / 100;
    let at_bytes = u64::try_from(grown).unwrap_or(u64::MAX).max(options.rewrite_min_bytes + 1);
    let left = at_bytes.saturating_sub(sizes.total_bytes);
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let in_secs = match left {
        0 => Some(0.0),
        _ if bytes_per_sec < 1.0 => None,
        left => Some((left as f64 / bytes_per_sec).round()),
    };
    Some(NextRewrite { at_bytes, in_secs })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What has been counted in an interval, and in all of them.
struct Counted {
    separator: Vec<u8>,
    db: Option<u64>,
    now: Tally,
    all_commands: u64,
    all_bytes: u64,
    all_names: HashMap<Vec<u8>, u64>,
    events: Vec<String>,
}

/// What has been counted in an interval.
struct Tally {
    commands: u64,
    bytes: u64,
    transactions: u64,
    skipped_bytes: u64,
    names: HashMap<Vec<u8>, (u64, u64)>,
    keys: Hot,
    prefixes: Hot,
}

impl Tally {
    fn new() -> Self {
        Tally {
            commands: 0,
            bytes: 0,
            transactions: 0,
            skipped_bytes: 0,
            names: HashMap::new(),
            keys: Hot::new(COUNTERS),
            prefixes: Hot::new(COUNTERS),
        }
    }
}

impl Counted {
    fn new(options: &WatchOptions) -> Self {
        Counted {
            separator: options.separator.clone(),
            db: None,
            now: Tally::new(),
            all_commands: 0,
            all_bytes: 0,
            all_names: HashMap::new(),
            events: Vec::new(),
        }
    }

    fn take(&mut self, new: &New<'_>) {
        match new {
            New::Command(command) => self.command(command),
            New::Skipped(bytes) => self.now.skipped_bytes += bytes,
            New::Rotated(path) => {
                // A server says in each file anew which database it is about.
                self.db = None;
                let name = path.file_name().unwrap_or_default().shown();
                self.events.push(format!("a rewrite began: the log goes on in {name}"));
            }
            New::Rewritten => {
                self.db = None;
                self.events.push("the log was rewritten".to_owned());
            }
            New::Gone(path) => self.events.push(format!(
                "{} is gone: removed, renamed or replaced; it is waited for",
                path.shown()
            )),
            New::Back(path) => {
                self.db = None;
                self.events.push(format!("{} is there again", path.shown()));
            }
            New::Cut(path, from, to) => self.events.push(format!(
                "{} was cut from {from} to {to} bytes; it is read on from there",
                path.shown()
            )),
        }
    }

    fn command(&mut self, command: &Command<'_>) {
        let size = command.size_bytes();
        let name = command.name().to_ascii_uppercase();
        self.now.commands += 1;
        self.now.bytes += size;
        self.all_commands += 1;
        self.all_bytes += size;
        if name == b"EXEC" {
            self.now.transactions += 1;
        }
        let args: Vec<&[u8]> = command.args().collect();
        if name == b"SELECT" {
            let number = args.first().and_then(|arg| std::str::from_utf8(arg).ok());
            self.db = number.and_then(|number| number.parse().ok());
        }
        let mut place = self.db.map_or(u64::MAX, |db| db).to_be_bytes().to_vec();
        for key in command_keys(&name, &args).into_iter().flatten() {
            place.truncate(8);
            place.extend_from_slice(key);
            self.now.keys.add(&place);
            if let Some(prefix) = prefix(key, &self.separator) {
                self.now.prefixes.add(prefix);
            }
        }
        let name = if self.now.names.len() < MOST_NAMES { name } else { b"(others)".to_vec() };
        let named = self.now.names.entry(name.clone()).or_default();
        named.0 += 1;
        named.1 += size;
        if self.all_names.len() < MOST_NAMES || self.all_names.contains_key(&name) {
            *self.all_names.entry(name).or_default() += 1;
        }
    }

    /// What there is to say of the interval that ends here; the next one begins.
    fn interval(&mut self, options: &WatchOptions, elapsed: Duration) -> Interval {
        let tally = std::mem::replace(&mut self.now, Tally::new());
        let secs = elapsed.as_secs_f64().max(1e-3);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let per_sec = |n: u64| (n as f64 / secs * 10.0).round() / 10.0;
        let mut names: Vec<Named> = tally
            .names
            .into_iter()
            .map(|(name, (commands, bytes))| Named {
                total: self.all_names.get(&name).copied().unwrap_or(commands),
                name: String::from_utf8_lossy(&name).into_owned(),
                commands,
                bytes,
                per_sec: per_sec(commands),
            })
            .collect();
        names.sort_by(|a, b| b.commands.cmp(&a.commands).then_with(|| a.name.cmp(&b.name)));
        names.truncate(options.top);
        let key = |slot: Slot| {
            let (db, key) = slot.name.split_first_chunk().unwrap_or((&[0xff; 8], &[]));
            HotKey {
                db: Some(u64::from_be_bytes(*db)).filter(|db| *db != u64::MAX),
                key: key.to_vec(),
                commands: slot.count,
                at_most_over: slot.over,
                per_sec: per_sec(slot.count),
            }
        };
        let prefix = |slot: Slot| HotPrefix {
            prefix: slot.name.to_vec(),
            commands: slot.count,
            at_most_over: slot.over,
            per_sec: per_sec(slot.count),
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Interval {
            schema: "rdbkit.watch/1",
            number: 0,
            time_ms: millis(since),
            elapsed_ms: millis(elapsed),
            watched_ms: 0,
            file: String::new(),
            offset: 0,
            gone: false,
            commands: tally.commands,
            commands_per_sec: per_sec(tally.commands),
            bytes: tally.bytes,
            bytes_per_sec: per_sec(tally.bytes),
            transactions: tally.transactions,
            skipped_bytes: tally.skipped_bytes,
            total_commands: self.all_commands,
            total_bytes: self.all_bytes,
            size_bytes: 0,
            base_bytes: None,
            rewrite: None,
            events: std::mem::take(&mut self.events),
            names,
            keys: tally.keys.top(options.top).into_iter().map(key).collect(),
            prefixes: tally.prefixes.top(options.top).into_iter().map(prefix).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        percentage: u64,
        sizes: (u64, Option<u64>),
        rate: f64,
        want: Option<(u64, Option<f64>)>,
    ) {
        let options = WatchOptions {
            rewrite_percentage: percentage,
            rewrite_min_bytes: 1000,
            ..WatchOptions::default()
        };
        let sizes = Sizes { total_bytes: sizes.0, base_bytes: sizes.1 };
        let got = next_rewrite(&options, &sizes, rate).map(|next| (next.at_bytes, next.in_secs));
        assert_eq!(got, want);
    }

    #[test]
    fn the_next_rewrite_is_where_the_server_has_it() {
        check(100, (2500, Some(2000)), 100.0, Some((4000, Some(15.0))));
        check(50, (2500, Some(2000)), 100.0, Some((3000, Some(5.0))));
        check(100, (10, Some(10)), 100.0, Some((1001, Some(10.0))));
        check(100, (5000, Some(2000)), 100.0, Some((4000, Some(0.0))));
        check(100, (2500, Some(2000)), 0.0, Some((4000, None)));
        check(0, (2500, Some(2000)), 100.0, None);
        check(100, (2500, None), 100.0, None);
    }
}
