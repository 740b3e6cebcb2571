//! From the request of one stream into that of another.
//!
//! What a request has opened is its own: another one may not touch its timers, fetches and sockets. But it may resolve a promise
//! that was made there, and the platform goes on behind it in the request that made it
//! (`handle_cross_request_promise_resolution`). It has to be a promise of JavaScript: tasks of Rust run in whatever request wakes
//! them.

use std::cell::RefCell;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::JsValue;

use crate::host::Callback;

/// A promise that was made in a request, and can be resolved from any.
#[derive(Default)]
pub struct Crossing(RefCell<Option<Function>>);

impl Crossing {
    /// Makes the promise, in the request that is to go on behind it.
    pub fn promise(&self) -> Promise {
        Promise::new(&mut |resolve, _| drop(self.0.replace(Some(resolve))))
    }

    /// Has `callback` called in this request after [`Self::cross`]. It must live until then.
    pub fn arm(&self, callback: &Callback) {
        // The promise that follows is for nobody.
        let _ = self.promise().then(callback);
    }

    /// Goes over. Whether somebody waited on the other side.
    pub fn cross(&self, value: &JsValue) -> bool {
        let Some(resolve) = self.0.take() else { return false };
        resolve.call1(&JsValue::NULL, value).is_ok()
    }
}
