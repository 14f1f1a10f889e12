//! What a log did to keys: a line for each event under the name of its file, or a JSON line.
//!
//! As JSON, an event is `{"schema":"rdbkit.history/1","file":…,"offset":…,"number":…,
//! "time_secs":…,"transaction":…,"db":…,"key":…,"effect":…,"command":…,"was":…,"error":…,
//! "before":…,"after":…}`. Where a key goes elsewhere or comes from there, and with values always,
//! `"arguments"` has what stands behind the command's name; with values, `"value"` in `"after"` is
//! the object that `get` writes.

use std::io::Write;

use jiff::Timestamp;

use super::json::{failed, push_bytes};
use super::text::{self, Style, expiry, plural, size};
use crate::bytes::quoted;
use crate::error::Result;

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It came out of the snapshot that the log begins with.
    Loaded,
    /// It was not there before.
    Created,
    /// It was there before and is now. (A command may have found nothing to change.)
    Changed,
    /// It is gone.
    Deleted,
    /// It is gone, and had expired by then: this is how a primary writes that down.
    DeletedExpired,
    /// It is gone from here, having got another name or another database.
    MovedAway,
    /// It came here from another name or another database.
    MovedHere,
    /// It is a copy of another.
    Copied,
    /// It was copied, and is what it was.
    CopiedTo,
    /// The command made another key of it, and it is what it was.
    Read,
    /// The command found no such key, or refused to do anything.
    Nothing,
    /// The command failed.
    Failed,
    /// It is still in the log and has expired by now: whoever loads the log drops it.
    Expired,
}

impl Effect {
    /// Whether the key is not there any more.
    pub fn is_gone(self) -> bool {
        matches!(self, Effect::Deleted | Effect::DeletedExpired | Effect::MovedAway)
    }

    /// Whether the command's arguments say where the key went, or came from.
    fn is_move(self) -> bool {
        matches!(self, Effect::MovedAway | Effect::MovedHere | Effect::Copied | Effect::CopiedTo)
    }

    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Loaded => "loaded",
            Effect::Created => "created",
            Effect::Changed => "changed",
            Effect::Deleted => "deleted",
            Effect::DeletedExpired => "deleted-expired",
            Effect::MovedAway => "moved-away",
            Effect::MovedHere => "moved-here",
            Effect::Copied => "copied",
            Effect::CopiedTo => "copied-to",
            Effect::Read => "read",
            Effect::Nothing => "nothing",
            Effect::Failed => "failed",
            Effect::Expired => "expired",
        }
    }

    fn sign(self) -> char {
        match self {
            Effect::Loaded => '=',
            Effect::Created | Effect::MovedHere | Effect::Copied => '+',
            Effect::Changed => '~',
            Effect::Deleted | Effect::DeletedExpired | Effect::MovedAway | Effect::Expired => '-',
            Effect::Nothing | Effect::CopiedTo | Effect::Read => ' ',
            Effect::Failed => '!',
        }
    }
}

/// What a key held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// As TYPE names it.
    pub kind: &'static str,
    /// Its elements; of a string 1.
    pub elements: u64,
    /// Of a string, its bytes.
    pub size_bytes: Option<u64>,
    /// When it expires, unix time in milliseconds.
    pub expires_at_ms: Option<i64>,
    /// Where values are wanted: the value for the eye, as `get` shows it.
    pub text: Vec<u8>,
    /// Where values are wanted: the value as `get` writes it as JSON.
    pub json: Vec<u8>,
}

/// What a command did to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The file.
    pub file: String,
    /// Where the command begins in it; `None` where there is no command.
    pub offset: Option<u64>,
    /// Its place in the order of the log.
    pub number: u64,
    /// What the last annotation before it says, unix time in seconds.
    pub time_secs: Option<u64>,
    /// Where the MULTI of its transaction begins.
    pub multi: Option<u64>,
    /// The database.
    pub db: u64,
    /// The key.
    pub key: Vec<u8>,
    /// The command's name and arguments.
    pub args: Vec<Vec<u8>>,
    /// What became of the key.
    pub effect: Effect,
    /// Why the command failed.
    pub failed: Option<String>,
    /// The key that was asked for, where this is what it is called since.
    pub was: Option<(u64, Vec<u8>)>,
    /// What it held before.
    pub before: Option<State>,
    /// What it held after.
    pub after: Option<State>,
}

impl Event {
    /// The name of the command; empty where there is none.
    pub fn command(&self) -> &[u8] {
        self.args.first().map(Vec::as_slice).unwrap_or_default()
    }
}

/// Writes events for the eye.
#[derive(Debug)]
pub struct HistoryWriter {
    style: Style,
    width: usize,
    now_ms: i64,
    file: Option<String>,
}

