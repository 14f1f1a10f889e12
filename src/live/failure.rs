//! What can go wrong with a live server, in the classes that decide what to do next.

use std::io;

use super::Address;
use crate::error::Error;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is no connection to be had.
    #[error(
        "cannot connect to {address}: {cause}; is the server running, and is the address right?"
    )]
    Unreachable {
        /// Whom.
        address: Address,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// The connection could not be encrypted, or the other side is not who it should be.
    #[error("{address}: {words}")]
    Tls {
        /// Whom.
        address: Address,
        /// What does not hold, and what may help.
        words: String,
        /// Whether the other side was silent, or gone, which may pass.
        is_passing: bool,
    },
    /// The server wants another password or user, or one at all.
    #[error("{address} does not let us in: {reply}; {hint}", hint = denied_hint(reply))]
    Denied {
        /// Who.
        address: Address,
        /// Its words.
        reply: ErrorReply,
    },
    /// A connection that stood is gone.
    #[error("the connection to {address} was lost: {cause}")]
    Lost {
        /// Whose.
        address: Address,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// The server refused a command.
    #[error("{address} refused {command}: {reply}")]
    Refused {
        /// Who.
        address: Address,
        /// The command's name.
        command: String,
        /// The server's words.
        reply: ErrorReply,
    },
    /// What came is no reply.
    #[error("what {address} answers is no reply of a server: {words}; is it one?")]
    Garbled {
        /// Who.
        address: Address,
        /// What is wrong with it.
        words: String,
    },
    /// The server is there, and not one that can be used for this.
    #[error("{address} {words}")]
    Unfit {
        /// Who.
        address: Address,
        /// Why, as the end of a sentence about the server.
        words: String,
    },
    /// Those who should know where the servers are do not say so.
    #[error("{words}")]
    Unfound {
        /// Who was asked.
        address: Address,
        /// What they say, as a sentence.
        words: String,
        /// Whether they may know it later.
        is_passing: bool,
    },
    /// Slots of a Cluster are nobody's, and nothing is under way that would change it.
    #[error("{words}")]
    Unserved {
        /// Who was asked.
        address: Address,
        /// Which slots, as a sentence.
        words: String,
    },
}

impl Failure {
    /// Who failed.
    pub fn address(&self) -> &Address {
        match self {
            Failure::Unreachable { address, .. }
            | Failure::Tls { address, .. }
            | Failure::Denied { address, .. }
            | Failure::Lost { address, .. }
            | Failure::Refused { address, .. }
            | Failure::Garbled { address, .. }
            | Failure::Unfit { address, .. }
            | Failure::Unfound { address, .. }
            | Failure::Unserved { address, .. } => address,
        }
    }

    /// What the server said, where it did.
    pub fn reply(&self) -> Option<&ErrorReply> {
        match self {
            Failure::Denied { reply, .. } | Failure::Refused { reply, .. } => Some(reply),
            _ => None,
        }
    }

    /// Whether a new connection, here or where the service moved to, may get further.
    pub fn is_passing(&self) -> bool {
        match self {
            Failure::Unreachable { .. } | Failure::Lost { .. } | Failure::Unserved { .. } => true,
            Failure::Refused { reply, .. } => {
                matches!(reply.class(), Class::Wait | Class::Moved(..) | Class::Ask(..))
            }
            Failure::Denied { reply, .. } => reply.class() == Class::Wait,
            Failure::Unfound { is_passing, .. } | Failure::Tls { is_passing, .. } => *is_passing,
            Failure::Garbled { .. } | Failure::Unfit { .. } => false,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Usage(failure.to_string())
    }
}

/// An error that a server replied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct ErrorReply {
    /// The server's words, its code in front, without the `-`.
    pub words: String,
}

/// What an error reply asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// To wait: the command would be taken later, or by whom the server's role moves to.
    Wait,
    /// To send this slot's commands elsewhere from now on. An empty host is the one that spoke.
    Moved(u16, Address),
    /// To send this one command elsewhere, behind ASKING.
    Ask(u16, Address),
    /// To give other credentials.
    Denied,
    /// To decide about a key that is there (RESTORE without REPLACE).
    Exists,
    /// Nothing: the command is refused, now and later.
    Refused,
}

