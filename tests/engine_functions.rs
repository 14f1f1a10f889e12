//! Libraries of functions in the engine, beside real servers.

#![cfg(feature = "lua")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use redis::Value;
use support::servers::{Flavour, Kind};
use support::twin::{Twin, recent};

/// Servers that know functions.
fn kinds() -> Vec<Kind> {
    recent().into_iter().filter(|kind| kind.version.at_least(7, 0)).collect()
}

/// Code behind a first line, which the test gives it: a library of its own for each.
const LIBRARIES: &str = "
    local x =
    x
    for
    local x = 1
    local s = 'no end
    return 1
    error('x')
    return foo
    foo = 1
    redis.foo = 1
    local x = redis.foo
    local x = redis[1]
    redis.call('get', 'x')
    redis.setresp(3)
    return cjson.encode({})
    return string.rep('x', 3)
    return pairs({})
    local x = nil; x.y = 1
    local x = {} .. 1
    return 1 + {}
    redis.register_function()
    redis.register_function('f')
    redis.register_function('f', 1)
    redis.register_function('f', function() end, 1)
    redis.register_function({}, function() end)
    redis.register_function(nil, function() end)
    redis.register_function('', function() end)
    redis.register_function('a b', function() end)
    redis.register_function('é', function() end)
    redis.register_function('f', function() end) redis.register_function('f', function() end)
    redis.register_function('f', function() end) redis.register_function('g h', function() end)
    redis.register_function{}
    redis.register_function{function_name = 'f'}
    redis.register_function{callback = function() end}
    redis.register_function{function_name = {}, callback = function() end}
    redis.register_function{function_name = 'f', callback = 1}
    redis.register_function{function_name = 'f', callback = function() end, description = {}}
    redis.register_function{function_name = 'f', callback = function() end, more = 1}
    redis.register_function{function_name = 'f', callback = function() end, [1] = 1}
    redis.register_function{function_name = 'f', callback = function() end, [true] = 1}
    redis.register_function{function_name = 'f', callback = function() end, flags = 1}
    redis.register_function{function_name = 'f', callback = function() end, flags = 'no-writes'}
    redis.register_function{function_name = 'f', callback = function() end, flags = {'x'}}
    redis.register_function{function_name = 'f', callback = function() end, flags = {1}}
    redis.register_function{function_name = 'f', callback = function() end, flags = {{}}}
    redis.register_function('a', function() end) error('x')
    redis.register_function('a', function() end) local x = nil; x.y = 1
    redis.register_function('a1', function() end)
    redis.register_function('A1', function() end)
    redis.register_function('a1', function() end)
    redis.register_function('b1', function() end) redis.register_function('a1', function() end)
    redis.register_function(11, function() end)
    redis.register_function('c1', function() end) redis.register_function('c2', function() end)
    redis.register_function{function_name = 'd1', callback = function() end}
    redis.register_function{FUNCTION_NAME = 'd2', Callback = function() end, FLAGS = {}}
    redis.register_function{function_name = 'd3', callback = function() end, description = ''}
    redis.register_function{function_name = 'd4', callback = function() end, description = 'what it does'}
    redis.register_function{function_name = 'd5', callback = function() end, description = 5}
    redis.register_function{function_name = 'e1', callback = function() end, flags = {'no-writes'}}
    redis.register_function{function_name = 'e2', callback = function() end, flags = {'No-Writes', 'no-writes'}}
    redis.register_function{function_name = 'e3', callback = function() end, flags = {'allow-stale', 'no-cluster', 'allow-oom', 'no-writes', 'allow-cross-slot-keys'}}
    redis.register_function{function_name = 'e4', callback = function() end, flags = {'no-writes', nil, 'x'}}
    local function f(keys, args) return redis.call('set', keys[1], args[1]) end redis.register_function('g1', f)
    local f = function() return cjson end redis.register_function('g2', f)
    for i = 1, 40 do redis.register_function('h' .. i, function() return i end) end
    redis.register_function('i' .. redis.LOG_WARNING, function() end)
    if redis.REDIS_VERSION_NUM > 0 then redis.register_function('j1', function() end) end
    redis.register_function(('k'):rep(3), function() end)
";

const REDIS_ONLY: &str = "
    redis.log(redis.LOG_NOTICE, 'x')
    redis.log('x')
    redis.log()
    redis.log(redis.LOG_DEBUG, 'x') redis.register_function('l1', function() end)
";

const VALKEY_ONLY: &str = "
    server.register_function('m1', function() end)
    server.register_function('m2')
    server.foo = 1
    local x = server.call
    if server.VALKEY_VERSION_NUM > 0x80000 then server.register_function('m3', function() end) end
    redis.register_function(server.SERVER_NAME, function() end)
    local version = server.VALKEY_VERSION server.register_function('m4', function() end)
    local version = server.SERVER_VERSION
";

#[test]
fn libraries() {
    for kind in kinds() {
        let mut pair = Pair::start(&kind);
        let own = match kind.version.flavour {
            Flavour::Valkey => VALKEY_ONLY,
            _ => REDIS_ONLY,
        };
        let codes = LIBRARIES.lines().chain(own.lines()).map(str::trim);
        for (n, code) in codes.filter(|code| !code.is_empty()).enumerate() {
            pair.run(&["FUNCTION", "LOAD", &format!("#!lua name=lib{n}\n{code}")]);
            pair.run(&["FUNCTION", "LOAD", &format!("#!lua name=lib{n}\n\n {code}\n")]);
            pair.run(&["FUNCTION", "LIST", "LIBRARYNAME", &format!("lib{n}")]);
        }
        pair.run(&["FUNCTION", "LIST"]);
        pair.run(&["FUNCTION", "LIST", "WITHCODE"]);
        pair.run(&["FUNCTION", "STATS"]);
        pair.finish();
    }
}

