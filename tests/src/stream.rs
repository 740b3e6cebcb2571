//! One session, driven by hand.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test fails by a panic, and so may its helpers"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ssedge::log::{
    Batch, ChannelName, Entry, EntryId, Filter, Gap, GapReason, Kind, Page, Position, Requested, Start,
    Subscribe,
};
use ssedge::session::{
    Chunk, CloseReason, Dialect, Input, Output, Replay, Session, StreamConfig, StreamRequest, Ticks,
    Timetable, WhenSlow,
};
use ssedge::time::UnixMillis;

/// 2026-11-22T10:00:00Z.
pub const NOW: UnixMillis = UnixMillis(1_795_341_600_000);
/// The longest silence.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// The middle of the reconnection time.
pub const RETRY: Duration = Duration::from_secs(2);
/// A second.
pub const SECOND: Duration = Duration::from_secs(1);
/// Of a stream that lives for ever.
pub const CONFIG: StreamConfig =
    StreamConfig { heartbeat: HEARTBEAT, retry: RETRY, life: None, deadline: None, expires: None };

/// A session, its clock, and what it did since it was last asked.
pub struct Stream {
    /// The session.
    pub session: Session<Bytes>,
    /// Its clock.
    pub now: UnixMillis,
    /// What it sent.
    pub said: String,
    /// The subscriptions that it asked for.
    pub asked: Vec<Subscribe>,
    /// How often it gave one up.
    pub unsubscribed: usize,
    /// How often it asked to be told of a low backlog.
    pub awaits: usize,
    /// When it wants to be woken.
    pub wake_at: Option<UnixMillis>,
    /// Why it ended.
    pub closed: Option<CloseReason>,
}

