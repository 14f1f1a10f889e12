//! The examples of the help texts can be typed as they stand there.

use super::command;

/// The words of the call of this program in a line, as a shell makes them: quotes are taken off,
/// what other programs of a pipe get and what goes to files is left out.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut calls = Vec::new();
    for c in line.trim().chars().chain([' ', '|']) {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|') => calls.push(std::mem::take(&mut words)),
            _ => word.get_or_insert_default().push(c),
        }
    }
    let ours = calls.into_iter().find(|call: &Vec<String>| call.contains(&"rdbkit".to_owned()));
    let ours = ours.unwrap_or_default().into_iter();
    ours.skip_while(|word| word != "rdbkit").take_while(|word| word != ">").collect()
}

#[test]
fn a_line_is_taken_apart_as_a_shell_does_it() {
    let line = "  zcat a | rdbkit keys - --key 'a b|' --json | jq '.x'";
    assert_eq!(words(line), ["rdbkit", "keys", "-", "--key", "a b|", "--json"]);
    assert_eq!(words("rdbkit man > file"), ["rdbkit", "man"]);
}

#[test]
fn every_example_is_understood() {
    let command = command();
    for verb in command.get_subcommands() {
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().filter(|line| line.starts_with("  ") && line.contains("rdbkit "));
        let mut examples = 0;
        for line in lines {
            examples += 1;
            let done = command.clone().try_get_matches_from(words(line));
            assert!(done.is_ok(), "{line}: {}", done.unwrap_err());
        }
        assert!(examples > 0, "{} has no examples", verb.get_name());
    }
}
