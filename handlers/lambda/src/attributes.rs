//! Items of the table, as the SDK has them: what [`ssedge::store::table`] stores, by the names of its attributes.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use ssedge::access::Digest;
use ssedge::log::{ChannelName, Entry, EntryId, Kind};
use ssedge::store::table::{Counter, Item, Lasting, Remembered};
use ssedge::time::UnixMillis;

/// The names of attributes. `id` and `channel` are the table's key, `expires` its TTL, in template.yaml.
pub const CHANNEL: &str = "channel";
pub const ID: &str = "id";
pub const EXPIRES: &str = "expires";
pub const TIME: &str = "time";
pub const VALUE: &str = "value";
pub const FROM: &str = "from";
const KEY: &str = "key";
const EVENT: &str = "event";
const BODY: &str = "body";
const RUN: &str = "run";
const PREVIOUS: &str = "previous";
const WRITER: &str = "writer";
const MARK: &str = "mark";
const DRAFT: &str = "draft";
/// The entries of an item that holds what publishers sent as it is, and the reason if the channel ends behind them.
const ENTRIES: &str = "entries";
const ENDED: &str = "ended";
const KEEP: &str = "keep";
pub const LEASE: &str = "lease";
pub const RENEWED: &str = "renewed";

pub type Attributes = HashMap<String, AttributeValue>;

/// What is not of a channel is the only item of its name.
const ONLY_ID: u64 = 1;

pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub fn number(n: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(n.into().to_string())
}

pub fn named<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Attributes {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// TTL counts in seconds.
pub fn expiry(expires: UnixMillis) -> AttributeValue {
    number(expires.0.div_ceil(1_000))
}

fn read_number<T: std::str::FromStr>(attributes: &Attributes, name: &str) -> Option<T> {
    attributes.get(name)?.as_n().ok()?.parse().ok()
}

fn read_id(attributes: &Attributes, name: &str) -> Option<EntryId> {
    EntryId::new(read_number(attributes, name)?).ok()
}

fn read_text(attributes: &Attributes, name: &str) -> Option<String> {
    Some(attributes.get(name)?.as_s().ok()?.clone())
}

/// The key of what is not of a channel.
pub fn key(name: &str) -> Attributes {
    named([(CHANNEL, text(name)), (ID, number(ONLY_ID))])
}

pub fn of_counter(name: &str, counter: Counter, expires: UnixMillis) -> Attributes {
    let mut attributes = key(name);
    attributes.extend(named([
        (VALUE, number(counter.value)),
        (FROM, number(counter.from.get())),
        (WRITER, number(counter.writer)),
        (EXPIRES, expiry(expires)),
    ]));
    attributes
}

/// Reads what [`of_counter`] wrote; `None` if it did not.
pub fn counter(attributes: &Attributes) -> Option<Counter> {
    let (value, writer) = (read_number(attributes, VALUE)?, read_number(attributes, WRITER)?);
    Some(Counter { value, from: read_id(attributes, FROM)?, writer })
}

pub fn of_remembered(name: &str, row: Remembered, expires: UnixMillis) -> Attributes {
    let mut attributes = key(name);
    attributes.extend(named([
        (VALUE, number(row.value)),
        (FROM, number(row.id.get())),
        (RUN, number(row.run.get())),
        (TIME, number(row.time.0)),
        (EXPIRES, expiry(expires)),
    ]));
    attributes
}

/// Reads what [`of_remembered`] wrote; `None` if it did not.
pub fn remembered(attributes: &Attributes) -> Option<Remembered> {
    let (id, run) = (read_id(attributes, FROM)?, read_id(attributes, RUN)?);
    let (value, time) = (read_number(attributes, VALUE)?, UnixMillis(read_number(attributes, TIME)?));
    Some(Remembered { value, id, run, time })
}

/// A span of time, in milliseconds.
pub fn millis(span: Duration) -> AttributeValue {
    number(i128::try_from(span.as_millis()).unwrap_or(i128::MAX))
}

pub fn of_item(channel: &ChannelName, item: &Item, expires: UnixMillis) -> Attributes {
    let mut attributes = named([
        (CHANNEL, text(channel.as_str())),
        (ID, number(item.id.get())),
        (TIME, number(item.time.0)),
        (RUN, number(item.run.get())),
        (PREVIOUS, number(item.previous.get())),
        (WRITER, number(item.writer)),
        (EXPIRES, expiry(expires)),
    ]);
    let mut add = |name: &str, value: Option<AttributeValue>| {
        attributes.extend(value.map(|value| (name.to_owned(), value)));
    };
    add(KEEP, item.lasting.keep.map(millis));
    add(LEASE, item.lasting.lease.map(millis));
    add(RENEWED, item.lasting.renewed.map(|renewed| number(renewed.0)));
    if let Some((mark, draft)) = &item.mark {
        add(MARK, Some(text(mark.as_str())));
        add(DRAFT, Some(text(draft.as_str())));
    }
    match &item.entries[..] {
        [Entry { event, key, kind: Kind::Object, body, .. }] => {
            add(EVENT, event.as_ref().map(|event| text(event.as_str())));
            add(KEY, key.as_deref().map(text));
            add(BODY, Some(text(body)));
        }
        entries => {
            let (data, end): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.kind == Kind::Data);
            add(
                ENTRIES,
                (!data.is_empty()).then(|| AttributeValue::L(data.into_iter().map(of_data).collect())),
            );
            add(ENDED, end.first().map(|end| text(&end.body)));
        }
    }
    attributes
}

