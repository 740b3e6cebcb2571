//! Streams: which representation a client gets, and what a HEAD does.

use super::every_feed::{Path, paths};
use super::{Case, Context, problem};

pub(super) const CASES: &[Case] = cases! {
    "Streams", "absent, */*, text/*, text/event-stream or what old Java sends is a stream" => streams;
    "Streams", "application/json is a snapshot, q-values decide, a tie is a stream" => by_quality;
    "Streams", "anything else is 406" => neither;
    "Streams", "HEAD answers the headers alone" => heads;
};

const STREAM: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

/// What Java 8 to 18 send where nothing is said.
const JAVA: &str = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";

async fn check(c: &Context, path: &str, accept: &str, expected: &str) {
    let stream = c.client.open(path, &[("Accept", accept)]).await;
    assert_eq!((stream.status, stream.header("Content-Type")), (200, expected), "{path}, Accept: {accept}");
}

async fn streams(c: Context) {
    for Path { path, .. } in &paths(&c.room()) {
        assert_eq!(c.client.open(path, &[]).await.header("Content-Type"), STREAM, "{path}, no Accept");
        for accept in ["*/*", "text/*", "text/event-stream", "Text/Event-Stream", STREAM, JAVA] {
            check(&c, path, accept, STREAM).await;
        }
    }
}

async fn by_quality(c: Context) {
    for Path { path, .. } in &paths(&c.room()) {
        check(&c, path, JSON, JSON).await;
        check(&c, path, "application/*", JSON).await;
        check(&c, path, "application/json, text/event-stream", STREAM).await;
        check(&c, path, "application/json;q=0.5, text/event-stream;q=0.5", STREAM).await;
        check(&c, path, "application/json, text/event-stream;q=0.9", JSON).await;
        check(&c, path, "application/json;q=0.8, text/event-stream;q=0.801", STREAM).await;
        check(&c, path, "application/json;q=0.2, */*;q=0.1", JSON).await;
        check(&c, path, "text/event-stream;q=0, */*", JSON).await;
        check(&c, path, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", STREAM).await;
    }
}

async fn neither(c: Context) {
    for Path { path, .. } in &paths(&c.room()) {
        for accept in ["text/html", "image/*", "application/xml, text/plain", "*/*;q=0", "nonsense"] {
            let answer = c.client.get(path, &[("Accept", accept)]).await;
            problem(&answer, 406, Some("Accept"), &["Accept", "text/event-stream", JSON]);
        }
    }
}

async fn heads(c: Context) {
    let (room, ids) = c.filled(3).await;
    let last = ids[2].to_string();
    let all: Vec<_> = paths(&c.room()).into_iter().map(|path| path.path).collect();
    for path in all.iter().chain([&format!("/api/chat/{room}?history=0")]) {
        let answer = c.client.head(path, &[]).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
        for (name, value) in [
            ("Content-Type", STREAM),
            ("Cache-Control", "no-store, no-transform"),
            ("X-Accel-Buffering", "no"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), value, "{name} of {path}");
        }
        let cursor = answer.header("Last-Event-ID");
        assert!(cursor.parse::<u64>().is_ok(), "{path}: {cursor:?}");
    }
    let head = |path: String, accept: &'static str| {
        let client = c.client.clone();
        async move { client.head(&path, &[("Accept", accept)]).await }
    };
    assert_eq!(head(format!("/api/chat/{room}?history=0"), STREAM).await.header("Last-Event-ID"), last);
    for path in ["/api/chat", "/healthz", "/openapi.json", &format!("/api/chat/{room}/messages/{last}")] {
        let answer = head(path.to_owned(), JSON).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
        assert_eq!(answer.header("Content-Type"), JSON, "{path}");
    }
    for (path, status) in [("/api/nothing", 404), ("/api/chat/BAD", 400), ("/api/chat?history=999", 400)] {
        let answer = head(path.to_owned(), STREAM).await;
        assert_eq!((answer.status, answer.text.as_str()), (status, ""), "{path}");
    }
}
