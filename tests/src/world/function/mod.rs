//! A host of many processes, which share a table.

mod executor;
mod process;
mod rig;
mod table;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ssedge::access::Rate;
use ssedge::limits::CHANNEL_TIMEOUT;
use ssedge::log::{ChannelName, Filter, Pace, Page, Retention, Subscribe};
use ssedge::store::table::{Head, Posts, Reader, Table as _, batches};
use ssedge::store::{Post, Receipt};
use ssedge::time::UnixMillis;

use super::channel::{Channel, Event, Fault};
use super::figures::Figures;
use super::history::History;
use super::link::Message;
use crate::stream::channel_name;
use executor::{Executor, Finished};
pub use process::Process;
use process::{Failure, Shared};
pub use rig::{Doing, Rig};

/// How far the clocks of two processes differ at most.
const CLOCKS: Duration = Duration::from_secs(60);
const PROCESSES: usize = 4;
/// The pauses between two questions of a stream, which are as long as may be set: the world has many streams.
const POLL: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(5);
/// One that no test exceeds, and whose buckets fill more slowly than clocks differ.
const RATE: Rate = Rate::per_second(1_000, 120_000);

/// What a task of a process is for.
#[derive(Clone, Debug)]
enum Work {
    Post(u64),
    Delete,
    Page { reader: usize, serial: u64, subscribe: Subscribe },
    News { reader: usize, serial: u64 },
}

/// What came of it.
enum Outcome {
    Posted(Result<Receipt, Failure>),
    Page(Result<(Page<Bytes>, Head), Failure>),
    Deleted,
    GaveUp,
}

/// All processes, and the table.
pub struct Function {
    channel: ChannelName,
    retention: Retention,
    shared: Arc<Mutex<Shared>>,
    processes: Vec<Arc<Process>>,
    tasks: Executor<Work, Outcome>,
    /// What the loops that ask for news have heard.
    news: Arc<Mutex<Vec<Event>>>,
    history: History,
    events: Vec<Event>,
}

impl Function {
    /// An empty table; what its processes draw, and what their clocks say, comes from the seed.
    pub fn new(retention: Retention, seed: u64, now: UnixMillis) -> Self {
        let shared = Arc::new(Mutex::new(Shared::new(seed, now)));
        let process = |nth: usize| {
            // One clock is behind by half of the most, one ahead by half of it, the others between.
            let span = CLOCKS.as_millis() as u64;
            let offset = match nth {
                0 => 0,
                1 => span,
                _ => lock(&shared).chance.number() % (span + 1),
            };
            Arc::new(Process::new(shared.clone(), offset.cast_signed() - (span / 2).cast_signed()))
        };
        let processes = (0..PROCESSES).map(process).collect();
        Self {
            channel: channel_name("room"),
            retention,
            shared,
            processes,
            tasks: Executor::default(),
            news: Arc::default(),
            history: History::new(retention, CLOCKS / 2),
            events: Vec::new(),
        }
    }

    fn any_process(&self) -> (usize, Arc<Process>) {
        let nth = lock(&self.shared).chance.number() as usize % PROCESSES;
        (nth, self.processes[nth].clone())
    }

    /// Runs all that can go on at this moment.
    fn run(&mut self, now: UnixMillis) {
        lock(&self.shared).now = now;
        loop {
            lock(&self.shared).apply();
            let shared = &self.shared;
            let finished = self.tasks.poll(now, || std::mem::take(&mut lock(shared).wakes));
            if finished.is_empty() {
                break;
            }
            for Finished { work, group, outcome } in finished {
                self.finished(work, group, outcome);
            }
        }
        for fact in std::mem::take(&mut lock(&self.shared).table.done) {
            self.history.add(fact);
        }
        self.history.forgot |= lock(&self.shared).table.has_freed;
        self.events.append(&mut lock(&self.news));
    }

    fn finished(&mut self, work: Work, group: usize, outcome: Option<Outcome>) {
        match (work, outcome) {
            (Work::Post(number), Some(Outcome::Posted(Ok(receipt)))) => {
                self.events.push(Event::Answered(number, Some(receipt)));
            }
            (Work::Delete, _) => {}
            (Work::Post(number), _) => self.events.push(Event::Answered(number, None)),
            (Work::Page { reader, serial, subscribe }, Some(Outcome::Page(Ok((page, head))))) => {
                if !page.more {
                    self.follow(group, (reader, serial), head, subscribe.filter);
                }
                self.events.push(Event::Message(reader, serial, Message::Page(page)));
            }
            (Work::News { reader, serial }, Some(_)) => {
                self.events.push(Event::Message(reader, serial, Message::GaveUp));
            }
            (Work::Page { reader, serial, .. } | Work::News { reader, serial }, _) => {
                self.events.push(Event::Message(reader, serial, Message::Lost));
            }
        }
    }

