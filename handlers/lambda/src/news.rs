//! News of channels: one loop for each channel that somebody in this process reads, which asks the table and tells
//! all of its readers. On classic Lambda that is one reader; on Managed Instances it may be many.

mod subscription;

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ssedge::log::{ChannelName, EntryId, Filter, Pace};
use ssedge::session::Input;
use ssedge::settings::LogLevel;
use ssedge::store::table::{Head, Item, batches};
use ssedge::time::UnixMillis;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::host;
use crate::logs::Logs;
pub use subscription::Subscription;

/// All channels that are read here.
pub struct News {
    logs: Arc<Logs>,
    poll: RangeInclusive<Duration>,
    log_level: LogLevel,
    /// How many channels and listeners there have been, for their numbers.
    count: AtomicU64,
    channels: Mutex<HashMap<ChannelName, Polled>>,
}

/// A channel that somebody in this process listens to.
struct Polled {
    number: u64,
    listeners: BTreeMap<u64, Listener>,
    /// By when somebody is to look whether the channel has ended.
    lease_ends: Option<UnixMillis>,
    poll: AbortHandle,
}

/// A stream that is told the news of its channel.
struct Listener {
    /// Everything up to here was told.
    cursor: EntryId,
    filter: Filter,
    // Not bounded here: a stream takes it at once, and is itself what bounds it; one that has just ended takes nothing.
    news: UnboundedSender<Input<Bytes>>,
}

/// Held by the loop of a channel. Should the loop panic, its readers hear that there will be no news, and ask again.
struct Loop {
    all: Arc<News>,
    channel: ChannelName,
    number: u64,
}

impl News {
    /// `poll` are the shortest and the longest pause between two questions.
    pub fn new(logs: Arc<Logs>, poll: RangeInclusive<Duration>, log_level: LogLevel) -> Self {
        Self { logs, poll, log_level, count: AtomicU64::new(0), channels: Mutex::default() }
    }

    /// Tells what follows `head` from now on.
    pub fn join(self: &Arc<Self>, channel: &ChannelName, head: Head, filter: Filter) -> Subscription {
        self.join_by(channel, head, filter, self.clone().poll(channel.clone()))
    }

    /// The same. If nobody listens to the channel yet, `poll` asks for its news.
    fn join_by(
        self: &Arc<Self>,
        channel: &ChannelName,
        head: Head,
        filter: Filter,
        poll: impl Future<Output = ()> + Send + 'static,
    ) -> Subscription {
        let (sender, news) = unbounded_channel();
        let mut channels = self.lock();
        let polled = channels.entry(channel.clone()).or_insert_with(|| {
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            let held = Loop { all: self.clone(), channel: channel.clone(), number };
            let poll = tokio::spawn(async move {
                poll.await;
                drop(held);
            });
            Polled { number, listeners: BTreeMap::new(), lease_ends: None, poll: poll.abort_handle() }
        });
        polled.lease_ends = head.lease_ends.or(polled.lease_ends);
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        polled.listeners.insert(number, Listener { cursor: head.last, filter, news: sender });
        Subscription { all: self.clone(), channel: channel.clone(), number, news }
    }

