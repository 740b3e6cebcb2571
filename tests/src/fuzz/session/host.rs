//! What lies around one stream. The host keeps to its contract: it drains the session after every input, tells the backlog
//! before every other one, and gives a lost subscription up. The channel is a real log, until the scenario forges what it
//! says.

use std::time::Duration;

use bytes::Bytes;
use ssedge::limits::{BACKLOG_BYTES, BACKLOG_LOW_BYTES, PAGE_BYTES};
use ssedge::log::{Batch, Position};
use ssedge::session::{Chunk, Input, Output, WhenSlow};
use ssedge::time::UnixMillis;

use super::link::Link;
use super::scenario::{Act, Key, Source, Step, Stream};
use crate::world::{Client, History, Model, ObjectLog as _, START, post};

/// More than the largest entry and what a stream says of itself between two frames.
const SLACK: usize = 32 * 1024;
/// Entries that a log takes.
const ENTRIES: usize = 2_000;
/// More rounds than a reader needs to catch up.
const ROUNDS: usize = 24;

pub struct Host {
    stream: Stream,
    now: UnixMillis,
    /// How far the clock of the stream is behind that of the channel.
    skew: Duration,
    log: Model,
    history: History,
    /// Checks all that it reads against the log, as long as the log is what it reads of.
    reader: Client,
    honest: bool,
    link: Link,
}

impl Host {
    pub fn open(stream: Stream) -> Self {
        let (filter, history) = stream.source.wants();
        let conflates = stream.source.opening(Position::History(0)).when_slow == WhenSlow::Newest;
        let mut reader = Client::new(filter, history, conflates);
        let honest = matches!(stream.source, Source::Channel { .. });
        let link = Link::new(&stream, reader.connect(), START);
        let (log, history) = (Model::new(stream.retention), History::new(stream.retention, Duration::ZERO));
        let before = stream.before;
        let mut host = Self { stream, now: START, skew: Duration::ZERO, log, history, reader, honest, link };
        for _ in 0..before {
            host.append(Key::A, 10);
        }
        host.drain();
        host
    }

    pub fn step(&mut self, step: Step) {
        self.now = self.now + step.wait;
        match step.act {
            Act::Append { key, size, times } => {
                for _ in 0..usize::from(times).min(ENTRIES - self.log.len()) {
                    self.append(key, size);
                }
            }
            Act::Answer => self.answer(),
            Act::News => drop(self.news()),
            Act::Miss => drop(self.next_news()),
            Act::Repeat => {
                if let Some(batch) = self.link.news.clone() {
                    self.feed(Input::Entries(batch));
                }
            }
            Act::Lose => {
                (self.link.asked, self.link.subscriber) = (None, None);
                self.feed(Input::Lost);
            }
            Act::Refuse => {
                if self.link.asked.take().is_some() {
                    self.feed(Input::Full);
                }
            }
            Act::Forget => {
                self.history.forgot |= self.log.free(false, self.now).is_ok_and(|forgets| forgets);
            }
            Act::Take(most) => self.take(most),
            Act::Wake => self.wake(),
            Act::Stir => self.feed(Input::Wake),
            Act::Return => self.come_back(),
            Act::SetBack(span) => self.skew += span,
            Act::Forge(forged) => {
                self.honest = false;
                self.feed(forged.input());
            }
        }
    }

    /// The faults end, and the reader must arrive at the last entry.
    pub fn settle(mut self) {
        (self.stream.life, self.stream.deadline, self.stream.token) = (None, None, None);
        for round in 0..ROUNDS {
            if !self.honest {
                return;
            }
            self.wake();
            if self.link.closed.is_some() {
                self.come_back();
            }
            self.append([Key::A, Key::B][round % 2], 10);
            for _ in 0..4 {
                self.answer();
                while self.news() {}
                self.take(usize::MAX);
            }
        }
        let Self { reader, history, .. } = self;
        assert!(
            reader.is_up_to_date(&history),
            "the reader is at {:?}, and the log at {}",
            reader.at,
            history.last()
        );
    }

    fn append(&mut self, key: Key, size: usize) {
        let post = post(self.log.len() as u64, key.name(), size);
        self.log.append(&post, self.now).expect("a model does not crash");
        for fact in self.log.observe() {
            self.history.add(fact);
        }
    }

    fn clock(&self) -> UnixMillis {
        self.now - self.skew
    }

