//! The directory of a multi-part log: which of its files a server loads, and in which order.
//!
//! ```text
//! appendonlydir/
//!   appendonly.aof.manifest          says which of the others count
//!   appendonly.aof.2.base.rdb        loaded first
//!   appendonly.aof.2.incr.aof        loaded then, by the order of the manifest
//!   appendonly.aof.1.incr.aof        not listed: not loaded, and nobody says so
//! ```
//!
//! Names and sizes only: no log is read here. The danger is a directory without a manifest, which
//! a server takes for an empty one: it starts with nothing and overwrites the base.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::history::not_history;
use super::manifest::{self, Entry, Manifest, PartType};
use crate::bytes::{PathName as _, quoted};
use crate::error::{Error, Result};
use crate::finding::{Finding, Severity};

/// A manifest larger than this is none: servers keep a handful of lines.
const MANIFEST_MAX_BYTES: u64 = 64 << 20;

/// What servers call the directory unless told otherwise.
const DEFAULT_NAME: &str = "appendonlydir";

/// How the parts were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One file that is the whole log, as servers before 7.0 keep it.
    SingleFile,
    /// A directory with a manifest.
    MultiPart,
    /// The files of one without its manifest, in the order that their names suggest.
    NoManifest,
}

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name, as the manifest gives it.
    pub name: Vec<u8>,
    /// Its role; a log of one file is its own base.
    pub part_type: PartType,
    /// Its sequence number; 0 for a log of one file.
    pub seq: i64,
    /// How many bytes it has; `None` if it is missing.
    pub size_bytes: Option<u64>,
}

/// A log, as its files show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// How the parts were found.
    pub layout: Layout,
    /// The manifest, where there is one.
    pub manifest: Option<PathBuf>,
    /// The parts that a server loads, in its order.
    pub parts: Vec<Part>,
    /// The parts that the manifest keeps only until they are deleted.
    pub history: Vec<Part>,
    /// What is wrong with the manifest, missing, or left over.
    pub findings: Vec<Finding>,
}

/// Looks at what a path names: a directory, a manifest in one, or the file of a log.
pub fn survey(path: &Path) -> Result<Directory> {
    let kind = fs::metadata(path).map_err(|e| io("cannot look at", path, e))?;
    if kind.is_dir() {
        return survey_directory(path);
    }
    // A manifest is known by its content; its name only says how much of it to read.
    if kind.len() <= MANIFEST_MAX_BYTES && is_manifest(path, kind.len())? {
        return survey_manifest(path);
    }
    Ok(single(path, kind.len()))
}

/// The log of one file.
fn single(path: &Path, size_bytes: u64) -> Directory {
    let name = path.file_name().map(bytes_of).unwrap_or_default();
    let size_bytes = Some(size_bytes);
    let part = Part { path: path.to_owned(), name, part_type: PartType::Base, seq: 0, size_bytes };
    let (parts, history, findings) = (vec![part], Vec::new(), Vec::new());
    Directory { layout: Layout::SingleFile, manifest: None, parts, history, findings }
}

fn is_manifest(path: &Path, size_bytes: u64) -> Result<bool> {
    use std::io::Read;
    if size_bytes == 0 {
        // Nothing in it says what it is: an empty manifest is fatal, an empty log is not.
        return Ok(path.extension() == Some(OsStr::new("manifest")));
    }
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(|e| io("cannot open", path, e))?;
    file.take(64 << 10).read_to_end(&mut head).map_err(|e| io("cannot read", path, e))?;
    let broken = path.extension() == Some(OsStr::new("manifest")) && !head.starts_with(b"*");
    Ok(broken || manifest::looks_like_manifest(&head))
}

