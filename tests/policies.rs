//! What `check` decides: policies that hold and policies that are broken, in every form in which CI
//! systems read them; and the defaults that come from files and the environment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

const ALL: &str = "fixtures/redis-8.10.2-alltypes.rdb";
const OLD: &str = "fixtures/redis-5.0.6-alltypes.rdb";
const NOW: &str = "--now=2026-11-24T00:00:00Z";

struct Done {
    code: i32,
    out: String,
    err: String,
}

fn rdbkit(args: &[&str], set: impl FnOnce(&mut std::process::Command)) -> Done {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).stdin(Stdio::null());
    command.env_remove("RDBKIT_CONFIG").env("XDG_CONFIG_HOME", "/nowhere");
    set(&mut command);
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Done { code: done.status.code().unwrap(), out: text(&done.stdout), err: text(&done.stderr) }
}

fn call(args: &[&str]) -> Done {
    rdbkit(args, |_| {})
}

/// The codes of what breaks policies, each once, with a key for the first of them.
#[track_caller]
fn broken(source: &str, policies: &[&str]) -> Vec<(String, u64, String)> {
    let done = call(&[&["check", source, NOW, "--format=json"], policies].concat());
    let document: Value =
        serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}", done.err));
    let policy = &document["sources"][0]["policy"];
    let mut found: Vec<(String, u64, String)> = Vec::new();
    for finding in policy["findings"].as_array().unwrap() {
        let code = finding["code"].as_str().unwrap().to_owned();
        match found.iter_mut().find(|(known, ..)| *known == code) {
            Some((_, count, _)) => *count += 1,
            None => found.push((code, 1, finding["key"].as_str().unwrap_or("").to_owned())),
        }
    }
    assert_eq!(policy["kept"], found.is_empty());
    assert_eq!(done.code, i32::from(!found.is_empty()), "{policies:?}");
    found
}

#[test]
fn each_policy_holds_and_is_broken() {
    let none: Vec<(String, u64, String)> = Vec::new();
    let one = |code: &str, count, key: &str| vec![(code.to_owned(), count, key.to_owned())];
    assert_eq!(broken(ALL, &["--max-key-bytes=20kb"]), none);
    assert_eq!(broken(ALL, &["--max-key-bytes=16900"]), one("max-key-bytes", 1, "list:bigitems"));
    assert_eq!(broken(ALL, &["--max-elements=600"]), none);
    assert_eq!(broken(ALL, &["--max-elements=599"])[0].1, 5);
    assert_eq!(broken(ALL, &["--max-keys=126"]), none);
    assert_eq!(broken(ALL, &["--max-keys=125"]), one("max-keys", 1, ""));
    assert_eq!(broken(ALL, &["--require-ttl=exp:"]), none);
    assert_eq!(broken(ALL, &["--require-ttl=zset:"])[0].0, "require-ttl");
    assert_eq!(broken(ALL, &["--forbid-type=module"]), none);
    assert_eq!(broken(ALL, &["--forbid-type=array"])[0].1, 4);
    assert_eq!(broken(ALL, &["--forbid-prefix=nothing:"]), none);
    assert_eq!(broken(ALL, &["--forbid-prefix=str:hello"]), one("forbid-prefix", 2, "str:hello"));
    assert_eq!(broken(ALL, &["--max-age=12h"]), none);
    assert_eq!(broken(ALL, &["--max-age=11h"]), one("max-age", 1, ""));
    assert_eq!(broken(ALL, &["--expect-db=0,1,9,63"]), none);
    assert_eq!(broken(ALL, &["--expect-db=0,1,9"]).len(), 1);
    assert_eq!(broken(ALL, &["--expect-db=0-9,63"]), none);
    assert_eq!(broken(ALL, &["--expect-db=0-62"]).len(), 1);
    assert_eq!(broken(ALL, &["--loads-in=redis:8.10"]), none);
    assert_eq!(broken(OLD, &["--loads-in=redis:5.0,redis:8.10,valkey:9.1"]), none);
    assert_eq!(broken(OLD, &["--loads-in=redis:2.8"])[0].0, "loads-in");
    // Vector sets are no module's where the server has them itself.
    let vectors = "fixtures/redis-8.10.2-vectorset.rdb";
    assert_eq!(broken(vectors, &["--loads-in=redis:8.10"]), none);
    let done = call(&["check", vectors, NOW, "--loads-in=valkey:9.1"]);
    assert!(done.code == 1 && done.out.contains("vector-set (4)"), "{}", done.out);
    assert!(!done.out.contains("keys of modules"), "{}", done.out);
    assert_eq!(broken("fixtures/redis-8.10.2-modules.rdb", &["--loads-in=redis:8.10"]).len(), 1);
    // The keys of a log are those that are there in the end.
    let log = "fixtures/redis-8.10.2-alltypes-aofdir";
    assert_eq!(broken(log, &["--max-keys=126"]), none);
    assert_eq!(broken(log, &["--max-keys=125", "--max-elements=599"]).len(), 2);
}

