//! What is suggested for an option that a verb does not have.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// How many verbs are named.
const VERBS: usize = 4;

/// The error, with a better tip where there is one: `--json` is meant for `--format json`, and
/// `--prefix` may be an option of another verb.
pub(crate) fn with_hint(
    mut error: clap::Error,
    command: &Command,
    args: &[OsString],
) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument || error.get(ContextKind::SuggestedArg).is_some()
    {
        return error;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let Some(name) = given.strip_prefix("--").map(str::to_owned) else { return error };
    let verb = args.iter().skip(1).find_map(|arg| command.find_subcommand(arg));
    let Some(verb) = verb else { return error };
    let tips: Vec<StyledStr> = [as_a_value(verb, &name), elsewhere(command, &name)]
        .into_iter()
        .flatten()
        .map(StyledStr::from)
        .collect();
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// The option that has this as one of its values.
fn as_a_value(verb: &Command, name: &str) -> Option<String> {
    let takes =
        |arg: &&Arg| arg.get_possible_values().iter().any(|value| value.matches(name, true));
    let long = verb.get_arguments().filter(takes).find_map(Arg::get_long)?;
    Some(format!("'--{long} {name}' may be what is meant"))
}

/// The verbs that have this option.
fn elsewhere(command: &Command, name: &str) -> Option<String> {
    let has = |verb: &&Command| {
        verb.get_arguments().any(|arg| arg.get_long() == Some(name) && !arg.is_hide_set())
    };
    let verbs: Vec<&str> = command.get_subcommands().filter(has).map(Command::get_name).collect();
    let (named, more) = verbs.split_at_checked(VERBS).unwrap_or((&verbs, &[]));
    let (have, more) = match (named.len(), more.len()) {
        (0, _) => return None,
        (1, 0) => ("has", String::new()),
        (_, 0) => ("have", String::new()),
        (_, more) => ("have", format!(" and {more} more verbs")),
    };
    Some(format!("{}{more} {have} '--{name}'", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let format = Arg::new("format").long("format").value_parser(["human", "json"]);
        let prefix = Arg::new("prefix").long("prefix");
        let keys = Command::new("keys").args([format.clone(), prefix]);
        Command::new("program").subcommands([keys, Command::new("digest").arg(format)])
    }

    #[track_caller]
    fn check(args: &[&str], says: &str) {
        let args: Vec<OsString> =
            ["program"].iter().chain(args).map(|arg| OsString::from(*arg)).collect();
        let error = command().try_get_matches_from(&args).expect_err("no such option");
        let text = with_hint(error, &command(), &args).to_string();
        assert!(text.contains(says), "{says} in {text}");
        assert!(!text.contains("as a value, use"), "{text}");
    }

    #[test]
    fn a_value_is_no_option() {
        check(&["keys", "--json"], "'--format json' may be what is meant");
    }

    #[test]
    fn options_of_other_verbs_are_told() {
        check(&["digest", "--prefix"], "keys has '--prefix'");
    }

    #[test]
    fn what_is_nearly_an_option_is_still_suggested() {
        check(&["keys", "--prefx"], "a similar argument exists: '--prefix'");
    }
}
