//! Channels that sleep, crash and come back under open streams, in real workerd.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::time::Duration;

use ssedge::limits::{IDEMPOTENCY_WINDOW, OBJECT_GRACE, ROTATE_RETRY_MS, STREAM_QUESTIONS, SURPLUS};
use ssedge::sse::Decoded;
use ssedge_tests::client::{Client, End, EventSource, Heard, PATIENCE, Stream, TRIES, id_of};
use ssedge_tests::host::{Host, POST_BURST, POST_RATE, Rig, Sockets};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::attacks::objects_with_tables;

const LOBBY: &str = "chat/lobby";
/// workerd evicts an object some ten seconds after its last event.
const IDLE: Duration = Duration::from_millis(13_500);
/// By then whatever was going to notice a lost socket has come back.
const AFTERMATH: Duration = Duration::from_millis(500);

/// A reader of the lobby that has had its first block.
pub async fn lobby(client: &Client) -> Stream {
    let mut reader = client.open("/api/chat/lobby", &[]).await;
    assert_eq!(reader.message().await.event, "cursor");
    reader
}

/// What was said is what comes next, and nothing else does.
async fn hears(reader: &mut Stream, id: u64) {
    let message = reader.message().await;
    assert_eq!((message.event.as_str(), message.last_event_id), ("message", id.to_string()));
}

#[tokio::test]
async fn a_reader_stays_connected_while_its_channel_hibernates() {
    let mut rig = Rig::start(&[]).await;
    let mut reader = lobby(&rig.client).await;
    let first = rig.client.say("lobby", "one").await;
    hears(&mut reader, first).await;
    for n in 1..=3 {
        rig.evict(LOBBY, Sockets::Hibernate).await;
        sleep(AFTERMATH).await;
        assert_eq!(rig.instances(LOBBY).await, n, "nobody has noticed");
        let id = rig.client.say("lobby", "more").await;
        assert_eq!(id, first + n, "a new object knows what the last one stored");
        hears(&mut reader, id).await;
        assert_eq!(rig.instances(LOBBY).await, n + 1, "it was another object that delivered");
    }
    assert_eq!(rig.sockets(LOBBY).await, 1);
}

/// The isolate goes on with a fresh instance of the wasm, in which its channels are, too.
#[tokio::test]
async fn a_panic_costs_no_later_request() {
    let mut rig = Rig::start(&[]).await;
    let first = rig.client.say("lobby", "before").await;
    rig.fail().await;
    let failed = rig.client.open("/api/chat/lobby", &[]).await;
    assert_eq!(failed.status, 500);
    let second = rig.client.say("lobby", "after").await;
    assert_eq!(second, first + 1);
    let mut reader = lobby(&rig.client).await;
    for id in [first, second, rig.client.say("lobby", "live").await] {
        hears(&mut reader, id).await;
    }
    assert_eq!(rig.instances(LOBBY).await, 1, "the object is the same, on a fresh instance of the wasm");
}

/// Nobody has to come for it, and what was said later is kept for longer.
#[tokio::test]
async fn a_silent_channel_frees_what_has_expired() {
    const LATER: Duration = Duration::from_secs(3);
    let mut rig = Rig::start(&[("HISTORY_SECS", "6")]).await;
    let first = rig.client.say("lobby", "one").await;
    sleep(LATER).await;
    rig.client.say("lobby", "two").await;
    for left in [2, 1, 0] {
        let waiting = Instant::now();
        while rig.entries(LOBBY).await > left {
            assert!(waiting.elapsed() < PATIENCE, "{} are stored, not {left}", rig.entries(LOBBY).await);
            sleep(Duration::from_millis(20)).await;
        }
    }
    let mut late = rig.client.open(&format!("/api/chat/lobby?lastEventId={first}"), &[]).await;
    assert_eq!(late.message().await.event, "gap", "what came after it is gone");
    assert!(rig.client.say("lobby", "three").await > first + 1);
}

