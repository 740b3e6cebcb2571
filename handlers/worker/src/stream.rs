//! One reader's response: drives a [`Session`] with the channel, the timer, and the reader's leaving.

use std::cell::RefCell;
use std::rc::Rc;

use futures::future::{AbortHandle, abortable};
use js_sys::Uint8Array;
use ssedge::channel::{EntryId, Subscribe};
use ssedge::session::{Chunk, CloseReason, Input, Opening, Output, Session, Terms};
use ssedge::settings::LogLevel;
use wasm_bindgen::prelude::Closure;
use web_sys::{AbortSignal, ReadableStream};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Result, WebSocket};

use crate::body::{Body, Pull};
use crate::crowd::Seat;
use crate::host::{self, Callback, Timer, function};
use crate::link::{JsFrame, Link, Subscribed};
use crate::subscription::{News, Subscription};

/// A stream lives as long as its callbacks: they hold it, and [`Stream::end`] lets them go.
pub struct Stream {
    session: RefCell<Session<JsFrame>>,
    link: Option<Link>,
    seat: RefCell<Option<Seat>>,
    log_level: LogLevel,
    body: Rc<Body>,
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
        opening: Opening,
        terms: Terms,
        link: Option<Link>,
        seat: Seat,
        log_level: LogLevel,
        signal: &AbortSignal,
    ) -> Result<(Rc<Self>, ReadableStream)> {
        let session = Session::open(opening, terms, host::seed(), host::now());
        let stream = Rc::new(Self {
            session: RefCell::new(session),
            link,
            seat: RefCell::new(Some(seat)),
            log_level,
            body: Rc::default(),
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
        {
            let mut session = self.session.borrow_mut();
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
                Output::Send(Chunk::Own(block)) => self.body.send(&Uint8Array::from(&block[..])),
                Output::Send(Chunk::Frame(JsFrame(frame))) => self.body.send(&frame),
                Output::Subscribe(subscribe) => wanted = Some(subscribe),
                Output::Unsubscribe => drop(self.subscription.take()),
                Output::AwaitDrain => self.body.await_drain(),
                Output::WakeAt(at) => {
                    if let Some(callbacks) = &*self.callbacks.borrow() {
                        self.timer.arm(at, &callbacks.wake);
                    }
                    return wanted;
                }
                Output::Close(reason) => {
                    self.end(reason);
                    return None;
                }
            }
        }
    }

    async fn subscribe(self: Rc<Self>, subscribe: Subscribe) {
        let sender = self.seat.borrow().as_ref().map(|seat| seat.sender().clone());
        let (Some(link), Some(sender)) = (&self.link, sender) else { return };
        let (asking, asked) = abortable(link.subscribe(subscribe, sender));
        self.asked.replace(Some(asked));
        let Ok(answer) = asking.await else { return };
        let page = match answer {
            Ok(Subscribed::Full) => return self.feed(Input::Full),
            Ok(Subscribed::Page(page, socket)) => {
                socket.map(|socket| self.attach(socket)).transpose().map(|socket| (page, socket))
            }
            Err(e) => Err(e),
        };
        match page {
            Ok((page, subscription)) => {
                self.subscription.replace(subscription);
                self.feed(Input::Page(page));
            }
            Err(e) => {
                host::log(
                    self.log_level,
                    LogLevel::Warn,
                    &format!("a channel did not take a subscriber: {e}"),
                );
                self.feed(Input::Lost);
            }
        }
    }

    fn attach(self: &Rc<Self>, socket: WebSocket) -> Result<Subscription> {
        let stream = Rc::downgrade(self);
        Subscription::open(socket, move |news| match (stream.upgrade(), news) {
            (None, _) => {}
            (Some(stream), News::Batch(batch)) => stream.feed(Input::Entries(batch)),
            (Some(stream), News::Lost) => {
                drop(stream.subscription.take());
                stream.feed(Input::Lost);
            }
        })
    }

    fn end(&self, reason: CloseReason) {
        host::log(self.log_level, LogLevel::Info, &format!("a stream ended: {reason}"));
        self.timer.cancel();
        drop(self.subscription.take());
        drop(self.seat.take());
        // A request that is over never wakes what still waits in it.
        if let Some(asked) = self.asked.take() {
            asked.abort();
        }
        self.body.close();
        drop(self.callbacks.take());
    }
}