#[test]
fn replaced_and_restored() {
    let one = |name: &str, functions: &[&str]| {
        let calls = functions.iter().map(|f| format!("redis.register_function('{f}', g)\n"));
        format!("#!lua name={name}\nlocal g = function() end\n{}", calls.collect::<String>())
    };
    for kind in kinds() {
        let mut pair = Pair::start(&kind);
        pair.run(&["FUNCTION", "LOAD", &one("a", &["f", "g"])]);
        pair.run(&["FUNCTION", "LOAD", "REPLACE", &one("b", &["h"])]);
        // What it replaces does not stand in its way, what others have does, and then all stays.
        pair.run(&["FUNCTION", "LOAD", "REPLACE", &one("a", &["g", "i"])]);
        pair.run(&["FUNCTION", "LOAD", "REPLACE", &one("b", &["i"])]);
        pair.run(&["FUNCTION", "LOAD", "REPLACE", &one("b", &[])]);
        pair.run(&["FUNCTION", "LOAD", "REPLACE", "#!lua name=b\nlocal"]);
        pair.run(&["FUNCTION", "LOAD", &one("a", &[])]);
        pair.run(&["FUNCTION", "LIST"]);
        let Value::BulkString(dump) = pair.twin.server.cmd(&["FUNCTION", "DUMP"]) else {
            panic!("no dump");
        };
        // One of the two is there already.
        pair.run(&["FUNCTION", "DELETE", "b"]);
        for policy in ["APPEND", "REPLACE", "FLUSH"] {
            pair.restore(&dump, policy);
        }
        pair.run(&["FUNCTION", "FLUSH"]);
        // A function of the dump is there already, in another library.
        pair.run(&["FUNCTION", "LOAD", &one("z", &["g"])]);
        for policy in ["APPEND", "REPLACE", "FLUSH"] {
            pair.restore(&dump, policy);
        }
        pair.run(&["FUNCTION", "DELETE", "a"]);
        pair.restore(&dump, "APPEND");
        pair.run(&["FUNCTION", "STATS"]);
        pair.finish();
    }
}

/// Functions are called by name in any case, with their keys and arguments.
#[test]
fn called() {
    const CODE: &str = "#!lua name=lib
        local count = 0
        redis.register_function('Abc', function(keys, args) return {#keys, #args, keys[1]} end)
        redis.register_function('packs', function(keys, args) return cmsgpack.pack(args) end)
        redis.register_function('sets', function(keys, args)
            return redis.call('set', keys[1], bit.tohex(args[1]))
        end)
        redis.register_function{FUNCTION_NAME = 'named', Callback = function() return 'n' end}
        redis.register_function(5, function() return 'five' end)
        redis.register_function('late', function()
            local done, words = pcall(redis.call, 'function', 'list')
            return done
        end)";
    for kind in kinds() {
        let mut pair = Pair::start(&kind);
        pair.run(&["FUNCTION", "LOAD", CODE]);
        for call in [
            "Abc 0",
            "ABC 1 k a b",
            "abc 2 k l",
            "packs 0 x y z",
            "SETS 1 k 255",
            "late 0",
            "named 0",
            "5 0",
        ] {
            let words: Vec<&str> = std::iter::once("FCALL").chain(call.split(' ')).collect();
            pair.run(&words);
        }
        pair.run(&["GET", "k"]);
        pair.run(&["FCALL", "abcd", "0"]);
        pair.finish();
    }
}

/// A server and its twin, and where they differ.
struct Pair {
    twin: Twin,
    failures: Vec<String>,
}

impl Pair {
    fn start(kind: &Kind) -> Self {
        Pair { twin: Twin::start(kind), failures: Vec::new() }
    }

    fn run<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        let (ours, theirs) = self.twin.both(words);
        let (ours, theirs) = (told(&ours), told(&theirs));
        if ours != theirs {
            let words: Vec<String> =
                words.iter().map(|word| word.as_ref().escape_ascii().to_string()).collect();
            let words = words.join(" ");
            self.failures.push(format!("{words}\n   ours   {ours}\n   theirs {theirs}"));
        }
    }

    fn restore(&mut self, dump: &[u8], policy: &str) {
        self.run(&[&b"FUNCTION"[..], b"RESTORE", dump, policy.as_bytes()]);
        self.run(&["FUNCTION", "LIST"]);
    }

    #[track_caller]
    fn finish(&self) {
        let (kind, all) = (&self.twin.server.kind().name, &self.failures);
        assert!(all.is_empty(), "{kind}: {} differ:\n{}", all.len(), all.join("\n"));
    }
}

/// An answer as text. Libraries, functions and flags come in no order.
fn told(value: &Value) -> String {
    match value {
        Value::ServerError(error) => {
            format!("-{} {}", error.code(), error.details().unwrap_or_default())
        }
        Value::SimpleString(text) => text.clone(),
        Value::BulkString(text) => text.escape_ascii().to_string(),
        Value::Array(items) => {
            let mut items: Vec<String> = items.iter().map(told).collect();
            items.sort();
            format!("[{}]", items.join(" "))
        }
        other => format!("{other:?}"),
    }
}
