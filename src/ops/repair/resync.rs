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
//! file: text, where those before it were text. Records of other keys are believed in if they lead
//! up to such a place without a gap. Where only the type byte is damaged, another type that fits
//! the value says where it ends. The danger is the cost of trying: a length that
//! lies makes every attempt walk far, so the walking is rationed. And the fields of some hashes read
//! like keys: see [`fields`](super::fields).

use std::ops::ControlFlow;

use super::fields::{Found, Known, read_like_keys};
use super::holes::{LEAST_BYTES, run_in};
use crate::error::{Doing, Fault, FormatError};
use crate::ops::sound::is_fatal;
use crate::rdb::object::Checker;
use crate::rdb::{Entry, Framer, Record, Text, ValueType, length, opcode};
use crate::resp::Command;

/// So many records must follow each other.
pub(super) const CHAIN: usize = 4;

/// How far an attempt may walk at first.
pub(super) const NEAR_BYTES: usize = 1 << 20;

/// How far it may walk when the ration is used up.
const POOR_BYTES: usize = 1 << 10;

/// How far before a believable place other keys are looked for.
pub(super) const BACK_BYTES: usize = 64 << 10;

/// The most that a damaged length takes of what follows it.
const SHIFT_BYTES: usize = 8;

/// Databases beyond this are not believed in.
const LIKELY_DATABASES: u64 = 1 << 14;

/// What is known of a file so far.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    pub(super) keys: u64,
    text_keys: u64,
    walked: u64,
    /// How far was walked to count keys.
    pub(super) counted: u64,
    /// Whether the keys of a database are announced, which servers since 3.2 do for each.
    pub(super) announces: bool,
    /// Whether what is looked for is behind a record that needs more bytes than there are: the
    /// file may be cut within it, and then all that follows is a part of it.
    is_cut: bool,
    /// How many keys there can be, if that is known of what is looked for.
    most_keys: Option<u64>,
}

impl Likeness {
    /// Takes in a key that is sound.
    pub(super) fn note(&mut self, key: &[u8]) {
        self.keys += 1;
        self.text_keys += u64::from(is_text(key));
    }

    /// Whether keys of this file are text.
    pub(super) fn is_text(&self) -> bool {
        self.text_keys * 10 >= self.keys * 9
    }

