//! Elements as Parquet files: typed columns, zstd, row groups of bounded size.
//!
//! ```text
//! db UINT64   key BINARY   type STRING   encoding STRING   expires_at_ms INT64
//! idle_secs UINT64   frequency UINT8
//! index UINT64   id STRING   field BINARY   value BINARY   score DOUBLE
//! field_expires_at_ms UINT64
//! ```
//!
//! A row is an element; a key without one (an empty stream) has a row of its own without a value.
//! Keys and values are bytes and stay bytes: no text is guessed. A table of one type has the columns
//! that its elements have, behind `db`, `key`, `encoding`, `expires_at_ms`, `idle_secs` and
//! `frequency`:
//!
//! ```text
//! string, module  value          list, array  index value      hash    field value field_expires_at_ms
//! set             member         zset         member score     stream  id id_ms id_seq field value
//! ```

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Float64Builder, Int64Builder, StringBuilder, UInt8Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::elements::{self, Element};
use crate::error::{Error, FormatError, Result};
use crate::rdb::{Entry, Eviction, Scratch};
use crate::value::{Elem, Kind};

/// A batch of rows ends when its bytes have grown so far: offsets into them are of 32 bits.
const BATCH_BYTES: usize = 32 << 20;
/// So many rows are a batch, too.
const BATCH_ROWS: usize = 128 << 10;
/// A column, in the order of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Db,
    Key,
    Type,
    Encoding,
    ExpiresAt,
    Idle,
    Frequency,
    Index,
    Id,
    IdMs,
    IdSeq,
    Field,
    Value,
    Score,
    FieldExpiresAt,
}

impl Column {
    const ALL: [Column; 15] = [
        Column::Db,
        Column::Key,
        Column::Type,
        Column::Encoding,
        Column::ExpiresAt,
        Column::Idle,
        Column::Frequency,
        Column::Index,
        Column::Id,
        Column::IdMs,
        Column::IdSeq,
        Column::Field,
        Column::Value,
        Column::Score,
        Column::FieldExpiresAt,
    ];

    /// Whether the table of a type has it; without a type, the table of all.
    fn is_in(self, of: Option<Kind>) -> bool {
        let is = |kinds: &[Kind]| of.is_none_or(|kind| kinds.contains(&kind));
        match self {
            Column::Type => of.is_none(),
            Column::IdMs | Column::IdSeq => of == Some(Kind::Stream),
            Column::Index => is(&[Kind::List, Kind::Array]),
            Column::Id => is(&[Kind::Stream]),
            Column::Field => is(&[Kind::Hash, Kind::Stream]),
            Column::Score => is(&[Kind::SortedSet]),
            Column::FieldExpiresAt => is(&[Kind::Hash]),
            _ => true,
        }
    }

    /// Its name and type.
    fn field(self, of: Option<Kind>) -> Field {
        let (name, kind) = match self {
            Column::Db => ("db", DataType::UInt64),
            Column::Key => ("key", DataType::Binary),
            Column::Type => ("type", DataType::Utf8),
            Column::Encoding => ("encoding", DataType::Utf8),
            Column::ExpiresAt => ("expires_at_ms", DataType::Int64),
            Column::Idle => ("idle_secs", DataType::UInt64),
            Column::Frequency => ("frequency", DataType::UInt8),
            Column::Index => ("index", DataType::UInt64),
            Column::Id => ("id", DataType::Utf8),
            Column::IdMs => ("id_ms", DataType::UInt64),
            Column::IdSeq => ("id_seq", DataType::UInt64),
            Column::Field => ("field", DataType::Binary),
            Column::Value if matches!(of, Some(Kind::Set | Kind::SortedSet)) => {
                ("member", DataType::Binary)
            }
            Column::Value => ("value", DataType::Binary),
            Column::Score => ("score", DataType::Float64),
            Column::FieldExpiresAt => ("field_expires_at_ms", DataType::UInt64),
        };
        let always = matches!(self, Column::Db | Column::Key | Column::Type | Column::Encoding);
        Field::new(name, kind, !always)
    }
}

/// The columns of a table: of the values of one type, or of all.
fn schema(of: Option<Kind>) -> SchemaRef {
    let columns = Column::ALL.into_iter().filter(|column| column.is_in(of));
    Arc::new(Schema::new(columns.map(|column| column.field(of)).collect::<Vec<_>>()))
}

/// Rows on their way into batches.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    of: Option<Kind>,
    done: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    db: UInt64Builder,
    key: BinaryBuilder,
    kind: StringBuilder,
    encoding: StringBuilder,
    expires_at_ms: Int64Builder,
    idle_secs: UInt64Builder,
    frequency: UInt8Builder,
    index: UInt64Builder,
    id: StringBuilder,
    id_ms: UInt64Builder,
    id_seq: UInt64Builder,
    field: BinaryBuilder,
    value: BinaryBuilder,
    score: Float64Builder,
    field_expires_at_ms: UInt64Builder,
}

impl Rows {
    /// Those of the values of one type, or of all.
    pub(crate) fn new(of: Option<Kind>) -> Self {
        Rows { of, ..Rows::default() }
    }

