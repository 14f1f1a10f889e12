//! The engine: a keyspace that runs every command that a log can hold, as the servers do.
//!
//! ```text
//! arguments ─ table: which command ─ Call ─ command/: one file per family ─ Reply
//!                                     ├ Keys: the selected database, cut into shards
//!                                     └ Env: time, limits, functions
//! ```
//!
//! ```
//! use rdbkit::engine::Engine;
//! use rdbkit::resp::Reply;
//!
//! let mut engine = Engine::default();
//! assert_eq!(engine.execute(&[b"SET", b"greeting", b"hello"]), Reply::OK);
//! assert_eq!(engine.execute(&[b"APPEND", b"greeting", b" world"]), Reply::Int(11));
//! assert_eq!(engine.execute(&[b"GET", b"greeting"]), Reply::bulk("hello world"));
//! ```
//!
//! Time is an input ([`Env::now_ms`]): with the same commands at the same time the result is the
//! same. While a log is loaded ([`Env::loading`]) nothing expires, as in the servers.

mod base;
mod bytes;
mod call;
mod command;
mod env;
mod failure;
mod keys;
mod keyspace;
mod save;
#[cfg(feature = "lua")]
mod script;
mod shards;
mod table;
mod thaw;
mod value;
mod warm;

pub use base::{Base, BaseBytes, Left, Meta, Remarks, Stretch};
pub use bytes::Bytes;
pub use call::Call;
pub use env::{Env, library_name};
pub use failure::{Answer, Failure};
pub use keys::Keys;
pub use keyspace::{Db, Keyspace, Loading, Record, Shard};
pub use save::save;
pub use shards::{SHARDS, shard_of, shards_per_thread};
pub use table::{Route, Spec, foreign, lookup};
pub use thaw::{text_value, value as thaw};
pub use value::{
    Array, Elements, End, Fields, Frozen, Grown, Hash, List, ListNode, Lying, Members, Opaque,
    PackedHash, PackedSet, Packing, Set, Shape, SortedSet, Stream, Typed, Value, VectorSet,
};
pub use value::{stream, vector_set};
pub(crate) use warm::{fetch, warm};

use crate::rdb::Target;
use crate::resp::Reply;

/// How many databases a server has unless it is told otherwise.
pub const DATABASES: usize = 16;

/// A keyspace, and what is needed to run commands on it.
#[derive(Debug)]
pub struct Engine {
    /// The keys.
    pub keyspace: Keyspace,
    /// Everything else.
    pub env: Env,
    db: usize,
    transaction: Option<Transaction>,
}

/// The commands between MULTI and EXEC.
#[derive(Debug, Default)]
struct Transaction {
    commands: Vec<Vec<Vec<u8>>>,
    /// Whether one of them was refused, which EXEC then is as well.
    refused: bool,
}

impl Default for Engine {
    /// The newest Redis, at the beginning of time.
    fn default() -> Self {
        Engine::new(Target::default(), 0)
    }
}

impl Engine {
    /// An engine that plays this server at this time (unix time in milliseconds).
    pub fn new(target: Target, now_ms: i64) -> Self {
        Engine {
            keyspace: Keyspace::new(DATABASES, target.limits),
            env: Env::new(target, now_ms),
            db: 0,
            transaction: None,
        }
    }

    /// Plays another server from now on.
    pub fn play(&mut self, target: Target) {
        self.env.target = target;
        self.keyspace.set_limits(target.limits);
    }

    /// The selected database.
    pub fn db(&self) -> usize {
        self.db
    }

    /// Selects a database.
    pub fn select(&mut self, db: usize) {
        self.db = db;
    }

    /// Runs one command as a client would send it: the name and its arguments.
    pub fn execute(&mut self, args: &[&[u8]]) -> Reply {
        match self.session(args) {
            Ok(reply) => reply,
            Err(failure) => failure.into(),
        }
    }

    /// The commands that are about the connection, and all others within a transaction or not.
    fn session(&mut self, args: &[&[u8]]) -> Answer {
        let Some(&name) = args.first() else { return Err(table::unknown(args)) };
        if let Some(transaction) = &mut self.transaction
            && !["EXEC", "DISCARD", "MULTI", "WATCH"].iter().any(|word| call::is(name, word))
        {
            let refusal = match lookup(name) {
                None => Some(table::unknown(args)),
                Some(spec) if !spec.takes(args.len()) => Some(spec.wrong_count()),
                Some(_) => None,
            };
            return match refusal {
                Some(failure) => {
                    transaction.refused = true;
                    Err(failure)
                }
                None => {
                    transaction.commands.push(args.iter().map(|arg| arg.to_vec()).collect());
                    Ok(Reply::Status("QUEUED"))
                }
            };
        }
        if call::is(name, "MULTI") {
            if self.transaction.is_some() {
                return Err(Failure::text("ERR MULTI calls can not be nested"));
            }
            self.transaction = Some(Transaction::default());
            return Ok(Reply::OK);
        }
        if call::is(name, "DISCARD") {
            let open = self.transaction.take();
            return open.map(|_| Reply::OK).ok_or(Failure::text("ERR DISCARD without MULTI"));
        }
        if call::is(name, "EXEC") {
            let Some(transaction) = self.transaction.take() else {
                return Err(Failure::text("ERR EXEC without MULTI"));
            };
            if transaction.refused {
                return Err(Failure::text(
                    "EXECABORT Transaction discarded because of previous errors.",
                ));
            }
            let run = |command: &Vec<Vec<u8>>| {
                let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
                self.run(&args).unwrap_or_else(Reply::from)
            };
            return Ok(Reply::Array(transaction.commands.iter().map(run).collect()));
        }
        self.run(args)
    }

    /// Runs one command, transactions apart.
    pub fn run(&mut self, args: &[&[u8]]) -> Answer {
        let spec =
            args.first().and_then(|name| lookup(name)).ok_or_else(|| table::unknown(args))?;
        if !spec.takes(args.len()) {
            return Err(spec.wrong_count());
        }
        let gone = self.env.gone_before_ms();
        let keys = Keys::new(&mut self.keyspace, self.db, gone);
        let mut call = Call { args, keys, env: &mut self.env };
        let answer = (spec.run)(&mut call);
        // SELECT is the one command that leaves another database behind.
        self.db = call.keys.db;
        answer
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(words) => Reply::Error(words),
            Failure::Broken(error) => Reply::Error(format!("ERR {error}").into()),
            Failure::Unsupported(words) => Reply::Error(format!("ERR {words}").into()),
        }
    }
}
