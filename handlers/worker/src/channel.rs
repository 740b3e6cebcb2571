//! The Durable Object: one channel, its log, and the sockets of its hubs.

mod pages;

use std::rc::Rc;
use std::time::Duration;

use ssedge::log::ChannelName;
use ssedge::route::Deployment;
use ssedge::settings::{LogLevel, Settings};
use ssedge::store::Post;
use ssedge::store::sql::{self, Appended, NewEntries};
use ssedge::time::UnixMillis;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use worker::wasm_bindgen_futures::future_to_promise;
use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, durable_object,
};

use crate::fan_out::{FanOut, close, tag};
use crate::frame::VERSION;
use crate::host;
use crate::link::{Command, Question, VERSION_HEADER, command};
use crate::storage::{Alarm, Sqlite};

/// One channel. It holds no timer while nothing happens, so it hibernates under its open sockets.
#[durable_object]
pub struct Channel {
    state: Rc<State>,
    kept: Result<Kept>,
    fan_out: Rc<FanOut>,
    alarm: Rc<Alarm>,
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
            let name = state.id().name().and_then(|name| ChannelName::new(&name).ok());
            let rules = deployment.rules(name.as_ref());
            let sqlite = Sqlite::new(state.clone());
            Kept { channel: sql::Channel::new(sqlite, rules.retention, rules.posts()), deployment }
        });
        let kept = kept.map_err(|bad| worker::Error::RustError(bad.to_string()));
        // Hubs of another version come back from where they stand.
        let hubs = state.get_websockets_with_tag(&tag());
        let is_old = |socket: &WebSocket| !hubs.contains(socket);
        state.get_websockets().iter().filter(|socket| is_old(socket)).for_each(close);
        Self { state, kept, fan_out: Rc::default(), alarm: Rc::default() }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let (kept, now) = (self.kept()?, host::now());
        let command = command(&request)?;
        self.settle(kept, now)?;
        // An answer without a version is not understood.
        let mut response = match command {
            None => return Response::empty(),
            Some(Command::Page(subscribe)) => self.page(kept, &subscribe, now),
            Some(Command::Open(after)) => self.open(kept, after, now),
        }?;
        response.headers_mut().set(VERSION_HEADER, &VERSION.to_string())?;
        Ok(response)
    }

    /// A hub has delivered what it was sent.
    async fn websocket_message(&self, _: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        self.fan_out.answered(&self.state, host::now());
        Ok(())
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
        self.settle(kept, now)?;
        let is_read = !self.state.get_websockets().is_empty();
        match kept.channel.free(is_read, now)? {
            Some(at) => self.alarm.due_by(&self.state, at).await?,
            None => {
                let deleted = self.state.storage().delete_all().await;
                kept.channel.forget();
                deleted?;
            }
        }
        Response::ok("")
    }
}

#[wasm_bindgen]
impl Channel {
    /// Answers a question of a Worker, at once or by a promise; with nothing if that is of another version.
    ///
    /// # Errors
    /// The storage failed, or what is asked is not understood.
    pub fn ask(&self, version: u8, question: &str) -> std::result::Result<JsValue, JsValue> {
        if version != VERSION {
            return Ok(JsValue::UNDEFINED);
        }
        Ok(self.answer(question)?)
    }
}

impl Channel {
    fn kept(&self) -> Result<&Kept> {
        self.kept.as_ref().map_err(|e| worker::Error::RustError(e.to_string()))
    }

    fn answer(&self, question: &str) -> Result<JsValue> {
        let (kept, now) = (self.kept()?, host::now());
        let channel = &kept.channel;
        let question = serde_json::from_str(question)?;
        self.settle(kept, now)?;
        let text = match question {
            Question::Append(post, wait) => return self.append(kept, &post, wait, now),
            Question::Read(subscribe) => serde_json::to_string(&channel.snapshot(&subscribe, now)?),
            Question::Entry(id) => serde_json::to_string(&channel.entry(id, now)?),
            Question::Start(subscribe) => serde_json::to_string(&channel.start(&subscribe, now)?),
            Question::Delete => {
                self.push(channel.delete(now)?, now);
                serde_json::to_string(&())
            }
        }?;
        Ok(text.into())
    }

    /// Ends the channel if its lease has run out, before anything else is said of it.
    fn settle(&self, kept: &Kept, now: UnixMillis) -> Result<()> {
        self.push(kept.channel.settle(now)?, now);
        Ok(())
    }

    fn push(&self, new: Option<NewEntries>, now: UnixMillis) {
        if let Some(new) = new {
            self.fan_out.push(&self.state, new, now);
        }
    }

    /// Nothing is awaited before the entries are on their way to the readers, so entries are sent in the order of the log. Nothing
    /// is awaited at all unless the alarm is to be set.
    fn append(&self, kept: &Kept, post: &Post, wait: Option<Duration>, now: UnixMillis) -> Result<JsValue> {
        let Appended { receipt, new, due_at } = kept.channel.append(post, wait, now)?;
        let answer = JsValue::from(serde_json::to_string(&receipt)?);
        self.push(new, now);
        let Some(due_at) = due_at.filter(|due_at| !self.alarm.is_due_by(*due_at)) else { return Ok(answer) };
        let (alarm, state, log_level) = (self.alarm.clone(), self.state.clone(), kept.settings().log_level);
        let set = async move {
            // It is stored, and the next post sees to the alarm again.
            if let Err(e) = alarm.due_by(&state, due_at).await {
                host::log(log_level, LogLevel::Warn, &format!("an alarm was not set: {e}"));
            }
            Ok(answer)
        };
        Ok(future_to_promise(set).into())
    }
}
