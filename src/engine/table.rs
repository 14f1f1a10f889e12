//! The commands by name: how many arguments each takes, what it works on, and what runs it.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::{Answer, Call, Failure, command};

/// What a command works on, which decides who may run it beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The one key at this place.
    Key(u8),
    /// Several keys in groups of so many arguments, each beginning with its key: each key can be
    /// seen to on its own, in any order.
    Split(u8),
    /// The selection of databases, or databases as a whole: each thread sees to its own shards.
    Each,
    /// Several keys, or keys that only the command itself can find.
    Keys,
    /// All keys, or what is not a key at all.
    All,
    /// Nothing: it may be run anywhere, once.
    Nothing,
}

/// A command.
#[derive(Debug)]
pub struct Spec {
    /// Its name, in upper case.
    pub name: &'static str,
    /// How many arguments it takes, the name included; below zero: at least so many.
    pub arity: i32,
    /// What it works on.
    pub route: Route,
    /// What runs it.
    pub run: fn(&mut Call<'_>) -> Answer,
}

impl Spec {
    /// A command that works on the one key behind its name.
    pub const fn key(name: &'static str, arity: i32, run: fn(&mut Call<'_>) -> Answer) -> Self {
        Spec { name, arity, route: Route::Key(1), run }
    }

    /// A command that works on several keys.
    pub const fn keys(name: &'static str, arity: i32, run: fn(&mut Call<'_>) -> Answer) -> Self {
        Spec { name, arity, route: Route::Keys, run }
    }

    /// A command that falls apart into its keys, with `step` arguments for each.
    pub const fn split(
        name: &'static str,
        arity: i32,
        step: u8,
        run: fn(&mut Call<'_>) -> Answer,
    ) -> Self {
        Spec { name, arity, route: Route::Split(step), run }
    }

    /// A command that each thread runs on its own shards.
    pub const fn each(name: &'static str, arity: i32, run: fn(&mut Call<'_>) -> Answer) -> Self {
        Spec { name, arity, route: Route::Each, run }
    }

    /// A command that works on the whole.
    pub const fn all(name: &'static str, arity: i32, run: fn(&mut Call<'_>) -> Answer) -> Self {
        Spec { name, arity, route: Route::All, run }
    }

    /// A command that works on nothing.
    pub const fn nothing(name: &'static str, arity: i32, run: fn(&mut Call<'_>) -> Answer) -> Self {
        Spec { name, arity, route: Route::Nothing, run }
    }

    /// Whether so many arguments, the name included, are as many as it takes.
    #[inline]
    pub fn takes(&self, argc: usize) -> bool {
        let argc = i32::try_from(argc).unwrap_or(i32::MAX);
        if self.arity < 0 { argc >= -self.arity } else { argc == self.arity }
    }

    /// The error for another number of arguments.
    #[cold]
    pub fn wrong_count(&self) -> Failure {
        let name = self.name.to_ascii_lowercase();
        Failure::said(format!("ERR wrong number of arguments for '{name}' command"))
    }
}

/// No name is longer.
const NAME_BYTES: usize = 32;

static TABLE: LazyLock<HashMap<&'static [u8], &'static Spec>> = LazyLock::new(|| {
    command::FAMILIES.iter().copied().flatten().map(|spec| (spec.name.as_bytes(), spec)).collect()
});

/// The command of a name, in any case.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Spec> {
    let mut upper = [0; NAME_BYTES];
    let upper = upper.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    TABLE.get(&*upper).copied()
}

/// Commands on values that are not worked on here, and what they belong to. A name that ends with
/// a point is that of all commands that begin with it.
const FOREIGN: &[(&[&str], &str)] = &[
    (&["PHSET", "PHDEL", "PHGET"], "path hashes"),
    (&["JSON."], "the JSON module"),
    (&["TS."], "the time series module"),
    (&["BF.", "CF.", "CMS.", "TOPK.", "TDIGEST."], "the Bloom filter module"),
    (&["FT."], "the search module"),
];

/// Why a command that is known cannot be run here; `None` for any other name.
#[cold]
pub fn foreign(name: &[u8]) -> Option<String> {
    let named = |known: &&str| match name.split_at_checked(known.len()) {
        Some((head, rest)) => {
            head.eq_ignore_ascii_case(known.as_bytes()) && known.ends_with('.') != rest.is_empty()
        }
        None => false,
    };
    let (_, owner) = FOREIGN.iter().find(|(names, _)| names.iter().any(named))?;
    let name = String::from_utf8_lossy(name).to_uppercase();
    Some(format!("{name} is a command of {owner}, which cannot be run here"))
}

/// The error for a name that no command has.
#[cold]
pub(super) fn unknown(args: &[&[u8]]) -> Failure {
    let (name, rest) = args.split_first().map_or((&[][..], &[][..]), |(name, rest)| (*name, rest));
    if let Some(words) = foreign(name) {
        return Failure::Unsupported(words);
    }
    let shown: String =
        rest.iter().map(|arg| format!("'{}' ", String::from_utf8_lossy(arg))).collect();
    let name = String::from_utf8_lossy(name);
    Failure::said(format!("ERR unknown command '{name}', with args beginning with: {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, owner: Option<&str>) {
        let words = foreign(name.as_bytes());
        let want = owner.map(|owner| format!(" is a command of {owner}, which cannot be run here"));
        assert_eq!(words.as_deref().and_then(|words| words.strip_prefix(name)), want.as_deref());
    }

    #[test]
    fn commands_of_modules_say_whose_they_are() {
        check("JSON.SET", Some("the JSON module"));
        check("TDIGEST.ADD", Some("the Bloom filter module"));
        assert!(foreign(b"ts.add").is_some_and(|words| words.starts_with("TS.ADD is")));
        for name in ["VADD", "TS.", "TS", "JSON", "NOSUCH", ""] {
            check(name, None);
        }
        let failure = unknown(&[b"json.set", b"key", b"$"]);
        assert!(matches!(failure, Failure::Unsupported(words) if words.starts_with("JSON.SET is")));
        assert!(matches!(unknown(&[b"NOSUCH"]), Failure::Error(_)));
    }

    #[test]
    fn what_is_run_here_is_not_foreign() {
        for name in TABLE.keys() {
            assert_eq!(foreign(name), None);
        }
    }
}
