//! The way from damage to the next command that can be believed in.
//!
//! ```text
//! *3 $3 SET $5 inn?er $44 *1 $8 FLUSHALL …  *3 $3 SET
//!    └ sound └ damage └ sound: passed over  └ a whole command, and an item right behind it
//! ```
//!
//! Text in a value can look like a command, so bodies that sound lengths announce are passed over.
//! The danger is a damaged length that happens to end where another body does: it would swallow
//! commands. So the count of the command has to leave room for what is passed over, and what
//! stands in front of all damage, and ends too early with an item, is where the damage must be.

use crate::aof::log::{START_BYTES, looks_like_command};
use crate::bytes::Input;
use crate::error::Result;
use crate::resp::{Command, header};

/// No header of an argument is longer.
const HEADER_BYTES: usize = 22;

/// Goes to the next command that can be believed in, or to the end. What begins at the input's
/// position was not. Where the last body ends that a header announced which was not trusted.
pub(super) fn resync(input: &mut impl Input) -> Result<u64> {
    let mut damaged = Damaged::new(input.buffer());
    let (mut from, mut ended) = (1, false);
    // No header in front of this absolute offset is asked.
    let mut distrusted_until = 0;
    loop {
        let buffer = input.buffer();
        let is_mark = |byte: &u8| matches!(byte, b'*' | b'$');
        let found = buffer.get(from..).and_then(|rest| rest.iter().position(is_mark));
        let at = found.map_or(buffer.len(), |ahead| from + ahead);
        let rest = buffer.get(at..).unwrap_or_default();
        let step = match rest.first() {
            None if ended => Step::Stop,
            None => Step::Wait,
            Some(b'*') => command(rest, ended, &mut damaged),
            Some(_) => {
                let starts_line = at.checked_sub(1).and_then(|at| buffer.get(at)) == Some(&b'\n');
                let offset = input.position() + at as u64;
                match starts_line && offset >= distrusted_until {
                    true => damaged.pass(rest, ended),
                    false => Step::Pass(1),
                }
            }
        };
        match step {
            Step::Stop => {
                input.consume(at);
                return Ok(distrusted_until);
            }
            Step::Pass(bytes) => from = at + bytes,
            Step::Distrust(bytes) => {
                distrusted_until = input.position() + (at + bytes) as u64;
                from = at + 1;
            }
            Step::Wait => {
                // Whether a header starts a line is seen by the byte in front of it.
                let passed = at.saturating_sub(1);
                input.consume(passed);
                from = at - passed;
                ended = !input.more()?;
            }
        }
    }
}

/// How to go on from a `*` or `$`.
enum Step {
    /// Not at all: here is the command, or the end.
    Stop,
    /// So many bytes further on.
    Pass(usize),
    /// At the next byte, and what its headers say of so many bytes is not to be trusted.
    Distrust(usize),
    /// Here, when more has come.
    Wait,
}

fn command(rest: &[u8], ended: bool, damaged: &mut Damaged) -> Step {
    if rest.len() < START_BYTES && !ended {
        return Step::Wait;
    }
    if !looks_like_command(rest) {
        return Step::Pass(1);
    }
    match Command::strict(rest) {
        Some((_, [b'*' | b'#', ..])) => Step::Stop,
        Some((_, [])) if ended => Step::Stop,
        // It may not have come as a whole.
        Some((_, [])) | None if !ended => Step::Wait,
        _ => {
            // One more that is damaged.
            *damaged = Damaged::new(rest);
            Step::Pass(1)
        }
    }
}

/// What is known of a damaged command.
struct Damaged {
    /// How many bulk strings it says it has.
    argc: Option<u64>,
    /// How many were seen.
    seen: u64,
    /// Nothing of it was damaged so far.
    is_sound: bool,
}

impl Damaged {
    fn new(bytes: &[u8]) -> Self {
        let head = header::strict(bytes, b'*');
        let is_sound = head.is_some_and(|(_, rest)| rest.first() == Some(&b'$'));
        Damaged { argc: head.map(|(argc, _)| argc), seen: 0, is_sound }
    }

