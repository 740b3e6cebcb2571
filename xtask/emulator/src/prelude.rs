//! The head of a streamed answer: a JSON object, eight NUL bytes, and the body from there on.
//!
//! AWS documents the content type and the mode header of
//! [streaming in a custom runtime](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming),
//! not this format; it is what the runtimes of AWS write (`lambda_runtime`, `aws-lambda-ric`).

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

/// Between the JSON object and the body.
const DELIMITER: [u8; 8] = [0; 8];
/// Bytes that a head may have: more than any set of headers that a client would take, and a bound for a function
/// that never writes the delimiter.
const LIMIT: usize = 64 * 1024;

/// What the function says before its body.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Head {
    pub status_code: Option<u16>,
    /// [Documented](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads) as texts; what
    /// AWS does with a list is not, so one cannot be read.
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
}

impl Head {
    /// Status and headers as the client gets them. `None` where they cannot be sent at all: a status outside of
    /// 200 to 599, or a header that is none.
    ///
    /// The length is left out, since a function does not get to say it: the emulator frames the body itself.
    pub fn parts(&self) -> Option<(StatusCode, HeaderMap)> {
        let status = self.status_code.unwrap_or(200);
        let status = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).ok()?;
            if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].contains(&name) {
                continue;
            }
            headers.append(name, HeaderValue::try_from(value).ok()?);
        }
        for cookie in &self.cookies {
            headers.append(SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
        }
        Some((status, headers))
    }
}

/// A head that cannot be read: no JSON object of this shape, or none that ends in time.
#[derive(Debug, PartialEq)]
pub struct Unreadable;

/// Takes the answer in chunks of any size until the head is complete.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: BytesMut,
    /// How much of the buffer was searched: no delimiter begins before this.
    searched: usize,
}

impl Parser {
    /// The head and the first bytes of the body, once the delimiter was seen.
    ///
    /// # Errors
    /// When the head is not what it should be.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Option<(Head, Bytes)>, Unreadable> {
        self.buffer.extend_from_slice(chunk);
        let found =
            self.buffer[self.searched..].windows(DELIMITER.len()).position(|bytes| bytes == DELIMITER);
        let Some(position) = found.map(|position| position + self.searched) else {
            self.searched = self.buffer.len().saturating_sub(DELIMITER.len() - 1);
            return if self.buffer.len() > LIMIT { Err(Unreadable) } else { Ok(None) };
        };
        let json = self.buffer.split_to(position);
        let body = self.buffer.split_off(DELIMITER.len()).freeze();
        let head = serde_json::from_slice(&json).map_err(|_| Unreadable)?;
        Ok(Some((head, body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b"{\"statusCode\":201,\"headers\":{\"content-type\":\"text/event-stream\",\"vary\":\"a, b\",\
        \"content-length\":\"3\"},\"cookies\":[\"a=1\",\"b=2\"]}\0\0\0\0\0\0\0\0data: \0\0\0\0\0\0\0\0 1\n\n";

    /// What is parsed from these chunks, and all of the body.
    fn check<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Head, Vec<u8>) {
        let mut parser = Parser::default();
        let mut parsed: Option<(Head, Vec<u8>)> = None;
        for chunk in chunks {
            match &mut parsed {
                Some((_, body)) => body.extend_from_slice(chunk),
                None => parsed = parser.push(chunk).unwrap().map(|(head, body)| (head, body.to_vec())),
            }
        }
        parsed.expect("the stream has a head")
    }

    #[test]
    fn is_the_same_however_it_is_cut() {
        let whole = check([STREAM]);
        assert_eq!(whole.1, b"data: \0\0\0\0\0\0\0\0 1\n\n");
        for cut in 0..=STREAM.len() {
            assert_eq!(check([&STREAM[..cut], &STREAM[cut..]]), whole, "cut at {cut}");
        }
        for size in [1, 2, 3, 7] {
            assert_eq!(check(STREAM.chunks(size)), whole, "in chunks of {size}");
        }
    }

    #[test]
    fn becomes_a_response() {
        let (status, headers) = check([STREAM]).0.parts().unwrap();
        assert_eq!(status, 201);
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["vary"], "a, b");
        assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert!(!headers.contains_key("content-length"));
    }

    #[test]
    fn may_be_empty() {
        let (head, body) = check([b"{}\0\0\0\0\0\0\0\0".as_slice()]);
        assert_eq!(head.parts().unwrap(), (StatusCode::OK, HeaderMap::new()));
        assert_eq!(body, b"");
    }

    #[test]
    fn is_refused() {
        let push = |bytes: &[u8]| Parser::default().push(bytes);
        for head in ["no JSON", r#"{"headers":{"vary":["a","b"]}}"#, r#"{"headers":{"vary":1}}"#] {
            assert_eq!(push(&[head.as_bytes(), &DELIMITER].concat()), Err(Unreadable), "{head}");
        }
        assert_eq!(push(&vec![b' '; LIMIT + 1]), Err(Unreadable));
        for head in [
            r#"{"statusCode":101}"#,
            r#"{"statusCode":999}"#,
            r#"{"headers":{"a b":"c"}}"#,
            r#"{"cookies":["a\n"]}"#,
        ] {
            assert_eq!(serde_json::from_str::<Head>(head).unwrap().parts(), None, "{head}");
        }
    }
}
