//! The channel's log in the SQLite of its Durable Object.

use serde::Deserialize;
use ssedge::feeds::stock::value_of;
use ssedge::log::{
    Draft, Entry, EntryId, Extent, Filter, Page, Position, Retention, Selection, Snapshot, Start, Subscribe,
    Tail,
};
use ssedge::time::UnixMillis;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use crate::storage::{Freed, Number, has_table};

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

/// The log. It keeps nothing in memory, so a woken object goes on where the last one stopped.
pub struct Log {
    sql: SqlStorage,
    retention: Retention,
}

/// An entry that is stored.
pub struct Appended {
    pub entry: Entry,
    /// The id before it, as a [`Batch`] names it.
    pub after: EntryId,
}

#[derive(Deserialize)]
struct ExtentRow {
    run: u64,
    previous: u64,
    first: Option<u64>,
    last: u64,
}

#[derive(Deserialize)]
struct EntryRow {
    id: u64,
    time: u64,
    event: Option<String>,
    key: Option<String>,
    body: String,
}

#[expect(clippy::cast_possible_wrap, reason = "ids and times are below 2^53")]
pub const fn integer(n: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(n as i64)
}

pub fn id(n: u64) -> Result<EntryId> {
    EntryId::new(n).map_err(|e| Error::RustError(format!("stored id {n}: {e}")))
}

impl EntryRow {
    fn entry(self) -> Result<Entry> {
        let event = self.event.map(TryInto::try_into).transpose();
        let event = event.map_err(|e| Error::RustError(format!("stored event name: {e}")))?;
        Ok(Entry { id: id(self.id)?, time: UnixMillis(self.time), event, key: self.key, body: self.body })
    }
}

impl Log {
    pub const fn new(sql: SqlStorage, retention: Retention) -> Self {
        Self { sql, retention }
    }

    fn rows<T: for<'de> Deserialize<'de>>(
        &self,
        query: &str,
        bindings: Vec<SqlStorageValue>,
    ) -> Result<Vec<T>> {
        self.sql.exec(query, bindings)?.to_array()
    }

    /// `None` where nothing was ever stored.
    fn extent(&self, now: UnixMillis) -> Result<Option<Extent>> {
        if self.is_new()? {
            return Ok(None);
        }
        let bounds = vec![integer(self.retention.max), integer(self.retention.expired_time(now).0)];
        let row = self.rows::<ExtentRow>(EXTENT, bounds)?.pop();
        row.map(|row| {
            let first = row.first.map(id).transpose()?;
            Ok(Extent { run: id(row.run)?, previous: id(row.previous)?, first, last: id(row.last)? })
        })
        .transpose()
    }

    /// Whether nothing was ever stored, or it is forgotten.
    pub fn is_new(&self) -> Result<bool> {
        Ok(!has_table(&self.sql, "run")?)
    }

