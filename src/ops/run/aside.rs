//! A snapshot of which only the keys are loaded that the logs behind it name; the others stay
//! where they lie, for a writer who copies them.
//!
//! ```text
//! snapshot ─ walk, on all cores ─ named ─────► keyspace
//!                               └ not named ─► stretches of the file, by database
//! ```
//!
//! What is copied has to be what would be written. Whatever could be another thing (a key with
//! metadata, an expiry in seconds, a value of a module) is loaded as well, and a snapshot that has
//! more than keys and functions in it is not for this.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RunOptions;
use super::base::{Loaded, database, function_text, named};
use super::touched::Touched;
use crate::Result;
use crate::bytes::input::{Input, SliceInput};
use crate::engine::{Base, Engine, Frozen, Left, Loading, Remarks, Value, library_name, thaw};
use crate::error::FormatError;
use crate::ops::once::{Noted, Once};
use crate::ops::snapshot::{Stopped, fields, is_announced_as_base, is_log};
use crate::ops::walk::{Checksum, Observer, Tally, WalkOptions, walk};
use crate::rdb::write::stays;
use crate::rdb::{Entry, Framer, Header, Product, Record, Scratch, Snapshot, Target, opcode};
use crate::source::Whole;
use crate::value::Kind;

/// Fields about the file stand no further in it than this.
const HEAD_BYTES: usize = 4 << 10;

/// Loads what is named of a snapshot. `None` where it has to be loaded as a whole, for whatever
/// reason: whoever does that finds the faults, if there are any. The engine is as it was then.
pub(super) fn whole(
    engine: &mut Engine,
    file: &Arc<Whole>,
    touched: &Touched,
    options: &RunOptions,
    observer: &dyn Observer,
) -> Option<Loaded> {
    let bytes: &[u8] = (**file).as_ref();
    if ends_as_log(bytes) {
        return None;
    }
    let header = Snapshot::new(bytes).ok()?.header();
    // Only what is written in the version that is read can be copied.
    let fits = |target: &Target| target.header == header && target.product != Product::Redict;
    if engine.keyspace.base().is_some() || options.target.as_ref().is_some_and(|t| !fits(t)) {
        return None;
    }
    let mut fields = fields(bytes.get(..bytes.len().min(HEAD_BYTES)).unwrap_or_default());
    let said = options.target.or_else(|| fields.find_map(|(name, value)| named(&name, &value)));
    let taker = said.unwrap_or_else(|| Target::of_header(header));
    if !fits(&taker) {
        return None;
    }
    let fresh = || Sorted::new(bytes, header, touched, &taker);
    let mut root = fresh();
    let mut input = SliceInput::new(bytes);
    let walking = WalkOptions { threads: options.threads.max(1), ..WalkOptions::default() };
    let mapping = match &**file {
        Whole::Mapped(mapping) => Some(mapping.clone()),
        Whole::Memory(_) => None,
    };
    // Values are looked at here, because nobody does where they are copied.
    let mut noted = Noted::of_mapping(mapping, taker);
    let asked = noted.asked();
    let batch = || Once::batch(fresh(), asked);
    let whole = &mut noted.root(&mut root);
    let walked = walk(&mut input, true, &batch, whole, &walking, observer).ok()?;
    // Of a key that stands twice the second one counts, which is for the tables to see to.
    noted.finish("", header, walking.threads).ok()?;
    let sound = walked.fault.is_none() && !matches!(walked.checksum, Checksum::Mismatch { .. });
    // A log behind it has not been asked for its keys.
    if !sound || is_log(input.buffer(), is_announced_as_base(bytes)) {
        return None;
    }
    let Sorted { left, awake, functions, writers, .. } = root;
    if options.target.is_none() && writers.iter().any(|writer| *writer != taker) {
        return None;
    }
    let mut databases: BTreeMap<u64, Left> = BTreeMap::new();
    for part in left {
        databases.entry(part.db).or_insert_with(|| Left::of(part.db)).append(part);
    }
    let mut loaded = Vec::with_capacity(awake.len());
    let mut remarks = Remarks::default();
    let mut scratch = Scratch::default();
    for (offset, db) in awake {
        let mut entry = read_at(bytes, header, offset)?;
        entry.db = db;
        let value = match Frozen::of(&entry) {
            Some(frozen) => {
                remarks.note(&entry);
                Value::Frozen(frozen)
            }
            None => thaw(&entry, &taker.limits, &mut scratch).ok()?,
        };
        let key = entry.key_bytes().ok()?;
        let db = database(&entry).ok()?;
        loaded.push(Loading { db, key, value, expires_at_ms: entry.expires_at_ms });
    }
    remarks.sort();
    if options.target.is_none() {
        engine.play(taker);
    }
    let left: Vec<Left> = databases.into_values().collect();
    let keys = loaded.len() as u64 + left.iter().map(|left| left.keys).sum::<u64>();
    let (bytes, remarks) = (Arc::clone(file) as _, Arc::new(remarks));
    engine.keyspace.set_base(Base { bytes, header, remarks, left: Arc::new(left) });
    engine.keyspace.load_all(&mut loaded);
    for code in functions {
        engine.env.functions.insert(library_name(&code), code);
    }
    let writer = writers.last().copied().unwrap_or_else(|| Target::of_header(header));
    Some(Loaded::sound(keys, usize::try_from(walked.end).ok()?, writer))
}

