//! Between the types of the platform and those of the core.

use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::select;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use ssedge::limits::{BODY_BYTES, REFUSED_BODY_BYTES, REFUSED_BODY_PATIENCE};
use ssedge::problem::Problem;
use ssedge::route::request_head;
use ssedge::settings::LogLevel;
use web_sys::ReadableStream;
use worker::{ByteStream, Delay, Headers, Response, ResponseBuilder, Result};

use crate::host;

/// The head of the request.
pub fn parts(request: &worker::Request) -> std::result::Result<Parts, Problem> {
    // Not `HeaderMap::from`, which panics on a header that HTTP does not allow, and with it all streams of the isolate.
    request_head(&request.inner().method(), &request.inner().url(), request.headers())
}

/// The body, or more than is allowed of it.
pub async fn body(request: &mut worker::Request) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if request.inner().body().is_none() {
        return Ok(body);
    }
    let mut stream = request.stream()?;
    while body.len() <= BODY_BYTES {
        match stream.next().await {
            Some(chunk) => body.extend_from_slice(&chunk?),
            None => return Ok(body),
        }
    }
    discard(stream).await;
    Ok(body)
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

fn builder(status: StatusCode, headers: &HeaderMap) -> ResponseBuilder {
    ResponseBuilder::new().with_status(status.as_u16()).with_headers(Headers::from(headers))
}

/// An answer with the whole of its body.
pub fn whole(response: http::Response<Bytes>) -> Response {
    let (parts, body) = response.into_parts();
    let builder = builder(parts.status, &parts.headers);
    if body.is_empty() { builder.empty() } else { builder.fixed(body.into()) }
}

/// An answer whose body is a stream.
pub fn streamed(head: &http::Response<Bytes>, body: ReadableStream) -> Response {
    builder(head.status(), head.headers()).stream(body)
}

/// Logs a refusal; a failure with what the client is not told.
pub fn log(problem: &Problem, level: LogLevel) {
    match problem.cause() {
        Some(cause) => host::log(level, LogLevel::Error, &format!("{problem}: {cause}")),
        None => host::log(level, LogLevel::Debug, &format!("refused with {}: {problem}", problem.status())),
    }
}
