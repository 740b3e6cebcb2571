//! From a request to what is to be done, decided once for both hosts.

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Response, StatusCode, header};

use super::append::Append;
use super::query::Query;
use super::read::{self, Read};
use super::response::{self, LAST_EVENT_ID};
use super::{Representation, Route, negotiate};
use crate::access::{Action, Caller, Key, Sender};
use crate::chat::Room;
use crate::cors;
use crate::events::Topic;
use crate::limits;
use crate::log::{ChannelName, EntryId, Filter, Position, Requested, Subscribe};
use crate::openapi;
use crate::problem::Problem;
use crate::route;
use crate::session::{Opening, Pulse};
use crate::settings::{Settings, StockSource};
use crate::stock::listed_symbol;
use crate::time::UnixMillis;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a host is to do.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Send this answer.
    Reply(Response<Bytes>),
    /// Send the page.
    Page,
    /// Open a stream ([`crate::session::Session`]) for this reader; for a HEAD only find out where it would start.
    Stream(Box<Opening>, Reader),
    /// Read entries and answer with [`Read::response`].
    Read(Read),
    /// Look one message up and answer with [`message`](Plan::message).
    Message(ChannelName, EntryId),
    /// Read the body and append what it holds.
    Append(Box<Append>),
}

/// For whom a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
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
pub fn plan(request: &Parts, peer: Peer, settings: &Settings, now: UnixMillis) -> Result<Plan, Problem> {
    let route = Route::parse(request.uri.path());
    if request.method == Method::OPTIONS {
        let allow = match &route {
            Ok(route) => route.allow(),
            // A page is told of a bad room by the request itself: a refused preflight would hide the reason.
            Err(Problem::Invalid { .. }) if request.uri.path().contains("/messages/") => route::PAGE,
            Err(Problem::Invalid { .. }) => route::FEED,
            Err(problem) => return Err(problem.clone()),
        };
        return Ok(Plan::Reply(response::preflight(allow, settings.host)));
    }
    let route = route?;
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let query = Query::new(request.uri.query());
    let ask = Ask { request, peer, query, settings, now };
    if matches!(route, Route::Feed(_) | Route::Message(..)) {
        ask.query.check()?;
    }
    match route {
        Route::Feed(channel) if request.method == Method::POST => ask.append(channel),
        _ if !reads => Err(Problem::MethodNotAllowed { allow: route.allow() }),
        Route::Page => Ok(Plan::Page),
        Route::Health => Ok(Plan::Reply(response::health(settings.host))),
        Route::OpenApi => Ok(Plan::Reply(response::json(StatusCode::OK, openapi::DOCUMENT))),
        Route::Message(room, id) => ask.message(room, id),
        Route::Feed(channel) => ask.follow(channel),
    }
}

struct Ask<'a> {
    request: &'a Parts,
    peer: Peer<'a>,
    query: Query<'a>,
    settings: &'a Settings,
    now: UnixMillis,
}