/// Whether a log seems to stand behind the snapshot, without looking for where that ends.
fn ends_as_log(bytes: &[u8]) -> bool {
    let marker = bytes.len().checked_sub(9).and_then(|at| bytes.get(at));
    bytes.ends_with(b"\r\n") && marker != Some(&opcode::EOF)
}

/// The entry that begins there, in database 0.
fn read_at(bytes: &[u8], header: Header, offset: u64) -> Option<Entry<'_>> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    match Framer::new(header).next(rest, offset) {
        Ok((Record::Entry(entry), _)) => Some(entry),
        _ => None,
    }
}

/// Keys, sorted into those that are named and those that are not.
struct Sorted<'b> {
    bytes: &'b [u8],
    header: Header,
    touched: &'b Touched,
    /// Whoever takes what is copied.
    taker: &'b Target,
    /// Each run of keys of one database.
    left: Vec<Left>,
    /// Where those begin that are to be loaded, and their databases.
    awake: Vec<(u64, u64)>,
    functions: Vec<Vec<u8>>,
    /// Who wrote the snapshot, wherever it says so.
    writers: Vec<Target>,
    /// Whether prefixes may have been read that belong to the next key.
    behind_others: bool,
}

impl<'b> Sorted<'b> {
    fn new(bytes: &'b [u8], header: Header, touched: &'b Touched, taker: &'b Target) -> Self {
        Sorted {
            bytes,
            header,
            touched,
            taker,
            left: Vec::new(),
            awake: Vec::new(),
            functions: Vec::new(),
            writers: Vec::new(),
            behind_others: true,
        }
    }

    #[inline]
    fn sort(&mut self, entry: &Entry<'_>, stays: bool) {
        if !stays {
            return self.awake.push((entry.offset, entry.db));
        }
        let place = entry.offset as usize..entry.end as usize;
        let expires = entry.expires_at_ms.is_some();
        match self.left.last_mut() {
            Some(left) if left.db == entry.db => left.add(place, expires),
            _ => {
                let mut left = Left::of(entry.db);
                left.add(place, expires);
                self.left.push(left);
            }
        }
    }

    /// Whether a key that is not named is written as it lies.
    fn is_copied(&self, entry: &Entry<'_>) -> Result<bool, Box<FormatError>> {
        let first = self.bytes.get(entry.offset as usize);
        let in_seconds = entry.expires_at_ms.is_some() && first != Some(&opcode::EXPIRE_MS);
        if in_seconds || entry.meta.is_some() || !self.taker.takes(entry.value_type) {
            return Ok(false);
        }
        Ok(match entry.value_type.kind() {
            Kind::Module => false,
            Kind::String | Kind::Stream | Kind::Array => true,
            // A container without elements is dropped.
            _ => entry.shape()?.elements > 0 && stays(entry, self.taker)?,
        })
    }

    /// Whether an entry is all there is to see from where it begins.
    fn is_by_itself(&self, entry: &Entry<'_>) -> bool {
        read_at(self.bytes, self.header, entry.offset).is_some_and(|alone| {
            let parts = |it: &Entry<'_>| (it.expires_at_ms, it.eviction, it.end);
            parts(&alone) == parts(entry) && alone.meta == entry.meta
        })
    }
}

