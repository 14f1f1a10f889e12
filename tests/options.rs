//! Options that many verbs have mean the same in all of them.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// A call in a folder: its exit status, and what it says.
#[track_caller]
fn call(folder: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    let output = command.current_dir(folder).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

/// `SET k:N v`, and something that no server knows, as the words of a log.
fn log(words: &[&[&str]]) -> String {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    let command = |words: &&[&str]| {
        format!("*{}\r\n{}", words.len(), words.iter().map(bulk).collect::<String>())
    };
    words.iter().map(command).collect()
}

#[test]
fn every_verb_that_runs_a_log_can_step_over_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let odd = log(&[&["SET", "k:1", "v"], &["NOSUCH.CMD", "k:1", "x"], &["SET", "k:2", "v"]]);
    fs::write(folder.join("odd.aof"), odd).unwrap();
    fs::write(folder.join("plain.aof"), log(&[&["SET", "k:3", "v"]])).unwrap();
    let calls: [&[&str]; 17] = [
        &["keys", "odd.aof"],
        &["get", "odd.aof", "k:1", "k:2"],
        &["digest", "odd.aof"],
        &["inspect", "odd.aof", "--by", "prefix"],
        &["inspect", "odd.aof", "--memory"],
        &["check", "odd.aof", "--max-keys", "2"],
        &["diff", "odd.aof", "odd.aof"],
        &["history", "odd.aof", "k:2"],
        &["replay", "odd.aof"],
        &["replay", "odd.aof", "--save", "OUT"],
        &["compact", "odd.aof", "-o", "OUT"],
        &["convert", "odd.aof", "OUT"],
        &["export", "odd.aof", "-o", "OUT"],
        &["export", "odd.aof", "--to", "resp", "-o", "OUT"],
        &["split", "odd.aof", "--by", "type", "-o", "OUT"],
        &["merge", "odd.aof", "plain.aof", "-o", "OUT"],
        &["anonymize", "odd.aof", "-o", "OUT"],
    ];
    for (number, words) in calls.iter().enumerate() {
        let out = format!("out-{number}");
        let words: Vec<&str> =
            words.iter().map(|word| if *word == "OUT" { out.as_str() } else { word }).collect();
        let (code, said) = call(folder, &words);
        // What is in the way is said, and which option helps.
        let status = if words.contains(&"diff") { 2 } else { 1 };
        assert_eq!(code, status, "{words:?}: {said}");
        assert!(said.contains("NOSUCH.CMD") && said.contains("--on-unknown skip"), "{said}");
        assert!(!folder.join(&out).exists(), "{words:?}");
        let (code, said) = call(folder, &[&words[..], &["--on-unknown", "skip"]].concat());
        assert_eq!(code, 0, "{words:?}: {said}");
        assert_eq!(folder.join(&out).exists(), words.contains(&out.as_str()), "{words:?}");
    }
    let (_, said) = call(folder, &["digest", "odd.aof", "--on-unknown", "skip"]);
    assert!(said.contains("odd.aof: 1 command is not known and was stepped over"), "{said}");
    // As `history` called it once.
    assert_eq!(call(folder, &["history", "odd.aof", "k:2", "--skip-unknown"]).0, 0);
}

#[test]
fn what_is_there_is_replaced_with_f() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = |name: &str| folder.join(name);
    fs::write(path("log.aof"), log(&[&["SET", "k:1", "v"]])).unwrap();
    assert_eq!(call(folder, &["convert", "log.aof", "dump.rdb"]).0, 0);
    let calls: [&[&str]; 8] = [
        &["replay", "log.aof", "--save", "out"],
        &["compact", "log.aof", "-o", "out"],
        &["convert", "log.aof", "out"],
        &["export", "log.aof", "-o", "out"],
        &["merge", "log.aof", "-o", "out"],
        &["anonymize", "log.aof", "-o", "out"],
        &["rewrite", "log.aof", "-o", "out"],
        &["repair", "dump.rdb", "-o", "out"],
    ];
    for words in calls {
        fs::write(path("out"), "old").unwrap();
        let (code, said) = call(folder, words);
        assert_eq!(code, 2, "{words:?}");
        assert!(said.contains("--force"), "{said}");
        assert_eq!(fs::read(path("out")).unwrap(), b"old");
        let (code, said) = call(folder, &[words, &["-f"]].concat());
        assert_eq!(code, 0, "{words:?}: {said}");
        assert_ne!(fs::read(path("out")).unwrap(), b"old", "{words:?}");
    }
}

