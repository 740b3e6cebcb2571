//! The contract, asked of the Worker.

use ssedge_tests::host::Host;

#[tokio::test]
async fn says_what_it_is() {
    let host = Host::worker(&[]).await;
    let answer = host.client.get("/healthz", &[]).await;
    assert_eq!(answer.json()["host"], host.name);
    let mut stream = host.client.open("/api/chat", &[]).await;
    assert_eq!(stream.message().await.event, "cursor");
    let id = host.client.say("lobby", "hi").await;
    assert_eq!(stream.message().await.last_event_id, id.to_string());
}
