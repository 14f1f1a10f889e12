//! What rewrite does to logs, and that servers load what it writes as the same data.

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
use redis::Value;
use support::servers::{Server, data_dir, require};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn without_a_rule_every_log_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(ROOT).join("fixtures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let to = folder.path().join(&name);
        let is_log = name.ends_with(".aof") || path.is_dir() && name != "broken";
        if !is_log || ["dir-quoted-name", "empty.aof"].contains(&&*name) {
            continue;
        }
        rewrite(&path, &to, &[]).success();
        if path.is_dir() {
            for part in fs::read_dir(&path).unwrap() {
                let part = part.unwrap();
                let (before, after) = (fs::read(part.path()), fs::read(to.join(part.file_name())));
                // The manifest loses its comments.
                if !name.contains("comment") {
                    assert_eq!(before.unwrap(), after.unwrap(), "{name} {:?}", part.file_name());
                }
            }
        } else {
            assert_eq!(fs::read(&path).unwrap(), fs::read(&to).unwrap(), "{name}");
        }
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn commands_come_and_go() {
    let log = "SELECT 0; SET a 1; FLUSHALL; SET b 2";
    check(log, &["--drop", "flushall"], "SELECT 0; SET a 1; SET b 2");
    // A file without a byte would be refused.
    check(log, &["--drop", "set,flushall"], "SELECT 0");
    check("", &[], "SELECT 0");
    check(log, &["--only", "SET"], "SELECT 0; SET a 1; SET b 2");
    let log = "XGROUP CREATE s g 0; xgroup DESTROY s g; XADD s 1-1 a b";
    check(log, &["--drop", "xgroup|destroy"], "XGROUP CREATE s g 0; XADD s 1-1 a b");
}

#[test]
fn a_command_runs_in_its_database_whatever_is_dropped() {
    let log = "SELECT 1; SET a 1; SELECT 2; SET b 1; SELECT 1; SET a 2; SELECT 0; SET b 3";
    check(log, &["--key", "a"], "SELECT 1; SET a 1; SET a 2");
    check(log, &["--key", "b"], "SELECT 2; SET b 1; SELECT 0; SET b 3");
    check(log, &["--not-db", "1"], "SELECT 2; SET b 1; SELECT 0; SET b 3");
    check(log, &["--db", "0"], "SET b 3");
    check(
        log,
        &["--map-db", "1=0,0=1"],
        "SELECT 0; SET a 1; SELECT 2; SET b 1; SELECT 0; SET a 2; SELECT 1; SET b 3",
    );
    check("SET a 1; SELECT 3; SET b 1; SET c 1", &["--from-command", "4"], "SELECT 3; SET c 1");
    check("SELECT 3; SET a 1", &["--map-db", "3=0"], "SELECT 0; SET a 1");
}

#[test]
fn transactions_stay_whole_or_go_whole() {
    let log = "MULTI; SET a 1; SET b 1; EXEC; SET c 1";
    check(log, &["--not-key", "d"], log);
    check(log, &["--not-key", "a"], "MULTI; SET b 1; EXEC; SET c 1");
    check(log, &["--key", "c"], "SET c 1");
    check(log, &["--until-command", "3"], "SELECT 0");
    check(log, &["--until-command", "4"], "MULTI; SET a 1; SET b 1; EXEC");
    check(log, &["--from-command", "2"], "SET c 1");
    check("MULTI; EXEC; SET a 1", &["--key", "a"], "MULTI; EXEC; SET a 1");
    // A SELECT in one that goes holds for what follows.
    let log = "SELECT 0; MULTI; SELECT 3; SET a 1; EXEC; SET b 1";
    check(log, &["--key", "b"], "SELECT 3; SET b 1");
    check(log, &["--key", "a"], "SELECT 0; MULTI; SELECT 3; SET a 1; EXEC");
}

#[test]
fn a_log_is_cut_by_offset_and_time() {
    // Each SET takes 27 bytes.
    let log = "SET a 1; SET b 1; SET c 1";
    check(log, &["--until-offset", "54"], "SET a 1; SET b 1");
    check(log, &["--until-offset", "53"], "SET a 1");
    check(log, &["--from-offset", "27"], "SET b 1; SET c 1");
    check(log, &["--from-offset", "1", "--until-command", "2"], "SET b 1");
    let log = "#TS:100; SET a 1; #TS:200; SET b 1; #TS:300; SET c 1";
    check(log, &["--until-time", "200"], "#TS:100; SET a 1; #TS:200; SET b 1");
    check(log, &["--until-time", "199"], "#TS:100; SET a 1");
    check(log, &["--from-time", "150"], "#TS:200; SET b 1; #TS:300; SET c 1");
    check(log, &["--from-time", "1970-01-01T00:05:00Z"], "#TS:300; SET c 1");
    check(log, &["--strip-annotations"], "SET a 1; SET b 1; SET c 1");
    // An annotation inside a transaction takes the transaction with it.
    let log = "#TS:100; SET a 1; MULTI; SET b 1; #TS:300; SET c 1; EXEC";
    check(log, &["--until-time", "200"], "#TS:100; SET a 1");
    refused("SET a 1", &["--until-time", "200"], "no time annotations");
}

#[test]
fn a_range_with_nothing_in_it_is_a_slip() {
    let log = "#TS:100; SET a 1; #TS:200; SET b 1; #TS:300; SET c 1";
    for (args, want) in [
        (&["--from-command", "50", "--until-command", "10"][..], "begins at command 50"),
        (&["--from-offset", "54", "--until-offset", "27"], "begins at offset 54"),
        (&["--from-offset", "27", "--until-offset", "27"], "begins at offset 27"),
        (&["--from-time", "300", "--until-time", "100"], "begins at unix time 300"),
        (&["--from-command", "4"], "the log ends after 3 commands before it begins"),
        (&["--from-time", "301"], "the log ends after 3 commands before it begins"),
        (&["--from-command", "3", "--until-time", "200"], "it ends at offset"),
    ] {
        refused(log, args, want);
    }
    let second = "#TS:200; SET b 1; #TS:300";
    check(log, &["--from-command", "2", "--until-command", "2"], second);
    check(log, &["--from-time", "200", "--until-time", "200"], "#TS:200; SET b 1");
}

/// An offset counts in the increment: the base is no log.
#[test]
fn an_increment_behind_a_snapshot_is_cut_by_offset() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, to) = (folder.path().join("dir"), folder.path().join("out"));
    let base = fs::read("fixtures/redis-7.0.15-lru.rdb").unwrap();
    let make = |base: &[u8], incr: &[&str]| {
        let _ = fs::remove_dir_all(&dir);
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("a.1.base.rdb"), base).unwrap();
        let mut manifest = "file a.1.base.rdb seq 1 type b\n".to_owned();
        for (index, commands) in incr.iter().enumerate() {
            let name = format!("a.{}.incr.aof", index + 1);
            fs::write(dir.join(&name), log(commands)).unwrap();
            manifest += &format!("file {name} seq {} type i\n", index + 1);
        }
        fs::write(dir.join("a.manifest"), manifest).unwrap();
    };
    // Each SET takes 27 bytes.
    let all = &["SET a 1; SET b 1; SET c 1"][..];
    for (args, want) in [
        (&["--from-offset", "27"][..], &["SET b 1; SET c 1"][..]),
        (&["--until-offset", "54"], &["SET a 1; SET b 1"]),
        (&["--from-offset", "27", "--until-offset", "54"], &["SET b 1"]),
        (&["--split-at-offset", "27,54"], &["SET a 1", "SET b 1", "SET c 1"]),
    ] {
        make(&base, all);
        rewrite(&dir, &to, args).success();
        assert_eq!(fs::read(to.join("a.1.base.rdb")).unwrap(), base, "{args:?}");
        for (index, want) in want.iter().enumerate() {
            let part = fs::read(to.join(format!("a.{}.incr.aof", index + 1))).unwrap();
            assert_eq!(part, log(want), "{args:?}");
        }
        assert_eq!(fs::read_dir(&to).unwrap().count(), want.len() + 2, "{args:?}");
    }
    make(&base, all);
    let joined = folder.path().join("one.aof");
    rewrite(&dir, &joined, &["--join", "--drop-preamble", "--from-offset", "27"]).success();
    assert_eq!(fs::read(&joined).unwrap(), log("SET b 1; SET c 1"));
    // Two logs have no offsets in common.
    make(&base, &["SET a 1", "SET b 1"]);
    rewrite(&dir, &to, &["--from-offset", "27"]).code(2);
    make(&[base.clone(), log("SET z 1")].concat(), all);
    rewrite(&dir, &to, &["--from-offset", "27"]).code(2);
    assert!(!to.exists());
}

