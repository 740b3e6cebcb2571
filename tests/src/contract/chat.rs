//! Chat rooms: rooms.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::events::unix_ms;
use super::{Case, Context, first_block, numbers, problem, texts};
use crate::client::End;

pub(super) const CASES: &[Case] = cases! {
    "Chat rooms", "a POST is 201, the message and its Location" => posted;
    "Chat rooms", "a message is there by its id, and otherwise 404" => one_message;
    "Chat rooms", "text and user are trimmed" => trimmed;
    "Chat rooms", "text is 1–2000 characters, user 1–40" => lengths;
    "Chat rooms", "one sender's messages keep their order" => order;
    "Chat rooms", "messages of many senders have one order, the same for all" => one_order;
    "Chat rooms", "a room is a channel of its own" => rooms;
    "Chat rooms", "/api/chat is the lobby" => lobby;
    "Chat rooms", "room names are [a-z0-9][a-z0-9_-]{0,63}" => names;
    "Chat rooms", "history is 0–200, by default 20" => history;
    "Chat rooms", "a POST reaches every reader" => every_reader;
};

async fn posted(c: Context) {
    let room = c.room();
    let mut stream = c.client.open(&format!("/api/chat/{room}"), &[]).await;
    first_block(&mut stream).await;
    let answer = c.client.post_json(&format!("/api/chat/{room}"), r#"{"user":"ada","text":"hi"}"#).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (201, "application/json"), "{answer:?}");
    let message = answer.json();
    let (id, time) = (message["id"].as_str().expect("an id"), message["time"].as_str().expect("a time"));
    assert!(unix_ms(time).abs_diff(id.parse().expect("a number")) < 5_000, "{message}");
    let expected = format!(r#"{{"id":"{id}","room":"{room}","user":"ada","text":"hi","time":"{time}"}}"#);
    assert_eq!(answer.text, expected);
    assert_eq!(answer.header("Location"), format!("/api/chat/{room}/messages/{id}"));
    let heard = stream.message().await;
    assert_eq!((heard.event.as_str(), heard.last_event_id.as_str()), ("message", id));
    assert_eq!(heard.data, answer.text);
    assert!(
        stream.text().ends_with(&format!("\n\nid: {id}\ndata: {}\n\n", answer.text)),
        "{}",
        stream.text()
    );
}

async fn one_message(c: Context) {
    let (room, ids) = c.filled(2).await;
    let at = |room: &str, id: &str| format!("/api/chat/{room}/messages/{id}");
    let answer = c.client.get(&at(&room, &ids[0].to_string()), &[]).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, "application/json"), "{answer:?}");
    assert_eq!(texts([&answer.text]), ["1"]);
    let (after, before, first) = ((ids[1] + 1).to_string(), (ids[0] - 1).to_string(), ids[0].to_string());
    let other = c.room();
    for (room, id) in [
        (&room, after.as_str()),
        (&room, &before),
        (&room, "0"),
        (&room, "abc"),
        (&room, "-1"),
        (&room, "99999999999999999999"),
        (&other, &first),
    ] {
        problem(&c.client.get(&at(room, id), &[]).await, 404, None, &[]);
    }
}

async fn post(c: &Context, room: &str, user: &str, text: &str) -> crate::client::Answer {
    let body = json!({ "user": user, "text": text });
    c.client.post_json(&format!("/api/chat/{room}"), &body.to_string()).await
}

async fn trimmed(c: Context) {
    let answer = post(&c, &c.room(), "\u{a0} ada \t", " \n\t two words \n\u{3000}").await;
    let message = answer.json();
    assert_eq!((&message["user"], &message["text"]), (&json!("ada"), &json!("two words")), "{answer:?}");
}

async fn lengths(c: Context) {
    let room = c.room();
    for unit in ["x", "é", "😀"] {
        let (text, user) = (unit.repeat(2_000), unit.repeat(40));
        let answer = post(&c, &room, &format!(" {user} "), &format!("\n{text}\n")).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let message = answer.json();
        assert_eq!((message["text"].as_str(), message["user"].as_str()), (Some(&*text), Some(&*user)));
        let (text, user) = (unit.repeat(2_001), unit.repeat(41));
        problem(&post(&c, &room, "ada", &text).await, 400, Some("text"), &["text", "1", "2000"]);
        problem(&post(&c, &room, &user, "hi").await, 400, Some("user"), &["user", "1", "40"]);
    }
    for blank in ["", " ", "\n\t \u{3000}"] {
        problem(&post(&c, &room, "ada", blank).await, 400, Some("text"), &["text", "1", "2000"]);
        problem(&post(&c, &room, blank, "hi").await, 400, Some("user"), &["user", "1", "40"]);
    }
}

async fn order(c: Context) {
    let room = c.room();
    let mut stream = c.client.open(&format!("/api/chat/{room}"), &[]).await;
    first_block(&mut stream).await;
    for text in 1..=60 {
        c.client.say(&room, &text.to_string()).await;
    }
    let heard = stream.plain(60).await;
    assert_eq!(texts(heard.iter().map(|m| &m.data)), numbers(1, 60));
    let ids: Vec<u64> = heard.iter().map(|m| m.last_event_id.parse().expect("a number")).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
}

