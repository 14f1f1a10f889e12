//! A damaged log whose values hold the text of a log: none of that becomes a command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;

use rdbkit::ops::repair::{RepairOptions, RepairReport, repair};
use rdbkit::ops::walk::Silent;
use rdbkit::resp::{Command, encode};
use rdbkit::source::{Form, OpenOptions, open_bytes};
use support::random::Random;

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::command(&mut out, words);
    out
}

fn repaired(bytes: Vec<u8>) -> (RepairReport, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.aof");
    let options = RepairOptions { skip_damaged: true, ..RepairOptions::default() };
    let open_as = OpenOptions { from: Some(Form::Aof), ..OpenOptions::default() };
    let source = open_bytes("in.aof", bytes, &open_as).unwrap();
    let report = repair(source, &to, &options, &Silent).unwrap();
    (report, fs::read(to).unwrap())
}

/// The names of its commands.
fn names(mut log: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while !log.is_empty() {
        let (command, rest) = Command::strict(log).expect("a sound log");
        names.push(String::from_utf8_lossy(command.name()).into_owned());
        log = rest;
    }
    names
}

/// What a log of such values is: one FLUSHALL among other commands in each.
fn inner() -> Vec<u8> {
    [command(&[b"INCR", b"a"]), command(&[b"FLUSHALL"]), command(&[b"INCR", b"b"])].concat()
}

#[test]
fn a_longer_key_before_a_value_makes_no_commands_of_it() {
    let before = command(&[b"SET", b"a", b"1"]);
    let behind = command(&[b"SET", b"b", b"1"]);
    let mut middle = command(&[b"SET", b"inner", &inner()]);
    let at = middle.windows(5).position(|five| five == b"inner").unwrap();
    middle.insert(at + 3, 0);
    let (report, out) = repaired([&before[..], &middle, &behind].concat());
    assert_eq!(out, [before, behind].concat());
    let file = &report.files[0];
    let codes: Vec<&str> = file.doubts.iter().map(|note| note.code).collect();
    assert_eq!((codes, file.losses.len()), (vec!["database"], 1));
}

/// Wherever a byte around the values is damaged, but for the header of a value and what stands right
/// behind it, which alone tell where it ends: text of theirs hardly ever becomes commands; where it
/// does, because a count says nothing true, that is said.
#[test]
fn text_of_values_becomes_no_commands_wherever_a_byte_is_damaged() {
    let mut random = Random::new(7);
    let mut bytes = Vec::new();
    let mut outside = Vec::new();
    for n in 0..40 {
        let key = format!("key:{n}");
        let line = match n % 3 {
            0 => command(&[b"SET", key.as_bytes(), &inner()]),
            1 => command(&[b"RPUSH", key.as_bytes(), b"x", &inner(), b"y"]),
            _ => command(&[b"SET", key.as_bytes(), b"plain"]),
        };
        let text = line.windows(inner().len()).position(|part| part == inner());
        // With the line end in front of its header, and the line end and mark behind it.
        let header = format!("\r\n${}\r\n", inner().len()).len();
        let is_text = |at: usize| {
            text.is_some_and(|from| (from - header..from + inner().len() + 3).contains(&at))
        };
        outside.extend((0..line.len()).filter(|at| !is_text(*at)).map(|at| bytes.len() + at));
        bytes.extend(line);
    }
    let (mut told, tried) = (0, 600);
    for _ in 0..tried {
        let mut damaged = bytes.clone();
        let at = *random.pick(&outside);
        damaged[at] ^= 1 + random.below(255) as u8;
        let (report, out) = repaired(damaged);
        if names(&out).iter().any(|name| name == "FLUSHALL") {
            let notes = report.files.iter().flat_map(|file| &file.doubts);
            assert!(notes.clone().any(|note| note.code == "behind-damage"), "byte {at}");
            told += 1;
        }
    }
    assert!(told * 20 < tried, "{told} of {tried}");
}
