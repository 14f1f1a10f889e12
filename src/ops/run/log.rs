//! The items of a log in their order, transactions held back until they are whole.
//!
//! ```text
//! MULTI  hold          EXEC  hand out what is held          end  what is held is dropped
//! ```
//!
//! Nothing is run here: whoever reads is told of every command.

use crate::aof::LogItem;
use crate::aof::log::{Quirks, item};
use crate::error::{Doing, FormatError, unwrap_bad};
use crate::resp::Command;

/// What ends a part early.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ops) struct Progress {
    /// Commands that may still be run.
    pub(in crate::ops) commands_left: Option<u64>,
    /// See [`super::Until`].
    pub(in crate::ops) time_secs: Option<u64>,
    /// See [`super::Until`].
    pub(in crate::ops) offset: Option<u64>,
}

/// How the reading of a part ended.
#[derive(Debug, Clone, Default)]
pub(in crate::ops) struct End {
    /// Commands handed out, MULTI and EXEC among them.
    pub(in crate::ops) commands: u64,
    /// Transactions handed out.
    pub(in crate::ops) transactions: u64,
    /// Up to here everything was handed out.
    pub(in crate::ops) good_up_to: u64,
    /// What stopped it.
    pub(in crate::ops) fault: Option<Box<FormatError>>,
    /// Whether it stopped where it was told to.
    pub(in crate::ops) stopped: bool,
    /// Whether an annotation gave a time.
    pub(in crate::ops) saw_time: bool,
}

/// What is known of a command besides itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::ops) struct About {
    /// Where it begins.
    pub(in crate::ops) offset: u64,
    /// What the last annotation before it says, unix time in seconds.
    pub(in crate::ops) time_secs: Option<u64>,
    /// Where the MULTI of its transaction begins.
    pub(in crate::ops) multi: Option<u64>,
}

/// Takes the commands as they are to be run. An error ends the reading.
pub(in crate::ops) trait Runner<'a> {
    /// Why it would go no further.
    type Stop;

    /// A command at an offset.
    fn command(&mut self, offset: u64, command: Command<'a>) -> Result<(), Self::Stop>;

    /// What is known of the command that comes next.
    #[inline(always)]
    fn about(&mut self, _about: &About) {}

    /// The commands of a transaction, without MULTI and EXEC.
    fn transaction(&mut self, commands: Vec<(About, Command<'a>)>) -> Result<(), Self::Stop> {
        for (about, command) in commands {
            self.about(&about);
            self.command(about.offset, command)?;
        }
        Ok(())
    }

    /// How far the reading is, now and then.
    fn reached(&mut self, _offset: u64) {}
}

/// How far a reading goes before it says where it is.
const PROGRESS_BYTES: u64 = 4 << 20;

/// Reads a log whose bytes are all there, from an offset on.
pub(in crate::ops) fn read<'a, R: Runner<'a>>(
    bytes: &'a [u8],
    from: usize,
    progress: &Progress,
    runner: &mut R,
) -> Result<End, R::Stop> {
    let mut end = End { good_up_to: from as u64, ..End::default() };
    let mut held: Option<Vec<(About, Command<'a>)>> = None;
    let mut time_secs = None;
    let mut rest = bytes.get(from..).unwrap_or_default();
    let mut next_report = 0;
    loop {
        let offset = (bytes.len() - rest.len()) as u64;
        if offset >= next_report {
            runner.reached(offset);
            next_report = offset + PROGRESS_BYTES;
        }
        if rest.is_empty() {
            return Ok(end);
        }
        let (command, after) = match Command::strict(rest) {
            Some(found) => found,
            None => match item(rest, true, &mut Quirks::default()) {
                Ok((after, LogItem::Command(command))) => (command, after),
                Ok((after, LogItem::Annotation(annotation))) => {
                    end.saw_time |= annotation.timestamp_secs().is_some();
                    let late = |limit| annotation.timestamp_secs().is_some_and(|at| at > limit);
                    if progress.time_secs.is_some_and(late) {
                        end.stopped = true;
                        return Ok(end);
                    }
                    time_secs = annotation.timestamp_secs().or(time_secs);
                    rest = after;
                    if held.is_none() {
                        end.good_up_to = (bytes.len() - rest.len()) as u64;
                    }
                    continue;
                }
                Err(error) => {
                    let bad = unwrap_bad(error);
                    let at = (bytes.len() - bad.at.len()) as u64;
                    end.fault = Some(Box::new(FormatError {
                        file: None,
                        offset: if bad.fault.is_truncated() { offset } else { at },
                        doing: Doing::Command,
                        key: None,
                        fault: bad.fault,
                    }));
                    return Ok(end);
                }
            },
        };
        let behind = (bytes.len() - after.len()) as u64;
        let seen = end.commands + held.as_ref().map_or(0, |held| held.len() as u64) + 1;
        if progress.offset.is_some_and(|limit| behind > limit)
            || progress.commands_left.is_some_and(|most| seen > most)
        {
            end.stopped = true;
            return Ok(end);
        }
        rest = after;
        let name = command.name();
        if name.len() == 4 && name.eq_ignore_ascii_case(b"EXEC") && held.is_some() {
            let commands = held.take().unwrap_or_default();
            end.commands += commands.len() as u64 + 1;
            end.transactions += 1;
            // The first of them is MULTI itself.
            let multi = commands.first().map(|(about, _)| about.offset);
            let commands = commands.into_iter().skip(1);
            let commands = commands.map(|(about, it)| (About { multi, ..about }, it)).collect();
            runner.transaction(commands)?;
        } else if let Some(held) = &mut held {
            held.push((About { offset, time_secs, multi: None }, command));
            continue;
        } else if name.len() == 5 && name.eq_ignore_ascii_case(b"MULTI") {
            held = Some(vec![(About { offset, time_secs, multi: None }, command)]);
            continue;
        } else {
            end.commands += 1;
            runner.about(&About { offset, time_secs, multi: None });
            runner.command(offset, command)?;
        }
        end.good_up_to = behind;
    }
}
