//! All that was ever stored in a channel, by which everything else is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use ssedge::log::{Entry, EntryId, Filter, Retention};
use ssedge::time::UnixMillis;

/// Every entry that there ever was, of which readers get what is kept. It is told by the storage, not by who writes.
#[derive(Debug)]
pub struct History {
    retention: Retention,
    /// How far a clock may be ahead of the world's: by that much earlier something may count as expired.
    ahead: Duration,
    stored: Vec<Entry>,
    /// The first id of each run.
    runs: Vec<EntryId>,
    /// Whether the channel ever forgot itself, after which it must take an old cursor for a gap.
    pub forgot: bool,
}

impl History {
    /// An empty channel.
    #[must_use]
    pub const fn new(retention: Retention, ahead: Duration) -> Self {
        Self { retention, ahead, stored: Vec::new(), runs: Vec::new(), forgot: false }
    }

    /// An entry was stored, in the run that begins with this id.
    pub fn add(&mut self, entry: Entry, run: EntryId) {
        let at = self.stored.partition_point(|stored| stored.id < entry.id);
        assert!(self.stored.get(at).is_none_or(|stored| stored.id != entry.id), "{} is used twice", entry.id);
        if let Err(at) = self.runs.binary_search(&run) {
            self.runs.insert(at, run);
        }
        if at == self.stored.len() {
            let last = self.stored.last().map_or(UnixMillis(0), |last| last.time);
            assert!(last <= entry.time, "the time goes back from {last} to {}", entry.time);
            self.check_change(&entry, run);
        }
        self.stored.insert(at, entry);
    }

    /// What an entry says of the value before it is true, for as long as the entry before it is kept.
    fn check_change(&self, entry: &Entry, run: EntryId) {
        let cents = |entry: &Entry| field(entry, "cents").as_i64();
        let Some(now) = cents(entry) else { return };
        let is_before = |before: &&Entry| before.key == entry.key && cents(before).is_some();
        let before = self.stored.iter().rfind(is_before);
        let is_counted =
            |before: &&Entry| before.id >= run && before.id >= self.retention.oldest_id(entry.id.back(1));
        let change = field(entry, "change").as_f64().expect("a change is a number");
        let change = (change * 100.0).round() as i64;
        let is_nothing = change == 0;
        let Some(before) = before.filter(is_counted) else {
            assert!(is_nothing, "{entry:?} has changed from what is not kept");
            return;
        };
        let is_right = cents(before).is_some_and(|before| now - before == change);
        // A writer whose clock is behind may keep it for longer.
        let is_kept = self.retention.keeps(before.time, entry.time);
        assert!(is_right || is_nothing && !is_kept, "{entry:?} has not changed so from {before:?}");
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

    /// The ids of the newest entries, oldest first.
    #[must_use]
    pub fn newest(&self, count: usize) -> Vec<EntryId> {
        self.stored[self.stored.len() - count..].iter().map(|entry| entry.id).collect()
    }

    /// The entry of this id.
    #[must_use]
    pub fn get(&self, id: EntryId) -> Option<&Entry> {
        self.stored.binary_search_by_key(&id, |entry| entry.id).ok().map(|at| &self.stored[at])
    }

    /// How often each post was stored, by its number.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for entry in &self.stored {
            *counts.entry(field(entry, "n").as_u64().expect("a post has a number")).or_default() += 1;
        }
        counts
    }

    /// The place of the oldest entry that is surely kept.
    fn oldest(&self, now: UnixMillis) -> usize {
        let (last, now) = (self.last(), now + self.ahead);
        let is_kept = |entry: &Entry| self.retention.keeps_entry(entry.id, entry.time, last, now);
        self.stored.partition_point(|entry| !is_kept(entry))
    }

    /// What a reader at `cursor` has yet to see, up to `upto`. From the beginning that is the whole run.
    pub fn pending(&self, cursor: EntryId, upto: EntryId, filter: &Filter) -> impl Iterator<Item = &Entry> {
        let run = self.runs.iter().rfind(|run| **run <= upto).map_or(EntryId::BEGINNING, |run| run.back(1));
        let cursor = if cursor == EntryId::BEGINNING { run } else { cursor };
        let after = &self.stored[self.stored.partition_point(|entry| entry.id <= cursor)..];
        after.iter().take_while(move |entry| entry.id <= upto).filter(|entry| filter.admits(entry))
    }

    /// Whether something that there ever was after the cursor may be no longer kept. From the beginning, a run is
    /// forgotten when the next one begins.
    #[must_use]
    pub fn has_missed(&self, cursor: EntryId, now: UnixMillis) -> bool {
        self.misses(cursor, now) || cursor == EntryId::BEGINNING && self.oldest(now) > 0
    }

    /// Whether something after the cursor may be no longer kept.
    #[must_use]
    pub fn misses(&self, cursor: EntryId, now: UnixMillis) -> bool {
        let oldest = self.stored.get(self.oldest(now)).map(|entry| entry.id);
        let first = self.pending(cursor, self.last(), &Filter::ALL).next();
        first.is_some_and(|first| oldest.is_none_or(|oldest| first.id < oldest))
    }
}

fn field(entry: &Entry, name: &str) -> Value {
    let mut body: Value = serde_json::from_str(&entry.body).expect("a body is JSON");
    body[name].take()
}
