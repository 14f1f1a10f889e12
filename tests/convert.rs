//! Whatever is converted loads in the server that it is for, sanitized, without a warning, and is
//! there what it was.

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
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rdbkit::digest::Profile;
use rdbkit::ops::convert::{ConvertOptions, OutputForm, Target, convert};
use rdbkit::ops::digest::{DigestOptions, digest};
use rdbkit::ops::walk::{Silent, WalkOptions};
use rdbkit::rdb::{ModuleId, Record, Snapshot, length};
use rdbkit::report::convert::ConvertReport;
use rdbkit::resp::Command;
use rdbkit::source::{Locator, OpenOptions, open};
use rdbkit::value::Kind as ValueKind;
use redis::Value;
use support::random::Random;
use support::servers::{Data, Kind, Server, require, servers};
use support::{corpus, say};

/// Servers that sanitize what they load, and can load without saving first.
fn reloads(kind: &Kind) -> bool {
    kind.version.at_least(6, 2)
}

/// Whether a file is tried with a server. Old ones are started for each file (a DEBUG DIGEST after
/// a FLUSHALL can crash Redis 2.8), so they see one of each kind.
fn suits(kind: &Kind, source: &Path) -> bool {
    let name = source.file_name().unwrap().to_string_lossy();
    // DEBUG DIGEST counts up to the highest index.
    if name.contains("array-huge-index") && Target::has_arrays(&target(kind)) {
        return false;
    }
    reloads(kind) || name.contains("alltypes.rdb")
}

fn name(kind: &Kind) -> String {
    let version = kind.version;
    format!("{:?}:{}.{}", version.flavour, version.major, version.minor).to_lowercase()
}

