//! `--metrics FILE`: figures for the textfile collector of Prometheus, written as a whole.

use std::ffi::OsString;
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
