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
            let mut item = place(self.retention, newest.as_ref(), now, writer);
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
}

/// The item to write next, at the one id at which something can follow `newest`: an entry, still without its content,
/// or a seal if `newest` has expired. The seal that this writer has just made stands for it however slow the table is.
fn place(retention: Retention, newest: Option<&Item>, now: UnixMillis, writer: u64) -> Item {
    let id = newest.map_or(EntryId::BEGINNING.next(), Item::next_id);
    let is_own_seal = |newest: &Item| newest.is_seal() && newest.writer == writer;
    let stands = |newest: &&Item| is_own_seal(newest) || retention.keeps(newest.time, now);
    let (run, previous) = match newest.filter(stands) {
        Some(newest) => (newest.run, newest.previous),
        None => {
            let begin = retention.place(newest.and_then(|newest| newest.tail(retention, now)), now);
            (begin.run.max(id.next()), begin.previous)
        }
    };
    // In a channel times never go back.
    let time = newest.map_or(now, |newest| newest.time.max(now));
    Item { id, time, run, previous, writer, entry: None, mark: None }
}

fn stored(Entry { id, body, .. }: Entry) -> Receipt {
    Receipt::Stored(Stored { id, body })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::TABLE_MEMORY;
    use crate::log::Text;

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
            item.entry = Some(draft.entry(item.id, item.time, None));
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
