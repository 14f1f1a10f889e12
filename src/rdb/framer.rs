//! The framer: cuts bytes into records, however the bytes arrive.
//!
//! Its state (database, templates) is apart from the bytes, so the owner of a window can widen it
//! after [`Fault::Truncated`] and ask again: nothing has changed by then.

use std::collections::HashMap;
use std::sync::Arc;

use super::claim::Claim;
use super::entry::{Entry, Eviction};
use super::header::{Family, Header};
use super::length::{Length, length, length_or_special};
use super::record::Record;
use super::text::LZF_STRING;
use super::{Template, Text, ValueType, frame, opcode};
use crate::bytes::take::{byte, le_i32, le_i64, le_u64, take};
use crate::error::{Bad, Doing, Fault, FormatError, Parsed, bad, unwrap_bad};

/// The most names that a template is read with; a server's limit on hash fields is far above.
const MAX_TEMPLATE_BYTES: usize = 1 << 30;

/// How far behind an unknown type its key must end to be named: what stands there may be no key
/// at all, and nobody should hold a gigabyte for the sake of its name.
pub const NAMED_BYTES: usize = 64 << 10;

/// Cuts a snapshot into records.
#[derive(Debug, Clone)]
pub struct Framer {
    header: Header,
    db: u64,
    templates: Arc<HashMap<u64, Arc<Template>>>,
    carried: Kept,
    claim: Option<Claim>,
    /// Whether the value of the next key is known to end where the input does.
    ends_with_input: bool,
}

impl Framer {
    /// Starts behind the header, in database 0.
    pub fn new(header: Header) -> Self {
        Framer {
            header,
            db: 0,
            templates: Arc::default(),
            carried: Kept::default(),
            claim: None,
            ends_with_input: false,
        }
    }

    /// Magic and version.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The database of the next key.
    pub fn db(&self) -> u64 {
        self.db
    }

