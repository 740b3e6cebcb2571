//! Streams: the head, the first block, the frames.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::every_feed::{Path, paths};
use super::{Case, Context, compact, cursor_block, first_block};
use crate::client::{End, PATIENCE, TRIES};

pub(super) const CASES: &[Case] = cases! {
    "Streams", "the headers of a stream" => headers;
    "Streams", "the first block: retry, event: cursor, id, data, at once" => begins_at_once;
    "Streams", "the cursor is the one before any history" => cursor_before_history;
    "Streams", "retry is drawn per connection from RETRY_MS ± 50 %" => retry_is_drawn;
    "Streams", "data is one line of compact JSON, of the default type" => compact_lines;
    "Streams", "after 15 s of silence and not before, the cursor again" => silence_of_the_default;
    "Streams", "a reader that stands still slows nobody" => slow_reader;
};

async fn headers(c: Context) {
    for Path { path, .. } in &paths(&c.room()) {
        let mut stream = c.client.open(path, &[]).await;
        assert_eq!(stream.status, 200, "{path}");
        for (name, value) in [
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("Cache-Control", "no-store, no-transform"),
            ("X-Accel-Buffering", "no"),
            ("X-Content-Type-Options", "nosniff"),
            ("Access-Control-Allow-Origin", "*"),
        ] {
            assert_eq!(stream.header(name), value, "{name} of {path}");
        }
        // Compares the header Last-Event-ID, too.
        first_block(&mut stream).await;
    }
}

async fn begins_at_once(c: Context) {
    for Path { path, .. } in &paths(&c.room()) {
        // Every feed is silent for longer than this when it starts, or may be.
        const SOON: Duration = Duration::from_secs(5);
        let mut quickest = Duration::MAX;
        for _ in 0..TRIES {
            let asked = Instant::now();
            first_block(&mut c.client.open(path, &[]).await).await;
            quickest = quickest.min(asked.elapsed());
            if quickest < SOON {
                break;
            }
        }
        assert!(quickest < SOON, "{path}: {quickest:?}");
    }
    let mut quiet = c.client.open(&format!("/api/chat/{}", c.room()), &[]).await;
    assert_eq!(first_block(&mut quiet).await.1, "0", "the cursor of an empty channel");
}

async fn cursor_before_history(c: Context) {
    let (room, ids) = c.filled(5).await;
    let mut stream = c.client.open(&format!("/api/chat/{room}?history=3"), &[]).await;
    assert_eq!(first_block(&mut stream).await.1, ids[1].to_string());
    let history = stream.plain(3).await;
    let heard: Vec<_> = history.iter().map(|m| m.last_event_id.clone()).collect();
    assert_eq!(heard, ids[2..].iter().map(u64::to_string).collect::<Vec<_>>());
}

async fn retry_is_drawn(c: Context) {
    let mut readers = JoinSet::new();
    for _ in 0..60 {
        let client = c.client.clone();
        readers.spawn(async move { first_block(&mut client.open("/api/chat", &[]).await).await.0 });
    }
    let retries: Vec<u64> = readers.join_all().await;
    assert!(retries.iter().all(|retry| (1_000..=3_000).contains(retry)), "{retries:?}");
    let (low, high) = (retries.iter().min(), retries.iter().max());
    assert!(low < Some(&1_400) && high > Some(&2_600), "drawn from too narrow a range: {retries:?}");
    let distinct: BTreeSet<_> = retries.iter().collect();
    assert!(distinct.len() > 40, "not drawn for each: {retries:?}");
}

async fn compact_lines(c: Context) {
    let room = c.room();
    c.client.say(&room, "a\nb").await;
    for path in ["/api/events?tick=250", "/api/stock?history=1", &format!("/api/chat/{room}")] {
        let mut stream = c.client.open(path, &[]).await;
        let message = &stream.plain(1).await[0];
        compact(&message.data);
        let text = stream.text();
        let blocks: Vec<_> = text.split_terminator("\n\n").skip(1).collect();
        for block in blocks {
            let (id, data) = block.rsplit_once('\n').unwrap_or(("", block));
            let is_id = id.is_empty() || id.strip_prefix("id: ").is_some_and(|id| id.parse::<u64>().is_ok());
            assert!(is_id && data.starts_with("data: {"), "{path}: {block:?}");
        }
    }
}

async fn silence_of_the_default(c: Context) {
    const HEARTBEAT: Duration = Duration::from_secs(15);
    // The silence begins after this.
    let asked = Instant::now();
    let mut stream = c.client.open(&format!("/api/chat/{}", c.room()), &[]).await;
    let (_, cursor) = first_block(&mut stream).await;
    let heartbeat = c.idle(stream.next(PATIENCE)).await.expect("the stream says something");
    assert!(heartbeat.is_heartbeat, "{heartbeat:?}");
    let block = cursor_block(&cursor, 15);
    assert_eq!(stream.text().split_once('\n').map(|(_, rest)| rest), Some(&*[&*block, &*block].concat()));
    let silence = heartbeat.at - asked;
    // The clock of the host and that of the test may differ by a little.
    assert!(silence > HEARTBEAT - Duration::from_millis(100) && silence < 2 * HEARTBEAT, "{silence:?}");
    assert_eq!(c.idle(stream.next(Duration::from_secs(2))).await.err(), Some(End::Silent));
}

async fn slow_reader(c: Context) {
    let room = c.room();
    let path = format!("/api/chat/{room}");
    // It is open, and nobody reads it until the other has everything: whoever waited for it would wait for ever.
    let mut still = c.client.open(&path, &[]).await;
    let mut reader = c.client.open(&path, &[]).await;
    first_block(&mut reader).await;
    let text = "x".repeat(2_000);
    for _ in 0..100 {
        c.client.say(&room, &text).await;
    }
    assert_eq!(reader.plain(100).await.len(), 100);
    assert_eq!(still.plain(100).await.len(), 100, "it was open all the time");
}
