//! The entries, and where they end.

use super::freed::Freed;
use super::interface::Value;
use super::known::{Known, Table};
use super::writes::Writes;
use super::{Sql, interface, values};
use crate::json;
use crate::limits::{SURPLUS, SURPLUS_SHARE};
use crate::log::{Draft, Entry, EntryId, Extent, Filter, Place, Position, Retention, Start, Subscribe, Tail};
use crate::time::UnixMillis;

/// Made by the first entry of a channel.
pub(super) const TABLES: Table = Table {
    name: "run",
    create: "
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY, time INTEGER NOT NULL, event TEXT, key TEXT, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS run (
        one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER NOT NULL, previous INTEGER NOT NULL,
        last INTEGER NOT NULL);",
};
/// In a channel times never go back, so the newest entry is the last to expire.
pub(super) const END: &str = "
    SELECT first, previous, ifnull((SELECT max(id) FROM entries), last),
           (SELECT time FROM entries ORDER BY id DESC LIMIT 1), (SELECT min(id) FROM entries)
    FROM run";
/// The first id from ?1 to ?2 whose time is after ?3, if the last is. Ids are consecutive and times never go back, so the
/// half in which it is not is left out, again and again.
const FIRST_KEPT: &str = "
    WITH RECURSIVE span (low, high) AS (
        SELECT CAST(?1 AS INTEGER), CAST(?2 AS INTEGER)
        UNION ALL
        SELECT iif(time > ?3, low, id + 1), iif(time > ?3, id, high)
        FROM span JOIN entries ON id = (low + high) / 2 WHERE low < high)
    SELECT low FROM span WHERE low = high";
const NTH_NEWEST: &str = "
    SELECT id AS n FROM entries
    WHERE id >= ?1 AND (?2 = 'null' OR key IN (SELECT value FROM json_each(?2)))
    ORDER BY id DESC LIMIT 1 OFFSET ?3";
const ENTRIES_FROM: &str = "SELECT * FROM entries WHERE id >= ?1 ORDER BY id";
const NEWEST_FIRST: &str = "SELECT * FROM entries WHERE id >= ?1 ORDER BY id DESC";
const DELETE_BEFORE: &str = "DELETE FROM entries WHERE id < ?1";

/// Reads the row of [`END`]: the end of the log, and the oldest id that is stored.
pub(super) fn end([run, previous, last, time, oldest]: [Value; 5]) -> Option<(Tail, EntryId)> {
    let last = last.id()?;
    let (time, oldest) = match (time, oldest) {
        // All entries are freed.
        (Value::Null, Value::Null) => (None, last.next()),
        (time, oldest) => (Some(UnixMillis(time.number()?)), oldest.id()?),
    };
    Some((Tail { run: run.id()?, previous: previous.id()?, last, time }, oldest))
}

/// The log.
pub(super) struct Log<'a, S> {
    pub sql: &'a S,
    pub retention: Retention,
}

