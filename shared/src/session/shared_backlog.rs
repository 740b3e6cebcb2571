//! The bytes that wait for many readers together.

use crate::time::UnixMillis;

/// Counts the bytes that wait for the readers of a process, or for those of one sender.
///
/// Every stream knows its own backlog, but asking all of them is expensive. So they are asked only if there might be too
/// many bytes, and only once for each value of the clock.
///
/// ```
/// use ssedge::session::SharedBacklog;
/// use ssedge::time::UnixMillis;
///
/// let mut waiting = SharedBacklog::default();
/// waiting.sent(900);
/// assert!(!waiting.is_over(1_000, UnixMillis(1), || unreachable!("there cannot be too many")));
/// waiting.sent(900);
/// // Most of it was taken meanwhile.
/// assert!(!waiting.is_over(1_000, UnixMillis(2), || 500));
/// ```
#[derive(Debug, Default)]
pub struct SharedBacklog {
    counted: usize,
    /// Sent since they were counted, and perhaps taken.
    sent: usize,
    counted_at: Option<UnixMillis>,
}

impl SharedBacklog {
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
        let mut waiting = SharedBacklog::default();
        let over = |waiting: &mut SharedBacklog, at, bytes| waiting.is_over(10, UnixMillis(at), || bytes);
        waiting.sent(11);
        assert!(over(&mut waiting, 1, 11));
        assert!(over(&mut waiting, 1, 0), "it was counted at this time");
        assert!(!over(&mut waiting, 2, 4), "most of it was taken");
        waiting.sent(6);
        assert!(!over(&mut waiting, 3, 100), "there cannot be more than 10");
        waiting.sent(1);
        assert!(over(&mut waiting, 3, 11));
        waiting.sent(1_000);
        assert!(over(&mut waiting, 3, 0));
        assert!(!over(&mut waiting, 4, 10));
    }
}
