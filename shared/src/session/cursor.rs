//! How a stream tells its reader where it stands.

use bytes::Bytes;

use super::{Dialect, Frame, Session, blocks};
use crate::log::EntryId;
use crate::sse::HEARTBEAT;
use crate::time::UnixMillis;

impl<F: Frame> Session<F> {
    /// Moves the reader's cursor past what its filter held back.
    pub(super) fn tell_cursor(&mut self, now: UnixMillis) {
        self.held_since = None;
        if let Some(cursor) = self.cursor.filter(|cursor| *cursor != self.announced) {
            self.send_cursor(cursor, now);
        }
    }

    fn send_cursor(&mut self, cursor: EntryId, now: UnixMillis) {
        (self.announced, self.held_since) = (cursor, None);
        self.send_own(blocks::cursor(cursor, self.config.heartbeat, self.dialect), now);
    }

    /// Breaks a silence with the cursor, because an `EventSource` hides comments from its page. A stream of ticks alone has no
    /// cursor, and one that is bare names no event, so they get a comment.
    pub(super) fn heartbeat(&mut self, now: UnixMillis) {
        match self.cursor {
            Some(cursor) if self.backlog.is_low() => {
                let has_cursors = self.subscribe.is_some() || self.ticking.has_cursors();
                if has_cursors && self.dialect != Dialect::Bare {
                    self.send_cursor(cursor, now);
                } else {
                    self.send_own(Bytes::from_static(HEARTBEAT), now);
                }
            }
            _ => self.last_heard = now,
        }
    }
}
