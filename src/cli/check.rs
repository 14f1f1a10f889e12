//! `check`: is it sound, and where not, exactly where and why?
//!
//! Exit status: 0 sound, 1 findings of severity error, 2 could not look.

use std::ffi::OsString;
use std::io::Write as _;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::check::{CheckOptions, check_source, unreadable};
use rdbkit::report::check::{
    CheckReport, SourceReport, write_github, write_json, write_junit, write_sarif, write_text,
};
use rdbkit::report::metrics;
use rdbkit::source::Locator;

use super::args::{CommonArgs, RunArgs, SourceArgs, one_stdin};
use super::defaults::Defaulted;
use super::exit::Exit;
use super::filters::FilterArgs;
use super::metrics::MetricsArgs;
use super::policy::PolicyArgs;

/// How a check is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// For the eye
    Human,
    /// One JSON document
    Json,
    /// JUnit XML, a suite for each source
    Junit,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

/// Say whether files are sound and, if not, exactly where and why
///
/// By default every value is looked into: order, duplicates, counts, lengths and ranges, at least
/// as deep as a server with sanitize-dump-payload yes. The check goes on after a fault where it
/// can and lists all that it finds: what was expected and found, at which offset, under which
/// key, and what a server would do with it. Of a log it says up to which offset it is good.
/// Of function libraries only the first line is looked at: their code is not compiled.
///
/// Filters choose the keys that policies are asked of (--max-keys counts those that pass); whether
/// the source is sound is looked at in all of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit check dump.rdb
  rdbkit check --quick backups/*.rdb.zst
  rdbkit check appendonlydir --format json | jq '.sources[].files[].good_up_to'
  ssh db1 cat /var/lib/redis/dump.rdb | rdbkit check -
  rdbkit check dump.rdb --loads-in redis:6.2,valkey:9.0 --max-age 26h --require-ttl session:
  rdbkit check dump.rdb --max-key-bytes 1mb --not-prefix cache: --db 0
  rdbkit check backups/*.rdb --policy policies.toml --format junit > report.xml

Exit status: 0 sound and all policies kept, 1 findings of severity error, 2 a source could not be
looked at")]
pub(crate) struct CheckArgs {
    /// RDB or AOF files, manifests or appendonlydirs, plain or compressed; `-` is standard input
    #[arg(required = true)]
    sources: Vec<OsString>,

    /// Look at frames and checksums only, not into values
    #[arg(long)]
    quick: bool,

    /// Go on in spite of a checksum that does not match, and call it a warning
    #[arg(long)]
    ignore_checksum: bool,

    /// How many findings to list for each file and each policy; the rest is counted
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true)]
    max_findings: u32,

    /// How the report is written
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    format: CheckFormat,

    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[arg(skip)]
    pub(super) defaulted: Defaulted,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Exit, Error> {
    one_stdin(&args.sources)?;
    let policy = args.policy.policy(args.defaulted.has("warn"))?;
    let filter = args.filters.filter(args.run.now_ms())?;
    // No error: it may be a default that other verbs are meant by.
    if !filter.is_empty() && policy.is_empty() && !args.common.is_quiet() {
        super::complain(
            "filters choose the keys that policies are asked of, and no policy is asked: all of the \
             source is looked at",
        );
    }
    let options = CheckOptions {
        quick: args.quick,
        ignore_checksum: args.ignore_checksum,
        threads: args.common.threads(),
        max_findings: usize::try_from(args.max_findings).unwrap_or(usize::MAX),
        open: args.from.options()?,
        filter,
        policy,
        now_ms: args.run.now_ms(),
        skip_unknown: args.run.skips_unknown(),
    };
    let mut report = CheckReport::default();
    for name in &args.sources {
        let opened = args.from.open_with_bar(name, &args.common);
        if let Ok(opened) = &opened {
            args.metrics.judge(&opened.source)?;
        }
        let checked = opened.and_then(|opened| check_source(opened.source, &options, &opened.bar));
        // The others are checked all the same.
        report.sources.push(checked.unwrap_or_else(|error| {
            let words = super::sentence(&error);
            let told = unreadable(Locator::from(name.as_os_str()).to_string(), error);
            SourceReport { could_not_look: told.could_not_look.and(Some(words)), ..told }
        }));
    }

    super::say_lacking(&options.filter, &args.common);
    let mut out = super::stdout();
    match args.format {
        CheckFormat::Json => write_json(&mut out, &report)?,
        CheckFormat::Junit => write_junit(&mut out, &report)?,
        CheckFormat::Sarif => write_sarif(&mut out, &report)?,
        CheckFormat::Github => write_github(&mut out, &report)?,
        CheckFormat::Human => {
            write_text(&mut out, &report, args.common.style(), args.common.width())?;
        }
    }
    out.flush().map_err(super::cannot_write)?;
    args.metrics.write("check", || metrics::of_check(&report))?;
    Ok(if !report.is_complete() {
        Exit::Failed
    } else if report.is_sound() && report.keeps_policy() {
        Exit::Clean
    } else {
        Exit::Findings
    })
}
