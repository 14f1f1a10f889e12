//! Snapshots, by encoding and by depth of work, in bytes per second of the file.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rdbkit::bytes::crc64;
use rdbkit::ops::check::{CheckOptions, check_source};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::object::Checker;
use rdbkit::rdb::{Scratch, Snapshot};
use rdbkit::source::{OpenOptions, open_bytes};

const KEYS: u32 = 2000;

/// A snapshot of `KEYS` keys of one type, each with the body that `make` gives.
fn snapshot(value_type: u8, make: impl Fn(&mut Vec<u8>, u32)) -> Vec<u8> {
    let mut bytes = b"REDIS0012\xfe\0".to_vec();
    for n in 0..KEYS {
        bytes.push(value_type);
        string(&mut bytes, format!("key:{n:08}").as_bytes());
        make(&mut bytes, n);
    }
    bytes.push(0xff);
    let crc = crc64::update(0, &bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

fn length(bytes: &mut Vec<u8>, n: usize) {
    match n {
        0..64 => bytes.push(n as u8),
        64..16384 => bytes.extend([0x40 | (n >> 8) as u8, n as u8]),
        _ => {
            bytes.push(0x80);
            bytes.extend((n as u32).to_be_bytes());
        }
    }
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    length(bytes, text.len());
    bytes.extend(text);
}

/// A listpack of `count` strings of nine bytes that differ, some of them integers.
fn listpack(count: u32, seed: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    for n in 0..count {
        if n % 4 == 3 {
            entries.extend([0xf1, n as u8, (n >> 8) as u8, 3]);
        } else {
            entries.push(0x80 | 9);
            entries.extend(format!("f{:08x}", n ^ seed << 12).as_bytes());
            entries.push(10);
        }
    }
    let total = entries.len() as u32 + 7;
    let head = [&total.to_le_bytes()[..], &(count as u16).to_le_bytes()].concat();
    [&head[..], &entries, b"\xff"].concat()
}

fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let compressed = |bytes: &mut Vec<u8>, text: &[u8]| {
        let packed = lzf::compress(text).unwrap();
        bytes.push(0xc3);
        length(bytes, packed.len());
        length(bytes, text.len());
        bytes.extend(packed);
    };
    vec![
        ("string", snapshot(0, |b, n| string(b, format!("value of {n}").as_bytes()))),
        ("string-int", snapshot(0, |b, n| b.extend([&[0xc2][..], &n.to_le_bytes()].concat()))),
        (
            "string-lzf",
            snapshot(0, |b, n| compressed(b, format!("{n:010}").repeat(100).as_bytes())),
        ),
        (
            "set-intset",
            snapshot(11, |b, n| {
                let members: Vec<u8> =
                    (0..200u32).flat_map(|m| (m * 7 + n).to_le_bytes()).collect();
                string(b, &[&[4, 0, 0, 0, 200, 0, 0, 0][..], &members].concat());
            }),
        ),
        ("hash-listpack", snapshot(16, |b, n| string(b, &listpack(100, n)))),
        ("hash-listpack-lzf", snapshot(16, |b, n| compressed(b, &listpack(100, n)))),
        (
            "hash-table",
            snapshot(4, |b, n| {
                length(b, 200);
                for m in 0..200 {
                    string(b, format!("field:{m}").as_bytes());
                    string(b, format!("value:{n}:{m}").as_bytes());
                }
            }),
        ),
        (
            "zset-skiplist",
            snapshot(5, |b, n| {
                length(b, 200);
                for m in (0..200).rev() {
                    string(b, format!("member:{m}").as_bytes());
                    b.extend(f64::from(m * 3 + n).to_le_bytes());
                }
            }),
        ),
        (
            "list-quicklist",
            snapshot(18, |b, n| {
                length(b, 4);
                for node in 0..4 {
                    b.push(2);
                    string(b, &listpack(100, n * 4 + node));
                }
            }),
        ),
    ]
}

fn read(c: &mut Criterion) {
    let corpus = corpus();
    let mut group = c.benchmark_group("rdb");
    for (name, bytes) in &corpus {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("frames", name), bytes, |b, bytes| {
            b.iter(|| Snapshot::new(bytes).unwrap().entries().count());
        });
        group.bench_with_input(BenchmarkId::new("shape", name), bytes, |b, bytes| {
            b.iter(|| {
                let entries = Snapshot::new(bytes).unwrap().entries();
                entries.map(|entry| entry.unwrap().shape().unwrap().elements).sum::<u64>()
            });
        });
        group.bench_with_input(BenchmarkId::new("elements", name), bytes, |b, bytes| {
            let mut scratch = Scratch::default();
            b.iter(|| {
                for entry in Snapshot::new(bytes).unwrap().entries() {
                    let visit = |item: rdbkit::value::Item<'_>| {
                        black_box(&item);
                        ControlFlow::Continue(())
                    };
                    entry.unwrap().visit(&mut scratch, visit).unwrap();
                }
            });
        });
        group.bench_with_input(BenchmarkId::new("inside", name), bytes, |b, bytes| {
            let mut checker = Checker::default();
            b.iter(|| {
                for entry in Snapshot::new(bytes).unwrap().entries() {
                    checker.check(&entry.unwrap(), &mut |_| {}).unwrap();
                }
            });
        });
    }
    group.finish();
}

fn verbs(c: &mut Criterion) {
    let corpus = corpus();
    let mut group = c.benchmark_group("check");
    for (name, bytes) in &corpus {
        for (depth, quick) in [("quick", true), ("deep", false)] {
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_with_input(BenchmarkId::new(depth, name), bytes, |b, bytes| {
                b.iter(|| {
                    let source = open_bytes(name, bytes.clone(), &OpenOptions::default()).unwrap();
                    let options = CheckOptions { quick, ..CheckOptions::default() };
                    let report = check_source(source, &options, &Silent).unwrap();
                    assert!(report.is_sound());
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, read, verbs);
criterion_main!(benches);
