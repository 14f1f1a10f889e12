//! The program as a whole: its screens (goldens, which `UPDATE_GOLDEN=1` rewrites), its exit
//! codes, and how it behaves among pipes and terminals.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use assert_cmd::Command;
use rdbkit::bytes::unquoted;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Times to live are counted from here, so that screens repeat.
const NOW: &str = "--now=2026-11-24T00:00:00Z";

#[test]
fn inspect_screens() {
    golden("inspect-redis-8.10.2", &["inspect", "redis-8.10.2-alltypes.rdb", NOW]);
    golden("inspect-valkey-9.1.2", &["inspect", "valkey-9.1.2-alltypes.rdb", "--top", "3", NOW]);
    golden("inspect-redis-2.8.17", &["inspect", "redis-2.8.17-alltypes.rdb", "--top", "0", NOW]);
    golden("inspect-modules", &["inspect", "redis-8.10.2-modules.rdb", NOW]);
    golden("inspect-expired", &["inspect", "redis-8.10.2-expired.rdb", NOW]);
    golden("inspect-aofdir", &["inspect", "redis-8.10.2-alltypes-aofdir", NOW]);
    golden("inspect-aofdir-preamble", &["inspect", "redis-7.0.15-alltypes-aofdir-preamble", NOW]);
    golden("inspect-preamble", &["inspect", "redis-5.0.6-alltypes-preamble.aof", "--top=2", NOW]);
    golden("inspect-annotations", &["inspect", "annotations.aof", NOW]);
    golden("inspect-json", &["inspect", "redis-8.10.2-modules.rdb", "--format=json", NOW]);
    golden("inspect-aof-json", &["inspect", "annotations.aof", "--format=json", NOW]);
}

#[test]
fn screens_of_a_look() {
    let file = "redis-7.0.15-alltypes.rdb";
    let look = |more: &[&'static str]| {
        let words: [&str; 4] = ["inspect", file, NOW, "--allocator=jemalloc-q16"];
        [&words[..], more].concat()
    };
    golden("inspect-by-prefix", &look(&["--by=prefix", "--top=3"]));
    golden("inspect-by-prefix-depth", &look(&["--by=prefix", "--depth=1", "--top=0"]));
    golden("inspect-by-size", &look(&["--by=size", "--top=0"]));
    golden("inspect-by-json", &look(&["--by=db", "--format=json", "--top=1"]));
    golden("inspect-memory", &look(&["--memory", "--top=2"]));
    golden("inspect-folded", &look(&["--folded=-"]));
    golden(
        "inspect-by-of-a-log",
        &["inspect", "redis-8.10.2-alltypes-aofdir", NOW, "--by=type", "--top=2"],
    );
    golden("keys-memory", &["keys", file, NOW, "--sort=-memory", "--limit=5"]);
}

#[test]
fn keys_screens() {
    golden("keys-table", &["keys", "redis-8.10.2-hash-templates.rdb", NOW]);
    golden("keys-lru", &["keys", "redis-7.0.15-lru.rdb", NOW]);
    golden("keys-lfu-json", &["keys", "redis-7.0.15-lfu.rdb", "--format=json", NOW]);
    golden("keys-csv", &["keys", "redis-7.0.15-alltypes.rdb", "--format=csv", "--prefix=str:"]);
    golden(
        "keys-sorted",
        &["keys", "redis-7.0.15-alltypes.rdb", "--sort=-bytes", "--limit=5", NOW],
    );
    let filters = ["--type=hash,zset", "--not-encoding=listpack", "--larger-than=1kb"];
    golden("keys-filtered", &[&["keys", "redis-7.0.15-alltypes.rdb", NOW], &filters[..]].concat());
}

#[test]
fn get_screens() {
    golden("get-stream", &["get", "redis-8.10.2-stream-nack-idmp.rdb", "x", "p", "e", NOW]);
    golden(
        "get-stream-json",
        &["get", "redis-8.10.2-stream-nack-idmp.rdb", "x", "p", "--format=json"],
    );
    golden("get-array", &["get", "redis-8.10.2-array.rdb", "a", "ins", NOW]);
    golden("get-array-json", &["get", "redis-8.10.2-array.rdb", "a", "ins", "--format=json"]);
    golden("get-module", &["get", "redis-8.10.2-modules.rdb", "mod:t", NOW]);
    golden("get-field-expiry", &["get", "valkey-9.1.2-hash-field-ttl.rdb", "h", NOW]);
    golden(
        "get-values",
        &["get", "redis-7.0.15-alltypes.rdb", "zset:tie", "str:crlf", "hash:small", NOW],
    );
}

