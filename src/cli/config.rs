//! The sources of defaults: the environment, and a configuration file.
//!
//! What an option is without being given comes, in this order, from `RDBKIT_OPTION` in the
//! environment, from the table of the verb in the configuration file, from the top of that file.
//! The file is the one that `--config` or `RDBKIT_CONFIG` names, else `rdbkit.toml` here, else
//! `rdbkit/rdbkit.toml` in the folder of configurations of the user.
//!
//! ```toml
//! threads = 4
//! no-progress = true
//!
//! [check]
//! max-findings = 20
//! forbid-type = ["module"]
//! ```
//!
//! The environment and the top of the file are for all verbs: what only others of them can use is
//! set aside. What a verb's own table says, it has to be able to use.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use rdbkit::Error;
use rdbkit::bytes::PathName as _;
use toml::{Table, Value};

/// Options without a default from elsewhere: what they do should be asked for each time.
const NEVER: [&str; 7] = ["help", "version", "config", "in-place", "force", "flush-first", "yes"];

/// Whether an option of a verb has no default from elsewhere. `to` is a form for most verbs, and for
/// `replay` a server into which it writes.
fn is_never(verb: &str, option: &str) -> bool {
    NEVER.contains(&option) || (verb, option) == ("replay", "to")
}

/// One default, as an argument: `--threads=4`.
#[derive(Debug, Clone)]
pub(super) struct Default {
    /// The name of the option.
    pub(super) long: String,
    /// What would be typed.
    pub(super) typed: OsString,
}

/// What a source of defaults says of an option.
type Said = Result<Vec<OsString>, String>;

/// A source of defaults: what it says of an option, its name, and whether it is for one verb alone.
type Source<'a> = (&'a dyn Fn(&Arg) -> Option<Said>, &'a str, bool);

/// The defaults of the options of a verb that are not typed: those that count most first, each value
/// of a list by itself.
pub(super) fn defaults(
    command: &Command,
    verb: &Command,
    args: &[OsString],
    is_typed: &dyn Fn(&Arg) -> bool,
) -> Result<Vec<Default>, Error> {
    let file = match find(args) {
        Some((path, asked)) => read(&path, asked)?,
        None => File::empty(),
    };
    file.check(command)?;
    let own = file.table.get(verb.get_name()).and_then(Value::as_table);
    let mut layers = [Vec::new(), Vec::new(), Vec::new()];
    for arg in verb.get_arguments().filter(|arg| !is_typed(arg)) {
        let Some(long) = arg.get_long().filter(|long| !is_never(verb.get_name(), long)) else {
            continue;
        };
        let variable = format!("RDBKIT_{}", long.to_uppercase().replace('-', "_"));
        let value = std::env::var_os(&variable);
        let by_environment = |arg: &Arg| value.as_deref().map(|value| of_text(arg, value));
        let by_verb =
            |arg: &Arg| own.and_then(|own| own.get(long)).map(|value| of_value(arg, value));
        let by_all = |arg: &Arg| file.option(long).map(|value| of_value(arg, value));
        let own_name = format!("{}: [{}] {long}", file.name, verb.get_name());
        let top_name = format!("{}: {long}", file.name);
        let said: [Source<'_>; 3] = [
            (&by_environment, &variable, false),
            (&by_verb, &own_name, true),
            (&by_all, &top_name, false),
        ];
        for (layer, (said, name, is_own)) in layers.iter_mut().zip(said) {
            match said(arg) {
                None => {}
                Some(Ok(values)) => {
                    let default = |typed| Default { long: long.to_owned(), typed };
                    layer.extend(values.into_iter().map(default));
                    break;
                }
                Some(Err(_)) if !is_own && is_of_another(command, long, said) => {}
                Some(Err(why)) => return Err(Error::Usage(format!("{name}: {why}"))),
            }
        }
    }
    Ok(layers.into_iter().flatten().collect())
}

/// Whether another verb has an option of this name, and can use what is said.
fn is_of_another(command: &Command, long: &str, said: &dyn Fn(&Arg) -> Option<Said>) -> bool {
    let verbs = command.get_subcommands().filter(|verb| has(verb, long));
    let mut options = verbs.flat_map(Command::get_arguments);
    options.any(|arg| arg.get_long() == Some(long) && matches!(said(arg), Some(Ok(_))))
}

fn say(name: &str, why: String) -> Error {
    Error::Usage(format!("{name}: {why}"))
}

/// One configuration file.
struct File {
    name: String,
    table: Table,
}

impl File {
    fn empty() -> Self {
        File { name: String::new(), table: Table::new() }
    }

    /// What the top says of an option. A table is a verb's, also where an option has its name.
    fn option(&self, long: &str) -> Option<&Value> {
        self.table.get(long).filter(|value| !value.is_table())
    }

    /// Refuses what no verb has.
    fn check(&self, command: &Command) -> Result<(), Error> {
        for (key, value) in &self.table {
            let is_option = command.get_subcommands().any(|verb| has(verb, key));
            match (command.find_subcommand(key), value) {
                (Some(verb), Value::Table(own)) => self.check_table(verb, own)?,
                _ if is_option => {}
                (Some(_), _) => {
                    return Err(say(&self.name, format!("{key} is a verb, so [{key}] is a table")));
                }
                _ if NEVER.contains(&key.as_str()) => {
                    let why = format!("{key}: is no default: say it in each call");
                    return Err(say(&self.name, why));
                }
                _ => {
                    let why = format!("{key}: no verb has such an option, and it is no verb");
                    return Err(say(&self.name, why));
                }
            }
        }
        Ok(())
    }

