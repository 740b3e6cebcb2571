//! From a request to what is to be done, decided once for both hosts.

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Response, StatusCode, header};

use super::append::Append;
use super::read::{self, Read, ReadEntry};
use super::response::{self, LAST_EVENT_ID};
use super::{Deployment, Representation, Route, cors, negotiate, openapi, route};
use crate::access::{Action, Caller, Key, Scope, Sender};
use crate::feeds::{Feed, Query, Target};
use crate::log::{ChannelName, Filter, Position, Subscribe};
use crate::problem::Problem;
use crate::session::{Replay, StreamRequest, Timetable, WhenSlow};
use crate::settings::Settings;
use crate::time::UnixMillis;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a host is to do.
#[derive(Debug)]
pub enum Plan<'a> {
    /// Send this answer.
    Reply(Response<Bytes>),
    /// Send the page.
    Page,
    /// Open a stream ([`crate::session::Session`]); for a HEAD only find out where it would start.
    Stream(Box<StreamRequest>, Subscriber),
    /// Read entries and answer with [`Read::response`].
    Read(Read),
    /// Look one entry up and answer with [`ReadEntry::response`].
    Entry(ReadEntry),
    /// Read the body and append what it holds.
    Append(Box<Append<'a>>),
    /// Delete all of a channel, and answer with [`response::deleted`](super::deleted).
    Delete(ChannelName),
}

/// For whom a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Whose streams are counted.
    pub sender: Sender,
    /// When its token expires, if it has one.
    pub expires: Option<UnixMillis>,
}

/// What the platform says of a client: nothing that a header of its own could say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer<'a> {
    /// Its address.
    pub address: Option<&'a str>,
    /// The scheme by which it asked.
    pub scheme: Option<&'a str>,
}

/// Decides what a request wants.
///
/// # Errors
/// The [`Problem`] to answer with.
///
/// # Examples
/// ```
/// use ssedge::route::{Deployment, Peer, Plan, plan, request_head};
/// use ssedge::settings::Host;
/// use ssedge::time::UnixMillis;
///
/// let deployment = Deployment::read(Host::Worker, |_| None)?;
/// let request = request_head("GET", "/api/chat?history=5", [])?;
/// let plan = plan(&request, Peer::default(), &deployment, UnixMillis(1_795_341_600_000))?;
/// assert!(matches!(plan, Plan::Stream(..)));
/// # Ok::<(), ssedge::problem::Problem>(())
/// ```
pub fn plan<'a>(
    request: &'a Parts,
    peer: Peer<'a>,
    deployment: &'a Deployment,
    now: UnixMillis,
) -> Result<Plan<'a>, Problem> {
    let Deployment { settings, feeds } = deployment;
    let route = route(request.uri.path(), feeds);
    if request.method == Method::OPTIONS {
        let allow = match &route {
            Ok(route) => route.allow(),
            // A page is told of a bad name by the request itself: a refused preflight would hide the reason.
            Err(Problem::Invalid { .. }) => super::allow_of_shape(request.uri.path(), feeds),
            Err(problem) => return Err(problem.clone()),
        };
        return Ok(Plan::Reply(response::preflight(allow, settings.host)));
    }
    let route = route?;
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let writes = match &route {
        Route::Feed((feed, Target::Channel(_))) => {
            request.method == Method::POST || (request.method == Method::DELETE && feed.has_ends())
        }
        _ => false,
    };
    let query = Query::new(request.uri.query());
    if matches!(route, Route::Feed(_)) {
        query.check(|name| feeds.lists().any(|list| list == name))?;
    }
    if !reads && !writes {
        return Err(Problem::MethodNotAllowed { allow: route.allow() });
    }
    match route {
        Route::Page => Ok(Plan::Page),
        Route::Health => Ok(Plan::Reply(response::health(settings.host))),
        Route::OpenApi => Ok(Plan::Reply(response::json(StatusCode::OK, openapi::DOCUMENT))),
        Route::Feed((feed, target)) => {
            let planner = Planner { request, peer, query, settings, feed, now };
            match target {
                Target::Channel(channel) if request.method == Method::DELETE => planner.delete(channel),
                Target::Channel(channel) if writes => planner.append(channel),
                Target::Channel(channel) => planner.follow(channel),
                Target::Entry { channel, id, missing } => {
                    planner.caller()?.authorize(Action::Subscribe, &channel, Scope::Whole, false)?;
                    Ok(Plan::Entry(ReadEntry { channel, id, missing }))
                }
            }
        }
    }
}

