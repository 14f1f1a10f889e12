//! What becomes of one command: dropped, kept as it is, or kept with other arguments.
//!
//! A command over several keys, some of which a filter lets through: DEL, UNLINK, TOUCH, EXISTS,
//! MSET, MGET and PFCOUNT are cut down to those; any other is kept as a whole, because a part of
//! it would mean something else, and is counted. Commands without keys (FLUSHALL, FUNCTION …) are
//! not the business of filters for keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::ops::filter::Filter;
use crate::resp::{Command, encode, is_known_command, key_positions};

/// The name of a command, perhaps with a subcommand: `flushall`, `xgroup|create`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandName {
    name: Vec<u8>,
    sub: Option<Vec<u8>>,
}

impl CommandName {
    /// Reads a name, in any case.
    pub fn new(text: &[u8]) -> Self {
        let mut parts = text.splitn(2, |&byte| byte == b'|');
        let name = parts.next().unwrap_or_default().to_ascii_uppercase();
        CommandName { name, sub: parts.next().map(<[u8]>::to_ascii_uppercase) }
    }

    /// Whether it is one of those that hold a log together, and come and go with the others.
    pub fn is_structure(&self) -> bool {
        matches!(self.name.as_slice(), b"MULTI" | b"EXEC" | b"DISCARD" | b"SELECT")
    }

    pub(super) fn is(&self, command: &Command<'_>) -> bool {
        command.name().eq_ignore_ascii_case(&self.name)
            && self.sub.as_ref().is_none_or(|sub| {
                command.args().next().is_some_and(|arg| arg.eq_ignore_ascii_case(sub))
            })
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sub = self.sub.iter().flat_map(|sub| [b"|".as_slice(), sub]).collect::<Vec<_>>();
        let text = [self.name.as_slice(), &sub.concat()].concat();
        write!(f, "{}", quoted(&text).to_string().trim_matches('"'))
    }
}

/// New names for keys: `old:*=new:*`.
///
/// A star stands for any bytes, and in the replacement for what it stood for; there may be one.
/// A backslash takes the sign behind it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    before: Vec<u8>,
    after: Option<Vec<u8>>,
    new_before: Vec<u8>,
    new_after: Option<Vec<u8>>,
}

impl Rename {
    /// Reads a rule; `Err` says what is wrong with it.
    pub fn new(text: &[u8]) -> Result<Self, String> {
        let (mut parts, mut stars) = (vec![Vec::new()], Vec::new());
        let (mut sides, mut at) = (1, text.iter());
        while let Some(&byte) = at.next() {
            match byte {
                b'\\' => {
                    let byte = at.next().copied().unwrap_or(b'\\');
                    if let Some(part) = parts.last_mut() {
                        part.push(byte);
                    }
                }
                b'=' if sides == 1 => {
                    sides = 2;
                    parts.push(Vec::new());
                }
                b'*' => {
                    stars.push(sides);
                    parts.push(Vec::new());
                }
                byte => {
                    if let Some(part) = parts.last_mut() {
                        part.push(byte);
                    }
                }
            }
        }
        let mut parts = parts.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        match (sides, stars.as_slice()) {
            (2, []) => {
                Ok(Rename { before: next(), after: None, new_before: next(), new_after: None })
            }
            (2, [1, 2]) => Ok(Rename {
                before: next(),
                after: Some(next()),
                new_before: next(),
                new_after: Some(next()),
            }),
            (2, _) => Err("give one star on each side, or none: old:*=new:*".to_owned()),
            _ => Err("give a pattern and its replacement: old:*=new:*".to_owned()),
        }
    }

    /// The new name of a key, if the rule is about it.
    pub fn apply(&self, key: &[u8]) -> Option<Vec<u8>> {
        let Some(after) = &self.after else {
            return (key == self.before).then(|| self.new_before.clone());
        };
        let middle = key.strip_prefix(self.before.as_slice())?.strip_suffix(after.as_slice())?;
        let new_after = self.new_after.as_deref().unwrap_or_default();
        Some([self.new_before.as_slice(), middle, new_after].concat())
    }

