//! Snapshots: what a channel holds, at once.

use serde::{Deserialize, Serialize};

use super::{EndReason, EntryId, Gap};

/// What a channel answers to who wants to know it at once, without a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The entries, in order, each a line of JSON ([`super::Entry::item`]).
    pub bodies: Vec<String>,
    /// The id after which a stream goes on.
    pub cursor: EntryId,
    /// The snapshot was cut.
    pub more: bool,
    /// Why the channel has ended, if it has.
    pub ended: Option<EndReason>,
    /// What the cursor that came has missed.
    pub gap: Option<Gap>,
}
