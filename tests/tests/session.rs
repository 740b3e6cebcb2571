//! One stream: what leaves it, byte for byte, for what comes in.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use bytes::Bytes;
use ssedge::limits::{DEADLINE_MARGIN, FILTER_CURSOR};
use ssedge::log::{Batch, Filter, GapReason, Position, Start};
use ssedge::session::{CloseReason, Dialect, Input, StreamConfig, StreamRequest, WhenSlow};
use ssedge::time::UnixMillis;
use ssedge_tests::stream::{
    CONFIG, HEARTBEAT, NOW, SECOND, Stream, batch, block, channel, chat, cursor, cursor_within, every,
    filtered, gap, id,
};

#[test]
fn nothing_wakes_a_stream_in_vain_while_its_channel_is_silent() {
    let mut stream = Stream::open(channel(Position::History(0), every(SECOND), WhenSlow::End), CONFIG, 7);
    stream.run(5 * SECOND / 2);
    stream.check("");
    stream.page(Start::at(id(9)), None, false);
    stream.run(SECOND);
    stream.check(
        &(cursor(9)
            + "data: {\"type\":\"tick\",\"time\":\"2026-11-22T10:00:02.000Z\"}\n\n\
               data: {\"type\":\"tick\",\"time\":\"2026-11-22T10:00:03.000Z\"}\n\n"),
    );
}

#[test]
fn the_first_block_tells_the_cursor_and_a_time_to_come_back() {
    let mut drawn = Vec::new();
    for seed in 0..200 {
        let mut stream = Stream::open(chat(), CONFIG, seed);
        assert_eq!(stream.asked.len(), 1);
        assert_eq!(stream.session.starts_after(), None);
        stream.page(Start::at(id(41)), Some(batch(41, 42..=43)), false);
        assert_eq!(stream.session.starts_after(), Some(id(41)));
        let said = stream.said();
        let (retry, rest) = said.strip_prefix("retry: ").unwrap().split_once('\n').unwrap();
        drawn.push(retry.parse::<u64>().unwrap());
        assert_eq!(rest, [cursor(41), block(42), block(43)].concat());
    }
    drawn.sort_unstable();
    assert!(drawn[0] >= 1_000 && drawn[199] <= 3_000, "{drawn:?}");
    assert!(drawn[10] < 1_300 && drawn[189] > 2_700, "spread over the whole range: {drawn:?}");
}

