//! `backup`: what is taken under a write load is one moment of the server; what is not sound or not
//! whole never appears; what follows the server is loaded by a server and is what it holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rdbkit::bytes::slot::slot;
use rdbkit::digest::FileSum;
use redis::Value;
use serde_json::Value as Json;
use support::client::{Client, text};
use support::cluster::{Cluster, seen};
use support::fill;
use support::sentinel::Watched;
use support::servers::{Flavour, Kind, Server, require_any, servers};
use support::tls::Certificates;
use support::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);
/// A snapshot begins at once.
const AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.args(args).stdin(Stdio::null());
    command
}

#[track_caller]
fn run(args: &[&str], want: i32) -> String {
    let Output { status, stdout, stderr } = command(args).output().unwrap();
    let all = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(want), "{args:?}: {all}");
    all
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn json(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_backup_is_what_its_text_says() {
    for kind in servers() {
        if !kind.version.at_least(6, 0) {
            continue;
        }
        let server = Server::start(&kind, &AT_ONCE);
        fill::with_every_type(&server);
        let has_functions = kind.version.at_least(7, 0);
        if has_functions {
            let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
            server.cmd(&["FUNCTION", "LOAD", code]);
        }
        let folder = tempfile::tempdir().unwrap();
        let to = path(folder.path());
        let url = server.url();
        run(&["backup", &url, "-o", to, "--compress", "zstd", "--also-functions"], 0);
        let names = names(folder.path());
        let file = folder.path().join(&names[0]);
        assert!(names[0].starts_with(&format!("127.0.0.1-{}-2", server.port())), "{names:?}");
        assert_eq!(names.len(), if has_functions { 3 } else { 2 }, "{names:?}");
        if has_functions {
            let functions = json(&folder.path().join(format!("{}.functions.json", names[0])));
            assert_eq!(functions["libraries"][0]["name"], "lib", "{functions}");
        }
        let said = json(&folder.path().join(format!("{}.json", names[0])));
        let bytes = fs::read(&file).unwrap();
        let mut sum = FileSum::default();
        sum.update(&bytes);
        assert_eq!(said["sha256"], sum.finish());
        assert_eq!(said["size_bytes"], bytes.len());
        assert_eq!(said["schema"], "rdbkit.backup/1");
        assert_eq!(said["digest"]["value"], server.digest(), "{}", kind.name);
        assert_eq!(said["replication"]["id"].as_str().unwrap().len(), 40);
        assert_eq!(said["databases"][1], serde_json::json!({"db": 5, "keys": 1}));
        let product = if kind.version.flavour == Flavour::Valkey { "valkey" } else { "redis" };
        assert_eq!(said["server"]["product"], product);
        run(&["check", path(&file)], 0);

        // Under a name, it is replaced only when that is asked for.
        let one = folder.path().join("one.rdb.gz");
        let gzip =
            ["backup", &url, "-o", path(&one), "--compress", "gzip", "--quick", "--no-digest"];
        run(&gzip, 0);
        run(&gzip, 2);
        run(&[&gzip[..], &["--force"]].concat(), 0);
        run(&["check", path(&one)], 0);
        assert_eq!(json(&folder.path().join("one.rdb.gz.json"))["digest"], Json::Null);
        let _ = run(&["backup", &url, "-o", path(&one), "--keep", "3"], 2);
    }
}

#[test]
fn figures_say_whether_there_is_a_backup() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0", "valkey-9.1"]) else { return };
    let server = Server::start(&kind, &AT_ONCE);
    fill::run(&server, "SET a 1\nSET b 2\nRPUSH c 3");
    let (folder, url) = (tempfile::tempdir().unwrap(), server.url());
    let metrics = folder.path().join("rdbkit.prom");
    let figure = |name: &str| {
        let text = fs::read_to_string(&metrics).unwrap();
        let start = format!("{name}{{server=\"{url}\"");
        let value = text.lines().find_map(|line| line.strip_prefix(&start)?.rsplit(' ').next());
        value.map(|value| value.parse::<f64>().unwrap())
    };
    let out = folder.path().join("out.rdb");
    let words = ["backup", &url, "-o", path(&out), "--metrics", path(&metrics)];
    run(&words, 0);
    let said = json(&folder.path().join("out.rdb.json"));
    assert_eq!(
        (figure("rdbkit_backup_taken"), figure("rdbkit_backup_keys")),
        (Some(1.0), Some(3.0))
    );
    for (name, field) in [
        ("rdbkit_backup_size_bytes", &said["size_bytes"]),
        ("rdbkit_backup_snapshot_bytes", &said["snapshot_bytes"]),
        ("rdbkit_backup_replication_offset", &said["replication"]["offset"]),
    ] {
        assert_eq!(figure(name), field.as_f64(), "{name}");
    }
    let text = fs::read_to_string(&metrics).unwrap();
    assert!(text.contains("rdbkit_last_run_timestamp_seconds{verb=\"backup\"} "), "{text}");
    // A file is there and is not replaced: no backup was taken.
    run(&words, 2);
    assert_eq!((figure("rdbkit_backup_taken"), figure("rdbkit_backup_keys")), (Some(0.0), None));

    let to = folder.path().join("log");
    let following = Following::with(&server, &to, &["--metrics", path(&metrics)]);
    following.caught_up(&server.connect());
    fill::run(&server, "SET d 4\nSET e 5");
    following.caught_up(&server.connect());
    following.stop();
    assert_eq!(figure("rdbkit_backup_taken"), Some(1.0));
    assert!(figure("rdbkit_backup_followed_commands").is_some_and(|commands| commands >= 2.0));
    assert_eq!(figure("rdbkit_backup_followed_snapshots"), Some(1.0));
}

