//! The heads of answers.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::cors;
use crate::log::EntryId;
use crate::problem::secure;
use crate::settings::{Host, Settings};
use crate::{json, session, sse};

/// The header by which a reader brings its cursor, and by which a stream says where it starts.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// An answer of JSON.
#[must_use]
pub fn json(status: StatusCode, body: impl Into<Cow<'static, str>>) -> Response<Bytes> {
    let mut response = Response::new(json::bytes(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The answer of `/healthz`.
#[must_use]
pub fn health(host: Host) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Health {
        status: &'static str,
        host: &'static str,
        version: &'static str,
    }
    let health = Health { status: "ok", host: host.name(), version: env!("CARGO_PKG_VERSION") };
    json(StatusCode::OK, json::line(&health))
}

/// The answer to OPTIONS. Lambda streams every body, and an empty streamed one can hang there.
#[must_use]
pub fn preflight(allow: &'static str, host: Host) -> Response<Bytes> {
    let (status, body) = match host {
        Host::Worker => (StatusCode::NO_CONTENT, ""),
        Host::Lambda => (StatusCode::OK, "\n"),
    };
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    cors::preflight(allow, response.headers_mut());
    response
}

/// The head of a stream that starts after `cursor`, which is `None` if the channel did not answer.
#[must_use]
pub fn head_of_stream(cursor: Option<EntryId>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sse::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if let Some(cursor) = cursor {
        headers.insert(LAST_EVENT_ID, cursor.get().into());
    }
    response
}

/// A stream that ends at once, for a reader that finds the deployment full. A refusal would make a browser give up for good.
/// After this answer it comes back when the time has passed that the stream tells it.
#[must_use]
pub fn overloaded(seed: u64) -> Response<Bytes> {
    let mut response = head_of_stream(None);
    *response.body_mut() = session::no_room(seed);
    response
}

/// Adds what every answer carries, and takes the body from the answer to a HEAD (on Lambda all but a byte).
pub fn finish(response: &mut Response<Bytes>, method: &Method, request: &HeaderMap, settings: &Settings) {
    let body_less = *method == Method::HEAD;
    let headers = response.headers_mut();
    secure(headers);
    cors::apply(&settings.allowed_origins, request.get(header::ORIGIN), headers);
    if body_less && settings.host == Host::Worker {
        response.body_mut().clear();
    } else if body_less {
        *response.body_mut() = Bytes::from_static(b"\n");
    }
}
