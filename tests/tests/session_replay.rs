//! A stream and its channel: holes, losses, long replays, and readers that are too slow.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use ssedge::limits::{BACKLOG_BYTES, BACKLOG_LOW_BYTES, FILTER_CURSOR, PAGE_BYTES};
use ssedge::log::{Batch, Filter, GapReason, Position, Start};
use ssedge::session::{CloseReason, Input, WhenSlow};
use ssedge_tests::stream::{
    CONFIG, HEARTBEAT, SECOND, Stream, batch, block, channel, chat, cursor, entry, every, filtered, gap, id,
    quotes,
};

#[test]
fn a_run_that_was_lost_is_not_taken_for_a_beginning() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    // 6 and 7 never arrived, and were gone when the channel began again at 100.
    stream.entries(0, 100..=100);
    stream.check("");
    assert_eq!(stream.unsubscribed, 1);
    stream.asked(5, false);
    // A page is what follows its start, whatever came before it in the log.
    stream.page(gap(GapReason::Expired, "5", 99), Some(batch(0, 100..=100)), false);
    let data = r#"{"reason":"expired","requested":"5","resumes_after":"99"}"#;
    stream.check(&format!("event: gap\nid: 99\ndata: {data}\n\n{}", block(100)));
}

#[test]
fn the_first_entries_of_a_run_do_not_come_twice() {
    let mut stream = Stream::open(chat(), CONFIG, 7);
    stream.page(Start::at(id(0)), Some(batch(0, 100..=100)), false);
    stream.said();
    stream.asked.clear();
    // A subscription that was given up still delivers.
    stream.entries(0, 100..=101);
    stream.check("");
    stream.asked(100, false);
    stream.page(Start::at(id(100)), Some(batch(100, 101..=101)), false);
    stream.check(&block(101));
}

#[test]
fn a_reader_of_quotes_is_told_of_a_gap_too() {
    let mut stream = Stream::live(quotes(), CONFIG, 5);
    stream.input(Input::Lost);
    stream.run(SECOND);
    stream.asked(5, false);
    stream.page(gap(GapReason::Expired, "5", 8), Some(batch(8, 9..=9)), false);
    let data = r#"{"reason":"expired","requested":"5","resumes_after":"8"}"#;
    stream.check(&format!("event: gap\nid: 8\ndata: {data}\n\n{}", block(9)));
}

#[test]
fn a_stalled_reader_behind_a_filter_is_not_sent_cursors_without_end() {
    let mut stream = Stream::live(chat(), CONFIG, 1);
    let odd = Filter::keys(["odd".into()]);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES + 1));
    for n in 1..=20 {
        stream.input(Input::Entries(filtered(2 * n - 1, 2 * n..=2 * n, &Filter::keys(["x".into()]))));
        stream.input(Input::Entries(filtered(2 * n, 2 * n + 1..=2 * n + 1, &Filter::keys(["x".into()]))));
        stream.run(FILTER_CURSOR);
    }
    stream.check("");
    stream.input(Input::Backlog(0));
    stream.run(FILTER_CURSOR);
    stream.check(&[cursor(41), cursor(41)].concat());
    stream.input(Input::Entries(filtered(41, 42..=43, &odd)));
    stream.check(&block(43));
}

#[test]
fn a_reader_that_takes_not_even_ticks_is_ended() {
    let mut stream = Stream::live(channel(Position::History(0), every(SECOND), WhenSlow::End), CONFIG, 5);
    stream.input(Input::Backlog(BACKLOG_BYTES));
    stream.run(SECOND);
    assert_eq!(stream.closed, None);
    stream.run(SECOND);
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
}

#[test]
fn a_slow_reader_is_ended_between_two_events() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.input(Input::Backlog(BACKLOG_BYTES));
    stream.entries(5, 6..=6);
    assert_eq!(stream.closed, None);
    stream.entries(6, 7..=7);
    stream.check(&block(6));
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
    assert_eq!((stream.awaits, stream.asked.len()), (0, 0));
}

#[test]
fn a_reader_that_takes_not_even_gaps_is_ended() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    let mut backlog = BACKLOG_BYTES - 1;
    for n in [6, 7] {
        stream.input(Input::Backlog(backlog));
        stream.input(Input::Lost);
        stream.run(HEARTBEAT);
        assert_eq!(stream.closed, None);
        stream.page(gap(GapReason::Expired, "5", n), None, false);
        backlog += stream.said().len();
    }
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
    assert!(backlog < BACKLOG_BYTES + 200, "one gap is over the bound, not {backlog} bytes");
}

#[test]
fn a_slow_reader_of_quotes_hears_of_a_gap_when_it_has_drained() {
    let mut stream = Stream::live(quotes(), CONFIG, 5);
    stream.input(Input::Lost);
    stream.run(SECOND);
    stream.asked(5, false);
    stream.input(Input::Backlog(BACKLOG_BYTES + 1));
    stream.page(gap(GapReason::Expired, "5", 8), Some(batch(8, 9..=9)), false);
    stream.check("");
    stream.input(Input::Backlog(0));
    stream.asked(5, true);
    stream.page(gap(GapReason::Expired, "5", 8), Some(batch(8, 9..=9)), false);
    let data = r#"{"reason":"expired","requested":"5","resumes_after":"8"}"#;
    stream.check(&format!("event: gap\nid: 8\ndata: {data}\n\n{}", block(9)));
}