#[test]
fn an_output_on_standard_output_is_all_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("log.aof"), log(&[&["SET", "k:1", "v"]])).unwrap();
    assert_eq!(call(folder, &["convert", "log.aof", "dump.rdb"]).0, 0);
    let calls: [&[&str]; 6] = [
        &["convert", "log.aof", "-"],
        &["merge", "log.aof", "-o", "-"],
        &["anonymize", "log.aof", "-o", "-"],
        &["compact", "log.aof", "-o", "-", "--to", "rdb"],
        &["repair", "dump.rdb", "-o", "-"],
        &["rewrite", "log.aof", "-o", "-"],
    ];
    for words in calls {
        for format in ["human", "json"] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
            command.current_dir(folder).args(words).args(["--format", format]);
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{words:?}");
            fs::write(folder.join("piped"), output.stdout).unwrap();
            let (code, said) = call(folder, &["check", "piped"]);
            assert_eq!(code, 0, "{words:?}: {said}");
        }
    }
}

/// What a call shows on a terminal of ten lines, with this pager, and its exit status.
#[cfg(target_os = "linux")]
fn on_a_terminal(pager: &str, args: &str) -> (String, i32) {
    let call = format!("stty rows 10 cols 80; {} {args}", env!("CARGO_BIN_EXE_rdbkit"));
    let output = std::process::Command::new("script")
        .args(["-qec", &call, "/dev/null"])
        .env("RDBKIT_PAGER", pager)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_pager_that_cannot_be_started_swallows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // So little that it fits a pipe, and so much that it does not.
    let many = folder.path().join("many.aof");
    let keys: Vec<String> = (0..9000).map(|n| format!("k:{n}")).collect();
    let sets: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, "v"]).collect();
    let words: Vec<&[&str]> = sets.iter().map(|set| &set[..]).collect();
    fs::write(&many, log(&words)).unwrap();
    for (source, last) in
        [("fixtures/redis-7.0.15-alltypes.rdb", "zset:"), (many.to_str().unwrap(), "k:8999")]
    {
        let (shown, status) = on_a_terminal("cat -", &format!("keys {source}"));
        let rows = shown.lines().count();
        assert!(status == 0 && rows > 100 && shown.contains(last), "{status}: {shown}");
        for pager in ["/no/such/pager -R", "/", "LC_ALL=C /no/such/pager"] {
            let (shown, status) = on_a_terminal(pager, &format!("keys {source}"));
            let said = format!("the pager {pager} cannot be started");
            assert!(status == 0 && shown.contains(&said), "{pager}: {status}: {shown}");
            assert!(shown.lines().count() > rows && shown.contains(last), "{pager}: {shown}");
        }
        // One that is left early is no failure, and what it has shown is not shown twice.
        let (shown, status) = on_a_terminal("head -n 5", &format!("keys {source}"));
        assert!(status == 0 && shown.lines().count() == 5, "{status}: {shown}");
    }
}

#[test]
fn what_a_prefix_is_is_not_said_in_vain() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let look = |args: &[&str]| {
        let source = "fixtures/redis-7.0.15-alltypes.rdb";
        call(folder, &[&["inspect", source, "--now=2026-11-23T14:00:00Z"], args].concat())
    };
    let prefixes = look(&["--by", "prefix", "--depth", "1"]);
    assert_eq!((prefixes.0, &look(&["--depth", "1"])), (0, &prefixes));
    let colon = look(&["--by", "prefix", "--separator", ":"]);
    assert_eq!((colon.0, &look(&["--separator", ":"])), (0, &colon));
    for args in [["--depth", "1"], ["--separator", ":"]] {
        let (status, said) = look(&[&args[..], &["--by", "type"]].concat());
        assert!(status == 2 && said.contains("--by prefix"), "{args:?}: {said}");
    }
}