    /// Adds a row for each element of a key; returns how many.
    pub(crate) fn push(
        &mut self,
        entry: &Entry<'_>,
        encoding: &str,
        scratch: &mut Scratch,
    ) -> Result<u64> {
        let key = entry.key_bytes()?;
        let mut failed = None;
        let rows: std::result::Result<u64, Box<FormatError>> =
            elements::visit(entry, scratch, |element| {
                failed = failed.take().or_else(|| self.row(entry, &key, encoding, element).err());
            });
        let rows = match (rows?, failed) {
            (_, Some(error)) => return Err(wrong(error)),
            (0, None) => {
                self.row(entry, &key, encoding, &Element::default()).map_err(wrong)?;
                1
            }
            (rows, None) => rows,
        };
        Ok(rows)
    }

    fn row(
        &mut self,
        entry: &Entry<'_>,
        key: &[u8],
        encoding: &str,
        element: &Element<'_>,
    ) -> std::result::Result<(), ParquetError> {
        self.db.append_value(entry.db);
        self.key.append_value(key);
        self.kind.append_value(entry.value_type.kind().name());
        self.encoding.append_value(encoding);
        self.expires_at_ms.append_option(entry.expires_at_ms);
        let (idle, frequency) = match entry.eviction {
            Some(Eviction::IdleSecs(secs)) => (Some(secs), None),
            Some(Eviction::Frequency(frequency)) => (None, Some(frequency)),
            None => (None, None),
        };
        self.idle_secs.append_option(idle);
        self.frequency.append_option(frequency);
        self.index.append_option(element.index);
        self.id.append_option(element.id.map(|id| id.to_string()));
        self.id_ms.append_option(element.id.map(|id| id.ms));
        self.id_seq.append_option(element.id.map(|id| id.seq));
        self.bytes += push_elem(&mut self.field, element.field);
        self.bytes += push_elem(&mut self.value, element.value);
        self.score.append_option(element.score);
        self.field_expires_at_ms.append_option(element.expires_at_ms);
        self.rows += 1;
        self.bytes += key.len() + 64;
        if self.bytes >= BATCH_BYTES || self.rows >= BATCH_ROWS { self.end_batch() } else { Ok(()) }
    }

    fn end_batch(&mut self) -> std::result::Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let of = self.of;
        // All are finished, so that none grows on; what a type does not have is empty and goes.
        let columns = Column::ALL.map(|column| (column, self.column(column)));
        let columns = columns.into_iter().filter(|(column, _)| column.is_in(of));
        let columns = columns.map(|(_, array)| array).collect();
        self.done.push(RecordBatch::try_new(schema(of), columns)?);
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    fn column(&mut self, column: Column) -> ArrayRef {
        match column {
            Column::Db => Arc::new(self.db.finish()),
            Column::Key => Arc::new(self.key.finish()),
            Column::Type => Arc::new(self.kind.finish()),
            Column::Encoding => Arc::new(self.encoding.finish()),
            Column::ExpiresAt => Arc::new(self.expires_at_ms.finish()),
            Column::Idle => Arc::new(self.idle_secs.finish()),
            Column::Frequency => Arc::new(self.frequency.finish()),
            Column::Index => Arc::new(self.index.finish()),
            Column::Id => Arc::new(self.id.finish()),
            Column::IdMs => Arc::new(self.id_ms.finish()),
            Column::IdSeq => Arc::new(self.id_seq.finish()),
            Column::Field => Arc::new(self.field.finish()),
            Column::Value => Arc::new(self.value.finish()),
            Column::Score => Arc::new(self.score.finish()),
            Column::FieldExpiresAt => Arc::new(self.field_expires_at_ms.finish()),
        }
    }

    /// The batches.
    pub(crate) fn finish(mut self) -> Result<Vec<RecordBatch>> {
        self.end_batch().map_err(wrong)?;
        Ok(self.done)
    }
}

fn push_elem(column: &mut BinaryBuilder, elem: Option<Elem<'_>>) -> usize {
    match elem {
        Some(Elem::Bytes(bytes)) => {
            column.append_value(bytes);
            bytes.len()
        }
        Some(Elem::Int(n)) => {
            column.append_value(itoa::Buffer::new().format(n));
            8
        }
        None => {
            column.append_null();
            0
        }
    }
}

/// A Parquet file under way.
pub(crate) struct ParquetFile<W: Write + Send> {
    writer: ArrowWriter<W>,
    /// A row group ends when it has grown so far, encoded.
    group_bytes: usize,
}

impl<W: Write + Send> ParquetFile<W> {
    /// Begins a table of the values of one type, or of all.
    pub(crate) fn new(to: W, of: Option<Kind>, group_bytes: usize) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("rdbkit {}", env!("CARGO_PKG_VERSION")))
            .build();
        let writer = ArrowWriter::try_new(to, schema(of), Some(properties)).map_err(wrong)?;
        Ok(ParquetFile { writer, group_bytes })
    }

    /// Writes batches in their order.
    pub(crate) fn put(&mut self, batches: &[RecordBatch]) -> Result<()> {
        for batch in batches {
            self.writer.write(batch).map_err(wrong)?;
            if self.writer.in_progress_size() >= self.group_bytes {
                self.writer.flush().map_err(wrong)?;
            }
        }
        Ok(())
    }

    /// Writes what comes behind the rows, and gives back where they went.
    pub(crate) fn finish(self) -> Result<W> {
        self.writer.into_inner().map_err(wrong)
    }
}

fn wrong<E: std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    Error::io("cannot write Parquet", std::io::Error::other(error))
}
