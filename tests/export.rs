//! What is exported is all that was there: NDJSON comes back with the same digest, commands make
//! the same keys in a server, and tables have a row for everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rdbkit::ops::convert::{ConvertOptions, convert};
use rdbkit::ops::digest::{DigestOptions, digest};
use rdbkit::ops::export::{ExportForm, ExportOptions, export};
use rdbkit::ops::filter::{Criteria, Filter};
use rdbkit::ops::walk::{Silent, WalkOptions};
use rdbkit::report::export::ExportReport;
use rdbkit::resp::Command as Resp;
use rdbkit::source::{Locator, OpenOptions, open};
use redis::Value;
use support::corpus;
use support::servers::{Server, require_any};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every valid snapshot of the fixtures and the corpus.
fn snapshots() -> Vec<PathBuf> {
    let fixtures = fs::read_dir(format!("{ROOT}/fixtures")).unwrap();
    let mut all: Vec<PathBuf> = fixtures.map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "rdb"));
    if let Some(corpus) = corpus::corpus() {
        all.extend(corpus.generated().iter().map(|file| corpus.path(&file.file)));
        let valid = |file: &&corpus::ThirdParty| file.kind == "rdb" && file.validity == "valid";
        all.extend(corpus.third_party().iter().filter(valid).map(|file| corpus.path(&file.file)));
    }
    all.sort();
    all
}

fn fixture(name: &str) -> PathBuf {
    Path::new(ROOT).join("fixtures").join(name)
}

fn opened(path: &Path) -> rdbkit::source::Source {
    open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap()
}

fn walk(threads: usize) -> WalkOptions {
    // Relative times of logs count from here.
    WalkOptions { threads, now_ms: Some(1_795_500_000_000), ..WalkOptions::default() }
}

fn full_digest(path: &Path) -> Result<String, String> {
    let options = DigestOptions { full: true, walk: walk(2), ..DigestOptions::default() };
    let report = digest(opened(path), &options, &Silent).map_err(|error| error.to_string())?;
    assert!(report.ended.fault.is_none(), "{}", path.display());
    Ok(report.digest)
}

#[track_caller]
fn exported(source: &Path, out: &Path, form: ExportForm, options: &ExportOptions) -> ExportReport {
    let options = ExportOptions { form, force: true, ..options.clone() };
    export(opened(source), out, &options, &Silent)
        .unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

fn plain() -> ExportOptions {
    ExportOptions { walk: walk(2), ..ExportOptions::default() }
}

fn rdbkit() -> Command {
    let mut command = Command::cargo_bin("rdbkit").unwrap();
    command.current_dir(format!("{ROOT}/fixtures"));
    command
}

#[test]
fn ndjson_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, back) = (folder.path().join("lines"), folder.path().join("back.rdb"));
    let mut seen = 0;
    for source in snapshots() {
        // What no digest covers (values of modules before their format had opcodes) has none.
        let Ok(want) = full_digest(&source) else { continue };
        exported(&source, &lines, ExportForm::Ndjson, &plain());
        assert_eq!(full_digest(&lines).unwrap(), want, "{}", source.display());
        let options = ConvertOptions { force: true, walk: walk(2), ..ConvertOptions::default() };
        convert(opened(&lines), &back, &options, &Silent).unwrap();
        assert_eq!(full_digest(&back).unwrap(), want, "{}, converted", source.display());
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} snapshots");
}

#[test]
fn logs_are_run_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    for log in ["redis-8.10.2-alltypes-aofdir", "redis-5.0.6-alltypes-preamble.aof"] {
        let source = fixture(log);
        exported(&source, &lines, ExportForm::Ndjson, &plain());
        assert_eq!(full_digest(&lines), full_digest(&source), "{log}");
    }
}

