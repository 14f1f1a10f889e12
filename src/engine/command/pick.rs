//! Elements by chance: which places of a collection HRANDFIELD, SRANDMEMBER and SPOP take.

use hashbrown::HashSet;

use crate::engine::call::int;
use crate::engine::{Answer, Env, Failure};

/// Nobody needs a longer answer, and it has to fit into memory.
const MOST: u64 = 1 << 26;

/// How many, below zero for "and the same one may come again".
pub(super) fn count(arg: &[u8]) -> Answer<i64> {
    const BETWEEN: Failure = Failure::text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    match int(arg)? {
        i64::MIN => Err(BETWEEN),
        count => Ok(count),
    }
}

/// The places of so many elements among `len`: each at most once, in their order where all are
/// taken; or any, where `count` is below zero.
pub(super) fn places(count: i64, len: usize, env: &mut Env) -> Answer<Vec<usize>> {
    if count < 0 {
        if count.unsigned_abs() > MOST {
            return Err(Failure::Unsupported(format!("more than {MOST} elements by chance")));
        }
        return Ok((0..count.unsigned_abs()).map(|_| env.random(len)).collect());
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count < len / 8 {
        // Few among many: hardly any comes twice.
        let mut places = Vec::with_capacity(count);
        let mut seen = HashSet::with_capacity(count);
        while places.len() < count {
            let place = env.random(len);
            if seen.insert(place) {
                places.push(place);
            }
        }
        return Ok(places);
    }
    let mut places: Vec<usize> = (0..len).collect();
    if count < len {
        // As many steps of a shuffle as there are elements to take.
        for place in 0..count {
            let other = place + env.random(len - place);
            places.swap(place, other);
        }
        places.truncate(count);
    }
    Ok(places)
}
