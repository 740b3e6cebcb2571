//! From the log to the hubs: gathered while they are busy, encoded once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ssedge::hub::{Gather, News};
use ssedge::limits::PAGE_BYTES;
use ssedge::log::{Entry, EntryId};
use ssedge::store::sql::NewEntries;
use ssedge::time::UnixMillis;
use worker::{Delay, State, WebSocket};

use crate::frame::{VERSION, message};
use crate::host;

/// The tag of the sockets whose hubs are of this version.
pub fn tag() -> String {
    format!("hub-{VERSION}")
}

/// Stored entries on their way to the hubs.
#[derive(Default)]
pub struct FanOut {
    pending: RefCell<Pending>,
    gather: Cell<Gather>,
    /// When they are looked at next.
    armed: Cell<Option<UnixMillis>>,
}

/// Entries of one run.
#[derive(Default)]
struct Pending {
    entries: Vec<Entry>,
    /// Of their bodies: a frame is no longer than a page and one entry.
    bytes: usize,
    run: EntryId,
    /// The id before the first one.
    after: EntryId,
    age: Duration,
}

impl FanOut {
    /// Takes entries that are stored. They leave at once if the hubs are idle, with their neighbours if they are busy. The
    /// platform lets them out when the write is safe, as it does the answer to its sender.
    pub fn push(self: &Rc<Self>, state: &Rc<State>, new: NewEntries, now: UnixMillis) {
        if self.pending.borrow().run != new.run {
            self.flush(state, now);
        }
        let bytes = {
            let mut pending = self.pending.borrow_mut();
            if pending.entries.is_empty() {
                (pending.run, pending.after, pending.bytes) = (new.run, new.after, 0);
            }
            pending.age = new.age;
            pending.bytes += new.entries.iter().map(Entry::bytes).sum::<usize>();
            pending.entries.extend(new.entries);
            pending.bytes
        };
        if bytes >= PAGE_BYTES || self.gather.get().pause(now).is_zero() {
            self.flush(state, now);
        } else {
            self.arm(state, now);
        }
    }

    /// Sends everything pending.
    pub fn flush(&self, state: &State, now: UnixMillis) {
        let Pending { entries, run, after, age, .. } = self.pending.take();
        let Some(news) = News::encode(run, after, age, &entries) else { return };
        let mut gather = self.gather.get();
        let message = message(&news, gather.sent(now)).buffer();
        self.gather.set(gather);
        for socket in state.get_websockets_with_tag(&tag()) {
            if socket.as_ref().send_with_array_buffer(&message).is_err() {
                close(&socket);
            }
        }
    }

    /// A hub has delivered what was sent to it.
    pub fn answered(self: &Rc<Self>, state: &Rc<State>, now: UnixMillis) {
        let mut gather = self.gather.get();
        gather.answered(now);
        self.gather.set(gather);
        if !self.pending.borrow().entries.is_empty() {
            self.arm(state, now);
        }
    }

    /// Looks at what is pending when the hubs may be idle.
    fn arm(self: &Rc<Self>, state: &Rc<State>, now: UnixMillis) {
        let pause = self.gather.get().pause(now);
        let at = now + pause;
        if self.armed.get().is_some_and(|armed| armed <= at) {
            return;
        }
        self.armed.set(Some(at));
        let (fan_out, state_of_timer) = (self.clone(), state.clone());
        state.wait_until(async move {
            Delay::from(pause).await;
            fan_out.look(&state_of_timer, at, host::now());
        });
    }

    fn look(self: &Rc<Self>, state: &Rc<State>, armed: UnixMillis, now: UnixMillis) {
        if self.armed.get() != Some(armed) {
            return;
        }
        self.armed.set(None);
        if self.gather.get().pause(now).is_zero() {
            self.flush(state, now);
        } else if !self.pending.borrow().entries.is_empty() {
            self.arm(state, now);
        }
    }
}

/// The hub of a socket that takes nothing comes back from where it stands.
pub fn close(socket: &WebSocket) {
    let _ = socket.close(Some(1011), Some("not delivered"));
}