/// A sleeping object is paid for by what it stores. Keys hold messages, and buckets may take days to fill.
#[tokio::test]
async fn a_silent_channel_ends_with_an_empty_storage() {
    const AGE: Duration = Duration::from_secs(3);
    let vars = [("HISTORY_SECS", "3"), ("POST_RATE", "1"), ("POST_BURST", "1000")];
    let mut rig = Rig::start(&vars).await;
    let mut reader = lobby(&rig.client).await;
    let say = async |client: &Client, key: &str| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        let answer = client.post("/api/chat/lobby", &headers, r#"{"user":"ada","text":"hi"}"#).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        id_of(&answer)
    };
    let client = rig.client.clone();
    let first = say(&client, "one").await;
    hears(&mut reader, first).await;
    assert_eq!(rig.tables(LOBBY).await, ["buckets", "entries", "keys", "run"]);
    frees(&mut rig, &[("entries", 0), ("buckets", 0)], AGE).await;
    assert_eq!(
        rows(&mut rig, "keys").await,
        1,
        "a key is remembered for its time, however short entries live"
    );
    rig.pass(LOBBY, IDEMPOTENCY_WINDOW).await;
    frees(&mut rig, &[("keys", 0)], Duration::ZERO).await;
    // As long as somebody reads, the last id is remembered, and for a while after.
    rig.pass(LOBBY, OBJECT_GRACE).await;
    while rig.alarm(LOBBY).await == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rows(&mut rig, "run").await, 1);
    reader.close();
    rig.settle(LOBBY, 0, 0).await;
    rig.pass(LOBBY, OBJECT_GRACE).await;
    let waiting = Instant::now();
    while !rig.tables(LOBBY).await.is_empty() {
        assert!(waiting.elapsed() < PATIENCE, "{:?} are left", rig.tables(LOBBY).await);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rig.alarm(LOBBY).await, 0, "there is nothing more to free");
    assert_eq!(objects_with_tables(rig.state().path()), BTreeSet::new());

    let mut reader = lobby(&rig.client).await;
    let second = say(&client, "one").await;
    assert!(second > first, "{second} after {first}");
    hears(&mut reader, second).await;
    assert!(rig.alarm(LOBBY).await > 0, "and it is freed again");
}

