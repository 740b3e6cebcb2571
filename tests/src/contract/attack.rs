//! The tools of an attacker: what a good client of HTTP does not send, and how to see what it did.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::{Context, problem};
use crate::client::{Answer, Client, Connection, Stream, TRIES};
use crate::token::token;

/// What ends a line somewhere: in event streams and HTTP, in Unicode, in JavaScript, in C.
pub(super) const BREAKS: [(&str, &str); 7] = [
    ("LF", "\n"),
    ("CR", "\r"),
    ("CRLF", "\r\n"),
    ("NEL", "\u{85}"),
    ("LS", "\u{2028}"),
    ("PS", "\u{2029}"),
    ("NUL", "\0"),
];

/// A text that ends its line and goes on as if it were a block of the stream, or a header.
pub(super) fn forged(line_break: &str) -> String {
    format!("a{line_break}{line_break}event: forged{line_break}data: forged{line_break}{line_break}b")
}

/// What ends a line to Python's `str.splitlines`, by which some readers of event streams take them apart.
const LINE_ENDS: [char; 10] =
    ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

/// No line of what came may be one that [`forged`] wrote, whatever counts as the end of a line.
#[track_caller]
pub(super) fn is_clean(what: &str, heard: &str) {
    let lines = heard.split(LINE_ENDS).map(|line| line.trim_start_matches('\0').to_ascii_lowercase());
    let forged =
        lines.into_iter().find(|line| line.starts_with("event: forged") || line.starts_with("data: forged"));
    assert_eq!(forged, None, "{what} broke its line: {heard:?}");
}

/// The next message, whose block must be two lines and a blank one: an id and data.
pub(super) async fn one_block(stream: &mut Stream) -> String {
    let from = stream.raw().len();
    let message = stream.message().await;
    let block = String::from_utf8_lossy(&stream.raw()[from..]).into_owned();
    let ends = block.bytes().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
    assert!(ends == 3 && block.starts_with("id: ") && block.ends_with("\n\n"), "{block:?}");
    message.data
}

/// Somebody of this name who may do everything.
pub(super) fn insider(c: &Context, sub: &str) -> Client {
    c.client.bearing(&token(json!({ "sub": sub, "subscribe": ["*"], "publish": ["*"] })))
}

/// The token must be refused for reading and for posting, by a sentence that has this word.
pub(super) async fn is_refused(c: &Context, what: &str, token: &str, word: &str) {
    let holder = c.client.bearing(token);
    for answer in [holder.get_json("/api/chat").await, holder.post_json("/api/chat", "{}").await] {
        assert_eq!(answer.status, 401, "{what} ({token:.200}): {answer:?}");
        problem(&answer, 401, None, &["token", word]);
        assert_eq!(answer.header("WWW-Authenticate"), "Bearer", "{what}");
    }
}

/// The token must be good: what is refused beside it is refused for its own fault.
pub(super) async fn is_taken(c: &Context, what: &str, token: &str) {
    let answer: Answer = c.client.bearing(token).get_json("/api/chat").await;
    assert_eq!(answer.status, 200, "{what} ({token:.200}): {answer:?}");
}

/// The head of a request, after which the host is to close; more headers may follow.
pub(super) fn head(c: &Context, method: &str, target: &str) -> Vec<u8> {
    format!("{method} {}{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", c.client.stage()).into_bytes()
}

/// A post with these headers, of JSON that is not sent yet.
pub(super) fn post_head(c: &Context, target: &str, headers: &str) -> Vec<u8> {
    let headers = format!("Content-Type: application/json\r\n{headers}\r\n");
    [head(c, "POST", target), headers.into_bytes()].concat()
}

/// A whole post.
pub(super) fn post(c: &Context, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    [post_head(c, target, &headers), body.to_vec()].concat()
}

/// Sends it and answers the status, `None` where the host hung up without one, and all that came.
pub(super) async fn exchange(c: &Context, request: &[u8]) -> (Option<u16>, String) {
    let mut connection = c.client.connect().await;
    connection.send(request).await;
    let status = connection.status().await;
    (status, connection.rest().await)
}

/// Sends the piece again and again until there is an answer or an end, at most so many bytes: the status, `None` where the
/// host hung up, before which it may have answered (RFC 9112, section 9.6).
pub(super) async fn pour(connection: &mut Connection, piece: &[u8], most: usize) -> Option<u16> {
    for _ in (0..most).step_by(piece.len()) {
        if connection.is_answered().await || !connection.send(piece).await {
            return connection.status().await;
        }
    }
    panic!("{most} bytes are taken without an answer");
}

/// The host does what it is for, and soon.
pub(super) async fn is_well(c: &Context) {
    const SOON: Duration = Duration::from_secs(10);
    let talk = async || {
        let room = c.room();
        c.client.say(&room, "is anybody there?").await;
        let mut stream = c.client.open(&format!("/api/chat/{room}"), &[]).await;
        stream.plain(1).await
    };
    for _ in 0..TRIES {
        if timeout(SOON, talk()).await.is_ok() {
            return;
        }
    }
    panic!("nobody else is served in {SOON:?}, nor in any of {TRIES} tries");
}
