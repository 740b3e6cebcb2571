//! The contract, asked of the Worker: one host for each group of settings.

use ssedge_tests::contract::{self, Group};
use ssedge_tests::host::Host;

async fn check(group: Group) {
    contract::check(&Host::worker(group.vars).await, &group).await;
}

ssedge_tests::keeps_the_contract!(check);

#[tokio::test]
async fn holds_with_a_bad_setting() {
    check(contract::BAD).await;
}