/// A request to a feed.
struct Planner<'a> {
    request: &'a Parts,
    peer: Peer<'a>,
    query: Query<'a>,
    settings: &'a Settings,
    feed: &'a dyn Feed,
    now: UnixMillis,
}

impl<'a> Planner<'a> {
    fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.request.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn caller(&self) -> Result<Caller, Problem> {
        let Settings { anonymous, .. } = self.settings;
        let (headers, access_token) = (&self.request.headers, self.query.get("access_token"));
        Ok(Caller::authenticate(headers, access_token, anonymous, self.settings.secrets(), self.now)?)
    }

    /// Where the reader goes on: the header wins over the query, and either over `history`.
    fn position(&self, history: u32) -> Position {
        let header =
            self.request.headers.get(LAST_EVENT_ID).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let cursor = header.as_deref().filter(|id| !id.is_empty()).or_else(|| self.query.cursor());
        match cursor {
            Some(cursor) => Position::after(cursor),
            None => Position::History(history),
        }
    }

    /// Whether the caller may read what passes the filter.
    fn authorize_reading(
        &self,
        caller: &Caller,
        channel: &ChannelName,
        filter: &Filter,
    ) -> Result<(), Problem> {
        let allow = |scope| Ok(caller.authorize(Action::Subscribe, channel, scope, false)?);
        match filter.wanted() {
            _ if !self.feed.is_granted_by_key() => allow(Scope::Whole),
            None => allow(Scope::EveryKey),
            Some(mut keys) => keys.try_for_each(|key| allow(Scope::Key(key))),
        }
    }

