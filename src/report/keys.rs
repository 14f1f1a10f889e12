//! A row per key: as a table with columns of fixed width, as JSON lines or as CSV.
//!
//! Rows are appended to a buffer, so that they can be made on any thread and written in order.
//! A JSON line is `{"schema":"rdbkit.keys/1","db":…,"key":…,"type":…,"encoding":…,"elements":…,
//! "size_bytes":…,"expires_at_ms":…}`, with `"memory_bytes"` where it is estimated, and
//! `"idle_secs"` or `"frequency"` where the file has it.

use super::json::push_number;
use super::text::{self, Style};
use super::{csv, json};
use crate::bytes::quoted;
use crate::rdb::Eviction;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowFormat {
    /// Columns of fixed width, for the eye.
    #[default]
    Table,
    /// One JSON object per line.
    JsonLines,
    /// RFC 4180, with a line of names; see [`csv`].
    Csv,
}

/// A column of the table and of CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The database.
    Db,
    /// The type, as TYPE names it.
    Type,
    /// The encoding.
    Encoding,
    /// The number of elements.
    Elements,
    /// The bytes that it takes in the file.
    Bytes,
    /// What it would take in a server's memory, where that is estimated.
    Memory,
    /// When it expires.
    Ttl,
    /// What an eviction policy remembers; in CSV two columns.
    Idle,
    /// The key.
    Key,
}

impl Column {
    /// All of them, in the order of the table.
    pub const ALL: [Column; 9] = [
        Column::Db,
        Column::Type,
        Column::Encoding,
        Column::Elements,
        Column::Bytes,
        Column::Memory,
        Column::Ttl,
        Column::Idle,
        Column::Key,
    ];

    /// Those of the table where none are asked for.
    pub const TABLE: [Column; 8] = [
        Column::Db,
        Column::Type,
        Column::Encoding,
        Column::Elements,
        Column::Bytes,
        Column::Ttl,
        Column::Idle,
        Column::Key,
    ];

    /// Those of CSV where none are asked for.
    pub const CSV: [Column; 8] = [
        Column::Db,
        Column::Key,
        Column::Type,
        Column::Encoding,
        Column::Elements,
        Column::Bytes,
        Column::Ttl,
        Column::Idle,
    ];

    /// The word by which it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Column::Db => "db",
            Column::Type => "type",
            Column::Encoding => "encoding",
            Column::Elements => "elements",
            Column::Bytes => "bytes",
            Column::Memory => "memory",
            Column::Ttl => "ttl",
            Column::Idle => "idle",
            Column::Key => "key",
        }
    }

    /// Its head and width in the table; columns of numbers stand to the right.
    fn head(self) -> (&'static str, usize, bool) {
        match self {
            Column::Db => ("DB", 4, true),
            Column::Type => ("TYPE", 6, false),
            Column::Encoding => ("ENCODING", 17, false),
            Column::Elements => ("ELEMENTS", 8, true),
            Column::Bytes => ("BYTES", 11, true),
            Column::Memory => ("MEMORY", 11, true),
            Column::Ttl => ("EXPIRES", 11, false),
            Column::Idle => ("IDLE/FREQ", 10, false),
            Column::Key => ("KEY", 32, false),
        }
    }

    /// Its names in CSV.
    fn csv(self) -> &'static str {
        match self {
            Column::Bytes => "size_bytes",
            Column::Memory => "memory_bytes",
            Column::Ttl => "expires_at_ms",
            Column::Idle => "idle_secs,frequency",
            other => other.name(),
        }
    }
}

/// How rows look as a table or as CSV.
#[derive(Debug, Clone, Default)]
pub struct RowLook {
    /// Which columns, in which order; all but memory where there are none.
    pub columns: Vec<Column>,
    /// Colours of the table.
    pub style: Style,
}

impl RowLook {
    fn columns(&self, all: &'static [Column; 8]) -> &[Column] {
        if self.columns.is_empty() { all } else { &self.columns }
    }
}

