//! Which keys a verb looks at, decided from a key's header before its value is decoded.
//!
//! Several values of one filter are "any of", several filters are "all of", and what stands under
//! `not` must not match. The cheap questions come first; the key is unpacked only for those about
//! it, and only once.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regex::bytes::RegexSet;

use super::encoding::encoding;
use crate::bytes::glob::Glob;
use crate::bytes::slot::slot;
use crate::error::{Error, Result};
use crate::rdb::{Entry, Eviction};
use crate::value::Kind;

/// What keys must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Criteria {
    /// In one of these databases.
    pub dbs: Vec<RangeInclusive<u64>>,
    /// Of one of these kinds.
    pub kinds: Vec<Kind>,
    /// Stored in one of these encodings, as [`encoding()`] names them.
    pub encodings: Vec<String>,
    /// Matching one of these patterns, as KEYS understands them.
    pub globs: Vec<Vec<u8>>,
    /// Matching one of these regular expressions somewhere.
    pub regexes: Vec<String>,
    /// Beginning with one of these.
    pub prefixes: Vec<Vec<u8>>,
    /// In one of these cluster slots.
    pub slots: Vec<RangeInclusive<u16>>,
    /// With one of these times to live.
    pub ttls: Vec<Ttl>,
    /// Idle for one of these times. A key without an idle time never is.
    pub idles: Vec<Span>,
    /// Taking more bytes in the file than this.
    pub larger_than: Option<u64>,
    /// Taking fewer bytes in the file than this.
    pub smaller_than: Option<u64>,
}

/// A question about the time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// None is set.
    Never,
    /// One is set, whatever it is.
    Any,
    /// One is set, and it is over.
    Expired,
    /// One is set, it is not over, and this much is left of it.
    Left(Span),
}

/// A comparison with a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Shorter than this, milliseconds.
    Below(u64),
    /// Longer than this, milliseconds.
    Above(u64),
}

impl Span {
    fn holds(self, ms: u64) -> bool {
        match self {
            Span::Below(limit) => ms < limit,
            Span::Above(limit) => ms > limit,
        }
    }
}

/// Criteria, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    rules: Vec<Rule>,
    now_ms: i64,
    /// How many of the rules are not about the key.
    plain: usize,
}

#[derive(Debug, Clone)]
struct Rule {
    test: Test,
    want: bool,
}

/// What a question about idle times was asked of.
#[derive(Debug, Default)]
struct IdleTimes {
    /// A key that has one.
    known: AtomicBool,
    /// A key that has none.
    lacking: AtomicBool,
}

impl IdleTimes {
    fn note(&self, has_one: bool) {
        let noted = if has_one { &self.known } else { &self.lacking };
        // Threads share it: it is written once, and only read from then on.
        if !noted.load(Ordering::Relaxed) {
            noted.store(true, Ordering::Relaxed);
        }
    }
}

/// In the order in which they are asked.
#[derive(Debug, Clone)]
enum Test {
    Db(Vec<RangeInclusive<u64>>),
    Kind(Vec<Kind>),
    Size { above: Option<u64>, below: Option<u64> },
    Ttl(Vec<Ttl>),
    Idle(Vec<Span>, Arc<IdleTimes>),
    Encoding(Vec<String>),
    Prefix(Vec<Vec<u8>>),
    Slot(Vec<RangeInclusive<u16>>),
    Glob(Vec<Glob>),
    Regex(RegexSet),
}

