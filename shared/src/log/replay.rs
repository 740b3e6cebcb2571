//! Where a reader goes on: resumed, after a gap, or live.

use serde::{Deserialize, Serialize};

use super::{Batch, EntryId, Filter, Requested};
use crate::time::UnixMillis;

/// What a log knows of itself once it has had an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The first id of the current run ([`super::Tail`]).
    pub run: EntryId,
    /// The last id of the run before; [`EntryId::BEGINNING`] if there was none, or if it is forgotten.
    pub previous: EntryId,
    /// The oldest entry that is kept; `None` if all of them expired.
    pub first: Option<EntryId>,
    /// The newest id of an entry.
    pub last: EntryId,
    /// The channel has ended. The end stands behind `last`.
    pub has_ended: bool,
}

impl GapReason {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

impl Extent {
    /// How the channel stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let last = self.first.map_or(EntryId::BEGINNING, |_| self.last);
        Standing { last, has_ended: self.has_ended }
    }

    /// The id before `id` in the log, as a [`Batch`] names it: before the first of a run is the last of the one
    /// before.
    #[must_use]
    pub fn before(&self, id: EntryId) -> EntryId {
        if id == self.run { self.previous } else { id.back(1) }
    }
}

/// Where a reader wants to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// With the newest entries: so many of those that its filter admits.
    History(u32),
    /// After this cursor.
    After(EntryId),
    /// After something that is not a cursor, which is told to the reader as a gap.
    Unreadable(Requested),
}

impl Position {
    /// After the cursor that came, whatever it is.
    #[must_use]
    pub fn after(requested: &str) -> Self {
        requested.parse().map_or_else(|_| Self::Unreadable(Requested::new(requested)), Self::After)
    }
}

/// What a stream asks of its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Where to begin.
    pub position: Position,
    /// Which entries.
    pub filter: Filter,
    /// Only the newest entry of each key ([`Batch::newest`]): what a slow reader of quotes gets once it takes
    /// bytes again.
    pub newest: bool,
}

/// The channel's answer: where the reader begins, the first entries, and whether it is now live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<F> {
    /// Where the reader begins.
    pub start: Start,
    /// What follows, up to [`crate::limits::PAGE_BYTES`].
    pub batch: Option<Batch<F>>,
    /// There is more; the reader is not subscribed and asks again when it has taken this.
    pub more: bool,
}

impl<F> Page<F> {
    /// Whether it brings the end of the channel, behind which a stream waits for nothing.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.end.is_some())
    }
}

/// The cursor that a stream starts after, and what went missing before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The cursor: everything kept after it is sent.
    pub after: EntryId,
    /// What the reader missed, if anything.
    pub gap: Option<Gap>,
    /// How the channel stood then.
    #[serde(default)]
    pub standing: Standing,
}

/// How a channel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The newest entry that is kept; [`EntryId::BEGINNING`] if none is.
    pub last: EntryId,
    /// Nothing can be appended any more.
    pub has_ended: bool,
}

/// What a reader is told if its cursor cannot be resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// The cursor that came.
    pub requested: Requested,
}

/// Why a cursor cannot be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GapReason {
    /// Some of what followed it is no longer kept; the stream goes on from what is.
    Expired,
    /// It is malformed or from the future; the stream goes on live.
    Unknown,
}

impl Start {
    /// Begins after `id` with nothing missing, in a channel of which nothing is known.
    #[must_use]
    pub fn at(id: EntryId) -> Self {
        Self { after: id, gap: None, standing: Standing::default() }
    }

