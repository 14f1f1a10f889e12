//! What a server says of itself, where it may be asked.

use super::wire::{Answer, Wire};
use crate::error::Result;

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Product {
    /// Redis, or what calls itself so.
    #[default]
    Redis,
    /// Valkey.
    Valkey,
    /// Redict.
    Redict,
}

impl Product {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Product::Redis => "redis",
            Product::Valkey => "valkey",
            Product::Redict => "redict",
        }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerInfo {
    /// Whose it is.
    pub product: Product,
    /// Its version.
    pub version: String,
    /// Its run id.
    pub run_id: String,
    /// `master` or `slave`.
    pub role: String,
    /// Of a replica: whether its link to its master is up.
    pub is_linked: bool,
    /// Whether it is a node of a Cluster, and so has a part of the keys only.
    pub is_cluster_node: bool,
}

impl ServerInfo {
    /// Reads what INFO answers.
    pub fn parse(text: &str) -> Self {
        let mut info = ServerInfo { is_linked: true, ..ServerInfo::default() };
        let mut redis_version = "";
        for (name, value) in text.lines().filter_map(|line| line.trim_end().split_once(':')) {
            match name {
                "redis_version" => redis_version = value,
                "valkey_version" | "redict_version" => {
                    info.product =
                        if name == "valkey_version" { Product::Valkey } else { Product::Redict };
                    value.clone_into(&mut info.version);
                }
                "run_id" => value.clone_into(&mut info.run_id),
                "role" => value.clone_into(&mut info.role),
                "master_link_status" => info.is_linked = value == "up",
                "cluster_enabled" => info.is_cluster_node = value == "1",
                _ => {}
            }
        }
        if info.version.is_empty() {
            redis_version.clone_into(&mut info.version);
        }
        info
    }
}

/// Asks a server what it is; `None` where it does not tell this user.
pub fn server_info(wire: &mut Wire) -> Result<Option<ServerInfo>> {
    Ok(match wire.ask(&[b"INFO"])? {
        Answer::Bulk(Some(text)) => Some(ServerInfo::parse(&String::from_utf8_lossy(&text))),
        _ => None,
    })
}
