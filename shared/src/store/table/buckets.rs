//! How fast senders are, and how many streams and channels they begin.

use std::time::Duration;

use super::{Counter, Put, Table};
use crate::access::{Micros, Rate, Sender, micros};
use crate::limits::{CLOCK_SKEW, TABLE_GRACE};
use crate::log::ChannelName;
use crate::time::UnixMillis;

/// The token buckets that all processes share, each as one counter of the table: when it is full again.
#[derive(Clone, Copy, Debug)]
pub struct Buckets<'a, T> {
    table: &'a T,
}

/// A token bucket, as it was when it was looked at.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    rate: Rate,
    /// Before the table was asked. What is taken counts from then on, or a stream would count for longer than it lives.
    looked_at: UnixMillis,
    full_at: Micros,
}

impl Bucket {
    /// Left so by a clock that was ahead by more than clocks differ, or by another rate. It has one token.
    fn is_emptier_than_empty(&self) -> bool {
        self.full_at > self.rate.empty(self.looked_at + CLOCK_SKEW)
    }

    /// How long it takes until there is a token; `None` if there is one.
    pub(super) fn wait(&self, now: UnixMillis) -> Option<Duration> {
        // What others took meanwhile is measured by a later time than the one at which it was looked at.
        let wait = self.rate.wait(self.full_at, now);
        (!wait.is_zero() && !self.is_emptier_than_empty()).then_some(wait)
    }
}

impl<'a, T: Table> Buckets<'a, T> {
    /// Those of this table.
    pub const fn new(table: &'a T) -> Self {
        Self { table }
    }

    /// The sender's bucket for posts to this channel.
    pub(super) async fn of_posts(
        &self,
        channel: &ChannelName,
        sender: &Sender,
        rate: Rate,
    ) -> Result<Bucket, T::Failure> {
        self.look(format!("bucket {channel} {}", sender.as_str()), rate).await
    }

    /// Counts a channel that the sender begins; if the sender may begin none, says how long it takes until it may.
    pub(super) async fn begin(&self, sender: &Sender, rate: Rate) -> Result<Option<Duration>, T::Failure> {
        self.take(self.look(format!("channels {}", sender.as_str()), rate).await?).await
    }

    /// Counts a stream of `whose`, of which so many may begin in the `life` of one; if none may, says how long it takes
    /// until one may. Nobody tells a table that a reader left, so what is counted is how many were opened in the time that
    /// one lives.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn open(&self, whose: &str, most: u64, life: Duration) -> Result<Option<Duration>, T::Failure> {
        self.take(self.look(format!("streams {whose}"), Rate::per_span(most, life)).await?).await
    }

    async fn look(&self, name: String, rate: Rate) -> Result<Bucket, T::Failure> {
        let looked_at = self.table.now();
        let full_at = self.table.counter(&name).await?.map_or(0, |counter| counter.value);
        Ok(Bucket { name, rate, looked_at, full_at })
    }

    /// Takes a token by one write, whatever others take at the same moment; if there is none, by no write: how long it
    /// takes until there is one.
    pub(super) async fn take(&self, mut bucket: Bucket) -> Result<Option<Duration>, T::Failure> {
        loop {
            let Bucket { ref name, rate, looked_at: now, full_at } = bucket;
            if let Some(wait) = bucket.wait(self.table.now()) {
                return Ok(Some(wait));
            }
            let expires = UnixMillis(rate.latest(now).div_ceil(1_000)) + TABLE_GRACE;
            let put = if full_at <= micros(now) {
                let first = Counter { value: micros(now) + rate.interval(), ..Counter::default() };
                self.table.put_counter(name, first, micros(now), expires).await?
            } else if bucket.is_emptier_than_empty() {
                let lower = rate.empty(now).wrapping_sub(full_at).cast_signed();
                self.table.add(name, lower, full_at..=full_at, expires).await?
            } else {
                let has_token = micros(now)..=rate.latest(now);
                self.table.add(name, rate.interval().cast_signed(), has_token, expires).await?
            };
            if put == Put::Stored {
                return Ok(None);
            }
            bucket = self.look(bucket.name, bucket.rate).await?;
        }
    }
}
