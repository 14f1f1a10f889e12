//! `digest`: the servers' DEBUG DIGEST of a source.
//!
//! Exit status: 0 all digests, 1 a source is broken, 2 could not look.

use std::ffi::{OsStr, OsString};
use std::io::Write;

use clap::Args;
use rdbkit::Error;
use rdbkit::bytes::Input as _;
use rdbkit::digest::Profile;
use rdbkit::ops::digest::{DigestOptions, digest, digest_keys};
use rdbkit::ops::walk::WalkOptions;
use rdbkit::report::digest::{DigestLine, write_json, write_key, write_key_json, write_line};
use rdbkit::report::text::plural;
use rdbkit::source::Source;

use super::args::{CommonArgs, Format, Opened, RunArgs, SourceArgs, one_stdin};
use super::exit::Exit;
use super::filters::FilterArgs;

/// Compute the digest that a server's DEBUG DIGEST would answer
///
/// Two sources with one digest hold the same data, whatever their versions, encodings and order.
/// The servers' digest leaves out when keys expire, all of a stream but its entries, and
/// functions; --full is a digest of our own that covers these too. Redis up to 7.0 prints scores
/// in another way than newer servers: say with --server whose digest to compare with.
///
/// All that is in the file counts, as it does for a replica: keys and fields of hashes that have
/// expired too. --drop-expired leaves out what a primary does not keep: expired keys, expired
/// fields, and hashes that have no others. A primary drops expired keys while it loads, and Valkey
/// expired fields too; Redis deletes these in the moments after the load.
///
/// With filters it is the digest of the keys that pass them, and of these alone: that of a server
/// which held no others. Function libraries and data of modules are no part of --full then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit digest dump.rdb
  rdbkit digest before.rdb after.rdb --full
  rdbkit digest dump.rdb --server redis:7.0 --drop-expired
  rdbkit digest dump.rdb --per-key | sort > keys.digests
  rdbkit digest dump.rdb redis://db1 --prefix user: --db 0

Exit status: 0 all digests were computed, 1 a source is broken, 2 could not look")]
pub(crate) struct DigestArgs {
    /// RDB files, AOFs or appendonlydirs (logs are run first); `-` is standard input
    #[arg(required = true)]
    sources: Vec<OsString>,

    /// A line for each key, as DEBUG DIGEST-VALUE answers
    #[arg(long)]
    per_key: bool,

    /// Whose digest: redis:7.0, redis:8.0, valkey:9.1, redict … [default: the newest Valkey for
    /// a snapshot of Valkey 9 and newer, else the newest Redis]
    #[arg(long, value_name = "NAME:VERSION", value_parser = profile, conflicts_with = "full")]
    server: Option<Profile>,

    /// Our own digest of all that a snapshot holds, 64 digits; of a log with streams it depends on
    /// --now: consumers were seen when the log is run
    #[arg(long)]
    full: bool,

    /// Leave out keys and hash fields that have expired, as a primary does (see --now); without
    /// this they count
    #[arg(long)]
    drop_expired: bool,

    /// How digests are written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    common: CommonArgs,
}

pub(crate) fn run(args: &DigestArgs) -> Result<Exit, Error> {
    one_stdin(&args.sources)?;
    let options = DigestOptions {
        full: args.full,
        drop_expired_at_ms: args.drop_expired.then(|| args.run.now_ms()),
        filter: args.filters.filter(args.run.now_ms())?,
        walk: WalkOptions {
            // What a log leads to is what that server makes of it.
            target: args.server.and_then(|server| server.to_string().parse().ok()),
            ..args.common.walk(args.run.now_ms(), &args.run)
        },
        open: args.from.options()?,
        ..DigestOptions::default()
    };
    let mut out = super::stdout();
    let mut exit = Exit::Clean;
    for source in &args.sources {
        let done = one(args, source, &options, &mut out);
        // What was computed is told before what was not, and the others are looked at all the same.
        out.flush().map_err(super::cannot_write)?;
        match done {
            Ok(one) => exit = exit.max(one),
            Err(error) if super::exit::is_closed_pipe(&error) => return Err(error),
            Err(error) => {
                super::complain(&super::sentence(&error));
                exit = exit.max(super::exit::of(&error));
            }
        }
    }
    super::say_lacking(&options.filter, &args.common);
    Ok(exit)
}

fn one(
    args: &DigestArgs,
    source: &OsStr,
    options: &DigestOptions,
    out: &mut (impl Write + Send),
) -> Result<Exit, Error> {
    let Opened { name, mut source, bar } = args.from.open_with_bar(source, &args.common)?;
    let profile = args.server.unwrap_or_else(|| writer(&mut source));
    let options = &DigestOptions { profile, ..options.clone() };
    let ended = if args.per_key {
        digest_keys(
            source,
            options,
            &mut |key| match args.format {
                Format::Human => write_key(out, &key.digest, key.db, &key.key),
                Format::Json => write_key_json(out, &name, &key.digest, key.db, &key.key),
            },
            &bar,
        )?
    } else {
        let report = digest(source, options, &bar)?;
        drop(bar);
        if report.ended.fault.is_some() {
            return super::say_ended(&name, report.ended);
        }
        if report.uncovered > 0 && !args.common.is_quiet() {
            super::complain(&format!(
                "{name}: {} keys are of modules whose digest only the module can compute, so a \
                 server's digest will be another",
                report.uncovered
            ));
        }
        if let (0, Some(all)) = (report.keys, report.filtered_from)
            && all.keys > 0
            && !args.common.is_quiet()
        {
            super::complain(&format!(
                "{name}: none of {} passes the filters: this is the digest of nothing",
                plural(all.keys, "key")
            ));
        }
        match args.format {
            Format::Human => write_line(out, &report.digest, &report.name)?,
            Format::Json => write_json(
                out,
                &DigestLine {
                    schema: "rdbkit.digest/1",
                    source: &report.name,
                    digest: &report.digest,
                    server: &if args.full { "full".into() } else { options.profile.to_string() },
                    keys: report.keys,
                    expired: report.expired,
                    empty: report.empty,
                    uncovered: report.uncovered,
                    filtered_from: report.filtered_from,
                },
            )?,
        }
        report.ended
    };
    super::say_ended(&name, ended)
}

/// Whose digest it is where nobody says it: that of the kind of server that wrote the snapshot.
fn writer(source: &mut Source) -> Profile {
    const MAGIC: &[u8] = b"VALKEY";
    let Some(feed) = &mut source.feed else { return Profile::default() };
    // A failure is met again where the source is read.
    while feed.buffer().len() < MAGIC.len() && matches!(feed.more(), Ok(true)) {}
    if feed.buffer().starts_with(MAGIC) { Profile::NEWEST_VALKEY } else { Profile::default() }
}

fn profile(text: &str) -> Result<Profile, String> {
    text.parse::<Profile>().map_err(|error| error.to_string())
}
