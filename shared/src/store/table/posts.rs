//! The way of a post into the log: past the rate of its sender and the keys that were used before.

use super::Table;
use super::buckets::Buckets;
use super::claims::{ByKey, Claims};
use super::memory::Memory;
use super::reader::newest;
use super::writer::Writer;
use crate::access::Rate;
use crate::log::{ChannelName, Retention};
use crate::store::{Post, Receipt};
use futures::future::try_join4;

/// Takes posts.
#[derive(Clone, Copy, Debug)]
pub struct Posts<'a, T> {
    table: &'a T,
    retention: Retention,
    rate: Rate,
}

impl<'a, T: Table> Posts<'a, T> {
    /// `rate` is how fast one sender may post to one channel.
    pub const fn new(table: &'a T, retention: Retention, rate: Rate) -> Self {
        Self { table, retention, rate }
    }

    /// Stores the post as the next entries of the channel, unless its sender is too fast or it is stored already.
    /// `beginning` is how fast its sender may begin channels. A refused post writes nothing.
    ///
    /// # Errors
    /// [`Table::Failure`], after which the post may be stored or not.
    pub async fn append(
        &self,
        channel: &ChannelName,
        post: &Post,
        beginning: Rate,
    ) -> Result<Receipt, T::Failure> {
        let (buckets, claims) = (Buckets::new(self.table), Claims { table: self.table });
        let mark = post.mark();
        let claim = async {
            match &mark {
                Some((mark, _)) => claims.standing(channel, mark).await,
                None => Ok(None),
            }
        };
        // None of these needs the other's answer.
        let (newest, bucket, claim, memory) = try_join4(
            newest(self.table, channel),
            buckets.of_posts(channel, &post.sender, self.rate),
            claim,
            Memory::read(self.table, channel, post.drafts.first()),
        )
        .await?;
        let wait = bucket.wait(self.table.now());
        // Posts that meet in a new channel count each.
        if wait.is_none()
            && newest.is_none()
            && !post.brings_nothing()
            && let Some(wait) = buckets.begin(&post.sender, beginning).await?
        {
            return Ok(Receipt::TooMany(wait));
        }
        let newest = match &mark {
            None => newest,
            // A sender who is too fast is told what its key has stored, and may store nothing.
            Some((mark, draft)) => match claims.find(channel, mark, newest, claim, wait.is_some()).await? {
                ByKey::Stored(item) => return Ok(item.replay(draft)),
                ByKey::NotStored(newest) => newest,
            },
        };
        if let Some(wait) = wait {
            return Ok(Receipt::TooFast(wait));
        }
        let writer = self.writer();
        let ended = writer.settle(channel, newest.as_ref()).await?;
        let newest = ended.or(newest);
        if let Some(receipt) = writer.refusal(newest.as_ref(), post, self.table.now()) {
            return Ok(receipt);
        }
        match buckets.take(bucket).await? {
            None => writer.write(channel, post, mark, newest, memory).await,
            Some(wait) => Ok(Receipt::TooFast(wait)),
        }
    }

    /// Deletes all entries of the channel.
    ///
    /// # Errors
    /// [`Table::Failure`], after which they may be deleted or not.
    pub async fn delete(&self, channel: &ChannelName) -> Result<(), T::Failure> {
        self.writer().delete(channel, newest(self.table, channel).await?).await
    }

    const fn writer(&self) -> Writer<'a, T> {
        Writer { table: self.table, retention: self.retention }
    }
}