#[test]
fn what_splits_by_no_prefix_is_not_told_what_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("log.aof"), log(&[&["SET", "k:1", "v"]])).unwrap();
    for (by, tells) in
        [(["--by", "db"], ["--separator", "x"]), (["--parts", "2"], ["--depth", "2"])]
    {
        let words = [&["split", "log.aof", "-o", "out"][..], &by, &tells].concat();
        let (status, said) = call(folder, &words);
        assert!(status == 2 && said.contains("give --by prefix"), "{words:?}: {said}");
        assert!(!folder.join("out").exists());
    }
    let words = ["split", "log.aof", "-o", "out", "--by", "prefix", "--depth", "1"];
    assert_eq!(call(folder, &words).0, 0);
}

#[test]
fn a_page_and_json_do_not_share_standard_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for option in ["--html", "--folded"] {
        let source = "fixtures/redis-7.0.15-lru.rdb";
        let (status, said) = call(folder, &["inspect", source, option, "-", "--format", "json"]);
        assert!(status == 2 && said.contains("would be mixed on standard output"), "{said}");
        assert_eq!(call(folder, &["inspect", source, option, "-"]).0, 0);
    }
}

/// What a source does not have is not said of it.
#[test]
fn a_report_says_nothing_that_the_file_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let function = b"REDIS0010\xf5\x11#!lua name=lib\n1\n\xff\0\0\0\0\0\0\0\0";
    fs::write(folder.join("f.rdb"), function).unwrap();
    fs::write(folder.join("l.ndjson"), "{\"key\":\"k\",\"type\":\"string\",\"value\":\"v\"}\n")
        .unwrap();
    fs::write(folder.join("log.aof"), log(&[&["SET", "k:1", "v"], &["SET", "k:2", "v"]])).unwrap();
    let (status, said) = call(folder, &["export", "f.rdb", "--to", "csv", "-o", "f.csv"]);
    assert!(status == 0 && said.contains("1 library left out"), "{said}");
    let (status, said) = call(folder, &["inspect", "l.ndjson"]);
    assert!(status == 0 && !said.contains("checksum"), "{said}");
    let (status, said) = call(folder, &["check", "log.aof", "--max-keys", "1"]);
    assert!(status == 1 && said.contains("at most 1 key;") && said.contains("2 keys"), "{said}");
    let base = format!("{}/fixtures/redis-7.0.15-alltypes.rdb", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(call(folder, &["convert", &base, "dir", "--to", "aof-dir"]).0, 0);
    let (status, said) = call(folder, &["convert", "dir", "out.rdb", "--target", "redis:7.0"]);
    assert!(status == 0 && said.contains("REDIS0010 to REDIS0010"), "{said}");
    let (status, said) = call(folder, &["inspect", &base, "--by", "prefix", "--depth", "1"]);
    assert!(status == 0 && !said.contains("(others)"), "{said}");
}

#[test]
fn idle_times_that_nothing_has_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("log.aof"), log(&[&["SET", "k:1", "v"]])).unwrap();
    let lru = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis-7.0.15-lru.rdb");
    let lfu = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis-7.0.15-lfu.rdb");
    for (source, lacks) in [("log.aof", true), (lfu, true), (lru, false)] {
        let calls: [&[&str]; 6] = [
            &["keys", source],
            &["digest", source],
            &["diff", source, source],
            &["export", source, "--to", "csv"],
            &["check", source, "--max-keys", "1000"],
            &["replay", source],
        ];
        for words in calls {
            for filter in ["--idle=>1s", "--not-idle=>1s"] {
                let (code, said) = call(folder, &[words, &[filter]].concat());
                assert_eq!(code, 0, "{words:?} {filter}: {said}");
                let told = said.contains("no key has an idle time here");
                assert_eq!(told, lacks, "{words:?} {filter}: {said}");
            }
            let (_, said) = call(folder, &[words, &["--idle=>1s", "-q"]].concat());
            assert!(!said.contains("idle time"), "{said}");
        }
    }
}
