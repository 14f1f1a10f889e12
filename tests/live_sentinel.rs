//! Sentinels as the way to a target: the master they name, through failovers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::process::Command;
use std::time::Duration;

use rdbkit::live::{Address, Connector, Endpoint, Sentinels, Timeouts, TlsOptions};
use redis::Value;
use support::client::text;
use support::mishaps::{EARLY, cut_off, join_again, survives, survives_kills};
use support::random::Random;
use support::replayer::{Replayer, chaos, log, snapshot};
use support::sentinel::Watched;
use support::servers::require;
use support::wait_until;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

fn sentinels(url: &str) -> (Sentinels, Connector) {
    let endpoint: Endpoint = url.parse().unwrap();
    let connector = Connector::new(&endpoint, &TlsOptions::default(), Timeouts::default()).unwrap();
    (Sentinels::of(&endpoint, &connector).unwrap(), connector)
}

fn local(port: u16) -> Address {
    Address::Tcp("127.0.0.1".into(), port)
}

#[test]
fn the_master_is_asked_from_the_sentinels() {
    let Some(kind) = require("redis-8.0") else { return };
    let mut watched = Watched::start(&kind, &[]);
    let first = watched.master_port();
    assert_eq!(first, watched.servers[0].port());

    let (mut asked, servers) = sentinels(&watched.url());
    assert_eq!(asked.master().unwrap(), local(first));
    assert!(asked.connect(&servers).is_ok());
    let mut want: Vec<Address> =
        watched.servers[1..].iter().map(|server| local(server.port())).collect();
    want.sort();
    // One that is slow for a moment is not named then.
    wait_until("both replicas are named", Duration::from_secs(60), || {
        let mut replicas = asked.replicas().unwrap();
        replicas.sort();
        replicas == want
    });

    // One that nobody is at, and one that lives, from which the others are learnt.
    let some =
        format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{}/service", watched.sentinels[2].port());
    let (mut one, _) = sentinels(&some);
    assert_eq!(one.master().unwrap(), local(first));
    watched.sentinels[2].crash();
    assert_eq!(one.master().unwrap(), local(first));
    watched.sentinels[2].revive();
    watched.settled();

    watched.fail_over();
    watched.settled();
    let dead = watched.kill_master();
    assert_ne!(dead, 0);
    // Each of the Sentinels hears of it in its own time; the first master may be the next one again.
    let gone = local(watched.servers[dead].port());
    wait_until("another master is named", Duration::from_secs(20), || {
        asked.master().is_ok_and(|master| master != gone)
    });
    asked.connect(&servers).unwrap();
    watched.servers[dead].revive();
    watched.settled();

    let place = watched.sentinels[0].port();
    let check = |url: &str, passing: bool, want: &str| {
        let (mut asked, servers) = sentinels(url);
        let failure = asked.connect(&servers).unwrap_err();
        assert_eq!(failure.is_passing(), passing, "{failure}");
        assert_eq!(failure.to_string(), want);
    };
    check(
        &format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{place}/other"),
        false,
        &format!(
            "127.0.0.1:{place} is a Sentinel that knows no service \"other\"; it knows service"
        ),
    );
    check(
        "redis+sentinel://127.0.0.1:1,127.0.0.1:2/service",
        true,
        "no Sentinel of \"service\" answers (127.0.0.1:1: Connection refused (os error 111); \
         127.0.0.1:2: Connection refused (os error 111)): are they running, and are these the \
         ports of Sentinels?",
    );
    let server = watched.servers[0].port();
    check(
        &format!("redis+sentinel://127.0.0.1:{server}/service"),
        false,
        &format!("127.0.0.1:{server} is a server and no Sentinel: redis:// is its URL"),
    );

    // Sentinels have a login of their own.
    let words = ["ACL", "SETUSER", "default", "resetpass", ">outer"];
    assert!(watched.sentinels[0].accepts(&words));
    check(
        &format!("redis+sentinel://127.0.0.1:{place}/service"),
        false,
        &format!(
            "127.0.0.1:{place} is a Sentinel that does not let us in: NOAUTH Authentication \
             required.; Sentinels have a login of their own: sentinel_user=… and \
             sentinel_password=… in the URL"
        ),
    );
    let url = format!("redis+sentinel://127.0.0.1:{place}/service?sentinel_password=outer");
    let (mut asked, servers) = sentinels(&url);
    asked.connect(&servers).unwrap();
}

/// What happens to the servers, or to the replay, while it is at work.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// The replay is killed again and again.
    ReplayKilled,
    /// A replica becomes the master while the old one lives.
    FailOver,
    /// The same when the replay is about to end, or has just ended.
    FailOverAtTheEnd,
    /// The master dies.
    MasterDies,
    /// It dies when the replay is about to end, or has just ended.
    MasterDiesAtTheEnd,
}

const MISHAPS: [Mishap; 5] = [
    Mishap::ReplayKilled,
    Mishap::FailOver,
    Mishap::FailOverAtTheEnd,
    Mishap::MasterDies,
    Mishap::MasterDiesAtTheEnd,
];

#[track_caller]
fn survive(
    watched: &mut Watched,
    mishap: Mishap,
    random: &mut Random,
    replay: &dyn Fn() -> Replayer,
) {
    if let Mishap::ReplayKilled = mishap {
        return survives_kills(random, replay);
    }
    // Replays of these tests take a little over two seconds.
    let when = match mishap {
        Mishap::FailOverAtTheEnd | Mishap::MasterDiesAtTheEnd => 1000..3000,
        _ => EARLY,
    };
    survives((&mishap, when), random, replay, |_| match mishap {
        Mishap::ReplayKilled => {}
        Mishap::FailOver | Mishap::FailOverAtTheEnd => watched.fail_over(),
        Mishap::MasterDies | Mishap::MasterDiesAtTheEnd => {
            let dead = watched.kill_master();
            watched.servers[dead].revive();
        }
    });
}

