//! One stream as a state machine.
//!
//! A host feeds a [`Session`] with an [`Input`] and the current time, and then drains it.
//!
//! > **Invariant:** after every [`Session::handle`], [`Session::poll_output`] is called until it answers
//! > [`Output::WakeAt`] or [`Output::Close`], with nothing awaited in between.
//!
//! What a reader sees is decided here alone: the first block, replay and gaps, heartbeats, filters, planned ends,
//! slow readers. `F` is whatever the host holds an encoded batch in; the session looks only at its length.
//!
//! # Examples
//! A host in miniature: its channel is empty, its reader takes everything at once, and its clock jumps from one thing to do
//! to the next. After a minute the stream comes to its planned end.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use ssedge::log::{ChannelName, EntryId, Filter, Page, Position, Start, Subscribe};
//! use ssedge::session::{
//!     Chunk, CloseReason, Dialect, Input, Output, Session, StreamConfig, StreamRequest, WhenSlow,
//! };
//! use ssedge::time::UnixMillis;
//!
//! let subscribe = Subscribe { position: Position::History(20), filter: Filter::ALL, newest: false };
//! let request = StreamRequest {
//!     log: Some((ChannelName::new("chat/lobby")?, subscribe)),
//!     ticks: None,
//!     when_slow: WhenSlow::End,
//!     dialect: Dialect::Plain,
//!     only_open: false,
//!     has_ends: false,
//! };
//! let config = StreamConfig {
//!     heartbeat: Duration::from_secs(15),
//!     retry: Duration::from_secs(2),
//!     life: Some(Duration::from_secs(60)),
//!     deadline: None,
//!     expires: None,
//! };
//! let mut now = UnixMillis(1_795_341_600_000);
//! let mut session = Session::<Bytes>::open(request, config, 7, now);
//! let mut body = Vec::new();
//! let reason = 'stream: loop {
//!     let mut answer = None;
//!     let wake_at = loop {
//!         match session.poll_output() {
//!             Output::Send(Chunk::Own(bytes) | Chunk::Frame(bytes)) => body.extend_from_slice(&bytes),
//!             Output::Subscribe(_) => {
//!                 answer = Some(Page { start: Start::at(EntryId::BEGINNING), batch: None, more: false });
//!             }
//!             Output::Unsubscribe | Output::AwaitDrain => {}
//!             Output::WakeAt(at) => break at,
//!             Output::Close(reason) => break 'stream reason,
//!         }
//!     };
//!     match answer {
//!         Some(page) => session.handle(Input::Page(page), now),
//!         None => {
//!             now = wake_at;
//!             session.handle(Input::Wake, now);
//!         }
//!     }
//! };
//! assert_eq!(reason, CloseReason::Rotated);
//! assert!(body.starts_with(b"retry: "), "the first block leaves at once");
//! assert_eq!(String::from_utf8_lossy(&body).matches("event: cursor").count(), 4, "and a heartbeat every 15 s");
//! # Ok::<(), ssedge::log::InvalidName>(())
//! ```

mod backlog;
mod blocks;
mod cursor;
mod ends;
mod io;
mod patience;
mod shared_backlog;
mod ticks;
mod upstream;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::chance::Chance;
use crate::limits::{BACKLOG_BYTES, FILTER_CURSOR};
use crate::log::{EntryId, Subscribe};
use crate::time::UnixMillis;
use backlog::Backlog;
pub(crate) use blocks::no_room;
pub(crate) use ends::refusal;
pub use io::{
    Chunk, CloseReason, Dialect, Frame, Input, Output, Refusal, StreamConfig, StreamRequest, WhenSlow,
    backlog_bound,
};
use patience::Patience;
pub use shared_backlog::SharedBacklog;
use ticks::{Due, Ticking};
pub use ticks::{Replay, Ticks, Timetable};
use upstream::Upstream;

/// One stream. See the [module](self) for how to drive it.
#[derive(Debug)]
pub struct Session<F> {
    config: StreamConfig,
    subscribe: Option<Subscribe>,
    when_slow: WhenSlow,
    dialect: Dialect,
    only_open: bool,
    ticking: Ticking,
    chance: Chance,
    upstream: Upstream,
    patience: Patience,
    starts_after: Option<EntryId>,
    /// Everything up to here was sent or held back by the filter; `None` before the channel first answered.
    cursor: Option<EntryId>,
    /// The cursor that the reader knows.
    announced: EntryId,
    held_since: Option<UnixMillis>,
    ends_at: Option<UnixMillis>,
    /// When it last sent what every `EventSource` tells its page.
    last_heard: UnixMillis,
    backlog: Backlog,
    outputs: VecDeque<Output<F>>,
    refusal: Option<Refusal>,
    closed: Option<CloseReason>,
}

