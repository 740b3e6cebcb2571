//! One channel as a whole.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;

use super::known::Known;
use super::log::Log;
use super::rates::Rates;
use super::writes::Writes;
use super::{Sql, keys};
use crate::access::Rate;
use crate::hub::Opening;
use crate::limits::{IDEMPOTENCY_WINDOW, OBJECT_GRACE};
use crate::log::{Entry, EntryId, Page, Retention, Selection, Snapshot, Start, Subscribe};
use crate::store::{Post, Receipt, Stored};
use crate::time::UnixMillis;

/// A channel in its SQLite.
#[derive(Debug)]
pub struct Channel<S> {
    sql: S,
    retention: Retention,
    rates: Rates,
    known: RefCell<Option<Known>>,
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// For its sender.
    pub receipt: Receipt,
    /// For the readers, if it was stored now.
    pub new: Option<NewEntry>,
}

/// An entry that was just stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// The entry.
    pub entry: Entry,
    /// The id before it, as a [`crate::log::Batch`] names it.
    pub after: EntryId,
    /// The first id of its run.
    pub run: EntryId,
    /// By when [`Channel::free`] is to be called.
    pub free_at: UnixMillis,
}

impl<S: Sql> Channel<S> {
    /// The channel in `sql`. `rate` is how fast one sender may post to it.
    #[must_use]
    pub const fn new(sql: S, retention: Retention, rate: Rate) -> Self {
        Self { sql, retention, rates: Rates::new(rate), known: RefCell::new(None) }
    }

    const fn log(&self) -> Log<'_, S> {
        Log { sql: &self.sql, retention: self.retention }
    }

    /// Asks what is known of the storage. When anything fails it may be written or not, so what was known is forgotten, and
    /// read anew by who asks next.
    fn with_known<T>(&self, ask: impl FnOnce(&mut Known) -> Result<T, S::Failure>) -> Result<T, S::Failure> {
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

    /// Stores the post as the next entry, unless its sender is too fast or it is stored already. If its sender has begun too
    /// many channels, `beginning` says how long it would have to wait. Whatever fails has stored nothing, so that the sender
    /// may post it again.
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
            let begins = known.tail.is_none();
            let stored = match beginning {
                Some(wait) if begins => Err(Receipt::TooMany(wait)),
                _ => self.store(known, post, now)?,
            };
            Ok(match stored {
                Ok(new) => {
                    let stored = Stored { id: new.entry.id, body: new.entry.body.clone() };
                    let receipt = if begins { Receipt::Begun(stored) } else { Receipt::Stored(stored) };
                    Appended { receipt, new: Some(new) }
                }
                Err(receipt) => Appended { receipt, new: None },
            })
        })
    }

    /// Stores the post, or says why it is not stored.
    fn store(
        &self,
        known: &mut Known,
        post: &Post,
        now: UnixMillis,
    ) -> Result<Result<NewEntry, Receipt>, S::Failure> {
        let full_at = match self.rates.take(&self.sql, known, &post.sender, now)? {
            Ok(full_at) => full_at,
            Err(wait) => {
                let used = keys::used(&self.sql, known, post, now)?;
                return Ok(Err(used.unwrap_or(Receipt::TooFast(wait))));
            }
        };
        let (place, entry) = self.log().next(known, &post.draft, now)?;
        let mut writes = Writes::default();
        keys::claim(known, post, &entry, now, &mut writes);
        self.rates.store(known, &post.sender, full_at, now, &mut writes);
        self.log().append(known, (place, &entry), &post.draft, &mut writes);
        if !writes.run(&self.sql)? {
            // Nothing is written of what is known by now.
            *known = Known::read(&self.sql)?;
            return match keys::used(&self.sql, known, post, now)? {
                Some(receipt) => Ok(Err(receipt)),
                None => Err(keys::lost::<S>()),
            };
        }
        self.rates.fill(&post.sender, full_at, now);
        let expires = now + self.retention.age;
        let free_at = post.key.as_ref().map_or(expires, |_| expires.min(now + IDEMPOTENCY_WINDOW));
        Ok(Ok(NewEntry { entry, after: place.after(), run: place.run, free_at }))
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
            let freed = keys.and(buckets).and(self.log().expire(known, now)?);
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
        let log = self.log();
        self.with_known(|known| log.start(log.extent(known, now)?, subscribe, now))
    }

    /// What a hub gets that stands at `after`, or nowhere yet.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn open(&self, after: Option<EntryId>, now: UnixMillis) -> Result<Opening, S::Failure> {
        let log = self.log();
        self.with_known(|known| {
            let extent = log.extent(known, now)?;
            Opening::new(extent, after, log.newest_first(extent)?)
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
        Ok(self.select(subscribe, now, Selection::snapshot)?.into_snapshot())
    }

    fn select<'s>(
        &self,
        subscribe: &'s Subscribe,
        now: UnixMillis,
        kind: impl FnOnce(Start, &'s Subscribe) -> Selection<'s>,
    ) -> Result<Selection<'s>, S::Failure> {
        let log = self.log();
        self.with_known(|known| {
            let extent = log.extent(known, now)?;
            let start = log.start(extent, subscribe, now)?;
            let entries = log.after(start.after, extent)?;
            kind(start, subscribe).fill(entries)
        })
    }

    /// The body of one entry, if it is kept.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn entry(&self, id: EntryId, now: UnixMillis) -> Result<Option<String>, S::Failure> {
        let log = self.log();
        let found =
            self.with_known(|known| log.after(id.back(1), log.extent(known, now)?)?.next().transpose())?;
        Ok(found.filter(|entry| entry.id == id).map(|entry| entry.body))
    }
}
