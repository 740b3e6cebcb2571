//! What a channel remembers for each key.
//!
//! A quote tells how far the price has moved since the quote before of its symbol. A search for that quote in the middle
//! of an append would read as far back as the symbol is rare: the whole log, if it is new. So what is needed of it is one
//! row, which is written in the same transaction as its entry.

use super::Sql;
use super::interface::{Value, first, has_table};
use crate::log::{Draft, EntryId};

/// Made by the first draft for which something is to be remembered.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS remembered (key TEXT PRIMARY KEY, value INTEGER NOT NULL, id INTEGER NOT NULL)
    WITHOUT ROWID;";

/// The last value of the draft's key, which counts for as long as its entry is kept: `oldest` is the oldest that is.
pub(super) fn last<S: Sql>(
    sql: &S,
    draft: &Draft,
    oldest: Option<EntryId>,
) -> Result<Option<i64>, S::Failure> {
    let (Some((key, _)), Some(oldest)) = (draft.remembers(), oldest) else { return Ok(None) };
    if !has_table(sql, "remembered")? {
        return Ok(None);
    }
    let query = "SELECT value FROM remembered WHERE key = ?1 AND id >= ?2";
    first(sql, query, vec![key.into(), oldest.into()], |[value]| match value {
        Value::Integer(value) => Some(value),
        _ => None,
    })
}

/// Remembers the value of the draft that has become this entry.
pub(super) fn remember<S: Sql>(sql: &S, draft: &Draft, id: EntryId) -> Result<(), S::Failure> {
    let Some((key, value)) = draft.remembers() else { return Ok(()) };
    sql.run(TABLE, Vec::new())?;
    let row = vec![key.into(), Value::Integer(value), id.into()];
    sql.run("INSERT OR REPLACE INTO remembered VALUES (?1, ?2, ?3)", row).map(drop)
}

/// Forgets the values whose entries are freed.
pub(super) fn forget<S: Sql>(sql: &S) -> Result<(), S::Failure> {
    if has_table(sql, "remembered")? {
        sql.run("DELETE FROM remembered WHERE id NOT IN (SELECT id FROM entries)", Vec::new())?;
    }
    Ok(())
}
