//! A stream with all that belongs to it, from the run of items that a decoder hands out.
//!
//! Layouts older than type 19 do not say everything. What they leave out is what a server makes
//! of it while loading, so that a stream keeps its digest when it moves to a newer layout.

use super::message::{Bag, Message};
use crate::value::{Elem, Group, Idempotence, Item, StreamId, StreamInfo};

/// What a server assumes where the layout knows nothing of idempotent producers (Redis 8.10.2).
const NO_PRODUCERS: Idempotence =
    Idempotence { duration_secs: 100, max_entries: 100, producers: 0, added: 0, duplicates: 0 };

/// A stream on its way.
#[derive(Default)]
pub(super) struct Stream {
    /// The first live entry.
    first: Option<StreamId>,
    info: StreamInfo,
    groups: Bag,
    group: Option<OpenGroup>,
    producers: Bag,
    producer: Option<Message>,
}

struct OpenGroup {
    head: Message,
    pending: Bag,
    consumers: Bag,
    consumer: Option<(Message, Bag)>,
    nacked: Message,
    nacked_count: u64,
}

impl Stream {
    /// Takes the next item; entries go into the value's own message.
    pub(super) fn item(&mut self, value: &mut Message, item: Item<'_>) {
        match item {
            Item::StreamEntry { id, fields } => {
                self.first.get_or_insert(id);
                let fields = fields.iter();
                value.u8(1).id(id).u64(fields.len() as u64);
                for (field, content) in fields {
                    elem(value, field);
                    elem(value, content);
                }
            }
            Item::StreamInfo(info) => self.info = info,
            Item::Group(group) => {
                self.close_group();
                self.group = Some(self.open(&group));
            }
            Item::Pending { id, delivered_at_ms, deliveries } => {
                if let Some(group) = &mut self.group {
                    let mut message = Message::new();
                    message.id(id).i64(delivered_at_ms).u64(deliveries);
                    group.pending.add(message);
                }
            }
            Item::Consumer { name, seen_at_ms, active_at_ms } => {
                if let Some(group) = &mut self.group {
                    group.close_consumer();
                    let mut message = Message::new();
                    // A loader takes the one time of older layouts for both.
                    let active = active_at_ms.unwrap_or(seen_at_ms);
                    message.bytes(name).i64(seen_at_ms).i64(active);
                    group.consumer = Some((message, Bag::default()));
                }
            }
            Item::Owned(id) => {
                if let Some((_, owned)) = self.group.as_mut().and_then(|g| g.consumer.as_mut()) {
                    let mut message = Message::new();
                    message.id(id);
                    owned.add(message);
                }
            }
            Item::Nacked(id) => {
                if let Some(group) = &mut self.group {
                    group.nacked.id(id);
                    group.nacked_count += 1;
                }
            }
            Item::Producer(name) => {
                self.close_producer();
                let mut message = Message::new();
                message.bytes(name);
                self.producer = Some(message);
            }
            Item::Idempotent { iid, id } => {
                if let Some(message) = &mut self.producer {
                    message.u8(1).bytes(iid).id(id);
                }
            }
            _ => {}
        }
    }

    /// Puts all but the entries into the value's message.
    pub(super) fn end(mut self, value: &mut Message) {
        self.close_group();
        self.close_producer();
        let info = &self.info;
        let Idempotence { duration_secs, max_entries, added, duplicates, .. } =
            info.idempotence.unwrap_or(NO_PRODUCERS);
        value
            .u8(0)
            .u64(info.length)
            .id(info.last_id)
            .id(self.first_id())
            .id(info.max_deleted_id.unwrap_or_default())
            .u64(self.entries_added())
            .bag(&self.groups)
            .u64(duration_secs)
            .u64(max_entries)
            .u64(added)
            .u64(duplicates)
            .bag(&self.producers);
    }

    /// What an empty stream says of its first entry differs by how it became empty, and means
    /// nothing: the next entry will be the first.
    fn first_id(&self) -> StreamId {
        match self.first {
            None => StreamId::default(),
            Some(first) => self.info.first_id.unwrap_or(first),
        }
    }

    fn entries_added(&self) -> u64 {
        self.info.entries_added.unwrap_or(self.info.length)
    }

    fn open(&self, group: &Group<'_>) -> OpenGroup {
        let read = match self.info.entries_added {
            Some(_) => group.entries_read,
            None => self.read_before(group.last_id),
        };
        let mut head = Message::new();
        head.bytes(group.name).id(group.last_id).opt_u64(read);
        OpenGroup {
            head,
            pending: Bag::default(),
            consumers: Bag::default(),
            consumer: None,
            nacked: Message::new(),
            nacked_count: 0,
        }
    }

    /// How many entries a group has read whose layout does not say: only known where it stands at
    /// an end of the stream. (In such a layout nothing was ever deleted, as far as it says.)
    fn read_before(&self, id: StreamId) -> Option<u64> {
        let added = self.entries_added();
        match self.first {
            _ if added == 0 => Some(0),
            _ if id == self.info.last_id => Some(added),
            _ if id > self.info.last_id => None,
            Some(first) if id < first => Some(added - self.info.length),
            Some(first) if id == first => Some(added - self.info.length + 1),
            _ => None,
        }
    }

    fn close_group(&mut self) {
        if let Some(mut group) = self.group.take() {
            group.close_consumer();
            let mut message = group.head;
            message.bag(&group.pending).bag(&group.consumers).u64(group.nacked_count);
            message.hash(&group.nacked.finish());
            self.groups.add(message);
        }
    }

    fn close_producer(&mut self) {
        if let Some(mut message) = self.producer.take() {
            message.u8(0);
            self.producers.add(message);
        }
    }
}

impl OpenGroup {
    fn close_consumer(&mut self) {
        if let Some((mut message, owned)) = self.consumer.take() {
            message.bag(&owned);
            self.consumers.add(message);
        }
    }
}

/// The bytes that a client would see.
pub(super) fn elem(message: &mut Message, elem: Elem<'_>) {
    message.bytes(elem.bytes(&mut itoa::Buffer::new()));
}
