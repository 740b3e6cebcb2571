//! Posts: what a sender wants stored, and what became of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::{Digest, Key, Sender};
use crate::log::{Draft, EntryId};

/// A draft, and who sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// What is to be stored.
    pub draft: Draft,
    /// For whom the rate counts.
    pub sender: Sender,
    /// By which the sender may post it again without storing it again.
    pub key: Option<Key>,
}

impl Post {
    /// What this sender means by its key, if it has one, and what it now wants to be stored by it.
    #[must_use]
    pub fn mark(&self) -> Option<(Digest, Digest)> {
        self.key.as_ref().map(|key| (self.sender.keyed(key), Digest::of_draft(&self.draft)))
    }
}

/// An entry as its sender is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its place in the channel.
    pub id: EntryId,
    /// One line of JSON.
    pub body: String,
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    /// It is stored.
    Stored(Stored),
    /// It is stored, as the first entry of its channel.
    Begun(Stored),
    /// It was stored before, by the same key.
    Replayed(Stored),
    /// The key was used for something else.
    KeyReused,
    /// The sender is too fast, and may try again after this time.
    TooFast(Duration),
    /// It would begin a channel, of which the sender began too many, and it may begin the next one after this time.
    TooMany(Duration),
}
