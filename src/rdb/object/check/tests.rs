//! The deep check, rule by rule: bodies that are broken in one way each.

use super::*;
use crate::rdb::Template;
use std::sync::Arc;

/// A listpack of entries without back lengths.
fn listpack(entries: &[&[u8]]) -> Vec<u8> {
    let mut blob = vec![0; 6];
    for entry in entries {
        blob.extend(*entry);
        blob.push(entry.len() as u8);
    }
    blob.push(0xff);
    let total = blob.len() as u32;
    blob[..4].copy_from_slice(&total.to_le_bytes());
    blob[4..6].copy_from_slice(&(entries.len() as u16).to_le_bytes());
    blob
}

/// A string of up to 16383 bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    [&(len | 0x4000).to_be_bytes()[..], bytes].concat()
}

fn entry(ty: ValueType, body: &[u8]) -> Entry<'_> {
    Entry {
        db: 0,
        key: Text::Raw(b"k"),
        expires_at_ms: None,
        eviction: None,
        meta: None,
        value_type: ty,
        offset: 0,
        body_offset: 0,
        end: body.len() as u64,
        body,
        unpacked: None,
        template: None,
    }
}

fn problems_of(entry: &Entry<'_>) -> Vec<(u64, Fault, Stance)> {
    let mut found = Vec::new();
    let mut checker = Checker::default();
    // A checker remembers nothing of the value before.
    for _ in 0..2 {
        found.clear();
        checker.check(entry, &mut |p| found.push((p.at, p.fault, p.stance))).unwrap();
    }
    found
}

#[track_caller]
fn check(ty: ValueType, body: &[u8], want: &[(u64, Fault, Stance)]) {
    assert_eq!(problems_of(&entry(ty, body)), want);
}

use Stance::*;
use ValueType as T;

const TWICE: Fault = Fault::Duplicate { first: 0 };
const EMPTY: Fault = Fault::EmptyValue;

#[test]
fn nothing_in_it() {
    for ty in [T::List, T::Set, T::SortedSet, T::Hash, T::SortedSet2, T::ListQuicklist] {
        check(ty, b"\x00", &[(0, EMPTY, Dropped)]);
    }
    check(T::HashValkey, b"\x00", &[(0, EMPTY, Dropped)]);
    let empty = string(&listpack(&[]));
    for ty in [T::SetListpack, T::HashListpack, T::SortedSetListpack, T::HashListpackExPreGa] {
        check(ty, &empty, &[(0, EMPTY, Dropped)]);
    }
    check(T::SetIntset, b"\x08\x02\0\0\0\0\0\0\0", &[(0, EMPTY, Fatal)]);
    check(T::HashZipmap, b"\x02\x00\xff", &[(0, EMPTY, Fatal)]);
    check(T::Array, b"\x00\x00", &[(0, EMPTY, Fatal)]);
}

#[test]
fn strings_unpack() {
    check(T::String, b"\x01a", &[]);
    check(T::String, b"\xc3\x05\x1e\x00\x61\xe0\x14\x00", &[]);
    let short = Fault::LzfLength { want: 31, got: 30 };
    check(T::String, b"\xc3\x05\x1f\x00\x61\xe0\x14\x00", &[(0, short, Fatal)]);
    check(T::List, b"\x02\x01a\xc3\x05\x1f\x00\x61\xe0\x14\x00", &[(3, short, Fatal)]);
    let module = b"\x01\x05\x01a\x05\xc3\x05\x1f\x00\x61\xe0\x14\x00\x00";
    check(T::Module2, module, &[(5, short, Fatal)]);
    check(T::SetListpack, b"\xc3\x05\x1f\x00\x61\xe0\x14\x00", &[(0, short, Fatal)]);
}

