//! Whatever happens to streams, channels and networks: a reader misses nothing without being told, and sees
//! nothing twice.

use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use ssedge::limits::PAGE_BYTES;
use ssedge::log::{EntryId, Retention};
use ssedge::session::WhenSlow;
use ssedge_tests::world::{Fault, Figures, Known, Log, Profile, Speed, Wish, World};

const READERS: usize = 3;
const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Op {
    Append {
        key: &'static str,
        size: usize,
        times: usize,
    },
    /// Of a channel of one's own.
    Wish(&'static str, usize, Wish),
    /// The same.
    Delete,
    Advance(Duration),
    Sleep(Duration),
    Disconnect(usize),
    CutOff(usize),
    Kill,
    Drop(usize),
    Delay(usize, Duration),
    Throttle(usize, Speed),
    Fault(Fault),
}

fn ms(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn op() -> impl Strategy<Value = Op> {
    let key = || select(KEYS.as_slice());
    let reader = || 0..READERS;
    let speed = prop_oneof![
        2 => Just(Speed::Unlimited),
        2 => (1_u64..200).prop_map(Speed::Rate),
        1 => Just(Speed::Stalled),
    ];
    prop_oneof![
        8 => (key(), 1_usize..5).prop_map(|(key, times)| Op::Append { key, size: 10, times }),
        2 => (key(), 1_usize..60).prop_map(|(key, times)| Op::Append { key, size: 8_000, times }),
        6 => ms(0..200).prop_map(Op::Advance),
        4 => ms(200..4_000).prop_map(Op::Advance),
        1 => ms(4_000..70_000).prop_map(Op::Advance),
        1 => select([60, 1_200, 20_000].as_slice()).prop_map(|secs| Op::Sleep(Duration::from_secs(secs))),
        3 => reader().prop_map(Op::Disconnect),
        2 => reader().prop_map(Op::CutOff),
        1 => Just(Op::Kill),
        2 => reader().prop_map(Op::Drop),
        2 => (reader(), ms(0..300)).prop_map(|(reader, latency)| Op::Delay(reader, latency)),
        3 => (reader(), speed).prop_map(|(reader, speed)| Op::Throttle(reader, speed)),
        10 => fault().prop_map(Op::Fault),
    ]
}

/// What happens to a channel of one's own besides.
fn op_of_data() -> impl Strategy<Value = Op> {
    let key = || select(KEYS.as_slice());
    let secs = |secs: &'static [u64]| prop_oneof![2 => Just(None), 1 => select(secs).prop_map(Some)];
    let lease = || secs(&[5, 20, 60]);
    let only_if = prop_oneof![4 => Just(None), 2 => Just(Some(Known::Last)), 1 => Just(Some(Known::Nothing))];
    let terms = (lease(), secs(&[2, 10]), only_if);
    let size = prop_oneof![4 => Just(10_usize), 1 => Just(4_000)];
    let wish = (1_usize..8, terms).prop_map(|(entries, (lease, keep, only_if))| Wish {
        entries,
        closes: false,
        lease,
        keep,
        only_if,
    });
    prop_oneof![
        24 => op(),
        8 => (key(), size, wish).prop_map(|(key, size, wish)| Op::Wish(key, size, wish)),
        1 => (key(), 0_usize..3).prop_map(|(key, entries)| {
            Op::Wish(key, 10, Wish { entries, closes: true, ..Wish::default() })
        }),
        1 => select([5, 20, 60].as_slice()).prop_map(|secs| {
            Op::Wish("a", 10, Wish { lease: Some(secs), ..Wish::default() })
        }),
        1 => Just(Op::Delete),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let outage = |span, refuses| Fault::Outage { span, refuses };
    prop_oneof![
        2 => (0..READERS).prop_map(Fault::Lose),
        2 => Just(Fault::Evict),
        1 => (ms(0..100_000), any::<bool>()).prop_map(move |(span, refuses)| outage(span, refuses)),
        1 => ms(0..500).prop_map(Fault::Deliver),
        1 => select([0, 300, PAGE_BYTES].as_slice()).prop_map(Fault::Room),
        1 => Just(Fault::Free),
        3 => (0_u32..30).prop_map(Fault::Crash),
        3 => slow(),
    ]
}

fn slow() -> impl Strategy<Value = Fault> {
    let network = (select([0, 20, 300, 1_200].as_slice()), 0_u64..20, 0_u64..10);
    network.prop_map(|(latency, lost, throttled)| Fault::Slow { latency, lost, throttled })
}

fn retention() -> impl Strategy<Value = Retention> {
    let max = select([1, 5, 20, 1_000].as_slice());
    let age = select([1, 4, 20, 3_600].as_slice()).prop_map(Duration::from_secs);
    (max, age).prop_map(|(max, age)| Retention { max, age })
}

fn profile(conflates: bool) -> impl Strategy<Value = Profile> {
    let keys = select(vec![None, None, Some(vec!["a"]), Some(vec!["b", "c"])]);
    let spans = || of(select([5, 60].as_slice()).prop_map(Duration::from_secs));
    let rest = (0_u32..30, any::<bool>(), spans(), of(Just(Duration::from_secs(20))));
    (keys, rest).prop_map(move |(keys, (history, ticks, life, token))| {
        let ticks = ticks && !conflates;
        let when_slow = if conflates { WhenSlow::Newest } else { WhenSlow::End };
        Profile { keys, history, ticks, when_slow, life, token }
    })
}

/// Appends so many entries, of each key in turn; their ids.
fn fill(world: &mut World, count: usize) -> Vec<EntryId> {
    for nth in 0..count {
        world.append(KEYS[nth % KEYS.len()], 10);
    }
    world.newest(count)
}

fn apply(world: &mut World, op: &Op) {
    match op {
        Op::Append { key, size, times } => {
            for _ in 0..*times {
                world.append(key, *size);
            }
        }
        Op::Wish(key, size, wish) => world.wish(key, *size, wish),
        Op::Delete => world.delete(),
        Op::Advance(span) => world.advance(*span),
        Op::Sleep(span) => world.sleep(*span),
        Op::Disconnect(reader) => world.disconnect(*reader),
        Op::CutOff(reader) => world.cut_off(*reader),
        Op::Kill => world.kill(),
        Op::Drop(reader) => world.drop_next(*reader),
        Op::Delay(reader, latency) => world.delay(*reader, *latency),
        Op::Throttle(reader, speed) => world.throttle(*reader, *speed),
        Op::Fault(fault) => world.fault(fault),
    }
}

/// The faults end, some more entries come, and every reader must arrive at the last of them.
fn settle(world: &mut World) {
    world.calm();
    for round in 0..24 {
        world.advance(Duration::from_secs(5));
        world.append(KEYS[round % KEYS.len()], 10);
    }
    world.advance(Duration::from_secs(3));
    world.check_senders();
    for (at, reader) in world.readers.iter().enumerate() {
        let client = &reader.client;
        // Who comes to a channel that has ended, and wants no history, is told that it is over, and no more.
        let is_over = world.history().has_ended(world.now) && reader.is_away();
        let is_there = is_over || client.is_up_to_date(world.history());
        assert!(is_there, "reader {at} is still at {:?}", client.at);
        assert!(client.seen.is_sorted_by(|left, right| left < right), "reader {at} saw {:?}", client.seen);
    }
}

/// How many worlds are tried on each log: `cargo xtask test --long` asks for more by this variable.
const WORLDS: (&str, u32) = ("SSEDGE_WORLDS", 100);

fn config() -> ProptestConfig {
    let (name, default) = WORLDS;
    let cases =
        std::env::var(name).map_or(default, |worlds| worlds.parse().expect("SSEDGE_WORLDS is a number"));
    let seed = RngSeed::Fixed(0x5353_4544_4745);
    ProptestConfig { cases, rng_seed: seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// A channel that has ended stays so, and every reader is told.
fn end(world: &mut World) {
    world.wish("a", 10, &Wish { entries: 2, closes: true, ..Wish::default() });
    world.advance(Duration::from_secs(20));
    world.check_senders();
    // If it was kept for less time than that, it is open again, and so it is by a clock that is ahead.
    if !world.history().has_ended(world.now) {
        return;
    }
    for (at, reader) in world.readers.iter().enumerate() {
        assert!(reader.is_away(), "reader {at} still reads a channel that has ended");
    }
}

/// Tries worlds on this log. The readers check as they read: see `ssedge_tests::world::Client`.
fn try_worlds(log: Log, of_data: bool) {
    let readers = (profile(false), profile(false), profile(true));
    // What comes first may meet in an empty channel, by clocks that differ.
    let before = (of(slow()), 0_usize..40);
    let ops = if of_data { op_of_data().boxed() } else { op().boxed() };
    let worlds = (retention(), readers, before, vec(ops, 1..60), any::<u64>());
    let figures = Mutex::new(Figures::default());
    let started = Instant::now();
    let tried = TestRunner::new(config()).run(&worlds, |(retention, readers, before, ops, seed)| {
        let mut world = World::new(log, retention, vec![readers.0, readers.1, readers.2], seed);
        if of_data {
            world = world.of_data();
        }
        let (slow, posts) = before;
        slow.iter().for_each(|slow| world.fault(slow));
        for nth in 0..posts {
            world.append(KEYS[nth % KEYS.len()], 10);
        }
        for op in &ops {
            apply(&mut world, op);
        }
        settle(&mut world);
        if of_data {
            end(&mut world);
        }
        let mut figures = figures.lock().expect("no world has failed");
        figures.count("worlds");
        figures.join(&world.all_figures());
        Ok(())
    });
    if let Err(failed) = tried {
        panic!("{log:?}, of data: {of_data}: {failed}");
    }
    let figures = figures.into_inner().expect("no world has failed");
    // Not by `println`, which would be shown only if the test fails.
    let _ = writeln!(
        std::io::stdout(),
        "{log:?}, of data: {of_data}, {:.1} s: {figures}",
        started.elapsed().as_secs_f64()
    );
}

#[test]
fn nothing_is_missed_and_nothing_comes_twice() {
    try_worlds(Log::Model, false);
}

#[test]
fn nothing_is_missed_and_nothing_comes_twice_in_sqlite() {
    try_worlds(Log::Sqlite, false);
}

#[test]
fn nothing_is_missed_and_nothing_comes_twice_in_a_table() {
    try_worlds(Log::Table, false);
}

/// Whatever happens to a channel that can end: what is posted at once is stored at once, nothing follows the end, every reader is
/// told of it once and in its place, and nobody who was told finds the channel open.
#[test]
fn nothing_follows_the_end_and_everybody_is_told() {
    try_worlds(Log::Model, true);
}

#[test]
fn nothing_follows_the_end_and_everybody_is_told_in_sqlite() {
    try_worlds(Log::Sqlite, true);
}

#[test]
fn nothing_follows_the_end_and_everybody_is_told_in_a_table() {
    try_worlds(Log::Table, true);
}

const SECOND: Duration = Duration::from_secs(1);

/// A reader of all, with so much history, in a world that keeps so many entries for a minute.
fn alone(log: Log, max: u64, history: u32, keys: Option<Vec<&'static str>>) -> World {
    let profile = Profile { keys, history, ticks: false, when_slow: WhenSlow::End, life: None, token: None };
    World::new(log, Retention { max, age: 60 * SECOND }, vec![profile], 7)
}

#[track_caller]
fn check(world: &World, seen: &[EntryId], gaps: usize) {
    let client = &world.readers[0].client;
    assert_eq!((&client.seen[..], client.gaps.len()), (seen, gaps));
}

const ALL: [Log; 3] = [Log::Model, Log::Sqlite, Log::Table];

#[test]
fn history_counts_what_the_filter_admits() {
    for log in ALL {
        let mut world = alone(log, 100, 3, Some(vec!["b"]));
        let ids = fill(&mut world, 30);
        world.advance(SECOND);
        check(&world, &[ids[22], ids[25], ids[28]], 0);
        let mut world = alone(log, 5, 30, None);
        let ids = fill(&mut world, 30);
        world.advance(SECOND);
        check(&world, &ids[25..], 0);
    }
}

#[test]
fn a_reader_that_is_cut_before_its_first_message_misses_nothing() {
    for (log, before) in ALL.into_iter().flat_map(|log| [(log, 0), (log, 7)]) {
        let mut world = alone(log, 100, 0, None);
        fill(&mut world, before);
        world.advance(SECOND);
        world.disconnect(0);
        let ids = fill(&mut world, 4);
        world.advance(5 * SECOND);
        check(&world, &ids, 0);
    }
}

#[test]
fn from_the_beginning_a_gap_is_only_what_is_gone() {
    for log in ALL {
        let mut world = alone(log, 5, 0, None);
        world.advance(SECOND);
        world.disconnect(0);
        let ids = fill(&mut world, 6);
        world.advance(5 * SECOND);
        check(&world, &ids[1..], 1);
    }
}

/// Not in a table, whose clocks do not agree on when a minute is over.
#[test]
fn a_run_that_came_and_went_while_the_reader_was_away_is_a_gap() {
    for log in [Log::Model, Log::Sqlite] {
        let mut world = alone(log, 100, 0, None);
        world.advance(SECOND);
        let mut seen = fill(&mut world, 1);
        // All of it expires, and the reader comes back to an empty channel.
        world.advance(70 * SECOND);
        world.disconnect(0);
        world.advance(5 * SECOND);
        check(&world, &seen, 0);
        // While it is away once more, another run comes, goes, and is followed by a third.
        world.fault(&Fault::Outage { span: 80 * SECOND, refuses: true });
        world.fault(&Fault::Evict);
        fill(&mut world, 3);
        world.advance(70 * SECOND);
        seen.extend(fill(&mut world, 2));
        world.advance(30 * SECOND);
        check(&world, &seen, 1);
    }
}

#[test]
fn a_replay_of_more_than_a_hundred_pages_comes_whole() {
    const ENTRIES: usize = 900;
    for log in ALL {
        let mut world = alone(log, 1_000, 1_000, None);
        world.delay(0, Duration::ZERO);
        for _ in 0..ENTRIES {
            world.append("b", 8_000);
        }
        world.advance(20 * SECOND);
        check(&world, &world.newest(ENTRIES), 0);
    }
}
