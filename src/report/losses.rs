//! What an output cannot hold of its source: for the eye, and as JSON.

use serde::Serialize;
use serde::ser::{SerializeSeq as _, Serializer};

use super::json::Bytes;
use super::text::{Style, count};
use crate::bytes::quoted;

/// A kind of loss.
#[derive(Debug, Clone, Serialize)]
pub struct Lost {
    /// A word for it.
    pub code: &'static str,
    /// Whether somebody who asks the target could tell.
    pub grave: bool,
    /// How many keys, or libraries, have it.
    pub count: u64,
    /// What becomes of it.
    #[serde(rename = "what")]
    pub sentence: &'static str,
    /// The first of these keys, with their databases.
    #[serde(serialize_with = "keys")]
    pub keys: Vec<(u64, Vec<u8>)>,
}

/// For `serialize_with`: databases and keys.
fn keys<S: Serializer>(keys: &[(u64, Vec<u8>)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Key<'a> {
        db: u64,
        key: Bytes<'a>,
    }
    let mut seq = serializer.serialize_seq(Some(keys.len()))?;
    for (db, key) in keys {
        seq.serialize_element(&Key { db: *db, key: Bytes(key) })?;
    }
    seq.end()
}

/// Losses as lines of a report.
pub(super) fn losses_text(losses: &[Lost], style: Style) -> String {
    let mut text = String::new();
    for lost in losses {
        let head = if lost.grave {
            style.bad(format!("lost: {}", lost.code)).to_string()
        } else {
            style.dim(format!("left out: {}", lost.code)).to_string()
        };
        text += &format!("  {head} ({}): {}\n", count(lost.count), lost.sentence);
        for (db, key) in &lost.keys {
            text += &format!("    db {db} {}\n", quoted(key));
        }
        let more = lost.count.saturating_sub(lost.keys.len() as u64);
        if more > 0 && !lost.keys.is_empty() {
            text += &format!("    and {} more\n", count(more));
        }
    }
    text
}