impl Tally for Sorted<'_> {
    type Room = ();

    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        if std::mem::take(&mut self.behind_others) && !self.is_by_itself(entry) {
            return Err(Stopped::error());
        }
        database(entry)?;
        let stays = !self.touched.holds(&entry.key_bytes()?) && self.is_copied(entry)?;
        self.sort(entry, stays);
        Ok(())
    }

    #[inline(always)]
    fn plain_string(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        match entry.key {
            crate::rdb::Text::Raw(key) if !self.behind_others => {
                let stays = !self.touched.holds(key);
                self.sort(entry, stays);
                Ok(())
            }
            _ => self.entry(entry, &mut ()),
        }
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, (): &mut ()) -> Result<()> {
        self.behind_others = true;
        match record {
            Record::Aux { name, value } => self.writers.extend(named(name, value)),
            Record::Function(code) => self.functions.push(function_text(code, offset)?),
            Record::SelectDb(_)
            | Record::ResizeDb { .. }
            | Record::SlotInfo { .. }
            | Record::End { .. } => {}
            _ => return Err(Stopped::error()),
        }
        Ok(())
    }

    fn merge(&mut self, mut later: Self) -> Result<()> {
        self.left.append(&mut later.left);
        self.awake.append(&mut later.awake);
        self.functions.append(&mut later.functions);
        self.writers.append(&mut later.writers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::digest::Options;
    use crate::ops::digest::of_engine;
    use crate::ops::filter::Filter;
    use crate::ops::run::{Run, RunOptions, run, run_aside};
    use crate::ops::walk::Silent;
    use crate::source::{OpenOptions, open};

    const KEYS: u64 = 2000;

    /// Strings in two databases, some of which expire, one of them in seconds; with `between`
    /// behind an expiry, in front of its key.
    fn base(between: &[u8]) -> Vec<u8> {
        let mut bytes = b"REDIS0011\xfa\x09redis-ver\x057.2.4".to_vec();
        for db in 0..2_u8 {
            bytes.extend([0xfe, db]);
            for n in 0..KEYS / 2 {
                match n % 10 {
                    3 => {
                        bytes.push(0xfc);
                        bytes.extend((4_000_000_000_000 + n).to_le_bytes());
                        bytes.extend_from_slice(if n == 13 { between } else { b"" });
                    }
                    4 => bytes.extend_from_slice(b"\xfd\xff\xff\xff\x7f"),
                    5 => bytes.extend_from_slice(b"\xf8\x09"),
                    _ => {}
                }
                bytes.extend_from_slice(format!("\0\x07key{n:04}\x0avalue{n:05}").as_bytes());
            }
        }
        bytes.push(0xff);
        bytes.extend([0; 8]);
        bytes
    }

    fn words(log: &mut Vec<u8>, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        log.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            log.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }

    /// All that is loaded, and what is loaded beside what is left: the digests of both.
    fn both(folder: &Path, base: &[u8], commands: &[&str]) -> (Run, Run) {
        let mut log = Vec::new();
        commands.iter().for_each(|command| words(&mut log, command));
        fs::write(folder.join("a.aof.1.base.rdb"), base).unwrap();
        fs::write(folder.join("a.aof.1.incr.aof"), log).unwrap();
        let parts = "file a.aof.1.base.rdb seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n";
        fs::write(folder.join("a.aof.manifest"), parts).unwrap();
        let source = || open(&folder.as_os_str().into(), &OpenOptions::default()).unwrap();
        let options = RunOptions { threads: 2, ..RunOptions::at(Some(1000)) };
        let whole = run(source(), &options, &Silent).unwrap();
        let aside = run_aside(source(), &options, &Silent).unwrap();
        let digest =
            |run: &Run| of_engine(&run.engine, &Options::default(), &Filter::default(), 2).unwrap();
        let digests = [&whole, &aside].map(digest);
        assert_eq!(digests[0], digests[1], "{commands:?}");
        assert_eq!((whole.base_keys, whole.commands), (aside.base_keys, aside.commands));
        (whole, aside)
    }

    fn left(run: &Run) -> u64 {
        let left = run.engine.keyspace.base().map_or(&[][..], |base| &base.left);
        left.iter().map(|left| left.keys).sum()
    }

    #[test]
    fn only_what_is_named_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let commands = ["SELECT 1", "APPEND key0003 x", "DEL key0001", "SET new 1", "INCR key0002"];
        let (whole, aside) = both(folder.path(), &base(b""), &commands);
        assert_eq!((left(&whole), aside.failures.failed), (0, 1));
        // Those of three names, in both databases, and those that expire at a whole second.
        let loaded = KEYS - left(&aside);
        assert!((206..230).contains(&loaded), "{loaded}");
    }

    #[test]
    fn all_is_loaded_where_a_command_asks_for_all() {
        let folder = tempfile::tempdir().unwrap();
        for command in ["FLUSHALL", "SWAPDB 0 1", "SORT key0001 BY key* STORE to"] {
            let (_, aside) = both(folder.path(), &base(b""), &["SET new 1", command]);
            assert_eq!(left(&aside), 0, "{command}");
        }
    }

    #[test]
    fn all_is_loaded_of_a_base_that_is_unusual() {
        let folder = tempfile::tempdir().unwrap();
        // An expiry that is kept for the key behind another record.
        let (_, aside) = both(folder.path(), &base(b"\xfa\x01a\x01b"), &["SET new 1"]);
        assert_eq!(left(&aside), 0);
    }

    #[test]
    fn all_is_loaded_where_a_key_stands_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut twice = base(b"");
        let end = twice.len() - 9;
        twice.splice(end..end, *b"\0\x07key0008\x05again");
        let (_, aside) = both(folder.path(), &twice, &["SET new 1"]);
        assert_eq!(left(&aside), 0);
    }

    #[test]
    fn all_is_loaded_where_the_log_is_long() {
        let folder = tempfile::tempdir().unwrap();
        let many: Vec<String> = (0..KEYS).map(|n| format!("SET key{n} {n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (_, aside) = both(folder.path(), &base(b""), &many);
        assert_eq!(left(&aside), 0);
    }
}
