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
        is_module_name(&self.name)
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

/// Whether a name looks like that of a command of a module.
pub(crate) fn is_module_name(name: &[u8]) -> bool {
    name.contains(&b'.') && name.iter().all(u8::is_ascii_graphic)
}

/// What a name that is remembered is to a transaction.
const PLAIN: usize = 0;
const MULTI: usize = 1;
const EXEC: usize = 2;

/// Whether commands stand in a transaction, as far as a piece of a log knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Multi {
    /// As at the start of the piece.
    #[default]
    AsBefore,
    Outside,
    /// In one that begins there.
    Inside(u64),
}

impl Multi {
    /// What it is where `before` is what it was at the start of the piece.
    fn behind(self, before: Multi) -> Multi {
        if self == Multi::AsBefore { before } else { self }
    }
}

/// The unknown names of a log, the first of them with their places.
#[derive(Debug, Clone, Default)]
pub struct UnknownNames {
    /// The first that no server runs: where it begins, and in which transaction.
    first: Option<(u64, Multi)>,
    multi: Multi,
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

    /// Whether some server has a command of this name: quick for those that were counted of late.
    pub(crate) fn knows(&self, name: &[u8]) -> bool {
        self.recent.find(name).is_some() || is_known_command(name)
    }

    /// Up to where there is none that no server runs, if there is one: a transaction is run as a
    /// whole.
    pub(super) fn good_up_to(&self) -> Option<u64> {
        self.first.map(|(offset, multi)| match multi {
            Multi::Inside(at) => at,
            Multi::AsBefore | Multi::Outside => offset,
        })
    }

    /// Looks up a name that was not written like this of late; what it is to a transaction.
    #[cold]
    fn look_up(&mut self, offset: u64, name: &[u8]) -> usize {
        if !self.known.contains(name) {
            if !is_known_command(name) {
                let name = name.get(..NAME_BYTES).unwrap_or(name).to_vec();
                let unknown = UnknownName { name, offset, commands: 1 };
                if !unknown.is_module() {
                    self.first.get_or_insert((offset, self.multi));
                }
                self.add(unknown);
                return PLAIN;
            }
            if self.known.len() < WRITTEN {
                self.known.insert(name.into());
            }
        }
        let part = match name {
            _ if name.eq_ignore_ascii_case(b"MULTI") => MULTI,
            _ if name.eq_ignore_ascii_case(b"EXEC") => EXEC,
            _ => PLAIN,
        };
        self.recent.keep(name, part);
        part
    }

    #[cold]
    fn turn(&mut self, offset: u64, part: usize) {
        self.multi = match self.multi {
            // One in another one is queued there.
            Multi::Inside(_) if part == MULTI => return,
            _ if part == MULTI => Multi::Inside(offset),
            _ => Multi::Outside,
        };
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
        let part = match self.recent.find(name) {
            Some(part) => part,
            None => self.look_up(offset, name),
        };
        if part != PLAIN {
            self.turn(offset, part);
        }
    }

    fn annotation(&mut self, _: u64, _: &Annotation) {}

    fn merge(&mut self, later: Self) {
        if let Some((offset, multi)) = later.first {
            self.first.get_or_insert((offset, multi.behind(self.multi)));
        }
        self.multi = later.multi.behind(self.multi);
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

    /// A server runs nothing from there on, and a transaction as a whole or not at all.
    #[test]
    fn a_log_is_good_up_to_a_name_that_no_server_runs() {
        let good = |names: &[&str], want: usize| {
            let (mut log, mut starts) = (Vec::new(), Vec::new());
            for name in names {
                starts.push(log.len() as u64);
                let words = [name, "key", "value"];
                let alone = matches!(*name, "MULTI" | "exec");
                encode::command(&mut log, if alone { &words[..1] } else { &words });
            }
            starts.push(log.len() as u64);
            for (threads, piece_bytes) in [(1, 100), (2, 40), (2, 100), (2, 1 << 20)] {
                let options = ScanOptions { threads, piece_bytes, ..ScanOptions::default() };
                let got = check_slice(&log, 0, Place::Last, &options, &|_| {}).unwrap();
                assert_eq!(got.outcome.good_up_to, starts[want], "{names:?} {piece_bytes}");
            }
        };
        good(&["SET", "DEL"], 2);
        good(&["SET", "NOSUCH", "SET", "OTHER"], 1);
        good(&["SET", "BF.ADD", "SET"], 3);
        good(&["SET", "MULTI", "SET", "SET", "SET", "NOSUCH", "SET", "exec", "SET"], 1);
        good(&["MULTI", "SET", "exec", "SET", "SET", "NOSUCH", "MULTI", "SET", "exec"], 5);
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
