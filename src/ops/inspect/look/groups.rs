//! Keys by something that each of them has.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::bytes::slot::slot;
use crate::error::Result;
use crate::ops::inspect::tally::WITHIN;
use crate::rdb::{Entry, Eviction};
use crate::report::inspect::{Group, Groups, Volume, expiry_class};
use crate::report::text::size;
use crate::value::Kind;

/// What keys are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Their first parts.
    Prefix,
    /// Their types.
    Type,
    /// Their databases.
    Db,
    /// Their cluster slots.
    Slot,
    /// How long they still live.
    Expiry,
    /// How long they were not used, or how often they were.
    Idle,
    /// What they take in the file.
    Size,
}

impl By {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            By::Prefix => "prefix",
            By::Type => "type",
            By::Db => "db",
            By::Slot => "slot",
            By::Expiry => "expiry",
            By::Idle => "idle",
            By::Size => "size",
        }
    }

    /// Whether the groups have an order of their own.
    fn is_ordered(self) -> bool {
        matches!(self, By::Expiry | By::Idle | By::Size)
    }

    /// The number of a key's group.
    fn group(self, entry: &Entry<'_>, now_ms: i64) -> Result<u64> {
        Ok(match self {
            By::Prefix => 0,
            By::Type => entry.value_type.kind() as u64,
            By::Db => entry.db,
            By::Slot => slot(&entry.key_bytes()?).into(),
            By::Expiry => match entry.expires_at_ms {
                None => NEVER,
                Some(at_ms) if at_ms <= now_ms => 0,
                Some(at_ms) => 1 + within(at_ms.abs_diff(now_ms)),
            },
            By::Idle => match entry.eviction {
                None => NEVER,
                Some(Eviction::IdleSecs(secs)) => within(secs.saturating_mul(1000)),
                Some(Eviction::Frequency(frequency)) => {
                    FREQUENCIES + u64::from(frequency.checked_ilog10().map_or(0, |n| n + 1))
                }
            },
            By::Size => {
                let bytes = entry.size_bytes().max(SMALLEST);
                // The first power of four that holds it.
                u64::from((bytes - 1).ilog2() / 2)
            }
        })
    }

    /// The name of a group.
    fn label(self, group: u64) -> String {
        let spans = || WITHIN.map(|(name, _)| name);
        let span = |index: u64| usize::try_from(index).ok().and_then(|i| spans().get(i).copied());
        match self {
            By::Prefix => String::new(),
            By::Type => Kind::ALL
                .into_iter()
                .find(|kind| *kind as u64 == group)
                .map_or_else(String::new, |kind| kind.name().to_owned()),
            By::Db | By::Slot => group.to_string(),
            By::Expiry => match group {
                NEVER => "never".to_owned(),
                0 => "expired".to_owned(),
                n => expiry_class(span(n - 1).unwrap_or("later")).to_owned(),
            },
            By::Idle => match group {
                NEVER => "unknown".to_owned(),
                FREQUENCIES => "frequency 0".to_owned(),
                n if n > FREQUENCIES => match n - FREQUENCIES {
                    1 => "frequency 1 to 9".to_owned(),
                    2 => "frequency 10 to 99".to_owned(),
                    _ => "frequency from 100".to_owned(),
                },
                n => match expiry_class(span(n).unwrap_or("later")) {
                    "within 1h" => "up to 1h".to_owned(),
                    "after 1y" => "over 1y".to_owned(),
                    class => class.to_owned(),
                },
            },
            By::Size => {
                let power = 2 * (group + 1);
                let most = 1_u64.checked_shl(power as u32).unwrap_or(u64::MAX);
                // Each class holds what the smaller ones do not.
                match most <= SMALLEST.next_power_of_two() {
                    true => format!("up to {}", size(most)),
                    false => format!("{} to {}", size(most / 4), size(most)),
                }
            }
        }
    }
}

/// The group of what has no time.
const NEVER: u64 = u64::MAX;
/// Access frequencies come behind idle times.
const FREQUENCIES: u64 = 100;
/// All below are one class of sizes.
const SMALLEST: u64 = 33;

/// Which of [`WITHIN`] a span is in; one more than there are for a longer one.
fn within(ms: u64) -> u64 {
    WITHIN.iter().take_while(|(_, within)| ms > *within).count() as u64
}

/// Groups that are counted.
#[derive(Debug)]
pub(super) struct GroupTally {
    by: By,
    groups: BTreeMap<u64, Volume>,
}

impl GroupTally {
    pub(super) fn new(by: By) -> Self {
        GroupTally { by, groups: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, entry: &Entry<'_>, now_ms: i64, volume: Volume) -> Result<()> {
        self.groups.entry(self.by.group(entry, now_ms)?).or_default().add(volume);
        Ok(())
    }

    pub(super) fn merge(&mut self, later: GroupTally) {
        for (group, volume) in later.groups {
            self.groups.entry(group).or_default().add(volume);
        }
    }

    pub(super) fn finish(self) -> Groups {
        let by = self.by;
        let group = |(group, volume)| Group { name: by.label(group), volume };
        let mut groups: Vec<Group> = self.groups.into_iter().map(group).collect();
        if !by.is_ordered() {
            groups.sort_by_key(|group| Reverse(group.volume.memory_bytes));
        }
        Groups { by: by.name(), groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::ValueType;

    #[track_caller]
    fn check(by: By, change: impl FnOnce(&mut Entry<'_>), want: &str) {
        let body = [b'x'; 200];
        let mut entry = Entry::of_body(b"k", ValueType::String, &body, 0);
        change(&mut entry);
        assert_eq!(by.label(by.group(&entry, 1000).unwrap()), want);
    }

    #[test]
    fn groups_have_names() {
        check(By::Type, |_| {}, "string");
        check(By::Db, |entry| entry.db = 7, "7");
        check(By::Slot, |_| {}, "7629");
        check(By::Expiry, |_| {}, "never");
        check(By::Expiry, |entry| entry.expires_at_ms = Some(1000), "expired");
        check(By::Expiry, |entry| entry.expires_at_ms = Some(1001), "within 1h");
        check(By::Expiry, |entry| entry.expires_at_ms = Some(3_601_001), "1h to 1d");
        check(By::Expiry, |entry| entry.expires_at_ms = Some(i64::MAX), "after 1y");
        check(By::Idle, |_| {}, "unknown");
        check(By::Idle, |entry| entry.eviction = Some(Eviction::IdleSecs(3601)), "1h to 1d");
        check(By::Idle, |entry| entry.eviction = Some(Eviction::IdleSecs(3600)), "up to 1h");
        check(By::Idle, |entry| entry.eviction = Some(Eviction::IdleSecs(u64::MAX)), "over 1y");
        for (frequency, want) in
            [(0, "frequency 0"), (9, "frequency 1 to 9"), (255, "frequency from 100")]
        {
            check(By::Idle, |e| e.eviction = Some(Eviction::Frequency(frequency)), want);
        }
        check(By::Size, |_| {}, "64 B to 256 B");
        check(By::Size, |entry| entry.end = entry.offset + 256, "64 B to 256 B");
        check(By::Size, |entry| entry.end = entry.offset + 257, "256 B to 1.0 KiB");
        check(By::Size, |entry| entry.end = entry.offset + 3, "up to 64 B");
    }
}
