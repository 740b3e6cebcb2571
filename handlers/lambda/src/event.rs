//! Events: requests as Lambda gets them, from a function URL ([format 2.0]) or from a REST API ([format 1.0]).
//!
//! [format 2.0]: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
//! [format 1.0]: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::header;
use http::request::Parts;
use serde::Deserialize;
use ssedge::problem::Problem;
use ssedge::route::request_head;

/// What is read of an event. What an invoker by hand leaves out is empty.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Event {
    Url(UrlEvent),
    Rest(RestEvent),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlEvent {
    raw_path: String,
    /// The empty text where there is none; `cargo lambda watch` says `null`.
    #[serde(default)]
    raw_query_string: Option<String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    request_context: UrlContext,
    #[serde(flatten)]
    body: Body,
}

#[derive(Deserialize)]
struct UrlContext {
    http: UrlHttp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UrlHttp {
    method: String,
    #[serde(default)]
    source_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestEvent {
    http_method: String,
    /// Without the stage.
    path: String,
    #[serde(default)]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    request_context: RestContext,
    #[serde(flatten)]
    body: Body,
}

#[derive(Default, Deserialize)]
struct RestContext {
    #[serde(default)]
    identity: RestIdentity,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestIdentity {
    #[serde(default)]
    source_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl Event {
    /// The address of the client, as the platform saw it.
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Url(event) => event.request_context.http.source_ip.clone(),
            Self::Rest(event) => event.request_context.identity.source_ip.clone(),
        }
    }

    /// The request, byte for byte as it came: a path that was cleaned up would be another path.
    ///
    /// # Errors
    /// [`Problem::NotFound`] where the path or the query is none that a URL can have.
    pub fn request(self) -> Result<(Parts, Bytes), Problem> {
        match self {
            Self::Url(event) => {
                let target = match event.raw_query_string.as_deref() {
                    None | Some("") => event.raw_path,
                    Some(query) => format!("{}?{query}", event.raw_path),
                };
                let cookies = (!event.cookies.is_empty()).then(|| event.cookies.join("; "));
                let headers =
                    event.headers.into_iter().chain(cookies.map(|all| (header::COOKIE.to_string(), all)));
                Ok((request_head(&event.request_context.http.method, &target, headers)?, event.body.bytes()))
            }
            Self::Rest(event) => {
                // They come decoded.
                let pairs = event.multi_value_query_string_parameters.unwrap_or_default();
                let pairs =
                    pairs.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
                let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                let headers = event.multi_value_headers.unwrap_or_default();
                let headers = headers
                    .into_iter()
                    .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
                Ok((
                    request_head(&event.http_method, &format!("{}?{query}", event.path), headers)?,
                    event.body.bytes(),
                ))
            }
        }
    }
}

impl Body {
    /// What is no base64, though the event says so, is no body.
    fn bytes(self) -> Bytes {
        let body = self.body.unwrap_or_default();
        if self.is_base64_encoded {
            BASE64_STANDARD.decode(body).unwrap_or_default().into()
        } else {
            body.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &str, request_line: &str, headers: &[(&str, &str)], body: &str) {
        let event: Event = serde_json::from_str(event).unwrap();
        let (parts, bytes) = event.request().unwrap();
        assert_eq!(format!("{} {}", parts.method, parts.uri), request_line);
        for (name, value) in headers {
            assert_eq!(parts.headers[*name].to_str().unwrap(), *value);
        }
        assert_eq!(bytes, body);
    }

    #[test]
    fn a_request_to_the_function_url_is_taken_as_it_came() {
        check(
            r#"{"version":"2.0","rawPath":"/api/chat/%2e%2e/events","rawQueryString":"topics=a%2Cb&tick=off",
                "cookies":["a=1","ssedge_token=x"],"headers":{"accept":"*/*","last-event-id":"7"},
                "requestContext":{"http":{"method":"GET","path":"/x","sourceIp":"127.0.0.1"}},"isBase64Encoded":false}"#,
            "GET /api/chat/%2e%2e/events?topics=a%2Cb&tick=off",
            &[("cookie", "a=1; ssedge_token=x"), ("last-event-id", "7")],
            "",
        );
    }

    #[test]
    fn a_query_that_is_null_is_none() {
        check(
            r#"{"rawPath":"/","rawQueryString":null,"requestContext":{"http":{"method":"GET"}}}"#,
            "GET /",
            &[],
            "",
        );
    }

    #[test]
    fn a_body_is_decoded_where_it_was_encoded() {
        let event = |body: &str| {
            format!(r#"{{"rawPath":"/api/chat","requestContext":{{"http":{{"method":"POST"}}}},{body}}}"#)
        };
        check(&event(r#""body":"{\"text\":\"é\"}""#), "POST /api/chat", &[], "{\"text\":\"é\"}");
        check(&event(r#""body":"aGk=","isBase64Encoded":true"#), "POST /api/chat", &[], "hi");
        check(&event(r#""body":"%","isBase64Encoded":true"#), "POST /api/chat", &[], "");
    }

    #[test]
    fn a_request_to_a_rest_api_is_the_same() {
        check(
            r#"{"httpMethod":"GET","path":"/api/events","multiValueHeaders":{"Accept":["text/event-stream"]},
                "multiValueQueryStringParameters":{"topics":["a b,c"],"tick":["off"]},"body":null,
                "requestContext":{"stage":"live"}}"#,
            "GET /api/events?tick=off&topics=a+b%2Cc",
            &[("accept", "text/event-stream")],
            "",
        );
    }

    /// What `sam local invoke` is given, and nothing beside it.
    #[test]
    fn the_events_for_trying_it_are_requests() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/lambda");
        let events = [
            ("chat-post.json", "POST /api/chat", r#"{"user":"ada","text":"hi"}"#),
            ("chat-stream.json", "GET /api/chat?history=2", ""),
            ("healthz.json", "GET /healthz", ""),
        ];
        for (file, request_line, body) in events {
            let event = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
            check(&event, request_line, &[], body);
        }
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), events.len());
    }

    #[test]
    fn the_address_is_the_one_that_the_platform_saw() {
        for event in [
            r#"{"rawPath":"/","headers":{"x-forwarded-for":"192.0.2.9"},
                "requestContext":{"http":{"method":"GET","sourceIp":"192.0.2.1"}}}"#,
            r#"{"httpMethod":"GET","path":"/","multiValueHeaders":{"X-Forwarded-For":["192.0.2.9"]},
                "requestContext":{"identity":{"sourceIp":"192.0.2.1"}}}"#,
        ] {
            let event: Event = serde_json::from_str(event).unwrap();
            assert_eq!(event.address().as_deref(), Some("192.0.2.1"));
        }
    }

    #[test]
    fn what_is_no_url_is_not_found() {
        for path in ["no slash", "/a b", "/<", "/\u{7f}"] {
            let event = format!(r#"{{"rawPath":"{path}","requestContext":{{"http":{{"method":"GET"}}}}}}"#);
            let event: Event = serde_json::from_str(&event).unwrap();
            assert!(matches!(event.request(), Err(Problem::NotFound(_))), "{path}");
        }
    }
}