    /// Whether nothing will ever follow: the channel has ended, and the reader has all of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.standing.has_ended && self.gap.is_none() && self.after >= self.standing.last
    }

    /// The replay decision, on both hosts.
    ///
    /// `extent` is `None` if the log has no memory of the channel. `nth_newest` is asked for the id of the
    /// n-th newest kept entry that the reader's filter admits (n ≥ 1), `None` if there are fewer.
    ///
    /// # Examples
    /// A log that keeps the entries 105 to 110 of a run that began at 100:
    ///
    /// ```
    /// use ssedge::log::{EntryId, Extent, GapReason, Position, Start};
    /// use ssedge::time::UnixMillis;
    ///
    /// let id = |n| EntryId::new(n).unwrap();
    /// let (first, has_ended) = (Some(id(105)), false);
    /// let extent = Extent { run: id(100), previous: id(0), first, last: id(110), has_ended };
    /// let decide = |cursor| {
    ///     Start::decide(&Position::after(cursor), Some(extent), UnixMillis(1_795_341_600_000), |_| None)
    /// };
    /// // The reader has 107, so it goes on with 108.
    /// assert_eq!(decide("107").after, id(107));
    /// // Of what came after 101 some is gone: the reader is told so, and goes on with what is kept.
    /// let start = decide("101");
    /// assert_eq!((start.after, start.gap.unwrap().reason), (id(104), GapReason::Expired));
    /// // A cursor that was never given.
    /// assert_eq!(decide("x").gap.unwrap().reason, GapReason::Unknown);
    /// ```
    pub fn decide(
        position: &Position,
        extent: Option<Extent>,
        now: UnixMillis,
        nth_newest: impl FnOnce(u32) -> Option<EntryId>,
    ) -> Self {
        let standing = extent.map_or_else(Standing::default, |extent| extent.standing());
        let start = match (position, extent) {
            (Position::After(cursor), _) => Self::after(*cursor, extent, now),
            (Position::Unreadable(requested), extent) => {
                let gap = Gap { reason: GapReason::Unknown, requested: requested.clone() };
                let after = extent.map_or(EntryId::BEGINNING, |extent| extent.last);
                Self { gap: Some(gap), ..Self::at(after) }
            }
            (Position::History(0), Some(Extent { first: Some(_), last, .. })) => Self::at(last),
            (Position::History(n), Some(Extent { first: Some(first), .. })) => {
                Self::at(nth_newest(*n).unwrap_or(first).back(1))
            }
            (Position::History(_), _) => Self::at(EntryId::BEGINNING),
        };
        Self { standing, ..start }
    }

    fn after(cursor: EntryId, extent: Option<Extent>, now: UnixMillis) -> Self {
        use GapReason::{Expired, Unknown};
        let gap =
            |reason, after| Self { gap: Some(Gap { reason, requested: cursor.into() }), ..Self::at(after) };
        // If all expired, this is not the beginning: a reader from there would silently miss a run that comes and goes.
        let live = extent.map_or(EntryId::BEGINNING, |e| e.last);
        match extent {
            _ if cursor == EntryId::BEGINNING
                && extent.is_none_or(|e| e.first.is_none_or(|f| f == e.run)) =>
            {
                Self::at(cursor)
            }
            // Ids begin at the clock, so a channel that has forgotten itself may have given any up to now. So may one that was
            // closed since, and had no entry before.
            _ if live == EntryId::BEGINNING && cursor.get() <= now.0 => gap(Expired, live),
            None => gap(Unknown, live),
            Some(Extent { last, .. }) if cursor > last => gap(Unknown, live),
            Some(Extent { first: None, last, .. }) if cursor == last => Self::at(cursor),
            Some(Extent { first: None, .. }) => gap(Expired, live),
            Some(Extent { first: Some(first), .. }) if cursor.next() >= first => Self::at(cursor),
            Some(Extent { first: Some(first), run, previous, .. }) if first == run && cursor == previous => {
                Self::at(cursor)
            }
            Some(Extent { first: Some(first), .. }) => gap(Expired, first.back(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_341_600_000);

    fn id(n: u64) -> EntryId {
        EntryId::new(n).unwrap()
    }

    fn extent(run: u64, previous: u64, first: Option<u64>, last: u64) -> Option<Extent> {
        let (first, has_ended) = (first.map(id), false);
        Some(Extent { run: id(run), previous: id(previous), first, last: id(last), has_ended })
    }

    #[track_caller]
    fn check(cursor: &str, extent: Option<Extent>, after: u64, reason: Option<GapReason>) {
        let start = Start::decide(&Position::after(cursor), extent, NOW, |_| None);
        assert_eq!((start.after, start.gap.map(|gap| gap.reason)), (id(after), reason));
    }

    #[test]
    fn a_kept_cursor_resumes() {
        let log = extent(100, 0, Some(105), 110);
        check("104", log, 104, None);
        check("107", log, 107, None);
        check("110", log, 110, None);
    }

    #[test]
    fn a_cursor_before_what_is_kept_is_a_gap() {
        let log = extent(100, 0, Some(105), 110);
        check("103", log, 104, Some(GapReason::Expired));
        check("0", log, 104, Some(GapReason::Expired));
    }

    #[test]
    fn a_cursor_that_was_never_given_is_unknown_and_goes_on_live() {
        let log = extent(100, 0, Some(105), 110);
        for cursor in ["111", "abc", "", "-1", "9007199254740992"] {
            check(cursor, log, 110, Some(GapReason::Unknown));
        }
    }

    #[test]
    fn from_the_beginning_nothing_is_missing_while_the_run_is_whole() {
        check("0", extent(100, 0, Some(100), 110), 0, None);
        check("0", extent(100, 90, Some(100), 110), 0, None);
        check("0", None, 0, None);
        check("0", extent(100, 0, None, 110), 0, None);
    }

    #[test]
    fn the_last_reader_of_an_expired_run_missed_nothing() {
        check("110", extent(100, 0, None, 110), 110, None);
        check("90", extent(100, 90, Some(100), 110), 90, None);
        check("90", extent(100, 90, Some(101), 110), 100, Some(GapReason::Expired));
        check("89", extent(100, 90, Some(100), 110), 99, Some(GapReason::Expired));
        check("109", extent(100, 0, None, 110), 110, Some(GapReason::Expired));
    }

    #[test]
    fn a_run_that_came_and_went_is_not_missed_in_silence() {
        let emptied = extent(100, 0, None, 110);
        for cursor in ["110", "109", "abc"] {
            let start = Start::decide(&Position::after(cursor), emptied, NOW, |_| None);
            check(&start.after.to_string(), extent(200, 110, None, 205), 205, Some(GapReason::Expired));
        }
    }

    #[test]
    fn a_channel_without_memory_takes_any_past_id_for_an_expired_one() {
        check("5", None, 0, Some(GapReason::Expired));
        check(&NOW.0.to_string(), None, 0, Some(GapReason::Expired));
        check(&(NOW.0 + 1).to_string(), None, 0, Some(GapReason::Unknown));
    }

    #[test]
    fn history_begins_before_the_nth_newest() {
        let log = extent(100, 0, Some(105), 110);
        let start =
            |n, nth: Option<u64>| Start::decide(&Position::History(n), log, NOW, |_| nth.map(id)).after;
        assert_eq!(start(0, None), id(110));
        assert_eq!(start(3, Some(108)), id(107));
        assert_eq!(start(50, None), id(104));
        assert_eq!(Start::decide(&Position::History(5), None, NOW, |_| None), Start::at(id(0)));
    }

    #[test]
    fn who_has_all_of_a_channel_that_has_ended_waits_for_nothing() {
        let ended = |first| Extent { has_ended: true, ..extent(100, 90, first, 110).unwrap() };
        let is_over = |position: &Position, first, nth: Option<u64>| {
            Start::decide(position, Some(ended(first)), NOW, |_| nth.map(id)).is_over()
        };
        assert!(is_over(&Position::After(id(110)), Some(105), None));
        assert!(is_over(&Position::History(0), Some(105), None));
        assert!(!is_over(&Position::After(id(109)), Some(105), None), "an entry is left");
        assert!(!is_over(&Position::History(1), Some(105), Some(110)), "and so it is");
        assert!(!is_over(&Position::after("x"), Some(105), None), "the gap is to be told");
        // All entries have expired, and the end has not.
        assert!(is_over(&Position::After(id(110)), None, None) && is_over(&Position::History(5), None, None));
        assert!(!is_over(&Position::After(id(109)), None, None), "what is missing is to be told");
        let open = extent(100, 90, Some(105), 110);
        assert!(!Start::decide(&Position::After(id(110)), open, NOW, |_| None).is_over());
        // It has forgotten itself, and was closed then.
        let closed = Extent { has_ended: true, ..extent(1, 0, None, 0).unwrap() };
        check("110", Some(closed), 0, Some(GapReason::Expired));
        check(&(NOW.0 + 1).to_string(), Some(closed), 0, Some(GapReason::Unknown));
        check("0", Some(closed), 0, None);
    }
}
