//! Up to where of the stream everything is on disk, for whoever goes on from there.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::report::backup::Replication;
use crate::target::{AtomicFile, Publish};

/// The name of the file beside the manifest. Servers do not look at it.
pub(super) const NAME: &str = "rdbkit-follow.json";
const SCHEMA: &str = "rdbkit.follow-state/1";

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    schema: String,
    /// The server as it was named, without the password.
    pub(super) server: String,
    /// The id and the offset of the stream.
    pub(super) id: String,
    pub(super) offset: u64,
    /// The increment, and how many of its bytes are of the stream up to there.
    pub(super) file: String,
    pub(super) size_bytes: u64,
}

impl State {
    /// The state at the start of an increment, which has so many bytes.
    pub(super) fn new(server: &str, at: &Replication, file: &str, size_bytes: u64) -> Self {
        State {
            schema: SCHEMA.to_owned(),
            server: server.to_owned(),
            id: at.id.clone(),
            offset: at.offset,
            file: file.to_owned(),
            size_bytes,
        }
    }

    /// As it is written.
    pub(super) fn text(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
            .map_err(|error| Error::io("cannot write the state", error.into()))
    }

    /// The state in a directory; `None` where there is none.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(NAME);
        let wrong = |cause| Error::io(format!("cannot read {}", path.shown()), cause);
        let text = match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(wrong)?,
        };
        match serde_json::from_slice::<State>(&text) {
            Ok(state) if state.schema == SCHEMA => Ok(Some(state)),
            _ => Err(Error::Usage(format!(
                "{} does not say where following was left: remove the file to begin with a new \
                 snapshot in an empty directory",
                path.shown()
            ))),
        }
    }

    /// Replaces the state in a directory.
    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let publish = Publish { force: true, ..Publish::default() };
        let mut file = AtomicFile::create(&directory.join(NAME), &publish)?;
        file.put(&self.text()?)?;
        file.commit().map(drop)
    }
}
