//! Which part a key belongs to, and what the part is called.

use std::ops::RangeInclusive;

use crate::bytes::quoted;
use crate::bytes::slot::{SLOTS, slot};
use crate::error::{Error, Result};
use crate::rdb::Entry;
use crate::value::Kind;

/// No split makes more parts than this: each is a file that is open, with a buffer.
pub(super) const MOST_PARTS: usize = 256;
/// Names of files get no longer than this.
const LONGEST_NAME: usize = 100;

/// Which key goes where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum By {
    /// By slot; keys in slots of no part go to a part of their own.
    Slots(Vec<SlotPart>),
    /// A part for each database.
    #[default]
    Database,
    /// A part for each type.
    Type,
    /// A part for each prefix: what stands before the `depth`th separator, or the one before that
    /// where there are not so many.
    Prefix {
        /// What separates the parts of a key.
        separator: Vec<u8>,
        /// How many of them count.
        depth: usize,
    },
}

/// A part and its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotPart {
    /// What the part is called, where it has a name of its own: a node of a cluster.
    pub name: Option<String>,
    /// Its slots.
    pub slots: Vec<RangeInclusive<u16>>,
}

impl SlotPart {
    /// All slots in so many equal shares, as `redis-cli --cluster create` deals them.
    pub fn equal(parts: u16) -> Vec<SlotPart> {
        let parts = parts.clamp(1, SLOTS);
        // To the nearest slot.
        let bound = |part: u16| {
            let (part, parts) = (u32::from(part), u32::from(parts));
            ((2 * part * u32::from(SLOTS) + parts) / (2 * parts)) as u16
        };
        let share = |part| SlotPart { name: None, slots: vec![bound(part)..=bound(part + 1) - 1] };
        (0..parts).map(share).collect()
    }

    fn words(&self) -> String {
        let ranges = self.slots.iter().map(|range| {
            if range.start() == range.end() {
                format!("{}", range.start())
            } else {
                format!("{}-{}", range.start(), range.end())
            }
        });
        let ranges = ranges.collect::<Vec<_>>().join(",");
        match &self.name {
            Some(name) => format!("{name}, slots {ranges}"),
            None => format!("slots {ranges}"),
        }
    }
}

/// A split, ready to be asked. Parts are known by labels, which are bytes.
#[derive(Debug)]
pub(super) struct Parting {
    by: By,
    /// The number of the part of each slot; where there is none, how many parts there are.
    slots: Vec<u16>,
}

impl Parting {
    pub(super) fn new(by: &By) -> Result<Self> {
        let mut slots = Vec::new();
        if let By::Slots(parts) = by {
            if parts.is_empty() || parts.len() >= MOST_PARTS {
                return Err(Error::Usage(format!(
                    "{} parts of slots are wanted: it can be 1 to {}",
                    parts.len(),
                    MOST_PARTS - 1
                )));
            }
            let rest = parts.len() as u16;
            slots = vec![rest; SLOTS.into()];
            for (number, part) in parts.iter().enumerate() {
                for slot in part.slots.iter().cloned().flatten() {
                    match slots.get_mut(usize::from(slot)) {
                        Some(owner) if *owner == rest => *owner = number as u16,
                        Some(_) => {
                            return Err(Error::Usage(format!("slot {slot} is in two parts")));
                        }
                        None => {
                            let last = SLOTS - 1;
                            return Err(Error::Usage(format!(
                                "there is no slot {slot}: the last one is {last}"
                            )));
                        }
                    }
                }
            }
        }
        Ok(Parting { by: by.clone(), slots })
    }

