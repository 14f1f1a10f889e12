//! Vector sets as Redis 8.0 reads them. What newer servers write of a node besides, the worst of
//! its links on each level, makes it refuse the whole file; they find it out where it is missing.
//!
//! ```text
//! id, dimensions, count, configuration, flags, [input dimensions, matrix], node*, 0
//! node        name, [attribute], vector, count, parameter*
//! parameters  id, level | version << 24, { links, room, link*, worst }*, lengths    version 1
//!             id, level,                 { links, room, link* }*,        lengths    version 0
//! ```
//!
//! All behind the id are numbers and texts, an opcode in front of each.

use super::Sink;
use crate::rdb::{Text, length};

/// Opcode of a number.
const UNSIGNED: u64 = 2;
/// Opcode of a text.
const TEXT: u64 = 5;
/// Flag: vectors were reduced, so the matrix that did it follows.
const REDUCED: u64 = 1;
/// Flag: elements carry attributes.
const ATTRIBUTES: u64 = 2;

/// Writes the body of a vector set, its id first, with nodes of version 0. `None`, and half a body
/// in the sink, where it is laid out in a way that is not known.
pub(super) fn oldest(sink: &mut Sink, body: &[u8]) -> Option<()> {
    let mut parts = Parts { rest: body };
    parts.length()?;
    for _ in ["dimensions", "count", "configuration"] {
        parts.number()?;
    }
    let flags = parts.number()?;
    if flags & !(REDUCED | ATTRIBUTES) != 0 {
        return None;
    }
    if flags & REDUCED != 0 {
        parts.number()?;
        parts.text()?;
    }
    let mut from = body;
    while parts.rest != b"\0" {
        parts.text()?;
        if flags & ATTRIBUTES != 0 {
            parts.text()?;
        }
        parts.text()?;
        sink.raw(from.get(..from.len() - parts.rest.len())?);
        let node = oldest_node(&parts.numbers()?)?;
        number(sink, node.len() as u64);
        node.into_iter().for_each(|n| number(sink, n));
        from = parts.rest;
    }
    sink.raw(from);
    Some(())
}

/// The parameters of a node without the worst links.
fn oldest_node(node: &[u64]) -> Option<Vec<u64>> {
    let (&[id, level], mut rest) = node.split_first_chunk()?;
    let (version, levels) = (level >> 24, level & 0xff);
    match version {
        0 => return Some(node.to_vec()),
        1 => {}
        _ => return None,
    }
    let mut oldest = vec![id, level & 0xff_ffff];
    for _ in 0..=levels {
        let links = usize::try_from(*rest.first()?).ok()?;
        let (level, behind) = rest.split_at_checked(links.checked_add(2)?)?;
        oldest.extend_from_slice(level);
        rest = behind.get(1..)?;
    }
    oldest.extend_from_slice(rest);
    (rest.len() == 1).then_some(oldest)
}

fn number(sink: &mut Sink, n: u64) {
    sink.length(UNSIGNED);
    sink.length(n);
}

/// The parts of a module's value that are still to come.
struct Parts<'a> {
    rest: &'a [u8],
}

impl Parts<'_> {
    fn length(&mut self) -> Option<u64> {
        let (rest, n) = length(self.rest).ok()?;
        self.rest = rest;
        Some(n)
    }

    fn number(&mut self) -> Option<u64> {
        if self.length()? == UNSIGNED { self.length() } else { None }
    }

    /// Numbers, and in front how many there are: a claim, so nothing is allocated for it.
    fn numbers(&mut self) -> Option<Vec<u64>> {
        let count = self.number()?;
        let mut numbers = Vec::new();
        for _ in 0..count {
            numbers.push(self.number()?);
        }
        Some(numbers)
    }

    fn text(&mut self) -> Option<()> {
        if self.length()? != TEXT {
            return None;
        }
        (self.rest, ()) = Text::skip(self.rest).ok()?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::oldest_node;

    #[test]
    fn a_node_loses_the_worst_link_of_each_level() {
        let node = [7, 1 | 1 << 24, 2, 32, 4, 5, 99, 1, 16, 4, 98, 3];
        assert_eq!(oldest_node(&node).unwrap(), [7, 1, 2, 32, 4, 5, 1, 16, 4, 3]);
        assert_eq!(oldest_node(&[7, 0, 1, 32, 4, 3]).unwrap(), [7, 0, 1, 32, 4, 3]);
        for unknown in [&node[..11], &[7, 2 << 24, 0, 32, 3], &[7, 1 << 24, u64::MAX, 32], &[7]] {
            assert_eq!(oldest_node(unknown), None);
        }
    }
}
