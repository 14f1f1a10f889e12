//! Sentinels: who the master of a service is at this moment, and who follows it.
//!
//! ```text
//! SENTINEL GET-MASTER-ADDR-BY-NAME service   →  host, port        of the first that answers
//! ROLE                                       →  master            of the server they name
//! SENTINEL REPLICAS service                  →  name, value, …    of each replica
//! ```
//!
//! What a Sentinel says may be a moment old: the server that it names is asked for its role before
//! anything is sent there.

use redis::{FromRedisValue as _, Value};

use super::{Access, Address, Connection, Connector, Endpoint, Failure, Place};
use crate::bytes::quoted;

/// The Sentinels of one service.
#[derive(Debug, Clone)]
pub struct Sentinels {
    connector: Connector,
    seeds: Vec<Address>,
    service: String,
    are_silent: bool,
}

impl Sentinels {
    /// Those of an endpoint, if Sentinels are what it names. `servers` makes the connections to the
    /// servers that they watch; the Sentinels get the same encryption and a login of their own.
    pub fn of(endpoint: &Endpoint, servers: &Connector) -> Option<Self> {
        match &endpoint.place {
            Place::Sentinel { seeds, service, access } => {
                Some(Self::new(servers, seeds.clone(), service.clone(), access.clone()))
            }
            _ => None,
        }
    }

    /// Those at these addresses.
    pub fn new(servers: &Connector, seeds: Vec<Address>, service: String, access: Access) -> Self {
        let connector = servers.with_access(access).impatient();
        Sentinels { connector, seeds, service, are_silent: false }
    }

    /// Whether none of them answered what was asked last.
    pub fn are_silent(&self) -> bool {
        self.are_silent
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Where the master is, by the first Sentinel that knows. The others of this service are learnt
    /// on the way, so that one that was named is enough even when it dies later.
    pub fn master(&mut self) -> Result<Address, Failure> {
        let service = self.service.clone();
        let (master, others) = self.ask(|sentinel| {
            let reply = sentinel.request(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &service])?;
            let Ok(Some((host, port))) = Option::<(String, u16)>::from_redis_value(reply) else {
                return Err(unknown_service(sentinel, &service));
            };
            let others = rows(sentinel, &["SENTINEL", "SENTINELS", &service]).unwrap_or_default();
            Ok((Address::Tcp(host, port), others))
        })?;
        for other in others.iter().filter_map(Row::address) {
            if !self.seeds.contains(&other) {
                self.seeds.push(other);
            }
        }
        Ok(master)
    }

    /// A connection to the master, which says itself that it is one.
    pub fn connect(&mut self, servers: &Connector) -> Result<Connection, Failure> {
        let connected = self.try_connect(servers);
        if connected.is_err() {
            // Whoever named that one may be cut off from the others.
            let one = self.seeds.len().min(1);
            self.seeds.rotate_left(one);
        }
        connected
    }

    fn try_connect(&mut self, servers: &Connector) -> Result<Connection, Failure> {
        let address = self.master()?;
        self.connect_to(servers, &address)
    }

    /// A connection to one that was named as the master, and says itself that it is one.
    pub fn connect_to(
        &self,
        servers: &Connector,
        address: &Address,
    ) -> Result<Connection, Failure> {
        let mut connection = servers.open(address)?;
        let reply = connection.request(&["ROLE"])?;
        let role = match &reply {
            Value::Array(fields) => fields.first().and_then(text).unwrap_or_default(),
            _ => String::new(),
        };
        if role == "master" {
            return Ok(connection);
        }
        let words = format!(
            "the Sentinels name {address} as the master of {}, and its role is {}: is a failover \
             under way?",
            quoted(self.service.as_bytes()),
            if role.is_empty() { "unknown" } else { &role }
        );
        Err(Failure::Unfound { address: address.clone(), words, is_passing: true })
    }

    /// The replicas that are up and in touch with their master, the one that is furthest first.
    pub fn replicas(&mut self) -> Result<Vec<Address>, Failure> {
        let mut rows = self.up()?;
        rows.retain(|row| {
            !row.has_flag("disconnected")
                && row.get("master-link-status").is_none_or(|status| status == "ok")
        });
        let offset = |row: &Row| row.get("slave-repl-offset").and_then(|n| n.parse::<u64>().ok());
        rows.sort_by_key(|row| std::cmp::Reverse(offset(row)));
        Ok(rows.iter().filter_map(Row::address).collect())
    }

    /// How many replicas are up, whomever they follow: one of them may be the next master. One that
    /// is just being promoted closes its connections, those of the Sentinels as well.
    pub fn followers(&mut self) -> Result<usize, Failure> {
        self.up().map(|rows| rows.len())
    }

