//! The stream that has opened the connection of its hub.

use std::time::Duration;

use super::Seat;
use crate::limits::HUB_OPENING;
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
