//! How many streams each sender has open in this isolate. The objects count those of their channels, in all isolates.

use std::cell::RefCell;
use std::collections::HashMap;

use ssedge::access::Sender;

thread_local! {
    static OPEN: RefCell<HashMap<Sender, u64>> = RefCell::default();
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
