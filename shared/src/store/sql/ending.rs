//! How a channel ends without a post: because its lease has run out, or because it is deleted.

use super::Sql;
use super::channel::{Channel, NewEntries, last};
use super::freed::Freed;
use super::known::Known;
use super::terms::{self, Terms};
use super::writes::Writes;
use crate::log::{EndReason, Entry};
use crate::time::UnixMillis;

impl<S: Sql> Channel<S> {
    /// Ends a channel whose lease has run out. To be called before anything else is asked, so that nobody finds it open who
    /// comes later. What the readers are told, if it ends now.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn settle(&self, now: UnixMillis) -> Result<Option<NewEntries>, S::Failure> {
        self.with_known(|known| {
            let lease = known.terms.lease_ends(known.tail.and_then(|tail| tail.time));
            if lease.is_none_or(|end| now < end) {
                return Ok(None);
            }
            // Whoever comes after it has expired finds the channel empty.
            let end = lease.map(|end| (EndReason::ABANDONED, end));
            let (terms, mut writes) = (Terms { end, ..known.terms.clone() }, Writes::default());
            terms::write(known, terms, &mut writes);
            writes.run(&self.sql)?;
            let end = self.log(known).end(known, now);
            Ok(self.news(known, end.into_iter().collect(), last(known)))
        })
    }

    /// Deletes all entries, and the terms. The channel begins anew with its next entry, behind the last id. What the readers
    /// are told, if there was something.
    ///
    /// # Errors
    /// [`Sql::Failure`].
    pub fn delete(&self, now: UnixMillis) -> Result<Option<NewEntries>, S::Failure> {
        self.with_known(|known| {
            if known.tail.is_none() && known.terms == Terms::default() {
                return Ok(None);
            }
            // Who was told the end is told nothing more.
            let has_ended = known.terms.ended(self.retention, now).is_some();
            let end = Entry::end_at(last(known).next(), now, &EndReason::DELETED);
            let ends = if has_ended { Vec::new() } else { vec![end] };
            let new = self.news(known, ends, last(known));
            let mut writes = Writes::default();
            self.log(known).delete(known, &mut writes);
            terms::write(known, Terms::default(), &mut writes);
            writes.run(&self.sql)?;
            Ok(new)
        })
    }

    /// The terms are freed with all else: when nobody can ask for them any more, and what the alarm is for before that.
    pub(super) fn terms_rest(&self, known: &Known, now: UnixMillis) -> Freed {
        let lease = known.terms.lease_ends(known.tail.and_then(|tail| tail.time));
        let age = known.terms.retention(self.retention).age;
        let end = known.terms.end.as_ref().map(|(_, at)| *at + age).filter(|at| *at > now);
        Freed { any: false, rest_at: lease.into_iter().chain(end).min() }
    }
}
