//! Where bytes come from: files, directories, pipes, compressed streams, live servers.
//!
//! ```text
//! path ─ directory ─────────────────────────────► AofDir, a path
//!      └ file, - ─ peek ─ compressed? ─ what form? ─► Source ─► Feed
//!                          │                           mapping   a regular file as it is
//!                          └ decoder thread            window    all else
//! ```
//!
//! What a source is comes from its content, never from its name; a name may mislead, and a pipe
//! has none. [`OpenOptions::from`] overrules. Which parts a log directory has is not this floor's
//! business: it says that it is one, and [`open_part`] opens a part.

#[cfg(feature = "live")]
mod cluster;
mod compressed;
mod detect;
mod feed;
#[cfg(feature = "live")]
mod joined;
#[cfg(feature = "live")]
mod live;
mod locator;
mod mapped;
mod spill;
mod window;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use compressed::Compression;
pub use detect::Form;
pub use feed::{Feed, Progress, Whole};
pub use locator::{LiveUrl, Locator};
pub use mapped::Mapping;
pub(crate) use spill::default_directory;
pub use spill::{temporary_failed, temporary_file};
pub use window::{Window, WindowOptions};

use crate::bytes::PathName as _;
use crate::bytes::input::Input;
use crate::error::{Error, Result};
use feed::Counted;

/// How a source is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Reads regular files instead of mapping them: slower, and safe where another process may
    /// cut the file short meanwhile.
    pub no_mmap: bool,
    /// What the source is, whatever its content says. Compression is still taken off.
    pub from: Option<Form>,
    /// How the window grows, where there is one.
    pub window: WindowOptions,
    /// How live servers are reached.
    #[cfg(feature = "live")]
    pub live: crate::live::LiveOptions,
}

/// A source that was opened, standing before its first byte.
pub struct Source {
    /// The name for reports: the path as given, `-`, or a URL without its password.
    pub name: String,
    /// What it is.
    pub form: Form,
    /// How it is compressed, if it is.
    pub compression: Option<Compression>,
    /// Its size on disk in bytes, compressed as it is; `None` for pipes and directories.
    pub size_bytes: Option<u64>,
    /// Where it is, if it has a path.
    pub path: Option<PathBuf>,
    /// Its bytes, uncompressed; `None` for a directory. Of a manifest, the manifest's own.
    pub feed: Option<Feed>,
}

