//! What is there before and after, for each way in which an output can meet what exists.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{AtomicFile, DirectoryTarget, Publish};
use crate::error::Error;

const FORCE: Publish = Publish { force: true, in_place: false, sources: Vec::new() };

fn reading(source: &Path) -> Publish {
    Publish { sources: vec![source.to_owned()], ..Publish::default() }
}

fn in_place(source: &Path) -> Publish {
    Publish { in_place: true, ..reading(source) }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[track_caller]
fn refused(path: &Path, publish: &Publish, want: &str) {
    match AtomicFile::create(path, publish).map(drop).unwrap_err() {
        Error::Usage(sentence) => assert!(sentence.contains(want), "{sentence}"),
        other => panic!("{other}"),
    }
}

#[test]
fn nothing_is_there_before_commit_and_all_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = AtomicFile::create(&path, &Publish::default()).unwrap();
    file.put(b"new ").unwrap();
    file.write_all(&[b'x'; 1 << 20]).unwrap();
    assert!(!path.exists());
    let readable = file.readable().unwrap().unwrap();
    assert_eq!(fs::read(readable).unwrap().len(), (1 << 20) + 4);
    let published = file.commit().unwrap();
    assert_eq!((published.size_bytes, published.backup), ((1 << 20) + 4, None));
    assert_eq!(fs::metadata(&path).unwrap().len(), published.size_bytes);
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let path = none.join("out");
    let want = format!("cannot write {}: there is no directory {}", path.display(), none.display());
    refused(&path, &Publish::default(), &want);
    let directory = DirectoryTarget::create(&path, &Publish::default()).unwrap_err();
    assert_eq!(directory.to_string(), want);
}

/// A file system that takes no file at all says why, and not under which name it was tried.
#[cfg(target_os = "linux")]
#[test]
fn a_temporary_name_is_in_no_sentence() {
    let path = Path::new("/proc/self/out");
    let said = AtomicFile::create(path, &Publish::default()).map(drop).unwrap_err().to_string();
    assert!(said.contains("/proc/self/out") && !said.contains(".rdbkit-"), "{said}");
}

#[test]
fn dropped_it_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "old").unwrap();
    let mut file = AtomicFile::create(&path, &FORCE).unwrap();
    file.put(b"new").unwrap();
    drop(file);
    assert_eq!((names(folder.path()), text(&path)), (vec!["out".to_owned()], "old".to_owned()));
}

#[test]
fn what_exists_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "old").unwrap();
    refused(&path, &Publish::default(), "exists");
    refused(folder.path(), &FORCE, "is a directory");
    let mut file = AtomicFile::create(&path, &FORCE).unwrap();
    file.put(b"new").unwrap();
    assert_eq!(file.commit().unwrap().backup, None);
    assert_eq!((names(folder.path()), text(&path)), (vec!["out".to_owned()], "new".to_owned()));
}

#[test]
fn what_appears_meanwhile_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let file = AtomicFile::create(&path, &Publish::default()).unwrap();
    fs::write(&path, "theirs").unwrap();
    assert!(matches!(file.commit(), Err(Error::Usage(_))));
    assert_eq!((names(folder.path()), text(&path)), (vec!["out".to_owned()], "theirs".to_owned()));
}

#[cfg(unix)]
#[test]
fn a_source_is_known_under_every_name() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    fs::write(&source, "old").unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    fs::hard_link(&source, folder.path().join("hard")).unwrap();
    std::os::unix::fs::symlink("source", folder.path().join("soft")).unwrap();
    for name in ["source", "hard", "soft", "d/../source"] {
        let publish = Publish { force: true, ..reading(&source) };
        refused(&folder.path().join(name), &publish, "--in-place");
    }
    let gone = folder.path().join("nowhere");
    std::os::unix::fs::symlink("missing", &gone).unwrap();
    refused(&gone, &FORCE, "leads to nothing");
}

#[test]
fn in_place_keeps_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "old").unwrap();
    for round in 0..3 {
        let mut file = AtomicFile::create(&path, &in_place(&path)).unwrap();
        file.put(format!("new {round}").as_bytes()).unwrap();
        let backup = file.commit().unwrap().backup.expect("a backup");
        let before = if round == 0 { "old".to_owned() } else { format!("new {}", round - 1) };
        assert_eq!((text(&backup), text(&path)), (before, format!("new {round}")));
        assert!(backup.to_string_lossy().contains("log.bak-20"), "{}", backup.display());
    }
    assert_eq!(names(folder.path()).len(), 4);
}

#[test]
fn a_source_that_changes_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "old").unwrap();
    let file = AtomicFile::create(&path, &in_place(&path)).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b", more").unwrap();
    let error = file.commit().unwrap_err().to_string();
    assert!(error.contains("has changed"), "{error}");
    assert_eq!((names(folder.path()), text(&path)), (vec!["log".to_owned()], "old, more".into()));
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_mode_and_owner_are_kept() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root may give files away; for all others the owner is the same anyway.
    let given = chown(&real, Some(1234), Some(4321)).is_ok();
    symlink("real", &link).unwrap();
    let mut file = AtomicFile::create(&link, &FORCE).unwrap();
    file.put(b"new").unwrap();
    assert!(file.commit().unwrap().kept_owner);
    assert!(link.is_symlink());
    let metadata = fs::metadata(&real).unwrap();
    assert_eq!((text(&real).as_str(), metadata.mode() & 0o7777), ("new", 0o640));
    assert!(!given || (metadata.uid(), metadata.gid()) == (1234, 4321));
}

