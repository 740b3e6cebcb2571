//! The event that a REST API of API Gateway makes of a request for a Lambda proxy integration:
//! [format 1.0](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format),
//! also when the answer is
//! [streamed](https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html).
//!
//! The API is one of two resources, `/` and `/{proxy+}`, each with the method `ANY`. AWS describes the fields by an
//! example. What that leaves open is as an event has it that somebody
//! [recorded](https://github.com/hotsock/voker/blob/main/vokerhttp/testdata/apigwv1-request.json) of such an API in July
//! 2026: `path` is without the stage, and `requestContext.path` has it; both are encoded as they came.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderName;
use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::request::Parts;
use serde::Serialize;

use crate::event::{Origin, TooLarge, is_hop_by_hop, serialize, time};

/// The values of each name, in their order. The order of the names
/// [is not kept](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-create-api-as-simple-proxy).
type Values = BTreeMap<String, Vec<String>>;

const ROOT: &str = "/";
const PROXY: &str = "/{proxy+}";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    resource: &'static str,
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<&'a str, &'a str>,
    multi_value_headers: &'a Values,
    query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_query_string_parameters: Option<&'a Values>,
    path_parameters: Option<BTreeMap<&'static str, &'a str>>,
    stage_variables: Option<BTreeMap<&'static str, &'static str>>,
    request_context: Context<'a>,
    body: Option<&'a str>,
    is_base64_encoded: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    resource_id: &'static str,
    resource_path: &'static str,
    http_method: &'a str,
    extended_request_id: &'a str,
    request_time: String,
    path: &'a str,
    account_id: &'static str,
    protocol: String,
    stage: &'a str,
    domain_prefix: &'a str,
    request_time_epoch: i64,
    request_id: &'a str,
    identity: Identity<'a>,
    domain_name: &'a str,
    api_id: &'a str,
}

/// Who asks. Without a key, an authorizer or IAM most of it is null.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    cognito_identity_pool_id: Option<&'static str>,
    account_id: Option<&'static str>,
    cognito_identity_id: Option<&'static str>,
    caller: Option<&'static str>,
    source_ip: String,
    principal_org_id: Option<&'static str>,
    access_key: Option<&'static str>,
    cognito_authentication_type: Option<&'static str>,
    cognito_authentication_provider: Option<&'static str>,
    user_arn: Option<&'static str>,
    user_agent: Option<&'a str>,
    user: Option<&'static str>,
}

/// Why there is no event.
#[derive(Debug, PartialEq)]
pub enum Refused {
    /// The path is not below the stage.
    OutsideStage,
    TooLarge,
}

impl From<TooLarge> for Refused {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// The event as JSON.
///
/// # Errors
/// When the path is not below the stage, or the body does not fit.
pub fn encode(request: &Parts, body: &Bytes, origin: Origin<'_>, stage: &str) -> Result<Bytes, Refused> {
    let asked = request.uri.path();
    let path = path(asked, stage).ok_or(Refused::OutsideStage)?;
    let headers = headers(request, origin);
    let host = headers.get("Host").and_then(|hosts| hosts.last()).map_or("", String::as_str);
    let domain = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let prefix = domain.split('.').next().unwrap_or_default();
    let query = query(request);
    let resource = if path == ROOT { ROOT } else { PROXY };
    let method = request.method.as_str();
    let body = String::from_utf8_lossy(body);
    let event = Event {
        resource,
        path,
        http_method: method,
        headers: last_of_each(&headers),
        multi_value_headers: &headers,
        query_string_parameters: (!query.is_empty()).then(|| last_of_each(&query)),
        multi_value_query_string_parameters: (!query.is_empty()).then_some(&query),
        path_parameters: path
            .strip_prefix('/')
            .filter(|rest| !rest.is_empty())
            .map(|rest| [("proxy", rest)].into()),
        stage_variables: None,
        request_context: Context {
            resource_id: if resource == ROOT { "root" } else { "proxy" },
            resource_path: resource,
            http_method: method,
            extended_request_id: origin.request_id,
            request_time: time(origin.now),
            path: asked,
            account_id: "000000000000",
            protocol: format!("{:?}", request.version),
            stage,
            domain_prefix: prefix,
            request_time_epoch: origin.now.as_millisecond(),
            request_id: origin.request_id,
            identity: Identity {
                source_ip: origin.peer.ip().to_string(),
                user_agent: headers.get("User-Agent").and_then(|all| all.last()).map(String::as_str),
                ..Identity::default()
            },
            domain_name: domain,
            api_id: prefix,
        },
        body: Some(&*body).filter(|body| !body.is_empty()),
        // Only an API that says which types are binary has such bodies, and this one does not
        // (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html).
        // What becomes of a body that is not UTF-8 is not documented; here its bad bytes are replaced.
        is_base64_encoded: false,
    };
    Ok(serialize(&event, event.body)?)
}

/// The path below the stage; `None` if it is not below it.
fn path<'a>(asked: &'a str, stage: &str) -> Option<&'a str> {
    let below = asked.strip_prefix('/')?.strip_prefix(stage)?;
    match below {
        "" => Some(ROOT),
        below => below.starts_with('/').then_some(below),
    }
}