/// Without mishaps, behind Sentinels of other servers.
#[test]
fn everything_arrives_behind_every_kind_of_sentinel() {
    for name in ["redis-7.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let watched = Watched::start(&kind, &[]);
        let folder = tempfile::tempdir().unwrap();
        let (single, path) = snapshot(&kind, 33, 3000);
        let (other, logged) = log(&kind, 34, (500, 8000), true);
        for (source, options, digest) in [
            (&path, &["--verify", "full"][..], single.digest()),
            (&logged, &["--as", "log"], other.digest()),
            (&logged, &["--verify", "full"], other.digest()),
        ] {
            Replayer::start(folder.path(), source, &watched.url(), options).succeeds();
            assert_eq!(watched.digest(), digest, "{name} {options:?}");
            watched.cmd(&["FLUSHALL"]);
        }
    }
}

/// A replica that is promoted without having heard that the master was emptied, nor of the replay.
#[test]
fn who_takes_over_at_the_beginning_hears_of_the_replay() {
    let Some(kind) = require("redis-8.0") else { return };
    let watched = Watched::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (single, path) = snapshot(&kind, 53, 3000);
    let (other, logged) = log(&kind, 54, (500, 8000), true);
    for (source, options, digest) in [
        (&logged, &["--as", "log"][..], other.digest()),
        (&path, &["--verify", "none"], single.digest()),
    ] {
        watched.cmd(&["SET", "old", "v"]);
        watched.settled();
        let master = watched.master_port();
        let replicas: Vec<_> =
            watched.servers.iter().filter(|server| server.port() != master).collect();
        wait_until("the replicas have it", PATIENCE, || {
            replicas
                .iter()
                .all(|replica| replica.connect().cmd(&["EXISTS", "old"]) == Value::Int(1))
        });
        watched.cmd(&["CONFIG", "RESETSTAT"]);
        replicas.iter().for_each(|replica| cut_off(replica));
        let options = [options, &["--flush-first", "--yes", "--no-state"]].concat();
        let replay = Replayer::start(folder.path(), source, &watched.url(), &options);
        wait_until("the master waits for its replicas", PATIENCE, || {
            text(watched.cmd(&["INFO", "commandstats"])).contains("cmdstat_wait:calls=")
        });
        watched.fail_over();
        replicas.iter().for_each(|replica| join_again(replica));
        replay.succeeds();
        watched.settled();
        assert_eq!(watched.digest(), digest, "{options:?}");
        watched.cmd(&["FLUSHALL"]);
    }
}

/// A master that has just died, and that the Sentinels still name.
#[test]
fn a_failover_is_waited_for_at_the_beginning() {
    let Some(kind) = require("redis-8.0") else { return };
    let mut watched = Watched::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (single, path) = snapshot(&kind, 55, 1000);
    let (other, logged) = log(&kind, 56, (100, 1000), true);
    let backup = folder.path().join("backup.rdb");
    let url = watched.url();
    for (what, digest) in [
        (&["replay", path.to_str().unwrap(), "--no-state", "--to", &url][..], single.digest()),
        (&["replay", logged.to_str().unwrap(), "--no-state", "--to", &url], other.digest()),
        (&["replay", logged.to_str().unwrap(), "--as", "log", "--to", &url], other.digest()),
        (&["backup", &url, "-o", backup.to_str().unwrap()], String::new()),
    ] {
        watched.settled();
        watched.cmd(&["FLUSHALL"]);
        let before = watched.master_port();
        let dead = watched.servers.iter().position(|server| server.port() == before).unwrap();
        watched.servers[dead].crash();
        let output = Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(what).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what:?}: {told}");
        // Sentinels hear of it one after the other.
        wait_until("another one is master", PATIENCE, || watched.master_port() != before);
        if !digest.is_empty() {
            assert_eq!(watched.digest(), digest, "{what:?}");
        }
        watched.servers[dead].revive();
    }
}

#[test]
fn everything_arrives_whatever_happens() {
    let Some(kind) = require("redis-8.0") else { return };
    let (single, path) = snapshot(&kind, 3, 20_000);
    let digest = single.digest();
    let (single, logged) = log(&kind, 4, (1000, 60_000), true);
    let log_digest = single.digest();
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(&kind, &[]);
    let url = watched.url();
    let (rounds, mut random) = chaos(&MISHAPS, 9);
    for (round, mishap) in rounds {
        watched.settled();
        watched.cmd(&["FLUSHALL"]);
        let replay =
            || Replayer::start(folder.path(), &path, &url, &["--rate", "9000", "--verify", "none"]);
        survive(&mut watched, mishap, &mut random, &replay);
        let left = watched.cmd(&["KEYS", "rdbkit:*"]);
        let keys = watched.cmd(&["DBSIZE"]);
        assert_eq!(watched.digest(), digest, "{mishap:?} {round}: {keys:?} keys, {left:?}");

        watched.settled();
        watched.cmd(&["FLUSHALL"]);
        let replay =
            || Replayer::start(folder.path(), &logged, &url, &["--as", "log", "--rate", "12000"]);
        survive(&mut watched, mishap, &mut random, &replay);
        assert_eq!(watched.digest(), log_digest, "{mishap:?} {round}");
    }
}
