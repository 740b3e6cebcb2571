//! What goes into a session and what comes out of it.

use std::time::Duration;

use bytes::Bytes;

use super::Timetable;
use crate::limits::{BACKLOG_BYTES, DEADLINE_KNOWN_MS, DEADLINE_MARGIN};
use crate::log::{Batch, ChannelName, EntryId, Gap, Page, Subscribe};
use crate::time::UnixMillis;

/// Bytes of a batch, as a host holds them.
pub trait Frame {
    /// How many.
    fn len(&self) -> usize;

    /// None: a frame with nothing in it is never sent.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Frame for Bytes {
    fn len(&self) -> usize {
        self.as_ref().len()
    }
}

/// What a reader asked for.
#[derive(Clone, Debug)]
pub struct StreamRequest {
    /// The log that it follows, and from where; `None` if all comes by the clock.
    pub log: Option<(ChannelName, Subscribe)>,
    /// What comes by the clock.
    pub ticks: Option<Timetable>,
    /// What happens to a reader that is too slow.
    pub when_slow: WhenSlow,
    /// How the stream speaks.
    pub dialect: Dialect,
    /// It is opened only if the channel has entries and has not ended.
    pub only_open: bool,
    /// The channel can end.
    pub has_ends: bool,
}

/// How a stream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The entries have no names. What the stream says of itself is in named events.
    #[default]
    Plain,
    /// The same, but entries may have names that a publisher chose, which an `EventSource` hears only if it listens for them.
    Named,
    /// For clients that take every event for data: the stream says nothing of itself but ids and comments.
    Bare,
}

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing will ever follow, or nothing is under way.
    Over,
    /// The cursor cannot be resumed, which a stream of the dialect [`Dialect::Bare`] could not say. It would go on after this id.
    Gap(Gap, EntryId),
}

/// What happens to a reader that does not take its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenSlow {
    /// Its stream ends at an event boundary, and it comes back with its cursor.
    End,
    /// It gets the newest entry of each key, which says how many came before it.
    Newest,
}

/// What the deployment and the host give a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// The longest silence of a stream, in whole seconds.
    pub heartbeat: Duration,
    /// The middle of the reconnection time that the reader is told.
    pub retry: Duration,
    /// How long the stream may live.
    pub life: Option<Duration>,
    /// When the host is stopped, if it is known to be.
    pub deadline: Option<UnixMillis>,
    /// When the reader's token expires.
    pub expires: Option<UnixMillis>,
}

impl StreamConfig {
    /// The same for a reader whose token is good until then.
    #[must_use]
    pub const fn expiring(self, expires: Option<UnixMillis>) -> Self {
        Self { expires, ..self }
    }

    /// The same on a host that is stopped at `deadline`, in unix ms. One before [`DEADLINE_KNOWN_MS`] does not
    /// count: local runtimes count from 1970.
    #[must_use]
    pub fn until(self, deadline: UnixMillis) -> Self {
        Self { deadline: Some(deadline).filter(|deadline| deadline.0 >= DEADLINE_KNOWN_MS), ..self }
    }

    /// When a stream that opens at `now` comes to its planned end, if it has one.
    #[must_use]
    pub fn ends_at(&self, now: UnixMillis) -> Option<UnixMillis> {
        let stopped = self.deadline.map(|deadline| deadline - DEADLINE_MARGIN);
        [stopped, self.life.map(|life| now + life)].into_iter().flatten().min()
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<F> {
    /// The channel answered [`Output::Subscribe`].
    Page(Page<F>),
    /// The channel has news for a subscribed reader.
    Entries(Batch<F>),
    /// The channel did not answer, or the subscription broke.
    Lost,
    /// The host asks the channel no more: it has done so in vain for as long as
    /// [`CHANNEL_PATIENCE_MS`](crate::limits::CHANNEL_PATIENCE_MS) says, or the two are of versions that do not understand
    /// each other.
    GaveUp,
    /// The channel has as many readers as it takes.
    Full,
    /// So many bytes are with the transport and not yet with the reader. Due before every other input when it
    /// has changed, and once [`Output::AwaitDrain`] asked for it.
    Backlog(usize),
    /// From now on so many bytes may wait for the reader before it is sent more, by [`backlog_bound`]; before the first, and at
    /// most, [`BACKLOG_BYTES`].
    Bound(usize),
    /// The time of [`Output::WakeAt`] has come.
    Wake,
    /// The reader left.
    ReaderGone,
}

/// How many bytes may wait for a reader before it is sent more, in a process whose memory `is_full` or not.
#[must_use]
pub const fn backlog_bound(is_full: bool) -> usize {
    if is_full { 0 } else { BACKLOG_BYTES }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<F> {
    /// Hand these bytes to the transport: whole blocks of an event stream.
    Send(Chunk<F>),
    /// Ask the channel; the answer is [`Input::Page`], [`Input::Lost`] or [`Input::Full`].
    Subscribe(Subscribe),
    /// Give the subscription up: what it still delivers is not wanted.
    Unsubscribe,
    /// Tell by [`Input::Backlog`] when the backlog is at most [`BACKLOG_LOW_BYTES`](crate::limits::BACKLOG_LOW_BYTES).
    AwaitDrain,
    /// Nothing more until then, or until the next input.
    WakeAt(UnixMillis),
    /// Nothing more at all: end the body once everything sent has left.
    Close(CloseReason),
}

/// Bytes to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk<F> {
    /// A block that the session wrote.
    Own(Bytes),
    /// A batch of the channel, as it came.
    Frame(F),
}

/// Why a stream ended; `Display` is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// It lived as long as it may.
    #[error("it lived as long as it may")]
    Rotated,
    /// The reader's token expired.
    #[error("the token expired")]
    Expired,
    /// The reader did not take its bytes.
    #[error("the reader did not take its bytes")]
    TooSlow,
    /// The channel could not be reached when the stream opened.
    #[error("the channel could not be reached")]
    Unavailable,
    /// The channel could not be reached again.
    #[error("the channel could not be reached again")]
    Lost,
    /// It asked its channel [`STREAM_QUESTIONS`](crate::limits::STREAM_QUESTIONS) times.
    #[error("it asked its channel as often as it may")]
    Questions,
    /// There was no room for it.
    #[error("the channel has as many readers as it takes")]
    Full,
    /// The channel has ended.
    #[error("the channel has ended")]
    Ended,
    /// There was nothing to begin with ([`Refusal`]).
    #[error("it was not opened")]
    Refused,
    /// The reader left.
    #[error("the reader left")]
    ReaderGone,
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_deadline_before_september_2001_is_none() {
        let config = StreamConfig {
            heartbeat: Duration::ZERO,
            retry: Duration::ZERO,
            life: None,
            deadline: None,
            expires: None,
        };
        // What a local runtime says that counts from its own start, or in seconds; and the first that is one.
        for (deadline, is_known) in
            [(600_000, false), (999_999_999_999, false), (1_000_000_000_000, true), (1_795_341_600_000, true)]
        {
            let config = config.until(UnixMillis(deadline));
            assert_eq!(config.deadline, is_known.then_some(UnixMillis(deadline)), "{deadline}");
        }
    }
}
