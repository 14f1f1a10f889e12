//! `replay --to`: loads a source into live servers.
//!
//! Exit status: 0 all is there, 1 something is not, 2 stopped before the end.

use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::live::{Access, Connector, Endpoint, LiveOptions, Place, Timeouts};
use rdbkit::ops::load::{self, CrossSlot, LoadOptions, OnExisting, StatePlace, Verify, connect};
use rdbkit::ops::run::Until;
use rdbkit::rdb::Target;
use rdbkit::report::load::{write_json, write_text};
use rdbkit::report::metrics::of_load;
use rdbkit::source::{Form, Locator};
use rdbkit::target::live::{CourierOptions, Rate};

use super::args::{CommonArgs, RunArgs, SourceArgs, number, renames, signed_ms};
use super::exit::Exit;
use super::filters::{FilterArgs, size};
use super::metrics::MetricsArgs;
use super::output::ReportArgs;
use super::progress::Bar;

/// What only a live target has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live target (with --to)")]
pub(crate) struct LoadArgs {
    /// Load the keys into this live server instead: redis://, unix://, redis+sentinel://,
    /// redis+cluster://; over TLS rediss://, rediss+sentinel://, rediss+cluster://
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,

    /// What is sent
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t = As::Auto, requires = "to")]
    send: As,

    /// With --as log into a Cluster: a command or a transaction with keys in several slots
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Cross::Split, requires = "to")]
    cross_slot: Cross,

    /// What to do with a key that is there
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Existing::Replace, requires = "to")]
    on_existing: Existing,

    /// Empty the target first: all databases, of all masters
    #[arg(long, requires = "to")]
    flush_first: bool,

    /// Do not ask before the target is emptied
    #[arg(long, short, requires = "flush_first")]
    yes: bool,

    /// Leave out keys and hash fields that have expired (see --now), instead of letting the server
    /// drop them
    #[arg(long, requires = "to")]
    drop_expired: bool,

    /// Let keys and fields of hashes expire later by this, or sooner: 2h, -30m
    #[arg(long, value_name = "TIME", value_parser = signed_ms, allow_hyphen_values = true, requires = "to")]
    ttl_shift: Option<i64>,

    /// Send the keys of a database to another one
    #[arg(long, value_name = "OLD=NEW", value_parser = super::rewrite::databases, requires = "to")]
    map_db: Vec<(u64, u64)>,

    /// Give keys new names; a star stands for any bytes: 'old:*=new:*'
    #[arg(long, value_name = "OLD=NEW", requires = "to")]
    rename: Vec<OsString>,

    /// Send no faster than this: keys in a second, or bytes: 50000, 10mb
    #[arg(long, value_name = "N|BYTES", value_parser = rate, requires = "to")]
    rate: Option<Rate>,

    /// Connections to the server; of a Cluster, each node has one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64), requires = "to")]
    connections: u16,

    /// Bytes on their way to each server
    #[arg(long, value_name = "BYTES", default_value = "16mb", value_parser = size, requires = "to")]
    pipeline: u64,

    /// How long to wait for a target that is full, busy, loading or gone
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration, requires = "to")]
    patience: Duration,

    /// Stop when more keys than this are refused [default: never]
    #[arg(long, value_name = "N", value_parser = number, requires = "to")]
    max_errors: Option<u64>,

    /// Compare afterwards [default: sample for snapshots, none for logs]
    #[arg(long, value_name = "HOW", value_enum, requires = "to")]
    verify: Option<VerifyHow>,

    /// Keep the state here, by which an interrupted replay goes on [default: beside the source]
    #[arg(long, value_name = "FILE", requires = "to")]
    state: Option<PathBuf>,

    /// Keep no state
    #[arg(long, conflicts_with = "state", requires = "to")]
    no_state: bool,

    /// Begin anew, whatever the state says
    #[arg(long, requires = "to")]
    restart: bool,

    /// Only say what would be sent, and to which server
    #[arg(long, requires = "to")]
    dry_run: bool,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    /// What is fastest: RESTORE, SET for plain strings, commands where RESTORE cannot serve
    Auto,
    /// RESTORE for every key
    Restore,
    /// The commands that make each key, RESTORE for what no command can say
    Commands,
    /// The commands of a log, one by one and in their order, each exactly once
    Log,
}

