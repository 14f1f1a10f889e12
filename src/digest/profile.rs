//! Whose digest: servers print scores, and treat fields that expire, in different ways.

use std::fmt;
use std::str::FromStr;

use crate::bytes::number::ScoreText;
use crate::error::Error;

/// What decides a digest beside the data: the generation of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Profile {
    server: Server,
    /// Major and minor version.
    version: (u16, u16),
    /// As the server that wrote the file answered, not as one answers that loaded it.
    as_written: bool,
}

/// The families of servers whose digests are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Server {
    Redis,
    Redict,
    Valkey,
}

/// The versions of a family for which the rules here were seen to hold, or stand between two.
struct Known {
    server: Server,
    name: &'static str,
    oldest: (u16, u16),
    newest: (u16, u16),
}

const KNOWN: [Known; 3] = [
    Known { server: Server::Redis, name: "redis", oldest: (2, 8), newest: (8, 10) },
    Known { server: Server::Valkey, name: "valkey", oldest: (7, 2), newest: (9, 2) },
    Known { server: Server::Redict, name: "redict", oldest: (7, 3), newest: (7, 3) },
];

/// The first Redis that prints scores by Grisu2.
const FIRST_GRISU2: (u16, u16) = (7, 2);

/// The first Redis that packs small sorted sets into listpacks.
const FIRST_LISTPACK: (u16, u16) = (7, 0);

impl Profile {
    /// The newest Redis whose rules are known.
    pub const NEWEST_REDIS: Profile = Profile::new(Server::Redis, (8, 10));
    /// The newest Valkey whose rules are known.
    pub const NEWEST_VALKEY: Profile = Profile::new(Server::Valkey, (9, 2));

    const fn new(server: Server, version: (u16, u16)) -> Self {
        Profile { server, version, as_written: false }
    }

    /// The answer of a server that has not loaded the file, but written it.
    ///
    /// It differs in one place: the score −0 of a small sorted set that was stored as a large one
    /// loses its sign in the load, see [`Profile::packs_minus_zero`].
    #[must_use]
    pub fn as_written(self) -> Self {
        Profile { as_written: true, ..self }
    }

    /// How the server spells scores.
    pub fn score_text(&self) -> ScoreText {
        if self.server == Server::Redis && self.version < FIRST_GRISU2 {
            ScoreText::Printf17
        } else {
            ScoreText::Grisu2
        }
    }

    /// Whether a field's own expiry shows in the digest: in Redis yes, in Valkey 9.1.2 no.
    pub fn marks_expiring_fields(&self) -> bool {
        self.server != Server::Valkey
    }

    /// Whether the score −0 becomes 0 in a sorted set that a load with the default limits packs
    /// into a listpack, where it is stored as an integer: since Redis 7.0. The ziplists of older
    /// servers held it as text.
    pub fn packs_minus_zero(&self) -> bool {
        !self.as_written && (self.server != Server::Redis || self.version >= FIRST_LISTPACK)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Profile::NEWEST_REDIS
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KNOWN.iter().find(|known| known.server == self.server).map_or("", |k| k.name);
        write!(f, "{name}:{}.{}", self.version.0, self.version.1)
    }
}

/// Reads `redis:7.0`, `valkey:9.1.2`, `redict`; a name alone is the newest of its family.
impl FromStr for Profile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, version) = match text.split_once(':') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let Some(known) = KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name)) else {
            return Err(refuse(text, "no digest of such a server is known"));
        };
        let server = known.server;
        let Some(version) = version else {
            return Ok(Profile::new(server, known.newest));
        };
        let Some((major, minor)) = numbers(version) else {
            return Err(refuse(text, "a version is two or three numbers, as in 7.0 or 7.0.15"));
        };
        let version = match minor {
            Some(minor) => (major, minor),
            None if server == Server::Redis && major == FIRST_GRISU2.0 => {
                return Err(refuse(text, "7.0 and 7.2 print scores differently: say which"));
            }
            // Within any other major version nothing changed.
            None => (major, if major == known.oldest.0 { known.oldest.1 } else { 0 }),
        };
        if (known.oldest..=known.newest).contains(&version) {
            Ok(Profile::new(server, version))
        } else {
            Err(refuse(text, "the rules of that version are not known"))
        }
    }
}

/// Major, and minor where it is said; a patch number may follow.
fn numbers(version: &str) -> Option<(u16, Option<u16>)> {
    let mut parts = version.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse::<u16>().ok() } else { None }
    });
    let major = parts.next()??;
    let minor = match parts.next() {
        Some(minor) => Some(minor?),
        None => None,
    };
    if let Some(patch) = parts.next() {
        patch?;
    }
    parts.next().is_none().then_some((major, minor))
}

fn refuse(text: &str, why: &str) -> Error {
    let known: Vec<String> = KNOWN
        .iter()
        .map(|Known { name, oldest, newest, .. }| {
            let (from, to) = (format!("{name}:{}.{}", oldest.0, oldest.1), newest);
            if oldest == newest { from } else { format!("{from} to {}.{}", to.0, to.1) }
        })
        .collect();
    Error::Usage(format!("server {text:?}: {why}; known are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{Profile, ScoreText};

    #[track_caller]
    fn check(text: &str, shown: &str, score_text: ScoreText, marks: bool) {
        let profile: Profile = text.parse().unwrap();
        assert_eq!(profile.to_string(), shown);
        assert_eq!(profile.score_text(), score_text);
        assert_eq!(profile.marks_expiring_fields(), marks);
    }

    #[test]
    fn names_and_versions() {
        use ScoreText::{Grisu2, Printf17};
        check("redis", "redis:8.10", Grisu2, true);
        check("redis:2.8.17", "redis:2.8", Printf17, true);
        check("redis:7.0", "redis:7.0", Printf17, true);
        check("redis:7.0.15", "redis:7.0", Printf17, true);
        check("redis:6", "redis:6.0", Printf17, true);
        check("redis:7.2", "redis:7.2", Grisu2, true);
        check("redis:8", "redis:8.0", Grisu2, true);
        check("Redis:8.10.2", "redis:8.10", Grisu2, true);
        check("redict", "redict:7.3", Grisu2, true);
        check("valkey", "valkey:9.2", Grisu2, false);
        check("valkey:8", "valkey:8.0", Grisu2, false);
        check("valkey:9.1.2", "valkey:9.1", Grisu2, false);
        assert_eq!(Profile::default(), "redis:8.10".parse().unwrap());
    }

    #[test]
    fn a_refusal_says_what_is_known() {
        let known = "known are redis:2.8 to 8.10, valkey:7.2 to 9.2, redict:7.3";
        for (text, why) in [
            ("keydb:6", "no digest of such a server is known"),
            ("", "no digest of such a server is known"),
            ("redis:9.0", "the rules of that version are not known"),
            ("redis:2.6", "the rules of that version are not known"),
            ("valkey:6", "the rules of that version are not known"),
            ("redis:7", "7.0 and 7.2 print scores differently: say which"),
            ("redis:", "a version is two or three numbers, as in 7.0 or 7.0.15"),
            ("redis:7.", "a version is two or three numbers, as in 7.0 or 7.0.15"),
            ("redis:7.0.1.2", "a version is two or three numbers, as in 7.0 or 7.0.15"),
            ("redis:+7.0", "a version is two or three numbers, as in 7.0 or 7.0.15"),
            ("redis:99999999.0", "a version is two or three numbers, as in 7.0 or 7.0.15"),
        ] {
            let error = text.parse::<Profile>().unwrap_err().to_string();
            assert_eq!(error, format!("server {text:?}: {why}; {known}"));
        }
    }
}
