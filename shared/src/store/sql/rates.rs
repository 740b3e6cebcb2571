//! How fast senders post.

use std::cell::RefCell;
use std::time::Duration;

use super::Sql;
use super::freed::{Freed, Timed};
use super::interface::number;
use super::known::{Known, Table};
use super::writes::Writes;
use crate::access::{Buckets, Micros, Rate, Sender, micros};
use crate::limits::{BUCKETS, OBJECT_MEMORY};
use crate::time::UnixMillis;

const TIMED: Timed = Timed {
    // Made by the first sender whose bucket may fill more slowly than an object forgets.
    table: Table {
        name: "buckets",
        create: "
    CREATE TABLE IF NOT EXISTS buckets (sender TEXT PRIMARY KEY, full_at INTEGER NOT NULL) WITHOUT ROWID;",
    },
    delete: "DELETE FROM buckets WHERE full_at <= ?1",
    last: "SELECT full_at AS n FROM buckets ORDER BY full_at DESC LIMIT 1",
};

/// The token buckets of a channel's senders.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    /// A bucket that fills before the object can be evicted is kept in memory only.
    buckets: RefCell<Buckets>,
}

impl Rates {
    pub(super) const fn new(rate: Rate) -> Self {
        Self { rate, buckets: RefCell::new(Buckets::new(BUCKETS)) }
    }

    /// Whether the sender has a token: when its bucket is full once that is taken, or how long it takes until there is one.
    pub(super) fn take<S: Sql>(
        &self,
        sql: &S,
        known: &Known,
        sender: &Sender,
        now: UnixMillis,
    ) -> Result<Result<Micros, Duration>, S::Failure> {
        Ok(self.rate.take(self.full_at(sql, known, sender)?, now))
    }

    /// Writes when the sender's bucket is full, if that may be asked for after the object's memory is gone.
    pub(super) fn store(
        &self,
        known: &mut Known,
        sender: &Sender,
        full_at: Micros,
        now: UnixMillis,
        writes: &mut Writes,
    ) {
        if !self.fills_slowly() {
            return;
        }
        let is_new = known.need(&TIMED.table, writes);
        if !is_new && known.buckets.is_multiple_of(BUCKETS) {
            writes.push(TIMED.delete, vec![micros(now).into()]);
        }
        known.buckets += 1;
        let row = vec![sender.as_str().into(), full_at.into()];
        writes.push("INSERT OR REPLACE INTO buckets VALUES (?1, ?2)", row);
    }

    /// Remembers when the sender's bucket is full, once its post is stored.
    pub(super) fn fill(&self, sender: &Sender, full_at: Micros, now: UnixMillis) {
        self.buckets.borrow_mut().fill(sender, full_at, now);
    }

    /// Forgets what the storage remembers too.
    pub(super) fn forget_stored(&self) {
        if self.fills_slowly() {
            self.buckets.replace(Buckets::new(BUCKETS));
        }
    }

    /// Frees those that are full.
    pub(super) fn forget<S: Sql>(sql: &S, known: &Known, now: UnixMillis) -> Result<Freed, S::Failure> {
        let (any, last) = TIMED.free(sql, known, micros(now))?;
        Ok(Freed { any, rest_at: last.map(|full_at| UnixMillis(full_at.div_ceil(1_000))) })
    }

    /// Whether an empty bucket may outlive the object's memory.
    fn fills_slowly(&self) -> bool {
        let memory = UnixMillis(0) + OBJECT_MEMORY;
        self.rate.empty(UnixMillis(0)) > micros(memory)
    }

    fn full_at<S: Sql>(&self, sql: &S, known: &Known, sender: &Sender) -> Result<Micros, S::Failure> {
        if let Some(full_at) = self.buckets.borrow().full_at(sender) {
            return Ok(full_at);
        }
        if !self.fills_slowly() || !known.has(&TIMED.table) {
            return Ok(0);
        }
        let query = "SELECT full_at FROM buckets WHERE sender = ?1";
        Ok(number(sql, query, vec![sender.as_str().into()])?.unwrap_or(0))
    }
}
