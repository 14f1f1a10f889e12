//! Vector sets: elements with a vector each, and maybe an attribute (Redis 8.0 and newer).
//!
//! ```text
//! elements   0 "a" …   1 gone   2 "c" …      by place: the newest last
//! names      "a" 0   "c" 2
//! graph      links between places, see `graph`
//! ```
//!
//! What a server would refuse to load is none of these: such a value stays as it came.

mod graph;
mod link;
mod load;
mod nearest;
mod projection;
mod vector;

use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};

use self::graph::Graph;
pub use self::graph::Links;
pub use self::nearest::Nearest;
pub use self::projection::Projection;
pub use self::vector::{Quantization, Vector};
use crate::engine::Bytes;

/// An element.
#[derive(Debug, Clone)]
pub struct Element {
    /// Its name.
    pub name: Bytes,
    /// Its attribute, which may be empty until a snapshot is loaded.
    pub attribute: Option<Bytes>,
    /// Its vector.
    pub vector: Vector,
    /// Its number in the graph, which no other element has had.
    pub id: u64,
}

/// What all vectors of a set have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// How many components a stored vector has.
    pub dimensions: usize,
    /// How they are stored.
    pub quantization: Quantization,
    /// How many links an element is to have, M.
    pub m: usize,
}

/// A vector set.
#[derive(Debug)]
pub struct VectorSet {
    form: Form,
    projection: Option<Projection>,
    elements: Vec<Option<Element>>,
    names: HashTable<u32>,
    hasher: DefaultHashBuilder,
    attributes: usize,
    last_id: u64,
    /// Linked by whoever looks first, while the elements stay as they are.
    graph: Mutex<Graph>,
}

impl Clone for VectorSet {
    fn clone(&self) -> Self {
        VectorSet {
            form: self.form,
            projection: self.projection.clone(),
            elements: self.elements.clone(),
            names: self.names.clone(),
            hasher: self.hasher.clone(),
            attributes: self.attributes,
            last_id: self.last_id,
            graph: Mutex::new(lock(&self.graph).clone()),
        }
    }
}

/// A graph that somebody left in the middle has links that are not mutual, at worst.
fn lock(graph: &Mutex<Graph>) -> MutexGuard<'_, Graph> {
    graph.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The elements as the graph sees them.
struct Space<'a> {
    elements: &'a [Option<Element>],
    form: Form,
}

impl Space<'_> {
    fn element(&self, place: u32) -> Option<&Element> {
        self.elements.get(place as usize)?.as_ref()
    }

    fn has(&self, place: u32) -> bool {
        self.element(place).is_some()
    }

    fn id(&self, place: u32) -> u64 {
        self.element(place).map_or(0, |element| element.id)
    }

    fn distance(&self, one: u32, other: u32) -> f32 {
        match (self.element(one), self.element(other)) {
            (Some(one), Some(other)) => self.form.distance(&one.vector, &other.vector),
            _ => f32::INFINITY,
        }
    }
}

impl Form {
    /// How far apart two vectors are: 0 in the same direction, 2 in opposite ones.
    pub fn distance(&self, one: &Vector, other: &Vector) -> f32 {
        one.distance(other, self.quantization, self.dimensions)
    }
}

impl VectorSet {
    /// Components that a vector has at most (Redis 8.10.2).
    pub const MOST_DIMENSIONS: usize = 1 << 16;
    /// Links per element that a set can ask for.
    pub const M: std::ops::RangeInclusive<usize> = 4..=4096;
    /// Links per element where a set asks for none.
    pub const USUAL_M: usize = 16;

    /// An empty one. `input` is how many components vectors have before they are made shorter;
    /// `None` where the matrix for that would be too large.
    pub fn new(form: Form, input: Option<usize>) -> Option<Self> {
        let projection = match input {
            Some(input) => Some(Projection::new(input, form.dimensions)?),
            None => None,
        };
        Some(VectorSet::empty(form, projection))
    }

    fn empty(form: Form, projection: Option<Projection>) -> Self {
        VectorSet {
            form,
            projection,
            elements: Vec::new(),
            names: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            attributes: 0,
            last_id: 0,
            graph: Mutex::default(),
        }
    }

    /// What all vectors have in common.
    pub fn form(&self) -> Form {
        self.form
    }

    /// How vectors are made shorter.
    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many elements have an attribute.
    pub fn attributes(&self) -> usize {
        self.attributes
    }

