//! What servers do with texts (scores, patterns, hash tags), and that we do the same.

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

use rdbkit::bytes::glob::Glob;
use rdbkit::bytes::number::{DoubleRules, ScoreText, parse_double_by};
use rdbkit::bytes::slot::slot;
use redis::Value;
use support::client::{bytes, text};
use support::servers::{Flavour, Kind, Server, require, servers};

/// Numbers that repeat exactly.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn score_text(kind: &Kind) -> ScoreText {
    let old = kind.version.flavour == Flavour::Redis && !kind.version.at_least(7, 2);
    if old { ScoreText::Printf17 } else { ScoreText::Grisu2 }
}

fn doubles() -> Vec<f64> {
    let mut random = Random(42);
    let mut all =
        vec![0.1, 0.1 + 0.2, 1e23, 1e17, 5e-324, f64::MAX, f64::MIN_POSITIVE, 2_f64.powi(62)];
    all.extend((-330..309).map(|exponent| format!("1e{exponent}").parse::<f64>().unwrap()));
    all.extend((-1074..1024).map(|exponent| 2_f64.powi(exponent)));
    all.extend((0..4000).map(|_| f64::from_bits(random.next())));
    all.extend((0..2000).map(|_| random.next() as i64 as f64));
    all.extend((0..2000).map(|_| random.below(1_000_000) as f64 / 1000.0));
    all.extend(
        (0..2000).map(|_| random.below(100_000) as f64 * 10_f64.powi(random.below(40) as i32 - 20)),
    );
    all.retain(|value| value.is_finite());
    all.extend(all.clone().iter().map(|value| -value));
    all
}

/// A digest hashes the text of every score, so equal digests are equal texts; ZSCORE shows them.
#[test]
fn scores_are_spelled_as_the_server_spells_them() {
    let doubles = doubles();
    for kind in servers() {
        let style = score_text(&kind);
        let server = Server::start(&kind, &[]);
        let add = |(n, value): (usize, &f64)| {
            ["ZADD".to_owned(), "z".to_owned(), format!("{value:e}"), n.to_string()].to_vec()
        };
        let added = server.pipeline(&doubles.iter().enumerate().map(add).collect::<Vec<_>>());
        assert!(added.iter().all(|reply| *reply == Value::Int(1)), "{}", kind.name);
        let score = |n: usize| ["ZSCORE".to_owned(), "z".to_owned(), n.to_string()].to_vec();
        let replies = server.pipeline(&(0..doubles.len()).map(score).collect::<Vec<_>>());
        for (value, reply) in doubles.iter().zip(replies) {
            assert_eq!(text(reply), style.reply(*value).as_str(), "{}: {value:e}", kind.name);
        }
        // One key for each thousand, so that a difference shows where it is.
        for (n, some) in doubles.chunks(1000).enumerate() {
            let name = format!("z{n}");
            let add = |(n, value): (usize, &f64)| {
                ["ZADD".to_owned(), name.clone(), format!("{value:e}"), n.to_string()].to_vec()
            };
            server.pipeline(&some.iter().enumerate().map(add).collect::<Vec<_>>());
            let mut sum = [0_u8; 20];
            let mix = |sum: &mut [u8; 20], bytes: &[u8]| {
                use sha1::Digest;
                xor(sum, &sha1::Sha1::digest(bytes).into());
                *sum = sha1::Sha1::digest(*sum).into();
            };
            mix(&mut sum, &3_u32.to_be_bytes());
            for (n, value) in some.iter().enumerate() {
                let mut pair = [0; 20];
                mix(&mut pair, n.to_string().as_bytes());
                mix(&mut pair, &style.digest(*value));
                use sha1::Digest;
                xor(&mut sum, &sha1::Sha1::digest(pair).into());
            }
            let ours: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            // Redis 2.8 to 5.0 do not have DIGEST-VALUE.
            let reply = server.cmd(&["DEBUG", "DIGEST-VALUE", &name]);
            if let Value::Array(values) = reply {
                assert_eq!(text(values[0].clone()), ours, "{}: {name}", kind.name);
            } else {
                assert!(!kind.version.at_least(5, 0), "{}: {reply:?}", kind.name);
            }
        }
    }
}

