//! How often a channel without push is asked for news.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::limits::{LIVELY, RESUBSCRIBE_MS};
use crate::time::UnixMillis;

/// The pauses between two questions: short while the channel is lively, longer and longer in silence.
///
/// ```
/// use std::time::Duration;
/// use ssedge::channel::Pace;
/// use ssedge::time::UnixMillis;
///
/// let ms = Duration::from_millis;
/// let mut pace = Pace::new(ms(100)..=ms(1_000));
/// assert_eq!(pace.silence(UnixMillis(100)), ms(150));
/// assert_eq!(pace.heard(UnixMillis(250)), ms(100));
/// assert_eq!(pace.silence(UnixMillis(350)), ms(100));
/// assert_eq!(pace.silence(UnixMillis(60_000)), ms(150));
/// ```
#[derive(Clone, Debug)]
pub struct Pace {
    range: RangeInclusive<Duration>,
    pause: Duration,
    lively_until: UnixMillis,
    failures: u32,
}

impl Pace {
    /// `range` is POLL_MIN_MS to POLL_MAX_MS. It starts with the shortest pause.
    #[must_use]
    pub const fn new(range: RangeInclusive<Duration>) -> Self {
        Self { pause: *range.start(), range, lively_until: UnixMillis(0), failures: 0 }
    }

    /// There was news.
    pub fn heard(&mut self, now: UnixMillis) -> Duration {
        self.failures = 0;
        self.lively_until = now + LIVELY;
        self.pause = *self.range.start();
        self.pause
    }

    /// There was none.
    pub fn silence(&mut self, now: UnixMillis) -> Duration {
        self.failures = 0;
        if now > self.lively_until {
            self.pause = (self.pause * 3 / 2).min(*self.range.end());
        }
        self.pause
    }

    /// The channel did not answer. The pause is anything up to the answer (full jitter, by `random`), so that
    /// instances which lost it together do not come back together.
    pub fn failed(&mut self, random: u64) -> Duration {
        let ceiling = RESUBSCRIBE_MS.start().saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(random % (ceiling.min(*RESUBSCRIBE_MS.end()) + 1)).max(*self.range.start())
    }

    /// Whether the last question failed.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn silence_backs_off_to_the_longest_pause_and_news_ends_it() {
        let mut now = UnixMillis(1_000_000);
        let mut pace = Pace::new(ms(100)..=ms(1_000));
        let mut pauses = vec![pace.heard(now)];
        while pauses.last() != Some(&ms(1_000)) {
            let pause = pace.silence(now);
            now = now + pause;
            pauses.push(pause);
        }
        assert!(pauses.is_sorted());
        assert_eq!(pauses.iter().filter(|pause| **pause == ms(100)).count(), 52, "lively for five seconds");
        assert!(pauses.len() < 60, "{pauses:?}");
        assert_eq!(pace.heard(now), ms(100));
        assert_eq!(pace.silence(now + ms(4_900)), ms(100));
    }

    #[test]
    fn failures_back_off_with_jitter_and_an_answer_ends_them() {
        let mut pace = Pace::new(ms(100)..=ms(1_000));
        for (random, pause) in [(50, 100), (200, 200), (400, 400), (2_400, 798), (1_600, 1_600)] {
            assert_eq!(pace.failed(random), ms(pause), "{random}");
        }
        for _ in 0..100 {
            assert!(pace.failed(4_999) <= ms(*RESUBSCRIBE_MS.end()));
        }
        assert!(pace.is_down());
        pace.silence(UnixMillis(0));
        assert!(!pace.is_down());
        assert_eq!(pace.failed(100), ms(100));
    }
}
