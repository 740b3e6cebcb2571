//! Ticks and notifications: ticks. Notifications need a token to be published.

use std::time::Duration;

use super::{Case, Context, first_block, problem};
use crate::client::{End, TRIES};

pub(super) const CASES: &[Case] = cases! {
    "Ticks and notifications", "a tick on whole multiples of the interval, without an id" => ticks;
    "Ticks and notifications", "the default interval is 1000" => default_interval;
    "Ticks and notifications", "tick=off is silent" => off;
    "Ticks and notifications", "tick is 250–60000 or off" => tick_bounds;
    "Ticks and notifications", "topics are at most 16" => topics;
    "Ticks and notifications", "history is 0–100" => history;
    "Ticks and notifications", "a topic alone still ticks, an unknown one is no error" => ticks_with_topics;
    "Ticks and notifications", "publishing needs a grant" => publishing;
};

/// The unix time in ms of `{"type":"tick","time":"2026-11-22T10:00:00.000Z"}`, which must be exactly that.
fn tick_time(data: &str) -> u64 {
    let time = data.strip_prefix(r#"{"type":"tick","time":""#).and_then(|rest| rest.strip_suffix("\"}"));
    let time = time.unwrap_or_else(|| panic!("no tick: {data}"));
    unix_ms(time)
}

/// Reads `2026-11-22T10:00:00.000Z`, and nothing else.
pub(super) fn unix_ms(time: &str) -> u64 {
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{time}");
    let number = |from: usize, to: usize| time[from..to].parse::<u64>().expect("digits are a number");
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Days of the civil calendar, in years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + number(11, 13)) * 60 + number(14, 16)) * 60 + number(17, 19);
    seconds * 1_000 + number(20, 23)
}

/// Times that are whole multiples of the interval, in order and without one twice. Whether most of them follow one
/// another: a busy machine may be late for one, which then does not come.
fn on_the_beat(times: &[u64], interval: u64) -> bool {
    assert!(times.iter().all(|time| time.is_multiple_of(interval)), "{times:?}");
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    let next = times.windows(2).filter(|pair| pair[1] == pair[0] + interval).count();
    2 * next >= times.len() - 1
}

async fn ticks(c: Context) {
    let check = async |interval: u64, n: usize| {
        let mut stream = c.client.open(&format!("/api/events?tick={interval}"), &[]).await;
        let (_, cursor) = first_block(&mut stream).await;
        let ticks = stream.plain(n).await;
        let times: Vec<_> = ticks.iter().map(|tick| tick_time(&tick.data)).collect();
        assert!(ticks.iter().all(|tick| tick.last_event_id == cursor), "the cursor stays: {ticks:?}");
        let text = stream.text();
        let mut blocks = text.split_terminator("\n\n").skip(1);
        assert!(blocks.all(|block| block.starts_with("data: ") && !block.contains('\n')), "{text:?}");
        on_the_beat(&times, interval)
    };
    for (interval, n) in [(250, 8), (700, 3)] {
        let mut tries = 0;
        while !check(interval, n).await {
            tries += 1;
            assert!(tries < TRIES, "most ticks of {interval} ms do not come");
        }
    }
}

async fn default_interval(c: Context) {
    let mut stream = c.client.open("/api/events", &[]).await;
    let times: Vec<_> = stream.plain(3).await.iter().map(|tick| tick_time(&tick.data)).collect();
    assert!(on_the_beat(&times, 1_000), "{times:?}");
}

async fn off(c: Context) {
    let mut stream = c.client.open("/api/events?tick=off", &[]).await;
    first_block(&mut stream).await;
    assert_eq!(c.idle(stream.next(Duration::from_millis(2_500))).await.err(), Some(End::Silent));
}

async fn opens(c: &Context, query: &str) {
    let stream = c.client.open(&format!("/api/events?{query}"), &[]).await;
    assert_eq!(stream.status, 200, "{query}");
}

async fn refuses(c: &Context, query: &str, field: &str, says: &[&str]) {
    let answer = c.client.get(&format!("/api/events?{query}"), &[]).await;
    problem(&answer, 400, Some(field), says);
}

async fn tick_bounds(c: Context) {
    for good in ["250", "60000", "1001", "off"] {
        opens(&c, &format!("tick={good}")).await;
    }
    for bad in
        ["249", "60001", "0", "-1000", "%2B1000", "1e3", "", "on", "OFF", "1000.5", "99999999999999999999"]
    {
        refuses(&c, &format!("tick={bad}"), "tick", &["tick", "250", "60000", "off"]).await;
    }
}

async fn topics(c: Context) {
    let list = |n: usize| (1..=n).map(|i| format!("t{i}")).collect::<Vec<_>>().join(",");
    opens(&c, &format!("topics={}", list(16))).await;
    opens(&c, &format!("topics=A.b_c-9,{}", "x".repeat(64))).await;
    refuses(&c, &format!("topics={}", list(17)), "topics", &["topics", "16"]).await;
    for bad in ["", "a,,b", "a%20b", "%C3%A9", "a/b", "*", &"x".repeat(65)] {
        refuses(&c, &format!("topics={bad}"), "topics", &["topics", "64"]).await;
    }
}

async fn history(c: Context) {
    for good in ["0", "100", "7"] {
        opens(&c, &format!("history={good}")).await;
    }
    for bad in ["101", "-1", "x", "", "1.0", "%2B1"] {
        refuses(&c, &format!("history={bad}"), "history", &["history", "0", "100"]).await;
    }
}

async fn ticks_with_topics(c: Context) {
    let mut stream = c.client.open("/api/events?topics=orders,nothing&tick=250", &[]).await;
    tick_time(&stream.plain(1).await[0].data);
}

async fn publishing(c: Context) {
    let body = r#"{"topic":"orders","data":{"a":1},"event":"order-created"}"#;
    problem(&c.client.post_json("/api/events", body).await, 403, None, &["publish", "events"]);
}
