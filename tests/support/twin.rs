//! An engine and a real server that get the same commands, and have to answer the same.

use std::time::{SystemTime, UNIX_EPOCH};

use rdbkit::engine::Engine;
use rdbkit::rdb::{Product, Target};
use rdbkit::resp::Reply;
use redis::Value;

use super::servers::{Flavour, Kind, Server, servers};

/// The pair.
pub struct Twin {
    pub engine: Engine,
    pub server: Server,
    history: Vec<String>,
}

/// How often the history is told when they differ.
const TOLD: usize = 25;

impl Twin {
    /// Starts a server of this kind, and an engine that plays it.
    #[track_caller]
    pub fn start(kind: &Kind) -> Self {
        let server = Server::start(kind, &[]);
        let mut engine = Engine::new(target(kind), now_ms());
        // As many as the test servers have.
        engine.keyspace.set_databases(64);
        Twin { engine, server, history: Vec::new() }
    }

    /// Runs words that have no spaces in them; see [`Twin::run`].
    #[track_caller]
    pub fn words(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        self.run(&words)
    }

    /// Runs one command a line, as [`Twin::run_known`] does: `""` is nothing, `\x00` a byte.
    #[track_caller]
    pub fn script(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<Vec<u8>> = line.split(' ').map(unescaped).collect();
            self.run_known(&words);
        }
    }

    /// Runs a command on both; the answer, which is the same.
    #[track_caller]
    pub fn run<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Value {
        let (ours, theirs) = self.both(words);
        self.same(words, &ours, &theirs);
        theirs
    }

    /// As [`Twin::run`], for answers that are the same once they are looked at in this way.
    #[track_caller]
    pub fn run_as<W: AsRef<[u8]>>(&mut self, words: &[W], view: fn(Value) -> Value) -> Value {
        let (ours, theirs) = self.both(words);
        self.same(words, &view(ours), &view(theirs.clone()));
        theirs
    }

    /// As [`Twin::run`], unless this is a command that the server does not know; `embstr` and
    /// `raw` are the same.
    #[track_caller]
    pub fn run_known<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Value {
        let (ours, theirs) = self.both(words);
        if !plain(&theirs).contains("ERR unknown command") {
            self.same(words, &unembedded(ours), &unembedded(theirs.clone()));
        }
        theirs
    }

    /// As [`Twin::run`], for answers whose arrays come in no order.
    #[track_caller]
    pub fn run_unordered<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Value {
        let (ours, theirs) = self.both(words);
        self.same(words, &sorted(ours), &sorted(theirs.clone()));
        theirs
    }

    /// Runs a command on both; the two answers, ours first.
    #[track_caller]
    pub fn both<W: AsRef<[u8]>>(&mut self, words: &[W]) -> (Value, Value) {
        self.engine.env.now_ms = now_ms();
        let args: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let shown: Vec<String> = args.iter().map(|arg| arg.escape_ascii().to_string()).collect();
        self.history.push(shown.join(" "));
        (value(self.engine.execute(&args)), self.server.cmd(words))
    }

    #[track_caller]
    fn same<W: AsRef<[u8]>>(&self, words: &[W], ours: &Value, theirs: &Value) {
        if plain(ours) != plain(theirs) && !(counts_seconds(words) && are_near(ours, theirs)) {
            let from = self.history.len().saturating_sub(TOLD);
            panic!(
                "{}: ours {:?}\ntheirs {:?}\nafter\n{}",
                self.server.kind().name,
                plain(ours),
                plain(theirs),
                self.history[from..].join("\n")
            );
        }
    }
}

/// Whether a command is answered in seconds since or until another one, of which a few may pass
/// between one side and the other.
fn counts_seconds<W: AsRef<[u8]>>(words: &[W]) -> bool {
    let is = |at: usize, name: &str| {
        words.get(at).is_some_and(|word| word.as_ref().eq_ignore_ascii_case(name.as_bytes()))
    };
    is(0, "TTL") || is(0, "HTTL") || is(0, "OBJECT") && is(1, "IDLETIME")
}

/// Whether two numbers of seconds, or lists of them, are the same but for a few; -1 and -2 are none.
fn are_near(ours: &Value, theirs: &Value) -> bool {
    const FEW: u64 = 5;
    match (ours, theirs) {
        (Value::Int(ours @ 0..), Value::Int(theirs @ 0..)) => ours.abs_diff(*theirs) <= FEW,
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(a, b)| plain(a) == plain(b) || are_near(a, b))
        }
        _ => false,
    }
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word.trim_matches('"');
    while let Some(at) = rest.find("\\x") {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        out.push(u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap());
        rest = &rest[at + 4..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// The servers that answer as the engine does: from 6.2 on, older ones word their errors otherwise.
pub fn recent() -> Vec<Kind> {
    let old = |kind: &Kind| (kind.version.major, kind.version.minor) < (6, 2);
    servers().into_iter().filter(|kind| !old(kind)).collect()
}

/// The target that a server is.
pub fn target(kind: &Kind) -> Target {
    let product = match kind.version.flavour {
        Flavour::Redis => Product::Redis,
        Flavour::Valkey => Product::Valkey,
        Flavour::Redict => Product::Redict,
    };
    let version = kind.version;
    Target::of(product, (version.major as u16, version.minor as u16))
}

/// Unix time in milliseconds.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn value(reply: Reply) -> Value {
    match reply {
        Reply::Status("OK") => Value::Okay,
        Reply::Status(text) => Value::SimpleString(text.to_owned()),
        Reply::Error(text) => Value::SimpleString(format!("-{text}")),
        Reply::Int(n) => Value::Int(n),
        Reply::Bulk(bytes) => Value::BulkString(bytes),
        Reply::Nil | Reply::NilArray => Value::Nil,
        Reply::Array(items) => Value::Array(items.into_iter().map(value).collect()),
    }
}

/// Errors as text, for comparing and showing.
fn plain(value: &Value) -> String {
    match value {
        Value::ServerError(error) => {
            format!("-{} {}", error.code(), error.details().unwrap_or_default())
        }
        Value::SimpleString(text) => text.clone(),
        Value::BulkString(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// Newer servers keep short strings together with their keys: which ones they call `embstr` then
/// depends on the length of the key, and on what happened to it. It has no meaning elsewhere.
fn unembedded(value: Value) -> Value {
    match value {
        Value::BulkString(text) if text == b"embstr" => Value::BulkString(b"raw".to_vec()),
        other => other,
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(plain);
            Value::Array(items)
        }
        other => other,
    }
}
