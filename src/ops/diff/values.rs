//! Two values of one kind, part by part.
//!
//! ```text
//! value ─ parts ─► { field "name" → "Ann", field "age" → "7" … }   each part under its name
//!                  what only one side has, and what differs, is told
//! ```
//!
//! Of what both have alike only sums are kept, and all of what differs. Lists have no names: what is
//! left of them without what they begin and end with alike is aligned where that is affordable.

use std::ops::ControlFlow;

use hashbrown::HashMap;

use super::alike::Alike;
use crate::error::{FormatError, Result};
use crate::rdb::{Entry, Scratch};
use crate::report::diff::{Content, Name, Part, What};
use crate::value::{Elem, Item, Kind, ModuleItem, StreamInfo};

/// Lists are aligned by a table of so many cells at most.
const MOST_CELLS: usize = 4 << 20;

/// What is no difference.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ignored {
    /// When fields expire.
    pub(super) ttl: bool,
    /// What no log can hold: when consumers were seen, how many duplicates producers sent.
    pub(super) unlogged: bool,
}

/// The parts in which two values of one kind differ, in the order of their names.
pub(super) fn parts(
    before: &Entry<'_>,
    after: &Entry<'_>,
    ignored: Ignored,
    scratch: &mut Scratch,
) -> Result<Vec<Part>> {
    let mut found = match before.value_type.kind() {
        Kind::List => {
            let (before, after) = (Elements::of(before, scratch)?, Elements::of(after, scratch)?);
            lists(&before.all(), &after.all())
        }
        _ => {
            let new = read(after, ignored, &Alike::of(before, ignored, scratch)?, scratch)?;
            let old = read(before, ignored, &Alike::of(after, ignored, scratch)?, scratch)?;
            maps(old, new)
        }
    };
    if before.meta != after.meta {
        let content = |meta: Option<&[u8]>| meta.map(|meta| Content::Bytes(meta.to_vec()));
        found.push(Part {
            what: What::Metadata,
            name: Name::None,
            before: content(before.meta),
            after: content(after.meta),
        });
    }
    Ok(found)
}

type Parts = HashMap<(What, Name), Content>;

fn maps(before: Parts, mut after: Parts) -> Vec<Part> {
    let mut found = Vec::new();
    for ((what, name), old) in before {
        match after.remove(&(what, name.clone())) {
            Some(new) if old.is_same(&new) => {}
            // What one layout states and the other does not is no difference.
            None if what == What::Info => {}
            new => found.push(Part { what, name, before: Some(old), after: new }),
        }
    }
    let added = after.into_iter().filter(|((what, _), _)| *what != What::Info);
    found.extend(added.map(|((what, name), new)| Part {
        what,
        name,
        before: None,
        after: Some(new),
    }));
    found.sort_by(|a, b| (a.what, &a.name).cmp(&(b.what, &b.name)));
    found
}

/// All parts of a value that another one does not have alike, under their names.
fn read(
    entry: &Entry<'_>,
    ignored: Ignored,
    other: &Alike,
    scratch: &mut Scratch,
) -> Result<Parts> {
    let mut reading = Reading { ignored, ..Reading::default() };
    entry.visit(scratch, |item| {
        if !other.has(&item, ignored) {
            reading.item(&item);
        }
        ControlFlow::Continue(())
    })?;
    Ok(reading.parts)
}

/// A score as it counts: −0 and 0 are one.
pub(super) fn score(score: f64) -> f64 {
    if score == 0.0 { 0.0 } else { score }
}

#[derive(Default)]
struct Reading {
    parts: Parts,
    ignored: Ignored,
    old_stream: bool,
    /// What the next items belong to.
    group: Vec<u8>,
    owner: Vec<u8>,
    count: u64,
}

impl Reading {
    fn put(&mut self, what: What, name: Name, content: Content) {
        self.parts.insert((what, name), content);
    }