#[test]
fn what_a_filter_holds_back_is_no_burden_for_a_slow_reader() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.input(Input::Backlog(2 * BACKLOG_BYTES));
    stream.input(Input::Entries(filtered(5, 6..=7, &Filter::keys(["x".into()]))));
    assert_eq!(stream.closed, None);
    stream.input(Input::Lost);
    stream.run(SECOND);
    let asked = stream.asked.last().unwrap();
    assert_eq!(asked.position, Position::After(id(7)));
}

#[test]
fn a_slow_reader_of_quotes_asks_for_the_newest_of_each() {
    let mut stream = Stream::live(quotes(), CONFIG, 5);
    stream.input(Input::Backlog(BACKLOG_BYTES + 1));
    stream.entries(5, 6..=9);
    assert_eq!((stream.unsubscribed, stream.awaits, stream.asked.len()), (1, 1, 0));
    stream.entries(9, 10..=10);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES + 1));
    assert_eq!(stream.asked.len(), 0);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES));
    stream.asked(5, true);
    let log: Vec<_> = (6..=10).map(entry).collect();
    stream.page(Start::at(id(5)), Batch::newest(id(5), &log, &Filter::ALL), false);
    stream.check("id: 9\ndata: {\"n\":9,\"skipped\":1}\n\nid: 10\ndata: {\"n\":10,\"skipped\":2}\n\n");
    stream.entries(10, 11..=11);
    stream.check(&block(11));
}

#[test]
fn a_lost_channel_is_asked_again_with_full_jitter() {
    let mut longest = [0; 10];
    for seed in 0..300 {
        let mut stream = Stream::open(chat(), CONFIG, seed);
        stream.page(Start::at(id(5)), None, false);
        stream.asked.clear();
        for longest in &mut longest {
            stream.input(Input::Lost);
            stream.input(Input::Lost);
            let before = stream.now;
            while stream.asked.is_empty() {
                stream.until(stream.wake_at.unwrap());
            }
            stream.asked(5, false);
            *longest = stream.now.since(before).as_millis().max(*longest);
        }
        // An answer, and the patience is new.
        stream.page(Start::at(id(5)), None, false);
        stream.input(Input::Lost);
        assert!(stream.wake_at.unwrap() <= stream.now + Duration::from_millis(100));
    }
    for (nth, longest) in longest.into_iter().enumerate() {
        let bound = 5_000.min(100 << nth);
        assert!(longest <= bound && longest > bound * 9 / 10, "loss {nth}: {longest} of {bound} ms");
    }
}

#[test]
fn a_long_replay_waits_for_its_reader() {
    let mut stream = Stream::open(channel(Position::after("5"), None, WhenSlow::End), CONFIG, 7);
    stream.asked(5, false);
    stream.page(Start::at(id(5)), Some(batch(5, 6..=7)), true);
    // The reader has taken it all, as far as is known.
    stream.asked(7, false);
    stream.input(Input::Backlog(PAGE_BYTES));
    stream.said();
    stream.page(Start::at(id(7)), Some(batch(7, 8..=9)), true);
    stream.check(&(block(8) + &block(9)));
    assert_eq!((stream.awaits, stream.asked.len()), (1, 0));
    // It is not subscribed now, so nothing that comes is for it.
    stream.entries(9, 10..=10);
    stream.run(30 * SECOND);
    assert_eq!(stream.asked.len(), 0);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES));
    stream.asked(9, false);
    stream.page(Start::at(id(9)), Some(batch(9, 10..=11)), false);
    stream.entries(11, 12..=12);
    stream.check(&[block(10), block(11), block(12)].concat());
}

#[test]
fn what_expires_during_a_long_replay_is_a_gap() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.input(Input::Lost);
    stream.run(SECOND);
    stream.asked(5, false);
    stream.page(Start::at(id(5)), Some(batch(5, 6..=6)), true);
    stream.asked(6, false);
    stream.page(gap(GapReason::Expired, "6", 8), Some(batch(8, 9..=9)), false);
    let data = r#"{"reason":"expired","requested":"6","resumes_after":"8"}"#;
    stream.check(&format!("{}event: gap\nid: 8\ndata: {data}\n\n{}", block(6), block(9)));
}

#[test]
fn a_hole_is_asked_for() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.entries(7, 8..=8);
    stream.check("");
    assert_eq!(stream.unsubscribed, 1);
    stream.asked(5, false);
    stream.entries(8, 9..=9);
    stream.page(Start::at(id(5)), Some(batch(5, 6..=9)), false);
    // What was seen is not seen again.
    stream.entries(6, 7..=8);
    stream.entries(8, 9..=9);
    stream.check(&[block(6), block(7), block(8), block(9)].concat());
    assert_eq!(stream.unsubscribed, 1);
}

#[test]
fn a_reader_that_takes_nothing_gets_no_heartbeats() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES + 1));
    stream.run(10 * HEARTBEAT);
    stream.check("");
}
