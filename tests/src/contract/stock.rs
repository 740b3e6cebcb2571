//! Quotes: quotes. The market that a host computes must be, byte for byte, the one that is computed here.

use std::time::{Duration, SystemTime};

use ssedge::feeds::stock::{DEFAULT_SYMBOLS, Symbol, market_tick};
use ssedge::time::UnixMillis;
use tokio::time::Instant;

use super::events::unix_ms;
use super::{Case, Context, first_block, first_gap, problem};
use crate::client::{End, Stream};

pub(super) const CASES: &[Case] = cases! {
    "Quotes", "an event per symbol and tick, the id on the last, bit for bit the computed market" => live;
    "Quotes", "history=600 comes at once" => history;
    "Quotes", "history is 0–600, interval 250–60000" => bounds;
    "Quotes", "symbols choose and are refused by name" => symbols;
    "Quotes", "a cursor is a tick time, and resumes exactly" => resume;
    "Quotes", "a cursor of another interval resumes, too" => other_interval;
    "Quotes", "a cursor over 600 ticks old is a gap" => too_old;
    "Quotes", "a cursor that is none, or from the future, is a gap and goes on live" => unknown;
    "Quotes", "price and change have at most two decimals, and a second moves no price by over 2 %" => prices;
    "Quotes", "publishing to the simulated market is 409" => publishing;
};

/// Milliseconds by which the clocks of two processes of a machine may differ, read at the same time.
const CLOCKS: u64 = 100;

pub(super) const PUBLISHED: &[Case] = cases! {
    "Quotes", "published: an empty channel, without quotes of its own" => published;
    "Quotes", "published: publishing needs a token" => published_needs_a_token;
    "Settings", "STOCK_SYMBOLS are those that are listed" => published_symbols;
};

/// Whether a host's clock may have had this tick between then and now, wherever in its interval it was.
pub(super) fn is_between(then: u64, time: u64) -> bool {
    const INTERVAL: u64 = 1_000;
    (then - INTERVAL - CLOCKS..=now() + CLOCKS).contains(&time)
}

pub(super) fn now() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970").as_millis();
    u64::try_from(now).expect("the time fits")
}

fn named(names: &[&str]) -> Vec<Symbol> {
    names.iter().map(|name| Symbol::new(name).expect("a test names a symbol")).collect()
}

/// Reads `ticks` ticks and compares every byte of the stream with the market from the tick after `after` on.
async fn compare(stream: &mut Stream, names: &[&str], after: u64, interval: u64, ticks: usize) {
    let symbols = named(names);
    stream.plain(ticks * symbols.len()).await;
    let text = stream.text();
    let (_, quotes) = text.split_once("\n\n").expect("a first block");
    let first = (after / interval + 1) * interval;
    let mut expected = Vec::new();
    for tick in 0..ticks as u64 {
        expected.extend_from_slice(&market_tick(&symbols, UnixMillis(first + tick * interval), 0));
    }
    // A last block may be there in part.
    let expected = String::from_utf8(expected).expect("quotes are text");
    assert!(quotes.starts_with(&expected), "{quotes:.600}\nis not\n{expected:.600}");
}

async fn live(c: Context) {
    let asked = now();
    let mut stream = c.client.open("/api/stock", &[]).await;
    let cursor: u64 = first_block(&mut stream).await.1.parse().expect("a tick time");
    assert!(cursor.is_multiple_of(1_000) && is_between(asked, cursor), "{cursor} since {asked}");
    compare(&mut stream, &DEFAULT_SYMBOLS, cursor, 1_000, 3).await;
    let mut blocks = stream.text();
    blocks = blocks.split_once("\n\n").expect("a first block").1.to_owned();
    let ids: Vec<_> = blocks.split_terminator("\n\n").map(|block| block.contains("id: ")).collect();
    let eighth = |(at, has_id): (usize, &bool)| *has_id == (at % 8 == 7);
    assert!(ids.iter().enumerate().all(eighth), "only the last of a tick has an id: {blocks}");

    let mut fast = c.client.open("/api/stock?interval=250&symbols=ACME", &[]).await;
    let cursor: u64 = first_block(&mut fast).await.1.parse().expect("a tick time");
    compare(&mut fast, &["ACME"], cursor, 250, 6).await;
}

async fn history(c: Context) {
    /// Much less than the 600 s, and the 600 min, in which as many ticks come by the clock.
    const AT_ONCE: Duration = Duration::from_secs(60);
    let (asked, asked_at) = (Instant::now(), now());
    let mut stream = c.client.open("/api/stock?history=600&symbols=GLBX", &[]).await;
    let cursor: u64 = first_block(&mut stream).await.1.parse().expect("a tick time");
    assert!(is_between(asked_at, cursor + 600_000), "{cursor} since {asked_at}");
    compare(&mut stream, &["GLBX"], cursor, 1_000, 600).await;

    let mut all = c.client.open("/api/stock?history=600&interval=60000", &[]).await;
    let cursor: u64 = first_block(&mut all).await.1.parse().expect("a tick time");
    compare(&mut all, &DEFAULT_SYMBOLS, cursor, 60_000, 600).await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
}