fn survey_directory(path: &Path) -> Result<Directory> {
    let files = list(path)?;
    let manifests: Vec<&File> = files.iter().filter(|f| is_manifest_name(&f.name)).collect();
    if let [only] = manifests.as_slice() {
        return survey_manifest(&path.join(os(&only.name)));
    }
    if let Some(default) = manifests.iter().find(|f| f.name == b"appendonly.aof.manifest") {
        let mut directory = survey_manifest(&path.join(os(&default.name)))?;
        let names: Vec<String> = manifests.iter().map(|f| quoted(&f.name).to_string()).collect();
        directory.findings.push(found(
            Severity::Warning,
            "several-manifests",
            path,
            "one manifest",
            names.join(", "),
            "reads the one that is named after appendfilename, here taken to be appendonly.aof",
            "name the manifest that is meant",
        ));
        return Ok(directory);
    }
    if !manifests.is_empty() {
        let names: Vec<String> = manifests.iter().map(|f| quoted(&f.name).to_string()).collect();
        let names = names.join(", ");
        let what = format!("{} holds several manifests ({names}): name one", path.shown());
        return Err(Error::Usage(what));
    }
    if let Some(directory) = without_manifest(path, &files) {
        return Ok(directory);
    }
    if let Some(file) = files.iter().find(|f| f.name == b"appendonly.aof") {
        return Ok(single(&path.join(os(&file.name)), file.size_bytes));
    }
    let mut logs = files.iter().filter(|f| f.name.ends_with(b".aof") && !is_temporary(&f.name));
    match (logs.next(), logs.next()) {
        (Some(file), None) => Ok(single(&path.join(os(&file.name)), file.size_bytes)),
        (Some(_), Some(_)) => {
            Err(Error::Usage(format!("{} holds several logs: name one", path.shown())))
        }
        // The working directory of a server, one above the one that is meant.
        (None, _) if path.join(DEFAULT_NAME).is_dir() => survey_directory(&path.join(DEFAULT_NAME)),
        (None, _) => {
            let hint = if files.iter().any(|f| f.name == b"dump.rdb") {
                "; it holds dump.rdb, which can be named itself"
            } else {
                ""
            };
            Err(Error::Usage(format!("{} holds no log and no manifest{hint}", path.shown())))
        }
    }
}

/// The files of a log whose manifest is gone, if there are any.
fn without_manifest(path: &Path, files: &[File]) -> Option<Directory> {
    let mut named: Vec<(PartType, i64, &File)> = files
        .iter()
        .filter_map(|file| {
            let (_, seq, part_type) = part_name(&file.name)?;
            Some((part_type, seq, file))
        })
        .collect();
    if named.is_empty() {
        return None;
    }
    named.sort_by_key(|(part_type, seq, _)| (*part_type != PartType::Base, *seq));
    // Of several bases the newest counts; the older ones are left over.
    let bases = named.iter().filter(|(t, ..)| *t == PartType::Base).count();
    let parts = named
        .into_iter()
        .skip(bases.saturating_sub(1))
        .map(|(part_type, seq, file)| Part {
            path: path.join(os(&file.name)),
            name: file.name.clone(),
            part_type,
            seq,
            size_bytes: Some(file.size_bytes),
        })
        .collect();
    let finding = found(
        Severity::Error,
        "no-manifest",
        path,
        "a manifest beside the parts of a log",
        "parts without one".to_owned(),
        "starts empty, without a word, and overwrites the base with an empty snapshot; what the increments hold comes back at the start after that",
        "do not start a server on this directory before it is copied: restore or rewrite the manifest first",
    );
    Some(Directory {
        layout: Layout::NoManifest,
        manifest: None,
        parts,
        history: Vec::new(),
        findings: vec![finding],
    })
}

/// Reads a file as a manifest, whatever it looks like.
pub fn survey_manifest(path: &Path) -> Result<Directory> {
    let bytes = fs::read(path).map_err(|e| io("cannot read", path, e))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (manifest, errors) = manifest::read(&bytes);
    let file = path.shown().to_string();
    let mut findings: Vec<Finding> =
        errors.iter().map(|error| Finding { file: file.clone(), ..error.finding() }).collect();
    let files = list(folder)?;
    let part = |entry: &Entry| Part {
        path: folder.join(os(&entry.name)),
        name: entry.name.clone(),
        part_type: entry.part_type,
        seq: entry.seq,
        size_bytes: files.iter().find(|f| f.name == entry.name).map(|f| f.size_bytes),
    };
    let parts: Vec<Part> = manifest.loaded().map(part).collect();
    let history: Vec<Part> = manifest.history().map(part).collect();
    for part in parts.iter().filter(|part| part.size_bytes.is_none()) {
        findings.push(found(
            Severity::Error,
            "missing-part",
            &part.path,
            "every part that the manifest lists",
            "no such file".to_owned(),
            "refuses to start",
            "restore the file; without it, what it held is lost",
        ));
    }
    for entry in not_history(&manifest) {
        let text = format!("{} as history (type h)", quoted(&entry.name));
        findings.push(found(
            Severity::Warning,
            "history-too-new",
            path,
            "as history only what a rewrite has put away",
            text,
            "does not load it, and deletes the file",
            "no server leaves such a line, its letter may be damaged: on a copy, rdbkit repair loads the file again",
        ));
    }
    if parts.is_empty() && errors.is_empty() {
        findings.push(found(
            Severity::Warning,
            "manifest-without-parts",
            path,
            "a base or an increment",
            "neither".to_owned(),
            "starts empty, or takes over a log of one file that lies beside the directory",
            "",
        ));
    }
    findings.extend(left_over(path, folder, &files, &manifest));
    Ok(Directory {
        layout: Layout::MultiPart,
        manifest: Some(path.to_owned()),
        parts,
        history,
        findings,
    })
}

