//! Vector sets (Redis 8.0 and newer).

mod add;
mod filter;
mod json;
mod read;
mod similar;

use crate::engine::{Answer, Call, Failure, Spec, Value, VectorSet};
use crate::rdb::write::is_vector_set;
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    counted("VADD", add::add),
    counted("VREM", remove),
    counted("VSETATTR", set_attribute),
    counted("VCARD", read::cardinality),
    counted("VDIM", read::dimensions),
    counted("VEMB", read::vector),
    counted("VGETATTR", read::attribute),
    counted("VINFO", read::info),
    counted("VISMEMBER", read::is_member),
    counted("VLINKS", read::links),
    counted("VRANDMEMBER", read::random),
    counted("VRANGE", read::range),
    counted("VSIM", similar::similar),
];

/// A command that counts its arguments itself: the words for a wrong count are a module's here.
const fn counted(name: &'static str, run: fn(&mut Call<'_>) -> Answer) -> Spec {
    Spec::key(name, -1, run)
}

/// Refuses another number of arguments than these, the name included.
fn count(call: &Call<'_>, least: usize, most: usize) -> Answer<()> {
    if (least..=most).contains(&call.argc()) { Ok(()) } else { Err(wrong_count(call)) }
}

/// As modules say it: with the name in upper case.
#[cold]
fn wrong_count(call: &Call<'_>) -> Failure {
    let name = String::from_utf8_lossy(call.arg(0)).to_uppercase();
    Failure::said(format!("ERR wrong number of arguments for '{name}' command"))
}

/// The vector set of the first key, if there is one.
fn get<'a>(call: &'a mut Call<'_>) -> Answer<Option<&'a mut VectorSet>> {
    let (name, key) = (call.arg(0), call.arg(1));
    match call.keys.find(key)?.map(|record| &mut record.value) {
        None => Ok(None),
        Some(Value::VectorSet(set)) => Ok(Some(set)),
        Some(Value::Opaque(opaque)) if is_vector_set(&opaque.body) => {
            Err(Failure::Unsupported(format!(
                "{}: the vector set is laid out in a way that is not known",
                String::from_utf8_lossy(name).to_uppercase()
            )))
        }
        Some(_) => Err(Failure::WRONG_TYPE),
    }
}

fn remove(call: &mut Call<'_>) -> Answer {
    count(call, 3, 3)?;
    let (key, name) = (call.arg(1), call.arg(2));
    let Some(set) = get(call)? else { return Ok(Reply::flag(false)) };
    let there = set.remove(name);
    if set.is_empty() {
        call.keys.remove(key);
    }
    Ok(Reply::flag(there))
}

fn set_attribute(call: &mut Call<'_>) -> Answer {
    count(call, 4, 4)?;
    let (name, attribute) = (call.arg(2), call.arg(3));
    let set = get(call)?;
    Ok(Reply::flag(set.is_some_and(|set| set.set_attribute(name, attribute))))
}

/// A number of single precision as servers reply it.
fn number(call: &Call<'_>) -> impl Fn(f64) -> Reply + use<> {
    let text = call.env.target.score_text();
    move |n| Reply::bulk(text.reply(n).as_bytes())
}

#[cfg(test)]
mod tests;
