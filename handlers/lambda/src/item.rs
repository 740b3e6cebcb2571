//! Items of the table.
//!
//! An item of a channel is an entry or a *seal*. A seal stands right behind the last entry of a run once all of that
//! has expired, and says at which id the next run begins. Two writers that find the channel empty at the same time
//! therefore compete for one id, and so does one who still holds the last entry for kept: whoever comes second sees
//! what the first has decided. A channel that never was is sealed at id 1.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ssedge::access::Digest;
use ssedge::log::{ChannelName, Entry, EntryId, Extent};
use ssedge::post::{Receipt, Stored};
use ssedge::time::UnixMillis;

/// The names of attributes. `id` and `channel` are the table's key, `expires` its TTL, in template.yaml.
pub const CHANNEL: &str = "channel";
pub const ID: &str = "id";
pub const EXPIRES: &str = "expires";
pub const TIME: &str = "time";
pub const KEY: &str = "key";
const EVENT: &str = "event";
const BODY: &str = "body";
const RUN: &str = "run";
const PREVIOUS: &str = "previous";
const WRITER: &str = "writer";
const MARK: &str = "mark";
const DRAFT: &str = "draft";
pub const VALUE: &str = "value";
const FROM: &str = "from";

/// As the SDK has it.
pub type Attributes = HashMap<String, AttributeValue>;

/// One item of a channel.
#[derive(Clone, Debug)]
pub struct Item {
    pub id: EntryId,
    pub time: UnixMillis,
    /// The first id of the run: of its own if this is an entry, of the next one if it is a seal.
    pub run: EntryId,
    /// The last entry of the run before that one.
    pub previous: EntryId,
    /// Drawn by its writer, who so finds what it wrote though the answer was lost.
    pub writer: u64,
    /// `None` in a seal.
    pub entry: Option<Entry>,
    /// The key that it was stored by, as its sender means it, and what was to be stored.
    pub mark: Option<(Digest, Digest)>,
}

/// What is known of a sender, beside the channels: under a name that no channel has, one number.
#[derive(Clone, Debug, Default)]
pub struct Note {
    pub name: String,
    pub value: u64,
    /// Of a key: how far its channel had come.
    pub from: EntryId,
    /// Of a key: drawn by who claimed it.
    pub writer: u64,
}

/// Every note is the only item of its name.
const NOTE_ID: u64 = 1;

pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub fn number(n: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(n.into().to_string())
}

pub fn named<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Attributes {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read_number(attributes: &Attributes, name: &str) -> Option<u64> {
    attributes.get(name)?.as_n().ok()?.parse().ok()
}

fn read_text(attributes: &Attributes, name: &str) -> Option<String> {
    Some(attributes.get(name)?.as_s().ok()?.clone())
}

/// TTL counts in seconds.
pub fn expiry(expires: UnixMillis) -> AttributeValue {
    number(expires.0.div_ceil(1_000))
}

impl Note {
    /// `expires` is when the table may free the space.
    pub fn attributes(&self, expires: UnixMillis) -> Attributes {
        named([
            (CHANNEL, text(&self.name)),
            (ID, number(NOTE_ID)),
            (VALUE, number(self.value)),
            (FROM, number(self.from.get())),
            (WRITER, number(self.writer)),
            (EXPIRES, expiry(expires)),
        ])
    }

    /// Which item it is.
    pub fn key(name: &str) -> Attributes {
        named([(CHANNEL, text(name)), (ID, number(NOTE_ID))])
    }

    /// Reads what [`Self::attributes`] wrote; `None` where it did not.
    pub fn read(attributes: &Attributes) -> Option<Self> {
        let number = |name| read_number(attributes, name);
        let from = EntryId::new(number(FROM)?).ok()?;
        Some(Self {
            name: read_text(attributes, CHANNEL)?,
            value: number(VALUE)?,
            from,
            writer: number(WRITER)?,
        })
    }
}

impl Item {
    pub fn is_seal(&self) -> bool {
        self.run > self.id
    }

    /// `expires` is when the table may free the space.
    pub fn attributes(&self, channel: &ChannelName, expires: UnixMillis) -> Attributes {
        let mut attributes = named([
            (CHANNEL, text(&channel.to_string())),
            (ID, number(self.id.get())),
            (TIME, number(self.time.0)),
            (RUN, number(self.run.get())),
            (PREVIOUS, number(self.previous.get())),
            (WRITER, number(self.writer)),
            (EXPIRES, expiry(expires)),
        ]);
        if let Some(entry) = &self.entry {
            attributes.extend(named([(BODY, text(&entry.body))]));
            let event = entry.event.as_ref().map(|event| (EVENT, event.as_str()));
            let key = entry.key.as_ref().map(|key| (KEY, key.as_str()));
            let mark =
                self.mark.as_ref().map(|(mark, draft)| [(MARK, mark.as_str()), (DRAFT, draft.as_str())]);
            let optional = event.into_iter().chain(key).chain(mark.into_iter().flatten());
            attributes.extend(optional.map(|(name, value)| (name.to_owned(), text(value))));
        }
        attributes
    }

    /// Reads what [`Self::attributes`] wrote; `None` where it did not.
    pub fn read(attributes: &Attributes) -> Option<Self> {
        let number = |name| read_number(attributes, name);
        let text = |name| read_text(attributes, name);
        let entry_id = |name| EntryId::new(number(name)?).ok();
        let (id, time) = (entry_id(ID)?, UnixMillis(number(TIME)?));
        let entry = match text(BODY) {
            Some(body) => {
                let event = text(EVENT).map(TryInto::try_into).transpose().ok()?;
                Some(Entry { id, time, event, key: text(KEY), body })
            }
            None => None,
        };
        let (run, previous) = (entry_id(RUN)?, entry_id(PREVIOUS)?);
        let mark = text(MARK).map(Digest::stored).zip(text(DRAFT).map(Digest::stored));
        Some(Self { id, time, run, previous, writer: number(WRITER)?, entry, mark })
    }

    /// What its sender is told who now posts `draft` by the same key.
    pub fn replay(&self, draft: &Digest) -> Receipt {
        let is_same = self.mark.as_ref().is_some_and(|(_, stored)| stored == draft);
        match &self.entry {
            Some(Entry { id, body, .. }) if is_same => {
                Receipt::Replayed(Stored { id: *id, body: body.clone() })
            }
            _ => Receipt::KeyReused,
        }
    }

    /// Whether it was stored by this key.
    pub fn is_marked(&self, mark: &Digest) -> bool {
        self.mark.as_ref().is_some_and(|(marked, _)| marked == mark)
    }

    /// The extent of a channel whose newest item this is; `first` is its oldest kept entry.
    pub fn extent(&self, first: Option<EntryId>) -> Option<Extent> {
        let (run, previous) = (self.run, self.previous);
        match self.entry {
            Some(_) => Some(Extent { run, previous, first, last: self.id }),
            // What lies behind the seal of a channel that never was, or is forgotten, is nothing.
            None if previous == EntryId::BEGINNING => None,
            None => Some(Extent { run, previous, first: None, last: previous }),
        }
    }

    /// The id before this entry, as a batch names it.
    pub fn before(&self) -> EntryId {
        Extent { run: self.run, previous: self.previous, first: None, last: self.id }.before(self.id)
    }
}
