//! The report as a page: one file, nothing from elsewhere, for people who do not use a terminal.
//!
//! What is shown comes out of the report already formatted; the template only places it. Keys are
//! quoted before and escaped by the template, so a key that looks like markup is text. The page
//! reads without scripts too; a script sorts and searches the tables.

mod map;
mod treemap;

use std::collections::BTreeSet;
use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;

use self::map::{Map, maps};
use super::{BigKey, InspectReport, LookReport, Prefix, Prefixes, SnapshotReport, Volume};
use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::report::json::failed;
use crate::report::text::{count, expiry, instant, key, percent, plural, size};

const PAGE: &str = include_str!("page.html");

/// Rows of the table of prefixes.
const PREFIXES: usize = 500;
/// Those below another have at least one of so many parts of the memory.
const SHARE_BELOW: u64 = 1000;
/// Rows of a table that are printed.
const PRINTED: u64 = 100;
/// Characters of a key that are shown.
const KEY_WIDTH: usize = 120;

/// Writes the page.
pub fn write_html(out: &mut dyn Write, report: &InspectReport) -> Result<()> {
    let (Some(look), Some(snapshot)) = (&report.look, &report.snapshot) else {
        return Err(Error::Usage("a page needs a look into the keys".to_owned()));
    };
    let wrong = |error: minijinja::Error| failed(io::Error::other(error));
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(wrong)?);
    environment.add_filter("count", count);
    environment.add_template("page.html", PAGE).map_err(wrong)?;
    let page = environment.get_template("page.html").map_err(wrong)?;
    let context = Value::from(Serde(Page::of(report, snapshot, look)));
    let text = page.render(context).map_err(wrong)?;
    out.write_all(text.as_bytes()).map_err(failed)
}

/// What stands on the page.
#[derive(Serialize)]
struct Page {
    source: String,
    origin: String,
    facts: Vec<String>,
    as_of: String,
    broken: Vec<String>,
    cards: Vec<Card>,
    sentences: Vec<String>,
    maps: Vec<Map>,
    types: Vec<Bar>,
    expiry: Vec<Bar>,
    groups: Option<GroupTable>,
    prefixes: Vec<PrefixRow>,
    shortened: bool,
    separator: String,
    folded: Vec<String>,
    keys: Vec<KeyRow>,
    has_longest: bool,
    memory_note: String,
    printed: u64,
    version: &'static str,
}

#[derive(Serialize)]
struct Card {
    name: &'static str,
    value: String,
    note: String,
}

#[derive(Serialize)]
struct Bar {
    name: String,
    width: String,
    value: String,
    note: String,
}

#[derive(Serialize)]
struct GroupTable {
    by: &'static str,
    rows: Vec<PrefixRow>,
}

#[derive(Serialize)]
struct PrefixRow {
    name: String,
    indent: usize,
    keys: Number,
    elements: Number,
    size: Number,
    memory: Number,
    share: String,
    width: String,
}

/// A number as it is shown and as it is sorted by.
#[derive(Serialize)]
struct Number {
    text: String,
    value: u64,
}

#[derive(Serialize)]
struct KeyRow {
    key: String,
    whole: Option<String>,
    db: u64,
    kind: &'static str,
    encoding: &'static str,
    elements: Number,
    longest: Option<Number>,
    size: Number,
    memory: Number,
    expires: String,
    expires_value: i64,
}