/// What a row says of a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyRow<'a> {
    /// Its database.
    pub db: u64,
    /// The key.
    pub key: &'a [u8],
    /// As TYPE names it.
    pub kind: &'static str,
    /// As on disk.
    pub encoding: &'static str,
    /// Its elements; of a string 1.
    pub elements: u64,
    /// What it takes in the file, with key and expiry.
    pub size_bytes: u64,
    /// What it would take in a server's memory, where that is estimated.
    pub memory_bytes: Option<u64>,
    /// When it expires, unix time in milliseconds.
    pub expires_at_ms: Option<i64>,
    /// What an eviction policy remembers.
    pub eviction: Option<Eviction>,
}

/// Appends what stands above the rows.
pub fn push_head(out: &mut Vec<u8>, format: RowFormat, look: &RowLook) {
    match format {
        RowFormat::JsonLines => {}
        RowFormat::Table => {
            let columns = look.columns(&Column::TABLE);
            push_cells(out, columns, |column| (column.head().0.to_owned(), Paint::Plain), look);
        }
        RowFormat::Csv => {
            let columns = look.columns(&Column::CSV);
            let names: Vec<_> = columns.iter().map(|column| column.csv()).collect();
            out.extend_from_slice(names.join(",").as_bytes());
            csv::end(out);
        }
    }
}

/// Appends a row; `now_ms` is what the table counts times to live from.
pub fn push_row(
    out: &mut Vec<u8>,
    format: RowFormat,
    row: &KeyRow<'_>,
    look: &RowLook,
    now_ms: i64,
) {
    match format {
        RowFormat::Table => {
            let columns = look.columns(&Column::TABLE);
            push_cells(out, columns, |column| cell(column, row, now_ms), look);
        }
        RowFormat::JsonLines => push_json(out, row),
        RowFormat::Csv => push_csv(out, look.columns(&Column::CSV), row),
    }
}

/// What a cell looks like.
#[derive(Debug, Clone, Copy)]
enum Paint<'a> {
    Plain,
    /// In the colour of a type.
    Kind(&'a str),
    /// Something that is over.
    Over,
    /// Something that soon will be.
    Soon,
    Dim,
    Bold,
}

/// What will be over within an hour is soon over.
const SOON_MS: u64 = 3_600_000;

fn cell<'r>(column: Column, row: &KeyRow<'r>, now_ms: i64) -> (String, Paint<'r>) {
    match column {
        Column::Db => (row.db.to_string(), Paint::Dim),
        Column::Type => (row.kind.to_owned(), Paint::Kind(row.kind)),
        Column::Encoding => (row.encoding.to_owned(), Paint::Dim),
        Column::Elements => (row.elements.to_string(), Paint::Plain),
        Column::Bytes => (row.size_bytes.to_string(), Paint::Plain),
        Column::Memory => match row.memory_bytes {
            Some(bytes) => (bytes.to_string(), Paint::Plain),
            None => ("-".to_owned(), Paint::Dim),
        },
        Column::Ttl => match row.expires_at_ms {
            None => ("-".to_owned(), Paint::Dim),
            Some(at_ms) => {
                let paint = match at_ms.abs_diff(now_ms) {
                    _ if at_ms <= now_ms => Paint::Over,
                    ..SOON_MS => Paint::Soon,
                    _ => Paint::Plain,
                };
                (text::expiry(at_ms, now_ms), paint)
            }
        },
        Column::Idle => match row.eviction {
            Some(Eviction::IdleSecs(secs)) => (text::span(secs.saturating_mul(1000)), Paint::Plain),
            Some(Eviction::Frequency(frequency)) => (format!("freq {frequency}"), Paint::Plain),
            None => ("-".to_owned(), Paint::Dim),
        },
        Column::Key => {
            let over = row.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
            (quoted(row.key).to_string(), if over { Paint::Over } else { Paint::Bold })
        }
    }
}

