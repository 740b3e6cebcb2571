//! The events feed: ticks, and push notifications by topic.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::{self, InvalidBody};
use crate::limits::TOPIC_CHARS;
use crate::log::{Draft, Text};
use crate::sse::{Event, EventName};
use crate::time::UnixMillis;

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
    /// [`InvalidTopic`] where the name is against its pattern.
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

/// A notification before the channel gave it an id and a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationDraft {
    /// What it is about.
    pub topic: Topic,
    /// The event's name, where the publisher chose one.
    pub event: Option<EventName>,
    /// Whatever JSON the publisher sent, on one line.
    pub data: String,
}

#[derive(Deserialize)]
struct Body {
    topic: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "json::present")]
    data: Option<Box<RawValue>>,
    event: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Payload {
    Tick { time: UnixMillis },
}

impl NotificationDraft {
    /// Reads the body of a POST: `{"topic":"orders","data":<any JSON>,"event":"order-created"?}`.
    ///
    /// # Errors
    /// [`InvalidBody`] where it is no JSON object or a field is against its rule.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        let body: Body = json::object(body)?;
        let topic = json::string("topic", body.topic.as_deref())?;
        let event = match &body.event {
            None => None,
            Some(name) => {
                let name = json::string("event", Some(name))?;
                Some(EventName::published(&name).map_err(InvalidBody::field("event"))?)
            }
        };
        let data = body.data.ok_or("is missing; it may be any JSON");
        Ok(Self {
            topic: Topic::new(&topic).map_err(InvalidBody::field("topic"))?,
            data: data.and_then(|data| json::compact(&data)).map_err(InvalidBody::field("data"))?,
            event,
        })
    }

    /// The notification: `{"type":"notification","id":"7","topic":"orders","time":"…","data":…}`.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let notification = Text::object().field("type", "notification").id("id").field("topic", &self.topic);
        let draft = Draft::new(notification.time("time").raw("data", &self.data));
        draft.with_key(self.topic.as_str()).with_event(self.event.clone())
    }
}

/// The block of one tick. It has no id, so the reader's cursor stays that of its last notification.
#[must_use]
pub fn tick(time: UnixMillis) -> Bytes {
    Event::new().json(&json::line(&Payload::Tick { time })).to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryId;

    #[track_caller]
    fn check(body: &str, expected: Result<&str, &str>) {
        let time = UnixMillis(1_795_341_600_000);
        let got = NotificationDraft::parse(body.as_bytes());
        let got = got
            .map(|draft| draft.draft().entry(EntryId::new(7).unwrap(), time, None).body)
            .map_err(|e| e.to_string());
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
    fn names_the_field_and_the_rule() {
        check(r#"{"topic":"a"}"#, Err("data: is missing; it may be any JSON"));
        check(r#"{"topic":"a b","data":1}"#, Err("topic: must be 1 to 64 of A-Z, a-z, 0-9, _, . and -"));
        check(r#"[1]"#, Err("the body must be a JSON object: it does not begin with {"));
        assert!(NotificationDraft::parse(br#"{"topic":"a","data":1,"event":"cursor"}"#).is_err());
        assert!(NotificationDraft::parse(br#"{"topic":"a","data":1,"event":"a\nb"}"#).is_err());
        assert!(NotificationDraft::parse(br#"{"topic":"a","data":1,"data":2}"#).is_err());
    }

    #[test]
    fn a_tick_has_no_id() {
        let block = tick(UnixMillis(1_795_341_600_000));
        assert_eq!(&block[..], b"data: {\"type\":\"tick\",\"time\":\"2026-11-22T10:00:00.000Z\"}\n\n");
    }
}
