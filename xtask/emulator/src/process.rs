//! One process of the function: Lambda's execution environment.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Incoming;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::journal::{Entry, Journal};

/// What a process says to an event.
#[derive(Debug)]
pub enum Answer {
    /// It is read by the invocation, which says when it has all of it.
    Response {
        headers: HeaderMap,
        body: Incoming,
        received: oneshot::Sender<()>,
    },
    Error,
}

/// An event on its way into a process.
#[derive(Debug)]
pub struct Handout {
    pub request_id: String,
    pub trace_id: String,
    pub event: Bytes,
    /// Milliseconds since 1970.
    pub deadline: i64,
    pub answer: oneshot::Sender<Answer>,
}

/// What a process has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not asked for an event yet.
    Init,
    Ready,
    Gone,
}

/// A process, as the platform knows it.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    share: usize,
    journal: Journal,
    started: Instant,
    stage: watch::Sender<Stage>,
    /// It was killed, and is not to be used again.
    doomed: Cell<bool>,
    /// Invocations that it has.
    active: Cell<usize>,
    /// When the last one ended, or the process began.
    used: Cell<Instant>,
    /// Polls for an event that are waiting.
    polls: Cell<usize>,
    frozen: Cell<bool>,
    handouts: mpsc::UnboundedSender<Handout>,
    waiting: Mutex<mpsc::UnboundedReceiver<Handout>>,
    running: RefCell<HashMap<String, oneshot::Sender<Answer>>>,
}

impl Process {
    /// One that was started just now.
    pub fn new(pid: u32, share: usize, journal: Journal) -> Self {
        let (handouts, waiting) = mpsc::unbounded_channel();
        let started = Instant::now();
        Self {
            pid,
            share,
            journal,
            started,
            stage: watch::Sender::new(Stage::Init),
            doomed: Cell::new(false),
            active: Cell::new(0),
            used: Cell::new(started),
            polls: Cell::new(0),
            frozen: Cell::new(false),
            handouts,
            waiting: Mutex::new(waiting),
            running: RefCell::default(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it may be given one more invocation.
    pub fn has_room(&self) -> bool {
        self.is_usable() && self.active.get() < self.share
    }

    /// When it was last used.
    pub fn used(&self) -> Instant {
        self.used.get()
    }

    pub fn is_usable(&self) -> bool {
        !self.doomed.get() && *self.stage.borrow() != Stage::Gone
    }

    pub fn is_ready(&self) -> bool {
        *self.stage.borrow() == Stage::Ready
    }

    /// Waits until it asks for events. `false` where it ended instead, or took longer than this.
    pub async fn ready(&self, limit: Duration) -> bool {
        let mut stage = self.stage.subscribe();
        let changed = tokio::time::timeout(limit, stage.wait_for(|stage| *stage != Stage::Init)).await;
        matches!(changed, Ok(Ok(stage)) if *stage == Stage::Ready)
    }

    /// It was waited for, and is gone.
    pub fn ended(&self, status: String) {
        self.stage.send_replace(Stage::Gone);
        self.journal.log(Entry::Exit { pid: self.pid, status });
    }

    /// Waits until it is gone.
    pub async fn gone(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Gone).await;
    }

    /// Counts an invocation in.
    pub fn occupy(&self) {
        self.active.set(self.active.get() + 1);
    }

    /// Counts an invocation out.
    pub fn release(&self) {
        self.active.set(self.active.get() - 1);
        self.used.set(Instant::now());
        self.freeze();
    }

    /// Gives it an event, which it takes with its next poll.
    pub fn submit(&self, handout: Handout) {
        self.thaw();
        let _ = self.handouts.send(handout);
    }

    /// Whether it took the event of the request and has not answered yet.
    pub fn is_running(&self, request_id: &str) -> bool {
        self.running.borrow().contains_key(request_id)
    }

    /// The process asks for an event.
    pub async fn next(&self) -> Option<Handout> {
        if !self.is_ready() {
            self.stage.send_if_modified(|stage| {
                *stage == Stage::Init && {
                    *stage = Stage::Ready;
                    true
                }
            });
            let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.journal.log(Entry::Ready { pid: self.pid, micros });
        }
        let poll = Poll::begin(self);
        self.freeze();
        let handout = self.waiting.lock().await.recv().await;
        drop(poll);
        handout
    }

    /// From here on the request is answered, once, by whoever asks [`Process::answered`].
    pub fn took(&self, request_id: String, answer: oneshot::Sender<Answer>) {
        self.journal.log(Entry::Invoke { pid: self.pid, request: request_id.clone() });
        self.running.borrow_mut().insert(request_id, answer);
    }

    /// The process answers a request; `None` where it has no such request, or answered it before.
    pub fn answered(&self, request_id: &str) -> Option<oneshot::Sender<Answer>> {
        self.running.borrow_mut().remove(request_id)
    }

    /// Ends it at once, also when it is frozen.
    pub fn kill(&self) {
        self.doomed.set(true);
        self.signal(Signal::SIGKILL);
    }

    /// Lambda freezes an environment when its runtime asks for the next event and there is none
    /// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html)). Environments
    /// that are shared are never frozen
    /// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-execution-environment.html)).
    fn freeze(&self) {
        if self.share == 1 && self.polls.get() > 0 && self.active.get() == 0 && !self.frozen.replace(true) {
            self.signal(Signal::SIGSTOP);
        }
    }

    fn thaw(&self) {
        if self.frozen.replace(false) {
            self.signal(Signal::SIGCONT);
        }
    }

    /// Only while it was not waited for, since its id may be another's after that.
    fn signal(&self, signal: Signal) {
        if *self.stage.borrow() != Stage::Gone {
            let _ = kill(Pid::from_raw(self.pid.cast_signed()), signal);
        }
    }
}

/// Counts a poll while it lasts, however it ends.
struct Poll<'a>(&'a Process);

impl<'a> Poll<'a> {
    fn begin(process: &'a Process) -> Self {
        process.polls.set(process.polls.get() + 1);
        Self(process)
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        self.0.polls.set(self.0.polls.get() - 1);
    }
}
