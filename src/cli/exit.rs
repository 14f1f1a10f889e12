//! How the program ends.

use std::io;
use std::process::ExitCode;

use rdbkit::Error;

/// What the exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// 0: done, and nothing is wrong.
    Clean,
    /// 1: done, and something is wrong with the data: it is not sound, or a key is not there.
    Findings,
    /// 2: it could not be done.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => ExitCode::SUCCESS,
            Exit::Findings => ExitCode::from(1),
            Exit::Failed => ExitCode::from(2),
        }
    }
}

/// Whether an error only says that nobody reads the results any more.
pub(crate) fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Io { cause, .. } if cause.kind() == io::ErrorKind::BrokenPipe)
}
