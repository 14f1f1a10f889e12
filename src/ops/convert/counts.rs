//! What is counted on the way of keys to an output.

use std::collections::BTreeMap;

use super::encode::Plan;
use super::fingerprint::Fingerprint;
use crate::digest::full;
use crate::rdb::ValueType;
use crate::rdb::write::Loss;

/// What happened.
#[derive(Debug, Default)]
pub(in crate::ops) struct Counts {
    pub(in crate::ops) keys: u64,
    pub(in crate::ops) written: u64,
    /// Left out by the filter of the plan.
    pub(in crate::ops) filtered: u64,
    pub(in crate::ops) expired: u64,
    pub(in crate::ops) copied: u64,
    pub(in crate::ops) functions: u64,
    pub(in crate::ops) anew: BTreeMap<(ValueType, ValueType), u64>,
    pub(in crate::ops) losses: BTreeMap<Loss, Noted>,
    /// What came, where that is asked for.
    pub(in crate::ops) digest: Option<Fingerprint>,
}

impl Counts {
    pub(super) fn new(plan: &Plan) -> Self {
        let without = full::Without {
            expired_at_ms: plan.drop_expired_at_ms,
            stream_counters: !plan.target.has_stream_counters(),
            longest_links: plan.target.vector_set_layout() == Some(0),
        };
        let digest = plan.prove.map(|prove| Fingerprint::new(prove, without));
        Counts { digest, ..Counts::default() }
    }

    /// Adds what happened later; no more than `list` keys are kept for each kind of loss.
    pub(in crate::ops) fn add(&mut self, later: Counts, list: usize) {
        let Counts { keys, written, filtered, expired, copied, functions, anew, losses, digest } =
            later;
        if let (Some(all), Some(digest)) = (&mut self.digest, digest) {
            all.merge(&digest);
        }
        self.keys += keys;
        self.written += written;
        self.filtered += filtered;
        self.expired += expired;
        self.copied += copied;
        self.functions += functions;
        for (pair, keys) in anew {
            *self.anew.entry(pair).or_default() += keys;
        }
        for (loss, noted) in losses {
            let all = self.losses.entry(loss).or_default();
            all.count += noted.count;
            let room = list.saturating_sub(all.keys.len());
            all.keys.extend(noted.keys.into_iter().take(room));
        }
    }
}

/// A kind of loss: how many keys have it, and the first of them.
#[derive(Debug, Default)]
pub(in crate::ops) struct Noted {
    pub(in crate::ops) count: u64,
    pub(in crate::ops) keys: Vec<(u64, Vec<u8>)>,
}
