//! Access: what pages of other origins may do.

use super::{Case, Context};
use crate::client::Answer;

pub(super) const ANY: &[Case] = cases! {
    "Access", "ALLOWED_ORIGINS=*: any origin, without credentials" => any_origin;
    "Access", "a preflight says methods, headers and a max age" => preflight;
    "Access", "what is exposed" => exposed;
};

pub(super) const LISTED: &[Case] = cases! {
    "Access", "a listed origin is echoed, with credentials" => listed;
    "Access", "an origin that is not listed gets nothing, and Vary: Origin" => unlisted;
};

const PATHS: [&str; 5] = ["/api/events", "/api/stock", "/api/chat/a", "/healthz", "/nothing"];
const ASKED: [(&str, &str); 2] =
    [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type")];

/// A GET that ends, and a preflight, from this origin.
async fn ask(c: &Context, path: &str, origin: Option<&str>) -> [Answer; 2] {
    let mut headers = vec![("Accept", "application/json")];
    headers.extend(origin.map(|origin| ("Origin", origin)));
    let get = c.client.get(path, &headers).await;
    headers.extend(ASKED);
    [get, c.client.options(if path == "/nothing" { "/api/chat" } else { path }, &headers).await]
}

async fn any_origin(c: Context) {
    for path in PATHS {
        for origin in [None, Some("https://a.example"), Some("null")] {
            for answer in ask(&c, path, origin).await {
                assert_eq!(answer.header("Access-Control-Allow-Origin"), "*", "{path}: {answer:?}");
                assert_eq!(answer.header("Access-Control-Allow-Credentials"), "", "{path}");
            }
        }
    }
    let stream = c.client.open("/api/chat", &[("Origin", "https://a.example")]).await;
    assert_eq!(stream.header("Access-Control-Allow-Origin"), "*");
}

async fn preflight(c: Context) {
    for (path, method) in [("/api/chat/a", "POST"), ("/api/events", "GET"), ("/healthz", "GET")] {
        let [_, answer] = ask(&c, path, Some("https://a.example")).await;
        let status = if c.host == "lambda" { (200, 1) } else { (204, 0) };
        assert_eq!((answer.status, answer.text.len()), status, "{path}: {answer:?}");
        let methods = answer.header("Access-Control-Allow-Methods");
        assert!(methods.split(", ").any(|m| m == method), "{path}: {methods}");
        let headers = answer.header("Access-Control-Allow-Headers").to_ascii_lowercase();
        for name in
            ["content-type", "authorization", "idempotency-key", "if-match", "if-none-match", "last-event-id"]
        {
            assert!(headers.split(", ").any(|header| header == name), "{name} in {headers}");
        }
        let age = answer.header("Access-Control-Max-Age").parse::<u32>();
        assert!(age.is_ok_and(|age| age > 0), "{answer:?}");
    }
}

async fn exposed(c: Context) {
    let check = |what: &str, value: &str| {
        for name in ["Last-Event-ID", "Location", "Retry-After", "Idempotent-Replayed", "ETag"] {
            assert!(
                value.split(", ").any(|header| header.eq_ignore_ascii_case(name)),
                "{what}: {name} in {value:?}"
            );
        }
    };
    for path in PATHS {
        let [get, _] = ask(&c, path, Some("https://a.example")).await;
        check(path, get.header("Access-Control-Expose-Headers"));
        let stream = c.client.open("/api/chat", &[]).await;
        check("a stream", stream.header("Access-Control-Expose-Headers"));
    }
}

async fn listed(c: Context) {
    for origin in ["https://a.example", "http://localhost:3000"] {
        for path in PATHS {
            for answer in ask(&c, path, Some(origin)).await {
                assert_eq!(answer.header("Access-Control-Allow-Origin"), origin, "{path}: {answer:?}");
                assert_eq!(answer.header("Access-Control-Allow-Credentials"), "true", "{path}");
                assert!(varies(&answer), "{path}: {answer:?}");
            }
        }
        let stream = c.client.open("/api/chat/a", &[("Origin", origin)]).await;
        assert_eq!(stream.header("Access-Control-Allow-Origin"), origin);
    }
}

async fn unlisted(c: Context) {
    for origin in [
        None,
        Some("null"),
        Some("https://b.example"),
        Some("http://a.example"),
        Some("https://a.example.evil"),
        Some("https://a.example:8443"),
        Some("HTTPS://A.EXAMPLE"),
        Some("*"),
    ] {
        for path in PATHS {
            for answer in ask(&c, path, origin).await {
                assert_eq!(answer.header("Access-Control-Allow-Origin"), "", "{origin:?} {path}");
                assert_eq!(answer.header("Access-Control-Allow-Credentials"), "", "{origin:?} {path}");
                assert!(varies(&answer), "{origin:?} {path}: {answer:?}");
            }
        }
    }
}

fn varies(answer: &Answer) -> bool {
    let all: Vec<_> = answer.headers.get_all("Vary").iter().filter_map(|value| value.to_str().ok()).collect();
    all.join(", ").split(", ").any(|name| name.eq_ignore_ascii_case("Origin"))
}
