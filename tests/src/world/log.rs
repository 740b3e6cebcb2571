//! A channel in memory. It decides nothing: ids, retention, replay and pages are the core's.

use std::convert::Infallible;

use bytes::Bytes;
use ssedge::log::{
    Batch, Entry, EntryId, Extent, Filter, Page, Position, Retention, Selection, Start, Subscribe, Tail,
};
use ssedge::time::UnixMillis;

/// Every entry that there ever was, of which readers get what is kept.
#[derive(Debug)]
pub struct Log {
    retention: Retention,
    memory: Option<Tail>,
    stored: Vec<Entry>,
    /// The first id of each run.
    runs: Vec<EntryId>,
    /// Whether it ever forgot itself, after which it must take an old cursor for a gap.
    pub forgot: bool,
}

impl Log {
    /// An empty channel.
    #[must_use]
    pub const fn new(retention: Retention) -> Self {
        Self { retention, memory: None, stored: Vec::new(), runs: Vec::new(), forgot: false }
    }

    /// Stores one more entry of `size` bytes or a little more.
    pub fn append(&mut self, key: &str, size: usize, now: UnixMillis) -> EntryId {
        let place = self.retention.place(self.memory, now);
        let id = place.id;
        if place.begins() {
            self.runs.push(id);
        }
        self.memory = Some(place.tail());
        let body = format!(r#"{{"key":"{key}","pad":"{}"}}"#, "x".repeat(size));
        self.stored.push(Entry { id, time: place.time, event: None, key: Some(key.to_owned()), body });
        id
    }

    /// What the log knows of itself.
    #[must_use]
    pub fn extent(&self, now: UnixMillis) -> Option<Extent> {
        let first = self.stored.get(self.oldest(now)).map(|entry| entry.id);
        self.memory.map(|Tail { run, previous, last, .. }| Extent { run, previous, first, last })
    }

    /// Loses even the memory of having had entries, where none is kept, as a table does whose items expire.
    pub fn forget(&mut self, now: UnixMillis) {
        if self.memory.is_some() && self.oldest(now) == self.stored.len() {
            self.memory = None;
            self.forgot = true;
        }
    }

    /// How many entries there ever were.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.stored.len()
    }

    /// Whether there never was one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// The newest id that there ever was.
    #[must_use]
    pub fn last(&self) -> EntryId {
        self.stored.last().map_or(EntryId::BEGINNING, |entry| entry.id)
    }

    /// The place of the oldest kept entry.
    fn oldest(&self, now: UnixMillis) -> usize {
        let Some(tail) = self.memory else { return self.stored.len() };
        let is_kept = |entry: &Entry| self.retention.keeps_entry(entry.id, entry.time, tail.last, now);
        self.stored.partition_point(|entry| !is_kept(entry))
    }

    /// Answers a reader.
    #[must_use]
    pub fn page(&self, subscribe: &Subscribe, now: UnixMillis) -> Page<Bytes> {
        let extent = self.extent(now);
        let kept = &self.stored[self.oldest(now)..];
        let nth_newest = |n: u32| {
            let admitted = kept.iter().rev().filter(|entry| subscribe.filter.admits(entry));
            admitted.map(|entry| entry.id).nth(n as usize - 1)
        };
        let start = Start::decide(&subscribe.position, extent, now, nth_newest);
        let rest = &kept[kept.partition_point(|entry| entry.id <= start.after)..];
        let page = Selection::page(start, subscribe).fill(rest.iter().cloned().map(Ok::<_, Infallible>));
        page.map(|page| page.into_page(false)).unwrap_or_else(|never| match never {})
    }

    /// What a subscriber that has had `seen` entries gets next, and how many it has had then.
    #[must_use]
    pub fn news(&self, seen: usize, filter: &Filter, now: UnixMillis) -> Option<(Batch<Bytes>, usize)> {
        let new = &self.stored[seen.max(self.oldest(now))..];
        let after = self.extent(now)?.before(new.first()?.id);
        let subscribe = Subscribe { position: Position::After(after), filter: filter.clone(), newest: false };
        let mut page = Selection::page(Start::at(after), &subscribe);
        let taken = new.iter().take_while(|entry| page.push((*entry).clone())).count();
        Some((page.into_page(false).batch?, self.stored.len() - new.len() + taken))
    }

    /// What a reader at `cursor` has yet to see, up to `upto`. From the beginning that is the whole run.
    pub fn pending(&self, cursor: EntryId, upto: EntryId, filter: &Filter) -> impl Iterator<Item = &Entry> {
        let run = self.runs.iter().rfind(|run| **run <= upto).map_or(EntryId::BEGINNING, |run| run.back(1));
        let cursor = if cursor == EntryId::BEGINNING { run } else { cursor };
        let after = &self.stored[self.stored.partition_point(|entry| entry.id <= cursor)..];
        after.iter().take_while(move |entry| entry.id <= upto).filter(|entry| filter.admits(entry))
    }

    /// Whether something that there ever was after the cursor is no longer kept: what [`Log::misses`] said before, too,
    /// which from the beginning forgets a run when the next one begins.
    #[must_use]
    pub fn has_missed(&self, cursor: EntryId, now: UnixMillis) -> bool {
        self.misses(cursor, now) || cursor == EntryId::BEGINNING && self.oldest(now) > 0
    }

    /// Whether something after the cursor is no longer kept.
    #[must_use]
    pub fn misses(&self, cursor: EntryId, now: UnixMillis) -> bool {
        let oldest = self.stored.get(self.oldest(now)).map(|entry| entry.id);
        let first = self.pending(cursor, self.last(), &Filter::ALL).next();
        first.is_some_and(|first| oldest.is_none_or(|oldest| first.id < oldest))
    }
}
