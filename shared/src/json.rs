//! JSON bodies: read field by field, written as one line.

use std::borrow::Cow;
use std::fmt::Display;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::limits::ECHO_CHARS;

/// The one fault that a string of JSON can have once it was read as such.
const HALF_A_PAIR: &str = "must not have half a surrogate pair";

/// Why a body is refused. The text is for its sender: it names the field and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBody {
    /// It is not JSON, or not an object.
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

/// A field that must be there and be a string. It comes raw, because serde_json reads an object with a key of its own,
/// such as `{"$serde_json::private::RawValue":"…"}`, as any other value.
pub(crate) fn string(name: &'static str, value: Option<&RawValue>) -> Result<String, InvalidBody> {
    let value = value.ok_or("is missing; it must be a string");
    value
        .and_then(|value| match value.get().as_bytes() {
            [b'"', ..] => serde_json::from_str(value.get()).map_err(|_| HALF_A_PAIR),
            _ => Err("must be a string"),
        })
        .map_err(InvalidBody::field(name))
}

/// What ends a line to some readers of event streams (Python's `str.splitlines` is one) and to none by the standard.
const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// JSON as it leaves: text from a user ends a line for no reader, whatever that one takes for the end of a line. Of the
/// characters that do, serde_json escapes those below U+0020. Outside of strings JSON has none of them.
pub(crate) fn written<'a>(json: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let json = json.into();
    // Most text is ASCII, of which whole words are looked at.
    if json.is_ascii() || !json.contains(LINE_ENDS) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if LINE_ENDS.contains(&c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// JSON as the body of an answer.
pub(crate) fn bytes(json: impl Into<Cow<'static, str>>) -> Bytes {
    match written(json) {
        Cow::Borrowed(json) => Bytes::from_static(json.as_bytes()),
        Cow::Owned(json) => json.into(),
    }
}

/// One line of compact JSON, as it is stored; what leaves is [`written`]. serde_json escapes every control character
/// below U+0020 in strings.
pub(crate) fn line<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("payloads are structs of strings and numbers, which always serialize")
}

/// A number of hundredths as JSON, without zeros at its end: `-0.12`, `0`, `3.5`. No digit passes through a float.
pub(crate) fn hundredths(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    let (whole, rest) = (n.unsigned_abs() / 100, n.unsigned_abs() % 100);
    match (rest, rest % 10) {
        (0, _) => format!("{sign}{whole}"),
        (_, 0) => format!("{sign}{whole}.{}", rest / 10),
        _ => format!("{sign}{whole}.{rest:02}"),
    }
}

/// Any JSON on one line: without insignificant white space, strings with the escapes that they need and no others.
/// Digits, the order of keys and keys that come twice stay as they were sent.
///
/// # Errors
/// If a string has half a surrogate pair, which no text can have.
pub(crate) fn compact(raw: &RawValue) -> Result<String, &'static str> {
    let mut rest = raw.get();
    let mut out = String::with_capacity(rest.len());
    while let Some(begin) = rest.find('"') {
        out.extend(rest[..begin].split_ascii_whitespace());
        let (string, after) = rest.split_at(begin + string_len(&rest[begin..]));
        let text: String = serde_json::from_str(&string[begin..]).map_err(|_| HALF_A_PAIR)?;
        out.push_str(&line(&text));
        rest = after;
    }
    out.extend(rest.split_ascii_whitespace());
    Ok(out)
}

/// Any JSON of these bytes, [`compact`] and [`written`].
///
/// # Errors
/// What it must be.
pub(crate) fn any(bytes: &[u8]) -> Result<String, String> {
    let raw: &RawValue =
        serde_json::from_slice(bytes).map_err(|e| format!("must be JSON: {}", cut(&e.to_string())))?;
    Ok(written(compact(raw)?).into_owned())
}

/// Bytes of the string that `text` begins with, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    let ends = |b: u8| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    };
    text.bytes().skip(1).position(ends).map_or(text.len(), |at| at + 2)
}

fn cut(text: &str) -> String {
    text.chars().take(2 * ECHO_CHARS).collect()
}

/// Tells a field that is `null` from one that is missing (with `#[serde(default)]`).
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<&str, &str>) {
        let raw: Box<RawValue> = serde_json::from_str(raw).unwrap();
        assert_eq!(compact(&raw), expected.map(str::to_owned));
    }

    #[test]
    fn what_leaves_has_one_line_for_every_reader() {
        let json = "{\"a\u{2028}\":\"b\u{85}c\u{2029}\u{2027}\u{202a}\u{86}é\"}";
        let expected = "{\"a\\u2028\":\"b\\u0085c\\u2029\u{2027}\u{202a}\u{86}é\"}";
        assert_eq!(written(json), expected);
        assert!(matches!(written("\"é\""), Cow::Borrowed("\"é\"")));
        let [before, after] = [json, expected].map(serde_json::from_str::<serde_json::Value>);
        assert_eq!(before.unwrap(), after.unwrap());
    }

    #[test]
    fn json_is_written_on_one_line_as_it_was_sent() {
        check("1E400", Ok("1E400"));
        check(" [ 1.10 ,\r\n -0, 1e5 ] ", Ok("[1.10,-0,1e5]"));
        check(r#"{ "b" : 1, "a": 2, "b": "x \" : y" }"#, Ok(r#"{"b":1,"a":2,"b":"x \" : y"}"#));
        check(r#""\u0041\/\u000a\\""#, Ok(r#""A/\n\\""#));
        check("\"\u{2028} \u{feff}\"", Ok("\"\u{2028} \u{feff}\""));
        check("null", Ok("null"));
        check(r#"["\ud800"]"#, Err("must not have half a surrogate pair"));
    }
}
