use std::collections::HashSet;

use super::{Form, Quantization, VectorSet};
use crate::engine::{Engine, save};
use crate::rdb::write::{
    Body, EntryRoom, Sink, VectorSetHead, VectorSetLinks, VectorSetNode, VectorSetWriter, payload,
};
use crate::rdb::{Entry, Product, Scratch, Target, ValueType};
use crate::resp::Reply;

/// Numbers by chance, always the same.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        (0..dimensions).map(|_| self.below(2001) as f32 / 1000.0 - 1.0).collect()
    }
}

fn set(quantization: Quantization, dimensions: usize, m: usize) -> VectorSet {
    VectorSet::new(Form { dimensions, quantization, m }, None).unwrap()
}

fn add(set: &mut VectorSet, name: u64, components: Vec<f32>) {
    let vector = set.projected(components);
    set.add(name.to_string().as_bytes(), vector, None);
}

/// Holds a graph against what servers refuse to load; how many elements its entry leads to.
fn check(set: &VectorSet) -> usize {
    let graph = set.settled();
    let m = set.form.m;
    assert_eq!(graph.nodes.len(), set.elements.len());
    for (place, levels) in (0..).zip(&graph.nodes) {
        assert_eq!(levels.is_empty(), set.elements[place as usize].is_none());
        for (level, links) in levels.iter().enumerate() {
            assert!(links.to.len() <= links.room as usize);
            assert!(links.room as usize <= if level == 0 { 3 * m } else { 2 * m });
            assert_eq!(links.to.iter().collect::<HashSet<_>>().len(), links.to.len());
            assert!(links.to.is_empty() || (links.worst.0 as usize) < links.to.len());
            for &to in &links.to {
                assert_ne!(to, place);
                let back = &graph.nodes[to as usize][level].to;
                assert!(back.contains(&place), "{place} to {to} on level {level}");
                let space = set.space();
                assert!(space.distance(place, to) <= links.worst.1);
            }
        }
    }
    let Some(entry) = graph.entry else { return 0 };
    let (mut seen, mut open) = (HashSet::from([entry]), vec![entry]);
    while let Some(place) = open.pop() {
        let links = graph.nodes[place as usize].iter().take(1).flat_map(|links| &links.to);
        open.extend(links.filter(|to| seen.insert(**to)));
    }
    seen.len()
}

#[test]
fn links_stay_mutual_and_lead_everywhere() {
    for (quantization, dimensions, m) in
        [(Quantization::None, 5, 16), (Quantization::Q8, 12, 4), (Quantization::Bin, 130, 8)]
    {
        let mut set = set(quantization, dimensions, m);
        let mut chance = Chance(dimensions as u64);
        let mut names = HashSet::new();
        for round in 0..6 {
            for _ in 0..200 {
                let name = chance.below(500);
                let vector = chance.vector(dimensions);
                add(&mut set, name, vector);
                names.insert(name);
            }
            for _ in 0..if round == 4 { 1500 } else { 150 } {
                let name = chance.below(500);
                assert_eq!(set.remove(name.to_string().as_bytes()), names.remove(&name));
            }
            assert_eq!(set.len(), names.len());
            let reached = check(&set);
            assert!(reached * 100 >= set.len() * 99, "{reached} of {}", set.len());
            assert!(names.iter().all(|name| set.get(name.to_string().as_bytes()).is_some()));
        }
        for name in names {
            assert!(set.remove(name.to_string().as_bytes()));
        }
        assert!(set.is_empty() && check(&set) == 0);
    }
}

#[test]
fn elements_that_are_changed_leave_no_gaps() {
    let mut set = set(Quantization::Q8, 3, 16);
    let mut chance = Chance(3);
    for n in 0..5000 {
        let vector = chance.vector(3);
        add(&mut set, n % 10, vector);
        if n % 700 == 0 {
            check(&set);
        }
    }
    assert_eq!((set.len(), set.last_id(), check(&set)), (10, 5000, 10));
    assert!(set.elements.len() <= 64 && set.settled().nodes.len() <= 64);
}

#[test]
fn vectors_that_are_all_the_same_are_linked_too() {
    let mut set = set(Quantization::Q8, 2, 4);
    for name in 0..300 {
        add(&mut set, name, vec![1.0, 1.0]);
    }
    for name in 300..310 {
        add(&mut set, name, vec![f32::NAN, 0.0]);
        add(&mut set, name + 10, vec![0.0, 0.0]);
    }
    check(&set);
}

fn target(version: (u16, u16)) -> Target {
    Target::of(Product::Redis, version)
}

