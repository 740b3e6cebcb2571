//! What a channel in SQLite keeps in memory: it saves statements, and changes nothing else.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use ssedge::access::Rate;
use ssedge::limits::{IDEMPOTENCY_WINDOW, SURPLUS};
use ssedge::log::{EndReason, EntryId, Filter, Position, Retention, Subscribe};
use ssedge::store::sql::{Channel, Sql, Value};
use ssedge::store::{OnlyIf, Post, Terms};
use ssedge::time::UnixMillis;
use ssedge_tests::world::{START, Storage, data, post};

const AGE: Duration = Duration::from_secs(60);
const RETENTION: Retention = Retention { max: 3, age: AGE };
const FAST: Rate = Rate::per_second(1_000, 1_000);
const SECOND: Duration = Duration::from_secs(1);

/// A storage that notes its statements by their first words.
struct Noting {
    storage: Storage,
    notes: Rc<RefCell<Vec<String>>>,
}

impl Noting {
    fn note(&self, statement: &str) {
        let words: Vec<_> = statement.split_whitespace().collect();
        // What a statement does, and to which table.
        let length = match words[..] {
            ["CREATE", ..] => "CREATE TABLE IF NOT EXISTS it".split(' ').count(),
            ["INSERT", ..] => words.iter().take_while(|word| **word != "VALUES").count(),
            _ => 1,
        };
        self.notes.borrow_mut().push(words[..length].join(" "));
    }
}

impl Sql for Noting {
    type Failure = <Storage as Sql>::Failure;

    fn rows(
        &self,
        query: &str,
        bindings: Vec<Value>,
    ) -> Result<impl Iterator<Item = Result<Vec<Value>, Self::Failure>>, Self::Failure> {
        self.note(query);
        self.storage.rows(query, bindings)
    }

    fn run(&self, statement: &str, bindings: Vec<Value>) -> Result<u64, Self::Failure> {
        self.note(statement);
        self.storage.run(statement, bindings)
    }

    fn transaction<T>(&self, writes: impl FnOnce() -> Result<T, Self::Failure>) -> Result<T, Self::Failure> {
        self.note("BEGIN");
        self.storage.transaction(writes)
    }

    fn malformed(row: &'static str) -> Self::Failure {
        Storage::malformed(row)
    }
}

/// What it takes to store each of these posts in turn, in one life of an object.
#[track_caller]
fn check_statements(storage: &Storage, rate: Rate, posts: &[(Post, &[&str])]) {
    let notes = Rc::new(RefCell::default());
    let noting = Noting { storage: storage.clone(), notes: Rc::clone(&notes) };
    let channel = Channel::new(noting, RETENTION, rate);
    for (post, statements) in posts {
        let appended = channel.append(post, None, START).expect("no crash");
        assert!(appended.new.is_some(), "{:?}", appended.receipt);
        assert_eq!(notes.take(), *statements, "{post:?}");
    }
}

/// Each number that is not divided by three has a key, and each post to `a` a value.
#[test]
fn a_post_is_one_insert() {
    const RUN: &str = "INSERT OR REPLACE INTO run";
    const ENTRY: &str = "INSERT INTO entries (id, time, event, key, body)";
    const KEY: &str = "INSERT INTO keys";
    const VALUE: &str = "INSERT OR REPLACE INTO remembered";
    const BUCKET: &str = "INSERT OR REPLACE INTO buckets";
    let create = |table: &str| format!("CREATE TABLE IF NOT EXISTS {table}");
    let [entries, keys, values, buckets] = ["entries", "keys", "remembered", "buckets"].map(create);
    let storage = Storage::new();
    let first_life: [(Post, &[&str]); 7] = [
        // What is there, and the tables of a log.
        (post(0, "b", 1), &["SELECT", "BEGIN", &entries, RUN, ENTRY]),
        (post(3, "b", 1), &[ENTRY]),
        (post(4, "b", 1), &["BEGIN", &keys, KEY, ENTRY]),
        (post(5, "b", 1), &["BEGIN", KEY, ENTRY]),
        (post(6, "a", 1), &["BEGIN", ENTRY, &values, VALUE]),
        (post(9, "a", 1), &["BEGIN", ENTRY, VALUE]),
        (post(12, "c", 1), &[ENTRY]),
    ];
    check_statements(&storage, FAST, &first_life);
    let slow = Rate::per_span(100, Duration::from_secs(3_600));
    let second_life: [(Post, &[&str]); 5] = [
        // What is there, where the log ends, and the bucket of the sender.
        (post(15, "b", 1), &["SELECT", "SELECT", "BEGIN", &buckets, BUCKET, ENTRY]),
        (post(17, "b", 1), &["BEGIN", KEY, BUCKET, ENTRY]),
        (post(21, "b", 1), &["BEGIN", BUCKET, ENTRY]),
        // The last value of a key that is not known.
        (post(27, "a", 1), &["SELECT", "BEGIN", BUCKET, ENTRY, VALUE]),
        (post(29, "a", 1), &["BEGIN", KEY, BUCKET, ENTRY, VALUE]),
    ];
    check_statements(&storage, slow, &second_life);
}

