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

use std::time::Duration;

use rdbkit::bytes::slot::slot;
use rdbkit::live::{Address, Connector, Endpoint, Place, Timeouts, TlsOptions, Topology};
use redis::Value;
use support::cluster::Cluster;
use support::servers::{Server, require};
use support::wait_until;

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
    // A replica counts once the others have heard how far it is.
    wait_until("all replicas are known", Duration::from_secs(30), || {
        let ours = discover(&cluster.url()).unwrap();
        ours.shards().iter().all(|shard| shard.replicas.len() == 1)
    });
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
