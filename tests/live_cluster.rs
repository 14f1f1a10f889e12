//! A Cluster as the target of a replay: routed by slot, through failovers and slot migrations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdbkit::bytes::slot::slot;
use rdbkit::live::{Address, Connector, Endpoint, Place, Timeouts, TlsOptions, Topology};
use redis::Value;
use support::client::text;
use support::cluster::Cluster;
use support::mishaps::{EARLY, cut_off, join_again, survives, survives_kills};
use support::random::Random;
use support::replayer::{Replayer, act, chaos, log, snapshot};
use support::servers::{Server, require, require_any};
use support::wait_until;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

fn discover(url: &str) -> Result<Topology, rdbkit::live::Failure> {
    let endpoint: Endpoint = url.parse().unwrap();
    let connector = Connector::new(&endpoint, &TlsOptions::default(), Timeouts::default()).unwrap();
    let Place::Cluster { seeds } = &endpoint.place else { panic!("{url}") };
    Topology::discover(&connector, seeds)
}

/// That we see the masters and replicas that the nodes see.
#[track_caller]
fn same_topology(cluster: &Cluster) {
    let ours = discover(&cluster.url()).unwrap();
    for slot in [0, 1, 5460, 5461, 9999, 16383] {
        let port = cluster.nodes[cluster.owner(slot)].port();
        let shard = &ours.shards()[ours.owner(slot).unwrap()];
        assert_eq!(shard.master, Address::Tcp("127.0.0.1".into(), port));
    }
    cluster.tells_of_replicas();
    for node in &cluster.nodes {
        let ours = discover(&node.url().replace("redis:", "redis+cluster:")).unwrap();
        assert!(ours.shards().iter().all(|shard| shard.replicas.len() == 1), "{ours:?}");
    }
}

/// What the other tests rely on: the sum over the nodes is what one server says.
#[test]
fn the_digest_of_a_cluster_is_that_of_one_server() {
    let Some(kind) = require("redis-8.0") else { return };
    let mut cluster = Cluster::start(&kind, &[]);
    let single = Server::start(&kind, &[]);
    assert_eq!(cluster.digest(), single.digest());
    for n in 0..200 {
        let (key, value) = (format!("key:{n}"), n.to_string());
        assert_eq!(cluster.at(key.as_bytes(), &["SET", &key, &value]), Value::Okay);
        single.cmd(&["SET", &key, &value]);
    }
    for n in 0..30 {
        let key = format!("{{tag}}:{n}");
        assert_eq!(cluster.at(b"tag", &["SET", &key, "v"]), Value::Okay);
        single.cmd(&["SET", &key, "v"]);
    }
    assert_eq!((cluster.digest(), cluster.keys()), (single.digest(), 230));

    same_topology(&cluster);
    let refused = discover(&single.url().replace("redis:", "redis+cluster:")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "127.0.0.1:{} is no node of a Cluster (cluster-enabled no): a single server is \
             redis:// rather than redis+cluster://",
            single.port()
        )
    );
    let refused = discover("redis+cluster://127.0.0.1:1").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no node of the Cluster answers (127.0.0.1:1: Connection refused (os error 111)): are \
         they running, and are the addresses right?"
    );

    let before = cluster.owner(slot(b"tag"));
    cluster.migrate(slot(b"tag"), (before + 1) % 3, || ());
    assert_eq!(cluster.owner(slot(b"tag")), (before + 1) % 3);
    cluster.settled();
    assert_eq!((cluster.digest(), cluster.keys()), (single.digest(), 230));
    cluster.fail_over(0, false);
    cluster.settled();
    cluster.fail_over(1, true);
    cluster.settled();
    cluster.kill(2);
    cluster.nodes[2].revive();
    cluster.settled();
    assert_eq!(cluster.masters(), [3, 4, 5]);
    same_topology(&cluster);
    assert_eq!((cluster.digest(), cluster.keys()), (single.digest(), 230));
}