impl Source {
    /// The directory in which the parts lie: of an [`Form::AofDir`] itself, of a
    /// [`Form::Manifest`] the one it lies in.
    pub fn directory(&self) -> Option<&Path> {
        let path = self.path.as_deref()?;
        match self.form {
            Form::AofDir => Some(path),
            Form::Manifest => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => Some(parent),
                _ => Some(Path::new(".")),
            },
            _ => None,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("form", &self.form)
            .field("compression", &self.compression)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

/// Opens a source and finds out what it is.
///
/// Fails with [`Error::Io`] where it can't be read, with [`Error::Format`] where it is compressed
/// and broken from the start, with [`Error::Usage`] where it is nothing that can be read here or
/// not what [`OpenOptions::from`] says.
pub fn open(locator: &Locator, options: &OpenOptions) -> Result<Source> {
    match locator {
        Locator::Stdin => stdin(options),
        #[cfg(feature = "live")]
        Locator::Live(url) => live::open(url, options),
        #[cfg(not(feature = "live"))]
        Locator::Live(url) => Err(Error::Usage(format!(
            "{url} is a live server, from which this build cannot read: it was made without the \
             feature live"
        ))),
        Locator::Path(path) => {
            let name = path.shown().to_string();
            let metadata = metadata(path)?;
            if metadata.is_dir() {
                return directory(path, name, options);
            }
            if options.from == Some(Form::AofDir) {
                return Err(Error::Usage(format!("{name} is a file, aof-dir takes a directory")));
            }
            let asked = Asked { path: Some(path), ..Asked::new(&name, options) };
            asked.file(open_file(path, &metadata)?, &metadata)
        }
    }
}

/// Opens one part of a log directory: a snapshot where it begins with the magic of one, else a
/// log, as a server takes it. [`OpenOptions::from`] is about the directory and has no say.
pub fn open_part(path: &Path, options: &OpenOptions) -> Result<Source> {
    let name = path.shown().to_string();
    let metadata = metadata(path)?;
    if metadata.is_dir() {
        return Err(Error::Usage(format!("{name} is a directory, a part must be a file")));
    }
    let asked = Asked { path: Some(path), from: None, is_part: true, ..Asked::new(&name, options) };
    asked.file(open_file(path, &metadata)?, &metadata)
}

/// Opens a file that has no path, standing at its start: mapped where it can be.
pub fn open_unnamed(name: &str, file: File, options: &OpenOptions) -> Result<Source> {
    let metadata = file
        .metadata()
        .map_err(|error| Error::io(format!("cannot look at what was made of {name}"), error))?;
    Asked::new(name, options).file(file, &metadata)
}

/// Opens bytes that are in memory; [`Feed::whole`] has them, unless they are compressed.
pub fn open_bytes(name: &str, bytes: Vec<u8>, options: &OpenOptions) -> Result<Source> {
    let asked = Asked::new(name, options);
    let size_bytes = Some(bytes.len() as u64);
    if detect::compression(&bytes).is_some() {
        return asked.stream(Box::new(io::Cursor::new(bytes)), size_bytes);
    }
    let form = asked.form(head(&bytes), name)?;
    asked.source(form, None, size_bytes, Feed::of_bytes(bytes))
}

/// Opens what any reader brings, through the window.
pub fn open_reader(
    name: &str,
    reader: Box<dyn Read + Send>,
    options: &OpenOptions,
) -> Result<Source> {
    Asked::new(name, options).stream(reader, None)
}

fn metadata(path: &Path) -> Result<fs::Metadata> {
    fs::metadata(path).map_err(|error| Error::io(format!("cannot open {}", path.shown()), error))
}

fn open_file(path: &Path, metadata: &fs::Metadata) -> Result<File> {
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) {
        let name = path.shown();
        return Err(Error::Usage(format!("{name} is a socket, from which files can't be read")));
    }
    #[cfg(not(unix))]
    let _ = metadata;
    File::open(path).map_err(|error| Error::io(format!("cannot open {}", path.shown()), error))
}

fn directory(path: &Path, name: String, options: &OpenOptions) -> Result<Source> {
    match options.from {
        None | Some(Form::AofDir) => Ok(Source {
            name,
            form: Form::AofDir,
            compression: None,
            size_bytes: None,
            path: Some(path.to_owned()),
            feed: None,
        }),
        Some(form) => Err(Error::Usage(format!("{name} is a directory, {form} takes a file"))),
    }
}

/// Standard input; where a regular file stands behind it, that file.
fn stdin(options: &OpenOptions) -> Result<Source> {
    let asked = Asked { label: "standard input", ..Asked::new("-", options) };
    #[cfg(unix)]
    {
        use std::io::Seek;
        use std::os::fd::AsFd;
        let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        let mut file = file.map_err(|error| Error::io("cannot open standard input", error))?;
        if let Ok(metadata) = file.metadata() {
            if metadata.is_dir() {
                return Err(Error::Usage("standard input is a directory".into()));
            }
            // A mapping begins at the start of the file, whoever read from it before.
            if metadata.is_file() && file.stream_position().is_ok_and(|position| position == 0) {
                return asked.file(file, &metadata);
            }
        }
        asked.stream(Box::new(file), None)
    }
    #[cfg(not(unix))]
    asked.stream(Box::new(io::stdin()), None)
}

/// What was asked for, on the way to a [`Source`].
struct Asked<'a> {
    /// For reports.
    name: &'a str,
    /// For sentences.
    label: &'a str,
    path: Option<&'a Path>,
    from: Option<Form>,
    is_part: bool,
    options: &'a OpenOptions,
}

impl<'a> Asked<'a> {
    fn new(name: &'a str, options: &'a OpenOptions) -> Self {
        Asked { name, label: name, path: None, from: options.from, is_part: false, options }
    }

