//! Values for the eye: numbered, in quotes, with what belongs to an element behind it.

use std::io::Write;

use crate::bytes::quoted;
use crate::rdb::{Eviction, ModuleId};
use crate::report::keys::KeyRow;
use crate::report::text::{Style, expiry, instant, plural, size, span};
use crate::value::{Cell, Elem, Item, ModuleItem, StreamInfo};

/// Where in a value the next part goes.
#[derive(Debug)]
pub(super) struct Human {
    style: Style,
    now_ms: i64,
    keys: u64,
    /// How many parts have been written, and how wide their numbers are.
    parts: u64,
    width: usize,
}

impl Human {
    pub(super) fn new(style: Style, now_ms: i64) -> Self {
        Human { style, now_ms, keys: 0, parts: 0, width: 1 }
    }

    pub(super) fn begin(&mut self, out: &mut Vec<u8>, row: &KeyRow<'_>) {
        if self.keys > 0 {
            out.push(b'\n');
        }
        self.keys += 1;
        self.parts = 0;
        self.width = row.elements.max(1).ilog10() as usize + 1;
        let mut facts = format!("{} ({})", row.kind, row.encoding);
        let unit = match row.kind {
            "string" | "module" => None,
            "hash" => Some("field"),
            "set" | "zset" => Some("member"),
            "stream" => Some("entry"),
            _ => Some("element"),
        };
        if let Some(unit) = unit {
            facts += &format!(", {}", plural(row.elements, unit));
        }
        facts += &format!(", {} in the file, db {}", size(row.size_bytes), row.db);
        if let Some(at_ms) = row.expires_at_ms {
            let (when, how) = (instant(at_ms), expiry(at_ms, self.now_ms));
            let verb = if at_ms > self.now_ms { "expires" } else { "expired" };
            facts += &format!(", {verb} {when} ({how})");
        }
        match row.eviction {
            Some(Eviction::IdleSecs(secs)) => {
                facts += &format!(", idle {}", span(secs.saturating_mul(1000)));
            }
            Some(Eviction::Frequency(n)) => facts += &format!(", access frequency {n}"),
            None => {}
        }
        line(out, format_args!("{} {}", self.style.bold(quoted(row.key)), self.style.dim(facts)));
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    pub(super) fn item(&mut self, out: &mut Vec<u8>, item: &Item<'_>) {
        let text = &mut itoa::Buffer::new();
        match item {
            Item::Text(elem) => line(out, format_args!("{}", quoted(elem.bytes(text)))),
            Item::Element(elem) | Item::Member(elem) => {
                self.number(out);
                line(out, format_args!("{}", quoted(elem.bytes(text))));
            }
            Item::Scored { member, score } => {
                self.number(out);
                line(out, format_args!("{} => {}", quoted(member.bytes(text)), double(*score)));
            }
            Item::Field { field, value, expires_at_ms } => {
                self.number(out);
                self.pair(out, *field, *value);
                if let Some(at_ms) = expires_at_ms {
                    let at_ms = i64::try_from(*at_ms).unwrap_or(i64::MAX);
                    let verb = if at_ms > self.now_ms { "expires" } else { "expired" };
                    let (when, how) = (instant(at_ms), expiry(at_ms, self.now_ms));
                    let _ =
                        write!(out, "  {}", self.style.dim(format_args!("{verb} {when} ({how})")));
                }
                out.push(b'\n');
            }
            Item::Cell { index, cell } => {
                let _ = write!(out, "[{index}] ");
                match *cell {
                    Cell::Bytes(bytes) => line(out, format_args!("{}", quoted(bytes))),
                    Cell::Int(n) => line(out, format_args!("{n}")),
                    Cell::Double(n) => line(out, format_args!("{}", double(n))),
                }
            }
            Item::ArrayInsertIndex(index) => {
                line(out, format_args!("inserts go on behind index {index}"))
            }
            Item::Module(item) => self.module(out, *item),
            stream => self.stream(out, stream),
        }
    }

    fn number(&mut self, out: &mut Vec<u8>) {
        self.parts += 1;
        let _ = write!(out, "{:>width$}) ", self.parts, width = self.width);
    }

    fn pair(&self, out: &mut Vec<u8>, field: Elem<'_>, value: Elem<'_>) {
        let (a, b) = (&mut itoa::Buffer::new(), &mut itoa::Buffer::new());
        let _ = write!(out, "{} => {}", quoted(field.bytes(a)), quoted(value.bytes(b)));
    }

    fn module(&mut self, out: &mut Vec<u8>, item: ModuleItem<'_>) {
        if let ModuleItem::Id(id) = item {
            let id = ModuleId(id);
            return line(out, format_args!("module type {}, version {}", id.name(), id.version()));
        }
        self.number(out);
        match item {
            ModuleItem::Id(_) => {}
            ModuleItem::Signed(n) => line(out, format_args!("signed {n}")),
            ModuleItem::Unsigned(n) => line(out, format_args!("unsigned {n}")),
            ModuleItem::Float(n) => line(out, format_args!("float {n}")),
            ModuleItem::Double(n) => line(out, format_args!("double {}", double(n))),
            ModuleItem::Text(text) => line(out, format_args!("string {}", quoted(text))),
        }
    }

    fn stream(&mut self, out: &mut Vec<u8>, item: &Item<'_>) {
        match item {
            Item::StreamEntry { id, fields } => {
                self.number(out);
                line(out, format_args!("{}", self.style.bold(id)));
                for (field, value) in fields.iter() {
                    let _ = write!(out, "{:width$}", "", width = self.width + 2);
                    self.pair(out, field, value);
                    out.push(b'\n');
                }
            }
            Item::StreamInfo(info) => line(out, format_args!("{}", about(info))),
            Item::Group(group) => {
                let read = match group.entries_read {
                    Some(read) => format!(", {read} read"),
                    None => String::new(),
                };
                let name = self.style.bold(quoted(group.name));
                let (last, pending) = (group.last_id, group.pending);
                line(
                    out,
                    format_args!("group {name}: last delivered {last}{read}, {pending} pending"),
                );
            }
            Item::Pending { id, delivered_at_ms, deliveries } => {
                let times = plural(*deliveries, "time");
                // What a consumer gave back waits for the next one.
                let when = match delivered_at_ms {
                    0 => "without a time: nacked".to_owned(),
                    at_ms => format!("last {}", instant(*at_ms)),
                };
                line(out, format_args!("  pending {id}: delivered {times}, {when}"));
            }
            Item::Consumer { name, seen_at_ms, active_at_ms } => {
                let active = match active_at_ms {
                    None => String::new(),
                    Some(-1) => ", never active".to_owned(),
                    Some(at_ms) => format!(", active {}", instant(*at_ms)),
                };
                let (name, seen) = (quoted(name), instant(*seen_at_ms));
                line(out, format_args!("  consumer {name}: seen {seen}{active}"));
            }
            Item::Owned(id) => line(out, format_args!("    owns {id}")),
            Item::Nacked(id) => line(out, format_args!("  given back {id}")),
            Item::Producer(name) => line(out, format_args!("producer {}:", quoted(name))),
            Item::Idempotent { iid, id } => line(out, format_args!("  {} made {id}", quoted(iid))),
            // Everything else was taken care of before.
            _ => {}
        }
    }
}

fn about(info: &StreamInfo) -> String {
    let mut text = format!("last id {}", info.last_id);
    if let Some(added) = info.entries_added {
        text += &format!(", {added} ever added");
    }
    if let Some(id) = info.max_deleted_id.filter(|id| id.ms | id.seq != 0) {
        text += &format!(", highest deleted {id}");
    }
    if info.groups > 0 {
        text += &format!(", {}", plural(info.groups, "group"));
    }
    if let Some(idempotence) = info.idempotence.filter(|i| i.producers > 0) {
        text += &format!(
            ", {} remembered for {}",
            plural(idempotence.producers, "idempotent producer"),
            span(idempotence.duration_secs.saturating_mul(1000))
        );
    }
    text
}

/// A score: an integer without a point, very large and very small ones with an exponent.
fn double(n: f64) -> String {
    if n == 0.0 || (1e-5..1e17).contains(&n.abs()) || !n.is_finite() {
        n.to_string()
    } else {
        format!("{n:e}")
    }
}

/// Appends a line; writing into memory cannot fail.
fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::double;

    #[test]
    fn scores_are_short() {
        let scores = [0.0, 1.0, -2.5, 1e16, 1e300, f64::INFINITY, f64::NEG_INFINITY, 5e-324];
        let texts = scores.map(double);
        let want = ["0", "1", "-2.5", "10000000000000000", "1e300", "inf", "-inf", "5e-324"];
        assert_eq!(texts, want);
    }
}
