//! Logs that grow, go and come back.

use std::io::Write as _;

use super::*;

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nq\r\n$1\r\nv\r\n";

/// What a poll hands out, in one line.
fn polled(follower: &mut Follower) -> String {
    let mut told = Vec::new();
    let each = &mut |new: New<'_>| match new {
        New::Command(command) => told.push(String::from_utf8_lossy(command.name()).into()),
        New::Skipped(0) => {}
        New::Skipped(n) => told.push(format!("skipped {n}")),
        New::Rotated(to) => told.push(to.file_name().unwrap().to_string_lossy().into()),
        New::Rewritten => told.push("rewritten".to_owned()),
        New::Gone(_) => told.push("gone".to_owned()),
        New::Back(_) => told.push("back".to_owned()),
        New::Cut(_, from, to) => told.push(format!("cut {from} {to}")),
    };
    follower.poll(each).unwrap();
    told.join(" ")
}

fn append(path: &Path, bytes: &[u8]) {
    let file = File::options().append(true).create(true).open(path);
    file.unwrap().write_all(bytes).unwrap();
}

#[test]
fn half_a_command_waits_for_its_other_half() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    append(&path, SET);
    let mut follower = Follower::open(&path).unwrap();
    assert_eq!(polled(&mut follower), "");
    append(&path, SET.get(..9).unwrap());
    assert_eq!(polled(&mut follower), "");
    append(&path, SET.get(9..).unwrap());
    append(&path, SET);
    assert_eq!(polled(&mut follower), "SET SET");
    append(&path, &[b"junk\r\n", SET].concat());
    assert_eq!(polled(&mut follower), "skipped 6 SET");
    assert_eq!(follower.offset(), std::fs::metadata(&path).unwrap().len());
}

#[test]
fn a_start_in_the_middle_of_a_command_finds_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    append(&path, SET.get(..11).unwrap());
    let mut follower = Follower::open(&path).unwrap();
    append(&path, &[SET.get(11..).unwrap(), SET].concat());
    assert_eq!(polled(&mut follower), format!("skipped {} SET", SET.len() - 11));
}

#[test]
fn a_rewrite_takes_the_name_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    append(&path, SET);
    let mut follower = Follower::open(&path).unwrap();
    append(&path, SET);
    let other = folder.path().join("temp-rewriteaof.aof");
    append(&other, &[SET, SET].concat());
    std::fs::rename(&other, &path).unwrap();
    assert_eq!(polled(&mut follower), "SET rewritten");
    append(&path, SET);
    assert_eq!(polled(&mut follower), "SET");
    let sizes = follower.sizes();
    let size = SET.len() as u64;
    assert_eq!(sizes, Sizes { total_bytes: 3 * size, base_bytes: Some(2 * size) });
}

const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

/// What a server writes between the end of a rewrite and the look that notices it.
#[test]
fn nothing_is_missed_while_a_log_is_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    append(&path, &[SELECT, SET].concat());
    let mut follower = Follower::open(&path).unwrap();
    for _ in 0..2 {
        append(&path, SET);
        // A rewrite begins.
        append(&path, &[SELECT, SET, SET].concat());
        let other = folder.path().join("temp-rewriteaof.aof");
        append(&other, &[SELECT, SET, SELECT, SET, SET].concat());
        std::fs::rename(&other, &path).unwrap();
        append(&path, &[SELECT, SET, SET, SET].concat());
        let want = "SET SELECT SET SET rewritten SELECT SET SET SET";
        assert_eq!(polled(&mut follower), want);
        assert_eq!(follower.offset(), std::fs::metadata(&path).unwrap().len());
    }
}

#[test]
fn a_log_that_is_gone_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    append(&path, SET);
    let mut follower = Follower::open(&path).unwrap();
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    // What a server still writes into it is read.
    append(&aside, SET);
    assert_eq!(polled(&mut follower), "SET");
    assert!(!follower.is_gone());
    assert_eq!(polled(&mut follower), "gone");
    assert!(follower.is_gone());
    assert_eq!(polled(&mut follower), "");
    std::fs::rename(&aside, &path).unwrap();
    append(&path, SET);
    assert_eq!(polled(&mut follower), "SET back");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(polled(&mut follower) + &polled(&mut follower), "gone");
    append(&path, SET);
    assert_eq!(polled(&mut follower), "back");
    append(&path, SET);
    assert_eq!(polled(&mut follower), "SET");
}

#[test]
fn a_log_that_is_cut_is_read_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    append(&path, &[SET, SET].concat());
    let mut follower = Follower::open(&path).unwrap();
    let (size, all) = (SET.len() as u64, 2 * SET.len() as u64);
    File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
    assert_eq!(polled(&mut follower), format!("cut {all} {size}"));
    append(&path, SET);
    assert_eq!(polled(&mut follower), "SET");
    assert_eq!(follower.sizes().total_bytes, all);
}

#[test]
fn a_directory_that_is_gone_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("appendonlydir");
    let aside = folder.path().join("aside");
    std::fs::create_dir(&log).unwrap();
    append(&log.join("a.1.incr.aof"), SET);
    append(&log.join("a.manifest"), b"file a.1.incr.aof seq 1 type i\n");
    let mut follower = Follower::open(&log).unwrap();
    std::fs::rename(&log, &aside).unwrap();
    assert_eq!(polled(&mut follower) + &polled(&mut follower), "gone");
    std::fs::rename(&aside, &log).unwrap();
    append(&log.join("a.1.incr.aof"), SET);
    assert_eq!(polled(&mut follower), "SET back");
    // A part goes, and the manifest stays.
    std::fs::remove_file(log.join("a.1.incr.aof")).unwrap();
    assert_eq!(polled(&mut follower) + &polled(&mut follower), "gone");
    append(&log.join("a.1.incr.aof"), SET);
    assert_eq!(polled(&mut follower), "back");
}

#[test]
fn a_log_of_parts_goes_on_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let manifest = |lines: &str| {
        std::fs::write(at("new"), lines).unwrap();
        std::fs::rename(at("new"), at("a.manifest")).unwrap();
    };
    append(&at("a.1.base.aof"), &[SET, SET].concat());
    append(&at("a.1.incr.aof"), SET);
    let first = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
    manifest(first);
    let mut follower = Follower::open(folder.path()).unwrap();
    append(&at("a.1.incr.aof"), SET);
    assert_eq!(polled(&mut follower), "SET");
    append(&at("a.1.incr.aof"), SET);
    append(&at("a.2.incr.aof"), SET);
    manifest(&format!("{first}file a.2.incr.aof seq 2 type i\n"));
    assert_eq!(polled(&mut follower), "SET a.2.incr.aof SET");
    // The rewrite is done, and what it replaced is gone.
    append(&at("a.2.base.aof"), SET);
    manifest("file a.2.base.aof seq 2 type b\nfile a.2.incr.aof seq 2 type i\n");
    std::fs::remove_file(at("a.1.incr.aof")).unwrap();
    std::fs::remove_file(at("a.1.base.aof")).unwrap();
    append(&at("a.2.incr.aof"), SET);
    assert_eq!(polled(&mut follower), "SET");
    let size = SET.len() as u64;
    let want = Sizes { total_bytes: 3 * size, base_bytes: Some(size) };
    assert_eq!(follower.sizes(), want);
}
