//! What modules wrote: values, metadata of keys, data beside the keys. All are runs of parts with
//! an opcode, which are hashed as they are, except that a string is its bytes however stored.

use nom::Parser;
use nom::number::complete::{le_f32, le_f64, le_u32};

use super::super::vector_set::VectorSet;
use super::message::{Bag, Message};
use crate::error::{Fault, Parsed, bad, unwrap_bad};
use crate::rdb::write::oldest_node;
use crate::rdb::{ModuleId, Text, length};
use crate::value::ModuleItem;

/// A module's value on its way. The elements of a vector set are a bag, because a server turns
/// their order around in each load and save; the parts of all other values keep theirs.
#[derive(Default)]
pub(super) struct Module {
    set: Option<VectorSet>,
    element: Option<Message>,
    elements: Bag,
    without_longest_links: bool,
    /// Where these are left out: the numbers of an element, which are those of its links.
    numbers: Vec<u64>,
}

impl Module {
    pub(super) fn new(without_longest_links: bool) -> Self {
        Module { without_longest_links, ..Module::default() }
    }

    /// Takes the next part; what belongs to no element goes into the value's own message.
    pub(super) fn item(&mut self, value: &mut Message, item: ModuleItem<'_>) {
        if let ModuleItem::Id(id) = item
            && ModuleId(id).name() == "vectorset"
        {
            self.set = Some(VectorSet::default());
        } else if let Some(set) = &mut self.set {
            if set.at_element() {
                self.elements.add_some(self.element.replace(Message::new()));
            }
            set.part(item);
            if let (true, Some(_), ModuleItem::Unsigned(n)) =
                (self.without_longest_links, &self.element, item)
            {
                self.numbers.push(n);
                if set.at_element() {
                    self.links();
                }
                return;
            }
        }
        part(self.element.as_mut().unwrap_or(value), item);
    }

    /// The links of an element as Redis 8.0 stores them.
    fn links(&mut self) {
        let Some(element) = &mut self.element else { return };
        let numbers = std::mem::take(&mut self.numbers);
        let oldest = numbers.split_first().and_then(|(_, node)| oldest_node(node));
        let count = oldest.iter().map(|node| node.len() as u64);
        let known = count.chain(oldest.iter().flatten().copied());
        let unknown = numbers.into_iter().filter(|_| oldest.is_none());
        known.chain(unknown).for_each(|n| part(element, ModuleItem::Unsigned(n)));
    }

    /// Ends the value's message.
    pub(super) fn end(mut self, value: &mut Message) {
        self.links();
        value.u8(0);
        if self.set.is_some() {
            self.elements.add_some(self.element.take());
            value.bag(&self.elements);
        }
    }
}

/// One part.
pub(super) fn part(message: &mut Message, part: ModuleItem<'_>) {
    match part {
        ModuleItem::Signed(n) => message.u8(1).i64(n),
        ModuleItem::Unsigned(n) => message.u8(2).u64(n),
        ModuleItem::Float(n) => message.u8(3).u64(n.to_bits().into()),
        ModuleItem::Double(n) => message.u8(4).u64(n.to_bits()),
        ModuleItem::Text(bytes) => message.u8(5).bytes(bytes),
        ModuleItem::Id(id) => message.u8(6).u64(id),
    };
}

/// A run of parts with its end marker, out of a record.
pub(super) fn parts(message: &mut Message, body: &[u8]) -> Result<(), Fault> {
    run(message, body).map(drop).map_err(|error| unwrap_bad(error).fault)
}

/// The metadata of a key: a bag, by class.
pub(super) fn metadata(meta: Option<&[u8]>) -> Result<Bag, Fault> {
    let mut bag = Bag::default();
    if let Some(meta) = meta {
        classes(&mut bag, meta).map_err(|error| unwrap_bad(error).fault)?;
    }
    Ok(bag)
}

fn classes<'a>(bag: &mut Bag, meta: &'a [u8]) -> Parsed<'a, ()> {
    let (mut rest, count) = length(meta)?;
    for _ in 0..count {
        let (after, class) = le_u32.parse(rest)?;
        let mut message = Message::new();
        message.u64(class.into());
        (rest, ()) = run(&mut message, after)?;
        bag.add(message);
    }
    Ok((rest, ()))
}

fn run<'a>(message: &mut Message, mut input: &'a [u8]) -> Parsed<'a, ()> {
    let mut room = Vec::new();
    loop {
        let (rest, opcode) = length(input)?;
        let rest = match opcode {
            0 => {
                message.u8(0);
                return Ok((rest, ()));
            }
            1 | 2 => {
                let (rest, n) = length(rest)?;
                let signed = opcode == 1;
                let item =
                    if signed { ModuleItem::Signed(n as i64) } else { ModuleItem::Unsigned(n) };
                part(message, item);
                rest
            }
            3 => {
                let (rest, n) = le_f32.parse(rest)?;
                part(message, ModuleItem::Float(n));
                rest
            }
            4 => {
                let (rest, n) = le_f64.parse(rest)?;
                part(message, ModuleItem::Double(n));
                rest
            }
            5 => {
                let (after, text) = Text::parse(rest)?;
                match text.blob(&mut room) {
                    Ok(bytes) => part(message, ModuleItem::Text(bytes)),
                    Err(fault) => return bad(rest, fault),
                }
                after
            }
            opcode => return bad(input, Fault::ModuleOpcode { opcode }),
        };
        input = rest;
    }
}
