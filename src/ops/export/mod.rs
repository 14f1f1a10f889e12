//! `export`: keys and values in forms that other tools read.
//!
//! ```text
//! source ─ walk, on all cores ─ a row, an object or commands for each key ─ in file order ─► output
//! ```
//!
//! NDJSON is exact: read back as a source it has the same full digest. The output appears as a
//! whole or not at all, unless it goes to standard output.

#[cfg(feature = "parquet")]
mod parquet;
mod rows;

use std::io::Write as _;
use std::path::Path;

use self::rows::{Plan, Rows};
use super::convert::encode::{self, Encoder, Take};
use super::convert::output::Output;
use super::convert::{ConvertOptions, How, Keys, OutputForm, listed, note_lost_metadata, refusal};
use super::filter::Filter;
use super::memory::MemoryOptions;
use super::sources_of;
use super::walk::{Observer, WalkOptions};
use crate::bytes::rooms::Rooms;
use crate::error::{Error, Result};
use crate::memory::Estimator;
use crate::rdb::Target;
use crate::report::export::{ExportReport, rdbtools, row, table};
use crate::source::{OpenOptions, Source};
use crate::target::{AtomicFile, Publish};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExportForm {
    /// A JSON object per key and line, exact: `convert` and all other verbs read it as a source.
    #[default]
    Ndjson,
    /// One JSON document with the same objects.
    Json,
    /// CSV, a row per key.
    Csv,
    /// CSV, a row per element.
    CsvElements,
    /// CSV, a row per key with its memory, as redis-rdb-tools has it.
    CsvMemory,
    /// Parquet, a row per element; needs the feature `parquet`.
    Parquet,
    /// A new directory with a Parquet file for each type, its columns those of the type.
    ParquetTypes,
    /// Commands as clients send them, for the `--pipe` of another server's client.
    Resp,
}

impl ExportForm {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            ExportForm::Ndjson => "JSON lines",
            ExportForm::Json => "JSON document",
            ExportForm::Csv => "CSV with a row per key",
            ExportForm::CsvElements => "CSV with a row per element",
            ExportForm::CsvMemory => "CSV with the memory of each key",
            ExportForm::Parquet => "Parquet with a row per element",
            ExportForm::ParquetTypes => "Parquet with a file for each type",
            ExportForm::Resp => "commands",
        }
    }
}

/// What is exported, and how.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// The form of the output.
    pub form: ExportForm,
    /// Which keys.
    pub filter: Filter,
    /// Nothing but keys: no header, aux fields, functions and data of modules beside the keys.
    pub keys_only: bool,
    /// Of a row with the memory of a key: whose memory.
    pub memory: MemoryOptions,
    /// Of commands, whom they are written for; without that, a server that writes the source's
    /// version.
    pub target: Option<Target>,
    /// Of commands, writes what can be written where the target cannot hold all.
    pub lossy: bool,
    /// How many keys are listed for each kind of loss.
    pub list: usize,
    /// An output that exists is replaced.
    pub force: bool,
    /// How the walk is done.
    pub walk: WalkOptions,
    /// How sources are opened.
    pub open: OpenOptions,
}

/// Exports a source; a log is run, and the keys that are there in the end are exported.
///
/// Fails with [`Error::Format`] where the source is not sound, and with [`Error::Usage`] where the
/// output may not be replaced, or the target of commands cannot hold all; nothing is published
/// then, but what went to standard output or a pipe has gone.
///
/// ```
/// use rdbkit::ops::export::{ExportForm, ExportOptions, export};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let out = folder.path().join("keys.csv");
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let options = ExportOptions { form: ExportForm::CsvElements, ..Default::default() };
/// export(source, &out, &options, &Silent)?;
/// let rows = std::fs::read_to_string(&out)?;
/// assert!(rows.starts_with("db,key,type,index,field,value,score,expires_at_ms\r\n"));
/// assert!(rows.contains("0,h,hash,,f,v,,\r\n"));
/// # Ok(())
/// # }
/// ```
pub fn export(
    mut source: Source,
    out: &Path,
    options: &ExportOptions,
    observer: &dyn Observer,
) -> Result<ExportReport> {
    let name = source.name.clone();
    let publish = Publish { force: options.force, in_place: false, sources: sources_of(&source) };
    let is_parquet = matches!(options.form, ExportForm::Parquet | ExportForm::ParquetTypes);
    if is_parquet && cfg!(not(feature = "parquet")) {
        return Err(Error::Usage(
            "this rdbkit was built without Parquet: `cargo install rdbkit --features parquet` \
             builds one with it"
                .to_owned(),
        ));
    }
    #[cfg(feature = "parquet")]
    if options.form == ExportForm::ParquetTypes {
        let keys = Keys::of_source(source, options.target, &options.walk, &options.open, observer)?;
        let (walk, open) = (&options.walk, &options.open);
        let how = How { walk, open, compress: false, plain: false, taker: None, observer };
        let ran = keys.ran();
        let report = parquet::write_types(&name, keys, &how, out, &publish, options)?;
        return Ok(ExportReport { ran, ..report });
    }
    let mut file = AtomicFile::create(out, &publish)?;
    let estimator =
        (options.form == ExportForm::CsvMemory).then(|| options.memory.estimator(&mut source));
    let keys = Keys::of_source(source, options.target, &options.walk, &options.open, observer)?;
    let (bytes_read, ran) = (keys.size_bytes(), keys.ran());
    let how = How {
        walk: &options.walk,
        open: &options.open,
        compress: false,
        plain: false,
        taker: None,
        observer,
    };
    let mut report = match options.form {
        ExportForm::Resp => commands(&name, keys, &how, &mut file, options)?,
        #[cfg(feature = "parquet")]
        ExportForm::Parquet => parquet::write(&name, keys, &how, &mut file, options)?,
        _ => rows(&name, keys, &how, &mut file, options, estimator.as_ref())?,
    };
    let published = file.commit()?;
    report.ran = ran;
    report.output = published.path;
    report.bytes_read = bytes_read;
    report.bytes_written = published.size_bytes;
    Ok(report)
}

