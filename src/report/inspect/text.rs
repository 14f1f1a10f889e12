//! The screen of inspect: the answer in the first lines, then a table per question.

use std::io::{self, Write};

use super::biggest::{Biggest, heading};
use super::look_text;
use super::{Amount, ExpiryBucket, InspectReport, LogReport, SnapshotReport, expiry_class};
use crate::bytes::{is_invisible, quoted};
use crate::error::Result;
use crate::report::json::failed;
use crate::report::table::Table;
use crate::report::text::{Style, count, instant, key, percent, plural, size, span};

/// How wide a key may be in a table.
const KEY_WIDTH: usize = 40;
/// How many commands are listed.
const COMMANDS: usize = 20;
/// How many databases are listed.
const DATABASES: usize = 32;

/// Writes the screen.
pub fn write_text(out: &mut dyn Write, report: &InspectReport, style: Style) -> Result<()> {
    screen(out, report, style).map_err(failed)
}

fn screen(out: &mut dyn Write, report: &InspectReport, style: Style) -> io::Result<()> {
    headline(out, report, style)?;
    for broken in &report.broken {
        writeln!(out, "{} {broken}", style.bad("broken:"))?;
    }
    if !report.parts.is_empty() {
        parts(out, report, style)?;
    }
    if let Some(look) = &report.look {
        return look_text::write(out, look, report.now_ms, style);
    }
    if let Some(snapshot) = &report.snapshot {
        file(out, report, snapshot, style)?;
        databases(out, snapshot, style)?;
        types(out, snapshot, style)?;
        times_to_live(out, report, snapshot, style)?;
        let (bytes, elements) = (&snapshot.biggest_by_bytes, &snapshot.biggest_by_elements);
        for (title, keys) in
            [("Biggest keys by bytes", bytes), ("Biggest keys by elements", elements)]
        {
            let mut table = Biggest::new(&[], report.now_ms, KEY_WIDTH);
            keys.iter().for_each(|top| table.row([], top));
            table.write(out, title, style)?;
        }
        extras(out, snapshot, style)?;
    }
    if let Some(log) = &report.log {
        commands(out, log, style)?;
    }
    Ok(())
}

fn headline(out: &mut dyn Write, report: &InspectReport, style: Style) -> io::Result<()> {
    let what = match (report.kind, &report.snapshot) {
        ("rdb", Some(snapshot)) => format!("RDB snapshot, {}", origin(snapshot)),
        ("dump", Some(snapshot)) => format!("DUMP payload, {}", origin(snapshot)),
        ("aof-preamble", Some(snapshot)) => {
            format!("append-only file with an RDB preamble, {}", origin(snapshot))
        }
        ("aof-dir", Some(snapshot)) => {
            format!("append-only directory with an RDB base, {}", origin(snapshot))
        }
        ("aof-dir", None) => "append-only directory".to_owned(),
        ("ndjson", _) => "NDJSON, a key on each line".to_owned(),
        _ => "append-only file".to_owned(),
    };
    let wide = report.source.chars().count() + what.chars().count() > 96;
    let apart = if wide { "\n  " } else { " " };
    writeln!(out, "{}{apart}{what}", style.bold(format!("{}:", report.source)))?;
    let mut facts = Vec::new();
    if let Some(snapshot) = &report.snapshot {
        let databases = plural(snapshot.databases.len() as u64, "database");
        let keys = match snapshot.filtered_from {
            None => plural(snapshot.keys, "key"),
            Some(all) => {
                let size_bytes = snapshot.databases.iter().map(|db| db.size_bytes).sum();
                format!("{} {}", count(snapshot.keys), all.words(snapshot.keys, size_bytes))
            }
        };
        facts.push(match (snapshot.checksum.status, snapshot.keys) {
            ("unknown", 0) if snapshot.filtered_from.is_none_or(|all| all.keys == 0) => {
                "breaks off before the first key".to_owned()
            }
            ("unknown", _) => format!("{keys} in {databases} before it breaks off"),
            _ if is_of_base(report) => format!("{keys} in {databases} of the base"),
            _ => format!("{keys} in {databases}"),
        });
        if snapshot.expiring > 0 {
            facts.push(format!("{} expiring", count(snapshot.expiring)));
        }
    }
    if let Some(log) = &report.log {
        let behind = if is_of_base(report) { " behind it" } else { "" };
        facts.push(plural(log.commands, "command") + behind);
    }
    let size_bytes = report.size_bytes.or(report.snapshot.as_ref().map(|s| s.size_bytes));
    facts.extend(size_bytes.map(size));
    match report.snapshot.as_ref().map(|snapshot| snapshot.checksum.status) {
        Some("ok") => facts.push(format!("checksum {}", style.good("ok"))),
        Some("mismatch") => facts.push(format!("checksum {}", style.bad("does not match"))),
        Some("disabled") => facts.push("checksum switched off by the writer".to_owned()),
        Some("none") if report.kind == "ndjson" => {}
        Some("none") => facts.push("no checksum in this version".to_owned()),
        _ => {}
    }
    writeln!(out, "  {}", facts.join(", "))
}

