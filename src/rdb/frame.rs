//! Where a value ends: every layout, walked over its lengths alone.
//!
//! Nothing is copied, decompressed or allocated. Counts are claims, but each round of a loop
//! takes at least one byte, so a lie ends at the end of the input.

use super::Text;
use super::length::length;
use super::value_type::ValueType;
use crate::bytes::take::{byte, take};
use crate::error::{Fault, Parsed, bad};

/// Steps over a value. `names` is the number of names of the template it refers to.
#[inline]
pub(crate) fn value(input: &[u8], ty: ValueType, names: u64) -> Parsed<'_, ()> {
    use ValueType::*;
    match ty {
        String | HashZipmap | ListZiplist | SetIntset | SortedSetZiplist | HashZiplist
        | HashListpack | SortedSetListpack | SetListpack | HashListpackExPreGa
        | HashTemplateListpack => Text::skip(input),
        List | Set | ListQuicklist => counted(input, Text::skip),
        Hash => counted(input, |i| strings(i, 2)),
        SortedSet => counted(input, |i| ascii_double(Text::skip(i)?.0)),
        SortedSet2 => counted(input, |i| fixed(Text::skip(i)?.0, 8)),
        ListQuicklist2 => counted(input, |i| Text::skip(length(i)?.0)),
        HashMetadataPreGa => counted(input, |i| strings(length(i)?.0, 2)),
        HashMetadata => counted(fixed(input, 8)?.0, |i| strings(length(i)?.0, 2)),
        HashListpackEx => Text::skip(fixed(input, 8)?.0),
        HashValkey => counted(input, |i| fixed(strings(i, 2)?.0, 8)),
        Stream | Stream2 | Stream3 | Stream4 | Stream5 => stream(input, ty),
        Module2 => module(length(input)?.0),
        ModulePreGa => bad(input, Fault::ModulePreGa),
        Array => array(input),
        HashTemplateArray => repeat(input, names, Text::skip),
        HashTemplateListpackDump => Text::skip(template_names(input)?.0),
        HashTemplateArrayDump => {
            let (rest, names) = template_names(input)?;
            repeat(rest, names, Text::skip)
        }
    }
}

/// The input from where a value says how many elements it has, and from behind that; and how many.
#[cold]
pub(super) fn claim(input: &[u8], ty: ValueType) -> Option<(&[u8], &[u8], u64)> {
    use ValueType::*;
    let at = match ty {
        List | Set | ListQuicklist | Hash | SortedSet | SortedSet2 | ListQuicklist2
        | HashMetadataPreGa | HashValkey | Stream | Stream2 | Stream3 | Stream4 | Stream5
        | Array => input,
        HashMetadata => fixed(input, 8).ok()?.0,
        _ => return None,
    };
    length(at).ok().map(|(rest, n)| (at, rest, n))
}

/// A count, and that many rounds of `step`.
#[inline(always)]
fn counted<'a>(input: &'a [u8], step: impl Fn(&'a [u8]) -> Parsed<'a, ()>) -> Parsed<'a, ()> {
    let (rest, n) = length(input)?;
    repeat(rest, n, step)
}

#[inline(always)]
fn repeat<'a>(
    mut input: &'a [u8],
    n: u64,
    step: impl Fn(&'a [u8]) -> Parsed<'a, ()>,
) -> Parsed<'a, ()> {
    for _ in 0..n {
        input = step(input)?.0;
    }
    Ok((input, ()))
}

#[inline(always)]
fn fixed(input: &[u8], n: u64) -> Parsed<'_, ()> {
    take(input, n).map(|(rest, _)| (rest, ()))
}

#[inline(always)]
fn strings(input: &[u8], n: u64) -> Parsed<'_, ()> {
    repeat(input, n, Text::skip)
}

fn lengths(input: &[u8], n: u64) -> Parsed<'_, ()> {
    repeat(input, n, |i| length(i).map(|(rest, _)| (rest, ())))
}

/// A score as text: a length byte and digits; 253 to 255 stand alone for NaN and the infinities.
fn ascii_double(input: &[u8]) -> Parsed<'_, ()> {
    match byte(input)? {
        (rest, 253..=255) => Ok((rest, ())),
        (rest, n) => fixed(rest, n.into()),
    }
}