#[test]
fn only_the_oldest_of_our_own_go() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let server = Server::start(&kind, &AT_ONCE);
    let folder = tempfile::tempdir().unwrap();
    let foreign = format!("127.0.0.1-{}-20200101T000000Z.rdb", server.port());
    fs::write(folder.path().join(&foreign), "mine").unwrap();
    let args = ["backup", &server.url(), "-o", path(folder.path()), "--keep", "2"];
    let mut made = Vec::new();
    for _ in 0..3 {
        run(&args, 0);
        let new: Vec<String> = names(folder.path())
            .into_iter()
            .filter(|n| n.ends_with("Z.rdb") && *n != foreign)
            .collect();
        made.push(new.last().unwrap().clone());
        // Names have seconds.
        sleep(Duration::from_millis(1050));
    }
    let left = names(folder.path());
    assert!(
        !left.contains(&made[0]) && left.contains(&made[1]) && left.contains(&made[2]),
        "{left:?}"
    );
    assert!(left.contains(&foreign) && left.len() == 5, "{left:?}");
}

#[test]
fn what_is_not_sound_or_not_whole_does_not_appear() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    let broken = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/broken/duplicate-key.rdb");
    let url = sends(&fs::read(broken).unwrap(), 0);
    let words = run(&["backup", &url, "-o", path(&out)], 1);
    assert!(words.contains("duplicate-key") && words.contains("nothing was kept"), "{words}");
    let url = sends(&fs::read(broken).unwrap(), 10);
    let words = run(&["backup", &url, "-o", path(&out)], 2);
    assert!(words.contains("bytes of the snapshot"), "{words}");
    let words = run(&["backup", "redis://127.0.0.1:1", "-o", path(&out)], 2);
    assert!(words.contains("cannot connect"), "{words}");
    assert!(names(folder.path()).is_empty());
}

/// A server that sends this snapshot but for its last bytes, and ends.
fn sends(snapshot: &[u8], lacking: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let mut last =
        format!("+FULLRESYNC {} 7\r\n${}\r\n", "a".repeat(40), snapshot.len()).into_bytes();
    last.extend_from_slice(&snapshot[..snapshot.len() - lacking]);
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut heard) {
            let words = String::from_utf8_lossy(&heard[..n]).into_owned();
            let answer: &[u8] = match words.split("\r\n").nth(2) {
                Some("PING") => b"+PONG\r\n",
                Some("REPLCONF") => b"+OK\r\n",
                Some("PSYNC") => &last,
                _ => b"-NOPERM no\r\n",
            };
            if stream.write_all(answer).is_err() || answer == last {
                return;
            }
        }
    });
    url
}

