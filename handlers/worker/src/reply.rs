//! Between the types of the platform and those of the core.

use std::collections::BTreeMap;
use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::select;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use js_sys::{Array, JSON, Uint8Array};
use ssedge::limits::{BODY_BYTES, REFUSED_BODY_BYTES, REFUSED_BODY_PATIENCE};
use ssedge::problem::Problem;
use ssedge::route::request_head;
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

/// The body, or more than is allowed of it.
pub async fn body(request: &Request, headers: &HeaderMap) -> Result<Vec<u8>> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length <= BODY_BYTES) {
        let whole = JsFuture::from(request.array_buffer()?).await?;
        return Ok(Uint8Array::new(&whole).to_vec());
    }
    let mut body = Vec::new();
    let Some(mut stream) = stream(request) else { return Ok(body) };
    while body.len() <= BODY_BYTES {
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
