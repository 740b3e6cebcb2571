//! One connection: a session, the messages on their way to it, and the bytes on their way to the reader.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ssedge::limits::BACKLOG_LOW_BYTES;
use ssedge::log::{Batch, Page};
use ssedge::session::{Chunk, Session};
use ssedge::time::UnixMillis;

/// How often a slow network moves.
const QUANTUM: Duration = Duration::from_millis(50);

/// How fast a reader takes its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// At once.
    Unlimited,
    /// So many in a millisecond.
    Rate(u64),
    /// Not at all.
    Stalled,
}

/// What a channel sends.
#[derive(Debug)]
pub enum Message {
    Page(Page<Bytes>),
    Batch(Batch<Bytes>),
    Lost,
    GaveUp,
}

#[derive(Debug)]
pub struct Link {
    pub session: Session<Bytes>,
    pub wake_at: Option<UnixMillis>,
    /// The session is at its end, but not all of its bytes have left.
    pub closed: bool,
    /// The session wants to know when the backlog is low.
    pub awaits: bool,
    /// The backlog that the session was last told.
    pub reported: usize,
    pub subscription: Option<u64>,
    pub answer_by: Option<UnixMillis>,
    inbox: VecDeque<(UnixMillis, u64, Message)>,
    network: VecDeque<Bytes>,
    moved: UnixMillis,
}

impl Link {
    pub const fn new(session: Session<Bytes>, now: UnixMillis) -> Self {
        Self {
            session,
            wake_at: None,
            closed: false,
            awaits: false,
            reported: 0,
            subscription: None,
            answer_by: None,
            inbox: VecDeque::new(),
            network: VecDeque::new(),
            moved: now,
        }
    }

    pub fn next_event(&self, speed: Speed) -> Option<UnixMillis> {
        let moves = match speed {
            Speed::Stalled => None,
            Speed::Unlimited => Some(self.moved),
            Speed::Rate(_) => Some(self.moved + QUANTUM),
        };
        let moves = moves.filter(|_| !self.network.is_empty());
        let inbox = self.inbox.front().map(|(at, ..)| *at);
        let wakes = self.wake_at.filter(|_| !self.closed);
        let answer_by = self.answer_by.filter(|_| !self.closed);
        [moves, inbox, wakes, answer_by].into_iter().flatten().min()
    }

    /// Messages keep their order.
    pub fn post(&mut self, at: UnixMillis, serial: u64, message: Message) {
        let at = self.inbox.back().map_or(at, |(last, ..)| at.max(*last));
        self.inbox.push_back((at, serial, message));
    }

    pub fn receive(&mut self, now: UnixMillis) -> Option<(u64, Message)> {
        self.inbox.pop_front_if(|(at, ..)| *at <= now).map(|(_, serial, message)| (serial, message))
    }

    /// Every chunk is whole blocks, so no stream can end inside one.
    pub fn send(&mut self, chunk: Chunk<Bytes>) {
        let (Chunk::Own(bytes) | Chunk::Frame(bytes)) = chunk;
        assert!(bytes.ends_with(b"\n\n"), "a chunk ends inside a block: {bytes:?}");
        self.network.push_back(bytes);
    }

    pub fn backlog(&self) -> usize {
        self.network.iter().map(Bytes::len).sum()
    }

    /// Bytes that the reader gets now, cut anywhere.
    pub fn take(&mut self, speed: Speed, now: UnixMillis) -> Option<Bytes> {
        let most = match speed {
            Speed::Unlimited => usize::MAX,
            Speed::Rate(rate) if now.since(self.moved) >= QUANTUM => (rate * 50) as usize,
            Speed::Rate(_) | Speed::Stalled => 0,
        };
        self.moved = if self.network.is_empty() || most > 0 { now } else { self.moved };
        let first = self.network.front_mut().filter(|_| most > 0)?;
        let taken = first.split_to(first.len().min(most));
        if first.is_empty() {
            self.network.pop_front();
        }
        Some(taken)
    }

    /// The backlog, once it is low and the session waits for that.
    pub fn has_drained(&mut self) -> Option<usize> {
        let backlog = self.backlog();
        (!self.closed && backlog <= BACKLOG_LOW_BYTES && std::mem::take(&mut self.awaits)).then_some(backlog)
    }
}
