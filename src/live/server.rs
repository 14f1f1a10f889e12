//! Who answers: product and version, role, limits, as the server itself says it.

use std::collections::HashMap;

use redis::{FromRedisValue as _, Value};

use super::{Class, Connection, Failure};
use crate::rdb::{Product, Target};

/// What servers take at most as one argument unless they are told otherwise.
const BULK_BYTES: u64 = 512 << 20;

/// What a server is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Master,
    /// It follows another one.
    Replica,
    /// It watches others.
    Sentinel,
}

/// A server, as it describes itself.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Product and version, with the format that its DUMP and RESTORE speak.
    pub target: Target,
    /// The whole version, such as `7.0.15`.
    pub version: String,
    /// What it is to others.
    pub role: Role,
    /// Whether it is a node of a Cluster.
    pub is_cluster: bool,
    /// Whether it is reading its own files.
    pub is_loading: bool,
    /// The most memory it may use, in bytes; 0 for no limit.
    pub maxmemory: u64,
    /// Memory in use, in bytes.
    pub used_memory: u64,
    /// Another one after every start.
    pub run_id: String,
    /// The name of its data's history; kept over a restart with its files, and by its replicas.
    pub replication_id: String,
    /// Keys in each database that has some.
    pub keys: Vec<(u32, u64)>,
    /// The longest argument it takes, in bytes (`proto-max-bulk-len`).
    pub max_bulk_bytes: u64,
    /// All fields of INFO.
    pub fields: HashMap<String, String>,
}

impl ServerInfo {
    /// Asks.
    pub fn of(connection: &mut Connection) -> Result<Self, Failure> {
        let info = connection.request(&["INFO"])?;
        let fields = fields(&info);
        if !fields.contains_key("redis_version") {
            let address = connection.address().clone();
            let words = "does not say who it is in INFO".to_owned();
            return Err(Failure::Unfit { address, words });
        }
        let limit = setting(connection, "proto-max-bulk-len")?;
        Ok(Self::from_fields(fields, limit.and_then(|text| text.parse().ok())))
    }

    fn from_fields(fields: HashMap<String, String>, max_bulk_bytes: Option<u64>) -> Self {
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let number = |name: &str| fields.get(name).and_then(|n| n.parse().ok()).unwrap_or(0);
        let is = |name: &str, value: &str| fields.get(name).is_some_and(|found| found == value);
        let (product, version) = product(&fields);
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        let major_minor = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        ServerInfo {
            target: Target::of(product, major_minor),
            role: match () {
                () if is("redis_mode", "sentinel") => Role::Sentinel,
                () if is("role", "slave") => Role::Replica,
                () => Role::Master,
            },
            is_cluster: is("cluster_enabled", "1"),
            is_loading: is("loading", "1"),
            maxmemory: number("maxmemory"),
            used_memory: number("used_memory"),
            run_id: text("run_id"),
            replication_id: text("master_replid"),
            keys: keyspace(&fields),
            max_bulk_bytes: max_bulk_bytes.unwrap_or(BULK_BYTES),
            version,
            fields,
        }
    }

    /// `Redis 7.0.15`, for a sentence.
    pub fn name(&self) -> String {
        let product = match self.target.product {
            Product::Redis => "Redis",
            Product::Redict => "Redict",
            Product::Valkey => "Valkey",
        };
        format!("{product} {}", self.version)
    }

    /// Whether a replica is in touch with its master.
    pub fn has_master_link(&self) -> bool {
        self.fields.get("master_link_status").is_some_and(|status| status == "up")
    }
}

/// One of the server's settings; `None` where it has no such setting, or does not tell.
pub fn setting(connection: &mut Connection, name: &str) -> Result<Option<String>, Failure> {
    match connection.request(&["CONFIG", "GET", name]) {
        Ok(reply) => {
            let pairs = Vec::<String>::from_redis_value(reply).unwrap_or_default();
            Ok(pairs.into_iter().nth(1))
        }
        // Managed services hide CONFIG under another name, or forbid it.
        Err(Failure::Denied { .. }) => Ok(None),
        Err(Failure::Refused { reply, .. }) if reply.class() == Class::Refused => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn fields(info: &Value) -> HashMap<String, String> {
    let text = match info {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::VerbatimString { text, .. } => text.clone(),
        _ => String::new(),
    };
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// All products call themselves Redis as well, for old clients.
fn product(fields: &HashMap<String, String>) -> (Product, String) {
    let version = |name: &str| fields.get(name).cloned();
    if let Some(version) = version("valkey_version") {
        return (Product::Valkey, version);
    }
    if let Some(version) = version("redict_version") {
        return (Product::Redict, version);
    }
    (Product::Redis, version("redis_version").unwrap_or_default())
}

/// `db0:keys=5,expires=1,avg_ttl=0`.
fn keyspace(fields: &HashMap<String, String>) -> Vec<(u32, u64)> {
    let database = |(name, value): (&String, &String)| {
        let db = name.strip_prefix("db")?.parse().ok()?;
        let keys = value.strip_prefix("keys=")?.split(',').next()?.parse().ok()?;
        Some((db, keys))
    };
    let mut keys: Vec<(u32, u64)> = fields.iter().filter_map(database).collect();
    keys.sort_unstable();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(info: &str, name: &str, target: &str) -> ServerInfo {
        let fields = fields(&Value::BulkString(info.replace('\n', "\r\n").into_bytes()));
        let server = ServerInfo::from_fields(fields, None);
        assert_eq!((server.name().as_str(), server.target.to_string().as_str()), (name, target));
        server
    }

    #[test]
    fn servers_introduce_themselves() {
        let info = "# Server\nredis_version:7.0.15\nrole:slave\ncluster_enabled:1\n\
                    db3:keys=2,expires=0,avg_ttl=0\ndb0:keys=5,expires=0,avg_ttl=0\n";
        let server = check(info, "Redis 7.0.15", "redis:7.0");
        assert_eq!((server.role, server.is_cluster), (Role::Replica, true));
        assert_eq!(server.keys, [(0, 5), (3, 2)]);
        assert_eq!(server.max_bulk_bytes, 512 << 20);
        let info = "redis_version:7.2.4\nserver_name:valkey\nvalkey_version:9.1.2\n";
        check(info, "Valkey 9.1.2", "valkey:9.1");
        let info = "redis_version:7.2.4\nredict_version:7.3.6\nredis_mode:sentinel\n";
        assert_eq!(check(info, "Redict 7.3.6", "redict:7.3").role, Role::Sentinel);
    }
}
