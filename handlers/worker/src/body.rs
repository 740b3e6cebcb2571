//! The body of a stream: a `ReadableStream` that is written to, and says how much its reader has not taken.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use ssedge::limits::BACKLOG_LOW_BYTES;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::{
    ByteLengthQueuingStrategy, QueuingStrategyInit, ReadableStream, ReadableStreamDefaultController,
};
use worker::Result;

/// What the platform calls when the reader wants more. It must live as long as the body.
pub type Pull = Closure<dyn FnMut() -> Promise>;

#[derive(Default)]
pub struct Body {
    /// Not behind a borrow: what is written may call `pull` at once, and that may close the body.
    controller: OnceCell<ReadableStreamDefaultController>,
    /// Somebody wants to know when the backlog is as low.
    awaited: Cell<Option<usize>>,
    /// Ends the wait of `pull`, which would be called for every read otherwise.
    pull_again: RefCell<Option<Function>>,
}

impl Body {
    /// The platform's side. `drained` is called when the backlog is as low as was awaited, `cancel` when the reader
    /// cancels.
    pub fn open(
        self: &Rc<Self>,
        drained: impl Fn() + 'static,
        cancel: &Function,
    ) -> Result<(ReadableStream, Pull)> {
        let body = self.clone();
        let start = Closure::once(move |controller| drop(body.controller.set(controller)));
        let body = Rc::downgrade(self);
        let pull = Closure::new(move || body.upgrade().map_or_else(now, |body| body.pull(&drained)));
        let source = Object::new();
        Reflect::set(&source, &"start".into(), start.as_ref())?;
        Reflect::set(&source, &"pull".into(), pull.as_ref())?;
        Reflect::set(&source, &"cancel".into(), cancel)?;
        let high_water = QueuingStrategyInit::new(BACKLOG_LOW_BYTES as f64);
        let strategy = ByteLengthQueuingStrategy::new(&high_water)?;
        let stream =
            ReadableStream::new_with_underlying_source_and_strategy(&source, strategy.unchecked_ref())?;
        Ok((stream, pull))
    }

    fn pull(&self, drained: &impl Fn()) -> Promise {
        if self.awaited.get().is_some_and(|awaited| self.backlog() <= awaited) {
            self.awaited.set(None);
            drained();
        }
        if self.awaited.get().is_some() {
            return now();
        }
        Promise::new(&mut |resolve, _| drop(self.pull_again.replace(Some(resolve))))
    }

    /// Bytes that the reader has not taken.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bytes")]
    pub fn backlog(&self) -> usize {
        let room = self.controller.get().and_then(ReadableStreamDefaultController::desired_size);
        room.map_or(0, |room| (BACKLOG_LOW_BYTES as f64 - room).max(0.0) as usize)
    }

    /// Has `drained` called once the backlog is down to so many bytes, at most [`BACKLOG_LOW_BYTES`].
    pub fn await_drain(&self, to: usize) {
        self.awaited.set(Some(to));
        if let Some(resolve) = self.pull_again.take() {
            // A promise that is resolved twice stays as it is.
            let _ = resolve.call0(&JsValue::NULL);
        }
    }

    /// # Errors
    /// A body that was closed or cancelled takes no more.
    pub fn send(&self, bytes: &Uint8Array) -> std::result::Result<(), JsValue> {
        self.controller.get().map_or(Ok(()), |controller| controller.enqueue_with_chunk(bytes))
    }

    /// Cuts the body off, with what was not taken.
    pub fn abort(&self) {
        if let Some(controller) = self.controller.get() {
            controller.error();
        }
    }

    /// Ends the body once everything sent is taken.
    pub fn close(&self) {
        if let Some(controller) = self.controller.get() {
            // A body that was cancelled is closed.
            let _ = controller.close();
        }
    }
}

fn now() -> Promise {
    Promise::resolve(&JsValue::NULL)
}
