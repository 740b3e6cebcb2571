//! From the log to the sockets of the readers: gathered while the channel is busy, encoded once per filter.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ssedge::limits::{COALESCE_MAX, COALESCE_PER_READER, PAGE_BYTES};
use ssedge::log::{Batch, Entry, EntryId, Filter};
use ssedge::time::UnixMillis;
use worker::{Delay, State, WebSocket};

use crate::host;
use crate::link::{VERSION, pack};

/// Readers without a filter share a tag, so that a message is sent to them without looking at each.
pub const UNFILTERED: &str = "all";
pub const FILTERED: &str = "some";

/// Stored entries on their way to the readers.
#[derive(Default)]
pub struct FanOut {
    pending: RefCell<Vec<Entry>>,
    /// Bytes of the pending bodies: a frame is no longer than a page and one entry.
    bytes: Cell<usize>,
    /// The id before the first pending entry.
    after: Cell<Option<EntryId>>,
    /// Until then entries are gathered, so that a burst leaves as few frames.
    busy_until: Cell<Option<UnixMillis>>,
    armed: Cell<bool>,
}

impl FanOut {
    /// Takes an entry that is stored. It leaves once its sender is answered: at once when the channel is idle, with
    /// its neighbours when it is busy.
    pub fn push(self: Rc<Self>, state: &Rc<State>, entry: Entry, after: EntryId, now: UnixMillis) {
        if self.after.get().is_none() {
            self.after.set(Some(after));
        }
        self.bytes.set(self.bytes.get() + entry.bytes());
        self.pending.borrow_mut().push(entry);
        if self.bytes.get() >= PAGE_BYTES {
            self.flush(state, now);
        } else if !self.armed.replace(true) {
            let pause = self.busy_until.get().map_or(Duration::ZERO, |until| until.since(now));
            let state_of_timer = state.clone();
            state.wait_until(async move {
                Delay::from(pause).await;
                self.armed.set(false);
                self.flush(&state_of_timer, host::now());
            });
        }
    }

    /// Sends everything pending, encoded once per filter.
    pub fn flush(&self, state: &State, now: UnixMillis) {
        let Some(after) = self.after.take() else { return };
        let entries = self.pending.take();
        self.bytes.set(0);
        let mut frames = Frames { after, entries: &entries, by_filter: BTreeMap::new() };
        let unfiltered = state.get_websockets_with_tag(UNFILTERED);
        let filtered = state.get_websockets_with_tag(FILTERED);
        let readers = unfiltered.len() + filtered.len();
        for socket in unfiltered {
            frames.send(&socket, Filter::ALL);
        }
        for socket in filtered {
            match socket.deserialize_attachment() {
                Ok(Some((VERSION, filter))) => frames.send(&socket, filter),
                // It comes back with its cursor.
                _ => close(&socket),
            }
        }
        let busy = (COALESCE_PER_READER * u32::try_from(readers).unwrap_or(u32::MAX)).min(COALESCE_MAX);
        self.busy_until.set(Some(now + busy));
    }
}

/// One batch, as each kind of reader gets it. The same JS buffer goes to all sockets of a kind.
struct Frames<'a> {
    after: EntryId,
    entries: &'a [Entry],
    by_filter: BTreeMap<Filter, Option<js_sys::ArrayBuffer>>,
}

impl Frames<'_> {
    fn send(&mut self, socket: &WebSocket, filter: Filter) {
        let encode = |filter: &Filter| Batch::<Bytes>::encode(self.after, self.entries, filter);
        let frame = match self.by_filter.get(&filter) {
            Some(frame) => frame,
            None => {
                let frame = encode(&filter).map(|batch| pack(&batch).buffer());
                self.by_filter.entry(filter).or_insert(frame)
            }
        };
        if frame.as_ref().is_some_and(|frame| socket.as_ref().send_with_array_buffer(frame).is_err()) {
            close(socket);
        }
    }
}

/// A socket that takes nothing is one whose reader left, or comes back with its cursor.
fn close(socket: &WebSocket) {
    let _ = socket.close(Some(1011), Some("not delivered"));
}
