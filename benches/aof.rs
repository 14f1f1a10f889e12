//! The scan of a log, in bytes per second: on one thread, on two, and through a window.

#![allow(missing_docs, reason = "a bench has no readers of docs")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rdbkit::aof::{Place, ScanOptions, check_input, check_slice};
use rdbkit::bytes::SliceInput;
use rdbkit::resp::encode;

/// A log of about so many bytes, the same each time.
fn log(size_bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_bytes + 1024);
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    encode::command(&mut out, ["SELECT", "0"]);
    while out.len() < size_bytes {
        let key = format!("key:{}", random(900_000));
        let value = "v".repeat(4 + random(150) as usize);
        match random(100) {
            0..40 => encode::command(&mut out, ["SET", &key, &value]),
            40..60 => encode::command(&mut out, ["HSET", &key, "field", &value]),
            60..75 => encode::command(&mut out, ["INCR", &key]),
            75..99 => encode::command(&mut out, ["ZADD", &key, "1.5", "member"]),
            _ => {
                encode::command(&mut out, ["MULTI"]);
                encode::command(&mut out, ["SET", &key, &value]);
                encode::command(&mut out, ["EXEC"]);
            }
        }
    }
    out
}

fn check(c: &mut Criterion) {
    let bytes = log(64 << 20);
    let mut group = c.benchmark_group("aof-check");
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
    for threads in [1, 2] {
        let options = ScanOptions { threads, ..ScanOptions::default() };
        group.bench_function(format!("threads-{threads}"), |b| {
            b.iter(|| check_slice(&bytes, 0, Place::Last, &options, &|_| {}));
        });
    }
    group.bench_function("window", |b| {
        b.iter(|| check_input(&mut SliceInput::new(&bytes), Place::Last, 100, &|_| {}));
    });
    group.finish();
}

criterion_group!(benches, check);
criterion_main!(benches);
