//! Before a log is sent: what cannot be asked for, which files it has, and what it is called.

use std::path::PathBuf;

use super::read::Nothing;
use crate::bytes::{Input as _, crc64};
use crate::error::{Error, Result};
use crate::ops::load::{LoadOptions, OnExisting, Verify};
use crate::ops::rewrite::{OnUnknown, Rules};
use crate::ops::run;
use crate::ops::walk::{Checksum, Silent, WalkOptions, Walked, walk};
use crate::report::load::LoadReport;
use crate::source::{Form, Source, open_part};

/// Bytes at the start of a log that tell it from others; it may grow at its end.
const HEAD_BYTES: usize = 4096;

/// Commands are sent as they stand, all of them; what is about keys has nothing to say of them.
pub(super) fn refuse(options: &LoadOptions) -> Result<()> {
    let verify = options.verify.unwrap_or(Verify::None);
    let why = if options.runs_as.is_some() {
        "runs nothing here, so there is no server to be played (--target)"
    } else if options.ttl_shift_ms != 0 {
        "leaves commands as they are, so times are not shifted: --ttl-shift is for keys"
    } else if options.on_existing != OnExisting::Replace {
        "does to keys what the commands do: --on-existing is for keys that are sent whole"
    } else if options.drop_expired {
        "sends all commands, whatever becomes of their keys: --drop-expired is for keys"
    } else if verify != Verify::None {
        "has no keys to compare: --verify is for keys; `rdbkit diff` compares a log with a server"
    } else {
        return Ok(());
    };
    Err(Error::Usage(format!("--as log {why}")))
}

/// What becomes of each command.
pub(super) fn rules(options: &LoadOptions) -> Rules {
    Rules {
        filter: options.filter.clone(),
        rename: options.rename.clone(),
        map_db: options.map_db.clone(),
        other_dbs: options.database.map(u64::from),
        on_unknown: match options.walk.skip_unknown {
            true => OnUnknown::Drop,
            false => OnUnknown::Stop,
        },
        ..Rules::default()
    }
}

/// Whether the snapshot in front of a log is whole. For one that is not, no target is emptied.
pub(super) fn look_ahead(paths: &[PathBuf], options: &LoadOptions) -> Result<()> {
    let Some(first) = paths.first() else { return Ok(()) };
    let Source { form, feed, name, .. } = open_part(first, &options.open)?;
    let (Form::Rdb, Some(mut feed)) = (form, feed) else { return Ok(()) };
    let whole = feed.is_seekable();
    let walk_options = WalkOptions { checksum: true, tally: false, ..options.walk };
    let walked = walk(&mut feed, whole, &|| Nothing, &mut Nothing, &walk_options, &Silent)
        .and_then(Walked::complete)
        .map_err(|error| error.in_file(&name))?;
    not_emptied(match walked.checksum {
        Checksum::Mismatch { stored, computed } => Some(format!(
            "{name}: the checksum is {stored:016x} but the bytes have {computed:016x}"
        )),
        _ => None,
    })
}

/// Refuses to empty the target, where there is a reason.
pub(super) fn not_emptied(why: Option<String>) -> Result<()> {
    match why {
        Some(why) => {
            Err(Error::Source(format!("{why}; nothing was sent, and the target was not emptied")))
        }
        None => Ok(()),
    }
}

pub(in crate::ops::load) fn note_dropped(report: &mut LoadReport, dropped: Option<(String, u64)>) {
    if let Some((file, at)) = dropped {
        report.notes.push(format!(
            "{file} ends in a command that is cut or a transaction without its EXEC: what stands \
             from offset {at} on was not sent"
        ));
    }
}

/// The files of a log.
pub(in crate::ops::load) fn parts(source: &Source) -> Result<Vec<PathBuf>> {
    let Some(path) = &source.path else {
        return Err(Error::Usage(
            "--as log reads a log from a file, so that it can go on where it stopped".into(),
        ));
    };
    let directory = match source.form {
        Form::AofDir | Form::Manifest => run::survey(source)?,
        Form::Aof | Form::Rdb => return Ok(vec![path.clone()]),
        Form::Dump | Form::Empty | Form::Ndjson => {
            return Err(Error::Usage(format!("{} is no log", source.name)));
        }
    };
    Ok(directory.parts.into_iter().map(|part| part.path).collect())
}

/// The name of this load: the same for the same log with the same wishes, though it has grown.
pub(super) fn session(paths: &[PathBuf], options: &LoadOptions) -> Result<String> {
    let Some(first) = paths.first() else {
        return Err(Error::Usage("the log has no parts".into()));
    };
    let mut source = open_part(first, &options.open)?;
    let Some(feed) = &mut source.feed else {
        return Err(Error::Usage(format!("{} is no file", source.name)));
    };
    while feed.buffer().len() < HEAD_BYTES && feed.more()? {}
    let head = feed.buffer().get(..HEAD_BYTES).unwrap_or(feed.buffer());
    let crc = crc64::update(crc64::update(0, head), options.settings.as_bytes());
    Ok(format!("log-{crc:016x}"))
}
