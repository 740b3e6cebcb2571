//! The channels' logs in the table, with what the settings say of them.

use ssedge::access::Rate;
use ssedge::limits::CHANNEL_TIMEOUT;
use ssedge::log::{ChannelName, Retention};
use ssedge::settings::{Settings, TableSettings};
use ssedge::store::table::{Posts, Reader};
use ssedge::store::{Post, Receipt};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::table::Dynamo;

/// It keeps nothing in memory, because many processes write to the same channel.
pub struct Logs {
    pub table: Dynamo,
    retention: Retention,
    rate: Rate,
}

impl Logs {
    pub fn new(settings: &Settings, table: &TableSettings) -> Self {
        Self { table: Dynamo::new(table), retention: settings.retention, rate: settings.posts() }
    }

    pub const fn reader(&self) -> Reader<'_, Dynamo> {
        Reader::new(&self.table, self.retention)
    }

    /// Stores the post, or says in time that it may be stored or not. `beginning` is how fast its sender may begin channels.
    pub async fn append(
        &self,
        channel: &ChannelName,
        post: &Post,
        beginning: Rate,
    ) -> Result<Receipt, Failure> {
        let late =
            |_| Failure::new("put: the table was too slow, or others were first until the time was over");
        let posts = Posts::new(&self.table, self.retention, self.rate);
        timeout(CHANNEL_TIMEOUT, posts.append(channel, post, beginning)).await.map_err(late)?
    }
}
