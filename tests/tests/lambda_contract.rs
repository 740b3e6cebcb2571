//! The contract, asked of the function: one deployment for each group of settings.

use ssedge_tests::contract::{self, Group};
use ssedge_tests::host::{Lambda, Platform};

/// A function is not told that a reader left: its streams go on, each with a process and its questions to the table. So
/// they end soon here, where the group does not say when.
const STREAM_SECS: (&str, &str) = ("STREAM_SECS", "20");
/// Seconds of an invocation, in place of AWS's 900, so that a group's STREAM_SECS are as long as it says: streams are
/// counted over the time that they may live.
const TIMEOUT: u32 = 86_400;

async fn check(group: Group) {
    let platform = Platform { timeout: TIMEOUT, ..Platform::default() };
    let lambda = Lambda::on(platform, &[&[STREAM_SECS], group.vars].concat()).await;
    contract::check(&lambda, &group).await;
}

ssedge_tests::keeps_the_contract!(check);

/// Where a Worker answers, a function does not start.
#[tokio::test]
async fn a_bad_setting_stops_the_start_with_a_sentence() {
    let lambda = Lambda::start(contract::BAD.vars).await;
    assert_eq!(lambda.client.get("/healthz", &[]).await.status, 502);
    let sentence = "the setting HEARTBEAT_SECS is bad: it must be a whole number from 1 to 60";
    assert!(lambda.log().contains(sentence), "{}", lambda.log());
}