    /// A file that is not a directory: mapped where it can be.
    fn file(&self, file: File, metadata: &fs::Metadata) -> Result<Source> {
        let size_bytes = metadata.is_file().then_some(metadata.len());
        let mapping = match size_bytes {
            Some(size) if !self.options.no_mmap => feed::mapping(&file, size),
            _ => None,
        };
        match mapping {
            Some(map) if detect::compression(head(map.bytes())).is_none() => {
                let form = self.form(head(map.bytes()), self.label)?;
                self.source(form, None, size_bytes, Feed::of_mapping(map))
            }
            _ => self.stream(Box::new(file), size_bytes),
        }
    }

    /// Anything that can only be read on and on.
    fn stream(&self, reader: Box<dyn Read + Send>, size_bytes: Option<u64>) -> Result<Source> {
        let progress = Progress::of(size_bytes);
        let raw = Peeked::new(Counted::new(reader, &progress));
        let Some(compression) = detect::compression(raw.head()) else {
            return self.window(raw, None, size_bytes, progress);
        };
        let decompressed =
            compressed::decompress(compression, raw, &progress).map_err(|error| {
                Error::io(format!("cannot start to decompress {}", self.label), error)
            })?;
        self.window(Peeked::new(decompressed), Some(compression), size_bytes, progress)
    }

    fn window<R: Read + Send + 'static>(
        &self,
        peeked: Peeked<R>,
        compression: Option<Compression>,
        size_bytes: Option<u64>,
        progress: Progress,
    ) -> Result<Source> {
        let label = match compression {
            Some(compression) => format!("{} (under {compression})", self.label),
            None => self.label.to_owned(),
        };
        let head = peeked.head();
        let inner = compression.and(detect::compression(head));
        let form = match inner {
            Some(inner) if self.from != Some(Form::Dump) => Err(Error::Usage(format!(
                "{label} is {inner} once more: one layer of compression is taken off, \
                 take off the other first"
            ))),
            _ => self.form(head, &label),
        };
        let failed = peeked.error.is_some();
        let undecided = failed && (head.is_empty() || form.is_err());
        let mut window = Window::new(Box::new(peeked), self.name, self.options.window.clone());
        if undecided {
            // Too little came to judge it; what says why is the failure that cut it off.
            while window.more()? {}
        }
        self.source(form?, compression, size_bytes, Feed::of_window(window, progress))
    }

    fn form(&self, head: &[u8], label: &str) -> Result<Form> {
        match self.from {
            // A log may begin with a snapshot.
            Some(Form::Aof) => Ok(detect::part_form(head)),
            Some(form) => Ok(form),
            None if self.is_part => Ok(detect::part_form(head)),
            None => detect::form(head, label),
        }
    }

    fn source(
        &self,
        form: Form,
        compression: Option<Compression>,
        size_bytes: Option<u64>,
        feed: Feed,
    ) -> Result<Source> {
        if matches!(form, Form::Manifest | Form::AofDir) && self.path.is_none() {
            let what = match form {
                Form::AofDir => "is no directory, and aof-dir takes one",
                _ => "is a manifest, which names files beside it: give its path, or the directory",
            };
            return Err(Error::Usage(format!("{} {what}", self.label)));
        }
        Ok(Source {
            name: self.name.to_owned(),
            form,
            compression,
            size_bytes,
            path: self.path.map(Path::to_owned),
            feed: Some(feed),
        })
    }
}

fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..detect::HEAD).unwrap_or(bytes)
}

/// A reader whose first bytes were looked at; they come again when it is read.
struct Peeked<R> {
    head: io::Cursor<Vec<u8>>,
    /// What cut the looking short; comes behind the first bytes.
    error: Option<io::Error>,
    rest: R,
}

impl<R: Read> Peeked<R> {
    fn new(mut rest: R) -> Self {
        let mut head = Vec::new();
        let error = rest.by_ref().take(detect::HEAD as u64).read_to_end(&mut head).err();
        Peeked { head: io::Cursor::new(head), error, rest }
    }

    fn head(&self) -> &[u8] {
        self.head.get_ref()
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.head.read(room)? {
            0 if room.is_empty() => return Ok(0),
            0 => {}
            n => return Ok(n),
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => self.rest.read(room),
        }
    }
}

#[cfg(test)]
mod tests;
