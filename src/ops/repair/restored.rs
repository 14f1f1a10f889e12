//! A snapshot as it was before a few bytes of it were damaged, as its checksum tells.
//!
//! Nothing is lost then, whatever was hit: a length, a type, the text of a value that would be taken
//! for sound. That it was the only damage shows in that all of it can be read.

use std::io::Write as _;

use super::snapshot::{Salvage, salvage};
use crate::aof::log::find_command;
use crate::error::Result;
use crate::ops::snapshot::is_announced_as_base;
use crate::ops::walk::Observer;
use crate::rdb::{Damage, HEADER_BYTES};
use crate::report::repair::{FileReport, Note, NoteList};
use crate::resp::Command;
use crate::source::{Mapping, Whole, temporary_failed, temporary_file};

/// Beyond this the bytes are kept in a temporary file.
const MOST_IN_MEMORY: usize = 64 << 20;

/// So many ends are tried: each of them takes some nanoseconds for each byte.
const MOST_ENDS: usize = 6;

/// The bytes as they were, and what was found in them.
pub(super) struct Restored {
    pub(super) bytes: Whole,
    pub(super) salvage: Salvage,
    pub(super) file: FileReport,
}

/// Where a snapshot may end of which that is not known: with the bytes, at the end that was found,
/// and before what reads like the first commands of a log, if it is the base of one.
pub(super) fn ends(bytes: &[u8], found: usize) -> Vec<usize> {
    let mut ends = vec![bytes.len()];
    // The same for a snapshot alone, and each of them is a walk over all bytes.
    ends.extend(Some(found).filter(|&found| found != bytes.len()));
    let is_base = is_announced_as_base(bytes);
    let mut from = HEADER_BYTES;
    while is_base
        && ends.len() < MOST_ENDS
        && let Some(at) = find_command(bytes, from)
    {
        let follows = Command::strict(bytes.get(at..).unwrap_or_default());
        if let Some((_, [] | [b'*' | b'#', ..])) = follows {
            ends.push(at);
        }
        from = at + 1;
    }
    ends
}

/// Looks for the damage in a snapshot that ends at one of `ends`.
pub(super) fn restored(
    bytes: &[u8],
    ends: &[usize],
    (strict, most_notes): (bool, usize),
    observer: &dyn Observer,
) -> Result<Option<Restored>> {
    for &end in ends {
        let Some(damage) = bytes.get(..end).and_then(Damage::find) else { continue };
        let was = put_back(bytes, &damage).map_err(temporary_failed)?;
        let mut file = FileReport::default();
        let salvage = salvage(was.as_ref(), strict, most_notes, &mut file, observer)?;
        if salvage.is_whole && salvage.ends_at == end && file.losses.is_empty() {
            file.note(NoteList::Mended, note(bytes, &damage), most_notes);
            return Ok(Some(Restored { bytes: was, salvage, file }));
        }
    }
    Ok(None)
}

/// The bytes as they were.
fn put_back(bytes: &[u8], damage: &Damage) -> std::io::Result<Whole> {
    let range = damage.range();
    let was = damage.put_back(bytes.get(range.clone()).unwrap_or_default());
    let (before, behind) = (bytes.get(..range.start), bytes.get(range.end..));
    let parts = [before.unwrap_or_default(), &was, behind.unwrap_or_default()];
    if bytes.len() <= MOST_IN_MEMORY {
        return Ok(Whole::Memory(parts.concat()));
    }
    let mut file = temporary_file()?;
    for part in parts {
        file.write_all(part)?;
    }
    Mapping::of(&file, bytes.len()).map(Whole::Mapped)
}

fn note(bytes: &[u8], damage: &Damage) -> Note {
    let is = bytes.get(damage.range()).unwrap_or_default();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = format!(
        "{damage}: 0x{} had become 0x{}; put back, and with it the checksum fits and everything can \
         be read",
        hex(&damage.put_back(is)),
        hex(is)
    );
    Note {
        code: "restored",
        offset: Some(damage.offset as u64),
        bytes: Some(is.len() as u64),
        text,
        ..Note::default()
    }
}
