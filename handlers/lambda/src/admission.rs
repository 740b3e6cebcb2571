//! How many streams are open at once. All processes share it, by counters in the table.

use std::time::Duration;

use ssedge::limits::{ADMISSION_TIMEOUT, INVOCATION_SECS};
use ssedge::log::ChannelName;
use ssedge::route::Subscriber;
use ssedge::session::StreamConfig;
use ssedge::settings::{LogLevel, Settings};
use ssedge::store::table::Buckets;
use tokio::time::timeout;

use crate::host;
use crate::table::Dynamo;

/// Whether there is room for one more stream of this reader. A table that does not answer refuses nobody.
pub async fn admits(
    table: &Dynamo,
    channel: Option<&ChannelName>,
    subscriber: &Subscriber,
    config: StreamConfig,
    settings: &Settings,
) -> bool {
    let now = host::now();
    let life = config.ends_at(now).map_or(Duration::from_secs(INVOCATION_SECS), |end| end.since(now));
    let of_sender = settings.streams_per_sender.map(|most| (most, subscriber.sender.as_str()));
    let of_channel = settings.streams_per_channel.zip(channel.map(ChannelName::as_str));
    for (most, whose) in of_sender.into_iter().chain(of_channel) {
        let uncounted = match timeout(ADMISSION_TIMEOUT, Buckets::new(table).open(whose, most, life)).await {
            Ok(Ok(None)) => continue,
            Ok(Ok(Some(_))) => return false,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "the table did not answer in time".to_owned(),
        };
        host::log(settings.log_level, LogLevel::Warn, &format!("a stream was not counted: {uncounted}"));
    }
    true
}