    /// Passes over the bulk strings that follow each other from a header on.
    fn pass(&mut self, rest: &[u8], ended: bool) -> Step {
        let mut behind = rest;
        let mut bodies = 0;
        loop {
            match body(behind, ended) {
                Body::Sound(next) => (behind, bodies) = (next, bodies + 1),
                Body::Unsound => break,
                Body::Cut => return Step::Wait,
            }
        }
        let was_sound = std::mem::replace(&mut self.is_sound, false);
        if bodies == 0 {
            self.seen += 1;
            return Step::Pass(1);
        }
        let has_room = self.argc.is_none_or(|argc| self.seen + bodies <= argc);
        let at_item = matches!(behind.first(), None | Some(b'*' | b'#'));
        let passed = rest.len() - behind.len();
        if has_room && !(was_sound && at_item) {
            self.seen += bodies;
            Step::Pass(passed)
        } else {
            Step::Distrust(passed)
        }
    }
}

enum Body<'a> {
    /// It ends where its header says, and what is behind it begins as it should.
    Sound(&'a [u8]),
    Unsound,
    /// Its end has not come yet.
    Cut,
}

fn body(bytes: &[u8], ended: bool) -> Body<'_> {
    let missing = if ended { Body::Unsound } else { Body::Cut };
    let Some((length, rest)) = header::strict(bytes, b'$') else {
        let may_come = bytes.len() < HEADER_BYTES && matches!(bytes, [] | [b'$', ..]);
        return if may_come { missing } else { Body::Unsound };
    };
    let rest = usize::try_from(length).ok().and_then(|length| rest.get(length..));
    match rest {
        None | Some([] | [b'\r']) => missing,
        Some([b'\r', b'\n', next @ ..]) => match next {
            [] if !ended => Body::Cut,
            // Where the next header is damaged, too, its mark may be whole.
            [] | [b'*' | b'$' | b'#', ..] => Body::Sound(next),
            _ => Body::Unsound,
        },
        Some(_) => Body::Unsound,
    }
}

#[cfg(test)]
mod tests {
    use super::resync;
    use crate::bytes::{Input as _, SliceInput};

    const A: &str = "*1\r\n$1\r\nA\r\n";
    const B: &str = "*2\r\n$1\r\nB\r\n$2\r\nxy\r\n";

    fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }

    /// `damaged` is a command up to a value that holds the text of a log; `behind` is what is left of
    /// it then.
    #[track_caller]
    fn check(damaged: &str, behind: &str) {
        let value = bulk(&format!("{A}{B}{A}"));
        lands(&format!("{damaged}{value}{behind}"), &format!("{B}{A}"));
    }

    #[track_caller]
    fn lands(damaged: &str, behind: &str) {
        let text = format!("{damaged}{behind}");
        let mut input = SliceInput::new(text.as_bytes());
        resync(&mut input).unwrap();
        let at = input.position() as usize;
        assert_eq!(&text[at..], behind, "{text:?}");
    }

    #[test]
    fn text_of_a_value_is_no_command_where_its_length_is_sound() {
        // The key is longer than it says, or shorter.
        check("*3\r\n$3\r\nSET\r\n$2\r\nk?y\r\n", "");
        check("*3\r\n$3\r\nSET\r\n$4\r\nk?y\r\n", "");
        // A length that is no number, a name, and the count.
        check("*3\r\n$3\r\nSET\r\n$x\r\nkey\r\n", "");
        check("*3\r\n$3\r\nS?ET\r\n$3\r\nkey\r\n", "");
        check("?3\r\n$3\r\nSET\r\n$3\r\nkey\r\n", "");
        check("*x\r\n$3\r\nSET\r\n$3\r\nkey\r\n", "");
        // The damage is behind the value.
        check("*4\r\n$5\r\nRPUSH\r\n$3\r\nkey\r\n", "$1\r\nx??\r\n");
        // On both sides of it.
        check("*4\r\n$5\r\nRPUSH\r\n$3\r\nke?y\r\n", "$1\r\nx??\r\n");
    }

    #[test]
    fn a_damaged_length_swallows_no_commands() {
        // It ends where an argument does of the command behind the next one.
        let swallowed = bulk(&format!("x\r\n{B}*2\r\n$1\r\nC"));
        let behind = &format!("{B}*2\r\n$1\r\nC\r\n$1\r\ny\r\n{A}");
        let at = swallowed.find(B).unwrap();
        lands(&format!("*2\r\n$1\r\nX\r\n{}", &swallowed[..at]), behind);
        // Where the next command does, though one more argument is announced.
        let swallowed = bulk(&format!("x\r\n$1\r\ny\r\n{B}*1\r\n$1\r\nC"));
        let at = swallowed.find(B).unwrap();
        lands(
            &format!("*3\r\n$1\r\nX\r\n{}", &swallowed[..at]),
            &format!("{B}*1\r\n$1\r\nC\r\n{A}"),
        );
    }
}
