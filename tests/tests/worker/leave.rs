//! Readers that leave, in real workerd: what they leave behind is seen in the channel's sockets and the timers of the
//! isolate, of which each stream has one.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::time::Duration;

use ssedge_tests::client::TRIES;
use ssedge_tests::host::{Rig, Sockets, heavy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

const LOBBY: &str = "chat/lobby";
/// The longest silence of a stream: a heartbeat that cannot be written tells of nobody before that.
const SILENT: &[(&str, &str)] = &[("HEARTBEAT_SECS", "60")];
/// How soon a reader that left must be gone on a machine that does much else: long before a heartbeat.
const GONE: Duration = Duration::from_secs(30);
/// And how soon on one that does not, which the quickest of some shows.
const SOON: Duration = Duration::from_secs(2);

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Close,
    Reset,
}

/// A connection that asked for a stream, and has had its head where it waits for that.
async fn connection(port: u16, path: &str, waits: bool) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while waits && !head.ends_with(b"\n\n\r\n") {
        assert_ne!(connection.read_buf(&mut head).await.unwrap(), 0, "{path}");
    }
    connection
}

fn leave(connection: TcpStream, how: Leave) {
    if matches!(how, Leave::Reset) {
        connection.set_zero_linger().unwrap();
    }
    drop(connection);
}

#[tokio::test]
async fn a_reader_that_leaves_is_gone() {
    let mut rig = Rig::start(SILENT).await;
    for (path, channel, sockets) in [
        ("/api/chat", LOBBY, 1),
        ("/api/events?tick=off", "events", 1),
        ("/api/stock?interval=60000", "stock", 0),
    ] {
        for how in [Leave::Close, Leave::Reset] {
            let mut quickest = Duration::MAX;
            for _ in 0..TRIES {
                let reader = connection(rig.port(), path, true).await;
                rig.settle(channel, sockets, 1).await;
                leave(reader, how);
                let gone = rig.settle(channel, 0, 0).await;
                assert!(gone < GONE, "{path}, {how:?}: {gone:?}");
                quickest = quickest.min(gone);
                if quickest < SOON {
                    break;
                }
            }
            assert!(quickest < SOON, "{path}, {how:?}: {quickest:?}");
        }
    }
}

#[tokio::test]
async fn many_readers_that_leave_at_once_are_gone() {
    const READERS: u64 = 200;
    let _turn = heavy().await;
    let mut rig = Rig::start(SILENT).await;
    for how in [Leave::Close, Leave::Reset] {
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(connection(rig.port(), "/api/chat", true).await);
        }
        rig.settle(LOBBY, 1, READERS).await;
        readers.into_iter().for_each(|reader| leave(reader, how));
        let gone = rig.settle(LOBBY, 0, 0).await;
        println!("{READERS} readers, {how:?}: gone after {gone:?}");
        assert!(gone < GONE, "{how:?}: {gone:?}");
    }
}

/// The channel may take a while to start, and the reader does not wait for it.
#[tokio::test]
async fn a_reader_that_leaves_too_early_is_gone() {
    let mut rig = Rig::start(SILENT).await;
    let slow = Duration::from_millis(700);
    for (stall, patience) in [(Duration::ZERO, 0), (Duration::ZERO, 3), (slow, 1), (slow, 20)] {
        for how in [Leave::Close, Leave::Reset] {
            rig.settle(LOBBY, 0, 0).await;
            rig.stall(LOBBY, stall).await;
            rig.evict(LOBBY, Sockets::Hibernate).await;
            for _ in 0..20 {
                let reader = connection(rig.port(), "/api/chat", false).await;
                sleep(Duration::from_millis(patience)).await;
                leave(reader, how);
            }
            let gone = rig.settle(LOBBY, 0, 0).await;
            println!("{how:?} after {patience} ms of {stall:?}: gone after {gone:?}");
            assert!(gone < GONE + stall, "{how:?} after {patience} ms of {stall:?}: {gone:?}");
        }
    }
}
