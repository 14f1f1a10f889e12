//! The names of a log's commands that no server is known to have.
//!
//! A [`LogTally`]: of each unknown name it keeps where it was first, and how often it is there. A
//! server refuses a log with a name that it does not know. The danger is the cost: logs have
//! billions of commands and a handful of names, so those that are known are remembered as they are
//! written.

use hashbrown::{HashMap, HashSet};

use super::annotation::Annotation;
use super::check::Words;
use super::stats::Recent;
use super::walk::LogTally;
use crate::bytes::quoted;
use crate::error::Doing;
use crate::finding::{Finding, Severity};
use crate::resp::{Command, is_known_command};

/// Longer names are cut.
const NAME_BYTES: usize = 64;

/// How many ways to write known names are remembered.
const WRITTEN: usize = 2048;

/// A name that no server is known to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// As it stands there, cut to 64 bytes.
    pub name: Vec<u8>,
    /// Where the first command with it begins.
    pub offset: u64,
    /// How many commands have it.
    pub commands: u64,
}

impl UnknownName {
    /// Whether it looks like the command of a module, which some server may have.
    pub fn is_module(&self) -> bool {
        self.name.contains(&b'.') && self.name.iter().all(u8::is_ascii_graphic)
    }

    /// The sentence about it.
    pub(super) fn finding(&self) -> Finding {
        let (severity, server, advice) = if self.is_module() {
            (
                Severity::Warning,
                "refuses to start without the module that has the command (unknown command)",
                "load the module into the server that is to read this",
            )
        } else {
            (
                Severity::Error,
                "refuses to start (unknown command), if it does not rename a command to that",
                "look at the bytes: a name may be damaged; or take the commands out with rewrite, \
                 on a copy",
            )
        };
        let again = match self.commands {
            0 | 1 => String::new(),
            commands => format!(", in {commands} commands of which this is the first"),
        };
        let words = Words {
            severity,
            code: "unknown-command",
            expected: "the name of a command of Redis or Valkey".to_owned(),
            found: format!("{}{again}", quoted(&self.name)),
            server,
            advice,
        };
        words.finding(Doing::Command, Some(self.offset))
    }
}

/// The unknown names of a log, the first of them with their places.
#[derive(Debug, Clone, Default)]
pub struct UnknownNames {
    recent: Recent,
    known: HashSet<Box<[u8]>>,
    list: Vec<UnknownName>,
    places: HashMap<Box<[u8]>, usize>,
    most: usize,
    unlisted: u64,
}

impl UnknownNames {
    /// Keeps so many names.
    pub fn keeping(most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        UnknownNames { most, ..UnknownNames::default() }
    }

    /// The names in the order in which they were met.
    pub fn list(&self) -> &[UnknownName] {
        &self.list
    }

    /// How many commands have names beyond those that are kept.
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    #[cold]
    fn look_up(&mut self, offset: u64, name: &[u8]) {
        if !self.known.contains(name) {
            if !is_known_command(name) {
                let name = name.get(..NAME_BYTES).unwrap_or(name).to_vec();
                return self.add(UnknownName { name, offset, commands: 1 });
            }
            if self.known.len() < WRITTEN {
                self.known.insert(name.into());
            }
        }
        self.recent.keep(name, 0);
    }

    fn add(&mut self, unknown: UnknownName) {
        let end = self.list.len();
        let at = self.places.get(unknown.name.as_slice()).copied().unwrap_or(end);
        if let Some(before) = self.list.get_mut(at) {
            before.commands += unknown.commands;
        } else if end < self.most {
            self.places.insert(unknown.name.as_slice().into(), end);
            self.list.push(unknown);
        } else {
            self.unlisted += unknown.commands;
        }
    }
}

impl LogTally for UnknownNames {
    fn fork(&self) -> Self {
        UnknownNames { most: self.most, ..UnknownNames::default() }
    }

    #[inline(always)]
    fn command(&mut self, offset: u64, command: &Command) {
        let name = command.name();
        if self.recent.find(name).is_none() {
            self.look_up(offset, name);
        }
    }

    fn annotation(&mut self, _: u64, _: &Annotation) {}

    fn merge(&mut self, later: Self) {
        self.unlisted += later.unlisted;
        for unknown in later.list {
            self.add(unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Place, check_slice};
    use super::super::scan::ScanOptions;
    use crate::finding::Severity::{self, Error, Warning};
    use crate::resp::encode;

    #[test]
    fn unknown_names_are_found_where_they_are_first() {
        check(&["SET", "get", "PExpireAt", "ZUNIONSTORE", "BF.ADD", "JSON.SET"], &[]);
        check(&["SET", "NOSUCHCMD", "SET", "NOSUCHCMD"], &[(Error, 1)]);
        check(
            &["SET", "SAD\u{9}", "my.command", "my.\u{1}", ""],
            &[(Error, 1), (Warning, 2), (Error, 3), (Error, 4)],
        );
    }

    #[test]
    fn a_name_that_comes_again_is_one_finding_in_however_many_pieces() {
        let names = ["SET", "NOPE", "DEL"].repeat(200);
        check(&names, &[(Error, 1)]);
    }

    /// Which commands are found, by their position.
    #[track_caller]
    fn check(names: &[&str], want: &[(Severity, usize)]) {
        let (mut log, mut starts) = (Vec::new(), Vec::new());
        for name in names {
            starts.push(log.len() as u64);
            encode::command(&mut log, [name, "key", "value"]);
        }
        for threads in [1, 2] {
            let options = ScanOptions { threads, piece_bytes: 100, ..ScanOptions::default() };
            let got = check_slice(&log, 0, Place::Last, &options, &|_| {}).unwrap();
            let found: Vec<_> = got
                .findings
                .iter()
                .map(|finding| {
                    assert_eq!(finding.code, "unknown-command");
                    let at = starts.iter().position(|&at| Some(at) == finding.offset);
                    (finding.severity, at.unwrap())
                })
                .collect();
            assert_eq!(found, want);
        }
    }
}
