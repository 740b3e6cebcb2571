//! One reader's response: drives a [`Session`] with the socket, the timer and the reader's leaving.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures_util::future::{AbortHandle, abortable};
use js_sys::{ArrayBuffer, Function, Object, Promise, Reflect, Uint8Array};
use ssedge::channel::{EntryId, Subscribe};
use ssedge::limits::BACKLOG_LOW_BYTES;
use ssedge::session::{Chunk, CloseReason, Input, Opening, Output, Session, Terms};
use ssedge::settings::{LogLevel, Settings};
use ssedge::time::UnixMillis;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::{
    AbortSignal, BinaryType, ByteLengthQueuingStrategy, MessageEvent, QueuingStrategyInit, ReadableStream,
    ReadableStreamDefaultController,
};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Result, WebSocket};

use crate::host;
use crate::link::{JsFrame, Link, unpack};

type Callback = Closure<dyn FnMut(JsValue)>;

/// A stream lives as long as its callbacks: they hold it, and [`Stream::end`] lets them go.
pub struct Stream {
    session: RefCell<Session<JsFrame>>,
    link: Option<Link>,
    log_level: LogLevel,
    controller: RefCell<Option<ReadableStreamDefaultController>>,
    socket: RefCell<Option<Attached>>,
    /// Gives up what the channel was last asked for.
    asked: RefCell<Option<AbortHandle>>,
    timer: Cell<Option<(i32, UnixMillis)>>,
    callbacks: RefCell<Option<Callbacks>>,
    /// The session wants to know when the reader has taken what it has.
    awaits_drain: Cell<bool>,
    /// Ends the wait of the stream's `pull`, which is called for every read otherwise.
    pull_again: RefCell<Option<Function>>,
}

struct Callbacks {
    wake: Callback,
    gone: Callback,
    pull: Closure<dyn FnMut() -> Promise>,
    signal: AbortSignal,
}

/// A subscription.
struct Attached {
    socket: WebSocket,
    message: Callback,
    lost: Callback,
}

// A listener that outlived its callback would throw.

impl Drop for Callbacks {
    fn drop(&mut self) {
        let _ = self.signal.remove_event_listener_with_callback("abort", function(&self.gone));
    }
}

impl Attached {
    fn listeners(&self) -> [(&str, &Function); 3] {
        [
            ("message", function(&self.message)),
            ("close", function(&self.lost)),
            ("error", function(&self.lost)),
        ]
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        for (event, listener) in self.listeners() {
            let _ = self.socket.as_ref().remove_event_listener_with_callback(event, listener);
        }
        // A socket that is already closed cannot be closed again.
        let _ = self.socket.close::<&str>(None, None);
    }
}

impl Stream {
    /// Opens a stream and waits until it is known where it starts.
    pub async fn open(
        opening: Opening,
        settings: &Settings,
        link: Option<Link>,
        signal: &AbortSignal,
    ) -> Result<(Rc<Self>, ReadableStream)> {
        let session = Session::open(opening, Terms::new(settings), host::seed(), host::now());
        let stream = Rc::new(Self {
            session: RefCell::new(session),
            link,
            log_level: settings.log_level,
            controller: RefCell::default(),
            socket: RefCell::default(),
            asked: RefCell::default(),
            timer: Cell::default(),
            callbacks: RefCell::default(),
            awaits_drain: Cell::default(),
            pull_again: RefCell::default(),
        });
        let body = stream.body(signal)?;
        if let Some(subscribe) = stream.drive() {
            stream.clone().subscribe(subscribe).await;
        }
        Ok((stream, body))
    }

    /// Where the stream starts, if that is known.
    pub fn starts_after(&self) -> Option<EntryId> {
        self.session.borrow().starts_after()
    }

    fn body(self: &Rc<Self>, signal: &AbortSignal) -> Result<ReadableStream> {
        let callbacks = Callbacks {
            wake: self.callback(|stream, _| {
                stream.timer.set(None);
                stream.feed(Input::Wake);
            }),
            gone: self.callback(|stream, _| stream.feed(Input::ReaderGone)),
            pull: self.pull_callback(),
            signal: signal.clone(),
        };
        let weak = Rc::downgrade(self);
        let start = Closure::once(move |controller: ReadableStreamDefaultController| {
            if let Some(stream) = weak.upgrade() {
                stream.controller.replace(Some(controller));
            }
        });
        let source = Object::new();
        Reflect::set(&source, &"start".into(), start.as_ref())?;
        Reflect::set(&source, &"pull".into(), callbacks.pull.as_ref())?;
        Reflect::set(&source, &"cancel".into(), callbacks.gone.as_ref())?;
        let high_water = QueuingStrategyInit::new(BACKLOG_LOW_BYTES as f64);
        let strategy = ByteLengthQueuingStrategy::new(&high_water)?;
        let body =
            ReadableStream::new_with_underlying_source_and_strategy(&source, strategy.unchecked_ref())?;
        signal.add_event_listener_with_callback("abort", function(&callbacks.gone))?;
        self.callbacks.replace(Some(callbacks));
        Ok(body)
    }

    fn callback(self: &Rc<Self>, mut act: impl FnMut(&Rc<Self>, JsValue) + 'static) -> Callback {
        let stream = self.clone();
        Closure::new(move |value| act(&stream, value))
    }

