//! Where a conversion goes: one file, or a directory with a base, an empty increment and a
//! manifest.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use super::encode::Chunk;
use super::{ConvertOptions, OutputForm, PublishedOutput};
use crate::aof;
use crate::aof::write::CommandWriter;
use crate::error::{Error, Result};
use crate::rdb::Target;
use crate::rdb::write::SnapshotWriter;
use crate::target::{AtomicFile, DirectoryTarget, Part, Publish};

/// The name of a server's log, where nobody has given another.
const LOG: &str = "appendonly.aof";

/// What is to be published.
pub(super) enum Place {
    File(AtomicFile),
    Directory {
        to: DirectoryTarget,
        base: Part,
        base_name: String,
        incr_name: String,
        seq: u64,
        /// What the directory held for the log that is replaced.
        old: Vec<OsString>,
    },
}

impl Place {
    pub(super) fn create(
        out: &Path,
        form: OutputForm,
        _target: &Target,
        publish: &Publish,
    ) -> Result<Self> {
        let suffix = match form {
            OutputForm::AofDir => "rdb",
            OutputForm::AofDirCommands => "aof",
            _ => return AtomicFile::create(out, publish).map(Place::File),
        };
        let to = DirectoryTarget::create(out, publish)?;
        let name =
            |seq: u64| (format!("{LOG}.{seq}.base.{suffix}"), format!("{LOG}.{seq}.incr.aof"));
        let free = |seq: &u64| {
            let (base, incr) = name(*seq);
            !to.is_taken(base.as_ref()) && !to.is_taken(incr.as_ref())
        };
        let Some(seq) = (1..=1_000_000).find(free) else {
            return Err(Error::Usage(format!("{} has no free names left", out.display())));
        };
        let (base_name, incr_name) = name(seq);
        let old = match to.existing().next() {
            None => Vec::new(),
            Some(_) => old_parts(out)?,
        };
        let base = to.part(&base_name)?;
        Ok(Place::Directory { to, base, base_name, incr_name, seq, old })
    }

    pub(super) fn publish(self, size_bytes: u64) -> Result<PublishedOutput> {
        match self {
            Place::File(file) => {
                let published = file.commit()?;
                let size_bytes = published.size_bytes;
                Ok(PublishedOutput { name: published.path, size_bytes, files: Vec::new() })
            }
            Place::Directory { mut to, base, base_name, incr_name, seq, old } => {
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
                    .map(|part| (part.name.to_string_lossy().into_owned(), part.size_bytes))
                    .collect();
                files.push((name, manifest.len() as u64));
                Ok(PublishedOutput { name: published.path, size_bytes, files })
            }
        }
    }

    fn writer(&mut self) -> &mut (dyn Write + Send) {
        match self {
            Place::File(file) => file,
            Place::Directory { base, .. } => base,
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
pub(super) enum Output<'w> {
    Snapshot(Box<SnapshotWriter<&'w mut (dyn Write + Send)>>),
    Log { to: &'w mut (dyn Write + Send), commands: CommandWriter, db: Option<u64>, written: u64 },
}

impl<'w> Output<'w> {
    /// Writes what comes before the keys and is not in the source.
    pub(super) fn begin(
        place: &'w mut Place,
        options: &ConvertOptions,
        target: &Target,
        same: bool,
    ) -> Result<Self> {
        let to = place.writer();
        if !options.form.is_snapshot() {
            let mut commands = CommandWriter::new(target);
            if let Some(secs) = options.timestamp_secs {
                commands.timestamp(secs);
            }
            let mut log = Output::Log { to, commands, db: None, written: 0 };
            log.flush()?;
            return Ok(log);
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
        Ok(Output::Snapshot(file))
    }

    /// What a batch has made.
    pub(super) fn chunk(&mut self, chunk: &Chunk) -> Result<()> {
        match self {
            Output::Snapshot(file) => file.raw(&chunk.bytes),
            Output::Log { .. } => {
                let mut from = 0;
                for &(at, db) in &chunk.databases {
                    self.log(chunk.bytes.get(from..at).unwrap_or_default(), None)?;
                    self.log(&[], Some(db))?;
                    from = at;
                }
                self.log(chunk.bytes.get(from..).unwrap_or_default(), None)
            }
        }
    }

    /// Bytes of a log, and in which database the keys behind them are.
    fn log(&mut self, bytes: &[u8], select: Option<u64>) -> Result<()> {
        let Output::Log { to, commands, db, written } = self else { return Ok(()) };
        to.write_all(bytes).map_err(cannot_write)?;
        *written += bytes.len() as u64;
        if let Some(next) = select.filter(|next| *db != Some(*next)) {
            commands.select(next);
            *db = Some(next);
            return self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let Output::Log { to, commands, written, .. } = self else { return Ok(()) };
        to.write_all(&commands.out).map_err(cannot_write)?;
        *written += commands.out.len() as u64;
        commands.clear();
        Ok(())
    }

    /// Writes what comes behind the keys. Returns the size of all.
    pub(super) fn finish(self) -> Result<u64> {
        match self {
            Output::Snapshot(file) => file.finish().map(|(_, size)| size),
            Output::Log { to, written, .. } => {
                to.flush().map_err(cannot_write)?;
                Ok(written)
            }
        }
    }
}

fn cannot_write(cause: std::io::Error) -> Error {
    Error::io("cannot write the output", cause)
}
