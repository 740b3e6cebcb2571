//! A stream and its channel.

use std::rc::Rc;

use futures::future::abortable;
use ssedge::log::Subscribe;
use ssedge::session::Input;
use ssedge::settings::LogLevel;
use worker::{Result, WebSocket};

use super::Stream;
use crate::host;
use crate::link::Subscribed;
use crate::subscription::{News, Subscription};

impl Stream {
    pub(super) async fn subscribe(self: Rc<Self>, subscribe: Subscribe) {
        let sender = self.admission.borrow().as_ref().map(|admission| admission.sender().clone());
        let (Some(link), Some(sender)) = (&self.link, sender) else { return };
        let (asking, asked) = abortable(link.subscribe(subscribe, sender));
        self.asked.replace(Some(asked));
        let Ok(answer) = asking.await else { return };
        let page = match answer {
            Ok(Subscribed::Full) => return self.feed(Input::Full),
            Ok(Subscribed::Other) => return self.feed(Input::GaveUp),
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
            (Some(stream), News::Other) => stream.feed(Input::GaveUp),
            (Some(stream), News::Lost) => {
                drop(stream.subscription.take());
                stream.feed(Input::Lost);
            }
        })
    }
}
