//! Where a rewritten log goes: one file, the parts of a directory, or nowhere.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::aof::manifest::{Entry, Manifest};
use crate::aof::{self, PartType};
use crate::bytes::PathName as _;
use crate::error::Result;
use crate::ops::names::{bytes_of, os};
use crate::report::rewrite::{FileReport, RewriteReport};
use crate::target::{AtomicFile, DirectoryTarget, Part, Publish};

/// An output under way.
pub(in crate::ops) enum Output {
    /// Nothing is written, all is counted.
    Nothing { files: Vec<FileReport>, names: Option<Names> },
    /// One file.
    File(AtomicFile),
    /// A directory.
    Directory(Box<Directory>),
}

pub(in crate::ops) struct Directory {
    target: DirectoryTarget,
    part: Option<Part>,
    names: Names,
    /// Files that go when the new ones are there.
    old: Vec<OsString>,
}

impl Output {
    pub(in crate::ops) fn nothing() -> Self {
        Output::Nothing { files: Vec::new(), names: None }
    }

    /// Nothing either, but counted part by part, under the names that they would have.
    pub(in crate::ops) fn parts_of_nothing(path: &Path, stem: &[u8]) -> Self {
        let there = std::fs::read_dir(path).into_iter().flatten().flatten();
        let taken = there.map(|file| file.file_name()).collect();
        Output::Nothing { files: Vec::new(), names: Some(Names { taken, ..Names::new(stem) }) }
    }

    pub(in crate::ops) fn file(path: &Path, publish: &Publish) -> Result<Self> {
        Ok(Output::File(AtomicFile::create(path, publish)?))
    }

    /// `stem` is what the files are named after: `appendonly.aof`.
    pub(in crate::ops) fn directory(path: &Path, stem: &[u8], publish: &Publish) -> Result<Self> {
        let target = DirectoryTarget::create(path, publish)?;
        // Of what is there, the parts of the log go; other files are left alone.
        let mut old: Vec<OsString> = Vec::new();
        if target.existing().next().is_some()
            && let Ok(there) = aof::survey(path)
        {
            old.extend(there.parts.iter().chain(&there.history).map(|part| os(&part.name)));
            old.extend(there.manifest.and_then(|path| path.file_name().map(OsStr::to_owned)));
        }
        let taken = target.existing().map(OsStr::to_owned).collect();
        let names = Names { taken, ..Names::new(stem) };
        Ok(Output::Directory(Box::new(Directory { target, part: None, names, old })))
    }

    /// Begins a part, where there are parts. `like` is the part of the source that it comes from,
    /// whose name it gets if that is free.
    pub(in crate::ops) fn begin_part(
        &mut self,
        part_type: PartType,
        is_snapshot: bool,
        like: Option<&Entry>,
    ) -> Result<()> {
        match self {
            Output::Nothing { files, names } => {
                let name = names.as_mut().map(|names| names.next(part_type, is_snapshot, like));
                let name = name.unwrap_or_default().shown().to_string();
                files.push(FileReport { name, size_bytes: 0 });
                Ok(())
            }
            Output::File(_) => Ok(()),
            Output::Directory(directory) => {
                directory.end_part()?;
                directory.begin_part(part_type, is_snapshot, like)
            }
        }
    }

