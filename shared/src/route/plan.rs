//! From a request to what is to be done, decided once for both hosts.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::query::Query;
use super::response::{self, LAST_EVENT_ID};
use super::{Representation, Route, negotiate};
use crate::access::{Action, Caller};
use crate::channel::{
    ChannelName, Draft, Entry, EntryId, Filter, Gap, Position, Requested, Start, Subscribe,
};
use crate::chat::{ChatDraft, Room};
use crate::events::{NotificationDraft, Topic};
use crate::limits;
use crate::problem::Problem;
use crate::session::{Opening, Pulse};
use crate::settings::{Settings, StockSource};
use crate::stock::{QuoteDraft, listed_symbol, quote_at};
use crate::time::UnixMillis;
use crate::{json, openapi};

/// What a host is to do.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Send this answer.
    Reply(Response<Bytes>),
    /// Send the page.
    Page,
    /// Open a stream ([`crate::session::Session`]); for a HEAD only find out where it would start.
    Stream(Box<Opening>),
    /// Read entries and answer with [`Read::response`].
    Read(Read),
    /// Look one message up and answer with [`message`](Plan::message).
    Message(ChannelName, EntryId),
    /// Read the body and append what it holds.
    Append(Append),
}

/// Decides what a request wants.
///
/// # Errors
/// The [`Problem`] to answer with.
pub fn plan(request: &Parts, settings: &Settings, now: UnixMillis) -> Result<Plan, Problem> {
    let route = Route::parse(request.uri.path())?;
    if request.method == Method::OPTIONS {
        return Ok(Plan::Reply(response::preflight(route.allow(), settings.host)));
    }
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let query = Query::new(request.uri.query());
    let ask = Ask { headers: &request.headers, query, settings, now };
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
    headers: &'a HeaderMap,
    query: Query<'a>,
    settings: &'a Settings,
    now: UnixMillis,
}

impl Ask<'_> {
    fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn authorize(&self, action: Action, channel: &str) -> Result<(), Problem> {
        Caller::authenticate(self.headers, self.query.get("access_token"))?.authorize(
            action,
            channel,
            self.settings,
        )
    }

    /// Where the reader goes on: the header wins over the query, and either over `history`.
    fn position(&self, history: u32) -> Position {
        let header = self.headers.get(LAST_EVENT_ID).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let cursor = header.as_deref().filter(|id| !id.is_empty()).or_else(|| self.query.get("lastEventId"));
        match cursor.filter(|id| !id.is_empty()) {
            Some(cursor) => Position::After(Requested::new(cursor)),
            None => Position::History(history),
        }
    }

    fn follow(&self, channel: ChannelName) -> Result<Plan, Problem> {
        let representation = negotiate(self.header(header::ACCEPT))
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
        match &topics {
            None => self.authorize(Action::Subscribe, "events/*")?,
            Some(topics) => {
                for topic in topics {
                    self.authorize(Action::Subscribe, &format!("events/{topic}"))?;
                }
            }
        }
        let filter =
            topics.map_or(Filter::ALL, |topics| Filter::keys(topics.iter().map(ToString::to_string)));
        let subscribe = Subscribe { position: self.position(history), filter, newest: false };
        let pulse = interval.map_or(Pulse::None, Pulse::Clock);
        Ok(self.log(ChannelName::Events, subscribe, pulse, representation))
    }

    fn chat(&self, room: Room, representation: Representation) -> Result<Plan, Problem> {
        let history = self.query.number("history", &limits::CHAT_HISTORY, limits::CHAT_HISTORY_DEFAULT)?;
        let channel = ChannelName::Chat(room);
        self.authorize(Action::Subscribe, &channel.to_string())?;
        let subscribe = Subscribe { position: self.position(history), filter: Filter::ALL, newest: false };
        Ok(self.log(channel, subscribe, Pulse::None, representation))
    }

    fn stock(&self, representation: Representation) -> Result<Plan, Problem> {
        let listed = &self.settings.stock_symbols;
        let symbols = self.query.list("symbols", listed.len(), |name| listed_symbol(listed, name))?;
        let interval = self.query.interval("interval", false)?.unwrap_or_default();
        let history = self.query.number("history", &(0..=limits::STOCK_TICKS), 0)?;
        self.authorize(Action::Subscribe, "stock")?;
        if self.settings.stock_source == StockSource::Simulated {
            let symbols = symbols.unwrap_or_else(|| listed.clone());
            if representation == Representation::Snapshot {
                let tick = self.now.floor(interval);
                let quotes: Vec<_> = symbols.iter().map(|symbol| quote_at(symbol, tick, 0)).collect();
                return Ok(Plan::Reply(json_of(&Quotes { quotes, cursor: tick.0.to_string() })));
            }
            let pulse = Pulse::Market { symbols, interval, position: self.position(history) };
            return Ok(Plan::Stream(Box::new(Opening { channel: None, pulse, conflates: true })));
        }
        let filter =
            symbols.map_or(Filter::ALL, |symbols| Filter::keys(symbols.iter().map(ToString::to_string)));
        let newest = representation == Representation::Snapshot;
        let position =
            if newest { Position::After(EntryId::BEGINNING.into()) } else { self.position(history) };
        let subscribe = Subscribe { position, filter, newest };
        Ok(self.log(ChannelName::Stock, subscribe, Pulse::None, representation))
    }

    fn log(
        &self,
        channel: ChannelName,
        subscribe: Subscribe,
        pulse: Pulse,
        representation: Representation,
    ) -> Plan {
        match representation {
            Representation::Snapshot => Plan::Read(Read { channel, subscribe }),
            Representation::Stream => {
                let conflates = channel == ChannelName::Stock;
                Plan::Stream(Box::new(Opening { channel: Some((channel, subscribe)), pulse, conflates }))
            }
        }
    }

    fn message(&self, room: Room, id: EntryId) -> Result<Plan, Problem> {
        let channel = ChannelName::Chat(room);
        self.authorize(Action::Subscribe, &channel.to_string())?;
        Ok(Plan::Message(channel, id))
    }

    fn append(&self, channel: ChannelName) -> Result<Plan, Problem> {
        let caller = Caller::authenticate(self.headers, self.query.get("access_token"))?;
        if channel == ChannelName::Stock && self.settings.stock_source == StockSource::Simulated {
            return Err(Problem::Simulated);
        }
        // Which topic a notification is for stands in its body, which nobody without a grant gets to have read.
        caller.authorize(Action::Publish, &channel.to_string(), self.settings)?;
        self.check_body_headers()?;
        Ok(Plan::Append(Append { channel }))
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
                charset.is_none_or(|(_, value)| value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"))
            };
            essence.eq_ignore_ascii_case("application/json") && parts.all(utf8)
        });
        if is_json && !encoded { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
    }
}