impl Stream {
    /// Opens a stream at [`NOW`].
    pub fn open(request: StreamRequest, config: StreamConfig, seed: u64) -> Self {
        let mut stream = Self {
            session: Session::open(request, config, seed, NOW),
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
    pub fn live(request: StreamRequest, config: StreamConfig, after: u64) -> Self {
        let mut stream = Self::open(request, config, 7);
        stream.page(Start::at(id(after)), None, false);
        stream.asked.clear();
        stream.check(&cursor_within(after, config.heartbeat));
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

    /// Takes an input and drains the session.
    pub fn input(&mut self, input: Input<Bytes>) {
        self.session.handle(input, self.now);
        self.drain();
    }

    /// The channel answers.
    pub fn page(&mut self, start: Start, batch: Option<Batch<Bytes>>, more: bool) {
        self.input(Input::Page(Page { start, batch, more }));
    }

    /// The channel has these entries, which say that they follow `after`.
    pub fn entries(&mut self, after: u64, ids: std::ops::RangeInclusive<u64>) {
        self.input(Input::Entries(batch(after, ids)));
    }

    /// The host wakes the session whenever it asked for that, until then.
    pub fn until(&mut self, then: UnixMillis) {
        while let Some(at) = self.wake_at.filter(|at| *at <= then) {
            self.now = self.now.max(at);
            self.input(Input::Wake);
            assert!(self.wake_at.is_none_or(|next| next > self.now), "it would be woken without an end");
        }
        self.now = then;
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        self.until(self.now + span);
    }

    /// What it sent since it was last asked.
    pub fn said(&mut self) -> String {
        std::mem::take(&mut self.said)
    }

    /// What it said is this, apart from a `retry` at the start of it.
    #[track_caller]
    pub fn check(&mut self, expected: &str) {
        let said = self.said();
        let without_retry = match said.strip_prefix("retry: ") {
            Some(rest) => rest.split_once('\n').unwrap().1,
            None => &said,
        };
        assert_eq!(without_retry, expected);
    }

    /// The subscription that it asked for, since it was last asked.
    #[track_caller]
    pub fn asked(&mut self, after: u64, newest: bool) {
        let asked = std::mem::take(&mut self.asked);
        let asked: Vec<_> = asked.iter().map(|s| (s.position.clone(), s.newest)).collect();
        assert_eq!(asked, [(Position::After(id(after)), newest)]);
    }
}

/// The id of this number.
#[must_use]
pub fn id(n: u64) -> EntryId {
    EntryId::new(n).unwrap()
}

/// An entry whose key is `odd` or `even`.
#[must_use]
pub fn entry(n: u64) -> Entry {
    let key = if n.is_multiple_of(2) { "even" } else { "odd" };
    let (key, body) = (Some(key.into()), format!(r#"{{"n":{n}}}"#));
    Entry { id: id(n), time: NOW, event: None, key, kind: Kind::Object, body }
}

/// Its block.
#[must_use]
pub fn block(n: u64) -> String {
    format!("id: {n}\ndata: {{\"n\":{n}}}\n\n")
}

/// The block that tells a cursor, as a stream of [`CONFIG`] writes it.
#[must_use]
pub fn cursor(n: u64) -> String {
    cursor_within(n, HEARTBEAT)
}

/// The same of a stream that says something within each `heartbeat`.
#[must_use]
pub fn cursor_within(n: u64, heartbeat: Duration) -> String {
    let heartbeat = heartbeat.as_secs();
    format!("event: cursor\nid: {n}\ndata: {{\"cursor\":\"{n}\",\"heartbeat_secs\":{heartbeat}}}\n\n")
}

/// What a filter leaves of these entries, which say that they follow `after`.
#[must_use]
pub fn filtered(after: u64, ids: std::ops::RangeInclusive<u64>, filter: &Filter) -> Batch<Bytes> {
    Batch::encode(id(after), &ids.map(entry).collect::<Vec<_>>(), filter).unwrap()
}

/// These entries.
#[must_use]
pub fn batch(after: u64, ids: std::ops::RangeInclusive<u64>) -> Batch<Bytes> {
    filtered(after, ids, &Filter::ALL)
}

/// The channel of this name.
#[must_use]
pub fn channel_name(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

/// A tick that says its time.
#[derive(Debug)]
struct Time;

impl Ticks for Time {
    fn blocks(&self, tick: UnixMillis, _: u64) -> Bytes {
        self::tick(tick).into()
    }
}

/// The block of a tick.
#[must_use]
pub fn tick(time: UnixMillis) -> String {
    format!("data: {{\"type\":\"tick\",\"time\":\"{time}\"}}\n\n")
}

/// A tick on every whole multiple of the interval.
#[must_use]
pub fn every(interval: Duration) -> Option<Timetable> {
    Some(Timetable { interval, ticks: Arc::new(Time), replay: None })
}

/// A tick of so many blocks, of which the last has its time as its id.
#[derive(Debug)]
pub struct Numbered {
    /// How many.
    pub blocks: usize,
}

impl Ticks for Numbered {
    fn blocks(&self, tick: UnixMillis, skipped: u64) -> Bytes {
        let blocks = (1..=self.blocks).map(|nth| {
            let id = if nth == self.blocks { format!("id: {}\n", tick.0) } else { String::new() };
            format!("{id}data: {{\"nth\":{nth},\"time\":\"{tick}\",\"skipped\":{skipped}}}\n\n")
        });
        blocks.collect::<String>().into()
    }
}

/// Ticks that [`replayed`] keeps.
pub const KEPT: u32 = 600;

/// A stream of ticks with cursors, of which the last [`KEPT`] are kept.
#[must_use]
pub fn replayed(ticks: impl Ticks + 'static, interval: Duration, position: Position) -> StreamRequest {
    let replay = Some(Replay { position, kept: KEPT });
    StreamRequest {
        log: None,
        ticks: Some(Timetable { interval, ticks: Arc::new(ticks), replay }),
        when_slow: WhenSlow::Newest,
        dialect: Dialect::Plain,
        only_open: false,
        has_ends: false,
    }
}

/// A stream on a channel.
#[must_use]
pub fn channel(position: Position, ticks: Option<Timetable>, when_slow: WhenSlow) -> StreamRequest {
    let subscribe = Subscribe { position, filter: Filter::ALL, newest: false };
    let (log, dialect) = (Some((channel_name("room"), subscribe)), Dialect::Plain);
    StreamRequest { log, ticks, when_slow, dialect, only_open: false, has_ends: false }
}

/// A stream whose slow readers are ended.
#[must_use]
pub fn chat() -> StreamRequest {
    channel(Position::History(20), None, WhenSlow::End)
}

/// A stream whose slow readers get the newest of each key.
#[must_use]
pub fn quotes() -> StreamRequest {
    channel(Position::History(0), None, WhenSlow::Newest)
}

/// What the channel answers where a cursor cannot be resumed.
#[must_use]
pub fn gap(reason: GapReason, requested: &str, after: u64) -> Start {
    Start { gap: Some(Gap { reason, requested: Requested::new(requested) }), ..Start::at(id(after)) }
}
