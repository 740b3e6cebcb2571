//! One stream: what leaves it, byte for byte, for what comes in.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use bytes::Bytes;
use ssedge::channel::{
    Batch, ChannelName, Entry, EntryId, Filter, Gap, GapReason, Page, Position, Requested, Start, Subscribe,
};
use ssedge::limits::{BACKLOG_LOW_BYTES, FILTER_CURSOR};
use ssedge::session::{Chunk, CloseReason, Input, Opening, Output, Pulse, Session, Terms};
use ssedge::time::UnixMillis;

/// 2026-11-22T10:00:00Z.
const NOW: UnixMillis = UnixMillis(1_795_341_600_000);
const HEARTBEAT: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);
const TERMS: Terms = Terms { heartbeat: HEARTBEAT, retry: RETRY, life: None, deadline: None, expires: None };

/// A session, its clock, and what it did since it was last asked.
struct Stream {
    session: Session<Bytes>,
    now: UnixMillis,
    said: String,
    asked: Vec<Subscribe>,
    unsubscribed: usize,
    awaits: usize,
    wake_at: Option<UnixMillis>,
    closed: Option<CloseReason>,
}

impl Stream {
    fn open(opening: Opening, terms: Terms, seed: u64) -> Self {
        let mut stream = Self {
            session: Session::open(opening, terms, seed, NOW),
            now: NOW,
            said: String::new(),
            asked: Vec::new(),
            unsubscribed: 0,
            awaits: 0,
            wake_at: None,
            closed: None,
        };
        stream.drain();
        stream
    }

    /// A stream on a channel whose page says that it starts after `after`, with its opening block taken off.
    fn live(opening: Opening, terms: Terms, after: u64) -> Self {
        let mut stream = Self::open(opening, terms, 7);
        stream.page(Start::at(id(after)), None, false);
        stream.asked.clear();
        stream.check(&format!("event: cursor\nid: {after}\ndata: {{\"cursor\":\"{after}\"}}\n\n"));
        stream
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Send(Chunk::Own(bytes) | Chunk::Frame(bytes)) => {
                    assert!(bytes.ends_with(b"\n\n"), "whole blocks");
                    self.said.push_str(std::str::from_utf8(&bytes).unwrap());
                }
                Output::Subscribe(subscribe) => self.asked.push(subscribe),
                Output::Unsubscribe => self.unsubscribed += 1,
                Output::AwaitDrain => self.awaits += 1,
                Output::WakeAt(at) => {
                    self.wake_at = Some(at);
                    return;
                }
                Output::Close(reason) => {
                    self.wake_at = None;
                    self.closed = Some(reason);
                    return;
                }
            }
        }
    }

    fn input(&mut self, input: Input<Bytes>) {
        self.session.handle(input, self.now);
        self.drain();
    }

    fn page(&mut self, start: Start, batch: Option<Batch<Bytes>>, more: bool) {
        self.input(Input::Page(Page { start, batch, more }));
    }

    fn entries(&mut self, after: u64, ids: std::ops::RangeInclusive<u64>) {
        self.input(Input::Entries(batch(after, ids)));
    }

    /// The host wakes the session whenever it asked for that, until then.
    fn until(&mut self, then: UnixMillis) {
        while let Some(at) = self.wake_at.filter(|at| *at <= then) {
            self.now = self.now.max(at);
            self.input(Input::Wake);
            assert!(self.wake_at.is_none_or(|next| next > self.now), "it would be woken without an end");
        }
        self.now = then;
    }

    fn run(&mut self, span: Duration) {
        self.until(self.now + span);
    }

    fn said(&mut self) -> String {
        std::mem::take(&mut self.said)
    }

    /// What it said is this, apart from a `retry` at the start of it.
    #[track_caller]
    fn check(&mut self, expected: &str) {
        let said = self.said();
        let without_retry = match said.strip_prefix("retry: ") {
            Some(rest) => rest.split_once('\n').unwrap().1,
            None => &said,
        };
        assert_eq!(without_retry, expected);
    }

    /// The subscription that it asked for, since it was last asked.
    #[track_caller]
    fn asked(&mut self, after: u64, newest: bool) {
        let asked = std::mem::take(&mut self.asked);
        let asked: Vec<_> = asked.iter().map(|s| (s.position.clone(), s.newest)).collect();
        assert_eq!(asked, [(Position::After(Requested::from(id(after))), newest)]);
    }
}

fn id(n: u64) -> EntryId {
    EntryId::new(n).unwrap()
}

fn entry(n: u64) -> Entry {
    let key = if n.is_multiple_of(2) { "even" } else { "odd" };
    Entry { id: id(n), time: NOW, event: None, key: Some(key.into()), body: format!(r#"{{"n":{n}}}"#) }
}

fn block(n: u64) -> String {
    format!("id: {n}\ndata: {{\"n\":{n}}}\n\n")
}

fn filtered(after: u64, ids: std::ops::RangeInclusive<u64>, filter: &Filter) -> Batch<Bytes> {
    Batch::encode(id(after), &ids.map(entry).collect::<Vec<_>>(), filter).unwrap()
}

fn batch(after: u64, ids: std::ops::RangeInclusive<u64>) -> Batch<Bytes> {
    filtered(after, ids, &Filter::ALL)
}

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