fn last_of_each(values: &Values) -> BTreeMap<&str, &str> {
    values.iter().filter_map(|(name, values)| Some((&**name, &**values.last()?))).collect()
}

/// Names as they came (the emulator reads them in lower case, as HTTP/2 has them), but for those that API Gateway sets.
///
/// `content-length` is left out, and what is of one connection, as in the recorded event. The address of the client is the
/// last one of `X-Forwarded-For`, and a trace that the client sent is kept. (Undocumented for REST APIs; load balancers
/// [add the address](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html) so.)
fn headers(request: &Parts, origin: Origin<'_>) -> Values {
    let mut headers = Values::new();
    for (name, value) in &request.headers {
        if is_hop_by_hop(name) || name == CONTENT_LENGTH {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name_of(name).to_owned()).or_default().push(value);
    }
    let address = origin.peer.ip().to_string();
    let forwarded = headers.remove("X-Forwarded-For").map(|all| format!("{}, {address}", all.join(", ")));
    let trace = headers.remove("X-Amzn-Trace-Id").and_then(|mut all| all.pop());
    for (name, value) in [
        ("X-Amzn-Trace-Id", trace.unwrap_or_else(|| origin.trace_id.to_owned())),
        ("X-Forwarded-For", forwarded.unwrap_or(address)),
        ("X-Forwarded-Port", origin.port.to_string()),
        ("X-Forwarded-Proto", "http".to_owned()),
    ] {
        headers.insert(name.to_owned(), vec![value]);
    }
    headers
}

fn name_of(name: &HeaderName) -> &str {
    match name {
        name if name == HOST => "Host",
        name if name == USER_AGENT => "User-Agent",
        name => match name.as_str() {
            "x-amzn-trace-id" => "X-Amzn-Trace-Id",
            "x-forwarded-for" => "X-Forwarded-For",
            "x-forwarded-port" => "X-Forwarded-Port",
            "x-forwarded-proto" => "X-Forwarded-Proto",
            name => name,
        },
    }
}