impl HistoryWriter {
    /// Before the first event; lines may have so many columns.
    pub fn new(style: Style, width: usize, now_ms: i64) -> Self {
        HistoryWriter { style, width, now_ms, file: None }
    }

    /// Writes an event; of another file than the one before, under its name.
    pub fn event(&mut self, out: &mut dyn Write, event: &Event) -> Result<()> {
        self.write(out, event).map_err(failed)
    }

    fn write(&mut self, out: &mut dyn Write, event: &Event) -> std::io::Result<()> {
        let style = self.style;
        if self.file.as_ref() != Some(&event.file) {
            if self.file.is_some() {
                writeln!(out)?;
            }
            writeln!(out, "{}", style.bold(&event.file))?;
            self.file = Some(event.file.clone());
        }
        let time = match event.time_secs {
            Some(secs) => when(secs),
            None => "-".to_owned(),
        };
        let offset = event.offset.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let sign = event.effect.sign();
        let sign = match sign {
            '+' => style.good(sign).to_string(),
            '-' | '!' => style.bad(sign).to_string(),
            '~' => style.warn(sign).to_string(),
            _ => sign.to_string(),
        };
        let key = format!("db{} {}", event.db, text::key(&event.key, 40));
        let command = match event.effect {
            Effect::Loaded => "(in the snapshot)".to_owned(),
            Effect::Expired => "(expired since)".to_owned(),
            _ => self.command(event),
        };
        let told = told(event, self.now_ms);
        writeln!(
            out,
            "{sign} {:<19} {offset:>10}  {}  {}  {}",
            style.dim(format_args!("{time:<19}")),
            style.bold(key),
            told,
            style.dim(command),
        )?;
        if let Some(after) = &event.after {
            // The first line says what the line above has said already.
            let text = String::from_utf8_lossy(&after.text);
            for line in text.lines().skip(1) {
                writeln!(out, "      {line}")?;
            }
        }
        Ok(())
    }

    fn command(&self, event: &Event) -> String {
        let room = self.width.saturating_sub(70).max(40);
        let mut words = String::new();
        for (index, arg) in event.args.iter().enumerate() {
            if index == 0 {
                words += &String::from_utf8_lossy(arg).to_uppercase();
                continue;
            }
            if words.chars().count() > room {
                words += " …";
                break;
            }
            words.push(' ');
            words += &text::key(arg, 24);
        }
        if let Some(at) = event.multi {
            words += &format!(" (transaction at {at})");
        }
        words
    }
}

/// What became of the key, and what it is now.
fn told(event: &Event, now_ms: i64) -> String {
    let was = match &event.was {
        Some((db, key)) => format!(" (was db{db} {})", text::key(key, 40)),
        None => String::new(),
    };
    let state = event.after.as_ref().map(|state| is_now(state, now_ms)).unwrap_or_default();
    let args = |at: usize| text::key(event.args.get(at).map(Vec::as_slice).unwrap_or(b""), 40);
    let is = |word: &str| event.command().eq_ignore_ascii_case(word.as_bytes());
    let words = match event.effect {
        Effect::Loaded | Effect::Created | Effect::Changed => state,
        Effect::Deleted => "deleted".to_owned(),
        Effect::DeletedExpired => "deleted, having expired".to_owned(),
        Effect::MovedAway if is("MOVE") => format!("moved to database {}", args(2)),
        Effect::MovedAway if is("SWAPDB") => "swapped into the other database".to_owned(),
        Effect::MovedAway => format!("renamed to {}", args(2)),
        Effect::MovedHere if is("SWAPDB") => format!("{state}, swapped here"),
        Effect::MovedHere if is("MOVE") => format!("{state}, moved here"),
        Effect::MovedHere => format!("{state}, renamed from {}", args(1)),
        Effect::Copied => format!("{state}, a copy of {}", args(1)),
        Effect::CopiedTo => format!("{state}, copied to {}", args(2)),
        Effect::Read => format!("{state}, read only"),
        Effect::Nothing if event.after.is_some() => format!("{state}, left alone"),
        Effect::Nothing => "not there".to_owned(),
        Effect::Failed => format!("failed: {}", event.failed.as_deref().unwrap_or_default()),
        Effect::Expired => match event.before.as_ref().and_then(|state| state.expires_at_ms) {
            Some(at_ms) => format!("expired {}", text::instant(at_ms)),
            None => "expired".to_owned(),
        },
    };
    let over = match (event.effect, &event.before) {
        (Effect::MovedHere, Some(old)) if !is("SWAPDB") => {
            format!(", overwriting {}", is_now(old, now_ms))
        }
        (Effect::Copied, Some(old)) => format!(", overwriting {}", is_now(old, now_ms)),
        _ => String::new(),
    };
    words + &over + &was
}

