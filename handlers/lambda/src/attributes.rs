//! Items of the table, as the SDK has them: what [`ssedge::store::table`] stores, by the names of its attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ssedge::access::Digest;
use ssedge::log::{ChannelName, Entry, EntryId};
use ssedge::store::table::{Counter, Item, Remembered};
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
    if let Some(entry) = &item.entry {
        let event = entry.event.as_ref().map(|event| (EVENT, event.as_str()));
        let key = entry.key.as_ref().map(|key| (KEY, key.as_str()));
        let mark = item.mark.as_ref().map(|(mark, draft)| [(MARK, mark.as_str()), (DRAFT, draft.as_str())]);
        let optional = event.into_iter().chain(key).chain(mark.into_iter().flatten());
        let texts = optional.chain([(BODY, &*entry.body)]);
        attributes.extend(texts.map(|(name, value)| (name.to_owned(), text(value))));
    }
    attributes
}

/// Reads what [`of_item`] wrote; `None` if it did not.
pub fn item(attributes: &Attributes) -> Option<Item> {
    let text = |name| read_text(attributes, name);
    let (id, time) = (read_id(attributes, ID)?, UnixMillis(read_number(attributes, TIME)?));
    let entry = match text(BODY) {
        Some(body) => {
            let event = text(EVENT).map(TryInto::try_into).transpose().ok()?;
            Some(Entry { id, time, event, key: text(KEY), body })
        }
        None => None,
    };
    let (run, previous) = (read_id(attributes, RUN)?, read_id(attributes, PREVIOUS)?);
    let mark = text(MARK).map(Digest::stored).zip(text(DRAFT).map(Digest::stored));
    Some(Item { id, time, run, previous, writer: read_number(attributes, WRITER)?, entry, mark })
}