fn xor(sum: &mut [u8; 20], other: &[u8; 20]) {
    sum.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

#[test]
fn a_score_is_what_the_server_takes_for_one() {
    let texts = [
        "0",
        "-0",
        "+5",
        "007",
        ".5",
        "5.",
        "1e3",
        "1E+3",
        "0.1",
        "5e-324",
        "3e-324",
        "2e-324",
        "1e400",
        "-1e400",
        "1e-400",
        "0e-400",
        "0e9999999999",
        "inf",
        "+inf",
        "-inf",
        "INF",
        "Infinity",
        "-infinity",
        "infi",
        "nan",
        "NaN",
        "-nan",
        "nan(1)",
        "nan(",
        "",
        " ",
        " 1",
        "1 ",
        "1\n",
        "1\0",
        "+",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "--1",
        "+-1",
        "1_0",
        "1,5",
        "1d",
        "0x10",
        "0X1P-1",
        "0x.8",
        "0x",
        "0x.",
        "0xp1",
        "0x1p",
        "0x1.8p+1",
        "0x1p-1074",
        "0x1p-1075",
        "0x1.8p-1075",
        "0x1p1024",
        "0x1.fffffffffffffp1023",
        "0x1.fffffffffffff8p1023",
        "0x1.fffffffffffff7p1023",
        "0x1.00000000000008p0",
        "0x1.00000000000018p0",
        "0x1.000000000000080001p0",
        "0x0p-9999",
        "0x1000000000000000000000",
        "0xg",
        "0x 1",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "\u{a0}1",
    ];
    let mut differ = Vec::new();
    for kind in servers() {
        let server = Server::start(&kind, &[]);
        // Valkey 9.1 refuses hexadecimals.
        let hex = !(kind.version.flavour == Flavour::Valkey && kind.version.at_least(9, 1));
        let rules = DoubleRules { hex, saturate: false };
        // The servers' own flaws: up to 3.2 an empty text was zero and a NUL ended one; 8.10 reads
        // with another routine, which does not always see that a number is out of range.
        let flaws: &[&str] = match (kind.version.flavour, kind.version.major) {
            (_, ..5) => &["", "1\0"],
            (Flavour::Redis, 8..) if kind.version.at_least(8, 10) => {
                &["2e-324", "2.4703282292062327e-324", "1.7976931348623159e308"]
            }
            _ => &[],
        };
        for sample in texts.into_iter().filter(|sample| !flaws.contains(sample)) {
            let ours = parse_double_by(sample.as_bytes(), rules).filter(|value| !value.is_nan());
            let taken = server.cmd(&["ZADD", "z", sample, "m"]);
            let theirs = match taken {
                Value::Int(_) => Some(text(server.cmd(&["ZSCORE", "z", "m"]))),
                _ => None,
            };
            let ours = ours.map(|value| score_text(&kind).reply(value).to_string());
            // A listpack of newer servers loses the sign of zero.
            let plain = |text: Option<String>| text.map(|text| text.replace("-0", "0"));
            let (ours, theirs) = if ours.as_deref() == Some("-0") {
                (plain(ours), plain(theirs))
            } else {
                (ours, theirs)
            };
            if theirs != ours {
                differ.push(format!("{}: {sample:?} is {theirs:?}, not {ours:?}", kind.name));
            }
            server.cmd(&["DEL", "z"]);
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn patterns_mean_what_keys_means() {
    const ALPHABET: &[u8] = b"ab-]^\\*?[\x00\x7f\x80\xff";
    let mut random = Random(7);
    let mut word = |least: u64, most: u64, alphabet: &[u8]| -> Vec<u8> {
        let n = least + random.below(most - least + 1);
        (0..n).map(|_| alphabet[random.below(alphabet.len() as u64) as usize]).collect()
    };
    let mut keys: BTreeSet<Vec<u8>> = (0..400).map(|_| word(0, 5, ALPHABET)).collect();
    keys.extend((0..=255).map(|byte| vec![byte]));
    keys.insert(Vec::new());
    let mut patterns: Vec<Vec<u8>> = (0..3000).map(|_| word(0, 8, ALPHABET)).collect();
    patterns.extend((0..500).map(|_| [b"[".as_slice(), &word(0, 6, ALPHABET), b"]*"].concat()));
    for fixed in ["", "*", "**", "***", "[a-\u{ff}]", "[^", "[", "[]", "\\", "a\\", "[a-", "[\\"] {
        patterns.push(fixed.as_bytes().to_vec());
    }
    patterns.push(b"[a-\xff]".to_vec());
    patterns.push(b"[\x80-\x7f]".to_vec());

    for name in ["redis-7.0", "redis-8.10", "valkey-9.1", "redis-6.2"] {
        let Some(kind) = require(name) else { continue };
        let server = Server::start(&kind, &[]);
        let set = |key: &Vec<u8>| vec![b"SET".to_vec(), key.clone(), b"v".to_vec()];
        server.pipeline(&keys.iter().map(set).collect::<Vec<_>>());
        for pattern in &patterns {
            let Value::Array(found) = server.cmd(&[b"KEYS".as_slice(), pattern]) else { panic!() };
            let theirs: BTreeSet<Vec<u8>> = found.into_iter().map(bytes).collect();
            let glob = Glob::new(pattern);
            let ours: BTreeSet<Vec<u8>> =
                keys.iter().filter(|key| glob.matches(key)).cloned().collect();
            let show = |set: BTreeSet<Vec<u8>>| -> Vec<String> {
                set.iter().map(|key| key.escape_ascii().to_string()).collect()
            };
            assert_eq!(show(ours), show(theirs), "{name}: KEYS {}", pattern.escape_ascii());
        }
        // The limit on stars came with a fix of Redis 7.0.
        if !kind.version.at_least(7, 0) {
            continue;
        }
        let long = vec![b'a'; 1500];
        server.cmd(&[b"SET".as_slice(), &long, b"v"]);
        for stars in [999, 1000, 1001, 1002] {
            for tail in ["", "*"] {
                let pattern = [b"*a".repeat(stars).as_slice(), tail.as_bytes()].concat();
                let Value::Array(found) = server.cmd(&[b"KEYS".as_slice(), &pattern]) else {
                    panic!()
                };
                let ours = Glob::new(&pattern).matches(&long);
                assert_eq!(found.len() == 1, ours, "{name}: {stars} stars and {tail:?}");
            }
        }
    }
}

#[test]
fn slots_are_the_clusters() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &["--cluster-enabled", "yes"]);
    let mut random = Random(11);
    for _ in 0..2000 {
        let n = random.below(9);
        let key: Vec<u8> = (0..n).map(|_| b"{}ab{}\xff\x00"[random.below(8) as usize]).collect();
        let reply = server.cmd(&[b"CLUSTER".as_slice(), b"KEYSLOT", &key]);
        assert_eq!(reply, Value::Int(slot(&key).into()), "{}", key.escape_ascii());
    }
}
