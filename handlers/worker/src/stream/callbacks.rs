//! What the platform calls, in the request of the stream.

use std::rc::Rc;

use ssedge::session::Input;
use wasm_bindgen::prelude::Closure;
use web_sys::{AbortSignal, ReadableStream};
use worker::Result;

use super::Stream;
use crate::body::Pull;
use crate::host::{Callback, function};
use crate::hubs::Place;

pub(super) struct Callbacks {
    pub wake: Callback,
    gone: Callback,
    crossed: Callback,
    _pull: Pull,
    signal: AbortSignal,
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        // A listener that outlived its callback would throw.
        let _ = self.signal.remove_event_listener_with_callback("abort", function(&self.gone));
    }
}

impl Stream {
    /// Gives the platform its callbacks.
    pub(super) fn connect(self: &Rc<Self>, signal: &AbortSignal) -> Result<ReadableStream> {
        let stream = self.clone();
        let wake = Closure::new(move |_| {
            stream.timer.forget();
            stream.wake();
        });
        let stream = self.clone();
        let gone = Closure::new(move |_| stream.feed(Input::ReaderGone));
        let stream = Rc::downgrade(self);
        let crossed = Closure::new(move |_| {
            if let Some(stream) = stream.upgrade() {
                stream.arm_crossing();
                stream.arrive();
            }
        });
        let stream = Rc::downgrade(self);
        let drained = move || {
            if let Some(stream) = stream.upgrade() {
                // Whoever writes to the body may have called it.
                stream.feed_across(Input::Backlog(stream.body.backlog()));
            }
        };
        let (body, pull) = self.body.open(drained, function(&gone))?;
        signal.add_event_listener_with_callback("abort", function(&gone))?;
        let callbacks = Callbacks { wake, gone, crossed, _pull: pull, signal: signal.clone() };
        self.callbacks.replace(Some(callbacks));
        self.arm_crossing();
        Ok(body)
    }

    fn arm_crossing(&self) {
        if let Some(callbacks) = &*self.callbacks.borrow() {
            self.crossing.arm(&callbacks.crossed);
        }
    }

    /// The timer of the stream.
    fn wake(&self) {
        if self.is_broken.get() {
            // The reader comes back with the last id that it has.
            self.body.abort();
            return self.feed(Input::ReaderGone);
        }
        if self.place.borrow().as_ref().is_some_and(Place::alive) {
            self.owns.set(true);
        }
        self.feed(Input::Wake);
    }
}
