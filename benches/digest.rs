//! Digests, in keys and in bytes per second, on one core.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rdbkit::digest::{Accumulator, Options, full};
use rdbkit::rdb::{Scratch, Snapshot};

const KEYS: u64 = 20_000;

/// A snapshot of `keys` keys of one type.
fn snapshot(type_code: u8, keys: u64, body: impl Fn(u64, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"REDIS0012\xfe\x00".to_vec();
    for n in 0..keys {
        out.push(type_code);
        text(&mut out, format!("key:{n:08}").as_bytes());
        body(n, &mut out);
    }
    out.push(0xff);
    out.extend([0; 8]);
    out
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() < 64 {
        out.push(bytes.len() as u8);
    } else {
        out.push(0x80);
        out.extend((bytes.len() as u32).to_be_bytes());
    }
    out.extend(bytes);
}

/// Half integers, half 7 to 23 hexadecimal digits.
fn small_string(n: u64, out: &mut Vec<u8>) {
    let hex = format!("{:016x}{n:08x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    if n.is_multiple_of(2) {
        out.push(0xc2);
        out.extend((n as i32 * 1001).to_le_bytes());
    } else {
        text(out, hex.get(..7 + n as usize % 17).unwrap().as_bytes());
    }
}

/// A hash or set of strings, or (with scores) a sorted set.
fn elements(n: u64, count: u8, score: bool, out: &mut Vec<u8>) {
    out.push(count);
    for i in 0..u64::from(count) {
        text(out, format!("element:{n}:{i}").as_bytes());
        if score {
            out.extend((n as f64 / (i + 1) as f64).to_le_bytes());
        }
    }
}

fn digests(c: &mut Criterion) {
    let big = vec![b'x'; 1 << 20];
    let files = [
        ("small-strings", KEYS, snapshot(0, KEYS, small_string)),
        ("large-strings", 8, snapshot(0, 8, |_, out| text(out, &big))),
        ("sets-of-20", KEYS / 20, snapshot(2, KEYS / 20, |n, out| elements(n, 20, false, out))),
        ("zsets-of-20", KEYS / 20, snapshot(5, KEYS / 20, |n, out| elements(n, 20, true, out))),
        ("hashes-of-10", KEYS / 20, {
            snapshot(4, KEYS / 20, |n, out| {
                let start = out.len();
                elements(n, 20, false, out);
                *out.get_mut(start).unwrap() = 10;
            })
        }),
    ];
    for (name, keys, bytes) in &files {
        let server = |options: &Options| {
            let mut total = Accumulator::new(options);
            let mut scratch = Scratch::default();
            for entry in Snapshot::new(bytes).unwrap().entries() {
                total.add(&entry.unwrap(), &mut scratch).unwrap();
            }
            total.finish()
        };
        let full = || {
            let mut total = full::Accumulator::default();
            let mut scratch = Scratch::default();
            for entry in Snapshot::new(bytes).unwrap().entries() {
                total.add(&entry.unwrap(), &mut scratch).unwrap();
            }
            total.finish()
        };
        for (unit, throughput) in [
            ("keys", Throughput::Elements(*keys)),
            ("bytes", Throughput::Bytes(bytes.len() as u64)),
        ] {
            let mut group = c.benchmark_group(format!("digest-{unit}"));
            group.throughput(throughput);
            group.bench_function(*name, |b| b.iter(|| server(black_box(&Options::default()))));
            group.bench_function(format!("{name}-full"), |b| b.iter(full));
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(std::time::Duration::from_secs(1));
    targets = digests
}
criterion_main!(benches);