    /// What is said of the replicas that are up.
    fn up(&mut self) -> Result<Vec<Row>, Failure> {
        let service = self.service.clone();
        let mut rows = self.ask(|sentinel| {
            // The word that servers before 5.0 know.
            let asked = rows(sentinel, &["SENTINEL", "SLAVES", &service]);
            asked.map_err(|failure| match failure {
                Failure::Refused { reply, .. } if reply.words.contains("No such master") => {
                    unknown_service(sentinel, &service)
                }
                failure => failure,
            })
        })?;
        rows.retain(|row| !row.has_flag("s_down") && !row.has_flag("o_down"));
        Ok(rows)
    }

    /// Asks one Sentinel after the other, the one that answered last first.
    fn ask<T>(
        &mut self,
        mut question: impl FnMut(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut failures = Vec::new();
        for index in 0..self.seeds.len() {
            let Some(seed) = self.seeds.get(index) else { break };
            match self.connector.open(seed).and_then(|mut sentinel| question(&mut sentinel)) {
                Ok(answer) => {
                    self.seeds.swap(0, index);
                    self.are_silent = false;
                    return Ok(answer);
                }
                Err(failure) => failures.push(failure),
            }
        }
        self.are_silent = failures.iter().all(is_silence);
        Err(self.nobody(failures))
    }

    /// What to say when no Sentinel helped: one that answered tells more than those that did not.
    fn nobody(&self, mut failures: Vec<Failure>) -> Failure {
        if let Some(told) = failures.iter().position(|failure| !is_silence(failure)) {
            return match failures.swap_remove(told) {
                Failure::Denied { address, reply } => Failure::Unfit {
                    address,
                    words: format!(
                        "is a Sentinel that does not let us in: {reply}; Sentinels have a login of \
                         their own: sentinel_user=… and sentinel_password=… in the URL"
                    ),
                },
                Failure::Refused { address, reply, .. }
                    if reply.words.to_ascii_lowercase().contains("unknown command") =>
                {
                    let words = "is a server and no Sentinel: redis:// is its URL".to_owned();
                    Failure::Unfit { address, words }
                }
                failure => failure,
            };
        }
        let address = self.seeds.first().cloned().unwrap_or(Address::Tcp(String::new(), 0));
        let tried: Vec<String> = failures.iter().map(silence).collect();
        // So does one that waits for a TLS handshake.
        let hangs_up = failures.iter().any(|failure| matches!(failure, Failure::Lost { .. }));
        let words = format!(
            "no Sentinel of {} answers ({}): are they running, and are these the ports of \
             Sentinels?{}",
            quoted(self.service.as_bytes()),
            tried.join("; "),
            if hangs_up { " Over TLS it is rediss+sentinel://" } else { "" }
        );
        Failure::Unfound { address, words, is_passing: true }
    }
}

fn is_silence(failure: &Failure) -> bool {
    matches!(failure, Failure::Unreachable { .. } | Failure::Lost { .. })
}

/// One of several that were tried in vain: who, and the system's words.
pub(super) fn silence(failure: &Failure) -> String {
    match failure {
        Failure::Unreachable { address, cause } | Failure::Lost { address, cause } => {
            format!("{address}: {cause}")
        }
        failure => failure.to_string(),
    }
}

fn unknown_service(sentinel: &mut Connection, service: &str) -> Failure {
    let known = rows(sentinel, &["SENTINEL", "MASTERS"]).unwrap_or_default();
    let names: Vec<&str> = known.iter().filter_map(|row| row.get("name")).collect();
    let words = match names.as_slice() {
        [] => format!(
            "knows no service {}, nor any other: is it a Sentinel that watches a master?",
            quoted(service.as_bytes())
        ),
        names => format!(
            "is a Sentinel that knows no service {}; it knows {}",
            quoted(service.as_bytes()),
            names.join(", ")
        ),
    };
    Failure::Unfit { address: sentinel.address().clone(), words }
}

/// Names and values, as Sentinels describe a server.
pub(super) struct Row(Vec<(String, String)>);

impl Row {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn has_flag(&self, flag: &str) -> bool {
        self.get("flags").unwrap_or_default().split(',').any(|other| other == flag)
    }

    pub(super) fn address(&self) -> Option<Address> {
        let host = self.get("ip").filter(|host| !host.is_empty())?;
        Some(Address::Tcp(host.to_owned(), self.get("port")?.parse().ok()?))
    }
}

pub(super) fn rows(sentinel: &mut Connection, words: &[&str]) -> Result<Vec<Row>, Failure> {
    let Value::Array(rows) = sentinel.request(words)? else { return Ok(Vec::new()) };
    Ok(rows.into_iter().map(row).collect())
}

pub(super) fn row(value: Value) -> Row {
    match value {
        Value::Array(words) => {
            let words: Vec<String> = words.iter().filter_map(text).collect();
            let pairs = words.chunks_exact(2);
            Row(pairs
                .filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone())))
                .collect())
        }
        Value::Map(pairs) => {
            Row(pairs.iter().filter_map(|(a, b)| Some((text(a)?, text(b)?))).collect())
        }
        _ => Row(Vec::new()),
    }
}

/// The text of a reply that is one string.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
