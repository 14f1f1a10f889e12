//! Whose memory keys are estimated for: the server that is asked for, or the one that wrote the
//! source.

use super::snapshot;
use crate::memory::{Allocator, Profile};
use crate::rdb::{Header, Target};
use crate::source::{Form, OpenOptions, Source, open_part};

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
    /// The profile for a source, which has been opened and not been read from.
    pub fn profile(&self, source: &mut Source) -> Profile {
        let server = self.server.or_else(|| writer(source)).unwrap_or_default();
        Profile::new(server, self.allocator)
    }
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