fn target(kind: &Kind) -> Target {
    name(kind).parse().unwrap()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn walk() -> WalkOptions {
    WalkOptions { threads: 2, ..WalkOptions::default() }
}

/// Snapshots that load in some server without a module: the fixtures, and the corpus where it is.
fn sources() -> Vec<PathBuf> {
    let fixtures = fs::read_dir("fixtures").unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = fixtures
        .filter(|path| path.extension().is_some_and(|extension| extension == "rdb"))
        .collect();
    if let Some(corpus) = corpus::corpus() {
        all.extend(corpus.generated().iter().map(|file| corpus.path(&file.file)));
        let valid = |file: &&corpus::ThirdParty| file.kind == "rdb" && file.validity == "valid";
        all.extend(corpus.third_party().iter().filter(valid).map(|file| corpus.path(&file.file)));
    }
    all.retain(|path| !needs_module(&fs::read(path).unwrap()));
    all.sort();
    // The corpus has the fixtures, too.
    let mut seen = Vec::new();
    all.retain(|path| {
        let bytes = fs::read(path).unwrap();
        let new = !seen.contains(&bytes);
        seen.push(bytes);
        new
    });
    all
}

fn needs_module(bytes: &[u8]) -> bool {
    Snapshot::new(bytes).unwrap().records().any(|record| match record.unwrap() {
        Record::ModuleAux { .. } => true,
        Record::Entry(entry) if entry.meta.is_some() => true,
        Record::Entry(entry) if entry.value_type.kind() == ValueKind::Module => {
            length(entry.body()).is_ok_and(|(_, id)| ModuleId(id).name() != "vectorset")
        }
        _ => false,
    })
}

#[track_caller]
fn converted(source: &Path, out: &Path, options: &ConvertOptions) -> ConvertReport {
    let opened = open(&Locator::Path(source.to_owned()), &OpenOptions::default()).unwrap();
    let options = ConvertOptions { force: true, list: 100, walk: walk(), ..options.clone() };
    convert(opened, out, &options, &Silent)
        .unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

/// What a server of that kind that loads the file now would answer.
fn server_digest(path: &Path, kind: &Kind, drop_expired: bool) -> String {
    let profile: Profile = name(kind).parse().unwrap();
    let options = DigestOptions {
        profile,
        drop_expired_at_ms: drop_expired.then(now_ms),
        walk: walk(),
        ..DigestOptions::default()
    };
    let source = open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap();
    digest(source, &options, &Silent).unwrap().digest
}

/// Expired keys, expired fields, and hashes that have no others go, whatever the layout; a server
/// that loads the file finds nothing that has expired, and one that knows no expiring fields keeps
/// none of them for ever.
#[test]
fn what_has_expired_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut dropped = 0;
    for source in sources() {
        let bytes = fs::read(&source).unwrap();
        let times = times(&bytes);
        // In the middle of them, and behind all.
        let picks = [times.get(times.len() / 2), times.last()];
        for now in picks.into_iter().flatten().map(|at| at + 1) {
            let at = |path: &Path, now: Option<i64>, full| {
                let source = open(&Locator::Path(path.to_owned()), &OpenOptions::default());
                let options = DigestOptions {
                    full,
                    drop_expired_at_ms: now,
                    walk: walk(),
                    ..DigestOptions::default()
                };
                digest(source.unwrap(), &options, &Silent).unwrap().digest
            };
            for (target, form, full) in [
                (None, OutputForm::Rdb, true),
                (Some("redis:8.10"), OutputForm::Aof, false),
                (Some("valkey:9.1"), OutputForm::Rdb, false),
                (Some("redis:7.0"), OutputForm::Rdb, false),
            ] {
                let out = folder.path().join("out");
                let options = ConvertOptions {
                    form,
                    target: target.map(|name| name.parse().unwrap()),
                    drop_expired_at_ms: Some(now),
                    lossy: true,
                    ..ConvertOptions::default()
                };
                let report = converted(&source, &out, &options);
                let what = format!("{} for {target:?} at {now}", source.display());
                // A digest of all that is left knows what has expired no more.
                assert_eq!(at(&out, Some(now), full), at(&out, None, full), "{what}");
                let is_whole = report.losses.is_empty();
                if is_whole && target != Some("redis:7.0") {
                    assert_eq!(at(&source, Some(now), full), at(&out, None, full), "{what}");
                }
                dropped += u32::from(at(&source, Some(now), true) != at(&source, None, true));
            }
        }
    }
    assert!(dropped > 20, "{dropped}");
}

/// When the fields of the hashes of a snapshot expire.
fn times(bytes: &[u8]) -> Vec<i64> {
    let mut times = Vec::new();
    let mut scratch = rdbkit::rdb::Scratch::default();
    for entry in Snapshot::new(bytes).unwrap().entries().map(Result::unwrap) {
        if !entry.value_type.has_field_expiry() {
            continue;
        }
        entry
            .visit(&mut scratch, |item| {
                if let rdbkit::value::Item::Field { expires_at_ms: Some(at), .. } = item {
                    times.push(at as i64);
                }
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    times.sort_unstable();
    times
}

/// The same with the servers themselves as judges.
#[test]
fn servers_hold_what_has_not_expired() {
    let source = Path::new("fixtures/valkey-9.1.2-hash-field-ttl.rdb");
    let bytes = fs::read(source).unwrap();
    let times = times(&bytes);
    let folder = tempfile::tempdir().unwrap();
    let now = times[times.len() / 2] + 1;
    for kind in servers() {
        let is_asked = ["redis-8.0", "redis-8.6", "redis-8.10", "valkey-9.1"];
        if !is_asked.contains(&kind.name.as_str()) {
            continue;
        }
        let out = folder.path().join("out.rdb");
        let options = ConvertOptions {
            target: Some(target(&kind)),
            drop_expired_at_ms: Some(now),
            ..ConvertOptions::default()
        };
        converted(source, &out, &options);
        let server = Server::start_with_rdb(&kind, &fs::read(&out).unwrap(), &[]);
        let asked = DigestOptions {
            profile: name(&kind).parse().unwrap(),
            // What the server itself drops by now.
            drop_expired_at_ms: Some(now.max(now_ms())),
            walk: walk(),
            ..DigestOptions::default()
        };
        let opened = open(&Locator::Path(source.to_owned()), &OpenOptions::default()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(
            server.digest(),
            digest(opened, &asked, &Silent).unwrap().digest,
            "{}",
            kind.name
        );
    }
}

fn full_digest(path: &Path) -> String {
    let options = DigestOptions { full: true, walk: walk(), ..DigestOptions::default() };
    let source = open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap();
    digest(source, &options, &Silent).unwrap().digest
}

/// Loads the `dump.rdb` in the server's folder, for what is then wrong with its log.
fn reload(server: &Server) -> Result<(), String> {
    let before = server.log().len();
    let reply = server.cmd(&["DEBUG", "RELOAD", "NOSAVE"]);
    let log = server.log()[before..].to_owned();
    let usual = ["DB reloaded by", "Done loading RDB"];
    let is_warning =
        |line: &&str| line.contains(" # ") && !usual.iter().any(|words| line.contains(words));
    match (reply, log.lines().find(is_warning)) {
        (Value::Okay, None) => Ok(()),
        (reply, _) => Err(format!("{reply:?}\n{log}")),
    }
}

fn start(kind: &Kind) -> Server {
    let mut options = Vec::new();
    if kind.version.at_least(6, 2) {
        options.extend(["--sanitize-dump-payload", "yes"]);
    }
    Server::start(kind, &options)
}

#[test]
fn snapshots_load_where_they_are_for() {
    let sources = sources();
    let folder = tempfile::tempdir().unwrap();
    for kind in &servers() {
        let mut server = start(kind);
        let mut wrong = Vec::new();
        let (mut whole, mut part) = (0, 0);
        for source in sources.iter().filter(|source| suits(kind, source)) {
            let out = folder.path().join("dump.rdb");
            // Of a copy without a checksum they say what they say of the source.
            let (target, checksum) = (Some(target(kind)), true);
            let options = ConvertOptions { target, checksum, lossy: true, ..Default::default() };
            let report = converted(source, &out, &options);
            let lossless = report.losses.iter().all(|lost| !lost.grave);
            let bytes = fs::read(&out).unwrap();
            let loaded = if reloads(kind) {
                fs::write(server.dir().join("dump.rdb"), bytes).unwrap();
                reload(&server).map(|()| server.digest())
            } else {
                let loaded = Server::try_start(kind, Data::Rdb(&bytes), &[]);
                loaded.map(|server| server.digest())
            };
            let ours = server_digest(&out, kind, true);
            // Redis loads fields that have expired, and deletes them in the moments after.
            let mut loaded = loaded;
            for _ in 0..100 {
                if !reloads(kind) || !loaded.as_ref().is_ok_and(|theirs| *theirs != ours) {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
                loaded = Ok(server.digest());
            }
            let mut complain = |what: String| wrong.push(format!("{}: {what}", source.display()));
            match loaded {
                Err(log) => {
                    complain(log);
                    // It may be gone.
                    server = start(kind);
                    continue;
                }
                Ok(theirs) if theirs != ours => complain(format!("{theirs}, by us {ours}")),
                Ok(_) if lossless && ours != server_digest(source, kind, true) => {
                    complain("the digest changed".into());
                }
                Ok(_) => {}
            }
            if let Some(mut check) = kind.program("check-rdb") {
                let output = check.arg(&out).output().unwrap();
                if !output.status.success() {
                    complain(String::from_utf8_lossy(&output.stdout).into_owned());
                }
            }
            if lossless { whole += 1 } else { part += 1 }
        }
        say(format!("{}: {whole} files whole, {part} in part", kind.name));
        assert!(wrong.is_empty(), "{}:\n{}", kind.name, wrong.join("\n"));
    }
    drop(folder);
}

/// Commands of a log, for a client to send.
fn count_commands(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        bytes = Command::strict(bytes).unwrap().1;
        count += 1;
    }
    count
}

#[test]
fn commands_make_what_was_there() {
    let sources = sources();
    let folder = tempfile::tempdir().unwrap();
    for kind in &servers() {
        let mut server = start(kind);
        let mut wrong = Vec::new();
        // All else is in these, too.
        let telling = |source: &&PathBuf| {
            source.starts_with("fixtures") || source.to_string_lossy().contains("alltypes")
        };
        // A field whose time has come is gone at once, where no log is loaded.
        let lasts = |source: &&PathBuf| !source.to_string_lossy().contains("expired");
        for source in sources.iter().filter(telling).filter(lasts) {
            if !suits(kind, source) {
                continue;
            }
            if !reloads(kind) {
                server = start(kind);
            }
            let rdb = folder.path().join("whole.rdb");
            let log = folder.path().join("whole.aof");
            // What has expired would be gone at once, where no log is loaded.
            let options = ConvertOptions {
                target: Some(target(kind)),
                lossy: true,
                drop_expired_at_ms: Some(now_ms()),
                ..Default::default()
            };
            let report = converted(source, &rdb, &options);
            converted(source, &log, &ConvertOptions { form: OutputForm::Aof, ..options });
            let bytes = fs::read(&log).unwrap();
            server.cmd(&["FLUSHALL"]);
            if kind.version.at_least(7, 0) {
                server.cmd(&["FUNCTION", "FLUSH"]);
            }
            server.cmd(&["SELECT", "0"]);
            let replies = server.connect().raw(&bytes, count_commands(&bytes));
            let mut complain = |what: String| wrong.push(format!("{}: {what}", source.display()));
            if let Some(error) = replies.iter().find(|reply| matches!(reply, Value::ServerError(_)))
            {
                complain(format!("{error:?}"));
            }
            let (theirs, ours) = (server.digest(), server_digest(&rdb, kind, true));
            if theirs != ours {
                complain(format!("{theirs}, by us {ours}: {:?}", report.losses));
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", kind.name, wrong.join("\n"));
    }
}

/// What DEBUG DIGEST does not see: expiries, groups, functions.
fn unseen(server: &Server) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for db in 0..16 {
        server.cmd(&["SELECT", &db.to_string()]);
        let Value::Array(keys) = server.cmd(&["KEYS", "*"]) else { panic!("KEYS") };
        for key in keys {
            let key = support::client::bytes(key);
            let show = |reply: Value| format!("{reply:?}");
            let mut facts = show(server.cmd(&[b"PEXPIRETIME".as_slice(), &key]));
            if server.cmd(&[b"TYPE".as_slice(), &key]) == Value::SimpleString("stream".into()) {
                facts += &show(server.cmd(&[b"XINFO".as_slice(), b"STREAM", &key, b"FULL"]));
            }
            seen.insert(format!("{db} {}", key.escape_ascii()), facts);
        }
    }
    server.cmd(&["SELECT", "0"]);
    // Servers list them in the order of a table whose seed is random.
    if let Value::Array(libraries) = server.cmd(&["FUNCTION", "LIST", "WITHCODE"]) {
        let mut libraries: Vec<_> = libraries.iter().map(|code| format!("{code:?}")).collect();
        libraries.sort();
        seen.insert("functions".into(), libraries.join("\n"));
    }
    seen
}

/// Without the times of consumers, which no command can say.
fn without_times(facts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let forget = |text: &String| {
        let mut words = Vec::new();
        let mut skip = 0;
        for word in text.split(' ') {
            if word.contains("seen-time") || word.contains("active-time") {
                skip = 2;
            }
            if word.contains("iids") || word.contains("pids-tracked") || word.contains("radix") {
                skip = 2;
            }
            if skip > 0 {
                skip -= 1;
            } else {
                words.push(word);
            }
        }
        words.join(" ")
    };
    facts.iter().map(|(key, text)| (key.clone(), forget(text))).collect()
}

#[test]
fn what_a_digest_does_not_see_stays_too() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, file) in servers().iter().filter_map(|kind| {
        let file = match kind.name.as_str() {
            "redis-7.0" => "redis-7.0.15-alltypes.rdb",
            "redis-8.0" => "redis-8.0.6-alltypes.rdb",
            "redis-8.10" => "redis-8.10.2-alltypes.rdb",
            "valkey-9.1" => "valkey-9.1.2-alltypes.rdb",
            _ => return None,
        };
        Some((kind, Path::new("fixtures").join(file))).filter(|(_, file)| file.exists())
    }) {
        let original = unseen(&Server::start_with_rdb(kind, &fs::read(&file).unwrap(), &[]));
        let anew = folder.path().join("anew.rdb");
        let options = ConvertOptions {
            target: Some(target(kind)),
            compress: Some(false),
            ..Default::default()
        };
        let report = converted(&file, &anew, &options);
        assert!(report.losses.is_empty(), "{:?}", report.losses);
        assert_eq!(full_digest(&anew), full_digest(&file));
        let again = unseen(&Server::start_with_rdb(kind, &fs::read(&anew).unwrap(), &[]));
        check(kind, "anew", &original, &again);

        for form in [OutputForm::AofDirCommands, OutputForm::AofDir] {
            let log = folder.path().join(format!("log-{}-{form:?}", kind.name));
            let options = ConvertOptions { target: Some(target(kind)), form, ..Default::default() };
            converted(&file, &log, &options);
            let server = Server::start_with_aof_dir(kind, &log, &[]);
            let logged = unseen(&server);
            let what = format!("{form:?}");
            check(kind, &what, &without_times(&original), &without_times(&logged));
        }
    }
}

/// Redis 8.0 refuses what newer servers write of the nodes of a vector set.
#[test]
fn vector_sets_load_in_servers_that_are_older() {
    let Some(newest) = require("redis-8.10") else { return };
    let server = Server::start(&newest, &[]);
    let mut random = Random::new(10);
    let mut number = || (random.below(2000) as f64 / 1000.0 - 1.0).to_string();
    let kinds: [&[&str]; 3] = [&["NOQUANT"], &["BIN"], &["Q8", "SETATTR", "{\"a\":1}"]];
    for (n, quantised) in kinds.into_iter().enumerate() {
        for element in 0..150 {
            let mut words = vec!["VADD".to_owned(), format!("vectors:{n}")];
            if n == 2 {
                words.extend(["REDUCE".to_owned(), "3".to_owned()]);
            }
            words.extend(["VALUES".to_owned(), "4".to_owned()]);
            words.extend((0..4).map(|_| number()));
            words.push(format!("element:{element}"));
            words.extend(quantised.iter().map(|word| (*word).to_owned()));
            assert_eq!(server.cmd(&words), Value::Int(1), "{words:?}");
        }
    }
    let (digest, source) = (server.digest(), server.save());
    let near = ["VSIM", "vectors:2", "ELE", "element:7", "WITHSCORES", "COUNT", "5"];
    let nearest = server.cmd(&near);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("whole.aof");
    let rdb = folder.path().join("whole.rdb");
    let has_vector_sets = |kind: &&Kind| target(kind).vector_set_layout().is_some();
    for kind in servers().iter().filter(has_vector_sets) {
        let options = ConvertOptions { target: Some(target(kind)), ..Default::default() };
        let report = converted(&source, &rdb, &options);
        assert!(report.losses.is_empty(), "{}", kind.name);
        converted(&source, &log, &ConvertOptions { form: OutputForm::Aof, ..options });
        let (rdb, log) = (fs::read(&rdb).unwrap(), fs::read(&log).unwrap());
        for data in [Data::Rdb(&rdb), Data::AofFile(&log)] {
            let server = Server::start_with(kind, data, &["--sanitize-dump-payload", "yes"]);
            assert_eq!(server.digest(), digest, "{}", kind.name);
            assert_eq!(server.cmd(&near), nearest, "{}", kind.name);
        }
    }
}

/// A message that was deleted can still be pending, which no XCLAIM says to any server.
#[test]
fn what_is_pending_of_deleted_messages_stays_in_logs() {
    let source = Path::new("fixtures/redis-5.0.6-alltypes.rdb");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("whole.aof");
    for kind in servers().iter().filter(|kind| reloads(kind)) {
        let options = ConvertOptions {
            form: OutputForm::Aof,
            target: Some(target(kind)),
            ..Default::default()
        };
        converted(source, &log, &options);
        let pending = ["XPENDING", "stream:mixed", "grp-a", "-", "+", "100"];
        let many = |server: &Server| match server.cmd(&pending) {
            Value::Array(all) => all.len(),
            other => panic!("{other:?}"),
        };
        let original = Server::start_with_rdb(kind, &fs::read(source).unwrap(), &[]);
        let again = Server::start_with_aof_file(kind, &fs::read(&log).unwrap(), &[]);
        assert_eq!((many(&original), many(&again)), (7, 7), "{}", kind.name);
    }
}

#[track_caller]
fn check(
    kind: &Kind,
    what: &str,
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
) {
    let keys = left.keys().chain(right.keys()).filter(|key| left.get(*key) != right.get(*key));
    let differ: Vec<String> =
        keys.map(|key| format!("{key}\n  {:?}\n  {:?}", left.get(key), right.get(key))).collect();
    assert!(differ.is_empty(), "{} {what}:\n{}", kind.name, differ.join("\n"));
}

#[test]
fn nothing_changes_where_nothing_must() {
    let folder = tempfile::tempdir().unwrap();
    let mut same = 0;
    for source in sources() {
        let bytes = fs::read(&source).unwrap();
        if source.to_string_lossy().contains("third-party")
            || bytes.starts_with(b"REDIS000") && bytes[8] < b'6'
        {
            continue;
        }
        let out = folder.path().join("out.rdb");
        let report = converted(&source, &out, &ConvertOptions::default());
        assert!(report.losses.is_empty() && report.anew.is_empty(), "{}", source.display());
        let written = fs::read(&out).unwrap();
        assert!(written == bytes, "{}", source.display());
        same += 1;
    }
    assert!(same >= 10, "{same}");
}

/// Runs the program.
fn rdbkit(args: &[&str]) -> (Option<i32>, String, String) {
    let output = assert_cmd::Command::cargo_bin("rdbkit").unwrap().args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_refused_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    let to = out.to_str().unwrap();
    let source = "fixtures/redis-8.10.2-alltypes.rdb";

    let (exit, _, said) = rdbkit(&["convert", source, to, "--target", "redis:7.2"]);
    assert_eq!(exit, Some(2), "{said}");
    for words in
        ["field-expiry (4)", "array (4)", "db 0 \"hash:hfe:ht\"", "--lossy writes the rest"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());

    let lossy = ["convert", source, to, "--target", "redis:7.2", "--lossy", "--format", "json"];
    let (exit, report, said) = rdbkit(&lossy);
    assert_eq!((exit, said.as_str()), (Some(1), ""));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["schema"], "rdbkit.convert/1");
    assert_eq!(report["keys_read"], 126);
    assert_eq!(report["keys_written"], 122);
    let before = fs::read(&out).unwrap();

    let (exit, _, said) = rdbkit(&["convert", source, to]);
    assert_eq!(exit, Some(2));
    assert!(said.contains("--force replaces it"), "{said}");
    let (exit, _, said) = rdbkit(&["convert", to, to, "--force"]);
    assert_eq!(exit, Some(2));
    assert!(said.contains("is what is read"), "{said}");
    let (exit, _, said) = rdbkit(&["convert", "fixtures/broken/checksum.rdb", to, "--force"]);
    assert_eq!(exit, Some(1), "{said}");
    let new = folder.path().join("new");
    let args =
        ["convert", source, new.to_str().unwrap(), "--to", "aof-dir", "--target", "redis:6.2"];
    let (exit, _, said) = rdbkit(&args);
    assert_eq!(exit, Some(2));
    assert!(said.contains("came with Redis 7.0"), "{said}");
    assert_eq!(fs::read(&out).unwrap(), before);
}

/// A server drops the tail of a log that is cut, and steps over nothing it does not know; whoever
/// makes a file of such a log is told that the file is not all of it.
#[test]
fn what_is_missing_of_a_log_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = folder.path().join("unknown.aof");
    let log = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*1\r\n$6\r\nNOSUCH\r\n";
    fs::write(&unknown, log).unwrap();
    let out = folder.path().join("out");
    let to = out.to_str().unwrap();
    let verbs: [&[&str]; 6] = [
        &["convert"],
        &["export", "-o"],
        &["export", "--to", "resp", "-o"],
        &["merge", "-o"],
        &["anonymize", "-o"],
        &["split", "--by", "db", "-o"],
    ];
    for verb in verbs {
        let run = |more: &[&str]| {
            let (verb, options) = verb.split_first().unwrap();
            let source_first = [&[*verb], more, options, &[to]].concat();
            let done = rdbkit(&source_first);
            assert!(out.exists(), "{verb}: {}", done.2);
            let _ = fs::remove_file(&out).or_else(|_| fs::remove_dir_all(&out));
            done
        };
        let (exit, _, said) = run(&["fixtures/broken/trunc-in-multi.aof"]);
        assert_eq!(exit, Some(1), "{verb:?}: {said}");
        assert!(said.contains("from offset 114 on was dropped"), "{verb:?}: {said}");
        let (exit, _, said) = run(&[unknown.to_str().unwrap(), "--on-unknown", "skip"]);
        assert_eq!(exit, Some(0), "{verb:?}: {said}");
        assert!(said.contains("1 command is not known"), "{verb:?}: {said}");
        let (_, report, _) = run(&["fixtures/broken/trunc-in-multi.aof", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let ran = if verb[0] == "merge" { &report["sources"][0]["ran"] } else { &report["ran"] };
        assert_eq!(ran["dropped_from"][1], 114, "{verb:?}: {report}");
    }
}

/// A name that means standard output where a file is written is no directory by chance.
#[test]
fn no_directory_goes_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let snapshot = fixtures.join("redis-7.0.15-lru.rdb");
    let log = fixtures.join("redis-8.10.2-day-aofdir");
    let verbs: [(&[&str], &Path); 6] = [
        (&["convert", "--to", "aof-dir", "-"], &snapshot),
        (&["merge", "--to", "aof-dir", "-o", "-"], &snapshot),
        (&["split", "--by", "db", "-o", "-"], &snapshot),
        (&["compact", "-o", "-"], &log),
        (&["rewrite", "-o", "-"], &log),
        (&["repair", "-o", "-"], &log),
    ];
    for (args, source) in verbs {
        let mut command = assert_cmd::Command::cargo_bin("rdbkit").unwrap();
        command.current_dir(folder.path()).arg(args[0]).arg(source).args(&args[1..]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("standard output cannot be"), "{args:?}: {said}");
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "{args:?}");
    }
}

#[test]
fn threads_and_pipes_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new("fixtures/redis-8.10.2-alltypes.rdb");
    for (form, extra) in [("rdb", "--compress"), ("aof", "--quiet")] {
        let mut made = Vec::new();
        for threads in ["1", "3"] {
            let out = folder.path().join(format!("{form}-{threads}"));
            let to = out.to_str().unwrap();
            let from = source.to_str().unwrap();
            let args = ["convert", from, to, "--to", form, "--threads", threads, extra];
            let (exit, _, said) = rdbkit(&args);
            assert_eq!(exit, Some(0), "{said}");
            made.push(fs::read(out).unwrap());
        }
        let output = assert_cmd::Command::cargo_bin("rdbkit")
            .unwrap()
            .args(["convert", "-", "-", "--to", form, extra])
            .write_stdin(fs::read(source).unwrap())
            .output()
            .unwrap();
        made.push(output.stdout);
        assert!(made.iter().all(|bytes| *bytes == made[0]), "{form}");
    }
}

/// A log directory that is written over another one.
#[test]
fn a_directory_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("appendonlydir");
    let to = out.to_str().unwrap();
    let source = "fixtures/redis-7.0.15-alltypes.rdb";
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let (exit, _, said) = rdbkit(&["convert", source, to, "--to", "aof-dir"]);
    assert_eq!(exit, Some(0), "{said}");
    let first =
        ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"];
    assert_eq!(names(), first);
    let (exit, _, said) = rdbkit(&["convert", source, to, "--to", "aof-dir"]);
    assert_eq!(exit, Some(2), "{said}");
    let args = ["convert", source, to, "--to", "aof-dir", "--base", "aof", "--force"];
    let (exit, _, said) = rdbkit(&args);
    assert_eq!(exit, Some(0), "{said}");
    let second =
        ["appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"];
    assert_eq!(names(), second);
    let manifest = fs::read_to_string(out.join("appendonly.aof.manifest")).unwrap();
    let want = "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    assert_eq!(manifest, want);
    // And back.
    let (exit, _, _) = rdbkit(&["convert", source, to, "--to", "aof-dir", "--force"]);
    assert_eq!(exit, Some(0));
    let back = folder.path().join("back.rdb");
    let (exit, _, said) = rdbkit(&["convert", to, back.to_str().unwrap()]);
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(full_digest(&back), full_digest(Path::new(source)));
}

