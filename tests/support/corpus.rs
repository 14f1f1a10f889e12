//! The corpus: files that real servers wrote or refused, with what is known
//! about each. It lives outside the project, in the folder `RDBKIT_CORPUS`.
//!
//! Every record has a path relative to that folder; [`Corpus::read`] takes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{in_ci, skipped};

/// The folder, where there is one. A test that gets `None` returns: it was
/// reported as skipped.
#[track_caller]
pub fn corpus() -> Option<Corpus> {
    let named = std::env::var_os("RDBKIT_CORPUS").filter(|name| !name.is_empty());
    let Some(folder) = named.map(PathBuf::from) else {
        skipped("RDBKIT_CORPUS is not set, so the corpus is not read");
        return None;
    };
    if folder.is_dir() {
        return Some(Corpus { folder });
    }
    let message = format!("RDBKIT_CORPUS names {}, which is no folder", folder.display());
    assert!(!in_ci(), "{message}");
    skipped(message);
    None
}

pub struct Corpus {
    folder: PathBuf,
}

impl Corpus {
    pub fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.folder.join(file)
    }

    #[track_caller]
    pub fn read(&self, file: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(file);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Files out of other projects' test suites.
    #[track_caller]
    pub fn third_party(&self) -> Vec<ThirdParty> {
        #[derive(Deserialize)]
        struct Manifest {
            files: Vec<ThirdParty>,
        }
        self.json::<Manifest>("manifest.json").files
    }

    /// DUMP payloads that a server has to refuse.
    #[track_caller]
    pub fn corrupt_dumps(&self) -> Vec<CorruptDump> {
        self.json("corrupt-dump/index.json")
    }

    /// RDB files that real servers wrote, with what a scanner counted in them.
    #[track_caller]
    pub fn generated(&self) -> Vec<Generated> {
        let mut all: Vec<Generated> = self.json("gen/index.json");
        for record in &mut all {
            record.file.insert_str(0, "gen/");
        }
        all
    }

    /// What the servers that wrote the generated files said about them. The
    /// files in it are relative to `gen`.
    #[track_caller]
    pub fn facts(&self) -> Vec<Facts> {
        let entries = fs::read_dir(self.path("gen")).expect("the folder gen");
        let names = entries.map(|entry| entry.expect("a listed folder").file_name());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| name.ends_with("-facts.json"));
        names.sort();
        names.iter().map(|name| self.json(format!("gen/{name}"))).collect()
    }

    /// AOF files and directories that are broken, or only look it.
    #[track_caller]
    pub fn broken_aofs(&self) -> Vec<BrokenAof> {
        let mut all: Vec<BrokenAof> = self.json("gen/aof-broken/index.json");
        for record in &mut all {
            record.path.insert_str(0, "gen/");
        }
        all
    }

    /// The keys of a generated file, one JSON object each, from the `.ndjson`
    /// beside it.
    #[track_caller]
    pub fn keys(&self, ndjson: impl AsRef<Path>) -> Vec<Value> {
        let text = String::from_utf8(self.read(ndjson)).expect("NDJSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of NDJSON")).collect()
    }

    #[track_caller]
    fn json<T: DeserializeOwned>(&self, file: impl AsRef<Path>) -> T {
        let path = self.path(&file);
        let parsed = serde_json::from_slice(&self.read(file));
        parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// Something counted by name.
pub type Counts = BTreeMap<String, u64>;

/// One of other projects' test files. `kind` is `rdb`, `aof` or `aof-preamble`;
/// only the first has a header, a checksum and a scan.
#[derive(Debug, Deserialize)]
pub struct ThirdParty {
    pub file: String,
    pub kind: String,
    pub magic: Option<String>,
    pub rdb_version: Option<u32>,
    /// `ok`, `bad`, `disabled` or `n/a`.
    pub crc: Option<String>,
    pub in_file: Option<Scan>,
    /// `valid`, `valid-needs-module`, `wellformed-duplicate-keys`,
    /// `wellformed-pre-release` or `corrupt`.
    pub validity: String,
    /// What the newest server that loads it held then.
    pub truth: Option<Truth>,
    /// By server, such as `redis-7.0.15`.
    pub servers: BTreeMap<String, Verdict>,
    #[serde(default)]
    pub expected_outputs_of_origin_project: Vec<String>,
    pub note: Option<String>,
}

/// What a scanner, which is no server, counted in an RDB file.
#[derive(Debug, Deserialize)]
pub struct Scan {
    /// `ok`, or where the scanner had to stop.
    pub scan: String,
    pub keys: u64,
    pub dbs: BTreeMap<String, DbCount>,
    /// By the name of the type byte, such as `HASH_LISTPACK`.
    pub types: Counts,
    pub with_expiry: u64,
    pub functions: u64,
    pub opcodes: Counts,
    pub modules: Vec<String>,
    pub stream_groups: u64,
    pub stream_pel: u64,
    pub aux: Vec<(String, String)>,
    #[serde(default)]
    pub already_expired: u64,
    #[serde(default)]
    pub duplicate_keys: u64,
}

#[derive(Debug, Deserialize)]
pub struct DbCount {
    pub keys: u64,
    #[serde(default)]
    pub expires: u64,
}

#[derive(Debug, Deserialize)]
pub struct Truth {
    pub server: String,
    /// A master drops the keys whose expiry is past while it loads.
    pub as_master: Option<Held>,
    pub as_replica_keeps_expired: Option<Held>,
}

/// What a server held after loading.
#[derive(Debug, Deserialize)]
pub struct Held {
    pub dbsize: Counts,
    /// Absent where no server could give one.
    pub digest: Option<String>,
    #[serde(default)]
    pub types: Counts,
    #[serde(default)]
    pub expires: Counts,
}

#[derive(Debug, Deserialize)]
pub struct Verdict {
    pub loads: bool,
    pub digest: Option<String>,
    pub error_class: Option<String>,
    #[serde(default)]
    pub error: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct CorruptDump {
    pub file: String,
    pub expected: String,
    pub type_byte: u8,
    #[serde(rename = "type")]
    pub type_name: String,
    pub dump_version: u32,
    /// Mostly false: those tests switch the checksum off.
    pub crc_ok: bool,
    /// By server and setting, such as `redis-7.0.15 sanitize=no`.
    pub servers: BTreeMap<String, String>,
    pub detected_only_by_deep_check: bool,
}

#[derive(Debug, Deserialize)]
pub struct Generated {
    pub file: String,
    pub magic: String,
    pub rdb_version: u32,
    pub crc: String,
    #[serde(flatten)]
    pub scan: Scan,
}

/// `NAME-facts.json`. All files named `NAME-alltypes...` hold the state `truth`.
#[derive(Debug, Deserialize)]
pub struct Facts {
    pub server: String,
    pub truth: State,
    #[serde(default)]
    pub files: BTreeMap<String, FileFacts>,
    pub expired: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub struct State {
    pub keys: u64,
    pub digest: String,
    pub dbsize: Counts,
    pub types: Counts,
    pub encodings: Counts,
    pub functions: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct FileFacts {
    /// `rdb`, `aof` or `aofdir`.
    pub kind: String,
    pub reload_digest: Option<String>,
    #[serde(default)]
    pub reload_dbsize: Counts,
    pub same_as_truth: Option<bool>,
    /// The state of a file that does not hold that of `Facts::truth`.
    pub truth: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub struct BrokenAof {
    /// A file, or a directory with a manifest.
    #[serde(alias = "file", alias = "dir")]
    pub path: String,
    /// By server, then by `aof-load-truncated yes` and `... no`.
    pub servers: BTreeMap<String, BTreeMap<String, AofVerdict>>,
    /// What the check tool of a server says.
    #[serde(default)]
    pub check_aof: BTreeMap<String, CheckAof>,
}

#[derive(Debug, Deserialize)]
pub struct AofVerdict {
    pub loads: bool,
    #[serde(default)]
    pub dbsize: Counts,
    pub digest: Option<String>,
    /// Whatever else was noted, such as the words of the log.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
pub struct CheckAof {
    pub exit: i32,
    pub last: Vec<String>,
}