/// A command about a whole database would be about the keys of another one, too.
#[test]
fn databases_that_become_one_are_not_emptied_together() {
    let both = &["--map-db", "1=0"][..];
    let log = "SET a 1; SELECT 1; SET b 1; FLUSHDB; SET c 1";
    refused(log, both, "FLUSHDB is about database 1, which becomes 0 as database 0 does");
    let kept = "SET a 1; SELECT 0; SET b 1; SET c 1";
    check(log, &["--map-db", "1=0", "--drop", "flushdb"], kept);
    refused("SELECT 1; SET b 1; SELECT 0; FLUSHDB ASYNC", both, "as database 1 does");
    refused("SET a 1; SELECT 1; SET b 1; SWAPDB 1 2", both, "SWAPDB is about database 1");
    refused("SELECT 2; MOVE k 1; SELECT 0; FLUSHDB", both, "as database 1 does");
    // Nothing of the other one is there.
    check("SELECT 1; SET b 1; FLUSHDB", both, "SELECT 0; SET b 1; FLUSHDB");
    check("SET a 1; FLUSHDB; SELECT 1; FLUSHDB", both, "SET a 1; FLUSHDB; SELECT 0; FLUSHDB");
    check("SET a 1; FLUSHALL; SELECT 1; FLUSHDB", both, "SET a 1; FLUSHALL; SELECT 0; FLUSHDB");
    check(
        "SET a 1; SELECT 1; SET b 1; FLUSHDB",
        &["--map-db", "1=3"],
        "SET a 1; SELECT 3; SET b 1; FLUSHDB",
    );
    // They change places with themselves.
    check("SET a 1; SELECT 1; SET b 1; SWAPDB 0 1", both, "SET a 1; SELECT 0; SET b 1; SWAPDB 0 0");
}