impl<S: Sql> Log<'_, S> {
    /// `None` if nothing was ever stored.
    pub(super) fn extent(&self, known: &Known, now: UnixMillis) -> Result<Option<Extent>, S::Failure> {
        let Some(Tail { run, previous, last, time }) = known.tail else { return Ok(None) };
        let first = match time {
            Some(time) if self.retention.keeps(time, now) => Some(self.first_kept(known, last, now)?),
            _ => None,
        };
        Ok(Some(Extent { run, previous, first, last }))
    }

    /// The oldest entry that is kept, if the last one is.
    fn first_kept(&self, known: &Known, last: EntryId, now: UnixMillis) -> Result<EntryId, S::Failure> {
        let from = known.oldest.max(self.retention.oldest_id(last));
        let bounds = vec![from.into(), last.into(), self.retention.expired_time(now).0.into()];
        let found = interface::first(self.sql, FIRST_KEPT, bounds, |[id]| id.id())?;
        found.ok_or_else(|| S::malformed(FIRST_KEPT))
    }

    /// What the draft becomes as the next entry.
    pub(super) fn next(
        &self,
        known: &Known,
        draft: &Draft,
        now: UnixMillis,
    ) -> Result<(Place, Entry), S::Failure> {
        let place = self.retention.place(known.tail, now);
        let last = match known.tail {
            Some(tail) if !place.begins() => values::last(self.sql, known, draft)?.filter(|before| {
                before.id >= known.oldest
                    && self.retention.keeps_entry(before.id, before.time, tail.last, now)
            }),
            _ => None,
        };
        Ok((place, draft.entry(place.id, place.time, last.map(|last| last.value))))
    }

    /// Writes this entry.
    pub(super) fn append(
        &self,
        known: &mut Known,
        (place, entry): (Place, &Entry),
        draft: &Draft,
        writes: &mut Writes,
    ) {
        if place.begins() {
            if !known.need(&TABLES, writes) {
                writes.push("DELETE FROM entries", Vec::new());
            }
            let row = [place.run, place.previous, place.id].map(Value::from);
            writes.push("INSERT OR REPLACE INTO run VALUES (1, ?1, ?2, ?3)", row.into());
            known.oldest = place.id;
        }
        let values = vec![
            entry.id.into(),
            entry.time.0.into(),
            entry.event.as_ref().map(|name| name.as_str()).into(),
            entry.key.as_deref().into(),
            entry.body.as_str().into(),
        ];
        writes.push("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5)", values);
        values::remember(known, draft, entry, writes);
        known.tail = Some(place.tail());
        let kept = self.retention.oldest_id(entry.id);
        if kept.get().saturating_sub(known.oldest.get()) >= self.surplus() {
            writes.push(DELETE_BEFORE, vec![kept.into()]);
            known.oldest = kept;
        }
    }

    /// How many entries more than are kept may be stored.
    fn surplus(&self) -> u64 {
        (self.retention.max / SURPLUS_SHARE).clamp(*SURPLUS.start(), *SURPLUS.end())
    }

    /// Frees what is no longer kept.
    pub(super) fn expire(&self, known: &mut Known, now: UnixMillis) -> Result<Freed, S::Failure> {
        let Some(Extent { first, last, .. }) = self.extent(known, now)? else { return Ok(Freed::default()) };
        if first.is_none() {
            // Without its entries the log would not know where it ends.
            self.sql.run("UPDATE run SET last = ?1", vec![last.into()])?;
        }
        let oldest = first.unwrap_or_else(|| last.next());
        let freed = self.sql.run(DELETE_BEFORE, vec![oldest.into()])?;
        values::forget(self.sql, known, oldest)?;
        let time = known.tail.and_then(|tail| tail.time).filter(|_| first.is_some());
        known.tail = known.tail.map(|tail| Tail { time, ..tail });
        known.oldest = oldest;
        Ok(Freed { any: freed > 0, rest_at: time.map(|time| time + self.retention.age) })
    }

    /// The kept entries after `after`, oldest first.
    pub(super) fn after(
        &self,
        after: EntryId,
        extent: Option<Extent>,
    ) -> Result<impl Iterator<Item = Result<Entry, S::Failure>>, S::Failure> {
        let is_there = |extent: &Extent| after < extent.last;
        let first = extent.filter(is_there).and_then(|extent| extent.first);
        self.entries(ENTRIES_FROM, first.map(|first| first.max(after.next())))
    }

    /// The kept entries, newest first.
    pub(super) fn newest_first(
        &self,
        extent: Option<Extent>,
    ) -> Result<impl Iterator<Item = Result<Entry, S::Failure>>, S::Failure> {
        self.entries(NEWEST_FIRST, extent.and_then(|extent| extent.first))
    }

    fn entries(
        &self,
        query: &'static str,
        from: Option<EntryId>,
    ) -> Result<impl Iterator<Item = Result<Entry, S::Failure>>, S::Failure> {
        let rows = from.map(|from| self.sql.rows(query, vec![from.into()])).transpose()?;
        let read = move |row: Vec<Value>| entry(row).ok_or_else(|| S::malformed(query));
        Ok(rows.into_iter().flatten().map(move |row| row.and_then(read)))
    }

    /// Where a reader starts.
    pub(super) fn start(
        &self,
        extent: Option<Extent>,
        subscribe: &Subscribe,
        now: UnixMillis,
    ) -> Result<Start, S::Failure> {
        let position = &subscribe.position;
        let nth = match (position, extent.and_then(|extent| extent.first)) {
            (Position::History(n @ 1..), Some(first)) => self.nth_newest(*n, first, &subscribe.filter)?,
            _ => None,
        };
        Ok(Start::decide(position, extent, now, |_| nth))
    }

    /// The n-th newest kept entry that the filter admits.
    fn nth_newest(&self, n: u32, first: EntryId, filter: &Filter) -> Result<Option<EntryId>, S::Failure> {
        let keys = json::line(filter);
        let bindings = vec![first.into(), keys.as_str().into(), u64::from(n - 1).into()];
        interface::first(self.sql, NTH_NEWEST, bindings, |[id]| id.id())
    }
}

fn entry(row: Vec<Value>) -> Option<Entry> {
    let [id, time, event, key, body] = row.try_into().ok()?;
    let event = event.optional_text()?.map(TryInto::try_into).transpose().ok()?;
    let (id, time) = (id.id()?, UnixMillis(time.number()?));
    Some(Entry { id, time, event, key: key.optional_text()?, body: body.text()? })
}
