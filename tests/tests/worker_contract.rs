//! The contract, asked of the Worker: one host for each group of settings.

use ssedge_tests::contract::{self, Group};
use ssedge_tests::host::Host;

async fn check(group: Group) {
    contract::check(&Host::worker(group.vars).await, &group).await;
}

#[tokio::test]
async fn holds_with_default_settings() {
    check(contract::DEFAULT).await;
}

#[tokio::test]
async fn holds_where_streams_rotate() {
    check(contract::ROTATING).await;
}

#[tokio::test]
async fn holds_where_little_is_kept() {
    check(contract::FEW).await;
}

#[tokio::test]
async fn holds_where_nothing_is_kept_for_long() {
    check(contract::BRIEF).await;
}

#[tokio::test]
async fn holds_with_strict_settings() {
    check(contract::STRICT).await;
}

#[tokio::test]
async fn holds_where_nobody_may_do_anything() {
    check(contract::LOCKED).await;
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

#[tokio::test]
async fn holds_with_a_bad_setting() {
    check(contract::BAD).await;
}