/// What is huge is written while it is read, and looks like all else.
#[test]
fn huge_values_are_whole_and_in_their_place() {
    const HUGE: usize = 17 << 20;
    let len = |n: usize| [&[0x80][..], &u32::try_from(n).unwrap().to_be_bytes()].concat();
    let string = |bytes: &[u8]| [&*len(bytes.len()), bytes].concat();
    let key = |ty: u8, name: &str, value: &[u8]| [&[ty], &*string(name.as_bytes()), value].concat();
    let text = format!("caf\u{e9} \"\n{}", "-".repeat(99)).repeat(HUGE / 100);
    let part = "v".repeat(1 << 20);
    let fields: Vec<String> = (0..17).map(|n| format!("f{n}")).collect();
    let pairs = fields.iter().flat_map(|field| [string(field.as_bytes()), string(part.as_bytes())]);
    let hash: Vec<u8> = pairs.flatten().collect();
    let (begin, end) = (b"REDIS0009\xfe\x00".to_vec(), b"\xff\0\0\0\0\0\0\0\0".to_vec());
    let small = key(0, "small", &string(b"x"));
    let file = [
        begin.clone(),
        key(0, "first", &string(text.as_bytes())),
        small.clone(),
        key(4, "hash", &[len(fields.len()), hash].concat()),
        key(0, "last", &string(b"y")),
        end.clone(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("huge.rdb"), folder.path().join("out"));
    fs::write(&source, file.concat()).unwrap();
    let object = |name: &str, kind: &str, encoding: &str, value: &str| {
        format!(
            "{{\"db\":0,\"key\":\"{name}\",\"type\":\"{kind}\",\"encoding\":\"{encoding}\",\
             \"value\":{value}}}"
        )
    };
    let pair = |field: &String| format!("{{\"field\":\"{field}\",\"value\":\"{part}\"}}");
    let pairs: Vec<String> = fields.iter().map(pair).collect();
    let text = text.replace('"', "\\\"").replace('\n', "\\n");
    let want = [
        object("first", "string", "raw", &format!("\"{text}\"")),
        object("small", "string", "raw", "\"x\""),
        object("hash", "hash", "hashtable", &format!("[{}]", pairs.join(","))),
        object("last", "string", "raw", "\"y\""),
    ];
    let (lines, document) = (want.join("\n") + "\n", format!("[\n{}\n]", want.join(",\n")));
    let written = |form, threads, no_mmap, filter| {
        let opened = OpenOptions { no_mmap, ..OpenOptions::default() };
        let source = open(&Locator::Path(source.clone()), &opened).unwrap();
        let walk = walk(threads);
        let options = ExportOptions { form, force: true, walk, filter, keys_only: true, ..plain() };
        let report = export(source, &out, &options, &Silent).unwrap();
        assert_eq!(report.keys_read, 4);
        fs::read_to_string(&out).unwrap()
    };
    for (threads, no_mmap) in [(1, false), (2, false), (2, true)] {
        let got = written(ExportForm::Ndjson, threads, no_mmap, Filter::default());
        assert!(got == lines, "{threads} threads, {no_mmap}: {}", got.len());
    }
    let got = written(ExportForm::Json, 2, false, Filter::default());
    assert!(got.contains(&document), "{}", got.len());
    let globs = Criteria { globs: vec![b"last".to_vec()], ..Criteria::default() };
    let last = Filter::new(&globs, &Criteria::default(), 0).unwrap();
    assert_eq!(written(ExportForm::Ndjson, 2, false, last), want[3].clone() + "\n");
    let json = format!("[{}]", pairs.join(",")).replace('"', "\"\"");
    let element = |field: &String| format!("0,hash,hash,,{field},{part},,\r\n");
    let rows: String = fields.iter().map(element).collect();
    for no_mmap in [false, true] {
        let got = written(ExportForm::Csv, 2, no_mmap, Filter::default());
        assert!(got.contains(&format!(",,,,\"{json}\"\r\n0,last,string")), "{}", got.len());
        let got = written(ExportForm::CsvElements, 2, no_mmap, Filter::default());
        assert!(got.contains(&format!("\r\n{rows}0,last,string")), "{}", got.len());
    }
    // A row that would break half-way is not begun: here a field of a hash has no value.
    let big = [&b"\xf0"[..], &u32::to_le_bytes(HUGE as u32), &vec![b'-'; HUGE], &[0; 4]].concat();
    let entries = [&b"\x81f\x02"[..], &big, b"\x83odd\x04\xff"].concat();
    let total = u32::try_from(entries.len() + 6).unwrap();
    let listpack = [&total.to_le_bytes()[..], b"\xff\xff", &entries].concat();
    let odd = key(16, "odd", &string(&listpack));
    fs::write(&source, [begin, small, odd, end].concat()).unwrap();
    let said = rdbkit().arg("export").arg(&source).output().unwrap();
    assert_eq!(said.status.code(), Some(1), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(said.stdout.iter().filter(|&&byte| byte == b'\n').count(), 2);
}

#[test]
fn threads_and_arrival_make_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let source = fixture("redis-8.10.2-alltypes.rdb");
    let forms = [
        ExportForm::Ndjson,
        ExportForm::Json,
        ExportForm::Csv,
        ExportForm::CsvElements,
        ExportForm::Resp,
    ];
    for form in forms {
        let mut want: Option<Vec<u8>> = None;
        for threads in [1, 3] {
            for no_mmap in [false, true] {
                let options = ExportOptions {
                    form,
                    force: true,
                    walk: walk(threads),
                    open: OpenOptions { no_mmap, ..OpenOptions::default() },
                    ..ExportOptions::default()
                };
                let opened = open(&Locator::Path(source.clone()), &options.open).unwrap();
                export(opened, &out, &options, &Silent).unwrap();
                let got = fs::read(&out).unwrap();
                assert!(*want.get_or_insert_with(|| got.clone()) == got, "{form:?} {threads}");
            }
        }
    }
}

#[test]
fn what_is_read_back_loads_in_a_server() {
    let Some(kind) = require_any(&["redis-8.10", "valkey-9.1"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (lines, back) = (folder.path().join("lines"), folder.path().join("back.rdb"));
    let source = fixture(if kind.name.starts_with("redis") {
        "redis-8.10.2-alltypes.rdb"
    } else {
        "valkey-9.1.2-alltypes.rdb"
    });
    exported(&source, &lines, ExportForm::Ndjson, &plain());
    convert(opened(&lines), &back, &ConvertOptions::default(), &Silent).unwrap();
    let sanitize = ["--sanitize-dump-payload", "yes"];
    let one = Server::start_with_rdb(&kind, &fs::read(&source).unwrap(), &sanitize);
    let other = Server::start_with_rdb(&kind, &fs::read(&back).unwrap(), &sanitize);
    assert_eq!(one.digest(), other.digest());
}

#[test]
fn commands_make_the_keys_in_a_server() {
    let Some(kind) = require_any(&["redis-8.10", "redis-7.0", "valkey-9.1"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("commands");
    let source = fixture("redis-7.0.15-alltypes.rdb");
    let options = ExportOptions { target: Some("redis:7.0".parse().unwrap()), ..plain() };
    let report = exported(&source, &out, ExportForm::Resp, &options);
    assert_eq!(report.keys_read, report.keys_written);
    let server = Server::start(&kind, &["--databases", "64"]);
    let bytes = fs::read(&out).unwrap();
    let mut count = 0;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        rest = Resp::strict(rest).unwrap().1;
        count += 1;
    }
    let replies = server.connect().raw(&bytes, count);
    let error = replies.iter().find(|reply| matches!(reply, Value::ServerError(_)));
    assert!(error.is_none(), "{error:?}");
    let loaded = Server::start_with_rdb(&kind, &fs::read(&source).unwrap(), &["--databases", "64"]);
    assert_eq!(server.digest(), loaded.digest());
}

#[test]
fn a_document_has_the_objects_of_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for name in ["redis-8.10.2-alltypes.rdb", "redis-8.10.2-modules.rdb", "redis-7.0.15-lfu.rdb"] {
        exported(&fixture(name), &out, ExportForm::Ndjson, &plain());
        let text = fs::read_to_string(&out).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let (keys, others): (Vec<serde_json::Value>, Vec<_>) =
            lines.partition(|line: &serde_json::Value| line.get("record").is_none());
        exported(&fixture(name), &out, ExportForm::Json, &plain());
        let document: serde_json::Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
        assert_eq!(document["schema"], "rdbkit.export/1");
        assert_eq!(document["keys"].as_array().unwrap(), &keys, "{name}");
        // The header of the lines is the head of the document.
        assert_eq!(document["records"].as_array().unwrap(), &others[1..], "{name}");
        assert_eq!(document["format"], others[0]["format"]);
    }
    let none = Criteria { prefixes: vec![b"no such key".to_vec()], ..Criteria::default() };
    let filter = Filter::new(&none, &Criteria::default(), 0).unwrap();
    let options = ExportOptions { filter, keys_only: true, ..plain() };
    exported(&fixture("redis-7.0.15-lfu.rdb"), &out, ExportForm::Json, &options);
    let document: serde_json::Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(document["keys"], serde_json::json!([]));
    exported(&fixture("redis-7.0.15-lfu.rdb"), &out, ExportForm::Ndjson, &options);
    assert_eq!(fs::read(&out).unwrap(), b"");
    assert_eq!(
        full_digest(&out).unwrap_err(),
        format!(
            "{} is empty: a full disk or a failed transfer leaves this; --from aof says that it is \
             an empty log",
            out.display()
        )
    );
}

/// Rows of CSV without the escapes, a line break in quotes being none.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        let field = rows.last_mut().unwrap().last_mut().unwrap();
        match sign {
            '"' if quoted && signs.peek() == Some(&'"') => field.push(signs.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => rows.last_mut().unwrap().push(String::new()),
            '\r' if !quoted && signs.peek() == Some(&'\n') => {
                signs.next();
                rows.push(vec![String::new()]);
            }
            sign => field.push(sign),
        }
    }
    assert_eq!(rows.pop().unwrap(), [""], "the last line has no end");
    rows
}

#[test]
fn tables_have_a_row_for_each_key_or_element() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for name in ["redis-8.10.2-alltypes.rdb", "valkey-9.1.2-hash-field-ttl.rdb"] {
        let report = exported(&fixture(name), &out, ExportForm::Csv, &plain());
        let table = rows(&fs::read_to_string(&out).unwrap());
        assert_eq!(table.len() as u64, report.keys_written + 1);
        assert!(table.iter().all(|row| row.len() == 10), "{name}");
        let mut elements = 0;
        for row in &table[1..] {
            match row[2].as_str() {
                "string" => elements += 1,
                "list" | "set" | "zset" | "hash" => {
                    let value: serde_json::Value = serde_json::from_str(&row[9]).unwrap();
                    assert_eq!(value.as_array().unwrap().len().to_string(), row[4]);
                    elements += value.as_array().unwrap().len();
                }
                "stream" => {
                    let value: serde_json::Value = serde_json::from_str(&row[9]).unwrap();
                    let entries = value["entries"].as_array().unwrap();
                    let fields =
                        |entry: &serde_json::Value| entry["fields"].as_array().unwrap().len();
                    elements += entries.iter().map(fields).sum::<usize>();
                }
                "array" => {
                    let value: serde_json::Value = serde_json::from_str(&row[9]).unwrap();
                    elements += value["cells"].as_array().unwrap().len();
                }
                _ => elements += 1,
            }
        }
        let report = exported(&fixture(name), &out, ExportForm::CsvElements, &plain());
        let table = rows(&fs::read_to_string(&out).unwrap());
        assert!(table.iter().all(|row| row.len() == 8), "{name}");
        assert_eq!(table.len(), elements + 1, "{name}");
        assert_eq!(report.rows, Some(elements as u64));
    }
}

#[test]
fn rows_as_they_look() {
    let check = |args: &[&str], want: &str| {
        let output = rdbkit().arg("export").args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap().replace('\r', ""), want);
    };
    check(
        &["valkey-9.1.2-hash-field-ttl.rdb", "--to", "csv", "--explode", "--key", "h"],
        include_str!("golden/export-explode.txt"),
    );
    check(
        &["redis-7.0.15-lru.rdb", "--keys-only", "--key", "{k1}l", "--key", "old"],
        "{\"db\":0,\"key\":\"{k1}l\",\"type\":\"list\",\"encoding\":\"quicklist\",\"idle_secs\":0,\
         \"value\":[\"a\",\"b\"]}\n{\"db\":0,\"key\":\"old\",\"type\":\"string\",\"encoding\":\"raw\",\
         \"idle_secs\":100000,\"value\":\"v1\"}\n",
    );
}

