//! What a fuzzer may choose.

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use ssedge::limits::ID_MAX;
use ssedge::log::{
    Batch, EntryId, Filter, Gap, GapReason, Page, Position, Requested, Retention, Start, Subscribe,
};
use ssedge::session::{Dialect, Input, StreamRequest, WhenSlow};

use crate::stream::{Numbered, channel_name, every, replayed};
use crate::world::START;

/// A stream, and what happens to it.
#[derive(Arbitrary, Debug)]
pub struct Scenario {
    pub stream: Stream,
    pub steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
pub struct Stream {
    pub source: Source,
    pub seed: u64,
    #[arbitrary(with = heartbeat)]
    pub heartbeat: Duration,
    #[arbitrary(with = maybe(span))]
    pub life: Option<Duration>,
    #[arbitrary(with = maybe(span))]
    pub deadline: Option<Duration>,
    #[arbitrary(with = maybe(span))]
    pub token: Option<Duration>,
    #[arbitrary(with = retention)]
    pub retention: Retention,
    /// How many entries there are before.
    pub before: u8,
}

#[derive(Arbitrary, Debug)]
pub enum Source {
    Channel {
        key: Option<Key>,
        history: u8,
        #[arbitrary(with = maybe(interval))]
        ticks: Option<Duration>,
        conflates: bool,
    },
    Ticks {
        #[arbitrary(with = one_of(&[1, 2]))]
        blocks: usize,
        #[arbitrary(with = interval)]
        interval: Duration,
        #[arbitrary(with = cursor)]
        position: Position,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Key {
    A,
    B,
}

/// One thing that happens, after so long.
#[derive(Arbitrary, Debug)]
pub struct Step {
    #[arbitrary(with = span)]
    pub wait: Duration,
    pub act: Act,
}

#[derive(Arbitrary, Debug)]
pub enum Act {
    /// Entries are stored.
    Append {
        key: Key,
        #[arbitrary(with = one_of(&[10, 500, 8_000]))]
        size: usize,
        #[arbitrary(with = |u: &mut Unstructured| u.int_in_range(1..=40))]
        times: u8,
    },
    /// The channel answers what it was last asked.
    Answer,
    /// A subscriber gets the next news.
    News,
    /// The next news are lost on their way.
    Miss,
    /// The last news come once more.
    Repeat,
    /// The subscription breaks.
    Lose,
    /// The channel has no room for who asks.
    Refuse,
    /// The channel forgets that it ever had an entry, if it has none any more.
    Forget,
    /// The reader takes so many bytes.
    Take(#[arbitrary(with = one_of(&[1, 4_096, 40_000, usize::MAX]))] usize),
    /// The host wakes the session when it wants to be woken.
    Wake,
    /// The host wakes it in vain, or too late.
    Stir,
    /// The reader leaves, and comes back.
    Return,
    /// The clock is set back.
    SetBack(#[arbitrary(with = span)] Duration),
    /// The channel says what no channel would.
    Forge(Forged),
}

#[derive(Arbitrary, Debug)]
pub enum Forged {
    Page { after: u8, gap: Option<bool>, batch: Option<ForgedBatch>, more: bool },
    Entries(ForgedBatch),
}

#[derive(Arbitrary, Debug)]
pub struct ForgedBatch {
    after: u8,
    upto: u8,
    shown: u8,
    #[arbitrary(with = maybe(one_of(&[1, 60_000])))]
    size: Option<usize>,
}

impl Key {
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

impl Source {
    /// Which entries the reader wants, and with how many it begins.
    pub fn wants(&self) -> (Filter, u32) {
        match self {
            Self::Channel { key, history, .. } => {
                let filter = key.map_or(Filter::ALL, |key| Filter::keys([key.name().to_owned()]));
                (filter, (*history).into())
            }
            Self::Ticks { .. } => (Filter::ALL, 0),
        }
    }

    /// The stream of a reader that begins at `position`, which ticks are told by the scenario.
    pub fn opening(&self, position: Position) -> StreamRequest {
        match self {
            Self::Channel { ticks, conflates, .. } => {
                let subscribe = Subscribe { position, filter: self.wants().0, newest: false };
                StreamRequest {
                    log: Some((channel_name("room"), subscribe)),
                    ticks: ticks.and_then(every),
                    when_slow: if *conflates { WhenSlow::Newest } else { WhenSlow::End },
                    dialect: if *conflates { Dialect::Named } else { Dialect::Plain },
                    only_open: false,
                    has_ends: false,
                }
            }
            Self::Ticks { blocks, interval, position } => {
                replayed(Numbered { blocks: *blocks }, *interval, position.clone())
            }
        }
    }
}

impl Forged {
    pub fn input(self) -> Input<Bytes> {
        match self {
            Self::Page { after, gap, batch, more } => {
                let gap = gap.map(|expired| Gap {
                    reason: if expired { GapReason::Expired } else { GapReason::Unknown },
                    requested: Requested::new("\"\n\0\u{2028}"),
                });
                let start = Start { gap, ..Start::at(id(after)) };
                Input::Page(Page { start, batch: batch.map(ForgedBatch::batch), more })
            }
            Self::Entries(batch) => Input::Entries(batch.batch()),
        }
    }
}

impl ForgedBatch {
    fn batch(self) -> Batch<Bytes> {
        let [after, upto, shown] = [self.after, self.upto, self.shown].map(id);
        let frame = self.size.map(|size| format!("id: {shown}\ndata: {}\n\n", "x".repeat(size)).into());
        Batch { after, upto, shown, frame, end: None }
    }
}

/// The first ids that the channel gives, and the two ends of all ids.
fn id(n: u8) -> EntryId {
    match n {
        0 => EntryId::BEGINNING,
        u8::MAX => EntryId::new(ID_MAX).expect("the greatest id is one"),
        n => EntryId::new(START.0 + u64::from(n)).expect("ids are above any time"),
    }
}

fn one_of<T: Copy>(choices: &'static [T]) -> impl Fn(&mut Unstructured) -> Result<T> {
    move |u| u.choose(choices).copied()
}

fn maybe<T>(of: impl Fn(&mut Unstructured) -> Result<T>) -> impl Fn(&mut Unstructured) -> Result<Option<T>> {
    move |u| if u.arbitrary()? { of(u).map(Some) } else { Ok(None) }
}

fn span(u: &mut Unstructured) -> Result<Duration> {
    one_of(&[0, 1, 40, 250, 1_000, 4_000, 15_000, 31_000, 70_000])(u).map(Duration::from_millis)
}

fn interval(u: &mut Unstructured) -> Result<Duration> {
    one_of(&[250, 1_000, 60_000])(u).map(Duration::from_millis)
}

/// Where a reader of ticks begins: with history, or after a cursor from the past, from the future, or that is none.
fn cursor(u: &mut Unstructured) -> Result<Position> {
    if u.arbitrary()? {
        return one_of(&[0, 3, 60])(u).map(Position::History);
    }
    let after =
        one_of(&[None, Some(-100_000_000), Some(-60_001), Some(-1), Some(0), Some(1_999), Some(2_001)])(u)?;
    Ok(match after {
        None => Position::after("\"\n\0\u{2028}"),
        Some(ms) => Position::after(&START.0.saturating_add_signed(ms).to_string()),
    })
}

fn heartbeat(u: &mut Unstructured) -> Result<Duration> {
    one_of(&[1, 15, 60])(u).map(Duration::from_secs)
}

fn retention(u: &mut Unstructured) -> Result<Retention> {
    let max = one_of(&[1, 5, 20, 1_000])(u)?;
    let age = one_of(&[4, 20, 3_600])(u).map(Duration::from_secs)?;
    Ok(Retention { max, age })
}