/// The comparison follows a slot that is moving, and one that has moved, as what is sent does.
#[test]
fn what_moves_is_compared_where_it_is() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let cluster = Cluster::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("x.aof");
    let line = |n: usize| {
        let key = format!("{{moves}}:{n:03}");
        format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$1\r\nv\r\n", key.len())
    };
    std::fs::write(&log, (0..300).map(line).collect::<String>()).unwrap();
    let moving = slot(b"moves");
    let (from, to) = (cluster.owner(moving), (cluster.owner(moving) + 1) % 3);
    let number = moving.to_string();
    let set = |node: usize, what: &str, other: usize| {
        let words = ["CLUSTER", "SETSLOT", &number, what, &cluster.ids[other]];
        assert_eq!(cluster.nodes[node].cmd(&words), Value::Okay, "{words:?}");
    };
    set(to, "IMPORTING", from);
    set(from, "MIGRATING", to);
    let replay = || {
        Command::new(env!("CARGO_BIN_EXE_rdbkit"))
            .args(["replay", log.to_str().unwrap(), "--to", &cluster.url(), "--no-state"])
            .args(["--verify", "full"])
            .output()
            .unwrap()
    };
    for _ in 0..2 {
        let done = replay();
        let told = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(done.status.success() && told.contains("no difference"), "{told}");
        assert_eq!(cluster.keys(), 300, "{told}");
        // The next time it has moved, and nobody but its new owner knows.
        set(to, "NODE", to);
    }
}

/// What happens to a Cluster, or to the replay, while it is loaded.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// The replay is killed again and again.
    ReplayKilled,
    /// A replica takes over, in agreement with its master.
    FailOver,
    /// A replica takes over by force, behind or not.
    TakeOver,
    /// The same when the replay is about to end, or has just ended.
    TakeOverAtTheEnd,
    /// A master dies and its replica takes over.
    MasterDies,
    /// The same when the replay is about to end, or has just ended.
    MasterDiesAtTheEnd,
    /// A master that keeps nothing on disk starts again, and comes back empty.
    MasterForgets,
    /// Slots move to other masters, key by key.
    SlotsMove,
    /// Slots move to other masters, many at once, as newer servers can.
    SlotsMoveAtOnce,
}

const MISHAPS: [Mishap; 8] = [
    Mishap::ReplayKilled,
    Mishap::FailOver,
    Mishap::TakeOver,
    Mishap::TakeOverAtTheEnd,
    Mishap::MasterDies,
    Mishap::MasterDiesAtTheEnd,
    Mishap::MasterForgets,
    Mishap::SlotsMove,
];

/// Replays while a mishap happens; the replay ends well.
#[track_caller]
fn survive(
    cluster: &mut Cluster,
    mishap: Mishap,
    random: &mut Random,
    replay: &dyn Fn() -> Replayer,
) {
    if let Mishap::ReplayKilled = mishap {
        return survives_kills(random, replay);
    }
    // Replays of these tests take a little over two seconds.
    let when = match mishap {
        Mishap::TakeOverAtTheEnd | Mishap::MasterDiesAtTheEnd => 1500..3500,
        _ => EARLY,
    };
    survives((&mishap, when), random, replay, |random| {
        let masters = cluster.masters();
        let victim = *random.pick(&masters);
        match mishap {
            Mishap::ReplayKilled => {}
            Mishap::FailOver => cluster.fail_over(victim, false),
            Mishap::TakeOver | Mishap::TakeOverAtTheEnd => cluster.fail_over(victim, true),
            Mishap::MasterDies | Mishap::MasterDiesAtTheEnd => {
                cluster.kill(victim);
                cluster.nodes[victim].revive();
            }
            Mishap::MasterForgets => {
                cluster.nodes[victim].crash();
                cluster.nodes[victim].revive();
            }
            Mishap::SlotsMove => {
                for n in 0..12 {
                    // One with keys in it, so that there is something to move; and the first slot
                    // of a master, where a replay keeps keys of its own.
                    let key = format!("list:{}", random.below(300));
                    let slot = if n == 3 { 5461 } else { slot(key.as_bytes()) };
                    cluster.migrate(slot, *random.pick(&masters), || {
                        sleep(Duration::from_millis(5));
                    });
                }
            }
            Mishap::SlotsMoveAtOnce => {
                for n in 0..4 {
                    let key = format!("list:{}", random.below(300));
                    let slot = if n == 1 { 5461 } else { slot(key.as_bytes()) };
                    cluster.migrate_at_once(slot, 500, *random.pick(&masters));
                }
            }
        }
    });
}

