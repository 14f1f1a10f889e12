//! The real servers that `tests/fetch-servers` put into `target/servers`, each
//! started on a port and in a folder of its own, and killed when dropped.
//!
//! ```ignore
//! for kind in servers() {
//!     let server = Server::start_with_rdb(&kind, &bytes, &[]);
//!     assert_eq!(server.digest(), expected);
//! }
//! let Some(kind) = require("redis-7.0") else { return };
//! ```

use std::cmp::Ordering;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::Value;
use tempfile::TempDir;

use super::client::{self, Client};
use super::{in_ci, skipped};

/// How long a server may take to load what it was given, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a start is tried again when another process took the port.
const PORT_TRIES: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Redis,
    Valkey,
    Redict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub flavour: Flavour,
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// Reads `Redis server v=7.0.15 sha=...`, the line that servers print.
    fn parse(line: &str) -> Option<Self> {
        let flavour = match line.split_whitespace().next()? {
            "Redis" => Flavour::Redis,
            "Valkey" => Flavour::Valkey,
            "Redict" => Flavour::Redict,
            _ => return None,
        };
        let number = line.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
        let mut parts = number.split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten();
        Some(Self { flavour, major: next()?, minor: next()?, patch: next()? })
    }

    /// Whether this is at least `major.minor`, whatever the flavour.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor).cmp(&(major, minor)) != Ordering::Less
    }

    /// The magic and version number in front of the RDB files it writes.
    pub fn rdb_magic(&self) -> Option<&'static [u8; 9]> {
        use Flavour::{Redict, Redis, Valkey};
        Some(match (self.flavour, self.major, self.minor) {
            (Redis, 2, 6 | 8) | (Redis, 3, 0) => b"REDIS0006",
            (Redis, 3, 2) => b"REDIS0007",
            (Redis, 4, 0) => b"REDIS0008",
            (Redis, 5, 0) | (Redis, 6, 0 | 2) => b"REDIS0009",
            (Redis, 7, 0) => b"REDIS0010",
            (Redis, 7, 2) | (Valkey, 7, 2) | (Valkey, 8, _) => b"REDIS0011",
            (Redis, 7, 4) | (Redis, 8, 0) | (Redict, 7, 3) => b"REDIS0012",
            (Redis, 8, 6) => b"REDIS0013",
            (Redis, 8, 10) => b"REDIS0015",
            (Valkey, 9, _) => b"VALKEY080",
            // Rolling suites bring newer ones one day.
            _ => return None,
        })
    }
}

/// A server that is here to be started.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The name of its folder, such as `redis-7.0`.
    pub name: String,
    pub folder: PathBuf,
    pub version: Version,
}

impl Kind {
    fn open(folder: PathBuf) -> Option<Self> {
        let name = folder.file_name()?.to_str()?.to_owned();
        let version = Version::parse(&fs::read_to_string(folder.join("version")).ok()?)?;
        Some(Self { name, folder, version })
    }

    /// One of its programs: `cli`, `check-rdb`, `check-aof`; not all have all.
    pub fn program(&self, name: &str) -> Option<Command> {
        let path = self.folder.join(name);
        path.exists().then(|| Command::new(path))
    }

    /// One of the modules that were compiled along, such as `datatype.so`.
    pub fn module(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join("modules").join(name)).filter(|path| path.exists())
    }
}

/// Where the servers are: `RDBKIT_SERVERS`, or `servers` in the target folder.
fn folder() -> PathBuf {
    match std::env::var_os("RDBKIT_SERVERS") {
        Some(folder) => folder.into(),
        // Cargo gives tests a `tmp` inside the target folder.
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("servers"),
    }
}

/// All the servers there are, oldest first.
pub fn servers() -> Vec<Kind> {
    let entries = fs::read_dir(folder()).into_iter().flatten().flatten();
    let mut kinds: Vec<Kind> = entries.filter_map(|entry| Kind::open(entry.path())).collect();
    kinds.sort_by_key(|kind| {
        let Version { flavour, major, minor, patch } = kind.version;
        (flavour as u8, major, minor, patch)
    });
    if kinds.is_empty() {
        missing("server");
    }
    kinds
}

