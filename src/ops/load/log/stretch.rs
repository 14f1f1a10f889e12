//! Batches of a log's commands on their way over one connection.

use redis::Value;

use crate::error::Error;
use crate::live::{Connection, ErrorReply, Failure};
use crate::resp::{Command, command_keys, encode};
use crate::target::live::{Claim, Halt, Progress, elsewhere, lacks};

/// Where in a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) part: usize,
    pub(super) offset: u64,
    pub(super) db: u64,
}

impl Position {
    pub(super) fn progress(self, claim: &Claim) -> Progress {
        let more = format!("{} {} {}", self.part, self.db, claim.owner());
        Progress { session: claim.session().to_owned(), mark: self.offset, more }
    }

    /// The position, and who wrote it.
    pub(super) fn of(progress: &Progress) -> Option<(Self, &str)> {
        let mut words = progress.more.split(' ');
        let part = words.next()?.parse().ok()?;
        let db = words.next()?.parse().ok()?;
        Some((Position { part, offset: progress.mark, db }, words.next()?))
    }
}

/// Why a stretch of the log ended.
pub(super) enum End {
    /// Something that a new look at the target's progress may mend.
    Again(Failure),
    /// The target came back as it was while the snapshot in front was being loaded.
    Base,
    Halt(Halt),
    Error(Error),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        if failure.is_passing() { End::Again(failure) } else { End::Halt(Halt::Failed(failure)) }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Error(error)
    }
}

/// A batch: commands, and which of the log's each of them is.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) bytes: Vec<u8>,
    /// `None` for those that are not the log's.
    pub(super) places: Vec<Option<(usize, u64)>>,
    pub(super) starts: Vec<usize>,
    pub(super) behind: Position,
    /// The database that the commands are in.
    pub(super) db: Option<u64>,
    /// All databases that they are in but the first of the server.
    pub(super) databases: Vec<u64>,
}

impl Pending {
    pub(super) fn push(&mut self, place: Option<(usize, u64)>, write: impl FnOnce(&mut Vec<u8>)) {
        self.starts.push(self.bytes.len());
        self.places.push(place);
        write(&mut self.bytes);
    }

    /// Goes to a database, whichever the commands before were in.
    pub(super) fn select(&mut self, database: u64) {
        let mut spelled = itoa::Buffer::new();
        self.push(None, |out| encode::command(out, ["SELECT", spelled.format(database)]));
        self.db = Some(database);
        if database != 0 && !self.databases.contains(&database) {
            self.databases.push(database);
        }
    }

    /// How many of the log's commands there are.
    pub(super) fn commands(&self) -> u64 {
        self.places.iter().flatten().count() as u64
    }

    /// Name and first key of a command.
    pub(super) fn command(&self, index: usize) -> (Vec<u8>, Vec<u8>) {
        let at = self.starts.get(index).copied().unwrap_or_default();
        let Some((command, _)) = self.bytes.get(at..).and_then(Command::strict) else {
            return Default::default();
        };
        let args: Vec<&[u8]> = command.args().collect();
        let key = command_keys(command.name(), &args).into_iter().flatten().next();
        (command.name().to_vec(), key.map(<[u8]>::to_vec).unwrap_or_default())
    }
}

/// A run of batches over one connection.
pub(super) struct Stretch {
    pub(super) connection: Option<Connection>,
    /// Behind the last batch that was handed over.
    pub(super) position: Position,
    /// Behind the last batch that took effect.
    pub(super) effective: Option<Position>,
    pub(super) batch: Pending,
    /// A batch that was sent without its EXEC.
    pub(super) waiting: Option<Pending>,
}

impl Stretch {
    pub(super) fn new(connection: Option<Connection>, position: Position) -> Self {
        let batch = Pending { behind: position, ..Pending::default() };
        Stretch { connection, position, effective: Some(position), batch, waiting: None }
    }

    pub(super) fn connection(&mut self) -> Result<&mut Connection, End> {
        self.connection.as_mut().ok_or(End::Halt(Halt::Interrupted))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        Ok(self.connection()?.write(bytes)?)
    }

    pub(super) fn read(&mut self) -> Result<Value, End> {
        Ok(self.connection()?.read()?)
    }

    pub(super) fn refused(&self, command: &str, words: &str) -> Failure {
        let address = match &self.connection {
            Some(connection) => connection.address().clone(),
            None => crate::live::Address::Tcp(String::new(), 0),
        };
        let reply = ErrorReply { words: words.to_owned() };
        Failure::Refused { address, command: command.to_owned(), reply }
    }

    /// Reads what stands in front of a batch, and makes sure that the progress is ours and as it
    /// was left: only then may its EXEC go.
    pub(super) fn check(&mut self, batch: &Pending, claim: &Claim) -> Result<(), End> {
        // Behind a SELECT that failed commands would run in another database.
        for &database in &batch.databases {
            if let Value::ServerError(error) = self.read()? {
                let address = self.connection()?.address().clone();
                let reply = crate::live::reply_of(&error);
                return Err(lacks(address, database, reply, &elsewhere(database)).into());
            }
        }
        let mut found = Value::Nil;
        for index in 0..4 {
            match self.read()? {
                Value::ServerError(error) => {
                    let words = crate::live::reply_of(&error).words;
                    return Err(self.refused("WATCH", &words).into());
                }
                value if index == 2 => found = value,
                _ => {}
            }
        }
        let progress = match &found {
            Value::BulkString(bytes) => Progress::parse(bytes),
            _ => None,
        };
        let ours = progress
            .as_ref()
            .and_then(Position::of)
            .is_some_and(|(at, owner)| owner == claim.owner() && Some(at) == self.effective);
        if ours {
            return Ok(());
        }
        Err(End::Again(self.refused("EXEC", "TRYAGAIN the progress is not as it was left")))
    }
}
