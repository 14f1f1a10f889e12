//! What is longer than the screen goes through a pager, where standard output is a terminal.
//!
//! ```text
//! rows ─ gathered ─ fits the screen? ─► terminal
//!                   └ no longer ─► $RDBKIT_PAGER, $PAGER or less ─► terminal
//!                                  └ cannot be started ─► terminal
//! ```
//!
//! A shell starts the pager, and only its exit status tells that it could not. So what was written
//! is kept until there is more than a pipe can hold, which says that somebody reads it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _, Stdout, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use clap::Args;
use rdbkit::Error;
use terminal_size::terminal_size_of;

use super::progress;

#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct PagerArgs {
    /// Write to the terminal what is longer than it, rather than through $RDBKIT_PAGER, $PAGER or
    /// less
    #[arg(long)]
    no_pager: bool,
}

impl PagerArgs {
    /// Standard output, through a pager where `for_the_eye` says that somebody reads it.
    pub(crate) fn stdout(&self, for_the_eye: bool) -> Paged {
        let plain = || Paged::Plain(super::stdout());
        if self.no_pager || !for_the_eye || !io::stdout().is_terminal() {
            return plain();
        }
        let Some(pager) = pager() else { return plain() };
        let Some((width, height)) = terminal_size_of(io::stdout()) else { return plain() };
        let (width, height) = (usize::from(width.0).max(1), usize::from(height.0));
        Paged::Gathering {
            pager,
            room: Room { width, left: height.saturating_sub(1) },
            text: Vec::new(),
        }
    }
}

/// The pager that is asked for; `less` where it is there and nothing else is asked for.
fn pager() -> Option<OsString> {
    let asked = ["RDBKIT_PAGER", "PAGER"].iter().find_map(env::var_os);
    match asked {
        // `cat` is how one says that there should be none.
        Some(pager) if pager.is_empty() || pager == "cat" => None,
        // What a shell would not find would swallow all that there is to read.
        Some(pager) => is_there(program(&pager)).then_some(pager),
        None => is_there(Some("less")).then(|| "less".into()),
    }
}

/// The program that a pager's text names, where it is no more than a name, perhaps with arguments.
fn program(pager: &OsStr) -> Option<&str> {
    let name = pager.to_str()?.split_whitespace().next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    name.bytes().all(plain).then_some(name)
}

/// Whether a program can be found; what only a shell understands is taken to be there.
fn is_there(program: Option<&str>) -> bool {
    let (Some(program), Some(folders)) = (program, env::var_os("PATH")) else { return true };
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Standard output, or a pager that writes there.
pub(crate) enum Paged {
    /// As it is.
    Plain(io::BufWriter<Stdout>),
    /// As long as it fits the screen.
    Gathering { pager: OsString, room: Room, text: Vec<u8> },
    /// Into the pager.
    Pager(Running),
}

/// What no pipe can hold.
const KEPT_BYTES: usize = 2 << 20;

/// A pager at work, or a shell that could not start it.
pub(crate) struct Running {
    name: OsString,
    into: Option<io::BufWriter<ChildStdin>>,
    child: Child,
    /// All that was written, as long as it may be that nobody has read of it.
    kept: Option<Vec<u8>>,
}

impl Running {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.kept {
            Some(kept) if kept.len() + bytes.len() <= KEPT_BYTES => kept.extend_from_slice(bytes),
            kept => *kept = None,
        }
        match &mut self.into {
            Some(into) => into.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits for the pager; where there has never been one, what it should have shown.
    fn end(&mut self) -> io::Result<Option<Vec<u8>>> {
        let flushed = self.into.take().map_or(Ok(()), |mut into| into.flush());
        // What a shell answers that could not start a program.
        let started = !matches!(self.child.wait()?.code(), Some(126 | 127));
        match self.kept.take() {
            Some(text) if !started => {
                let name = self.name.display();
                super::complain(&format!("the pager {name} cannot be started, so there is none"));
                Ok(Some(text))
            }
            _ => flushed.map(|()| None),
        }
    }
}

/// What is left of the screen.
pub(crate) struct Room {
    width: usize,
    left: usize,
}

impl Room {
    /// Whether a text still fits, beside what has been taken before.
    fn take(&mut self, text: &[u8]) -> bool {
        // Bytes are no columns: escapes and long characters only make it a little longer.
        let rows: usize = text
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| 1 + line.len().saturating_sub(2) / self.width)
            .sum();
        let fits = rows <= self.left;
        self.left = self.left.saturating_sub(rows);
        fits
    }
}

impl Paged {
    /// Writes what is left, and waits for whoever reads it.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.end().map_err(super::cannot_write)
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Paged::Plain(out) => out.flush(),
            Paged::Gathering { text, .. } => {
                let text = std::mem::take(text);
                let mut out = io::stdout();
                out.write_all(&text).and_then(|()| out.flush())
            }
            Paged::Pager(pager) => match pager.end()? {
                Some(text) => {
                    let mut out = io::stdout();
                    out.write_all(&text).and_then(|()| out.flush())
                }
                None => Ok(()),
            },
        }
    }
}