#[test]
fn a_source_is_as_old_as_it_says_and_else_as_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let now = "--now=2026-12-24T00:00:00Z";
    let says = |source: &Path, age: &str, want: &str| {
        let done = call(&["check", source.to_str().unwrap(), now, &format!("--max-age={age}")]);
        assert_eq!(done.code, i32::from(!want.is_empty()), "{}", done.out);
        assert!(done.out.contains(want), "{want} in\n{}", done.out);
    };
    // A copy is new, but its last `#TS:` is of 2023.
    let (log, plain) = (folder.path().join("annotated.aof"), folder.path().join("plain.aof"));
    fs::copy("fixtures/annotations.aof", &log).unwrap();
    says(&log, "1d", "expected at most 1d old; found 3y 40d old by its last annotation");
    says(&log, "2000d", "");
    fs::write(&plain, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n").unwrap();
    let file = fs::File::options().write(true).open(&plain).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_577_836_800))
        .unwrap();
    says(&plain, "26h", "expected at most 1d 2h old; found 6y 359d old by its last change");
    says(Path::new(ALL), "1s", "old by its ctime");
    // Of a directory, the last part that has a time says it.
    let multi = Path::new("fixtures/redis-8.10.2-day-aofdir");
    says(multi, "1s", "old by its last annotation");
}

#[test]
fn a_server_that_is_too_old_is_told_with_what_it_would_lose() {
    let done = call(&["check", ALL, NOW, "--loads-in=redis:6.2"]);
    assert_eq!(done.code, 1);
    for part in ["sound", "policy: BROKEN", "REDIS0015", "up to REDIS0009", "field-expiry"] {
        assert!(done.out.contains(part), "{part} in\n{}", done.out);
    }
}

/// Beside a whole check the rules are asked in the same walk, beside a quick one in a walk of their
/// own, and through a pipe in one that cannot go back.
#[test]
fn the_rules_are_the_same_in_every_walk() {
    let rules = [
        "--max-key-bytes=10",
        "--max-elements=2",
        "--max-keys=3",
        "--max-age=1s",
        "--require-ttl=s",
        "--forbid-type=zset",
        "--forbid-prefix=h",
        "--expect-db=1",
        "--loads-in=redis:2.8,valkey:7.2",
        "--max-findings=100000",
        "--now=2026-11-24T00:00:00Z",
        "--format=json",
    ];
    let policy = |source: &str, more: &[&str]| {
        let done = call(&[&["check", source][..], &rules, more].concat());
        let said: Value = serde_json::from_str(&done.out).unwrap();
        let mut policy = said["sources"][0]["policy"].clone();
        let findings = policy.get_mut("findings").and_then(Value::as_array_mut);
        for finding in findings.into_iter().flatten() {
            finding["file"] = Value::Null;
        }
        policy
    };
    let folders = ["fixtures", "fixtures/broken"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut compared = 0;
    for file in files.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let name = file.to_str().unwrap();
        if !name.ends_with(".rdb") {
            continue;
        }
        let (whole, quick) = (policy(name, &[]), policy(name, &["--quick"]));
        let unmapped = policy(name, &["--no-mmap", "--threads=1"]);
        assert_eq!(whole, unmapped, "{name}");
        // Where a value is broken a quick check is sound, and then says that of the walk.
        if !whole.is_null() && !quick.is_null() {
            assert_eq!(whole, quick, "{name}");
            let findings = whole["findings"].as_array().unwrap().len();
            compared += usize::from(findings > 0);
        }
    }
    assert!(compared > 25, "{compared}");
}