/// Everything, as readers who come from different places get it.
fn read(channel: &Channel<Storage>, now: UnixMillis) -> String {
    let positions = [Position::History(100), Position::History(1), Position::After(EntryId::BEGINNING)];
    let read = |position: Position| {
        let subscribe = Subscribe { position, filter: Filter::ALL, newest: false };
        let snapshot = channel.snapshot(&subscribe, now).expect("it does not crash");
        let page = channel.page(&subscribe, now).expect("it does not crash");
        format!("{snapshot:?} {page:?}")
    };
    positions.map(read).join("\n")
}

fn count(storage: &Storage) -> u64 {
    let rows = storage.rows("SELECT count(*) FROM entries", Vec::new()).expect("it does not crash");
    let counts: Vec<_> = rows.map(|row| row.expect("it does not crash")).collect();
    match counts[0][0] {
        Value::Integer(n) => n.cast_unsigned(),
        _ => panic!("a count is a number"),
    }
}

fn bodies(channel: &Channel<Storage>, now: UnixMillis) -> usize {
    let subscribe = Subscribe { position: Position::History(100), filter: Filter::ALL, newest: false };
    channel.snapshot(&subscribe, now).expect("it does not crash").bodies.len()
}

#[test]
fn what_is_not_kept_is_never_served_and_deleted_at_last() {
    let storage = Storage::new();
    let channel = Channel::new(storage.clone(), RETENTION, FAST);
    let most = RETENTION.max + SURPLUS.start();
    let mut fallen = 0;
    for n in 0..4 * most {
        let before = if n == 0 { 0 } else { count(&storage) };
        channel.append(&post(3 * n, "b", 1), None, START).expect("no crash");
        assert_eq!(bodies(&channel, START) as u64, RETENTION.max.min(n + 1));
        assert!(count(&storage) < most, "{} are stored", count(&storage));
        fallen += u64::from(count(&storage) < before);
    }
    assert!((3..=5).contains(&fallen), "deleted {fallen} times");
    // What is left over goes with an alarm, and so does what has expired.
    channel.append(&post(0, "b", 1), None, START + AGE / 2).expect("no crash");
    assert!(count(&storage) > RETENTION.max);
    assert!(channel.free(false, START + SECOND).expect("no crash").is_some());
    assert_eq!(count(&storage), RETENTION.max);
    assert_eq!(bodies(&channel, START + AGE), 1);
    assert!(channel.free(false, START + AGE).expect("no crash").is_some());
    assert_eq!(count(&storage), 1);
}

#[derive(Clone, Debug)]
enum Op {
    /// The storage may crash after so many statements.
    Post(Post, Option<u32>),
    /// The same.
    Delete(Option<u32>),
    Advance(Duration),
    /// The clock is set back.
    Back(Duration),
    Free,
}

