//! `backup`: the snapshot of a live server in a file, checked while it came.
//!
//! ```text
//! server ─► stream ─► a file that nobody sees ── sound? ─► FILE, FILE.json ─► older ones go
//!                                             └─ not     ─► nothing
//! ```
//!
//! A Cluster gives a file for each master; they are taken at the same time, and appear when all of
//! them are sound. [`follow`] goes on behind the snapshot.

pub mod follow;
mod holds;
mod rotation;
mod stream;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use jiff::Timestamp;

use crate::bytes::PathName as _;
use crate::digest::Profile;
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::live::replication::{self, Answered, Ask, Wire};
use crate::live::{
    Connector, Endpoint, Failure, LiveOptions, Node, Role, ServerInfo, nodes_in_service,
};
use crate::ops::check::{CheckReport, SourceReport};
use crate::ops::silences::told;
use crate::ops::walk::Observer;
pub use crate::report::backup::Backup;
use crate::report::backup::{
    Checked, DatabaseKeys, Digest, FUNCTIONS_SCHEMA, Functions, Replication, SCHEMA, ServerFacts,
    write_functions, write_json,
};
use crate::target::{AtomicFile, Packing, Publish};
use holds::Holds;
use stream::{Came, Until, take};

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// The file, or the directory in which files are named by server and time.
    pub output: PathBuf,
    /// Replaces a file that is there.
    pub force: bool,
    /// How it is compressed.
    pub packing: Option<Packing>,
    /// Checks frames and the checksum only.
    pub quick: bool,
    /// Computes the digest.
    pub digest: bool,
    /// Writes the function libraries beside it.
    pub functions: bool,
    /// How many backups of the server stay in the directory, the new one included.
    pub keep: Option<usize>,
    /// Findings that are listed, where it is not sound.
    pub max_findings: usize,
    /// How the server is reached.
    pub live: LiveOptions,
    /// Ends it once it is set: then nothing is kept of what is not whole.
    pub stop: Arc<AtomicBool>,
}

impl Default for BackupOptions {
    fn default() -> Self {
        BackupOptions {
            output: PathBuf::new(),
            force: false,
            packing: None,
            quick: false,
            digest: true,
            functions: false,
            keep: None,
            max_findings: 100,
            live: LiveOptions::default(),
            stop: Arc::default(),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// All is sound and in its place.
    Taken(Vec<Taken>),
    /// What came is not sound; nothing was written.
    Unsound(CheckReport),
}

/// How often a backup begins anew because another server has become the master.
const ANEW: usize = 3;

/// A backup that is in its place.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Where.
    pub path: PathBuf,
    /// What is beside it.
    pub backup: Backup,
    /// Older ones that went.
    pub removed: Vec<String>,
    /// Why it was begun anew, each time that it was.
    pub begun_anew: Vec<String>,
}

/// Makes a backup.
///
/// Fails where a server can't be reached or refuses, where the snapshot does not come to its end,
/// and where it can't be written: then no file has appeared.
///
/// ```no_run
/// use rdbkit::ops::backup::{BackupOptions, Outcome, backup};
/// use rdbkit::ops::walk::Silent;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = BackupOptions { output: "backups".into(), ..BackupOptions::default() };
/// match backup(&"redis://localhost".parse()?, &options, &Silent)? {
///     Outcome::Taken(taken) => {
///         for one in taken {
///             println!("{}: {} keys", one.path.display(), one.backup.keys);
///         }
///     }
///     Outcome::Unsound(report) => eprintln!("not kept: {report:?}"),
/// }
/// # Ok(())
/// # }
/// ```
pub fn backup(
    endpoint: &Endpoint,
    options: &BackupOptions,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let connector = Connector::new(endpoint, &options.live.tls, options.live.timeouts)?
        .heeding(&options.stop)
        .watching(endpoint, options.live.prefer_replica);
    told(&connector, observer, || take_backup(endpoint, &connector, options, observer))
}

fn take_backup(
    endpoint: &Endpoint,
    connector: &Connector,
    options: &BackupOptions,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let find = || nodes_in_service(endpoint, connector, options.live.prefer_replica, &options.stop);
    let nodes = find()?;
    let place = Place::of(options, nodes.len() > 1)?;
    let one = |node: &Node| pend(node, connector, &place, options, observer);
    let pending: Vec<Result<Pending>> = match nodes.as_slice() {
        [node] => vec![of_master(node.clone(), &find, &one, observer)],
        nodes => thread::scope(|scope| {
            let running: Vec<_> = nodes
                .iter()
                .map(|node| scope.spawn(|| one(node).map_err(|failed| failed.error)))
                .collect();
            let ended = |_| Err(Error::Usage("a thread of the backup ended early".to_owned()));
            running.into_iter().map(|one| one.join().unwrap_or_else(ended)).collect()
        }),
    };
    let pending = pending.into_iter().collect::<Result<Vec<_>>>()?;
    if pending.iter().any(|one| !one.check.is_sound()) {
        let sources = pending.into_iter().map(|one| one.check).collect();
        return Ok(Outcome::Unsound(CheckReport { sources }));
    }
    let taken =
        pending.into_iter().map(|one| one.publish(&place, options)).collect::<Result<_>>()?;
    Ok(Outcome::Taken(taken))
}

/// A backup of one server, or of the one that has become the master in its place meanwhile.
fn of_master(
    mut node: Node,
    find: &dyn Fn() -> Result<Vec<Node>>,
    one: &dyn Fn(&Node) -> Result<Pending, Failed>,
    observer: &dyn Observer,
) -> Result<Pending> {
    let mut begun_anew: Vec<String> = Vec::new();
    loop {
        let Failed { error, by_server } = match one(&node) {
            Ok(pending) => return Ok(Pending { begun_anew, ..pending }),
            Err(failed) => failed,
        };
        if !by_server || begun_anew.len() == ANEW {
            return Err(error);
        }
        observer.waiting(&error.to_string());
        // Where nobody knows of another one, why this one failed says more.
        let Some(next) = find().ok().and_then(|nodes| nodes.into_iter().next()) else {
            return Err(error);
        };
        observer.goes_on();
        if next.address == node.address {
            return Err(error);
        }
        begun_anew.push(format!("{error}; the backup was begun anew with {}", next.name));
        node = next;
    }
}

/// Why a backup could not be taken.
struct Failed {
    error: Error,
    /// The server is to blame, or the way there.
    by_server: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, by_server: false }
    }
}

