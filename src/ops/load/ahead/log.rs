//! What the commands of a log ask of the target, before the first of them goes out.

use super::Needs;
use super::keys::Databases;
use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::ops::load::files::File;
use crate::ops::load::pack::Plan;
use crate::ops::load::point::{Point, up_to};
use crate::ops::load::{CrossSlot, LoadOptions};
use crate::ops::rewrite::{
    Clash, Merged, Noted, Rules, database_places, is_about_all_databases, number,
};
use crate::ops::run::log::{About, Runner, read};
use crate::rdb::Record;
use crate::resp::Command;
use crate::resp::cluster::{Place, place};

/// A Cluster has database 0 alone.
pub(in crate::ops::load) fn has_place_in_cluster(
    database: u64,
    options: &LoadOptions,
) -> Result<()> {
    match sent_to(database, options) {
        0 => Ok(()),
        _ => Err(lacks(database, "writes to")),
    }
}

/// The database on the target.
fn sent_to(database: u64, options: &LoadOptions) -> u64 {
    let mapped = options.map_db.get(&database).copied();
    mapped.or_else(|| options.database.map(u64::from)).unwrap_or(database)
}

fn lacks(database: u64, does: &str) -> Error {
    Error::Usage(format!(
        "the log {does} database {database}, and a Cluster has database 0 alone: --map-db \
         {database}=0 sends its keys there, --db 0 takes only what is about database 0"
    ))
}

/// Looks through all that is to be sent. What is broken is met again where it is sent.
pub(in crate::ops::load) fn look_into(
    files: &[File],
    point: Option<Point>,
    plan: &Plan<'_>,
    rules: &Rules,
) -> Result<Needs> {
    let mut needs = Needs::default();
    let mut merged = Merged::default();
    for (file, progress) in up_to(files, point) {
        let mut databases = Databases::new(plan);
        let begins = file.log_begins(|found, _, _| match found {
            Record::Entry(entry) => databases.key(entry),
            _ => Ok(()),
        });
        databases.seen.iter().for_each(|&db| merged.note(db));
        for (database, need) in databases.needs.0 {
            needs.0.entry(database).or_insert(need);
        }
        let at = match begins {
            Err(Error::Format(_)) => return Ok(needs),
            other => other.map_err(|error| error.in_file(&file.name))?,
        };
        let Some(at) = at else { continue };
        let mut looker = Looker {
            plan,
            rules,
            file: &file.name,
            database: 0,
            known: None,
            needs,
            merged,
            room: Vec::new(),
            slots: Vec::new(),
        };
        let end = read(file.bytes(), at, &progress, &mut looker);
        (needs, merged) = (looker.needs, looker.merged);
        if end.map_err(|error| error.in_file(&file.name))?.fault.is_some() {
            break;
        }
    }
    Ok(needs)
}

/// Follows the databases of a log.
struct Looker<'f> {
    plan: &'f Plan<'f>,
    rules: &'f Rules,
    file: &'f str,
    /// The one that is selected.
    database: u64,
    /// One that is needed, as is known already.
    known: Option<u64>,
    needs: Needs,
    /// What has come together by now, where several databases may become one.
    merged: Merged,
    room: Vec<u8>,
    /// In which slots the command, or the transaction, that is read has keys.
    slots: Vec<u16>,
}

