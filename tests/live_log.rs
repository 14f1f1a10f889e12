//! Logs that are sent as they are: nothing of what has no place on the target, up to a point and on
//! from there, and never twice.
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
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use redis::Value;
use support::client::text;
use support::cluster::Cluster;
use support::random::Random;
use support::replayer::{Replayer, log, snapshot};
use support::servers::{Kind, Server, require_any};
use support::wait_until;

/// Runs it, for its exit status and all that it says.
fn said(args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    let output = command.args(args).stdin(Stdio::null()).output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&all).into_owned())
}

/// A log of these commands, `; ` between them.
fn log_of(commands: &str) -> Vec<u8> {
    let mut log = Vec::new();
    for command in commands.split("; ") {
        let words: Vec<&str> = command.split(' ').collect();
        log.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            log.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    log
}

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many keys a Cluster has, those of a replay among them.
fn keys(cluster: &Cluster) -> i64 {
    let size = |master: usize| match cluster.nodes[master].cmd(&["DBSIZE"]) {
        Value::Int(keys) => keys,
        other => panic!("{other:?}"),
    };
    cluster.masters().into_iter().map(size).sum()
}

#[test]
fn a_cluster_is_sent_nothing_of_what_has_no_place_there() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let cluster = Cluster::start(&kind, &[]);
    let url = cluster.url();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let source = path.to_str().unwrap();
    let (one, log) = (&[][..], &["--as", "log"][..]);
    let map = &["--map-db", "1=0"][..];
    let only = &["--db", "0"][..];
    let other = &["--map-db", "0=3"][..];
    let whole = &["--cross-slot", "fail", "--flush-first", "--yes"][..];
    cluster.at(b"kept", &["SET", "kept", "v"]);
    // What the log does, how it is sent, and what is said of it.
    for (commands, form, more, words) in [
        ("SET a 1; SELECT 1; SET b 1", one, one, "database 1"),
        ("SET a 1; SELECT 1; SET b 1", one, other, "database 3"),
        ("SET a 1; SELECT 1; SET b 1", log, one, "offset 50: the log writes to database 1"),
        ("SET a 1; SELECT 1; SET b 1", log, other, "offset 0: the log writes to database 0"),
        ("SET a 1; SELECT 1; FLUSHDB", log, one, "database 1"),
        ("SET a 1; MOVE a 2", log, one, "the log moves keys to database 2"),
        ("SET a 1; MOVE a 2", log, only, "moves keys between a database"),
        ("SET a 1; COPY a {a}b DB 2", log, one, "the log moves keys to database 2"),
        ("SET a 1; SWAPDB 0 2", log, map, "the log moves keys to database 2"),
        ("SET a 1; SWAPDB 0 2", log, only, "moves keys between a database"),
        ("SET a 1; SELECT 1; SET b 1; SWAPDB 0 1", one, one, "database 1"),
        (
            "SET a 1; MSET a 1 b 2",
            log,
            whole,
            "appendonly.aof: \"MSET\" cannot be run: its keys are",
        ),
        ("SET a 1; RENAME a b", log, whole, "offset 27 of "),
        ("SET a 1; RANDOMKEY", log, whole, "\"RANDOMKEY\" cannot be run: it has no key"),
        ("SET a 1; NOSUCH a", log, whole, "\"NOSUCH\" cannot be run: it is not known"),
        ("SET a 1; MULTI; INCR a; INCR b; EXEC", log, whole, "a transaction has keys in 2 slots"),
    ] {
        fs::write(&path, log_of(commands)).unwrap();
        let args = ["replay", source, "--to", &url, "--no-state"];
        let (code, told) = said(&[&args[..], form, more].concat());
        assert_eq!(code, 2, "{commands} {form:?} {more:?}: {told}");
        assert!(told.contains(words), "{words:?} is not in {told:?}");
        assert_eq!(keys(&cluster), 1, "{commands} {form:?} {more:?}: {told}");
    }
    cluster.empty();
    // And those that have one.
    for (commands, more, want) in [
        ("SET a 1; SELECT 1; SET b 1", map, 2),
        ("SET a 1; SELECT 1; SET b 1", only, 1),
        ("SET a 1; SELECT 1; SELECT 0; SET b 1", one, 2),
        ("SET a 1; SELECT 1; SET b 1; SELECT 0; SET c 1; SWAPDB 1 2", only, 2),
        ("SET a 1; SELECT 1; SET b 1; SWAPDB 0 1", map, 2),
    ] {
        fs::write(&path, log_of(commands)).unwrap();
        for form in [one, log] {
            let args = ["replay", source, "--to", &url, "--no-state"];
            let (code, told) = said(&[&args[..], form, more].concat());
            // In a run the two databases are swapped; sent one by one they were one from the start.
            assert_eq!(code, 0, "{commands} {form:?} {more:?}: {told}");
            assert_eq!(keys(&cluster), want, "{commands} {form:?} {more:?}: {told}");
            cluster.empty();
        }
    }
    for (commands, more, want) in [
        ("SET a 1; PUBLISH c m; MULTI; SET a 2; INCR a; EXEC; DEL {a}b a; FLUSHALL", one, 0),
        ("SET a 1; INCR b; MULTI; INCR a; INCR c; EXEC", &["--key", "[ab]"], 2),
    ] {
        fs::write(&path, log_of(commands)).unwrap();
        let (code, told) = said(&[&["replay", source, "--to", &url], log, whole, more].concat());
        assert_eq!(code, 0, "{commands} {more:?}: {told}");
        assert_eq!(keys(&cluster), want, "{commands} {more:?}: {told}");
    }
}

