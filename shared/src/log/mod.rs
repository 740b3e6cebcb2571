//! The log of a channel: entries in one order, which many readers follow.
//!
//! A log may be stored in several ways ([`crate::store`]). What it means is decided here, once for all of them: where an
//! entry goes ([`Retention::place`]), what is still kept ([`Retention`]), from which entry a
//! returning reader goes on ([`Start`]), and what it is given ([`Selection`]).

mod draft;
mod end;
mod entry;
mod id;
mod name;
mod pace;
mod place;
mod replay;
mod selection;
mod snapshot;

pub use draft::{Draft, Text};
pub use end::{End, EndReason, InvalidReason};
pub use entry::{Batch, Entry, Filter, Kind};
pub use id::{EntryId, InvalidId, Requested};
pub use name::{ChannelName, InvalidName};
pub use pace::Pace;
pub use place::{Place, Retention, Tail};
pub use replay::{Extent, Gap, GapReason, Page, Position, Standing, Start, Subscribe};
pub use selection::Selection;
pub use snapshot::Snapshot;
