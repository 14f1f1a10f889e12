//! The screen of check: a verdict per source, then its findings in the order of the file.
//!
//! ```text
//! dump.rdb: NOT SOUND, 2 errors (RDB snapshot, 107 keys, 88.7 KiB, checksum ok, every value checked)
//!   ERROR duplicate-key at offset 102308, key "a" in db 0
//!     expected …; found …
//!     server   …
//!     advice   …
//!   ERROR duplicate-key at offset 102399, key "b" in db 0: found …
//! ```
//!
//! What servers make of a finding, and what to do about it, is told once in a file: a damaged file
//! has one kind of fault many times.

use std::io::{self, Write};

use super::{CheckReport, FileReport, PolicyReport, SourceReport, Unlisted};
use crate::bytes::{PathName as _, path_of};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::report::json::failed;
use crate::report::text::{Style, count, glued, key, percent, plural, size, wrap};

/// How wide a key may be.
const KEY_WIDTH: usize = 60;

/// Lines are not broken into less than this.
const MIN_WIDTH: usize = 40;

/// Writes the screen, in lines of `width` columns where words allow it; of sources without findings
/// the verdict alone.
pub fn write_text(
    out: &mut dyn Write,
    report: &CheckReport,
    style: Style,
    width: usize,
) -> Result<()> {
    let width = width.max(MIN_WIDTH);
    let sources = &report.sources;
    sources.iter().try_for_each(|one| source(out, one, style, width)).map_err(failed)?;
    if sources.len() > 1 {
        writeln!(out, "{}", summary(sources, style)).map_err(failed)?;
    }
    Ok(())
}

/// `3 sources: 2 sound, 1 not sound`
fn summary(sources: &[SourceReport], style: Style) -> String {
    let unseen = sources.iter().filter(|one| one.could_not_look.is_some()).count();
    let broken = sources.iter().filter(|s| s.could_not_look.is_none() && !s.is_sound()).count();
    let sound = sources.len() - unseen - broken;
    let mut parts = Vec::new();
    if sound > 0 {
        parts.push(style.good(format!("{sound} sound")).to_string());
    }
    if broken > 0 {
        parts.push(style.bad(format!("{broken} not sound")).to_string());
    }
    if unseen > 0 {
        parts.push(style.bad(format!("{unseen} not looked at")).to_string());
    }
    let all = plural(sources.len() as u64, "source");
    format!("{}: {}", style.bold(all), parts.join(", "))
}

fn source(
    out: &mut dyn Write,
    report: &SourceReport,
    style: Style,
    width: usize,
) -> io::Result<()> {
    if let Some(why) = &report.could_not_look {
        // The sentence may begin with the name, as sentences about files do.
        let why = why.strip_prefix(&format!("{}: ", report.name)).unwrap_or(why);
        return writeln!(out, "{}: {} {why}", report.name, style.bad("COULD NOT LOOK:"));
    }
    let all = || report.findings.iter().chain(report.files.iter().flat_map(|f| &f.findings));
    let listed = |severity| all().filter(|f| f.severity == severity).count() as u64;
    let unlisted = |of: fn(&Unlisted) -> u64| {
        of(&report.unlisted) + report.files.iter().map(|file| of(&file.unlisted)).sum::<u64>()
    };
    let errors = listed(Severity::Error) + unlisted(|all| all.errors);
    let warnings = listed(Severity::Warning) + unlisted(|all| all.others);
    let verdict = Verdict { errors, warnings };

    let mut block = Block { out, style, width, indent: 0, file: &report.name, root: &report.name };
    if let [file] = report.files.as_slice()
        && file.name == report.name
    {
        block.verdict(&report.name, verdict, &facts(file))?;
        block.findings(&report.findings)?;
        block.file(file)?;
        return block.policy(report.policy.as_ref());
    }
    block.verdict(&report.name, verdict, &report.kind)?;
    block.findings(&report.findings)?;
    block.unlisted(report.unlisted)?;
    for file in &report.files {
        let errors = file.count(Severity::Error);
        let warnings = file.count(Severity::Warning);
        let mut block = Block {
            out: &mut *block.out,
            indent: 2,
            file: &file.name,
            root: &report.name,
            ..block
        };
        let name = below(block.root, &file.name);
        block.verdict(&name, Verdict { errors, warnings }, &facts(file))?;
        block.file(file)?;
    }
    block.policy(report.policy.as_ref())
}

/// How many findings there are.
#[derive(Clone, Copy)]
struct Verdict {
    errors: u64,
    warnings: u64,
}

/// What is said about one file, or about a directory as a whole.
struct Block<'a> {
    out: &'a mut dyn Write,
    style: Style,
    width: usize,
    indent: usize,
    /// The file whose findings need not name it.
    file: &'a str,
    /// The source that other files are named from.
    root: &'a str,
}

