//! The floors of the house: who may know whom. An arrow goes down, never up, and never in a circle.
//!
//! The test reads the source: every path that begins with `crate::`, `super::` or `rdbkit::`
//! outside comments, wherever it stands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the top floor down: a module, and the modules that it may know. Each of those stands
/// further down in the table, or is among the [`EXCEPTIONS`].
const FLOORS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    // The face is a crate of its own, so it sees what everybody sees.
    (
        "cli",
        &[
            "ops", "report", "source", "target", "live", "digest", "memory", "rdb", "value",
            "bytes", "error",
        ],
    ),
    (
        "ops",
        &[
            "engine", "report", "source", "target", "live", "digest", "memory", "aof", "rdb",
            "value", "resp", "bytes", "error", "finding",
        ],
    ),
    ("engine", &["rdb", "value", "resp", "bytes", "error"]),
    ("report", &["rdb", "value", "bytes", "error", "finding"]),
    // What several servers send becomes one snapshot.
    ("source", &["live", "rdb", "bytes", "error"]),
    // No file of a log in several files may be replaced alone.
    ("target", &["live", "aof", "resp", "bytes", "error"]),
    ("live", &["rdb", "resp", "bytes", "error"]),
    ("digest", &["rdb", "value", "bytes", "error"]),
    ("memory", &["rdb", "value", "bytes", "error"]),
    // The writer of logs puts values into commands; the reader knows snapshots by their offset alone.
    ("aof", &["rdb", "value", "resp", "bytes", "error", "finding"]),
    ("rdb", &["value", "bytes", "error"]),
    ("resp", &["bytes", "error"]),
    ("value", &["bytes", "error"]),
    ("finding", &["error"]),
    ("bytes", &["error"]),
    ("error", &["fault"]),
    ("fault", &[]),
];

/// Arrows that do not go down, each with its reason. One that nobody needs any more is a failure.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("error", "bytes", "a sentence quotes the key, and quoting is text, not format")];

/// What one floor alone may use, as it stands in the source.
const KEPT_APART: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "clap",
            "indicatif",
            "process::exit",
            "ExitCode",
            "println!",
            "eprintln!",
            "print!",
            "eprint!",
            "io::stdout",
            "io::stderr",
        ],
    ),
    ("source", &["memmap2", "io::stdin", "zstd", "flate2", "lz4_flex", "bzip2"]),
    ("digest", &["sha1", "sha2"]),
    ("report", &["comfy_table", "bytesize", "base64"]),
];

/// Uses outside that floor: the file, the word, the reason.
const APART_EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("cli/load.rs", "io::stdin", "a question at a terminal is answered there"),
    ("aof/tests.rs", "eprintln!", "a test that is skipped says so"),
    ("bytes/mod.rs", "sha1", "the name of a room"),
    ("bytes/sha1.rs", "sha1", "scripts are named by it, which is no digest of data"),
    ("target/compressed.rs", "zstd", "an output is compressed where it is written"),
    ("target/compressed.rs", "flate2", "an output is compressed where it is written"),
    ("target/atomic_file.rs", "io::stdout", "an output named - is data, not something to say"),
];

#[test]
fn the_table_goes_down() {
    let row = |name: &str| FLOORS.iter().position(|(floor, _)| *floor == name);
    for (index, (floor, below)) in FLOORS.iter().enumerate() {
        for other in *below {
            let down = row(other).is_some_and(|other| other > index);
            assert!(down, "{floor} may know {other}, which does not stand below it");
        }
    }
    let may = |from, to| FLOORS.iter().any(|(floor, below)| *floor == from && below.contains(&to));
    assert!(!may("rdb", "aof") && !may("rdb", "resp"));
}

