//! A bar on standard error, for work that is long enough to wonder about.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rdbkit::ops::walk::Observer;
use rdbkit::source::{Progress, Source};

/// Work that is done sooner than this shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is waited for longer is told where no bar is drawn.
const WAIT: Duration = Duration::from_secs(2);

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
    /// Whether there is a word about waiting where no bar is drawn.
    speaks: bool,
    wait: Mutex<Option<Wait>>,
}

/// A wait that is not over.
struct Wait {
    began: Instant,
    is_told: bool,
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
            speaks: false,
            wait: Mutex::default(),
        }
    }

    /// The same, which tells what is waited for where it is not drawn, if that `speaks`.
    #[cfg(feature = "live")]
    pub(crate) fn speaking(mut self, speaks: bool) -> Self {
        self.speaks = speaks;
        self
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
            speaks: false,
            wait: Mutex::default(),
        }
    }

    fn draw(&self) -> ProgressBar {
        let bar = match self.total_bytes {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_style(self.style());
        let bar = bar.with_prefix(self.name.clone()).with_elapsed(self.began.elapsed());
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        bar
    }

    /// How it looks while something is done.
    fn style(&self) -> ProgressStyle {
        styled(match self.total_bytes {
            Some(_) => "{prefix} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
            None => "{prefix} {spinner} {bytes}, {bytes_per_sec}, {elapsed}",
        })
    }

    /// The bar, as it is drawn now or from now on.
    fn drawn(&self) -> &ProgressBar {
        let bar = self.bar.get_or_init(|| self.draw());
        if bar.is_finished() {
            bar.reset();
            bar.set_style(self.style());
        }
        bar
    }

    fn wait(&self) -> MutexGuard<'_, Option<Wait>> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Observer for Bar {
    fn progress(&self, bytes_done: u64) {
        if !self.enabled || GONE.load(Ordering::Relaxed) || self.began.elapsed() < PATIENCE {
            return;
        }
        let done = self.read.as_ref().map_or(bytes_done, Progress::done_bytes);
        self.drawn().set_position(done);
    }

    fn waiting(&self, why: &str) {
        let mut wait = self.wait();
        let wait = wait.get_or_insert_with(|| Wait { began: Instant::now(), is_told: false });
        let waited = wait.began.elapsed();
        if self.enabled && !GONE.load(Ordering::Relaxed) {
            if waited >= PATIENCE {
                let bar = self.drawn();
                bar.set_style(styled("{prefix} waiting: {wide_msg}"));
                // What it waits for is a sentence, and the time must not be cut off.
                bar.set_message(format!("{} s, {why}", waited.as_secs()));
            }
        } else if self.speaks && waited >= WAIT && !wait.is_told {
            super::complain(&format!("waiting: {why}"));
            wait.is_told = true;
        }
    }

    fn goes_on(&self) {
        let Some(Wait { began, is_told }) = self.wait().take() else { return };
        if is_told {
            super::complain(&format!("goes on after {} s", began.elapsed().as_secs()));
        }
        let Some(bar) = self.bar.get() else { return };
        // Before anything was done, something may be asked on the terminal.
        match bar.position() {
            0 => bar.finish_and_clear(),
            _ => bar.set_style(self.style()),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
