//! Whatever ends the writing, the output is the old one or the new one: kills at any moment, a
//! limit on the size of files.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdbkit::resp::encode;

/// A log of so many commands.
fn log(commands: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for i in 0..commands {
        encode::command(&mut out, ["SET", &format!("key:{i}"), &"x".repeat(100)]);
        encode::command(&mut out, ["DEL", "gone"]);
    }
    out
}

fn rdbkit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Delays over the time that a whole run takes, some of them at its end.
fn delays(whole: Duration) -> impl Iterator<Item = Duration> {
    (0..60_u32).map(move |i| match i % 3 {
        0 => whole * i / 60,
        _ => whole * (80 + i % 30) / 100,
    })
}

#[test]
fn a_file_is_the_old_one_or_the_new_one_whenever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.aof"), folder.path().join("out.aof"));
    let (new, old) = (log(20_000), log(3));
    fs::write(&from, &new).unwrap();
    let call = || {
        let mut command = rdbkit();
        command.args(["rewrite", "--force", "--drop", "del"]).arg(&from).arg("-o").arg(&to);
        command
    };
    fs::write(&to, &old).unwrap();
    let began = Instant::now();
    assert!(call().status().unwrap().success());
    let (whole, new) = (began.elapsed(), fs::read(&to).unwrap());

    let (mut olds, mut news) = (0, 0);
    for (round, delay) in delays(whole).enumerate() {
        fs::write(&to, &old).unwrap();
        let mut child = call().spawn().unwrap();
        sleep(delay);
        if round % 2 == 0 {
            child.kill().unwrap();
        } else {
            let id = rustix::process::Pid::from_child(&child);
            // It may have ended already.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
        }
        child.wait().unwrap();
        match fs::read(&to).unwrap() {
            bytes if bytes == old => olds += 1,
            bytes if bytes == new => news += 1,
            bytes => panic!("{} bytes after {delay:?}", bytes.len()),
        }
    }
    assert!(olds > 5, "{olds} old, {news} new");
    // What is unnamed vanishes; only between link and rename a name could stay.
    let left = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name != "in.aof" && name != "out.aof").collect();
    let is_ours = |name: &std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.starts_with(".out.aof.rdbkit-"))
    };
    assert!(left.len() <= 3 && left.iter().all(is_ours), "{left:?}");
}

#[test]
fn a_directory_is_the_old_one_or_the_new_one_whenever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.aof"), folder.path().join("out"));
    fs::write(&from, log(20_000)).unwrap();
    let call = |force: &[&str]| {
        let mut command = rdbkit();
        command.args(["rewrite", "--split", "500kb"]).args(force).arg(&from).arg("-o").arg(&to);
        command
    };
    let began = Instant::now();
    assert!(call(&[]).status().unwrap().success());
    let whole = began.elapsed();
    let bytes = listed(&to);
    for delay in delays(whole).step_by(4) {
        fs::remove_dir_all(&to).unwrap();
        let mut child = call(&[]).spawn().unwrap();
        sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        // All or nothing.
        if to.exists() {
            assert_eq!(listed(&to), bytes, "after {delay:?}");
        } else {
            assert!(call(&[]).status().unwrap().success());
        }
        // And over one that is there.
        let mut child = call(&["--force"]).spawn().unwrap();
        sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(listed(&to), bytes, "over another after {delay:?}");
    }
}