/// Files that look as if they belonged to the log, but are not listed.
fn left_over(path: &Path, folder: &Path, files: &[File], manifest: &Manifest) -> Vec<Finding> {
    let own = path.file_name().map(bytes_of).unwrap_or_default();
    let own = own.strip_suffix(b".manifest").unwrap_or(&own);
    let others: Vec<&[u8]> = files
        .iter()
        .filter_map(|f| f.name.strip_suffix(b".manifest"))
        .filter(|stem| *stem != own)
        .collect();
    let mut findings = Vec::new();
    for file in files {
        let listed = manifest.entries.iter().find(|e| e.name == file.name);
        let at = folder.join(os(&file.name));
        if let Some(entry) = listed {
            if entry.part_type == PartType::History {
                findings.push(found(
                    Severity::Info,
                    "history-part",
                    &at,
                    "",
                    "a file that the manifest keeps as history".to_owned(),
                    "does not load it, and deletes it unless aof-disable-auto-gc is yes",
                    "",
                ));
            }
        } else if is_temporary(&file.name) {
            findings.push(found(
                Severity::Info,
                "temporary-file",
                &at,
                "",
                "a file that an unfinished rewrite left behind".to_owned(),
                "does not load it",
                "it can be deleted when no rewrite is under way",
            ));
        } else if let Some((stem, ..)) = part_name(&file.name).filter(|(s, ..)| !others.contains(s))
        {
            findings.push(found(
                Severity::Warning,
                "unlisted-part",
                &at,
                "every part in the manifest",
                format!("a part of {} that is not listed", quoted(stem)),
                "does not load it",
                "find out where it comes from before it is deleted: it may be the newest part",
            ));
        }
    }
    findings
}

fn found(
    severity: Severity,
    code: &'static str,
    file: &Path,
    expected: &str,
    found: String,
    server: &'static str,
    advice: &'static str,
) -> Finding {
    Finding {
        severity,
        code,
        file: file.shown().to_string(),
        offset: None,
        db: None,
        key: None,
        doing: "the files of the log".to_owned(),
        expected: expected.to_owned(),
        found,
        server,
        advice,
    }
}

struct File {
    name: Vec<u8>,
    size_bytes: u64,
}

/// The files of a directory by name; what is no file or link to one is left out.
fn list(path: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|e| io("cannot list", path, e))? {
        let entry = entry.map_err(|e| io("cannot list", path, e))?;
        if let Ok(data) = fs::metadata(entry.path())
            && data.is_file()
        {
            files.push(File { name: bytes_of(&entry.file_name()), size_bytes: data.len() });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

pub(super) fn is_manifest_name(name: &[u8]) -> bool {
    name.ends_with(b".manifest") && !name.starts_with(b"temp-")
}

fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(b"temp-").is_some_and(|rest| {
        rest.starts_with(b"rewriteaof-") || rest.ends_with(b".incr") || rest.ends_with(b".manifest")
    })
}

/// `<stem>.<seq>.base.rdb|aof` or `<stem>.<seq>.incr.aof`.
pub(crate) fn part_name(name: &[u8]) -> Option<(&[u8], i64, PartType)> {
    let (rest, part_type) = [
        (&b".base.rdb"[..], PartType::Base),
        (b".base.aof", PartType::Base),
        (b".incr.aof", PartType::Incr),
    ]
    .into_iter()
    .find_map(|(suffix, part_type)| Some((name.strip_suffix(suffix)?, part_type)))?;
    let dot = rest.iter().rposition(|&b| b == b'.')?;
    let (stem, seq) = (rest.get(..dot)?, rest.get(dot + 1..)?);
    let seq = std::str::from_utf8(seq).ok()?.parse().ok().filter(|&seq: &i64| seq > 0)?;
    Some((stem, seq, part_type))
}

#[cfg(unix)]
pub(super) fn bytes_of(name: &OsStr) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes().to_vec()
}

#[cfg(unix)]
pub(super) fn os(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(name))
}

#[cfg(not(unix))]
pub(super) fn bytes_of(name: &OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
pub(super) fn os(name: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(name).into_owned())
}

