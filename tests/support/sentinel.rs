//! A master with two replicas, watched by three Sentinels, all on loopback.

use std::time::{Duration, Instant};

use redis::Value;

use super::client::text;
use super::servers::{Data, Kind, Server};
use super::wait_until;

/// The name by which the Sentinels know the master.
pub const SERVICE: &str = "service";

/// How long a change of master may take on a busy machine: Sentinels whose votes are split try again
/// some seconds later, and may need several rounds.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a server is silent before a Sentinel takes it for dead.
const DOWN_AFTER_MS: u32 = 1500;

/// All six, killed when dropped.
pub struct Watched {
    pub servers: Vec<Server>,
    pub sentinels: Vec<Server>,
}

impl Watched {
    /// Starts them, and waits until all know each other. The first server is the master.
    #[track_caller]
    pub fn start(kind: &Kind, options: &[&str]) -> Self {
        let mut shared = vec!["--repl-diskless-sync-delay", "0"];
        shared.extend(options);
        let mut servers = vec![Server::start(kind, &shared)];
        let port = servers[0].port().to_string();
        for _ in 0..2 {
            let mut options = shared.clone();
            let place = format!("127.0.0.1 {port}");
            options.extend(["--replicaof", &place]);
            servers.push(Server::start(kind, &options));
        }
        let down = format!("sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}");
        let timeout = format!("sentinel failover-timeout {SERVICE} 3000");
        let monitor = format!("sentinel monitor {SERVICE} 127.0.0.1 {port} 2");
        let config = [monitor, down, timeout].join("\n") + "\n";
        let start = |_| Server::start_with(kind, Data::Sentinel(&config), &[]);
        let sentinels: Vec<Server> = (0..3).map(start).collect();
        let watched = Watched { servers, sentinels };
        watched.hasten(kind);
        watched.settled();
        watched
    }

    /// Sentinels say hello every two seconds and ask every ten; they can be told to do it more often.
    fn hasten(&self, kind: &Kind) {
        if kind.version.at_least(7, 0) {
            for sentinel in &self.sentinels {
                sentinel.accepts(&[
                    "SENTINEL",
                    "DEBUG",
                    "INFO-PERIOD",
                    "300",
                    "PUBLISH-PERIOD",
                    "200",
                    "PING-PERIOD",
                    "100",
                    "ASK-PERIOD",
                    "200",
                    "DEFAULT-DOWN-AFTER",
                    "500",
                ]);
            }
        }
    }

    /// `redis+sentinel://127.0.0.1:PORT,…/service`
    pub fn url(&self) -> String {
        let places: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        format!("redis+sentinel://{}/{SERVICE}", places.join(","))
    }

    /// The port of the master, as most of the Sentinels say.
    #[track_caller]
    pub fn master_port(&self) -> u16 {
        let mut ports: Vec<u16> = self.sentinels.iter().map(named).collect();
        ports.sort_unstable();
        ports[ports.len() / 2]
    }

    /// The master of the moment.
    #[track_caller]
    pub fn master(&self) -> &Server {
        let port = self.master_port();
        self.servers.iter().find(|server| server.port() == port).expect("one of ours")
    }

    /// Runs a command on the master of the moment.
    #[track_caller]
    pub fn cmd<W: AsRef<[u8]>>(&self, words: &[W]) -> Value {
        self.master().connect().cmd(words)
    }

    /// The DEBUG DIGEST of the master of the moment.
    #[track_caller]
    pub fn digest(&self) -> String {
        text(self.cmd(&["DEBUG", "DIGEST"]))
    }

    /// Waits until every Sentinel names the same master and counts two live replicas of it and two
    /// other Sentinels, and until the replicas have what the master has.
    #[track_caller]
    pub fn settled(&self) {
        wait_until("the Sentinels agree", PATIENCE, || {
            let port = named(&self.sentinels[0]);
            let all_agree = self.sentinels.iter().all(|sentinel| {
                let about = master_fields(sentinel);
                named(sentinel) == port
                    && about("num-slaves") == "2"
                    && about("num-other-sentinels") == "2"
                    && about("flags") == "master"
            });
            all_agree
                && self.servers.iter().filter(|server| server.port() != port).all(|server| {
                    let info = info(server);
                    info.contains("master_link_status:up")
                        && info.contains(&format!("master_port:{port}\r\n"))
                })
        });
    }

    /// Makes a replica the master while the old master lives, and waits for the new one.
    #[track_caller]
    pub fn fail_over(&self) {
        let before = self.master_port();
        wait_until("a failover begins", PATIENCE, || {
            self.sentinels[0].accepts(&["SENTINEL", "FAILOVER", SERVICE])
        });
        self.changed(before);
    }

    /// Kills the master and waits until a replica has taken over; which server it was.
    #[track_caller]
    pub fn kill_master(&mut self) -> usize {
        let before = self.master_port();
        let dead = self.servers.iter().position(|server| server.port() == before).expect("ours");
        self.servers[dead].crash();
        self.changed(before);
        dead
    }

    #[track_caller]
    fn changed(&self, before: u16) {
        let began = Instant::now();
        wait_until("another master", PATIENCE, || {
            let now = self.master_port();
            now != before && info(self.master()).contains("role:master")
        });
        super::say(format_args!("failover took {:?}", began.elapsed()));
    }
}

fn named(sentinel: &Server) -> u16 {
    match sentinel.cmd(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]) {
        Value::Array(place) => {
            text(place.into_iter().nth(1).expect("a port")).parse().expect("a port")
        }
        other => panic!("a Sentinel names {other:?}"),
    }
}

/// What a Sentinel says about the master, by the name of a field.
fn master_fields(sentinel: &Server) -> impl Fn(&str) -> String {
    let reply = match sentinel.cmd(&["SENTINEL", "MASTER", SERVICE]) {
        Value::Array(words) => words.into_iter().map(text).collect::<Vec<_>>(),
        other => panic!("SENTINEL MASTER answers {other:?}"),
    };
    move |name| {
        let at = reply.iter().position(|word| word == name).expect("a field of SENTINEL MASTER");
        reply[at + 1].clone()
    }
}

fn info(server: &Server) -> String {
    // A server that changes its role cuts its clients off, and is asked again later.
    server.connect().try_cmd(&["INFO", "replication"]).map_or_else(|_| String::new(), text)
}
