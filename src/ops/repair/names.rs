//! A command whose name no server knows: what the name was, where that can be told.
//!
//! ```text
//! SELEBT 3       one byte from SELECT alone               put right
//! ?SET k f v     one byte from HSET, LSET and MSET        nobody knows which it was
//! BF.ADDX k v    the shape of a module's command          some server may have it
//! ```
//!
//! The length of a name has been believed when its frame was read, so a damaged name is as long as
//! it was. The danger is a name that another server, or a renamed command, really has: what is put
//! right is said.

use crate::aof::is_database;
use crate::engine::lookup;
use crate::resp::{Command, known_commands};

/// Shorter names are one byte from too much.
const NAME_MIN_BYTES: usize = 3;

/// Whether commands stand in a transaction, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    No,
    Yes,
    Unknown,
}

/// The name of the only command that is one byte from this one's, and takes so many arguments.
pub(super) fn put_right(command: &Command<'_>, open: Open) -> Option<Vec<u8>> {
    let name = command.name();
    if name.len() < NAME_MIN_BYTES {
        return None;
    }
    let mut fitting = known_commands().filter(|known| {
        let differs = |(a, b): (&u8, u8)| !a.eq_ignore_ascii_case(&b);
        known.len() == name.len()
            && name.iter().zip(known.bytes()).filter(|&pair| differs(pair)).count() == 1
            && can_be(known, command, open)
    });
    let found = fitting.next()?;
    if fitting.next().is_some() {
        return None;
    }
    let is_lower = !name.iter().any(u8::is_ascii_uppercase);
    Some(if is_lower { found.to_ascii_lowercase() } else { found.to_owned() }.into_bytes())
}

/// Whether a command of this name could stand here with these arguments.
fn can_be(known: &str, command: &Command<'_>, open: Open) -> bool {
    let argc = command.argc();
    match known {
        "EXEC" if open == Open::No => false,
        "SELECT" => argc == 2 && command.args().next().is_some_and(is_database),
        // What the engine does not run may take any number.
        _ => lookup(known.as_bytes()).is_none_or(|spec| spec.takes(argc as usize)),
    }
}

/// What a command with a name that nobody knows may have been, by its length and its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Select,
    /// MULTI or EXEC.
    Edge,
    Other,
}

pub(super) fn hidden(command: &Command<'_>) -> Hidden {
    match (command.name().len(), command.argc()) {
        (6, 2) => Hidden::Select,
        (4 | 5, 1) => Hidden::Edge,
        _ => Hidden::Other,
    }
}

/// Whether a command takes keys away, so that it does the most harm where it is none.
pub(super) fn removes(name: &[u8]) -> bool {
    const REMOVING: [&str; 6] = ["FLUSHALL", "FLUSHDB", "SWAPDB", "DEL", "UNLINK", "DELEX"];
    REMOVING.iter().any(|removing| name.eq_ignore_ascii_case(removing.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{Open, put_right};
    use crate::resp::{Command, encode};

    #[test]
    fn a_name_is_put_right_where_one_command_alone_fits() {
        check(&["SELEBT", "3"], Open::No, Some("SELECT"));
        check(&["SELEBT", "x"], Open::No, None);
        check(&["\0ET", "k", "v"], Open::No, Some("SET"));
        check(&["S\0T", "k", "v"], Open::No, Some("SET"));
        check(&["s\0t", "k", "v"], Open::No, Some("set"));
        check(&["MULTO"], Open::No, Some("MULTI"));
        check(&["EXEX"], Open::Yes, Some("EXEC"));
        check(&["EXEX"], Open::Unknown, Some("EXEC"));
        check(&["EXEX"], Open::No, None);
        check(&["?SET", "k", "f", "v"], Open::No, None);
        check(&["NOSUCHCMD", "k"], Open::No, None);
        check(&["S\0\0", "k", "v"], Open::No, None);
        check(&["", "k", "v"], Open::No, None);
    }

    #[track_caller]
    fn check(words: &[&str], open: Open, want: Option<&str>) {
        let mut frame = Vec::new();
        encode::command(&mut frame, words);
        let (command, _) = Command::strict(&frame).unwrap();
        let got = put_right(&command, open);
        assert_eq!(got.as_deref(), want.map(str::as_bytes), "{words:?}");
    }
}