async fn bounds(c: Context) {
    for good in ["history=0", "history=600", "interval=250", "interval=60000"] {
        assert_eq!(c.client.open(&format!("/api/stock?{good}"), &[]).await.status, 200, "{good}");
    }
    let refuses = async |query: &str, field: &str, says: &[&str]| {
        problem(&c.client.get(&format!("/api/stock?{query}"), &[]).await, 400, Some(field), says);
    };
    for bad in ["601", "-1", "x", ""] {
        refuses(&format!("history={bad}"), "history", &["history", "0", "600"]).await;
    }
    for bad in ["249", "60001", "0", "off", "x", ""] {
        refuses(&format!("interval={bad}"), "interval", &["interval", "250", "60000"]).await;
    }
}

async fn symbols(c: Context) {
    let mut stream = c.client.open("/api/stock?symbols=ZORG,ACME&history=5", &[]).await;
    let cursor: u64 = first_block(&mut stream).await.1.parse().expect("a tick time");
    compare(&mut stream, &["ZORG", "ACME"], cursor, 1_000, 5).await;
    for bad in ["ACME,NOPE", "acme", "", "ACME,,GLBX", "%0A"] {
        let answer = c.client.get(&format!("/api/stock?symbols={bad}"), &[]).await;
        problem(&answer, 400, Some("symbols"), &["symbols", "ACME", "ZORG"]);
    }
}

async fn resume(c: Context) {
    for ago in [3_000, 540_000] {
        let cursor = (now() / 1_000 * 1_000 - ago).to_string();
        let path = "/api/stock?symbols=ACME,INTK&history=7";
        let by_header = c.client.open(path, &[("Last-Event-ID", &cursor)]).await;
        let by_query = c.client.open(&format!("{path}&lastEventId={cursor}"), &[]).await;
        for mut stream in [by_header, by_query] {
            assert_eq!(first_block(&mut stream).await.1, cursor);
            let after = cursor.parse().expect("a tick time");
            compare(&mut stream, &["ACME", "INTK"], after, 1_000, ago as usize / 1_000 + 1).await;
        }
    }
}

async fn other_interval(c: Context) {
    let cursor = now() / 250 * 250 - 3_250;
    let path = format!("/api/stock?symbols=ACME&lastEventId={cursor}");
    let mut stream = c.client.open(&path, &[]).await;
    assert_eq!(first_block(&mut stream).await.1, cursor.to_string());
    compare(&mut stream, &["ACME"], cursor, 1_000, 3).await;
}

async fn too_old(c: Context) {
    let asked = now();
    let cursor = (asked - 605_000).to_string();
    let mut stream = c.client.open("/api/stock?symbols=ACME", &[("Last-Event-ID", &cursor)]).await;
    let after: u64 = first_gap(&mut stream, "expired", &cursor).await.parse().expect("a tick time");
    assert!(is_between(asked, after + 600_000), "{after} since {asked}");
    compare(&mut stream, &["ACME"], after, 1_000, 600).await;
}

async fn unknown(c: Context) {
    for cursor in ["abc", "from the future"] {
        let asked = now();
        let future = (asked + 600_000).to_string();
        let cursor = if cursor == "abc" { cursor } else { &future };
        let mut stream = c.client.open("/api/stock?symbols=ACME", &[("Last-Event-ID", cursor)]).await;
        let after: u64 = first_gap(&mut stream, "unknown", cursor).await.parse().expect("a tick time");
        assert!(is_between(asked, after), "{after} since {asked}");
        compare(&mut stream, &["ACME"], after, 1_000, 1).await;
    }
}

async fn prices(c: Context) {
    let mut stream = c.client.open("/api/stock?symbols=TYRL&history=300", &[]).await;
    let mut before: Option<i64> = None;
    let mut moves = 0;
    for quote in stream.plain(300).await {
        let value: serde_json::Value = serde_json::from_str(&quote.data).expect("a quote is JSON");
        let keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["change", "price", "symbol", "time"]);
        assert_eq!(unix_ms(value["time"].as_str().expect("a time")).to_string(), quote.last_event_id);
        let cents = |name: &str| {
            let text = value[name].to_string();
            let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            assert!(decimals <= 2, "{text}");
            (text.parse::<f64>().expect("a number") * 100.0).round() as i64
        };
        let (price, _) = (cents("price"), cents("change"));
        assert!(price > 0, "{value}");
        if let Some(before) = before.replace(price) {
            assert!(((price - before) * 50).abs() <= before, "from {before} cents: {value}");
            moves += usize::from(price != before);
        }
    }
    assert!(moves > 150, "in most seconds: {moves} of 299");
}

async fn publishing(c: Context) {
    let answer = c.client.post_json("/api/stock", r#"{"symbol":"ACME","price":189.34}"#).await;
    problem(&answer, 409, None, &["simulated"]);
}

async fn published(c: Context) {
    let mut stream = c.client.open("/api/stock?history=10", &[]).await;
    assert_eq!(first_block(&mut stream).await.1, "0");
    assert_eq!(c.idle(stream.next(Duration::from_millis(2_200))).await.err(), Some(End::Silent));
    let snapshot = c.client.get_json("/api/stock").await;
    assert_eq!(snapshot.json()["quotes"], serde_json::json!([]));
}

async fn published_needs_a_token(c: Context) {
    let answer = c.client.post_json("/api/stock", r#"{"symbol":"ABC","price":189.34}"#).await;
    problem(&answer, 403, None, &["publish", "stock"]);
}

async fn published_symbols(c: Context) {
    assert_eq!(c.client.open("/api/stock?symbols=X.Y,ABC", &[]).await.status, 200);
    problem(&c.client.get("/api/stock?symbols=ACME", &[]).await, 400, Some("symbols"), &["ABC, X.Y"]);
}
