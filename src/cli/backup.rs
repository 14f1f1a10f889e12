//! `backup`: the snapshot of a live server in a file, and a log that goes on behind it.
//!
//! Exit status: 0 it is there and sound, 1 what came is not sound and was not kept, 2 it could not
//! be made.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::bytes::PathName as _;
use rdbkit::live::Endpoint;
use rdbkit::ops::backup::follow::{FollowObserver, FollowOutcome, follow};
use rdbkit::ops::backup::{BackupOptions, Outcome, backup};
use rdbkit::ops::walk::Observer;
use rdbkit::report::backup::{write_followed, write_followed_json, write_json, write_text};
use rdbkit::report::check;
use rdbkit::report::metrics::{of_backups, of_followed, of_no_backup};
use rdbkit::target::Packing;

use super::args::{CommonArgs, Format};
use super::exit::Exit;
use super::live::LiveArgs;
use super::metrics::MetricsArgs;
use super::progress::Bar;

/// Take a snapshot of a live server, checked while it comes
///
/// The server sends it as to a new replica. It appears, as a whole, only if it is sound, with a text
/// beside it that says what it is: the time, the server and its version, the point of its replication
/// stream, sizes, SHA-256, keys by database, and the digest with which a restored server can be
/// compared. In a directory each backup is named after its server and its time, and --keep removes
/// the oldest of this server that were made here. Of a Cluster there is a file for each master.
///
/// With --follow the directory is a multi-part log that any server since 7.0 loads: the snapshot as
/// its base, and behind it every command with its time, synced each second, until it is stopped by
/// SIGINT or SIGTERM. The same call goes on where it was left, also after a crash. Of a Cluster each
/// master has a directory below, and who takes its place is followed there.
#[derive(Debug, Args)]
// Here everybody needs them, not only who has a live source.
#[command(mut_args(|arg| match arg.get_help_heading() {
    Some("Live server options") => arg.hide_short_help(false),
    _ => arg,
}))]
#[command(after_help = "\
Examples:
  rdbkit backup redis://db1 -o db1.rdb
  rdbkit backup rediss://backup@db1 --password-file /etc/backup.pw -o /backups/ --compress zstd --keep 14
  rdbkit backup redis+sentinel://s1,s2,s3/mymaster --prefer-replica -o /backups/
  rdbkit backup redis+cluster://n1,n2 -o /backups/ --format json
  rdbkit backup redis://db1 --follow -o /backups/db1-log/
  rdbkit backup redis+cluster://n1,n2 --follow -o /backups/cluster-log/

Exit status: 0 it is there and sound, 1 what came is not sound and nothing was kept, 2 it could not
be made")]
pub(crate) struct BackupArgs {
    /// The server: redis://, unix://, redis+sentinel://, redis+cluster://; over TLS rediss://,
    /// rediss+sentinel://, rediss+cluster://
    url: String,

    /// The file to write; or a directory, where each backup gets a name of its own
    #[arg(long, short, value_name = "FILE|DIR")]
    output: OsString,

    /// Compress it
    #[arg(long, value_name = "HOW", value_enum, conflicts_with = "follow")]
    compress: Option<Compress>,

    /// Check frames and the checksum only, not into values
    #[arg(long)]
    quick: bool,

    /// Compute no digest
    #[arg(long)]
    no_digest: bool,

    /// Write the function libraries beside it, as JSON; they are in it too
    #[arg(long, conflicts_with = "follow")]
    also_functions: bool,

    /// Keep so many backups of this server in the directory, and remove older ones made here
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "follow")]
    keep: Option<u32>,

    /// Replace a file that exists
    #[arg(long, short, conflicts_with = "follow")]
    force: bool,

    /// Go on with the commands that come after the snapshot, until stopped
    #[arg(long)]
    follow: bool,

    /// How the report is written: one JSON document for each file
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    live: LiveArgs,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compress {
    /// Small and quick
    Zstd,
    /// What everything reads
    Gzip,
}

impl BackupArgs {
    /// Whether the options go together: of backups in one file none are kept, and some are for TLS.
    pub(super) fn fits(&self) -> bool {
        let ends_as_one = self.output.as_encoded_bytes().ends_with(b"/");
        let several = self.url.contains("+cluster://");
        let is_directory = ends_as_one || several || Path::new(&self.output).is_dir();
        let keeps = self.keep.is_none() || is_directory;
        keeps && self.live.idle([self.url.as_str()]).is_none()
    }
}

pub(crate) fn run(args: &BackupArgs) -> Result<Exit, Error> {
    let endpoint = args.live.endpoint(&args.url)?;
    let done = take(args, &endpoint);
    // Who watches wants to hear of a backup that is missing, most of all.
    if !matches!(done, Ok(Exit::Clean)) {
        let written = args.metrics.write("backup", || of_no_backup(&endpoint.to_string()));
        return done.and_then(|exit| written.map(|()| exit));
    }
    done
}

