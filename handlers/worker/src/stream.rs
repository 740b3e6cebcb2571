//! One reader's response: drives a [`Session`] with the channel, the timer, and the reader's leaving.

mod callbacks;
mod drive;
mod ending;
mod member;
mod upstream;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use futures::future::AbortHandle;
use ssedge::log::{EntryId, Subscribe};
use ssedge::route::Deployment;
use ssedge::session::{Input, Refusal, Session, StreamConfig, StreamRequest};
use ssedge::settings::LogLevel;
use web_sys::{AbortSignal, ReadableStream};
use worker::Result;

use crate::admission::Admission;
use crate::body::Body;
use crate::crossing::Crossing;
use crate::frame::JsFrame;
use crate::host::{self, Timer};
use crate::hubs::Place;
use crate::link::Link;
use callbacks::Callbacks;
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
            place: RefCell::new(channel.and_then(|channel| Place::enter(&channel, deployment, me.clone()))),
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

    /// Why there is no stream, if there is none.
    pub fn refusal(&self) -> Option<Refusal> {
        self.session.borrow().refusal().cloned()
    }
}
