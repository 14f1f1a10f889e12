//! The screen of a look: memory, groups, expiry, the biggest keys.

use std::io::{self, Write};

use super::biggest::{Biggest, heading};
use super::{BigKey, Group, Groups, LookReport, Prefix, Prefixes, Volume};
use crate::report::table::Table;
use crate::report::text::{Style, count, instant, key, percent, plural, size};

/// How wide a key may be.
const KEY_WIDTH: usize = 48;
/// How many groups are shown.
const GROUPS: usize = 24;
/// Prefixes below another are shown from this share of the whole on, in per cent.
const SHOWN_SHARE: u64 = 1;
/// How many below one prefix.
const BELOW: usize = 6;

pub(super) fn write(
    out: &mut dyn Write,
    look: &LookReport,
    now_ms: i64,
    style: Style,
) -> io::Result<()> {
    memory(out, look)?;
    if let Some(found) = &look.groups {
        groups(out, found, look.total, style)?;
    }
    if let Some(found) = &look.prefixes {
        prefixes(out, found, look.total, style)?;
    }
    if look.groups.is_none() && look.prefixes.is_none() {
        types(out, look, style)?;
    }
    if look.groups.as_ref().is_none_or(|groups| groups.by != "expiry") {
        soon(out, look, now_ms, style)?;
    }
    let tables: [(&str, &[BigKey], bool); 3] = [
        ("Biggest keys by memory", &look.biggest_by_memory, false),
        ("Biggest keys by elements", &look.biggest_by_elements, false),
        ("Biggest keys by longest element", &look.biggest_by_longest, true),
    ];
    for (title, keys, has_longest) in tables {
        biggest(out, title, keys, has_longest, now_ms, style)?;
    }
    Ok(())
}

fn memory(out: &mut dyn Write, look: &LookReport) -> io::Result<()> {
    let measured = if look.measured { "" } else { ", by the rules of the version closest to it" };
    writeln!(
        out,
        "  {} of memory in {} with {}{measured}",
        size(look.total.memory_bytes),
        look.server,
        look.allocator,
    )?;
    if let Some(ran) = &look.ran {
        let failed = match ran.failed {
            0 => String::new(),
            n => format!(", of which {} failed", count(n)),
        };
        writeln!(out, "  keys as they are after {}{failed}", plural(ran.commands, "command"))?;
    }
    Ok(())
}

/// What all tables of volumes say behind the name.
const HEADS: [&str; 7] = [">keys", ">share", ">elements", ">size", ">share", ">memory", ">share"];

fn cells(volume: Volume, total: Volume) -> Vec<String> {
    vec![
        count(volume.keys),
        percent(volume.keys, total.keys),
        count(volume.elements),
        size(volume.size_bytes),
        percent(volume.size_bytes, total.size_bytes),
        size(volume.memory_bytes),
        percent(volume.memory_bytes, total.memory_bytes),
    ]
}

/// A table of volumes, each with a name.
struct Volumes {
    table: Table,
    total: Volume,
}

impl Volumes {
    fn new(name: &str, total: Volume) -> Self {
        let heads: Vec<&str> = [name].into_iter().chain(HEADS).collect();
        Volumes { table: Table::new(&heads), total }
    }

    fn row(&mut self, name: String, volume: Volume) {
        self.table.row([name].into_iter().chain(cells(volume, self.total)));
    }
}

fn groups(out: &mut dyn Write, found: &Groups, total: Volume, style: Style) -> io::Result<()> {
    let mut table = Volumes::new(found.by, total);
    let (shown, rest) = found.groups.split_at(found.groups.len().min(GROUPS));
    for Group { name, volume } in shown {
        table.row(name.clone(), *volume);
    }
    let mut others = Volume::default();
    rest.iter().for_each(|group| others.add(group.volume));
    if others.keys > 0 {
        table.row(format!("{} more", count(rest.len() as u64)), others);
    }
    heading(out, &format!("By {}", found.by), style)?;
    write!(out, "{}", table.table)
}

fn prefixes(out: &mut dyn Write, found: &Prefixes, total: Volume, style: Style) -> io::Result<()> {
    let separator = key(&found.separator, 16);
    if let Some(sentence) = found.nothing_in_common(total).filter(|_| !found.flat) {
        return nothing_in_common(out, found, total, &separator, &sentence, style);
    }
    let mut table = Volumes::new("prefix", total);
    let mut shown = Volume::default();
    let mut more = 0_u64;
    let rows = if found.flat { flat(found) } else { outline(found, total) };
    for (row, indent) in &rows {
        table.row(format!("{}{}", "  ".repeat(*indent), key(&row.prefix, KEY_WIDTH)), row.volume);
        if *indent == 0 {
            shown.add(row.volume);
        }
    }
    let top = if found.flat { found.depth } else { 1 };
    for row in found.prefixes.iter().filter(|row| row.depth == top) {
        let is_shown = rows.iter().any(|(other, _)| other.prefix.starts_with(&row.prefix));
        more += u64::from(!is_shown);
    }
    if found.without_prefix.keys > 0 && (!found.flat || found.depth == 1) {
        table.row("(no prefix)".to_owned(), found.without_prefix);
        shown.add(found.without_prefix);
    }
    let rest = total.without(shown);
    if rest.keys > 0 {
        let name = match more {
            0 => "(others)".to_owned(),
            n => format!("({} more)", count(n)),
        };
        table.row(name, rest);
    }
    let depth = if found.flat { format!(", depth {}", found.depth) } else { String::new() };
    heading(out, &format!("By prefix (separator {separator}{depth}), by memory"), style)?;
    write!(out, "{}", table.table)?;
    if !found.folded.is_empty() {
        let names: Vec<String> = found.folded.iter().take(4).map(|name| key(name, 24)).collect();
        let more = if found.folded.len() > 4 { ", …" } else { "" };
        writeln!(
            out,
            "  too many to tell apart, only the greatest are, below {}{more}",
            names.join(", ")
        )?;
    }
    Ok(())
}

