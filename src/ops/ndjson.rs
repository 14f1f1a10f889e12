//! NDJSON as a source: its lines become a snapshot in an unnamed file, and from there on it is one.
//!
//! The snapshot is of the format that the header's line names, of the newest Redis where there is
//! none: what was exported from it fits into it again. A line is read as a whole, so memory grows
//! with the longest of them.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use super::{parts, sound};
use crate::bytes::input::Input as _;
use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::rdb::object::Checker;
use crate::rdb::write::{EntryHead, Loss, Sink, SnapshotWriter};
use crate::rdb::{Entry, Eviction, Header, Target, Text, opcode};
use crate::report::export::read::{Line, Parts};
use crate::report::json::Blob;
use crate::source::{
    Feed, Form, OpenOptions, Source, open_unnamed, temporary_failed, temporary_file,
};

/// The highest database that a server can have: its setting `databases` is at most 2³¹ − 1 (Redis
/// 8.0, Valkey 9.0).
const LAST_DB: u64 = i32::MAX as u64 - 1;

/// The source itself, or the snapshot that its lines make.
pub(super) fn resolve(source: Source, open: &OpenOptions) -> Result<Source> {
    if source.form == Form::Ndjson { to_snapshot(source, open) } else { Ok(source) }
}

/// Reads all lines, and opens the snapshot that they make, under the name of the source.
pub(super) fn to_snapshot(source: Source, open: &OpenOptions) -> Result<Source> {
    let Source { name, path, feed, size_bytes, compression, .. } = source;
    let Some(mut feed) = feed else {
        return Err(Error::Usage(format!("{name} is a directory where a file is expected")));
    };
    let failed = temporary_failed;
    let file = temporary_file().map_err(failed)?;
    let mut file = write_all(&mut feed, file, &name)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let options = OpenOptions { from: Some(Form::Rdb), ..open.clone() };
    let made = open_unnamed(&name, file, &options)?;
    Ok(Source { name, path, size_bytes, compression, ..made })
}

fn write_all(feed: &mut Feed, file: File, name: &str) -> Result<File> {
    let mut lines = Lines { feed, scanned: 0, number: 0 };
    let mut to = Some(file);
    let mut writer: Option<Writer> = None;
    while let Some((number, text)) = lines.next()? {
        let wrong = |why: String| Error::Source(format!("{name}: line {number}: {why}"));
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line = Line::parse(text).map_err(|error| wrong(told(&error, text)))?;
        let is_header = line.record.as_deref() == Some("header");
        if let Some(file) = to.take() {
            let target = match &line.format {
                Some(magic) if is_header => target(magic).ok_or_else(|| {
                    wrong(format!("{magic:?} is no format of snapshots, such as REDIS0012"))
                })?,
                _ => Target::default(),
            };
            writer = Some(Writer::new(file, &target));
        }
        let Some(writer) = &mut writer else { continue };
        if is_header {
            continue;
        }
        writer.line(&line).map_err(|error| match error {
            Bad::Json(error) => wrong(told(&error, text)),
            Bad::Said(why) => wrong(why),
            Bad::Write(error) => error,
        })?;
    }
    match (writer, to) {
        (Some(writer), _) => writer.file.finish().map(|(file, _)| file),
        (None, Some(file)) => {
            Writer::new(file, &Target::default()).file.finish().map(|(file, _)| file)
        }
        (None, None) => Err(Error::Source(format!("{name} has no lines"))),
    }
}

/// What a parser complains of, with the column where it has one.
fn told(error: &serde_json::Error, text: &[u8]) -> String {
    if text.starts_with(b"{\"schema\":\"rdbkit.export/1\",\"format\"") {
        return "this is one JSON document, which cannot be read back: `rdbkit export --to ndjson` \
                writes what can"
            .to_owned();
    }
    if !matches!(text.trim_ascii_start().first(), Some(b'{')) {
        return "this is no object. A line is one object of NDJSON, as `rdbkit export --to ndjson` \
                writes it"
            .to_owned();
    }
    let words = error.to_string();
    let words = plain(words.split(" at line 1 column").next().unwrap_or(&words));
    if error.is_eof() || text.starts_with(b"{\n") || text.starts_with(b"{\r") {
        return format!(
            "{words}. A line is one object of NDJSON, as `rdbkit export --to ndjson` writes it"
        );
    }
    match error.column() {
        0 => words,
        column => format!("column {column}: {words}"),
    }
}

/// What a parser says that it expected, without the names of its types.
fn plain(words: &str) -> String {
    let Some((before, expected)) = words.rsplit_once("expected ") else { return words.to_owned() };
    let expected = match expected {
        "u64" => "a whole number from 0 on",
        "u8" => "a whole number from 0 to 255",
        "i64" => "a whole number",
        "a sequence" => "a list",
        "a tuple of size 2" => "a list of two",
        it if it.starts_with("struct ") => "an object",
        it => it,
    };
    format!("{before}expected {expected}")
}

/// The server for a magic and version.
fn target(magic: &str) -> Option<Target> {
    let (rest, header) = Header::parse(magic.as_bytes()).ok()?;
    rest.is_empty().then(|| Target::of_header(header))
}

/// Cuts the bytes into lines.
struct Lines<'f> {
    feed: &'f mut Feed,
    /// Bytes of the last line, to be taken before the next.
    scanned: usize,
    number: u64,
}

