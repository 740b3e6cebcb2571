//! The whole URL surface.

mod accept;
mod append;
mod plan;
mod query;
mod read;
mod request;
mod response;

use http::Method;
use percent_encoding::percent_decode_str;

pub use accept::{Representation, negotiate};
pub use append::Append;
pub use plan::{Peer, Plan, Reader, plan};
pub use read::{Read, Snapshot};
pub use request::{request_head, request_headers};
pub(crate) use response::secure;
pub use response::{finish, head_of_stream, health, json, overloaded, preflight};

use crate::chat::Room;
use crate::log::{ChannelName, EntryId};
use crate::problem::Problem;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page.
    Page,
    /// Is the host up?
    Health,
    /// What this document's reader wants as OpenAPI.
    OpenApi,
    /// A feed: its stream, its snapshot, and where to post.
    Feed(ChannelName),
    /// One kept message of a room.
    Message(Room, EntryId),
}

/// One line of the endpoint table: method, path, what it does.
pub type Endpoint = (Method, &'static str, &'static str);

const PAGE: &str = "GET, HEAD, OPTIONS";
const FEED: &str = "GET, HEAD, POST, OPTIONS";

impl Route {
    /// Every endpoint there is. The table in the README and the paths of the OpenAPI document are checked
    /// against it.
    pub const ALL: &[Endpoint] = &[
        (Method::GET, "/api/events", "stream of ticks and notifications"),
        (Method::POST, "/api/events", "publish a notification"),
        (Method::GET, "/api/stock", "stream of quotes"),
        (Method::POST, "/api/stock", "publish a quote"),
        (Method::GET, "/api/chat", "stream of the room `lobby`"),
        (Method::POST, "/api/chat", "say something in `lobby`"),
        (Method::GET, "/api/chat/{room}", "stream of a room"),
        (Method::POST, "/api/chat/{room}", "say something in a room"),
        (Method::GET, "/api/chat/{room}/messages/{id}", "one message"),
        (Method::GET, "/healthz", "is the host up"),
        (Method::GET, "/openapi.json", "this API as OpenAPI 3.2"),
        (Method::GET, "/", "the page"),
    ];

    /// Reads a path as it came, percent-encoded. Dot segments are resolved, as the [URL standard] has it and every
    /// browser does: one host gets paths that were, and the other gets them as they were sent.
    ///
    /// [URL standard]: https://url.spec.whatwg.org/#path-state
    ///
    /// # Errors
    /// [`Problem::NotFound`], or [`Problem::Invalid`] for a bad room name.
    pub fn parse(path: &str) -> Result<Self, Problem> {
        const NOT_FOUND: Problem = Problem::NotFound("no such path");
        // Split before decoding, so that an encoded slash stays inside its segment.
        let segments = resolve(path.strip_prefix('/').ok_or(NOT_FOUND)?);
        let decode = |segment| percent_decode_str(segment).decode_utf8_lossy();
        let segments: Vec<_> = segments.into_iter().map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
        let room = |name| Room::new(name).map_err(Problem::invalid("room"));
        match segments[..] {
            [""] => Ok(Self::Page),
            ["healthz"] => Ok(Self::Health),
            ["openapi.json"] => Ok(Self::OpenApi),
            ["api", "events"] => Ok(Self::Feed(ChannelName::Events)),
            ["api", "stock"] => Ok(Self::Feed(ChannelName::Stock)),
            ["api", "chat"] => Ok(Self::Feed(ChannelName::Chat(Room::default()))),
            ["api", "chat", name] => Ok(Self::Feed(ChannelName::Chat(room(name)?))),
            ["api", "chat", name, "messages", id] => {
                let id = id.parse().map_err(|_| Problem::NotFound("no such message"))?;
                Ok(Self::Message(room(name)?, id))
            }
            _ => Err(NOT_FOUND),
        }
    }

    /// The value of `Allow`.
    #[must_use]
    pub const fn allow(&self) -> &'static str {
        match self {
            Self::Feed(_) => FEED,
            _ => PAGE,
        }
    }
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

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a table reads better without `&`")]
    fn check(path: &str, expected: Result<Route, u16>) {
        assert_eq!(Route::parse(path).map_err(|p| p.status().as_u16()), expected, "{path}");
    }

    #[test]
    fn every_path_of_the_table_is_a_route() {
        for (method, path, _) in Route::ALL {
            let route = Route::parse(&path.replace("{room}", "a").replace("{id}", "7")).unwrap();
            assert!(route.allow().contains(method.as_str()), "{method} {path}");
        }
    }

    #[test]
    fn a_room_is_decoded_once_and_then_keeps_to_its_pattern() {
        let room = |name| Ok(Route::Feed(ChannelName::Chat(Room::new(name).unwrap())));
        check("/api/chat/%6Cobby", room("lobby"));
        check("/api/chat/Lobby", Err(400));
        check("/api/chat/", Err(400));
        check("/api/chat/a%2Fb", Err(400));
        check("/api/chat/%256C", Err(400));
        check("/api/chat/%ff", Err(400));
        check("/%ff", Err(404));
    }

    #[test]
    fn dots_lead_where_a_browser_goes() {
        let events = || Ok(Route::Feed(ChannelName::Events));
        for path in ["/api/chat/../events", "/api/./chat/%2E./events", "/../api/chat/a/%2e%2e/.%2e/events"] {
            check(path, events());
        }
        check("/api/chat/%2e%2e", Err(404));
        check("/api/chat/.", Err(400));
        check("/api/chat/%2e%2e%2fevents", Err(400));
        check("/api/events/..", Err(404));
        check("/api/..", Ok(Route::Page));
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
