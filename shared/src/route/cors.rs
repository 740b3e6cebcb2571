//! What pages of other origins may do (the Fetch standard, CORS protocol).

use http::header::{self, HeaderMap, HeaderValue};

use crate::limits::PREFLIGHT_SECS;
use crate::settings::Origins;

/// What a page may send. Some polyfills of `EventSource` add the last two.
const ALLOW_HEADERS: &str = "Content-Type, Authorization, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, \
     Cache-Control, X-Requested-With";
const EXPOSE_HEADERS: &str = "Last-Event-ID, Location, Retry-After, Idempotent-Replayed, ETag";

/// Whether a page may act with the credentials that a browser adds by itself: one of the same origin, or of one that is
/// listed. `*` does not count as a list: it lets pages read what anybody may read. `own` is the scheme and the host that were asked
/// for. The scheme counts, because anybody on the way may have written a page that came over http.
pub(crate) fn may_act(origins: &Origins, origin: Option<&HeaderValue>, own: Option<(&str, &str)>) -> bool {
    let Some(origin) = origin.and_then(|origin| origin.to_str().ok()) else { return false };
    let is_own = own.is_some() && origin.split_once("://") == own;
    is_own || matches!(origins, Origins::Listed(listed) if listed.iter().any(|listed| listed == origin))
}

/// Adds what every answer carries for the page at `origin`.
pub(crate) fn apply(origins: &Origins, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    match origins {
        Origins::Any => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Origins::Listed(listed) => {
            // The answer differs by origin whether or not this one is allowed. One line says it all: what a function
            // says before its body has one text for each header.
            let others = headers.get(header::VARY).and_then(|others| others.to_str().ok());
            let all = others.and_then(|others| HeaderValue::try_from(format!("{others}, Origin")).ok());
            headers.insert(header::VARY, all.unwrap_or(HeaderValue::from_static("Origin")));
            let Some(origin) = origin.filter(|o| listed.iter().any(|l| l.as_bytes() == o.as_bytes())) else {
                return;
            };
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSE_HEADERS));
}

/// Adds what a preflight asks for.
pub(crate) fn preflight(allow: &'static str, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOW_HEADERS));
    headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECS.into());
}
