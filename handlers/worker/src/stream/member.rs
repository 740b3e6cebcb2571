//! A stream, as its hub sees it. Its hub tells it things in whatever request that is.

use ssedge::log::Batch;
use ssedge::session::Input;
use wasm_bindgen::prelude::JsValue;

use super::Stream;
use crate::frame::JsFrame;
use crate::hubs::{Loss, Member};

impl Member for Stream {
    fn entries(&self, batch: Batch<JsFrame>) {
        self.feed_across(Input::Entries(batch));
    }

    fn ask_again(&self) {
        self.waiting.cross(&JsValue::TRUE);
    }

    fn lost(&self, why: Loss) {
        // One that waits asks again, and finds out by itself.
        if !self.waiting.cross(&JsValue::FALSE) {
            self.feed_across(why.input());
        }
    }

    fn own(&self) {
        self.owns.set(true);
        self.cross();
    }

    fn abandon(&self) {
        self.ending.set(Some(0));
        self.timer.forget();
        drop((self.place.take(), self.connection.take(), self.admission.take()));
        drop(self.callbacks.take());
    }
}

impl Loss {
    const fn input(self) -> Input<JsFrame> {
        match self {
            Self::Broken => Input::Lost,
            Self::Other => Input::GaveUp,
        }
    }
}