    fn answer(&mut self) {
        let Some(subscribe) = self.link.asked.take() else { return };
        let page = self.log.page(&subscribe, self.now).expect("a model does not crash");
        if let (true, Some(_), Position::After(after)) = (self.honest, &page.start.gap, &subscribe.position) {
            let misses = self.history.forgot || self.history.misses(*after, self.now);
            assert!(misses, "a gap from {after}, of which nothing is missing");
        }
        if !page.more {
            self.link.subscriber = Some((subscribe.filter, self.log.len()));
        }
        self.feed(Input::Page(page));
    }

    fn next_news(&mut self) -> Option<Batch<Bytes>> {
        let (filter, seen) = self.link.subscriber.as_mut()?;
        let (batch, upto) = self.log.news_since(*seen, filter, self.now)?;
        *seen = upto;
        Some(batch)
    }

    /// Whether there were any.
    fn news(&mut self) -> bool {
        let Some(batch) = self.next_news() else { return false };
        self.link.news = Some(batch.clone());
        self.feed(Input::Entries(batch));
        true
    }

    fn wake(&mut self) {
        self.now = self.now.max(self.link.wake_at + self.skew);
        self.feed(Input::Wake);
    }

    fn take(&mut self, most: usize) {
        let mut left = most;
        while left > 0
            && let Some(chunk) = self.link.network.front_mut()
        {
            let bytes = chunk.split_to(chunk.len().min(left));
            left -= bytes.len();
            if chunk.is_empty() {
                self.link.network.pop_front();
            }
            if self.honest {
                self.reader.take(&bytes, &self.history, self.now);
            }
        }
        let backlog = self.link.backlog();
        if backlog <= BACKLOG_LOW_BYTES && std::mem::take(&mut self.link.awaits) {
            self.link.reported = backlog;
            self.handle(Input::Backlog(backlog));
        }
    }

    /// What the network still holds is lost.
    fn come_back(&mut self) {
        self.feed(Input::ReaderGone);
        assert!(self.link.closed.is_some(), "a stream without a reader has an end");
        self.link = Link::new(&self.stream, self.reader.connect(), self.clock());
        self.drain();
    }

    fn feed(&mut self, input: Input<Bytes>) {
        let backlog = self.link.backlog();
        if self.link.reported != backlog {
            self.link.reported = backlog;
            self.handle(Input::Backlog(backlog));
        }
        self.handle(input);
    }

    fn handle(&mut self, input: Input<Bytes>) {
        let clock = self.clock();
        let was = self.link.closed;
        let wakes = input == Input::Wake;
        match &input {
            Input::Lost => drop(self.link.lost_at.get_or_insert(clock)),
            Input::Page(_) => self.link.lost_at = None,
            _ => {}
        }
        let causes = [Input::Lost, Input::Full, Input::ReaderGone, Input::Wake];
        let cause = causes.into_iter().find(|cause| *cause == input);
        self.link.latest = self.link.latest.max(clock);
        self.link.session.handle(input, clock);
        self.drain();
        match self.link.closed {
            None if wakes => assert!(self.link.wake_at > clock, "it would be woken without an end"),
            Some(reason) if was.is_none() => self.link.ended(reason, clock, cause.as_ref()),
            _ => assert!(was.is_none() || was == self.link.closed, "{was:?}, then {:?}", self.link.closed),
        }
    }

    fn drain(&mut self) {
        let link = &mut self.link;
        loop {
            let output = link.session.poll_output();
            assert!(link.closed.is_none() || matches!(output, Output::Close(_)), "after its end: {output:?}");
            match output {
                Output::Send(Chunk::Own(bytes) | Chunk::Frame(bytes)) => {
                    link.checker
                        .hear(&bytes, self.honest || !matches!(self.stream.source, Source::Channel { .. }));
                    link.network.push_back(bytes);
                }
                Output::Subscribe(subscribe) => {
                    (link.asked, link.subscriber) = (Some(subscribe), None);
                    link.questions += 1;
                }
                Output::Unsubscribe => link.subscriber = None,
                Output::AwaitDrain => link.awaits = true,
                Output::WakeAt(at) => {
                    link.wake_at = at;
                    break;
                }
                Output::Close(reason) => {
                    (link.closed, link.asked, link.subscriber) = (Some(reason), None, None);
                    break;
                }
            }
        }
        assert_eq!(
            link.checker.started,
            link.session.starts_after(),
            "the head of the answer says where it starts"
        );
        let backlog = link.backlog();
        assert!(backlog <= BACKLOG_BYTES + 2 * PAGE_BYTES + SLACK, "{backlog} bytes of backlog");
        let silent_until = link.latest + link.config.heartbeat;
        assert!(link.closed.is_some() || link.wake_at <= silent_until, "it is silent until {}", link.wake_at);
    }
}
