//! The contract where it is about who may do what, asked of the function.

use ssedge_tests::contract::{self, Group};
use ssedge_tests::host::Lambda;

/// Streams are not to outlive their readers by much, where the group does not say how long they live.
const STREAM_SECS: (&str, &str) = ("STREAM_SECS", "20");

async fn check(group: Group) {
    let lambda = Lambda::start(&[&[STREAM_SECS], group.vars].concat()).await;
    contract::check(&lambda, &group).await;
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
