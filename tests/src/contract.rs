//! The contract as one table: every statement that a client can check from outside, with the heading of
//! docs/api.md that makes it. It knows nothing of a host but its name and where it listens, so that one table holds
//! for all of them.
//!
//! A statement is checked in rooms of its own, so that some are at the same time.

#![allow(clippy::missing_panics_doc, reason = "a statement that does not hold is a failed test")]

/// The cases of a table: `"Streams", "what it says" => check`.
macro_rules! cases {
    ($($section:literal, $statement:literal => $check:path;)+) => {
        &[$($crate::contract::Case {
            section: $section,
            statement: $statement,
            check: |context| Box::pin($check(context)),
        }),+]
    };
}

mod access;
mod attack;
mod channels;
mod chat;
mod closing;
mod cors;
mod crowds;
mod errors;
mod events;
mod every_feed;
mod groups;
mod hostile;
mod idempotency;
mod injection;
mod negotiation;
mod others;
mod publishing;
mod rates;
mod resume;
mod retention;
mod rotation;
mod snapshots;
mod stock;
mod streams;
mod tokens;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use crate::client::{Answer, Client, Stream, TRIES};
use crate::host::{Host, Turn, turn};

pub use groups::*;

/// Statements that hold under the same settings.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub vars: &'static [(&'static str, &'static str)],
    pub tables: &'static [&'static [Case]],
}

/// One statement.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    section: &'static str,
    statement: &'static str,
    check: fn(Context) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// What a check has to work with.
#[derive(Clone, Debug)]
pub struct Context {
    /// Asks the host.
    pub client: Client,
    /// Its name.
    pub host: &'static str,
    rooms: Arc<AtomicU32>,
    /// The turn of the check, until it is idle.
    turn: Arc<Mutex<Option<Turn>>>,
    /// How often the statement was tried before.
    tries: u32,
    /// Whether the host was too slow for this try to prove anything.
    inconclusive: Arc<AtomicBool>,
}

impl Context {
    /// A room that nobody else uses.
    #[must_use]
    pub fn room(&self) -> String {
        format!("room-{}", self.rooms.fetch_add(1, Ordering::Relaxed))
    }

    /// The same host, asked by a sender of this number, from 40 to 59. In another try it is another sender: the host may
    /// go on counting what the one before has left.
    fn sender(&self, n: u8) -> Client {
        const NUMBERS: u8 = 20;
        let tries = u8::try_from(self.tries).expect("tries are few");
        self.client.from_address(n + NUMBERS * tries)
    }

    /// The host was so slow that what it does next is what it does when it is slow, and no fault. If the statement does
    /// not hold, it is tried again.
    fn is_inconclusive(&self) {
        self.inconclusive.store(true, Ordering::Relaxed);
    }

    /// Waits for something that takes its time and keeps nobody busy. From then on it is another statement's turn, and
    /// this one goes on beside it: what it waited for is not to be old when it looks at it.
    pub async fn idle<T>(&self, wait: impl Future<Output = T>) -> T {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        wait.await
    }

    /// Lets time pass.
    pub async fn sleep(&self, time: Duration) {
        self.idle(sleep(time)).await;
    }

    /// A room in which the numbers from 1 to `n` were said, and their ids.
    pub async fn filled(&self, n: u64) -> (String, Vec<u64>) {
        let room = self.room();
        let mut ids = Vec::new();
        for text in 1..=n {
            ids.push(self.client.say(&room, &text.to_string()).await);
        }
        (room, ids)
    }
}

/// Checks every statement of the group. What does not hold is told together, each by its section.
pub async fn check(host: &Host, group: &Group) {
    let rooms = Arc::default();
    let mut running = JoinSet::new();
    let mut names = BTreeMap::new();
    for case in group.tables.iter().copied().flatten() {
        let (client, host, rooms) = (host.client.clone(), host.name, Arc::clone(&rooms));
        let handle = running.spawn(async move { try_out(case, &client, host, &rooms).await });
        names.insert(handle.id().to_string(), case);
    }
    let mut failures = String::new();
    let mut failed = 0;
    while let Some(end) = running.join_next().await {
        if let Err(e) = end {
            let case = names[&e.id().to_string()];
            let message = e.try_into_panic().map_or_else(|e| e.to_string(), |panic| message_of(&*panic));
            failed += 1;
            let _ = write!(failures, "\n{} {}: {message}", case.section, case.statement);
        }
    }
    let (name, all) = (host.name, names.len());
    assert!(
        failed == 0,
        "{failed} of {all} statements do not hold of {name} with {:?}{failures}",
        group.vars
    );
    println!("{all} statements hold of {name} with {:?}", group.vars);
}

