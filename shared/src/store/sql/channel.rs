//! One channel as a whole.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;

use super::known::Known;
use super::log::Log;
use super::rates::Rates;
use super::terms::{self, Terms};
use super::writes::Writes;
use super::{Sql, keys};
use crate::access::{Micros, Rate};
use crate::hub::Opening;
use crate::limits::{IDEMPOTENCY_WINDOW, OBJECT_GRACE};
use crate::log::{Entry, EntryId, Page, Retention, Selection, Snapshot, Start, Subscribe};
use crate::store::{Post, Receipt, Stored};
use crate::time::UnixMillis;

/// A channel in its SQLite.
#[derive(Debug)]
pub struct Channel<S> {
    pub(super) sql: S,
    pub(super) retention: Retention,
    rates: Rates,
    known: RefCell<Option<Known>>,
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// For its sender.
    pub receipt: Receipt,
    /// For the readers, if there is news for them.
    pub new: Option<NewEntries>,
    /// By when [`Channel::free`] is to be called, if anything was written.
    pub due_at: Option<UnixMillis>,
}

/// Entries that were just stored, at least one; the last one may be the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntries {
    /// The entries, which follow each other.
    pub entries: Vec<Entry>,
    /// The id before the first one, as a [`crate::log::Batch`] names it.
    pub after: EntryId,
    /// The first id of their run.
    pub run: EntryId,
    /// How long an entry of the channel is kept.
    pub age: Duration,
}

impl<S: Sql> Channel<S> {
    /// The channel in `sql`. `rate` is how fast one sender may post to it.
    #[must_use]
    pub const fn new(sql: S, retention: Retention, rate: Rate) -> Self {
        Self { sql, retention, rates: Rates::new(rate), known: RefCell::new(None) }
    }

