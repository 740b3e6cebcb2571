//! A channel in memory. It decides nothing: ids, retention, replay and pages are the core's.

use bytes::Bytes;
use ssedge::limits::PAGE_BYTES;
use ssedge::log::{Batch, Entry, EntryId, Extent, Filter, Page, Retention, Start, Subscribe};
use ssedge::time::UnixMillis;

/// More than what a block has beside its body.
const FIELDS_BYTES: usize = 64;

/// Every entry that there ever was, of which readers get what is kept.
#[derive(Debug)]
pub struct Log {
    retention: Retention,
    memory: Option<Extent>,
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
        let extent = Extent::next(self.extent(now), now);
        let id = extent.last;
        if extent.run == id {
            self.runs.push(id);
        }
        self.memory = Some(extent);
        let body = format!(r#"{{"key":"{key}","pad":"{}"}}"#, "x".repeat(size));
        self.stored.push(Entry { id, time: now, event: None, key: Some(key.to_owned()), body });
        id
    }

    /// What the log knows of itself.
    #[must_use]
    pub fn extent(&self, now: UnixMillis) -> Option<Extent> {
        let first = self.stored.get(self.oldest(now)).map(|entry| entry.id);
        self.memory.map(|extent| Extent { first, ..extent })
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
        let Some(extent) = self.memory else { return self.stored.len() };
        let (id, time) = (self.retention.oldest_id(extent.last), self.retention.oldest_time(now));
        self.stored.partition_point(|entry| entry.id < id || entry.time < time)
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
        let before = |entries: &[Entry]| Some(extent?.before(entries.first()?.id));
        let Some(after) = before(rest) else { return Page { start, batch: None, more: false } };
        if subscribe.newest {
            return Page { start, batch: Batch::newest(after, rest, &subscribe.filter), more: false };
        }
        let page = one_page(rest, &subscribe.filter);
        let batch = Batch::encode(after, page, &subscribe.filter);
        Page { start, batch, more: page.len() < rest.len() }
    }

    /// What a subscriber that has had `seen` entries gets next, and how many it has had then.
    #[must_use]
    pub fn news(&self, seen: usize, filter: &Filter, now: UnixMillis) -> Option<(Batch<Bytes>, usize)> {
        let from = seen.max(self.oldest(now));
        let page = one_page(&self.stored[from..], filter);
        let after = self.extent(now)?.before(page.first()?.id);
        Some((Batch::encode(after, page, filter)?, from + page.len()))
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

/// The first of these entries whose admitted blocks fill a page.
fn one_page<'a>(entries: &'a [Entry], filter: &Filter) -> &'a [Entry] {
    let mut bytes = 0;
    for (at, entry) in entries.iter().enumerate() {
        if filter.admits(entry) {
            bytes += entry.body.len() + FIELDS_BYTES;
        }
        if bytes > PAGE_BYTES {
            return &entries[..at.max(1)];
        }
    }
    entries
}