/// Whether what is said of keys is about a base, and commands behind it are not run.
fn is_of_base(report: &InspectReport) -> bool {
    report.snapshot.is_some() && report.log.is_some() && report.look.is_none()
}

/// Version, writer and date.
fn origin(snapshot: &SnapshotReport) -> String {
    let mut text = format!("version {} ({})", snapshot.version, snapshot.magic);
    if let Some(writer) = &snapshot.writer {
        text += &format!(", by {writer}");
    }
    if let Some(at_ms) = snapshot.written_at_ms {
        text += &format!(", {}", instant(at_ms));
    }
    text
}

fn parts(out: &mut dyn Write, report: &InspectReport, style: Style) -> io::Result<()> {
    heading(out, "Parts, in the order of loading", style)?;
    let mut table = Table::new(&["role", "format", ">seq", ">size", ">keys", ">commands", "file"]);
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), count);
    for part in &report.parts {
        table.row([
            part.role.to_owned(),
            part.format.to_owned(),
            number(part.sequence),
            part.size_bytes.map_or_else(|| "-".to_owned(), size),
            number(part.keys),
            number(part.commands),
            part.name.clone(),
        ]);
    }
    write!(out, "{table}")
}

fn file(
    out: &mut dyn Write,
    report: &InspectReport,
    snapshot: &SnapshotReport,
    style: Style,
) -> io::Result<()> {
    heading(out, if is_of_base(report) { "Base" } else { "File" }, style)?;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<12}{text}");
    line("size", format!("{} ({} bytes)", size(snapshot.size_bytes), count(snapshot.size_bytes)))?;
    if let (Some(compression), Some(on_disk)) = (&report.compression, report.size_bytes) {
        let share = percent(on_disk, snapshot.size_bytes);
        line("compressed", format!("{compression}, {} on disk ({share})", size(on_disk)))?;
    } else if let Some(compression) = &report.compression {
        line("compressed", compression.clone())?;
    }
    if let Some(stored) = &snapshot.checksum.stored {
        let text = match &snapshot.checksum.computed {
            Some(computed) => format!("{stored} stored, {computed} computed"),
            None => stored.clone(),
        };
        line("checksum", text)?;
    }
    let lzf = snapshot.lzf;
    let text = if lzf.compressed == 0 {
        "none".to_owned()
    } else {
        let saved = lzf.unpacked_bytes.saturating_sub(lzf.packed_bytes);
        format!(
            "{} of {} compressed ({}), {} saved",
            count(lzf.compressed),
            plural(lzf.strings, "string"),
            percent(lzf.compressed, lzf.strings),
            size(saved)
        )
    };
    line("LZF", text)?;
    let mut aux = String::new();
    let mut lines = Vec::new();
    for field in &snapshot.aux {
        let text = format!("{}={}", plain(&field.name), plain(&field.value));
        if !aux.is_empty() && aux.chars().count() + text.chars().count() > 80 {
            lines.push(std::mem::take(&mut aux));
        }
        aux += if aux.is_empty() { "" } else { "  " };
        aux += &text;
    }
    if snapshot.aux_more > 0 {
        aux += &format!("  … and {} more", count(snapshot.aux_more));
    }
    lines.extend((!aux.is_empty()).then_some(aux));
    for (i, text) in lines.into_iter().enumerate() {
        line(if i == 0 { "aux" } else { "" }, text)?;
    }
    let mut others = Vec::new();
    let notes = [
        (snapshot.slots, "cluster slot"),
        (snapshot.hash_templates, "hash template"),
        (snapshot.keys_with_metadata, "key with module metadata"),
    ];
    for (n, name) in notes {
        if n > 0 {
            others.push(if name.contains("with") {
                format!("{} with module metadata", plural(n, "key"))
            } else {
                plural(n, name)
            });
        }
    }
    if !others.is_empty() {
        line("also", others.join(", "))?;
    }
    Ok(())
}

