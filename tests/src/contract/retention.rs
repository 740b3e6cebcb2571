//! Streams and Snapshots: what is no longer kept.

use std::time::Duration;

use super::stock::{is_between, now};
use super::{Case, Context, first_block, first_gap, numbers, problem, texts};

pub(super) const FEW: &[Case] = cases! {
    "Streams", "a cursor before what is kept is a gap, expired, and goes on from what is kept" => expired_by_count;
    "Streams", "a cursor at the edge of what is kept is none" => at_the_edge;
    "Settings", "HISTORY_MAX bounds history, snapshots and messages" => bounded;
};

pub(super) const BRIEF: &[Case] = cases! {
    "Streams", "a channel in which everything expired starts again at unix ms" => expired_by_age;
    "Streams", "a reader that had seen all of it resumes without a gap" => seen_all;
    "Snapshots", "the cursor of a channel in which everything expired is 0" => empty_again;
};

async fn expired_by_count(c: Context) {
    let (room, ids) = c.filled(12).await;
    let path = format!("/api/chat/{room}");
    for cursor in [ids[0], ids[5]] {
        let cursor = cursor.to_string();
        let mut stream = c.client.open(&path, &[("Last-Event-ID", &cursor)]).await;
        assert_eq!(first_gap(&mut stream, "expired", &cursor).await, ids[6].to_string());
        let heard = stream.plain(5).await;
        assert_eq!(texts(heard.iter().map(|m| &m.data)), numbers(8, 12));
    }
    let mut stream = c.client.open(&format!("{path}?lastEventId=0"), &[]).await;
    first_gap(&mut stream, "expired", "0").await;
}

async fn at_the_edge(c: Context) {
    let (room, ids) = c.filled(12).await;
    let path = format!("/api/chat/{room}?lastEventId={}", ids[6]);
    let mut stream = c.client.open(&path, &[]).await;
    assert_eq!(first_block(&mut stream).await.1, ids[6].to_string());
    assert_eq!(texts(stream.plain(5).await.iter().map(|m| &m.data)), numbers(8, 12));
}

async fn bounded(c: Context) {
    let (room, ids) = c.filled(12).await;
    let path = format!("/api/chat/{room}");
    let mut stream = c.client.open(&format!("{path}?history=200"), &[]).await;
    assert_eq!(first_block(&mut stream).await.1, ids[6].to_string());
    assert_eq!(texts(stream.plain(5).await.iter().map(|m| &m.data)), numbers(8, 12));
    for query in ["history=200".to_owned(), format!("lastEventId={}", ids[0])] {
        let snapshot = c.client.get_json(&format!("{path}?{query}")).await;
        assert_eq!(snapshot.status, 200, "{snapshot:?}");
        let snapshot = snapshot.json();
        let messages = snapshot["messages"].as_array().expect("messages");
        assert_eq!(texts(messages.iter().map(ToString::to_string)), numbers(8, 12), "{query}");
        assert_eq!(snapshot["cursor"], ids[11].to_string());
    }
    problem(&c.client.get(&format!("{path}/messages/{}", ids[6]), &[]).await, 404, None, &[]);
    assert_eq!(c.client.get(&format!("{path}/messages/{}", ids[7]), &[]).await.status, 200);
}

/// Longer than HISTORY_SECS.
pub(super) const EXPIRED: Duration = Duration::from_millis(10_600);

async fn expired_by_age(c: Context) {
    let (room, ids) = c.filled(3).await;
    let path = format!("/api/chat/{room}");
    c.sleep(EXPIRED).await;
    problem(&c.client.get(&format!("{path}/messages/{}", ids[2]), &[]).await, 404, None, &[]);
    let cursor = ids[0].to_string();
    let mut stream = c.client.open(&path, &[("Last-Event-ID", &cursor)]).await;
    first_gap(&mut stream, "expired", &cursor).await;

    let asked = now();
    let id = c.client.say(&room, "new").await;
    assert!(is_between(asked, id) && id > ids[2], "{id} since {asked}, after {ids:?}");
    assert_eq!(stream.message().await.last_event_id, id.to_string());
    let mut late = c.client.open(&path, &[("Last-Event-ID", &cursor)]).await;
    assert_eq!(first_gap(&mut late, "expired", &cursor).await, (id - 1).to_string());
    assert_eq!(late.message().await.last_event_id, id.to_string());
}

async fn seen_all(c: Context) {
    let (room, ids) = c.filled(3).await;
    let path = format!("/api/chat/{room}?lastEventId={}", ids[2]);
    let mut open = c.client.open(&path, &[]).await;
    first_block(&mut open).await;
    c.sleep(EXPIRED).await;
    let mut stream = c.client.open(&path, &[]).await;
    assert_eq!(first_block(&mut stream).await.1, ids[2].to_string());
    let id = c.client.say(&room, "new").await.to_string();
    let mut late = c.client.open(&path, &[]).await;
    first_block(&mut late).await;
    for stream in [&mut open, &mut stream, &mut late] {
        let message = stream.message().await;
        assert_eq!((message.event.as_str(), &message.last_event_id), ("message", &id));
    }
}

async fn empty_again(c: Context) {
    let (room, _) = c.filled(3).await;
    c.sleep(EXPIRED).await;
    let path = format!("/api/chat/{room}");
    assert_eq!(c.client.get_json(&path).await.text, r#"{"messages":[],"cursor":"0"}"#);
    let mut stream = c.client.open(&path, &[]).await;
    assert_eq!(first_block(&mut stream).await.1, "0");
    let id = c.client.say(&room, "new").await;
    assert_eq!(stream.message().await.last_event_id, id.to_string());
}
