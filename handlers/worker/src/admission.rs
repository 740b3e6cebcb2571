//! Who is let in by this isolate: how many streams each sender has open here, how many bytes wait for their readers, and how
//! many channels each sender has begun.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ssedge::access::{Buckets, Rate, Sender};
use ssedge::limits::{self, ISOLATE_BYTES, SENDER_BYTES};
use ssedge::session::SharedBacklog;
use ssedge::time::UnixMillis;

use crate::body::Body;

thread_local! {
    static SENDERS: RefCell<BTreeMap<Sender, Rc<Streams>>> = RefCell::default();
    static ALL: RefCell<SharedBacklog> = RefCell::default();
    static NEW_CHANNELS: RefCell<Buckets> = const { RefCell::new(Buckets::new(limits::BEGINNERS)) };
}

/// Counts a channel that the sender may begin by its post. If it may not, says how long it takes until it may.
pub fn count_channel(sender: &Sender, rate: Rate, now: UnixMillis) -> Option<Duration> {
    NEW_CHANNELS.with_borrow_mut(|channels| channels.take(sender, rate, now)).err()
}

/// Takes the count of a channel back: it was there before, or the post was refused.
pub fn discount_channel(sender: &Sender, rate: Rate) {
    NEW_CHANNELS.with_borrow_mut(|channels| channels.give_back(sender, rate));
}

/// The open streams of one sender.
#[derive(Default)]
struct Streams {
    /// By their numbers, which are never given twice.
    bodies: RefCell<BTreeMap<u64, Rc<Body>>>,
    last_number: Cell<u64>,
    backlog: RefCell<SharedBacklog>,
}

impl Streams {
    fn count_backlog(&self) -> usize {
        self.bodies.borrow().values().map(|body| body.backlog()).sum()
    }

    fn is_full(&self, now: UnixMillis) -> bool {
        self.backlog.borrow_mut().is_over(SENDER_BYTES, now, || self.count_backlog())
    }
}

/// The admission of one stream, which ends when it is dropped.
pub struct Admission {
    sender: Sender,
    streams: Rc<Streams>,
    number: u64,
    body: Rc<Body>,
}

impl Admission {
    /// `None` if the sender has as many streams as it may, or if too many bytes wait for its readers or for all.
    pub fn request(sender: Sender, most: Option<u64>, now: UnixMillis) -> Option<Self> {
        if is_full(now) {
            return None;
        }
        let streams = SENDERS.with_borrow(|senders| senders.get(&sender).cloned()).unwrap_or_default();
        let open = streams.bodies.borrow().len() as u64;
        if most.is_some_and(|most| open >= most) || streams.is_full(now) {
            return None;
        }
        let (number, body) = (streams.last_number.get() + 1, Rc::<Body>::default());
        streams.last_number.set(number);
        streams.bodies.borrow_mut().insert(number, body.clone());
        SENDERS.with_borrow_mut(|senders| senders.insert(sender.clone(), streams.clone()));
        Some(Self { sender, streams, number, body })
    }

    pub const fn body(&self) -> &Rc<Body> {
        &self.body
    }

    /// Counts what was sent to the reader.
    pub fn sent(&self, bytes: usize) {
        ALL.with_borrow_mut(|all| all.sent(bytes));
        self.streams.backlog.borrow_mut().sent(bytes);
    }

    /// Whether too many bytes wait for the readers of this sender, or for all of the isolate.
    pub fn is_full(&self, now: UnixMillis) -> bool {
        is_full(now) || self.streams.is_full(now)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut bodies = self.streams.bodies.borrow_mut();
        bodies.remove(&self.number);
        if bodies.is_empty() {
            SENDERS.with_borrow_mut(|senders| senders.remove(&self.sender));
        }
    }
}

fn is_full(now: UnixMillis) -> bool {
    let count =
        || SENDERS.with_borrow(|senders| senders.values().map(|streams| streams.count_backlog()).sum());
    ALL.with_borrow_mut(|all| all.is_over(ISOLATE_BYTES, now, count))
}
