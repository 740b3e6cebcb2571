//! What the readers of a process are told of new entries.

use bytes::Bytes;

use super::Item;
use crate::log::{Batch, Entry, EntryId, Filter, Kind, Position, Selection, Start, Subscribe};

/// What a reader at `cursor` is told of these entries, which are in order: batches of at most one page, so that one answer of
/// the table, which may have a megabyte, does not go beyond what a stream may hold. Nothing follows the end.
#[must_use]
pub fn batches(items: &[Item], cursor: EntryId, filter: &Filter) -> Vec<Batch<Bytes>> {
    let (mut batches, mut has_ended) = (Vec::new(), false);
    let before =
        |item: &Item, entry: &Entry| if entry.id == item.id { item.before() } else { entry.id.back(1) };
    let entries =
        items.iter().flat_map(|item| item.entries.iter().map(move |entry| (before(item, entry), entry)));
    let mut left = entries.filter(|(_, entry)| entry.id > cursor).peekable();
    while !has_ended && let Some((after, _)) = left.peek() {
        let after = *after;
        let subscribe = Subscribe { position: Position::After(after), filter: filter.clone(), newest: false };
        let mut page = Selection::page(Start::at(after), &subscribe);
        while !has_ended && let Some((_, entry)) = left.next_if(|(_, entry)| page.push((*entry).clone())) {
            has_ended = entry.kind == Kind::End;
        }
        batches.extend(page.into_page(false).batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PAGE_BYTES;
    use crate::log::Kind;
    use crate::store::table::Lasting;
    use crate::time::UnixMillis;

    fn items(count: u64, size: usize) -> Vec<Item> {
        let item = |n| {
            let (id, time) = (EntryId::new(n).unwrap(), UnixMillis(n));
            let (key, body) = (Some("a".to_owned()), format!(r#""{}""#, "x".repeat(size - 2)));
            let entries = vec![Entry { id, time, event: None, key, kind: Kind::Object, body }];
            let (run, previous) = (EntryId::new(1).unwrap(), EntryId::BEGINNING);
            Item { id, time, run, previous, writer: 0, entries, lasting: Lasting::default(), mark: None }
        };
        (1..=count).map(item).collect()
    }

    #[test]
    fn news_come_in_pages_that_follow_one_another() {
        let (items, cursor) = (items(100, PAGE_BYTES / 4), EntryId::new(10).unwrap());
        let batches = batches(&items, cursor, &Filter::ALL);
        let bounds: Vec<_> = batches.iter().map(|batch| (batch.after.get(), batch.upto.get())).collect();
        assert_eq!(bounds.first(), Some(&(10, 14)));
        assert_eq!(bounds.last(), Some(&(98, 100)));
        assert!(bounds.windows(2).all(|two| two[0].1 == two[1].0), "{bounds:?}");
    }

    #[test]
    fn what_nobody_wants_is_one_batch_without_a_frame() {
        let other = Filter::keys(["b".to_owned()]);
        let batches = batches(&items(100, PAGE_BYTES), EntryId::BEGINNING, &other);
        assert_eq!(batches.len(), 1);
        assert_eq!((batches[0].upto.get(), &batches[0].frame), (100, &None));
    }

    #[test]
    fn there_is_no_news_of_what_a_reader_knows() {
        assert!(batches(&items(3, 10), EntryId::new(3).unwrap(), &Filter::ALL).is_empty());
    }
}