/// Where the files go.
enum Place {
    File(PathBuf),
    Directory(PathBuf),
}

impl Place {
    fn of(options: &BackupOptions, several: bool) -> Result<Self> {
        let output = &options.output;
        let name = output.shown();
        if output == Path::new("-") {
            return Err(Error::Usage(
                "a backup is published when it is known to be sound, so it can't go to standard \
                 output: `rdbkit convert URL -` writes there"
                    .to_owned(),
            ));
        }
        let ends_as_one = output.as_os_str().as_encoded_bytes().ends_with(b"/");
        let is_directory = output.is_dir() || ends_as_one || several;
        if !is_directory {
            if options.keep.is_some() {
                return Err(Error::Usage(format!(
                    "--keep counts the backups in a directory, and {name} is a file: give a \
                     directory, in which each backup has a name of its own"
                )));
            }
            return Ok(Place::File(output.clone()));
        }
        std::fs::create_dir_all(output)
            .map_err(|cause| Error::io(format!("cannot make the directory {name}"), cause))?;
        Ok(Place::Directory(output.clone()))
    }

    /// The path of a backup that was begun at this time.
    fn path(&self, stem: &str, at: Timestamp, packing: Option<Packing>) -> PathBuf {
        match self {
            Place::File(path) => path.clone(),
            Place::Directory(folder) => {
                let suffix = packing.map_or("", Packing::suffix);
                folder.join(format!("{stem}-{}.rdb{suffix}", at.strftime(rotation::STAMP)))
            }
        }
    }
}

/// A backup that is written and nobody sees.
struct Pending {
    stem: String,
    path: PathBuf,
    file: AtomicFile,
    backup: Backup,
    libraries: Vec<crate::report::backup::Library>,
    check: SourceReport,
    began: Instant,
    begun_anew: Vec<String>,
}

fn pend(
    node: &Node,
    connector: &Connector,
    place: &Place,
    options: &BackupOptions,
    observer: &dyn Observer,
) -> Result<Pending, Failed> {
    let (began, taken_at) = (Instant::now(), Timestamp::now());
    let stem = rotation::stem(&node.address);
    let path = place.path(&stem, taken_at, options.packing);
    let publish = Publish { force: options.force, ..Publish::default() };
    // Before the server is put to work for nothing.
    let mut file = AtomicFile::create(&path, &publish)?;
    let ask = Ask { snapshot_only: true, ..Ask::default() };
    let arrival = Arrival::begin(node, connector, &ask, &options.stop)
        .map_err(|error| Failed { error, by_server: true })?;
    let Answered::Snapshot { point, payload, .. } = arrival.answered else {
        return Err(Error::Usage(format!("{} sends no snapshot", node.name)).into());
    };
    let facts = facts(node, arrival.info.as_ref());
    let profile = profile(&facts);
    let mut until = Until::new(payload);
    let came = take(&mut until, &node.name, &mut file, options.packing, options, profile, observer)
        .map_err(|error| Failed { error, by_server: until.is_broken })?;
    let Came { written, size_bytes, header, check, holds } = came;
    let backup = Backup {
        schema: SCHEMA.to_owned(),
        file: path.file_name().unwrap_or_default().shown().to_string(),
        taken_at: taken_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        took_ms: 0,
        server: facts,
        replication: Replication { id: point.id, offset: point.offset },
        format: header.map(|header| header.magic()).unwrap_or_default(),
        size_bytes: written.size_bytes,
        sha256: written.sha256,
        compression: options.packing.map(|packing| packing.name().to_owned()),
        snapshot_bytes: size_bytes,
        keys: holds.keys(),
        databases: databases(&holds),
        functions: holds.libraries.iter().map(|library| library.name.clone()).collect(),
        digest: holds.digest.map(|(value, uncovered)| Digest {
            server: profile.to_string(),
            value,
            uncovered,
        }),
        check: checked(&check),
    };
    let (libraries, begun_anew) = (holds.libraries, Vec::new());
    Ok(Pending { stem, path, file, backup, libraries, check, began, begun_anew })
}

