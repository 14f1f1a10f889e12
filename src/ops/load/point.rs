//! Where a log is sent no further: found before anything is sent, by the reading that the embedded
//! engine does, so that a point means the same to both.

use std::convert::Infallible;

use super::files::File;
use crate::error::{Error, FormatError, Result};
use crate::ops::before;
use crate::ops::run::Until;
use crate::ops::run::log::{Progress, Runner, read};
use crate::resp::Command;

/// Everything before this is sent. It is never inside a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    /// Which file of the log.
    pub(super) part: usize,
    /// Bytes of that file.
    pub(super) offset: u64,
}

impl Point {
    /// What there is to say when it was reached, and what is kept of that on the target.
    pub(super) fn reached(self, file: &str, key: &str) -> String {
        format!(
            "stopped before offset {} of {file}, as asked; the target remembers it ({key}), so \
             that a later point, or none, goes on there: delete that key if nothing is to follow",
            self.offset
        )
    }

    /// What there is to say where more than that has taken effect.
    pub(super) fn is_past(self, target: &str, file: &str) -> Error {
        Error::Usage(format!(
            "{target} has taken more of the log than is asked for: the point is offset {} of \
             {file}, and what has taken effect cannot be taken back; into an empty target it is \
             sent with --restart",
            self.offset
        ))
    }
}

/// The files that are sent of, and where the log in each of them ends early.
pub(super) fn up_to(
    files: &[File],
    point: Option<Point>,
) -> impl Iterator<Item = (&File, Progress)> {
    let count = point.map_or(usize::MAX, |point| point.part.saturating_add(1));
    files.iter().take(count).enumerate().map(move |(part, file)| {
        let point = point.filter(|point| point.part == part);
        (file, Progress { offset: point.map(|point| point.offset), ..Progress::default() })
    })
}

/// The point at which sending ends; `None` where that is the end of the log.
pub(super) fn point(files: &[File], until: Until) -> Result<Option<Point>> {
    if until == Until::default() {
        return Ok(None);
    }
    let name = files.last().map_or("the log", |file| &file.name);
    let (mut commands, mut saw_time, mut found) = (0, false, None);
    for (part, file) in files.iter().enumerate() {
        let bytes = file.bytes();
        let begins = file.log_begins(|_, _, _| Ok::<_, Box<FormatError>>(()));
        let begins = begins.map_err(|error| Error::from(error).in_file(&file.name))?;
        if file.is_snapshot && begins.is_none() && files.len() == 1 {
            return Err(super::keys::is_no_log(name, "a point to stop at"));
        }
        if file.is_snapshot {
            let head = bytes.get(..before::HEAD_BYTES).unwrap_or(bytes);
            before::refuse(&file.name, head, until.time_secs)?;
        }
        let Some(at) = begins else { continue };
        let progress = Progress {
            commands_left: until.command.map(|most| most.saturating_sub(commands)),
            time_secs: until.time_secs,
            offset: until.offset.filter(|_| file.is_last),
        };
        let Ok(end) = read(bytes, at, &progress, &mut Nobody);
        commands += end.commands;
        saw_time |= end.saw_time;
        if end.stopped {
            found = Some(Point { part, offset: end.good_up_to });
        }
        // What is broken is met again where it is sent.
        if end.stopped || end.fault.is_some() {
            break;
        }
    }
    if until.time_secs.is_some() && !saw_time {
        return Err(before::no_times(name));
    }
    Ok(found)
}

/// Runs nothing.
struct Nobody;

impl<'a> Runner<'a> for Nobody {
    type Stop = Infallible;

    fn command(&mut self, _: u64, _: Command<'a>) -> Result<(), Infallible> {
        Ok(())
    }
}