    // What the lock guards is whole at any time, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelName, Polled>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for as long as somebody listens.
    async fn poll(self: Arc<Self>, channel: ChannelName) {
        let mut pace = Pace::new(self.poll.clone(), host::draw());
        let mut pause = *self.poll.start();
        loop {
            tokio::time::sleep(pause).await;
            let Some(slowest) = self.slowest(&channel) else { return };
            if self.is_lease_over(&channel) {
                // Should it fail, the next one sees to it.
                let ends = self.logs.reader(&channel).settle(&channel).await;
                self.set_lease(&channel, ends.unwrap_or(Some(host::now() + pause)));
            }
            pause = match self.logs.reader(&channel).news(&channel, slowest).await {
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
                    let pause = pace.failed(host::now());
                    let Some(pause) = pause else { return self.give_up(&channel) };
                    pause
                }
            };
        }
    }

    /// Tells all readers that there will be no news.
    fn give_up(&self, channel: &ChannelName) {
        for listener in
            self.lock().remove(channel).into_iter().flat_map(|polled| polled.listeners.into_values())
        {
            let _ = listener.news.send(Input::GaveUp);
        }
    }

    /// The cursor of the reader that knows least; `None` if there is no listener.
    fn slowest(&self, channel: &ChannelName) -> Option<EntryId> {
        self.lock().get(channel)?.listeners.values().map(|listener| listener.cursor).min()
    }

    fn is_lease_over(&self, channel: &ChannelName) -> bool {
        let ends = self.lock().get(channel).and_then(|polled| polled.lease_ends);
        ends.is_some_and(|ends| ends <= host::now())
    }

    fn set_lease(&self, channel: &ChannelName, ends: Option<UnixMillis>) {
        if let Some(polled) = self.lock().get_mut(channel) {
            polled.lease_ends = ends;
        }
    }

    /// Tells every reader what follows its cursor, encoded once for all that stand alike.
    fn tell(&self, channel: &ChannelName, items: &[Item]) {
        let mut channels = self.lock();
        let Some(polled) = channels.get_mut(channel) else { return };
        if let Some(newest) = items.last() {
            polled.lease_ends = newest.lease_ends();
        }
        let mut news = BTreeMap::new();
        for listener in polled.listeners.values_mut() {
            let alike = (listener.cursor, listener.filter.clone());
            let told =
                news.entry(alike).or_insert_with_key(|(cursor, filter)| batches(items, *cursor, filter));
            for batch in told {
                listener.cursor = batch.upto;
                let _ = listener.news.send(Input::Entries(batch.clone()));
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut channels = self.all.lock();
        if channels.get(&self.channel).is_some_and(|polled| polled.number == self.number) {
            channels.remove(&self.channel);
        }
        let line = format!("the loop that asks for {} panicked; its readers ask again", self.channel);
        host::log(self.all.log_level, LogLevel::Error, &line);
    }
}

#[cfg(test)]
mod tests {
    use ssedge::route::Deployment;
    use ssedge::settings::{Host, TableSettings, Variables};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn news() -> Arc<News> {
        let lookup = |name: &str| (name == "TABLE_NAME").then(|| "none".to_owned());
        let deployment = Deployment::read(Host::Lambda, lookup).unwrap();
        let log_level = deployment.settings.log_level;
        let table = TableSettings::read(&Variables::new(&lookup)).unwrap();
        Arc::new(News::new(Arc::new(Logs::new(Arc::new(deployment), &table)), table.poll, log_level))
    }

    fn channel() -> ChannelName {
        ChannelName::new("room").unwrap()
    }

    fn join(news: &Arc<News>, poll: impl Future<Output = ()> + Send + 'static) -> Subscription {
        let head = Head { last: EntryId::BEGINNING, lease_ends: None };
        news.join_by(&channel(), head, Filter::ALL, poll)
    }

    #[tokio::test]
    async fn readers_of_a_loop_that_panics_are_told_and_begin_another() {
        let news = news();
        let panics = async {
            tokio::task::yield_now().await;
            panic!("for the test")
        };
        let mut readers = [join(&news, panics), join(&news, std::future::pending())];
        for reader in &mut readers {
            let told = timeout(SOON, reader.next()).await.expect("it is told");
            assert_eq!(told, Input::Lost);
        }
        // The first that asks again begins another loop, and those who leave late take nothing of it away.
        let (begins, has_begun) = tokio::sync::oneshot::channel();
        let asks = async move {
            begins.send(()).unwrap();
            std::future::pending().await
        };
        let again = join(&news, asks);
        drop(readers);
        timeout(SOON, has_begun).await.expect("it begins").unwrap();
        assert_eq!(news.lock()[&channel()].listeners.len(), 1);
        drop(again);
        assert!(news.lock().is_empty());
    }

    #[tokio::test]
    async fn the_loop_of_nobody_ends_quietly() {
        let news = news();
        let (held, is_dropped) = tokio::sync::oneshot::channel::<()>();
        let polls = async move {
            let _held = held;
            std::future::pending().await
        };
        drop(join(&news, polls));
        assert!(timeout(SOON, is_dropped).await.expect("it is over").is_err());
        assert!(news.lock().is_empty());
    }
}