/// A compaction in place: the directory is the old one or the new one, and leads to the same keys.
#[test]
fn a_compaction_leaves_the_same_keys_whenever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (from, work) = (folder.path().join("in.aof"), folder.path().join("log"));
    fs::write(&from, log(20_000)).unwrap();
    let made =
        rdbkit().args(["rewrite", "--split", "500kb"]).arg(&from).arg("-o").arg(&work).status();
    assert!(made.unwrap().success());
    let bytes = listed(&work);
    let digest = |path: &Path| {
        let done = rdbkit().stdout(Stdio::piped()).arg("digest").arg(path).output().unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout).unwrap()[..40].to_owned()
    };
    let want = digest(&work);
    let call = || {
        let mut command = rdbkit();
        // Nothing in this log says which server wrote it.
        command.args(["compact", "--in-place", "--target", "redis:8.0"]).arg(&work);
        command
    };
    let keep = folder.path().join("keep");
    copy(&work, &keep);
    let began = Instant::now();
    assert!(call().status().unwrap().success());
    let whole = began.elapsed();
    let (mut olds, mut news) = (0, 0);
    for delay in delays(whole).step_by(2) {
        fs::remove_dir_all(&work).unwrap();
        copy(&keep, &work);
        let mut child = call().spawn().unwrap();
        sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        if listed(&work) == bytes {
            olds += 1;
        } else {
            news += 1;
        }
        assert_eq!(digest(&work), want, "after {delay:?}");
    }
    assert!(olds > 2, "{olds} old, {news} new");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The bytes of the parts that the manifest of a directory lists.
fn listed(path: &Path) -> usize {
    let manifest = fs::read_to_string(path.join("appendonly.aof.manifest")).unwrap();
    let names = manifest.lines().map(|line| line.split(' ').nth(1).unwrap());
    names.map(|name| fs::read(path.join(name)).unwrap().len()).sum()
}

#[test]
fn a_limit_on_what_standard_output_goes_to_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.aof"), folder.path().join("out"));
    fs::write(&from, log(20_000)).unwrap();
    let done = Command::new("sh")
        .args(["-c", "ulimit -f 100; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_rdbkit")])
        .args(["compact", "--to", "aof", "-o", "-"])
        .arg(&from)
        .stdout(fs::File::create(&to).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("File too large"), "{said}");
}

#[test]
fn a_limit_on_file_sizes_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.aof"), folder.path().join("out.aof"));
    fs::write(&from, log(20_000)).unwrap();
    fs::write(&to, "old").unwrap();
    let script = "ulimit -f 100; exec \"$0\" \"$@\"";
    for verb in [
        &["rewrite", "--drop", "nothing"][..],
        &["repair"],
        &["rewrite", "--split", "1gb"],
        &["compact", "--to", "rdb"],
        &["compact", "--to", "aof"],
        &["compact", "--to", "aof-dir"],
        &["export", "--to", "ndjson"],
    ] {
        let is_directory = verb.contains(&"--split") || verb.contains(&"aof-dir");
        let out = if is_directory { folder.path().join("dir") } else { to.clone() };
        let done = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_rdbkit")])
            .args(verb)
            .arg("--force")
            .arg(&from)
            .arg("-o")
            .arg(&out)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{verb:?}: {said}");
        assert!(
            said.starts_with("rdbkit: cannot write ") && said.contains("File too large"),
            "{said}"
        );
        assert_eq!(said.matches(out.to_str().unwrap()).count(), 1, "{said}");
        assert_eq!(fs::read(&to).unwrap(), b"old", "{verb:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{verb:?}");
    }
}

/// A small file system that fills up, where this user may make one.
#[test]
fn a_full_disk_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("in.aof");
    fs::write(&from, log(20_000)).unwrap();
    let script = "mkdir \"$1/disk\" && mount -t tmpfs -o size=1m none \"$1/disk\" || exit 77
        printf old > \"$1/disk/out.aof\"
        \"$0\" repair --force \"$1/in.aof\" -o \"$1/disk/out.aof\"
        echo \"status $?\"; cat \"$1/disk/out.aof\"; ls -A \"$1/disk\"; umount \"$1/disk\"";
    let done = Command::new("unshare")
        .args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_rdbkit")])
        .arg(folder.path())
        .output();
    let Ok(done) = done else { return };
    let (out, said) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if !out.contains("status") {
        // No such rights here.
        return;
    }
    assert!(said.contains("cannot write") && said.contains("No space left"), "{said}");
    assert!(out.ends_with("status 2\noldout.aof\n"), "{out}");
}
