//! Logs of letters: what stays of them, and what is said.

use super::*;
use crate::bytes::SliceInput;
use crate::ops::walk::Silent;

/// Items of a log: a letter is a GET of it, words are a command, the rest stands as it is.
fn log(items: &[&str]) -> String {
    let item = |item: &&str| match item.as_bytes() {
        [letter @ b'A'..=b'Z'] => get(char::from(*letter)),
        [b'A'..=b'Z', ..] => {
            let mut out = Vec::new();
            let words: Vec<&str> = item.split(' ').collect();
            encode::command(&mut out, words);
            String::from_utf8(out).unwrap()
        }
        _ => (*item).to_owned(),
    };
    items.iter().map(item).collect()
}

fn get(key: char) -> String {
    format!("*2\r\n$3\r\nGET\r\n$1\r\n{key}\r\n")
}

#[test]
fn what_is_sound_stays() {
    check(
        &["A", "#c\r\n", "MULTI", "B", "EXEC", "C"],
        false,
        &["A", "#c\r\n", "MULTI", "B", "EXEC", "C"],
        "",
    );
    check(&[], false, &[], "");
}

#[test]
fn tails_are_cut_at_the_last_whole_command_outside_a_transaction() {
    check(&["A", "*1\r\n$5\r\nB"], false, &["A"], "cut");
    check(&["A", "MULTI", "B", "*1\r\n$5\r\nC"], false, &["A"], "cut");
    check(&["A", "MULTI", "B"], false, &["A"], "open-transaction");
    check(&["A", "MULTI"], true, &["A"], "open-transaction");
    check(&["A", "??", "B"], false, &["A"], "cut");
    check(&["A", "\0\0\0\0"], false, &["A"], "cut");
}

#[test]
fn damage_is_stepped_over_where_that_is_asked_for() {
    check(&["A", "??", "B", "C"], true, &["A", "B", "C"], "damaged database");
    check(&["A", "*0\r\n", "B", "C"], true, &["A", "B", "C"], "damaged database");
    check(&["A", "*1\r\n$999\r\nX\r\n", "B", "C"], true, &["A", "B", "C"], "damaged database");
    check(&["A", "??"], true, &["A"], "damaged");
}

#[test]
fn what_takes_keys_away_right_behind_damage_is_said() {
    for removing in ["FLUSHALL", "Flushdb", "SWAPDB 0 1", "DEL k", "UNLINK k"] {
        let codes = "damaged behind-damage database";
        check(&["A", "??", removing, "B"], true, &["A", removing, "B"], codes);
        check(&["A", "??", "B", removing], true, &["A", "B", removing], "damaged database");
    }
}

#[test]
fn a_damaged_transaction_goes_whole() {
    check(
        &["MULTI", "A", "??", "B", "EXEC", "C"],
        true,
        &["C"],
        "damaged transaction transaction database",
    );
    check(&["A", "??", "B", "EXEC", "C"], true, &["A", "C"], "damaged transaction database");
    check(
        &["MULTI", "A", "??", "B", "MULTI", "C", "EXEC"],
        true,
        &["B", "MULTI", "C", "EXEC"],
        "damaged transaction database",
    );
}

#[test]
fn what_loaders_read_is_written_properly() {
    check(&["*02\r\n$3\r\nGET\r\n$1\r\nA\r\n", "B"], false, &["A", "B"], "command-form");
    check(&["*2\r\n$3\r\nGET\r\n$1\r\nAxx", "B"], false, &["A", "B"], "command-form");
    check(&["A", "EXEC", "B"], false, &["A", "B"], "lone-exec");
    check(
        &["MULTI", "A", "MULTI", "B", "EXEC"],
        false,
        &["MULTI", "A", "B", "EXEC"],
        "nested-multi",
    );
    check(&["MULTI", "A", "DISCARD", "EXEC"], false, &["MULTI", "A", "EXEC"], "discard");
    check(
        &["*2\r\n$5\r\nMULTI\r\n$1\r\nx\r\n", "A", "EXEC"],
        false,
        &["MULTI", "A", "EXEC"],
        "transaction-arguments",
    );
    check(&["A", "#c"], false, &["A", "#c\r\n"], "annotation-end");
    // A length that is too short looks like wrong bytes behind the argument.
    check(&["A", "*1\r\n$1\r\nBCDE\r\n", "F"], false, &["A"], "cut");
    // A command that has lost a part of its arguments is another one.
    check(&["A", "*1\r\n$1\r\nB\r\n$1\r\nC\r\n", "F"], false, &["A"], "cut");
    check(
        &["A", "*1\r\n$1\r\nB\r\n$1\r\nC\r\n", "F", "G"],
        true,
        &["A", "F", "G"],
        "damaged database",
    );
    check(&["A", "*1\r\n$1\r\nBCDE\r\n", "F", "G"], true, &["A", "F", "G"], "damaged database");
}