#[test]
fn twice() {
    check(T::Set, b"\x02\x01a\x01a", &[(3, TWICE, Fatal)]);
    // An integer and its text are one.
    check(T::Set, b"\x03\x01b\xc0\x07\x017", &[(5, Fault::Duplicate { first: 1 }, Fatal)]);
    check(T::SortedSet, b"\x02\x01a\x011\x01a\x012", &[(5, TWICE, Fatal)]);
    check(
        T::HashValkey,
        &[b"\x02", &b"\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff".repeat(2)[..]].concat(),
        &[(13, TWICE, Fatal)],
    );
    // Servers make a listpack of a small hash, and do not look.
    check(T::Hash, b"\x02\x01f\x01v\x01f\x01w", &[(5, TWICE, DeepOnly)]);
    check(T::HashMetadataPreGa, b"\x02\x00\x01f\x01v\x00\x01f\x01w", &[(7, TWICE, DeepOnly)]);
    let mut long = b"\x02\x01f\x40\x41".to_vec();
    long.extend([b'x'; 65]);
    long.extend(b"\x01f\x01w");
    check(T::Hash, &long, &[(70, TWICE, Fatal)]);
    let pairs = string(&listpack(&[b"\x81a", b"\x01", b"\x81a", b"\x02"]));
    check(T::HashListpack, &pairs, &[(2 + 6 + 5, TWICE, DeepOnly)]);
    check(T::SortedSetListpack, &pairs, &[(2 + 6 + 5, TWICE, DeepOnly)]);
    check(T::HashZipmap, b"\x0c\x02\x01a\x01\x00b\x01a\x01\x00b\xff", &[(7, TWICE, Fatal)]);
    let ziplist = b"\x14\0\0\0\x10\0\0\0\x04\0\x00\xf2\x02\xf3\x02\xf2\x02\xf3\xff";
    let ziplist = [&[0x13][..], &ziplist[..]].concat();
    let fixed: Vec<u8> =
        ziplist.iter().enumerate().map(|(i, &b)| if i == 1 { 0x13 } else { b }).collect();
    check(T::HashZiplist, &fixed, &[(15, TWICE, FatalSince7)]);
}

/// What is shown of each problem.
#[track_caller]
fn check_shown(ty: ValueType, body: &[u8], want: &[&str]) {
    let mut shown: Vec<String> = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut note = |p: Problem<'_>| shown.extend(p.shown.map(text));
    Checker::default().check(&entry(ty, body), &mut note).unwrap();
    assert_eq!(shown, want);
}

#[test]
fn what_a_problem_is_about_is_shown() {
    check_shown(T::Set, b"\x03\x01b\xc0\x07\x017", &["7"]);
    check_shown(T::Hash, b"\x02\x01f\x01v\x01f\x01w", &["f"]);
    let pairs = string(&listpack(&[b"\x81a", b"\x01", b"\x81a", b"\x02"]));
    check_shown(T::HashListpack, &pairs, &["a"]);
    check_shown(T::HashZipmap, b"\x0c\x02\x01a\x01\x00b\x01a\x01\x00b\xff", &["a"]);
    check_shown(T::SortedSet, b"\x01\x01a\x01x", &["x"]);
    check_shown(T::SortedSet, b"\x01\x01a\x021x", &["1x"]);
    check_shown(T::SortedSetListpack, &string(&listpack(&[b"\x81a", b"\x81x"])), &["x"]);
    let expiry = [&[0; 8][..], &string(&listpack(&[b"\x81f", b"\x01", b"\x81x"]))].concat();
    check_shown(T::HashListpackEx, &expiry, &["x"]);
    let twice = b"\x00\x00\0\0\0\0\0\0\0\x00\x01\x01\x02\x01p\x00\x01p\x00\x00\x00";
    check_shown(T::Stream4, twice, &["p"]);
}

/// A collection that no table holds.
#[test]
fn twice_among_many() {
    let mut body = b"\x80\x00\x02\x49\xf2".to_vec();
    for n in 0..150_000u32 {
        body.push(4);
        body.extend(n.to_be_bytes());
    }
    check(
        T::Set,
        &[&body[..], b"\x04\0\0\0\x05\x04\0\0\x01\0"].concat(),
        &[
            (5 + 150_000 * 5, Fault::Duplicate { first: 5 }, Fatal),
            (5 + 150_001 * 5, Fault::Duplicate { first: 256 }, Fatal),
        ],
    );
    let numbers = ["\0\0\0\u{5}", "\0\0\u{1}\0"];
    check_shown(T::Set, &[&body[..], b"\x04\0\0\0\x05\x04\0\0\x01\0"].concat(), &numbers);
}

