//! A backup that goes on: the snapshot as the base of a multi-part log, and the commands behind it
//! as its increment, which any server loads.
//!
//! ```text
//! DIR/appendonly.aof.manifest      base and increment; replaced by one rename
//! DIR/appendonly.aof.1.base.rdb    the snapshot, checked
//! DIR/appendonly.aof.1.incr.aof    #TS:… and commands, synced each second
//! DIR/rdbkit-follow.json           up to where of the stream, and of the increment, all is there
//! DIR/rdbkit-follow.lock           locked by whoever follows
//! ```
//!
//! What counts is the last whole command outside a transaction: what stands behind it in the
//! increment when the stream breaks off is cut away, and the server is asked for the bytes from there
//! on. Where it has them no more, a new snapshot begins a new base, and the old log stays in force
//! until that is in its place.
//!
//! Of a Cluster each shard has a log of its own, in a directory below.
//!
//! The danger is a state that says more than is on disk. So the increment is synced first, and the
//! state, which names the size that it speaks of, only then.

mod cluster;
mod lock;
mod log;
mod state;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::stream::{Came, Until, take};
use super::{Arrival, BackupOptions, facts, profile};
use crate::aof;
use crate::aof::manifest::{Entry, PartType};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::live::replication::{Answered, Ask, Event, Follow, Payload, Point};
use crate::live::{Connector, Endpoint, Node, Place, nodes, nodes_in_service};
use crate::ops::check::CheckReport;
use crate::ops::clock::now_ms;
use crate::ops::silences::told;
use crate::ops::walk::Observer;
pub use crate::report::backup::Followed;
use crate::report::backup::{Replication, ServerFacts};
use crate::resp::encode;
use crate::target::{DirectoryTarget, Part, Publish};
use lock::Lock;
use log::{Log, STATE};
use state::State;

/// The name of the log, as servers have it.
const LOG: &str = "appendonly.aof";
/// How long is waited before a server that is gone is asked again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// What is written is synced so often.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Hears what becomes of following, and says when it is over.
pub trait FollowObserver: Observer {
    /// Something that an operator wants to know.
    fn say(&self, what: &str);
}

/// What came of it.
#[derive(Debug)]
pub enum FollowOutcome {
    /// It was stopped; all is on disk. Of a Cluster there are several, and none where it was stopped
    /// before its nodes were known.
    Stopped(Vec<Followed>),
    /// A snapshot that came is not sound; what was there before is there still.
    Unsound(CheckReport),
}

/// Follows a server until [`stop`](BackupOptions::stop) is set.
///
/// Fails where the directory is not one that following began, or can't be written, and where the
/// server can't be had to begin with. Later, a connection that breaks is made anew, without end.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicBool;
///
/// use rdbkit::ops::backup::BackupOptions;
/// use rdbkit::ops::backup::follow::{FollowObserver, follow};
/// use rdbkit::ops::walk::Observer;
///
/// struct Teller;
///
/// impl Observer for Teller {}
///
/// impl FollowObserver for Teller {
///     fn say(&self, what: &str) {
///         eprintln!("{what}");
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Whoever sets it ends the whole.
/// let stop = Arc::new(AtomicBool::new(false));
/// let options = BackupOptions { output: "log".into(), stop, ..BackupOptions::default() };
/// follow(&"redis://localhost".parse()?, &options, &Teller)?;
/// # Ok(())
/// # }
/// ```
pub fn follow(
    endpoint: &Endpoint,
    options: &BackupOptions,
    observer: &dyn FollowObserver,
) -> Result<FollowOutcome> {
    let connector = Connector::new(endpoint, &options.live.tls, options.live.timeouts)?
        .heeding(&options.stop)
        .watching(endpoint, options.live.prefer_replica);
    told(&connector, observer, || follow_over(endpoint, &connector, options, observer))
}

fn follow_over(
    endpoint: &Endpoint,
    connector: &Connector,
    options: &BackupOptions,
    observer: &dyn FollowObserver,
) -> Result<FollowOutcome> {
    // Later on, those who follow wait for it themselves.
    let found = nodes_in_service(endpoint, connector, options.live.prefer_replica, &options.stop);
    // Who is stopped says what there is already.
    let is_stopped = options.stop.load(Ordering::Relaxed);
    match found {
        Err(_) if is_stopped && matches!(endpoint.place, Place::Cluster { .. }) => {
            return Ok(FollowOutcome::Stopped(Vec::new()));
        }
        Err(error) if !is_stopped => return Err(error),
        _ => {}
    }
    if let Place::Cluster { .. } = endpoint.place {
        return cluster::follow(endpoint, connector, options, observer);
    }
    let find = |_: Option<&Point>| {
        let nodes = nodes(endpoint, connector, options.live.prefer_replica)?;
        let none = || Error::Usage(format!("{endpoint} names no server"));
        nodes.into_iter().next().ok_or_else(none)
    };
    one((endpoint, connector, &find), options, observer)
}

/// Whom to follow: the server that goes on behind a point, or begins.
type Find<'a> = dyn Fn(Option<&Point>) -> Result<Node> + 'a;

