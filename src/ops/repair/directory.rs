//! Which files of a directory make up its log, where its manifest does not say.
//!
//! ```text
//! manifest whole              what it lists, as far as it is there
//! a line whose file is gone   the one file, not listed, that its number and type make, or that is
//!                             named so but for a byte
//! history too new             is loaded, as it was before its letter was damaged
//! lines that are refused      the files that they name; if they name none, all that are not listed
//! no manifest, an empty one   the files that are named as parts are: a base, and the increments
//!                             whose numbers are not below it
//! ```
//!
//! The danger is a base too new: with increments that are already in it, everything in them would
//! be done twice. Of several bases the oldest is taken from which the increments go on without a
//! gap, because that one and all of them give the whole, whichever is listed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::aof::directory::part_name;
use crate::aof::history::not_history;
use crate::aof::manifest::{self, Entry, ManifestRule};
use crate::aof::{self, Layout, Part, PartType};
use crate::bytes::{PathName as _, quoted};
use crate::error::{Error, Result};
use crate::ops::names::{bytes_of, os};
use crate::ops::rewrite::output::stem;
use crate::report::repair::Note;
use crate::report::text::size;
use crate::source::Form;

/// What will be written.
pub(super) struct Plan {
    pub(super) kind: &'static str,
    pub(super) folder: PathBuf,
    pub(super) manifest: Option<PathBuf>,
    pub(super) stem: Vec<u8>,
    pub(super) parts: Vec<PlannedPart>,
    /// A log of one file in a directory.
    pub(super) is_single: bool,
}

/// A part, and its line in the new manifest.
pub(super) struct PlannedPart {
    pub(super) path: PathBuf,
    pub(super) entry: Entry,
}

impl PlannedPart {
    /// For the progress of the whole.
    pub(super) fn as_part(&self, size_bytes: u64) -> Part {
        Part {
            path: self.path.clone(),
            name: self.entry.name.clone(),
            part_type: self.entry.part_type,
            seq: self.entry.seq,
            size_bytes: Some(size_bytes),
        }
    }
}