/// What cannot be sent to the end is not begun: the log is looked through first.
#[test]
fn a_server_is_sent_nothing_of_what_has_no_place_there() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let server = Server::start(&kind, &["--databases", "4"]);
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let source = path.to_str().unwrap();
    let keyspace = || text(server.cmd(&["INFO", "keyspace"])).replace("# Keyspace", "");
    let run = |commands: &str, more: &[&str]| {
        fs::write(&path, log_of(commands)).unwrap();
        said(&[&["replay", source, "--to", &url, "--as", "log"][..], more].concat())
    };
    server.cmd(&["SET", "kept", "v"]);
    let before = keyspace();
    for (commands, more, words) in [
        ("SET a 1; SELECT 9; SET b 1", &[][..], "has no database 9 (ERR DB index is out of range)"),
        ("SET a 1; SELECT 9; SET b 1", &[], "the log writes to it at offset 50 of"),
        ("SET a 1; SELECT 9; SET b 1", &["--dry-run"], ": --map-db 9=0 sends its keys elsewhere"),
        ("SET a 1; SELECT 9; SET b 1", &["--flush-first", "--yes"], "has no database 9"),
        ("SET a 1; SELECT 1; SET b 1", &["--map-db", "1=7"], "has no database 7"),
        ("SET a 1; MOVE a 9", &[], "the log moves keys to it at offset 27 of"),
        ("SET a 1; COPY a b DB 9", &[], "has no database 9"),
        ("SET a 1; SWAPDB 0 9", &[], "has no database 9"),
        ("SET a 1; SELECT 5000000000; SET a 1", &[], "no server has that many"),
        // What is about one database would be about the keys of another, too.
        ("SET a 1; SELECT 1; SET b 1; FLUSHDB", &["--map-db", "1=0"], "nothing was sent"),
        ("SET a 1; SELECT 1; SET b 1; SWAPDB 1 2", &["--map-db", "1=0"], "SWAPDB is about"),
        (
            "SELECT 1; SET b 1; SELECT 0; MULTI; FLUSHDB; EXEC",
            &["--map-db", "1=0"],
            "as database 1",
        ),
        // Filters that would have to run the log.
        ("SET a 1; MOVE a 2", &["--db", "0"], "offset 27: \"MOVE\" moves keys between"),
        ("SET a 1; SWAPDB 0 2", &["--db", "0"], "offset 27: \"SWAPDB\" moves keys between"),
        ("SET a 1; NOSUCH a 2", &["--key", "a*"], "offset 27: which arguments of \"NOSUCH\""),
    ] {
        let (code, told) = run(commands, more);
        assert_eq!(code, 2, "{commands} {more:?}: {told}");
        assert!(told.contains(words), "{words:?} is not in {told:?}");
        assert_eq!(keyspace(), before, "{commands} {more:?}: {told}");
    }
    // And those that have one.
    for (commands, more, want) in [
        ("SET a 1; SELECT 9; SELECT 0; SET b 1", &[][..], "db0:keys=2,"),
        ("SET a 1; SELECT 9; SET b 1", &["--db", "0"], "db0:keys=1,"),
        ("SET a 1; SELECT 9; SET b 1", &["--map-db", "9=3"], "db3:keys=1,"),
        (
            "SET a 1; FLUSHDB; SELECT 1; SET b 1; FLUSHDB; SET c 1",
            &["--map-db", "1=0"],
            "db0:keys=1,",
        ),
        ("SET a 1; SELECT 1; SET b 1; FLUSHDB", &["--map-db", "1=3"], "db0:keys=1,"),
        ("SET a 1; SELECT 9; SET b 1; FLUSHALL; SET c 1", &["--db", "0"], ""),
        ("SET a 1; SELECT 9; SET b 1; SWAPDB 8 9", &["--db", "0"], "db0:keys=1,"),
        ("SET a 1; SELECT 9; MOVE a 8", &["--db", "0"], "db0:keys=1,"),
        ("SET a 1; SWAPDB 0 3; SELECT 3; SET b 1", &[], "db3:keys=2,"),
        ("SET a 1; NOSUCH a 2", &["--key", "a*", "--on-unknown", "skip"], "db0:keys=1,"),
    ] {
        server.cmd(&["FLUSHALL"]);
        let (code, told) = run(commands, more);
        assert_eq!(code, 0, "{commands} {more:?}: {told}");
        assert!(keyspace().contains(want), "{commands} {more:?}: {}", keyspace());
    }
}