#[test]
fn what_cannot_be_read_back_is_said() {
    let check = |lines: &str, want: &str| {
        let output = rdbkit().args(["keys", "-"]).write_stdin(lines).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{lines}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(want), "{lines}: {said}");
    };
    let header = r#"{"schema":"rdbkit.export/1","record":"header","format":"REDIS0006"}"#;
    check("{\"db\":0,\"nokey\":1}", "line 1: column 15: unknown field `nokey`");
    check("{\"db\":0}", "line 1: it has neither a key nor a record");
    check("{\"key\":\"k\",\"type\":\"sett\",\"value\":[]}", "the type \"sett\" is none");
    check("{\"key\":\"k\",\"type\":\"set\"}", "missing field `value`");
    check("{\"key\":\"k\",\"type\":\"set\",\"value\":[\"a\",\"b\",\"a\"]}", "\"a\" stands twice");
    check("{\"key\":\"k\",\"type\":\"string\",\"value\":7}", "in the value: invalid type");
    check("{\"key\":\"k\",\"type\":\"string\",\"value\":\"v", "line 1: EOF while parsing a string");
    check("{\n\"key\":\"k\"}", "A line is one object");
    check(
        "{\"schema\":\"rdbkit.keys/1\",\"key\":\"k\"}",
        "the schema is \"rdbkit.keys/1\", and only rdbkit.export/1",
    );
    check(
        &format!("{header}\n{{\"key\":\"s\",\"type\":\"stream\",\"value\":{{\"entries\":[]}}}}"),
        "line 2: redis:2.6 cannot hold it: there are no streams before Redis 5.0",
    );
    check("{\"record\":\"header\",\"format\":\"REDIS\"}", "\"REDIS\" is no format");
    check("{\"record\":\"nonsense\"}", "it is a \"nonsense\"");
    let document = "{\"schema\":\"rdbkit.export/1\",\"format\":\"REDIS0010\",\"keys\":[\n]}";
    check(document, "this is one JSON document");
    // What no server holds, or loads.
    let key = |kind: &str, value: &str| {
        format!("{{\"key\":\"k\",\"type\":\"{kind}\",\"value\":{value}}}")
    };
    check(&key("hash", "[]"), "line 1: its value is empty, and no server keeps such a key");
    let scored = r#"[{"member":"m","score":"nan"}]"#;
    check(&key("zset", scored), "line 1: the score of \"m\" is \"nan\", which is no score");
    let entries = r#"{"entries":[{"id":"2-1","fields":[]},{"id":"1-1","fields":[]}]}"#;
    check(&key("stream", entries), "line 1: the entry 1-1 of the stream stands behind 2-1");
    check(
        "{\"db\":2147483647,\"key\":\"k\",\"type\":\"string\",\"value\":\"v\"}",
        "line 1: database 2147483647 is too high: the last is 2147483646",
    );
    // The words of the parser are not those of who writes a line.
    check(&format!("{header}\n[]"), "line 2: this is no object. A line is one object");
    check("{}\n7", "line 1: it has neither a key nor a record");
    check(&key("string", "{\"base64\":\"a!\"}"), "what stands under base64 is no base64");
    check("{\"key\":\"k\",\"db\":-1}", "`-1`, expected a whole number from 0 on");
    check("{\"key\":\"k\",\"frequency\":300}", "`300`, expected a whole number from 0 to 255");
    check(&key("stream", "[7]"), "in the value: invalid type");
    check(&key("zset", "[7]"), "`7`, expected an object");
    check(&key("set", "7"), "`7`, expected a list");
    // Lines by hand need no more than this.
    let output = rdbkit()
        .args(["get", "-", "k"])
        .write_stdin(
            "{\"key\":\"k\",\"type\":\"zset\",\"value\":[{\"member\":\"m\",\"score\":1}]}\n\n",
        )
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"m\""));
}

