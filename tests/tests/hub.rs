//! What a hub answers from its memory is what its channel would have answered.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use ssedge::hub::{Answer, AskAgain, Gather, Hub, News, Seat, Told};
use ssedge::limits::{HUB_DELIVERIES, HUB_OPENING, PAGE_BYTES};
use ssedge::log::{Batch, EndReason, EntryId, Filter, Position, Retention, Subscribe};
use ssedge::store::Terms;
use ssedge::time::UnixMillis;
use ssedge_tests::world::{Model, ObjectLog, START, data, post};

const HEARTBEAT: Duration = Duration::from_secs(15);
const KEPT: Retention = Retention { max: 1_000, age: Duration::from_secs(3_600) };

type TestHub = Hub<Bytes, &'static str>;

#[derive(Clone, Debug)]
enum Step {
    Append(&'static str, usize),
    Pass(Duration),
    Open,
    Ask(Subscribe),
    /// With a cursor that is so far behind the newest id.
    Resume(u64, Filter),
}

fn filter() -> impl Strategy<Value = Filter> {
    let keys = |keys: &[&str]| Filter::keys(keys.iter().map(|key| (*key).to_owned()));
    select(vec![Filter::ALL, Filter::ALL, keys(&["a"]), keys(&["b", "c"]), keys(&["x"])])
}

fn step() -> impl Strategy<Value = Step> {
    let position = prop_oneof![
        4 => (0_u32..12).prop_map(Position::History),
        1 => Just(Position::after("x")),
        1 => Just(Position::After(EntryId::BEGINNING)),
    ];
    let ask = (position, filter());
    prop_oneof![
        8 => (select(vec!["a", "b", "c"]), 1_usize..400).prop_map(|(key, size)| Step::Append(key, size)),
        2 => (1_u64..3_000).prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
        1 => Just(Step::Open),
        3 => ask.prop_map(|(position, filter)| Step::Ask(Subscribe { position, filter, newest: false })),
        4 => (0_u64..30, filter()).prop_map(|(back, filter)| Step::Resume(back, filter)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_hub_answers_as_its_channel(
        max in select(vec![1_u64, 5, 20, 1_000]),
        age in 1_u64..8,
        room in select(vec![0, 500, 2_000, PAGE_BYTES]),
        steps in vec(step(), 1..120),
    ) {
        let retention = Retention { max, age: Duration::from_secs(age) };
        let (mut model, mut now) = (Model::new(retention), START);
        let mut hub = Hub::new(retention, HEARTBEAT);
        // Two, so that something is kept for the other one.
        let (seat, _) = (hub.enter("owner", now), hub.enter("other", now));
        open(&mut hub, &mut model, seat, room, now);
        for (number, step) in (0..).zip(steps) {
            let subscribe = match step {
                Step::Append(key, size) => {
                    let (_, new) = model.append(&post(number, key, size), now).unwrap();
                    let new = new.unwrap();
                    let news = News::encode(new.run, new.after, new.age, &new.entries).unwrap();
                    hub.news(seat, news, room, now);
                    continue;
                }
                Step::Pass(span) => {
                    now = now + span;
                    continue;
                }
                Step::Open => {
                    hub.lost(seat);
                    open(&mut hub, &mut model, seat, room, now);
                    continue;
                }
                Step::Ask(subscribe) => subscribe,
                Step::Resume(back, filter) => {
                    let position = Position::After(hub.stands_at().unwrap_or_default().back(back));
                    Subscribe { position, filter, newest: false }
                }
            };
            let expected = model.page(&subscribe, now).unwrap();
            ASKED.fetch_add(1, Ordering::Relaxed);
            if let Answer::Page(page) = hub.subscribe(seat, &subscribe, now) {
                ANSWERED.fetch_add(1, Ordering::Relaxed);
                prop_assert_eq!(page, expected, "{:?}", subscribe);
            }
            hub.part(seat);
        }
    }
}

/// How often a hub was asked, and how often it knew the answer.
static ASKED: AtomicUsize = AtomicUsize::new(0);
static ANSWERED: AtomicUsize = AtomicUsize::new(0);

fn open<M: Clone>(
    hub: &mut Hub<Bytes, M>,
    model: &mut Model,
    seat: Seat,
    room: usize,
    now: UnixMillis,
) -> Vec<Told<Bytes, M>> {
    let subscribe = Subscribe { position: Position::History(0), filter: Filter::ALL, newest: false };
    let Answer::Open(after) = hub.subscribe(seat, &subscribe, now) else { panic!("nobody owns it") };
    let opening = model.open(after, now).unwrap();
    hub.opened(seat, opening.extent, opening.news, room, now)
}

/// A log with so many entries, and a hub with two members, of which the first owns it.
fn two(count: u64) -> (Model, TestHub, [Seat; 2]) {
    let mut model = Model::new(KEPT);
    for number in 0..count {
        model.append(&post(number, "b", 10), START).unwrap();
    }
    let mut hub = Hub::new(KEPT, HEARTBEAT);
    let seats = [hub.enter("first", START), hub.enter("second", START)];
    open(&mut hub, &mut model, seats[0], PAGE_BYTES, START);
    (model, hub, seats)
}

fn resume(cursor: EntryId) -> Subscribe {
    Subscribe { position: Position::After(cursor), filter: Filter::ALL, newest: false }
}

fn append(model: &mut Model, number: u64, now: UnixMillis) -> News<Bytes> {
    let new = model.append(&post(number, "b", 10), now).unwrap().1.unwrap();
    News::encode(new.run, new.after, new.age, &new.entries).unwrap()
}

/// Who was told something of it, and up to where.
fn entries(told: &[Told<Bytes, &'static str>]) -> Vec<(&'static str, EntryId)> {
    let upto = |told: &Told<Bytes, &'static str>| match told {
        Told::Entries(who, batch) => (*who, batch.upto),
        told => panic!("{told:?}"),
    };
    told.iter().map(upto).collect()
}

#[test]
fn most_questions_need_no_trip() {
    let (mut model, mut hub, [_, second]) = two(30);
    let last = hub.stands_at().unwrap();
    for back in 0..30 {
        let subscribe = resume(last.back(back));
        let expected = model.page(&subscribe, START).unwrap();
        assert_eq!(hub.subscribe(second, &subscribe, START), Answer::Page(expected));
    }
    // A cursor that is newer than what the hub has: somebody else was told of it before.
    assert_eq!(hub.subscribe(second, &resume(last.next()), START), Answer::Ask);
}

#[test]
fn a_reader_that_comes_after_a_post_gets_it_with_its_history() {
    let (mut model, mut hub, [first, second]) = two(3);
    let history = Subscribe { position: Position::History(2), ..resume(EntryId::BEGINNING) };
    assert!(matches!(hub.subscribe(second, &history, START), Answer::Page(_)));
    let news = append(&mut model, 3, START);
    hub.heard_of(news.last());
    assert_eq!(hub.subscribe(second, &history, START), Answer::Ask, "it is still on its way");
    hub.news(first, news, PAGE_BYTES, START);
    assert!(matches!(hub.subscribe(second, &history, START), Answer::Page(_)));
}

#[test]
fn one_opens_and_the_others_wait() {
    let mut hub = TestHub::new(KEPT, HEARTBEAT);
    let mut model = Model::new(KEPT);
    let subscribe = resume(EntryId::BEGINNING);
    let [first, second] = ["first", "second"].map(|who| hub.enter(who, START));
    assert_eq!(hub.subscribe(first, &subscribe, START), Answer::Open(None));
    assert_eq!(hub.subscribe(second, &subscribe, START), Answer::Wait);
    let told = open(&mut hub, &mut model, first, PAGE_BYTES, START);
    assert_eq!(told, [Told::AskAgain("second")]);
    assert!(matches!(hub.subscribe(second, &subscribe, START), Answer::Page(_)));

    // A connection that breaks is lost for all that counted on it.
    assert_eq!(hub.lost(second), [], "it is not its own");
    assert_eq!(hub.lost(first), [Told::Lost("second")]);
    assert_eq!(hub.subscribe(second, &subscribe, START), Answer::Open(Some(EntryId::BEGINNING)));
    assert_eq!(hub.subscribe(first, &subscribe, START), Answer::Wait);
    assert_eq!(hub.lost(second), [Told::Lost("first")], "nor could the second open one");
}

#[test]
fn the_next_owner_goes_on_where_the_hub_stands() {
    let (mut model, mut hub, [first, second]) = two(3);
    let last = hub.stands_at().unwrap();
    hub.subscribe(second, &resume(last), START);
    assert_eq!(hub.leave(first, START), Some("second"));
    assert!(hub.is_owner(second));
    let missed = append(&mut model, 3, START);
    let opening = model.open(hub.stands_at(), START).unwrap();
    assert_eq!(opening.news.as_ref(), Some(&missed), "what came in between, and no more");
    let told = hub.opened(second, opening.extent, opening.news, PAGE_BYTES, START);
    assert_eq!(entries(&told), [("second", missed.last())]);
    assert_eq!(hub.leave(second, START), None);
    assert!(hub.is_empty());
}

#[test]
fn a_stream_that_stands_elsewhere_learns_that_it_missed_something() {
    let retention = Retention { age: Duration::from_secs(1), ..KEPT };
    let mut model = Model::new(retention);
    append(&mut model, 0, START);
    let mut hub = Hub::new(retention, HEARTBEAT);
    let [first, second] = ["first", "second"].map(|who| hub.enter(who, START));
    open(&mut hub, &mut model, first, PAGE_BYTES, START);
    hub.subscribe(second, &resume(hub.stands_at().unwrap()), START);
    assert_eq!(hub.leave(first, START), Some("second"));
    // An entry that came and went.
    let missed = append(&mut model, 1, START + Duration::from_secs(2));
    let later = START + Duration::from_secs(4);
    let opening = model.open(hub.stands_at(), later).unwrap();
    assert_eq!(opening.news, None);
    let told = hub.opened(second, opening.extent, None, PAGE_BYTES, later);
    let last = missed.last();
    let mark = Batch { after: last, upto: last, shown: EntryId::BEGINNING, frame: None, end: None };
    assert_eq!(told, [Told::Entries("second", mark)]);
}

#[test]
fn an_owner_that_says_nothing_is_replaced() {
    let (_, mut hub, [first, second]) = two(1);
    let at = |secs| START + Duration::from_secs(secs);
    assert!(!hub.alive(second, at(15)));
    assert!(!hub.alive(first, at(16)));
    assert!(!hub.alive(second, at(38)), "it was alive 22 seconds ago");
    assert!(hub.alive(second, at(39)));
    assert!(hub.is_owner(second) && !hub.is_owner(first));
    assert_eq!(hub.remove_dead(at(60)), [] as [&str; 0]);
    assert_eq!(hub.remove_dead(at(61)), ["first"]);
}

#[test]
fn a_connection_that_does_not_open_is_opened_anew() {
    let mut hub = TestHub::new(KEPT, HEARTBEAT);
    let alone = hub.enter("alone", START);
    assert_eq!(hub.subscribe(alone, &resume(EntryId::BEGINNING), START), Answer::Open(None));
    assert!(!hub.alive(alone, START + HUB_OPENING - Duration::from_secs(1)));
    assert!(hub.alive(alone, START + HUB_OPENING));
    assert!(!hub.alive(alone, START + HUB_OPENING), "once");
}

#[test]
fn an_owner_that_has_worked_enough_hands_over() {
    let (mut model, mut hub, [first, second]) = two(1);
    let last = hub.stands_at().unwrap();
    hub.subscribe(first, &resume(last), START);
    hub.subscribe(second, &resume(last), START);
    let news = append(&mut model, 1, START);
    for _ in 0..HUB_DELIVERIES / 2 {
        assert!(!hub.is_tired(first));
        hub.news(first, news.clone(), 0, START);
    }
    assert!(hub.is_tired(first));
    assert_eq!(hub.hand_over(first, START), Some("second"));
    assert!(hub.is_owner(second) && !hub.is_tired(second));
    assert_eq!(hub.hand_over(second, START), Some("first"), "in turn");
}

#[test]
fn what_a_hub_keeps_is_bounded() {
    let (mut model, mut hub, [first, second]) = two(1);
    let cursor = hub.stands_at().unwrap();
    for number in 1..2_000 {
        let news = append(&mut model, number, START);
        hub.news(first, news, usize::MAX, START);
        assert!(hub.bytes() <= PAGE_BYTES);
    }
    assert_eq!(hub.join(second, cursor), Err(AskAgain));
    let near = hub.stands_at().unwrap().back(5);
    assert_eq!(hub.join(second, near).unwrap().unwrap().after, near);
    // A reader that is alone shares nothing.
    hub.leave(second, START);
    hub.news(first, append(&mut model, 2_000, START), usize::MAX, START);
    assert_eq!(hub.bytes(), 0);
}

#[test]
fn a_burst_is_gathered_for_as_long_as_its_delivery_takes() {
    let at = |ms| START + Duration::from_millis(ms);
    let mut gather = Gather::default();
    assert!(!gather.sent(at(0)) && gather.sent(at(5)));
    gather.answered(at(45));
    assert_eq!(gather.pause(at(50)), Duration::from_millis(35));
    // The last answer counts.
    gather.answered(at(75));
    assert_eq!(gather.pause(at(75)), Duration::from_millis(70));
    // One that is never answered holds nothing up for long.
    assert!(gather.sent(at(145)));
    assert_eq!(gather.pause(at(145)), Duration::from_millis(100));
    gather.answered(at(900));
    assert_eq!(gather.pause(at(900)), Duration::from_millis(100));
    assert!(!gather.sent(at(1_100)), "a message after a pause is asked for no answer");
    assert_eq!(gather.pause(at(1_100)), Duration::ZERO);
}

/// A log that has ended, or does so now.
fn close(model: &mut Model, number: u64) -> News<Bytes> {
    let terms = Terms { close: Some(EndReason::DONE), ..Terms::default() };
    let new = model.append(&data(number, "b", 10, 1, terms), START).unwrap().1.unwrap();
    News::encode(new.run, new.after, new.age, &new.entries).unwrap()
}

#[test]
fn the_end_reaches_every_member_and_the_channel_alone_says_what_follows() {
    let (mut model, mut hub, [first, second]) = two(3);
    let last = hub.stands_at().unwrap();
    for seat in [first, second] {
        assert!(matches!(hub.subscribe(seat, &resume(last), START), Answer::Page(_)));
    }
    let told = hub.news(first, close(&mut model, 3), PAGE_BYTES, START);
    let ends: Vec<_> = told
        .iter()
        .map(|told| match told {
            Told::Entries(who, batch) => (*who, batch.end.clone().unwrap().last),
            told => panic!("{told:?}"),
        })
        .collect();
    assert_eq!(ends, [("first", last.next()), ("second", last.next())]);
    // Who comes now is answered by the channel, and who opens a connection begins where that says.
    let third = hub.enter("third", START);
    for position in [Position::After(last), Position::History(2), Position::History(0)] {
        let subscribe = Subscribe { position, ..resume(last) };
        assert_eq!(hub.subscribe(third, &subscribe, START), Answer::Ask);
        assert!(model.page(&subscribe, START).unwrap().ends());
    }
    assert_eq!(hub.stands_at(), None);
}

/// The owner of a connection may be dead, and nobody knows it yet.
#[test]
fn who_was_told_the_end_finds_no_open_channel_in_a_hub_that_was_not() {
    let (mut model, mut hub, [_, second]) = two(3);
    let last = hub.stands_at().unwrap();
    close(&mut model, 3);
    assert!(matches!(hub.subscribe(second, &resume(last), START), Answer::Page(_)));
    let told = model.page(&resume(last), START).unwrap().batch.unwrap();
    hub.heard_of_end(told.upto);
    assert_eq!(hub.subscribe(second, &resume(last.next()), START), Answer::Ask);
}

#[test]
fn a_hub_begins_anew_with_a_channel_that_does() {
    for opens in [false, true] {
        let (mut model, mut hub, [first, second]) = two(3);
        hub.subscribe(second, &resume(hub.stands_at().unwrap()), START);
        hub.news(first, close(&mut model, 3), PAGE_BYTES, START);
        assert_eq!(model.delete(START).unwrap(), None, "all were told the end");
        let third = hub.enter("third", START);
        let fresh = Subscribe { position: Position::History(0), ..resume(EntryId::BEGINNING) };
        assert_eq!(hub.subscribe(third, &fresh, START), Answer::Ask);
        if opens {
            // What follows on the connection of before is told to nobody who was told the end.
            assert_eq!(hub.news(first, append(&mut model, 4, START), PAGE_BYTES, START), []);
        } else {
            let page = model.page(&fresh, START).unwrap();
            assert!(!page.ends());
            assert_eq!(hub.join(third, page.start.after), Err(AskAgain));
        }
        assert_eq!(hub.subscribe(third, &fresh, START), Answer::Open(None));
        let opening = model.open(None, START).unwrap();
        hub.opened(third, opening.extent, opening.news, PAGE_BYTES, START);
        let expected = model.page(&fresh, START).unwrap();
        assert_eq!(hub.subscribe(third, &fresh, START), Answer::Page(expected));
    }
}

#[test]
fn a_hub_that_opens_on_a_channel_that_has_ended_asks_it() {
    let mut model = Model::new(KEPT);
    append(&mut model, 0, START);
    close(&mut model, 1);
    let mut hub = TestHub::new(KEPT, HEARTBEAT);
    let [first, second] = ["first", "second"].map(|who| hub.enter(who, START));
    open(&mut hub, &mut model, first, PAGE_BYTES, START);
    for seat in [first, second] {
        assert_eq!(hub.subscribe(seat, &resume(EntryId::BEGINNING), START), Answer::Ask);
    }
}

#[test]
fn a_hub_knows_how_long_its_channel_is_kept() {
    let mut model = Model::new(KEPT);
    let terms = Terms { keep: Some(Duration::from_secs(5)), ..Terms::default() };
    model.append(&data(0, "b", 10, 2, terms), START).unwrap();
    let mut hub = TestHub::new(KEPT, HEARTBEAT);
    let [first, second] = ["first", "second"].map(|who| hub.enter(who, START));
    open(&mut hub, &mut model, first, PAGE_BYTES, START);
    let history = Subscribe { position: Position::History(9), ..resume(EntryId::BEGINNING) };
    for (secs, is_kept) in [(0, true), (4, true), (5, false)] {
        let now = START + Duration::from_secs(secs);
        let expected = model.page(&history, now).unwrap();
        assert_eq!(expected.batch.is_some(), is_kept);
        assert_eq!(hub.subscribe(second, &history, now), Answer::Page(expected), "after {secs} s");
    }
}