#[test]
fn listpacks_that_lie() {
    let mut count = listpack(&[b"\x81a", b"\x81b"]);
    count[4] = 3;
    let lie = |header| Fault::ListpackCount { header, entries: 2 };
    check(T::SetListpack, &string(&count), &[(6, lie(3), DeepOnly)]);
    count[4] = 0;
    check(T::SetListpack, &string(&count), &[(6, lie(0), Dropped)]);
    count[4] = 1;
    // A pair less than one: a load sees an empty hash.
    check(T::HashListpack, &string(&count), &[(6, lie(1), Dropped)]);
    let mut back = listpack(&[b"\x81a", b"\x81b"]);
    back[8] = 9;
    let wrong = Fault::ListpackBacklen { want: 2, found: 9 };
    check(T::SetListpack, &string(&back), &[(8, wrong, DeepOnly)]);
    let odd = string(&listpack(&[b"\x81a", b"\x81b", b"\x81c"]));
    check(T::HashListpack, &odd, &[(14, Fault::TupleCount { count: 3, of: 2 }, DeepOnly)]);
    let size = Fault::ListpackSize { total: 14, have: 13 };
    let mut total = listpack(&[b"\x81a", b"\x81b"]);
    total[0] += 1;
    check(T::SetListpack, &string(&total), &[(2, size, Fatal)]);
}

#[test]
fn scores() {
    let nan = f64::NAN.to_le_bytes();
    check(T::SortedSet2, &[b"\x01\x01a", &nan[..]].concat(), &[(3, Fault::ScoreNan, Fatal)]);
    check(T::SortedSet, b"\x01\x01a\xfd", &[(3, Fault::ScoreNan, Fatal)]);
    check(T::SortedSet, b"\x01\x01a\x01x", &[(3, Fault::ScoreText, Fatal)]);
    check(T::SortedSet, b"\x01\x01a\x021x", &[(3, Fault::ScoreText, Unnoticed)]);
    let zset = |entries: &[&[u8]]| string(&listpack(entries));
    check(T::SortedSetListpack, &zset(&[b"\x81b", b"\x01", b"\x81a", b"\x02"]), &[]);
    check(T::SortedSetListpack, &zset(&[b"\x81a", b"\x01", b"\x81b", b"\x01"]), &[]);
    let order = Fault::ScoreOrder { index: 1 };
    for entries in
        [[&b"\x81a"[..], b"\x02", b"\x81b", b"\x01"], [b"\x81b", b"\x01", b"\x81a", b"\x01"]]
    {
        check(T::SortedSetListpack, &zset(&entries), &[(13, order, Unnoticed)]);
    }
    check(T::SortedSetListpack, &zset(&[b"\x81a", b"\x81x"]), &[(8, Fault::ScoreText, Unnoticed)]);
    check(
        T::SortedSetListpack,
        &zset(&[b"\x81a", b"\x83nan"]),
        &[(8, Fault::ScoreNan, FatalValkey9_1)],
    );
}

#[test]
fn expiries() {
    let triples = |entries: &[&[u8]]| [&[0; 8][..], &string(&listpack(entries))].concat();
    let order = Fault::FieldExpiryOrder { index: 1 };
    check(
        T::HashListpackEx,
        &triples(&[b"\x81f", b"\x01", b"\x05", b"\x81g", b"\x01", b"\x00"]),
        &[],
    );
    for [first, then] in [[b"\x05", b"\x04"], [b"\x00", b"\x04"]] {
        let body = triples(&[b"\x81f", b"\x01", first, b"\x81g", b"\x01", then]);
        check(T::HashListpackEx, &body, &[(8 + 2 + 6 + 7, order, DeepOnly)]);
    }
    check(
        T::HashListpackEx,
        &triples(&[b"\x81f", b"\x01", b"\x81x"]),
        &[(16, Fault::FieldExpiryText, DeepOnly)],
    );
    check(
        T::HashListpackEx,
        &triples(&[b"\x81f", b"\x01", b"\xdf\xff"]),
        &[(16, Fault::FieldExpiry { value: -1 }, DeepOnly)],
    );
    let late = Fault::FieldExpiry { value: 1 << 48 };
    check(T::HashMetadataPreGa, b"\x01\x81\0\x01\0\0\0\0\0\0\x01f\x01v", &[(1, late, Fatal)]);
    check(T::HashMetadata, b"\xff\xff\xff\xff\xff\xff\0\0\x01\x02\x01f\x01v", &[(9, late, Fatal)]);
    // Sums wrap around, as they do in servers: here to 4.
    let wrapped = b"\x0a\0\0\0\0\0\0\0\x01\x81\xff\xff\xff\xff\xff\xff\xff\xfb\x01f\x01v";
    check(T::HashMetadata, wrapped, &[]);
    let early = Fault::FieldExpiry { value: -2 };
    check(T::HashValkey, b"\x01\x01f\x01v\xfe\xff\xff\xff\xff\xff\xff\xff", &[(5, early, Fatal)]);
}

