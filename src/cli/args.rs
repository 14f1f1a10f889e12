//! The options that all verbs share.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::DateTime;
use rdbkit::Error;
use rdbkit::memory::Allocator;
use rdbkit::ops::memory::MemoryOptions;
use rdbkit::ops::rewrite::Rename;
use rdbkit::ops::walk::WalkOptions;
use rdbkit::rdb::Target;
use rdbkit::report::text::Style;
use rdbkit::source::{Form, Locator, OpenOptions, Source};
use terminal_size::terminal_size_of;

use super::defaults::Defaulted;
use super::progress::Bar;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For the eye
    Human,
    /// One JSON document, or one JSON object per line where there is a row per key
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// If standard output is a terminal and NO_COLOR is not set
    Auto,
    /// Whatever it is
    Always,
    /// Not at all
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Take the source for this, whatever its content looks like
    #[arg(
        long,
        value_name = "FORM",
        value_parser = ["rdb", "aof", "aof-dir", "manifest", "ndjson", "dump"],
        help_heading = "Source options"
    )]
    from: Option<String>,

    /// Read files instead of mapping them: slower, but safe while another process may cut them short
    #[arg(long, help_heading = "Source options")]
    no_mmap: bool,

    #[cfg(feature = "live")]
    #[command(flatten)]
    pub(crate) live: super::live::LiveArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Memory options")]
pub(crate) struct MemoryArgs {
    /// Whose memory is estimated: redis:7.0, valkey:9.1 … [default: the server that wrote the file]
    #[arg(long, value_name = "NAME:VERSION", value_parser = target)]
    server: Option<Target>,

    /// The allocator of that server: jemalloc-q8 (images and builds of the projects), jemalloc-q16
    /// (Debian, Ubuntu), jemalloc-5.3.1 (newer ones of these) or libc [default: jemalloc-q8]
    #[arg(long, value_name = "NAME", value_parser = allocator)]
    allocator: Option<Allocator>,
}

impl MemoryArgs {
    /// Whether one of them is given.
    pub(crate) fn is_given(&self) -> bool {
        self.server.is_some() || self.allocator.is_some()
    }

    /// Whether one of them is a default from elsewhere, which alone asks for no estimate.
    pub(crate) fn is_defaulted(&self, defaulted: &Defaulted) -> bool {
        defaulted.has("server") || defaulted.has("allocator")
    }

    /// Whose memory is estimated.
    pub(crate) fn options(&self) -> MemoryOptions {
        MemoryOptions { server: self.server, allocator: self.allocator.unwrap_or_default() }
    }
}

fn allocator(text: &str) -> Result<Allocator, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct CommonArgs {
    /// Threads to use [default: one for each processor]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Say nothing on standard error but what went wrong
    #[arg(long, short)]
    quiet: bool,

    /// Show no progress bar
    #[arg(long)]
    no_progress: bool,

    /// Use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, hide_possible_values = true)]
    color: Color,
}

/// What to do with a command that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unknown {
    /// Stop
    Stop,
    /// Step over it
    Skip,
}

/// Standard input can be read once.
pub(crate) fn one_stdin(sources: &[OsString]) -> Result<(), Error> {
    match sources.iter().filter(|source| *source == "-").count() {
        0 | 1 => Ok(()),
        _ => Err(Error::Usage("standard input can be one source, not several".to_owned())),
    }
}

/// How a source that is a log is run.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// What to do with a command of a log that is not known or cannot be run here
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Unknown::Stop, help_heading = "Source options")]
    on_unknown: Unknown,

    /// The time from which times to live are counted, with its zone: 2026-11-23T14:00:00Z or
    /// 2026-11-23T14:00:00+02:00; or unix time in seconds or milliseconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant, allow_negative_numbers = true, help_heading = "Common options")]
    now: Option<i64>,
}

impl RunArgs {
    /// Whether commands that are not known are stepped over.
    pub(crate) fn skips_unknown(&self) -> bool {
        self.on_unknown == Unknown::Skip
    }

    /// Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }
}

impl CommonArgs {
    /// Threads to use.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            Some(threads) => threads.into(),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// How keys are walked over, at a time.
    pub(crate) fn walk(&self, now_ms: i64, run: &RunArgs) -> WalkOptions {
        WalkOptions {
            threads: self.threads(),
            now_ms: Some(now_ms),
            skip_unknown: run.skips_unknown(),
            ..WalkOptions::default()
        }
    }

