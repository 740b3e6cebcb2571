//! All that was ever stored in a channel, by which everything else is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use ssedge::log::{EndReason, Entry, EntryId, Filter, Kind, Retention};
use ssedge::time::UnixMillis;

/// What a storage was seen to have done.
#[derive(Clone, Debug)]
pub enum Fact {
    /// It has stored an entry, in the run that begins with this id, of a channel that keeps its entries for so long if not as
    /// long as others. An entry that is an end has ended the channel.
    Stored(Entry, EntryId, Option<Duration>),
    /// All of it was deleted.
    Deleted(UnixMillis),
}

/// An end that there was.
#[derive(Clone, Debug)]
struct Ended {
    reason: EndReason,
    last: EntryId,
    time: UnixMillis,
    keep: Option<Duration>,
    was_deleted: bool,
}

/// Every entry that there ever was, of which readers get what is kept. It is told by the storage, not by who writes.
#[derive(Debug)]
pub struct History {
    retention: Retention,
    /// How far a clock may be ahead of the world's: by that much earlier something may count as expired.
    ahead: Duration,
    stored: Vec<Entry>,
    /// The first id of each run, and how long its entries are kept if not as long as others.
    runs: BTreeMap<EntryId, Option<Duration>>,
    ends: Vec<Ended>,
    /// So many of the entries were deleted.
    deleted: usize,
    /// Whether the channel ever forgot itself, after which it must take an old cursor for a gap.
    pub forgot: bool,
}

impl History {
    /// An empty channel.
    #[must_use]
    pub fn new(retention: Retention, ahead: Duration) -> Self {
        Self {
            retention,
            ahead,
            stored: Vec::new(),
            runs: BTreeMap::new(),
            ends: Vec::new(),
            deleted: 0,
            forgot: false,
        }
    }

