//! Elements into a Parquet file: batches of columns on any thread, encoded in the order of the file.

use super::{ExportForm, ExportOptions};
use crate::error::Result;
use crate::ops::convert::{How, Keys};
use crate::ops::encoding;
use crate::ops::filter::Filter;
use crate::ops::walk::Tally;
use crate::rdb::{Entry, Scratch};
use crate::report::export::ExportReport;
use crate::report::export::parquet::{ParquetFile, Rows};
use crate::target::AtomicFile;

pub(super) fn write(
    name: &str,
    keys: Keys,
    how: &How<'_>,
    file: &mut AtomicFile,
    options: &ExportOptions,
) -> Result<ExportReport> {
    let filter = &options.filter;
    let fresh = || Batch::new(filter, None);
    let mut root = Batch::new(filter, Some(ParquetFile::new(file)?));
    let ran = keys.tally(name, how, &fresh, &mut root)?;
    let Batch { keys, written, count, file, .. } = root;
    if let Some(file) = file {
        file.finish()?;
    }
    // Giving back all that memory piece by piece takes time that nobody needs to wait for.
    std::mem::forget(ran);
    Ok(ExportReport {
        keys_read: keys,
        keys_written: written,
        rows: Some(count),
        ..ExportReport::new(name, ExportForm::Parquet.name())
    })
}

struct Batch<'o> {
    filter: &'o Filter,
    rows: Rows,
    keys: u64,
    written: u64,
    count: u64,
    file: Option<ParquetFile<&'o mut AtomicFile>>,
}

impl<'o> Batch<'o> {
    fn new(filter: &'o Filter, file: Option<ParquetFile<&'o mut AtomicFile>>) -> Self {
        Batch { filter, rows: Rows::default(), keys: 0, written: 0, count: 0, file }
    }
}

impl Tally for Batch<'_> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        self.keys += 1;
        if !self.filter.matches(entry)? {
            return Ok(());
        }
        self.written += 1;
        self.count += self.rows.push(entry, encoding::encoding(entry), room)?;
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.keys += later.keys;
        self.written += later.written;
        self.count += later.count;
        match &mut self.file {
            Some(file) => file.put(&later.rows.finish()?),
            None => Ok(()),
        }
    }
}
