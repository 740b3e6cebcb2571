//! Streams: cursors that are good, and cursors that are not.

use std::time::{Duration, SystemTime};

use super::{Case, Context, first_block, first_gap, numbers, texts};
use crate::client::{End, Message};

pub(super) const CASES: &[Case] = cases! {
    "Streams", "all after the cursor, in order, once, by header and by query" => everywhere;
    "Streams", "the header wins" => header_wins;
    "Query parameters", "of several in the query the last that is not empty counts" => last_wins;
    "Streams", "with a cursor, history is ignored" => history_is_ignored;
    "Streams", "resumed is before anything newer" => before_anything_newer;
    "Streams", "long replays come whole, whatever the size" => long_replay;
    "Streams", "a malformed cursor is a gap, unknown, and goes on live" => malformed;
    "Streams", "a cursor from the future is a gap, unknown, and goes on live" => future;
    "Streams", "an old cursor of a channel that is new is a gap" => older_than_the_channel;
    "Streams", "ids are decimal and consecutive, and a channel starts at unix ms" => ids;
    "Streams", "a cursor of 0 is the beginning" => beginning;
};

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.data.as_str()).collect()
}

async fn everywhere(c: Context) {
    let (room, ids) = c.filled(8).await;
    let path = format!("/api/chat/{room}");
    let mut streams = Vec::new();
    for (seen, cursor) in (1..).zip(&ids) {
        let cursor = cursor.to_string();
        let by_header = c.client.open(&path, &[("Last-Event-ID", &cursor)]).await;
        let by_query = c.client.open(&format!("{path}?lastEventId={cursor}"), &[]).await;
        streams.extend([(seen, cursor.clone(), by_header), (seen, cursor, by_query)]);
    }
    c.client.say(&room, "9").await;
    for (seen, cursor, mut stream) in streams {
        assert_eq!(first_block(&mut stream).await.1, cursor);
        let heard = stream.collect_until(|message| message.data.contains("\"9\"")).await;
        assert_eq!(texts(bodies(&heard)), numbers(seen + 1, 9));
        assert!(heard.iter().all(|message| message.event == "message"), "{heard:?}");
    }
}

async fn header_wins(c: Context) {
    let (room, ids) = c.filled(4).await;
    let path = format!("/api/chat/{room}?lastEventId={}", ids[0]);
    let mut stream = c.client.open(&path, &[("Last-Event-ID", &ids[2].to_string())]).await;
    assert_eq!(first_block(&mut stream).await.1, ids[2].to_string());
    assert_eq!(texts(bodies(&stream.plain(1).await)), ["4"]);
}

/// A polyfill that comes back appends its cursor to the URL, which may have one.
async fn last_wins(c: Context) {
    let (room, ids) = c.filled(4).await;
    for later in [format!("lastEventId={}", ids[2]), format!("lastEventId={}&lastEventId=", ids[2])] {
        let path = format!("/api/chat/{room}?lastEventId={}&{later}", ids[0]);
        let mut stream = c.client.open(&path, &[]).await;
        assert_eq!(first_block(&mut stream).await.1, ids[2].to_string(), "{later}");
        assert_eq!(texts(bodies(&stream.plain(1).await)), ["4"]);
        let snapshot = c.client.get_json(&path).await.json();
        assert_eq!(snapshot["messages"].as_array().expect("messages").len(), 1, "{later}");
    }
}

async fn history_is_ignored(c: Context) {
    let (room, ids) = c.filled(6).await;
    for history in [0, 1, 200] {
        let path = format!("/api/chat/{room}?history={history}&lastEventId={}", ids[1]);
        let mut stream = c.client.open(&path, &[]).await;
        assert_eq!(texts(bodies(&stream.plain(4).await)), numbers(3, 6), "history={history}");
    }
}

async fn before_anything_newer(c: Context) {
    let (room, ids) = c.filled(50).await;
    let writer = tokio::spawn({
        let (client, room) = (c.client.clone(), room.clone());
        async move {
            for text in 51..=120 {
                client.say(&room, &text.to_string()).await;
            }
        }
    });
    let path = format!("/api/chat/{room}?lastEventId={}", ids[0]);
    for _ in 0..6 {
        let mut stream = c.client.open(&path, &[]).await;
        let heard = stream.plain(60).await;
        assert_eq!(texts(bodies(&heard)), numbers(2, 61));
    }
    writer.await.expect("the writer writes");
}

