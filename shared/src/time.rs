//! Time as the core sees it: a number that the host passes in.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z, as the host's clock says.
///
/// `Display` and `Serialize` write RFC 3339 in UTC with exactly three decimals (`2026-11-22T10:00:00.000Z`);
/// beyond the year 9999 they stay there.
///
/// ```
/// use ssedge::time::UnixMillis;
/// assert_eq!(UnixMillis(1_795_341_600_000).to_string(), "2026-11-22T10:00:00.000Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The greatest multiple of `interval` that is not after this instant.
    #[must_use]
    pub const fn floor(self, interval: Duration) -> Self {
        let step = interval.as_millis() as u64;
        if step == 0 { self } else { Self(self.0 - self.0 % step) }
    }
}

impl Add<Duration> for UnixMillis {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for UnixMillis {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = i64::try_from(self.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{timestamp:.3}")
    }
}

impl Serialize for UnixMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_rfc_3339_with_three_decimals() {
        assert_eq!(UnixMillis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(UnixMillis(1_795_341_600_007).to_string(), "2026-11-22T10:00:00.007Z");
        assert!(UnixMillis(u64::MAX).to_string().starts_with("9999-12-30T"));
    }

    #[test]
    fn floors_to_whole_multiples() {
        assert_eq!(UnixMillis(2_499).floor(Duration::from_millis(250)), UnixMillis(2_250));
        assert_eq!(UnixMillis(2_500).floor(Duration::from_millis(250)), UnixMillis(2_500));
    }
}
