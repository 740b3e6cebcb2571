//! The log of a channel: entries in one order, which many readers follow.
//!
//! The hosts keep the log, each in its own storage; what it means is decided here: how ids go on
//! ([`Extent::next`]), what is still kept ([`Retention`]), and from which entry a returning reader goes on ([`Start`]).

mod draft;
mod entry;
mod id;
mod name;
mod pace;
mod replay;
mod snapshot;

pub use draft::{Draft, Text};
pub use entry::{Batch, Entry, Filter};
pub use id::{EntryId, InvalidId, Requested};
pub use name::{ChannelName, InvalidName};
pub use pace::Pace;
pub use replay::{Extent, Gap, GapReason, Page, Position, Retention, Start, Subscribe};
pub use snapshot::Snapshot;
