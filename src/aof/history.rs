//! Lines of a manifest that say history and cannot mean it.
//!
//! A rewrite makes history of the base and of all increments but the last, if there is one that is
//! written to (Redis 7.0 to 8.10, Valkey: `markRewrittenIncrAofAsHistory`). So an increment that is
//! history is older than one that is loaded; and where none is loaded, because the server rewrote with
//! appendonly no, the old base is history too, or there was none.
//!
//! The danger is the other way round: what is history in truth is in the base already, and would be
//! done twice. A line is doubted only where no server leaves it so.

use super::directory::part_name;
use super::manifest::{Entry, Manifest, PartType};

/// The increments, and the base where none is listed, that a manifest has as history although no
/// server could.
pub(crate) fn not_history(manifest: &Manifest) -> Vec<&Entry> {
    let of = |wanted: PartType| {
        manifest.history().filter(
            move |entry| matches!(part_name(&entry.name), Some((_, _, part)) if part == wanted),
        )
    };
    let newest = manifest.loaded().filter(|e| e.part_type == PartType::Incr).map(|e| e.seq).max();
    let has_base = manifest.loaded().any(|entry| entry.part_type == PartType::Base);
    let (bases, increments) = (of(PartType::Base).count(), of(PartType::Incr).count());
    match newest {
        // A base is replaced, never only put away.
        _ if !has_base && bases == 1 && increments == 0 => of(PartType::Base).collect(),
        Some(newest) => of(PartType::Incr).filter(|entry| entry.seq > newest).collect(),
        None if has_base && bases == 0 => of(PartType::Incr).collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::not_history;
    use crate::aof::Manifest;

    #[test]
    fn only_what_no_server_leaves_is_doubted() {
        check("b1 i1 i2", "");
        check("b2 bh1 ih1 i2", "");
        check("b2 bh1 ih1 ih2 i3", "");
        // A rewrite with appendonly no.
        check("b2 bh1 ih1 ih2", "");
        check("b1 i1 ih2", "2");
        check("b2 bh1 ih1 i2 ih3", "3");
        check("b1 ih1", "1");
        check("bh1 i1 i2", "1");
        check("bh1 ih1 i2", "");
    }

    /// The manifest of `b` base, `i` increment, `h` history; the numbers of those that are doubted.
    #[track_caller]
    fn check(lines: &str, want: &str) {
        let mut text = String::new();
        for line in lines.split(' ') {
            let (letters, seq) = line.split_at(line.len() - 1);
            let kind = if letters.starts_with('b') { "base.rdb" } else { "incr.aof" };
            let part_type = &letters[letters.len() - 1..];
            text += &format!("file a.aof.{seq}.{kind} seq {seq} type {part_type}\n");
        }
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let got: Vec<String> =
            not_history(&manifest).iter().map(|entry| entry.seq.to_string()).collect();
        assert_eq!(got.join(" "), want, "{lines}");
    }
}
