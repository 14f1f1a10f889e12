//! Holes: stretches of one byte that damage has left, a sector of zeros most of all.
//!
//! ```text
//! …entry│entr 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 y│entry│entry│…
//!        ▲ lost from here                                    ▲ here records go on
//! ```
//!
//! Zeros read like records, empty strings under an empty key, and so do ones, lists; and what reads
//! them comes out of them out of step. So a hole is taken as a whole, with the record that it begins
//! in. Where nothing but chance tells it from records, the file must be damaged for sure: one that
//! can be read to its end, with a checksum that fits, has none.

use std::ops::Range;

use super::fields::read_like_keys;
use super::finder::Finder;
use super::resync::{BACK_BYTES, CHAIN, begins_log, is_text};
use crate::bytes::crc64;
use crate::error::{Doing, FormatError};
use crate::rdb::{Entry, Framer, Record, ValueType, opcode};
use crate::report::repair::{Note, NoteList};

/// So many zeros begin an empty string under an empty key and the next record with this key, and no
/// server writes a key twice.
const CERTAIN_ZEROS: usize = 5;

/// So many of one byte are a hole if they are at the begin of a record of a damaged file.
pub(super) const LEAST_BYTES: usize = 8;

/// So many of one byte in a name that is no text are a part of a hole.
const LEAST_IN_KEY: usize = 4;

/// The prefixes of a record and its key are not longer, as a rule.
const HEAD_BYTES: usize = 64;

/// Entries one right behind the other: those that damage may show to be none.
#[derive(Debug, Default)]
pub(super) struct Recent(Vec<Seen>);

#[derive(Debug)]
struct Seen {
    range: Range<usize>,
    value_type: ValueType,
    is_kept: bool,
}

impl Recent {
    pub(super) fn push(&mut self, range: Range<usize>, value_type: ValueType, is_kept: bool) {
        if self.0.len() == 2 * CHAIN {
            self.0.drain(..CHAIN);
        }
        self.0.push(Seen { range, value_type, is_kept });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The last one, if it was kept.
    pub(super) fn last(&self) -> Option<Range<usize>> {
        Some(self.last_kept()?.range.clone())
    }

    fn last_kept(&self) -> Option<&Seen> {
        self.0.last().filter(|seen| seen.is_kept)
    }

    fn start(&self) -> Option<usize> {
        self.0.first().map(|seen| seen.range.start)
    }

    fn has_fields(&self) -> bool {
        self.0.iter().any(|seen| read_like_keys(seen.value_type.label()))
    }

    /// Leaves those that reach beyond `at`.
    fn leave_beyond(&mut self, at: usize) {
        self.0.retain(|seen| seen.range.end > at);
    }
}

impl Finder<'_> {
    /// The hole that a record would begin in at `at`.
    pub(super) fn hole_at(
        &mut self,
        at: usize,
        recent: &Recent,
        framer: &Framer,
    ) -> Option<Range<usize>> {
        let pair = self.bytes.get(at..at.checked_add(2)?)?;
        if pair.first() != pair.last() {
            return None;
        }
        let run = self.run_around(at, recent);
        let is_certain = pair.first() == Some(&0) && run.end - at >= CERTAIN_ZEROS;
        let is_hole = is_certain || run.len() >= LEAST_BYTES && !self.is_whole_from(at, framer);
        is_hole.then_some(run)
    }

    /// The hole that the key of an entry reaches into.
    pub(super) fn hole_in_key(
        &mut self,
        entry: &Entry<'_>,
        at: usize,
        recent: &Recent,
        framer: &Framer,
    ) -> Option<Range<usize>> {
        let body = usize::try_from(entry.body_offset).ok()?;
        let key_at = body.checked_sub(1).filter(|&key_at| key_at >= at)?;
        if !self.likeness.is_text() {
            return None;
        }
        if entry.key.is_empty() {
            let run = self.run_around(key_at, recent);
            let is_hole = run.len() >= LEAST_BYTES && !self.is_whole_from(at, framer);
            return is_hole.then_some(run);
        }
        let name = self.bytes.get(at..body)?;
        // Nearly all names are text, and this is asked of each.
        if entry.key_bytes().map_or(true, |key| is_text(&key)) {
            return None;
        }
        let run = run_in(name, LEAST_IN_KEY)?;
        if name.get(run.start).is_none_or(|&byte| is_printable(byte)) {
            return None;
        }
        let run = self.run_around(at + run.start, recent);
        let is_hole = run.len() >= LEAST_BYTES && !self.is_whole_from(at, framer);
        is_hole.then_some(run)
    }