/// A server would refuse the base with a key that stands there twice; of commands nobody knows.
#[test]
fn keys_of_a_base_do_not_get_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.aof"), folder.path().join("to.aof"));
    let base = fs::read("fixtures/redis-7.0.15-lru.rdb").unwrap();
    fs::write(&from, [base, log("SELECT 0; SET k1 new")].concat()).unwrap();
    for (args, want) in [
        (&["--rename", "k1=k2"][..], "would both become \"k2\""),
        (&["--rename", "k1=x", "--rename", "k2=x"], "would both become \"x\""),
        (&["--rename", "k*=*", "--rename", "old=1"], "\"k1\""),
    ] {
        let done = rewrite(&from, &to, args).code(2);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(want) && said.contains("--rename"), "{said}");
        assert!(!to.exists());
    }
    rewrite(&from, &to, &["--rename", "k1=k2", "--not-key", "k2", "-f"]).success();
    rewrite(&from, &to, &["--rename", "k1=k2", "--rename", "k2=k1", "-f"]).success();
    let Some(kind) = require("redis-7.0") else { return };
    let bytes = fs::read(&to).unwrap();
    let server = Server::start_with_aof_file(&kind, &bytes, &[]);
    assert_eq!(server.cmd(&["GET", "k2"]), Value::BulkString(b"new".to_vec()));
    // And what is refused is what it refuses.
    check("SET a 1; SET b 2", &["--rename", "a=b"], "SET b 1; SET b 2");
}

/// A broken log is the source's fault, not the call's.
#[test]
fn a_broken_log_is_not_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.aof"), folder.path().join("to.aof"));
    let sound = log("SET a 1; SET b 1");
    let open = log("SET a 1; MULTI; SET b 1");
    for (bytes, want) in [
        ([&sound[..], b"*3\r\n$3\r\nSET\r\nnonsense"].concat(), "offset 67"),
        (sound[..40].to_vec(), "offset 40"),
        (open, "offset 27"),
    ] {
        fs::write(&from, bytes).unwrap();
        let done = rewrite(&from, &to, &[]).code(1);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(want) && said.contains("is not rewritten"), "{said}");
        assert!(said.contains("rdbkit repair"), "{said}");
        assert!(!to.exists());
    }
}

