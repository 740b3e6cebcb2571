//! One stream: how much waits for its reader, and for how long.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use ssedge::limits::{BACKLOG_BYTES, BACKLOG_LOW_BYTES, STANDSTILL};
use ssedge::log::{Position, Start};
use ssedge::session::{CloseReason, Input, WhenSlow, backlog_bound};
use ssedge_tests::stream::{CONFIG, SECOND, Stream, batch, block, channel, chat, every, id, quotes};

/// A stream that catches up, of whose reader so many bytes are not taken.
fn catching_up(backlog: usize) -> Stream {
    let mut stream = Stream::open(chat(), CONFIG, 7);
    stream.input(Input::Backlog(backlog));
    stream.page(Start::at(id(5)), Some(batch(5, 6..=6)), true);
    assert_eq!((stream.awaits, stream.closed), (1, None));
    stream
}

#[test]
fn a_reader_that_takes_nothing_while_it_catches_up_is_ended() {
    let mut stream = catching_up(BACKLOG_LOW_BYTES + 1);
    stream.run(STANDSTILL - Duration::from_millis(1));
    assert_eq!(stream.closed, None);
    stream.run(Duration::from_millis(1));
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
}

#[test]
fn a_reader_that_catches_up_may_be_as_slow_as_it_likes() {
    let mut backlog = BACKLOG_BYTES / 2;
    let mut stream = catching_up(backlog);
    for _ in 0..5 {
        stream.run(STANDSTILL - SECOND);
        assert_eq!(stream.closed, None);
        backlog -= 1;
        stream.input(Input::Backlog(backlog));
    }
    stream.run(STANDSTILL);
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
}

#[test]
fn in_a_full_process_a_reader_is_sent_more_only_when_it_has_taken_all() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.input(Input::Backlog(1));
    stream.entries(5, 6..=6);
    stream.input(Input::Bound(backlog_bound(true)));
    stream.input(Input::Backlog(0));
    stream.entries(6, 7..=7);
    stream.check(&[block(6), block(7)].concat());
    stream.input(Input::Bound(backlog_bound(false)));
    stream.input(Input::Backlog(1));
    stream.entries(7, 8..=8);
    stream.check(&block(8));
    stream.input(Input::Bound(backlog_bound(true)));
    stream.input(Input::Backlog(1));
    stream.entries(8, 9..=9);
    stream.check("");
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
}

#[test]
fn in_a_full_process_ticks_end_a_reader_and_quotes_wait_for_it() {
    let mut stream = Stream::live(channel(Position::History(0), every(SECOND), WhenSlow::End), CONFIG, 5);
    stream.input(Input::Bound(backlog_bound(true)));
    stream.input(Input::Backlog(1));
    stream.run(SECOND);
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));

    let mut stream = Stream::live(quotes(), CONFIG, 5);
    stream.input(Input::Bound(backlog_bound(true)));
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES + 1));
    stream.entries(5, 6..=6);
    assert_eq!((stream.unsubscribed, stream.awaits, stream.closed), (1, 1, None));
    stream.input(Input::Backlog(0));
    stream.asked(5, true);
}