    fn item(&mut self, item: &Item<'_>) {
        match *item {
            Item::Text(text) => self.put(What::Value, Name::None, Content::Bytes(text.to_vec())),
            Item::Member(member) => {
                self.put(What::Member, Name::Text(member.to_vec()), Content::None);
            }
            Item::Scored { member, score } => {
                let content = Content::Score(self::score(score));
                self.put(What::Member, Name::Text(member.to_vec()), content);
            }
            Item::Field { field, value, expires_at_ms } => {
                let expires_at_ms = expires_at_ms.filter(|_| !self.ignored.ttl);
                let content = Content::Field { value: value.to_vec(), expires_at_ms };
                self.put(What::Field, Name::Text(field.to_vec()), content);
            }
            Item::Cell { index, cell } => {
                let text = cell.with_text(<[u8]>::to_vec);
                self.put(What::Cell, Name::Index(index), Content::Bytes(text));
            }
            Item::ArrayInsertIndex(index) => {
                let content = Content::Fact(index.to_string());
                self.put(What::Cell, Name::Word("insert index"), content);
            }
            Item::Module(part) => {
                let content = match part {
                    ModuleItem::Text(text) => Content::Bytes(text.to_vec()),
                    ModuleItem::Id(id) => Content::Fact(format!("module {id:016x}")),
                    other => Content::Fact(format!("{other:?}")),
                };
                self.put(What::Module, Name::Index(self.count), content);
                self.count += 1;
            }
            ref stream => self.stream(stream),
        }
    }

    fn fact(&mut self, name: &'static str, fact: String) {
        self.put(What::Info, Name::Word(name), Content::Fact(fact));
    }

    fn stream(&mut self, item: &Item<'_>) {
        match *item {
            Item::StreamEntry { id, fields } => {
                let pair = |(field, value): (Elem<'_>, Elem<'_>)| (field.to_vec(), value.to_vec());
                let pairs = fields.iter().map(pair).collect();
                self.put(What::Entry, Name::Id(id), Content::Pairs(pairs));
            }
            Item::StreamInfo(ref info) => self.info(info),
            Item::Group(group) => {
                self.group = group.name.to_vec();
                let mut facts = vec![("last delivered", group.last_id.to_string())];
                // Layouts that do not say it have it computed by whoever loads them.
                if !self.old_stream {
                    let read = group.entries_read.map_or("unknown".to_owned(), |n| n.to_string());
                    facts.push(("entries read", read));
                }
                self.put(What::Group, Name::Text(self.group.clone()), Content::Facts(facts));
            }
            Item::Pending { id, delivered_at_ms, deliveries } => {
                let facts = vec![
                    ("delivered at ms", delivered_at_ms.to_string()),
                    ("deliveries", deliveries.to_string()),
                ];
                let name = Name::Pending(self.group.clone(), id);
                self.put(What::Pending, name, Content::Facts(facts));
            }
            Item::Consumer { name, seen_at_ms, active_at_ms } => {
                self.owner = name.to_vec();
                let mut facts = Vec::new();
                if !self.ignored.unlogged {
                    let active_at_ms = active_at_ms.unwrap_or(seen_at_ms);
                    facts.push(("seen at ms", seen_at_ms.to_string()));
                    facts.push(("active at ms", active_at_ms.to_string()));
                }
                let name = Name::Of(self.group.clone(), self.owner.clone());
                self.put(What::Consumer, name, Content::Facts(facts));
            }
            Item::Owned(id) => {
                let of = (What::Pending, Name::Pending(self.group.clone(), id));
                if let Some(Content::Facts(facts)) = self.parts.get_mut(&of) {
                    let owner = crate::bytes::quoted(&self.owner).to_string();
                    facts.push(("consumer", owner));
                }
            }
            Item::Nacked(id) => {
                let of = (What::Pending, Name::Pending(self.group.clone(), id));
                if let Some(Content::Facts(facts)) = self.parts.get_mut(&of) {
                    // Their order is that in which they are handed out again.
                    facts.push(("given back", self.count.to_string()));
                    self.count += 1;
                }
            }
            Item::Producer(name) => {
                self.owner = name.to_vec();
                self.put(What::Producer, Name::Text(name.to_vec()), Content::Pairs(Vec::new()));
            }
            Item::Idempotent { iid, id } => {
                let of = (What::Producer, Name::Text(self.owner.clone()));
                if let Some(Content::Pairs(pairs)) = self.parts.get_mut(&of) {
                    pairs.push((iid.to_vec(), id.to_string().into_bytes()));
                }
            }
            _ => {}
        }
    }

    fn info(&mut self, info: &StreamInfo) {
        self.old_stream = info.entries_added.is_none();
        self.fact("last id", info.last_id.to_string());
        if let Some(id) = info.max_deleted_id {
            self.fact("highest deleted id", id.to_string());
        }
        if let Some(added) = info.entries_added {
            self.fact("entries ever added", added.to_string());
        }
        if let Some(idempotence) = info.idempotence {
            self.fact("idempotence duration", format!("{}s", idempotence.duration_secs));
            self.fact("idempotence maximum", idempotence.max_entries.to_string());
            self.fact("idempotent ids ever added", idempotence.added.to_string());
            if !self.ignored.unlogged {
                self.fact("idempotent duplicates", idempotence.duplicates.to_string());
            }
        }
    }
}

