//! A vector set out of a snapshot.
//!
//! ```text
//! dimensions, count, quantization | M << 8, flags, [input dimensions, matrix], node*
//! node        name, [attribute], vector, count, parameter*
//! parameters  id, level | version << 24, { links, room, link*, [worst] }*, lengths
//! worst       place of the longest link | its length << 32       version 1
//! lengths     length of the vector | range << 32
//! ```
//!
//! Redis 8.0.2 writes version 0, 8.6.3 and 8.10.2 write version 1. Servers refuse a graph whose
//! links are not mutual, and so does this: nothing is made of half a value.

use std::ops::ControlFlow;

use hashbrown::HashMap;

use super::graph::{Graph, Levels, Links};
use super::{Element, Form, Projection, Quantization, Vector, VectorSet};
use crate::engine::Bytes;
use crate::error::FormatError;
use crate::rdb::{Entry, Scratch};
use crate::value::{Item, ModuleItem};

/// Flag: vectors were reduced, so the matrix that did it follows.
const REDUCED: u64 = 1;
/// Flag: elements carry attributes.
const ATTRIBUTES: u64 = 2;
/// No element is on a higher level (Redis 8.10.2).
const TOP: u64 = 16;
/// No element has room for more links on a level (Redis 8.0.2 to 8.10.2).
const MOST_ROOM: u64 = 4 * 4096;

