//! What the function asks its table, seen from between the two.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use ssedge::limits::{PAGE_BYTES, QUERY_ENTRIES, SNAPSHOT_ENTRIES};
use ssedge::sse::Decoded;
use ssedge_tests::client::{Client, End, Heard, Message, PATIENCE, Stream};
use ssedge_tests::host::{Folder, Front, Lambda, POST_BURST, POST_RATE, Platform, Table, turn};
use tokio::time::{Instant, sleep};

/// One process that serves many streams, as on Managed Instances.
const SHARED: Platform =
    Platform { concurrency: 1, timeout: 900, share: 16, reap: false, profile: "debug", stage: None };

/// A front of a table that is empty, and the table.
async fn front() -> (Front, Arc<Table>) {
    let table = Arc::new(Table::start(&Folder::new()));
    (Front::start(&table).await, table)
}

async fn open(client: &Client, path: &str) -> Stream {
    let mut reader = client.open(path, &[]).await;
    assert_eq!(reader.message().await.event, "cursor");
    reader
}

/// So many streams of one process.
async fn open_some(lambda: &Lambda, readers: usize, path: &str) -> Vec<Stream> {
    let readers = join_all((0..readers).map(|_| open(&lambda.client, path))).await;
    let pids: BTreeSet<_> =
        readers.iter().map(|reader| lambda.pid_of(reader.header("x-amzn-RequestId"))).collect();
    assert_eq!(pids.len(), 1, "one process serves them all");
    readers
}

/// What is asked in this time, or in a little more: with the time that it was.
async fn asked_in(front: &Front, time: Duration) -> (usize, Duration) {
    let (before, started) = (front.questions(), Instant::now());
    sleep(time).await;
    (front.questions() - before, started.elapsed())
}

/// How often something that comes no sooner than after each pause may come in this time.
fn at_most(time: Duration, pause: Duration) -> usize {
    time.div_duration_f32(pause).ceil() as usize + 1
}

#[tokio::test]
async fn the_streams_of_a_process_share_one_poll() {
    const READERS: usize = 10;
    const PAUSE: Duration = Duration::from_millis(100);
    let (front, table) = front().await;
    let vars = [("POLL_MIN_MS", "100"), ("POLL_MAX_MS", "100")];
    let lambda = Lambda::asking(SHARED, &vars, table, front.port()).await;
    let first = lambda.client.say("shared", "first").await;
    let mut readers = open_some(&lambda, READERS, "/api/chat/shared?history=0").await;

    let (asked, time) = asked_in(&front, Duration::from_secs(3)).await;
    assert!(
        (3..=at_most(time, PAUSE)).contains(&asked),
        "{asked} questions of {READERS} streams in {time:?}, {PAUSE:?} apart"
    );
    let second = lambda.client.say("shared", "second").await;
    assert_eq!(second, first + 1);
    for reader in &mut readers {
        assert_eq!(reader.plain(1).await[0].last_event_id, second.to_string());
    }
}

/// With the intervals that are the defaults, 100 ms and 1 s.
#[tokio::test]
async fn silence_is_asked_about_less_and_less_and_nobody_asks_for_nobody() {
    const PAUSE: Duration = Duration::from_secs(1);
    /// Twice what the pauses are on the way from the shorter interval to the longer one, together.
    const BACKS_OFF: Duration = Duration::from_millis(4_200);
    let (front, table) = front().await;
    let lambda = Lambda::asking(SHARED, &[("STREAM_SECS", "12")], table, front.port()).await;
    lambda.client.say("quiet", "first").await;
    let mut readers = open_some(&lambda, 3, "/api/chat/quiet?history=0").await;
    sleep(BACKS_OFF).await;
    let (asked, time) = asked_in(&front, Duration::from_secs(3)).await;
    assert!((1..=at_most(time, PAUSE)).contains(&asked), "{asked} questions in {time:?}, {PAUSE:?} apart");

    for reader in &mut readers {
        let (_, end) = reader.rest(PATIENCE).await;
        assert_eq!(end, End::Ended);
    }
    let (asked, time) = asked_in(&front, Duration::from_secs(2)).await;
    assert_eq!(asked, 0, "questions in {time:?} after the last stream has ended");
}

fn id(message: &Message) -> u64 {
    assert_eq!(message.event, "message", "{message:?}");
    message.last_event_id.parse().unwrap()
}

