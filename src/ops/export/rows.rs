//! Rows and objects: made of batches on any thread, written in the order of the file.

use std::ops::ControlFlow;

use super::ExportForm;
use crate::bytes::rooms::Rooms;
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::memory::{Estimator, longest};
use crate::ops::encoding;
use crate::ops::filter::Filter;
use crate::ops::keys::row as key_row;
use crate::ops::walk::Tally;
use crate::rdb::write::Sink;
use crate::rdb::{Entry, Record, Text};
use crate::report::export::row::{self, RowRoom};
use crate::report::export::{rdbtools, table};
use crate::target::AtomicFile;
use crate::value::Kind;

/// What is written of each key.
pub(super) struct Plan<'o> {
    pub(super) form: ExportForm,
    pub(super) filter: &'o Filter,
    pub(super) keys_only: bool,
    /// Where rows say what a key takes in memory.
    pub(super) memory: Option<&'o Estimator>,
    /// Room of batches that have been written, for those to come.
    pub(super) rooms: Rooms,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) keys: u64,
    pub(super) written: u64,
    pub(super) rows: u64,
    pub(super) functions: u64,
}

pub(super) struct Rows<'p> {
    plan: &'p Plan<'p>,
    text: Vec<u8>,
    /// Of a document: what is no key, which comes behind them.
    others: Vec<u8>,
    counts: Counts,
    /// Where it all goes; batches have none.
    out: Option<&'p mut AtomicFile>,
    /// Whether a document has a key already.
    begun: bool,
}

impl<'p> Rows<'p> {
    pub(super) fn batch(plan: &'p Plan<'p>) -> Self {
        let (text, others, counts) = (plan.rooms.take(), Vec::new(), Counts::default());
        Rows { plan, text, others, counts, out: None, begun: false }
    }

    pub(super) fn root(plan: &'p Plan<'p>, out: &'p mut AtomicFile) -> Self {
        Rows { out: Some(out), ..Rows::batch(plan) }
    }

    /// Writes what comes behind the keys.
    pub(super) fn finish(mut self) -> Result<Counts> {
        if let (ExportForm::Json, Some(out)) = (self.plan.form, &mut self.out) {
            let mut text = b"\n]".to_vec();
            if !self.plan.keys_only {
                row::end_document(&mut text, &self.others);
            }
            text.extend_from_slice(b"}\n");
            out.put(&text)?;
        }
        Ok(self.counts)
    }

    /// Appends what is no key by `push`, where the form has a place for it.
    fn other(&mut self, push: impl FnOnce(&mut Vec<u8>)) {
        match self.plan.form {
            ExportForm::Ndjson => {
                push(&mut self.text);
                self.text.push(b'\n');
            }
            ExportForm::Json => {
                self.others.extend_from_slice(b",\n");
                push(&mut self.others);
            }
            _ => {}
        }
    }

    /// Appends what there is of a key. Where that fails, part of it stands there.
    fn push_entry(&mut self, entry: &Entry<'_>, room: &mut RowRoom) -> Result<()> {
        match self.plan.form {
            ExportForm::Ndjson => {
                row::push_key(&mut self.text, entry, encoding::encoding(entry), room)?;
                self.text.push(b'\n');
            }
            ExportForm::Json => {
                self.text.extend_from_slice(b",\n");
                row::push_key(&mut self.text, entry, encoding::encoding(entry), room)?;
            }
            ExportForm::Csv => {
                let key = entry.key_bytes()?;
                table::push_key(&mut self.text, entry, &key_row(entry, &key)?, room)?;
            }
            ExportForm::CsvMemory => {
                let (key, scratch) = (entry.key_bytes()?, &mut room.scratch);
                let usage = self.plan.memory.map(|memory| memory.usage(entry, scratch));
                let usage = usage.transpose()?.unwrap_or_default();
                let longest = longest(entry, scratch, rdbtools::integer)?;
                rdbtools::push_key(&mut self.text, &key_row(entry, &key)?, usage, longest);
            }
            ExportForm::CsvElements => {
                let key = entry.key_bytes()?;
                let text = &mut self.text;
                self.counts.rows += table::push_elements(text, entry, &key, room, &mut |_| Ok(()))?;
            }
            // These are no rows of text.
            ExportForm::Parquet | ExportForm::ParquetTypes | ExportForm::Resp => {}
        }
        Ok(())
    }

    /// Appends what there is of a key that holds a string and nothing besides, where that is short;
    /// whether it is.
    #[inline]
    fn push_string(&mut self, entry: &Entry<'_>, room: &mut RowRoom) -> Result<bool> {
        let (form, text) = (self.plan.form, &mut self.text);
        match (form, entry.key, self.plan.memory) {
            (ExportForm::Ndjson, ..) => Ok(room.line.push(text, entry, b"", b"\n")),
            (ExportForm::Json, ..) => Ok(room.line.push(text, entry, b",\n", b"")),
            (ExportForm::CsvMemory, Text::Raw(key), Some(memory)) => {
                let usage = memory.usage(entry, &mut room.scratch)?;
                let longest = longest(entry, &mut room.scratch, rdbtools::integer)?;
                Ok(rdbtools::push_string(text, entry.db, key, usage, longest))
            }
            _ => Ok(false),
        }
    }

