//! Afterwards: does the target have what the source has?
//!
//! Each key that is looked at is asked for by DUMP, and compared by the digest of its value, which
//! does not depend on how either side stores it; and by its time to live, and its fields'. Keys that
//! were refused, left alone, or sent without something that the target has no notion of, are left
//! out: those are listed already.

use std::ops::ControlFlow;
use std::time::Duration;

use redis::Value;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Plan;
use super::batch::LATER_MS;
use super::inquiry::{Inquiry, Shown};
use super::keys::Keys;
use super::ledger::{Ledger, hash_of};
use super::masters::each_master;
use crate::digest::{Profile, value_digest, value_digest_at};
use crate::error::{Error, Result};
use crate::live::{Failure, ServerInfo, reply_of};
use crate::ops::clock::now_ms;
use crate::ops::walk::{Observer, Tally};
use crate::rdb::{Dump, Entry, Scratch};
use crate::report::load::{Difference, VerifyReport};
use crate::target::live::Route;
use crate::value::{Item, Kind};

/// How many keys a sample has, about.
const SAMPLE: u64 = 1000;
/// How many keys are asked for at a time.
const ASKED: usize = 256;
/// And about how many bytes of them.
const ASKED_BYTES: u64 = 4 << 20;
/// How many differences are kept.
const SHOWN: usize = 100;
/// How often keys of a Cluster whose number is wrong are counted again, and when.
const RECOUNTS: u32 = 10;
const RECOUNT_AFTER: Duration = Duration::from_millis(200);
/// How far two clocks may be apart.
const CLOCKS_MS: i64 = 2000;

/// What is compared.
pub(super) struct Asked<'a> {
    pub(super) plan: &'a Plan<'a>,
    /// Every key, rather than some.
    pub(super) all: bool,
    pub(super) ledger: &'a Ledger,
    /// Whether the target had no keys before, so that they can be counted.
    pub(super) was_empty: bool,
}

impl Asked<'_> {
    /// Of a sample, whether a key is in it.
    fn takes(&self, hash: u64) -> bool {
        let keys = self.ledger.arrived() + self.ledger.before_keys;
        self.all || hash.is_multiple_of((keys / SAMPLE).max(1))
    }
}

/// What a key should be.
struct Wanted {
    database: u32,
    key: Vec<u8>,
    digest: String,
    /// When its fields expire.
    fields: u64,
    /// Whether a server would hold it at all.
    exists: bool,
    expires_at_ms: Option<i64>,
    size_bytes: u64,
}

/// Compares.
pub(super) fn verify(
    keys: Keys,
    asked: &Asked<'_>,
    route: &mut dyn Route,
    observer: &dyn Observer,
) -> Result<VerifyReport> {
    let fresh =
        || Looks { asked, wanted: Vec::new(), beyond: 0, names: Names::default(), root: None };
    let mut seen = Seen::new(asked, route, observer);
    {
        let mut root = Looks { root: Some(&mut seen), ..fresh() };
        keys.walk(asked.plan.options, &fresh, &mut root, observer)?;
        root.flush()?;
        let names = std::mem::take(&mut root.names);
        seen.names = Some(names);
    }
    if let Some(names) = &mut seen.names {
        seen.report.same_names = names.repeated();
    }
    if asked.was_empty {
        seen.count()?;
    }
    Ok(seen.report)
}

/// Counts the keys, where the target had none before, and compares none of them.
pub(super) fn counted(
    asked: &Asked<'_>,
    route: &mut dyn Route,
    observer: &dyn Observer,
) -> Result<Option<VerifyReport>> {
    let mut seen = Seen::new(asked, route, observer);
    if !asked.was_empty {
        return Ok(None);
    }
    seen.count()?;
    Ok(Some(VerifyReport { only_counted: true, ..seen.report }))
}

/// The keys that were sent, as far as their number is concerned.
#[derive(Default)]
struct Names {
    /// When those expire that may be gone when keys are counted.
    expiries: Vec<i64>,
    /// Those whose fields expire, which may be all of them.
    fading: u64,
    /// Hashes of all, where two may get the same name.
    hashes: Vec<u64>,
}

impl Names {
    fn merge(&mut self, later: Names) {
        self.expiries.extend(later.expiries);
        self.fading += later.fading;
        self.hashes.extend(later.hashes);
    }

    /// How many have the name of another one.
    fn repeated(&mut self) -> u64 {
        let all = self.hashes.len();
        self.hashes.sort_unstable();
        self.hashes.dedup();
        (all - self.hashes.len()) as u64
    }

    /// How many may be gone at a time.
    fn gone_at(&self, now_ms: i64) -> u64 {
        let gone = self.expiries.iter().filter(|&&at| at <= now_ms.saturating_add(CLOCKS_MS));
        self.fading + gone.count() as u64
    }
}

struct Seen<'a> {
    asked: &'a Asked<'a>,
    inquiry: Inquiry<'a>,
    /// What the source was found to have; without it, nothing but numbers is known.
    names: Option<Names>,
    report: VerifyReport,
    scratch: Scratch,
}

