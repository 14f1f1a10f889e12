//! The face: arguments in, one library call, one report, one exit status.
//!
//! Results go to standard output, all else to standard error. Only this floor knows clap,
//! indicatif and exit codes.

mod anonymize;
mod args;
#[cfg(feature = "live")]
mod backup;
mod check;
mod compact;
mod completions;
mod config;
mod convert;
mod cut;
mod defaults;
mod diff;
mod digest;
#[cfg(test)]
mod examples;
mod exit;
mod export;
mod filters;
mod get;
mod hint;
mod history;
mod inspect;
mod keys;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "live")]
mod load;
mod merge;
mod metrics;
mod output;
mod pager;
mod pages;
mod policy;
mod progress;
mod repair;
mod replay;
mod rewrite;
mod split;
mod watch;

use std::io::{self, BufWriter, Stdout, Write as _};

use clap::{CommandFactory as _, Parser, Subcommand};
use rdbkit::Error;
use rdbkit::ops::Ended;
use rdbkit::ops::filter::Filter;
use rdbkit::report::convert::Ran;
use rdbkit::report::failures::{as_where, failure_text};

use defaults::Refused;
use exit::Exit;

/// Exact answers about the files of Redis and Valkey: RDB snapshots and append-only files
#[derive(Debug, Parser)]
#[command(name = "rdbkit", version, max_term_width = 100, subcommand_value_name = "VERB")]
struct Cli {
    /// Read defaults of options from this file [default: rdbkit.toml here, or in ~/.config/rdbkit]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Common options")]
    config: Option<std::path::PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Anonymize(Box<anonymize::AnonymizeArgs>),
    Check(Box<check::CheckArgs>),
    Inspect(inspect::InspectArgs),
    Keys(Box<keys::KeysArgs>),
    Man(completions::ManArgs),
    Get(get::GetArgs),
    Digest(digest::DigestArgs),
    Diff(Box<diff::DiffArgs>),
    History(history::HistoryArgs),
    Watch(watch::WatchArgs),
    Compact(Box<compact::CompactArgs>),
    Completions(completions::CompletionsArgs),
    Convert(convert::ConvertArgs),
    Export(Box<export::ExportArgs>),
    Merge(Box<merge::MergeArgs>),
    Split(Box<split::SplitArgs>),
    Repair(repair::RepairArgs),
    Replay(Box<replay::ReplayArgs>),
    #[cfg(feature = "live")]
    Backup(Box<backup::BackupArgs>),
    Rewrite(Box<rewrite::RewriteArgs>),
}

/// The verbs by what they are for, in the order of the help text.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "Look at a source",
        &["check", "inspect", "keys", "get", "digest", "diff", "history", "watch"],
    ),
    (
        "Make a file of it",
        &["compact", "convert", "export", "split", "merge", "anonymize", "rewrite", "repair"],
    ),
    ("Move it", &["replay", "backup"]),
    ("Help with it", &["completions", "man"]),
];

/// Runs the program.
pub(crate) fn main() -> Exit {
    cut::expect();
    let args: Vec<_> = std::env::args_os().collect();
    let command = command();
    let cli = match defaults::parse(&command, &args) {
        Ok(cli) => cli,
        Err(Refused::Default(error)) => {
            complain(&error.to_string());
            return Exit::Failed;
        }
        Err(Refused::Typed(error)) => {
            let error = hint::with_hint(error, &command, &args);
            // Help goes to standard output and may meet a closed pipe; there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Failed } else { Exit::Clean };
        }
    };
    // As with other tools that compare, 1 is kept for a difference there.
    let compares = matches!(cli.verb, Verb::Diff(_));
    let result = match &cli.verb {
        Verb::Anonymize(args) => anonymize::run(args),
        Verb::Check(args) => check::run(args),
        Verb::Inspect(args) => inspect::run(args),
        Verb::Keys(args) => keys::run(args),
        Verb::Get(args) => get::run(args),
        Verb::Digest(args) => digest::run(args),
        Verb::Diff(args) => diff::run(args),
        Verb::History(args) => history::run(args),
        Verb::Watch(args) => watch::run(args),
        Verb::Compact(args) => compact::run(args),
        Verb::Completions(args) => completions::completions(args),
        Verb::Man(args) => completions::man(args),
        Verb::Convert(args) => convert::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Merge(args) => merge::run(args),
        Verb::Split(args) => split::run(args),
        Verb::Repair(args) => repair::run(args),
        Verb::Replay(args) => replay::run(args),
        #[cfg(feature = "live")]
        Verb::Backup(args) => backup::run(args),
        Verb::Rewrite(args) => rewrite::run(args),
    };
    match result {
        Ok(exit) => exit,
        Err(error) if exit::is_closed_pipe(&error) => Exit::Clean,
        Err(error) => {
            complain(&sentence(&error));
            if compares { Exit::Failed } else { exit::of(&error) }
        }
    }
}

