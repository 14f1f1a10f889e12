//! Sorted sets in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use redis::Value;
use support::twin::{Twin, recent};

/// Runs a command on both, and holds the answers against each other where the server knows the
/// command. Answers without an order are compared as if they had one.
#[track_caller]
fn run(twin: &mut Twin, words: &[&[u8]], known: &mut Known, ordered: bool) {
    if known.knows(twin, words[0]) {
        if ordered {
            twin.run(words)
        } else {
            twin.run_unordered(words)
        };
    }
}

/// Which commands a server knows.
#[derive(Default)]
struct Known(std::collections::HashMap<Vec<u8>, bool>);

impl Known {
    fn knows(&mut self, twin: &Twin, name: &[u8]) -> bool {
        *self.0.entry(name.to_vec()).or_insert_with(|| {
            let info = twin.server.cmd(&[&b"COMMAND"[..], b"INFO", name]);
            matches!(info, Value::Array(items) if items[0] != Value::Nil)
        })
    }
}

#[test]
fn every_command_answers_as_a_server_does() {
    for kind in recent() {
        let mut twin = Twin::start(&kind);
        let mut known = Known::default();
        let version = (kind.version.major, kind.version.minor);
        for line in include_str!("engine/sorted_sets.txt").lines() {
            let mut line = line.trim();
            if let Some((since, rest)) = line.strip_prefix(">=").and_then(|l| l.split_once(' ')) {
                let (major, minor) = since.split_once('.').unwrap();
                let since = (major.parse().unwrap(), minor.parse().unwrap());
                if version < since {
                    continue;
                }
                line = rest;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<Vec<u8>> = line.split(' ').map(word).collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            run(&mut twin, &words, &mut known, true);
        }
    }
}

/// A word: `_` is a space, `""` is nothing.
fn word(text: &str) -> Vec<u8> {
    match text {
        "\"\"" => Vec::new(),
        text => text.replace('_', " ").into_bytes(),
    }
}
