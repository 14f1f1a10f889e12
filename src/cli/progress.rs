//! A bar on standard error, for work that is long enough to wonder about.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rdbkit::ops::walk::Observer;
use rdbkit::source::{Progress, Source};

/// Work that is done sooner than this shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// The bar that is drawn, if one is.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Whether the terminal belongs to somebody else.
static GONE: AtomicBool = AtomicBool::new(false);

/// Takes the bar away for good: the terminal belongs to somebody else from here on.
pub(super) fn give_way() {
    GONE.store(true, Ordering::Relaxed);
    let drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bar) = drawn {
        bar.finish_and_clear();
    }
}

/// A bar that appears when the work turns out to be long, and vanishes when it is done.
pub(crate) struct Bar {
    enabled: bool,
    began: Instant,
    name: String,
    total_bytes: Option<u64>,
    /// Of a source that is not mapped: what has been read of it, as it lies on disk.
    read: Option<Progress>,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    /// A bar for reading a source to its end.
    pub(crate) fn of(source: &Source, enabled: bool) -> Self {
        let feed = source.feed.as_ref().filter(|feed| !feed.is_seekable());
        Bar {
            enabled,
            began: Instant::now(),
            name: source.name.clone(),
            total_bytes: source.size_bytes,
            read: feed.map(|feed| feed.progress().clone()),
            bar: OnceLock::new(),
        }
    }

    /// A bar for bytes that are counted by somebody else, who may know how many there will be.
    pub(crate) fn counting(name: &str, total_bytes: Option<u64>, enabled: bool) -> Self {
        Bar {
            enabled,
            began: Instant::now(),
            name: name.to_owned(),
            total_bytes,
            read: None,
            bar: OnceLock::new(),
        }
    }

    fn draw(&self) -> ProgressBar {
        let bar = match self.total_bytes {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        let template = match self.total_bytes {
            Some(_) => "{prefix} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
            None => "{prefix} {spinner} {bytes}, {bytes_per_sec}, {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let bar = bar.with_prefix(self.name.clone()).with_elapsed(self.began.elapsed());
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        bar
    }
}

impl Observer for Bar {
    fn progress(&self, bytes_done: u64) {
        if !self.enabled || GONE.load(Ordering::Relaxed) || self.began.elapsed() < PATIENCE {
            return;
        }
        let done = self.read.as_ref().map_or(bytes_done, Progress::done_bytes);
        self.bar.get_or_init(|| self.draw()).set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
