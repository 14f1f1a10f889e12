//! How a chained table has come to its size in a load.
//!
//! A table that grows moves its members bucket by bucket, one with each member that comes; until
//! all have moved there are two tables, and both are counted.

/// How a table is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    /// Room for all is made before.
    AtOnce,
    /// Member by member.
    OneByOne,
    /// After so many members in a listpack comes one that is too long for it: the listpack is made
    /// a table, that one is added, then there is room made.
    Unpacked(u64, Room),
    /// The same for a hash whose fields expire: there is room made before that one is added.
    UnpackedExpiring(u64, Room),
}

/// For what room is made when a listpack has become a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// For members that are left; those of the listpack come one by one (up to Redis 6.2).
    Later,
    /// For members of the listpack, then for those that are left (Redis 7.0 to 8.0).
    Both,
    /// For members of the listpack, then for all (from Redis 8.2 on).
    All,
}

/// The smallest table.
const LEAST: u64 = 4;

/// A table that grows.
struct Growing {
    size: u64,
    used: u64,
    /// The table that members move to, and the buckets that have to move.
    next: Option<(u64, u64)>,
}

impl Filling {
    /// The buckets of a table that has been filled with so many members.
    pub(super) fn buckets(self, members: u64) -> u64 {
        let mut table = match self {
            Filling::AtOnce => return power_of_two(members),
            Filling::OneByOne
            | Filling::Unpacked(_, Room::Later)
            | Filling::UnpackedExpiring(_, Room::Later) => {
                Growing { size: LEAST, used: 0, next: None }
            }
            Filling::Unpacked(before, _) | Filling::UnpackedExpiring(before, _) => {
                Growing { size: power_of_two(before), used: 0, next: None }
            }
        };
        let unpacked = match self {
            Filling::Unpacked(before, room) => Some((before, before.saturating_add(1), room)),
            Filling::UnpackedExpiring(before, room) => Some((before, before, room)),
            Filling::AtOnce | Filling::OneByOne => None,
        };
        if let Some((before, first, room)) = unpacked {
            table.add(first.min(members));
            let left = members.saturating_sub(before).saturating_sub(1);
            let wanted = if room == Room::All { members } else { left };
            if wanted > LEAST {
                table.make_room(wanted);
            }
        }
        table.add(members - table.used);
        table.size + table.next.map_or(0, |(size, _)| size)
    }
}

impl Growing {
    fn make_room(&mut self, members: u64) {
        let size = power_of_two(members);
        if self.next.is_none() && self.used <= members && size != self.size {
            self.grow(size);
        }
    }

    fn grow(&mut self, size: u64) {
        if self.used == 0 {
            self.size = size;
            return;
        }
        // Buckets that nothing fell into need not be moved.
        let filled = 1.0 - (-(self.used as f64) / self.size as f64).exp();
        let buckets = (self.size as f64 * filled).round() as u64;
        self.next = Some((size, buckets.max(1)));
    }

    fn add(&mut self, mut members: u64) {
        while members > 0 {
            let step = match &mut self.next {
                Some((size, buckets)) => {
                    let step = members.min(*buckets);
                    *buckets -= step;
                    if *buckets == 0 {
                        (self.size, self.next) = (*size, None);
                    }
                    step
                }
                None if self.used >= self.size => {
                    self.grow(power_of_two(self.used + 1));
                    1
                }
                None => members.min(self.size - self.used),
            };
            self.used += step;
            members -= step;
        }
    }
}

/// The buckets for so many members.
pub(super) fn power_of_two(members: u64) -> u64 {
    members.max(LEAST).checked_next_power_of_two().unwrap_or(1 << 63)
}

#[cfg(test)]
mod tests {
    use super::Filling::{self, AtOnce, OneByOne, Unpacked, UnpackedExpiring};
    use super::Room;

    #[track_caller]
    fn check(filling: Filling, members: u64, want: u64) {
        assert_eq!(filling.buckets(members), want);
    }

    #[test]
    fn tables_on_their_way_are_two() {
        check(AtOnce, 600, 1024);
        check(AtOnce, 0, 4);
        check(OneByOne, 4, 4);
        check(OneByOne, 5, 4 + 8);
        check(OneByOne, 600, 512 + 1024);
        check(OneByOne, 1000, 1024);
        check(OneByOne, 3000, 2048 + 4096);
        // As servers were seen to have it, with the long one behind so many.
        let both = |before, members, want| check(Unpacked(before, Room::Both), members, want);
        both(0, 1, 4);
        for before in [0, 3, 5, 15, 17, 25, 65, 90] {
            both(before, 91, 128);
        }
        for before in [4, 8, 16, 26, 64] {
            both(before, 91, 128 + 64);
        }
        let all = |before, members, want| check(Unpacked(before, Room::All), members, want);
        for before in [0, 3, 5, 31, 33, 53, 65, 90] {
            all(before, 91, 128);
        }
        for before in [4, 8, 32, 56, 64] {
            all(before, 91, 128 + 64);
        }
        all(2, 5, 8);
        all(3, 5, 8 + 4);
        // The same servers, with fields that expire.
        let all = |before, members, want| check(UnpackedExpiring(before, Room::All), members, want);
        all(3, 5, 8);
        all(4, 50, 64);
        all(0, 129, 256);
        all(64, 400, 512);
        let both =
            |before, members, want| check(UnpackedExpiring(before, Room::Both), members, want);
        both(2, 5, 4 + 8);
        both(8, 50, 64);
        both(71, 129, 128 + 256);
        both(0, 9, 8 + 16);
        check(Unpacked(3, Room::Later), 91, 128);
        check(Unpacked(4, Room::Later), 91, 128 + 64);
        check(Unpacked(14, Room::Later), 91, 128);
    }
}