impl Ask<'_> {
    fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.request.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn caller(&self) -> Result<Caller, Problem> {
        Caller::authenticate(&self.request.headers, self.query.get("access_token"), self.settings, self.now)
    }

    /// Where the reader goes on: the header wins over the query, and either over `history`.
    fn position(&self, history: u32) -> Position {
        let header =
            self.request.headers.get(LAST_EVENT_ID).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let cursor = header.as_deref().filter(|id| !id.is_empty()).or_else(|| self.query.cursor());
        match cursor {
            Some(cursor) => Position::After(Requested::new(cursor)),
            None => Position::History(history),
        }
    }

    fn follow(&self, channel: ChannelName) -> Result<Plan, Problem> {
        let accept: Vec<_> =
            self.request.headers.get_all(header::ACCEPT).iter().flat_map(|line| line.to_str()).collect();
        let representation = negotiate(Some(&accept.join(",")))
            .ok_or(Problem::NotAcceptable("text/event-stream and application/json"))?;
        match channel {
            ChannelName::Events => self.events(representation),
            ChannelName::Stock => self.stock(representation),
            ChannelName::Chat(room) => self.chat(room, representation),
        }
    }

    fn events(&self, representation: Representation) -> Result<Plan, Problem> {
        let topics = self.query.list("topics", limits::TOPICS, Topic::new)?;
        let interval = self.query.interval("tick", true)?;
        let history = self.query.number("history", &limits::EVENTS_HISTORY, 0)?;
        let caller = self.caller()?;
        caller.authorize_topics(topics.as_deref())?;
        let filter =
            topics.map_or(Filter::ALL, |topics| Filter::keys(topics.iter().map(ToString::to_string)));
        let subscribe = Subscribe { position: self.position(history), filter, newest: false };
        let pulse = interval.map_or(Pulse::None, Pulse::Clock);
        Ok(self.log(&caller, ChannelName::Events, subscribe, pulse, representation))
    }

    fn chat(&self, room: Room, representation: Representation) -> Result<Plan, Problem> {
        let history = self.query.number("history", &limits::CHAT_HISTORY, limits::CHAT_HISTORY_DEFAULT)?;
        let channel = ChannelName::Chat(room);
        let caller = self.caller()?;
        caller.authorize(Action::Subscribe, &channel)?;
        let subscribe = Subscribe { position: self.position(history), filter: Filter::ALL, newest: false };
        Ok(self.log(&caller, channel, subscribe, Pulse::None, representation))
    }

    fn stock(&self, representation: Representation) -> Result<Plan, Problem> {
        let listed = &self.settings.stock_symbols;
        let symbols = self.query.list("symbols", listed.len(), |name| listed_symbol(listed, name))?;
        let interval = self.query.interval("interval", false)?.unwrap_or_default();
        let history = self.query.number("history", &(0..=limits::STOCK_TICKS), 0)?;
        let caller = self.caller()?;
        caller.authorize(Action::Subscribe, &ChannelName::Stock)?;
        if self.settings.stock_source == StockSource::Simulated {
            let symbols = symbols.unwrap_or_else(|| listed.clone());
            if representation == Representation::Snapshot {
                let tick = self.now.floor(interval);
                return Ok(Plan::Reply(read::market(&symbols, tick)));
            }
            let pulse = Pulse::Market { symbols, interval, position: self.position(history) };
            let opening = Opening { channel: None, pulse, conflates: true, chosen_names: false };
            return Ok(Plan::Stream(Box::new(opening), self.reader(&caller)));
        }
        let filter =
            symbols.map_or(Filter::ALL, |symbols| Filter::keys(symbols.iter().map(ToString::to_string)));
        let newest = representation == Representation::Snapshot;
        let kept = u32::try_from(self.settings.retention.max).unwrap_or(u32::MAX);
        let position = if newest { Position::History(kept) } else { self.position(history) };
        let subscribe = Subscribe { position, filter, newest };
        Ok(self.log(&caller, ChannelName::Stock, subscribe, Pulse::None, representation))
    }

    fn reader(&self, caller: &Caller) -> Reader {
        Reader { sender: caller.sender(self.peer.address), expires: caller.ends() }
    }

    fn log(
        &self,
        caller: &Caller,
        channel: ChannelName,
        subscribe: Subscribe,
        pulse: Pulse,
        representation: Representation,
    ) -> Plan {
        match representation {
            Representation::Snapshot => Plan::Read(Read { channel, subscribe }),
            Representation::Stream => {
                let conflates = channel == ChannelName::Stock;
                let chosen_names = channel == ChannelName::Events;
                let opening = Opening { channel: Some((channel, subscribe)), pulse, conflates, chosen_names };
                Plan::Stream(Box::new(opening), self.reader(caller))
            }
        }
    }

    fn message(&self, room: Room, id: EntryId) -> Result<Plan, Problem> {
        let channel = ChannelName::Chat(room);
        self.caller()?.authorize(Action::Subscribe, &channel)?;
        Ok(Plan::Message(channel, id))
    }

    fn append(&self, channel: ChannelName) -> Result<Plan, Problem> {
        let caller = self.caller()?;
        if channel == ChannelName::Stock && self.settings.stock_source == StockSource::Simulated {
            return Err(Problem::Simulated);
        }
        if caller.by_cookie() {
            self.check_origin()?;
        }
        // Which topic a notification is for stands in its body, which nobody without a grant gets to have read.
        caller.authorize(Action::Publish, &channel)?;
        self.check_body_headers()?;
        let key = self.request.headers.get(IDEMPOTENCY_KEY).map(|key| Key::new(key.as_bytes())).transpose();
        let key = key.map_err(Problem::invalid("Idempotency-Key"))?;
        let sender = caller.sender(self.peer.address);
        Ok(Plan::Append(Box::new(Append { channel, caller, sender, key })))
    }

    fn check_origin(&self) -> Result<(), Problem> {
        let authority = || self.request.uri.authority().map(Authority::as_str);
        let host = self.header(header::HOST).or_else(authority);
        let origin = self.request.headers.get(header::ORIGIN);
        cors::may_act(&self.settings.allowed_origins, origin, self.peer.scheme.zip(host))
            .then_some(())
            .ok_or(Problem::Origin)
    }

    fn check_body_headers(&self) -> Result<(), Problem> {
        let length = self.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > limits::BODY_BYTES as u64) {
            return Err(Problem::TooLarge);
        }
        let encoded =
            self.header(header::CONTENT_ENCODING).is_some_and(|c| !c.eq_ignore_ascii_case("identity"));
        let is_json = self.header(header::CONTENT_TYPE).is_some_and(|content_type| {
            let mut parts = content_type.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            let utf8 = |part: &str| {
                let charset =
                    part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
                let names = |value: &str, name| value.trim().trim_matches('"').eq_ignore_ascii_case(name);
                charset.is_none_or(|(_, value)| names(value, "utf-8") || names(value, "utf8"))
            };
            essence.eq_ignore_ascii_case("application/json") && parts.all(utf8)
        });
        if is_json && !encoded { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
    }
}

impl Plan {
    /// The answer to [`Plan::Message`]: the message's body, if it is kept.
    ///
    /// # Errors
    /// [`Problem::NotFound`].
    pub fn message(body: Option<String>) -> Result<Response<Bytes>, Problem> {
        let body = body.ok_or(Problem::NotFound("no such message, or it is no longer kept"))?;
        Ok(response::json(StatusCode::OK, body))
    }
}
