//! Logs of real servers, compacted: the same keys in less space, for every server that there is.

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
use std::path::{Path, PathBuf};

use rdbkit::digest::Profile;
use rdbkit::ops::check::{CheckOptions, check_source};
use rdbkit::ops::compact::{CompactOptions, OutputForm, compact};
use rdbkit::ops::convert::{ConvertOptions, convert};
use rdbkit::ops::digest::{DigestOptions, digest};
use rdbkit::ops::filter::{Criteria, Filter};
use rdbkit::ops::keys::{KeysOptions, Sort, SortBy, keys};
use rdbkit::ops::replay::{ReplayOptions, replay};
use rdbkit::ops::run::RunOptions;
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::{Snapshot, Target};
use rdbkit::report::compact::CompactReport;
use rdbkit::report::keys::RowFormat;
use rdbkit::source::{Locator, OpenOptions, Source, open};
use rdbkit::value::Kind;
use support::corpus::corpus;
use support::say;
use support::servers::{Data, Flavour, Server, require, servers};
use support::twin::target;

fn source(path: &Path) -> Source {
    open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap()
}

fn digest_of(path: &Path, profile: &str, full: bool) -> String {
    let profile: Profile = profile.parse().unwrap();
    let options = DigestOptions { profile, full, ..DigestOptions::default() };
    digest(source(path), &options, &Silent).unwrap().digest
}

/// The digest of what a log leads to in this server.
fn digest_in(path: &Path, target: Target) -> String {
    let run = RunOptions { target: Some(target), ..RunOptions::default() };
    replay(source(path), &ReplayOptions { run, ..ReplayOptions::default() }, &Silent)
        .unwrap()
        .0
        .digest
}

fn compacted(from: &Path, to: &Path, options: CompactOptions) -> CompactReport {
    let options = CompactOptions { threads: 2, ..options };
    compact(source(from), to, &options, &Silent).unwrap()
}

fn size(path: &Path) -> u64 {
    if path.is_dir() {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    } else {
        path.metadata().unwrap().len()
    }
}

#[track_caller]
fn is_sound(path: &Path) {
    let report = check_source(source(path), &CheckOptions::default(), &Silent).unwrap();
    assert!(report.is_sound(), "{}: {report:?}", path.display());
}

/// Every log that servers wrote for the corpus, with what its server said of it.
fn logs() -> Vec<(PathBuf, String)> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut logs = Vec::new();
    for entry in fs::read_dir(corpus.path("gen")).unwrap() {
        let facts = entry.unwrap().path();
        let Some(name) = facts.file_name().unwrap().to_str().unwrap().strip_suffix("-facts.json")
        else {
            continue;
        };
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&facts).unwrap()).unwrap();
        // Of the oldest servers it is not known.
        let Some(files) = json["files"].as_object() else { continue };
        for (file, about) in files {
            let is_log = file.ends_with(".aof") || file.contains("aofdir");
            if let Some(digest) = about["reload_digest"].as_str()
                && is_log
                && about["same_as_truth"] == true
            {
                logs.push((corpus.path("gen").join(file), format!("{name} {digest}")));
            }
        }
    }
    logs.sort();
    logs
}

