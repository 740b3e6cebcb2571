//! What the log asks of a table.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Counter, Item, Remembered};
use crate::log::{ChannelName, EntryId};
use crate::time::UnixMillis;

/// A table of items, with the clock and the chance of the process that asks.
///
/// Every answer is of this moment (a strongly consistent read). Every write has a condition: it is made if the condition
/// holds, and [`Put::Refused`] otherwise. If an answer is lost and the table tries again, a write may be refused though it
/// was made: whoever needs to know looks for its own mark.
///
/// After the time `expires` of an item, the table may free its space, at any time and in any order.
pub trait Table: Sync {
    /// Why there is no answer.
    type Failure: Send;

    /// At most `limit` items of the channel in this order. `from` is where the part before said that this one begins.
    fn query(
        &self,
        channel: &ChannelName,
        order: Order,
        limit: u32,
        from: Option<EntryId>,
    ) -> impl Future<Output = Result<Found, Self::Failure>> + Send;

    /// Stores an item in the channel if there is none of its id; together with what is to be remembered, if that is still
    /// as it was read, or neither.
    fn append(
        &self,
        channel: &ChannelName,
        append: &Append<'_>,
    ) -> impl Future<Output = Result<Put, Self::Failure>> + Send;

    /// Says of an item of the channel that the lease was renewed at this time, and for how long, if there is such an item.
    fn renew(
        &self,
        channel: &ChannelName,
        id: EntryId,
        lease: Duration,
        renewed: UnixMillis,
    ) -> impl Future<Output = Result<Put, Self::Failure>> + Send;

    /// What is remembered under this name.
    fn remembered(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<Remembered>, Self::Failure>> + Send;

    /// The counter of this name.
    fn counter(&self, name: &str) -> impl Future<Output = Result<Option<Counter>, Self::Failure>> + Send;

    /// Stores the counter under this name if there is none, or one whose value is at most `unless_above`.
    fn put_counter(
        &self,
        name: &str,
        counter: Counter,
        unless_above: u64,
        expires: UnixMillis,
    ) -> impl Future<Output = Result<Put, Self::Failure>> + Send;

    /// Adds to the value of the counter of this name if it is within `range`.
    fn add(
        &self,
        name: &str,
        by: i64,
        range: RangeInclusive<u64>,
        expires: UnixMillis,
    ) -> impl Future<Output = Result<Put, Self::Failure>> + Send;

    /// The time, as this process knows it.
    fn now(&self) -> UnixMillis;

    /// A number that nobody else draws.
    fn draw(&self) -> u64;

    /// Waits so long.
    fn pause(&self, span: Duration) -> impl Future<Output = ()> + Send;
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was made.
    Stored,
    /// Its condition does not hold, or another write of the same item was under way.
    Refused,
}

/// Which items are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first, those after this id.
    After(EntryId),
    /// Newest first.
    Newest,
    /// Newest first, from this id on.
    UpTo(EntryId),
    /// Oldest first, those after this id that are younger than this. Fewer than the limit may be found, or none, though
    /// there are more behind them.
    Kept(EntryId, UnixMillis),
}

/// Part of the answer to a question.
#[derive(Clone, Debug)]
pub struct Found {
    /// The items.
    pub items: Vec<Item>,
    /// Where the next part begins, if there may be one.
    pub next: Option<EntryId>,
}

/// What is to be appended.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The item.
    pub item: &'a Item,
    /// What is to be remembered with it.
    pub remember: Option<&'a Remember>,
    /// When the space of both may be freed.
    pub expires: UnixMillis,
}

/// What is to be remembered together with an entry.
#[derive(Clone, Debug)]
pub struct Remember {
    /// Under which name.
    pub name: String,
    /// What.
    pub row: Remembered,
    /// From which entry there must be something under this name; `None` if there must be nothing.
    pub before: Option<EntryId>,
}
