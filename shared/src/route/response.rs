//! The heads of answers.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::cors;
use crate::log::{EntryId, Start};
use crate::problem::{Problem, secure};
use crate::session::{Refusal, StreamRequest};
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

/// The answer to OPTIONS.
#[must_use]
pub fn preflight(allow: &'static str, host: Host) -> Response<Bytes> {
    let mut response = empty(
        match host {
            Host::Worker => StatusCode::NO_CONTENT,
            Host::Lambda => StatusCode::OK,
        },
        host,
    );
    cors::preflight(allow, response.headers_mut());
    response
}

/// The answer to a DELETE.
#[must_use]
pub fn deleted(host: Host) -> Response<Bytes> {
    empty(StatusCode::NO_CONTENT, host)
}

/// An answer that is its head. Lambda streams every body, and an empty streamed one can hang there, so it gets a byte, which the
/// front leaves out of an answer that may have none.
fn empty(status: StatusCode, host: Host) -> Response<Bytes> {
    let body = match host {
        Host::Worker => "",
        Host::Lambda => "\n",
    };
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
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

/// The last id of a channel, as a precondition names it.
pub(super) fn etag(last: EntryId) -> HeaderValue {
    // Digits in quotes are always a header.
    HeaderValue::try_from(format!("\"{last}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// The answer to a reader for whom there is no stream. What is over is told by a status on which an `EventSource` stops for
/// good; on Lambda, where an answer without a body may hang, by a problem.
///
/// # Errors
/// The [`Problem`] to answer with.
pub fn refused(refusal: &Refusal, host: Host) -> Result<Response<Bytes>, Problem> {
    match (refusal, host) {
        (Refusal::Over, Host::Worker) => Ok(empty(StatusCode::NO_CONTENT, host)),
        (Refusal::Over, Host::Lambda) => Err(Problem::Over),
        (Refusal::Gap(gap, resumes_after), _) => {
            Err(Problem::Gap { gap: gap.clone(), resumes_after: *resumes_after })
        }
    }
}

/// The answer to a HEAD: the head of the stream that a GET would get, or why there is none; of a channel that can end, with the
/// last id as its `ETag`.
///
/// # Errors
/// The [`Problem`] to answer with.
pub fn head(request: &StreamRequest, start: &Start, host: Host) -> Result<Response<Bytes>, Problem> {
    let mut response = match (session::refusal(start, request.dialect, request.only_open), host) {
        // A status alone says it: the answer to a HEAD has no body on any host.
        (Some(Refusal::Over), Host::Lambda) | (None, _) => head_of_stream(Some(start.after)),
        (Some(refusal), host) => refused(&refusal, host)?,
    };
    let headers = response.headers_mut();
    headers.insert(LAST_EVENT_ID, start.after.get().into());
    if request.has_ends {
        headers.insert(header::ETAG, etag(start.standing.last));
    }
    Ok(response)
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
