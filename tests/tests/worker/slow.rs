//! Readers that do not take what they are sent, in real workerd. The kernel and the server in front hold some
//! megabytes for each of them before the Worker notices, hence the large messages.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use futures::future::join_all;
use ssedge::limits::STANDSTILL;
use ssedge::sse::Decoded;
use ssedge_tests::client::{Client, End, Heard, PATIENCE, Stream};
use ssedge_tests::host::{Host, POST_BURST, POST_RATE, Rig, heavy};
use tokio::time::{Instant, sleep};

/// Posts that are under way at once.
const ABREAST: usize = 16;
/// Messages of the largest size, 8 KB, that are said at most to a reader that stands still.
const ENOUGH: usize = 4_000;
/// How late a message may be on a machine that does much else. If a reader had to wait for one that stands still, then
/// until a heartbeat, at the soonest: after a minute.
const UNDISTURBED: Duration = Duration::from_secs(30);

/// Says so many of the largest messages; answers the last id.
async fn say(client: &Client, messages: usize) -> u64 {
    let text = "𝄞".repeat(ssedge::feeds::chat::TEXT_CHARS);
    let mut last = 0;
    for from in (0..messages).step_by(ABREAST) {
        let abreast = (from..messages).take(ABREAST).map(|_| client.say("lobby", &text));
        last = join_all(abreast).await.into_iter().max().expect("somebody spoke");
    }
    last
}

fn ids(heard: &[Heard]) -> Vec<u64> {
    let id = |heard: &Heard| match &heard.said {
        _ if heard.is_heartbeat => None,
        Decoded::Message(message) if message.event == "message" => message.last_event_id.parse().ok(),
        Decoded::Message(message) => panic!("{message:?}"),
        _ => None,
    };
    heard.iter().filter_map(id).collect()
}

fn assert_run(ids: &[u64], first: u64, last: u64) {
    let expected: Vec<u64> = (first..=last).collect();
    assert_eq!((ids.len(), ids.first(), ids.last()), (expected.len(), Some(&first), Some(&last)));
    assert!(ids == expected, "in order, each once");
}

/// A reader of the lobby that comes back with its cursor, which is after `cursor` at first.
async fn open(client: &Client, cursor: &str) -> Stream {
    let mut reader = client.open("/api/chat/lobby", &[("Last-Event-ID", cursor)]).await;
    assert_eq!(reader.message().await.event, "cursor");
    reader
}

/// The next `n` messages, with a pause after every `pace` of them. A stream asks its channel only so often, so a reader
/// that is far behind comes back some times.
async fn stroll(client: &Client, reader: &mut Stream, n: usize, pace: usize) -> Vec<u64> {
    let mut ids = Vec::new();
    while ids.len() < n {
        match reader.next_message(PATIENCE).await {
            Ok(message) => ids.push(message.last_event_id.parse().unwrap()),
            Err(end) => {
                assert_eq!(end, End::Ended);
                assert!(reader.raw().ends_with(b"\n\n"), "the end is at the boundary of an event");
                *reader = open(client, reader.cursor()).await;
            }
        }
        if ids.len().is_multiple_of(pace) {
            sleep(Duration::from_millis(15)).await;
        }
    }
    ids
}

/// Whether the sender may have one more stream.
async fn has_room(client: &Client) -> bool {
    let said = client.open("/api/stock", &[]).await.next(PATIENCE).await.unwrap().said;
    !matches!(said, Decoded::Retry(retry) if retry >= Duration::from_secs(10))
}