#[test]
fn a_snapshot_arrives_whatever_happens() {
    let Some(kind) = require("redis-8.0") else { return };
    let (single, path) = snapshot(&kind, 1, 20_000);
    let (digest, keys) = (single.digest(), 20_000);
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(&kind, &[]);
    let url = cluster.url();
    let (rounds, mut random) = chaos(&MISHAPS, 7);
    for (round, mishap) in rounds {
        cluster.settled();
        cluster.empty();
        let replay =
            || Replayer::start(folder.path(), &path, &url, &["--rate", "9000", "--verify", "none"]);
        survive(&mut cluster, mishap, &mut random, &replay);
        cluster.settled();
        assert_eq!(
            (cluster.digest(), cluster.keys()),
            (digest.clone(), keys),
            "{mishap:?} {round}"
        );
    }
}

/// Into Clusters of servers that can move slots at once, each of which has its own way.
#[test]
fn everything_arrives_while_slots_move_at_once() {
    for names in [&["valkey-9.1"][..], &["redis-8.10", "redis-8.6"]] {
        let Some(kind) = require_any(names) else { continue };
        let name = &kind.name;
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Cluster::start(&kind, &[]);
        let url = cluster.url();
        let mut random = Random::new(17);
        let (single, path) = snapshot(&kind, 41, 20_000);
        let (other, logged) = log(&kind, 42, (2000, 50_000), true);
        let slow = ["--rate", "9000", "--verify", "none"];
        let by_log = ["--as", "log", "--rate", "12000"];
        for (source, options, digest) in
            [(&path, &slow[..], single.digest()), (&logged, &by_log, other.digest())]
        {
            for mishap in [Mishap::SlotsMoveAtOnce, Mishap::SlotsMove] {
                let replay = || Replayer::start(folder.path(), source, &url, options);
                survive(&mut cluster, mishap, &mut random, &replay);
                cluster.settled();
                assert_eq!(cluster.digest(), digest, "{name} {mishap:?} {options:?}");
                cluster.empty();
            }
        }
    }
}

/// Without mishaps, into Clusters of other servers.
#[test]
fn everything_arrives_in_every_kind_of_cluster() {
    for name in ["redis-7.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let cluster = Cluster::start(&kind, &[]);
        same_topology(&cluster);
        let folder = tempfile::tempdir().unwrap();
        let (single, path) = snapshot(&kind, 31, 3000);
        let (other, logged) = log(&kind, 32, (500, 8000), true);
        for (source, options, digest) in [
            (&path, &["--verify", "full"][..], single.digest()),
            (&logged, &["--as", "log"], other.digest()),
            (&logged, &["--verify", "full"], other.digest()),
        ] {
            Replayer::start(folder.path(), source, &cluster.url(), options).succeeds();
            cluster.settled();
            assert_eq!(cluster.digest(), digest, "{name} {options:?}");
            cluster.empty();
        }
    }
}

#[test]
fn a_log_takes_effect_once_whatever_happens() {
    let Some(kind) = require("redis-8.0") else { return };
    let (single, path) = log(&kind, 2, (2000, 60_000), true);
    let digest = single.digest();
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(&kind, &[]);
    let url = cluster.url();
    let (rounds, mut random) = chaos(&MISHAPS, 8);
    for (round, mishap) in rounds {
        cluster.settled();
        cluster.empty();
        let replay =
            || Replayer::start(folder.path(), &path, &url, &["--as", "log", "--rate", "12000"]);
        survive(&mut cluster, mishap, &mut random, &replay);
        cluster.settled();
        assert_eq!(cluster.digest(), digest, "{mishap:?} {round}");
    }
}

