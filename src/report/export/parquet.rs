//! Elements as a Parquet file: typed columns, zstd, row groups of bounded size.
//!
//! ```text
//! db UINT64   key BINARY   type STRING   encoding STRING   expires_at_ms INT64
//! idle_secs UINT64   frequency UINT8
//! index UINT64   id STRING   field BINARY   value BINARY   score DOUBLE
//! field_expires_at_ms UINT64
//! ```
//!
//! A row is an element; a key without one (an empty stream) has a row of its own without a value.
//! Keys and values are bytes and stay bytes: no text is guessed.

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
use crate::value::Elem;

/// A batch of rows ends when its bytes have grown so far: offsets into them are of 32 bits.
const BATCH_BYTES: usize = 32 << 20;
/// So many rows are a batch, too.
const BATCH_ROWS: usize = 128 << 10;
/// A row group ends when it has grown so far, encoded.
const GROUP_BYTES: usize = 64 << 20;

/// The columns.
fn schema() -> SchemaRef {
    let column =
        |name: &str, kind: DataType, may_be_missing: bool| Field::new(name, kind, may_be_missing);
    Arc::new(Schema::new(vec![
        column("db", DataType::UInt64, false),
        column("key", DataType::Binary, false),
        column("type", DataType::Utf8, false),
        column("encoding", DataType::Utf8, false),
        column("expires_at_ms", DataType::Int64, true),
        column("idle_secs", DataType::UInt64, true),
        column("frequency", DataType::UInt8, true),
        column("index", DataType::UInt64, true),
        column("id", DataType::Utf8, true),
        column("field", DataType::Binary, true),
        column("value", DataType::Binary, true),
        column("score", DataType::Float64, true),
        column("field_expires_at_ms", DataType::UInt64, true),
    ]))
}

/// Rows on their way into batches.
#[derive(Debug, Default)]
pub(crate) struct Rows {
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
    field: BinaryBuilder,
    value: BinaryBuilder,
    score: Float64Builder,
    field_expires_at_ms: UInt64Builder,
}

impl Rows {
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
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.db.finish()),
            Arc::new(self.key.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.encoding.finish()),
            Arc::new(self.expires_at_ms.finish()),
            Arc::new(self.idle_secs.finish()),
            Arc::new(self.frequency.finish()),
            Arc::new(self.index.finish()),
            Arc::new(self.id.finish()),
            Arc::new(self.field.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.score.finish()),
            Arc::new(self.field_expires_at_ms.finish()),
        ];
        self.done.push(RecordBatch::try_new(schema(), columns)?);
        (self.rows, self.bytes) = (0, 0);
        Ok(())
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
}

impl<W: Write + Send> ParquetFile<W> {
    pub(crate) fn new(to: W) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("rdbkit {}", env!("CARGO_PKG_VERSION")))
            .build();
        let writer = ArrowWriter::try_new(to, schema(), Some(properties)).map_err(wrong)?;
        Ok(ParquetFile { writer })
    }

    /// Writes batches in their order.
    pub(crate) fn put(&mut self, batches: &[RecordBatch]) -> Result<()> {
        for batch in batches {
            self.writer.write(batch).map_err(wrong)?;
            if self.writer.in_progress_size() >= GROUP_BYTES {
                self.writer.flush().map_err(wrong)?;
            }
        }
        Ok(())
    }

    /// Writes what comes behind the rows.
    pub(crate) fn finish(self) -> Result<()> {
        self.writer.close().map(drop).map_err(wrong)
    }
}

fn wrong<E: std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    Error::io("cannot write Parquet", std::io::Error::other(error))
}