/// The database of a URL is that of all commands, and of the databases that they name.
#[test]
fn a_log_goes_into_the_database_of_the_url() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let server = Server::start(&kind, &[]);
    let url = format!("{}/3", server.url());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let keyspace = || text(server.cmd(&["INFO", "keyspace"])).replace("# Keyspace", "");
    for (commands, want, words) in [
        ("SET a 1; SELECT 1; SET b 1; SWAPDB 0 1", "db3:keys=2,", ""),
        ("SET a 1; FLUSHDB; SET b 1", "db3:keys=1,", ""),
        ("SET a 1; COPY a b DB 1", "db3:keys=2,", ""),
        ("SET a 1; SELECT 1; FLUSHDB", "", "FLUSHDB is about database 1, which becomes 3 as"),
    ] {
        server.cmd(&["FLUSHALL"]);
        server.cmd(&["SET", "kept", "v"]);
        fs::write(&path, log_of(commands)).unwrap();
        let (code, told) = said(&["replay", path.to_str().unwrap(), "--to", &url, "--as", "log"]);
        let expected = if words.is_empty() { 0 } else { 2 };
        assert!(code == expected && told.contains(words), "{commands}: {code} {told}");
        let there = keyspace();
        assert!(there.contains("db0:keys=1,") && there.contains(want), "{commands}: {there}");
        assert!(!there.contains("db1:"), "{commands}: {there}");
    }
}

