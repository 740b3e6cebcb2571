//! Processes that are killed, a table that does not answer, and deadlines.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use ssedge::sse::Decoded;
use ssedge_tests::client::{End, EventSource, PATIENCE};
use ssedge_tests::host::{Lambda, Platform, kill_process};
use tokio::time::{Instant, sleep};

const LIVELY: &[(&str, &str)] =
    &[("HEARTBEAT_SECS", "1"), ("RETRY_MS", "100"), ("POST_RATE", "1000"), ("POST_BURST", "10000")];

#[tokio::test]
async fn a_process_that_is_killed_costs_its_reader_nothing() {
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
        let journal = lambda.journal();
        let ended = |request: &serde_json::Value| {
            journal.iter().any(|line| line["event"] == "end" && line["request"] == *request)
        };
        let streaming: Vec<_> =
            journal.iter().filter(|line| line["event"] == "invoke" && !ended(&line["request"])).collect();
        assert_eq!(streaming.len(), 1, "one stream is open: {journal:?}");
        kill_process(streaming[0]["pid"].as_u64().unwrap().try_into().unwrap());
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
async fn a_table_that_is_away_is_waited_for() {
    let lambda = Lambda::start(LIVELY).await;
    let first = lambda.client.say("lobby", "before").await;
    let mut reader = lambda.client.open("/api/chat/lobby", &[]).await;
    assert_eq!(reader.plain(1).await[0].last_event_id, first.to_string());

    lambda.table.pause();
    let started = Instant::now();
    let answer = lambda.client.post_json("/api/chat/lobby", r#"{"user":"ada","text":"away"}"#).await;
    println!("503 after {:?}", started.elapsed());
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("Retry-After"), "2");
    assert_eq!(answer.header("Content-Type"), "application/problem+json");
    assert!(!answer.text.contains("dynamodb") && !answer.text.contains("127.0.0.1"), "{answer:?}");
    // A new stream is told to come back, with a status that a browser does not give up on.
    let mut early = lambda.client.open("/api/chat/lobby", &[]).await;
    assert_eq!(early.status, 200);
    let (heard, end) = early.rest(PATIENCE).await;
    let [retry] = &heard[..] else { panic!("{heard:?}") };
    assert!(matches!(retry.said, Decoded::Retry(retry) if (10_000..=30_000).contains(&retry.as_millis())));
    assert_eq!(end, End::Ended);
    // The open one lives on.
    let silence = Instant::now();
    let heartbeats = async {
        let mut heartbeats = 0;
        while heartbeats < 3 {
            match reader.next(PATIENCE).await.unwrap().said {
                Decoded::Comment(_) => heartbeats += 1,
                other => panic!("{other:?}"),
            }
        }
    };
    heartbeats.await;
    assert!(silence.elapsed() < PATIENCE);

    lambda.table.resume();
    // What was not acknowledged may have been stored: the table took the question before it stopped, or it did not.
    let after = async {
        loop {
            let answer = lambda.client.post_json("/api/chat/lobby", r#"{"user":"ada","text":"after"}"#).await;
            if answer.status == 201 {
                break answer.json()["id"].as_str().unwrap().parse::<u64>().unwrap();
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let after = after.await;
    let mut expected = first;
    while expected < after {
        expected += 1;
        assert_eq!(reader.plain(1).await[0].last_event_id, expected.to_string(), "in order, without a hole");
    }
}

#[tokio::test]
async fn a_stream_ends_between_two_events_before_its_process_is_stopped() {
    let platform = Platform { timeout: 4, ..Platform::default() };
    let lambda = Lambda::on(platform, LIVELY).await;
    let started = Instant::now();
    let mut reader = lambda.client.open("/api/events?tick=250", &[]).await;
    let (heard, end) = reader.rest(PATIENCE).await;
    assert_eq!(end, End::Ended, "the body ends by itself: {heard:?}");
    assert!((500..3_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert!(reader.text().ends_with("\n\n"), "{:?}", reader.text());
    let Decoded::Retry(retry) = heard.last().unwrap().said.clone() else { panic!("{heard:?}") };
    assert!((100..=1_000).contains(&retry.as_millis()), "it may come back at once");
    let end = lambda.noted(|line| line["event"] == "end" && line["millis"].as_u64() > Some(500)).await;
    assert_eq!(end["outcome"], "complete");
}

#[tokio::test]
async fn a_stream_lives_as_long_as_it_may() {
    let lambda = Lambda::start(&[("STREAM_SECS", "2")]).await;
    let started = Instant::now();
    let mut reader = lambda.client.open("/api/chat/lobby", &[]).await;
    let (_, end) = reader.rest(PATIENCE).await;
    assert_eq!(end, End::Ended);
    assert!((1_900..3_500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}
