//! A Parquet file says the same to DuckDB and PyArrow as the exploded CSV says.

#![cfg(feature = "parquet")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{in_ci, skipped};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The Python in which `tests/fetch-tools` installs readers of Parquet.
fn python() -> Option<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let python = Path::new(ROOT).join(target).join("tools/venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    let message = format!("no {}; run tests/fetch-tools", python.display());
    assert!(!in_ci(), "{message}");
    skipped(message);
    None
}

/// Compares what both readers see, and counts, with what the program says in other forms.
const READ: &str = r#"
import csv, json, sys
import duckdb
import pyarrow.parquet as pq

parquet, table, keys, batch = sys.argv[1:]
arrow = pq.read_table(parquet)
want_names = ["db", "key", "type", "encoding", "expires_at_ms", "idle_secs", "frequency", "index",
              "id", "field", "value", "score", "field_expires_at_ms"]
assert arrow.column_names == want_names, arrow.column_names
assert all(pq.ParquetFile(parquet).metadata.row_group(n).column(1).compression == "ZSTD"
           for n in range(pq.ParquetFile(parquet).num_row_groups))
rows = arrow.to_pylist()
duck = duckdb.sql("select * from read_parquet('" + parquet + "')")
assert duck.columns == want_names
duck = duck.fetchall()
assert [tuple(row.values()) for row in rows] == duck

def escaped(data):
    if data is None:
        return ""
    out, rest = "", data
    while rest:
        try:
            good, rest = rest.decode(), b""
            out += good.replace("\\", "\\\\")
        except UnicodeDecodeError as error:
            out += rest[:error.start].decode().replace("\\", "\\\\")
            out += "".join("\\x%02x" % byte for byte in rest[error.start:error.end])
            rest = rest[error.end:]
    return "\\" + out if out.startswith('"') else out

def seen(row):
    place = row["id"] if row["index"] is None else str(row["index"])
    expires = row["field_expires_at_ms"] or row["expires_at_ms"]
    return [str(row["db"]), escaped(row["key"]), row["type"], place or "", escaped(row["field"]),
            escaped(row["value"]), row["score"], "" if expires is None else str(expires)]

with open(table, newline="") as file:
    want = list(csv.reader(file))[1:]
for row in want:
    row[6] = float(row[6]) if row[6] else None
# A key without an element has no row in the CSV.
got = [seen(row) for row in rows if row["value"] is not None]
assert len(got) == len(want), (len(got), len(want))
for one, other in zip(got, want):
    assert one == other, (one, other)
with open(keys) as file:
    names = [json.loads(line) for line in file]
count = duckdb.sql("select distinct db, key from read_parquet('" + parquet + "')").fetchall()
assert len(count) == len(names), (len(count), len(names))
"#;

#[test]
fn readers_see_what_the_csv_says() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (number, source) in [
        "redis-8.10.2-alltypes.rdb",
        "redis-8.10.2-modules.rdb",
        "valkey-9.1.2-hash-field-ttl.rdb",
        "redis-7.0.15-lfu.rdb",
    ]
    .into_iter()
    .enumerate()
    {
        let export = |name: &str, args: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
                .arg("export")
                .arg(Path::new(ROOT).join("fixtures").join(source))
                .args(args)
                .args(["--force", "-o"])
                .arg(path(name))
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        export("out.parquet", &["--to", "parquet"]);
        export("out.csv", &["--to", "csv", "--explode"]);
        export("out.ndjson", &["--keys-only"]);
        let read = Command::new(&python)
            .args(["-c", READ])
            .args(["out.parquet", "out.csv", "out.ndjson"].map(path))
            .arg(number.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{source}: {said}");
    }
}
