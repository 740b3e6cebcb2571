//! What a post writes.

use super::Sql;
use super::interface::Value;

/// Statements in their order: all of them are run, or none.
#[derive(Default)]
pub(super) struct Writes(Vec<Write>);

struct Write {
    statement: &'static str,
    bindings: Vec<Value>,
    /// It may write no row, and then nothing is written after it.
    decides: bool,
}

impl Writes {
    pub fn push(&mut self, statement: &'static str, bindings: Vec<Value>) {
        self.0.push(Write { statement, bindings, decides: false });
    }

    /// One that decides about all that follow: they are run only if it writes a row.
    pub fn push_deciding(&mut self, statement: &'static str, bindings: Vec<Value>) {
        self.0.push(Write { statement, bindings, decides: true });
    }

    /// Runs them; whether all were. One statement alone is whole by itself, and needs no transaction.
    pub fn run<S: Sql>(self, sql: &S) -> Result<bool, S::Failure> {
        let is_one = self.0.len() == 1;
        let run = || {
            for Write { statement, bindings, decides } in self.0 {
                if sql.run(statement, bindings)? == 0 && decides {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        if is_one { run() } else { sql.transaction(run) }
    }
}