/// Finds out what makes up the log at `path`, a directory or a manifest.
pub(super) fn plan(path: &Path, form: Form, notes: &mut Vec<Note>) -> Result<Plan> {
    let survey = match form {
        Form::Manifest => aof::survey_manifest(path)?,
        _ => aof::survey(path)?,
    };
    let manifest = survey.manifest.clone();
    let folder = survey.parts.first().map(|part| &part.path).or(manifest.as_ref());
    let folder = folder.and_then(|path| path.parent()).filter(|path| !path.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let mut plan = Plan {
        kind: "AOF directory",
        folder,
        stem: stem(manifest.as_deref()),
        manifest,
        parts: Vec::new(),
        is_single: survey.layout == Layout::SingleFile,
    };
    let entries = match (&plan.manifest, survey.layout) {
        (Some(manifest), _) => complete(manifest, &plan.folder, &plan.stem, notes)?,
        (None, Layout::SingleFile) => {
            plan.kind = "AOF in a directory";
            let of = |part: &Part| Entry { seq: 1, ..entry(&part.name, 1, PartType::Base) };
            survey.parts.iter().map(of).collect()
        }
        (None, _) => {
            plan.kind = "AOF directory without its manifest";
            let files = list(&plan.folder)?;
            plan.stem = common_stem(&files)?;
            let entries = by_names(&files, &plan.stem, notes);
            notes.push(files_note(
                "no-manifest",
                format!(
                    "there was no manifest: {}.manifest lists {}",
                    String::from_utf8_lossy(&plan.stem),
                    names(&entries)
                ),
            ));
            entries
        }
    };
    for entry in entries {
        let path = plan.folder.join(os(&entry.name));
        if path.is_file() {
            plan.parts.push(PlannedPart { path, entry });
            continue;
        }
        let text = format!(
            "{} is missing; what follows it was kept, and builds on what is lost",
            quoted(&entry.name)
        );
        notes.push(Note { is_loss: true, ..files_note("missing-part", text) });
    }
    if plan.parts.is_empty() {
        return Err(Error::Source(format!("{} has no parts that could be saved", path.shown())));
    }
    Ok(plan)
}

/// The lines of a manifest, with those put right that a server refuses.
fn complete(path: &Path, folder: &Path, stem: &[u8], notes: &mut Vec<Note>) -> Result<Vec<Entry>> {
    let bytes = fs::read(path)
        .map_err(|cause| Error::io(format!("cannot read {}", path.shown()), cause))?;
    let (manifest, errors) = manifest::read(&bytes);
    let mut entries: Vec<Entry> = manifest.loaded().cloned().collect();
    let files = list(folder)?;
    let history: Vec<&[u8]> = manifest.history().map(|entry| entry.name.as_slice()).collect();
    find_missing(&mut entries, &history, &files, stem, notes);
    if errors.is_empty() {
        for lost in not_history(&manifest) {
            take_back(lost, &mut entries, notes);
        }
        for (name, ..) in unlisted(&files, &entries, &history, stem) {
            leave_out(folder, name, notes);
        }
        return Ok(entries);
    }
    if entries.is_empty() && history.is_empty() {
        let entries = by_names(&files, stem, notes);
        let text = format!("the manifest was of no use: it lists {} now", names(&entries));
        notes.push(files_note("manifest-rebuilt", text));
        return Ok(entries);
    }
    let unlisted = unlisted(&files, &entries, &history, stem);
    let has_base = entries.iter().any(|entry| entry.part_type == PartType::Base);
    let fits = |part_type: PartType| part_type == PartType::Incr || !has_base;
    for error in &errors {
        let line = error.line;
        let text = match error.rule {
            ManifestRule::Blank => format!("line {line} of the manifest was blank and is gone"),
            ManifestRule::SecondBase => {
                let named = unlisted.iter().find(|(name, ..)| holds(&error.text, name));
                let name =
                    named.map_or_else(String::new, |(name, ..)| format!(" ({})", quoted(name)));
                format!(
                    "line {line} of the manifest is a second base{name}, which was left out: the \
                     first one and all increments are the whole log"
                )
            }
            _ => {
                let named: Vec<_> =
                    unlisted.iter().filter(|(name, ..)| holds(&error.text, name)).collect();
                let is_named = !named.is_empty();
                let mut added = Vec::new();
                let all: Vec<_> = unlisted.iter().collect();
                for &&(name, seq, part_type) in if is_named { &named } else { &all } {
                    let new = !entries.iter().any(|entry| entry.name == name);
                    if new && fits(part_type) {
                        entries.push(entry(name, seq, part_type));
                        added.push(quoted(name).to_string());
                    }
                }
                let added = match added.as_slice() {
                    [] => "no file fits it".to_owned(),
                    names if is_named => format!("it names {}, which is listed", names.join(", ")),
                    names => format!("listed now, by their names: {}", names.join(", ")),
                };
                format!("line {line} of the manifest was not sound: {added}")
            }
        };
        notes.push(files_note(error.code(), text));
    }
    for (name, ..) in &unlisted {
        if !entries.iter().any(|entry| entry.name == *name)
            && !errors.iter().any(|error| holds(&error.text, name))
        {
            leave_out(folder, name, notes);
        }
    }
    in_order(&mut entries);
    Ok(entries)
}

/// The files that are named as parts of a log are, and that nothing lists.
fn unlisted<'f>(
    files: &'f [Vec<u8>],
    entries: &[Entry],
    history: &[&[u8]],
    stem: &[u8],
) -> Vec<(&'f [u8], i64, PartType)> {
    files
        .iter()
        .filter(|name| !entries.iter().any(|entry| entry.name == **name))
        .filter(|name| !history.contains(&name.as_slice()))
        .filter_map(|name| {
            let (of, seq, part_type) = part_name(name)?;
            (of == stem).then_some((name.as_slice(), seq, part_type))
        })
        .collect()
}

