//! Policies: what an operator asks of a source besides that it is sound.
//!
//! Each rule has a code of its own, and a finding names the key that breaks it. The rules are asked
//! in a walk over the keys of the source: of a log, those that are there when it has been run.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::loads::{Loader, LoaderRoom};
use super::snapshot::Findings;
use crate::bytes::quoted;
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::ops::filter::Filter;
use crate::ops::snapshot;
use crate::ops::walk::{Observer, Tally, WalkOptions};
use crate::rdb::{Entry, Header, Record, Target};
use crate::report::check::PolicyReport;
use crate::report::filtered::FilteredFrom;
use crate::report::text::span;
use crate::source::{OpenOptions, Source};
use crate::value::Kind;

/// What is asked. A rule that is not set asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// No key takes more bytes in the file.
    pub max_key_bytes: Option<u64>,
    /// No value has more elements.
    pub max_elements: Option<u64>,
    /// There are no more keys.
    pub max_keys: Option<u64>,
    /// Keys that begin with one of these expire.
    pub require_ttl: Vec<Vec<u8>>,
    /// No key is of one of these types.
    pub forbid_types: Vec<Kind>,
    /// No key begins with one of these.
    pub forbid_prefixes: Vec<Vec<u8>>,
    /// The source is no older, in milliseconds.
    pub max_age_ms: Option<u64>,
    /// All keys are in one of these databases.
    pub expect_dbs: Vec<RangeInclusive<u64>>,
    /// Each of these servers loads it, and loses nothing.
    pub loads_in: Vec<Target>,
    /// Codes of rules whose findings are warnings and no errors.
    pub warn: Vec<String>,
}

/// The codes of all rules, in the order of reports, and what they ask.
pub const RULES: [(&str, &str); 9] = [
    ("max-key-bytes", "no key takes more bytes in the file than this"),
    ("max-elements", "no value has more elements than this"),
    ("max-keys", "there are no more keys than this"),
    ("require-ttl", "keys with this prefix expire"),
    ("forbid-type", "no key is of this type"),
    ("forbid-prefix", "no key begins with this"),
    ("max-age", "the source is no older than this"),
    ("expect-db", "all keys are in these databases"),
    ("loads-in", "this server loads it and loses nothing"),
];

impl Policy {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.rules().is_empty()
    }

    /// The codes of the rules that are asked.
    pub fn rules(&self) -> Vec<&'static str> {
        let asked = [
            self.max_key_bytes.is_some(),
            self.max_elements.is_some(),
            self.max_keys.is_some(),
            !self.require_ttl.is_empty(),
            !self.forbid_types.is_empty(),
            !self.forbid_prefixes.is_empty(),
            self.max_age_ms.is_some(),
            !self.expect_dbs.is_empty(),
            !self.loads_in.is_empty(),
        ];
        RULES.iter().zip(asked).filter(|(_, asked)| *asked).map(|((code, _), _)| *code).collect()
    }

    fn severity(&self, code: &str) -> Severity {
        match self.warn.iter().any(|one| one == code) {
            true => Severity::Warning,
            false => Severity::Error,
        }
    }

    fn finding(&self, code: &'static str, expected: String, found: String) -> Finding {
        Finding {
            severity: self.severity(code),
            code,
            file: String::new(),
            offset: None,
            db: None,
            key: None,
            doing: String::new(),
            expected,
            found,
            server: "",
            advice: "",
        }
    }
}

/// What a judgement needs to know besides the policy.
pub(super) struct Judge<'a> {
    pub(super) policy: &'a Policy,
    /// Which keys it is asked of.
    pub(super) filter: &'a Filter,
    pub(super) now_ms: i64,
    pub(super) skip_unknown: bool,
    pub(super) threads: usize,
    pub(super) max_findings: usize,
    pub(super) open: &'a OpenOptions,
    /// The last time that a log itself gives, in unix seconds.
    pub(super) last_secs: Option<u64>,
    /// When the file was changed last, for sources that do not say themselves how old they are.
    pub(super) changed_ms: Option<i64>,
}

