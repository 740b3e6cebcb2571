//! The log in SQLite: what is stored, what is freed and when, and what is left after a crash.

use std::time::Duration;

use ssedge::access::Rate;
use ssedge::limits::{IDEMPOTENCY_WINDOW, OBJECT_GRACE};
use ssedge::log::{EntryId, Filter, Position, Retention, Subscribe};
use ssedge::store::sql::Channel;
use ssedge::store::{Post, Receipt};
use ssedge::time::UnixMillis;
use ssedge_tests::world::{START, Storage, post};

const AGE: Duration = Duration::from_secs(60);
const RETENTION: Retention = Retention { max: 3, age: AGE };
const FAST: Rate = Rate::per_second(1_000, 1_000);
/// More statements than one post runs.
const STATEMENTS: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);

fn channel(storage: &Storage, rate: Rate) -> Channel<Storage> {
    Channel::new(storage.clone(), RETENTION, rate)
}

/// The receipt, and the change that the entry tells if it has one.
fn append(channel: &Channel<Storage>, post: &Post, now: UnixMillis) -> Receipt {
    channel.append(post, None, now).expect("it does not crash").receipt
}

/// The entries that are kept.
fn bodies(channel: &Channel<Storage>, now: UnixMillis) -> Vec<String> {
    let subscribe = Subscribe { position: Position::History(100), filter: Filter::ALL, newest: false };
    channel.snapshot(&subscribe, now).expect("it does not crash").bodies
}

/// Each number that is not divided by three has a key, and each post to `a` a value.
#[test]
fn wherever_it_crashes_a_post_is_stored_whole_or_not_at_all() {
    let mut crashes = 0;
    for statements in 0..STATEMENTS {
        let storage = Storage::new();
        let first = channel(&storage, FAST);
        append(&first, &post(1, "a", 10), START);
        let again = post(2, "a", 10);
        storage.crash_after(Some(statements));
        let crashed = first.append(&again, None, START + SECOND).is_err();
        storage.crash_after(None);
        crashes += u32::from(crashed);
        // The object begins anew, and the sender says it again.
        let second = channel(&storage, FAST);
        let is_there = bodies(&second, START + SECOND).len() == 2;
        let receipt = append(&second, &again, START + SECOND);
        assert!(matches!(receipt, Receipt::Replayed(_)) == is_there, "{statements}: {receipt:?}");
        assert_eq!(bodies(&second, START + SECOND).len(), 2, "{statements}");
    }
    assert!((5..STATEMENTS).contains(&crashes), "{crashes} of {STATEMENTS} crashed");
}

#[test]
fn a_silent_channel_frees_what_nobody_can_ask_for_and_then_all() {
    let storage = Storage::new();
    let channel = channel(&storage, FAST);
    let appended = channel.append(&post(1, "a", 10), None, START).expect("no crash");
    assert_eq!(appended.due_at, Some(START + AGE));
    let at = |span| START + span;
    let free = |is_read, span| channel.free(is_read, at(span)).expect("no crash");
    // Nothing is freed a moment too early.
    let almost = AGE.saturating_sub(Duration::from_millis(1));
    assert_eq!(free(false, almost), Some(at(AGE)));
    assert_eq!(bodies(&channel, at(almost)).len(), 1);
    // The entry goes, its key is remembered.
    assert_eq!(free(false, AGE), Some(at(IDEMPOTENCY_WINDOW)));
    let receipt = append(&channel, &post(1, "a", 10), at(AGE));
    assert!(matches!(receipt, Receipt::Replayed(_)), "{receipt:?}");
    // The key goes; the last id is remembered for those who come back, and for as long as somebody reads.
    let rest = IDEMPOTENCY_WINDOW + OBJECT_GRACE;
    assert_eq!(free(false, IDEMPOTENCY_WINDOW), Some(at(rest)));
    assert_eq!(free(true, rest), Some(at(rest + OBJECT_GRACE)));
    assert_eq!(free(false, rest), None);
}

#[test]
fn a_slow_bucket_outlives_the_object() {
    let (storage, slow) = (Storage::new(), Rate::per_span(2, Duration::from_secs(3_600)));
    for number in [0, 6] {
        append(&channel(&storage, slow), &post(number, "b", 10), START);
    }
    let receipt = append(&channel(&storage, slow), &post(12, "b", 10), START);
    assert_eq!(receipt, Receipt::TooFast(Duration::from_secs(1_800)));
}

/// The change that each of these posts to a key tells, if they come a second after one another.
#[track_caller]
fn check_changes(posts: &[(u64, &str, Duration)], changes: &[Option<i64>]) {
    let storage = Storage::new();
    let (channel, mut now) = (channel(&storage, FAST), START);
    let told = posts.iter().map(|(number, key, pause)| {
        now = now + *pause;
        let (Receipt::Begun(stored) | Receipt::Stored(stored)) =
            append(&channel, &post(*number, key, 1), now)
        else {
            panic!("post {number} is stored");
        };
        let body: serde_json::Value = serde_json::from_str(&stored.body).expect("a body is JSON");
        #[expect(clippy::cast_possible_truncation, reason = "a few hundredths")]
        body["change"].as_f64().map(|change| (change * 100.0).round() as i64)
    });
    assert_eq!(told.collect::<Vec<_>>(), changes);
}

/// The value of post `n` is `n * 7 % 11 * 25` hundredths: 0, 175, 75, 250 …
#[test]
fn a_value_is_remembered_for_as_long_as_its_entry_is_kept() {
    check_changes(&[(0, "a", SECOND), (1, "a", SECOND), (2, "a", SECOND)], &[Some(0), Some(175), Some(-100)]);
    let others = [(3, "b", SECOND), (4, "b", SECOND)];
    // Three entries are kept: the one before these two still is, and the one before three is not.
    let within = [&[(1, "a", SECOND)], &others[..], &[(2, "a", SECOND)]].concat();
    check_changes(&within, &[Some(0), None, None, Some(-100)]);
    let beyond = [&[(1, "a", SECOND), (6, "b", SECOND)], &others[..], &[(2, "a", SECOND)]].concat();
    check_changes(&beyond, &[Some(0), None, None, None, Some(0)]);
    // Another key keeps the run alive, and the value expires with its own entry.
    let old = [(1, "a", SECOND), (3, "b", AGE / 2), (2, "a", AGE / 2)];
    check_changes(&old, &[Some(0), None, Some(0)]);
    check_changes(&[(1, "a", SECOND), (2, "a", AGE)], &[Some(0), Some(0)]);
}

#[test]
fn one_entry_is_found_for_as_long_as_it_is_kept() {
    let storage = Storage::new();
    let channel = channel(&storage, FAST);
    let ids: Vec<EntryId> = (0..4)
        .map(|number| channel.append(&post(3 * number, "b", 10), None, START).expect("no crash").new)
        .map(|new| new.expect("it is new").entries[0].id)
        .collect();
    let entry = |id, now| channel.entry(id, now).expect("no crash").is_some();
    let found: Vec<_> = ids.iter().map(|id| entry(*id, START)).collect();
    assert_eq!(found, [false, true, true, true]);
    assert!(!entry(ids[3].next(), START) && !entry(ids[3], START + AGE));
}
