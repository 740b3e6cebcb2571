//! The Worker's way to a channel's Durable Object, and what they say to each other.

use std::time::Duration;

use futures::future::{Either, select};
use js_sys::ArrayBuffer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ssedge::limits::CHANNEL_TIMEOUT;
use ssedge::log::{ChannelName, EntryId, Extent, Page, Start, Subscribe};
use ssedge::problem::Problem;
use ssedge::store::Post;
use wasm_bindgen::JsCast;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Delay, Env, Method, ObjectNamespace, Request, RequestInit, Response, Result, WebSocket};

use crate::BINDING;
use crate::frame::{JsFrame, VERSION, unpack};

/// How a channel says its version.
pub const VERSION_HEADER: &str = "x-ssedge-version";
/// What a channel says besides the body, as JSON.
const HEAD_HEADER: &str = "x-ssedge-head";

/// A request to a channel, as JSON in the query of its URL.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// A post, and how long it takes until its sender may begin a channel, if it may not now.
    Append(Post, Option<Duration>),
    Read(Subscribe),
    Entry(EntryId),
    /// Where the reader would start; nothing is sent to it.
    Start(Subscribe),
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
pub async fn command(request: &mut Request) -> Result<Option<Command>> {
    if request.path() != format!("/{VERSION}") {
        return Ok(None);
    }
    if request.method() == Method::Get {
        let url = request.url()?;
        let query = url.query().unwrap_or_default();
        let json = form_urlencoded::parse(query.as_bytes()).next().map(|(json, _)| json.into_owned());
        return Ok(Some(serde_json::from_str(&json.unwrap_or_default())?));
    }
    // As text, since a number that JavaScript reads is a float, and a price is not.
    Ok(Some(serde_json::from_str(&request.text().await?)?))
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
    pub async fn ask<T: DeserializeOwned>(&self, command: &Command) -> std::result::Result<T, Problem> {
        let unavailable = |e: worker::Error| Problem::Unavailable { cause: e.to_string() };
        match self.fetch(command).await.map_err(unavailable)? {
            Some(mut response) => response.json().await.map_err(unavailable),
            None => Err(unavailable("the channel is of another version".into())),
        }
    }

    /// A page for a reader.
    pub async fn page(&self, subscribe: Subscribe) -> Result<Said<Page<JsFrame>>> {
        let Some(response) = self.fetch(&Command::Page(subscribe)).await? else { return Ok(Said::Other) };
        let PageHead { start, more } = head(&response)?;
        // Not as bytes of Rust: it goes on to the reader without a copy.
        let body = web_sys::Response::from(response).array_buffer()?;
        let body: ArrayBuffer = JsFuture::from(body).await?.unchecked_into();
        if body.byte_length() == 0 {
            return Ok(Said::This(Page { start, batch: None, more }));
        }
        let page = |batch| Said::This(Page { start, batch: Some(batch), more });
        Ok(unpack(&body).map_or(Said::Other, page))
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
        // A stub does not outlive a crash of its object.
        let stub = self.channels.get_by_name(&self.name)?;
        let json = serde_json::to_string(command)?;
        let url = format!("https://channel/{VERSION}");
        let mut init = RequestInit::new();
        init.with_method(Method::Post);
        let request = match command {
            Command::Open(_) => {
                let query: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
                let request = Request::new(&format!("{url}?{query}"), Method::Get)?;
                request.headers().set("Upgrade", "websocket")?;
                request
            }
            _ => Request::new_with_init(&url, init.with_body(Some(json.into())))?,
        };
        let limit = Delay::from(CHANNEL_TIMEOUT);
        match select(std::pin::pin!(stub.fetch_with_request(request)), limit).await {
            Either::Left((response, _)) => {
                let response = response?;
                let version = response.headers().get(VERSION_HEADER)?;
                Ok(Some(response).filter(|_| version == Some(VERSION.to_string())))
            }
            Either::Right(_) => Err("the channel did not answer in time".into()),
        }
    }
}
