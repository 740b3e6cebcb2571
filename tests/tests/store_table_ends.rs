//! The log in a table of a channel of one's own: items of several entries, terms, the end, and what is deleted.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ssedge::access::{Key, Rate, Sender};
use ssedge::log::{EndReason, EntryId, Filter, Page, Position, Retention, Snapshot, Start, Subscribe};
use ssedge::store::table::{Item, Posts, Reader, batches};
use ssedge::store::{OnlyIf, Post, Receipt, Terms};
use ssedge_tests::stream::channel_name;
use ssedge_tests::world::{Doing, Process, Rig, START, data};

const AGE: Duration = Duration::from_secs(60);
const RETENTION: Retention = Retention { max: 5, age: AGE };
const FAST: Rate = Rate::per_second(1_000, 100_000);
const SECOND: Duration = Duration::from_secs(1);

/// A post of so many entries on these terms, without a key.
fn entries(count: usize, terms: Terms) -> Post {
    Post { key: None, ..data(1, "a", 1, count, terms) }
}

fn plain(count: usize) -> Post {
    entries(count, Terms::default())
}

fn closing(count: usize, reason: &str) -> Post {
    entries(count, Terms { close: EndReason::new(reason).ok(), ..Terms::default() })
}

fn lasting(count: usize, lease: Option<u64>, keep: Option<u64>) -> Post {
    let [lease, keep] = [lease, keep].map(|secs| secs.map(Duration::from_secs));
    entries(count, Terms { lease, keep, ..Terms::default() })
}

fn on(only_if: OnlyIf, count: usize) -> Post {
    entries(count, Terms { only_if: Some(only_if), ..Terms::default() })
}

fn posting(process: &Arc<Process>, post: Post) -> Doing<Option<Receipt>> {
    let process = process.clone();
    Box::pin(async move {
        Posts::new(&*process, RETENTION, FAST).append(&channel_name("room"), &post, FAST).await.ok()
    })
}

fn deleting(process: &Arc<Process>) -> Doing<Option<Receipt>> {
    let process = process.clone();
    Box::pin(async move {
        Posts::new(&*process, RETENTION, FAST)
            .delete(&channel_name("room"))
            .await
            .expect("the table answers");
        None
    })
}

/// A table, and one process whose clock is right.
struct Alone {
    rig: Rig,
    process: Arc<Process>,
}

impl Alone {
    fn new() -> Self {
        let rig = Rig::new(7, START);
        Self { process: rig.process(0), rig }
    }

    fn ask<T: 'static, F>(&self, ask: impl FnOnce(Arc<Process>) -> F) -> T
    where
        F: Future<Output = T> + 'static,
    {
        self.rig.run(vec![Box::pin(ask(self.process.clone())) as Doing<T>]).remove(0)
    }

    fn post(&self, post: Post) -> Receipt {
        self.rig.run(vec![posting(&self.process, post)]).remove(0).expect("the table answers")
    }

    /// The last entry once this is stored.
    #[track_caller]
    fn stored(&self, post: Post) -> EntryId {
        match self.post(post) {
            Receipt::Stored(stored) => stored.last,
            refused => panic!("{refused:?}"),
        }
    }

    fn delete(&self) {
        self.rig.run(vec![deleting(&self.process)]);
    }

    fn page(&self, position: Position, keys: Option<&str>) -> Page<bytes::Bytes> {
        let filter = keys.map_or(Filter::ALL, |key| Filter::keys([key.to_owned()]));
        let subscribe = Subscribe { position, filter, newest: false };
        let page = self.ask(async move |process: Arc<Process>| {
            Reader::new(&*process, RETENTION).page(&channel_name("room"), &subscribe).await
        });
        page.expect("the table answers").0
    }

    /// Up to where a page goes, and the blocks in it.
    #[track_caller]
    fn paged(&self, position: Position, keys: Option<&str>) -> (u64, usize) {
        let page = self.page(position, keys);
        assert_eq!(page.start.gap, None);
        let batch = page.batch.expect("there is something");
        assert_eq!(batch.after, page.start.after);
        let blocks = batch.frame.map_or(0, |frame| frame.windows(2).filter(|two| two == b"\n\n").count());
        (batch.upto.get(), blocks)
    }