#[test]
fn the_report_says_what_was_added_and_what_was_not_found() {
    let told = |log_text: &str, args: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.aof");
        fs::write(&path, log(log_text)).unwrap();
        let mut call = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
        let done = call.arg("rewrite").arg(&path).arg("--dry-run").args(args).assert();
        let output = done.get_output();
        let status = output.status.code();
        (status, String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Each part begins in database 0.
    let (status, text) = told("SELECT 3; SET a 1; SET b 1; SET c 1", &["--split", "1"]);
    assert_eq!(status, Some(0));
    assert!(text.contains("4 of 4 kept, 2 SELECTs added,"), "{text}");
    for name in ["appendonly.aof.1.incr.aof", "appendonly.aof.2.incr.aof"] {
        assert!(text.contains(name), "{text}");
    }
    let many = ["SET a 1"; 1100].join("; ");
    assert_eq!(told(&many, &["--split", "27"]).0, Some(2), "more parts than anybody wants");
    assert_eq!(told(&many, &["--split", "1kb"]).0, Some(0));
    assert_eq!(told(&many, &["--split", "0"]).0, Some(2));
    let (status, text) = told("SET a 1; FLUSHDB", &["--drop", "flushall,FLUSHDB,xgroup|destroy"]);
    assert_eq!(status, Some(1));
    assert!(text.contains("no FLUSHALL in the log"), "{text}");
    assert!(text.contains("no XGROUP|DESTROY in the log"), "{text}");
    assert!(!text.contains("no FLUSHDB"), "{text}");
}

#[test]
fn a_log_is_split_at_several_places() {
    let parts = |log_text: &str, args: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let (path, out) = (folder.path().join("log.aof"), folder.path().join("out"));
        fs::write(&path, log(log_text)).unwrap();
        rewrite(&path, &out, args).success();
        let part = |n: usize| fs::read(out.join(format!("appendonly.aof.{n}.incr.aof"))).ok();
        (1..).map_while(part).collect::<Vec<_>>()
    };
    let check = |log_text: &str, args: &[&str], want: &[&str]| {
        let want: Vec<Vec<u8>> = want.iter().map(|part| log(part)).collect();
        assert_eq!(parts(log_text, args), want, "{args:?}");
    };
    // Each SET takes 27 bytes.
    let all = "SET a 1; SET b 1; SET c 1; SET d 1";
    let two: &[&str] = &["SET a 1", "SET b 1; SET c 1", "SET d 1"];
    check(all, &["--split-at-command", "2"], &["SET a 1", "SET b 1; SET c 1; SET d 1"]);
    check(all, &["--split-at-command", "4,2"], two);
    check(all, &["--split-at-command", "2", "--split-at-command", "4"], two);
    check(all, &["--split-at-offset", "27,81"], two);
    check(all, &["--split-at-offset", "27", "--split-at-command", "4"], two);
    // Nothing stands between two of them, or in front of the first.
    check(all, &["--split-at-offset", "0,20,27,80,81,999"], two);
    let log = "#TS:100; SET a 1; #TS:200; SET b 1; #TS:300; SET c 1";
    let two = ["#TS:100; SET a 1", "#TS:200; SET b 1", "#TS:300; SET c 1"];
    check(log, &["--split-at-time", "150,1970-01-01T00:05:00Z"], &two);
    // A transaction stays whole.
    let log = "SET a 1; MULTI; SET b 1; SET c 1; EXEC; SET d 1";
    let two = ["SET a 1; MULTI; SET b 1; SET c 1; EXEC", "SET d 1"];
    check(log, &["--split-at-command", "3,4"], &two);
}

#[test]
fn keys_and_commands_get_new_names() {
    check(
        "SET old:1 x; RENAME old:1 old:2; DEL other",
        &["--rename", "old:*=new:*"],
        "SET new:1 x; RENAME new:1 new:2; DEL other",
    );
    check("HIDDEN a 1", &["--rename-command", "hidden=SET"], "SET a 1");
}

