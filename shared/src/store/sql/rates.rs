//! How fast senders post.

use std::cell::RefCell;

use super::Sql;
use super::freed::{Freed, Timed};
use super::interface::{has_table, number};
use crate::access::{Buckets, Micros, Rate, Sender, micros};
use crate::limits::{BUCKETS, OBJECT_MEMORY};
use crate::store::Receipt;
use crate::time::UnixMillis;

/// Made by the first sender whose bucket may fill more slowly than an object forgets.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS buckets (sender TEXT PRIMARY KEY, full_at INTEGER NOT NULL) WITHOUT ROWID;";
const TIMED: Timed = Timed {
    table: "buckets",
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

    /// Takes a token; if there is none, says when there is one.
    pub(super) fn refuse<S: Sql>(
        &self,
        sql: &S,
        sender: &Sender,
        now: UnixMillis,
    ) -> Result<Option<Receipt>, S::Failure> {
        match self.rate.take(self.full_at(sql, sender)?, now) {
            Ok(full_at) => self.fill(sql, sender, full_at, now).map(|()| None),
            Err(wait) => Ok(Some(Receipt::TooFast(wait))),
        }
    }

    /// Frees those that are full.
    pub(super) fn forget<S: Sql>(sql: &S, now: UnixMillis) -> Result<Freed, S::Failure> {
        let (any, last) = TIMED.free(sql, micros(now))?;
        Ok(Freed { any, rest_at: last.map(|full_at| UnixMillis(full_at.div_ceil(1_000))) })
    }

    /// Whether an empty bucket may outlive the object's memory.
    fn fills_slowly(&self) -> bool {
        let memory = UnixMillis(0) + OBJECT_MEMORY;
        self.rate.empty(UnixMillis(0)) > micros(memory)
    }

    fn full_at<S: Sql>(&self, sql: &S, sender: &Sender) -> Result<Micros, S::Failure> {
        if let Some(full_at) = self.buckets.borrow().full_at(sender) {
            return Ok(full_at);
        }
        if !self.fills_slowly() || !has_table(sql, TIMED.table)? {
            return Ok(0);
        }
        let query = "SELECT full_at FROM buckets WHERE sender = ?1";
        Ok(number(sql, query, vec![sender.as_str().into()])?.unwrap_or(0))
    }

    fn fill<S: Sql>(
        &self,
        sql: &S,
        sender: &Sender,
        full_at: Micros,
        now: UnixMillis,
    ) -> Result<(), S::Failure> {
        self.buckets.borrow_mut().fill(sender, full_at, now);
        if !self.fills_slowly() {
            return Ok(());
        }
        sql.run(TABLE, Vec::new())?;
        sql.run(TIMED.delete, vec![micros(now).into()])?;
        let row = vec![sender.as_str().into(), full_at.into()];
        sql.run("INSERT OR REPLACE INTO buckets VALUES (?1, ?2)", row).map(drop)
    }
}
