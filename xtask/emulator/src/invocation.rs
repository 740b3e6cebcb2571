//! One invocation: an event on its way to a process, and the response on its way back.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::prelude::Head;

/// Chunks of a response that wait for the client: with one that does not take them, the function waits.
const CHUNKS_MAX: usize = 16;

/// What a process is given.
#[derive(Debug)]
pub struct Job {
    pub id: String,
    pub event: String,
}

/// What the client is given. Dropped instead, the invocation failed.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    pub body: AnswerBody,
}

/// An invocation that has not ended.
#[derive(Debug)]
pub struct Open {
    pub answer: Option<oneshot::Sender<Answer>>,
    pub since: Instant,
    pub timed_out: bool,
}

/// The response was cut.
#[derive(Debug)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the function did not end its response")
    }
}

impl std::error::Error for Cut {}

/// The body that the client reads. [`Cut`] in it breaks the connection.
#[derive(Debug)]
pub struct AnswerBody(mpsc::Receiver<Result<Bytes, Cut>>);

/// The other end.
pub type AnswerSender = mpsc::Sender<Result<Bytes, Cut>>;

impl AnswerBody {
    pub fn channel() -> (AnswerSender, Self) {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        (sender, Self(receiver))
    }

    pub fn whole(text: &'static str) -> Self {
        let (sender, body) = Self::channel();
        let sent = sender.try_send(Ok(Bytes::from_static(text.as_bytes())));
        debug_assert!(sent.is_ok(), "a new channel has room");
        body
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// What a handler of hyper answers.
pub type Handled<B> = Result<http::Response<B>, Infallible>;

/// The current time.
pub fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).ok();
    millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}
