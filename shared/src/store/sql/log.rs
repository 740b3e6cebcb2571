//! The entries, and where they end.

use super::freed::Freed;
use super::interface::Value;
use super::known::{Known, Table};
use super::row;
use super::writes::Writes;
use super::{Sql, interface, values};
use crate::limits::{SURPLUS, SURPLUS_SHARE};
use crate::log::{
    Draft, Entry, EntryId, Extent, Filter, Kind, Place, Position, Retention, Start, Subscribe, Tail,
};
use crate::time::UnixMillis;

/// The table of the entries.
pub(super) const ENTRIES: &str = "entries";
/// Made by the first entry of a channel. The id of a row is that of its first entry.
pub(super) const TABLES: Table = Table {
    name: "run",
    create: "
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY, time INTEGER NOT NULL, event TEXT, key TEXT, body TEXT NOT NULL, count INTEGER);
    CREATE TABLE IF NOT EXISTS run (
        one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER NOT NULL, previous INTEGER NOT NULL,
        last INTEGER NOT NULL);",
};
/// In a channel times never go back, so the newest entry is the last to expire.
pub(super) const END: &str = "
    SELECT run.first, run.previous, ifnull(newest.id + ifnull(newest.count, 1) - 1, run.last), newest.time,
           newest.id, (SELECT min(id) FROM entries)
    FROM run LEFT JOIN (SELECT id, time, count FROM entries ORDER BY id DESC LIMIT 1) AS newest";
/// The first row from the one that holds ?1 to the row ?2 whose time is after ?3, if that of ?2 is. Times never go back, so
/// the half in which it is not is left out, again and again.
const FIRST_KEPT: &str = "
    WITH RECURSIVE span (low, high) AS (
        SELECT (SELECT max(id) FROM entries WHERE id <= ?1), CAST(?2 AS INTEGER)
        UNION ALL
        SELECT iif(time > ?3, low, (low + high) / 2 + 1), iif(time > ?3, id, high)
        FROM span JOIN entries ON id = (SELECT max(id) FROM entries WHERE id <= (low + high) / 2)
        WHERE low < high)
    SELECT high FROM span WHERE low >= high";
/// From the row that holds ?1 on.
const ENTRIES_FROM: &str = "
    SELECT id, time, event, key, body, count FROM entries
    WHERE id >= (SELECT max(id) FROM entries WHERE id <= ?1) ORDER BY id";
const NEWEST_FIRST: &str = "
    SELECT id, time, event, key, body, count FROM entries
    WHERE id >= (SELECT max(id) FROM entries WHERE id <= ?1) ORDER BY id DESC";
/// Deletes the rows before the one that holds ?1.
const DELETE_BEFORE: &str = "DELETE FROM entries WHERE id < (SELECT max(id) FROM entries WHERE id <= ?1)";

/// Reads the row of [`END`]: the end of the log, the id of the newest row, and the oldest id that is stored.
pub(super) fn end([run, previous, last, time, row, oldest]: [Value; 6]) -> Option<(Tail, EntryId, EntryId)> {
    let last = last.id()?;
    let (time, row, oldest) = match (time, row, oldest) {
        // All entries are freed.
        (Value::Null, Value::Null, Value::Null) => (None, last.next(), last.next()),
        (time, row, oldest) => (Some(UnixMillis(time.number()?)), row.id()?, oldest.id()?),
    };
    Some((Tail { run: run.id()?, previous: previous.id()?, last, time }, row, oldest))
}

/// The log.
pub(super) struct Log<'a, S> {
    pub sql: &'a S,
    pub retention: Retention,
}

