//! One stream: what leaves it, byte for byte, for what comes in.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use bytes::Bytes;
use ssedge::channel::{Batch, ChannelName, Filter, Gap, GapReason, Position, Requested, Start, Subscribe};
use ssedge::limits::{BACKLOG_BYTES, BACKLOG_LOW_BYTES, DEADLINE_MARGIN, FILTER_CURSOR, PAGE_BYTES};
use ssedge::session::{CloseReason, Input, Opening, Pulse, Terms};
use ssedge::time::UnixMillis;
use ssedge_tests::stream::{HEARTBEAT, NOW, SECOND, Stream, TERMS, batch, block, entry, filtered, id};

fn channel(position: Position, pulse: Pulse, conflates: bool) -> Opening {
    let subscribe = Subscribe { position, filter: Filter::ALL, newest: false };
    Opening { channel: Some((ChannelName::Events, subscribe)), pulse, conflates }
}

fn chat() -> Opening {
    channel(Position::History(20), Pulse::None, false)
}

fn quotes() -> Opening {
    channel(Position::History(0), Pulse::None, true)
}

fn gap(reason: GapReason, requested: &str, after: u64) -> Start {
    Start { after: id(after), gap: Some(Gap { reason, requested: Requested::new(requested) }) }
}

#[test]
fn nothing_wakes_a_stream_in_vain_while_its_channel_is_silent() {
    let mut stream = Stream::open(channel(Position::History(0), Pulse::Clock(SECOND), false), TERMS, 7);
    stream.run(5 * SECOND / 2);
    stream.check("");
    stream.page(Start::at(id(9)), None, false);
    stream.run(SECOND);
    stream.check(
        "event: cursor\nid: 9\ndata: {\"cursor\":\"9\"}\n\n\
         data: {\"type\":\"tick\",\"time\":\"2026-11-22T10:00:02.000Z\"}\n\n\
         data: {\"type\":\"tick\",\"time\":\"2026-11-22T10:00:03.000Z\"}\n\n",
    );
}

#[test]
fn a_reader_of_quotes_is_told_of_a_gap_too() {
    let mut stream = Stream::live(quotes(), TERMS, 5);
    stream.input(Input::Lost);
    stream.run(SECOND);
    stream.asked(5, false);
    stream.page(gap(GapReason::Expired, "5", 8), Some(batch(8, 9..=9)), false);
    let data = r#"{"reason":"expired","requested":"5","resumes_after":"8"}"#;
    stream.check(&format!("event: gap\nid: 8\ndata: {data}\n\n{}", block(9)));
}

#[test]
fn a_run_that_was_lost_is_not_taken_for_a_beginning() {
    let mut stream = Stream::live(chat(), TERMS, 5);
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
    let mut stream = Stream::open(chat(), TERMS, 7);
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
fn a_stalled_reader_behind_a_filter_is_not_sent_cursors_without_end() {
    let mut stream = Stream::live(chat(), TERMS, 1);
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
    stream.check(":\n\nevent: cursor\nid: 41\ndata: {\"cursor\":\"41\"}\n\n");
    stream.input(Input::Entries(filtered(41, 42..=43, &odd)));
    stream.check(&block(43));
}

#[test]
fn the_first_block_tells_the_cursor_and_a_time_to_come_back() {
    let mut drawn = Vec::new();
    for seed in 0..200 {
        let mut stream = Stream::open(chat(), TERMS, seed);
        assert_eq!(stream.asked.len(), 1);
        assert_eq!(stream.session.cursor(), None);
        stream.page(Start::at(id(41)), Some(batch(41, 42..=43)), false);
        assert_eq!(stream.session.cursor(), Some(id(43)));
        let said = stream.said();
        let (retry, rest) = said.strip_prefix("retry: ").unwrap().split_once('\n').unwrap();
        drawn.push(retry.parse::<u64>().unwrap());
        assert_eq!(
            rest,
            format!("event: cursor\nid: 41\ndata: {{\"cursor\":\"41\"}}\n\n{}{}", block(42), block(43))
        );
    }
    drawn.sort_unstable();
    assert!(drawn[0] >= 1_000 && drawn[199] <= 3_000, "{drawn:?}");
    assert!(drawn[10] < 1_300 && drawn[189] > 2_700, "spread over the whole range: {drawn:?}");
}

#[test]
fn a_gap_takes_the_place_of_the_cursor() {
    let check = |requested: &str, start: Start, follows: Option<Batch<Bytes>>, expected: &str| {
        let mut stream =
            Stream::open(channel(Position::After(Requested::new(requested)), Pulse::None, false), TERMS, 7);
        stream.page(start, follows, false);
        stream.check(expected);
    };
    check(
        "7",
        gap(GapReason::Expired, "7", 41),
        Some(batch(41, 42..=42)),
        "event: gap\nid: 41\ndata: {\"reason\":\"expired\",\"requested\":\"7\",\"resumes_after\":\"41\"}\n\n\
         id: 42\ndata: {\"n\":42}\n\n",
    );
    check(
        "a\"\n\u{0}",
        gap(GapReason::Unknown, "a\"\n\u{0}", 42),
        None,
        "event: gap\nid: 42\n\
         data: {\"reason\":\"unknown\",\"requested\":\"a\\\"\\n\\u0000\",\"resumes_after\":\"42\"}\n\n",
    );
}

#[test]
fn a_heartbeat_breaks_a_silence_and_nothing_else() {
    let mut stream = Stream::live(chat(), TERMS, 5);
    stream.run(HEARTBEAT - Duration::from_millis(1));
    stream.check("");
    stream.run(Duration::from_millis(1));
    stream.check(":\n\n");
    stream.run(10 * SECOND);
    stream.entries(5, 6..=6);
    stream.check(&block(6));
    stream.run(HEARTBEAT - Duration::from_millis(1));
    stream.check("");
    stream.run(Duration::from_millis(1) + HEARTBEAT);
    stream.check(":\n\n:\n\n");

    let mut stream = Stream::live(channel(Position::History(0), Pulse::Clock(10 * SECOND), false), TERMS, 5);
    stream.run(60 * SECOND);
    assert!(!stream.said().contains(":\n\n:"), "ticks are traffic");
}

#[test]
fn a_reader_that_takes_nothing_gets_no_heartbeats() {
    let mut stream = Stream::live(chat(), TERMS, 5);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES + 1));
    stream.run(10 * HEARTBEAT);
    stream.check("");
}