/// Follows one server, or those that take its place.
fn one(
    (endpoint, connector, find): (&Endpoint, &Connector, &Find<'_>),
    options: &BackupOptions,
    observer: &dyn FollowObserver,
) -> Result<FollowOutcome> {
    let server = endpoint.to_string();
    let directory = &options.output;
    // What is somebody else's gets no lock file either.
    log::known(directory, &server)?;
    let _lock = Lock::take(directory, &|words| observer.say(words))?;
    let mut following = Following {
        find,
        connector,
        options,
        observer,
        log: Log::reopen(directory, &server)?,
        report: Followed {
            schema: "rdbkit.follow/1",
            directory: directory.shown().to_string(),
            server,
            ..Followed::default()
        },
    };
    let (mut pause, mut stood, mut said) = (PAUSES.0, false, String::new());
    while !following.is_stopped() {
        let ended = following.begin().and_then(|stream| {
            (stood, pause) = (true, PAUSES.0);
            said.clear();
            following.run(stream)
        });
        match ended {
            Ok(()) => {}
            Err(End::Unsound(report)) => return Ok(FollowOutcome::Unsound(report)),
            Err(End::Broken(_)) if following.is_stopped() => {}
            Err(End::Broken(error)) if stood => {
                let words = error.to_string();
                if words != said {
                    observer.say(&format!("{words}; the connection is made anew"));
                    said = words;
                }
                following.wait(pause);
                pause = (pause * 2).min(PAUSES.1);
            }
            Err(End::Broken(error) | End::Failed(error)) => return Err(error),
        }
        if let Some(log) = &mut following.log {
            log.settle()?;
            log.sync()?;
        }
    }
    Ok(FollowOutcome::Stopped(vec![following.finish()]))
}

/// Why it does not go on.
enum End {
    /// The other side is to blame, or the way there.
    Broken(Error),
    /// This side is.
    Failed(Error),
    /// What came is not sound.
    Unsound(CheckReport),
}

struct Following<'a> {
    find: &'a Find<'a>,
    connector: &'a Connector,
    options: &'a BackupOptions,
    observer: &'a dyn FollowObserver,
    /// None before the first snapshot.
    log: Option<Log>,
    report: Followed,
}

