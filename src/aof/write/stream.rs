//! Streams as commands.
//!
//! ```text
//! XADD k id f v …                                          each entry
//! XADD k MAXLEN 0 0-1 x y                                  where there is none
//! XSETID k last [ENTRIESADDED n MAXDELETEDID id]           7.0
//! XGROUP CREATE k g last [ENTRIESREAD n]                   7.0
//! XCLAIM k g c 0 id TIME ms RETRYCOUNT n JUSTID FORCE      each pending entry
//! XGROUP CREATECONSUMER k g c                              6.2, a consumer without such
//! XNACK k g FAIL IDS n id … RETRYCOUNT n FORCE             8.8, entries given back
//! XCFGSET k IDMP-DURATION s IDMP-MAXSIZE n                 8.6, where not 100 and 100
//! XIDMPRECORD k pid iid id                                 8.6
//! ```
//!
//! A snapshot lists a group's pending entries first and their owners behind, so they are kept until
//! the owners have come.

use crate::rdb::write::{Loss, PendingEntry, entries_read_by_old_groups};
use crate::rdb::{Product, Target};
use crate::resp::encode;
use crate::value::{Item, StreamId, StreamInfo};

/// What producers are limited to where nobody has said otherwise.
const DEFAULTS: (u64, u64) = (100, 100);

/// The commands of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamCommands {
    /// Whether the target has streams.
    known: bool,
    entries: u64,
    /// Those that are there, where something may be kept of others.
    ids: Vec<StreamId>,
    first_id: StreamId,
    info: StreamInfo,
    group: Vec<u8>,
    pending: Vec<PendingEntry>,
    consumer: Option<Consumer>,
    nacked: Vec<(u64, StreamId)>,
    producer: Vec<u8>,
    /// Ids that producers have used, as far as the commands say them.
    recorded: u64,
    lost: Vec<Loss>,
}

#[derive(Debug)]
struct Consumer {
    name: Vec<u8>,
    owns: bool,
}

/// Numbers and ids, spelled out.
struct Spelled(Vec<u8>);

impl Spelled {
    fn id(id: StreamId) -> Self {
        // One for each message: formatting by way of `Display` is seen in the time of a conversion.
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        Spelled([ms.format(id.ms), seq.format(id.seq)].join("-").into_bytes())
    }

    fn number(n: impl itoa::Integer) -> Self {
        Spelled(itoa::Buffer::new().format(n).as_bytes().to_vec())
    }
}

impl StreamCommands {
    pub(super) fn begin(&mut self, target: &Target, losses: &mut Vec<Loss>) {
        *self = StreamCommands { known: target.stream_layout().is_some(), ..Self::default() };
        if !self.known {
            losses.push(Loss::Stream);
        }
    }

    pub(super) fn item(
        &mut self,
        out: &mut Vec<u8>,
        losses: &mut Vec<Loss>,
        key: &[u8],
        target: &Target,
        item: &Item<'_>,
    ) {
        if !self.known {
            return;
        }
        match *item {
            Item::StreamEntry { id, fields } => {
                if self.entries == 0 {
                    self.first_id = id;
                }
                self.entries += 1;
                if target.stream_layout() >= Some(4) {
                    self.ids.push(id);
                }
                encode::header(out, b'*', 3 + 2 * fields.iter().len() as u64);
                arg(out, b"XADD");
                arg(out, key);
                arg(out, &Spelled::id(id).0);
                for (field, value) in fields.iter() {
                    arg(out, field.bytes(&mut itoa::Buffer::new()));
                    arg(out, value.bytes(&mut itoa::Buffer::new()));
                }
            }
            Item::StreamInfo(info) => self.numbers(out, losses, key, target, info),
            Item::Group(group) => {
                self.end_group(out, losses, key, target);
                self.group = group.name.to_vec();
                let last = Spelled::id(group.last_id);
                let read = match group.entries_read {
                    None if self.info.first_id.is_none() => {
                        let info = StreamInfo { first_id: Some(self.first_id), ..self.info };
                        entries_read_by_old_groups(&info, group.last_id)
                    }
                    read => read,
                };
                let head = [b"XGROUP", b"CREATE".as_slice(), key, group.name, &last.0];
                match read {
                    Some(read) if since_7_0(target) => {
                        let read = Spelled::number(read);
                        command(out, &[&head[..], &[b"ENTRIESREAD", &read.0]].concat());
                    }
                    _ => command(out, &head),
                }
            }
            Item::Pending { id, delivered_at_ms, deliveries } => {
                self.pending.push(PendingEntry { id, delivered_at_ms, deliveries });
            }
            Item::Consumer { name, .. } => {
                self.end_consumer(out, losses, key, target);
                self.consumer = Some(Consumer { name: name.to_vec(), owns: false });
                self.lose(losses, Loss::ConsumerTimes);
            }
            Item::Owned(id) => self.claim(out, key, id),
            Item::Nacked(id) => {
                if target.stream_layout() >= Some(5) {
                    let count = self.found(id).map_or(0, |pending| pending.deliveries);
                    self.nacked.push((count, id));
                } else {
                    self.lose(losses, Loss::NackedEntries);
                }
            }
            Item::Producer(name) => {
                self.end_group(out, losses, key, target);
                self.producer = name.to_vec();
            }
            Item::Idempotent { iid, id } => {
                // A server takes no record of what has been deleted, and its own logs have none
                // (Redis 8.6.3, 8.10.2).
                if target.stream_layout() >= Some(4) && self.ids.binary_search(&id).is_ok() {
                    let id = Spelled::id(id);
                    command(out, &[b"XIDMPRECORD", key, &self.producer, iid, &id.0]);
                    self.recorded += 1;
                } else {
                    self.lose(losses, Loss::IdempotentIds);
                }
            }
            _ => {}
        }
    }