/// Waits until so many rows are left in these tables, which may take so much longer than anything else.
async fn frees(rig: &mut Rig, left: &[(&str, u64)], later: Duration) {
    let waiting = Instant::now();
    for (table, left) in left {
        while rows(rig, table).await > *left {
            assert!(waiting.elapsed() < later + PATIENCE, "{table} still has more than {left}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn rows(rig: &mut Rig, table: &str) -> u64 {
    let counted = rig.sql(LOBBY, &format!("SELECT count(*) AS n FROM {table}")).await;
    counted[0]["n"].as_u64().unwrap()
}

/// It is stored and delivered, so its sender hears that, and whoever posts next sees to the alarm.
#[tokio::test]
async fn a_post_whose_alarm_fails_is_stored_and_delivered() {
    let mut rig = Rig::start(&[]).await;
    let mut reader = lobby(&rig.client).await;
    rig.fail_alarm(LOBBY).await;
    for is_set in [false, true] {
        let id = rig.client.say("lobby", "hi").await;
        hears(&mut reader, id).await;
        assert_eq!(rig.alarm(LOBBY).await > 0, is_set);
    }
}

/// Whichever of its writes fails, the post is not stored, its sender hears 503, and the same post is then stored once. A
/// part of it would be a message that nobody is told of and that its sender says again.
#[tokio::test]
async fn a_post_is_stored_whole_or_not_at_all() {
    const KEPT: u64 = 2;
    // The one after these deletes what is no longer kept.
    let before = KEPT + SURPLUS.start() - 1;
    let vars = [("HISTORY_MAX", "2"), ("POST_RATE", "1"), ("POST_BURST", "1000")];
    let mut rig = Rig::start(&vars).await;
    let client = rig.client.clone();
    let say = async |key: &str| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        client.post("/api/chat/lobby", &headers, r#"{"user":"ada","text":"once"}"#).await
    };
    let mut last = 0;
    for n in 0..before {
        last = id_of(&say(&n.to_string()).await);
    }
    let mut reader = rig.client.open("/api/chat/lobby?history=0", &[]).await;
    assert_eq!(reader.message().await.event, "cursor");
    assert_eq!(rig.entries(LOBBY).await, before);
    let writes = ["DELETE ON entries", "INSERT ON entries", "INSERT ON keys", "INSERT ON buckets"];
    for (write, entries) in writes.into_iter().zip(KEPT..) {
        rig.refuse(LOBBY, write).await;
        let key = write.replace(' ', "-");
        let refused = say(&key).await;
        assert_eq!((refused.status, refused.header("Retry-After")), (503, "2"), "{write}: {refused:?}");
        rig.relent(LOBBY).await;
        let stored = say(&key).await;
        assert_eq!((stored.status, id_of(&stored)), (201, last + 1), "{write}: {stored:?}");
        last += 1;
        hears(&mut reader, last).await;
        assert_eq!(rig.entries(LOBBY).await, entries, "{write}");
    }
}

/// As on AWS, where nobody is told that the sender left. What waited in the Worker is at its end, too: a future that is
/// never woken again is memory that is never given back.
#[tokio::test]
async fn a_post_whose_sender_leaves_is_stored_all_the_same() {
    const START: Duration = Duration::from_secs(2);
    let mut rig = Rig::start(&[]).await;
    rig.stall(LOBBY, START).await;
    let client = rig.client.clone();
    let post = tokio::spawn(async move { client.say("lobby", "I cannot stay").await });
    // It has come to the object, which is still starting.
    while rig.instances(LOBBY).await == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    post.abort();
    let mut reader = rig.client.open("/api/chat/lobby?history=1", &[]).await;
    let (cursor, said) = (reader.message().await, reader.message().await);
    assert_eq!(cursor.event, "cursor");
    assert!(said.data.contains("I cannot stay"), "{said:?}");
    rig.settle(LOBBY, 1, 1).await;
}

/// Any timer in the object, and any event that a silent stream sends it, would keep it awake.
#[tokio::test]
async fn a_silent_channel_hibernates_by_itself() {
    let mut rig = Rig::start(&[("HEARTBEAT_SECS", "1")]).await;
    let mut readers = [lobby(&rig.client).await, lobby(&rig.client).await];
    let first = rig.client.say("lobby", "one").await;
    let second = rig.client.say("lobby", "two").await;
    let mut said = vec![first, second];
    // A machine that does much else may be late with it.
    for _ in 0..TRIES {
        sleep(IDLE).await;
        assert_eq!(rig.instances(LOBBY).await, 1, "it was not woken");
        said.push(rig.client.say("lobby", "more").await);
        if rig.instances(LOBBY).await == 2 {
            break;
        }
    }
    assert_eq!(rig.instances(LOBBY).await, 2, "it was evicted");
    for reader in &mut readers {
        for id in &said {
            hears(reader, *id).await;
        }
    }
}

/// What can take a channel away.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Evict,
    Crash,
}

#[tokio::test]
async fn a_restart_of_the_channel_goes_unnoticed() {
    let mut rig = Rig::start(&[POST_RATE, POST_BURST]).await;
    let mut reader = lobby(&rig.client).await;
    let mut expected = rig.client.say("lobby", "first").await;
    hears(&mut reader, expected).await;
    for round in 0..10 {
        let fault = if round % 2 == 0 { Fault::Evict } else { Fault::Crash };
        let before = rig.instances(LOBBY).await;
        let (back, is_back) = oneshot::channel();
        let talk = tokio::spawn(talk(rig.client.clone(), is_back));
        sleep(Duration::from_millis(3 * round)).await;
        // One that is answering just now is not evicted.
        while rig.instances(LOBBY).await == before {
            match fault {
                Fault::Evict => rig.evict(LOBBY, Sockets::Close).await,
                Fault::Crash => rig.crash(LOBBY).await,
            }
            sleep(Duration::from_millis(10)).await;
        }
        back.send(()).unwrap();
        let last = talk.await.unwrap();
        while expected < last {
            expected += 1;
            hears(&mut reader, expected).await;
        }
    }
    assert_eq!(reader.text().matches("event:").count(), 1, "{}", reader.text());
    rig.settle(LOBBY, 1, 1).await;
}

/// Every subscription is a request to the object, of which the platform allows one stream only so many.
#[tokio::test]
async fn a_stream_whose_channel_breaks_again_and_again_ends_by_plan() {
    let mut rig = Rig::start(&[]).await;
    let mut reader = lobby(&rig.client).await;
    let (heard, end) = loop {
        rig.crash(LOBBY).await;
        match reader.next(Duration::from_millis(150)).await {
            Err(End::Silent) => {}
            Ok(heard) => break (heard, reader.next(PATIENCE).await.err()),
            Err(end) => panic!("{end:?}"),
        }
        let objects = rig.instances(LOBBY).await;
        assert!(objects <= 2 * u64::from(STREAM_QUESTIONS), "it comes back for ever: {objects} objects");
    };
    let Decoded::Retry(retry) = heard.said else { panic!("{heard:?}") };
    assert!(ROTATE_RETRY_MS.contains(&u64::try_from(retry.as_millis()).unwrap()), "{retry:?}");
    assert_eq!(end, Some(End::Ended));
    rig.settle(LOBBY, 0, 0).await;
    lobby(&rig.client).await;
}

/// Says something before, while and after the channel is away; answers the last id.
async fn talk(client: Client, mut is_back: oneshot::Receiver<()>) -> u64 {
    let mut last = 0;
    let mut after = 0;
    while after < 10 {
        after += u32::from(is_back.is_terminated() || is_back.try_recv().is_ok());
        // A crash may answer 503: a text may be stored twice, but no id is left out.
        last = client.insist("lobby", "hi").await;
    }
    last
}

/// The Worker gives up on a channel after ten seconds; what the channel answers later is not to stay in the room.
#[tokio::test]
async fn an_answer_that_comes_too_late_leaves_no_ghost() {
    let mut rig = Rig::start(&[]).await;
    let mut reader = lobby(&rig.client).await;
    rig.stall(LOBBY, Duration::from_millis(10_700)).await;
    rig.evict(LOBBY, Sockets::Close).await;
    sleep(Duration::from_millis(11_500)).await;
    let id = rig.client.say("lobby", "late").await;
    hears(&mut reader, id).await;
    rig.settle(LOBBY, 1, 1).await;
}

#[tokio::test]
async fn a_server_that_is_restarted_goes_on() {
    // The first is a stop, the second a power cut.
    const RESTARTS: usize = 2;
    let mut host = Host::worker(&[]).await;
    let mut said = vec![host.client.say("lobby", "0").await];
    let cursor = said[0].to_string();
    for n in 1..=RESTARTS {
        let mut reader = EventSource::new(&host.client, "/api/chat/lobby");
        said.push(host.client.say("lobby", &n.to_string()).await);
        while reader.last_event_id() != said[n].to_string() {
            reader.next(PATIENCE).await.expect("what was said");
        }
        let state = host.state();
        if n == 1 {
            host.stop()
        } else {
            host.kill()
        }
        host = Host::worker_with(&[], &state).await;
        let mut resumed = host.client.open("/api/chat/lobby", &[("Last-Event-ID", cursor.as_str())]).await;
        assert_eq!(resumed.message().await.event, "cursor");
        for id in &said[1..] {
            hears(&mut resumed, *id).await;
        }
    }
    assert!(said.is_sorted_by_key(|id| *id) && said[RESTARTS] - said[0] == RESTARTS as u64, "{said:?}");
}

/// As after a deployment, when an isolate of the Worker before talks to an object of the one after.
#[tokio::test]
async fn versions_that_do_not_understand_each_other_end_cleanly() {
    let mut rig = Rig::start(&[]).await;
    let mut reader = lobby(&rig.client).await;
    let first = rig.client.say("lobby", "one").await;
    hears(&mut reader, first).await;

    rig.differ("commands").await;
    let post = rig.client.post_json("/api/chat/lobby", r#"{"user":"ada","text":"two"}"#).await;
    assert_eq!((post.status, post.header("Retry-After")), (503, "2"), "{post:?}");
    let (said, end) = rig.client.open("/api/chat/lobby", &[]).await.rest(PATIENCE).await;
    assert!(
        matches!(said[..], [Heard { said: Decoded::Retry(retry), .. }] if retry >= Duration::from_secs(10))
    );
    assert_eq!(end, End::Ended);
    rig.differ("none").await;
    assert_eq!(rig.entries(LOBBY).await, 1, "what was not understood was not stored");

    // A channel that says something else to a stream that is open.
    rig.differ("messages").await;
    let second = rig.client.say("lobby", "two").await;
    let (said, end) = reader.rest(PATIENCE).await;
    assert!(
        matches!(said[..], [Heard { said: Decoded::Retry(retry), .. }] if retry <= Duration::from_secs(1))
    );
    assert_eq!(end, End::Ended, "at once, and not a byte of it is passed on");
    rig.differ("none").await;
    let cursor = first.to_string();
    let mut back = rig.client.open("/api/chat/lobby", &[("Last-Event-ID", &*cursor)]).await;
    assert_eq!(back.message().await.event, "cursor");
    hears(&mut back, second).await;
}
