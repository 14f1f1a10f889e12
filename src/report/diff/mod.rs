//! What differs between two sources: a paragraph or a JSON line for each key, and totals.
//!
//! As JSON, each key is `{"schema":"rdbkit.diff/1","record":"key","db":…,"key":…,"change":"added"|
//! "removed"|"changed","differs":[…],"before":{…},"after":{…},"parts":[…]}` on a line of its own,
//! and the last line is the summary, `"record":"summary"`.

use std::fmt::{self, Display};
use std::io::Write;

use serde::Serialize;
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};

use super::json::{self, Bytes, failed};
use super::text::{self, Style, count, plural, size};
use crate::bytes::quoted;
use crate::error::Result;
use crate::value::StreamId;

mod summary;

pub use summary::{Counts, DiffSummary, Group};

/// A key of one side, from its headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// As TYPE names it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// As it lies in the file.
    pub encoding: &'static str,
    /// Its elements; of a string 1.
    pub elements: u64,
    /// What it takes in the file; where a log was run, its value alone.
    pub size_bytes: u64,
    /// When it expires, unix time in milliseconds.
    pub expires_at_ms: Option<i64>,
}

/// In what a key differs that both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// The type, and so everything.
    Type,
    /// The value, or the metadata that modules attached to the key.
    Value,
    /// When the key expires.
    Expiry,
    /// How the value is stored.
    Encoding,
}

/// A key that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyDiff {
    /// Its database.
    pub db: u64,
    /// The key.
    pub key: Vec<u8>,
    /// What the first source has; `None` where it was added.
    pub before: Option<Side>,
    /// What the second source has; `None` where it was removed.
    pub after: Option<Side>,
    /// In what it differs, where both have it.
    pub differs: Vec<Aspect>,
    /// The parts of the value that differ.
    pub parts: Vec<Part>,
}

/// What a part of a value is. The order is that of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The whole of a string.
    Value,
    /// An element of a list.
    Element,
    /// A member of a set or sorted set.
    Member,
    /// A field of a hash.
    Field,
    /// A cell of an array.
    Cell,
    /// An entry of a stream.
    Entry,
    /// A consumer group.
    Group,
    /// A consumer of a group.
    Consumer,
    /// A pending entry of a group.
    Pending,
    /// An idempotent producer.
    Producer,
    /// Something that a value says of itself.
    Info,
    /// A part of a module's value.
    Module,
    /// What modules attached to the key.
    Metadata,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Value => "value",
            What::Element => "element",
            What::Member => "member",
            What::Field => "field",
            What::Cell => "cell",
            What::Entry => "entry",
            What::Group => "group",
            What::Consumer => "consumer",
            What::Pending => "pending entry",
            What::Producer => "producer",
            What::Info => "property",
            What::Module => "part",
            What::Metadata => "metadata",
        }
    }
}

/// The name of a part within its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// There is but one.
    None,
    /// A place: of an element that only the first source has, the place there.
    Index(u64),
    /// A stream entry.
    Id(StreamId),
    /// A field, member, group or producer.
    Text(Vec<u8>),
    /// A word of ours.
    Word(&'static str),
    /// A consumer of a group.
    Of(Vec<u8>, Vec<u8>),
    /// A pending entry of a group.
    Pending(Vec<u8>, StreamId),
}

/// What stands under the name of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing: the name is all.
    None,
    /// Bytes.
    Bytes(Vec<u8>),
    /// A score.
    Score(f64),
    /// The value of a field.
    Field {
        /// The value.
        value: Vec<u8>,
        /// The field's own expiry, unix time in milliseconds.
        expires_at_ms: Option<u64>,
    },
    /// The fields and values of a stream entry; the ids of a producer and the entries they made.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>),
    /// Something said.
    Fact(String),
    /// Several things said, each under its name.
    Facts(Vec<(&'static str, String)>),
}

impl Content {
    /// Whether two contents say the same. A fact that one of them does not state is no difference.
    pub fn is_same(&self, other: &Content) -> bool {
        match (self, other) {
            (Content::Facts(one), Content::Facts(two)) => one.iter().all(|(name, fact)| {
                two.iter().find(|(other, _)| other == name).is_none_or(|(_, other)| other == fact)
            }),
            _ => self == other,
        }
    }
}

/// A part of a value that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub what: What,
    /// Its name.
    pub name: Name,
    /// What the first source has; `None` where it was added.
    pub before: Option<Content>,
    /// What the second source has; `None` where it was removed.
    pub after: Option<Content>,
}

/// How keys are shown to the eye.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours.
    pub style: Style,
    /// What times to live are counted from, unix time in milliseconds.
    pub now_ms: i64,
    /// How many parts of a key are shown.
    pub parts: usize,
    /// Columns of a line.
    pub width: usize,
}

