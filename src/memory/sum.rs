//! A value that is walked: what it would take packed, and what its strings take apart.

use super::blocks::{roomy_string, string};
use super::rules::FieldRule;
use super::{EMPTY_BYTES, Elem, Estimator, Item, Target, entry_bytes};
use crate::bytes::number::{ScoreText, integer};

/// Fields and values are one block up to here.
const TOGETHER: u64 = 128;
/// What an expiry takes in a block of field and value: in Redis, in Valkey.
const EXPIRY: u64 = 16;
const EXPIRY_VALKEY: u64 = 8;

/// What was seen of a value's elements.
#[derive(Debug)]
pub(super) struct Sum {
    /// Members, fields.
    pub(super) count: u64,
    /// Those with an expiry of their own.
    pub(super) expiring: u64,
    /// The longest element, and how many members came before the first that is too long to be
    /// packed in a hash.
    pub(super) longest: u64,
    pub(super) before_long: Option<u64>,
    /// All of them as a listpack.
    pub(super) packed: u64,
    /// Whether all are integers, and between which.
    pub(super) all_integers: bool,
    pub(super) least: i64,
    pub(super) most: i64,
    /// What they take apart from a table, means included.
    pub(super) apart: f64,
}

impl Default for Sum {
    fn default() -> Self {
        Sum {
            count: 0,
            expiring: 0,
            longest: 0,
            before_long: None,
            packed: EMPTY_BYTES,
            all_integers: true,
            least: 0,
            most: 0,
            apart: 0.0,
        }
    }
}

impl Sum {
    fn element(&mut self, elem: Elem<'_>) {
        self.longest = self.longest.max(elem.len());
        self.packed = self.packed.saturating_add(entry_bytes(elem));
    }

    /// Takes in a member, a member with its score, or a field.
    pub(super) fn add(&mut self, item: Item<'_>, estimator: &Estimator) {
        let blocks = &estimator.blocks;
        self.apart += match item {
            Item::Member(member) => {
                self.element(member);
                self.range(member);
                blocks.text(member.len()) as f64
            }
            Item::Scored { member, score } => {
                self.element(member);
                self.packed = self.packed.saturating_add(score_bytes(score));
                blocks.skiplist_node(member.len())
            }
            Item::Field { field, value, expires_at_ms } => {
                self.element(field);
                self.element(value);
                if self.longest > estimator.profile.server.limits.hash_value as u64 {
                    self.before_long.get_or_insert(self.count);
                }
                // An expiry is an integer of eight bytes in a listpack, or 0.
                self.packed += if expires_at_ms.is_some() { 10 } else { 2 };
                let expires = expires_at_ms.is_some();
                self.expiring += u64::from(expires);
                estimator.field(field.len(), value.len(), expires) as f64
            }
            _ => return,
        };
        self.count += 1;
    }

    fn range(&mut self, member: Elem<'_>) {
        let number = match member {
            Elem::Int(n) => Some(n),
            Elem::Bytes(text) => integer(text),
        };
        match number {
            Some(n) => (self.least, self.most) = (self.least.min(n), self.most.max(n)),
            None => self.all_integers = false,
        }
    }

    /// The members as an intset.
    pub(super) fn intset_bytes(&self) -> u64 {
        let fits = |low: i64, high: i64| self.least >= low && self.most <= high;
        let width = if fits(i16::MIN.into(), i16::MAX.into()) {
            2
        } else if fits(i32::MIN.into(), i32::MAX.into()) {
            4
        } else {
            8
        };
        8 + self.count.saturating_mul(width)
    }
}

/// A score in a listpack: a whole number as such, else its text.
fn score_bytes(score: f64) -> u64 {
    let text = ScoreText::Grisu2.reply(score);
    entry_bytes(Elem::Bytes(text.as_bytes()))
}

impl Estimator {
    /// A field and its value in a large hash, without the table's part.
    fn field(&self, field: u64, value: u64, expires: bool) -> u64 {
        let blocks = &self.blocks;
        let target: &Target = &self.profile.server;
        let is_valkey = target.product == crate::rdb::Product::Valkey;
        match blocks.rules.fields {
            FieldRule::Apart => {
                let name = match expires {
                    // The block of the name begins with the expiry.
                    true => blocks.block(string(field).saturating_add(EXPIRY + 2)),
                    false => blocks.text(field),
                };
                name.saturating_add(blocks.text(value))
            }
            FieldRule::Together { by_length } => {
                let expiry = match (expires, is_valkey) {
                    (false, _) => 0,
                    (true, false) => EXPIRY,
                    (true, true) => EXPIRY_VALKEY,
                };
                let counted = |bytes: u64| if by_length { bytes } else { blocks.block(bytes) };
                // A name that has more beside it than a short value says so in its head.
                let plain = if expires { roomy_string(field) } else { string(field) };
                let both = (expiry + plain).saturating_add(roomy_string(value));
                if both <= TOGETHER {
                    return counted(both);
                }
                counted((expiry + 8).saturating_add(roomy_string(field)))
                    .saturating_add(blocks.text(value))
            }
        }
    }
}