/// What the load does at step `i`: what is there after it tells by `n` how many steps there were.
fn step(i: u64) -> Vec<Vec<String>> {
    let words = [
        "MULTI".to_owned(),
        format!("SET k:{} {i}", i % 300),
        format!("RPUSH l:{} {i}", i % 20),
        format!("HSET h:{} f{} {i}", i % 10, i % 50),
        "INCR n".to_owned(),
        "EXEC".to_owned(),
    ];
    words.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// A client that writes until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn on(server: &Server) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = server.connect();
        let (stopped, told) = (Arc::clone(&stop), Arc::clone(&done));
        let thread = thread::spawn(move || {
            let mut i = 0;
            while !stopped.load(Ordering::Relaxed) {
                let steps: Vec<_> = (i + 1..=i + 20).flat_map(step).collect();
                client.pipeline(&steps);
                i += 20;
                told.store(i, Ordering::Relaxed);
                sleep(Duration::from_millis(1));
            }
        });
        Load { stop, done, thread: Some(thread) }
    }

    /// Waits until so many more steps are done.
    fn more(&self, steps: u64) {
        let (goal, began) = (self.done.load(Ordering::Relaxed) + steps, Instant::now());
        while self.done.load(Ordering::Relaxed) < goal {
            assert!(began.elapsed() < PATIENCE, "the load stands still");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the load failed");
        }
    }
}

/// The digest after so many steps.
fn after_steps(kind: &Kind, steps: u64) -> String {
    let server = Server::start(kind, &[]);
    for from in (1..=steps).step_by(1000) {
        let commands: Vec<_> = (from..=steps.min(from + 999)).flat_map(step).collect();
        server.pipeline(&commands);
    }
    server.digest()
}

#[test]
fn under_a_write_load_it_is_one_moment_of_the_server() {
    for name in ["redis-7.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = support::servers::require(name) else { continue };
        // Slow enough that much is written while the snapshot is being made.
        let slow = [&AT_ONCE[..], &["--rdb-key-save-delay", "200"]].concat();
        let server = Server::start(&kind, &slow);
        server.cmd(&["CONFIG", "SET", "repl-diskless-sync", "yes"]);
        let load = Load::on(&server);
        load.more(300);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.rdb");
        let before = load.done.load(Ordering::Relaxed);
        run(&["backup", &server.url(), "-o", path(&out)], 0);
        let behind = load.done.load(Ordering::Relaxed);
        drop(load);
        let told = run(&["get", path(&out), "n", "--format", "json"], 0);
        let told: Json = serde_json::from_str(told.trim()).unwrap();
        let steps: u64 =
            told["value"].as_str().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{told}"));
        assert!((before..=behind + 20).contains(&steps), "{before} {steps} {behind}");
        let said = json(&folder.path().join("out.rdb.json"));
        assert_eq!(said["digest"]["value"], after_steps(&kind, steps), "{name}");
    }
}

#[test]
fn a_cluster_gives_a_file_for_each_master() {
    let Some(kind) = require_any(&["valkey-9.1", "redis-8.0", "redis-7.0"]) else { return };
    let cluster = Cluster::start(&kind, &AT_ONCE);
    cluster.tells_of_replicas();
    for n in 0..200 {
        let key = format!("key:{n}");
        cluster.at(key.as_bytes(), &["SET", &key, "v"]);
    }
    let (folder, url) = (tempfile::tempdir().unwrap(), cluster.url());
    for options in [&[][..], &["--prefer-replica"]] {
        let to = folder.path().join(options.len().to_string());
        run(&[&["backup", &url, "-o", path(&to)], options].concat(), 0);
        let texts: Vec<Json> = names(&to)
            .iter()
            .filter(|name| name.ends_with(".json"))
            .map(|name| json(&to.join(name)))
            .collect();
        assert_eq!((texts.len(), names(&to).len()), (3, 6));
        let keys: u64 = texts.iter().map(|said| said["keys"].as_u64().unwrap()).sum();
        assert_eq!(keys, 200);
        for said in &texts {
            let of = said["server"]["url"].as_str().unwrap();
            let node = cluster.nodes.iter().find(|node| of == node.url()).unwrap();
            assert_eq!(said["digest"]["value"], node.digest());
            assert_eq!(said["server"]["slots"].as_array().unwrap().len(), 1, "{said}");
            let role = if options.is_empty() { "master" } else { "replica" };
            assert_eq!(said["server"]["role"], role);
        }
    }
}

