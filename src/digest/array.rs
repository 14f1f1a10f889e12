//! The cells of an array as a server holds them: by ascending index, each index once.
//!
//! Files hold them so, but loaders also accept any order and repeated indexes, where the last
//! one wins. Only then are the cells collected.

use std::ops::ControlFlow;

use crate::error::FormatError;
use crate::rdb::{Entry, Scratch};
use crate::value::Item;

/// What a walk over the cells left behind.
pub(super) struct Walked<S> {
    /// What `step` made of the state it began with.
    pub(super) state: S,
    /// Where the next insert goes after.
    pub(super) insert_index: Option<u64>,
}

/// Calls `step` for each cell, by ascending index, with the text that a client would see. It may
/// be called for cells, then again from the start with a fresh copy of `state`.
pub(super) fn cells<S: Clone>(
    entry: &Entry<'_>,
    scratch: &mut Scratch,
    state: S,
    mut step: impl FnMut(&mut S, u64, &[u8]) -> ControlFlow<()>,
) -> Result<Walked<S>, Box<FormatError>> {
    let mut walked = Walked { state: state.clone(), insert_index: None };
    let mut previous = None;
    let mut in_order = true;
    entry.visit(scratch, |item| match item {
        Item::Cell { index, .. } if previous >= Some(index) => {
            in_order = false;
            ControlFlow::Break(())
        }
        Item::Cell { index, cell } => {
            previous = Some(index);
            cell.with_text(|text| step(&mut walked.state, index, text))
        }
        Item::ArrayInsertIndex(index) => {
            walked.insert_index = Some(index);
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    if in_order {
        return Ok(walked);
    }

    walked = Walked { state, insert_index: None };
    let mut texts = Vec::new();
    let mut places = Vec::new();
    entry.visit(scratch, |item| {
        match item {
            Item::Cell { index, cell } => {
                let start = texts.len();
                cell.with_text(|text| texts.extend_from_slice(text));
                places.push((index, start, texts.len()));
            }
            Item::ArrayInsertIndex(index) => walked.insert_index = Some(index),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    // Later cells lie behind earlier ones, so this order puts the winner of an index last.
    places.sort_unstable();
    let mut places = places.into_iter().peekable();
    while let Some((index, start, end)) = places.next() {
        if places.peek().is_some_and(|(next, ..)| *next == index) {
            continue;
        }
        let text = texts.get(start..end).unwrap_or_default();
        if step(&mut walked.state, index, text).is_break() {
            break;
        }
    }
    Ok(walked)
}