#[test]
fn what_is_not_sound_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.ndjson");
    for broken in ["broken/checksum.rdb", "broken/trunc-in-multi.aof"] {
        let mut export = rdbkit();
        export.args(["export", broken, "-o"]).arg(&out);
        if broken.ends_with(".aof") {
            // A tail that is cut is dropped, as servers do; and it is said.
            let output = export.output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&output.stderr).contains("from offset 114 on"));
            assert!(out.exists());
        } else {
            let output = export.output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(!out.exists(), "{broken}");
        }
    }
    // What is there stays, unless it is said otherwise; and no source is overwritten.
    let mut again = rdbkit();
    again.args(["export", "redis-7.0.15-lru.rdb", "-o"]).arg(&out).assert().code(2);
    let mut again = rdbkit();
    again.args(["export", "redis-7.0.15-lru.rdb", "--force", "-o"]).arg(&out).assert().success();
    let mut over = rdbkit();
    over.arg("export").arg(&out).arg("--force").arg("-o").arg(&out).assert().code(2);
}

/// Whoever reads rows as they come gets whole ones, also of a file that breaks off.
#[test]
fn what_comes_before_a_broken_value_is_whole() {
    for broken in ["listpack-odd", "intset-size", "lzf-too-short", "zset-score-nan"] {
        for form in ["ndjson", "csv"] {
            let mut export = rdbkit();
            export.args(["export", &format!("broken/{broken}.rdb"), "--to", form, "-o", "-"]);
            if form == "csv" {
                export.arg("--explode");
            }
            let output = export.output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            let text = String::from_utf8(output.stdout).unwrap();
            // All but the first line would be of the broken key.
            assert!(text.ends_with('\n') && text.lines().count() == 1, "{broken}: {text}");
        }
    }
}