#[tokio::test]
async fn a_reader_that_stands_still_is_ended_and_comes_back_to_all_of_it() {
    let turn = heavy().await;
    let vars = [
        ("HISTORY_MAX", "10000"),
        ("HEARTBEAT_SECS", "60"),
        ("STREAMS_PER_SENDER", "3"),
        ("LOG_LEVEL", "info"),
        POST_RATE,
        POST_BURST,
    ];
    let host = Host::worker(&vars).await;
    let too_slow = || host.log().matches("the reader did not take its bytes").count();
    let first = say(&host.client, 1).await;
    let cursor = first.to_string();
    let client = host.client.clone();
    let mut slow = open(&client, &cursor).await;
    let slowest = open(&client, &cursor).await;
    let mut other = open(&client, &cursor).await;
    let (mut last, mut lag, mut said) = (first, Duration::ZERO, 0);
    while too_slow() < 2 {
        assert!(said < ENOUGH, "a reader that takes nothing is still sent more: {}", host.log());
        last = say(&host.client, ABREAST).await;
        let stored = Instant::now();
        let heard = other.plain(ABREAST).await;
        assert_eq!(
            heard.last().unwrap().last_event_id,
            last.to_string(),
            "the other reader is not disturbed"
        );
        lag = lag.max(stored.elapsed());
        said += ABREAST;
    }
    println!("ended after {said} messages; the other reader got each at most {lag:?} after it was stored");
    assert!(lag < UNDISTURBED, "{lag:?}");
    assert!(!has_room(&client).await, "what was sent to the two takes room until they have it");

    let (heard, end) = slow.rest(PATIENCE).await;
    assert_eq!(end, End::Ended);
    assert!(slow.raw().ends_with(b"\n\n"), "the end is at the boundary of an event");
    let seen = ids(&heard);
    let cut = *seen.last().unwrap();
    assert_eq!(slow.cursor(), cut.to_string());
    assert_run(&seen, first + 1, cut);
    assert!(cut < last, "{cut} {last}");

    let mut back = open(&client, slow.cursor()).await;
    let missed = usize::try_from(last - cut).unwrap();
    assert_run(&stroll(&client, &mut back, missed, missed).await, cut + 1, last);

    drop(turn);
    assert!(!has_room(&client).await, "one of the two has taken nothing");
    let ended = Instant::now();
    while !has_room(&client).await {
        assert!(ended.elapsed() < 3 * STANDSTILL, "a reader that takes nothing keeps its room for ever");
        sleep(Duration::from_secs(1)).await;
    }
    println!("the one that took nothing gave its room back after {:?}", ended.elapsed());
    drop(slowest);
}

#[tokio::test]
async fn a_reader_that_is_far_behind_catches_up_at_its_own_pace() {
    const KEPT: usize = 1_000;
    const LIVE: usize = 40;
    let _turn = heavy().await;
    let mut rig = Rig::start(&[("HISTORY_MAX", "1500"), POST_RATE, POST_BURST]).await;
    let first = say(&rig.client, 1).await;
    let last = say(&rig.client, KEPT).await;
    let cursor = first.to_string();
    let mut reader = open(&rig.client, &cursor).await;
    // Nothing is taken, then little by little, and the room goes on meanwhile.
    sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    let mut seen = stroll(&rig.client, &mut reader, KEPT / 2, 20).await;
    let live = say(&rig.client, LIVE).await;
    assert_eq!(live, last + LIVE as u64);
    seen.extend(stroll(&rig.client, &mut reader, KEPT / 2 + LIVE, 20).await);
    println!("{} messages in {:?}", seen.len(), started.elapsed());
    assert_run(&seen, first + 1, live);
    assert_eq!(reader.next(Duration::from_millis(300)).await.err(), Some(End::Silent));
    rig.settle("chat/lobby", 1, 1).await;
}

/// A page and a message of the socket are as large as what is said, and are not for wasm to read.
#[tokio::test]
async fn what_a_channel_sends_is_passed_on_without_a_copy() {
    const BEHIND: usize = 30;
    let mut rig = Rig::start(&[POST_RATE, POST_BURST]).await;
    let first = say(&rig.client, 1).await;
    let last = say(&rig.client, BEHIND).await;
    let mut reader = open(&rig.client, &first.to_string()).await;
    assert_eq!(reader.plain(BEHIND).await.last().unwrap().last_event_id, last.to_string());
    say(&rig.client, 1).await;
    reader.plain(1).await;
    let (passed, copied) = rig.chunks().await;
    assert!(passed >= 4, "pages, the rest of them, and a message: {passed}");
    assert_eq!(copied, 0);
}

/// Quotes by the clock are too few to fill what lies between, so this one stands still over a long history.
#[tokio::test]
async fn a_reader_of_quotes_that_stands_still_gets_every_tick_of_its_history() {
    const TICKS: usize = 600;
    const SYMBOLS: usize = 100;
    let names: Vec<String> = (0..SYMBOLS).map(|n| format!("SYM{n}")).collect();
    let symbols = names.join(",");
    let _turn = heavy().await;
    let host = Host::worker(&[("STOCK_SYMBOLS", symbols.as_str())]).await;
    let mut reader = host.client.open(&format!("/api/stock?history={TICKS}"), &[]).await;
    sleep(Duration::from_secs(2)).await;
    let start: u64 = reader.message().await.last_event_id.parse().unwrap();
    for tick in 1..=TICKS as u64 + 3 {
        let quotes = reader.plain(names.len()).await;
        let (last, others) = quotes.split_last().unwrap();
        assert_eq!(last.last_event_id, (start + tick * 1_000).to_string());
        assert!(others.iter().all(|quote| quote.last_event_id == (start + (tick - 1) * 1_000).to_string()));
        assert!(!quotes.iter().any(|quote| quote.data.contains("skipped")));
    }
}
