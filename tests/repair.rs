//! What repair makes of broken files: of each log of the corpus what is expected, of each snapshot
//! with one damaged entry all the others, and real servers load what comes out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rdbkit::ops::check::{CheckOptions, check_source};
use rdbkit::ops::repair::{RepairOptions, RepairReport, repair};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::{Entry, Record, Snapshot};
use rdbkit::resp::encode;
use rdbkit::source::{Form, Locator, OpenOptions, open, open_bytes};
use support::corpus::corpus;
use support::random::Random;
use support::repairs::{repaired_bytes, spoil_checksum};
use support::servers::{Data, Kind, Server, servers};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Logs of the corpus: up to where they stay as they are, and how many bytes come out with
/// --skip-damaged; where these are less than what is read, the exit status is 1.
const LOGS: &[(&str, u64, u64)] = &[
    ("ok.aof", 191, 191),
    ("annotations.aof", 130, 130),
    ("lowercase-and-mixed.aof", 50, 50),
    ("no-select.aof", 27, 27),
    ("select-out-of-range.aof", 53, 53),
    ("wrong-type.aof", 170, 170),
    ("preamble-ok.aof", 354, 354),
    ("trunc-mid-arg.aof", 114, 114),
    ("trunc-mid-header.aof", 114, 114),
    ("trunc-missing-last-lf.aof", 114, 114),
    ("trunc-in-multi.aof", 114, 114),
    ("garbage-tail.aof", 114, 114),
    ("garbage-middle.aof", 50, 78),
    ("bad-bulk-len.aof", 114, 114),
    ("huge-multibulk.aof", 114, 114),
    ("inline-command.aof", 114, 114),
    ("neg-bulk-len.aof", 114, 114),
    ("zero-multibulk.aof", 114, 141),
];

/// Directories: the parts that come out, and whether something is lost.
const DIRECTORIES: &[(&str, &[&str], bool)] = &[
    ("dir-comment-and-blank", &["1.base", "1.incr", "2.incr"], false),
    ("dir-empty-manifest", &["1.base", "1.incr", "2.incr"], false),
    ("dir-incr-order-wrong", &["1.base", "1.incr", "2.incr"], false),
    ("dir-long-line", &["1.base", "1.incr", "2.incr"], false),
    ("dir-missing-incr", &["1.base", "2.incr"], true),
    ("dir-no-final-newline", &["1.base", "1.incr", "2.incr"], false),
    ("dir-no-manifest", &["1.base", "1.incr", "2.incr"], false),
    ("dir-startoffset", &["1.base", "1.incr", "2.incr"], false),
    ("dir-trunc-base", &["1.base", "1.incr", "2.incr"], true),
    ("dir-trunc-last-incr", &["1.base", "1.incr", "2.incr"], true),
    ("dir-two-bases", &["1.base", "1.incr"], true),
    ("dir-two-incr", &["1.base", "1.incr", "2.incr"], false),
    ("dir-unknown-type", &["1.base", "1.incr"], true),
];