async fn one_order(c: Context) {
    let room = c.room();
    let path = format!("/api/chat/{room}");
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut stream = c.client.open(&path, &[]).await;
        first_block(&mut stream).await;
        readers.push(stream);
    }
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let (client, room) = (c.client.clone(), room.clone());
        senders.spawn(async move {
            for n in 0..10 {
                client.say(&room, &format!("{sender}-{n}")).await;
            }
        });
    }
    senders.join_all().await;
    let mut orders = Vec::new();
    for stream in &mut readers {
        let heard = stream.plain(80).await;
        let ids: Vec<u64> = heard.iter().map(|m| m.last_event_id.parse().expect("a number")).collect();
        assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
        orders.push(texts(heard.iter().map(|m| &m.data)));
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
    for sender in 0..8 {
        let own = orders[0].iter().filter(|text| text.starts_with(&format!("{sender}-")));
        let expected: Vec<_> = (0..10).map(|n| format!("{sender}-{n}")).collect();
        assert!(own.eq(&expected), "{:?}", orders[0]);
    }
}

async fn rooms(c: Context) {
    let (here, there) = (c.room(), c.room());
    let mut stream = c.client.open(&format!("/api/chat/{here}"), &[]).await;
    first_block(&mut stream).await;
    c.client.say(&there, "elsewhere").await;
    assert_eq!(stream.next(Duration::from_millis(300)).await.err(), Some(End::Silent));
    c.client.say(&here, "here").await;
    assert_eq!(texts([stream.message().await.data]), ["here"]);
}

async fn lobby(c: Context) {
    let mut open = Vec::new();
    for path in ["/api/chat?history=0", "/api/chat/lobby?history=0", "/api/chat/%6Cobby?history=0"] {
        let mut stream = c.client.open(path, &[]).await;
        first_block(&mut stream).await;
        open.push(stream);
    }
    let answer = c.client.post_json("/api/chat", r#"{"user":"ada","text":"to the lobby"}"#).await;
    assert_eq!(answer.json()["room"], "lobby");
    assert!(answer.header("Location").starts_with("/api/chat/lobby/messages/"), "{answer:?}");
    for mut stream in open {
        stream.collect_until(|message| message.data == answer.text).await;
    }
}

async fn names(c: Context) {
    for good in ["a", "0", "a_b-c", "9-", &"z".repeat(64)] {
        assert_eq!(c.client.open(&format!("/api/chat/{good}"), &[]).await.status, 200, "{good}");
    }
    for bad in ["A", "_a", "-a", "a.b", "a%20b", "%C3%A9", "a%2Fb", "a%00", "a%0A", "", &"z".repeat(65)] {
        let path = format!("/api/chat/{bad}");
        let says = ["room", "64", "a-z"];
        problem(&c.client.get(&path, &[]).await, 400, Some("room"), &says);
        problem(&c.client.post_json(&path, r#"{"user":"a","text":"b"}"#).await, 400, Some("room"), &says);
    }
}

async fn history(c: Context) {
    let (room, _) = c.filled(25).await;
    for (query, from) in [("", 6), ("?history=1", 25), ("?history=25", 1), ("?history=200", 1)] {
        let mut stream = c.client.open(&format!("/api/chat/{room}{query}"), &[]).await;
        let heard = stream.collect_until(|message| message.data.contains(r#""text":"25""#)).await;
        let kept = heard.iter().filter(|m| m.event == "message").map(|m| &m.data);
        assert_eq!(texts(kept), numbers(from, 25), "{query}");
    }
    let mut none = c.client.open(&format!("/api/chat/{room}?history=0"), &[]).await;
    first_block(&mut none).await;
    assert_eq!(none.next(Duration::from_millis(300)).await.err(), Some(End::Silent));
    for bad in ["201", "-1", "x", "", "1.5"] {
        let answer = c.client.get(&format!("/api/chat/{room}?history={bad}"), &[]).await;
        problem(&answer, 400, Some("history"), &["history", "0", "200"]);
    }
}

async fn every_reader(c: Context) {
    const READERS: usize = 20;
    let room = c.room();
    let mut readers = JoinSet::new();
    let (ready, mut is_ready) = tokio::sync::mpsc::channel(READERS);
    for _ in 0..READERS {
        let (client, path, ready) = (c.client.clone(), format!("/api/chat/{room}"), ready.clone());
        readers.spawn(async move {
            let mut stream = client.open(&path, &[]).await;
            first_block(&mut stream).await;
            ready.send(()).await.expect("the test waits");
            let heard: Vec<Value> =
                stream.plain(3).await.iter().map(|m| serde_json::from_str(&m.data).expect("JSON")).collect();
            assert_eq!(stream.next(Duration::from_millis(200)).await.err(), Some(End::Silent), "once");
            heard.iter().map(|message| message["text"].clone()).collect::<Vec<_>>()
        });
    }
    // One that fails says nothing, but gives up its end.
    drop(ready);
    for _ in 0..READERS {
        is_ready.recv().await.expect("every reader hears its cursor");
    }
    for text in ["one", "two", "three"] {
        c.client.say(&room, text).await;
    }
    let heard = readers.join_all().await;
    assert!(
        heard.len() == READERS && heard.iter().all(|texts| *texts == ["one", "two", "three"]),
        "{heard:?}"
    );
}
