//! How an entry is written behind the newest one, whoever else writes at the same time.

use futures::future::try_join;

use super::memory::Memory;
use super::reader::all_after;
use super::{Append, Item, Put, Table};
use crate::access::Digest;
use crate::backoff::Backoff;
use crate::chance::Chance;
use crate::limits::{APPEND_RETRY_MS, TABLE_GRACE};
use crate::log::{ChannelName, Draft, Entry, EntryId, Retention};
use crate::store::{Receipt, Stored};
use crate::time::UnixMillis;

/// Writes entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a, T> {
    pub table: &'a T,
    pub retention: Retention,
}

impl<T: Table> Writer<'_, T> {
    /// Writes an entry behind `newest`, or behind whatever others write meanwhile; with a mark, unless one of those has
    /// it, too.
    pub(super) async fn write(
        &self,
        channel: &ChannelName,
        draft: &Draft,
        mark: Option<(Digest, Digest)>,
        mut newest: Option<Item>,
        mut memory: Option<Memory>,
    ) -> Result<Receipt, T::Failure> {
        let writer = self.table.draw();
        let (mut chance, mut backoff) = (Chance::seeded(writer), Backoff::new(APPEND_RETRY_MS));
        loop {
            let now = self.table.now();
            let mut item = self.place(newest.as_ref(), now, writer);
            let mut remember = None;
            if !item.is_seal() {
                let last = memory.as_ref().and_then(|memory| memory.last(self.retention, &item, now));
                item.entry = Some(draft.entry(item.id, item.time, last));
                item.mark.clone_from(&mark);
                remember = memory.clone().map(|memory| memory.next(&item));
            }
            let expires = item.time + self.retention.age + TABLE_GRACE;
            let append = Append { item: &item, remember: remember.as_ref(), expires };
            if self.table.append(channel, &append).await? == Put::Stored {
                match item.entry {
                    Some(entry) => return Ok(stored(entry)),
                    None => newest = Some(item),
                }
                continue;
            }
            // First the pause and then the question: what is known before a pause is old after it, and in a lively
            // channel whoever writes by it is always late.
            self.table.pause(backoff.pause(&mut chance)).await;
            let there = all_after(self.table, channel, item.id.back(1));
            let (there, remembered) = try_join(there, Memory::read(self.table, channel, draft)).await?;
            memory = remembered;
            // A put whose answer was lost is tried again, and then finds itself.
            let is_ours = |first: &Item| (first.id, first.writer) == (item.id, writer);
            if let (Some(entry), true) = (&item.entry, there.first().is_some_and(is_ours)) {
                return Ok(stored(entry.clone()));
            }
            if let Some((mark, draft)) = &mark
                && let Some(marked) = there.iter().find(|item| item.is_marked(mark))
            {
                return Ok(marked.replay(draft));
            }
            newest = there.into_iter().next_back().or(newest);
        }
    }

    /// The item to write next, at the one id at which something can follow `newest`: an entry, still without its content,
    /// or a seal if `newest` has expired. The seal that this writer has just made stands for it however slow the table is.
    fn place(&self, newest: Option<&Item>, now: UnixMillis, writer: u64) -> Item {
        let id = newest.map_or(EntryId::BEGINNING.next(), Item::next_id);
        let is_own_seal = |newest: &Item| newest.is_seal() && newest.writer == writer;
        let stands = |newest: &&Item| is_own_seal(newest) || self.retention.keeps(newest.time, now);
        let (run, previous) = match newest.filter(stands) {
            Some(newest) => (newest.run, newest.previous),
            None => {
                let begin =
                    self.retention.place(newest.and_then(|newest| newest.tail(self.retention, now)), now);
                (begin.run.max(id.next()), begin.previous)
            }
        };
        // In a channel times never go back.
        let time = newest.map_or(now, |newest| newest.time.max(now));
        Item { id, time, run, previous, writer, entry: None, mark: None }
    }
}

fn stored(Entry { id, body, .. }: Entry) -> Receipt {
    Receipt::Stored(Stored { id, body })
}
