//! What a channel knows of its storage, so that a post has nothing to ask of it.

use std::collections::BTreeSet;

use super::interface::{Value, first};
use super::values::Values;
use super::writes::Writes;
use super::{Sql, log};
use crate::log::{EntryId, Tail};

const TABLES: &str = "SELECT name FROM sqlite_master";

/// A table, with the statement that makes it: nothing is created before something is stored in it.
pub(super) struct Table {
    pub name: &'static str,
    pub create: &'static str,
}

/// Read once, and after that as true as what was last written: nobody else writes. When anything fails it is dropped and
/// read anew, because nobody knows then what was written.
#[derive(Debug)]
pub(super) struct Known {
    tables: BTreeSet<String>,
    /// Where the log ends; `None` if nothing was ever stored.
    pub tail: Option<Tail>,
    /// The oldest id that is stored, whether it is kept or not; from it on there is every id up to the last.
    pub oldest: EntryId,
    /// The last values of some keys.
    pub values: Values,
    /// How many buckets were stored since those that are full were last deleted.
    pub buckets: usize,
}

impl Known {
    pub fn read<S: Sql>(sql: &S) -> Result<Self, S::Failure> {
        let name = |row: Vec<Value>| row.into_iter().next().and_then(Value::text);
        let rows = sql.rows(TABLES, Vec::new())?;
        let tables = rows.map(|row| name(row?).ok_or_else(|| S::malformed(TABLES)));
        let tables: BTreeSet<String> = tables.collect::<Result<_, _>>()?;
        let end = if tables.contains(log::TABLES.name) {
            first(sql, log::END, Vec::new(), log::end)?
        } else {
            None
        };
        let (tail, oldest) = end.unzip();
        let oldest = oldest.unwrap_or(EntryId::BEGINNING);
        Ok(Self { tables, tail, oldest, values: Values::default(), buckets: 0 })
    }

    pub fn has(&self, table: &Table) -> bool {
        self.tables.contains(table.name)
    }

    /// Has the table made, unless there is one; whether it is new.
    pub fn need(&mut self, table: &Table, writes: &mut Writes) -> bool {
        let is_new = self.tables.insert(table.name.to_owned());
        if is_new {
            writes.push(table.create, Vec::new());
        }
        is_new
    }
}
