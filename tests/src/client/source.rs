//! A reader that comes back, as a browser's `EventSource` does.

use std::time::Duration;

use ssedge::sse::{Decoded, Message};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Client, End, Heard, Stream};

/// Until a stream says otherwise.
const RETRY: Duration = Duration::from_secs(1);

/// Reads one URL over as many connections as it takes. It sends the last id that it saw, waits as long as the
/// stream told it to, and gives up for good on what a browser gives up on: an answer that is not a stream.
#[derive(Debug)]
pub struct EventSource {
    client: Client,
    path: String,
    stream: Option<Stream>,
    last_event_id: String,
    retry: Duration,
    connects: usize,
}

impl EventSource {
    /// Connects with the first call of [`EventSource::next`].
    #[must_use]
    pub fn new(client: &Client, path: &str) -> Self {
        Self {
            client: client.clone(),
            path: path.to_owned(),
            stream: None,
            last_event_id: String::new(),
            retry: RETRY,
            connects: 0,
        }
    }

    /// The id that it would come back with.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How many streams it was given.
    #[must_use]
    pub const fn connects(&self) -> usize {
        self.connects
    }

    /// The value of a header of the stream that is open; the empty text where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.stream.as_ref().map_or("", |stream| stream.header(name))
    }

    /// Cuts the connection from this side; the next call of [`EventSource::next`] opens another at once.
    pub fn cut(&mut self) {
        self.stream = None;
    }

    /// The next message but heartbeats, over all connections; `None` when the time is over.
    ///
    /// # Panics
    /// On an answer that a browser would give up on.
    pub async fn next(&mut self, within: Duration) -> Option<Message> {
        let deadline = Instant::now() + within;
        loop {
            let Some(stream) = &mut self.stream else {
                match timeout_at(deadline, self.connect()).await.ok()? {
                    Some(stream) => self.stream = Some(stream),
                    None => timeout_at(deadline, sleep(self.retry)).await.ok()?,
                }
                continue;
            };
            match stream.next(deadline.saturating_duration_since(Instant::now())).await {
                Ok(Heard { is_heartbeat: true, .. }) => {}
                Ok(Heard { said: Decoded::Message(message), .. }) => {
                    message.last_event_id.clone_into(&mut self.last_event_id);
                    return Some(message);
                }
                Ok(Heard { said: Decoded::Retry(retry), .. }) => self.retry = retry,
                Ok(Heard { said: Decoded::Comment(_), .. }) => {}
                Err(End::Silent) => return None,
                Err(End::Ended | End::Cut(_)) => {
                    if !stream.cursor().is_empty() {
                        stream.cursor().clone_into(&mut self.last_event_id);
                    }
                    self.stream = None;
                    timeout_at(deadline, sleep(self.retry)).await.ok()?;
                }
            }
        }
    }

    /// `None` where the host was not reached.
    async fn connect(&mut self) -> Option<Stream> {
        let cursor = [("Last-Event-ID", self.last_event_id.as_str()), ("Accept", "text/event-stream")];
        let headers = if self.last_event_id.is_empty() { &cursor[1..] } else { &cursor[..] };
        let stream = self.client.try_open(&self.path, headers).await.ok()?;
        let is_stream =
            stream.status == 200 && stream.header("Content-Type").starts_with("text/event-stream");
        assert!(is_stream, "a browser gives up on {} {:?}", stream.status, stream.headers);
        self.connects += 1;
        Some(stream)
    }
}
