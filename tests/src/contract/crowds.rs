//! Errors and Access: how many streams may be open. The settings are 20 for each sender, and 30 for each channel.
//!
//! A function is not told that a reader left, so there the bound is on streams that begin within STREAM_SECS, which these
//! settings make longer than any test.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;
use ssedge::limits::CHANNEL_TIMEOUT;
use tokio::time::{Duration, Instant};

use super::{Case, Context};
use crate::client::{Client, End, PATIENCE, Stream};
use crate::token::token;

pub(super) const CASES: &[Case] = cases! {
    "Errors", "over STREAMS_PER_SENDER: 200, retry: 10000–30000 and the end, and others are served" => by_sender;
    "Errors", "over STREAMS_PER_CHANNEL the same for all, and other channels are served" => by_channel;
    "Errors", "a sub is one sender, wherever it reads from" => by_sub;
    "Errors", "the streams of a sender count together, wherever they are" => everywhere;
    "Errors", "what is no open stream is not counted" => uncounted;
    "Errors", "the retry of an overload is drawn for each" => drawn;
};

/// Streams that one statement opens at once. The local table takes many questions for a slow one, and then nobody is
/// refused.
pub(super) const ABREAST: usize = 2;
/// STREAMS_PER_SENDER and STREAMS_PER_CHANNEL.
pub(super) const PER_SENDER: usize = 20;
const PER_CHANNEL: usize = 30;

/// From this time on a host may have given up counting: a function asks its table again after a second, and a stream may
/// then be counted twice, or not at all; a Worker gives up on a channel.
fn is_too_slow(host: &str) -> Duration {
    if host == "lambda" { Duration::from_secs(1) } else { CHANNEL_TIMEOUT }
}

/// Asks for a stream: the open one, or the milliseconds after which one may come again.
pub(super) async fn knock(c: &Context, client: &Client, path: &str) -> Result<Stream, u64> {
    let asked = Instant::now();
    let mut stream = client.open(path, &[]).await;
    assert_eq!(stream.status, 200, "{path}: {:?}", stream.headers);
    assert_eq!(stream.header("Content-Type"), "text/event-stream; charset=utf-8", "{path}");
    assert_eq!(stream.header("Cache-Control"), "no-store, no-transform", "{path}");
    let first = stream.next_message(PATIENCE).await;
    if asked.elapsed() >= is_too_slow(c.host) {
        c.is_inconclusive();
    }
    match first {
        Ok(message) => {
            assert_eq!(message.event, "cursor", "{path}: {message:?}");
            Ok(stream)
        }
        Err(end) => {
            assert_eq!(end, End::Ended, "{path}: {:?}", stream.text());
            let text = stream.text();
            let retry = text.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n"));
            let retry =
                retry.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("{path} says {text:?}"));
            assert!((10_000..=30_000).contains(&retry), "{path}: retry: {retry}");
            Err(retry)
        }
    }
}

/// Asks for so many, some at once: those that are open, and the retries of the others.
pub(super) async fn crowd(
    c: &Context,
    client: &Client,
    path: &str,
    n: usize,
    abreast: usize,
) -> (Vec<Stream>, Vec<u64>) {
    let (mut open, mut retries) = (Vec::new(), Vec::new());
    for from in (0..n).step_by(abreast) {
        for knocked in join_all((from..n).take(abreast).map(|_| knock(c, client, path))).await {
            match knocked {
                Ok(stream) => open.push(stream),
                Err(retry) => retries.push(retry),
            }
        }
    }
    (open, retries)
}

/// All the streams that one sender may have.
async fn fill(c: &Context, client: &Client, path: &str) -> Vec<Stream> {
    let (open, retries) = crowd(c, client, path, PER_SENDER, ABREAST).await;
    assert_eq!((open.len(), retries), (PER_SENDER, Vec::new()), "{path}");
    open
}

