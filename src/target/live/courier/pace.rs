//! How fast things go out: a little at a time, and the time that it may take behind it.
//!
//! What was held up is not made up for: a target that stood still for a minute does not get a
//! minute's worth at once.

use std::time::{Duration, Instant};

use super::Rate;

/// Of a second, what goes out in one go.
const PARTS: u64 = 10;
/// A little that was late is made up for, or no rate would ever be reached.
const LATE: Duration = Duration::from_millis(100);

/// Keeps a rate.
#[derive(Debug, Clone)]
pub struct Pace {
    rate: Option<Rate>,
    /// When the next one may go.
    due: Option<Instant>,
}

impl Pace {
    /// One that keeps this rate, or holds nothing back.
    pub fn new(rate: Option<Rate>) -> Self {
        Pace { rate, due: None }
    }

    /// Whether there is a rate to keep.
    pub fn is_kept(&self) -> bool {
        self.rate.is_some()
    }

    /// Whether so many keys, or commands, of so many bytes are as much as goes out in one go.
    pub fn is_enough(&self, keys: u64, bytes: usize) -> bool {
        match self.rate {
            Some(Rate::Keys(rate)) => keys >= (rate / PARTS).max(1),
            Some(Rate::Bytes(rate)) => bytes as u64 >= (rate / PARTS).max(1),
            None => false,
        }
    }

    /// When so many keys of so many bytes may go out. They are taken to go out then.
    pub fn due(&mut self, keys: u64, bytes: usize) -> Instant {
        let now = Instant::now();
        let (more, rate) = match self.rate {
            Some(Rate::Keys(rate)) => (keys, rate),
            Some(Rate::Bytes(rate)) => (bytes as u64, rate),
            None => return now,
        };
        #[expect(clippy::cast_precision_loss, reason = "a rate is no exact wish")]
        let takes = Duration::from_secs_f64(more as f64 / rate.max(1) as f64);
        let soonest = now.checked_sub(LATE).unwrap_or(now);
        let due = self.due.map_or(now, |due| due.max(soonest));
        self.due = Some(due + takes);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_out_is_spread_over_the_time_that_it_may_take() {
        let mut pace = Pace::new(Some(Rate::Keys(100)));
        assert!(!pace.is_enough(9, 1 << 20) && pace.is_enough(10, 0));
        let began = pace.due(10, 0);
        assert_eq!(pace.due(20, 0) - began, Duration::from_millis(100));
        assert_eq!(pace.due(10, 0) - began, Duration::from_millis(300));
        let mut pace = Pace::new(Some(Rate::Bytes(1000)));
        assert!(pace.is_enough(1, 100) && !pace.is_enough(1000, 99));
        let began = pace.due(1, 500);
        assert_eq!(pace.due(1, 500) - began, Duration::from_millis(500));
        assert!(!Pace::new(None).is_enough(u64::MAX, usize::MAX));
    }

    #[test]
    fn what_was_held_up_is_not_made_up_for() {
        let mut pace = Pace::new(Some(Rate::Keys(100)));
        let now = pace.due(1, 0);
        pace.due = now.checked_sub(Duration::from_secs(60));
        let next = pace.due(100, 0);
        assert!(next + LATE >= now && next <= Instant::now());
        assert!(pace.due(1, 0) >= now + Duration::from_millis(900));
    }
}
