//! What sources have beside their keys: function libraries, and what modules remember.

use std::io::Write;

use indexmap::IndexMap;

use super::OnConflict;
use crate::bytes::quoted;
use crate::engine::library_name;
use crate::error::{Error, Result};
use crate::rdb::write::{Sink, SnapshotWriter};
use crate::rdb::{ModuleId, Record, opcode};

/// A function library, or what a module remembers before or behind the keys.
#[derive(Debug)]
pub(super) struct Extra {
    /// What there is one of.
    name: String,
    is_function: bool,
    /// The record, opcode and all.
    bytes: Vec<u8>,
}

impl Extra {
    /// What a record holds of this.
    pub(super) fn of(record: &Record<'_>) -> Option<Self> {
        let mut sink = Sink::new(true);
        let code = match record {
            Record::Function(code) => code.to_cow().ok()?.into_owned(),
            Record::FunctionPreGa { name, engine, body, .. } => [
                b"#!",
                &*engine.to_cow().ok()?,
                b" name=",
                &*name.to_cow().ok()?,
                b"\n",
                &*body.to_cow().ok()?,
            ]
            .concat(),
            Record::ModuleAux { id, when, body } => {
                sink.byte(opcode::MODULE_AUX);
                sink.length(*id);
                sink.length(2);
                sink.length(*when);
                sink.raw(body);
                let name = format!("what module type {} remembers ({when})", ModuleId(*id).name());
                return Some(Extra { name, is_function: false, bytes: sink.out });
            }
            _ => return None,
        };
        sink.byte(opcode::FUNCTION);
        sink.text(&code);
        let name = format!("the function library {}", quoted(&library_name(&code)));
        Some(Extra { name, is_function: true, bytes: sink.out })
    }
}

/// Those of all sources.
#[derive(Debug, Default)]
pub(super) struct Extras {
    all: IndexMap<String, Vec<(usize, Extra)>>,
}

impl Extras {
    pub(super) fn add(&mut self, source: usize, extra: Extra) {
        self.all.entry(extra.name.clone()).or_default().push((source, extra));
    }

    /// Writes one of each name; how many of them are functions. What differs and is not to be
    /// decided is a failure.
    pub(super) fn write<W: Write>(
        &self,
        to: &mut SnapshotWriter<W>,
        ranks: &[usize],
        on_conflict: OnConflict,
        names: &[&str],
    ) -> Result<u64> {
        let rank = |source: usize| ranks.get(source).copied().unwrap_or_default();
        let name = |source: usize| names.get(source).copied().unwrap_or_default();
        let mut functions = 0;
        for (what, all) in &self.all {
            let Some((winner, extra)) = all.iter().max_by_key(|(source, _)| rank(*source)) else {
                continue;
            };
            let other = all.iter().find(|(_, other)| other.bytes != extra.bytes);
            if let (OnConflict::Fail, Some((other, _))) = (on_conflict, other) {
                return Err(Error::Usage(format!(
                    "{what} is not the same in {} and {}; --on-conflict first, last or newest \
                     says which stays",
                    name(*winner),
                    name(*other)
                )));
            }
            let target = to.target();
            let fits =
                if extra.is_function { target.has_functions() } else { target.has_module_aux() };
            if !fits {
                return Err(Error::Usage(format!("{target} cannot hold {what}")));
            }
            to.raw(&extra.bytes)?;
            functions += u64::from(extra.is_function);
        }
        Ok(functions)
    }
}
