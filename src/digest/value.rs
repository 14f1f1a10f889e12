//! The digest of one value, as DEBUG DIGEST-VALUE computes it.
//!
//! ```text
//! mix(D, type u32 BE)
//! string, list   mix each element           set          xor each member
//! sorted set     e ← 0; mix(e, member); mix(e, score text); xor(D, e)
//! hash           e ← 0; mix(e, field); mix(e, value); [xor(e, "!!hexpire!!")]; xor(D, e)
//! stream         mix "ms.seq", then each field and value, of the live entries
//! array          mix each cell from 0 to the highest index, a hole as "(null)"
//! module         xor(D, what its callback computes)
//! [xor(D, "!!expire!!")]
//! ```
//!
//! The danger are arrays: the time is linear in the highest index, of which ten bytes can name
//! 2^64. The server hangs; here a limit on holes ends it with an error.

use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::array;
use super::hex::Hex;
use super::profile::Profile;
use super::sum::Sum;
use super::vector_set::VectorSet;
use crate::bytes::number::ScoreText;
use crate::error::{Error, Result};
use crate::rdb::{Entry, ModuleId, Scratch, Target, ValueType};
use crate::value::{Elem, Item, Kind, ModuleItem};

/// The default of `zset-max-listpack-entries`.
const PACKED_MEMBERS: u64 = 128;
/// The default of `zset-max-listpack-value`.
const PACKED_MEMBER_BYTES: u64 = 64;

/// Hashes of what is fixed.
struct Marks {
    /// The type numbers, by kind.
    types: [Sum; 8],
    expire: Sum,
    field_expire: Sum,
    hole: Sum,
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| Marks {
    types: std::array::from_fn(|n| Sum::of(&(n as u32).to_be_bytes())),
    expire: Sum::of(b"!!expire!!"),
    field_expire: Sum::of(b"!!hexpire!!"),
    hole: Sum::of(b"(null)"),
});

/// The number that a kind has in the servers' tables.
fn type_number(kind: Kind) -> usize {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::SortedSet => 3,
        Kind::Hash => 4,
        Kind::Module => 5,
        Kind::Stream => 6,
        Kind::Array => 7,
    }
}

/// What DEBUG DIGEST-VALUE answers for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueDigest {
    /// Forty digits. All zeros for a container without elements: a server drops such a key.
    pub sum: Hex<20>,
    /// Whether a server would hold the key at all.
    pub exists: bool,
    /// Whether the contents are in it: those of a module value are not, unless its own digest
    /// callback is known.
    pub covered: bool,
}

/// The digest of a key's value as the server of `profile` answers it. The key's name and database
/// are not part of it.
///
/// Fails where the value is corrupt, and ([`Error::Limit`]) for an array with more holes than
/// `Options::default().max_array_holes`, at which the server would hang.
pub fn value_digest(
    entry: &Entry<'_>,
    profile: &Profile,
    scratch: &mut Scratch,
) -> Result<ValueDigest> {
    value_digest_at(entry, profile, None, scratch)
}

/// Like [`value_digest`], without the fields of a hash that had expired by `now_ms` (unix time in
/// milliseconds); a hash that has no others does not exist.
pub fn value_digest_at(
    entry: &Entry<'_>,
    profile: &Profile,
    now_ms: Option<i64>,
    scratch: &mut Scratch,
) -> Result<ValueDigest> {
    let holes = AtomicU64::new(super::Options::default().max_array_holes);
    let rules = Rules::new(profile, now_ms, None);
    let outcome = digest(Sum::default(), entry, &rules, &holes, scratch)?;
    let (sum, exists, covered) = match outcome {
        Some(Outcome { sum, covered }) => (sum, true, covered),
        None => (Sum::default(), false, true),
    };
    Ok(ValueDigest { sum: Hex(sum.bytes()), exists, covered })
}

/// What a profile means for values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    score_text: ScoreText,
    /// The latest time at which a field can expire whose expiry shows.
    field_marks_until_ms: Option<u64>,
    packs_minus_zero: bool,
    /// Fields that expire before this time are left out.
    fields_from_ms: Option<i64>,
}

