//! Where a live server is: its URL, taken apart.
//!
//! ```text
//! redis://[user:password@]host[:port][/db]              rediss:// the same over TLS
//! unix:///path/to/socket[?db=N&user=U&password=P]
//! redis+sentinel://[user:password@]host[:port],…/service[/db][?sentinel_user=U&sentinel_password=P]
//! redis+cluster://[user:password@]host[:port],…         rediss+… the same over TLS
//! ```
//!
//! User and password are percent-encoded where they hold `@`, `:` or `/`. A password is never
//! shown again: neither [`Endpoint`] nor [`Secret`] has a way to print it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::bytes::PathName as _;
use crate::error::{Error, Result};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const SCHEMES: &str = "redis://, unix://, redis+sentinel:// or redis+cluster://, over TLS rediss://, \
                       rediss+sentinel:// or rediss+cluster://";

/// A password. It is shown as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The password itself, to be sent and not to be shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"***\"")
    }
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The user; the default user where none is named.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A host, which may be a name, and a port.
    Tcp(String, u16),
    /// A unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The host, for the name in a certificate.
    pub fn host(&self) -> &str {
        match self {
            Address::Tcp(host, _) => host,
            Address::Unix(_) => "localhost",
        }
    }

    /// `host`, `host:port`, `[::1]:port`.
    pub fn parse(text: &str, port: u16) -> Result<Self> {
        let wrong = || Error::Usage(format!("{text:?} is no host, or host and port"));
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or_else(wrong)?,
            None if text.matches(':').count() > 1 => (text, ""),
            None => match text.find(':') {
                Some(colon) => text.split_at(colon),
                None => (text, ""),
            },
        };
        let port = match rest.strip_prefix(':') {
            Some(digits) => digits.parse().map_err(|_| wrong())?,
            None if rest.is_empty() => port,
            None => return Err(wrong()),
        };
        if host.is_empty() || port == 0 {
            Err(wrong())
        } else {
            Ok(Address::Tcp(host.into(), port))
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => path.shown().fmt(f),
        }
    }
}

/// How the server is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It is there.
    Server(Address),
    /// Sentinels say where the master of a service is.
    Sentinel {
        /// Some of the Sentinels.
        seeds: Vec<Address>,
        /// The name under which they watch the master.
        service: String,
        /// Who asks the Sentinels, which have passwords of their own.
        access: Access,
    },
    /// The nodes of a Cluster say who serves which slots.
    Cluster {
        /// Some of the nodes.
        seeds: Vec<Address>,
    },
}

/// A live server, or several that are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// How it is found.
    pub place: Place,
    /// Who asks.
    pub access: Access,
    /// The database, where one is named.
    pub database: Option<u32>,
    /// Whether the connections are encrypted.
    pub tls: bool,
}

impl Endpoint {
    /// Whether a text means a live server rather than a file: it begins with one of the schemes.
    pub fn is_one(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| kind(scheme).is_some())
    }

    /// Fills in what the URL leaves open: a user, and a password from a file or the environment.
    #[must_use]
    pub fn with_access(mut self, user: Option<String>, password: Option<Secret>) -> Self {
        self.access.user = self.access.user.or(user);
        self.access.password = self.access.password.or(password);
        self
    }

    fn scheme(&self) -> &'static str {
        match (&self.place, self.tls) {
            (Place::Server(Address::Unix(_)), _) => "unix",
            (Place::Server(_), false) => "redis",
            (Place::Server(_), true) => "rediss",
            (Place::Sentinel { .. }, false) => "redis+sentinel",
            (Place::Sentinel { .. }, true) => "rediss+sentinel",
            (Place::Cluster { .. }, false) => "redis+cluster",
            (Place::Cluster { .. }, true) => "rediss+cluster",
        }
    }
}

