//! Rooms whose readers and writers are processes of their own, as they are on AWS.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use ssedge::sse::Decoded;
use ssedge_tests::client::{Client, End, EventSource, PATIENCE, Stream};
use ssedge_tests::host::{Lambda, POST_BURST, POST_RATE, Platform, heavy};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// How late a message may be on a machine that does much else. If a reader had to wait for one that stands still, then
/// until a heartbeat, at the soonest: after a minute.
const UNDISTURBED: Duration = Duration::from_secs(30);

async fn open(client: &Client, path: &str) -> Stream {
    let mut reader = client.open(path, &[]).await;
    assert_eq!(reader.message().await.event, "cursor");
    reader
}

/// Ten readers and eight writers in one room, none of which shares a process with another at the same time. A writer that
/// comes back is not starved by those that go on: it would be answered 503.
#[tokio::test]
async fn every_process_sees_one_order() {
    const READERS: usize = 10;
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let _turn = heavy().await;
    let lambda = Lambda::start(&[POST_RATE, POST_BURST]).await;
    let mut readers = join_all((0..READERS).map(|_| open(&lambda.client, "/api/chat/busy"))).await;
    let reading: BTreeSet<_> =
        readers.iter().map(|reader| lambda.pid_of(reader.header("x-amzn-RequestId"))).collect();
    assert_eq!(reading.len(), READERS, "each reader has a process of its own");

    let started = Instant::now();
    let writing = join_all((0..WRITERS).map(|writer| {
        let client = lambda.client.clone();
        async move {
            let (mut said, mut slowest) = (Vec::new(), Duration::ZERO);
            for n in 0..EACH {
                let body = format!(r#"{{"user":"writer {writer}","text":"{n}"}}"#);
                let asked = Instant::now();
                let answer = client.post_json("/api/chat/busy", &body).await;
                slowest = slowest.max(asked.elapsed());
                assert_eq!(answer.status, 201, "{answer:?}");
                let id: u64 = answer.json()["id"].as_str().unwrap().parse().unwrap();
                said.push((id, answer.header("x-amzn-RequestId").to_owned()));
            }
            (said, slowest)
        }
    }));
    let (said, slowest): (Vec<_>, Vec<_>) = writing.await.into_iter().unzip();
    let slowest = slowest.into_iter().max().unwrap();
    println!(
        "{} messages of {WRITERS} writers in {:?}, the slowest in {slowest:?}",
        WRITERS * EACH,
        started.elapsed()
    );
    for writer in &said {
        assert!(writer.is_sorted_by_key(|(id, _)| *id), "one sender's messages keep their order");
    }
    let mut ids: Vec<u64> = said.iter().flatten().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    assert!(ids.iter().zip(ids[0]..).all(|(id, expected)| *id == expected), "consecutive ids: {ids:?}");
    let writing: BTreeSet<_> = said.iter().flatten().map(|(_, request)| lambda.pid_of(request)).collect();
    assert!(writing.len() >= WRITERS && writing.is_disjoint(&reading), "{writing:?}, {reading:?}");

    let mut orders = BTreeSet::new();
    for reader in &mut readers {
        let messages = reader.plain(WRITERS * EACH).await;
        assert!(messages.iter().zip(&ids).all(|(message, id)| message.last_event_id == id.to_string()));
        orders.insert(messages.into_iter().map(|message| message.data).collect::<Vec<_>>());
    }
    assert_eq!(orders.len(), 1, "all readers see the same");
}

/// A reader that comes back as a browser does, while its streams end every two seconds.
#[tokio::test]
async fn rotation_loses_nothing_and_repeats_nothing() {
    /// Streams of each reader over which messages are heard, at least.
    const STREAMS: usize = 5;
    let lambda = Lambda::start(&[("STREAM_SECS", "2"), POST_RATE, POST_BURST]).await;
    let mut readers: Vec<_> =
        (0..3).map(|_| EventSource::new(&lambda.client, "/api/chat/turning?history=0")).collect();
    for reader in &mut readers {
        assert_eq!(reader.next(PATIENCE).await.unwrap().event, "cursor");
    }
    let (stop, mut is_over) = oneshot::channel();
    let client = lambda.client.clone();
    let writing = tokio::spawn(async move {
        let mut ids = Vec::new();
        while is_over.try_recv().is_err() {
            ids.push(client.say("turning", &ids.len().to_string()).await.to_string());
            sleep(Duration::from_millis(40)).await;
        }
        ids
    });
    /// Hears one more message; `None` where it is no message but a cursor.
    async fn hear(reader: &mut EventSource) -> Option<String> {
        let message = reader.next(PATIENCE).await.expect("the room goes on");
        if message.event == "message" {
            return Some(message.last_event_id);
        }
        assert_eq!(message.event, "cursor", "{message:?}");
        None
    }
    let reading = readers.into_iter().map(|mut reader| async move {
        let mut heard = Vec::new();
        while reader.connects() < STREAMS {
            heard.extend(hear(&mut reader).await);
        }
        (reader, heard)
    });
    let read = join_all(reading).await;
    stop.send(()).unwrap();
    let ids = writing.await.unwrap();
    for (mut reader, mut heard) in read {
        while heard.len() < ids.len() {
            heard.extend(hear(&mut reader).await);
        }
        assert_eq!(heard, ids);
    }
}

/// Ids that were given to so many who spoke at once, each from a process of its own; in order.
async fn speak_at_once(lambda: &Lambda, room: &str, writers: usize) -> Vec<u64> {
    let mut ids = join_all((0..writers).map(|_| lambda.client.say(room, "hi"))).await;
    ids.sort_unstable();
    let expected: Vec<_> = (ids[0]..).take(writers).collect();
    assert_eq!(ids, expected, "consecutive ids in {room}");
    ids
}

/// The first message of a run is where writers could begin two.
#[tokio::test]
async fn writers_who_meet_in_an_empty_room_begin_one_run() {
    const ROOMS: usize = 5;
    const WRITERS: usize = 8;
    /// Longer than HISTORY_SECS, in which a slow machine takes a post by each writer.
    const EXPIRED: Duration = Duration::from_millis(10_200);
    let lambda = Lambda::start(&[("HISTORY_SECS", "10"), POST_RATE, POST_BURST]).await;
    let rooms: Vec<_> = (0..ROOMS).map(|n| format!("empty-{n}")).collect();
    // Processes that are started one after another would not meet.
    speak_at_once(&lambda, "warm-up", WRITERS).await;
    let mut runs = BTreeMap::<_, Vec<_>>::new();
    for pause in [Duration::ZERO, EXPIRED] {
        sleep(pause).await;
        for room in &rooms {
            let ids = speak_at_once(&lambda, room, WRITERS).await;
            runs.entry(room).or_default().push(ids);
        }
    }
    let items = lambda.table.items().await;
    let number = |item: &Value, name: &str| item[name]["N"].as_str().unwrap().parse::<u64>().unwrap();
    for (room, runs) in runs {
        let mut items = items.clone();
        items.retain(|item| item["channel"]["S"] == format!("chat/{room}"));
        items.sort_by_key(|item| number(item, "id"));
        let (entries, seals): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["body"].is_object());
        let entries: Vec<_> = entries.iter().map(|item| (number(item, "id"), number(item, "run"))).collect();
        let expected: Vec<_> = runs.iter().flat_map(|ids| ids.iter().map(|id| (*id, ids[0]))).collect();
        assert_eq!(entries, expected, "an item for each message, in two runs");
        let seals: Vec<_> = seals.iter().map(|item| (number(item, "id"), number(item, "run"))).collect();
        let [first, second] = &runs[..] else { panic!("{runs:?}") };
        let expected = [(1, first[0]), (first[WRITERS - 1] + 1, second[0])];
        assert_eq!(seals, expected, "a seal before each run");
    }
}

