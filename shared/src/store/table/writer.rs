//! How entries are written behind the newest one, whoever else writes at the same time.

use futures::future::try_join;

use super::memory::Memory;
use super::reader::all_after;
use super::{Append, Item, Lasting, Put, Remember, Table};
use crate::access::Digest;
use crate::backoff::Backoff;
use crate::chance::Chance;
use crate::limits::{APPEND_RETRY_MS, TABLE_GRACE};
use crate::log::{ChannelName, EndReason, Entry, EntryId, Place, Retention};
use crate::store::{Post, Receipt, Stored};
use crate::time::UnixMillis;

/// Writes entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a, T> {
    pub table: &'a T,
    pub retention: Retention,
}

impl<T: Table> Writer<'_, T> {
    /// Writes a post with its mark behind `newest`, or behind whatever others write meanwhile, unless one of those has it, too.
    /// Whether the channel takes it is looked at anew each time.
    pub(super) async fn write(
        &self,
        channel: &ChannelName,
        post: &Post,
        mark: Option<(Digest, Digest)>,
        mut newest: Option<Item>,
        mut memory: Option<Memory>,
    ) -> Result<Receipt, T::Failure> {
        let writer = self.table.draw();
        let (mut chance, mut backoff) = (Chance::seeded(writer), Backoff::new(APPEND_RETRY_MS));
        loop {
            let now = self.table.now();
            if let Some(ended) = self.settle(channel, newest.as_ref()).await? {
                newest = Some(ended);
                continue;
            }
            if let Some(receipt) = self.refusal(newest.as_ref(), post, now) {
                return Ok(receipt);
            }
            if post.brings_nothing() {
                return self.renew(channel, newest.as_ref(), post).await;
            }
            let mut item = place(self.retention, newest.as_ref(), now, writer);
            let mut remember = None;
            if !item.is_seal() {
                let last = memory.as_ref().and_then(|memory| memory.last(self.retention, &item, now));
                fill(&mut item, post, newest.as_ref(), last);
                item.mark.clone_from(&mark);
                remember = memory.clone().map(|memory| memory.next(&item));
            }
            if self.put(channel, &item, remember.as_ref()).await? == Put::Stored {
                if !item.is_seal() {
                    return Ok(Receipt::Stored(Stored::of(&item.entries, item.before())));
                }
                newest = Some(item);
                continue;
            }
            // First the pause and then the question: what is known before a pause is old after it, and in a lively
            // channel whoever writes by it is always late.
            self.table.pause(backoff.pause(&mut chance)).await;
            let there = all_after(self.table, channel, item.id.back(1));
            let remembered = Memory::read(self.table, channel, post.drafts.first());
            let (there, remembered) = try_join(there, remembered).await?;
            memory = remembered;
            // A put whose answer was lost is tried again, and then finds itself.
            let is_ours = |first: &Item| (first.id, first.writer) == (item.id, writer);
            if !item.is_seal() && there.first().is_some_and(is_ours) {
                return Ok(Receipt::Stored(Stored::of(&item.entries, item.before())));
            }
            if let Some((mark, draft)) = &mark
                && let Some(marked) = there.iter().find(|item| item.is_marked(mark))
            {
                return Ok(marked.replay(draft));
            }
            newest = there.into_iter().next_back().or(newest);
        }
    }

    /// Deletes all entries: what follows is another run, and readers are told.
    pub(super) async fn delete(
        &self,
        channel: &ChannelName,
        mut newest: Option<Item>,
    ) -> Result<(), T::Failure> {
        let writer = self.table.draw();
        let (mut chance, mut backoff) = (Chance::seeded(writer), Backoff::new(APPEND_RETRY_MS));
        loop {
            let now = self.table.now();
            let Some(last) = newest.filter(|newest| !newest.is_seal()) else { return Ok(()) };
            let previous = last.tail(self.retention, now).map_or(EntryId::BEGINNING, |tail| tail.last);
            let id = last.next_id();
            let clock = EntryId::new(now.0).unwrap_or(EntryId::BEGINNING);
            let (run, time) = (clock.max(id.next()), last.time.max(now));
            let entries = vec![Entry::end_at(id, time, &EndReason::DELETED)];
            let lasting = Lasting::default();
            let item = Item { id, time, run, previous, writer, entries, lasting, mark: None };
            if self.put(channel, &item, None).await? == Put::Stored {
                return Ok(());
            }
            self.table.pause(backoff.pause(&mut chance)).await;
            newest = all_after(self.table, channel, id.back(1)).await?.pop().or(Some(last));
        }
    }

    /// Ends a channel whose newest item this is if its lease has run out: what is the newest item then. `None` if there is
    /// nothing to be done.
    pub(super) async fn settle(
        &self,
        channel: &ChannelName,
        newest: Option<&Item>,
    ) -> Result<Option<Item>, T::Failure> {
        let now = self.table.now();
        let is_over = |newest: &&Item| newest.abandoned(self.retention, now).is_some();
        let Some(newest) = newest.filter(is_over) else { return Ok(None) };
        // It may have been renewed since it was read.
        let first = newest.id.back(1);
        let Some(newest) = all_after(self.table, channel, first).await?.pop() else { return Ok(None) };
        let Some(time) = newest.abandoned(self.retention, now) else { return Ok(Some(newest)) };
        let id = newest.next_id();
        let entries = vec![Entry::end_at(id, time, &EndReason::ABANDONED)];
        let item = Item { id, time, writer: self.table.draw(), entries, mark: None, ..newest };
        match self.put(channel, &item, None).await? {
            Put::Stored => Ok(Some(item)),
            // Somebody was first, and has ended it or gone on.
            Put::Refused => Ok(all_after(self.table, channel, first).await?.pop()),
        }
    }

    /// Why a channel with this newest item does not take the post.
    pub(super) fn refusal(&self, newest: Option<&Item>, post: &Post, now: UnixMillis) -> Option<Receipt> {
        let ended = newest.and_then(|newest| newest.ended(self.retention, now));
        let last = newest.map_or(EntryId::BEGINNING, |newest| newest.last_kept(self.retention, now));
        post.refusal(last, ended.map(|end| end.reason))
    }

    async fn renew(
        &self,
        channel: &ChannelName,
        newest: Option<&Item>,
        post: &Post,
    ) -> Result<Receipt, T::Failure> {
        let now = self.table.now();
        let last = newest.map_or(EntryId::BEGINNING, |newest| newest.last_kept(self.retention, now));
        if let (Some(newest), Some(lease), true) = (newest, post.terms.lease, last > EntryId::BEGINNING) {
            self.table.renew(channel, newest.id, lease, now).await?;
        }
        Ok(Receipt::Same(Stored::of(&[], last)))
    }

    async fn put(
        &self,
        channel: &ChannelName,
        item: &Item,
        remember: Option<&Remember>,
    ) -> Result<Put, T::Failure> {
        let expires = item.time + self.retention.keeping(item.lasting.keep).age + TABLE_GRACE;
        self.table.append(channel, &Append { item, remember, expires }).await
    }
}