/// A log that empties the servers, loads a library, and renames keys across slots.
#[test]
fn what_a_log_does_to_all_nodes() {
    let Some(kind) = require("redis-8.0") else { return };
    let single = Server::start(&kind, &["--appendonly", "yes", "--appendfsync", "no"]);
    let client = single.connect();
    act(&client, 5, 5000, true);
    client.cmd(&["FLUSHALL"]);
    let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    client.cmd(&["FUNCTION", "LOAD", code]);
    act(&client, 6, 20_000, true);
    let (digest, path) = (single.digest(), single.dir().join("appendonlydir"));
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&kind, &[]);
    let url = cluster.url();
    let start = |options: &[&str]| {
        let options = [&["--as", "log"], options].concat();
        Replayer::start(folder.path(), &path, &url, &options)
    };
    let mut random = Random::new(11);
    for _ in 0..4 {
        let replayer = start(&[]);
        sleep(Duration::from_millis(50 + random.below(500) as u64));
        replayer.kill();
    }
    start(&[]).succeeds();
    assert_eq!(cluster.digest(), digest);
    for master in cluster.masters() {
        let listed = format!("{:?}", cluster.nodes[master].cmd(&["FUNCTION", "LIST"]));
        assert!(listed.contains("lib"), "{listed}");
    }

    // Two at once: the second one is told, and the first one ends well.
    cluster.empty();
    let first = start(&["--rate", "5000"]);
    wait_until("the first one holds the masters", PATIENCE, || {
        let is_held = |master: usize| {
            let locks = cluster.nodes[master].connect().cmd(&["KEYS", "rdbkit:replay:lock*"]);
            matches!(locks, Value::Array(locks) if !locks.is_empty())
        };
        cluster.masters().into_iter().all(is_held)
    });
    let second = start(&[]);
    let (status, told) = second.ends();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("another replay (rdbkit-"), "{told}");
    first.succeeds();
    assert_eq!(cluster.digest(), digest);

    // What cannot be run is reported, or is a reason to send nothing.
    client.cmd(&["SET", "one", "1"]);
    client.cmd(&["RENAME", "one", "two"]);
    cluster.empty();
    let (status, told) = start(&["--cross-slot", "fail"]).ends();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("--cross-slot split"), "{told}");
    assert_eq!(cluster.keys(), 0);
    let (status, told) = start(&["--restart", "--flush-first", "--yes"]).ends();
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told.contains("its keys are in several slots of the Cluster"), "{told}");
}

/// A replica that is promoted without having heard that the servers were emptied, nor of the replay.
#[test]
fn who_takes_over_at_the_beginning_is_emptied_as_well() {
    let Some(kind) = require("redis-8.0") else { return };
    let cluster = Cluster::start(&kind, &[]);
    let url = cluster.url();
    let folder = tempfile::tempdir().unwrap();
    let (single, path) = snapshot(&kind, 51, 3000);
    let (other, logged) = log(&kind, 52, (500, 8000), true);
    for (source, options, digest) in [
        (&path, &["--verify", "none"][..], single.digest()),
        (&logged, &["--as", "log"], other.digest()),
    ] {
        cluster.settled();
        for n in 0..50 {
            let key = format!("old:{n}");
            cluster.at(key.as_bytes(), &["SET", &key, "v"]);
        }
        let masters = cluster.masters();
        let replica = cluster.replica_of(masters[0]);
        wait_until("the replica has it", PATIENCE, || {
            cluster.nodes[masters[0]].cmd(&["WAIT", "1", "100"]) == Value::Int(1)
        });
        cluster.tells_of_replicas();
        cut_off(&cluster.nodes[replica]);
        cluster.nodes[masters[0]].cmd(&["CONFIG", "RESETSTAT"]);
        let options = [options, &["--flush-first", "--yes", "--no-state"]].concat();
        let replay = Replayer::start(folder.path(), source, &url, &options);
        wait_until("the master waits for its replica", PATIENCE, || {
            let stats = text(cluster.nodes[masters[0]].cmd(&["INFO", "commandstats"]));
            stats.contains("cmdstat_wait:calls=")
        });
        cluster.fail_over(masters[0], true);
        join_again(&cluster.nodes[replica]);
        replay.succeeds();
        cluster.settled();
        assert_eq!(cluster.digest(), digest, "{options:?}");
        cluster.empty();
    }
}

