//! The table of the biggest keys, under its heading, as both screens have it.

use std::io::{self, Write};

use super::TopKey;
use crate::report::table::Table;
use crate::report::text::{Style, count, expiry, key, size};

/// What is said of every key.
const HEADS: [&str; 7] = [">size", ">elements", "type", "encoding", ">db", "expires", "key"];

/// A table of big keys under way.
pub(super) struct Biggest {
    table: Table,
    now_ms: i64,
    key_width: usize,
}

impl Biggest {
    /// With columns of its own before the others.
    pub(super) fn new(own: &[&str], now_ms: i64, key_width: usize) -> Self {
        Biggest { table: Table::new(&[own, &HEADS].concat()), now_ms, key_width }
    }

    /// Adds a key, with the cells of the columns before.
    pub(super) fn row(&mut self, own: impl IntoIterator<Item = String>, top: &TopKey) {
        let expires = |at_ms| expiry(at_ms, self.now_ms);
        self.table.row(own.into_iter().chain([
            size(top.size_bytes),
            count(top.elements),
            top.kind.to_owned(),
            top.encoding.to_owned(),
            top.db.to_string(),
            top.expires_at_ms.map_or_else(|| "-".to_owned(), expires),
            key(&top.key, self.key_width),
        ]));
    }

    /// Writes it, if it has any.
    pub(super) fn write(&self, out: &mut dyn Write, title: &str, style: Style) -> io::Result<()> {
        if self.table.is_empty() {
            return Ok(());
        }
        heading(out, title, style)?;
        write!(out, "{}", self.table)
    }
}

/// The line over a table.
pub(super) fn heading(out: &mut dyn Write, title: &str, style: Style) -> io::Result<()> {
    writeln!(out, "\n{}", style.bold(title))
}