impl Looker<'_> {
    /// A command of the log.
    fn one(&mut self, offset: u64, command: Command<'_>) -> Result<()> {
        if command.is("SELECT") {
            self.database = command.args().next().and_then(number).unwrap_or(self.database);
            return Ok(());
        }
        let judged = self.rules.judge(&command, self.database, &mut Noted::default());
        let mut room = std::mem::take(&mut self.room);
        room.clear();
        if let Some(sent) =
            judged.map_err(|error| at(self.file, offset, error))?.command(command, &mut room)
        {
            self.sent(offset, &command, &sent)?;
        }
        self.room = room;
        Ok(())
    }

    /// A command that is sent, as it stands in the log and as it is sent.
    fn sent(&mut self, offset: u64, logged: &Command<'_>, sent: &Command<'_>) -> Result<()> {
        if self.plan.has_slots && self.plan.options.cross_slot == CrossSlot::Fail {
            self.whole(offset, sent)?;
        }
        let rules = self.rules;
        if rules.maps_databases() {
            self.merged
                .judge(&|database| rules.mapped(database), logged, self.database)
                .map_err(|clash| at(self.file, offset, refused(&clash)))?;
        }
        let mapped = |database: u64| self.rules.mapped(database);
        let moves = other_databases(logged);
        // A database that is swapped with itself stays where it is.
        let stays = matches!(moves.as_slice(), [one, other] if mapped(*one) == mapped(*other));
        for database in moves.into_iter().filter(|_| !stays) {
            self.need(offset, "moves keys to", database, self.rules.mapped(database))?;
        }
        if self.known != Some(self.database) && self.has_place(sent) {
            let database = self.database;
            self.need(offset, "writes to", database, sent_to(database, self.plan.options))?;
            self.known = Some(database);
        }
        Ok(())
    }

    /// Refuses what can't be run by a Cluster as it stands.
    fn whole(&mut self, offset: u64, sent: &Command<'_>) -> Result<()> {
        let args: Vec<&[u8]> = sent.args().collect();
        let why = match place(sent.name(), &args) {
            Place::Slot(slot) => {
                self.slots.push(slot);
                return Ok(());
            }
            place => match across(sent, &place) {
                Some(why) => why,
                None => return Ok(()),
            },
        };
        let file = self.file;
        Err(Error::Usage(format!(
            "offset {offset} of {file}: {} cannot be run: {why}; --cross-slot split takes apart \
             what can be taken apart, and leaves out and reports the rest",
            quoted(sent.name())
        )))
    }

    /// The same of a transaction: its commands have been looked at, each by itself.
    fn one_slot(&mut self, offset: u64) -> Result<()> {
        self.slots.sort_unstable();
        self.slots.dedup();
        let slots = std::mem::take(&mut self.slots).len();
        if slots < 2 || self.plan.options.cross_slot != CrossSlot::Fail {
            return Ok(());
        }
        let file = self.file;
        Err(Error::Usage(format!(
            "offset {offset} of {file}: a transaction has keys in {slots} slots of the Cluster; \
             --cross-slot split makes a transaction of the commands of each slot"
        )))
    }

    /// Whether a command has to run in the database that is selected.
    fn has_place(&self, command: &Command<'_>) -> bool {
        if !self.plan.has_slots {
            return !is_about_all_databases(command.name());
        }
        let args: Vec<&[u8]> = command.args().collect();
        match place(command.name(), &args) {
            Place::Slot(_) | Place::Parts(_) | Place::Across => true,
            Place::Everywhere => command.is("FLUSHDB"),
            Place::Keyless | Place::Unknown => false,
        }
    }

    fn need(&mut self, offset: u64, does: &str, source: u64, database: u64) -> Result<()> {
        if self.plan.has_slots {
            return match database {
                0 => Ok(()),
                _ => Err(at(self.file, offset, lacks(source, does))),
            };
        }
        let file = self.file;
        let why = || format!(", and the log {does} it at offset {offset} of {file}");
        match u32::try_from(database) {
            Ok(database) => self.needs.add(database, source, why),
            Err(_) => {
                let words =
                    format!("the log {does} database {source}, and no server has that many");
                return Err(at(file, offset, Error::Usage(words)));
            }
        }
        Ok(())
    }
}

/// Why a log is not sent whose databases become one.
fn refused(clash: &Clash) -> Error {
    Error::Usage(format!(
        "{clash}, and nothing was sent: give each a number of its own with --map-db, or send the keys \
         that the log leads to, without --as log"
    ))
}

/// Why a command cannot be run by one node of a Cluster as it stands, where it is not one that all
/// of them get, or that changes nothing.
pub(in crate::ops::load) fn across(
    command: &Command<'_>,
    place: &Place<'_>,
) -> Option<&'static str> {
    match place {
        Place::Slot(_) | Place::Everywhere => None,
        Place::Keyless if is_of_no_account(command) => None,
        Place::Parts(_) | Place::Across => Some("its keys are in several slots of the Cluster"),
        Place::Keyless => Some("it has no key that says which node of the Cluster is to run it"),
        Place::Unknown => Some("it is not known here which of its arguments are keys"),
    }
}

/// Commands without keys that change nothing; of databases, those that are not sent were swapped.
fn is_of_no_account(command: &Command<'_>) -> bool {
    ["PING", "REPLCONF", "PUBLISH", "SPUBLISH", "SELECT", "SWAPDB"]
        .iter()
        .any(|name| command.is(name))
}

/// The databases that a command names besides the one that it runs in.
fn other_databases(command: &Command<'_>) -> Vec<u64> {
    // Most commands are none of these, and there are many.
    if !["SWAPDB", "MOVE", "COPY"].iter().any(|name| command.is(name)) {
        return Vec::new();
    }
    let args: Vec<&[u8]> = command.args().collect();
    let places = database_places(command.name(), &args);
    args.get(places).unwrap_or_default().iter().filter_map(|arg| number(arg)).collect()
}

/// Where it is that something cannot be done.
fn at(file: &str, offset: u64, error: Error) -> Error {
    match error {
        Error::Usage(words) => Error::Usage(format!("{file}: offset {offset}: {words}")),
        error => error,
    }
}

impl<'a> Runner<'a> for Looker<'_> {
    type Stop = Error;

    fn command(&mut self, offset: u64, command: Command<'a>) -> Result<()> {
        self.one(offset, command)?;
        self.slots.clear();
        Ok(())
    }

    fn transaction(&mut self, commands: Vec<(About, Command<'a>)>) -> Result<()> {
        let begins = commands.first().map_or(0, |(about, _)| about.offset);
        for (about, command) in commands {
            self.one(about.offset, command)?;
        }
        self.one_slot(begins)
    }
}
