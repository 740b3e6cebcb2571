//! Chat rooms: the same post twice, by its Idempotency-Key.

use futures::future::join_all;
use serde_json::json;

use super::rates::{BURST, INTERVAL, hi};
use super::retention::EXPIRED;
use super::tokens::JSON;
use super::{Case, Context, numbers, problem, texts};
use crate::client::{Answer, Client};
use crate::token::{grants, token};

pub(super) const CASES: &[Case] = cases! {
    "Chat rooms", "the same key is 200, the first message and Idempotent-Replayed, and stores nothing" => replayed;
    "Chat rooms", "the same key with another body is 422" => another_body;
    "Chat rooms", "what says the same is the same body, however it is written" => same_body;
    "Chat rooms", "a key of another sender, or for another room, is another key" => others;
    "Chat rooms", "the same sub is the same sender, wherever it posts from" => same_sub;
    "Chat rooms", "Idempotency-Key is 1–64 visible ASCII" => keys;
    "Chat rooms", "the same key twenty times at once stores one message" => at_once;
    "Ticks and notifications", "a notification has its key, too" => notification;
    "Quotes", "a quote has its key, too" => quote;
};

pub(super) const RATES: &[Case] = cases! {
    "Chat rooms", "a key whose first message was refused with 429 is good for another try" => refused_first;
    "Access", "a replay is never too fast" => replay_costs_nothing;
};

pub(super) const FEW: &[Case] = cases! {
    "Chat rooms", "a key is remembered when its message is no longer kept" => outlives_its_message;
};

pub(super) const BRIEF: &[Case] = cases! {
    "Chat rooms", "a key is remembered when all that the channel had has expired" => outlives_its_run;
};

const KEY: &str = "Idempotency-Key";

async fn post(client: &Client, path: &str, key: &str, body: &str) -> Answer {
    client.post(path, &[JSON, (KEY, key)], body).await
}

/// Says `text` in the room at `path`, by this key.
async fn say(client: &Client, path: &str, key: &str, text: &str) -> Answer {
    post(client, path, key, &json!({ "user": "ada", "text": text }).to_string()).await
}

/// It must be this first answer, told once more.
#[track_caller]
fn is_replay(again: &Answer, first: &Answer) {
    assert_eq!((first.status, first.header("Idempotent-Replayed")), (201, ""), "{first:?}");
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (200, "true"), "{again:?}");
    assert_eq!(again.text, first.text);
    for name in ["Content-Type", "Location"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
}

#[track_caller]
fn is_reused(answer: &Answer) {
    problem(answer, 422, Some(KEY), &[KEY]);
    assert_eq!(answer.json()["type"], "urn:ssedge:problem:idempotency");
}

async fn said(c: &Context, path: &str) -> Vec<String> {
    let snapshot = c.client.get_json(&format!("{path}?history=200")).await.json();
    texts(snapshot["messages"].as_array().expect("messages").iter().map(ToString::to_string))
}

