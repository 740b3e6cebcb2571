//! One process of the function, as its table sees it: with a clock of its own, over a network that delays and loses.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use ssedge::chance::Chance;
use ssedge::log::{ChannelName, EntryId};
use ssedge::store::table::{Append, Counter, Found, Order, Put, Remembered, Table};
use ssedge::time::UnixMillis;

use super::lock;
use super::table::Items;
use crate::world::figures::Figures;

/// As the client of the function has it: how long one attempt waits, how often it is made, how long it pauses at most.
const ATTEMPT: Duration = Duration::from_millis(1_000);
const ATTEMPTS: u32 = 3;
const PAUSE_MS: u64 = 50;

/// The table did not answer.
#[derive(Clone, Copy, Debug)]
pub struct Failure;

type Request = Box<dyn FnOnce(&mut Items) + Send>;

/// What all processes share.
pub struct Shared {
    pub now: UnixMillis,
    pub chance: Chance,
    pub table: Items,
    /// Until when the table is away, and whether it says so.
    pub outage: Option<(UnixMillis, bool)>,
    pub figures: Figures,
    /// When the task that is being polled wants to go on.
    pub wakes: Vec<UnixMillis>,
    /// Requests on their way, with when they come.
    coming: Vec<(UnixMillis, Request)>,
    latency: u64,
    lost: u64,
    throttled: u64,
}

/// What becomes of one request.
enum Fate {
    Throttled,
    /// It comes after the first time, if at all, and is answered after the second, if at all.
    Sent(Option<Duration>, Option<Duration>),
}

impl Shared {
    pub fn new(seed: u64, now: UnixMillis) -> Self {
        Self {
            now,
            chance: Chance::seeded(seed),
            table: Items::default(),
            outage: None,
            figures: Figures::default(),
            wakes: Vec::new(),
            coming: Vec::new(),
            latency: 0,
            lost: 0,
            throttled: 0,
        }
    }

    /// From now on the network takes up to so many milliseconds one way, and of a hundred requests so many are lost on
    /// either way or throttled.
    pub const fn slow(&mut self, latency: u64, lost: u64, throttled: u64) {
        (self.latency, self.lost, self.throttled) = (latency, lost, throttled);
    }

    /// Frees half of what has expired.
    pub fn free(&mut self) -> u64 {
        let Self { table, chance, now, .. } = self;
        table.free(*now, || chance.number().is_multiple_of(2))
    }

    pub fn next_event(&self) -> Option<UnixMillis> {
        self.coming.iter().map(|(at, _)| *at).min()
    }

    /// Does what was asked and has come, in the order in which it came.
    pub fn apply(&mut self) {
        let now = self.now;
        let mut come: Vec<_> = self.coming.extract_if(.., |(at, _)| *at <= now).collect();
        come.sort_by_key(|(at, _)| *at);
        for (_, request) in come {
            request(&mut self.table);
        }
    }

    fn fate(&mut self) -> Fate {
        let in_hundred = |chance: &mut Chance, percent| chance.number() % 100 < percent;
        self.figures.count("requests");
        let outage = self.outage.filter(|(until, _)| *until > self.now);
        if outage.is_some_and(|(_, refuses)| refuses) || in_hundred(&mut self.chance, self.throttled) {
            self.figures.count("requests throttled");
            return Fate::Throttled;
        }
        let [there, back] = [0, 1].map(|_| self.chance.draw(0..=self.latency));
        let [lost, answer_lost] = [0, 1].map(|_| outage.is_some() || in_hundred(&mut self.chance, self.lost));
        if lost {
            self.figures.count("requests lost");
            return Fate::Sent(None, None);
        }
        self.figures.add("answers lost", answer_lost.into());
        Fate::Sent(Some(there), Some(back).filter(|_| !answer_lost))
    }
}

/// One process.
pub struct Process {
    shared: Arc<Mutex<Shared>>,
    /// Milliseconds by which its clock is ahead.
    ahead: i64,
}

