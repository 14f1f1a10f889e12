//! Vector sets as a target reads them. What servers newer than Redis 8.0 write of a node besides,
//! the worst of its links on each level, makes that one refuse the whole file; they find it out
//! where it is missing.
//!
//! ```text
//! id, dimensions, count, configuration, flags, [input dimensions, matrix], node*, 0
//! node        name, [attribute], vector, count, parameter*
//! parameters  id, level | version << 24, { links, room, link*, worst }*, lengths    version 1
//!             id, level,                 { links, room, link* }*,        lengths    version 0
//! ```
//!
//! All behind the id are numbers and texts, an opcode in front of each.

use super::{Loss, Sink};
use crate::rdb::{ModuleId, Target, Text, ValueType, length};

/// Opcode of a number.
const UNSIGNED: u64 = 2;
/// Opcode of a text.
const TEXT: u64 = 5;
/// Flag: vectors were reduced, so the matrix that did it follows.
const REDUCED: u64 = 1;
/// Flag: elements carry attributes.
const ATTRIBUTES: u64 = 2;

/// What a vector set says before its nodes.
#[derive(Debug, Clone, Copy)]
pub struct VectorSetHead<'a> {
    /// How many components a vector has.
    pub dimensions: u64,
    /// How many nodes follow.
    pub count: u64,
    /// How vectors are stored: 0 as f32, 1 as Q8, 2 as BIN.
    pub quantization: u64,
    /// How many links a node is to have.
    pub m: u64,
    /// How many components vectors had before they were made shorter, and the matrix that did it.
    pub projection: Option<(u64, &'a [u8])>,
    /// Whether nodes have attributes.
    pub attributes: bool,
}

/// One element of a vector set.
#[derive(Debug, Clone, Copy)]
pub struct VectorSetNode<'a, L> {
    /// Its name.
    pub name: &'a [u8],
    /// Its attribute, empty for none.
    pub attribute: &'a [u8],
    /// Its vector as it is stored.
    pub vector: &'a [u8],
    /// Its number, which is not 0.
    pub id: u64,
    /// Its levels from 0 on.
    pub levels: L,
    /// The length of the vector.
    pub length: f32,
    /// The amount of the vector's largest component, for Q8.
    pub range: f32,
}

/// The links of a node on one level.
#[derive(Debug, Clone)]
pub struct VectorSetLinks {
    /// Room for so many.
    pub room: u64,
    /// The ids of the nodes.
    pub to: Vec<u64>,
    /// Which one is the longest, and how long it is.
    pub worst: (u32, f32),
}

/// Writes vector sets for a target.
#[derive(Debug)]
pub struct VectorSetWriter<'s> {
    sink: &'s mut Sink,
    layout: u8,
    attributes: bool,
}

impl<'s> VectorSetWriter<'s> {
    /// Begins one; none where the target has none and losses are allowed.
    pub fn begin(
        sink: &'s mut Sink,
        target: &Target,
        head: &VectorSetHead<'_>,
    ) -> Result<Option<Self>, Loss> {
        let Some(layout) = target.vector_set_layout() else {
            sink.lose(Loss::VectorSet)?;
            return Ok(None);
        };
        sink.length(ModuleId::VECTOR_SET.0);
        number(sink, head.dimensions);
        number(sink, head.count);
        number(sink, head.quantization | head.m << 8);
        let reduced = if head.projection.is_some() { REDUCED } else { 0 };
        number(sink, reduced | if head.attributes { ATTRIBUTES } else { 0 });
        if let Some((columns, matrix)) = head.projection {
            number(sink, columns);
            text(sink, matrix);
        }
        Ok(Some(VectorSetWriter { sink, layout, attributes: head.attributes }))
    }

    /// Writes a node.
    pub fn node(&mut self, node: VectorSetNode<'_, impl ExactSizeIterator<Item = VectorSetLinks>>) {
        let sink = &mut *self.sink;
        text(sink, node.name);
        if self.attributes {
            text(sink, node.attribute);
        }
        text(sink, node.vector);
        let version = u64::from(self.layout) << 24;
        let mut parameters = vec![node.id, node.levels.len().saturating_sub(1) as u64 | version];
        for links in node.levels {
            parameters.extend([links.to.len() as u64, links.room]);
            parameters.extend(links.to);
            if self.layout > 0 {
                let (place, distance) = links.worst;
                parameters.push(u64::from(place) | u64::from(distance.to_bits()) << 32);
            }
        }
        let (length, range) = (node.length.to_bits(), node.range.to_bits());
        parameters.push(u64::from(length) | u64::from(range) << 32);
        number(sink, parameters.len() as u64);
        parameters.into_iter().for_each(|n| number(sink, n));
    }

    /// Ends the set.
    pub fn end(self) -> ValueType {
        self.sink.length(0);
        ValueType::Module2
    }
}

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
pub(crate) fn oldest_node(node: &[u64]) -> Option<Vec<u64>> {
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

fn text(sink: &mut Sink, text: &[u8]) {
    sink.length(TEXT);
    sink.text(text);
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