/// Scripts read this report by its words; the sizes are our own.
#[test]
fn the_memory_report_has_the_words_that_scripts_know() {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["export", "fixtures/redis-5.0.6-alltypes.rdb", "--to=csv", "--columns=rdbtools"])
        .args([
            "--server=redis:6.2",
            "--db=0",
            "--key=post:hash",
            "--key=zset:big",
            "--key=str:hello",
        ])
        .args(["--key=set:is16", "--key=list:small"])
        .output()
        .unwrap();
    assert!(done.status.success());
    let text = String::from_utf8(done.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        rows[0].join(","),
        "database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry"
    );
    let mut rows: Vec<String> = rows[1..]
        .iter()
        .map(|row| {
            assert!(row[3].parse::<u64>().unwrap() > 40, "{row:?}");
            [&row[..3], &row[4..]].concat().join(",")
        })
        .collect();
    rows.sort();
    let want = [
        "0,hash,post:hash,ziplist,2,8,",
        "0,list,list:small,quicklist,3,1,2100-01-01T00:00:00.123000",
        "0,set,set:is16,intset,5,8,",
        "0,sortedset,zset:big,skiplist,169,10,",
        "0,string,str:hello,string,11,11,2100-01-01T00:00:00.123000",
    ];
    assert_eq!(rows, want);
}

