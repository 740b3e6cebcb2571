//! The simplest log: all in memory. It decides nothing: ids, retention, replay and pages are the core's.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use ssedge::hub::Opening;
use ssedge::log::{
    Batch, EndReason, Entry, EntryId, Extent, Filter, Page, Place, Position, Retention, Selection, Start,
    Subscribe, Tail,
};
use ssedge::store::sql::NewEntries;
use ssedge::store::{Post, Receipt, Stored};
use ssedge::time::UnixMillis;

use super::history::Fact;
use super::object::{Crashed, ObjectLog};

/// Entries, and where they end.
#[derive(Debug)]
pub struct Model {
    retention: Retention,
    tail: Option<Tail>,
    terms: Terms,
    entries: Vec<Entry>,
    /// So many of them were deleted.
    deleted: usize,
    /// The last value of each key, with its entry.
    values: BTreeMap<String, (i64, EntryId)>,
    facts: Vec<Fact>,
}

/// How long the channel is kept, and when it ends.
#[derive(Debug, Default)]
struct Terms {
    keep: Option<Duration>,
    lease: Option<Duration>,
    /// When it was last renewed, by an entry or without one.
    renewed: UnixMillis,
    end: Option<(EndReason, UnixMillis)>,
}

impl Model {
    /// An empty one.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self {
            retention,
            tail: None,
            terms: Terms::default(),
            entries: Vec::new(),
            deleted: 0,
            values: BTreeMap::new(),
            facts: Vec::new(),
        }
    }

    fn retention(&self) -> Retention {
        self.retention.keeping(self.terms.keep)
    }

    fn kept(&self, now: UnixMillis) -> &[Entry] {
        let (Some(tail), retention) = (self.tail, self.retention()) else { return &[] };
        let is_kept = |entry: &Entry| {
            entry.id >= tail.run && retention.keeps_entry(entry.id, entry.time, tail.last, now)
        };
        &self.entries[self.entries.partition_point(|entry| !is_kept(entry)).max(self.deleted)..]
    }

    fn ended(&self, now: UnixMillis) -> Option<&EndReason> {
        let (reason, at) = self.terms.end.as_ref()?;
        self.retention().keeps(*at, now).then_some(reason)
    }

    /// The last id of an entry that there ever was.
    fn last(&self) -> EntryId {
        self.tail.map_or(EntryId::BEGINNING, |tail| tail.last)
    }

    fn last_kept(&self, now: UnixMillis) -> EntryId {
        self.kept(now).last().map_or(EntryId::BEGINNING, |entry| entry.id)
    }

    fn end_entry(&self, now: UnixMillis) -> Option<Entry> {
        self.ended(now).map(|reason| Entry::end_at(self.last().next(), now, reason))
    }

    fn lease_ends(&self) -> Option<UnixMillis> {
        let lease = self.terms.lease.filter(|_| self.terms.end.is_none())?;
        Some(self.terms.renewed + lease)
    }

    fn refusal(&self, post: &Post, now: UnixMillis) -> Option<Receipt> {
        let (last, ended) = (self.last_kept(now), self.ended(now).cloned());
        if post.terms.only_if.is_some_and(|only_if| !only_if.holds(last, ended.is_some())) {
            return Some(Receipt::Unmet { last });
        }
        let reason = ended?;
        let is_same = post.drafts.is_empty() && post.terms.close.as_ref() == Some(&reason);
        Some(if is_same { Receipt::Same(Stored::of(&[], last)) } else { Receipt::Ended { reason, last } })
    }

    fn entries(&mut self, post: &Post, place: &Place, now: UnixMillis) -> Vec<Entry> {
        let oldest = self.kept(now).first().map(|entry| entry.id).filter(|_| !place.begins());
        let remembers = post.drafts.first().and_then(|draft| draft.remembers());
        let value = remembers.and_then(|(key, _)| self.values.get(key));
        let last = value.filter(|(_, id)| oldest.is_some_and(|oldest| *id >= oldest)).map(|(last, _)| *last);
        if let Some((key, value)) = remembers {
            self.values.insert(key.to_owned(), (value, place.id));
        }
        place.entries(&post.drafts, last)
    }

    /// What readers are told of these entries, which follow `after`.
    fn news(&mut self, entries: Vec<Entry>, after: EntryId) -> Option<NewEntries> {
        let run = self.tail.map_or(EntryId::BEGINNING.next(), |tail| tail.run);
        (!entries.is_empty()).then(|| NewEntries { entries, after, run, age: self.retention().age })
    }

    fn end_at(&mut self, reason: EndReason, at: UnixMillis) {
        let entry = Entry::end_at(self.last().next(), at, &reason);
        self.facts.push(Fact::Stored(entry, EntryId::BEGINNING, self.terms.keep));
        self.terms.end = Some((reason, at));
    }
}

impl Model {
    /// How many entries there ever were.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there never was one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a subscriber that has had `seen` entries gets next, and how many it has had then.
    #[must_use]
    pub fn news_since(&self, seen: usize, filter: &Filter, now: UnixMillis) -> Option<(Batch<Bytes>, usize)> {
        let new = &self.entries[seen.max(self.entries.len() - self.kept(now).len())..];
        let after = self.extent(now)?.before(new.first()?.id);
        let subscribe = Subscribe { position: Position::After(after), filter: filter.clone(), newest: false };
        let mut page = Selection::page(Start::at(after), &subscribe);
        let taken = new.iter().take_while(|entry| page.push((*entry).clone())).count();
        Some((page.into_page(false).batch?, self.entries.len() - new.len() + taken))
    }

