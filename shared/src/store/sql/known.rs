//! What a channel knows of its storage, so that a post has nothing to ask of it.

use std::collections::BTreeSet;

use super::interface::{Value, first};
use super::terms::{self, Terms};
use super::values::Values;
use super::writes::Writes;
use super::{Sql, log};
use crate::log::{EntryId, Tail};

const TABLES: &str = "SELECT name, sql FROM sqlite_master";
/// What a table of entries gets that was made when each row was one entry.
const WITH_COUNT: &str = "ALTER TABLE entries ADD COLUMN count INTEGER";

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
    /// The first id of the newest row.
    pub newest_row: EntryId,
    /// The oldest id that is stored, whether it is kept or not; from it on there is every id up to the last.
    pub oldest: EntryId,
    /// The terms of the channel.
    pub terms: Terms,
    /// The last values of some keys.
    pub values: Values,
    /// How many buckets were stored since those that are full were last deleted.
    pub buckets: usize,
}

impl Known {
    pub fn read<S: Sql>(sql: &S) -> Result<Self, S::Failure> {
        let (mut tables, mut is_old) = (BTreeSet::new(), false);
        for row in sql.rows(TABLES, Vec::new())? {
            let Ok::<[Value; 2], _>([Value::Text(name), made]) = row?.try_into() else {
                return Err(S::malformed(TABLES));
            };
            is_old |= name == log::ENTRIES && made.text().is_some_and(|made| !made.contains("count"));
            tables.insert(name);
        }
        if is_old {
            sql.run(WITH_COUNT, Vec::new())?;
        }
        let end = if tables.contains(log::TABLES.name) {
            first(sql, log::END, Vec::new(), log::end)?
        } else {
            None
        };
        let terms = if tables.contains(terms::TABLE.name) { Terms::read(sql)? } else { Terms::default() };
        let values = Values::default();
        let (tail, newest_row, oldest) = match end {
            Some((tail, newest_row, oldest)) => (Some(tail), newest_row, oldest),
            None => (None, EntryId::BEGINNING, EntryId::BEGINNING),
        };
        Ok(Self { tables, tail, newest_row, oldest, terms, values, buckets: 0 })
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
