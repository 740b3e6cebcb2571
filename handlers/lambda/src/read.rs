//! The channels' logs in the table: what a reader is given.
//!
//! A question costs money and some milliseconds, so a reader that comes back, and one that wants the newest entries,
//! is answered from a single one in all but rare cases.

use bytes::Bytes;
use ssedge::limits::{PAGE_BYTES, QUERY_ENTRIES, SNAPSHOT_ENTRIES};
use ssedge::log::{Batch, ChannelName, Entry, EntryId, Filter, Page, Position, Snapshot, Start, Subscribe};
use ssedge::time::UnixMillis;

use crate::failure::Failure;
use crate::item::Item;
use crate::store::Store;
use crate::table::Order;

/// Where a reader starts, and kept entries that follow, oldest first.
struct Reading {
    start: Start,
    entries: Vec<Entry>,
    /// There may be more behind them.
    more: bool,
    /// The newest item of the channel, kept or not.
    head: EntryId,
}

impl Store {
    /// The first page of a reader, or the last where it reaches the head; and the head, from where news follow.
    pub async fn page(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
        now: UnixMillis,
    ) -> Result<(Page<Bytes>, EntryId), Failure> {
        let mut reading = self.read(channel, subscribe, now).await?;
        let filter = &subscribe.filter;
        let batch = if subscribe.newest {
            self.read_on(channel, filter, &mut reading, |_| true).await?;
            Batch::newest(reading.start.after, &reading.entries, filter)
        } else {
            reading.cut(filter);
            Batch::encode(reading.start.after, &reading.entries, filter)
        };
        // What was read on is newer than the head that was seen first.
        let head = batch.as_ref().map_or(reading.head, |batch| batch.upto.max(reading.head));
        Ok((Page { start: reading.start, batch, more: reading.more }, head))
    }

    /// What a snapshot holds.
    pub async fn snapshot(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
        now: UnixMillis,
    ) -> Result<Snapshot, Failure> {
        let mut reading = self.read(channel, subscribe, now).await?;
        let wants_more = |entries: &[Entry]| {
            let admitted = entries.iter().filter(|entry| subscribe.filter.admits(entry)).count();
            subscribe.newest || admitted <= SNAPSHOT_ENTRIES as usize
        };
        self.read_on(channel, &subscribe.filter, &mut reading, wants_more).await?;
        Snapshot::take(reading.start, subscribe, reading.entries.into_iter().map(Ok))
    }

    /// Where a reader starts.
    pub async fn start(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
        now: UnixMillis,
    ) -> Result<Start, Failure> {
        Ok(self.read(channel, subscribe, now).await?.start)
    }

    /// The body of one entry, if it is kept.
    pub async fn entry(
        &self,
        channel: &ChannelName,
        id: EntryId,
        now: UnixMillis,
    ) -> Result<Option<String>, Failure> {
        let found = self.table.query(channel, Order::After(id.back(1)), 1, None).await?.items.pop();
        let Some(found) = found.filter(|item| item.id == id) else { return Ok(None) };
        let newest = self.newest(channel).await?;
        let kept = newest.is_some_and(|newest| self.is_kept(&newest, &found, now));
        Ok(found.entry.filter(|_| kept).map(|entry| entry.body))
    }

    /// The entries after `after`, oldest first, and whether there may be more.
    pub async fn news(&self, channel: &ChannelName, after: EntryId) -> Result<(Vec<Item>, bool), Failure> {
        let mut found = self.table.query(channel, Order::After(after), QUERY_ENTRIES, None).await?;
        found.items.retain(|item| item.entry.is_some());
        Ok((found.items, found.next.is_some()))
    }

    async fn read_on(
        &self,
        channel: &ChannelName,
        filter: &Filter,
        reading: &mut Reading,
        wants_more: impl Fn(&[Entry]) -> bool,
    ) -> Result<(), Failure> {
        while reading.more && wants_more(&reading.entries) {
            let after = reading.entries.last().map_or(reading.start.after, |entry| entry.id);
            let (items, more) = self.news(channel, after).await?;
            for entry in items.into_iter().filter_map(|item| item.entry) {
                filter.push(&mut reading.entries, entry);
            }
            reading.more = more;
        }
        Ok(())
    }

    async fn read(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
        now: UnixMillis,
    ) -> Result<Reading, Failure> {
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
    ) -> Result<Reading, Failure> {
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
                // The newest also where the filter holds it back, because the reader's cursor goes up to it.
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
        let extent = newest.and_then(|newest| newest.extent(first));
        let start = Start::decide(&Position::History(n), extent, now, |_| nth);
        entries.retain(|entry| entry.id > start.after);
        entries.reverse();
        Ok(Reading { start, entries, more: false, head })
    }

    /// Reads from the cursor's own entry on, because where that is found nothing before it needs to be known.
    async fn after(
        &self,
        channel: &ChannelName,
        cursor: Option<EntryId>,
        position: &Position,
        now: UnixMillis,
    ) -> Result<Reading, Failure> {
        let (mut items, mut more) = (Vec::new(), false);
        if let Some(cursor) = cursor {
            let order = Order::After(cursor.back(1));
            let found = self.table.query(channel, order, QUERY_ENTRIES, None).await?;
            (items, more) = (found.items, found.next.is_some());
        }
        let newest = match items.last() {
            Some(last) if !more => Some(last.clone()),
            _ => self.newest(channel).await?,
        };
        let Some(newest) = newest else {
            let start = Start::decide(position, None, now, |_| None);
            return Ok(Reading { start, entries: Vec::new(), more: false, head: EntryId::BEGINNING });
        };
        let follows = |id: EntryId| cursor.is_some_and(|cursor| id > cursor);
        let oldest = newest.run.max(self.retention.oldest_id(newest.id));
        let mut first = items.iter().find(|item| follows(item.id) && self.is_kept(&newest, item, now));
        let found;
        if first.is_none() && self.is_kept(&newest, &newest, now) {
            first = Some(&newest);
            if follows(newest.id) {
                // All that was read has expired.
                let order = Order::Kept(oldest.back(1), self.retention.oldest_time(now));
                found = self.first(channel, order).await?;
                first = found.as_ref();
            }
        }
        let first = first.map(|item| item.id);
        let start = Start::decide(position, newest.extent(first), now, |_| None);
        if let Some(first) =
            first.filter(|first| *first > start.after && items.iter().all(|i| i.id != *first))
        {
            (items, more) = self.news(channel, first.back(1)).await?;
        }
        items.retain(|item| item.id > start.after && self.is_kept(&newest, item, now));
        let entries = items.into_iter().filter_map(|item| item.entry).collect();
        Ok(Reading { start, entries, more, head: newest.id })
    }

    /// Whether the item is an entry that is sent to readers, in a channel with this newest item.
    fn is_kept(&self, newest: &Item, item: &Item, now: UnixMillis) -> bool {
        !item.is_seal()
            && item.run == newest.run
            && item.id >= self.retention.oldest_id(newest.id)
            && item.time > self.retention.oldest_time(now)
    }
}

impl Reading {
    /// Cuts it to one page of what the filter admits.
    fn cut(&mut self, filter: &Filter) {
        let mut bytes = 0;
        let over = self.entries.iter().position(|entry| {
            let before = bytes;
            bytes += if filter.admits(entry) { entry.bytes() } else { 0 };
            before > 0 && bytes > PAGE_BYTES
        });
        if let Some(over) = over {
            self.entries.truncate(over);
            self.more = true;
        }
    }
}
