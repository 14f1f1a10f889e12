//! Room for what batches write.

use std::sync::Mutex;

/// Room that is used again: what a batch writes is a megabyte or more, and to get so much anew
/// costs more than to fill it.
#[derive(Debug, Default)]
pub(in crate::ops) struct Rooms(Mutex<Vec<Vec<u8>>>);

impl Rooms {
    /// Room of this size or less is kept: that of a huge value is given back.
    const LARGEST: usize = 8 << 20;

    pub(in crate::ops) fn take(&self) -> Vec<u8> {
        self.0.lock().ok().and_then(|mut rooms| rooms.pop()).unwrap_or_default()
    }

    /// There are never more of them than batches at the same time.
    pub(in crate::ops) fn give(&self, mut room: Vec<u8>) {
        room.clear();
        if let Ok(mut rooms) = self.0.lock()
            && (1..=Self::LARGEST).contains(&room.capacity())
        {
            rooms.push(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rooms;

    #[test]
    fn room_comes_back_empty_unless_it_is_huge() {
        let rooms = Rooms::default();
        let mut room = rooms.take();
        room.extend([7; 100]);
        let place = room.as_ptr();
        rooms.give(room);
        let room = rooms.take();
        assert!(room.is_empty() && room.capacity() >= 100 && room.as_ptr() == place);
        rooms.give(Vec::with_capacity(Rooms::LARGEST + 1));
        assert_eq!(rooms.take().capacity(), 0);
    }
}
