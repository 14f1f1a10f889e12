//! A row per key: as a table with columns of fixed width, as JSON lines or as CSV.
//!
//! Rows are appended to a buffer, so that they can be made on any thread and written in order.
//! A JSON line is `{"schema":"rdbkit.keys/1","db":…,"key":…,"type":…,"encoding":…,"elements":…,
//! "size_bytes":…,"expires_at_ms":…}`, with `"idle_secs"` or `"frequency"` where the file has it.

use std::io::Write;

use super::json::push_number;
use super::{csv, json, text};
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
    /// When it expires, unix time in milliseconds.
    pub expires_at_ms: Option<i64>,
    /// What an eviction policy remembers.
    pub eviction: Option<Eviction>,
}

/// Appends what stands above the rows.
pub fn push_head(out: &mut Vec<u8>, format: RowFormat) {
    out.extend_from_slice(match format {
        RowFormat::Table => {
            b"  DB TYPE   ENCODING          ELEMENTS       BYTES EXPIRES     IDLE/FREQ  KEY\n"
                .as_slice()
        }
        RowFormat::JsonLines => b"",
        RowFormat::Csv => {
            b"db,key,type,encoding,elements,size_bytes,expires_at_ms,idle_secs,frequency\r\n"
        }
    });
}

/// Appends a row; `now_ms` is what the table counts times to live from.
pub fn push_row(out: &mut Vec<u8>, format: RowFormat, row: &KeyRow<'_>, now_ms: i64) {
    match format {
        RowFormat::Table => push_table(out, row, now_ms),
        RowFormat::JsonLines => push_json(out, row),
        RowFormat::Csv => push_csv(out, row),
    }
}

fn push_table(out: &mut Vec<u8>, row: &KeyRow<'_>, now_ms: i64) {
    let expires = match row.expires_at_ms {
        Some(at_ms) => text::expiry(at_ms, now_ms),
        None => "-".to_owned(),
    };
    let eviction = match row.eviction {
        Some(Eviction::IdleSecs(secs)) => text::span(secs.saturating_mul(1000)),
        Some(Eviction::Frequency(frequency)) => format!("freq {frequency}"),
        None => "-".to_owned(),
    };
    // Writing into memory cannot fail.
    let _ = writeln!(
        out,
        "{:>4} {:<6} {:<17} {:>8} {:>11} {expires:<11} {eviction:<10} {}",
        row.db,
        row.kind,
        row.encoding,
        row.elements,
        row.size_bytes,
        quoted(row.key)
    );
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

fn push_csv(out: &mut Vec<u8>, row: &KeyRow<'_>) {
    push_csv_fields(out, row);
    csv::end(out);
}

/// Appends the fields of a row, for rows that go on with others.
pub(super) fn push_csv_fields(out: &mut Vec<u8>, row: &KeyRow<'_>) {
    push_number(out, row.db);
    out.push(b',');
    csv::push_bytes(out, row.key);
    for word in [row.kind, row.encoding] {
        out.push(b',');
        out.extend_from_slice(word.as_bytes());
    }
    for number in [row.elements, row.size_bytes] {
        out.push(b',');
        push_number(out, number);
    }
    out.push(b',');
    if let Some(at_ms) = row.expires_at_ms {
        push_number(out, at_ms);
    }
    out.push(b',');
    if let Some(Eviction::IdleSecs(secs)) = row.eviction {
        push_number(out, secs);
    }
    out.push(b',');
    if let Some(Eviction::Frequency(frequency)) = row.eviction {
        push_number(out, frequency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: RowFormat, row: &KeyRow<'_>, want: &str) {
        let mut out = Vec::new();
        push_row(&mut out, format, row, 1000);
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    const ROW: KeyRow<'_> = KeyRow {
        db: 3,
        key: b"a,\xff",
        kind: "hash",
        encoding: "listpack",
        elements: 2,
        size_bytes: 45,
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
    fn what_is_not_there_is_left_empty() {
        let row = KeyRow { key: b"k", expires_at_ms: None, eviction: None, ..ROW };
        check(RowFormat::Csv, &row, "3,k,hash,listpack,2,45,,,\r\n");
        let frequency = KeyRow { eviction: Some(Eviction::Frequency(255)), ..row };
        check(RowFormat::Csv, &frequency, "3,k,hash,listpack,2,45,,,255\r\n");
    }
}
