//! § 1: heartbeats, and streams that end by plan.

use std::time::Duration;

use ssedge::sse::Decoded;
use tokio::time::{Instant, sleep};

use super::{Case, Context, first_block, numbers, texts};
use crate::client::{End, EventSource, Stream};

pub(super) const CASES: &[Case] = cases! {
    "§ 1", "after HEARTBEAT_SECS of silence, a comment line and a blank line" => heartbeats;
    "§ 1", "ticks are no silence" => ticks_are_no_silence;
    "§ 1", "a stream ends after STREAM_SECS at a boundary, after retry: 100–1000" => ends_at_a_boundary;
    "§ 1", "its client comes back and misses nothing" => comes_back;
    "§ 1", "its client comes back to the market and misses no tick" => comes_back_to_the_market;
};

const LIFE: Duration = Duration::from_secs(3);

/// The number of the `retry` that must be the last block of an ended stream.
fn farewell(stream: &Stream, end: &End) -> u64 {
    assert_eq!(*end, End::Ended, "{:?}", stream.text());
    let text = stream.text();
    let last = text.strip_suffix("\n\n").and_then(|text| text.rsplit("\n\n").next()).unwrap_or_default();
    let retry = last.strip_prefix("retry: ").and_then(|ms| ms.parse().ok());
    let retry = retry.unwrap_or_else(|| panic!("the last block is {last:?}"));
    assert!((100..=1_000).contains(&retry), "retry: {retry}");
    retry
}

async fn heartbeats(c: Context) {
    let room = c.room();
    let mut stream = c.client.open(&format!("/api/chat/{room}"), &[]).await;
    let (retry, _) = first_block(&mut stream).await;
    assert!((50..=150).contains(&retry), "RETRY_MS is 100, and retry {retry}");
    sleep(Duration::from_millis(600)).await;
    c.client.say(&room, "hi").await;
    stream.message().await;
    let said = Instant::now();
    let heartbeat = stream.next(Duration::from_secs(3)).await.expect("the stream says something");
    assert_eq!(heartbeat.said, Decoded::Comment(String::new()));
    let silence = heartbeat.at - said;
    // Had the message been no news, 400 ms would have been left.
    assert!((600..2_900).contains(&silence.as_millis()), "{silence:?}");
    assert!(stream.text().ends_with("}\n\n:\n\n"), "{:?}", stream.text());
}

async fn ticks_are_no_silence(c: Context) {
    let mut stream = c.client.open("/api/events?tick=500", &[]).await;
    let (all, _) = stream.rest(2 * LIFE).await;
    let comments = all.iter().filter(|heard| matches!(heard.said, Decoded::Comment(_))).count();
    assert_eq!(comments, 0, "{:?}", stream.text());
}

async fn ends_at_a_boundary(c: Context) {
    let mut retries = Vec::new();
    for round in 0..2 {
        let mut open = Vec::new();
        for path in ["/api/events?tick=250", "/api/stock?interval=250", "/api/chat", "/api/events?tick=off"] {
            let asked = Instant::now();
            open.push((path, c.client.open(path, &[]).await, asked, Instant::now()));
        }
        for (path, mut stream, asked, opened) in open {
            let (_, end) = stream.rest(LIFE + Duration::from_secs(5)).await;
            // It begins somewhere between the two; clocks of two processes may differ by a little.
            let (most, least) = (asked.elapsed(), opened.elapsed());
            assert!(most >= LIFE - Duration::from_millis(50), "{path} lived for {most:?}, round {round}");
            assert!(least <= LIFE + Duration::from_secs(2), "{path} lived for {least:?}, round {round}");
            retries.push(farewell(&stream, &end));
            for block in stream.text().split_terminator("\n\n") {
                let whole = [":", "retry: ", "data: {", "id: "].iter().any(|start| block.starts_with(start));
                let data = block.lines().find_map(|line| line.strip_prefix("data: "));
                let is_json = data.is_none_or(|data| serde_json::from_str::<serde_json::Value>(data).is_ok());
                assert!(whole && is_json, "{path}: {block:?}");
            }
        }
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 3, "not drawn for each: {retries:?}");
}

async fn comes_back(c: Context) {
    const MESSAGES: u64 = 80;
    let room = c.room();
    let mut source = EventSource::new(&c.client, &format!("/api/chat/{room}"));
    assert_eq!(source.next(LIFE).await.map(|message| message.event).as_deref(), Some("cursor"));
    let writer = tokio::spawn(async move {
        for text in 1..=MESSAGES {
            c.client.say(&room, &text.to_string()).await;
            sleep(Duration::from_millis(100)).await;
        }
    });
    let mut heard = Vec::new();
    while heard.len() < MESSAGES as usize {
        let message = source.next(3 * LIFE).await.unwrap_or_else(|| panic!("after {heard:?}"));
        assert_ne!(message.event, "gap", "{message:?}");
        if message.event == "message" {
            heard.extend(texts([message.data]));
        }
    }
    assert_eq!(heard, numbers(1, MESSAGES));
    assert!(source.connects() >= 3, "{} streams", source.connects());
    writer.await.expect("the writer writes");
}

async fn comes_back_to_the_market(c: Context) {
    let mut source = EventSource::new(&c.client, "/api/stock?symbols=ACME&interval=250");
    let mut ticks: Vec<u64> = Vec::new();
    while ticks.len() < 32 {
        let message = source.next(2 * LIFE).await.unwrap_or_else(|| panic!("after {ticks:?}"));
        if message.event == "message" {
            ticks.push(message.last_event_id.parse().expect("an id is a number"));
        }
    }
    assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 250), "{ticks:?}");
    assert!(source.connects() >= 3, "{} streams", source.connects());
}