impl Rules {
    /// `now_ms` is the time of a load by a primary, if what it drops shall be dropped; `held_by`
    /// the server that the value is for, if what it cannot hold shall be.
    pub(super) fn new(profile: &Profile, now_ms: Option<i64>, held_by: Option<Target>) -> Self {
        let latest = held_by.map_or(Some(u64::MAX), |target| target.latest_field_expiry_ms());
        Rules {
            score_text: profile.score_text(),
            field_marks_until_ms: latest.filter(|_| profile.marks_expiring_fields()),
            packs_minus_zero: profile.packs_minus_zero(),
            fields_from_ms: now_ms,
        }
    }
}

/// The digest of a value that a server would hold.
pub(super) struct Outcome {
    pub(super) sum: Sum,
    pub(super) covered: bool,
}

/// Mixes a value into `start`; nothing for a container without elements. `holes` is what is left
/// of the holes that arrays may have.
pub(super) fn digest(
    start: Sum,
    entry: &Entry<'_>,
    rules: &Rules,
    holes: &AtomicU64,
    scratch: &mut Scratch,
) -> Result<Option<Outcome>> {
    let marks = &*MARKS;
    let kind = entry.value_type.kind();
    let mut sum = start;
    sum.mix_sum(marks.types.get(type_number(kind)).copied().unwrap_or_default());

    let (mut sum, exists, covered) = if kind == Kind::Array {
        let (sum, exists) = array(sum, entry, holes, scratch)?;
        (sum, exists, true)
    } else {
        let mut value = Value {
            sum,
            elements: 0,
            rules,
            marks,
            longest: 0,
            unsigned: Sum::default(),
            module: Module::Unknown,
        };
        entry.visit(scratch, |item| {
            value.item(item);
            ControlFlow::Continue(())
        })?;
        // Streams may be empty; modules are not ours to judge.
        let exists = value.elements > 0 || matches!(kind, Kind::Stream | Kind::Module);
        if matches!(entry.value_type, ValueType::SortedSet | ValueType::SortedSet2) {
            value.pack();
        }
        let covered = value.end(kind);
        (value.sum, exists, covered)
    };

    if expires_at_ms(entry).is_some() {
        sum.xor_sum(marks.expire);
    }
    Ok(exists.then_some(Outcome { sum, covered }))
}

/// When a key expires. A time of −1 is how servers say "never" to themselves, and a loader that
/// reads it from a file understands just that.
#[inline]
pub(super) fn expires_at_ms(entry: &Entry<'_>) -> Option<i64> {
    entry.expires_at_ms.filter(|ms| *ms != -1)
}

/// Whether a field had expired before `from_ms`, if that is asked at all.
#[inline]
pub(super) fn is_gone(expires_at_ms: Option<u64>, from_ms: Option<i64>) -> bool {
    match (expires_at_ms, from_ms) {
        (Some(ms), Some(from)) => u64::try_from(from).is_ok_and(|from| ms < from),
        _ => false,
    }
}

/// A value on its way.
struct Value<'r> {
    sum: Sum,
    elements: u64,
    rules: &'r Rules,
    marks: &'r Marks,
    /// The longest member of a sorted set.
    longest: u64,
    /// What changes in the sum if every −0 loses its sign.
    unsigned: Sum,
    module: Module,
}

enum Module {
    Unknown,
    VectorSet(Box<VectorSet>),
}

