//! Snapshots: the same as JSON.

use serde_json::{Value, json};
use ssedge::feeds::stock::{DEFAULT_SYMBOLS, Symbol, quote_at};
use ssedge::time::UnixMillis;

use super::events::unix_ms;
use super::stock::{is_between, now};
use super::{Case, Context, compact, first_block, numbers, texts};

pub(super) const CASES: &[Case] = cases! {
    "Snapshots", "a room: the last `history` messages and the cursor" => room;
    "Snapshots", "with lastEventId: what came after it" => after_a_cursor;
    "Snapshots", "at most 200, and more where it was cut" => more;
    "Snapshots", "a stream goes on exactly at the cursor" => goes_on;
    "Snapshots", "the cursor of an empty channel is 0, the beginning" => empty;
    "Snapshots", "events: notifications and a cursor" => events;
    "Snapshots", "stock: the quotes of now" => stock;
};

async fn snapshot(c: &Context, path: &str) -> Value {
    let answer = c.client.get_json(path).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, "application/json"), "{answer:?}");
    compact(&answer.text);
    answer.json()
}

/// Its messages must be these, and what stands beside them `rest`.
fn check(mut snapshot: Value, messages: &[String], rest: &Value) {
    let found = snapshot.as_object_mut().and_then(|object| object.remove("messages"));
    let found = found.as_ref().and_then(Value::as_array).expect("messages");
    assert_eq!(texts(found.iter().map(ToString::to_string)), messages);
    assert_eq!(snapshot, *rest);
}

async fn room(c: Context) {
    let (room, ids) = c.filled(25).await;
    let path = format!("/api/chat/{room}");
    let cursor = json!({ "cursor": ids[24].to_string() });
    check(snapshot(&c, &path).await, &numbers(6, 25), &cursor);
    check(snapshot(&c, &format!("{path}?history=3")).await, &numbers(23, 25), &cursor);
    check(snapshot(&c, &format!("{path}?history=0")).await, &[], &cursor);
    check(snapshot(&c, &format!("{path}?history=200")).await, &numbers(1, 25), &cursor);
    let whole = c.client.get(&format!("{path}/messages/{}", ids[24]), &[]).await.text;
    let last = c.client.get_json(&format!("{path}?history=1")).await.text;
    assert_eq!(last, format!(r#"{{"messages":[{whole}],"cursor":"{}"}}"#, ids[24]));
}

async fn after_a_cursor(c: Context) {
    let (room, ids) = c.filled(6).await;
    let path = format!("/api/chat/{room}");
    let cursor = json!({ "cursor": ids[5].to_string() });
    let by_query = snapshot(&c, &format!("{path}?lastEventId={}&history=1", ids[1])).await;
    check(by_query, &numbers(3, 6), &cursor);
    let headers = [("Accept", "application/json"), ("Last-Event-ID", &*ids[3].to_string())];
    check(c.client.get(&path, &headers).await.json(), &numbers(5, 6), &cursor);
    check(snapshot(&c, &format!("{path}?lastEventId={}", ids[5])).await, &[], &cursor);
    for bad in ["abc", "99999999999999999", &(ids[5] + 9).to_string()] {
        let answer = c.client.get_json(&format!("{path}?lastEventId={bad}")).await;
        assert_eq!(answer.status, 200, "a bad cursor is never a 4xx: {answer:?}");
    }
}

async fn more(c: Context) {
    let (room, ids) = c.filled(250).await;
    let path = format!("/api/chat/{room}");
    let first = snapshot(&c, &format!("{path}?lastEventId={}", ids[0])).await;
    check(first.clone(), &numbers(2, 201), &json!({ "cursor": ids[200].to_string(), "more": true }));
    let cursor = first["cursor"].as_str().expect("a cursor");
    let second = snapshot(&c, &format!("{path}?lastEventId={cursor}")).await;
    check(second, &numbers(202, 250), &json!({ "cursor": ids[249].to_string() }));
    let exactly = snapshot(&c, &format!("{path}?lastEventId={}", ids[49])).await;
    check(exactly, &numbers(51, 250), &json!({ "cursor": ids[249].to_string() }));
}

async fn goes_on(c: Context) {
    let (room, _) = c.filled(5).await;
    let path = format!("/api/chat/{room}");
    let cursor = snapshot(&c, &path).await["cursor"].as_str().expect("a cursor").to_owned();
    c.client.say(&room, "6").await;
    let mut stream = c.client.open(&format!("{path}?lastEventId={cursor}"), &[]).await;
    assert_eq!(first_block(&mut stream).await.1, cursor);
    c.client.say(&room, "7").await;
    assert_eq!(texts(stream.plain(2).await.iter().map(|m| &m.data)), numbers(6, 7));
}

async fn empty(c: Context) {
    let room = c.room();
    let path = format!("/api/chat/{room}");
    assert_eq!(c.client.get_json(&path).await.text, r#"{"messages":[],"cursor":"0"}"#);
    for text in 1..=30 {
        c.client.say(&room, &text.to_string()).await;
    }
    let mut stream = c.client.open(&format!("{path}?lastEventId=0"), &[]).await;
    assert_eq!(first_block(&mut stream).await.1, "0", "no gap");
    assert_eq!(texts(stream.plain(30).await.iter().map(|m| &m.data)), numbers(1, 30));
}

async fn events(c: Context) {
    for path in ["/api/events", "/api/events?topics=orders&history=100", "/api/events?tick=off"] {
        assert_eq!(c.client.get_json(path).await.text, r#"{"notifications":[],"cursor":"0"}"#, "{path}");
    }
}

async fn stock(c: Context) {
    for (query, names) in [("", &DEFAULT_SYMBOLS[..]), ("?symbols=HOOL,ACME", &["HOOL", "ACME"])] {
        let asked = now();
        let quotes = snapshot(&c, &format!("/api/stock{query}")).await["quotes"].clone();
        let quotes = quotes.as_array().expect("quotes");
        assert_eq!(quotes.len(), names.len());
        for (quote, name) in quotes.iter().zip(names) {
            let time = unix_ms(quote["time"].as_str().expect("a time"));
            assert!(is_between(asked, time), "{quote} since {asked}");
            let symbol = Symbol::new(name).expect("a symbol");
            let expected = serde_json::to_value(quote_at(&symbol, UnixMillis(time), 0)).expect("JSON");
            assert_eq!(*quote, expected);
        }
    }
}