#[test]
fn arrows_go_down() {
    let (mut wrong, mut excused, mut arrows) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (path, text) in sources() {
        let from = floor(&path);
        let (_, below) = FLOORS
            .iter()
            .find(|(floor, _)| *floor == from)
            .unwrap_or_else(|| panic!("{from} ({}) has no row in the table", path.display()));
        for to in known(&path, &text) {
            arrows.insert((from.clone(), to.clone()));
            if to == from || below.contains(&to.as_str()) {
                continue;
            }
            match EXCEPTIONS.iter().find(|(a, b, _)| *a == from && *b == to) {
                Some(exception) => drop(excused.insert(exception)),
                None => wrong.push(format!("{}: {from} knows {to}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(excused.len(), EXCEPTIONS.len(), "an exception that nobody needs");
    // That the test sees anything at all.
    for (from, to) in [("ops", "rdb"), ("cli", "ops"), ("aof", "resp"), ("rdb", "bytes")] {
        assert!(arrows.contains(&(from.to_owned(), to.to_owned())), "{from} → {to} not seen");
    }
}

#[test]
fn what_one_floor_keeps_apart() {
    let (mut wrong, mut excused, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (path, text) in sources() {
        let from = floor(&path);
        let code = code(&text);
        for (owner, words) in KEPT_APART {
            for word in words.iter().filter(|word| holds(&code, word)) {
                if from == *owner {
                    seen.insert(*owner);
                    continue;
                }
                let exception = APART_EXCEPTIONS
                    .iter()
                    .find(|(file, of, _)| path.ends_with(file) && of == word);
                match exception {
                    Some(exception) => drop(excused.insert(exception)),
                    None => wrong.push(format!("{}: {word} is {owner}'s", path.display())),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(excused.len(), APART_EXCEPTIONS.len(), "an exception that nobody needs");
    assert_eq!(seen.len(), KEPT_APART.len(), "{seen:?}");
}

/// Whoever finds the core of a verb finds out how it is called. (That the examples run, the
/// documentation tests show.)
#[test]
fn every_core_of_a_verb_has_an_example() {
    let mut cores = 0;
    for (path, text) in sources() {
        let place: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
        // Rooms below these are no doors.
        let is_door = matches!(place[..], ["ops", file] if !["mod.rs", "encoding.rs", "filter.rs"].contains(&file))
            || matches!(place[..], ["ops", _, "mod.rs"] | ["ops", _, _, "mod.rs"]);
        if !is_door {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("pub fn ")) {
            let doc = lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.starts_with("///") || line.starts_with("#["));
            let fences = doc.filter(|line| line.starts_with("/// ```")).count();
            assert!(fences >= 2, "{}: {line} has no example", path.display());
            cores += 1;
        }
    }
    assert!(cores > 20, "{cores}");
}

#[test]
fn paths_are_found_in_every_form() {
    let check = |path: &str, text: &str, want: &[&str]| {
        let got: Vec<String> = known(Path::new(path), text).into_iter().collect();
        assert_eq!(got, want, "{text}");
    };
    check("rdb/frame.rs", "use crate::bytes::take::byte;", &["bytes"]);
    check("rdb/frame.rs", "let x = crate::aof::scan(y);", &["aof"]);
    check(
        "rdb/frame.rs",
        "use crate::{aof::Walk, bytes, error::{Bad, Fault}};",
        &["aof", "bytes", "error"],
    );
    check("rdb/frame.rs", "use super::length;", &["rdb"]);
    check("rdb/frame.rs", "use super::super::aof::Walk;", &["aof"]);
    check("rdb/object/mod.rs", "use super::super::aof::Walk;", &["aof"]);
    check("rdb/mod.rs", "use super::aof::Walk;", &["aof"]);
    check("rdb/mod.rs", "use super::{aof, bytes};", &["aof", "bytes"]);
    check("rdb/object/list.rs", "mod tests { use super::super::super::aof; }", &["aof"]);
    check("rdb/frame.rs", "/// As crate::aof has it.\n// crate::ops\n", &[]);
    check("rdb/frame.rs", "use crate::Result;", &["error"]);
    check("cli/check.rs", "use rdbkit::ops::check::check_source;", &["ops"]);
    check("cli/check.rs", "use rdbkit::{Error, report};", &["error", "report"]);
}

/// The first name of a path below `src`.
fn floor(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

/// The floors that a file names.
fn known(path: &Path, text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut found = BTreeSet::new();
    let parts: Vec<_> = path.components().collect();
    let is_root = path.file_name().is_some_and(|name| name == "mod.rs") || parts.len() == 1;
    // How many modules deep the file is: its own name is one, where it is no mod.rs.
    let depth = parts.len() - usize::from(is_root && parts.len() > 1);
    for prefix in ["crate::", "rdbkit::"] {
        for (at, _) in code.match_indices(prefix) {
            if starts_word(&code, at) {
                found.extend(firsts(code.get(at + prefix.len()..).unwrap()));
            }
        }
    }
    for (at, _) in code.match_indices("super::") {
        let before = code.get(..at).unwrap();
        if before.ends_with("super::") || !starts_word(&code, at) {
            continue;
        }
        let mut rest = code.get(at..).unwrap();
        let mut ups = 0;
        while let Some(behind) = rest.strip_prefix("super::") {
            (rest, ups) = (behind, ups + 1);
        }
        // A `mod tests` inside a file is one deeper; so many ups may then still stay in the floor.
        if ups >= depth {
            let names = firsts(rest);
            let floors = names.iter().filter(|name| FLOORS.iter().any(|(floor, _)| floor == name));
            found.extend(floors.cloned());
        } else {
            found.insert(floor(path));
        }
    }
    found
}

/// The names that a path goes on with: one, or those of a group in braces.
fn firsts(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![named(path)];
    };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (at, sign) in group.char_indices() {
        match sign {
            ',' | '}' if depth == 0 => {
                names.push(named(group.get(start..at).unwrap().trim()));
                start = at + 1;
                if sign == '}' {
                    break;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The floor of a name at the root: `Error` and `Result` stand there for convenience.
fn named(path: &str) -> String {
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    match name.as_str() {
        "Error" | "Result" => "error".to_owned(),
        _ => name,
    }
}

/// The text without comments. A `//` inside a string is taken for one too: no path is lost by that.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn starts_word(code: &str, at: usize) -> bool {
    let before = code.get(..at).unwrap().chars().next_back();
    before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '"')
}

/// Whether a word stands there that is not the end of a longer one.
fn holds(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let behind = code.get(at + word.len()..).unwrap().chars().next();
        let before = code.get(..at).unwrap().chars().next_back();
        let joins =
            |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
        let path = word.ends_with('!') || word.contains("::") || behind == Some(':');
        path && !joins(before) && (word.ends_with('!') || !joins(behind))
    })
}

/// Every source file by its path below `src`, and its text.
fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(&root).unwrap().to_owned(), text);
            }
        }
    }
    // The map of the crate names all floors; it is on none.
    found.remove(Path::new("lib.rs"));
    assert!(found.len() > 100, "only {} files", found.len());
    found
}