fn op() -> impl Strategy<Value = Op> {
    let keys = || select(["a", "b", "c"].as_slice());
    let crash = || of(0..10_u32);
    let spans = [SECOND, AGE / 3, AGE, IDEMPOTENCY_WINDOW, 2 * IDEMPOTENCY_WINDOW];
    prop_oneof![
        20 => (0..40_u64, keys(), crash()).prop_map(|(number, key, crash)| Op::Post(post(number, key, 1), crash)),
        10 => (0..40_u64, keys(), 0..4_usize, terms(), crash()).prop_map(|(number, key, count, terms, crash)| {
            Op::Post(data(number, key, 1, count, terms), crash)
        }),
        1 => crash().prop_map(Op::Delete),
        4 => select(spans.to_vec()).prop_map(Op::Advance),
        1 => select(spans[..3].to_vec()).prop_map(Op::Back),
        2 => Just(Op::Free),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let span = || of(select([SECOND, AGE / 3, 2 * AGE].to_vec()));
    let close = prop_oneof![4 => Just(None), 1 => Just(Some(EndReason::DONE))];
    let only_if = prop_oneof![4 => Just(None), 1 => Just(Some(OnlyIf::New))];
    (only_if, close, span(), span()).prop_map(|(only_if, close, lease, keep)| Terms {
        only_if,
        close,
        lease,
        keep,
    })
}

/// Two channels to which the same happens: one lives on, the other is made anew each time, as after an eviction.
struct Twins {
    storages: [Storage; 2],
    lives_on: Channel<Storage>,
    now: UnixMillis,
}

impl Twins {
    /// Its buckets are in the storage.
    const RATE: Rate = Rate::per_second(1, 100);

    fn new() -> Self {
        let storages = [Storage::new(), Storage::new()];
        let lives_on = Channel::new(storages[0].clone(), RETENTION, Self::RATE);
        Self { storages, lives_on, now: START }
    }

    fn anew(&self) -> Channel<Storage> {
        Channel::new(self.storages[1].clone(), RETENTION, Self::RATE)
    }

    fn apply(&mut self, op: &Op) {
        // As a host does it: what is over ends first.
        let settled =
            [&self.lives_on, &self.anew()].map(|channel| channel.settle(self.now).expect("no crash"));
        assert_eq!(settled[0], settled[1]);
        match op {
            Op::Post(post, crash) => self.post(post, *crash),
            Op::Delete(crash) => self.delete(*crash),
            Op::Advance(span) => self.now = self.now + *span,
            Op::Back(span) => self.now = self.now - *span,
            Op::Free => {
                let channels = [&self.lives_on, &self.anew()];
                let again = channels.map(|channel| channel.free(false, self.now).expect("no crash"));
                assert_eq!(again[0], again[1]);
                if again[0].is_none() {
                    self.storages.iter().for_each(Storage::clear);
                    self.lives_on.forget();
                }
            }
        }
        assert_eq!(read(&self.lives_on, self.now), read(&self.anew(), self.now));
    }

    /// Only the first one crashes. What it has deleted all the same, the other deletes too.
    fn delete(&self, crash: Option<u32>) {
        let standing = || self.storages[0].dump();
        let before = standing();
        self.storages[0].crash_after(crash);
        let deleted = self.lives_on.delete(self.now);
        self.storages[0].crash_after(None);
        match deleted {
            Ok(deleted) => assert_eq!(deleted, self.anew().delete(self.now).expect("no crash")),
            Err(_) if standing() != before => drop(self.anew().delete(self.now).expect("no crash")),
            Err(_) => {}
        }
    }

    /// Only the first one crashes. What it has stored all the same, the other stores too.
    fn post(&self, post: &Post, crash: Option<u32>) {
        let standing = || self.storages[0].dump();
        let before = standing();
        self.storages[0].crash_after(crash);
        let appended = self.lives_on.append(post, None, self.now);
        self.storages[0].crash_after(None);
        match appended {
            Ok(appended) => assert_eq!(appended, self.anew().append(post, None, self.now).expect("no crash")),
            Err(_) if standing() != before => {
                drop(self.anew().append(post, None, self.now).expect("no crash"))
            }
            Err(_) => {}
        }
    }
}

/// How many lives are tried.
const LIVES: u32 = 50;

#[test]
fn a_restart_or_a_failed_write_between_two_posts_changes_nothing() {
    let config = ProptestConfig {
        cases: LIVES,
        rng_seed: RngSeed::Fixed(0x5353_4544_4745),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let tried = TestRunner::new(config).run(&vec(op(), 1..100), |ops| {
        let mut twins = Twins::new();
        ops.iter().for_each(|op| twins.apply(op));
        Ok(())
    });
    if let Err(failed) = tried {
        panic!("{failed}");
    }
}
