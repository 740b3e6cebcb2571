//! The whole URL surface.

mod accept;
mod append;
mod cors;
mod deployment;
pub mod documents;
pub mod openapi;
mod plan;
mod read;
mod request;
mod response;
mod streamed;

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

pub use accept::{Representation, negotiate};
pub use append::Append;
pub use deployment::Deployment;
pub use plan::{Peer, Plan, Subscriber, plan};
pub use read::{Read, ReadEntry};
pub use request::{request_head, request_headers};
pub use response::{deleted, finish, head, head_of_stream, health, json, overloaded, preflight, refused};
pub use streamed::Streamed;

use crate::feeds::{Endpoint, Feed, Feeds, Target};
use crate::problem::Problem;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<T> {
    /// The page.
    Page,
    /// Is the host up?
    Health,
    /// What this document's reader wants as OpenAPI.
    OpenApi,
    /// Something of a feed.
    Feed(T),
}

/// A feed, and what of it a path leads to.
pub type OfFeed<'a> = (&'a dyn Feed, Target);

const PAGE: &str = "GET, HEAD, OPTIONS";
const FEED: &str = "GET, HEAD, POST, OPTIONS";
const ENDING: &str = "GET, HEAD, POST, DELETE, OPTIONS";

/// The endpoints that are of no feed.
const OWN: &[Endpoint] = &[
    (Method::GET, "/healthz", "is the host up"),
    (Method::GET, "/openapi.json", "this API as OpenAPI 3.2"),
    (Method::GET, "/", "the page"),
];

/// Every endpoint there is. The table in the README and the paths of the OpenAPI document are checked against it.
pub fn endpoints(feeds: &Feeds) -> impl Iterator<Item = &'static Endpoint> {
    feeds.endpoints().chain(OWN)
}

/// Reads a path as it came, percent-encoded. Dot segments are resolved, as the [URL standard] has it and every
/// browser does: one host gets paths that were, and the other gets them as they were sent.
///
/// [URL standard]: https://url.spec.whatwg.org/#path-state
///
/// # Errors
/// [`Problem::NotFound`], or [`Problem::Invalid`] for a bad name in it.
pub fn route<'a>(path: &str, feeds: &'a Feeds) -> Result<Route<OfFeed<'a>>, Problem> {
    const NOT_FOUND: Problem = Problem::NotFound("no such path");
    let segments = segments(path).ok_or(NOT_FOUND)?;
    let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    match segments[..] {
        [""] => Ok(Route::Page),
        ["healthz"] => Ok(Route::Health),
        ["openapi.json"] => Ok(Route::OpenApi),
        ["api", name, ref rest @ ..] => {
            let feed = feeds.named(name).ok_or(NOT_FOUND)?;
            Ok(Route::Feed((feed, feed.target(rest)?)))
        }
        _ => Err(NOT_FOUND),
    }
}

impl Route<OfFeed<'_>> {
    /// The value of `Allow`.
    #[must_use]
    pub fn allow(&self) -> &'static str {
        match self {
            Self::Feed((feed, Target::Channel(_))) if feed.has_ends() => ENDING,
            Self::Feed((_, Target::Channel(_))) => FEED,
            _ => PAGE,
        }
    }
}

/// The value of `Allow` of a path that is one of a feed but for names in it that are against their rules.
fn allow_of_shape(path: &str, feeds: &Feeds) -> &'static str {
    let segments = segments(path).unwrap_or_default();
    if segments.get(1).and_then(|name| feeds.named(name)).is_some_and(|feed| feed.has_ends()) {
        return ENDING;
    }
    let is_like = |shape: &str| {
        let shape: Vec<_> = shape.split('/').skip(1).collect();
        let fits = |(part, segment): (&&str, &Cow<str>)| part.starts_with('{') || *part == *segment;
        shape.len() == segments.len() && shape.iter().zip(&segments).all(fits)
    };
    let takes_posts = feeds.endpoints().any(|(method, shape, _)| *method == Method::POST && is_like(shape));
    if takes_posts { FEED } else { PAGE }
}

/// The decoded segments of a path; none if it does not begin with a slash.
fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    // Split before decoding, so that an encoded slash stays inside its segment.
    let segments = resolve(path.strip_prefix('/')?);
    Some(segments.into_iter().map(|segment| percent_decode_str(segment).decode_utf8_lossy()).collect())
}

/// The segments of a path, without those that mean "here" and "one up".
fn resolve(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.split('/') {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        ends_in_dots = matches!(&*dots, "." | "..");
        match &*dots {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if ends_in_dots {
        segments.push("");
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Variables;

    fn feeds() -> Feeds {
        Feeds::read(&Variables::new(&|_| None)).unwrap()
    }

    /// `expected` is the channel, or nothing for what is of no feed.
    #[track_caller]
    fn check(path: &str, expected: Result<&str, u16>) {
        let feeds = feeds();
        let got = route(path, &feeds).map_err(|problem| problem.status().as_u16()).map(|route| match route {
            Route::Feed((_, Target::Channel(channel) | Target::Entry { channel, .. })) => channel.to_string(),
            _ => String::new(),
        });
        assert_eq!(got.as_deref().map_err(|status| *status), expected, "{path}");
    }

    #[test]
    fn every_path_of_the_table_is_a_route() {
        let feeds = feeds();
        for (method, path, _) in endpoints(&feeds) {
            let named: Vec<_> =
                path.split('/').map(|part| if part.starts_with('{') { "7" } else { part }).collect();
            let named = named.join("/");
            assert!(route(&named, &feeds).unwrap().allow().contains(method.as_str()), "{method} {path}");
        }
    }

    #[test]
    fn a_segment_is_decoded_once_and_then_keeps_to_its_pattern() {
        check("/api/chat/%6Cobby", Ok("chat/lobby"));
        check("/api/chat/Lobby", Err(400));
        check("/api/chat/", Err(400));
        check("/api/chat/a%2Fb", Err(400));
        check("/api/chat/%256C", Err(400));
        check("/api/chat/%ff", Err(400));
        check("/%ff", Err(404));
    }

    #[test]
    fn dots_lead_where_a_browser_goes() {
        for path in ["/api/chat/../events", "/api/./chat/%2E./events", "/../api/chat/a/%2e%2e/.%2e/events"] {
            check(path, Ok("events"));
        }
        check("/api/chat/%2e%2e", Err(404));
        check("/api/chat/.", Err(400));
        check("/api/chat/%2e%2e%2fevents", Err(400));
        check("/api/events/..", Err(404));
        check("/api/..", Ok(""));
        check("/api/chat/...", Err(400));
    }

    #[test]
    fn anything_else_is_not_found() {
        for path in ["", "/api", "/api/", "/api/events/", "/api/chat/a/b", "/api/chat/a/messages", "//"] {
            check(path, Err(404));
        }
        check("/api/chat/a/messages/x", Err(404));
        check("/api/chat/A/messages/1", Err(400));
    }
}
