//! Streams: heartbeats of a second, and streams that end by plan.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Case, Context, cursor_block, first_block, numbers, texts};
use crate::client::{End, EventSource, PATIENCE, Stream, TRIES};

pub(super) const CASES: &[Case] = cases! {
    "Streams", "a stream ends after STREAM_SECS at a boundary, after retry: 100–1000" => ends_at_a_boundary;
    "Streams", "its client comes back and misses nothing" => comes_back;
    "Streams", "its client comes back to the market and misses no tick" => comes_back_to_the_market;
};

/// Statements about heartbeats of a second.
pub(super) const LIVELY: &[Case] = cases! {
    "Streams", "after HEARTBEAT_SECS of silence, the cursor again" => heartbeats;
    "Streams", "ticks are no silence" => ticks_are_no_silence;
};

const LIFE: Duration = Duration::from_secs(3);

/// The number of the `retry` that must be the last block of an ended stream.
fn farewell(stream: &Stream, end: &End) -> u64 {
    assert_eq!(*end, End::Ended, "{:?}", stream.text());
    let text = stream.text();
    let last = text.strip_suffix("\n\n").and_then(|text| text.rsplit("\n\n").next()).unwrap_or_default();
    let retry = last.strip_prefix("retry: ").and_then(|ms| ms.parse().ok());
    let retry = retry.unwrap_or_else(|| panic!("the last block is {last:?}"));
    assert!((100..=1_000).contains(&retry), "retry: {retry}");
    retry
}

async fn heartbeats(c: Context) {
    let mut silences = Vec::new();
    for _ in 0..TRIES {
        let room = c.room();
        let mut stream = c.client.open(&format!("/api/chat/{room}"), &[]).await;
        let (retry, _) = first_block(&mut stream).await;
        assert!((50..=150).contains(&retry), "RETRY_MS is 100, and retry {retry}");
        c.sleep(Duration::from_millis(600)).await;
        c.client.say(&room, "hi").await;
        let id = stream.message().await.last_event_id;
        let said = Instant::now();
        let heartbeat = c.idle(stream.next(PATIENCE)).await.expect("the stream says something");
        assert!(heartbeat.is_heartbeat, "{heartbeat:?}");
        let last = cursor_block(&id, 1);
        assert!(stream.text().ends_with(&format!("}}\n\n{last}")), "{:?}", stream.text());
        let silence = heartbeat.at - said;
        silences.push(silence);
        // Had the message been no news, 400 ms would have been left. A test that is held up hears one of the two late.
        if (600..1_900).contains(&silence.as_millis()) {
            return;
        }
    }
    panic!("a heartbeat comes after a second of silence: {silences:?}");
}

async fn ticks_are_no_silence(c: Context) {
    let mut heartbeats = usize::MAX;
    // A host that is held up for half a second is silent for as long.
    for _ in 0..TRIES {
        let mut stream = c.client.open("/api/events?tick=500", &[]).await;
        let (all, _) = c.idle(stream.rest(Duration::from_secs(5))).await;
        heartbeats = all.iter().filter(|heard| heard.is_heartbeat).count();
        if heartbeats == 0 {
            return;
        }
    }
    panic!("{heartbeats} heartbeats between ticks");
}

async fn ends_at_a_boundary(c: Context) {
    /// How late the end may be.
    const LATE: Duration = Duration::from_secs(2);
    const ROUNDS: u32 = 2;
    let mut retries = Vec::new();
    let mut shortest = BTreeMap::new();
    let is_late = |shortest: &BTreeMap<_, Duration>| shortest.values().any(|life| *life > LIFE + LATE);
    for round in 0..TRIES {
        if round >= ROUNDS && !is_late(&shortest) {
            break;
        }
        let mut open = Vec::new();
        for path in ["/api/events?tick=250", "/api/stock?interval=250", "/api/chat", "/api/events?tick=off"] {
            let asked = Instant::now();
            open.push((path, c.client.open(path, &[]).await, asked, Instant::now()));
        }
        for (path, mut stream, asked, opened) in open {
            let ((_, end), ended) = c.idle(async { (stream.rest(PATIENCE).await, Instant::now()) }).await;
            // It begins somewhere between the two; clocks of two processes may differ by a little.
            let (most, least) = (ended - asked, ended - opened);
            assert!(most >= LIFE - Duration::from_millis(50), "{path} lived for {most:?}, round {round}");
            let shortest = shortest.entry(path).or_insert(least);
            *shortest = least.min(*shortest);
            retries.push(farewell(&stream, &end));
            for block in stream.text().split_terminator("\n\n") {
                let whole = ["retry: ", "data: {", "id: "].iter().any(|start| block.starts_with(start));
                let data = block.lines().find_map(|line| line.strip_prefix("data: "));
                let is_json = data.is_none_or(|data| serde_json::from_str::<serde_json::Value>(data).is_ok());
                assert!(whole && is_json, "{path}: {block:?}");
            }
        }
    }
    assert!(!is_late(&shortest), "they live for longer than {LIFE:?}: {shortest:?}");
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 3, "not drawn for each: {retries:?}");
}

async fn comes_back(c: Context) {
    /// Streams over which messages are heard.
    const STREAMS: usize = 3;
    let room = c.room();
    let mut source = EventSource::new(&c.client, &format!("/api/chat/{room}"));
    assert_eq!(source.next(PATIENCE).await.map(|message| message.event).as_deref(), Some("cursor"));
    let (stop, mut is_over) = tokio::sync::oneshot::channel();
    let client = c.client.clone();
    let writer = tokio::spawn(async move {
        let mut said = 0;
        while is_over.try_recv().is_err() {
            said += 1;
            client.say(&room, &said.to_string()).await;
            sleep(Duration::from_millis(100)).await;
        }
        said
    });
    let mut heard = Vec::new();
    let mut hear = async |source: &mut EventSource| {
        let message = source.next(PATIENCE).await.unwrap_or_else(|| panic!("after {heard:?}"));
        assert_ne!(message.event, "gap", "{message:?}");
        if message.event == "message" {
            heard.extend(texts([message.data]));
        }
        heard.len() as u64
    };
    let said = c.idle(async {
        let mut count = 0;
        while source.connects() < STREAMS {
            count = hear(&mut source).await;
        }
        stop.send(()).expect("the writer writes");
        let said = writer.await.expect("the writer writes");
        while count < said {
            count = hear(&mut source).await;
        }
        said
    });
    let said = said.await;
    assert_eq!(heard, numbers(1, said));
}

async fn comes_back_to_the_market(c: Context) {
    let mut source = EventSource::new(&c.client, "/api/stock?symbols=ACME&interval=250");
    let mut ticks: Vec<u64> = Vec::new();
    let reading = async {
        while source.connects() < 3 || ticks.len() < 24 {
            let message = source.next(PATIENCE).await.unwrap_or_else(|| panic!("after {ticks:?}"));
            if message.event == "message" {
                ticks.push(message.last_event_id.parse().expect("an id is a number"));
            }
        }
    };
    c.idle(reading).await;
    assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 250), "{ticks:?}");
}
