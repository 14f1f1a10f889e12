//! Intset: the blob behind a small set whose members are all integers.
//!
//! ```text
//! width  u32 LE      bytes per member: 2, 4 or 8
//! count  u32 LE
//! members            count integers of that width, signed, LE, ascending
//! ```
//!
//! Servers look members up by bisection, so a set out of order loads and then denies what it has.

use super::Flaw;
use crate::error::Fault;

const HEADER: u64 = 8;

/// An intset whose header fits its bytes. The order of its members has not been looked at.
#[derive(Debug, Clone, Copy)]
pub struct Intset<'a> {
    members: Members<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Members<'a> {
    Two(&'a [[u8; 2]]),
    Four(&'a [[u8; 4]]),
    Eight(&'a [[u8; 8]]),
}

impl<'a> Intset<'a> {
    /// Holds width and count against the blob.
    pub fn new(blob: &'a [u8]) -> Result<Self, Fault> {
        let [w0, w1, w2, w3, c0, c1, c2, c3, items @ ..] = blob else {
            let have = (blob.len() as u64).saturating_sub(HEADER);
            return Err(Fault::IntsetSize { need: 0, have });
        };
        let width = u32::from_le_bytes([*w0, *w1, *w2, *w3]);
        let count = u32::from_le_bytes([*c0, *c1, *c2, *c3]);
        let (members, odd) = match width {
            2 => rows(items, Members::Two),
            4 => rows(items, Members::Four),
            8 => rows(items, Members::Eight),
            width => return Err(Fault::IntsetWidth { width }),
        };
        let need = u64::from(width) * u64::from(count);
        let have = items.len() as u64;
        if odd || need != have {
            return Err(Fault::IntsetSize { need, have });
        }
        Ok(Intset { members })
    }

    /// The number of members.
    pub fn count(&self) -> u64 {
        (match self.members {
            Members::Two(rows) => rows.len(),
            Members::Four(rows) => rows.len(),
            Members::Eight(rows) => rows.len(),
        }) as u64
    }

    /// The members, in the order of the blob.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<'a> {
        let (two, four, eight): (&[_], &[_], &[_]) = match self.members {
            Members::Two(rows) => (rows, &[], &[]),
            Members::Four(rows) => (&[], rows, &[]),
            Members::Eight(rows) => (&[], &[], rows),
        };
        let two = two.iter().map(|row| i64::from(i16::from_le_bytes(*row)));
        let four = four.iter().map(|row| i64::from(i32::from_le_bytes(*row)));
        let eight = eight.iter().map(|row| i64::from_le_bytes(*row));
        two.chain(four).chain(eight)
    }

    /// The first member that is not above the one before.
    pub fn flaw(&self) -> Option<Flaw> {
        let (index, width) = match self.members {
            Members::Two(rows) => (disorder(rows, i16::from_le_bytes), 2),
            Members::Four(rows) => (disorder(rows, i32::from_le_bytes), 4),
            Members::Eight(rows) => (disorder(rows, i64::from_le_bytes), 8),
        };
        let index = index? as u64;
        Some(Flaw { at: HEADER + index * width, fault: Fault::IntsetOrder { index } })
    }
}

fn rows<'a, const N: usize>(
    items: &'a [u8],
    of: impl Fn(&'a [[u8; N]]) -> Members<'a>,
) -> (Members<'a>, bool) {
    let (rows, odd) = items.as_chunks::<N>();
    (of(rows), !odd.is_empty())
}

fn disorder<const N: usize, T: Ord>(rows: &[[u8; N]], of: impl Fn([u8; N]) -> T) -> Option<usize> {
    let pairs = rows.iter().zip(rows.iter().skip(1));
    pairs.enumerate().find(|(_, (a, b))| of(**a) >= of(**b)).map(|(i, _)| i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(blob: &[u8], want: Result<&[i64], Fault>) {
        let got = Intset::new(blob).map(|set| {
            assert_eq!(set.count(), set.iter().count() as u64);
            set.iter().collect::<Vec<_>>()
        });
        assert_eq!(got.as_deref(), want.as_ref().map(|m| *m));
    }

    #[test]
    fn members_keep_their_sign() {
        check(b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x2c\x01", Ok(&[1, 2, 300]));
        check(b"\x02\0\0\0\x02\0\0\0\xff\xff\x07\0", Ok(&[-1, 7]));
        check(b"\x04\0\0\0\x01\0\0\0\0\0\0\x80", Ok(&[i64::from(i32::MIN)]));
        check(b"\x08\0\0\0\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f", Ok(&[i64::MAX]));
        check(b"\x02\0\0\0\0\0\0\0", Ok(&[]));
    }

    #[test]
    fn a_header_that_lies() {
        let lie = b"\x08\0\0\0\xff\xff\xff\xff\x01\0\0\0\0\0\0\0";
        check(lie, Err(Fault::IntsetSize { need: 8 * 0xffff_ffff, have: 8 }));
        check(b"\x02\0\0\0\x01\0\0\0\x01\0\x02", Err(Fault::IntsetSize { need: 2, have: 3 }));
        check(b"\x03\0\0\0\x01\0\0\0\x01\0\x02", Err(Fault::IntsetWidth { width: 3 }));
        check(b"\x02\0\0\0\x01", Err(Fault::IntsetSize { need: 0, have: 0 }));
    }

    #[test]
    fn order_is_strict() {
        let flaw = |blob: &[u8]| Intset::new(blob).unwrap().flaw();
        assert_eq!(flaw(b"\x02\0\0\0\x02\0\0\0\xff\xff\x07\0"), None);
        let want = Some(Flaw { at: 10, fault: Fault::IntsetOrder { index: 1 } });
        assert_eq!(flaw(b"\x02\0\0\0\x02\0\0\0\x07\0\xff\xff"), want);
        assert_eq!(flaw(b"\x02\0\0\0\x02\0\0\0\x07\0\x07\0"), want);
    }
}
