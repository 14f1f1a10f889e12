//! Our own digest: what it sees, what it does not, and that it stays what it is.

use super::*;
use crate::digest::{full, quick};
use crate::rdb::{Record, Scratch, Snapshot};

fn full(file: &[u8]) -> String {
    let mut total = full::Accumulator::default();
    for record in Snapshot::new(file).unwrap().records() {
        let record: Record<'_> = record.unwrap();
        let mut share = total.share();
        share.add_record(&record, 0, &mut Scratch::default()).unwrap();
        total.merge(&share);
    }
    total.finish().to_string()
}

/// The digest that is no name for data, which has to see just the same.
fn quick(file: &[u8]) -> String {
    let mut total = quick::Accumulator::default();
    let mut room = quick::Room::default();
    for record in Snapshot::new(file).unwrap().records() {
        let mut share = quick::Accumulator::default();
        share.add_record(&record.unwrap(), 0, &mut room).unwrap();
        total.merge(&share);
    }
    total.finish().to_string()
}

#[track_caller]
fn same(left: Vec<u8>, right: Vec<u8>) {
    let (left, right) = (redis(&[left]), redis(&[right]));
    assert_eq!(full(&left), full(&right));
    assert_eq!(quick(&left), quick(&right));
}

/// All of them have different digests.
#[track_caller]
fn all_differ(files: &[Vec<u8>]) {
    for digest in [full, quick] {
        let digests: Vec<String> = files.iter().map(|file| digest(file)).collect();
        for (n, digest) in digests.iter().enumerate() {
            assert!(!digests[..n].contains(digest), "file {n} is like one before");
        }
    }
}

#[test]
fn full_does_not_see_encodings() {
    same(string("a", "1"), key(0, "a", b"\xc0\x01"));
    same(string("a", &"a".repeat(30)), key(0, "a", b"\xc3\x05\x1e\x00\x61\xe0\x14\x00"));
    same(set("s", &["1", "2"]), key(2, "s", &texts(2, &["2", "1"])));
    same(set("s", &["1", "2"]), key(11, "s", b"\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0"));
    same(set("s", &["a", "2"]), key(20, "s", &long_text(&listpack(&["a", "2"]))));
    same(hash("h", &["f", "v", "n", "7"]), hash("h", &["n", "7", "f", "v"]));
    same(hash("h", &["f", "v"]), key(16, "h", &long_text(&listpack(&["f", "v"]))));
    let zset = skiplist("z", &[("b", 2.5), ("a", -0.0)]);
    same(zset, key(17, "z", &long_text(&listpack(&["a", "0", "b", "2.5"]))));
    same(
        list("l", &["a", "b"]),
        key(14, "l", b"\x01\x11\x11\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\x01b\xff"),
    );
    let shuffled = b"\x03\0\x04\x02\0\0\0\0\0\0\xf8\x3f\0\x03\x01x\x03\0\xc0\x0c";
    same(key(28, "a", ARRAY), key(28, "a", shuffled));
    // An idle time and a frequency.
    same(string("a", "1"), [b"\xf8\x05".as_slice(), &string("a", "1")].concat());
    same(string("a", "1"), [b"\xf9\x05".as_slice(), &string("a", "1")].concat());
    same(string("a", "1"), expiring(-1, string("a", "1")));
    assert_eq!(full(&redis(&[string("a", "1"), set("s", &[])])), full(&redis(&[string("a", "1")])));
    assert_eq!(
        full(&redis(&[string("a", "1"), string("b", "2")])),
        full(&redis(&[string("b", "2"), string("a", "1")]))
    );
}

#[test]
fn full_sees_every_change() {
    let far = FAR.to_le_bytes();
    let fields = |tail: &[u8]| key(24, "h", &[far.as_slice(), b"\x01", tail].concat());
    let array = |head: &[u8]| [head, ARRAY.get(2..).unwrap()].concat();
    let meta =
        |text: &[u8]| [b"\xf3\x01\x09\xf5\xc4\x28\x05", text, b"\0", &string("a", "1")].concat();
    let module =
        |n| key(7, "m", &[b"\x81\xb5\xeb\x2d\xfa\xdc\xa9\x78\x01\x02", &[n, 0][..]].concat());
    let mut files: Vec<Vec<u8>> = [
        string("a", "1"),
        string("a", "2"),
        string("b", "1"),
        expiring(FAR, string("a", "1")),
        expiring(FAR + 1, string("a", "1")),
        meta(b"\x04meta"),
        meta(b"\x04metb"),
        list("a", &["1"]),
        list("a", &["1", "2"]),
        list("a", &["2", "1"]),
        set("a", &["1"]),
        set("a", &["1", "2"]),
        hash("h", &["f", "v"]),
        hash("h", &["f", "w"]),
        hash("h", &["v", "f"]),
        fields(b"\x01\x01f\x01v"),
        fields(b"\x02\x01f\x01v"),
        skiplist("z", &[("a", 1.0)]),
        skiplist("z", &[("a", 1.000_000_000_000_000_2)]),
        skiplist("z", &[("b", 1.0)]),
        key(28, "a", ARRAY),
        key(28, "a", &array(b"\x03\x01\x03")),
        key(28, "a", &array(b"\x03\x01\x04")),
        module(5),
        module(6),
    ]
    .map(|key| redis(&[key]))
    .into();
    files.push(file("REDIS0015", &[(1, &[string("a", "1")])]));
    files.push(redis(&[]));
    files.push(redis(&[string("a", "1"), string("a", "1")]));
    files.push(redis(&[b"\xf5\x05#!lua".to_vec()]));
    files.push(redis(&[b"\xf5\x05#!luz".to_vec()]));
    files.push(redis(&[b"\xf7\x81\xb5\xeb\x2d\xfa\xdc\xa9\x78\x01\x02\x01\x01\x05\0".to_vec()]));
    files.push(redis(&[b"\xf7\x81\xb5\xeb\x2d\xfa\xdc\xa9\x78\x01\x02\x02\x01\x05\0".to_vec()]));
    files.push(redis(&[b"\xf7\x81\xb5\xeb\x2d\xfa\xdc\xa9\x78\x01\x02\x02\x01\x06\0".to_vec()]));
    all_differ(&files);
}

