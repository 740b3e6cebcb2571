//! How often a channel without push is asked for news.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::chance::Chance;
use crate::limits::{CHANNEL_PATIENCE_MS, LIVELY, RESUBSCRIBE_MS};
use crate::time::UnixMillis;

/// The pauses between two questions: short while the channel is lively, longer and longer in silence.
///
/// ```
/// use std::time::Duration;
/// use ssedge::log::Pace;
/// use ssedge::time::UnixMillis;
///
/// let ms = Duration::from_millis;
/// let mut pace = Pace::new(ms(100)..=ms(1_000), 7);
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
    backoff: Backoff,
    chance: Chance,
    /// Since when the channel has not answered.
    down_since: Option<UnixMillis>,
}

impl Pace {
    /// `range` is POLL_MIN_MS to POLL_MAX_MS. It starts with the shortest pause. The pauses after failures are drawn from
    /// `seed`.
    #[must_use]
    pub const fn new(range: RangeInclusive<Duration>, seed: u64) -> Self {
        Self {
            pause: *range.start(),
            range,
            lively_until: UnixMillis(0),
            backoff: Backoff::new(RESUBSCRIBE_MS),
            chance: Chance::seeded(seed),
            down_since: None,
        }
    }

    /// There was news.
    pub fn heard(&mut self, now: UnixMillis) -> Duration {
        self.answered();
        self.lively_until = now + LIVELY;
        self.pause = *self.range.start();
        self.pause
    }

    /// There was none.
    pub fn silence(&mut self, now: UnixMillis) -> Duration {
        self.answered();
        if now > self.lively_until {
            self.pause = (self.pause * 3 / 2).min(*self.range.end());
        }
        self.pause
    }

    const fn answered(&mut self) {
        self.backoff.reset();
        self.down_since = None;
    }

    /// The channel did not answer: the pause before it is asked again. `None` if it has not answered for the shortest
    /// time of [`CHANNEL_PATIENCE_MS`]: the channel is given up, and its streams end.
    pub fn failed(&mut self, now: UnixMillis) -> Option<Duration> {
        let since = *self.down_since.get_or_insert(now);
        if now.since(since) >= Duration::from_millis(*CHANNEL_PATIENCE_MS.start()) {
            return None;
        }
        Some(self.backoff.pause(&mut self.chance).max(*self.range.start()))
    }

    /// Whether the last question failed.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.backoff.is_failing()
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
        let mut pace = Pace::new(ms(100)..=ms(1_000), 7);
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
    fn failures_back_off_and_an_answer_ends_them() {
        let now = UnixMillis(1_000_000);
        let mut pace = Pace::new(ms(100)..=ms(1_000), 7);
        let pauses: Vec<_> = (0..100).map(|_| pace.failed(now).unwrap()).collect();
        assert!(
            pauses.iter().all(|pause| (ms(100)..=ms(*RESUBSCRIBE_MS.end())).contains(pause)),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|pause| *pause > ms(1_000)), "{pauses:?}");
        assert!(pace.is_down());
        pace.silence(now);
        assert!(!pace.is_down());
        assert_eq!(pace.failed(now), Some(ms(100)), "the first pause is drawn up to the shortest one");
    }

    #[test]
    fn a_channel_that_does_not_answer_for_a_minute_is_given_up() {
        let mut now = UnixMillis(1_000_000);
        let mut pace = Pace::new(ms(100)..=ms(1_000), 7);
        let lost_at = now;
        while let Some(pause) = pace.failed(now) {
            now = now + pause;
            assert!(now.since(lost_at) <= ms(66_000), "it is asked for ever");
        }
        assert!(now.since(lost_at) >= ms(60_000), "{now}");
        // An answer, and the patience is new.
        pace.heard(now);
        assert!(pace.failed(now + ms(120_000)).is_some());
    }
}
