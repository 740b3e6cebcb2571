//! How long and how often a stream asks its channel.

use std::time::Duration;

use super::rng::Rng;
use crate::limits::{CHANNEL_PATIENCE_MS, RESUBSCRIBE_MS, STREAM_QUESTIONS};
use crate::time::UnixMillis;

/// What a stream has asked so far, and since when in vain.
#[derive(Debug, Default)]
pub(super) struct Patience {
    questions: u32,
    /// How often in a row the channel was lost.
    losses: u32,
    ends_at: Option<UnixMillis>,
}

impl Patience {
    /// Counts a question; `false` if there may be no more.
    pub(super) const fn ask(&mut self) -> bool {
        let may = self.questions < STREAM_QUESTIONS;
        self.questions += may as u32;
        may
    }

    /// The channel answered.
    pub(super) const fn answered(&mut self) {
        (self.losses, self.ends_at) = (0, None);
    }

    /// The channel was lost; says when to ask again.
    pub(super) fn lost(&mut self, rng: &mut Rng, now: UnixMillis) -> Duration {
        if self.ends_at.is_none() {
            self.ends_at = Some(now + rng.draw(CHANNEL_PATIENCE_MS));
        }
        let ceiling = RESUBSCRIBE_MS.start().saturating_mul(1 << self.losses.min(16));
        self.losses += 1;
        rng.draw(0..=ceiling.min(*RESUBSCRIBE_MS.end()))
    }

    /// When a lost channel is given up.
    pub(super) const fn ends_at(&self) -> Option<UnixMillis> {
        self.ends_at
    }
}