/// Appends cells side by side, the last one as it is.
fn push_cells<'r>(
    out: &mut Vec<u8>,
    columns: &[Column],
    cell: impl Fn(Column) -> (String, Paint<'r>),
    look: &RowLook,
) {
    for (index, &column) in columns.iter().enumerate() {
        let (text, paint) = cell(column);
        let (_, width, right) = column.head();
        let padded = match (right, index + 1 == columns.len()) {
            (true, _) => format!("{text:>width$}"),
            (false, true) => text,
            (false, false) => format!("{text:<width$}"),
        };
        if index > 0 {
            out.push(b' ');
        }
        let style = look.style;
        let painted = match paint {
            Paint::Plain => padded,
            Paint::Kind(kind) => style.kind(kind, padded).to_string(),
            Paint::Over => style.bad(padded).to_string(),
            Paint::Soon => style.warn(padded).to_string(),
            Paint::Dim => style.dim(padded).to_string(),
            Paint::Bold => style.bold(padded).to_string(),
        };
        out.extend_from_slice(painted.as_bytes());
    }
    out.push(b'\n');
}

fn push_json(out: &mut Vec<u8>, row: &KeyRow<'_>) {
    out.extend_from_slice(b"{\"schema\":\"rdbkit.keys/1\",");
    push_fields(out, row);
    out.extend_from_slice(b"}\n");
}

/// Appends the fields of a row, for objects that go on with others.
pub(super) fn push_fields(out: &mut Vec<u8>, row: &KeyRow<'_>) {
    out.extend_from_slice(b"\"db\":");
    push_number(out, row.db);
    out.extend_from_slice(b",\"key\":");
    json::push_bytes(out, row.key);
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(row.kind.as_bytes());
    out.extend_from_slice(b"\",\"encoding\":\"");
    out.extend_from_slice(row.encoding.as_bytes());
    out.extend_from_slice(b"\",\"elements\":");
    push_number(out, row.elements);
    out.extend_from_slice(b",\"size_bytes\":");
    push_number(out, row.size_bytes);
    if let Some(bytes) = row.memory_bytes {
        out.extend_from_slice(b",\"memory_bytes\":");
        push_number(out, bytes);
    }
    out.extend_from_slice(b",\"expires_at_ms\":");
    match row.expires_at_ms {
        Some(at_ms) => push_number(out, at_ms),
        None => out.extend_from_slice(b"null"),
    }
    match row.eviction {
        Some(Eviction::IdleSecs(secs)) => {
            out.extend_from_slice(b",\"idle_secs\":");
            push_number(out, secs);
        }
        Some(Eviction::Frequency(frequency)) => {
            out.extend_from_slice(b",\"frequency\":");
            push_number(out, frequency);
        }
        None => {}
    }
}

fn push_csv(out: &mut Vec<u8>, columns: &[Column], row: &KeyRow<'_>) {
    push_csv_cells(out, columns, row);
    csv::end(out);
}

/// Appends the fields of a row, for rows that go on with others.
pub(super) fn push_csv_fields(out: &mut Vec<u8>, row: &KeyRow<'_>) {
    push_csv_cells(out, &Column::CSV, row);
}

