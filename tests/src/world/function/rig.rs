//! Processes and their table alone, for tests of what one of them does.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ssedge::time::UnixMillis;

use super::executor::{Executor, Finished};
use super::lock;
use super::process::{Process, Shared};

/// What a process does.
pub type Doing<T> = Pin<Box<dyn Future<Output = T>>>;

/// A table, a network and a clock.
pub struct Rig(Arc<Mutex<Shared>>);

impl Rig {
    /// An empty table. What the network does comes from the seed.
    #[must_use]
    pub fn new(seed: u64, now: UnixMillis) -> Self {
        Self(Arc::new(Mutex::new(Shared::new(seed, now))))
    }

    /// One more process, whose clock is ahead by so many milliseconds.
    #[must_use]
    pub fn process(&self, ahead: i64) -> Arc<Process> {
        Arc::new(Process::new(self.0.clone(), ahead))
    }

    /// From now on the network takes up to so many milliseconds one way, and of a hundred requests so many are lost on
    /// either way or throttled.
    pub fn slow(&self, latency: u64, lost: u64, throttled: u64) {
        lock(&self.0).slow(latency, lost, throttled);
    }

    /// So much time passes.
    pub fn advance(&self, span: Duration) {
        let mut shared = lock(&self.0);
        shared.now = shared.now + span;
    }

    /// How many requests the table has had since the last question, and how many of them were writes.
    #[must_use]
    pub fn requests(&self) -> (u64, u64) {
        let figures = std::mem::take(&mut lock(&self.0).figures);
        (figures.of("requests"), figures.of("writes"))
    }

    /// Does all of this at the same time; what came of each.
    pub fn run<T>(&self, all: Vec<Doing<T>>) -> Vec<T> {
        let (count, mut tasks, mut done) = (all.len(), Executor::default(), BTreeMap::new());
        for (nth, doing) in all.into_iter().enumerate() {
            tasks.spawn(nth, 0, None, doing);
        }
        loop {
            let now = {
                let mut shared = lock(&self.0);
                shared.apply();
                shared.now
            };
            for Finished { work, outcome, .. } in tasks.poll(now, || std::mem::take(&mut lock(&self.0).wakes))
            {
                done.extend(outcome.map(|outcome| (work, outcome)));
            }
            if done.len() == count {
                return done.into_values().collect();
            }
            let mut shared = lock(&self.0);
            let next = [tasks.next_event(), shared.next_event()].into_iter().flatten().min();
            shared.now = now.max(next.expect("whoever is not done waits for something"));
        }
    }
}
