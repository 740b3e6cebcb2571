//! Processes that are killed, a table that does not answer or refuses, and deadlines.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use ssedge::limits::CHANNEL_PATIENCE_MS;
use ssedge::sse::Decoded;
use ssedge_tests::client::{Answer, Client, End, EventSource, Heard, Message, PATIENCE, Stream};
use ssedge_tests::host::{Folder, Front, Lambda, POST_BURST, POST_RATE, Platform, Table, kill_process, turn};
use tokio::time::{Instant, sleep};

const LIVELY: &[(&str, &str)] = &[("HEARTBEAT_SECS", "1"), ("RETRY_MS", "100"), POST_RATE, POST_BURST];

/// How long a table is asked in vain at least.
const CHANNEL_PATIENCE: Duration = Duration::from_millis(*CHANNEL_PATIENCE_MS.start());

/// A 503 as a sender gets it.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("Retry-After"), "2");
    assert_eq!(answer.header("Content-Type"), "application/problem+json");
    for internal in ["dynamodb", "127.0.0.1", "Throughput"] {
        assert!(!answer.text.contains(internal), "{answer:?}");
    }
}

/// Goes on saying texts of its own until it is told to stop; answers those that were stored, by their ids.
async fn keep_saying(client: Client, user: usize, stop: Arc<AtomicBool>) -> Vec<(u64, String)> {
    let mut stored = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("{n} of {user}");
        let body = serde_json::json!({ "user": "ada", "text": text }).to_string();
        let answer = client.post_json("/api/chat/lobby", &body).await;
        if answer.status == 201 {
            stored.push((answer.json()["id"].as_str().unwrap().parse().unwrap(), text));
        } else {
            assert_unavailable(&answer);
        }
        sleep(Duration::from_millis(20)).await;
    }
    stored
}

// --- Processes ---

/// Kills the process of the stream that is open.
async fn kill_under(lambda: &Lambda, reader: &EventSource) {
    let request = reader.header("x-amzn-RequestId").to_owned();
    kill_process(lambda.pid_of(&request));
    let end = lambda.noted(|line| line["event"] == "end" && line["request"] == *request).await;
    assert_eq!(end["outcome"], "crash", "{end}");
}

#[tokio::test]
async fn a_process_that_is_killed_costs_its_reader_nothing() {
    let _turn = turn().await;
    let lambda = Lambda::start(LIVELY).await;
    let first = lambda.client.say("lobby", "0").await;
    let mut reader = EventSource::new(&lambda.client, "/api/chat/lobby");
    assert_eq!(reader.next(PATIENCE).await.unwrap().event, "cursor");
    assert_eq!(reader.next(PATIENCE).await.unwrap().last_event_id, first.to_string());
    let mut expected = first;
    for round in 1..=5 {
        // Some before, some after, and some while it is away.
        let id = lambda.client.say("lobby", "before").await;
        assert_eq!(reader.next(PATIENCE).await.unwrap().last_event_id, id.to_string());
        kill_under(&lambda, &reader).await;
        let away = lambda.client.say("lobby", "away").await;
        expected += 2;
        assert_eq!((id, away), (expected - 1, expected));
        loop {
            let message = reader.next(PATIENCE).await.unwrap();
            if message.event == "cursor" {
                assert_eq!(message.last_event_id, id.to_string(), "it comes back with its cursor");
                continue;
            }
            assert_eq!((message.event.as_str(), message.last_event_id), ("message", away.to_string()));
            break;
        }
        assert_eq!(reader.connects(), round + 1);
    }
}

