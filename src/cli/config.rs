//! Defaults: from a file, and from the environment.
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

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
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

/// Gives the options of all verbs the defaults of the environment and of a configuration file.
pub(crate) fn with_defaults(command: Command, args: &[OsString]) -> Result<Command, Error> {
    let mut file = match find(args) {
        Some((path, asked)) => read(&path, asked)?,
        None => File::empty(),
    };
    let name = file.name.clone();
    let mut wrong = None;
    let verbs: Vec<String> =
        command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let mut used = Vec::new();
    let mut command = command;
    for verb in &verbs {
        let own = match file.table.get(verb) {
            Some(Value::Table(table)) => table.clone(),
            Some(_) => return Err(say(&name, format!("{verb} is a verb, so [{verb}] is a table"))),
            None => Table::new(),
        };
        let top = &file.table;
        let found = command.find_subcommand(verb).cloned();
        if let Some(found) = &found {
            for option in own.keys() {
                if is_never(verb, option) {
                    let why = format!("[{verb}] {option}: is no default: say it in each call");
                    return Err(say(&name, why));
                }
                if !has(found, option) {
                    let near = nearest(option, found);
                    return Err(say(
                        &name,
                        format!("[{verb}] {option}: there is no such option{near}"),
                    ));
                }
            }
            used.extend(top.keys().filter(|key| has(found, key)).cloned());
        }
        command = command.mut_subcommand(verb, |verb_command| {
            verb_command.mut_args(|arg| {
                let Some(long) = arg.get_long().map(str::to_owned) else { return arg };
                if is_never(verb, &long) {
                    return arg;
                }
                let default = own.get(&long).or_else(|| top.get(&long));
                let texts = default.map_or(Ok(Vec::new()), |value| texts(&arg, value));
                let texts = texts.unwrap_or_else(|why| {
                    wrong.get_or_insert(format!("{long}: {why}"));
                    Vec::new()
                });
                with_defaults_of(arg, &long, texts)
            })
        });
    }
    file.table.retain(|key, _| !used.iter().chain(&verbs).any(|name| name == key));
    if let Some(key) = file.table.keys().find(|key| NEVER.contains(&key.as_str())) {
        return Err(say(&name, format!("{key}: is no default: say it in each call")));
    }
    if let Some(key) = file.table.keys().next() {
        return Err(say(&name, format!("{key}: no verb has such an option, and it is no verb")));
    }
    match wrong {
        Some(why) => Err(say(&name, why)),
        None => Ok(command),
    }
}

/// Where the value comes from that a call is refused for, if it is not in the call.
pub(crate) fn blame(args: &[OsString]) -> String {
    match find(args) {
        Some((path, _)) => format!(
            "this default is from {}, or from RDBKIT_OPTION in the environment",
            path.shown()
        ),
        None => "this default is from RDBKIT_OPTION in the environment".to_owned(),
    }
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

/// An option with the name under which the environment gives its default, and those of a file.
fn with_defaults_of(arg: Arg, long: &str, texts: Vec<&'static str>) -> Arg {
    let arg = if arg.get_env().is_some() {
        arg
    } else {
        let variable = format!("RDBKIT_{}", long.to_uppercase().replace('-', "_"));
        arg.env(kept(variable)).hide_env(true)
    };
    // In the environment 1 and yes say the same as true.
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        _ => arg,
    };
    if texts.is_empty() { arg } else { arg.default_values(texts) }
}

/// What a file says of an option, as arguments.
fn texts(arg: &Arg, value: &Value) -> Result<Vec<&'static str>, String> {
    let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
    let values = match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    values.iter().map(|value| text(value, is_flag).map(kept)).collect()
}

/// A text for the arguments, which live as long as the program.
fn kept(text: String) -> &'static str {
    text.leak()
}

fn text(value: &Value, is_flag: bool) -> Result<String, String> {
    match value {
        Value::Boolean(yes) if is_flag => Ok(yes.to_string()),
        _ if is_flag => Err("it is true or false".to_owned()),
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err("give a text, a number, or a list of these".to_owned()),
    }
}
