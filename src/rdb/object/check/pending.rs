//! The pending entries of a group, and who owns them.
//!
//! A list of millions must not become a table of millions, so it stays where it is, in the body:
//! of every sixteenth entry the place is kept, and of each entry four bytes for its owner. Servers
//! write the entries in id order; a list in another order is sorted into memory.

use crate::rdb::object::Broken;
use crate::rdb::object::cursor::Cursor;
use crate::value::StreamId;

/// Entries between two places that are kept.
const STRIDE: usize = 16;
/// No owner yet.
const NOBODY: u32 = 0;
/// Given back, so it must not have an owner.
const GIVEN_BACK: u32 = u32::MAX;

/// Room that is reused from group to group.
#[derive(Debug, Default)]
pub(super) struct Room {
    places: Vec<u64>,
    owners: Vec<u32>,
    sorted: Vec<(StreamId, u32)>,
}

/// The pending entries of a group.
pub(super) struct Pending<'a, 'r> {
    body: Cursor<'a>,
    room: &'r mut Room,
    /// Whether `places` are to be bisected, or `sorted`.
    in_order: bool,
    /// The number and place of the entry behind the one found last: often the next to be asked for.
    next: (usize, u64),
}

/// What came of an attempt to own an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owned {
    /// It had no owner.
    First,
    /// The same consumer owned it already.
    Again,
    /// Another consumer owned it already, or it was given back.
    Shared,
    /// There is no such entry.
    Unknown,
}

impl<'a, 'r> Pending<'a, 'r> {
    /// Reads `count` entries, and tells which stand there twice, and where.
    pub(super) fn read(
        body: &mut Cursor<'a>,
        count: u64,
        room: &'r mut Room,
        mut twice: impl FnMut(u64, StreamId),
    ) -> Result<Self, Broken> {
        room.places.clear();
        room.owners.clear();
        room.sorted.clear();
        let start = body.clone();
        let mut last = None;
        let mut in_order = true;
        for number in 0..count {
            let at = body.at();
            if number % STRIDE as u64 == 0 {
                room.places.push(at);
            }
            let id = entry(body)?;
            if last == Some(id) {
                twice(at, id);
            }
            in_order &= last <= Some(id);
            last = Some(id);
            room.owners.push(NOBODY);
        }
        let next = (0, start.at());
        if !in_order {
            let mut again = start.clone();
            for number in 0..room.owners.len() {
                room.sorted.push((entry(&mut again)?, number as u32));
            }
            // The order is stable, so of equals the first one comes first.
            room.sorted.sort();
            for pair in room.sorted.windows(2) {
                if let [(a, first), (b, again)] = pair
                    && a == b
                    && first + 1 != *again
                {
                    twice(start.at(), *b);
                }
            }
        }
        Ok(Pending { body: start, room, in_order, next })
    }

    /// Notes that a consumer (counted from 0) owns an entry.
    pub(super) fn own(&mut self, id: StreamId, consumer: u64) -> Owned {
        let consumer = u32::try_from(consumer + 1).unwrap_or(GIVEN_BACK - 1).min(GIVEN_BACK - 1);
        self.take(id, consumer)
    }

    /// Notes that an entry was given back; one that was before is no matter.
    pub(super) fn give_back(&mut self, id: StreamId) -> Owned {
        self.take(id, GIVEN_BACK)
    }

    /// How many entries nobody owns and nobody gave back.
    pub(super) fn unowned(&self) -> u64 {
        self.room.owners.iter().filter(|&&owner| owner == NOBODY).count() as u64
    }

    fn take(&mut self, id: StreamId, owner: u32) -> Owned {
        let Some(number) = self.find(id) else { return Owned::Unknown };
        match self.room.owners.get_mut(number) {
            Some(slot @ &mut NOBODY) => {
                *slot = owner;
                Owned::First
            }
            Some(slot) if *slot == owner => Owned::Again,
            _ => Owned::Shared,
        }
    }

