//! Tasks that wait for nothing but a time of the world.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use ssedge::time::UnixMillis;

type Task<R> = Pin<Box<dyn Future<Output = R>>>;

struct Running<W, R> {
    work: W,
    group: usize,
    task: Task<R>,
    wake_at: Option<UnixMillis>,
    /// When it is given up.
    until: Option<UnixMillis>,
}

/// A task that is over; without an outcome if it was given up.
pub struct Finished<W, R> {
    pub work: W,
    pub group: usize,
    pub outcome: Option<R>,
}

/// Tasks, each with what it is for and the group that it belongs to.
pub struct Executor<W, R> {
    running: Vec<Running<W, R>>,
}

impl<W, R> Default for Executor<W, R> {
    fn default() -> Self {
        Self { running: Vec::new() }
    }
}

impl<W, R> Executor<W, R> {
    /// Begins a task.
    pub fn spawn(&mut self, work: W, group: usize, until: Option<UnixMillis>, task: Task<R>) {
        self.running.push(Running { work, group, task, wake_at: Some(UnixMillis(0)), until });
    }

    /// Polls each task whose time has come. `wakes` takes the times that the task which was just polled waits for.
    pub fn poll(&mut self, now: UnixMillis, wakes: impl Fn() -> Vec<UnixMillis>) -> Vec<Finished<W, R>> {
        let mut finished = Vec::new();
        let mut at = 0;
        while let Some(running) = self.running.get_mut(at) {
            let is_due = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now);
            let mut outcome = Poll::Pending;
            if is_due(running.wake_at) {
                outcome = running.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                running.wake_at = wakes().into_iter().min();
            }
            let outcome = match outcome {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending if is_due(running.until) => None,
                Poll::Pending => {
                    at += 1;
                    continue;
                }
            };
            let Running { work, group, .. } = self.running.remove(at);
            finished.push(Finished { work, group, outcome });
        }
        finished
    }

    /// Stops the tasks that are to be stopped; what they were for.
    pub fn stop(&mut self, which: impl Fn(&W, usize) -> bool) -> Vec<(W, usize)> {
        let stopped = self.running.extract_if(.., |running| which(&running.work, running.group));
        stopped.map(|running| (running.work, running.group)).collect()
    }

    /// When a task goes on.
    pub fn next_event(&self) -> Option<UnixMillis> {
        self.running.iter().flat_map(|running| [running.wake_at, running.until]).flatten().min()
    }
}
