//! The events feed: ticks, and push notifications by topic.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Drafts, Endpoint, Feed, Posted, Query, Reading, Tick};
use crate::json::{self, InvalidBody};
use crate::log::{ChannelName, Draft, Filter, Text};
use crate::problem::Problem;
use crate::session::{Dialect, Ticks};
use crate::settings::{BadSetting, Variables};
use crate::sse::{Event, EventName};
use crate::time::UnixMillis;

/// Characters of a topic.
pub const TOPIC_CHARS: usize = 64;
/// Topics that one stream may choose.
pub const TOPICS: usize = 16;
/// Kept notifications that a reader may ask for on its first connect.
pub const HISTORY: RangeInclusive<u32> = 0..=100;

/// What a notification is about: `[A-Za-z0-9_.-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Topic(String);

/// The text is not a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {TOPIC_CHARS} of A-Z, a-z, 0-9, _, . and -")]
pub struct InvalidTopic;

impl Topic {
    /// The topic of this name.
    ///
    /// # Errors
    /// [`InvalidTopic`] if the name is against its pattern.
    pub fn new(name: &str) -> Result<Self, InvalidTopic> {
        let allowed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        (allowed && (1..=TOPIC_CHARS).contains(&name.len()))
            .then(|| Self(name.to_owned()))
            .ok_or(InvalidTopic)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Topic {
    type Error = InvalidTopic;

    fn try_from(name: String) -> Result<Self, InvalidTopic> {
        Self::new(&name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Deserialize)]
struct Body {
    topic: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "json::present")]
    data: Option<Box<RawValue>>,
    event: Option<Box<RawValue>>,
}

/// The feed.
#[derive(Clone, Copy, Debug)]
pub struct Events;

/// The feed, which has no settings of its own.
///
/// # Errors
/// None.
pub fn feed(_: &Variables) -> Result<Box<dyn Feed>, BadSetting> {
    Ok(Box::new(Events))
}

impl Feed for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn endpoints(&self) -> &'static [Endpoint] {
        &[
            (Method::GET, "/api/events", "stream of ticks and notifications"),
            (Method::POST, "/api/events", "publish a notification"),
        ]
    }

    fn anonymous(&self) -> &'static str {
        "subscribe events"
    }

    fn lists(&self) -> &'static [&'static str] {
        &["topics"]
    }

    fn reading(&self, query: &Query) -> Result<Reading, Problem> {
        let topics = query.list("topics", TOPICS, Topic::new)?;
        let interval = query.interval("tick", true)?;
        let history = query.number("history", &HISTORY, 0)?;
        let filter =
            topics.map_or(Filter::ALL, |topics| Filter::keys(topics.iter().map(ToString::to_string)));
        let has_names = query.word("named", &[("on", true), ("off", false)])?;
        let (filter, dialect) = match has_names {
            true => (filter, Dialect::Named),
            false => (filter.without_names(), Dialect::Plain),
        };
        let ticks = interval.map(|interval| Tick { interval, ticks: Arc::new(Clock), kept: 0 });
        Ok(Reading { ticks, dialect, ..Reading::entries(filter, history) })
    }

    fn is_granted_by_key(&self) -> bool {
        true
    }

    /// Reads `{"topic":"orders","data":<any JSON>,"event":"order-created"?}`.
    fn post(&self, _: &ChannelName, posted: &Posted<'_>) -> Result<Drafts, Problem> {
        let body: Body = json::object(posted.body)?;
        let topic = json::string("topic", body.topic.as_deref())?;
        let event = match &body.event {
            None => None,
            Some(name) => {
                let name = json::string("event", Some(name))?;
                Some(EventName::published(&name).map_err(InvalidBody::field("event"))?)
            }
        };
        let data = body.data.ok_or("is missing; it may be any JSON");
        let topic = Topic::new(&topic).map_err(InvalidBody::field("topic"))?;
        let data = data.and_then(|data| json::compact(&data)).map_err(InvalidBody::field("data"))?;
        let mut notification = Text::object().field("type", "notification").id("id").field("topic", &topic);
        if let Some(name) = &event {
            notification = notification.field("event", name);
        }
        let draft = Draft::new(notification.time("time").raw("data", &data));
        Ok(draft.with_key(topic.as_str()).with_event(event).into())
    }

    fn list(&self) -> &'static str {
        "notifications"
    }
}

/// The ticks. They have no id, so a reader's cursor stays that of its last notification.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl Ticks for Clock {
    fn blocks(&self, time: UnixMillis, _: u64) -> Bytes {
        #[derive(Serialize)]
        struct Tick {
            r#type: &'static str,
            time: UnixMillis,
        }
        Event::new().json(&json::line(&Tick { r#type: "tick", time })).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryId;

    fn draft(body: &str) -> Result<Draft, Problem> {
        let drafts =
            Drafts::of_json(&Events, &ChannelName::new("events").unwrap(), body.as_bytes(), None)?.drafts;
        Ok(drafts.into_iter().next().unwrap())
    }

    #[track_caller]
    fn check(body: &str, expected: Result<&str, &str>) {
        let time = UnixMillis(1_795_341_600_000);
        let got = draft(body).map(|draft| draft.entry(EntryId::new(7).unwrap(), time, None).body);
        let got = got.map_err(|e| e.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{body}");
    }

    #[test]
    fn data_arrives_as_it_was_sent() {
        check(
            r#"{"topic":"orders","data":{"b":1.10,"a":123456789012345678901234567890,"c":[1e5,-0,"\u0041\/"]}}"#,
            Ok(concat!(
                r#"{"type":"notification","id":"7","topic":"orders","time":"2026-11-22T10:00:00.000Z","#,
                r#""data":{"b":1.10,"a":123456789012345678901234567890,"c":[1e5,-0,"A/"]}}"#
            )),
        );
        check(
            r#"{"topic":"a","data":null}"#,
            Ok(
                r#"{"type":"notification","id":"7","topic":"a","time":"2026-11-22T10:00:00.000Z","data":null}"#,
            ),
        );
    }

    #[test]
    fn the_name_is_in_the_notification() {
        check(
            r#"{"topic":"a","data":1,"event":"order-created"}"#,
            Ok(concat!(
                r#"{"type":"notification","id":"7","topic":"a","event":"order-created","#,
                r#""time":"2026-11-22T10:00:00.000Z","data":1}"#
            )),
        );
    }

    #[test]
    fn names_the_field_and_the_rule() {
        check(r#"{"topic":"a"}"#, Err("data: is missing; it may be any JSON"));
        check(r#"{"topic":"a b","data":1}"#, Err("topic: must be 1 to 64 of A-Z, a-z, 0-9, _, . and -"));
        check(r#"[1]"#, Err("the body must be a JSON object: it does not begin with {"));
        assert!(draft(r#"{"topic":"a","data":1,"event":"cursor"}"#).is_err());
        assert!(draft(r#"{"topic":"a","data":1,"event":"a\nb"}"#).is_err());
        assert!(draft(r#"{"topic":"a","data":1,"data":2}"#).is_err());
    }

    #[test]
    fn a_tick_has_no_id() {
        let block = Clock.blocks(UnixMillis(1_795_341_600_000), 0);
        assert_eq!(&block[..], b"data: {\"type\":\"tick\",\"time\":\"2026-11-22T10:00:00.000Z\"}\n\n");
    }
}
