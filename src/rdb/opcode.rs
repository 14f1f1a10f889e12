//! Opcodes: the records of a snapshot that are no key, and the prefixes of those that are.

/// End of the snapshot; the checksum follows.
pub const EOF: u8 = 0xff;
/// The database of the keys that follow.
pub const SELECT_DB: u8 = 0xfe;
/// Prefix: expiry in seconds, i32 LE.
pub const EXPIRE_SECS: u8 = 0xfd;
/// Prefix: expiry in milliseconds, i64 LE.
pub const EXPIRE_MS: u8 = 0xfc;
/// How many keys and expiries the database holds: a hint for sizing.
pub const RESIZE_DB: u8 = 0xfb;
/// A name and a text about the file.
pub const AUX: u8 = 0xfa;
/// Prefix: the LFU counter, one byte.
pub const FREQ: u8 = 0xf9;
/// Prefix: idle time in seconds.
pub const IDLE: u8 = 0xf8;
/// What a module wants to remember besides its keys.
pub const MODULE_AUX: u8 = 0xf7;
/// A function library as the release candidates 1 and 2 of Redis 7.0 wrote it.
pub const FUNCTION_PRE_GA: u8 = 0xf6;
/// A function library: its source.
pub const FUNCTION: u8 = 0xf5;
/// A slot and its numbers of keys and expiries, in cluster mode (Redis 7.4 and newer).
pub const SLOT_INFO: u8 = 0xf4;
/// Redis 8.6 and newer: prefix, metadata of a key. Valkey 9: a slot import in progress.
pub const KEY_META_OR_SLOT_IMPORT: u8 = 0xf3;
/// Redis 8.10: a template of hash fields. Valkey 9.2: a command to run, unverified.
pub const TEMPLATE_OR_UPDATE: u8 = 0xf2;

/// What other families write into files with the magic of Redis: whose it is, and what. Named so
/// that the refusal can say whose file it is.
pub fn foreign(byte: u8) -> Option<(&'static str, &'static str)> {
    Some(match byte {
        64 => ("KeyDB", "a cron job"),
        101 | 102 => ("Redis Enterprise", "an old opcode"),
        107 => ("Redis Enterprise", "an eviction record"),
        121 => ("Redis Enterprise", "a slot number"),
        200 => ("Dragonfly", "the end of a full synchronization"),
        201 => ("Dragonfly", "records compressed with zstd"),
        202 => ("Dragonfly", "records compressed with LZ4"),
        203 => ("Dragonfly", "the end of compressed records"),
        210 => ("Dragonfly", "a piece of a journal"),
        211 => ("Dragonfly", "a place in a journal"),
        220 => ("Dragonfly", "flags of a key"),
        222 | 223 => ("Dragonfly", "a search index"),
        224 => ("Dragonfly", "a piece of a stream of records"),
        _ => return None,
    })
}
