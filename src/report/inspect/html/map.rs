//! The map of the memory: prefixes of the first depth, and within each those below it.
//!
//! A wide one and a narrow one are laid out, as the text of a map that is made smaller cannot be
//! read; the page shows the one that fits the screen.

use serde::Serialize;

use super::treemap::{Rect, squarify};
use super::{Prefix, Prefixes, Volume};
use crate::report::text::{key, percent, plural, size};

/// How a map is laid out.
struct Layout {
    /// What the page calls it.
    class: &'static str,
    /// Its size, in its own units.
    width: f64,
    height: f64,
    /// Prefixes in the map, and below each of them.
    prefixes: usize,
    below: usize,
}

const LAYOUTS: [Layout; 2] = [
    Layout { class: "wide", width: 1200.0, height: 520.0, prefixes: 24, below: 40 },
    Layout { class: "narrow", width: 400.0, height: 560.0, prefixes: 12, below: 8 },
];

/// The height of a prefix' name above those below it.
const STRIP: f64 = 20.0;
/// The width of a character on the map, of a figure, and of that on paper.
const CHARACTER: f64 = 7.0;
const FIGURE: f64 = 6.2;
const FIGURE_PRINTED: f64 = 7.6;
/// What stands left and right of a text.
const MARGINS: f64 = 10.0;

/// A map.
#[derive(Serialize)]
pub(super) struct Map {
    class: &'static str,
    width: f64,
    height: f64,
    tiles: Vec<Tile>,
}

/// A rectangle of it.
#[derive(Serialize)]
struct Tile {
    x: String,
    y: String,
    w: String,
    h: String,
    colour: usize,
    inner: bool,
    label: String,
    note: String,
    /// Whether the figures stand behind the name, and not below it.
    beside: bool,
    /// Whether they have no room on paper.
    tight: bool,
    title: String,
}

/// The maps, if there is anything to draw.
pub(super) fn maps(found: &Prefixes, total: Volume) -> Vec<Map> {
    let map = |layout: &Layout| Map {
        class: layout.class,
        width: layout.width,
        height: layout.height,
        tiles: tiles(found, total, layout),
    };
    LAYOUTS.iter().map(map).filter(|map| !map.tiles.is_empty()).collect()
}

fn tiles(found: &Prefixes, total: Volume, layout: &Layout) -> Vec<Tile> {
    let first: Vec<&Prefix> = found.prefixes.iter().filter(|row| row.depth == 1).collect();
    let mut named: Vec<(String, Volume, Vec<&Prefix>)> = Vec::new();
    let mut rest = total;
    for row in first.iter().take(layout.prefixes) {
        let below = found
            .prefixes
            .iter()
            .filter(|other| other.depth == 2 && other.prefix.starts_with(&row.prefix))
            .take(layout.below)
            .collect();
        named.push((key(&row.prefix, 60), row.volume, below));
        rest = rest.without(row.volume);
    }
    if found.without_prefix.keys > 0 {
        named.push(("(no prefix)".to_owned(), found.without_prefix, Vec::new()));
        rest = rest.without(found.without_prefix);
    }
    if rest.keys > 0 {
        named.push(("(others)".to_owned(), rest, Vec::new()));
    }
    named.sort_by_key(|(_, volume, _)| std::cmp::Reverse(volume.memory_bytes));
    let weights: Vec<f64> = named.iter().map(|(_, v, _)| v.memory_bytes as f64).collect();
    let whole = Rect { x: 0.0, y: 0.0, w: layout.width, h: layout.height };
    let mut tiles = Vec::new();
    for (place, (rect, (name, volume, below))) in
        squarify(&weights, whole).into_iter().zip(&named).enumerate()
    {
        let colour = place % 8;
        let inner = rect.inside(2.0, STRIP);
        let is_divided = inner.w >= 30.0 && inner.h >= 16.0 && !below.is_empty();
        let of_rect = if is_divided { Label::Strip } else { Label::Whole };
        tiles.push(tile(rect, colour, of_rect, name, *volume, total));
        if !is_divided {
            continue;
        }
        let first_len = below.first().map_or(0, |row| {
            let ends = row.prefix.windows(found.separator.len().max(1));
            let end = ends.enumerate().find(|(_, window)| *window == found.separator);
            end.map_or(0, |(at, _)| at + found.separator.len())
        });
        let mut own = *volume;
        below.iter().for_each(|row| own = own.without(row.volume));
        // What is left has room, and no tile of its own.
        let mut shares: Vec<(u64, Option<&Prefix>)> =
            below.iter().map(|row| (row.volume.memory_bytes, Some(*row))).collect();
        shares.push((own.memory_bytes, None));
        shares.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let weights: Vec<f64> = shares.iter().map(|(bytes, _)| *bytes as f64).collect();
        for (rect, (_, row)) in squarify(&weights, inner).into_iter().zip(&shares) {
            let Some(row) = row else { continue };
            // What stands above it is not said again.
            let behind = row.prefix.get(first_len..).unwrap_or(&row.prefix);
            let (name, short) = (key(&row.prefix, 60), key(behind, 60));
            tiles.push(tile(rect, colour, Label::Inner(&short), &name, row.volume, total));
        }
    }
    tiles
}

/// What is written on a tile.
#[derive(Clone, Copy)]
enum Label<'a> {
    /// Its name in a strip above the tiles that lie in it.
    Strip,
    /// Its name and its figures.
    Whole,
    /// Less than its name, as it lies in another, and its figures.
    Inner(&'a str),
}

fn tile(
    rect: Rect,
    colour: usize,
    written: Label<'_>,
    name: &str,
    volume: Volume,
    total: Volume,
) -> Tile {
    let short = match written {
        Label::Inner(short) => short,
        Label::Strip | Label::Whole => name,
    };
    let share = percent(volume.memory_bytes, total.memory_bytes);
    let room = ((rect.w - MARGINS) / CHARACTER).max(0.0) as usize;
    let fits = rect.h >= 16.0 && room >= 4;
    let label = if fits { shortened(short, room) } else { String::new() };
    let keys = plural(volume.keys, "key");
    let memory = size(volume.memory_bytes);
    // As much as there is room for.
    let notes =
        [format!("{keys} · {memory} · {share}"), format!("{memory} · {share}"), memory.clone()];
    let beside = matches!(written, Label::Strip);
    let before = if beside { (label.chars().count() + 1) as f64 * CHARACTER } else { 0.0 };
    let has_place = !label.is_empty() && (beside || rect.h >= 34.0);
    let left = rect.w - MARGINS - before;
    let wide = |note: &str, figure: f64| note.chars().count() as f64 * figure;
    let note = notes.into_iter().find(|note| has_place && wide(note, FIGURE) <= left);
    let note = note.unwrap_or_default();
    let printed = before * FIGURE_PRINTED / FIGURE + wide(&note, FIGURE_PRINTED);
    Tile {
        x: format!("{:.1}", rect.x),
        y: format!("{:.1}", rect.y),
        w: format!("{:.1}", rect.w),
        h: format!("{:.1}", rect.h),
        colour,
        inner: matches!(written, Label::Inner(_)),
        label,
        note,
        beside,
        tight: printed > rect.w - MARGINS,
        title: format!(
            "{name}\n{keys}, {}\nmemory {memory}, {share}\nin the file {}",
            plural(volume.elements, "element"),
            size(volume.size_bytes),
        ),
    }
}

/// A name in so many characters.
fn shortened(name: &str, room: usize) -> String {
    let bare = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    if bare.chars().count() <= room {
        return bare.to_owned();
    }
    bare.chars().take(room - 1).chain(['…']).collect()
}
