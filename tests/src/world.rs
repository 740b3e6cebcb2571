//! A small world: a clock, a channel, and readers, each on a stream of its own behind a slow network.
//!
//! Everything that happens is caused by a call here and a seed, so what happened once happens again. The world
//! keeps to the contract of a host, and to no more: it drains a session after every input, tells the backlog
//! before every other input, and gives a lost subscription up.

#![allow(clippy::missing_panics_doc, reason = "a world that is not as it must be is a failed test")]

mod channel;
mod client;
mod faults;
mod figures;
mod function;
mod history;
mod isolates;
mod link;
mod model;
mod object;
mod sqlite;

use std::collections::BTreeMap;
use std::time::Duration;

use ssedge::limits::{BACKLOG_BYTES, PAGE_BYTES, STREAM_QUESTIONS};
use ssedge::log::{Filter, Retention, Subscribe};
use ssedge::session::{Dialect, Input, Output, Session, StreamConfig, StreamRequest, WhenSlow};
use ssedge::store::{Post, Stored};
use ssedge::time::UnixMillis;

use crate::stream::{channel_name, every};
pub use channel::Fault;
use channel::{Channel, Event};
pub use client::Client;
pub use faults::{Known, Wish, data, post};
pub use figures::Figures;
use function::Function;
pub use function::{Doing, Process, Rig};
pub use history::{Fact, History};
use isolates::Isolates;
pub use link::Speed;
use link::{Link, Message};
pub use model::Model;
pub use object::ObjectLog;
use sqlite::Sqlite;
pub use sqlite::Storage;

/// 2026-11-22T10:00:00Z.
pub const START: UnixMillis = UnixMillis(1_795_341_600_000);
/// More than happens at one moment, in which each stream may ask its channel as often as it may.
const SPIN: u32 = 10 * STREAM_QUESTIONS;
/// More than the largest entry and what a stream says of itself between two frames.
const SLACK: usize = 32 * 1024;

/// When a page is loaded anew whose EventSource has stopped for good.
const RELOAD: Duration = Duration::from_secs(7);

/// What the channel of a world is stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// The simplest that keeps the rules.
    Model,
    /// [`ssedge::store::sql`], in SQLite.
    Sqlite,
    /// [`ssedge::store::table`], in a table that some processes share.
    Table,
}

/// Who reads, and how.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Which keys, or all.
    pub keys: Option<Vec<&'static str>>,
    /// How many entries on the first connect.
    pub history: u32,
    /// Whether ticks come too.
    pub ticks: bool,
    /// What happens when it is too slow.
    pub when_slow: WhenSlow,
    /// How long its streams live.
    pub life: Option<Duration>,
    /// How long its tokens do.
    pub token: Option<Duration>,
}

/// A reader and what lies between it and its stream.
#[derive(Debug)]
pub struct Reader {
    profile: Profile,
    /// What it heard.
    pub client: Client,
    link: Option<Link>,
    back_at: UnixMillis,
    speed: Speed,
    latency: Duration,
    drops: bool,
}

/// A post whose sender does not know yet what became of it.
#[derive(Debug)]
struct Unanswered {
    post: Post,
    /// When its sender posts it again, if it may.
    again_at: Option<UnixMillis>,
}

/// All of it.
pub struct World {
    /// What the clock says.
    pub now: UnixMillis,
    /// The readers.
    pub readers: Vec<Reader>,
    /// What happened.
    pub figures: Figures,
    channel: Box<dyn Channel>,
    posts: BTreeMap<u64, Unanswered>,
    /// What senders were told.
    told: BTreeMap<u64, (Post, Stored)>,
    /// It is a channel of one's own: posts have several entries, or none, and terms.
    of_data: bool,
    calm: bool,
    serial: u64,
}