#[cfg(unix)]
#[test]
fn a_new_file_has_the_usual_mode_and_a_device_is_written_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (path, usual) = (folder.path().join("out"), folder.path().join("usual"));
    AtomicFile::create(&path, &Publish::default()).unwrap().commit().unwrap();
    fs::write(&usual, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&usual));

    let mut file = AtomicFile::create(Path::new("/dev/null"), &Publish::default()).unwrap();
    file.put(b"gone").unwrap();
    assert_eq!(file.commit().unwrap().size_bytes, 4);
}

#[test]
fn where_nothing_can_be_made_it_says_so() {
    let path = Path::new("/nonexistent/folder/out");
    let error = AtomicFile::create(path, &Publish::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot write /nonexistent/folder/out: "), "{error}");
    let error = DirectoryTarget::create(path, &Publish::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot write /nonexistent/folder/out: "), "{error}");
}

#[test]
fn a_new_directory_appears_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aof");
    for empty in [false, true] {
        if empty {
            fs::create_dir(&path).unwrap();
        }
        let mut target = DirectoryTarget::create(&path, &Publish::default()).unwrap();
        add(&mut target, "b", "base");
        add(&mut target, "i", "incr");
        assert_eq!(path.exists(), empty);
        assert!(target.part("b").is_err());
        let published = target.publish("m", b"file b\n", &[]).unwrap();
        let parts: Vec<_> = published.parts.iter().map(|part| part.size_bytes).collect();
        assert_eq!((parts, published.backup), (vec![4, 4], None));
        assert_eq!((names(&path), names(folder.path())), (list(&["b", "i", "m"]), list(&["aof"])));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let usual = folder.path().join("usual");
            fs::create_dir(&usual).unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&path), mode(&usual));
            fs::remove_dir(usual).unwrap();
        }
        fs::remove_dir_all(&path).unwrap();
    }
    let mut target = DirectoryTarget::create(&path, &Publish::default()).unwrap();
    add(&mut target, "b", "base");
    drop(target);
    assert_eq!(names(folder.path()), [""; 0]);
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_directory_is_replaced_part_by_part_and_the_manifest_last() {
    let (_folder, path) = old_directory();
    assert!(DirectoryTarget::create(&path, &Publish::default()).is_err());
    assert!(DirectoryTarget::create(&path.join("m"), &FORCE).is_err());
    let mut target = DirectoryTarget::create(&path, &FORCE).unwrap();
    assert!(target.is_taken("b1".as_ref()) && target.part("b1").is_err());
    add(&mut target, "b2", "new base");
    assert_eq!(names(&path), ["b1", "i1", "m", "other"]);
    let old: Vec<OsString> = vec!["b1".into(), "i1".into(), "not-there".into()];
    let published = target.publish("m", b"file b2\n", &old).unwrap();
    assert_eq!((published.backup, published.left), (None, Vec::<PathBuf>::new()));
    assert_eq!(names(&path), ["b2", "m", "other"]);
    assert_eq!(text(path.join("m")), "file b2\n");
}

#[test]
fn a_directory_in_place_keeps_a_backup() {
    let (folder, path) = old_directory();
    let refused = DirectoryTarget::create(&path, &Publish { force: true, ..reading(&path) });
    assert!(refused.unwrap_err().to_string().contains("--in-place"));
    let mut target = DirectoryTarget::create(&path, &in_place(&path)).unwrap();
    add(&mut target, "b2", "new base");
    let published = target.publish("m", b"file b2\n", &["b1".into()]).unwrap();
    let backup = published.backup.expect("a backup");
    assert_eq!(names(&backup), ["b1", "i1", "m", "other"]);
    assert_eq!(
        (text(backup.join("m")).as_str(), text(backup.join("b1")).as_str()),
        ("file b1\n", "base")
    );
    assert_eq!(names(&path), ["b2", "i1", "m", "other"]);
    // What stays may be written on, and the backup must not see that.
    fs::OpenOptions::new().append(true).open(path.join("i1")).unwrap().write_all(b"+").unwrap();
    assert_eq!(text(backup.join("i1")), "incr");
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn a_directory_that_changes_ends_it() {
    let (folder, path) = old_directory();
    let mut target = DirectoryTarget::create(&path, &in_place(&path)).unwrap();
    add(&mut target, "b2", "new base");
    fs::write(path.join("i1"), "more").unwrap();
    fs::write(path.join("i2"), "").unwrap();
    let error = target.publish("m", b"file b2\n", &["b1".into()]).unwrap_err().to_string();
    assert!(error.contains("has changed"), "{error}");
    assert_eq!(names(&path), ["b1", "i1", "i2", "m", "other"]);
    assert_eq!(names(folder.path()).len(), 1);
}

fn old_directory() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aof");
    fs::create_dir(&path).unwrap();
    for (name, text) in [("b1", "base"), ("i1", "incr"), ("m", "file b1\n"), ("other", "?")] {
        fs::write(path.join(name), text).unwrap();
    }
    (folder, path)
}

fn add(target: &mut DirectoryTarget, name: &str, text: &str) {
    let mut part = target.part(name).unwrap();
    part.put(text.as_bytes()).unwrap();
    assert_eq!(fs::read_to_string(part.readable().unwrap()).unwrap(), text);
    assert_eq!(target.add(part).unwrap(), text.len() as u64);
}