/// The URL without its password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme())?;
        if let (Some(user), false) = (&self.access.user, self.scheme() == "unix") {
            write!(f, "{user}@")?;
        }
        let list = |f: &mut fmt::Formatter<'_>, seeds: &[Address]| {
            let names: Vec<String> = seeds.iter().map(ToString::to_string).collect();
            f.write_str(&names.join(","))
        };
        match &self.place {
            Place::Server(address) => write!(f, "{address}")?,
            Place::Sentinel { seeds, service, .. } => {
                list(f, seeds)?;
                write!(f, "/{service}")?;
            }
            Place::Cluster { seeds } => list(f, seeds)?,
        }
        match self.database {
            Some(db) if self.scheme() == "unix" => write!(f, "?db={db}"),
            Some(db) => write!(f, "/{db}"),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Unix,
    Sentinel,
    Cluster,
}

/// What a scheme means, and whether it is encrypted.
fn kind(scheme: &str) -> Option<(Kind, bool)> {
    let scheme = scheme.to_ascii_lowercase();
    if matches!(scheme.as_str(), "unix" | "redis+unix" | "valkey+unix") {
        return Some((Kind::Unix, false));
    }
    let (base, form) = scheme.split_once('+').unwrap_or((&scheme, ""));
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return None,
    };
    match form {
        "" => Some((Kind::Server, tls)),
        "sentinel" => Some((Kind::Sentinel, tls)),
        "cluster" => Some((Kind::Cluster, tls)),
        _ => None,
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let scheme = text.split_once("://").and_then(|(scheme, rest)| Some((kind(scheme)?, rest)));
        let Some(((kind, tls), rest)) = scheme else {
            // What it is may hold a password, so it is not quoted.
            return Err(Error::Usage(format!(
                "the URL of a live server begins with {SCHEMES}; a path to a file has no scheme"
            )));
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut endpoint = Endpoint {
            place: Place::Cluster { seeds: Vec::new() },
            access: Access::default(),
            database: None,
            tls,
        };
        let mut sentinel = Access::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = || decoded(value);
            match name {
                "db" => endpoint.database = Some(database(value)?),
                "user" | "username" => endpoint.access.user = Some(text()?),
                "pass" | "password" => endpoint.access.password = Some(Secret(text()?)),
                "sentinel_user" if kind == Kind::Sentinel => sentinel.user = Some(text()?),
                "sentinel_password" if kind == Kind::Sentinel => {
                    sentinel.password = Some(Secret(text()?));
                }
                _ => {
                    return Err(Error::Usage(format!(
                        "{name:?} is no option in the URL of a live server: db, user and password \
                         are (and sentinel_user, sentinel_password for a Sentinel)"
                    )));
                }
            }
        }
        let (userinfo, rest) = match rest.rsplit_once('@') {
            Some((userinfo, rest)) if kind != Kind::Unix => (Some(userinfo), rest),
            _ => (None, rest),
        };
        if let Some(userinfo) = userinfo {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            if !user.is_empty() {
                endpoint.access.user = Some(decoded(user)?);
            }
            if !password.is_empty() {
                endpoint.access.password = Some(Secret(decoded(password)?));
            }
        }
        if kind == Kind::Unix {
            if !rest.starts_with('/') {
                return Err(Error::Usage(
                    "the URL of a unix socket has its whole path: unix:///run/redis.sock".into(),
                ));
            }
            endpoint.place = Place::Server(Address::Unix(PathBuf::from(decoded(rest)?)));
            return Ok(endpoint);
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if kind == Kind::Sentinel { SENTINEL_PORT } else { PORT };
        let mut seeds = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(|host| Address::parse(host, port))
            .collect::<Result<Vec<_>>>()?;
        let path = path.trim_end_matches('/');
        let (service, db) = match kind {
            Kind::Sentinel => path.split_once('/').unwrap_or((path, "")),
            _ => ("", path),
        };
        if !db.is_empty() {
            endpoint.database = Some(database(db)?);
        }
        endpoint.place = match kind {
            Kind::Sentinel if service.is_empty() => {
                return Err(Error::Usage(
                    "the URL of Sentinels ends in the name of the master that they watch: \
                     redis+sentinel://host:26379,host:26379/mymaster"
                        .into(),
                ));
            }
            Kind::Sentinel | Kind::Cluster if seeds.is_empty() => {
                return Err(Error::Usage("the URL names no host".into()));
            }
            // `redis://` alone means this machine.
            _ if seeds.is_empty() => Place::Server(Address::Tcp("localhost".into(), PORT)),
            Kind::Sentinel => {
                Place::Sentinel { seeds, service: decoded(service)?, access: sentinel }
            }
            Kind::Cluster => Place::Cluster { seeds },
            _ if seeds.len() > 1 => {
                return Err(Error::Usage(
                    "several hosts are a Cluster (redis+cluster://) or Sentinels \
                     (redis+sentinel://)"
                        .into(),
                ));
            }
            _ => Place::Server(seeds.swap_remove(0)),
        };
        Ok(endpoint)
    }
}