    fn extent(&self, now: UnixMillis) -> Option<Extent> {
        let first = self.kept(now).first().map(|entry| entry.id);
        let has_ended = self.ended(now).is_some();
        match self.tail {
            Some(Tail { run, previous, last, .. }) => Some(Extent { run, previous, first, last, has_ended }),
            None => has_ended.then_some(Extent {
                run: EntryId::BEGINNING.next(),
                previous: EntryId::BEGINNING,
                first: None,
                last: EntryId::BEGINNING,
                has_ended,
            }),
        }
    }
}

impl ObjectLog for Model {
    fn append(&mut self, post: &Post, now: UnixMillis) -> Result<(Receipt, Option<NewEntries>), Crashed> {
        if let Some(receipt) = self.refusal(post, now) {
            return Ok((receipt, None));
        }
        let (place, before) = (self.retention().place(self.tail, now), self.last_kept(now));
        let renews = post.drafts.is_empty() && post.terms.close.is_none();
        if renews {
            if !place.begins() {
                (self.terms.lease, self.terms.renewed) = (post.terms.lease, place.time);
            }
            return Ok((Receipt::Same(Stored::of(&[], before)), None));
        }
        let mut entries = self.entries(post, &place, now);
        let stored = Stored::of(&entries, before);
        if place.begins() {
            self.terms = Terms { keep: post.terms.keep, ..Terms::default() };
        }
        self.terms.lease = post.terms.lease.or(self.terms.lease);
        let after = if entries.is_empty() { self.last() } else { place.after() };
        if !entries.is_empty() {
            self.terms.renewed = place.time;
            self.tail = Some(place.tail(entries.len() as u64));
            let keep = self.terms.keep;
            self.facts.extend(entries.iter().map(|entry| Fact::Stored(entry.clone(), place.run, keep)));
            self.entries.extend(entries.iter().cloned());
        }
        if let Some(reason) = &post.terms.close {
            self.end_at(reason.clone(), place.time);
            entries.extend(self.end_entry(now));
        }
        Ok((Receipt::Stored(stored), self.news(entries, after)))
    }

    fn settle(&mut self, now: UnixMillis) -> Result<Option<NewEntries>, Crashed> {
        let Some(at) = self.lease_ends().filter(|at| *at <= now) else { return Ok(None) };
        self.end_at(EndReason::ABANDONED, at);
        let end = self.end_entry(now);
        let last = self.last();
        Ok(self.news(end.into_iter().collect(), last))
    }

    fn delete(&mut self, now: UnixMillis) -> Result<Option<NewEntries>, Crashed> {
        if self.tail.is_none() && self.terms.end.is_none() {
            return Ok(None);
        }
        let end = Entry::end_at(self.last().next(), now, &EndReason::DELETED);
        let ends = if self.ended(now).is_some() { Vec::new() } else { vec![end] };
        let last = self.last();
        let new = self.news(ends, last);
        (self.deleted, self.terms) = (self.entries.len(), Terms::default());
        self.tail = self.tail.map(|tail| Tail { time: None, ..tail });
        self.values.clear();
        self.facts.push(Fact::Deleted(now));
        Ok(new)
    }

    fn observe(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    fn open(&mut self, after: Option<EntryId>, now: UnixMillis) -> Result<Opening, Crashed> {
        let kept = self.kept(now).iter().rev().cloned();
        let newest_first = self.end_entry(now).into_iter().chain(kept).map(Ok::<_, Crashed>);
        Opening::new(self.extent(now), self.retention().age, after, newest_first)
    }

    fn page(&mut self, subscribe: &Subscribe, now: UnixMillis) -> Result<Page<Bytes>, Crashed> {
        let kept = self.kept(now);
        let extent = self.extent(now);
        let nth_newest = |n: u32| {
            let admitted = kept.iter().rev().filter(|entry| subscribe.filter.admits(entry));
            admitted.map(|entry| entry.id).nth(n as usize - 1)
        };
        let start = Start::decide(&subscribe.position, extent, now, nth_newest);
        let rest = kept[kept.partition_point(|entry| entry.id <= start.after)..].iter().cloned();
        let rest = rest.chain(self.end_entry(now)).map(Ok::<_, Infallible>);
        let page = Selection::page(start, subscribe).fill(rest);
        Ok(page.map(|page| page.into_page(false)).unwrap_or_else(|never| match never {}))
    }

    /// Loses even the memory of having had entries, if none is kept, as a table does whose items expire.
    fn free(&mut self, _: bool, now: UnixMillis) -> Result<bool, Crashed> {
        let is_idle = self.kept(now).is_empty() && self.ended(now).is_none() && self.lease_ends().is_none();
        // It begins anew at the time, so it would give its last id again if that is not before.
        let forgets = self.tail.is_some_and(|tail| tail.last.get() < now.0) && is_idle;
        if forgets {
            (self.tail, self.terms) = (None, Terms::default());
        }
        Ok(forgets)
    }

    /// When its lease runs out.
    fn next_alarm(&self) -> Option<UnixMillis> {
        self.lease_ends()
    }

    fn crash_after(&mut self, _: u32) -> bool {
        false
    }

    fn restart(&mut self) {}
}
