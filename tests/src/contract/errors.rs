//! Errors: every refusal, with its status, its field and what it says.

use http::Method;

use super::{Case, Context, problem};
use crate::client::Answer;

pub(super) const CASES: &[Case] = cases! {
    "Errors", "400: a body that is no JSON object, or a field against its rule" => bad_bodies;
    "Errors", "401: any token where there is no AUTH_SECRET, with WWW-Authenticate" => tokens;
    "Errors", "404: no such path" => no_path;
    "Errors", "405: with Allow" => methods;
    "Errors", "413: a body over 32 KiB, with or without its length" => too_large;
    "Errors", "415: a body that does not say that it is JSON" => media_types;
    "Errors", "a refusal is answered to a HEAD, too, without a body" => heads;
};

pub(super) const BAD_SETTING: &[Case] = cases! {
    "Settings", "a bad setting: every answer is a 500 problem that names it" => bad_setting;
};

const HI: &str = r#"{"user":"ada","text":"hi"}"#;

async fn bad_bodies(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    let text = |value: &str| format!(r#"{{"user":"ada","text":{value}}}"#);
    let user = |value: &str| format!(r#"{{"user":{value},"text":"hi"}}"#);
    for (body, field, says) in [
        (String::new(), None, "JSON object"),
        ("{".into(), None, "JSON object"),
        ("hi".into(), None, "JSON object"),
        (r#"["ada","hi"]"#.into(), None, "JSON object"),
        ("null".into(), None, "JSON object"),
        (format!("{HI} x"), None, "JSON object"),
        (format!("{HI}{HI}"), None, "JSON object"),
        (format!("\u{feff}{HI}"), None, "JSON object"),
        (r#"{'user':'ada','text':'hi'}"#.into(), None, "JSON object"),
        (r#"{"user":"ada","text":"a","text":"b"}"#.into(), None, "JSON object"),
        (format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)), None, "JSON object"),
        (text(&format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000))), Some("text"), "string"),
        (text(r#"{"$serde_json::private::RawValue":"\"hi\""}"#), Some("text"), "string"),
        ("{}".into(), Some("user"), "missing"),
        (r#"{"user":"ada"}"#.into(), Some("text"), "missing"),
        (r#"{"text":"hi"}"#.into(), Some("user"), "missing"),
        (text("1"), Some("text"), "string"),
        (text("[\"hi\"]"), Some("text"), "string"),
        (user("null"), Some("user"), ""),
        (user("true"), Some("user"), "string"),
        (user("{}"), Some("user"), "string"),
    ] {
        let answer = c.client.post_json(&room, &body).await;
        assert_eq!(answer.status, 400, "{body:.200}: {answer:?}");
        problem(&answer, 400, field, &[says, field.unwrap_or_default()]);
    }
    for unknown in [r#"[1,{"a":null}]"#.to_owned(), format!("{}{}", "[".repeat(5_000), "]".repeat(5_000))] {
        let body = format!(r#"{{"user":"ada","colour":{unknown},"text":"hi"}}"#);
        let answer = c.client.post_json(&room, &body).await;
        assert_eq!(answer.status, 201, "a field that is not known is ignored: {answer:?}");
    }
}

async fn tokens(c: Context) {
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.";
    let bearer = format!("Bearer {jwt}");
    let cookie = format!("a=b; ssedge_token={jwt}");
    let check = |answer: Answer| {
        problem(&answer, 401, None, &["token"]);
        assert_eq!(answer.header("WWW-Authenticate"), "Bearer");
    };
    let json = ("Content-Type", "application/json");
    for header in [("Authorization", bearer.as_str()), ("Authorization", "bearer x"), ("Cookie", &cookie)] {
        for path in ["/api/chat", "/api/events", "/api/stock", "/api/chat/lobby/messages/1"] {
            check(c.client.get(path, &[header]).await);
        }
        for path in ["/api/chat", "/api/events", "/api/stock"] {
            check(c.client.post(path, &[header, json], HI).await);
        }
    }
    check(c.client.get(&format!("/api/chat?access_token={jwt}"), &[]).await);
    check(c.client.get("/api/stock?access_token=x", &[("Accept", "application/json")]).await);
    let other =
        c.client.open("/api/chat", &[("Authorization", "Basic YTpi"), ("Cookie", "theme=dark")]).await;
    assert_eq!(other.status, 200, "what is no token is none");
}

async fn no_path(c: Context) {
    for path in [
        "/api",
        "/api/",
        "/api/events/",
        "/api/stock/ACME",
        "/api/chat/a/b",
        "/api/chat/a/messages",
        "/api/chat/a/messages/",
        "/api/chat/a/messages/1/x",
        "/API/chat",
        "/api/chats",
        "/healthz/",
        "/index.htm",
        "/favicon.ico",
        "/.env",
        "/nothing",
    ] {
        problem(&c.client.get(path, &[]).await, 404, None, &[]);
        problem(&c.client.post_json(path, HI).await, 404, None, &[]);
    }
}

async fn methods(c: Context) {
    const FEED: &str = "GET, HEAD, POST, OPTIONS";
    const PAGE: &str = "GET, HEAD, OPTIONS";
    let check = async |method: &str, path: &str, allow: &str| {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer =
            c.client.request(method, path, &[("Content-Type", "application/json")], Some("{}")).await;
        problem(&answer, 405, None, &[allow]);
        assert_eq!(answer.header("Allow"), allow, "{path}");
    };
    for method in ["PUT", "DELETE", "PATCH"] {
        for path in ["/api/events", "/api/stock", "/api/chat", "/api/chat/a"] {
            check(method, path, FEED).await;
        }
        for path in ["/", "/healthz", "/openapi.json", "/api/chat/a/messages/1"] {
            check(method, path, PAGE).await;
        }
    }
    for path in ["/", "/healthz", "/openapi.json", "/api/chat/a/messages/1"] {
        check("POST", path, PAGE).await;
    }
}

/// A message that is `bytes` long, most of it white space.
fn padded(bytes: usize) -> String {
    format!("{HI}{}", " ".repeat(bytes - HI.len()))
}

async fn too_large(c: Context) {
    const MAX: usize = 32 * 1024;
    let room = c.room();
    let path = format!("/api/chat/{room}");
    assert_eq!(c.client.post_json(&path, &padded(MAX)).await.status, 201);
    for bytes in [MAX + 1, 10 * MAX] {
        problem(&c.client.post_json(&path, &padded(bytes)).await, 413, None, &["32768"]);
    }
    // Who is cut off while it sends may not see the answer. That is a matter of luck, so it has to hold more than once.
    for _ in 0..30 {
        let answer = c.client.post_json(&path, &padded(30 * MAX)).await;
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    let chunked = async |bytes: usize| {
        let body = padded(bytes);
        let mut request = format!(
            "POST {}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            c.client.stage()
        );
        for chunk in body.as_bytes().chunks(1_000) {
            request.push_str(&format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
        }
        request.push_str("0\r\n\r\n");
        c.client.raw(request.as_bytes()).await
    };
    let fits = chunked(MAX).await;
    assert!(fits.starts_with("HTTP/1.1 201 "), "{fits}");
    for bytes in [MAX + 1, 3 * MAX] {
        let refused = chunked(bytes).await;
        assert!(
            refused.starts_with("HTTP/1.1 413 ") && refused.contains("application/problem+json"),
            "{refused}"
        );
    }
    let stored = c.client.get_json(&path).await.json();
    assert_eq!(stored["messages"].as_array().map(Vec::len), Some(2), "what fitted, and no more");
}

async fn media_types(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let refused =
        |answer: Answer| problem(&answer, 415, Some("Content-Type"), &["application/json", "UTF-8"]);
    refused(c.client.post(&path, &[], HI).await);
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/problem+json",
        "application/json; charset=iso-8859-1",
        "json",
        "*/*",
    ] {
        refused(c.client.post(&path, &[("Content-Type", content_type)], HI).await);
    }
    let encoded = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    refused(c.client.post(&path, &encoded, HI).await);
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        let answer = c.client.post(&path, &[("Content-Type", content_type)], HI).await;
        assert_eq!(answer.status, 201, "{content_type}: {answer:?}");
    }
}

async fn heads(c: Context) {
    let accept = [("Accept", "text/html")];
    for (path, headers, status) in [
        ("/nothing", &[][..], 404),
        ("/api/chat", &accept[..], 406),
        ("/api/events?tick=1", &[], 400),
        ("/api/chat?access_token=x", &[], 401),
    ] {
        let answer = c.client.head(path, headers).await;
        assert_eq!((answer.status, answer.text.as_str()), (status, ""), "{path}");
        assert_eq!(answer.header("Content-Type"), "application/problem+json", "{path}");
    }
}

async fn bad_setting(c: Context) {
    let says = ["the setting HEARTBEAT_SECS is bad", "1", "60"];
    for path in ["/", "/healthz", "/openapi.json", "/api/events", "/api/stock", "/api/chat/a", "/nothing"] {
        let setting = Some("HEARTBEAT_SECS");
        problem(&c.client.get(path, &[]).await, 500, setting, &says);
        problem(&c.client.get_json(path).await, 500, setting, &says);
        problem(&c.client.post_json(path, HI).await, 500, setting, &says);
        problem(&c.client.options(path, &[]).await, 500, setting, &says);
        assert_eq!(c.client.head(path, &[]).await.status, 500, "{path}");
    }
}