impl Block<'_> {
    /// `dump.rdb: NOT SOUND, 1 error (…)`
    fn verdict(&mut self, name: &str, verdict: Verdict, facts: &str) -> io::Result<()> {
        let Verdict { errors, warnings } = verdict;
        let mut plain = if errors > 0 { "NOT SOUND".to_owned() } else { "sound".to_owned() };
        let mut painted = match errors {
            0 => self.style.good("sound").to_string(),
            _ => self.style.bad("NOT SOUND").to_string(),
        };
        for (n, one) in [(errors, "error"), (warnings, "warning")] {
            if n > 0 {
                let text = format!(", {}", plural(n, one));
                plain += &text;
                painted += &match one {
                    "warning" => self.style.warn(&text).to_string(),
                    _ => text,
                };
            }
        }
        let used = self.indent + width_of(name) + 2 + width_of(&plain) + 1;
        let facts = wrap(&format!("({facts})"), used, self.indent + 4, self.width);
        let space = if facts.starts_with('\n') { "" } else { " " };
        let name = self.style.bold(format!("{name}:"));
        writeln!(self.out, "{:1$}{name} {painted}{space}{facts}", "", self.indent)
    }

    /// `policy: BROKEN, 2 errors (max-keys, require-ttl)`, and what breaks it.
    fn policy(&mut self, policy: Option<&PolicyReport>) -> io::Result<()> {
        let Some(policy) = policy else { return Ok(()) };
        let listed = |severity| policy.findings.iter().filter(|f| f.severity == severity).count();
        let errors = listed(Severity::Error) as u64 + policy.unlisted.errors;
        let warnings = listed(Severity::Warning) as u64 + policy.unlisted.others;
        let word = match errors {
            0 => self.style.good("kept"),
            _ => self.style.bad("BROKEN"),
        };
        let mut line = format!("  {} {word}", self.style.bold("policy:"));
        for (n, one) in [(errors, "error"), (warnings, "warning")] {
            if n > 0 {
                line += &format!(", {}", plural(n, one));
            }
        }
        writeln!(self.out, "{line} ({})", policy.rules.join(", "))?;
        match policy.filtered_from {
            Some(all) if policy.keys == 0 && all.keys > 0 => {
                let none = format!("asked of none of {}: no key passes", plural(all.keys, "key"));
                writeln!(self.out, "    {} the filters", self.style.warn(none))?;
            }
            Some(all) => {
                let all = plural(all.keys, "key");
                writeln!(self.out, "    asked of {} of {all}", count(policy.keys))?;
            }
            None => {}
        }
        let mut inner = Block { out: &mut *self.out, indent: self.indent + 2, ..*self };
        inner.findings(&policy.findings)?;
        let unlisted = policy.unlisted.errors + policy.unlisted.others;
        if unlisted > 0 {
            writeln!(self.out, "    … and {} more, which --max-findings lists", count(unlisted))?;
        }
        Ok(())
    }

    /// All that a file has under its verdict.
    fn file(&mut self, file: &FileReport) -> io::Result<()> {
        self.findings(&file.findings)?;
        self.rest(file)
    }

    fn findings(&mut self, findings: &[Finding]) -> io::Result<()> {
        // The first finding of each explanation; one code may have several.
        let mut told: Vec<&Finding> = Vec::new();
        for finding in findings {
            let same = |one: &&&Finding| {
                (one.code, one.server, one.advice) == (finding.code, finding.server, finding.advice)
            };
            match told.iter().find(same) {
                Some(first) => self.again(finding, first)?,
                None => {
                    self.headline(finding, "")?;
                    self.explanation(finding)?;
                    told.push(finding);
                }
            }
        }
        Ok(())
    }

    /// `ERROR duplicate-key at offset 12, key "a" in db 0`, and more behind it.
    fn headline(&mut self, finding: &Finding, more: &str) -> io::Result<()> {
        let indent = self.indent + 2;
        let (word, painted) = match finding.severity {
            Severity::Error => ("ERROR", self.style.bad("ERROR")),
            Severity::Warning => ("warning", self.style.warn("warning")),
            Severity::Info => ("info", self.style.dim("info")),
        };
        let place = format!("{}{more}", self.place(finding));
        let used = indent + word.len() + 1 + finding.code.len();
        let place = wrap(&place, used, indent + 2, self.width);
        let code = self.style.bold(finding.code);
        writeln!(self.out, "{:indent$}{painted} {code}{place}", "")
    }

    /// ` at offset 12, reading the HASH value of key "a" in db 0`
    fn place(&self, finding: &Finding) -> String {
        let mut place = String::new();
        if let Some(offset) = finding.offset {
            place += &format!(" at offset {offset}");
        }
        let elsewhere = !finding.file.is_empty() && finding.file != self.file;
        if elsewhere {
            place += &format!(" in {}", below(self.root, &finding.file));
        }
        let key = finding.key.as_ref().map(|bytes| glued(&key(bytes, KEY_WIDTH)));
        match (finding.doing.as_str(), key) {
            ("", None) => {}
            // The name of a manifest or of a part says it all.
            (_, None) if elsewhere => {}
            ("" | "a key", Some(key)) => place += &format!(", key {key}"),
            (doing, None) => place += &format!(", reading {doing}"),
            (doing, Some(key)) => place += &format!(", reading {doing} of key {key}"),
        }
        if let Some(db) = finding.db {
            place += &format!(" in db {db}");
        }
        place
    }

    /// A finding like one before: only what is its own.
    fn again(&mut self, finding: &Finding, first: &Finding) -> io::Result<()> {
        let Finding { expected, found, .. } = finding;
        let own = match (*expected == first.expected, found.as_str()) {
            (true, "") => String::new(),
            (true, found) if found == first.found => String::new(),
            (true, found) => format!(": found {found}"),
            (false, "") => format!(": expected {expected}"),
            (false, found) => format!(": expected {expected}; found {found}"),
        };
        self.headline(finding, &own)
    }

    fn explanation(&mut self, finding: &Finding) -> io::Result<()> {
        let Finding { expected, found, .. } = finding;
        let indent = self.indent + 4;
        let together = indent + width_of(expected) + width_of(found) + "expected ; found ".len();
        if !expected.is_empty() && !found.is_empty() && together <= self.width {
            let (one, two) = (self.style.dim("expected"), self.style.dim("found"));
            writeln!(self.out, "{:indent$}{one} {expected}; {two} {found}", "")?;
        } else {
            self.line("expected", expected)?;
            self.line("found", found)?;
        }
        self.line("server", &sentence(finding.server))?;
        self.line("advice", &sentence(finding.advice))
    }

    /// A word, and what belongs to it, in lines that begin below each other.
    fn line(&mut self, word: &str, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let indent = self.indent + 4;
        let text = wrap(text, indent + 9, indent + 9, self.width);
        writeln!(self.out, "{:indent$}{} {text}", "", self.style.dim(format!("{word:<8}")))
    }

    /// How many findings are not listed.
    fn unlisted(&mut self, unlisted: Unlisted) -> io::Result<()> {
        let indent = self.indent + 2;
        let more = |n: u64, one: &str| match n {
            0 => None,
            1 => Some(format!("1 more {one}")),
            n => Some(format!("{} more {one}s", count(n))),
        };
        let unlisted = [more(unlisted.errors, "error"), more(unlisted.others, "warning")];
        let unlisted: Vec<String> = unlisted.into_iter().flatten().collect();
        if !unlisted.is_empty() {
            let unlisted = unlisted.join(" and ");
            writeln!(self.out, "{:indent$}… and {unlisted}; --max-findings lists more", "")?;
        }
        Ok(())
    }

    /// What is not listed, and up to where a log is good.
    fn rest(&mut self, file: &FileReport) -> io::Result<()> {
        self.unlisted(file.unlisted)?;
        let indent = self.indent + 2;
        match file.good_up_to {
            Some(offset) if !file.is_sound() => writeln!(
                self.out,
                "{:indent$}{} offset {offset} ({} of the file): whole commands outside a transaction",
                "",
                self.style.bold("good up to"),
                percent(offset, file.size_bytes)
            ),
            _ => Ok(()),
        }
    }
}

