//! The repair of a snapshot: every record that is sound goes over as it lies, with a checksum that
//! is computed anew.
//!
//! ```text
//! first pass     which stretches of the file stay; what is lost between them, and why
//! second pass    header, the stretches, FF, checksum
//! ```
//!
//! Between the passes repeated keys are dealt with: no server loads a key twice, and of several
//! the last one stays, as it would when one file is loaded over the other. A value whose frame is
//! whole but whose inside is not goes alone; a broken frame takes with it what lies up to the
//! next record that can be believed in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Put;
use super::fields::Known;
use super::finder::{Finder, Sum};
use super::holes::Recent;
use super::log::words;
use super::resync::Likeness;
use super::section::Section;
use crate::bytes::crc64;
use crate::error::{Doing, FormatError, Result, unwrap_bad};
use crate::ops::check::keys::Keys;
use crate::ops::walk::Observer;
use crate::rdb::object::Checker;
use crate::rdb::{Family, Framer, HEADER_BYTES, Header, Record, opcode};
use crate::report::repair::{FileReport, Note, NoteList};

/// How often progress is told, in records.
const PROGRESS_RECORDS: u64 = 1 << 14;

/// What was found of a snapshot.
pub(super) struct Salvage {
    header: Header,
    pieces: Vec<Range<usize>>,
    /// Pieces that begin here begin with a SELECTDB, whatever their first byte is.
    selects: BTreeMap<usize, usize>,
    /// Where what follows the snapshot begins.
    pub(super) ends_at: usize,
    /// Whether a checksum is computed, where the version has one.
    checksum: Option<bool>,
    /// Whether the end that was found may be none: its checksum does not fit.
    pub(super) ends_in_doubt: bool,
    /// Whether it came to an end with the checksum that it has.
    pub(super) is_whole: bool,
}