/// The item to write next, at the one id at which something can follow `newest`: entries, still without their content,
/// or a seal if `newest` has expired. The seal that this writer has just made stands for it however slow the table is.
fn place(retention: Retention, newest: Option<&Item>, now: UnixMillis, writer: u64) -> Item {
    let id = newest.map_or(EntryId::BEGINNING.next(), Item::next_id);
    let is_own_seal = |newest: &Item| newest.is_seal() && newest.writer == writer;
    let keeps = |newest: &Item| retention.keeping(newest.lasting.keep).keeps(newest.time, now);
    let stands = |newest: &&Item| is_own_seal(newest) || keeps(newest);
    let (run, previous) = match newest.filter(stands) {
        Some(newest) => (newest.run, newest.previous),
        None => {
            let keep = newest.and_then(|newest| newest.lasting.keep);
            let begin =
                retention.keeping(keep).place(newest.and_then(|newest| newest.tail(retention, now)), now);
            (begin.run.max(id.next()), begin.previous)
        }
    };
    // In a channel times never go back.
    let time = newest.map_or(now, |newest| newest.time.max(now));
    Item { id, time, run, previous, writer, entries: Vec::new(), lasting: Lasting::default(), mark: None }
}

/// Puts the entries of the post into the item that is to follow `newest`. `last` is the value before of the first one's key.
fn fill(item: &mut Item, post: &Post, newest: Option<&Item>, last: Option<i64>) {
    let Item { id, time, run, previous, .. } = *item;
    item.entries = Place { id, run, previous, time }.entries(&post.drafts, last);
    if let Some(reason) = &post.terms.close {
        item.entries.push(Entry::end_at(id.forward(post.drafts.len() as u64), time, reason));
    }
    item.lasting = match newest.filter(|_| id != run) {
        Some(newest) => newest.lasting,
        None => Lasting { keep: post.terms.keep, ..Lasting::default() },
    };
    item.lasting.lease = post.terms.lease.or(item.lasting.lease);
    item.lasting.renewed = None;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::TABLE_MEMORY;
    use crate::log::{Draft, Text};

    const NOW: UnixMillis = UnixMillis(1_795_341_600_000);
    const AGE: Duration = Duration::from_secs(3);
    const KEPT: Retention = Retention { max: 10, age: AGE };
    const OTHER: u64 = 1;
    const OURS: u64 = 2;

    /// What a writer writes behind `newest`: an entry if that is still kept at `now`, and a seal if it is not.
    fn next(newest: Option<&Item>, now: UnixMillis, writer: u64) -> Item {
        let mut item = place(KEPT, newest, now, writer);
        if !item.is_seal() {
            let draft = Draft::new(Text::object());
            item.entries = vec![draft.entry(item.id, item.time, None)];
        }
        item
    }

    /// A new channel: its seal, and the first entry.
    fn begun() -> (Item, Item) {
        let seal = next(None, NOW, OTHER);
        let entry = next(Some(&seal), NOW, OTHER);
        (seal, entry)
    }

    #[test]
    fn a_channel_begins_at_the_clock_behind_a_seal() {
        let (seal, entry) = begun();
        assert!(seal.is_seal() && !entry.is_seal());
        assert_eq!((seal.id.get(), seal.run.get()), (1, NOW.0));
        assert_eq!((entry.id, entry.run, entry.before()), (seal.run, seal.run, EntryId::BEGINNING));
    }

    /// Two writers may not agree on whether the newest item is kept. Then one writes an entry and one a seal, at one id.
    #[test]
    fn whoever_writes_behind_the_same_item_competes_for_one_id() {
        let (seal, entry) = begun();
        for newest in [&seal, &entry] {
            let (early, late) = (next(Some(newest), NOW, OURS), next(Some(newest), NOW + AGE, OURS));
            assert!(!early.is_seal() && late.is_seal());
            assert_eq!(early.id, late.id);
            assert!(late.run > late.id, "a run begins behind its seal");
        }
    }

    #[test]
    fn the_seal_of_a_slow_writer_stands_for_itself_alone() {
        let seal = next(None, NOW, OURS);
        assert!(!next(Some(&seal), NOW + 10 * AGE, OURS).is_seal());
        assert!(next(Some(&seal), NOW + 10 * AGE, OTHER).is_seal());
    }

    #[test]
    fn a_run_remembers_the_one_before_it_until_that_may_be_freed_in_part() {
        let (_, entry) = begun();
        let begin = |after: Duration| {
            let seal = next(Some(&entry), NOW + after, OURS);
            let first = next(Some(&seal), NOW + after, OURS);
            assert!(first.id > entry.id && first.id == seal.run);
            first.before()
        };
        assert_eq!(begin(AGE), entry.id);
        let memory = AGE + TABLE_MEMORY;
        assert_eq!(begin(memory.saturating_sub(Duration::from_millis(1))), entry.id);
        assert_eq!(begin(memory), EntryId::BEGINNING);
        assert_eq!(entry.extent(None, KEPT, NOW + memory), None);
    }

    #[test]
    fn times_never_go_back_behind_a_seal_or_an_entry() {
        let (seal, entry) = begun();
        for newest in [&seal, &entry] {
            assert_eq!(next(Some(newest), NOW - AGE, OURS).time, NOW);
        }
    }
}