#[test]
fn a_log_is_run_as_the_server_runs_it_that_the_output_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (folder.path().join("log.aof"), folder.path().join("out.rdb"));
    let mut bytes = Vec::new();
    // Redis 6.2 keeps the sign, later ones do not.
    rdbkit::resp::encode::command(&mut bytes, ["ZADD", "z", "-0", "m"]);
    fs::write(&log, &bytes).unwrap();
    let mut seen = Vec::new();
    for server in ["redis:6.2", "redis:8.10"] {
        let target = Some(server.parse().unwrap());
        let options = ConvertOptions { target, force: true, ..Default::default() };
        converted(&log, &out, &options);
        let walk = WalkOptions { target, ..Default::default() };
        let options = DigestOptions { walk, ..Default::default() };
        let of = |path: &Path| {
            let source = open(&Locator::from(path.as_os_str()), &OpenOptions::default()).unwrap();
            digest(source, &options, &Silent).unwrap().digest
        };
        assert_eq!(of(&out), of(&log), "{server}");
        seen.push(of(&out));
    }
    assert_ne!(seen[0], seen[1]);
    let Some(kind) = support::servers::require("redis-6.2") else { return };
    let loaded = Server::start_with_aof_file(&kind, &bytes, &[]).digest();
    assert_eq!(seen[0].to_string(), loaded);
}
