//! The newest entries of a channel, in the memory of a hub.

use std::collections::VecDeque;

use super::news::{Block, Head, News, joined};
use crate::log::{Batch, EntryId, Extent, Filter, Page, Position, Retention, Standing, Start, Subscribe};
use crate::time::UnixMillis;

/// The end of a log: all that is kept of it behind `floor`.
#[derive(Clone, Debug)]
pub(super) struct Recent<F> {
    retention: Retention,
    run: EntryId,
    previous: EntryId,
    last: EntryId,
    /// Whether the log ever had an entry.
    is_new: bool,
    /// The id before the first entry in memory.
    floor: EntryId,
    /// Nothing before `floor` was kept when it was last known.
    is_whole: bool,
    news: VecDeque<News<F>>,
    bytes: usize,
    /// When the last entry was stored, if that is known.
    time: Option<UnixMillis>,
    /// The channel has ended.
    has_ended: bool,
}

impl<F: Block> Recent<F> {
    /// What a channel says as a hub opens: its extent and its newest entries, which end where it ends.
    pub(super) fn open(retention: Retention, extent: Option<Extent>, news: Option<News<F>>) -> Self {
        let last = extent.map_or(EntryId::BEGINNING, |extent| extent.last);
        let last = news.as_ref().map_or(last, News::last);
        let first = extent.and_then(|extent| extent.first);
        let floor = news.as_ref().map_or(last, |news| news.after);
        let oldest = news.as_ref().and_then(|news| news.heads.first()).map(|head| head.id);
        let retention = news.as_ref().map_or(retention, |news| Retention { age: news.age, ..retention });
        Self {
            retention,
            time: news.as_ref().and_then(|news| news.heads.last()).map(|head| head.time),
            has_ended: extent.is_some_and(|extent| extent.has_ended),
            run: extent.map_or(EntryId::BEGINNING, |extent| extent.run),
            previous: extent.map_or(EntryId::BEGINNING, |extent| extent.previous),
            last,
            is_new: extent.is_none(),
            floor,
            is_whole: first == oldest,
            bytes: news.as_ref().map_or(0, |news| news.frame.len()),
            news: news.into_iter().collect(),
        }
    }

    pub(super) const fn last(&self) -> EntryId {
        self.last
    }

    /// Whether the channel has ended: what follows is not told to who was there.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds what follows.
    pub(super) fn push(&mut self, news: News<F>) {
        if self.is_new || news.run != self.run {
            (self.run, self.previous, self.is_new) = (news.run, news.after, false);
        }
        self.last = news.last();
        self.retention.age = news.age;
        self.time = news.heads.last().map(|head| head.time);
        self.has_ended = news.end().is_some();
        self.bytes += news.frame.len();
        self.news.push_back(news);
    }

    /// Forgets the oldest until there are so many bytes or fewer.
    pub(super) fn shrink(&mut self, most: usize) {
        while self.bytes > most
            && let Some(oldest) = self.news.pop_front()
        {
            self.bytes -= oldest.frame.len();
            self.floor = oldest.last();
            self.is_whole = false;
        }
    }

    /// Entries behind `after` that the filter admits; `None` if the memory does not reach back so far. Not to be asked once the
    /// channel has ended.
    pub(super) fn after(&self, after: EntryId, filter: &Filter) -> Option<Batch<F>> {
        if after < self.floor {
            return None;
        }
        let (mut shown, mut parts) = (EntryId::BEGINNING, Vec::new());
        let from = self.news.partition_point(|news| news.last() <= after);
        for news in self.news.range(from..) {
            shown = shown.max(news.parts(after, filter, &mut parts));
        }
        Some(Batch { after, upto: self.last.max(after), shown, frame: joined(&parts), end: None })
    }

    /// What the channel would answer at `now`; `None` if only the channel knows.
    pub(super) fn page(&self, subscribe: &Subscribe, now: UnixMillis) -> Option<Page<F>> {
        if subscribe.newest || self.has_ended {
            return None;
        }
        let heads = || self.news.iter().flat_map(|news| &news.heads);
        let is_kept = |head: &&Head| {
            head.id >= self.run && self.retention.keeps_entry(head.id, head.time, self.last, now)
        };
        let first = heads().find(is_kept);
        // What is older than an entry that is no longer kept is not kept either.
        let is_whole = self.is_whole || first.map(|head| head.id) != heads().next().map(|head| head.id);
        let admitted = |head: &&Head| subscribe.filter.admits_key(head.key.as_deref());
        let nth = match subscribe.position {
            Position::After(cursor) if cursor > self.last || (cursor < self.floor && !is_whole) => {
                return None;
            }
            Position::History(n) => {
                let newest = self.news.iter().rev().flat_map(|news| news.heads.iter().rev());
                let nth = newest.filter(is_kept).filter(admitted).nth((n as usize).saturating_sub(1));
                if (nth.is_none() || first.is_none()) && !is_whole {
                    return None;
                }
                nth.map(|head| head.id)
            }
            Position::After(_) | Position::Unreadable(_) => None,
        };
        let extent = (!self.is_new).then(|| Extent {
            run: self.run,
            previous: self.previous,
            // If nothing is in memory, all that matters is whether there is something before it.
            first: first.map(|head| head.id).or_else(|| (!is_whole).then_some(self.run)),
            last: self.last,
            has_ended: false,
        });
        // Nothing is kept if the newest is not; if its time is not known, only the channel can say.
        let is_empty = self.is_new || (is_whole && first.is_none());
        let is_kept = first.is_some() || !is_empty && self.retention.keeps(self.time?, now);
        let last = if is_kept { self.last } else { EntryId::BEGINNING };
        let standing = Standing { last, has_ended: false };
        let start = Start { standing, ..Start::decide(&subscribe.position, extent, now, |_| nth) };
        let batch = match first {
            Some(first) if start.after < self.last => {
                // The start may lie far before the first entry that is kept.
                let batch = self.after(start.after.max(first.id.back(1)), &subscribe.filter)?;
                Some(Batch { after: start.after, ..batch })
            }
            _ => None,
        };
        Some(Page { start, batch, more: false })
    }
}
