//! The channels' logs in the table, with what the settings say of them.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use ssedge::limits::CHANNEL_TIMEOUT;
use ssedge::log::ChannelName;
use ssedge::problem::Problem;
use ssedge::route::{Append, Deployment, Streamed};
use ssedge::settings::TableSettings;
use ssedge::store::table::{Posts, Reader};
use ssedge::store::{Post, Receipt};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::table::Dynamo;

/// It keeps nothing in memory, because many processes write to the same channel.
pub struct Logs {
    pub table: Dynamo,
    deployment: Arc<Deployment>,
}

impl Logs {
    pub fn new(deployment: Arc<Deployment>, table: &TableSettings) -> Self {
        Self { table: Dynamo::new(table), deployment }
    }

    pub fn reader(&self, channel: &ChannelName) -> Reader<'_, Dynamo> {
        Reader::new(&self.table, self.deployment.rules(Some(channel)).retention)
    }

    fn posts(&self, channel: &ChannelName) -> Posts<'_, Dynamo> {
        let rules = self.deployment.rules(Some(channel));
        Posts::new(&self.table, rules.retention, rules.posts())
    }

    /// Stores the post, or says in time that it may be stored or not.
    pub async fn append(&self, append: &Append<'_>, post: &Post) -> Result<Receipt, Failure> {
        let (channel, beginning) = (&append.channel, append.beginning_rate());
        timeout(CHANNEL_TIMEOUT, self.posts(channel).append(channel, post, beginning)).await.map_err(late)?
    }

    /// Stores a body that its sender sent as a stream, which the platform has collected, in as many posts as it takes.
    pub async fn append_all(
        &self,
        append: &Append<'_>,
        mut streamed: Streamed<'_>,
        body: &[u8],
    ) -> Result<Response<Bytes>, Problem> {
        let read = streamed.push(body);
        while let Some(post) = streamed.take()? {
            streamed.stored(post.drafts.len(), self.append(append, &post).await?)?;
        }
        if let Some(post) = streamed.end(read.is_ok())? {
            streamed.stored(post.drafts.len(), self.append(append, &post).await?)?;
        }
        read?;
        streamed.response()
    }

    /// Deletes all of the channel, or says in time that it may be deleted or not.
    pub async fn delete(&self, channel: &ChannelName) -> Result<(), Failure> {
        timeout(CHANNEL_TIMEOUT, self.posts(channel).delete(channel)).await.map_err(late)?
    }
}

fn late(_: Elapsed) -> Failure {
    Failure::new("put: the table was too slow, or others were first until the time was over")
}
