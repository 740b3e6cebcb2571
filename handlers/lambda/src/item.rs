//! Items of the table.
//!
//! An item of a channel is an entry or a *seal*. A seal stands right behind the last entry of a run once all of that
//! has expired, and says at which id the next run begins. Two writers that find the channel empty at the same time
//! therefore compete for one id, and so does one who still holds the last entry for kept: whoever comes second sees
//! what the first has decided. A channel that never was is sealed at id 1.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ssedge::channel::{ChannelName, Entry, EntryId, Extent};
use ssedge::time::UnixMillis;

/// The names of attributes. `id` and `channel` are the table's key, `expires` its TTL, in template.yaml.
pub const CHANNEL: &str = "channel";
pub const ID: &str = "id";
const EXPIRES: &str = "expires";
pub const TIME: &str = "time";
pub const KEY: &str = "key";
const EVENT: &str = "event";
const BODY: &str = "body";
const RUN: &str = "run";
const PREVIOUS: &str = "previous";
const WRITER: &str = "writer";

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
}

impl Item {
    pub fn is_seal(&self) -> bool {
        self.run > self.id
    }

    /// `expires` is when the table may free the space.
    pub fn attributes(&self, channel: &ChannelName, expires: UnixMillis) -> Attributes {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |n: u64| AttributeValue::N(n.to_string());
        let mut attributes = vec![
            (CHANNEL, text(&channel.to_string())),
            (ID, number(self.id.get())),
            (TIME, number(self.time.0)),
            (RUN, number(self.run.get())),
            (PREVIOUS, number(self.previous.get())),
            (WRITER, number(self.writer)),
            // TTL counts in seconds.
            (EXPIRES, number(expires.0.div_ceil(1_000))),
        ];
        if let Some(entry) = &self.entry {
            attributes.push((BODY, text(&entry.body)));
            attributes.extend(entry.event.as_ref().map(|event| (EVENT, text(event.as_str()))));
            attributes.extend(entry.key.as_ref().map(|key| (KEY, text(key))));
        }
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Reads what [`Self::attributes`] wrote; `None` where it did not.
    pub fn read(attributes: &Attributes) -> Option<Self> {
        let number = |name| attributes.get(name)?.as_n().ok()?.parse::<u64>().ok();
        let text = |name| Some(attributes.get(name)?.as_s().ok()?.clone());
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
        Some(Self { id, time, run, previous, writer: number(WRITER)?, entry })
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
