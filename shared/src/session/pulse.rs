//! What a stream sends by the clock: ticks, and the quotes of the simulated market.

use std::time::Duration;

use bytes::Bytes;

use crate::events;
use crate::limits::{BACKLOG_LOW_BYTES, CLOCK_SKEW, PAGE_BYTES, STOCK_TICKS};
use crate::log::{EntryId, Gap, GapReason, Position, Requested, Start};
use crate::stock::{Symbol, market_tick};
use crate::time::UnixMillis;

/// What comes by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing.
    None,
    /// A tick on every whole multiple of the interval.
    Clock(Duration),
    /// The quotes of these symbols on every whole multiple of the interval. Its cursors are tick times.
    Market {
        /// What is quoted.
        symbols: Vec<Symbol>,
        /// The time between two ticks.
        interval: Duration,
        /// Where to begin, in ticks.
        position: Position,
    },
}

/// What is due.
pub(super) enum Beat {
    Nothing,
    /// The reader must first take what it has.
    AwaitDrain,
    /// The reader does not take even ticks.
    TooSlow,
    Block(Bytes),
    Quotes {
        upto: EntryId,
        block: Bytes,
    },
}

/// A [`Pulse`] at work.
#[derive(Debug)]
pub(super) enum Beats {
    None,
    Clock { interval: Duration, next: UnixMillis },
    Market(Market),
}

#[derive(Debug)]
pub(super) struct Market {
    symbols: Vec<Symbol>,
    interval: Duration,
    start: Start,
    next: UnixMillis,
    /// The reader gets every tick until it has once caught up with the clock.
    catching_up: bool,
    /// The newest tick that a slow reader was not sent, and how many came before it.
    behind: Option<(UnixMillis, u64)>,
    waits: bool,
}

impl Beats {
    pub(super) fn new(pulse: Pulse, now: UnixMillis) -> Self {
        match pulse {
            Pulse::None => Self::None,
            Pulse::Clock(interval) => Self::Clock { interval, next: now.floor(interval) + interval },
            Pulse::Market { symbols, interval, position } => {
                let start = market_start(&position, interval, now);
                let next = UnixMillis(start.after.get()).floor(interval) + interval;
                let catching_up = next <= now;
                Self::Market(Market {
                    symbols,
                    interval,
                    start,
                    next,
                    catching_up,
                    behind: None,
                    waits: false,
                })
            }
        }
    }

    /// Where the market starts; of the others the channel decides.
    pub(super) fn start(&self) -> Start {
        match self {
            Self::Market(market) => market.start.clone(),
            Self::None | Self::Clock { .. } => Start::at(EntryId::BEGINNING),
        }
    }

    /// Whether what comes by the clock moves the cursor.
    pub(super) const fn have_cursors(&self) -> bool {
        matches!(self, Self::Market(_))
    }

    pub(super) fn due(&self) -> Option<UnixMillis> {
        match self {
            Self::None => None,
            Self::Clock { next, .. } => Some(*next),
            Self::Market(market) => (!market.waits || market.behind.is_some()).then_some(market.next),
        }
    }

    /// Whether something is held until the reader has taken what it has.
    pub(super) const fn waits(&self) -> bool {
        matches!(self, Self::Market(market) if market.waits)
    }

    pub(super) fn next(&mut self, now: UnixMillis, backlog: usize, bound: usize) -> Beat {
        match self {
            Self::None => Beat::Nothing,
            Self::Clock { next, .. } if *next > now => Beat::Nothing,
            Self::Clock { .. } if backlog > bound => Beat::TooSlow,
            Self::Clock { interval, next } => {
                let tick = now.floor(*interval);
                *next = tick + *interval;
                Beat::Block(events::tick(tick))
            }
            Self::Market(market) => market.next(now, backlog, bound),
        }
    }
}

impl Market {
    fn next(&mut self, now: UnixMillis, backlog: usize, bound: usize) -> Beat {
        let drained = backlog <= BACKLOG_LOW_BYTES;
        if self.next <= now && !self.catching_up && (backlog > bound || self.behind.is_some()) {
            self.fall_behind(now);
        }
        match self.behind {
            Some((tick, skipped)) if drained => {
                (self.behind, self.waits) = (None, false);
                return self.quotes(tick, market_tick(&self.symbols, tick, skipped));
            }
            Some(_) => return self.wait(),
            None => self.waits = false,
        }
        if self.next > now {
            self.catching_up = false;
            return Beat::Nothing;
        }
        // A host that stood still makes many ticks due at once: they go out as fast as the reader takes them.
        self.catching_up |= self.next + self.interval <= now;
        if self.catching_up && !drained {
            return self.wait();
        }
        let mut block = Vec::new();
        let mut tick = self.next;
        while self.next <= now && block.len() < PAGE_BYTES {
            tick = self.next;
            block.extend_from_slice(&market_tick(&self.symbols, tick, 0));
            self.next = tick + self.interval;
        }
        self.quotes(tick, block.into())
    }

    fn fall_behind(&mut self, now: UnixMillis) {
        let newest = now.floor(self.interval);
        let passed = newest.since(self.next).as_millis() / self.interval.as_millis().max(1);
        let before = self.behind.map_or(0, |(_, skipped)| skipped + 1);
        self.behind = Some((newest, before + u64::try_from(passed).unwrap_or(u64::MAX)));
        self.next = newest + self.interval;
    }

    /// Asks once to be told when the reader has taken what it has.
    const fn wait(&mut self) -> Beat {
        if self.waits {
            return Beat::Nothing;
        }
        self.waits = true;
        Beat::AwaitDrain
    }

    fn quotes(&self, tick: UnixMillis, block: Bytes) -> Beat {
        Beat::Quotes { upto: EntryId::new(tick.0).unwrap_or(self.start.after), block }
    }
}

/// The replay decision of the simulated market, whose log is the function itself: its last
/// [`STOCK_TICKS`] ticks are kept.
fn market_start(position: &Position, interval: Duration, now: UnixMillis) -> Start {
    let id = |tick: UnixMillis| EntryId::new(tick.0).unwrap_or(EntryId::BEGINNING);
    let live = now.floor(interval);
    let requested = match position {
        Position::History(ticks) => return Start::at(id(live - interval * (*ticks).min(STOCK_TICKS))),
        Position::After(requested) => requested,
    };
    let oldest = live - interval * STOCK_TICKS;
    let gap = |reason, after| {
        let requested: Requested = requested.clone();
        Start { after: id(after), gap: Some(Gap { reason, requested }) }
    };
    match requested.id() {
        Some(cursor) if cursor < id(oldest) => gap(GapReason::Expired, oldest),
        // Another instance, whose clock is a little ahead, may have sent the cursor.
        Some(cursor) if cursor <= id(now + CLOCK_SKEW) => Start::at(cursor),
        _ => gap(GapReason::Unknown, live),
    }
}