struct Looks<'a, 's> {
    asked: &'a Asked<'a>,
    wanted: Vec<Wanted>,
    /// Keys whose digest nobody computes.
    beyond: u64,
    names: Names,
    root: Option<&'s mut Seen<'a>>,
}

impl Tally for Looks<'_, '_> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        let plan = self.asked.plan;
        if !plan.options.filter.is_empty() && !plan.options.filter.matches(entry)? {
            return Ok(());
        }
        if plan.drops(entry) {
            return Ok(());
        }
        let key = plan.key(entry)?;
        let database = plan.database(entry.db)?;
        let hash = hash_of(database, &key);
        if self.asked.ledger.apart.contains(&hash) {
            return Ok(());
        }
        let expires_at_ms = plan.expiry(entry);
        self.names.expiries.extend(expires_at_ms.filter(|&at| at < now_ms() + LATER_MS));
        self.names.fading += u64::from(entry.value_type.has_field_expiry());
        if plan.joins_names() {
            self.names.hashes.push(hash);
        }
        if !self.asked.takes(hash) {
            return Ok(());
        }
        // The digest marks what expires, and the target may have dropped what has.
        let mut plain = entry.clone();
        plain.expires_at_ms = None;
        let digest = match value_digest(&plain, &Profile::NEWEST_REDIS, room) {
            // A server would hang over it, and so would this program.
            Err(Error::Limit { .. }) => {
                self.beyond += 1;
                return Ok(());
            }
            digest => digest?,
        };
        let shift_ms = plan.options.ttl_shift_ms;
        let now_ms = Some(now_ms().saturating_sub(shift_ms));
        // Fields that have expired, there and then, may be there or not.
        let lasts = entry.value_type.kind() != Kind::Hash
            || value_digest_at(&plain, &Profile::NEWEST_REDIS, now_ms, room)? == digest;
        if digest.covered && lasts {
            self.wanted.push(Wanted {
                database,
                key: key.into_owned(),
                digest: digest.sum.to_string(),
                fields: field_times(entry, shift_ms, room)?,
                exists: digest.exists,
                expires_at_ms,
                size_bytes: entry.size_bytes(),
            });
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.wanted.extend(later.wanted);
        self.names.merge(later.names);
        self.beyond += later.beyond;
        if self.root.is_some() && self.wanted.len() >= ASKED { self.flush() } else { Ok(()) }
    }
}

impl Looks<'_, '_> {
    fn flush(&mut self) -> Result<()> {
        let wanted = std::mem::take(&mut self.wanted);
        match &mut self.root {
            Some(seen) => {
                seen.report.not_comparable += std::mem::take(&mut self.beyond);
                let (mut bytes, mut keys) = (0, 0);
                // As many as are answered in one go without taking much room.
                wanted
                    .chunk_by(|_, next| {
                        bytes += next.size_bytes;
                        keys += 1;
                        let fits = keys < ASKED && bytes < ASKED_BYTES;
                        if !fits {
                            (bytes, keys) = (0, 0);
                        }
                        fits
                    })
                    .try_for_each(|wanted| seen.compare(wanted))
            }
            None => Ok(()),
        }
    }
}

impl<'a> Seen<'a> {
    fn new(asked: &'a Asked<'a>, route: &'a mut dyn Route, observer: &'a dyn Observer) -> Self {
        let plan = asked.plan;
        Seen {
            asked,
            inquiry: Inquiry::new(route, &plan.options.courier, plan.has_slots, observer),
            names: None,
            report: VerifyReport { all: asked.all, ..VerifyReport::default() },
            scratch: Scratch::default(),
        }
    }

    /// Counts the keys of all masters. Those that expire may have done so.
    fn count(&mut self) -> Result<()> {
        let ledger = self.asked.ledger;
        let most = ledger.arrived().saturating_sub(self.report.same_names);
        let mut found = self.inquiry.patiently(keys_of_all)?;
        let least = most.saturating_sub(match &self.names {
            Some(names) => names.gone_at(now_ms()),
            // A key that is sent twice, under one name, is one key.
            None if self.asked.plan.joins_names() => most,
            None => ledger.counts.expiring,
        });
        // A key whose slot moves meanwhile may be counted twice, or not at all.
        for _ in 0..RECOUNTS {
            if (least..=most).contains(&found) || !self.asked.plan.has_slots {
                break;
            }
            self.inquiry.wait(RECOUNT_AFTER)?;
            found = self.inquiry.patiently(keys_of_all)?;
        }
        self.report.keys_expected = Some(most);
        self.report.keys_found = Some(found);
        self.report.counts_differ = !(least..=most).contains(&found);
        Ok(())
    }

    fn compare(&mut self, wanted: &[Wanted]) -> Result<()> {
        let keys: Vec<(u32, &[u8])> =
            wanted.iter().map(|want| (want.database, want.key.as_slice())).collect();
        for (want, shown) in wanted.iter().zip(self.inquiry.ask(&keys)?) {
            may_be_asked(&shown)?;
            self.report.compared += 1;
            if let Some(what) = self.difference(want, &shown)? {
                self.report.different += 1;
                if self.report.differences.len() < SHOWN {
                    self.report.differences.push(Difference {
                        db: want.database,
                        key: want.key.clone(),
                        what,
                    });
                }
            }
        }
        Ok(())
    }

