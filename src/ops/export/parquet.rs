//! Elements into Parquet files: batches of columns on any thread, encoded in the order of the file;
//! all in one table, or a table for each type.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::{ExportForm, ExportOptions};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::ops::convert::{How, Keys};
use crate::ops::encoding;
use crate::ops::filter::Filter;
use crate::ops::walk::Tally;
use crate::rdb::{Entry, Record, Scratch};
use crate::report::export::parquet::{ParquetFile, Rows};
use crate::report::export::{ExportReport, ExportedFile, manifest};
use crate::target::{AtomicFile, DirectoryTarget, Part, Publish};
use crate::value::Kind;

/// The file beside the tables that says what they are.
const MANIFEST: &str = "export.json";
/// A row group of a single table ends when it has grown so far, encoded.
const GROUP_BYTES: usize = 64 << 20;
/// One of several tables that grow at the same time.
const GROUP_BYTES_OF_MANY: usize = 16 << 20;

/// Writes one table of all types.
pub(super) fn write(
    name: &str,
    keys: Keys,
    how: &How<'_>,
    file: &mut AtomicFile,
    options: &ExportOptions,
) -> Result<ExportReport> {
    let table =
        Table { file: ParquetFile::new(file, None, GROUP_BYTES)?, counts: Counts::default() };
    let nothing_more = &mut |_: Kind| Err(Error::Usage("there is one table".to_owned()));
    let root = Root { open: nothing_more, tables: BTreeMap::from([(None, table)]) };
    let (read, tables) = tally(name, keys, how, &options.filter, root)?;
    let mut report = read.report(name, ExportForm::Parquet);
    for (_, Table { file, counts }) in tables {
        file.finish()?;
        report.keys_written += counts.keys;
        report.rows = Some(report.rows.unwrap_or_default() + counts.rows);
    }
    Ok(report)
}

/// Writes a new directory with a table for each type.
pub(super) fn write_types(
    name: &str,
    keys: Keys,
    how: &How<'_>,
    out: &Path,
    publish: &Publish,
    options: &ExportOptions,
) -> Result<ExportReport> {
    let mut directory = DirectoryTarget::create_new(out, publish)?;
    let bytes_read = keys.size_bytes();
    let open = &mut |kind: Kind| directory.part(format!("{}.parquet", kind.name()));
    let root = Root { open, tables: BTreeMap::new() };
    let (read, tables) = tally(name, keys, how, &options.filter, root)?;
    let mut report = ExportReport {
        output: out.to_owned(),
        bytes_read,
        rows: Some(0),
        ..read.report(name, ExportForm::ParquetTypes)
    };
    for (_, Table { file, counts: Counts { keys, rows } }) in tables {
        let part: Part = file.finish()?;
        let file = part.name().shown().to_string();
        let size_bytes = directory.add(part)?;
        report.files.push(ExportedFile { file, keys, rows, size_bytes });
        report.keys_written += keys;
        report.rows = Some(report.rows.unwrap_or_default() + rows);
        report.bytes_written += size_bytes;
    }
    directory.publish(MANIFEST, &manifest(&report)?, &[])?;
    Ok(report)
}

/// What was read.
#[derive(Debug, Clone, Copy, Default)]
struct Read {
    keys: u64,
    /// Function libraries, which no table has a place for.
    functions: u64,
}

impl Read {
    fn report(self, name: &str, form: ExportForm) -> ExportReport {
        ExportReport {
            keys_read: self.keys,
            functions_left_out: self.functions,
            ..ExportReport::new(name, form.name())
        }
    }
}

/// Brings all keys to their tables; what was read, and the tables.
fn tally<'o, W: Write + Send>(
    name: &str,
    keys: Keys,
    how: &How<'_>,
    filter: &'o Filter,
    root: Root<'o, W>,
) -> Result<(Read, Tables<W>)> {
    let by_type = root.tables.is_empty();
    let fresh =
        || Batch { filter, by_type, rows: BTreeMap::new(), read: Read::default(), root: None };
    let mut batch = Batch { root: Some(root), ..fresh() };
    let ran = keys.tally(name, how, &fresh, &mut batch)?;
    // Giving back all that memory piece by piece takes time that nobody needs to wait for.
    std::mem::forget(ran);
    let tables = batch.root.map(|root| root.tables).unwrap_or_default();
    Ok((batch.read, tables))
}

/// By type, where there is a table for each.
type Tables<W> = BTreeMap<Option<Kind>, Table<W>>;

struct Table<W: Write + Send> {
    file: ParquetFile<W>,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    keys: u64,
    rows: u64,
}

struct Batch<'o, W: Write + Send> {
    filter: &'o Filter,
    by_type: bool,
    rows: BTreeMap<Option<Kind>, (Rows, Counts)>,
    read: Read,
    root: Option<Root<'o, W>>,
}

struct Root<'o, W: Write + Send> {
    /// Begins the file of a type.
    open: &'o mut (dyn FnMut(Kind) -> Result<W> + Send),
    tables: Tables<W>,
}

impl<W: Write + Send> Root<'_, W> {
    fn table(&mut self, of: Option<Kind>) -> Result<Option<&mut Table<W>>> {
        if let (Some(kind), false) = (of, self.tables.contains_key(&of)) {
            let file = ParquetFile::new((self.open)(kind)?, of, GROUP_BYTES_OF_MANY)?;
            self.tables.insert(of, Table { file, counts: Counts::default() });
        }
        Ok(self.tables.get_mut(&of))
    }
}

impl<W: Write + Send> Tally for Batch<'_, W> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        self.read.keys += 1;
        if !self.filter.matches(entry)? {
            return Ok(());
        }
        let of = self.by_type.then(|| entry.value_type.kind());
        let (rows, counts) =
            self.rows.entry(of).or_insert_with(|| (Rows::new(of), Counts::default()));
        counts.keys += 1;
        counts.rows += rows.push(entry, encoding::encoding(entry), room)?;
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, _: u64, _: &mut Scratch) -> Result<()> {
        let is_library = matches!(record, Record::Function(_) | Record::FunctionPreGa { .. });
        self.read.functions += u64::from(is_library);
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.read.keys += later.read.keys;
        self.read.functions += later.read.functions;
        let Some(root) = &mut self.root else { return Ok(()) };
        for (of, (rows, Counts { keys, rows: count })) in later.rows {
            let Some(Table { file, counts }) = root.table(of)? else { continue };
            counts.keys += keys;
            counts.rows += count;
            file.put(&rows.finish()?)?;
        }
        Ok(())
    }
}
