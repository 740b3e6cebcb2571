//! A stream of the simulated market, whose log is the clock.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use ssedge::feeds::stock::{Market, Symbol, market_tick};
use ssedge::limits::{BACKLOG_BYTES, BACKLOG_LOW_BYTES, CLOCK_SKEW, PAGE_BYTES};
use ssedge::log::Position;
use ssedge::session::{Input, StreamRequest};
use ssedge::time::UnixMillis;
use ssedge_tests::stream::{CONFIG, HEARTBEAT, KEPT, NOW, SECOND, Stream, cursor, replayed};

fn symbols(count: usize) -> Vec<Symbol> {
    (0..count).map(|nth| Symbol::new(&format!("S{nth}")).unwrap()).collect()
}

fn market(position: Position, count: usize, interval: Duration) -> StreamRequest {
    replayed(Market { symbols: symbols(count) }, interval, position)
}

fn after(cursor: u64) -> Position {
    Position::after(&cursor.to_string())
}

/// A stream that is at the clock and has said so.
fn live(count: usize) -> Stream {
    let mut stream = Stream::open(market(Position::History(0), count, SECOND), CONFIG, 7);
    stream.check(&cursor(NOW.0));
    stream
}

/// The ticks of two symbols, by their place after [`NOW`]; each with what was skipped before it.
fn ticks(wanted: impl IntoIterator<Item = (i64, u64)>) -> String {
    let one = |(nth, skipped): (i64, u64)| {
        let at = UnixMillis(NOW.0.checked_add_signed(nth * 1_000).unwrap());
        String::from_utf8(market_tick(&symbols(2), at, skipped).to_vec()).unwrap()
    };
    wanted.into_iter().map(one).collect()
}

#[test]
fn ticks_come_by_the_clock_and_carry_their_time() {
    let mut stream = live(2);
    stream.run(3 * SECOND - Duration::from_millis(1));
    stream.check(&ticks([(1, 0), (2, 0)]));
    assert_eq!(stream.session.starts_after().unwrap().get(), NOW.0, "the head names where it started");
}

#[track_caller]
fn opens(position: Position, opening: &str, sent: impl IntoIterator<Item = i64>) {
    let mut stream = Stream::open(market(position, 2, SECOND), CONFIG, 7);
    let mut said = String::new();
    while stream.awaits > 0 || !stream.said.is_empty() {
        said.push_str(&stream.said());
        stream.awaits = 0;
        stream.input(Input::Backlog(0));
    }
    stream.said = said;
    let opening =
        opening.replace("NOW", &NOW.0.to_string()).replace("OLDEST", &(NOW.0 - 600_000).to_string());
    stream.check(&(opening + &ticks(sent.into_iter().map(|nth| (nth, 0)))));
}

#[test]
fn history_and_cursors_are_ticks() {
    opens(Position::History(0), &cursor(NOW.0), []);
    let oldest = &cursor(NOW.0 - 600_000);
    opens(Position::History(KEPT), oldest, -599..=0);
    opens(after(NOW.0 - 600_000), oldest, -599..=0);
    opens(after(NOW.0), &cursor(NOW.0), []);
    let three = NOW.0 - 3_000;
    opens(after(three), &cursor(three), -2..=0);
    // Between two ticks of this interval, where another interval has one.
    let odd = NOW.0 - 2_500;
    opens(after(odd), &cursor(odd), -2..=0);
}

#[test]
fn a_cursor_that_is_too_old_or_none_is_a_gap() {
    let gap = |reason: &str, requested: &str, after: &str| {
        let data = format!(r#"{{"reason":"{reason}","requested":"{requested}","resumes_after":"{after}"}}"#);
        format!("event: gap\nid: {after}\ndata: {data}\n\n")
    };
    for old in ["0".to_owned(), (NOW.0 - 600_001).to_string()] {
        opens(Position::after(&old), &gap("expired", &old, "OLDEST"), -599..=0);
    }
    let skew = NOW.0 + u64::try_from(CLOCK_SKEW.as_millis()).unwrap();
    for bad in ["abc".to_owned(), "-1".to_owned(), (skew + 1).to_string()] {
        opens(Position::after(&bad), &gap("unknown", &bad, "NOW"), []);
    }
}

#[test]
fn a_cursor_of_a_clock_that_is_ahead_is_waited_for() {
    let ahead = NOW.0 + u64::try_from(CLOCK_SKEW.as_millis()).unwrap();
    let mut stream = Stream::open(market(after(ahead), 2, SECOND), CONFIG, 7);
    stream.check(&cursor(ahead));
    stream.run(4 * SECOND);
    stream.check(&ticks([(3, 0), (4, 0)]));
}

#[test]
fn a_long_history_goes_out_as_fast_as_it_is_taken() {
    let mut stream = Stream::open(market(Position::History(KEPT), 64, SECOND), CONFIG, 7);
    let tick = market_tick(&symbols(64), NOW, 0).len() * 2;
    let (mut backlog, mut pages, mut ids) = (0, 0, Vec::new());
    while !stream.said.is_empty() {
        let said = stream.said();
        backlog += said.len();
        assert!(backlog <= PAGE_BYTES + BACKLOG_LOW_BYTES + tick, "{backlog} bytes are out");
        ids.extend(said.lines().filter_map(|line| line.strip_prefix("id: ")?.parse::<u64>().ok()));
        pages += 1;
        // The reader takes it bit by bit; half a second goes by with each.
        while backlog > 0 && stream.said.is_empty() {
            backlog = backlog.saturating_sub(20_000);
            stream.run(Duration::from_millis(5));
            stream.input(Input::Backlog(backlog));
        }
    }
    let expected: Vec<_> = (0..ids.len() as u64).map(|nth| NOW.0 - 600_000 + nth * 1_000).collect();
    assert_eq!(ids, expected, "the cursor and every tick after it");
    assert!(pages >= 40 && ids.len() > 600, "{pages} pages, {} ticks", ids.len());
}

#[test]
fn a_slow_reader_gets_the_newest_tick_and_the_count_of_the_others() {
    let mut stream = live(2);
    stream.input(Input::Backlog(BACKLOG_BYTES + 1));
    stream.run(10 * SECOND);
    stream.check("");
    assert_eq!(stream.awaits, 1);
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES + 1));
    stream.check("");
    // Ticks 1 to 10 were due: 10 goes out, 9 did not.
    stream.input(Input::Backlog(BACKLOG_LOW_BYTES));
    stream.check(&ticks([(10, 9)]));
    stream.input(Input::Backlog(0));
    stream.run(2 * SECOND);
    stream.check(&ticks([(11, 0), (12, 0)]));
    // The reader catches its breath before a second tick was skipped.
    stream.input(Input::Backlog(BACKLOG_BYTES + 1));
    stream.run(SECOND);
    stream.input(Input::Backlog(0));
    stream.check(&ticks([(13, 0)]));
}

#[test]
fn a_slow_reader_gets_no_heartbeat_for_what_it_is_not_sent() {
    let mut stream = live(2);
    stream.input(Input::Backlog(BACKLOG_BYTES + 1));
    stream.run(10 * HEARTBEAT);
    stream.check("");
    stream.input(Input::Backlog(0));
    stream.check(&ticks([(150, 149)]));
}

#[test]
fn a_host_that_stood_still_makes_up_for_it() {
    let mut stream = live(2);
    stream.now = NOW + 5 * SECOND;
    stream.input(Input::Wake);
    stream.check(&ticks((1..=5).map(|nth| (nth, 0))));
}