#[test]
fn a_warning_breaks_nothing() {
    let done = call(&["check", ALL, NOW, "--max-keys=1", "--warn=max-keys"]);
    assert_eq!(done.code, 0, "{}", done.out);
    assert!(done.out.contains("policy: kept, 1 warning (max-keys)"), "{}", done.out);
}

#[test]
fn a_rule_that_many_keys_break_hides_no_other() {
    let rules = ["--max-elements=1", "--expect-db=0", "--warn=max-elements", "--max-findings=1"];
    let done = call(&[&["check", ALL, NOW, "--format=json"], &rules[..]].concat());
    let document: Value = serde_json::from_str(&done.out).unwrap();
    let findings = document["sources"][0]["policy"]["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!((codes, done.code), (vec!["expect-db", "max-elements"], 1));
    let done = call(&[&["check", ALL, NOW, "--format=junit"], &rules[..]].concat());
    let case = |name: &str| {
        let from = done.out.find(&format!("<testcase name=\"{name}\"")).unwrap();
        done.out[from..].split("<testcase").nth(1).unwrap().to_owned()
    };
    assert!(case("expect-db").contains("errors, the first: expect-db"), "{}", done.out);
    assert!(!case("max-elements").contains("<failure"), "{}", done.out);
    // A warning fails nothing, and can be read nevertheless.
    assert!(case("max-elements").contains("<system-out>warning max-elements"), "{}", done.out);
    assert!(!case("sound").contains("<failure"), "{}", done.out);
}

#[test]
fn a_pipe_is_asked_as_a_file_is() {
    let piped = rdbkit(&["check", "-", NOW, "--max-keys=125", "--format=json"], |command| {
        command.stdin(fs::File::open(ALL).unwrap());
    });
    let read = fs::read(ALL).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["check", "-", NOW, "--max-keys=125", "--format=json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &read).unwrap();
    drop(stdin);
    let streamed = child.wait_with_output().unwrap();
    assert_eq!(piped.code, 1);
    assert_eq!(streamed.status.code(), Some(1));
    assert_eq!(String::from_utf8(streamed.stdout).unwrap(), piped.out);
}

#[test]
fn policies_come_from_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies.toml");
    let text =
        "max-key-bytes = \"1kb\"\nmax-keys = 3\nforbid-type = \"array\"\nwarn = [\"max-keys\"]\n";
    let policy = format!("--policy={}", path.display());
    for (dbs, code) in [("[\"0-9\", 63]", 0), ("\"0-62\"", 1), ("0", 1)] {
        fs::write(&path, format!("expect-db = {dbs}\n")).unwrap();
        assert_eq!(call(&["check", ALL, NOW, &policy]).code, code, "{dbs}");
    }
    fs::write(&path, text).unwrap();
    let done = call(&["check", ALL, NOW, &policy, "--max-key-bytes=1mb"]);
    assert_eq!(done.code, 1);
    assert!(
        done.out
            .contains("policy: BROKEN, 4 errors, 1 warning (max-key-bytes, max-keys, forbid-type)"),
        "{}",
        done.out
    );
    for (wrong, said) in [
        ("max-kees = 3\n", "unknown field `max-kees`"),
        ("forbid-type = [\"blob\"]\n", "no type \"blob\""),
        ("warn = [\"x\"]\n", "there is no policy \"x\""),
        ("max-age = \"soon\"\n", "give a span of time"),
    ] {
        fs::write(&path, wrong).unwrap();
        let done = call(&["check", ALL, &policy]);
        assert_eq!(done.code, 2, "{wrong}");
        assert!(done.err.contains(said) && done.err.contains("policies.toml"), "{}", done.err);
    }
}

/// Where the tools are that `tests/fetch-tools` brings.
fn tool(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no {name}; run tests/fetch-tools");
    eprintln!("SKIPPED: no {name} in target/tools; run tests/fetch-tools");
    None
}

fn python(script: &str, input: &str, arguments: &[&Path]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    fs::write(&path, input).unwrap();
    let mut command = std::process::Command::new(tool("venv/bin/python")?);
    let done = command.args(["-c", script]).arg(&path).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(String::from_utf8(done.stdout).unwrap())
}

const SOURCES: [&str; 4] =
    [ALL, "fixtures/broken/duplicate-key.rdb", "fixtures/broken/dir-missing-incr", "no-such-file"];

#[test]
fn junit_is_read_by_another_program() {
    let done = call(
        &[
            &["check"],
            &SOURCES[..],
            &[NOW, "--max-keys=1", "--max-elements=9999", "--format=junit"],
        ]
        .concat(),
    );
    assert_eq!(done.code, 2);
    let script = "
import sys
from junitparser import JUnitXml, Failure, Error
for suite in JUnitXml.fromfile(sys.argv[1]):
    for case in suite:
        kinds = [type(result).__name__ for result in case.result]
        print(suite.name, case.name, kinds)
";
    let Some(seen) = python(script, &done.out, &[]) else { return };
    let want = format!(
        "{ALL} sound []\n{ALL} max-elements []\n{ALL} max-keys ['Failure']\n\
         fixtures/broken/duplicate-key.rdb sound ['Failure']\n\
         fixtures/broken/duplicate-key.rdb max-elements []\n\
         fixtures/broken/duplicate-key.rdb max-keys ['Failure']\n\
         fixtures/broken/dir-missing-incr sound ['Failure']\n\
         no-such-file sound ['Error']\n"
    );
    assert_eq!(seen, want);
}

#[test]
fn sarif_keeps_its_schema() {
    let done = call(&[&["check"], &SOURCES[..], &[NOW, "--max-keys=1", "--format=sarif"]].concat());
    let document: Value = serde_json::from_str(&done.out).unwrap();
    let results = document["runs"][0]["results"].as_array().unwrap();
    let codes: Vec<&str> = results.iter().map(|one| one["ruleId"].as_str().unwrap()).collect();
    assert!(codes.contains(&"duplicate-key") && codes.contains(&"max-keys"), "{codes:?}");
    let Some(schema) = tool("sarif-2.1.0.json") else { return };
    let script = "
import json, sys, jsonschema
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))
print('valid')
";
    let Some(said) = python(script, &done.out, &[&schema]) else { return };
    assert_eq!(said, "valid\n");
    // That it can fail.
    let bad = done.out.replace("\"2.1.0\"", "\"2.2.0\"");
    let script = "
