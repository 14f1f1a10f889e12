//! What servers packed comes out of our packer byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;

use rdbkit::bytes::lzf::{Compressor, decompress};
use rdbkit::rdb::{Record, Snapshot, Text, ValueType, length};

/// The strings that a value begins with, or consists of.
fn texts(ty: ValueType, body: &[u8]) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    let mut rest = body;
    let mut left = match ty {
        ValueType::ListQuicklist | ValueType::ListQuicklist2 | ValueType::Set | ValueType::Hash => {
            let (after, count) = length(rest).unwrap();
            rest = after;
            if ty == ValueType::Hash { 2 * count } else { count }
        }
        ValueType::HashListpackEx => {
            rest = &rest[8..];
            1
        }
        ValueType::Stream | ValueType::Stream2 | ValueType::Stream3 => {
            let (after, count) = length(rest).unwrap();
            rest = after;
            2 * count
        }
        _ if matches!(ty.encoding(), "string" | "ziplist" | "listpack" | "intset") => 1,
        _ => 0,
    };
    while left > 0 {
        if ty == ValueType::ListQuicklist2 {
            rest = length(rest).unwrap().0;
        }
        let (after, text) = Text::parse(rest).unwrap();
        texts.push(text);
        rest = after;
        left -= 1;
    }
    texts
}

#[test]
fn servers_pack_as_we_do() {
    let Some(corpus) = support::corpus::corpus() else { return };
    let files = corpus.generated().into_iter().map(|g| g.file);
    let files =
        files.chain(corpus.third_party().into_iter().filter(|t| t.kind == "rdb").map(|t| t.file));
    let mut packer = Compressor::new();
    let mut seen: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for name in files {
        let bytes = corpus.read(&name);
        let Ok(snapshot) = Snapshot::new(&bytes) else { continue };
        let line = seen.entry(name).or_default();
        for record in snapshot.records() {
            let Ok(record) = record else { break };
            let Record::Entry(entry) = record else { continue };
            for text in texts(entry.value_type, entry.body()).into_iter().chain([entry.key]) {
                let mut again = Vec::new();
                match text {
                    Text::Lzf { packed, len } => {
                        let mut plain = Vec::new();
                        decompress(packed, len, &mut plain).unwrap();
                        line.0 += 1;
                        if !packer.compress(&plain, &mut again) || again != packed {
                            line.1 += 1;
                        }
                    }
                    Text::Raw(plain) if plain.len() > 20 && packer.compress(plain, &mut again) => {
                        line.2 += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    let mut packed = 0;
    for (name, (all, other, raw)) in seen {
        // Servers that were told not to pack still do so where they wrote keys of a replica; what
        // other programs and servers before 2.6 packed is their own.
        if name.starts_with("gen/") && !name.contains("nocompress") {
            assert_eq!((other, raw), (0, 0), "{name}: packed otherwise, and raw that would pack");
        }
        packed += all;
    }
    assert!(packed > 500, "{packed}");
}