#[test]
fn a_damaged_byte_in_a_name_is_put_right() {
    for skip in [false, true] {
        check(&["A", "SELEBT 3", "B"], skip, &["A", "SELECT 3", "B"], "command-name");
        check(
            &["A", "MULTO", "B", "EXEC", "C"],
            skip,
            &["A", "MULTI", "B", "EXEC", "C"],
            "command-name",
        );
        check(&["MULTI", "B", "EXEX", "C"], skip, &["MULTI", "B", "EXEC", "C"], "command-name");
    }
    check(&["??", "B", "EXEX", "C"], true, &["C"], "damaged transaction command-name database");
}

#[test]
fn a_name_that_says_nothing_stays_or_goes_as_damage_does() {
    let keep = |items: &[&str]| check(items, false, items, "unknown-command");
    keep(&["A", "XSET k f v", "B"]);
    keep(&["MULTI", "XSET k f v", "EXEC"]);
    check(&["A", "XSET k f v", "B"], true, &["A", "B"], "unknown-command");
    check(&["A", "MY.SET k f v", "B"], true, &["A", "MY.SET k f v", "B"], "unknown-command");
    // It may have been a SELECT.
    check(&["A", "ZELEBT 3", "B"], true, &["A", "B"], "unknown-command database");
    check(
        &["MULTI", "A", "XSET k f v", "B", "EXEC", "C"],
        true,
        &["C"],
        "unknown-command transaction transaction",
    );
    // What may have been MULTI or EXEC leaves it open what is in a transaction.
    check(&["A", "ZULTO", "B", "EXEC", "C"], true, &["A", "C"], "unknown-command transaction");
    check(&["A", "MULTI", "B", "EXXX", "C"], true, &["A", "C"], "unknown-command transaction");
}

#[test]
fn a_select_of_no_database_is_said() {
    for select in ["SELECT q", "SELECT -1", "SELECT 01", "SELECT 99999999999"] {
        check(&["A", select, "B"], false, &["A", select, "B"], "select-argument");
        check(&["A", select, "B"], true, &["A", "B"], "select-argument database");
    }
    check(&["A", "SELECT q", "SELECT 1", "B"], true, &["A", "SELECT 1", "B"], "select-argument");
}

#[test]
fn a_select_that_goes_with_its_transaction_is_said() {
    check(
        &["MULTI", "A", "SELECT 3", "??", "B", "EXEC", "C"],
        true,
        &["C"],
        "damaged transaction transaction database",
    );
    check(
        &["MULTI", "A", "??", "SELECT 3", "B", "EXEC", "C"],
        true,
        &["C"],
        "damaged transaction transaction database",
    );
}

#[test]
fn what_is_behind_a_cut_is_counted() {
    let mut file = FileReport::default();
    let text = log(&["A", "??", "B", "C", "D"]);
    let mut input = SliceInput::new(text.as_bytes());
    repair(&mut input, false, 9, &mut |_| Ok(()), &mut file, &Silent).unwrap();
    assert_eq!((file.sound_behind, file.commands), (3, Some(1)));
    assert_eq!((file.lost_bytes, file.lost_commands), (text.len() as u64 - 20, 3));
}

#[track_caller]
fn check(items: &[&str], skip: bool, want: &[&str], codes: &str) {
    let mut file = FileReport::default();
    let mut out = Vec::new();
    let text = log(items);
    let mut input = SliceInput::new(text.as_bytes());
    let put = &mut |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    repair(&mut input, skip, 9, put, &mut file, &Silent).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), log(want), "{items:?}");
    let notes = file.losses.iter().chain(&file.mended).chain(&file.doubts);
    assert_eq!(notes.map(|note| note.code).collect::<Vec<_>>().join(" "), codes, "{items:?}");
}