    /// The next record and the input behind it. `offset` is the absolute offset of `input`.
    pub fn next<'a>(
        &mut self,
        input: &'a [u8],
        offset: u64,
    ) -> Result<(Record<'a>, &'a [u8]), Box<FormatError>> {
        let mut place = Place { doing: Doing::Opcode, key: None, value: None };
        match self.record(input, offset, &mut place) {
            Ok((rest, record)) => Ok((record, rest)),
            Err(error) => {
                self.claim = place.claim(input, offset);
                Err(place.error(input, offset, error))
            }
        }
    }

    /// The record that `input` holds from end to end, as [`next`](Self::next) or
    /// [`skip`](Self::skip) has found before: its value is not walked through once more.
    pub fn only<'a>(
        &mut self,
        input: &'a [u8],
        offset: u64,
    ) -> Result<(Record<'a>, &'a [u8]), Box<FormatError>> {
        self.ends_with_input = true;
        let found = self.next(input, offset);
        self.ends_with_input = false;
        found
    }

    /// What the value in which [`next`](Self::next) failed last claims to hold, if it was in one
    /// with a count.
    pub fn claim(&self) -> Option<Claim> {
        self.claim
    }

    /// The commonest record, a string without prefixes that is not compressed, under a key that is
    /// stored as it is, by the shortest way. Whatever is not quite that, or broken, is left to
    /// [`next`](Self::next).
    #[inline(always)]
    pub fn plain_string<'a>(&self, input: &'a [u8], offset: u64) -> Option<(Entry<'a>, &'a [u8])> {
        let (&0, at) = input.split_first()? else { return None };
        if self.carried.any() {
            return None;
        }
        let Ok((body, Length::Plain(len))) = length_or_special(at) else { return None };
        let (body, key) = take(body, len).ok()?;
        if body.first() == Some(&LZF_STRING) {
            return None;
        }
        let (rest, ()) = Text::skip(body).ok()?;
        let entry = Entry {
            db: self.db,
            key: Text::Raw(key),
            expires_at_ms: None,
            eviction: None,
            meta: None,
            value_type: ValueType::String,
            offset,
            body_offset: offset + (input.len() - body.len()) as u64,
            end: offset + (input.len() - rest.len()) as u64,
            body: between(body, rest),
            unpacked: None,
            template: None,
        };
        Some((entry, rest))
    }

    /// Steps over the next record: the same walk, but nothing is built of it. Returns whether it
    /// was a key, and the input behind it; `None` at the end marker.
    #[inline]
    pub fn skip<'a>(&mut self, input: &'a [u8], offset: u64) -> Result<Step<'a>, Box<FormatError>> {
        // The plainest entry, a key and a string without prefixes, is worth a short cut.
        let short = match input.split_first() {
            Some((&0, key)) => Text::skip(key).and_then(|(body, ())| Text::skip(body)).ok(),
            _ => self.skip_value(input),
        };
        if let Some((rest, ())) = short {
            self.carried = Kept::default();
            return Ok(Step::Entry(rest));
        }
        self.next(input, offset).map(|(record, rest)| match record {
            Record::Entry(_) => Step::Entry(rest),
            Record::End { checksum } => Step::End { checksum, rest },
            _ => Step::Other(rest),
        })
    }

    /// Steps over a key that has no other prefix than an expiry, and needs no template; what is
    /// not quite that, or broken, is left to [`next`](Self::next).
    fn skip_value<'a>(&self, input: &'a [u8]) -> Option<(&'a [u8], ())> {
        let (at, code) = match byte(input).ok()? {
            (rest, opcode::EXPIRE_MS) => byte(take(rest, 8).ok()?.0).ok()?,
            plain => plain,
        };
        let value_type = ValueType::of(self.header.family, code).ok()?;
        if matches!(value_type, ValueType::HashTemplateArray | ValueType::HashTemplateListpack) {
            return None;
        }
        let (body, ()) = Text::skip(at).ok()?;
        frame::value(body, value_type, 0).ok()
    }

    /// Whether a prefix has been read that belongs to a key behind other records.
    pub fn carries(&self) -> bool {
        self.carried.any()
    }

    /// The key of the entry that begins here, its value left alone.
    pub fn key_at<'a>(&self, input: &'a [u8]) -> Option<Text<'a>> {
        let mut at = input;
        loop {
            let (rest, code) = byte(at).ok()?;
            at = match code {
                opcode::EXPIRE_MS => le_i64(rest).ok()?.0,
                opcode::EXPIRE_SECS => le_i32(rest).ok()?.0,
                opcode::IDLE => length(rest).ok()?.0,
                opcode::FREQ => byte(rest).ok()?.0,
                opcode::KEY_META_OR_SLOT_IMPORT if self.header.family == Family::Redis => {
                    frame::key_meta(rest).ok()?.0
                }
                _ => return Text::parse(rest).ok().map(|(_, key)| key),
            };
        }
    }

    fn record<'a>(
        &mut self,
        input: &'a [u8],
        offset: u64,
        place: &mut Place<'a>,
    ) -> Parsed<'a, Record<'a>> {
        let mut prefixes = Prefixes::from(self.carried);
        let mut at = input;
        loop {
            let (rest, code) = byte(at)?;
            let family = self.header.family;
            let after = match code {
                opcode::EXPIRE_MS => {
                    place.doing = Doing::Record("EXPIRETIME_MS");
                    let (rest, ms) = le_i64(rest)?;
                    prefixes.expires_at_ms = Some(ms);
                    rest
                }
                opcode::EXPIRE_SECS => {
                    place.doing = Doing::Record("EXPIRETIME");
                    let (rest, secs) = le_i32(rest)?;
                    prefixes.expires_at_ms = Some(i64::from(secs) * 1000);
                    rest
                }
                opcode::IDLE => {
                    place.doing = Doing::Record("IDLE");
                    let (rest, secs) = length(rest)?;
                    prefixes.eviction = Some(Eviction::IdleSecs(secs));
                    rest
                }
                opcode::FREQ => {
                    place.doing = Doing::Record("FREQ");
                    let (rest, frequency) = byte(rest)?;
                    prefixes.eviction = Some(Eviction::Frequency(frequency));
                    rest
                }
                opcode::KEY_META_OR_SLOT_IMPORT if family == Family::Redis => {
                    place.doing = Doing::Record("KEY_META");
                    let (after, ()) = frame::key_meta(rest)?;
                    prefixes.meta = Some(between(rest, after));
                    // Another prefix here is what Redis 8.10.2 refuses.
                    if let Some(&code) = after.first()
                        && code >= opcode::KEY_META_OR_SLOT_IMPORT
                    {
                        return bad(after, Fault::KeyMetaOrder { byte: code });
                    }
                    after
                }
                code if code >= opcode::TEMPLATE_OR_UPDATE => {
                    let found = self.opcode(at, rest, code, place)?;
                    // Servers keep an expiry for the next key whatever stands in between, and
                    // KeyDB writes AUX fields there.
                    self.carried = prefixes.kept();
                    return Ok(found);
                }
                code => {
                    let found = self.entry(input, at, rest, code, offset, prefixes, place)?;
                    self.carried = Kept::default();
                    return Ok(found);
                }
            };
            at = after;
            place.doing = Doing::Opcode;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call, kept apart for the reader's sake")]
    #[inline]
    fn entry<'a>(
        &self,
        input: &'a [u8],
        at: &'a [u8],
        rest: &'a [u8],
        code: u8,
        offset: u64,
        prefixes: Prefixes<'a>,
        place: &mut Place<'a>,
    ) -> Parsed<'a, Record<'a>> {
        let value_type = match ValueType::of(self.header.family, code) {
            Ok(value_type) => value_type,
            Err(fault) => {
                // The key behind an unknown type can still be named, unless it is absurd. What
                // stands behind an opcode of another family is no key.
                if !matches!(fault, Fault::ForeignOpcode { .. }) {
                    let near = rest.get(..NAMED_BYTES).unwrap_or(rest);
                    place.key = Text::parse(near).ok().map(|(_, key)| key);
                }
                return bad(at, fault);
            }
        };
        place.doing = Doing::Key;
        let (body, key) = Text::parse(rest)?;
        place.doing = Doing::Value(value_type.label());
        place.key = Some(key);
        place.value = Some((body, value_type));
        let (body, template) = match value_type {
            ValueType::HashTemplateListpack => (body, self.template_of_listpack(body)?),
            ValueType::HashTemplateArray => {
                let (rest, template) = self.template(body)?;
                (rest, Some(template))
            }
            _ => (body, None),
        };
        let names = template.as_ref().map_or(0, |t| t.names.len() as u64);
        let (rest, ()) = match self.ends_with_input {
            true => (body.get(body.len()..).unwrap_or_default(), ()),
            false => frame::value(body, value_type, names)?,
        };
        let position = |slice: &[u8]| offset + (input.len() - slice.len()) as u64;
        let entry = Entry {
            db: self.db,
            key,
            expires_at_ms: prefixes.expires_at_ms,
            eviction: prefixes.eviction,
            meta: prefixes.meta,
            value_type,
            offset,
            body_offset: position(body),
            end: position(rest),
            body: between(body, rest),
            unpacked: None,
            template,
        };
        Ok((rest, Record::Entry(entry)))
    }

    /// The template whose id stands before the values.
    fn template<'a>(&self, body: &'a [u8]) -> Parsed<'a, Arc<Template>> {
        let (rest, id) = length(body)?;
        match self.templates.get(&id) {
            Some(template) => Ok((rest, Arc::clone(template))),
            None => bad(body, Fault::TemplateUnknown { id }),
        }
    }

    /// The template whose id is the first entry of the listpack. An entry that is no integer, or
    /// an id that is not known, is left to the reader of the value: the frame is whole all the same.
    fn template_of_listpack<'a>(
        &self,
        body: &'a [u8],
    ) -> Result<Option<Arc<Template>>, nom::Err<Bad<'a>>> {
        let (_, text) = Text::parse(body)?;
        let mut head = [0; 6 + 9];
        let have = text.prefix(&mut head).unwrap_or(0);
        let id = head.get(6..have).and_then(super::packed::first_integer);
        Ok(id.and_then(|id| u64::try_from(id).ok()).and_then(|id| self.templates.get(&id).cloned()))
    }

    fn opcode<'a>(
        &mut self,
        at: &'a [u8],
        rest: &'a [u8],
        code: u8,
        place: &mut Place<'a>,
    ) -> Parsed<'a, Record<'a>> {
        let name = |name| Doing::Record(name);
        match (code, self.header.family) {
            (opcode::EOF, _) => {
                place.doing = Doing::Checksum;
                if !self.header.has_checksum() {
                    return Ok((rest, Record::End { checksum: None }));
                }
                let (rest, checksum) = le_u64(rest)?;
                Ok((rest, Record::End { checksum: Some(checksum) }))
            }
            (opcode::SELECT_DB, _) => {
                place.doing = name("SELECTDB");
                let (rest, db) = length(rest)?;
                self.db = db;
                Ok((rest, Record::SelectDb(db)))
            }
            (opcode::RESIZE_DB, _) => {
                place.doing = name("RESIZEDB");
                let (rest, keys) = length(rest)?;
                let (rest, expires) = length(rest)?;
                Ok((rest, Record::ResizeDb { keys, expires }))
            }
            (opcode::AUX, _) => {
                place.doing = name("AUX");
                let (rest, name) = Text::parse(rest)?;
                let (rest, value) = Text::parse(rest)?;
                Ok((rest, Record::Aux { name, value }))
            }
            (opcode::MODULE_AUX, _) => {
                place.doing = name("MODULE_AUX");
                let (rest, id) = length(rest)?;
                let (after, opcode) = length(rest)?;
                if opcode != 2 {
                    return bad(rest, Fault::ModuleOpcode { opcode });
                }
                let (body, when) = length(after)?;
                let (rest, ()) = frame::module(body)?;
                Ok((rest, Record::ModuleAux { id, when, body: between(body, rest) }))
            }
            (opcode::FUNCTION, _) => {
                place.doing = name("FUNCTION2");
                let (rest, code) = Text::parse(rest)?;
                Ok((rest, Record::Function(code)))
            }
            (opcode::FUNCTION_PRE_GA, _) => {
                place.doing = name("FUNCTION_PRE_GA");
                let (rest, name) = Text::parse(rest)?;
                let (rest, engine) = Text::parse(rest)?;
                let (rest, described) = length(rest)?;
                let (rest, description) = if described != 0 {
                    let (rest, text) = Text::parse(rest)?;
                    (rest, Some(text))
                } else {
                    (rest, None)
                };
                let (rest, body) = Text::parse(rest)?;
                Ok((rest, Record::FunctionPreGa { name, engine, description, body }))
            }
            (opcode::SLOT_INFO, _) => {
                place.doing = name("SLOT_INFO");
                let (rest, slot) = length(rest)?;
                let (rest, keys) = length(rest)?;
                let (rest, expires) = length(rest)?;
                Ok((rest, Record::SlotInfo { slot, keys, expires }))
            }
            (opcode::KEY_META_OR_SLOT_IMPORT, Family::Valkey) => {
                place.doing = name("SLOT_IMPORT");
                let (ranges, job) = Text::parse(rest)?;
                let job = match job {
                    Text::Raw(job) if job.len() == 40 => job,
                    other => {
                        return bad(rest, Fault::OpcodeValue { value: other.len(), limit: 40 });
                    }
                };
                let (mut rest, n) = length(ranges)?;
                for _ in 0..n {
                    rest = length(length(rest)?.0)?.0;
                }
                Ok((rest, Record::SlotImport { job, ranges: between(ranges, rest) }))
            }
            (opcode::TEMPLATE_OR_UPDATE, Family::Redis) => {
                place.doing = name("HASH_TEMPLATE");
                let (rest, template) = self.define(rest)?;
                Ok((rest, template))
            }
            // Valkey 9.2 is said to write commands here; no server that runs has shown it.
            (code, Family::Valkey) => bad(at, Fault::UnverifiedType { byte: code }),
            (code, Family::Redis) => bad(at, Fault::UnknownType { byte: code }),
        }
    }

    /// A template: its id and names, kept for the hashes that refer to it. Redis 8.10.2 refuses
    /// repeated ids, no names, and names out of order.
    fn define<'a>(&mut self, input: &'a [u8]) -> Parsed<'a, Record<'a>> {
        let (rest, id) = length(input)?;
        if self.templates.contains_key(&id) {
            return bad(input, Fault::TemplateDuplicate { id });
        }
        let (body, count) = length(rest)?;
        if count == 0 {
            return bad(rest, Fault::EmptyValue);
        }
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let mut total = 0usize;
        let mut at = body;
        for index in 0..count {
            let (rest, text) = Text::parse(at)?;
            let name = match text.to_cow() {
                Ok(name) => name,
                Err(fault) => return bad(at, fault),
            };
            total += name.len();
            if total > MAX_TEMPLATE_BYTES {
                return bad(
                    at,
                    Fault::OpcodeValue { value: total as u64, limit: MAX_TEMPLATE_BYTES as u64 },
                );
            }
            if names.last().is_some_and(|last| (last.len(), &**last) >= (name.len(), &*name)) {
                return bad(at, Fault::TemplateOrder { index });
            }
            names.push(name.into());
            at = rest;
        }
        Arc::make_mut(&mut self.templates).insert(id, Arc::new(Template { id, names }));
        Ok((at, Record::HashTemplate { id, names: count, body: between(body, at) }))
    }
}

