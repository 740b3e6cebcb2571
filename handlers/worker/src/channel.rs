//! The Durable Object: one channel, its log, and the sockets of its readers.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ssedge::access::Sender;
use ssedge::log::{Filter, Subscribe};
use ssedge::route::Deployment;
use ssedge::settings::{LogLevel, Settings};
use ssedge::store::sql::{self, NewEntry};
use ssedge::store::{Post, Receipt};
use ssedge::time::UnixMillis;
use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    durable_object,
};

use crate::fan_out::{FILTERED, FanOut, UNFILTERED};
use crate::link::{Command, PageHead, VERSION, VERSION_HEADER, command, pack};
use crate::storage::{Alarm, Sqlite};
use crate::{PAGE_HEADER, host};

/// One channel. It holds no timer while nothing happens, so it hibernates under its open sockets.
#[durable_object]
pub struct Channel {
    state: Rc<State>,
    kept: Result<Kept>,
    fan_out: Rc<FanOut>,
    alarm: Alarm,
    /// How many readers there are at most: those that left since they were counted are still in it.
    readers: Cell<Option<u64>>,
}

/// What is in the storage, and the rules for it.
struct Kept {
    channel: sql::Channel<Sqlite>,
    deployment: Rc<Deployment>,
}

impl Kept {
    fn settings(&self) -> &Settings {
        &self.deployment.settings
    }
}

impl DurableObject for Channel {
    fn new(state: State, env: Env) -> Self {
        let state = Rc::new(state);
        let kept = host::deployment(&env).map(|deployment| {
            let settings = &deployment.settings;
            let sqlite = Sqlite::new(state.clone());
            Kept { channel: sql::Channel::new(sqlite, settings.retention, settings.posts()), deployment }
        });
        let kept = kept.map_err(|bad| worker::Error::RustError(bad.to_string()));
        Self { state, kept, fan_out: Rc::default(), alarm: Alarm::default(), readers: Cell::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let kept = self.kept()?;
        let (channel, now) = (&kept.channel, host::now());
        let command = command(&mut request).await?;
        // An answer without a version is not understood.
        let Some(command) = command else { return Response::empty() };
        let mut response = match command {
            Command::Append(post, wait) => Response::from_json(&self.append(kept, &post, wait, now).await?),
            Command::Read(subscribe) => Response::from_json(&channel.snapshot(&subscribe, now)?),
            Command::Entry(id) => Response::from_json(&channel.entry(id, now)?),
            Command::Start(subscribe) => Response::from_json(&channel.start(&subscribe, now)?),
            Command::Subscribe(subscribe, sender) => self.subscribe(kept, &subscribe, &sender, now),
        }?;
        response.headers_mut().set(VERSION_HEADER, &VERSION.to_string())?;
        Ok(response)
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

    /// Frees the space of a channel that has fallen silent; at last all of it.
    async fn alarm(&self) -> Result<Response> {
        let (kept, now) = (self.kept()?, host::now());
        self.alarm.came();
        let is_read = !self.state.get_websockets().is_empty();
        match kept.channel.free(is_read, now)? {
            Some(at) => self.alarm.due_by(&self.state, at).await?,
            None => self.state.storage().delete_all().await?,
        }
        Response::ok("")
    }
}

impl Channel {
    fn kept(&self) -> Result<&Kept> {
        self.kept.as_ref().map_err(|e| worker::Error::RustError(e.to_string()))
    }

    /// Nothing is awaited before the entry is on its way to the readers, so entries are sent in the order of the log.
    async fn append(
        &self,
        kept: &Kept,
        post: &Post,
        wait: Option<Duration>,
        now: UnixMillis,
    ) -> Result<Receipt> {
        let appended = kept.channel.append(post, wait, now)?;
        let Some(NewEntry { entry, after, free_at }) = appended.new else { return Ok(appended.receipt) };
        self.fan_out.clone().push(&self.state, entry, after, now);
        // It is stored, and the next post sees to the alarm again.
        if let Err(e) = self.alarm.due_by(&self.state, free_at).await {
            host::log(kept.settings().log_level, LogLevel::Warn, &format!("an alarm was not set: {e}"));
        }
        Ok(appended.receipt)
    }

    fn is_full(&self, settings: &Settings, sender: &Sender) -> bool {
        let count = |tag: &str| self.state.get_websockets_with_tag(tag).len() as u64;
        if settings.streams_per_sender.is_some_and(|most| count(sender.as_str()) >= most) {
            return true;
        }
        let fits = |readers: &u64| settings.streams_per_channel.is_none_or(|most| *readers < most);
        let readers = self.readers.get().filter(fits).unwrap_or_else(|| count(UNFILTERED) + count(FILTERED));
        self.readers.set(Some(readers + 1));
        !fits(&readers)
    }

    fn subscribe(
        &self,
        kept: &Kept,
        subscribe: &Subscribe,
        sender: &Sender,
        now: UnixMillis,
    ) -> Result<Response> {
        // What is pending is in the log already: with it sent, the page and the live frames join without overlap.
        self.fan_out.flush(&self.state, now);
        let page = kept.channel.page(subscribe, now)?;
        let full = !page.more && self.is_full(kept.settings(), sender);
        let head = if full { PageHead::Full } else { PageHead::Page { start: page.start, more: page.more } };
        let head = serde_json::to_string(&head)?;
        // A requested cursor may be any text, and a header may not.
        let head: String = form_urlencoded::byte_serialize(head.as_bytes()).collect();
        let first = page.batch.as_ref().map(pack);
        let mut response = if full {
            Response::empty()?
        } else if page.more {
            Response::from_bytes(first.map_or_else(Vec::new, |bytes| bytes.to_vec()))?
        } else {
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            let tag = if subscribe.filter == Filter::ALL { UNFILTERED } else { FILTERED };
            self.state.accept_websocket_with_tags(&server, &[tag, sender.as_str()]);
            server.serialize_attachment((VERSION, &subscribe.filter))?;
            if let Some(first) = first {
                server.as_ref().send_with_array_buffer(&first.buffer())?;
            }
            Response::from_websocket(client)?
        };
        response.headers_mut().set(PAGE_HEADER, &head)?;
        Ok(response)
    }
}
