//! Where in a Cluster a command belongs.
//!
//! ```text
//! SET k v                 the slot of k
//! MSET {a}1 x {a}2 y      one slot
//! MSET a x b y            two slots: MSET a x, MSET b y
//! RENAME a b              two slots, and no parts that mean the same
//! FLUSHALL                everywhere
//! ```
//!
//! A command is taken apart where its keys have nothing to do with each other. What its parts
//! answer is not what it answers as a whole: this is for those who replay, and count.

use super::keys::key_positions;
use crate::bytes::slot::slot;

/// Slots, and the words of a command for each.
pub type Parts<'a> = Vec<(u16, Vec<&'a [u8]>)>;

/// Where a command goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place<'a> {
    /// Where this slot is served: all its keys are in it.
    Slot(u16),
    /// In parts, each with the words that go to one slot, the name in front.
    Parts(Parts<'a>),
    /// To every master.
    Everywhere,
    /// Nowhere: it needs keys of several slots together.
    Across,
    /// Nowhere: it names no key, and it is not for every master either.
    Keyless,
    /// Not known: the command is not.
    Unknown,
}

/// Where a command goes: its name and the arguments behind it.
pub fn place<'a>(name: &'a [u8], args: &[&'a [u8]]) -> Place<'a> {
    let Some(positions) = key_positions(name, args) else { return Place::Unknown };
    let is = |names: &[&str]| names.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()));
    let mut slots = positions.clone().filter_map(|at| args.get(at)).map(|key| slot(key));
    let Some(first) = slots.next() else {
        let for_all = is(&["FLUSHALL", "FLUSHDB", "FUNCTION", "SCRIPT"]);
        return if for_all { Place::Everywhere } else { Place::Keyless };
    };
    if slots.all(|slot| slot == first) {
        return Place::Slot(first);
    }
    match parts(name, args) {
        Some(parts) => Place::Parts(parts),
        None => Place::Across,
    }
}

/// The parts of a command whose keys have nothing to do with each other.
fn parts<'a>(name: &'a [u8], args: &[&'a [u8]]) -> Option<Parts<'a>> {
    let is = |names: &[&str]| names.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()));
    if is(&["DEL", "UNLINK", "TOUCH", "EXISTS"]) {
        return Some(by_slot(name, args, 1));
    }
    if is(&["MSET"]) {
        return args.len().is_multiple_of(2).then(|| by_slot(name, args, 2));
    }
    if is(&["JSON.MSET", "TS.MADD"]) {
        return args.len().is_multiple_of(3).then(|| by_slot(name, args, 3));
    }
    if is(&["MSETEX"]) {
        return msetex(name, args);
    }
    None
}

/// Groups of so many arguments, each with its key in front, one command for each slot.
fn by_slot<'a>(name: &'a [u8], args: &[&'a [u8]], step: usize) -> Parts<'a> {
    let mut parts: Parts<'a> = Vec::new();
    for group in args.chunks(step) {
        let Some(key) = group.first() else { continue };
        let slot = slot(key);
        match parts.iter_mut().find(|(of, _)| *of == slot) {
            Some((_, words)) => words.extend_from_slice(group),
            None => parts.push((slot, [&[name], group].concat())),
        }
    }
    parts
}

/// MSETEX count key value … options: the options go with every part. With NX or XX, whether one
/// key is set depends on the others.
fn msetex<'a>(name: &'a [u8], args: &[&'a [u8]]) -> Option<Parts<'a>> {
    let count: usize = std::str::from_utf8(args.first()?).ok()?.parse().ok()?;
    let end = count.checked_mul(2)?.checked_add(1)?;
    let (pairs, options) = (args.get(1..end)?, args.get(end..)?);
    let depends =
        |word: &&[u8]| word.eq_ignore_ascii_case(b"NX") || word.eq_ignore_ascii_case(b"XX");
    if options.iter().any(depends) {
        return None;
    }
    let parts = by_slot(name, pairs, 2).into_iter().map(|(slot, words)| {
        // Numbers as text that lives long enough: more pairs than these take several parts.
        let count = NUMBERS.get(words.len() / 2)?;
        let (name, pairs) = words.split_first()?;
        Some((slot, [&[*name], &[count.as_bytes()], pairs, options].concat()))
    });
    parts.collect()
}

const NUMBERS: [&str; 17] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&[u8]> {
        text.split(' ').map(str::as_bytes).collect()
    }

    #[track_caller]
    fn check(command: &str, want: &Place) {
        let words = words(command);
        assert_eq!(place(words[0], &words[1..]), *want, "{command}");
    }

    #[track_caller]
    fn check_parts(command: &str, want: &[&str]) {
        let words = words(command);
        let Place::Parts(parts) = place(words[0], &words[1..]) else { panic!("{command}") };
        let text = |words: &[&[u8]]| String::from_utf8(words.join(&b' ')).unwrap();
        let got: Vec<String> = parts.iter().map(|(_, words)| text(words)).collect();
        assert_eq!(got, want);
        for (slot, words) in &parts {
            assert_eq!(place(words[0], &words[1..]), Place::Slot(*slot));
        }
    }

    #[test]
    fn one_slot_is_one_place() {
        check("set foo v", &Place::Slot(12182));
        check("MSET {foo}1 v {foo}2 w", &Place::Slot(12182));
        check("RENAME foo {foo}2", &Place::Slot(12182));
        check("EVAL script 2 foo {foo}2 arg", &Place::Slot(12182));
        check("XADD foo * f v", &Place::Slot(12182));
    }

    #[test]
    fn keys_that_stand_alone_are_taken_apart() {
        check_parts("DEL foo bar {foo}2", &["DEL foo {foo}2", "DEL bar"]);
        check_parts("mset foo 1 bar 2 {bar} 3", &["mset foo 1", "mset bar 2 {bar} 3"]);
        check_parts(
            "MSETEX 3 foo 1 bar 2 {foo}3 3 PXAT 5",
            &["MSETEX 2 foo 1 {foo}3 3 PXAT 5", "MSETEX 1 bar 2 PXAT 5"],
        );
        check_parts("JSON.MSET foo $ 1 bar $ 2", &["JSON.MSET foo $ 1", "JSON.MSET bar $ 2"]);
    }

    #[test]
    fn keys_that_belong_together_are_not() {
        for command in [
            "RENAME foo bar",
            "SUNIONSTORE foo bar",
            "MSETNX foo 1 bar 2",
            "MSETEX 2 foo 1 bar 2 NX",
            "MSET foo 1 bar",
            "LMOVE foo bar LEFT LEFT",
        ] {
            check(command, &Place::Across);
        }
    }

    #[test]
    fn commands_without_keys() {
        check("FLUSHALL ASYNC", &Place::Everywhere);
        check("FUNCTION LOAD code", &Place::Everywhere);
        check("SWAPDB 0 1", &Place::Keyless);
        check("EVAL script 0", &Place::Keyless);
        check("NOSUCHTHING foo", &Place::Unknown);
    }
}