fn take(args: &BackupArgs, endpoint: &Endpoint) -> Result<Exit, Error> {
    if let Some(why) = args.live.idle([args.url.as_str()]) {
        return Err(Error::Usage(why));
    }
    let stop = stop()?;
    let options = BackupOptions {
        output: PathBuf::from(&args.output),
        force: args.force,
        packing: args.compress.map(|compress| match compress {
            Compress::Zstd => Packing::Zstd,
            Compress::Gzip => Packing::Gzip,
        }),
        quick: args.quick,
        digest: !args.no_digest && !args.follow,
        functions: args.also_functions,
        keep: args.keep.and_then(|keep| usize::try_from(keep).ok()),
        max_findings: 100,
        live: args.live.options()?,
        stop: Arc::clone(&stop),
    };
    if args.follow {
        return run_follow(args, endpoint, &options);
    }
    let bar = Bar::counting(&endpoint.to_string(), None, args.common.shows_progress())
        .speaking(!args.common.is_quiet());
    let outcome = backup(endpoint, &options, &bar);
    drop(bar);
    if outcome.is_err() && stop.load(Ordering::Relaxed) {
        super::complain("stopped before the snapshot had come whole: nothing was kept of it");
        return Ok(Exit::Failed);
    }
    let outcome = outcome?;
    let taken = match outcome {
        Outcome::Taken(taken) => taken,
        Outcome::Unsound(report) => return unsound(args, &report),
    };
    if !args.common.is_quiet() {
        taken.iter().flat_map(|one| &one.begun_anew).for_each(|words| super::complain(words));
    }
    let mut out = super::stdout();
    for one in &taken {
        let path = one.path.shown().to_string();
        match args.format {
            Format::Human => {
                write_text(&mut out, &one.backup, &path, &one.removed, args.common.style())?;
            }
            Format::Json => write_json(&mut out, &one.backup)?,
        }
    }
    out.flush().map_err(super::cannot_write)?;
    args.metrics.write("backup", || of_backups(taken.iter().map(|one| &one.backup)))?;
    if let ([one], false) = (taken.as_slice(), args.common.is_quiet())
        && one.backup.server.cluster_node
        && one.backup.server.slots.is_empty()
    {
        super::complain(&format!(
            "{} is a node of a Cluster, and this is a backup of its slots only; redis+cluster:// \
             takes one of each master",
            one.backup.server.url
        ));
    }
    Ok(Exit::Clean)
}

/// What SIGINT and SIGTERM set.
fn stop() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let handler = move || {
        // Who asks twice does not want to wait for a server that says nothing.
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(2);
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Error::Usage(format!("cannot listen for signals: {error}")))?;
    Ok(stop)
}

fn unsound(args: &BackupArgs, report: &check::CheckReport) -> Result<Exit, Error> {
    let mut out = super::stdout();
    match args.format {
        Format::Json => check::write_json(&mut out, report)?,
        Format::Human => {
            check::write_text(&mut out, report, args.common.style(), args.common.width())?;
        }
    }
    out.flush().map_err(super::cannot_write)?;
    super::complain("what came is not sound, so nothing was kept and what was there is untouched");
    Ok(Exit::Findings)
}

fn run_follow(
    args: &BackupArgs,
    endpoint: &Endpoint,
    options: &BackupOptions,
) -> Result<Exit, Error> {
    let quiet = args.common.is_quiet();
    let bar = Bar::counting(&endpoint.to_string(), None, args.common.shows_progress());
    let teller = Teller { bar: bar.speaking(!quiet), quiet };
    let outcome = follow(endpoint, options, &teller)?;
    drop(teller);
    let followed = match outcome {
        FollowOutcome::Stopped(followed) => followed,
        FollowOutcome::Unsound(report) => return unsound(args, &report),
    };
    let mut out = super::stdout();
    let missing = followed.iter().find(|one| !one.is_begun());
    for one in followed.iter().filter(|one| one.is_begun()) {
        match args.format {
            Format::Human => write_followed(&mut out, one, args.common.style())?,
            Format::Json => write_followed_json(&mut out, one)?,
        }
    }
    out.flush().map_err(super::cannot_write)?;
    if followed.is_empty() {
        super::complain(&format!("stopped before the nodes of {endpoint} were known"));
        return Ok(Exit::Failed);
    }
    if let Some(none) = missing {
        super::complain(&format!(
            "stopped before a snapshot of {} had come: there is no backup of it in {}",
            none.server, none.directory
        ));
        return Ok(Exit::Failed);
    }
    args.metrics.write("backup", || of_followed(&followed))?;
    Ok(Exit::Clean)
}

struct Teller {
    bar: Bar,
    quiet: bool,
}

impl Observer for Teller {
    fn progress(&self, bytes_done: u64) {
        self.bar.progress(bytes_done);
    }

    fn waiting(&self, why: &str) {
        self.bar.waiting(why);
    }

    fn goes_on(&self) {
        self.bar.goes_on();
    }
}

impl FollowObserver for Teller {
    fn say(&self, what: &str) {
        if !self.quiet {
            super::complain(what);
        }
    }
}