    /// Where records go on in `bytes` behind the record at `at`, which is broken as `error` says.
    /// `framer` is as it was before.
    pub(super) fn find(
        &mut self,
        bytes: &[u8],
        at: usize,
        error: &FormatError,
        known: Known,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<Found> {
        self.is_cut = error.fault.is_truncated();
        self.most_keys = known.left.filter(|_| self.is_cut && known.is_key);
        let found = self.find_behind(bytes, at, error, known, framer, checker);
        (self.is_cut, self.most_keys) = (false, None);
        found
    }

    fn find_behind(
        &mut self,
        bytes: &[u8],
        at: usize,
        error: &FormatError,
        mut known: Known,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<Found> {
        let mut from = at + 1;
        if let Some(found) = self.is_of_another_type(bytes, error, known.left, framer, checker) {
            return Some(found.into());
        }
        if let Doing::Value(label) = error.doing
            && read_like_keys(label)
            && let Ok(broken) = usize::try_from(error.offset)
        {
            let mut begin = known.claim.and_then(|claim| usize::try_from(claim.from()).ok());
            let near = begin.unwrap_or(at).max(broken.saturating_sub(BACK_BYTES));
            // In a hole nobody counts fields.
            if let Some(hole) =
                bytes.get(near..broken).and_then(|near| run_in(near, 2 * LEAST_BYTES))
                && bytes.get(near + hole.start).is_some_and(|byte| *byte < 32)
            {
                (known.claim, known.left, begin) = (None, None, Some(near + hole.end));
            }
            let begin = begin.unwrap_or(broken);
            if let Some(found) = self.behind_fields(bytes, begin, known, framer, checker) {
                return Some(found).filter(|found| found.at < bytes.len());
            }
            // Those before it are fields.
            if self.is_cut {
                from = from.max(broken);
            }
        }
        let found = self.first(bytes, from, framer, checker)?;
        let found = self.earlier(bytes, from, found, framer, checker).unwrap_or(found);
        Some(self.announced(bytes, found, known, framer, checker))
    }

    /// Where the entry ends whose type byte is broken, if it is that.
    pub(super) fn is_of_another_type(
        &mut self,
        bytes: &[u8],
        error: &FormatError,
        left: Option<u64>,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        match error.fault {
            Fault::UnknownType { .. }
            | Fault::ForeignOpcode { .. }
            | Fault::UnverifiedType { .. }
            | Fault::EarlyEnd => self.retyped(bytes, error.offset, left, framer, checker),
            _ => None,
        }
    }

    /// Where records go on behind a hole that began in a hash whose fields read like keys, or in
    /// none.
    pub(super) fn behind_hole(
        &mut self,
        bytes: &[u8],
        from: usize,
        has_fields: bool,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let known = Known { claim: None, left: None, is_key: true };
        if has_fields && let Some(found) = self.behind_fields(bytes, from, known, framer, checker) {
            return Some(found.at);
        }
        let found = self.first(bytes, from, framer, checker)?;
        Some(self.earlier(bytes, from, found, framer, checker).unwrap_or(found))
    }

    /// Where a SELECTDB ends whose first byte is damaged: before the size of its database.
    pub(super) fn select(
        &mut self,
        bytes: &[u8],
        at: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let (rest, db) = length(bytes.get(at + 1..)?).ok()?;
        let is_select = db < LIKELY_DATABASES
            && rest.first() == Some(&opcode::RESIZE_DB)
            && self.is_believable(rest, NEAR_BYTES, framer, checker);
        is_select.then(|| bytes.len() - rest.len())
    }

    /// Where records of keys that do not look like the others begin, if they lead up to `found`.
    fn earlier(
        &mut self,
        bytes: &[u8],
        from: usize,
        found: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let from = from.max(found.saturating_sub(BACK_BYTES));
        (from..found).find(|&start| {
            let mut framer = framer.clone();
            let mut at = start;
            for _ in 0..CHAIN {
                let Some(rest) = bytes.get(at..found).filter(|rest| may_begin(rest)) else {
                    return false;
                };
                let Ok((Record::Entry(entry), behind)) = framer.next(rest, 0) else { return false };
                let is_short = !entry.key.is_empty() && entry.key.len() < 8;
                // What comes out of zeros reads like an empty key.
                let is_of_zeros =
                    entry.key.is_empty() && bytes.get(at.saturating_sub(2)..at) == Some(&[0, 0]);
                if is_short
                    || is_of_zeros
                    || entry.body().len() < 4
                    || !is_substantial(&entry)
                    || !is_sound(&entry, checker)
                {
                    return false;
                }
                at = found - behind.len();
                if at == found {
                    return true;
                }
            }
            false
        })
    }

    /// Where an entry begins in the last bytes of the record before `at`, at which nothing can be
    /// read: a length in these bytes that lies shifts what follows.
    pub(super) fn shifted(
        &mut self,
        bytes: &[u8],
        at: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        (at.saturating_sub(SHIFT_BYTES)..at).find(|&start| {
            let rest = bytes.get(start..).unwrap_or_default();
            may_begin(rest) && self.is_believable(rest, NEAR_BYTES, framer, checker)
        })
    }

    /// Where an entry begins inside one that is not sound, and leads up to its end: what was
    /// swallowed by a count that lies.
    pub(super) fn swallowed(
        &mut self,
        bytes: &[u8],
        from: usize,
        to: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let from = from.max(to.saturating_sub(BACK_BYTES));
        (from..to).find(|&start| {
            let mut framer = framer.clone();
            let mut at = start;
            loop {
                let Some(rest) = bytes.get(at..to).filter(|rest| may_begin(rest)) else {
                    return false;
                };
                let Ok((Record::Entry(entry), behind)) = framer.next(rest, 0) else { return false };
                if !self.is_likely(&entry, checker) {
                    return false;
                }
                at = to - behind.len();
                if at == to {
                    return true;
                }
            }
        })
    }

    /// The first believable place.
    pub(super) fn first(
        &mut self,
        bytes: &[u8],
        from: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        self.first_before(bytes, from, bytes.len(), framer, checker)
    }

    /// The first one before `to`.
    pub(super) fn first_before(
        &mut self,
        bytes: &[u8],
        from: usize,
        to: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let ration = (bytes.len() as u64).saturating_mul(4).saturating_add(16 << 20);
        let mut at = from;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty() && at < to) {
            // Of zeros the last one can be the type of a string.
            let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
            if zeros >= LEAST_BYTES {
                at += zeros - 1;
                continue;
            }
            let near = if self.walked < ration { NEAR_BYTES } else { POOR_BYTES };
            if may_begin(rest) && self.is_believable(rest, near, framer, checker) {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    pub(super) fn is_believable(
        &mut self,
        bytes: &[u8],
        near: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> bool {
        self.goes_on(bytes, near, 0, framer, checker)
    }

    /// The same behind so many keys that are believed in.
    pub(super) fn goes_on(
        &mut self,
        bytes: &[u8],
        near: usize,
        mut keys: usize,
        framer: &Framer,
        checker: &mut Checker,
    ) -> bool {
        let mut framer = framer.clone();
        let mut rest = bytes;
        let mut records = 0;
        let mut most_keys = self.most_keys;
        let mut convinced = false;
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
                Err(error) => {
                    return keys >= 2 && error.fault.is_truncated() && !is_cut && !self.is_cut;
                }
            };
            records += 1;
            convinced |= keys > 0 || matches!(record, Record::Aux { .. });
            match self.judge(&record, rest, keys, convinced, checker) {
                Judged::Wrong => return false,
                Judged::Key => {
                    keys += 1;
                    if most_keys.is_some_and(|most| keys as u64 > most) {
                        return false;
                    }
                }
                Judged::Other if matches!(record, Record::SelectDb(_)) => most_keys = None,
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
        convinced: bool,
        checker: &mut Checker,
    ) -> Judged {
        let likely = match record {
            Record::Entry(entry) => {
                // The first one has to convince; others only to be sound.
                let holds = match keys {
                    0 => self.is_likely(entry, checker),
                    _ if self.is_cut => self.is_likely(entry, checker),
                    _ => is_substantial(entry) && is_sound(entry, checker),
                };
                return if holds { Judged::Key } else { Judged::Wrong };
            }
            // At the very end, or before a log.
            Record::End { .. } => {
                let is_end = behind.is_empty() || begins_log(behind);
                return if is_end { Judged::End } else { Judged::Wrong };
            }
            Record::SelectDb(db) => {
                let is_followed = behind.first() == Some(&opcode::RESIZE_DB);
                *db < LIKELY_DATABASES && (is_followed || !self.announces)
            }
            Record::ResizeDb { keys: hint, expires } => expires <= hint,
            Record::SlotInfo { slot, .. } => *slot < 16384,
            Record::Aux { name, value } => {
                name.to_cow().is_ok_and(|name| !name.is_empty() && is_text(&name))
                    && value.to_cow().is_ok()
            }
            Record::Function(code) => code.to_cow().is_ok_and(|code| code.starts_with(b"#!")),
            // A prefix of the others alone convinces nobody.
            _ => convinced,
        };
        if likely { Judged::Other } else { Judged::Wrong }
    }

    fn is_likely(&self, entry: &Entry<'_>, checker: &mut Checker) -> bool {
        let Ok(key) = entry.key_bytes() else { return false };
        if self.is_text() && (key.is_empty() || !is_text(&key)) {
            return false;
        }
        is_sound(entry, checker)
    }
}

/// Whether an entry can be what it says, inside as well.
pub(super) fn is_sound(entry: &Entry<'_>, checker: &mut Checker) -> bool {
    if entry.expires_at_ms.is_some_and(|ms| !(0..=1 << 46).contains(&ms)) {
        return false;
    }
    let mut sound = entry.key_bytes().is_ok();
    let done = checker.check(entry, &mut |problem| sound &= !is_fatal(&problem));
    done.is_ok() && sound
}

/// Whether there is enough to an entry that it is no accident: zeros read like empty strings.
fn is_substantial(entry: &Entry<'_>) -> bool {
    match entry.key_bytes() {
        Ok(key) if key.is_empty() => {
            let text = (entry.value_type == ValueType::String)
                .then(|| Text::parse(entry.body()).ok()?.1.to_cow().ok())
                .flatten();
            text.is_some_and(|text| !text.is_empty() && is_text(&text))
        }
        Ok(key) => key.iter().any(|&byte| byte != 0),
        Err(_) => false,
    }
}

enum Judged {
    Key,
    Other,
    End,
    Wrong,
}

/// Whether a record may begin like this: nearly all bytes are told apart by the first.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(0..=32) => true,
        Some(&code) => code >= opcode::TEMPLATE_OR_UPDATE,
        None => false,
    }
}

/// Whether a log begins like this.
pub(super) fn begins_log(bytes: &[u8]) -> bool {
    bytes.starts_with(b"#TS:") || Command::strict(bytes).is_some()
}

/// Whether a key reads as text.
pub(super) fn is_text(key: &[u8]) -> bool {
    let control = key.iter().try_for_each(|&byte| match byte {
        0..=31 | 127 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    control.is_continue() && (key.is_ascii() || std::str::from_utf8(key).is_ok())
}
