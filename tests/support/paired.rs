//! What the tests of collections share: lines for a twin, encodings, chance.

use std::collections::HashMap;

use rdbkit::engine::{Engine, Keys, Value as Held};
use redis::Value;

use super::servers::{Flavour, Kind};
use super::twin::Twin;

/// A twin that leaves out what its server does not know.
pub struct Paired {
    pub twin: Twin,
    known: HashMap<String, bool>,
    /// Whether errors are worded as the engine words them.
    same_errors: bool,
    history: Vec<String>,
    failures: Vec<String>,
}

/// How much is told when answers differ.
const TOLD: usize = 40;

impl Paired {
    #[track_caller]
    pub fn start(kind: &Kind) -> Self {
        Paired {
            twin: Twin::start(kind),
            known: HashMap::new(),
            same_errors: newest(kind),
            history: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Whether the server knows the command.
    pub fn knows(&mut self, name: &str) -> bool {
        let server = &mut self.twin.server;
        *self.known.entry(name.to_ascii_uppercase()).or_insert_with(|| {
            matches!(server.cmd(&["COMMAND", "INFO", name]),
                Value::Array(infos) if matches!(infos.first(), Some(Value::Array(_))))
        })
    }

    /// Runs a line of a script on both, where the server knows it: a command, `ENCODING key`, or
    /// `NEW` and a command that older servers answer otherwise.
    #[track_caller]
    pub fn line(&mut self, line: &str) {
        let line = match line.strip_prefix("NEW ") {
            Some(_) if !self.same_errors => return,
            Some(line) => line,
            None => line,
        };
        if let Some(key) = line.strip_prefix("ENCODING ") {
            return self.encoding(key);
        }
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        self.run(&words);
    }

    /// As [`Paired::line`], of words that may hold anything.
    #[track_caller]
    pub fn run<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        self.compare(words, false);
    }

    /// As [`Paired::run`], for answers that come in no order.
    #[track_caller]
    pub fn unordered<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        self.compare(words, true);
    }

    #[track_caller]
    fn compare<W: AsRef<[u8]>>(&mut self, words: &[W], unordered: bool) {
        let name = String::from_utf8_lossy(words[0].as_ref()).into_owned();
        if !self.knows(&name) {
            return;
        }
        let (ours, theirs) = self.twin.both(words);
        let error = |value: &Value| match value {
            Value::SimpleString(text) => text.strip_prefix('-').map(str::to_owned),
            Value::ServerError(error) => {
                Some(format!("{} {}", error.code(), error.details().unwrap_or_default()))
            }
            _ => None,
        };
        let same = match (error(&ours), error(&theirs)) {
            (Some(ours), Some(theirs)) => !self.same_errors || ours.trim_end() == theirs.trim_end(),
            (None, None) if unordered => flat(&ours) == flat(&theirs),
            (None, None) => ours == theirs,
            _ => false,
        };
        let shown: Vec<String> = words.iter().map(|word| short(word.as_ref())).collect();
        self.history.push(shown.join(" "));
        if !same {
            self.failures
                .push(format!("{}\n   ours   {ours:?}\n   theirs {theirs:?}", shown.join(" ")));
        }
    }

    /// Says what differed, if anything did.
    #[track_caller]
    pub fn finish(&self) {
        if !self.failures.is_empty() {
            let from = self.history.len().saturating_sub(TOLD);
            panic!(
                "{}: {} answers differ:\n{}\nafter\n{}",
                self.twin.server.kind().name,
                self.failures.len(),
                self.failures[..self.failures.len().min(TOLD)].join("\n"),
                self.history[from..].join("\n"),
            );
        }
    }

    /// Removes a key from both.
    pub fn delete(&mut self, key: &str) {
        self.twin.server.cmd(&["DEL", key]);
        let engine = &mut self.twin.engine;
        let db = engine.db();
        Keys::new(&mut engine.keyspace, db, None).remove(key.as_bytes());
        self.history.push(format!("DEL {key}"));
    }

    /// Compares what OBJECT ENCODING says.
    #[track_caller]
    pub fn encoding(&mut self, key: &str) {
        let theirs = match self.twin.server.cmd(&["OBJECT", "ENCODING", key]) {
            Value::BulkString(bytes) => Some(String::from_utf8(bytes).unwrap()),
            Value::SimpleString(text) => Some(text),
            _ => None,
        };
        // How strings are held is for their own tests.
        let text = |name: String| match name.as_str() {
            "int" | "embstr" | "raw" => "a string".to_owned(),
            _ => name,
        };
        let theirs = theirs.map(text);
        let ours = encoding(&self.twin.engine, key);
        if ours != theirs {
            self.failures.push(format!(
                "encoding of {key} behind {:?}: ours {ours:?}, theirs {theirs:?}",
                self.history.last()
            ));
        }
    }
}

/// The encoding of a key of the selected database.
pub fn encoding(engine: &Engine, key: &str) -> Option<String> {
    let mut records = engine.keyspace.records(engine.db());
    let record = records.find(|record| record.key.as_slice() == key.as_bytes())?;
    let target = &engine.env.target;
    Some(
        match &record.value {
            Held::Hash(hash) => hash.encoding(target),
            Held::Set(set) => set.encoding(),
            Held::List(list) => list.encoding(target),
            _ => "a string",
        }
        .to_owned(),
    )
}

/// Whether a server words its errors as the engine does.
fn newest(kind: &Kind) -> bool {
    let version = kind.version;
    match version.flavour {
        Flavour::Redis => version.at_least(8, 10),
        Flavour::Valkey => version.at_least(9, 1),
        Flavour::Redict => false,
    }
}

/// A word, of which the most part is left out where it is long.
fn short(word: &[u8]) -> String {
    let head = word.get(..100).unwrap_or(word).escape_ascii().to_string();
    if word.len() > 100 { format!("{head}… ({} bytes)", word.len()) } else { head }
}

fn flat(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => {
            let mut all: Vec<String> = items.iter().flat_map(flat).collect();
            all.sort();
            all
        }
        other => vec![format!("{other:?}")],
    }
}

/// Numbers by chance, the same from run to run.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    pub fn of<T: Copy>(&mut self, words: &[T]) -> T {
        words[self.below(words.len())]
    }
}