#[test]
fn check_screens() {
    golden("check-sound", &["check", "redis-8.10.2-alltypes.rdb", "valkey-9.1.2-alltypes-aofdir"]);
    let broken = ["broken/checksum.rdb", "broken/duplicate-key.rdb", "broken/dir-missing-incr"];
    golden("check-broken", &[&["check"], &broken[..], &["broken/trunc-in-multi.aof"]].concat());
    golden("check-repeated", &["check", "broken/dir-empty-manifest"]);
    golden("check-json", &["check", "broken/trunc-in-multi.aof", "--format=json"]);
}

#[test]
fn digest_lines() {
    golden("digest", &["digest", "redis-7.0.15-alltypes.rdb", "--server=redis:7.0"]);
    golden("digest-per-key", &["digest", "redis-7.0.15-lru.rdb", "--per-key"]);
    golden("digest-json", &["digest", "redis-7.0.15-lru.rdb", "--format=json", "--full"]);
}

#[test]
fn change_screens() {
    let (before, after) = ("redis-8.10.2-day-before.rdb", "redis-8.10.2-day-after.rdb");
    golden("diff", &["diff", before, after, NOW]);
    golden("diff-summary", &["diff", "redis-7.0.15-alltypes.rdb", after, "--summary", NOW]);
    golden("diff-colour", &["diff", before, after, "--key=user:*", "--color=always", NOW]);
    golden("diff-json", &["diff", before, after, "--type=hash,zset", "--format=json", NOW]);
    let log = "redis-8.10.2-day-aofdir";
    golden("history", &["history", log, "*", NOW]);
    golden("history-values", &["history", log, "user:1000", "orders", "--values", NOW]);
    golden("history-json", &["history", log, "user:*", "--format=json", NOW]);
}

#[test]
fn columns_are_those_that_are_asked_for() {
    let file = "redis-7.0.15-lru.rdb";
    golden("keys-columns", &["keys", file, "--columns=key,type,bytes", NOW]);
    golden("keys-colour", &["keys", "redis-8.10.2-expired.rdb", "--color=always", NOW]);
    golden("keys-columns-csv", &["keys", file, "--columns=bytes,key", "--format=csv"]);
    exits(2, &["keys", file, "--columns=key", "--format=json"], "--columns is for the table");
    exits(2, &["keys", file, "--columns=nonsense"], "there is no such column");
}

#[test]
fn help_groups_the_verbs() {
    golden("help", &["--help"]);
    golden("help-keys", &["keys", "--help"]);
}

#[test]
fn exit_codes_say_what_happened() {
    exits(0, &["check", "redis-7.0.15-alltypes.rdb"], "");
    exits(1, &["check", "broken/checksum.rdb"], "");
    exits(0, &["check", "broken/checksum.rdb", "--ignore-checksum"], "");
    exits(2, &["check", "no-such-file", "redis-7.0.15-alltypes.rdb"], "");
    exits(1, &["inspect", "broken/cut-in-a-value.rdb"], "");
    exits(2, &["inspect", "no-such-file"], "rdbkit: cannot open no-such-file");
    exits(1, &["get", "redis-7.0.15-lru.rdb", "nope"], "has no key \"nope\"");
    exits(0, &["keys", "annotations.aof"], "");
    exits(1, &["keys", "broken/cut-in-a-value.rdb"], "offset 14:");
    exits(1, &["get", "redis-5.0.6-alltypes-preamble.aof", "x"], "has no key \"x\"");
    exits(2, &["get", "redis-7.0.15-lru.rdb", "--raw", "{k1}l"], "only a string has raw bytes");
    exits(0, &["--version"], "");
}

