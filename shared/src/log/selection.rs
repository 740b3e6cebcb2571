//! What one reader is given: a page of its stream, or a snapshot.

use bytes::Bytes;

use super::{Batch, Entry, EntryId, Kind, Page, Snapshot, Start, Subscribe};
use crate::limits::{PAGE_BYTES, SNAPSHOT_BYTES, SNAPSHOT_DATA, SNAPSHOT_ENTRIES};

/// Takes the kept entries after a reader's start, oldest first, until it has as much as one answer may hold. It is the
/// same for every log, so the same reader gets the same answer from each.
#[derive(Debug)]
pub struct Selection<'a> {
    subscribe: &'a Subscribe,
    start: Start,
    size: fn(&Entry) -> usize,
    /// How much it may hold, and how much it holds, of what the filter admits.
    most: usize,
    held: usize,
    entries: Vec<Entry>,
    is_full: bool,
}

impl<'a> Selection<'a> {
    /// For a page of a stream: at most [`PAGE_BYTES`], but always one entry.
    #[must_use]
    pub const fn page(start: Start, subscribe: &'a Subscribe) -> Self {
        Self::of(start, subscribe, PAGE_BYTES, Entry::bytes)
    }

    /// For a snapshot: at most [`SNAPSHOT_ENTRIES`], or [`SNAPSHOT_DATA`] of what publishers sent as it is, and at most
    /// [`SNAPSHOT_BYTES`].
    #[must_use]
    pub const fn snapshot(start: Start, subscribe: &'a Subscribe) -> Self {
        // Each takes at least its part of all bytes, so that their number is bounded, too.
        Self::of(start, subscribe, SNAPSHOT_BYTES, |entry| match entry.kind {
            Kind::Object => SNAPSHOT_BYTES / SNAPSHOT_ENTRIES as usize,
            Kind::Data => entry.bytes().max(SNAPSHOT_BYTES / SNAPSHOT_DATA),
            Kind::End => 0,
        })
    }

    /// Either is unbounded if only the newest entry of each key is wanted, which the number of keys bounds.
    const fn of(start: Start, subscribe: &'a Subscribe, most: usize, size: fn(&Entry) -> usize) -> Self {
        let most = if subscribe.newest { usize::MAX } else { most };
        Self { subscribe, start, size, most, held: 0, entries: Vec::new(), is_full: false }
    }

    /// Takes the next entry, if there is room for it. After `false` there is none for any.
    pub fn push(&mut self, entry: Entry) -> bool {
        let filter = &self.subscribe.filter;
        let size = if filter.admits(&entry) { (self.size)(&entry) } else { 0 };
        let held = self.held.saturating_add(size);
        self.is_full |= size > 0 && self.held > 0 && held > self.most;
        if !self.is_full {
            self.held = held;
            filter.push(&mut self.entries, entry);
        }
        !self.is_full
    }

    /// Takes of these as many as there is room for.
    ///
    /// # Errors
    /// The first of `entries`.
    pub fn fill<E>(mut self, entries: impl IntoIterator<Item = Result<Entry, E>>) -> Result<Self, E> {
        for entry in entries {
            if !self.push(entry?) {
                break;
            }
        }
        Ok(self)
    }

    /// Whether an entry had to be left out.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// The newest entry that it speaks of.
    #[must_use]
    pub fn upto(&self) -> EntryId {
        self.entries.last().map_or(self.start.after, |entry| entry.id)
    }

    /// The page. `more` says that the log may have further entries, besides those that were left out.
    #[must_use]
    pub fn into_page(self, more: bool) -> Page<Bytes> {
        let (after, filter) = (self.start.after, &self.subscribe.filter);
        let batch = if self.subscribe.newest {
            Batch::newest(after, &self.entries, filter)
        } else {
            Batch::encode(after, &self.entries, filter)
        };
        Page { start: self.start, batch, more: self.is_full || more }
    }

