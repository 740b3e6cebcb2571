//! A connection of which a test writes every byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// In which bytes that are there are read.
const MOMENT: Duration = Duration::from_millis(1);

/// Bytes of HTTP/1.1, one request at most. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(authority: &str) -> Self {
        let stream = TcpStream::connect(authority).await.expect("the host takes connections");
        stream.set_nodelay(true).expect("a connection can be set");
        Self { stream, heard: Vec::new() }
    }

    /// Sends these bytes; `false` where the host takes no more of them.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes)).await;
        sent.is_ok_and(|sent| sent.is_ok())
    }

    /// The status of the answer, once there is one; `None` where the host has closed the connection without.
    pub async fn status(&mut self) -> Option<u16> {
        while !self.heard.contains(&b'\n') {
            if !self.hear().await {
                return None;
            }
        }
        let line = self.text();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        Some(status.unwrap_or_else(|| panic!("no answer of HTTP: {line:?}")))
    }

    /// Whether an answer has begun by now.
    pub async fn is_answered(&mut self) -> bool {
        let _ = timeout(MOMENT, self.stream.read_buf(&mut self.heard)).await;
        !self.heard.is_empty()
    }

    /// All that comes until the host closes the connection, as text.
    pub async fn rest(mut self) -> String {
        while self.hear().await {}
        self.text()
    }

    /// Waits for more; `false` at the end, which a reset is, too: a host may close while it is still being sent to.
    async fn hear(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.heard)).await;
        read.unwrap_or_else(|_| panic!("after {:?} nothing came in {PATIENCE:?}", self.text()))
            .is_ok_and(|n| n > 0)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}
