//! How the servers lay out keys and values in memory, generation by generation.
//!
//! Sizes of structures as the servers count them for MEMORY USAGE; all were measured. Where a
//! structure has a size of its own in each generation, the size is here; what is done with it is
//! beside the values it belongs to.

use super::filling::Room;
use crate::rdb::{Product, Target};

/// Where a key lives, and what of it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyRule {
    /// An entry of a table (24), the name, an object (16).
    Apart {
        /// Short strings count by their length, not by their block (up to Redis 6.2).
        texts_by_length: bool,
    },
    /// One object that holds the name, and a short string as well (from Redis 8.2 on).
    Inside {
        /// The object is counted as long as it is, not by its block (from Redis 8.8 on).
        by_length: bool,
    },
    /// As before, but where the value is another block, name and expiry are not counted
    /// (Valkey 8.1).
    Uncounted,
    /// One object that holds the name; a short string takes the place of the pointer to it
    /// (from Valkey 9.0 on).
    InPlace,
}

/// What large sets, hashes and sorted sets are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableRule {
    /// A chained table: a head, a word for each bucket, an entry for each member.
    Chained { head: u64, entry: u64 },
    /// A table of buckets of 64 bytes; a hash's has a head of its own (Valkey from 8.1 on).
    Buckets { head: u64, hash_head: u64 },
}

/// How a large hash keeps fields and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldRule {
    /// A string each.
    Apart,
    /// A block for both while they are short; counted by its length or by its block.
    Together { by_length: bool },
}

/// How a large sorted set keeps its members in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SkiplistRule {
    /// Nodes that point to members: 24 bytes and 16 for each level.
    Pointing,
    /// Nodes that hold members: some bytes and 16 for each level. The list and its first node come
    /// once.
    Holding { node: u64, head: u64, list: u64 },
}

/// How a radix tree is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RadixRule {
    /// As a guess: 16 bytes for each key, 244 for each node.
    Guess,
    /// As it is.
    Nodes,
    /// As it is, and keys at the end of a branch have no node (from Redis 8.8 on).
    Leafless,
}

/// What a stream consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamRule {
    pub(super) stream: u64,
    pub(super) group: u64,
    pub(super) consumer: u64,
    pub(super) pending: u64,
    /// A producer of entries that come once, one of its ids, and what there is once of them.
    pub(super) producer: u64,
    pub(super) producer_id: u64,
    pub(super) producers: u64,
    pub(super) radix: RadixRule,
    /// Trees of groups, of consumers and of who waits for an entry are counted too, and the names
    /// as strings (from Redis 8.2 on).
    pub(super) all_trees: bool,
}

/// A generation of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) key: KeyRule,
    /// Packed values count by their length, not by their block.
    pub(super) packed_by_length: bool,
    /// So do the nodes of streams.
    pub(super) stream_nodes_by_length: bool,
    /// Strings of less than 32 bytes count by their length.
    pub(super) short_by_length: bool,
    pub(super) list: u64,
    pub(super) list_node: u64,
    pub(super) sets: TableRule,
    pub(super) fields: FieldRule,
    /// For what room is made when a hash turns out to be too long for a listpack.
    pub(super) room: Room,
    /// What a packed hash whose fields expire has besides.
    pub(super) expiring_pack: u64,
    pub(super) skiplist: SkiplistRule,
    pub(super) stream: StreamRule,
}

const REDIS_6_2: Rules = Rules {
    key: KeyRule::Apart { texts_by_length: true },
    packed_by_length: true,
    stream_nodes_by_length: false,
    short_by_length: false,
    list: 40,
    list_node: 32,
    sets: TableRule::Chained { head: 96, entry: 24 },
    fields: FieldRule::Apart,
    room: Room::Later,
    expiring_pack: 0,
    skiplist: SkiplistRule::Pointing,
    stream: StreamRule {
        stream: 40,
        group: 32,
        consumer: 24,
        pending: 24,
        producer: 0,
        producer_id: 0,
        producers: 0,
        radix: RadixRule::Guess,
        all_trees: false,
    },
};

const REDIS_7_0: Rules = Rules {
    key: KeyRule::Apart { texts_by_length: false },
    packed_by_length: false,
    list_node: 40,
    room: Room::Both,
    sets: TableRule::Chained { head: 56, entry: 24 },
    stream: StreamRule { stream: 80, group: 40, ..REDIS_6_2.stream },
    ..REDIS_6_2
};

/// Also what is taken for Redis 7.2 and 7.4, Redict, Valkey 7.2 and 8.0.
const REDIS_8_0: Rules = Rules {
    expiring_pack: 32,
    stream: StreamRule { consumer: 32, ..REDIS_7_0.stream },
    ..REDIS_7_0
};

/// Also what is taken for Redis 8.2 and 8.4.
const REDIS_8_6: Rules = Rules {
    key: KeyRule::Inside { by_length: false },
    packed_by_length: true,
    stream_nodes_by_length: true,
    short_by_length: true,
    list: 48,
    fields: FieldRule::Together { by_length: true },
    room: Room::All,
    expiring_pack: 24,
    skiplist: SkiplistRule::Holding { node: 16, head: 528, list: 40 },
    stream: StreamRule {
        stream: 160,
        group: 64,
        consumer: 32,
        pending: 64,
        producer: 32,
        producer_id: 45,
        producers: 0,
        radix: RadixRule::Nodes,
        all_trees: true,
    },
    ..REDIS_8_0
};

/// Also what is taken for Redis 8.8.
const REDIS_8_10: Rules = Rules {
    key: KeyRule::Inside { by_length: true },
    sets: TableRule::Chained { head: 56, entry: 16 },
    stream: StreamRule {
        stream: 168,
        group: 96,
        consumer: 64,
        pending: 72,
        producer: 72,
        producer_id: 37,
        producers: 40,
        radix: RadixRule::Leafless,
        all_trees: true,
    },
    ..REDIS_8_6
};

const VALKEY_8_1: Rules = Rules {
    key: KeyRule::Uncounted,
    sets: TableRule::Buckets { head: 72, hash_head: 72 },
    fields: FieldRule::Together { by_length: false },
    stream: StreamRule { radix: RadixRule::Nodes, ..REDIS_8_0.stream },
    ..REDIS_8_0
};

/// Also what is taken for Valkey 9.0 and 9.2.
const VALKEY_9_1: Rules = Rules {
    key: KeyRule::InPlace,
    sets: TableRule::Buckets { head: 80, hash_head: 88 },
    skiplist: SkiplistRule::Holding { node: 17, head: 512, list: 16 },
    ..VALKEY_8_1
};

impl Rules {
    /// The rules of a server.
    pub(super) fn of(target: &Target) -> &'static Rules {
        match (target.product, target.version) {
            (Product::Valkey, (9.., _)) => &VALKEY_9_1,
            (Product::Valkey, (8, 1..)) => &VALKEY_8_1,
            (Product::Valkey | Product::Redict, _) => &REDIS_8_0,
            (Product::Redis, (9.., _) | (8, 8..)) => &REDIS_8_10,
            (Product::Redis, (8, 2..)) => &REDIS_8_6,
            (Product::Redis, (8, _) | (7, 2..)) => &REDIS_8_0,
            (Product::Redis, (7, _)) => &REDIS_7_0,
            (Product::Redis, _) => &REDIS_6_2,
        }
    }
}