async fn by_sender(c: Context) {
    let (sender, other) = (c.sender(41), c.sender(42));
    let room = c.room();
    let path = format!("/api/chat/{room}");
    let mut open = fill(&c, &sender, &path).await;
    for _ in 0..5 {
        assert!(knock(&c, &sender, &path).await.is_err(), "one more");
    }
    let mut beside = knock(&c, &other, &path).await.expect("another sender is served");
    // Those that are in are served as ever.
    let id = c.client.say(&room, "to all of you").await.to_string();
    for stream in open.iter_mut().chain([&mut beside]) {
        assert_eq!(stream.message().await.last_event_id, id);
    }
    // The header of a client makes no other sender of it.
    let forged = sender.with("X-Forwarded-For", "198.51.100.7");
    assert!(knock(&c, &forged, &path).await.is_err(), "X-Forwarded-For");
}

async fn by_channel(c: Context) {
    let (one, two, three) = (c.sender(43), c.sender(44), c.sender(45));
    let path = format!("/api/chat/{}", c.room());
    let mut open = fill(&c, &one, &path).await;
    let (some, retries) = crowd(&c, &two, &path, PER_CHANNEL - PER_SENDER, ABREAST).await;
    assert!(retries.is_empty(), "there is room for so many");
    open.extend(some);
    for sender in [&one, &two, &three] {
        assert!(knock(&c, sender, &path).await.is_err(), "the room is full");
    }
    let elsewhere = format!("/api/chat/{}", c.room());
    knock(&c, &three, &elsewhere).await.expect("another room is open");
    let kept = three.get_json(&path).await;
    assert_eq!(kept.status, 200, "a snapshot needs no room: {kept:?}");
    assert_eq!(open.len(), PER_CHANNEL);
}

async fn by_sub(c: Context) {
    let holder = |address, sub: &str| {
        let claims = token(json!({ "sub": format!("{sub} {}", c.tries), "subscribe": ["*"] }));
        c.sender(address).bearing(&claims)
    };
    let path = format!("/api/chat/{}", c.room());
    let open = fill(&c, &holder(46, "one"), &path).await;
    assert!(knock(&c, &holder(47, "one"), &path).await.is_err(), "one sub at another address");
    knock(&c, &holder(46, "two"), &path).await.expect("another sub at one address");
    knock(&c, &c.sender(46), &path).await.expect("nobody at that address");
    assert_eq!(open.len(), PER_SENDER);
}

async fn everywhere(c: Context) {
    let sender = c.sender(50);
    let (room, other) = (format!("/api/chat/{}", c.room()), format!("/api/chat/{}", c.room()));
    let mut open = Vec::new();
    for path in [&room, &other, "/api/events", "/api/stock"] {
        let (some, retries) = crowd(&c, &sender, path, PER_SENDER / 4, ABREAST).await;
        assert_eq!((some.len(), retries), (PER_SENDER / 4, Vec::new()), "{path}");
        open.extend(some);
    }
    for path in [&room, &other, "/api/events", "/api/stock", "/api/chat"] {
        assert!(knock(&c, &sender, path).await.is_err(), "one more, at {path}");
    }
    assert_eq!(open.len(), PER_SENDER);
}

async fn uncounted(c: Context) {
    let sender = c.sender(48);
    let path = format!("/api/chat/{}", c.room());
    for _ in 0..PER_SENDER {
        assert_eq!(sender.get_json(&path).await.status, 200);
        assert_eq!(sender.head(&path, &[]).await.status, 200);
        assert_eq!(sender.get(&format!("{path}?history=x"), &[]).await.status, 400);
        assert_eq!(sender.bearing("x").get(&path, &[]).await.status, 401);
    }
    assert_eq!(fill(&c, &sender, &path).await.len(), PER_SENDER);
}

async fn drawn(c: Context) {
    let sender = c.sender(49);
    let path = format!("/api/chat/{}", c.room());
    let open = fill(&c, &sender, &path).await;
    let (more, retries) = crowd(&c, &sender, &path, 2 * PER_SENDER, ABREAST).await;
    assert_eq!((open.len(), more.len()), (PER_SENDER, 0));
    let distinct: BTreeSet<_> = retries.iter().collect();
    assert!(distinct.len() > PER_SENDER, "not drawn for each: {retries:?}");
    let (low, high) = (retries.iter().min(), retries.iter().max());
    assert!(low < Some(&16_000) && high > Some(&24_000), "drawn from too narrow a range: {retries:?}");
}
