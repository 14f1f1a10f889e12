//! NDJSON as a source: its lines become a snapshot in an unnamed file, and from there on it is one.
//!
//! The snapshot is of the format that the header's line names, of the newest Redis where there is
//! none: what was exported from it fits into it again. A line is read as a whole, so memory grows
//! with the longest of them.

use std::collections::HashSet;
use std::fs::File;
use std::hash::Hash;
use std::io::{Seek as _, SeekFrom};

use crate::bytes::input::Input as _;
use crate::bytes::quoted;
use crate::engine::stream::Entries;
use crate::error::{Error, Result};
use crate::rdb::write::{
    self, ConsumerParts, EntryHead, GroupParts, Loss, PendingEntry, ProducerParts, Sink,
    SnapshotWriter, StreamNodes, StreamParts,
};
use crate::rdb::{Eviction, Header, Product, Target, Text, ValueType, length, opcode};
use crate::report::export::read::{
    self, CellValue, Double, Field, Id, Line, Module, Scored, Stream,
};
use crate::report::json::Blob;
use crate::source::{Feed, Form, OpenOptions, Source, open_unnamed};
use crate::value::{Cell, Elem, Idempotence, Kind, StreamId, StreamInfo};

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
    let failed = |cause| Error::io("cannot make a temporary file", cause);
    let file = tempfile::tempfile().map_err(failed)?;
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
        let wrong = |why: String| Error::Usage(format!("{name}: line {number}: {why}"));
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
        (None, None) => Err(Error::Usage(format!("{name} has no lines"))),
    }
}

/// What a parser complains of, with the column where it has one.
fn told(error: &serde_json::Error, text: &[u8]) -> String {
    if text.starts_with(b"{\"schema\":\"rdbkit.export/1\",\"format\"") {
        return "this is one JSON document, which cannot be read back: `rdbkit export --to ndjson` \
                writes what can"
            .to_owned();
    }
    let words = error.to_string();
    let words = words.split(" at line 1 column").next().unwrap_or(&words);
    if error.is_eof() || text.starts_with(b"{\n") || text.starts_with(b"{\r") {
        return format!(
            "{words}. A line is one object of NDJSON, as `rdbkit export --to ndjson` writes it"
        );
    }
    match error.column() {
        0 => words.to_owned(),
        column => format!("column {column}: {words}"),
    }
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
    db: Option<u64>,
}

