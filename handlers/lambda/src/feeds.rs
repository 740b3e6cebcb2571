//! News of channels: one loop for each channel that somebody in this process reads, which asks the table and tells
//! all of its readers. On classic Lambda that is one reader; on Managed Instances it may be many.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ssedge::log::{Batch, ChannelName, Entry, EntryId, Filter, Pace};
use ssedge::session::Input;
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
    /// How many feeds and readers there have been, for their numbers.
    count: AtomicU64,
    feeds: Mutex<HashMap<ChannelName, Feed>>,
}

struct Feed {
    number: u64,
    readers: BTreeMap<u64, Reader>,
    poll: AbortHandle,
}

struct Reader {
    /// Everything up to here was told.
    cursor: EntryId,
    filter: Filter,
    // Not bounded here: a stream takes it at once, and is itself what bounds it; one that has just ended takes nothing.
    news: UnboundedSender<Input<Bytes>>,
}

/// A reader's place in a feed, which it gives up as it is dropped.
pub struct Subscription {
    feeds: Arc<Feeds>,
    channel: ChannelName,
    number: u64,
    news: UnboundedReceiver<Input<Bytes>>,
}

/// Held by the loop of a feed. Should the loop panic, its readers hear that there will be no news, and ask again.
struct Loop {
    feeds: Arc<Feeds>,
    channel: ChannelName,
    number: u64,
}

impl Feeds {
    pub fn new(store: Arc<Store>, settings: &Settings) -> Self {
        Self {
            store,
            poll: settings.poll.clone(),
            log_level: settings.log_level,
            count: AtomicU64::new(0),
            feeds: Mutex::default(),
        }
    }

    /// Tells what follows `cursor` from now on.
    pub fn join(self: &Arc<Self>, channel: &ChannelName, cursor: EntryId, filter: Filter) -> Subscription {
        self.join_by(channel, cursor, filter, self.clone().poll(channel.clone()))
    }

    /// The same. If nobody listens to the channel yet, `poll` asks for its news.
    fn join_by(
        self: &Arc<Self>,
        channel: &ChannelName,
        cursor: EntryId,
        filter: Filter,
        poll: impl Future<Output = ()> + Send + 'static,
    ) -> Subscription {
        let (sender, news) = unbounded_channel();
        let mut feeds = self.lock();
        let feed = feeds.entry(channel.clone()).or_insert_with(|| {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let held = Loop { feeds: self.clone(), channel: channel.clone(), number };
            let poll = tokio::spawn(async move {
                poll.await;
                drop(held);
            });
            Feed { number, readers: BTreeMap::new(), poll: poll.abort_handle() }
        });
        let number = self.count.fetch_add(1, Ordering::Relaxed);
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
                    let pause = pace.failed(host::draw(), host::now());
                    let Some(pause) = pause else { return self.give_up(&channel) };
                    pause
                }
            };
        }
    }

    /// Tells all readers that there will be no news.
    fn give_up(&self, channel: &ChannelName) {
        for reader in self.lock().remove(channel).into_iter().flat_map(|feed| feed.readers.into_values()) {
            let _ = reader.news.send(Input::GaveUp);
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
                let _ = reader.news.send(Input::Entries(batch.clone()));
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut feeds = self.feeds.lock();
        if feeds.get(&self.channel).is_some_and(|feed| feed.number == self.number) {
            feeds.remove(&self.channel);
        }
        let line = format!("the loop that asks for {} panicked; its readers ask again", self.channel);
        host::log(self.feeds.log_level, LogLevel::Error, &line);
    }
}

impl Subscription {
    /// What the stream is told next: news, or why there will be none.
    pub async fn next(&mut self) -> Input<Bytes> {
        self.news.recv().await.unwrap_or(Input::Lost)
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

#[cfg(test)]
mod tests {
    use ssedge::settings::Host;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn feeds() -> Arc<Feeds> {
        let settings = Settings::parse(Host::Lambda, |name| (name == "TABLE_NAME").then(|| "none".into()));
        let settings = settings.unwrap();
        Arc::new(Feeds::new(Arc::new(Store::new(&settings)), &settings))
    }

    fn join(feeds: &Arc<Feeds>, poll: impl Future<Output = ()> + Send + 'static) -> Subscription {
        feeds.join_by(&ChannelName::Events, EntryId::BEGINNING, Filter::ALL, poll)
    }

    #[tokio::test]
    async fn readers_of_a_loop_that_panics_are_told_and_begin_another() {
        let feeds = feeds();
        let panics = async {
            tokio::task::yield_now().await;
            panic!("for the test")
        };
        let mut readers = [join(&feeds, panics), join(&feeds, std::future::pending())];
        for reader in &mut readers {
            let news = timeout(SOON, reader.next()).await.expect("it is told");
            assert_eq!(news, Input::Lost);
        }
        // The first that asks again begins another loop, and those who leave late take nothing of it away.
        let (begins, has_begun) = tokio::sync::oneshot::channel();
        let asks = async move {
            begins.send(()).unwrap();
            std::future::pending().await
        };
        let again = join(&feeds, asks);
        drop(readers);
        timeout(SOON, has_begun).await.expect("it begins").unwrap();
        assert_eq!(feeds.lock()[&ChannelName::Events].readers.len(), 1);
        drop(again);
        assert!(feeds.lock().is_empty());
    }

    #[tokio::test]
    async fn the_loop_of_nobody_ends_quietly() {
        let feeds = feeds();
        let (held, is_dropped) = tokio::sync::oneshot::channel::<()>();
        let polls = async move {
            let _held = held;
            std::future::pending().await
        };
        drop(join(&feeds, polls));
        assert!(timeout(SOON, is_dropped).await.expect("it is over").is_err());
        assert!(feeds.lock().is_empty());
    }
}
