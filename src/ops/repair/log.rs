//! The repair of a log: what is sound goes over as it lies, outside of transactions at once, inside
//! of one when its EXEC has come.
//!
//! ```text
//! outside ─MULTI─► inside ─EXEC─► outside       a cut, or the end, inside: all from MULTI on goes
//!    └──── damage, stepped over ──► unknown     commands are gathered until it is clear where they
//!              MULTI or the end: they stay      stood: an EXEC says that they are the rest of a
//!              EXEC: they go                    transaction whose beginning is damaged
//! ```
//!
//! What a loader would read in spite of its form is written as a server writes it, and so is a name
//! with one damaged byte. A command whose name says nothing stays, or goes as damage does. The danger
//! is damage that hides a SELECT: what follows then lands in another database, which is said.

use std::io::{Read as _, Seek as _, Write as _};

use tempfile::SpooledTempFile;

use super::Put;
use super::names::{Hidden, Open, hidden, put_right, removes};
use crate::aof::log::{Quirk, Quirks};
use crate::aof::names::is_module_name;
use crate::aof::{LogItem, LogTally as _, UnknownName, UnknownNames, is_database};
use crate::bytes::{Input, quoted};
use crate::error::{Doing, Fault, FormatError, Result};
use crate::ops::items::{Go, Next, Seen, each};
use crate::ops::walk::Observer;
use crate::report::repair::{FileReport, Note, NoteList};
use crate::resp::{Command, encode};
use crate::source::{default_directory, temporary_failed};

/// Transactions up to this size are kept in memory.
const IN_MEMORY_BYTES: usize = 8 << 20;

/// How often progress is told, in items.
const PROGRESS_ITEMS: u64 = 1 << 14;

/// Repairs the log that begins at the input's position, and goes to its end.
pub(super) fn repair(
    input: &mut impl Input,
    skip_damaged: bool,
    most_notes: usize,
    put: Put<'_>,
    file: &mut FileReport,
    observer: &dyn Observer,
) -> Result<()> {
    let mut mender = Mender {
        skip_damaged,
        most_notes,
        put,
        file,
        state: State::Outside,
        commands: 0,
        cut: None,
        is_behind_damage: false,
        doubtful_until: 0,
        select_hidden: false,
        names: UnknownNames::keeping(most_notes as u64),
    };
    let mut items = 0;
    each(input, |seen| {
        items += 1;
        if items % PROGRESS_ITEMS == 0
            && let Seen::Item { at, .. } = &seen
        {
            observer.progress(*at);
        }
        mender.see(seen)
    })?;
    mender.end(input)
}

struct Mender<'m> {
    skip_damaged: bool,
    most_notes: usize,
    put: Put<'m>,
    file: &'m mut FileReport,
    state: State,
    /// Written.
    commands: u64,
    /// Where the log was cut, and why.
    cut: Option<(u64, FormatError)>,
    /// What was stepped over ends where the next command begins.
    is_behind_damage: bool,
    /// A command in front of this may be text of a value.
    doubtful_until: u64,
    /// What was left out may have been a SELECT, there was none since, and it has not been said yet.
    select_hidden: bool,
    names: UnknownNames,
}

enum State {
    Outside,
    Inside(Gathered),
    Unknown(Gathered),
}

/// Commands of which it is not clear yet whether they stay.
struct Gathered {
    from: u64,
    commands: u64,
    /// A SELECT is among them.
    selects: bool,
    body: SpooledTempFile,
}

impl Gathered {
    fn new(from: u64) -> Self {
        let body = SpooledTempFile::new_in(IN_MEMORY_BYTES, default_directory());
        Gathered { from, commands: 0, selects: false, body }
    }
}

/// What a command means for transactions.
#[derive(PartialEq, Eq)]
enum Role {
    Multi,
    Exec,
    Discard,
    Other,
}

