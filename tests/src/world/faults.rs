//! What may happen to a world.

use std::time::Duration;

use ssedge::log::EntryId;
use ssedge::session::{Input, Output};

use super::{Outage, Speed, World};

impl World {
    /// Stores an entry; subscribers hear of it when the channel next sends.
    pub fn append(&mut self, key: &str, size: usize) -> EntryId {
        self.flush_at.get_or_insert(self.now + self.coalesces);
        self.log.append(key, size, self.now)
    }

    /// The channel sends at most this often.
    pub const fn coalesce(&mut self, span: Duration) {
        self.coalesces = span;
    }

    /// The reader goes away, and comes back after its reconnection time.
    pub fn disconnect(&mut self, reader: usize) {
        if let Some(mut link) = self.cut(reader) {
            link.session.handle(Input::ReaderGone, self.now);
            assert!(matches!(link.session.poll_output(), Output::Close(_)), "nothing is left for nobody");
        }
    }

    /// The host is gone, and with it every stream.
    pub fn kill(&mut self) {
        for reader in 0..self.readers.len() {
            self.cut(reader);
        }
    }

    /// The reader's subscription breaks.
    pub fn lose(&mut self, reader: usize) {
        self.break_off(|subscriber| subscriber.reader == reader);
    }

    /// The channel starts anew: it remembers its entries and forgets its subscribers.
    pub fn evict(&mut self) {
        self.flush_at = None;
        self.break_off(|_| true);
    }

    /// The channel takes no subscription for so long: it refuses, or it says nothing at all.
    pub fn outage(&mut self, span: Duration, refuses: bool) {
        self.outage = Outage { until: self.now + span, refuses };
    }

    /// What the channel next sends to the reader never arrives.
    pub fn drop_next(&mut self, reader: usize) {
        self.readers[reader].drops = true;
    }

    /// What the channel sends takes so long.
    pub fn delay(&mut self, reader: usize, latency: Duration) {
        self.readers[reader].latency = latency;
    }

    /// How fast the reader takes its bytes from now on.
    pub fn throttle(&mut self, reader: usize, speed: Speed) {
        self.take(reader);
        self.readers[reader].speed = speed;
    }

    /// No more faults: all that is left is to arrive.
    pub fn calm(&mut self) {
        self.calm = true;
        self.outage.until = self.now;
        self.coalesces = Duration::ZERO;
        for reader in 0..self.readers.len() {
            self.throttle(reader, Speed::Unlimited);
            let reader = &mut self.readers[reader];
            (reader.latency, reader.drops) = (Duration::from_millis(5), false);
        }
    }
}
