//! Where an entry goes, and what is still kept: the rules of every log, whatever stores it.

use std::time::Duration;

use super::{Draft, Entry, EntryId};
use crate::time::UnixMillis;

/// How much of a channel is kept. A rule of reading: what it excludes is never sent, whether or not the storage
/// has freed the space yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Entries per channel, at least one.
    pub max: u64,
    /// Age from which on an entry is no longer sent.
    pub age: Duration,
}

/// The end of a log, as a writer finds it.
///
/// A *run* is a row of consecutive ids. A channel whose entries have all expired begins a new one at the current
/// time in unix ms, so that an id is never used twice and an old cursor is always seen to be old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The first id of the run.
    pub run: EntryId,
    /// The last id of the run before; [`EntryId::BEGINNING`] if there was none or it is forgotten.
    pub previous: EntryId,
    /// The newest id that was given.
    pub last: EntryId,
    /// When the entry of that id was stored; `None` if it is freed already, and with it the whole run.
    pub time: Option<UnixMillis>,
}

/// Where the next entries go: one behind the other from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The id of the first one.
    pub id: EntryId,
    /// The first id of its run.
    pub run: EntryId,
    /// The last id of the run before.
    pub previous: EntryId,
    /// The time that it is given: a clock that is set back must not make an entry older than the one before it.
    pub time: UnixMillis,
}

impl Retention {
    /// The same for a channel whose entries are kept for so long only.
    #[must_use]
    pub fn keeping(self, keep: Option<Duration>) -> Self {
        Self { age: keep.map_or(self.age, |keep| keep.min(self.age)), ..self }
    }

    /// The oldest id that may be kept if `last` is the newest.
    #[must_use]
    pub const fn oldest_id(&self, last: EntryId) -> EntryId {
        last.back(self.max - 1)
    }

    /// The newest time that is no longer kept at `now`.
    #[must_use]
    pub fn expired_time(&self, now: UnixMillis) -> UnixMillis {
        now - self.age
    }

    /// Whether what was stored at `time` is kept at `now`. At the very end of its age it is not.
    #[must_use]
    pub fn keeps(&self, time: UnixMillis, now: UnixMillis) -> bool {
        time > self.expired_time(now)
    }

    /// Whether an entry is kept at `now` in a run whose newest id is `last`.
    #[must_use]
    pub fn keeps_entry(&self, id: EntryId, time: UnixMillis, last: EntryId, now: UnixMillis) -> bool {
        id >= self.oldest_id(last) && self.keeps(time, now)
    }

    /// Where the next entry goes: behind the newest one, or at the beginning of a new run if that has expired. (In a log
    /// times never go back, so the newest entry is the last to expire.)
    #[must_use]
    pub fn place(&self, tail: Option<Tail>, now: UnixMillis) -> Place {
        let last = tail.map_or(EntryId::BEGINNING, |tail| tail.last);
        match tail {
            Some(Tail { run, previous, time: Some(time), .. }) if self.keeps(time, now) => {
                Place { id: last.next(), run, previous, time: time.max(now) }
            }
            _ => {
                let clock = EntryId::new(now.0).unwrap_or(EntryId::BEGINNING);
                let run = clock.max(last.next());
                let time = tail.and_then(|tail| tail.time).map_or(now, |time| time.max(now));
                Place { id: run, run, previous: last, time }
            }
        }
    }
}

impl Place {
    /// Whether its entry is the first of a run.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.id == self.run
    }

    /// The id before it, as a [`super::Batch`] names it: before the first of a run is the last of the one before.
    #[must_use]
    pub fn after(&self) -> EntryId {
        if self.begins() { self.previous } else { self.id.back(1) }
    }

    /// What these drafts become here. `last` is the value before of the first one's key ([`Draft::remembers`]).
    #[must_use]
    pub fn entries(&self, drafts: &[Draft], last: Option<i64>) -> Vec<Entry> {
        let ids = std::iter::successors(Some(self.id), |id| Some(id.next()));
        let values = std::iter::once(last).chain(std::iter::repeat(None));
        let parts = drafts.iter().zip(ids).zip(values);
        parts.map(|((draft, id), last)| draft.entry(id, self.time, last)).collect()
    }

    /// The end of the log once so many entries are stored here.
    #[must_use]
    pub const fn tail(&self, count: u64) -> Tail {
        let last = self.id.forward(count.saturating_sub(1));
        Tail { run: self.run, previous: self.previous, last, time: Some(self.time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_341_600_000);
    const MINUTE: Duration = Duration::from_secs(60);
    const KEPT: Retention = Retention { max: 3, age: MINUTE };

    fn id(n: u64) -> EntryId {
        EntryId::new(n).unwrap()
    }

    #[test]
    fn ids_are_consecutive_in_a_run_and_never_used_twice() {
        let first = KEPT.place(None, NOW);
        assert_eq!(first, Place { id: id(NOW.0), run: id(NOW.0), previous: EntryId::BEGINNING, time: NOW });
        let second = KEPT.place(Some(first.tail(1)), NOW);
        assert_eq!((second.id, second.run, second.previous), (id(NOW.0 + 1), first.id, first.previous));
        for time in [None, Some(NOW - MINUTE)] {
            let emptied = Tail { time, ..second.tail(1) };
            let again = KEPT.place(Some(emptied), NOW);
            assert_eq!((again.id, again.run, again.previous), (id(NOW.0 + 2), id(NOW.0 + 2), second.id));
            let later = KEPT.place(Some(emptied), NOW + MINUTE);
            assert_eq!((later.id, later.previous), (id(NOW.0 + 60_000), second.id));
        }
    }

    #[test]
    fn a_run_ends_at_the_very_end_of_its_age() {
        let first = KEPT.place(None, NOW);
        let almost = Duration::from_millis(59_999);
        assert!(!KEPT.place(Some(first.tail(1)), NOW + almost).begins());
        assert!(KEPT.place(Some(first.tail(1)), NOW + MINUTE).begins());
        assert!(KEPT.keeps(NOW, NOW + almost) && !KEPT.keeps(NOW, NOW + MINUTE));
    }

    #[test]
    fn times_never_go_back() {
        let (mut tail, mut now) = (None, NOW);
        for _ in 0..5 {
            let place = KEPT.place(tail, now);
            assert_eq!(place.time, NOW);
            (tail, now) = (Some(place.tail(1)), now - Duration::from_secs(7));
        }
        let expired = Tail { time: Some(NOW), ..KEPT.place(None, NOW).tail(1) };
        assert_eq!(KEPT.place(Some(expired), NOW + MINUTE).time, NOW + MINUTE);
    }

    #[test]
    fn a_batch_names_the_entry_before_it_also_over_the_end_of_a_run() {
        let first = KEPT.place(None, NOW);
        let second = KEPT.place(Some(first.tail(1)), NOW);
        let third = KEPT.place(Some(second.tail(1)), NOW + MINUTE);
        assert_eq!(
            [first, second, third].map(|place| place.after()),
            [EntryId::BEGINNING, first.id, second.id]
        );
    }

    #[test]
    fn what_is_kept_is_bounded_by_count_and_by_age() {
        let keeps = |n, age| KEPT.keeps_entry(id(n), NOW - age, id(10), NOW);
        assert!(keeps(8, Duration::ZERO) && keeps(10, Duration::from_millis(59_999)));
        assert!(!keeps(7, Duration::ZERO) && !keeps(10, MINUTE));
    }
}
