//! The bytes that wait for many readers together.

use crate::time::UnixMillis;

/// An account of the bytes that wait for the readers of a process, or of one sender. To ask each stream what its reader
/// has not taken is dear, so they are counted only if there might be too many, and once at a time.
///
/// ```
/// use ssedge::session::Held;
/// use ssedge::time::UnixMillis;
///
/// let mut held = Held::default();
/// held.sent(900);
/// assert!(!held.is_over(1_000, UnixMillis(1), || unreachable!("there cannot be too many")));
/// held.sent(900);
/// // Most of it was taken meanwhile.
/// assert!(!held.is_over(1_000, UnixMillis(2), || 500));
/// ```
#[derive(Debug, Default)]
pub struct Held {
    counted: usize,
    /// Sent since they were counted, and perhaps taken.
    sent: usize,
    counted_at: Option<UnixMillis>,
}

impl Held {
    /// So many bytes were sent to a reader.
    pub const fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    /// Whether more than `most` bytes wait at `now`. `count` asks the streams.
    pub fn is_over(&mut self, most: usize, now: UnixMillis, count: impl FnOnce() -> usize) -> bool {
        if self.counted + self.sent > most && self.counted_at.replace(now) != Some(now) {
            (self.counted, self.sent) = (count(), 0);
        }
        self.counted + self.sent > most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_once_at_a_time_and_only_if_there_may_be_too_many() {
        let mut held = Held::default();
        let over = |held: &mut Held, at, bytes| held.is_over(10, UnixMillis(at), || bytes);
        held.sent(11);
        assert!(over(&mut held, 1, 11));
        assert!(over(&mut held, 1, 0), "it was counted at this time");
        assert!(!over(&mut held, 2, 4), "most of it was taken");
        held.sent(6);
        assert!(!over(&mut held, 3, 100), "there cannot be more than 10");
        held.sent(1);
        assert!(over(&mut held, 3, 11));
        held.sent(1_000);
        assert!(over(&mut held, 3, 0));
        assert!(!over(&mut held, 4, 10));
    }
}
