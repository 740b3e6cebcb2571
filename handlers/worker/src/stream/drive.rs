//! What a stream does for its session: in its own request all of it, in that of another stream only what that may do.

use js_sys::Uint8Array;
use ssedge::limits::BACKLOG_LOW_BYTES;
use ssedge::session::{Chunk, Input, Output, backlog_bound};
use ssedge::settings::LogLevel;
use ssedge::time::UnixMillis;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::JsValue;
use worker::wasm_bindgen_futures::spawn_local;

use super::Stream;
use crate::frame::JsFrame;
use crate::{host, hubs};

impl Stream {
    /// Feeds the session and does what it says, in the request of the stream.
    pub(super) fn feed(&self, input: Input<JsFrame>) {
        if let Some(left) = self.ending.get() {
            return self.finish(&input, left);
        }
        self.take(input);
        self.arrive();
    }

    /// Feeds the session in whatever request this is: what only its own may do is done there.
    pub(super) fn feed_across(&self, input: Input<JsFrame>) {
        if self.ending.get().is_none() {
            self.take(input);
            if self.drain() {
                return;
            }
        }
        self.cross();
    }

    pub(super) fn cross(&self) {
        self.crossing.cross(&JsValue::NULL);
    }

    fn take(&self, input: Input<JsFrame>) {
        let (now, backlog) = (host::now(), self.body.backlog());
        let is_full = self.admission.borrow().as_ref().is_some_and(|admission| admission.is_full(now));
        let mut session = self.session.borrow_mut();
        session.handle(Input::Bound(backlog_bound(is_full)), now);
        session.handle(Input::Backlog(backlog), now);
        session.handle(input, now);
    }

    /// Does all that is to be done, in the request of the stream.
    pub(super) fn arrive(&self) {
        if let Some(left) = self.ending.get() {
            return self.finish(&Input::Backlog(self.body.backlog()), left);
        }
        self.drive();
        let Some(stream) = self.me.upgrade().filter(|_| self.ending.get().is_none()) else { return };
        if let Some(subscribe) = self.wanted.take() {
            spawn_local(stream.clone().subscribe(subscribe));
        }
        if self.owns.take() {
            spawn_local(stream.take_over());
        }
    }

    /// Sends what the session says. Whether that is all that is to be done.
    fn drain(&self) -> bool {
        loop {
            let output = self.session.borrow_mut().poll_output();
            match output {
                Output::Send(Chunk::Own(block)) => self.send(&Uint8Array::from(&block[..])),
                Output::Send(Chunk::Frame(JsFrame(frame))) => self.send(&frame),
                Output::Subscribe(subscribe) => drop(self.wanted.replace(Some(subscribe))),
                Output::Unsubscribe => self.part(),
                Output::AwaitDrain => self.body.await_drain(BACKLOG_LOW_BYTES),
                Output::WakeAt(at) => return self.timer.is_due_by(at) && self.wanted.borrow().is_none(),
                Output::Close(_) => return false,
            }
        }
    }

    /// The same in the request of the stream, with its timer and its end.
    pub(super) fn drive(&self) {
        if self.drain() {
            return;
        }
        let output = self.session.borrow_mut().poll_output();
        match output {
            Output::Close(reason) => self.end(reason),
            Output::WakeAt(at) => self.wake_at(at),
            _ => {}
        }
    }

    fn send(&self, bytes: &Uint8Array) {
        if let Err(error) = self.body.send(bytes) {
            self.is_broken.set(true);
            if is_refused_across(&error) && hubs::stop_sharing() {
                let line =
                    "the platform lets no stream be written to by another one: each asks its channel itself";
                host::log(self.log_level, LogLevel::Warn, line);
            }
        }
        if let Some(admission) = &*self.admission.borrow() {
            admission.sent(bytes.byte_length() as usize);
        }
    }

    pub(super) fn part(&self) {
        if let Some(place) = &*self.place.borrow() {
            place.part();
        }
    }

    pub(super) fn wake_at(&self, at: UnixMillis) {
        if let Some(callbacks) = &*self.callbacks.borrow() {
            self.timer.arm(at, &callbacks.wake);
        }
    }
}

/// Whether the platform refuses it because it is another request that writes.
fn is_refused_across(error: &JsValue) -> bool {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    message.is_some_and(|message| message.contains("different request"))
}