/// The body of the one key of an engine.
fn stored(engine: &Engine, target: &Target) -> Vec<u8> {
    let record = engine.keyspace.records(0).next().unwrap();
    let (mut sink, mut room) = (Sink::new(true), EntryRoom::default());
    match save(record, &engine.keyspace, target, target, &mut sink, &mut room).unwrap() {
        Body::Written(ValueType::Module2) => sink.out,
        Body::Same(ValueType::Module2, body) => body.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn load(body: &[u8]) -> Option<VectorSet> {
    let entry = Entry::of_body(b"k", ValueType::Module2, body, 0);
    VectorSet::load(&entry, &mut Scratch::default()).unwrap()
}

#[test]
fn what_is_saved_is_loaded() {
    let mut engine = Engine::default();
    let mut chance = Chance(7);
    for name in 0..200_u64 {
        let blob: Vec<u8> = chance.vector(9).into_iter().flat_map(f32::to_le_bytes).collect();
        let name = name.to_string();
        let words: [&[u8]; 9] =
            [b"VADD", b"k", b"REDUCE", b"6", b"FP32", &blob, name.as_bytes(), b"SETATTR", b"{}"];
        let words = if name.len() == 1 { &words[..] } else { &words[..7] };
        assert_eq!(engine.execute(words), Reply::Int(1));
    }
    for version in [(8, 0), (8, 10)] {
        let body = stored(&engine, &target(version));
        let set = load(&body).unwrap();
        assert_eq!((set.len(), set.attributes(), set.last_id()), (200, 10, 200));
        assert_eq!(check(&set), 200);
        // Twice turned around is as it was: levels, links, room, and which link is the longest.
        let reloaded = |body: &[u8]| {
            let mut again = Engine::default();
            let mut dump = Vec::new();
            payload(&mut dump, 12, ValueType::Module2, body);
            assert_eq!(again.execute(&[b"RESTORE", b"k", b"0", &dump]), Reply::OK);
            stored(&again, &target(version))
        };
        let once = reloaded(&body);
        assert!(once != body);
        assert!(reloaded(&once) == body);
    }
}

/// The body of two elements, linked to each other but for what is said of them.
fn pair(ids: [u64; 2], to: [&[u64]; 2], names: [&[u8]; 2], vector: &[u8], count: u64) -> Vec<u8> {
    let mut sink = Sink::new(true);
    let head = VectorSetHead {
        dimensions: 2,
        count,
        quantization: 1,
        m: 16,
        projection: None,
        attributes: false,
    };
    let mut writer = VectorSetWriter::begin(&mut sink, &target((8, 10)), &head).unwrap().unwrap();
    for ((id, to), name) in ids.into_iter().zip(to).zip(names) {
        let links = VectorSetLinks { room: 32, to: to.to_vec(), worst: (0, 0.0) };
        let levels = [links].into_iter();
        writer.node(VectorSetNode {
            name,
            attribute: b"",
            vector,
            id,
            levels,
            length: 1.0,
            range: 1.0,
        });
    }
    writer.end();
    sink.out
}

#[test]
fn what_servers_refuse_is_no_vector_set() {
    let names: [&[u8]; 2] = [b"a", b"b"];
    let v = b"\x01\x02";
    assert!(load(&pair([1, 2], [&[2], &[1]], names, v, 2)).is_some());
    assert!(load(&pair([1, 2], [&[], &[]], names, v, 2)).is_some());
    for broken in [
        pair([1, 1], [&[], &[]], names, v, 2),
        pair([0, 2], [&[2], &[0]], names, v, 2),
        pair([1, 2], [&[2], &[]], names, v, 2),
        pair([1, 2], [&[2, 2], &[1, 1]], names, v, 2),
        pair([1, 2], [&[1], &[2]], names, v, 2),
        pair([1, 2], [&[3], &[1]], names, v, 2),
        pair([1, 2], [&[2], &[1]], [b"a", b"a"], v, 2),
        pair([1, 2], [&[2], &[1]], names, b"\x01\x02\x03", 2),
        pair([1, 2], [&[2], &[1]], names, v, 3),
        pair([1, 2], [&[2], &[1]], names, v, u64::MAX),
    ] {
        assert!(load(&broken).is_none());
    }
}

#[test]
fn a_layout_that_is_not_known_is_carried_along() {
    let mut body = pair([1, 2], [&[2], &[1]], [b"a", b"b"], b"\x01\x02", 2);
    // The flags: id in nine bytes, then dimensions, count and configuration behind their opcodes.
    let flags = 9 + 2 + 2 + 3 + 1;
    assert_eq!(body[flags - 1..=flags], [2, 0]);
    body[flags] = 4;
    let mut dump = Vec::new();
    payload(&mut dump, 12, ValueType::Module2, &body);
    let mut engine = Engine::default();
    assert_eq!(engine.execute(&[b"RESTORE", b"k", b"0", &dump]), Reply::OK);
    let said = engine.execute(&[b"VREM", b"k", b"a"]);
    let want = "ERR VREM: the vector set is laid out in a way that is not known";
    assert_eq!(said, Reply::Error(want.into()));
    assert_eq!(engine.execute(&[b"TYPE", b"k"]), Reply::Status("vectorset"));
    assert_eq!(stored(&engine, &target((8, 10))), body);
}