/// Looks for what is sound in the snapshot that `bytes` begin with.
pub(super) fn salvage(
    bytes: &[u8],
    strict: bool,
    most_notes: usize,
    file: &mut FileReport,
    observer: &dyn Observer,
) -> Result<Salvage> {
    let (header, start) = header(bytes, file)?;
    let mut finder = Finder {
        bytes,
        strict,
        most_notes,
        file,
        pieces: Vec::new(),
        keys: Keys::new(false),
        kept: 0,
        section: Section::default(),
        sections: Vec::new(),
        libraries: BTreeSet::new(),
        likeness: Likeness::default(),
        checker: Checker::default(),
        room: Vec::new(),
        sum: Sum::default(),
        is_whole: None,
        selects: BTreeMap::new(),
    };
    let mut framer = Framer::new(header);
    let mut at = start;
    let mut end = None;
    let mut recent = Recent::default();
    let mut records = 0;
    let (mut computed_anew, mut lost_the_end) = (false, false);
    let (mut ends_in_doubt, mut is_whole) = (false, false);
    while end.is_none() && at < bytes.len() {
        records += 1;
        if records % PROGRESS_RECORDS == 0 {
            observer.progress(at as u64);
        }
        if let Some(hole) = finder.hole_at(at, &recent, &framer) {
            at = finder.step_over(&hole, at, None, &mut recent, &framer);
            lost_the_end = at == bytes.len();
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let before = framer.clone();
        let read = match framer.next(rest, at as u64) {
            Ok((Record::End { checksum }, behind)) => {
                let to = bytes.len() - behind.len();
                let end = (Record::End { checksum }, behind);
                finder.early_end(checksum, to, &before).map_or(Ok(end), Err)
            }
            read => read,
        };
        match read {
            Ok((Record::SelectDb(_), behind))
                if finder.is_made_up_select(at, behind.first(), &before) =>
            {
                framer = before;
                recent.clear();
                at = finder.no_select(at, &framer);
                lost_the_end = at == bytes.len();
            }
            Ok((Record::End { checksum }, behind)) => {
                end = Some((at, checksum));
                at = bytes.len() - behind.len();
            }
            Ok((record, behind)) => {
                let to = bytes.len() - behind.len();
                if let Record::Entry(entry) = &record
                    && let Some(hole) = finder.hole_in_key(entry, at, &recent, &before)
                {
                    framer = before;
                    at = finder.step_over(&hole, at, None, &mut recent, &framer);
                    lost_the_end = at == bytes.len();
                    continue;
                }
                let kept = finder.kept;
                let end = finder.record(&record, at..to, &before)?.unwrap_or(to);
                match &record {
                    Record::Entry(entry) => {
                        recent.push(at..end, entry.value_type, finder.kept > kept);
                    }
                    _ => recent.clear(),
                }
                at = end;
            }
            // All keys are there; only the checksum behind the end marker is not.
            Err(error) if error.doing == Doing::Checksum && error.fault.is_truncated() => {
                let text = "the checksum was cut: it was computed anew".to_owned();
                finder.note(NoteList::Mended, "checksum", at..bytes.len(), text);
                end = Some((at, Some(0)));
                computed_anew = true;
                at = bytes.len();
            }
            Err(error) => {
                let claim = framer.claim();
                framer = before;
                if error.offset == at as u64
                    && let Some(to) =
                        finder.likeness.select(bytes, at, &framer, &mut finder.checker)
                {
                    finder.select(at..to, &mut framer)?;
                    recent.clear();
                    at = to;
                    continue;
                }
                if let Some((hole, found)) = finder.hole_before(at, &recent, &framer)
                    && !finder.is_in_step(at, &error, &framer)
                {
                    at = finder.step_over(&hole, at, found, &mut recent, &framer);
                    lost_the_end = at == bytes.len();
                    continue;
                }
                let is_cut = error.fault.is_truncated();
                let shifted = recent.last().and_then(|range| {
                    let to = finder.likeness.shifted(bytes, at, &framer, &mut finder.checker)?;
                    // Behind a cut, some byte among the last may well read like an end marker.
                    let next = framer.clone().next(bytes.get(to..)?, to as u64);
                    let is_end = matches!(next, Ok((Record::End { .. }, _)));
                    (to > range.start && !(is_cut && is_end)).then_some((to, range))
                });
                if let Some((to, range)) = shifted {
                    recent.clear();
                    finder.shifted(range.start..to, range);
                    at = to;
                    continue;
                }
                if let Some(to) = finder.odd_before(at, &recent, &framer)
                    && let Some(range) = recent.last()
                    && !finder.is_in_step(at, &error, &framer)
                {
                    recent.clear();
                    finder.shifted(range.start..to, range);
                    at = to;
                    continue;
                }
                recent.clear();
                let gaps = u64::from(!matches!(error.doing, Doing::Record(_)));
                finder.section.broken += gaps;
                let is_key = matches!(error.doing, Doing::Key | Doing::Value(_));
                let known = Known { claim, left: finder.section.left(), is_key };
                let found =
                    finder.likeness.find(bytes, at, &error, known, &framer, &mut finder.checker);
                lost_the_end = found.is_none();
                let found = found.unwrap_or(bytes.len().into());
                finder.broken(&error, at..found.at, found, framer.db());
                finder.section.goes_on(at, found.at, gaps);
                at = found.at;
            }
        }
    }
    finder.end_section();
    let mut is_changed = !finder.file.losses.is_empty();
    let checksum = match end {
        Some((at, Some(stored))) => {
            let computed = finder.sum.up_to(bytes, at + 1);
            if stored != 0 && stored != computed {
                (is_changed, ends_in_doubt) = (true, true);
                finder.checksum(at, stored, computed);
            }
            is_whole = stored == computed;
            // A writer that computed none gets none.
            Some(stored != 0 || computed_anew)
        }
        Some((_, None)) => None,
        None => {
            if !lost_the_end {
                finder.no_end(at);
            }
            header.has_checksum().then_some(true)
        }
    };
    if is_changed {
        finder.drop_unannounced();
    }
    finder.drop_repeats(header)?;
    let Finder { pieces, kept, selects, .. } = finder;
    file.keys = Some(kept);
    Ok(Salvage { header, pieces, selects, ends_at: at, checksum, ends_in_doubt, is_whole })
}

impl Salvage {
    /// Writes what was found.
    pub(super) fn write(&self, bytes: &[u8], put: Put<'_>, file: &mut FileReport) -> Result<()> {
        let mut crc = 0;
        let mut write = |part: &[u8]| {
            crc = crc64::update(crc, part);
            file.written_bytes += part.len() as u64;
            put(part)
        };
        write(self.header.magic().as_bytes())?;
        for piece in &self.pieces {
            let mut piece = piece.clone();
            if self.selects.contains_key(&piece.start) {
                write(&[opcode::SELECT_DB])?;
                piece.start += 1;
            }
            // In steps, so that a mapped file need not be in memory at once.
            for step in bytes.get(piece).unwrap_or_default().chunks(1 << 20) {
                write(step)?;
            }
        }
        write(&[opcode::EOF])?;
        if let Some(is_computed) = self.checksum {
            let checksum = if is_computed { crc } else { 0 };
            file.written_bytes += 8;
            put(&checksum.to_le_bytes())?;
        }
        Ok(())
    }
}

/// Magic and version, guessed where they are damaged, and where the records begin.
fn header(bytes: &[u8], file: &mut FileReport) -> Result<(Header, usize)> {
    let fault = match Header::parse(bytes) {
        Ok((rest, header)) => return Ok((header, bytes.len() - rest.len())),
        Err(error) => unwrap_bad(error).fault,
    };
    let error = FormatError { file: None, offset: 0, doing: Doing::Header, key: None, fault };
    let head = bytes.get(..HEADER_BYTES).unwrap_or_default();
    let guess = match head {
        [b'V', b'A', ..] | [.., b'E', b'Y', _, _, _] => {
            Header { family: Family::Valkey, version: 80 }
        }
        // What all servers since 7.2 read.
        [_, ..] => Header { family: Family::Redis, version: 11 },
        [] => return Err(Box::new(error).into()),
    };
    let text = format!("{}: written as {}", words(&error), guess.magic());
    let note = Note { code: fault.code(), offset: Some(0), text, ..Note::default() };
    file.note(NoteList::Doubt, note, usize::MAX);
    Ok((guess, HEADER_BYTES))
}
