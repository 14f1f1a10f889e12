//! What a source is read from, which no output may replace.

use std::path::PathBuf;

use crate::aof;
use crate::source::{Form, Source};

/// All that a source is read from: what was named, and of a log of several files the manifest and
/// the parts. Standard input is `/dev/stdin`; a live server has none.
///
/// ```
/// use rdbkit::ops::sources_of;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = open(&"fixtures/redis-8.10.2-day-aofdir".into(), &OpenOptions::default())?;
/// // The directory, its manifest, a base and an increment.
/// assert_eq!(sources_of(&log).len(), 4);
/// # Ok(())
/// # }
/// ```
pub fn sources_of(source: &Source) -> Vec<PathBuf> {
    let Some(path) = &source.path else {
        let is_stdin = source.name == "-";
        return is_stdin.then(|| PathBuf::from("/dev/stdin")).into_iter().collect();
    };
    let log = match source.form {
        Form::AofDir => aof::survey(path).ok(),
        Form::Manifest => aof::survey_manifest(path).ok(),
        _ => None,
    };
    let mut sources = vec![path.clone()];
    if let Some(log) = log {
        sources.extend(log.manifest);
        sources.extend(log.parts.into_iter().chain(log.history).map(|part| part.path));
    }
    sources
}

/// The manifest of the log that a source is only one part of, where the others hold something.
pub(super) fn log_of_part(source: &Source) -> Option<PathBuf> {
    let path = source.path.as_deref().filter(|_| matches!(source.form, Form::Aof | Form::Rdb))?;
    aof::membership(path).filter(|part| !part.is_all).map(|part| part.manifest)
}
