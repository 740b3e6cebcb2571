//! The storage of a Durable Object, as a whole: its transactions, and the alarm that frees it.

use std::cell::Cell;

use serde::Deserialize;
use ssedge::time::UnixMillis;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use worker::{Error, Result, SqlStorage, State};

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

/// Makes all of these writes, or none if one fails. Without it those before the one that fails would stay.
pub fn transaction<T>(state: &State, writes: impl Fn() -> Result<T>) -> Result<T> {
    let storage = state.storage();
    let storage: &Storage = storage.as_raw().unchecked_ref();
    let mut written = None;
    storage.transaction_sync(&mut || {
        written = Some(writes()?);
        Ok(())
    })?;
    written.ok_or_else(|| Error::RustError("the platform made no transaction".into()))
}

/// What became of a table from which all is freed that nobody can ask for any more.
#[derive(Clone, Copy, Default)]
pub struct Freed {
    /// There was something.
    pub any: bool,
    /// When nobody can ask for the rest any more.
    pub rest_at: Option<UnixMillis>,
}

impl Freed {
    /// Of two tables: it is looked again when one of them can be freed whole.
    pub fn and(self, other: Self) -> Self {
        let rest_at = self.rest_at.into_iter().chain(other.rest_at).min();
        Self { any: self.any || other.any, rest_at }
    }
}

/// A row of one number, by the name `n`.
#[derive(Deserialize)]
pub struct Number {
    pub n: u64,
}

/// Whether there is this table. Nothing is created before something is stored: a room that is only read costs nothing.
pub fn has_table(sql: &SqlStorage, name: &str) -> Result<bool> {
    let tables = sql.exec("SELECT 1 FROM sqlite_master WHERE name = ?1", vec![name.into()])?;
    Ok(tables.raw().next().is_some())
}

/// The alarm. There is one whenever something is stored.
#[derive(Default)]
pub struct Alarm {
    /// When it is due, at the latest, as far as this object knows.
    due: Cell<Option<UnixMillis>>,
}

impl Alarm {
    /// Sees to it that it is due at this time or before.
    pub async fn due_by(&self, state: &State, at: UnixMillis) -> Result<()> {
        let in_time = |due: &UnixMillis| *due <= at;
        if self.due.get().as_ref().is_some_and(in_time) {
            return Ok(());
        }
        let storage = state.storage();
        let set = storage.get_alarm().await?.and_then(|due| u64::try_from(due).ok()).map(UnixMillis);
        let due = set.filter(in_time);
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