/// The stream ends at `end`, after a `retry` of 100 to 1000 ms, and not before.
#[track_caller]
fn ends_by_plan(stream: &mut Stream, end: UnixMillis) {
    stream.until(UnixMillis(end.0 - 1));
    assert_eq!(stream.closed, None);
    stream.said();
    stream.until(end);
    assert_eq!(stream.closed, Some(CloseReason::Rotated));
    let said = stream.said();
    let last = said.strip_suffix("\n\n").unwrap().rsplit("\n\n").next().unwrap().to_owned();
    let retry: u64 = last.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((100..=1_000).contains(&retry), "{retry}");
    stream.said = said.strip_suffix(&format!("retry: {retry}\n\n")).unwrap().to_owned();
    stream.entries(0, 1..=9);
    stream.until(end + 60 * SECOND);
}

#[test]
fn a_stream_rotates_when_it_has_lived() {
    let terms = Terms { life: Some(60 * SECOND), ..TERMS };
    let mut stream = Stream::live(chat(), terms, 5);
    ends_by_plan(&mut stream, NOW + 60 * SECOND);
    stream.check("");
}

#[test]
fn a_stream_ends_a_margin_before_its_host() {
    let deadline = Some(NOW + 30 * SECOND);
    let mut stream = Stream::live(chat(), Terms { deadline, ..TERMS }, 5);
    ends_by_plan(&mut stream, NOW + 30 * SECOND - DEADLINE_MARGIN);
    let mut stream = Stream::live(chat(), Terms { deadline, life: Some(10 * SECOND), ..TERMS }, 5);
    ends_by_plan(&mut stream, NOW + 10 * SECOND);
}

#[test]
fn a_token_expires_with_a_word() {
    let mut stream = Stream::live(chat(), Terms { expires: Some(NOW + 10 * SECOND), ..TERMS }, 5);
    let none = Filter::keys(["x".into()]);
    stream.input(Input::Entries(filtered(5, 6..=8, &none)));
    stream.run(10 * SECOND);
    stream.check(
        "event: cursor\nid: 8\ndata: {\"cursor\":\"8\"}\n\n\
         event: expired\ndata: {\"reason\":\"token expired\"}\n\n",
    );
    assert_eq!(stream.closed, Some(CloseReason::Expired));
}

#[test]
fn a_quiet_filter_moves_the_cursor_in_time() {
    let even = Filter::keys(["even".into()]);
    let mut stream = Stream::live(chat(), Terms { heartbeat: 60 * SECOND, ..TERMS }, 5);
    stream.input(Input::Entries(filtered(5, 6..=6, &even)));
    stream.check(&block(6));
    stream.run(2 * FILTER_CURSOR - SECOND);
    stream.check("");
    stream.input(Input::Entries(filtered(6, 7..=7, &even)));
    stream.run(20 * SECOND);
    stream.check(":\n\n");
    stream.entries(7, 8..=8);
    stream.input(Input::Entries(filtered(8, 9..=9, &even)));
    stream.check(&block(8));
    stream.run(FILTER_CURSOR);
    stream.check("event: cursor\nid: 9\ndata: {\"cursor\":\"9\"}\n\n");
    stream.run(2 * FILTER_CURSOR - SECOND);
    stream.check("");
}

