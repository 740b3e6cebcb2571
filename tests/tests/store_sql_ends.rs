//! The log in SQLite of a channel of one's own: rows of several entries, terms, the end, and what is deleted.

use std::time::Duration;

use ssedge::access::{Key, Rate, Sender};
use ssedge::limits::IDEMPOTENCY_WINDOW;
use ssedge::log::{EndReason, EntryId, Filter, Kind, Position, Retention, Snapshot, Start, Subscribe};
use ssedge::store::sql::{Appended, Channel, Sql as _};
use ssedge::store::{OnlyIf, Post, Receipt, Terms};
use ssedge::time::UnixMillis;
use ssedge_tests::world::{START, Storage, data, post};

const AGE: Duration = Duration::from_secs(60);
const RETENTION: Retention = Retention { max: 5, age: AGE };
const FAST: Rate = Rate::per_second(1_000, 1_000);
const SECOND: Duration = Duration::from_secs(1);

fn channel(storage: &Storage) -> Channel<Storage> {
    Channel::new(storage.clone(), RETENTION, FAST)
}

/// A post of so many entries on these terms, without a key.
fn entries(count: usize, terms: Terms) -> Post {
    Post { key: None, ..data(1, "a", 1, count, terms) }
}

fn plain(count: usize) -> Post {
    entries(count, Terms::default())
}

fn closing(count: usize, reason: &str) -> Post {
    entries(count, Terms { close: Some(EndReason::new(reason).expect("a reason")), ..Terms::default() })
}

fn lasting(count: usize, lease: Option<u64>, keep: Option<u64>) -> Post {
    let [lease, keep] = [lease, keep].map(|secs| secs.map(Duration::from_secs));
    entries(count, Terms { lease, keep, ..Terms::default() })
}

/// As a host does it: what is over ends first.
fn append(channel: &Channel<Storage>, post: &Post, now: UnixMillis) -> Appended {
    channel.settle(now).expect("no crash");
    channel.append(post, None, now).expect("no crash")
}

fn receipt(channel: &Channel<Storage>, post: &Post, now: UnixMillis) -> Receipt {
    append(channel, post, now).receipt
}

fn last(appended: &Appended) -> EntryId {
    match &appended.receipt {
        Receipt::Stored(stored) | Receipt::Begun(stored) | Receipt::Same(stored) => stored.last,
        refused => panic!("{refused:?}"),
    }
}

fn subscribe(position: Position, filter: Filter) -> Subscribe {
    Subscribe { position, filter, newest: false }
}

fn snapshot(channel: &Channel<Storage>, now: UnixMillis) -> Snapshot {
    channel.snapshot(&subscribe(Position::History(100), Filter::ALL), now).expect("no crash")
}

fn start(channel: &Channel<Storage>, position: Position, now: UnixMillis) -> Start {
    channel.start(&subscribe(position, Filter::ALL), now).expect("no crash")
}

/// Up to where a page goes that begins there, and the blocks in it.
fn page(channel: &Channel<Storage>, position: Position, keys: Option<&str>, now: UnixMillis) -> (u64, usize) {
    let filter = keys.map_or(Filter::ALL, |key| Filter::keys([key.to_owned()]));
    let page = channel.page(&subscribe(position, filter), now).expect("no crash");
    assert_eq!(page.start.gap, None);
    let batch = page.batch.expect("there is something");
    assert_eq!(batch.after, page.start.after);
    let blocks = batch.frame.map_or(0, |frame| frame.windows(2).filter(|two| two == b"\n\n").count());
    (batch.upto.get(), blocks)
}

#[test]
fn a_post_is_one_row_and_a_reader_goes_on_in_the_middle_of_it() {
    let storage = Storage::new();
    let first = channel(&storage);
    let before = last(&append(&first, &plain(3), START));
    let new = append(&first, &Post { key: None, ..data(2, "b", 1, 2, Terms::default()) }, START).new;
    let new = new.expect("it is new");
    assert_eq!((new.after, new.entries.len(), new.age), (before, 2, AGE));
    assert_eq!(storage.rows("SELECT id FROM entries", Vec::new()).map(Iterator::count).unwrap_or(0), 2);
    let last = before.forward(2).get();
    // From memory, and as it is read anew.
    for channel in [first, channel(&storage)] {
        for back in 1..=5 {
            let position = Position::After(before.forward(2).back(back));
            assert_eq!(page(&channel, position, None, START), (last, back as usize));
        }
        assert_eq!(page(&channel, Position::History(4), None, START), (last, 4));
        assert_eq!(page(&channel, Position::History(2), Some("a"), START), (last, 2));
        assert_eq!(page(&channel, Position::History(9), Some("b"), START), (last, 2));
    }
}

