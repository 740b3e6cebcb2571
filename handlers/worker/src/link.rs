//! The Worker's way to a channel's Durable Object, and what they say to each other.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use js_sys::{ArrayBuffer, Promise};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ssedge::limits::CHANNEL_TIMEOUT;
use ssedge::log::{ChannelName, End, EntryId, Extent, Page, Start, Subscribe};
use ssedge::problem::Problem;
use ssedge::store::Post;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Delay, Env, Method, ObjectNamespace, Request, Response, Result, Stub, WebSocket};

use crate::BINDING;
use crate::frame::{JsFrame, VERSION, unpack};

/// How a channel says its version.
pub const VERSION_HEADER: &str = "x-ssedge-version";
/// What a channel says besides the body, as JSON.
const HEAD_HEADER: &str = "x-ssedge-head";

/// A question to a channel, and its answer, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// A post, and how long it takes until its sender may begin a channel, if it may not now.
    Append(Post, Option<Duration>),
    Read(Subscribe),
    Entry(EntryId),
    /// Where the reader would start; nothing is sent to it.
    Start(Subscribe),
    /// Delete all.
    Delete,
}

#[wasm_bindgen]
extern "C" {
    /// An object, as the platform passes calls on to it.
    type Object;

    /// [`crate::Channel::ask`].
    #[wasm_bindgen(method, catch)]
    fn ask(this: &Object, version: u8, question: &str) -> std::result::Result<Promise, JsValue>;
}

/// A request to a channel whose answer is more than text, as JSON in the query of its URL.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// A page for a reader.
    Page(Subscribe),
    /// Answered by a WebSocket for a hub that stands there, or nowhere yet.
    Open(Option<EntryId>),
}

/// The head of the answer to [`Command::Page`], whose body is the batch.
#[derive(Debug, Serialize, Deserialize)]
pub struct PageHead {
    pub start: Start,
    pub more: bool,
    /// The end, if the batch reaches it.
    pub end: Option<End>,
}

/// The head of the answer to [`Command::Open`].
#[derive(Debug, Serialize, Deserialize)]
pub enum OpenHead {
    Open {
        extent: Option<Extent>,
        /// The newest entries come as the first message of the socket.
        has_news: bool,
    },
    /// There are as many hubs as there may be.
    Full,
}

/// What a channel answers to a stream.
pub enum Said<T> {
    This(T),
    Full,
    /// The channel is of another [`VERSION`].
    Other,
}

/// Reads the command of a request; `None` if it is of another version.
pub fn command(request: &Request) -> Result<Option<Command>> {
    if request.path() != format!("/{VERSION}") {
        return Ok(None);
    }
    let url = request.url()?;
    let query = url.query().unwrap_or_default();
    let json = form_urlencoded::parse(query.as_bytes()).next().map(|(json, _)| json.into_owned());
    Ok(Some(serde_json::from_str(&json.unwrap_or_default())?))
}

/// The head of an answer, as [`set_head`] set it.
fn head<T: DeserializeOwned>(response: &Response) -> Result<T> {
    let head = response.headers().get(HEAD_HEADER)?.unwrap_or_default();
    let head = form_urlencoded::parse(head.as_bytes()).next().map(|(json, _)| json.into_owned());
    Ok(serde_json::from_str(&head.unwrap_or_default())?)
}

/// A requested cursor may be any text, and a header may not.
pub fn set_head(response: &mut Response, head: &impl Serialize) -> Result<()> {
    let head: String = form_urlencoded::byte_serialize(&serde_json::to_vec(head)?).collect();
    response.headers_mut().set(HEAD_HEADER, &head)
}

/// A channel, seen from a request.
pub struct Link {
    channels: ObjectNamespace,
    name: String,
}

impl Link {
    pub fn new(env: &Env, channel: &ChannelName) -> Result<Self> {
        Ok(Self { channels: env.durable_object(BINDING)?, name: channel.to_string() })
    }

    /// Asks and reads the answer.
    pub async fn ask<T: DeserializeOwned>(&self, question: &Question) -> std::result::Result<T, Problem> {
        let unavailable = |e: worker::Error| Problem::Unavailable { cause: e.to_string() };
        let answer = self.call(question).await.map_err(unavailable)?;
        let answer = answer.ok_or_else(|| unavailable("the channel is of another version".into()))?;
        serde_json::from_str(&answer).map_err(|e| unavailable(e.into()))
    }

    /// The answer to a question; `None` if the channel is of another version.
    async fn call(&self, question: &Question) -> Result<Option<String>> {
        let object: Object = self.stub()?.into_rpc();
        // As text, since a number that JavaScript reads is a float, and a price is not.
        let answer = object.ask(VERSION, &serde_json::to_string(question)?)?;
        Ok(in_time(JsFuture::from(answer)).await??.as_string())
    }

    /// A page for a reader.
    pub async fn page(&self, subscribe: Subscribe) -> Result<Said<Page<JsFrame>>> {
        let Some(response) = self.fetch(&Command::Page(subscribe)).await? else { return Ok(Said::Other) };
        let PageHead { start, more, end } = head(&response)?;
        // Not as bytes of Rust: it goes on to the reader without a copy.
        let body = web_sys::Response::from(response).array_buffer()?;
        let body: ArrayBuffer = JsFuture::from(body).await?.unchecked_into();
        if body.byte_length() == 0 {
            return Ok(Said::This(Page { start, batch: None, more }));
        }
        let page = |batch| Said::This(Page { start, batch: Some(batch), more });
        Ok(unpack(&body, end).map_or(Said::Other, page))
    }

    /// A connection for a hub that stands there, the extent of the log, and whether news come at once.
    pub async fn open(&self, after: Option<EntryId>) -> Result<Said<(WebSocket, Option<Extent>, bool)>> {
        let Some(response) = self.fetch(&Command::Open(after)).await? else { return Ok(Said::Other) };
        let OpenHead::Open { extent, has_news } = head(&response)? else { return Ok(Said::Full) };
        let socket = response.websocket().ok_or("the channel gave no socket")?;
        Ok(Said::This((socket, extent, has_news)))
    }

    /// The answer to a command; `None` if it is of another version.
    async fn fetch(&self, command: &Command) -> Result<Option<Response>> {
        let stub = self.stub()?;
        let json = serde_json::to_string(command)?;
        let query: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
        let request = Request::new(&format!("https://channel/{VERSION}?{query}"), Method::Get)?;
        if let Command::Open(_) = command {
            request.headers().set("Upgrade", "websocket")?;
        }
        let response = in_time(pin!(stub.fetch_with_request(request))).await??;
        let version = response.headers().get(VERSION_HEADER)?;
        Ok(Some(response).filter(|_| version == Some(VERSION.to_string())))
    }

    /// A stub does not outlive a crash of its object, so each is used once.
    fn stub(&self) -> Result<Stub> {
        self.channels.get_by_name(&self.name)
    }
}

/// What a channel answers within [`CHANNEL_TIMEOUT`].
async fn in_time<F: Future + Unpin>(answer: F) -> Result<F::Output> {
    match select(answer, Delay::from(CHANNEL_TIMEOUT)).await {
        Either::Left((answer, _)) => Ok(answer),
        Either::Right(_) => Err("the channel did not answer in time".into()),
    }
}
