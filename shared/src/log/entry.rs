//! Entries and the frames that readers get.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::EntryId;
use crate::json;
use crate::sse::{Event, EventName};
use crate::time::UnixMillis;

/// One entry of a channel, as it is stored and replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the channel.
    pub id: EntryId,
    /// When it was stored. Within a channel times never go back.
    pub time: UnixMillis,
    /// The event's name, where its publisher chose one.
    pub event: Option<EventName>,
    /// What a [`Filter`] looks at: the topic of a notification, the symbol of a quote.
    pub key: Option<String>,
    /// One line of JSON: the `data` of the event, and the entry in a snapshot.
    pub body: String,
}

impl Entry {
    /// Appends the entry to `out` as one block of an event stream.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut event = Event::new().id(self.id.into()).json(&self.body);
        if let Some(name) = &self.event {
            event = event.name(name.clone());
        }
        event.encode(out);
    }

    /// Bytes of the body, as readers get it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        json::written(&*self.body).len()
    }

    /// The entry, whose body (an object) says that `n` before it were skipped.
    fn skipping(&self, n: u64) -> Self {
        let mut entry = self.clone();
        if n > 0 && entry.body.pop().is_some() {
            entry.body.push_str(&format!(r#","skipped":{n}}}"#));
        }
        entry
    }
}

/// Which entries of a channel a reader wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filter(Option<BTreeSet<String>>);

impl Filter {
    /// Every entry.
    pub const ALL: Self = Self(None);

    /// Only entries with one of these keys.
    pub fn keys(keys: impl IntoIterator<Item = String>) -> Self {
        Self(Some(keys.into_iter().collect()))
    }

    /// The keys of which entries pass; `None` is every entry.
    #[must_use]
    pub fn wanted(&self) -> Option<impl Iterator<Item = &str>> {
        self.0.as_ref().map(|keys| keys.iter().map(String::as_str))
    }

    /// Whether the entry passes.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        self.admits_key(entry.key.as_deref())
    }

    /// Whether an entry with this key passes.
    #[must_use]
    pub fn admits_key(&self, key: Option<&str>) -> bool {
        match (&self.0, key) {
            (None, _) => true,
            (Some(keys), Some(key)) => keys.contains(key),
            (Some(_), None) => false,
        }
    }

    /// Adds the next entry to those that were read for one reader. Of several rejected
    /// entries in a row only the last one is kept, because only its id counts. So a narrow filter does not make a reader
    /// expensive.
    pub fn push(&self, entries: &mut Vec<Entry>, entry: Entry) {
        if !self.admits(&entry) {
            entries.pop_if(|last| !self.admits(last));
        }
        entries.push(entry);
    }

    /// The newest entry of each key that passes, oldest first, with how many of its key came before it.
    pub(crate) fn newest<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) -> Vec<(&'a Entry, u64)> {
        let mut newest = BTreeMap::<&Option<String>, (&Entry, u64)>::new();
        for entry in entries.into_iter().filter(|entry| self.admits(entry)) {
            newest.entry(&entry.key).and_modify(|seen| *seen = (entry, seen.1 + 1)).or_insert((entry, 0));
        }
        let mut newest: Vec<_> = newest.into_values().collect();
        newest.sort_by_key(|(entry, _)| entry.id);
        newest
    }
}

/// What a channel has for one kind of reader: every entry in `(after, upto]` that its filter admits, in one frame.
///
/// Readers with the same filter share the frame; `F` is whatever the host holds bytes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<F> {
    /// The entry before the first one ([`super::Extent::before`]).
    pub after: EntryId,
    /// The last entry that the batch speaks of.
    pub upto: EntryId,
    /// The last entry that is in the frame; [`EntryId::BEGINNING`] if the filter held all of them back.
    pub shown: EntryId,
    /// Whole blocks of an event stream.
    pub frame: Option<F>,
}