impl World {
    /// A world in which `profiles` are about to connect to a channel on this log. Whatever it draws comes from the seed.
    #[must_use]
    pub fn new(log: Log, retention: Retention, profiles: Vec<Profile>, seed: u64) -> Self {
        let reader = |profile: Profile| Reader {
            client: Client::new(profile.filter(), profile.history, profile.when_slow == WhenSlow::Newest),
            profile,
            link: None,
            back_at: START,
            speed: Speed::Unlimited,
            latency: Duration::from_millis(5),
            drops: false,
        };
        let channel: Box<dyn Channel> = match log {
            Log::Model => Box::new(Isolates::new(Model::new(retention), retention, seed)),
            Log::Sqlite => Box::new(Isolates::new(Sqlite::new(retention), retention, seed)),
            Log::Table => Box::new(Function::new(retention, seed, START)),
        };
        Self {
            now: START,
            readers: profiles.into_iter().map(reader).collect(),
            figures: Figures::default(),
            channel,
            posts: BTreeMap::new(),
            told: BTreeMap::new(),
            of_data: false,
            calm: false,
            serial: 0,
        }
    }

    /// The same with a channel of one's own, which can end.
    #[must_use]
    pub fn of_data(self) -> Self {
        Self { of_data: true, ..self }
    }

    /// All that was ever stored.
    #[must_use]
    pub fn history(&self) -> &History {
        self.channel.history()
    }

    /// What happened, in the channel too.
    #[must_use]
    pub fn all_figures(&self) -> Figures {
        let mut figures = self.figures.clone();
        figures.join(&self.channel.figures());
        figures
    }

    /// Lets the time pass.
    pub fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        let mut idle = 0;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            idle = if at > self.now { 0 } else { idle + 1 };
            assert!(idle < SPIN, "the world spins at {}", self.now.0);
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    fn next_event(&self) -> Option<UnixMillis> {
        let readers = self.readers.iter().map(|reader| match &reader.link {
            Some(link) => link.next_event(reader.speed),
            None => Some(reader.back_at),
        });
        let senders = self.posts.values().map(|post| post.again_at);
        readers.chain(senders).chain([self.channel.next_event()]).flatten().min()
    }

    fn step(&mut self) {
        self.hear();
        self.post_again();
        for reader in 0..self.readers.len() {
            if self.readers[reader].link.is_none() && self.readers[reader].back_at <= self.now {
                self.connect(reader);
            }
            self.take(reader);
            self.deliver(reader);
            self.wake(reader);
            self.take(reader);
        }
    }

    fn connect(&mut self, reader: usize) {
        self.serial += 1;
        let (now, calm) = (self.now, self.calm);
        let Reader { profile, client, link, .. } = &mut self.readers[reader];
        let subscribe = Subscribe { position: client.connect(), filter: profile.filter(), newest: false };
        let request = StreamRequest {
            log: Some((channel_name("room"), subscribe)),
            ticks: profile.ticks.then(|| every(Duration::from_secs(1))).flatten(),
            when_slow: profile.when_slow,
            dialect: Dialect::Named,
            only_open: false,
            has_ends: true,
        };
        let config = StreamConfig {
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_secs(2),
            life: profile.life.filter(|_| !calm),
            deadline: None,
            expires: profile.token.filter(|_| !calm).map(|token| now + token),
        };
        *link = Some(Link::new(Session::open(request, config, self.serial, now), now));
        self.drain(reader);
    }

    /// Ends the connection as it is, with what the network still holds.
    fn cut(&mut self, reader: usize) -> Option<Link> {
        self.channel.leave(reader, self.now);
        let Reader { client, link, back_at, .. } = &mut self.readers[reader];
        let link = link.take()?;
        *back_at = self.now + client.retry;
        if link.session.refusal().is_some() {
            // An EventSource stops; some time later its page is loaded anew.
            client.refused(self.channel.history());
            self.figures.count("readers of what has ended");
            *back_at = self.now + RELOAD;
        }
        Some(link)
    }

    /// Takes what the channel did.
    fn hear(&mut self) {
        for event in self.channel.step(self.now) {
            match event {
                Event::Message(reader, serial, message) => self.post(reader, serial, message),
                Event::Answered(number, receipt) => self.answered(number, receipt),
            }
        }
    }

    fn post(&mut self, reader: usize, serial: u64, message: Message) {
        let Reader { link, latency, drops, .. } = &mut self.readers[reader];
        let dropped = matches!(message, Message::Page(_) | Message::Batch(_)) && std::mem::take(drops);
        if let Some(link) = link.as_mut().filter(|_| !dropped) {
            link.post(self.now + *latency, serial, message);
        }
    }

