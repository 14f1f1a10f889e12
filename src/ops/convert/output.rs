//! Where a conversion goes: one file, or a directory with a base, an empty increment and a
//! manifest.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use super::encode::{Chunk, Copied};
use super::{ConvertOptions, OutputForm, PublishedOutput};
use crate::aof;
use crate::aof::write::CommandWriter;
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::rdb::Target;
use crate::rdb::write::SnapshotWriter;
use crate::target::{AtomicFile, DirectoryTarget, Part, Publish, Published as PublishedFile};

/// The name of a server's log, where nobody has given another.
const LOG: &str = "appendonly.aof";

/// What is to be published.
pub(in crate::ops) enum Place {
    File(Box<AtomicFile>),
    Directory(Box<Directory>),
}

/// A log directory under way.
pub(in crate::ops) struct Directory {
    to: DirectoryTarget,
    base: Part,
    base_name: String,
    incr_name: String,
    seq: u64,
    /// What the directory held for the log that is replaced.
    old: Vec<OsString>,
}

impl Place {
    pub(in crate::ops) fn create(out: &Path, form: OutputForm, publish: &Publish) -> Result<Self> {
        let suffix = match form {
            OutputForm::AofDir => "rdb",
            OutputForm::AofDirCommands => "aof",
            _ => return AtomicFile::create(out, publish).map(|file| Place::File(Box::new(file))),
        };
        let to = DirectoryTarget::create(out, publish)?;
        let name =
            |seq: u64| (format!("{LOG}.{seq}.base.{suffix}"), format!("{LOG}.{seq}.incr.aof"));
        let free = |seq: &u64| {
            let (base, incr) = name(*seq);
            !to.is_taken(base.as_ref()) && !to.is_taken(incr.as_ref())
        };
        let Some(seq) = (1..=1_000_000).find(free) else {
            return Err(Error::Usage(format!("{} has no free names left", out.shown())));
        };
        let (base_name, incr_name) = name(seq);
        let old = match to.existing().next() {
            None => Vec::new(),
            Some(_) => old_parts(out)?,
        };
        let base = to.part(&base_name)?;
        let directory = Directory { to, base, base_name, incr_name, seq, old };
        Ok(Place::Directory(Box::new(directory)))
    }

    pub(in crate::ops) fn publish(self, size_bytes: u64) -> Result<PublishedOutput> {
        match self {
            Place::File(file) => {
                let published = file.commit()?;
                let size_bytes = published.size_bytes;
                let PublishedFile { path: name, backup, .. } = published;
                Ok(PublishedOutput { name, size_bytes, files: Vec::new(), backup })
            }
            Place::Directory(directory) => {
                let Directory { mut to, base, base_name, incr_name, seq, old } = *directory;
                to.add(base)?;
                let incr = to.part(&incr_name)?;
                to.add(incr)?;
                let manifest = format!(
                    "file {base_name} seq {seq} type b\nfile {incr_name} seq {seq} type i\n"
                );
                let name = format!("{LOG}.manifest");
                let published = to.publish(&name, manifest.as_bytes(), &old)?;
                let mut files: Vec<(String, u64)> = published
                    .parts
                    .iter()
                    .map(|part| (part.name.shown().to_string(), part.size_bytes))
                    .collect();
                files.push((name, manifest.len() as u64));
                let backup = published.backup;
                Ok(PublishedOutput { name: published.path, size_bytes, files, backup })
            }
        }
    }

    /// Where what was written so far can be read, if it can.
    pub(in crate::ops) fn readable(&mut self) -> Result<Option<std::path::PathBuf>> {
        match self {
            Place::File(file) => file.readable(),
            Place::Directory(directory) => directory.base.readable().map(Some),
        }
    }

    pub(in crate::ops) fn writer(&mut self) -> &mut (dyn Write + Send) {
        match self {
            Place::File(file) => &mut **file,
            Place::Directory(directory) => &mut directory.base,
        }
    }
}

/// The files of the log that is in a directory already.
fn old_parts(out: &Path) -> Result<Vec<OsString>> {
    let log = aof::survey(out)?;
    let parts = log.parts.iter().chain(&log.history);
    let names = parts.filter_map(|part| part.path.file_name());
    Ok(names.chain(log.manifest.as_deref().and_then(Path::file_name)).map(OsString::from).collect())
}

