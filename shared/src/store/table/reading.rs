//! Where a reader starts, and what follows.
//!
//! A question costs money and some milliseconds, so a reader that comes back, and one that wants the newest entries,
//! is answered from a single one in all but rare cases.

use super::reader::{Reader, newest};
use super::{Item, Order, Table};
use crate::limits::{POST_ENTRIES, QUERY_ENTRIES};
use crate::log::{ChannelName, Entry, EntryId, Filter, Kind, Position, Start, Subscribe};
use crate::time::UnixMillis;

/// Where a reader starts, and kept entries that follow, oldest first.
pub(super) struct Reading {
    pub start: Start,
    pub entries: Vec<Entry>,
    /// There may be more behind them.
    pub more: bool,
    /// The newest item of the channel, kept or not.
    pub newest: Option<Item>,
}

impl Reading {
    /// Of a channel that never was, or is forgotten.
    const fn nothing(start: Start) -> Self {
        Self { start, entries: Vec::new(), more: false, newest: None }
    }
}

impl<T: Table> Reader<'_, T> {
    /// Looks whether the channel has ended, before anybody is told anything.
    pub(super) async fn read(
        &self,
        channel: &ChannelName,
        subscribe: &Subscribe,
    ) -> Result<Reading, T::Failure> {
        loop {
            let now = self.table.now();
            let reading = match &subscribe.position {
                Position::History(u32::MAX) => self.all(channel, &subscribe.position, now).await,
                Position::History(n) => self.history(channel, *n, &subscribe.filter, now).await,
                Position::After(cursor) => self.after(channel, Some(*cursor), &subscribe.position, now).await,
                Position::Unreadable(_) => self.after(channel, None, &subscribe.position, now).await,
            }?;
            if self.writer().settle(channel, reading.newest.as_ref()).await?.is_none() {
                return Ok(reading);
            }
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
        let limit = if n == 0 || filter.admits_all() { n.clamp(1, QUERY_ENTRIES) } else { QUERY_ENTRIES };
        let (mut newest, mut first, mut nth) = (None::<Item>, None, None);
        let (mut entries, mut admitted, mut from) = (Vec::new(), 0, None);
        'walk: loop {
            let found = self.table.query(channel, Order::Newest, limit, from).await?;
            for item in found.items {
                let newest = newest.get_or_insert_with(|| item.clone());
                let kept = self.kept(newest, vec![item], now);
                if kept.is_empty() {
                    break 'walk;
                }
                for entry in kept.into_iter().rev() {
                    first = Some(entry.id);
                    let (id, is_end) = (entry.id, entry.kind == Kind::End);
                    let is_admitted = filter.admits(&entry);
                    // The newest also if the filter holds it back, because the reader's cursor goes up to it.
                    let is_newest = entries.iter().all(|newer: &Entry| newer.kind == Kind::End);
                    if n > 0 && (is_admitted || is_newest) {
                        entries.push(entry);
                    }
                    admitted += u32::from(is_admitted && !is_end);
                    if admitted >= n && !is_end {
                        nth = Some(id);
                        break 'walk;
                    }
                }
            }
            from = found.next;
            if from.is_none() {
                break;
            }
        }
        let extent = newest.as_ref().and_then(|newest| newest.extent(first, self.retention, now));
        let start = Start::decide(&Position::History(n), extent, now, |_| nth);
        entries.retain(|entry| entry.id > start.after);
        entries.reverse();
        Ok(Reading { start, entries, more: false, newest })
    }

    /// Reads from the cursor's own entry on, because if that is found nothing before it needs to be known.
    async fn after(
        &self,
        channel: &ChannelName,
        cursor: Option<EntryId>,
        position: &Position,
        now: UnixMillis,
    ) -> Result<Reading, T::Failure> {
        let (mut items, mut more, newest) = self.items_from(channel, cursor).await?;
        let Some(newest) = newest else {
            let start = Start::decide(position, None, now, |_| None);
            return Ok(Reading::nothing(start));
        };
        let follows = |id: EntryId| cursor.is_some_and(|cursor| id > cursor);
        if items.is_empty() && cursor.is_some() && follows(newest.last()) {
            // The cursor is in the middle of the newest item.
            items.push(newest.clone());
        }
        let mut entries = self.kept(&newest, items, now);
        let mut first = entries.iter().map(|entry| entry.id).find(|id| follows(*id));
        if first.is_none() && self.is_kept(&newest, &newest, now) {
            // If the cursor is before the newest entry, all that was read has expired.
            first = match follows(newest.last()) {
                true => self.first_kept(channel, &newest, now).await?,
                false => Some(newest.id),
            };
        }
        let start = Start::decide(position, newest.extent(first, self.retention, now), now, |_| None);
        if let Some(first) =
            first.filter(|first| *first > start.after && entries.iter().all(|entry| entry.id != *first))
        {
            (entries, more) = self.from(channel, &newest, first, now).await?;
        }
        entries.retain(|entry| entry.id > start.after);
        Ok(Reading { start, entries, more, newest: Some(newest) })
    }

    /// The items from the one that holds the cursor on, but for that one if it is the newest; whether there may be more; and the
    /// newest item.
    async fn items_from(
        &self,
        channel: &ChannelName,
        cursor: Option<EntryId>,
    ) -> Result<(Vec<Item>, bool, Option<Item>), T::Failure> {
        let Some(cursor) = cursor else { return Ok((Vec::new(), false, newest(self.table, channel).await?)) };
        loop {
            let order = Order::After(cursor.back(1));
            let found = self.table.query(channel, order, QUERY_ENTRIES, None).await?;
            let (mut items, more) = (found.items, found.next.is_some());
            let is_inside = |first: &Item| first.id > cursor && first.before() != cursor;
            if cursor > EntryId::BEGINNING && items.first().is_some_and(is_inside) {
                // It may be in the middle of an item.
                items.splice(0..0, self.holding(channel, cursor).await?);
            }
            let newest = match items.last() {
                Some(last) if !more => Some(last.clone()),
                _ => newest(self.table, channel).await?,
            };
            // One that came between the two questions is read with all that did.
            let is_late = items.is_empty() && newest.as_ref().is_some_and(|newest| newest.id > cursor);
            if !is_late {
                return Ok((items, more, newest));
            }
        }
    }

    /// From the oldest entry that is kept, oldest first: to walk back to it would be to hold all of them.
    async fn all(
        &self,
        channel: &ChannelName,
        position: &Position,
        now: UnixMillis,
    ) -> Result<Reading, T::Failure> {
        let Some(newest) = newest(self.table, channel).await? else {
            return Ok(Reading::nothing(Start::decide(position, None, now, |_| None)));
        };
        let first = match self.is_kept(&newest, &newest, now) {
            true => self.first_kept(channel, &newest, now).await?,
            false => None,
        };
        let start = Start::decide(position, newest.extent(first, self.retention, now), now, |_| None);
        let from = first.unwrap_or_else(|| newest.last_entry().next());
        let (mut entries, more) = self.from(channel, &newest, from, now).await?;
        entries.retain(|entry| entry.id > start.after);
        Ok(Reading { start, entries, more, newest: Some(newest) })
    }

    /// What is kept from this entry on, which may be in the middle of an item, and whether there may be more.
    async fn from(
        &self,
        channel: &ChannelName,
        newest: &Item,
        first: EntryId,
        now: UnixMillis,
    ) -> Result<(Vec<Entry>, bool), T::Failure> {
        let (items, more) = self.news(channel, first.back(1)).await?;
        let begins_inside = items.first().is_none_or(|item| item.id > first);
        let before = if begins_inside { self.holding(channel, first).await? } else { None };
        Ok((self.kept(newest, before.into_iter().chain(items).collect(), now), more))
    }

    /// The item that holds the entry of this id.
    pub(super) async fn holding(
        &self,
        channel: &ChannelName,
        id: EntryId,
    ) -> Result<Option<Item>, T::Failure> {
        let found = self.table.query(channel, Order::UpTo(id), 1, None).await?.items.pop();
        Ok(found.filter(|item| item.last() >= id))
    }

    /// The oldest kept entry of a channel with this newest item.
    async fn first_kept(
        &self,
        channel: &ChannelName,
        newest: &Item,
        now: UnixMillis,
    ) -> Result<Option<EntryId>, T::Failure> {
        let retention = self.retention.keeping(newest.lasting.keep);
        let oldest = newest.run.max(retention.oldest_id(newest.last_entry()));
        // The entry may be in the middle of an item, if items of this channel have several.
        let reach = match newest.entries.first() {
            Some(Entry { kind: Kind::Object, .. }) => 1,
            _ => POST_ENTRIES as u64,
        };
        let order = Order::Kept(oldest.back(reach), retention.expired_time(now));
        let mut from = None;
        loop {
            let found = self.table.query(channel, order, QUERY_ENTRIES, from).await?;
            from = found.next;
            let first = self.kept(newest, found.items, now).first().map(|entry| entry.id);
            if first.is_some() || from.is_none() {
                return Ok(first);
            }
        }
    }

    /// The entries of these items that are sent to readers, in a channel with this newest item.
    pub(super) fn kept(&self, newest: &Item, items: Vec<Item>, now: UnixMillis) -> Vec<Entry> {
        let oldest = self.retention.oldest_id(newest.last_entry());
        let kept = items.into_iter().filter(|item| self.is_kept(newest, item, now));
        kept.flat_map(|item| item.entries).filter(|entry| entry.id >= oldest).collect()
    }

    /// Whether entries of the item are sent to readers, in a channel with this newest item.
    fn is_kept(&self, newest: &Item, item: &Item, now: UnixMillis) -> bool {
        let retention = self.retention.keeping(newest.lasting.keep);
        item.run == newest.run
            && !item.is_seal()
            && retention.keeps_entry(item.last(), item.time, newest.last_entry(), now)
    }
}