#[test]
fn a_snapshot_is_alike_its_own_ndjson() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines.ndjson");
    for source in ["redis-8.0.6-alltypes.rdb", "redis-8.10.2-hash-templates.rdb"] {
        rdbkit().args(["export", source, "--force", "-o"]).arg(&lines).assert().success();
        let told = rdbkit().args(["diff", source]).arg(&lines).assert().success();
        let told = String::from_utf8(told.get_output().stdout.clone()).unwrap();
        assert!(told.contains("encodings were not compared: values in NDJSON have none"), "{told}");
    }
    // Nothing of it is copied: a line says what a value is, and not how it lies.
    let told = rdbkit().arg("convert").arg(&lines).arg(folder.path().join("made.rdb")).unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("  built      6 values") && !told.contains("copied"), "{told}");
    let told = rdbkit().arg("inspect").arg(&lines).assert().success();
    let told = String::from_utf8(told.get_output().stdout.clone()).unwrap();
    assert!(told.lines().next().unwrap().ends_with("NDJSON, a key on each line"), "{told}");
}

/// What is made of lines is packed as servers pack it, and can be read.
#[test]
fn lines_become_packed_values() {
    let folder = tempfile::tempdir().unwrap();
    let [lines, made] = ["lines.ndjson", "made.rdb"].map(|name| folder.path().join(name));
    let text = "abcdefgh".repeat(500);
    fs::write(&lines, format!("{{\"key\":\"k\",\"type\":\"string\",\"value\":\"{text}\"}}\n"))
        .unwrap();
    for verb in ["convert", "merge"] {
        let mut call = rdbkit();
        match verb {
            "convert" => call.arg(verb).arg(&lines).arg(&made),
            _ => call.arg(verb).arg(&lines).arg("-o").arg(&made),
        };
        call.arg("--force").assert().success();
        let size = fs::metadata(&made).unwrap().len();
        assert!(size < 500, "{verb}: {size} bytes");
        let told = rdbkit().args(["get", "--raw"]).arg(&made).arg("k").output().unwrap();
        assert!(String::from_utf8(told.stdout).unwrap().contains(&text), "{verb}");
    }
    let mut call = rdbkit();
    call.arg("convert").arg(&lines).arg(&made).args(["--force", "--no-compress"]);
    if call.output().unwrap().status.success() {
        assert!(fs::metadata(&made).unwrap().len() > 4000);
    }
}
