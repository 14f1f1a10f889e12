//! Before the first key is sent: the target is locked, perhaps emptied, and asked what it remembers
//! of a load that was interrupted.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::ahead::Needs;
use super::confirm::{Limits, confirmed};
use super::masters::each_master;
use super::pack::Marks;
use super::servers::Servers;
use super::state::Found;
use super::words::why;
use super::{LoadOptions, OnExisting};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::live::{Address, Connection, Connector, ErrorReply, Failure, Role, ServerInfo};
use crate::ops::walk::Observer;
use crate::report::text;
use crate::target::live::{
    Claim, Halt, Held, KEYS, Keeper, Progress, Reopened, Route, has_database,
};

/// How long is waited before a target is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// How a load begins.
pub(super) struct Settled {
    pub(super) claim: Claim,
    /// Up to here of the source everything has arrived.
    pub(super) from: u64,
    pub(super) notes: Vec<String>,
    pub(super) servers: Servers,
    /// Connections that carry the owner's name, so that others see it from the first moment on.
    pub(super) named: Vec<Connection>,
}

/// Why a load cannot begin.
enum Unsettled {
    Failure(Failure),
    Error(Error),
}

impl From<Failure> for Unsettled {
    fn from(failure: Failure) -> Self {
        Unsettled::Failure(failure)
    }
}

impl From<Error> for Unsettled {
    fn from(error: Error) -> Self {
        Unsettled::Error(error)
    }
}