#[test]
fn sentinels_say_whose_data_it_is() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0", "valkey-9.1"]) else { return };
    let watched = Watched::start(&kind, &[]);
    watched.cmd(&["SET", "a", "b"]);
    watched.settled();
    let (folder, url, digest) = (tempfile::tempdir().unwrap(), watched.url(), watched.digest());
    for (option, role) in [("--quick", "master"), ("--prefer-replica", "replica")] {
        let out = folder.path().join(role);
        run(&["backup", &url, option, "-o", path(&out)], 0);
        let said = json(&folder.path().join(format!("{role}.json")));
        assert_eq!(
            (&said["server"]["role"], &said["digest"]["value"]),
            (&role.into(), &digest.clone().into())
        );
    }
    assert!(run(&["digest", &url], 0).starts_with(&digest));
}

/// A backup that follows.
struct Following {
    child: Option<Child>,
    folder: PathBuf,
}

impl Following {
    fn start(server: &Server, folder: &Path) -> Self {
        Following::with(server, folder, &[])
    }

    fn with(server: &Server, folder: &Path, more: &[&str]) -> Self {
        Following::of(&server.url(), folder, more)
    }

    fn of(url: &str, folder: &Path, more: &[&str]) -> Self {
        let child = command(&["backup", url, "--follow", "-o", path(folder)])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Following { child: Some(child.unwrap()), folder: folder.to_owned() }
    }

    /// Waits until it is behind the server by nothing.
    fn caught_up(&self, client: &Client) {
        // What is waited for is the last write of the client that waits.
        client.cmd(&["INCR", "waits"]);
        let reply = client.cmd(&["WAIT", "1", "60000"]);
        assert_eq!(reply, Value::Int(1), "{:?}", names(&self.folder));
    }

    /// The same behind each master of a Cluster, which has a replica of its own.
    #[track_caller]
    fn caught_up_with(&self, cluster: &Cluster) {
        cluster.settled();
        for master in cluster.masters() {
            let is_there = |key: &String| cluster.owner(slot(key.as_bytes())) == master;
            let key = (0..).map(|n| format!("waits:{n}")).find(is_there).unwrap();
            let node = &cluster.nodes[master];
            wait_until("all have caught up", PATIENCE, || {
                let client = node.connect();
                client.cmd(&["INCR", &key]);
                client.cmd(&["WAIT", "2", "1000"]) == Value::Int(2)
            });
        }
    }

    fn stop(self) -> String {
        self.stop_with(0)
    }

