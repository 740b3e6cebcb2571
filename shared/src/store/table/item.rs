//! Items of the table.

use crate::access::Digest;
use crate::limits::TABLE_MEMORY;
use crate::log::{Entry, EntryId, Extent, Retention, Tail};
use crate::store::{Receipt, Stored};
use crate::time::UnixMillis;

/// One item of a channel: an entry or a *seal*.
///
/// A seal stands behind the last entry of a run once all of that has expired, and says at which id the next run begins.
/// Two writers that find the channel empty at the same time therefore compete for one id, and so does one who still takes
/// the last entry for kept: whoever comes second sees what the first has decided. A channel that never was is sealed at
/// id 1. A seal that has expired, too, is followed by another one at the very id at which its run would have begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its place in the channel.
    pub id: EntryId,
    /// When it was written. In a channel times never go back.
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

/// A number that all processes share, as the only item of a name that no channel has: a token bucket, or the claim to a
/// key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// When a bucket is full, in microseconds; when a key was claimed, in milliseconds.
    pub value: u64,
    /// Of a claim: how far its channel had come.
    pub from: EntryId,
    /// Of a claim: drawn by who made it.
    pub writer: u64,
}

/// What a channel remembers for a key ([`crate::log::Draft::remembers`]), as the only item of a name that no channel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The value that the last draft of the key brought.
    pub value: i64,
    /// The entry that this draft has become.
    pub id: EntryId,
    /// The first id of its run.
    pub run: EntryId,
    /// When it was stored.
    pub time: UnixMillis,
}

impl Item {
    /// Whether it announces a run.
    #[must_use]
    pub fn is_seal(&self) -> bool {
        self.run > self.id
    }

    /// Whether nothing that followed it can be freed yet. If not, the channel counts as forgotten: there may have been
    /// entries behind this item, and a reader that stands here would never be told that it missed them.
    fn is_sure(&self, retention: Retention, now: UnixMillis) -> bool {
        self.time + TABLE_MEMORY > retention.expired_time(now)
    }

    /// The extent of a channel whose newest item this is; `first` is its oldest kept entry.
    pub(super) fn extent(
        &self,
        first: Option<EntryId>,
        retention: Retention,
        now: UnixMillis,
    ) -> Option<Extent> {
        let (run, previous) = (self.run, self.previous);
        match self.entry {
            _ if !self.is_sure(retention, now) => None,
            Some(_) => Some(Extent { run, previous, first, last: self.id }),
            // What lies behind the seal of a channel that never was, or is forgotten, is nothing.
            None if previous == EntryId::BEGINNING => None,
            None => Some(Extent { run, previous, first: None, last: previous }),
        }
    }

    /// The end of a log whose newest item this is; `None` if that is forgotten.
    pub(super) fn tail(&self, retention: Retention, now: UnixMillis) -> Option<Tail> {
        let (run, previous) = (self.run, self.previous);
        self.is_sure(retention, now).then_some(match self.is_seal() {
            false => Tail { run, previous, last: self.id, time: Some(self.time) },
            true => Tail { run, previous, last: previous, time: None },
        })
    }

    /// The id of whatever is written next, when this is the newest item.
    pub(super) fn next_id(&self) -> EntryId {
        if self.is_seal() { self.run } else { self.id.next() }
    }

    /// The id before this entry, as a [`crate::log::Batch`] names it.
    #[must_use]
    pub fn before(&self) -> EntryId {
        Extent { run: self.run, previous: self.previous, first: None, last: self.id }.before(self.id)
    }

    /// Whether it was stored by this key.
    pub(super) fn is_marked(&self, mark: &Digest) -> bool {
        self.mark.as_ref().is_some_and(|(marked, _)| marked == mark)
    }

    /// What its sender is told who now posts `draft` by the same key.
    pub(super) fn replay(&self, draft: &Digest) -> Receipt {
        let is_same = self.mark.as_ref().is_some_and(|(_, stored)| stored == draft);
        match &self.entry {
            Some(Entry { id, body, .. }) if is_same => {
                Receipt::Replayed(Stored { id: *id, body: body.clone() })
            }
            _ => Receipt::KeyReused,
        }
    }
}
