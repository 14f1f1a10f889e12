//! An intset, written in one go: the writing side of [`Intset`](super::Intset).

/// Appends the blob of these integers, which are ascending and without repetition, in the width
/// that the widest of them needs.
pub fn intset(out: &mut Vec<u8>, sorted: &[i64]) {
    let fits = |bits: u32| {
        let limit = 1_i64 << (bits - 1);
        let ends = [sorted.first(), sorted.last()];
        ends.into_iter().flatten().all(|&n| (-limit..limit).contains(&n))
    };
    let width = if fits(16) {
        2
    } else if fits(32) {
        4
    } else {
        8
    };
    intset_of_width(out, sorted, width);
}

/// The same with so many bytes for each integer (2, 4 or 8), which must be enough: servers keep
/// the width of a set that had a wider member once.
pub fn intset_of_width(out: &mut Vec<u8>, sorted: &[i64], width: u8) {
    let width = usize::from(width);
    out.extend_from_slice(&(width as u32).to_le_bytes());
    out.extend_from_slice(&(sorted.len() as u32).to_le_bytes());
    for n in sorted {
        out.extend(n.to_le_bytes().into_iter().take(width));
    }
}

#[cfg(test)]
mod tests {
    use super::{intset, intset_of_width};
    use crate::rdb::packed::Intset;

    #[track_caller]
    fn check(sorted: &[i64], width: usize) {
        let mut blob = Vec::new();
        intset(&mut blob, sorted);
        assert_eq!(blob.len(), 8 + sorted.len() * width);
        let set = Intset::new(&blob).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), sorted);
        assert_eq!(set.flaw(), None);
    }

    #[test]
    fn as_wide_as_the_widest() {
        let mut blob = Vec::new();
        intset(&mut blob, &[1, 2, 300]);
        assert_eq!(blob, b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x2c\x01");
        check(&[-0x8000, 0x7fff], 2);
        check(&[-0x8001, 1], 4);
        check(&[0, 0x8000], 4);
        check(&[i64::from(i32::MIN), i64::from(i32::MAX)], 4);
        check(&[0, 1 << 31], 8);
        check(&[i64::MIN, i64::MAX], 8);
    }

    #[test]
    fn as_wide_as_it_was() {
        let mut blob = Vec::new();
        intset_of_width(&mut blob, &[-1, 7], 4);
        assert_eq!(blob, b"\x04\0\0\0\x02\0\0\0\xff\xff\xff\xff\x07\0\0\0");
    }
}