    fn other_record(&mut self, record: &Record<'_>) -> Result<(), Fault> {
        match record {
            Record::Aux { name, value } => {
                let (name, value) = (name.to_cow()?, value.to_cow()?);
                self.other(|out| row::push_aux(out, &name, &value));
            }
            Record::Function(code) => {
                let code = code.to_cow()?;
                self.counts.functions += 1;
                self.other(|out| row::push_function(out, &code));
            }
            Record::FunctionPreGa { name, engine, body, .. } => {
                let code = [
                    b"#!",
                    &*engine.to_cow()?,
                    b" name=",
                    &*name.to_cow()?,
                    b"\n",
                    &*body.to_cow()?,
                ]
                .concat();
                self.counts.functions += 1;
                self.other(|out| row::push_function(out, &code));
            }
            Record::ModuleAux { id, when, body } => {
                let mut sink = Sink::new(false);
                sink.length(*id);
                sink.length(2);
                sink.length(*when);
                sink.raw(body);
                self.other(|out| row::push_module_aux(out, *id, &sink.out));
            }
            // Databases are named by each key; sizes, slots and templates are made anew.
            _ => {}
        }
        Ok(())
    }
}

impl Tally for Rows<'_> {
    type Room = RowRoom;

    #[inline]
    fn entry(&mut self, entry: &Entry<'_>, room: &mut RowRoom) -> Result<()> {
        self.counts.keys += 1;
        if !self.plan.filter.matches(entry)? {
            return Ok(());
        }
        let begun = self.text.len();
        if let Err(error) = self.push_entry(entry, room) {
            // Whoever reads the output as it comes gets whole rows.
            self.text.truncate(begun);
            return Err(error);
        }
        self.counts.written += 1;
        Ok(())
    }

    #[inline]
    fn plain_string(&mut self, entry: &Entry<'_>, room: &mut RowRoom) -> Result<()> {
        if !self.plan.filter.matches(entry)? || !self.push_string(entry, room)? {
            return self.entry(entry, room);
        }
        self.counts.keys += 1;
        self.counts.written += 1;
        Ok(())
    }

    fn huge(&mut self, entry: &Entry<'_>, room: &mut RowRoom) -> Result<bool> {
        let is_string = entry.value_type.kind() == Kind::String;
        let (before, behind): (&[u8], &[u8]) = match self.plan.form {
            ExportForm::Ndjson => (b"", b"\n"),
            ExportForm::Json if self.begun => (b",\n", b""),
            ExportForm::Json => (b"\n", b""),
            ExportForm::Csv | ExportForm::CsvElements if !is_string => (b"", b""),
            _ => return Ok(false),
        };
        let Some(out) = &mut self.out else { return Ok(false) };
        self.counts.keys += 1;
        if !self.plan.filter.matches(entry)? {
            return Ok(true);
        }
        // Whoever reads the output as it comes gets whole rows: it must not break half-way.
        entry.visit(&mut room.scratch, |_| ControlFlow::Continue(()))?;
        let mut put = |text: &mut Vec<u8>| {
            let done = out.put(text);
            text.clear();
            done
        };
        let mut text = before.to_vec();
        match self.plan.form {
            ExportForm::Csv => {
                let key = entry.key_bytes()?;
                table::push_huge_key(&mut text, entry, &key_row(entry, &key)?, room, &mut put)?;
            }
            ExportForm::CsvElements => {
                let key = entry.key_bytes()?;
                self.counts.rows += table::push_elements(&mut text, entry, &key, room, &mut put)?;
            }
            _ => {
                let encoding = encoding::encoding(entry);
                row::push_huge_key(&mut text, entry, encoding, room, &mut put)?;
            }
        }
        text.extend_from_slice(behind);
        put(&mut text)?;
        self.begun = true;
        self.counts.written += 1;
        Ok(true)
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, _: &mut RowRoom) -> Result<()> {
        if self.plan.keys_only {
            return Ok(());
        }
        self.other_record(record).map_err(|fault| {
            let doing = Doing::Record("AUX, FUNCTION2");
            Error::from(Box::new(FormatError { file: None, offset, doing, key: None, fault }))
        })
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        let Counts { keys, written, rows, functions } = later.counts;
        self.counts.keys += keys;
        self.counts.written += written;
        self.counts.rows += rows;
        self.counts.functions += functions;
        self.others.extend_from_slice(&later.others);
        let mut text = later.text.as_slice();
        if self.plan.form == ExportForm::Json && !self.begun && !text.is_empty() {
            self.begun = true;
            // In front of the first there is nothing to be separated from.
            text = text.strip_prefix(b",").unwrap_or(text);
        }
        let done = match &mut self.out {
            Some(out) => out.put(text),
            None => Ok(()),
        };
        self.plan.rooms.give(later.text);
        done
    }
}