/// Where a list of prefixes would say nothing.
fn nothing_in_common(
    out: &mut dyn Write,
    found: &Prefixes,
    total: Volume,
    separator: &str,
    sentence: &str,
    style: Style,
) -> io::Result<()> {
    heading(out, &format!("By prefix (separator {separator})"), style)?;
    let mut table = Volumes::new("prefix", total);
    table.row("(each its own)".to_owned(), total.without(found.without_prefix));
    if found.without_prefix.keys > 0 {
        table.row("(no prefix)".to_owned(), found.without_prefix);
    }
    write!(out, "{}", table.table)?;
    writeln!(out, "  {sentence}")?;
    writeln!(out, "  (--separator says what else ends a part; --by type, size or expiry says more)")
}

/// Prefixes of just the depth that was asked for.
fn flat(found: &Prefixes) -> Vec<(&Prefix, usize)> {
    let mut rows: Vec<&Prefix> =
        found.prefixes.iter().filter(|row| row.depth == found.depth).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.volume.memory_bytes));
    rows.into_iter().take(GROUPS).map(|row| (row, 0)).collect()
}

/// The greatest prefixes, and below each what makes it so. They come in front of those that they
/// begin, so one that is left out is followed by others that are.
fn outline(found: &Prefixes, total: Volume) -> Vec<(&Prefix, usize)> {
    let share =
        |row: &Prefix| row.volume.memory_bytes.saturating_mul(100) / total.memory_bytes.max(1);
    let mut rows: Vec<(&Prefix, usize)> = Vec::new();
    // The depths of the prefixes that are open, and how many are shown below each.
    let mut open: Vec<(usize, usize)> = vec![(0, 0)];
    let mut hidden_from = usize::MAX;
    for (place, row) in found.prefixes.iter().enumerate() {
        if row.depth > hidden_from {
            continue;
        }
        hidden_from = usize::MAX;
        while open.len() > 1 && open.last().is_some_and(|(depth, _)| *depth >= row.depth) {
            open.pop();
        }
        // One below it that has all its keys says more.
        let next = found.prefixes.get(place + 1);
        if next.is_some_and(|next| next.depth > row.depth && next.volume == row.volume) {
            continue;
        }
        let indent = open.len() - 1;
        let most = if indent == 0 { GROUPS / 2 } else { BELOW };
        let small = indent > 0 && share(row) < SHOWN_SHARE;
        let Some((_, shown)) = open.last_mut() else { break };
        if small || *shown >= most || rows.len() >= 2 * GROUPS {
            hidden_from = row.depth;
            continue;
        }
        *shown += 1;
        rows.push((row, indent));
        open.push((row.depth, 0));
    }
    rows
}

fn types(out: &mut dyn Write, look: &LookReport, style: Style) -> io::Result<()> {
    let mut table = Volumes::new("type and encoding", look.total);
    for row in &look.types {
        table.row(format!("{} {}", row.kind, row.encoding), row.volume);
    }
    heading(out, "Types and encodings, by memory", style)?;
    write!(out, "{}", table.table)
}

fn soon(out: &mut dyn Write, look: &LookReport, now_ms: i64, style: Style) -> io::Result<()> {
    let title =
        format!("Expiry, as of {}; a day holds its hours, a week its days", instant(now_ms));
    heading(out, &title, style)?;
    let mut table = Volumes::new("expires", look.total);
    table.row("expired already".to_owned(), look.expired);
    for expiring in &look.expiring {
        let within = match expiring.within {
            "1h" => "within an hour",
            "1d" => "within a day",
            "7d" => "within a week",
            other => other,
        };
        table.row(within.to_owned(), expiring.volume);
    }
    // Each span holds the one before.
    let soon = look.expiring.last().map(|expiring| expiring.volume).unwrap_or_default();
    let later = look.total.without(look.without_expiry).without(look.expired).without(soon);
    table.row("later".to_owned(), later);
    table.row("never".to_owned(), look.without_expiry);
    write!(out, "{}", table.table)
}

fn biggest(
    out: &mut dyn Write,
    title: &str,
    keys: &[BigKey],
    has_longest: bool,
    now_ms: i64,
    style: Style,
) -> io::Result<()> {
    let own: &[&str] = if has_longest { &[">longest", ">memory"] } else { &[">memory"] };
    let mut table = Biggest::new(own, now_ms, KEY_WIDTH);
    for big in keys {
        let longest = big.longest_bytes.filter(|_| has_longest).map(size);
        table.row(longest.into_iter().chain([size(big.memory_bytes)]), &big.key);
    }
    table.write(out, title, style)
}
