//! What the README shows is what the program prints.
//!
//! Every fenced block of the kind `console`, in the README and in docs/, is a transcript: lines that
//! begin with `$ ` are run by a shell in the root of the project, what stands below them is what
//! they print, on standard output or standard error. A line `…` stands for any number of lines.
//! UPDATE_GOLDEN=1 writes the transcripts without such a line anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The day on which the transcripts are read. `$@` is the whole call, the verb first.
const SHELL: &str = r#"
rdbkit() {
    case $1 in
    diff|history) command rdbkit "$@" --now 2026-11-29T09:00:00Z ;;
    inspect|keys|get) command rdbkit "$@" --now 2026-11-23T14:00:00Z ;;
    *) command rdbkit "$@" ;;
    esac
}
"#;

#[test]
fn transcripts_are_what_the_program_prints() {
    // Where the transcripts write, wherever the program itself was built.
    fs::create_dir_all(std::path::Path::new(ROOT).join("target")).unwrap();
    let updating = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut run, mut wrong) = (0, Vec::new());
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        let mut new = String::new();
        for piece in pieces(&text) {
            let (command, want) = match piece {
                Piece::Prose(prose) => {
                    new += prose;
                    continue;
                }
                Piece::Call { command, output } => (command, output),
            };
            new += &format!("$ {command}\n");
            let want = want.to_owned();
            let elided = want.lines().any(|line| line == "…");
            match output(command) {
                None => {
                    eprintln!("SKIPPED: jq is not installed, for: {command}");
                    new += &want;
                }
                Some(got) => {
                    run += 1;
                    if (elided || !updating) && !matches(&lines(&want), &lines(&got)) {
                        wrong.push(format!("{}: $ {command}\n{got}", path.display()));
                    }
                    new += if elided { &want } else { &got };
                }
            }
        }
        if updating {
            // RESP and CSV end lines with CR LF; a page of text does not.
            fs::write(&path, new.replace("\r\n", "\n")).unwrap();
        }
    }
    assert!(run >= 10, "only {run} transcripts were found");
    assert!(wrong.is_empty(), "this is printed now:\n\n{}", wrong.join("\n"));
}

#[test]
fn an_elision_stands_for_lines_in_between() {
    let check = |want: &[&str], got: &[&str], same| assert_eq!(matches(want, got), same);
    check(&["a", "b"], &["a", "b"], true);
    check(&["a"], &["a", "b"], false);
    check(&["a", "…", "c"], &["a", "b", "b", "c"], true);
    check(&["a", "…"], &["a"], true);
    check(&["a", "…", "d"], &["a", "b", "c"], false);
    check(&["…", "b", "…", "d"], &["a", "b", "c", "b", "d"], true);
}

/// The README and all of docs/.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|ext| ext == "md")).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

enum Piece<'a> {
    /// Whole lines that stay as they are.
    Prose(&'a str),
    /// A call, and the lines below it.
    Call { command: &'a str, output: &'a str },
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut inside = false;
    let mut rest = text;
    while let Some(end) = rest.find('\n').map(|at| at + 1) {
        let line = &rest[..end];
        let after = &rest[end..];
        if inside && let Some(command) = line.strip_prefix("$ ") {
            let length = after.split_inclusive('\n').take_while(|line| !ends(line)).map(str::len);
            let (output, below) = after.split_at(length.sum());
            pieces.push(Piece::Call { command: command.trim_end(), output });
            rest = below;
            continue;
        }
        match line.trim_end() {
            "```console" => inside = true,
            "```" => inside = false,
            _ => {}
        }
        pieces.push(Piece::Prose(line));
        rest = after;
    }
    pieces.push(Piece::Prose(rest));
    pieces
}

fn ends(line: &str) -> bool {
    line.starts_with("$ ") || line.trim_end() == "```"
}

/// What a call prints; `None` where it wants a program that is not there.
fn output(command: &str) -> Option<String> {
    let jq = || Command::new("jq").arg("--version").output().is_ok_and(|o| o.status.success());
    if command.contains("| jq") && !jq() {
        return None;
    }
    let program = Path::new(env!("CARGO_BIN_EXE_rdbkit")).parent().unwrap();
    let mut path = program.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let done = Command::new("sh")
        .args(["-c", &format!("{SHELL}\n{{ {command}\n}} 2>&1")])
        .current_dir(ROOT)
        .env("PATH", path)
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    Some(String::from_utf8(done.stdout).unwrap())
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

fn matches(want: &[&str], got: &[&str]) -> bool {
    match want {
        [] => got.is_empty(),
        ["…", rest @ ..] => (0..=got.len()).any(|skip| matches(rest, &got[skip..])),
        [first, rest @ ..] => got.first() == Some(first) && matches(rest, &got[1..]),
    }
}
