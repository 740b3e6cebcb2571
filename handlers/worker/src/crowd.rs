//! How many streams each sender has open in this isolate, and how many channels it has begun by it. The objects count the
//! streams of their channels, in all isolates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use ssedge::access::{Buckets, Rate, Sender};
use ssedge::limits;
use ssedge::time::UnixMillis;

thread_local! {
    static OPEN: RefCell<HashMap<Sender, u64>> = RefCell::default();
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

/// The place of one open stream, which is free again when it is dropped.
pub struct Seat(Sender);

impl Seat {
    /// `None` where the sender has as many as it may.
    pub fn take(sender: Sender, most: Option<u64>) -> Option<Self> {
        OPEN.with_borrow_mut(|open| {
            let taken = open.get(&sender).copied().unwrap_or(0);
            if most.is_some_and(|most| taken >= most) {
                return None;
            }
            open.insert(sender.clone(), taken + 1);
            Some(Self(sender))
        })
    }

    pub const fn sender(&self) -> &Sender {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(|open| match open.get_mut(&self.0) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(open.remove(&self.0)),
        });
    }
}