    /// The highest number that an element has or had.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// The elements, the newest first, as servers go through them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Element> {
        self.elements.iter().rev().flatten()
    }

    /// An element.
    pub fn get(&self, name: &[u8]) -> Option<&Element> {
        self.elements.get(self.place(name)? as usize)?.as_ref()
    }

    fn place(&self, name: &[u8]) -> Option<u32> {
        let is_it = |&place: &u32| self.name(place) == Some(name);
        self.names.find(self.hasher.hash_one(name), is_it).copied()
    }

    fn name(&self, place: u32) -> Option<&[u8]> {
        let element = self.elements.get(place as usize)?.as_ref()?;
        Some(element.name.as_slice())
    }

    /// A vector of the user's as it is stored here, made shorter where that is what the set does.
    pub fn stored(&self, components: Vec<f32>) -> Vector {
        let components = match &self.projection {
            Some(projection) if components.len() != self.form.dimensions => {
                projection.apply(&components)
            }
            _ => components,
        };
        Vector::new(components, self.form.quantization)
    }

    /// A vector to be added, which has as many components as vectors have here before they are
    /// made shorter.
    pub fn projected(&self, components: Vec<f32>) -> Vector {
        let components = match &self.projection {
            Some(projection) => projection.apply(&components),
            None => components,
        };
        Vector::new(components, self.form.quantization)
    }

    /// Adds an element, or gives it another vector; whether it is a new one. What is there keeps
    /// its attribute unless there is another one, of which an empty one takes it away.
    pub fn add(&mut self, name: &[u8], vector: Vector, attribute: Option<&[u8]>) -> bool {
        let old = self.take(name);
        let is_new = old.is_none();
        let attribute = match (attribute, old) {
            (Some(text), None) => Some(text.into()),
            (Some(text), Some(_)) => (!text.is_empty()).then(|| text.into()),
            (None, old) => old.and_then(|old| old.attribute),
        };
        self.last_id += 1;
        let id = self.last_id;
        self.push(Element { name: name.into(), attribute, vector, id });
        if !is_new {
            self.close_gaps();
        }
        is_new
    }

    /// Puts an element behind the others.
    fn push(&mut self, element: Element) {
        let Ok(place) = u32::try_from(self.elements.len()) else { return };
        self.attributes += usize::from(element.attribute.is_some());
        let hash = self.hasher.hash_one(element.name.as_slice());
        self.elements.push(Some(element));
        let VectorSet { names, elements, hasher, .. } = self;
        names.insert_unique(hash, place, |&place| {
            let element = elements.get(place as usize).and_then(Option::as_ref);
            hasher.hash_one(element.map_or(&[][..], |element| element.name.as_slice()))
        });
        self.graph_mut().add(place);
    }

    /// Sets an attribute, or takes it away with an empty one; whether there is such an element.
    pub fn set_attribute(&mut self, name: &[u8], attribute: &[u8]) -> bool {
        let Some(place) = self.place(name) else { return false };
        let Some(Some(element)) = self.elements.get_mut(place as usize) else { return false };
        self.attributes -= usize::from(element.attribute.is_some());
        element.attribute = (!attribute.is_empty()).then(|| attribute.into());
        self.attributes += usize::from(element.attribute.is_some());
        true
    }

    /// Removes an element; whether there was such a one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let there = self.take(name).is_some();
        if there {
            self.close_gaps();
        }
        there
    }

    fn take(&mut self, name: &[u8]) -> Option<Element> {
        let hash = self.hasher.hash_one(name);
        let VectorSet { names, elements, .. } = self;
        let is_it = |&place: &u32| {
            let element = elements.get(place as usize).and_then(Option::as_ref);
            element.is_some_and(|element| element.name.as_slice() == name)
        };
        let (place, _) = names.find_entry(hash, is_it).ok()?.remove();
        let element = elements.get_mut(place as usize)?.take()?;
        self.attributes -= usize::from(element.attribute.is_some());
        self.graph_mut().remove(place);
        Some(element)
    }

    fn graph_mut(&mut self) -> &mut Graph {
        self.graph.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the elements together where most places are empty.
    fn close_gaps(&mut self) {
        /// Fewer places are not worth it.
        const FEW: usize = 64;
        if self.elements.len() < FEW || self.elements.len() < self.len() * 2 {
            return;
        }
        let mut places = vec![u32::MAX; self.elements.len()];
        let mut next = 0;
        for (place, element) in places.iter_mut().zip(&self.elements) {
            if element.is_some() {
                *place = next;
                next += 1;
            }
        }
        let moved = |place: u32| places.get(place as usize).copied().filter(|&to| to != u32::MAX);
        self.elements.retain(Option::is_some);
        self.names.iter_mut().for_each(|place| *place = moved(*place).unwrap_or(u32::MAX));
        let graph = self.graph.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut nodes = std::mem::take(&mut graph.nodes);
        graph.nodes = nodes
            .drain(..)
            .zip(&places)
            .filter(|(_, to)| **to != u32::MAX)
            .map(|(n, _)| n)
            .collect();
        for links in graph.nodes.iter_mut().flatten() {
            links.to.iter_mut().for_each(|place| *place = moved(*place).unwrap_or(u32::MAX));
        }
        graph.waiting = graph.waiting.iter().filter_map(|&place| moved(place)).collect();
        graph.entry = graph.entry.and_then(moved);
    }

    /// The elements with their links on each level from 0 on, the newest first.
    pub fn linked(&self, mut each: impl FnMut(&Element, &[Links], &dyn Fn(u32) -> u64)) {
        let graph = self.settled();
        let id = |place: u32| self.space().id(place);
        for (element, levels) in self.elements.iter().zip(&graph.nodes).rev() {
            if let Some(element) = element {
                each(element, levels, &id);
            }
        }
    }

    /// Those that an element is linked to: by level, the highest first. `None` where there is no
    /// such element.
    pub fn neighbours(&self, name: &[u8]) -> Option<Vec<Vec<Nearest<'_>>>> {
        let place = self.place(name)?;
        let graph = self.settled();
        let levels = graph.nodes.get(place as usize)?;
        let space = self.space();
        let neighbour = |&to: &u32| {
            let element = self.elements.get(to as usize)?.as_ref()?;
            Some(Nearest { distance: space.distance(place, to), element })
        };
        let level = |links: &Links| links.to.iter().filter_map(neighbour).collect();
        Some(levels.iter().rev().map(level).collect())
    }

    /// The highest level that an element is on.
    pub fn top(&self) -> usize {
        let graph = self.settled();
        graph.nodes.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1)
    }

    fn space(&self) -> Space<'_> {
        Space { elements: &self.elements, form: self.form }
    }

    /// The graph, with all elements in it.
    fn settled(&self) -> MutexGuard<'_, Graph> {
        let mut graph = lock(&self.graph);
        graph.settle(&self.space());
        graph
    }
}

#[cfg(test)]
mod tests;
