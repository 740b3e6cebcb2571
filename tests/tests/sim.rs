//! Whatever happens to streams, channels and networks: a reader misses nothing without being told, and sees
//! nothing twice.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use ssedge::log::{EntryId, Retention};
use ssedge::session::WhenSlow;
use ssedge_tests::world::{Profile, Speed, World};

const READERS: usize = 3;
const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Op {
    Append { key: &'static str, size: usize, times: usize },
    Advance(Duration),
    Disconnect(usize),
    Kill,
    Lose(usize),
    Evict,
    Outage { span: Duration, refuses: bool },
    Drop(usize),
    Delay(usize, Duration),
    Throttle(usize, Speed),
    Coalesce(Duration),
    Forget,
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
        3 => reader().prop_map(Op::Disconnect),
        1 => Just(Op::Kill),
        2 => reader().prop_map(Op::Lose),
        2 => Just(Op::Evict),
        1 => (ms(0..8_000), any::<bool>()).prop_map(|(span, refuses)| Op::Outage { span, refuses }),
        2 => reader().prop_map(Op::Drop),
        2 => (reader(), ms(0..300)).prop_map(|(reader, latency)| Op::Delay(reader, latency)),
        3 => (reader(), speed).prop_map(|(reader, speed)| Op::Throttle(reader, speed)),
        1 => ms(0..500).prop_map(Op::Coalesce),
        1 => Just(Op::Forget),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    let max = select([1, 5, 20, 1_000].as_slice());
    let age = select([4, 20, 3_600].as_slice()).prop_map(Duration::from_secs);
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
    (0..count).map(|nth| world.append(KEYS[nth % KEYS.len()], 10)).collect()
}

fn apply(world: &mut World, op: &Op) {
    match *op {
        Op::Append { key, size, times } => {
            for _ in 0..times {
                world.append(key, size);
            }
        }
        Op::Advance(span) => world.advance(span),
        Op::Disconnect(reader) => world.disconnect(reader),
        Op::Kill => world.kill(),
        Op::Lose(reader) => world.lose(reader),
        Op::Evict => world.evict(),
        Op::Outage { span, refuses } => world.outage(span, refuses),
        Op::Drop(reader) => world.drop_next(reader),
        Op::Delay(reader, latency) => world.delay(reader, latency),
        Op::Throttle(reader, speed) => world.throttle(reader, speed),
        Op::Coalesce(span) => world.coalesce(span),
        Op::Forget => world.log.forget(world.now),
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
    for (at, reader) in world.readers.iter().enumerate() {
        let client = &reader.client;
        assert!(client.is_up_to_date(&world.log), "reader {at} is still at {:?}", client.at);
        assert!(client.seen.is_sorted_by(|left, right| left < right), "reader {at} saw {:?}", client.seen);
    }
}

/// How many worlds are tried: `cargo xtask test --long` asks for more by this variable.
const WORLDS: (&str, u32) = ("SSEDGE_WORLDS", 300);

fn config() -> ProptestConfig {
    let (name, default) = WORLDS;
    let cases =
        std::env::var(name).map_or(default, |worlds| worlds.parse().expect("SSEDGE_WORLDS is a number"));
    let seed = RngSeed::Fixed(0x5353_4544_4745);
    ProptestConfig { cases, rng_seed: seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// The readers check as they read: see `ssedge_tests::world::Client`.
    #[test]
    fn nothing_is_missed_and_nothing_comes_twice(
        retention in retention(),
        readers in (profile(false), profile(false), profile(true)),
        before in 0_usize..40,
        ops in vec(op(), 1..60),
    ) {
        let mut world = World::new(retention, vec![readers.0, readers.1, readers.2]);
        fill(&mut world, before);
        for op in &ops {
            apply(&mut world, op);
        }
        settle(&mut world);
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// A reader of all, with so much history, in a world that keeps so many entries for a minute.
fn alone(max: u64, history: u32, keys: Option<Vec<&'static str>>) -> World {
    let profile = Profile { keys, history, ticks: false, when_slow: WhenSlow::End, life: None, token: None };
    World::new(Retention { max, age: 60 * SECOND }, vec![profile])
}

#[track_caller]
fn check(world: &World, seen: &[EntryId], gaps: usize) {
    let client = &world.readers[0].client;
    assert_eq!((&client.seen[..], client.gaps.len()), (seen, gaps));
}

#[test]
fn history_counts_what_the_filter_admits() {
    let mut world = alone(100, 3, Some(vec!["b"]));
    let ids = fill(&mut world, 30);
    world.advance(SECOND);
    check(&world, &[ids[22], ids[25], ids[28]], 0);
    let mut world = alone(5, 30, None);
    let ids = fill(&mut world, 30);
    world.advance(SECOND);
    check(&world, &ids[25..], 0);
}

#[test]
fn a_reader_that_is_cut_before_its_first_message_misses_nothing() {
    for before in [0, 7] {
        let mut world = alone(100, 0, None);
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
    let mut world = alone(5, 0, None);
    world.advance(SECOND);
    world.disconnect(0);
    let ids = fill(&mut world, 6);
    world.advance(5 * SECOND);
    check(&world, &ids[1..], 1);
}

#[test]
fn a_run_that_came_and_went_while_the_reader_was_away_is_a_gap() {
    let mut world = alone(100, 0, None);
    world.advance(SECOND);
    let mut seen = fill(&mut world, 1);
    // All of it expires, and the reader comes back to an empty channel.
    world.advance(70 * SECOND);
    world.disconnect(0);
    world.advance(5 * SECOND);
    check(&world, &seen, 0);
    // While it is away once more, another run comes, goes, and is followed by a third.
    world.outage(80 * SECOND, true);
    world.evict();
    fill(&mut world, 3);
    world.advance(70 * SECOND);
    seen.extend(fill(&mut world, 2));
    world.advance(30 * SECOND);
    check(&world, &seen, 1);
}
