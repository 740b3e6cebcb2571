//! How long and how often a stream asks its channel.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::chance::Chance;
use crate::limits::{CHANNEL_PATIENCE_MS, RESUBSCRIBE_MS, STREAM_QUESTIONS};
use crate::time::UnixMillis;

/// What a stream has asked so far, and since when in vain.
#[derive(Debug)]
pub(super) struct Patience {
    questions: u32,
    backoff: Backoff,
    ends_at: Option<UnixMillis>,
}

impl Patience {
    pub(super) const fn new() -> Self {
        Self { questions: 0, backoff: Backoff::new(RESUBSCRIBE_MS), ends_at: None }
    }

    /// Counts a question; `false` if there may be no more.
    pub(super) const fn ask(&mut self) -> bool {
        let may = self.questions < STREAM_QUESTIONS;
        self.questions += may as u32;
        may
    }

    /// The channel answered.
    pub(super) const fn answered(&mut self) {
        self.backoff.reset();
        self.ends_at = None;
    }

    /// The channel was lost; says when to ask again.
    pub(super) fn lost(&mut self, chance: &mut Chance, now: UnixMillis) -> Duration {
        if self.ends_at.is_none() {
            self.ends_at = Some(now + chance.draw(CHANNEL_PATIENCE_MS));
        }
        self.backoff.pause(chance)
    }

    /// When a lost channel is given up.
    pub(super) const fn ends_at(&self) -> Option<UnixMillis> {
        self.ends_at
    }
}
