//! `--metrics FILE`: figures for the textfile collector of Prometheus, written as a whole.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use rdbkit::Error;
use rdbkit::ops::sources_of;
use rdbkit::report::metrics::Metrics;
use rdbkit::source::Source;
use rdbkit::target::{AtomicFile, Publish};

#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// Write figures for the textfile collector of Prometheus to this file, replacing it
    #[arg(long, value_name = "FILE", help_heading = "Output options")]
    metrics: Option<OsString>,
}

impl MetricsArgs {
    /// Refuses to write them over what is read, before anything is.
    pub(crate) fn judge(&self, source: &Source) -> Result<(), Error> {
        let Some(path) = &self.metrics else { return Ok(()) };
        let publish = Publish { force: true, sources: sources_of(source), ..Publish::default() };
        publish.check(Path::new(path))
    }

    /// Writes the figures of what failed, if they are asked for, so that none of an earlier run go on
    /// saying that all is well. As it may have failed before [`judge`](Self::judge) was asked, nothing
    /// but such figures is replaced. What could not be written here is less than what failed.
    pub(crate) fn write_failure(&self, verb: &str, make: impl FnOnce() -> Metrics) {
        if self.metrics.as_ref().is_some_and(|path| is_figures(Path::new(path))) {
            let _ = self.write(verb, make);
        }
    }

    /// Writes the figures, if they are asked for.
    pub(crate) fn write(&self, verb: &str, make: impl FnOnce() -> Metrics) -> Result<(), Error> {
        let Some(path) = &self.metrics else { return Ok(()) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut metrics = make();
        metrics.at(verb, since.as_secs_f64().floor());
        let publish = Publish { force: true, ..Publish::default() };
        let mut file = AtomicFile::create(Path::new(path), &publish)?;
        file.put(metrics.text().as_bytes())?;
        file.commit().map(drop)
    }
}

/// Whether a file has figures of ours in it, or is not there.
fn is_figures(path: &Path) -> bool {
    const BEGIN: &[u8] = b"# HELP rdbkit_";
    let mut begin = Vec::with_capacity(BEGIN.len());
    match File::open(path) {
        Ok(file) if file.metadata().is_ok_and(|about| about.is_file()) => {
            let read = file.take(BEGIN.len() as u64).read_to_end(&mut begin);
            read.is_ok() && (begin == BEGIN || begin.is_empty())
        }
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
