//! Room behind the end of a vector, for what is put together in steps of fixed size.
//!
//! ```text
//! vector  {"field":"na……………………………      eight bytes of a text are written, two of them count
//!         {"field":"name","value":"…      what is too much is written over by the next step
//! ```
//!
//! So there is no call for a few bytes, and the vector is looked after once for each object. The
//! danger: a vector must not be made longer by what nobody has written. So how much longer it gets
//! is said by a [`Written`] alone, which is made of nothing but the [`Room`] itself: the lifetime
//! that both have is one that nothing else can have.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A lifetime that stands for one room, and for no longer or shorter one.
type Mark<'o> = PhantomData<Cell<&'o ()>>;

/// Room in which nothing has been written yet.
pub(crate) struct Slots<'o> {
    slots: &'o mut [MaybeUninit<u8>],
    mark: Mark<'o>,
}

/// Room, of which the first bytes have been written.
///
/// To be kept in registers it must not be lent to what is called and not inlined: that gets
/// [`lend`](Room::lend).
pub(crate) struct Room<'o> {
    slots: &'o mut [MaybeUninit<u8>],
    /// All in front of it has been written.
    at: usize,
    mark: Mark<'o>,
}

/// How much of a room has been written.
pub(crate) struct Written<'o> {
    len: usize,
    mark: Mark<'o>,
}

/// Appends what `write` puts into `size` bytes of room or more; nothing where it says `None`,
/// which it does where something does not fit.
#[inline(always)]
#[expect(unsafe_code, reason = "bytes that have just been written become part of the vector")]
pub(crate) fn append(
    out: &mut Vec<u8>,
    size: usize,
    write: impl for<'x> FnOnce(Slots<'x>) -> Option<Written<'x>>,
) -> Option<()> {
    out.reserve(size);
    let slots = Slots { slots: out.spare_capacity_mut(), mark: PhantomData };
    let written = write(slots)?.len;
    let len = out.len() + written;
    // SAFETY: the room began at the end of the vector's bytes and ended within its capacity, and so
    // many bytes of it have been written: the mark says that it is this room that was.
    unsafe { out.set_len(len) };
    Some(())
}

impl<'o> Slots<'o> {
    /// To be written.
    #[inline(always)]
    pub(crate) fn open(self) -> Room<'o> {
        Room { slots: self.slots, at: 0, mark: self.mark }
    }
}

impl<'o> Room<'o> {
    /// Ends it.
    #[inline(always)]
    pub(crate) fn close(self) -> Written<'o> {
        Written { len: self.at, mark: self.mark }
    }

    /// Lets somebody else write what comes next.
    #[inline(always)]
    pub(crate) fn lend(
        &mut self,
        write: impl for<'x> FnOnce(Slots<'x>) -> Option<Written<'x>>,
    ) -> Option<()> {
        let slots = Slots { slots: self.slots.get_mut(self.at..)?, mark: PhantomData };
        self.at += write(slots)?.len;
        Some(())
    }

    /// Writes all of some bytes, of which the first `len` count.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N], len: usize) -> Option<()> {
        self.slots.get_mut(self.at..self.at + N)?.write_copy_of_slice(bytes);
        self.at += len.min(N);
        Some(())
    }

    /// Writes the first and the last bytes of a text of `len`, which are all of it, some of them
    /// twice.
    #[inline(always)]
    pub(crate) fn put_ends<const N: usize>(
        &mut self,
        first: &[u8; N],
        last: &[u8; N],
        len: usize,
    ) -> Option<()> {
        if !(N..=2 * N).contains(&len) {
            return None;
        }
        let slots = self.slots.get_mut(self.at..self.at + len)?;
        slots.first_chunk_mut::<N>()?.write_copy_of_slice(first);
        slots.last_chunk_mut::<N>()?.write_copy_of_slice(last);
        self.at += len;
        Some(())
    }

    /// Writes a text that most likely is short, without a call then.
    #[inline(always)]
    pub(crate) fn put_text(&mut self, text: &[u8]) -> Option<()> {
        let len = text.len();
        match len {
            16..=32 => self.put_ends(text.first_chunk::<16>()?, text.last_chunk::<16>()?, len),
            8..16 => self.put_ends(text.first_chunk::<8>()?, text.last_chunk::<8>()?, len),
            4..8 => self.put_ends(text.first_chunk::<4>()?, text.last_chunk::<4>()?, len),
            0..4 => {
                let byte = |at: usize| text.get(at).copied().unwrap_or_default();
                self.put(&[byte(0), byte(1), byte(2)], len)
            }
            _ => self.put_all(text),
        }
    }

    /// Writes any bytes.
    #[inline]
    pub(crate) fn put_all(&mut self, bytes: &[u8]) -> Option<()> {
        self.slots.get_mut(self.at..self.at + bytes.len())?.write_copy_of_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    /// Takes back all that has been written.
    #[inline(always)]
    pub(crate) fn restart(&mut self) {
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_appended() {
        let mut out = b"<".to_vec();
        let done = append(&mut out, 32, |slots| {
            let mut room = slots.open();
            room.put(b"abcdefgh", 2)?;
            room.put(b"c", 7)?;
            room.put_ends(b"defg", b"fghi", 6)?;
            room.put_text(b"")?;
            room.lend(|slots| {
                let mut room = slots.open();
                room.put_all(b"nothing")?;
                room.restart();
                room.put_all(b"jk")?;
                Some(room.close())
            })?;
            Some(room.close())
        });
        assert_eq!((done, out.as_slice()), (Some(()), &b"<abcdefghijk"[..]));
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let put = |out: &mut Vec<u8>, size: usize, bytes: &[u8]| {
            append(out, size, |slots| {
                let mut room = slots.open();
                room.put_all(bytes)?;
                Some(room.close())
            })
        };
        let mut out = b"<".to_vec();
        put(&mut out, 8, &[7; 8]).unwrap();
        let before = out.clone();
        let room = out.capacity() - out.len();
        assert_eq!(put(&mut out, 0, &vec![7; room + 1]), None);
        for len in [1, 5] {
            let done = append(&mut out, 8, |slots| {
                let mut room = slots.open();
                room.put(b"abc", 3)?;
                room.put_ends(b"ab", b"cd", len)?;
                Some(room.close())
            });
            assert_eq!(done, None);
        }
        assert_eq!(out, before);
    }
}
