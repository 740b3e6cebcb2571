//! The prelude of a streamed response: JSON, then eight zero bytes.

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

const DELIMITER: [u8; 8] = [0; 8];
/// Bytes of a prelude: more than all headers that a client takes.
const PRELUDE_MAX: usize = 256 * 1024;

/// The head of a response.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    status_code: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
}

/// Collects a prelude from the chunks that it comes in.
#[derive(Default)]
pub struct Prelude(BytesMut);

impl Prelude {
    /// Takes a chunk. Once the prelude is whole, answers it and what of the body came with it.
    ///
    /// # Errors
    /// When it is too long, or is not what the runtime API describes.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Option<(Head, Bytes)>> {
        let from = self.0.len().saturating_sub(DELIMITER.len() - 1);
        self.0.extend_from_slice(chunk);
        let found = self.0[from..].windows(DELIMITER.len()).position(|window| window == DELIMITER);
        let Some(at) = found else {
            ensure!(self.0.len() <= PRELUDE_MAX, "a prelude is at most {PRELUDE_MAX} bytes");
            return Ok(None);
        };
        let json = self.0.split_to(from + at);
        let body = self.0.split().split_off(DELIMITER.len()).freeze();
        Ok(Some((head(&json)?, body)))
    }
}

fn head(json: &[u8]) -> Result<Head> {
    let document: Document = serde_json::from_slice(json).context("the prelude is no JSON object")?;
    let status = StatusCode::from_u16(document.status_code).context("the prelude's status is none")?;
    let mut headers = HeaderMap::new();
    for (name, value) in &document.headers {
        let name: HeaderName = name.parse().context("a header's name is none")?;
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let value = value.as_str().context("a header's value is no string")?;
            headers.append(&name, HeaderValue::from_str(value).context("a header's value is none")?);
        }
    }
    for cookie in document.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::from_str(&cookie).context("a cookie is none")?);
    }
    // The connection to the client is the platform's.
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    Ok(Head { status, headers })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    const WIRE: &[u8] =
        b"{\"statusCode\":201,\"headers\":{\"a\":\"1\",\"b\":[\"2\",\"3\"],\"content-length\":\"9\"},\
        \"cookies\":[\"c=4\"]}\0\0\0\0\0\0\0\0body\0\0\0\0\0\0\0\0more";

    #[test]
    fn a_prelude_is_found_wherever_it_is_cut() {
        for size in 1..=WIRE.len() {
            let mut prelude = Prelude::default();
            let (mut head, mut body) = (None, Vec::new());
            for chunk in WIRE.chunks(size) {
                if head.is_some() {
                    body.extend_from_slice(chunk);
                } else if let Some((found, first)) = prelude.feed(chunk).unwrap() {
                    head = Some(found);
                    body.extend_from_slice(&first);
                }
            }
            let Head { status, headers } = head.unwrap();
            assert_eq!((status.as_u16(), body.as_slice()), (201, &b"body\0\0\0\0\0\0\0\0more"[..]), "{size}");
            let values = |name: &str| {
                headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
            };
            assert_eq!(
                (values("a"), values("b"), values("set-cookie")),
                (vec!["1"], vec!["2", "3"], vec!["c=4"])
            );
            assert!(!headers.contains_key("content-length"));
        }
    }

    #[test]
    fn what_is_no_prelude_is_refused() {
        for wire in ["[]", "{}", r#"{"statusCode":99}"#, r#"{"statusCode":200,"headers":{"a b":"c"}}"#] {
            let wire = [wire.as_bytes(), &DELIMITER].concat();
            assert!(Prelude::default().feed(&wire).is_err());
        }
        assert!(Prelude::default().feed(&vec![b' '; PRELUDE_MAX + 1]).is_err());
    }
}
