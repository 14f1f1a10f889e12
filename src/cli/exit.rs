//! How the program ends.

use std::io;
use std::process::ExitCode;

use rdbkit::Error;

/// What the exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// 0: done, and nothing is wrong.
    Clean,
    /// 1: something is wrong with the data: they are not sound, not what they should be, or a key
    /// is not there. Whether anything was made of them nevertheless, the verb says.
    Findings,
    /// 2: it could not be done, for reasons that lie in the call or around it.
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

/// What an error says of the source: that it is to blame, or that something else was in the way.
pub(crate) fn of(error: &Error) -> Exit {
    match error {
        Error::Format(_) | Error::Source(_) => Exit::Findings,
        _ => Exit::Failed,
    }
}

/// Whether an error only says that nobody reads the results any more.
pub(crate) fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Io { cause, .. } if cause.kind() == io::ErrorKind::BrokenPipe)
}