impl ErrorReply {
    /// The error as it came over the wire, with or without its `-` and line end.
    pub fn new(line: &[u8]) -> Self {
        let line = line.strip_prefix(b"-").unwrap_or(line);
        ErrorReply { words: String::from_utf8_lossy(line).trim_end().to_owned() }
    }

    /// The first word: `ERR`, `OOM`, `MOVED` ….
    pub fn code(&self) -> &str {
        self.words.split(' ').next().unwrap_or_default()
    }

    /// What it asks for.
    pub fn class(&self) -> Class {
        match self.code() {
            "OOM" | "READONLY" | "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN"
            | "NOREPLICAS" | "MISCONF" | "NOGOODSLAVE" | "UNBLOCKED" | "IOERR" | "REDIRECT" => {
                Class::Wait
            }
            "MOVED" => self.elsewhere().map_or(Class::Refused, |(slot, to)| Class::Moved(slot, to)),
            "ASK" => self.elsewhere().map_or(Class::Refused, |(slot, to)| Class::Ask(slot, to)),
            "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => Class::Denied,
            "BUSYKEY" => Class::Exists,
            "ERR" if self.words.contains("max number of clients reached") => Class::Wait,
            "ERR" if self.is_denied_in_old_words() => Class::Denied,
            _ => Class::Refused,
        }
    }

    /// Servers before 6.0 say so without a code of its own.
    fn is_denied_in_old_words(&self) -> bool {
        ["invalid password", "no password is set", "without any password configured"]
            .iter()
            .any(|words| self.words.to_ascii_lowercase().contains(words))
    }

    /// `MOVED 3999 127.0.0.1:6381`; the port stands behind the last colon, also in IPv6.
    fn elsewhere(&self) -> Option<(u16, Address)> {
        let mut words = self.words.split(' ').skip(1);
        let slot = words.next()?.parse().ok()?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        Some((slot, Address::Tcp(host.to_owned(), port.parse().ok()?)))
    }
}

fn denied_hint(reply: &ErrorReply) -> &'static str {
    match reply.code() {
        "NOPERM" => "the user needs the rights for it (ACL SETUSER)",
        "DENIED" => {
            "the server's protected mode is on: connect from its machine, or set a password"
        }
        "NOAUTH" => {
            "give the password in RDBKIT_PASSWORD, with --password-file or in the URL (and --user)"
        }
        _ => "is the password in the URL, --password-file or RDBKIT_PASSWORD right, and --user?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: &Class) {
        assert_eq!(ErrorReply::new(line.as_bytes()).class(), *want, "{line}");
    }

    #[test]
    fn words_have_a_class() {
        check("-OOM command not allowed when used memory > 'maxmemory'.\r\n", &Class::Wait);
        check("-BUSY Redis is busy running a script.\r\n", &Class::Wait);
        check("-BUSYKEY Target key name already exists.\r\n", &Class::Exists);
        check("-BUSYGROUP Consumer Group name already exists\r\n", &Class::Refused);
        check("-WRONGPASS invalid username-password pair\r\n", &Class::Denied);
        check("-ERR invalid password\r\n", &Class::Denied);
        check("-ERR Bad data format\r\n", &Class::Refused);
        let there = Address::Tcp("127.0.0.1".into(), 6381);
        check("-MOVED 3999 127.0.0.1:6381\r\n", &Class::Moved(3999, there.clone()));
        check("-ASK 3999 127.0.0.1:6381", &Class::Ask(3999, there));
        check("-MOVED 1 ::1:7000", &Class::Moved(1, Address::Tcp("::1".into(), 7000)));
        check("-MOVED 1 :7000", &Class::Moved(1, Address::Tcp(String::new(), 7000)));
        check("-MOVED nowhere", &Class::Refused);
    }
}
