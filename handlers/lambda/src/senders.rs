//! What is known of senders: how fast they are, and which keys they used. All processes share it, as notes in the table.

use std::time::Duration;

use ssedge::access::{Digest, Rate, Sender, micros};
use ssedge::channel::{ChannelName, EntryId};
use ssedge::limits::{
    ADMISSION_TIMEOUT, APPEND_RETRY_MS, CLAIM_WINDOW, CLOCK_SKEW, IDEMPOTENCY_PATIENCE, IDEMPOTENCY_WINDOW,
    INVOCATION_SECS,
};
use ssedge::route::Reader;
use ssedge::session::Terms;
use ssedge::settings::{LogLevel, Settings};
use ssedge::time::UnixMillis;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::host;
use crate::item::{Item, Note};
use crate::store::Store;
use crate::table::{Order, Put};

/// What the log says of a key.
pub enum Known {
    /// What was stored by it.
    Stored(Item),
    /// Nothing; up to this item, the newest of the channel.
    Nothing(Option<Item>),
}

impl Store {
    /// Takes a token from the sender's bucket for this channel. If there is none: how long it takes until there is.
    pub async fn take(&self, channel: &ChannelName, sender: &Sender) -> Result<Option<Duration>, Failure> {
        let name = format!("bucket {channel} {}", sender.as_str());
        self.take_from(name, self.rate).await
    }

    /// Whether there is room for one more stream of this reader. On AWS nobody tells that a reader left, so what is
    /// counted is how many were opened in the time that one lives. A table that does not answer refuses nobody.
    pub async fn admits(
        &self,
        channel: Option<&ChannelName>,
        reader: &Reader,
        terms: Terms,
        settings: &Settings,
    ) -> bool {
        let now = host::now();
        let life = terms.ends_at(now).map_or(Duration::from_secs(INVOCATION_SECS), |end| end.since(now));
        let of_sender = settings.streams_per_sender.map(|most| (most, reader.sender.as_str().to_owned()));
        let of_channel = settings.streams_per_channel.zip(channel.map(ToString::to_string));
        for (most, whose) in of_sender.into_iter().chain(of_channel) {
            let taking = self.take_from(format!("streams {whose}"), Rate::per_span(most, life));
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

    /// Takes a token by one write, or two, whatever others take at the same moment.
    async fn take_from(&self, name: String, rate: Rate) -> Result<Option<Duration>, Failure> {
        loop {
            // In each round: what others took meanwhile is measured by their clocks.
            let now = host::now();
            // Most buckets are full.
            let first = Note { name: name.clone(), value: micros(now) + rate.interval(), ..Note::default() };
            let expires = UnixMillis(rate.latest(now).div_ceil(1_000));
            let mut put = self.table.put_note(&first, micros(now), expires).await?;
            if put == Put::Taken {
                let has_token = micros(now)..=rate.latest(now);
                put = self.table.move_note(&name, rate.interval().cast_signed(), has_token, expires).await?;
            }
            if put == Put::Stored {
                return Ok(None);
            }
            // Empty, unless it has filled since; or emptier than empty, by more than clocks differ.
            let full_at = self.table.note(&name).await?.map_or(0, |note| note.value);
            let now = host::now();
            if full_at > rate.empty(now + CLOCK_SKEW) {
                let lower = rate.empty(now).wrapping_sub(full_at).cast_signed();
                if self.table.move_note(&name, lower, full_at..=full_at, expires).await? == Put::Stored {
                    return Ok(None);
                }
                continue;
            }
            let wait = rate.wait(full_at, now);
            if !wait.is_zero() {
                return Ok(Some(wait));
            }
        }
    }

    /// Looks for what was stored by this key. The first who asks claims it, and notes how far the log had come: all
    /// that is ever stored by the key is behind that, so who has read the log from there on knows whether there is
    /// anything. Whoever knows that there is nothing claims it anew, so that no claim is older than what is stored by
    /// it, and may store, because its put fails if somebody else was first.
    pub async fn known_by(
        &self,
        channel: &ChannelName,
        mark: &Digest,
        newest: Option<Item>,
        now: UnixMillis,
    ) -> Result<Known, Failure> {
        let writer = host::draw();
        let from = newest.as_ref().map_or(EntryId::BEGINNING, |newest| newest.id);
        let name = format!("key {channel} {}", mark.as_str());
        let claim = Note { name, value: now.0, from, writer };
        let expires = now + CLAIM_WINDOW;
        if self.table.put_note(&claim, (now - CLAIM_WINDOW).0, expires).await? == Put::Stored {
            return Ok(Known::Nothing(newest));
        }
        let claimed = self.table.note(&claim.name).await?;
        let Some(claimed) = claimed.filter(|claimed| claimed.writer != writer) else {
            return Ok(Known::Nothing(newest));
        };
        let (mut newest, mut from) = (newest, claimed.from);
        loop {
            let (found, last) = self.find(channel, from, mark, now - IDEMPOTENCY_WINDOW).await?;
            if let Some(item) = found {
                return Ok(Known::Stored(item));
            }
            if let Some(last) = last {
                from = last.id;
                newest = Some(last);
            }
            // Who claimed it is most probably about to store. Whether it does is not to be waited for.
            if host::now().since(UnixMillis(claimed.value)) >= IDEMPOTENCY_PATIENCE {
                // Where there is a later claim, that one is as good.
                self.table.put_note(&Note { from, ..claim }, now.0, expires).await?;
                return Ok(Known::Nothing(newest));
            }
            sleep(host::jitter(*APPEND_RETRY_MS.end())).await;
        }
    }

    /// Reads on from `after` until an entry that is younger than `than` has the mark; with the last item that was read.
    async fn find(
        &self,
        channel: &ChannelName,
        after: EntryId,
        mark: &Digest,
        than: UnixMillis,
    ) -> Result<(Option<Item>, Option<Item>), Failure> {
        let (mut last, mut from) = (None, None);
        loop {
            let order = Order::After(after);
            let found = self.table.query(channel, order, ssedge::limits::QUERY_ENTRIES, from).await?;
            from = found.next;
            for item in found.items {
                if item.is_marked(mark) && item.time > than {
                    return Ok((Some(item), last));
                }
                last = Some(item);
            }
            if from.is_none() {
                return Ok((None, last));
            }
        }
    }
}