/// Says that a file was left out because it is not listed. A rewrite that ended early leaves empty
/// ones; any other may be what the list lacks.
fn leave_out(folder: &Path, name: &[u8], notes: &mut Vec<Note>) {
    let size_bytes = fs::metadata(folder.join(os(name))).map_or(0, |file| file.len());
    let text = match size_bytes {
        0 => format!("{} is empty and not listed, and was left out", quoted(name)),
        _ => format!(
            "{} ({}) is not listed, and was left out: a server does not load it, but it may be a \
             part that the manifest lacks; if so, list it there and repair again",
            quoted(name),
            size(size_bytes)
        ),
    };
    notes.push(Note { is_doubt: size_bytes > 0, ..files_note("unlisted-part", text) });
}

/// Loads what cannot be history.
fn take_back(lost: &Entry, entries: &mut Vec<Entry>, notes: &mut Vec<Note>) {
    let Some((_, _, part_type)) = part_name(&lost.name) else { return };
    let what = match part_type {
        PartType::Base => "although there is no other base: it is the base",
        _ => "although no increment is newer: it is one",
    };
    let text = format!("{} was listed as history (type h), {what}", quoted(&lost.name));
    notes.push(files_note("history-too-new", text));
    entries.push(Entry { part_type, ..lost.clone() });
    in_order(entries);
}

/// Finds the files of lines whose names are damaged.
fn find_missing(
    entries: &mut [Entry],
    history: &[&[u8]],
    files: &[Vec<u8>],
    stem: &[u8],
    notes: &mut Vec<Note>,
) {
    let mut listed: Vec<Vec<u8>> = entries.iter().map(|entry| entry.name.clone()).collect();
    for entry in entries.iter_mut().filter(|entry| !files.contains(&entry.name)) {
        let free = || {
            let is_free =
                |name: &&Vec<u8>| !listed.contains(name) && !history.contains(&name.as_slice());
            files.iter().filter(is_free)
        };
        let made = |name: &&Vec<u8>| part_name(name) == Some((stem, entry.seq, entry.part_type));
        let like = |name: &&Vec<u8>| {
            let differ = name.iter().zip(&entry.name).filter(|(a, b)| a != b).count();
            name.len() == entry.name.len() && differ == 1
        };
        let found = only(free().filter(made)).or_else(|| only(free().filter(like)));
        let Some(found) = found.cloned() else { continue };
        let text = format!(
            "{} is missing; {} has its number and its type, or all but a byte of its name, and was \
             taken for it",
            quoted(&entry.name),
            quoted(&found)
        );
        notes.push(files_note("renamed-part", text));
        listed.push(found.clone());
        entry.name = found;
    }
}

/// The one there is, if there is no other.
fn only<T>(mut several: impl Iterator<Item = T>) -> Option<T> {
    let first = several.next()?;
    several.next().is_none().then_some(first)
}

/// Base first, then increments by their numbers.
fn in_order(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| (entry.part_type != PartType::Base, entry.seq));
}

