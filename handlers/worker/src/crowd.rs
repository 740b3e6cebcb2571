//! The streams of this isolate: how many each sender has, and how many bytes wait for their readers; and how many channels
//! each sender has begun by it. The objects count the streams of their channels, in all isolates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use ssedge::access::{Buckets, Rate, Sender};
use ssedge::limits::{self, ISOLATE_BYTES, SENDER_BYTES};
use ssedge::session::Held;
use ssedge::time::UnixMillis;

use crate::body::Body;

thread_local! {
    static CROWDS: RefCell<HashMap<Sender, Crowd>> = RefCell::default();
    static ALL: RefCell<Held> = RefCell::default();
    static BEGINNERS: RefCell<Buckets> = const { RefCell::new(Buckets::new(limits::BEGINNERS)) };
}

/// Counts a channel that the sender may begin by its post; if it may not, says how long it takes until it may.
pub fn begin(sender: &Sender, rate: Rate, now: UnixMillis) -> Option<Duration> {
    BEGINNERS.with_borrow_mut(|beginners| beginners.take(sender, rate, now)).err()
}

/// The channel was there, or the post was refused.
pub fn begun_nothing(sender: &Sender, rate: Rate) {
    BEGINNERS.with_borrow_mut(|beginners| beginners.give_back(sender, rate));
}

/// The streams of one sender.
#[derive(Default)]
struct Crowd {
    bodies: Vec<Rc<Body>>,
    held: Held,
}

impl Crowd {
    fn is_full(&mut self, now: UnixMillis) -> bool {
        let Self { bodies, held } = self;
        held.is_over(SENDER_BYTES, now, || backlog(bodies))
    }
}

/// The place of one stream, which is free again when it is dropped.
pub struct Seat {
    sender: Sender,
    body: Rc<Body>,
}

impl Seat {
    /// `None` if the sender has as many streams as it may, or if too many bytes wait for its readers or for all.
    pub fn take(sender: Sender, most: Option<u64>, now: UnixMillis) -> Option<Self> {
        if is_full(now) {
            return None;
        }
        CROWDS.with_borrow_mut(|crowds| {
            let crowd = crowds.entry(sender.clone()).or_default();
            if most.is_some_and(|most| crowd.bodies.len() as u64 >= most) || crowd.is_full(now) {
                return None;
            }
            let body = Rc::<Body>::default();
            crowd.bodies.push(body.clone());
            Some(Self { sender, body })
        })
    }

    pub const fn sender(&self) -> &Sender {
        &self.sender
    }

    pub const fn body(&self) -> &Rc<Body> {
        &self.body
    }

    /// Counts what was sent to the reader.
    pub fn sent(&self, bytes: usize) {
        ALL.with_borrow_mut(|all| all.sent(bytes));
        self.crowd(|crowd| crowd.held.sent(bytes));
    }

    /// Whether too many bytes wait for the readers of this sender, or for all of the isolate.
    pub fn is_full(&self, now: UnixMillis) -> bool {
        is_full(now) || self.crowd(|crowd| crowd.is_full(now)).unwrap_or_default()
    }

    fn crowd<T>(&self, with: impl FnOnce(&mut Crowd) -> T) -> Option<T> {
        CROWDS.with_borrow_mut(|crowds| crowds.get_mut(&self.sender).map(with))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        CROWDS.with_borrow_mut(|crowds| {
            let Some(crowd) = crowds.get_mut(&self.sender) else { return };
            crowd.bodies.retain(|body| !Rc::ptr_eq(body, &self.body));
            if crowd.bodies.is_empty() {
                crowds.remove(&self.sender);
            }
        });
    }
}

fn is_full(now: UnixMillis) -> bool {
    let count = || CROWDS.with_borrow(|crowds| crowds.values().map(|crowd| backlog(&crowd.bodies)).sum());
    ALL.with_borrow_mut(|all| all.is_over(ISOLATE_BYTES, now, count))
}

fn backlog(bodies: &[Rc<Body>]) -> usize {
    bodies.iter().map(|body| body.backlog()).sum()
}
