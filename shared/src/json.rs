//! JSON bodies: read field by field, written as one line.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::ECHO_CHARS;

/// Why a body is refused. The text is for its sender: it names the field and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBody {
    /// It is no JSON, or no object.
    #[error("the body must be a JSON object: {0}")]
    Json(String),
    /// A field is against its rule.
    #[error("{name}: {rule}")]
    Field {
        /// The field.
        name: &'static str,
        /// What it must be.
        rule: String,
    },
}

impl InvalidBody {
    /// Says which field broke the rule.
    pub(crate) fn field<E: Display>(name: &'static str) -> impl FnOnce(E) -> Self {
        move |rule| Self::Field { name, rule: rule.to_string() }
    }
}

/// Reads an object. A field that comes twice is an error, because two readers could each see another one.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, InvalidBody> {
    // A derived struct would also be read from an array.
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') | None => {}
        Some(_) => return Err(InvalidBody::Json("it does not begin with {".into())),
    }
    serde_json::from_slice(body).map_err(|e| InvalidBody::Json(cut(&e.to_string())))
}

/// A field that must be there and be a string.
pub(crate) fn string<'a>(name: &'static str, value: Option<&'a Value>) -> Result<&'a str, InvalidBody> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(InvalidBody::Field { name, rule: "must be a string".into() }),
        None => Err(InvalidBody::Field { name, rule: "is missing; it must be a string".into() }),
    }
}

/// One line of compact JSON: serde_json escapes every control character in strings.
pub(crate) fn line<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("payloads are structs of strings and numbers, which always serialize")
}

fn cut(text: &str) -> String {
    text.chars().take(2 * ECHO_CHARS).collect()
}

/// Tells a field that is `null` from one that is missing (with `#[serde(default)]`).
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Some)
}
