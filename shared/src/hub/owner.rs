//! The stream that has opened the connection of its hub.

use std::time::Duration;

use super::{Block, Hub, Seat};
use crate::limits::{HUB_DELIVERIES, HUB_OPENING};
use crate::time::UnixMillis;

#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub seat: Seat,
    /// By when its connection is to be open; `None` once it is.
    pub opens_by: Option<UnixMillis>,
    pub alive_at: UnixMillis,
    /// How many batches it has handed to members.
    pub deliveries: u32,
}

impl Owner {
    /// One that is about to open it.
    pub(super) fn new(seat: Seat, now: UnixMillis) -> Self {
        Self { seat, opens_by: Some(now + HUB_OPENING), alive_at: now, deliveries: 0 }
    }

    pub(super) fn delivered(&mut self, batches: usize) {
        self.deliveries = self.deliveries.saturating_add(u32::try_from(batches).unwrap_or(u32::MAX));
    }

    /// Whether the platform seems to have stopped it.
    pub(super) fn is_silent(&self, silence: Duration, now: UnixMillis) -> bool {
        now.since(self.alive_at) >= silence || self.opens_by.is_some_and(|by| by <= now)
    }
}

impl<F: Block, M: Clone> Hub<F, M> {
    /// Whether the owner has worked so much for others that another member should.
    #[must_use]
    pub fn is_tired(&self, seat: Seat) -> bool {
        self.members.len() > 1
            && self.owner.is_some_and(|owner| owner.seat == seat && owner.deliveries >= HUB_DELIVERIES)
    }

    /// Makes the next member the owner, in turn. It is to open a connection.
    pub fn hand_over(&mut self, seat: Seat, now: UnixMillis) -> Option<M> {
        self.owner = None;
        let next = self.members.range(Seat(seat.0 + 1)..).next().or_else(|| self.members.iter().next());
        let (next, handle) = next.map(|(next, member)| (*next, member.handle.clone()))?;
        self.own(next, now);
        Some(handle)
    }

    /// Forgets a channel that had ended. Who asks next opens a connection.
    pub(super) fn begin_anew(&mut self) {
        (self.recent, self.owner) = (None, None);
    }

    pub(super) fn own(&mut self, seat: Seat, now: UnixMillis) {
        self.owner = Some(Owner::new(seat, now));
    }
}
