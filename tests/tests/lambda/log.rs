//! What the function logs, at the level that logs most.

use ssedge_tests::host::Lambda;
use ssedge_tests::secrets;

#[tokio::test]
async fn the_log_of_the_function_tells_on_nobody() {
    let lambda = Lambda::start(secrets::VARS).await;
    secrets::check(&lambda, &lambda.client.from_address(247), "127.0.0.247").await;
}
