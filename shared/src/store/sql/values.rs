//! The last value of each key.
//!
//! A quote tells how far the price has moved since the quote before of its symbol. A search for that quote in the middle
//! of an append would read as far back as the symbol is rare: the whole log, if it is new. So what is needed of it is one
//! row, which is written in the same transaction as its entry.

use std::collections::BTreeMap;

use super::Sql;
use super::interface::{Value, first};
use super::known::{Known, Table};
use super::writes::Writes;
use crate::limits::VALUES;
use crate::log::{Draft, Entry, EntryId};
use crate::time::UnixMillis;

/// Made by the first draft for which something is to be remembered.
const TABLE: Table = Table {
    name: "remembered",
    create: "
    CREATE TABLE IF NOT EXISTS remembered (key TEXT PRIMARY KEY, value INTEGER NOT NULL, id INTEGER NOT NULL)
    WITHOUT ROWID;",
};
/// The time is that of the entry. Without the entry the value does not count any more.
const VALUE: &str =
    "SELECT value, id, time FROM remembered JOIN entries USING (id) WHERE remembered.key = ?1";

/// The values of as many keys as an object holds in memory.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<String, Last>);

/// The last value of a key, with the entry that has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub value: i64,
    pub id: EntryId,
    pub time: UnixMillis,
}

/// The last value of the draft's key, if there is one in the storage.
pub(super) fn last<S: Sql>(sql: &S, known: &Known, draft: &Draft) -> Result<Option<Last>, S::Failure> {
    let Some((key, _)) = draft.remembers() else { return Ok(None) };
    if let Some(last) = known.values.0.get(key) {
        return Ok(Some(*last));
    }
    if !known.has(&TABLE) {
        return Ok(None);
    }
    first(sql, VALUE, vec![key.into()], |[value, id, time]| {
        let Value::Integer(value) = value else { return None };
        Some(Last { value, id: id.id()?, time: UnixMillis(time.number()?) })
    })
}

/// Remembers the value of the draft that becomes this entry.
pub(super) fn remember(known: &mut Known, draft: &Draft, entry: &Entry, writes: &mut Writes) {
    let Some((key, value)) = draft.remembers() else { return };
    known.need(&TABLE, writes);
    let row = vec![key.into(), Value::Integer(value), entry.id.into()];
    writes.push("INSERT OR REPLACE INTO remembered VALUES (?1, ?2, ?3)", row);
    let values = &mut known.values.0;
    if values.len() >= VALUES && !values.contains_key(key) {
        values.clear();
    }
    values.insert(key.to_owned(), Last { value, id: entry.id, time: entry.time });
}

/// Forgets all values: their entries are deleted.
pub(super) fn forget_all(known: &mut Known, writes: &mut Writes) {
    known.values.0.clear();
    if known.has(&TABLE) {
        writes.push("DELETE FROM remembered", Vec::new());
    }
}

/// Forgets the values whose entries are before this one, and so are freed.
pub(super) fn forget<S: Sql>(sql: &S, known: &mut Known, oldest: EntryId) -> Result<(), S::Failure> {
    known.values.0.retain(|_, last| last.id >= oldest);
    if known.has(&TABLE) {
        sql.run("DELETE FROM remembered WHERE id < ?1", vec![oldest.into()])?;
    }
    Ok(())
}