impl Judge<'_> {
    /// Asks the rules of an opened source; `header` has magic and version of its snapshot, if it has
    /// one, as servers look at it first.
    pub(super) fn judge(
        &self,
        source: Source,
        header: Option<Header>,
        observer: &dyn Observer,
    ) -> Result<PolicyReport> {
        let name = source.name.clone();
        let options = WalkOptions {
            threads: self.threads,
            checksum: false,
            now_ms: Some(self.now_ms),
            skip_unknown: self.skip_unknown,
            ..WalkOptions::default()
        };
        let mut root = PolicyTally::new(self);
        // Where it breaks off, the check has said so; the keys before that are judged.
        snapshot::walk(
            source,
            self.open,
            &|| PolicyTally::new(self),
            &mut root,
            &options,
            observer,
        )?;
        Ok(self.report(&name, root, header))
    }

    /// What there is to say when all keys were seen.
    pub(super) fn report(
        &self,
        name: &str,
        seen: PolicyTally<'_>,
        header: Option<Header>,
    ) -> PolicyReport {
        let PolicyTally { mut findings, keys, all, ctime_secs, loaders, .. } = seen;
        let findings = &mut findings;
        self.count(keys, findings);
        self.age(ctime_secs, findings);
        for loader in loaders {
            loader.findings(header, |expected, found, key| {
                let mut finding = self.policy.finding("loads-in", expected, found);
                if let Some((db, key)) = key {
                    (finding.db, finding.key) = (Some(db), Some(key));
                }
                findings.add(finding.explained(
                    "",
                    "`rdbkit convert --target` writes what that server loads, and lists what it cannot hold",
                ));
            });
        }
        let filtered_from = (!self.filter.is_empty()).then_some(all);
        let rules = self.policy.rules();
        let mut report = PolicyReport { rules, keys, filtered_from, ..PolicyReport::default() };
        let mut of_rules = std::mem::take(&mut findings.0);
        // What is to be mended stands in front of what is only to be known.
        for severity in [Severity::Error, Severity::Warning] {
            for rule in report.rules.iter().filter(|rule| self.policy.severity(rule) == severity) {
                let Some(of_rule) = of_rules.remove(rule) else { continue };
                let (listed, unlisted) = of_rule.into_parts();
                report.findings.extend(listed);
                report.unlisted.add(unlisted);
                report.unlisted_of.insert(rule, unlisted);
            }
        }
        for finding in &mut report.findings {
            name.clone_into(&mut finding.file);
        }
        report
    }

    fn count(&self, keys: u64, findings: &mut ByRule) {
        if let Some(most) = self.policy.max_keys.filter(|&most| keys > most) {
            let (expected, found) = (at_most(most, "key"), plural(keys, "key"));
            findings.add(self.policy.finding("max-keys", expected, found));
        }
    }

    /// A log is as old as its last annotation says, a snapshot as its writer says; a file that says
    /// nothing is as old as its last change.
    fn age(&self, ctime_secs: Option<i64>, findings: &mut ByRule) {
        let Some(most) = self.policy.max_age_ms else { return };
        let said_ms = |secs: i64| secs.saturating_mul(1000);
        let last_secs = self.last_secs.map(|secs| i64::try_from(secs).unwrap_or(i64::MAX));
        let made = [
            (last_secs.map(said_ms), "by its last annotation"),
            (ctime_secs.map(said_ms), "by its ctime"),
            (self.changed_ms, "by its last change"),
        ];
        let found = match made.iter().find_map(|(made_ms, by)| Some((made_ms.as_ref()?, by))) {
            None => "no time in it, and no file that has one".to_owned(),
            Some((made_ms, by)) => {
                let age = u64::try_from(self.now_ms.saturating_sub(*made_ms)).unwrap_or(0);
                if age <= most {
                    return;
                }
                format!("{} old {by}", span(age))
            }
        };
        findings.add(self.policy.finding("max-age", format!("at most {} old", span(most)), found));
    }
}

/// `at most 1 key`, `at most 5 keys`.
fn at_most(most: u64, one: &str) -> String {
    format!("at most {}", plural(most, one))
}