    /// Whether what is broken at `at` shows that a record begins there, so that those before it
    /// end where they say.
    pub(super) fn is_in_step(&mut self, at: usize, error: &FormatError, framer: &Framer) -> bool {
        let (left, checker) = (self.section.left(), &mut self.checker);
        if self.likeness.is_of_another_type(self.bytes, error, left, framer, checker).is_some() {
            return true;
        }
        if let (Doing::Value(_), Some(key)) = (error.doing, &error.key) {
            return !key.is_empty() && (is_text(key) || !self.likeness.is_text());
        }
        // Cut before anything can be told of it.
        error.fault.is_truncated() && self.bytes.len() - at < HEAD_BYTES
    }

    /// The hole that entries which were kept came out of, as nothing can be read behind them, and
    /// where records go on.
    pub(super) fn hole_before(
        &mut self,
        at: usize,
        recent: &Recent,
        framer: &Framer,
    ) -> Option<(Range<usize>, Option<usize>)> {
        let from = recent.start()?.max(at.saturating_sub(BACK_BYTES));
        let run = run_in(self.bytes.get(from..at)?, LEAST_BYTES)?;
        let run = self.run_around(from + run.start, recent);
        if run.end >= at {
            let byte = self.bytes.get(run.start).copied().unwrap_or_default();
            return (!is_printable(byte)).then_some((run, None));
        }
        if recent.has_fields() {
            return None;
        }
        let found =
            self.likeness.first_before(self.bytes, run.end - 1, at, framer, &mut self.checker)?;
        // Where one of them ends, nothing was out of step.
        let is_known = recent.0.iter().any(|seen| seen.range.end == found);
        (!is_known).then_some((run, Some(found)))
    }

    /// Where records go on within the last entry, if its name does not look like the others: as
    /// nothing can be read behind it, it may be none.
    pub(super) fn odd_before(
        &mut self,
        at: usize,
        recent: &Recent,
        framer: &Framer,
    ) -> Option<usize> {
        let Seen { range, value_type, .. } = recent.last_kept()?;
        let is_odd = self.likeness.is_text()
            && !read_like_keys(value_type.label())
            && self.key_of(range, framer).is_some_and(|key| !is_text(&key));
        if !is_odd {
            return None;
        }
        let near = range.start.saturating_add(BACK_BYTES).min(at);
        let from = range.start + 1;
        self.likeness.first_before(self.bytes, from, near, framer, &mut self.checker)
    }

    /// Notes a hole, with the entries that it begins in, and answers where records go on: at
    /// `found`, if that is known.
    pub(super) fn step_over(
        &mut self,
        hole: &Range<usize>,
        at: usize,
        found: Option<usize>,
        recent: &mut Recent,
        framer: &Framer,
    ) -> usize {
        recent.leave_beyond(hole.start);
        let has_fields = recent.has_fields();
        let kept: Vec<_> =
            std::mem::take(recent).0.into_iter().filter(|seen| seen.is_kept).collect();
        let start = kept.first().map_or(at, |seen| seen.range.start);
        let key = kept.first().and_then(|seen| self.key_of(&seen.range, framer));
        self.section.loses_count();
        for seen in kept {
            self.take_out(seen.range);
        }
        let found = found.unwrap_or_else(|| {
            // The last zero may be the type of a string.
            let from = hole.end.saturating_sub(1).max(start + 1);
            self.likeness
                .behind_hole(self.bytes, from, has_fields, framer, &mut self.checker)
                .unwrap_or(self.bytes.len())
        });
        self.section.goes_on(at, found, 1);
        let len = hole.len();
        let text = match self.bytes.get(hole.start) {
            Some(0) => format!("{len} zero bytes from offset {} on", hole.start),
            Some(byte) => format!("{len} bytes 0x{byte:02x} from offset {} on", hole.start),
            None => String::new(),
        };
        let text = format!("{text}, and what they cut through");
        let db = key.is_some().then(|| framer.db());
        self.file.lost_bytes += (found - start) as u64;
        let (offset, bytes) = (Some(start as u64), Some((found - start) as u64));
        let note =
            Note { code: "hole", offset, bytes, db, key, text, is_loss: true, ..Note::default() };
        self.file.note(NoteList::Loss, note, self.most_notes);
        found
    }

