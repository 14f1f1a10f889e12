//! What a comparison keeps of each key: a row to be sorted, and where its value can be found again.

use std::fs::File;
use std::io::{BufWriter, Write};

use crate::bytes::input::Input as _;
use crate::digest::full::stored_digest;
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::ops::encoding;
use crate::ops::sorted::Taken;
use crate::rdb::write::{Body, EntryRoom, Sink, entry as write_entry};
use crate::rdb::{Entry, Framer, Header, Record, Target, ValueType};
use crate::report::diff::Side;
use crate::source::{Mapping, Source, temporary_failed, temporary_file};

/// A key of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) db: u64,
    pub(super) key: Vec<u8>,
    /// The index of its encoding.
    encoding: u8,
    pub(super) side: Side,
    /// Of the value as it lies.
    pub(super) sum: [u8; 16],
    pub(super) place: Place,
    /// Whether the filter lets it through.
    pub(super) passes: bool,
    /// Whether there was another of this key before it.
    pub(super) repeated: bool,
}

/// Where a value is: in the source, as a whole record, or in the spool, its body alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) len: u64,
    /// In the spool: the index of its type. In the source: `None`.
    pub(super) spooled: Option<u8>,
    /// In the spool: bytes of metadata behind the body, and one more.
    pub(super) meta: u32,
}

impl Row {
    /// The row of a key whose value is at `place`.
    pub(super) fn of(entry: &Entry<'_>, place: Place) -> Result<Self> {
        let mut sum = [0; 16];
        sum.iter_mut().zip(stored_digest(entry).0).for_each(|(to, from)| *to = from);
        let index = encoding::index(entry);
        Ok(Row {
            db: entry.db,
            key: entry.key_bytes()?.into_owned(),
            encoding: u8::try_from(index).unwrap_or(u8::MAX),
            side: Side {
                elements: entry.shape()?.elements,
                size_bytes: entry.size_bytes(),
                // Servers say "never" to themselves by −1.
                expires_at_ms: entry.expires_at_ms.filter(|&ms| ms != -1),
                kind: encoding::kind(index).name(),
                encoding: encoding::name(index),
            },
            sum,
            place,
            passes: true,
            repeated: false,
        })
    }

    /// What it is sorted by: the database, then the bytes of the key.
    pub(super) fn sort_key(&self) -> Vec<u8> {
        [&self.db.to_be_bytes()[..], &self.key].concat()
    }

    /// The rest of it.
    pub(super) fn rest(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let Place { at, len, spooled, meta } = self.place;
        let expires = self.side.expires_at_ms;
        out.extend_from_slice(&[
            self.encoding,
            u8::from(expires.is_some()) | u8::from(self.passes) << 1,
            spooled.unwrap_or(u8::MAX),
        ]);
        out.extend_from_slice(&self.sum);
        for number in [self.side.elements, self.side.size_bytes, at, len, meta.into()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&expires.unwrap_or_default().to_le_bytes());
        out
    }

    /// The row that was taken out of the sorter.
    pub(super) fn back(taken: &Taken) -> Option<Self> {
        let (db, key) = taken.key.split_first_chunk()?;
        let (&[encoding, flags, spooled], rest) = taken.rest.split_first_chunk()?;
        let (&sum, rest) = rest.split_first_chunk()?;
        let mut numbers =
            rest.chunks_exact(8).filter_map(|n| n.try_into().ok()).map(u64::from_le_bytes);
        let mut number = || numbers.next();
        let (elements, size_bytes) = (number()?, number()?);
        let (at, len, meta) = (number()?, number()?, number()?);
        let expires_at_ms = number()?.cast_signed();
        Some(Row {
            db: u64::from_be_bytes(*db),
            key: key.to_vec(),
            encoding,
            side: Side {
                elements,
                size_bytes,
                expires_at_ms: (flags & 1 == 1).then_some(expires_at_ms),
                kind: encoding::kind(encoding.into()).name(),
                encoding: encoding::name(encoding.into()),
            },
            sum,
            place: Place {
                at,
                len,
                spooled: (spooled != u8::MAX).then_some(spooled),
                meta: u32::try_from(meta).ok()?,
            },
            passes: flags & 2 == 2,
            repeated: false,
        })
    }
}

/// Room for values that are written anew to be kept.
pub(super) struct Anew {
    sink: Sink,
    room: EntryRoom,
}

impl Default for Anew {
    fn default() -> Self {
        Anew { sink: Sink::new(false), room: EntryRoom::default() }
    }
}

