//! Whose memory: a server and the allocator that it was built with.

use std::fmt;

use super::allocator::Allocator;
use crate::rdb::{Product, Target};

/// A server and its allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Profile {
    /// The server. Its limits say what it packs when it loads a value that is not packed.
    pub server: Target,
    /// Its allocator.
    pub allocator: Allocator,
}

/// Servers whose every type was measured; the versions between are taken for one of them.
const MEASURED: [(Product, (u16, u16)); 7] = [
    (Product::Redis, (6, 2)),
    (Product::Redis, (7, 0)),
    (Product::Redis, (8, 0)),
    (Product::Redis, (8, 6)),
    (Product::Redis, (8, 10)),
    (Product::Valkey, (8, 1)),
    (Product::Valkey, (9, 1)),
];

impl Profile {
    /// A server with an allocator.
    pub fn new(server: Target, allocator: Allocator) -> Self {
        Profile { server, allocator }
    }

    /// The server that calls itself so in a snapshot: `redis-ver` and `7.0.15`.
    pub fn writer(name: &[u8], version: &[u8]) -> Option<Target> {
        let product = match name {
            b"redis-ver" => "redis",
            b"valkey-ver" => "valkey",
            _ => return None,
        };
        // A development build calls itself 255.255.255, and is newer than all that are known.
        format!("{product}:{}", std::str::from_utf8(version).ok()?).parse().ok()
    }

    /// Whether the rules for this server were measured on it.
    pub fn is_measured(&self) -> bool {
        MEASURED.contains(&(self.server.product, self.server.version))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.server, self.allocator)
    }
}
