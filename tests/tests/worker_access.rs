//! The contract where it is about who may do what, asked of the Worker.

use ssedge_tests::contract::{self, Group};
use ssedge_tests::host::Host;

async fn check(group: Group) {
    contract::check(&Host::worker(group.vars).await, &group).await;
}

#[tokio::test]
async fn holds_with_tokens() {
    check(contract::TOKENS).await;
}

#[tokio::test]
async fn holds_where_posts_are_few() {
    check(contract::RATES).await;
}

#[tokio::test]
async fn holds_where_streams_are_few() {
    check(contract::CROWD).await;
}
