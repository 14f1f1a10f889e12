//! What a target cannot hold.
//!
//! A loss is grave where somebody who asks the target for the data could tell: those end a
//! conversion unless they are allowed. The others are what servers of that version have no notion
//! of, or find out anew; they are only counted.

use std::fmt;

/// Something of a snapshot that its target cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// Fields of a hash that expire: they stay, without their expiry.
    FieldExpiry,
    /// A field's expiry beyond what the target can say: the field stays, without it.
    FarFieldExpiry,
    /// Pending entries of a stream that were given back and belong to nobody.
    NackedEntries,
    /// Ids that idempotent producers of a stream have used.
    IdempotentIds,
    /// A stream, to a server that has none.
    Stream,
    /// An array, to a server that has none.
    Array,
    /// A module's value, to a server without modules.
    Module,
    /// A vector set, to a server that has none.
    VectorSet,
    /// Metadata that modules attached to a key.
    KeyMeta,
    /// Metadata that modules attached to a key which a command has changed since.
    ChangedKeyMeta,
    /// A function library.
    Function,
    /// What a module remembers besides its keys.
    ModuleAux,
    /// Limits and counters of a stream's idempotent producers.
    IdempotenceSettings,
    /// Numbers of a stream that older servers do not keep.
    StreamCounters,
    /// When the consumers of a stream were active.
    ConsumerActivity,
    /// A pending entry that no consumer owns: servers that sanitize refuse it.
    UnownedPending,
    /// The idle time or access frequency of a key.
    Eviction,
    /// A slot import in progress.
    SlotImport,
    /// When the consumers of a stream were seen and active, which no command can say.
    ConsumerTimes,
    /// A consumer without pending entries, to a server that cannot be told of one.
    IdleConsumer,
    /// A key whose value has no elements: servers drop it while they load.
    EmptyValue,
}

impl Loss {
    /// Every loss, in the order of reports.
    pub const ALL: [Loss; 21] = [
        Loss::FieldExpiry,
        Loss::FarFieldExpiry,
        Loss::NackedEntries,
        Loss::IdempotentIds,
        Loss::Stream,
        Loss::Array,
        Loss::Module,
        Loss::VectorSet,
        Loss::KeyMeta,
        Loss::ChangedKeyMeta,
        Loss::Function,
        Loss::ModuleAux,
        Loss::IdempotenceSettings,
        Loss::StreamCounters,
        Loss::ConsumerActivity,
        Loss::UnownedPending,
        Loss::Eviction,
        Loss::SlotImport,
        Loss::ConsumerTimes,
        Loss::IdleConsumer,
        Loss::EmptyValue,
    ];

    /// Whether somebody who asks the target could tell.
    pub fn is_grave(self) -> bool {
        !matches!(
            self,
            Loss::IdempotenceSettings
                | Loss::StreamCounters
                | Loss::ConsumerActivity
                | Loss::UnownedPending
                | Loss::Eviction
                | Loss::SlotImport
                | Loss::ConsumerTimes
                | Loss::IdleConsumer
                | Loss::EmptyValue
        )
    }

    /// Whether the key itself is not written.
    pub fn is_whole_key(self) -> bool {
        matches!(
            self,
            Loss::Stream | Loss::Array | Loss::Module | Loss::VectorSet | Loss::EmptyValue
        )
    }

    /// A word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Loss::FieldExpiry => "field-expiry",
            Loss::FarFieldExpiry => "far-field-expiry",
            Loss::NackedEntries => "nacked-entries",
            Loss::IdempotentIds => "idempotent-ids",
            Loss::Stream => "stream",
            Loss::Array => "array",
            Loss::Module => "module",
            Loss::VectorSet => "vector-set",
            Loss::KeyMeta => "key-metadata",
            Loss::ChangedKeyMeta => "changed-key-metadata",
            Loss::Function => "function",
            Loss::ModuleAux => "module-aux",
            Loss::IdempotenceSettings => "idempotence-settings",
            Loss::StreamCounters => "stream-counters",
            Loss::ConsumerActivity => "consumer-activity",
            Loss::UnownedPending => "unowned-pending",
            Loss::Eviction => "eviction",
            Loss::SlotImport => "slot-import",
            Loss::ConsumerTimes => "consumer-times",
            Loss::IdleConsumer => "idle-consumer",
            Loss::EmptyValue => "empty-value",
        }
    }

    /// What becomes of it, without a full stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Loss::FieldExpiry => "its fields do not expire there: they stay for good",
            Loss::FarFieldExpiry => {
                "a field expires later than can be said there: it stays for good"
            }
            Loss::NackedEntries => {
                "pending entries that were given back belong to nobody, which cannot be said there: \
                 they are not pending any more"
            }
            Loss::IdempotentIds => {
                "the ids that its producers have used are forgotten: a repeated XADD adds again"
            }
            Loss::Stream => "there are no streams before Redis 5.0: the key is left out",
            Loss::Array => "there are no arrays before Redis 8.8: the key is left out",
            Loss::Module => "there are no modules before Redis 4.0: the key is left out",
            Loss::VectorSet => {
                "there are vector sets only in Redis 8.0 and newer, and none of another layout in 8.0 to \
                 8.4: the key is left out"
            }
            Loss::ChangedKeyMeta => {
                "a command changed the key, and only the module knows what becomes of its metadata then: \
                 it is dropped"
            }
            Loss::KeyMeta => "modules cannot attach metadata to keys there: it is dropped",
            Loss::Function => "there are no functions before Redis 7.0: the library is left out",
            Loss::ModuleAux => "modules remember nothing besides their keys there: it is dropped",
            Loss::IdempotenceSettings => "limits or counters of idempotent producers are not kept",
            Loss::StreamCounters => {
                "how many entries were ever added, deleted or read is not kept there"
            }
            Loss::ConsumerActivity => "when consumers were active last is not kept there",
            Loss::UnownedPending => "pending entries that no consumer owns are dropped",
            Loss::Eviction => "idle time or access frequency is not kept there",
            Loss::SlotImport => "a slot import in progress does not go along",
            Loss::ConsumerTimes => {
                "when consumers were seen and active last cannot be said by commands"
            }
            Loss::IdleConsumer => {
                "consumers without pending entries are forgotten until they read again"
            }
            Loss::EmptyValue => "it has no elements: servers drop such a key, and so is it here",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::Loss;

    #[test]
    fn each_has_a_word_of_its_own() {
        let mut codes: Vec<_> = Loss::ALL.iter().map(|loss| loss.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Loss::ALL.len());
        assert!(Loss::ALL.iter().all(|loss| !loss.sentence().ends_with('.')));
    }
}