fn rows(
    name: &str,
    keys: Keys,
    how: &How<'_>,
    file: &mut AtomicFile,
    options: &ExportOptions,
    memory: Option<&Estimator>,
) -> Result<ExportReport> {
    let form = options.form;
    let mut head = Vec::new();
    match form {
        ExportForm::Ndjson if !options.keys_only => {
            row::push_header(&mut head, &keys.header().magic());
            head.push(b'\n');
        }
        ExportForm::Json => row::begin_document(&mut head, &keys.header().magic()),
        ExportForm::Csv => head.extend_from_slice(table::KEY_COLUMNS),
        ExportForm::CsvMemory => head.extend_from_slice(rdbtools::COLUMNS),
        ExportForm::CsvElements => head.extend_from_slice(table::ELEMENT_COLUMNS),
        _ => {}
    }
    file.put(&head)?;
    let plan = Plan {
        form,
        filter: &options.filter,
        keys_only: options.keys_only,
        memory,
        rooms: Rooms::default(),
    };
    let fresh = || Rows::batch(&plan);
    let mut root = Rows::root(&plan, file);
    let ran = keys.tally(name, how, &fresh, &mut root)?;
    let counts = root.finish()?;
    // Giving back all that memory piece by piece takes time that nobody needs to wait for.
    std::mem::forget(ran);
    let holds_functions = matches!(form, ExportForm::Ndjson | ExportForm::Json);
    let (functions, functions_left_out) =
        if holds_functions { (counts.functions, 0) } else { (0, counts.functions) };
    Ok(ExportReport {
        rows: (form == ExportForm::CsvElements).then_some(counts.rows),
        keys_read: counts.keys,
        keys_written: counts.written,
        functions,
        functions_left_out,
        ..ExportReport::new(name, form.name())
    })
}

fn commands(
    name: &str,
    keys: Keys,
    how: &How<'_>,
    file: &mut AtomicFile,
    options: &ExportOptions,
) -> Result<ExportReport> {
    let target = options.target.unwrap_or_else(|| keys.writer());
    let plan = encode::Plan {
        target,
        source: keys.header(),
        same: false,
        held: false,
        compress: None,
        snapshot: false,
        drop_expired_at_ms: None,
        list: options.list,
        filter: options.filter.clone(),
        functions: !options.keys_only,
        prove: None,
        copies: false,
        chooses: false,
        parts: false,
        rooms: Rooms::default(),
    };
    let form = ConvertOptions { form: OutputForm::Aof, ..ConvertOptions::default() };
    let mut output = Output::begin(file, &form, &target, false)?;
    let mut root = Encoder::root(&plan, &mut output as &mut dyn Take);
    let fresh = || Encoder::batch(&plan);
    let ran = keys.tally(name, how, &fresh, &mut root)?;
    let mut counts = root.into_counts();
    if let Some(run) = &ran {
        note_lost_metadata(run, &options.filter, options.list, &mut counts.losses)?;
    }
    let losses = listed(counts.losses);
    if !options.lossy
        && let Some(sentence) = refusal(&target, &losses)
    {
        return Err(Error::Usage(format!("{name}: {sentence}")));
    }
    output.finish()?;
    file.flush().map_err(|cause| file.failed(cause))?;
    std::mem::forget(ran);
    Ok(ExportReport {
        keys_read: counts.keys,
        keys_written: counts.written,
        functions: counts.functions,
        losses,
        ..ExportReport::new(name, ExportForm::Resp.name())
    })
}
