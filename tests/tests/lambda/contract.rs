//! The contract, asked of the function: one deployment for each group of settings.

use ssedge_tests::contract::{self, Group};
use ssedge_tests::host::{Lambda, Platform};

/// Streams live for as long as the group's STREAM_SECS say, or for ever, so an invocation has a day in place of AWS's
/// 900 s. No stream ends by plan, then, because a machine is slow.
///
/// The statements open and leave hundreds of streams. Left alone, each would be a process that asks the table, and in
/// the end the table would answer none of them in time. So a process ends here with its reader.
async fn check(group: Group) {
    let platform = Platform { timeout: 86_400, reap: true, ..Platform::default() };
    let lambda = Lambda::on(platform, group.vars).await;
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
