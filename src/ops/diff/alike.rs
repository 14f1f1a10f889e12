//! Which parts of a value another one has, too: sixteen bytes of each are kept, its sum.
//!
//! Most parts of two large values that differ are alike, and need not be held by name. Only parts
//! that stand for themselves have a sum: members, fields, cells, entries of a stream.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::values::{Ignored, score};
use crate::error::FormatError;
use crate::rdb::{Entry, Scratch};
use crate::value::{Elem, Item};

/// The parts of a value by their sums.
#[derive(Debug, Default)]
pub(super) struct Alike(Vec<u128>);

impl Alike {
    /// Reads them.
    pub(super) fn of(
        entry: &Entry<'_>,
        ignored: Ignored,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let mut sums = Vec::new();
        entry.visit(scratch, |item| {
            sums.extend(sum(&item, ignored));
            ControlFlow::Continue(())
        })?;
        sums.sort_unstable();
        Ok(Alike(sums))
    }

    /// Whether this part is one of them.
    pub(super) fn has(&self, item: &Item<'_>, ignored: Ignored) -> bool {
        sum(item, ignored).is_some_and(|sum| self.0.binary_search(&sum).is_ok())
    }
}

/// The sum of a part with all that counts of it. With another seed in each run, nobody can make
/// parts that only seem alike.
fn sum(item: &Item<'_>, ignored: Ignored) -> Option<u128> {
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    let add = |before: u128, bytes: &[u8]| {
        let seed = *SEED ^ (before as u64);
        xxh3_128_with_seed(bytes, seed) ^ before.rotate_left(64).wrapping_mul(3)
    };
    let text = |before: u128, elem: &Elem<'_>| add(before, elem.bytes(&mut itoa::Buffer::new()));
    match item {
        Item::Member(member) => Some(text(1, member)),
        Item::Scored { member, score: of } => {
            Some(add(text(2, member), &score(*of).to_bits().to_le_bytes()))
        }
        Item::Field { field, value, expires_at_ms } => {
            let at_ms = expires_at_ms.filter(|_| !ignored.ttl);
            let expires = add(3, &at_ms.map_or([0; 8], |at| at.to_le_bytes()));
            Some(text(text(expires ^ u128::from(at_ms.is_some()), field), value))
        }
        Item::Cell { index, cell } => {
            Some(cell.with_text(|cell| add(add(4, &index.to_le_bytes()), cell)))
        }
        Item::StreamEntry { id, fields } => {
            let id = add(add(5, &id.ms.to_le_bytes()), &id.seq.to_le_bytes());
            Some(fields.iter().fold(id, |sum, (field, value)| text(text(sum, &field), &value)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'a>(field: &'a [u8], value: &'a [u8], expires_at_ms: Option<u64>) -> Item<'a> {
        Item::Field { field: Elem::Bytes(field), value: Elem::Bytes(value), expires_at_ms }
    }

    #[track_caller]
    fn check(one: &Item<'_>, other: &Item<'_>, ignored: Ignored, alike: bool) {
        assert_eq!(sum(one, ignored) == sum(other, ignored), alike, "{one:?} {other:?}");
    }

    #[test]
    fn only_what_is_the_same_has_one_sum() {
        let all = Ignored::default();
        let no_ttl = Ignored { ttl: true, ..all };
        let one = field(b"f", b"17", None);
        check(&one, &field(b"f", b"17", None), all, true);
        let number =
            Item::Field { field: Elem::Bytes(b"f"), value: Elem::Int(17), expires_at_ms: None };
        check(&one, &number, all, true);
        for other in [
            field(b"f", b"18", None),
            field(b"g", b"17", None),
            field(b"f1", b"7", None),
            field(b"17", b"f", None),
            field(b"f", b"17", Some(0)),
            field(b"f", b"17", Some(5)),
            Item::Member(Elem::Bytes(b"f")),
        ] {
            check(&one, &other, all, false);
        }
        check(&one, &field(b"f", b"17", Some(5)), no_ttl, true);
        let scored = |score| Item::Scored { member: Elem::Bytes(b"f"), score };
        check(&scored(0.0), &scored(-0.0), all, true);
        check(&scored(1.0), &scored(2.0), all, false);
        assert_eq!(sum(&Item::Text(Elem::Bytes(b"f")), all), None);
    }
}
