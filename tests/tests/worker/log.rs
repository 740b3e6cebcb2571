//! What the Worker logs, at the level that logs most.

use ssedge_tests::host::Host;
use ssedge_tests::secrets;

#[tokio::test]
async fn the_log_of_the_worker_tells_on_nobody() {
    const ADDRESS: &str = "198.51.100.247";
    let host = Host::worker(secrets::VARS).await;
    secrets::check(&host, &host.client.with("CF-Connecting-IP", ADDRESS), ADDRESS).await;
}
