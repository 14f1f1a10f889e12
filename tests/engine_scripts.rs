//! Scripts in the engine, beside real servers: the libraries that servers give to them.

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

use rdbkit::engine::Engine;
use rdbkit::rdb::{Product, Target};
use rdbkit::resp::Reply;
use redis::Value;
use support::paired::Chance;
use support::servers::{Flavour, Kind};
use support::twin::{Twin, recent};

/// The first line of every script: `show` tells all values and their types, `fails` how a call ends.
const FIRST: &str = "local one
    one = function(v)
        if type(v) == 'number' then return string.format('%.17g', v) end
        if type(v) ~= 'table' then return type(v) .. ':' .. tostring(v) end
        local fields = {}
        for k, w in pairs(v) do fields[#fields + 1] = one(k) .. '=' .. one(w) end
        table.sort(fields)
        return '{' .. table.concat(fields, ',') .. '}'
    end
    local show = function(...)
        local shown = {}
        for i = 1, select('#', ...) do shown[i] = one((select(i, ...))) end
        return table.concat(shown, ' ')
    end
    local fails = function(...) return show(pcall(...)) end
    local binary = function(text)
        return (string.gsub(text, '%x%x', function(d) return string.char(tonumber(d, 16)) end))
    end";

/// Runs scripts on these servers and on their twins.
#[track_caller]
fn same<S: AsRef<str>>(kinds: Vec<Kind>, scripts: impl Iterator<Item = S> + Clone) {
    let first = FIRST.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    for kind in kinds {
        let mut twin = Twin::start(&kind);
        let mut failures = Vec::new();
        for script in scripts.clone() {
            let script = script.as_ref();
            let (ours, theirs) = twin.both(&["EVAL", &format!("{first}\n{script}"), "0"]);
            if ours != theirs {
                let (ours, theirs) = (short(&ours), short(&theirs));
                failures.push(format!("{script}\n   ours   {ours}\n   theirs {theirs}"));
            }
        }
        let shown = failures[..failures.len().min(40)].join("\n");
        assert!(failures.is_empty(), "{}: {} differ:\n{shown}", kind.name, failures.len());
    }
}

fn short(value: &Value) -> String {
    format!("{value:?}").chars().take(600).collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[test]
fn cmsgpack() {
    same(recent(), lines(include_str!("engine/cmsgpack.lua")));
}

/// Fields come in the order in which Lua holds them: that of Valkey's Lua is another.
const FIELDS: &str = "
return cmsgpack.pack({a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9})
local t = {} for i = 1, 15 do t['k' .. i] = i end return cmsgpack.pack(t)
local t = {} for i = 1, 16 do t['k' .. i] = i end return cmsgpack.pack(t)
local t = {} for i = 1, 300 do t[i .. 'x'] = i t[i] = -i t[i / 7] = 0 end return cmsgpack.pack(t)
local t = {} for i = 1, 99 do t['k' .. i] = i end for i = 1, 99, 2 do t['k' .. i] = nil end t.x = 1 return cmsgpack.pack(t)
local t = cmsgpack.unpack(cmsgpack.pack({a = 1, b = {c = 2, d = 3, e = 4}, f = 5})) return cmsgpack.pack(t)
";

#[test]
fn fields_in_order() {
    same(redis_only(), lines(FIELDS));
}

fn redis_only() -> Vec<Kind> {
    recent().into_iter().filter(|kind| kind.version.flavour == Flavour::Redis).collect()
}

/// However many different scripts there are, all run.
#[test]
fn scripts_without_number() {
    let mut engine = Engine::new(Target::of(Product::Redis, (6, 2)), 0);
    for n in 0..20_000 {
        let code = format!("return {n}");
        assert_eq!(engine.execute(&[b"EVAL", code.as_bytes(), b"0"]), Reply::Int(n));
    }
}

#[test]
fn structs() {
    same(recent(), lines(include_str!("engine/struct.lua")));
}

#[test]
fn bit() {
    same(recent(), lines(include_str!("engine/bit.lua")));
}

/// Code that scripts load: as text only.
#[test]
fn loaded_code() {
    same(recent(), lines(include_str!("engine/load.lua")));
}

/// Tables by chance: what is packed, and what is unpacked of it.
#[test]
fn cmsgpack_by_chance() {
    let mut chance = Chance(0x5eed);
    let values: Vec<String> = (0..400).map(|_| value(&mut chance, 0)).collect();
    same(redis_only(), values.iter().map(|value| format!("return cmsgpack.pack({value})")));
    let unpacked = |value: &String| format!("return show(cmsgpack.unpack(cmsgpack.pack({value})))");
    same(recent(), values.iter().map(unpacked));
}

/// Bytes by chance: mostly no MessagePack, and what is wrong with them.
#[test]
fn cmsgpack_of_noise() {
    const HEADS: [&str; 12] =
        ["82", "93", "a3", "cc", "cd", "d9", "da", "dc", "de", "dd000000", "c1", "cb"];
    let mut chance = Chance(0xbad);
    let scripts: Vec<String> = (0..400)
        .map(|_| {
            let mut text = String::new();
            for _ in 0..1 + chance.below(8) {
                text += chance.of(&HEADS);
                text += &format!("{:02x}", chance.below(256));
            }
            format!("return fails(cmsgpack.unpack, binary('{text}'))")
        })
        .collect();
    same(recent(), scripts.iter());
}

/// Formats by chance, with numbers for all that wants some.
#[test]
fn structs_by_chance() {
    const ITEMS: [&str; 24] = [
        "b", "B", "h", "H", "l", "L", "T", "i", "I", "i1", "I2", "i3", "i4", "I5", "i8", "I16",
        "f", "d", "x", " ", ">", "<", "!", "!4",
    ];
    let mut chance = Chance(0xf00d);
    let scripts: Vec<String> = (0..400)
        .map(|_| {
            let format: String = (0..1 + chance.below(6)).map(|_| chance.of(&ITEMS)).collect();
            let numbers: Vec<String> = (0..6).map(|_| number(&mut chance)).collect();
            let numbers = numbers.join(",");
            format!(
                "local f = '{format}' local s = struct.pack(f, {numbers}) \
                 return {{s, show(struct.unpack(f, s)), show(struct.size(f)), \
                 fails(struct.unpack, f, string.sub(s, 2)), fails(struct.unpack, f, s, 2)}}"
            )
        })
        .collect();
    same(recent(), scripts.iter());
}

/// Lua source of a value.
fn value(chance: &mut Chance, depth: usize) -> String {
    let items = |chance: &mut Chance| chance.below(if depth > 3 { 1 } else { 6 });
    match chance.below(9) {
        0 => chance.of(&["true", "false", "nil", "cjson.null"]).to_owned(),
        1 | 2 => number(chance),
        3 => format!("string.rep('x', {})", chance.below(300)),
        4 => format!("'{}'", chance.below(1000)),
        5 | 6 => {
            let items: Vec<String> = (0..items(chance)).map(|_| value(chance, depth + 1)).collect();
            format!("{{{}}}", items.join(","))
        }
        _ => {
            let mut fields = String::new();
            for _ in 0..items(chance) {
                let key = match chance.below(4) {
                    0 => format!("{}", chance.below(5)),
                    1 => chance.of(&["-1", "0.5", "true", "2147483648"]).to_owned(),
                    _ => format!("'k{}'", chance.below(20)),
                };
                fields += &format!("[{key}]={},", value(chance, depth + 1));
            }
            format!("{{{fields}}}")
        }
    }
}

fn number(chance: &mut Chance) -> String {
    let power = chance.below(60);
    let sign = chance.of(&["", "-"]);
    match chance.below(4) {
        0 => format!("{sign}{}", chance.below(200)),
        1 => format!("{sign}{}", 1_i64 << power),
        2 => format!("{sign}{}.{}", chance.below(1000), chance.below(1000)),
        _ => format!("{sign}2^{power}-1"),
    }
}
