//! The `[vars]` of wrangler.toml, which are a deployment's own choice.
#![allow(clippy::unwrap_used, reason = "a helper fails as the test does")]

use std::fs;
use std::os::unix::fs::symlink;

use ssedge_tests::host::{Folder, Host, root};

/// What is served has them, as numbers too. A Worker of the tests does not, so that a deployment may be configured and
/// tested.
#[tokio::test]
async fn the_vars_of_a_deployment_are_served_and_change_no_test() {
    let checkout = Folder::new();
    for part in ["handlers", "node_modules", "web", "xtask"] {
        symlink(root().join(part), checkout.path().join(part)).unwrap();
    }
    let toml = fs::read_to_string(root().join("wrangler.toml")).unwrap();
    let (before, vars) = toml.split_once("[vars]\n").unwrap();
    let (_, after) = vars.split_once("\n[").unwrap();
    let toml = format!("{before}[vars]\nANONYMOUS = \"publish chat/*\"\nPOST_BURST = 1\n\n[{after}");
    fs::write(checkout.path().join("wrangler.toml"), toml).unwrap();

    for (configured, statuses) in [(true, [403, 201, 429]), (false, [200, 201, 201])] {
        let host = Host::worker_of(checkout.path(), configured).await;
        let read = host.client.get("/api/chat", &[("Accept", "application/json")]).await;
        let post = || host.client.post_json("/api/chat", r#"{"user":"ada","text":"hi"}"#);
        assert_eq!([read.status, post().await.status, post().await.status], statuses, "{configured}");
    }
}
