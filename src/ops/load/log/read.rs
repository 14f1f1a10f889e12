//! The commands of a log, read from a position on and gathered into batches: transactions whole,
//! those that are to be left out left out.

use std::borrow::Cow;

use super::stretch::{End, Pending, Position, Stretch};
use super::{BATCH_BYTES, BATCH_COMMANDS, Kept, Log};
use crate::aof::LogItem;
use crate::bytes::Input as _;
use crate::error::{Doing, Error, FormatError, Result};
use crate::ops::items::{Go, Seen, each};
use crate::ops::rewrite::{Noted, Verdict, is_about_all_databases, number};
use crate::ops::walk::{Observer, WalkOptions, walk};
use crate::resp::{Command, encode};
use crate::source::{Feed, Form, Source, open_part};

impl Log<'_> {
    /// Sends the commands from the stretch's position on.
    pub(super) fn commands(
        &mut self,
        stretch: &mut Stretch,
        observer: &dyn Observer,
    ) -> Result<(), End> {
        let from = stretch.position;
        for (part, path) in self.paths.clone().iter().enumerate().skip(from.part) {
            if self.point.is_some_and(|point| part > point.part) {
                break;
            }
            let Source { form, feed, name, .. } = open_part(path, &self.options.open)?;
            let Some(mut feed) = feed else { continue };
            if form == Form::Rdb {
                self.step_over_snapshot(&mut feed)?;
            }
            let mut db = 0;
            if part == from.part {
                db = from.db;
                self.skip_to(&mut feed, from.offset)?;
            }
            let is_last = part + 1 == self.paths.len();
            self.part((part, &name, is_last), db, &mut feed, stretch, observer)?;
        }
        self.flush(stretch)?;
        self.finish(stretch)
    }

    fn step_over_snapshot(&self, feed: &mut Feed) -> Result<()> {
        let whole = feed.is_seekable();
        let options = WalkOptions { checksum: false, tally: false, ..self.options.walk };
        let silent = crate::ops::walk::Silent;
        walk(feed, whole, &|| Nothing, &mut Nothing, &options, &silent)?.complete().map(drop)
    }

    fn skip_to(&self, feed: &mut Feed, offset: u64) -> Result<()> {
        loop {
            let missing = offset.saturating_sub(feed.position());
            if missing == 0 {
                return Ok(());
            }
            if feed.buffer().is_empty() && !feed.more()? {
                return Err(Error::Usage(format!(
                    "the log ends before offset {offset}, up to which it has taken effect already: \
                     is it the same log?"
                )));
            }
            let have = feed.buffer().len();
            feed.consume(usize::try_from(missing).unwrap_or(have).min(have));
        }
    }

    fn part(
        &mut self,
        (part, name, is_last): (usize, &str, bool),
        db: u64,
        feed: &mut Feed,
        stretch: &mut Stretch,
        observer: &dyn Observer,
    ) -> Result<(), End> {
        let mut transaction: Option<(u64, Vec<Kept>)> = None;
        let mut db = db;
        let mut ended: Option<End> = None;
        let mut broken = None;
        let end = self.point.filter(|point| point.part == part).map(|point| point.offset);
        each(feed, |seen| {
            if let (Seen::Item { at, .. } | Seen::Broken { at, .. }, Some(end)) = (&seen, end)
                && *at >= end
            {
                return Ok(Go::Stop);
            }
            let (at, (command, bytes), behind) = match seen {
                Seen::Item { at, item: LogItem::Command(command), raw, quirks, .. } => {
                    // What loaders let through is sent as a server would have written it.
                    let bytes = match quirks.is_empty() {
                        true => Cow::Borrowed(raw),
                        false => Cow::Owned(frame(&command)),
                    };
                    (at, (command, bytes), at + raw.len() as u64)
                }
                Seen::Item { .. } => return Ok(Go::On),
                Seen::Broken { at, offset, fault } => {
                    broken = Some((at, offset, fault));
                    return Ok(Go::Stop);
                }
                Seen::Skipped { .. } => return Ok(Go::Stop),
            };
            let mut go = || -> Result<(), End> {
                if command.is("MULTI") && transaction.is_none() {
                    transaction = Some((at, Vec::new()));
                } else if command.is("EXEC") && transaction.is_some() {
                    let (_, held) = transaction.take().unwrap_or_default();
                    for (at, frame) in held {
                        if let Some((command, _)) = Command::strict(&frame) {
                            self.command((part, at), &command, &frame, &mut db, stretch)?;
                        }
                    }
                    self.reach(Position { part, offset: behind, db }, stretch)?;
                } else if let Some((_, held)) = &mut transaction {
                    held.push((at, bytes.to_vec()));
                } else {
                    self.command((part, at), &command, &bytes, &mut db, stretch)?;
                    self.reach(Position { part, offset: behind, db }, stretch)?;
                }
                Ok(())
            };
            match go() {
                Ok(()) => {
                    observer.progress(behind);
                    Ok(Go::On)
                }
                Err(end) => {
                    ended = Some(end);
                    Ok(Go::Stop)
                }
            }
        })?;
        if let Some(end) = ended {
            return Err(end);
        }
        let cut = match (broken, &transaction) {
            (Some((at, _, fault)), open) if is_last && fault.is_truncated() => {
                Some(open.as_ref().map_or(at, |(at, _)| *at))
            }
            (Some((_, offset, fault)), _) => {
                // All before the damage has to take effect, or it would depend on the batch.
                self.flush(stretch)?;
                self.finish(stretch)?;
                let file = Some(name.to_owned());
                let doing = Doing::Command;
                return Err(End::Error(
                    Box::new(FormatError { file, offset, doing, key: None, fault }).into(),
                ));
            }
            (None, Some((at, _))) => Some(*at),
            (None, None) => None,
        };
        if let Some(at) = cut {
            self.dropped_from = Some((name.to_owned(), at));
        }
        Ok(())
    }

    /// Takes a command into the batch.
    fn command(
        &mut self,
        place: (usize, u64),
        command: &Command<'_>,
        bytes: &[u8],
        db: &mut u64,
        stretch: &mut Stretch,
    ) -> Result<(), End> {
        if self.skip.contains(&place) {
            return Ok(());
        }
        if command.is("SELECT")
            && let Some(selected) = command.args().next().and_then(number)
        {
            *db = selected;
            return Ok(());
        }
        let mut noted = Noted::default();
        let words: Option<Vec<Cow<'_, [u8]>>> =
            match self.rules.judge(command, *db, &mut noted).map_err(End::Error)? {
                Verdict::Keep => None,
                Verdict::Drop => {
                    self.report.filtered += 1;
                    return Ok(());
                }
                Verdict::Change(words) => Some(words),
            };
        let mapped = self.rules.mapped(*db);
        let batch = &mut stretch.batch;
        if batch.db != Some(mapped) && !is_about_all_databases(command.name()) {
            batch.select(mapped);
        }
        batch.push(Some(place), |out| match words {
            Some(words) => encode::command(out, &words),
            None => out.extend_from_slice(bytes),
        });
        // What is kept there was in one of them, and is written anew at the end of the batch.
        if command.is("SWAPDB") {
            let swapped = command.args().filter_map(number).map(|db| self.rules.mapped(db));
            let swapped: Vec<u64> = swapped.collect();
            if let [0, other] | [other, 0] = swapped[..] {
                batch.select(other);
                let (lock, progress) = (&self.claim.lock_key(), &self.claim.progress_key());
                batch.push(None, |out| encode::command(out, ["DEL", lock, progress]));
            }
        }
        Ok(())
    }

    /// Notes that everything before a position is in the batch, which goes when it is large enough.
    fn reach(&mut self, position: Position, stretch: &mut Stretch) -> Result<(), End> {
        stretch.batch.behind = position;
        let Pending { bytes, places, .. } = &stretch.batch;
        let is_full = bytes.len() >= BATCH_BYTES || places.len() >= BATCH_COMMANDS;
        if is_full || self.pace.is_enough(places.len() as u64, bytes.len()) {
            self.flush(stretch)?;
        }
        Ok(())
    }
}

/// The bytes of a command as servers write it.
fn frame(command: &Command<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(command.frame().len());
    let words: Vec<&[u8]> = std::iter::once(command.name()).chain(command.args()).collect();
    encode::command(&mut bytes, words);
    bytes
}

/// A tally of nothing.
pub(super) struct Nothing;

impl crate::ops::walk::Tally for Nothing {
    type Room = ();

    fn entry(&mut self, _: &crate::rdb::Entry<'_>, (): &mut ()) -> Result<()> {
        Ok(())
    }

    fn merge(&mut self, Nothing: Self) -> Result<()> {
        Ok(())
    }
}