    /// Asks for what follows, again and again.
    fn follow(&mut self, group: usize, (reader, serial): (usize, u64), head: Head, filter: Filter) {
        let (process, news) = (self.processes[group].clone(), self.news.clone());
        let (channel, retention) = (self.channel.clone(), self.retention);
        let asking = async move {
            let mut pace = Pace::new(POLL, process.draw());
            let mut pause = *POLL.start();
            let Head { last: mut cursor, mut lease_ends } = head;
            loop {
                process.pause(pause).await;
                let log = Reader::new(&*process, retention);
                if lease_ends.is_some_and(|ends| ends <= process.now())
                    && let Ok(ends) = log.settle(&channel).await
                {
                    lease_ends = ends;
                }
                let found = log.news(&channel, cursor).await;
                let Ok((items, more)) = found else {
                    match pace.failed(process.now()) {
                        Some(longer) => pause = longer,
                        None => return Outcome::GaveUp,
                    }
                    continue;
                };
                pause = match items.first() {
                    None => pace.silence(process.now()),
                    Some(_) if more => Duration::ZERO,
                    Some(_) => pace.heard(process.now()),
                };
                if let Some(newest) = items.last() {
                    lease_ends = newest.lease_ends();
                }
                for batch in batches(&items, cursor, &filter) {
                    cursor = batch.upto;
                    lock(&news).push(Event::Message(reader, serial, Message::Batch(batch)));
                }
            }
        };
        self.tasks.spawn(Work::News { reader, serial }, group, None, Box::pin(asking));
    }
}

impl Channel for Function {
    fn post(&mut self, number: u64, post: &Post, now: UnixMillis) {
        lock(&self.shared).now = now;
        let (group, process) = self.any_process();
        let (channel, post, retention) = (self.channel.clone(), post.clone(), self.retention);
        let posting = async move {
            let posts = Posts::new(&*process, retention, RATE);
            Outcome::Posted(posts.append(&channel, &post, RATE).await)
        };
        let until = Some(now + CHANNEL_TIMEOUT);
        self.tasks.spawn(Work::Post(number), group, until, Box::pin(posting));
        self.run(now);
    }

    fn delete(&mut self, now: UnixMillis) {
        lock(&self.shared).now = now;
        let (group, process) = self.any_process();
        let (channel, retention) = (self.channel.clone(), self.retention);
        let deleting = async move {
            // Whoever deletes it and hears nothing deletes it again, or lets it be.
            let _ = Posts::new(&*process, retention, RATE).delete(&channel).await;
            Outcome::Deleted
        };
        self.tasks.spawn(Work::Delete, group, Some(now + CHANNEL_TIMEOUT), Box::pin(deleting));
        self.run(now);
    }

    fn subscribe(&mut self, reader: usize, serial: u64, subscribe: &Subscribe, now: UnixMillis) {
        self.unsubscribe(reader);
        lock(&self.shared).now = now;
        let (group, process) = self.any_process();
        let (channel, question, retention) = (self.channel.clone(), subscribe.clone(), self.retention);
        let asking =
            async move { Outcome::Page(Reader::new(&*process, retention).page(&channel, &question).await) };
        let work = Work::Page { reader, serial, subscribe: subscribe.clone() };
        self.tasks.spawn(work, group, None, Box::pin(asking));
        self.run(now);
    }

    fn unsubscribe(&mut self, gone: usize) {
        self.tasks.stop(|work, _| match work {
            Work::Post(_) | Work::Delete => false,
            Work::Page { reader, .. } | Work::News { reader, .. } => *reader == gone,
        });
    }

    fn next_event(&self) -> Option<UnixMillis> {
        let events = (!self.events.is_empty()).then_some(UnixMillis(0));
        [events, self.tasks.next_event(), lock(&self.shared).next_event()].into_iter().flatten().min()
    }

    fn step(&mut self, now: UnixMillis) -> Vec<Event> {
        self.run(now);
        std::mem::take(&mut self.events)
    }

    fn fault(&mut self, fault: &Fault, now: UnixMillis, figures: &mut Figures) {
        let mut shared = lock(&self.shared);
        shared.now = now;
        match *fault {
            Fault::Lose(lost) => {
                drop(shared);
                let stopped = self.tasks.stop(|work, _| {
                    matches!(work, Work::Page { reader, .. } | Work::News { reader, .. } if *reader == lost)
                });
                stopped.into_iter().for_each(|(work, group)| self.finished(work, group, None));
            }
            Fault::Evict => {
                figures.count("processes gone");
                let gone = shared.chance.number() as usize % PROCESSES;
                drop(shared);
                let stopped = self.tasks.stop(|_, group| group == gone);
                stopped.into_iter().for_each(|(work, group)| self.finished(work, group, None));
            }
            Fault::Outage { span, refuses } => {
                figures.count("outages");
                shared.outage = Some((now + span, refuses));
            }
            Fault::Free => {
                let freed = shared.free();
                figures.add("items freed", freed);
            }
            Fault::Slow { latency, lost, throttled } => {
                figures.count("changes of the network");
                shared.slow(latency, lost, throttled);
            }
            Fault::Deliver(_) | Fault::Room(_) | Fault::Crash(_) => {}
        }
    }

    fn calm(&mut self, _: UnixMillis) {
        let mut shared = lock(&self.shared);
        shared.outage = None;
        shared.slow(0, 0, 0);
    }

    fn sleep(&mut self, until: UnixMillis) {
        self.tasks.stop(|_, _| true);
        self.events.clear();
        self.run(until);
        lock(&self.shared).free();
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn patience(&self) -> Duration {
        CHANNEL_TIMEOUT
    }

    fn figures(&self) -> Figures {
        lock(&self.shared).figures.clone()
    }
}

/// Nothing panics while it holds a lock, but a failed test.
fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().expect("no test has failed")
}
