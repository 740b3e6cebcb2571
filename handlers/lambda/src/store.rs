//! The channels' logs in the table: how entries are appended.

use std::iter;

use ssedge::access::{Digest, Rate};
use ssedge::feeds::stock::value_of;
use ssedge::limits::{APPEND_RETRY_MS, CHANNEL_TIMEOUT, TABLE_GRACE};
use ssedge::log::{ChannelName, Draft, Entry, EntryId, Extent, Retention};
use ssedge::post::{Post, Receipt, Stored};
use ssedge::settings::{Settings, TableSettings};
use ssedge::time::UnixMillis;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::host;
use crate::item::Item;
use crate::keys::Known;
use crate::table::{Put, Table};

/// The longest pauses of who was overtaken, one after the other.
fn pauses() -> impl Iterator<Item = u64> {
    iter::successors(Some(*APPEND_RETRY_MS.start()), |ceiling| {
        Some((ceiling * 2).min(*APPEND_RETRY_MS.end()))
    })
}

/// It keeps nothing in memory, because many processes write to the same channel.
pub struct Store {
    pub(crate) table: Table,
    pub(crate) retention: Retention,
    pub(crate) rate: Rate,
}

impl Store {
    pub fn new(settings: &Settings, table: &TableSettings) -> Self {
        Self { table: Table::new(table), retention: settings.retention, rate: settings.posts() }
    }

    /// Stores the post as the next entry of the channel, unless its sender is too fast or it is stored already.
    /// `beginning` is how fast its sender may begin channels.
    pub async fn append(
        &self,
        channel: &ChannelName,
        post: &Post,
        beginning: Rate,
        now: UnixMillis,
    ) -> Result<Receipt, Failure> {
        let late =
            |_| Failure::new("put: the table was too slow, or others were first until the time was over");
        timeout(CHANNEL_TIMEOUT, self.append_in_time(channel, post, beginning, now)).await.map_err(late)?
    }

    async fn append_in_time(
        &self,
        channel: &ChannelName,
        post: &Post,
        beginning: Rate,
        now: UnixMillis,
    ) -> Result<Receipt, Failure> {
        let mark = post.mark();
        let claim = async {
            match &mark {
                Some((mark, _)) => self.claim(channel, mark, now).await,
                None => Ok(None),
            }
        };
        // None of these needs the other's answer.
        let (newest, posts, claim) =
            tokio::try_join!(self.newest(channel), self.posts(channel, &post.sender), claim)?;
        let wait = posts.wait();
        if wait.is_none()
            && let Some(wait) = self.begin(newest.as_ref(), &post.sender, beginning).await?
        {
            return Ok(Receipt::TooMany(wait));
        }
        let newest = match &mark {
            None => newest,
            // A sender who is too fast is told what its key has stored, and may store nothing.
            Some((mark, draft)) => {
                match self.known_by(channel, mark, newest, claim, wait.is_some(), now).await? {
                    Known::Stored(item) => return Ok(item.replay(draft)),
                    Known::Nothing(newest) => newest,
                }
            }
        };
        if let Some(wait) = wait {
            return Ok(Receipt::TooFast(wait));
        }
        match self.take(posts).await? {
            None => self.write(channel, &post.draft, mark, newest, now).await,
            Some(wait) => Ok(Receipt::TooFast(wait)),
        }
    }

    /// Writes an entry behind `newest`, or behind whatever others write meanwhile; with a mark, unless one of those has
    /// it, too.
    async fn write(
        &self,
        channel: &ChannelName,
        draft: &Draft,
        mark: Option<(Digest, Digest)>,
        mut newest: Option<Item>,
        now: UnixMillis,
    ) -> Result<Receipt, Failure> {
        let writer = host::draw();
        let mut pauses = pauses();
        loop {
            let mut item = self.place(newest.as_ref(), now, writer);
            if !item.is_seal() {
                let key = draft.remembers().map(|(key, _)| key);
                let last = self.newest_body(channel, key, newest.as_ref(), now).await?;
                let last = last.as_deref().and_then(value_of);
                item.entry = Some(draft.entry(item.id, item.time, last));
                item.mark = mark.clone();
            }
            let expires = item.time + self.retention.age + TABLE_GRACE;
            let is_stored = self.table.put(channel, &item, expires).await? == Put::Stored;
            let there = match is_stored {
                true => Vec::new(),
                false => {
                    // First the pause and then the question: what is known before a pause is old after it, and in a
                    // lively channel whoever writes by it is always late.
                    sleep(host::jitter(pauses.next().unwrap_or_default())).await;
                    self.all_after(channel, item.id.back(1)).await?
                }
            };
            // A put whose answer was lost is tried again, and then finds itself.
            let is_ours =
                there.first().is_some_and(|first| (first.id, first.writer) == (item.id, item.writer));
            if let (Some((mark, draft)), false) = (&mark, is_ours)
                && let Some(marked) = there.iter().find(|item| item.is_marked(mark))
            {
                return Ok(marked.replay(draft));
            }
            match item.entry {
                Some(Entry { id, body, .. }) if is_stored || is_ours => {
                    return Ok(Receipt::Stored(Stored { id, body }));
                }
                None if is_stored => newest = Some(Item { entry: None, ..item }),
                _ => newest = there.into_iter().next_back(),
            }
        }
    }

    /// The item to write next: an entry, still without its content, or the seal of a run that has expired.
    fn place(&self, newest: Option<&Item>, now: UnixMillis, writer: u64) -> Item {
        let kept = newest.filter(|newest| newest.time > self.retention.oldest_time(now));
        let (id, run, previous) = match kept {
            Some(seal) if seal.is_seal() => (seal.run, seal.run, seal.previous),
            Some(entry) => (entry.id.next(), entry.run, entry.previous),
            None => {
                let seal = newest.map_or(EntryId::BEGINNING, |newest| newest.id).next();
                let next = Extent::next(newest.and_then(|newest| newest.extent(None)), now);
                (seal, next.run.max(seal.next()), next.previous)
            }
        };
        // In a channel times never go back.
        let time = newest.map_or(now, |newest| newest.time.max(now));
        Item { id, time, run, previous, writer, entry: None, mark: None }
    }
}
