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

use rdbkit::bytes::slot::slot;
use redis::Value;
use support::cluster::Cluster;
use support::servers::{Server, require};

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
    assert_eq!((cluster.digest(), cluster.keys()), (single.digest(), 230));
}
