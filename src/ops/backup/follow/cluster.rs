//! Following a Cluster: a log for each shard, in a directory of its own.
//!
//! ```text
//! DIR/n1-6379/     of the shard whose master was n1 when its log was begun
//! DIR/n2-6379/
//! ```
//!
//! A shard is known by its servers as they were seen last, and to a later run by the id of its stream,
//! under which a replica that takes over goes on, also one that nobody had told of. Masters that join
//! get a log when they are seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::lock::{self, Lock};
use super::state::State;
use super::{FollowObserver, FollowOutcome, one};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::live::replication::Point;
use crate::live::{Address, Connector, Endpoint, Node, ServerInfo, nodes};
use crate::ops::backup::{BackupOptions, rotation};
use crate::ops::check::CheckReport;

/// How often the Cluster is asked who is in it.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether it is to stop.
const TICK: Duration = Duration::from_millis(20);

/// A shard that is followed.
struct Shard {
    directory: PathBuf,
    /// Its servers, the master first.
    members: Mutex<Vec<Address>>,
}

impl Shard {
    fn members(&self) -> Vec<Address> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which of the nodes it is now: the one that has its master still, else the one with most of its
    /// servers. A replica may have gone over to another shard, or begun one of its own.
    fn find<'n>(&self, nodes: &'n [Node]) -> Option<&'n Node> {
        let members = self.members();
        let common = |node: &Node| node.members.iter().filter(|it| members.contains(it)).count();
        let same = |node: &Node| node.members.first() == members.first();
        let found = nodes.iter().max_by_key(|node| (same(node), common(node)));
        let found = found.filter(|node| common(node) > 0);
        if let Some(node) = found {
            self.is(node);
        }
        found
    }

    fn is(&self, node: &Node) {
        node.members.clone_into(&mut self.members.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What holds for all shards.
struct Cluster<'a> {
    endpoint: &'a Endpoint,
    connector: &'a Connector,
    options: &'a BackupOptions,
}

/// Follows all shards until it is to stop, or one of them cannot go on.
pub(super) fn follow(
    endpoint: &Endpoint,
    connector: &Connector,
    options: &BackupOptions,
    observer: &dyn FollowObserver,
) -> Result<FollowOutcome> {
    let cluster = &Cluster { endpoint, connector, options };
    let found = cluster.nodes()?;
    let mut begun = begun(&options.output)?;
    let _lock = Lock::take(&options.output, &|words| observer.say(words))?;
    let halt = &Arc::new(AtomicBool::new(false));
    let ended = thread::scope(|scope| {
        let mut running: Vec<(Arc<Shard>, ScopedJoinHandle<'_, Result<FollowOutcome>>)> =
            Vec::new();
        let mut look = |nodes: &[Node], running: &mut Vec<(Arc<Shard>, _)>| {
            let (mut followed, mut lost) = (Vec::new(), Vec::new());
            for (shard, _) in running.iter() {
                match shard.find(nodes) {
                    Some(node) => followed.push(node),
                    None => lost.push(Arc::clone(shard)),
                }
            }
            for node in nodes.iter().filter(|node| !followed.contains(node)) {
                // A replica that nobody had told of, in the place of its master.
                if let Some(shard) = lost.iter().find(|shard| cluster.goes_on(node, shard)) {
                    shard.is(node);
                    continue;
                }
                let directory = cluster.directory(node, &mut begun, running);
                let shard = Arc::new(Shard { directory, members: Mutex::default() });
                shard.is(node);
                let same = Arc::clone(&shard);
                let thread = scope.spawn(move || cluster.follow(&same, halt, observer));
                running.push((shard, thread));
            }
        };
        look(&found, &mut running);
        let mut looked = Instant::now();
        while !options.stop.load(Ordering::Relaxed)
            && !running.iter().any(|(_, it)| it.is_finished())
        {
            thread::sleep(TICK);
            if looked.elapsed() > LOOK_EVERY {
                // Where it does not answer now, those who follow say so.
                if let Ok(nodes) = cluster.nodes() {
                    look(&nodes, &mut running);
                }
                looked = Instant::now();
            }
        }
        halt.store(true, Ordering::Relaxed);
        let early = |_| Err(Error::Usage("a thread that follows ended early".to_owned()));
        running.into_iter().map(|(_, it)| it.join().unwrap_or_else(early)).collect::<Vec<_>>()
    });
    let (mut all, mut unsound) = (Vec::new(), Vec::new());
    for outcome in ended {
        match outcome? {
            FollowOutcome::Stopped(followed) => all.extend(followed),
            FollowOutcome::Unsound(report) => unsound.extend(report.sources),
        }
    }
    Ok(match unsound.is_empty() {
        true => FollowOutcome::Stopped(all),
        false => FollowOutcome::Unsound(CheckReport { sources: unsound }),
    })
}

impl Cluster<'_> {
    fn nodes(&self) -> Result<Vec<Node>> {
        nodes(self.endpoint, self.connector, self.options.live.prefer_replica)
    }

    /// Follows one shard, whichever of its servers is the master.
    fn follow(
        &self,
        shard: &Shard,
        halt: &Arc<AtomicBool>,
        observer: &dyn FollowObserver,
    ) -> Result<FollowOutcome> {
        let options = BackupOptions {
            output: shard.directory.clone(),
            stop: Arc::clone(halt),
            ..self.options.clone()
        };
        let find = |point: Option<&Point>| {
            let nodes = self.nodes()?;
            let found = shard.find(&nodes).or_else(|| {
                let streams = |node: &&Node| point.is_some_and(|at| self.has_stream(node, &at.id));
                nodes.iter().find(streams).inspect(|node| shard.is(node))
            });
            found.cloned().ok_or_else(|| {
                let (endpoint, directory) = (self.endpoint, shard.directory.shown());
                Error::Usage(format!("no master of {endpoint} goes on with what is in {directory}"))
            })
        };
        one((self.endpoint, self.connector, &find), &options, observer)
    }

    /// Whether a node goes on with what is followed in the directory of a shard.
    fn goes_on(&self, node: &Node, shard: &Shard) -> bool {
        let state = State::read(&shard.directory).ok().flatten();
        state.is_some_and(|state| self.has_stream(node, &state.id))
    }

    /// Whether a node goes on with a stream, be it under another id by now.
    fn has_stream(&self, node: &Node, id: &str) -> bool {
        let info = node
            .members
            .first()
            .and_then(|master| ServerInfo::of(&mut self.connector.open(master).ok()?).ok());
        info.is_some_and(|info| {
            let is = |field: &str| info.fields.get(field).is_some_and(|known| known == id);
            is("master_replid") || is("master_replid2")
        })
    }

    /// Where the log of a node goes: where that of its stream is, or of one of its servers; else to
    /// a new directory.
    fn directory<T>(
        &self,
        node: &Node,
        begun: &mut Vec<(PathBuf, State)>,
        running: &[(Arc<Shard>, T)],
    ) -> PathBuf {
        let named = |address: &Address| self.options.output.join(rotation::stem(address));
        let streams = |(_, state): &(PathBuf, State)| self.has_stream(node, &state.id);
        let is_named = |(path, _): &(PathBuf, State)| {
            node.members.iter().any(|address| named(address) == *path)
        };
        let known = begun.iter().position(streams).or_else(|| begun.iter().position(is_named));
        if let Some(at) = known {
            return begun.swap_remove(at).0;
        }
        let new = node.members.first().map_or_else(|| named(&node.address), named);
        let is_free = |path: &PathBuf| {
            running.iter().all(|(shard, _)| shard.directory != *path)
                && begun.iter().all(|(other, _)| other != path)
        };
        let more = (2..).map(|n| new.with_added_extension(n.to_string()));
        std::iter::once(new.clone()).chain(more).find(is_free).unwrap_or(new)
    }
}

/// The logs that a run before this one began.
fn begun(directory: &Path) -> Result<Vec<(PathBuf, State)>> {
    let name = directory.shown();
    if directory.is_file() {
        return Err(Error::Usage(format!(
            "{name} is a file, and following writes a directory: name one"
        )));
    }
    if State::read(directory)?.is_some() {
        return Err(Error::Usage(format!(
            "{name} is the log of one server: a Cluster needs a directory of its own, in which each \
             of its nodes gets one"
        )));
    }
    let wrong = |cause| Error::io(format!("cannot use the directory {name}"), cause);
    fs::create_dir_all(directory).map_err(wrong)?;
    let (mut begun, mut others) = (Vec::new(), false);
    for entry in fs::read_dir(directory).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.file_name().is_some_and(|name| name == lock::NAME) {
            continue;
        }
        match path.is_dir().then(|| State::read(&path)).transpose()?.flatten() {
            Some(state) => begun.push((path, state)),
            None => others = true,
        }
    }
    if begun.is_empty() && others {
        return Err(Error::Usage(format!(
            "{name} is not empty, and nothing in it is a log that following a Cluster began: give a \
             directory of its own"
        )));
    }
    Ok(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(members: &[u16]) -> Node {
        let members: Vec<Address> =
            members.iter().map(|port| Address::Tcp("h".into(), *port)).collect();
        Node { address: members[0].clone(), name: String::new(), slots: Vec::new(), members }
    }

    #[track_caller]
    fn check(was: &[u16], nodes: &[&[u16]], is: Option<&[u16]>) {
        let shard = Shard { directory: PathBuf::new(), members: Mutex::default() };
        for turned in [false, true] {
            shard.is(&node(was));
            let mut nodes: Vec<Node> = nodes.iter().map(|members| node(members)).collect();
            if turned {
                nodes.reverse();
            }
            assert_eq!(shard.find(&nodes), is.map(node).as_ref());
        }
    }

    #[test]
    fn a_shard_is_known_by_its_servers() {
        check(&[1, 4], &[&[1, 4], &[2, 5]], Some(&[1, 4]));
        // The replica has taken over, and the old master follows it, or is gone.
        check(&[1, 4], &[&[2, 5], &[4, 1]], Some(&[4, 1]));
        check(&[1, 4], &[&[2, 5], &[4]], Some(&[4]));
        // The replica has gone over to another shard, or begun one.
        check(&[1, 4], &[&[1], &[2, 5, 4]], Some(&[1]));
        check(&[1, 4], &[&[1], &[2, 5], &[4]], Some(&[1]));
        check(&[1, 4], &[&[2, 5], &[3, 6]], None);
    }
}