#[test]
fn lists() {
    let node = |entries: &[&[u8]]| [b"\x02", &string(&listpack(entries))[..]].concat();
    let list = |nodes: &[Vec<u8>]| [&[nodes.len() as u8][..], &nodes.concat()].concat();
    check(T::ListQuicklist2, &list(&[node(&[b"\x01"]), b"\x01\x01x".to_vec()]), &[]);
    check(T::ListQuicklist2, &list(&[node(&[])]), &[(0, EMPTY, Dropped)]);
    check(
        T::ListQuicklist2,
        &list(&[node(&[b"\x01"]), node(&[])]),
        &[(13, Fault::ListNodeEmpty, Unnoticed)],
    );
    check(T::ListQuicklist2, b"\x01\x01\x00", &[(2, Fault::ListPlainEmpty, Fatal)]);
    check(T::ListQuicklist2, b"\x01\x03\x01x", &[(1, Fault::Container { container: 3 }, Fatal)]);
    let many: Vec<&[u8]> = vec![b"\x01"; 65536];
    let mut blob = listpack(&many);
    blob[4..6].copy_from_slice(&[0xff, 0xff]);
    let mut body = b"\x01\x02\x80".to_vec();
    body.extend((blob.len() as u32).to_be_bytes());
    body.extend(blob);
    check(T::ListQuicklist2, &body, &[(1, Fault::ListNodeCount { entries: 65536 }, Unnoticed)]);
}

#[test]
fn arrays() {
    check(T::Array, b"\x02\x00\x00\x03\x01a\x01\x03\x01b", &[]);
    let order = |index| Fault::ArrayOrder { index };
    check(T::Array, b"\x02\x00\x01\x03\x01a\x01\x03\x01b", &[(6, order(1), Unnoticed)]);
    let last = b"\x01\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x81\xff\xff\xff\xff\xff\xff\xff\xff\x03\x01a";
    check(T::Array, last, &[(2, Fault::ArrayIndex, Fatal), (11, Fault::ArrayIndex, Fatal)]);
    check(T::Array, b"\x01\x00\x00\x03\x08abcdefgh", &[(4, Fault::ArrayShort { bytes: 8 }, Fatal)]);
}

#[test]
fn templates() {
    let names =
        |a: &[u8], b: &[u8]| [b"\x01\x02", &string(a)[..], &string(b), b"\x01x\x01y"].concat();
    check(T::HashTemplateArrayDump, &names(b"b", b"aa"), &[]);
    let order = [(0, Fault::TemplateOrder { index: 1 }, Fatal)];
    check(T::HashTemplateArrayDump, &names(b"b", b"a"), &order);
    check(T::HashTemplateArrayDump, &names(b"a", b"a"), &order);
    check(T::HashTemplateArrayDump, b"\x01\x00", &[(0, EMPTY, Fatal)]);

    let template = Template { id: 0, names: vec![(*b"a").into(), (*b"b").into()] };
    let template = Arc::new(template);
    let with = |entries: &[&[u8]]| {
        let body = string(&listpack(entries));
        let mut entry = entry(T::HashTemplateListpack, &body);
        entry.template = Some(Arc::clone(&template));
        problems_of(&entry)
    };
    assert_eq!(with(&[b"\x00", b"\x01", b"\x02"]), []);
    let values = Fault::TemplateValues { names: 2, values: 1 };
    assert_eq!(with(&[b"\x00", b"\x01"]), [(6, values, Fatal)]);
    assert_eq!(with(&[b"\x81x", b"\x01", b"\x02"]), [(8, Fault::TemplateIdText, Fatal)]);
    let unknown = string(&listpack(&[b"\x07", b"\x01"]));
    check(T::HashTemplateListpack, &unknown, &[(8, Fault::TemplateUnknown { id: 7 }, Fatal)]);
}

/// A stream of one node (1-1, head and one entry), with room for what goes wrong.
struct Sample {
    node: Vec<Vec<u8>>,
    tail: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let node = [
            &b"\x01"[..],
            b"\x00",
            b"\x01",
            b"\x81f",
            b"\x00",
            b"\x02",
            b"\x00",
            b"\x00",
            b"\x81v",
            b"\x04",
        ];
        Sample {
            node: node.map(<[u8]>::to_vec).to_vec(),
            tail: b"\x01\x01\x01\x01\x01\x00\x00\x01\x00".to_vec(),
        }
    }

    fn with(mut self, place: usize, entry: &[u8]) -> Self {
        self.node[place] = entry.to_vec();
        self
    }

    fn tail(mut self, tail: &[&[u8]]) -> Self {
        self.tail = tail.concat();
        self
    }

    #[track_caller]
    fn check(self, want: &[(u64, Fault, Stance)]) {
        let node: Vec<&[u8]> = self.node.iter().map(Vec::as_slice).collect();
        let body = [b"\x01\x10", ID, &string(&listpack(&node)), &self.tail].concat();
        check(T::Stream3, &body, want);
    }
}

