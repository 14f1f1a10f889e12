//! A source that can be read as often as it takes.

use std::path::Path;

use super::MergeOptions;
use crate::error::{Error, Result};
use crate::ops::convert::{How, Keys, to_unnamed};
use crate::ops::walk::{Observer, Silent, Tally};
use crate::rdb::{Header, Target};
use crate::report::convert::Ran;
use crate::source::{Form, Source};

/// A source on its way: it can be read as often as needed.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) header: Header,
    pub(super) size_bytes: Option<u64>,
    /// Opens it anew.
    again: Again,
    /// When it was written, unix time in seconds.
    pub(super) written_secs: u64,
    /// How its log ran, if it is one.
    pub(super) ran: Option<Ran>,
}

enum Again {
    Path(std::path::PathBuf),
    Unnamed(std::fs::File),
}

impl Input {
    pub(super) fn of(
        source: Source,
        options: &MergeOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let (name, size_bytes) = (source.name.clone(), source.size_bytes);
        let path = source.path.clone();
        let is_lines = source.form == Form::Ndjson;
        let modified = path.as_deref().and_then(modified_secs).unwrap_or_default();
        let seekable = is_seekable(&source);
        let keys = Keys::of_source(source, options.target, &options.walk, &options.open, observer)?;
        let (header, ran) = (keys.header(), keys.ran());
        let again = match path {
            Some(path) if seekable && keys.is_snapshot() && !is_lines => Again::Path(path),
            _ => Again::Unnamed(to_unnamed(&name, keys, &options.walk, &options.open, observer)?),
        };
        Ok(Input { name, header, size_bytes, again, written_secs: modified, ran })
    }

    /// Whether it was read once to make a copy that can be read again.
    pub(super) fn is_copied(&self) -> bool {
        matches!(self.again, Again::Unnamed(_))
    }

    fn keys(&self, options: &MergeOptions) -> Result<Keys> {
        let source = match &self.again {
            Again::Path(path) => crate::source::open_part(path, &options.open)?,
            Again::Unnamed(file) => {
                let failed = |cause| Error::io("cannot read a temporary file", cause);
                let mut file = file.try_clone().map_err(failed)?;
                std::io::Seek::rewind(&mut file).map_err(failed)?;
                crate::source::open_unnamed(&self.name, file, &options.open)?
            }
        };
        Keys::of_source(source, options.target, &options.walk, &options.open, &Silent)
    }

    /// Goes through its keys; where they are written, for `taker`, it has to be able to load them.
    pub(super) fn tally<T: Tally>(
        &self,
        taker: Option<Target>,
        options: &MergeOptions,
        fresh: &(dyn Fn() -> T + Sync),
        root: &mut T,
        observer: &dyn Observer,
    ) -> Result<()> {
        let MergeOptions { walk, open, .. } = options;
        let how = How { walk, open, compress: true, plain: false, taker, observer };
        self.keys(options)?.tally(&self.name, &how, fresh, root).map(drop)
    }
}

fn is_seekable(source: &Source) -> bool {
    source.compression.is_none()
        && source.feed.as_ref().is_some_and(crate::source::Feed::is_seekable)
}

/// How many bytes a merge of these reads, where that is known: each source is looked at and then
/// written, and what cannot be read twice is read once more before.
///
/// ```
/// use rdbkit::ops::merge::bytes_to_read;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = "fixtures/redis-7.0.15-lru.rdb";
/// let source = open(&name.into(), &OpenOptions::default())?;
/// assert_eq!(bytes_to_read(&[source]), Some(2 * std::fs::metadata(name)?.len()));
/// # Ok(())
/// # }
/// ```
pub fn bytes_to_read(sources: &[Source]) -> Option<u64> {
    let of = |source: &Source| {
        let times = if is_seekable(source) && source.form == Form::Rdb { 2 } else { 3 };
        source.size_bytes?.checked_mul(times)
    };
    sources.iter().try_fold(0u64, |sum, source| sum.checked_add(of(source)?))
}

fn modified_secs(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    modified.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}
