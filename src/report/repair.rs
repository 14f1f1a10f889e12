//! What a repair did: what was lost, what was mended, what stays doubtful, file by file.

use std::io::Write;

use serde::Serialize;

use super::json::{self, failed};
use super::text::{Style, agreeing, count, key, plural, size};
use crate::error::Result;

/// How wide a key may be.
const KEY_WIDTH: usize = 60;

/// The report of a repair; as JSON it is `rdbkit.repair/1`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RepairReport {
    /// `rdbkit.repair/1`.
    pub schema: &'static str,
    /// The source as it was named.
    pub source: String,
    /// What it is, in words.
    pub kind: String,
    /// The output; nothing was written in a dry run.
    pub output: Option<String>,
    /// What was done about the files of a directory.
    pub files_notes: Vec<Note>,
    /// The files of the source, in the order in which a server loads them.
    pub files: Vec<FileReport>,
}

/// What became of one file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FileReport {
    /// Its name in the source.
    pub file: String,
    /// What it is, in words.
    pub kind: String,
    /// Its size, uncompressed.
    pub read_bytes: u64,
    /// Its size in the output.
    pub written_bytes: u64,
    /// Keys of its snapshot that were kept.
    pub keys: Option<u64>,
    /// How many keys its snapshot says it has, where it says so.
    pub announced_keys: Option<u64>,
    /// Commands of its log that were kept.
    pub commands: Option<u64>,
    /// Commands that look sound behind the place where the log was cut.
    pub sound_behind: u64,
    /// What is not in the output.
    pub losses: Vec<Note>,
    /// What was put right without a loss.
    pub mended: Vec<Note>,
    /// What was kept although not every server will take it, or something may be wrong with it.
    pub doubts: Vec<Note>,
    /// Losses that are not listed.
    pub unlisted_losses: u64,
    /// What was mended and is not listed.
    pub unlisted_mended: u64,
    /// Doubts that are not listed.
    pub unlisted_doubts: u64,
    /// The bytes that were lost.
    pub lost_bytes: u64,
    /// The keys that are known to be lost.
    pub lost_keys: u64,
    /// The commands that are known to be lost.
    pub lost_commands: u64,
}

/// Something in the source.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Note {
    /// The stable name of what it is about.
    pub code: &'static str,
    /// Where it begins.
    pub offset: Option<u64>,
    /// How many bytes it takes.
    pub bytes: Option<u64>,
    /// The database, where a key is concerned.
    pub db: Option<u64>,
    /// The key, where one is known.
    #[serde(serialize_with = "json::optional_bytes")]
    pub key: Option<Vec<u8>>,
    /// What it is and why.
    pub text: String,
    /// Whether it means a loss.
    #[serde(skip)]
    pub is_loss: bool,
    /// Whether it may mean one.
    #[serde(skip)]
    pub is_doubt: bool,
}

impl RepairReport {
    /// Whether everything that was in the source is in the output.
    pub fn is_lossless(&self) -> bool {
        !self.files_notes.iter().any(|note| note.is_loss || note.is_doubt)
            && self.files.iter().all(|file| file.losses.is_empty() && file.doubts.is_empty())
    }

    /// Whether there was nothing to do.
    pub fn was_sound(&self) -> bool {
        self.files_notes.is_empty()
            && self.is_lossless()
            && self.files.iter().all(|file| file.mended.is_empty())
    }
}

impl FileReport {
    /// Lists a note while there is room, and counts it.
    pub(crate) fn note(&mut self, list: NoteList, note: Note, most: usize) {
        let (list, unlisted) = match list {
            NoteList::Loss => (&mut self.losses, &mut self.unlisted_losses),
            NoteList::Mended => (&mut self.mended, &mut self.unlisted_mended),
            NoteList::Doubt => (&mut self.doubts, &mut self.unlisted_doubts),
        };
        // One of each kind is listed in any case.
        if list.len() < most.max(1) {
            list.push(note);
        } else {
            *unlisted += 1;
        }
    }
}

