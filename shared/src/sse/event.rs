//! The fields of an event, as types that cannot hold what the wire cannot carry.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::json;
use crate::limits::EVENT_NAME_CHARS;

/// The value of an `id` field: any text, the empty one included, without CR, LF and NUL.
///
/// A line end would end the field; an id with a NUL is ignored by every reader (WHATWG HTML
/// [§ 9.2.6](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)). The
/// empty id takes the reader's cursor back: it reconnects without `Last-Event-ID`.
///
/// ```
/// use ssedge::sse::EventId;
/// assert_eq!(EventId::from(7).as_str(), "7");
/// assert!(EventId::new("7\ndata: forged").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId(String);

impl EventId {
    /// Takes `text` as it is.
    ///
    /// # Errors
    /// [`InvalidId`] if it has a CR, an LF or a NUL.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        if text.contains(['\r', '\n', '\0']) { Err(InvalidId) } else { Ok(Self(text)) }
    }

    /// The id as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for EventId {
    fn from(id: u64) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be an [`EventId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event id has no line break and no NUL")]
pub struct InvalidId;

/// The value of an `event` field: 1 to [`EVENT_NAME_CHARS`] of `A–Z`, `a–z`, `0–9`, `_`, `.` and `-`.
///
/// The standard allows more; this much is what needs no quoting in a listener, a query or a log. It reads from
/// JSON by the rule of [`EventName::new`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EventName(Cow<'static, str>);

impl EventName {
    /// Where a stream stands, for a reader that has seen no message yet.
    pub const CURSOR: Self = Self(Cow::Borrowed("cursor"));
    /// Some of what followed the reader's cursor is no longer kept.
    pub const GAP: Self = Self(Cow::Borrowed("gap"));
    /// The channel was closed: nothing follows.
    pub const END: Self = Self(Cow::Borrowed("end"));
    /// The token that opened the stream has expired.
    pub const EXPIRED: Self = Self(Cow::Borrowed("expired"));

    /// The names that only a stream itself may use, and the two that EventSource fires for its connection, so
    /// that a listener could not tell them from a message.
    const RESERVED: [Self; 6] = [
        Self::CURSOR,
        Self::GAP,
        Self::END,
        Self::EXPIRED,
        Self(Cow::Borrowed("error")),
        Self(Cow::Borrowed("open")),
    ];

    /// Takes any name of the right shape, also one that means something to a stream.
    ///
    /// # Errors
    /// [`InvalidName::Shape`] if it is empty, too long or has another character.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        Self::try_from(name.to_owned())
    }

    /// Takes a name that a publisher chose. `message` is allowed: it is the type of an event without a name.
    ///
    /// # Errors
    /// [`InvalidName::Reserved`] for `cursor`, `gap`, `end`, `expired`, `error` and `open`, otherwise as
    /// [`EventName::new`].
    ///
    /// ```
    /// use ssedge::sse::{EventName, InvalidName};
    /// assert!(EventName::published("order-created").is_ok());
    /// assert_eq!(EventName::published("cursor"), Err(InvalidName::Reserved));
    /// ```
    pub fn published(name: &str) -> Result<Self, InvalidName> {
        let name = Self::new(name)?;
        if Self::RESERVED.contains(&name) { Err(InvalidName::Reserved) } else { Ok(name) }
    }

    /// The name as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if (1..=EVENT_NAME_CHARS).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(InvalidName::Shape)
        }
    }
}

impl From<EventName> for String {
    fn from(name: EventName) -> Self {
        name.0.into_owned()
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be an [`EventName`], or not a publisher's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidName {
    /// Empty, too long, or with a character outside the set.
    #[error("an event name has 1 to {EVENT_NAME_CHARS} characters of A-Z, a-z, 0-9, `_`, `.` and `-`")]
    Shape,
    /// A name with a meaning of its own on a stream or in EventSource.
    #[error("the event names cursor, gap, end, expired, error and open are reserved")]
    Reserved,
}

/// One block of a stream: everything up to a blank line, every field optional.
///
/// ```
/// use std::time::Duration;
/// use ssedge::sse::{Event, EventId, EventName};
///
/// let event = Event::new()
///     .retry(Duration::from_secs(2))
///     .name(EventName::CURSOR)
///     .id(EventId::from(5))
///     .data(r#"{"cursor":"5"}"#);
/// assert_eq!(
///     event.to_bytes(),
///     "retry: 2000\nevent: cursor\nid: 5\ndata: {\"cursor\":\"5\"}\n\n"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub(super) id: Option<EventId>,
    pub(super) name: Option<EventName>,
    pub(super) retry: Option<Duration>,
    pub(super) data: Option<String>,
    pub(super) comment: Option<String>,
}

