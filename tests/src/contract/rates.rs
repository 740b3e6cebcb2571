//! Access: how fast a sender may post to a channel. The settings are a post a second, and three at once.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use ssedge::limits::{NEW_CHANNELS, NEW_CHANNELS_SPAN};
use tokio::time::Instant;

use super::tokens::JSON;
use super::{Case, Context, problem};
use crate::client::{Answer, Client, TRIES};
use crate::token::token;

pub(super) const CASES: &[Case] = cases! {
    "Access", "over POST_BURST at once and POST_RATE a second, 429 with Retry-After, which is true" => recovers;
    "Access", "a post that is refused is not stored and costs nothing" => refused_costs_nothing;
    "Access", "a post that is no good, or may not be, costs nothing" => bad_costs_nothing;
    "Access", "each room has a bucket of its own, and so have events and stock" => by_channel;
    "Access", "each address has a bucket of its own" => by_address;
    "Access", "a sub is one sender, wherever it posts from" => by_sub;
    "Access", "over 300 new rooms an hour of one sender, 429 with Retry-After, and the rooms that are there go on" => by_new_rooms;
};

/// POST_BURST and the time of one post at POST_RATE.
pub(super) const BURST: usize = 3;
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// More than may be posted at once. In a local Lambda each is a process.
const MANY: usize = 3 * BURST;

pub(super) async fn hi(client: &Client, path: &str) -> Answer {
    client.post_json(path, r#"{"user":"ada","text":"hi"}"#).await
}

/// The seconds after which a refused post may come again.
fn retry_after(refused: &Answer) -> u64 {
    problem(refused, 429, None, &["1", "3"]);
    assert_eq!(refused.json()["type"], "urn:ssedge:problem:rate");
    let seconds = refused.header("Retry-After").parse().ok();
    seconds.unwrap_or_else(|| panic!("whole seconds: {refused:?}"))
}

/// Posts as often as is more than enough, all at once: how many were stored, which must be what the bucket held and
/// what has flowed into it since.
pub(super) async fn empty(client: &Client, path: &str) -> usize {
    let asked = Instant::now();
    let answers = join_all((0..MANY).map(|_| hi(client, path))).await;
    let stored = answers.iter().filter(|answer| answer.status == 201).count();
    let flowed = asked.elapsed().div_duration_f32(INTERVAL).ceil() as usize;
    assert!((BURST..=BURST + flowed).contains(&stored), "{stored} in {:?}", asked.elapsed());
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(retry_after(refused), 1, "the next one comes within a second: {refused:?}");
    }
    stored
}

async fn recovers(c: Context) {
    let (sender, room) = (c.client.from_address(11), format!("/api/chat/{}", c.room()));
    empty(&sender, &room).await;
    // What Retry-After says is enough, each time.
    for _ in 0..3 {
        c.sleep(INTERVAL).await;
        assert_eq!(hi(&sender, &room).await.status, 201);
    }
    // Silence fills it, and no fuller than it was.
    c.sleep((BURST as u32 + 2) * INTERVAL).await;
    empty(&sender, &room).await;
}

async fn refused_costs_nothing(c: Context) {
    let (sender, room) = (c.client.from_address(12), format!("/api/chat/{}", c.room()));
    let mut stored = empty(&sender, &room).await;
    // Many refusals do not push the next one away.
    stored +=
        join_all((0..MANY).map(|_| hi(&sender, &room))).await.iter().filter(|a| a.status == 201).count();
    c.sleep(INTERVAL).await;
    assert_eq!(hi(&sender, &room).await.status, 201);
    let kept = sender.get_json(&format!("{room}?history=200")).await.json();
    assert_eq!(kept["messages"].as_array().map(Vec::len), Some(stored + 1), "{kept}");
}