impl Filter {
    /// Lets through what is like `only` and not like `not`; `now_ms` is what times to live are
    /// counted from, unix time in milliseconds.
    pub fn new(only: &Criteria, not: &Criteria, now_ms: i64) -> Result<Self> {
        let mut rules: Vec<Rule> = Vec::new();
        for (criteria, want) in [(only, true), (not, false)] {
            rules.extend(criteria.tests()?.into_iter().map(|test| Rule { test, want }));
        }
        rules.sort_by_key(|rule| rule.test.cost());
        let plain = rules.partition_point(|rule| !rule.test.is_about_key());
        Ok(Filter { rules, now_ms, plain })
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a key passes.
    #[inline]
    pub fn matches(&self, entry: &Entry<'_>) -> Result<bool> {
        if self.rules.is_empty() {
            return Ok(true);
        }
        self.all(entry)
    }

    /// Whether every question can be answered from database and name alone, without a value.
    pub fn is_about_names(&self) -> bool {
        self.rules.iter().all(|rule| rule.test.is_about_key() || matches!(rule.test, Test::Db(_)))
    }

    /// Whether anything is asked about the names of keys.
    pub fn asks_for_keys(&self) -> bool {
        self.rules.iter().any(|rule| rule.test.is_about_key())
    }

    /// Whether a database passes, by the questions about databases alone.
    pub fn matches_db(&self, db: u64) -> bool {
        self.rules.iter().all(|rule| match &rule.test {
            Test::Db(dbs) => dbs.iter().any(|dbs| dbs.contains(&db)) == rule.want,
            _ => true,
        })
    }

    /// Whether the name of a key passes, by the questions about names alone.
    pub fn matches_key(&self, key: &[u8]) -> bool {
        self.rules.iter().all(|rule| rule.test.holds_for_key(key).is_none_or(|is| is == rule.want))
    }

    /// Whether the database and the name of a key pass, whatever its value is like. Two sources have
    /// these in common; what is asked of a value may hold in one of them only.
    pub fn matches_name(&self, entry: &Entry<'_>) -> Result<bool> {
        Ok(self.matches_db(entry.db)
            && (!self.asks_for_keys() || self.matches_key(&entry.key_bytes()?)))
    }

    /// Whether keys were asked for their idle times, and none of them had one: a log has none, and a
    /// snapshot only under an LRU policy.
    pub fn lacks_idle_times(&self) -> bool {
        self.rules.iter().any(|rule| match &rule.test {
            Test::Idle(_, times) => {
                times.lacking.load(Ordering::Relaxed) && !times.known.load(Ordering::Relaxed)
            }
            _ => false,
        })
    }

    fn all(&self, entry: &Entry<'_>) -> Result<bool> {
        // Sorted by cost: the questions about the key are the last ones.
        let (plain, about_key) = self.rules.split_at(self.plain.min(self.rules.len()));
        let passes = |rules: &[Rule], key: &[u8]| {
            rules.iter().all(|rule| rule.test.holds(entry, key, self.now_ms) == rule.want)
        };
        if !passes(plain, &[]) {
            return Ok(false);
        }
        Ok(about_key.is_empty() || passes(about_key, &entry.key_bytes()?))
    }
}

impl Criteria {
    fn tests(&self) -> Result<Vec<Test>> {
        let mut tests = Vec::new();
        let mut add = |any: bool, test: Test| {
            if any {
                tests.push(test);
            }
        };
        add(!self.dbs.is_empty(), Test::Db(self.dbs.clone()));
        add(!self.kinds.is_empty(), Test::Kind(self.kinds.clone()));
        let (above, below) = (self.larger_than, self.smaller_than);
        add(above.is_some() || below.is_some(), Test::Size { above, below });
        add(!self.ttls.is_empty(), Test::Ttl(self.ttls.clone()));
        add(!self.idles.is_empty(), Test::Idle(self.idles.clone(), Arc::default()));
        add(!self.encodings.is_empty(), Test::Encoding(self.encodings.clone()));
        add(!self.prefixes.is_empty(), Test::Prefix(self.prefixes.clone()));
        add(!self.slots.is_empty(), Test::Slot(self.slots.clone()));
        add(
            !self.globs.is_empty(),
            Test::Glob(self.globs.iter().map(|glob| Glob::new(glob)).collect()),
        );
        if !self.regexes.is_empty() {
            let set = RegexSet::new(&self.regexes).map_err(|error| {
                // Its text is a drawing of several lines; the last one says what is wrong.
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Error::Usage(format!("a regular expression for keys is wrong: {why}"))
            })?;
            tests.push(Test::Regex(set));
        }
        Ok(tests)
    }
}

impl Test {
    fn cost(&self) -> u8 {
        match self {
            Test::Db(_) => 0,
            Test::Kind(_) => 1,
            Test::Size { .. } => 2,
            Test::Ttl(_) => 3,
            Test::Idle(..) => 4,
            Test::Encoding(_) => 5,
            Test::Prefix(_) => 6,
            Test::Slot(_) => 7,
            Test::Glob(_) => 8,
            Test::Regex(_) => 9,
        }
    }

    fn is_about_key(&self) -> bool {
        matches!(self, Test::Prefix(_) | Test::Slot(_) | Test::Glob(_) | Test::Regex(_))
    }

    /// The answer of a test about the key; `None` from all others.
    fn holds_for_key(&self, key: &[u8]) -> Option<bool> {
        Some(match self {
            Test::Prefix(prefixes) => prefixes.iter().any(|prefix| key.starts_with(prefix)),
            Test::Slot(slots) => {
                let slot = slot(key);
                slots.iter().any(|slots| slots.contains(&slot))
            }
            Test::Glob(globs) => globs.iter().any(|glob| glob.matches(key)),
            Test::Regex(set) => set.is_match(key),
            _ => return None,
        })
    }