/// What was looked at, each fact in one piece.
fn facts(file: &FileReport) -> String {
    let mut facts = vec![file.kind.clone()];
    facts.extend(file.keys.map(|keys| match (file.broken_at, keys) {
        (None, _) => plural(keys, "key"),
        (Some(_), 0) => "breaks off before the first key".to_owned(),
        (Some(_), _) => format!("{} before it breaks off", plural(keys, "key")),
    }));
    facts.extend(file.commands.map(|commands| plural(commands, "command")));
    facts.extend(file.transactions.filter(|n| *n > 0).map(|n| plural(n, "transaction")));
    facts.push(size(file.size_bytes));
    // Which one it is, where it matches, the eye has no use for.
    let checksum = |text: &String| match text.ends_with(" matches") {
        true => "checksum ok".to_owned(),
        false => format!("checksum {text}"),
    };
    facts.extend(file.checksum.as_ref().map(checksum));
    let depth = match &file.checksum {
        Some(_) => file.depth.trim_end_matches(" and checksum"),
        None => file.depth,
    };
    match (file.broken_at, file.keys.unwrap_or(0)) {
        (None, _) => facts.push(format!("{depth} checked")),
        (Some(_), 0) => {}
        (Some(_), _) => facts.push(format!("{depth} before that checked")),
    }
    facts.iter().map(|fact| glued(fact)).collect::<Vec<_>>().join(", ")
}