#[test]
fn a_log_behind_a_preamble_is_run_wherever_it_comes_from() {
    let file = fixtures().join("redis-5.0.6-alltypes-preamble.aof");
    let bytes = std::fs::read(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("appendonly.aof"), &bytes).unwrap();
    let (file, folder) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
    for verb in [&["keys"][..], &["keys", "--sort=bytes"], &["get", "str:int:-128"], &["digest"]] {
        let answers = [(file, &b""[..]), (folder, b""), ("-", &bytes)].map(|(source, piped)| {
            let mut args = verb.to_vec();
            args.insert(1, source);
            let output = rdbkit().args(&args).write_stdin(piped).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{args:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            // A digest has the name of its source behind it.
            if verb == ["digest"] { text.replace(&format!("  {source}"), "") } else { text }
        });
        assert!(!answers[0].is_empty(), "{verb:?}");
        assert_eq!((&answers[1], &answers[2]), (&answers[0], &answers[0]), "{verb:?}");
    }
}

#[test]
fn wrong_calls_are_told_what_is_right() {
    exits(2, &["chek", "x"], "a similar subcommand exists: 'check'");
    exits(2, &["keys", "x", "--ttl", "30m"], "'<30m' or '>1d'");
    exits(2, &["keys", "x", "--type", "sting"], "a similar value exists: 'string'");
    exits(1, &["get", "redis-7.0.15-lru.rdb", "k*"], "`rdbkit keys --key` takes patterns");
    exits(1, &["get", "redis-7.0.15-lru.rdb", "none"], "`rdbkit keys` lists what it has");
    exits(2, &["watch", "-"], "standard input cannot be followed");
    exits(2, &["inspect", "x", "--json"], "'--format json' may be what is meant");
    exits(2, &["export", "x", "--csv"], "'--to csv' may be what is meant");
    exits(2, &["repair", "x", "--key-regex", "a"], "'--key-regex'");
    exits(2, &["check", "x", "--explode"], "export has '--explode'");
    exits(2, &["keys", "x", "--sort", "size"], "give bytes, memory, elements, key");
    exits(2, &["keys", "x", "--key-regex", "("], "is wrong: unclosed group");
    exits(2, &["inspect", "x", "--now", "soon"], "2026-11-23T14:00:00Z");
    exits(2, &["inspect", "x", "--now", "2026-11-23T14:00:00"], "a time needs its zone");
    for wrong in [["keys", "--limit"], ["get", "--db"]] {
        exits(2, &[wrong[0], wrong[1], "-1", "x"], "give a whole number, 0 or more");
    }
    exits(2, &["inspect", "--top", "-1", "x"], "-1 is not in 0..=4294967295");
    exits(2, &["check", "--max-findings", "-1", "x"], "-1 is not in 0..=4294967295");
    for verb in ["check", "digest"] {
        exits(2, &[verb, "-", "-"], "standard input can be one source, not several");
    }
    exits(2, &["watch", "redis://:secret@h:1"], "redis://h:1 is a live server");
    let none = "standard input is no directory, and aof-dir takes one";
    exits(2, &["inspect", "--from", "aof-dir", "-"], none);
}

#[test]
fn what_could_not_be_looked_at_is_json_where_json_is_asked_for() {
    let output = rdbkit().args(["inspect", "no-such-file", "--format=json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "rdbkit.inspect/1");
    assert_eq!(report["source"], "no-such-file");
    assert!(report["could_not_look"].as_str().unwrap().contains("cannot open no-such-file"));
}

/// What CSV says of a key is what `get --escaped` takes.
#[test]
fn a_key_out_of_csv_finds_its_value() {
    let keys = [&b"\"x\""[..], b"\"", b"a\"b\\n", b"\xff,\r\n", "\u{202e}x".as_bytes()];
    let mut file = b"REDIS0009".to_vec();
    for key in keys {
        file.extend([&[0, key.len() as u8][..], key, b"\x01v"].concat());
    }
    file.extend([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    std::fs::write(&path, file).unwrap();
    let path = path.to_str().unwrap();
    let table = rdbkit().args(["keys", path, "--format=csv"]).output().unwrap().stdout;
    let table = String::from_utf8(table).unwrap();
    let mut rows = table.split_once("\r\n").unwrap().1;
    for key in keys {
        let (field, rest) = csv_field(rows.split_once(',').unwrap().1);
        rows = rest.split_once("\r\n").unwrap().1;
        let args = ["get", path, "--escaped", &field, "--format=json"];
        let output = rdbkit().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{field} is not {}", key.escape_ascii());
    }
    assert_eq!(rows, "");
}

/// The first field of a line, as RFC 4180 has it, and what follows.
fn csv_field(line: &str) -> (String, &str) {
    let Some(mut rest) = line.strip_prefix('"') else {
        let end = line.find(',').unwrap();
        return (line[..end].to_owned(), &line[end..]);
    };
    let mut field = String::new();
    loop {
        let end = rest.find('"').unwrap();
        field += &rest[..end];
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => rest = more,
            None => return (field, rest),
        }
        field.push('"');
    }
}

#[test]
fn what_arrives_by_a_pipe_is_the_same() {
    let path = fixtures().join("redis-8.10.2-alltypes.rdb");
    let bytes = std::fs::read(&path).unwrap();
    for args in [&["keys", "-", NOW][..], &["digest", "-"], &["get", "-", "geo", "hash:many"]] {
        let piped = rdbkit().args(args).write_stdin(bytes.clone()).output().unwrap();
        let named: Vec<&str> =
            args.iter().map(|arg| if *arg == "-" { path.to_str().unwrap() } else { arg }).collect();
        let named = rdbkit().args(&named).output().unwrap();
        assert_eq!(piped.status.code(), Some(0), "{args:?}");
        let without_names = |output: &Output| {
            String::from_utf8(output.stdout.clone()).unwrap().replace(path.to_str().unwrap(), "-")
        };
        assert_eq!(without_names(&piped), without_names(&named), "{args:?}");
    }
}

#[test]
fn compressed_input_is_looked_through() {
    let bytes = std::fs::read(fixtures().join("redis-7.0.15-lru.rdb")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&bytes).unwrap();
    for packed in [gzip.finish().unwrap(), zstd::encode_all(&bytes[..], 3).unwrap()] {
        let output = rdbkit().args(["keys", "-"]).write_stdin(packed).output().unwrap();
        let plain = rdbkit().args(["keys", "redis-7.0.15-lru.rdb"]).output().unwrap();
        assert_eq!(output.stdout, plain.stdout);
    }
}

#[test]
fn the_number_of_threads_and_the_way_of_reading_do_not_matter() {
    for verb in ["keys", "digest", "check", "inspect"] {
        let run = |option: &str| {
            let mut command = rdbkit();
            command.args([verb, "redis-8.10.2-alltypes.rdb", option]);
            if matches!(verb, "keys" | "inspect") {
                command.arg(NOW);
            }
            command.output().unwrap().stdout
        };
        let one = run("--threads=1");
        assert_eq!(run("--threads=4"), one, "{verb}");
        assert_eq!(run("--no-mmap"), one, "{verb}");
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .current_dir(fixtures())
        // More than a pipe holds.
        .args(["get", "redis-8.10.2-alltypes.rdb", "--format=json"])
        .args(["hash:many", "list:bigitems", "str:raw16384", "str:raw16383", "hash:hfe:ht"])
        .args(["zset:big", "stream:many", "list:many", "hash:tmpl:wide", "str:lzfbig"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert!(first.starts_with("{\"schema\":\"rdbkit.get/1\""));
    assert_eq!(child.wait().unwrap().code(), Some(0), "{complaints}");
    assert_eq!(complaints, "");
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let run = |args: &[&str], no_color: bool| {
        let mut command = rdbkit();
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.args(["check", "redis-7.0.15-lru.rdb"]).args(args).output().unwrap().stdout
    };
    let escapes = |text: Vec<u8>| text.contains(&0x1b);
    assert!(!escapes(run(&[], false)));
    assert!(escapes(run(&["--color=always"], false)));
    assert!(!escapes(run(&["--color=never"], false)));
    assert!(escapes(run(&["--color=always"], true)));
}

#[test]
fn quiet_leaves_results_and_failures_only() {
    let run = |args: &[&str]| rdbkit().args(args).output().unwrap();
    let loud = run(&["keys", "broken/checksum.rdb"]);
    assert!(String::from_utf8_lossy(&loud.stderr).contains("the checksum is"));
    assert_eq!(loud.status.code(), Some(1), "the file has a problem");
    let quiet = run(&["keys", "broken/checksum.rdb", "--quiet"]);
    assert_eq!(quiet, loud, "that the rows may be wrong is no chatter");
    let quiet = run(&["keys", "redis-7.0.15-lru.rdb", "--quiet"]);
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");
    assert_ne!(run(&["keys", "no-such-file", "--quiet"]).stderr, b"");
}

#[test]
fn json_is_exact_and_raw_is_rawer() {
    let file = "redis-7.0.15-alltypes.rdb";
    let keys = rdbkit().args(["keys", file, "--format=json"]).output().unwrap();
    for line in String::from_utf8(keys.stdout).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row.get("schema").unwrap(), "rdbkit.keys/1");
    }
    let raw = rdbkit().args(["get", file, "str:crlf", "--raw"]).output().unwrap().stdout;
    let json = rdbkit().args(["get", file, "str:crlf", "--format=json"]).output().unwrap().stdout;
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(value.get("value").unwrap().as_str().unwrap().as_bytes(), raw);
}

#[test]
fn a_dump_payload_is_read_where_it_is_asked_for() {
    // DUMP of a string "b", version 11.
    let mut payload = b"\0\x01b\x0b\0".to_vec();
    payload.extend_from_slice(&rdbkit::bytes::crc64::update(0, &payload).to_le_bytes());
    let run = |args: &[&str]| rdbkit().args(args).write_stdin(payload.clone()).output().unwrap();
    assert_eq!(run(&["get", "-", "", "--raw", "--from=dump"]).stdout, b"b");
    assert_eq!(run(&["check", "-", "--from=dump"]).status.code(), Some(0));
    assert_eq!(run(&["inspect", "-", "--from=dump"]).status.code(), Some(0));
    assert_eq!(run(&["inspect", "-"]).status.code(), Some(1));
    assert_eq!(run(&["check", "-"]).status.code(), Some(1));
    assert_eq!(run(&["diff", "-", "redis-7.0.15-lru.rdb"]).status.code(), Some(2));
}

#[test]
fn a_broken_source_is_told_from_a_wrong_call_by_the_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let to = out.to_str().unwrap();
    let broken = "broken/cut-in-a-value.rdb";
    for args in [
        &["digest", broken][..],
        &["get", broken, "a"],
        &["convert", broken, to],
        &["export", broken, "-o", to],
        &["split", broken, "-o", to, "--parts", "2"],
        &["merge", broken, "redis-7.0.15-lru.rdb", "-o", to],
        &["anonymize", broken, "-o", to],
        &["replay", broken],
        &["compact", broken, "-o", to],
    ] {
        exits(1, args, "offset 14:");
    }
    exits(2, &["diff", broken, "redis-7.0.15-lru.rdb"], "offset 14:");
    exits(1, &["replay", "broken/dir-missing-incr"], "what it held is lost");
    exits(1, &["convert", "broken/checksum.rdb", to], "the checksum is");
    assert!(!out.exists());
}

#[test]
fn a_key_that_stands_twice_is_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let to = out.to_str().unwrap();
    let source = "broken/duplicate-key.rdb";
    let says = "duplicate-key.rdb: key \"a\" in db 0 stands at offset 11 and again at 16";
    exits(1, &["convert", source, to], says);
    exits(1, &["convert", source, to, "--threads=1"], says);
    exits(1, &["convert", source, to, "--no-mmap"], says);
    exits(1, &["convert", source, to, "--to=aof"], says);
    exits(1, &["split", source, "-o", to, "--parts=2"], says);
    exits(1, &["anonymize", source, "-o", to], says);
    exits(1, &["anonymize", source, "-o", to, "--threads=1", "--no-mmap"], says);
    exits(1, &["merge", source, "redis-7.0.15-lru.rdb", "-o", to], says);
    let pipe = std::fs::read(Path::new("fixtures").join(source)).unwrap();
    let output = rdbkit().args(["convert", "-", to]).write_stdin(pipe).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!out.exists());
}

#[test]
fn what_can_be_unpacked_of_a_broken_stream_is_looked_at() {
    let whole = std::fs::read("fixtures/redis-7.0.15-lru.rdb").unwrap();
    let mut noise = 7_u64;
    // Something that does not shrink to nothing, so that the cut leaves keys behind it whole.
    let mut file = whole[..whole.len() - 9].to_vec();
    for n in 0..2000_u32 {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        file.extend([0, 12]);
        file.extend(format!("noise:{n:06}").bytes());
        file.push(8);
        file.extend(noise.to_le_bytes());
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    let packed = gzip.finish().unwrap();
    let cut = &packed[..packed.len() / 2];
    let run = |args: &[&str]| rdbkit().args(args).write_stdin(cut).output().unwrap();
    let output = run(&["check", "-", "--format=json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = report["sources"][0]["files"][0].to_string();
    assert!(told.contains("compressed-truncated"), "{report:#}");
    let rows = run(&["keys", "-", "--format=csv"]);
    assert_eq!(rows.status.code(), Some(1));
    let rows = String::from_utf8(rows.stdout).unwrap();
    assert!(rows.lines().count() > 500, "{rows}");
    let inspected = run(&["inspect", "-"]);
    assert_eq!(inspected.status.code(), Some(1));
}

#[test]
fn what_may_not_be_written_is_said_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::write(&out, b"mine").unwrap();
    let to = out.to_str().unwrap();
    // Each of these would fail over its source, too.
    let log = "broken/dir-missing-incr";
    exits(2, &["convert", log, to], "--force replaces it");
    exits(2, &["compact", log, "-o", to, "--to=rdb"], "--force replaces it");
    exits(2, &["replay", log, "--save", to], "--force replaces it");
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}

/// Compares what a call prints with its golden file.
#[track_caller]
/// A full disk leaves a file without a byte, and every verb says the same of it.
#[test]
fn an_empty_file_is_refused_unless_it_is_said_to_be_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("empty"), folder.path().join("out"));
    std::fs::write(&path, b"").unwrap();
    let (path, out) = (path.to_str().unwrap(), out.to_str().unwrap());
    for args in [
        &["inspect", path][..],
        &["inspect", path, "--by=type"],
        &["keys", path],
        &["digest", path],
        &["replay", path],
        &["rewrite", path, "-o", out],
        &["convert", path, out],
        &["compact", path, "-o", out],
    ] {
        exits(1, args, "is empty: a full disk");
        exits(0, &[args, &["--from", "aof", "--quiet"][..]].concat(), "");
        let _ = std::fs::remove_file(out);
    }
    let said = rdbkit().args(["replay", path, "--from", "aof"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&said.stdout).contains("snapshot"));
}

#[test]
#[cfg(unix)]
fn names_of_files_are_shown_in_one_way() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    for (name, shown) in
        [(b"a\n\x1b[31mb".as_slice(), r"a\n\x1b[31mb"), (b"caf\xe9".as_slice(), r"caf\xe9")]
    {
        let folder = tempfile::tempdir().unwrap();
        let file =
            |end: &str| folder.path().join(OsStr::from_bytes(&[name, end.as_bytes()].concat()));
        let (source, log, out) = (file(".rdb"), file(".aof"), file(".out"));
        std::fs::copy(fixtures().join("redis-7.0.15-lru.rdb"), &source).unwrap();
        std::fs::copy(fixtures().join("annotations.aof"), &log).unwrap();
        let json = OsStr::new("--format=json");
        let told = |verb: &str, source: &Path, args: &[&OsStr], status| {
            let said = rdbkit().arg(verb).arg(source).args(args).output().unwrap();
            let all = [said.stdout.as_slice(), &said.stderr].concat();
            let text = String::from_utf8(all).unwrap();
            assert_eq!(said.status.code(), Some(status), "{verb}: {text}");
            assert!(!text.contains('\u{1b}'), "{verb}: {text}");
            // In JSON, the escapes are escaped.
            let is_json = args.contains(&json);
            let shown = if is_json { shown.replace('\\', "\\\\") } else { shown.to_owned() };
            assert!(text.contains(&format!("/{shown}.")), "{verb}: {text}");
            said.stdout
        };
        // Text first, so that the output is there already when JSON is asked for.
        let (to, force) = (OsStr::new("-o"), OsStr::new("--force"));
        let dry = OsStr::new("--dry-run");
        let verbs: [(&str, &Path, Vec<&OsStr>); 10] = [
            ("check", &source, vec![]),
            ("inspect", &source, vec![]),
            ("digest", &source, vec![]),
            ("replay", &log, vec![]),
            ("convert", &source, vec![out.as_os_str(), force]),
            ("anonymize", &source, vec![to, out.as_os_str(), force]),
            ("merge", &source, vec![to, out.as_os_str(), force]),
            ("compact", &log, vec![to, out.as_os_str(), force]),
            ("rewrite", &log, vec![to, out.as_os_str(), force]),
            ("repair", &source, vec![dry]),
        ];
        for (verb, source, args) in verbs {
            told(verb, source, &args, 0);
            let told = told(verb, source, &[&args[..], &[json]].concat(), 0);
            let document: serde_json::Value = serde_json::from_slice(&told).unwrap();
            let found = strings(&document).into_iter().any(|text| {
                unquoted(text.as_bytes()).as_deref() == Some(source.as_os_str().as_bytes())
            });
            assert!(found, "{verb}: {document}");
        }
        // Sentences about files that are not there, or no good.
        told("check", &file(".none"), &[], 2);
        std::fs::write(&source, "REDIS0011").unwrap();
        told("keys", &source, &[], 1);
        // A program gets the name as it is.
        let sarif = rdbkit().arg("check").arg(&source).arg("--format=sarif").output().unwrap();
        let codes = if name.starts_with(b"a") { "a%0A%1B%5B31mb.rdb" } else { "caf%E9.rdb" };
        assert!(String::from_utf8(sarif.stdout).unwrap().contains(codes));
    }
}

/// All strings in a document.
fn strings(document: &serde_json::Value) -> Vec<&str> {
    match document {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(all) => all.iter().flat_map(strings).collect(),
        serde_json::Value::Object(all) => all.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_time_that_the_log_does_not_know_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let until = "--until-time=2026-11-23T14:00:00Z";
    exits(2, &["replay", "redis-8.10.2-alltypes-aofdir", until], "no time annotations");
    let early = "--until-time=2020-01-01T00:00:00Z";
    let day = "redis-8.10.2-day-aofdir";
    exits(2, &["replay", day, early], "the base was written at");
    exits(2, &["rewrite", day, early, "-o", out], "the base was written at");
    exits(0, &["replay", "annotations.aof", early], "");
}

#[test]
fn a_log_is_run_as_the_server_whose_digest_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.aof");
    std::fs::write(&path, b"*4\r\n$4\r\nZADD\r\n$1\r\nz\r\n$2\r\n-0\r\n$1\r\na\r\n").unwrap();
    let path = path.to_str().unwrap();
    let mut digests = Vec::new();
    for server in ["redis:6.2", "redis:8.10"] {
        let run = rdbkit().args(["replay", path, "--target", server, "--format=json"]).output();
        let run: serde_json::Value = serde_json::from_slice(&run.unwrap().stdout).unwrap();
        let said = rdbkit().args(["digest", path, "--server", server]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.split(' ').next(), run["digest"].as_str(), "{server}");
        digests.push(run["digest"].clone());
    }
    assert_ne!(digests.first(), digests.last());
}

/// What is written is not compressed, and nobody expects that under the name of a compressed file.
#[test]
fn a_compressed_log_is_not_replaced_by_one_that_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.aof.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&std::fs::read(fixtures().join("annotations.aof")).unwrap()).unwrap();
    let packed = packed.finish().unwrap();
    std::fs::write(&path, &packed).unwrap();
    let name = path.to_str().unwrap();
    exits(2, &["compact", name, "--in-place", "--target", "redis:8.0"], "another name with -o");
    exits(2, &["rewrite", name, "--in-place", "--drop", "nothing"], "another name with -o");
    assert_eq!(std::fs::read(&path).unwrap(), packed);
}