import json, sys, jsonschema
try:
    jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))
except jsonschema.ValidationError:
    print('not valid')
";
    assert_eq!(python(script, &bad, &[&schema]).unwrap(), "not valid\n");
}

#[test]
fn github_gets_a_line_for_each_finding() {
    let done = call(&[&["check"], &SOURCES[1..], &["--format=github"]].concat());
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(
        lines[0].starts_with(
            "::error file=fixtures/broken/duplicate-key.rdb,title=duplicate-key::key \"a\""
        ),
        "{}",
        done.out
    );
    assert!(
        lines.last().unwrap().starts_with("::error file=no-such-file,title=could-not-look::"),
        "{}",
        done.out
    );
}

#[test]
fn figures_for_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rdbkit.prom");
    fs::write(&path, "old").unwrap();
    let metrics = format!("--metrics={}", path.display());
    assert_eq!(call(&["check", ALL, OLD, &metrics]).code, 0);
    let text = fs::read_to_string(&path).unwrap();
    for line in [
        format!("rdbkit_check_sound{{source=\"{ALL}\"}} 1"),
        format!("rdbkit_check_keys{{source=\"{ALL}\"}} 126"),
        "# TYPE rdbkit_check_findings gauge".to_owned(),
        "rdbkit_last_run_timestamp_seconds{verb=\"check\"} ".to_owned(),
    ] {
        assert!(text.lines().any(|one| one.starts_with(&line)), "{line} in\n{text}");
    }
    assert_eq!(call(&["replay", "fixtures/annotations.aof", &metrics]).code, 0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("rdbkit_replay_commands{source=\"fixtures/annotations.aof\"} "),
        "{text}"
    );
}