impl Event {
    /// A block without any field: a blank line, which tells the reader nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`MessageEvent.lastEventId`], also of the events that follow without an id, and what the browser
    /// sends as [`Last-Event-ID`] when it reconnects. It counts in a block without data too.
    ///
    /// [`MessageEvent.lastEventId`]: https://html.spec.whatwg.org/multipage/comms.html#dom-messageevent-lasteventid
    /// [`Last-Event-ID`]: https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header
    #[must_use]
    pub fn id(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the type that `addEventListener` listens for ([`Event.type`]); without it the type is `message`,
    /// which is what `onmessage` receives.
    ///
    /// [`Event.type`]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    #[must_use]
    pub fn name(mut self, name: EventName) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the [reconnection time]: how long the browser waits, once the stream has ended, before it comes
    /// back. On the wire it is whole milliseconds, rounded down.
    ///
    /// [reconnection time]: https://html.spec.whatwg.org/multipage/server-sent-events.html#concept-event-stream-reconnection-time
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sets [`MessageEvent.data`]. Without data the browser dispatches nothing, whatever the name; the empty
    /// text is data, and is dispatched.
    ///
    /// Each line of `text` becomes one `data` line, and the browser joins them with LF. So every text arrives
    /// as it is, except that CR and CRLF arrive as LF: the format has no other way to carry a line break.
    ///
    /// [`MessageEvent.data`]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    #[must_use]
    pub fn data(mut self, text: impl Into<String>) -> Self {
        self.data = Some(text.into());
        self
    }

    /// Sets data that is one line of JSON. It is one line also for readers that take more characters for the end of a
    /// line than the standard does.
    #[must_use]
    pub fn json(self, line: &str) -> Self {
        self.data(json::written(line))
    }

    /// Sets a text that the browser [ignores], for people and proxies on the way; one comment line per line.
    ///
    /// [ignores]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    #[must_use]
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        self.comment = Some(text.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_any_text_of_one_line() {
        let check = |text: &str, ok| assert_eq!(EventId::new(text).is_ok(), ok, "{text:?}");
        for text in ["", "0", " 7 ", "a:b", "\u{feff}", "\u{2028}", "🦀", "\u{b}\u{85}"] {
            check(text, true);
        }
        for text in ["\n", "\r", "\0", "7\r\ndata: forged", "7\0"] {
            check(text, false);
        }
        assert_eq!(EventId::from(u64::MAX).to_string(), u64::MAX.to_string());
    }

    #[test]
    fn names_are_identifiers() {
        let check = |name: &str, new, published| {
            assert_eq!(EventName::new(name).err(), new, "new({name:?})");
            assert_eq!(EventName::published(name).err(), published, "published({name:?})");
            let json = serde_json::to_string(name).unwrap();
            assert_eq!(serde_json::from_str::<EventName>(&json).is_err(), new.is_some(), "{json}");
        };
        for name in ["message", "order-created", "a", "v1.2_x", "Cursor", &"x".repeat(64)] {
            check(name, None, None);
        }
        for name in ["cursor", "gap", "end", "expired", "error", "open"] {
            check(name, None, Some(InvalidName::Reserved));
        }
        for name in ["", " ", "a b", "a:b", "a\n", "é", "\0", &"x".repeat(65)] {
            check(name, Some(InvalidName::Shape), Some(InvalidName::Shape));
        }
    }

    #[test]
    fn refusals_say_the_rule_and_the_limit() {
        assert_eq!(
            InvalidName::Shape.to_string(),
            "an event name has 1 to 64 characters of A-Z, a-z, 0-9, `_`, `.` and `-`"
        );
        let sentence = InvalidName::Reserved.to_string();
        assert!(EventName::RESERVED.iter().all(|name| sentence.contains(name.as_str())), "{sentence}");
    }
}