    /// `key` is looked at by the tests about it alone.
    fn holds(&self, entry: &Entry<'_>, key: &[u8], now_ms: i64) -> bool {
        match self {
            Test::Db(dbs) => dbs.iter().any(|dbs| dbs.contains(&entry.db)),
            Test::Kind(kinds) => kinds.contains(&entry.value_type.kind()),
            Test::Size { above, below } => {
                let size = entry.size_bytes();
                above.is_none_or(|limit| size > limit) && below.is_none_or(|limit| size < limit)
            }
            Test::Ttl(ttls) => ttls.iter().any(|ttl| ttl.holds(entry.expires_at_ms, now_ms)),
            Test::Idle(idles, times) => {
                let idle_ms = match entry.eviction {
                    Some(Eviction::IdleSecs(secs)) => Some(secs.saturating_mul(1000)),
                    _ => None,
                };
                times.note(idle_ms.is_some());
                idle_ms.is_some_and(|ms| idles.iter().any(|idle| idle.holds(ms)))
            }
            Test::Encoding(names) => names.iter().any(|name| name == encoding(entry)),
            Test::Prefix(_) | Test::Slot(_) | Test::Glob(_) | Test::Regex(_) => {
                self.holds_for_key(key).unwrap_or_default()
            }
        }
    }
}

impl Ttl {
    fn holds(self, expires_at_ms: Option<i64>, now_ms: i64) -> bool {
        match (self, expires_at_ms) {
            (Ttl::Never, at) => at.is_none(),
            (_, None) => false,
            (Ttl::Any, Some(_)) => true,
            (Ttl::Expired, Some(at)) => at <= now_ms,
            (Ttl::Left(span), Some(at)) => at > now_ms && span.holds(at.abs_diff(now_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::Snapshot;

    /// Database 0: `user:1` = 1, `user:2` = x until 10 000; database 3: the set `tags` {1}, idle 60 s.
    const FILE: &[u8] = b"REDIS0009\xfe\x00\x00\x06user:1\xc0\x01\xfc\x10\x27\0\0\0\0\0\0\
        \x00\x06user:2\x01x\xfe\x03\xf8\x3c\x0b\x04tags\x0a\x02\0\0\0\x01\0\0\0\x01\0\xff\0\0\0\0\0\0\0\0";

    #[track_caller]
    fn check(only: Criteria, not: Criteria, want: &[&str]) {
        let filter = Filter::new(&only, &not, 4000).unwrap();
        let passed: Vec<String> = Snapshot::new(FILE)
            .unwrap()
            .entries()
            .map(Result::unwrap)
            .filter(|entry| filter.matches(entry).unwrap())
            .map(|entry| String::from_utf8(entry.key_bytes().unwrap().into_owned()).unwrap())
            .collect();
        assert_eq!(passed, want);
    }

    #[track_caller]
    fn only(criteria: Criteria, want: &[&str]) {
        check(criteria, Criteria::default(), want);
    }

    #[test]
    fn nothing_asked_lets_all_through() {
        only(Criteria::default(), &["user:1", "user:2", "tags"]);
    }

    #[test]
    fn each_question_alone() {
        let d = Criteria::default;
        only(Criteria { dbs: vec![3..=9], ..d() }, &["tags"]);
        only(Criteria { kinds: vec![Kind::Set, Kind::List], ..d() }, &["tags"]);
        only(Criteria { encodings: vec!["int".into()], ..d() }, &["user:1"]);
        only(Criteria { globs: vec![b"user:[13]".to_vec()], ..d() }, &["user:1"]);
        only(Criteria { regexes: vec!["^t|2$".into()], ..d() }, &["user:2", "tags"]);
        only(Criteria { prefixes: vec![b"ta".to_vec()], ..d() }, &["tags"]);
        only(Criteria { ttls: vec![Ttl::Any], ..d() }, &["user:2"]);
        only(Criteria { ttls: vec![Ttl::Never], ..d() }, &["user:1", "tags"]);
        only(Criteria { ttls: vec![Ttl::Expired], ..d() }, &[]);
        only(Criteria { ttls: vec![Ttl::Left(Span::Below(6001))], ..d() }, &["user:2"]);
        only(Criteria { ttls: vec![Ttl::Left(Span::Above(6000))], ..d() }, &[]);
        only(Criteria { idles: vec![Span::Above(59_999)], ..d() }, &["tags"]);
        only(Criteria { larger_than: Some(17), ..d() }, &["user:2", "tags"]);
        only(Criteria { smaller_than: Some(18), ..d() }, &["user:1"]);
    }

    #[test]
    fn slots_are_those_of_a_cluster() {
        let slot = crate::bytes::slot::slot(b"tags");
        only(Criteria { slots: vec![slot..=slot], ..Criteria::default() }, &["tags"]);
    }

    #[test]
    fn several_questions_are_all_asked_and_not_turns_one_around() {
        let user = Criteria { prefixes: vec![b"user".to_vec()], ..Criteria::default() };
        check(user.clone(), Criteria { ttls: vec![Ttl::Any], ..Criteria::default() }, &["user:1"]);
        check(Criteria { dbs: vec![3..=3], ..user.clone() }, Criteria::default(), &[]);
        check(Criteria::default(), user, &["tags"]);
    }

    #[test]
    fn a_wrong_expression_is_a_sentence() {
        let wrong = Criteria { regexes: vec!["(".into()], ..Criteria::default() };
        assert!(matches!(Filter::new(&wrong, &Criteria::default(), 0), Err(Error::Usage(_))));
    }
}
