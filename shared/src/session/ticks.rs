//! What a stream sends by the clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::limits::{BACKLOG_LOW_BYTES, CLOCK_SKEW, PAGE_BYTES};
use crate::log::{EntryId, Gap, GapReason, Position, Start};
use crate::time::UnixMillis;

/// What a feed sends at every whole multiple of an interval.
pub trait Ticks: fmt::Debug + Send + Sync {
    /// The tick as whole blocks of an event stream. `skipped` ticks before it were not sent to this reader.
    ///
    /// If the ticks are replayed ([`Timetable::replay`]), the last block carries the tick's time in unix ms as its id, so
    /// that a tick counts as seen only when all of it was.
    fn blocks(&self, tick: UnixMillis, skipped: u64) -> Bytes;

    /// The tick as the items of a snapshot, each a line of JSON.
    fn items(&self, tick: UnixMillis) -> Vec<String> {
        let _ = tick;
        Vec::new()
    }
}

/// When ticks come, and what they are.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// The time between two ticks.
    pub interval: Duration,
    /// What is sent.
    pub ticks: Arc<dyn Ticks>,
    /// Where a reader begins whose cursors are times of ticks. `None`: ticks move no cursor, and the reader gets those
    /// from now on.
    pub replay: Option<Replay>,
}

/// The log of ticks that need none, because every one can be computed at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Where to begin, in ticks.
    pub position: Position,
    /// How many ticks back a cursor may be.
    pub kept: u32,
}

/// What is due.
pub(super) enum Due {
    Nothing,
    /// The reader must first take what it has.
    AwaitDrain,
    /// The reader does not take even ticks.
    TooSlow,
    /// These blocks, and where its cursor is then, if they move it.
    Blocks(Bytes, Option<EntryId>),
}

/// A [`Timetable`] at work.
#[derive(Debug)]
pub(super) enum Ticking {
    Never,
    /// From now on. A reader that is too slow for them is ended.
    Live {
        interval: Duration,
        ticks: Arc<dyn Ticks>,
        next: UnixMillis,
    },
    Replayed(Replayed),
}

#[derive(Debug)]
pub(super) struct Replayed {
    interval: Duration,
    ticks: Arc<dyn Ticks>,
    start: Start,
    next: UnixMillis,
    /// The reader gets every tick until it has once caught up with the clock.
    catching_up: bool,
    /// The newest tick that a slow reader was not sent, and how many came before it.
    behind: Option<(UnixMillis, u64)>,
    waits: bool,
}

impl Ticking {
    pub(super) fn new(timetable: Option<Timetable>, now: UnixMillis) -> Self {
        let Some(Timetable { interval, ticks, replay }) = timetable else { return Self::Never };
        let Some(replay) = replay else {
            return Self::Live { interval, ticks, next: now.floor(interval) + interval };
        };
        let start = replay.start(interval, now);
        let next = UnixMillis(start.after.get()).floor(interval) + interval;
        let catching_up = next <= now;
        Self::Replayed(Replayed { interval, ticks, start, next, catching_up, behind: None, waits: false })
    }

    /// Where replayed ticks start. Of any other stream its channel decides.
    pub(super) fn start(&self) -> Start {
        match self {
            Self::Replayed(replayed) => replayed.start.clone(),
            Self::Never | Self::Live { .. } => Start::at(EntryId::BEGINNING),
        }
    }

    /// Whether ticks move the cursor.
    pub(super) const fn has_cursors(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }

    pub(super) fn due(&self) -> Option<UnixMillis> {
        match self {
            Self::Never => None,
            Self::Live { next, .. } => Some(*next),
            Self::Replayed(replayed) => {
                (!replayed.waits || replayed.behind.is_some()).then_some(replayed.next)
            }
        }
    }

    /// Whether a tick waits until the reader has taken what it was sent.
    pub(super) const fn waits(&self) -> bool {
        matches!(self, Self::Replayed(replayed) if replayed.waits)
    }

    pub(super) fn next(&mut self, now: UnixMillis, backlog: usize, bound: usize) -> Due {
        match self {
            Self::Never => Due::Nothing,
            Self::Live { next, .. } if *next > now => Due::Nothing,
            Self::Live { .. } if backlog > bound => Due::TooSlow,
            Self::Live { interval, ticks, next } => {
                let tick = now.floor(*interval);
                *next = tick + *interval;
                Due::Blocks(ticks.blocks(tick, 0), None)
            }
            Self::Replayed(replayed) => replayed.next(now, backlog, bound),
        }
    }
}

impl Replayed {
    fn next(&mut self, now: UnixMillis, backlog: usize, bound: usize) -> Due {
        let drained = backlog <= BACKLOG_LOW_BYTES;
        if self.next <= now && !self.catching_up && (backlog > bound || self.behind.is_some()) {
            self.fall_behind(now);
        }
        match self.behind {
            Some((tick, skipped)) if drained => {
                (self.behind, self.waits) = (None, false);
                return self.due(tick, self.ticks.blocks(tick, skipped));
            }
            Some(_) => return self.wait(),
            None => self.waits = false,
        }
        if self.next > now {
            self.catching_up = false;
            return Due::Nothing;
        }
        // A host that stood still makes many ticks due at once: they go out as fast as the reader takes them.
        self.catching_up |= self.next + self.interval <= now;
        if self.catching_up && !drained {
            return self.wait();
        }
        let mut blocks = Vec::new();
        let mut tick = self.next;
        while self.next <= now && blocks.len() < PAGE_BYTES {
            tick = self.next;
            blocks.extend_from_slice(&self.ticks.blocks(tick, 0));
            self.next = tick + self.interval;
        }
        self.due(tick, blocks.into())
    }

    fn fall_behind(&mut self, now: UnixMillis) {
        let newest = now.floor(self.interval);
        let passed = newest.since(self.next).as_millis() / self.interval.as_millis().max(1);
        let before = self.behind.map_or(0, |(_, skipped)| skipped + 1);
        self.behind = Some((newest, before + u64::try_from(passed).unwrap_or(u64::MAX)));
        self.next = newest + self.interval;
    }

    /// Asks once to be told when the reader has taken what it has.
    const fn wait(&mut self) -> Due {
        if self.waits {
            return Due::Nothing;
        }
        self.waits = true;
        Due::AwaitDrain
    }

    fn due(&self, tick: UnixMillis, blocks: Bytes) -> Due {
        Due::Blocks(blocks, Some(EntryId::new(tick.0).unwrap_or(self.start.after)))
    }
}

impl Replay {
    /// The replay decision for ticks, of which the last `kept` are kept.
    fn start(&self, interval: Duration, now: UnixMillis) -> Start {
        let id = |tick: UnixMillis| EntryId::new(tick.0).unwrap_or(EntryId::BEGINNING);
        let (live, oldest) = (now.floor(interval), now.floor(interval) - interval * self.kept);
        let gap =
            |requested, reason, after| Start { gap: Some(Gap { reason, requested }), ..Start::at(id(after)) };
        match &self.position {
            Position::History(ticks) => Start::at(id(live - interval * (*ticks).min(self.kept))),
            Position::After(cursor) if *cursor < id(oldest) => {
                gap((*cursor).into(), GapReason::Expired, oldest)
            }
            // Another instance, whose clock is a little ahead, may have sent the cursor.
            Position::After(cursor) if *cursor <= id(now + CLOCK_SKEW) => Start::at(*cursor),
            Position::After(cursor) => gap((*cursor).into(), GapReason::Unknown, live),
            Position::Unreadable(requested) => gap(requested.clone(), GapReason::Unknown, live),
        }
    }
}
