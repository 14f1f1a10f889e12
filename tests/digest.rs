//! Digests of files that real servers wrote, against what real servers said of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use rdbkit::digest::{Accumulator, Digest, Options, Profile, full, value_digest};
use rdbkit::rdb::{Scratch, Snapshot};
use support::corpus::{Held, corpus};
use support::say;

/// When the corpus was probed: keys that had expired by then were gone on a master.
const PROBED_AT_MS: i64 = 1_795_392_000_000;

/// Reads `redis-8.10.2` as the server that it names.
fn profile(server: &str) -> Profile {
    server.replacen('-', ":", 1).parse().unwrap()
}

fn options(server: &str) -> Options {
    Options { profile: profile(server), ..Options::default() }
}

fn digest(bytes: &[u8], options: &Options) -> Result<Digest, String> {
    let mut total = Accumulator::new(options);
    let mut scratch = Scratch::default();
    let snapshot = Snapshot::new(bytes).map_err(|error| error.to_string())?;
    for (n, entry) in snapshot.entries().enumerate() {
        let entry = entry.map_err(|error| error.to_string())?;
        // Shares of uneven size, merged as they come.
        let mut share = total.share();
        let into = if n % 3 == 0 { &mut share } else { &mut total };
        into.add(&entry, &mut scratch).map_err(|error| error.to_string())?;
        total.merge(share);
    }
    Ok(total.finish())
}

fn full(bytes: &[u8]) -> full::Digest {
    let mut total = full::Accumulator::default();
    let mut scratch = Scratch::default();
    for record in Snapshot::new(bytes).unwrap().records() {
        total.add_record(&record.unwrap(), 0, &mut scratch).unwrap();
    }
    total.finish()
}

#[track_caller]
fn report(wrong: &[String], compared: usize, least: usize) {
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= least, "only {compared} compared");
    say(format_args!("digests compared: {compared}"));
}

fn keys(held: &Held) -> u64 {
    held.dbsize.values().sum()
}

#[test]
fn third_party_files_have_the_digest_of_the_server_that_loaded_them() {
    let Some(corpus) = corpus() else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for file in corpus.third_party() {
        let Some(truth) = &file.truth else { continue };
        if file.kind != "rdb" || file.validity != "valid" {
            continue;
        }
        let bytes = corpus.read(&file.file);
        let kept = (options(&truth.server), &truth.as_replica_keeps_expired);
        let now = Some(PROBED_AT_MS);
        let dropped = (Options { drop_expired_at_ms: now, ..kept.0.clone() }, &truth.as_master);
        for (options, held) in [kept, dropped] {
            let Some(held) = held else { continue };
            let Some(want) = &held.digest else { continue };
            compared += 1;
            let file = &file.file;
            match digest(&bytes, &options) {
                Ok(got) if got.to_string() == *want && got.keys == keys(held) => {}
                Ok(got) => wrong.push(format!(
                    "{file} ({}): {got:?}, the server has {want} and {} keys",
                    truth.server,
                    keys(held)
                )),
                Err(error) => wrong.push(format!("{file}: {error}")),
            }
        }
        // Whoever else loads it agrees, as far as nothing has expired by then.
        for (server, verdict) in &file.servers {
            let Some(want) = verdict.digest.as_ref().filter(|_| verdict.loads) else { continue };
            compared += 1;
            let options =
                Options { drop_expired_at_ms: Some(PROBED_AT_MS), ..self::options(server) };
            match digest(&bytes, &options) {
                Ok(got) if got.to_string() == *want => {}
                Ok(got) => wrong.push(format!("{} ({server}): {got:?}, {want}", file.file)),
                Err(error) => wrong.push(format!("{}: {error}", file.file)),
            }
        }
    }
    report(&wrong, compared, 60);
}

#[test]
fn generated_files_have_the_digest_of_the_server_that_wrote_them() {
    let Some(corpus) = corpus() else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for facts in corpus.facts() {
        // One file was written with test modules loaded, whose digests nobody else knows.
        if facts.server.contains(' ') {
            continue;
        }
        let options = options(&facts.server);
        for (name, file) in &facts.files {
            let state = file.truth.as_ref().and_then(|truth| truth.get("digest")?.as_str());
            let reload = file.reload_digest.as_deref();
            let whole = file.same_as_truth.filter(|same| *same).map(|_| &*facts.truth.digest);
            let Some(want) = state.or(whole).or(reload).filter(|_| file.kind == "rdb") else {
                continue;
            };
            compared += 1;
            match digest(&corpus.read(format!("gen/{name}")), &options) {
                Ok(got) if got.to_string() == want => {}
                Ok(got) => wrong.push(format!("{name}: {got:?}, the server had {want}")),
                Err(error) => wrong.push(format!("{name}: {error}")),
            }
        }
    }
    report(&wrong, compared, 40);
}