/// Whose digest a name such as `redis-7.0.15` asks for.
fn profile_of(name: &str) -> String {
    let (server, version) = name.split_once('-').unwrap();
    let mut numbers = version.split('.');
    format!("{server}:{}.{}", numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn what_is_compacted_has_the_digest_of_the_server_and_comes_out_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for (log, about) in logs() {
        let (name, theirs) = about.split_once(' ').unwrap();
        let profile = profile_of(name);
        assert_eq!(digest_in(&log, profile.parse().unwrap()), theirs, "{}", log.display());
        let (once, twice) = (folder.path().join("once"), folder.path().join("twice"));
        let report =
            compacted(&log, &once, CompactOptions { force: true, ..CompactOptions::default() });
        assert!(report.proved, "{name}");
        is_sound(&once);
        // A score of -0 is 0 to the newest servers, for which this is written.
        let (before, after) = (digest_of(&log, "redis", false), digest_of(&once, "redis", false));
        assert_eq!(after, before, "{}", log.display());
        compacted(&once, &twice, CompactOptions { force: true, ..CompactOptions::default() });
        assert_eq!(size(&once), size(&twice), "{}", log.display());
        for path in [&once, &twice] {
            let _ = fs::remove_dir_all(path);
            let _ = fs::remove_file(path);
        }
        seen += 1;
    }
    say(format_args!("logs compacted: {seen}"));
}

#[test]
fn servers_load_what_is_compacted_for_them() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    for kind in servers() {
        let version = kind.version;
        if version.flavour == Flavour::Redict || (version.major, version.minor) < (6, 2) {
            continue;
        }
        let log = if version.major >= 7 {
            "gen/redis-7.0.15-alltypes-aofdir"
        } else {
            "gen/redis-6.2.14-alltypes.aof"
        };
        let form = if version.major >= 7 { OutputForm::AofDir } else { OutputForm::AofPreamble };
        for form in [form, OutputForm::Aof] {
            let out = folder.path().join(format!("{}-{form:?}", kind.name));
            let target: Target = target(&kind);
            let options = CompactOptions {
                form: Some(form),
                target: Some(target),
                ..CompactOptions::default()
            };
            compacted(&corpus.path(log), &out, options);
            let bytes;
            let data = match form {
                OutputForm::AofDir => Data::AofDir(&out),
                _ => {
                    bytes = fs::read(&out).unwrap();
                    Data::AofFile(&bytes)
                }
            };
            let options = ["--appendonly", "yes", "--sanitize-dump-payload", "yes"];
            let server = Server::start_with(&kind, data, &options);
            assert_eq!(digest_in(&out, target), server.digest(), "{} {form:?}", kind.name);
            let log = server.log();
            let complains = |line: &&str| {
                line.contains(" # ")
                    && !line.contains("overcommit")
                    && !line.contains("Done loading")
            };
            let warnings: Vec<&str> = log
                .lines()
                .filter(complains)
                .filter(|line| {
                    line.contains("AOF") || line.contains("rror") || line.contains("RDB")
                })
                .collect();
            assert!(warnings.is_empty(), "{} {form:?}: {warnings:#?}", kind.name);
        }
    }
}

#[test]
fn a_log_that_grows_is_read_and_not_replaced() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &["--appendonly", "yes", "--appendfsync", "always"]);
    for n in 0..200 {
        server.cmd(&["SET", "counter", &n.to_string()]);
    }
    let folder = server.dir().join("appendonlydir");
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().join("out");
    let report = compacted(&folder, &out, CompactOptions::default());
    assert_eq!((report.keys, report.grown_bytes), (1, 0));
    assert!(report.written_bytes < report.read_bytes);
    // A command that is being written is left out, and said to be.
    let part = folder.join("appendonly.aof.1.incr.aof");
    let mut bytes = fs::read(&part).unwrap();
    bytes.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$1\r\n");
    drop(server);
    let copy = outside.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("log.aof"), &bytes).unwrap();
    let out = outside.path().join("again");
    let cut = compacted(&copy.join("log.aof"), &out, CompactOptions::default());
    assert_eq!(cut.dropped_from.map(|(_, at)| at), Some(bytes.len() as u64 - 17));
}

