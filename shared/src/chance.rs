//! Chance without a source of it: everything is drawn from a seed that the host gives.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A sequence of numbers that only its seed decides: SplitMix64 (Steele, Lea and Flood, 2014), which is good enough to
/// spread retries and needs one word of state.
///
/// ```
/// use ssedge::chance::Chance;
///
/// let draws = |seed| {
///     let mut chance = Chance::seeded(seed);
///     [chance.draw(0..=1_000), chance.draw(0..=1_000)]
/// };
/// assert_eq!(draws(7), draws(7));
/// assert_ne!(draws(7), draws(8));
/// ```
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of this seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A duration of milliseconds from the range.
    pub fn draw(&mut self, millis: RangeInclusive<u64>) -> Duration {
        let span = millis.end().saturating_sub(*millis.start()).saturating_add(1);
        Duration::from_millis(millis.start() + self.number() % span)
    }

    /// The duration ± 50 %.
    pub fn around(&mut self, middle: Duration) -> Duration {
        let millis = u64::try_from(middle.as_millis()).unwrap_or(u64::MAX / 2);
        self.draw(millis / 2..=millis + millis / 2)
    }
}
