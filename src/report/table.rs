//! Tables without frames, numbers to the right.

use std::fmt::{self, Display};

use comfy_table::{CellAlignment, ContentArrangement, Table as Inner};

/// A table under a heading, indented by two.
pub struct Table {
    inner: Inner,
    right: Vec<bool>,
}

impl Table {
    /// Columns by their heads; a head that begins with `>` is of a column of numbers.
    pub fn new(heads: &[&str]) -> Self {
        let mut inner = Inner::new();
        inner.load_style(comfy_table::presets::NOTHING);
        inner.set_content_arrangement(ContentArrangement::Disabled);
        let right = heads.iter().map(|head| head.starts_with('>')).collect();
        inner.set_header(heads.iter().map(|head| head.trim_start_matches('>')));
        Table { inner, right }
    }

    /// Adds a row.
    pub fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        self.inner.add_row(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.inner.row_count() == 0
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut inner = self.inner.clone();
        for (column, &right) in inner.column_iter_mut().zip(&self.right) {
            column.set_padding((0, 2));
            if right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in inner.lines() {
            writeln!(f, "  {}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_frame() {
        let mut table = Table::new(&["type", ">keys"]);
        table.row(["string".to_owned(), "5".to_owned()]);
        table.row(["hash".to_owned(), "1,000".to_owned()]);
        assert_eq!(table.to_string(), "  type     keys\n  string      5\n  hash    1,000\n");
    }
}
