//! How fast senders are, and how many streams they open. All processes share it, as notes in the table.

use std::time::Duration;

use ssedge::access::{Micros, Rate, Sender, micros};
use ssedge::limits::{ADMISSION_TIMEOUT, CLOCK_SKEW, INVOCATION_SECS};
use ssedge::log::ChannelName;
use ssedge::route::Subscriber;
use ssedge::session::StreamConfig;
use ssedge::settings::{LogLevel, Settings};
use ssedge::time::UnixMillis;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::host;
use crate::item::{Item, Note};
use crate::store::Store;
use crate::table::Put;

/// A token bucket, as it was when it was looked at.
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

    /// How long it takes until there is a token; `None` where there is one.
    pub fn wait(&self) -> Option<Duration> {
        // What others took meanwhile is measured by a later time than the one at which it was looked at.
        let wait = self.rate.wait(self.full_at, host::now());
        (!wait.is_zero() && !self.is_emptier_than_empty()).then_some(wait)
    }
}

impl Store {
    /// The sender's bucket for this channel.
    pub async fn posts(&self, channel: &ChannelName, sender: &Sender) -> Result<Bucket, Failure> {
        self.bucket(format!("bucket {channel} {}", sender.as_str()), self.rate).await
    }

    /// Counts a channel that the sender begins, if it has no newest item yet; if the sender may begin none, says how long
    /// it takes until it may. Posts that meet in a new channel count each.
    pub async fn begin(
        &self,
        newest: Option<&Item>,
        sender: &Sender,
        rate: Rate,
    ) -> Result<Option<Duration>, Failure> {
        match newest {
            Some(_) => Ok(None),
            None => self.take(self.bucket(format!("channels {}", sender.as_str()), rate).await?).await,
        }
    }

    /// Whether there is room for one more stream of this reader. On AWS nobody tells that a reader left, so what is
    /// counted is how many were opened in the time that one lives. A table that does not answer refuses nobody.
    pub async fn admits(
        &self,
        channel: Option<&ChannelName>,
        subscriber: &Subscriber,
        config: StreamConfig,
        settings: &Settings,
    ) -> bool {
        let now = host::now();
        let life = config.ends_at(now).map_or(Duration::from_secs(INVOCATION_SECS), |end| end.since(now));
        let of_sender = settings.streams_per_sender.map(|most| (most, subscriber.sender.as_str().to_owned()));
        let of_channel = settings.streams_per_channel.zip(channel.map(ToString::to_string));
        for (most, whose) in of_sender.into_iter().chain(of_channel) {
            let bucket = self.bucket(format!("streams {whose}"), Rate::per_span(most, life));
            let taking = async { self.take(bucket.await?).await };
            let uncounted = match timeout(ADMISSION_TIMEOUT, taking).await {
                Ok(Ok(None)) => continue,
                Ok(Ok(Some(_))) => return false,
                Ok(Err(failure)) => failure.to_string(),
                Err(_) => "the table did not answer in time".to_owned(),
            };
            host::log(settings.log_level, LogLevel::Warn, &format!("a stream was not counted: {uncounted}"));
        }
        true
    }

    async fn bucket(&self, name: String, rate: Rate) -> Result<Bucket, Failure> {
        let looked_at = host::now();
        let full_at = self.table.note(&name).await?.map_or(0, |note| note.value);
        Ok(Bucket { name, rate, looked_at, full_at })
    }

    /// Takes a token by one write, whatever others take at the same moment; if there is none, by no write: how long it
    /// takes until there is one.
    pub async fn take(&self, mut bucket: Bucket) -> Result<Option<Duration>, Failure> {
        loop {
            let Bucket { ref name, rate, looked_at: now, full_at } = bucket;
            if let Some(wait) = bucket.wait() {
                return Ok(Some(wait));
            }
            let expires = UnixMillis(rate.latest(now).div_ceil(1_000));
            let put = if full_at <= micros(now) {
                let value = micros(now) + rate.interval();
                let first = Note { name: name.clone(), value, ..Note::default() };
                self.table.put_note(&first, micros(now), expires).await?
            } else if bucket.is_emptier_than_empty() {
                let lower = rate.empty(now).wrapping_sub(full_at).cast_signed();
                self.table.move_note(name, lower, full_at..=full_at, expires).await?
            } else {
                let has_token = micros(now)..=rate.latest(now);
                self.table.move_note(name, rate.interval().cast_signed(), has_token, expires).await?
            };
            if put == Put::Stored {
                return Ok(None);
            }
            bucket = self.bucket(bucket.name, bucket.rate).await?;
        }
    }
}