    fn check_table(&self, verb: &Command, own: &Table) -> Result<(), Error> {
        let name = verb.get_name();
        for option in own.keys() {
            if is_never(name, option) {
                let why = format!("[{name}] {option}: is no default: say it in each call");
                return Err(say(&self.name, why));
            }
            if !has(verb, option) {
                let near = nearest(option, verb);
                let why = format!("[{name}] {option}: there is no such option{near}");
                return Err(say(&self.name, why));
            }
        }
        Ok(())
    }
}

fn has(command: &Command, option: &str) -> bool {
    let verb = command.get_name();
    command.get_arguments().any(|arg| arg.get_long() == Some(option) && !is_never(verb, option))
}

/// `; did you mean threads?`, where an option begins or ends alike.
fn nearest(option: &str, command: &Command) -> String {
    let longs = command.get_arguments().filter_map(Arg::get_long);
    let score = |long: &str| {
        let front = long.bytes().zip(option.bytes()).take_while(|(a, b)| a == b).count();
        let back = long.bytes().rev().zip(option.bytes().rev()).take_while(|(a, b)| a == b).count();
        front + back
    };
    match longs.max_by_key(|long| score(long)).filter(|long| score(long) >= 3) {
        Some(long) => format!("; did you mean {long}?"),
        None => String::new(),
    }
}

/// Where the file is, and whether somebody asked for it.
fn find(args: &[OsString]) -> Option<(PathBuf, bool)> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        if arg == "--config" {
            return args.next().map(|path| (path.into(), true));
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Some((path.into(), true));
        }
    }
    if let Some(path) = std::env::var_os("RDBKIT_CONFIG").filter(|path| !path.is_empty()) {
        return Some((path.into(), true));
    }
    let home = || Some(Path::new(&std::env::var_os("HOME")?).join(".config"));
    let user = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    let candidates = std::iter::once(PathBuf::from("rdbkit.toml"))
        .chain(user.map(|at| at.join("rdbkit/rdbkit.toml")));
    candidates.into_iter().find(|path| path.is_file()).map(|path| (path, false))
}

fn read(path: &Path, asked: bool) -> Result<File, Error> {
    let name = path.shown().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let table = text.parse::<Table>().map_err(|error| say(&name, error.to_string()))?;
            Ok(File { name, table })
        }
        Err(_) if !asked => Ok(File::empty()),
        Err(cause) => Err(Error::io(format!("cannot read the configuration {name}"), cause)),
    }
}

fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// What the environment says of an option, as arguments.
fn of_text(arg: &Arg, value: &OsStr) -> Said {
    if is_flag(arg) {
        let yes = value.to_str().and_then(boolean).ok_or("it is true or false")?;
        return Ok(flag(arg, yes));
    }
    match (arg.get_value_delimiter(), value.to_str()) {
        (Some(delimiter), Some(text)) => {
            text.split(delimiter).map(|value| option(arg, OsStr::new(value))).collect()
        }
        _ => option(arg, value).map(|one| vec![one]),
    }
}

/// What a file says of an option, as arguments.
fn of_value(arg: &Arg, value: &Value) -> Said {
    if is_flag(arg) {
        let yes = value.as_bool().ok_or("it is true or false")?;
        return Ok(flag(arg, yes));
    }
    let values = match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    if values.len() != 1 && !matches!(arg.get_action(), ArgAction::Append) {
        return Err("it takes one value, and no list".to_owned());
    }
    let texts = values.iter().map(|value| of_text(arg, text(value)?.as_ref()));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.concat())
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err("give a text, a number, or a list of these".to_owned()),
    }
}

/// What is yes and what is no, in the environment and in `--option=no`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn flag(arg: &Arg, yes: bool) -> Vec<OsString> {
    let long = arg.get_long().filter(|_| yes);
    long.map(|long| format!("--{long}").into()).into_iter().collect()
}

/// `--option=value`, if the option takes it.
fn option(arg: &Arg, value: &OsStr) -> Result<OsString, String> {
    // Names in clap live as long as the program, and there are few of these.
    let long: &'static str = arg.get_long().unwrap_or_default().to_owned().leak();
    let mut typed = OsString::from(format!("--{long}="));
    typed.push(value);
    // The option by itself, without what it has to do with others.
    let names = arg.get_value_names().unwrap_or_default().to_vec();
    let alone = Arg::new(long).long(long).value_names(names);
    let alone = alone.value_parser(arg.get_value_parser().clone());
    let command = Command::new("default").no_binary_name(true).arg(alone);
    match command.try_get_matches_from([&typed]) {
        Ok(_) => Ok(typed),
        Err(error) => {
            let text = error.to_string();
            let words = text.split("\n\n").next().unwrap_or_default();
            let words = words.strip_prefix("error: ").unwrap_or(words);
            Err(words.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}
