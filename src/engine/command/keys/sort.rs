//! SORT: the elements of a list, set or sorted set, in the order of what they are or of what other
//! keys say about them.
//!
//! ```text
//! SORT key [BY pattern] [LIMIT from count] [GET pattern]… [ASC|DESC] [ALPHA] [STORE key]
//! ```
//!
//! In a pattern the first `*` is the element; `key*->field` is a field of a hash. A BY pattern
//! without a star means that nothing is sorted.

use std::cmp::Ordering;

use crate::bytes::number::parse_double;
use crate::engine::call::{int, is};
use crate::engine::{Answer, Call, Failure, Hash, Typed, Value, lookup};
use crate::resp::Reply;
use crate::value::Elem;

#[derive(Default)]
struct Options<'a> {
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    limit: Option<(i64, i64)>,
    desc: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(mut words: &[&'a [u8]], read_only: bool) -> Answer<Self> {
        let mut options = Options::default();
        while let [word, rest @ ..] = words {
            words = rest;
            match rest {
                _ if is(word, "ASC") => options.desc = false,
                _ if is(word, "DESC") => options.desc = true,
                _ if is(word, "ALPHA") => options.alpha = true,
                [from, count, rest @ ..] if is(word, "LIMIT") => {
                    options.limit = Some((int(from)?, int(count)?));
                    words = rest;
                }
                [pattern, rest @ ..] if is(word, "BY") => {
                    options.by = Some(pattern);
                    words = rest;
                }
                [pattern, rest @ ..] if is(word, "GET") => {
                    options.get.push(pattern);
                    words = rest;
                }
                [key, rest @ ..] if is(word, "STORE") && !read_only => {
                    options.store = Some(key);
                    words = rest;
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }

    /// The elements that LIMIT leaves.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let Some((from, count)) = self.limit else { return 0..len };
        let from = usize::try_from(from.max(0)).map_or(len, |from| from.min(len));
        match usize::try_from(count) {
            Ok(count) => from..from.saturating_add(count).min(len),
            Err(_) => from..len,
        }
    }
}

/// What an element is sorted by.
enum Weight {
    Number(f64),
    Text(Option<Vec<u8>>),
}

pub(super) fn sort(call: &mut Call<'_>) -> Answer {
    run(call, false)
}

pub(super) fn sort_read_only(call: &mut Call<'_>) -> Answer {
    run(call, true)
}

fn run(call: &mut Call<'_>, read_only: bool) -> Answer {
    let mut options = Options::parse(call.rest(2), read_only)?;
    let unsorted = options.by.is_some_and(|by| !by.contains(&b'*'));
    let (mut elements, kind) = elements(call, call.arg(1))?;
    let mut sorted = !unsorted;
    match kind {
        // The order of a set is nobody's, so that what is stored is sorted in any case.
        Source::Set if unsorted && options.store.is_some() => {
            options.alpha = true;
            options.by = None;
            sorted = true;
        }
        Source::SortedSet if unsorted && options.desc => elements.reverse(),
        _ => {}
    }
    if sorted {
        elements = in_order(call, elements, &options)?;
    }
    let range = options.range(elements.len());
    let elements = elements.get(range).unwrap_or_default();
    let mut items = Vec::with_capacity(elements.len() * options.get.len().max(1));
    for element in elements {
        if options.get.is_empty() {
            items.push(Some(element.clone()));
        }
        for pattern in &options.get {
            items.push(if *pattern == b"#" {
                Some(element.clone())
            } else {
                outside(call, pattern, element)?
            });
        }
    }
    match options.store {
        Some(key) => store(call, key, items),
        None => {
            Ok(Reply::Array(items.into_iter().map(|i| i.map_or(Reply::Nil, Reply::Bulk)).collect()))
        }
    }
}

enum Source {
    Other,
    Set,
    SortedSet,
}

fn elements(call: &mut Call<'_>, key: &[u8]) -> Answer<(Vec<Vec<u8>>, Source)> {
    let Some(record) = call.keys.find(key)? else { return Ok((Vec::new(), Source::Other)) };
    let own = |elem: Elem<'_>| elem.to_vec();
    if let Value::SortedSet(set) = &mut record.value {
        set.enlarge();
    }
    Ok(match &record.value {
        Value::List(list) => (list.iter().map(own).collect(), Source::Other),
        Value::Set(set) => (set.iter().map(own).collect(), Source::Set),
        Value::SortedSet(set) => {
            (set.iter().map(|(member, _)| member.to_vec()).collect(), Source::SortedSet)
        }
        _ => return Err(Failure::WRONG_TYPE),
    })
}

fn in_order(
    call: &mut Call<'_>,
    elements: Vec<Vec<u8>>,
    options: &Options<'_>,
) -> Answer<Vec<Vec<u8>>> {
    let mut weighed = Vec::with_capacity(elements.len());
    for element in elements {
        let text = match options.by {
            Some(by) => outside(call, by, &element)?,
            None => Some(element.clone()),
        };
        let weight =
            if options.alpha {
                Weight::Text(text)
            } else {
                // What is not there weighs nothing.
                let number = text.map_or(Some(0.0), |text| parse_double(&text));
                Weight::Number(number.filter(|n| !n.is_nan()).ok_or(Failure::text(
                    "ERR One or more scores can't be converted into double",
                ))?)
            };
        weighed.push((weight, element));
    }
    weighed.sort_by(|(a, element), (b, other)| {
        let order = match (a, b) {
            (Weight::Number(a), Weight::Number(b)) => {
                let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
                order.then_with(|| element.cmp(other))
            }
            (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        };
        if options.desc { order.reverse() } else { order }
    });
    Ok(weighed.into_iter().map(|(_, element)| element).collect())
}

/// What a pattern says about an element: a string of that name, or a field of a hash.
fn outside(call: &mut Call<'_>, pattern: &[u8], element: &[u8]) -> Answer<Option<Vec<u8>>> {
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return Ok(None) };
    let (before, after) = pattern.split_at_checked(star).unwrap_or_default();
    let after = after.get(1..).unwrap_or_default();
    let arrow = after.windows(2).position(|two| two == b"->");
    let (tail, field) = match arrow.and_then(|at| after.split_at_checked(at)) {
        Some((tail, field)) if field.len() > 2 => (tail, field.get(2..)),
        _ => (after, None),
    };
    let key = [before, element, tail].concat();
    let Some(record) = call.keys.find(&key)? else { return Ok(None) };
    match field {
        Some(field) => {
            let hash = Hash::of(&mut record.value);
            let hidden = call.env.hidden_before_ms();
            Ok(hash.and_then(|hash| hash.seen(field, hidden).map(|value| value.to_vec())))
        }
        None => Ok(record.value.text(&mut itoa::Buffer::new()).map(<[u8]>::to_vec)),
    }
}

/// Makes a list of the result.
fn store(call: &mut Call<'_>, key: &[u8], items: Vec<Option<Vec<u8>>>) -> Answer {
    call.keys.remove(key);
    if items.is_empty() {
        return Ok(Reply::Int(0));
    }
    let items: Vec<Vec<u8>> = items.into_iter().map(Option::unwrap_or_default).collect();
    let words = [&b"RPUSH"[..], key].into_iter().chain(items.iter().map(Vec::as_slice));
    let args: Vec<&[u8]> = words.collect();
    let push = lookup(b"RPUSH").ok_or_else(|| Failure::Unsupported("no lists".to_owned()))?;
    let db = call.keys.db;
    (push.run)(&mut Call { args: &args, keys: call.keys.in_db(db), env: call.env })
}