type Element<'e> = &'e [u8];

/// The elements of a list, one behind the other.
struct Elements {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Elements {
    fn of(entry: &Entry<'_>, scratch: &mut Scratch) -> Result<Self, Box<FormatError>> {
        // As large as it lies, unless it is compressed.
        let bytes = Vec::with_capacity(entry.body().len());
        let mut all = Elements { bytes, ends: Vec::new() };
        entry.visit(scratch, |item| {
            if let Item::Element(element) = item {
                all.bytes.extend_from_slice(element.bytes(&mut itoa::Buffer::new()));
                all.ends.push(all.bytes.len());
            }
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    fn all(&self) -> Vec<Element<'_>> {
        let mut from = 0;
        let slice = |&end: &usize| {
            let element = self.bytes.get(from..end).unwrap_or_default();
            from = end;
            element
        };
        self.ends.iter().map(slice).collect()
    }
}

/// What has to be taken out of one list and put in to make it the other.
fn lists(before: &[Element<'_>], after: &[Element<'_>]) -> Vec<Part> {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (old, new) = (before.get(head..).unwrap_or(&[]), after.get(head..).unwrap_or(&[]));
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let old = old.get(..old.len() - tail).unwrap_or(&[]);
    let new = new.get(..new.len() - tail).unwrap_or(&[]);
    let element = |index: usize, before: Option<&Element<'_>>, after: Option<&Element<'_>>| Part {
        what: What::Element,
        name: Name::Index((head + index) as u64),
        before: before.map(|bytes| Content::Bytes(bytes.to_vec())),
        after: after.map(|bytes| Content::Bytes(bytes.to_vec())),
    };
    if old.len().saturating_mul(new.len()) > MOST_CELLS {
        let places = (0..old.len().max(new.len())).filter(|&at| old.get(at) != new.get(at));
        return places.map(|at| element(at, old.get(at), new.get(at))).collect();
    }
    let common = Common::of(old, new);
    let (mut a, mut b, mut found) = (0, 0, Vec::new());
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old.get(a) == new.get(b) {
            (a, b) = (a + 1, b + 1);
        } else if a < old.len() && common.at(a + 1, b) >= common.at(a, b + 1) {
            found.push(element(a, old.get(a), None));
            a += 1;
        } else if b < new.len() {
            found.push(element(b, None, new.get(b)));
            b += 1;
        } else {
            found.push(element(a, old.get(a), None));
            a += 1;
        }
    }
    found
}

/// How long the longest common run of elements, gaps allowed, is from each pair of places on.
struct Common {
    width: usize,
    cells: Vec<u32>,
}

impl Common {
    fn of(old: &[Element<'_>], new: &[Element<'_>]) -> Self {
        let width = new.len() + 1;
        let mut common = Common { width, cells: vec![0; width * (old.len() + 1)] };
        for (a, one) in old.iter().enumerate().rev() {
            for (b, other) in new.iter().enumerate().rev() {
                let length = if one == other {
                    common.at(a + 1, b + 1) + 1
                } else {
                    common.at(a + 1, b).max(common.at(a, b + 1))
                };
                if let Some(cell) = common.cells.get_mut(a * width + b) {
                    *cell = length;
                }
            }
        }
        common
    }

    fn at(&self, a: usize, b: usize) -> u32 {
        self.cells.get(a * self.width + b).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, want: &str) {
        fn list(text: &str) -> Vec<Element<'_>> {
            text.as_bytes().chunks(1).collect()
        }
        let text = |content: &Option<Content>| match content {
            Some(Content::Bytes(bytes)) => String::from_utf8(bytes.clone()).unwrap(),
            _ => String::new(),
        };
        let found = lists(&list(before), &list(after));
        let told: Vec<_> = found
            .iter()
            .map(|part| {
                let Name::Index(at) = part.name else { return String::new() };
                let sign = if part.after.is_none() { '-' } else { '+' };
                format!("{sign}{at}{}{}", text(&part.before), text(&part.after))
            })
            .collect();
        assert_eq!(told.join(" "), want);
    }

    #[test]
    fn lists_are_aligned() {
        check("abc", "abc", "");
        check("abc", "abcd", "+3d");
        check("abc", "xabc", "+0x");
        check("abc", "ac", "-1b");
        check("aaa", "aa", "-2a");
        check("abcdef", "abXdeYf", "-2c +2X +5Y");
        check("", "ab", "+0a +1b");
        check("ab", "", "-0a -1b");
    }
}