/// What the bytes go through.
pub(in crate::ops) enum Output<'w> {
    Snapshot(Box<SnapshotWriter<&'w mut (dyn Write + Send)>>, Databases, Vec<Copied>),
    Log(Box<Log<'w>>),
}

/// What was written.
#[derive(Debug, Default)]
pub(in crate::ops) struct Outcome {
    pub(in crate::ops) size_bytes: u64,
    /// What was copied from a base without being looked at.
    pub(in crate::ops) copies: Vec<Copied>,
}

/// Which database a snapshot is in, where chunks say it.
#[derive(Debug, Default)]
pub(in crate::ops) struct Databases {
    db: Option<u64>,
}

impl Databases {
    /// Writes a chunk, and what selects the databases of its keys.
    pub(in crate::ops) fn put<W: Write>(
        &mut self,
        file: &mut SnapshotWriter<W>,
        chunk: &Chunk,
    ) -> Result<()> {
        let mut from = 0;
        for &(at, db) in &chunk.databases {
            file.raw(chunk.bytes.get(from..at).unwrap_or_default())?;
            if self.db != Some(db) {
                self.db = Some(db);
                file.select_db(db)?;
            }
            from = at;
        }
        file.raw(chunk.bytes.get(from..).unwrap_or_default())
    }
}

/// A log of commands.
pub(in crate::ops) struct Log<'w> {
    to: &'w mut (dyn Write + Send),
    commands: CommandWriter,
    /// What is selected.
    db: Option<u64>,
    written: u64,
}

impl Log<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.to.write_all(bytes).map_err(cannot_write)
    }

    fn select(&mut self, db: u64) -> Result<()> {
        if self.db == Some(db) {
            return Ok(());
        }
        self.db = Some(db);
        self.commands.select(db);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.written += self.commands.out.len() as u64;
        self.to.write_all(&self.commands.out).map_err(cannot_write)?;
        self.commands.clear();
        Ok(())
    }
}

impl<'w> Output<'w> {
    /// Writes what comes before the keys and is not in the source.
    pub(in crate::ops) fn begin(
        to: &'w mut (dyn Write + Send),
        options: &ConvertOptions,
        target: &Target,
        same: bool,
    ) -> Result<Self> {
        if !options.form.is_snapshot() {
            let mut commands = CommandWriter::new(target);
            if let Some(secs) = options.timestamp_secs {
                commands.timestamp(secs);
            }
            let mut log = Box::new(Log { to, commands, db: None, written: 0 });
            log.flush()?;
            return Ok(Output::Log(log));
        }
        let mut file = Box::new(SnapshotWriter::new(to, target, options.compress.unwrap_or(true)));
        if !same {
            file.aux(b"rdbkit-ver", env!("CARGO_PKG_VERSION").as_bytes())?;
            file.aux(b"redis-bits", b"64")?;
            match options.form {
                OutputForm::Rdb => {}
                _ if target.has_functions() => file.aux(b"aof-base", b"1")?,
                _ => file.aux(b"aof-preamble", b"1")?,
            }
        }
        Ok(Output::Snapshot(file, Databases::default(), Vec::new()))
    }

    /// What a batch has made.
    pub(in crate::ops) fn chunk(&mut self, chunk: &Chunk) -> Result<()> {
        match self {
            Output::Snapshot(file, databases, copies) => {
                let begin = file.size_bytes();
                let placed = |copy: &Copied| Copied { at: begin + copy.at, ..copy.clone() };
                copies.extend(chunk.copies.iter().map(placed));
                databases.put(file, chunk)
            }
            Output::Log(log) => {
                let mut from = 0;
                for &(at, db) in &chunk.databases {
                    log.write(chunk.bytes.get(from..at).unwrap_or_default())?;
                    log.select(db)?;
                    from = at;
                }
                log.write(chunk.bytes.get(from..).unwrap_or_default())
            }
        }
    }

    /// Writes what comes behind the keys.
    pub(in crate::ops) fn finish(self) -> Result<Outcome> {
        self.end(true)
    }

    /// The same, without a checksum where there could be one.
    pub(in crate::ops) fn finish_unsigned(self) -> Result<Outcome> {
        self.end(false)
    }

    fn end(self, signed: bool) -> Result<Outcome> {
        match self {
            Output::Snapshot(file, _, copies) => {
                let (_, size_bytes) = if signed { file.finish()? } else { file.finish_unsigned()? };
                Ok(Outcome { size_bytes, copies })
            }
            Output::Log(mut log) => {
                if log.written == 0 {
                    log.write(aof::write::NOTHING)?;
                }
                log.to.flush().map_err(cannot_write)?;
                Ok(Outcome { size_bytes: log.written, ..Outcome::default() })
            }
        }
    }
}

fn cannot_write(cause: std::io::Error) -> Error {
    Error::io("cannot write the output", cause)
}