#[test]
fn a_gap_takes_the_place_of_the_cursor() {
    let check = |requested: &str, start: Start, follows: Option<Batch<Bytes>>, expected: &str| {
        let mut stream = Stream::open(channel(Position::after(requested), None, WhenSlow::End), CONFIG, 7);
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
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.run(HEARTBEAT - Duration::from_millis(1));
    stream.check("");
    stream.run(Duration::from_millis(1));
    stream.check(&cursor(5));
    stream.run(10 * SECOND);
    stream.entries(5, 6..=6);
    stream.check(&block(6));
    stream.run(HEARTBEAT - Duration::from_millis(1));
    stream.check("");
    stream.run(Duration::from_millis(1) + HEARTBEAT);
    stream.check(&[cursor(6), cursor(6)].concat());

    let mut stream =
        Stream::live(channel(Position::History(0), every(10 * SECOND), WhenSlow::End), CONFIG, 5);
    stream.run(60 * SECOND);
    assert!(!stream.said().contains("cursor"), "ticks are traffic");
}

#[test]
fn a_heartbeat_tells_its_interval_and_the_cursor_past_what_was_held_back() {
    let mut stream = Stream::open(chat(), StreamConfig { heartbeat: SECOND, ..CONFIG }, 7);
    let cursor = |n| cursor_within(n, SECOND);
    stream.page(Start::at(id(5)), None, false);
    stream.check(&cursor(5));
    stream.input(Input::Entries(filtered(5, 6..=8, &Filter::keys(["x".into()]))));
    stream.run(2 * SECOND);
    stream.check(&[cursor(8), cursor(8)].concat());
}

#[test]
fn an_event_with_a_chosen_name_does_not_delay_the_heartbeat() {
    // A page hears a name only if it listens for it.
    let named = StreamRequest { dialect: Dialect::Named, ..chat() };
    let mut stream = Stream::live(named, CONFIG, 5);
    stream.run(10 * SECOND);
    stream.entries(5, 6..=6);
    stream.run(5 * SECOND);
    stream.check(&[block(6), cursor(6)].concat());
    stream.run(HEARTBEAT);
    stream.check(&cursor(6));
}

#[test]
fn a_stream_without_cursors_beats_by_a_comment() {
    let ticks = every(60 * SECOND);
    let request = StreamRequest { log: None, ticks, ..chat() };
    let mut stream = Stream::open(request, CONFIG, 7);
    stream.said();
    stream.run(2 * HEARTBEAT);
    stream.check(":\n\n:\n\n");
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
    let config = StreamConfig { life: Some(60 * SECOND), ..CONFIG };
    let mut stream = Stream::live(chat(), config, 5);
    ends_by_plan(&mut stream, NOW + 60 * SECOND);
    stream.check("");
}

#[test]
fn a_stream_ends_a_margin_before_its_host() {
    let deadline = Some(NOW + 30 * SECOND);
    let mut stream = Stream::live(chat(), StreamConfig { deadline, ..CONFIG }, 5);
    ends_by_plan(&mut stream, NOW + 30 * SECOND - DEADLINE_MARGIN);
    let mut stream = Stream::live(chat(), StreamConfig { deadline, life: Some(10 * SECOND), ..CONFIG }, 5);
    ends_by_plan(&mut stream, NOW + 10 * SECOND);
}

#[test]
fn a_token_expires_with_a_word() {
    let mut stream = Stream::live(chat(), StreamConfig { expires: Some(NOW + 10 * SECOND), ..CONFIG }, 5);
    let none = Filter::keys(["x".into()]);
    stream.input(Input::Entries(filtered(5, 6..=8, &none)));
    stream.run(10 * SECOND);
    stream.check(&(cursor(8) + "event: expired\ndata: {\"reason\":\"token expired\"}\n\n"));
    assert_eq!(stream.closed, Some(CloseReason::Expired));
}

#[test]
fn a_quiet_filter_moves_the_cursor_in_time() {
    let even = Filter::keys(["even".into()]);
    let heartbeat = 60 * SECOND;
    let mut stream = Stream::live(chat(), StreamConfig { heartbeat, ..CONFIG }, 5);
    stream.input(Input::Entries(filtered(5, 6..=6, &even)));
    stream.check(&block(6));
    stream.run(FILTER_CURSOR - SECOND);
    stream.check("");
    stream.input(Input::Entries(filtered(6, 7..=7, &even)));
    stream.run(20 * SECOND);
    stream.check("");
    stream.entries(7, 8..=8);
    stream.input(Input::Entries(filtered(8, 9..=9, &even)));
    stream.check(&block(8));
    stream.run(FILTER_CURSOR - Duration::from_millis(1));
    stream.check("");
    stream.run(Duration::from_millis(1));
    stream.check(&cursor_within(9, heartbeat));
    stream.run(2 * FILTER_CURSOR - SECOND);
    stream.check("");
}

#[test]
fn a_filter_moves_the_cursor_before_a_planned_end() {
    let mut stream = Stream::live(chat(), StreamConfig { life: Some(10 * SECOND), ..CONFIG }, 5);
    stream.input(Input::Entries(filtered(5, 6..=7, &Filter::keys(["even".into()]))));
    ends_by_plan(&mut stream, NOW + 10 * SECOND);
    stream.check(&cursor(7));
}

#[test]
fn ticks_fall_on_whole_multiples_and_have_no_id() {
    let mut stream = Stream::live(channel(Position::History(0), every(7 * SECOND), WhenSlow::End), CONFIG, 5);
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
fn a_channel_that_is_not_there_is_no_error_status() {
    for seed in 0..100 {
        let mut stream =
            Stream::open(channel(Position::History(9), every(SECOND), WhenSlow::End), CONFIG, seed);
        stream.run(3 * SECOND);
        stream.input(Input::Lost);
        assert_eq!((stream.closed, stream.session.starts_after()), (Some(CloseReason::Unavailable), None));
        let said = stream.said();
        let retry: u64 = said.strip_prefix("retry: ").unwrap().strip_suffix("\n\n").unwrap().parse().unwrap();
        assert!((10_000..=30_000).contains(&retry), "{retry}");
    }
}

#[test]
fn a_channel_that_is_full_tells_when_to_come_back() {
    let waits = |said: &str| {
        let retry: u64 = said.strip_prefix("retry: ").unwrap().strip_suffix("\n\n").unwrap().parse().unwrap();
        assert!((10_000..=30_000).contains(&retry), "{retry}");
    };
    let mut stream = Stream::open(chat(), CONFIG, 5);
    stream.input(Input::Full);
    assert_eq!((stream.closed, stream.session.starts_after()), (Some(CloseReason::Full), None));
    waits(&stream.said());
    // One that was live and comes back to its channel may find it full, too.
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.said();
    stream.input(Input::Full);
    assert_eq!(stream.closed, Some(CloseReason::Full));
    waits(&stream.said());
}

#[test]
fn a_reader_that_left_is_owed_nothing() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.session.handle(Input::Entries(batch(5, 6..=6)), NOW);
    stream.input(Input::ReaderGone);
    stream.check("");
    assert_eq!(stream.closed, Some(CloseReason::ReaderGone));
    stream.entries(6, 7..=7);
    stream.input(Input::Wake);
    stream.check("");
}