    fn signal(&self) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let done = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(done.success());
    }

    fn stop_with(self, code: i32) -> String {
        self.signal();
        self.ends(code)
    }

    fn ends(mut self, code: i32) -> String {
        let child = self.child.take().unwrap();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let all = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(code), "{all}");
        all
    }

    fn crash(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn what_is_stopped_before_a_snapshot_came_is_no_backup() {
    let Some(kind) = require_any(&["redis-7.0"]) else { return };
    // Longer than anybody waits.
    let server = Server::start(&kind, &["--repl-diskless-sync-delay", "3600"]);
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("rdbkit.prom");
    let to = folder.path().join("log");
    for (more, words) in [
        (&["--follow"][..], "there is no backup of it"),
        (&[], "stopped before the snapshot had come whole: nothing was kept of it"),
    ] {
        let mut command = command(&["backup", &server.url(), "-o", path(&to)]);
        command.args(["--metrics", path(&metrics)]).args(more);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut following = Following { child: Some(child), folder: to.clone() };
        wait_until("it asks for a snapshot", PATIENCE, || {
            text(server.cmd(&["INFO", "replication"])).contains("state=wait_bgsave")
        });
        following.signal();
        wait_until("it has heard that", PATIENCE, || {
            following.child.as_mut().unwrap().try_wait().unwrap().is_some()
        });
        let said = following.ends(2);
        assert!(said.contains(words), "{said}");
        let figures = fs::read_to_string(&metrics).unwrap();
        let is_none = |line: &str| line.starts_with("rdbkit_backup_taken") && line.ends_with(" 0");
        assert!(figures.lines().any(is_none), "{figures}");
        assert!(!to.is_file(), "{said}");
        fs::remove_file(&metrics).unwrap();
        let _ = fs::remove_dir_all(&to);
    }
}

#[test]
fn what_follows_a_server_is_what_it_holds() {
    for name in ["redis-7.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = support::servers::require(name) else { continue };
        let server = Server::start(&kind, &AT_ONCE);
        fill::with_every_type(&server);
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("log");
        let load = Load::on(&server);
        let following = Following::start(&server, &to);
        load.more(500);
        following.caught_up(&server.connect());

        // Its connection is lost: it goes on where it was.
        server.cmd(&["CLIENT", "KILL", "TYPE", "replica"]);
        load.more(500);
        following.caught_up(&server.connect());
        server.cmd(&["PUBLISH", "news", "not a write"]);
        let words = following.stop();
        assert!(words.contains("goes on at offset") && words.contains("1 reconnect"), "{words}");
        assert!(names(&to).contains(&"appendonly.aof.1.incr.aof".to_owned()), "{:?}", names(&to));

        // Stopped and begun again; crashed and begun again.
        load.more(200);
        let following = Following::start(&server, &to);
        following.caught_up(&server.connect());
        load.more(200);
        following.crash();
        let following = Following::start(&server, &to);
        following.caught_up(&server.connect());
        load.more(200);

        drop(load);
        following.caught_up(&server.connect());
        let words = following.stop();
        assert!(!words.contains("new base"), "{words}");
        same_as(&server, &kind, &to);

        // The server has lost its history: a new base takes the place of all.
        fill::run(&server, "SET while away\nDEBUG CHANGE-REPL-ID");
        let following = Following::start(&server, &to);
        following.caught_up(&server.connect());
        fill::run(&server, "SET now here");
        following.caught_up(&server.connect());
        let words = following.stop();
        assert!(words.contains("a new snapshot begins a new base"), "{words}");
        let left = names(&to);
        assert!(!left.iter().any(|name| name.contains(".1.")) && left.len() == 5, "{left:?}");
        same_as(&server, &kind, &to);
    }
}

/// Servers that can send a snapshot over a connection of its own, how that is switched on, and what
/// they log of it.
const CHANNELS: [(&str, &str, &str); 5] = [
    ("redis-8.0", "repl-rdb-channel", "(rdb-channel)"),
    ("redis-8.6", "repl-rdb-channel", "(rdb-channel)"),
    ("redis-8.10", "repl-rdb-channel", "(rdb-channel)"),
    ("valkey-8.1", "dual-channel-replication-enabled", "using: dual-channel"),
    ("valkey-9.1", "dual-channel-replication-enabled", "using: dual-channel"),
];

#[test]
fn a_snapshot_with_a_connection_of_its_own_loses_nothing() {
    for (name, option, logged) in CHANNELS {
        let Some(kind) = support::servers::require(name) else { continue };
        let option = format!("--{option}");
        // Slow enough that much is written while the snapshot is being made.
        let slow = [&AT_ONCE[..], &[&option, "yes", "--rdb-key-save-delay", "200"]].concat();
        let server = Server::start(&kind, &slow);
        let channels = || server.log().lines().filter(|line| line.contains(logged)).count();
        let load = Load::on(&server);
        load.more(300);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.rdb");
        run(&["backup", &server.url(), "-o", path(&out)], 0);
        let before = channels();
        assert!(before > 0, "{name}: {}", server.log());
        let told: Json =
            serde_json::from_str(&run(&["get", path(&out), "n", "--format", "json"], 0)).unwrap();
        let steps = told["value"].as_str().and_then(|n| n.parse().ok()).expect("a number");
        let said = json(&folder.path().join("out.rdb.json"));
        assert_eq!(said["digest"]["value"], after_steps(&kind, steps), "{name}");
        // Nothing is kept for whoever does not come back.
        wait_until("the server has forgotten it", PATIENCE, || {
            let info = text(server.cmd(&["INFO", "replication"]));
            info.contains("connected_slaves:0") && !info.contains("waiting_psync:1")
        });

        let to = folder.path().join("log");
        let following = Following::start(&server, &to);
        load.more(500);
        following.caught_up(&server.connect());
        assert!(channels() > before, "{name}: {}", server.log());
        server.cmd(&["CLIENT", "KILL", "TYPE", "replica"]);
        load.more(300);
        following.caught_up(&server.connect());
        drop(load);
        following.caught_up(&server.connect());
        let words = following.stop();
        assert!(words.contains("goes on at offset") && !words.contains("new base"), "{words}");
        same_as(&server, &kind, &to);

        // Who may not ask for it goes without.
        let narrow = "ACL SETUSER narrow on >secret -@all +psync +replconf +ping +info";
        fill::run(&server, narrow);
        let url = format!("redis://narrow:secret@127.0.0.1:{}", server.port());
        let force = ["-o", path(&out), "--force"];
        run(&[&["backup", &url][..], &force].concat(), 0);
        assert_eq!(json(&folder.path().join("out.rdb.json"))["digest"]["value"], server.digest());
        // And so does everybody where it is switched off.
        let before = channels();
        server.cmd(&["CONFIG", "SET", &option[2..], "no"]);
        run(&[&["backup", &server.url()][..], &force].concat(), 0);
        assert_eq!(json(&folder.path().join("out.rdb.json"))["digest"]["value"], server.digest());
        assert_eq!(channels(), before, "{name}");
    }
}

/// Both connections are encrypted, whoever reads.
#[test]
fn over_tls_a_snapshot_has_a_connection_of_its_own_too() {
    let Some(made) = Certificates::make() else { return };
    for (name, option, logged) in CHANNELS {
        let Some(kind) = support::servers::require(name) else { continue };
        let option = format!("--{option}");
        let more = [&AT_ONCE[..], &[&option, "yes", "--tls-auth-clients", "no"]].concat();
        let Some((server, port)) = made.start(&kind, &more) else { continue };
        let channels = || server.log().lines().filter(|line| line.contains(logged)).count();
        server.cmd(&["DEBUG", "POPULATE", "20000", "key", "200"]);
        let url = format!("rediss://localhost:{port}");
        let tls = ["--tls-ca", &made.ca];
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.rdb");
        run(&[&["backup", &url, "-o", path(&out)][..], &tls].concat(), 0);
        let said = json(&folder.path().join("out.rdb.json"));
        assert_eq!(said["digest"]["value"], server.digest(), "{name}");
        let after_backup = channels();
        assert!(after_backup > 0, "{name}: {}", server.log());
        let digest = run(&[&["digest", &url][..], &tls].concat(), 0);
        assert!(digest.starts_with(&server.digest()), "{name}: {digest}");
        let after_digest = channels();
        assert!(after_digest > after_backup, "{name}: {}", server.log());

        let to = folder.path().join("log");
        let following = Following::of(&url, &to, &tls);
        following.caught_up(&server.connect());
        assert!(channels() > after_digest, "{name}: {}", server.log());
        server.cmd(&["CLIENT", "KILL", "TYPE", "replica"]);
        following.caught_up(&server.connect());
        let words = following.stop();
        assert!(words.contains("goes on at offset") && !words.contains("new base"), "{words}");
        same_as(&server, &kind, &to);
        // Nobody is let in who is not vouched for, over neither.
        let other = made.other_authority();
        let force = ["backup", &url, "-o", path(&out), "--force", "--tls-ca", &other];
        assert!(run(&force, 2).contains("certificate"));
    }
}

/// A stream that is in another database when a snapshot is made.
#[test]
fn commands_behind_a_snapshot_are_of_their_database() {
    for (name, option, _) in CHANNELS {
        let Some(kind) = support::servers::require(name) else { continue };
        let option = format!("--{option}");
        let server = Server::start(&kind, &[&AT_ONCE[..], &[&option, "yes"]].concat());
        let folder = tempfile::tempdir().unwrap();
        let client = server.connect();
        client.cmd(&["SELECT", "3"]);
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        // Not by WAIT, which sends something to replicas itself.
        let has = |log: &Path, times: usize| {
            let incr = |name: &String| name.ends_with(".incr.aof");
            let names = if log.exists() { names(log) } else { Vec::new() };
            names.into_iter().find(incr).is_some_and(|name| {
                let text = String::from_utf8(fs::read(log.join(name)).unwrap()).unwrap();
                text.matches("three").count() >= times
            })
        };
        let increments = |log: &Path, times: usize| {
            client.cmd(&["INCR", "three"]);
            wait_until("it follows", PATIENCE, || has(log, times));
        };
        let first = Following::start(&server, &one);
        wait_until("the first one follows", PATIENCE, || has(&one, 0));
        increments(&one, 1);
        // One follows already, so the stream is in its database when the other one begins.
        let second = Following::start(&server, &two);
        wait_until("the second one follows", PATIENCE, || has(&two, 0));
        increments(&two, 1);
        // Killed, so that what is on disk is what goes on.
        second.crash();
        client.cmd(&["INCR", "three"]);
        let second = Following::start(&server, &two);
        increments(&two, 3);
        wait_until("the first one has all", PATIENCE, || has(&one, 4));
        for (following, log) in [(first, &one), (second, &two)] {
            following.stop();
            run(&["check", path(log)], 0);
            let restored = Server::start_with_aof_dir(&kind, log, &[]);
            assert_eq!(restored.digest(), server.digest(), "{name}: {}", log.display());
        }
    }
}

/// A server that loads the log holds what the other one does.
#[track_caller]
fn same_as(server: &Server, kind: &Kind, log: &Path) {
    let digest = server.digest();
    run(&["check", path(log)], 0);
    let restored = Server::start_with_aof_dir(kind, log, &[]);
    assert_eq!(restored.digest(), digest, "{}", kind.name);
    let text = names(log).into_iter().find(|name| name.ends_with(".incr.aof")).unwrap();
    let bytes = fs::read(log.join(text)).unwrap();
    assert!(bytes.is_empty() || bytes.starts_with(b"#TS:"), "{}", kind.name);
    for word in [&b"PUBLISH"[..], b"REPLCONF", b"$4\r\nPING"] {
        assert!(!bytes.windows(word.len()).any(|at| at == word));
    }
}

#[test]
fn a_directory_of_another_is_not_followed_into() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let server = Server::start(&kind, &AT_ONCE);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes"), "mine").unwrap();
    let words = run(&["backup", &server.url(), "--follow", "-o", path(folder.path())], 2);
    assert!(words.contains("directory of its own"), "{words}");
    assert_eq!(names(folder.path()), ["notes"]);
}