/// Each with the digest that its server answered.
const NEWER_TYPES: [(&str, &str); 9] = [
    ("redis-8.10.2-array", "a81380d7e4905bec17666d601ecb21187bbd164a"),
    ("redis-8.10.2-hash-templates", "2a2df477e2afe729ea3549d4f036fba20d247dab"),
    ("redis-8.10.2-hash-templates-auto", "6a8687415b12fed31acb78367cde4e61404dfe71"),
    ("redis-8.10.2-stream-nack-idmp", "111659021d8f2693305de80f92e7c286efc2c020"),
    ("redis-8.6.3-stream-idmp", "76a6bcc508f6dd0549900760bdcf9ced020753de"),
    ("redis-8.10.2-vectorset", "584301ac580e5fef6231e31fd4da19c3a5178f9a"),
    ("redis-8.10.2-cluster-slots", "d849c012f990b70e1e5a610731dbbe20e1618c69"),
    ("valkey-9.1.2-hash-field-ttl", "031c33965de3f3861504c878ac1dcd57be0a5272"),
    ("valkey-9.1.2-cluster-slots", "2bca3348e8cc8e1b4164cba667be96bc2f8de24e"),
];

#[test]
fn newer_types() {
    let Some(corpus) = corpus() else { return };
    let mut wrong = Vec::new();
    for (name, want) in NEWER_TYPES {
        let server = name.splitn(3, '-').take(2).collect::<Vec<_>>().join("-");
        let got = digest(&corpus.read(format!("gen/{name}.rdb")), &options(&server));
        match got {
            Ok(got) if got.to_string() == want && got.uncovered == 0 => {}
            got => wrong.push(format!("{name}: {got:?}, the server had {want}")),
        }
    }
    report(&wrong, NEWER_TYPES.len(), NEWER_TYPES.len());

    let vectors = corpus.read("gen/redis-8.10.2-vectorset.rdb");
    let entries = Snapshot::new(&vectors).unwrap().entries();
    let q = entries.map(Result::unwrap).find(|entry| *entry.key_bytes().unwrap() == *b"q").unwrap();
    let sum = value_digest(&q, &Profile::default(), &mut Scratch::default()).unwrap().sum;
    assert_eq!(sum.to_string(), "6efe5f19fd590cced49b1f78881b976d91399ea9");

    let huge = corpus.read("gen/redis-8.10.2-array-huge-index.rdb");
    let refused = digest(&huge, &Options::default()).unwrap_err();
    assert!(refused.contains("every hole"), "{refused}");
    assert_eq!(full(&huge).keys, 2);
}

/// `NAME-alltypes.rdb`, its uncompressed twin, the copy that a replica got and the base of an AOF
/// directory hold the same, encoded and ordered differently.
#[test]
fn the_full_digest_does_not_depend_on_the_encoding() {
    let Some(corpus) = corpus() else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for facts in corpus.facts() {
        let name = &facts.server;
        let path = |twin: &str| corpus.path(format!("gen/{name}-{twin}"));
        let Ok(bytes) = std::fs::read(path("alltypes.rdb")) else { continue };
        let want = full(&bytes);
        let mut twins = vec![path("nocompress.rdb"), path("replsync.rdb")];
        twins.push(path("alltypes-preamble.aof"));
        if let Ok(entries) = std::fs::read_dir(path("alltypes-aofdir-preamble")) {
            let bases = entries.map(|entry| entry.unwrap().path());
            twins.extend(bases.filter(|path| path.extension().is_some_and(|end| end == "rdb")));
        }
        for twin in twins {
            let Ok(bytes) = std::fs::read(&twin) else { continue };
            compared += 1;
            // The parts that a server adds to a log after its preamble are of another room.
            let got = full(&bytes);
            if got.sum != want.sum {
                wrong.push(format!("{}: {got:?}, not {want:?}", twin.display()));
            }
        }
    }
    report(&wrong, compared, 10);
}