    fn start(&self, position: Position) -> Start {
        self.page(position, None).start
    }

    fn snapshot(&self) -> Snapshot {
        let position = Position::History(100);
        let subscribe = Subscribe { position, filter: Filter::ALL, newest: false };
        let snapshot = self.ask(async move |process: Arc<Process>| {
            Reader::new(&*process, RETENTION).snapshot(&channel_name("room"), &subscribe).await
        });
        snapshot.expect("the table answers")
    }

    fn news(&self, after: EntryId) -> Vec<Item> {
        let news = self.ask(async move |process: Arc<Process>| {
            Reader::new(&*process, RETENTION).news(&channel_name("room"), after).await
        });
        news.expect("the table answers").0
    }
}

#[test]
fn a_reader_goes_on_in_the_middle_of_an_item() {
    let alone = Alone::new();
    let first = alone.stored(plain(3)).back(2);
    let last = alone.stored(Post { key: None, ..data(2, "b", 1, 2, Terms::default()) });
    assert_eq!(last, first.forward(4));
    for back in 1..=5 {
        assert_eq!(alone.paged(Position::After(last.back(back)), None), (last.get(), back as usize));
    }
    assert!(alone.page(Position::After(last), None).batch.is_none());
    assert_eq!(alone.paged(Position::History(4), None), (last.get(), 4));
    assert_eq!(alone.paged(Position::History(u32::MAX), None), (last.get(), 5));
    assert_eq!(alone.paged(Position::History(2), Some("a")), (last.get(), 2));
    assert_eq!(alone.paged(Position::History(9), Some("b")), (last.get(), 2));
}

#[test]
fn what_is_kept_begins_in_the_middle_of_an_item() {
    let alone = Alone::new();
    let first = alone.stored(plain(4)).back(3);
    alone.rig.advance(SECOND);
    let last = alone.stored(plain(3));
    // By count: 5 of 7.
    assert_eq!(alone.snapshot().bodies.len(), 5);
    let late = alone.start(Position::After(first));
    assert_eq!((late.after, late.gap.is_some()), (first.forward(1), true));
    for position in [Position::After(first.forward(1)), Position::History(9), Position::History(u32::MAX)] {
        assert_eq!(alone.paged(position, None), (last.get(), 5));
    }
    // By age an item goes whole.
    alone.rig.advance(AGE.saturating_sub(SECOND));
    assert_eq!(alone.snapshot().bodies.len(), 3);
    assert_eq!(alone.paged(Position::After(last.back(3)), None), (last.get(), 3));
    alone.rig.advance(SECOND);
    assert_eq!(alone.snapshot().bodies.len(), 0);
    assert_eq!(alone.start(Position::After(last)).gap, None);
}

#[test]
fn the_end_takes_nothing_of_what_is_kept() {
    let alone = Alone::new();
    let last = alone.stored(plain(5));
    assert_eq!(alone.stored(closing(0, "stop")), last);
    assert_eq!(alone.snapshot().bodies.len(), 5);
    assert_eq!(alone.paged(Position::History(1), Some("none")).1, 0, "the end is told all the same");
    let page = alone.page(Position::History(1), Some("none"));
    assert_eq!(page.batch.and_then(|batch| batch.end).map(|end| end.last), Some(last));
}

#[test]
fn nothing_is_appended_behind_the_end() {
    let alone = Alone::new();
    let before = alone.stored(plain(2));
    let end = alone.stored(closing(1, "stop"));
    assert_eq!(end, before.next());
    let stop = EndReason::new("stop").expect("a reason");
    let refused = Receipt::Ended { reason: stop.clone(), last: end };
    for post in [plain(1), closing(0, "done"), closing(1, "stop"), lasting(0, Some(5), None)] {
        assert_eq!(alone.post(post), refused);
    }
    assert!(matches!(alone.post(closing(0, "stop")), Receipt::Same(same) if same.last == end));
    let snapshot = alone.snapshot();
    assert_eq!((snapshot.cursor, snapshot.ended, snapshot.bodies.len()), (end, Some(stop), 3));
    assert!(alone.start(Position::After(end)).is_over() && alone.start(Position::History(0)).is_over());
    assert_eq!(alone.paged(Position::After(before), None), (end.next().get(), 1));
    // Once it has expired the channel is new, and its last reader has missed nothing.
    alone.rig.advance(AGE);
    let next = alone.stored(on(OnlyIf::New, 1));
    assert!(next > end.next());
    assert_eq!(alone.paged(Position::After(end), None), (next.get(), 1));
}

