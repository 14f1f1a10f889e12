//! The digest of a vector set, the one module value whose digest callback is known (Redis 8.10.2).
//!
//! ```text
//! o ← 0; mix(o, count); mix(o, dimensions); x ← x ⊕ SHA-1(o)
//! for each element:  o ← 0; mix(o, vector as stored); mix(o, name); [mix(o, attribute)];
//!                    x ← x ⊕ SHA-1(o)
//! ```
//!
//! The links of the graph are not covered. Counts are claims, but every step here takes a part
//! that the file holds.

use super::sum::Sum;
use crate::value::ModuleItem;

/// Flag: vectors were reduced, so the matrix that did it follows.
const REDUCED: u64 = 1;
/// Flag: elements carry attributes.
const ATTRIBUTES: u64 = 2;

/// What is made of a vector set so far.
#[derive(Debug, Default)]
pub(super) struct VectorSet {
    next: Next,
    dimensions: u64,
    flags: u64,
    name: Vec<u8>,
    attribute: Vec<u8>,
    sum: Sum,
}

/// The part that comes next.
#[derive(Debug, Clone, Copy, Default)]
enum Next {
    #[default]
    Dimensions,
    Count,
    Config,
    Flags,
    InputDimensions,
    Matrix,
    Name,
    Attribute,
    Vector,
    LinkCount,
    Link {
        left: u64,
    },
    /// The layout is not the one that is known.
    Lost,
}

impl VectorSet {
    /// Takes the next part of the value.
    pub(super) fn part(&mut self, part: ModuleItem<'_>) {
        self.next = self.step(part).unwrap_or(Next::Lost);
    }

    /// Whether the next part begins an element.
    pub(super) fn at_element(&self) -> bool {
        matches!(self.next, Next::Name)
    }

    /// The digest that the module would have given, if all parts were in their places.
    pub(super) fn finish(self) -> Option<Sum> {
        matches!(self.next, Next::Name).then_some(self.sum)
    }

    fn step(&mut self, part: ModuleItem<'_>) -> Option<Next> {
        let number = |part| if let ModuleItem::Unsigned(n) = part { Some(n) } else { None };
        Some(match (self.next, part) {
            (Next::Dimensions, part) => {
                self.dimensions = number(part)?;
                Next::Count
            }
            (Next::Count, part) => {
                let mut sum = Sum::default();
                sum.mix(itoa::Buffer::new().format(number(part)?).as_bytes());
                sum.mix(itoa::Buffer::new().format(self.dimensions).as_bytes());
                self.sum.xor_sum(sum.hashed());
                Next::Config
            }
            (Next::Config, part) => number(part).map(|_| Next::Flags)?,
            (Next::Flags, part) => {
                self.flags = number(part)?;
                match self.flags {
                    flags if flags & !(REDUCED | ATTRIBUTES) != 0 => return None,
                    flags if flags & REDUCED != 0 => Next::InputDimensions,
                    _ => Next::Name,
                }
            }
            (Next::InputDimensions, part) => number(part).map(|_| Next::Matrix)?,
            (Next::Matrix, ModuleItem::Text(_)) => Next::Name,
            (Next::Name, ModuleItem::Text(name)) => {
                self.name.clear();
                self.name.extend_from_slice(name);
                self.attribute.clear();
                if self.flags & ATTRIBUTES == 0 { Next::Vector } else { Next::Attribute }
            }
            (Next::Attribute, ModuleItem::Text(attribute)) => {
                self.attribute.extend_from_slice(attribute);
                Next::Vector
            }
            (Next::Vector, ModuleItem::Text(vector)) => {
                let mut sum = Sum::default();
                sum.mix(vector);
                sum.mix(&self.name);
                if !self.attribute.is_empty() {
                    sum.mix(&self.attribute);
                }
                self.sum.xor_sum(sum.hashed());
                Next::LinkCount
            }
            (Next::LinkCount, part) => links(number(part)?),
            (Next::Link { left }, part) => number(part).map(|_| links(left - 1))?,
            _ => return None,
        })
    }
}

fn links(left: u64) -> Next {
    if left == 0 { Next::Name } else { Next::Link { left } }
}