impl Page {
    fn of(report: &InspectReport, snapshot: &SnapshotReport, look: &LookReport) -> Page {
        let keys = key_rows(look, report.now_ms);
        Page {
            source: report.source.clone(),
            origin: origin(report, snapshot),
            facts: facts(report, snapshot),
            as_of: instant(report.now_ms),
            broken: report.broken.clone(),
            cards: cards(report, snapshot, look),
            sentences: sentences(look),
            maps: look.prefixes.as_ref().map(|found| maps(found, look.total)).unwrap_or_default(),
            types: types(look),
            expiry: expiry_bars(snapshot),
            groups: look.groups.as_ref().map(|groups| GroupTable {
                by: groups.by,
                rows: groups
                    .groups
                    .iter()
                    .take(PREFIXES)
                    .map(|group| volume_row(group.name.clone(), 0, group.volume, look.total))
                    .collect(),
            }),
            prefixes: look
                .prefixes
                .as_ref()
                .map(|found| prefix_rows(found, look.total))
                .unwrap_or_default(),
            shortened: look.prefixes.as_ref().is_some_and(|found| {
                found.prefixes.iter().any(|row| !is_listed(found, row, look.total))
            }),
            separator: look
                .prefixes
                .as_ref()
                .map_or_else(String::new, |found| quoted(&found.separator).to_string()),
            folded: look
                .prefixes
                .as_ref()
                .map(|found| found.folded.iter().map(|name| key(name, 40)).collect())
                .unwrap_or_default(),
            has_longest: keys.iter().any(|row| row.longest.is_some()),
            keys,
            memory_note: memory_note(look),
            printed: PRINTED,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

fn origin(report: &InspectReport, snapshot: &SnapshotReport) -> String {
    let what = match report.kind {
        "rdb" => "RDB snapshot",
        "dump" => "DUMP payload",
        "live" => "live server",
        _ => "append-only log, as it is after all of it has run",
    };
    match (&snapshot.writer, snapshot.written_at_ms) {
        (Some(writer), Some(at_ms)) => {
            format!("{what}, written by {writer} on {}", instant(at_ms))
        }
        (Some(writer), None) => format!("{what}, written by {writer}"),
        _ => what.to_owned(),
    }
}

fn facts(report: &InspectReport, snapshot: &SnapshotReport) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(all) = snapshot.filtered_from {
        let (keys, size_bytes) =
            (snapshot.keys, snapshot.databases.iter().map(|db| db.size_bytes).sum());
        facts.push(format!("{} {}", count(keys), all.words(keys, size_bytes)));
    }
    facts.extend([format!("format version {} ({})", snapshot.version, snapshot.magic)]);
    if let Some(compression) = &report.compression {
        facts.push(format!("compressed with {compression}"));
    }
    match snapshot.checksum.status {
        "ok" => facts.push("checksum in order".to_owned()),
        "mismatch" => facts.push("checksum does not match".to_owned()),
        _ => {}
    }
    if snapshot.lzf.compressed > 0 {
        let (packed, all) = (snapshot.lzf.compressed, snapshot.lzf.strings);
        facts.push(format!("{} of strings compressed", percent(packed, all)));
    }
    if !snapshot.functions.is_empty() {
        let n = snapshot.functions.len() as u64;
        facts.push(if n == 1 {
            "1 function library".to_owned()
        } else {
            format!("{n} function libraries")
        });
    }
    facts
}

fn cards(report: &InspectReport, snapshot: &SnapshotReport, look: &LookReport) -> Vec<Card> {
    let total = look.total;
    let expiring = total.keys.saturating_sub(look.without_expiry.keys);
    let per_key = total.memory_bytes.checked_div(total.keys).unwrap_or(0);
    vec![
        Card {
            name: "Keys",
            value: count(total.keys),
            note: match snapshot.filtered_from {
                None => format!("in {}", plural(snapshot.databases.len() as u64, "database")),
                Some(all) => format!(
                    "filtered: {} of {}",
                    percent(total.keys, all.keys),
                    plural(all.keys, "key")
                ),
            },
        },
        Card {
            name: "Memory",
            value: size(total.memory_bytes),
            note: format!("{} per key, in {}", size(per_key), look.server),
        },
        Card {
            name: "Size",
            value: size(report.size_bytes.unwrap_or(snapshot.size_bytes)),
            note: "on disk".to_owned(),
        },
        Card {
            name: "Elements",
            value: count(total.elements),
            note: "members, fields, entries; a string is one".to_owned(),
        },
        Card {
            name: "Expiring",
            value: percent(expiring, total.keys),
            note: format!("{} never expire", plural(look.without_expiry.keys, "key")),
        },
    ]
}

fn sentences(look: &LookReport) -> Vec<String> {
    let total = look.total;
    let mut out = Vec::new();
    if let Some(sentence) = look.prefixes.as_ref().and_then(|found| found.nothing_in_common(total))
    {
        out.push(format!("{sentence}."));
    } else if let Some(found) = &look.prefixes
        && let Some(first) = found.prefixes.iter().find(|row| row.depth == 1)
    {
        out.push(format!(
            "Keys that begin with {} take the most memory: {}, {} of all.",
            key(&first.prefix, 40),
            size(first.volume.memory_bytes),
            percent(first.volume.memory_bytes, total.memory_bytes),
        ));
    }
    if let Some(big) = look.biggest_by_memory.first() {
        let elements = match big.key.kind {
            "string" | "module" => String::new(),
            _ => format!(" with {}", plural(big.key.elements, "element")),
        };
        out.push(format!(
            "The biggest key is {}, a {} of {}{elements}.",
            key(&big.key.key, 40),
            big.key.kind,
            size(big.memory_bytes),
        ));
    }
    let never = look.without_expiry;
    if never.keys > 0 {
        out.push(format!(
            "{} of the keys have no expiry; they take {}, {} of the memory.",
            percent(never.keys, total.keys),
            size(never.memory_bytes),
            percent(never.memory_bytes, total.memory_bytes),
        ));
    }
    if let Some(day) = look.expiring.iter().find(|soon| soon.within == "1d" && soon.volume.keys > 0)
    {
        out.push(format!(
            "Within a day {} expire, which gives back {}.",
            plural(day.volume.keys, "key"),
            size(day.volume.memory_bytes),
        ));
    }
    out
}

fn memory_note(look: &LookReport) -> String {
    let measured = if look.measured {
        "The rules were measured on this server."
    } else {
        "The rules are those of the measured version closest to this server."
    };
    format!(
        "Memory is an estimate of what MEMORY USAGE answers in {} with {}. {measured} What a server \
         needs besides its keys (tables of keys, buffers, fragmentation) is not in it.",
        look.server, look.allocator
    )
}

/// A share as a width in per cent.
fn width(part: u64, whole: u64) -> String {
    if part == 0 {
        // The page draws no bar for this, and at least a line for all others.
        return "0".to_owned();
    }
    format!("{:.2}", part as f64 * 100.0 / whole.max(1) as f64)
}

fn types(look: &LookReport) -> Vec<Bar> {
    let most = look.types.iter().map(|row| row.volume.memory_bytes).max().unwrap_or(0);
    let bar = |row: &super::TypeVolume| Bar {
        name: format!("{} · {}", row.kind, row.encoding),
        width: width(row.volume.memory_bytes, most),
        value: size(row.volume.memory_bytes),
        note: plural(row.volume.keys, "key"),
    };
    look.types.iter().map(bar).collect()
}

fn expiry_bars(snapshot: &SnapshotReport) -> Vec<Bar> {
    let most = snapshot.expiry.iter().map(|bucket| bucket.keys).max().unwrap_or(0);
    // Each bar holds what the ones above it do not.
    let name = |within: &str| match within {
        "expired" => "expired already",
        "1h" => "within an hour",
        "1d" => "1 hour – 1 day",
        "7d" => "1 – 7 days",
        "30d" => "7 – 30 days",
        "1y" => "30 days – 1 year",
        "later" => "after a year",
        _ => "never",
    };
    snapshot
        .expiry
        .iter()
        .map(|bucket| Bar {
            name: name(bucket.within).to_owned(),
            width: width(bucket.keys, most),
            value: count(bucket.keys),
            note: percent(bucket.keys, snapshot.keys),
        })
        .collect()
}

fn number(value: u64, text: impl Fn(u64) -> String) -> Number {
    Number { text: text(value), value }
}

fn volume_row(name: String, indent: usize, volume: Volume, total: Volume) -> PrefixRow {
    PrefixRow {
        name,
        indent,
        keys: number(volume.keys, count),
        elements: number(volume.elements, count),
        size: number(volume.size_bytes, size),
        memory: number(volume.memory_bytes, size),
        share: percent(volume.memory_bytes, total.memory_bytes),
        width: width(volume.memory_bytes, total.memory_bytes),
    }
}

/// Whether a prefix has a row: names of single things would hide an outline.
fn is_listed(found: &Prefixes, row: &Prefix, total: Volume) -> bool {
    found.flat
        || row.depth == 1
        || row.volume.memory_bytes.saturating_mul(SHARE_BELOW) >= total.memory_bytes
}

/// The prefixes with the most memory, in the order of the tree.
fn prefix_rows(found: &Prefixes, total: Volume) -> Vec<PrefixRow> {
    let listed = || found.prefixes.iter().filter(|row| is_listed(found, row, total));
    let mut weights: Vec<u64> = listed().map(|row| row.volume.memory_bytes).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    let floor = weights.get(PREFIXES).copied().unwrap_or(0);
    let rows = listed().filter(|row| row.volume.memory_bytes > floor || weights.len() <= PREFIXES);
    let row = |row: &Prefix| {
        volume_row(key(&row.prefix, KEY_WIDTH), row.depth.saturating_sub(1), row.volume, total)
    };
    let mut rows: Vec<PrefixRow> = rows.take(PREFIXES).map(row).collect();
    if found.without_prefix.keys > 0 {
        rows.push(volume_row("(no prefix)".to_owned(), 0, found.without_prefix, total));
    }
    rows
}

/// The keys of all lists, each once, most memory first.
fn key_rows(look: &LookReport, now_ms: i64) -> Vec<KeyRow> {
    let lists = [&look.biggest_by_memory, &look.biggest_by_elements, &look.biggest_by_longest];
    let mut seen: BTreeSet<(u64, &[u8])> = BTreeSet::new();
    let mut keys: Vec<&BigKey> = lists
        .into_iter()
        .flatten()
        .filter(|big| seen.insert((big.key.db, big.key.key.as_slice())))
        .collect();
    keys.sort_by_key(|big| std::cmp::Reverse(big.memory_bytes));
    let row = |big: &&BigKey| {
        let top = &big.key;
        let whole = quoted(&top.key).to_string();
        let short = key(&top.key, KEY_WIDTH);
        KeyRow {
            whole: (whole != short).then_some(whole),
            key: short,
            db: top.db,
            kind: top.kind,
            encoding: top.encoding,
            elements: number(top.elements, count),
            longest: big.longest_bytes.map(|bytes| number(bytes, size)),
            size: number(top.size_bytes, size),
            memory: number(big.memory_bytes, size),
            expires: top.expires_at_ms.map_or_else(|| "never".to_owned(), |at| expiry(at, now_ms)),
            expires_value: top.expires_at_ms.unwrap_or(i64::MAX),
        }
    };
    keys.iter().map(row).collect()
}