async fn replayed(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let first = say(&c.client, &path, "k", "1").await;
    let second = say(&c.client, &path, "l", "2").await;
    for _ in 0..3 {
        is_replay(&say(&c.client, &path, "k", "1").await, &first);
        is_replay(&say(&c.client, &path, "l", "2").await, &second);
    }
    // Without a key the same is said again.
    for _ in 0..2 {
        let again = c.client.post_json(&path, r#"{"user":"ada","text":"1"}"#).await;
        assert_eq!((again.status, again.header("Idempotent-Replayed")), (201, ""), "{again:?}");
    }
    assert_eq!(said(&c, &path).await, ["1", "2", "1", "1"]);
}

async fn another_body(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let first = say(&c.client, &path, "k", "1").await;
    is_reused(&say(&c.client, &path, "k", "2").await);
    is_reused(&post(&c.client, &path, "k", r#"{"user":"eve","text":"1"}"#).await);
    is_replay(&say(&c.client, &path, "k", "1").await, &first);
    // A body that is none is told as such, whatever its key.
    problem(&post(&c.client, &path, "k", "{").await, 400, None, &["JSON"]);
    assert_eq!(said(&c, &path).await, ["1"]);
}

async fn same_body(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let first = say(&c.client, &path, "k", "é").await;
    for body in [
        r#"{"text":"é","user":"ada"}"#,
        "{ \"user\" : \"ada\",\r\n\t\"text\" : \"\\u00e9\" }",
        r#"{"user":" ada","text":"é\n","colour":"red"}"#,
    ] {
        is_replay(&post(&c.client, &path, "k", body).await, &first);
    }
    assert_eq!(said(&c, &path).await, ["é"]);
}

async fn others(c: Context) {
    let (path, elsewhere) = (format!("/api/chat/{}", c.room()), format!("/api/chat/{}", c.room()));
    let holder = |sub: &str| c.client.bearing(&token(json!({ "sub": sub, "publish": ["*"] })));
    let nameless = c.client.bearing(&grants(&[], &["*"]));
    let first = say(&c.client, &path, "k", "1").await;
    for (client, path, body) in [
        (&c.client, &elsewhere, r#"{"user":"ada","text":"1"}"#),
        (&c.client.from_address(30), &path, r#"{"user":"ada","text":"1"}"#),
        (&c.client.from_address(31), &path, r#"{"user":"ada","text":"another"}"#),
        (&holder("ada"), &path, r#"{"text":"1"}"#),
        (&holder("eve"), &path, r#"{"text":"2"}"#),
    ] {
        let answer = post(client, path, "k", body).await;
        assert_eq!((answer.status, answer.header("Idempotent-Replayed")), (201, ""), "{body}: {answer:?}");
        is_replay(&post(client, path, "k", body).await, &answer);
    }
    // A token without a name is its address; so is nobody.
    is_replay(&say(&nameless, &path, "k", "1").await, &first);
    assert_eq!(say(&c.client, &path, "K", "1").await.status, 201, "a key has upper and lower case");
}

async fn same_sub(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let at = |address, exp: u64| {
        let claims = token(json!({ "sub": "ada", "publish": ["*"], "exp": crate::token::now() + exp }));
        c.client.from_address(address).bearing(&claims)
    };
    let first = say(&at(32, 60), &path, "k", "1").await;
    is_replay(&say(&at(33, 120), &path, "k", "1").await, &first);
}

async fn keys(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let longest = "k".repeat(64);
    let visible: String = ('!'..='~').collect();
    for key in ["k", "5a0f3d6e-5a6c-4f39-9a44-7d0c8a5c3c11", &longest, &visible[..64], &visible[30..]] {
        let first = say(&c.client, &path, key, "hi").await;
        assert_eq!(first.status, 201, "{key}: {first:?}");
        is_replay(&say(&c.client, &path, key, "hi").await, &first);
    }
    let too_long = "k".repeat(65);
    for key in ["", "a b", "a\tb", "é", "\u{2028}", "\u{ff}", &too_long, &"k".repeat(2_000)] {
        let answer = say(&c.client, &path, key, "hi").await;
        assert_eq!(answer.status, 400, "{key:?}: {answer:?}");
        problem(&answer, 400, Some(KEY), &["1", "64", "ASCII"]);
    }
}

async fn at_once(c: Context) {
    const TIMES: usize = 20;
    for round in 0..5 {
        let path = format!("/api/chat/{}", c.room());
        let key = format!("round-{round}");
        let answers = join_all((0..TIMES).map(|_| say(&c.client, &path, &key, "once"))).await;
        let (stored, again): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        let [stored] = stored[..] else { panic!("stored {} times: {answers:?}", stored.len()) };
        again.into_iter().for_each(|again| is_replay(again, stored));
        assert_eq!(said(&c, &path).await, ["once"]);
    }
}

async fn notification(c: Context) {
    let publisher = c.client.bearing(&grants(&[], &["events"]));
    let topic = c.room();
    let body = |data: &str| format!(r#"{{"topic":"{topic}","data":{data}}}"#);
    let first = post(&publisher, "/api/events", &topic, &body(r#"{"a":1.0,"b":[]}"#)).await;
    is_replay(&post(&publisher, "/api/events", &topic, &body(r#"{ "a": 1.0, "b": [ ] }"#)).await, &first);
    for other in [r#"{"a":1,"b":[]}"#, "null"] {
        is_reused(&post(&publisher, "/api/events", &topic, &body(other)).await);
    }
    let snapshot = c.client.get_json(&format!("/api/events?topics={topic}&history=100")).await.json();
    assert_eq!(snapshot["notifications"].as_array().map(Vec::len), Some(1), "{snapshot}");
}

async fn quote(c: Context) {
    let publisher = c.client.bearing(&grants(&[], &["stock"]));
    let body = |price: &str| format!(r#"{{"symbol":"KEYED","price":{price}}}"#);
    let first = post(&publisher, "/api/stock", "quote-1", &body("1.5")).await;
    is_replay(&post(&publisher, "/api/stock", "quote-1", &body("1.50")).await, &first);
    is_reused(&post(&publisher, "/api/stock", "quote-1", &body("1.51")).await);
    let second = post(&publisher, "/api/stock", "quote-2", &body("2")).await;
    assert_eq!(second.json()["change"], json!(0.5), "the replay was no quote: {second:?}");
    is_replay(&post(&publisher, "/api/stock", "quote-1", &body("1.5")).await, &first);
}

/// A key with which this was said too soon. A busy machine may be so slow that something is not.
async fn refused(sender: &Client, path: &str, text: &str) -> String {
    for key in (0..20).map(|n| format!("k{n}")) {
        join_all((0..2 * BURST).map(|_| hi(sender, path))).await;
        if say(sender, path, &key, text).await.status == 429 {
            return key;
        }
    }
    panic!("nothing is refused in {path}");
}

async fn refused_first(c: Context) {
    let sender = c.client.from_address(34);
    for (text, later) in [("the same", "the same"), ("a text", "another text")] {
        let path = format!("/api/chat/{}", c.room());
        let key = refused(&sender, &path, text).await;
        c.sleep(INTERVAL).await;
        let stored = say(&sender, &path, &key, later).await;
        is_replay(&say(&sender, &path, &key, later).await, &stored);
    }
}

async fn replay_costs_nothing(c: Context) {
    let (sender, path) = (c.client.from_address(35), format!("/api/chat/{}", c.room()));
    let first = say(&sender, &path, "first", "hi").await;
    refused(&sender, &path, "hi").await;
    for again in join_all((0..20).map(|_| say(&sender, &path, "first", "hi"))).await {
        is_replay(&again, &first);
    }
    is_reused(&say(&sender, &path, "first", "another").await);
    c.sleep(INTERVAL).await;
    assert_eq!(hi(&sender, &path).await.status, 201, "nothing was taken");
}

async fn outlives_its_run(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let first = say(&c.client, &path, "k", "1").await;
    c.sleep(EXPIRED).await;
    assert!(said(&c, &path).await.is_empty(), "everything has expired");
    is_replay(&say(&c.client, &path, "k", "1").await, &first);
    is_reused(&say(&c.client, &path, "k", "2").await);
    assert!(said(&c, &path).await.is_empty(), "a replay begins nothing");
    // Nor does it matter that the channel has begun anew.
    let next = say(&c.client, &path, "l", "2").await;
    is_replay(&say(&c.client, &path, "k", "1").await, &first);
    is_replay(&say(&c.client, &path, "l", "2").await, &next);
}

async fn outlives_its_message(c: Context) {
    let path = format!("/api/chat/{}", c.room());
    let first = say(&c.client, &path, "k", "0").await;
    for n in 1..=7 {
        say(&c.client, &path, &format!("k{n}"), &n.to_string()).await;
    }
    assert_eq!(c.client.get(first.header("Location"), &[]).await.status, 404, "it is no longer kept");
    is_replay(&say(&c.client, &path, "k", "0").await, &first);
    is_reused(&say(&c.client, &path, "k", "1").await);
    assert_eq!(said(&c, &path).await, numbers(3, 7));
}
