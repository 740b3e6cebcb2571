//! The bodies of answers to clients, and the end that the function's data comes in at.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, mpsc, oneshot};

/// Chunks, each as large as what was read from the function at once, that wait for a slow client before
/// the function is held up.
const CHUNKS: usize = 8;

/// A part of a streamed body. A body whose chunks stop without an end was cut.
#[derive(Debug)]
enum Chunk {
    Data(Bytes),
    End,
}

/// A body for a client.
#[derive(Debug)]
pub enum ReplyBody {
    Whole(Full<Bytes>),
    Stream(Streamed),
}

#[derive(Debug)]
pub struct Streamed {
    chunks: mpsc::Receiver<Chunk>,
    cut: bool,
}

impl ReplyBody {
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(bytes.into()))
    }
}

/// The answer was cut: the connection is closed without the end of the body.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the function's answer was cut")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let stream = match self.get_mut() {
            Self::Whole(whole) => return Pin::new(whole).poll_frame(context).map_err(Cut::from),
            Self::Stream(stream) => stream,
        };
        match stream.chunks.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Chunk::Data(data))) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Poll::Ready(Some(Chunk::End)) => Poll::Ready(None),
            Poll::Ready(None) if stream.cut => Poll::Ready(Some(Err(Cut))),
            // hyper drops what it has not flushed yet when a body fails, and flushes when a body pauses.
            Poll::Ready(None) => {
                stream.cut = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// The client of one invocation, as the function's data sees it.
///
/// Dropping it before [`Client::end`] or [`Client::answer`] cuts the body; before the head, that makes a 502.
#[derive(Debug)]
pub struct Client {
    head: RefCell<Option<oneshot::Sender<Response<ReplyBody>>>>,
    chunks: RefCell<Option<mpsc::Sender<Chunk>>>,
    gone: Notify,
    /// The stream was begun: it is in `chunks`, unless the client had left by then.
    begun: Notify,
}

impl Client {
    pub fn new(head: oneshot::Sender<Response<ReplyBody>>) -> Self {
        Self {
            head: RefCell::new(Some(head)),
            chunks: RefCell::new(None),
            gone: Notify::new(),
            begun: Notify::new(),
        }
    }

    /// Sends all of an answer.
    pub fn answer(&self, response: Response<ReplyBody>) {
        let head = self.head.take();
        if let Some(head) = head {
            let _ = head.send(response);
        }
    }

    /// Sends the head of a stream.
    pub fn begin(&self, response: Response<()>) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let head = self.head.take();
        if let Some(head) = head {
            let body = ReplyBody::Stream(Streamed { chunks, cut: false });
            if head.send(response.map(|()| body)).is_ok() {
                self.chunks.replace(Some(sender));
            }
        }
        self.begun.notify_one();
    }

    /// Waits until the client has left a stream that was begun. An answer of one piece is not waited for.
    pub async fn left(&self) {
        self.begun.notified().await;
        let sender = self.chunks.borrow().clone();
        if let Some(sender) = sender {
            sender.closed().await;
        }
    }

    /// Sends a part of a stream, when there is room for it; to a client that left, it is dropped.
    pub async fn write(&self, data: Bytes) {
        self.push(Chunk::Data(data)).await;
    }

    /// Ends the stream. (Not a stream: nothing to end.)
    pub async fn end(&self) {
        self.push(Chunk::End).await;
    }

    /// Cuts what was begun, also while a write waits.
    pub fn cut(&self) {
        drop(self.head.take());
        self.chunks.replace(None);
        self.gone.notify_waiters();
    }

    async fn push(&self, chunk: Chunk) {
        let Some(sender) = self.chunks.borrow().clone() else { return };
        if chunk.is_empty() {
            return;
        }
        tokio::select! {
            sent = sender.send(chunk) => if sent.is_err() {
                self.chunks.replace(None);
            },
            () = self.gone.notified() => {}
        }
    }
}

impl Chunk {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Data(data) if data.is_empty())
    }
}