impl Value<'_> {
    #[inline]
    fn item(&mut self, item: Item<'_>) {
        match item {
            Item::Text(elem) | Item::Element(elem) => {
                self.elements += 1;
                self.sum.mix_sum(hash(elem));
            }
            Item::Member(elem) => {
                self.elements += 1;
                self.sum.xor_sum(hash(elem));
            }
            Item::Scored { member, score } => {
                self.elements += 1;
                self.longest = self.longest.max(member.len());
                let member = hash(member).hashed();
                let pair = |score| {
                    let mut pair = member;
                    pair.mix(&self.rules.score_text.digest(score));
                    pair.hashed()
                };
                let signed = pair(score);
                if score == 0.0 && score.is_sign_negative() {
                    let zero = pair(0.0);
                    self.unsigned.xor_sum(signed);
                    self.unsigned.xor_sum(zero);
                }
                self.sum.xor_sum(signed);
            }
            Item::Field { field, value, expires_at_ms } => {
                if is_gone(expires_at_ms, self.rules.fields_from_ms) {
                    return;
                }
                self.elements += 1;
                let mut pair = hash(field).hashed();
                pair.mix_sum(hash(value));
                let shown = |until| expires_at_ms.is_some_and(|at| at <= until);
                if self.rules.field_marks_until_ms.is_some_and(shown) {
                    pair.xor_sum(self.marks.field_expire);
                }
                self.sum.xor_sum(pair.hashed());
            }
            Item::StreamEntry { id, fields } => {
                self.elements += 1;
                let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
                let text = [ms.format(id.ms), seq.format(id.seq)].join(".");
                self.sum.mix(text.as_bytes());
                for (field, value) in fields.iter() {
                    self.sum.mix_sum(hash(field));
                    self.sum.mix_sum(hash(value));
                }
            }
            Item::Module(ModuleItem::Id(id)) => {
                self.module = match ModuleId(id).name().as_str() {
                    "vectorset" => Module::VectorSet(Box::default()),
                    _ => Module::Unknown,
                };
            }
            Item::Module(part) => {
                if let Module::VectorSet(set) = &mut self.module {
                    set.part(part);
                }
            }
            // The rest of a stream is not part of the server's digest.
            _ => {}
        }
    }

    /// Does to a sorted set what a loader does that finds it small enough for a listpack.
    fn pack(&mut self) {
        let small = self.elements <= PACKED_MEMBERS && self.longest <= PACKED_MEMBER_BYTES;
        if small && self.rules.packs_minus_zero {
            self.sum.xor_sum(self.unsigned);
        }
    }

    /// Adds what a module computed; says whether the contents are covered.
    fn end(&mut self, kind: Kind) -> bool {
        if kind != Kind::Module {
            return true;
        }
        match std::mem::replace(&mut self.module, Module::Unknown) {
            Module::Unknown => false,
            Module::VectorSet(set) => match set.finish() {
                Some(sum) => {
                    self.sum.xor_sum(sum.hashed());
                    true
                }
                None => false,
            },
        }
    }
}

/// SHA-1 of what a client would see.
#[inline]
fn hash(elem: Elem<'_>) -> Sum {
    Sum::of(elem.bytes(&mut itoa::Buffer::new()))
}

/// Mixes an array, holes included; says whether it has cells at all.
fn array(
    start: Sum,
    entry: &Entry<'_>,
    holes: &AtomicU64,
    scratch: &mut Scratch,
) -> Result<(Sum, bool)> {
    let marks = &*MARKS;
    let mut refused = None;
    let walked = array::cells(entry, scratch, (start, 0_u64), |(sum, next), index, text| {
        let gap = index.saturating_sub(*next);
        let spend = |left: u64| left.checked_sub(gap);
        if let Err(left) = holes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            refused = Some((gap, left));
            return ControlFlow::Break(());
        }
        for _ in 0..gap {
            sum.mix_sum(marks.hole);
        }
        sum.mix(text);
        // The highest index is 2^64 − 2.
        *next = index.saturating_add(1);
        ControlFlow::Continue(())
    })?;
    if let Some((asked, allowed)) = refused {
        let key = entry.key_bytes()?;
        let what = format!(
            "the server's digest walks every hole of an array (and hangs on many); the one in key \
             {} of database {}",
            crate::bytes::quoted(&key),
            entry.db
        );
        return Err(Error::Limit { what, asked, allowed });
    }
    let (sum, next) = walked.state;
    Ok((sum, next > 0))
}