#[test]
fn what_cannot_be_done_is_said() {
    refused("SET a 1; NOSUCH a", &["--key", "a"], "--on-unknown");
    check("SET b 1; NOSUCH a", &["--key", "a", "--on-unknown", "keep"], "NOSUCH a");
    refused("SET a 1", &["--drop", "multi"], "come and go");
    refused("SWAPDB 0 1", &["--db", "0"], "cannot be told");
    refused("SET a 1", &["--rename", "a*"], "old:*=new:*");
}

#[test]
fn what_is_cut_is_left_out_as_the_refusal_advises() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("in.aof"), folder.path().join("out.aof"));
    // Each SET takes 27 bytes, each MULTI 15.
    for (whole, cut, at) in
        [("SET a 1", "SET b 1", 27), ("SET a 1", "MULTI; SET b 1", 42), ("MULTI", "SET a 1", 15)]
    {
        let mut bytes = log(&format!("{whole}; {cut}"));
        bytes.truncate(bytes.len() - 3);
        fs::write(&path, bytes).unwrap();
        let done = rewrite(&path, &to, &[]).code(1);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(said.contains(&format!("--until-offset {at} ")), "{said}");
        rewrite(&path, &to, &["--until-offset", &at.to_string()]).success();
        let want = if whole == "MULTI" { log("SELECT 0") } else { log(whole) };
        assert_eq!(fs::read(&to).unwrap(), want, "{whole}; {cut}");
        fs::remove_file(&to).unwrap();
    }
}

#[test]
fn commands_over_keys_on_both_sides_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.aof");
    fs::write(&path, log("SUNIONSTORE u:1 t:1 t:2")).unwrap();
    let done = rewrite(&path, &folder.path().join("out"), &["--prefix", "u:"]).code(1);
    let said = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(said.contains("kept as a whole"), "{said}");
}

/// The rescue of the field: the log of a server without the command that emptied it.
#[test]
fn a_log_without_its_flushall_has_the_data_back() {
    for name in ["redis-6.2", "redis-7.0", "redis-8.0", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let server = Server::start(&kind, &["--appendonly", "yes", "--appendfsync", "always"]);
        for i in 0..50 {
            server.cmd(&["SET", &format!("key:{i}"), &i.to_string()]);
            server.cmd(&["RPUSH", "list", &i.to_string()]);
        }
        server.cmd(&["SELECT", "3"]);
        server.cmd(&["SADD", "set", "a", "b"]);
        let before = server.digest();
        assert_eq!(server.cmd(&["FLUSHALL"]), Value::Okay);
        server.cmd(&["SET", "after", "1"]);
        server.cmd(&["DEL", "after"]);
        let folder = server.kill();
        let dir = data_dir(&folder);
        let (from, to) = match kind.version.at_least(7, 0) {
            true => (dir.join("appendonlydir"), dir.join("rescued")),
            false => (dir.join("appendonly.aof"), dir.join("rescued.aof")),
        };
        rewrite(&from, &to, &["--drop", "FLUSHALL"]).success();
        let server = match to.is_dir() {
            true => Server::start_with_aof_dir(&kind, &to, &[]),
            false => Server::start_with_aof_file(&kind, &fs::read(&to).unwrap(), &[]),
        };
        assert_eq!(server.digest(), before, "{name}");
    }
}

