//! Which keys were used lately, and what was stored by them.

use super::Sql;
use super::freed::{Freed, Timed};
use super::interface::{Value, first, has_table};
use crate::limits::IDEMPOTENCY_WINDOW;
use crate::store::{Post, Receipt, Stored};
use crate::time::UnixMillis;

/// Made by the first post with a key.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS keys (
        mark TEXT PRIMARY KEY, time INTEGER NOT NULL, draft TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL)
    WITHOUT ROWID;";
const TIMED: Timed = Timed {
    table: "keys",
    delete: "DELETE FROM keys WHERE time <= ?1",
    last: "SELECT time AS n FROM keys ORDER BY time DESC LIMIT 1",
};

/// What was stored by the post's key, if it has one that was used.
pub(super) fn used<S: Sql>(sql: &S, post: &Post, now: UnixMillis) -> Result<Option<Receipt>, S::Failure> {
    let Some((mark, draft)) = post.mark() else { return Ok(None) };
    if !has_table(sql, TIMED.table)? {
        return Ok(None);
    }
    let query = "SELECT draft, id, body FROM keys WHERE mark = ?1 AND time > ?2";
    let bindings = vec![mark.as_str().into(), (now - IDEMPOTENCY_WINDOW).0.into()];
    let used = first(sql, query, bindings, |[first, id, body]| {
        Some((first.text()?, Stored { id: id.id()?, body: body.text()? }))
    })?;
    Ok(used.map(
        |(first, stored)| {
            if first == draft.as_str() { Receipt::Replayed(stored) } else { Receipt::KeyReused }
        },
    ))
}

/// Remembers what was stored by the post's key.
pub(super) fn remember<S: Sql>(
    sql: &S,
    post: &Post,
    stored: &Stored,
    now: UnixMillis,
) -> Result<(), S::Failure> {
    let Some((mark, draft)) = post.mark() else { return Ok(()) };
    sql.run(TABLE, Vec::new())?;
    let row: Vec<Value> = vec![
        mark.as_str().into(),
        now.0.into(),
        draft.as_str().into(),
        stored.id.into(),
        stored.body.as_str().into(),
    ];
    sql.run("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4, ?5)", row).map(drop)
}

/// Frees those that nobody can use again.
pub(super) fn forget<S: Sql>(sql: &S, now: UnixMillis) -> Result<Freed, S::Failure> {
    let (any, last) = TIMED.free(sql, (now - IDEMPOTENCY_WINDOW).0)?;
    Ok(Freed { any, rest_at: last.map(|time| UnixMillis(time) + IDEMPOTENCY_WINDOW) })
}