/// Streams: nodes, numbers, groups with their pending entries and consumers, producers.
fn stream(input: &[u8], ty: ValueType) -> Parsed<'_, ()> {
    use ValueType::{Stream, Stream2, Stream4, Stream5};
    let (rest, ()) = counted(input, |i| strings(i, 2))?;
    // Length and last id; from the second layout on first and deleted id and entries added.
    let (rest, ()) = lengths(rest, if ty == Stream { 3 } else { 8 })?;
    let (rest, ()) = counted(rest, |group| {
        let (rest, ()) = Text::skip(group)?;
        let (rest, ()) = lengths(rest, if ty == Stream { 2 } else { 3 })?;
        let (rest, ()) = counted(rest, |pending| lengths(fixed(pending, 16 + 8)?.0, 1))?;
        let (rest, ()) = counted(rest, |consumer| {
            let (rest, ()) = Text::skip(consumer)?;
            let times = if matches!(ty, Stream | Stream2) { 8 } else { 16 };
            counted(fixed(rest, times)?.0, |owned| fixed(owned, 16))
        })?;
        if ty == Stream5 { counted(rest, |nacked| fixed(nacked, 16)) } else { Ok((rest, ())) }
    })?;
    if !matches!(ty, Stream4 | Stream5) {
        return Ok((rest, ()));
    }
    let (rest, ()) = lengths(rest, 2)?;
    let (rest, ()) = counted(rest, |producer| {
        let (rest, ()) = Text::skip(producer)?;
        counted(rest, |id| lengths(Text::skip(id)?.0, 2))
    })?;
    lengths(rest, 2)
}

/// The opcode stream of a module, up to and including its end.
pub(super) fn module(mut input: &[u8]) -> Parsed<'_, ()> {
    loop {
        let (rest, opcode) = length(input)?;
        let (rest, ()) = match opcode {
            0 => return Ok((rest, ())),
            1 | 2 => lengths(rest, 1)?,
            3 => fixed(rest, 4)?,
            4 => fixed(rest, 8)?,
            5 => Text::skip(rest)?,
            opcode => return bad(input, Fault::ModuleOpcode { opcode }),
        };
        input = rest;
    }
}

/// Key metadata (Redis 8.6 and newer): classes, each with its opcode stream.
pub(super) fn key_meta(input: &[u8]) -> Parsed<'_, ()> {
    let (rest, count) = length(input)?;
    if count > 7 {
        return bad(input, Fault::KeyMetaCount { count });
    }
    repeat(rest, count, |class| module(fixed(class, 4)?.0))
}

/// Arrays (Redis 8.8 and newer): a count, perhaps an insert position, then tagged cells.
fn array(input: &[u8]) -> Parsed<'_, ()> {
    let (rest, count) = length(input)?;
    let (after, flag) = length(rest)?;
    let (rest, ()) = match flag {
        0 => (after, ()),
        1 => lengths(after, 1)?,
        flag => return bad(rest, Fault::ArrayFlag { flag }),
    };
    repeat(rest, count, |cell| {
        let (rest, _index) = length(cell)?;
        let (after, tag) = length(rest)?;
        match tag {
            0 | 3 => Text::skip(after),
            1 | 2 => fixed(after, 8),
            tag => bad(rest, Fault::ArrayTag { tag }),
        }
    })
}

/// The names in front of a template hash in a DUMP payload, and how many they are as far as the
/// frame tells: the values of the listpack form count themselves.
fn template_names(input: &[u8]) -> Parsed<'_, u64> {
    match length(input)? {
        (rest, 0) => {
            let (rest, names) = Text::parse(rest)?;
            let mut head = [0; 6];
            let count = match (names.prefix(&mut head), head) {
                (Ok(6), [_, _, _, _, low, high]) => u16::from_le_bytes([low, high]),
                _ => 0,
            };
            Ok((rest, count.into()))
        }
        (rest, 1) => {
            let (rest, n) = length(rest)?;
            let (rest, ()) = strings(rest, n)?;
            Ok((rest, n))
        }
        (_, form) => bad(input, Fault::TemplateForm { form }),
    }
}
