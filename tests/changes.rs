//! What changed, between two sources and within a log: `diff`, `history` and `watch`, against what
//! real servers were told to do.
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
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use rdbkit::aof::LogItem;
use rdbkit::aof::log::{Quirks, item};
use rdbkit::bytes::quoted;
use rdbkit::resp::command_keys;
use serde_json::Value as Json;
use support::fill;
use support::servers::{Server, require_any, servers};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn fixtures() -> PathBuf {
    Path::new(ROOT).join("fixtures")
}

fn rdbkit(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(fixtures()).env("COLUMNS", "100").args(args).output().unwrap()
}

/// What a call prints, which must end with this status.
#[track_caller]
fn says(status: i32, args: &[&str]) -> String {
    let output = rdbkit(args);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// The JSON lines that a call prints.
#[track_caller]
fn lines(status: i32, args: &[&str]) -> Vec<Json> {
    let text = says(status, &[args, &["--format=json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Each key that differs and how: `+key`, `-key`, `~key value expiry: parts`.
#[track_caller]
fn differences(before: &str, after: &str, options: &[&str]) -> Vec<String> {
    let output = rdbkit(&[&["diff", before, after, "--format=json"], options].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut told: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = told.pop().expect("a summary");
    assert_eq!(summary["record"], "summary");
    assert_eq!(output.status.code(), Some(i32::from(summary["same"] != true)));
    let counts = &summary["keys"];
    let of = |change: &str| told.iter().filter(|key| key["change"] == change).count() as u64;
    assert_eq!(
        [&counts["added"], &counts["removed"], &counts["changed"]],
        [of("added"), of("removed"), of("changed")]
    );
    told.iter()
        .map(|key| {
            let name = match key["db"].as_u64() {
                Some(0) => key["key"].as_str().unwrap().to_owned(),
                db => format!("{}@{}", key["key"].as_str().unwrap(), db.unwrap()),
            };
            match key["change"].as_str().unwrap() {
                "added" => format!("+{name}"),
                "removed" => format!("-{name}"),
                _ => {
                    let list = |field: &str| key[field].as_array().unwrap().clone();
                    let differs: Vec<_> =
                        list("differs").iter().map(|d| d.as_str().unwrap().to_owned()).collect();
                    let parts: Vec<_> = list("parts").iter().map(part).collect();
                    format!("~{name} {}: {}", differs.join(" "), parts.join(" "))
                }
            }
        })
        .collect()
}

/// `+field:plan`, `~member:ann`, `-element:3`.
fn part(part: &Json) -> String {
    let sign = match (&part["before"], &part["after"]) {
        (Json::Null, _) => '+',
        (_, Json::Null) => '-',
        _ => '~',
    };
    let name = ["name", "id", "index"].iter().map(|name| &part[name]).find(|name| !name.is_null());
    let name = match name {
        Some(Json::String(text)) => format!(":{text}"),
        Some(other) => format!(":{other}"),
        None => String::new(),
    };
    format!("{sign}{}{name}", part["what"].as_str().unwrap())
}

#[test]
fn a_source_does_not_differ_from_itself() {
    let mut seen = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_dump = name.ends_with(".rdb");
        if (!is_dump && !name.contains("aofdir")) || name.contains("huge-index") {
            continue;
        }
        seen += 1;
        let text = says(0, &["diff", &name, &name]);
        assert!(text.starts_with(&format!("same {name} → {name}: ")), "{name}: {text}");
        if is_dump {
            // Through a pipe, and with every key in a sorted file of its own.
            let mut piped = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
            piped.args(["diff", "-", &name, "--memory=0", "--summary"]).current_dir(fixtures());
            piped.pipe_stdin(&path).unwrap();
            piped.assert().code(0);
        }
    }
    assert!(seen > 20, "only {seen} sources");
}

#[test]
fn a_log_made_of_a_dump_does_not_differ_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let dumps =
        ["redis-8.10.2-alltypes.rdb", "valkey-9.1.2-alltypes.rdb", "redis-8.10.2-array.rdb"];
    for (index, dump) in dumps.iter().enumerate() {
        let log = folder.path().join(format!("{index}.aof"));
        let log = log.to_str().unwrap();
        says(0, &["convert", dump, log, "--to=aof"]);
        assert_eq!(differences(dump, log, &[]), [""; 0], "{dump}");
        assert_eq!(differences(log, dump, &["--memory=1"]), [""; 0], "{dump}");
    }
}

#[test]
fn the_list_of_changes_is_what_a_server_was_told() {
    let (before, after) = ("redis-8.10.2-day-before.rdb", "redis-8.10.2-day-after.rdb");
    let want = [
        "~board:week value: ~member:bo",
        "-config:theme",
        "~counter:visits value: ~value",
        "+numbers:n",
        "~orders value: +entry:1764400000000-2 ~group:billing +consumer:anna \
         +pending:1764400000000-1 ~info:entries ever added ~info:last id",
        "~queue:mail value: -element:0 +element:2",
        "~session:ab12 expiry: ",
        "+session:cd34",
        "~tags:7 value: -member:blue +member:green",
        "~user:1000 value: -field:mail +field:phone ~field:plan",
        "-user:1001",
    ];
    assert_eq!(differences(before, after, &[]), want);
    for options in [&["--memory=0"][..], &["--threads=1"], &["--no-mmap"]] {
        assert_eq!(differences(before, after, options), want, "{options:?}");
    }
    // The log says the same, run over the base from which it began.
    let log = "redis-8.10.2-day-aofdir";
    assert_eq!(differences(before, log, &["--prefix=user:", "--prefix=tags:"]), want[8..]);
    assert_eq!(differences(after, log, &[]), [""; 0]);
    let without: Vec<_> = want.iter().copied().filter(|told| !told.contains("expiry")).collect();
    assert_eq!(differences(before, after, &["--ignore-ttl"]), without);
    let backwards = differences(after, before, &["--type=hash,string", "--not-prefix=user:"]);
    let want = ["+config:theme", "~counter:visits value: ~value", "-numbers:n"];
    assert_eq!(backwards[..3], want);
}

#[test]
fn encodings_are_told_apart_from_values() {
    let pair = ("redis-7.0.15-alltypes.rdb", "redis-8.10.2-alltypes.rdb");
    let only_encoding = |told: &&String| told.contains(" encoding: ");
    let all = differences(pair.0, pair.1, &["--prefix=set:"]);
    assert!(all.iter().any(|told| told == "~set:small encoding: "), "{all:?}");
    assert_eq!(all.iter().filter(only_encoding).count(), all.len());
    assert_eq!(differences(pair.0, pair.1, &["--prefix=set:", "--ignore-encoding"]), [""; 0]);
}

#[test]
fn what_cannot_be_compared_is_a_failure_not_a_difference() {
    let dump = "redis-8.10.2-day-after.rdb";
    for args in [
        &["diff", dump, "no-such-file"][..],
        &["diff", "-", "-"],
        &["diff", dump, "broken/cut-in-a-value.rdb"],
        &["diff", "broken/cut-in-a-value.rdb", dump],
    ] {
        says(2, args);
    }
}

/// A server of each line changes every type it has, and the list is what it was told to do.
#[test]
fn every_type_of_every_server_changes_as_told() {
    for kind in servers() {
        let server = Server::start(&kind, &[]);
        fill::with_every_type(&server);
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str| {
            let to = folder.path().join(name);
            fs::copy(server.save(), &to).unwrap();
            to.to_str().unwrap().to_owned()
        };
        let commands = [
            "SET d:string 1",
            "RPUSH d:list a b c d",
            "SADD d:set 1 2 3",
            "ZADD d:zset 1 a 2 b 3 c",
            "HSET d:hash f 1 g 2",
            "XADD d:stream 1-1 f v",
            "XADD d:stream 2-1 f v",
            "XGROUP CREATE d:stream grp 1-1",
            "SET d:gone 1",
            "SET d:kind 1",
        ];
        fill::run(&server, &commands.join("\n"));
        let before = save("before.rdb");
        let commands = [
            "APPEND d:string 2",
            "LSET d:list 1 B",
            "LPUSH d:list z",
            "SREM d:set 2",
            "SADD d:set x",
            "ZINCRBY d:zset 5 b",
            "ZREM d:zset c",
            "HSET d:hash f 3 h 4",
            "HDEL d:hash g",
            "XDEL d:stream 1-1",
            "XADD d:stream 3-1 f v",
            "XGROUP CREATE d:stream new 0",
            "DEL d:gone d:kind",
            "RPUSH d:kind 1",
            "SET d:new 1",
            "PEXPIREAT d:set 4102444800000",
        ];
        fill::run(&server, &commands.join("\n"));
        let after = save("after.rdb");
        let mut told = differences(&before, &after, &["--ignore-encoding"]);
        // What a stream says of itself is another set of words from version to version.
        for told in told.iter_mut().filter(|told| told.starts_with("~d:stream")) {
            let words = told.split(' ').filter(|word| {
                !["~info", "ever", "added", "deleted", "id", "last"]
                    .iter()
                    .any(|w| word.contains(w))
            });
            *told = words.collect::<Vec<_>>().join(" ");
        }
        let want = [
            "-d:gone",
            "~d:hash value: -field:g +field:h ~field:f",
            "~d:kind type: ",
            "~d:list value: +element:0 -element:1 +element:2",
            "+d:new",
            "~d:set value expiry: -member:2 +member:x",
            "~d:stream value: -entry:1-1 +entry:3-1 +group:new",
            "~d:string value: ~value",
            "~d:zset value: ~member:b -member:c",
        ];
        let sorted = |text: &str| {
            let (head, parts) = text.split_once(": ").unwrap_or((text, ""));
            let mut parts: Vec<_> = parts.split(' ').collect();
            parts.sort_unstable();
            format!("{head}: {}", parts.join(" "))
        };
        let sort = |list: &[String]| list.iter().map(|one| sorted(one)).collect::<Vec<_>>();
        assert_eq!(sort(&told), sort(&want.map(str::to_owned)), "{}", kind.name);
    }
}

/// Every key of every command in a log, by a plain reading: offset, database, key.
fn touched(bytes: &[u8]) -> Vec<(u64, u64, String)> {
    let (mut rest, mut db, mut found) = (bytes, 0, Vec::new());
    while !rest.is_empty() {
        let offset = (bytes.len() - rest.len()) as u64;
        let (behind, read) = item(rest, true, &mut Quirks::default()).ok().unwrap();
        rest = behind;
        let LogItem::Command(command) = read else { continue };
        let args: Vec<&[u8]> = command.args().collect();
        if command.is("SELECT") {
            db = std::str::from_utf8(args[0]).unwrap().parse().unwrap();
        }
        let mut keys: Vec<_> = command_keys(command.name(), &args).into_iter().flatten().collect();
        keys.sort_unstable();
        keys.dedup();
        found.extend(keys.iter().map(|key| (offset, db, quoted(key).to_string())));
    }
    found
}

#[test]
fn a_history_is_what_a_plain_reading_of_the_log_finds() {
    let mut logs = vec![
        fixtures().join("redis-8.10.2-alltypes-aofdir/appendonly.aof.1.base.aof"),
        fixtures().join("redis-8.10.2-alltypes-aofdir/appendonly.aof.1.incr.aof"),
        fixtures().join("valkey-9.1.2-alltypes-aofdir/appendonly.aof.1.base.aof"),
        fixtures().join("lowercase-and-mixed.aof"),
        fixtures().join("annotations.aof"),
    ];
    if let Some(corpus) = std::env::var_os("RDBKIT_CORPUS") {
        let names = ["redis-2.8.17-alltypes.aof", "redis-6.2.14-alltypes.aof"];
        logs.extend(names.map(|name| Path::new(&corpus).join("gen").join(name)));
    }
    for log in logs.iter().filter(|log| log.exists()) {
        let events = lines(0, &["history", log.to_str().unwrap(), "*"]);
        let mut told: Vec<_> = events
            .iter()
            .filter(|event| event["effect"] != "expired")
            .map(|event| {
                let key = match &event["key"] {
                    Json::String(text) => quoted(text.as_bytes()).to_string(),
                    other => format!("{:?}", base64(other["base64"].as_str().unwrap())),
                };
                (event["offset"].as_u64().unwrap(), event["db"].as_u64().unwrap(), key)
            })
            .collect();
        let mut want = touched(&fs::read(log).unwrap());
        // Bytes that are no text are compared by how they are written as JSON.
        want.iter_mut().filter(|(.., key)| key.contains("\\x")).for_each(|w| w.2.clear());
        told.iter_mut().filter(|(.., key)| key.contains("\\x")).for_each(|t| t.2.clear());
        told.sort();
        want.sort();
        assert_eq!(told.len(), want.len(), "{}", log.display());
        for (told, want) in told.iter().zip(&want) {
            assert_eq!((told.0, told.1), (want.0, want.1), "{}", log.display());
        }
    }
}

fn base64(text: &str) -> String {
    format!("\\x{text}")
}

/// The effects on a key, in order.
fn effects(log: &str, args: &[&str]) -> Vec<String> {
    lines(0, &[&["history", log], args].concat())
        .iter()
        .map(|event| {
            let word = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
            format!("{} db{} {} {}", word("effect"), event["db"], word("key"), word("command"))
        })
        .collect()
}

#[test]
fn a_key_is_followed_wherever_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("appendonly.aof");
    let commands = [
        "SELECT 0",
        "SET a 1",
        "RENAME a b",
        "MULTI",
        "MOVE b 3",
        "SELECT 3",
        "APPEND b x",
        "EXEC",
        "SWAPDB 3 4",
        "SELECT 4",
        "COPY b c DB 0",
        "RENAMENX nothing b",
        "FLUSHDB",
        "SELECT 0",
        "SET a 2",
        "LPUSH a 1",
        "UNLINK a missing",
        "SET x 1",
        "SET y 1",
        "FLUSHALL",
    ];
    let mut bytes = Vec::new();
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        rdbkit::resp::encode::command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    }
    fs::write(&log, &bytes).unwrap();
    let log = log.to_str().unwrap();
    let want = [
        "created db0 a SET",
        "moved-away db0 a RENAME",
        "moved-here db0 b RENAME",
        "moved-away db0 b MOVE",
        "moved-here db3 b MOVE",
        "changed db3 b APPEND",
        "moved-away db3 b SWAPDB",
        "moved-here db4 b SWAPDB",
        "copied-to db4 b COPY",
        "failed db4 b RENAMENX",
        "deleted db4 b FLUSHDB",
        "created db0 a SET",
        "failed db0 a LPUSH",
        "deleted db0 a UNLINK",
    ];
    assert_eq!(effects(log, &["a"]), want);
    // Where it came from is told also if only the database is asked for to which it came.
    assert_eq!(effects(log, &["b", "--db", "4"])[..2], want[6..8]);
    assert_eq!(effects(log, &["b", "--db", "3"])[0], "moved-here db3 b MOVE");
    let want = ["copied db0 c COPY", "deleted db0 c FLUSHALL"];
    assert_eq!(effects(log, &["c"]), want);
    assert_eq!(
        effects(log, &["[xy]", "--last"]),
        ["deleted db0 x FLUSHALL", "deleted db0 y FLUSHALL"]
    );
    let gone = effects(log, &["--deleted"]);
    assert!(gone.contains(&"deleted db0 a UNLINK".to_owned()), "{gone:?}");
    assert!(gone.contains(&"deleted db0 x FLUSHALL".to_owned()), "{gone:?}");
    assert!(!gone.iter().any(|told| told.contains("missing")), "{gone:?}");
    assert_eq!(effects(log, &["--deleted", "y"]).len(), 1);
    let output = rdbkit(&["history", log, "nosuchkey"]);
    assert_eq!(output.status.code(), Some(1));

    // Where a key went, and where it came from, is in JSON as it is on the screen.
    let events = lines(0, &["history", log, "a"]);
    let arguments = |at: usize| &events[at]["arguments"];
    assert_eq!(*arguments(1), serde_json::json!(["a", "b"]), "RENAME");
    assert_eq!(*arguments(2), serde_json::json!(["a", "b"]), "RENAME");
    assert_eq!(*arguments(3), serde_json::json!(["b", "3"]), "MOVE");
    assert_eq!(*arguments(0), Json::Null, "a value is told with --values");
    // That nothing was deleted does not say that nothing was done.
    let output = rdbkit(&["history", "annotations.aof", "*", "--deleted"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("none of its 3 commands removed \"*\" for good"), "{said}");
}

#[test]
fn a_history_says_who_deleted_it_and_when() {
    let log = "redis-8.10.2-day-aofdir";
    let last = &lines(0, &["history", log, "user:1001", "--last"])[0];
    assert_eq!(last["effect"], "deleted");
    assert_eq!(last["command"], "DEL");
    assert_eq!(last["offset"], 161);
    assert_eq!(last["transaction"], 146);
    assert_eq!(last["time_secs"], 1_795_939_227);
    assert_eq!(last["before"]["elements"], 2);
    let values = lines(0, &["history", log, "counter:visits", "--values"]);
    let texts: Vec<_> = values.iter().map(|event| &event["after"]["value"]["value"]).collect();
    assert_eq!(texts, ["41", "42"]);
    // What a log leaves behind is what the last snapshot has.
    let alive: Vec<String> = lines(0, &["keys", "redis-8.10.2-day-after.rdb"])
        .iter()
        .map(|row| row["key"].as_str().unwrap().to_owned())
        .collect();
    let mut last: Vec<String> = lines(0, &["history", log, "*", "--last"])
        .iter()
        .filter(|event| !event["after"].is_null())
        .map(|event| event["key"].as_str().unwrap().to_owned())
        .collect();
    let mut alive = alive;
    alive.sort();
    last.sort();
    assert_eq!(last, alive);
}

/// A server writes under load, rewrites its log meanwhile, and every command is seen.
#[test]
fn a_log_is_watched_while_a_server_writes_it() {
    let Some(kind) = require_any(&["redis-8.10", "redis-7.0", "valkey-9.1"]) else { return };
    let server = Server::start(&kind, &["--appendonly", "yes", "--appendfsync", "no"]);
    server.cmd(&["SET", "user:0", "v"]);
    let log = server.dir().join("appendonlydir");
    let watcher = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["watch", log.to_str().unwrap(), "--interval=200ms", "--for=60s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut watcher = Stopped(watcher);
    let out = watcher.0.stdout.take().unwrap();
    let mut intervals = std::io::BufRead::lines(std::io::BufReader::new(out))
        .map(|line| serde_json::from_str::<Json>(&line.unwrap()).unwrap());
    // It stands at the end of the log when the first interval is told.
    let first = intervals.next().unwrap();
    assert_eq!(first["schema"], "rdbkit.watch/1");
    let round = |hot: usize| {
        let mut commands: Vec<Vec<String>> = (0..500)
            .map(|n| ["SET", &format!("user:{n}"), "value"].map(str::to_owned).to_vec())
            .collect();
        commands.extend((0..hot).map(|_| vec!["INCR".to_owned(), "hits:front".to_owned()]));
        server.pipeline(&commands);
    };
    round(1500);
    server.cmd(&["BGREWRITEAOF"]);
    round(1500);
    let began = Instant::now();
    let (mut commands, mut names) = (0, BTreeMap::<String, u64>::new());
    let (mut rotated, mut hottest) = (false, String::new());
    for interval in intervals {
        for named in interval["names"].as_array().unwrap() {
            let commands = named["commands"].as_u64().unwrap();
            *names.entry(named["name"].as_str().unwrap().to_owned()).or_default() += commands;
        }
        commands += interval["commands"].as_u64().unwrap();
        rotated |= interval["events"].to_string().contains("goes on in");
        if let Some(key) = interval["keys"][0]["key"].as_str()
            && interval["commands"].as_u64() > Some(1000)
        {
            key.clone_into(&mut hottest);
            assert_eq!(interval["prefixes"][0]["prefix"], "hits:");
        }
        assert_eq!(interval["skipped_bytes"], 0);
        if (names.get("INCR") == Some(&3000) && names.get("SET") == Some(&1000) && rotated)
            || began.elapsed() > Duration::from_secs(40)
        {
            break;
        }
    }
    assert_eq!(names.get("INCR"), Some(&3000), "{names:?}");
    assert_eq!(names.get("SET"), Some(&1000), "{names:?}");
    assert!(rotated && commands >= 4000);
    assert_eq!(hottest, "hits:front");
}

/// A process that does not outlive its test.
struct Stopped(std::process::Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_watch_ends_as_asked() {
    let text = says(0, &["watch", "redis-8.10.2-day-aofdir", "--interval=50ms", "--count=2"]);
    let intervals: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(intervals.len(), 2);
    assert_eq!(intervals[1]["number"], 2);
    assert_eq!(intervals[1]["commands"], 0);
    assert_eq!(intervals[1]["size_bytes"], 506 + 1070);
    assert_eq!(intervals[1]["base_bytes"], 506);
    assert_eq!(intervals[1]["rewrite"]["at_bytes"], (64 << 20) + 1);
    says(2, &["watch", "no-such-directory", "--count=1"]);
    says(0, &["watch", "preamble-ok.aof", "--interval=50ms", "--count=1"]);
    says(0, &["watch", "empty.aof", "--interval=50ms", "--count=1"]);
}

/// What no server appends to would be followed in vain.
#[test]
fn what_is_no_log_is_not_watched() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let snapshot = "redis-7.0.15-lru.rdb";
    says(0, &["export", snapshot, "-o", &name("keys.ndjson")]);
    let log = fs::read(fixtures().join("annotations.aof")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &log).unwrap();
    fs::write(name("log.gz"), packed.finish().unwrap()).unwrap();
    fs::write(name("words.txt"), "no log").unwrap();
    for (file, words) in [
        (snapshot, "redis-7.0.15-lru.rdb is an RDB snapshot"),
        (&name("keys.ndjson"), "is NDJSON and no log"),
        (&name("log.gz"), "is compressed with gzip"),
        (&name("words.txt"), "is no RDB, AOF or manifest"),
    ] {
        let output = rdbkit(&["watch", file, "--interval=50ms", "--count=1"]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains(words), "{complaint}");
        assert_eq!(output.status.code(), Some(1), "{complaint}");
    }
}

/// What is compressed in a file alone is the same in a server.
#[test]
fn compression_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let file = "redis-7.0.15-alltypes.rdb";
    says(0, &["convert", file, &name("out.rdb"), "--no-compress"]);
    says(0, &["diff", file, &name("out.rdb")]);
}
