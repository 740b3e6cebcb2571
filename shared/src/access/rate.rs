//! Token buckets, as the one number that they come to.

use std::time::Duration;

use crate::time::UnixMillis;

/// Microseconds since 1970-01-01T00:00:00Z: fine enough for a million posts a second, and below 2^53.
pub type Micros = u64;

/// A token bucket: so many at once, and one more whenever the interval has passed.
///
/// A bucket is stored as the time at which it is full again, which is all that there is to know of it: a bucket that
/// is full, or never was, needs no storage. (This is the generic cell rate algorithm, [ITU-T I.371].)
///
/// ```
/// use ssedge::access::Rate;
/// use ssedge::time::UnixMillis;
///
/// let rate = Rate::per_second(5, 2);
/// let now = UnixMillis(1_795_341_600_000);
/// let once = rate.take(0, now)?;
/// let twice = rate.take(once, now)?;
/// assert_eq!(rate.take(twice, now).unwrap_err().as_millis(), 200);
/// assert!(rate.take(twice, UnixMillis(now.0 + 200)).is_ok());
/// # Ok::<(), std::time::Duration>(())
/// ```
///
/// [ITU-T I.371]: https://www.itu.int/rec/T-REC-I.371
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: Micros,
    burst: u64,
}

impl Rate {
    /// `rate` per second (1 to a million), `burst` at once.
    #[must_use]
    pub const fn per_second(rate: u64, burst: u64) -> Self {
        Self { interval: 1_000_000 / rate, burst }
    }

    /// `n` at once, which are there again after `span`.
    #[must_use]
    pub fn per_span(n: u64, span: Duration) -> Self {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self { interval: span / n.max(1), burst: n }
    }

    /// By how much each token that is taken moves the time at which the bucket is full.
    #[must_use]
    pub const fn interval(&self) -> Micros {
        self.interval
    }

    /// The latest time at which a bucket may be full that still has a token.
    #[must_use]
    pub const fn latest(&self, now: UnixMillis) -> Micros {
        micros(now).saturating_add(self.interval.saturating_mul(self.burst.saturating_sub(1)))
    }

    /// The time at which a bucket is full that has just become empty.
    #[must_use]
    pub const fn empty(&self, now: UnixMillis) -> Micros {
        self.latest(now).saturating_add(self.interval)
    }

    /// Takes a token from a bucket that is full at `full_at`: when it is full then.
    ///
    /// No bucket is emptier than empty. One that seems so was left by a clock that was ahead, or by another rate; it
    /// has one token and is empty then, so that nobody is locked out.
    ///
    /// # Errors
    /// How long it takes until there is a token.
    pub fn take(&self, full_at: Micros, now: UnixMillis) -> Result<Micros, Duration> {
        let empty = self.empty(now);
        if full_at > empty {
            return Ok(empty);
        }
        match self.wait(full_at, now) {
            Duration::ZERO => Ok(full_at.max(micros(now)).saturating_add(self.interval)),
            wait => Err(wait),
        }
    }

    /// How long it takes until a bucket that is full at `full_at` has a token.
    #[must_use]
    pub const fn wait(&self, full_at: Micros, now: UnixMillis) -> Duration {
        Duration::from_micros(full_at.saturating_sub(self.latest(now)))
    }
}

/// The time in microseconds.
#[must_use]
pub const fn micros(time: UnixMillis) -> Micros {
    time.0.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_341_600_000);

    /// Takes tokens as fast as possible for a while: how many there were.
    fn taken(rate: Rate, over: Duration) -> u64 {
        let (mut full_at, mut taken) = (0, 0);
        for ms in 0..=u64::try_from(over.as_millis()).unwrap() {
            while let Ok(then) = rate.take(full_at, UnixMillis(NOW.0 + ms)) {
                (full_at, taken) = (then, taken + 1);
            }
        }
        taken
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        assert_eq!(taken(Rate::per_second(5, 20), Duration::ZERO), 20);
        assert_eq!(taken(Rate::per_second(5, 20), Duration::from_secs(10)), 70);
        assert_eq!(taken(Rate::per_second(1, 1), Duration::from_secs(10)), 11);
        assert_eq!(taken(Rate::per_second(3_000, 1), Duration::from_secs(1)), 1_001);
        assert_eq!(taken(Rate::per_span(100, Duration::from_secs(60)), Duration::from_secs(60)), 200);
    }

    #[test]
    fn the_wait_ends_when_there_is_a_token() {
        let rate = Rate::per_second(2, 3);
        let mut full_at = 0;
        for _ in 0..3 {
            full_at = rate.take(full_at, NOW).unwrap();
        }
        let wait = rate.take(full_at, NOW).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(rate.take(full_at, UnixMillis(NOW.0 + 499)), Err(Duration::from_millis(1)));
        assert!(rate.take(full_at, NOW + wait).is_ok());
    }

    #[test]
    fn a_clock_that_was_ahead_locks_nobody_out() {
        let rate = Rate::per_second(5, 20);
        let ahead = rate.take(0, UnixMillis(NOW.0 + 86_400_000)).unwrap();
        locks_nobody_out(rate, ahead);
    }

    #[test]
    fn a_rate_that_is_lowered_locks_nobody_out() {
        let (before, after) = (Rate::per_second(5, 1_000), Rate::per_second(5, 20));
        locks_nobody_out(after, before.empty(NOW));
    }

    /// A bucket that is fuller only later than one can be has a token, and is empty then.
    #[track_caller]
    fn locks_nobody_out(rate: Rate, full_at: Micros) {
        let empty = rate.take(full_at, NOW).unwrap();
        assert_eq!(rate.take(empty, NOW), Err(Duration::from_millis(200)));
        assert!(rate.take(empty, UnixMillis(NOW.0 + 200)).is_ok());
    }
}