fn io(what: &str, path: &Path, cause: std::io::Error) -> Error {
    Error::io(format!("{what} {}", path.shown()), cause)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Layout, survey};

    const MANIFEST: &str = "file a.aof.1.base.rdb seq 1 type b\nfile a.aof.1.incr.aof seq 1 type h\nfile a.aof.2.incr.aof seq 2 type i\nfile a.aof.3.incr.aof seq 3 type i\n";
    const PARTS: [&str; 3] = ["a.aof.1.base.rdb", "a.aof.2.incr.aof", "a.aof.3.incr.aof"];

    #[test]
    fn parts_come_in_the_order_of_the_server() {
        check(&[("a.aof.manifest", MANIFEST), PART1, PART2, PART3], Layout::MultiPart, &PARTS, &[]);
        let late = "file i seq 5 type i\nfile b seq 1 type b\n";
        check(&[("x.manifest", late), ("i", ""), ("b", "")], Layout::MultiPart, &["b", "i"], &[]);
    }

    #[test]
    fn missing_parts_are_found() {
        check(
            &[("a.aof.manifest", MANIFEST), PART1, PART3],
            Layout::MultiPart,
            &PARTS,
            &["missing-part"],
        );
    }

    #[test]
    fn what_is_left_over_is_named() {
        let left = [
            ("a.aof.manifest", MANIFEST),
            PART1,
            PART2,
            PART3,
            ("a.aof.1.incr.aof", ""),
            ("a.aof.4.incr.aof", ""),
            ("other.7.base.aof", ""),
            ("temp-rewriteaof-bg-17.aof", ""),
            ("notes.txt", ""),
        ];
        let codes = ["history-part", "unlisted-part", "unlisted-part", "temporary-file"];
        check(&left, Layout::MultiPart, &PARTS, &codes);
    }

    #[test]
    fn without_a_manifest_names_decide_and_it_is_an_error() {
        check(
            &[PART3, PART2, PART1, ("a.aof.0.base.aof", ""), ("a.aof.10.incr.aof", "")],
            Layout::NoManifest,
            &["a.aof.1.base.rdb", "a.aof.2.incr.aof", "a.aof.3.incr.aof", "a.aof.10.incr.aof"],
            &["no-manifest"],
        );
    }

    #[test]
    fn a_manifest_that_is_refused_still_shows_its_parts() {
        let text = format!("{MANIFEST}\n");
        check(
            &[("a.aof.manifest", &text), PART1, PART2, PART3],
            Layout::MultiPart,
            &PARTS,
            &["manifest-blank-line"],
        );
        check(&[("a.aof.manifest", "")], Layout::MultiPart, &[], &["manifest-empty"]);
    }

    #[test]
    fn of_several_manifests_the_default_name_wins() {
        let own = "file b seq 1 type b\n";
        check(
            &[("appendonly.aof.manifest", own), ("z.manifest", own), ("b", "")],
            Layout::MultiPart,
            &["b"],
            &["several-manifests"],
        );
        let folder = folder(&[("y.manifest", own), ("z.manifest", own)]);
        assert!(survey(folder.path()).is_err());
    }

    #[test]
    fn a_log_of_one_file_is_found_by_its_directory_or_itself() {
        check(
            &[("appendonly.aof", "*"), ("dump.rdb", "")],
            Layout::SingleFile,
            &["appendonly.aof"],
            &[],
        );
        check(&[("mine.aof", "*")], Layout::SingleFile, &["mine.aof"], &[]);
        let folder = folder(&[("x", "*1\r\n"), ("y", "file b seq 1 type b\n"), ("b", "")]);
        let layout = |name: &str| survey(&folder.path().join(name)).unwrap().layout;
        assert_eq!(layout("x"), Layout::SingleFile);
        assert_eq!(layout("y"), Layout::MultiPart);
        assert!(survey(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn the_working_directory_of_a_server_leads_to_its_log() {
        let folder = folder(&[("dump.rdb", "")]);
        let inner = folder.path().join("appendonlydir");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("x.manifest"), "file b seq 1 type b\n").unwrap();
        assert_eq!(survey(folder.path()).unwrap().parts[0].path, inner.join("b"));
    }

    #[test]
    fn a_directory_without_a_log_is_no_source() {
        assert!(survey(folder(&[("dump.rdb", "")]).path()).is_err());
        assert!(survey(folder(&[("a.aof", ""), ("b.aof", "")]).path()).is_err());
    }

    const PART1: (&str, &str) = ("a.aof.1.base.rdb", "REDIS");
    const PART2: (&str, &str) = ("a.aof.2.incr.aof", "*");
    const PART3: (&str, &str) = ("a.aof.3.incr.aof", "");

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], layout: Layout, parts: &[&str], codes: &[&str]) {
        let folder = folder(files);
        let got = survey(folder.path()).expect("a log");
        assert_eq!(got.layout, layout);
        let names: Vec<_> = got.parts.iter().map(|p| String::from_utf8_lossy(&p.name)).collect();
        assert_eq!(names, parts);
        let mut found: Vec<_> = got.findings.iter().map(|f| f.code).collect();
        let mut codes = codes.to_vec();
        found.sort_unstable();
        codes.sort_unstable();
        assert_eq!(found, codes);
    }
}
