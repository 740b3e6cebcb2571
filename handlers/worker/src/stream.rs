//! One reader's response: drives a [`Session`] with the channel, the timer, and the reader's leaving.

mod ending;
mod upstream;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures::future::AbortHandle;
use js_sys::Uint8Array;
use ssedge::limits::BACKLOG_LOW_BYTES;
use ssedge::log::{EntryId, Subscribe};
use ssedge::route::Deployment;
use ssedge::session::{Chunk, Input, Output, Session, StreamConfig, StreamRequest, backlog_bound};
use ssedge::settings::LogLevel;
use ssedge::time::UnixMillis;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::{AbortSignal, ReadableStream};
use worker::Result;
use worker::wasm_bindgen_futures::spawn_local;

use crate::admission::Admission;
use crate::body::{Body, Pull};
use crate::crossing::Crossing;
use crate::host::{self, Callback, Timer, function};
use crate::hubs::{self, Place};
use crate::link::{JsFrame, Link};
use upstream::Connection;

/// A stream lives as long as its callbacks: they hold it, and [`Stream::end`] lets them go.
pub struct Stream {
    me: Weak<Self>,
    session: RefCell<Session<JsFrame>>,
    link: Option<Link>,
    /// In the hub of its channel.
    place: RefCell<Option<Place>>,
    /// If it owns the hub's.
    connection: RefCell<Option<Connection>>,
    /// Until the reader has taken what it was sent, or has left.
    admission: RefCell<Option<Admission>>,
    log_level: LogLevel,
    body: Rc<Body>,
    /// The session is over, and so many bytes wait for the reader.
    ending: Cell<Option<usize>>,
    /// What the session wants to subscribe to, until its own request does it.
    wanted: RefCell<Option<Subscribe>>,
    /// It is to open the hub's connection, once its own request runs.
    owns: Cell<bool>,
    /// Something that it was sent from another request did not arrive.
    is_broken: Cell<bool>,
    /// Into its own request.
    crossing: Crossing,
    /// Resolved when the hub is open, or lost.
    waiting: Crossing,
    /// Gives up what the channel was last asked for.
    asked: RefCell<Option<AbortHandle>>,
    opening: RefCell<Option<AbortHandle>>,
    timer: Timer,
    callbacks: RefCell<Option<Callbacks>>,
}

struct Callbacks {
    wake: Callback,
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
    /// Opens a stream and waits until it is known where it starts. `signal` aborts when the reader leaves.
    pub async fn open(
        request: StreamRequest,
        config: StreamConfig,
        link: Option<Link>,
        admission: Admission,
        deployment: &Deployment,
        signal: &AbortSignal,
    ) -> Result<(Rc<Self>, ReadableStream)> {
        let settings = &deployment.settings;
        let channel = request.log.as_ref().map(|(channel, _)| channel.clone());
        let session = Session::open(request, config, host::seed(), host::now());
        let stream = Rc::new_cyclic(|me: &Weak<Self>| Self {
            me: me.clone(),
            session: RefCell::new(session),
            link,
            place: RefCell::new(channel.and_then(|channel| Place::enter(&channel, settings, me.clone()))),
            connection: RefCell::default(),
            body: admission.body().clone(),
            admission: RefCell::new(Some(admission)),
            log_level: settings.log_level,
            ending: Cell::default(),
            wanted: RefCell::default(),
            owns: Cell::default(),
            is_broken: Cell::default(),
            crossing: Crossing::default(),
            waiting: Crossing::default(),
            asked: RefCell::default(),
            opening: RefCell::default(),
            timer: Timer::default(),
            callbacks: RefCell::default(),
        });
        let body = stream.connect(signal)?;
        if stream.link.is_some() && stream.place.borrow().is_none() {
            stream.session.borrow_mut().handle(Input::Full, host::now());
        }
        stream.drive();
        if let Some(subscribe) = stream.wanted.take() {
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

    /// Feeds the session and does what it says, in the request of the stream.
    fn feed(&self, input: Input<JsFrame>) {
        if let Some(left) = self.ending.get() {
            return self.finish(&input, left);
        }
        self.take(input);
        self.arrive();
    }

    /// Feeds the session in whatever request this is: what only its own may do is done there.
    fn feed_across(&self, input: Input<JsFrame>) {
        if self.ending.get().is_none() {
            self.take(input);
            if self.drain() {
                return;
            }
        }
        self.cross();
    }

    fn cross(&self) {
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
    fn arrive(&self) {
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
    fn drive(&self) {
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

    fn part(&self) {
        if let Some(place) = &*self.place.borrow() {
            place.part();
        }
    }

    fn wake_at(&self, at: UnixMillis) {
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
