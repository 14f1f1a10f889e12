//! What a walk over a snapshot finds: stretches that stay, and a note on each that does not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::fields::{Found, nth};
use super::log::words;
use super::resync::{Likeness, begins_log};
use super::section::Section;
use crate::bytes::crc64;
use crate::error::{Doing, Fault, FormatError, Result};
use crate::ops::check::keys::{Keys, Repeat, Seen};
use crate::ops::sound::{is_fatal, is_harmless};
use crate::rdb::object::{Checker, Problem};
use crate::rdb::{
    Entry, Framer, Header, LibraryHead, Record, is_slot_info, opcode, reads_as_slot_info,
};
use crate::report::repair::{FileReport, Note, NoteList};
use crate::report::text::{count, plural};
use crate::source::temporary_failed;
use crate::value::Kind;

/// The first pass: what was found so far, and what there is to say of it.
pub(super) struct Finder<'f> {
    pub(super) bytes: &'f [u8],
    pub(super) strict: bool,
    pub(super) most_notes: usize,
    pub(super) file: &'f mut FileReport,
    pub(super) pieces: Vec<Range<usize>>,
    pub(super) keys: Keys,
    pub(super) kept: u64,
    pub(super) section: Section,
    /// Those before, of which more came than they had announced.
    pub(super) sections: Vec<Section>,
    pub(super) libraries: BTreeSet<Vec<u8>>,
    pub(super) likeness: Likeness,
    pub(super) checker: Checker,
    pub(super) room: Vec<u8>,
    pub(super) sum: Sum,
    /// Whether the file is not damaged at all, once that was asked.
    pub(super) is_whole: Option<bool>,
    /// From where to where those SELECTDBs go whose first byte is damaged.
    pub(super) selects: BTreeMap<usize, usize>,
}

/// The checksum of the bytes before a place that only moves on: end markers may be many.
#[derive(Default)]
pub(super) struct Sum {
    crc: u64,
    to: usize,
}

impl Sum {
    pub(super) fn up_to(&mut self, bytes: &[u8], to: usize) -> u64 {
        self.crc = crc64::plain(self.crc, bytes.get(self.to..to).unwrap_or_default());
        self.to = to;
        self.crc
    }
}

