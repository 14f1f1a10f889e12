//! Arguments, and the defaults that go with them.
//!
//! What is typed counts. A default from elsewhere is added as if it were typed too, but only where
//! what is asked for stays a call that the verb takes: one that excludes an option that is typed, or
//! belongs to another way of using the verb, is set aside.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches as _};
use rdbkit::Error;

use super::config::{self, Default};
use super::{Cli, Verb};

/// Which options have a value that is a default from elsewhere.
#[derive(Debug, Clone, std::default::Default)]
pub(super) struct Defaulted(Vec<String>);

impl Defaulted {
    /// Whether an option has its value from elsewhere.
    pub(super) fn has(&self, long: &str) -> bool {
        self.0.iter().any(|one| one == long)
    }
}

/// Why there are no arguments.
pub(super) enum Refused {
    /// What is typed is not understood, or asks for help.
    Typed(clap::Error),
    /// A default is wrong, or the file that says it.
    Default(Error),
}

/// Reads what is typed, and adds the defaults that fit.
pub(super) fn parse(command: &Command, args: &[OsString]) -> Result<Cli, Refused> {
    let (args, off) = without_off(command, args);
    let plain = command.clone().try_get_matches_from(&args);
    let matches = match &plain {
        Ok(matches) => matches.clone(),
        // A default may be what is lacking.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            let lenient = command.clone().ignore_errors(true);
            lenient.try_get_matches_from(&args).map_err(Refused::Typed)?
        }
        Err(_) => return cli(plain.map_err(Refused::Typed)?),
    };
    let verb = matches.subcommand().and_then(|(name, matches)| {
        Some((command.find_subcommand(name)?, matches, verb_at(command, &args)?))
    });
    let Some((verb, matches, at)) = verb else { return cli(plain.map_err(Refused::Typed)?) };
    let on_line = |arg: &Arg| {
        let id = arg.get_id().as_str();
        let known = matches.try_contains_id(id).is_ok();
        known && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let is_off = |arg: &Arg| arg.get_long().is_some_and(|long| off.iter().any(|one| one == long));
    if let Some(both) = verb.get_arguments().find(|arg| on_line(arg) && is_off(arg)) {
        let why = format!("the argument '--{}' is both given and taken back", both.get_id());
        let mut command = command.clone();
        return Err(Refused::Typed(command.error(ErrorKind::ArgumentConflict, why)));
    }
    let is_typed = |arg: &Arg| on_line(arg) || is_off(arg);
    let defaults = config::defaults(command, verb, &args, &is_typed).map_err(Refused::Default)?;
    if defaults.is_empty() {
        return cli(plain.map_err(Refused::Typed)?);
    }
    let call = Call { command, args: &args, at: at + 1 };
    let fitting = call.fitting(&defaults);
    match call.matches(&fitting) {
        Ok(matches) => {
            let mut cli = cli(matches)?;
            cli.verb.note(&Defaulted(fitting.iter().map(|one| one.long.clone()).collect()));
            Ok(cli)
        }
        Err(error) => Err(Refused::Typed(plain.err().unwrap_or(error))),
    }
}

fn cli(matches: ArgMatches) -> Result<Cli, Refused> {
    Cli::from_arg_matches(&matches).map_err(Refused::Typed)
}

/// Where the verb stands.
fn verb_at(command: &Command, args: &[OsString]) -> Option<usize> {
    let mut config = false;
    args.iter().enumerate().skip(1).find_map(|(at, arg)| {
        let is_path = std::mem::replace(&mut config, arg == "--config");
        (!is_path && command.find_subcommand(arg).is_some()).then_some(at)
    })
}

/// The arguments with `--flag=yes` as `--flag`, and the names of those that are `--flag=no`: the way
/// to have a flag off that is on by default.
fn without_off(command: &Command, args: &[OsString]) -> (Vec<OsString>, Vec<String>) {
    let Some(at) = verb_at(command, args) else { return (args.to_vec(), Vec::new()) };
    let Some(verb) = args.get(at).and_then(|verb| command.find_subcommand(verb)) else {
        return (args.to_vec(), Vec::new());
    };
    let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let mut off = Vec::new();
    let mut kept = Vec::with_capacity(args.len());
    for (place, arg) in args.iter().enumerate() {
        let said = arg.to_str().and_then(|arg| arg.strip_prefix("--")?.split_once('='));
        let is_flag = |long: &str| {
            verb.get_arguments().any(|arg| {
                arg.get_long() == Some(long) && matches!(arg.get_action(), ArgAction::SetTrue)
            })
        };
        match said.filter(|(long, _)| at < place && place < end && is_flag(long)) {
            Some((long, value)) => match config::boolean(value) {
                Some(true) => kept.push(format!("--{long}").into()),
                Some(false) => off.push(long.to_owned()),
                None => kept.push(arg.clone()),
            },
            None => kept.push(arg.clone()),
        }
    }
    (kept, off)
}

