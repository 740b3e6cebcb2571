//! One connection: a session, and all that its host knows of it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ssedge::limits::{
    BACKLOG_BYTES, BACKLOG_LOW_BYTES, CHANNEL_PATIENCE_MS, DEADLINE_MARGIN, STREAM_QUESTIONS,
};
use ssedge::log::{Batch, Filter, Position, Subscribe};
use ssedge::session::{CloseReason, Input, Session, StreamConfig};
use ssedge::time::UnixMillis;

use super::checker::Checker;
use super::scenario::Stream;

/// The shortest time for which a lost channel is tried.
const CHANNEL_PATIENCE: Duration = Duration::from_millis(*CHANNEL_PATIENCE_MS.start());

pub struct Link {
    pub session: Session<Bytes>,
    pub config: StreamConfig,
    pub opened: UnixMillis,
    /// The latest that the stream has seen of its clock.
    pub latest: UnixMillis,
    pub wake_at: UnixMillis,
    pub closed: Option<CloseReason>,
    /// What the channel was last asked and has not answered.
    pub asked: Option<Subscribe>,
    /// What a subscriber wants, and how many entries it has had.
    pub subscriber: Option<(Filter, usize)>,
    pub news: Option<Batch<Bytes>>,
    /// How often it asked its channel.
    pub questions: u32,
    /// Since when the channel has not answered, by the clock of the stream.
    pub lost_at: Option<UnixMillis>,
    pub network: VecDeque<Bytes>,
    /// The backlog that the session was last told.
    pub reported: usize,
    pub awaits: bool,
    pub checker: Checker,
}

impl Link {
    pub fn new(stream: &Stream, position: Position, now: UnixMillis) -> Self {
        let config = StreamConfig {
            heartbeat: stream.heartbeat,
            retry: Duration::from_secs(2),
            life: stream.life,
            deadline: stream.deadline.map(|span| now + span),
            expires: stream.token.map(|span| now + span),
        };
        Self {
            session: Session::open(stream.source.opening(position), config, stream.seed, now),
            config,
            opened: now,
            latest: now,
            wake_at: now,
            closed: None,
            asked: None,
            subscriber: None,
            news: None,
            questions: 0,
            lost_at: None,
            network: VecDeque::new(),
            reported: 0,
            awaits: false,
            checker: Checker::default(),
        }
    }

    pub fn backlog(&self) -> usize {
        self.network.iter().map(Bytes::len).sum()
    }

    /// Every end has its cause, and the planned ones their last word.
    pub fn ended(&self, reason: CloseReason, clock: UnixMillis, cause: Option<&Input<Bytes>>) {
        let StreamConfig { life, deadline, expires, .. } = self.config;
        let due = |at: Option<UnixMillis>| at.is_some_and(|at| at <= clock);
        let life = life.map(|life| self.opened + life);
        let says = |word: &[u8]| self.checker.said.starts_with(word);
        let holds = match reason {
            CloseReason::Rotated => {
                (due(life) || due(deadline.map(|at| at - DEADLINE_MARGIN))) && says(b"retry: ")
            }
            CloseReason::Lost => {
                let given_up = self.lost_at.is_some_and(|at| at + CHANNEL_PATIENCE <= clock);
                (given_up || cause == Some(&Input::GaveUp)) && says(b"retry: ")
            }
            CloseReason::Questions => self.questions == STREAM_QUESTIONS && says(b"retry: "),
            CloseReason::Expired => due(expires) && says(b"event: expired\n"),
            CloseReason::TooSlow => {
                let stands = cause == Some(&Input::Wake) && self.backlog() > BACKLOG_LOW_BYTES;
                self.backlog() > BACKLOG_BYTES || stands
            }
            CloseReason::Unavailable => {
                matches!(cause, Some(Input::Lost | Input::GaveUp))
                    && self.checker.started.is_none()
                    && says(b"retry: ")
            }
            CloseReason::Full => cause == Some(&Input::Full) && says(b"retry: "),
            // Nothing of this channel ends.
            CloseReason::Ended | CloseReason::Refused => false,
            CloseReason::ReaderGone => cause == Some(&Input::ReaderGone),
        };
        assert!(holds, "{reason:?} without its cause, after {}", self.checker.said.escape_ascii());
    }
}