#[tokio::test]
async fn a_process_that_is_killed_while_messages_flow_costs_its_reader_nothing() {
    const KILLS: usize = 4;
    /// Messages that are heard before each, and after the last.
    const BETWEEN: usize = 20;
    let _turn = turn().await;
    let lambda = Lambda::start(LIVELY).await;
    let mut reader = EventSource::new(&lambda.client, "/api/chat/lobby?history=0");
    assert_eq!(reader.next(PATIENCE).await.unwrap().event, "cursor");
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(keep_saying(lambda.client.clone(), 1, stop.clone()));
    let (mut heard, mut kills) = (Vec::new(), 0);
    let hear = |message: Message, heard: &mut Vec<String>| match &*message.event {
        "message" => heard.push(message.last_event_id),
        _ => assert_eq!(message.event, "cursor", "{message:?}"),
    };
    while heard.len() < (KILLS + 1) * BETWEEN {
        hear(reader.next(PATIENCE).await.unwrap(), &mut heard);
        if kills < KILLS && heard.len() >= (kills + 1) * BETWEEN {
            kill_under(&lambda, &reader).await;
            kills += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let said: Vec<_> = writing.await.unwrap().into_iter().map(|(id, _)| id.to_string()).collect();
    while heard.len() < said.len() {
        hear(reader.next(PATIENCE).await.unwrap(), &mut heard);
    }
    assert_eq!(heard, said);
    assert_eq!((kills, reader.connects()), (KILLS, KILLS + 1));
}

// --- The table ---

/// Reads until the stream has been silent for so many times as long as it may be; answers the messages before.
async fn await_heartbeats(reader: &mut Stream, mut heartbeats: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while heartbeats > 0 {
        match reader.next(PATIENCE).await.unwrap() {
            Heard { is_heartbeat: true, .. } => heartbeats -= 1,
            Heard { said: Decoded::Message(message), .. } => messages.push(message),
            other => panic!("{other:?}"),
        }
    }
    messages
}

#[tokio::test]
async fn a_table_that_is_away_is_waited_for() {
    let lambda = Lambda::start(LIVELY).await;
    let first = lambda.client.say("lobby", "before").await;
    let mut reader = lambda.client.open("/api/chat/lobby", &[]).await;
    let mut heard = reader.plain(1).await;
    assert_eq!(heard[0].last_event_id, first.to_string());
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [1, 2].map(|user| tokio::spawn(keep_saying(lambda.client.clone(), user, stop.clone())));
    heard.extend(reader.plain(10).await);

    lambda.table.pause();
    let started = Instant::now();
    let answer = lambda.client.post_json("/api/chat/lobby", r#"{"user":"ada","text":"away"}"#).await;
    println!("503 after {:?}", started.elapsed());
    assert_unavailable(&answer);
    // A new stream is told to come back, with a status that a browser does not give up on.
    let mut early = lambda.client.open("/api/chat/lobby", &[]).await;
    assert_eq!(early.status, 200);
    let (said, end) = early.rest(PATIENCE).await;
    let [retry] = &said[..] else { panic!("{said:?}") };
    assert!(matches!(retry.said, Decoded::Retry(retry) if (10_000..=30_000).contains(&retry.as_millis())));
    assert_eq!(end, End::Ended);
    // The open one lives on.
    heard.extend(await_heartbeats(&mut reader, 3).await);

    lambda.table.resume();
    let after = lambda.client.insist("lobby", "after").await;
    stop.store(true, Ordering::Relaxed);
    let stored = join_all(writers).await.into_iter().flat_map(Result::unwrap);
    let stored: Vec<_> = stored.chain([(after, "after".to_owned())]).collect();
    let last = stored.iter().map(|(id, _)| *id).max().unwrap().to_string();
    if heard.last().unwrap().last_event_id != last {
        heard.extend(reader.collect_until(|message| message.last_event_id == last).await);
    }
    // What was not acknowledged may have been stored: the table took the question before it stopped, or it did not.
    let texts: BTreeMap<u64, String> = heard
        .iter()
        .zip(first..)
        .map(|(message, expected)| {
            assert_eq!(message.event, "message", "{message:?}");
            assert_eq!(message.last_event_id, expected.to_string(), "in order, without a hole");
            let body: serde_json::Value = serde_json::from_str(&message.data).unwrap();
            (expected, body["text"].as_str().unwrap().to_owned())
        })
        .collect();
    assert!(stored.len() > 10, "{stored:?}");
    for (id, text) in &stored {
        assert_eq!(texts.get(id), Some(text), "what was acknowledged as {id} is heard");
    }
}

/// It would say by heartbeats that it is alive, and hear nothing more.
#[tokio::test]
async fn a_table_that_is_away_for_a_minute_ends_its_streams() {
    let lambda = Lambda::start(LIVELY).await;
    let first = lambda.client.say("lobby", "before").await;
    let mut reader = lambda.client.open("/api/chat/lobby", &[]).await;
    assert_eq!(reader.plain(1).await[0].last_event_id, first.to_string());
    lambda.table.pause();
    let started = Instant::now();
    let (heard, end) = reader.rest(3 * CHANNEL_PATIENCE).await;
    let took = started.elapsed();
    lambda.table.resume();
    assert_eq!(end, End::Ended, "after {took:?}");
    assert!(took >= CHANNEL_PATIENCE, "{took:?}");
    let Decoded::Retry(retry) = heard.last().unwrap().said.clone() else { panic!("{heard:?}") };
    assert!((100..=1_000).contains(&retry.as_millis()), "it may come back at once");
    assert_eq!(reader.cursor(), first.to_string());
}

/// A function that asks its table through a front.
async fn behind_a_front(vars: &[(&str, &str)]) -> (Lambda, Front) {
    let table = Arc::new(Table::start(&Folder::new()));
    let front = Front::start(&table).await;
    let lambda = Lambda::asking(Platform::default(), vars, table, front.port()).await;
    (lambda, front)
}

/// The texts of the room, oldest first.
async fn texts(client: &Client) -> Vec<String> {
    let snapshot = client.get_json("/api/chat/lobby?history=200").await.json();
    let messages = snapshot["messages"].as_array().unwrap_or_else(|| panic!("{snapshot}"));
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_table_that_refuses_once_or_twice_is_asked_again() {
    let (lambda, front) = behind_a_front(&[]).await;
    let mut expected = Vec::new();
    for times in 1..=2 {
        for operation in ["Query", "PutItem"] {
            let text = format!("{operation} is refused {times} times");
            // Only the message itself has its text in it.
            front.throttle(operation, if operation == "PutItem" { &text } else { "" }, times);
            lambda.client.say("lobby", &text).await;
            assert!(front.is_done(), "{text}, it was said");
            expected.push(text);
        }
    }
    assert_eq!(texts(&lambda.client).await, expected);
}

#[tokio::test]
async fn a_table_that_refuses_for_good_is_waited_for() {
    let (lambda, front) = behind_a_front(LIVELY).await;
    let first = lambda.client.say("lobby", "before").await;
    let mut reader = lambda.client.open("/api/chat/lobby", &[]).await;
    assert_eq!(reader.plain(1).await[0].last_event_id, first.to_string());

    front.throttle("Query", "", usize::MAX);
    front.throttle("PutItem", "", usize::MAX);
    assert_unavailable(
        &lambda.client.post_json("/api/chat/lobby", r#"{"user":"ada","text":"refused"}"#).await,
    );
    let asked = front.asked("Query");
    assert_eq!(await_heartbeats(&mut reader, 2).await, []);
    assert!(front.asked("Query") > asked, "the stream goes on asking");

    front.relent();
    let second = lambda.client.insist("lobby", "after").await;
    assert_eq!(second, first + 1, "what was refused is not stored");
    assert_eq!(reader.plain(1).await[0].last_event_id, second.to_string());
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_stored_once() {
    let (lambda, front) = behind_a_front(&[]).await;
    let first = lambda.client.say("lobby", "before").await;
    front.swallow("PutItem", "lost");
    assert_eq!(lambda.client.say("lobby", "lost").await, first + 1);
    assert!(front.is_done(), "the answer was not lost");
    assert_eq!(lambda.client.say("lobby", "after").await, first + 2);
    assert_eq!(texts(&lambda.client).await, ["before", "lost", "after"]);
}

// --- Deadlines ---

#[tokio::test]
async fn a_stream_ends_between_two_events_before_its_process_is_stopped() {
    let platform = Platform { timeout: 4, ..Platform::default() };
    let lambda = Lambda::on(platform, LIVELY).await;
    let mut reader = lambda.client.open("/api/events?tick=250", &[]).await;
    let (heard, end) = reader.rest(PATIENCE).await;
    assert_eq!(end, End::Ended, "the body ends by itself: {heard:?}");
    assert!(reader.text().ends_with("\n\n"), "{:?}", reader.text());
    let Decoded::Retry(retry) = heard.last().unwrap().said.clone() else { panic!("{heard:?}") };
    assert!((100..=1_000).contains(&retry.as_millis()), "it may come back at once");
    let request = reader.header("x-amzn-RequestId").to_owned();
    let end = lambda.noted(|line| line["event"] == "end" && line["request"] == *request).await;
    assert_eq!(end["outcome"], "complete");
    assert!((500..4_000).contains(&end["millis"].as_u64().unwrap()), "{end}");
}
