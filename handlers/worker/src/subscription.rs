//! The connection of a hub to its channel: the WebSocket from its Durable Object.

use js_sys::{ArrayBuffer, Function};
use ssedge::hub::News;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::{BinaryType, MessageEvent};
use worker::{Result, WebSocket};

use crate::frame::{JsFrame, read};
use crate::host::{Callback, after_this, function};
use crate::hubs::Loss;

/// What a channel says.
pub enum Tells {
    News(News<JsFrame>),
    /// Nothing that is of use, from now on.
    Lost(Loss),
}

/// Ends as it is dropped.
pub struct Subscription {
    socket: WebSocket,
    message: Callback,
    lost: Callback,
}

impl Subscription {
    /// Takes the socket over.
    pub fn open(socket: WebSocket, tell: impl Fn(Tells) + Clone + 'static) -> Result<Self> {
        let tell_lost = tell.clone();
        let answering = socket.clone();
        let message = Closure::new(move |event: JsValue| {
            let data = event.unchecked_into::<MessageEvent>().data();
            let Some((news, wants_answer)) = data.dyn_ref::<ArrayBuffer>().and_then(read) else {
                return tell(Tells::Lost(Loss::Other));
            };
            tell(Tells::News(news));
            if wants_answer {
                let socket = answering.clone();
                // Behind what the streams do with it. It fails if the socket is closed.
                after_this(move || drop(socket.send_with_str("")));
            }
        });
        let lost = Closure::new(move |_| tell_lost(Tells::Lost(Loss::Broken)));
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