/// Which list a note belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoteList {
    /// What is not in the output.
    Loss,
    /// What was put right.
    Mended,
    /// What is doubtful.
    Doubt,
}

/// Writes the report as one document.
pub fn write_json(out: &mut dyn Write, report: &RepairReport) -> Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(flatten)]
        report: &'a RepairReport,
        lossless: bool,
        was_sound: bool,
    }
    let (lossless, was_sound) = (report.is_lossless(), report.was_sound());
    json::document(out, &Document { report, lossless, was_sound })
}

/// Writes the report for the eye.
pub fn write_text(out: &mut dyn Write, report: &RepairReport, style: Style) -> Result<()> {
    let mut text = String::new();
    let to = match &report.output {
        Some(output) => format!("{} -> {}", report.source, output),
        None => format!("{} (dry run, nothing was written)", report.source),
    };
    let verdict = match (report.was_sound(), report.is_lossless()) {
        (true, _) => style.good("was sound").to_string(),
        (false, true) => style.good("mended, nothing is lost").to_string(),
        (false, false) => style.bad("not all could be kept").to_string(),
    };
    text += &format!("{}: {verdict} ({})\n", style.bold(to), report.kind);
    for note in &report.files_notes {
        let head = match (note.is_loss, note.is_doubt) {
            (true, _) => style.bad("lost").to_string(),
            (false, true) => style.warn("doubt").to_string(),
            (false, false) => style.warn("files").to_string(),
        };
        text += &format!("  {head}  {}\n", note.text);
    }
    let alone = report.files.len() == 1 && report.files_notes.is_empty();
    for file in &report.files {
        let mut facts = Vec::new();
        let announced =
            file.announced_keys.filter(|&keys| file.keys.is_some_and(|kept| kept != keys));
        facts.extend(file.keys.map(|keys| match announced {
            Some(announced) => format!("{} of {} announced", plural(keys, "key"), count(announced)),
            None => plural(keys, "key"),
        }));
        facts.extend(file.commands.map(|commands| plural(commands, "command")));
        facts.push(format!("{} of {}", size(file.written_bytes), size(file.read_bytes)));
        let name = if alone { String::new() } else { format!("{}, ", file.file) };
        text += &format!("  kept  {name}{}: {}\n", file.kind, facts.join(", "));
        let lists = [
            (style.bad("lost").to_string(), &file.losses, file.unlisted_losses),
            (style.good("mended").to_string(), &file.mended, file.unlisted_mended),
            (style.warn("doubt").to_string(), &file.doubts, file.unlisted_doubts),
        ];
        for (head, notes, unlisted) in lists {
            for note in notes {
                text += &format!("  {head}  {}\n", sentence(note));
            }
            if unlisted > 0 {
                text += &format!("  {head}  and {} more\n", count(unlisted));
            }
        }
        if file.sound_behind > 0 {
            text += &format!(
                "  {}  {} behind the cut {} sound: --skip-damaged keeps {}\n",
                style.warn("advice"),
                plural(file.sound_behind, "command"),
                agreeing(file.sound_behind, "looks", "look"),
                agreeing(file.sound_behind, "it", "them")
            );
        }
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

/// `at offset 93, 26 bytes: key "a" in db 0: …`
fn sentence(note: &Note) -> String {
    let mut text = String::new();
    if let Some(offset) = note.offset {
        text += &format!("at offset {offset}");
        if let Some(bytes) = note.bytes {
            text += &format!(", {}", plural(bytes, "byte"));
        }
        text += ": ";
    }
    if let Some(name) = &note.key {
        text += &format!("key {}", key(name, KEY_WIDTH));
        if let Some(db) = note.db {
            text += &format!(" in db {db}");
        }
        text += ": ";
    }
    text + &note.text
}