/// A master that has just died, and that the others still name.
#[test]
fn a_failover_is_waited_for_at_the_beginning() {
    let Some(kind) = require("redis-8.0") else { return };
    let mut cluster = Cluster::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (single, path) = snapshot(&kind, 57, 1000);
    let (other, logged) = log(&kind, 58, (100, 1000), true);
    let backup = folder.path().join("backups/");
    let url = cluster.url();
    for (what, digest) in [
        (&["replay", path.to_str().unwrap(), "--no-state", "--to", &url][..], single.digest()),
        (&["replay", logged.to_str().unwrap(), "--no-state", "--to", &url], other.digest()),
        (&["replay", logged.to_str().unwrap(), "--as", "log", "--to", &url], other.digest()),
        (&["backup", &url, "-o", backup.to_str().unwrap()], other.digest()),
    ] {
        cluster.settled();
        if what[0] == "replay" {
            cluster.empty();
        }
        let dead = cluster.masters()[0];
        cluster.nodes[dead].crash();
        let output = Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(what).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what:?}: {told}");
        // Nodes hear of it one after the other.
        wait_until("another one is master", PATIENCE, || !cluster.masters().contains(&dead));
        cluster.nodes[dead].revive();
        cluster.settled();
        assert_eq!(cluster.digest(), digest, "{what:?}");
    }
}