const ID: &[u8] = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01";
/// The node's listpack begins here, the tail there.
const NODE: u64 = 1 + 17 + 2;
const TAIL: u64 = NODE + 29;

#[test]
fn what_is_in_nodes() {
    Sample::new().check(&[]);
    let integer = |at, stance| (NODE + at, Fault::StreamInteger, stance);
    Sample::new().with(0, b"\x81x").check(&[integer(6, FatalNewest)]);
    Sample::new().with(5, b"\x81x").check(&[integer(17, DeepOnly)]);
    Sample::new().with(4, b"\x81x").check(&[integer(15, DeepOnly)]);
    // Numbers as text count where a server would write them so.
    Sample::new().with(6, b"\x810").check(&[]);
    for text in [&b"\x82-0"[..], b"\x82+0", b"\x8200"] {
        Sample::new().with(6, text).check(&[integer(19, DeepOnly)]);
    }
    let want = Fault::StreamEntryCount { want: 4, found: 5 };
    Sample::new().with(9, b"\x05").check(&[(NODE + 17, want, DeepOnly)]);
    Sample::new().with(4, b"\x07").check(&[(
        NODE + 15,
        Fault::StreamHeadEnd { found: 7 },
        DeepOnly,
    )]);
    // Said to be deleted, and counted as live.
    let counts = Fault::StreamNode { live: 1, deleted: 0, found_live: 0, found_deleted: 1 };
    Sample::new().with(5, b"\x03").check(&[(NODE + 6, counts, DeepOnly)]);
    let length = Fault::StreamLength { want: 1, found: 2 };
    let counts = Fault::StreamNode { live: 2, deleted: 0, found_live: 1, found_deleted: 0 };
    Sample::new()
        .with(0, b"\x02")
        .check(&[(NODE + 6, counts, DeepOnly), (TAIL, length, FatalNewest)]);
}

#[test]
fn what_a_stream_says_of_itself() {
    let length = Fault::StreamLength { want: 2, found: 1 };
    let added = Fault::StreamAdded { added: 1, length: 2 };
    let tail: &[&[u8]] = &[b"\x02\x01\x01\x01\x01\x00\x00\x01\x00"];
    Sample::new().tail(tail).check(&[(TAIL, length, FatalNewest), (TAIL, added, FatalSince8_10)]);
    let wide = |added: u64| {
        let added = added.to_be_bytes();
        Sample::new().tail(&[b"\x01\x01\x01\x01\x01\x00\x00\x81", &added, b"\x00"])
    };
    wide(i64::MAX as u64).check(&[]);
    let added = Fault::StreamAdded { added: 1 << 63, length: 1 };
    wide(1 << 63).check(&[(TAIL, added, FatalSince8_10)]);
    let tail: &[&[u8]] = &[b"\x01\x00\x01\x01\x01\x00\x00\x01\x00"];
    Sample::new().tail(tail).check(&[(TAIL, Fault::StreamIdOrder, Unnoticed)]);
    check(T::Stream, b"\x00\x00\x00\x00\x00", &[]);
    let none = Fault::StreamNoNodes { length: 3 };
    check(T::Stream, b"\x00\x03\x00\x00\x00", &[(1, none, Fatal)]);
    let limit = |value, limit| Fault::StreamIdempotence { value, limit };
    check(
        T::Stream4,
        b"\x00\x00\0\0\0\0\0\0\0\x00\x00\x80\0\0\x27\x11\x00\x00\x00",
        &[(10, limit(0, 86400), Fatal), (11, limit(10001, 10000), Fatal)],
    );
    let twice = b"\x00\x00\0\0\0\0\0\0\0\x00\x01\x01\x02\x01p\x00\x01p\x00\x00\x00";
    check(T::Stream4, twice, &[(16, Fault::StreamDuplicateName, Fatal)]);
}