impl Mender<'_> {
    fn note(&mut self, list: NoteList, note: Note) {
        self.file.note(list, note, self.most_notes);
    }

    fn mended(&mut self, code: &'static str, at: u64, text: &str) {
        let (offset, text) = (Some(at), text.to_owned());
        self.note(NoteList::Mended, Note { code, offset, text, ..Note::default() });
    }

    fn doubt(&mut self, code: &'static str, at: u64, text: String) {
        let offset = Some(at);
        self.note(NoteList::Doubt, Note { code, offset, text, ..Note::default() });
    }

    fn lost(&mut self, code: &'static str, from: u64, to: u64, commands: u64, text: String) {
        self.file.lost_bytes += to - from;
        self.file.lost_commands += commands;
        let (offset, bytes) = (Some(from), Some(to - from));
        self.note(
            NoteList::Loss,
            Note { code, offset, bytes, text, is_loss: true, ..Note::default() },
        );
    }

    fn see(&mut self, seen: Seen<'_>) -> Result<Go> {
        match seen {
            Seen::Item { at, item: LogItem::Annotation(annotation), .. } => {
                self.write(annotation.line())?;
                if !annotation.is_ended() {
                    self.mended("annotation-end", at, "an annotation without a line end got one");
                    self.write(b"\r\n")?;
                }
                Ok(Go::On)
            }
            Seen::Item { at, item: LogItem::Command(command), raw, quirks, next } => {
                let bent = quirks.iter().next();
                // It has more arguments than it says, and so it is another command than it was.
                if next == Next::Argument {
                    let offset = at + raw.len() as u64;
                    return Ok(self.broken(at, offset, Fault::CommandStart { byte: b'$' }));
                }
                // A form that loaders step over, and then nothing that follows a command: it is rather
                // a length that is wrong, or where its line ends.
                if let Some((_, behind)) = bent
                    && next != Next::Item
                {
                    let fault = Fault::ArgumentStart {
                        byte: usize::try_from(behind)
                            .ok()
                            .and_then(|at| raw.get(at).copied())
                            .unwrap_or_default(),
                    };
                    return Ok(self.broken(at, at + behind, fault));
                }
                self.command(at, &command, raw, &quirks)?;
                Ok(Go::On)
            }
            Seen::Broken { at, offset, fault } => Ok(self.broken(at, offset, fault)),
            Seen::Skipped { from, to, doubtful_until } => {
                let text = match self.cut.take() {
                    Some((_, error)) => words(&error),
                    None => "bytes that are no command".to_owned(),
                };
                self.lost("damaged", from, to, 0, text);
                self.lose_track(from, to, true);
                self.select_hidden = true;
                self.is_behind_damage = true;
                self.doubtful_until = doubtful_until;
                Ok(Go::On)
            }
        }
    }

    /// Something between `from` and `to` was left out: what is open there is not whole, and where it
    /// may have been a MULTI or an EXEC (`is_edge`), nobody knows what follows it belongs to.
    fn lose_track(&mut self, from: u64, to: u64, is_edge: bool) {
        self.state = match std::mem::replace(&mut self.state, State::Outside) {
            State::Inside(open) => {
                let text = format!(
                    "a transaction with {} before the damage, which cannot be told to be whole",
                    crate::report::text::plural(open.commands, "command")
                );
                self.lost("transaction", open.from, from, open.commands, text);
                self.select_hidden |= open.selects;
                State::Unknown(Gathered::new(to))
            }
            State::Outside if is_edge => State::Unknown(Gathered::new(to)),
            other => other,
        };
    }

    fn broken(&mut self, at: u64, offset: u64, fault: Fault) -> Go {
        let error = FormatError { file: None, offset, doing: Doing::Command, key: None, fault };
        self.cut = Some((at, error));
        if self.skip_damaged { Go::Resync } else { Go::Stop }
    }

    fn command(
        &mut self,
        at: u64,
        command: &Command<'_>,
        raw: &[u8],
        quirks: &Quirks,
    ) -> Result<()> {
        let mut clean = Vec::new();
        let mut frame = raw;
        let right = match self.names.knows(command.name()) || is_module_name(command.name()) {
            true => None,
            false => put_right(command, self.open()),
        };
        let name = right.as_deref().unwrap_or(command.name());
        if right.is_some() {
            let text = format!(
                "the name {} has a damaged byte: it was put right, {}",
                quoted(command.name()),
                quoted(name)
            );
            self.mended("command-name", at, &text);
        } else if self.skip_damaged && self.leave_out(at, command, raw) {
            return Ok(());
        } else {
            self.names.command(at, command);
        }
        if right.is_some() || !quirks.is_empty() {
            let words: Vec<&[u8]> = std::iter::once(name).chain(command.args()).collect();
            encode::command(&mut clean, words);
            frame = &clean;
        }
        if let Some((quirk, _)) = quirks.iter().next() {
            let text = match quirk {
                Quirk::Terminator => "two wrong bytes behind an argument, which loaders step over",
                Quirk::LooseNumber => "a number with blanks, a sign or zeros before it",
                Quirk::BareLineFeed => "a line feed alone behind a number",
                Quirk::Stray => "something behind a number, which loaders ignore",
            };
            self.mended("command-form", at, &format!("{text}: written as servers write it"));
        }
        let is_behind = std::mem::take(&mut self.is_behind_damage);
        if (is_behind || at < self.doubtful_until) && removes(name) {
            let text = format!(
                "{} behind the damage may be text of a damaged value, and no command: see whether it \
                 is one before this is loaded (`rdbkit rewrite --drop` leaves commands out)",
                quoted(name)
            );
            self.doubt("behind-damage", at, text);
        }
        let role = role(name);
        if matches!(role, Role::Multi | Role::Exec) && command.argc() > 1 {
            clean.clear();
            encode::command(&mut clean, [name]);
            frame = &clean;
            self.mended("transaction-arguments", at, "arguments of MULTI or EXEC were left out");
        }
        let is_select = name.eq_ignore_ascii_case(b"SELECT");
        if is_select && !selects(command) {
            let text = "a SELECT of no database: what follows, up to the next SELECT, runs in the \
                        database that was selected before; --skip-damaged leaves it out";
            self.doubt("select-argument", at, text.to_owned());
        } else if is_select {
            self.select_hidden = false;
        } else if role == Role::Other && self.select_hidden {
            self.select_hidden = false;
            let text = "this and what follows, up to the next SELECT, runs in the database that \
                        was selected before the damage; a SELECT may have been lost in it";
            self.doubt("database", at, text.to_owned());
        }
        match (role, std::mem::replace(&mut self.state, State::Outside)) {
            (Role::Multi, State::Inside(open)) => {
                self.state = State::Inside(open);
                self.mended(
                    "nested-multi",
                    at,
                    "a MULTI inside a transaction, an error to servers, was left out",
                );
                Ok(())
            }
            (Role::Multi, before) => {
                if let State::Unknown(gathered) = before {
                    self.keep(gathered)?;
                }
                self.state = State::Inside(Gathered::new(at));
                self.write(frame)
            }
            (Role::Exec, State::Inside(open)) => {
                self.state = State::Inside(open);
                self.write(frame)?;
                if let State::Inside(open) = std::mem::replace(&mut self.state, State::Outside) {
                    // MULTI and EXEC.
                    self.commands += 2;
                    self.keep(open)?;
                }
                Ok(())
            }
            (Role::Exec, State::Unknown(gathered)) => {
                let to = at + raw.len() as u64;
                let text = "the end of a transaction whose beginning is damaged".to_owned();
                self.select_hidden |= gathered.selects;
                self.lost("transaction", gathered.from, to, gathered.commands, text);
                Ok(())
            }
            (Role::Exec, State::Outside) => {
                self.mended(
                    "lone-exec",
                    at,
                    "an EXEC outside of a transaction, an error to servers, was left out",
                );
                Ok(())
            }
            (Role::Discard, State::Inside(open)) => {
                self.state = State::Inside(open);
                self.mended(
                    "discard",
                    at,
                    "a DISCARD inside a transaction, an error to servers, was left out",
                );
                Ok(())
            }
            (_, before) => {
                self.state = before;
                match &mut self.state {
                    State::Outside => self.commands += 1,
                    State::Inside(gathered) | State::Unknown(gathered) => {
                        gathered.commands += 1;
                        gathered.selects |= is_select;
                    }
                }
                self.write(frame)
            }
        }
    }

    fn open(&self) -> Open {
        match self.state {
            State::Outside => Open::No,
            State::Inside(_) => Open::Yes,
            State::Unknown(_) => Open::Unknown,
        }
    }

    /// Leaves out a command that no server runs and that nothing puts right. Whether it was one.
    fn leave_out(&mut self, at: u64, command: &Command<'_>, raw: &[u8]) -> bool {
        let name = command.name();
        let to = at + raw.len() as u64;
        if name.eq_ignore_ascii_case(b"SELECT") && !selects(command) {
            let text = "a SELECT of no database, which servers step over".to_owned();
            self.lost("select-argument", at, to, 1, text);
            self.select_hidden = true;
            return true;
        }
        if self.names.knows(name) || is_module_name(name) {
            return false;
        }
        let text = format!("no server is known to have the command {}", quoted(name));
        self.lost("unknown-command", at, to, 1, text);
        let hidden = hidden(command);
        self.select_hidden |= hidden == Hidden::Select;
        self.lose_track(at, to, hidden == Hidden::Edge);
        true
    }

    fn keep(&mut self, mut gathered: Gathered) -> Result<()> {
        self.commands += gathered.commands;
        let failed = temporary_failed;
        gathered.body.rewind().map_err(failed)?;
        let mut room = vec![0; 64 << 10];
        loop {
            match gathered.body.read(&mut room).map_err(failed)? {
                0 => return Ok(()),
                n => self.put(room.get(..n).unwrap_or_default())?,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.state {
            State::Outside => self.put(bytes),
            State::Inside(gathered) | State::Unknown(gathered) => {
                gathered.body.write_all(bytes).map_err(temporary_failed)
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.written_bytes += bytes.len() as u64;
        (self.put)(bytes)
    }

    /// Settles what is open, and counts what is behind a cut.
    fn end(&mut self, input: &mut impl Input) -> Result<()> {
        let cut_at = input.position();
        let ends_at = self.look_behind(input)?;
        let state = std::mem::replace(&mut self.state, State::Outside);
        match (state, self.cut.take()) {
            (State::Inside(open), cut) => {
                let commands = crate::report::text::plural(open.commands, "command");
                let text = match &cut {
                    Some((_, error)) => {
                        format!(
                            "a transaction of {commands} that is not whole, and what follows: {}",
                            words(error)
                        )
                    }
                    None => format!("a transaction of {commands} without its EXEC"),
                };
                let code = if cut.is_some() { "cut" } else { "open-transaction" };
                self.lost(code, open.from, ends_at, open.commands + 1, text);
            }
            (state, cut) => {
                if let State::Unknown(gathered) = state {
                    self.keep(gathered)?;
                }
                if let Some((at, error)) = cut {
                    self.lost("cut", at, ends_at.max(cut_at), 0, words(&error));
                }
            }
        }
        self.note_names();
        self.file.lost_commands += self.file.sound_behind;
        self.file.commands = Some(self.file.commands.unwrap_or(0) + self.commands);
        Ok(())
    }

    /// Commands may be damaged, or be known to other servers, so they stay.
    fn note_names(&mut self) {
        for unknown in std::mem::take(&mut self.names).list() {
            let UnknownName { name, offset, commands } = unknown;
            let advice = match unknown.is_module() {
                true => "",
                false if *commands == 1 => "; --skip-damaged leaves it out",
                false => "; --skip-damaged leaves them out",
            };
            let text = format!(
                "no server is known to have the command {} ({commands} in all): one that does not \
                 know it refuses the log{advice}",
                quoted(name)
            );
            self.doubt("unknown-command", *offset, text);
        }
    }

    /// Goes to the end of the data, and counts the commands that look sound on the way.
    fn look_behind(&mut self, input: &mut impl Input) -> Result<u64> {
        let mut sound = 0;
        each(input, |seen| {
            Ok(match seen {
                Seen::Item { item: LogItem::Command(_), quirks, next, .. } => {
                    let is_short = next == Next::Argument;
                    if quirks.is_empty() && !is_short {
                        sound += 1;
                    }
                    let is_sound = next == Next::Item || quirks.is_empty() && !is_short;
                    if is_sound { Go::On } else { Go::Resync }
                }
                Seen::Item { .. } | Seen::Skipped { .. } => Go::On,
                Seen::Broken { .. } => Go::Resync,
            })
        })?;
        self.file.sound_behind = sound;
        Ok(input.position())
    }
}

fn role(name: &[u8]) -> Role {
    if name.eq_ignore_ascii_case(b"MULTI") {
        Role::Multi
    } else if name.eq_ignore_ascii_case(b"EXEC") {
        Role::Exec
    } else if name.eq_ignore_ascii_case(b"DISCARD") {
        Role::Discard
    } else {
        Role::Other
    }
}

/// Whether a SELECT names a database that a server could have.
fn selects(command: &Command<'_>) -> bool {
    command.args().next().is_some_and(is_database)
}

/// `expected …, found … at offset 12`
pub(super) fn words(error: &FormatError) -> String {
    let FormatError { offset, fault, .. } = error;
    format!("expected {}, found {} at offset {offset}", fault.expected(), fault.found())
}

#[cfg(test)]
mod tests;