/// A name or short text as it is, in quotes only where it must be.
fn plain(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text)
            if !text.is_empty()
                && text.chars().all(|c| !(c.is_control() || c == ' ' || is_invisible(c))) =>
        {
            if text.chars().count() > 60 { key(bytes, 60) } else { text.to_owned() }
        }
        _ => key(bytes, 60),
    }
}

fn databases(out: &mut dyn Write, snapshot: &SnapshotReport, style: Style) -> io::Result<()> {
    if snapshot.databases.is_empty() {
        return Ok(());
    }
    heading(out, "Databases", style)?;
    let mut table = Table::new(&[">db", ">keys", ">expiring", ">size", ">share"]);
    let whole: u64 = snapshot.databases.iter().map(|db| db.size_bytes).sum();
    for db in snapshot.databases.iter().take(DATABASES) {
        table.row([
            db.db.to_string(),
            count(db.keys),
            count(db.expiring),
            size(db.size_bytes),
            percent(db.size_bytes, whole),
        ]);
    }
    write!(out, "{table}")?;
    more(out, snapshot.databases.len(), DATABASES)
}

fn types(out: &mut dyn Write, snapshot: &SnapshotReport, style: Style) -> io::Result<()> {
    if snapshot.types.is_empty() {
        return Ok(());
    }
    heading(out, "Types and encodings, by size in the file", style)?;
    let heads = ["type", "encoding", ">keys", ">share", ">elements", ">size", ">share"];
    let mut table = Table::new(&heads);
    let mut whole = Amount::default();
    snapshot.types.iter().for_each(|kind| whole.add(kind.total));
    let mut row = |name: &str, encoding: &str, amount: Amount| {
        table.row([
            name.to_owned(),
            encoding.to_owned(),
            count(amount.keys),
            percent(amount.keys, whole.keys),
            count(amount.elements),
            size(amount.size_bytes),
            percent(amount.size_bytes, whole.size_bytes),
        ]);
    };
    for kind in &snapshot.types {
        match kind.encodings.as_slice() {
            [only] => row(kind.kind, only.encoding, only.total),
            several => {
                row(kind.kind, "", kind.total);
                for encoding in several {
                    row("", encoding.encoding, encoding.total);
                }
            }
        }
    }
    write!(out, "{table}")
}

fn times_to_live(
    out: &mut dyn Write,
    report: &InspectReport,
    snapshot: &SnapshotReport,
    style: Style,
) -> io::Result<()> {
    if snapshot.expiring == 0 {
        return Ok(());
    }
    heading(out, &format!("Expiry, as of {}", instant(report.now_ms)), style)?;
    let far = |bucket: &&ExpiryBucket| matches!(bucket.within, "later" | "never");
    if snapshot.expiry.iter().all(|bucket| far(&bucket) || bucket.keys == 0) {
        return writeln!(
            out,
            "  {} with expiry, all later than 1y",
            plural(snapshot.expiring, "key")
        );
    }
    let mut table = Table::new(&["expires", ">keys", ">share", ""]);
    let expiring = || snapshot.expiry.iter().filter(|bucket| bucket.within != "never");
    let most = expiring().map(|bucket| bucket.keys).max().unwrap_or(0);
    for bucket in &snapshot.expiry {
        let bar = match bucket.within {
            "never" => 0,
            _ => (bucket.keys * 30).div_ceil(most.max(1)),
        };
        table.row([
            expiry_class(bucket.within).to_owned(),
            count(bucket.keys),
            percent(bucket.keys, snapshot.keys),
            "▇".repeat(usize::try_from(bar).unwrap_or(0)),
        ]);
    }
    write!(out, "{table}")
}

