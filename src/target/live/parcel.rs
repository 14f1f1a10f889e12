//! What is sent in one go.

use std::ops::Range;

use crate::resp::Command;

/// Whole commands that belong together and may be sent again as a whole.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where they end among the parcel's bytes.
    pub end: usize,
    /// Replies to all items up to here.
    pub replies: u32,
    /// Keys that they make.
    pub keys: u32,
    /// The slot of the keys, where the target has slots.
    pub slot: u16,
    /// The first key, among the parcel's bytes.
    pub key: Range<usize>,
    /// Whether the key is made under another name and then renamed. The last command removes what
    /// is left under that name, so an answer of 1 says that the key was there already.
    pub is_aside: bool,
}

/// A run of items for one database.
#[derive(Debug, Clone, Default)]
pub struct Parcel {
    /// The commands.
    pub bytes: Vec<u8>,
    /// What they are.
    pub items: Vec<Item>,
    /// The database that they are for.
    pub database: u32,
    /// Whether every master gets them, as function libraries do.
    pub is_for_all: bool,
    /// The chunk of the source that they came with.
    pub chunk: u64,
    /// How often they were sent before.
    pub attempts: u32,
}

impl Parcel {
    /// Makes an item of the bytes that were appended since the last one.
    pub fn close(&mut self, replies: u32, keys: u32, slot: u16, key: Range<usize>) {
        let replies = self.replies() + replies;
        let end = self.bytes.len();
        self.items.push(Item { end, replies, keys, slot, key, is_aside: false });
    }

    /// Notes of the last item that its key is made under another name.
    pub fn made_aside(&mut self) {
        if let Some(last) = self.items.last_mut() {
            last.is_aside = true;
        }
    }

    /// Replies that the server owes for it.
    pub fn replies(&self) -> u32 {
        self.items.last().map_or(0, |item| item.replies)
    }

    /// Keys in it.
    pub fn keys(&self) -> u64 {
        self.items.iter().map(|item| u64::from(item.keys)).sum()
    }

    /// The bytes of an item.
    pub fn item_bytes(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|n| self.items.get(n)).map_or(0, |i| i.end);
        let end = self.items.get(index).map_or(start, |item| item.end);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The first key of an item.
    pub fn key(&self, index: usize) -> &[u8] {
        let range = self.items.get(index).map(|item| item.key.clone()).unwrap_or_default();
        self.bytes.get(range).unwrap_or_default()
    }

    /// The name of one of an item's commands.
    pub fn command(&self, index: usize, number: u32) -> &[u8] {
        let mut rest = self.item_bytes(index);
        let mut name: &[u8] = &[];
        for _ in 0..=number {
            let Some((command, behind)) = Command::strict(rest) else { break };
            (name, rest) = (command.name(), behind);
        }
        name
    }

    /// How many replies the items in front of this one owe.
    pub fn replies_before(&self, index: usize) -> u32 {
        index.checked_sub(1).and_then(|n| self.items.get(n)).map_or(0, |item| item.replies)
    }

    /// The item that owes the reply with this number.
    pub fn item_of_reply(&self, reply: u32) -> usize {
        self.items.partition_point(|item| item.replies <= reply)
    }

    /// Appends an item of another parcel.
    pub fn take(&mut self, from: &Parcel, index: usize) {
        let Some(item) = from.items.get(index) else { return };
        let before = index.checked_sub(1).and_then(|n| from.items.get(n));
        let (start, replied) = before.map_or((0, 0), |before| (before.end, before.replies));
        let at = self.bytes.len();
        self.bytes.extend_from_slice(from.item_bytes(index));
        // What a replay writes for itself names no key.
        let moved = |place: usize| place.saturating_sub(start) + at;
        let key = moved(item.key.start)..moved(item.key.end);
        self.close(item.replies - replied, item.keys, item.slot, key);
        if item.is_aside {
            self.made_aside();
        }
    }

