//! Records that are no keys, into a snapshot or, as far as commands can say them, into a log.

use super::encode::{Encoder, Room};
use crate::aof::write::CommandWriter;
use crate::bytes::slot::SLOTS;
use crate::error::Result;
use crate::rdb::write::{Loss, Sink};
use crate::rdb::{Family, Record, Target, Text, is_slot_info, opcode, reads_as_slot_info};

impl Encoder<'_, '_> {
    /// Takes in a record that is no key.
    pub(super) fn write_record(
        &mut self,
        record: &Record<'_>,
        offset: u64,
        room: &mut Room,
    ) -> Result<()> {
        if let Some(digest) = &mut self.counts.digest {
            digest.add_record(record, offset, &mut room.digest)?;
        }
        let is_function = matches!(
            record,
            Record::Function(_) | Record::FunctionPreGa { .. } | Record::ModuleAux { .. }
        );
        if is_function && !self.plan.functions {
            return Ok(());
        }
        let broken = |fault| {
            Box::new(crate::error::FormatError {
                file: None,
                offset,
                doing: crate::error::Doing::Record("FUNCTION2"),
                key: None,
                fault,
            })
        };
        match record {
            Record::Function(code) => {
                if self.plan.snapshot && self.plan.same {
                    // Packed as it was.
                    let mut sink = Sink::new(true);
                    sink.byte(opcode::FUNCTION);
                    sink.same_text(code);
                    self.chunk.bytes.extend_from_slice(&sink.out);
                    self.counts.functions += 1;
                } else {
                    let code = code.to_cow().map_err(broken)?;
                    self.function(&code, room);
                }
            }
            Record::FunctionPreGa { name, engine, body, .. } => {
                let name = name.to_cow().map_err(broken)?;
                let engine = engine.to_cow().map_err(broken)?;
                let body = body.to_cow().map_err(broken)?;
                let code = [b"#!", &*engine, b" name=", &*name, b"\n", &*body].concat();
                self.function(&code, room);
            }
            Record::SelectDb(_)
            | Record::ResizeDb { .. }
            | Record::SlotInfo { .. }
            | Record::HashTemplate { .. }
                if self.plan.parts => {}
            // Hints, but such as should be true.
            Record::SelectDb(_) | Record::ResizeDb { .. } if self.plan.chooses => {}
            record if self.plan.snapshot => self.other(record),
            Record::ModuleAux { .. } => self.note_other(Loss::ModuleAux),
            Record::SlotImport { .. } => self.note_other(Loss::SlotImport),
            _ => {}
        }
        Ok(())
    }

    fn function(&mut self, code: &[u8], room: &mut Room) {
        let plan = self.plan;
        if !plan.target.has_functions() {
            self.counts.losses.entry(Loss::Function).or_default().count += 1;
            return;
        }
        self.counts.functions += 1;
        if plan.snapshot {
            let sink =
                room.sink.get_or_insert_with(|| Sink::new(plan.compress.unwrap_or(true)).lossy());
            sink.clear();
            sink.byte(opcode::FUNCTION);
            sink.text(code);
            self.chunk.bytes.extend_from_slice(&sink.out);
        } else {
            let writer = room.commands.get_or_insert_with(|| CommandWriter::new(&plan.target));
            std::mem::swap(&mut self.chunk.bytes, &mut writer.out);
            writer.function(code);
            std::mem::swap(&mut self.chunk.bytes, &mut writer.out);
        }
    }

    /// A record that is no key, into a snapshot.
    fn other(&mut self, record: &Record<'_>) {
        let plan = self.plan;
        let (target, same) = (&plan.target, plan.same);
        let mut sink = Sink::new(plan.compress.unwrap_or(true));
        match *record {
            Record::Aux { name, value } => {
                let keeps = match same {
                    true => !is_broken_slot_info(&name, &value),
                    false => name.to_cow().is_ok_and(|name| is_true_of_copies(&name, target)),
                };
                if keeps && target.has_aux() {
                    sink.byte(opcode::AUX);
                    for text in [name, value] {
                        // What cannot be unpacked has been refused before.
                        match text.to_cow() {
                            Ok(text) if plan.compress.is_some() => sink.text(&text),
                            _ => sink.same_text(&text),
                        }
                    }
                }
            }
            Record::SelectDb(db) => {
                sink.byte(opcode::SELECT_DB);
                sink.length(db);
            }
            Record::ResizeDb { keys, expires } if target.has_aux() => {
                sink.byte(opcode::RESIZE_DB);
                sink.length(keys);
                sink.length(expires);
            }
            Record::SlotInfo { slot, keys, expires } if same && slot < SLOTS.into() => {
                sink.byte(opcode::SLOT_INFO);
                sink.length(slot);
                sink.length(keys);
                sink.length(expires);
            }
            Record::ModuleAux { id, when, body } => {
                if target.has_module_aux() {
                    sink.byte(opcode::MODULE_AUX);
                    sink.length(id);
                    sink.length(2);
                    sink.length(when);
                    sink.raw(body);
                } else {
                    self.note_other(Loss::ModuleAux);
                }
            }
            // A Valkey that is no cluster node crashes on it, so it goes no further than a copy.
            Record::SlotImport { job, ranges } => {
                if same && target.header.family == Family::Valkey {
                    sink.byte(opcode::KEY_META_OR_SLOT_IMPORT);
                    sink.length(job.len() as u64);
                    sink.raw(job);
                    sink.raw(ranges);
                } else {
                    self.note_other(Loss::SlotImport);
                }
            }
            Record::HashTemplate { id, names, body } if plan.source == target.header => {
                sink.byte(opcode::TEMPLATE_OR_UPDATE);
                sink.length(id);
                sink.length(names);
                match plan.compress {
                    None => sink.raw(body),
                    Some(_) => packed_anew(&mut sink, body),
                }
            }
            _ => {}
        }
        self.chunk.bytes.extend_from_slice(&sink.out);
    }
}

/// Whether it says something of a slot that no server can read: it is only a hint, and a Valkey
/// would not start with it.
fn is_broken_slot_info(name: &Text<'_>, value: &Text<'_>) -> bool {
    name.to_cow().is_ok_and(|name| is_slot_info(&name))
        && !value.to_cow().is_ok_and(|value| reads_as_slot_info(&value))
}

/// Texts that have been read before.
fn packed_anew(sink: &mut Sink, mut texts: &[u8]) {
    while let Ok((rest, text)) = Text::parse(texts) {
        match text.to_cow() {
            Ok(text) => sink.text(&text),
            Err(_) => sink.same_text(&text),
        }
        texts = rest;
    }
}

/// Whether what an aux field says of the source holds for every copy of it.
fn is_true_of_copies(name: &[u8], target: &Target) -> bool {
    // Scripts are loaded from there by servers up to 6.2.
    name.eq_ignore_ascii_case(b"ctime")
        || (name.eq_ignore_ascii_case(b"lua") && !target.has_functions())
}
