//! The commands of the names that came last: most logs have few.

use crate::engine::{Spec, lookup};

/// How many names are remembered: a power of two.
const NAMES: usize = 64;

/// What was looked up, each at the place that its name says.
#[derive(Debug)]
pub(super) struct Known {
    slots: [Option<(Name, &'static Spec)>; NAMES],
}

impl Default for Known {
    fn default() -> Self {
        Known { slots: [None; NAMES] }
    }
}

impl Known {
    /// The command of a name.
    #[inline(always)]
    pub(super) fn lookup(&mut self, name: &[u8]) -> Option<&'static Spec> {
        let Some(packed) = Name::of(name) else { return lookup(name) };
        let slot = self.slots.get_mut(packed.place())?;
        match slot {
            Some((known, spec)) if *known == packed => Some(spec),
            _ => {
                let spec = lookup(name)?;
                *slot = Some((packed, spec));
                Some(spec)
            }
        }
    }
}

/// A name of no more than sixteen bytes, to be compared without a call: its first and its last
/// bytes, which are all of it, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    first: u64,
    last: u64,
    len: usize,
}

impl Name {
    #[inline(always)]
    fn of(name: &[u8]) -> Option<Name> {
        let len = name.len();
        let (first, last) = match len {
            8..=16 => {
                let (first, last) = (name.first_chunk()?, name.last_chunk()?);
                (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
            }
            4..8 => {
                let (first, last) = (name.first_chunk()?, name.last_chunk()?);
                (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
            }
            1..4 => {
                let (first, last) = (*name.first()?, *name.last()?);
                (u64::from(first) | u64::from(*name.get(len / 2)?) << 8, last.into())
            }
            _ => return None,
        };
        Some(Name { first, last, len })
    }

    #[inline(always)]
    fn place(&self) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (self.first ^ self.last.rotate_left(29) ^ self.len as u64).wrapping_mul(ODD);
        (mixed >> (64 - NAMES.trailing_zeros())) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Name};
    use crate::engine::lookup;

    #[test]
    fn it_says_what_the_table_says() {
        let mut known = Known::default();
        let names = ["SET", "set", "GETEX", "DEL", "HSET", "HGETALL", "PEXPIREAT", "XAUTOCLAIM"];
        for name in names.iter().cycle().take(40).copied().chain(["", "NOSUCH", "X", "ZRANGESTORE"])
        {
            let want = lookup(name.as_bytes()).map(|spec| spec.name);
            assert_eq!(known.lookup(name.as_bytes()).map(|spec| spec.name), want, "{name}");
        }
        assert!(known.lookup(&[b'X'; 40]).is_none());
    }

    #[test]
    fn another_byte_anywhere_is_another_name() {
        let text = b"ABCDEFGHIJKLMNOP";
        for len in 1..=text.len() {
            let name = &text[..len];
            for at in 0..len {
                let mut other = name.to_vec();
                other[at] ^= 0x20;
                assert_ne!(Name::of(name), Name::of(&other));
            }
            assert_ne!(Name::of(name), Name::of(&name[..len - 1]));
        }
    }
}
