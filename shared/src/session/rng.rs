//! Chance without a source of it: everything is drawn from the seed that the host gave.

use std::ops::RangeInclusive;
use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014): good enough to spread reconnects, and a word of state.
#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A duration of milliseconds from the range.
    pub(super) fn draw(&mut self, millis: RangeInclusive<u64>) -> Duration {
        let span = millis.end().saturating_sub(*millis.start()).saturating_add(1);
        Duration::from_millis(millis.start() + self.next() % span)
    }

    /// The duration ± 50 %.
    pub(super) fn around(&mut self, middle: Duration) -> Duration {
        let millis = u64::try_from(middle.as_millis()).unwrap_or(u64::MAX / 2);
        self.draw(millis / 2..=millis + millis / 2)
    }
}