impl Lines<'_> {
    /// The next line and its number.
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        self.feed.consume(self.scanned);
        self.number += 1;
        let mut searched = 0;
        let (line, taken) = loop {
            let buffer = self.feed.buffer();
            let rest = buffer.get(searched..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
                break (searched + at, searched + at + 1);
            }
            searched = buffer.len();
            if !self.feed.more()? {
                break (searched, searched);
            }
        };
        self.scanned = taken;
        if taken == 0 {
            return Ok(None);
        }
        Ok(Some((self.number, self.feed.buffer().get(..line).unwrap_or_default())))
    }
}

/// What is wrong with a line.
enum Bad {
    Json(serde_json::Error),
    Said(String),
    Write(Error),
}

impl From<serde_json::Error> for Bad {
    fn from(error: serde_json::Error) -> Self {
        Bad::Json(error)
    }
}

impl From<Error> for Bad {
    fn from(error: Error) -> Self {
        Bad::Write(error)
    }
}

struct Writer {
    file: SnapshotWriter<File>,
    sink: Sink,
    checker: Checker,
    db: Option<u64>,
}

impl Writer {
    fn new(file: File, target: &Target) -> Self {
        // What is made of it copies values as they lie here, so they are packed as servers pack them.
        let file = SnapshotWriter::new(file, target, true);
        Writer { file, sink: Sink::new(true), checker: Checker::default(), db: None }
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), Bad> {
        let missing = |what: &str| Bad::Said(format!("it has no {what}"));
        let cannot = |loss: Loss, target: &Target| {
            Bad::Said(format!("{target} cannot hold it: {}", loss.sentence()))
        };
        match line.record.as_deref() {
            None => self.key(line),
            Some("aux") => {
                let name = line.name.as_ref().ok_or_else(|| missing("name"))?;
                let value: Blob<'_> = line.value()?;
                Ok(self.file.aux(&name.0, &value.0)?)
            }
            Some("function") => {
                let code = line.code.as_ref().ok_or_else(|| missing("code"))?;
                if !self.file.target().has_functions() {
                    return Err(cannot(Loss::Function, self.file.target()));
                }
                Ok(self.file.function(&code.0)?)
            }
            Some("module-aux") => {
                let body = line.body.as_ref().ok_or_else(|| missing("body"))?;
                if !self.file.target().has_module_aux() {
                    return Err(cannot(Loss::ModuleAux, self.file.target()));
                }
                self.file.raw(&[opcode::MODULE_AUX])?;
                Ok(self.file.raw(&body.0)?)
            }
            Some(other) => Err(Bad::Said(format!(
                "it is a {other:?}, and known are header, aux, function, module-aux, and keys"
            ))),
        }
    }

    fn key(&mut self, line: &Line<'_>) -> Result<(), Bad> {
        let Some(key) = &line.key else {
            return Err(Bad::Said("it has neither a key nor a record".to_owned()));
        };
        let db = line.db.unwrap_or(0);
        if db > LAST_DB {
            return Err(Bad::Said(format!("database {db} is too high: the last is {LAST_DB}")));
        }
        if self.db != Some(db) {
            self.db = Some(db);
            self.file.select_db(db)?;
        }
        let target = *self.file.target();
        self.sink.clear();
        let parts = line.parts()?;
        let written = parts::write(&mut self.sink, &target, &parts).map_err(Bad::Said)?;
        let Some(value_type) = written else {
            return Err(Bad::Said("its value is empty, and no server keeps such a key".to_owned()));
        };
        unheard_of(&parts)?;
        let entry = Entry::of_body(&key.0, value_type, &self.sink.out, 0);
        if let Some((_, fault)) = sound::refused(&mut self.checker, &entry, &target)? {
            return Err(Bad::Said(format!("its value is broken: {fault}")));
        }
        let head = EntryHead {
            key: Text::Raw(&key.0),
            expires_at_ms: line.expires_at_ms,
            eviction: match (line.idle_secs, line.frequency) {
                (Some(secs), _) => Some(Eviction::IdleSecs(secs)),
                (None, Some(frequency)) => Some(Eviction::Frequency(frequency)),
                (None, None) => None,
            },
            meta: line.meta.as_ref().map(|meta| &*meta.0),
        };
        Ok(self.file.entry(&head, value_type, &self.sink.out)?)
    }
}

/// Fails where a value is wrong in a way that servers load without a word: they take a score that is
/// no number, and entries of a stream as they come.
fn unheard_of(parts: &Parts<'_>) -> Result<(), Bad> {
    match parts {
        Parts::SortedSet(all) => match all.iter().find(|one| one.score.0.is_nan()) {
            Some(one) => {
                let member = quoted(&one.member.0);
                Err(Bad::Said(format!("the score of {member} is \"nan\", which is no score")))
            }
            None => Ok(()),
        },
        Parts::Stream(stream) => {
            let mut pairs = stream.entries.iter().zip(stream.entries.iter().skip(1));
            match pairs.find(|(one, next)| one.id.0 >= next.id.0) {
                Some((one, next)) => Err(Bad::Said(format!(
                    "the entry {} of the stream stands behind {}",
                    next.id.0, one.id.0
                ))),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
