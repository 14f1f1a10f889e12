//! The totals of a comparison, by type and by prefix.

use std::io::Write;

use serde::Serialize;

use crate::bytes::quoted;
use crate::error::Result;
use crate::report::json::{self, Bytes, failed};
use crate::report::text::{Style, count, plural};

/// How many keys are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Keys that both sources have, alike.
    pub same: u64,
    /// Keys that only the second has.
    pub added: u64,
    /// Keys that only the first has.
    pub removed: u64,
    /// Keys that both have and that differ.
    pub changed: u64,
}

impl Counts {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.added + self.removed + self.changed == 0
    }

    /// Keys that differ.
    pub fn differing(&self) -> u64 {
        self.added + self.removed + self.changed
    }
}

/// The counts of keys that have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The type, or the prefix.
    pub name: Vec<u8>,
    /// Its keys.
    pub counts: Counts,
}

impl Serialize for Group {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            name: Bytes<'a>,
            #[serde(flatten)]
            counts: Counts,
        }
        Flat { name: Bytes(&self.name), counts: self.counts }.serialize(serializer)
    }
}

/// What a comparison came to.
#[derive(Debug, Clone, Serialize)]
pub struct DiffSummary {
    /// `rdbkit.diff/1`.
    pub schema: &'static str,
    /// `summary`.
    pub record: &'static str,
    /// The first source.
    pub before: String,
    /// The second source.
    pub after: String,
    /// Whether nothing differs.
    pub same: bool,
    /// All keys.
    pub keys: Counts,
    /// Of the changed keys, those that differ in nothing but when they expire.
    pub expiry_only: u64,
    /// Of the changed keys, those that differ in nothing but how they are stored.
    pub encoding_only: u64,
    /// Keys by their type; of a key whose type changed, the new one.
    pub by_type: Vec<Group>,
    /// Keys by what stands in front of the first separator, most differences first. Only groups in
    /// which something differs.
    pub by_prefix: Vec<Group>,
    /// Keys whose prefix is not listed, there being too many.
    pub other_prefixes: Counts,
    /// Function libraries that only the second source has.
    pub functions_added: Vec<String>,
    /// Function libraries that only the first source has.
    pub functions_removed: Vec<String>,
    /// Function libraries whose code differs.
    pub functions_changed: Vec<String>,
    /// Whether data that modules keep beside the keys differs.
    pub module_data_differs: bool,
    /// Whether encodings were compared, or should not be: a log has none, nor has NDJSON.
    pub encodings_compared: bool,
    /// Whether it was compared when consumers of streams were seen: a log does not say.
    pub consumer_times_compared: bool,
    /// Keys that a source, or each of them, has more than once, the last of which was compared.
    pub repeated_keys: u64,
}

impl DiffSummary {
    /// Whether nothing differs, by what was counted.
    pub fn is_same(&self) -> bool {
        let functions = [&self.functions_added, &self.functions_removed, &self.functions_changed];
        let alike = functions.iter().all(|names| names.is_empty());
        self.keys.is_same() && alike && !self.module_data_differs
    }

    /// Writes it as a JSON line.
    pub fn write_json(&self, out: &mut dyn Write) -> Result<()> {
        json::line(out, self)
    }

    /// Writes it for the eye; `below` says whether the keys that differ stand above it.
    pub fn write_text(&self, out: &mut dyn Write, style: Style, below: bool) -> Result<()> {
        self.text(out, style, below).map_err(failed)
    }

