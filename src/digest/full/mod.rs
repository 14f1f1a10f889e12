//! Our own digest: 32 bytes that cover all that a snapshot holds.
//!
//! Two snapshots have the same one if they hold the same keys with the same values and expiry
//! times, the same metadata, function libraries and module data, however they are encoded and
//! ordered. Byte by byte (`docs/digest-full.md` explains it at length):
//!
//! ```text
//! H          SHA-256                       u8        one byte
//! u64, i64   8 bytes LE                    bytes(x)  u64 length, x
//! opt(x)     0, or 1 and x                 id        u64 ms, u64 seq
//! score      the bits of an f64 as u64, −0 as 0
//! bag{m…}    u64 count, then Σ H(m) mod 2^256 as 32 bytes LE (each H(m) read as LE)
//!
//! digest     H( bytes("rdbkit full digest 1")  bag{key}  bag{function}  bag{aux} )
//! key        u64 database  bytes(name)  value
//! value      H( bytes(kind)  opt(i64 expiry ms)  bag{metadata}  contents )
//! metadata   u64 class  parts
//! function   bytes(source)
//! aux        u64 module  u64 when  parts
//! parts      { 1 i64 | 2 u64 | 3 u64 bits of f32 | 4 u64 bits of f64 | 5 bytes | 6 u64 id }  0
//!
//! contents by kind, as TYPE names it:
//! string     bytes
//! list       { 1 bytes }  0
//! set        bag{ bytes }
//! zset       bag{ bytes(member)  score }
//! hash       bag{ bytes(field)  bytes(value)  opt(u64 expiry ms) }
//! array      { 1 u64 index  bytes }  0  opt(u64 insert index)         by ascending index
//! module     parts, the first of them 6 and the module's id
//!            of a vector set only those before its elements, then bag{ { part } of an element }
//! stream     { 1 id  u64 pairs  { bytes(field)  bytes(value) } }  0   live entries
//!            u64 length  id last  id first  id max-deleted  u64 entries-added
//!            bag{group}  u64 duration  u64 max  u64 added  u64 duplicates  bag{producer}
//! group      bytes(name)  id last  opt(u64 entries-read)
//!            bag{ id  i64 delivered ms  u64 deliveries }  bag{consumer}  u64 nacked  H({ id })
//! consumer   bytes(name)  i64 seen ms  i64 active ms  bag{ id }
//! producer   bytes(name)  { 1 bytes(iid)  id }  0
//! ```
//!
//! Not covered: encodings, order where it has no meaning, idle times and frequencies, AUX fields,
//! slot and size hints, templates as such. It is a fingerprint, not a signature: sums of hashes
//! can be forged by whoever may choose thousands of keys.

mod message;
mod module;
mod stream;

use std::fmt;
use std::ops::ControlFlow;

use self::message::Bag;
pub(super) use self::message::Message;
use self::module::Module;
use self::stream::{Stream, elem};
use super::array;
use super::hex::Hex;
use super::value::{expires_at_ms, is_gone};
use crate::error::{Doing, Fault, FormatError, Result};
use crate::rdb::{Entry, Record, Scratch};
use crate::value::{Item, Kind};

/// The name of the definition above; a change of it takes another number.
const NAME: &[u8] = b"rdbkit full digest 1";

/// The full digest of one key's expiry, metadata and value; its name and database are not part of
/// it. `None` for a container without elements: a server drops such a key.
pub fn value_digest(entry: &Entry<'_>, scratch: &mut Scratch) -> Result<Option<Hex<32>>> {
    value_digest_at(entry, None, scratch)
}

/// A digest of a value as it lies: type, metadata, bytes. Where two keys have the same one, they
/// have the same value, metadata and encoding; where not, the values may be the same all the same.
pub fn stored_digest(entry: &Entry<'_>) -> Hex<32> {
    let mut message = Message::new();
    message.bytes(entry.value_type.label().as_bytes());
    message.bytes(entry.meta.unwrap_or_default());
    if let Some(template) = entry.template() {
        for name in &template.names {
            message.bytes(name);
        }
    }
    message.bytes(entry.body());
    Hex(message.finish())
}