/// The server a test cannot do without: where it is missing, the test fails in
/// CI and is skipped elsewhere.
#[track_caller]
pub fn require(name: &str) -> Option<Kind> {
    let kind = Kind::open(folder().join(name));
    if kind.is_none() {
        missing(name);
    }
    kind
}

/// As [`require`], for a test that any one of several servers will do for.
#[track_caller]
pub fn require_any(names: &[&str]) -> Option<Kind> {
    let kind = names.iter().find_map(|name| Kind::open(folder().join(name)));
    if kind.is_none() {
        missing(&names.join(" or "));
    }
    kind
}

#[track_caller]
fn missing(what: &str) {
    let place = folder();
    let message = format!("no {what} in {}; run tests/fetch-servers", place.display());
    assert!(!in_ci(), "{message}");
    skipped(message);
}

/// What a server finds in its folder when it starts.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    Nothing,
    /// The bytes of its `dump.rdb`.
    Rdb(&'a [u8]),
    /// The bytes of its `appendonly.aof`, which servers from 7.0 on move into
    /// an AOF directory of their own.
    AofFile(&'a [u8]),
    /// A folder to copy as its `appendonlydir`; for 7.0 and later.
    AofDir(&'a Path),
    /// The configuration of a Sentinel, which it becomes.
    Sentinel(&'a str),
}

/// A server that runs, has loaded its data and answers.
pub struct Server {
    process: Process,
    client: Client,
    port: u16,
    kind: Kind,
    sentinel: bool,
    options: Vec<String>,
}

impl Server {
    #[track_caller]
    pub fn start(kind: &Kind, options: &[&str]) -> Self {
        Self::start_with(kind, Data::Nothing, options)
    }

    #[track_caller]
    pub fn start_with_rdb(kind: &Kind, rdb: &[u8], options: &[&str]) -> Self {
        Self::start_with(kind, Data::Rdb(rdb), options)
    }

    #[track_caller]
    pub fn start_with_aof_file(kind: &Kind, aof: &[u8], options: &[&str]) -> Self {
        Self::start_with(kind, Data::AofFile(aof), options)
    }

    #[track_caller]
    pub fn start_with_aof_dir(kind: &Kind, dir: &Path, options: &[&str]) -> Self {
        Self::start_with(kind, Data::AofDir(dir), options)
    }

    #[track_caller]
    pub fn start_with(kind: &Kind, data: Data, options: &[&str]) -> Self {
        match launch(kind, data, options) {
            Ok(server) => server,
            Err(log) => panic!("{} does not start:\n{log}", kind.name),
        }
    }

    /// Starts a server that is to refuse its data, for what its log says.
    #[track_caller]
    pub fn expect_load_failure(kind: &Kind, data: Data, options: &[&str]) -> String {
        match launch(kind, data, options) {
            Ok(server) => panic!("{} loads it:\n{}", kind.name, server.log()),
            Err(log) => log,
        }
    }

    /// Starts a server, or says in the words of its log why it will not.
    pub fn try_start(kind: &Kind, data: Data, options: &[&str]) -> Result<Self, String> {
        launch(kind, data, options)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The folder it keeps its data in.
    pub fn dir(&self) -> PathBuf {
        self.process.dir()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    pub fn version(&self) -> Version {
        self.kind.version
    }

    /// One more connection, for a test with several clients.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.port).expect("the server accepts connections")
    }

    #[track_caller]
    pub fn cmd<W: AsRef<[u8]>>(&self, words: &[W]) -> Value {
        self.client.cmd(words)
    }

    #[track_caller]
    pub fn pipeline<W: AsRef<[u8]>>(&self, commands: &[Vec<W>]) -> Vec<Value> {
        self.client.pipeline(commands)
    }

    /// The DEBUG DIGEST of everything it holds.
    #[track_caller]
    pub fn digest(&self) -> String {
        client::text(self.cmd(&["DEBUG", "DIGEST"]))
    }

    /// The digests of some keys of database 0, all zeros for a key that is not there.
    #[track_caller]
    pub fn digest_value<K: AsRef<[u8]>>(&self, keys: &[K]) -> Vec<String> {
        let words = [b"DEBUG".as_slice(), b"DIGEST-VALUE"].into_iter();
        let words: Vec<&[u8]> = words.chain(keys.iter().map(AsRef::as_ref)).collect();
        match self.cmd(&words) {
            Value::Array(digests) => digests.into_iter().map(client::text).collect(),
            other => panic!("DEBUG DIGEST-VALUE answers {other:?}"),
        }
    }

    /// Saves, for the path of the RDB file.
    #[track_caller]
    pub fn save(&self) -> PathBuf {
        let reply = self.cmd(&["SAVE"]);
        assert_eq!(reply, Value::Okay, "SAVE; the log:\n{}", self.log());
        self.dir().join("dump.rdb")
    }

    /// Ends it in order and without saving; the folder stays until the return
    /// value is dropped.
    pub fn shutdown(mut self) -> TempDir {
        // The connection breaks off instead of an answer.
        let _ = self.client.try_cmd(&["SHUTDOWN", "NOSAVE"]);
        self.process.end();
        self.process.folder.take().expect("taken only here, and self is gone")
    }

    /// Ends it at once, as a crash would; [`Self::revive`] starts it again.
    pub fn crash(&mut self) {
        self.process.kill();
    }

    /// Lets it hang: it keeps its connections and says nothing more.
    #[track_caller]
    pub fn hang(&self) {
        self.process.signal("-STOP");
    }

    /// Lets it go on.
    #[track_caller]
    pub fn go_on(&self) {
        self.process.signal("-CONT");
    }

    /// Whether it hangs.
    pub fn hangs(&self) -> bool {
        let stat = format!("/proc/{}/stat", self.process.child.id());
        fs::read_to_string(stat).is_ok_and(|text| text.contains(") T "))
    }

    /// Starts it again after a crash: the same port, folder and options.
    #[track_caller]
    pub fn revive(&mut self) {
        self.process.kill();
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        self.process.child = run(&self.kind, &self.dir(), self.port, self.sentinel, &options);
        match wait_ready(&mut self.process, self.port) {
            Ok(client) => self.client = client,
            Err(log) => panic!("{} does not start again:\n{log}", self.kind.name),
        }
    }

    /// Whether it answers this with anything but an error.
    pub fn accepts(&self, words: &[&str]) -> bool {
        matches!(self.client.try_cmd(words), Ok(reply) if !matches!(reply, Value::ServerError(_)))
    }

    /// Ends it at once, as a crash would; the folder stays as in [`Self::shutdown`].
    pub fn kill(mut self) -> TempDir {
        self.process.kill();
        self.process.folder.take().expect("taken only here, and self is gone")
    }
}

/// Where a server keeps its data inside the folder it leaves behind.
pub fn data_dir(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// A started program and the temporary folder that it lives in.
struct Process {
    child: Child,
    folder: Option<TempDir>,
}

impl Process {
    fn dir(&self) -> PathBuf {
        self.folder.as_ref().map(data_dir).expect("the folder is there while it runs")
    }

    fn log(&self) -> String {
        let path = self.dir().with_file_name("server.log");
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    #[track_caller]
    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([signal, &id]).status();
        assert!(done.is_ok_and(|status| status.success()), "{signal} to {id}");
    }

    fn kill(&mut self) {
        // It may have ended already, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for an end that is under way, and helps when it takes long.
    fn end(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.ended().is_none() && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(kind: &Kind, data: Data, options: &[&str]) -> Result<Server, String> {
    let mut log = String::new();
    for _ in 0..PORT_TRIES {
        let port = free_port();
        let mut process = spawn(kind, data, options, port);
        match wait_ready(&mut process, port) {
            Ok(client) => {
                return Ok(Server {
                    process,
                    client,
                    port,
                    kind: kind.clone(),
                    sentinel: matches!(data, Data::Sentinel(_)),
                    options: options.iter().map(|option| (*option).to_owned()).collect(),
                });
            }
            Err(why) => log = why,
        }
        if !log.contains("ddress already in use") {
            break;
        }
    }
    Err(log)
}

/// A port that nobody listens on. Somebody may before the server does, so the
/// caller has to make sure.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn spawn(kind: &Kind, data: Data, options: &[&str], port: u16) -> Process {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = data_dir(&folder);
    fs::create_dir(&dir).expect("a folder in our own");
    let write = |name: &str, bytes| fs::write(dir.join(name), bytes).expect("a file in our own");
    match data {
        Data::Nothing => {}
        Data::Rdb(bytes) => write("dump.rdb", bytes),
        Data::AofFile(bytes) => write("appendonly.aof", bytes),
        Data::AofDir(from) => copy_dir(from, &dir.join("appendonlydir")),
        Data::Sentinel(config) => write(SENTINEL_CONFIG, config.as_bytes()),
    }

    let mut all = Vec::new();
    if matches!(data, Data::AofFile(_) | Data::AofDir(_)) {
        all.extend(["--appendonly", "yes"]);
    }
    all.extend(options);
    let child = run(kind, &dir, port, matches!(data, Data::Sentinel(_)), &all);
    Process { child, folder: Some(folder) }
}

const SENTINEL_CONFIG: &str = "sentinel.conf";

/// Starts the program in a folder that is there; its log goes beside the folder.
fn run(kind: &Kind, dir: &Path, port: u16, sentinel: bool, options: &[&str]) -> Child {
    let log = File::options().create(true).append(true).open(dir.with_file_name("server.log"));
    let log = log.expect("a file in our own");
    let mut command = Command::new(kind.folder.join("server"));
    if sentinel {
        command.arg(dir.join(SENTINEL_CONFIG)).arg("--sentinel");
    } else {
        command.args(["--save", "", "--databases", "64", "--dbfilename", "dump.rdb"]);
        // Older servers do not know the option and have no need of it.
        if kind.version.at_least(7, 0) {
            command.args(["--enable-debug-command", "yes"]);
        }
    }
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no", "--dir"])
        .arg(dir)
        .args(options)
        .stdin(Stdio::null())
        .stderr(log.try_clone().expect("a second handle"))
        .stdout(log);
    let child = command.spawn();
    child.unwrap_or_else(|error| panic!("{} cannot be run: {error}", kind.name))
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder in our own");
    let entries = fs::read_dir(from);
    for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("a folder that can be listed").path();
        let name = path.file_name().expect("an entry of a folder has a name");
        fs::copy(&path, to.join(name)).expect("a file that can be copied");
    }
}

/// Waits until the server has loaded its data, for a connection to it; or gives
/// its log when it ends before that or takes too long.
fn wait_ready(process: &mut Process, port: u16) -> Result<Client, String> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = process.ended() {
            return Err(format!("{}({status})", process.log()));
        }
        if let Some(client) = ready(port, process.child.id()) {
            return Ok(client);
        }
        sleep(Duration::from_millis(5));
    }
    Err(format!("{}(not ready after {PATIENCE:?})", process.log()))
}

/// A connection to the server on a port, once it answers and if it is the
/// process we started: another test's server might have taken the port.
fn ready(port: u16, pid: u32) -> Option<Client> {
    let client = Client::connect(port).ok()?;
    let pong = client.try_cmd(&["PING"]).ok()?;
    let Ok(Value::BulkString(info)) = client.try_cmd(&["INFO", "server"]) else { return None };
    let ours = format!("process_id:{pid}\r\n");
    let loaded = pong == Value::SimpleString("PONG".to_owned());
    (loaded && String::from_utf8_lossy(&info).contains(&ours)).then_some(client)
}
