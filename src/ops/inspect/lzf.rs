//! How much of a snapshot is compressed: a walk over the strings of a value, none unpacked.

use crate::bytes::take::{byte, take};
use crate::error::Parsed;
use crate::rdb::{Entry, Text, ValueType, length};
use crate::report::inspect::LzfReport;

/// Counts a string.
#[inline(always)]
pub(super) fn text(text: &Text<'_>, tally: &mut LzfReport) {
    tally.strings += 1;
    if let Text::Lzf { packed, len } = *text {
        tally.compressed += 1;
        tally.packed_bytes += packed.len() as u64;
        tally.unpacked_bytes = tally.unpacked_bytes.saturating_add(len);
    }
}

/// Counts the strings and blobs of a value. Its frame was walked before, so nothing can run out;
/// if it did, what was counted until then would stay.
pub(super) fn value(entry: &Entry<'_>, tally: &mut LzfReport) {
    let _ = body(entry, tally);
}

fn body<'a>(entry: &Entry<'a>, tally: &mut LzfReport) -> Parsed<'a, ()> {
    use ValueType::*;
    let input = entry.body();
    match entry.value_type {
        String | HashZipmap | ListZiplist | SetIntset | SortedSetZiplist | HashZiplist
        | HashListpack | SortedSetListpack | SetListpack | HashListpackExPreGa
        | HashTemplateListpack => one(input, tally),
        List | Set | ListQuicklist => counted(input, |i| one(i, tally)),
        Hash | Stream | Stream2 | Stream3 | Stream4 | Stream5 => counted(input, |i| two(i, tally)),
        SortedSet => counted(input, |i| match byte(one(i, tally)?.0)? {
            (rest, 253..=255) => Ok((rest, ())),
            (rest, n) => skip(rest, n.into()),
        }),
        SortedSet2 => counted(input, |i| skip(one(i, tally)?.0, 8)),
        ListQuicklist2 => counted(input, |i| one(length(i)?.0, tally)),
        HashMetadataPreGa => counted(input, |i| two(length(i)?.0, tally)),
        HashMetadata => counted(skip(input, 8)?.0, |i| two(length(i)?.0, tally)),
        HashListpackEx => one(skip(input, 8)?.0, tally),
        HashValkey => counted(input, |i| skip(two(i, tally)?.0, 8)),
        // Rare, and of short strings.
        HashTemplateArray
        | HashTemplateListpackDump
        | HashTemplateArrayDump
        | Array
        | Module2
        | ModulePreGa => Ok((input, ())),
    }
}

#[inline(always)]
fn one<'a>(input: &'a [u8], tally: &mut LzfReport) -> Parsed<'a, ()> {
    let (rest, string) = Text::parse(input)?;
    text(&string, tally);
    Ok((rest, ()))
}

#[inline(always)]
fn two<'a>(input: &'a [u8], tally: &mut LzfReport) -> Parsed<'a, ()> {
    one(one(input, tally)?.0, tally)
}

#[inline(always)]
fn counted<'a>(
    input: &'a [u8],
    mut step: impl FnMut(&'a [u8]) -> Parsed<'a, ()>,
) -> Parsed<'a, ()> {
    let (mut rest, n) = length(input)?;
    for _ in 0..n {
        rest = step(rest)?.0;
    }
    Ok((rest, ()))
}

#[inline(always)]
fn skip(input: &[u8], n: u64) -> Parsed<'_, ()> {
    take(input, n).map(|(rest, _)| (rest, ()))
}
