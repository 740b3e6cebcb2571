//! Streams of one isolate that share a connection to their channel, in real workerd, and what may become of its owner: the
//! stream that opened it.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use futures::future::join_all;
use ssedge_tests::client::{Client, EventSource, PATIENCE, Stream, id_of};
use ssedge_tests::host::{POST_BURST, POST_RATE, Rig, Sockets, heavy};
use ssedge_tests::token::{SECRET, grants};
use tokio::time::{Instant, sleep};

use crate::faults::lobby;

const LOBBY: &str = "chat/lobby";
const ROOM: &str = "/api/chat/lobby";

/// Each of these is what comes next, and nothing else does.
async fn hears(reader: &mut Stream, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        let message = reader.next_message(PATIENCE).await.unwrap();
        assert_eq!((message.event.as_str(), message.last_event_id), ("message", id.to_string()));
    }
}

/// Says so many things, some at once.
async fn say(client: &Client, count: usize) -> Vec<u64> {
    let mut ids = join_all((0..count).map(|_| client.say("lobby", "to all"))).await;
    ids.sort_unstable();
    ids
}

/// If a platform forbids one request to write to the stream of another, this is the first test that says so.
#[tokio::test]
async fn a_request_may_write_to_the_stream_of_another() {
    let mut rig = Rig::start(&[]).await;
    let client = rig.client.clone();
    let mut readers = vec![lobby(&client).await, lobby(&client).await, lobby(&client).await];
    let ids = say(&client, 5).await;
    for reader in &mut readers {
        hears(reader, ids.clone()).await;
    }
    assert_eq!(rig.sockets(LOBBY).await, 1);
    assert!(!rig.log().contains("lets no stream be written to"), "{}", rig.log());
}

#[tokio::test]
async fn streams_that_may_not_share_have_a_connection_each_and_miss_nothing() {
    let mut rig = Rig::start(&[("HEARTBEAT_SECS", "1"), ("RETRY_MS", "500")]).await;
    let client = rig.client.clone();
    let _owner = lobby(&client).await;
    let mut readers: Vec<_> = (0..2).map(|_| EventSource::new(&client, ROOM)).collect();
    for reader in &mut readers {
        reader.next(PATIENCE).await.unwrap();
    }
    rig.forbid().await;
    let owned = say(&client, 1).await;
    let after = say(&client, 3).await;
    for reader in &mut readers {
        let mut heard = Vec::new();
        while heard.len() < 4 {
            let message = reader.next(PATIENCE).await.unwrap();
            heard.extend((message.event == "message").then(|| message.last_event_id.parse::<u64>().unwrap()));
        }
        assert_eq!(heard, [owned.clone(), after.clone()].concat());
    }
    assert!(rig.log().contains("lets no stream be written to"));
}

#[tokio::test]
async fn the_owner_leaves_in_the_middle_of_a_burst() {
    let mut rig = Rig::start(&[POST_RATE, POST_BURST]).await;
    let client = rig.client.clone();
    let mut readers = Vec::new();
    for _ in 0..6 {
        readers.push(lobby(&client).await);
    }
    while readers.len() > 1 {
        let owner = readers.remove(0);
        let leaving = async {
            sleep(Duration::from_millis(20)).await;
            drop(owner);
        };
        let (ids, ()) = tokio::join!(say(&client, 40), leaving);
        for reader in &mut readers {
            hears(reader, ids.clone()).await;
        }
        assert_eq!(rig.sockets(LOBBY).await, 1);
    }
    drop(readers);
    let gone = rig.settle(LOBBY, 0, 0).await;
    println!("the hub is gone {gone:?} after its last reader");
}

#[tokio::test]
async fn owner_and_next_owner_leave_together_and_the_socket_breaks() {
    let mut rig = Rig::start(&[POST_RATE, POST_BURST]).await;
    let client = rig.client.clone();
    let mut readers = Vec::new();
    for _ in 0..7 {
        readers.push(lobby(&client).await);
    }
    for breaks in [false, true, true] {
        drop(readers.drain(..2));
        if breaks {
            rig.evict(LOBBY, Sockets::Close).await;
        }
        // One that joins meanwhile.
        readers.push(client.open(ROOM, &[("Last-Event-ID", readers[0].cursor())]).await);
        let ids = say(&client, 5).await;
        let joined = readers.last_mut().unwrap();
        assert_eq!(joined.message().await.event, "cursor");
        for reader in &mut readers {
            hears(reader, ids.clone()).await;
        }
    }
}

