//! The place of a stream among those that listen to a channel.

use std::sync::Arc;

use bytes::Bytes;
use ssedge::log::ChannelName;
use ssedge::session::Input;
use tokio::sync::mpsc::UnboundedReceiver;

use super::News;

/// A stream's place among the listeners of a channel, which it gives up as it is dropped.
pub struct Subscription {
    pub(super) all: Arc<News>,
    pub(super) channel: ChannelName,
    pub(super) number: u64,
    pub(super) news: UnboundedReceiver<Input<Bytes>>,
}

impl Subscription {
    /// What the stream is told next: news, or why there will be none.
    pub async fn next(&mut self) -> Input<Bytes> {
        self.news.recv().await.unwrap_or(Input::Lost)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut channels = self.all.lock();
        let Some(polled) = channels.get_mut(&self.channel) else { return };
        polled.listeners.remove(&self.number);
        if polled.listeners.is_empty() {
            // At once: between two invocations the process stands still, and so would a question on its way.
            polled.poll.abort();
            channels.remove(&self.channel);
        }
    }
}