#[test]
fn what_is_kept_begins_in_the_middle_of_a_row() {
    let storage = Storage::new();
    let channel = channel(&storage);
    let first = last(&append(&channel, &plain(4), START)).back(3);
    append(&channel, &plain(3), START + SECOND);
    // By count: 5 of 7.
    assert_eq!(snapshot(&channel, START + SECOND).bodies.len(), 5);
    let late = start(&channel, Position::After(first), START + SECOND);
    assert_eq!((late.after, late.gap.is_some()), (first.forward(1), true));
    assert_eq!(start(&channel, Position::After(first.forward(1)), START + SECOND).gap, None);
    // By age a row goes whole.
    assert_eq!(snapshot(&channel, START + AGE).bodies.len(), 3);
    assert_eq!(snapshot(&channel, START + SECOND + AGE).bodies.len(), 0);
    // So it is after the space was freed, too.
    for _ in 0..30 {
        append(&channel, &plain(7), START + 2 * SECOND);
    }
    assert_eq!(snapshot(&channel, START + 2 * SECOND).bodies.len(), 5);
    channel.free(true, START + 2 * SECOND).expect("no crash");
    assert_eq!(snapshot(&Channel::new(storage, RETENTION, FAST), START + 2 * SECOND).bodies.len(), 5);
}

