//! Items of a channel's log, as a writer needs them.

use ssedge::limits::QUERY_ENTRIES;
use ssedge::log::{ChannelName, EntryId};
use ssedge::time::UnixMillis;

use crate::failure::Failure;
use crate::item::Item;
use crate::store::Store;
use crate::table::Order;

impl Store {
    /// The newest item of a channel.
    pub(crate) async fn newest(&self, channel: &ChannelName) -> Result<Option<Item>, Failure> {
        Ok(self.table.query(channel, Order::Newest, 1, None).await?.items.pop())
    }

    /// The body of the newest kept entry with this key, where `newest` is the newest item of the channel.
    pub(crate) async fn newest_body(
        &self,
        channel: &ChannelName,
        key: Option<&str>,
        newest: Option<&Item>,
        now: UnixMillis,
    ) -> Result<Option<String>, Failure> {
        let (Some(key), Some(newest)) = (key, newest) else { return Ok(None) };
        let before = newest.run.max(self.retention.oldest_id(newest.id)).back(1);
        let order = Order::NewestOf(key, before, self.retention.oldest_time(now));
        let found = self.first(channel, order).await?;
        Ok(found.and_then(|item| item.entry).map(|entry| entry.body))
    }

    /// The first item in this order.
    pub(crate) async fn first(
        &self,
        channel: &ChannelName,
        order: Order<'_>,
    ) -> Result<Option<Item>, Failure> {
        let mut from = None;
        loop {
            let found = self.table.query(channel, order, QUERY_ENTRIES, from).await?;
            from = found.next;
            let first = found.items.into_iter().next();
            if first.is_some() || from.is_none() {
                return Ok(first);
            }
        }
    }

    pub(crate) async fn all_after(
        &self,
        channel: &ChannelName,
        after: EntryId,
    ) -> Result<Vec<Item>, Failure> {
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let mut found = self.table.query(channel, Order::After(after), QUERY_ENTRIES, from).await?;
            items.append(&mut found.items);
            from = found.next;
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}
