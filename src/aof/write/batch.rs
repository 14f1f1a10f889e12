//! A command that grows, and whose number of arguments stands in front of them: room is left for
//! as many digits as it will most likely have.

use std::ops::Range;

use crate::resp::encode;

/// The command under way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    name: &'static [u8],
    /// Where its number of arguments stands in the output.
    place: Range<usize>,
    count: u64,
    items: usize,
    /// How many items are still to come, as far as is known.
    expected: u64,
}

impl Batch {
    /// Says how many items will come. They may be more or fewer.
    pub(super) fn expect(&mut self, items: u64) {
        self.expected = items;
    }

    /// Begins another item, of so many arguments, of a command; one that has `most` items, or
    /// another name, is written.
    #[inline]
    pub(super) fn begin(
        &mut self,
        out: &mut Vec<u8>,
        name: &'static [u8],
        key: &[u8],
        most: usize,
        args: u64,
    ) {
        if self.items >= most || (self.items > 0 && self.name != name) {
            self.flush(out);
        }
        if self.items == 0 {
            self.name = name;
            let items = self.expected.clamp(1, most as u64);
            self.head(out, 2 + items * args, key);
        }
        self.items += 1;
        self.count += args;
        self.expected = self.expected.saturating_sub(1);
    }

    /// The head of a command, with what its number of arguments will most likely be.
    fn head(&mut self, out: &mut Vec<u8>, likely: u64, key: &[u8]) {
        let begin = out.len() + 1;
        encode::header(out, b'*', likely);
        self.place = begin..out.len() - 2;
        encode::bulk(out, self.name);
        encode::bulk(out, key);
        self.count = 2;
    }

    /// Lets what was written from there on go before the command under way.
    pub(super) fn let_before(&mut self, out: &mut [u8], from: usize) {
        if self.items == 0 {
            return;
        }
        let len = out.len() - from;
        if let Some(end) = out.get_mut(self.place.start - 1..) {
            end.rotate_right(len);
        }
        self.place = self.place.start + len..self.place.end + len;
    }

    /// Ends the command, whose arguments are in the output.
    #[inline]
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        if self.items == 0 {
            return;
        }
        let mut spelled = itoa::Buffer::new();
        let count = spelled.format(self.count).as_bytes();
        match out.get_mut(self.place.clone()) {
            Some(place) if place.len() == count.len() => place.copy_from_slice(count),
            _ => drop(out.splice(self.place.clone(), count.iter().copied())),
        }
        self.items = 0;
    }
}
