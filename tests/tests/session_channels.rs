//! Streams of channels that can end: named and bare, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use ssedge::limits::FILTER_CURSOR;
use ssedge::log::{Batch, End, EndReason, Filter, Gap, GapReason, Position, Requested, Standing, Start};
use ssedge::session::{CloseReason, Dialect, Input, Refusal, StreamConfig, StreamRequest, WhenSlow};
use ssedge_tests::stream::{
    CONFIG, HEARTBEAT, NOW, SECOND, Stream, batch, block, channel, cursor, filtered, gap, id,
};

fn request(dialect: Dialect) -> StreamRequest {
    StreamRequest { dialect, has_ends: true, ..channel(Position::History(0), None, WhenSlow::End) }
}

/// A stream that starts after 5.
fn live(dialect: Dialect) -> Stream {
    let mut stream = Stream::open(request(dialect), CONFIG, 7);
    stream.page(Start::at(id(5)), None, false);
    stream.asked.clear();
    stream.check(&if dialect == Dialect::Bare { "id: 5\n\n".to_owned() } else { cursor(5) });
    stream
}

/// The end behind this entry, with the entries before it.
fn ending(batch: Batch<bytes::Bytes>, last: u64) -> Batch<bytes::Bytes> {
    let end = Some(End { reason: EndReason::DONE, last: id(last) });
    Batch { upto: id(last + 1), end, ..batch }
}

fn end(last: u64) -> String {
    format!("event: end\nid: {last}\ndata: {{\"reason\":\"done\",\"last\":\"{last}\"}}\n\n")
}

#[test]
fn the_end_comes_behind_all_entries_and_nothing_behind_it() {
    for (dialect, said) in [
        (Dialect::Named, [block(6), block(7), end(7)].concat()),
        (Dialect::Bare, [block(6), block(7)].concat()),
    ] {
        let mut stream = live(dialect);
        stream.input(Input::Entries(ending(batch(5, 6..=7), 7)));
        stream.check(&said);
        assert_eq!(stream.closed, Some(CloseReason::Ended));
        stream.entries(8, 9..=9);
        stream.run(2 * HEARTBEAT);
        stream.check("");
    }
}

#[test]
fn a_reader_whose_filter_holds_all_back_is_told_the_end() {
    let mut stream = live(Dialect::Named);
    stream.input(Input::Entries(ending(filtered(5, 6..=7, &Filter::keys(["none".into()])), 7)));
    stream.check(&end(7));
}

#[test]
fn the_end_may_come_with_the_first_page_or_after_a_gap() {
    let mut stream = Stream::open(request(Dialect::Named), CONFIG, 7);
    stream.page(Start::at(id(5)), Some(ending(batch(5, 6..=6), 6)), false);
    stream.check(&[cursor(5), block(6), end(6)].concat());
    assert_eq!(stream.closed, Some(CloseReason::Ended));

    let mut stream = live(Dialect::Named);
    stream.input(Input::Entries(batch(8, 9..=9)));
    stream.asked(5, false);
    let nothing = Batch { after: id(9), upto: id(9), shown: id(0), frame: None, end: None };
    stream.page(gap(GapReason::Expired, "5", 9), Some(ending(nothing, 9)), false);
    let told =
        "event: gap\nid: 9\ndata: {\"reason\":\"expired\",\"requested\":\"5\",\"resumes_after\":\"9\"}\n\n";
    stream.check(&[told.to_owned(), end(9)].concat());
}

#[test]
fn a_bare_stream_names_no_event() {
    let mut stream = Stream::open(request(Dialect::Bare), CONFIG, 7);
    stream.page(Start::at(id(5)), None, false);
    let opening = stream.said();
    let retry = opening.strip_prefix("retry: ").and_then(|rest| rest.split_once('\n')).unwrap();
    assert_eq!(retry.1, "id: 5\n\n", "an id without data, which such a client ignores");
    // A silence is broken by a comment.
    stream.run(HEARTBEAT);
    stream.check(":\n\n");
    // What a filter holds back moves the cursor by an id alone.
    stream.input(Input::Entries(filtered(5, 6..=6, &Filter::keys(["odd".into()]))));
    stream.run(FILTER_CURSOR);
    let said = stream.said();
    assert!(said.contains("id: 6\n\n") && !said.contains("event:") && !said.contains("data:"), "{said:?}");
    // A token that expires is an end without a word.
    let config = StreamConfig { expires: Some(NOW + SECOND), ..CONFIG };
    let mut stream = Stream::open(request(Dialect::Bare), config, 7);
    stream.page(Start::at(id(5)), None, false);
    stream.said();
    stream.run(SECOND);
    stream.check("");
    assert_eq!(stream.closed, Some(CloseReason::Expired));
}

#[test]
fn a_bare_stream_that_has_missed_something_ends_so_that_its_reader_is_told() {
    let mut stream = live(Dialect::Bare);
    stream.entries(8, 9..=9);
    stream.asked(5, false);
    stream.page(gap(GapReason::Expired, "5", 8), Some(batch(8, 9..=9)), false);
    assert_eq!(stream.closed, Some(CloseReason::Lost));
    assert!(!stream.said().contains("data:"));
}

fn start(after: u64, last: u64, has_ended: bool) -> Start {
    Start { standing: Standing { last: id(last), has_ended }, ..Start::at(id(after)) }
}

/// What a stream answers to this beginning, and that it says nothing if it refuses.
#[track_caller]
fn check(request: StreamRequest, start: Start, refusal: Option<&Refusal>) {
    let mut stream = Stream::open(request, CONFIG, 7);
    stream.page(start, None, false);
    assert_eq!(stream.session.refusal(), refusal);
    assert_eq!(stream.closed, refusal.map(|_| CloseReason::Refused));
    assert_eq!(stream.said().is_empty(), refusal.is_some());
}

#[test]
fn there_is_no_stream_if_nothing_will_ever_follow() {
    let over = Some(&Refusal::Over);
    for dialect in [Dialect::Named, Dialect::Bare] {
        check(request(dialect), start(7, 7, true), over);
        check(request(dialect), start(0, 0, true), over);
        check(request(dialect), start(6, 7, true), None);
        check(request(dialect), start(7, 7, false), None);
    }
    let missed = Start { standing: start(7, 7, true).standing, ..gap(GapReason::Expired, "1", 7) };
    check(request(Dialect::Named), missed, None);
}

#[test]
fn only_what_is_under_way_is_opened_for_who_asks_for_that() {
    let active = || StreamRequest { only_open: true, ..request(Dialect::Bare) };
    let over = Some(&Refusal::Over);
    check(active(), start(0, 7, true), over);
    check(active(), start(0, 0, false), over);
    check(active(), start(0, 7, false), None);
    // Whether it is open comes before what the cursor has missed.
    let missed = Start { standing: start(7, 7, true).standing, ..gap(GapReason::Expired, "1", 7) };
    check(active(), missed, over);
}

#[test]
fn a_bare_stream_refuses_a_cursor_that_it_cannot_resume() {
    for reason in [GapReason::Expired, GapReason::Unknown] {
        let missed = gap(reason, "x", 7);
        let told = Refusal::Gap(Gap { reason, requested: Requested::new("x") }, id(7));
        check(request(Dialect::Bare), missed.clone(), Some(&told));
        check(request(Dialect::Named), missed, None);
    }
}