/// One process serves both readers, as on Managed Instances, so that the one who stands still could disturb the other.
#[tokio::test]
async fn a_reader_that_stands_still_is_ended_and_disturbs_nobody() {
    const ABREAST: usize = 4;
    /// Messages of the largest size, 8 KB, that are said at most. What lies between holds about a thousand.
    const ENOUGH: usize = 4_000;
    let platform = Platform { concurrency: 1, share: 16, ..Platform::default() };
    let vars =
        [("LOG_LEVEL", "info"), ("HEARTBEAT_SECS", "60"), ("HISTORY_MAX", "10000"), POST_RATE, POST_BURST];
    let _turn = heavy().await;
    let lambda = Lambda::on(platform, &vars).await;
    let text = "𝄞".repeat(ssedge::feeds::chat::TEXT_CHARS);
    let first = lambda.client.say("lobby", &text).await;
    let path = format!("/api/chat/lobby?lastEventId={first}");
    let mut slow = open(&lambda.client, &path).await;
    let mut other = open(&lambda.client, &path).await;
    let (mut last, mut lag, mut said) = (first, Duration::ZERO, 0);
    while !lambda.log().contains("the reader did not take its bytes") {
        assert!(said < ENOUGH, "a reader that takes nothing is still sent more");
        // Only the order of the ids counts, so a message may be stored twice.
        let ids = join_all((0..ABREAST).map(|_| lambda.client.insist("lobby", &text))).await;
        last = ids.into_iter().max().unwrap();
        let stored = Instant::now();
        other.collect_until(|message| message.last_event_id == last.to_string()).await;
        lag = lag.max(stored.elapsed());
        said += ABREAST;
    }
    println!("ended after {said} messages; the other reader got each at most {lag:?} after it was stored");
    assert!(lag < UNDISTURBED, "{lag:?}");

    let (heard, end) = slow.rest(PATIENCE).await;
    assert_eq!(end, End::Ended);
    assert!(slow.raw().ends_with(b"\n\n"), "the end is at the boundary of an event");
    let mut ids: Vec<u64> = heard
        .iter()
        .filter_map(|heard| match &heard.said {
            Decoded::Message(message) if !heard.is_heartbeat => Some(message.last_event_id.parse().unwrap()),
            _ => None,
        })
        .collect();
    let cut = *ids.last().unwrap();
    assert!(cut < last && slow.cursor() == cut.to_string(), "{cut} of {last}, {}", slow.cursor());
    let mut back = open(&lambda.client, &format!("/api/chat/lobby?lastEventId={cut}")).await;
    let missed = back.plain(usize::try_from(last - cut).unwrap()).await;
    ids.extend(missed.iter().map(|message| message.last_event_id.parse::<u64>().unwrap()));
    assert!(ids.iter().copied().eq(first + 1..=last), "in order, each once: {ids:?}");
}