/// A server that still reads its own files is waited for, as one is that changes its role.
#[test]
fn a_server_that_loads_is_waited_for() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let server = Server::start(&kind, &["--loading-process-events-interval-bytes", "1024"]);
    support::replayer::fill(&server, 1, 1500);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("log"), log_of("INCR counter; INCR counter")).unwrap();
    fs::write(path("keys"), "{\"key\":\"counter\",\"type\":\"string\",\"value\":\"2\"}\n").unwrap();
    server.cmd(&["CONFIG", "SET", "key-load-delay", "1000"]);
    let url = server.url();
    let while_it_loads = |args: &[&str]| {
        let client = server.connect();
        let reload = std::thread::spawn(move || client.cmd(&["DEBUG", "RELOAD"]));
        wait_until("it loads", PATIENCE, || {
            matches!(server.cmd(&["GET", "counter"]), Value::ServerError(_))
        });
        let said = said(args);
        reload.join().unwrap();
        said
    };
    let (log, keys, backup) = (path("log"), path("keys"), path("backup.rdb"));
    let to = ["--no-state", "--to", url.as_str()];
    for args in [
        &[&["replay", &log, "--as", "log"], &to[..]].concat()[..],
        &[&["replay", &log], &to[..]].concat(),
        &[&["replay", &keys], &to[..]].concat(),
        &["backup", &url, "-o", &backup],
    ] {
        let (code, told) = while_it_loads(args);
        assert_eq!(code, 0, "{args:?}: {told}");
        assert_eq!(text(server.cmd(&["GET", "counter"])), "2", "{args:?}");
    }
    // Whoever has no patience is told.
    for args in [&["replay", &log, "--as", "log"][..], &["replay", &log], &["replay", &keys]] {
        let (code, told) = while_it_loads(&[args, &to, &["--patience", "0s"]].concat());
        assert_eq!(code, 2, "{args:?}: {told}");
        assert!(told.contains("LOADING"), "{args:?}: {told}");
    }
    assert_eq!(text(server.cmd(&["GET", "counter"])), "2");
    // And where nobody is, nobody is waited for.
    let began = Instant::now();
    for args in [
        &["replay", &log, "--as", "log", "--to", "redis://127.0.0.1:1"][..],
        &["replay", &keys, "--no-state", "--to", "redis+sentinel://127.0.0.1:1/service"],
        &["replay", &keys, "--no-state", "--to", "redis+cluster://127.0.0.1:1"],
        &["backup", "redis+sentinel://127.0.0.1:1/service", "-o", &path("other.rdb")],
        &["backup", "redis+cluster://127.0.0.1:1", "-o", &path("other/")],
    ] {
        let (code, told) = said(args);
        assert_eq!(code, 2, "{args:?}: {told}");
        assert!(told.contains("Connection refused"), "{args:?}: {told}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// A replay that is killed behind its end, before it has forgotten how each slot came there.
#[test]
fn what_an_end_leaves_behind_takes_nothing_back() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let cluster = Cluster::start(&kind, &[]);
    let url = cluster.url();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let counters: Vec<String> = (0..9).map(|n| format!("n:{n}")).collect();
    let round: Vec<String> = counters.iter().map(|key| format!("INCR {key}")).collect();
    // In the second round only the first of them is written to.
    let commands = [round.join("; "), round[0].clone(), round.join("; ")].join("; ");
    fs::write(&path, log_of(&commands)).unwrap();
    let run = |more: &[&str]| {
        let (code, told) = said(
            &[&["replay", path.to_str().unwrap(), "--to", &url, "--as", "log"], more].concat(),
        );
        assert_eq!(code, 0, "{more:?}: {told}");
    };
    let counted = |want: [&str; 2]| {
        for (n, key) in counters.iter().enumerate() {
            let found = text(cluster.at(key.as_bytes(), &["GET", key]));
            assert_eq!(found, want[n.min(1)], "{key}");
        }
    };
    run(&["--until-command", "9"]);
    let (kept, slot) = ("rdbkit:replay:log", rdbkit::bytes::slot::slot(counters[0].as_bytes()));
    let first = text(cluster.at(kept.as_bytes(), &["GET", kept]));
    run(&["--until-command", "10"]);
    counted(["2", "1"]);
    // What the slot had before its last command, and what it says of that.
    let checkpoint = format!("{kept}{{{}}}", rdbkit::target::live::tag_of(slot));
    let value = first.trim_end_matches(" end");
    cluster.at(checkpoint.as_bytes(), &["SET", &checkpoint, value]);
    run(&["--until-command", "10"]);
    counted(["2", "1"]);
    cluster.at(checkpoint.as_bytes(), &["SET", &checkpoint, value]);
    run(&[]);
    counted(["3", "2"]);
}

/// Who has written how far the Cluster has come is not overwritten by one that looked before that.
#[test]
fn what_a_cluster_keeps_is_not_overwritten() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let mut cluster = Cluster::start(&kind, &[]);
    let url = cluster.url();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let kept = "rdbkit:replay:log";
    let owner =
        |cluster: &Cluster, key: &str| match cluster.nodes[0].cmd(&["CLUSTER", "KEYSLOT", key]) {
            Value::Int(slot) => cluster.owner(u16::try_from(slot).unwrap()),
            other => panic!("{other:?}"),
        };
    // Its replica would be waited for while its writes wait.
    let master = owner(&cluster, kept);
    let replica = cluster.replica_of(master);
    cluster.nodes[replica].crash();
    let (cluster, node) = (&cluster, &cluster.nodes[master]);
    let alone = || text(node.cmd(&["INFO", "replication"])).contains("connected_slaves:0");
    wait_until("it has no replica", PATIENCE, alone);
    let owner = |key: &str| owner(cluster, key);
    // All of the log goes to another node.
    let key = (0..).map(|n| format!("n:{n}")).find(|key| owner(key) != owner(kept)).unwrap();
    fs::write(&path, log_of(&vec![format!("INCR {key}"); 80].join("; "))).unwrap();
    let source = path.to_str().unwrap();
    let args = ["replay", source, "--to", &url, "--as", "log", "--until-command"];
    let (code, told) = said(&[&args[..], &["5"]].concat());
    assert_eq!(code, 0, "{told}");
    let was = text(node.cmd(&["GET", kept]));
    let further = was.replacen(' ', " 1000000", 1);
    assert!(further.ends_with(" end"), "{further}");

    // Writes to the node wait, so both see what was: the other one writes first.
    let options = ["--as", "log", "--rate", "20", "--until-command", "70"];
    let replay = Replayer::start(folder.path(), &path, &url, &options);
    let count = || text(cluster.at(key.as_bytes(), &["GET", &key])).parse::<u64>().unwrap();
    wait_until("commands are sent", PATIENCE, || count() > 8);
    node.cmd(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let other = node.connect();
    let writer = std::thread::spawn({
        let further = further.clone();
        move || other.cmd(&["SET", "rdbkit:replay:log", &further])
    });
    wait_until("all are there", PATIENCE, || count() == 70);
    std::thread::sleep(Duration::from_secs(2));
    node.cmd(&["CLIENT", "UNPAUSE"]);
    writer.join().unwrap();
    let (status, told) = replay.ends();
    assert_eq!(text(node.cmd(&["GET", kept])), further, "{told}");
    assert_eq!((status.code(), count()), (Some(2), 70), "{told}");
    assert!(told.contains("has taken more of the log than is asked for"), "{told}");
}

/// A log of commands that do harm when they run twice, some of them in transactions, with their
/// times: a second has ten.
fn timed_log(commands: usize) -> Vec<u8> {
    let mut random = Random::new(9);
    let mut log = Vec::new();
    for n in 0..commands {
        if n % 10 == 0 {
            log.extend_from_slice(format!("#TS:{}\r\n", 1000 + n / 10).as_bytes());
        }
        let (a, b) = (random.below(50), random.below(20));
        log.extend(log_of(&match n % 7 {
            3 => format!("MULTI; INCR {{t{a}}}:c; RPUSH {{t{a}}}:l {n}; INCRBY {{t{a}}}:d 3; EXEC"),
            4 => format!("RPUSH l:{b} {n}"),
            5 => format!("APPEND a:{b} x"),
            _ => format!("INCRBY c:{a} 7"),
        }));
    }
    log
}

/// A target of a replay.
enum Target {
    One(Box<Server>),
    Many(Cluster),
}

impl Target {
    fn url(&self) -> String {
        match self {
            Target::One(server) => server.url(),
            Target::Many(cluster) => cluster.url(),
        }
    }

    /// What a replay keeps there.
    fn kept(&self) -> Vec<String> {
        let of = |server: &Server| match server.cmd(&["KEYS", "rdbkit:*"]) {
            Value::Array(keys) => keys.into_iter().map(text).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        match self {
            Target::One(server) => of(server),
            Target::Many(cluster) => {
                cluster.masters().into_iter().flat_map(|node| of(&cluster.nodes[node])).collect()
            }
        }
    }

    /// The digest of all keys but those.
    fn digest(&self) -> String {
        let kept: Vec<(String, Value)> = self
            .kept()
            .into_iter()
            .map(|key| {
                let value = self.at(&key, &["GET", &key]);
                self.at(&key, &["DEL", &key]);
                (key, value)
            })
            .collect();
        let digest = match self {
            Target::One(server) => server.digest(),
            Target::Many(cluster) => cluster.digest(),
        };
        for (key, value) in kept {
            self.at(&key, &["SET", &key, &text(value)]);
        }
        digest
    }

    fn at(&self, key: &str, words: &[&str]) -> Value {
        match self {
            Target::One(server) => server.cmd(words),
            Target::Many(cluster) => cluster.at(key.as_bytes(), words),
        }
    }

    fn servers(&self) -> Vec<&Server> {
        match self {
            Target::One(server) => vec![server.as_ref()],
            Target::Many(cluster) => {
                cluster.masters().into_iter().map(|node| &cluster.nodes[node]).collect()
            }
        }
    }

    /// How often a command was called.
    fn calls(&self, name: &str) -> u64 {
        let of = |server: &Server| {
            let info = text(server.cmd(&["INFO", "commandstats"]));
            let found = info.lines().find_map(|line| {
                let calls = line.strip_prefix(&format!("cmdstat_{name}:calls="))?;
                calls.split(',').next()?.parse::<u64>().ok()
            });
            found.unwrap_or(0)
        };
        self.servers().into_iter().map(of).sum()
    }

    /// Closes all connections but that of the test.
    fn hang_up(&self) {
        for server in self.servers() {
            server.cmd(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
    }

    fn empty(&self) {
        match self {
            Target::One(server) => drop(server.cmd(&["FLUSHALL"])),
            Target::Many(cluster) => cluster.empty(),
        }
    }
}

fn targets(kind: &Kind) -> [Target; 2] {
    [Target::One(Box::new(Server::start(kind, &[]))), Target::Many(Cluster::start(kind, &[]))]
}

#[test]
fn a_log_is_sent_up_to_a_point_and_goes_on_there() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let log = timed_log(20_000);
    fs::write(&path, &log).unwrap();
    let source = path.to_str().unwrap();
    // In the middle of a transaction, which is left out then.
    let multi = log.windows(12).position(|it| it == b"*1\r\n$5\r\nMULT").unwrap();
    let inside = (multi + 60).to_string();
    let whole = Server::start_with_aof_file(&kind, &log, &[]).digest();
    // What the embedded engine has at a point.
    let engine = |point: &[&str]| {
        let saved = folder.path().join("saved.rdb");
        let args = ["replay", source, "--save", saved.to_str().unwrap(), "--force"];
        let played = ["--target", &kind.name.replace('-', ":")];
        let (code, told) = said(&[&args[..], &played, point].concat());
        assert_eq!(code, 0, "{told}");
        Server::start_with_rdb(&kind, &fs::read(saved).unwrap(), &[]).digest()
    };
    let points = [
        &["--until-offset", &inside][..],
        &["--until-command", "7000"],
        &["--until-command", "7001"],
        &["--until-command", "7002"],
        &["--until-command", "7003"],
        &["--until-time", "1500"],
        &["--until-offset", "500000"],
    ];
    for target in targets(&kind) {
        let url = target.url();
        let args = |more: &[&str]| {
            [&["replay", source, "--to", &url, "--as", "log"][..], more].concat().join(" ")
        };
        let run = |more: &[&str]| said(&args(more).split(' ').collect::<Vec<_>>());
        for point in points {
            let (code, told) = run(point);
            assert_eq!(code, 0, "{point:?}: {told}");
            assert!(told.contains("the target remembers it (rdbkit:replay:"), "{told}");
            assert_eq!(target.digest(), engine(point), "{point:?}");
            assert_eq!(target.kept().len(), 1, "{:?}", target.kept());
            // The same once more: there is nothing to do.
            let (code, told) = run(point);
            assert_eq!(code, 0, "{point:?}: {told}");
            assert_eq!(target.digest(), engine(point), "{point:?}: {told}");
        }
        // Nothing is taken back.
        let (code, told) = run(points[0]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("has taken more of the log than is asked for"), "{told}");
        assert_eq!(target.digest(), engine(points[6]));
        // To the end, whatever happens on the way.
        let slow = ["--as", "log", "--rate", "15000"];
        let replay = |more: &[&str]| {
            Replayer::start(folder.path(), &path, &url, &[&slow[..], more].concat())
        };
        let mut random = Random::new(4);
        support::mishaps::survives_kills(&mut random, &|| replay(&["--until-time", "2500"]));
        assert_eq!(target.digest(), engine(&["--until-time", "2500"]));
        support::mishaps::survives_kills(&mut random, &|| replay(&[]));
        assert_eq!(target.digest(), whole);
        assert!(target.kept().is_empty(), "{:?}", target.kept());
        target.empty();
        // A point behind the end is none.
        let (code, told) = run(&["--until-command", "999999"]);
        assert_eq!(code, 0, "{told}");
        assert!(target.kept().is_empty() && !told.contains("remembers"), "{told}");
        assert_eq!(target.digest(), whole);
        target.empty();
    }
}

/// When a replay of a log stands still.
#[derive(Debug, Clone, Copy)]
enum When {
    /// While the snapshot in front of it is loaded.
    Before,
    /// While commands are sent.
    Amid,
}

/// One stands still for so long that its connections are closed, and another one does its work:
/// the first one finds out, and does nothing of it again.
#[test]
fn whoever_stood_still_does_nothing_twice() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (single, path) = log(&kind, 51, (30_000, 20_000), true);
    let digest = single.digest();
    for target in targets(&kind) {
        let url = target.url();
        let form = ["--as", "log"];
        let start = |name: &str, more: &[&str]| {
            let own = folder.path().join(name);
            fs::create_dir_all(&own).unwrap();
            let _ = fs::remove_file(own.join("replay.log"));
            Replayer::start(&own, &path, &url, &[&form[..], more].concat())
        };
        let stopped = |when: When| {
            let calls = |target: &Target| match when {
                When::Before => target.calls("set") + target.calls("restore"),
                When::Amid => target.calls("rpush"),
            };
            let before = calls(&target);
            let first = start("first", &["--rate", "15000"]);
            wait_until("it is at work", PATIENCE, || calls(&target) > before + 200);
            first.stand_still();
            first
        };
        for when in [When::Before, When::Amid] {
            let what = format!("{url} {when:?}");
            // Another one ends it.
            let first = stopped(when);
            target.hang_up();
            start("second", &[]).succeeds();
            assert_eq!(target.digest(), digest, "{what}");
            first.go_on();
            let (status, told) = first.ends();
            assert_eq!(status.code(), Some(2), "{what}: {told}");
            assert!(told.contains("does not remember this replay any more"), "{what}: {told}");
            assert!(!told.contains("goes on right behind it"), "{what}: {told}");
            assert_eq!(target.digest(), digest, "{what}: {told}");
            assert!(target.kept().is_empty(), "{what}: {:?}", target.kept());
            target.empty();

            // Another one goes on with it, and is killed: it is known how far that came.
            let first = stopped(when);
            target.hang_up();
            let before = target.calls("rpush");
            let second = start("second", &["--rate", "15000"]);
            wait_until("it is at work, too", PATIENCE, || target.calls("rpush") > before + 200);
            second.kill();
            first.go_on();
            let (status, told) = first.ends();
            let was_told = told.contains("another replay") && status.code() == Some(2);
            assert!(status.success() || was_told, "{what}: {told}");
            if was_told {
                start("third", &[]).succeeds();
            }
            assert_eq!(target.digest(), digest, "{what}: {told}");
            assert!(target.kept().is_empty(), "{what}: {:?}", target.kept());
            target.empty();

            // Its lock has expired, but it is still connected.
            let first = stopped(when);
            for key in target.kept().into_iter().filter(|key| key.contains(":lock")) {
                target.at(&key, &["DEL", &key]);
            }
            let (status, told) = start("second", &[]).ends();
            assert_eq!(status.code(), Some(2), "{what}: {told}");
            assert!(told.contains("another replay (rdbkit-"), "{what}: {told}");
            first.go_on();
            first.succeeds();
            assert_eq!(target.digest(), digest, "{what}");
            assert!(target.kept().is_empty(), "{what}: {:?}", target.kept());
            target.empty();
        }
    }
}

/// Keys of a snapshot are the same ones however often they are sent.
#[test]
fn whoever_stood_still_sends_keys_that_are_there() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (single, path) = snapshot(&kind, 52, 20_000);
    for target in targets(&kind) {
        let url = target.url();
        let calls = || target.calls("restore");
        let before = calls();
        let slow = ["--no-state", "--rate", "8000", "--pipeline", "64kb"];
        let first = Replayer::start(folder.path(), &path, &url, &slow);
        wait_until("it is at work", PATIENCE, || calls() > before + 200);
        first.stand_still();
        target.hang_up();
        Replayer::start(folder.path(), &path, &url, &["--no-state"]).succeeds();
        first.go_on();
        first.succeeds();
        assert_eq!(target.digest(), single.digest(), "{url}");
        assert!(target.kept().is_empty(), "{:?}", target.kept());
    }
}
