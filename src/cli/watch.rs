//! `watch`: what a server writes into its log.
//!
//! Exit status: 0 it was watched as long as asked, 1 it is no log, or broken, 2 it could not be.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::watch::{WatchOptions, watch};
use rdbkit::report::watch::{WatchTable, write_json};
use rdbkit::source::Locator;
use terminal_size::terminal_size_of;

use super::args::{CommonArgs, bytes, number};
use super::exit::Exit;
use super::filters::size;

/// How intervals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WatchFormat {
    /// A table, drawn anew on a terminal
    Human,
    /// One JSON object per interval
    Json,
}

/// Watch a log while a server writes it: commands, hottest keys, growth
///
/// Follows the log from its end on, across rewrites and into new files: commands per second and by
/// name, the keys and prefixes that most of them are about, the size of the log, and when the
/// server will rewrite it by itself. On a terminal a table is drawn anew for each interval,
/// elsewhere there is a JSON object per line.
///
/// The hottest keys are counted in bounded memory; where that makes a count uncertain, JSON says
/// by how much. Of a log in one file, as servers before 7.0 keep it, nothing says how large it was
/// after its last rewrite: --base-size does, or the next rewrite will. A log that is removed, replaced
/// or cut meanwhile is told, and followed again when it is back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit watch /var/lib/redis/appendonlydir
  rdbkit watch appendonlydir --interval 10s --for 1h --format json > load.ndjson
  rdbkit watch appendonly.aof --count 1 --top 50

Exit status: 0 watched as long as asked, 1 it is no log, or broken, 2 could not")]
pub(crate) struct WatchArgs {
    /// appendonlydir, its manifest, or an AOF
    log: PathBuf,

    /// How long an interval is
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    interval: Duration,

    /// Stop after so many intervals
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    count: Option<u64>,

    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    run_for: Option<Duration>,

    /// Name so many commands, keys and prefixes
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// What ends the prefix of a key
    #[arg(long, value_name = "TEXT", default_value = ":")]
    separator: std::ffi::OsString,

    /// The server's auto-aof-rewrite-percentage; 0: it does not rewrite by itself
    #[arg(long, value_name = "N", default_value = "100", value_parser = number)]
    rewrite_percentage: u64,

    /// The server's auto-aof-rewrite-min-size
    #[arg(long, value_name = "BYTES", default_value = "64mb", value_parser = size)]
    rewrite_min_size: u64,

    /// The size of the log after its last rewrite, where its files do not tell
    #[arg(long, value_name = "BYTES", value_parser = size)]
    base_size: Option<u64>,

    /// How intervals are written [default: human on a terminal, json elsewhere]
    #[arg(long, value_enum)]
    format: Option<WatchFormat>,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

pub(crate) fn run(args: &WatchArgs) -> Result<Exit, Error> {
    let options = WatchOptions {
        interval: args.interval,
        count: args.count,
        run_for: args.run_for,
        top: args.top,
        separator: bytes(&args.separator),
        rewrite_percentage: args.rewrite_percentage,
        rewrite_min_bytes: args.rewrite_min_size,
        base_bytes: args.base_size,
    };
    if let Locator::Live(url) = Locator::from(args.log.as_os_str()) {
        return Err(Error::Usage(format!(
            "{url} is a live server, and watched is a log on this machine: name its appendonlydir"
        )));
    }
    if args.log.as_os_str() == "-" {
        let why =
            "standard input cannot be followed: name the appendonlydir of a server, or its AOF";
        return Err(Error::Usage(why.to_owned()));
    }
    if args.count == Some(0) {
        return Ok(Exit::Clean);
    }
    let terminal = std::io::stdout().is_terminal();
    let format = args.format.unwrap_or(match terminal {
        true => WatchFormat::Human,
        false => WatchFormat::Json,
    });
    let height = terminal_size_of(std::io::stdout()).map_or(24, |(_, height)| height.0.into());
    let style = args.common.style();
    let mut table = WatchTable::new(style, terminal, args.common.width(), height);
    let mut out = super::stdout();
    watch(&args.log, &options, &mut |interval| {
        match format {
            WatchFormat::Human => table.draw(&mut out, interval)?,
            WatchFormat::Json => {
                write_json(&mut out, interval)?;
                std::io::Write::flush(&mut out).map_err(super::cannot_write)?;
            }
        }
        Ok(true)
    })?;
    Ok(Exit::Clean)
}

/// A span of time, not none.
fn time(text: &str) -> Result<Duration, String> {
    let forms = "give a time such as 500ms, 10s, 5m or 1h";
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(forms.to_owned()),
    }
}
