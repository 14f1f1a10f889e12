//! Hashes whose field names are elsewhere: in a template that many share (Redis 8.10).
//!
//! ```text
//! 30  listpack of template id, values                        in a file
//! 32  (template id,) values                                  in a file; the frame has taken the id
//! 29  names, listpack of an integer that is ignored, values  in a DUMP payload
//! 31  names, values                                          in a DUMP payload
//!
//! names: 00 listpack, or 01 count, strings
//! ```

use std::ops::ControlFlow;

use super::cursor::{Blob, Cursor};
use super::{Broken, Out, Scratch, Stop};
use crate::error::Fault;
use crate::rdb::packed::{Flaw, Listpack, ListpackIter};
use crate::rdb::{Entry, Template, ValueType};
use crate::value::{Elem, Item};

pub(super) fn visit(
    entry: &Entry<'_>,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    let Scratch { blob, first, second } = scratch;
    let mut names_room = Vec::new();
    let mut names = match entry.value_type {
        ValueType::HashTemplateListpack | ValueType::HashTemplateArray => match entry.template() {
            Some(template) => Names::shared(template),
            None => return Err(unknown(body, blob).into()),
        },
        _ => Names::in_front(&mut body, &mut names_room)?,
    };
    let field =
        |names: &mut Names<'_>, value: Elem<'_>, first: &mut Vec<u8>, out: &mut Out<'_, _>| {
            let Some(field) = names.next(first)? else { return Ok::<_, Stop>(false) };
            out.give(Item::Field { field, value, expires_at_ms: None })?;
            Ok(true)
        };
    match entry.value_type {
        ValueType::HashTemplateListpack | ValueType::HashTemplateListpackDump => {
            let blob = body.blob(blob)?;
            let mut values = values(blob)?;
            let (count, mut seen) = (names.count, 0);
            for value in &mut values {
                let value = value.map_err(|flaw| blob.broken(flaw))?;
                seen += 1;
                if !field(&mut names, value, first, out)? {
                    // The rest is only counted, for the message.
                    seen += values.filter(Result::is_ok).count() as u64;
                    break;
                }
            }
            if seen == count {
                return Ok(());
            }
            let fault = Fault::TemplateValues { names: count, values: seen };
            Err(blob.broken(Flaw { at: 0, fault }).into())
        }
        _ => {
            for _ in 0..names.count {
                let value = body.elem(second)?;
                field(&mut names, value, first, out)?;
            }
            Ok(())
        }
    }
}

/// The values of the listpack form, behind the integer in front of them.
pub(super) fn values(blob: Blob<'_>) -> Result<ListpackIter<'_>, Broken> {
    let pack = Listpack::new(blob.bytes).map_err(|fault| blob.broken(Flaw { at: 0, fault }))?;
    let mut values = pack.iter();
    let at = values.offset();
    match values.next() {
        Some(Ok(Elem::Int(_))) => Ok(values),
        Some(Err(flaw)) => Err(blob.broken(flaw)),
        _ => Err(blob.broken(Flaw { at, fault: Fault::TemplateIdText })),
    }
}

/// Why a hash in a file has no template.
pub(super) fn unknown(mut body: Cursor<'_>, room: &mut Vec<u8>) -> Broken {
    let blob = match body.blob(room) {
        Ok(blob) => blob,
        Err(broken) => return broken,
    };
    match values(blob) {
        Err(broken) => broken,
        Ok(_) => {
            let id = Listpack::new(blob.bytes).ok().and_then(|pack| pack.iter().next());
            let id = match id {
                Some(Ok(Elem::Int(id))) => id,
                _ => 0,
            };
            // A negative id is shown as servers would see it, as a number without sign.
            blob.broken(Flaw { at: 6, fault: Fault::TemplateUnknown { id: id as u64 } })
        }
    }
}

/// The field names, wherever they are.
pub(super) struct Names<'s> {
    /// How many they are.
    pub(super) count: u64,
    source: Source<'s>,
}

enum Source<'s> {
    Shared(std::slice::Iter<'s, Box<[u8]>>),
    Packed(Blob<'s>, ListpackIter<'s>),
    Strings(Cursor<'s>, u64),
}

impl<'s> Names<'s> {
    pub(super) fn shared(template: &'s Template) -> Self {
        let count = template.names.len() as u64;
        Names { count, source: Source::Shared(template.names.iter()) }
    }

    /// Reads the names in front of the values of a DUMP payload.
    pub(super) fn in_front<'a: 's>(
        body: &mut Cursor<'a>,
        room: &'s mut Vec<u8>,
    ) -> Result<Self, Broken> {
        let at = body.at();
        match body.length()? {
            0 => {
                let blob = body.blob(room)?;
                let pack = Listpack::new(blob.bytes)
                    .map_err(|fault| blob.broken(Flaw { at: 0, fault }))?;
                // Counted: the header's number may be wrong, and the frame went by it.
                let count = pack.iter().try_fold(0, |n, name| name.map(|_| n + 1));
                let count = count.map_err(|flaw| blob.broken(flaw))?;
                Ok(Names { count, source: Source::Packed(blob, pack.iter()) })
            }
            1 => {
                let count = body.length()?;
                let names = body.clone();
                for _ in 0..count {
                    body.text()?;
                }
                Ok(Names { count, source: Source::Strings(names, count) })
            }
            form => Err(Broken { at, fault: Fault::TemplateForm { form } }),
        }
    }

    /// The next name; `room` is for one that is compressed.
    #[inline]
    pub(super) fn next<'r>(&mut self, room: &'r mut Vec<u8>) -> Result<Option<Elem<'r>>, Broken>
    where
        's: 'r,
    {
        match &mut self.source {
            Source::Shared(names) => Ok(names.next().map(|name| Elem::Bytes(name))),
            Source::Packed(blob, names) => match names.next() {
                Some(Ok(name)) => Ok(Some(name)),
                Some(Err(flaw)) => Err(blob.broken(flaw)),
                None => Ok(None),
            },
            Source::Strings(_, 0) => Ok(None),
            Source::Strings(names, left) => {
                *left -= 1;
                names.elem(room).map(Some)
            }
        }
    }
}
