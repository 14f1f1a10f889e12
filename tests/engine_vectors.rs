//! Vector sets in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use rdbkit::engine::Engine;
use rdbkit::resp::Reply;
use redis::Value;
use support::client;
use support::history::{log_of, rewrite};
use support::paired::{Chance, Paired};
use support::say;
use support::servers::{Kind, Server};
use support::twin::{now_ms, recent, target};

const LINES: &str = include_str!("engine_vectors.txt");

/// The servers that have vector sets.
fn with_vectors() -> Vec<Kind> {
    let has = |kind: &Kind| Paired::start(kind).knows("VADD");
    recent().into_iter().filter(has).collect()
}

/// A word of a line: `""` is nothing, `\x00` a byte.
fn unescaped(word: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = if word == "\"\"" { "" } else { word };
    while let Some(at) = rest.find("\\x") {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        out.push(u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap());
        rest = &rest[at + 4..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

#[test]
fn every_command_answers_as_the_server_does() {
    for kind in with_vectors() {
        let mut pair = Paired::start(&kind);
        for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<Vec<u8>> = line.split(' ').map(unescaped).collect();
            pair.run(&words);
        }
        pair.finish();
    }
}

/// Attributes, some of them broken.
const ATTRIBUTES: [&str; 10] = [
    r#"{"x":2,"s":"foo","t":true,"f":false,"n":null,"arr":[1,2,"z"],"sarr":["a","b","foo","["],"neg":-5,"obj":{"q":1},"num":"12","a-b":5,"a_b":6,"u":"é","esc":"a\nb","deep":[[1],2],"dup":1,"dup":2,"big":1e20}"#,
    r#"{"s":"x\"y","e":"a\"b","x":0}"#,
    r#" { "x" : 1 , "obj":{"a":"}"}, "behind": 1}"#,
    "junk",
    r#"{"x":2"#,
    r#"{"x" 2}"#,
    r#"{"y":tru,"x":2}"#,
    r#"{"y":[1,{"z":"]"}],"x":3}"#,
    r#"{"x":[1"#,
    "5",
];

const FILTERS: &str = r#"
.x > 1
!!.x
!.x
not not .x
! ! .x
.s == "x\"y"
.s == 'x"y'
.e == "a\"b"
.x
.zz
not .zz
.x in [1,2,3]
.x in .arr
"b" in .sarr
.s == "foo" or .x == 2
.t
.t == 1
.f
true
.x == true
1 2 +
(1+2)*3 == 9
2 ** 3 ** 2 == 512
-.x < 0
0 - .x < 0
.x -1 == 1
.x-1
.neg == -5
.neg == - 5
.x == 2 && .s != "bar"
.obj
.obj == 0
.arr
""
.
. x
.x >
> .x
@
.x == 1e3
.x == 1e-3
.x == 0x10
.x == 1.5.5
"unterminated
'a\' b' == 1
[1,2
[1 2]
[1,]
.x in []
.x in [1,"foo",-3]
7 % 4 == 3
5/2 == 2.5
.s > 1
.s + 1 == 1
"12" + 1 == 13
" 12" + 1 == 13
"12 " + 1 == 13
.num == 12
.u == "é"
.a-b == 5
.a_b == 6
nullx
.x = 2
.x === 2
.x ! 2
.x and
and
in
.x in 2
(.x
.x)
()
.behind == 1
.esc == "a\nb"
.deep == 0
"[" in .sarr
.dup == 1
.x==2and.s=="foo"
.x==2 AND 1
"foo"in.sarr
.big == 100000000000000000000
1/0 > 5
0/0
"" or 0
''
.x notin [1]
  .x  ==  2  
.x == 2 == 1
1 + 2 * 3 - 4 / 2 == 5
.x > 0 and .x < 3 or .s == "foo"
.x<=2
.x>=2
.x!=2
.x||.s
.arr == .arr
[1] == [2]
"a" == "a"
"a" < "b"
"#;

#[test]
fn filters_find_what_the_server_finds() {
    for kind in with_vectors() {
        let mut pair = Paired::start(&kind);
        for (n, attribute) in ATTRIBUTES.iter().enumerate() {
            let (angle, name) = (n.to_string(), format!("e{n}"));
            pair.run(&["VADD", "k", "VALUES", "2", "1", &angle, &name, "SETATTR", attribute]);
        }
        pair.run(&["VADD", "k", "VALUES", "2", "1", "77", "none"]);
        for filter in FILTERS.lines() {
            pair.run(&["VSIM", "k", "VALUES", "2", "1", "1", "TRUTH", "FILTER", filter]);
        }
        if kind.version.at_least(8, 2) {
            for filter in [".x == null", ".n == null", "null == null", "null", ".n in [1]"] {
                pair.run(&["VSIM", "k", "VALUES", "2", "1", "1", "TRUTH", "FILTER", filter]);
            }
        }
        pair.finish();
    }
}

const WAYS: [&str; 3] = ["NOQUANT", "Q8", "BIN"];

fn float(chance: &mut Chance) -> f32 {
    match chance.below(30) {
        0 => 0.0,
        1 => 1e-30,
        2 => -3e25,
        3 => 1.0,
        _ => chance.below(2_000_001) as f32 / 1000.0 - 1000.0,
    }
}

/// A vector as a blob.
fn blob(chance: &mut Chance, dimensions: usize) -> Vec<u8> {
    (0..dimensions).flat_map(|_| float(chance).to_le_bytes()).collect()
}

/// Every rounding shows in the bytes.
#[test]
fn vectors_are_stored_in_the_same_bytes() {
    for kind in with_vectors() {
        let mut pair = Paired::start(&kind);
        let mut chance = Chance(0x7ec7_0235);
        for dimensions in (1..40).chain([63, 64, 65, 100, 127, 128, 300, 768, 1537]) {
            for way in WAYS {
                for n in 0..4 {
                    let key = format!("k:{dimensions}:{way}");
                    let (blob, name) = (blob(&mut chance, dimensions), n.to_string());
                    let words: [&[u8]; 6] =
                        [b"VADD", key.as_bytes(), b"FP32", &blob, name.as_bytes(), way.as_bytes()];
                    pair.run(&words);
                    pair.run(&["VEMB", &key, &name, "RAW"]);
                    pair.run(&["VEMB", &key, &name]);
                    let key = format!("r:{dimensions}:{way}");
                    let reduced = chance.below(dimensions) + 1;
                    let words: [&[u8]; 8] = [
                        b"VADD",
                        key.as_bytes(),
                        b"REDUCE",
                        &reduced.to_string().into_bytes(),
                        b"FP32",
                        &blob,
                        name.as_bytes(),
                        way.as_bytes(),
                    ];
                    pair.run(&words);
                    pair.run(&["VEMB", &key, &name, "RAW"]);
                }
            }
        }
        pair.finish();
    }
}

const KEYS: [&str; 4] = ["v1", "v2", "v3", "v4"];

fn command(chance: &mut Chance) -> Vec<Vec<u8>> {
    let key = chance.below(KEYS.len());
    let dimensions = [2, 7, 33, 5][key];
    let name = |chance: &mut Chance| format!("element:{}", chance.below(60)).into_bytes();
    let bytes = |text: &str| text.as_bytes().to_vec();
    let mut words = vec![Vec::new(), bytes(KEYS[key])];
    let verb = match chance.below(20) {
        0..11 => {
            if key == 3 {
                words.extend([bytes("REDUCE"), bytes("3")]);
            }
            let dimensions = if chance.below(20) == 0 { 4 } else { dimensions };
            if chance.below(2) == 0 {
                words.extend([bytes("FP32"), blob(chance, dimensions)]);
            } else {
                words.extend([bytes("VALUES"), dimensions.to_string().into_bytes()]);
                words.extend((0..dimensions).map(|_| float(chance).to_string().into_bytes()));
            }
            words.push(name(chance));
            words.push(bytes(["Q8", "NOQUANT", "BIN", "Q8"][key]));
            if chance.below(3) == 0 {
                let attribute = format!("{{\"n\":{}}}", chance.below(5));
                words.extend([bytes("SETATTR"), attribute.into_bytes()]);
            }
            if chance.below(5) == 0 {
                words.extend([bytes("EF"), bytes("20")]);
            }
            words.extend([bytes("M"), bytes(["16", "4", "8", "16"][key])]);
            "VADD"
        }
        11..15 => {
            words.push(name(chance));
            "VREM"
        }
        15..18 => {
            words.push(name(chance));
            words.push(bytes(chance.of(&["", "{\"n\":1}", "{\"n\":2}", "text"])));
            "VSETATTR"
        }
        18 => {
            words.push(name(chance));
            "VGETATTR"
        }
        _ if chance.below(8) == 0 => "DEL",
        _ => "VCARD",
    };
    words[0] = bytes(verb);
    words
}

/// What VINFO tells, but for the highest level and the number of the set, which are a server's own.
fn without_chance(info: Value) -> Value {
    let Value::Array(mut facts) = info else { return info };
    for at in [11, 15] {
        facts[at] = Value::Nil;
    }
    Value::Array(facts)
}

/// Commands as [`command`] makes them, to both.
fn some(pair: &mut Paired, chance: &mut Chance, count: usize) {
    for _ in 0..count {
        pair.run(&command(chance));
    }
}

/// The digest that a server tells of a key that it has restored from the engine's DUMP.
fn restored(server: &Server, engine: &mut Engine, key: &str) -> Option<String> {
    let Reply::Bulk(dump) = engine.execute(&[b"DUMP", key.as_bytes()]) else { return None };
    let words: [&[u8]; 5] = [b"RESTORE", b"restored", b"0", &dump, b"REPLACE"];
    assert_eq!(server.cmd(&words), Value::Okay, "{key}: {}", server.log());
    Some(server.digest_value(&["restored"]).remove(0))
}

#[test]
fn whatever_is_done_to_vector_sets_the_server_agrees() {
    for (seed, kind) in with_vectors().iter().enumerate() {
        let mut pair = Paired::start(kind);
        let mut chance = Chance(0x5e7_0a11 + seed as u64);
        for round in 0..60 {
            some(&mut pair, &mut chance, 60);
            for key in KEYS {
                // Not in 8.0; the fuller tale is in the digest.
                pair.run(&["VRANGE", key, "-", "+"]);
                pair.run(&["VDIM", key]);
                pair.twin.run_as(&["VINFO", key], without_chance);
                pair.unordered(&["VRANDMEMBER", key, "1000"]);
                for query in 0..2 {
                    let element = format!("element:{}", chance.below(60));
                    pair.run(&["VEMB", key, &element, "RAW"]);
                    // Scores of long vectors that are not quantized depend on the processor.
                    let count = ["3", "1000"][query];
                    pair.run(&[
                        "VSIM",
                        key,
                        "ELE",
                        &element,
                        "TRUTH",
                        "WITHSCORES",
                        "COUNT",
                        count,
                    ]);
                    let filter = [".n > 1", "not (.n == 1)"][query];
                    pair.run(&["VSIM", key, "ELE", &element, "TRUTH", "FILTER", filter]);
                }
                let theirs = pair.twin.server.digest_value(&[key]).remove(0);
                if let Reply::Bulk(dump) = pair.twin.engine.execute(&[b"DUMP", key.as_bytes()]) {
                    let words: [&[u8]; 5] = [b"RESTORE", b"restored", b"0", &dump, b"REPLACE"];
                    pair.run(&words);
                    let ours = pair.twin.server.digest_value(&["restored"]).remove(0);
                    assert_eq!(ours, theirs, "{key} in round {round} on {}", kind.name);
                    // A server sorts links as it loads them.
                    for n in 0..60 {
                        let element = format!("element:{n}");
                        pair.unordered(&["VLINKS", "restored", &element, "WITHSCORES"]);
                    }
                }
                // From now on both have it from a payload.
                if round % 7 == 3 {
                    let Value::BulkString(dump) = pair.twin.server.cmd(&["DUMP", key]) else {
                        continue;
                    };
                    let words: [&[u8]; 5] = [b"RESTORE", key.as_bytes(), b"0", &dump, b"REPLACE"];
                    pair.run(&words);
                }
            }
            pair.finish();
        }
    }
}

fn names(value: Value) -> Vec<Vec<u8>> {
    match value {
        Value::Array(items) => items.into_iter().map(client::bytes).collect(),
        other => panic!("{other:?}"),
    }
}

/// A graph of ours leads a server to what is near, as its own does.
#[test]
fn searches_go_through_our_graph() {
    const ELEMENTS: usize = 1000;
    let line = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
    for kind in with_vectors() {
        for (way, dimensions) in [("NOQUANT", 24), ("Q8", 40), ("BIN", 256)] {
            let server = Server::start(&kind, &["--sanitize-dump-payload", "yes"]);
            let mut engine = Engine::new(target(&kind), now_ms());
            let mut chance = Chance(0x0006_4a94 + dimensions as u64);
            let mut commands = Vec::new();
            // Some come, some go, some are changed.
            for n in 0..ELEMENTS + 300 {
                let float = |chance: &mut Chance| chance.below(2001) as f32 / 1000.0 - 1.0;
                let blob: Vec<u8> =
                    (0..dimensions).flat_map(|_| float(&mut chance).to_le_bytes()).collect();
                let name = n.to_string();
                commands.push(line(&[
                    b"VADD",
                    b"k",
                    b"FP32",
                    &blob,
                    name.as_bytes(),
                    way.as_bytes(),
                ]));
                if n == ELEMENTS / 2 {
                    commands.push(line(&[b"VLINKS", b"k", b"0"]));
                }
            }
            for n in 0..300 {
                commands.push(line(&[b"VREM", b"k", (n * 3).to_string().as_bytes()]));
            }
            for command in &commands {
                let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
                engine.execute(&words);
            }
            server.pipeline(&commands);
            restored(&server, &mut engine, "k").unwrap();
            let (mut selves, mut ours, mut theirs, mut asked) = (0, 0, 0, 0);
            let members = names(server.cmd(&["VRANDMEMBER", "k", "2000"]));
            assert_eq!(members.len(), ELEMENTS);
            for name in &members {
                let search = |key: &[u8], more: &[&[u8]]| {
                    let words = [&[b"VSIM", key, b"ELE", name], more].concat();
                    names(server.cmd(&words))
                };
                let found = search(b"restored", &[]);
                selves += usize::from(found.contains(name));
                if asked < 2000 {
                    let truth = search(b"k", &[b"TRUTH"]);
                    asked += truth.len();
                    ours += found.iter().filter(|it| truth.contains(it)).count();
                    theirs += search(b"k", &[]).iter().filter(|it| truth.contains(it)).count();
                }
            }
            say(format_args!(
                "{} {way}: {selves} of {ELEMENTS} find themselves; of {asked} near ones our graph \
                 leads to {ours}, the server's to {theirs}",
                kind.name
            ));
            assert!(selves * 100 >= ELEMENTS * 95, "{} {way}: {selves}", kind.name);
            assert!(ours * 100 >= theirs * 95, "{} {way}: {ours}, not {theirs}", kind.name);
        }
    }
}

fn rdbkit(words: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{words:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// Ours of a log, in each of the ways to write it.
fn written(log: &Path, kind: &Kind, folder: &Path) -> [PathBuf; 4] {
    let target = target(kind).to_string();
    let log = log.to_str().unwrap();
    let [replayed, converted, compacted, commands] =
        ["replay.rdb", "convert.rdb", "compact.rdb", "commands.aof"].map(|name| folder.join(name));
    let said = |path: &PathBuf| path.to_str().unwrap().to_owned();
    rdbkit(&["replay", log, "--save", &said(&replayed), "--target", &target]);
    rdbkit(&["convert", log, &said(&converted), "--target", &target]);
    rdbkit(&["compact", log, "-o", &said(&compacted), "--to", "rdb", "--target", &target]);
    rdbkit(&["convert", log, &said(&commands), "--to", "aof", "--target", &target]);
    [replayed, converted, compacted, commands]
}

#[test]
fn logs_of_servers_are_run_and_what_is_written_loads_there() {
    for kind in with_vectors() {
        for preamble in ["no", "yes"] {
            let options =
                ["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", preamble];
            let server = Server::start(&kind, &options);
            let mut chance = Chance(0x10c5);
            let mut commands: Vec<Vec<Vec<u8>>> = (0..400).map(|_| command(&mut chance)).collect();
            let behind = commands.split_off(300);
            server.pipeline(&commands);
            if preamble == "yes" {
                // A base with vector sets, some of which are touched behind it.
                let stays: [&[u8]; 6] = [b"VADD", b"stays", b"VALUES", b"1", b"1", b"a"];
                server.cmd(&stays);
                rewrite(&server);
            }
            server.pipeline(&behind);
            // A vector that takes the place of another one is in no log of a server.
            server.cmd(&["DEBUG", "LOADAOF"]);
            let theirs = server.digest();
            let log = log_of(&server);
            let folder = tempfile::tempdir().unwrap();
            let told =
                rdbkit(&["digest", log.to_str().unwrap(), "--server", &target(&kind).to_string()]);
            assert!(told.contains(&theirs), "{}: {told}, not {theirs}", kind.name);
            for ours in written(&log, &kind, folder.path()) {
                let bytes = std::fs::read(&ours).unwrap();
                let options = ["--sanitize-dump-payload", "yes"];
                let loaded = match ours.extension().unwrap() == "aof" {
                    true => Server::start_with_aof_file(&kind, &bytes, &options),
                    false => Server::start_with_rdb(&kind, &bytes, &options),
                };
                let how = ours.file_name().unwrap().to_str().unwrap();
                assert_eq!(loaded.digest(), theirs, "{how} on {}: {}", kind.name, loaded.log());
            }
        }
    }
}

/// Servers up to 8.10.2 log VADD with its CAS and die of that as they load it: it would block.
#[test]
fn a_log_that_its_server_cannot_load_becomes_one_that_it_can() {
    for kind in with_vectors() {
        let server = Server::start(&kind, &["--appendonly", "yes", "--appendfsync", "no"]);
        for n in ["1", "2", "3"] {
            let words = ["VADD", "k", "VALUES", "2", "1", n, n, "CAS", "SETATTR", "{\"n\":1}"];
            assert_eq!(server.cmd(&words), Value::Int(1));
        }
        let theirs = server.digest();
        let folder = tempfile::tempdir().unwrap();
        for ours in written(&log_of(&server), &kind, folder.path()) {
            let bytes = std::fs::read(&ours).unwrap();
            let loaded = match ours.extension().unwrap() == "aof" {
                true => Server::start_with_aof_file(&kind, &bytes, &[]),
                false => Server::start_with_rdb(&kind, &bytes, &[]),
            };
            assert_eq!(loaded.digest(), theirs, "{} on {}", ours.display(), kind.name);
        }
    }
}

/// What Redis 8.0 finds out while it loads is missing in what is written for it, and not missed.
#[test]
fn a_compaction_for_an_older_server_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("dump.rdb");
    let from = "fixtures/redis-8.10.2-vectorset.rdb";
    let words = ["compact", from, "-o", out.to_str().unwrap(), "--to", "rdb", "--digest"];
    let told = rdbkit(&[&words[..], &["--target", "redis:8.0"]].concat());
    assert!(told.contains("proof      read back, and the same"), "{told}");
    for kind in with_vectors() {
        let loaded = Server::start_with_rdb(&kind, &std::fs::read(&out).unwrap(), &[]);
        let told = rdbkit(&["digest", from, "--server", &target(&kind).to_string()]);
        assert!(told.contains(&loaded.digest()), "{told}");
    }
}