impl Drop for Paged {
    fn drop(&mut self) {
        // A pager keeps the terminal until its reader has had enough.
        if let Paged::Pager(pager) = self {
            drop(pager.into.take());
            drop(pager.child.wait());
        }
    }
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Paged::Plain(out) => out.write_all(bytes),
            Paged::Pager(pager) => match pager.write(bytes) {
                Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
                    let Ok(Some(text)) = pager.end() else { return Err(cause) };
                    *self = Paged::Plain(super::stdout());
                    self.write_all(&text)
                }
                written => written,
            },
            Paged::Gathering { pager, room, text } => {
                text.extend_from_slice(bytes);
                if room.take(bytes) {
                    return Ok(());
                }
                let text = std::mem::take(text);
                *self = start(pager);
                self.write_all(&text)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Paged::Plain(out) => out.flush(),
            Paged::Pager(Running { into: Some(into), .. }) => into.flush(),
            Paged::Pager(_) | Paged::Gathering { .. } => Ok(()),
        }
    }
}

/// Starts a pager; where that cannot be done, there is none.
fn start(pager: &OsString) -> Paged {
    // The pager has the terminal from here on.
    progress::give_way();
    // A pager's name may come with its arguments.
    #[cfg(unix)]
    let mut command = Command::new("sh");
    #[cfg(unix)]
    command.arg("-c").arg(pager);
    #[cfg(not(unix))]
    let mut command = Command::new(pager);
    command.stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        // What fits is only shown, colours are colours, and it stays on the screen.
        command.env("LESS", "FRX");
    }
    // The interrupt is for the pager, which stops a search by it.
    drop(ctrlc::set_handler(|| {}));
    match command.spawn() {
        Ok(mut child) => match child.stdin.take() {
            Some(stdin) => Paged::Pager(Running {
                name: pager.clone(),
                into: Some(io::BufWriter::with_capacity(64 << 10, stdin)),
                child,
                kept: Some(Vec::new()),
            }),
            None => Paged::Plain(super::stdout()),
        },
        Err(_) => Paged::Plain(super::stdout()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::{Room, is_there, program};

    #[test]
    fn a_pager_that_is_not_there_is_none() {
        let check = |pager: &str, there| {
            assert_eq!(is_there(program(OsStr::new(pager))), there, "{pager}");
        };
        check("sh", true);
        check("sh -c true", true);
        check("nosuchpager -R", false);
        // Of what a shell has to make sense of, only the shell can tell.
        check("LESS=FRX less", true);
        check("/usr/bin/less", true);
        check("", true);
    }

    #[test]
    fn a_screen_has_room_for_so_many_rows() {
        let check = |texts: &[&str], fits| {
            let mut room = Room { width: 10, left: 3 };
            assert_eq!(texts.iter().all(|text| room.take(text.as_bytes())), fits, "{texts:?}");
        };
        check(&["a\n", "b\nc\n"], true);
        check(&["a\n", "b\nc\n", "d\n"], false);
        check(&["0123456789\n", "b\nc\n"], true);
        check(&["0123456789a\n", "b\nc\n"], false);
    }
}
