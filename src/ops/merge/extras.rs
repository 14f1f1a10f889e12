//! What sources have beside their keys: function libraries, and what modules remember.

use indexmap::IndexMap;

use super::OnConflict;
use crate::aof::write::CommandWriter;
use crate::bytes::quoted;
use crate::engine::library_name;
use crate::error::{Error, Result};
use crate::ops::convert::counts::Counts;
use crate::ops::convert::encode::{Chunk, Plan};
use crate::rdb::write::{Loss, Sink};
use crate::rdb::{ModuleId, Record, opcode};

/// A function library, or what a module remembers before or behind the keys.
#[derive(Debug)]
pub(super) struct Extra {
    /// What there is one of.
    name: String,
    is_function: bool,
    /// The code of a library; else the record, opcode and all.
    bytes: Vec<u8>,
}

impl Extra {
    /// What a record holds of this.
    pub(super) fn of(record: &Record<'_>) -> Option<Self> {
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
                let mut sink = Sink::new(true);
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
        let name = format!("the function library {}", quoted(&library_name(&code)));
        Some(Extra { name, is_function: true, bytes: code })
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

    /// One of each name, in the form of the output. What differs and is not to be decided is a
    /// failure; what the output cannot hold is counted.
    pub(super) fn chunk(
        &self,
        plan: &Plan,
        ranks: &[usize],
        on_conflict: OnConflict,
        names: &[&str],
        counts: &mut Counts,
    ) -> Result<Chunk> {
        let rank = |source: usize| ranks.get(source).copied().unwrap_or_default();
        let name = |source: usize| names.get(source).copied().unwrap_or_default();
        let target = &plan.target;
        let mut chunk = Chunk::default();
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
            let (fits, loss) = match extra.is_function {
                true => (target.has_functions(), Loss::Function),
                false => (plan.snapshot && target.has_module_aux(), Loss::ModuleAux),
            };
            if !fits {
                counts.losses.entry(loss).or_default().count += 1;
                continue;
            }
            counts.functions += u64::from(extra.is_function);
            match (extra.is_function, plan.snapshot) {
                (true, true) => {
                    let mut sink = Sink::new(true);
                    sink.byte(opcode::FUNCTION);
                    sink.text(&extra.bytes);
                    chunk.bytes.extend_from_slice(&sink.out);
                }
                (true, false) => {
                    let mut commands = CommandWriter::new(target);
                    commands.function(&extra.bytes);
                    chunk.bytes.extend_from_slice(&commands.out);
                }
                (false, _) => chunk.bytes.extend_from_slice(&extra.bytes),
            }
        }
        Ok(chunk)
    }
}
