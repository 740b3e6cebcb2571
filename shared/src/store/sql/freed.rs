//! What is freed, and when the rest can be.

use super::Sql;
use super::interface::{Value, number};
use super::known::{Known, Table};
use crate::time::UnixMillis;

/// What became of a table from which all is freed that nobody can ask for any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Freed {
    /// There was something.
    pub any: bool,
    /// When nobody can ask for the rest any more.
    pub rest_at: Option<UnixMillis>,
}

impl Freed {
    /// Of two tables: it is looked again when one of them can be freed whole.
    pub(super) fn and(self, other: Self) -> Self {
        let rest_at = self.rest_at.into_iter().chain(other.rest_at).min();
        Self { any: self.any || other.any, rest_at }
    }
}

/// A table of what has a time, and the statements that free it.
pub(super) struct Timed {
    pub table: Table,
    /// Deletes the rows up to the time that it is bound to.
    pub delete: &'static str,
    /// Finds the last time of the others.
    pub last: &'static str,
}

impl Timed {
    /// Frees the rows up to this time: whether there were any, and the last time of the others.
    pub(super) fn free<S: Sql>(
        &self,
        sql: &S,
        known: &Known,
        upto: u64,
    ) -> Result<(bool, Option<u64>), S::Failure> {
        if !known.has(&self.table) {
            return Ok((false, None));
        }
        let any = sql.run(self.delete, vec![Value::from(upto)])? > 0;
        Ok((any, number(sql, self.last, Vec::new())?))
    }
}
