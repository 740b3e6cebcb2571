//! The log in a table, process by process: what it asks, and what becomes of those who meet.

use std::sync::Arc;
use std::time::Duration;

use ssedge::access::Rate;
use ssedge::log::{EntryId, Filter, Position, Retention, Subscribe};
use ssedge::store::table::{Posts, Reader};
use ssedge::store::{Post, Receipt, Stored};
use ssedge_tests::stream::channel_name;
use ssedge_tests::world::{Doing, Process, Rig, START, post};

const RETENTION: Retention = Retention { max: 100, age: Duration::from_secs(3_600) };
const FAST: Rate = Rate::per_second(1_000, 100_000);
/// Posts by their numbers: those that three divides have no key, and those to `a` have a value that is remembered.
const PLAIN: (u64, &str) = (0, "b");
const WITH_KEY: (u64, &str) = (4, "b");
const WITH_VALUE: (u64, &str) = (3, "a");

type Outcome = Option<Receipt>;

/// A process posts; nothing if the table did not answer.
fn posts(process: &Arc<Process>, post: Post, rate: Rate) -> Doing<Outcome> {
    let process = process.clone();
    Box::pin(async move {
        let posts = Posts::new(&*process, RETENTION, rate);
        posts.append(&channel_name("room"), &post, FAST).await.ok()
    })
}

/// The ids of all that is kept.
fn ids(rig: &Rig) -> Vec<EntryId> {
    let process = rig.process(0);
    rig.slow(0, 0, 0);
    let read: Doing<_> = Box::pin(async move {
        let subscribe = Subscribe { position: Position::History(100), filter: Filter::ALL, newest: false };
        Reader::new(&*process, RETENTION).snapshot(&channel_name("room"), &subscribe).await
    });
    let snapshot = rig.run(vec![read]).remove(0).expect("the table answers");
    let ids = snapshot.bodies.iter().map(|body| {
        let body: serde_json::Value = serde_json::from_str(body).expect("a body is JSON");
        body["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
    });
    ids.collect()
}

fn stored(outcome: &Outcome) -> Option<EntryId> {
    match outcome {
        Some(Receipt::Stored(Stored { last, .. })) => Some(*last),
        _ => None,
    }
}

#[test]
fn writers_that_meet_in_an_empty_channel_begin_one_run() {
    for seed in 0..50 {
        let rig = Rig::new(seed, START);
        rig.slow(30, 5, 5);
        let processes = [-30_000, -7, 0, 1, 30_000].map(|ahead| rig.process(ahead));
        let all = (0..).zip(&processes).map(|(n, process)| posts(process, post(3 * n, "b", 10), FAST));
        let outcomes = rig.run(all.collect());
        let ids = ids(&rig);
        assert!(ids.windows(2).all(|two| two[0].next() == two[1]), "seed {seed}: {ids:?}");
        let mut told: Vec<_> = outcomes.iter().filter_map(stored).collect();
        told.sort_unstable();
        assert!(told.iter().all(|id| ids.contains(id)), "seed {seed}: {told:?} of {ids:?}");
        assert!(told.windows(2).all(|two| two[0] != two[1]), "seed {seed}: {told:?}");
        assert!(!told.is_empty(), "seed {seed}: a table that mostly answers takes something");
    }
}

#[test]
fn processes_that_are_asked_for_the_same_store_it_once() {
    for seed in 0..50 {
        let rig = Rig::new(seed, START);
        rig.slow(30, 5, 5);
        let processes = [0, 1, 2, 3].map(|ahead| rig.process(ahead));
        let all = processes.iter().map(|process| posts(process, post(WITH_KEY.0, WITH_KEY.1, 10), FAST));
        let outcomes = rig.run(all.collect());
        let ids = ids(&rig);
        assert_eq!(ids.len(), 1, "seed {seed}: {outcomes:?}");
        for outcome in outcomes.into_iter().flatten() {
            let (Receipt::Stored(told) | Receipt::Replayed(told)) = outcome else {
                panic!("seed {seed}: {outcome:?}");
            };
            assert_eq!(told.last, ids[0], "seed {seed}");
        }
    }
}

/// How many requests a post costs in a channel that has entries, and how many of them are writes.
#[track_caller]
fn check_cost((number, key): (u64, &str), rate: Rate, requests: u64, writes: u64) {
    let (rig, before) = (Rig::new(7, START), post(6, "b", 10));
    let process = rig.process(0);
    assert!(stored(&rig.run(vec![posts(&process, before, rate)])[0]).is_some());
    let _ = rig.requests();
    rig.run(vec![posts(&process, post(number, key, 10), rate)]);
    assert_eq!(rig.requests(), (requests, writes), "{number} to {key}");
}

#[test]
fn a_post_costs_so_many_requests() {
    // Read: the newest item and the bucket. Written: the bucket and the entry.
    check_cost(PLAIN, FAST, 4, 2);
    // Besides these, the claim is read and written.
    check_cost(WITH_KEY, FAST, 6, 3);
    // The remembered value is read, and written in one request with the entry.
    check_cost(WITH_VALUE, FAST, 5, 2);
}

#[test]
fn a_post_that_is_too_fast_writes_nothing() {
    check_cost(PLAIN, Rate::per_second(1, 1), 2, 0);
    check_cost(WITH_KEY, Rate::per_second(1, 1), 3, 0);
}
