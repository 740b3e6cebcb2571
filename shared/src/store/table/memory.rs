//! What a channel remembers for each key.
//!
//! A quote tells how far the price has moved since the quote before of its symbol. A search for that quote in the middle
//! of an append would read as far back as the symbol is rare: the whole log, if it is new. So what is needed of it is
//! written down where one question finds it, in the same transaction as its entry: no crash and no race comes between
//! them.

use super::{Item, Remember, Remembered, Table};
use crate::log::{ChannelName, Draft, Retention};
use crate::time::UnixMillis;

/// What is remembered for a draft's key, as it was read.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    name: String,
    value: i64,
    row: Option<Remembered>,
}

impl Memory {
    /// Reads it; `None` if nothing is to be remembered for the draft, or there is none.
    pub(super) async fn read<T: Table>(
        table: &T,
        channel: &ChannelName,
        draft: Option<&Draft>,
    ) -> Result<Option<Self>, T::Failure> {
        let Some((key, value)) = draft.and_then(Draft::remembers) else { return Ok(None) };
        let name = format!("last {channel} {key}");
        let row = table.remembered(&name).await?;
        Ok(Some(Self { name, value, row }))
    }

    /// The last value, which counts for as long as its entry is kept: `next` is the item that is to follow it.
    pub(super) fn last(&self, retention: Retention, next: &Item, now: UnixMillis) -> Option<i64> {
        let newest = next.id.back(1);
        let is_kept =
            |row: &Remembered| row.run == next.run && retention.keeps_entry(row.id, row.time, newest, now);
        self.row.filter(is_kept).map(|row| row.value)
    }

    /// What is to be remembered together with this item.
    pub(super) fn next(self, item: &Item) -> Remember {
        let row = Remembered { value: self.value, id: item.id, run: item.run, time: item.time };
        Remember { name: self.name, row, before: self.row.map(|row| row.id) }
    }
}