fn database(text: &str) -> Result<u32> {
    text.parse().map_err(|_| Error::Usage(format!("{text:?} in the URL is no database number")))
}

fn decoded(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| {
        Error::Usage("what is percent-encoded in the URL is no text in UTF-8".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.into(), port)
    }

    #[track_caller]
    fn check(url: &str, place: &Place, database: Option<u32>, shown: &str) -> Endpoint {
        let endpoint: Endpoint = url.parse().unwrap();
        assert_eq!((&endpoint.place, endpoint.database), (place, database), "{url}");
        assert_eq!(endpoint.to_string(), shown);
        assert!(Endpoint::is_one(url) && Endpoint::is_one(shown));
        assert!(!format!("{endpoint} {endpoint:?}").contains("secret"));
        endpoint
    }

    #[test]
    fn one_server() {
        let local = Place::Server(tcp("localhost", 6379));
        check("redis://", &local, None, "redis://localhost:6379");
        check("redis://localhost", &local, None, "redis://localhost:6379");
        let six = Place::Server(tcp("::1", 7000));
        let at = check("rediss://:secret@[::1]:7000/3", &six, Some(3), "rediss://[::1]:7000/3");
        assert!(at.tls && at.access.user.is_none());
        assert_eq!(at.access.password.unwrap().reveal(), "secret");
        let named = Place::Server(tcp("h", 6379));
        let at = check("redis://bo:secret%40%3a@h/", &named, None, "redis://bo@h:6379");
        assert_eq!(at.access.password.unwrap().reveal(), "secret@:");
        let unix = Place::Server(Address::Unix("/run/r s.sock".into()));
        let at = check(
            "unix:///run/r%20s.sock?db=2&password=secret",
            &unix,
            Some(2),
            "unix:///run/r s.sock?db=2",
        );
        assert_eq!(at.access.password.unwrap().reveal(), "secret");
        let odd = Place::Server(Address::Unix("/run/r\n\u{1b}[2J.sock".into()));
        check("unix:///run/r%0a%1b[2J.sock", &odd, None, r#"unix://"/run/r\n\x1b[2J.sock""#);
    }

    #[test]
    fn several_servers() {
        let seeds = vec![tcp("a", 26379), tcp("b", 5000)];
        let access = Access { user: None, password: Some(Secret::new("secret2")) };
        let place = Place::Sentinel { seeds, service: "mymaster".into(), access };
        check(
            "redis+sentinel://u:secret@a,b:5000/mymaster/1?sentinel_password=secret2",
            &place,
            Some(1),
            "redis+sentinel://u@a:26379,b:5000/mymaster/1",
        );
        let place = Place::Cluster { seeds: vec![tcp("a", 6379), tcp("b", 7001)] };
        let at = check("rediss+cluster://a,b:7001", &place, None, "rediss+cluster://a:6379,b:7001");
        assert!(at.tls);
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_password() {
        for url in [
            "http://h",
            "redis://a,b",
            "redis+sentinel://a",
            "redis+sentinel:///m",
            "redis+cluster://",
            "redis://u:secret@h:x",
            "redis://u:secret@h/x",
            "unix://path",
            "redis://h?protocol=3",
            "u:secret@h",
        ] {
            let refused = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
        assert!(!Endpoint::is_one("dump.rdb") && !Endpoint::is_one("s3://bucket/key"));
    }
}