impl VectorSet {
    /// The value of an entry; `None` where it is laid out in a way that no server would load.
    pub fn load(
        entry: &Entry<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<Self>, Box<FormatError>> {
        let mut loader = Some(Loader::default());
        entry.visit(scratch, |item| {
            let Item::Module(part) = item else { return ControlFlow::Continue(()) };
            match loader.take().and_then(|loader| loader.part(part)) {
                Some(next) => {
                    loader = Some(next);
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            }
        })?;
        Ok(loader.and_then(Loader::finish))
    }
}

/// A vector set on its way.
#[derive(Default)]
struct Loader {
    next: Next,
    dimensions: usize,
    count: u64,
    quantization: u64,
    m: usize,
    flags: u64,
    columns: usize,
    name: Vec<u8>,
    attribute: Option<Bytes>,
    vector: Box<[u8]>,
    parameters: Vec<u64>,
    set: Option<VectorSet>,
    /// By place: the levels, with ids in place of places.
    levels: Vec<Vec<(u64, Vec<u64>, u64)>>,
    has_worst: bool,
}

/// The part that comes next.
#[derive(Default)]
enum Next {
    #[default]
    Id,
    Dimensions,
    Count,
    Config,
    Flags,
    Columns,
    Matrix,
    Name,
    Attribute,
    Vector,
    Parameters,
    Parameter {
        left: u64,
    },
}

impl Loader {
    fn part(mut self, part: ModuleItem<'_>) -> Option<Self> {
        let number = |part| if let ModuleItem::Unsigned(n) = part { Some(n) } else { None };
        self.next = match (&self.next, part) {
            (Next::Id, ModuleItem::Id(_)) => Next::Dimensions,
            (Next::Dimensions, part) => {
                self.dimensions = usize::try_from(number(part)?).ok()?;
                if !(1..=VectorSet::MOST_DIMENSIONS).contains(&self.dimensions) {
                    return None;
                }
                Next::Count
            }
            (Next::Count, part) => {
                self.count = number(part)?;
                Next::Config
            }
            (Next::Config, part) => {
                let config = number(part)?;
                self.quantization = config & 0xff;
                self.m = match (config >> 8 & 0xffff) as usize {
                    0 => VectorSet::USUAL_M,
                    m => m.min(*VectorSet::M.end()),
                };
                Next::Flags
            }
            (Next::Flags, part) => {
                self.flags = number(part)?;
                match self.flags {
                    flags if flags & !(REDUCED | ATTRIBUTES) != 0 => return None,
                    flags if flags & REDUCED != 0 => Next::Columns,
                    _ => self.begin(None)?,
                }
            }
            (Next::Columns, part) => {
                self.columns = usize::try_from(number(part)?).ok()?;
                Next::Matrix
            }
            (Next::Matrix, ModuleItem::Text(matrix)) => {
                let projection = Projection::of(self.columns, self.dimensions, matrix)?;
                self.begin(Some(projection))?
            }
            (Next::Name, ModuleItem::Text(name)) => {
                self.name = name.to_vec();
                self.attribute = None;
                if self.flags & ATTRIBUTES == 0 { Next::Vector } else { Next::Attribute }
            }
            (Next::Attribute, ModuleItem::Text(text)) => {
                self.attribute = (!text.is_empty()).then(|| text.into());
                Next::Vector
            }
            (Next::Vector, ModuleItem::Text(vector)) => {
                self.vector = vector.into();
                Next::Parameters
            }
            (Next::Parameters, part) => {
                self.parameters.clear();
                match number(part)? {
                    0 => return None,
                    left => Next::Parameter { left },
                }
            }
            (&Next::Parameter { left }, part) => {
                self.parameters.push(number(part)?);
                if left > 1 { Next::Parameter { left: left - 1 } } else { self.node()? }
            }
            _ => return None,
        };
        Some(self)
    }

    /// Everything before the elements is known.
    fn begin(&mut self, projection: Option<Projection>) -> Option<Next> {
        let quantization = Quantization::of(self.quantization)?;
        let form = Form { dimensions: self.dimensions, quantization, m: self.m };
        self.set = Some(VectorSet::empty(form, projection));
        Some(Next::Name)
    }

    /// Everything of an element is known.
    fn node(&mut self) -> Option<Next> {
        let set = self.set.as_mut()?;
        let (&[id, level], mut rest) = self.parameters.split_first_chunk()?;
        let (version, top) = (level >> 24 & 0xff, level & 0xff);
        if version > 1 || top > TOP || id == 0 {
            return None;
        }
        let mut levels = Vec::new();
        for _ in 0..=top {
            let (&[count, room], behind) = rest.split_first_chunk()?;
            if count > room || room > MOST_ROOM {
                return None;
            }
            let (links, behind) = behind.split_at_checked(count as usize)?;
            let (worst, behind) = match version {
                0 => (0, behind),
                _ => behind.split_first().map(|(worst, behind)| (*worst, behind))?,
            };
            if count > 0 && worst & u64::from(u32::MAX) >= count {
                return None;
            }
            levels.push((room, links.to_vec(), worst));
            rest = behind;
        }
        self.has_worst = version > 0;
        let lengths = rest.first()?;
        let form = set.form;
        if self.vector.len() != form.quantization.size_bytes(form.dimensions)
            || set.place(&self.name).is_some()
        {
            return None;
        }
        let vector = Vector {
            bytes: std::mem::take(&mut self.vector),
            length: f32::from_bits(*lengths as u32),
            range: match form.quantization {
                Quantization::Q8 => f32::from_bits((lengths >> 32) as u32),
                // What servers write here is left over from something else.
                _ => 0.0,
            },
        };
        let (name, attribute) = (std::mem::take(&mut self.name), self.attribute.take());
        set.push(Element { name: name.into(), attribute, vector, id });
        set.last_id = set.last_id.max(id);
        self.levels.push(levels);
        Some(Next::Name)
    }

    fn finish(self) -> Option<VectorSet> {
        let mut set = self.set?;
        if !matches!(self.next, Next::Name) || set.len() as u64 != self.count || set.is_empty() {
            return None;
        }
        let mut places = HashMap::with_capacity(set.len());
        for (place, element) in (0..).zip(set.elements.iter().flatten()) {
            if places.insert(element.id, place).is_some() {
                return None;
            }
        }
        let mut graph = Graph::default();
        let tops: Vec<usize> = self.levels.iter().map(Vec::len).collect();
        let mut halves = 0;
        for (place, levels) in (0..).zip(self.levels) {
            let mut node = Levels::new();
            for (level, (room, ids, worst)) in levels.into_iter().enumerate() {
                let mut to: Vec<u32> = Vec::with_capacity(ids.len());
                for id in ids {
                    let other = *places.get(&id)?;
                    if other == place || *tops.get(other as usize)? <= level {
                        return None;
                    }
                    halves ^= half(place, other, level);
                    to.push(other);
                }
                let mut sorted = to.clone();
                sorted.sort_unstable();
                sorted.dedup();
                if sorted.len() != to.len() {
                    return None;
                }
                let worst = (worst as u32, f32::from_bits((worst >> 32) as u32));
                node.push(Links::new(room as usize, to, worst));
            }
            graph.nodes.push(node);
        }
        // Each link has come twice.
        if halves != 0 {
            return None;
        }
        graph.enter();
        *set.graph_mut() = graph;
        if !self.has_worst {
            let space = set.space();
            let mut graph = super::lock(&set.graph);
            for place in 0..space.elements.len() as u32 {
                (0..=graph.top_of(place)).for_each(|level| graph.weigh(&space, place, level));
            }
        }
        Some(set)
    }
}

/// A number for a link, the same from both ends.
fn half(one: u32, other: u32, level: usize) -> u64 {
    let pair = u64::from(one.min(other)) << 32 | u64::from(one.max(other));
    let mut bits = pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (level as u64).rotate_left(48);
    bits = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    bits ^ (bits >> 32)
}
