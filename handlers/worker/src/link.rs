//! The Worker's way to a channel's Durable Object, and what they say to each other.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use js_sys::{ArrayBuffer, Uint8Array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ssedge::hub::{Block, News};
use ssedge::limits::CHANNEL_TIMEOUT;
use ssedge::log::{Batch, ChannelName, EntryId, Extent, Page, Start, Subscribe};
use ssedge::problem::Problem;
use ssedge::session::Frame;
use ssedge::store::Post;
use wasm_bindgen::JsCast;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Delay, Env, Method, ObjectNamespace, Request, RequestInit, Response, Result, WebSocket};

use crate::BINDING;

/// The version of what a Worker and a channel say to each other: commands, answers, messages, and what is attached to a
/// socket. It changes with any of them, because after a deployment an isolate of the Worker before may talk to an object of
/// the one after.
pub const VERSION: u8 = 3;
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

/// Encoded entries, as they came from the Durable Object: they go on to the reader without a copy through wasm.
#[derive(Clone, Debug)]
pub struct JsFrame(pub Uint8Array);

impl Frame for JsFrame {
    fn len(&self) -> usize {
        self.0.byte_length() as usize
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a message is far shorter than 4 GB")]
impl Block for JsFrame {
    fn part(&self, range: Range<usize>) -> Self {
        Self(self.0.subarray(range.start as u32, range.end as u32))
    }

    fn join(parts: &[Self]) -> Self {
        let joined = Uint8Array::new_with_length(parts.iter().map(|part| part.0.length()).sum());
        let mut at = 0;
        for Self(part) in parts {
            joined.set(part, at);
            at += part.length();
        }
        Self(joined)
    }
}

/// A message of the WebSocket.
pub fn message(news: &News<Bytes>, wants_answer: bool) -> Uint8Array {
    let mut message = vec![VERSION];
    message.extend(news.write(wants_answer));
    Uint8Array::from(&message[..])
}

/// Reads what [`message`] wrote; `None` if another version did.
#[expect(clippy::cast_possible_truncation, reason = "a message is far shorter than 4 GB")]
pub fn read(message: &ArrayBuffer) -> Option<(News<JsFrame>, bool)> {
    let bytes = Uint8Array::new(message);
    let copy = bytes.to_vec();
    let Some((&VERSION, news)) = copy.split_first() else { return None };
    News::read(news, |at| JsFrame(bytes.subarray(at as u32 + 1, bytes.length())))
}

/// Bytes before the frame: [`VERSION`]; then `after`, `upto` and `shown`, each a big-endian u64.
const HEAD: usize = 25;

/// The body of a page.
pub fn pack(batch: &Batch<Bytes>) -> Vec<u8> {
    let frame = batch.frame.as_deref().unwrap_or_default();
    let mut message = Vec::with_capacity(HEAD + frame.len());
    message.push(VERSION);
    for id in [batch.after, batch.upto, batch.shown] {
        message.extend_from_slice(&id.get().to_be_bytes());
    }
    message.extend_from_slice(frame);
    message
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