    /// Whether only failures are told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a bar may be drawn.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && !self.no_progress && std::io::stderr().is_terminal()
    }

    /// How text on standard output may look.
    pub(crate) fn style(&self) -> Style {
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            // An empty NO_COLOR counts as not set, as no-color.org asks.
            Color::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Style { color }
    }

    /// How many columns a line of text on standard output may have.
    pub(crate) fn width(&self) -> usize {
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into());
        asked.or_else(terminal).unwrap_or(100)
    }
}

impl SourceArgs {
    /// How sources are opened.
    pub(crate) fn options(&self) -> Result<OpenOptions, Error> {
        let from = self.from.as_deref().map(str::parse::<Form>).transpose();
        Ok(OpenOptions {
            no_mmap: self.no_mmap,
            from: from.map_err(Error::Usage)?,
            #[cfg(feature = "live")]
            live: self.live.options()?,
            ..OpenOptions::default()
        })
    }

    /// Opens a source for a verb that reads it from its start to its end: with its name, and a
    /// progress bar where one may be drawn.
    pub(crate) fn open_with_bar(
        &self,
        source: &OsStr,
        common: &CommonArgs,
    ) -> Result<Opened, Error> {
        let source = self.open(source)?;
        let bar = Bar::of(&source, common.shows_progress());
        Ok(Opened { name: source.name.clone(), bar, source })
    }

    /// Opens a source.
    pub(crate) fn open(&self, source: &OsStr) -> Result<Source, Error> {
        rdbkit::source::open(&Locator::from(source), &self.options()?)
    }
}

/// A source on its way to a verb.
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) bar: Bar,
}

/// The bytes of an argument.
pub(crate) fn bytes(argument: &OsString) -> Vec<u8> {
    argument.as_encoded_bytes().to_vec()
}

/// New names for keys.
pub(crate) fn renames(rules: &[OsString]) -> Result<Vec<Rename>, Error> {
    let rename = |rule: &OsString| {
        Rename::new(&bytes(rule))
            .map_err(|why| Error::Usage(format!("--rename {}: {why}", rule.display())))
    };
    rules.iter().map(rename).collect()
}

/// A number of things.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "give a whole number, 0 or more".to_owned())
}

/// A point in time as unix milliseconds.
pub(super) fn instant(text: &str) -> Result<i64, String> {
    if let Ok(number) = text.parse::<i64>() {
        // Seconds stay below this until the year 5138, milliseconds were above it from 1973 on.
        return Ok(if number.abs() < 100_000_000_000 { number * 1000 } else { number });
    }
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| {
        let forms = "2026-11-23T14:00:00Z, 2026-11-23T14:00:00+02:00, or unix time in seconds or \
                     milliseconds";
        match text.parse::<DateTime>() {
            Ok(_) => format!("a time needs its zone: {forms}"),
            Err(_) => format!("a time is one of {forms}"),
        }
    })
}

/// A point in time as unix seconds, as logs have it.
pub(super) fn secs(text: &str) -> Result<u64, String> {
    let ms = instant(text)?;
    u64::try_from(ms.div_euclid(1000)).map_err(|_| "no log is that old".to_owned())
}

/// A span of time with a sign, in milliseconds: 3d, -12h.
pub(super) fn signed_ms(text: &str) -> Result<i64, String> {
    let (sign, time) = match text.strip_prefix('-') {
        Some(time) => (-1, time),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let time = humantime::parse_duration(time)
        .map_err(|_| "give a time such as 3d, 12h or -30m".to_owned())?;
    i64::try_from(time.as_millis()).map(|ms| sign * ms).map_err(|_| "that is too long".to_owned())
}

/// A server that something is done for.
pub(super) fn target(text: &str) -> Result<Target, String> {
    text.parse::<Target>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{instant, signed_ms};

    #[test]
    fn spans_have_a_sign() {
        assert_eq!(signed_ms("2h"), Ok(7_200_000));
        assert_eq!(signed_ms("-30m"), Ok(-1_800_000));
        assert!(signed_ms("soon").is_err());
    }

    #[test]
    fn times_come_in_three_forms() {
        assert_eq!(instant("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert_eq!(instant("1700000000"), Ok(1_700_000_000_000));
        assert_eq!(instant("1700000000123"), Ok(1_700_000_000_123));
        assert_eq!(instant("2023-11-15T00:13:20+02:00"), Ok(1_700_000_000_000));
        assert!(instant("yesterday").is_err_and(|why| why.contains("is one of")));
        for text in ["2023-11-14T22:13:20", "2023-11-14"] {
            assert!(instant(text).is_err_and(|why| why.contains("needs its zone")), "{text}");
        }
    }
}
