//! A stream that can no longer serve its reader ends, so that the reader's next request begins anew.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use ssedge::limits::{CHANNEL_PATIENCE_MS, ROTATE_RETRY_MS, STREAM_QUESTIONS};
use ssedge::log::Start;
use ssedge::session::{CloseReason, Input};
use ssedge_tests::stream::{CONFIG, NOW, SECOND, Stream, batch, chat, id, quotes};

/// The stream has said nothing but a `retry` of a planned end, at which its reader comes back at once.
#[track_caller]
fn ended_by_plan(stream: &mut Stream, reason: CloseReason) {
    assert_eq!(stream.closed, Some(reason));
    let said = stream.said();
    let last = said.strip_suffix("\n\n").unwrap().rsplit("\n\n").next().unwrap().to_owned();
    let retry: u64 = last.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!(ROTATE_RETRY_MS.contains(&retry), "{retry}");
}

/// The channel does not answer: the host says so two seconds after each question.
fn refuse(stream: &mut Stream) {
    stream.input(Input::Lost);
    while stream.closed.is_none() && stream.now.since(NOW) < 600 * SECOND {
        stream.until(stream.wake_at.unwrap());
        if !std::mem::take(&mut stream.asked).is_empty() {
            stream.run(2 * SECOND);
            stream.input(Input::Lost);
        }
    }
}

#[test]
fn a_stream_that_cannot_reach_its_channel_again_ends() {
    let mut spans = Vec::new();
    for seed in 0..200 {
        let mut stream = Stream::open(chat(), CONFIG, seed);
        stream.page(Start::at(id(5)), None, false);
        refuse(&mut stream);
        ended_by_plan(&mut stream, CloseReason::Lost);
        spans.push(u64::try_from(stream.now.since(NOW).as_millis()).unwrap());
    }
    // It is noticed at most two seconds late, which is how long this channel takes to say nothing.
    let (soonest, latest) = (*CHANNEL_PATIENCE_MS.start(), CHANNEL_PATIENCE_MS.end() + 2_000);
    assert!(spans.iter().all(|span| (soonest..=latest).contains(span)), "{spans:?}");
    spans.sort_unstable();
    assert!(spans[190] - spans[10] > 10_000, "they do not come back in one wave: {spans:?}");
}

#[test]
fn a_stream_whose_channel_says_nothing_at_all_ends() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.input(Input::Lost);
    stream.run(600 * SECOND);
    ended_by_plan(&mut stream, CloseReason::Lost);
}

#[test]
fn an_answer_in_time_saves_the_stream() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    for _ in 0..10 {
        stream.input(Input::Lost);
        stream.run(50 * SECOND);
        stream.page(Start::at(id(5)), None, false);
    }
    stream.run(600 * SECOND);
    assert_eq!(stream.closed, None);
}

/// A channel that takes every subscription and breaks it, a slow reader of quotes that falls behind again and again, and
/// a long replay: each question counts.
#[test]
fn a_stream_asks_its_channel_so_many_times() {
    let ask = |mut stream: Stream, mut next: Box<dyn FnMut(&mut Stream)>| {
        // Its first question was the one that opened it.
        for asked in 1..=STREAM_QUESTIONS {
            assert_eq!(stream.closed, None, "after {asked} questions");
            stream.asked.clear();
            next(&mut stream);
            stream.run(SECOND);
        }
        assert!(stream.asked.is_empty(), "it asks no more");
        ended_by_plan(&mut stream, CloseReason::Questions);
    };
    ask(
        Stream::live(chat(), CONFIG, 5),
        Box::new(|stream| {
            stream.input(Input::Lost);
            stream.run(SECOND);
            stream.page(Start::at(id(5)), None, false);
        }),
    );
    ask(
        Stream::live(quotes(), CONFIG, 5),
        Box::new(|stream| {
            stream.input(Input::Backlog(ssedge::limits::BACKLOG_BYTES + 1));
            stream.entries(5, 6..=6);
            stream.input(Input::Backlog(0));
            stream.page(Start::at(id(5)), None, false);
        }),
    );
    ask(
        Stream::open(chat(), CONFIG, 5),
        Box::new({
            let mut at = 5;
            move |stream| {
                stream.input(Input::Backlog(0));
                stream.page(Start::at(id(at)), Some(batch(at, at + 1..=at + 1)), true);
                at += 1;
            }
        }),
    );
}

/// A stream that asked as often as it may and is live loses nothing by it.
#[test]
fn a_stream_that_asked_its_last_question_lives_on() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    for _ in 1..STREAM_QUESTIONS {
        stream.input(Input::Lost);
        stream.run(SECOND);
        stream.page(Start::at(id(5)), None, false);
    }
    stream.run(600 * SECOND);
    stream.entries(5, 6..=6);
    assert_eq!(stream.closed, None);
}

/// A host that asks for its streams tells them when it gives up.
#[test]
fn a_channel_that_the_host_gave_up_ends_the_stream() {
    let mut stream = Stream::live(chat(), CONFIG, 5);
    stream.input(Input::GaveUp);
    ended_by_plan(&mut stream, CloseReason::Lost);
}