/// What is typed, and the place for what is not.
struct Call<'a> {
    command: &'a Command,
    args: &'a [OsString],
    at: usize,
}

/// How far a call is from one that a verb takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It takes it.
    Fits,
    /// It refuses it, for what goes with what.
    Unfit,
    /// So many arguments are lacking.
    Lacks(usize),
    /// Options exclude one another.
    Refused,
}

impl Call<'_> {
    fn matches(&self, defaults: &[&Default]) -> Result<ArgMatches, clap::Error> {
        let (before, after) = self.args.split_at_checked(self.at).unwrap_or((self.args, &[]));
        let defaults = defaults.iter().map(|default| &default.typed);
        let all = before.iter().chain(defaults).chain(after);
        self.command.clone().try_get_matches_from(all)
    }

    fn fit(&self, defaults: &[&Default]) -> Fit {
        let matches = match self.matches(defaults) {
            Ok(matches) => matches,
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
                return Fit::Lacks(match error.get(ContextKind::InvalidArg) {
                    Some(ContextValue::Strings(lacking)) => lacking.len(),
                    _ => 1,
                });
            }
            Err(_) => return Fit::Refused,
        };
        let defaulted = Defaulted(defaults.iter().map(|one| one.long.clone()).collect());
        match Cli::from_arg_matches(&matches) {
            Ok(cli) if cli.verb.fits(&defaulted) => Fit::Fits,
            Ok(_) => Fit::Unfit,
            Err(_) => Fit::Refused,
        }
    }

    /// The defaults that go with what is typed and with one another, those first that count most.
    fn fitting<'d>(&self, defaults: &'d [Default]) -> Vec<&'d Default> {
        let mut left: Vec<&Default> = defaults.iter().collect();
        if self.fit(&left) == Fit::Fits {
            return left;
        }
        let mut fitting = Vec::new();
        let mut fit = self.fit(&fitting);
        while let Some(added) = self.next(&fitting, fit, &left) {
            left.retain(|one| !added.iter().any(|added| std::ptr::eq(*added, *one)));
            fitting.extend(added);
            fit = self.fit(&fitting);
        }
        fitting
    }

    /// What can be added next: one default, or two that want each other, as a certificate wants its
    /// key. Where the call lacks something, it is what helps.
    fn next<'d>(
        &self,
        fitting: &[&'d Default],
        fit: Fit,
        left: &[&'d Default],
    ) -> Option<Vec<&'d Default>> {
        let helps = |added: &Vec<&'d Default>| {
            let with = self.fit(&[fitting, added.as_slice()].concat());
            with == Fit::Fits || with < fit
        };
        let mut singles = left.iter().map(|one| vec![*one]);
        let pairs = left
            .iter()
            .enumerate()
            .flat_map(|(at, one)| left.iter().skip(at + 1).map(move |other| vec![*one, *other]));
        singles.find(helps).or_else(|| pairs.into_iter().find(helps))
    }
}

impl Verb {
    /// Whether what is asked for goes together, as far as it can be told without the source. Of an
    /// option that is a default from elsewhere, also whether anything here makes use of it.
    fn fits(&self, defaulted: &Defaulted) -> bool {
        match self {
            Verb::Keys(args) => args.fits(defaulted),
            Verb::Inspect(args) => args.fits(defaulted),
            Verb::Export(args) => args.form().is_ok(),
            Verb::Convert(args) => args.form().is_ok(),
            Verb::Merge(args) => args.form.form().is_ok(),
            Verb::Replay(args) => args.fits(),
            #[cfg(feature = "live")]
            Verb::Backup(args) => args.fits(),
            _ => true,
        }
    }

    /// Tells the verbs, whose sources decide what goes together, which options are defaults.
    fn note(&mut self, defaulted: &Defaulted) {
        match self {
            Verb::Check(args) => args.defaulted = defaulted.clone(),
            #[cfg(feature = "live")]
            Verb::Replay(args) => args.defaulted = defaulted.clone(),
            _ => {}
        }
    }
}
