//! What waits for the reader of a stream.

use super::{Session, Upstream};
use crate::limits::{BACKLOG_BYTES, BACKLOG_LOW_BYTES, STANDSTILL};
use crate::time::UnixMillis;

/// The bytes that are with the transport and not yet with the reader.
#[derive(Debug)]
pub(super) struct Backlog {
    pub bytes: usize,
    /// The most that may wait before the reader is sent more.
    pub bound: usize,
    /// When the reader last took something, or had little to take.
    taken_at: UnixMillis,
}

impl Backlog {
    pub const fn new(now: UnixMillis) -> Self {
        Self { bytes: 0, bound: BACKLOG_BYTES, taken_at: now }
    }

    pub const fn is_low(&self) -> bool {
        self.bytes <= BACKLOG_LOW_BYTES
    }

    pub const fn is_over(&self) -> bool {
        self.bytes > self.bound
    }

    /// The transport tells how much there is.
    pub const fn update(&mut self, bytes: usize, now: UnixMillis) {
        if bytes < self.bytes || bytes <= BACKLOG_LOW_BYTES {
            self.taken_at = now;
        }
        self.bytes = bytes;
    }

    pub const fn sent(&mut self, bytes: usize, now: UnixMillis) {
        if self.is_low() {
            self.taken_at = now;
        }
        self.bytes += bytes;
    }
}

impl<F> Session<F> {
    /// When a reader that catches up and takes nothing has stood still for too long. One that is live is ended when its
    /// backlog is over the bound, but nothing new comes to one that catches up.
    pub(super) fn stands_until(&self) -> Option<UnixMillis> {
        let catches_up = matches!(self.upstream, Upstream::Draining { newest: false });
        catches_up.then(|| self.backlog.taken_at + STANDSTILL)
    }
}
