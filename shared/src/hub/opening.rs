//! What a channel gives to a hub that opens a connection.

use std::time::Duration;

use bytes::Bytes;

use super::News;
use crate::limits::{HUB_PAGE_BYTES, PAGE_BYTES};
use crate::log::{Entry, EntryId, Extent};

/// Where the log ends, and its newest entries. Both go to [`Hub::opened`](super::Hub::opened).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// `None` if nothing was ever stored.
    pub extent: Option<Extent>,
    /// The newest entries.
    pub news: Option<News<Bytes>>,
}

impl Opening {
    /// Takes of the kept entries, each of them kept for `age`, newest first, those after `after` if a page of [`PAGE_BYTES`]
    /// holds them, and otherwise the newest. A hub that stands nowhere yet gets up to [`HUB_PAGE_BYTES`].
    ///
    /// # Errors
    /// The first of `newest_first`.
    pub fn new<E>(
        extent: Option<Extent>,
        age: Duration,
        after: Option<EntryId>,
        newest_first: impl IntoIterator<Item = Result<Entry, E>>,
    ) -> Result<Self, E> {
        let most = if after.is_some() { PAGE_BYTES } else { HUB_PAGE_BYTES };
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for entry in newest_first {
            let entry = entry?;
            bytes += entry.bytes();
            if bytes > most || after.is_some_and(|after| entry.id <= after) {
                break;
            }
            entries.push(entry);
        }
        entries.reverse();
        let news = extent
            .zip(entries.first())
            .and_then(|(extent, first)| News::encode(extent.run, extent.before(first.id), age, &entries));
        Ok(Self { extent, news })
    }
}
