//! Whether a server has a database. A command that runs in another one is worse than none, so this
//! is known before anything is sent that is meant for it.

use crate::live::{Address, Class, Connection, ErrorReply, Failure};

/// Asks whether the server has a database; it is selected then. `more` ends the sentence on one that
/// it lacks.
pub fn has_database(connection: &mut Connection, database: u32, more: &str) -> Result<(), Failure> {
    connection.select(database).map_err(|failure| match failure {
        Failure::Refused { address, reply, .. } => lacks(address, database.into(), reply, more),
        other => other,
    })
}

/// What a server that refuses to select a database is said to lack.
pub fn lacks(address: Address, database: u64, reply: ErrorReply, more: &str) -> Failure {
    if reply.class() == Class::Wait {
        return Failure::Refused { address, command: "SELECT".to_owned(), reply };
    }
    Failure::Unfit { address, words: format!("has no database {database} ({reply}){more}") }
}

/// How keys go elsewhere, for the end of that sentence.
pub fn elsewhere(database: impl Into<u64>) -> String {
    format!(": --map-db {}=0 sends its keys elsewhere", database.into())
}