/// The parts that names alone make believe in.
fn by_names(files: &[Vec<u8>], stem: &[u8], notes: &mut Vec<Note>) -> Vec<Entry> {
    let mut bases: Vec<(i64, &[u8])> = Vec::new();
    let mut increments: Vec<(i64, &[u8])> = Vec::new();
    for name in files {
        match part_name(name) {
            Some((of, seq, PartType::Base)) if of == stem => bases.push((seq, name)),
            Some((of, seq, _)) if of == stem => increments.push((seq, name)),
            _ => {}
        }
    }
    bases.sort_unstable();
    increments.sort_unstable();
    increments.dedup_by_key(|(seq, _)| *seq);
    let gapless = |base: i64| {
        let behind = increments.iter().filter(|(seq, _)| *seq >= base);
        behind.zip(base..).all(|((seq, _), want)| *seq == want)
    };
    let several = bases.len() > 1;
    let base = match bases.as_slice() {
        [] => None,
        [only] => Some(*only),
        [.., newest] => bases.iter().find(|(seq, _)| gapless(*seq)).or(Some(newest)).copied(),
    };
    let from = base.map_or(i64::MIN, |(seq, _)| seq);
    let mut entries: Vec<Entry> =
        base.iter().map(|(seq, name)| entry(name, *seq, PartType::Base)).collect();
    for (seq, name) in &increments {
        if *seq >= from {
            entries.push(entry(name, *seq, PartType::Incr));
        } else {
            let text = format!("{} is older than the base, and was left out", quoted(name));
            notes.push(files_note("old-part", text));
        }
    }
    if several {
        let others = bases.iter().filter(|other| Some(**other) != base);
        let others: Vec<String> = others.map(|(_, name)| quoted(name).to_string()).collect();
        let text = format!(
            "of several bases, {} was left out: the increments do not begin with it",
            others.join(", ")
        );
        notes.push(files_note("several-bases", text));
    }
    entries
}

/// What the parts are named after.
fn common_stem(files: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut stems: Vec<&[u8]> = files.iter().filter_map(|name| Some(part_name(name)?.0)).collect();
    stems.sort_unstable();
    stems.dedup();
    match stems.as_slice() {
        [only] => Ok(only.to_vec()),
        several if several.contains(&&b"appendonly.aof"[..]) => Ok(b"appendonly.aof".to_vec()),
        several => {
            let names: Vec<String> = several.iter().map(|stem| quoted(stem).to_string()).collect();
            Err(Error::Usage(format!(
                "the parts of several logs lie there ({}), and no manifest says which is meant: \
                 move the others away",
                names.join(", ")
            )))
        }
    }
}

/// Whether a line of a manifest names a file.
fn holds(line: &[u8], name: &[u8]) -> bool {
    line.windows(name.len()).any(|window| window == name)
}

fn entry(name: &[u8], seq: i64, part_type: PartType) -> Entry {
    Entry { name: name.to_vec(), seq, part_type, start_offset: None, end_offset: None }
}

fn files_note(code: &'static str, text: String) -> Note {
    Note { code, text, ..Note::default() }
}

fn names(entries: &[Entry]) -> String {
    let names: Vec<String> = entries.iter().map(|entry| quoted(&entry.name).to_string()).collect();
    names.join(", ")
}

fn list(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let wrong = |cause| Error::io(format!("cannot list {}", folder.shown()), cause);
    let mut files = Vec::new();
    for file in fs::read_dir(folder).map_err(wrong)? {
        let file = file.map_err(wrong)?;
        if file.path().is_file() {
            files.push(bytes_of(&file.file_name()));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_oldest_that_the_increments_go_on_from() {
        check(&["b1", "i1", "i2"], &["b1", "i1", "i2"]);
        check(&["b2", "i2"], &["b2", "i2"]);
        check(&["b2", "i1", "i2"], &["b2", "i2"]);
        check(&["b1", "i1", "b2", "i2"], &["b1", "i1", "i2"]);
        check(&["b1", "b3", "i3", "i4"], &["b3", "i3", "i4"]);
        check(&["i3", "i4"], &["i3", "i4"]);
        check(&["b1"], &["b1"]);
        check(&["b2", "i9", "i5"], &["b2", "i5", "i9"]);
    }

    #[track_caller]
    fn check(files: &[&str], want: &[&str]) {
        let long = |short: &&str| -> Vec<u8> {
            let (kind, seq) = short.split_at(1);
            let kind = if kind == "b" { "base" } else { "incr" };
            format!("a.aof.{seq}.{kind}.aof").into_bytes()
        };
        let files: Vec<Vec<u8>> = files.iter().map(long).collect();
        let got: Vec<Vec<u8>> =
            by_names(&files, b"a.aof", &mut Vec::new()).into_iter().map(|e| e.name).collect();
        assert_eq!(got, want.iter().map(long).collect::<Vec<_>>());
    }
}
