//! The policies of `check`, from flags and from a file.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::Path;

use clap::Args;
use clap::builder::PossibleValuesParser;
use rdbkit::Error;
use rdbkit::bytes::PathName as _;
use rdbkit::ops::check::{Policy, RULES};
use rdbkit::rdb::Target;
use rdbkit::value::Kind;
use serde::Deserialize;

use super::args::{bytes, target};
use super::filters::{databases, kind, kinds, size};

#[derive(Debug, Args)]
#[command(next_help_heading = "Policies (each that is broken is an error)")]
pub(crate) struct PolicyArgs {
    /// Read policies from this TOML file: the names below without the dashes
    #[arg(long, value_name = "FILE")]
    policy: Option<OsString>,

    /// No key takes more bytes in the file: 512, 10kb, 1mb
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_key_bytes: Option<u64>,

    /// No value has more elements
    #[arg(long, value_name = "N")]
    max_elements: Option<u64>,

    /// There are no more keys
    #[arg(long, value_name = "N")]
    max_keys: Option<u64>,

    /// Keys that begin with this have an expiry
    #[arg(long, value_name = "PREFIX")]
    require_ttl: Vec<OsString>,

    /// No key is of this type
    #[arg(long, value_name = "TYPE", value_delimiter = ',', value_parser = kinds())]
    forbid_type: Vec<String>,

    /// No key begins with this
    #[arg(long, value_name = "PREFIX")]
    forbid_prefix: Vec<OsString>,

    /// The source is no older, by a log's last annotation, a snapshot's ctime, else by the file's
    /// time: 26h, 7d
    #[arg(long, value_name = "TIME", value_parser = age)]
    max_age: Option<u64>,

    /// All keys are in this database, or range of them
    #[arg(long, value_name = "N|A-B", value_delimiter = ',', value_parser = databases)]
    expect_db: Vec<RangeInclusive<u64>>,

    /// This server loads it and loses nothing: redis:6.2,valkey:9.0
    #[arg(long, value_name = "NAME:VERSION", value_delimiter = ',', value_parser = target)]
    loads_in: Vec<Target>,

    /// What breaks this policy is a warning and no error
    #[arg(long, value_name = "POLICY", value_delimiter = ',', value_parser = codes(), hide_possible_values = true)]
    warn: Vec<String>,
}

/// What a policy file can say.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct PolicyFile {
    max_key_bytes: Option<Size>,
    max_elements: Option<u64>,
    max_keys: Option<u64>,
    require_ttl: Several<String>,
    forbid_type: Several<String>,
    forbid_prefix: Several<String>,
    max_age: Option<String>,
    expect_db: Several<Databases>,
    loads_in: Several<String>,
    warn: Several<String>,
}

/// One of something, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Several<T> {
    One(T),
    List(Vec<T>),
}

impl<T> Default for Several<T> {
    fn default() -> Self {
        Several::List(Vec::new())
    }
}

impl<T> Several<T> {
    fn list(self) -> Vec<T> {
        match self {
            Several::One(one) => vec![one],
            Several::List(list) => list,
        }
    }
}

/// A number of bytes, or a text such as `1mb`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Text(String),
}

/// A database, or a text such as `0-3`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Databases {
    One(u64),
    Text(String),
}

impl PolicyArgs {
    /// What the file says, and what the flags say: of a limit the flag counts, lists are joined. That
    /// something is a warning may be a default for calls in which it is asked.
    pub(crate) fn policy(&self, warn_is_default: bool) -> Result<Policy, Error> {
        let mut policy = match &self.policy {
            Some(path) => read(Path::new(path))?,
            None => Policy::default(),
        };
        let or = |flag: Option<u64>, file: Option<u64>| flag.or(file);
        policy.max_key_bytes = or(self.max_key_bytes, policy.max_key_bytes);
        policy.max_elements = or(self.max_elements, policy.max_elements);
        policy.max_keys = or(self.max_keys, policy.max_keys);
        policy.max_age_ms = or(self.max_age, policy.max_age_ms);
        policy.require_ttl.extend(self.require_ttl.iter().map(bytes));
        policy.forbid_types.extend(self.forbid_type.iter().filter_map(|name| kind(name)));
        policy.forbid_prefixes.extend(self.forbid_prefix.iter().map(bytes));
        policy.expect_dbs.extend(self.expect_db.iter().cloned());
        policy.loads_in.extend(&self.loads_in);
        let asked = policy.rules();
        let is_asked = |code: &&String| asked.contains(&code.as_str());
        let warn = self.warn.iter().filter(|code| !warn_is_default || is_asked(code));
        policy.warn.extend(warn.cloned());
        if let Some(code) = policy.warn.iter().find(|code| !asked.contains(&code.as_str())) {
            return Err(Error::Usage(format!(
                "{code} is to be a warning, and is not asked: say with --{code} what is, or leave \
                 {code} out of --warn"
            )));
        }
        Ok(policy)
    }
}

fn read(path: &Path) -> Result<Policy, Error> {
    let name = path.shown();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::io(format!("cannot read the policies of {name}"), error))?;
    let wrong = |why: String| Error::Usage(format!("{name}: {why}"));
    let file: PolicyFile = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let all = |texts: Several<String>| texts.list().into_iter().map(String::into_bytes).collect();
    let known = |name: String| kind(&name).ok_or_else(|| wrong(format!("no type {name:?}")));
    let types: Result<Vec<Kind>, Error> = file.forbid_type.list().into_iter().map(known).collect();
    let servers = file.loads_in.list().into_iter().map(|text| target(&text).map_err(wrong));
    let dbs = file.expect_db.list().into_iter().map(|dbs| match dbs {
        Databases::One(db) => Ok(db..=db),
        Databases::Text(text) => databases(&text).map_err(wrong),
    });
    let warn = file.warn.list();
    if let Some(code) = warn.iter().find(|code| RULES.iter().all(|(rule, _)| rule != code)) {
        return Err(wrong(format!("warn: there is no policy {code:?}")));
    }
    Ok(Policy {
        max_key_bytes: match file.max_key_bytes {
            None => None,
            Some(Size::Bytes(bytes)) => Some(bytes),
            Some(Size::Text(text)) => Some(size(&text).map_err(wrong)?),
        },
        max_elements: file.max_elements,
        max_keys: file.max_keys,
        require_ttl: all(file.require_ttl),
        forbid_types: types?,
        forbid_prefixes: all(file.forbid_prefix),
        max_age_ms: file.max_age.as_deref().map(age).transpose().map_err(wrong)?,
        expect_dbs: dbs.collect::<Result<_, Error>>()?,
        loads_in: servers.collect::<Result<_, Error>>()?,
        warn,
    })
}

fn age(text: &str) -> Result<u64, String> {
    let time = humantime::parse_duration(text.trim())
        .map_err(|_| "give a span of time, such as 26h or 7d".to_owned())?;
    Ok(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn codes() -> PossibleValuesParser {
    PossibleValuesParser::new(RULES.map(|(code, _)| code))
}