impl Batch<Bytes> {
    /// Encodes the entries that `filter` admits. `after` is the id before the first of them.
    /// `None` if there are no entries.
    pub fn encode<'a>(
        after: EntryId,
        entries: impl IntoIterator<Item = &'a Entry>,
        filter: &Filter,
    ) -> Option<Self> {
        let (mut upto, mut shown, mut frame) = (None, EntryId::BEGINNING, Vec::new());
        for entry in entries {
            upto = Some(entry.id);
            if filter.admits(entry) {
                entry.encode(&mut frame);
                shown = entry.id;
            }
        }
        let frame = (!frame.is_empty()).then(|| Bytes::from(frame));
        Some(Self { after, upto: upto?, shown, frame })
    }

    /// Encodes only the newest entry of each key, which says by `"skipped":n` how many of its key came before it.
    #[must_use]
    pub fn newest(after: EntryId, entries: &[Entry], filter: &Filter) -> Option<Self> {
        let upto = entries.last()?.id;
        let newest: Vec<_> = filter.newest(entries).into_iter().map(|(entry, n)| entry.skipping(n)).collect();
        let shown = newest.last().map_or(EntryId::BEGINNING, |entry| entry.id);
        let frame = Self::encode(after, &newest, &Filter::ALL).and_then(|batch| batch.frame);
        Some(Self { after, upto, shown, frame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(id: u64, symbol: &str, price: u64) -> Entry {
        let body = format!(r#"{{"symbol":"{symbol}","price":{price}}}"#);
        let id = EntryId::new(id).unwrap();
        Entry { id, time: UnixMillis(0), event: None, key: Some(symbol.into()), body }
    }

    fn text(batch: &Batch<Bytes>) -> &str {
        std::str::from_utf8(batch.frame.as_deref().unwrap_or_default()).unwrap()
    }

    #[test]
    fn a_batch_says_what_its_filter_held_back() {
        let log = [quote(7, "ACME", 1), quote(8, "GLBX", 2)];
        let after = EntryId::new(6).unwrap();
        let batch = Batch::encode(after, &log, &Filter::keys(["ACME".into()])).unwrap();
        assert_eq!((batch.upto, batch.shown), (log[1].id, log[0].id));
        assert_eq!(text(&batch), "id: 7\ndata: {\"symbol\":\"ACME\",\"price\":1}\n\n");
        let none = Batch::encode(after, &log, &Filter::keys(["X".into()])).unwrap();
        assert_eq!((none.upto, none.shown, none.frame), (log[1].id, EntryId::BEGINNING, None));
        assert_eq!(Batch::encode(after, [], &Filter::ALL), None);
    }

    #[test]
    fn what_is_held_back_is_not_kept() {
        let symbols = ["X", "X", "ACME", "X", "GLBX", "ACME", "ACME", "X", "X"];
        let log: Vec<_> = (7..).zip(symbols).map(|(id, symbol)| quote(id, symbol, id)).collect();
        let after = EntryId::new(6).unwrap();
        for filter in [Filter::keys(["ACME".into()]), Filter::keys(["Y".into()]), Filter::ALL] {
            let mut entries = Vec::new();
            for (n, entry) in (1..).zip(&log) {
                filter.push(&mut entries, entry.clone());
                let admitted = entries.iter().filter(|entry| filter.admits(entry)).count();
                assert!(entries.len() <= 2 * admitted + 1);
                assert_eq!(Batch::encode(after, &entries, &filter), Batch::encode(after, &log[..n], &filter));
                assert_eq!(Batch::newest(after, &entries, &filter), Batch::newest(after, &log[..n], &filter));
            }
        }
    }

    #[test]
    fn the_newest_quote_says_how_many_it_stands_for() {
        let log = [quote(7, "ACME", 1), quote(8, "GLBX", 2), quote(9, "ACME", 3), quote(10, "ACME", 4)];
        let batch = Batch::newest(EntryId::new(6).unwrap(), &log, &Filter::ALL).unwrap();
        assert_eq!(
            text(&batch),
            "id: 8\ndata: {\"symbol\":\"GLBX\",\"price\":2}\n\n\
             id: 10\ndata: {\"symbol\":\"ACME\",\"price\":4,\"skipped\":2}\n\n"
        );
    }
}