    /// An empty parcel for some items of this one.
    pub fn like(&self) -> Parcel {
        self.like_in(Parcel::default())
    }

    /// The same in the room of another one.
    pub fn like_in(&self, room: Parcel) -> Parcel {
        Parcel {
            database: self.database,
            is_for_all: self.is_for_all,
            chunk: self.chunk,
            attempts: self.attempts,
            ..room
        }
    }

    /// The items with these numbers.
    pub fn pick(&self, indices: impl IntoIterator<Item = usize>) -> Parcel {
        let mut picked = self.like();
        for index in indices {
            picked.take(self, index);
        }
        picked
    }

    /// The same with ASKING in front of each command, for a server that is taking over a slot. A
    /// transaction is asked for as a whole.
    pub fn asking(&self) -> Parcel {
        const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";
        let mut asking = self.like();
        for (index, item) in self.items.iter().enumerate() {
            let mut rest = self.item_bytes(index);
            let (mut replies, mut key) = (0, 0..0);
            let mut start = item.end - rest.len();
            let mut is_inside = false;
            while let Some((command, behind)) = Command::strict(rest) {
                if !is_inside {
                    asking.bytes.extend_from_slice(ASKING);
                    replies += 1;
                }
                is_inside |= command.name() == b"MULTI";
                if (start..start + command.frame().len()).contains(&item.key.start)
                    && key.is_empty()
                {
                    let at = asking.bytes.len() + (item.key.start - start);
                    key = at..at + item.key.len();
                }
                asking.bytes.extend_from_slice(command.frame());
                start += command.frame().len();
                replies += 1;
                rest = behind;
            }
            asking.close(replies, item.keys, item.slot, key);
            if item.is_aside {
                asking.made_aside();
            }
        }
        asking
    }
}

#[cfg(test)]
mod tests {
    use super::Parcel;

    #[test]
    fn items_can_be_picked_and_asked_for() {
        let mut parcel = Parcel { database: 3, ..Parcel::default() };
        for (text, replies, key) in [
            ("*1\r\n$1\r\na\r\n", 1, 8..9),
            ("*1\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n", 2, 19..20),
            ("*1\r\n$1\r\nd\r\n", 1, 41..42),
        ] {
            parcel.bytes.extend_from_slice(text.as_bytes());
            let key = if key.start == 41 { 41..42 } else { key };
            parcel.close(replies, 1, 7, key);
        }
        assert_eq!(parcel.replies(), 4);
        assert_eq!([0, 1, 2, 3].map(|reply| parcel.item_of_reply(reply)), [0, 1, 1, 2]);
        let picked = parcel.pick([1, 2]);
        assert_eq!(picked.bytes, parcel.bytes[11..]);
        assert_eq!((picked.replies(), picked.database, picked.keys()), (3, 3, 2));
        assert_eq!((picked.key(0), picked.key(1)), (&b"b"[..], &b"d"[..]));
        let asking = picked.asking();
        assert_eq!(asking.replies(), 6);
        assert_eq!((asking.key(0), asking.key(1)), (&b"b"[..], &b"d"[..]));
        assert_eq!(asking.item_bytes(1), b"*1\r\n$6\r\nASKING\r\n*1\r\n$1\r\nd\r\n");
        assert_eq!((parcel.command(1, 0), parcel.command(1, 1)), (&b"b"[..], &b"c"[..]));
    }

    #[test]
    fn a_transaction_is_asked_for_once() {
        let mut parcel = Parcel::default();
        parcel
            .bytes
            .extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n*1\r\n$1\r\nd\r\n*1\r\n$4\r\nEXEC\r\n");
        parcel.close(3, 1, 7, 0..0);
        parcel.made_aside();
        let asking = parcel.asking();
        assert_eq!(asking.replies(), 4);
        assert!(asking.bytes.ends_with(&parcel.bytes));
        assert!(asking.items[0].is_aside && asking.pick([0]).items[0].is_aside);
    }
}