    /// The snapshot.
    #[must_use]
    pub fn into_snapshot(self) -> Snapshot {
        // A reader never sees the id of the end.
        let last = self.entries.iter().rfind(|entry| entry.kind != Kind::End);
        let cursor = last.map_or(self.start.after, |entry| entry.id);
        let filter = &self.subscribe.filter;
        let bodies = if self.subscribe.newest {
            filter.newest(&self.entries).into_iter().map(|(entry, _)| entry.item()).collect()
        } else {
            let admitted =
                self.entries.iter().filter(|entry| filter.admits(entry) && entry.kind != Kind::End);
            admitted.map(Entry::item).collect()
        };
        Snapshot { bodies, cursor, more: self.is_full, ended: None, gap: self.start.gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Filter, Position};
    use crate::time::UnixMillis;

    const HALF: usize = PAGE_BYTES / 2;

    fn entries(sizes: &[(&str, usize)]) -> Vec<Entry> {
        let entry = |(n, (key, size)): (u64, &(&str, usize))| {
            let body = format!(r#""{}""#, "x".repeat(size - 2));
            let id = EntryId::new(n).unwrap();
            Entry {
                id,
                time: UnixMillis(n),
                event: None,
                key: Some((*key).to_owned()),
                kind: Kind::Object,
                body,
            }
        };
        (1..).zip(sizes).map(entry).collect()
    }

    fn subscribe(keys: &[&str], newest: bool) -> Subscribe {
        let filter = match keys {
            [] => Filter::ALL,
            keys => Filter::keys(keys.iter().map(|key| (*key).to_owned())),
        };
        Subscribe { position: Position::History(0), filter, newest }
    }

    /// The last entry of the page, the last that is in its frame, and whether there is more.
    #[track_caller]
    fn check_page(keys: &[&str], newest: bool, sizes: &[(&str, usize)], expected: (u64, u64, bool)) {
        let subscribe = subscribe(keys, newest);
        let entries = entries(sizes).into_iter().map(Ok::<_, ()>);
        let start = Start::at(EntryId::BEGINNING);
        let page = Selection::page(start, &subscribe).fill(entries).unwrap().into_page(false);
        let batch = page.batch.map_or((0, 0), |batch| (batch.upto.get(), batch.shown.get()));
        assert_eq!((batch.0, batch.1, page.more), expected);
    }

    #[test]
    fn a_page_ends_before_the_entry_that_it_has_no_room_for() {
        check_page(&[], false, &[], (0, 0, false));
        check_page(&[], false, &[("a", HALF), ("a", HALF)], (2, 2, false));
        check_page(&[], false, &[("a", HALF), ("a", HALF), ("a", 2)], (2, 2, true));
        check_page(&[], false, &[("a", HALF), ("a", HALF + 1)], (1, 1, true));
    }

    #[test]
    fn an_entry_that_is_longer_than_a_page_is_a_page() {
        check_page(&[], false, &[("a", PAGE_BYTES + 1)], (1, 1, false));
        check_page(&[], false, &[("a", PAGE_BYTES + 1), ("a", 2)], (1, 1, true));
        check_page(&[], false, &[("a", 2), ("a", PAGE_BYTES + 1)], (1, 1, true));
    }

    #[test]
    fn what_the_filter_holds_back_takes_no_room() {
        let long = [("b", HALF), ("b", HALF), ("a", HALF), ("b", HALF), ("a", HALF), ("b", HALF)];
        check_page(&["a"], false, &long, (6, 5, false));
        check_page(&["a"], false, &[&long[..], &[("a", 2), ("b", 2)]].concat(), (6, 5, true));
        check_page(&["c"], false, &long, (6, 0, false));
    }

    #[test]
    fn the_newest_of_each_key_are_not_cut() {
        check_page(&[], true, &[("a", HALF), ("b", HALF), ("a", HALF), ("b", HALF)], (4, 4, false));
    }

    #[test]
    fn a_snapshot_has_so_many_entries_and_says_if_there_are_more() {
        let take = |keys: &[&str], newest, sizes: &[(&str, usize)]| {
            let subscribe = subscribe(keys, newest);
            let entries = entries(sizes).into_iter().map(Ok::<_, ()>);
            let start = Start::at(EntryId::BEGINNING);
            let snapshot = Selection::snapshot(start, &subscribe).fill(entries).unwrap().into_snapshot();
            (snapshot.bodies.len(), snapshot.cursor.get(), snapshot.more)
        };
        let most = SNAPSHOT_ENTRIES as usize;
        let last = u64::from(SNAPSHOT_ENTRIES);
        let full = vec![("a", 2); most];
        assert_eq!(take(&[], false, &full), (most, last, false));
        assert_eq!(take(&[], false, &[&full[..], &[("a", 2)]].concat()), (most, last, true));
        assert_eq!(take(&["a"], false, &[&full[..], &[("b", 2)]].concat()), (most, last + 1, false));
        assert_eq!(take(&[], true, &[&full[..], &[("b", 2), ("a", 2)]].concat()), (2, last + 2, false));
    }

    #[test]
    fn a_snapshot_and_a_page_end_before_the_end() {
        for (keys, bodies) in [(&[][..], 2), (&["b"], 1), (&["c"], 0)] {
            let mut log = entries(&[("a", 2), ("b", 2)]);
            log.push(Entry::end_at(EntryId::new(3).unwrap(), UnixMillis(3), &crate::log::EndReason::DONE));
            let subscribe = subscribe(keys, false);
            let log = || log.iter().cloned().map(Ok::<_, std::convert::Infallible>);
            let start = || Start::at(EntryId::BEGINNING);
            let snapshot = Selection::snapshot(start(), &subscribe).fill(log()).unwrap().into_snapshot();
            assert_eq!((snapshot.bodies.len(), snapshot.cursor.get()), (bodies, 2), "{keys:?}");
            let page = Selection::page(start(), &subscribe).fill(log()).unwrap().into_page(false);
            assert!(page.ends() && page.batch.unwrap().end.unwrap().last.get() == 2, "{keys:?}");
        }
    }

    #[test]
    fn a_snapshot_of_data_has_so_many_entries_and_bytes() {
        let take = |sizes: &[(&str, usize)]| {
            let subscribe = subscribe(&[], false);
            let entries =
                entries(sizes).into_iter().map(|entry| Ok::<_, ()>(Entry { kind: Kind::Data, ..entry }));
            let snapshot =
                Selection::snapshot(Start::at(EntryId::BEGINNING), &subscribe).fill(entries).unwrap();
            (snapshot.is_full(), snapshot.into_snapshot().bodies.len())
        };
        let most = SNAPSHOT_DATA;
        assert_eq!(take(&vec![("a", 2); most]), (false, most));
        assert_eq!(take(&vec![("a", 2); most + 1]), (true, most));
        assert_eq!(take(&[("a", SNAPSHOT_BYTES / 16); 16]), (false, 16));
        assert_eq!(take(&[("a", SNAPSHOT_BYTES / 16); 17]), (true, 16));
    }
}
