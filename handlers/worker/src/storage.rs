//! The storage of a Durable Object, as a whole.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use worker::{Error, Result, State};

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
