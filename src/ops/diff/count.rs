//! The totals: all keys, by type, by prefix.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::Pair;
use crate::report::diff::{Aspect, Counts, DiffSummary, Group, KeyDiff};
use crate::value::Kind;

/// So many prefixes are counted apart; the keys of all others are counted together.
const MOST_PREFIXES: usize = 1024;
/// A longer prefix is none.
const LONGEST_PREFIX: usize = 256;

/// What has been counted.
pub(super) struct Totals<'o> {
    separator: &'o [u8],
    keys: Counts,
    expiry_only: u64,
    encoding_only: u64,
    types: BTreeMap<&'static str, Counts>,
    prefixes: HashMap<Vec<u8>, Counts>,
    other_prefixes: Counts,
}

impl<'o> Totals<'o> {
    pub(super) fn new(separator: &'o [u8]) -> Self {
        Totals {
            separator,
            keys: Counts::default(),
            expiry_only: 0,
            encoding_only: 0,
            types: BTreeMap::new(),
            prefixes: HashMap::new(),
            other_prefixes: Counts::default(),
        }
    }

    pub(super) fn count(&mut self, pair: &Pair, found: Option<&KeyDiff>) {
        let Some(row) = pair.after.as_ref().or(pair.before.as_ref()) else { return };
        let add = |counts: &mut Counts| {
            *match (&pair.before, &pair.after, found) {
                (None, ..) => &mut counts.added,
                (_, None, _) => &mut counts.removed,
                (.., Some(_)) => &mut counts.changed,
                _ => &mut counts.same,
            } += 1;
        };
        add(&mut self.keys);
        add(self.types.entry(row.side.kind).or_default());
        if let Some(found) = found {
            self.expiry_only += u64::from(found.differs == [Aspect::Expiry]);
            self.encoding_only += u64::from(found.differs == [Aspect::Encoding]);
        }
        let Some(prefix) = prefix(&row.key, self.separator) else { return };
        if let Some(counts) = self.prefixes.get_mut(prefix) {
            add(counts);
        } else if self.prefixes.len() < MOST_PREFIXES {
            add(self.prefixes.entry(prefix.to_vec()).or_default());
        } else {
            add(&mut self.other_prefixes);
        }
    }

    pub(super) fn summary(self, [before, after]: [String; 2]) -> DiffSummary {
        let types = Kind::ALL.iter().filter_map(|kind| {
            let counts = *self.types.get(kind.name())?;
            Some(Group { name: kind.name().into(), counts })
        });
        let differs = self.prefixes.into_iter().filter(|(_, counts)| !counts.is_same());
        let mut by_prefix: Vec<_> = differs.map(|(name, counts)| Group { name, counts }).collect();
        by_prefix.sort_by(|a, b| {
            let most = b.counts.differing().cmp(&a.counts.differing());
            most.then_with(|| a.name.cmp(&b.name))
        });
        DiffSummary {
            schema: "rdbkit.diff/1",
            record: "summary",
            before,
            after,
            same: false,
            keys: self.keys,
            expiry_only: self.expiry_only,
            encoding_only: self.encoding_only,
            by_type: types.collect(),
            by_prefix,
            other_prefixes: self.other_prefixes,
            functions_added: Vec::new(),
            functions_removed: Vec::new(),
            functions_changed: Vec::new(),
            module_data_differs: false,
            encodings_compared: true,
            consumer_times_compared: true,
            repeated_keys: 0,
        }
    }
}

/// What a key begins with, the first separator included.
pub(in crate::ops) fn prefix<'k>(key: &'k [u8], separator: &[u8]) -> Option<&'k [u8]> {
    if separator.is_empty() {
        return None;
    }
    let head = key.get(..LONGEST_PREFIX).unwrap_or(key);
    let at = head.windows(separator.len()).position(|window| window == separator)?;
    key.get(..at + separator.len())
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn a_prefix_ends_with_the_first_separator() {
        assert_eq!(prefix(b"user:1:name", b":"), Some(&b"user:"[..]));
        assert_eq!(prefix(b"user", b":"), None);
        assert_eq!(prefix(b":1", b":"), Some(&b":"[..]));
        assert_eq!(prefix(b"a::b", b"::"), Some(&b"a::"[..]));
        assert_eq!(prefix(&[b'a'; 1000], b"a"), Some(&b"a"[..]));
        assert_eq!(prefix(b"a:b", b""), None);
    }
}