#[test]
fn a_lease_is_over_for_whoever_looks_and_is_written_down_once() {
    for seed in 0..30 {
        let rig = Rig::new(seed, START);
        let processes = [0, 1, 2, 3].map(|ahead| rig.process(ahead));
        let first = rig.run(vec![posting(&processes[0], lasting(1, Some(10), None))]).remove(0);
        let Some(Receipt::Stored(stored)) = first else { panic!("{first:?}") };
        rig.advance(9 * SECOND);
        let renewed = rig.run(vec![posting(&processes[1], lasting(0, Some(20), None))]).remove(0);
        assert!(matches!(&renewed, Some(Receipt::Same(same)) if same.last == stored.last), "{renewed:?}");
        rig.advance(19 * SECOND);
        let appended = rig.run(vec![posting(&processes[2], plain(1))]).remove(0);
        let Some(Receipt::Stored(stored)) = appended else { panic!("{appended:?}") };
        // All at once, over a slow network.
        rig.advance(21 * SECOND);
        rig.slow(30, 5, 5);
        let all = processes.iter().map(|process| posting(process, plain(1)));
        for outcome in rig.run(all.collect()).into_iter().flatten() {
            assert_eq!(outcome, Receipt::Ended { reason: EndReason::ABANDONED, last: stored.last }, "{seed}");
        }
        rig.slow(0, 0, 0);
        let alone = Alone { process: processes[0].clone(), rig };
        let news = alone.news(stored.last);
        assert_eq!(news.len(), 1, "seed {seed}: {news:?}");
        assert_eq!(alone.snapshot().ended, Some(EndReason::ABANDONED));
    }
}

#[test]
fn a_lease_is_over_for_a_reader() {
    let alone = Alone::new();
    let last = alone.stored(lasting(1, Some(10), None));
    assert!(!alone.start(Position::After(last)).is_over());
    alone.rig.advance(10 * SECOND);
    assert!(alone.start(Position::After(last)).is_over());
    // Once that has expired nobody is told.
    let other = Alone::new();
    other.stored(lasting(1, Some(10), None));
    other.rig.advance(10 * SECOND + AGE);
    assert!(other.snapshot().ended.is_none());
    assert!(matches!(other.post(plain(1)), Receipt::Stored(_)));
}

#[test]
fn a_channel_that_is_kept_for_less_is_new_sooner() {
    let alone = Alone::new();
    let first = alone.stored(lasting(1, None, Some(2)));
    alone.rig.advance(2 * SECOND);
    assert_eq!(alone.snapshot().bodies.len(), 0);
    let second = alone.stored(plain(2));
    assert!(second > first.forward(2));
    // The run before it is known by its last id.
    assert_eq!(alone.paged(Position::After(first), None), (second.get(), 2));
    alone.rig.advance(3 * SECOND);
    assert_eq!(alone.snapshot().bodies.len(), 2, "only the first post of a run says it");
}

#[test]
fn of_those_who_want_to_follow_the_same_entry_one_does() {
    for seed in 0..50 {
        let rig = Rig::new(seed, START);
        let processes = [-5_000, 0, 5, 5_000].map(|ahead| rig.process(ahead));
        let all = processes.iter().map(|process| posting(process, on(OnlyIf::New, 2)));
        let outcomes = rig.run(all.collect());
        let stored = |outcomes: &[Option<Receipt>]| {
            let stored = outcomes.iter().filter_map(|outcome| match outcome {
                Some(Receipt::Stored(stored)) => Some(stored.last),
                Some(Receipt::Unmet { .. }) => None,
                other => panic!("seed {seed}: {other:?}"),
            });
            stored.collect::<Vec<_>>()
        };
        let [first] = stored(&outcomes)[..] else { panic!("seed {seed}: {outcomes:?}") };
        let all = processes.iter().map(|process| posting(process, on(OnlyIf::Last(first), 3)));
        let outcomes = rig.run(all.collect());
        assert_eq!(stored(&outcomes), [first.forward(3)], "seed {seed}: {outcomes:?}");
    }
}