    /// Whether there is a stream now.
    pub(super) fn end(
        &mut self,
        out: &mut Vec<u8>,
        losses: &mut Vec<Loss>,
        key: &[u8],
        target: &Target,
    ) -> bool {
        if self.known {
            self.end_group(out, losses, key, target);
            if let Some(settings) = self.info.idempotence {
                let limits = (settings.duration_secs, settings.max_entries);
                // Each record counts as an id that was added.
                let counted = settings.added != self.recorded || settings.duplicates > 0;
                if counted || (limits != DEFAULTS && target.stream_layout() < Some(4)) {
                    self.lose(losses, Loss::IdempotenceSettings);
                }
            }
        }
        self.known
    }

    fn numbers(
        &mut self,
        out: &mut Vec<u8>,
        losses: &mut Vec<Loss>,
        key: &[u8],
        target: &Target,
        info: StreamInfo,
    ) {
        self.info = info;
        let deleted = info.max_deleted_id.is_some_and(|id| id != StreamId::default());
        let added = info.entries_added.is_some_and(|added| added != info.length);
        if !since_7_0(target) && (deleted || added) {
            self.lose(losses, Loss::StreamCounters);
        }
        if self.entries == 0 {
            command(out, &[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
        }
        let last = Spelled::id(info.last_id);
        let head = [b"XSETID".as_slice(), key, &last.0];
        match (info.entries_added, info.max_deleted_id) {
            (Some(added), Some(deleted)) if since_7_0(target) => {
                let (added, deleted) = (Spelled::number(added), Spelled::id(deleted));
                let tail = [b"ENTRIESADDED", &*added.0, b"MAXDELETEDID", &deleted.0];
                command(out, &[&head[..], &tail[..]].concat());
            }
            _ => command(out, &head),
        }
        if let Some(settings) = info.idempotence
            && target.stream_layout() >= Some(4)
            && (settings.duration_secs, settings.max_entries) != DEFAULTS
        {
            let duration = Spelled::number(settings.duration_secs);
            let most = Spelled::number(settings.max_entries);
            let args = [b"IDMP-DURATION", &*duration.0, b"IDMP-MAXSIZE", &most.0];
            command(out, &[&[b"XCFGSET", key], &args[..]].concat());
        }
    }

    fn claim(&mut self, out: &mut Vec<u8>, key: &[u8], id: StreamId) {
        // One that the group does not know is in no snapshot that loads.
        let (Some(pending), Some(consumer)) = (self.found(id), &mut self.consumer) else { return };
        consumer.owns = true;
        let (id, at, count) = (
            Spelled::id(id),
            Spelled::number(pending.delivered_at_ms),
            Spelled::number(pending.deliveries),
        );
        let head = [b"XCLAIM", key, &self.group, &consumer.name, b"0", &id.0];
        let tail =
            [b"TIME".as_slice(), &at.0, b"RETRYCOUNT", &count.0, b"JUSTID".as_slice(), b"FORCE"];
        command(out, &[&head[..], &tail[..]].concat());
    }

    fn found(&self, id: StreamId) -> Option<PendingEntry> {
        let place = self.pending.binary_search_by_key(&id, |pending| pending.id);
        match place {
            Ok(place) => self.pending.get(place).copied(),
            // Servers write them by id, but read them in any order.
            Err(_) => self.pending.iter().find(|pending| pending.id == id).copied(),
        }
    }

    fn end_consumer(
        &mut self,
        out: &mut Vec<u8>,
        losses: &mut Vec<Loss>,
        key: &[u8],
        target: &Target,
    ) {
        if let Some(consumer) = self.consumer.take().filter(|consumer| !consumer.owns) {
            if target.product != Product::Redis || target.version >= (6, 2) {
                let args =
                    [b"XGROUP", b"CREATECONSUMER".as_slice(), key, &self.group, &consumer.name];
                command(out, &args);
            } else {
                self.lose(losses, Loss::IdleConsumer);
            }
        }
    }

    fn end_group(
        &mut self,
        out: &mut Vec<u8>,
        losses: &mut Vec<Loss>,
        key: &[u8],
        target: &Target,
    ) {
        self.end_consumer(out, losses, key, target);
        for run in self.nacked.chunk_by(|(one, _), (other, _)| one == other) {
            let count = Spelled::number(run.first().map_or(0, |(count, _)| *count));
            let many = Spelled::number(run.len());
            encode::header(out, b'*', 9 + run.len() as u64);
            for word in [b"XNACK", key, &self.group, b"FAIL", b"IDS", &many.0] {
                arg(out, word);
            }
            for (_, id) in run {
                arg(out, &Spelled::id(*id).0);
            }
            for word in [b"RETRYCOUNT".as_slice(), &count.0, b"FORCE"] {
                arg(out, word);
            }
        }
        self.nacked.clear();
        self.pending.clear();
    }

    fn lose(&mut self, losses: &mut Vec<Loss>, loss: Loss) {
        if !self.lost.contains(&loss) {
            self.lost.push(loss);
            losses.push(loss);
        }
    }
}

fn since_7_0(target: &Target) -> bool {
    target.stream_layout() >= Some(2)
}

fn command(out: &mut Vec<u8>, args: &[&[u8]]) {
    encode::command(out, args);
}

fn arg(out: &mut Vec<u8>, text: &[u8]) {
    encode::header(out, b'$', text.len() as u64);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}
