//! Both hosts compute the same market.

use std::collections::BTreeMap;

use ssedge_tests::client::Client;
use ssedge_tests::host::{Host, Lambda};

const TICKS: usize = 300;

/// The bytes of each tick, by its id.
async fn ticks(client: &Client) -> BTreeMap<String, String> {
    let mut reader = client.open(&format!("/api/stock?interval=250&history={TICKS}"), &[]).await;
    let mut ids = 0;
    let last = |message: &ssedge_tests::client::Message| {
        ids += usize::from(message.event == "message" && message.data.contains("ZORG"));
        ids == TICKS
    };
    reader.collect_until(last).await;
    let text = reader.text();
    let mut ticks = BTreeMap::new();
    let mut tick = String::new();
    for block in text.split_inclusive("\n\n").skip(1).filter(|block| block.ends_with("\n\n")) {
        tick.push_str(block);
        if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
            ticks.insert(id.to_owned(), std::mem::take(&mut tick));
        }
    }
    ticks
}

#[tokio::test]
async fn the_same_tick_has_the_same_bytes_on_both_hosts() {
    let (worker, lambda) = tokio::join!(Host::worker(&[]), Lambda::start(&[]));
    let (of_worker, of_lambda) = tokio::join!(ticks(&worker.client), ticks(&lambda.client));
    let shared: Vec<_> = of_worker.keys().filter(|id| of_lambda.contains_key(*id)).collect();
    assert!(shared.len() > TICKS / 2, "{} ticks in common", shared.len());
    for id in shared {
        assert_eq!(of_worker[id], of_lambda[id], "{id}");
    }
}
