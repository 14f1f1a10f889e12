//! A Cluster of three masters with a replica each, all on loopback.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdbkit::bytes::slot::{SLOTS, slot};
use redis::Value;
use sha1::{Digest as _, Sha1};

use super::client::{Client, bytes, text};
use super::servers::{Flavour, Kind, Server, free_port};
use super::wait_until;

/// How long the nodes may take to agree on a busy machine: an election that is lost is held again some
/// seconds later, and may need several rounds.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a node is silent before the others take it for dead.
const NODE_TIMEOUT_MS: &str = "1000";

const MASTERS: usize = 3;

/// All six, killed when dropped. The first three begin as masters, the others as their replicas.
pub struct Cluster {
    pub nodes: Vec<Server>,
    pub ids: Vec<String>,
}

/// What a node says that a node is.
#[derive(Debug, Clone)]
pub struct Seen {
    pub id: String,
    pub port: u16,
    pub master: bool,
    pub alive: bool,
    /// First and last of each range.
    pub slots: Vec<(u16, u16)>,
    /// The master of a replica.
    pub follows: String,
}

impl Cluster {
    /// Starts them, shares the slots out evenly, and waits until the Cluster is healthy.
    #[track_caller]
    pub fn start(kind: &Kind, options: &[&str]) -> Self {
        let nodes: Vec<Server> = (0..2 * MASTERS).map(|_| node(kind, options)).collect();
        let ids: Vec<String> =
            nodes.iter().map(|node| text(node.cmd(&["CLUSTER", "MYID"]))).collect();
        for (index, node) in nodes.iter().take(MASTERS).enumerate() {
            let (from, to) = share(index);
            let mut words = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
            words.extend((from..=to).map(|slot| slot.to_string()));
            assert_eq!(node.cmd(&words), Value::Okay);
        }
        for (index, node) in nodes.iter().enumerate() {
            let epoch = (index + 1).to_string();
            assert_eq!(node.cmd(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]), Value::Okay);
        }
        let cluster = Cluster { nodes, ids };
        let (first, others) = cluster.nodes.split_first().expect("nodes");
        for other in others {
            let bus = match other.cmd(&["CONFIG", "GET", "cluster-port"]) {
                Value::Array(words) => text(words.into_iter().nth(1).expect("a value")),
                reply => panic!("CONFIG GET answers {reply:?}"),
            };
            let words = ["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), &bus];
            assert_eq!(first.cmd(&words), Value::Okay);
        }
        wait_until("the nodes have met", PATIENCE, || {
            cluster.nodes.iter().all(|node| seen(node).len() == 2 * MASTERS)
        });
        for (index, node) in cluster.nodes.iter().enumerate().skip(MASTERS) {
            let master = &cluster.ids[index - MASTERS];
            wait_until("a replica finds its master", PATIENCE, || {
                node.accepts(&["CLUSTER", "REPLICATE", master])
            });
        }
        cluster.settled();
        cluster
    }

    /// `redis+cluster://127.0.0.1:PORT,…`
    pub fn url(&self) -> String {
        let places: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", places.join(","))
    }