    /// Whether a SELECTDB with `next` behind it is none: the file announces the keys of each
    /// database, but not those of this one.
    pub(super) fn is_made_up_select(
        &mut self,
        at: usize,
        next: Option<&u8>,
        framer: &Framer,
    ) -> bool {
        self.likeness.announces
            && next.is_some_and(|&next| next != opcode::RESIZE_DB)
            && !self.file.losses.is_empty()
            && !self.is_whole_from(at, framer)
    }

    /// Notes such a SELECTDB, and answers where records go on.
    pub(super) fn no_select(&mut self, at: usize, framer: &Framer) -> usize {
        let found = self
            .likeness
            .behind_hole(self.bytes, at + 1, false, framer, &mut self.checker)
            .unwrap_or(self.bytes.len());
        self.section.loses_count();
        let text = "a selection of a database whose keys are not announced, behind damage: it \
                    was taken for none";
        self.note(NoteList::Loss, "select", at..found, text.to_owned());
        found
    }

    fn key_of(&self, range: &Range<usize>, framer: &Framer) -> Option<Vec<u8>> {
        let rest = self.bytes.get(range.start..)?;
        match framer.clone().next(rest, range.start as u64) {
            Ok((Record::Entry(entry), _)) => Some(entry.key_bytes().ok()?.into_owned()),
            _ => None,
        }
    }

    /// The stretch of one byte that `at` is in, from the entries before it on.
    fn run_around(&self, at: usize, recent: &Recent) -> Range<usize> {
        let floor = recent.start().unwrap_or(at).min(at);
        let Some(&byte) = self.bytes.get(at) else { return at..at };
        let is_same = |&&other: &&u8| other == byte;
        let before = self.bytes.get(floor..at).unwrap_or_default();
        let behind = self.bytes.get(at..).unwrap_or_default();
        let start = at - before.iter().rev().take_while(is_same).count();
        start..at + behind.iter().take_while(is_same).count()
    }

    /// Whether everything from `at` on can be read and the checksum, if there is one, fits: then
    /// nothing is damaged, whatever it looks like.
    fn is_whole_from(&mut self, at: usize, framer: &Framer) -> bool {
        if let Some(is_whole) = self.is_whole {
            return is_whole;
        }
        let is_whole = self.reads_to_the_end(at, framer.clone());
        self.is_whole = Some(is_whole);
        is_whole
    }

    fn reads_to_the_end(&self, mut at: usize, mut framer: Framer) -> bool {
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Ok((record, behind)) = framer.next(rest, at as u64) else { return false };
            let Record::End { checksum } = record else {
                at = self.bytes.len() - behind.len();
                continue;
            };
            let is_end = behind.is_empty() || begins_log(behind);
            let read = self.bytes.get(..=at).unwrap_or_default();
            return is_end
                && checksum.is_none_or(|stored| stored == 0 || stored == crc64::plain(0, read));
        }
    }
}

/// The last stretch of one byte that is at least so long.
pub(super) fn run_in(bytes: &[u8], least: usize) -> Option<Range<usize>> {
    let mut end = bytes.len();
    while end >= least {
        let byte = *bytes.get(end - 1)?;
        let run = bytes.get(..end)?.iter().rev().take_while(|&&other| other == byte).count();
        if run >= least {
            return Some(end - run..end);
        }
        end -= run;
    }
    None
}

fn is_printable(byte: u8) -> bool {
    (b' '..127).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::run_in;

    #[test]
    fn the_last_stretch_is_found() {
        assert_eq!(run_in(b"aaaabbbbbcc", 4), Some(4..9));
        assert_eq!(run_in(b"aaaa", 4), Some(0..4));
        assert_eq!(run_in(b"abcabc", 2), None);
        assert_eq!(run_in(b"", 1), None);
    }
}