fn push_csv_cells(out: &mut Vec<u8>, columns: &[Column], row: &KeyRow<'_>) {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match column {
            Column::Db => push_number(out, row.db),
            Column::Key => csv::push_bytes(out, row.key),
            Column::Type => out.extend_from_slice(row.kind.as_bytes()),
            Column::Encoding => out.extend_from_slice(row.encoding.as_bytes()),
            Column::Elements => push_number(out, row.elements),
            Column::Bytes => push_number(out, row.size_bytes),
            Column::Memory => {
                if let Some(bytes) = row.memory_bytes {
                    push_number(out, bytes);
                }
            }
            Column::Ttl => {
                if let Some(at_ms) = row.expires_at_ms {
                    push_number(out, at_ms);
                }
            }
            Column::Idle => {
                if let Some(Eviction::IdleSecs(secs)) = row.eviction {
                    push_number(out, secs);
                }
                out.push(b',');
                if let Some(Eviction::Frequency(frequency)) = row.eviction {
                    push_number(out, frequency);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: RowFormat, row: &KeyRow<'_>, want: &str) {
        let mut out = Vec::new();
        push_row(&mut out, format, row, &RowLook::default(), 1000);
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    const ROW: KeyRow<'_> = KeyRow {
        db: 3,
        key: b"a,\xff",
        kind: "hash",
        encoding: "listpack",
        elements: 2,
        size_bytes: 45,
        memory_bytes: None,
        expires_at_ms: Some(61_000),
        eviction: Some(Eviction::IdleSecs(60)),
    };

    #[test]
    fn one_row_in_each_form() {
        check(
            RowFormat::Table,
            &ROW,
            "   3 hash   listpack                 2          45 in 1m       1m         \"a,\\xff\"\n",
        );
        check(
            RowFormat::JsonLines,
            &ROW,
            "{\"schema\":\"rdbkit.keys/1\",\"db\":3,\"key\":{\"base64\":\"YSz/\"},\"type\":\"hash\",\
             \"encoding\":\"listpack\",\"elements\":2,\"size_bytes\":45,\"expires_at_ms\":61000,\
             \"idle_secs\":60}\n",
        );
        check(RowFormat::Csv, &ROW, "3,\"a,\\xff\",hash,listpack,2,45,61000,60,\r\n");
    }

    #[test]
    fn columns_are_chosen_and_ordered() {
        let look = RowLook { columns: vec![Column::Key, Column::Bytes], ..RowLook::default() };
        let both = |format| {
            let mut out = Vec::new();
            push_head(&mut out, format, &look);
            push_row(&mut out, format, &ROW, &look, 1000);
            String::from_utf8(out).unwrap()
        };
        let table = "KEY                                    BYTES\n\
                     \"a,\\xff\"                                  45\n";
        assert_eq!(both(RowFormat::Table), table);
        assert_eq!(both(RowFormat::Csv), "key,size_bytes\r\n\"a,\\xff\",45\r\n");
    }

    #[test]
    fn memory_is_said_where_it_is_estimated() {
        let row = KeyRow { memory_bytes: Some(96), key: b"k", ..ROW };
        let look = RowLook { columns: vec![Column::Memory, Column::Key], ..RowLook::default() };
        let mut out = Vec::new();
        push_row(&mut out, RowFormat::Table, &row, &look, 1000);
        push_row(&mut out, RowFormat::Csv, &row, &look, 1000);
        push_row(&mut out, RowFormat::Csv, &ROW, &look, 1000);
        let want = "         96 \"k\"\n96,k\r\n,\"a,\\xff\"\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn what_has_expired_is_red() {
        let style = Style { color: true };
        let look = RowLook { columns: vec![Column::Type, Column::Ttl], style };
        let row = |at_ms, now_ms| {
            let mut out = Vec::new();
            let row = KeyRow { expires_at_ms: Some(at_ms), ..ROW };
            push_row(&mut out, RowFormat::Table, &row, &look, now_ms);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(row(1000, 2000), "\x1b[33mhash  \x1b[0m \x1b[1;31m1s ago\x1b[0m\n");
        assert_eq!(row(2000, 1000), "\x1b[33mhash  \x1b[0m \x1b[1;33min 1s\x1b[0m\n");
        assert_eq!(row(7_200_000, 0), "\x1b[33mhash  \x1b[0m in 2h\n");
    }

    #[test]
    fn what_is_not_there_is_left_empty() {
        let row = KeyRow { key: b"k", expires_at_ms: None, eviction: None, ..ROW };
        check(RowFormat::Csv, &row, "3,k,hash,listpack,2,45,,,\r\n");
        let frequency = KeyRow { eviction: Some(Eviction::Frequency(255)), ..row };
        check(RowFormat::Csv, &frequency, "3,k,hash,listpack,2,45,,,255\r\n");
    }
}