impl Pending {
    /// Puts the backup in its place, and what is beside it; then older ones may go.
    fn publish(mut self, place: &Place, options: &BackupOptions) -> Result<Taken> {
        let publish = Publish { force: options.force, ..Publish::default() };
        let beside =
            |suffix: &str| AtomicFile::create(&rotation::beside(&self.path, suffix), &publish);
        let functions = match options.functions && !self.libraries.is_empty() {
            true => {
                let mut file = beside(rotation::FUNCTIONS)?;
                let (name, libraries) = (&self.backup.file, &self.libraries);
                let all = Functions { schema: FUNCTIONS_SCHEMA, file: name, libraries };
                write_functions(&mut file, &all)?;
                Some(file)
            }
            false => None,
        };
        let mut text = beside(rotation::TEXT)?;
        // Begun before, so that there is nothing left but to give them their names.
        self.file.commit()?;
        self.backup.took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        write_json(&mut text, &self.backup)?;
        if let Some(functions) = functions {
            functions.commit()?;
        }
        text.commit()?;
        let removed = match (place, options.keep) {
            (Place::Directory(folder), Some(keep)) => rotation::rotate(folder, &self.stem, keep)?,
            _ => Vec::new(),
        };
        Ok(Taken { path: self.path, backup: self.backup, removed, begun_anew: self.begun_anew })
    }
}

/// A connection on which a server has answered.
struct Arrival {
    info: Option<ServerInfo>,
    answered: Answered,
}

impl Arrival {
    /// Connects, asks who it is where that is allowed, and asks as a replica does.
    fn begin(
        node: &Node,
        connector: &Connector,
        ask: &Ask,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let mut connection = connector.open_first(&node.address)?;
        let info = match ServerInfo::of(&mut connection) {
            Ok(info) => Some(info),
            // Replicating can be allowed without it.
            Err(Failure::Denied { .. } | Failure::Refused { .. }) => None,
            Err(failure) => return Err(failure.into()),
        };
        let patience = connector.timeouts().reply;
        let wire_of = |connection| Ok(Wire::of(connection, &node.name, patience)?.until(stop));
        let wire = wire_of(connection)?;
        let mut again = || wire_of(connector.open(&node.address)?);
        Ok(Arrival { info, answered: replication::ask(wire, &mut again, ask)? })
    }
}

fn facts(node: &Node, info: Option<&ServerInfo>) -> ServerFacts {
    let role = |info: &ServerInfo| match info.role {
        Role::Replica => "replica",
        _ => "master",
    };
    ServerFacts {
        url: node.name.clone(),
        product: info.map(|info| info.target.product.name().to_owned()),
        version: info.map(|info| info.version.clone()),
        run_id: info.map(|info| info.run_id.clone()),
        role: info.map(|info| role(info).to_owned()),
        cluster_node: info.is_some_and(|info| info.is_cluster),
        slots: node
            .slots
            .iter()
            .map(|slots| match (slots.start(), slots.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            })
            .collect(),
    }
}

/// By whose rules a digest is computed: the server's own.
fn profile(facts: &ServerFacts) -> Profile {
    let (Some(product), Some(version)) = (&facts.product, &facts.version) else {
        return Profile::default();
    };
    let version: Vec<&str> = version.split('.').take(2).collect();
    format!("{product}:{}", version.join(".")).parse().unwrap_or_default()
}

fn databases(holds: &Holds) -> Vec<DatabaseKeys> {
    holds.databases.iter().map(|(&db, &keys)| DatabaseKeys { db, keys }).collect()
}

fn checked(check: &SourceReport) -> Checked {
    let sum = |severity| check.files.iter().map(|file| file.count(severity)).sum();
    let file = check.files.first();
    Checked {
        depth: file.map_or("", |file| file.depth).to_owned(),
        checksum: file.and_then(|file| file.checksum.clone()).unwrap_or_default(),
        errors: sum(Severity::Error),
        warnings: sum(Severity::Warning),
    }
}