/// The arguments, and a help text that groups the verbs.
fn command() -> clap::Command {
    let command = Cli::command();
    let mut help = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (title, verbs) in GROUPS {
        help += &format!("\n{title}:\n");
        for verb in verbs.iter().filter_map(|verb| command.find_subcommand(verb)) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            help += &format!("  {:<13}{about}\n", verb.get_name());
        }
    }
    help += "
A SOURCE is an RDB file, an append-only file, its manifest or its appendonlydir, or - for standard
input; plain or under gzip, zstd, lz4 or bzip2. What it is is found from its content. It may also be
a live server: redis://[user@]host[:port], rediss:// for TLS, unix:///path.

Options:
{options}

`rdbkit help VERB` has the options of a verb, and examples.
";
    command.help_template(help)
}

/// Standard output, gathered into large writes.
fn stdout() -> BufWriter<Stdout> {
    BufWriter::with_capacity(256 << 10, io::stdout())
}

fn cannot_write(cause: io::Error) -> Error {
    Error::io("cannot write the result", cause)
}

/// One sentence on standard error.
fn complain(text: &str) {
    // Where even that fails there is nobody to tell.
    let _ = writeln!(io::stderr(), "rdbkit: {}", without_passwords(text));
}

/// A text without the passwords of URLs in it: one may stand where a file was expected.
fn without_passwords(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    // One slash too few is a slip that shows the password all the same.
    while let Some(at) = rest.find(":/") {
        let (head, tail) = rest.split_at(at + 1);
        let slashes = tail.len() - tail.trim_start_matches('/').len();
        let (slashes, tail) = tail.split_at(slashes);
        out += head;
        out += slashes;
        let end = tail.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(tail.len());
        let authority = tail.get(..end).unwrap_or(tail);
        rest = tail;
        if let Some((login, _)) = authority.rsplit_once('@')
            && let Some((user, _)) = login.split_once(':')
        {
            out += user;
            out += ":***";
            rest = tail.get(login.len()..).unwrap_or_default();
        }
    }
    out + rest
}

/// What went wrong and what to do next.
fn sentence(error: &Error) -> String {
    match error {
        Error::Format(_) => {
            format!(
                "{error}; `rdbkit check` lists all that is wrong with the file, `rdbkit repair` keeps \
                 what is sound (with --strict, what every server takes)"
            )
        }
        Error::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
            format!("{error}; is the path right?")
        }
        _ => error.to_string(),
    }
}

/// What there is to say where a filter asks for what no key has.
fn say_lacking(filter: &Filter, common: &args::CommonArgs) {
    if filter.lacks_idle_times() && !common.is_quiet() {
        complain(
            "no key has an idle time here, by which --idle and --not-idle go: a log keeps none, a \
             snapshot only if it was saved under an LRU policy",
        );
    }
}

/// What there is to say of a file whose keys were read.
fn say_ended(name: &str, ended: Ended) -> Result<Exit, Error> {
    if let Some(fault) = ended.fault {
        return Err(Error::from(fault).in_file(name));
    }
    let end = say_ran(name, ended.ran.as_ref());
    if let Some((stored, computed)) = ended.checksum_mismatch {
        complain_of_checksum(name, &format!("{stored:016x}"), &format!("{computed:016x}"));
        return Ok(Exit::Findings);
    }
    Ok(end)
}

fn complain_of_checksum(name: &str, stored: &str, computed: &str) {
    complain(&format!(
        "{name}: the checksum is {stored} but the bytes have {computed}, so what was read may be \
         wrong; `rdbkit check` says more"
    ));
}

/// What there is to say of a log that was run: what is missing of it in its keys.
fn say_ran(name: &str, ran: Option<&Ran>) -> Exit {
    if let Some(ran) = ran {
        if ran.failed > 0 {
            let Ran { failed, commands, failures, .. } = ran;
            let as_where = as_where(ran.played.as_deref());
            let mut text =
                format!("{name}: {failed} of its {commands} commands failed, {as_where}");
            for failure in failures {
                text += &format!("\n  {}", failure_text(failure));
            }
            let more = failed.saturating_sub(failures.len() as u64);
            if more > 0 {
                text += &format!("\n  and {more} more; `rdbkit replay` lists them");
            }
            complain(&text);
        }
        if ran.skipped > 0 {
            let were = if ran.skipped == 1 {
                "command is not known and was"
            } else {
                "commands are not known and were"
            };
            complain(&format!(
                "{name}: {} {were} stepped over; `rdbkit replay` lists them",
                ran.skipped
            ));
        }
        if let Some((file, at)) = &ran.dropped_from {
            complain(&format!(
                "{file} ends in a command that is cut or a transaction without its EXEC: what \
                 stands from offset {at} on was dropped"
            ));
            return Exit::Findings;
        }
        // What its writer took and another server does not is missing.
        if ran.failed > 0 && ran.played.is_some() {
            return Exit::Findings;
        }
    }
    Exit::Clean
}
