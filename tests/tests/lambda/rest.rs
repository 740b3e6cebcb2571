//! The function behind a REST API: WithRestApi of template.yaml, with its stage. Its requests are events of format 1.0.
//!
//! All of the contract is asked of it. The paths of the contract are those below the stage; a `Location` is one of them,
//! because the function is not told where the API is.

use std::fs;

use ssedge_tests::contract::{self, Group};
use ssedge_tests::host::{Lambda, Platform, root};

/// As in template.yaml.
const STAGE: &str = "live";

const REST: Platform = Platform {
    concurrency: 1000,
    // A day, and processes end with their readers, for the reasons that hold for a function URL.
    timeout: 86_400,
    share: 1,
    reap: true,
    profile: "debug",
    stage: Some(STAGE),
};

async fn check(group: Group) {
    let lambda = Lambda::on(REST, group.vars).await;
    contract::check(&lambda, &group).await;
}

ssedge_tests::keeps_the_contract!(check);

#[test]
fn the_stage_is_that_of_the_template() {
    let template = fs::read_to_string(root().join("template.yaml")).expect("there is a template.yaml");
    assert!(template.contains(&format!("StageName: {STAGE}\n")), "no stage is called {STAGE}");
}

/// What format 1.0 writes in another way than a function URL: parameters decoded, without their order, and their values in
/// a list; cookies among the headers; the path as it came, without the stage.
#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let lambda = Lambda::on(REST, &[]).await;
    let client = &lambda.client;
    for path in ["", "/"] {
        let page = client.get(path, &[]).await;
        assert_eq!((page.status, page.header("Content-Type")), (200, "text/html; charset=utf-8"), "{path:?}");
    }

    let id = client.say("lobb%79", "hi").await;
    let room = client.get_json("/api/chat/l%6Fbby?history=1").await;
    assert!(room.text.contains(&format!(r#""id":"{id}""#)), "a name is decoded once: {room:?}");
    assert_eq!(client.get_json("/api/chat/lobb%2579").await.status, 400, "and only once");
    assert_eq!(client.get_json(&format!("/{STAGE}/healthz")).await.status, 404, "a stage is left out once");

    let quotes = client.get_json("/api/stock?symbols=ACME&history=1&symbols=GLBX%2CINTK").await.json();
    let quoted = |symbol| quotes.to_string().contains(symbol);
    assert!(["ACME", "GLBX", "INTK"].into_iter().all(quoted), "values are added to each other: {quotes}");
    let twice = client.get_json("/api/stock?history=1&symbols=ACME&history=2").await;
    assert_eq!((twice.status, twice.json()["field"].as_str()), (400, Some("history")));
    let cursor = client.get_json("/api/chat?lastEventId=1&x=1&lastEventId=a%26b%3Dc%2Bd").await;
    assert!(cursor.text.contains("a&b=c+d"), "the last cursor counts, as it was sent: {cursor:?}");

    for cookies in [&["ssedge_token=x"][..], &["theme=dark; ssedge_token=x"], &["a=1", "ssedge_token=x"]] {
        let headers: Vec<_> = cookies.iter().map(|cookie| ("Cookie", *cookie)).collect();
        assert_eq!(client.get("/api/chat", &headers).await.status, 401, "the token is found in {cookies:?}");
    }
}