/// `hash, 2 fields, expires in 3h`.
fn is_now(state: &State, now_ms: i64) -> String {
    let unit = match state.kind {
        "hash" => "field",
        "set" | "zset" => "member",
        "stream" => "entry",
        _ => "element",
    };
    let mut words = match (state.size_bytes, state.kind) {
        (Some(bytes), kind) => format!("{kind}, {}", size(bytes)),
        (None, kind @ ("module" | "string")) => kind.to_owned(),
        (None, kind) => format!("{kind}, {}", plural(state.elements, unit)),
    };
    if let Some(at_ms) = state.expires_at_ms {
        let verb = if at_ms > now_ms { "expires" } else { "expired" };
        words += &format!(", {verb} {}", expiry(at_ms, now_ms));
    }
    words
}

/// A second, in UTC: `2026-11-23 14:00:05`.
fn when(secs: u64) -> String {
    let at = i64::try_from(secs).ok().and_then(|secs| Timestamp::from_second(secs).ok());
    at.map_or_else(|| secs.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Appends an event as a JSON line.
pub fn push_json(out: &mut Vec<u8>, event: &Event, values: bool) {
    let number = |n: Option<u64>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
    out.extend_from_slice(b"{\"schema\":\"rdbkit.history/1\",\"file\":");
    push_bytes(out, event.file.as_bytes());
    let (offset, secs, multi) =
        (number(event.offset), number(event.time_secs), number(event.multi));
    let head = format!(
        ",\"offset\":{offset},\"number\":{},\"time_secs\":{secs},\"transaction\":{multi},\
         \"db\":{},\"key\":",
        event.number, event.db
    );
    out.extend_from_slice(head.as_bytes());
    push_bytes(out, &event.key);
    out.extend_from_slice(
        format!(",\"effect\":\"{}\",\"command\":", event.effect.name()).as_bytes(),
    );
    match event.args.split_first() {
        None => out.extend_from_slice(b"null"),
        Some((name, args)) => {
            push_bytes(out, &name.to_ascii_uppercase());
            if values || event.effect.is_move() {
                out.extend_from_slice(b",\"arguments\":[");
                for (index, arg) in args.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    push_bytes(out, arg);
                }
                out.push(b']');
            }
        }
    }
    if let Some((db, key)) = &event.was {
        out.extend_from_slice(format!(",\"was\":{{\"db\":{db},\"key\":").as_bytes());
        push_bytes(out, key);
        out.push(b'}');
    }
    if let Some(error) = &event.failed {
        out.extend_from_slice(b",\"error\":");
        push_bytes(out, error.as_bytes());
    }
    for (name, state) in [("before", &event.before), ("after", &event.after)] {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        match state {
            None => out.extend_from_slice(b"null"),
            Some(state) => {
                let expires = state.expires_at_ms.map_or("null".to_owned(), |at| at.to_string());
                let text = format!(
                    "{{\"type\":\"{}\",\"elements\":{},\"size_bytes\":{},\"expires_at_ms\":{expires}",
                    state.kind,
                    state.elements,
                    number(state.size_bytes)
                );
                out.extend_from_slice(text.as_bytes());
                let json = state.json.trim_ascii();
                if !json.is_empty() {
                    out.extend_from_slice(b",\"value\":");
                    out.extend_from_slice(json);
                }
                out.push(b'}');
            }
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Writes what it came to.
pub fn write_end(
    out: &mut dyn Write,
    style: Style,
    events: u64,
    keys: u64,
    commands: u64,
) -> Result<()> {
    let told = format!(
        "{} of {} in {}",
        plural(events, "event"),
        plural(keys, "key"),
        plural(commands, "command")
    );
    writeln!(out, "\n{}", style.dim(told)).map_err(failed)
}

/// The sentence for keys that nothing is known of, or of which none is `deleted`; `filtered` says
/// whether others than these were left out.
pub fn nothing_known(
    name: &str,
    patterns: &[Vec<u8>],
    filtered: bool,
    commands: u64,
    deleted: bool,
) -> String {
    let keys: Vec<_> = patterns.iter().map(|key| quoted(key).to_string()).collect();
    let keys = if keys.is_empty() { "a key".to_owned() } else { keys.join(", ") };
    let keys = if filtered { format!("{keys} that passes the filters") } else { keys };
    let commands = plural(commands, "command");
    match deleted {
        true => format!("{name}: none of its {commands} removed {keys} for good"),
        false => format!("{name}: none of its {commands} is about {keys}"),
    }
}