#[test]
fn an_output_without_a_name_is_named_all_the_same() {
    exits(2, &["convert", "annotations.aof", ""], "\"\" is no name for an output");
}

/// A log of commands alone may be that of any server, and an old one loads no new snapshot.
#[test]
fn a_log_without_a_writer_is_not_replaced_by_a_snapshot_for_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.aof");
    std::fs::copy(fixtures().join("annotations.aof"), &path).unwrap();
    let (path, out) = (path.to_str().unwrap(), folder.path().join("out.aof"));
    exits(2, &["compact", path, "--in-place"], "name it with --target NAME:VERSION");
    let told = rdbkit().args(["compact", path, "-o", out.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("does not say which server wrote it"), "{told}");
    exits(0, &["compact", path, "--in-place", "--target", "redis:6.2"], "");
}

#[test]
fn a_manifest_that_is_wrong_many_times_is_listed_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("appendonly.aof.manifest");
    let lines: String = (1..60).map(|n| format!("file no-{n} seq {n} type i\n")).collect();
    std::fs::write(&manifest, lines).unwrap();
    let args = ["check", folder.path().to_str().unwrap(), "--max-findings=5", "--format=json"];
    let told = rdbkit().args(args).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let source = &told["sources"][0];
    assert_eq!(source["findings"].as_array().unwrap().len(), 5);
    assert!(source["unlisted_errors"].as_u64().unwrap() > 5, "{source}");
}