#[test]
fn logs_of_the_corpus() {
    let Some(corpus) = corpus() else { return };
    for &(name, good, skipped) in LOGS {
        let path = corpus.path(format!("gen/aof-broken/{name}"));
        let before = fs::read(&path).unwrap();
        for (skip_damaged, size) in [(false, good), (true, skipped)] {
            let (report, out) = repaired(&path, skip_damaged);
            let after = fs::read(&out.path).unwrap();
            assert_eq!(after.len() as u64, size, "{name}, skip_damaged {skip_damaged}");
            assert_eq!(after[..good as usize], before[..good as usize], "{name}");
            assert_eq!(report.is_lossless(), size == before.len() as u64, "{name}");
            assert_eq!(report.was_sound(), after == before, "{name}");
            out.is_sound(name);
        }
        assert_eq!(fs::read(&path).unwrap(), before, "the source has changed");
    }
    // Another server may know what none is known to know.
    let path = corpus.path("gen/aof-broken/unknown-command.aof");
    let (report, out) = repaired(&path, false);
    let doubt = &report.files[0].doubts[0];
    assert_eq!((doubt.code, doubt.offset), ("unknown-command", Some(114)));
    assert!(!report.is_lossless() && fs::read(&out.path).unwrap() == fs::read(&path).unwrap());
    let (report, out) = repaired(&path, true);
    let lost = &report.files[0].losses[0];
    assert_eq!((lost.code, lost.offset, lost.bytes), ("unknown-command", Some(114), Some(26)));
    out.is_sound("unknown-command.aof");
    // Written anew, for what they mean to a loader.
    let anew =
        [("nested-multi.aof", "nested-multi"), ("wrong-bulk-terminator.aof", "command-form")];
    for (name, code) in anew {
        let (report, out) = repaired(&corpus.path(format!("gen/aof-broken/{name}")), false);
        assert!(report.is_lossless() && !report.was_sound(), "{name}");
        assert_eq!(report.files[0].mended[0].code, code, "{name}");
        out.is_sound(name);
    }
    // A file without a byte is nothing that the check tools of old servers take, nor we.
    let (report, out) = repaired(&corpus.path("gen/aof-broken/empty.aof"), false);
    assert!(report.was_sound());
    assert_eq!(fs::read(&out.path).unwrap(), b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n");
    out.is_sound("empty.aof");
    let name = "preamble-trunc-in-rdb.aof";
    let (report, out) = repaired(&corpus.path(format!("gen/aof-broken/{name}")), false);
    assert_eq!(report.files[0].losses[0].key.as_deref(), Some(&b"k3"[..]));
    assert_eq!(report.files[0].lost_keys, 1);
    out.is_sound(name);
}

#[test]
fn directories_of_the_corpus() {
    let Some(corpus) = corpus() else { return };
    for &(name, parts, lossy) in DIRECTORIES {
        let (report, out) = repaired(&corpus.path(format!("gen/aof-broken/{name}")), false);
        let manifest = fs::read_to_string(out.path.join("appendonly.aof.manifest")).unwrap();
        let listed: Vec<String> =
            manifest.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        let want: Vec<String> = parts.iter().map(|p| format!("appendonly.aof.{p}.aof")).collect();
        assert_eq!(listed, want, "{name}");
        assert_eq!(report.is_lossless(), !lossy, "{name}");
        out.is_sound(name);
    }
    let (_, out) = repaired(&corpus.path("gen/aof-broken/dir-startoffset"), false);
    let manifest = fs::read_to_string(out.path.join("appendonly.aof.manifest")).unwrap();
    assert!(manifest.contains("startoffset 0 endoffset 50\n"), "{manifest}");
}

/// What a server made of the broken file itself, where it loads it, is what all make of the
/// repaired one; and their check tools have no objection.
#[test]
fn servers_load_repaired_logs() {
    let Some(corpus) = corpus() else { return };
    let kinds: Vec<Kind> = servers()
        .into_iter()
        .filter(|kind| ["redis-7.0", "redis-8.0", "valkey-9.1"].contains(&kind.name.as_str()))
        .collect();
    let mut loaded = 0;
    for record in corpus.broken_aofs() {
        // What no server knows stays.
        if record.path.ends_with("unknown-command.aof") {
            continue;
        }
        let verdict = &record.servers["redis-7.0.15"]["aof-load-truncated yes"];
        let (_, out) = repaired(&corpus.path(&record.path), false);
        let is_directory = out.path.is_dir();
        let bytes = if is_directory { Vec::new() } else { fs::read(&out.path).unwrap() };
        for kind in &kinds {
            let data = if is_directory { Data::AofDir(&out.path) } else { Data::AofFile(&bytes) };
            // A repaired file needs no mercy.
            let options = ["--aof-load-truncated", "no", "--sanitize-dump-payload", "yes"];
            let server = Server::start_with(kind, data, &options);
            // What a server loads from a directory without manifest is nothing.
            if verdict.loads && !record.path.ends_with("dir-no-manifest") {
                let want = verdict.digest.as_deref().unwrap();
                assert_eq!(server.digest(), want, "{} in {}", record.path, kind.name);
            } else {
                assert_ne!(server.digest(), "0".repeat(40), "{} in {}", record.path, kind.name);
            }
            loaded += 1;
            let manifest = out.path.join("appendonly.aof.manifest");
            let file = if is_directory { &manifest } else { &out.path };
            if let Some(mut tool) = kind.program("check-aof") {
                let said = tool.arg(file).output().unwrap();
                let text = String::from_utf8_lossy(&said.stdout).into_owned();
                assert!(said.status.success(), "{} in {}: {text}", record.path, kind.name);
            }
        }
    }
    assert!(kinds.is_empty() || loaded > 80, "{loaded}");
}

/// With a damaged byte in every name, servers make of the repaired log what they made of it before.
#[test]
fn servers_load_a_log_whose_names_were_damaged() {
    let commands: [&[&str]; 8] = [
        &["SELECT", "3"],
        &["SET", "a", "1"],
        &["MULTI"],
        &["SELECT", "0"],
        &["INCR", "a"],
        &["EXEC"],
        &["SELECT", "5"],
        &["SADD", "s", "x"],
    ];
    let (mut sound, mut damaged) = (Vec::new(), Vec::new());
    for words in commands {
        encode::command(&mut sound, words);
        let name = format!("{}\0{}", &words[0][..1], &words[0][2..]);
        encode::command(&mut damaged, [&[name.as_str()], &words[1..]].concat());
    }
    for skip_damaged in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("in.aof");
        fs::write(&from, &damaged).unwrap();
        let (report, out) = repaired(&from, skip_damaged);
        assert!(report.is_lossless() && report.files[0].mended.len() == commands.len());
        out.is_sound("names");
        assert_eq!(fs::read(&out.path).unwrap(), sound);
    }
    for kind in servers() {
        Server::expect_load_failure(&kind, Data::AofFile(&damaged), &[]);
        let server = Server::start_with(&kind, Data::AofFile(&sound), &[]);
        assert_ne!(server.digest(), "0".repeat(40), "{}", kind.name);
    }
}

