//! The storage of a Durable Object: its SQLite, as [`ssedge::store::sql`] asks it, and the alarm that frees it.

use std::cell::Cell;
use std::rc::Rc;

use ssedge::store::sql::{Sql, Value};
use ssedge::time::UnixMillis;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use worker::{Error, Result, SqlCursor, SqlStorage, SqlStorageValue, State};

use crate::host;

#[wasm_bindgen]
extern "C" {
    /// The storage, with what the `worker` crate does not have of it.
    type Storage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &Storage,
        writes: &mut dyn FnMut() -> std::result::Result<(), JsValue>,
    ) -> std::result::Result<(), JsValue>;
}

/// The SQLite of the object, as the core asks it.
pub struct Sqlite {
    state: Rc<State>,
    sql: SqlStorage,
}

impl Sqlite {
    pub fn new(state: Rc<State>) -> Self {
        Self { sql: state.storage().sql(), state }
    }

    fn exec(&self, statement: &str, bindings: Vec<Value>) -> Result<SqlCursor> {
        let bindings = bindings.into_iter().map(|value| match value {
            Value::Null => JsValue::NULL,
            Value::Integer(n) => JsValue::from_f64(n as f64),
            Value::Text(text) => JsValue::from_str(&text),
        });
        self.sql.exec_raw(statement, bindings.collect::<Vec<_>>())
    }
}

impl Sql for Sqlite {
    type Failure = Error;

    fn rows(&self, query: &str, bindings: Vec<Value>) -> Result<impl Iterator<Item = Result<Vec<Value>>>> {
        Ok(self.exec(query, bindings)?.raw().map(|row| row?.into_iter().map(value).collect()))
    }

    fn run(&self, statement: &str, bindings: Vec<Value>) -> Result<u64> {
        Ok(self.exec(statement, bindings)?.rows_written() as u64)
    }

    /// Without it, the writes before the one that fails would stay.
    fn transaction<T>(&self, writes: impl FnOnce() -> Result<T>) -> Result<T> {
        let storage = self.state.storage();
        let storage: &Storage = storage.as_raw().unchecked_ref();
        let (mut writes, mut written) = (Some(writes), None);
        storage.transaction_sync(&mut || {
            let writes = writes.take().ok_or_else(|| JsValue::from("a transaction is made once"))?;
            written = Some(writes()?);
            Ok(())
        })?;
        written.ok_or_else(|| Error::RustError("the platform made no transaction".into()))
    }

    fn malformed(row: &'static str) -> Error {
        Error::RustError(format!("a row is not as it was written: {row}"))
    }
}

/// A value of the platform, whose numbers are all of JavaScript.
fn value(value: SqlStorageValue) -> Result<Value> {
    match value {
        SqlStorageValue::Null => Ok(Value::Null),
        SqlStorageValue::Integer(n) => Ok(Value::Integer(n)),
        SqlStorageValue::String(text) => Ok(Value::Text(text)),
        _ => Err(Error::RustError("a value is of a type that is not stored".into())),
    }
}

/// The alarm. There is one whenever something is stored.
#[derive(Default)]
pub struct Alarm {
    /// When it is due, at the latest, as far as this object knows.
    due: Cell<Option<UnixMillis>>,
}

impl Alarm {
    /// Whether it is due at this time or before, as far as this object knows.
    pub fn is_due_by(&self, at: UnixMillis) -> bool {
        self.due.get().is_some_and(|due| due <= at)
    }

    /// Sees to it that it is due at this time or before.
    pub async fn due_by(&self, state: &State, at: UnixMillis) -> Result<()> {
        if self.is_due_by(at) {
            return Ok(());
        }
        let storage = state.storage();
        let set = storage.get_alarm().await?.and_then(|due| u64::try_from(due).ok()).map(UnixMillis);
        let due = set.filter(|due| *due <= at);
        if due.is_none() {
            storage.set_alarm(at.since(host::now())).await?;
        }
        self.due.set(due.or(Some(at)));
        Ok(())
    }

    /// It has come.
    pub fn came(&self) {
        self.due.set(None);
    }
}