    fn pull_callback(self: &Rc<Self>) -> Closure<dyn FnMut() -> Promise> {
        let stream = Rc::downgrade(self);
        Closure::new(move || stream.upgrade().map_or_else(|| Promise::resolve(&JsValue::NULL), |s| s.pull()))
    }

    /// The reader has taken enough to be given more.
    fn pull(self: &Rc<Self>) -> Promise {
        if self.awaits_drain.get() && self.backlog() <= BACKLOG_LOW_BYTES {
            self.awaits_drain.set(false);
            self.feed(Input::Backlog(self.backlog()));
        }
        if self.awaits_drain.get() {
            return Promise::resolve(&JsValue::NULL);
        }
        Promise::new(&mut |resolve, _| {
            self.pull_again.replace(Some(resolve));
        })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bytes")]
    fn backlog(&self) -> usize {
        let controller = self.controller.borrow();
        let room = controller.as_ref().and_then(ReadableStreamDefaultController::desired_size);
        room.map_or(0, |room| (BACKLOG_LOW_BYTES as f64 - room).max(0.0) as usize)
    }

    /// Feeds the session and does what it says.
    fn feed(self: &Rc<Self>, input: Input<JsFrame>) {
        let now = host::now();
        let backlog = self.backlog();
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
    fn drive(self: &Rc<Self>) -> Option<Subscribe> {
        let mut wanted = None;
        loop {
            let output = self.session.borrow_mut().poll_output();
            match output {
                Output::Send(chunk) => self.send(chunk),
                Output::Subscribe(subscribe) => wanted = Some(subscribe),
                Output::Unsubscribe => drop(self.socket.take()),
                Output::AwaitDrain => {
                    self.awaits_drain.set(true);
                    if let Some(resolve) = self.pull_again.take() {
                        let _ = resolve.call0(&JsValue::NULL);
                    }
                }
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

    fn send(&self, chunk: Chunk<JsFrame>) {
        let bytes = match chunk {
            Chunk::Own(block) => Uint8Array::from(&block[..]),
            Chunk::Frame(JsFrame(frame)) => frame,
        };
        if let Some(controller) = &*self.controller.borrow() {
            // A stream that was cancelled takes no more, and its `cancel` has said so.
            let _ = controller.enqueue_with_chunk(&bytes);
        }
    }

    /// Moves the one timer only forward in time: a late one is worse than one that finds nothing to do.
    fn wake_at(&self, at: UnixMillis) {
        if let Some((handle, armed)) = self.timer.get() {
            if armed <= at {
                return;
            }
            host::clear_timeout(handle);
        }
        if let Some(callbacks) = &*self.callbacks.borrow() {
            let millis = i32::try_from(at.since(host::now()).as_millis()).unwrap_or(i32::MAX);
            let handle = host::set_timeout(function(&callbacks.wake), millis);
            self.timer.set(Some((handle, at)));
        }
    }

    async fn subscribe(self: Rc<Self>, subscribe: Subscribe) {
        let Some(link) = &self.link else { return };
        let (asking, asked) = abortable(link.subscribe(subscribe));
        self.asked.replace(Some(asked));
        let Ok(answer) = asking.await else { return };
        let attached = answer.and_then(|(page, socket)| {
            let socket = socket.map(|socket| self.attach(socket)).transpose()?;
            Ok((page, socket))
        });
        match attached {
            Ok((page, socket)) => {
                self.socket.replace(socket);
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

    fn attach(self: &Rc<Self>, socket: WebSocket) -> Result<Attached> {
        let weak = Rc::downgrade(self);
        let message = Closure::new(move |event: JsValue| {
            if let Some(stream) = weak.upgrade() {
                let data = event.unchecked_into::<MessageEvent>().data();
                match data.dyn_ref::<ArrayBuffer>().and_then(unpack) {
                    Some(batch) => stream.feed(Input::Entries(batch)),
                    None => stream.lose(),
                }
            }
        });
        let weak: Weak<Self> = Rc::downgrade(self);
        let lost = Closure::new(move |_| {
            if let Some(stream) = weak.upgrade() {
                stream.lose();
            }
        });
        let attached = Attached { socket, message, lost };
        let socket = &attached.socket;
        socket.as_ref().set_binary_type(BinaryType::Arraybuffer);
        for (event, listener) in attached.listeners() {
            socket.as_ref().add_event_listener_with_callback(event, listener)?;
        }
        socket.accept()?;
        Ok(attached)
    }

    fn lose(self: &Rc<Self>) {
        drop(self.socket.take());
        self.feed(Input::Lost);
    }

    fn end(&self, reason: CloseReason) {
        host::log(self.log_level, LogLevel::Info, &format!("a stream ended: {reason}"));
        if let Some((handle, _)) = self.timer.take() {
            host::clear_timeout(handle);
        }
        drop(self.socket.take());
        // A request that is over never wakes what still waits in it.
        if let Some(asked) = self.asked.take() {
            asked.abort();
        }
        if let (Some(controller), true) = (self.controller.take(), reason != CloseReason::ReaderGone) {
            let _ = controller.close();
        }
        drop(self.callbacks.take());
    }
}

fn function(callback: &Callback) -> &Function {
    callback.as_ref().unchecked_ref()
}
