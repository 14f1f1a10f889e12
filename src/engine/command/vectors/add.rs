//! VADD, and how commands spell a vector.

use super::{get, wrong_count};
use crate::bytes::number::{integer, parse_double};
use crate::engine::call::is;
use crate::engine::vector_set::{Form, Projection, Quantization};
use crate::engine::{Answer, Call, Failure, VectorSet};
use crate::resp::Reply;

const BAD_VECTOR: Failure = Failure::text("ERR invalid vector specification");

/// A vector as it is spelled: `FP32 blob` or `VALUES n x…`; and how many arguments that takes.
pub(super) fn vector(words: &[&[u8]]) -> Answer<(Vec<f32>, usize)> {
    match words {
        [form, blob, ..] if is(form, "FP32") => {
            let (fours, rest) = blob.as_chunks::<4>();
            if !rest.is_empty() || !(1..=VectorSet::MOST_DIMENSIONS).contains(&fours.len()) {
                return Err(BAD_VECTOR);
            }
            Ok((fours.iter().map(|four| f32::from_le_bytes(*four)).collect(), 2))
        }
        [form, count, values @ ..] if is(form, "VALUES") => {
            let count = integer(count).and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| (1..=VectorSet::MOST_DIMENSIONS).contains(count));
            let values = count.and_then(|count| values.get(..count)).ok_or(BAD_VECTOR)?;
            let value = |text: &&[u8]| parse_double(text).filter(|x| !x.is_nan());
            let values = values.iter().map(|text| value(text).map(|x| x as f32));
            let values: Vec<f32> = values.collect::<Option<_>>().ok_or(BAD_VECTOR)?;
            let words = 2 + values.len();
            Ok((values, words))
        }
        _ => Err(BAD_VECTOR),
    }
}

/// What stands behind the element.
struct Options<'c> {
    quantization: Quantization,
    m: usize,
    attribute: Option<&'c [u8]>,
}

impl<'c> Options<'c> {
    fn parse(mut words: &[&'c [u8]]) -> Answer<Self> {
        let mut options =
            Options { quantization: Quantization::Q8, m: VectorSet::USUAL_M, attribute: None };
        while let [word, rest @ ..] = words {
            words = rest;
            match rest {
                // Linking in a thread of its own, which nobody sees in the result.
                _ if is(word, "CAS") => {}
                [ef, rest @ ..] if is(word, "EF") => {
                    let ef = integer(ef).filter(|ef| (1..=1_000_000).contains(ef));
                    ef.ok_or(Failure::text("ERR invalid EF"))?;
                    words = rest;
                }
                [m, rest @ ..] if is(word, "M") => {
                    let m = integer(m).and_then(|m| usize::try_from(m).ok());
                    let m = m.filter(|m| VectorSet::M.contains(m));
                    options.m = m.ok_or(Failure::text("ERR invalid M"))?;
                    words = rest;
                }
                [attribute, rest @ ..] if is(word, "SETATTR") => {
                    options.attribute = Some(attribute);
                    words = rest;
                }
                _ if is(word, "NOQUANT") => options.quantization = Quantization::None,
                _ if is(word, "BIN") => options.quantization = Quantization::Bin,
                _ if is(word, "Q8") => options.quantization = Quantization::Q8,
                _ => return Err(Failure::text("ERR invalid option after element")),
            }
        }
        Ok(options)
    }
}

pub(super) fn add(call: &mut Call<'_>) -> Answer {
    if call.argc() < 5 {
        return Err(wrong_count(call));
    }
    let words = call.rest(2);
    let (reduced, spelled) = match words {
        [word, dimensions, rest @ ..] if !rest.is_empty() && is(word, "REDUCE") => {
            let dimensions = integer(dimensions).and_then(|n| usize::try_from(n).ok());
            (Some(dimensions.filter(|&n| n > 0).ok_or(BAD_VECTOR)?), rest)
        }
        _ => (None, words),
    };
    let (components, taken) = vector(spelled)?;
    let input = components.len();
    // Redis 8.0.2 makes vectors longer, too; 8.6.3 and 8.10.2 do not.
    if call.env.target.version >= (8, 2) && reduced.is_some_and(|n| n > input) {
        return Err(BAD_VECTOR);
    }
    let [name, options @ ..] = spelled.get(taken..).unwrap_or_default() else {
        return Err(wrong_count(call));
    };
    let Options { quantization, m, attribute } = Options::parse(options)?;
    if let Some(set) = get(call)? {
        fits(set, input, reduced, quantization, m)?;
        let vector = set.projected(components);
        return Ok(Reply::flag(set.add(name, vector, attribute)));
    }
    let dimensions = reduced.unwrap_or(input);
    if dimensions > VectorSet::MOST_DIMENSIONS {
        return Err(BAD_VECTOR);
    }
    let form = Form { dimensions, quantization, m };
    let set = VectorSet::new(form, reduced.map(|_| input)).ok_or_else(|| {
        let most = Projection::MOST_BYTES;
        Failure::Unsupported(format!("VADD: a matrix for REDUCE of more than {most} bytes"))
    })?;
    let set = call.keys.get_or(call.arg(1), || set)?;
    let vector = set.projected(components);
    Ok(Reply::flag(set.add(name, vector, attribute)))
}

/// Whether a vector goes into a set that is there.
fn fits(
    set: &VectorSet,
    input: usize,
    reduced: Option<usize>,
    quantization: Quantization,
    m: usize,
) -> Answer<()> {
    let form = set.form();
    if form.quantization != quantization {
        return Err(Failure::text("ERR asked quantization mismatch with existing vector set"));
    }
    if form.m != m {
        return Err(Failure::text("ERR asked M value mismatch with existing vector set"));
    }
    let wanted = if set.projection().is_some() { reduced } else { Some(input) };
    if wanted != Some(form.dimensions) {
        return Err(mismatch(input, form.dimensions));
    }
    match set.projection() {
        None if reduced.is_some() => {
            Err(Failure::text("ERR cannot add projection to existing set without projection"))
        }
        Some(projection) if projection.columns() != input => {
            Err(input_mismatch(input, projection.columns()))
        }
        _ => Ok(()),
    }
}

#[cold]
pub(super) fn mismatch(got: usize, has: usize) -> Failure {
    Failure::said(format!("ERR Vector dimension mismatch - got {got} but set has {has}"))
}

#[cold]
pub(super) fn input_mismatch(got: usize, expected: usize) -> Failure {
    Failure::said(format!(
        "ERR Input dimension mismatch for projection - got {got} but projection expects {expected}"
    ))
}
