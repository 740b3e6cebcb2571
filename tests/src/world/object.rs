//! An object that keeps one channel, with the connections of its hubs.

use std::time::Duration;

use bytes::Bytes;
use ssedge::hub::{Gather, News, Opening};
use ssedge::limits::PAGE_BYTES;
use ssedge::log::{Entry, EntryId, Page, Retention, Subscribe};
use ssedge::store::sql::NewEntries;
use ssedge::store::{Post, Receipt};
use ssedge::time::UnixMillis;

use super::channel::{Event, Fault};
use super::figures::Figures;
use super::history::{Fact, History};
use super::isolates::Sent;

/// The object is gone in the middle of something.
#[derive(Clone, Copy, Debug)]
pub struct Crashed;

/// A log that one object has for itself.
pub trait ObjectLog {
    /// Stores a post.
    ///
    /// # Errors
    /// It crashed, before or after the post was stored; the same below.
    fn append(&mut self, post: &Post, now: UnixMillis) -> Result<(Receipt, Option<NewEntries>), Crashed>;
    /// Ends a channel whose lease has run out; what readers are told.
    ///
    /// # Errors
    /// [`Crashed`].
    fn settle(&mut self, now: UnixMillis) -> Result<Option<NewEntries>, Crashed>;
    /// Deletes all; what readers are told.
    ///
    /// # Errors
    /// [`Crashed`].
    fn delete(&mut self, now: UnixMillis) -> Result<Option<NewEntries>, Crashed>;
    /// What was done since it was last asked, whoever was told.
    fn observe(&mut self) -> Vec<Fact>;
    /// What a hub gets.
    ///
    /// # Errors
    /// [`Crashed`].
    fn open(&mut self, after: Option<EntryId>, now: UnixMillis) -> Result<Opening, Crashed>;
    /// What a reader gets.
    ///
    /// # Errors
    /// [`Crashed`].
    fn page(&mut self, subscribe: &Subscribe, now: UnixMillis) -> Result<Page<Bytes>, Crashed>;
    /// Frees what nobody can ask for; whether the channel has forgotten itself.
    ///
    /// # Errors
    /// [`Crashed`].
    fn free(&mut self, is_read: bool, now: UnixMillis) -> Result<bool, Crashed>;
    /// When it is to free something.
    fn next_alarm(&self) -> Option<UnixMillis>;
    /// Lets it crash before so many statements more; `false` if it cannot.
    fn crash_after(&mut self, statements: u32) -> bool;
    /// Begins anew with what is stored.
    fn restart(&mut self);
}

/// What an isolate asks.
#[derive(Debug)]
pub enum Call {
    /// A page for a reader.
    Page(Subscribe),
    /// A connection for a hub that stands there, or nowhere yet.
    Open(Option<EntryId>),
}

/// A connection: its isolate, and its number.
type Connection = (usize, u64);

/// When the object does not answer, and whether it says so.
#[derive(Clone, Copy)]
struct Outage {
    until: UnixMillis,
    refuses: bool,
}

/// The object.
pub struct Object<L> {
    log: L,
    history: History,
    connections: Vec<Connection>,
    pending: Vec<Entry>,
    /// Of the pending bodies.
    bytes: usize,
    /// The run of the pending entries, and the id before the first one.
    place: (EntryId, EntryId),
    age: Duration,
    gather: Gather,
    flush_at: Option<UnixMillis>,
    outage: Outage,
    sent: Vec<(usize, Sent)>,
}

impl<L: ObjectLog> Object<L> {
    /// One without connections.
    pub fn new(log: L, retention: Retention) -> Self {
        Self {
            log,
            history: History::new(retention, Duration::ZERO),
            connections: Vec::new(),
            pending: Vec::new(),
            bytes: 0,
            place: (EntryId::BEGINNING, EntryId::BEGINNING),
            age: retention.age,
            gather: Gather::default(),
            flush_at: None,
            outage: Outage { until: UnixMillis(0), refuses: false },
            sent: Vec::new(),
        }
    }

    /// What was sent to the isolates since it was last asked.
    pub fn sent(&mut self) -> Vec<(usize, Sent)> {
        std::mem::take(&mut self.sent)
    }

    fn flush(&mut self, now: UnixMillis) {
        (self.flush_at, self.bytes) = (None, 0);
        let entries = std::mem::take(&mut self.pending);
        let Some(news) = News::encode(self.place.0, self.place.1, self.age, &entries) else { return };
        let wants_answer = self.gather.sent(now);
        // As it is written on the wire.
        let message = Bytes::from(news.write(wants_answer));
        for (isolate, number) in &self.connections {
            let (news, wants_answer) =
                News::read(&message, |at| message.slice(at..)).expect("it is what was written");
            self.sent.push((*isolate, Sent::News(*number, news, wants_answer)));
        }
    }

    /// A hub has delivered.
    pub fn answered(&mut self, now: UnixMillis) {
        self.gather.answered(now);
        if !self.pending.is_empty() {
            self.flush_at = Some(now + self.gather.pause(now));
        }
    }

    /// An isolate has closed a connection.
    pub fn disconnect(&mut self, number: u64) {
        self.connections.retain(|(_, open)| *open != number);
    }

