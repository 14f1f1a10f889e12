//! The items of a log one after the other, each of them whole, for verbs that write them again.
//!
//! ```text
//! see(Item) see(Item) see(Broken) ── Go::Resync ─► see(Skipped) see(Item) …
//!                                └── Go::Stop
//! ```
//!
//! A command that does not fit the window widens it, which beyond some size goes to a temporary
//! file: memory stays bounded, whatever a length claims. The danger is behind damage: text in a
//! value can look like a command. So what is gone on with must be a whole command as servers write
//! it, with another item, or the end, right behind it.

mod resync;

use crate::aof::LogItem;
use crate::aof::log::{Quirks, item};
use crate::bytes::Input;
use crate::error::{Fault, Result, unwrap_bad};
use resync::resync;

/// Something on the way through a log.
#[derive(Debug)]
pub(super) enum Seen<'a> {
    /// An item, and where it begins.
    Item {
        /// Its offset.
        at: u64,
        /// The item.
        item: LogItem<'a>,
        /// The bytes that it takes.
        raw: &'a [u8],
        /// What loaders let through although no server writes it.
        quirks: Quirks,
        /// What follows.
        next: Next,
    },
    /// Bytes that are no item.
    Broken {
        /// Where the item begins.
        at: u64,
        /// Where it breaks.
        offset: u64,
        /// The rule.
        fault: Fault,
    },
    /// Bytes that were stepped over; at `to` a command begins, or the data ends.
    Skipped {
        /// Where they begin.
        from: u64,
        /// Where they end.
        to: u64,
        /// What begins in front of this may be text of a value.
        doubtful_until: u64,
    },
}

/// What stands behind an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The end, or what begins as an item does.
    Item,
    /// What begins as one more argument does.
    Argument,
    /// Something else.
    Other,
}

/// How to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    /// With the next item; behind damage, not at all.
    On,
    /// Not at all; the input stands before what was seen.
    Stop,
    /// With the next command that can be believed in, behind the first byte of what was seen.
    Resync,
}

/// Shows all items from the input's position on.
pub(super) fn each(
    input: &mut impl Input,
    mut see: impl FnMut(Seen<'_>) -> Result<Go>,
) -> Result<()> {
    let mut ended = false;
    loop {
        let buffer = input.buffer();
        let start = input.position();
        let mut rest = buffer;
        let mut go = Go::On;
        let mut wanting = buffer.is_empty();
        while !rest.is_empty() {
            let at = start + (buffer.len() - rest.len()) as u64;
            let mut quirks = Quirks::default();
            let seen = match item(rest, ended, &mut quirks) {
                // What follows is not at hand yet.
                Ok(([], _)) if !ended => {
                    wanting = true;
                    break;
                }
                Ok((behind, item)) => {
                    let next = match behind {
                        [] | [b'*' | b'#', ..] => Next::Item,
                        [b'$', b'0'..=b'9', ..] => Next::Argument,
                        _ => Next::Other,
                    };
                    let raw = rest.get(..rest.len() - behind.len()).unwrap_or(rest);
                    let seen = see(Seen::Item { at, item, raw, quirks, next })?;
                    if seen == Go::On {
                        rest = behind;
                    }
                    seen
                }
                Err(error) => {
                    let bad = unwrap_bad(error);
                    if bad.fault.is_truncated() && !ended {
                        wanting = true;
                        break;
                    }
                    let offset = at + (rest.len() - bad.at.len()) as u64;
                    match see(Seen::Broken { at, offset, fault: bad.fault })? {
                        Go::On => Go::Stop,
                        other => other,
                    }
                }
            };
            if seen != Go::On {
                go = seen;
                break;
            }
        }
        let taken = buffer.len() - rest.len();
        input.consume(taken);
        match go {
            Go::Stop => return Ok(()),
            Go::Resync => {
                let from = input.position();
                let doubtful_until = resync(input)?;
                let to = input.position();
                if see(Seen::Skipped { from, to, doubtful_until })? == Go::Stop {
                    return Ok(());
                }
            }
            Go::On if wanting && !ended => ended = !input.more()?,
            Go::On => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Go, Seen, each};
    use crate::bytes::SliceInput;

    const A: &str = "*1\r\n$1\r\nA\r\n";
    const B: &str = "*2\r\n$1\r\nB\r\n$2\r\nxy\r\n";

    #[test]
    fn all_items_are_shown() {
        check(&format!("{A}#c\r\n{B}"), "0A 11#c 15B ");
        check("", "");
    }

    #[test]
    fn damage_is_stepped_over() {
        check(&format!("{A}!!{B}{A}"), "0A 11!command-start [11-13] 13B 32A ");
        check(&format!("*2\r\n$1\r\nX\r\n$9999\r\nx\r\n{B}{A}"), "0!truncated [0-21] 21B 40A ");
        check("????", "0!command-start [0-4] ");
    }

    #[test]
    fn what_is_not_followed_by_an_item_is_not_believed_in() {
        check(&format!("!!{A}garbage {B}"), "0!command-start [0-21] 21B ");
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        let mut told = String::new();
        each(&mut SliceInput::new(text.as_bytes()), |seen| {
            match seen {
                Seen::Item { at, raw, .. } => {
                    let text = String::from_utf8_lossy(raw);
                    let name = text.split("\r\n").nth(2).unwrap_or(&text).trim_end().to_owned();
                    let name = if text.starts_with('#') { "#c".to_owned() } else { name };
                    told += &format!("{at}{name} ");
                }
                Seen::Broken { at, fault, .. } => {
                    told += &format!("{at}!{} ", fault.code());
                    return Ok(Go::Resync);
                }
                Seen::Skipped { from, to, .. } => told += &format!("[{from}-{to}] "),
            }
            Ok(Go::On)
        })
        .unwrap();
        assert_eq!(told, want);
    }
}
