//! Sorted sets.
//!
//! ```text
//! up to 128 members of 64 bytes   listpack of member, score; ziplist up to Redis 6.2
//! else                            one by one, the highest score first; before 4.0 scores as text
//! ```
//!
//! In a listpack a whole score up to 2^62 is an integer, and so −0 becomes 0, as in the server; in
//! a ziplist it is text that may spell one.

use super::Sink;
use crate::bytes::number::ShortText;
use crate::rdb::{Target, ValueType};
use crate::value::Elem;

/// Whole scores up to this size are integers in a listpack.
const WHOLE: f64 = (1_u64 << 62) as f64;

/// Writes a sorted set, given in ascending order.
pub fn sorted_set<'a>(
    sink: &mut Sink,
    target: &Target,
    members: impl ExactSizeIterator<Item = (Elem<'a>, f64)> + DoubleEndedIterator + Clone,
) -> ValueType {
    let count = members.len();
    let limits = &target.limits;
    let short = |(elem, _): (Elem<'_>, f64)| elem.len() <= limits.zset_value as u64;
    if count <= limits.zset_entries && members.clone().all(short) {
        if target.has_listpacks() {
            sink.listpack.clear();
            for (member, score) in members {
                sink.listpack.push_elem(member);
                match packed_score(target, score) {
                    Packed::Int(n) => sink.listpack.push_int(n),
                    Packed::Text(text) => sink.listpack.push(&text),
                }
            }
            sink.flush_listpack();
            return ValueType::SortedSetListpack;
        }
        sink.ziplist.clear();
        for (member, score) in members {
            sink.ziplist.push_elem(member);
            sink.ziplist.push(&target.score_text().digest(score));
        }
        sink.flush_ziplist();
        return ValueType::SortedSetZiplist;
    }
    sink.length(count as u64);
    for (member, score) in members.rev() {
        sink.elem(member);
        if target.has_binary_scores() {
            sink.double(score);
        } else {
            sink.ascii_double(score);
        }
    }
    if target.has_binary_scores() { ValueType::SortedSet2 } else { ValueType::SortedSet }
}

enum Packed {
    Int(i64),
    Text(ShortText),
}

/// A score as an entry of a listpack.
fn packed_score(target: &Target, score: f64) -> Packed {
    if score.abs() <= WHOLE && score.trunc() == score {
        Packed::Int(score as i64)
    } else {
        Packed::Text(target.score_text().digest(score))
    }
}