#[test]
fn nodes_in_their_order() {
    let node = Sample::new().node;
    let node: Vec<&[u8]> = node.iter().map(Vec::as_slice).collect();
    let node = string(&listpack(&node));
    let id = |n: u8| [&[0x10][..], &[0; 7], &[n], &[0; 8]].concat();
    let stream = |ids: &[u8]| {
        let mut body = vec![ids.len() as u8];
        for &n in ids {
            body.extend(id(n));
            body.extend(&node);
        }
        body.extend([ids.len() as u8, 9, 9, 0, 0, 0, 0, ids.len() as u8, 0]);
        body
    };
    check(T::Stream3, &stream(&[1, 2, 3]), &[]);
    let size = 17 + node.len() as u64;
    let order = |n| (1 + n * size, Fault::StreamNodeOrder, Unnoticed);
    check(T::Stream3, &stream(&[1, 3, 2]), &[order(2)]);
    let again = (1 + 2 * size, TWICE, Fatal);
    check(T::Stream3, &stream(&[1, 3, 1]), &[order(2), again]);
    let mut short = stream(&[1]);
    short.splice(1..18, *b"\x02ab");
    let key = Fault::StreamNodeKey { bytes: 2 };
    check(T::Stream3, &short, &[(1, key, Fatal)]);
}

#[test]
fn who_owns_what_is_pending() {
    const TIME: &[u8] = &[0; 8];
    let pending = |ids: &[&[u8]]| {
        let rows: Vec<u8> = ids.iter().flat_map(|id| [id, TIME, b"\x01"].concat()).collect();
        [&[ids.len() as u8][..], &rows].concat()
    };
    let consumer = |name: &[u8], ids: &[&[u8]]| {
        [b"\x01", name, TIME, TIME, &[ids.len() as u8], &ids.concat()].concat()
    };
    let group = |pending: &[u8], consumers: &[Vec<u8>]| {
        let body = [b"\x01g\x01\x01\x01", pending, &[consumers.len() as u8]].concat();
        [body, consumers.concat()].concat()
    };
    let tail = |groups: &[Vec<u8>]| {
        let head = [&b"\x01\x01\x01\x01\x01\x00\x00\x01"[..], &[groups.len() as u8]].concat();
        [head, groups.concat()].concat()
    };
    let faults = |groups: &[Vec<u8>]| {
        let sample = Sample::new();
        let node: Vec<&[u8]> = sample.node.iter().map(Vec::as_slice).collect();
        let body = [b"\x01\x10", ID, &string(&listpack(&node)), &tail(groups)].concat();
        let found = problems_of(&entry(T::Stream3, &body));
        found.into_iter().map(|(_, fault, stance)| (fault, stance)).collect::<Vec<_>>()
    };
    let two: &[u8] = b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0";
    let one = ID;
    assert_eq!(
        faults(&[group(&pending(&[one, two]), &[consumer(b"c", &[one]), consumer(b"d", &[two])])]),
        []
    );
    let unowned = (Fault::StreamUnownedPending { ids: 1 }, DeepOnly);
    assert_eq!(faults(&[group(&pending(&[one]), &[])]), [unowned]);
    let unknown = (Fault::StreamUnknownPending, Fatal);
    assert_eq!(faults(&[group(&pending(&[]), &[consumer(b"c", &[one])])]), [unknown]);
    let shared = (Fault::StreamSharedPending, FatalNewest);
    let both = [consumer(b"c", &[one]), consumer(b"d", &[one])];
    assert_eq!(faults(&[group(&pending(&[one]), &both)]), [shared]);
    let again = (Fault::StreamDuplicatePending, Fatal);
    assert_eq!(faults(&[group(&pending(&[one]), &[consumer(b"c", &[one, one])])]), [again]);
    let name = (Fault::StreamDuplicateName, Fatal);
    let empty = [consumer(b"c", &[]), consumer(b"c", &[])];
    assert_eq!(faults(&[group(&pending(&[]), &empty)]), [name]);
    let none = group(&pending(&[]), &[]);
    assert_eq!(faults(&[none.clone(), none]), [name]);
    let mut eager = group(&pending(&[]), &[]);
    eager[4] = 5;
    assert_eq!(faults(&[eager]), [(Fault::StreamRead { read: 5, added: 1 }, FatalSince8_10)]);
}

#[test]
fn no_value_is_told_to_death() {
    let body = [&b"\x40\x64"[..], &b"\x01a".repeat(100)].concat();
    assert_eq!(problems_of(&entry(T::Set, &body)).len(), MOST as usize);
}
