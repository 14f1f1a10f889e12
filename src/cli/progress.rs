//! A bar on standard error, for work that is long enough to wonder about.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
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
    /// When it was heard of first, and what was done then.
    first: Arc<OnceLock<(Instant, u64)>>,
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
            first: Arc::default(),
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
            first: Arc::default(),
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
        // What is done at once, before the first look, makes a rate that nothing has.
        let (of_rate, of_rest) = (Arc::clone(&self.first), Arc::clone(&self.first));
        let a_second = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ =
                write!(out, "{}/s", HumanBytes(rate(of_rate.get(), Instant::now(), state.pos())));
        };
        let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let rest = state.len().unwrap_or_default().saturating_sub(state.pos());
            let _ = match rate(of_rest.get(), Instant::now(), state.pos()) {
                0 => write!(out, "?"),
                rate => write!(out, "{:#}", HumanDuration(Duration::from_secs(rest / rate))),
            };
        };
        styled(match self.total_bytes {
            Some(_) => "{prefix} {wide_bar} {bytes} of {total_bytes}, {rate}, {left} left",
            None => "{prefix} {spinner} {bytes}, {rate}, {elapsed}",
        })
        .with_key("rate", a_second)
        .with_key("left", left)
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

/// Bytes in a second, since it was heard of first.
fn rate(first: Option<&(Instant, u64)>, now: Instant, done: u64) -> u64 {
    let Some((began, before)) = first else { return 0 };
    let ms = now.saturating_duration_since(*began).as_millis().max(1);
    let rate = u128::from(done.saturating_sub(*before)) * 1000 / ms;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Observer for Bar {
    fn progress(&self, bytes_done: u64) {
        let done = || self.read.as_ref().map_or(bytes_done, Progress::done_bytes);
        self.first.get_or_init(|| (Instant::now(), done()));
        if !self.enabled || GONE.load(Ordering::Relaxed) || self.began.elapsed() < PATIENCE {
            return;
        }
        self.drawn().set_position(done());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_before_the_first_look_makes_no_rate() {
        let began = Instant::now();
        let first = (began, 500 << 30);
        let later = |ms| began + Duration::from_millis(ms);
        assert_eq!(rate(None, began, 7), 0);
        assert_eq!(rate(Some(&first), began, 500 << 30), 0);
        assert_eq!(rate(Some(&first), later(2000), (500 << 30) + 3000), 1500);
        // A source that is read again begins anew.
        assert_eq!(rate(Some(&first), later(2000), 1000), 0);
    }
}
