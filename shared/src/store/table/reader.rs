//! What a reader is given.

use bytes::Bytes;

use super::reading::Reading;
use super::writer::Writer;
use super::{Item, Order, Table};
use crate::limits::QUERY_ENTRIES;
use crate::log::{ChannelName, EntryId, Page, Retention, Selection, Snapshot, Start, Subscribe};
use crate::time::UnixMillis;

/// Reads logs.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a, T> {
    pub(super) table: &'a T,
    pub(super) retention: Retention,
}

/// From where news of a channel follow, and by when somebody is to look whether it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last id that was read.
    pub last: EntryId,
    /// When the lease runs out.
    pub lease_ends: Option<UnixMillis>,
}

/// The newest item of a channel.
pub(super) async fn newest<T: Table>(table: &T, channel: &ChannelName) -> Result<Option<Item>, T::Failure> {
    Ok(table.query(channel, Order::Newest, 1, None).await?.items.pop())
}

/// All items after this id, oldest first.
pub(super) async fn all_after<T: Table>(
    table: &T,
    channel: &ChannelName,
    after: EntryId,
) -> Result<Vec<Item>, T::Failure> {
    let (mut items, mut from) = (Vec::new(), None);
    loop {
        let mut found = table.query(channel, Order::After(after), QUERY_ENTRIES, from).await?;
        items.append(&mut found.items);
        from = found.next;
        if from.is_none() {
            return Ok(items);
        }
    }
}

impl<'a, T: Table> Reader<'a, T> {
    /// One of this table.
    pub const fn new(table: &'a T, retention: Retention) -> Self {
        Self { table, retention }
    }

    /// The first page of a reader, or the last if it reaches the head; and the head.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn page(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
    ) -> Result<(Page<Bytes>, Head), T::Failure> {
        let reading = self.read(channel, subscribe).await?;
        let newest = reading.newest.as_ref();
        let (last, lease_ends) = (newest.map(Item::last), newest.and_then(Item::lease_ends));
        let mut page = Selection::page(reading.start.clone(), subscribe);
        let more = self.select(channel, reading, &mut page, subscribe.newest).await?;
        let page = page.into_page(more);
        // What was read on is newer than the head that was seen first.
        let last = last.max(page.batch.as_ref().map(|batch| batch.upto)).unwrap_or_default();
        Ok((page, Head { last, lease_ends }))
    }

    /// What a snapshot holds.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn snapshot(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
    ) -> Result<Snapshot, T::Failure> {
        let reading = self.read(channel, subscribe).await?;
        let mut snapshot = Selection::snapshot(reading.start.clone(), subscribe);
        let end = reading.newest.as_ref().and_then(|newest| newest.ended(self.retention, self.table.now()));
        self.select(channel, reading, &mut snapshot, true).await?;
        Ok(Snapshot { ended: end.map(|end| end.reason), ..snapshot.into_snapshot() })
    }

    /// Where a reader starts.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn start(&self, channel: &ChannelName, subscribe: &Subscribe) -> Result<Start, T::Failure> {
        Ok(self.read(channel, subscribe).await?.start)
    }

    /// The body of one entry, if it is kept.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn entry(&self, channel: &ChannelName, id: EntryId) -> Result<Option<String>, T::Failure> {
        let Some(found) = self.holding(channel, id).await? else { return Ok(None) };
        let Some(newest) = newest(self.table, channel).await? else { return Ok(None) };
        let mut kept = self.kept(&newest, vec![found], self.table.now()).into_iter();
        Ok(kept.find(|entry| entry.id == id).map(|entry| entry.body))
    }

    /// The entries after `after`, oldest first, and whether there may be more.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn news(&self, channel: &ChannelName, after: EntryId) -> Result<(Vec<Item>, bool), T::Failure> {
        let mut found = self.table.query(channel, Order::After(after), QUERY_ENTRIES, None).await?;
        found.items.retain(|item| !item.entries.is_empty());
        Ok((found.items, found.next.is_some()))
    }

    /// Ends the channel if the lease of its newest item has run out. To be called when that time has come; what it brings
    /// comes as news. When it is to be called next, if the channel has a lease.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn settle(&self, channel: &ChannelName) -> Result<Option<UnixMillis>, T::Failure> {
        let newest = newest(self.table, channel).await?;
        let settled = self.writer().settle(channel, newest.as_ref()).await?;
        Ok(settled.or(newest).as_ref().and_then(Item::lease_ends))
    }

    pub(super) const fn writer(&self) -> Writer<'a, T> {
        Writer { table: self.table, retention: self.retention }
    }

    /// Lets the selection take what was read, and, if it `reads_on`, what follows; says whether there may be more.
    async fn select(
        &self,
        channel: &ChannelName,
        reading: Reading,
        selection: &mut Selection<'_>,
        reads_on: bool,
    ) -> Result<bool, T::Failure> {
        let Reading { mut entries, mut more, .. } = reading;
        loop {
            for entry in entries {
                if !selection.push(entry) {
                    return Ok(true);
                }
            }
            if !(more && reads_on) {
                return Ok(more);
            }
            let (items, after_them) = self.news(channel, selection.upto()).await?;
            (entries, more) = (items.into_iter().flat_map(|item| item.entries).collect(), after_them);
        }
    }
}
