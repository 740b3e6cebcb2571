//! Events: requests as Lambda gets them, from a function URL ([format 2.0]) or from a REST API ([format 1.0]).
//!
//! `lambda_http` makes a request of an event. It panics if the parts of the event are not those of a URL, or if the body
//! is not the base64 that the event says it is, and the client would get a 502 without a reason. So an [`Event`] is looked
//! at first, and what would panic is taken out: a path that cannot be one leads nowhere, and a body that cannot be read
//! is empty. The core then answers as it answers any such request.
//!
//! [format 2.0]: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
//! [format 1.0]: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

use base64::prelude::{BASE64_STANDARD, Engine};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Uri, header};
use lambda_http::RequestExt;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use lambda_http::request::{LambdaRequest, RequestContext};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;
use ssedge::route::{Peer, request_headers};
use url::Url;

use crate::plain::Plain;

/// Where `lambda_http` looks for the scheme of the URL.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// A path in place of one that no URL can have. Nothing is there.
const NOWHERE: &str = "/-";

/// An event that `lambda_http` converts without a panic.
#[derive(Debug)]
pub struct Event(pub LambdaRequest);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Plain(mut event) = Plain::deserialize(deserializer)?;
        // `lambda_http` refuses an event for one character that no header may have.
        let headers = request_headers(take_headers(&mut event));
        for pointer in ["/httpMethod", "/requestContext/httpMethod", "/requestContext/http/method"] {
            check_method(&mut event, pointer);
        }
        check_body(&mut event);
        for name in ["queryStringParameters", "multiValueQueryStringParameters"] {
            check_parameters(&mut event, name);
        }
        let request = if event.get("httpMethod").is_some() {
            serde_json::from_value(event).map(|event| LambdaRequest::ApiGatewayV1(rest(event, headers)))
        } else {
            serde_json::from_value(event).map(|event| LambdaRequest::ApiGatewayV2(url(event, headers)))
        };
        request.map(Self).map_err(D::Error::custom)
    }
}

fn take_headers(event: &mut Value) -> Vec<(String, String)> {
    let mut take = |name| event.as_object_mut().and_then(|event| event.remove(name)).unwrap_or_default();
    // What a REST API says twice: of several values, `headers` has the last one alone.
    let (all, last_ones) = (take("multiValueHeaders"), take("headers"));
    let headers = if all.is_object() { all } else { last_ones };
    let mut pairs = Vec::new();
    for (name, values) in headers.as_object().into_iter().flatten() {
        let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
        pairs.extend(values.iter().filter_map(Value::as_str).map(|value| (name.clone(), value.to_owned())));
    }
    if let Value::Array(cookies) = take("cookies") {
        let cookies: Vec<_> = cookies.iter().filter_map(Value::as_str).collect();
        pairs.extend((!cookies.is_empty()).then(|| (header::COOKIE.to_string(), cookies.join("; "))));
    }
    pairs
}

/// Puts a method that nothing is served by in place of what is not a method.
fn check_method(event: &mut Value, pointer: &str) {
    if let Some(Value::String(method)) = event.pointer_mut(pointer)
        && Method::from_bytes(method.as_bytes()).is_err()
    {
        *method = Method::TRACE.to_string();
    }
}

/// Empties a body that is not the base64 that the event says it is.
fn check_body(event: &mut Value) {
    let is_base64 = event.get("isBase64Encoded").is_some_and(|value| *value == Value::Bool(true));
    if let Some(Value::String(body)) = event.get_mut("body")
        && is_base64
        && BASE64_STANDARD.decode(&*body).is_err()
    {
        body.clear();
    }
}

/// Removes values that are not text, and parameters without a value: an empty list makes `lambda_http` panic.
fn check_parameters(event: &mut Value, name: &str) {
    let Some(parameters) = event.get_mut(name) else { return };
    if let Value::Object(all) = parameters {
        all.retain(|_, values| {
            if let Value::Array(values) = values {
                values.retain(Value::is_string);
            }
            values.is_string() || values.as_array().is_some_and(|values| !values.is_empty())
        });
    } else {
        *parameters = Value::Null;
    }
}

