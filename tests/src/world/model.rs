//! The simplest log: all in memory. It decides nothing: ids, retention, replay and pages are the core's.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use ssedge::hub::Opening;
use ssedge::log::{
    Batch, Entry, EntryId, Extent, Filter, Page, Position, Retention, Selection, Start, Subscribe, Tail,
};
use ssedge::store::sql::NewEntry;
use ssedge::store::{Post, Receipt, Stored};
use ssedge::time::UnixMillis;

use super::object::{Crashed, ObjectLog};

/// Entries, and where they end.
#[derive(Debug)]
pub struct Model {
    retention: Retention,
    tail: Option<Tail>,
    entries: Vec<Entry>,
    /// The last value of each key, with its entry.
    values: BTreeMap<String, (i64, EntryId)>,
    observed: usize,
    runs: BTreeMap<EntryId, EntryId>,
}

impl Model {
    /// An empty one.
    #[must_use]
    pub const fn new(retention: Retention) -> Self {
        Self {
            retention,
            tail: None,
            entries: Vec::new(),
            values: BTreeMap::new(),
            observed: 0,
            runs: BTreeMap::new(),
        }
    }

    fn kept(&self, now: UnixMillis) -> &[Entry] {
        let Some(tail) = self.tail else { return &[] };
        let is_kept = |entry: &Entry| self.retention.keeps_entry(entry.id, entry.time, tail.last, now);
        &self.entries[self.entries.partition_point(|entry| !is_kept(entry))..]
    }
}

impl Model {
    /// How many entries there ever were.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there never was one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a subscriber that has had `seen` entries gets next, and how many it has had then.
    #[must_use]
    pub fn news(&self, seen: usize, filter: &Filter, now: UnixMillis) -> Option<(Batch<Bytes>, usize)> {
        let new = &self.entries[seen.max(self.entries.len() - self.kept(now).len())..];
        let after = self.extent(now)?.before(new.first()?.id);
        let subscribe = Subscribe { position: Position::After(after), filter: filter.clone(), newest: false };
        let mut page = Selection::page(Start::at(after), &subscribe);
        let taken = new.iter().take_while(|entry| page.push((*entry).clone())).count();
        Some((page.into_page(false).batch?, self.entries.len() - new.len() + taken))
    }

    fn extent(&self, now: UnixMillis) -> Option<Extent> {
        let first = self.kept(now).first().map(|entry| entry.id);
        self.tail.map(|Tail { run, previous, last, .. }| Extent { run, previous, first, last })
    }
}

impl ObjectLog for Model {
    fn append(&mut self, post: &Post, now: UnixMillis) -> Result<(Receipt, Option<NewEntry>), Crashed> {
        let place = self.retention.place(self.tail, now);
        let oldest = self.kept(now).first().map(|entry| entry.id).filter(|_| !place.begins());
        let value = post.draft.remembers().and_then(|(key, _)| self.values.get(key));
        let last = value.filter(|(_, id)| oldest.is_some_and(|oldest| *id >= oldest)).map(|(last, _)| *last);
        let entry = post.draft.entry(place.id, place.time, last);
        if let Some((key, value)) = post.draft.remembers() {
            self.values.insert(key.to_owned(), (value, entry.id));
        }
        self.tail = Some(place.tail());
        self.runs.insert(entry.id, place.run);
        self.entries.push(entry.clone());
        let receipt = Receipt::Stored(Stored { id: entry.id, body: entry.body.clone() });
        let free_at = now + self.retention.age;
        Ok((receipt, Some(NewEntry { entry, after: place.after(), run: place.run, free_at })))
    }

    fn observe(&mut self) -> Vec<(Entry, EntryId)> {
        let new = &self.entries[self.observed..];
        let new = new.iter().map(|entry| (entry.clone(), self.runs[&entry.id])).collect();
        self.observed = self.entries.len();
        new
    }

    fn open(&mut self, after: Option<EntryId>, now: UnixMillis) -> Result<Opening, Crashed> {
        let newest_first = self.kept(now).iter().rev().cloned().map(Ok::<_, Crashed>);
        Opening::new(self.extent(now), after, newest_first)
    }

    fn page(&mut self, subscribe: &Subscribe, now: UnixMillis) -> Result<Page<Bytes>, Crashed> {
        let kept = self.kept(now);
        let extent = self.extent(now);
        let nth_newest = |n: u32| {
            let admitted = kept.iter().rev().filter(|entry| subscribe.filter.admits(entry));
            admitted.map(|entry| entry.id).nth(n as usize - 1)
        };
        let start = Start::decide(&subscribe.position, extent, now, nth_newest);
        let rest = &kept[kept.partition_point(|entry| entry.id <= start.after)..];
        let page = Selection::page(start, subscribe).fill(rest.iter().cloned().map(Ok::<_, Infallible>));
        Ok(page.map(|page| page.into_page(false)).unwrap_or_else(|never| match never {}))
    }

    /// Loses even the memory of having had entries, if none is kept, as a table does whose items expire.
    fn free(&mut self, _: bool, now: UnixMillis) -> Result<bool, Crashed> {
        let forgets = self.tail.is_some() && self.kept(now).is_empty();
        if forgets {
            self.tail = None;
        }
        Ok(forgets)
    }

    fn next_alarm(&self) -> Option<UnixMillis> {
        None
    }

    fn crash_after(&mut self, _: u32) -> bool {
        false
    }

    fn restart(&mut self) {}
}