async fn bad_costs_nothing(c: Context) {
    let (sender, room) = (c.client.from_address(13), format!("/api/chat/{}", c.room()));
    let reader = sender.bearing(&token(json!({ "subscribe": ["*"] })));
    for _ in 0..2 * BURST {
        assert_eq!(sender.post_json(&room, r#"{"user":"ada","text":""}"#).await.status, 400);
        assert_eq!(sender.post_json(&room, "{").await.status, 400);
        assert_eq!(sender.post(&room, &[], "{}").await.status, 415);
        assert_eq!(sender.post_json(&room, &"x".repeat(40_000)).await.status, 413);
        assert_eq!(sender.post(&room, &[JSON, ("Idempotency-Key", "a b")], "{}").await.status, 400);
        assert_eq!(sender.bearing("x").post_json(&room, "{}").await.status, 401);
        assert_eq!(hi(&reader, &room).await.status, 403);
    }
    assert!(empty(&sender, &room).await >= BURST);
}

async fn by_channel(c: Context) {
    let sender = c.client.from_address(14);
    for _ in 0..3 {
        empty(&sender, &format!("/api/chat/{}", c.room())).await;
    }
    let publisher = sender.bearing(&token(json!({ "sub": "ada", "publish": ["*"] })));
    empty(&publisher, &format!("/api/chat/{}", c.room())).await;
    for (path, body) in
        [("/api/events", r#"{"topic":"rates","data":1}"#), ("/api/stock", r#"{"symbol":"ACME","price":1}"#)]
    {
        // On a machine that takes some seconds for them, the bucket fills meanwhile.
        let mut statuses = Vec::new();
        for _ in 0..TRIES {
            let answers = join_all((0..MANY).map(|_| publisher.post_json(path, body))).await;
            statuses.extend(answers.iter().map(|answer| answer.status));
            if statuses.contains(&429) {
                break;
            }
        }
        let stored = statuses.iter().filter(|status| **status == 201).count();
        assert!(stored >= BURST && statuses.contains(&429), "{path}: {statuses:?}");
    }
}

async fn by_address(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    for address in 20..23 {
        empty(&c.client.from_address(address), &room).await;
    }
}

async fn by_sub(c: Context) {
    let room = format!("/api/chat/{}", c.room());
    let holder = |address: u8, sub: &str| {
        let claims = token(json!({ "sub": sub, "publish": ["chat/*"] }));
        c.client.from_address(address).bearing(&claims)
    };
    let say = async |client: &Client| client.post_json(&room, r#"{"text":"hi"}"#).await.status;
    let senders = [holder(24, "one"), holder(25, "one"), holder(26, "one")];
    let asked = Instant::now();
    let statuses = join_all((0..MANY).map(|n| say(&senders[n % senders.len()]))).await;
    let stored = statuses.iter().filter(|status| **status == 201).count();
    let flowed = asked.elapsed().div_duration_f32(INTERVAL).ceil() as usize;
    assert!((BURST..=BURST + flowed).contains(&stored), "one sub of three addresses: {statuses:?}");
    // Another sub of the same address, and that address without a sub.
    assert_eq!(say(&holder(24, "two")).await, 201);
    assert_eq!(hi(&c.client.from_address(24), &room).await.status, 201);
    // Nobody else is taken for a sub of the same letters as an address.
    assert_eq!(say(&holder(27, "127.0.0.24")).await, 201);
}

async fn by_new_rooms(c: Context) {
    const MOST: usize = NEW_CHANNELS as usize;
    const ABREAST: usize = 10;
    let sender = c.sender(54);
    let room = |n: usize| format!("/api/chat/new-{}-{n}", c.tries);
    let asked = Instant::now();
    let mut answers = Vec::new();
    while answers.len() < MOST + 2 * ABREAST {
        let rooms: Vec<_> = (answers.len()..).take(ABREAST).map(room).collect();
        answers.extend(join_all(rooms.iter().map(|room| hi(&sender, room))).await);
    }
    let (begun, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    let flowed = asked.elapsed().div_duration_f32(NEW_CHANNELS_SPAN / NEW_CHANNELS as u32).ceil() as usize;
    assert!((MOST..=MOST + flowed).contains(&begun.len()), "{} in {:?}", begun.len(), asked.elapsed());
    for refused in &refused {
        problem(refused, 429, None, &["300", "an hour"]);
        assert_eq!(refused.json()["type"], "urn:ssedge:problem:channels");
        let retry_after: u64 = refused.header("Retry-After").parse().expect("whole seconds");
        assert!((1..=12).contains(&retry_after), "{refused:?}");
    }
    assert!(!refused.is_empty(), "all are begun after {:?}", asked.elapsed());
    assert_eq!(hi(&sender, &room(0)).await.status, 201, "a room that is there");
    let holder = sender.bearing(&token(json!({ "sub": "new", "publish": ["chat/*"] })));
    let of_sub = holder.post_json(&room(answers.len()), r#"{"text":"hi"}"#).await;
    assert_eq!(of_sub.status, 201, "{of_sub:?}");
    assert_eq!(hi(&c.client.from_address(15), &room(answers.len() + 1)).await.status, 201, "another sender");
}