fn assert_run(ids: &[u64], first: u64, last: u64) {
    let expected: Vec<u64> = (first..=last).collect();
    assert_eq!((ids.len(), ids.first(), ids.last()), (expected.len(), Some(&first), Some(&last)));
    assert!(ids == expected, "in order, each once: {ids:?}");
}

/// The stream says all messages of these ids and nothing else.
async fn assert_says(mut reader: Stream, first: u64, last: u64) {
    let messages = reader.collect_until(|message| message.last_event_id == last.to_string()).await;
    assert_run(&messages.iter().map(id).collect::<Vec<_>>(), first, last);
    assert!(reader.next_message(Duration::from_millis(300)).await.is_err(), "nothing comes twice");
}

/// All ids that snapshots after the cursor have, each going on where the one before was cut.
async fn snapshots(client: &Client, cursor: u64) -> Vec<u64> {
    let (mut ids, mut cursor) = (Vec::new(), cursor.to_string());
    loop {
        let snapshot = client.get_json(&format!("/api/chat/long?lastEventId={cursor}")).await.json();
        let messages = snapshot["messages"].as_array().unwrap_or_else(|| panic!("{snapshot}"));
        assert!(messages.len() <= SNAPSHOT_ENTRIES as usize, "{}", messages.len());
        ids.extend(messages.iter().map(|message| message["id"].as_str().unwrap().parse::<u64>().unwrap()));
        snapshot["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if snapshot["more"] != Value::Bool(true) {
            return ids;
        }
    }
}

/// A channel that is longer than one answer of the table, and than one page of a stream.
#[tokio::test]
async fn a_long_history_is_read_to_its_end() {
    const MESSAGES: u64 = 600;
    const KEPT: u64 = 300;
    /// Of the reader's polls, so long that two of them cannot be mistaken for one that goes on at once: the longest that
    /// may be set.
    const PAUSE: Duration = Duration::from_secs(10);
    assert!(KEPT > QUERY_ENTRIES.into() && MESSAGES > 2 * u64::from(QUERY_ENTRIES));
    let _turn = turn().await;
    let (front, table) = front().await;
    let (millis, kept, own) = (PAUSE.as_millis().to_string(), KEPT.to_string(), table.port());
    let vars = [("POLL_MIN_MS", &*millis), ("POLL_MAX_MS", &*millis)];
    let all = Lambda::asking(Platform::default(), &vars, table.clone(), front.port()).await;
    let vars = [("HISTORY_MAX", &*kept), POST_RATE, POST_BURST];
    let few = Lambda::asking(Platform::default(), &vars, table, own).await;

    // Two functions of one table: one whose questions can be held, and one that is not disturbed by that.
    let first = few.client.say("long", "first").await;
    let mut live = open(&all.client, "/api/chat/long?history=0").await;
    front.hold();
    let started = Instant::now();
    let mut last = first;
    for n in 1..=MESSAGES {
        last = few.client.say("long", &format!("message {n}, of which there are some hundreds")).await;
    }
    println!("{MESSAGES} messages in {:?}", started.elapsed());
    assert_eq!(last, first + MESSAGES);
    front.release();
    let (mut heard, mut times) = (Vec::new(), Vec::new());
    while heard.last() != Some(&last) {
        let said = live.next(PATIENCE).await.unwrap();
        // On a slow machine it is silent for long enough.
        if let Heard { said: Decoded::Message(message), is_heartbeat: false, .. } = &said {
            heard.push(id(message));
            times.push(said.at);
        }
    }
    assert_run(&heard, first + 1, last);
    let took = *times.last().unwrap() - times[0];
    assert!(took < PAUSE, "the poll goes on at once where there is more, and took {took:?}");
    assert!(live.raw().len() > PAGE_BYTES, "{}", live.raw().len());

    let path = format!("/api/chat/long?lastEventId={first}");
    assert_says(open(&all.client, &path).await, first + 1, last).await;
    assert_run(&snapshots(&all.client, first).await, first + 1, last);

    let mut late = few.client.open(&path, &[]).await;
    let gap = late.message().await;
    let resumes_after = (last - KEPT).to_string();
    assert_eq!((gap.event.as_str(), &gap.last_event_id), ("gap", &resumes_after));
    let data: Value = serde_json::from_str(&gap.data).unwrap();
    assert_eq!((&data["reason"], &data["resumes_after"]), (&"expired".into(), &resumes_after.into()));
    assert_says(late, last - KEPT + 1, last).await;
    assert_run(&snapshots(&few.client, first).await, last - KEPT + 1, last);
}