#[tokio::test]
async fn an_owner_that_is_cut_off_is_replaced() {
    let mut rig = Rig::start(&[("HEARTBEAT_SECS", "1"), POST_RATE, POST_BURST]).await;
    let client = rig.client.clone();
    rig.cut_off().await;
    let owner = lobby(&client).await;
    let mut readers = vec![lobby(&client).await, lobby(&client).await];
    let ids = say(&client, 3).await;
    let silent = Instant::now();
    for reader in &mut readers {
        let mut heard = Vec::new();
        while heard.len() < ids.len() {
            let message = reader.next_message(PATIENCE).await.unwrap();
            heard.extend((message.event == "message").then(|| message.last_event_id.parse::<u64>().unwrap()));
        }
        assert_eq!(heard, ids);
    }
    println!("the owner was replaced after {:?}", silent.elapsed());
    drop(owner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_leaves_one_by_one_while_messages_flow() {
    const READERS: usize = 400;
    /// Any order, the same each time.
    const STRIDE: usize = 157;
    let _turn = heavy().await;
    let mut rig = Rig::start(&[POST_RATE, POST_BURST]).await;
    let client = rig.client.clone();
    let mut readers: Vec<Option<Stream>> = Vec::new();
    while readers.len() < READERS {
        readers.extend(join_all((0..50).map(|_| lobby(&client))).await.into_iter().map(Some));
    }
    assert_eq!(rig.sockets(LOBBY).await, 1);
    for nth in 0..READERS {
        readers[nth * STRIDE % READERS] = None;
        if nth.is_multiple_of(20) {
            let ids = say(&client, 3).await;
            for reader in readers.iter_mut().flatten() {
                hears(reader, ids.clone()).await;
            }
        }
    }
    rig.settle(LOBBY, 0, 0).await;
}

#[tokio::test]
async fn each_reader_gets_what_its_filter_admits() {
    let mut rig =
        Rig::start(&[("AUTH_SECRET", SECRET), ("HEARTBEAT_SECS", "60"), POST_RATE, POST_BURST]).await;
    let client = rig.client.bearing(&grants(&["*"], &["*"]));
    let topics = [&["a"][..], &["b", "c"], &["a", "b", "c"]];
    let mut readers = Vec::new();
    for topics in topics {
        let path = format!("/api/events?tick=off&topics={}", topics.join(","));
        let mut reader = client.open(&path, &[]).await;
        assert_eq!(reader.message().await.event, "cursor");
        readers.push(reader);
    }
    let mut published = Vec::new();
    for topic in ["a", "b", "c", "x", "a", "c", "b", "a"] {
        let notification = format!(r#"{{"topic":"{topic}","data":1}}"#);
        published.push((topic, id_of(&client.post_json("/api/events", &notification).await)));
    }
    for (reader, topics) in readers.iter_mut().zip(topics) {
        for (_, id) in published.iter().filter(|(topic, _)| topics.contains(topic)) {
            let heard = loop {
                let message = reader.next_message(PATIENCE).await.unwrap();
                if message.event != "cursor" {
                    break message;
                }
            };
            assert_eq!(heard.last_event_id, id.to_string());
        }
    }
    assert_eq!(rig.sockets("events").await, 1);
}

#[tokio::test]
async fn a_cursor_is_good_at_once() {
    let rig = Rig::start(&[POST_RATE, POST_BURST]).await;
    let client = rig.client.clone();
    let mut reader = lobby(&client).await;
    for _ in 0..20 {
        // Both may be newer than what the hub has heard of.
        let ids = say(&client, 4).await;
        let mut resumed = client.open(ROOM, &[("Last-Event-ID", &*ids[2].to_string())]).await;
        assert_eq!(resumed.message().await.event, "cursor", "and no gap");
        hears(&mut resumed, [ids[3]]).await;
        let mut newest = client.open(&format!("{ROOM}?history=2"), &[]).await;
        assert_eq!(newest.message().await.event, "cursor");
        hears(&mut newest, [ids[2], ids[3]]).await;
        hears(&mut reader, ids).await;
    }
}

/// A hub keeps a page: what came before it is the channel's to tell.
#[tokio::test]
async fn a_reader_behind_what_the_hub_keeps_misses_nothing() {
    let rig = Rig::start(&[POST_RATE, POST_BURST]).await;
    let client = rig.client.clone();
    let mut readers = vec![lobby(&client).await, lobby(&client).await];
    let text = "x".repeat(ssedge::feeds::chat::TEXT_CHARS);
    let first = client.say("lobby", &text).await;
    let mut ids = vec![first];
    for _ in 0..60 {
        ids.push(client.say("lobby", &text).await);
    }
    for cursor in [first, ids[20], ids[55]] {
        let mut back = client.open(ROOM, &[("Last-Event-ID", &*cursor.to_string())]).await;
        assert_eq!(back.message().await.event, "cursor");
        readers.push(back);
        ids.push(client.say("lobby", &text).await);
    }
    for (reader, from) in readers.iter_mut().zip([first, first, first + 1, ids[21], ids[56]]) {
        hears(reader, ids.iter().copied().filter(|id| *id >= from)).await;
    }
}