#[test]
fn a_directory_is_compacted_in_place_and_a_backup_stays() {
    let Some(kind) = require("redis-8.0") else { return };
    let server = Server::start(&kind, &["--appendonly", "yes"]);
    for n in 0..500 {
        server.cmd(&["RPUSH", "list", &n.to_string()]);
        server.cmd(&["LTRIM", "list", "-10", "-1"]);
    }
    let digest = server.digest();
    let options = || CompactOptions { in_place: true, ..CompactOptions::default() };
    // The server has nothing to write just now, and would go on with files that are replaced.
    let open = server.dir().join("appendonlydir");
    let refused = compact(source(&open), &open, &options(), &Silent).unwrap_err().to_string();
    if cfg!(target_os = "linux") {
        assert!(refused.contains("is open for writing by "), "{refused}");
    }
    let kept = server.shutdown();
    let folder = support::servers::data_dir(&kept).join("appendonlydir");
    let before = size(&folder);
    let options = options();
    let report = compacted(&folder, &folder, options);
    assert!(report.backup.is_some_and(|backup| Path::new(&backup).is_dir()));
    assert!(size(&folder) < before / 10);
    let again = Server::start_with(&kind, Data::AofDir(&folder), &["--appendonly", "yes"]);
    assert_eq!(again.digest(), digest);
}

/// What takes the place of the source may be larger than that; nobody wrote to it.
#[test]
fn what_replaces_a_source_is_not_taken_for_growth() {
    let folder = tempfile::tempdir().unwrap();
    let target: Target = "redis:7.0".parse().unwrap();
    let options =
        || CompactOptions { in_place: true, target: Some(target), ..CompactOptions::default() };
    let bytes = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n";
    let file = folder.path().join("s.aof");
    fs::write(&file, bytes).unwrap();
    let report = compacted(&file, &file, options());
    assert!(size(&file) > bytes.len() as u64);
    assert_eq!(report.grown_bytes, 0);
    // A manifest has another size afterwards, too.
    let log = folder.path().join("log");
    fs::create_dir(&log).unwrap();
    fs::write(log.join("i"), bytes).unwrap();
    fs::write(log.join("appendonly.aof.manifest"), "file i seq 1 type i\n").unwrap();
    let report = compacted(&log, &log, options());
    assert!(report.backup.is_some());
    assert_eq!(report.grown_bytes, 0);
}

#[test]
fn snapshots_go_through_a_log_of_commands_and_come_back() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut seen, mut other) = (0, Vec::new());
    for file in corpus.third_party() {
        let empty = file.in_file.as_ref().is_none_or(|scan| scan.keys == 0);
        // A log of no commands is a file of no bytes, which tells nobody what it is.
        if empty || file.validity != "valid" || file.truth.is_none() || file.kind != "rdb" {
            continue;
        }
        let from = corpus.path(&file.file);
        let (aof, rdb) = (folder.path().join("log.aof"), folder.path().join("again.rdb"));
        let options =
            ConvertOptions { form: OutputForm::Aof, force: true, ..ConvertOptions::default() };
        let newest = Some(Target::default());
        let options = ConvertOptions { target: newest, lossy: true, ..options };
        convert(source(&from), &aof, &options, &Silent).unwrap();
        let back = ConvertOptions { form: OutputForm::Rdb, ..options };
        if let Err(error) = convert(source(&aof), &rdb, &back, &Silent) {
            other.push(format!("{}: {error}", file.file));
            continue;
        }
        let (one, two) =
            (digest_of(&from, "redis:8.10", false), digest_of(&rdb, "redis:8.10", false));
        if one != two {
            other.push(format!("{}: {one} {two}", file.file));
        }
        seen += 1;
    }
    say(format_args!("snapshots that came back: {seen}"));
    assert!(other.is_empty(), "{other:#?}");
}

