//! What is written is what servers write, and reads as what was given.

use std::ops::ControlFlow;

use super::*;
use crate::rdb::object::{Checker, Problem};
use crate::rdb::{Scratch, Snapshot, Target, ValueType};
use crate::value::{Cell, Elem, Item, StreamId, StreamInfo};

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn bytes(texts: &[&'static str]) -> Vec<Elem<'static>> {
    texts.iter().map(|text| Elem::Bytes(text.as_bytes())).collect()
}

/// Writes a key, reads it again, and says its type, its body and its items.
#[track_caller]
fn through(
    to: &str,
    write: impl FnOnce(&mut Sink, &Target) -> Result<Option<ValueType>, Loss>,
) -> (ValueType, Vec<u8>, Vec<String>) {
    let target = target(to);
    let mut value = Sink::new(true);
    let ty = write(&mut value, &target).unwrap().unwrap();
    assert!(target.takes(ty), "{to} takes {ty:?}");
    let mut file = SnapshotWriter::new(Vec::new(), &target, true);
    file.aux(b"rdbkit-ver", b"0").unwrap();
    file.select_db(0).unwrap();
    file.entry(&EntryHead::of(b"k"), ty, &value.out).unwrap();
    let (file, size) = file.finish().unwrap();
    assert_eq!(file.len() as u64, size);
    let snapshot = Snapshot::new(&file).unwrap();
    assert_eq!(snapshot.header(), target.header);
    let entry = snapshot.entries().next().unwrap().unwrap();
    assert_eq!(entry.value_type, ty);
    assert_eq!(entry.key_bytes().unwrap(), &b"k"[..]);
    assert_eq!(entry.body(), value.out);
    let mut items = Vec::new();
    let mut scratch = Scratch::default();
    entry
        .visit(&mut scratch, |item| {
            items.push(said(item));
            ControlFlow::Continue(())
        })
        .unwrap();
    (ty, value.out, items)
}

fn said(item: Item<'_>) -> String {
    let text = |elem: Elem<'_>| String::from_utf8_lossy(&elem.to_vec()).into_owned();
    match item {
        Item::Text(elem) | Item::Element(elem) | Item::Member(elem) => text(elem),
        Item::Scored { member, score } => format!("{} {score:?}", text(member)),
        Item::Field { field, value, expires_at_ms } => {
            format!("{} {} {expires_at_ms:?}", text(field), text(value))
        }
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn check_list(to: &str, elements: &[Elem<'_>], ty: ValueType, nodes: u8) {
    let (got, body, items) =
        through(to, |sink, target| Ok(Some(list(sink, target, elements.iter().copied()))));
    assert_eq!(got, ty);
    assert_eq!(items, elements.iter().map(|elem| said(Item::Element(*elem))).collect::<Vec<_>>());
    if matches!(ty, ValueType::ListQuicklist | ValueType::ListQuicklist2) {
        assert_eq!(body[0], nodes);
    }
}

#[test]
fn lists_are_cut_as_servers_cut_them() {
    use ValueType::{List, ListQuicklist, ListQuicklist2, ListZiplist};
    let few = bytes(&["a", "5", "1000", "-1", "bc", ""]);
    check_list("redis:3.0", &few, ListZiplist, 0);
    check_list("redis:6.2", &few, ListQuicklist, 1);
    check_list("redis:8.10", &few, ListQuicklist2, 1);
    let many: Vec<Elem<'_>> = (100_000..102_000).map(Elem::Int).collect();
    check_list("redis:3.0", &many, List, 0);
    // Six digits and their overhead are guessed to be 8 and 14 bytes, and take 5 and 6.
    check_list("redis:6.2", &many, ListQuicklist, 2);
    check_list("redis:7.0", &many, ListQuicklist2, 2);
    let large = vec![b'x'; 9000];
    let mixed = [Elem::Bytes(b"a"), Elem::Bytes(&large), Elem::Bytes(b"b")];
    check_list("redis:3.0", &mixed, List, 0);
    check_list("redis:6.2", &mixed, ListQuicklist, 3);
    check_list("redis:7.0", &mixed, ListQuicklist2, 3);
    check_list("valkey:8.1", &mixed, ListQuicklist2, 3);
}

#[test]
fn nodes_stay_as_they_are_where_they_can() {
    let mut pack = crate::rdb::packed::ListpackBuf::new();
    pack.push(b"a");
    pack.push(b"1");
    let nodes = [ListNode::Packed(pack.as_bytes()), ListNode::Plain(b"plainnode")];
    let write = |sink: &mut Sink, target: &Target| {
        Ok(Some(list_nodes(sink, target, nodes.iter().copied())))
    };
    let (ty, body, items) = through("redis:8.10", write);
    assert_eq!((ty, items.join(" ")), (ValueType::ListQuicklist2, "a 1 plainnode".into()));
    assert_eq!(body, b"\x02\x02\x0c\x0c\0\0\0\x02\0\x81\x61\x02\x01\x01\xff\x01\x09plainnode");
    for (to, want) in
        [("redis:5.0", ValueType::ListQuicklist), ("redis:2.8", ValueType::ListZiplist)]
    {
        let (ty, _, items) = through(to, write);
        assert_eq!((ty, items.join(" ")), (want, "a 1 plainnode".into()));
    }
}

#[track_caller]
fn check_set(to: &str, members: &[Elem<'_>], ty: ValueType) {
    let (got, _, mut items) =
        through(to, |sink, target| Ok(Some(set(sink, target, members.iter().copied()))));
    let mut want: Vec<_> = members.iter().map(|elem| said(Item::Member(*elem))).collect();
    items.sort();
    want.sort();
    assert_eq!((got, items), (ty, want));
}

#[test]
fn sets_by_what_is_in_them() {
    use ValueType::{Set, SetIntset, SetListpack};
    check_set("redis:2.8", &bytes(&["3", "-1", "300"]), SetIntset);
    check_set("redis", &[Elem::Int(5), Elem::Bytes(b"99999999999"), Elem::Int(-7)], SetIntset);
    check_set("redis:7.0", &bytes(&["a", "1"]), Set);
    check_set("redis:7.2", &bytes(&["a", "1"]), SetListpack);
    check_set("redis:7.2", &bytes(&["a", "01"]), SetListpack);
    let numbers: Vec<Elem<'_>> = (0..513).map(Elem::Int).collect();
    check_set("valkey", &numbers[..512], SetIntset);
    check_set("valkey", &numbers, Set);
    let long = "y".repeat(65);
    check_set("redis", &[Elem::Bytes(long.as_bytes())], Set);
    check_set("redis", &[Elem::Bytes(&long.as_bytes()[..64])], SetListpack);
}

#[track_caller]
fn check_sorted_set(to: &str, members: &[(Elem<'_>, f64)], ty: ValueType, want: &[&str]) {
    let (got, _, items) =
        through(to, |sink, target| Ok(Some(sorted_set(sink, target, members.iter().copied()))));
    assert_eq!(got, ty);
    assert_eq!(items, want);
}

#[test]
fn sorted_sets_and_their_scores() {
    use ValueType::{SortedSet, SortedSet2, SortedSetListpack, SortedSetZiplist};
    let few = [
        (Elem::Bytes(b"low"), f64::NEG_INFINITY),
        (Elem::Bytes(b"z"), -0.0),
        (Elem::Int(7), 0.1),
        (Elem::Bytes(b"w"), 1e17),
    ];
    check_sorted_set(
        "redis:6.2",
        &few,
        SortedSetZiplist,
        &["low -inf", "z -0.0", "7 0.1", "w 1e17"],
    );
    check_sorted_set(
        "redis:7.0",
        &few,
        SortedSetListpack,
        &["low -inf", "z 0.0", "7 0.1", "w 1e17"],
    );
    let long = [b'x'; 65];
    let large = [(Elem::Bytes(&long[..]), -0.0), (Elem::Bytes(b"b"), 0.1)];
    let first = format!("{} -0.0", "x".repeat(65));
    check_sorted_set("redis:3.2", &large, SortedSet, &["b 0.1", &first]);
    check_sorted_set("redis:4.0", &large, SortedSet2, &["b 0.1", &first]);
}

#[test]
fn scores_are_spelled_as_the_target_does() {
    let members = [(Elem::Bytes(b"m"), 0.1), (Elem::Bytes(b"n"), 9_223_372_036_854_775_000.0)];
    let spelled = |to: &str, text: &[u8]| {
        let mut sink = Sink::new(false);
        sorted_set(&mut sink, &target(to), members.iter().copied());
        sink.out.windows(text.len()).any(|window| window == text)
    };
    assert!(spelled("redis:6.2", b"0.10000000000000001"));
    assert!(spelled("redis:7.0", b"0.10000000000000001"));
    assert!(spelled("redis:7.0", b"9.2233720368547748e+18"));
    assert!(spelled("redis:7.2", b"\x830.1\x04"));
    // The shortest spelling of it has no exponent, and so it is an integer.
    assert!(!spelled("redis:7.2", b"9.22"));
}

type Fields<'a> = &'a [(&'static str, &'static str, Option<u64>)];

fn fields(
    fields: Fields<'_>,
) -> impl ExactSizeIterator<Item = (Elem<'static>, Elem<'static>, Option<u64>)> + Clone {
    let elem = |text: &'static str| Elem::Bytes(text.as_bytes());
    fields.iter().map(move |(field, value, at)| (elem(field), elem(value), *at))
}

#[track_caller]
fn check_hash(to: &str, given: Fields<'_>, ty: ValueType, want: &[&str]) -> Vec<u8> {
    let (got, body, items) =
        through(to, |sink, target| hash(sink, target, fields(given)).map(Some));
    assert_eq!(got, ty);
    assert_eq!(items, want);
    body
}

#[test]
fn hashes_whose_fields_expire() {
    use ValueType::{Hash, HashListpack, HashListpackEx, HashMetadata, HashValkey, HashZiplist};
    let plain: Fields<'_> = &[("f", "v", None), ("g", "1", None)];
    check_hash("redis:2.8", plain, HashZiplist, &["f v None", "g 1 None"]);
    check_hash("valkey", plain, HashListpack, &["f v None", "g 1 None"]);
    let expiring: Fields<'_> = &[
        ("g", "w", None),
        ("f", "v", Some(4_000_000_000_000)),
        ("e", "u", Some(3_000_000_000_000)),
    ];
    let sorted = ["e u Some(3000000000000)", "f v Some(4000000000000)", "g w None"];
    let body = check_hash("redis:7.4", expiring, HashListpackEx, &sorted);
    assert_eq!(body[..8], 3_000_000_000_000_u64.to_le_bytes());
    let given = ["g w None", "f v Some(4000000000000)", "e u Some(3000000000000)"];
    check_hash("valkey:9.0", expiring, HashValkey, &given);
    let mut large = vec![("h", "", None); 513];
    large[0] = ("f", "v", Some(4_000_000_000_000));
    let (ty, body, items) =
        through("redis:8.0", |sink, target| hash(sink, target, fields(&large)).map(Some));
    assert_eq!((ty, items.len(), &*items[0]), (HashMetadata, 513, "f v Some(4000000000000)"));
    assert!(
        body.starts_with(b"\x00\x40\x94\x52\xa3\x03\x00\x00\x42\x01\x01\x01f\x01v\x00\x01h\x00")
    );
    for to in ["redis:7.2", "redict", "valkey:8.1", "redis:6.2"] {
        let mut sink = Sink::new(true);
        assert_eq!(hash(&mut sink, &target(to), fields(expiring)), Err(Loss::FieldExpiry));
        assert_eq!(sink.losses, []);
        let mut sink = Sink::new(true).lossy();
        assert!(hash(&mut sink, &target(to), fields(expiring)).is_ok());
        assert_eq!(sink.losses, [Loss::FieldExpiry]);
    }
    check_hash("redis:7.4", &[("f", "v", Some(0))], HashListpackEx, &["f v Some(1)"]);
    let far: Fields<'_> = &[("f", "v", Some(1 << 48))];
    check_hash("valkey:9.1", far, HashValkey, &["f v Some(281474976710656)"]);
    let mut sink = Sink::new(true);
    assert_eq!(hash(&mut sink, &target("redis"), fields(far)), Err(Loss::FarFieldExpiry));
    let long: &'static str = Box::leak("l".repeat(65).into_boxed_str());
    check_hash("redis", &[(long, "", None)], Hash, &[&format!("{long}  None")]);
}

const ID: StreamId = StreamId { ms: 1000, seq: 0 };

/// Calls with the parts of the stream of the reference, with a nacked id and a producer besides.
fn with_stream<T>(then: impl FnOnce(&StreamParts<'_>) -> T) -> T {
    let node = b"\x1e\0\0\0\x0a\0\x01\x01\0\x01\x01\x01\x81f\x02\0\x01\x02\x01\0\x01\0\x01\x82v1\x03\x04\x01\xff";
    let nacked = StreamId { ms: 1001, seq: 0 };
    let pending =
        |id, deliveries| PendingEntry { id, delivered_at_ms: 1_700_000_000_000, deliveries };
    let consumers = [ConsumerParts {
        name: b"c1",
        seen_at_ms: 1_700_000_000_000,
        active_at_ms: Some(-1),
        owned: &[ID],
    }];
    let groups = [GroupParts {
        name: b"g1",
        last_id: ID,
        entries_read: Some(1),
        pending: &[pending(ID, 1), pending(nacked, 2)],
        consumers: &consumers,
        nacked: &[nacked],
    }];
    let producers = [ProducerParts { name: b"p", used: &[(b"i", ID)] }];
    then(&StreamParts {
        nodes: StreamNodes::Packed(&[(ID, node)]),
        info: StreamInfo {
            length: 1,
            last_id: ID,
            first_id: Some(ID),
            max_deleted_id: Some(StreamId::default()),
            entries_added: Some(1),
            ..StreamInfo::default()
        },
        groups: &groups,
        producers: &producers,
    })
}

#[track_caller]
fn check_stream(to: &str, ty: ValueType, pending: usize, losses: &[Loss]) -> Vec<u8> {
    let mut lost = Vec::new();
    let (got, body, items) = through(to, |sink, target| {
        *sink = Sink::new(true).lossy();
        let done = with_stream(|parts| stream(sink, target, parts));
        lost.clone_from(&sink.losses);
        done
    });
    assert_eq!(got, ty);
    assert_eq!(lost, losses);
    let of = |name: &str| items.iter().filter(|item| item.starts_with(name)).count();
    assert_eq!(of("Pending"), pending);
    assert_eq!(of("Owned"), 1);
    assert_eq!(of("Nacked"), pending - 1);
    body
}

#[test]
fn streams_in_five_layouts() {
    use Loss::{ConsumerActivity, IdempotentIds, NackedEntries};
    use ValueType::{Stream, Stream2, Stream3, Stream4, Stream5};
    check_stream("redis:8.10", Stream5, 2, &[]);
    check_stream("redis:8.6", Stream4, 1, &[NackedEntries]);
    let body = check_stream("valkey:9.1", Stream3, 1, &[NackedEntries, IdempotentIds]);
    assert_eq!(
        body,
        b"\x01\x10\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\0\
          \x1e\x1e\0\0\0\x0a\0\x01\x01\0\x01\x01\x01\x81f\x02\0\x01\x02\x01\0\x01\0\x01\x82v1\x03\x04\x01\xff\
          \x01\x43\xe8\0\x43\xe8\0\0\0\x01\x01\x02g1\x43\xe8\0\x01\
          \x01\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\0\0\x68\xe5\xcf\x8b\x01\0\0\x01\
          \x01\x02c1\0\x68\xe5\xcf\x8b\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\0"
    );
    check_stream("redis:7.0", Stream2, 1, &[NackedEntries, IdempotentIds, ConsumerActivity]);
    check_stream("redis:5.0", Stream, 1, &[NackedEntries, IdempotentIds, ConsumerActivity]);
    let mut sink = Sink::new(true);
    let old = target("redis:4.0");
    assert_eq!(with_stream(|parts| stream(&mut sink, &old, parts)), Err(Loss::Stream));
}

#[test]
fn arrays_and_modules_where_there_are_such() {
    let cells = [
        (0, Cell::Bytes(b"x")),
        (1, Cell::Bytes(b"yy")),
        (5, Cell::Int(12)),
        (7, Cell::Double(1.5)),
        (12, Cell::Bytes(b"longstring!")),
    ];
    let (ty, body, _) =
        through("redis:8.10", |sink, target| array(sink, target, Some(0), cells.into_iter()));
    assert_eq!(ty, ValueType::Array);
    assert_eq!(
        body,
        b"\x05\x01\x00\x00\x03\x01x\x01\x03\x02yy\x05\x01\x0c\0\0\0\0\0\0\0\
          \x07\x02\0\0\0\0\0\0\xf8\x3f\x0c\x00\x0blongstring!"
    );
    let mut sink = Sink::new(true);
    let none = array(&mut sink, &target("redis:8.6"), None, cells.into_iter());
    assert_eq!(none, Err(Loss::Array));
    let vectors = b"\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00\x00";
    assert_eq!(module(&mut sink, &target("valkey"), vectors), Err(Loss::VectorSet));
    assert_eq!(module(&mut sink, &target("redis:3.2"), vectors), Err(Loss::Module));
    assert_eq!(module(&mut sink, &target("redis:8.0"), vectors), Err(Loss::VectorSet));
    through("redis:8.6", |sink, target| module(sink, target, vectors));
}

/// Every key of the fixtures, for every target: what is not copied passes the deep check.
#[test]
fn keys_of_other_snapshots() {
    let targets: Vec<Target> = (6..=15)
        .chain([80])
        .map(|rdb| Target::of_rdb_version(rdb).unwrap())
        .chain([target("redict"), target("valkey:8.1")])
        .collect();
    let (mut same, mut anew, mut lost) = (0, 0, 0);
    for file in std::fs::read_dir("fixtures").unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rdb") {
            continue;
        }
        let file = std::fs::read(&path).unwrap();
        let mut room = EntryRoom::default();
        let mut sink = Sink::new(true).lossy();
        let mut checker = Checker::default();
        for found in Snapshot::new(&file).unwrap().entries() {
            let Ok(found) = found else { break };
            for target in &targets {
                sink.clear();
                match entry(&mut sink, &found, target, false, &mut room).unwrap() {
                    Body::Same(..) => same += 1,
                    Body::Nothing => {
                        assert!(sink.losses.iter().any(|loss| loss.is_whole_key()));
                        lost += 1;
                    }
                    Body::Written(ty) => {
                        anew += 1;
                        assert!(target.takes(ty));
                        let mut out = SnapshotWriter::new(Vec::new(), target, true);
                        out.entry(&EntryHead::of(b"k"), ty, &sink.out).unwrap();
                        let (file, _) = out.finish().unwrap();
                        let again =
                            Snapshot::new(&file).unwrap().entries().next().unwrap().unwrap();
                        assert_eq!(
                            again.shape().unwrap().elements,
                            found.shape().unwrap().elements
                        );
                        let refuse = |problem: Problem| {
                            panic!("{} {target} {ty:?}: {problem:?}", path.display())
                        };
                        checker.check(&again, &mut { refuse }).unwrap();
                    }
                }
            }
        }
    }
    assert!(same > 100 && anew > 100 && lost > 10, "{same} {anew} {lost}");
}
