//! Items of the table.

use std::time::Duration;

use crate::access::Digest;
use crate::limits::TABLE_MEMORY;
use crate::log::{End, Entry, EntryId, Extent, Retention, Tail};
use crate::store::{Receipt, Stored};
use crate::time::UnixMillis;

/// One item of a channel: the entries of one post, or a *seal*.
///
/// A seal stands behind the last entry of a run once all of that has expired, and says at which id the next run begins.
/// Two writers that find the channel empty at the same time therefore compete for one id, and so does one who still takes
/// the last entry for kept: whoever comes second sees what the first has decided. A channel that never was is sealed at
/// id 1, and one that is deleted behind its last entry. A seal that has expired, too, is followed by another one at the very
/// id at which its run would have begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its place in the channel: the id of its first entry.
    pub id: EntryId,
    /// When it was written. In a channel times never go back.
    pub time: UnixMillis,
    /// The first id of the run: of its own if this is an entry, of the next one if it is a seal.
    pub run: EntryId,
    /// The last entry of the run before that one.
    pub previous: EntryId,
    /// Drawn by its writer, who so finds what it wrote though the answer was lost.
    pub writer: u64,
    /// The entries, which follow each other; the last one may be the end of the channel. A seal has none, but for the end that
    /// tells readers that the channel was deleted.
    pub entries: Vec<Entry>,
    /// The terms of the channel, as far as they are others than usual.
    pub lasting: Lasting,
    /// The key that it was stored by, as its sender means it, and what was to be stored.
    pub mark: Option<(Digest, Digest)>,
}

/// How long a channel is kept, and when it ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// How long the channel is kept after its last entry.
    pub keep: Option<Duration>,
    /// It ends if nothing is appended for so long.
    pub lease: Option<Duration>,
    /// When the lease was last renewed without an entry.
    pub renewed: Option<UnixMillis>,
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

    /// The last id that it takes up.
    #[must_use]
    pub fn last(&self) -> EntryId {
        self.id.forward((self.entries.len() as u64).saturating_sub(1))
    }

    /// The end, if it brings it.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let end = self.entries.last()?;
        end.end(if self.entries.len() > 1 { end.id.back(1) } else { self.before() })
    }

    /// The last id of an entry that it takes up, or that it stands behind: the end is none.
    pub(super) fn last_entry(&self) -> EntryId {
        self.end().map_or_else(|| self.last(), |end| end.last)
    }

    /// The end of a channel whose newest item this is, if it has ended.
    pub(super) fn ended(&self, retention: Retention, now: UnixMillis) -> Option<End> {
        let is_kept = retention.keeping(self.lasting.keep).keeps(self.time, now);
        self.end().filter(|_| is_kept && !self.is_seal())
    }

    /// The newest entry of a channel whose newest item this is; [`EntryId::BEGINNING`] if none is kept.
    pub(super) fn last_kept(&self, retention: Retention, now: UnixMillis) -> EntryId {
        let is_kept = retention.keeping(self.lasting.keep).keeps(self.time, now);
        if self.is_seal() || !is_kept { EntryId::BEGINNING } else { self.last_entry() }
    }

    /// When the lease runs out of a channel whose newest item this is.
    #[must_use]
    pub fn lease_ends(&self) -> Option<UnixMillis> {
        let lease = self.lasting.lease.filter(|_| !self.is_seal() && self.end().is_none())?;
        Some(self.lasting.renewed.map_or(self.time, |renewed| renewed.max(self.time)) + lease)
    }

    /// When the channel whose newest item this is has ended, because its lease has run out: as long as that would be kept.
    pub(super) fn abandoned(&self, retention: Retention, now: UnixMillis) -> Option<UnixMillis> {
        let keeps = |ends: &UnixMillis| retention.keeping(self.lasting.keep).keeps(*ends, now);
        self.lease_ends().filter(|ends| *ends <= now).filter(keeps)
    }

    /// Whether nothing that followed it can be freed yet. If not, the channel counts as forgotten: there may have been
    /// entries behind this item, and a reader that stands here would never be told that it missed them.
    fn is_sure(&self, retention: Retention, now: UnixMillis) -> bool {
        self.time + TABLE_MEMORY > retention.keeping(self.lasting.keep).expired_time(now)
    }

    /// The extent of a channel whose newest item this is; `first` is its oldest kept entry.
    pub(super) fn extent(
        &self,
        first: Option<EntryId>,
        retention: Retention,
        now: UnixMillis,
    ) -> Option<Extent> {
        let (run, previous) = (self.run, self.previous);
        let (last, has_ended) = (self.last_entry(), self.ended(retention, now).is_some());
        let first = first.filter(|first| *first <= last);
        match self.is_seal() {
            _ if !self.is_sure(retention, now) => None,
            false => Some(Extent { run, previous, first, last, has_ended }),
            // What lies behind the seal of a channel that never was, or is forgotten, is nothing.
            true if previous == EntryId::BEGINNING => None,
            true => Some(Extent { run, previous, first: None, last: previous, has_ended: false }),
        }
    }

    /// The end of a log whose newest item this is; `None` if that is forgotten. What follows goes to [`Self::next_id`], though.
    pub(super) fn tail(&self, retention: Retention, now: UnixMillis) -> Option<Tail> {
        let (run, previous) = (self.run, self.previous);
        self.is_sure(retention, now).then_some(match self.is_seal() {
            false => Tail { run, previous, last: self.last_entry(), time: Some(self.time) },
            true => Tail { run, previous, last: previous, time: None },
        })
    }

    /// The id of whatever is written next, when this is the newest item.
    pub(super) fn next_id(&self) -> EntryId {
        if self.is_seal() { self.run } else { self.last().next() }
    }

    /// The id before this entry, as a [`crate::log::Batch`] names it.
    #[must_use]
    pub fn before(&self) -> EntryId {
        if self.id == self.run { self.previous } else { self.id.back(1) }
    }

    /// Whether it was stored by this key.
    pub(super) fn is_marked(&self, mark: &Digest) -> bool {
        self.mark.as_ref().is_some_and(|(marked, _)| marked == mark)
    }

    /// What its sender is told who now posts `draft` by the same key.
    pub(super) fn replay(&self, draft: &Digest) -> Receipt {
        let is_same = self.mark.as_ref().is_some_and(|(_, stored)| stored == draft);
        if is_same { Receipt::Replayed(Stored::of(&self.entries, self.before())) } else { Receipt::KeyReused }
    }
}