/// The tail of a stream of type 27 with all that there can be.
const RICH: &[u8] = b"\x01\x01g\x02\x01\x02\
    \x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x01\
    \0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\xe8\x03\0\0\0\0\0\0\x02\
    \x01\x01c\x05\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\
    \x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\
    \x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\
    \x3c\x3d\x01\x01p\x01\x01i\x01\x01\x05\x06";

#[test]
fn full_sees_all_of_a_stream() {
    let node = ["2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "1", "0", "w", "4"];
    let with = |last, more: &[u8], groups: &[u8]| {
        redis(&[stream(27, "x", &node, &Tail { length: 2, last, more, groups })])
    };
    let more = [1, 1, 0, 0, 2];
    let mut files = vec![with([2, 1], &more, RICH)];
    files.push(with([2, 2], &more, RICH));
    for place in 2..5 {
        let mut other = more;
        other[place] += 1;
        files.push(with([2, 1], &other, RICH));
    }
    // Every byte that is a number, an id or a text, but no count or length.
    let skip = [0, 1, 6, 57, 58, 76, 93, 112, 113, 115, 116];
    for place in 0..RICH.len() {
        if !skip.contains(&place) {
            let mut other = RICH.to_vec();
            other[place] ^= 2;
            files.push(with([2, 1], &more, &other));
        }
    }
    all_differ(&files);
}

#[test]
fn full_infers_what_older_stream_layouts_leave_out() {
    let node = ["2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "1", "0", "w", "4"];
    let old = |group: &[u8]| {
        let groups = [b"\x01\x01g", group, b"\0\x01\x01c\x05\0\0\0\0\0\0\0\0"].concat();
        stream(15, "x", &node, &Tail { length: 2, last: [2, 1], more: b"", groups: &groups })
    };
    let new = |group: &[u8], read: &[u8]| {
        let consumer = b"\0\x01\x01c\x05\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\x40\x64\x40\x64\0\0\0";
        let groups = [b"\x01\x01g", group, read, consumer].concat();
        let more = [1, 1, 0, 0, 2];
        stream(27, "x", &node, &Tail { length: 2, last: [2, 1], more: &more, groups: &groups })
    };
    let unknown = [0x81, 255, 255, 255, 255, 255, 255, 255, 255];
    same(old(&[0, 0]), new(&[0, 0], &[0]));
    same(old(&[1, 1]), new(&[1, 1], &[1]));
    same(old(&[1, 2]), new(&[1, 2], &unknown));
    same(old(&[2, 1]), new(&[2, 1], &[2]));
    same(old(&[3, 0]), new(&[3, 0], &unknown));
}

/// Computed by another program, from the description alone.
#[test]
fn full_stays_what_it_is() {
    assert_eq!(
        full(&file("REDIS0015", &[])),
        "b52730102ef1fb8ca790475d9dff5f33bf6f4b895f2b13447b234275143894ee"
    );
    assert_eq!(
        full(&redis(&[string("a", "1")])),
        "0d238390d395e96f084515c2276bc147a62f0a58018984e3f92dd6ff91882ca0"
    );
    let node = ["2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "1", "0", "w", "4"];
    let tail = Tail { length: 2, last: [2, 1], more: &[1, 1, 0, 0, 2], groups: RICH };
    let keys = [
        expiring(FAR, string("a", "1")),
        list("l", &["a", "b", "3"]),
        set("s", &["a", "b", "c"]),
        skiplist("z", &[("a", -0.0), ("b", 2.5)]),
        hash("h", &["f", "v", "n", "7"]),
        stream(27, "x", &node, &tail),
        key(28, "r", ARRAY),
        b"\xf5\x05#!lua".to_vec(),
    ];
    assert_eq!(
        full(&redis(&keys)),
        "675a0f48d80076145de39c6d612cd49a7d44cf8f249b316677201ad860c40a70"
    );
}
