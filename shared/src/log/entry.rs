//! Entries and the frames that readers get.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{End, EndReason, EntryId};
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
    /// What the body is.
    pub kind: Kind,
    /// The `data` of the event; of an end, its reason.
    pub body: String,
}

/// What the body of an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A JSON object that its feed made, on one line. In a snapshot it is the entry.
    #[default]
    Object,
    /// What its publisher sent and nothing else: text, or JSON on one line.
    Data,
    /// The end of the channel. It stands behind the last entry at an id that no reader sees, and no entry ever has.
    End,
}

impl Entry {
    /// The end of a channel, at the id behind its last entry.
    #[must_use]
    pub fn end_at(id: EntryId, time: UnixMillis, reason: &EndReason) -> Self {
        Self { id, time, event: None, key: None, kind: Kind::End, body: reason.to_string() }
    }

    /// Appends the entry to `out` as one block of an event stream. An end is no block: each stream says it in its own way.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_for(&Filter::ALL, 0, out);
    }

    /// The same as a reader with this filter wants it, saying that `n` before it were skipped: an object in a field of its own,
    /// data in a comment.
    fn encode_for(&self, filter: &Filter, n: u64, out: &mut Vec<u8>) {
        let event = Event::new().id(self.id.into());
        let mut event = match (self.kind, n) {
            (Kind::End, _) => return,
            (Kind::Object, 0) => event.json(&self.body),
            (Kind::Object, n) => {
                let open = self.body.strip_suffix('}').unwrap_or(&self.body);
                event.json(&format!(r#"{open},"skipped":{n}}}"#))
            }
            (Kind::Data, 0) => event.data(&self.body),
            (Kind::Data, n) => event.comment(format!("skipped {n}")).data(&self.body),
        };
        if let Some(name) = self.event.as_ref().filter(|_| filter.has_names()) {
            event = event.name(name.clone());
        }
        event.encode(out);
    }

    /// Bytes of the body, as readers get it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self.kind {
            Kind::Object => json::written(&*self.body).len(),
            Kind::Data => self.body.len(),
            Kind::End => 0,
        }
    }

    /// The entry in a snapshot: one line of JSON.
    #[must_use]
    pub fn item(&self) -> String {
        #[derive(Serialize)]
        struct Item<'a> {
            id: EntryId,
            #[serde(skip_serializing_if = "Option::is_none")]
            event: Option<&'a EventName>,
            #[serde(skip_serializing_if = "Option::is_none")]
            key: Option<&'a str>,
            time: UnixMillis,
            data: &'a str,
        }
        let Self { id, time, event, key, body, .. } = self;
        match self.kind {
            Kind::Object => body.clone(),
            _ => json::line(&Item {
                id: *id,
                event: event.as_ref(),
                key: key.as_deref(),
                time: *time,
                data: body,
            }),
        }
    }

    /// What readers are told if it is an end. `last` is the entry before it.
    #[must_use]
    pub fn end(&self, last: EntryId) -> Option<End> {
        let reason = (self.kind == Kind::End).then(|| EndReason::new(&self.body).ok()).flatten()?;
        Some(End { reason, last })
    }
}

/// Which entries of a channel a reader wants, and whether with their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Filter {
    keys: Option<BTreeSet<String>>,
    without_names: bool,
}

impl Filter {
    /// Every entry.
    pub const ALL: Self = Self { keys: None, without_names: false };

    /// Only entries with one of these keys.
    pub fn keys(keys: impl IntoIterator<Item = String>) -> Self {
        Self { keys: Some(keys.into_iter().collect()), ..Self::ALL }
    }

    /// The same entries, each as an event without a name, which an `EventSource` gives to `onmessage`.
    #[must_use]
    pub fn without_names(self) -> Self {
        Self { without_names: true, ..self }
    }

    /// Whether the reader wants the names of entries.
    #[must_use]
    pub const fn has_names(&self) -> bool {
        !self.without_names
    }

    /// Whether every entry passes.
    #[must_use]
    pub const fn admits_all(&self) -> bool {
        self.keys.is_none()
    }

    /// The keys of which entries pass; `None` is every entry.
    #[must_use]
    pub fn wanted(&self) -> Option<impl Iterator<Item = &str>> {
        self.keys.as_ref().map(|keys| keys.iter().map(String::as_str))
    }