#[test]
fn a_table_of_before_there_were_several_entries_in_a_row_goes_on() {
    let storage = Storage::new();
    let id = START.0;
    for statement in [
        "CREATE TABLE entries (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, event TEXT, key TEXT, body TEXT NOT NULL)",
        "CREATE TABLE run (one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER NOT NULL, \
         previous INTEGER NOT NULL, last INTEGER NOT NULL)",
        &format!("INSERT INTO run VALUES (1, {id}, 0, {id})"),
        &format!("INSERT INTO entries VALUES ({id}, {id}, NULL, 'a', '{{\"old\":1}}')"),
    ] {
        assert!(storage.run(statement, Vec::new()).is_ok());
    }
    append(&channel(&storage), &post(0, "b", 1), START);
    append(&channel(&storage), &plain(2), START);
    let bodies = snapshot(&channel(&storage), START).bodies;
    assert_eq!((bodies.len(), &*bodies[0]), (4, r#"{"old":1}"#));
}

#[test]
fn nothing_is_appended_behind_the_end() {
    let storage = Storage::new();
    let first = channel(&storage);
    let before = last(&append(&first, &plain(2), START));
    let ended = append(&first, &closing(1, "stop"), START);
    let (end, new) = (last(&ended), ended.new.expect("it is news"));
    assert_eq!(end, before.next());
    let kinds: Vec<_> = new.entries.iter().map(|entry| (entry.id, entry.kind)).collect();
    assert_eq!(kinds, [(end, Kind::Data), (end.next(), Kind::End)]);
    for channel in [first, channel(&storage)] {
        let stop = EndReason::new("stop").expect("a reason");
        let refused = Receipt::Ended { reason: stop.clone(), last: end };
        assert_eq!(receipt(&channel, &plain(1), START), refused);
        assert_eq!(receipt(&channel, &closing(0, "done"), START), refused);
        assert_eq!(receipt(&channel, &closing(1, "stop"), START), refused);
        assert_eq!(receipt(&channel, &lasting(0, Some(5), None), START), refused);
        let same = append(&channel, &closing(0, "stop"), START);
        assert!(matches!(same.receipt, Receipt::Same(_)) && same.new.is_none(), "{same:?}");
        let snapshot = snapshot(&channel, START);
        assert_eq!((snapshot.cursor, snapshot.ended, snapshot.bodies.len()), (end, Some(stop), 3));
        assert!(start(&channel, Position::After(end), START).is_over());
        assert_eq!(page(&channel, Position::After(before), None, START), (end.next().get(), 1));
    }
}

#[test]
fn a_channel_may_be_closed_before_it_has_an_entry_and_is_new_when_that_has_expired() {
    let channel = channel(&Storage::new());
    let ended = append(&channel, &closing(0, "done"), START);
    assert_eq!((last(&ended), ended.new.expect("news").entries.len()), (EntryId::BEGINNING, 1));
    assert!(matches!(receipt(&channel, &plain(1), START), Receipt::Ended { .. }));
    assert!(start(&channel, Position::History(0), START).is_over());
    let only_new = Terms { only_if: Some(OnlyIf::New), ..Terms::default() };
    assert!(matches!(receipt(&channel, &entries(1, only_new.clone()), START), Receipt::Unmet { .. }));
    assert_eq!(channel.free(false, START).expect("no crash"), Some(START + AGE));
    let expired = START + AGE;
    assert!(!start(&channel, Position::History(0), expired).standing.has_ended);
    assert!(matches!(receipt(&channel, &entries(1, only_new), expired), Receipt::Stored(_)));
    assert!(matches!(receipt(&channel, &plain(1), expired), Receipt::Stored(_)));
}

#[test]
fn a_lease_that_is_not_renewed_ends_the_channel_as_abandoned() {
    let storage = Storage::new();
    let channel = channel(&storage);
    let at = |secs| START + Duration::from_secs(secs);
    assert_eq!(append(&channel, &lasting(1, Some(10), None), START).due_at, Some(at(10)));
    let silent = |now| channel.settle(now).expect("no crash").is_none();
    assert!(silent(at(9)));
    // An entry renews it, and so does a request without one.
    let stored = last(&append(&channel, &plain(1), at(9)));
    assert!(silent(at(18)));
    let renewed = append(&channel, &lasting(0, Some(20), None), at(18));
    assert!(matches!(&renewed.receipt, Receipt::Same(same) if same.last == stored), "{renewed:?}");
    assert_eq!((renewed.new, renewed.due_at), (None, Some(at(38))));
    assert!(silent(at(37)));
    let new = channel.settle(at(38)).expect("no crash").expect("it is over");
    let end = new.entries[0].end(stored).expect("an end");
    assert_eq!((end.reason.as_str(), new.after, new.entries.len()), ("abandoned", stored, 1));
    assert!(silent(at(38)), "it is said once");
    assert!(matches!(receipt(&channel, &plain(1), at(38)), Receipt::Ended { .. }));
    // It is kept from when the lease was over.
    assert!(matches!(receipt(&channel, &plain(1), at(38) + AGE), Receipt::Stored(_)));
}

#[test]
fn a_lease_outlives_the_entries_that_are_freed() {
    let storage = Storage::new();
    let channel = channel(&storage);
    append(&channel, &lasting(1, Some(3_600), None), START);
    assert_eq!(channel.free(true, START + AGE).ok(), Some(Some(START + Duration::from_secs(3_600))));
    for channel in [channel, Channel::new(storage, RETENTION, FAST)] {
        let over = |secs| channel.settle(START + Duration::from_secs(secs)).expect("no crash").is_some();
        assert!(!over(3_599), "it is not over yet");
    }
}

#[test]
fn a_channel_that_is_kept_for_less_is_new_sooner() {
    let channel = channel(&Storage::new());
    let first = append(&channel, &lasting(1, None, Some(2)), START);
    assert_eq!((first.due_at, first.new.map(|new| new.age)), (Some(START + 2 * SECOND), Some(2 * SECOND)));
    // Only the first post says it.
    append(&channel, &lasting(1, None, Some(30)), START + SECOND);
    assert_eq!(snapshot(&channel, START + 2 * SECOND).bodies.len(), 1);
    assert_eq!(snapshot(&channel, START + 3 * SECOND).bodies.len(), 0);
    let again = append(&channel, &plain(1), START + 3 * SECOND);
    assert_eq!(again.new.map(|new| new.age), Some(AGE));
}

#[test]
fn a_post_on_a_condition_is_stored_only_if_that_holds() {
    let channel = channel(&Storage::new());
    let only = |only_if| entries(2, Terms { only_if: Some(only_if), ..Terms::default() });
    let unmet = |last| Receipt::Unmet { last };
    assert_eq!(
        receipt(&channel, &only(OnlyIf::Last(EntryId::new(7).expect("an id"))), START),
        unmet(EntryId::BEGINNING)
    );
    let first = last(&append(&channel, &only(OnlyIf::New), START));
    assert_eq!(receipt(&channel, &only(OnlyIf::New), START), unmet(first));
    let second = last(&append(&channel, &only(OnlyIf::Last(first)), START));
    assert_eq!(receipt(&channel, &only(OnlyIf::Last(first)), START), unmet(second));
    assert_eq!(receipt(&channel, &only(OnlyIf::Last(EntryId::BEGINNING)), START + AGE), {
        let again = snapshot(&channel, START + AGE);
        assert_eq!(again.bodies.len(), 2, "it is empty once all has expired");
        Receipt::Stored(ssedge::store::Stored {
            last: again.cursor,
            body: format!(r#"{{"first":"{}","last":"{}","count":2}}"#, again.cursor.back(1), again.cursor),
        })
    });
}

#[test]
fn a_key_covers_all_of_a_request() {
    let channel = channel(&Storage::new());
    let keyed = |count, close: Option<&str>| {
        let close = close.map(|reason| EndReason::new(reason).expect("a reason"));
        let sender = Sender::subject("ada");
        Post { sender, key: Key::new(b"k").ok(), ..entries(count, Terms { close, ..Terms::default() }) }
    };
    let (Receipt::Begun(stored), replayed) = (
        receipt(&channel, &keyed(3, Some("stop")), START),
        receipt(&channel, &keyed(3, Some("stop")), START),
    ) else {
        panic!("it is stored");
    };
    assert_eq!(replayed, Receipt::Replayed(stored), "though the channel has ended");
    for other in [keyed(2, Some("stop")), keyed(3, None), keyed(3, Some("done"))] {
        assert_eq!(receipt(&channel, &other, START), Receipt::KeyReused);
    }
    let forgotten = receipt(&channel, &keyed(3, Some("stop")), START + IDEMPOTENCY_WINDOW);
    assert!(matches!(forgotten, Receipt::Stored(_)), "{forgotten:?}");
}

#[test]
fn a_deleted_channel_begins_anew_behind_its_last_id() {
    let storage = Storage::new();
    let first = channel(&storage);
    assert_eq!(first.delete(START).expect("no crash"), None, "there is nothing");
    let before = last(&append(&first, &lasting(3, Some(10), Some(5)), START));
    let told = first.delete(START + SECOND).expect("no crash").expect("it is news");
    let end = told.entries[0].end(before).expect("an end");
    assert_eq!((end.reason, told.after, told.entries[0].id), (EndReason::DELETED, before, before.next()));
    for channel in [first, channel(&storage)] {
        let now = START + SECOND;
        let empty = snapshot(&channel, now);
        assert_eq!((empty.bodies.len(), empty.ended), (0, None));
        assert_eq!(start(&channel, Position::After(before), now).gap, None, "its last reader missed nothing");
        assert!(start(&channel, Position::After(before.back(1)), now).gap.is_some());
        assert!(channel.settle(now + AGE).expect("no crash").is_none(), "the lease is deleted, too");
    }
    let again = Channel::new(storage, RETENTION, FAST);
    let only_new = entries(1, Terms { only_if: Some(OnlyIf::New), ..Terms::default() });
    let new = append(&again, &only_new, START + SECOND).new.expect("it is news");
    assert!(new.entries[0].id > before.next() && new.after == before && new.age == AGE, "{new:?}");
}

#[test]
fn nobody_is_told_twice_that_a_channel_has_ended() {
    let channel = channel(&Storage::new());
    append(&channel, &closing(1, "done"), START);
    assert_eq!(channel.delete(START).expect("no crash"), None);
    assert!(matches!(receipt(&channel, &plain(1), START), Receipt::Stored(_)), "it is open again");
}

#[test]
fn wherever_it_crashes_a_request_is_stored_whole_or_not_at_all() {
    let terms =
        || Terms { close: Some(EndReason::DONE), lease: Some(Duration::from_secs(30)), ..Terms::default() };
    let mut crashes = 0;
    for statements in 0..20 {
        let storage = Storage::new();
        append(&channel(&storage), &plain(1), START);
        let post = data(2, "a", 1, 3, terms());
        storage.crash_after(Some(statements));
        let crashed = channel(&storage).append(&post, None, START).is_err();
        storage.crash_after(None);
        crashes += u32::from(crashed);
        let there = snapshot(&channel(&storage), START);
        let is_whole = (there.bodies.len(), there.ended.is_some());
        assert!([(1, false), (4, true)].contains(&is_whole), "{statements}: {is_whole:?}");
        let again = receipt(&channel(&storage), &post, START);
        assert_eq!(matches!(again, Receipt::Replayed(_)), is_whole.1, "{statements}: {again:?}");
        assert_eq!(snapshot(&channel(&storage), START).bodies.len(), 4);
    }
    assert!((5..20).contains(&crashes), "{crashes} crashed");
}
