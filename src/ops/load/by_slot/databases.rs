//! Whether all that is to be sent has a place: a Cluster has database 0 alone. A log is looked
//! through for that before the first command goes out.

use super::feed::Feeding;
use crate::error::{Error, Result};
use crate::ops::load::LoadOptions;
use crate::ops::rewrite::{Noted, Verdict, number};
use crate::ops::run::log::{Runner, read};
use crate::rdb::Record;
use crate::resp::cluster::{Place, place};
use crate::resp::{Command, encode};

/// The database of a source has to be the one that there is on the target.
pub(super) fn check(database: u64, options: &LoadOptions) -> Result<()> {
    let mapped = options.map_db.get(&database).copied();
    match mapped.or_else(|| options.database.map(u64::from)).unwrap_or(database) {
        0 => Ok(()),
        _ => Err(lacks("writes to", database)),
    }
}

fn lacks(does: &str, database: u64) -> Error {
    Error::Usage(format!(
        "the log {does} database {database}, and a Cluster has database 0 alone: --map-db \
         {database}=0 sends its keys there, --db 0 takes only what is about database 0"
    ))
}

/// Looks through all that is to be sent. What is broken is met again where it is sent.
pub(super) fn look_ahead(feeding: Feeding<'_>) -> Result<()> {
    let filter = &feeding.options.filter;
    for (file, progress) in feeding.files() {
        let mut last = None;
        let begins = file.log_begins(|found, _, _| {
            let Record::Entry(entry) = found else { return Ok(()) };
            if last == Some(entry.db) || (!filter.is_empty() && !filter.matches(entry)?) {
                return Ok(());
            }
            last = Some(entry.db);
            feeding.plan.database(entry.db).map(drop)
        });
        let at = match begins {
            Err(Error::Format(_)) => return Ok(()),
            other => other.map_err(|error| error.in_file(&file.name))?,
        };
        let Some(at) = at else { continue };
        let mut looker = Looker { feeding, database: 0 };
        let end = read(file.bytes(), at, &progress, &mut looker);
        if end.map_err(|error| error.in_file(&file.name))?.fault.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

/// Follows the databases of a log.
struct Looker<'f> {
    feeding: Feeding<'f>,
    database: u64,
}

impl Looker<'_> {
    /// A command that is sent, as it is sent.
    fn sent(&self, offset: u64, command: &Command<'_>) -> Result<()> {
        let options = self.feeding.options;
        let is = |name: &str| command.is(name);
        let mut args = command.args();
        let other = if is("SWAPDB") {
            match (args.next().and_then(number), args.next().and_then(number)) {
                (Some(one), Some(two)) if one != two => Some(one.max(two)),
                _ => None,
            }
        } else if is("MOVE") {
            args.nth(1).and_then(number)
        } else if is("COPY") {
            let mut args = args.skip_while(|arg| !arg.eq_ignore_ascii_case(b"DB"));
            args.nth(1).and_then(number)
        } else {
            None
        };
        let at = |error: Error| match error {
            Error::Usage(words) => Error::Usage(format!("offset {offset}: {words}")),
            error => error,
        };
        match other {
            Some(0) | None => {}
            Some(database) => return Err(at(lacks("moves keys to", database))),
        }
        let Err(error) = check(self.database, options) else { return Ok(()) };
        let args: Vec<&[u8]> = command.args().collect();
        match place(command.name(), &args) {
            Place::Slot(_) | Place::Parts(_) | Place::Across => Err(at(error)),
            Place::Everywhere if is("FLUSHDB") => Err(at(error)),
            _ => Ok(()),
        }
    }
}

impl<'a> Runner<'a> for Looker<'_> {
    type Stop = Error;

    fn command(&mut self, offset: u64, command: Command<'a>) -> Result<()> {
        if command.is("SELECT") {
            self.database = command.args().next().and_then(number).unwrap_or(self.database);
            return Ok(());
        }
        let filter = &self.feeding.options.filter;
        // What only concerns databases that are left out.
        if command.is("SWAPDB")
            && !command.args().filter_map(number).any(|db| filter.matches_db(db))
        {
            return Ok(());
        }
        match self.feeding.rules.judge(&command, self.database, &mut Noted::default())? {
            Verdict::Keep => self.sent(offset, &command),
            Verdict::Drop => Ok(()),
            Verdict::Change(words) => {
                let mut bytes = Vec::new();
                encode::command(&mut bytes, &words);
                Command::strict(&bytes).map_or(Ok(()), |(command, _)| self.sent(offset, &command))
            }
        }
    }
}