    /// In words.
    pub(super) fn name(&self) -> &'static str {
        match self.by {
            By::Slots(_) => "slots",
            By::Database => "database",
            By::Type => "type",
            By::Prefix { .. } => "prefix",
        }
    }

    /// Labels of the parts that there are whatever the keys are.
    pub(super) fn known(&self) -> Vec<Vec<u8>> {
        match &self.by {
            By::Slots(parts) => {
                (0..parts.len()).map(|number| (number as u16).to_be_bytes().to_vec()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Hands over the label of a key's part.
    pub(super) fn with_label<T>(
        &self,
        entry: &Entry<'_>,
        then: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        match &self.by {
            By::Slots(_) => {
                let slot = slot(&entry.key_bytes()?);
                let number = self.slots.get(usize::from(slot)).copied().unwrap_or_default();
                then(&number.to_be_bytes())
            }
            By::Database => then(&entry.db.to_be_bytes()),
            By::Type => then(entry.value_type.kind().name().as_bytes()),
            By::Prefix { separator, depth } => then(prefix(&entry.key_bytes()?, separator, *depth)),
        }
    }

    /// Whether a part has what belongs to no part that was asked for.
    pub(super) fn is_rest(&self, label: &[u8]) -> bool {
        matches!(&self.by, By::Slots(_)) && self.slot_part(label).is_none()
    }

    fn slot_part(&self, label: &[u8]) -> Option<&SlotPart> {
        let By::Slots(parts) = &self.by else { return None };
        let number = u16::from_be_bytes(label.try_into().ok()?);
        parts.get(usize::from(number))
    }

    /// What is in a part, in words.
    pub(super) fn words(&self, label: &[u8]) -> String {
        match &self.by {
            By::Slots(_) => match self.slot_part(label) {
                Some(part) => part.words(),
                None => "slots of no part".to_owned(),
            },
            By::Database => format!("database {}", number(label)),
            By::Type => {
                let name = String::from_utf8_lossy(label);
                let known = Kind::ALL.into_iter().any(|kind| kind.name() == name);
                if known { format!("type {name}") } else { quoted(label).to_string() }
            }
            By::Prefix { .. } if label.is_empty() => "no prefix".to_owned(),
            By::Prefix { .. } => format!("prefix {}", quoted(label)),
        }
    }

    /// The name of a part's file; it can be told apart from those of all others.
    pub(super) fn file_name(&self, label: &[u8]) -> String {
        match &self.by {
            By::Slots(_) => match self.slot_part(label) {
                Some(SlotPart { name: Some(name), .. }) => {
                    format!("node-{}.rdb", safe(name.as_bytes()))
                }
                Some(SlotPart { slots, .. }) if slots.len() == 1 => {
                    let ranges = slots.iter().map(|range| (range.start(), range.end()));
                    ranges.map(|(first, last)| format!("slots-{first}-{last}.rdb")).collect()
                }
                Some(part) => {
                    let first = part.slots.iter().map(|range| *range.start()).min();
                    let last = part.slots.iter().map(|range| *range.end()).max();
                    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
                    let number = number(label);
                    // Ranges of several parts may lie within each other.
                    format!("slots-{number:03}-{first}-{last}.rdb")
                }
                None => "rest.rdb".to_owned(),
            },
            By::Database => format!("db-{}.rdb", number(label)),
            By::Type => format!("type-{}.rdb", safe(label)),
            By::Prefix { .. } if label.is_empty() => "no-prefix.rdb".to_owned(),
            By::Prefix { .. } => format!("prefix-{}.rdb", safe(label)),
        }
    }
}

/// A label that is a number.
fn number(label: &[u8]) -> u64 {
    label.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// What stands before the `depth`th separator.
fn prefix<'k>(key: &'k [u8], separator: &[u8], depth: usize) -> &'k [u8] {
    let mut end = 0;
    let mut from = 0;
    for _ in 0..depth {
        let rest = key.get(from..).unwrap_or_default();
        let found = rest.windows(separator.len().max(1)).position(|window| window == separator);
        let Some(at) = found else { break };
        end = from + at;
        from = end + separator.len();
    }
    key.get(..end).unwrap_or_default()
}

/// Bytes as part of a file's name: letters and digits stay, all else is %XX, and what is long is
/// cut and told apart by its hash.
fn safe(bytes: &[u8]) -> String {
    let mut name = String::new();
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(byte.into()),
            byte => name += &format!("%{byte:02X}"),
        }
    }
    if name.len() > LONGEST_NAME {
        name.truncate(LONGEST_NAME);
        name += &format!("-{:016x}", xxhash_rust::xxh3::xxh3_64(bytes));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_its_separator() {
        let check = |key: &str, depth, want: &str| {
            assert_eq!(prefix(key.as_bytes(), b":", depth), want.as_bytes(), "{key}");
        };
        check("user:1:name", 1, "user");
        check("user:1:name", 2, "user:1");
        check("user:1:name", 9, "user:1");
        check("user", 1, "");
        check(":x", 1, "");
        assert_eq!(prefix(b"a::b::c", b"::", 2), b"a::b");
    }

    #[test]
    fn shares_of_slots_are_those_of_a_cluster() {
        let ranges: Vec<_> = SlotPart::equal(3).into_iter().flat_map(|part| part.slots).collect();
        assert_eq!(ranges, [0..=5460, 5461..=10922, 10923..=16383]);
        assert_eq!(SlotPart::equal(1)[0].slots, [0..=16383]);
    }

    #[test]
    fn slots_are_in_one_part() {
        let part = |slots: &[RangeInclusive<u16>]| SlotPart { name: None, slots: slots.to_vec() };
        let wrong = |parts: Vec<SlotPart>| Parting::new(&By::Slots(parts)).unwrap_err().to_string();
        assert_eq!(wrong(vec![part(&[0..=5]), part(&[5..=9])]), "slot 5 is in two parts");
        assert!(wrong(Vec::new()).contains("0 parts"));
        assert!(wrong(vec![part(&[0..=20000])]).contains("there is no slot 16384"));
    }

    #[test]
    fn names_of_files_are_safe() {
        assert_eq!(safe(b"user"), "user");
        assert_eq!(safe(b"../x y\xff"), "..%2Fx%20y%FF");
        assert_eq!(safe(&[b'a'; 300]).len(), LONGEST_NAME + 17);
    }
}
