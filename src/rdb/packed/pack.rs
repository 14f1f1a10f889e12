//! Elements one behind the other: what listpacks and ziplists have in common, and the walk over
//! them.
//!
//! ```text
//! header          the layout's own, with a count; 0xffff says that elements must be counted
//! entries         the layout's own
//! 0xff
//! ```
//!
//! A layout says how an entry is read and what it must be held against; it is known where a walk
//! is compiled, so that sharing it costs nothing.

use std::fmt::Debug;

use super::{Flaw, Packed, Walk};
use crate::error::Fault;
use crate::value::Elem;

/// The last byte.
pub(super) const END: u8 = 0xff;
/// The count that says none.
pub(super) const UNCOUNTED: u16 = 0xffff;

/// A kind of blob. The value is what its header says, and what a strict walk remembers of the
/// entry before.
pub trait Layout: Copy + Debug {
    /// Bytes in front of the entries.
    const HEADER: usize;

    /// The header, and the entries between it and the end byte.
    fn open(blob: &[u8]) -> Result<(Self, &[u8]), Fault>;

    /// The count in the header.
    fn claimed(&self) -> u16;

    /// The element at the start of `entry`.
    fn element(entry: &[u8]) -> Option<Elem<'_>>;

    /// The element at the start of `entry`, and what follows the entry; `None` when it does not
    /// fit. `wrong` hears what a strict walk sees of its neighbours.
    fn step<'a, const STRICT: bool>(
        &mut self,
        entry: &'a [u8],
        wrong: impl FnOnce(Fault),
    ) -> Option<(Elem<'a>, &'a [u8])>;

    /// What is wrong with an entry that does not fit.
    fn misfit(entry: &[u8]) -> Fault;

    /// What the header says that is not so, once a strict walk has seen all entries: `seen` of
    /// them, up to the offset `end`.
    fn flaws(&self, end: usize, seen: u64) -> [Option<Flaw>; 2];
}

/// A blob whose header fits its bytes. Its entries have not been looked at.
#[derive(Debug, Clone, Copy)]
pub struct Pack<'a, L> {
    blob: &'a [u8],
    entries: &'a [u8],
    head: L,
}

impl<'a, L: Layout> Pack<'a, L> {
    /// Holds header and end byte against the blob.
    #[inline]
    pub fn new(blob: &'a [u8]) -> Result<Self, Fault> {
        L::open(blob).map(|(head, entries)| Pack { blob, entries, head })
    }

    /// The number of elements as the header says it; `None` where they must be counted.
    #[inline]
    pub fn header_count(&self) -> Option<u64> {
        let count = self.head.claimed();
        (count != UNCOUNTED).then_some(count.into())
    }

    /// The number of elements: the header's, or counted where it says none.
    pub fn count(&self) -> Result<u64, Flaw> {
        match self.header_count() {
            Some(count) => Ok(count),
            None => self.iter().try_fold(0, |n, elem| elem.map(|_| n + 1)),
        }
    }

    /// Whether there is no entry at all, whatever the header says.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The elements; what entries say of each other and the count are not looked at. The first
    /// error is the last item.
    #[inline]
    pub fn iter(&self) -> PackIter<'a, L> {
        self.walk()
    }

    /// The elements, looking at everything that a sanitizing server looks at.
    #[inline]
    pub fn strict(&self) -> PackIter<'a, L, true> {
        self.walk()
    }

    #[inline(always)]
    fn walk<const STRICT: bool>(&self) -> PackIter<'a, L, STRICT> {
        PackIter::over(self.entries, L::HEADER + self.entries.len(), self.head)
    }
}

impl<'a, L: Layout> IntoIterator for Pack<'a, L> {
    type Item = Result<Elem<'a>, Flaw>;
    type IntoIter = PackIter<'a, L>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// See [`Pack::iter`] and [`Pack::strict`].
#[derive(Debug, Clone)]
pub struct PackIter<'a, L, const STRICT: bool = false> {
    rest: &'a [u8],
    /// The offset at which `rest` ends.
    end: usize,
    head: L,
    seen: u64,
    /// The first thing that an entry says wrongly.
    wrong: Option<Flaw>,
    /// The entry that does not fit: whatever follows cannot be found.
    broken: Option<Flaw>,
}

impl<'a, L, const STRICT: bool> PackIter<'a, L, STRICT> {
    /// A walk over entries that end at the offset `end`.
    #[inline(always)]
    pub(super) fn over(rest: &'a [u8], end: usize, head: L) -> Self {
        PackIter { rest, end, head, seen: 0, wrong: None, broken: None }
    }
}