/// Writes a key for the eye: a line, and one for each part.
pub fn write_key(out: &mut dyn Write, diff: &KeyDiff, look: &Look) -> Result<()> {
    let style = look.style;
    let sign = match (&diff.before, &diff.after) {
        (None, _) => style.good("+").to_string(),
        (_, None) => style.bad("-").to_string(),
        _ => style.warn("~").to_string(),
    };
    let Some(side) = diff.after.as_ref().or(diff.before.as_ref()) else { return Ok(()) };
    let head = format!("{sign} db{} {:<6} ", diff.db, side.kind);
    let key = style.bold(text::key(&diff.key, look.width.saturating_sub(20).max(20)));
    let facts = match (&diff.before, &diff.after) {
        (Some(before), Some(after)) => changes(diff, before, after, look.now_ms),
        _ => about(side, look.now_ms),
    };
    writeln!(out, "{head}{key}  {}", style.dim(facts)).map_err(failed)?;
    for part in diff.parts.iter().take(look.parts) {
        write_part(out, part, look)?;
    }
    let more = diff.parts.len().saturating_sub(look.parts);
    if more > 0 {
        let more = format!("… {} more", count(more as u64));
        writeln!(out, "      {}", style.dim(more)).map_err(failed)?;
    }
    Ok(())
}

fn about(side: &Side, now_ms: i64) -> String {
    let unit = match side.kind {
        "string" | "module" => None,
        "hash" => Some("field"),
        "set" | "zset" => Some("member"),
        "stream" => Some("entry"),
        _ => Some("element"),
    };
    let mut facts = match unit {
        Some(unit) => format!("{}, {}", plural(side.elements, unit), size(side.size_bytes)),
        None => size(side.size_bytes),
    };
    if let Some(at_ms) = side.expires_at_ms {
        let verb = if at_ms > now_ms { "expires" } else { "expired" };
        facts += &format!(", {verb} {}", text::expiry(at_ms, now_ms));
    }
    facts
}

fn changes(diff: &KeyDiff, before: &Side, after: &Side, now_ms: i64) -> String {
    let mut facts = Vec::new();
    for aspect in &diff.differs {
        facts.push(match aspect {
            Aspect::Type => format!("type {} → {}", before.kind, after.kind),
            Aspect::Value => told_parts(&diff.parts),
            Aspect::Expiry => {
                let when = |at: Option<i64>| {
                    at.map_or_else(|| "never".to_owned(), |at| text::expiry(at, now_ms))
                };
                let (old, new) = (when(before.expires_at_ms), when(after.expires_at_ms));
                match (before.expires_at_ms, after.expires_at_ms) {
                    // What looks alike is told exactly.
                    (Some(one), Some(other)) if old == new => {
                        let by = text::span(one.abs_diff(other));
                        let later = if other > one { "later" } else { "sooner" };
                        format!("expires {by} {later}")
                    }
                    _ => format!("expires {old} → {new}"),
                }
            }
            Aspect::Encoding => format!("encoding {} → {}", before.encoding, after.encoding),
        });
    }
    facts.join("; ")
}