#[derive(Serialize)]
struct Quotes<T> {
    quotes: Vec<T>,
    cursor: String,
}

fn json_of(value: &impl Serialize) -> Response<Bytes> {
    let mut response = response::json(StatusCode::OK, json::line(value));
    response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("Accept"));
    response
}

/// A snapshot of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The channel.
    pub channel: ChannelName,
    /// What to read of it, at most [`limits::SNAPSHOT_ENTRIES`] entries.
    pub subscribe: Subscribe,
}

/// What a channel answers to a [`Read`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Snapshot {
    /// The bodies of the entries, in order.
    pub bodies: Vec<String>,
    /// The id after which a stream goes on.
    pub cursor: EntryId,
    /// The snapshot was cut.
    pub more: bool,
    /// What the cursor that came has missed.
    pub gap: Option<Gap>,
}

impl Read {
    /// The answer: `{"messages":[…],"cursor":"42"}`, with `"more":true` where it was cut, and `"gap":{…}` where
    /// the cursor that came could not be resumed.
    ///
    /// # Errors
    /// [`Problem::Internal`] where the storage holds a body that is no JSON.
    pub fn response(&self, snapshot: Snapshot) -> Result<Response<Bytes>, Problem> {
        #[derive(Serialize)]
        struct Document {
            #[serde(skip_serializing_if = "Option::is_none")]
            messages: Option<Vec<Box<RawValue>>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            notifications: Option<Vec<Box<RawValue>>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            quotes: Option<Vec<Box<RawValue>>>,
            cursor: EntryId,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            more: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            gap: Option<Gap>,
        }
        let bodies = snapshot.bodies.into_iter().map(RawValue::from_string).collect::<Result<Vec<_>, _>>();
        let bodies = bodies.map_err(|e| Problem::Internal { cause: format!("a stored body: {e}") })?;
        let Snapshot { cursor, more, gap, .. } = snapshot;
        let document = Document { messages: None, notifications: None, quotes: None, cursor, more, gap };
        Ok(json_of(&match self.channel {
            ChannelName::Chat(_) => Document { messages: Some(bodies), ..document },
            ChannelName::Events => Document { notifications: Some(bodies), ..document },
            ChannelName::Stock => Document { quotes: Some(bodies), ..document },
        }))
    }
}

/// A POST that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub channel: ChannelName,
}

impl Append {
    /// Reads the body, of which the host has taken at most [`limits::BODY_BYTES`] and one byte.
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::Malformed`] or [`Problem::Invalid`].
    pub fn draft(&self, body: &[u8], settings: &Settings) -> Result<Draft, Problem> {
        if body.len() > limits::BODY_BYTES {
            return Err(Problem::TooLarge);
        }
        Ok(match &self.channel {
            ChannelName::Chat(room) => Draft::Chat(ChatDraft::parse(room.clone(), body)?),
            ChannelName::Events => Draft::Notification(NotificationDraft::parse(body)?),
            ChannelName::Stock => Draft::Quote(QuoteDraft::parse(&settings.stock_symbols, body)?),
        })
    }

    /// The answer once the entry is stored: `201`, the entry, and for a message its `Location`.
    #[must_use]
    pub fn response(&self, id: EntryId, body: String) -> Response<Bytes> {
        let mut response = response::json(StatusCode::CREATED, body);
        if let ChannelName::Chat(room) = &self.channel {
            let location = format!("/api/chat/{room}/messages/{id}");
            // A room and an id are visible ASCII, so there is always a header of them.
            if let Ok(location) = location.try_into() {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        response
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

impl Snapshot {
    /// Takes at most [`limits::SNAPSHOT_ENTRIES`] of the kept entries after `start`, oldest first.
    #[must_use]
    pub fn take(start: Start, subscribe: &Subscribe, entries: Vec<Entry>) -> Self {
        let mut snapshot = Self { bodies: Vec::new(), cursor: start.after, more: false, gap: start.gap };
        if subscribe.newest {
            snapshot.cursor = entries.last().map_or(start.after, |entry| entry.id);
            let newest: BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.key, entry.body)).collect();
            let admitted = newest.into_iter().filter(|(key, _)| subscribe.filter.admits_key(key.as_deref()));
            snapshot.bodies = admitted.map(|(_, body)| body).collect();
            return snapshot;
        }
        for entry in entries {
            if subscribe.filter.admits(&entry) {
                if snapshot.bodies.len() == limits::SNAPSHOT_ENTRIES as usize {
                    snapshot.more = true;
                    break;
                }
                snapshot.bodies.push(entry.body);
            }
            snapshot.cursor = entry.id;
        }
        snapshot
    }
}
