//! The end of a stream, which keeps its admission until its reader has all of it.

use ssedge::limits::STANDSTILL;
use ssedge::session::{CloseReason, Input};
use ssedge::settings::LogLevel;

use super::Stream;
use crate::frame::JsFrame;
use crate::host;

impl Stream {
    pub(super) fn end(&self, reason: CloseReason) {
        host::log(self.log_level, LogLevel::Info, &format!("a stream ended: {reason}"));
        self.timer.cancel();
        // A request that is over never wakes what still waits in it.
        for asked in [self.asked.take(), self.opening.take()].into_iter().flatten() {
            asked.abort();
        }
        // The next owner of the hub opens a connection of its own.
        drop(self.connection.take());
        drop(self.place.take());
        match self.body.backlog() {
            0 => self.leave(),
            _ if reason == CloseReason::ReaderGone => self.leave(),
            backlog => self.wait_for_reader(backlog),
        }
    }

    /// Keeps its admission, since what was sent takes room until the reader has it.
    fn wait_for_reader(&self, backlog: usize) {
        self.ending.set(Some(backlog));
        self.body.await_drain(0);
        self.wake_at(host::now() + STANDSTILL);
    }

    /// Takes what happens after the session is over.
    pub(super) fn finish(&self, input: &Input<JsFrame>, left: usize) {
        let backlog = self.body.backlog();
        match input {
            Input::ReaderGone => self.leave(),
            _ if backlog == 0 => self.leave(),
            Input::Wake if backlog == left => {
                self.body.abort();
                self.leave();
            }
            Input::Wake => self.wait_for_reader(backlog),
            _ => {}
        }
    }

    fn leave(&self) {
        self.timer.cancel();
        drop(self.admission.take());
        self.body.close();
        drop(self.callbacks.take());
    }
}