/// `2 fields changed, 1 group added`.
fn told_parts(parts: &[Part]) -> String {
    let mut tally: Vec<(What, &str, u64)> = Vec::new();
    for part in parts {
        let verb = match (&part.before, &part.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        match tally.iter_mut().find(|(what, other, _)| (*what, *other) == (part.what, verb)) {
            Some((.., n)) => *n += 1,
            None => tally.push((part.what, verb, 1)),
        }
    }
    let told = tally.iter().map(|(what, verb, n)| match what {
        What::Value | What::Metadata => format!("{} {verb}", what.word()),
        _ => format!("{} {verb}", plural(*n, what.word())),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn write_part(out: &mut dyn Write, part: &Part, look: &Look) -> Result<()> {
    let style = look.style;
    let sign = match (&part.before, &part.after) {
        (None, _) => style.good("+").to_string(),
        (_, None) => style.bad("-").to_string(),
        _ => style.warn("~").to_string(),
    };
    let half = look.width.saturating_sub(16).max(24) / 2;
    let shown = |content: &Content| Shown { content, now_ms: look.now_ms, width: half }.to_string();
    let mut words = Vec::new();
    match part.what {
        What::Value
        | What::Element
        | What::Member
        | What::Field
        | What::Cell
        | What::Entry
        | What::Info => {}
        what => words.push(what.word().to_owned()),
    }
    words.extend(match &part.name {
        Name::None => None,
        Name::Index(index) => Some(format!("[{index}]")),
        Name::Id(id) => Some(id.to_string()),
        Name::Text(text) => Some(text::key(text, half)),
        Name::Word(word) => Some((*word).to_owned()),
        Name::Of(group, name) => {
            Some(format!("{} of {}", text::key(name, half), text::key(group, half)))
        }
        Name::Pending(group, id) => Some(format!("{id} of {}", text::key(group, half))),
    });
    words.extend(match (&part.before, &part.after) {
        (Some(Content::Facts(old)), Some(Content::Facts(new))) => Some(facts_apart(old, new)),
        (Some(Content::Bytes(old)), Some(Content::Bytes(new))) => Some(bytes_apart(old, new, half)),
        (Some(old), Some(new)) => Some(format!("{} → {}", shown(old), shown(new))),
        (Some(Content::None), None) | (None, Some(Content::None) | None) => None,
        (Some(one), None) | (None, Some(one)) => Some(shown(one)),
    });
    writeln!(out, "      {sign} {}", words.join("  ")).map_err(failed)
}

/// The facts that differ.
fn facts_apart(old: &[(&'static str, String)], new: &[(&'static str, String)]) -> String {
    let mut told = Vec::new();
    for (name, fact) in old {
        if let Some((_, other)) = new.iter().find(|(other, _)| other == name)
            && other != fact
        {
            told.push(format!("{name} {fact} → {other}"));
        }
    }
    told.join(", ")
}

/// Two texts; where they are long, from where they part.
fn bytes_apart(old: &[u8], new: &[u8], width: usize) -> String {
    let alike = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    if old.len().max(new.len()) + 2 <= width || alike < 16 {
        return format!("{} → {}", text::key(old, width), text::key(new, width));
    }
    let rest = |bytes: &[u8]| text::key(bytes.get(alike..).unwrap_or_default(), width);
    let sizes = match (old.len(), new.len()) {
        (a, b) if a == b => String::new(),
        (a, b) => format!(" ({} → {})", size(a as u64), size(b as u64)),
    };
    format!("from byte {}: {} → {}{sizes}", count(alike as u64), rest(old), rest(new))
}

/// A content for the eye.
struct Shown<'a> {
    content: &'a Content,
    now_ms: i64,
    width: usize,
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::None => Ok(()),
            Content::Bytes(bytes) => f.write_str(&text::key(bytes, self.width)),
            Content::Score(score) => write!(f, "{score}"),
            Content::Field { value, expires_at_ms } => {
                f.write_str(&text::key(value, self.width))?;
                let at_ms = expires_at_ms.and_then(|at| i64::try_from(at).ok());
                at_ms.map_or(Ok(()), |at| {
                    let verb = if at > self.now_ms { "expires" } else { "expired" };
                    write!(f, " ({verb} {})", text::expiry(at, self.now_ms))
                })
            }
            Content::Pairs(pairs) => {
                let told = pairs.iter().take(8).map(|(field, value)| {
                    let (field, value) = (text::key(field, self.width), quoted(value));
                    format!("{field} {}", shortened(&value.to_string(), self.width))
                });
                f.write_str(&told.collect::<Vec<_>>().join(", "))?;
                if pairs.len() > 8 { f.write_str(", …") } else { Ok(()) }
            }
            Content::Fact(fact) => f.write_str(fact),
            Content::Facts(facts) => {
                let told = facts.iter().map(|(name, fact)| format!("{name} {fact}"));
                f.write_str(&told.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn shortened(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// Writes a key as a JSON line.
pub fn write_key_json(out: &mut dyn Write, diff: &KeyDiff) -> Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        schema: &'static str,
        record: &'static str,
        db: u64,
        key: Bytes<'a>,
        change: &'static str,
        differs: &'a [Aspect],
        before: &'a Option<Side>,
        after: &'a Option<Side>,
        parts: &'a [Part],
    }
    let change = match (&diff.before, &diff.after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    json::line(
        out,
        &Line {
            schema: "rdbkit.diff/1",
            record: "key",
            db: diff.db,
            key: Bytes(&diff.key),
            change,
            differs: &diff.differs,
            before: &diff.before,
            after: &diff.after,
            parts: &diff.parts,
        },
    )
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("what", &self.what)?;
        match &self.name {
            Name::None => {}
            Name::Index(index) => map.serialize_entry("index", index)?,
            Name::Id(id) => map.serialize_entry("id", &id.to_string())?,
            Name::Text(text) => map.serialize_entry("name", &Bytes(text))?,
            Name::Word(word) => map.serialize_entry("name", word)?,
            Name::Of(group, name) => {
                map.serialize_entry("group", &Bytes(group))?;
                map.serialize_entry("name", &Bytes(name))?;
            }
            Name::Pending(group, id) => {
                map.serialize_entry("group", &Bytes(group))?;
                map.serialize_entry("id", &id.to_string())?;
            }
        }
        map.serialize_entry("before", &self.before)?;
        map.serialize_entry("after", &self.after)?;
        map.end()
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Content::None => serializer.serialize_bool(true),
            Content::Bytes(bytes) => Bytes(bytes).serialize(serializer),
            Content::Score(score) if score.is_finite() => serializer.serialize_f64(*score),
            Content::Score(score) => serializer.serialize_str(&score.to_string().to_lowercase()),
            Content::Field { value, expires_at_ms } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("value", &Bytes(value))?;
                map.serialize_entry("expires_at_ms", expires_at_ms)?;
                map.end()
            }
            Content::Pairs(pairs) => {
                let mut list = serializer.serialize_seq(Some(pairs.len()))?;
                for (field, value) in pairs {
                    list.serialize_element(&[Bytes(field), Bytes(value)])?;
                }
                list.end()
            }
            Content::Fact(fact) => serializer.serialize_str(fact),
            Content::Facts(facts) => serializer.collect_map(facts.iter().map(|(n, f)| (n, f))),
        }
    }
}