/// What a base says of keys besides their values stays with those that the log leaves alone.
#[test]
fn what_is_remembered_of_untouched_keys_stays() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new("fixtures");
    let log = |name: &str, commands: &[u8]| {
        let path = folder.path().join(format!("{name}.aof"));
        let mut bytes = fs::read(fixtures.join(format!("{name}.rdb"))).unwrap();
        bytes.extend_from_slice(commands);
        fs::write(&path, bytes).unwrap();
        path
    };
    let options = || CompactOptions { form: Some(OutputForm::Rdb), ..CompactOptions::default() };
    let rows = |path: &Path| {
        let mut out = Vec::new();
        let sort = Some(Sort { by: SortBy::Key, descending: false });
        let asked = KeysOptions { sort, format: RowFormat::Csv, ..KeysOptions::default() };
        keys(source(path), &asked, &mut out, &Silent).unwrap();
        String::from_utf8(out).unwrap().replace("\r\n", "\n")
    };

    // Idle times and frequencies, as the file has them.
    for name in ["redis-7.0.15-lru", "redis-7.0.15-lfu"] {
        let path = log(name, b"*3\r\n$3\r\nSET\r\n$3\r\nnew\r\n$1\r\n1\r\n");
        let out = folder.path().join(format!("{name}-compacted.rdb"));
        compacted(&path, &out, options());
        let before = rows(&fixtures.join(format!("{name}.rdb")));
        let after = rows(&out);
        let (new, old): (Vec<_>, Vec<_>) = after.lines().partition(|row| row.starts_with("0,new,"));
        assert_eq!(old.join("\n"), before.trim_end(), "{name}");
        assert_eq!(new.len(), 1);
    }

    // Metadata and data of modules: all of it, where the log leaves the keys alone.
    let modules = fixtures.join("redis-8.10.2-modules.rdb");
    let path = log("redis-8.10.2-modules", b"*1\r\n$4\r\nPING\r\n");
    let out = folder.path().join("modules.rdb");
    let report = compacted(&path, &out, options());
    assert!(report.losses.is_empty(), "{:?}", report.losses);
    assert_eq!(digest_of(&out, "redis:8.10", true), digest_of(&modules, "redis:8.10", true));

    // A key with metadata that a command has changed ends it, unless that is allowed.
    let append = b"*3\r\n$6\r\nAPPEND\r\n$8\r\nmeta:one\r\n$1\r\nx\r\n";
    let path = log("redis-8.10.2-modules", append);
    let refused = compact(source(&path), &folder.path().join("no.rdb"), &options(), &Silent);
    let sentence = refused.unwrap_err().to_string();
    assert!(
        sentence.contains("changed-key-metadata (1)") && sentence.contains("meta:one"),
        "{sentence}"
    );
    assert!(!folder.path().join("no.rdb").exists());
    let report = compacted(&path, &out, CompactOptions { lossy: true, force: true, ..options() });
    assert_eq!(
        report.losses.iter().map(|lost| (lost.code, lost.count)).collect::<Vec<_>>(),
        [("changed-key-metadata", 1)]
    );
    // What filters leave out has lost nothing.
    for kinds in [vec![Kind::String], vec![Kind::Hash, Kind::Module]] {
        let is_asked = kinds.contains(&Kind::String);
        let only = Criteria { kinds, ..Criteria::default() };
        let filter = Filter::new(&only, &Criteria::default(), 0).unwrap();
        let chosen = CompactOptions { filter, force: true, ..options() };
        let done = compact(source(&path), &out, &chosen, &Silent);
        assert_eq!(done.is_err(), is_asked, "{done:?}");
    }
}

/// A directory of a log: a base, and commands behind it.
fn directory(folder: &Path, base: &[u8], log: &[u8]) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("log.aof.1.base.rdb"), base).unwrap();
    fs::write(folder.join("log.aof.1.incr.aof"), log).unwrap();
    let parts = "file log.aof.1.base.rdb seq 1 type b\nfile log.aof.1.incr.aof seq 1 type i\n";
    fs::write(folder.join("log.aof.manifest"), parts).unwrap();
}

fn command(log: &mut Vec<u8>, words: &[&[u8]]) {
    log.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        log.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        log.extend_from_slice(word);
        log.extend_from_slice(b"\r\n");
    }
}

/// Snapshots of all kinds: those of this repository, and those of the corpus, where it is there.
fn snapshots() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("fixtures")];
    folders.extend(corpus().map(|corpus| corpus.path("gen")));
    for folder in folders {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.extend(files.filter(|path| path.extension().is_some_and(|ext| ext == "rdb")));
    }
    found.sort();
    found
}