/// Like [`value_digest`], without the fields of a hash that had expired by `now_ms` (unix time in
/// milliseconds).
pub fn value_digest_at(
    entry: &Entry<'_>,
    now_ms: Option<i64>,
    scratch: &mut Scratch,
) -> Result<Option<Hex<32>>> {
    digest_of(entry, &Without { expired_at_ms: now_ms, ..Without::default() }, scratch)
}

/// What a digest does not look at, so that it is that of a file that cannot hold it or shall not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Without {
    /// Keys and fields of hashes that expired before this unix time (milliseconds).
    pub expired_at_ms: Option<i64>,
    /// What only streams of Redis 7.0 and newer say of themselves: it is taken for what a server
    /// makes of it that loads an older one.
    pub stream_counters: bool,
    /// Which links of a vector set are the longest: Redis 8.0 finds that out while it loads.
    pub longest_links: bool,
}

impl Without {
    /// Whether a key is left out for having expired.
    #[inline]
    pub(super) fn has_expired(&self, entry: &Entry<'_>) -> bool {
        self.expired_at_ms.is_some_and(|now| expires_at_ms(entry).is_some_and(|ms| ms < now))
    }
}

fn digest_of(
    entry: &Entry<'_>,
    without: &Without,
    scratch: &mut Scratch,
) -> Result<Option<Hex<32>>> {
    let kind = entry.value_type.kind();
    let meta = module::metadata(entry.meta).map_err(|fault| entry.error(0, fault))?;
    let mut message = Message::new();
    message.bytes(kind.name().as_bytes()).opt_i64(expires_at_ms(entry)).bag(&meta);

    let exists = match kind {
        Kind::Array => cells(&mut message, entry, scratch)?,
        _ => contents(&mut message, kind, entry, without, scratch)?,
    };
    Ok(exists.then(|| Hex(message.finish())))
}

/// The contents of all kinds but arrays; whether a server would hold the key.
fn contents(
    message: &mut Message,
    kind: Kind,
    entry: &Entry<'_>,
    without: &Without,
    scratch: &mut Scratch,
) -> Result<bool, Box<FormatError>> {
    let mut bag = Bag::default();
    let mut elements = 0_u64;
    let mut stream = Stream::default();
    let mut module = Module::new(without.longest_links);
    entry.visit(scratch, |item| {
        match item {
            Item::Text(text) => elem(message, text),
            Item::Element(text) => {
                elements += 1;
                message.u8(1);
                elem(message, text);
            }
            Item::Member(member) => {
                let mut one = Message::new();
                elem(&mut one, member);
                bag.add(one);
            }
            Item::Scored { member, score } => {
                let mut one = Message::new();
                elem(&mut one, member);
                one.score(score);
                bag.add(one);
            }
            Item::Field { expires_at_ms, .. } if is_gone(expires_at_ms, without.expired_at_ms) => {}
            Item::Field { field, value, expires_at_ms } => {
                let mut one = Message::new();
                elem(&mut one, field);
                elem(&mut one, value);
                one.opt_u64(expires_at_ms);
                bag.add(one);
            }
            Item::Module(part) => module.item(message, part),
            Item::StreamInfo(info) if without.stream_counters => {
                stream.item(message, Item::StreamInfo(info.uncounted()));
            }
            item => stream.item(message, item),
        }
        ControlFlow::Continue(())
    })?;

    Ok(match kind {
        Kind::String => true,
        Kind::List => {
            message.u8(0);
            elements > 0
        }
        Kind::Module => {
            module.end(message);
            true
        }
        Kind::Stream => {
            stream.end(message);
            true
        }
        _ => {
            message.bag(&bag);
            bag.count > 0
        }
    })
}

/// The contents of an array; whether there are any.
fn cells(
    message: &mut Message,
    entry: &Entry<'_>,
    scratch: &mut Scratch,
) -> Result<bool, Box<FormatError>> {
    let start = (message.clone(), 0_u64);
    let walked = array::cells(entry, scratch, start, |(message, count), index, text| {
        message.u8(1).u64(index).bytes(text);
        *count += 1;
        ControlFlow::Continue(())
    })?;
    let (done, count) = walked.state;
    *message = done;
    message.u8(0).opt_u64(walked.insert_index);
    Ok(count > 0)
}

