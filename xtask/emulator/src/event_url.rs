//! The event that a function URL makes of a request:
//! [format 2.0](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use serde::Serialize;

use crate::event::{Origin, TooLarge, is_hop_by_hop, serialize, time};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'static str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: String,
    source_ip: String,
    user_agent: &'a str,
}

/// The event as JSON.
///
/// Path and query are as they came. The domain is the `host` that the client asked for, as it is on AWS, without
/// its port.
///
/// # Errors
/// When the body does not fit.
pub fn encode(request: &Parts, body: &Bytes, origin: Origin<'_>) -> Result<Bytes, TooLarge> {
    let headers = headers(request, body, origin);
    let host = headers.get(HOST.as_str()).map_or("", String::as_str);
    let domain = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
    let prefix = domain.split('.').next().unwrap_or_default();
    let agent = headers.get("user-agent").cloned().unwrap_or_default();
    let path = match request.uri.path() {
        "" => "/",
        path => path,
    };
    let text = is_text(request).then(|| str::from_utf8(body).ok()).flatten();
    let is_base64_encoded = text.is_none() && !body.is_empty();
    let body = (!body.is_empty()).then(|| text.map_or_else(|| STANDARD.encode(body), str::to_owned));
    let event = Event {
        version: "2.0",
        route_key: "$default",
        raw_path: path,
        raw_query_string: request.uri.query().unwrap_or_default(),
        cookies: cookies(request),
        headers,
        query_string_parameters: query(request),
        request_context: Context {
            account_id: "anonymous",
            api_id: prefix,
            domain_name: &domain,
            domain_prefix: prefix,
            http: Http {
                method: request.method.as_str(),
                path,
                protocol: format!("{:?}", request.version),
                source_ip: origin.peer.ip().to_string(),
                user_agent: &agent,
            },
            request_id: origin.request_id,
            route_key: "$default",
            stage: "$default",
            time: time(origin.now),
            time_epoch: origin.now.as_millisecond(),
        },
        body,
        is_base64_encoded,
    };
    serialize(&event, event.body.as_deref())
}

