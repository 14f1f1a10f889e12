//! Values in, commands out, as the servers' own rewrite writes them.

use super::*;
use crate::rdb::Snapshot;
use crate::rdb::write::{EntryHead, Sink, SnapshotWriter, hash};
use crate::resp::Command;
use crate::value::{Cell, Group, Idempotence, Pairs, StreamId, StreamInfo};

/// The commands as lines of words.
fn lines(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while !bytes.is_empty() {
        let (command, rest) = Command::strict(bytes).unwrap();
        let words = [command.name()].into_iter().chain(command.args());
        let words: Vec<_> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        lines.push(words.join(" "));
        bytes = rest;
    }
    lines
}

#[track_caller]
fn check(to: &str, kind: Kind, items: &[Item<'_>], want: &[&str], losses: &[Loss]) {
    let mut writer = CommandWriter::new(&to.parse().unwrap());
    writer.begin(b"k", kind);
    items.iter().for_each(|item| writer.item(item));
    writer.end(Some(4_102_444_800_000));
    let mut want = want.to_vec();
    if losses.iter().all(|loss| !loss.is_whole_key()) {
        want.push("PEXPIREAT k 4102444800000");
    }
    assert_eq!(lines(&writer.out), want);
    assert_eq!(writer.losses, losses);
}

const fn text(text: &'static str) -> Elem<'static> {
    Elem::Bytes(text.as_bytes())
}

#[test]
fn the_plain_kinds() {
    check("redis", Kind::String, &[Item::Text(Elem::Int(-5))], &["SET k -5"], &[]);
    let two = [Item::Element(text("a")), Item::Element(Elem::Int(1))];
    check("redis", Kind::List, &two, &["RPUSH k a 1"], &[]);
    check("redis", Kind::Set, &[Item::Member(text("a"))], &["SADD k a"], &[]);
    let scored = [Item::Scored { member: text("m"), score: 0.1 }];
    check("redis:7.0", Kind::SortedSet, &scored, &["ZADD k 0.1 m"], &[]);
    let cells = [
        Item::ArrayInsertIndex(6),
        Item::Cell { index: 0, cell: Cell::Bytes(b"x") },
        Item::Cell { index: 7, cell: Cell::Double(2.0) },
    ];
    check("redis", Kind::Array, &cells, &["ARMSET k 0 x 7 2.0", "ARSEEK k 7"], &[]);
    check("redis:8.6", Kind::Array, &cells, &[], &[Loss::Array]);
}

#[test]
fn at_most_so_many_in_a_command() {
    let mut writer = CommandWriter::new(&Target::default());
    writer.begin(b"k", Kind::Set);
    (0..130).for_each(|n| writer.item(&Item::Member(Elem::Int(n))));
    writer.end(None);
    let counts: Vec<_> =
        lines(&writer.out).iter().map(|line| line.split(' ').count() - 2).collect();
    assert_eq!(counts, [64, 64, 2]);
    writer.clear();
    writer.begin(b"k", Kind::Array);
    (0..40).for_each(|index| writer.item(&Item::Cell { index, cell: Cell::Int(1) }));
    writer.end(None);
    let counts: Vec<_> =
        lines(&writer.out).iter().map(|line| line.split(' ').count() - 2).collect();
    assert_eq!(counts, [64, 16]);
}

#[test]
fn fields_that_expire() {
    let field = |name: &'static str, expires_at_ms| Item::Field {
        field: text(name),
        value: text("v"),
        expires_at_ms,
    };
    let fields = [field("a", None), field("b", Some(5000)), field("c", None)];
    let redis = ["HMSET k b v", "HPEXPIREAT k 5000 FIELDS 1 b", "HMSET k a v c v"];
    check("redis:7.4", Kind::Hash, &fields, &redis, &[]);
    let valkey = ["HSETEX k PXAT 5000 FIELDS 1 b v", "HMSET k a v c v"];
    check("valkey:9.1", Kind::Hash, &fields, &valkey, &[]);
    for to in ["redis:7.2", "valkey:8.1", "redict"] {
        check(to, Kind::Hash, &fields, &["HMSET k a v b v c v"], &[Loss::FieldExpiry]);
    }
    let far = [field("b", Some(1 << 48))];
    check("redis:7.4", Kind::Hash, &far, &["HMSET k b v"], &[Loss::FarFieldExpiry]);
}

#[test]
fn streams_with_all_they_have() {
    let id = |ms| StreamId { ms, seq: 0 };
    let pairs = [(text("f"), text("v"))];
    let items = [
        Item::StreamEntry { id: id(1), fields: Pairs::new(&pairs) },
        Item::StreamInfo(StreamInfo {
            length: 1,
            last_id: id(3),
            first_id: Some(id(1)),
            max_deleted_id: Some(id(2)),
            entries_added: Some(3),
            idempotence: Some(Idempotence {
                duration_secs: 60,
                max_entries: 9,
                added: 2,
                ..Default::default()
            }),
            ..StreamInfo::default()
        }),
        Item::Group(Group { name: b"g", last_id: id(2), entries_read: Some(2), pending: 2 }),
        Item::Pending { id: id(1), delivered_at_ms: 77, deliveries: 4 },
        Item::Pending { id: id(2), delivered_at_ms: 0, deliveries: 5 },
        Item::Consumer { name: b"busy", seen_at_ms: 8, active_at_ms: Some(9) },
        Item::Owned(id(1)),
        Item::Consumer { name: b"idle", seen_at_ms: 8, active_at_ms: Some(-1) },
        Item::Nacked(id(2)),
        Item::Group(Group { name: b"h", last_id: id(0), entries_read: None, pending: 0 }),
        Item::Producer(b"p"),
        Item::Idempotent { iid: b"i", id: id(1) },
        // The message is gone.
        Item::Idempotent { iid: b"j", id: id(2) },
    ];
    let newest = [
        "XADD k 1-0 f v",
        "XSETID k 3-0 ENTRIESADDED 3 MAXDELETEDID 2-0",
        "XCFGSET k IDMP-DURATION 60 IDMP-MAXSIZE 9",
        "XGROUP CREATE k g 2-0 ENTRIESREAD 2",
        "XCLAIM k g busy 0 1-0 TIME 77 RETRYCOUNT 4 JUSTID FORCE",
        "XGROUP CREATECONSUMER k g idle",
        "XNACK k g FAIL IDS 1 2-0 RETRYCOUNT 5 FORCE",
        "XGROUP CREATE k h 0-0",
        "XIDMPRECORD k p i 1-0",
    ];
    let losses = [Loss::ConsumerTimes, Loss::IdempotentIds, Loss::IdempotenceSettings];
    check("redis", Kind::Stream, &items, &newest, &losses);
    let without: Vec<&str> = newest
        .into_iter()
        .filter(|line| !["XCFG", "XNAC", "XIDM"].iter().any(|name| line.starts_with(name)))
        .collect();
    let losses =
        [Loss::ConsumerTimes, Loss::NackedEntries, Loss::IdempotentIds, Loss::IdempotenceSettings];
    check("valkey:8.1", Kind::Stream, &items, &without, &losses);
    let old = [
        "XADD k 1-0 f v",
        "XSETID k 3-0",
        "XGROUP CREATE k g 2-0",
        "XCLAIM k g busy 0 1-0 TIME 77 RETRYCOUNT 4 JUSTID FORCE",
        "XGROUP CREATE k h 0-0",
    ];
    let losses = [
        Loss::StreamCounters,
        Loss::ConsumerTimes,
        Loss::NackedEntries,
        Loss::IdleConsumer,
        Loss::IdempotentIds,
        Loss::IdempotenceSettings,
    ];
    check("redis:6.0", Kind::Stream, &items, &old, &losses);
    check("redis:4.0", Kind::Stream, &items, &[], &[Loss::Stream]);
    let empty = [Item::StreamInfo(StreamInfo { last_id: id(3), ..StreamInfo::default() })];
    let made = ["XADD k MAXLEN 0 0-1 x y", "XSETID k 3-0"];
    check("redis:5.0", Kind::Stream, &empty, &made, &[]);
}

#[test]
fn keys_of_a_snapshot() {
    let target = Target::default();
    let mut value = Sink::new(true);
    let fields = [(text("f"), text("v"), None), (text("g"), text("w"), Some(99_u64))];
    let ty = hash(&mut value, &target, fields.into_iter()).unwrap();
    let mut file = SnapshotWriter::new(Vec::new(), &target, true);
    file.entry(&EntryHead::of(b"7"), ty, &value.out).unwrap();
    let module = b"\x81\xb5\xeb\x2d\xfa\xdc\xa9\x78\x01\x00";
    let head = EntryHead { expires_at_ms: Some(5), ..EntryHead::of(b"m") };
    file.entry(&head, crate::rdb::ValueType::Module2, module).unwrap();
    let (file, _) = file.finish().unwrap();
    let mut writer = CommandWriter::new(&target);
    writer.select(3);
    let mut room = KeyRoom::default();
    for entry in Snapshot::new(&file).unwrap().entries() {
        writer.key(&entry.unwrap(), &mut room).unwrap();
    }
    let lines = lines(&writer.out);
    let starts = ["SELECT 3", "HMSET 7 g w", "HPEXPIREAT 7 99 FIELDS 1 g", "HMSET 7 f v"];
    assert_eq!(lines[..4], starts);
    assert!(lines[4].starts_with("RESTORE m 0 ") && lines[4].ends_with(" REPLACE"));
    assert_eq!(lines[5], "PEXPIREAT m 5");
    assert_eq!(lines.len(), 6);
}
