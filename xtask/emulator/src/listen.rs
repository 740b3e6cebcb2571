//! Connections, as they come.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// Before another try to accept: without a file descriptor left, it fails until a connection is closed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// The next connection. It sends what is written to it at once.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        if let Ok((stream, peer)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            return (stream, peer);
        }
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }
}
