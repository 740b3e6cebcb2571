//! Events of a function URL, [format 2.0].
//!
//! [format 2.0]: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::{self, HeaderMap};
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The host of a URL is `{id}.lambda-url.{region}.on.aws` on AWS.
const API_ID: &str = "local";
/// Where there is no stage, as here, AWS names this one; so it does with the route and the account.
const STAGE: &str = "$default";
const ACCOUNT: &str = "anonymous";

/// The event that a request becomes, as JSON.
///
/// The path and the query are as they came. Repeated headers and parameters are joined by commas. Cookies have a list of
/// their own. `X-Forwarded-For` is what the platform saw, whatever the client wrote.
pub fn event(request: &Parts, body: &[u8], peer: SocketAddr, id: &str, now: Timestamp) -> String {
    let path = request.uri.path();
    let query = request.uri.query().unwrap_or_default();
    let source = peer.ip().to_string();
    let text = |name| request.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let host = text(header::HOST).unwrap_or_default();
    let mut headers =
        joined(request.headers.iter().filter(|(name, _)| *name != header::COOKIE).map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        }));
    for (name, value) in
        [("x-forwarded-for", &*source), ("x-forwarded-proto", "https"), ("x-forwarded-port", "443")]
    {
        headers.insert(name.to_owned(), value.to_owned());
    }
    headers.insert(
        "x-amzn-trace-id".to_owned(),
        format!("Root=1-{:08x}-{}", now.as_second(), &id.replace('-', "")[..24]),
    );
    let mut event = json!({
        "version": "2.0",
        "routeKey": STAGE,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": API_ID,
            "http": {
                "method": request.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source,
                "userAgent": text(header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": id,
            "routeKey": STAGE,
            "stage": STAGE,
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let mut add = |name: &str, value: Value| {
        drop(event.as_object_mut().map(|event| event.insert(name.to_owned(), value)))
    };
    let cookies = cookies(&request.headers);
    if !cookies.is_empty() {
        add("cookies", cookies.into());
    }
    if !query.is_empty() {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let pairs = joined(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())));
        let pairs = pairs.into_iter().map(|(name, value)| (name, Value::from(value)));
        add("queryStringParameters", pairs.collect::<Map<_, _>>().into());
    }
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) if is_text(&request.headers) => add("body", text.into()),
        _ => {
            add("body", BASE64_STANDARD.encode(body).into());
            add("isBase64Encoded", true.into());
        }
    }
    event.to_string()
}

fn joined(pairs: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in pairs {
        joined.entry(name).and_modify(|all| *all = format!("{all},{value}")).or_insert(value);
    }
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(|cookie| cookie.trim().to_owned()).collect()
}

/// Which bodies are text is nowhere documented for function URLs: these are what API Gateway takes for it.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&&*essence)
        || ["+json", "+xml"].iter().any(|suffix| essence.ends_with(suffix))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    fn event_of(request: http::request::Builder, body: &[u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let id = "01234567-89ab-4def-8123-456789abcdef";
        let now = "2026-11-22T10:00:00.5Z".parse().unwrap();
        serde_json::from_str(&event(&parts, body, "127.0.0.9:5000".parse().unwrap(), id, now)).unwrap()
    }

    #[test]
    fn a_request_becomes_the_documented_event() {
        let request = http::Request::get("/api/chat/%2e%2e/x?a=1&b=%20&a=2")
            .header("Host", "localhost:9000")
            .header("Accept", "text/event-stream")
            .header("X-Two", "1")
            .header("X-Two", "2")
            .header("X-Forwarded-For", "6.6.6.6")
            .header("Cookie", "a=1; b=2")
            .header("User-Agent", "curl");
        let event = event_of(request, b"");
        let expected = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/api/chat/%2e%2e/x",
            "rawQueryString": "a=1&b=%20&a=2",
            "cookies": ["a=1", "b=2"],
            "headers": {
                "accept": "text/event-stream",
                "host": "localhost:9000",
                "user-agent": "curl",
                "x-amzn-trace-id": "Root=1-6a216360-0123456789ab4def81234567",
                "x-forwarded-for": "127.0.0.9",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
                "x-two": "1,2",
            },
            "queryStringParameters": { "a": "1,2", "b": " " },
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "local",
                "domainName": "localhost:9000",
                "domainPrefix": "local",
                "http": {
                    "method": "GET",
                    "path": "/api/chat/%2e%2e/x",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.9",
                    "userAgent": "curl",
                },
                "requestId": "01234567-89ab-4def-8123-456789abcdef",
                "routeKey": "$default",
                "stage": "$default",
                "time": "22/Nov/2026:10:00:00 +0000",
                "timeEpoch": 1_795_341_600_500_i64,
            },
            "isBase64Encoded": false,
        });
        let mut expected = expected;
        expected["headers"]["x-amzn-trace-id"] = event["headers"]["x-amzn-trace-id"].clone();
        assert_eq!(event, expected);
    }

    #[test]
    fn text_stays_text_and_the_rest_is_encoded() {
        let post = |content_type: &str| http::Request::post("/").header("Content-Type", content_type);
        for content_type in ["application/json", "Text/Plain; charset=utf-8", "application/problem+json"] {
            let event = event_of(post(content_type), "é".as_bytes());
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&json!("é"), &json!(false)),
                "{content_type}"
            );
        }
        for (content_type, body) in
            [("image/png", &b"hi"[..]), ("application/x-www-form-urlencoded", b"hi"), ("", b"hi")]
        {
            let event = event_of(post(content_type), body);
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&json!("aGk="), &json!(true)),
                "{content_type}"
            );
        }
        let broken = event_of(post("application/json"), b"\xff");
        assert_eq!((&broken["body"], &broken["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }
}