    fn text(&self, out: &mut dyn Write, style: Style, below: bool) -> std::io::Result<()> {
        let lists = [
            (style.good("+").to_string(), &self.functions_added),
            (style.bad("-").to_string(), &self.functions_removed),
            (style.warn("~").to_string(), &self.functions_changed),
        ];
        for (sign, names) in &lists {
            for name in *names {
                let name = quoted(name.as_bytes());
                writeln!(out, "{sign} function library {name}")?;
            }
        }
        if self.module_data_differs {
            writeln!(out, "{} what modules keep beside the keys", style.warn("~"))?;
        }
        let listed = lists.iter().any(|(_, names)| !names.is_empty()) || self.module_data_differs;
        if !self.same && (listed || below && self.keys.differing() > 0) {
            writeln!(out)?;
        }
        let Counts { same, added, removed, changed } = self.keys;
        let names = format!("{} → {}", self.before, self.after);
        if self.same {
            let keys = plural(same, "key");
            writeln!(out, "{} {names}: {keys} alike", style.good("same"))?;
            return self.notes(out, style);
        }
        writeln!(out, "{} {names}", style.bad("different"))?;
        let rows = self.rows();
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let heads = ["same", "added", "removed", "changed"];
        write!(out, "  {:<width$}", "")?;
        for head in heads {
            write!(out, "  {head:>10}")?;
        }
        writeln!(out)?;
        for (name, counts) in &rows {
            write!(out, "  {name:<width$}")?;
            let Counts { same, added, removed, changed } = *counts;
            let cells = [
                style.dim(cell(same)).to_string(),
                if added > 0 { style.good(cell(added)).to_string() } else { cell(0) },
                if removed > 0 { style.bad(cell(removed)).to_string() } else { cell(0) },
                if changed > 0 { style.warn(cell(changed)).to_string() } else { cell(0) },
            ];
            for text in cells {
                write!(out, "  {text}")?;
            }
            writeln!(out)?;
        }
        let mut of = Vec::new();
        if self.expiry_only > 0 {
            of.push(format!("{} in expiry only", count(self.expiry_only)));
        }
        if self.encoding_only > 0 {
            of.push(format!("{} in encoding only", count(self.encoding_only)));
        }
        let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
        writeln!(
            out,
            "{} added, {} removed, {} changed{of}, {} the same",
            count(added),
            count(removed),
            count(changed),
            count(same)
        )?;
        self.notes(out, style)
    }

    /// The rows of the table: types, prefixes in which something differs, all.
    fn rows(&self) -> Vec<(String, Counts)> {
        let mut rows = Vec::new();
        let types = self.by_type.iter();
        rows.extend(types.map(|g| (String::from_utf8_lossy(&g.name).into_owned(), g.counts)));
        for group in self.by_prefix.iter().take(10) {
            rows.push((crate::report::text::key(&group.name, 40), group.counts));
        }
        let hidden = self.by_prefix.iter().skip(10).map(|group| group.counts);
        let rest = hidden.fold(self.other_prefixes, |sum, counts| Counts {
            same: sum.same + counts.same,
            added: sum.added + counts.added,
            removed: sum.removed + counts.removed,
            changed: sum.changed + counts.changed,
        });
        if rest.differing() > 0 {
            rows.push(("other prefixes".to_owned(), rest));
        }
        rows.push(("all keys".to_owned(), self.keys));
        rows
    }

    fn notes(&self, out: &mut dyn Write, style: Style) -> std::io::Result<()> {
        let note = match (self.encodings_compared, self.consumer_times_compared) {
            (true, true) => None,
            (false, true) => Some("encodings were not compared: values in NDJSON have none"),
            (true, false) => Some("consumers' times were not compared: a log does not hold them"),
            (false, false) => {
                Some("encodings and consumers' times were not compared: a log holds neither")
            }
        };
        if let Some(note) = note {
            writeln!(out, "{}", style.dim(note))?;
        }
        if self.repeated_keys > 0 {
            let keys = plural(self.repeated_keys, "key");
            let note =
                format!("{keys} stood more than once in a source; the last of each was compared");
            writeln!(out, "{}", style.warn(note))?;
        }
        Ok(())
    }
}

fn cell(n: u64) -> String {
    let text = if n == 0 { "-".to_owned() } else { count(n) };
    format!("{text:>10}")
}