    /// The name that the rule makes this one of, if there is such.
    pub(super) fn source_of(&self, new: &[u8]) -> Option<Vec<u8>> {
        let Some(new_after) = &self.new_after else {
            return (new == self.new_before).then(|| self.before.clone());
        };
        let middle = new.strip_prefix(self.new_before.as_slice())?.strip_suffix(&new_after[..])?;
        let after = self.after.as_deref().unwrap_or_default();
        Some([self.before.as_slice(), middle, after].concat())
    }
}

/// What to do with a command whose keys are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Stop.
    #[default]
    Stop,
    /// Keep it.
    Keep,
    /// Drop it.
    Drop,
}

/// Which commands stay, and with which keys.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// These go.
    pub drop: Vec<CommandName>,
    /// Only these stay, if there are any.
    pub only: Vec<CommandName>,
    /// Keys and databases that stay.
    pub filter: Filter,
    /// New names for keys; the first rule that is about a key counts.
    pub rename: Vec<Rename>,
    /// New names for commands, in any case.
    pub rename_commands: Vec<(Vec<u8>, Vec<u8>)>,
    /// New numbers for databases.
    pub map_db: BTreeMap<u64, u64>,
    /// The number of all others, where they become one.
    pub other_dbs: Option<u64>,
    /// What to do with commands whose keys are not known, where keys matter.
    pub on_unknown: OnUnknown,
}

/// What becomes of a command.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ops) enum Verdict<'a> {
    Keep,
    Drop,
    /// The new words, the name first.
    Change(Vec<Cow<'a, [u8]>>),
}

impl Verdict<'_> {
    /// What is left of the command that was judged; `None` where it goes. One that has changed is
    /// written into `room`.
    pub(in crate::ops) fn command<'c>(
        &self,
        judged: Command<'c>,
        room: &'c mut Vec<u8>,
    ) -> Option<Command<'c>> {
        match self {
            Verdict::Keep => Some(judged),
            Verdict::Drop => None,
            Verdict::Change(words) => {
                room.clear();
                encode::command(room, words);
                Command::strict(room).map(|(command, _)| command)
            }
        }
    }
}

/// What is counted on the way.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ops) struct Noted {
    /// Keys with a new name.
    pub(super) renamed: bool,
    /// Some keys passed and some did not, and the command was kept as a whole.
    pub(super) straddles: bool,
    /// A command over several keys was cut down.
    pub(super) reduced: bool,
}

impl Rules {
    /// Whether keys have to be looked at.
    fn looks_at_keys(&self) -> bool {
        self.filter.asks_for_keys() || !self.rename.is_empty()
    }

    /// The number that a database gets.
    pub(in crate::ops) fn mapped(&self, db: u64) -> u64 {
        self.map_db.get(&db).copied().or(self.other_dbs).unwrap_or(db)
    }

    /// Whether databases get other numbers.
    pub(in crate::ops) fn maps_databases(&self) -> bool {
        !self.map_db.is_empty() || self.other_dbs.is_some()
    }

    /// Whether databases have to be looked at.
    fn looks_at_databases(&self) -> bool {
        self.maps_databases() || !self.filter.is_empty()
    }

    /// Whether a snapshot goes through these rules unchanged.
    pub(super) fn keeps_snapshots(&self) -> bool {
        self.filter.is_empty() && self.rename.is_empty() && !self.maps_databases()
    }

    /// The new name of a key.
    pub(super) fn renamed(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rename.iter().find_map(|rule| rule.apply(key))
    }