/// Two of them in one directory would cut off what the other one writes.
#[test]
fn one_at_a_time_follows_into_a_directory() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let server = Server::start(&kind, &AT_ONCE);
    let (folder, load) = (tempfile::tempdir().unwrap(), Load::on(&server));
    let to = folder.path().join("log");
    let first = Following::start(&server, &to);
    first.caught_up(&server.connect());
    let again = ["backup", &server.url(), "--follow", "-o", path(&to)];
    let words = run(&again, 2);
    assert!(words.contains("two of them would destroy the log"), "{words}");
    load.more(200);
    first.caught_up(&server.connect());
    // One that was killed leaves no lock.
    first.crash();
    let second = Following::start(&server, &to);
    load.more(200);
    drop(load);
    second.caught_up(&server.connect());
    run(&again, 2);
    second.stop();
    same_as(&server, &kind, &to);

    // A file is no directory.
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let words = run(&["backup", &server.url(), "--follow", "-o", path(&file)], 2);
    assert!(words.contains("is a file, and following writes a directory"), "{words}");
}

/// Each shard of a Cluster in a directory of its own, whoever is its master.
#[test]
fn what_follows_a_cluster_is_what_its_nodes_hold() {
    for name in ["redis-8.0", "valkey-9.1"] {
        let Some(kind) = support::servers::require(name) else { continue };
        let mut cluster = Cluster::start(&kind, &AT_ONCE);
        let (folder, url) = (tempfile::tempdir().unwrap(), cluster.url());
        let to = folder.path().join("logs");
        let mut written = 0;
        let mut write = |cluster: &Cluster| {
            let owners: Vec<Client> = cluster.nodes.iter().map(Server::connect).collect();
            let at = |key: &str, words: &[&str]| {
                owners[cluster.owner(slot(key.as_bytes()))].cmd(words);
            };
            for n in written..written + 100 {
                let (counter, list) = (format!("counter:{}", n % 40), format!("list:{}", n % 30));
                at(&counter, &["INCR", &counter]);
                at(&list, &["RPUSH", &list, &n.to_string()]);
            }
            written += 100;
        };
        write(&cluster);
        let following = Following::of(&url, &to, &[]);
        following.caught_up_with(&cluster);
        write(&cluster);
        following.caught_up_with(&cluster);

        // Replicas take over while it follows, and while it does not.
        cluster.fail_over(0, false);
        cluster.settled();
        write(&cluster);
        cluster.kill(1);
        cluster.nodes[1].revive();
        following.caught_up_with(&cluster);
        write(&cluster);
        following.caught_up_with(&cluster);
        let words = following.stop();
        assert_eq!(words.matches("stopped at a whole command").count(), 3, "{words}");
        let of_shards = || {
            let mut names = names(&to);
            names.retain(|name| name != "rdbkit-follow.lock");
            names
        };
        let directories = of_shards();
        assert_eq!(directories.len(), 3, "{directories:?}");
        cluster.fail_over(2, false);
        cluster.settled();
        write(&cluster);
        let following = Following::of(&url, &to, &[]);
        following.caught_up_with(&cluster);
        let words = following.stop();
        assert!(!words.contains("a new snapshot"), "{words}");
        assert_eq!(of_shards(), directories, "{words}");

        // What is not its own is left alone.
        let one = to.join(&directories[0]);
        let words_of = run(&["backup", &url, "--follow", "-o", path(&one)], 2);
        assert!(words_of.contains("is the log of one server"), "{words_of}");
        fs::write(folder.path().join("notes"), "mine").unwrap();
        let words_of = run(&["backup", &url, "--follow", "-o", path(folder.path())], 2);
        assert!(words_of.contains("nothing in it is a log"), "{words_of}");

        // Each of the logs holds what one of the nodes does.
        let masters = cluster.masters();
        let mut held: Vec<String> =
            masters.iter().map(|&master| cluster.nodes[master].digest()).collect();
        let mut logged: Vec<String> = directories
            .iter()
            .map(|directory| {
                let log = to.join(directory);
                run(&["check", path(&log)], 0);
                Server::start_with_aof_dir(&kind, &log, &[]).digest()
            })
            .collect();
        held.sort();
        logged.sort();
        assert_eq!(logged, held, "{name}: {words}");
    }
}

