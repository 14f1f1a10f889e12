//! The state file of a load: how far it has come, of which source, into which target.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::servers::ThrownBy;
use crate::bytes::{PathName as _, crc64};
use crate::error::{Error, Result};
use crate::ops::sources_of;
use crate::source::Source;
use crate::target::{AtomicFile, Publish};

const SCHEMA: &str = "rdbkit.replay-state/1";
/// Bytes at each end of a source that tell it from others.
const ENDS: u64 = 64 << 10;

/// Where the state of a load is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StatePlace {
    /// Beside the source, if it is a file.
    #[default]
    Beside,
    /// In this file.
    File(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl StatePlace {
    /// Fails where the state would replace what is read. A load looks itself; who asks before
    /// reaches no server in vain.
    pub fn check(&self, source: &Source) -> Result<()> {
        match self {
            StatePlace::File(path) => {
                let sources = sources_of(source);
                Publish { force: true, sources, ..Publish::default() }.check(path)
            }
            // Its name is longer than that of the source.
            StatePlace::Beside | StatePlace::Nowhere => Ok(()),
        }
    }
}

/// What tells a source from another one: its size, and its first and last bytes. A snapshot's last
/// bytes are the checksum of all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    size_bytes: u64,
    ends: String,
}

impl Identity {
    /// Of the parts of a log as they lie there.
    pub(super) fn of_all(paths: &[PathBuf]) -> Result<Self> {
        let (mut size_bytes, mut crc) = (0, 0);
        for path in paths {
            let part = Identity::of(path)?;
            size_bytes += part.size_bytes;
            crc = crc64::update(crc, part.ends.as_bytes());
            crc = crc64::update(crc, &part.size_bytes.to_le_bytes());
        }
        Ok(Identity { size_bytes, ends: format!("{crc:016x}") })
    }

    /// Of a file as it lies there, compressed or not.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let read = || -> io::Result<Self> {
            let mut file = File::open(path)?;
            let size_bytes = file.metadata()?.len();
            let mut bytes = Vec::new();
            (&file).take(ENDS).read_to_end(&mut bytes)?;
            let crc = crc64::update(0, &bytes);
            file.seek(SeekFrom::Start(size_bytes.saturating_sub(ENDS)))?;
            bytes.clear();
            (&file).take(ENDS).read_to_end(&mut bytes)?;
            let ends = format!("{crc:016x}{:016x}", crc64::update(0, &bytes));
            Ok(Identity { size_bytes, ends })
        };
        read().map_err(|cause| Error::io(format!("cannot read {}", path.shown()), cause))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Content {
    schema: String,
    source: Identity,
    target: String,
    wishes: String,
    session: String,
    offset: u64,
    keys: u64,
    /// The time of the first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now_ms: Option<i64>,
    /// What the target has thrown out so far.
    #[serde(default, skip_serializing_if = "ThrownBy::is_empty")]
    evicted: ThrownBy,
}

/// What a state file says.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) session: String,
    pub(super) offset: u64,
    pub(super) keys: u64,
    /// The time of the first attempt.
    pub(super) now_ms: Option<i64>,
    /// What the target has thrown out until then.
    pub(super) evicted: ThrownBy,
    /// The source had another size or content then.
    pub(super) is_of_another: bool,
}

impl Found {
    /// Why it is not gone on with.
    pub(super) fn refused(&self, why: &str) -> Error {
        refused(&self.path, why)
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::Usage(format!(
        "{} belongs to another replay: {why}; --restart begins anew, --state FILE keeps the two \
         apart",
        path.shown()
    ))
}

/// The state file of this load, if it has one.
#[derive(Debug, Default)]
pub(super) struct StateFile {
    path: Option<PathBuf>,
    content: Option<Content>,
}

impl StateFile {
    /// For a load of this source into this target; nothing is read yet.
    pub(super) fn new(
        place: &StatePlace,
        source: Option<&Path>,
        identity: Option<Identity>,
        target: &str,
        wishes: &str,
    ) -> Self {
        let path = match (place, source) {
            (StatePlace::Nowhere, _) | (StatePlace::Beside, None) => None,
            (StatePlace::File(path), _) => Some(path.clone()),
            (StatePlace::Beside, Some(source)) => {
                let mut name = source.file_name().unwrap_or_default().to_owned();
                name.push(".rdbkit-replay");
                Some(source.with_file_name(name))
            }
        };
        let content = identity.map(|source| Content {
            schema: SCHEMA.to_owned(),
            source,
            target: target.to_owned(),
            wishes: format!("{:016x}", crc64::update(0, wishes.as_bytes())),
            session: String::new(),
            offset: 0,
            keys: 0,
            now_ms: None,
            evicted: ThrownBy::default(),
        });
        StateFile { path: path.filter(|_| content.is_some()), content }
    }