    fn find(&mut self, id: StreamId) -> Option<usize> {
        if !self.in_order {
            let found = self.room.sorted.partition_point(|&(other, _)| other < id);
            let &(other, number) = self.room.sorted.get(found)?;
            return (other == id).then_some(number as usize);
        }
        let (number, place) = self.next;
        if let Some(found) = self.scan(id, number, place, 1) {
            return Some(found);
        }
        let after = self.room.places.partition_point(|&place| {
            self.body.jump(place).raw_id().is_ok_and(|other| other <= id)
        });
        let stretch = after.checked_sub(1)?;
        let &place = self.room.places.get(stretch)?;
        self.scan(id, stretch * STRIDE, place, STRIDE)
    }

    /// Looks for an id among some entries from `place` on.
    fn scan(&mut self, id: StreamId, number: usize, place: u64, most: usize) -> Option<usize> {
        let mut body = self.body.jump(place);
        let end = self.room.owners.len().min(number + most);
        for number in number..end {
            let other = entry(&mut body).ok()?;
            if other >= id {
                if other != id {
                    return None;
                }
                self.next = (number + 1, body.at());
                return Some(number);
            }
        }
        None
    }
}

/// An entry: id, time, deliveries.
fn entry(body: &mut Cursor<'_>) -> Result<StreamId, Broken> {
    let id = body.raw_id()?;
    body.take(8)?;
    body.length()?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(ids: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (i, ms) in ids.iter().enumerate() {
            bytes.extend(ms.to_be_bytes());
            bytes.extend([0; 16]);
            // Entries are not all of one length.
            bytes.extend(if i % 3 == 0 { &b"\x01"[..] } else { b"\x40\x64" });
        }
        bytes
    }

    #[track_caller]
    fn check(ids: &[u64], twice: usize, asked: &[(u64, u64, Owned)], unowned: u64) {
        let bytes = bytes(ids);
        let mut body = Cursor::new(&bytes);
        let mut room = Room::default();
        let mut found = 0;
        let count = ids.len() as u64;
        let mut pending = Pending::read(&mut body, count, &mut room, |_, _| found += 1).unwrap();
        for &(ms, consumer, want) in asked {
            let id = StreamId { ms, seq: 0 };
            let got = match consumer {
                0 => pending.give_back(id),
                n => pending.own(id, n),
            };
            assert_eq!(got, want, "{id}");
        }
        assert_eq!(pending.unowned(), unowned);
        assert!(body.rest().is_empty());
        assert_eq!(found, twice);
    }

    #[test]
    fn each_has_one_owner() {
        use Owned::*;
        let ids: Vec<u64> = (0..100).map(|n| n * 2).collect();
        let all: Vec<_> = ids.iter().map(|&ms| (ms, 1, First)).collect();
        check(&ids, 0, &all, 0);
        let back: Vec<_> = ids.iter().rev().map(|&ms| (ms, 2, First)).collect();
        check(&ids, 0, &back, 0);
        let asked = [
            (4, 1, First),
            (6, 1, First),
            (5, 1, Unknown),
            (4, 1, Again),
            (4, 2, Shared),
            (8, 0, First),
            (8, 0, Again),
            (8, 1, Shared),
            (4, 0, Shared),
            (200, 1, Unknown),
            (198, 1, First),
        ];
        check(&ids, 0, &asked, 96);
        check(&[], 0, &[(1, 1, Unknown)], 0);
    }

    #[test]
    fn another_order_is_sorted() {
        use Owned::*;
        check(&[5, 3, 9], 0, &[(3, 1, First), (9, 1, First), (4, 1, Unknown)], 1);
        check(&[5, 3, 5], 1, &[(5, 1, First), (5, 1, Again)], 2);
        check(&[3, 3, 5], 1, &[(5, 1, First)], 2);
    }
}