    pub(in crate::ops) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Output::Nothing { files, names } => {
                if files.is_empty() {
                    let name = names.as_mut().map(|names| names.next(PartType::Incr, false, None));
                    let name = name.unwrap_or_default().shown().to_string();
                    files.push(FileReport { name, size_bytes: 0 });
                }
                if let Some(file) = files.last_mut() {
                    file.size_bytes += bytes.len() as u64;
                }
                Ok(())
            }
            Output::File(file) => file.put(bytes),
            Output::Directory(directory) => match &mut directory.part {
                Some(part) => part.put(bytes),
                None => {
                    directory.begin_part(PartType::Incr, false, None)?;
                    directory.part.as_mut().map_or(Ok(()), |part| part.put(bytes))
                }
            },
        }
    }

    /// The size of the part under way, or of the file.
    pub(in crate::ops) fn part_bytes(&self) -> u64 {
        match self {
            Output::Nothing { files, .. } => files.last().map_or(0, |file| file.size_bytes),
            Output::File(file) => file.size_bytes(),
            Output::Directory(directory) => directory.part.as_ref().map_or(0, Part::size_bytes),
        }
    }

    /// Publishes what was written, and tells the report.
    pub(in crate::ops) fn publish(self, report: &mut RewriteReport) -> Result<()> {
        match self {
            Output::Nothing { files, .. } => report.files = files,
            Output::File(mut file) => {
                if file.size_bytes() == 0 {
                    file.put(aof::write::NOTHING)?;
                }
                let published = file.commit()?;
                let name = published.path.shown().to_string();
                report.output = Some(name.clone());
                report.files = vec![FileReport { name, size_bytes: published.size_bytes }];
                report.backup = published.backup.map(|path| path.shown().to_string());
            }
            Output::Directory(mut directory) => {
                directory.end_part()?;
                let Directory { target, names, old, .. } = *directory;
                let Names { manifest, stem, .. } = names;
                let name = os(&[&stem[..], b".manifest"].concat());
                let published = target.publish(name, manifest.to_string().as_bytes(), &old)?;
                report.output = Some(published.path.shown().to_string());
                report.files = published
                    .parts
                    .iter()
                    .map(|part| FileReport {
                        name: part.name.shown().to_string(),
                        size_bytes: part.size_bytes,
                    })
                    .collect();
                report.backup = published.backup.map(|path| path.shown().to_string());
            }
        }
        Ok(())
    }
}

impl Directory {
    fn begin_part(
        &mut self,
        part_type: PartType,
        is_snapshot: bool,
        like: Option<&Entry>,
    ) -> Result<()> {
        let name = self.names.next(part_type, is_snapshot, like);
        self.part = Some(self.target.part(name)?);
        Ok(())
    }

    fn end_part(&mut self) -> Result<()> {
        match self.part.take() {
            Some(part) => self.target.add(part).map(drop),
            None => Ok(()),
        }
    }
}

/// The parts of a directory, and what they are called.
pub(in crate::ops) struct Names {
    manifest: Manifest,
    /// Of the manifest, without `.manifest`.
    stem: Vec<u8>,
    /// What is there already.
    taken: BTreeSet<OsString>,
}

impl Names {
    fn new(stem: &[u8]) -> Self {
        let (manifest, taken) = (Manifest::default(), BTreeSet::new());
        Names { manifest, stem: stem.to_vec(), taken }
    }

    /// The name of the next part: that of the part which it comes from, if that is free.
    fn next(&mut self, part_type: PartType, is_snapshot: bool, like: Option<&Entry>) -> OsString {
        let last = self.manifest.entries.iter().filter(|e| e.part_type == part_type);
        let last = last.map(|entry| entry.seq).max().unwrap_or(0);
        let free = |entry: &&Entry| entry.seq > last && !self.taken.contains(&os(&entry.name));
        let entry = match like.filter(free) {
            Some(entry) => Entry { part_type, ..entry.clone() },
            None => {
                let end = match (part_type, is_snapshot) {
                    (PartType::Base, true) => "base.rdb",
                    (PartType::Base, false) => "base.aof",
                    _ => "incr.aof",
                };
                let mut seq = last.max(like.map_or(0, |entry| entry.seq));
                loop {
                    seq += 1;
                    let name = [&self.stem, format!(".{seq}.{end}").as_bytes()].concat();
                    if !self.taken.contains(&os(&name)) {
                        let (start_offset, end_offset) = (None, None);
                        break Entry { name, seq, part_type, start_offset, end_offset };
                    }
                }
            }
        };
        let name = os(&entry.name);
        self.taken.insert(name.clone());
        self.manifest.entries.push(entry);
        name
    }
}

/// What the files of a log are named after, from the name of its manifest.
pub(in crate::ops) fn stem(manifest: Option<&Path>) -> Vec<u8> {
    let name = manifest.and_then(Path::file_name).map(bytes_of).unwrap_or_default();
    match name.strip_suffix(b".manifest") {
        Some(stem) if !stem.is_empty() => stem.to_vec(),
        _ => b"appendonly.aof".to_vec(),
    }
}