async fn long_replay(c: Context) {
    let room = c.room();
    let mut first = 0;
    for n in 1..=150 {
        let id = c.client.say(&room, &format!("{n}{}", "x".repeat(1_900))).await;
        first = if n == 1 { id } else { first };
    }
    let mut stream = c.client.open(&format!("/api/chat/{room}?lastEventId={first}"), &[]).await;
    let heard = texts(bodies(&stream.plain(149).await));
    let heard: Vec<_> = heard.iter().map(|text| text.trim_end_matches('x')).collect();
    assert_eq!(heard, numbers(2, 150));
    let id = c.client.say(&room, "live").await;
    assert_eq!(stream.message().await.last_event_id, id.to_string());
}

async fn malformed(c: Context) {
    let (room, ids) = c.filled(3).await;
    let long = "9".repeat(65);
    let encode = |text: &str| url_encoded(text);
    for cursor in
        ["abc", "-1", "+7", "1.5", "0x10", "1e3", " 7", "007", "٣", "9007199254740992", &long, "\"{}\\"]
    {
        let path = format!("/api/chat/{room}?lastEventId={}", encode(cursor));
        let mut stream = c.client.open(&path, &[]).await;
        let requested: String = cursor.chars().take(64).collect();
        let after = first_gap(&mut stream, "unknown", &requested).await;
        assert_eq!(after, ids[2].to_string(), "{cursor:?} goes on live");
        assert_eq!(stream.next(Duration::from_millis(50)).await.err(), Some(End::Silent), "{cursor:?}");
    }
    let mut stream = c.client.open(&format!("/api/chat/{room}"), &[("Last-Event-ID", "bad")]).await;
    first_gap(&mut stream, "unknown", "bad").await;
    let id = c.client.say(&room, "live").await;
    assert_eq!(stream.message().await.last_event_id, id.to_string());
}

async fn future(c: Context) {
    let (room, ids) = c.filled(3).await;
    let cursor = (ids[2] + 1).to_string();
    let mut stream = c.client.open(&format!("/api/chat/{room}"), &[("Last-Event-ID", &cursor)]).await;
    assert_eq!(first_gap(&mut stream, "unknown", &cursor).await, ids[2].to_string());
    let id = c.client.say(&room, "live").await;
    assert_eq!(stream.message().await.last_event_id, id.to_string());
}

async fn older_than_the_channel(c: Context) {
    let (room, ids) = c.filled(3).await;
    let cursor = (ids[0] - 60_000).to_string();
    let mut stream = c.client.open(&format!("/api/chat/{room}"), &[("Last-Event-ID", &cursor)]).await;
    assert_eq!(first_gap(&mut stream, "expired", &cursor).await, (ids[0] - 1).to_string());
    assert_eq!(texts(bodies(&stream.plain(3).await)), numbers(1, 3), "what is kept");

    let mut empty = c.client.open(&format!("/api/chat/{}?lastEventId=nonsense", c.room()), &[]).await;
    assert_eq!(first_gap(&mut empty, "unknown", "nonsense").await, "0");
}

async fn ids(c: Context) {
    let unix_ms = || {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_millis();
        u64::try_from(now).expect("the time fits")
    };
    let before = unix_ms();
    let (_, ids) = c.filled(30).await;
    assert!((before - 1_000..=unix_ms() + 1_000).contains(&ids[0]), "{before} {ids:?}");
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
}

async fn beginning(c: Context) {
    let room = c.room();
    let path = format!("/api/chat/{room}");
    // A reader that was cut before anything was said.
    let mut early = c.client.open(&path, &[]).await;
    let cursor = first_block(&mut early).await.1;
    early.close();
    for text in ["1", "2", "3"] {
        c.client.say(&room, text).await;
    }
    let mut stream = c.client.open(&path, &[("Last-Event-ID", &cursor)]).await;
    assert_eq!(first_block(&mut stream).await.1, "0");
    assert_eq!(texts(bodies(&stream.plain(3).await)), numbers(1, 3));
    let mut empty = c.client.open(&format!("{path}?lastEventId=&history=1"), &[("Last-Event-ID", "")]).await;
    assert_eq!(texts(bodies(&empty.plain(1).await)), ["3"], "no cursor at all");
}

/// Percent-encodes everything.
pub(super) fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