    fn subscribe(&mut self, reader: usize, subscribe: &Subscribe) {
        self.serial += 1;
        let (serial, now) = (self.serial, self.now);
        if let Some(link) = &mut self.readers[reader].link {
            link.subscription = Some(serial);
            link.answer_by = Some(now + self.channel.patience());
        }
        self.channel.subscribe(reader, serial, subscribe, now);
        self.hear();
    }

    fn deliver(&mut self, reader: usize) {
        while let Some(link) = &mut self.readers[reader].link {
            let Some((serial, message)) = link.receive(self.now) else { return };
            let current = link.subscription == Some(serial);
            match message {
                Message::Page(page) if current => {
                    link.answer_by = None;
                    self.feed(reader, Input::Page(page));
                }
                Message::Lost if current => self.lost(reader),
                Message::GaveUp if current => self.feed(reader, Input::GaveUp),
                // What a subscription that was given up still delivers may arrive: the session must not mind.
                Message::Batch(batch) => self.feed(reader, Input::Entries(batch)),
                Message::Page(_) | Message::Lost | Message::GaveUp => {}
            }
        }
    }

    fn lost(&mut self, reader: usize) {
        self.channel.unsubscribe(reader);
        if let Some(link) = &mut self.readers[reader].link {
            (link.subscription, link.answer_by) = (None, None);
        }
        self.feed(reader, Input::Lost);
    }

    fn wake(&mut self, reader: usize) {
        let Some(link) = &mut self.readers[reader].link else { return };
        if link.answer_by.is_some_and(|at| at <= self.now) {
            return self.lost(reader);
        }
        if link.wake_at.is_some_and(|at| at <= self.now) {
            self.channel.alive(reader, self.now);
            self.feed(reader, Input::Wake);
        }
    }

    fn feed(&mut self, reader: usize, input: Input<bytes::Bytes>) {
        let now = self.now;
        let Some(link) = self.readers[reader].link.as_mut().filter(|link| !link.closed) else { return };
        if link.reported != link.backlog() {
            link.reported = link.backlog();
            link.session.handle(Input::Backlog(link.reported), now);
            self.drain(reader);
        }
        let Some(link) = self.readers[reader].link.as_mut().filter(|link| !link.closed) else { return };
        link.session.handle(input, now);
        self.drain(reader);
    }

    fn drain(&mut self, reader: usize) {
        while let Some(link) = &mut self.readers[reader].link {
            match link.session.poll_output() {
                Output::Send(chunk) => link.send(chunk),
                Output::Subscribe(subscribe) => self.subscribe(reader, &subscribe),
                Output::Unsubscribe => self.channel.unsubscribe(reader),
                Output::AwaitDrain => link.awaits = true,
                Output::WakeAt(at) => {
                    link.wake_at = Some(at);
                    break;
                }
                Output::Close(_) => {
                    link.closed = true;
                    self.channel.leave(reader, self.now);
                    break;
                }
            }
        }
        let backlog = self.readers[reader].link.as_ref().map_or(0, Link::backlog);
        assert!(backlog <= BACKLOG_BYTES + 2 * PAGE_BYTES + SLACK, "{backlog} bytes of backlog");
    }

    /// The reader takes what has come through.
    fn take(&mut self, reader: usize) {
        let Reader { client, link: Some(link), speed, .. } = &mut self.readers[reader] else { return };
        while let Some(bytes) = link.take(*speed, self.now) {
            client.take(&bytes, self.channel.history(), self.now);
        }
        if link.closed && link.backlog() == 0 {
            self.cut(reader);
        } else if let Some(backlog) = link.has_drained() {
            link.reported = backlog;
            link.session.handle(Input::Backlog(backlog), self.now);
            self.drain(reader);
        }
    }
}

impl Reader {
    /// Whether it has no stream, or one that has told it nothing yet or is at its end.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.closed || link.session.starts_after().is_none())
    }
}

impl Profile {
    fn filter(&self) -> Filter {
        let keys = |keys: &Vec<&str>| Filter::keys(keys.iter().map(|key| (*key).to_owned()));
        self.keys.as_ref().map_or(Filter::ALL, keys)
    }
}
