//! What senders did lately: how fast they post, and by which keys.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde::Deserialize;
use ssedge::access::{Buckets, Micros, Rate, Sender, micros};
use ssedge::limits::{BUCKETS, IDEMPOTENCY_WINDOW, OBJECT_MEMORY};
use ssedge::store::{Post, Receipt, Stored};
use ssedge::time::UnixMillis;
use worker::{Result, SqlStorage};

use crate::log::{id, integer};
use crate::storage::{Freed, Number, has_table};

/// Made by the first post with a key.
const KEYS: &str = "
    CREATE TABLE IF NOT EXISTS keys (
        mark TEXT PRIMARY KEY, time INTEGER NOT NULL, draft TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL)
    WITHOUT ROWID;";
/// Made by the first sender whose bucket may fill more slowly than an object forgets.
const FILLING: &str = "
    CREATE TABLE IF NOT EXISTS buckets (sender TEXT PRIMARY KEY, full_at INTEGER NOT NULL) WITHOUT ROWID;";
/// How often old keys are forgotten: looking for them reads all.
const FORGET_EVERY: Duration = Duration::from_secs(60);

pub struct Posts {
    sql: SqlStorage,
    rate: Rate,
    /// A bucket that fills before the object can be evicted is nowhere else.
    buckets: RefCell<Buckets>,
    forgot_at: Cell<UnixMillis>,
}

#[derive(Deserialize)]
struct KeyRow {
    draft: String,
    id: u64,
    body: String,
}

#[derive(Deserialize)]
struct BucketRow {
    full_at: Micros,
}

impl Posts {
    pub fn new(sql: SqlStorage, rate: Rate) -> Self {
        Self { sql, rate, buckets: RefCell::new(Buckets::new(BUCKETS)), forgot_at: Cell::new(UnixMillis(0)) }
    }

    /// What becomes of a post that is not to be stored.
    pub fn refuse(&self, post: &Post, now: UnixMillis) -> Result<Option<Receipt>> {
        if let Some((mark, draft)) = post.mark()
            && has_table(&self.sql, "keys")?
        {
            let query = "SELECT draft, id, body FROM keys WHERE mark = ?1 AND time > ?2";
            let bindings = vec![mark.as_str().into(), integer((now - IDEMPOTENCY_WINDOW).0)];
            if let Some(KeyRow { draft: first, id: n, body }) =
                self.sql.exec(query, bindings)?.to_array()?.pop()
            {
                let is_same = first == draft.as_str();
                let stored = Stored { id: id(n)?, body };
                return Ok(Some(if is_same { Receipt::Replayed(stored) } else { Receipt::KeyReused }));
            }
        }
        match self.rate.take(self.full_at(&post.sender)?, now) {
            Ok(full_at) => self.fill(&post.sender, full_at, now).map(|()| None),
            Err(wait) => Ok(Some(Receipt::TooFast(wait))),
        }
    }

    /// Remembers what was stored by a key.
    pub fn stored(&self, post: &Post, stored: &Stored, now: UnixMillis) -> Result<()> {
        let Some((mark, draft)) = post.mark() else { return Ok(()) };
        self.sql.exec(KEYS, None)?;
        if now.since(self.forgot_at.get()) >= FORGET_EVERY {
            self.forget(now)?;
        }
        let row = vec![
            mark.as_str().into(),
            integer(now.0),
            draft.as_str().into(),
            integer(stored.id.get()),
            stored.body.as_str().into(),
        ];
        let query = "INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3, ?4, ?5)";
        self.sql.exec(query, row).map(drop)
    }

    /// When nobody can use the key of a post again.
    pub fn forgets(&self, post: &Post, now: UnixMillis) -> Option<UnixMillis> {
        post.key.as_ref().map(|_| now + IDEMPOTENCY_WINDOW)
    }

    /// Frees the keys that nobody can use again, and the buckets that are full.
    pub fn forget(&self, now: UnixMillis) -> Result<Freed> {
        self.forgot_at.set(now);
        let keys = self.free("keys", "time", (now - IDEMPOTENCY_WINDOW).0)?;
        let buckets = self.free("buckets", "full_at", micros(now))?;
        let keys = Freed { rest_at: keys.1.map(|time| UnixMillis(time) + IDEMPOTENCY_WINDOW), any: keys.0 };
        let full_at = buckets.1.map(|full_at| UnixMillis(full_at.div_ceil(1_000)));
        Ok(keys.and(Freed { rest_at: full_at, any: buckets.0 }))
    }

    /// Frees the rows up to this time: whether there were any, and the last time of the others.
    fn free(&self, table: &str, time: &str, upto: u64) -> Result<(bool, Option<u64>)> {
        if !has_table(&self.sql, table)? {
            return Ok((false, None));
        }
        let delete = format!("DELETE FROM {table} WHERE {time} <= ?1");
        let any = self.sql.exec(&delete, vec![integer(upto)])?.rows_written() > 0;
        let last = format!("SELECT {time} AS n FROM {table} ORDER BY {time} DESC LIMIT 1");
        let last: Option<Number> = self.sql.exec(&last, None)?.to_array()?.pop();
        Ok((any, last.map(|last| last.n)))
    }

    /// Whether an empty bucket may outlive the object's memory.
    fn fills_slowly(&self) -> bool {
        let memory = UnixMillis(0) + OBJECT_MEMORY;
        self.rate.empty(UnixMillis(0)) > micros(memory)
    }

    fn full_at(&self, sender: &Sender) -> Result<Micros> {
        if let Some(full_at) = self.buckets.borrow().full_at(sender) {
            return Ok(full_at);
        }
        if !self.fills_slowly() || !has_table(&self.sql, "buckets")? {
            return Ok(0);
        }
        let query = "SELECT full_at FROM buckets WHERE sender = ?1";
        let row: Option<BucketRow> = self.sql.exec(query, vec![sender.as_str().into()])?.to_array()?.pop();
        Ok(row.map_or(0, |row| row.full_at))
    }

    fn fill(&self, sender: &Sender, full_at: Micros, now: UnixMillis) -> Result<()> {
        self.buckets.borrow_mut().fill(sender, full_at, now);
        if !self.fills_slowly() {
            return Ok(());
        }
        self.sql.exec(FILLING, None)?;
        self.sql.exec("DELETE FROM buckets WHERE full_at <= ?1", vec![integer(micros(now))])?;
        let row = vec![sender.as_str().into(), integer(full_at)];
        self.sql.exec("INSERT OR REPLACE INTO buckets VALUES (?1, ?2)", row).map(drop)
    }
}
