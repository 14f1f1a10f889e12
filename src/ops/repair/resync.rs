//! Where a snapshot goes on behind damage: the next record that can be believed in.
//!
//! ```text
//! …entry│entry with a broken frame            │entry│entry│entry│…
//!        ▲ lost from here                      ▲ here something begins that reads like records
//! ```
//!
//! Nothing marks the start of a record, and short values read like one: three zero bytes are an
//! empty string under an empty key. So a place is believed in only if several records follow each
//! other from there, each of them sound inside, and if the first key looks like the keys of this
//! file: text, where those before it were text. The danger is the cost of trying: a length that
//! lies makes every attempt walk far, so the walking is rationed.

use std::ops::ControlFlow;

use super::snapshot::is_fatal;
use crate::rdb::object::Checker;
use crate::rdb::{Entry, Framer, Record, opcode};

/// So many records must follow each other.
const CHAIN: usize = 4;

/// How far an attempt may walk at first.
const NEAR_BYTES: usize = 1 << 20;

/// How far it may walk when the ration is used up.
const POOR_BYTES: usize = 4 << 10;

/// Databases beyond this are not believed in.
const LIKELY_DATABASES: u64 = 1 << 14;

/// What is known of a file so far.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    keys: u64,
    text_keys: u64,
    walked: u64,
}

impl Likeness {
    /// Takes in a key that is sound.
    pub(super) fn note(&mut self, key: &[u8]) {
        self.keys += 1;
        self.text_keys += u64::from(is_text(key));
    }

    /// Whether keys of this file are text.
    fn is_text(&self) -> bool {
        self.text_keys * 10 >= self.keys * 9
    }

    /// Where records go on in `bytes`, at `from` or behind. `framer` is as it was before the
    /// damage.
    pub(super) fn find(
        &mut self,
        bytes: &[u8],
        from: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let ration = (bytes.len() as u64).saturating_mul(16).saturating_add(64 << 20);
        let mut at = from;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let near = if self.walked < ration { NEAR_BYTES } else { POOR_BYTES };
            if may_begin(rest) && self.is_believable(rest, near, framer, checker) {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    fn is_believable(
        &mut self,
        bytes: &[u8],
        near: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> bool {
        let mut framer = framer.clone();
        let mut rest = bytes;
        let (mut records, mut keys) = (0, 0);
        let wanted = if self.is_text() { CHAIN } else { 2 * CHAIN };
        while records < wanted {
            let window = rest.get(..near).unwrap_or(rest);
            let is_cut = window.len() < rest.len();
            let mut step = framer.next(window, 0);
            if let Err(error) = &step {
                self.walked += error.offset.max(64);
                // A large value under a key that convinces is worth a second look.
                let large = is_cut && near > POOR_BYTES && error.fault.is_truncated();
                if large && error.key.as_deref().is_some_and(|key| !key.is_empty() && is_text(key))
                {
                    step = framer.next(rest, 0);
                    if let Err(error) = &step {
                        self.walked += error.offset;
                    }
                }
            }
            let record = match step {
                Ok((record, behind)) => {
                    self.walked += (rest.len() - behind.len()) as u64;
                    rest = behind;
                    record
                }
                // The data may be cut as well as damaged.
                Err(error) => return keys >= 2 && error.fault.is_truncated() && !is_cut,
            };
            records += 1;
            match self.judge(&record, rest, keys, checker) {
                Judged::Wrong => return false,
                Judged::Key => keys += 1,
                Judged::Other => {}
                Judged::End => return true,
            }
        }
        true
    }

    fn judge(
        &self,
        record: &Record<'_>,
        behind: &[u8],
        keys: usize,
        checker: &mut Checker,
    ) -> Judged {
        let likely = match record {
            Record::Entry(entry) => {
                return match self.is_likely(entry, checker) {
                    true => Judged::Key,
                    false => Judged::Wrong,
                };
            }
            // At the very end, or before a log.
            Record::End { .. } => {
                return match behind.first() {
                    None | Some(b'*' | b'#') => Judged::End,
                    Some(_) => Judged::Wrong,
                };
            }
            Record::SelectDb(db) => *db < LIKELY_DATABASES,
            Record::ResizeDb { keys: hint, expires } => expires <= hint,
            Record::SlotInfo { slot, .. } => *slot < 16384,
            Record::Aux { name, value } => {
                name.to_cow().is_ok_and(|name| !name.is_empty() && is_text(&name))
                    && value.to_cow().is_ok()
            }
            Record::Function(code) => code.to_cow().is_ok_and(|code| code.starts_with(b"#!")),
            // A prefix of the others alone convinces nobody.
            _ => keys > 0,
        };
        if likely { Judged::Other } else { Judged::Wrong }
    }

    fn is_likely(&self, entry: &Entry<'_>, checker: &mut Checker) -> bool {
        let Ok(key) = entry.key_bytes() else { return false };
        if self.is_text() && (key.is_empty() || !is_text(&key)) {
            return false;
        }
        if entry.expires_at_ms.is_some_and(|ms| !(0..=1 << 46).contains(&ms)) {
            return false;
        }
        let mut sound = true;
        let done = checker.check(entry, &mut |problem| sound &= !is_fatal(&problem));
        done.is_ok() && sound
    }
}

enum Judged {
    Key,
    Other,
    End,
    Wrong,
}

/// Whether a record may begin like this: nearly all bytes are told apart by the first.
fn may_begin(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(0..=32) => true,
        Some(&code) => code >= opcode::TEMPLATE_OR_UPDATE,
        None => false,
    }
}

/// Whether a key reads as text.
fn is_text(key: &[u8]) -> bool {
    let control = key.iter().try_for_each(|&byte| match byte {
        0..=31 | 127 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    control.is_continue() && (key.is_ascii() || std::str::from_utf8(key).is_ok())
}