impl<F: Frame> Session<F> {
    /// Opens a stream at `now`. Everything that is drawn is drawn from `seed`.
    #[must_use]
    pub fn open(request: StreamRequest, config: StreamConfig, seed: u64, now: UnixMillis) -> Self {
        let mut session = Self {
            config,
            subscribe: request.log.map(|(_, subscribe)| subscribe),
            when_slow: request.when_slow,
            dialect: request.dialect,
            only_open: request.only_open,
            ticking: Ticking::new(request.ticks, now),
            chance: Chance::seeded(seed),
            upstream: Upstream::None,
            patience: Patience::new(),
            starts_after: None,
            cursor: None,
            announced: EntryId::BEGINNING,
            held_since: None,
            ends_at: config.ends_at(now),
            last_heard: now,
            backlog: Backlog::new(now),
            outputs: VecDeque::new(),
            refusal: None,
            closed: None,
        };
        match session.subscribe.clone() {
            Some(subscribe) => session.ask(subscribe, now),
            None => {
                let start = session.ticking.start();
                session.begin(&start, now);
                session.tick(now);
            }
        }
        session
    }

    /// The cursor that the stream starts after, once it is known: the host sends the head of the response then.
    #[must_use]
    pub const fn starts_after(&self) -> Option<EntryId> {
        self.starts_after
    }

    /// Why there is no stream, if the channel has answered and there is none: the host answers by this then.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input<F>, now: UnixMillis) {
        if self.closed.is_some() {
            return;
        }
        match input {
            Input::Page(page) => self.page(page, now),
            Input::Entries(batch) if self.upstream == Upstream::Live => self.entries(batch, now),
            Input::Entries(_) => {}
            Input::Lost => self.lost(now),
            Input::GaveUp if self.cursor.is_none() => self.overloaded(CloseReason::Unavailable, now),
            Input::GaveUp => self.end_by_plan(CloseReason::Lost, now),
            Input::Full => self.overloaded(CloseReason::Full, now),
            Input::Backlog(bytes) => self.drained(bytes, now),
            Input::Bound(bytes) => self.backlog.bound = bytes.min(BACKLOG_BYTES),
            Input::Wake => self.wake(now),
            Input::ReaderGone => {
                self.outputs.clear();
                self.close(CloseReason::ReaderGone);
            }
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Output<F> {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        match self.closed {
            Some(reason) => Output::Close(reason),
            None => Output::WakeAt(self.wake_at()),
        }
    }

    fn wake_at(&self) -> UnixMillis {
        let down = match self.upstream {
            Upstream::Down { until } => Some(until),
            _ => None,
        };
        let held = self.held_since.map(|since| since + FILTER_CURSOR);
        let heartbeat = self.last_heard + self.config.heartbeat;
        let ends = [self.ends_at, self.patience.ends_at(), self.config.expires, self.stands_until()];
        [down, held, self.tick_due()].into_iter().chain(ends).flatten().fold(heartbeat, UnixMillis::min)
    }

    fn wake(&mut self, now: UnixMillis) {
        let due = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now);
        if due(self.config.expires) {
            self.tell_cursor(now);
            if self.dialect != Dialect::Bare {
                self.send_own(blocks::expired(), now);
            }
            return self.close(CloseReason::Expired);
        }
        if due(self.ends_at) {
            return self.end_by_plan(CloseReason::Rotated, now);
        }
        if due(self.patience.ends_at()) {
            return self.end_by_plan(CloseReason::Lost, now);
        }
        if due(self.stands_until()) {
            return self.close(CloseReason::TooSlow);
        }
        if matches!(self.upstream, Upstream::Down { until } if until <= now) {
            self.ask_again(false, now);
        }
        if self.closed.is_some() {
            return;
        }
        if due(self.held_since.map(|since| since + FILTER_CURSOR)) {
            if !self.backlog.is_low() {
                self.held_since = Some(now);
            } else {
                self.tell_cursor(now);
            }
        }
        if due(self.tick_due()) {
            self.tick(now);
        }
        if now.since(self.last_heard) >= self.config.heartbeat {
            self.heartbeat(now);
        }
    }

    /// The first block tells the cursor, so no tick is sent before the cursor is known.
    fn tick_due(&self) -> Option<UnixMillis> {
        self.cursor.and_then(|_| self.ticking.due())
    }

    /// Sends what the clock has made due.
    fn tick(&mut self, now: UnixMillis) {
        loop {
            match self.ticking.next(now, self.backlog.bytes, self.backlog.bound) {
                Due::Nothing => return,
                Due::AwaitDrain => return self.outputs.push_back(Output::AwaitDrain),
                Due::TooSlow => return self.close(CloseReason::TooSlow),
                Due::Blocks(blocks, None) => self.send_own(blocks, now),
                Due::Blocks(blocks, Some(upto)) => {
                    self.cursor = Some(upto);
                    self.announced = upto;
                    self.send_own(blocks, now);
                }
            }
        }
    }

    fn send_own(&mut self, block: Bytes, now: UnixMillis) {
        self.send(Chunk::Own(block), now);
    }

    fn send(&mut self, chunk: Chunk<F>, now: UnixMillis) {
        // Of names that a publisher chose nobody knows whether the page listens for them.
        if !(self.dialect == Dialect::Named && matches!(chunk, Chunk::Frame(_))) {
            self.last_heard = now;
        }
        let bytes = match &chunk {
            Chunk::Own(block) => block.len(),
            Chunk::Frame(frame) => frame.len(),
        };
        self.backlog.sent(bytes, now);
        self.outputs.push_back(Output::Send(chunk));
    }
}