impl Writer {
    fn new(file: File, target: &Target) -> Self {
        // It is read once and thrown away, so nothing is packed.
        let file = SnapshotWriter::new(file, target, false);
        Writer { file, sink: Sink::new(false), db: None }
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
        if self.db != Some(db) {
            self.db = Some(db);
            self.file.select_db(db)?;
        }
        let target = *self.file.target();
        self.sink.clear();
        let written = value(&mut self.sink, &target, line)?;
        let Some(value_type) = written else { return Ok(()) };
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

fn elem<'b>(blob: &'b Blob<'_>) -> Elem<'b> {
    Elem::Bytes(&blob.0)
}

/// Writes the value; `None` where a server would have no such key.
fn value(sink: &mut Sink, target: &Target, line: &Line<'_>) -> Result<Option<ValueType>, Bad> {
    let said = |loss: Loss| Bad::Said(format!("{target} cannot hold it: {}", loss.sentence()));
    match line.kind()? {
        Kind::String => {
            let text: Blob<'_> = line.value()?;
            Ok(Some(write::string(sink, &text.0)))
        }
        Kind::List => {
            let all: Vec<Blob<'_>> = line.value()?;
            Ok(some(&all).then(|| write::list(sink, target, all.iter().map(elem))))
        }
        Kind::Set => {
            let all: Vec<Blob<'_>> = line.value()?;
            once(all.iter().map(|member| &*member.0))?;
            Ok(some(&all).then(|| write::set(sink, target, all.iter().map(elem))))
        }
        Kind::SortedSet => {
            let mut all: Vec<Scored<'_>> = line.value()?;
            once(all.iter().map(|scored| &*scored.member.0))?;
            all.sort_by(|a, b| {
                let Double(one) = a.score;
                let Double(other) = b.score;
                let order = one.partial_cmp(&other).unwrap_or(std::cmp::Ordering::Equal);
                order.then_with(|| a.member.0.cmp(&b.member.0))
            });
            let members = all.iter().map(|scored| (elem(&scored.member), scored.score.0));
            Ok(some(&all).then(|| write::sorted_set(sink, target, members)))
        }
        Kind::Hash => {
            let all: Vec<Field<'_>> = line.value()?;
            once(all.iter().map(|field| &*field.field.0))?;
            if all.is_empty() {
                return Ok(None);
            }
            let fields = all.iter().map(|f| (elem(&f.field), elem(&f.value), f.expires_at_ms));
            write::hash(sink, target, fields).map(Some).map_err(said)
        }
        Kind::Stream => stream(sink, target, &line.value()?).map_err(said),
        Kind::Array => {
            let array: read::Array<'_> = line.value()?;
            once(array.cells.iter().map(|cell| cell.index))?;
            let mut cells: Vec<_> = array.cells.iter().collect();
            cells.sort_by_key(|cell| cell.index);
            let cells = cells.into_iter().map(|cell| {
                let value = match &cell.value {
                    CellValue::Int(n) => Cell::Int(*n),
                    CellValue::Double(n) => Cell::Double(*n),
                    CellValue::Bytes(blob) => Cell::Bytes(&blob.0),
                };
                (cell.index, value)
            });
            write::array(sink, target, array.insert_index, cells).map_err(said)
        }
        Kind::Module => {
            let module: Module<'_> = line.value()?;
            if length(&module.body.0).is_err() {
                return Err(Bad::Said("the body of the module's value is cut".to_owned()));
            }
            write::module(sink, target, &module.body.0).map_err(said)
        }
    }
}

/// Whether a container has elements: servers drop those that have none.
fn some<T>(all: &[T]) -> bool {
    !all.is_empty()
}

/// Nothing may stand twice in a set, a sorted set, a hash or an array.
fn once<T: Hash + Eq + std::fmt::Debug + Show>(
    all: impl ExactSizeIterator<Item = T>,
) -> Result<(), Bad> {
    let mut seen = HashSet::with_capacity(all.len());
    for one in all {
        if let Some(again) = seen.replace(one) {
            return Err(Bad::Said(format!("{} stands twice in the value", again.show())));
        }
    }
    Ok(())
}

/// As it stands in a sentence.
trait Show {
    fn show(&self) -> String;
}

impl Show for &[u8] {
    fn show(&self) -> String {
        quoted(self).to_string()
    }
}

impl Show for u64 {
    fn show(&self) -> String {
        format!("the index {self}")
    }
}

/// The server in whose layout a stream is written: the oldest that has all that is told of it, so
/// that what is not told is not made up.
fn layout(target: &Target, read: &Stream<'_>) -> Target {
    let mut consumers = read.groups.iter().flat_map(|group| &group.consumers).peekable();
    let any = consumers.peek().is_some();
    let version = if read.idempotence_duration_secs.is_some() {
        return *target;
    } else if consumers.any(|consumer| consumer.active_at_ms.is_some()) {
        (7, 2)
    } else if read.first_id.is_none() && read.entries_added.is_none() {
        (5, 0)
    } else if any {
        (7, 0)
    } else {
        (7, 2)
    };
    let older = Target::of(Product::Redis, version);
    if older.stream_layout() < target.stream_layout() { older } else { *target }
}

fn stream(sink: &mut Sink, target: &Target, read: &Stream<'_>) -> Result<Option<ValueType>, Loss> {
    let mut entries = Entries::default();
    let mut pairs: Vec<&[u8]> = Vec::new();
    for entry in &read.entries {
        pairs.clear();
        pairs.extend(entry.fields.iter().flat_map(|(field, value)| [&*field.0, &*value.0]));
        entries.push(entry.id.0, &pairs, &target.limits);
    }
    let nodes: Vec<(StreamId, &[u8])> =
        entries.nodes().map(|(id, node)| (id, node.as_bytes())).collect();
    let ids = |ids: &[Id]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    // What the writer borrows.
    struct Held<'r> {
        pending: Vec<PendingEntry>,
        nacked: Vec<StreamId>,
        consumers: Vec<(&'r read::Consumer<'r>, Vec<StreamId>)>,
    }
    let held: Vec<Held<'_>> = read
        .groups
        .iter()
        .map(|group| Held {
            pending: group
                .pending
                .iter()
                .map(|pending| PendingEntry {
                    id: pending.id.0,
                    delivered_at_ms: pending.delivered_at_ms,
                    deliveries: pending.deliveries,
                })
                .collect(),
            nacked: ids(&group.nacked),
            consumers: group.consumers.iter().map(|one| (one, ids(&one.pending))).collect(),
        })
        .collect();
    let consumers: Vec<Vec<ConsumerParts<'_>>> = held
        .iter()
        .map(|held| {
            let parts = held.consumers.iter().map(|(consumer, owned)| ConsumerParts {
                name: &consumer.name.0,
                seen_at_ms: consumer.seen_at_ms,
                active_at_ms: consumer.active_at_ms,
                owned,
            });
            parts.collect()
        })
        .collect();
    let groups: Vec<GroupParts<'_>> = read
        .groups
        .iter()
        .zip(held.iter().zip(&consumers))
        .map(|(group, (held, consumers))| GroupParts {
            name: &group.name.0,
            last_id: group.last_id.0,
            entries_read: group.entries_read,
            pending: &held.pending,
            consumers,
            nacked: &held.nacked,
        })
        .collect();
    let used: Vec<Vec<(&[u8], StreamId)>> = read
        .producers
        .iter()
        .map(|producer| producer.ids.iter().map(|used| (&*used.iid.0, used.id.0)).collect())
        .collect();
    let producers: Vec<ProducerParts<'_>> = read
        .producers
        .iter()
        .zip(&used)
        .map(|(producer, used)| ProducerParts { name: &producer.name.0, used })
        .collect();
    let numbers = entries.numbers;
    let settings = (read.idempotence_duration_secs, read.idempotence_max_entries);
    let info = StreamInfo {
        length: read.length.unwrap_or(numbers.length),
        last_id: read.last_id.map_or(numbers.last_id, |id| id.0),
        first_id: read.first_id.map(|id| id.0).or(Some(numbers.first_id)),
        max_deleted_id: read.max_deleted_id.map(|id| id.0),
        entries_added: read.entries_added,
        nodes: nodes.len() as u64,
        groups: groups.len() as u64,
        idempotence: match settings {
            (Some(duration_secs), Some(max_entries)) => Some(Idempotence {
                duration_secs,
                max_entries,
                producers: producers.len() as u64,
                added: read.idempotence_added.unwrap_or_default(),
                duplicates: read.idempotence_duplicates.unwrap_or_default(),
            }),
            _ => None,
        },
    };
    let nodes = StreamNodes::Packed(&nodes);
    write::stream(
        sink,
        &layout(target, read),
        &StreamParts { nodes, info, groups: &groups, producers: &producers },
    )
}
