//! `rdbkit replay --to` as a process that can be killed, and what it is given to replay.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::client::Client;
use super::random::Random;
use super::servers::{Kind, Server};

/// No replay of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long a replay waits for servers that change their roles: the tests' machines are busy.
const WAITS: &str = "200s";

/// The chaos of a test: all mishaps, once or `RDBKIT_CHAOS` times, and by whose chance they happen;
/// `RDBKIT_SEED` makes it another one, and `RDBKIT_MISHAP` leaves only those with this in their names.
pub fn chaos<T: Copy + Debug>(mishaps: &[T], seed: u64) -> (Vec<(u64, T)>, Random) {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = 0..asked("RDBKIT_CHAOS").unwrap_or(1);
    let rounds = rounds.flat_map(|round| mishaps.iter().map(move |mishap| (round, *mishap)));
    let only = std::env::var("RDBKIT_MISHAP").unwrap_or_default();
    let rounds = rounds.filter(|(_, mishap)| format!("{mishap:?}").contains(&only));
    (rounds.collect(), Random::new(seed + 1000 * asked("RDBKIT_SEED").unwrap_or(0)))
}

/// One that runs.
pub struct Replayer {
    child: Child,
    log: PathBuf,
}

impl Replayer {
    /// Starts it. What it says goes into a file in this folder.
    #[track_caller]
    pub fn start(folder: &Path, source: &Path, url: &str, options: &[&str]) -> Self {
        let log = folder.join("replay.log");
        let file = || std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
            .arg("replay")
            .arg(source)
            .args(["--to", url])
            .args(options)
            .env("RDBKIT_PATIENCE", WAITS)
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file())
            .spawn()
            .expect("the program is there");
        Replayer { child, log }
    }

    /// Ends it at once; whether it was still at work.
    pub fn kill(mut self) -> bool {
        let at_work = self.child.try_wait().expect("our own child").is_none();
        let _ = self.child.kill();
        let _ = self.child.wait();
        at_work
    }

    /// Lets it stand still: when this returns it does.
    #[track_caller]
    pub fn stand_still(&self) {
        self.signal("-STOP");
        let stat = format!("/proc/{}/stat", self.child.id());
        super::wait_until("it stands still", PATIENCE, || {
            std::fs::read_to_string(&stat).is_ok_and(|text| text.contains(") T "))
        });
    }

    /// Lets it go on.
    #[track_caller]
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Tells it to stop.
    #[track_caller]
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    #[track_caller]
    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([signal, &id]).status();
        assert!(done.is_ok_and(|status| status.success()), "{signal} to {id}");
    }

    pub fn is_at_work(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Waits for its end, which has to be a good one.
    #[track_caller]
    pub fn succeeds(self) {
        let (status, told) = self.ends();
        assert!(status.success(), "{status}:\n{told}");
    }

    /// Waits for its end: how it ended, and what it and those before it have said.
    #[track_caller]
    pub fn ends(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = || std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return (status, told());
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("it does not end:\n{}", told());
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Replayer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keys of all simple types in database 0, many of them small.
pub fn fill(server: &Server, seed: u64, keys: usize) {
    let mut random = Random::new(seed);
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    for n in 0..keys {
        let tag = if n % 7 == 0 { format!("{{t{}}}", n % 50) } else { String::new() };
        let key = format!("key:{n}{tag}").into_bytes();
        let mut add = |words: &[&[u8]]| commands.push(words.iter().map(|w| w.to_vec()).collect());
        let elements: Vec<Vec<u8>> = (0..=random.below(8)).map(|_| random.text(30)).collect();
        let plain: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
        match random.below(8) {
            0 => add(&[&[b"RPUSH".as_slice(), &key], plain.as_slice()].concat()),
            1 => add(&[&[b"SADD".as_slice(), &key], plain.as_slice()].concat()),
            2 => add(&[b"HSET", &key, b"f", plain[0], b"g", b"7"]),
            3 => add(&[b"ZADD", &key, b"1", plain[0], b"2.5", b"other"]),
            4 => add(&[b"XADD", &key, format!("{}-1", n + 1).as_bytes(), b"f", plain[0]]),
            5 => add(&[b"SET", &key, plain[0], b"PX", b"86400000"]),
            _ => add(&[b"SET", &key, plain[0]]),
        }
    }
    server.pipeline(&commands);
}

/// What a client with counters and lists does: nothing of it may be done twice. Some of it has keys
/// in several slots of a Cluster.
pub fn act(client: &Client, seed: u64, commands: usize, across: bool) {
    let mut random = Random::new(seed);
    let mut all: Vec<Vec<String>> = Vec::new();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
    while all.len() < commands {
        let (a, b) = (random.below(300), random.below(300));
        let line = match random.below(12) {
            0..3 => format!("INCR counter:{a}"),
            3 => format!("INCRBY counter:{{t{a}}} {b}"),
            4 => format!("RPUSH list:{a} {b} x"),
            5 => format!("LPUSH list:{a} {b}"),
            6 => format!("HINCRBY hash:{a} f{} {b}", b % 10),
            7 => format!("APPEND text:{a} {b},"),
            8 => format!("ZINCRBY zset:{a} 1 m{}", b % 10),
            9 if across => format!("DEL list:{a} gone:{b} text:{b}"),
            10 if across => format!("MSET plain:{a} {b} plain:{b} {a}"),
            11 => {
                all.push(words("MULTI"));
                all.push(words(&format!("INCR pair:{{{a}}}:1")));
                all.push(words(&format!("RPUSH pair:{{{a}}}:2 {b}")));
                if across && b % 3 == 0 {
                    all.push(words(&format!("INCR counter:{b}")));
                }
                "EXEC".to_owned()
            }
            _ => format!("LPOP list:{a}"),
        };
        all.push(words(&line));
    }
    client.pipeline(&all);
}

/// A snapshot that a server of this kind saved, and the server.
pub fn snapshot(kind: &Kind, seed: u64, keys: usize) -> (Server, PathBuf) {
    let server = Server::start(kind, &[]);
    fill(&server, seed, keys);
    let path = server.save();
    (server, path)
}

/// A server of this kind with a log, and the log: a snapshot in front of commands.
pub fn log(
    kind: &Kind,
    seed: u64,
    (keys, commands): (usize, usize),
    across: bool,
) -> (Server, PathBuf) {
    let options =
        ["--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"];
    let server = Server::start(kind, &options);
    fill(&server, seed, keys);
    server.cmd(&["BGREWRITEAOF"]);
    super::wait_until("the log is rewritten", PATIENCE, || {
        let info = super::client::text(server.cmd(&["INFO", "persistence"]));
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    });
    act(&server.connect(), seed, commands, across);
    let path = server.dir().join("appendonlydir");
    (server, path)
}
