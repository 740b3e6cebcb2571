//! Between the types of the platform and those of the core.

use std::collections::BTreeMap;
use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, select};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use js_sys::{Array, JSON, Uint8Array};
use ssedge::limits::{GATHER, REFUSED_BODY_BYTES, REFUSED_BODY_PATIENCE};
use ssedge::problem::Problem;
use ssedge::route::{Streamed, request_head};
use ssedge::settings::LogLevel;
use web_sys::{ReadableStream, Request, Response, ResponseInit};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{ByteStream, Delay, Result};

use crate::host;

/// The head of the request.
pub fn parts(request: &Request) -> std::result::Result<Parts, Problem> {
    // All headers as one text: each that is fetched on its own takes several calls of JavaScript.
    let headers = JSON::stringify(&Array::from(&request.headers())).map(String::from).unwrap_or_default();
    let unreadable = |e: serde_json::Error| Problem::Internal { cause: e.to_string() };
    let headers: Vec<(String, String)> = serde_json::from_str(&headers).map_err(unreadable)?;
    request_head(&request.method(), &request.url(), headers)
}

/// The body, or more of it than the `most` bytes that are allowed.
pub async fn body(request: &Request, headers: &HeaderMap, most: usize) -> Result<Vec<u8>> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length <= most) {
        let whole = JsFuture::from(request.array_buffer()?).await?;
        return Ok(Uint8Array::new(&whole).to_vec());
    }
    let mut body = Vec::new();
    let Some(mut stream) = stream(request) else { return Ok(body) };
    while body.len() <= most {
        match stream.next().await {
            Some(chunk) => body.extend_from_slice(&chunk?),
            None => return Ok(body),
        }
    }
    discard(stream).await;
    Ok(body)
}

/// The body piece by piece, if there is one.
pub fn stream(request: &Request) -> Option<ByteStream> {
    worker::Request::from(Clone::clone(request)).stream().ok()
}

/// What became of a body that is appended as it arrives.
pub enum Gathered {
    /// So much has come that it is to be stored, or it has waited long enough for more.
    More,
    /// It has ended.
    Whole,
    /// It broke off.
    Broken,
    /// What came cannot be stored.
    Bad(Problem),
}

/// Reads the body until there is something to be stored.
pub async fn gather(body: &mut ByteStream, streamed: &mut Streamed<'_>) -> Gathered {
    // The first chunk may take any time, and those after it are waited for only as long as a reader does not notice.
    let mut chunk = body.next().await;
    let mut patience = Delay::from(GATHER);
    loop {
        match chunk {
            None => return Gathered::Whole,
            Some(Err(_)) => return Gathered::Broken,
            Some(Ok(bytes)) => {
                if let Err(problem) = streamed.push(&bytes) {
                    return Gathered::Bad(problem);
                }
            }
        }
        if streamed.is_full() {
            return Gathered::More;
        }
        chunk = match select(body.next(), &mut patience).await {
            Either::Left((chunk, _)) => chunk,
            Either::Right(_) => return Gathered::More,
        };
    }
}

/// Takes what the client of a refused request still sends, so that it comes to read the answer.
pub async fn discard(mut body: ByteStream) {
    let all = async {
        let mut taken = 0;
        while let Some(Ok(chunk)) = body.next().await {
            taken += chunk.len();
            if taken > REFUSED_BODY_BYTES {
                return;
            }
        }
    };
    select(pin!(all), Delay::from(REFUSED_BODY_PATIENCE)).await;
}

fn head(status: StatusCode, headers: &HeaderMap) -> Result<ResponseInit> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    // An object, which the platform reads in a third of the time that a list of pairs takes.
    let join = |name| headers.get_all(name).iter().map(text).collect::<Vec<_>>().join(", ");
    let headers: BTreeMap<_, _> = headers.keys().map(|name| (name.as_str(), join(name))).collect();
    let init = ResponseInit::new();
    init.set_status(status.as_u16());
    init.set_headers(&JSON::parse(&serde_json::to_string(&headers)?)?);
    Ok(init)
}

/// An answer with the whole of its body.
pub fn whole(response: http::Response<Bytes>) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let head = head(parts.status, &parts.headers)?;
    let body = (!body.is_empty()).then(|| Uint8Array::from(&body[..]));
    Ok(Response::new_with_opt_buffer_source_and_init(body.as_deref(), &head)?)
}

/// An answer whose body is a stream.
pub fn streamed(response: &http::Response<Bytes>, body: &ReadableStream) -> Result<Response> {
    let head = head(response.status(), response.headers())?;
    Ok(Response::new_with_opt_readable_stream_and_init(Some(body), &head)?)
}

/// Logs a refusal; a failure with what the client is not told.
pub fn log(problem: &Problem, level: LogLevel) {
    match problem.cause() {
        Some(cause) => host::log(level, LogLevel::Error, &format!("{problem}: {cause}")),
        None => host::log(level, LogLevel::Debug, &format!("refused with {}: {problem}", problem.status())),
    }
}
