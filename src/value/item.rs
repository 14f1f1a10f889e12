//! What a decoder hands out, one call at a time.

use std::fmt;

use super::Elem;
use crate::bytes::number::ScoreText;

/// A part of a value. Everything borrowed lives for one call of the visitor only.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The whole of a string.
    Text(Elem<'a>),
    /// The next element of a list, head first.
    Element(Elem<'a>),
    /// A member of a set.
    Member(Elem<'a>),
    /// A member of a sorted set. A score out of a listpack is never −0; ziplists up to
    /// Redis 6.2 hold the text `-0`.
    Scored {
        /// The member.
        member: Elem<'a>,
        /// Its score.
        score: f64,
    },
    /// A field of a hash.
    Field {
        /// Its name.
        field: Elem<'a>,
        /// Its value.
        value: Elem<'a>,
        /// Its own expiry, unix time in milliseconds.
        expires_at_ms: Option<u64>,
    },
    /// A live entry of a stream, in id order.
    StreamEntry {
        /// Its id.
        id: StreamId,
        /// Its fields and values.
        fields: Pairs<'a>,
    },
    /// What a stream says of itself, after its entries.
    StreamInfo(StreamInfo),
    /// A consumer group; its pending entries and consumers follow.
    Group(Group<'a>),
    /// A pending entry of the group before.
    Pending {
        /// The id of the entry.
        id: StreamId,
        /// When it was delivered last, unix time in milliseconds.
        delivered_at_ms: i64,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// A consumer of the group before; the ids that it owns follow.
    Consumer {
        /// Its name.
        name: &'a [u8],
        /// When it was seen last, unix time in milliseconds.
        seen_at_ms: i64,
        /// When it was active last (−1 never); older layouts do not say.
        active_at_ms: Option<i64>,
    },
    /// A pending id of the consumer before.
    Owned(StreamId),
    /// A pending id of the group before that was given back (Redis 8.8 and newer).
    Nacked(StreamId),
    /// An idempotent producer of the stream (Redis 8.6 and newer); its ids follow.
    Producer(&'a [u8]),
    /// An id that the producer before has used, and the entry that it made.
    Idempotent {
        /// The producer's id.
        iid: &'a [u8],
        /// The entry.
        id: StreamId,
    },
    /// An occupied cell of an array.
    Cell {
        /// Its index.
        index: u64,
        /// What is in it.
        cell: Cell<'a>,
    },
    /// Where the next insert into the array goes after, if that was ever said.
    ArrayInsertIndex(u64),
    /// A part of a module's value.
    Module(ModuleItem<'a>),
}

impl Item<'_> {
    /// The same; a field of a hash that expires does so later by so many milliseconds, or sooner.
    #[must_use]
    pub fn later(self, ms: i64) -> Self {
        match self {
            // At 0 some servers take it for one that stays.
            Item::Field { field, value, expires_at_ms: Some(at) } if ms != 0 => Item::Field {
                field,
                value,
                expires_at_ms: Some(at.saturating_add_signed(ms).max(1)),
            },
            item => item,
        }
    }
}

/// What a cell of an array holds.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A double, its two lowest mantissa bits cleared.
    Double(f64),
}

impl Cell<'_> {
    /// Hands over the text that a client would see.
    pub fn with_text<T>(self, then: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Cell::Bytes(bytes) => then(bytes),
            Cell::Int(n) => then(itoa::Buffer::new().format(n).as_bytes()),
            Cell::Double(value) => {
                let text = ScoreText::Grisu2.reply(value);
                if text.iter().any(|byte| matches!(byte, b'.' | b'e')) {
                    then(&text)
                } else {
                    then(&[text.as_bytes(), b".0"].concat())
                }
            }
        }
    }
}

/// A part of a module's value, as its opcode says.
#[derive(Debug, Clone, Copy)]
pub enum ModuleItem<'a> {
    /// The module's id, first of all.
    Id(u64),
    /// A signed integer.
    Signed(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A single float.
    Float(f32),
    /// A double float.
    Double(f64),
    /// A string.
    Text(&'a [u8]),
}

/// The id of a stream entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds.
    pub ms: u64,
    /// Sequence number.
    pub seq: u64,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// What a stream says of itself. What the layout in the file does not have is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamInfo {
    /// Live entries.
    pub length: u64,
    /// The last id given out.
    pub last_id: StreamId,
    /// The first live entry (type 19 and newer).
    pub first_id: Option<StreamId>,
    /// The highest id deleted (type 19 and newer).
    pub max_deleted_id: Option<StreamId>,
    /// Entries ever added (type 19 and newer).
    pub entries_added: Option<u64>,
    /// Nodes that hold the entries.
    pub nodes: u64,
    /// Consumer groups.
    pub groups: u64,
    /// Limits and counters of idempotent producers (type 26 and newer).
    pub idempotence: Option<Idempotence>,
}

impl StreamInfo {
    /// What the layout says that servers before Redis 7.0 write.
    #[must_use]
    pub fn uncounted(self) -> Self {
        StreamInfo { first_id: None, max_deleted_id: None, entries_added: None, ..self }
    }
}

/// Limits and counters of idempotent producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Idempotence {
    /// How long an id is remembered, seconds.
    pub duration_secs: u64,
    /// How many ids are remembered per producer.
    pub max_entries: u64,
    /// Producers.
    pub producers: u64,
    /// Ids ever added.
    pub added: u64,
    /// Duplicates ever refused.
    pub duplicates: u64,
}

/// A consumer group.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The last id delivered.
    pub last_id: StreamId,
    /// Entries read, where the layout has it and it is known.
    pub entries_read: Option<u64>,
    /// Pending entries.
    pub pending: u64,
}

/// The fields and values of a stream entry.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a>(pub(crate) &'a [(Elem<'a>, Elem<'a>)]);

impl<'a> Pairs<'a> {
    /// Pairs that are already at hand.
    pub fn new(pairs: &'a [(Elem<'a>, Elem<'a>)]) -> Self {
        Pairs(pairs)
    }

    /// Field and value, in the order of the entry.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Elem<'a>, Elem<'a>)> + use<'a> {
        self.0.iter().copied()
    }
}