fn plural(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// The findings of each rule, up to the limit for each: a rule that many keys break hides no other.
struct ByRule(BTreeMap<&'static str, Findings>, usize);

impl ByRule {
    fn add(&mut self, finding: Finding) {
        let limit = self.1;
        self.0.entry(finding.code).or_insert_with(|| Findings::new(limit)).add(finding);
    }

    fn append(&mut self, later: ByRule) {
        for (code, findings) in later.0 {
            self.0.entry(code).or_insert_with(|| Findings::new(later.1)).append(findings);
        }
    }
}

/// What the rules are asked of, key by key.
pub(super) struct PolicyTally<'a> {
    judge: &'a Judge<'a>,
    findings: ByRule,
    /// The keys that pass the filter, and all keys.
    keys: u64,
    all: FilteredFrom,
    ctime_secs: Option<i64>,
    /// One for each server that is asked.
    loaders: Vec<Loader>,
}

/// Room of a thread, one for each server.
#[derive(Default)]
pub(super) struct Room(BTreeMap<usize, LoaderRoom>);

impl<'a> PolicyTally<'a> {
    pub(super) fn new(judge: &'a Judge<'a>) -> Self {
        PolicyTally {
            judge,
            findings: ByRule(BTreeMap::new(), judge.max_findings),
            keys: 0,
            all: FilteredFrom::default(),
            ctime_secs: None,
            loaders: judge.policy.loads_in.iter().map(|target| Loader::new(*target)).collect(),
        }
    }

    fn broken(
        &mut self,
        code: &'static str,
        entry: &Entry<'_>,
        key: &[u8],
        expected: String,
        found: String,
    ) {
        let mut finding = self.judge.policy.finding(code, expected, found);
        // The keys of a log that was run lie nowhere.
        finding.offset = (entry.offset > 0).then_some(entry.offset);
        (finding.db, finding.key) = (Some(entry.db), Some(key.to_vec()));
        self.findings.add(finding);
    }
}

impl Tally for PolicyTally<'_> {
    type Room = Room;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Room) -> Result<()> {
        self.all.add(entry.size_bytes());
        // What cannot be unpacked is a finding of the check.
        if !self.judge.filter.matches(entry).unwrap_or_default() {
            return Ok(());
        }
        self.keys += 1;
        let policy = self.judge.policy;
        let Ok(key) = entry.key_bytes() else { return Ok(()) };
        if let Some(most) = policy.max_key_bytes
            && entry.size_bytes() > most
        {
            let found = plural(entry.size_bytes(), "byte");
            self.broken("max-key-bytes", entry, &key, at_most(most, "byte"), found);
        }
        if let Some(most) = policy.max_elements
            && let Ok(shape) = entry.shape()
            && shape.elements > most
        {
            let found = plural(shape.elements, "element");
            self.broken("max-elements", entry, &key, at_most(most, "element"), found);
        }
        if entry.expires_at_ms.is_none()
            && let Some(prefix) = policy.require_ttl.iter().find(|p| key.starts_with(p))
        {
            let expected = format!("an expiry, as for all of {}", quoted(prefix));
            self.broken("require-ttl", entry, &key, expected, "none".to_owned());
        }
        let kind = entry.value_type.kind();
        if policy.forbid_types.contains(&kind) {
            let expected = format!("no {}", kind.name());
            self.broken("forbid-type", entry, &key, expected, format!("a {}", kind.name()));
        }
        if let Some(prefix) = policy.forbid_prefixes.iter().find(|p| key.starts_with(p)) {
            let expected = format!("no key that begins with {}", quoted(prefix));
            self.broken("forbid-prefix", entry, &key, expected, "one".to_owned());
        }
        let expected = |db| policy.expect_dbs.iter().any(|dbs| dbs.contains(&db));
        if !policy.expect_dbs.is_empty() && !expected(entry.db) {
            let name = |dbs: &RangeInclusive<u64>| match (dbs.start(), dbs.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            };
            let dbs: Vec<_> = policy.expect_dbs.iter().map(name).collect();
            let expected = format!("keys in database {}", dbs.join(", "));
            self.broken("expect-db", entry, &key, expected, format!("database {}", entry.db));
        }
        for (index, loader) in self.loaders.iter_mut().enumerate() {
            loader.entry(entry, room.0.entry(index).or_default())?;
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, _: u64, _: &mut Room) -> Result<()> {
        if let Record::Aux { name, value } = record
            && name.to_cow().is_ok_and(|name| name.eq_ignore_ascii_case(b"ctime"))
        {
            let value = value.to_cow().ok();
            let text = value.as_deref().and_then(|value| str::from_utf8(value).ok());
            self.ctime_secs = text.and_then(|text| text.parse().ok());
        }
        self.loaders.iter_mut().for_each(|loader| loader.record(record));
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.findings.append(later.findings);
        self.keys += later.keys;
        self.all.merge(later.all);
        self.ctime_secs = self.ctime_secs.or(later.ctime_secs);
        self.loaders.iter_mut().zip(later.loaders).for_each(|(all, one)| all.merge(one));
        Ok(())
    }
}
