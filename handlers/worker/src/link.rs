//! The Worker's way to a channel's Durable Object, and what they say to each other.

use std::time::Duration;

use futures::future::{Either, select};
use js_sys::{ArrayBuffer, Uint8Array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ssedge::access::Sender;
use ssedge::limits::CHANNEL_TIMEOUT;
use ssedge::log::{Batch, ChannelName, EntryId, Page, Start, Subscribe};
use ssedge::problem::Problem;
use ssedge::session::Frame;
use ssedge::store::Post;
use wasm_bindgen::JsCast;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Delay, Env, Method, ObjectNamespace, Request, RequestInit, Result, WebSocket};

use crate::{BINDING, PAGE_HEADER};

/// The version of what a Worker and a channel say to each other: commands, answers, messages, and what is attached to a
/// socket. It changes with any of them, because after a deployment an isolate of the Worker before may talk to an object of
/// the one after.
pub const VERSION: u8 = 2;
/// How a channel says its version.
pub const VERSION_HEADER: &str = "x-ssedge-version";

/// A request to a channel, as JSON in the query of its URL.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// A post, and how long it takes until its sender may begin a channel, if it may not now.
    Append(Post, Option<Duration>),
    Read(Subscribe),
    Entry(EntryId),
    /// Where the reader would start; nothing is sent to it.
    Start(Subscribe),
    /// Answered by a WebSocket once the reader is at the head, by one page of entries before.
    Subscribe(Subscribe, Sender),
}

/// The head of the answer to [`Command::Subscribe`].
#[derive(Debug, Serialize, Deserialize)]
pub enum PageHead {
    Page {
        start: Start,
        more: bool,
    },
    /// There are as many readers as there may be.
    Full,
}

/// The answer to [`Command::Subscribe`].
pub enum Subscribed {
    /// With a socket if the reader is live.
    Page(Page<JsFrame>, Option<WebSocket>),
    Full,
    /// The channel is of another [`VERSION`].
    Other,
}

/// An encoded batch, as it came from the Durable Object: it goes on to the reader without a copy through wasm.
#[derive(Debug)]
pub struct JsFrame(pub Uint8Array);

impl Frame for JsFrame {
    fn len(&self) -> usize {
        self.0.byte_length() as usize
    }
}

/// Bytes before the frame: [`VERSION`]; then `after`, `upto` and `shown`, each a big-endian u64.
const HEAD: usize = 25;

/// One message of the WebSocket.
pub fn pack(batch: &Batch<bytes::Bytes>) -> Uint8Array {
    let frame = batch.frame.as_deref().unwrap_or_default();
    let mut message = Vec::with_capacity(HEAD + frame.len());
    message.push(VERSION);
    for id in [batch.after, batch.upto, batch.shown] {
        message.extend_from_slice(&id.get().to_be_bytes());
    }
    message.extend_from_slice(frame);
    Uint8Array::from(&message[..])
}

/// Reads what [`pack`] wrote; `None` if another version did.
pub fn unpack(message: &ArrayBuffer) -> Option<Batch<JsFrame>> {
    let length = message.byte_length() as usize;
    let mut head = [0; HEAD];
    if length < HEAD {
        return None;
    }
    Uint8Array::new_with_byte_offset_and_length(message, 0, HEAD as u32).copy_to(&mut head);
    let [VERSION, ids @ ..] = head else { return None };
    let mut ids = ids.chunks_exact(8).map(|id| {
        let id = id.try_into().map(u64::from_be_bytes).ok()?;
        EntryId::new(id).ok()
    });
    let mut next = || ids.next().flatten();
    let (after, upto, shown) = (next()?, next()?, next()?);
    let frame = (length > HEAD).then(|| JsFrame(Uint8Array::new_with_byte_offset(message, HEAD as u32)));
    Some(Batch { after, upto, shown, frame })
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

    pub async fn subscribe(&self, subscribe: Subscribe, sender: Sender) -> Result<Subscribed> {
        let response = self.fetch(&Command::Subscribe(subscribe, sender)).await?;
        let Some(response) = response else { return Ok(Subscribed::Other) };
        let head = response.headers().get(PAGE_HEADER)?.unwrap_or_default();
        let head = form_urlencoded::parse(head.as_bytes()).next().map(|(json, _)| json.into_owned());
        let PageHead::Page { start, more } = serde_json::from_str(&head.unwrap_or_default())? else {
            return Ok(Subscribed::Full);
        };
        if more {
            // Not as bytes of Rust: it goes on to the reader without a copy.
            let body = web_sys::Response::from(response).array_buffer()?;
            let batch = unpack(JsFuture::from(body).await?.unchecked_ref());
            return Ok(match batch {
                Some(_) => Subscribed::Page(Page { start, batch, more }, None),
                None => Subscribed::Other,
            });
        }
        let socket = response.websocket().ok_or("the channel gave no socket")?;
        // What the page holds comes as the socket's first message.
        Ok(Subscribed::Page(Page { start, batch: None, more }, Some(socket)))
    }

    /// The answer to a command; `None` if it is of another version.
    async fn fetch(&self, command: &Command) -> Result<Option<worker::Response>> {
        // A stub does not outlive a crash of its object.
        let stub = self.channels.get_by_name(&self.name)?;
        let json = serde_json::to_string(command)?;
        let url = format!("https://channel/{VERSION}");
        let mut init = RequestInit::new();
        init.with_method(Method::Post);
        let request = match command {
            Command::Subscribe(..) => {
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
