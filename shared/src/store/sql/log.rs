//! The entries, and where they end.

use super::freed::Freed;
use super::interface::{Value, first, has_table, number};
use super::{Sql, memory};
use crate::json;
use crate::log::{Draft, Entry, EntryId, Extent, Filter, Place, Position, Retention, Start, Subscribe, Tail};
use crate::time::UnixMillis;

/// Made by the first entry of a run.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY, time INTEGER NOT NULL, event TEXT, key TEXT, body TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS run (
        one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER NOT NULL, previous INTEGER NOT NULL,
        last INTEGER NOT NULL);";
const EXTENT: &str = "
    SELECT first AS run, previous, ifnull((SELECT max(id) FROM entries), last) AS last,
           (SELECT id FROM entries WHERE id > (SELECT max(id) FROM entries) - ?1 AND time > ?2
            ORDER BY id LIMIT 1) AS first
    FROM run";
/// In a channel times never go back, so the newest entry is the last to expire.
const NEWEST_TIME: &str = "SELECT time AS n FROM entries ORDER BY id DESC LIMIT 1";
const NTH_NEWEST: &str = "
    SELECT id AS n FROM entries
    WHERE id >= ?1 AND (?2 = 'null' OR key IN (SELECT value FROM json_each(?2)))
    ORDER BY id DESC LIMIT 1 OFFSET ?3";
const ENTRIES_FROM: &str = "SELECT * FROM entries WHERE id >= ?1 ORDER BY id";
const NEWEST_FIRST: &str = "SELECT * FROM entries WHERE id >= ?1 ORDER BY id DESC";

/// The log. It keeps nothing in memory, so an object that is made anew goes on where the last one stopped.
pub(super) struct Log<'a, S> {
    pub sql: &'a S,
    pub retention: Retention,
}

impl<S: Sql> Log<'_, S> {
    /// Whether nothing was ever stored, or it is forgotten.
    pub(super) fn is_new(&self) -> Result<bool, S::Failure> {
        Ok(!has_table(self.sql, "run")?)
    }

    /// `None` if nothing was ever stored.
    pub(super) fn extent(&self, now: UnixMillis) -> Result<Option<Extent>, S::Failure> {
        if self.is_new()? {
            return Ok(None);
        }
        let bounds = vec![self.retention.max.into(), self.retention.expired_time(now).0.into()];
        first(self.sql, EXTENT, bounds, |[run, previous, last, first]| {
            let first = match first {
                Value::Null => None,
                first => Some(first.id()?),
            };
            Some(Extent { run: run.id()?, previous: previous.id()?, first, last: last.id()? })
        })
    }

    /// Stores the draft as the next entry; with its place.
    pub(super) fn append(&self, draft: &Draft, now: UnixMillis) -> Result<(Entry, Place), S::Failure> {
        let extent = self.extent(now)?;
        let time = match extent {
            Some(_) => self.newest_time()?,
            None => None,
        };
        let tail = extent.map(|Extent { run, previous, last, .. }| Tail { run, previous, last, time });
        let place = self.retention.place(tail, now);
        if place.begins() {
            self.sql.run(TABLES, Vec::new())?;
            self.sql.run("DELETE FROM entries", Vec::new())?;
            let row = [place.run, place.previous, place.id].map(Value::from);
            self.sql.run("INSERT OR REPLACE INTO run VALUES (1, ?1, ?2, ?3)", row.into())?;
        }
        let oldest = extent.and_then(|extent| extent.first).filter(|_| !place.begins());
        let entry = draft.entry(place.id, place.time, memory::last(self.sql, draft, oldest)?);
        let values = vec![
            entry.id.into(),
            entry.time.0.into(),
            entry.event.as_ref().map(|name| name.as_str()).into(),
            entry.key.as_deref().into(),
            entry.body.as_str().into(),
        ];
        self.sql.run("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
        memory::remember(self.sql, draft, entry.id)?;
        let oldest = oldest.unwrap_or(entry.id).max(self.retention.oldest_id(entry.id));
        self.sql.run("DELETE FROM entries WHERE id < ?1", vec![oldest.into()])?;
        Ok((entry, place))
    }

    /// Frees what has expired.
    pub(super) fn expire(&self, now: UnixMillis) -> Result<Freed, S::Failure> {
        let Some(extent) = self.extent(now)? else { return Ok(Freed::default()) };
        self.sql.run("UPDATE run SET last = ?1", vec![extent.last.into()])?;
        let expired = vec![self.retention.expired_time(now).0.into()];
        let freed = self.sql.run("DELETE FROM entries WHERE time <= ?1", expired)?;
        memory::forget(self.sql)?;
        let rest_at = self.newest_time()?.map(|time| time + self.retention.age);
        Ok(Freed { any: freed > 0, rest_at })
    }

    /// Whether a channel that forgets its last id would not give it again: it begins anew at the time.
    pub(super) fn is_before(&self, now: UnixMillis) -> Result<bool, S::Failure> {
        Ok(self.extent(now)?.is_none_or(|extent| extent.last.get() < now.0))
    }

    fn newest_time(&self) -> Result<Option<UnixMillis>, S::Failure> {
        Ok(number(self.sql, NEWEST_TIME, Vec::new())?.map(UnixMillis))
    }

    /// The kept entries after `after`, oldest first.
    pub(super) fn after(
        &self,
        after: EntryId,
        extent: Option<Extent>,
    ) -> Result<impl Iterator<Item = Result<Entry, S::Failure>>, S::Failure> {
        self.entries(
            ENTRIES_FROM,
            extent.and_then(|extent| extent.first).map(|first| first.max(after.next())),
        )
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
        super::interface::first(self.sql, NTH_NEWEST, bindings, |[id]| id.id())
    }
}

fn entry(row: Vec<Value>) -> Option<Entry> {
    let [id, time, event, key, body] = row.try_into().ok()?;
    let event = event.optional_text()?.map(TryInto::try_into).transpose().ok()?;
    let (id, time) = (id.id()?, UnixMillis(time.number()?));
    Some(Entry { id, time, event, key: key.optional_text()?, body: body.text()? })
}