fn url(mut event: ApiGatewayV2httpRequest, headers: HeaderMap) -> ApiGatewayV2httpRequest {
    let path = event.raw_path.take().unwrap_or_default();
    let query = event.raw_query_string.take().filter(|query| !query.is_empty());
    let target = Target::new(path, query, headers);
    (event.raw_path, event.raw_query_string) = (Some(target.path), Some(target.query.unwrap_or_default()));
    event.headers = target.headers;
    // What else would be a part of the URL.
    (event.request_context.domain_name, event.request_context.stage) = (None, None);
    event
}

fn rest(mut event: ApiGatewayProxyRequest, headers: HeaderMap) -> ApiGatewayProxyRequest {
    if event.multi_value_query_string_parameters.is_empty() {
        event.multi_value_query_string_parameters = std::mem::take(&mut event.query_string_parameters);
    }
    let query = event.multi_value_query_string_parameters.to_query_string();
    let path = event.path.take().unwrap_or_default();
    let target = Target::new(path, Some(query).filter(|query| !query.is_empty()), headers);
    event.path = Some(target.path);
    if target.query.is_none() {
        event.multi_value_query_string_parameters = Default::default();
    }
    event.multi_value_headers = target.headers;
    (event.request_context.domain_name, event.request_context.stage) = (None, None);
    event
}

/// What `lambda_http` makes a URL of.
struct Target {
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Target {
    /// Keeps what makes a URL, and takes out what does not.
    fn new(path: String, query: Option<String>, headers: HeaderMap) -> Self {
        let mut target = Self { path, query, headers };
        if !target.is_url() {
            target.headers.remove(X_FORWARDED_PROTO);
        }
        if !target.is_url() {
            target.headers.remove(header::HOST);
        }
        if !target.is_url() {
            (target.path, target.query) = (NOWHERE.to_owned(), None);
        }
        target
    }

    /// Whether these, as they came, are a target, and the URL that `lambda_http` makes of them is one.
    fn is_url(&self) -> bool {
        let text_of = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let url = match text_of(header::HOST) {
            None => Url::parse(&format!("http://localhost{}", self.path)),
            Some(host) => {
                let scheme = text_of(X_FORWARDED_PROTO).unwrap_or("https");
                Url::parse(&format!("{scheme}://{host}{}", self.path))
            }
        };
        // Neither a host nor a path brings a query of its own.
        let url = url.ok().filter(|url| url.query().is_none() && url.fragment().is_none());
        let is_target = |path: &str| target(path, self.query.as_deref()).is_some();
        url.is_some_and(|url| is_target(url.as_str())) && self.path.starts_with('/') && is_target(&self.path)
    }
}

fn target(path: &str, query: Option<&str>) -> Option<Uri> {
    query.map_or_else(|| path.parse(), |query| format!("{path}?{query}").parse()).ok()
}

/// The head of a request, with path and query byte for byte as they came: `lambda_http` makes another path of it.
pub fn head(mut parts: Parts) -> Parts {
    if let Some(target) = target(parts.raw_http_path(), parts.uri.query()) {
        parts.uri = target;
    }
    parts
}

/// The client, as the platform saw it.
pub fn peer(parts: &Parts) -> Peer<'_> {
    // AWS sets it itself, and takes https alone.
    let scheme = parts.headers.get(X_FORWARDED_PROTO).map_or(Ok("https"), |scheme| scheme.to_str());
    Peer { address: address(parts), scheme: scheme.ok() }
}

