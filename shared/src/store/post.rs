//! Posts: what a sender wants stored, and what became of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::{Digest, Key, Sender};
use crate::json;
use crate::log::{Draft, EndReason, Entry, EntryId, Kind};

/// What a request wants stored, whole or not at all, and who sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// What is to be stored, in this order. There may be nothing if the terms say something.
    pub drafts: Vec<Draft>,
    /// For whom the rate counts.
    pub sender: Sender,
    /// By which the sender may post it again without storing it again.
    pub key: Option<Key>,
    /// On which terms.
    pub terms: Terms,
}

/// The terms of a post.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// It is stored only if this holds.
    pub only_if: Option<OnlyIf>,
    /// The channel ends behind the drafts.
    pub close: Option<EndReason>,
    /// The channel ends by itself if nothing is appended for so long.
    pub lease: Option<Duration>,
    /// How long the channel is kept after its last entry, if this post begins it.
    pub keep: Option<Duration>,
}

/// What must hold of a channel for a post to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnlyIf {
    /// This is its last entry; [`EntryId::BEGINNING`] if it has none.
    Last(EntryId),
    /// It has no entry and has not ended.
    New,
}

impl OnlyIf {
    /// Whether it holds of a channel with this last entry.
    #[must_use]
    pub fn holds(self, last: EntryId, has_ended: bool) -> bool {
        match self {
            Self::Last(wanted) => wanted == last,
            Self::New => last == EntryId::BEGINNING && !has_ended,
        }
    }
}

impl Post {
    /// A post of one draft, on no terms.
    #[must_use]
    pub fn of(draft: Draft, sender: Sender, key: Option<Key>) -> Self {
        Self { drafts: vec![draft], sender, key, terms: Terms::default() }
    }

    /// What this sender means by its key, if it has one, and what it now wants to be stored by it.
    #[must_use]
    pub fn mark(&self) -> Option<(Digest, Digest)> {
        self.key.as_ref().map(|key| (self.sender.keyed(key), self.digest()))
    }

    /// Whether it brings nothing, neither entries nor the end: at most it renews a lease.
    pub(super) const fn brings_nothing(&self) -> bool {
        self.drafts.is_empty() && self.terms.close.is_none()
    }

    /// Why a channel does not take it whose last kept entry this is, and which has ended by this reason if it has.
    pub(super) fn refusal(&self, last: EntryId, ended: Option<EndReason>) -> Option<Receipt> {
        if self.terms.only_if.is_some_and(|only_if| !only_if.holds(last, ended.is_some())) {
            return Some(Receipt::Unmet { last });
        }
        let reason = ended?;
        let is_same = self.drafts.is_empty() && self.terms.close.as_ref() == Some(&reason);
        Some(if is_same { Receipt::Same(Stored::of(&[], last)) } else { Receipt::Ended { reason, last } })
    }

    fn digest(&self) -> Digest {
        let drafts = self.drafts.iter().map(json::line);
        let terms = (self.terms != Terms::default()).then(|| json::line(&self.terms));
        Digest::of(&drafts.chain(terms).collect::<Vec<_>>())
    }
}

/// What was stored, as its sender is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The last entry of the channel then.
    pub last: EntryId,
    /// One line of JSON: an entry that is an object, or where in the channel the entries are.
    pub body: String,
}

impl Stored {
    /// What these entries are for their sender. `last` is the entry before them.
    #[must_use]
    pub fn of(entries: &[Entry], last: EntryId) -> Self {
        let stored = entries.iter().take_while(|entry| entry.kind != Kind::End).count();
        match entries[..stored] {
            [Entry { kind: Kind::Object, id, ref body, .. }] => Self { last: id, body: body.clone() },
            ref entries => {
                let first = entries.first().map(|entry| entry.id);
                Self::row(first, entries.last().map_or(last, |entry| entry.id), stored)
            }
        }
    }

    /// A row of so many entries up to `last`.
    #[must_use]
    pub fn row(first: Option<EntryId>, last: EntryId, count: usize) -> Self {
        #[derive(Serialize)]
        struct Row {
            #[serde(skip_serializing_if = "Option::is_none")]
            first: Option<EntryId>,
            last: EntryId,
            count: usize,
        }
        Self { last, body: json::line(&Row { first, last, count }) }
    }
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    /// It is stored.
    Stored(Stored),
    /// It is stored, as the first of its channel.
    Begun(Stored),
    /// It changed nothing, and nothing was to be changed: the channel has ended for this very reason, or goes on.
    Same(Stored),
    /// It was stored before, by the same key.
    Replayed(Stored),
    /// The key was used for something else.
    KeyReused,
    /// The channel has ended.
    Ended {
        /// Why.
        reason: EndReason,
        /// Its last entry.
        last: EntryId,
    },
    /// What must hold does not.
    Unmet {
        /// The last entry of the channel.
        last: EntryId,
    },
    /// The sender is too fast, and may try again after this time.
    TooFast(Duration),
    /// It would begin a channel, of which the sender began too many, and it may begin the next one after this time.
    TooMany(Duration),
}
