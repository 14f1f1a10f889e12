//! Whether a server has a database. A command that runs in another one is worse than none, so this
//! is known before anything is sent that is meant for it.

use crate::live::{Address, Class, Connection, ErrorReply, Failure};

/// Asks whether the server has a database; it is selected then.
pub fn has_database(connection: &mut Connection, database: u32) -> Result<(), Failure> {
    connection.select(database).map_err(|failure| match failure {
        Failure::Refused { address, reply, .. } => lacks(address, database.into(), reply),
        other => other,
    })
}

/// What a server that refuses to select a database is said to lack.
pub fn lacks(address: Address, database: u64, reply: ErrorReply) -> Failure {
    if reply.class() == Class::Wait {
        return Failure::Refused { address, command: "SELECT".to_owned(), reply };
    }
    let words = format!(
        "has no database {database} ({reply}): --map-db {database}=0 sends its keys elsewhere"
    );
    Failure::Unfit { address, words }
}