    /// Stores the draft as the next entry.
    pub fn append(&self, draft: &Draft, now: UnixMillis) -> Result<Appended> {
        let extent = self.extent(now)?;
        let newest = self.newest_time()?;
        let tail =
            extent.map(|Extent { run, previous, last, .. }| Tail { run, previous, last, time: newest });
        let place = self.retention.place(tail, now);
        if place.begins() {
            self.sql.exec(TABLES, None)?;
            self.sql.exec("DELETE FROM entries", None)?;
            let row = [place.run, place.previous, place.id].map(|id| integer(id.get()));
            self.sql.exec("INSERT OR REPLACE INTO run VALUES (1, ?1, ?2, ?3)", Vec::from(row))?;
        }
        let newest: Option<EntryRow> = match draft.remembers() {
            Some((key, _)) => {
                let query = "SELECT * FROM entries WHERE key = ?1 AND time > ?2 ORDER BY id DESC LIMIT 1";
                let oldest = integer(self.retention.expired_time(now).0);
                self.rows(query, vec![key.into(), oldest])?.pop()
            }
            None => None,
        };
        let last = newest.as_ref().and_then(|row| value_of(&row.body));
        let entry = draft.entry(place.id, place.time, last);
        let event = entry.event.as_ref().map(|name| name.as_str().to_owned());
        let values = vec![
            integer(entry.id.get()),
            integer(entry.time.0),
            event.into(),
            entry.key.clone().into(),
            entry.body.as_str().into(),
        ];
        self.sql.exec("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
        let first = extent.and_then(|extent| extent.first).filter(|_| !place.begins());
        let oldest = first.unwrap_or(entry.id).max(self.retention.oldest_id(entry.id));
        self.sql.exec("DELETE FROM entries WHERE id < ?1", vec![integer(oldest.get())])?;
        Ok(Appended { entry, after: place.after() })
    }

    /// Frees what has expired.
    pub fn expire(&self, now: UnixMillis) -> Result<Freed> {
        let Some(extent) = self.extent(now)? else { return Ok(Freed::default()) };
        self.sql.exec("UPDATE run SET last = ?1", vec![integer(extent.last.get())])?;
        let oldest = vec![integer(self.retention.expired_time(now).0)];
        let freed = self.sql.exec("DELETE FROM entries WHERE time <= ?1", oldest)?;
        let rest_at = self.newest_time()?.map(|time| time + self.retention.age);
        Ok(Freed { any: freed.rows_written() > 0, rest_at })
    }

    /// Whether a channel that forgets its last id would not give it again: it begins anew at the time.
    pub fn is_before(&self, now: UnixMillis) -> Result<bool> {
        Ok(self.extent(now)?.is_none_or(|extent| extent.last.get() < now.0))
    }

    fn newest_time(&self) -> Result<Option<UnixMillis>> {
        if self.is_new()? {
            return Ok(None);
        }
        Ok(self.rows::<Number>(NEWEST_TIME, vec![])?.pop().map(|row| UnixMillis(row.n)))
    }

    /// The kept entries after `after`, oldest first.
    fn after(&self, after: EntryId, extent: Option<Extent>) -> Result<impl Iterator<Item = Result<Entry>>> {
        let query = "SELECT * FROM entries WHERE id >= ?1 ORDER BY id";
        let rows = match extent.and_then(|extent| extent.first) {
            Some(first) => {
                let from = vec![integer(first.max(after.next()).get())];
                Some(self.sql.exec(query, from)?.next::<EntryRow>())
            }
            None => None,
        };
        Ok(rows.into_iter().flatten().map(|row| row.and_then(EntryRow::entry)))
    }

    /// Where a reader starts.
    pub fn start(&self, subscribe: &Subscribe, now: UnixMillis) -> Result<Start> {
        self.start_in(self.extent(now)?, subscribe, now)
    }

    fn start_in(&self, extent: Option<Extent>, subscribe: &Subscribe, now: UnixMillis) -> Result<Start> {
        let position = &subscribe.position;
        let nth = match (position, extent.and_then(|extent| extent.first)) {
            (Position::History(n @ 1..), Some(first)) => self.nth_newest(*n, first, &subscribe.filter)?,
            _ => None,
        };
        Ok(Start::decide(position, extent, now, |_| nth))
    }

    /// The n-th newest kept entry that the filter admits.
    fn nth_newest(&self, n: u32, first: EntryId, filter: &Filter) -> Result<Option<EntryId>> {
        let query = "
            SELECT id AS n FROM entries
            WHERE id >= ?1 AND (?2 = 'null' OR key IN (SELECT value FROM json_each(?2)))
            ORDER BY id DESC LIMIT 1 OFFSET ?3";
        let keys = serde_json::to_string(filter)?;
        let bindings = vec![integer(first.get()), keys.into(), integer(u64::from(n - 1))];
        self.rows::<Number>(query, bindings)?.pop().map(|row| id(row.n)).transpose()
    }

    /// The first page of a reader, or the last where it reaches the head.
    pub fn page(&self, subscribe: &Subscribe, now: UnixMillis) -> Result<Page<bytes::Bytes>> {
        let extent = self.extent(now)?;
        let start = self.start_in(extent, subscribe, now)?;
        let entries = self.after(start.after, extent)?;
        Ok(Selection::page(start, subscribe).fill(entries)?.into_page(false))
    }

    /// What a snapshot holds.
    pub fn read(&self, subscribe: &Subscribe, now: UnixMillis) -> Result<Snapshot> {
        let extent = self.extent(now)?;
        let start = self.start_in(extent, subscribe, now)?;
        let entries = self.after(start.after, extent)?;
        Ok(Selection::snapshot(start, subscribe).fill(entries)?.into_snapshot())
    }

    /// The body of one entry, if it is kept.
    pub fn entry(&self, id: EntryId, now: UnixMillis) -> Result<Option<String>> {
        let found = self.after(id.back(1), self.extent(now)?)?.next().transpose()?;
        Ok(found.filter(|entry| entry.id == id).map(|entry| entry.body))
    }
}