impl Following<'_> {
    fn is_stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    fn wait(&self, pause: Duration) {
        let began = Instant::now();
        while began.elapsed() < pause && !self.is_stopped() {
            thread::sleep(Duration::from_millis(20).min(pause));
        }
    }

    /// A stream that goes on where the log ends; if need be, of a log that is new.
    fn begin(&mut self) -> Result<Follow, End> {
        match self.begin_over(false) {
            Err((End::Broken(error), true)) if !self.is_stopped() => {
                // Ways there are that bear one connection and not two.
                let then = match self.log {
                    Some(_) => "the connection is made anew",
                    None => "the snapshot is asked for over one connection",
                };
                self.observer.say(&format!("{error}; {then}"));
                self.begin_over(true).map_err(|(end, _)| end)
            }
            begun => begun.map_err(|(end, _)| end),
        }
    }

    /// The same; where it fails, also whether a snapshot that had a connection of its own did.
    fn begin_over(&mut self, one_connection: bool) -> Result<Follow, (End, bool)> {
        let broken = |error| (End::Broken(error), false);
        let from = self.log.as_ref().map(Log::point);
        let node = &(self.find)(from.as_ref()).map_err(broken)?;
        let went_on = from.is_some();
        let ask = Ask { snapshot_only: false, from, one_connection };
        let arrival = Arrival::begin(node, self.connector, &ask, &self.options.stop);
        let arrival = arrival.map_err(broken)?;
        match arrival.answered {
            Answered::Continues { point, wire } => {
                if let Some(log) = &mut self.log {
                    log.renamed(&point.id);
                }
                self.report.reconnects += 1;
                self.observer.say(&format!("{} goes on at offset {}", node.name, point.offset));
                Follow::new(wire, point).map_err(broken)
            }
            Answered::Snapshot { point, db, payload } => {
                if went_on {
                    self.observer.say(&format!(
                        "{} no longer has what came behind the log: a new snapshot begins a new base",
                        node.name
                    ));
                }
                let facts = facts(node, arrival.info.as_ref());
                let has_own = payload.has_own_connection();
                self.snapshot(node, &facts, (point, db), payload).map_err(|end| (end, has_own))
            }
        }
    }

    /// Takes a snapshot for a base, and puts it in force with an empty increment.
    fn snapshot(
        &mut self,
        node: &Node,
        facts: &ServerFacts,
        (point, db): (Point, u32),
        payload: Payload,
    ) -> Result<Follow, End> {
        let directory = &self.options.output;
        let mut new = NewLog::create(directory, db).map_err(End::Failed)?;
        let mut until = Until::new(payload);
        let took = take(
            &mut until,
            &node.name,
            &mut new.base,
            None,
            self.options,
            profile(facts),
            self.observer,
        );
        let Came { check, .. } = took.map_err(|error| match until.is_broken {
            true => End::Broken(error),
            false => End::Failed(error),
        })?;
        if !check.is_sound() {
            return Err(End::Unsound(CheckReport { sources: vec![check] }));
        }
        // At the latest now the server sends what comes behind, and syncing may take its time.
        // Where it does not, the snapshot is whole all the same, and the server is asked for that.
        let wire = until.payload.into_wire();
        let mut stream = wire.and_then(|wire| Follow::new(wire, point.clone()));
        let at = Replication { id: point.id, offset: point.offset };
        let state = State::new(&self.report.server, &at, &new.incr, new.start.len() as u64);
        let published = thread::scope(|scope| {
            let publisher = scope.spawn(|| new.publish(directory, &state));
            let mut alive = Ok(());
            while !publisher.is_finished() {
                if let Ok(stream) = &mut stream {
                    alive = alive.and_then(|()| stream.keep_alive());
                }
                thread::sleep(Duration::from_millis(2));
            }
            let ended = Err(Error::Usage("the thread that publishes ended early".to_owned()));
            (publisher.join().unwrap_or(ended), alive)
        });
        let (published, alive) = published;
        published.map_err(End::Failed)?;
        self.log = Some(Log::open(directory, state).map_err(End::Failed)?);
        self.report.snapshots += 1;
        alive.map_err(End::Broken)?;
        let stream = stream.map_err(End::Broken)?;
        self.observer.say(&format!("{}: the snapshot is in place, following", node.name));
        Ok(stream)
    }

    /// Writes what comes until it is stopped or the stream breaks.
    fn run(&mut self, mut stream: Follow) -> Result<(), End> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let mut synced = Instant::now();
        while !self.options.stop.load(Ordering::Relaxed) {
            let is_quiet = match stream.next_event().map_err(End::Broken)? {
                Event::Quiet => true,
                Event::Command(command) => {
                    let now_ms = now_ms();
                    let secs = u64::try_from(now_ms / 1000).unwrap_or_default();
                    if log.append(&command, secs).map_err(End::Failed)? {
                        self.report.commands += 1;
                        self.report.last_ms = Some(now_ms);
                    }
                    false
                }
            };
            log.passed(stream.offset());
            if is_quiet {
                log.flush().map_err(End::Failed)?;
            }
            if synced.elapsed() >= SYNC_EVERY {
                stream.synced(log.sync().map_err(End::Failed)?);
                self.observer.progress(log.size_bytes());
                synced = Instant::now();
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Followed {
        if let Some(log) = &self.log {
            self.report.size_bytes = log.size_bytes();
            self.report.replication = log.replication();
        }
        self.report
    }
}

/// A log that is to be put in force.
struct NewLog {
    to: DirectoryTarget,
    base: Part,
    incr: String,
    /// What the increment begins with: the database that the stream is in.
    start: Vec<u8>,
    seq: i64,
    /// The files of the one before.
    old: Vec<OsString>,
}

impl NewLog {
    fn create(directory: &Path, db: u32) -> Result<Self> {
        let to =
            DirectoryTarget::create(directory, &Publish { force: true, ..Publish::default() })?;
        let mut old = Vec::new();
        let mut seq = 1;
        if to.existing().any(|name| name != lock::NAME) {
            let survey = aof::survey(directory)?;
            let parts = survey.parts.iter().chain(&survey.history);
            old = parts.filter_map(|part| part.path.file_name()).map(OsString::from).collect();
        }
        while to.is_taken(OsStr::new(&base_name(seq))) || to.is_taken(OsStr::new(&incr_name(seq))) {
            seq += 1;
        }
        let base = to.part(base_name(seq))?;
        let mut start = Vec::new();
        // Servers begin each file of a log in database 0.
        if db != 0 {
            encode::command(&mut start, ["SELECT", &db.to_string()].iter());
        }
        Ok(NewLog { to, base, incr: incr_name(seq), start, seq, old })
    }

    fn publish(self, directory: &Path, state: &State) -> Result<()> {
        let NewLog { mut to, base, incr, start, seq, old } = self;
        to.add(base)?;
        let mut begun = to.part(&incr)?;
        begun.put(&start)?;
        to.add(begun)?;
        if !to.is_taken(OsStr::new(STATE)) {
            let mut part = to.part(STATE)?;
            part.put(&state.text()?)?;
            to.add(part)?;
        }
        let entry = |name: String, part_type| Entry {
            name: name.into_bytes(),
            seq,
            part_type,
            start_offset: None,
            end_offset: None,
        };
        let (base, incr) = (entry(base_name(seq), PartType::Base), entry(incr, PartType::Incr));
        to.publish(format!("{LOG}.manifest"), format!("{base}\n{incr}\n").as_bytes(), &old)?;
        state.write(directory)
    }
}

fn base_name(seq: i64) -> String {
    format!("{LOG}.{seq}.base.rdb")
}

fn incr_name(seq: i64) -> String {
    format!("{LOG}.{seq}.incr.aof")
}
