//! A host that keeps each channel in one object, with the subscriptions of its readers.

use std::time::Duration;

use bytes::Bytes;
use ssedge::limits::PAGE_BYTES;
use ssedge::log::{Batch, Entry, EntryId, Filter, Page, Retention, Subscribe};
use ssedge::store::sql::NewEntry;
use ssedge::store::{Post, Receipt};
use ssedge::time::UnixMillis;

use super::channel::{Channel, Event, Fault};
use super::figures::Figures;
use super::history::History;
use super::link::Message;

/// The object is gone in the middle of something.
#[derive(Clone, Copy, Debug)]
pub struct Crashed;

/// A log that one object has for itself.
pub trait ObjectLog {
    /// Stores a post.
    ///
    /// # Errors
    /// It crashed, before or after the post was stored; the same below.
    fn append(&mut self, post: &Post, now: UnixMillis) -> Result<(Receipt, Option<NewEntry>), Crashed>;
    /// What was stored since it was last asked, whoever was told; with the first id of the run.
    fn observe(&mut self) -> Vec<(Entry, EntryId)>;
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

struct Subscriber {
    reader: usize,
    serial: u64,
    filter: Filter,
}

/// When the object does not answer, and whether it says so.
#[derive(Clone, Copy)]
struct Outage {
    until: UnixMillis,
    refuses: bool,
}

/// The object and its host.
pub struct Object<L> {
    log: L,
    history: History,
    subscribers: Vec<Subscriber>,
    pending: Vec<Entry>,
    /// Of the pending bodies.
    bytes: usize,
    /// The id before the first pending entry.
    after: Option<EntryId>,
    flush_at: Option<UnixMillis>,
    coalesces: Duration,
    outage: Outage,
    events: Vec<Event>,
}

impl<L: ObjectLog> Object<L> {
    /// One without subscribers.
    pub const fn new(log: L, retention: Retention) -> Self {
        Self {
            log,
            history: History::new(retention, Duration::ZERO),
            subscribers: Vec::new(),
            pending: Vec::new(),
            bytes: 0,
            after: None,
            flush_at: None,
            coalesces: Duration::ZERO,
            outage: Outage { until: UnixMillis(0), refuses: false },
            events: Vec::new(),
        }
    }

    fn flush(&mut self) {
        (self.flush_at, self.bytes) = (None, 0);
        let (entries, Some(after)) = (std::mem::take(&mut self.pending), self.after.take()) else { return };
        for Subscriber { reader, serial, filter } in &self.subscribers {
            let batch = Batch::encode(after, &entries, filter).expect("entries are pending");
            self.events.push(Event::Message(*reader, *serial, Message::Batch(batch)));
        }
    }

    fn break_off(&mut self, which: impl Fn(&Subscriber) -> bool) {
        let broken = self.subscribers.extract_if(.., |subscriber| which(subscriber));
        let events = broken.map(|broken| Event::Message(broken.reader, broken.serial, Message::Lost));
        self.events.extend(events);
    }

    /// The object goes on with what is stored, and has forgotten its subscribers and what was to be sent.
    fn restart(&mut self) {
        self.log.restart();
        (self.flush_at, self.after, self.bytes) = (None, None, 0);
        self.pending.clear();
        self.break_off(|_| true);
    }
}

impl<L: ObjectLog> Channel for Object<L> {
    fn post(&mut self, number: u64, post: &Post, now: UnixMillis) {
        let appended = self.log.append(post, now);
        for (entry, run) in self.log.observe() {
            self.history.add(entry, run);
        }
        let Ok((receipt, new)) = appended else {
            self.events.push(Event::Answered(number, None));
            return self.restart();
        };
        if let Some(NewEntry { entry, after, .. }) = new {
            self.after.get_or_insert(after);
            self.flush_at.get_or_insert(now + self.coalesces);
            self.bytes += entry.bytes();
            self.pending.push(entry);
            if self.bytes >= PAGE_BYTES {
                self.flush();
            }
        }
        self.events.push(Event::Answered(number, Some(receipt)));
    }

    fn subscribe(&mut self, reader: usize, serial: u64, subscribe: &Subscribe, now: UnixMillis) {
        self.unsubscribe(reader);
        let lost = Event::Message(reader, serial, Message::Lost);
        if now < self.outage.until {
            self.events.extend(self.outage.refuses.then_some(lost));
            return;
        }
        // What is pending is in the log already: with it sent, the page and the news join without overlap.
        self.flush();
        let Ok(page) = self.log.page(subscribe, now) else {
            self.events.push(lost);
            return self.restart();
        };
        if !page.more {
            self.subscribers.push(Subscriber { reader, serial, filter: subscribe.filter.clone() });
        }
        self.events.push(Event::Message(reader, serial, Message::Page(page)));
    }

    fn unsubscribe(&mut self, reader: usize) {
        self.subscribers.retain(|subscriber| subscriber.reader != reader);
    }

    fn next_event(&self) -> Option<UnixMillis> {
        let events = (!self.events.is_empty()).then_some(UnixMillis(0));
        [self.flush_at, self.log.next_alarm(), events].into_iter().flatten().min()
    }

    fn step(&mut self, now: UnixMillis) -> Vec<Event> {
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush();
        }
        if self.log.next_alarm().is_some_and(|at| at <= now) {
            match self.log.free(!self.subscribers.is_empty(), now) {
                Ok(forgets) => self.history.forgot |= forgets,
                Err(Crashed) => self.restart(),
            }
        }
        std::mem::take(&mut self.events)
    }

    fn fault(&mut self, fault: &Fault, now: UnixMillis, figures: &mut Figures) {
        match *fault {
            Fault::Lose(reader) => self.break_off(|subscriber| subscriber.reader == reader),
            Fault::Evict => {
                figures.count("objects gone");
                self.restart();
            }
            Fault::Outage { span, refuses } => {
                figures.count("outages");
                self.outage = Outage { until: now + span, refuses };
            }
            Fault::Coalesce(span) => self.coalesces = span,
            // One that has alarms frees by these.
            Fault::Free if self.log.next_alarm().is_none() => {
                let forgets = self.log.free(false, now).is_ok_and(|forgets| forgets);
                self.history.forgot |= forgets;
                figures.add("channels forgotten", forgets.into());
            }
            Fault::Crash(statements) => {
                figures.add("crashes", self.log.crash_after(statements).into());
            }
            Fault::Free | Fault::Slow { .. } => {}
        }
    }

    fn calm(&mut self, now: UnixMillis) {
        self.outage.until = now;
        self.coalesces = Duration::ZERO;
        self.restart();
    }

    fn sleep(&mut self, until: UnixMillis) {
        self.restart();
        self.events.clear();
        while let Some(at) = self.log.next_alarm().filter(|at| *at <= until) {
            let forgets = self.log.free(false, at);
            self.history.forgot |= forgets.expect("it does not crash while it sleeps");
        }
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }
}
