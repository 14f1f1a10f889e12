//! The files of a log whose bytes are all at hand: what has to be looked at more than once.

use std::path::PathBuf;

use crate::error::{Error, FormatError, Result};
use crate::ops::snapshot::{is_announced_as_base, is_log};
use crate::ops::walk::Observer;
use crate::rdb::{Framer, HEADER_BYTES, Record, Snapshot};
use crate::report::load::LogPlace;
use crate::source::{Form, OpenOptions, Source, Whole, open_part};

/// One file of a log.
pub(super) struct File {
    pub(super) name: String,
    whole: Whole,
    pub(super) is_snapshot: bool,
    /// The bytes of the files before it.
    pub(super) begins_at: u64,
    pub(super) is_last: bool,
}

impl File {
    pub(super) fn bytes(&self) -> &[u8] {
        self.whole.as_ref()
    }

    /// Where its log begins, behind the snapshot if there is one; `None` where there is no log.
    /// `see` gets each record of the snapshot, and where it begins and ends.
    pub(super) fn log_begins<E>(
        &self,
        mut see: impl FnMut(&Record<'_>, u64, u64) -> std::result::Result<(), E>,
    ) -> std::result::Result<Option<usize>, E>
    where
        E: From<Box<FormatError>>,
    {
        let bytes = self.bytes();
        let mut rest = bytes;
        if self.is_snapshot {
            let mut framer = Framer::new(Snapshot::new(bytes)?.header());
            rest = bytes.get(HEADER_BYTES..).unwrap_or_default();
            loop {
                let offset = (bytes.len() - rest.len()) as u64;
                let (found, after) = framer.next(rest, offset)?;
                rest = after;
                if matches!(found, Record::End { .. }) {
                    break;
                }
                see(&found, offset, (bytes.len() - rest.len()) as u64)?;
            }
        }
        let is_base = self.is_snapshot && is_announced_as_base(bytes);
        Ok(is_log(rest, is_base).then_some(bytes.len() - rest.len()))
    }
}

/// The command that begins at a position, which counts the bytes of all files.
pub(super) fn place(files: &[File], position: u64) -> Option<LogPlace> {
    let file = files.iter().rev().find(|file| file.begins_at <= position)?;
    Some(LogPlace { file: file.name.clone(), offset: position - file.begins_at })
}

/// The files of a log, in their order.
pub(super) fn gather(
    paths: &[PathBuf],
    open: &OpenOptions,
    observer: &dyn Observer,
) -> Result<Vec<File>> {
    let (mut files, mut begins_at) = (Vec::new(), 0);
    for (index, path) in paths.iter().enumerate() {
        let Source { name, form, feed, .. } = open_part(path, open)?;
        let Some(feed) = feed else {
            return Err(Error::Usage(format!("{name} is a directory where a file is expected")));
        };
        let whole = feed.spool(&|bytes| observer.progress(bytes))?;
        let len = whole.as_ref().len() as u64;
        let is_last = index + 1 == paths.len();
        files.push(File { name, whole, is_snapshot: form == Form::Rdb, begins_at, is_last });
        begins_at += len;
    }
    Ok(files)
}
