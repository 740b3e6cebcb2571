//! What only shows in workerd: its files, and readers that leave.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures::future::join_all;
use ssedge_tests::client::{Client, PATIENCE, Stream};
use ssedge_tests::host::{Host, heavy};
use tokio::time::{Duration, Instant, sleep};

/// The objects whose database has a table, by the names of their files. One that was only looked into has an empty
/// database here, and on Cloudflare none.
pub fn objects_with_tables(state: &Path) -> BTreeSet<String> {
    let mut objects = BTreeSet::new();
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_object = path.parent().is_some_and(|folder| folder.ends_with("ssedge-Channel"));
            let object = name.split('.').next().unwrap_or_default().to_owned();
            // The emulator itself keeps what it knows of objects.
            if is_object && object != "metadata" && holds(&path, b"CREATE TABLE") {
                objects.insert(object);
            }
        }
    }
    objects
}

fn holds(path: &Path, text: &[u8]) -> bool {
    // A log of the database may be gone again since it was listed.
    fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text))
}

/// Room names by the hundred: to look into a room that nobody spoke in stores nothing.
#[tokio::test]
async fn rooms_without_a_message_are_nowhere() {
    const ROOMS: usize = 300;
    const ABREAST: usize = 25;
    let _turn = heavy().await;
    let host = Host::worker(&[]).await;
    let client = &host.client;
    let look = |n: usize| async move {
        let path = format!("/api/chat/nobody-{n}");
        let answer = match n % 6 {
            0 | 1 => client.get_json(&path).await,
            2 => client.get(&format!("{path}/messages/1"), &[]).await,
            3 => client.head(&path, &[]).await,
            4 => client.post_json(&path, r#"{"user":"ada","text":""}"#).await,
            _ => {
                let mut stream = client.open(&path, &[]).await;
                assert_eq!(stream.message().await.event, "cursor");
                return;
            }
        };
        assert_eq!(answer.status, [200, 200, 404, 200, 400][n % 6], "{answer:?}");
    };
    for from in (0..ROOMS).step_by(ABREAST) {
        join_all((from..ROOMS).take(ABREAST).map(look)).await;
    }
    assert_eq!(objects_with_tables(host.state().path()), BTreeSet::new(), "after looks");
    client.say("somebody", "hi").await;
    assert_eq!(objects_with_tables(host.state().path()).len(), 1, "a message is stored");
}

/// The open stream; `None` where there is no room.
async fn knock(client: &Client) -> Option<Stream> {
    let mut stream = client.open("/api/chat/full", &[]).await;
    assert_eq!(stream.status, 200);
    match stream.next_message(PATIENCE).await {
        Ok(message) => {
            assert_eq!(message.event, "cursor");
            Some(stream)
        }
        Err(end) => {
            assert!(stream.text().starts_with("retry: "), "{end:?} after {:?}", stream.text());
            None
        }
    }
}

/// Waits until there is room: the time that took.
async fn room_for(client: &Client) -> (Stream, Duration) {
    let started = Instant::now();
    loop {
        if let Some(stream) = knock(client).await {
            return (stream, started.elapsed());
        }
        assert!(started.elapsed() < PATIENCE, "there is no room for {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn there_is_room_again_when_readers_leave() {
    const PER_SENDER: usize = 3;
    const PER_CHANNEL: usize = 5;
    /// As soon as a reader that left is gone: long before a heartbeat would have told, which is due after a minute.
    const SOON: Duration = Duration::from_secs(30);
    let vars = [("STREAMS_PER_SENDER", "3"), ("STREAMS_PER_CHANNEL", "5"), ("HEARTBEAT_SECS", "60")];
    let host = Host::worker(&vars).await;
    let (one, two) = (host.client.from_address(61), host.client.from_address(62));
    let mut of_one = Vec::new();
    for _ in 0..PER_SENDER {
        of_one.push(knock(&one).await.expect("there is room"));
    }
    for _ in 0..5 {
        assert!(knock(&one).await.is_none(), "one has as many as it may");
        // Each that leaves is room for one more, and for no more than one.
        of_one.pop().unwrap().close();
        let (stream, waited) = room_for(&one).await;
        assert!(waited < SOON, "{waited:?}");
        of_one.push(stream);
    }
    let mut of_two = Vec::new();
    for _ in PER_SENDER..PER_CHANNEL {
        of_two.push(knock(&two).await.expect("there is room"));
    }
    assert!(knock(&two).await.is_none(), "the channel has as many as it may");
    of_one.clear();
    of_two.push(room_for(&two).await.0);
    assert!(knock(&two).await.is_none(), "two has as many as it may");
    assert_eq!(of_two.len(), PER_SENDER);
}

/// Whoever is given an IPv6 network has more addresses than there are posts.
#[tokio::test]
async fn an_ipv6_network_is_one_sender() {
    const POSTS: usize = 40;
    let host = Host::worker(&[("POST_RATE", "1"), ("POST_BURST", "3")]).await;
    let post = |address: String| {
        let client = host.client.with("CF-Connecting-IP", &address);
        async move { client.post_json("/api/chat", r#"{"user":"ada","text":"hi"}"#).await.status }
    };
    let asked = Instant::now();
    let of_one = join_all((0..POSTS).map(|n| post(format!("2001:db8:0:7:{n:x}:ffff::{n:x}")))).await;
    let flowed = asked.elapsed().as_secs() as usize + 1;
    let stored = of_one.iter().filter(|status| **status == 201).count();
    assert!((3..=3 + flowed).contains(&stored), "{of_one:?} in {:?}", asked.elapsed());
    for other in ["2001:db8:0:8::1", "2001:db8:1:7::1", "::ffff:192.0.2.1", "192.0.2.2"] {
        assert_eq!(post(other.to_owned()).await, 201, "{other}");
    }
}
