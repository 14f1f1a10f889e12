//! Values of keys: for the eye, as exact JSON, or as raw bytes.
//!
//! A value comes as a run of [`Item`]s and goes out as it comes, so that a hash of five million
//! fields needs no more memory than its largest field.

mod human;

use std::io::{self, Write};

use super::keys::{KeyRow, push_fields};
use super::text::Style;
use super::value_json::ValueJson;
use crate::value::{Item, Kind};

/// How values are written.
#[derive(Debug, Clone, Copy)]
pub enum ValueFormat {
    /// For the eye.
    Human {
        /// With colours.
        style: Style,
        /// What times to live are counted from.
        now_ms: i64,
    },
    /// One JSON object per key and line, `rdbkit.get/1`.
    JsonLines,
    /// A string's bytes and nothing else.
    Raw,
}

/// Writes the values of keys, one after another.
#[derive(Debug)]
pub struct ValueWriter {
    form: Form,
    /// What was formatted and not yet written.
    text: Vec<u8>,
}

#[derive(Debug)]
enum Form {
    Human(human::Human),
    Json(ValueJson),
    Raw,
}

/// How much is gathered before it is written.
const GATHER: usize = 64 << 10;

impl ValueWriter {
    /// Before the first key.
    pub fn new(format: ValueFormat) -> Self {
        let form = match format {
            ValueFormat::Human { style, now_ms } => Form::Human(human::Human::new(style, now_ms)),
            ValueFormat::JsonLines => Form::Json(ValueJson::default()),
            ValueFormat::Raw => Form::Raw,
        };
        ValueWriter { form, text: Vec::new() }
    }

    /// Begins a key; `kind` is that of its value.
    pub fn begin(&mut self, row: &KeyRow<'_>, kind: Kind) {
        match &mut self.form {
            Form::Human(human) => human.begin(&mut self.text, row),
            Form::Json(json) => {
                self.text.extend_from_slice(b"{\"schema\":\"rdbkit.get/1\",");
                push_fields(&mut self.text, row);
                self.text.extend_from_slice(b",\"value\":");
                json.begin(&mut self.text, kind);
            }
            Form::Raw => {}
        }
    }

    /// Writes a part of its value.
    pub fn item(&mut self, item: &Item<'_>, out: &mut dyn Write) -> io::Result<()> {
        match &mut self.form {
            Form::Human(human) => human.item(&mut self.text, item),
            Form::Json(json) => json.item(&mut self.text, item),
            Form::Raw => {
                if let Item::Text(text) = item {
                    self.text.extend_from_slice(text.bytes(&mut itoa::Buffer::new()));
                }
            }
        }
        if self.text.len() >= GATHER { self.flush(out) } else { Ok(()) }
    }

    /// Ends the key.
    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match &mut self.form {
            Form::Human(human) => human.end(&mut self.text),
            Form::Json(json) => {
                json.end(&mut self.text);
                self.text.extend_from_slice(b"}\n");
            }
            Form::Raw => {}
        }
        self.flush(out)
    }

    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let done = out.write_all(&self.text);
        self.text.clear();
        done
    }
}
