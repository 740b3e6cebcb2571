//! What a world expects of a channel and its host.

use std::time::Duration;

use ssedge::log::Subscribe;
use ssedge::store::{Post, Receipt};
use ssedge::time::UnixMillis;

use super::figures::Figures;
use super::history::History;
use super::link::Message;

/// A channel with its host, on one of the logs.
pub trait Channel {
    /// A post comes. What becomes of it is an [`Event::Answered`].
    fn post(&mut self, number: u64, post: &Post, now: UnixMillis);

    /// Somebody deletes all of it.
    fn delete(&mut self, now: UnixMillis);

    /// A stream asks for a page.
    fn subscribe(&mut self, reader: usize, serial: u64, subscribe: &Subscribe, now: UnixMillis);

    /// A stream gives its subscription up.
    fn unsubscribe(&mut self, reader: usize);

    /// A stream ends.
    fn leave(&mut self, reader: usize, _: UnixMillis) {
        self.unsubscribe(reader);
    }

    /// A stream is cut off by the platform, and nothing is told of it.
    fn vanish(&mut self, reader: usize) {
        self.unsubscribe(reader);
    }

    /// A stream has woken.
    fn alive(&mut self, _: usize, _: UnixMillis) {}

    /// All streams are gone at once.
    fn kill(&mut self) {}

    /// When something happens next by itself.
    fn next_event(&self) -> Option<UnixMillis>;

    /// Lets happen what is due.
    fn step(&mut self, now: UnixMillis) -> Vec<Event>;

    /// Something goes wrong. What cannot go wrong with this log does not.
    fn fault(&mut self, fault: &Fault, now: UnixMillis, figures: &mut Figures);

    /// No more faults.
    fn calm(&mut self, now: UnixMillis);

    /// Nobody is there for so long; what was under way is over.
    fn sleep(&mut self, until: UnixMillis);

    /// All that was ever stored.
    fn history(&self) -> &History;

    /// How long a stream waits for a page.
    fn patience(&self) -> Duration;

    /// What happened by itself.
    fn figures(&self) -> Figures {
        Figures::default()
    }
}

/// What a channel did.
#[derive(Debug)]
pub enum Event {
    /// It has something for the stream that subscribed with this serial number.
    Message(usize, u64, Message),
    /// What became of a post; `None` if its sender cannot know.
    Answered(u64, Option<Receipt>),
}

/// What may go wrong with a channel.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The subscription of this reader breaks, or the connection of its hub.
    Lose(usize),
    /// An object, or one process of a function, is gone, with what it held in memory.
    Evict,
    /// Nothing is answered for so long: it is refused, or it is lost.
    Outage {
        /// For how long.
        span: Duration,
        /// Whether it is refused.
        refuses: bool,
    },
    /// What is sent to hubs is delivered after so long.
    Deliver(Duration),
    /// A hub may keep so many bytes.
    Room(usize),
    /// What nobody can ask for is freed: all of it by the model, some of it by a table, in any order.
    Free,
    /// The object of an SQLite crashes before this many statements more.
    Crash(u32),
    /// A table takes up to so long one way; of a hundred requests so many are throttled, and so many lost on either way.
    Slow {
        /// Milliseconds.
        latency: u64,
        /// Of a hundred.
        lost: u64,
        /// Of a hundred.
        throttled: u64,
    },
}