impl Process {
    pub const fn new(shared: Arc<Mutex<Shared>>, ahead: i64) -> Self {
        Self { shared, ahead }
    }

    fn count_write(&self) {
        lock(&self.shared).figures.count("writes");
    }

    async fn sleep(&self, span: Duration) {
        let until = lock(&self.shared).now + span;
        std::future::poll_fn(|_| {
            let mut shared = lock(&self.shared);
            if shared.now >= until {
                return Poll::Ready(());
            }
            shared.wakes.push(until);
            Poll::Pending
        })
        .await;
    }

    /// Asks the table, and again if there is no answer in time. A request that was given up may still come.
    async fn ask<R: Send + 'static>(
        &self,
        request: impl Fn(&mut Items) -> R + Clone + Send + 'static,
    ) -> Result<R, Failure> {
        for attempt in 0..ATTEMPTS {
            let answer = Arc::new(Mutex::new(None));
            let fate = lock(&self.shared).fate();
            match fate {
                Fate::Throttled => {}
                Fate::Sent(there, back) => {
                    if let Some(there) = there {
                        let (request, answer) = (request.clone(), answer.clone());
                        let mut shared = lock(&self.shared);
                        let at = shared.now + there;
                        shared
                            .coming
                            .push((at, Box::new(move |items| *lock(&answer) = Some(request(items)))));
                        shared.apply();
                    }
                    let takes = there.zip(back).map_or(ATTEMPT, |(there, back)| there + back);
                    self.sleep(takes.min(ATTEMPT)).await;
                    let answer = lock(&answer).take();
                    if let Some(answer) = answer.filter(|_| takes < ATTEMPT) {
                        return Ok(answer);
                    }
                }
            }
            let pause = lock(&self.shared).chance.draw(0..=PAUSE_MS << attempt);
            self.sleep(pause).await;
        }
        Err(Failure)
    }
}

impl Table for Process {
    type Failure = Failure;

    async fn query(
        &self,
        _: &ChannelName,
        order: Order,
        limit: u32,
        from: Option<EntryId>,
    ) -> Result<Found, Failure> {
        self.ask(move |items| items.query(order, limit, from)).await
    }

    async fn append(&self, _: &ChannelName, append: &Append<'_>) -> Result<Put, Failure> {
        self.count_write();
        let (item, remember, expires) = (append.item.clone(), append.remember.cloned(), append.expires);
        self.ask(move |items| items.append(&item, remember.as_ref(), expires)).await
    }

    async fn renew(
        &self,
        _: &ChannelName,
        id: EntryId,
        lease: Duration,
        renewed: UnixMillis,
    ) -> Result<Put, Failure> {
        self.count_write();
        self.ask(move |items| items.renew(id, lease, renewed)).await
    }

    async fn remembered(&self, name: &str) -> Result<Option<Remembered>, Failure> {
        let name = name.to_owned();
        self.ask(move |items| items.remembered(&name)).await
    }

    async fn counter(&self, name: &str) -> Result<Option<Counter>, Failure> {
        let name = name.to_owned();
        self.ask(move |items| items.counter(&name)).await
    }

    async fn put_counter(
        &self,
        name: &str,
        counter: Counter,
        unless_above: u64,
        expires: UnixMillis,
    ) -> Result<Put, Failure> {
        self.count_write();
        let name = name.to_owned();
        self.ask(move |items| items.put_counter(&name, counter, unless_above, expires)).await
    }

    async fn add(
        &self,
        name: &str,
        by: i64,
        range: RangeInclusive<u64>,
        expires: UnixMillis,
    ) -> Result<Put, Failure> {
        self.count_write();
        let name = name.to_owned();
        self.ask(move |items| items.add(&name, by, &range, expires)).await
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(lock(&self.shared).now.0.saturating_add_signed(self.ahead))
    }

    fn draw(&self) -> u64 {
        lock(&self.shared).chance.number()
    }

    async fn pause(&self, span: Duration) {
        self.sleep(span).await;
    }
}
