//! The options of verbs that write something: where it goes, for whom it is, what it may lose, and
//! where the report goes.
//!
//! Where a verb wants another default, or says something else of an option, it does so with
//! `mut_arg` on its own struct.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{Arg, Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::convert::OutputForm;
use rdbkit::rdb::Target;
use rdbkit::report::losses::Lost;
use rdbkit::report::text::Style;
use rdbkit::target::Publish;

use super::args::{CommonArgs, Format, target};
use super::exit::Exit;

/// Keys that are listed for each kind of loss, and of conflicts.
pub(crate) const LISTED: usize = 20;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct ForceArgs {
    /// Replace an output that exists
    #[arg(long, short)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct OutputArgs {
    /// The file or directory to write; `-` is standard output
    #[arg(long, short, value_name = "OUT")]
    output: Option<OsString>,

    #[command(flatten)]
    force: ForceArgs,
}

impl OutputArgs {
    /// The output.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.output.as_ref().map(PathBuf::from)
    }

    /// The output of a verb that has one in any case.
    pub(crate) fn required(&self) -> PathBuf {
        self.path().unwrap_or_default()
    }

    /// Whether the output itself goes to standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.output.as_ref().is_some_and(|output| output == "-")
    }

    /// Whether an output that exists is replaced.
    pub(crate) fn force(&self) -> bool {
        self.force.force
    }

    /// What may be replaced.
    pub(crate) fn publish(&self) -> Publish {
        Publish { force: self.force(), ..Publish::default() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct FormArgs {
    /// What is written
    #[arg(long, value_enum, default_value_t = To::Rdb)]
    to: To,

    /// What the base of an aof-dir is [default: rdb]
    #[arg(long, value_enum)]
    base: Option<Base>,

    /// Begin an aof with an RDB preamble, as servers before 7.0 do
    #[arg(long)]
    preamble: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// A snapshot
    Rdb,
    /// A log in one file
    Aof,
    /// The directory of a multi-part log
    AofDir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Base {
    /// A snapshot
    Rdb,
    /// Commands
    Aof,
}

impl FormArgs {
    /// The form of the output.
    pub(crate) fn form(&self) -> Result<OutputForm, Error> {
        match (self.to, self.preamble, self.base) {
            (To::Rdb, false, None) => Ok(OutputForm::Rdb),
            (To::Aof, false, None) => Ok(OutputForm::Aof),
            (To::Aof, true, None) => Ok(OutputForm::AofPreamble),
            (To::AofDir, false, None | Some(Base::Rdb)) => Ok(OutputForm::AofDir),
            (To::AofDir, false, Some(Base::Aof)) => Ok(OutputForm::AofDirCommands),
            (_, false, Some(_)) => Err(Error::Usage("--base goes with --to aof-dir".to_owned())),
            (_, true, _) => Err(Error::Usage("--preamble goes with --to aof".to_owned())),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// Whom it is written for: redis:6.2, valkey:9.0, redict … [default: a server that writes the
    /// source's version]
    #[arg(long, value_name = "NAME:VERSION", value_parser = target)]
    pub(crate) target: Option<Target>,
}

/// Says of `--target` what it is by default.
pub(crate) fn target_is(arg: Arg, default: &str) -> Arg {
    arg.help(format!(
        "Whom it is written for: redis:6.2, valkey:9.0, redict … [default: {default}]"
    ))
}

/// How it ends where something may have been lost.
pub(crate) fn after_losses(losses: &[Lost]) -> Exit {
    if losses.iter().any(|lost| lost.grave) { Exit::Findings } else { Exit::Clean }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Whom something is made for, and what is said of it.
#[derive(Debug, Args)]
pub(crate) struct MadeArgs {
    #[command(flatten)]
    target: TargetArgs,

    /// Write what the target can hold, and say what is lost
    #[arg(long)]
    pub(crate) lossy: bool,

    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

impl MadeArgs {
    /// Whom it is made for, if that was said.
    pub(crate) fn target(&self) -> Option<Target> {
        self.target.target
    }
}

/// A report as text.
type WriteText<R> = fn(&mut dyn Write, &R, Style) -> Result<(), Error>;
/// A report as JSON.
type WriteJson<R> = fn(&mut dyn Write, &R) -> Result<(), Error>;

impl ReportArgs {
    /// Whether anybody wants to see it: what is for the eye is not written where it should be
    /// quiet.
    pub(crate) fn is_wanted(&self, common: &CommonArgs) -> bool {
        self.format == Format::Json || !common.is_quiet()
    }

    /// Writes a report to standard output.
    pub(crate) fn tell<R>(
        &self,
        report: &R,
        common: &CommonArgs,
        text: WriteText<R>,
        json: WriteJson<R>,
    ) -> Result<(), Error> {
        self.write(&mut super::stdout(), report, common, text, json)
    }

    /// Writes a report to where it can be read: where the output itself goes to standard output,
    /// that is standard error.
    pub(crate) fn tell_beside<R>(
        &self,
        output: &OutputArgs,
        report: &R,
        common: &CommonArgs,
        text: WriteText<R>,
        json: WriteJson<R>,
    ) -> Result<(), Error> {
        match output.is_stdout() {
            true => self.write(&mut std::io::stderr(), report, common, text, json),
            false => self.tell(report, common, text, json),
        }
    }

    fn write<R>(
        &self,
        out: &mut dyn Write,
        report: &R,
        common: &CommonArgs,
        text: WriteText<R>,
        json: WriteJson<R>,
    ) -> Result<(), Error> {
        match self.format {
            Format::Human => text(out, report, common.style())?,
            Format::Json => json(out, report)?,
        }
        out.flush().map_err(super::cannot_write)
    }
}
