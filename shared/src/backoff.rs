//! The pauses before something is tried again.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::chance::Chance;

/// Pauses with full jitter: each is drawn between zero and a ceiling, and the ceiling doubles with each failure in a
/// row. Without the jitter, all that failed together would try again together.
///
/// ```
/// use ssedge::backoff::Backoff;
/// use ssedge::chance::Chance;
///
/// let (mut backoff, mut chance) = (Backoff::new(100..=300), Chance::seeded(7));
/// for ceiling in [100, 200, 300, 300] {
///     assert!(backoff.pause(&mut chance).as_millis() <= ceiling);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first_ms: u64,
    longest_ms: u64,
    failures: u32,
}

impl Backoff {
    /// The ceilings in milliseconds: that of the first pause, and the greatest.
    #[must_use]
    pub const fn new(ceilings_ms: RangeInclusive<u64>) -> Self {
        Self { first_ms: *ceilings_ms.start(), longest_ms: *ceilings_ms.end(), failures: 0 }
    }

    /// It failed (again): how long to wait before the next attempt.
    pub fn pause(&mut self, chance: &mut Chance) -> Duration {
        let ceiling = self.first_ms.saturating_mul(1 << self.failures.min(16)).min(self.longest_ms);
        self.failures = self.failures.saturating_add(1);
        chance.draw(0..=ceiling)
    }

    /// It worked, so that the next failure counts as the first.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether the last attempt failed.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_pause() {
        let longest = |failures: usize| {
            let draws = (0..500).map(|seed| {
                let (mut backoff, mut chance) = (Backoff::new(10..=250), Chance::seeded(seed));
                let pauses: Vec<_> = (0..failures).map(|_| backoff.pause(&mut chance)).collect();
                pauses[failures - 1]
            });
            u64::try_from(draws.max().unwrap().as_millis()).unwrap()
        };
        for (failures, ceiling) in [(1, 10), (2, 20), (3, 40), (5, 160), (6, 250), (7, 250), (40, 250)] {
            let longest = longest(failures);
            assert!((ceiling * 9 / 10..=ceiling).contains(&longest), "{longest} of {ceiling}");
        }
    }

    #[test]
    fn what_works_again_begins_anew() {
        let (mut backoff, mut chance) = (Backoff::new(10..=100_000), Chance::seeded(1));
        for _ in 0..10 {
            backoff.pause(&mut chance);
        }
        assert!(backoff.is_failing());
        backoff.reset();
        assert!(!backoff.is_failing());
        assert!(backoff.pause(&mut chance) <= Duration::from_millis(10));
    }
}