    fn follow(&self, channel: ChannelName) -> Result<Plan<'a>, Problem> {
        let accept: Vec<_> =
            self.request.headers.get_all(header::ACCEPT).iter().flat_map(|line| line.to_str()).collect();
        let representation = negotiate(Some(&accept.join(",")))
            .ok_or(Problem::NotAcceptable("text/event-stream and application/json"))?;
        let reading = self.feed.reading(&self.query)?;
        let caller = self.caller()?;
        self.authorize_reading(&caller, &channel, reading.filter.as_ref().unwrap_or(&Filter::ALL))?;
        let position = self.position(reading.history);
        let newest = reading.newest && matches!(position, Position::History(_));
        let log = reading.filter.map(|filter| Subscribe { position: position.clone(), filter, newest });
        match (representation, log, reading.ticks) {
            (Representation::Snapshot, Some(subscribe), _) => {
                let (list, has_ends) = (self.feed.list(), self.feed.has_ends());
                let subscribe = match reading.when_slow {
                    WhenSlow::Newest if !has_ends => {
                        let kept = u32::try_from(self.settings.retention.max).unwrap_or(u32::MAX);
                        Subscribe { position: Position::History(kept), newest: true, ..subscribe }
                    }
                    _ => subscribe,
                };
                Ok(Plan::Read(Read { channel, subscribe, list, has_ends }))
            }
            (Representation::Snapshot, None, ticks) => {
                Ok(Plan::Reply(read::at_tick(self.feed.list(), ticks, self.now)?))
            }
            (Representation::Stream, log, ticks) => {
                let replays = log.is_none();
                let ticks = ticks.map(|tick| Timetable {
                    interval: tick.interval,
                    ticks: tick.ticks,
                    replay: replays.then_some(Replay { position, kept: tick.kept }),
                });
                let request = StreamRequest {
                    log: log.map(|subscribe| (channel, subscribe)),
                    ticks,
                    when_slow: reading.when_slow,
                    dialect: reading.dialect,
                    only_open: reading.only_open,
                    has_ends: self.feed.has_ends(),
                };
                let subscriber =
                    Subscriber { sender: caller.sender(self.peer.address), expires: caller.ends() };
                Ok(Plan::Stream(Box::new(request), subscriber))
            }
        }
    }

    fn append(&self, channel: ChannelName) -> Result<Plan<'a>, Problem> {
        let caller = self.caller()?;
        self.feed.takes_posts()?;
        if caller.by_cookie() {
            self.check_origin()?;
        }
        // Of which key an entry is stands in its body, which nobody without a grant gets to have read.
        let scope = if self.feed.is_granted_by_key() { Scope::SomeKey } else { Scope::Whole };
        let wants_token = !self.feed.is_open_to_anonymous();
        let may = |action| caller.authorize(action, &channel, scope, wants_token);
        // Whoever may only end the channel gets no entry stored.
        let closes = self.feed.has_ends() && may(Action::Close).is_ok();
        may(Action::Publish).or_else(|forbidden| if closes { Ok(()) } else { Err(forbidden) })?;
        let media_type = self.media_type()?;
        let key = self.request.headers.get(IDEMPOTENCY_KEY).map(|key| Key::new(key.as_bytes())).transpose();
        let key = key.map_err(Problem::invalid("Idempotency-Key"))?;
        let sender = caller.sender(self.peer.address);
        let (feed, rules) = (self.feed, self.feed.rules(self.settings));
        let (query, headers) = (self.query.clone(), &self.request.headers);
        let append = Append { feed, channel, caller, sender, key, rules, media_type, query, headers };
        Ok(Plan::Append(Box::new(append)))
    }

    fn delete(&self, channel: ChannelName) -> Result<Plan<'a>, Problem> {
        let caller = self.caller()?;
        if caller.by_cookie() {
            self.check_origin()?;
        }
        caller.authorize(Action::Publish, &channel, Scope::Whole, true)?;
        Ok(Plan::Delete(channel))
    }

    fn check_origin(&self) -> Result<(), Problem> {
        let authority = || self.request.uri.authority().map(Authority::as_str);
        let host = self.header(header::HOST).or_else(authority);
        let origin = self.request.headers.get(header::ORIGIN);
        cors::may_act(&self.settings.allowed_origins, origin, self.peer.scheme.zip(host))
            .then_some(())
            .ok_or(Problem::Origin)
    }

    /// The media type of the body; `None` if there is no body, which only some feeds take.
    fn media_type(&self) -> Result<Option<&'static str>, Problem> {
        let length = self.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.feed.body_bytes() as u64) {
            return Err(Problem::too_large(self.feed.body_bytes()));
        }
        let taken = self.feed.media_types();
        let refused = Problem::UnsupportedMediaType(taken);
        let is_encoded =
            self.header(header::CONTENT_ENCODING).is_some_and(|c| !c.eq_ignore_ascii_case("identity"));
        let Some(content_type) = self.header(header::CONTENT_TYPE).filter(|_| !is_encoded) else {
            let is_empty = !is_encoded && self.feed.has_ends() && length.is_none_or(|length| length == 0);
            return if is_empty { Ok(None) } else { Err(refused) };
        };
        let mut parts = content_type.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let utf8 = |part: &str| {
            let charset =
                part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
            let names = |value: &str, name| value.trim().trim_matches('"').eq_ignore_ascii_case(name);
            charset.is_none_or(|(_, value)| names(value, "utf-8") || names(value, "utf8"))
        };
        let found = taken.iter().find(|taken| essence.eq_ignore_ascii_case(taken)).copied();
        found.filter(|_| parts.all(utf8)).map(Some).ok_or(refused)
    }
}