fn golden(name: &str, args: &[&str]) {
    let output = rdbkit().args(args).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{name}: {complaints}");
    let path = Path::new(ROOT).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &output.stdout).unwrap();
    }
    let got = String::from_utf8(output.stdout).unwrap();
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(got == want, "{} is not what is printed now:\n{got}", path.display());
}

/// A call that ends with this status and says this on standard error.
#[track_caller]
#[test]
fn what_ends_a_run_is_said_with_the_file_that_it_stands_in() {
    let folder = tempfile::tempdir().unwrap();
    let log = |command: &str| format!("*1\r\n${}\r\n{command}\r\n", command.len());
    let out = folder.path().join("out").display().to_string();
    let single = folder.path().join("single.aof");
    fs::write(&single, log("NOSUCH")).unwrap();
    let many = folder.path().join("many");
    fs::create_dir(&many).unwrap();
    let manifest = "file a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n";
    fs::write(many.join("a.manifest"), manifest).unwrap();
    fs::write(many.join("a.1.incr.aof"), log("PING")).unwrap();
    let part = many.join("a.2.incr.aof");
    fs::write(&part, log("DEL")).unwrap();
    for (source, file) in [(&single, &single), (&many, &part)] {
        let source = source.to_str().unwrap();
        let said = format!("rdbkit: {}: offset 0: ", file.display());
        for verb in ["replay", "digest", "keys", "export", "inspect --by type"] {
            let verb: Vec<&str> = verb.split(' ').collect();
            exits(1, &[&verb[..], &[source]].concat(), &said);
        }
        exits(1, &["history", source, "*"], &said);
        exits(1, &["convert", source, &out], &said);
        exits(1, &["split", "--by", "type", source, "-o", &out], &said);
        exits(1, &["compact", "--to", "rdb", source, "-o", &out], &said);
    }
}

