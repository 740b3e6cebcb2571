//! One reader's response: drives a [`Session`] with the channel, the timer, and the reader's leaving.

mod ending;
mod upstream;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::future::AbortHandle;
use js_sys::Uint8Array;
use ssedge::limits::BACKLOG_LOW_BYTES;
use ssedge::log::{EntryId, Subscribe};
use ssedge::session::{Chunk, Input, Output, Session, StreamConfig, StreamRequest, backlog_bound};
use ssedge::settings::LogLevel;
use ssedge::time::UnixMillis;
use wasm_bindgen::prelude::Closure;
use web_sys::{AbortSignal, ReadableStream};
use worker::Result;
use worker::wasm_bindgen_futures::spawn_local;

use crate::admission::Admission;
use crate::body::{Body, Pull};
use crate::host::{self, Callback, Timer, function};
use crate::link::{JsFrame, Link};
use crate::subscription::Subscription;

/// A stream lives as long as its callbacks: they hold it, and [`Stream::end`] lets them go.
pub struct Stream {
    session: RefCell<Session<JsFrame>>,
    link: Option<Link>,
    /// Until the reader has taken what it was sent, or has left.
    admission: RefCell<Option<Admission>>,
    log_level: LogLevel,
    body: Rc<Body>,
    /// The session is over, and so many bytes wait for the reader.
    ending: Cell<Option<usize>>,
    subscription: RefCell<Option<Subscription>>,
    /// Gives up what the channel was last asked for.
    asked: RefCell<Option<AbortHandle>>,
    timer: Timer,
    callbacks: RefCell<Option<Callbacks>>,
}

struct Callbacks {
    wake: Callback,
    gone: Callback,
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
    /// Opens a stream and waits until it is known where it starts. `signal` aborts when the reader leaves.
    pub async fn open(
        request: StreamRequest,
        config: StreamConfig,
        link: Option<Link>,
        admission: Admission,
        log_level: LogLevel,
        signal: &AbortSignal,
    ) -> Result<(Rc<Self>, ReadableStream)> {
        let session = Session::open(request, config, host::seed(), host::now());
        let stream = Rc::new(Self {
            session: RefCell::new(session),
            link,
            body: admission.body().clone(),
            admission: RefCell::new(Some(admission)),
            log_level,
            ending: Cell::default(),
            subscription: RefCell::default(),
            asked: RefCell::default(),
            timer: Timer::default(),
            callbacks: RefCell::default(),
        });
        let body = stream.connect(signal)?;
        if let Some(subscribe) = stream.drive() {
            stream.clone().subscribe(subscribe).await;
        }
        Ok((stream, body))
    }

    /// Where the stream starts, if that is known.
    pub fn starts_after(&self) -> Option<EntryId> {
        self.session.borrow().starts_after()
    }

    /// Gives the platform its callbacks.
    fn connect(self: &Rc<Self>, signal: &AbortSignal) -> Result<ReadableStream> {
        let stream = self.clone();
        let wake = Closure::new(move |_| {
            stream.timer.fired();
            stream.feed(Input::Wake);
        });
        let stream = self.clone();
        let gone = Closure::new(move |_| stream.feed(Input::ReaderGone));
        let stream = Rc::downgrade(self);
        let drained = move || {
            if let Some(stream) = stream.upgrade() {
                stream.feed(Input::Backlog(stream.body.backlog()));
            }
        };
        let (body, pull) = self.body.open(drained, function(&gone))?;
        signal.add_event_listener_with_callback("abort", function(&gone))?;
        self.callbacks.replace(Some(Callbacks { wake, gone, _pull: pull, signal: signal.clone() }));
        Ok(body)
    }

    /// Feeds the session and does what it says.
    fn feed(self: &Rc<Self>, input: Input<JsFrame>) {
        let (now, backlog) = (host::now(), self.body.backlog());
        if let Some(left) = self.ending.get() {
            return self.finish(&input, left, backlog);
        }
        {
            let is_full = self.admission.borrow().as_ref().is_some_and(|admission| admission.is_full(now));
            let mut session = self.session.borrow_mut();
            session.handle(Input::Bound(backlog_bound(is_full)), now);
            session.handle(Input::Backlog(backlog), now);
            session.handle(input, now);
        }
        if let Some(subscribe) = self.drive() {
            spawn_local(self.clone().subscribe(subscribe));
        }
    }

    /// Drains the session; answers what it wants to subscribe to.
    fn drive(&self) -> Option<Subscribe> {
        let mut wanted = None;
        loop {
            let output = self.session.borrow_mut().poll_output();
            match output {
                Output::Send(Chunk::Own(block)) => self.send(&Uint8Array::from(&block[..])),
                Output::Send(Chunk::Frame(JsFrame(frame))) => self.send(&frame),
                Output::Subscribe(subscribe) => wanted = Some(subscribe),
                Output::Unsubscribe => drop(self.subscription.take()),
                Output::AwaitDrain => self.body.await_drain(BACKLOG_LOW_BYTES),
                Output::WakeAt(at) => {
                    self.wake_at(at);
                    return wanted;
                }
                Output::Close(reason) => {
                    self.end(reason);
                    return None;
                }
            }
        }
    }

    fn send(&self, bytes: &Uint8Array) {
        self.body.send(bytes);
        if let Some(admission) = &*self.admission.borrow() {
            admission.sent(bytes.byte_length() as usize);
        }
    }

    fn wake_at(&self, at: UnixMillis) {
        if let Some(callbacks) = &*self.callbacks.borrow() {
            self.timer.arm(at, &callbacks.wake);
        }
    }
}