#[test]
fn defaults_come_from_files_and_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rdbkit.toml");
    let config = format!("--config={}", path.display());
    fs::write(&path, "threads = 1\nformat = \"json\"\n[check]\nquick = true\nmax-keys = 5\n")
        .unwrap();
    let done = call(&["check", &config, ALL]);
    assert!(
        done.out.contains("\"depth\": \"frames and checksum\"") && done.code == 1,
        "{}{}",
        done.out,
        done.err
    );
    // A flag counts more than the environment, and that more than the file.
    let human = call(&["check", &config, ALL, "--format=human", "--max-keys=1000"]);
    assert!(human.out.contains("policy: kept") && human.code == 0, "{}", human.out);
    let set = rdbkit(&["check", &config, ALL], |c| {
        c.env("RDBKIT_FORMAT", "human").env("RDBKIT_MAX_KEYS", "500");
    });
    assert!(set.out.contains("policy: kept") && set.code == 0, "{}", set.out);
    let quick = rdbkit(&["check", &config, ALL], |c| {
        c.env("RDBKIT_FORMAT", "human").env("RDBKIT_QUICK", "1");
    });
    assert!(quick.out.contains("frames checked"), "{}{}", quick.out, quick.err);
    // Here and in the folder of the user.
    let here = rdbkit(&["check", &fs::canonicalize(ALL).unwrap().display().to_string()], |c| {
        c.current_dir(folder.path());
    });
    assert!(here.out.starts_with('{'), "{}{}", here.out, here.err);
    for (text, said) in [
        ("treads = 1\n", "treads: no verb has such an option"),
        ("[check]\ntreads = 1\n", "did you mean threads?"),
        ("[convert]\nforce = true\n", "[convert] force: is no default: say it in each call"),
        ("[replay]\nto = \"redis://x\"\n", "[replay] to: is no default: say it in each call"),
        ("[replay]\nyes = true\n", "[replay] yes: is no default"),
        ("flush-first = true\n", "flush-first: is no default: say it in each call"),
        ("[check]\nquick = 3\n", "quick: it is true or false"),
        ("[check\n", "rdbkit.toml"),
        ("check = 1\n", "[check] is a table"),
        ("threads = \"many\"\n", "rdbkit.toml: threads: invalid value 'many'"),
    ] {
        fs::write(&path, text).unwrap();
        let done = call(&["check", &config, ALL]);
        assert!(done.code == 2 && done.err.contains(said), "{text}{}", done.err);
    }
    // A form is a default like others; a server that is written into is none.
    fs::write(&path, "to = \"ndjson\"\n").unwrap();
    let done = call(&["export", &config, ALL]);
    assert!(done.code == 0 && done.out.starts_with("{"), "{}{}", done.out, done.err);
    let done = rdbkit(&["replay", ALL], |c| {
        c.env("RDBKIT_TO", "redis://127.0.0.1:1");
    });
    assert_eq!(done.code, 0, "{}", done.err);
    let done = call(&["check", "--config=/no/such/file", ALL]);
    assert!(done.code == 2 && done.err.contains("cannot read the configuration"), "{}", done.err);
}

#[test]
fn completions_and_a_manual_page() {
    for (shell, part) in
        [("bash", "_rdbkit()"), ("zsh", "#compdef rdbkit"), ("fish", "complete -c rdbkit")]
    {
        let done = call(&["completions", shell]);
        assert!(done.code == 0 && done.out.contains(part), "{shell}");
    }
    for args in [&["man"][..], &["man", "check"]] {
        let done = call(args);
        assert!(done.code == 0 && done.out.contains(".TH"), "{}", done.err);
    }
    assert_eq!(call(&["man", "nothing"]).code, 2);
}