#[test]
fn a_filter_moves_the_cursor_before_a_planned_end() {
    let mut stream = Stream::live(chat(), Terms { life: Some(10 * SECOND), ..TERMS }, 5);
    stream.input(Input::Entries(filtered(5, 6..=7, &Filter::keys(["even".into()]))));
    ends_by_plan(&mut stream, NOW + 10 * SECOND);
    stream.check("event: cursor\nid: 7\ndata: {\"cursor\":\"7\"}\n\n");
}

#[test]
fn ticks_fall_on_whole_multiples_and_have_no_id() {
    let mut stream = Stream::live(channel(Position::History(0), Pulse::Clock(7 * SECOND), false), TERMS, 5);
    stream.run(14 * SECOND);
    let time = |nth: u64| UnixMillis(NOW.0 - NOW.0 % 7_000 + nth * 7_000);
    let tick = |at: UnixMillis| format!("data: {{\"type\":\"tick\",\"time\":\"{at}\"}}\n\n");
    stream.check(&[tick(time(1)), tick(time(2))].concat());
    // A host that stood still does not make up for what it missed.
    stream.now = time(9) + SECOND;
    stream.input(Input::Wake);
    stream.check(&tick(time(9)));
    assert_eq!(stream.wake_at, Some(time(10)));
}

#[test]
fn a_reader_that_takes_not_even_ticks_is_ended() {
    let mut stream = Stream::live(channel(Position::History(0), Pulse::Clock(SECOND), false), TERMS, 5);
    stream.input(Input::Backlog(BACKLOG_BYTES));
    stream.run(SECOND);
    assert_eq!(stream.closed, None);
    stream.run(SECOND);
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
}

#[test]
fn a_slow_reader_is_ended_between_two_events() {
    let mut stream = Stream::live(chat(), TERMS, 5);
    stream.input(Input::Backlog(BACKLOG_BYTES));
    stream.entries(5, 6..=6);
    assert_eq!(stream.closed, None);
    stream.entries(6, 7..=7);
    stream.check(&block(6));
    assert_eq!(stream.closed, Some(CloseReason::TooSlow));
    assert_eq!((stream.awaits, stream.asked.len()), (0, 0));
}

#[test]
fn what_a_filter_holds_back_is_no_burden_for_a_slow_reader() {
    let mut stream = Stream::live(chat(), TERMS, 5);
    stream.input(Input::Backlog(2 * BACKLOG_BYTES));
    stream.input(Input::Entries(filtered(5, 6..=7, &Filter::keys(["x".into()]))));
    assert_eq!((stream.closed, stream.session.cursor()), (None, Some(id(7))));
}

#[test]
fn a_slow_reader_of_quotes_asks_for_the_newest_of_each() {
    let mut stream = Stream::live(quotes(), TERMS, 5);
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
fn a_channel_that_is_not_there_is_no_error_status() {
    for seed in 0..100 {
        let mut stream =
            Stream::open(channel(Position::History(9), Pulse::Clock(SECOND), false), TERMS, seed);
        stream.run(3 * SECOND);
        stream.input(Input::Lost);
        assert_eq!((stream.closed, stream.session.cursor()), (Some(CloseReason::Unavailable), None));
        let said = stream.said();
        let retry: u64 = said.strip_prefix("retry: ").unwrap().strip_suffix("\n\n").unwrap().parse().unwrap();
        assert!((10_000..=30_000).contains(&retry), "{retry}");
    }
}

#[test]
fn a_lost_channel_is_asked_again_with_full_jitter() {
    let mut longest = [0; 10];
    for seed in 0..300 {
        let mut stream = Stream::open(chat(), TERMS, seed);
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
    let mut stream =
        Stream::open(channel(Position::After(Requested::new("5")), Pulse::None, false), TERMS, 7);
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
    stream.run(60 * SECOND);
    assert_eq!(stream.asked.len(), 0);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES));
    stream.asked(9, false);
    stream.page(Start::at(id(9)), Some(batch(9, 10..=11)), false);
    stream.entries(11, 12..=12);
    stream.check(&[block(10), block(11), block(12)].concat());
}

#[test]
fn what_expires_during_a_long_replay_is_a_gap() {
    let mut stream = Stream::live(chat(), TERMS, 5);
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
    let mut stream = Stream::live(chat(), TERMS, 5);
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
fn a_reader_that_left_is_owed_nothing() {
    let mut stream = Stream::live(chat(), TERMS, 5);
    stream.session.handle(Input::Entries(batch(5, 6..=6)), NOW);
    stream.input(Input::ReaderGone);
    stream.check("");
    assert_eq!(stream.closed, Some(CloseReason::ReaderGone));
    stream.entries(6, 7..=7);
    stream.input(Input::Wake);
    stream.check("");
}