/// Decoded, a plus sign as a space. A semicolon
/// [splits](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html#api-gateway-known-issues-rest-apis)
/// what it stands in; into what is not documented, and here it is as an ampersand.
fn query(request: &Parts) -> Values {
    let mut parameters = Values::new();
    let pairs = request.uri.query().unwrap_or_default().split(';');
    for (name, value) in pairs.flat_map(|some| form_urlencoded::parse(some.as_bytes())) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    parameters
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::PAYLOAD_LIMIT;

    fn try_event(request: http::request::Builder, body: &[u8]) -> Result<Value, Refused> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let event = encode(&parts, &Bytes::copy_from_slice(body), Origin::of_tests(), "live")?;
        Ok(serde_json::from_slice(&event).unwrap())
    }

    fn event(request: http::request::Builder, body: &[u8]) -> Value {
        try_event(request, body).unwrap()
    }

    /// The recorded event, but for the host and what is the emulator's own.
    #[test]
    fn has_every_field() {
        let request = Request::post(
            "/live/capture/space%20value?repeat=one&empty=&encodedPlus=a%2Bb&literalPlus=a+b&repeat=two",
        );
        let request = request
            .header("Host", "127.0.0.1:9000")
            .header("User-Agent", "curl/8")
            .header("X-Probe", "first")
            .header("x-probe", "second")
            .header("Cookie", "session=abc123; theme=dark")
            .header("Connection", "close")
            .header("Content-Length", "9")
            .header("Content-Type", "application/json");
        let expected = json!({
            "resource": "/{proxy+}",
            "path": "/capture/space%20value",
            "httpMethod": "POST",
            "headers": {
                "Host": "127.0.0.1:9000",
                "User-Agent": "curl/8",
                "X-Amzn-Trace-Id": "Root=1-6741-ab",
                "X-Forwarded-For": "127.0.0.1",
                "X-Forwarded-Port": "9000",
                "X-Forwarded-Proto": "http",
                "content-type": "application/json",
                "cookie": "session=abc123; theme=dark",
                "x-probe": "second",
            },
            "multiValueHeaders": {
                "Host": ["127.0.0.1:9000"],
                "User-Agent": ["curl/8"],
                "X-Amzn-Trace-Id": ["Root=1-6741-ab"],
                "X-Forwarded-For": ["127.0.0.1"],
                "X-Forwarded-Port": ["9000"],
                "X-Forwarded-Proto": ["http"],
                "content-type": ["application/json"],
                "cookie": ["session=abc123; theme=dark"],
                "x-probe": ["first", "second"],
            },
            "queryStringParameters":
                {"empty": "", "encodedPlus": "a+b", "literalPlus": "a b", "repeat": "two"},
            "multiValueQueryStringParameters":
                {"empty": [""], "encodedPlus": ["a+b"], "literalPlus": ["a b"], "repeat": ["one", "two"]},
            "pathParameters": {"proxy": "capture/space%20value"},
            "stageVariables": null,
            "requestContext": {
                "resourceId": "proxy",
                "resourcePath": "/{proxy+}",
                "httpMethod": "POST",
                "extendedRequestId": "4b5c",
                "requestTime": "22/Nov/2026:10:00:00 +0000",
                "path": "/live/capture/space%20value",
                "accountId": "000000000000",
                "protocol": "HTTP/1.1",
                "stage": "live",
                "domainPrefix": "127",
                "requestTimeEpoch": 1_795_341_600_123_i64,
                "requestId": "4b5c",
                "identity": {
                    "cognitoIdentityPoolId": null,
                    "accountId": null,
                    "cognitoIdentityId": null,
                    "caller": null,
                    "sourceIp": "127.0.0.1",
                    "principalOrgId": null,
                    "accessKey": null,
                    "cognitoAuthenticationType": null,
                    "cognitoAuthenticationProvider": null,
                    "userArn": null,
                    "userAgent": "curl/8",
                    "user": null,
                },
                "domainName": "127.0.0.1",
                "apiId": "127",
            },
            "body": "{\"a\":\"λ\"}",
            "isBase64Encoded": false,
        });
        assert_eq!(event(request, "{\"a\":\"λ\"}".as_bytes()), expected);
    }

    #[test]
    fn what_is_not_there_is_null() {
        for path in ["/live", "/live/"] {
            let event = event(Request::get(path), b"");
            for name in ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body"]
            {
                assert_eq!(event.get(name), Some(&Value::Null), "{name}");
            }
            assert_eq!((&event["resource"], &event["path"]), (&json!("/"), &json!("/")));
            assert_eq!(event["requestContext"]["path"], path);
        }
    }

    #[test]
    fn only_what_is_below_the_stage_is_served() {
        for path in ["/", "/api/chat", "/livelier/api", "/Live/api"] {
            assert_eq!(try_event(Request::get(path), b""), Err(Refused::OutsideStage), "{path}");
        }
        assert_eq!(event(Request::get("/live/live/a%2Fb//c"), b"")["path"], "/live/a%2Fb//c");
    }

    #[test]
    fn a_semicolon_splits_a_query() {
        let event = event(Request::get("/live/?a=1;b=2&a=%3B"), b"");
        assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", ";"], "b": ["2"]}));
    }

    #[test]
    fn the_address_of_the_client_is_the_last_one_and_its_trace_is_kept() {
        let request = Request::get("/live/")
            .header("X-Forwarded-For", "192.0.2.1")
            .header("x-amzn-trace-id", "Root=2")
            .header("X-Forwarded-Proto", "gopher");
        let event = event(request, b"");
        assert_eq!(event["headers"]["X-Forwarded-For"], "192.0.2.1, 127.0.0.1");
        assert_eq!(event["multiValueHeaders"]["X-Amzn-Trace-Id"], json!(["Root=2"]));
        assert_eq!(event["multiValueHeaders"]["X-Forwarded-Proto"], json!(["http"]));
    }

    #[test]
    fn every_body_is_text_and_has_a_limit() {
        let request = || Request::post("/live/").header("Content-Type", "image/png");
        let replaced = event(request(), b"a\xff");
        assert_eq!((&replaced["body"], &replaced["isBase64Encoded"]), (&json!("a\u{fffd}"), &json!(false)));
        assert!(try_event(request(), &vec![b'a'; PAYLOAD_LIMIT]).is_ok());
        assert_eq!(try_event(request(), &vec![b'a'; PAYLOAD_LIMIT + 1]), Err(Refused::TooLarge));
    }
}
