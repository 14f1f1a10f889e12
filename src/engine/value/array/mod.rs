//! Arrays: sparse cells of text, by index (Redis 8.8 and newer).
//!
//! ```text
//! cells      0 "x"   1 "yy"   5 "12"   …        up to index 2^64−2
//! inserted   1                                  the next insert goes behind it
//! ```
//!
//! The danger: an index says nothing about memory. Whatever walks an array walks its cells, never
//! the indexes between them.

mod layout;

use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};

use self::layout::Layout;
pub use self::layout::Shape;
use crate::engine::Bytes;
use crate::error::FormatError;
use crate::rdb::{Entry, Scratch};
use crate::value::{Cell, Item};

/// An array.
#[derive(Debug, Clone, Default)]
pub struct Array {
    cells: BTreeMap<u64, Bytes>,
    inserted: Option<u64>,
    layout: Layout,
}

impl Array {
    /// The highest index that a cell can have.
    pub const MAX_INDEX: u64 = u64::MAX - 1;

    /// The value of an entry. Of an index that comes twice the last one counts, as on a server.
    pub fn load(entry: &Entry<'_>, scratch: &mut Scratch) -> Result<Self, Box<FormatError>> {
        let mut array = Array::default();
        entry.visit(scratch, |item| {
            match item {
                Item::Cell { index, cell } => {
                    cell.with_text(|text| array.set(index.min(Self::MAX_INDEX), text));
                }
                Item::ArrayInsertIndex(index) => array.inserted = Some(index.min(Self::MAX_INDEX)),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(array)
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// One more than the highest index.
    pub fn span(&self) -> u64 {
        self.cells.last_key_value().map_or(0, |(&index, _)| index.saturating_add(1))
    }

    /// What is in a cell.
    pub fn get(&self, index: u64) -> Option<&[u8]> {
        self.cells.get(&index).map(Bytes::as_slice)
    }

    /// Fills a cell; whether it is a new one. The index is at most [`Array::MAX_INDEX`].
    pub fn set(&mut self, index: u64, text: &[u8]) -> bool {
        let new = self.cells.insert(index, text.into()).is_none();
        if new {
            self.layout.add(index, &self.cells);
        }
        new
    }

    /// Fills cells from an index on; how many are new. The last one is at most
    /// [`Array::MAX_INDEX`].
    pub fn set_run(&mut self, first: u64, texts: &[&[u8]]) -> usize {
        if texts.len() > 1 {
            self.layout.expect(first, texts.len(), &self.cells);
        }
        (first..=Self::MAX_INDEX).zip(texts).filter(|(index, text)| self.set(*index, text)).count()
    }

    /// Empties a cell; whether there was something in it.
    pub fn remove(&mut self, index: u64) -> bool {
        let taken = self.cells.remove(&index).is_some();
        if taken {
            self.layout.take(index);
        }
        taken
    }

    /// Empties the cells from one index to another; how many there were.
    pub fn remove_range(&mut self, range: RangeInclusive<u64>) -> usize {
        let mut count = 0;
        for (index, _) in self.cells.extract_if(range.clone(), |_, _| true) {
            self.layout.take(index);
            count += 1;
        }
        self.layout.settle(range);
        count
    }

    /// What a server would say of the memory that the cells take.
    pub fn shape(&self) -> Shape {
        self.layout.shape()
    }

    /// The cells, by ascending index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        self.cells.iter().map(|(&index, text)| (index, text.as_slice()))
    }

    /// The cells from one index to another, the first not above the last.
    pub fn range(
        &self,
        range: RangeInclusive<u64>,
    ) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        self.cells.range(range).map(|(&index, text)| (index, text.as_slice()))
    }

    /// The index that was inserted last; `None` where the next insert is the first.
    pub fn inserted(&self) -> Option<u64> {
        self.inserted
    }

    /// Where the next insert goes; `None` where there is no index left.
    pub fn next(&self) -> Option<u64> {
        match self.inserted {
            None => Some(0),
            Some(index) => (index < Self::MAX_INDEX).then(|| index + 1),
        }
    }

    /// Lets the next insert go to this index, which may be one past the highest.
    pub fn seek(&mut self, next: u64) {
        self.inserted = next.checked_sub(1);
    }

    /// Fills the cells behind the last insert; the last index. `None`, and nothing done, where
    /// the indexes do not suffice.
    pub fn insert(&mut self, texts: &[&[u8]]) -> Option<u64> {
        let first = self.next()?;
        let last = first.checked_add(texts.len().checked_sub(1)? as u64)?;
        if last > Self::MAX_INDEX {
            return None;
        }
        self.set_run(first, texts);
        self.inserted = Some(last);
        Some(last)
    }

    /// Fills the cells of a ring of so many (not 0), the oldest ones first; the last index.
    pub fn insert_ring(&mut self, size: u64, texts: &[&[u8]]) -> u64 {
        self.fit_ring(size);
        for text in texts {
            let index = self.inserted.map_or(0, |last| (last + 1) % size);
            self.set(index, text);
            self.inserted = Some(index);
        }
        self.inserted.unwrap_or(0)
    }

    /// Lays the cells out anew where the ring was larger, or was smaller and has begun anew: what
    /// was inserted last, back to the first hole, then begins at index 0.
    fn fit_ring(&mut self, size: u64) {
        let span = self.span();
        let begun_anew =
            || span < size && self.inserted.is_some_and(|last| last.saturating_add(1) < span);
        if span <= size && !begun_anew() {
            return;
        }
        let mut at = self.inserted.map_or(span - 1, |last| last % span);
        let mut kept = Vec::new();
        while (kept.len() as u64) < size
            && let Some(text) = self.cells.remove(&at)
        {
            kept.push(text);
            at = at.checked_sub(1).unwrap_or(span - 1);
        }
        self.seek(kept.len() as u64);
        (self.cells, self.layout) = Default::default();
        for (index, text) in (0..).zip(kept.into_iter().rev()) {
            self.cells.insert(index, text);
            self.layout.add(index, &self.cells);
        }
    }
}

/// The double that a server keeps in place of a text: one with digits on both sides of its point,
/// that comes out as the same text without its two lowest bits.
pub(in crate::engine) fn kept_as_double(text: &[u8]) -> Option<f64> {
    /// Longer texts are no double's.
    const MOST_BYTES: usize = 32;
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let mut halves = digits.split(|&byte| byte == b'.');
    let number = |half: &[u8]| !half.is_empty() && half.iter().all(u8::is_ascii_digit);
    let pair = number(halves.next()?) && number(halves.next()?) && halves.next().is_none();
    if !pair || text.len() > MOST_BYTES {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let value = f64::from_bits(value.to_bits() & !3);
    Cell::Double(value).with_text(|kept| kept == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(array: &Array, want: &str, next: Option<u64>) {
        let cells: Vec<String> = array
            .iter()
            .map(|(index, text)| format!("{index}{}", String::from_utf8_lossy(text)))
            .collect();
        assert_eq!((cells.join(" ").as_str(), array.next()), (want, next));
    }

    #[track_caller]
    fn ring(cells: &str, next: u64, size: u64, want: &str, then: u64) {
        let mut array = Array::default();
        for (index, byte) in (0..).zip(cells.bytes()).filter(|(_, byte)| *byte != b'_') {
            array.set(index, &[byte]);
        }
        array.seek(next);
        array.insert_ring(size, &[b"X"]);
        check(&array, want, Some(then));
    }

    #[test]
    fn a_ring_keeps_what_came_last() {
        ring("abc", 3, 3, "0X 1b 2c", 1);
        ring("abcdefghij", 0, 4, "0X 1h 2i 3j", 1);
        ring("abcdefghij", 2, 4, "0X 1j 2a 3b", 1);
        ring("abcd", 2, 6, "0c 1d 2a 3b 4X", 5);
        ring("ab__c", 3, 20, "0X", 1);
        ring("___ab", 20, 4, "0a 1b 2X", 3);
        ring("ab", u64::MAX - 1, 3, "0a 1b 2X", 3);
    }

    #[test]
    fn inserts_stop_at_the_last_index() {
        let mut array = Array::default();
        assert_eq!(array.insert(&[b"a", b"b"]), Some(1));
        array.seek(u64::MAX - 1);
        assert_eq!(array.insert(&[b"a", b"b"]), None);
        assert_eq!(array.insert(&[b"c"]), Some(Array::MAX_INDEX));
        assert_eq!((array.next(), array.insert(&[b"d"]), array.span()), (None, None, u64::MAX));
        assert_eq!(array.remove_range(0..=u64::MAX), 3);
        check(&array, "", None);
    }

    #[test]
    fn doubles_are_those_whose_text_comes_back() {
        for text in ["1.5", "3.0", "-0.0", "3.141592653589793"] {
            assert!(kept_as_double(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["0.1", "1e10", ".5", "1.", "1.50", "-0", "-", "", "1.5.5", "nan", "1.0e5"] {
            assert!(kept_as_double(text.as_bytes()).is_none(), "{text}");
        }
    }
}
