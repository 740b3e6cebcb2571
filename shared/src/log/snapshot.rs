//! Snapshots: what a channel holds, at once.

use serde::{Deserialize, Serialize};

use super::{Entry, EntryId, Gap, Start, Subscribe};
use crate::limits::SNAPSHOT_ENTRIES;

/// What a channel answers to who wants to know it at once, without a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The bodies of the entries, in order.
    pub bodies: Vec<String>,
    /// The id after which a stream goes on.
    pub cursor: EntryId,
    /// The snapshot was cut.
    pub more: bool,
    /// What the cursor that came has missed.
    pub gap: Option<Gap>,
}

impl Snapshot {
    /// Takes what `subscribe` wants of the kept entries after `start`, oldest first, and no more of them than it takes to
    /// know: at most [`SNAPSHOT_ENTRIES`], or the newest of each key.
    ///
    /// # Errors
    /// The first of `entries`.
    pub fn take<E>(
        start: Start,
        subscribe: &Subscribe,
        entries: impl IntoIterator<Item = Result<Entry, E>>,
    ) -> Result<Self, E> {
        let (mut taken, mut cursor, mut more) = (Vec::new(), start.after, false);
        for entry in entries {
            let entry = entry?;
            let id = entry.id;
            if subscribe.filter.admits(&entry) {
                more = !subscribe.newest && taken.len() == SNAPSHOT_ENTRIES as usize;
                if more {
                    break;
                }
                taken.push(entry);
            }
            cursor = id;
        }
        let bodies = if subscribe.newest {
            subscribe.filter.newest(&taken).into_iter().map(|(entry, _)| entry.body.clone()).collect()
        } else {
            taken.into_iter().map(|entry| entry.body).collect()
        };
        Ok(Self { bodies, cursor, more, gap: start.gap })
    }
}