/// A share of the full digest of a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    without: Without,
    keys: Bag,
    functions: Bag,
    aux: Bag,
    expired: u64,
    empty: u64,
}

impl Accumulator {
    /// Starts with nothing. Keys and fields of hashes that expired before `drop_expired_at_ms`
    /// (unix time in milliseconds) are left out, if it is given.
    pub fn new(drop_expired_at_ms: Option<i64>) -> Self {
        let without = Without { expired_at_ms: drop_expired_at_ms, ..Without::default() };
        Accumulator::without(without)
    }

    /// Starts with nothing, and leaves out what is not to be looked at.
    pub fn without(without: Without) -> Self {
        Accumulator { without, ..Accumulator::default() }
    }

    /// An empty share for another thread.
    #[must_use]
    pub fn share(&self) -> Self {
        Accumulator::without(self.without)
    }

    /// Adds a key. After an error the share is as it was before.
    pub fn add(&mut self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<()> {
        if self.without.has_expired(entry) {
            self.expired += 1;
            return Ok(());
        }
        let Some(value) = digest_of(entry, &self.without, scratch)? else {
            self.empty += 1;
            return Ok(());
        };
        let mut message = Message::new();
        message.u64(entry.db).bytes(&entry.key_bytes()?).hash(&value.0);
        self.keys.add(message);
        Ok(())
    }

    /// Adds a record, whatever it is: keys, function libraries and module data count, the others
    /// do not. `offset` is where it begins, for errors.
    pub fn add_record(
        &mut self,
        record: &Record<'_>,
        offset: u64,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let broken = |name: &'static str| {
            move |fault: Fault| {
                let doing = Doing::Record(name);
                Box::new(FormatError { file: None, offset, doing, key: None, fault })
            }
        };
        match record {
            Record::Entry(entry) => return self.add(entry, scratch),
            Record::Function(source) => {
                let source = source.to_cow().map_err(broken("FUNCTION2"))?;
                let mut message = Message::new();
                message.bytes(&source);
                self.functions.add(message);
            }
            // The source that a released server makes of it.
            Record::FunctionPreGa { name, engine, body, .. } => {
                let broken = broken("FUNCTION_PRE_GA");
                let engine = engine.to_cow().map_err(&broken)?;
                let name = name.to_cow().map_err(&broken)?;
                let body = body.to_cow().map_err(&broken)?;
                let source = [b"#!", &*engine, b" name=", &*name, b"\n", &*body].concat();
                let mut message = Message::new();
                message.bytes(&source);
                self.functions.add(message);
            }
            Record::ModuleAux { id, when, body } => {
                let mut message = Message::new();
                message.u64(*id).u64(*when);
                module::parts(&mut message, body).map_err(broken("MODULE_AUX"))?;
                self.aux.add(message);
            }
            _ => {}
        }
        Ok(())
    }

    /// Adds what another share has seen.
    pub fn merge(&mut self, other: &Self) {
        self.keys.merge(&other.keys);
        self.functions.merge(&other.functions);
        self.aux.merge(&other.aux);
        self.expired += other.expired;
        self.empty += other.empty;
    }

    /// The digest.
    pub fn finish(&self) -> Digest {
        let mut message = Message::new();
        message.bytes(NAME).bag(&self.keys).bag(&self.functions).bag(&self.aux);
        Digest {
            sum: Hex(message.finish()),
            keys: self.keys.count,
            functions: self.functions.count,
            module_aux: self.aux.count,
            expired: self.expired,
            empty: self.empty,
        }
    }
}

/// The full digest of a snapshot, and what it is of. It is shown as its 64 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// 64 digits.
    pub sum: Hex<32>,
    /// Keys in it.
    pub keys: u64,
    /// Function libraries in it.
    pub functions: u64,
    /// Records of module data beside the keys in it.
    pub module_aux: u64,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// Keys left out because they hold nothing: a server drops them while it loads.
    pub empty: u64,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.fmt(f)
    }
}
