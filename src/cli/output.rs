//! The options of verbs that write a file, and where their reports go.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use rdbkit::Error;
use rdbkit::target::Publish;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct OutputArgs {
    /// The file or directory to write; `-` is standard output
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<OsString>,

    /// Replace an output that exists
    #[arg(long)]
    force: bool,
}

impl OutputArgs {
    /// The output.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.output.as_ref().map(PathBuf::from)
    }

    /// What may be replaced.
    pub(crate) fn publish(&self) -> Publish {
        Publish { force: self.force, ..Publish::default() }
    }

    /// Hands a report to where it can be read: where the output itself goes to standard output,
    /// that is standard error.
    pub(crate) fn report(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.output.as_ref().is_some_and(|output| output == "-") {
            return write(&mut std::io::stderr());
        }
        let mut out = super::stdout();
        write(&mut out)?;
        out.flush().map_err(super::cannot_write)
    }
}
