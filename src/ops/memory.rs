//! Whose memory keys are estimated for: the server that is asked for, or the one that wrote the
//! source.

use std::collections::HashMap;

use super::snapshot;
use crate::memory::{Allocator, Estimator, Profile};
use crate::rdb::{Header, Record, Snapshot, Target};
use crate::source::{Feed, Form, OpenOptions, Source, open_part};

/// What is known of the server whose memory is estimated.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryOptions {
    /// The server; the one that wrote the source where `None`, or the newest where the source does
    /// not say.
    pub server: Option<Target>,
    /// Its allocator.
    pub allocator: Allocator,
}

impl MemoryOptions {
    /// What estimates the keys of a source, which has been opened and not been read from.
    pub fn estimator(&self, source: &mut Source) -> Estimator {
        let profile = self.profile(source);
        let templates = source.feed.as_ref().and_then(Feed::whole).map(shared_templates);
        Estimator::new(profile).with_templates(templates.unwrap_or_default())
    }

    /// The profile for a source, which has been opened and not been read from.
    pub fn profile(&self, source: &mut Source) -> Profile {
        let server = self.server.or_else(|| writer(source)).unwrap_or_default();
        Profile::new(server, self.allocator)
    }
}

/// How many hashes share each template of a snapshot. Templates stand before all keys: where there
/// are none, nothing else is read. What is broken is met again by those who read the keys.
fn shared_templates(bytes: &[u8]) -> HashMap<u64, u64> {
    let is_template = |record: &Record<'_>| matches!(record, Record::HashTemplate { .. });
    let head = |record: &Record<'_>| !matches!(record, Record::Entry(_));
    let records = || Snapshot::new(bytes).ok().into_iter().flat_map(|s| s.records());
    let mut before = records().map_while(Result::ok).take_while(head);
    let mut hashes = HashMap::new();
    if !before.any(|record| is_template(&record)) {
        return hashes;
    }
    for record in records().map_while(Result::ok) {
        if let Record::Entry(entry) = record
            && let Some(template) = entry.template()
        {
            *hashes.entry(template.id).or_default() += 1;
        }
    }
    hashes
}

/// The server that wrote a snapshot, or the base of a log, as its first fields say, or else its
/// version.
fn writer(source: &mut Source) -> Option<Target> {
    if source.directory().is_some() {
        let log = crate::ops::run::survey(source).ok()?;
        let base = log.parts.first()?;
        return writer(&mut open_part(&base.path, &OpenOptions::default()).ok()?);
    }
    if source.form != Form::Rdb {
        return None;
    }
    let head = snapshot::head(source.feed.as_mut()?);
    let (_, header) = Header::parse(head).ok()?;
    let named = snapshot::fields(head)
        .find_map(|(name, value)| Profile::writer(&name.to_cow().ok()?, &value.to_cow().ok()?));
    Some(named.unwrap_or_else(|| Target::of_header(header)))
}