#[test]
fn a_master_that_joins_is_followed_too() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0", "valkey-9.1"]) else { return };
    let cluster = Cluster::start(&kind, &AT_ONCE);
    let (folder, url) = (tempfile::tempdir().unwrap(), cluster.url());
    let to = folder.path().join("logs");
    cluster.at(b"a", &["SET", "a", "b"]);
    let following = Following::of(&url, &to, &[]);
    following.caught_up_with(&cluster);
    assert_eq!(names(&to).len(), 4);

    // A replica leaves its master, and comes back as one.
    let slot = slot(b"a");
    let new = cluster.replica_of(cluster.owner(slot));
    let node = &cluster.nodes[new];
    node.connect().cmd(&["CLUSTER", "RESET", "SOFT"]);
    let bus = node.connect().cmd(&["CONFIG", "GET", "cluster-port"]);
    let Value::Array(bus) = bus else { panic!("{bus:?}") };
    let other = cluster.nodes[cluster.owner(slot)].connect();
    let (port, bus) = (node.port().to_string(), text(bus[1].clone()));
    wait_until("the node is met", PATIENCE, || {
        other.cmd(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        sleep(Duration::from_millis(500));
        let is_up = text(node.connect().cmd(&["CLUSTER", "INFO"])).contains("cluster_state:ok");
        is_up && cluster.nodes.iter().all(|other| seen(other).len() == 6)
    });
    cluster.migrate(slot, new, || ());
    let log = to.join(format!("127.0.0.1-{port}"));
    wait_until("it is followed", PATIENCE, || log.join("appendonly.aof.manifest").exists());
    let client = node.connect();
    client.cmd(&["SET", "{a}", "c"]);
    assert_eq!(client.cmd(&["WAIT", "1", "30000"]), Value::Int(1));
    let words = following.stop();
    assert_eq!(words.matches("stopped at a whole command").count(), 4, "{words}");
    let logged = Server::start_with_aof_dir(&kind, &log, &[]).digest();
    assert_eq!(logged, text(client.cmd(&["DEBUG", "DIGEST"])), "{words}");
}
