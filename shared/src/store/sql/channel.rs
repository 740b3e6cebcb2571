//! One channel as a whole.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;

use super::log::Log;
use super::rates::Rates;
use super::{Sql, keys};
use crate::access::Rate;
use crate::hub::Opening;
use crate::limits::{IDEMPOTENCY_WINDOW, OBJECT_GRACE};
use crate::log::{Entry, EntryId, Page, Retention, Selection, Snapshot, Start, Subscribe};
use crate::store::{Post, Receipt, Stored};
use crate::time::UnixMillis;

/// How often old keys are forgotten: looking for them reads all.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// A channel in its SQLite.
#[derive(Debug)]
pub struct Channel<S> {
    sql: S,
    retention: Retention,
    rates: Rates,
    forgot_at: Cell<UnixMillis>,
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
        Self { sql, retention, rates: Rates::new(rate), forgot_at: Cell::new(UnixMillis(0)) }
    }

    const fn log(&self) -> Log<'_, S> {
        Log { sql: &self.sql, retention: self.retention }
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
        let refused = |receipt| Appended { receipt, new: None };
        let begins = self.log().is_new()?;
        if let (true, Some(wait)) = (begins, beginning) {
            return Ok(refused(Receipt::TooMany(wait)));
        }
        let written = self.sql.transaction(|| {
            if let Some(receipt) = self.refuse(post, now)? {
                return Ok(Err(receipt));
            }
            let (entry, place) = self.log().append(&post.draft, now)?;
            let stored = Stored { id: entry.id, body: entry.body.clone() };
            if post.key.is_some() {
                self.forget_old_keys(now)?;
                keys::remember(&self.sql, post, &stored, now)?;
            }
            Ok(Ok((entry, place, stored)))
        })?;
        let (entry, place, stored) = match written {
            Ok(written) => written,
            Err(receipt) => return Ok(refused(receipt)),
        };
        let expires = now + self.retention.age;
        let free_at = post.key.as_ref().map_or(expires, |_| expires.min(now + IDEMPOTENCY_WINDOW));
        let receipt = if begins { Receipt::Begun(stored) } else { Receipt::Stored(stored) };
        let new = NewEntry { entry, after: place.after(), run: place.run, free_at };
        Ok(Appended { receipt, new: Some(new) })
    }

    /// What becomes of a post that is not to be stored.
    fn refuse(&self, post: &Post, now: UnixMillis) -> Result<Option<Receipt>, S::Failure> {
        match keys::used(&self.sql, post, now)? {
            Some(receipt) => Ok(Some(receipt)),
            None => self.rates.refuse(&self.sql, &post.sender, now),
        }
    }

    fn forget_old_keys(&self, now: UnixMillis) -> Result<(), S::Failure> {
        if now.since(self.forgot_at.get()) >= FORGET_EVERY {
            self.forgot_at.set(now);
            keys::forget(&self.sql, now)?;
        }
        Ok(())
    }

    /// Frees what has expired, and says when there is more to free. `None` if nothing is left that anybody can ask for, so
    /// that all of the storage can be deleted: entries go first, then keys and buckets, and [`OBJECT_GRACE`] later the last
    /// id, unless somebody reads (`is_read`).
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn free(&self, is_read: bool, now: UnixMillis) -> Result<Option<UnixMillis>, S::Failure> {
        let keys = keys::forget(&self.sql, now)?.and(Rates::forget(&self.sql, now)?);
        let freed = keys.and(self.log().expire(now)?);
        let is_in_use = freed.any || is_read || !self.log().is_before(now)?;
        Ok(freed.rest_at.or_else(|| is_in_use.then(|| now + OBJECT_GRACE)))
    }

    /// Where a reader starts.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn start(&self, subscribe: &Subscribe, now: UnixMillis) -> Result<Start, S::Failure> {
        self.log().start(self.log().extent(now)?, subscribe, now)
    }

    /// What a hub gets that stands at `after`, or nowhere yet.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn open(&self, after: Option<EntryId>, now: UnixMillis) -> Result<Opening, S::Failure> {
        let log = self.log();
        let extent = log.extent(now)?;
        Opening::new(extent, after, log.newest_first(extent)?)
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
        let extent = log.extent(now)?;
        let start = log.start(extent, subscribe, now)?;
        let entries = log.after(start.after, extent)?;
        kind(start, subscribe).fill(entries)
    }

    /// The body of one entry, if it is kept.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn entry(&self, id: EntryId, now: UnixMillis) -> Result<Option<String>, S::Failure> {
        let log = self.log();
        let found = log.after(id.back(1), log.extent(now)?)?.next().transpose()?;
        Ok(found.filter(|entry| entry.id == id).map(|entry| entry.body))
    }
}
