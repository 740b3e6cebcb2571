//! Bodies that are appended while they arrive, in real workerd.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use ssedge_tests::client::{Client, Stream};
use ssedge_tests::host::Host;
use ssedge_tests::token::{SECRET, grants};

const PATH: &str = "/api/channels/run/1";

/// A host, and somebody who may read and write on it.
async fn host() -> (Host, Client) {
    let host = Host::worker(&[("AUTH_SECRET", SECRET)]).await;
    let client = host.client.bearing(&grants(&["channels/*"], &["channels/*"]));
    (host, client)
}

fn head(client: &Client, query: &str) -> String {
    let token = grants(&[], &["channels/*"]);
    format!(
        "POST {PATH}{query} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        client.authority()
    )
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

async fn open(client: &Client) -> Stream {
    let mut reader = client.open(PATH, &[]).await;
    assert_eq!(reader.message().await.event, "cursor");
    reader
}

#[tokio::test]
async fn what_has_come_reaches_the_readers_before_the_body_ends() {
    let (_host, client) = host().await;
    let mut reader = open(&client).await;
    let mut writer = client.connect().await;
    assert!(writer.send(head(&client, "?close=1").as_bytes()).await);
    for text in ["1", "2", "3"] {
        assert!(writer.send(chunk(&format!("{text}\n")).as_bytes()).await);
        assert_eq!(reader.plain(1).await[0].data, text, "the body goes on");
    }
    assert!(!writer.is_answered().await);
    assert!(writer.send(b"0\r\n\r\n").await);
    let answer = writer.rest().await;
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("\"count\":3"), "{answer}");
    assert_eq!(reader.collect_until(|message| message.event == "end").await.len(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_what_had_come_and_says_so() {
    let (_host, client) = host().await;
    let mut reader = open(&client).await;
    let mut writer = client.connect().await;
    assert!(writer.send(head(&client, "?close=1").as_bytes()).await);
    assert!(writer.send(chunk("1\n2").as_bytes()).await);
    assert_eq!(reader.plain(1).await[0].data, "1");
    drop(writer);
    let rest = reader.collect_until(|message| message.event == "end").await;
    let end = rest.last().expect("it is told the end");
    assert!(end.data.contains("\"reason\":\"broken\""), "{}", end.data);
    assert_eq!(rest.iter().filter(|message| message.event == "message").count(), 0, "half a line is none");
}

#[tokio::test]
async fn a_writer_is_told_in_the_middle_of_its_body_that_the_channel_was_stopped() {
    let (_host, client) = host().await;
    let mut writer = client.connect().await;
    assert!(writer.send(head(&client, "").as_bytes()).await);
    assert!(writer.send(chunk("1\n").as_bytes()).await);
    let mut reader = client.open(&format!("{PATH}?history=all"), &[]).await;
    assert_eq!(reader.plain(1).await[0].data, "1");
    assert_eq!(client.post(&format!("{PATH}?close=1&reason=stopped"), &[], "").await.status, 201);
    assert!(writer.send(chunk("2\n").as_bytes()).await);
    assert_eq!(writer.status().await, Some(409));
}