fn extras(out: &mut dyn Write, snapshot: &SnapshotReport, style: Style) -> io::Result<()> {
    if !snapshot.functions.is_empty() {
        heading(out, "Function libraries", style)?;
        let mut table = Table::new(&["library", "engine", ">size"]);
        for function in &snapshot.functions {
            table.row([plain(&function.name), plain(&function.engine), size(function.size_bytes)]);
        }
        write!(out, "{table}")?;
    }
    if !snapshot.modules.is_empty() {
        heading(out, "Modules", style)?;
        let mut table = Table::new(&["type", ">version", ">keys", ">size", ">aux records"]);
        for module in &snapshot.modules {
            table.row([
                module.name.clone(),
                module.version.to_string(),
                count(module.keys),
                size(module.size_bytes),
                count(module.aux_records),
            ]);
        }
        write!(out, "{table}")?;
    }
    Ok(())
}

fn commands(out: &mut dyn Write, log: &LogReport, style: Style) -> io::Result<()> {
    heading(out, "Log", style)?;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<14}{text}");
    line("size", format!("{} ({} bytes)", size(log.size_bytes), count(log.size_bytes)))?;
    line("commands", count(log.commands))?;
    line(
        "transactions",
        match log.transactions {
            0 => "none".to_owned(),
            n => format!("{} with {}", count(n), plural(log.commands_in_transactions, "command")),
        },
    )?;
    let databases: Vec<String> = log.databases.iter().take(8).map(|d| d.db.to_string()).collect();
    if !databases.is_empty() {
        let more = if log.databases.len() > 8 { " …" } else { "" };
        line("databases", format!("{}{more}", databases.join(", ")))?;
    }
    if let Some(biggest) = &log.biggest {
        let of =
            biggest.key.as_ref().map_or_else(String::new, |k| format!(" {}", key(k, KEY_WIDTH)));
        line(
            "biggest",
            format!(
                "{}{of}, {} at offset {}",
                plain(&biggest.name),
                size(biggest.size_bytes),
                biggest.offset
            ),
        )?;
    }
    match (log.first_at_ms, log.last_at_ms) {
        (Some(first), Some(last)) => {
            let took = last.saturating_sub(first).max(0).unsigned_abs();
            let rate = match took / 1000 {
                0 => String::new(),
                secs => format!(" ({} per second)", plural(log.commands.div_ceil(secs), "command")),
            };
            line("from", instant(first))?;
            line("to", format!("{}: {}{rate}", instant(last), span(took)))?;
        }
        _ => line("time", "no annotations (aof-timestamp-enabled was off)".to_owned())?,
    }
    if log.by_name.is_empty() {
        return Ok(());
    }
    heading(out, "Commands, by size in the log", style)?;
    let mut table = Table::new(&["command", ">count", ">share", ">size", ">share"]);
    for command in log.by_name.iter().take(COMMANDS) {
        table.row([
            quoted(&command.name).to_string().trim_matches('"').to_owned(),
            count(command.commands),
            percent(command.commands, log.commands),
            size(command.size_bytes),
            percent(command.size_bytes, log.size_bytes),
        ]);
    }
    write!(out, "{table}")?;
    more(out, log.by_name.len(), COMMANDS)
}

fn more(out: &mut dyn Write, have: usize, shown: usize) -> io::Result<()> {
    match have.checked_sub(shown) {
        Some(rest) if rest > 0 => {
            writeln!(out, "  … and {} more; --format json has them all", count(rest as u64))
        }
        _ => Ok(()),
    }
}