impl<L: Layout, const STRICT: bool> PackIter<'_, L, STRICT> {
    /// Where the next element begins, bytes behind the start of the blob.
    #[inline(always)]
    pub fn offset(&self) -> u64 {
        (self.end - self.rest.len()) as u64
    }

    /// Bytes of entries that have not been walked yet.
    #[inline(always)]
    pub(in crate::rdb) fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    /// After a strict walk: the first thing that an entry says wrongly, and what the header does.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw> + use<L, STRICT> {
        // A walk that did not come to the end has not seen all that the header speaks of.
        let is_whole = STRICT && self.rest.is_empty() && self.broken.is_none();
        let head = is_whole.then(|| self.head.flaws(self.end, self.seen));
        self.wrong.into_iter().chain(head.into_iter().flatten().flatten())
    }

    #[cold]
    fn stop(&mut self, entry: &[u8]) {
        self.rest = &[];
        self.broken = Some(Flaw { at: (self.end - entry.len()) as u64, fault: L::misfit(entry) });
    }
}

impl<'a, L: Layout, const STRICT: bool> PackIter<'a, L, STRICT> {
    /// See [`Walk::advance`].
    #[inline(always)]
    pub(in crate::rdb) fn advance(&mut self) -> Option<Elem<'a>> {
        let entry = self.rest;
        if entry.is_empty() {
            return None;
        }
        let (wrong, end) = (&mut self.wrong, self.end);
        let note = |fault| note(wrong, end - entry.len(), fault);
        let Some((elem, rest)) = self.head.step::<STRICT>(entry, note) else {
            self.stop(entry);
            return None;
        };
        self.rest = rest;
        if STRICT {
            self.seen += 1;
        }
        Some(elem)
    }

    /// See [`Walk::broken`].
    #[inline]
    pub(in crate::rdb) fn broken(&self) -> Option<Flaw> {
        self.broken
    }
}

impl<'a, L: Layout, const STRICT: bool> Iterator for PackIter<'a, L, STRICT> {
    type Item = Result<Elem<'a>, Flaw>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        // An error is the last item.
        if self.rest.is_empty() {
            return None;
        }
        match self.advance() {
            Some(elem) => Some(Ok(elem)),
            None => self.broken.map(Err),
        }
    }
}

#[cold]
fn note(wrong: &mut Option<Flaw>, at: usize, fault: Fault) {
    wrong.get_or_insert(Flaw { at: at as u64, fault });
}

/// A string of `len` bytes, and what follows it.
#[inline(always)]
pub(super) fn string(tail: &[u8], len: usize) -> Option<(Elem<'_>, &[u8])> {
    tail.split_at_checked(len).map(|(bytes, tail)| (Elem::Bytes(bytes), tail))
}

impl<'a, L: Layout, const STRICT: bool> Walk<'a> for PackIter<'a, L, STRICT> {
    #[inline(always)]
    fn offset(&self) -> u64 {
        PackIter::offset(self)
    }

    #[inline(always)]
    fn advance(&mut self) -> Option<Elem<'a>> {
        PackIter::advance(self)
    }

    fn broken(&self) -> Option<Flaw> {
        PackIter::broken(self)
    }

    fn flaws(&self) -> impl Iterator<Item = Flaw> {
        PackIter::flaws(self)
    }
}

impl<'a, L: Layout> Packed<'a> for Pack<'a, L> {
    type Plain = PackIter<'a, L>;
    type Strict = PackIter<'a, L, true>;

    #[inline]
    fn open(blob: &'a [u8]) -> Result<Self, Fault> {
        Pack::new(blob)
    }

    #[inline]
    fn plain(self) -> Self::Plain {
        self.walk()
    }

    #[inline]
    fn strict(self) -> Self::Strict {
        self.walk()
    }

    fn claimed(self) -> Option<u64> {
        self.header_count()
    }

    #[inline]
    fn element_at(self, at: u64) -> Option<Elem<'a>> {
        self.blob.get(usize::try_from(at).ok()?..).and_then(L::element)
    }
}

/// Tests of layouts.
#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a strict walk finds, and that a plain one finds the same elements.
    #[track_caller]
    pub(in crate::rdb::packed) fn check<L: Layout>(
        blob: &[u8],
        want: &[&str],
        flaws: &[(u64, Fault)],
    ) {
        let pack = Pack::<L>::new(blob).expect("a header that fits");
        let mut walk = pack.strict();
        let mut texts = Vec::new();
        let mut found = Vec::new();
        for elem in &mut walk {
            match elem {
                Ok(elem) => texts.push(String::from_utf8(elem.to_vec()).unwrap()),
                Err(flaw) => found.push(flaw),
            }
        }
        found.extend(walk.flaws());
        assert_eq!(texts, want);
        assert_eq!(found.iter().map(|flaw| (flaw.at, flaw.fault)).collect::<Vec<_>>(), flaws);
        let plain: Vec<_> = pack.iter().map_while(Result::ok).map(|e| e.to_vec()).collect();
        assert_eq!(plain, want.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(pack.iter().flaws().count(), 0);
    }
}