/// Checks a statement, again if the host was too slow for the try to prove anything.
async fn try_out(case: &Case, client: &Client, host: &'static str, rooms: &Arc<AtomicU32>) {
    for tries in 0..TRIES {
        let turn = Arc::new(Mutex::new(Some(turn().await)));
        let inconclusive = Arc::<AtomicBool>::default();
        let (client, rooms) = (client.clone(), Arc::clone(rooms));
        let context = Context { client, host, rooms, turn, tries, inconclusive: Arc::clone(&inconclusive) };
        let Err(end) = tokio::spawn((case.check)(context)).await else { return };
        if tries + 1 == TRIES || !inconclusive.load(Ordering::Relaxed) {
            resume_unwind(end.into_panic());
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Takes a stream's first block apart, which must be exactly as the contract writes it: the reconnection time and
/// the cursor.
async fn first_block(stream: &mut Stream) -> (u64, String) {
    let message = stream.message().await;
    let text = stream.text();
    let block = text.split_inclusive("\n\n").next().unwrap_or_default();
    let retry = block.strip_prefix("retry: ").and_then(|rest| rest.split_once('\n')).map(|(ms, _)| ms);
    let retry: u64 = retry.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("no retry: {block:?}"));
    let cursor = &message.last_event_id;
    let data: serde_json::Value = serde_json::from_str(&message.data).expect("data is JSON");
    let heartbeat = data["heartbeat_secs"].as_u64().unwrap_or_else(|| panic!("no heartbeat: {block:?}"));
    let expected = format!("retry: {retry}\n{}", cursor_block(cursor, heartbeat));
    assert_eq!(block, expected, "the first block");
    assert_eq!(stream.header("Last-Event-ID"), cursor, "the head names the cursor of the first block");
    (retry, cursor.clone())
}

/// The block that tells a cursor, and after how many seconds of silence it comes again.
fn cursor_block(cursor: &str, heartbeat: u64) -> String {
    let data = format!(r#"{{"cursor":"{cursor}","heartbeat_secs":{heartbeat}}}"#);
    format!("event: cursor\nid: {cursor}\ndata: {data}\n\n")
}

/// The `gap` that a stream must start with, in place of `cursor`.
async fn first_gap(stream: &mut Stream, reason: &str, requested: &str) -> String {
    assert_eq!(stream.status, 200, "EventSource gives up for good on a 4xx");
    let message = stream.message().await;
    assert_eq!(message.event, "gap", "{message:?}");
    assert!(stream.text().starts_with("retry: "), "{:?}", stream.text());
    let after = &message.last_event_id;
    let ends = [('\u{85}', r"\u0085"), ('\u{2028}', r"\u2028"), ('\u{2029}', r"\u2029")];
    let requested = serde_json::Value::from(requested).to_string();
    let requested = ends.iter().fold(requested, |text, (end, escape)| text.replace(*end, escape));
    let data = format!(r#"{{"reason":"{reason}","requested":{requested},"resumes_after":"{after}"}}"#);
    assert_eq!(message.data, data);
    assert_eq!(stream.header("Last-Event-ID"), after);
    after.clone()
}

/// Checks that this is JSON, in one line and without white space between its tokens.
fn compact(json: &str) {
    let value: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"));
    // The order of keys is not in a `Value`, but every byte of the text is.
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    assert_eq!(sorted(json), sorted(&value.to_string()), "compact JSON, as it is written: {json}");
}

/// The texts of messages, in their order.
fn texts(bodies: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let text = |body: &str| {
        serde_json::from_str::<serde_json::Value>(body).expect("a message is JSON")["text"].clone()
    };
    bodies
        .into_iter()
        .map(|body| text(body.as_ref()).as_str().expect("a text is a string").to_owned())
        .collect()
}

/// The numbers from `from` to `to`, as texts.
fn numbers(from: u64, to: u64) -> Vec<String> {
    (from..=to).map(|n| n.to_string()).collect()
}

/// Checks that an answer is a problem as RFC 9457 writes them, whose detail says all of `says`.
#[track_caller]
fn problem(answer: &Answer, status: u16, field: Option<&str>, says: &[&str]) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("Content-Type"), "application/problem+json", "{answer:?}");
    let document = answer.json();
    assert_eq!(document["status"], status, "{document}");
    assert_eq!(document["field"].as_str(), field, "{document}");
    let text = |name: &str| {
        let text = document[name].as_str().filter(|text| !text.is_empty());
        text.unwrap_or_else(|| panic!("{name} is missing: {document}"))
    };
    let (_, _, detail) = (text("type"), text("title"), text("detail"));
    for word in says {
        assert!(detail.contains(word), "the detail does not say {word:?}: {document}");
    }
    for internal in ["panicked", ".rs:", "worker::", "SQL", "undefined", "Error"] {
        assert!(!answer.text.contains(internal), "the problem shows internals: {document}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a statement is tried, and whether it holds in the end.
    async fn tried(cases: &'static [Case]) -> (u32, bool) {
        let rooms = Arc::default();
        let client = Client::new("http://127.0.0.1:1");
        let check = {
            let rooms = Arc::clone(&rooms);
            tokio::spawn(async move { try_out(&cases[0], &client, "no host", &rooms).await })
        };
        let holds = check.await.is_ok();
        // Each try asks for a room.
        (rooms.load(Ordering::Relaxed), holds)
    }

    async fn holds_in_the_end(c: Context) {
        let _ = c.room();
        c.is_inconclusive();
        assert_eq!(c.tries, 2);
    }

    async fn never_holds(c: Context) {
        let _ = c.room();
        c.is_inconclusive();
        panic!("the host is slow, and broken");
    }

    async fn is_broken(c: Context) {
        let _ = c.room();
        assert_ne!(c.tries, 0, "the host is not slow");
    }

    async fn is_slow(c: Context) {
        let _ = c.room();
        c.is_inconclusive();
    }

    #[tokio::test]
    async fn only_what_a_slow_host_spoiled_is_tried_again() {
        assert_eq!(tried(cases! { "", "" => holds_in_the_end; }).await, (3, true));
        assert_eq!(tried(cases! { "", "" => never_holds; }).await, (TRIES, false));
        assert_eq!(tried(cases! { "", "" => is_broken; }).await, (1, false));
        assert_eq!(tried(cases! { "", "" => is_slow; }).await, (1, true));
    }
}