    fn difference(&mut self, want: &Wanted, shown: &Shown) -> Result<Option<String>> {
        let Shown { dump, ttl, at_ms: now_ms } = shown;
        let gone_by = |at: i64| at <= *now_ms + CLOCKS_MS;
        let payload = match dump {
            Value::BulkString(payload) => payload,
            Value::Nil => {
                let may_be_gone = !want.exists || want.expires_at_ms.is_some_and(gone_by);
                return Ok((!may_be_gone).then(|| "it is not there".to_owned()));
            }
            Value::ServerError(error) => {
                let words = reply_of(error).words;
                return Ok(Some(format!("the server does not show it: {words}")));
            }
            _ => return Ok(Some("the server answers something else than a payload".to_owned())),
        };
        let found = Dump::parse(payload).map_err(Error::from)?;
        let digest = match value_digest(&found.entry, &Profile::NEWEST_REDIS, &mut self.scratch) {
            // That of the source can be computed.
            Err(Error::Limit { .. }) => return Ok(Some("its value differs".to_owned())),
            digest => digest?,
        };
        if digest.sum.to_string() != want.digest {
            return Ok(Some("its value differs".to_owned()));
        }
        if field_times(&found.entry, 0, &mut self.scratch)? != want.fields {
            return Ok(Some("its fields expire at other times than they should".to_owned()));
        }
        let Value::Int(ttl) = *ttl else { return Ok(Some("its time to live is not told".into())) };
        Ok(match (want.expires_at_ms, ttl) {
            (None, -1) => None,
            (None, _) => Some("it expires, and should not".to_owned()),
            (Some(_), -1) => Some("it does not expire, and should".to_owned()),
            (Some(at), _) if gone_by(at) => None,
            (Some(at), ttl) => ((now_ms + ttl - at).abs() > CLOCKS_MS)
                .then(|| format!("it expires {} ms later than it should", now_ms + ttl - at)),
        })
    }
}

/// Fails where the user has no right to ask: that says nothing of the keys.
fn may_be_asked(shown: &Shown) -> Result<()> {
    for answer in [&shown.dump, &shown.ttl] {
        let Value::ServerError(error) = answer else { continue };
        let reply = reply_of(error);
        if reply.code() == "NOPERM" {
            return Err(Error::Usage(format!(
                "all has arrived, and none of it could be compared: {reply}; the user needs +dump \
                 +pttl for that, and ~* or the keys that are replayed (ACL SETUSER); --verify none \
                 does without"
            )));
        }
    }
    Ok(())
}

/// A number for when the fields of a hash expire, in whatever order they come.
fn field_times(entry: &Entry<'_>, shift_ms: i64, scratch: &mut Scratch) -> Result<u64> {
    let mut sum = 0_u64;
    if entry.value_type.has_field_expiry() {
        entry.visit(scratch, |item| {
            if let Item::Field { field, expires_at_ms: Some(at), .. } = item.later(shift_ms) {
                let mut spelled = itoa::Buffer::new();
                sum = sum.wrapping_add(xxh3_64_with_seed(field.bytes(&mut spelled), at));
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(sum)
}

/// The keys of all masters.
fn keys_of_all(route: &mut dyn Route) -> std::result::Result<u64, Failure> {
    let mut found = 0;
    each_master(route, |route, lane, _| {
        let info = ServerInfo::of(&mut route.open(lane)?)?;
        found += info.keys.iter().map(|(_, keys)| keys).sum::<u64>();
        Ok::<_, Failure>(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::write::{Sink, hash};
    use crate::value::Elem;

    #[test]
    fn fields_that_expire_at_other_times_are_seen() {
        let times = |fields: &[(&str, Option<u64>)], shift_ms: i64| {
            let mut sink = Sink::new(true);
            let fields = fields.iter().map(|(field, expires)| {
                (Elem::Bytes(field.as_bytes()), Elem::Bytes(b"v"), *expires)
            });
            let ty = hash(&mut sink, &"redis:8.0".parse().unwrap(), fields).unwrap();
            let entry = Entry::of_body(b"key", ty, &sink.out, 0);
            field_times(&entry, shift_ms, &mut Scratch::default()).unwrap()
        };
        let one = times(&[("a", Some(5000)), ("b", None), ("c", Some(7000))], 0);
        assert_eq!(times(&[("c", Some(7000)), ("a", Some(5000)), ("b", None)], 0), one);
        assert_eq!(times(&[("a", Some(4000)), ("b", None), ("c", Some(6000))], 1000), one);
        assert_ne!(times(&[("a", Some(7000)), ("b", None), ("c", Some(5000))], 0), one);
        assert_ne!(times(&[("a", Some(5000)), ("b", Some(7000)), ("c", None)], 0), one);
        assert_eq!(times(&[("a", None), ("b", None)], 1000), 0);
    }
}