    /// Judges a command that runs in database `db`; it is none of those that hold a log together.
    pub(in crate::ops) fn judge<'a>(
        &self,
        command: &Command<'a>,
        db: u64,
        noted: &mut Noted,
    ) -> Result<Verdict<'a>> {
        if self.drop.iter().any(|name| name.is(command))
            || !self.only.is_empty() && !self.only.iter().any(|name| name.is(command))
        {
            return Ok(Verdict::Drop);
        }
        let new_name = self
            .rename_commands
            .iter()
            .find(|(old, _)| command.name().eq_ignore_ascii_case(old))
            .map(|(_, new)| new.clone());
        let name = new_name.map_or(Cow::Borrowed(command.name()), Cow::Owned);
        let left_out = match name.eq_ignore_ascii_case(b"SWAPDB") {
            // Databases that are swapped among themselves.
            true => {
                let mut swapped = command.args().filter_map(number).peekable();
                swapped.peek().is_some() && !swapped.any(|db| self.filter.matches_db(db))
            }
            false => !is_about_all_databases(&name) && !self.filter.matches_db(db),
        };
        if left_out {
            return Ok(Verdict::Drop);
        }
        let mut changed = matches!(name, Cow::Owned(_));
        let looks = self.looks_at_keys();
        if !looks && !self.looks_at_databases() {
            return Ok(if changed {
                let args = command.args().map(Cow::Borrowed);
                Verdict::Change(std::iter::once(name).chain(args).collect())
            } else {
                Verdict::Keep
            });
        }

        let mut args: Vec<Cow<'a, [u8]>> = command.args().map(Cow::Borrowed).collect();
        if looks {
            if !is_known_command(&name) {
                match self.on_unknown {
                    OnUnknown::Keep => {}
                    OnUnknown::Drop => return Ok(Verdict::Drop),
                    OnUnknown::Stop => return Err(unknown(&name)),
                }
            }
            match self.judge_keys(&name, &mut args, noted) {
                None => return Ok(Verdict::Drop),
                Some(cut) => changed |= cut,
            }
        }
        changed |= self.map_arguments(&name, &mut args, db)?;
        Ok(if changed {
            Verdict::Change(std::iter::once(name).chain(args).collect())
        } else {
            Verdict::Keep
        })
    }

    /// Filters and renames keys; `None` if the command goes, else whether it has changed.
    fn judge_keys(
        &self,
        name: &[u8],
        args: &mut Vec<Cow<'_, [u8]>>,
        noted: &mut Noted,
    ) -> Option<bool> {
        let positions: Vec<usize> = key_positions(name, args).into_iter().flatten().collect();
        let passes: Vec<bool> = positions
            .iter()
            .map(|&at| args.get(at).is_some_and(|key| self.filter.matches_key(key)))
            .collect();
        let mut changed = false;
        if !positions.is_empty() && !passes.contains(&true) {
            return None;
        }
        for (&at, _) in positions.iter().zip(&passes).filter(|(_, passes)| **passes) {
            if let Some(arg) = args.get_mut(at)
                && let Some(new) = self.renamed(arg)
            {
                *arg = Cow::Owned(new);
                noted.renamed = true;
                changed = true;
            }
        }
        if passes.contains(&false) {
            let step = match name.to_ascii_uppercase().as_slice() {
                b"DEL" | b"UNLINK" | b"TOUCH" | b"EXISTS" | b"MGET" | b"PFCOUNT" => 1,
                b"MSET" => 2,
                _ => {
                    noted.straddles = true;
                    // Its other keys get their new names, too: it is kept as a whole.
                    for (&at, _) in positions.iter().zip(&passes).filter(|(_, passes)| !**passes) {
                        if let Some(arg) = args.get_mut(at)
                            && let Some(new) = self.renamed(arg)
                        {
                            *arg = Cow::Owned(new);
                            changed = true;
                        }
                    }
                    return Some(changed);
                }
            };
            let mut index = 0;
            args.retain(|_| {
                let stays = passes.get(index / step).copied().unwrap_or(true);
                index += 1;
                stays
            });
            noted.reduced = true;
            changed = true;
        }
        Some(changed)
    }

    /// Arguments that name databases.
    fn map_arguments(&self, name: &[u8], args: &mut [Cow<'_, [u8]>], db: u64) -> Result<bool> {
        let places = database_places(name, args);
        if places.is_empty() {
            return Ok(false);
        }
        let mut changed = false;
        let runs_there = !is_about_all_databases(name);
        let mut passes = if runs_there { vec![self.filter.matches_db(db)] } else { Vec::new() };
        for at in places {
            let Some(arg) = args.get_mut(at) else { continue };
            let Some(number) = number(arg) else { continue };
            passes.push(self.filter.matches_db(number));
            let new = self.mapped(number);
            if new != number {
                *arg = Cow::Owned(new.to_string().into_bytes());
                changed = true;
            }
        }
        if passes.contains(&true) && passes.contains(&false) {
            return Err(Error::Usage(format!(
                "{} moves keys between a database that the filter keeps and one that it does not, \
                 which cannot be told without running the log",
                crate::bytes::quoted(name)
            )));
        }
        Ok(changed)
    }
}