/// An append, a close and a deletion that meet: whatever comes first, nothing follows an end.
#[test]
fn nothing_follows_an_end_that_another_process_writes() {
    let mut refused = 0;
    for seed in 0..60 {
        let rig = Rig::new(seed, START);
        let [one, other] = [0, 3].map(|ahead| rig.process(ahead));
        rig.run(vec![posting(&one, plain(1))]);
        rig.slow(20, 0, 0);
        let outcomes = rig.run(vec![posting(&one, plain(2)), posting(&other, closing(1, "stop"))]);
        rig.slow(0, 0, 0);
        let alone = Alone { process: one, rig };
        let (Some(appended), Some(Receipt::Stored(closed))) = (&outcomes[0], &outcomes[1]) else {
            panic!("seed {seed}: {outcomes:?}");
        };
        let snapshot = alone.snapshot();
        assert_eq!(snapshot.cursor, closed.last, "seed {seed}");
        match appended {
            Receipt::Stored(stored) => assert!(stored.last < closed.last, "seed {seed}"),
            Receipt::Ended { last, .. } => {
                refused += 1;
                assert_eq!(*last, closed.last, "seed {seed}");
            }
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!((5..55).contains(&refused), "{refused} of 60 were too late");
}

#[test]
fn a_deleted_channel_begins_anew_and_who_was_there_is_told() {
    let alone = Alone::new();
    alone.delete();
    assert!(alone.news(EntryId::BEGINNING).is_empty(), "there is nothing");
    let last = alone.stored(lasting(3, Some(10), Some(30)));
    alone.delete();
    alone.delete();
    let empty = alone.snapshot();
    assert_eq!((empty.bodies.len(), empty.ended), (0, None));
    assert_eq!(alone.start(Position::After(last)).gap, None);
    assert!(alone.start(Position::After(last.back(1))).gap.is_some());
    let next = alone.stored(on(OnlyIf::New, 2));
    // One that reads on hears of it once, and nothing of what comes then.
    let told = batches(&alone.news(last.back(1)), last.back(1), &Filter::ALL);
    let ends: Vec<_> = told.iter().map(|batch| batch.end.as_ref().map(|end| end.reason.as_str())).collect();
    assert_eq!(ends, [Some("deleted")]);
    assert_eq!(alone.paged(Position::After(last), None), (next.get(), 2));
    alone.rig.advance(40 * SECOND);
    assert_eq!(alone.snapshot().bodies.len(), 2, "the terms are deleted, too");
}

#[test]
fn a_key_covers_all_of_a_request() {
    for seed in 0..30 {
        let rig = Rig::new(seed, START);
        rig.slow(30, 5, 5);
        let keyed = |count, reason: &str| {
            let sender = Sender::subject("ada");
            Post { sender, key: Key::new(b"k").ok(), ..closing(count, reason) }
        };
        let processes = [0, 1, 2, 3].map(|ahead| rig.process(ahead));
        let outcomes = rig.run(processes.iter().map(|process| posting(process, keyed(3, "stop"))).collect());
        rig.slow(0, 0, 0);
        let alone = Alone { process: processes[0].clone(), rig };
        let snapshot = alone.snapshot();
        assert_eq!(snapshot.bodies.len(), 3, "seed {seed}: {outcomes:?}");
        for outcome in outcomes.into_iter().flatten() {
            let (Receipt::Stored(stored) | Receipt::Replayed(stored)) = outcome else {
                panic!("seed {seed}: {outcome:?}");
            };
            assert_eq!(stored.last, snapshot.cursor, "seed {seed}");
        }
        assert!(matches!(alone.post(keyed(3, "stop")), Receipt::Replayed(_)), "though the channel has ended");
        assert_eq!(alone.post(keyed(2, "stop")), Receipt::KeyReused);
        assert_eq!(alone.post(keyed(3, "done")), Receipt::KeyReused);
    }
}
