//! What a reader is given.
//!
//! A question costs money and some milliseconds, so a reader that comes back, and one that wants the newest entries,
//! is answered from a single one in all but rare cases.

use bytes::Bytes;

use super::{Item, Order, Table};
use crate::limits::QUERY_ENTRIES;
use crate::log::{
    ChannelName, Entry, EntryId, Filter, Page, Position, Retention, Selection, Snapshot, Start, Subscribe,
};
use crate::time::UnixMillis;

/// Reads logs.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a, T> {
    table: &'a T,
    retention: Retention,
}

/// Where a reader starts, and kept entries that follow, oldest first.
struct Reading {
    start: Start,
    entries: Vec<Entry>,
    /// There may be more behind them.
    more: bool,
    /// The newest item of the channel, kept or not.
    head: EntryId,
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

    /// The first page of a reader, or the last if it reaches the head; and the head, from where news follow.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn page(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
    ) -> Result<(Page<Bytes>, EntryId), T::Failure> {
        let reading = self.read(channel, subscribe).await?;
        let head = reading.head;
        let mut page = Selection::page(reading.start.clone(), subscribe);
        let more = self.select(channel, reading, &mut page, subscribe.newest).await?;
        let page = page.into_page(more);
        // What was read on is newer than the head that was seen first.
        let head = page.batch.as_ref().map_or(head, |batch| batch.upto.max(head));
        Ok((page, head))
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
        self.select(channel, reading, &mut snapshot, true).await?;
        Ok(snapshot.into_snapshot())
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
        let found = self.table.query(channel, Order::After(id.back(1)), 1, None).await?.items.pop();
        let Some(found) = found.filter(|item| item.id == id) else { return Ok(None) };
        let newest = newest(self.table, channel).await?;
        let kept = newest.is_some_and(|newest| self.is_kept(&newest, &found, self.table.now()));
        Ok(found.entry.filter(|_| kept).map(|entry| entry.body))
    }

    /// The entries after `after`, oldest first, and whether there may be more.
    ///
    /// # Errors
    /// [`Table::Failure`].
    pub async fn news(&self, channel: &ChannelName, after: EntryId) -> Result<(Vec<Item>, bool), T::Failure> {
        let mut found = self.table.query(channel, Order::After(after), QUERY_ENTRIES, None).await?;
        found.items.retain(|item| item.entry.is_some());
        Ok((found.items, found.next.is_some()))
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
            (entries, more) = (items.into_iter().filter_map(|item| item.entry).collect(), after_them);
        }
    }

    async fn read(&self, channel: &ChannelName, subscribe: &Subscribe) -> Result<Reading, T::Failure> {
        let now = self.table.now();
        match &subscribe.position {
            Position::History(n) => self.history(channel, *n, &subscribe.filter, now).await,
            Position::After(cursor) => self.after(channel, Some(*cursor), &subscribe.position, now).await,
            Position::Unreadable(_) => self.after(channel, None, &subscribe.position, now).await,
        }
    }

    /// Walks back from the newest entry until `n` are found that the filter admits.
    async fn history(
        &self,
        channel: &ChannelName,
        n: u32,
        filter: &Filter,
        now: UnixMillis,
    ) -> Result<Reading, T::Failure> {
        let limit = if n == 0 || *filter == Filter::ALL { n.max(1) } else { QUERY_ENTRIES };
        let (mut newest, mut first, mut nth) = (None::<Item>, None, None);
        let (mut entries, mut admitted, mut from) = (Vec::new(), 0, None);
        'walk: loop {
            let found = self.table.query(channel, Order::Newest, limit, from).await?;
            for item in found.items {
                let newest = newest.get_or_insert_with(|| item.clone());
                let (Some(entry), true) = (&item.entry, self.is_kept(newest, &item, now)) else {
                    break 'walk;
                };
                first = Some(item.id);
                admitted += u32::from(filter.admits(entry));
                // The newest also if the filter holds it back, because the reader's cursor goes up to it.
                if n > 0 && (filter.admits(entry) || entries.is_empty()) {
                    entries.push(entry.clone());
                }
                if admitted >= n {
                    nth = first;
                    break 'walk;
                }
            }
            from = found.next;
            if from.is_none() {
                break;
            }
        }
        let head = newest.as_ref().map_or(EntryId::BEGINNING, |newest| newest.id);
        let extent = newest.and_then(|newest| newest.extent(first, self.retention, now));
        let start = Start::decide(&Position::History(n), extent, now, |_| nth);
        entries.retain(|entry| entry.id > start.after);
        entries.reverse();
        Ok(Reading { start, entries, more: false, head })
    }

    /// Reads from the cursor's own entry on, because if that is found nothing before it needs to be known.
    async fn after(
        &self,
        channel: &ChannelName,
        cursor: Option<EntryId>,
        position: &Position,
        now: UnixMillis,
    ) -> Result<Reading, T::Failure> {
        let (mut items, mut more) = (Vec::new(), false);
        if let Some(cursor) = cursor {
            let order = Order::After(cursor.back(1));
            let found = self.table.query(channel, order, QUERY_ENTRIES, None).await?;
            (items, more) = (found.items, found.next.is_some());
        }
        let newest = match items.last() {
            Some(last) if !more => Some(last.clone()),
            _ => newest(self.table, channel).await?,
        };
        let Some(newest) = newest else {
            let start = Start::decide(position, None, now, |_| None);
            return Ok(Reading { start, entries: Vec::new(), more: false, head: EntryId::BEGINNING });
        };
        let follows = |id: EntryId| cursor.is_some_and(|cursor| id > cursor);
        let mut first = items
            .iter()
            .find(|item| follows(item.id) && self.is_kept(&newest, item, now))
            .map(|item| item.id);
        if first.is_none() && self.is_kept(&newest, &newest, now) {
            // If the cursor is before the newest item, all that was read has expired.
            first = match follows(newest.id) {
                true => self.first_kept(channel, &newest, now).await?,
                false => Some(newest.id),
            };
        }
        let start = Start::decide(position, newest.extent(first, self.retention, now), now, |_| None);
        if let Some(first) =
            first.filter(|first| *first > start.after && items.iter().all(|item| item.id != *first))
        {
            (items, more) = self.news(channel, first.back(1)).await?;
        }
        items.retain(|item| item.id > start.after && self.is_kept(&newest, item, now));
        let entries = items.into_iter().filter_map(|item| item.entry).collect();
        Ok(Reading { start, entries, more, head: newest.id })
    }

    /// The oldest kept entry of a channel with this newest item.
    async fn first_kept(
        &self,
        channel: &ChannelName,
        newest: &Item,
        now: UnixMillis,
    ) -> Result<Option<EntryId>, T::Failure> {
        let oldest = newest.run.max(self.retention.oldest_id(newest.id));
        let order = Order::Kept(oldest.back(1), self.retention.expired_time(now));
        let mut from = None;
        loop {
            let found = self.table.query(channel, order, QUERY_ENTRIES, from).await?;
            from = found.next;
            let first = found.items.first().map(|item| item.id);
            if first.is_some() || from.is_none() {
                return Ok(first);
            }
        }
    }

    /// Whether the item is an entry that is sent to readers, in a channel with this newest item.
    fn is_kept(&self, newest: &Item, item: &Item, now: UnixMillis) -> bool {
        item.run == newest.run
            && !item.is_seal()
            && self.retention.keeps_entry(item.id, item.time, newest.id, now)
    }
}