/// Which arguments of a command name databases.
pub(in crate::ops) fn database_places(name: &[u8], args: &[impl AsRef<[u8]>]) -> Range<usize> {
    match name.len() {
        6 if name.eq_ignore_ascii_case(b"SWAPDB") => 0..2,
        4 if name.eq_ignore_ascii_case(b"MOVE") => 1..2,
        4 if name.eq_ignore_ascii_case(b"COPY") => {
            let is_word = |arg: &[u8]| arg.eq_ignore_ascii_case(b"DB");
            let word = args.iter().skip(2).position(|arg| is_word(arg.as_ref()));
            word.map_or(0..0, |at| at + 3..at + 4)
        }
        _ => 0..0,
    }
}

/// Whether it does not matter in which database a command runs.
pub(in crate::ops) fn is_about_all_databases(name: &[u8]) -> bool {
    [&b"FLUSHALL"[..], b"SWAPDB", b"FUNCTION", b"SCRIPT"]
        .iter()
        .any(|all| name.eq_ignore_ascii_case(all))
}

/// A plain number.
pub(in crate::ops) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn unknown(name: &[u8]) -> Error {
    Error::Usage(format!(
        "which arguments of {} are keys is not known: --on-unknown says what to do with it",
        crate::bytes::quoted(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::filter::Criteria;

    #[test]
    fn names_of_commands() {
        let drop = |names: &[&str]| Rules {
            drop: names.iter().map(|name| CommandName::new(name.as_bytes())).collect(),
            ..Rules::default()
        };
        check(&drop(&["flushall"]), "FlushAll ASYNC", "-");
        check(&drop(&["flushall"]), "FLUSHDB", "FLUSHDB");
        check(&drop(&["xgroup|create"]), "xgroup CREATE s g 0", "-");
        check(&drop(&["xgroup|create"]), "XGROUP DESTROY s g", "XGROUP DESTROY s g");
        let only = Rules { only: vec![CommandName::new(b"SET")], ..Rules::default() };
        check(&only, "set a 1", "set a 1");
        check(&only, "INCR a", "-");
    }

    #[test]
    fn keys_that_stay() {
        let rules = prefixed("u:");
        check(&rules, "SET u:1 x", "SET u:1 x");
        check(&rules, "SET v:1 x", "-");
        check(&rules, "DEL u:1 v:1 u:2", "DEL u:1 u:2");
        check(&rules, "MSET v:1 a u:1 b", "MSET u:1 b");
        check(&rules, "RENAME v:1 u:1", "RENAME v:1 u:1 straddles");
        check(&rules, "FLUSHALL", "FLUSHALL");
        check(&rules, "SET", "SET");
    }

    #[test]
    fn keys_get_new_names() {
        let rename = |text: &str| Rename::new(text.as_bytes()).unwrap();
        let rules =
            Rules { rename: vec![rename("old:*=new:*"), rename("a=b")], ..Rules::default() };
        check(&rules, "SET old:1 old:1", "SET new:1 old:1");
        check(&rules, "RENAME a old:", "RENAME b new:");
        check(&rules, "SET c a", "SET c a");
        let rules = Rules { filter: prefixed("old:").filter, ..rules };
        check(&rules, "RENAME a old:1", "RENAME b new:1 straddles");
        check(&rules, "DEL a old:1", "DEL new:1");
        assert_eq!(rename(r"a\=\*=b\*").apply(b"a=*"), Some(b"b*".to_vec()));
        assert_eq!(rename("*:x=y:*").apply(b"1:x"), Some(b"y:1".to_vec()));
        assert_eq!(rename("ab*ba=*").apply(b"aba"), None);
        for wrong in ["", "a", "a*=b", "a=b*", "a**=b*"] {
            assert!(Rename::new(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn databases_get_new_numbers() {
        let rules = Rules { map_db: [(1, 0), (0, 7)].into(), ..Rules::default() };
        check(&rules, "SWAPDB 0 1", "SWAPDB 7 0");
        check(&rules, "MOVE k 1", "MOVE k 0");
        check(&rules, "COPY a b REPLACE DB 1", "COPY a b REPLACE DB 0");
        check(&rules, "COPY a b", "COPY a b");
        check(&rules, "SET a 1", "SET a 1");
    }

    #[test]
    fn databases_that_commands_name() {
        for (command, want) in [
            ("SWAPDB 1 2", 0..2),
            ("MOVE k 7", 1..2),
            ("COPY a b REPLACE DB 3", 4..5),
            ("COPY DB DB", 0..0),
            ("COPY a b", 0..0),
            ("SET a 1", 0..0),
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            assert_eq!(database_places(words[0].as_bytes(), &words[1..]), want, "{command}");
        }
    }

    #[test]
    fn databases_that_stay() {
        let only = Criteria { dbs: vec![3..=3], ..Criteria::default() };
        let filter = Filter::new(&only, &Criteria::default(), 0).unwrap();
        let rules = Rules { filter, ..Rules::default() };
        check(&rules, "SET a 1", "-");
        check(&rules, "FLUSHDB", "-");
        check(&rules, "FLUSHALL", "FLUSHALL");
        check(&rules, "MOVE k 3", "-");
        check(&rules, "SWAPDB 0 3", "cannot be told");
        check(&rules, "SWAPDB 0 1", "-");
    }

    #[test]
    fn commands_that_are_not_known() {
        let rules = prefixed("u:");
        check(&rules, "NOSUCHTHING u:1", "is not known");
        check(&Rules { on_unknown: OnUnknown::Keep, ..rules.clone() }, "NOSUCH u:1", "NOSUCH u:1");
        check(&Rules { on_unknown: OnUnknown::Drop, ..rules }, "NOSUCH u:1", "-");
        check(&Rules::default(), "NOSUCH u:1", "NOSUCH u:1");
        let hidden = (b"hidden".to_vec(), b"CONFIG".to_vec());
        let rules = Rules { rename_commands: vec![hidden], ..prefixed("u:") };
        check(&rules, "HIDDEN SET a b", "CONFIG SET a b");
    }

    fn prefixed(prefix: &str) -> Rules {
        let only = Criteria { prefixes: vec![prefix.into()], ..Criteria::default() };
        let filter = Filter::new(&only, &Criteria::default(), 0).unwrap();
        Rules { filter, ..Rules::default() }
    }

    #[track_caller]
    fn check(rules: &Rules, command: &str, want: &str) {
        let mut bytes = Vec::new();
        let words: Vec<&str> = command.split(' ').collect();
        encode::command(&mut bytes, &words);
        let (parsed, _) = Command::strict(&bytes).unwrap();
        let mut noted = Noted::default();
        let mut room = Vec::new();
        let mut got = match rules.judge(&parsed, 0, &mut noted) {
            Ok(verdict) => match verdict.command(parsed, &mut room) {
                Some(left) => {
                    let words: Vec<&[u8]> =
                        std::iter::once(left.name()).chain(left.args()).collect();
                    String::from_utf8(words.join(&b' ')).unwrap()
                }
                None => "-".to_owned(),
            },
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(want), "{error}");
                return;
            }
        };
        if noted.straddles {
            got += " straddles";
        }
        assert_eq!(got, want, "{command}");
    }
}