/// Wherever a byte of a log is damaged: what is stepped over is the command that it belongs to, and
/// at most one more.
#[test]
fn of_a_log_with_one_damaged_byte_all_other_commands_come_back() {
    let command = |words: &[String]| {
        let args: String = words.iter().map(|w| format!("${}\r\n{w}\r\n", w.len())).collect();
        format!("*{}\r\n{args}", words.len())
    };
    let mut random = Random::new(31);
    let commands: Vec<String> = (0..60)
        .map(|n| {
            let mut words = vec!["RPUSH".to_owned(), format!("list:{n}")];
            let values = 1 + random.below(12);
            words.extend((0..values).map(|_| "v".repeat(random.below(40))));
            command(&words)
        })
        .collect();
    let mut ends = 0;
    let ends: Vec<usize> = commands
        .iter()
        .map(|command| {
            ends += command.len();
            ends
        })
        .collect();
    let bytes = commands.concat().into_bytes();
    let (mut lost_two, tried) = (0, 400);
    for _ in 0..tried {
        let mut damaged = bytes.clone();
        let at = random.below(bytes.len());
        damaged[at] ^= 1 + random.below(255) as u8;
        let own = ends.iter().position(|&end| at < end).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out.aof");
        let options = RepairOptions { skip_damaged: true, ..RepairOptions::default() };
        let open_as = OpenOptions { from: Some(Form::Aof), ..OpenOptions::default() };
        let source = open_bytes("in.aof", damaged, &open_as).unwrap();
        repair(source, &to, &options, &Silent).unwrap();
        let out = String::from_utf8_lossy(&fs::read(to).unwrap()).into_owned();
        let missing: Vec<usize> =
            (0..commands.len()).filter(|&n| n != own && !out.contains(&commands[n])).collect();
        lost_two += usize::from(!missing.is_empty());
        assert!(missing.len() <= 1, "at {at} of {own}: {missing:?}");
        // And nothing is there that was not.
        let kept = out.matches("RPUSH").count();
        assert!(kept + missing.len() <= commands.len(), "at {at} of {own}: {kept}");
    }
    assert!(lost_two * 50 < tried, "{lost_two} of {tried}");
}

