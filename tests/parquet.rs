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

/// Holds the tables of types against the table of all: each has its columns, of their types, and
/// the same rows.
const READ_TYPES: &str = r#"
import glob, json, os, sys
import duckdb
import pyarrow.parquet as pq

whole, folder = sys.argv[1:]
head = [("db", "uint64"), ("key", "binary"), ("encoding", "string"), ("expires_at_ms", "int64"),
        ("idle_secs", "uint64"), ("frequency", "uint8")]
own = {
    "string": [("value", "binary")],
    "module": [("value", "binary")],
    "list": [("index", "uint64"), ("value", "binary")],
    "array": [("index", "uint64"), ("value", "binary")],
    "set": [("member", "binary")],
    "zset": [("member", "binary"), ("score", "double")],
    "hash": [("field", "binary"), ("value", "binary"), ("field_expires_at_ms", "uint64")],
    "stream": [("id", "string"), ("id_ms", "uint64"), ("id_seq", "uint64"), ("field", "binary"),
               ("value", "binary")],
}
columns = "db, key, encoding, expires_at_ms, idle_secs, frequency"
kinds = {row[0] for row in duckdb.sql(f"select distinct type from read_parquet('{whole}')").fetchall()}
files = {os.path.basename(path).removesuffix(".parquet") for path in glob.glob(folder + "/*.parquet")}
assert files == kinds, (files, kinds)
with open(folder + "/export.json") as file:
    said = {one["file"]: one for one in json.load(file)["files"]}
assert {name.removesuffix(".parquet") for name in said} == kinds
for kind in kinds:
    path = f"{folder}/{kind}.parquet"
    table = pq.read_table(path)
    names = [(field.name, str(field.type)) for field in table.schema]
    assert names == head + own[kind], (kind, names)
    mine = ", ".join(name for name, _ in own[kind])
    theirs = ", ".join({"member": "value", "id_ms": "split_part(id, '-', 1)::ubigint",
                        "id_seq": "split_part(id, '-', 2)::ubigint"}.get(name, name)
                       for name, _ in own[kind])
    got = duckdb.sql(f"select {columns}, {mine} from read_parquet('{path}')").fetchall()
    want = duckdb.sql(f"select {columns}, {theirs} from read_parquet('{whole}') where type = '{kind}'").fetchall()
    assert got == want, kind
    assert got == [tuple(row.values()) for row in table.to_pylist()], kind
    keys = len({(row[0], row[1]) for row in got})
    assert said[kind + ".parquet"]["rows"] == len(got) and said[kind + ".parquet"]["keys"] == keys
    assert said[kind + ".parquet"]["size_bytes"] == os.path.getsize(path)
"#;

/// Exports a fixture.
#[track_caller]
fn export(source: &str, out: &Path, args: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.arg("export").arg(Path::new(ROOT).join("fixtures").join(source)).args(args);
    let output = command.arg("-o").arg(out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tables_of_types_have_the_rows_of_the_whole() {
    let Some(python) = python() else { return };
    for source in [
        "redis-8.10.2-alltypes.rdb",
        "redis-8.10.2-array.rdb",
        "redis-8.10.2-modules.rdb",
        "valkey-9.1.2-hash-field-ttl.rdb",
        "redis-7.0.15-lru.rdb",
        "redis-8.10.2-alltypes-aofdir",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (whole, tables) = (folder.path().join("whole.parquet"), folder.path().join("tables"));
        export(source, &whole, &["--to", "parquet"]);
        export(source, &tables, &["--to", "parquet", "--split-types"]);
        let read =
            Command::new(&python).args(["-c", READ_TYPES]).args([whole, tables]).output().unwrap();
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{source}: {said}");
    }
}

#[test]
fn a_directory_of_tables_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let call = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
        command.current_dir(folder.path()).arg("export");
        command.arg(Path::new(ROOT).join("fixtures/redis-7.0.15-lru.rdb"));
        let output = command.args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let tables = ["--to", "parquet", "--split-types", "-o", "tables"];
    assert_eq!(call(&tables).0, Some(0));
    let before = std::fs::read_dir(folder.path().join("tables")).unwrap().count();
    let (code, said) = call(&tables);
    assert_eq!((code, said.contains("tables")), (Some(2), true), "{said}");
    assert_eq!(std::fs::read_dir(folder.path().join("tables")).unwrap().count(), before);
    let (code, said) = call(&["--to", "parquet", "--split-types"]);
    assert_eq!((code, said.contains("a directory to make")), (Some(2), true), "{said}");
}

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
        export(source, &path("out.parquet"), &[&["--to", "parquet"][..], &["--force"]].concat());
        export(
            source,
            &path("out.csv"),
            &[&["--to", "csv", "--explode"][..], &["--force"]].concat(),
        );
        export(source, &path("out.ndjson"), &[&["--keys-only"][..], &["--force"]].concat());
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

#[test]
fn libraries_that_are_left_out_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for (out, more) in [("one", None), ("many", Some("--split-types"))] {
        let mut call = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
        call.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
        call.args(["export", "redis-8.10.2-alltypes.rdb", "--to", "parquet", "-o"]);
        call.arg(folder.path().join(out)).args(more);
        let told = String::from_utf8(call.output().unwrap().stdout).unwrap();
        assert!(told.contains("2 libraries left out: a table has no place for them"), "{told}");
    }
}
