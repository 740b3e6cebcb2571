//! How a stream ends.

use super::{CloseReason, Dialect, Frame, Refusal, Session, Upstream, blocks};
use crate::limits::ROTATE_RETRY_MS;
use crate::log::{End, EntryId, Start};
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

    /// All that came before is sent.
    pub(super) fn end(&mut self, end: &End, now: UnixMillis) {
        if self.dialect != Dialect::Bare {
            self.send_own(blocks::end(end), now);
        }
        self.close(CloseReason::Ended);
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        self.upstream = Upstream::None;
        self.closed = Some(reason);
    }
}

/// Why a stream that starts so is not opened.
pub(crate) fn refusal(start: &Start, dialect: Dialect, only_open: bool) -> Option<Refusal> {
    let is_idle = start.standing.has_ended || start.standing.last == EntryId::BEGINNING;
    match &start.gap {
        _ if only_open && is_idle => Some(Refusal::Over),
        Some(gap) if dialect == Dialect::Bare => Some(Refusal::Gap(gap.clone(), start.after)),
        _ => start.is_over().then_some(Refusal::Over),
    }
}
