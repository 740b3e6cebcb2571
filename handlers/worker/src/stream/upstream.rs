//! A stream and its channel, by the hub that it shares with others.

use std::cell::RefCell;
use std::rc::Rc;

use futures::channel::oneshot;
use futures::future::abortable;
use ssedge::hub::{Answer, News};
use ssedge::limits::HUB_DELIVERIES;
use ssedge::log::{EntryId, Extent, Page, Subscribe};
use ssedge::session::Input;
use ssedge::settings::LogLevel;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Result, WebSocket};

use super::Stream;
use crate::frame::JsFrame;
use crate::host;
use crate::hubs::{Loss, Place};
use crate::link::Said;
use crate::subscription::{Subscription, Tells};

/// The connection of a hub, with the stream that owns it.
pub struct Connection {
    _subscription: Subscription,
    /// What was said as it opened, until the first news come.
    opening: RefCell<Option<Opening>>,
}

struct Opening {
    extent: Option<Extent>,
    /// Told when the hub is open.
    done: oneshot::Sender<()>,
}

impl Stream {
    /// Asks the hub, and the channel if only that knows.
    pub(super) async fn subscribe(self: Rc<Self>, subscribe: Subscribe) {
        let (asking, asked) = abortable(self.clone().ask_hub(subscribe));
        self.asked.replace(Some(asked));
        // A request that is over never wakes what still waits in it.
        if let Ok(inputs) = asking.await {
            inputs.into_iter().flatten().for_each(|input| self.feed(input));
        }
    }

    async fn ask_hub(self: Rc<Self>, subscribe: Subscribe) -> [Option<Input<JsFrame>>; 2] {
        let only = |input| [Some(input), None];
        loop {
            let Some(answer) = self.at_place(|place| place.subscribe(&subscribe)) else {
                return [None, None];
            };
            match answer {
                Answer::Page(page) => return only(Input::Page(page)),
                Answer::Ask => match self.ask_channel(subscribe).await {
                    Ok(page) => return self.join(page),
                    Err(input) => return only(input),
                },
                Answer::Open(after) => {
                    if let Err(input) = self.open_connection(after).await {
                        return only(input);
                    }
                }
                Answer::Wait => match JsFuture::from(self.waiting.promise()).await {
                    Ok(opened) if opened.is_truthy() => {}
                    _ => return only(Input::Lost),
                },
            }
        }
    }

    async fn ask_channel(&self, subscribe: Subscribe) -> std::result::Result<Page<JsFrame>, Input<JsFrame>> {
        let Some(link) = &self.link else { return Err(Input::GaveUp) };
        match link.page(subscribe).await {
            Ok(Said::This(page)) => Ok(page),
            Ok(Said::Full) => Err(Input::Full),
            Ok(Said::Other) => Err(Input::GaveUp),
            Err(e) => Err(self.lost_channel(&e)),
        }
    }

    /// The stream goes on with the hub behind the last page.
    fn join(&self, mut page: Page<JsFrame>) -> [Option<Input<JsFrame>>; 2] {
        if let Some(batch) = page.batch.as_ref().filter(|_| page.ends()) {
            self.at_place(|place| place.heard_of_end(batch.upto));
            return [Some(Input::Page(page)), None];
        }
        let cursor = page.batch.as_ref().map_or(page.start.after, |batch| batch.upto);
        let since = if page.more { None } else { self.at_place(|place| place.join(cursor)) };
        // Either the channel has more, or the hub no longer has what came since.
        page.more = !matches!(since, Some(Ok(_)));
        [Some(Input::Page(page)), since.and_then(Result::ok).flatten().map(Input::Entries)]
    }

    /// Opens the connection of the hub, and waits until it is open.
    async fn open_connection(&self, after: Option<EntryId>) -> std::result::Result<(), Input<JsFrame>> {
        let lost = |why, input| {
            self.at_place(|place| place.lost(why));
            Err(input)
        };
        let Some(link) = &self.link else { return Err(Input::GaveUp) };
        let (socket, extent, has_news) = match link.open(after).await {
            Ok(Said::This(opened)) => opened,
            Ok(Said::Full) => return lost(Loss::Broken, Input::Full),
            Ok(Said::Other) => return lost(Loss::Other, Input::GaveUp),
            Err(e) => return lost(Loss::Broken, self.lost_channel(&e)),
        };
        let (done, opened) = oneshot::channel();
        let opening = Opening { extent, done };
        if let Err(e) = self.attach(socket, opening) {
            return lost(Loss::Broken, self.lost_channel(&e));
        }
        if !has_news {
            self.opened(None);
        }
        opened.await.map_err(|_| Input::Lost)
    }

    fn attach(&self, socket: WebSocket, opening: Opening) -> Result<()> {
        let stream = self.me.clone();
        let subscription = Subscription::open(socket, move |tells| {
            if let Some(stream) = stream.upgrade() {
                stream.hear(tells);
            }
        })?;
        let opening = RefCell::new(Some(opening));
        self.connection.replace(Some(Connection { _subscription: subscription, opening }));
        Ok(())
    }

    /// The hub's connection says something, in the request of its owner.
    fn hear(&self, tells: Tells) {
        match tells {
            Tells::News(news) if self.is_opening() => self.opened(Some(news)),
            Tells::News(news) => {
                if self.at_place(|place| place.news(news)) == Some(true) {
                    host::log(
                        self.log_level,
                        LogLevel::Debug,
                        &format!("a hub has a new owner after {HUB_DELIVERIES} deliveries"),
                    );
                    drop(self.connection.take());
                    self.at_place(Place::hand_over);
                }
            }
            Tells::Lost(why) => {
                drop(self.connection.take());
                self.at_place(|place| place.lost(why));
            }
        }
    }

    fn is_opening(&self) -> bool {
        self.connection.borrow().as_ref().is_some_and(|connection| connection.opening.borrow().is_some())
    }

    fn opened(&self, news: Option<News<JsFrame>>) {
        let opening = self.connection.borrow().as_ref().and_then(|connection| connection.opening.take());
        let Some(Opening { extent, done }) = opening else { return };
        if self.at_place(Place::is_owner) == Some(true) {
            self.at_place(|place| place.opened(extent, news));
        } else {
            drop(self.connection.take());
        }
        let _ = done.send(());
    }

    /// Opens a connection for the others, from where the hub stands.
    pub(super) async fn take_over(self: Rc<Self>) {
        let Some(after) = self.at_place(Place::stands_at) else { return };
        let (opening, asked) = abortable(self.open_connection(after));
        self.opening.replace(Some(asked));
        // If it fails, the hub has told everybody.
        let _ = opening.await;
    }

    fn at_place<T>(&self, what: impl FnOnce(&Place) -> T) -> Option<T> {
        self.place.borrow().as_ref().map(what)
    }

    fn lost_channel(&self, e: &worker::Error) -> Input<JsFrame> {
        let line = format!("a channel did not take a subscriber: {e}");
        host::log(self.log_level, LogLevel::Warn, &line);
        Input::Lost
    }
}
