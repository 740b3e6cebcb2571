//! Which keys were used lately, and what was stored by them.

use super::Sql;
use super::freed::{Freed, Timed};
use super::interface::{Value, first};
use super::known::{Known, Table};
use super::writes::Writes;
use crate::limits::IDEMPOTENCY_WINDOW;
use crate::store::{Post, Receipt, Stored};
use crate::time::UnixMillis;

const TIMED: Timed = Timed {
    // Made by the first post with a key.
    table: Table {
        name: "keys",
        create: "
    CREATE TABLE IF NOT EXISTS keys (
        mark TEXT PRIMARY KEY, time INTEGER NOT NULL, draft TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL)
    WITHOUT ROWID;",
    },
    delete: "DELETE FROM keys WHERE time <= ?1",
    last: "SELECT time AS n FROM keys ORDER BY time DESC LIMIT 1",
};
/// Writes no row if the key was used after the time ?6.
const CLAIM: &str = "
    INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (mark) DO UPDATE
    SET time = excluded.time, draft = excluded.draft, id = excluded.id, body = excluded.body WHERE time <= ?6";
const USED: &str = "SELECT draft, id, body FROM keys WHERE mark = ?1 AND time > ?2";

/// What was stored by the post's key, if it has one that was used.
pub(super) fn used<S: Sql>(
    sql: &S,
    known: &Known,
    post: &Post,
    now: UnixMillis,
) -> Result<Option<Receipt>, S::Failure> {
    let Some((mark, draft)) = post.mark() else { return Ok(None) };
    if !known.has(&TIMED.table) {
        return Ok(None);
    }
    let bindings = vec![mark.as_str().into(), (now - IDEMPOTENCY_WINDOW).0.into()];
    let used = first(sql, USED, bindings, |[first, id, body]| {
        Some((first.text()?, Stored { last: id.id()?, body: body.text()? }))
    })?;
    Ok(used.map(
        |(first, stored)| {
            if first == draft.as_str() { Receipt::Replayed(stored) } else { Receipt::KeyReused }
        },
    ))
}

/// Remembers what is stored by the post's key, if it has one. A key that was used lately stops all that is written after it.
pub(super) fn claim(known: &mut Known, post: &Post, stored: &Stored, now: UnixMillis, writes: &mut Writes) {
    let Some((mark, draft)) = post.mark() else { return };
    known.need(&TIMED.table, writes);
    let row: Vec<Value> = vec![
        mark.as_str().into(),
        now.0.into(),
        draft.as_str().into(),
        stored.last.into(),
        stored.body.as_str().into(),
        (now - IDEMPOTENCY_WINDOW).0.into(),
    ];
    writes.push_deciding(CLAIM, row);
}

/// Frees those that nobody can use again.
pub(super) fn forget<S: Sql>(sql: &S, known: &Known, now: UnixMillis) -> Result<Freed, S::Failure> {
    let (any, last) = TIMED.free(sql, known, (now - IDEMPOTENCY_WINDOW).0)?;
    Ok(Freed { any, rest_at: last.map(|time| UnixMillis(time) + IDEMPOTENCY_WINDOW) })
}

/// A key was used, and there is nothing that was stored by it.
pub(super) fn lost<S: Sql>() -> S::Failure {
    S::malformed(USED)
}