/// What to do with a command whose keys are in several slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cross {
    /// Take it apart where its parts mean the same, else leave it out and report it
    Split,
    /// Refuse the log, before anything is sent
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Existing {
    /// Replace it
    Replace,
    /// Leave it alone
    Skip,
    /// Take it for an error
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VerifyHow {
    /// Not at all
    None,
    /// About a thousand keys
    Sample,
    /// Every key
    Full,
}

impl LoadArgs {
    /// An option that would change nothing here, and why.
    pub(super) fn idle(&self) -> Option<String> {
        let endpoint = self.to.as_ref()?.parse::<Endpoint>().ok()?;
        let is_cluster = matches!(endpoint.place, Place::Cluster { .. });
        let several = self.connections > 1;
        let words = match () {
            () if several && is_cluster => {
                "--connections is for a server: each node of a Cluster has one"
            }
            () if self.cross_slot != Cross::Split && self.send != As::Log => {
                "--cross-slot is for --as log: keys are sent one by one"
            }
            () if self.cross_slot != Cross::Split && !is_cluster => {
                "--cross-slot is for a Cluster (redis+cluster://): a server has all slots"
            }
            () => return None,
        };
        Some(words.to_owned())
    }

    /// Whether the options go together: commands of a log are sent as they stand.
    pub(super) fn fits(&self, runs_as: Option<Target>) -> bool {
        if self.idle().is_some() {
            return false;
        }
        let verifies = !matches!(self.verify, None | Some(VerifyHow::None));
        let changes = runs_as.is_some()
            || self.ttl_shift.is_some_and(|shift| shift != 0)
            || self.on_existing != Existing::Replace
            || self.drop_expired
            || verifies;
        self.send != As::Log || !changes
    }
}

/// The server that a log is run as, and whether that is a default from elsewhere.
type RunsAs = (Option<Target>, bool);

pub(crate) fn run(
    (args, by_default, filters, url, (until, (runs_as, runs_if_log))): (
        &LoadArgs,
        bool,
        &FilterArgs,
        &str,
        (Until, RunsAs),
    ),
    (source_name, from): (&OsString, &SourceArgs),
    run: &RunArgs,
    common: &CommonArgs,
    (report_args, metrics): (&ReportArgs, &MetricsArgs),
) -> Result<Exit, Error> {
    // Defaults that change nothing were set aside before.
    let urls = [url, source_name.to_str().unwrap_or_default()];
    if let Some(why) = args.idle().or_else(|| from.live.idle(urls)) {
        return Err(Error::Usage(why));
    }
    let map_db = super::rewrite::new_numbers(&args.map_db)?;
    let mut open = from.options()?;
    let LiveOptions { access: Access { user, password }, tls, timeouts, .. } = open.live.clone();
    let endpoint = url.parse::<Endpoint>()?.with_access(user, password);
    // A command may keep a server busy; it is not gone for that.
    let reply = timeouts.reply.max(args.patience);
    let stop = Arc::new(AtomicBool::new(false));
    let connector = Connector::new(&endpoint, &tls, Timeouts { reply, ..timeouts })?.heeding(&stop);
    open.live.silence = connector.silence().cloned();
    let asks = Arc::new(AtomicBool::new(false));
    let (heard, asked) = (Arc::clone(&stop), Arc::clone(&asks));
    // A second one ends the program at once, and so does the first while a question is open.
    let listen = move || {
        let _ = ctrlc::set_handler(move || {
            if heard.swap(true, Ordering::Relaxed) || asked.load(Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
    };
    let locator = Locator::from(source_name.as_os_str());
    let again = || rdbkit::source::open(&locator, &open);
    // A server that hangs is left when asked; a pipe from which nothing comes is ended by the signal.
    let mut source = match locator {
        Locator::Live(_) => {
            listen();
            again()?
        }
        _ => {
            let source = again()?;
            listen();
            source
        }
    };
    let bar = Bar::of(&source, common.shows_progress());
    // A default about logs is none about snapshots.
    let send = match args.send {
        As::Log if by_default && !load::is_log(&mut source) => As::Auto,
        send => send,
    };
    let bar = bar.speaking(!common.is_quiet());
    metrics.judge(&source)?;
    let state = match &args.state {
        _ if args.no_state => StatePlace::Nowhere,
        Some(path) => StatePlace::File(path.clone()),
        None => StatePlace::Beside,
    };
    state.check(&source)?;
    let cannot_go_on = source.path.is_none() || source.form == Form::Ndjson;
    if cannot_go_on && !args.dry_run && send != As::Log && !common.is_quiet() {
        super::complain(&format!(
            "{}: only snapshots and logs that lie in files are gone on with; an interrupted replay \
             of this begins anew with all of it, which does no harm",
            source.name
        ));
    }
    let now_ms = run.now_ms();
    let connections = args.connections.into();
    let destination = connect(&endpoint, &connector, connections, args.patience, &bar)?;
    if args.flush_first && !args.yes && !args.dry_run {
        asks.store(true, Ordering::Relaxed);
        ask(&format!("empty {}, all databases of it?", destination.name))?;
        asks.store(false, Ordering::Relaxed);
    }
    // A log that was sent up to a point goes on from there up to another one.
    let bound = if send == As::Log { Until::default() } else { until };
    let options = LoadOptions {
        send: match send {
            As::Auto | As::Log => load::As::Auto,
            As::Restore => load::As::Restore,
            As::Commands => load::As::Commands,
        },
        cross_slot: match args.cross_slot {
            Cross::Split => CrossSlot::Split,
            Cross::Fail => CrossSlot::Fail,
        },
        on_existing: match args.on_existing {
            Existing::Replace => OnExisting::Replace,
            Existing::Skip => OnExisting::Skip,
            Existing::Fail => OnExisting::Fail,
        },
        flush_first: args.flush_first,
        drop_expired: args.drop_expired,
        ttl_shift_ms: args.ttl_shift.unwrap_or(0),
        map_db,
        database: endpoint.database.filter(|db| *db != 0),
        rename: renames(&args.rename)?,
        filter: filters.filter(now_ms)?,
        courier: CourierOptions {
            window_bytes: usize::try_from(args.pipeline.max(1)).unwrap_or(usize::MAX),
            patience: args.patience,
            max_errors: args.max_errors,
            rate: args.rate,
            stop,
            ..CourierOptions::default()
        },
        state,
        restart: args.restart,
        settings: format!(
            "{filters:?} {:?} {:?} {:?} {:?} {run:?} {bound:?} {runs_as:?}",
            args.rename, args.map_db, args.ttl_shift, args.drop_expired
        ),
        verify: args.verify.map(|how| match how {
            VerifyHow::None => Verify::None,
            VerifyHow::Sample => Verify::Sample,
            VerifyHow::Full => Verify::Full,
        }),
        dry_run: args.dry_run,
        now_ms,
        until,
        runs_as,
        runs_if_log,
        walk: common.walk(now_ms, run),
        open: open.clone(),
    };
    let report = match send {
        As::Log => load::load_log(source, destination, &options, &bar)?,
        _ => load::load(source, &again, destination, &options, &bar)?,
    };
    drop(bar);
    super::say_lacking(&options.filter, common);
    metrics.write("replay", || of_load(&report))?;
    report_args.tell(&report, common, write_text, write_json)?;
    if let Some(why) = &report.stopped {
        super::complain(why);
        return Ok(if report.is_broken { Exit::Findings } else { Exit::Failed });
    }
    let end = super::say_ran(&report.source, report.ran.as_ref());
    if let Some([stored, computed]) = &report.checksum_mismatch {
        super::complain_of_checksum(&report.source, stored, computed);
        return Ok(Exit::Findings);
    }
    Ok(if report.is_complete() { end } else { Exit::Findings })
}

/// What a target is called where nothing was heard from it: its address, without a password.
pub(super) fn target_name(url: &str) -> String {
    url.parse::<Endpoint>().map_or_else(|_| "?".to_owned(), |endpoint| endpoint.to_string())
}

/// Asks on the terminal; without one there is nobody to ask.
fn ask(question: &str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Usage(format!("{question} Say so with --yes")));
    }
    let mut stderr = io::stderr();
    // Where the question cannot be written, no answer is no.
    let _ = write!(stderr, "rdbkit: {question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|cause| Error::io("cannot read the answer", cause))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Error::Usage("nothing was done".into()))
    }
}

/// A number is keys, a size is bytes.
fn rate(text: &str) -> Result<Rate, String> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    match text.parse::<u64>() {
        Ok(0) => Err("nothing in a second never ends".to_owned()),
        Ok(keys) => Ok(Rate::Keys(keys)),
        Err(_) => size(text)
            .map(Rate::Bytes)
            .map_err(|_| "give keys in a second, such as 50000, or bytes, such as 10mb".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_a_unit() {
        assert_eq!(rate("50000"), Ok(Rate::Keys(50_000)));
        assert_eq!(rate("10mb/s"), Ok(Rate::Bytes(10 << 20)));
        assert!(rate("0").is_err() && rate("fast").is_err());
    }
}