/// Puts a value behind what waits for the spool; its place counts from there.
pub(super) fn keep(waiting: &mut Vec<u8>, entry: &Entry<'_>, anew: &mut Anew) -> Result<Place> {
    let at = waiting.len() as u64;
    let mut ty = entry.value_type;
    let mut body = entry.body();
    if refers_to_template(entry) {
        // The spool has no templates.
        anew.sink.clear();
        match write_entry(&mut anew.sink, entry, &Target::default(), false, &mut anew.room)? {
            Body::Written(written) => (ty, body) = (written, &anew.sink.out),
            Body::Same(same, bytes) => (ty, body) = (same, bytes),
            Body::Nothing => {}
        }
    }
    waiting.extend_from_slice(body);
    let meta = entry.meta.map_or(0, |meta| meta.len() + 1);
    waiting.extend_from_slice(entry.meta.unwrap_or_default());
    Ok(Place {
        at,
        len: body.len() as u64,
        spooled: Some(ty as u8),
        meta: u32::try_from(meta).unwrap_or(u32::MAX),
    })
}

/// Whether a value cannot be read without the records in front of it.
pub(super) fn refers_to_template(entry: &Entry<'_>) -> bool {
    matches!(entry.value_type, ValueType::HashTemplateListpack | ValueType::HashTemplateArray)
}

/// A temporary file of values, which is made when there is one.
#[derive(Default)]
pub(super) struct Spool {
    file: Option<BufWriter<File>>,
    pub(super) len: u64,
}

impl Spool {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = temporary_file().map_err(wrong)?;
                none.insert(BufWriter::with_capacity(1 << 20, file))
            }
        };
        file.write_all(bytes).map_err(wrong)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn finish(self) -> Result<Option<Mapping>> {
        let Some(file) = self.file else { return Ok(None) };
        let file = file.into_inner().map_err(|error| wrong(error.into_error()))?;
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        Mapping::of(&file, len).map(Some).map_err(wrong)
    }
}

fn wrong(cause: std::io::Error) -> Error {
    temporary_failed(cause)
}

/// The values of a source, wherever they are.
pub(super) struct Values {
    /// Of a mapped snapshot: its bytes.
    source: Option<(Mapping, Header)>,
    spool: Option<Mapping>,
}

impl Values {
    /// A mapped snapshot that its values can be read from again, if it is one.
    pub(super) fn in_source(source: &Source) -> Option<(Mapping, Header)> {
        let feed = source.feed.as_ref()?;
        let (_, header) = Header::parse(feed.buffer()).ok()?;
        Some((feed.mapping()?, header))
    }

    pub(super) fn new(source: Option<(Mapping, Header)>, spool: Spool) -> Result<Self> {
        Ok(Values { source, spool: spool.finish()? })
    }

    /// The key of a row with its value.
    pub(super) fn entry<'a>(&'a self, row: &'a Row) -> Result<Entry<'a>> {
        let Place { at, len, spooled, meta } = row.place;
        let lost = || {
            let fault = Fault::Truncated { need: len, have: 0 };
            let doing = Doing::Value(row.side.kind);
            Box::new(FormatError {
                file: None,
                offset: at,
                doing,
                key: Some(row.key.clone()),
                fault,
            })
        };
        let mapping = match spooled {
            Some(_) => self.spool.as_ref(),
            None => self.source.as_ref().map(|(mapping, _)| mapping),
        };
        let bytes = mapping.and_then(|map| map.bytes().get(at as usize..)).ok_or_else(lost)?;
        let Some(index) = spooled else {
            let bytes = bytes.get(..len as usize).ok_or_else(lost)?;
            let (_, header) = self.source.as_ref().ok_or_else(lost)?;
            return match Framer::new(*header).next(bytes, at)? {
                (Record::Entry(entry), _) => Ok(entry),
                _ => Err(lost().into()),
            };
        };
        let ty = ValueType::ALL.get(usize::from(index)).copied().ok_or_else(lost)?;
        let (body, behind) = bytes.split_at_checked(len as usize).ok_or_else(lost)?;
        let mut entry = Entry::of_body(&row.key, ty, body, 0);
        entry.meta = meta.checked_sub(1).and_then(|len| behind.get(..len as usize));
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was() {
        let entry = Entry::of_body(b"key", ValueType::String, b"\x01a", 77);
        for (expires_at_ms, spooled) in [(None, None), (Some(-5), Some(3)), (Some(0), Some(0))] {
            let place = Place { at: 1 << 40, len: 3, spooled, meta: 7 };
            let mut row = Row::of(&entry, place).unwrap();
            row.db = 700;
            row.side.expires_at_ms = expires_at_ms;
            row.passes = spooled.is_none();
            let taken = Taken { key: row.sort_key(), rest: row.rest() };
            assert_eq!(Row::back(&taken), Some(row));
        }
    }
}