impl Finder<'_> {
    fn keep(&mut self, range: Range<usize>) {
        match self.pieces.last_mut() {
            Some(last) if last.end == range.start && !self.selects.contains_key(&range.start) => {
                last.end = range.end;
            }
            _ => self.pieces.push(range),
        }
    }

    pub(super) fn note(
        &mut self,
        list: NoteList,
        code: &'static str,
        range: Range<usize>,
        text: String,
    ) {
        let (offset, bytes) = (Some(range.start as u64), Some(range.len() as u64));
        let is_loss = list == NoteList::Loss;
        if is_loss {
            self.file.lost_bytes += range.len() as u64;
        }
        let note = Note { code, offset, bytes, text, is_loss, ..Note::default() };
        self.file.note(list, note, self.most_notes);
    }

    fn note_key(&mut self, list: NoteList, range: Range<usize>, error: &FormatError, db: u64) {
        let (offset, bytes) = (Some(range.start as u64), Some(range.len() as u64));
        let is_loss = list == NoteList::Loss;
        if is_loss {
            self.file.lost_bytes += range.len() as u64;
            self.file.lost_keys += u64::from(error.key.is_some());
        }
        let (code, key) = (error.fault.code(), error.key.clone());
        let db = key.is_some().then_some(db);
        let text = format!("{} while reading {}", words(error), error.doing);
        let note = Note { code, offset, bytes, db, key, text, is_loss, ..Note::default() };
        self.file.note(list, note, self.most_notes);
    }

    pub(super) fn broken(
        &mut self,
        error: &FormatError,
        range: Range<usize>,
        found: Found,
        db: u64,
    ) {
        self.note_key(NoteList::Loss, range.clone(), error, db);
        if found.doubtful > 0 {
            let text = format!(
                "{} at the end of this read like fields of the hash and like keys, and were left \
                 out",
                plural(found.doubtful, "record")
            );
            self.note(NoteList::Doubt, "fields-or-keys", range, text);
        }
    }

    pub(super) fn end_section(&mut self) {
        let section = std::mem::take(&mut self.section);
        if let Some(keys) = section.announced {
            *self.file.announced_keys.get_or_insert(0) += keys;
        }
        if section.too_many() > 0 {
            self.sections.push(section);
        }
    }

    /// Of databases that came with more keys than they had announced, takes out what a hash has
    /// left behind whose count is too low, if there is but one that it can be.
    pub(super) fn drop_unannounced(&mut self) {
        for section in std::mem::take(&mut self.sections) {
            let db = section.db;
            let announced = section.announced.unwrap_or_default();
            if let Some((at, too_many)) = section.culprit() {
                let end = nth(self.bytes, at, too_many);
                let text = format!(
                    "db {db} announced {} and came with {}: the first behind a hash whose fields \
                     read like keys are taken for its fields",
                    plural(announced, "key"),
                    count(section.kept + section.lost),
                );
                self.cut_out(at..end);
                self.kept -= too_many;
                self.note(NoteList::Loss, "unannounced", at..end, text);
            } else {
                let text = format!(
                    "db {db} announced {}, and {} were kept: some may be none",
                    plural(announced, "key"),
                    count(section.kept),
                );
                let note = Note { code: "unannounced", db: Some(db), text, ..Note::default() };
                self.file.note(NoteList::Doubt, note, self.most_notes);
            }
        }
    }

    /// Takes in a record; where it is wrong about its end, the answer is the right one.
    pub(super) fn record(
        &mut self,
        record: &Record<'_>,
        range: Range<usize>,
        framer: &Framer,
    ) -> Result<Option<usize>> {
        match record {
            Record::Entry(entry) => return self.entry(entry, range, framer),
            Record::SelectDb(db) => {
                self.keys.select(range.start as u64, *db);
                self.end_section();
                self.section.db = *db;
            }
            // A hint; one that no file of this size can keep makes a server ask for all memory.
            Record::ResizeDb { keys, .. } if *keys > self.bytes.len() as u64 / 2 => {
                let text = "a hint of more keys than there is room for was left out".to_owned();
                self.note(NoteList::Mended, "resizedb", range, text);
                return Ok(None);
            }
            Record::ResizeDb { keys, .. } => {
                self.section.announced = Some(*keys);
                self.likeness.announces = true;
            }
            Record::SlotInfo { slot, .. } if *slot >= 16384 => {
                let text = format!("a hint about slot {slot}, which does not exist, was left out");
                self.note(NoteList::Mended, "slot", range, text);
                return Ok(None);
            }
            Record::Aux { name, value } => {
                let (Ok(name), Ok(value)) = (name.to_cow(), value.to_cow()) else {
                    let text = "an auxiliary field that cannot be unpacked".to_owned();
                    self.note(NoteList::Loss, "aux", range, text);
                    return Ok(None);
                };
                if is_slot_info(&name) && !reads_as_slot_info(&value) {
                    let text =
                        "a hint about a slot that Valkey cannot read was left out".to_owned();
                    self.note(NoteList::Mended, "slot-info", range, text);
                    return Ok(None);
                }
            }
            Record::Function(code) => {
                let head = code.to_cow().map_err(|fault| fault.found());
                let head = head.and_then(|code| LibraryHead::parse(&code).map_err(str::to_owned));
                let text = match head {
                    Err(found) => format!("a function library that no server loads: {found}"),
                    Ok(head) if self.libraries.contains(&head.name) => {
                        format!("function library {} again", crate::bytes::quoted(&head.name))
                    }
                    Ok(head) => {
                        self.libraries.insert(head.name);
                        self.keep(range);
                        return Ok(None);
                    }
                };
                self.note(NoteList::Loss, "function", range, text);
                return Ok(None);
            }
            Record::FunctionPreGa { .. } => {
                let text = "a function library of a release candidate, which Redis 7.0 alone \
                            loads, was kept";
                self.note(NoteList::Doubt, "function-pre-release", range.clone(), text.to_owned());
            }
            _ => {}
        }
        self.keep(range);
        Ok(None)
    }

    fn entry(
        &mut self,
        entry: &Entry<'_>,
        range: Range<usize>,
        framer: &Framer,
    ) -> Result<Option<usize>> {
        let mut worst: Option<Problem<'static>> = None;
        let mut fatal = false;
        let strict = self.strict;
        self.checker.check(entry, &mut |problem: Problem<'_>| {
            let refused = is_fatal(&problem) || strict && !is_harmless(&problem);
            if worst.is_none() || refused && !fatal {
                let Problem { at, fault, stance, .. } = problem;
                worst = Some(Problem { at, fault, stance, shown: None });
            }
            fatal |= refused;
        })?;
        let is_plain = self.bytes.get(range.start) == Some(&0);
        self.section.note(entry.value_type, &range, is_plain);
        let key = match entry.key.blob(&mut self.room) {
            Ok(key) => key,
            Err(fault) => {
                let error = entry.key_error(fault);
                self.section.lost += 1;
                self.note_key(NoteList::Loss, range, &error, entry.db);
                return Ok(None);
            }
        };
        let doubt = worst.filter(|problem| fatal || !is_harmless(problem));
        let doubt = doubt.map(|problem| entry.error(problem.at, problem.fault));
        if let Some(error) = doubt.as_ref().filter(|_| fatal) {
            // A stream ends with counts, and one that is damaged may take in what follows.
            let to = match entry.value_type.kind() {
                Kind::Stream | Kind::Module => self.likeness.swallowed(
                    self.bytes,
                    range.start + 1,
                    range.end,
                    framer,
                    &mut self.checker,
                ),
                _ => None,
            };
            let range = range.start..to.unwrap_or(range.end);
            self.section.lost += 1;
            self.note_key(NoteList::Loss, range, error, entry.db);
            return Ok(to);
        }
        self.likeness.note(key);
        self.keys.note(&Seen::of(entry, key), key).map_err(temporary_failed)?;
        if let Some(error) = doubt {
            self.note_key(NoteList::Doubt, range.clone(), &error, entry.db);
        }
        self.kept += 1;
        self.section.kept += 1;
        self.keep(range);
        Ok(None)
    }

    /// Takes in a SELECTDB whose first byte is damaged.
    pub(super) fn select(&mut self, range: Range<usize>, framer: &mut Framer) -> Result<()> {
        let db = self.bytes.get(range.start + 1..range.end).unwrap_or_default();
        let whole = [&[opcode::SELECT_DB], db].concat();
        let (record, _) = framer.next(&whole, range.start as u64)?;
        self.selects.insert(range.start, range.end);
        self.record(&record, range.clone(), framer)?;
        let text = format!(
            "a byte that begins no record, before what reads like a database and its size: \
             taken for the selection of db {}",
            framer.db()
        );
        self.note(NoteList::Doubt, "select", range, text);
        Ok(())
    }

    /// Takes an entry out again that ends elsewhere than it says.
    pub(super) fn shifted(&mut self, range: Range<usize>, claimed: Range<usize>) {
        self.section.goes_on(claimed.end, range.end, 0);
        self.take_out(claimed);
        let text = "a value with a length at its end that takes in what follows".to_owned();
        self.note(NoteList::Loss, "shifted", range, text);
    }

    /// Takes out an entry that was kept.
    pub(super) fn take_out(&mut self, range: Range<usize>) {
        self.cut_out(range);
        self.kept -= 1;
        self.section.kept = self.section.kept.saturating_sub(1);
        self.section.lost += 1;
        self.file.lost_keys += 1;
    }

    /// What is wrong with an end marker up to whose checksum it is `to` bytes, if the file goes on
    /// behind it.
    pub(super) fn early_end(
        &mut self,
        stored: Option<u64>,
        to: usize,
        framer: &Framer,
    ) -> Option<Box<FormatError>> {
        let behind = self.bytes.get(to..).filter(|behind| !behind.is_empty())?;
        let marker = to.checked_sub(if stored.is_some() { 9 } else { 1 })?;
        let is_end = stored
            .is_some_and(|stored| stored == 0 || stored == self.sum.up_to(self.bytes, marker + 1));
        if is_end || begins_log(behind) {
            return None;
        }
        let found = self.likeness.first(self.bytes, marker + 1, framer, &mut self.checker)?;
        // An end alone says nothing.
        (self.bytes.get(found) != Some(&opcode::EOF)).then(|| {
            let (offset, fault) = (marker as u64, Fault::EarlyEnd);
            Box::new(FormatError { file: None, offset, doing: Doing::Opcode, key: None, fault })
        })
    }

    pub(super) fn checksum(&mut self, at: usize, stored: u64, computed: u64) {
        let text = format!(
            "the checksum was {stored:016x} and the bytes had {computed:016x}: it was computed anew"
        );
        if self.file.losses.is_empty() && self.selects.is_empty() {
            let text = format!(
                "{text}, and as nothing else is wrong, some value has changed and cannot be told"
            );
            self.note(NoteList::Doubt, "checksum", at..at + 9, text);
        } else {
            self.note(NoteList::Mended, "checksum", at..at + 9, text);
        }
    }

    pub(super) fn no_end(&mut self, at: usize) {
        let text = "the file ended without an end marker: what followed is not known".to_owned();
        self.note(NoteList::Loss, "truncated", at..at, text);
    }

    /// Of keys that stand there several times, leaves the last.
    pub(super) fn drop_repeats(&mut self, header: Header) -> Result<()> {
        let mut repeats: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let keys = std::mem::replace(&mut self.keys, Keys::new(false));
        let mut names: BTreeMap<u64, (u64, Vec<u8>)> = BTreeMap::new();
        keys.repeats(1, header, self.bytes, |Repeat { db, key, first, again }| {
            repeats.entry(first).or_default().insert(again);
            names.insert(first, (db, key));
        })
        .map_err(temporary_failed)?;
        for (first, again) in repeats {
            let (db, key) = names.remove(&first).unwrap_or_default();
            // Some may have been taken out.
            let still = |&offset: &u64| self.pieces.iter().any(|piece| holds(piece, offset));
            let offsets: Vec<u64> = std::iter::once(first).chain(again).filter(still).collect();
            let Some(&last) = offsets.last() else { continue };
            for offset in offsets.into_iter().filter(|&offset| offset != last) {
                let Some(range) = self.entry_at(header, offset) else { continue };
                let (offset, bytes) = (Some(range.start as u64), Some(range.len() as u64));
                let text =
                    format!("a key that stands there again at offset {last}, which was kept");
                let note = Note {
                    code: "duplicate-key",
                    offset,
                    bytes,
                    db: Some(db),
                    key: Some(key.clone()),
                    text,
                    is_loss: true,
                    ..Note::default()
                };
                self.file.lost_bytes += range.len() as u64;
                self.file.note(NoteList::Loss, note, self.most_notes);
                self.kept -= 1;
                self.cut_out(range);
            }
        }
        Ok(())
    }

    /// Where the entry at an offset ends. Its templates do not matter: it was read before.
    fn entry_at(&self, header: Header, offset: u64) -> Option<Range<usize>> {
        let at = usize::try_from(offset).ok()?;
        let piece = self.pieces.iter().find(|piece| piece.contains(&at))?;
        let simple = Framer::new(header).next(self.bytes.get(at..)?, offset);
        if let Ok((_, behind)) = simple {
            return Some(at..self.bytes.len() - behind.len());
        }
        // It refers to a template, which stands in front of it.
        let mut framer = Framer::new(header);
        let mut from = 0;
        for piece in self.pieces.iter().take_while(|other| other.start <= piece.start) {
            from = from.max(self.selects.get(&piece.start).copied().unwrap_or(piece.start));
            while from < piece.end {
                let (_, behind) = framer.next(self.bytes.get(from..)?, from as u64).ok()?;
                let to = self.bytes.len() - behind.len();
                if from == at {
                    return Some(from..to);
                }
                from = to;
            }
        }
        None
    }

    fn cut_out(&mut self, range: Range<usize>) {
        let Some(index) = self.pieces.iter().position(|piece| piece.contains(&range.start)) else {
            return;
        };
        let Some(piece) = self.pieces.get(index).cloned() else { return };
        let parts = [piece.start..range.start, range.end..piece.end];
        self.pieces.splice(index..=index, parts.into_iter().filter(|part| !part.is_empty()));
    }
}

fn holds(piece: &Range<usize>, offset: u64) -> bool {
    usize::try_from(offset).is_ok_and(|at| piece.contains(&at))
}