fn address(parts: &Parts) -> Option<&str> {
    match parts.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => context.identity.source_ip.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request of an event.
    #[track_caller]
    fn request(event: &str) -> (Parts, Vec<u8>) {
        let Event(event) = serde_json::from_str(event).unwrap();
        let (parts, body) = lambda_http::Request::from(event).into_parts();
        (head(parts), body.to_vec())
    }

    #[track_caller]
    fn check(event: &str, request_line: &str, headers: &[(&str, &str)], body: &str) {
        let (parts, bytes) = request(event);
        assert_eq!(format!("{} {}", parts.method, parts.uri), request_line);
        for (name, value) in headers {
            let all = parts.headers.get_all(*name).iter().map(|value| value.as_bytes());
            assert_eq!(all.collect::<Vec<_>>().join(&b"|"[..]), value.as_bytes(), "{name}");
        }
        assert_eq!(bytes, body.as_bytes());
    }

    #[test]
    fn a_request_to_the_function_url_is_taken_as_it_came() {
        check(
            r#"{"version":"2.0","rawPath":"/api/chat/%2e%2e/events","rawQueryString":"topics=a%2Cb&tick=off",
                "cookies":["a=1","ssedge_token=x"],
                "headers":{"accept":"*/*","last-event-id":"7","host":"a.example","x-forwarded-proto":"https"},
                "requestContext":{"domainName":"a.example","stage":"$default",
                                  "http":{"method":"GET","path":"/x","sourceIp":"127.0.0.1"}},"isBase64Encoded":false}"#,
            "GET /api/chat/%2e%2e/events?topics=a%2Cb&tick=off",
            &[("cookie", "a=1; ssedge_token=x"), ("last-event-id", "7"), ("host", "a.example")],
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
    fn a_body_is_decoded_if_it_was_encoded() {
        let event = |body: &str| {
            format!(r#"{{"rawPath":"/api/chat","requestContext":{{"http":{{"method":"POST"}}}},{body}}}"#)
        };
        check(&event(r#""body":"{\"text\":\"é\"}""#), "POST /api/chat", &[], "{\"text\":\"é\"}");
        check(&event(r#""body":"aGk=","isBase64Encoded":true"#), "POST /api/chat", &[], "hi");
        check(&event(r#""body":"%","isBase64Encoded":true"#), "POST /api/chat", &[], "");
    }

    #[test]
    fn a_request_to_a_rest_api_is_the_same() {
        let event = |parameters: &str| {
            format!(
                r#"{{"httpMethod":"GET","path":"/api/events","headers":{{"Cookie":"b=2"}},
                    "multiValueHeaders":{{"Accept":["text/event-stream"],"Cookie":["a=1","b=2"]}},
                    {parameters},"body":null,
                    "requestContext":{{"stage":"live","domainName":"a.example","httpMethod":"GET"}}}}"#
            )
        };
        check(
            &event(r#""multiValueQueryStringParameters":{"topics":["a b,c","d"]}"#),
            "GET /api/events?topics=a+b%2Cc&topics=d",
            &[("accept", "text/event-stream"), ("cookie", "a=1|b=2")],
            "",
        );
        check(
            &event(r#""queryStringParameters":{"tick":"off"},"multiValueQueryStringParameters":null"#),
            "GET /api/events?tick=off",
            &[],
            "",
        );
    }

    /// The [example](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html)
    /// of AWS, with a client's certificate; and with what authorizers add.
    #[test]
    fn whatever_api_gateway_tells_of_the_client_it_is_a_request() {
        for authorizer in [
            "null",
            r#"{"claims":null,"scopes":null}"#,
            r#"{"claims":{"sub":"a","exp":"1795341600"},"scopes":["a"]}"#,
            r#"{"principalId":"user","integrationLatency":7,"number":"1","bool":true}"#,
        ] {
            let event = format!(
                r#"{{"resource":"/{{proxy+}}","path":"/api/chat","httpMethod":"GET",
                    "headers":{{"header1":"value2"}},"multiValueHeaders":{{"header1":["value1","value2"]}},
                    "queryStringParameters":null,"multiValueQueryStringParameters":null,
                    "pathParameters":{{"proxy":"api/chat"}},"stageVariables":null,
                    "requestContext":{{"accountId":"123456789012","apiId":"id","authorizer":{authorizer},
                        "domainName":"id.execute-api.us-east-1.amazonaws.com","domainPrefix":"id",
                        "extendedRequestId":"request-id","httpMethod":"GET",
                        "identity":{{"accessKey":null,"accountId":null,"apiKey":"key","apiKeyId":"id","caller":null,
                            "cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,
                            "cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null,
                            "sourceIp":"192.0.2.1","user":null,"userAgent":"user-agent","userArn":null,
                            "clientCert":{{"clientCertPem":"CERT_CONTENT","subjectDN":"www.example.com",
                                "issuerDN":"Example issuer","serialNumber":"a1:a1:a1",
                                "validity":{{"notBefore":"May 28 12:30:02 2019 GMT",
                                             "notAfter":"Aug  5 09:36:04 2021 GMT"}}}}}},
                        "path":"/live/api/chat","protocol":"HTTP/1.1","requestId":"id=",
                        "requestTime":"04/Mar/2020:19:15:17 +0000","requestTimeEpoch":1583349317135,
                        "resourceId":null,"resourcePath":"/{{proxy+}}","stage":"live"}},
                    "body":null,"isBase64Encoded":false}}"#
            );
            check(&event, "GET /api/chat", &[("header1", "value1|value2")], "");
            assert_eq!(peer(&request(&event).0).address, Some("192.0.2.1"));
        }
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
                "requestContext":{"httpMethod":"GET","identity":{"sourceIp":"192.0.2.1"}}}"#,
        ] {
            assert_eq!(peer(&request(event).0).address, Some("192.0.2.1"));
        }
    }

    #[test]
    fn the_scheme_is_the_one_that_the_platform_saw() {
        for (headers, scheme) in [
            (r#""x-forwarded-proto":"https","host":"a.example""#, "https"),
            (r#""x-forwarded-proto":"http","host":"a.example""#, "http"),
            (r#""host":"a.example""#, "https"),
        ] {
            let event = format!(
                r#"{{"rawPath":"/","headers":{{{headers}}},"requestContext":{{"http":{{"method":"GET"}}}}}}"#
            );
            assert_eq!(peer(&request(&event).0).scheme, Some(scheme), "{headers}");
        }
    }

    #[test]
    fn a_target_that_no_url_has_leads_nowhere() {
        let long = format!("/{}", "a".repeat(70_000));
        let quotes = format!("/{}", "\\\"".repeat(30_000));
        for path in ["", "no slash", "/a?b", "/a#b", "/a b", "/<", "/\u{7f}", "@[", ":x", &long, &quotes] {
            let event = format!(r#"{{"rawPath":"{path}","requestContext":{{"http":{{"method":"GET"}}}}}}"#);
            assert_eq!(request(&event).0.uri, NOWHERE, "{path}");
        }
        for query in ["a b", "\u{7f}", &long] {
            let event = format!(
                r#"{{"rawPath":"/","rawQueryString":"{query}","requestContext":{{"http":{{"method":"GET"}}}}}}"#
            );
            assert_eq!(request(&event).0.uri, NOWHERE, "{query}");
        }
        // A query of a REST API grows when it is encoded.
        let event = format!(
            r#"{{"httpMethod":"GET","path":"/","multiValueQueryStringParameters":{{"a":["{}"]}},
                "requestContext":{{"httpMethod":"GET"}}}}"#,
            "€".repeat(20_000)
        );
        assert_eq!(request(&event).0.uri, NOWHERE);
    }

    /// A host or a scheme that is not one makes a URL of a good path impossible, and is not needed for the path.
    #[test]
    fn a_bad_host_or_scheme_costs_no_path() {
        for (name, value) in [
            ("host", "a b"),
            ("host", ""),
            ("host", "["),
            ("host", "a:99999"),
            ("host", "a/b?c#d"),
            ("host", "é"),
            ("host", "a\\u0000b"),
            ("x-forwarded-proto", "1:"),
            ("x-forwarded-proto", ""),
        ] {
            let event = format!(
                r#"{{"rawPath":"/api/chat","rawQueryString":"history=2",
                    "headers":{{"host":"a.example","{name}":"{value}"}},
                    "requestContext":{{"domainName":"a b","stage":"%","http":{{"method":"GET"}}}}}}"#
            );
            check(&event, "GET /api/chat?history=2", &[], "");
        }
    }

    #[test]
    fn what_http_does_not_allow_costs_a_header_and_no_request() {
        check(
            r#"{"rawPath":"/","headers":{"a":"b\u0001c","no name":"x","":"y","d":7,"e":"ü"},"cookies":["f=é\u0000"],
                "requestContext":{"http":{"method":"GET"}}}"#,
            "GET /",
            &[("a", "b c"), ("d", ""), ("e", "ü"), ("cookie", "f=é ")],
            "",
        );
        check(r#"{"rawPath":"/","requestContext":{"http":{"method":"GET it"}}}"#, "TRACE /", &[], "");
        check(r#"{"httpMethod":"é","path":"/","requestContext":{"httpMethod":"é"}}"#, "TRACE /", &[], "");
    }

    #[test]
    fn a_parameter_without_values_costs_itself_alone() {
        let event = |parameters: &str| {
            format!(
                r#"{{"httpMethod":"GET","path":"/api/events",{parameters},
                    "requestContext":{{"httpMethod":"GET"}}}}"#
            )
        };
        for (parameters, query) in [
            (r#""multiValueQueryStringParameters":{"a":[]}"#, ""),
            (r#""multiValueQueryStringParameters":{"a":[],"tick":["off"]}"#, "?tick=off"),
            (r#""multiValueQueryStringParameters":{"a":null,"tick":["off"]}"#, "?tick=off"),
            (r#""multiValueQueryStringParameters":{"a":7,"tick":["off",7,null]}"#, "?tick=off"),
            (r#""multiValueQueryStringParameters":{"tick":"off"}"#, "?tick=off"),
            (r#""queryStringParameters":{"a":null,"tick":"off"}"#, "?tick=off"),
            (r#""queryStringParameters":{"a":[]},"multiValueQueryStringParameters":{"a":[]}"#, ""),
            (
                r#""queryStringParameters":{"tick":"off"},"multiValueQueryStringParameters":{"a":[]}"#,
                "?tick=off",
            ),
            (r#""queryStringParameters":[],"multiValueQueryStringParameters":7"#, ""),
        ] {
            check(&event(parameters), &format!("GET /api/events{query}"), &[], "");
        }
    }

    /// The key by which `serde_json` passes JSON as it was written, which anybody can write.
    #[test]
    fn a_key_that_serde_json_keeps_to_itself_is_a_key_like_another() {
        for key in ["RawValue", "Number"].map(|key| format!("$serde_json::private::{key}")) {
            for (one, many) in [(r#""x""#, r#"["x"]"#), (r#""""#, r#"[""]"#), (r#""{}""#, r#"["1"]"#)] {
                let object = format!(r#"{{"{key}":{one}}}"#);
                for query in [
                    format!(r#""multiValueQueryStringParameters":{{"{key}":{many}}}"#),
                    format!(
                        r#""multiValueQueryStringParameters":{{"{key}":{many}}},"queryStringParameters":{object}"#
                    ),
                    format!(r#""multiValueQueryStringParameters":null,"queryStringParameters":{object}"#),
                ] {
                    let event = format!(
                        r#"{{"httpMethod":"POST","path":"/api/chat","body":"hi",{query},"stageVariables":{object},
                            "headers":{object},"multiValueHeaders":{{"{key}":{many}}},"pathParameters":{object},
                            "requestContext":{{"httpMethod":"POST","authorizer":{object},"x":{object}}},"x":{object}}}"#
                    );
                    check(&event, "POST /api/chat", &[], "hi");
                }
                let event = format!(
                    r#"{{"rawPath":"/api/chat","body":"hi","queryStringParameters":{object},"headers":{object},
                        "pathParameters":{object},"stageVariables":{object},"x":[{object}],
                        "requestContext":{{"authorizer":{{"lambda":{object}}},"http":{{"method":"POST"}}}}}}"#
                );
                check(&event, "POST /api/chat", &[], "hi");
            }
        }
    }

    #[test]
    fn an_event_that_is_no_request_is_refused_and_breaks_nothing() {
        for event in ["null", "[]", "{}", r#"{"rawPath":7}"#, r#"{"Records":[]}"#] {
            assert!(serde_json::from_str::<Event>(event).is_err(), "{event}");
        }
    }
}