/// What [`Framer::skip`] stepped over.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A key.
    Entry(&'a [u8]),
    /// Another record.
    Other(&'a [u8]),
    /// The end marker.
    End {
        /// The checksum as stored, where the version has one.
        checksum: Option<u64>,
        /// What follows it.
        rest: &'a [u8],
    },
}

/// What stood before a key.
#[derive(Default)]
struct Prefixes<'a> {
    expires_at_ms: Option<i64>,
    eviction: Option<Eviction>,
    meta: Option<&'a [u8]>,
}

/// Of those, what outlives another record in between.
#[derive(Debug, Default, Clone, Copy)]
struct Kept {
    expires_at_ms: Option<i64>,
    eviction: Option<Eviction>,
}

impl Kept {
    fn any(&self) -> bool {
        self.expires_at_ms.is_some() || self.eviction.is_some()
    }
}

impl Prefixes<'_> {
    fn kept(&self) -> Kept {
        Kept { expires_at_ms: self.expires_at_ms, eviction: self.eviction }
    }
}

impl From<Kept> for Prefixes<'_> {
    fn from(kept: Kept) -> Self {
        Prefixes { expires_at_ms: kept.expires_at_ms, eviction: kept.eviction, meta: None }
    }
}

/// What was being read, for the error message.
struct Place<'a> {
    doing: Doing,
    key: Option<Text<'a>>,
    value: Option<(&'a [u8], ValueType)>,
}

impl Place<'_> {
    #[cold]
    fn claim(&self, input: &[u8], offset: u64) -> Option<Claim> {
        let (body, ty) = self.value?;
        Claim::of(body, ty, offset + (input.len() - body.len()) as u64)
    }

    #[cold]
    fn error(&self, input: &[u8], offset: u64, error: nom::Err<Bad<'_>>) -> Box<FormatError> {
        let bad = unwrap_bad(error);
        Box::new(FormatError {
            file: None,
            offset: offset + (input.len() - bad.at.len()) as u64,
            doing: self.doing,
            key: self.key.and_then(|key| key.to_cow().ok()).map(std::borrow::Cow::into_owned),
            fault: bad.fault,
        })
    }
}

/// The bytes between two ends of one slice.
#[inline]
fn between<'a>(from: &'a [u8], to: &[u8]) -> &'a [u8] {
    from.get(..from.len() - to.len()).unwrap_or_default()
}