    /// What an earlier load left; refuses one that was another load of this source.
    pub(super) fn load(&mut self) -> Result<Option<Found>> {
        let (Some(path), Some(content)) = (&self.path, &self.content) else { return Ok(None) };
        let shown = path.shown();
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::io(format!("cannot read {shown}"), cause)),
        };
        let refuse = |why: &str| Err(refused(path, why));
        let Ok(found) = serde_json::from_slice::<Content>(&bytes) else {
            return refuse("it is no state of a replay that can be read");
        };
        if found.schema != SCHEMA {
            return refuse("another version of rdbkit wrote it");
        }
        if found.target != content.target {
            return refuse(&format!("its target was {}", found.target));
        }
        if found.wishes != content.wishes {
            return refuse("it had other filters or policies");
        }
        let is_of_another = found.source != content.source;
        let Content { session, offset, keys, now_ms, evicted, .. } = found;
        let path = path.clone();
        Ok(Some(Found { path, session, offset, keys, now_ms, evicted, is_of_another }))
    }

    /// Notes the time at which keys are what they are.
    pub(super) fn keep_time(&mut self, now_ms: i64) {
        if let Some(content) = &mut self.content {
            content.now_ms = Some(now_ms);
        }
    }

    /// Writes how far the load has come, as a whole or not at all.
    pub(super) fn save(
        &mut self,
        session: &str,
        (offset, keys): (u64, u64),
        evicted: ThrownBy,
    ) -> Result<()> {
        let (Some(path), Some(content)) = (&self.path, &mut self.content) else { return Ok(()) };
        session.clone_into(&mut content.session);
        (content.offset, content.keys, content.evicted) = (offset, keys, evicted);
        let text = serde_json::to_vec_pretty(content)
            .map_err(|error| Error::io("cannot write the state", io::Error::other(error)))?;
        let publish = Publish { force: true, ..Publish::default() };
        let mut file = AtomicFile::create(path, &publish)?;
        file.put(&text)?;
        file.put(b"\n")?;
        file.commit().map(drop)
    }

    /// Where it is.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The load is done.
    pub(super) fn remove(&self) {
        if let Some(path) = &self.path {
            // One that was never written is gone as well.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_belongs_to_one_load() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("dump.rdb");
        fs::write(&source, "one").unwrap();
        let state = |target: &str, wishes: &str| {
            let identity = Identity::of(&source).unwrap();
            StateFile::new(&StatePlace::Beside, Some(&source), Some(identity), target, wishes)
        };
        let mut first = state("redis://a", "x");
        assert!(first.load().unwrap().is_none());
        first.save("s", (17, 3), ThrownBy::default()).unwrap();
        let found = state("redis://a", "x").load().unwrap().unwrap();
        assert_eq!((found.session.as_str(), found.offset, found.keys), ("s", 17, 3));
        assert!(state("redis://b", "x").load().is_err());
        assert!(state("redis://a", "y").load().is_err());
        fs::write(&source, "two").unwrap();
        let found = state("redis://a", "x").load().unwrap().unwrap();
        assert!(found.is_of_another && found.refused("why").to_string().contains("--restart"));
        first.remove();
        assert!(state("redis://a", "x").load().unwrap().is_none());
    }
    #[test]
    fn a_state_knows_what_was_thrown_out() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("dump.rdb");
        fs::write(&source, "one").unwrap();
        let identity = Identity::of(&source).unwrap();
        let mut state =
            StateFile::new(&StatePlace::Beside, Some(&source), Some(identity), "redis://a", "x");
        let path = state.path().unwrap().to_owned();
        // One of before says nothing of it.
        state.save("s", (17, 3), ThrownBy::default()).unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("evicted"));
        assert!(state.load().unwrap().unwrap().evicted.is_empty());
        let text = r#"{"b1ad": {"counter": 9, "keys": 4}}"#;
        let evicted: ThrownBy = serde_json::from_str(text).unwrap();
        state.save("s", (17, 3), evicted.clone()).unwrap();
        assert_eq!(state.load().unwrap().unwrap().evicted, evicted);
    }
}