    /// Waits until every node sees all slots served, all nodes alive and a replica behind each
    /// master, and every replica has a link to its master.
    #[track_caller]
    pub fn settled(&self) {
        let began = Instant::now();
        while !self.is_settled() {
            let told = || {
                let told = |node: &Server| {
                    let asked = [["CLUSTER", "NODES"], ["INFO", "replication"]];
                    let told = asked.map(|words| text(node.cmd(&words))).concat();
                    format!("{}:\n{told}", node.port())
                };
                self.nodes.iter().map(told).collect::<Vec<_>>().join("\n")
            };
            assert!(began.elapsed() < PATIENCE, "the Cluster is not healthy:\n{}", told());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until each node tells of the replicas of every master, as it does once it has heard how
    /// far they are.
    #[track_caller]
    pub fn tells_of_replicas(&self) {
        let tells = |node: &Server| {
            let Value::Array(ranges) = node.cmd(&["CLUSTER", "SLOTS"]) else { return false };
            // From, to, the master, and then its replicas.
            ranges.iter().all(|range| matches!(range, Value::Array(parts) if parts.len() > 3))
        };
        wait_until("all tell of replicas", PATIENCE, || self.nodes.iter().all(tells));
    }

    fn is_settled(&self) -> bool {
        let mut views = self.nodes.iter().map(view);
        let first = views.next().flatten();
        first.is_some()
            && views.all(|view| view == first)
            && self.nodes.iter().all(|node| {
                let info = text(node.cmd(&["INFO", "replication"]));
                info.contains("role:master\r\n") || info.contains("master_link_status:up")
            })
    }

    /// The nodes that own slots, by index.
    #[track_caller]
    pub fn masters(&self) -> Vec<usize> {
        self.owned().into_iter().map(|(index, _)| index).collect()
    }

    /// The index of the master that serves a slot.
    #[track_caller]
    pub fn owner(&self, slot: u16) -> usize {
        let holds = |ranges: &[(u16, u16)]| ranges.iter().any(|range| within(*range, slot));
        let owned = self.owned();
        owned.iter().find(|(_, ranges)| holds(ranges)).expect("every slot is served").0
    }

    /// Which slots each master has, as it says itself: what others say of it may be old. Waits where
    /// one does not know yet that another has taken over.
    #[track_caller]
    fn owned(&self) -> Vec<(usize, Vec<(u16, u16)>)> {
        let mut owned = Vec::new();
        wait_until("no slot has two masters", PATIENCE, || {
            // One that is dead says nothing, and one that changed its role cut its clients off.
            let own = |(index, node): (usize, &Server)| {
                let told =
                    Client::connect(node.port()).ok()?.try_cmd(&["CLUSTER", "NODES"]).ok()?;
                let mut seen = read(&text(told)).into_iter();
                let own = seen.find(|it| it.id == self.ids[index]).expect("itself");
                (own.master && !own.slots.is_empty()).then_some((index, own.slots))
            };
            owned = self.nodes.iter().enumerate().filter_map(own).collect();
            let mut ranges: Vec<_> = owned.iter().flat_map(|(_, ranges)| ranges).collect();
            ranges.sort();
            ranges.windows(2).all(|pair| pair[0].1 < pair[1].0)
        });
        owned
    }

    /// A live replica of a node.
    #[track_caller]
    pub fn replica_of(&self, master: usize) -> usize {
        let follows = |it: &Seen| it.follows == self.ids[master] && it.alive;
        let mut port = None;
        // On a busy machine one is thought dead for a moment.
        wait_until("a master has a replica", PATIENCE, || {
            port = seen(&self.nodes[master]).iter().find(|it| follows(it)).map(|it| it.port);
            port.is_some()
        });
        let is_it = |node: &Server| Some(node.port()) == port;
        self.nodes.iter().position(is_it).expect("one of ours")
    }

    /// Makes the replica of a master take over: in agreement with it, or by force (`TAKEOVER`).
    #[track_caller]
    pub fn fail_over(&self, master: usize, by_force: bool) {
        let replica = self.replica_of(master);
        let mut words = vec!["CLUSTER", "FAILOVER"];
        words.extend(by_force.then_some("TAKEOVER"));
        wait_until("a failover begins", PATIENCE, || self.nodes[replica].accepts(&words));
        self.took_over(replica, master);
    }

    /// Kills a master and waits until its replica has taken over.
    #[track_caller]
    pub fn kill(&mut self, master: usize) {
        let replica = self.replica_of(master);
        self.nodes[master].crash();
        self.took_over(replica, master);
    }

    #[track_caller]
    fn took_over(&self, replica: usize, master: usize) {
        wait_until("a replica takes over", PATIENCE, || {
            let others = (0..self.nodes.len()).filter(|&index| index != master);
            let mut live = others.map(|index| &self.nodes[index]);
            live.all(|node| {
                node.accepts(&["PING"])
                    && seen(node)
                        .iter()
                        .any(|it| it.id == self.ids[replica] && it.master && !it.slots.is_empty())
            })
        });
    }

    /// Moves a slot to another master, key by key, as resharding does it; `between` is called
    /// before each batch of keys.
    #[track_caller]
    pub fn migrate(&self, slot: u16, to: usize, mut between: impl FnMut()) {
        let from = self.owner(slot);
        if from == to {
            return;
        }
        let (source, destination) = (&self.nodes[from], &self.nodes[to]);
        let slot = slot.to_string();
        let set = |node: &Server, words: &[&str]| {
            let mut all = vec!["CLUSTER", "SETSLOT", slot.as_str()];
            all.extend(words);
            assert_eq!(node.cmd(&all), Value::Okay, "{all:?}");
        };
        set(destination, &["IMPORTING", &self.ids[from]]);
        set(source, &["MIGRATING", &self.ids[to]]);
        let port = destination.port().to_string();
        loop {
            between();
            let Value::Array(keys) = source.cmd(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]) else {
                panic!("no keys of a slot")
            };
            if keys.is_empty() {
                break;
            }
            let mut words: Vec<Vec<u8>> =
                ["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "REPLACE", "KEYS"]
                    .map(|word| word.as_bytes().to_vec())
                    .to_vec();
            words.extend(keys.into_iter().map(bytes));
            let reply = source.cmd(&words);
            let moved = matches!(&reply, Value::Okay)
                || matches!(&reply, Value::SimpleString(text) if text == "NOKEY");
            assert!(moved, "MIGRATE answers {reply:?}");
        }
        // The destination first, so that there is no moment at which nobody owns the slot.
        set(destination, &["NODE", &self.ids[to]]);
        set(source, &["NODE", &self.ids[to]]);
        for &master in &self.masters() {
            if master != from && master != to {
                set(&self.nodes[master], &["NODE", &self.ids[to]]);
            }
        }
    }

    /// Moves up to `count` slots from this one on to another master as a whole, as newer servers do
    /// it: the source sends a snapshot of them and what is written behind it, and hands them over.
    #[track_caller]
    pub fn migrate_at_once(&self, slot: u16, count: u16, to: usize) {
        let from = self.owner(slot);
        if from == to {
            return;
        }
        let (source, destination) = (&self.nodes[from], &self.nodes[to]);
        let holds = |range: &(u16, u16)| within(*range, slot);
        let ranges: Vec<_> = seen(source).into_iter().flat_map(|it| it.slots).collect();
        let end = ranges.into_iter().find(holds).expect("a range of it").1;
        let (first, last) = (slot.to_string(), end.min(slot + count - 1).to_string());
        let begin = || match source.version().flavour {
            Flavour::Valkey => source.accepts(&[
                "CLUSTER",
                "MIGRATESLOTS",
                "SLOTSRANGE",
                &first,
                &last,
                "NODE",
                &self.ids[to],
            ]),
            _ => destination.accepts(&["CLUSTER", "MIGRATION", "IMPORT", &first, &last]),
        };
        // While it is under way another one is refused; one that fails is begun again.
        wait_until("slots have moved at once", PATIENCE, || {
            begin();
            let owns = |node: &Server| {
                let mut seen = seen(node).into_iter();
                let it = seen.find(|it| it.id == self.ids[to]).expect("a node of ours");
                it.slots.iter().any(holds)
            };
            owns(source) && owns(destination)
        });
    }

    /// DEBUG DIGEST of the keys of all masters together, as one server would have them in
    /// database 0.
    #[track_caller]
    pub fn digest(&self) -> String {
        let mut sum = [0_u8; 20];
        let mut any = false;
        for master in self.masters() {
            let of = unhex(&self.nodes[master].digest());
            // Of a server without keys there is no database that could be mixed in.
            if of != [0; 20] {
                any = true;
                xor(&mut sum, &of);
                xor(&mut sum, &database_0());
            }
        }
        if any {
            xor(&mut sum, &database_0());
        }
        sum.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Removes all keys, and what would bring them back when a node starts again.
    #[track_caller]
    pub fn empty(&self) {
        for master in self.masters() {
            // A node that was a replica until now cut its clients off.
            assert_eq!(self.nodes[master].connect().cmd(&["FLUSHALL"]), Value::Okay);
        }
        // What a replica was sent of its master lies there, and is what it starts with.
        for node in &self.nodes {
            let _ = std::fs::remove_file(node.dir().join("dump.rdb"));
        }
    }

    /// How many keys all masters have together.
    #[track_caller]
    pub fn keys(&self) -> u64 {
        let count = |&master: &usize| match self.nodes[master].cmd(&["DBSIZE"]) {
            Value::Int(keys) => keys as u64,
            other => panic!("DBSIZE answers {other:?}"),
        };
        self.masters().iter().map(count).sum()
    }

    /// Runs a command where the slot of a key is served.
    #[track_caller]
    pub fn at<W: AsRef<[u8]>>(&self, key: &[u8], words: &[W]) -> Value {
        self.nodes[self.owner(slot(key))].cmd(words)
    }

    /// How often each node has run each command since it started, by the name of the command.
    #[track_caller]
    pub fn calls(&self, name: &str) -> BTreeMap<usize, u64> {
        let of = |node: &Server| {
            let info = text(node.cmd(&["INFO", "commandstats"]));
            let line = info.lines().find_map(|line| {
                line.strip_prefix(&format!("cmdstat_{name}:calls="))?.split(',').next()
            });
            line.map_or(0, |calls| calls.parse().expect("a count"))
        };
        self.nodes.iter().enumerate().map(|(index, node)| (index, of(node))).collect()
    }
}

/// What the digest of a server that has keys in database 0 alone holds beside them.
fn database_0() -> [u8; 20] {
    Sha1::digest(Sha1::digest([0; 4])).into()
}

#[track_caller]
fn node(kind: &Kind, options: &[&str]) -> Server {
    let bus = free_port().to_string();
    let mut all = vec![
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        NODE_TIMEOUT_MS,
        "--cluster-replica-validity-factor",
        "0",
        "--repl-diskless-sync-delay",
        "0",
        // One that waits for a master that is gone tries again before a test gives up.
        "--repl-timeout",
        "20",
        "--cluster-allow-replica-migration",
        "no",
        "--cluster-port",
        &bus,
    ];
    all.extend(options);
    Server::start(kind, &all)
}

fn within((first, last): (u16, u16), slot: u16) -> bool {
    (first..=last).contains(&slot)
}

/// The slots of one of the masters at the start.
fn share(index: usize) -> (u16, u16) {
    let bound = |index: usize| (usize::from(SLOTS) * index / MASTERS) as u16;
    (bound(index), bound(index + 1) - 1)
}

/// Of each node in order: its id, whether it is a master, its slots.
type View = Vec<(String, bool, Vec<(u16, u16)>)>;

/// What a node sees, where that is a healthy Cluster.
fn view(node: &Server) -> Option<View> {
    let info = text(node.cmd(&["CLUSTER", "INFO"]));
    let seen = seen(node);
    let served: u32 = seen
        .iter()
        .flat_map(|it| &it.slots)
        .map(|&(from, to)| u32::from(to) - u32::from(from) + 1)
        .sum();
    let followed = |it: &Seen| {
        it.slots.is_empty() || seen.iter().any(|other| other.follows == it.id && !other.master)
    };
    let healthy = info.contains("cluster_state:ok")
        && served == u32::from(SLOTS)
        && seen.iter().all(|it| it.alive && followed(it));
    let mut view: Vec<_> = seen.into_iter().map(|it| (it.id, it.master, it.slots)).collect();
    view.sort();
    healthy.then_some(view)
}

/// CLUSTER NODES of a node.
#[track_caller]
pub fn seen(node: &Server) -> Vec<Seen> {
    read(&text(node.cmd(&["CLUSTER", "NODES"])))
}

/// What CLUSTER NODES answers.
fn read(nodes: &str) -> Vec<Seen> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let flags: Vec<&str> = words.get(2)?.split(',').collect();
        let place = words.get(1)?.split('@').next()?;
        let range = |word: &&str| {
            let (from, to) = word.split_once('-').unwrap_or((word, word));
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        let off = ["fail", "fail?", "handshake", "noaddr"];
        Some(Seen {
            id: (*words.first()?).to_owned(),
            port: place.rsplit_once(':')?.1.parse().ok()?,
            master: flags.contains(&"master"),
            alive: !flags.iter().any(|flag| off.contains(flag))
                && words.get(7) == Some(&"connected"),
            slots: words.get(8..)?.iter().filter_map(range).collect(),
            follows: (*words.get(3)?).to_owned(),
        })
    };
    nodes.lines().filter_map(line).collect()
}

fn unhex(text: &str) -> [u8; 20] {
    let mut out = [0; 20];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex digits");
    }
    out
}

fn xor(into: &mut [u8; 20], from: &[u8; 20]) {
    into.iter_mut().zip(from).for_each(|(a, b)| *a ^= b);
}
