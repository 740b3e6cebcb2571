//! What a stream takes from its channel, and when it asks for more.

use super::{CloseReason, Dialect, Frame, Session, blocks, refusal};
use crate::log::{Batch, Page, Position, Start, Subscribe};
use crate::session::{Chunk, Output, WhenSlow};
use crate::time::UnixMillis;

/// Where the session stands with its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upstream {
    /// It has none.
    None,
    /// It asked and waits for the page.
    Asked,
    /// It is subscribed.
    Live,
    /// It asks again when the reader has taken what it has, for the newest of each key only, or for all.
    Draining { newest: bool },
    /// It lost the channel and asks again then.
    Down { until: UnixMillis },
}

impl<F: Frame> Session<F> {
    pub(super) fn ask(&mut self, subscribe: Subscribe, now: UnixMillis) {
        if !self.patience.ask() {
            return self.end_by_plan(CloseReason::Questions, now);
        }
        self.upstream = Upstream::Asked;
        self.outputs.push_back(Output::Subscribe(subscribe));
    }

    /// Asks for what follows the cursor.
    pub(super) fn ask_again(&mut self, newest: bool, now: UnixMillis) {
        let Some(subscribe) = self.subscribe.clone() else { return };
        let position = match self.cursor {
            Some(cursor) => Position::After(cursor),
            None => subscribe.position,
        };
        self.ask(Subscribe { position, newest, ..subscribe }, now);
    }

    pub(super) fn page(&mut self, page: Page<F>, now: UnixMillis) {
        if self.upstream != Upstream::Asked {
            return;
        }
        self.patience.answered();
        self.upstream = Upstream::Live;
        let after = page.start.after;
        match (self.cursor, &page.start.gap) {
            (None, _) => {
                self.refusal = refusal(&page.start, self.dialect, self.only_open);
                if self.refusal.is_some() {
                    return self.close(CloseReason::Refused);
                }
                self.begin(&page.start, now);
            }
            (Some(_), Some(_)) if self.backlog.is_over() => return self.too_slow(now),
            // The reader is told when it comes back.
            (Some(_), Some(_)) if self.dialect == Dialect::Bare => {
                return self.end_by_plan(CloseReason::Lost, now);
            }
            (Some(_), Some(gap)) => {
                self.send_own(blocks::gap(gap, after), now);
                self.announced = after;
            }
            (Some(_), None) => {}
        }
        self.cursor = Some(after);
        if let Some(batch) = page.batch {
            self.append(batch, now);
        }
        if page.more && self.upstream == Upstream::Live {
            self.upstream = Upstream::Draining { newest: false };
            self.await_drain(now);
        }
    }

    pub(super) fn begin(&mut self, start: &Start, now: UnixMillis) {
        let retry = self.chance.around(self.config.retry);
        self.starts_after = Some(start.after);
        self.cursor = self.starts_after;
        self.announced = start.after;
        self.send_own(blocks::opening(retry, start, self.config.heartbeat, self.dialect), now);
    }

    /// Takes news that follow the cursor. If others come, something is missing before them, and only the channel can say what.
    /// That is so at the beginning of a run, too: the end of the run before may have been lost.
    pub(super) fn entries(&mut self, batch: Batch<F>, now: UnixMillis) {
        let known = self.cursor.is_some_and(|cursor| batch.upto <= cursor);
        if self.cursor == Some(batch.after) {
            self.append(batch, now);
        } else if !known {
            self.outputs.push_back(Output::Unsubscribe);
            self.ask_again(false, now);
        }
    }

    fn append(&mut self, batch: Batch<F>, now: UnixMillis) {
        if batch.frame.is_some() && self.backlog.is_over() {
            return self.too_slow(now);
        }
        if let Some(frame) = batch.frame {
            self.announced = batch.shown;
            self.send(Chunk::Frame(frame), now);
        }
        if let Some(end) = &batch.end {
            return self.end(end, now);
        }
        self.cursor = Some(batch.upto);
        self.held_since = (self.announced < batch.upto).then(|| self.held_since.unwrap_or(now));
    }

    pub(super) fn too_slow(&mut self, now: UnixMillis) {
        if self.when_slow == WhenSlow::Newest {
            self.outputs.push_back(Output::Unsubscribe);
            self.upstream = Upstream::Draining { newest: true };
            self.await_drain(now);
        } else {
            self.close(CloseReason::TooSlow);
        }
    }

    pub(super) fn lost(&mut self, now: UnixMillis) {
        if self.cursor.is_none() {
            self.overloaded(CloseReason::Unavailable, now);
        } else if matches!(self.upstream, Upstream::Asked | Upstream::Live) {
            let pause = self.patience.lost(&mut self.chance, now);
            self.upstream = Upstream::Down { until: now + pause };
        }
    }

    fn await_drain(&mut self, now: UnixMillis) {
        if self.backlog.is_low() {
            self.drained(self.backlog.bytes, now);
        } else {
            self.outputs.push_back(Output::AwaitDrain);
        }
    }

    pub(super) fn drained(&mut self, bytes: usize, now: UnixMillis) {
        self.backlog.update(bytes, now);
        if !self.backlog.is_low() {
            return;
        }
        if let Upstream::Draining { newest } = self.upstream {
            self.ask_again(newest, now);
        }
        if self.closed.is_none() && self.ticking.waits() {
            self.tick(now);
        }
    }
}
