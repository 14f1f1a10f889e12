//! VSIM: the elements nearest to a vector. All are looked at, as a server does with TRUTH; without
//! it a server answers with what its graph leads to, which for small sets is the same.

use super::add::{input_mismatch, mismatch, vector};
use super::filter::Filter;
use super::{get, number, wrong_count};
use crate::bytes::number::{integer, parse_double};
use crate::engine::call::is;
use crate::engine::vector_set::Nearest;
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

/// So many are answered where nobody says how many.
const USUAL_COUNT: u64 = 10;
/// A server looks for so many at least.
const LEAST_EFFORT: u64 = 100;

/// What stands behind the vector.
struct Options {
    with_scores: bool,
    with_attributes: bool,
    count: u64,
    epsilon: f64,
    effort: u64,
    filter: Option<Filter>,
}

impl Options {
    /// Redis 8.0.2 does not know WITHATTRIBS, and takes any EF; 8.6.3 and 8.10.2 are `newer`.
    fn parse(mut words: &[&[u8]], newer: bool) -> Answer<Self> {
        let positive =
            |arg: &[u8]| integer(arg).and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0);
        let mut options = Options {
            with_scores: false,
            with_attributes: false,
            count: USUAL_COUNT,
            epsilon: 2.0,
            effort: 0,
            filter: None,
        };
        while let [word, rest @ ..] = words {
            words = rest;
            match rest {
                _ if is(word, "WITHSCORES") => options.with_scores = true,
                _ if is(word, "WITHATTRIBS") && newer => options.with_attributes = true,
                _ if is(word, "TRUTH") || is(word, "NOTHREAD") => {}
                [count, rest @ ..] if is(word, "COUNT") => {
                    options.count = positive(count).ok_or(Failure::text("ERR invalid COUNT"))?;
                    words = rest;
                }
                [epsilon, rest @ ..] if is(word, "EPSILON") => {
                    let epsilon = parse_double(epsilon).filter(|&epsilon| epsilon > 0.0);
                    options.epsilon = epsilon.ok_or(Failure::text("ERR invalid EPSILON"))?;
                    words = rest;
                }
                [effort, rest @ ..] if is(word, "EF") => {
                    let effort = positive(effort).filter(|&effort| effort <= 1_000_000 || !newer);
                    options.effort = effort.ok_or(Failure::text("ERR invalid EF"))?;
                    words = rest;
                }
                [effort, rest @ ..] if is(word, "FILTER-EF") => {
                    positive(effort).ok_or(Failure::text("ERR invalid FILTER-EF"))?;
                    words = rest;
                }
                [filter, rest @ ..] if is(word, "FILTER") => {
                    options.filter = Some(Filter::parse(filter)?);
                    words = rest;
                }
                _ => return Err(Failure::text("ERR syntax error in VSIM command")),
            }
        }
        Ok(options)
    }
}

pub(super) fn similar(call: &mut Call<'_>) -> Answer {
    if call.argc() < 4 {
        return Err(wrong_count(call));
    }
    let version = call.env.target.version;
    let (words, number) = (call.rest(2), number(call));
    let Some(set) = get(call)? else { return Ok(Reply::Array(Vec::new())) };
    let form = set.form();
    let (components, taken) = match words {
        [word, name, ..] if is(word, "ELE") => {
            let element = set.get(name).ok_or(Failure::text("ERR element not found in set"))?;
            (element.vector.components(form.quantization, form.dimensions), 2)
        }
        words => vector(words)?,
    };
    let got = components.len();
    match set.projection() {
        _ if got == form.dimensions => {}
        Some(projection) if projection.columns() == got => {}
        Some(projection) => return Err(input_mismatch(got, projection.columns())),
        None => return Err(mismatch(got, form.dimensions)),
    }
    let newer = version >= (8, 2);
    let options = Options::parse(words.get(taken..).unwrap_or_default(), newer)?;
    let effort = if options.effort == 0 { LEAST_EFFORT } else { options.effort };
    let effort = usize::try_from(effort.max(options.count)).unwrap_or(usize::MAX);
    let to = set.stored(components);
    let filter = options.filter.as_ref();
    let nearest = set.nearest(&to, effort, |element| {
        filter.is_none_or(|filter| {
            element.attribute.as_ref().is_some_and(|attribute| filter.takes(attribute))
        })
    });
    // Kept in single precision; Redis 8.0.2 compares the distance itself, of 0 to 2.
    let epsilon = options.epsilon as f32;
    let share = if newer { 2.0 } else { 1.0 };
    let count = usize::try_from(options.count).unwrap_or(usize::MAX);
    // What is no number is not too far.
    let is_too_far = |near: &&Nearest<'_>| near.distance / share > epsilon;
    let near = nearest.iter().take(count).take_while(|near| !is_too_far(near));
    let mut parts = Vec::new();
    for near in near {
        parts.push(Reply::bulk(&near.element.name));
        if options.with_scores {
            parts.push(number(1.0 - f64::from(near.distance) / 2.0));
        }
        if options.with_attributes {
            parts.push(near.element.attribute.as_ref().map_or(Reply::Nil, Reply::bulk));
        }
    }
    Ok(Reply::Array(parts))
}
