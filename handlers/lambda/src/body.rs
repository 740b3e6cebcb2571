//! The body of a stream: a queue whose length is known to who fills it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The end that is filled. The body ends when it is dropped.
pub struct Filler {
    // Not bounded here: the session ends a stream whose backlog is too long.
    chunks: UnboundedSender<Bytes>,
    backlog: Arc<Backlog>,
}

/// The end that the platform takes chunks from. It never yields an error, which the runtime would write into the
/// response.
pub struct Body {
    chunks: UnboundedReceiver<Bytes>,
    backlog: Arc<Backlog>,
}

#[derive(Default)]
struct Backlog {
    bytes: AtomicUsize,
    shrank: Notify,
}

pub fn body() -> (Filler, Body) {
    let (sender, receiver) = unbounded_channel();
    let backlog = Arc::<Backlog>::default();
    (Filler { chunks: sender, backlog: backlog.clone() }, Body { chunks: receiver, backlog })
}

impl Filler {
    pub fn send(&self, chunk: Bytes) {
        self.backlog.bytes.fetch_add(chunk.len(), Ordering::Relaxed);
        // A body that was dropped takes no more, and `gone` says so.
        let _ = self.chunks.send(chunk);
    }

    /// Bytes that the platform has not taken.
    pub fn backlog(&self) -> usize {
        self.backlog.bytes.load(Ordering::Relaxed)
    }

    /// Waits until the backlog has shrunk.
    pub async fn shrunk(&self) {
        self.backlog.shrank.notified().await;
    }

    /// Waits until the platform has dropped the body. On AWS that is never: a reader that leaves is not told.
    pub async fn gone(&self) {
        self.chunks.closed().await;
    }
}

impl Body {
    /// A body of one chunk.
    pub fn whole(chunk: Bytes) -> Self {
        let (filler, body) = body();
        filler.send(chunk);
        body
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.chunks.poll_recv(context).map(|chunk| {
            chunk.map(|chunk| {
                self.backlog.bytes.fetch_sub(chunk.len(), Ordering::Relaxed);
                self.backlog.shrank.notify_one();
                Ok(Frame::data(chunk))
            })
        })
    }
}