/// Damages an entry; false where that would change nothing.
type Damage = fn(&mut [u8], &Entry<'_>) -> bool;

/// How an entry can be damaged.
const DAMAGES: &[(&str, Damage)] = &[
    ("type", |bytes, entry| {
        let key = entry.key_bytes().unwrap().len();
        let at = entry.body_offset as usize - key - if key < 64 { 2 } else { 3 };
        std::mem::replace(&mut bytes[at], 0x63) != 0x63
    }),
    ("first byte of the value", |bytes, entry| {
        std::mem::replace(&mut bytes[entry.body_offset as usize], 0xff) != 0xff
    }),
    ("last byte of the value", |bytes, entry| {
        // In a plain string any byte will do.
        let is_string = entry.value_type == rdbkit::rdb::ValueType::String;
        let last = &mut bytes[entry.end as usize - 1];
        *last ^= 0x55;
        !is_string
    }),
    ("all of the value", |bytes, entry| {
        bytes[entry.body_offset as usize..entry.end as usize].fill(0xfe);
        true
    }),
];

#[test]
fn of_a_snapshot_with_one_damaged_entry_all_others_come_back() {
    let (mut tried, mut back) = (0, 0);
    let mut wrong = Vec::new();
    for (name, bytes) in snapshots() {
        let entries: Vec<Entry> =
            Snapshot::new(&bytes).unwrap().entries().map(Result::unwrap).collect();
        // Some of each file are enough.
        for index in (0..entries.len()).step_by(entries.len() / 12 + 1) {
            let entry = &entries[index];
            let key = entry.key_bytes().unwrap();
            // A key that is stored as an integer or compressed has its type byte elsewhere.
            if !matches!(entry.key, rdbkit::rdb::Text::Raw(_)) || entry.meta.is_some() {
                continue;
            }
            for (damage, change) in DAMAGES {
                let mut damaged = bytes.clone();
                if !change(&mut damaged, entry) {
                    continue;
                }
                tried += 1;
                let what = format!("{name}, {damage} of {}", String::from_utf8_lossy(&key));
                spoil_checksum(&mut damaged);
                let (report, out) = repaired_bytes(damaged);
                let kept = identities(&out);
                let mut want = identities(&bytes);
                let own = identity(entry);
                want.remove(&own);
                // A value may be damaged so that it is still a value.
                let extra: Vec<_> =
                    kept.difference(&want).filter(|(_, key, _)| *key != own.1).collect();
                let missing: Vec<_> = want.difference(&kept).collect();
                if !extra.is_empty() || !missing.is_empty() {
                    let short = |list: &[&(u64, Vec<u8>, Vec<u8>)]| {
                        let keys =
                            list.iter().map(|(db, key, _)| format!("{db} {}", key.escape_ascii()));
                        keys.collect::<Vec<_>>().join(", ")
                    };
                    wrong.push(format!(
                        "{what}: missing {}; too much {}",
                        short(&missing),
                        short(&extra)
                    ));
                    continue;
                }
                assert!(!report.is_lossless(), "{what}");
                is_sound_snapshot(&out, &what);
                back += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{back} of {tried} came back\n{}", wrong.join("\n"));
    assert!(tried > 300, "{tried}");
}

/// A hash whose fields expire is written field by field, and a field without expiry reads like a
/// key with a plain string.
#[test]
fn the_fields_of_a_broken_hash_do_not_become_keys() {
    let string = |name: &str, value: &str| {
        let (key, len) = (name.as_bytes(), [name.len() as u8]);
        [&[0][..], &len, key, &[value.len() as u8], value.as_bytes()].concat()
    };
    let list = b"\x01\x06list:1\x02\x01a\x01b".to_vec();
    let expiring = b"\xfc\0\0\x01\0\0\0\0\0\0\x05key:e\x01a".to_vec();
    let set = b"\x02\x05set:1\x01\x01a".to_vec();
    let keys = |range: std::ops::Range<u32>| -> Vec<u8> {
        range.flat_map(|i| string(&format!("user:{i}"), &format!("v{i}"))).collect()
    };
    let others = [&list[..], &expiring, &set, &list[..1], b"\x06list:2\x01\x01c"].concat();
    // What follows the hash, and how many keys that are.
    let tails = [
        (Vec::new(), 0),
        (others.clone(), 4),
        (keys(20..27), 7),
        ([keys(20..27), others.clone()].concat(), 11),
        ([keys(20..22), others].concat(), 6),
        ([&b"\xfe\x01\xfb\x05\0"[..], &keys(30..35)].concat(), 0),
    ];
    let (mut back, mut tried, mut wrong) = (0, 0, Vec::new());
    for (behind, more) in tails {
        for ttls in [0, 3] {
            let mut hash = b"\x18\x07session\x51\xdb\x30\x7e\xa4\x01\0\0\x28".to_vec();
            for field in 0..40 {
                let mut field = string(&format!("name{field}"), &format!("value{field}"));
                if ttls > 0 && hash.len().is_multiple_of(ttls) {
                    field.splice(0..1, [0x80, 0, 1, 0, field.len() as u8]);
                }
                hash.extend(field);
            }
            let head = [b"REDIS0012\xfe\0\xfb", &[10 + more][..], b"\x01"].concat();
            let before = keys(1..10);
            let at = head.len() + before.len();
            let end = b"\xff\x01\x02\x03\x04\x05\x06\x07\x08";
            let bytes = [&head[..], &before, &hash, &behind, end].concat();
            let all = identities(&bytes);
            let names: BTreeSet<_> = all.iter().map(|(db, key, _)| (*db, key.clone())).collect();
            // The head of the hash byte by byte, and of its fields some here and others there.
            let first = 20 + usize::from(more) + ttls;
            for index in (0..20).chain((first..hash.len()).step_by(17)) {
                for value in [0xff, 0x63, 0, hash[index] ^ 1] {
                    // Names of keys and values may change; then they are others.
                    if (2..9).contains(&index) || hash[index] == value {
                        continue;
                    }
                    let mut damaged = bytes.clone();
                    damaged[at + index] = value;
                    let (report, out) = repaired_bytes(damaged);
                    let kept = identities(&out);
                    let invented: Vec<_> = kept
                        .iter()
                        .filter(|(db, key, _)| !names.contains(&(*db, key.clone())))
                        .map(|(_, key, _)| key.escape_ascii().to_string())
                        .collect();
                    let what = format!("{more} more, ttls {ttls}: {index} with {value:#x}");
                    if !invented.is_empty() {
                        wrong.push(format!("{what}: {}", invented.join(" ")));
                    }
                    assert!(!report.is_lossless(), "{what}");
                    tried += 1;
                    let others = |set: &BTreeSet<Identity>| {
                        set.iter().filter(|(_, key, _)| key != b"session").cloned().collect()
                    };
                    let (kept, want): (BTreeSet<_>, BTreeSet<_>) = (others(&kept), others(&all));
                    back += u32::from(kept == want);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}\n{}", wrong.len(), wrong.join("\n"));
    assert!(back * 100 > tried * 95, "{back} of {tried}");
}

/// A length that lies in such a hash takes in whole fields, and what makes up for them in their
/// number would be keys.
#[test]
fn a_broken_hash_does_not_take_the_keys_behind_it_along() {
    let (mut tried, mut back) = (0, 0);
    let mut wrong = Vec::new();
    for (name, bytes) in snapshots() {
        for entry in Snapshot::new(&bytes).unwrap().entries().map(Result::unwrap) {
            if entry.value_type != rdbkit::rdb::ValueType::HashMetadata {
                continue;
            }
            let (own, all) = (identity(&entry), identities(&bytes));
            let others = |set: BTreeSet<Identity>| -> BTreeSet<Identity> {
                set.into_iter().filter(|(_, key, _)| *key != own.1).collect()
            };
            let want = others(all);
            let (from, to) = (entry.body_offset as usize + 10, entry.end as usize);
            for at in (from..to).step_by((to - from) / 30 + 1).chain(to - 8..to - 4) {
                for value in [0xff, 0x63, 0, bytes[at] ^ 1] {
                    let mut damaged = bytes.clone();
                    damaged[at] = value;
                    spoil_checksum(&mut damaged);
                    let kept = others(identities(&repaired_bytes(damaged).1));
                    tried += u32::from(bytes[at] != value);
                    back += u32::from(bytes[at] != value && kept == want);
                    if kept != want {
                        wrong.push(format!("{name}: {at} with {value:#x}"));
                    }
                }
            }
        }
    }
    assert!(tried > 300, "{tried}");
    assert!(back * 100 > tried * 95, "{back} of {tried}\n{}", wrong.join("\n"));
}

/// A byte that turns into an end marker ends nothing where the checksum does not fit and keys follow.
#[test]
fn an_end_marker_in_the_middle_ends_nothing() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for (name, bytes) in snapshots() {
        if name.contains("nochecksum") || name.contains("2.8") {
            continue;
        }
        let all = identities(&bytes);
        let (mut at, mut keys) = (9, 0);
        let mut framer = rdbkit::rdb::Framer::new(Snapshot::new(&bytes).unwrap().header());
        while let Ok((record, rest)) = framer.next(&bytes[at..], at as u64) {
            let (from, is_key) = (at, matches!(record, Record::Entry(_)));
            at = bytes.len() - rest.len();
            keys += usize::from(is_key);
            // Some keys of each file are enough.
            if is_key && keys % 4 != 0 {
                continue;
            }
            let own = match record {
                Record::End { .. } => break,
                Record::Entry(entry) => Some(entry.key_bytes().unwrap().into_owned()),
                _ => None,
            };
            let mut damaged = bytes.clone();
            damaged[from] = 0xff;
            spoil_checksum(&mut damaged);
            let (report, out) = repaired_bytes(damaged);
            let kept = identities(&out);
            let others = |set: &BTreeSet<Identity>| -> BTreeSet<Identity> {
                set.iter().filter(|(_, key, _)| Some(key) != own.as_ref()).cloned().collect()
            };
            let invented: Vec<_> = kept
                .difference(&all)
                .map(|(db, key, _)| (db, key.escape_ascii().to_string()))
                .collect();
            if !invented.is_empty() {
                wrong.push(format!("{name}: {from} INVENTED {invented:?}"));
            }
            assert!(!report.is_lossless(), "{name}: {from}");
            tried += 1;
            if others(&kept) != others(&all) {
                wrong.push(format!("{name}: {from} kept {} of {}", kept.len(), all.len()));
            }
            assert!(kept.len() + 10 > all.len(), "{name}: {from}");
        }
    }
    assert!(tried > 400, "{tried}");
    // Short keys beside it may go along.
    assert!(wrong.len() * 100 < tried * 5, "{} of {tried}\n{}", wrong.len(), wrong.join("\n"));
}

/// Nothing behind it can be read, but it was no end: what is behind is lost.
#[test]
fn what_stands_behind_an_end_whose_checksum_does_not_fit_is_lost() {
    let path = Path::new(ROOT).join("fixtures/redis-7.0.15-alltypes.rdb");
    let mut bytes = fs::read(path).unwrap();
    let with_checksum = [&bytes[..], &[0x21; 100]].concat();
    let (report, _) = repaired_bytes(with_checksum);
    assert!(report.is_lossless() && !report.was_sound());
    bytes[40_000] ^= 1;
    spoil_checksum(&mut bytes);
    bytes.extend([0x21; 100]);
    let (report, _) = repaired_bytes(bytes);
    let losses = &report.files[0].losses;
    assert!(losses.iter().any(|loss| loss.code == "trailing-bytes"), "{losses:#?}");
    assert!(report.files[0].lost_bytes >= 100);
}

/// The server that wrote a file loads what is left of it, deep check and all.
#[test]
fn servers_load_repaired_snapshots() {
    let kinds = servers();
    for (name, bytes) in snapshots() {
        if name.contains("modules") || name.contains("cluster") {
            continue;
        }
        let entries: Vec<Entry> =
            Snapshot::new(&bytes).unwrap().entries().map(Result::unwrap).collect();
        let Some(kind) = kinds.iter().find(|kind| name.starts_with(&format!("{}.", kind.name)))
        else {
            continue;
        };
        let entry = &entries[entries.len() / 2];
        let mut damaged = bytes.clone();
        damaged[entry.body_offset as usize..entry.end as usize].fill(0xfe);
        let (_, out) = repaired_bytes(damaged);
        let options: &[&str] = match kind.version.at_least(6, 2) {
            true => &["--sanitize-dump-payload", "yes"],
            false => &[],
        };
        let server = Server::start_with_rdb(kind, &out, options);
        let log = server.log();
        assert!(!log.contains('#') || !log.contains("orrupt"), "{name}: {log}");
        if let Some(mut tool) = kind.program("check-rdb") {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dump.rdb");
            fs::write(&path, &out).unwrap();
            let said = tool.arg(&path).output().unwrap();
            assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stdout));
        }
    }
}

#[test]
fn of_a_repeated_key_the_last_value_stays() {
    let path = Path::new(ROOT).join("fixtures/broken/duplicate-key.rdb");
    let (report, out) = repaired(&path, false);
    let bytes = fs::read(&out.path).unwrap();
    let kept = identities(&bytes);
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [(0, b"a".to_vec(), b"\x01c".to_vec())]);
    assert_eq!(report.files[0].losses[0].code, "duplicate-key");
    out.is_sound("duplicate-key");
}

#[test]
fn a_sound_snapshot_comes_back_byte_for_byte() {
    for (name, bytes) in snapshots() {
        let (report, out) = repaired_bytes(bytes.clone());
        assert!(report.was_sound(), "{name}: {report:#?}");
        assert_eq!(out, bytes, "{name}");
    }
}

/// However a file is cut or bent, what comes out is sound.
#[test]
fn whatever_comes_in_what_comes_out_is_sound() {
    let path = Path::new(ROOT).join("fixtures/redis-8.10.2-hash-templates.rdb");
    let bytes = fs::read(path).unwrap();
    for cut in 9..bytes.len() {
        let (_, out) = repaired_bytes(bytes[..cut].to_vec());
        is_sound_snapshot(&out, &format!("cut at {cut}"));
    }
    for at in 9..bytes.len() {
        for bits in [0x01, 0x80, 0xff] {
            let mut bent = bytes.clone();
            bent[at] ^= bits;
            let (_, out) = repaired_bytes(bent);
            is_sound_snapshot(&out, &format!("byte {at} with {bits:#x}"));
        }
    }
}

/// Zeros, and lengths that lie: what would take long if every attempt walked far.
#[test]
fn hostile_bytes_do_not_take_long() {
    let began = std::time::Instant::now();
    let list = b"\x01\x01a\x80\xff\xff\xff\xff".repeat(20_000);
    for body in [vec![0; 300_000], list, b"\xfe\0\xfb\x05\x05".repeat(30_000), vec![0xfc; 30_000]] {
        let bytes = [b"REDIS0011\xfe\0\0\x01a\xff", &body[..]].concat();
        let (_, out) = repaired_bytes(bytes);
        is_sound_snapshot(&out, "hostile");
    }
    assert!(began.elapsed().as_secs() < 120, "{:?}", began.elapsed());
}

/// A repaired file and the folder that it lies in.
struct Out {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Out {
    #[track_caller]
    fn is_sound(&self, name: &str) {
        let open_options = OpenOptions {
            // Nothing in an empty file says what it is.
            from: (fs::metadata(&self.path).unwrap().len() == 0)
                .then_some(rdbkit::source::Form::Aof),
            ..OpenOptions::default()
        };
        let locator = Locator::Path(self.path.clone());
        let source = open(&locator, &open_options).unwrap();
        let report = check_source(source, &CheckOptions::default(), &Silent).unwrap();
        assert!(report.is_sound(), "{name}: {report:#?}");
    }
}

#[track_caller]
fn repaired(path: &Path, skip_damaged: bool) -> (RepairReport, Out) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.aof");
    let options = RepairOptions { skip_damaged, ..RepairOptions::default() };
    let source = open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap();
    let report = repair(source, &to, &options, &Silent).unwrap();
    (report, Out { path: to, _folder: folder })
}

/// No errors but those that stand in the report of the repair as doubts.
#[track_caller]
fn is_sound_snapshot(bytes: &[u8], what: &str) {
    let source = open_bytes("out.rdb", bytes.to_vec(), &OpenOptions::default()).unwrap();
    let report = check_source(source, &CheckOptions::default(), &Silent).unwrap();
    let errors: Vec<_> = report.files[0]
        .findings
        .iter()
        .filter(|finding| finding.severity == rdbkit::finding::Severity::Error)
        .filter(|finding| !finding.server.contains("no server notices"))
        .filter(|finding| !finding.server.contains("older servers"))
        .filter(|finding| !finding.server.starts_with("Valkey 9.1 stops"))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

/// Small snapshots that real servers wrote.
fn snapshots() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = fs::read_dir(Path::new(ROOT).join("fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "rdb"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    all.sort();
    assert!(all.len() > 15);
    all
}

type Identity = (u64, Vec<u8>, Vec<u8>);

fn identity(entry: &Entry<'_>) -> Identity {
    (entry.db, entry.key_bytes().unwrap().into_owned(), entry.body().to_vec())
}

fn identities(bytes: &[u8]) -> BTreeSet<Identity> {
    Snapshot::new(bytes).unwrap().entries().map(|entry| identity(&entry.unwrap())).collect()
}

/// One damaged byte in a manifest: the file whose name or letter it was is loaded all the same.
#[test]
fn a_damaged_byte_in_a_manifest_loses_no_part() {
    let parts = ["a.aof.1.base.aof", "a.aof.1.incr.aof", "a.aof.2.incr.aof"];
    let lines = |parts: [&str; 3], letters: &str| -> String {
        let line = |((name, seq), letter)| format!("file {name} seq {seq} type {letter}\n");
        parts.iter().zip([1, 1, 2]).zip(letters.chars()).map(line).collect()
    };
    let [base, first, second] = parts;
    for (manifest, code) in [
        (lines(["`.aof.1.base.aof", first, second], "bii"), "renamed-part"),
        (lines([base, "a.aof.1.inc`.aof", second], "bii"), "renamed-part"),
        (lines([base, first, "a.aof.7.incr.aof"], "bii"), "renamed-part"),
        (lines(parts, "bih"), "history-too-new"),
        (lines(parts, "hii"), "history-too-new"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, key) in parts.iter().zip(["b", "c", "d"]) {
            let log =
                format!("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$1\r\n{key}\r\n");
            fs::write(folder.path().join(name), log).unwrap();
        }
        fs::write(folder.path().join("a.aof.manifest"), &manifest).unwrap();
        let (report, out) = repaired(folder.path(), false);
        let codes: Vec<_> = report.files_notes.iter().map(|note| note.code).collect();
        assert_eq!(codes, [code], "{manifest}");
        assert!(report.is_lossless() && !report.was_sound(), "{manifest}");
        let got = fs::read_to_string(out.path.join("a.aof.manifest")).unwrap();
        assert_eq!(got, lines(parts, "bii"), "{manifest}");
    }
}

/// A damaged letter of the magic makes nothing else of a snapshot.
#[test]
fn a_snapshot_is_known_in_spite_of_a_damaged_letter() {
    let sound = fs::read(Path::new(ROOT).join("fixtures/redis-7.0.15-lru.rdb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("dump.rdb"), folder.path().join("out.rdb"));
    for at in 0..9 {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x20;
        fs::write(&path, bytes).unwrap();
        let call = |args: &[&Path]| {
            let done = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"))
                .args(args)
                .output()
                .unwrap();
            let said = [done.stdout, done.stderr].concat();
            (done.status.code(), String::from_utf8_lossy(&said).into_owned())
        };
        let (code, said) = call(&[Path::new("check"), &path]);
        assert_eq!(code, Some(1), "byte {at}: {said}");
        assert!(said.contains("an RDB whose first bytes are damaged"), "byte {at}: {said}");
        let args = [Path::new("repair"), &path, Path::new("-f"), Path::new("-o"), &to];
        let (code, said) = call(&args);
        assert_eq!(code, Some(0), "byte {at}: {said}");
        assert_eq!(fs::read(&to).unwrap(), sound, "byte {at}");
    }
}

/// What no server notices and all answer wrongly of is not sound, and goes where only that is wanted.
#[test]
fn what_is_left_is_sound_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.rdb");
    let broken = fs::read_dir(Path::new(ROOT).join("fixtures/broken")).unwrap();
    let mut seen = 0;
    for path in broken
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rdb"))
    {
        let open = |path: &Path| open(&Locator::Path(path.to_owned()), &OpenOptions::default());
        let publish = rdbkit::target::Publish { force: true, ..Default::default() };
        let options = RepairOptions { strict: true, publish, ..RepairOptions::default() };
        if repair(open(&path).unwrap(), &to, &options, &Silent).is_err() {
            continue;
        }
        let report = check_source(open(&to).unwrap(), &CheckOptions::default(), &Silent).unwrap();
        assert!(report.is_sound(), "{}: {report:?}", path.display());
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}