/// Where a log names few keys, the others are copied as they lie in the base: the outcome is that
/// of a conversion, which loads them all.
#[test]
fn what_no_command_names_comes_out_as_if_it_had_been_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (from, full) = (folder.path().join("log"), folder.path().join("full.rdb"));
    let outs: Vec<PathBuf> = (1..4).map(|n| folder.path().join(format!("{n}.rdb"))).collect();
    let (mut seen, mut bytewise) = (0, 0);
    for path in snapshots() {
        let base = fs::read(&path).unwrap();
        let Ok(snapshot) = Snapshot::new(&base) else { continue };
        let entries: Vec<_> = snapshot.entries().map_while(Result::ok).collect();
        let mut log = Vec::new();
        for (n, entry) in entries.iter().enumerate() {
            let key = entry.key_bytes().unwrap();
            command(&mut log, &[b"SELECT", entry.db.to_string().as_bytes()]);
            match n % 7 {
                1 => command(&mut log, &[b"DEL", &key]),
                2 => command(&mut log, &[b"PEXPIREAT", &key, b"4102444800000"]),
                3 => command(&mut log, &[b"RENAME", &key, b"renamed"]),
                _ => {}
            }
        }
        command(&mut log, &[b"SET", b"new", b"value"]);
        // Of a snapshot that is not far larger than that, all is loaded.
        let mut wide = base.clone();
        let pad = 5 * log.len();
        let aux = [b"\xfa\x03pad\x80".as_slice(), &(pad as u32).to_be_bytes(), &vec![b'.'; pad]];
        wide.splice(9..9, aux.concat());
        let end = wide.len() - if snapshot.header().has_checksum() { 8 } else { 0 };
        wide[end..].fill(0);
        directory(&from, &wide, &log);

        let to = ConvertOptions { force: true, list: 3, ..ConvertOptions::default() };
        let converted = convert(source(&from), &full, &to, &Silent);
        for (out, threads) in outs.iter().zip([1, 2]) {
            let options = CompactOptions {
                form: Some(OutputForm::Rdb),
                threads,
                digest: threads == 1,
                force: true,
                ..CompactOptions::default()
            };
            let report = compact(source(&from), out, &options, &Silent);
            let Ok(converted) = &converted else {
                assert!(report.is_err(), "{}", path.display());
                continue;
            };
            let report = report.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.display();
            let want = digest_of(&full, "redis", true);
            assert_eq!(digest_of(out, "redis", true), want, "{name}");
            assert!(report.proved && report.copied_keys <= report.keys, "{name}");
            assert_eq!(report.digest, options.digest.then_some(want), "{name}");
            bytewise += usize::from(report.copied_keys > 0);
            assert_eq!(report.keys, converted.keys_written, "{}", path.display());
            seen += 1;
        }
        if converted.is_ok() {
            assert_eq!(fs::read(&outs[0]).unwrap(), fs::read(&outs[1]).unwrap());
            is_sound(&outs[0]);
            compacted(
                &outs[0],
                &outs[2],
                CompactOptions { form: Some(OutputForm::Rdb), force: true, ..Default::default() },
            );
            assert_eq!(size(&outs[0]), size(&outs[2]), "{}", path.display());
        }
    }
    assert!(seen > 30 && bytewise > 20, "{seen}, {bytewise} of them byte by byte");
}

#[test]
fn a_broken_value_that_no_command_names_is_found_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let (from, out) = (folder.path().join("log"), folder.path().join("out.rdb"));
    // A set of integers that says that it has more of them than there are.
    let mut base = b"REDIS0011\xfe\x00".to_vec();
    for n in 0..50 {
        base.extend_from_slice(format!("\x00\x05key{n:02}\x05value").as_bytes());
    }
    let at = base.len() + 6;
    base.extend_from_slice(b"\x0b\x03set\x0a\x02\0\0\0\x09\0\0\0\x01\0\xff\0\0\0\0\0\0\0\0");
    let mut log = Vec::new();
    command(&mut log, &[b"DEL", b"key00"]);
    directory(&from, &base, &log);
    let options = CompactOptions { form: Some(OutputForm::Rdb), ..CompactOptions::default() };
    let words = compact(source(&from), &out, &options, &Silent).unwrap_err().to_string();
    assert!(words.contains("set") && words.contains(&format!("offset {at}")), "{at}: {words}");
    assert!(!out.exists());
}