/// Joined, split and in place: the same data in other files.
#[test]
fn other_files_hold_the_same_data() {
    for (name, fixture) in [
        ("redis-7.0", "redis-7.0.15-alltypes-aofdir-preamble"),
        ("redis-8.10", "redis-8.10.2-alltypes-aofdir"),
        ("valkey-9.1", "valkey-9.1.2-alltypes-aofdir"),
    ] {
        let Some(kind) = require(name) else { continue };
        let from = Path::new(ROOT).join("fixtures").join(fixture);
        let want = Server::start_with_aof_dir(&kind, &from, &[]).digest();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);

        rewrite(&from, &at("joined.aof"), &["--join"]).success();
        let joined = fs::read(at("joined.aof")).unwrap();
        assert_eq!(
            Server::start_with_aof_file(&kind, &joined, &[]).digest(),
            want,
            "{name} joined"
        );

        rewrite(&at("joined.aof"), &at("split"), &["--split", "10kb"]).success();
        let parts = fs::read_dir(at("split")).unwrap().count();
        assert!(parts > 2, "{parts}");
        let server = Server::start_with_aof_dir(&kind, &at("split"), &[]);
        assert_eq!(server.digest(), want, "{name} split");
        drop(server);
        if let Some(mut tool) = kind.program("check-aof") {
            let said = tool.arg(at("split").join("appendonly.aof.manifest")).output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
        }

        fs::create_dir(at("own")).unwrap();
        for part in fs::read_dir(&from).unwrap() {
            let part = part.unwrap();
            fs::copy(part.path(), at("own").join(part.file_name())).unwrap();
        }
        let mut call = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
        let call = call.args(["rewrite", "--in-place", "--drop", "nothing"]).arg(at("own"));
        // It is written all the same, and says that there was nothing to drop.
        call.assert().code(1);
        let server = Server::start_with_aof_dir(&kind, &at("own"), &[]);
        assert_eq!(server.digest(), want, "{name} in place");
        let backups = fs::read_dir(folder.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("own.bak-")
        });
        let backups: Vec<PathBuf> = backups.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(backups.len(), 1);
        drop(server);
        let server = Server::start_with_aof_dir(&kind, &backups[0], &[]);
        assert_eq!(server.digest(), want, "{name} backup");
    }
}

/// A filter goes through the snapshot in front of the log as well.
#[test]
fn keys_of_the_snapshot_are_filtered_and_renamed_too() {
    let Some(kind) = require("redis-7.0") else { return };
    let from = Path::new(ROOT).join("fixtures/redis-7.0.15-alltypes-aofdir-preamble");
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out");
    let rules = ["--prefix", "str:", "--prefix", "post:", "--rename", "str:*=renamed:*"];
    rewrite(&from, &to, &rules).success();
    let server = Server::start_with_aof_dir(&kind, &to, &["--sanitize-dump-payload", "yes"]);
    let all = Server::start_with_aof_dir(&kind, &from, &[]);
    let keys = |server: &Server| -> Vec<Vec<u8>> {
        let Value::Array(keys) = server.cmd(&["KEYS", "*"]) else { panic!() };
        let mut keys: Vec<Vec<u8>> = keys
            .into_iter()
            .map(|key| match key {
                Value::BulkString(key) => key,
                other => panic!("{other:?}"),
            })
            .collect();
        keys.sort();
        keys
    };
    let want: Vec<Vec<u8>> = keys(&all)
        .into_iter()
        .filter(|key| key.starts_with(b"str:") || key.starts_with(b"post:"))
        .collect();
    let mut new: Vec<Vec<u8>> = want
        .iter()
        .map(|key| match key.strip_prefix(b"str:") {
            Some(rest) => [b"renamed:", rest].concat(),
            None => key.clone(),
        })
        .collect();
    assert!(want.len() > 20);
    assert_eq!(server.digest_value(&new), all.digest_value(&want));
    new.sort();
    assert_eq!(keys(&server), new);
}

/// A log out of words; `#…` is an annotation.
fn log(commands: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for command in commands.split("; ").filter(|command| !command.is_empty()) {
        if command.starts_with('#') {
            out.extend_from_slice(format!("{command}\r\n").as_bytes());
            continue;
        }
        let words: Vec<&str> = command.split(' ').collect();
        rdbkit::resp::encode::command(&mut out, &words);
    }
    out
}

#[track_caller]
fn rewrite(from: &Path, to: &Path, args: &[&str]) -> assert_cmd::assert::Assert {
    let mut call = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    call.arg("rewrite").arg(from).arg("-o").arg(to).args(args).assert()
}

#[track_caller]
fn check(from: &str, args: &[&str], want: &str) {
    let mut call = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    let call = call.args(["rewrite", "-", "-o", "-", "--from", "aof"]).args(args);
    let done = call.write_stdin(log(from)).assert().success();
    let got = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert_eq!(got, String::from_utf8(log(want)).unwrap(), "{from} {args:?}");
}

#[track_caller]
fn refused(from: &str, args: &[&str], want: &str) {
    let mut call = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    let call = call.args(["rewrite", "-", "-o", "-"]).args(args);
    let done = call.write_stdin(log(from)).assert().code(2);
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains(want), "{said}");
}
