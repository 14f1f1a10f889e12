//! What commands know besides the keys: the time, the server that is played, functions, chance.

use std::collections::BTreeMap;

use crate::bytes::number::DoubleRules;
use crate::rdb::{LibraryHead, Product, Target};

/// What commands know besides the keys.
#[derive(Debug, Clone)]
pub struct Env {
    /// Now, unix time in milliseconds.
    pub now_ms: i64,
    /// Whether this is a server that loads its log: nothing expires, nothing is cut off by time,
    /// forms that only logs have are taken.
    pub loading: bool,
    /// Whether the log comes from another server than the one that is played.
    pub foreign: bool,
    /// The server that is played: its limits, and how it spells numbers.
    pub target: Target,
    /// Function libraries by name: their code.
    pub functions: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Field names that HIMPORT PREPARE has given a name, of the one connection there is.
    pub fieldsets: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Scripts by the SHA-1 of their text, in hexadecimal digits.
    pub scripts: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The state of what is left to chance; the same from run to run.
    pub chance: u64,
}

impl Env {
    /// The environment of a server at a time.
    pub fn new(target: Target, now_ms: i64) -> Self {
        Env {
            now_ms,
            loading: false,
            foreign: false,
            target,
            functions: BTreeMap::new(),
            scripts: BTreeMap::new(),
            fieldsets: BTreeMap::new(),
            chance: 0x853c_49e6_748f_ea9b,
        }
    }

    /// A number below `bound` (which is not 0), by chance.
    pub fn random(&mut self, bound: usize) -> usize {
        // xorshift64*: small, and nothing here is secret.
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        let word = self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(word) * bound as u128) >> 64) as usize
    }

    /// Whether what only other servers know is taken, too: what stands in a log was taken by the
    /// server that wrote it, and this need not be the one that is played.
    pub fn takes_all(&self) -> bool {
        self.loading
    }

    /// What is taken for a double. A server that refuses one from a client does so from its log, too
    /// (Valkey 9.1); what another one has logged was taken there.
    pub fn double_rules(&self) -> DoubleRules {
        let rules = self.target.double_rules();
        DoubleRules { hex: rules.hex || (self.loading && self.foreign), ..rules }
    }

    /// The time before which fields of hashes are hidden though they are kept, if any are: to the
    /// commands of a log that it loads, a Redis hides fields that have expired; a Valkey does not.
    pub fn hidden_before_ms(&self) -> Option<i64> {
        (self.loading && self.target.product != Product::Valkey).then_some(self.now_ms)
    }

    /// The time before which keys are gone, if any are.
    pub fn gone_before_ms(&self) -> Option<i64> {
        (!self.loading).then_some(self.now_ms)
    }
}

/// The name of a function library, out of the first line of its code; one without such a line is
/// known by all of it.
pub fn library_name(code: &[u8]) -> Vec<u8> {
    LibraryHead::parse(code).map_or_else(|_| code.to_vec(), |head| head.name)
}
