//! News of channels: one loop for each channel that somebody in this process reads, which asks the table and tells
//! all of its readers. On classic Lambda that is one reader; on Managed Instances it may be many.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ssedge::channel::{Batch, ChannelName, Entry, EntryId, Filter, Pace};
use ssedge::settings::{LogLevel, Settings};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::host;
use crate::item::Item;
use crate::store::Store;

/// All channels that are read here.
pub struct Feeds {
    store: Arc<Store>,
    poll: RangeInclusive<Duration>,
    log_level: LogLevel,
    feeds: Mutex<HashMap<ChannelName, Feed>>,
}

struct Feed {
    readers: BTreeMap<u64, Reader>,
    poll: AbortHandle,
}

struct Reader {
    /// Everything up to here was told.
    cursor: EntryId,
    filter: Filter,
    // Not bounded here: a stream takes what it is told at once, and is itself what bounds it.
    news: UnboundedSender<Batch<Bytes>>,
}

/// A reader's place in a feed, which it gives up as it is dropped.
pub struct Subscription {
    feeds: Arc<Feeds>,
    channel: ChannelName,
    number: u64,
    news: UnboundedReceiver<Batch<Bytes>>,
}

impl Feeds {
    pub fn new(store: Arc<Store>, settings: &Settings) -> Self {
        Self { store, poll: settings.poll.clone(), log_level: settings.log_level, feeds: Mutex::default() }
    }

    /// Tells what follows `cursor` from now on.
    pub fn join(self: &Arc<Self>, channel: &ChannelName, cursor: EntryId, filter: Filter) -> Subscription {
        let (sender, news) = unbounded_channel();
        let mut feeds = self.lock();
        let feed = feeds.entry(channel.clone()).or_insert_with(|| {
            let poll = tokio::spawn(self.clone().poll(channel.clone()));
            Feed { readers: BTreeMap::new(), poll: poll.abort_handle() }
        });
        let number = feed.readers.last_key_value().map_or(0, |(last, _)| last + 1);
        feed.readers.insert(number, Reader { cursor, filter, news: sender });
        Subscription { feeds: self.clone(), channel: channel.clone(), number, news }
    }

    // What the lock guards is whole at any time, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelName, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for as long as somebody listens.
    async fn poll(self: Arc<Self>, channel: ChannelName) {
        let mut pace = Pace::new(self.poll.clone());
        let mut pause = *self.poll.start();
        loop {
            tokio::time::sleep(pause).await;
            let Some(slowest) = self.slowest(&channel) else { return };
            pause = match self.store.news(&channel, slowest).await {
                Ok((items, more)) => {
                    self.tell(&channel, &items);
                    match items.is_empty() {
                        true => pace.silence(host::now()),
                        false if more => Duration::ZERO,
                        false => pace.heard(host::now()),
                    }
                }
                Err(failure) => {
                    if !pace.is_down() {
                        let line = format!("{channel} has no news until the table answers again: {failure}");
                        host::log(self.log_level, LogLevel::Warn, &line);
                    }
                    pace.failed(host::draw())
                }
            };
        }
    }

    /// The cursor of the reader that knows least; `None` where there is no reader.
    fn slowest(&self, channel: &ChannelName) -> Option<EntryId> {
        self.lock().get(channel)?.readers.values().map(|reader| reader.cursor).min()
    }

    /// Tells every reader what follows its cursor, encoded once for all that stand alike.
    fn tell(&self, channel: &ChannelName, items: &[Item]) {
        let mut feeds = self.lock();
        let Some(feed) = feeds.get_mut(channel) else { return };
        let mut batches = BTreeMap::new();
        for reader in feed.readers.values_mut() {
            let follows = items.partition_point(|item| item.id <= reader.cursor);
            let [first, ..] = &items[follows..] else { continue };
            let alike = (reader.cursor, reader.filter.clone());
            let batch = batches.entry(alike).or_insert_with_key(|(_, filter)| {
                let entries = items[follows..].iter().filter_map(|item| item.entry.as_ref());
                Batch::<Bytes>::encode(first.before(), entries.collect::<Vec<&Entry>>(), filter)
            });
            if let Some(batch) = batch {
                reader.cursor = batch.upto;
                // A stream that has just ended takes nothing.
                let _ = reader.news.send(batch.clone());
            }
        }
    }
}

impl Subscription {
    /// The next news.
    pub async fn next(&mut self) -> Option<Batch<Bytes>> {
        self.news.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut feeds = self.feeds.lock();
        let Some(feed) = feeds.get_mut(&self.channel) else { return };
        feed.readers.remove(&self.number);
        if feed.readers.is_empty() {
            // At once: between two invocations the process stands still, and so would a question on its way.
            feed.poll.abort();
            feeds.remove(&self.channel);
        }
    }
}
