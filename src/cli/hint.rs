//! What is suggested for an option that a verb does not have.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// How many verbs are named.
const VERBS: usize = 4;

/// What an option is often called elsewhere, and what it is called here.
const SYNONYMS: [(&str, &str); 40] = [
    ("min-size", "larger-than"),
    ("min-bytes", "larger-than"),
    ("bigger-than", "larger-than"),
    ("bytes", "larger-than"),
    ("max-size", "smaller-than"),
    ("max-bytes", "smaller-than"),
    ("pattern", "key"),
    ("match", "key"),
    ("glob", "key"),
    ("regex", "key-regex"),
    ("exclude", "not-key"),
    ("not-pattern", "not-key"),
    ("database", "db"),
    ("dbs", "db"),
    ("sort-by", "sort"),
    ("order-by", "sort"),
    ("order", "sort"),
    ("head", "limit"),
    ("count", "limit"),
    ("limit", "top"),
    ("largest", "top"),
    ("out", "output"),
    ("max-key-size", "max-key-bytes"),
    ("max-value-size", "max-key-bytes"),
    ("max-key-count", "max-keys"),
    ("ignore-expiry", "ignore-ttl"),
    ("ignore-expire", "ignore-ttl"),
    ("ignore-encodings", "ignore-encoding"),
    ("since", "from-time"),
    ("after", "from-time"),
    ("start-time", "from-time"),
    ("until", "until-time"),
    ("before", "until-time"),
    ("end-time", "until-time"),
    ("expiry", "ttl"),
    ("expires", "ttl"),
    ("idle-time", "idle"),
    ("delimiter", "separator"),
    ("jobs", "threads"),
    ("overwrite", "force"),
];

/// What is said where a verb lacks an argument that it needs.
const LACKING: [(&str, &str); 1] = [(
    "history",
    "'*' stands for all keys; '--deleted' needs none and lists the keys that are gone in the end",
)];

/// The error, with a better tip where there is one: `--json` is meant for `--format json`,
/// `--prefix` may be an option of another verb, `--min-size` is called otherwise.
pub(crate) fn with_hint(
    mut error: clap::Error,
    command: &Command,
    args: &[OsString],
) -> clap::Error {
    let verb = args.iter().skip(1).find_map(|arg| command.find_subcommand(arg));
    let Some(verb) = verb else { return error };
    let given = |kind| match error.get(kind) {
        Some(ContextValue::String(given)) => Some(given.as_str()),
        _ => None,
    };
    let tips = match error.kind() {
        ErrorKind::UnknownArgument => given(ContextKind::InvalidArg)
            .and_then(|given| given.strip_prefix("--"))
            .map(|name| of_unknown(command, verb, name))
            .unwrap_or_default(),
        ErrorKind::InvalidValue => given(ContextKind::InvalidValue)
            .and_then(|value| as_a_value(verb, value))
            .into_iter()
            .collect(),
        ErrorKind::MissingRequiredArgument => LACKING
            .iter()
            .filter(|(name, _)| *name == verb.get_name())
            .map(|(_, tip)| (*tip).to_owned())
            .collect(),
        _ => Vec::new(),
    };
    // What has a name elsewhere is not what is spelled alike here.
    let is_known = error.kind() == ErrorKind::UnknownArgument
        && given(ContextKind::InvalidArg)
            .and_then(|given| given.strip_prefix("--"))
            .is_some_and(|name| SYNONYMS.iter().any(|(other, _)| *other == name));
    if is_known || !tips.is_empty() {
        // What only looks like it is no help beside what is it, and stands in the usage too.
        let was_suggested = error.remove(ContextKind::SuggestedArg).is_some();
        let mut command = command.clone();
        command.build();
        if let Some(verb) = command.find_subcommand_mut(verb.get_name()).filter(|_| was_suggested) {
            error.insert(ContextKind::Usage, ContextValue::StyledStr(verb.render_usage()));
        }
    }
    if !tips.is_empty() {
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// What an option may be that the verb does not have.
fn of_unknown(command: &Command, verb: &Command, name: &str) -> Vec<String> {
    let here = |long: &str| verb.get_arguments().any(|arg| arg.get_long() == Some(long));
    let called = SYNONYMS.iter().filter(|(other, _)| *other == name).map(|(_, long)| *long);
    let called: Vec<&str> = called.collect();
    if let Some(long) = called.iter().find(|long| here(long)) {
        return vec![format!("it is called '--{long}' here")];
    }
    let as_a_value = as_a_value(verb, name);
    let elsewhere = [name].iter().chain(&called).find_map(|name| elsewhere(command, name));
    as_a_value.into_iter().chain(elsewhere).collect()
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
        let larger = Arg::new("larger-than").long("larger-than");
        let sort = Arg::new("sort").long("sort");
        let to = Arg::new("to").long("to").value_parser(["csv", "parquet"]);
        let keys = Command::new("keys").args([format.clone(), prefix, larger, sort]);
        let key = Arg::new("key").required(true).value_name("KEY");
        let export = Command::new("export").args([format.clone(), to]);
        let long = |name: &'static str| Arg::new(name).long(name);
        let history = Command::new("history").args([key, long("tls-insecure")]);
        let checks = Command::new("check").args([long("max-keys"), long("max-key-bytes")]);
        let diff = Command::new("diff").args([long("ignore-ttl"), long("ignore-encoding")]);
        let digest = Command::new("digest").arg(format);
        Command::new("program").subcommands([keys, export, history, digest, checks, diff])
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
        check(&["digest", "--min-size"], "keys has '--larger-than'");
        // Though something here is written a little like it.
        check(&["export", "--sort"], "keys has '--sort'");
    }

    #[test]
    fn a_value_may_be_one_of_another_option() {
        check(&["export", "--format", "csv"], "'--to csv' may be what is meant");
    }

    #[test]
    fn options_are_told_by_what_they_are_called_elsewhere() {
        check(&["keys", "--min-size", "1"], "it is called '--larger-than' here");
        check(&["keys", "--sort-by", "size"], "it is called '--sort' here");
        check(&["check", "--max-key-size", "1"], "it is called '--max-key-bytes' here");
        check(&["diff", "--ignore-expiry"], "it is called '--ignore-ttl' here");
    }

    #[test]
    fn what_is_known_elsewhere_is_not_what_is_spelled_alike() {
        let args: Vec<OsString> = ["program", "history", "--since", "x"].map(OsString::from).into();
        let error = command().try_get_matches_from(&args).expect_err("no such option");
        let text = with_hint(error, &command(), &args).to_string();
        assert!(!text.contains("tls-insecure"), "{text}");
    }

    #[test]
    fn what_lacks_a_key_is_told_how_to_name_all() {
        check(&["history"], "'*' stands for all keys");
    }

    #[test]
    fn what_is_nearly_an_option_is_still_suggested() {
        check(&["keys", "--prefx"], "a similar argument exists: '--prefix'");
    }
}
