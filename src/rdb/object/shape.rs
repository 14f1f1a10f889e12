//! The shape of a value: kind, encoding and number of elements, from headers alone.
//!
//! Of a compressed blob no more than its header is unpacked. Only where a header does not say its
//! count (0xffff) are elements walked over.

use super::cursor::{Cursor, text_bytes};
use super::list::{PACKED, PLAIN};
use super::stream;
use crate::error::Fault;
use crate::rdb::packed::{Listpack, Ziplist, Zipmap};
use crate::rdb::{Entry, Text, ValueType};
use crate::value::Kind;

/// What the headers of a value tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The kind.
    pub kind: Kind,
    /// The encoding on disk.
    pub encoding: &'static str,
    /// Elements: of a string or a module's value 1, of a hash its fields, of a stream its live
    /// entries.
    pub elements: u64,
}

/// Kind, encoding and number of elements.
pub(in crate::rdb) fn shape(entry: &Entry<'_>) -> Result<Shape, Fault> {
    use ValueType::*;
    let ty = entry.value_type;
    // That of a string is how it lies.
    let mut body = Cursor::new(if ty == String { entry.body } else { entry.readable() });
    let mut encoding = ty.encoding();
    let elements = match ty {
        String => {
            encoding = match text(&mut body)? {
                Text::Raw(_) => "raw",
                Text::Int(_) => "int",
                Text::Lzf { .. } => "lzf",
            };
            1
        }
        ModulePreGa | Module2 => 1,
        List | Set | SortedSet | SortedSet2 | Hash | HashMetadataPreGa | HashValkey | Array => {
            length(&mut body)?
        }
        HashMetadata => {
            body.i64().map_err(|broken| broken.fault)?;
            length(&mut body)?
        }
        HashZipmap => zipmap(text(&mut body)?)?,
        ListZiplist => ziplist(text(&mut body)?)?,
        HashZiplist | SortedSetZiplist => ziplist(text(&mut body)?)? / 2,
        SetIntset => intset(text(&mut body)?)?,
        SetListpack => listpack(text(&mut body)?)?,
        HashListpack | SortedSetListpack => listpack(text(&mut body)?)? / 2,
        HashListpackExPreGa => listpack(text(&mut body)?)? / 3,
        HashListpackEx => {
            body.i64().map_err(|broken| broken.fault)?;
            listpack(text(&mut body)?)? / 3
        }
        ListQuicklist => {
            let mut sum = 0u64;
            for _ in 0..length(&mut body)? {
                sum += ziplist(text(&mut body)?)?;
            }
            sum
        }
        ListQuicklist2 => {
            let mut sum = 0u64;
            for _ in 0..length(&mut body)? {
                let container = length(&mut body)?;
                let node = text(&mut body)?;
                sum += match container {
                    PLAIN => 1,
                    PACKED => listpack(node)?,
                    container => return Err(Fault::Container { container }),
                };
            }
            sum
        }
        Stream | Stream2 | Stream3 | Stream4 | Stream5 => {
            for _ in 0..length(&mut body)? {
                text(&mut body)?;
                text(&mut body)?;
            }
            let numbers = stream::numbers(&mut body, stream::layout(ty));
            numbers.map_err(|broken| broken.fault)?.0.length
        }
        HashTemplateListpack | HashTemplateArray => match entry.template() {
            Some(template) => template.names.len() as u64,
            None => listpack(text(&mut body)?)?.saturating_sub(1),
        },
        HashTemplateListpackDump | HashTemplateArrayDump => match length(&mut body)? {
            0 => listpack(text(&mut body)?)?,
            1 => length(&mut body)?,
            form => return Err(Fault::TemplateForm { form }),
        },
    };
    Ok(Shape { kind: ty.kind(), encoding, elements })
}

fn length(body: &mut Cursor<'_>) -> Result<u64, Fault> {
    body.length().map_err(|broken| broken.fault)
}

fn text<'a>(body: &mut Cursor<'a>) -> Result<Text<'a>, Fault> {
    body.text().map_err(|broken| broken.fault)
}

/// The first bytes of a blob, and how many of them there are.
fn head<const N: usize>(text: Text<'_>) -> Result<Option<[u8; N]>, Fault> {
    let mut head = [0; N];
    let have = text.prefix(&mut head)?;
    Ok((have == N).then_some(head))
}

fn listpack(text: Text<'_>) -> Result<u64, Fault> {
    let Some([.., low, high]) = head::<6>(text)? else {
        return Err(Fault::ListpackSize { total: 7, have: text.len() });
    };
    match u16::from_le_bytes([low, high]) {
        0xffff => walk(text, |blob| Listpack::new(blob)?.count().map_err(|flaw| flaw.fault)),
        count => Ok(count.into()),
    }
}

fn ziplist(text: Text<'_>) -> Result<u64, Fault> {
    let Some([.., low, high]) = head::<10>(text)? else {
        return Err(Fault::ZiplistSize { total: 11, have: text.len() });
    };
    match u16::from_le_bytes([low, high]) {
        0xffff => walk(text, |blob| Ziplist::new(blob)?.count().map_err(|flaw| flaw.fault)),
        count => Ok(count.into()),
    }
}

fn zipmap(text: Text<'_>) -> Result<u64, Fault> {
    match head::<1>(text)? {
        Some([count @ ..254]) => Ok(count.into()),
        _ => walk(text, |blob| Zipmap::new(blob)?.count().map_err(|flaw| flaw.fault)),
    }
}

fn intset(text: Text<'_>) -> Result<u64, Fault> {
    match head::<8>(text)? {
        Some([_, _, _, _, a, b, c, d]) => Ok(u32::from_le_bytes([a, b, c, d]).into()),
        None => Err(Fault::IntsetSize { need: 0, have: text.len().saturating_sub(8) }),
    }
}

fn walk(text: Text<'_>, count: impl Fn(&[u8]) -> Result<u64, Fault>) -> Result<u64, Fault> {
    count(text_bytes(text, &mut Vec::new())?)
}