/// One of several entries of an item.
fn of_data(entry: &Entry) -> AttributeValue {
    let event = entry.event.as_ref().map(|event| (EVENT, event.as_str()));
    let key = entry.key.as_deref().map(|key| (KEY, key));
    let texts = event.into_iter().chain(key).chain([(BODY, &*entry.body)]);
    AttributeValue::M(texts.map(|(name, value)| (name.to_owned(), text(value))).collect())
}

/// Reads what [`of_item`] wrote; `None` if it did not.
pub fn item(attributes: &Attributes) -> Option<Item> {
    let text = |name| read_text(attributes, name);
    let span = |name| read_number(attributes, name).map(Duration::from_millis);
    let (id, time) = (read_id(attributes, ID)?, UnixMillis(read_number(attributes, TIME)?));
    let mut entries = match (attributes.get(ENTRIES), attributes.contains_key(BODY)) {
        (Some(list), _) => {
            let ids = std::iter::successors(Some(id), |id| Some(id.next()));
            let read =
                |(data, id): (&AttributeValue, EntryId)| entry(data.as_m().ok()?, id, time, Kind::Data);
            list.as_l().ok()?.iter().zip(ids).map(read).collect::<Option<Vec<_>>>()?
        }
        (None, true) => vec![entry(attributes, id, time, Kind::Object)?],
        (None, false) => Vec::new(),
    };
    if let Some(reason) = text(ENDED) {
        let reason = reason.try_into().ok()?;
        entries.push(Entry::end_at(id.forward(entries.len() as u64), time, &reason));
    }
    let renewed = read_number(attributes, RENEWED).map(UnixMillis);
    let lasting = Lasting { keep: span(KEEP), lease: span(LEASE), renewed };
    let (run, previous) = (read_id(attributes, RUN)?, read_id(attributes, PREVIOUS)?);
    let mark = text(MARK).map(Digest::stored).zip(text(DRAFT).map(Digest::stored));
    Some(Item { id, time, run, previous, writer: read_number(attributes, WRITER)?, entries, lasting, mark })
}

fn entry(attributes: &Attributes, id: EntryId, time: UnixMillis, kind: Kind) -> Option<Entry> {
    let event = read_text(attributes, EVENT).map(TryInto::try_into).transpose().ok()?;
    let (key, body) = (read_text(attributes, KEY), read_text(attributes, BODY)?);
    Some(Entry { id, time, event, key, kind, body })
}