impl<S: Sql> Log<'_, S> {
    /// `None` if nothing was ever stored.
    pub(super) fn extent(&self, known: &Known, now: UnixMillis) -> Result<Option<Extent>, S::Failure> {
        let has_ended = known.terms.ended(self.retention, now).is_some();
        let Some(Tail { run, previous, last, time }) = known.tail else {
            // It was closed before it had an entry.
            let (run, previous, last) = (EntryId::BEGINNING.next(), EntryId::BEGINNING, EntryId::BEGINNING);
            return Ok(has_ended.then_some(Extent { run, previous, first: None, last, has_ended }));
        };
        let first = match time {
            Some(time) if self.retention.keeps(time, now) => Some(self.first_kept(known, last, now)?),
            _ => None,
        };
        Ok(Some(Extent { run, previous, first, last, has_ended }))
    }

    /// The oldest entry that is kept, if the last one is.
    fn first_kept(&self, known: &Known, last: EntryId, now: UnixMillis) -> Result<EntryId, S::Failure> {
        let from = known.oldest.max(self.retention.oldest_id(last));
        let bounds = vec![from.into(), known.newest_row.into(), self.retention.expired_time(now).0.into()];
        let found = interface::first(self.sql, FIRST_KEPT, bounds, |[id]| id.id())?;
        found.map(|row| row.max(from)).ok_or_else(|| S::malformed(FIRST_KEPT))
    }

    /// What the drafts become as the next entries.
    pub(super) fn next(
        &self,
        known: &Known,
        drafts: &[Draft],
        now: UnixMillis,
    ) -> Result<(Place, Vec<Entry>), S::Failure> {
        let place = self.retention.place(known.tail, now);
        let last = match (known.tail, drafts.first()) {
            (Some(tail), Some(draft)) if !place.begins() => {
                values::last(self.sql, known, draft)?.filter(|before| {
                    before.id >= known.oldest
                        && self.retention.keeps_entry(before.id, before.time, tail.last, now)
                })
            }
            _ => None,
        };
        Ok((place, place.entries(drafts, last.map(|last| last.value))))
    }

    /// Writes these entries of these drafts, if there are any.
    pub(super) fn append(
        &self,
        known: &mut Known,
        (place, entries): (Place, &[Entry]),
        drafts: &[Draft],
        writes: &mut Writes,
    ) {
        let (Some(entry), Some(draft)) = (entries.first(), drafts.first()) else { return };
        if place.begins() {
            if !known.need(&TABLES, writes) {
                writes.push("DELETE FROM entries", Vec::new());
            }
            let row = [place.run, place.previous, place.id].map(Value::from);
            writes.push("INSERT OR REPLACE INTO run VALUES (1, ?1, ?2, ?3)", row.into());
            known.oldest = place.id;
        }
        row::write(entries, writes);
        values::remember(known, draft, entry, writes);
        let tail = place.tail(entries.len() as u64);
        (known.tail, known.newest_row) = (Some(tail), place.id);
        let kept = self.retention.oldest_id(tail.last);
        if kept.get().saturating_sub(known.oldest.get()) >= self.surplus() {
            writes.push(DELETE_BEFORE, vec![kept.into()]);
            known.oldest = kept;
        }
    }

    /// Deletes all entries. The next one begins a run behind the last id.
    pub(super) fn delete(&self, known: &mut Known, writes: &mut Writes) {
        let Some(tail) = &mut known.tail else { return };
        writes.push("UPDATE run SET last = ?1", vec![tail.last.into()]);
        writes.push("DELETE FROM entries", Vec::new());
        (tail.time, known.oldest, known.newest_row) = (None, tail.last.next(), tail.last.next());
        values::forget_all(known, writes);
    }

    /// The last entry that is kept; [`EntryId::BEGINNING`] if none is.
    pub(super) fn last_kept(&self, known: &Known, now: UnixMillis) -> EntryId {
        let kept = |tail: &Tail| tail.time.is_some_and(|time| self.retention.keeps(time, now));
        known.tail.filter(kept).map_or(EntryId::BEGINNING, |tail| tail.last)
    }

    /// How many entries more than are kept may be stored.
    fn surplus(&self) -> u64 {
        (self.retention.max / SURPLUS_SHARE).clamp(*SURPLUS.start(), *SURPLUS.end())
    }

    /// Frees what is no longer kept.
    pub(super) fn expire(&self, known: &mut Known, now: UnixMillis) -> Result<Freed, S::Failure> {
        // A channel that was closed before it had an entry has no table of them.
        let extent = self.extent(known, now)?.filter(|_| known.tail.is_some());
        let Some(Extent { first, last, .. }) = extent else { return Ok(Freed::default()) };
        if first.is_none() {
            // Without its entries the log would not know where it ends.
            self.sql.run("UPDATE run SET last = ?1", vec![last.into()])?;
        }
        let oldest = first.unwrap_or_else(|| last.next());
        let freed = match first {
            None => self.sql.run("DELETE FROM entries", Vec::new())?,
            Some(first) => self.sql.run(DELETE_BEFORE, vec![first.into()])?,
        };
        values::forget(self.sql, known, oldest)?;
        let time = known.tail.and_then(|tail| tail.time).filter(|_| first.is_some());
        known.tail = known.tail.map(|tail| Tail { time, ..tail });
        known.oldest = oldest;
        Ok(Freed { any: freed > 0, rest_at: time.map(|time| time + self.retention.age) })
    }

    /// What is kept after `after`, oldest first; at last the end, if there is one.
    pub(super) fn after(
        &self,
        known: &Known,
        after: EntryId,
        extent: Option<Extent>,
        now: UnixMillis,
    ) -> Result<impl Iterator<Item = Result<Entry, S::Failure>>, S::Failure> {
        let is_there = |extent: &Extent| after < extent.last;
        let first = extent.filter(is_there).and_then(|extent| extent.first);
        let from = first.map(|first| first.max(after.next()));
        let entries = self.entries(ENTRIES_FROM, from, |entries| entries)?;
        Ok(entries.chain(self.end(known, now).map(Ok)))
    }

    /// What is kept, newest first, the end before all.
    pub(super) fn newest_first(
        &self,
        known: &Known,
        extent: Option<Extent>,
        now: UnixMillis,
    ) -> Result<impl Iterator<Item = Result<Entry, S::Failure>>, S::Failure> {
        let reversed = |mut entries: Vec<Entry>| {
            entries.reverse();
            entries
        };
        let entries = self.entries(NEWEST_FIRST, extent.and_then(|extent| extent.first), reversed)?;
        Ok(self.end(known, now).map(Ok).into_iter().chain(entries))
    }

    /// The end, which stands behind the last entry.
    pub(super) fn end(&self, known: &Known, now: UnixMillis) -> Option<Entry> {
        let reason = known.terms.ended(self.retention, now)?;
        let last = known.tail.map_or(EntryId::BEGINNING, |tail| tail.last);
        Some(Entry::end_at(last.next(), now, reason))
    }

    /// The entries from this one on, row by row in the order of the query and of `order`.
    fn entries(
        &self,
        query: &'static str,
        from: Option<EntryId>,
        order: impl Fn(Vec<Entry>) -> Vec<Entry>,
    ) -> Result<impl Iterator<Item = Result<Entry, S::Failure>>, S::Failure> {
        let rows = from.map(|from| self.sql.rows(query, vec![from.into()])).transpose()?;
        let read = move |row: Result<Vec<Value>, S::Failure>| {
            let entries = row.and_then(|row| row::read(row).map(&order).ok_or_else(|| S::malformed(query)));
            let (entries, failure) = match entries {
                Ok(entries) => (entries, None),
                Err(failure) => (Vec::new(), Some(Err(failure))),
            };
            entries.into_iter().map(Ok).chain(failure)
        };
        let is_before = move |entry: &Result<Entry, S::Failure>| {
            entry.as_ref().is_ok_and(|entry| from.is_some_and(|from| entry.id < from))
        };
        Ok(rows.into_iter().flatten().flat_map(read).filter(move |entry| !is_before(entry)))
    }

    /// Where a reader starts.
    pub(super) fn start(
        &self,
        known: &Known,
        extent: Option<Extent>,
        subscribe: &Subscribe,
        now: UnixMillis,
    ) -> Result<Start, S::Failure> {
        let position = &subscribe.position;
        let nth = match position {
            Position::History(n @ 1..) => self.nth_newest(known, *n, extent, &subscribe.filter, now)?,
            _ => None,
        };
        Ok(Start::decide(position, extent, now, |_| nth))
    }

    /// The n-th newest kept entry that the filter admits.
    fn nth_newest(
        &self,
        known: &Known,
        n: u32,
        extent: Option<Extent>,
        filter: &Filter,
        now: UnixMillis,
    ) -> Result<Option<EntryId>, S::Failure> {
        let Some(Extent { first: Some(first), last, .. }) = extent else { return Ok(None) };
        if filter.admits_all() {
            let nth = last.back(u64::from(n) - 1);
            return Ok((nth >= first).then_some(nth));
        }
        let mut left = n;
        for entry in self.newest_first(known, extent, now)? {
            let entry = entry?;
            if entry.kind != Kind::End && filter.admits(&entry) {
                left -= 1;
                if left == 0 {
                    return Ok(Some(entry.id));
                }
            }
        }
        Ok(None)
    }
}
