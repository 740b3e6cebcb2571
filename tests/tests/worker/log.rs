//! What the Worker logs, at the level that logs most.

use ssedge_tests::host::Host;
use ssedge_tests::secrets;

#[tokio::test]
async fn the_log_of_the_worker_tells_on_nobody() {
    const ADDRESS: &str = "198.51.100.247";
    let host = Host::worker(secrets::VARS).await;
    secrets::check(&host, &host.client.with("CF-Connecting-IP", ADDRESS), ADDRESS).await;
}

/// `CONNECT`, by which a client asks for a tunnel to another server, is refused as any other method, and leaves no failure
/// in the log. What stands in front of the Worker refuses it: here xtask/miniflare.mjs, on Cloudflare the edge.
#[tokio::test]
async fn a_tunnel_is_refused_without_a_failure() {
    let host = Host::worker(&[]).await;
    let authority = host.client.authority();
    for target in ["a.example:443", authority] {
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        let mut connection = host.client.connect().await;
        connection.send(request.as_bytes()).await;
        let status = connection.status().await;
        assert!(matches!(status, Some(400..=599) | None), "{target}: {status:?}");
    }
    assert_eq!(host.client.get("/healthz", &[]).await.status, 200);
    let log = host.log();
    assert!(!log.to_lowercase().contains("exception") && !log.contains("connect()"), "{log}");
}