/// A file without a byte is refused by us and by the check tools of servers.
#[test]
fn a_log_of_nothing_goes_round() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut log = Vec::new();
    command(&mut log, &[b"SET", b"key", b"value"]);
    command(&mut log, &[b"FLUSHALL"]);
    fs::write(at("log.aof"), log).unwrap();
    let commands = || CompactOptions { form: Some(OutputForm::Aof), ..CompactOptions::default() };
    compacted(&at("log.aof"), &at("once.aof"), commands());
    compacted(&at("once.aof"), &at("twice.aof"), commands());
    let rdb = ConvertOptions { form: OutputForm::Rdb, ..ConvertOptions::default() };
    convert(source(&at("twice.aof")), &at("dump.rdb"), &rdb, &Silent).unwrap();
    let aof = ConvertOptions { form: OutputForm::Aof, ..ConvertOptions::default() };
    convert(source(&at("dump.rdb")), &at("again.aof"), &aof, &Silent).unwrap();
    let nothing = fs::read(at("once.aof")).unwrap();
    assert_eq!(fs::read(at("twice.aof")).unwrap(), nothing);
    assert_eq!(fs::read(at("again.aof")).unwrap(), nothing);
    is_sound(&at("again.aof"));
    let parts = CompactOptions { form: Some(OutputForm::AofDirCommands), ..commands() };
    compacted(&at("once.aof"), &at("parts"), parts);
    is_sound(&at("parts"));
    for kind in servers() {
        let server = Server::start_with_aof_file(&kind, &nothing, &[]);
        assert_eq!(server.digest(), "0".repeat(40), "{}", kind.name);
        if kind.version.at_least(7, 0) {
            let server = Server::start_with_aof_dir(&kind, &at("parts"), &[]);
            assert_eq!(server.digest(), "0".repeat(40), "{}", kind.name);
        }
        if let Some(mut tool) = kind.program("check-aof") {
            let said = tool.arg(at("again.aof")).output().unwrap();
            assert!(said.status.success(), "{}: {said:?}", kind.name);
        }
    }
}

/// Commands as words with spaces between.
fn log_of(path: &Path, commands: &[&str]) {
    let mut log = Vec::new();
    for one in commands {
        command(&mut log, &one.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    }
    fs::write(path, log).unwrap();
}

const TARGETS: [&str; 13] = [
    "redis:3.2",
    "redis:4.0",
    "redis:5.0",
    "redis:6.0",
    "redis:6.2",
    "redis:7.0",
    "redis:7.2",
    "redis:7.4",
    "redis:8.6",
    "redis:8.10",
    "valkey:8.1",
    "valkey:9.1",
    "redict",
];

/// What a group has read, and what was ever added, servers up to 6.2 do not keep.
#[test]
fn streams_with_groups_are_proved_for_servers_that_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let (from, out) = (folder.path().join("log.aof"), folder.path().join("out"));
    let claim = "XCLAIM x g c 0 1-1 TIME 1000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1";
    let (one, two, group) = ("XADD x 1-1 a b", "XADD x 2-1 a b", "XGROUP CREATE x g 0");
    for commands in [
        vec![one],
        vec![one, two, group],
        vec![one, two, "XDEL x 1-1"],
        vec![one, two, "XDEL x 2-1", group],
        vec![one, two, group, "XDEL x 1-1"],
        vec![one, group, "XGROUP SETID x g 1-1"],
        vec![one, group, claim],
        vec![one, two, group, claim, "XDEL x 1-1"],
        vec!["XGROUP CREATE x g $ MKSTREAM"],
        vec!["XGROUP CREATE x g $ MKSTREAM", "XADD x 5-1 a b"],
    ] {
        log_of(&from, &commands);
        for name in TARGETS.iter().filter(|name| !matches!(**name, "redis:3.2" | "redis:4.0")) {
            let target: Target = name.parse().unwrap();
            for digest in [false, true] {
                let options = CompactOptions {
                    target: Some(target),
                    force: true,
                    digest,
                    ..CompactOptions::default()
                };
                let report = compact(source(&from), &out, &options, &Silent);
                let report = report.unwrap_or_else(|error| panic!("{name} {commands:?}: {error}"));
                assert!(report.proved, "{name} {commands:?}");
                if digest && report.losses.is_empty() {
                    assert_eq!(report.digest, Some(digest_of(&out, "redis", true)), "{name}");
                }
            }
        }
    }
}