/// A Cluster that is down because nobody serves a slot, until somebody does.
#[test]
fn a_cluster_that_is_down_is_waited_for_at_the_beginning() {
    let Some(kind) = require("redis-8.0") else { return };
    let cluster = Cluster::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (single, path) = snapshot(&kind, 59, 1000);
    let (other, logged) = log(&kind, 60, (100, 1000), true);
    let owner = &cluster.nodes[cluster.owner(7)];
    for (source, options, digest) in [
        (&path, &["--verify", "full"][..], single.digest()),
        (&logged, &["--verify", "full"], other.digest()),
        (&logged, &["--as", "log"], other.digest()),
    ] {
        cluster.nodes.iter().for_each(|node| drop(node.cmd(&["CLUSTER", "DELSLOTS", "7"])));
        let options = [options, &["--no-state"]].concat();
        let mut replay = Replayer::start(folder.path(), source, &cluster.url(), &options);
        sleep(Duration::from_millis(1000));
        assert!(replay.is_at_work(), "{options:?}: {}", replay.ends().1);
        assert_eq!(cluster.keys(), 0, "{options:?}");
        assert_eq!(owner.cmd(&["CLUSTER", "ADDSLOTS", "7"]), Value::Okay);
        replay.succeeds();
        cluster.settled();
        assert_eq!(cluster.digest(), digest, "{options:?}");
        cluster.empty();
    }
    // Nothing is under way that would give it to somebody: that is no matter of patience.
    cluster.nodes.iter().for_each(|node| drop(node.cmd(&["CLUSTER", "DELSLOTS", "7"])));
    let began = Instant::now();
    let (status, told) = Replayer::start(folder.path(), &path, &cluster.url(), &[]).ends();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("nobody who serves 1 of the 16384 slots (7)"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn a_source_is_split_as_the_cluster_has_its_slots() {
    let Some(kind) = require("redis-8.0") else { return };
    let cluster = Cluster::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rdbkit = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
        let output = command.current_dir(folder.path()).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let key = |n: u32| format!("{{\"key\":\"key:{n}\",\"type\":\"list\",\"value\":[\"{n}\"]}}\n");
    std::fs::write(path("all"), (0..300).map(key).collect::<String>()).unwrap();
    let url = cluster.url();
    // A slot in the middle of one range goes to another master, which has two ranges then.
    let moved = slot(b"key:1");
    let to = cluster.masters().into_iter().find(|&node| node != cluster.owner(moved)).unwrap();
    let (code, said) = rdbkit(&["replay", "all", "--to", &url, "--no-state"]);
    assert_eq!(code, Some(0), "{said}");
    cluster.migrate(moved, to, || {});
    cluster.settled();
    let one = format!("redis://127.0.0.1:{}", cluster.nodes[0].port());
    for (out, seed) in [("of-many", url.as_str()), ("of-one", one.as_str())] {
        let (code, said) = rdbkit(&["split", "all", "-o", out, "--cluster", seed]);
        assert_eq!(code, Some(0), "{said}");
        for master in cluster.masters() {
            let node = &cluster.nodes[master];
            let part = format!("{out}/node-127.0.0.1%3A{}.rdb", node.port());
            let open = rdbkit::source::OpenOptions::default();
            let source = rdbkit::source::open(&path(&part).as_os_str().into(), &open).unwrap();
            let options = rdbkit::ops::digest::DigestOptions::default();
            let digest = rdbkit::ops::digest::digest(source, &options, &rdbkit::ops::walk::Silent);
            assert_eq!(digest.unwrap().digest, node.digest(), "{part}");
        }
        assert_eq!(std::fs::read_dir(path(out)).unwrap().count(), 4);
    }
    let single = Server::start(&kind, &[]);
    // A Cluster has one database: it is said before anything is sent, and nothing is kept of it.
    single.cmd(&["SELECT", "1"]);
    single.cmd(&["SET", "of-one", "v"]);
    std::fs::copy(single.save(), path("dump.rdb")).unwrap();
    let (code, said) = rdbkit(&["replay", "dump.rdb", "--to", &url]);
    assert!(code == Some(2) && said.contains("--map-db 1=0"), "{said}");
    let (code, said) = rdbkit(&["replay", "dump.rdb", "--to", &url, "--map-db", "1=0"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = rdbkit(&["split", "all", "-o", "x", "--cluster", &single.url()]);
    assert_eq!(code, Some(2));
    assert!(said.contains("is no node of a Cluster") && !path("x").exists(), "{said}");
}

#[test]
fn fixtures_arrive_by_slot() {
    let Some(kind) = require("redis-8.0") else { return };
    let cluster = Cluster::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    for fixture in
        ["redis-8.0.6-alltypes.rdb", "redis-7.0.15-alltypes.rdb", "redis-2.8.17-alltypes.rdb"]
    {
        cluster.empty();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
        let options = ["--db", "0", "--no-state", "--verify", "full"];
        Replayer::start(folder.path(), &path, &cluster.url(), &options).succeeds();
        // The same keys in one server, without those of other databases.
        let single = Server::start_with_rdb(&kind, &std::fs::read(&path).unwrap(), &[]);
        let client = single.connect();
        for database in 1..64 {
            client.cmd(&["SELECT", &database.to_string()]);
            client.cmd(&["FLUSHDB"]);
        }
        assert_eq!(cluster.digest(), single.digest(), "{fixture}");
        let Value::Int(keys) = single.cmd(&["DBSIZE"]) else { panic!("no number") };
        assert_eq!(cluster.keys(), keys as u64, "{fixture}");
        // And that is the digest that we compute.
        let digest = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
            .arg("digest")
            .arg(single.save())
            .output()
            .unwrap();
        let told = String::from_utf8(digest.stdout).unwrap();
        assert!(told.contains(&cluster.digest()), "{fixture}: {told}");
    }
    // A Cluster has one database.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/redis-7.0.15-alltypes.rdb");
    let replay = Replayer::start(folder.path(), &path, &cluster.url(), &["--no-state"]);
    let (status, told) = replay.ends();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("=0 sends them elsewhere"), "{told}");
}