/// The fenced block of the README in which this stands.
fn block(part: &str) -> String {
    let readme = fs::read_to_string("README.md").unwrap();
    let at = readme.find(part).unwrap();
    let from = readme[..at].rfind("\n```").unwrap() + 1;
    let body = &readme[from + readme[from..].find('\n').unwrap() + 1..];
    body[..body.find("\n```").unwrap() + 1].to_owned()
}

/// A repository with these files in its index.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    sh(folder.path(), "git init -q .");
    for (name, from) in files {
        fs::copy(from, folder.path().join(name)).unwrap();
    }
    sh(folder.path(), "git add .");
    folder
}

/// What a script prints, and its exit status; the program is on its path.
fn sh(folder: &Path, script: &str) -> (String, i32) {
    let program = Path::new(env!("CARGO_BIN_EXE_rdbkit")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let done = std::process::Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", program.display()))
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    (String::from_utf8(said).unwrap(), done.status.code().unwrap())
}

#[test]
fn the_workflow_of_the_readme_finds_what_is_broken() {
    let workflow = block("name: dumps");
    let (_, step) = workflow.split_once("run: |\n").unwrap();
    let valkey = ("sound.rdb", "fixtures/valkey-9.1.2-alltypes.rdb");
    let sound = repository(&[valkey]);
    assert_eq!(sh(sound.path(), step).1, 0, "{}", sh(sound.path(), step).0);
    let broken =
        repository(&[valkey, ("b r.rdb", "fixtures/broken/duplicate-key.rdb"), ("new.rdb", ALL)]);
    let (said, status) = sh(broken.path(), step);
    assert_ne!(status, 0);
    for part in
        ["::error file=b r.rdb,title=duplicate-key::", "::error file=new.rdb,title=loads-in::"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_hook_of_the_readme_lets_no_broken_dump_in() {
    let hook = block("#!/bin/sh");
    let commit = |files: &[(&str, &str)]| {
        let folder = repository(files);
        let path = folder.path().join(".git/hooks/pre-commit");
        fs::write(&path, &hook).unwrap();
        sh(
            folder.path(),
            "chmod +x .git/hooks/pre-commit; git -c user.name=a -c user.email=a@b commit -qm x",
        )
    };
    assert_eq!(commit(&[("a.rdb", ALL), ("b.aof", "fixtures/annotations.aof")]).1, 0);
    // Git quotes the names that are not ASCII.
    let names = ["gut ü.rdb", "a\tb.rdb", " \"quoted\".rdb", "back\\slash.rdb", "-n.rdb"];
    let sound = names.map(|name| (name, "fixtures/redis-7.0.15-lru.rdb"));
    let (said, status) = commit(&sound);
    assert!(status == 0 && said.matches(": sound").count() == names.len(), "{said}");
    let broken = "fixtures/broken/duplicate-key.rdb";
    for (name, told) in [("b.rdb", "b.rdb"), ("schlecht ü.rdb", "schlecht ü.rdb")] {
        let (said, status) = commit(&[("a.rdb", ALL), (name, broken)]);
        assert!(status != 0 && said.contains(&format!("{told}: not committed")), "{said}");
        assert!(said.contains("duplicate-key"), "{said}");
    }
    for name in names {
        let (said, status) = commit(&[(name, broken)]);
        assert!(status != 0 && said.contains("duplicate-key"), "{name:?}: {said}");
    }
    // One that has been renamed and changed is looked at, too.
    let folder = repository(&[("a.rdb", ALL)]);
    let git = "git -c user.name=a -c user.email=a@b commit -qm x";
    assert_eq!(sh(folder.path(), git).1, 0);
    fs::write(folder.path().join(".git/hooks/pre-commit"), &hook).unwrap();
    let rename =
        "chmod +x .git/hooks/pre-commit; git mv a.rdb b.rdb; truncate -s -9 b.rdb; git add .";
    let (said, status) = sh(folder.path(), &format!("{rename}; {git}"));
    assert!(status != 0 && said.contains("b.rdb: not committed"), "{said}");
}