/// Fields that expire, arrays, and all else that only some servers have: what is lossy is proved
/// as well, of what the server can hold.
#[test]
fn what_is_left_for_a_server_that_cannot_hold_all_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let (from, out) = (folder.path().join("log.aof"), folder.path().join("out"));
    let far = format!("HSETEX far PXAT {} FIELDS 1 f v", 1_u64 << 49);
    for (by, commands) in [
        ("redis:8.10", vec!["HSET h a 1 b 2", "HPEXPIREAT h 4102444800000 FIELDS 1 a"]),
        ("redis:8.10", vec!["ARSET array 3 x", "XADD x 1-1 a b", "XGROUP CREATE x g 0"]),
        ("valkey:9.1", vec!["HSETEX h PXAT 4102444800000 FIELDS 1 a 1", &far]),
    ] {
        let commands = [commands, vec!["SET s 1", "ZADD z 1.5 a"]].concat();
        log_of(&from, &commands);
        // What ran the log is known from the snapshot in front.
        let base = folder.path().join("base");
        let by: Target = by.parse().unwrap();
        let options = CompactOptions { target: Some(by), force: true, ..CompactOptions::default() };
        compacted(&from, &base, options);
        for name in TARGETS {
            let target: Target = name.parse().unwrap();
            for form in [OutputForm::Rdb, OutputForm::Aof] {
                let options = CompactOptions {
                    form: Some(form),
                    target: Some(target),
                    lossy: true,
                    force: true,
                    ..CompactOptions::default()
                };
                let report = compact(source(&base), &out, &options, &Silent);
                let report =
                    report.unwrap_or_else(|error| panic!("{name} {form:?} {commands:?}: {error}"));
                assert!(report.proved && report.keys >= 2, "{name} {form:?} {commands:?}");
            }
        }
    }
}

/// What has expired is left out of what is compared, so the rest is proved.
#[test]
fn what_has_not_expired_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let (from, out) = (folder.path().join("log.aof"), folder.path().join("out"));
    log_of(
        &from,
        &[
            "SET gone 1 PXAT 2000",
            "SET stays 1 PXAT 9000",
            "RPUSH list 1 2",
            "HSET h gone 1 stays 2 lives 3",
            "HPEXPIREAT h 2000 FIELDS 1 gone",
            "HPEXPIREAT h 9000 FIELDS 1 stays",
            "HSET emptied f 1",
            "HPEXPIREAT emptied 2000 FIELDS 1 f",
        ],
    );
    for form in [OutputForm::Rdb, OutputForm::Aof, OutputForm::AofDir] {
        for (digest, name) in [(false, "redis"), (true, "redis"), (false, "redis:7.0")] {
            let _ = fs::remove_dir_all(&out);
            let options = CompactOptions {
                form: Some(form),
                target: Some(name.parse().unwrap()),
                lossy: name == "redis:7.0",
                drop_expired_at_ms: Some(5000),
                now_ms: 1000,
                digest,
                force: true,
                ..CompactOptions::default()
            };
            let report = compacted(&from, &out, options);
            assert!(report.proved, "{form:?} {name}");
            assert_eq!(report.keys, 3, "{form:?} {name}");
            let _ = fs::remove_file(&out);
        }
    }
}