    pub(super) fn log(&self, known: &Known) -> Log<'_, S> {
        Log { sql: &self.sql, retention: known.terms.retention(self.retention) }
    }

    /// Asks what is known of the storage. When anything fails it may be written or not, so what was known is forgotten, and
    /// read anew by who asks next.
    pub(super) fn with_known<T>(
        &self,
        ask: impl FnOnce(&mut Known) -> Result<T, S::Failure>,
    ) -> Result<T, S::Failure> {
        let mut known = match self.known.take() {
            Some(known) => known,
            None => Known::read(&self.sql)?,
        };
        let answer = ask(&mut known);
        match answer {
            Ok(_) => drop(self.known.replace(Some(known))),
            Err(_) => self.rates.forget_stored(),
        }
        answer
    }

    /// Stores the post as the next entries, unless its sender is too fast, it is stored already, or the channel does not take
    /// it. If its sender has begun too many channels, `beginning` says how long it would have to wait. Whatever fails has
    /// stored nothing, so that the sender may post it again.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn append(
        &self,
        post: &Post,
        beginning: Option<Duration>,
        now: UnixMillis,
    ) -> Result<Appended, S::Failure> {
        self.with_known(|known| {
            let is_new = known.tail.is_none() && known.terms == Terms::default();
            if let Some(wait) = beginning.filter(|_| is_new) {
                return Ok(Appended { receipt: Receipt::TooMany(wait), new: None, due_at: None });
            }
            let full_at = match self.rates.take(&self.sql, known, &post.sender, now)? {
                Ok(full_at) => full_at,
                Err(wait) => return self.refuse(known, post, Receipt::TooFast(wait), now),
            };
            let ended = known.terms.ended(self.retention, now).cloned();
            match post.refusal(self.log(known).last_kept(known, now), ended) {
                Some(receipt) => self.refuse(known, post, receipt, now),
                None => self.store(known, post, full_at, is_new, now),
            }
        })
    }

    /// Nothing is stored. Still a key that was used is answered by what it has stored.
    fn refuse(
        &self,
        known: &Known,
        post: &Post,
        receipt: Receipt,
        now: UnixMillis,
    ) -> Result<Appended, S::Failure> {
        let used = keys::used(&self.sql, known, post, now)?;
        Ok(Appended { receipt: used.unwrap_or(receipt), new: None, due_at: None })
    }

    fn store(
        &self,
        known: &mut Known,
        post: &Post,
        full_at: Micros,
        is_new: bool,
        now: UnixMillis,
    ) -> Result<Appended, S::Failure> {
        let log = self.log(known);
        let (place, mut entries) = log.next(known, &post.drafts, now)?;
        if place.begins() && post.brings_nothing() {
            // There is nothing whose lease could be renewed.
            let receipt = Receipt::Same(Stored::of(&[], log.last_kept(known, now)));
            return Ok(Appended { receipt, new: None, due_at: None });
        }
        let before = log.last_kept(known, now);
        let stored = Stored::of(&entries, before);
        let terms = known.terms.after(post, place.begins(), place.time);
        let has_end = terms.end.is_some();
        let mut writes = Writes::default();
        keys::claim(known, post, &stored, now, &mut writes);
        self.rates.store(known, &post.sender, full_at, now, &mut writes);
        log.append(known, (place, &entries), &post.drafts, &mut writes);
        terms::write(known, terms, &mut writes);
        if !writes.run(&self.sql)? {
            // Nothing is written of what is known by now.
            *known = Known::read(&self.sql)?;
            return match keys::used(&self.sql, known, post, now)? {
                Some(receipt) => Ok(Appended { receipt, new: None, due_at: None }),
                None => Err(keys::lost::<S>()),
            };
        }
        self.rates.fill(&post.sender, full_at, now);
        let after = if entries.is_empty() { last(known) } else { place.after() };
        if has_end {
            entries.extend(self.log(known).end(known, now));
        }
        let receipt = match (is_new, entries.is_empty()) {
            (true, _) => Receipt::Begun(stored),
            (false, false) => Receipt::Stored(stored),
            (false, true) => Receipt::Same(stored),
        };
        let due_at = Some(self.due_at(known, post.key.is_some(), now));
        Ok(Appended { receipt, new: self.news(known, entries, after), due_at })
    }

    /// What readers are told of these entries, if there are any.
    pub(super) fn news(&self, known: &Known, entries: Vec<Entry>, after: EntryId) -> Option<NewEntries> {
        let run = known.tail.map_or(EntryId::BEGINNING.next(), |tail| tail.run);
        let age = self.log(known).retention.age;
        (!entries.is_empty()).then_some(NewEntries { entries, after, run, age })
    }

    /// By when [`Self::free`] is to be called after something was written at `now`.
    fn due_at(&self, known: &Known, has_key: bool, now: UnixMillis) -> UnixMillis {
        let expires = now + self.log(known).retention.age;
        let lease = known.terms.lease_ends(known.tail.and_then(|tail| tail.time));
        let key = has_key.then(|| now + IDEMPOTENCY_WINDOW);
        [lease, key].into_iter().flatten().fold(expires, UnixMillis::min)
    }

    /// Frees what has expired, and says when there is more to free. `None` if nothing is left that anybody can ask for, so
    /// that all of the storage can be deleted, and then [`Self::forget`] is to be called: entries go first, then keys and
    /// buckets, and [`OBJECT_GRACE`] later the last id, unless somebody reads (`is_read`).
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn free(&self, is_read: bool, now: UnixMillis) -> Result<Option<UnixMillis>, S::Failure> {
        self.with_known(|known| {
            let keys = keys::forget(&self.sql, known, now)?;
            let buckets = Rates::forget(&self.sql, known, now)?;
            terms::outlive(&self.sql, known)?;
            let entries = self.log(known).expire(known, now)?;
            let freed = keys.and(buckets).and(entries).and(self.terms_rest(known, now));
            // It begins anew at the time, so it would give its last id again if that is not before.
            let is_before = known.tail.is_none_or(|tail| tail.last.get() < now.0);
            let is_in_use = freed.any || is_read || !is_before;
            Ok(freed.rest_at.or_else(|| is_in_use.then(|| now + OBJECT_GRACE)))
        })
    }

    /// Forgets what is known of the storage: all of that is deleted.
    pub fn forget(&self) {
        self.known.take();
    }

    /// Where a reader starts.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn start(&self, subscribe: &Subscribe, now: UnixMillis) -> Result<Start, S::Failure> {
        self.with_known(|known| {
            let log = self.log(known);
            log.start(known, log.extent(known, now)?, subscribe, now)
        })
    }

    /// What a hub gets that stands at `after`, or nowhere yet.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn open(&self, after: Option<EntryId>, now: UnixMillis) -> Result<Opening, S::Failure> {
        self.with_known(|known| {
            let log = self.log(known);
            let extent = log.extent(known, now)?;
            Opening::new(extent, log.retention.age, after, log.newest_first(known, extent, now)?)
        })
    }

    /// A page for a reader.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn page(&self, subscribe: &Subscribe, now: UnixMillis) -> Result<Page<Bytes>, S::Failure> {
        let selection = self.select(subscribe, now, Selection::page)?;
        Ok(selection.into_page(false))
    }

    /// What a snapshot holds.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn snapshot(&self, subscribe: &Subscribe, now: UnixMillis) -> Result<Snapshot, S::Failure> {
        let snapshot = self.select(subscribe, now, Selection::snapshot)?.into_snapshot();
        self.with_known(|known| {
            let ended = known.terms.ended(self.retention, now).cloned();
            Ok(Snapshot { ended, ..snapshot })
        })
    }

    fn select<'s>(
        &self,
        subscribe: &'s Subscribe,
        now: UnixMillis,
        kind: impl FnOnce(Start, &'s Subscribe) -> Selection<'s>,
    ) -> Result<Selection<'s>, S::Failure> {
        self.with_known(|known| {
            let log = self.log(known);
            let extent = log.extent(known, now)?;
            let start = log.start(known, extent, subscribe, now)?;
            let entries = log.after(known, start.after, extent, now)?;
            kind(start, subscribe).fill(entries)
        })
    }

    /// The body of one entry, if it is kept.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn entry(&self, id: EntryId, now: UnixMillis) -> Result<Option<String>, S::Failure> {
        let found = self.with_known(|known| {
            let log = self.log(known);
            log.after(known, id.back(1), log.extent(known, now)?, now)?.next().transpose()
        })?;
        Ok(found.filter(|entry| entry.id == id).map(|entry| entry.body))
    }
}

/// The last id of an entry that there ever was.
pub(super) fn last(known: &Known) -> EntryId {
    known.tail.map_or(EntryId::BEGINNING, |tail| tail.last)
}
