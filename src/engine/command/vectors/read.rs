//! What a vector set holds: VCARD, VDIM, VEMB, VGETATTR, VINFO, VISMEMBER, VLINKS, VRANDMEMBER,
//! VRANGE.

use super::{count, get, number, wrong_count};
use crate::bytes::number::integer;
use crate::engine::call::is;
use crate::engine::command::pick;
use crate::engine::vector_set::{Nearest, Quantization};
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

pub(super) fn cardinality(call: &mut Call<'_>) -> Answer {
    count(call, 2, 2)?;
    Ok(Reply::count(get(call)?.map_or(0, |set| set.len())))
}

pub(super) fn dimensions(call: &mut Call<'_>) -> Answer {
    count(call, 2, 2)?;
    let set = get(call)?.ok_or(Failure::text("ERR key does not exist"))?;
    Ok(Reply::count(set.form().dimensions))
}

pub(super) fn is_member(call: &mut Call<'_>) -> Answer {
    count(call, 3, 3)?;
    let name = call.arg(2);
    Ok(Reply::flag(get(call)?.is_some_and(|set| set.get(name).is_some())))
}

pub(super) fn attribute(call: &mut Call<'_>) -> Answer {
    count(call, 3, 3)?;
    let name = call.arg(2);
    let set = get(call)?;
    let attribute = set.and_then(|set| set.get(name)?.attribute.as_ref());
    Ok(attribute.map_or(Reply::Nil, Reply::bulk))
}

/// VEMB: the vector nearly as it was given, or as it is stored.
pub(super) fn vector(call: &mut Call<'_>) -> Answer {
    count(call, 3, usize::MAX)?;
    if !call.rest(3).iter().all(|word| is(word, "RAW")) {
        return Err(Failure::text("ERR invalid option"));
    }
    let (name, raw, number) = (call.arg(2), call.argc() > 3, number(call));
    let Some(set) = get(call)? else { return Ok(Reply::Nil) };
    let form = set.form();
    let Some(element) = set.get(name) else { return Ok(Reply::Nil) };
    let vector = &element.vector;
    if !raw {
        let components = vector.components(form.quantization, form.dimensions);
        return Ok(Reply::Array(components.into_iter().map(|x| number(x.into())).collect()));
    }
    let mut parts = vec![
        Reply::Status(form.quantization.name()),
        Reply::bulk(&vector.bytes),
        number(vector.length.into()),
    ];
    if form.quantization == Quantization::Q8 {
        parts.push(number(vector.range.into()));
    }
    Ok(Reply::Array(parts))
}

/// VINFO. The highest level and the number of the set are a server's own.
pub(super) fn info(call: &mut Call<'_>) -> Answer {
    count(call, 2, 2)?;
    let Some(set) = get(call)? else { return Ok(Reply::NilArray) };
    let form = set.form();
    let columns = set.projection().map_or(0, |projection| projection.columns());
    let facts = [
        ("quant-type", Reply::Status(form.quantization.name())),
        ("hnsw-m", Reply::count(form.m)),
        ("vector-dim", Reply::count(form.dimensions)),
        ("projection-input-dim", Reply::count(columns)),
        ("size", Reply::count(set.len())),
        ("max-level", Reply::count(set.top())),
        ("attributes-count", Reply::count(set.attributes())),
        ("vset-uid", Reply::Int(0)),
        ("hnsw-max-node-uid", Reply::Int(set.last_id().cast_signed())),
    ];
    let facts = facts.into_iter().flat_map(|(name, fact)| [Reply::Status(name), fact]);
    Ok(Reply::Array(facts.collect()))
}

/// VLINKS: by level, the highest first.
pub(super) fn links(call: &mut Call<'_>) -> Answer {
    count(call, 3, 4)?;
    let with_scores = call.argc() == 4;
    if with_scores && !call.is(3, "WITHSCORES") {
        return Err(wrong_count(call));
    }
    let (name, number) = (call.arg(2), number(call));
    let levels = get(call)?.and_then(|set| set.neighbours(name));
    let Some(levels) = levels else { return Ok(Reply::Nil) };
    let level = |level: Vec<Nearest<'_>>| {
        let neighbour = |near: Nearest<'_>| {
            // Halved in double precision, kept in single.
            let score = (1.0 - f64::from(near.distance) / 2.0) as f32;
            [Some(Reply::bulk(&near.element.name)), with_scores.then(|| number(score.into()))]
        };
        Reply::Array(level.into_iter().flat_map(neighbour).flatten().collect())
    };
    Ok(Reply::Array(levels.into_iter().map(level).collect()))
}

pub(super) fn random(call: &mut Call<'_>) -> Answer {
    count(call, 2, 3)?;
    let wanted = match call.rest(2) {
        [wanted] => {
            let words = Failure::text("ERR COUNT value is not an integer");
            Some(integer(wanted).ok_or(words)?)
        }
        _ => None,
    };
    if wanted == Some(0) {
        return Ok(Reply::Array(Vec::new()));
    }
    let len = get(call)?.map_or(0, |set| set.len());
    if len == 0 {
        return Ok(if wanted.is_some() { Reply::Array(Vec::new()) } else { Reply::Nil });
    }
    let places = pick::places(wanted.unwrap_or(1), len, call.env)?;
    let Some(set) = get(call)? else { return Ok(Reply::Nil) };
    let names: Vec<&[u8]> = set.iter().map(|element| element.name.as_slice()).collect();
    let mut picked = places.into_iter().filter_map(|place| names.get(place));
    match wanted {
        Some(_) => Ok(Reply::bulks(picked)),
        None => Ok(picked.next().map_or(Reply::Nil, Reply::bulk)),
    }
}

/// One end of a range of names.
enum End<'c> {
    Lowest,
    Highest,
    With(&'c [u8]),
    Without(&'c [u8]),
}

impl<'c> End<'c> {
    fn parse(arg: &'c [u8]) -> Option<Self> {
        Some(match arg {
            b"-" => End::Lowest,
            b"+" => End::Highest,
            [b'[', name @ ..] if !name.is_empty() => End::With(name),
            [b'(', name @ ..] if !name.is_empty() => End::Without(name),
            _ => return None,
        })
    }
}

/// VRANGE: names in the order of their bytes (Redis 8.6.3 and 8.10.2; 8.0.2 has it not).
pub(super) fn range(call: &mut Call<'_>) -> Answer {
    count(call, 4, 5)?;
    let most = match call.rest(4) {
        [most] => integer(most).ok_or(Failure::text("ERR invalid COUNT value"))?,
        _ => -1,
    };
    let start = End::parse(call.arg(2)).ok_or(Failure::text("ERR invalid start range format"))?;
    let end = End::parse(call.arg(3)).ok_or(Failure::text("ERR invalid end range format"))?;
    if matches!(start, End::Highest) || matches!(end, End::Lowest) {
        return Err(Failure::text(
            "ERR '-' can only be used as first argument, '+' only as second",
        ));
    }
    let Some(set) = get(call)? else { return Ok(Reply::Array(Vec::new())) };
    let within = |name: &&[u8]| {
        let above = match start {
            End::With(start) => *name >= start,
            End::Without(start) => *name > start,
            _ => true,
        };
        let below = match end {
            End::With(end) => *name <= end,
            End::Without(end) => *name < end,
            _ => true,
        };
        above && below
    };
    let mut names: Vec<&[u8]> =
        set.iter().map(|element| element.name.as_slice()).filter(within).collect();
    names.sort_unstable();
    if let Ok(most) = usize::try_from(most) {
        names.truncate(most);
    }
    Ok(Reply::bulks(names))
}
