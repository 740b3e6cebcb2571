//! What a publisher sent, before its channel gave it an id and a time.

use serde::{Deserialize, Serialize};

use super::{Entry, EntryId, Kind};
use crate::json;
use crate::sse::EventName;
use crate::time::UnixMillis;

/// An entry to be: checked, and whole but for what only the log knows.
///
/// ```
/// use ssedge::log::{Draft, EntryId, Text};
/// use ssedge::time::UnixMillis;
///
/// let draft = Draft::new(Text::object().id("id").field("text", "hi").time("time"));
/// let entry = draft.entry(EntryId::new(42)?, UnixMillis(0), None);
/// assert_eq!(entry.body, r#"{"id":"42","text":"hi","time":"1970-01-01T00:00:00.000Z"}"#);
/// # Ok::<(), ssedge::log::InvalidId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The event's name, if its publisher chose one.
    pub event: Option<EventName>,
    /// The key by which readers filter the entry.
    pub key: Option<String>,
    text: Text,
    /// What the entry is instead of the text: what its publisher sent, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    /// A number in hundredths, from whose last value under the same key [`Text::change`] is the difference.
    value: Option<i64>,
}

/// The body of an entry with holes: a JSON object whose id and time the log fills in.
///
/// Each method appends a field, in this order on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Piece {
    /// JSON as it is.
    Json(String),
    Id,
    Time,
    Change,
}

impl Text {
    /// An object, still without fields.
    #[must_use]
    pub fn object() -> Self {
        Self::default()
    }

    /// A field with this value.
    #[must_use]
    pub fn field(self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        self.hole(name, Piece::Json(json::line(value)))
    }

    /// A field whose value is this JSON, which the caller has read before.
    #[must_use]
    pub fn raw(self, name: &str, json: &str) -> Self {
        self.hole(name, Piece::Json(json.to_owned()))
    }

    /// The field of the entry's id, as a string of digits.
    #[must_use]
    pub fn id(self, name: &str) -> Self {
        self.hole(name, Piece::Id)
    }

    /// The field of the time at which the entry is stored, by RFC 3339.
    #[must_use]
    pub fn time(self, name: &str) -> Self {
        self.hole(name, Piece::Time)
    }

    /// The field of the difference between the draft's value and the last one of its key ([`Draft::with_value`]), a
    /// number with at most two decimals; 0 if there is none.
    #[must_use]
    pub fn change(self, name: &str) -> Self {
        self.hole(name, Piece::Change)
    }

    fn hole(mut self, name: &str, value: Piece) -> Self {
        let begin = if self.0.is_empty() { '{' } else { ',' };
        let before = format!("{begin}{}:", json::line(name));
        match self.0.last_mut() {
            Some(Piece::Json(last)) => last.push_str(&before),
            _ => self.0.push(Piece::Json(before)),
        }
        match (self.0.last_mut(), value) {
            (Some(Piece::Json(last)), Piece::Json(value)) => last.push_str(&value),
            (_, value) => self.0.push(value),
        }
        self
    }

    fn fill(&self, id: EntryId, time: UnixMillis, change: i64) -> String {
        let mut body = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Json(json) => body.push_str(json),
                Piece::Id => body.push_str(&json::line(&id)),
                Piece::Time => body.push_str(&json::line(&time)),
                Piece::Change => body.push_str(&json::hundredths(change)),
            }
        }
        body.push_str(if self.0.is_empty() { "{}" } else { "}" });
        body
    }
}

impl Draft {
    /// A draft of this text, without a name and without a key.
    #[must_use]
    pub const fn new(text: Text) -> Self {
        Self { event: None, key: None, text, data: None, value: None }
    }

    /// A draft of what a publisher sent: text, or JSON on one line as [`crate::json`] writes it.
    #[must_use]
    pub fn data(data: String) -> Self {
        Self { data: Some(data), ..Self::new(Text::object()) }
    }

    /// Bytes of what its publisher sent, if it is that and nothing else.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        self.data.as_ref().map_or(0, String::len)
    }

    /// The same with this key.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The same as an event of this name, if there is one.
    #[must_use]
    pub fn with_event(self, event: Option<EventName>) -> Self {
        Self { event, ..self }
    }

    /// The same with a value in hundredths, which the log remembers for the key until the next one.
    #[must_use]
    pub fn with_value(self, hundredths: i64) -> Self {
        Self { value: Some(hundredths), ..self }
    }

    /// The key and the value that the log is to remember for it, if there is one.
    #[must_use]
    pub fn remembers(&self) -> Option<(&str, i64)> {
        self.key.as_deref().zip(self.value)
    }

    /// The entry that this draft becomes at `id`. `last` is the value before of the same key, if it is kept
    /// ([`Self::remembers`]).
    #[must_use]
    pub fn entry(&self, id: EntryId, time: UnixMillis, last: Option<i64>) -> Entry {
        let change = self.value.zip(last).map_or(0, |(value, last)| value.saturating_sub(last));
        let (kind, body) = match &self.data {
            None => (Kind::Object, self.text.fill(id, time, change)),
            Some(data) => (Kind::Data, data.clone()),
        };
        Entry { id, time, event: self.event.clone(), key: self.key.clone(), kind, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: UnixMillis = UnixMillis(1_795_341_600_000);

    #[track_caller]
    fn check(text: Text, body: &str) {
        let draft = Draft::new(text).with_key("k").with_value(18_934);
        let sent: Draft = serde_json::from_str(&json::line(&draft)).unwrap();
        for draft in [draft, sent] {
            assert_eq!(draft.entry(EntryId::new(7).unwrap(), TIME, Some(18_946)).body, body);
        }
    }

    #[test]
    fn holes_are_filled_wherever_they_are() {
        check(Text::object(), "{}");
        check(Text::object().id("id"), r#"{"id":"7"}"#);
        check(Text::object().id("a").id("b"), r#"{"a":"7","b":"7"}"#);
        check(
            Text::object().field("a", &1).time("t").raw("b", "[1.10]").field("c", "x\"").change("d"),
            r#"{"a":1,"t":"2026-11-22T10:00:00.000Z","b":[1.10],"c":"x\"","d":-0.12}"#,
        );
    }

    #[test]
    fn without_a_value_before_nothing_has_changed() {
        let draft = Draft::new(Text::object().change("d")).with_key("k").with_value(5);
        assert_eq!(draft.entry(EntryId::BEGINNING, TIME, None).body, r#"{"d":0}"#);
        assert_eq!(draft.remembers(), Some(("k", 5)));
    }
}