    /// Something was done.
    pub fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Stored(Entry { kind: Kind::End, time, body, .. }, _, keep) => {
                self.check_follows(time);
                let reason = EndReason::new(&body).expect("an end has a reason");
                self.ends.push(Ended { reason, last: self.last(), time, keep, was_deleted: false });
            }
            Fact::Stored(entry, run, keep) => self.add_entry(entry, run, keep),
            Fact::Deleted(time) => {
                self.ends.iter_mut().for_each(|end| end.was_deleted = true);
                let (reason, last) = (EndReason::DELETED, self.last());
                self.ends.push(Ended { reason, last, time, keep: None, was_deleted: true });
                self.deleted = self.stored.len();
            }
        }
    }

    fn add_entry(&mut self, entry: Entry, run: EntryId, keep: Option<Duration>) {
        let at = self.stored.partition_point(|stored| stored.id < entry.id);
        assert!(self.stored.get(at).is_none_or(|stored| stored.id != entry.id), "{} is used twice", entry.id);
        self.runs.entry(run).or_insert(keep);
        self.check_follows(entry.time);
        if at == self.stored.len() {
            let last = self.stored.last().map_or(UnixMillis(0), |last| last.time);
            assert!(last <= entry.time, "the time goes back from {last} to {}", entry.time);
            self.check_change(&entry, run);
        }
        self.stored.insert(at, entry);
    }

    /// Nothing follows an end that is kept.
    fn check_follows(&self, time: UnixMillis) {
        if let Some(Ended { reason, last, time: ended, keep, was_deleted: false }) = self.ends.last() {
            let is_kept = self.retention.keeping(*keep).keeps(*ended, time);
            assert!(!is_kept, "something at {time} follows the end ({reason}) behind {last} at {ended}");
        }
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

    /// The newest id that is kept, as far as a clock that is right can say; [`EntryId::BEGINNING`] if there is none.
    #[must_use]
    pub fn last_kept(&self, now: UnixMillis) -> EntryId {
        if self.oldest(now) < self.stored.len() { self.last() } else { EntryId::BEGINNING }
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

    /// What each post has stored, by its number; whole, in its order and without a hole.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<u64, Vec<EntryId>> {
        let mut requests = BTreeMap::<u64, Vec<EntryId>>::new();
        for entry in &self.stored {
            let number = field(entry, "n").as_u64().expect("a post has a number");
            let ids = requests.entry(number).or_default();
            let is_first = |before: &EntryId| before.next() == entry.id;
            assert!(ids.last().is_none_or(is_first), "post {number} is at {ids:?} and {}", entry.id);
            let nth = field(entry, "nth").as_u64().unwrap_or(0);
            assert_eq!(nth, ids.len() as u64, "the order of post {number}");
            ids.push(entry.id);
            assert_eq!(self.run_of(ids[0]), self.run_of(entry.id), "post {number} is in two runs");
        }
        for (number, ids) in &requests {
            let first = self.get(ids[0]).expect("it is stored");
            let count = field(first, "of").as_u64().unwrap_or(1);
            assert_eq!(ids.len() as u64, count, "post {number} is stored whole, and once");
        }
        requests
    }

    fn run_of(&self, id: EntryId) -> Option<EntryId> {
        self.runs.range(..=id).next_back().map(|(run, _)| *run)
    }

    /// The id before this one in the log; [`EntryId::BEGINNING`] if it begins a run.
    #[must_use]
    pub fn before(&self, id: EntryId) -> EntryId {
        if self.run_of(id) == Some(id) { EntryId::BEGINNING } else { id.back(1) }
    }

    /// How often the channel ended for this reason.
    #[must_use]
    pub fn ends_by(&self, reason: &EndReason) -> usize {
        self.ends.iter().filter(|end| end.reason == *reason).count()
    }

    /// Which end a reader is told of that was told this one before. It is not told of one twice, unless by a clock that is
    /// behind: for others it has expired.
    #[must_use]
    pub fn next_end(
        &self,
        told: Option<usize>,
        reason: &str,
        last: EntryId,
        now: UnixMillis,
    ) -> Option<usize> {
        let is_it = |end: &Ended| {
            let between = self.stored.iter().any(|entry| entry.id > last && entry.id <= end.last);
            // Who reads a channel whose entries have all expired stands at the beginning.
            end.reason.as_str() == reason && (end.last == last || last == EntryId::BEGINNING || !between)
        };
        let may_come_again = |told: usize| !self.ahead.is_zero() && self.is_over(told, now);
        let first = told.map_or(0, |told| if may_come_again(told) { told } else { told + 1 });
        (first..self.ends.len()).find(|at| is_it(&self.ends[*at]))
    }

    /// Whether the channel may be open again after this end.
    #[must_use]
    pub fn is_over(&self, end: usize, now: UnixMillis) -> bool {
        let Ended { time, keep, was_deleted, .. } = &self.ends[end];
        let is_kept = self.retention.keeping(*keep).keeps(*time, now + self.ahead);
        *was_deleted || !is_kept || end + 1 < self.ends.len()
    }

    /// Whether the channel has ended, for every clock.
    #[must_use]
    pub fn has_ended(&self, now: UnixMillis) -> bool {
        !self.ends.is_empty() && !self.is_over(self.ends.len() - 1, now)
    }

    /// The last entry before its newest end, if it ever ended.
    #[must_use]
    pub fn last_of_end(&self) -> Option<EntryId> {
        self.ends.last().map(|end| end.last)
    }

    /// The place of the oldest entry that is surely kept.
    fn oldest(&self, now: UnixMillis) -> usize {
        let (last, now) = (self.last(), now + self.ahead);
        let (run, keep) =
            self.runs.last_key_value().map_or((EntryId::BEGINNING, None), |(run, keep)| (*run, *keep));
        let retention = self.retention.keeping(keep);
        let is_kept =
            |entry: &Entry| entry.id >= run && retention.keeps_entry(entry.id, entry.time, last, now);
        self.stored.partition_point(|entry| !is_kept(entry)).max(self.deleted)
    }

    /// What a reader at `cursor` has yet to see, up to `upto`. From the beginning that is the whole run.
    pub fn pending(&self, cursor: EntryId, upto: EntryId, filter: &Filter) -> impl Iterator<Item = &Entry> {
        let run = self.run_of(upto).map_or(EntryId::BEGINNING, |run| run.back(1));
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