/// A file as seen from the directory, or from the manifest beside it, that the source names.
fn below(root: &str, file: &str) -> String {
    let (path, root) = (path_of(file), path_of(root));
    let rest = path.strip_prefix(&root).ok().filter(|rest| !rest.as_os_str().is_empty());
    let rest = rest.or_else(|| path.strip_prefix(root.parent()?).ok());
    rest.unwrap_or(&path).shown().to_string()
}

/// The words begin large and end in a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}

fn width_of(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_do_is_told_once_for_each_explanation() {
        let mut thrice = finding("dup", 25);
        thrice.found = "thrice".to_owned();
        let mut other = finding("dup", 30);
        other.server = "another story";
        screen(
            vec![finding("dup", 10), finding("dup", 20), thrice, other],
            "\
f: NOT SOUND, 4 errors (RDB snapshot, 0 B, frames checked)
  ERROR dup at offset 10, key \"k\" in db 0
    expected once; found twice
    server   It stops.
  ERROR dup at offset 20, key \"k\" in db 0
  ERROR dup at offset 25, key \"k\" in db 0: found thrice
  ERROR dup at offset 30, key \"k\" in db 0
    expected once; found twice
    server   Another story.
",
        );
    }

    #[test]
    fn what_is_its_own_is_told_of_a_repeated_finding() {
        let mut other = finding("count", 20);
        other.expected = "two".to_owned();
        other.found = "three".to_owned();
        other.severity = Severity::Warning;
        screen(
            vec![finding("count", 10), other],
            "\
f: NOT SOUND, 1 error, 1 warning (RDB snapshot, 0 B,
    frames checked)
  ERROR count at offset 10, key \"k\" in db 0
    expected once; found twice
    server   It stops.
  warning count at offset 20, key \"k\" in db 0: expected two;
    found three
",
        );
    }

    #[test]
    fn long_sentences_hang_below_their_beginning() {
        let mut long = finding("dup", 10);
        long.expected = "one and only one of them, ".repeat(3).trim_end().to_owned();
        screen(
            vec![long],
            "\
f: NOT SOUND, 1 error (RDB snapshot, 0 B, frames checked)
  ERROR dup at offset 10, key \"k\" in db 0
    expected one and only one of them, one and only one of
             them, one and only one of them,
    found    twice
    server   It stops.
",
        );
    }

    #[test]
    fn parts_are_named_from_their_directory() {
        assert_eq!(below("dir", "dir/a.aof"), "a.aof");
        assert_eq!(below("dir/", "dir/a.aof"), "a.aof");
        assert_eq!(below("dir/a.manifest", "dir/a.aof"), "a.aof");
        assert_eq!(below("a.manifest", "a.aof"), "a.aof");
        assert_eq!(below("/data", "/data/appendonlydir/a.aof"), "appendonlydir/a.aof");
        assert_eq!(below("dir", "other/a.aof"), "other/a.aof");
        assert_eq!(below("dir", "\"dir/a\\n.aof\""), "\"a\\n.aof\"");
        assert_eq!(below("\"a\\n\"", "\"a\\n/b.aof\""), "b.aof");
    }

    #[test]
    fn several_sources_are_summed_up() {
        let sound = SourceReport::default();
        let unseen = SourceReport { could_not_look: Some("no".to_owned()), ..sound.clone() };
        let broken = SourceReport { findings: vec![finding("dup", 1)], ..sound.clone() };
        let sum = |sources: &[SourceReport]| summary(sources, Style::default());
        assert_eq!(sum(&[sound.clone(), sound.clone()]), "2 sources: 2 sound");
        assert_eq!(
            sum(&[sound, broken, unseen]),
            "3 sources: 1 sound, 1 not sound, 1 not looked at"
        );
    }

    #[track_caller]
    fn screen(findings: Vec<Finding>, want: &str) {
        let file = FileReport {
            name: "f".to_owned(),
            kind: "RDB snapshot".to_owned(),
            depth: "frames",
            findings,
            unlisted: Unlisted::default(),
            ..FileReport::default()
        };
        let source =
            SourceReport { name: "f".to_owned(), files: vec![file], ..SourceReport::default() };
        let mut out = Vec::new();
        let report = CheckReport { sources: vec![source] };
        write_text(&mut out, &report, Style::default(), 60).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    fn finding(code: &'static str, offset: u64) -> Finding {
        Finding {
            severity: Severity::Error,
            code,
            file: "f".to_owned(),
            offset: Some(offset),
            db: Some(0),
            key: Some(b"k".to_vec()),
            doing: "a key".to_owned(),
            expected: "once".to_owned(),
            found: "twice".to_owned(),
            server: "it stops",
            advice: "",
        }
    }
}