    /// The object goes on with what is stored, and has forgotten what was to be sent.
    fn restart(&mut self) {
        self.log.restart();
        (self.flush_at, self.bytes, self.gather) = (None, 0, Gather::default());
        self.pending.clear();
        let broken = self.connections.drain(..);
        self.sent.extend(broken.map(|(isolate, number)| (isolate, Sent::Broken(number))));
    }

    /// Takes what was just stored, in the history and on its way to the hubs. It crashed if there is nothing to take.
    fn store<T>(
        &mut self,
        done: Result<T, Crashed>,
        new: impl FnOnce(&mut T) -> Option<NewEntries>,
        now: UnixMillis,
    ) -> Option<T> {
        for fact in self.log.observe() {
            self.history.add(fact);
        }
        let Ok(mut done) = done else {
            self.restart();
            return None;
        };
        if let Some(new) = new(&mut done) {
            self.push(new, now);
        }
        Some(done)
    }

    fn push(&mut self, NewEntries { entries, after, run, age }: NewEntries, now: UnixMillis) {
        if run != self.place.0 {
            self.flush(now);
        }
        if self.pending.is_empty() {
            self.place = (run, after);
        }
        self.age = age;
        self.flush_at.get_or_insert(now + self.gather.pause(now));
        self.bytes += entries.iter().map(Entry::bytes).sum::<usize>();
        self.pending.extend(entries);
        if self.bytes >= PAGE_BYTES {
            self.flush(now);
        }
    }

    /// Before anything else is done; `false` if it crashed.
    fn settle(&mut self, now: UnixMillis) -> bool {
        let settled = self.log.settle(now);
        self.store(settled, Option::take, now).is_some()
    }

    /// A post comes; what becomes of it.
    pub fn post(&mut self, number: u64, post: &Post, now: UnixMillis) -> Event {
        if !self.settle(now) {
            return Event::Answered(number, None);
        }
        let appended = self.log.append(post, now);
        let appended = self.store(appended, |(_, new)| new.take(), now);
        Event::Answered(number, appended.map(|(receipt, _)| receipt))
    }

    /// All is to be deleted.
    pub fn delete(&mut self, now: UnixMillis) {
        if self.settle(now) {
            let deleted = self.log.delete(now);
            self.store(deleted, Option::take, now);
        }
    }

    /// An isolate asks something.
    pub fn call(&mut self, isolate: usize, number: u64, call: &Call, now: UnixMillis) {
        let refused = match call {
            Call::Page(_) => Sent::Page(number, None),
            Call::Open(_) => Sent::Opened(number, None),
        };
        if now < self.outage.until {
            self.sent.extend(self.outage.refuses.then_some((isolate, refused)));
            return;
        }
        if !self.settle(now) {
            self.sent.push((isolate, refused));
            return;
        }
        // What is pending is in the log already: with it sent, the answer and the news join without overlap.
        self.flush(now);
        let answer = match call {
            Call::Page(subscribe) => self.log.page(subscribe, now).map(|page| Sent::Page(number, Some(page))),
            Call::Open(after) => {
                self.log.open(*after, now).map(|opening| Sent::Opened(number, Some(opening)))
            }
        };
        match answer {
            Ok(answer) => {
                if let Call::Open(_) = call {
                    self.connections.push((isolate, number));
                }
                self.sent.push((isolate, answer));
            }
            Err(Crashed) => {
                self.sent.push((isolate, refused));
                self.restart();
            }
        }
    }

    /// When something happens next by itself.
    pub fn next_event(&self) -> Option<UnixMillis> {
        let sent = (!self.sent.is_empty()).then_some(UnixMillis(0));
        [self.flush_at, self.log.next_alarm(), sent].into_iter().flatten().min()
    }

    /// Lets happen what is due.
    pub fn step(&mut self, now: UnixMillis) {
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush(now);
        }
        if self.log.next_alarm().is_some_and(|at| at <= now) && self.settle(now) {
            match self.log.free(!self.connections.is_empty(), now) {
                Ok(forgets) => self.history.forgot |= forgets,
                Err(Crashed) => self.restart(),
            }
        }
    }

    /// Something goes wrong.
    pub fn fault(&mut self, fault: &Fault, now: UnixMillis, figures: &mut Figures) {
        match *fault {
            Fault::Evict => {
                figures.count("objects gone");
                self.restart();
            }
            Fault::Outage { span, refuses } => {
                figures.count("outages");
                self.outage = Outage { until: now + span, refuses };
            }
            // One that has alarms frees by these.
            Fault::Free if self.log.next_alarm().is_none() => {
                let forgets = self.log.free(false, now).is_ok_and(|forgets| forgets);
                self.history.forgot |= forgets;
                figures.add("channels forgotten", forgets.into());
            }
            Fault::Crash(statements) => {
                figures.add("crashes", self.log.crash_after(statements).into());
            }
            _ => {}
        }
    }

    /// No more faults.
    pub fn calm(&mut self, now: UnixMillis) {
        self.outage.until = now;
        self.restart();
    }

    /// Nobody is there for so long.
    pub fn sleep(&mut self, until: UnixMillis) {
        self.restart();
        self.sent.clear();
        while let Some(at) = self.log.next_alarm().filter(|at| *at <= until) {
            self.settle(at);
            let forgets = self.log.free(false, at);
            self.history.forgot |= forgets.expect("it does not crash while it sleeps");
        }
    }

    /// All that was ever stored.
    pub const fn history(&self) -> &History {
        &self.history
    }
}