/// Names in lower case, one entry a name, and what the platform adds.
///
/// - `x-forwarded-for` is the address of the client, unless the client sent one: then it is the first entry of
///   that, alone. (Undocumented;
///   [observed](https://speedrun.nobackspacecrew.com/blog/2026/03/06/obtaining-caller-ip-address-with-lambda-furls.html)
///   in March 2026. So a function must take `sourceIp`, which is true.)
/// - `x-forwarded-proto` and `x-forwarded-port` say how the emulator was asked; on AWS it is always `https`, `443`.
/// - `x-amzn-trace-id` gets a `Self=` in front when the client sent one. (Documented of
///   [load balancers](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html);
///   that function URLs do the same is from memory, and not checked.)
fn headers(request: &Parts, body: &Bytes, origin: Origin<'_>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in &request.headers {
        if is_hop_by_hop(name) || name == COOKIE {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    if request.headers.contains_key(TRANSFER_ENCODING) {
        headers.insert(CONTENT_LENGTH.as_str().to_owned(), body.len().to_string());
    }
    let forwarded = headers.get("x-forwarded-for").and_then(|list| list.split(',').next());
    let forwarded = forwarded.map_or_else(|| origin.peer.ip().to_string(), |first| first.trim().to_owned());
    let trace = match headers.get("x-amzn-trace-id") {
        Some(theirs) => format!("{};{theirs}", origin.trace_id.replacen("Root=", "Self=", 1)),
        None => origin.trace_id.to_owned(),
    };
    headers.insert("x-amzn-trace-id".to_owned(), trace);
    headers.insert("x-forwarded-for".to_owned(), forwarded);
    headers.insert("x-forwarded-port".to_owned(), origin.port.to_string());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    headers
}

/// One entry a cookie; the `cookie` header itself is not among the headers.
fn cookies(request: &Parts) -> Vec<String> {
    let lines = request.headers.get_all(COOKIE).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let all = lines.flat_map(|line| line.split(';').map(|part| part.trim().to_owned()).collect::<Vec<_>>());
    all.filter(|cookie| !cookie.is_empty()).collect()
}

/// Decoded; what is repeated is joined by commas.
fn query(request: &Parts) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for (name, value) in form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

/// Whether the content type is one of text.
///
/// AWS says only that a body is base64 where the content type is binary. Which types count as text is undocumented. On an
/// HTTP API of API Gateway, whose events have this format, somebody
/// [observed](https://github.com/ministackorg/ministack/pull/766) these in June 2026 and no others, so that forms
/// (`application/x-www-form-urlencoded`) and bodies without a type are base64; that function URLs are alike is assumed.
fn is_text(request: &Parts) -> bool {
    let content_type =
        request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&essence.as_str())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::PAYLOAD_LIMIT;

    fn event(request: http::request::Builder, body: &'static [u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        serde_json::from_slice(&encode(&parts, &Bytes::from_static(body), Origin::of_tests()).unwrap())
            .unwrap()
    }

    #[test]
    fn has_every_field() {
        let request = Request::post("/api/caf%C3%A9/../x?a=1&b=%26+c&a=2")
            .header("Host", "127.0.0.1:9000")
            .header("User-Agent", "curl/8")
            .header("X-Two", "1")
            .header("x-two", "2")
            .header("Cookie", "a=1; b=2")
            .header("Connection", "close")
            .header("Content-Type", "Application/JSON; charset=utf-8");
        let expected = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/api/caf%C3%A9/../x",
            "rawQueryString": "a=1&b=%26+c&a=2",
            "cookies": ["a=1", "b=2"],
            "headers": {
                "content-type": "Application/JSON; charset=utf-8",
                "host": "127.0.0.1:9000",
                "user-agent": "curl/8",
                "x-amzn-trace-id": "Root=1-6741-ab",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-port": "9000",
                "x-forwarded-proto": "http",
                "x-two": "1,2",
            },
            "queryStringParameters": {"a": "1,2", "b": "& c"},
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "127",
                "domainName": "127.0.0.1",
                "domainPrefix": "127",
                "http": {
                    "method": "POST",
                    "path": "/api/caf%C3%A9/../x",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "curl/8",
                },
                "requestId": "4b5c",
                "routeKey": "$default",
                "stage": "$default",
                "time": "22/Nov/2026:10:00:00 +0000",
                "timeEpoch": 1_795_341_600_123_i64,
            },
            "body": "{}",
            "isBase64Encoded": false,
        });
        assert_eq!(event(request, b"{}"), expected);
    }

    #[test]
    fn leaves_out_what_is_not_there() {
        let event = event(Request::get("/"), b"");
        for name in ["cookies", "queryStringParameters", "body"] {
            assert_eq!(event.get(name), None, "{name}");
        }
        assert_eq!(event["rawQueryString"], "");
        assert_eq!(event["isBase64Encoded"], false);
    }

    #[test]
    fn takes_bodies_as_text_or_as_base64() {
        let text = ["text/plain", "application/json", "application/xml", "application/javascript"];
        for content_type in text {
            let event = event(Request::post("/").header("Content-Type", content_type), "é".as_bytes());
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&json!("é"), &json!(false)),
                "{content_type}"
            );
        }
        let binary =
            ["application/octet-stream", "application/x-www-form-urlencoded", "a/b+json", "image/png", ""];
        for content_type in binary {
            let event = event(Request::post("/").header("Content-Type", content_type), b"a=1");
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&json!("YT0x"), &json!(true)),
                "{content_type}"
            );
        }
        let invalid = event(Request::post("/").header("Content-Type", "text/plain"), b"\xff");
        assert_eq!((&invalid["body"], &invalid["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }

    #[test]
    fn forwards_as_the_platform_does() {
        let request = Request::get("/")
            .header("X-Forwarded-For", "192.0.2.1, 192.0.2.2")
            .header("X-Amzn-Trace-Id", "Root=2");
        let event = event(request, b"");
        assert_eq!(event["headers"]["x-forwarded-for"], "192.0.2.1");
        assert_eq!(event["headers"]["x-amzn-trace-id"], "Self=1-6741-ab;Root=2");
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    }

    #[test]
    fn says_the_length_of_a_chunked_body() {
        let event = event(Request::post("/").header("Transfer-Encoding", "chunked"), b"abc");
        assert_eq!(event["headers"]["content-length"], "3");
        assert_eq!(event["headers"].get("transfer-encoding"), None);
    }

    #[test]
    fn has_a_limit() {
        let origin = Origin {
            request_id: "",
            trace_id: "",
            peer: ([127, 0, 0, 1], 1).into(),
            port: 1,
            now: Timestamp::UNIX_EPOCH,
        };
        let size = |content_type: &str, size: usize| {
            let (parts, ()) =
                Request::post("/").header("Content-Type", content_type).body(()).unwrap().into_parts();
            encode(&parts, &Bytes::from(vec![b'a'; size]), origin).map(|_| ())
        };
        assert_eq!(size("text/plain", PAYLOAD_LIMIT), Ok(()));
        assert_eq!(size("text/plain", PAYLOAD_LIMIT + 1), Err(TooLarge));
        assert_eq!(size("image/png", PAYLOAD_LIMIT), Err(TooLarge));
    }
}
