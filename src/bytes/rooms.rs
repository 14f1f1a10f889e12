//! Room for what batches write.

use std::sync::Mutex;

/// Room that is used again: what a batch writes is a megabyte or more, and to get so much anew
/// costs more than to fill it.
#[derive(Debug)]
pub(crate) struct Rooms<T = u8>(Mutex<Spare<T>>);

#[derive(Debug)]
struct Spare<T> {
    rooms: Vec<Vec<T>>,
    bytes: usize,
}

impl<T> Default for Rooms<T> {
    fn default() -> Self {
        Rooms(Mutex::new(Spare { rooms: Vec::new(), bytes: 0 }))
    }
}

impl<T> Rooms<T> {
    /// Bytes of room that is kept: that of a huge value is given back.
    const LARGEST: usize = 8 << 20;
    /// Bytes that are kept at the same time.
    const MOST: usize = 64 << 20;

    pub(crate) fn take(&self) -> Vec<T> {
        let Ok(mut spare) = self.0.lock() else { return Vec::new() };
        let room = spare.rooms.pop().unwrap_or_default();
        spare.bytes = spare.bytes.saturating_sub(bytes_of(&room));
        room
    }

    pub(crate) fn give(&self, mut room: Vec<T>) {
        room.clear();
        let bytes = bytes_of(&room);
        if let Ok(mut spare) = self.0.lock()
            && (1..=Self::LARGEST).contains(&bytes)
            && spare.bytes + bytes <= Self::MOST
        {
            spare.bytes += bytes;
            spare.rooms.push(room);
        }
    }
}

fn bytes_of<T>(room: &Vec<T>) -> usize {
    room.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::Rooms;

    #[test]
    fn room_comes_back_empty_unless_it_is_huge() {
        let rooms = Rooms::default();
        let mut room: Vec<u8> = rooms.take();
        room.extend([7; 100]);
        let place = room.as_ptr();
        rooms.give(room);
        let room = rooms.take();
        assert!(room.is_empty() && room.capacity() >= 100 && room.as_ptr() == place);
        rooms.give(Vec::with_capacity(Rooms::<u8>::LARGEST + 1));
        assert_eq!(rooms.take().capacity(), 0);
    }

    #[test]
    fn so_much_room_is_kept_and_no_more() {
        let rooms: Rooms<u64> = Rooms::default();
        let room = || Vec::with_capacity(Rooms::<u64>::LARGEST / size_of::<u64>());
        (0..20).for_each(|_| rooms.give(room()));
        let kept = (0..20).filter(|_| rooms.take().capacity() > 0).count();
        assert_eq!(kept, Rooms::<u64>::MOST / Rooms::<u64>::LARGEST);
        // What was taken makes room for more.
        rooms.give(room());
        assert!(rooms.take().capacity() > 0);
    }
}
