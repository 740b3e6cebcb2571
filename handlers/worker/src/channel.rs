//! The Durable Object: one channel, its log, and the sockets of its readers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ssedge::channel::{Batch, Entry, EntryId, Filter, Subscribe};
use ssedge::limits::{COALESCE_MAX, COALESCE_PER_READER, PAGE_BYTES};
use ssedge::time::UnixMillis;
use worker::{
    Delay, DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    WebSocketPair, durable_object,
};

use crate::link::{Command, PageHead, Stored, command, pack};
use crate::log::Log;
use crate::{PAGE_HEADER, host};

/// Readers without a filter share a tag, so that a message is sent to them without looking at each.
const UNFILTERED: &str = "all";
const FILTERED: &str = "some";

/// One channel. It holds no timer while nothing happens, so it hibernates under its open sockets.
#[durable_object]
pub struct Channel {
    state: Rc<State>,
    log: Result<Log>,
    fan_out: Rc<FanOut>,
}

/// Stored entries on their way to the readers.
#[derive(Default)]
struct FanOut {
    pending: RefCell<Vec<Entry>>,
    /// Bytes of the pending bodies: a frame is no longer than a page and one entry.
    bytes: Cell<usize>,
    /// The id before the first pending entry.
    after: Cell<Option<EntryId>>,
    /// Until then entries are gathered, so that a burst leaves as few frames.
    busy_until: Cell<Option<UnixMillis>>,
    armed: Cell<bool>,
}

impl DurableObject for Channel {
    fn new(state: State, env: Env) -> Self {
        let settings = host::settings(&env).map_err(|bad| worker::Error::RustError(bad.to_string()));
        let log = settings.map(|settings| Log::new(state.storage().sql(), settings.retention));
        Self { state: Rc::new(state), log, fan_out: Rc::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let log = self.log()?;
        let now = host::now();
        match command(&mut request).await? {
            Command::Append(draft) => {
                let stored = log.append(draft, now)?;
                let answer = Stored { id: stored.entry.id, body: stored.entry.body.clone() };
                // Before anything is awaited, so that entries are sent in the order of the log.
                self.fan_out.clone().push(&self.state, stored.entry, stored.after, now);
                if stored.begins_run {
                    self.state.storage().set_alarm((now + log.age()).0.cast_signed()).await?;
                }
                Response::from_json(&answer)
            }
            Command::Read(subscribe) => Response::from_json(&log.read(&subscribe, now)?),
            Command::Entry(id) => Response::from_json(&log.entry(id, now)?),
            Command::Start(subscribe) => Response::from_json(&log.start(&subscribe, now)?),
            Command::Subscribe(subscribe) => self.subscribe(log, &subscribe, now),
        }
    }

    async fn websocket_message(&self, socket: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        socket.close(Some(1008), Some("readers do not speak"))
    }

    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        // The other side may already count as closed.
        let _ = socket.close::<&str>(None, None);
        Ok(())
    }

    async fn websocket_error(&self, _: WebSocket, _: worker::Error) -> Result<()> {
        Ok(())
    }

    /// Frees the space of a channel that has fallen silent.
    async fn alarm(&self) -> Result<Response> {
        if let Some(at) = self.log()?.expire(host::now())? {
            self.state.storage().set_alarm(at.0.cast_signed()).await?;
        }
        Response::ok("")
    }
}

impl Channel {
    fn log(&self) -> Result<&Log> {
        self.log.as_ref().map_err(|e| worker::Error::RustError(e.to_string()))
    }

    fn subscribe(&self, log: &Log, subscribe: &Subscribe, now: UnixMillis) -> Result<Response> {
        // What is pending is in the log already: with it sent, the page and the live frames join without overlap.
        self.fan_out.flush(&self.state, now);
        let page = log.page(subscribe, now)?;
        let head = serde_json::to_string(&PageHead { start: page.start, more: page.more })?;
        // A requested cursor may be any text, and a header may not.
        let head: String = form_urlencoded::byte_serialize(head.as_bytes()).collect();
        let first = page.batch.as_ref().map(pack);
        let mut response = if page.more {
            Response::from_bytes(first.map_or_else(Vec::new, |bytes| bytes.to_vec()))?
        } else {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            let tag = if subscribe.filter == Filter::ALL { UNFILTERED } else { FILTERED };
            self.state.accept_websocket_with_tags(&server, &[tag]);
            server.serialize_attachment(&subscribe.filter)?;
            if let Some(first) = first {
                server.as_ref().send_with_array_buffer(&first.buffer())?;
            }
            Response::from_websocket(client)?
        };
        response.headers_mut().set(PAGE_HEADER, &head)?;
        Ok(response)
    }
}

impl FanOut {
    /// Takes an entry that is stored. It leaves once its sender is answered: at once when the channel is idle, with
    /// its neighbours when it is busy.
    fn push(self: Rc<Self>, state: &Rc<State>, entry: Entry, after: EntryId, now: UnixMillis) {
        if self.after.get().is_none() {
            self.after.set(Some(after));
        }
        self.bytes.set(self.bytes.get() + entry.body.len());
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
    fn flush(&self, state: &State, now: UnixMillis) {
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
                Ok(Some(filter)) => frames.send(&socket, filter),
                // It comes back with its cursor.
                Ok(None) | Err(_) => close(&socket),
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