/// Locks the target, and finds where to go on. Servers that change their roles meanwhile are waited
/// for.
pub(super) fn settle(
    route: &mut dyn Route,
    connector: &Connector,
    found: (Option<&Found>, Marks),
    needs: &Needs,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<Settled> {
    let until = Instant::now() + options.courier.patience;
    let fresh = || format!("{:x}-{}", options.now_ms, std::process::id());
    let session = found.0.map_or_else(fresh, |found| found.session.clone());
    let claim =
        Claim::new(&session, "").kept_by(Keeper::new(connector)).heeding(&options.courier.stop);
    loop {
        match try_settle(route, &claim, found, needs, (options, observer)) {
            Ok(settled) => {
                observer.goes_on();
                return Ok(settled);
            }
            Err(Unsettled::Error(error)) => {
                let_go(route, &claim);
                return Err(error);
            }
            Err(Unsettled::Failure(failure)) => {
                let stop = options.courier.stop.load(Ordering::Relaxed);
                if !failure.is_passing() || stop || Instant::now() >= until {
                    ends(route, connector);
                    let_go(route, &claim);
                    return Err(Error::Usage(match stop {
                        true => "stopped as asked, before a key was sent".to_owned(),
                        false => with_rights(&failure),
                    }));
                }
                for lane in 0..route.lanes() {
                    route.broke(lane, &failure);
                }
                observer.waiting(&failure.to_string());
                thread::sleep(PAUSE);
            }
        }
    }
}

/// It is to end: what is asked now is only to give back what is held, where that can be done.
pub(super) fn ends(route: &mut dyn Route, connector: &Connector) {
    route.trust_last(true);
    if let Some(silence) = connector.silence() {
        silence.let_go();
    }
}

/// Gives back the locks that were taken before something else failed.
pub(super) fn let_go(route: &mut dyn Route, claim: &Claim) {
    let _ = each_master(route, |route, lane, tag| {
        // One that is out of reach keeps its lock until it expires.
        if let Ok(mut connection) = route.open(lane) {
            let _ = claim.tagged(tag).release(&mut connection, false);
        }
        Ok::<_, Infallible>(())
    });
}

/// What failed, and the rights that a replay needs if they are missing.
pub(super) fn with_rights(failure: &Failure) -> String {
    match failure.reply() {
        Some(reply) if reply.code() == "NOPERM" => format!(
            "{} refused a command ({reply}): besides the rights for what is sent, the user needs \
             those for what a replay keeps there: ~{KEYS}* +get +set +del +pttl +pexpire +info \
             +select +client; behind Sentinels +role +wait, in a Cluster +cluster +asking +wait; and \
             +watch +unwatch +multi +exec for --as log and for taking over from a replay that was \
             killed; +flushall for --flush-first",
            failure.address()
        ),
        _ => failure.to_string(),
    }
}

fn try_settle(
    route: &mut dyn Route,
    claim: &Claim,
    (found, marks): (Option<&Found>, Marks),
    needs: &Needs,
    (options, observer): (&LoadOptions, &dyn Observer),
) -> Result<Settled, Unsettled> {
    let session = claim.session();
    let mut notes = Vec::new();
    let mut from = found.map_or(0, |found| found.offset);
    let servers = Servers::after(found.map(|found| found.evicted.clone()).unwrap_or_default());
    let mut masters: Vec<(Claim, Connection)> = Vec::new();
    each_master(route, |route, lane, tag| {
        let claim = claim.tagged(tag);
        let mut connection = route.open(lane)?;
        needs.ask(&mut connection)?;
        databases(&mut connection, options)?;
        let waits = |why: &str| observer.waiting(why);
        let held = claim.hold(&mut connection, options.courier.patience, &waits)?;
        if let Held::No(words) = held {
            return Err(Error::Usage(words).into());
        }
        let server = ServerInfo::of(&mut connection)?;
        servers.evicted.sees(&server);
        servers.serves(tag, server);
        masters.push((claim, connection));
        Ok::<_, Unsettled>(())
    })?;
    for (claim, connection) in &mut masters {
        let progress = claim.progress(connection)?.filter(|found| found.session == session);
        match (found, progress) {
            (None, _) => {}
            (Some(_), Some(progress)) => from = from.min(progress.mark),
            (Some(found), None) => {
                if from > 0 {
                    notes.push(format!(
                        "{} does not remember the replay that had come to {}: it was emptied, or \
                         restarted without its data, so the replay begins anew",
                        connection.address(),
                        marks.named(found.offset)
                    ));
                }
                from = 0;
            }
        }
    }
    if from == 0 {
        servers.evicted.begins_anew();
    }
    if let Some(found) = found.filter(|_| from > 0) {
        let (at, path) = (marks.named(from), found.path.shown());
        notes.push(match from == found.offset {
            true => {
                let keys = text::plural(found.keys, "key");
                format!("goes on at {at}, behind {keys} that have arrived already ({path})")
            }
            // Some of those that were counted are sent again.
            false => format!(
                "goes on at {at}, as the target does not remember all of what came before {} ({path})",
                marks.named(found.offset)
            ),
        });
    }
    for (claim, connection) in &mut masters {
        if options.flush_first && from == 0 {
            connection.request(&["FLUSHALL"])?;
        }
        claim.note(
            connection,
            &Progress { session: session.to_owned(), mark: from, more: String::new() },
        )?;
    }
    if options.flush_first && from == 0 {
        emptied(route, claim, &servers, (options, observer))?;
    }
    if options.on_existing == OnExisting::Fail && from > 0 {
        notes.push("keys that were on their way when the replay ended may be there already".into());
    }
    let named = masters.into_iter().map(|(_, connection)| connection).collect();
    Ok(Settled { claim: claim.clone(), from, notes, servers, named })
}

/// Waits until whoever may take over is empty, too: what it had would stay there.
fn emptied(
    route: &mut dyn Route,
    claim: &Claim,
    servers: &Servers,
    (options, observer): (&LoadOptions, &dyn Observer),
) -> Result<(), Unsettled> {
    let mut is_known = |_: usize, _: &dyn Route, connection: &mut Connection| {
        if servers.is_same(connection) { Ok(()) } else { Err(Halt::Rewind(0)) }
    };
    let limits = Limits::new(options.courier.patience, &options.courier.stop, observer);
    match confirmed(route, claim, limits, &mut is_known) {
        Ok(_) => Ok(()),
        Err(Halt::Failed(failure)) => Err(failure.into()),
        Err(Halt::Rewind(_)) => {
            let name = route.name(0);
            let address = Address::parse(&name, 0).unwrap_or(Address::Tcp(name, 0));
            Err(not_yet(address, "TRYAGAIN another server has taken over").into())
        }
        Err(halt) => Err(Error::Usage(why(&halt, &route.name(0))).into()),
    }
}

/// The databases that are named in the options have to be there: a command that runs in another
/// one is worse than none.
fn databases(connection: &mut Connection, options: &LoadOptions) -> Result<(), Failure> {
    let mapped = options.map_db.values().filter_map(|db| u32::try_from(*db).ok());
    for database in options.database.into_iter().chain(mapped) {
        has_database(connection, database, "")?;
    }
    connection.select(0)
}

/// Looks at the server behind each link before anything goes out to it.
pub(super) fn reopened(claim: &Claim, servers: &Servers) -> Reopened<'static> {
    let (claim, servers) = (claim.clone(), servers.clone());
    Box::new(move |lane, route, connection| {
        let tag = route.tag(lane);
        let claim = claim.tagged(&tag);
        let server = ServerInfo::of(connection)?;
        if server.role == Role::Replica {
            return Err(
                not_yet(connection.address().clone(), "READONLY it is a replica now").into()
            );
        }
        if server.is_loading {
            return Err(not_yet(connection.address().clone(), "LOADING it reads its files").into());
        }
        claim.name(connection)?;
        servers.evicted.sees(&server);
        if servers.may_be(&server) {
            // While it was out of reach the lock may have expired, and somebody may have come. A
            // node to whom the slot of the lock no longer belongs says nothing of that.
            match claim.still_held(connection) {
                Ok(Held::No(words)) => return Err(Halt::Taken(words)),
                Ok(Held::Yes) | Err(Failure::Refused { .. }) => {}
                Err(failure) => return Err(failure.into()),
            }
            servers.serves(&tag, server);
            return Ok(());
        }
        // Another process answers: what it has is what it says.
        if let Held::No(words) = claim.still_held(connection)? {
            return Err(Halt::Taken(words));
        }
        let progress = claim.progress(connection)?;
        // Only now: where a question has failed, the next attempt has to ask all of them again.
        servers.serves(&tag, server);
        let mark = progress.filter(|p| p.session == claim.session()).map_or(0, |p| p.mark);
        Err(Halt::Rewind(mark))
    })
}

/// What passes when a server has changed its role, or has loaded its data.
pub(super) fn not_yet(address: Address, words: &str) -> Failure {
    let reply = ErrorReply { words: words.to_owned() };
    Failure::Refused { address, command: "writes".into(), reply }
}
