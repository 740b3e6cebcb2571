//! A subscription to a channel: the WebSocket from its Durable Object.

use js_sys::{ArrayBuffer, Function};
use ssedge::log::Batch;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::{BinaryType, MessageEvent};
use worker::{Result, WebSocket};

use crate::host::{Callback, function};
use crate::link::{JsFrame, unpack};

/// What a channel says.
pub enum News {
    Batch(Batch<JsFrame>),
    /// What another version of the channel says.
    Other,
    /// The socket broke.
    Lost,
}

/// Ends as it is dropped.
pub struct Subscription {
    socket: WebSocket,
    message: Callback,
    lost: Callback,
}

impl Subscription {
    /// Takes the socket over.
    pub fn open(socket: WebSocket, tell: impl Fn(News) + Clone + 'static) -> Result<Self> {
        let tell_lost = tell.clone();
        let message = Closure::new(move |event: JsValue| {
            let data = event.unchecked_into::<MessageEvent>().data();
            tell(data.dyn_ref::<ArrayBuffer>().and_then(unpack).map_or(News::Other, News::Batch));
        });
        let lost = Closure::new(move |_| tell_lost(News::Lost));
        let subscription = Self { socket, message, lost };
        let socket = &subscription.socket;
        socket.as_ref().set_binary_type(BinaryType::Arraybuffer);
        for (event, listener) in subscription.listeners() {
            socket.as_ref().add_event_listener_with_callback(event, listener)?;
        }
        socket.accept()?;
        Ok(subscription)
    }

    fn listeners(&self) -> [(&str, &Function); 3] {
        [
            ("message", function(&self.message)),
            ("close", function(&self.lost)),
            ("error", function(&self.lost)),
        ]
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // A listener that outlived its callback would throw.
        for (event, listener) in self.listeners() {
            let _ = self.socket.as_ref().remove_event_listener_with_callback(event, listener);
        }
        // A socket that is already closed cannot be closed again.
        let _ = self.socket.close::<&str>(None, None);
    }
}
