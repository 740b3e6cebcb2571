//! How a stream ends.

use super::{CloseReason, Frame, Session, Upstream, blocks};
use crate::limits::ROTATE_RETRY_MS;
use crate::time::UnixMillis;

impl<F: Frame> Session<F> {
    /// The reader comes back at once, and begins anew at its cursor.
    pub(super) fn end_by_plan(&mut self, reason: CloseReason, now: UnixMillis) {
        self.tell_cursor(now);
        let retry = self.chance.draw(ROTATE_RETRY_MS);
        self.send_own(blocks::retry(retry), now);
        self.close(reason);
    }

    pub(super) fn overloaded(&mut self, reason: CloseReason, now: UnixMillis) {
        let block = blocks::overloaded(&mut self.chance);
        self.send_own(block, now);
        self.close(reason);
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        self.upstream = Upstream::None;
        self.closed = Some(reason);
    }
}