    /// Whether the entry passes. The end concerns every reader.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        entry.kind == Kind::End || self.admits_key(entry.key.as_deref())
    }

    /// Whether an entry with this key passes.
    #[must_use]
    pub fn admits_key(&self, key: Option<&str>) -> bool {
        match (&self.keys, key) {
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
        let admitted = |entry: &&Entry| self.admits(entry) && entry.kind != Kind::End;
        for entry in entries.into_iter().filter(admitted) {
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
    /// The channel has ended, and nothing follows the batch.
    pub end: Option<End>,
}

impl Batch<Bytes> {
    /// Encodes the entries that `filter` admits, up to the end if that is among them. `after` is the id before the first of
    /// them. `None` if there are no entries.
    pub fn encode<'a>(
        after: EntryId,
        entries: impl IntoIterator<Item = &'a Entry>,
        filter: &Filter,
    ) -> Option<Self> {
        let (mut upto, mut shown, mut frame, mut end) = (None, EntryId::BEGINNING, Vec::new(), None);
        for entry in entries {
            end = entry.end(upto.unwrap_or(after));
            upto = Some(entry.id);
            if end.is_some() {
                break;
            }
            if filter.admits(entry) {
                entry.encode_for(filter, 0, &mut frame);
                shown = entry.id;
            }
        }
        let frame = (!frame.is_empty()).then(|| Bytes::from(frame));
        Some(Self { after, upto: upto?, shown, frame, end })
    }

    /// Encodes only the newest entry of each key, which says how many of its key came before it.
    #[must_use]
    pub fn newest(after: EntryId, entries: &[Entry], filter: &Filter) -> Option<Self> {
        let (last, before) = entries.split_last()?;
        let (mut shown, mut frame) = (EntryId::BEGINNING, Vec::new());
        for (entry, n) in filter.newest(entries) {
            entry.encode_for(filter, n, &mut frame);
            shown = entry.id;
        }
        let frame = (!frame.is_empty()).then(|| Bytes::from(frame));
        let end = last.end(before.last().map_or(after, |entry| entry.id));
        Some(Self { after, upto: last.id, shown, frame, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(id: u64, symbol: &str, price: u64) -> Entry {
        let body = format!(r#"{{"symbol":"{symbol}","price":{price}}}"#);
        let id = EntryId::new(id).unwrap();
        Entry { id, time: UnixMillis(0), event: None, key: Some(symbol.into()), kind: Kind::Object, body }
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

    fn data(id: u64, key: Option<&str>, body: &str) -> Entry {
        let (id, key, body) = (EntryId::new(id).unwrap(), key.map(str::to_owned), body.to_owned());
        Entry { id, time: UnixMillis(0), event: None, key, kind: Kind::Data, body }
    }

    fn end(id: u64) -> Entry {
        Entry::end_at(EntryId::new(id).unwrap(), UnixMillis(0), &EndReason::DONE)
    }

    fn done(last: u64) -> Option<End> {
        Some(End { reason: EndReason::DONE, last: EntryId::new(last).unwrap() })
    }

    #[test]
    fn a_batch_tells_the_end_in_its_place_and_nothing_behind_it() {
        let after = EntryId::new(6).unwrap();
        let log = [data(7, Some("a"), "x"), data(8, Some("b"), "y"), end(9), data(20, Some("a"), "z")];
        let batch = Batch::encode(after, &log, &Filter::ALL).unwrap();
        assert_eq!((batch.upto, batch.shown, &batch.end), (log[2].id, log[1].id, &done(8)));
        assert_eq!(text(&batch), "id: 7\ndata: x\n\nid: 8\ndata: y\n\n");
        // Every reader is told, whatever it filters, and of the last entry that there was.
        let none = Batch::encode(after, &log, &Filter::keys(["c".into()])).unwrap();
        assert_eq!((none.upto, none.frame, none.end), (log[2].id, None, done(8)));
        let alone = Batch::encode(after, &log[2..3], &Filter::ALL).unwrap();
        assert_eq!((alone.frame, alone.end), (None, done(6)));
        assert_eq!(Batch::encode(after, &log[..2], &Filter::ALL).unwrap().end, None);
    }

    #[test]
    fn the_newest_data_says_in_a_comment_how_many_it_stands_for() {
        let log = [data(7, Some("a"), "1"), data(8, None, "2"), data(9, Some("a"), "3\n4"), end(10)];
        let batch = Batch::newest(EntryId::new(6).unwrap(), &log, &Filter::ALL).unwrap();
        assert_eq!(text(&batch), "id: 8\ndata: 2\n\n: skipped 1\nid: 9\ndata: 3\ndata: 4\n\n");
        assert_eq!((batch.upto, batch.end), (log[3].id, done(9)));
    }

    #[test]
    fn an_item_of_data_has_what_its_publisher_sent() {
        let entry = Entry { event: EventName::new("token").ok(), ..data(7, Some("a"), "{\"b\": 1}\n") };
        let item =
            r#"{"id":"7","event":"token","key":"a","time":"1970-01-01T00:00:00.000Z","data":"{\"b\": 1}\n"}"#;
        assert_eq!(entry.item(), item);
        let plain = r#"{"id":"7","time":"1970-01-01T00:00:00.000Z","data":"x"}"#;
        assert_eq!(data(7, None, "x").item(), plain);
        assert_eq!(quote(7, "A", 1).item(), r#"{"symbol":"A","price":1}"#);
    }
}
