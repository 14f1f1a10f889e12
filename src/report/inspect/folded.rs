//! Prefixes as folded stacks, which flame-graph tools draw: `user;session 1048576`.
//!
//! A line is a prefix, its parts apart by `;`, and the memory of the keys that begin with it and
//! with no longer one of the list. So the lines sum up to the whole.

use std::io::Write;

use super::{LookReport, Prefix, Volume};
use crate::bytes::quoted;
use crate::error::Result;
use crate::report::json::failed;

/// Writes a line for each prefix.
pub fn write_folded(out: &mut dyn Write, look: &LookReport) -> Result<()> {
    let Some(prefixes) = &look.prefixes else { return Ok(()) };
    let mut text = String::new();
    let rows = &prefixes.prefixes;
    for (place, row) in rows.iter().enumerate() {
        let behind = rows.get(place + 1..).unwrap_or_default();
        let own = own(row, behind);
        push(&mut text, &stack(&row.prefix, &prefixes.separator), own.memory_bytes);
    }
    let first = rows.iter().filter(|row| row.depth == 1);
    let mut named = Volume::default();
    first.for_each(|row| named.add(row.volume));
    push(&mut text, "(no prefix)", look.total.without(named).memory_bytes);
    out.write_all(text.as_bytes()).map_err(failed)
}

/// What is left of a prefix without those right below it, which come behind it.
pub(super) fn own(row: &Prefix, behind: &[Prefix]) -> Volume {
    let mut below = Volume::default();
    behind
        .iter()
        .take_while(|other| other.depth > row.depth)
        .filter(|other| other.depth == row.depth + 1)
        .for_each(|other| below.add(other.volume));
    row.volume.without(below)
}

fn push(text: &mut String, stack: &str, bytes: u64) {
    if bytes > 0 {
        text.push_str(stack);
        text.push(' ');
        text.push_str(&bytes.to_string());
        text.push('\n');
    }
}

/// The parts of a prefix, those without characters as `(empty)`.
fn stack(prefix: &[u8], separator: &[u8]) -> String {
    let whole = prefix.strip_suffix(separator).unwrap_or(prefix);
    let mut parts = Vec::new();
    let mut rest = whole;
    while let Some(at) = rest.windows(separator.len().max(1)).position(|w| w == separator) {
        let (part, behind) = rest.split_at(at);
        parts.push(frame(part));
        rest = behind.get(separator.len()..).unwrap_or_default();
    }
    parts.push(frame(rest));
    parts.join(";")
}

fn frame(part: &[u8]) -> String {
    if part.is_empty() {
        return "(empty)".to_owned();
    }
    let text = quoted(part).to_string();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
    // What is between the parts must not stand in one.
    bare.replace("\\\"", "\"").replace(';', "\\x3b")
}

#[cfg(test)]
mod tests {
    use super::stack;

    #[test]
    fn parts_are_apart_and_in_one_line() {
        assert_eq!(stack(b"user:session:", b":"), "user;session");
        assert_eq!(stack(b"a;b\n::c\xff:", b":"), "a\\x3bb\\n;(empty);c\\xff");
        assert_eq!(stack(b"a--b--", b"--"), "a;b");
        assert_eq!(stack(b"caf\xc3\xa9 bar/", b"/"), "caf\u{e9} bar");
    }
}
