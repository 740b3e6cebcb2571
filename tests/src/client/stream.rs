//! One open stream.

use std::collections::VecDeque;
use std::time::Duration;

use http::HeaderMap;
use ssedge::sse::{Decoded, Decoder, Message};
use tokio::time::{Instant, timeout_at};

use super::{PATIENCE, text_of};

/// Something that the stream said, and when it arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Instant,
    pub said: Decoded,
    /// It only tells again the cursor that is known.
    pub is_heartbeat: bool,
}

/// Why nothing more was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The time is over, and the stream is still open.
    Silent,
    /// The body came to its end.
    Ended,
    /// The connection broke within the body.
    Cut(String),
}

/// A stream that is being read. Dropping it closes its connection.
#[derive(Debug)]
pub struct Stream {
    pub status: u16,
    pub headers: HeaderMap,
    response: reqwest::Response,
    decoder: Decoder,
    heard: VecDeque<Heard>,
    last_event_id: String,
    raw: Vec<u8>,
    end: Option<End>,
}

impl Stream {
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            response,
            decoder: Decoder::new(),
            heard: VecDeque::new(),
            last_event_id: String::new(),
            raw: Vec::new(),
            end: None,
        }
    }

    /// The value of a header of the answer; the empty text where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        text_of(&self.headers, name)
    }

    /// Every byte of the body that has come.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// The id to come back with; empty where there is none.
    #[must_use]
    pub fn cursor(&self) -> &str {
        self.decoder.last_event_id()
    }

    /// The next thing that the stream says: a message, a reconnection time or a comment.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn next(&mut self, within: Duration) -> Result<Heard, End> {
        self.next_until(Instant::now() + within).await
    }

    async fn next_until(&mut self, deadline: Instant) -> Result<Heard, End> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            if let Some(end) = &self.end {
                return Err(end.clone());
            }
            match timeout_at(deadline, self.response.chunk()).await {
                Err(_) => return Err(End::Silent),
                Ok(Ok(None)) => self.end = Some(End::Ended),
                Ok(Err(e)) => self.end = Some(End::Cut(format!("{e:?}"))),
                Ok(Ok(Some(chunk))) => {
                    let at = Instant::now();
                    self.raw.extend_from_slice(&chunk);
                    let (heard, last) = (&mut self.heard, &mut self.last_event_id);
                    let fed = self.decoder.feed(&chunk, |said| {
                        let mut is_heartbeat = false;
                        if let Decoded::Message(message) = &said {
                            is_heartbeat = message.event == "cursor" && message.last_event_id == *last;
                            message.last_event_id.clone_into(last);
                        }
                        heard.push_back(Heard { at, said, is_heartbeat });
                    });
                    fed.expect("no event of ssedge is so large");
                }
            }
        }
    }

    /// The next message, of whatever type, that is no heartbeat.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn next_message(&mut self, within: Duration) -> Result<Message, End> {
        let deadline = Instant::now() + within;
        loop {
            if let Heard { said: Decoded::Message(message), is_heartbeat: false, .. } =
                self.next_until(deadline).await?
            {
                return Ok(message);
            }
        }
    }

    /// The next message, which is due.
    pub async fn message(&mut self) -> Message {
        self.next_message(PATIENCE).await.unwrap_or_else(|end| panic!("{end:?} after {:?}", self.tail()))
    }

    /// All messages but heartbeats, up to the first for which `last` holds, that one included.
    pub async fn collect_until(&mut self, mut last: impl FnMut(&Message) -> bool) -> Vec<Message> {
        let deadline = Instant::now() + PATIENCE;
        let mut messages = Vec::new();
        loop {
            match self.next_until(deadline).await {
                Ok(Heard { said: Decoded::Message(message), is_heartbeat: false, .. }) => {
                    let done = last(&message);
                    messages.push(message);
                    if done {
                        return messages;
                    }
                }
                Ok(_) => {}
                Err(end) => {
                    panic!("{end:?} after {} messages, the last bytes {:?}", messages.len(), self.tail())
                }
            }
        }
    }

    /// The next `n` messages of the default type: what `onmessage` sees.
    pub async fn plain(&mut self, n: usize) -> Vec<Message> {
        let mut left = n;
        if n == 0 {
            return Vec::new();
        }
        let all = self.collect_until(|message| {
            left -= usize::from(message.event == "message");
            left == 0
        });
        all.await.into_iter().filter(|message| message.event == "message").collect()
    }

    /// All that the stream says until it ends.
    pub async fn rest(&mut self, within: Duration) -> (Vec<Heard>, End) {
        let deadline = Instant::now() + within;
        let mut all = Vec::new();
        loop {
            match self.next_until(deadline).await {
                Ok(heard) => all.push(heard),
                Err(end) => return (all, end),
            }
        }
    }

    /// Closes the connection.
    pub fn close(self) {
        drop(self);
    }

    fn tail(&self) -> String {
        let from = self.raw.len().saturating_sub(400);
        String::from_utf8_lossy(&self.raw[from..]).into_owned()
    }
}