fn exits(status: i32, args: &[&str], says: &str) {
    let output = rdbkit().args(args).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {complaints}");
    assert!(complaints.contains(says), "{args:?}: {complaints}");
}

/// The program, among the fixtures, whatever the terminal of the tests is.
fn rdbkit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(fixtures()).env_remove("NO_COLOR").env("COLUMNS", "100");
    command
}

fn fixtures() -> PathBuf {
    Path::new(ROOT).join("fixtures")
}

#[test]
fn what_breaks_off_is_not_said_to_be_checked() {
    let said = |verb: &str, file: &str| {
        let output = rdbkit().args([verb, file]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for verb in ["check", "inspect"] {
        let none = said(verb, "broken/count-beyond-the-end.rdb");
        assert!(none.contains("breaks off before the first key"), "{none}");
        assert!(!none.contains("0 keys") && !none.contains("every value"), "{none}");
        let one = said(verb, "broken/unknown-type.rdb");
        assert!(one.contains("before it breaks off"), "{one}");
    }
}

#[test]
fn passwords_are_not_repeated_where_a_file_was_expected() {
    let to = "redis://me:secret@nowhere:1/x.rdb";
    let output = rdbkit().args(["convert", "redis-7.0.15-lru.rdb", to]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("redis://me:***@nowhere:1/x.rdb"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    let output = rdbkit().args(["keys", "redis:/:secret@nowhere:1"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("redis:/:***@nowhere:1"), "{said}");
}

#[cfg(feature = "live")]
#[test]
fn the_short_help_of_a_backup_has_the_connection() {
    let output = rdbkit().args(["backup", "-h"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("--password-file") && said.contains("--tls-ca"), "{said}");
}

/// A snapshot of strings under numbers, without a checksum.
fn write_strings(path: &Path, keys: u32) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    out.write_all(b"REDIS0009\xfe\x00").unwrap();
    for key in 0..keys {
        let key = format!("{key:08}");
        out.write_all(b"\x00\x08").unwrap();
        out.write_all(key.as_bytes()).unwrap();
        out.write_all(b"\x20").unwrap();
        out.write_all(&[b'v'; 32]).unwrap();
    }
    out.write_all(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    out.flush().unwrap();
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.rdb");
    write_strings(&path, 2_000_000);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["keys", "--format=csv"])
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A pipe that nobody empties holds it up.
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 64]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
    assert!(said.contains("has become shorter while it was read"), "{said}");
}
