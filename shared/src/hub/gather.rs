//! How long a channel gathers entries before it sends them to its hubs.

use std::time::Duration;

use crate::limits::COALESCE_MAX;
use crate::time::UnixMillis;

/// The pauses between what a channel sends.
///
/// A message that comes to a channel that is idle leaves at once. While the hubs are still at work with what was sent before,
/// entries are gathered, so that a burst leaves as few frames. Only the hubs know how long that takes, so they answer when
/// they are done. The pause after the answer is as long as the delivery, and so half of the time is left for posts.
///
/// ```
/// use std::time::Duration;
/// use ssedge::hub::Gather;
/// use ssedge::time::UnixMillis;
///
/// let (ms, mut gather) = (Duration::from_millis, Gather::default());
/// // The first entry leaves at once, and so does one after a pause.
/// assert_eq!(gather.pause(UnixMillis(1_000)), ms(0));
/// assert!(!gather.sent(UnixMillis(1_000)), "nobody is asked to answer");
/// assert_eq!(gather.pause(UnixMillis(1_020)), ms(0));
/// // Two in a short time may be a burst: how long does a delivery take?
/// assert!(gather.sent(UnixMillis(1_020)));
/// assert_eq!(gather.pause(UnixMillis(1_021)), ms(99));
/// // The hubs have delivered after 12 ms, so the next one leaves another 12 ms later.
/// gather.answered(UnixMillis(1_032));
/// assert_eq!(gather.pause(UnixMillis(1_033)), ms(11));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Gather {
    sent_at: Option<UnixMillis>,
    /// Until then entries are gathered.
    busy_until: Option<UnixMillis>,
}

impl Gather {
    /// How long an entry that is stored at `now` waits for others.
    #[must_use]
    pub fn pause(&self, now: UnixMillis) -> Duration {
        self.busy_until.map_or(Duration::ZERO, |until| until.since(now))
    }

    /// What was gathered leaves at `now`. Whether the hubs are to answer it.
    pub fn sent(&mut self, now: UnixMillis) -> bool {
        // What had to wait until now was no message after a pause.
        let before = self.busy_until.max(self.sent_at.replace(now));
        let is_lively = before.is_some_and(|before| now.since(before) < COALESCE_MAX);
        self.busy_until = is_lively.then(|| now + COALESCE_MAX);
        is_lively
    }

    /// A hub has delivered what was sent. The last one counts.
    pub fn answered(&mut self, now: UnixMillis) {
        if let (Some(sent_at), Some(_)) = (self.sent_at, self.busy_until) {
            self.busy_until = Some(now + now.since(sent_at).min(COALESCE_MAX));
        }
    }
}
